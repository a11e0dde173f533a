//! Which message is being written: to a value of which there may be several in it.

use std::cell::Cell;

thread_local! {
    /// The number of the last message that was begun on this thread.
    static LAST: Cell<u64> = const { Cell::new(0) };
    /// The number of the one that is being written; 0 for none.
    static CURRENT: Cell<u64> = const { Cell::new(0) };
}

/// Runs `serialize`, which writes a message.
#[inline(always)]
pub(crate) fn in_message<R>(serialize: impl FnOnce() -> R) -> R {
    struct Restore(u64);
    impl Drop for Restore {
        #[inline(always)]
        fn drop(&mut self) {
            CURRENT.set(self.0);
        }
    }
    let number = LAST.get() + 1;
    LAST.set(number);
    let _restore = Restore(CURRENT.replace(number));
    serialize()
}

/// The number of the message that is being written, which no other of this thread has.
pub(crate) fn message() -> Option<u64> {
    Some(CURRENT.get()).filter(|&number| number > 0)
}
