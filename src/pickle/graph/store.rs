//! The memory of a graph and of the machine that builds it, which a thread keeps for its next one.

use std::cell::Cell;
use std::mem;
use std::ops::{Deref, DerefMut};

use super::{Ends, NodeId, Object, Piece, Slot, Span};
use crate::pickle::memo::Memo;

/// The most memory that a thread keeps between pickles.
const KEEP: usize = 1 << 20;

thread_local! {
    static KEPT: Cell<Option<Vectors>> = const { Cell::new(None) };
}

/// What a graph consists of; the thread gets the memory back.
#[derive(Debug)]
pub(super) struct Store(Vectors);

/// The vectors of a graph.
#[derive(Debug, Default)]
pub(super) struct Vectors {
    pub(super) slots: Vec<Slot>,
    pub(super) items: Vec<NodeId>,
    pub(super) pieces: Vec<Piece>,
    pub(super) ends: Vec<Ends>,
    pub(super) objects: Vec<Object>,
    pub(super) globals: Vec<(NodeId, NodeId)>,
    pub(super) tools: Tools,
}

/// What the machine needs besides, until the graph is whole.
#[derive(Debug, Default)]
pub(in crate::pickle) struct Tools {
    pub(in crate::pickle) stack: Vec<NodeId>,
    /// The height of the stack at each mark.
    pub(in crate::pickle) marks: Vec<usize>,
    pub(in crate::pickle) memo: Memo,
}

impl Store {
    /// The nodes that every graph has, in what the thread kept, with room for a pickle of this length as most are.
    pub(super) fn for_pickle(len: usize) -> Self {
        let mut vectors = KEPT.try_with(Cell::take).ok().flatten().unwrap_or_default();
        let empty = Span { start: 0, len: 0 };
        vectors.slots.reserve(4 + len / 48);
        vectors.slots.extend([Slot::None, Slot::Bool(false), Slot::Bool(true), Slot::Tuple(empty)]);
        vectors.items.reserve(len / 8);
        Self(vectors)
    }
}

impl Deref for Store {
    type Target = Vectors;

    #[inline]
    fn deref(&self) -> &Vectors {
        &self.0
    }
}

impl DerefMut for Store {
    #[inline]
    fn deref_mut(&mut self) -> &mut Vectors {
        &mut self.0
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if self.is_little() {
            let mut vectors = mem::take(&mut self.0);
            vectors.clear();
            // a thread that is about to end keeps nothing
            let _ = KEPT.try_with(|kept| kept.set(Some(vectors)));
        }
    }
}

impl Vectors {
    fn clear(&mut self) {
        self.slots.clear();
        self.items.clear();
        self.pieces.clear();
        self.ends.clear();
        self.objects.clear();
        self.globals.clear();
        self.tools.stack.clear();
        self.tools.marks.clear();
        self.tools.memo.clear();
    }

    /// Whether the thread keeps it.
    pub(super) fn is_little(&self) -> bool {
        self.capacity() <= KEEP
    }

    fn capacity(&self) -> usize {
        fn of<T>(vec: &Vec<T>) -> usize {
            vec.capacity() * size_of::<T>()
        }
        let graph = of(&self.slots) + of(&self.items) + of(&self.pieces) + of(&self.ends);
        let tools = of(&self.tools.stack) + of(&self.tools.marks) + self.tools.memo.capacity();
        graph + of(&self.objects) + of(&self.globals) + tools
    }
}
