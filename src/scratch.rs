//! Memory that a thread reuses for the metadata of one message after the other.

use std::cell::Cell;
use std::mem;

use bytes::Bytes;

/// The most memory that a thread keeps between messages.
const KEEP: usize = 64 << 10;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Runs `write` with empty memory that is kept for the thread's next message, whatever way `write` ends. A nested call
/// gets memory of its own.
pub(crate) fn with<R>(write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    struct Scratch(Vec<u8>);
    impl Drop for Scratch {
        fn drop(&mut self) {
            if self.0.capacity() <= 2 * KEEP {
                self.0.clear();
                let _ = SCRATCH.try_with(|scratch| scratch.set(mem::take(&mut self.0)));
            }
        }
    }
    // a thread that is about to end has none
    let mut scratch = Scratch(SCRATCH.try_with(Cell::take).unwrap_or_default());
    write(&mut scratch.0)
}

/// Makes bytes of what was written: a long text takes the memory with it, a short one is copied out of it.
pub(crate) fn freeze(written: &mut Vec<u8>) -> Bytes {
    if is_long(written) { Bytes::from(mem::take(written)) } else { Bytes::copy_from_slice(written) }
}

/// Whether it is cheaper to give the memory away than to copy what is in it.
pub(crate) fn is_long(written: &[u8]) -> bool {
    written.len() > KEEP
}
