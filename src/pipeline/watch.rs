//! `Watch`: tells of a thread that panics, so that nobody waits for it for ever.

use std::thread;

/// Calls a function when it is dropped by a panic.
pub(super) struct Watch<F: FnMut()>(F);

impl<F: FnMut()> Watch<F> {
    pub(super) fn new(tell: F) -> Self {
        Self(tell)
    }
}

impl<F: FnMut()> Drop for Watch<F> {
    fn drop(&mut self) {
        if thread::panicking() {
            (self.0)();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn it_tells_of_a_panic_and_of_nothing_else() {
        let told = AtomicUsize::new(0);
        let ends = |panics: bool| {
            let _watch = Watch::new(|| {
                told.fetch_add(1, Ordering::Relaxed);
            });
            assert!(!panics, "on purpose");
        };
        ends(false);
        assert_eq!(told.load(Ordering::Relaxed), 0);
        assert!(std::panic::catch_unwind(|| ends(true)).is_err());
        assert_eq!(told.load(Ordering::Relaxed), 1);
    }
}
