//! Tasks that are with nobody: those that wait for a worker, and those that wait for their time.

use std::collections::BTreeSet;

use super::message::Time;

#[derive(Debug, Default)]
pub(super) struct Queue {
    /// The oldest first: what is redelivered goes before what is new.
    waiting: BTreeSet<u64>,
    /// Those of them whose result may come anyway: handing them out takes no further room for outcomes.
    exposed: BTreeSet<u64>,
    delayed: BTreeSet<(Time, u64)>,
}

impl Queue {
    pub(super) fn insert(&mut self, task: u64, is_exposed: bool) {
        self.waiting.insert(task);
        if is_exposed {
            self.exposed.insert(task);
        }
    }

    pub(super) fn remove(&mut self, task: u64) {
        self.waiting.remove(&task);
        self.exposed.remove(&task);
    }

    /// No result may come any more.
    pub(super) fn shelter(&mut self, task: u64) {
        self.exposed.remove(&task);
    }

    pub(super) fn defer(&mut self, until: Time, task: u64) {
        self.delayed.insert((until, task));
    }

    pub(super) fn undefer(&mut self, until: Time, task: u64) {
        self.delayed.remove(&(until, task));
    }

    /// A task whose time has come, taken out.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<u64> {
        let &(time, task) = self.delayed.first().filter(|(time, _)| *time <= now)?;
        self.delayed.remove(&(time, task));
        Some(task)
    }

    /// When the next task's time comes.
    pub(super) fn next_due(&self) -> Option<Time> {
        self.delayed.first().map(|&(time, _)| time)
    }

    /// The oldest task, if there is room for its outcome, else the oldest that needs none.
    pub(super) fn first(&self, has_room: impl FnOnce(u64) -> bool) -> Option<u64> {
        let &first = self.waiting.first()?;
        if has_room(first) { Some(first) } else { self.exposed.first().copied() }
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn delayed(&self) -> usize {
        self.delayed.len()
    }

    #[cfg(test)]
    pub(super) fn has(&self, task: u64) -> bool {
        self.waiting.contains(&task)
    }

    #[cfg(test)]
    pub(super) fn has_delayed(&self, until: Time, task: u64) -> bool {
        self.delayed.contains(&(until, task))
    }
}
