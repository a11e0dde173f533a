//! The list of a message's buffers, whose memory a thread reuses for one message after the other.

use std::cell::Cell;

use super::Buffer;

/// The most buffers for whose list a thread keeps memory.
const KEEP: usize = 128;

thread_local! {
    static SPARE: Cell<Vec<Buffer>> = const { Cell::new(Vec::new()) };
}

/// Makes room for more buffers in a list of few: that of an earlier message, where there is one.
///
/// From 1 KiB on, a block that is allocated has glibc go over all short ones that were freed since the last time: here the headers of
/// the frames that were sent meanwhile.
pub(crate) fn make_room(buffers: &mut Vec<Buffer>, more: usize) {
    // a thread that is about to end has none
    let mut spare = SPARE.try_with(Cell::take).unwrap_or_default();
    if spare.capacity() >= buffers.len() + more {
        spare.append(buffers);
        *buffers = spare;
    } else {
        buffers.reserve(more);
    }
}

/// Lets go of the buffers of a message that was sent, and keeps the memory of the list.
#[inline]
pub(crate) fn let_go(buffers: Vec<Buffer>) {
    if buffers.capacity() >= 2 {
        keep(buffers);
    }
}

fn keep(mut buffers: Vec<Buffer>) {
    buffers.clear();
    if buffers.capacity() <= KEEP {
        let _ = SPARE.try_with(|spare| spare.set(buffers));
    }
}
