//! `Progress`: which running tasks are getting on, and when that is to be said.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use super::super::message::Time;
use super::{Hand, Held, Job, Phase};

/// Tasks that are getting on: once each, however often their handlers tell, and not all the time.
#[derive(Debug, Default)]
pub(super) struct Progress {
    noted: BTreeSet<u64>,
    /// Of which it is to be said now. Those that are noted meanwhile wait for the next time, so that this comes to an end.
    due: BTreeSet<u64>,
    /// Not before then.
    next: Time,
}

impl Progress {
    /// Notes a task; whether that is new.
    pub(super) fn note(&mut self, task: u64) -> bool {
        !self.due.contains(&task) && self.noted.insert(task)
    }

    /// Notes a task again of which it could not be said: to be said as soon as it can be.
    pub(super) fn note_unsaid(&mut self, task: u64) {
        self.due.insert(task);
    }

    pub(super) fn forget(&mut self, task: u64) {
        self.noted.remove(&task);
        self.due.remove(&task);
    }

    pub(super) fn clear(&mut self) {
        self.noted.clear();
        self.due.clear();
    }

    /// What is noted may be said, if for `pause` nothing was.
    pub(super) fn tick(&mut self, now: Time, pause: Time) {
        if !self.noted.is_empty() && now >= self.next {
            self.due.append(&mut self.noted);
            self.next = now.saturating_add(pause);
        }
    }

    /// When to tick again.
    pub(super) fn next_tick(&self) -> Option<Time> {
        (!self.noted.is_empty()).then_some(self.next)
    }

    /// The next task of which to say it.
    pub(super) fn pop(&mut self) -> Option<u64> {
        self.due.pop_first()
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Progress;

    #[test]
    fn who_tells_all_the_time_is_heard_now_and_then_and_keeps_nobody_from_it() {
        let ms = Duration::from_millis;
        let (mut progress, mut said) = (Progress::default(), Vec::new());
        assert!((0..3).all(|task| progress.note(task)) && !progress.note(2));
        progress.tick(ms(10), ms(5));
        while let Some(task) = progress.pop() {
            said.push(task);
            progress.note(0);
        }
        assert_eq!(said, [0, 1, 2]);
        progress.tick(ms(14), ms(5));
        assert_eq!((progress.pop(), progress.next_tick()), (None, Some(ms(15))));
        progress.tick(ms(15), ms(5));
        assert_eq!((progress.pop(), progress.pop(), progress.next_tick()), (Some(0), None, None));
        progress.note_unsaid(7);
        assert!(!progress.note(7));
        assert_eq!(progress.pop(), Some(7), "at once");
    }
}
