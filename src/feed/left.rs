//! Where streams were that had to make room for others.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// The epoch, and the number that comes next, of streams that are followed no longer, by topic.
#[derive(Debug, Default)]
pub(super) struct Left {
    positions: HashMap<Arc<[u8]>, (u64, u64)>,
    /// In the order in which they left.
    order: VecDeque<Arc<[u8]>>,
}

impl Left {
    /// Keeps a position. Of more than `most` the oldest are forgotten.
    pub(super) fn push(&mut self, topic: Arc<[u8]>, position: (u64, u64), most: usize) {
        while self.order.len() >= most
            && let Some(oldest) = self.order.pop_front()
        {
            self.positions.remove(&oldest);
        }
        self.positions.insert(topic.clone(), position);
        self.order.push_back(topic);
    }

    /// Takes the position of a stream that is to be followed again.
    pub(super) fn take(&mut self, topic: &[u8]) -> Option<(u64, u64)> {
        let position = self.positions.remove(topic)?;
        self.order.retain(|left| **left != *topic);
        Some(position)
    }

    pub(super) fn get(&self, topic: &[u8]) -> Option<(u64, u64)> {
        self.positions.get(topic).copied()
    }

    /// Forgets all others.
    pub(super) fn retain(&mut self, stays: impl Fn(&[u8]) -> bool) {
        self.order.retain(|topic| stays(topic));
        self.positions.retain(|topic, _| stays(topic));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_positions_are_kept_as_asked_for_and_each_is_taken_once() {
        let mut left = Left::default();
        for number in 1..=5_u64 {
            left.push(Arc::from(number.to_string().as_bytes()), (7, number), 3);
        }
        assert_eq!(["2", "3", "4", "5"].map(|topic| left.get(topic.as_bytes()).is_some()), [false, true, true, true]);
        assert_eq!((left.take(b"4"), left.take(b"4")), (Some((7, 4)), None));
        left.retain(|topic| topic != b"3");
        assert_eq!((left.get(b"3"), left.get(b"5")), (None, Some((7, 5))));
        assert_eq!((left.positions.len(), left.order.len()), (1, 1));
    }
}
