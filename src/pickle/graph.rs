//! The graph that a pickle describes: nodes by number, so that what is shared is shared and what is recursive is finite.
//!
//! Everything lies in a few vectors, none of them per node: the elements of all containers lie in one vector, and a container
//! that grew in pieces is a chain of pieces in it. What an opcode says by itself stays where it is in the pickle.

mod again;
mod build;
mod height;
mod leaf;
mod number;
mod store;

pub(crate) use again::NamedAgain;
pub(crate) use number::NodeId;
use number::Place;
use store::Store;
pub(super) use store::Tools;

/// A part of the vector of elements.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    start: u32,
    len: u32,
}

/// The elements of what may grow: most lie in one span.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain {
    /// Where the span starts; with `IN_PIECES` the number of [`Ends`].
    at: u32,
    len: u32,
}

/// Elements have smaller numbers.
const IN_PIECES: u32 = 1 << 31;

impl Chain {
    pub(super) const EMPTY: Self = Self { at: 0, len: 0 };
}

/// The first and the last piece of a chain.
#[derive(Clone, Copy, Debug)]
struct Ends {
    first: u32,
    last: u32,
}

/// A part of a chain, and the number of the next one.
#[derive(Clone, Copy, Debug)]
struct Piece {
    span: Span,
    next: u32,
}

const NO_PIECE: u32 = u32::MAX;

/// How a node lies in the graph that is no number by itself.
#[derive(Clone, Copy, Debug)]
pub(super) enum Slot {
    None,
    Bool(bool),
    /// Text that is a part of the pickle.
    Line(Span),
    /// Bytes between the opcodes.
    Inset(Span),
    OwnedStr(u32),
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

const _: () = assert!(size_of::<Slot>() <= 12);

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
    pickle: &'p [u8],
    store: Store,
    texts: Vec<Box<str>>,
    old_texts: Vec<Box<[u8]>>,
    /// The first opcode with a persistent id: where it stands, and its name.
    persistent: Option<(usize, &'static str)>,
    root: NodeId,
}

impl<'p> Graph<'p> {
    pub(super) fn new(pickle: &'p [u8]) -> Self {
        let store = Store::for_pickle(pickle.len());
        Self { pickle, store, texts: Vec::new(), old_texts: Vec::new(), persistent: None, root: NodeId::NONE }
    }

    /// The node that the pickle is.
    pub(crate) fn root(&self) -> NodeId {
        self.root
    }

    /// Whether it is of the first protocol that has buffers beside the pickle.
    pub(crate) fn is_of_protocol_5(&self) -> bool {
        self.pickle.starts_with(&[super::opcode::PROTO, 5])
    }

    /// How many nodes have a slot: integers, floats, text and bytes mostly have none.
    pub(crate) fn len(&self) -> usize {
        self.store.slots.len()
    }

    /// What a node is.
    #[inline]
    pub(crate) fn node(&self, id: NodeId) -> Node<'_> {
        match id.place() {
            Place::Small(value) => Node::Int(value),
            Place::Leaf(at) => self.leaf(at),
            Place::Slot(index) => self.of_slot(self.store.slots[index]),
        }
    }

    #[inline]
    fn of_slot(&self, slot: Slot) -> Node<'_> {
        match slot {
            Slot::None => Node::None,
            Slot::Bool(value) => Node::Bool(value),
            Slot::Line(span) => Node::Str(self.line(span)),
            Slot::Inset(span) => Node::Bytes(&self.pickle[span.start as usize..][..span.len as usize]),
            Slot::OwnedStr(index) => Node::Str(&self.texts[index as usize]),
            Slot::OwnedOldStr(index) => Node::OldStr(&self.old_texts[index as usize]),
            Slot::Tuple(span) => Node::Tuple(self.of_span(span)),
            Slot::FrozenSet(span) => Node::FrozenSet(self.of_span(span)),
            Slot::List(chain) => Node::List(self.of_chain(chain)),
            Slot::Set(chain) => Node::Set(self.of_chain(chain)),
            Slot::Dict(chain) => Node::Dict(self.of_chain(chain)),
            Slot::Global(index) => {
                let (module, name) = self.store.globals[index as usize];
                Node::Global { module: self.text(module), name: self.text(name) }
            }
            Slot::Object(index) => Node::Object(&self.store.objects[index as usize]),
            Slot::Persistent(id) => Node::Persistent(id),
            Slot::Buffer { index, readonly } => Node::Buffer { index: index as usize, readonly },
        }
    }

    /// Everything that Python would make by calling something.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &Object> {
        self.store.objects.iter()
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
        self.store.globals.iter().map(|&(module, name)| (self.text(module), self.text(name)))
    }

    /// The first opcode with a persistent id, also where nothing holds that: byte and name.
    pub(crate) fn persistent(&self) -> Option<(usize, &'static str)> {
        self.persistent
    }

    /// Which of [`globals`](Self::globals) a node is; `None` where it is something else.
    pub(crate) fn global_index(&self, id: NodeId) -> Option<usize> {
        match self.slot(id) {
            Some(Slot::Global(index)) => Some(index as usize),
            _ => None,
        }
    }

    /// The states that an object was given, in order: there is seldom more than one.
    pub(crate) fn states_of(&self, object: &Object) -> Items<'_> {
        self.of_chain(object.states)
    }

    fn line(&self, span: Span) -> &'p str {
        let line = &self.pickle[span.start as usize..][..span.len as usize];
        str::from_utf8(line).expect("invariant: the machine has read this line")
    }

    fn text(&self, id: NodeId) -> &str {
        match self.node(id) {
            Node::Str(text) => text,
            _ => "",
        }
    }

    #[inline]
    fn of_span(&self, span: Span) -> Items<'_> {
        Items { graph: self, current: self.elements(span), next: NO_PIECE, later: 0 }
    }

    #[inline]
    fn of_chain(&self, chain: Chain) -> Items<'_> {
        match chain.at {
            start @ ..IN_PIECES => self.of_span(Span { start, len: chain.len }),
            at => {
                let first = self.store.ends[(at & !IN_PIECES) as usize].first;
                Items { graph: self, current: &[], next: first, later: chain.len as usize }
            }
        }
    }

    #[inline]
    fn elements(&self, span: Span) -> &[NodeId] {
        &self.store.items[span.start as usize..][..span.len as usize]
    }
}

/// Elements of a container, in order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Items<'g> {
    graph: &'g Graph<'g>,
    current: &'g [NodeId],
    /// The piece after the current one.
    next: u32,
    /// How many elements are in pieces after the current one.
    later: usize,
}

impl Items<'_> {
    /// Goes on to the next piece, of which none is empty.
    #[cold]
    fn next_piece(&mut self) -> Option<NodeId> {
        let piece = self.graph.store.pieces.get(self.next as usize)?;
        let (&first, rest) = self.graph.elements(piece.span).split_first()?;
        self.current = rest;
        self.next = piece.next;
        self.later -= piece.span.len as usize;
        Some(first)
    }
}

impl Iterator for Items<'_> {
    type Item = NodeId;

    #[inline]
    fn next(&mut self) -> Option<NodeId> {
        match self.current.split_first() {
            Some((&first, rest)) => {
                self.current = rest;
                Some(first)
            }
            None => self.next_piece(),
        }
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.current.len() + self.later;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Items<'_> {}
