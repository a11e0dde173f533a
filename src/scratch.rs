//! Memory that a thread reuses for the metadata of one message after the other.

use std::cell::Cell;
use std::mem;

use bytes::Bytes;

/// The most memory that a thread keeps between messages.
const KEEP: usize = 64 << 10;

thread_local! {
    static SCRATCH: Cell<Option<Box<Memory>>> = const { Cell::new(None) };
}

/// In a box, which is moved in and out as one word: what was written word by word and is moved in wider ones waits until it is all there.
#[derive(Default)]
struct Memory(Vec<u8>);

/// Runs `write` with empty memory that is kept for the thread's next message, whatever way `write` ends. A nested call
/// gets memory of its own.
pub(crate) fn with<R>(write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    struct Scratch(Option<Box<Memory>>);
    impl Drop for Scratch {
        fn drop(&mut self) {
            if let Some(mut memory) = self.0.take().filter(|memory| memory.0.capacity() <= 2 * KEEP) {
                memory.0.clear();
                let _ = SCRATCH.try_with(|scratch| scratch.set(Some(memory)));
            }
        }
    }
    // a thread that is about to end has none
    let mut scratch = Scratch(SCRATCH.try_with(Cell::take).unwrap_or_default());
    write(&mut scratch.0.get_or_insert_default().0)
}

/// Makes bytes of what was written: a long text takes the memory with it, a short one is copied out of it.
pub(crate) fn freeze(written: &mut Vec<u8>) -> Bytes {
    if is_long(written) { Bytes::from(mem::take(written)) } else { Bytes::copy_from_slice(written) }
}

/// Whether it is cheaper to give the memory away than to copy what is in it.
pub(crate) fn is_long(written: &[u8]) -> bool {
    written.len() > KEEP
}
