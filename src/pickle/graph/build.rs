//! How the machine builds a graph. Numbers of nodes and elements are below 2^31: the machine sees to it.

use super::{Chain, Graph, NO_PIECE, NodeId, Object, Piece, Slot, Span};

impl<'p> Graph<'p> {
    #[inline]
    pub(in crate::pickle) fn push(&mut self, slot: Slot<'p>) -> NodeId {
        let id = NodeId(self.slots.len() as u32);
        self.slots.push(slot);
        id
    }

    /// The slot of a node; `None` for a small integer.
    #[inline]
    pub(in crate::pickle) fn slot(&self, id: NodeId) -> Option<Slot<'p>> {
        id.resolve().err().map(|index| self.slots[index])
    }

    pub(in crate::pickle) fn text_node(&mut self, text: Box<str>) -> NodeId {
        self.texts.push(text);
        self.push(Slot::OwnedStr(self.texts.len() as u32 - 1))
    }

    pub(in crate::pickle) fn old_text_node(&mut self, text: Box<[u8]>) -> NodeId {
        self.old_texts.push(text);
        self.push(Slot::OwnedOldStr(self.old_texts.len() as u32 - 1))
    }

    pub(in crate::pickle) fn global_node(&mut self, module: NodeId, name: NodeId) -> NodeId {
        self.globals.push((module, name));
        self.push(Slot::Global(self.globals.len() as u32 - 1))
    }

    pub(in crate::pickle) fn object_node(&mut self, object: Object) -> NodeId {
        self.objects.push(object);
        self.push(Slot::Object(self.objects.len() as u32 - 1))
    }

    #[inline]
    pub(in crate::pickle) fn span(&mut self, elements: &[NodeId]) -> Span {
        let start = self.items.len() as u32;
        self.items.extend_from_slice(elements);
        Span { start, len: elements.len() as u32 }
    }

    /// Appends elements to a chain: to its last piece where nothing came between.
    pub(in crate::pickle) fn extend(&mut self, chain: Chain, elements: &[NodeId]) -> Chain {
        if elements.is_empty() {
            return chain;
        }
        let span = self.span(elements);
        let len = chain.len + span.len;
        let new = self.pieces.len() as u32;
        if let Some(last) = self.pieces.get_mut(chain.last as usize) {
            if last.span.start + last.span.len == span.start {
                last.span.len += span.len;
                return Chain { len, ..chain };
            }
            last.next = new;
        }
        self.pieces.push(Piece { span, next: NO_PIECE });
        Chain { first: if chain.first == NO_PIECE { new } else { chain.first }, last: new, len }
    }

    pub(in crate::pickle) fn set_slot(&mut self, id: NodeId, slot: Slot<'p>) {
        if let Err(index) = id.resolve() {
            self.slots[index] = slot;
        }
    }

    pub(in crate::pickle) fn object_mut(&mut self, index: u32) -> &mut Object {
        &mut self.objects[index as usize]
    }

    pub(in crate::pickle) fn finish(mut self, root: NodeId) -> Self {
        self.root = root;
        self
    }
}
