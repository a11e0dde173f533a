//! `Haste`: when a receiver lets its sender run.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

/// Whether receives on a socket sleep again and again for hardly any time, and find one message each.
///
/// Where a sender and a receiver share a core, because something else has the others, the kernel may run who is woken at once.
/// Then each message wakes the receiver, which takes it, finds no other, sleeps, and lets the sender send the next one: two
/// switches of threads for every message. Such a receiver lets the sender run before it sleeps, and finds many messages then.
/// Threads that wait in libzmq fall into the same trap, and out of it sooner.
#[derive(Default)]
pub(super) struct Haste(AtomicU32);

/// How many such receives in a row make a pattern.
const PATTERN: u32 = 4;

/// Sleep that is worth nothing: to be woken takes as long.
const SHORT: Duration = Duration::from_micros(50);

impl Haste {
    /// A receive was done, and slept for so long, if it had to.
    #[inline]
    pub(super) fn received(&self, slept: Option<Duration>) {
        match slept {
            Some(slept) if slept < SHORT => _ = self.0.fetch_add(1, Ordering::Relaxed),
            _ => self.forget(),
        }
    }

    /// Something else was done: who asks and waits for an answer sleeps for each of them.
    #[inline]
    pub(super) fn forget(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Whether to [`give_way`] now; once, until the pattern is there again.
    #[inline]
    pub(super) fn take(&self) -> bool {
        let is_pattern = self.0.load(Ordering::Relaxed) >= PATTERN;
        if is_pattern {
            self.forget();
        }
        is_pattern
    }
}

/// Lets another thread have this one's core, if one wants it. To be called without a lock.
#[cold]
pub(super) fn give_way() {
    thread::yield_now();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleep(haste: &Haste, times: u32, micros: u64) {
        (0..times).for_each(|_| haste.received(Some(Duration::from_micros(micros))));
    }

    #[test]
    fn a_receiver_that_hardly_sleeps_again_and_again_gives_way_once() {
        let haste = Haste::default();
        sleep(&haste, PATTERN - 1, 5);
        assert!(!haste.take());
        sleep(&haste, 1, 5);
        assert!(haste.take());
        sleep(&haste, PATTERN - 1, 5);
        assert!(!haste.take(), "it begins anew");
    }

    #[test]
    fn what_does_not_sleep_or_sleeps_long_or_sends_is_no_pattern() {
        let others: [fn(&Haste); 3] = [|haste| haste.received(None), |haste| sleep(haste, 1, 51), Haste::forget];
        for other in others {
            let haste = Haste::default();
            sleep(&haste, 100, 5);
            other(&haste);
            sleep(&haste, PATTERN - 1, 5);
            assert!(!haste.take());
        }
    }
}
