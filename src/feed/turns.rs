//! Whose turn it is.

use std::collections::VecDeque;

/// Streams by their indexes, in order and each once.
#[derive(Debug, Default)]
pub(super) struct Turns {
    order: VecDeque<usize>,
    is_in: Vec<bool>,
}

impl Turns {
    /// Lines a stream up behind all others; `false` where it stands there already.
    pub(super) fn push(&mut self, index: usize) -> bool {
        if self.is_in.len() <= index {
            self.is_in.resize(index + 1, false);
        }
        let is_new = !std::mem::replace(&mut self.is_in[index], true);
        if is_new {
            self.order.push_back(index);
        }
        is_new
    }

    pub(super) fn pop(&mut self) -> Option<usize> {
        let index = self.order.pop_front()?;
        self.is_in[index] = false;
        Some(index)
    }

    /// Takes a stream out.
    pub(super) fn remove(&mut self, index: usize) {
        if self.has(index) {
            self.is_in[index] = false;
            self.order.retain(|&other| other != index);
        }
    }

    pub(super) fn has(&self, index: usize) -> bool {
        self.is_in.get(index).is_some_and(|&is_in| is_in)
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stands_there_once_and_comes_in_its_turn() {
        let mut turns = Turns::default();
        assert_eq!([3, 1, 3, 2, 1].map(|index| turns.push(index)), [true, true, false, true, false]);
        assert_eq!((turns.len(), turns.pop(), turns.push(3)), (3, Some(3), true));
        turns.remove(2);
        turns.remove(7);
        assert!(turns.has(1) && !turns.has(2) && !turns.has(7) && turns.push(2));
        assert_eq!([1, 2, 3, 4].map(|_| turns.pop()), [Some(1), Some(3), Some(2), None]);
        assert!(turns.is_empty());
    }
}
