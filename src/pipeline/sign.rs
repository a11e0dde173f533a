//! `Sign`: wakes threads and tasks that wait for something to change.

use std::sync::{Condvar, MutexGuard, PoisonError};
use std::time::Duration;

#[cfg(feature = "tokio")]
use tokio::sync::{Notify, futures::Notified};

/// A condition variable for threads, and what stands in for one among tasks. What it tells of is under a lock; it is given
/// after that was changed.
#[derive(Debug, Default)]
pub(super) struct Sign {
    threads: Condvar,
    #[cfg(feature = "tokio")]
    tasks: Notify,
}

impl Sign {
    /// Wakes one thread, and all tasks.
    pub(super) fn notify_one(&self) {
        self.threads.notify_one();
        self.notify_tasks();
    }

    /// Wakes everybody.
    pub(super) fn notify_all(&self) {
        self.threads.notify_all();
        self.notify_tasks();
    }

    /// Lets a thread wait.
    pub(super) fn wait<'s, T>(&self, state: MutexGuard<'s, T>) -> MutexGuard<'s, T> {
        // nothing that is under such a lock panics halfway
        self.threads.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a thread wait for this long.
    pub(super) fn wait_for<'s, T>(&self, state: MutexGuard<'s, T>, time: Duration) -> MutexGuard<'s, T> {
        self.threads.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Done with the next sign that is given after this call. All tasks are woken by each, so one that is dropped takes
    /// nobody's wake-up along.
    #[cfg(feature = "tokio")]
    pub(super) fn given(&self) -> Notified<'_> {
        self.tasks.notified()
    }

    fn notify_tasks(&self) {
        #[cfg(feature = "tokio")]
        self.tasks.notify_waiters();
    }
}
