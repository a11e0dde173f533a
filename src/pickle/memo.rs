//! The memo: entries by number, without memory for numbers that were skipped.

use std::collections::HashMap;

use super::graph::NodeId;

/// Picklers number from 0 without a gap, so those entries are a vector; any other number is in a map.
#[derive(Debug, Default)]
pub(super) struct Memo {
    dense: Vec<NodeId>,
    sparse: HashMap<u64, NodeId>,
}

impl Memo {
    /// Forgets all entries, and keeps the memory of those without a gap.
    pub(super) fn clear(&mut self) {
        self.dense.clear();
        if !self.sparse.is_empty() {
            self.sparse = HashMap::new();
        }
    }

    /// The memory of the entries without a gap, in bytes.
    pub(super) fn capacity(&self) -> usize {
        self.dense.capacity() * size_of::<NodeId>()
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.dense.len() + self.sparse.len()
    }

    #[inline]
    pub(super) fn put(&mut self, number: u64, node: NodeId) {
        let next = self.dense.len() as u64;
        if number == next {
            self.dense.push(node);
            if !self.sparse.is_empty() {
                self.sparse.remove(&number);
            }
        } else if number < next {
            self.dense[number as usize] = node;
        } else {
            self.sparse.insert(number, node);
        }
    }

    /// Adds an entry under the number of entries there are: what MEMOIZE does.
    #[inline]
    pub(super) fn push(&mut self, node: NodeId) {
        match self.sparse.is_empty() {
            true => self.dense.push(node),
            false => self.put(self.len() as u64, node),
        }
    }

    #[inline]
    pub(super) fn get(&self, number: u64) -> Option<NodeId> {
        match usize::try_from(number).ok().and_then(|number| self.dense.get(number)) {
            Some(&node) => Some(node),
            None => self.sparse.get(&number).copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Memo, NodeId};

    #[test]
    fn entries_are_found_whatever_the_order_of_their_numbers() {
        let node = |value: i64| NodeId::small(value).unwrap();
        let mut memo = Memo::default();
        for (number, value) in [(5, 50), (u64::MAX, 1), (0, 0), (1, 10), (2, 20), (3, 30), (4, 40)] {
            memo.put(number, node(value));
        }
        assert_eq!(memo.len(), 7);
        assert_eq!(memo.get(5), Some(node(50)));
        memo.put(5, node(51)); // moves to the vector
        assert_eq!((memo.get(5), memo.len()), (Some(node(51)), 7));
        memo.put(2, node(21));
        memo.push(node(70)); // under 7, behind a gap
        assert_eq!((memo.get(2), memo.get(6), memo.get(7)), (Some(node(21)), None, Some(node(70))));
        assert_eq!((memo.get(u64::MAX), memo.len()), (Some(node(1)), 8));
    }
}
