//! `Turn`: when a task gives way to others.

use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};

use tokio::task::coop::{self, RestoreOnPending};

/// How many operations on a socket go with the unit of its budget that a task spent last.
///
/// The runtime gives a task 128 units for a turn, and asks the kernel for news after it. That suits operations that cost a
/// system call each. Most of those on a short message cost none, and so little time that what comes between two turns of
/// 128 of them shows. So several of them go with one unit, and any other operation has a unit of its own.
#[derive(Default)]
pub(super) struct Turn(AtomicU32);

/// How many operations on short messages go with one unit.
const SHORT: u32 = 4;

impl Turn {
    /// Ready unless it is the turn of others. What is spent goes to [`end`](Self::end); dropped, it goes back.
    #[inline]
    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<Option<RestoreOnPending>> {
        if (1..SHORT).contains(&self.0.load(Ordering::Relaxed)) {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(ready!(coop::poll_proceed(context))))
    }

    /// An operation is done.
    #[inline]
    pub(super) fn end(&self, spent: Option<RestoreOnPending>) {
        // where two tasks do this at once, one of them goes free: the next does not
        let before = match spent {
            Some(spent) => {
                spent.made_progress();
                0
            }
            None => self.0.load(Ordering::Relaxed),
        };
        self.0.store(before.saturating_add(1), Ordering::Relaxed);
    }

    /// That operation was on more than one short frame.
    #[inline]
    pub(super) fn was_long(&self) {
        self.0.store(SHORT, Ordering::Relaxed);
    }
}
