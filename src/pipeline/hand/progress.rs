//! `Progress`: which running tasks are getting on, and when that is to be said.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use super::super::message::Time;
use super::{Hand, Held, Job, Phase};

/// Tasks that are getting on: once each, however often their handlers tell, and not all the time.
#[derive(Debug, Default)]
pub(super) struct Progress {
    noted: BTreeSet<u64>,
    /// Whether what is noted is to be said now.
    is_due: bool,
    /// Not before then.
    next: Time,
}

impl Progress {
    /// Notes a task; whether that is new.
    pub(super) fn note(&mut self, task: u64) -> bool {
        self.noted.insert(task)
    }

    /// Notes a task again of which it could not be said: to be said as soon as it can be.
    pub(super) fn note_unsaid(&mut self, task: u64) {
        self.is_due |= self.noted.insert(task);
    }

    pub(super) fn forget(&mut self, task: u64) {
        self.noted.remove(&task);
    }

    pub(super) fn clear(&mut self) {
        self.noted.clear();
        self.is_due = false;
    }

    /// What is noted may be said, if for `pause` nothing was.
    pub(super) fn tick(&mut self, now: Time, pause: Time) {
        if !self.noted.is_empty() && now >= self.next {
            self.is_due = true;
            self.next = now.saturating_add(pause);
        }
    }

    /// When to tick again.
    pub(super) fn next_tick(&self) -> Option<Time> {
        (!self.noted.is_empty() && !self.is_due).then_some(self.next)
    }

    /// The next task of which to say it.
    pub(super) fn pop(&mut self) -> Option<u64> {
        let task = if self.is_due { self.noted.pop_first() } else { None };
        self.is_due = task.is_some();
        task
    }
}

impl Hand {
    /// A running task is getting on; whether there is something new to say.
    pub(in crate::pipeline) fn progress(&mut self, job: &Job) -> bool {
        self.tells_progress(job.ticket.task, job.epoch) && self.progress.note(job.ticket.task)
    }

    /// Whether anybody wants to know that this is getting on: without a session, or a lease, nobody does.
    pub(super) fn tells_progress(&self, task: u64, epoch: u64) -> bool {
        let has_lease =
            matches!(self.phase, Phase::Joined(welcome) if welcome.epoch == epoch && welcome.lease.is_some());
        let is_wanted =
            |held: &Held| held.is_running && held.job.epoch == epoch && !held.job.is_void.load(Ordering::Relaxed);
        has_lease && self.held.get(&task).is_some_and(is_wanted)
    }
}
