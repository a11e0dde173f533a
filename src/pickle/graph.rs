//! The graph that a pickle describes: nodes by number, so that what is shared is shared and what is recursive is finite.
//!
//! Everything lies in a few vectors, none of them per node: strings and bytes are borrowed from the pickle, the elements of
//! all containers lie in one vector, and a container that grew in pieces is a chain of pieces in it.

mod build;
mod shape;

#[cfg(test)]
pub(crate) use shape::Shape;

/// The number of a node. Small integers, which most nodes are, are numbers without a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NodeId(u32);

/// Marks a number that is an integer itself.
const SMALL: u32 = 1 << 31;

impl NodeId {
    pub(super) const NONE: Self = Self(0);
    pub(super) const FALSE: Self = Self(1);
    pub(super) const TRUE: Self = Self(2);
    pub(super) const EMPTY_TUPLE: Self = Self(3);

    /// An integer of up to 31 bits.
    #[inline]
    pub(super) fn small(value: i32) -> Option<Self> {
        let bits = value as u32;
        // the two highest bits are equal: the second one is the sign
        ((bits >> 31) == (bits >> 30 & 1)).then_some(Self(bits | SMALL))
    }

    /// The integer that this is, or else the index of its slot.
    #[inline]
    fn resolve(self) -> Result<i64, usize> {
        if self.0 & SMALL == 0 {
            return Err(self.0 as usize);
        }
        Ok(i64::from((self.0 << 1) as i32 >> 1))
    }
}

/// A part of the vector of elements.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    start: u32,
    len: u32,
}

/// Pieces of the vector of elements.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain {
    first: u32,
    last: u32,
    len: u32,
}

const NO_PIECE: u32 = u32::MAX;

impl Chain {
    pub(super) const EMPTY: Self = Self { first: NO_PIECE, last: NO_PIECE, len: 0 };
}

#[derive(Clone, Copy, Debug)]
struct Piece {
    span: Span,
    next: u32,
}

/// How a node lies in the graph.
#[derive(Clone, Copy, Debug)]
pub(super) enum Slot<'p> {
    None,
    Bool(bool),
    Int(i64),
    Big(&'p [u8]),
    BigText(&'p str),
    Float(f64),
    Bytes(&'p [u8]),
    ByteArray(&'p [u8]),
    Str(&'p str),
    OwnedStr(u32),
    OldStr(&'p [u8]),
    OwnedOldStr(u32),
    Tuple(Span),
    FrozenSet(Span),
    List(Chain),
    Set(Chain),
    /// Keys and values in turn.
    Dict(Chain),
    Global(u32),
    Object(u32),
    Persistent(NodeId),
    Buffer {
        index: u32,
        readonly: bool,
    },
}

const _: () = assert!(size_of::<Slot<'_>>() <= 24);

/// What a node is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Node<'g> {
    None,
    Bool(bool),
    Int(i64),
    /// An integer of more than 64 bits: little-endian, two's complement.
    Big(&'g [u8]),
    /// An integer of more than 64 bits in decimal, with a sign.
    BigText(&'g str),
    Float(f64),
    Bytes(&'g [u8]),
    ByteArray(&'g [u8]),
    Str(&'g str),
    /// A `str` of Python 2: text in an encoding that nobody wrote down, or bytes.
    OldStr(&'g [u8]),
    Tuple(Items<'g>),
    List(Items<'g>),
    Set(Items<'g>),
    FrozenSet(Items<'g>),
    /// Keys and values in turn.
    Dict(Items<'g>),
    /// Something that Python would import.
    Global {
        module: &'g str,
        name: &'g str,
    },
    /// What Python would make by calling something.
    Object(&'g Object),
    Persistent(NodeId),
    /// A buffer beside the pickle, by number.
    Buffer {
        index: usize,
        #[cfg_attr(
            not(test),
            expect(dead_code, reason = "a Buffer never changes, whatever Python may do with its own")
        )]
        readonly: bool,
    },
}

/// How Python would make an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Construction {
    /// `callable(*args)`.
    Reduce,
    /// `callable.__new__(callable, *args)`.
    New,
    /// An instance of a class of Python 2, or `callable(*args)` where there are any.
    Instance,
}

/// What Python would make by calling something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Object {
    pub(crate) construction: Construction,
    pub(crate) callable: NodeId,
    /// A tuple.
    pub(crate) args: NodeId,
    /// A dict, where there are keyword arguments.
    pub(crate) keywords: Option<NodeId>,
    pub(super) items: Chain,
    pub(super) entries: Chain,
    pub(super) states: Chain,
}

/// The graph that a pickle describes.
#[derive(Debug)]
pub(crate) struct Graph<'p> {
    slots: Vec<Slot<'p>>,
    items: Vec<NodeId>,
    pieces: Vec<Piece>,
    objects: Vec<Object>,
    globals: Vec<(NodeId, NodeId)>,
    texts: Vec<Box<str>>,
    old_texts: Vec<Box<[u8]>>,
    root: NodeId,
}

impl<'p> Graph<'p> {
    pub(super) fn new() -> Self {
        let slots = vec![Slot::None, Slot::Bool(false), Slot::Bool(true), Slot::Tuple(Span { start: 0, len: 0 })];
        Self {
            slots,
            items: Vec::new(),
            pieces: Vec::new(),
            objects: Vec::new(),
            globals: Vec::new(),
            texts: Vec::new(),
            old_texts: Vec::new(),
            root: NodeId::NONE,
        }
    }

    /// The node that the pickle is.
    pub(crate) fn root(&self) -> NodeId {
        self.root
    }

    /// How many nodes there are, small integers not counted.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// What a node is.
    pub(crate) fn node(&self, id: NodeId) -> Node<'_> {
        let slot = match id.resolve() {
            Ok(value) => return Node::Int(value),
            Err(index) => self.slots[index],
        };
        match slot {
            Slot::None => Node::None,
            Slot::Bool(value) => Node::Bool(value),
            Slot::Int(value) => Node::Int(value),
            Slot::Big(bytes) => Node::Big(bytes),
            Slot::BigText(text) => Node::BigText(text),
            Slot::Float(value) => Node::Float(value),
            Slot::Bytes(bytes) => Node::Bytes(bytes),
            Slot::ByteArray(bytes) => Node::ByteArray(bytes),
            Slot::Str(text) => Node::Str(text),
            Slot::OwnedStr(index) => Node::Str(&self.texts[index as usize]),
            Slot::OldStr(bytes) => Node::OldStr(bytes),
            Slot::OwnedOldStr(index) => Node::OldStr(&self.old_texts[index as usize]),
            Slot::Tuple(span) => Node::Tuple(self.of_span(span)),
            Slot::FrozenSet(span) => Node::FrozenSet(self.of_span(span)),
            Slot::List(chain) => Node::List(self.of_chain(chain)),
            Slot::Set(chain) => Node::Set(self.of_chain(chain)),
            Slot::Dict(chain) => Node::Dict(self.of_chain(chain)),
            Slot::Global(index) => {
                let (module, name) = self.globals[index as usize];
                Node::Global { module: self.text(module), name: self.text(name) }
            }
            Slot::Object(index) => Node::Object(&self.objects[index as usize]),
            Slot::Persistent(id) => Node::Persistent(id),
            Slot::Buffer { index, readonly } => Node::Buffer { index: index as usize, readonly },
        }
    }

    /// What was appended or added to an object.
    pub(crate) fn items_of(&self, object: &Object) -> Items<'_> {
        self.of_chain(object.items)
    }

    /// Keys and values that were set on an object, in turn.
    pub(crate) fn entries_of(&self, object: &Object) -> Items<'_> {
        self.of_chain(object.entries)
    }

    /// Everything that Python would import, in order: module and name.
    pub(crate) fn globals(&self) -> impl Iterator<Item = (&str, &str)> {
        self.globals.iter().map(|&(module, name)| (self.text(module), self.text(name)))
    }

    /// Which of [`globals`](Self::globals) a node is; `None` where it is something else.
    pub(crate) fn global_index(&self, id: NodeId) -> Option<usize> {
        match id.resolve().map_err(|index| self.slots[index]) {
            Err(Slot::Global(index)) => Some(index as usize),
            _ => None,
        }
    }

    /// The states that an object was given, in order: there is seldom more than one.
    pub(crate) fn states_of(&self, object: &Object) -> Items<'_> {
        self.of_chain(object.states)
    }

    fn text(&self, id: NodeId) -> &str {
        match self.node(id) {
            Node::Str(text) => text,
            _ => "",
        }
    }

    fn of_span(&self, span: Span) -> Items<'_> {
        Items { graph: self, current: self.elements(span), next: NO_PIECE, left: span.len as usize }
    }

    fn of_chain(&self, chain: Chain) -> Items<'_> {
        Items { graph: self, current: &[], next: chain.first, left: chain.len as usize }
    }

    fn elements(&self, span: Span) -> &[NodeId] {
        &self.items[span.start as usize..][..span.len as usize]
    }
}

/// Elements of a container, in order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Items<'g> {
    graph: &'g Graph<'g>,
    current: &'g [NodeId],
    next: u32,
    left: usize,
}

impl Iterator for Items<'_> {
    type Item = NodeId;

    fn next(&mut self) -> Option<NodeId> {
        while self.current.is_empty() {
            let piece = self.graph.pieces.get(self.next as usize)?;
            self.current = self.graph.elements(piece.span);
            self.next = piece.next;
        }
        let (&first, rest) = self.current.split_first()?;
        self.current = rest;
        self.left -= 1;
        Some(first)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Items<'_> {}
