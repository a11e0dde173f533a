//! Leases: how long a worker may be busy with a task.
//!
//! All leases are equally long and time does not go back, so the one that was begun first ends first: a queue, not a heap.

use std::collections::VecDeque;
use std::time::Duration;

use super::message::{Ticket, Time};

#[derive(Debug)]
pub(super) struct Leases {
    term: Option<Duration>,
    queue: VecDeque<(Time, Ticket)>,
    #[cfg(test)]
    begun: usize,
}

impl Leases {
    /// Without a term leases never end.
    pub(super) fn new(term: Option<Duration>) -> Self {
        Self {
            term,
            queue: VecDeque::new(),
            #[cfg(test)]
            begun: 0,
        }
    }

    /// Begins a lease, or begins it anew; tells when it ends.
    pub(super) fn begin(&mut self, now: Time, ticket: Ticket) -> Option<Time> {
        let end = self.end(now)?;
        self.queue.push_back((end, ticket));
        #[cfg(test)]
        {
            self.begun += 1;
        }
        Some(end)
    }

    /// When a lease ends that begins now.
    pub(super) fn end(&self, now: Time) -> Option<Time> {
        self.term.map(|term| now.saturating_add(term))
    }

    /// The next lease that may be over by `now`. The caller knows whether it still holds.
    pub(super) fn pop(&mut self, now: Time) -> Option<Ticket> {
        self.queue.pop_front_if(|(end, _)| *end <= now).map(|(_, ticket)| ticket)
    }

    /// When to look again.
    pub(super) fn next(&self) -> Option<Time> {
        self.queue.front().map(|&(end, _)| end)
    }

    /// Forgets what no longer holds when that is more than what does, so that memory stays in proportion to `open`.
    pub(super) fn sweep(&mut self, open: usize, mut holds: impl FnMut(Time, Ticket) -> bool) {
        if self.queue.len() > 2 * open + 64 {
            self.queue.retain(|&(end, ticket)| holds(end, ticket));
        }
    }

    /// How many were begun or renewed.
    #[cfg(test)]
    pub(super) fn begun(&self) -> usize {
        self.begun
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }
}
