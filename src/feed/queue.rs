//! A queue that gives back what a burst took.

use std::collections::VecDeque;

/// A queue. Where less than a quarter of its places is taken it gives back those beyond twice that, so it takes no memory for what was: each
/// stream has such queues. One that stays as long as it is, more or less, has its memory from nobody again.
#[derive(Debug)]
pub(super) struct Queue<T>(VecDeque<T>);

/// So few places are not worth it.
const FEW: usize = 64;

impl<T> Queue<T> {
    pub(super) const fn new() -> Self {
        Self(VecDeque::new())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, index: usize) -> Option<&T> {
        self.0.get(index)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }

    #[inline]
    pub(super) fn push_back(&mut self, item: T) {
        self.0.push_back(item);
    }

    #[inline]
    pub(super) fn pop_front(&mut self) -> Option<T> {
        let item = self.0.pop_front();
        if self.0.len() < self.0.capacity() / 4 && self.0.capacity() > FEW {
            self.shrink();
        }
        item
    }

    #[cold]
    fn shrink(&mut self) {
        self.0.shrink_to(2 * self.0.len());
    }

    /// How many there is memory for.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_takes_no_more_than_what_is_in_it_is_worth() {
        let mut queue = Queue::new();
        for most in [0, 1, 10, 100, 10_000, 20, 100_000, 3] {
            (queue.len()..most).for_each(|number| queue.push_back(number));
            while queue.len() > most {
                queue.pop_front();
                assert!(queue.capacity() <= FEW.max(4 * queue.len() + 4), "{} for {}", queue.capacity(), queue.len());
            }
        }
        while queue.pop_front().is_some() {}
        assert!(queue.capacity() <= FEW);
    }

    #[test]
    fn a_queue_that_stays_as_long_as_it_is_keeps_its_memory() {
        for len in [0, 1, 10, 63, 64, 65, 100, 1000, 10_000] {
            let mut queue = Queue::new();
            (0..len).for_each(|number| queue.push_back(number));
            let mut changes = 0;
            for number in 0..10_000 {
                let before = queue.capacity();
                queue.push_back(number);
                queue.pop_front();
                changes += u32::from(queue.capacity() != before);
            }
            assert!(changes <= 1, "{changes} times of {len}");
        }
    }
}
