//! A frame that is handed over whole, to one who asked for a buffer and nothing else.

use super::place::{self, Place};
use crate::buffer::Buffer;
use crate::buffer::slot::Slot;

thread_local! {
    /// The frame that [`arriving`] hands over.
    static ARRIVED: Slot = const { Slot::new() };
}

/// Runs `take`, in which a frame of the message that is being decoded can be taken by whoever knows that it is handed over whole: it
/// needs no look at its bytes and is not copied.
#[inline]
pub(crate) fn arriving<R>(frame: &Buffer, take: impl FnOnce() -> R) -> R {
    struct Forget;
    impl Drop for Forget {
        #[inline]
        fn drop(&mut self) {
            drop(ARRIVED.with(Slot::take));
        }
    }
    ARRIVED.with(|slot| slot.put(frame));
    let _forget = Forget;
    take()
}

/// Takes the frame that is handed over.
#[inline]
pub(crate) fn arrived() -> Option<Buffer> {
    let frame = ARRIVED.with(Slot::take)?;
    place::found(Place::Frame);
    Some(frame)
}
