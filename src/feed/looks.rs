//! Whether a subscriber looks again before it sleeps.

use std::num::NonZero;
use std::thread;

/// How often one lets others run and looks again, right after a message, before it sleeps. To be woken costs it and libzmq's thread more
/// than all of these together, and where more is under way they find many messages at once. With one core they find nothing: who
/// has something to say is waiting for that core.
const LOOKS: u32 = 8;

/// After a message of so many bytes it sleeps at once: the next one is a while in coming, and who brings it needs the core.
const LONG: usize = 512 << 10;

/// The looks of a subscriber.
#[derive(Debug)]
pub(super) struct Looks {
    most: u32,
    /// Since the last event.
    taken: u32,
}

impl Looks {
    pub(super) fn new() -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let most = if cores > 1 { LOOKS } else { 0 };
        Self { most, taken: most }
    }

    /// Notes an event, of a message of so many bytes.
    pub(super) fn found(&mut self, len: usize) {
        self.taken = if len < LONG { 0 } else { self.most };
    }

    /// Lets others run, if it is worth looking again after that.
    pub(super) fn again(&mut self) -> bool {
        let may = self.taken < self.most;
        if may {
            self.taken += 1;
            thread::yield_now();
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::{LONG, LOOKS, Looks};

    #[test]
    fn looks_end_until_the_next_event() {
        for most in [0, LOOKS] {
            let mut looks = Looks { most, taken: most };
            assert!(!looks.again(), "it is to sleep before the first event");
            looks.found(LONG - 1);
            assert_eq!((0..100).filter(|_| looks.again()).count(), most as usize);
            looks.found(LONG);
            assert!(!looks.again(), "the next one is a while in coming");
        }
    }
}
