//! A frame that is handed over whole, to one who asked for a buffer and nothing else.

use std::cell::Cell;

use super::{OWNERS, Owners, Place};
use crate::buffer::Buffer;

thread_local! {
    /// The index of the frame that [`arriving`] hands over, or [`NONE`].
    static ARRIVED: Cell<usize> = const { Cell::new(NONE) };
}

/// No frame.
const NONE: usize = usize::MAX;

/// Runs `take`, in which frame number `index` of the message that is being decoded can be taken by whoever knows that it is handed
/// over whole: its buffer, which needs no look at its bytes and is not copied.
#[inline]
pub(crate) fn arriving<R>(index: usize, take: impl FnOnce() -> R) -> R {
    struct Forget;
    impl Drop for Forget {
        fn drop(&mut self) {
            ARRIVED.set(NONE);
        }
    }
    ARRIVED.set(index);
    let _forget = Forget;
    take()
}

/// Takes the frame that is handed over.
#[inline]
pub(crate) fn arrived() -> Option<Buffer> {
    let index = ARRIVED.replace(NONE);
    if index == NONE {
        return None;
    }
    OWNERS.with(|place| {
        let mut place = place.borrow_mut();
        let Owners { frames, credit, found, .. } = place.as_mut()?;
        let frame = frames.1.get(index)?;
        *found = Some(Place::Frame);
        credit.turn_to(index, frames.1.len());
        Some(frame.clone())
    })
}
