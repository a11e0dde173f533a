//! Outcomes on their way to the reader: in the order in which tasks ended, or in that of submission.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::options::{Order, Quota};
use super::outcome::{Ending, Outcome};

/// So many outcomes, or tasks, and their bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    pub(super) count: usize,
    pub(super) bytes: u64,
}

#[derive(Debug)]
pub(super) struct Finished {
    order: Order,
    quota: Quota,
    /// In order, for whoever fetches them.
    ready: VecDeque<Outcome>,
    /// Ended before one that was submitted earlier.
    early: BTreeMap<u64, Outcome>,
    /// Submitted and not ended, where the order needs it.
    open: BTreeSet<u64>,
    unread: usize,
    unread_bytes: u64,
}

impl Finished {
    pub(super) fn new(order: Order, quota: Quota) -> Self {
        let (ready, early, open) = (VecDeque::new(), BTreeMap::new(), BTreeSet::new());
        Self { order, quota, ready, early, open, unread: 0, unread_bytes: 0 }
    }

    pub(super) fn expect(&mut self, task: u64) {
        if self.order == Order::Submission {
            self.open.insert(task);
        }
    }

    pub(super) fn push(&mut self, outcome: Outcome) {
        self.unread += 1;
        self.unread_bytes += weight(&outcome);
        if self.order == Order::Completion {
            return self.ready.push_back(outcome);
        }
        self.open.remove(&outcome.task.0);
        self.early.insert(outcome.task.0, outcome);
        let first_open = self.open.first().copied().unwrap_or(u64::MAX);
        while let Some(entry) = self.early.first_entry().filter(|entry| *entry.key() < first_open) {
            self.ready.push_back(entry.remove());
        }
    }

    pub(super) fn pop(&mut self) -> Option<Outcome> {
        self.ready.pop_front()
    }

    /// Outcomes that were popped have been read: there is room for as many again.
    pub(super) fn read(&mut self, load: Load) {
        self.unread -= load.count;
        self.unread_bytes -= load.bytes;
    }

    /// Whether the task may be handed to a worker while the results of `exposed` others may come, so that there will be room
    /// for what becomes of it. When all that is unread waits for this very task, it may: without it nothing would ever be read.
    pub(super) fn has_room(&self, task: u64, exposed: usize) -> bool {
        let fits = self.unread + exposed < self.quota.messages && self.unread_bytes < self.quota.bytes;
        fits || (self.open.first() == Some(&task) && self.unread == self.early.len())
    }

    /// How many were not read, wherever they are.
    pub(super) fn unread(&self) -> usize {
        self.unread
    }
}

/// What an outcome takes up, in bytes.
pub(super) fn weight(outcome: &Outcome) -> u64 {
    match &outcome.ending {
        Ending::Done(message) => message.total_len() as u64,
        Ending::Dead(letter) => {
            let reasons = letter.failures.iter().map(|failure| failure.reason.len() as u64);
            letter.message.total_len() as u64 + reasons.sum::<u64>()
        }
        Ending::Cancelled => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::outcome::{DeadLetter, Failed, TaskId};
    use super::*;
    use crate::multipart::Multipart;

    #[test]
    fn what_a_dead_letter_says_takes_up_room_as_well() {
        let quota = Quota { messages: 10, bytes: 5000 };
        let mut finished = Finished::new(Order::Completion, quota);
        for task in 1..=2 {
            assert!(finished.has_room(task, 0));
            let failures = vec![Failed { worker: Arc::from("w"), reason: "x".repeat(1000) }; 4];
            let ending = Ending::Dead(DeadLetter { message: Multipart::new(vec![1], vec![]), failures });
            finished.push(Outcome { task: TaskId(task), attempts: 4, ending, receipt: None });
        }
        assert!(!finished.has_room(3, 0));
        for _ in 1..=2 {
            let read = finished.pop().map(|outcome| Load { count: 1, bytes: weight(&outcome) });
            finished.read(read.unwrap_or_default());
        }
        assert!(finished.has_room(3, 0));
    }
}
