//! Where in a message a buffer was, and so where it goes again.

use std::rc::Rc;

use super::{OWNERS, Owners, frameless, is_all_of, with_owners};
use crate::buffer::Buffer;

/// Where a buffer goes by default, whatever its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    InBand,
    OutOfBand,
}

impl Owners {
    /// The frame that was just shown, of which it may matter that it is one; else a buffer that is none. Many that are empty lie at one
    /// address, whether they are frames or not.
    pub(super) fn shown_empty(&mut self, bytes: &[u8]) -> Buffer {
        let frame = self.frames.1.get(self.credit.last).filter(|frame| is_all_of(bytes, frame)).cloned();
        self.found = Some(if frame.is_some() { Place::OutOfBand } else { Place::InBand });
        frame.unwrap_or_default()
    }
}

/// Whether it matters to the codec where in its message a buffer was.
#[cfg(feature = "arrow")]
pub(crate) fn has_places() -> bool {
    frameless::has_places() || OWNERS.with(|place| place.borrow().as_ref().is_some_and(|owners| owners.has_places))
}

/// Runs `decode`, and says where in the message that is being decoded the buffer was that was asked for last; `None` where none was, or
/// where that does not matter to the codec. (A text of the message may be decoded as a message of another format, whose buffers are
/// nowhere in this one.)
pub(crate) fn noting_place<R>(decode: impl FnOnce() -> R) -> (R, Option<Place>) {
    if frameless::has_places() {
        // someone who notes that a buffer was asked for: no more of a short message than this
        return with_owners(Owners::with_places(Rc::default(), u64::MAX), || noted_place(decode));
    }
    noted_place(decode)
}

#[inline(never)]
fn noted_place<R>(decode: impl FnOnce() -> R) -> (R, Option<Place>) {
    let taken = || OWNERS.with(|place| place.borrow_mut().as_mut().filter(|owners| owners.has_places)?.found.take());
    taken();
    let decoded = decode();
    (decoded, taken())
}
