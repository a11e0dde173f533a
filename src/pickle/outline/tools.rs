//! The memory of an outline, which a thread keeps for its next one.

use std::cell::Cell;
use std::mem;

use super::Container;

thread_local! {
    static KEPT: Cell<Option<Tools>> = const { Cell::new(None) };
}

/// What an outline is, and what finding it out takes.
#[derive(Debug, Default)]
pub(super) struct Tools {
    pub(super) containers: Vec<Container>,
    /// Where the value of each memo entry begins.
    pub(super) memo: Vec<u32>,
    pub(super) stack: Vec<Value>,
    pub(super) marks: Vec<Mark>,
}

/// A value on the stack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value {
    /// Where it begins; with [`TUPLE`] for a tuple.
    pub(super) at: u32,
    /// How many containers began before it.
    pub(super) containers: u32,
}

/// Pickles are shorter.
pub(super) const TUPLE: u32 = 1 << 31;

/// A mark on the stack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    /// How many values are below it.
    pub(super) height: usize,
    pub(super) at: u32,
    /// How many containers began before it.
    pub(super) containers: u32,
}

impl Tools {
    /// Tools that are empty.
    pub(super) fn take() -> Self {
        KEPT.try_with(Cell::take).ok().flatten().unwrap_or_default()
    }

    /// Makes room for the next; the stack has its height beside it.
    fn clear(&mut self) {
        self.containers.clear();
        self.memo.clear();
        self.marks.clear();
    }

    fn capacity(&self) -> usize {
        fn of<T>(vec: &Vec<T>) -> usize {
            vec.capacity() * size_of::<T>()
        }
        of(&self.containers) + of(&self.memo) + of(&self.stack) + of(&self.marks)
    }

    /// Gives the memory back to the thread, where it is not more than so many bytes.
    pub(super) fn keep(mut self, most: usize) {
        if self.capacity() <= most {
            self.clear();
            // a thread that is about to end keeps nothing
            let _ = KEPT.try_with(|kept| kept.set(Some(mem::take(&mut self))));
        }
    }
}
