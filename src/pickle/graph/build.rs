//! How the machine builds a graph. Numbers of nodes and elements are below 2^31: the machine sees to it.

use std::mem;

use super::store::Tools;
use super::{Chain, Ends, Graph, IN_PIECES, NO_PIECE, NodeId, Object, Piece, Slot, Span};

impl Graph<'_> {
    #[inline]
    pub(in crate::pickle) fn push(&mut self, slot: Slot) -> NodeId {
        let id = NodeId::slot(self.store.slots.len());
        self.store.slots.push(slot);
        id
    }

    /// The slot of a node, if it has one.
    #[inline]
    pub(in crate::pickle) fn slot(&self, id: NodeId) -> Option<Slot> {
        id.index().map(|index| self.store.slots[index])
    }

    /// A part of the pickle that is text.
    pub(in crate::pickle) fn line_node(&mut self, start: usize, len: usize) -> NodeId {
        self.push(Slot::Line(Span { start: start as u32, len: len as u32 }))
    }

    /// A part of the pickle between the opcodes.
    pub(in crate::pickle) fn inset_node(&mut self, start: usize, len: usize) -> NodeId {
        self.push(Slot::Inset(Span { start: start as u32, len: len as u32 }))
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
        self.store.globals.push((module, name));
        self.push(Slot::Global(self.store.globals.len() as u32 - 1))
    }

    pub(in crate::pickle) fn object_node(&mut self, object: Object) -> NodeId {
        self.store.objects.push(object);
        self.push(Slot::Object(self.store.objects.len() as u32 - 1))
    }

    pub(in crate::pickle) fn persistent_node(&mut self, id: NodeId, place: (usize, &'static str)) -> NodeId {
        self.persistent.get_or_insert(place);
        self.push(Slot::Persistent(id))
    }

    #[inline]
    pub(in crate::pickle) fn span(&mut self, elements: &[NodeId]) -> Span {
        let start = self.store.items.len() as u32;
        self.store.items.extend_from_slice(elements);
        Span { start, len: elements.len() as u32 }
    }

    /// Appends elements to a chain: to its last piece where nothing came between.
    #[inline]
    pub(in crate::pickle) fn extend(&mut self, chain: Chain, elements: &[NodeId]) -> Chain {
        let Span { start, len } = self.span(elements);
        match chain {
            Chain { len: 0, .. } => Chain { at: start, len },
            Chain { at, len: held } if at + held == start && at < IN_PIECES => Chain { at, len: held + len },
            _ => self.extend_in_pieces(chain, Span { start, len }),
        }
    }

    fn extend_in_pieces(&mut self, chain: Chain, span: Span) -> Chain {
        if span.len == 0 {
            return chain;
        }
        let store = &mut *self.store;
        let at = match chain.at {
            start @ ..IN_PIECES => {
                let only = store.pieces.len() as u32;
                store.pieces.push(Piece { span: Span { start, len: chain.len }, next: NO_PIECE });
                store.ends.push(Ends { first: only, last: only });
                (store.ends.len() as u32 - 1) | IN_PIECES
            }
            at => at,
        };
        let ends = &mut store.ends[(at & !IN_PIECES) as usize];
        let new = store.pieces.len() as u32;
        let last = &mut store.pieces[ends.last as usize];
        if last.span.start + last.span.len == span.start {
            last.span.len += span.len;
        } else {
            last.next = new;
            ends.last = new;
            store.pieces.push(Piece { span, next: NO_PIECE });
        }
        Chain { at, len: chain.len + span.len }
    }

    #[inline]
    pub(in crate::pickle) fn set_slot(&mut self, id: NodeId, slot: Slot) {
        if let Some(index) = id.index() {
            self.store.slots[index] = slot;
        }
    }

    pub(in crate::pickle) fn object(&self, index: u32) -> &Object {
        &self.store.objects[index as usize]
    }

    pub(in crate::pickle) fn object_mut(&mut self, index: u32) -> &mut Object {
        &mut self.store.objects[index as usize]
    }

    /// The machine's tools, empty; they may come back when it is done.
    pub(in crate::pickle) fn tools(&mut self) -> Tools {
        mem::take(&mut self.store.tools)
    }

    pub(in crate::pickle) fn finish(mut self, root: NodeId, tools: Tools) -> Self {
        // what is much is of more use to the values that are about to be made
        if self.store.is_little() {
            self.store.tools = tools;
        }
        self.root = root;
        self
    }
}
