//! Where in a message a buffer was, and so where it goes again.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;

use super::credit::Credit;
use super::{OWNERS, Owners, frameless, is_all_of, with_owners};
use crate::buffer::Buffer;

/// Where a buffer goes by default, whatever its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    InBand,
    OutOfBand,
    /// Out of band, as it is known to have come.
    Frame,
    /// In band in a pickle, which is nothing to another codec.
    InPickle,
    /// In a frame of a pickle.
    PickleFrame,
}

impl Place {
    /// The same in a pickle.
    fn of_pickle(self) -> Self {
        if self == Self::InBand { Self::InPickle } else { Self::PickleFrame }
    }

    /// What it is to who writes an array into a pickle.
    pub(crate) fn to_pickle(self) -> Self {
        match self {
            Self::InPickle => Self::InBand,
            Self::PickleFrame => Self::Frame,
            // an array has a frame there, as in Python
            _ => Self::OutOfBand,
        }
    }
}

thread_local! {
    /// Where in the message that is being decoded the buffer was that was asked for last.
    static FOUND: Cell<Option<Place>> = const { Cell::new(None) };
}

/// Notes where the buffer was that was asked for.
#[inline]
pub(super) fn found(place: Place) {
    FOUND.set(Some(place));
}

/// Notes what is known of another message; what was known before.
#[inline]
pub(super) fn turn_to(found: Option<Place>) -> Option<Place> {
    FOUND.replace(found)
}

impl Owners {
    /// The metadata frame and the buffers, of which no more than `credit` bytes are shown to be copied: a short message
    /// that names one long frame a thousand times is refused.
    pub(crate) fn of(frames: Rc<(Bytes, Vec<Buffer>)>, credit: u64) -> Self {
        Self { frames, credit: Credit::of(credit), has_places: false, is_pickle: false, more: None }
    }

    /// The same of a message of the default codec, where a buffer has a place.
    pub(crate) fn with_places(frames: Rc<(Bytes, Vec<Buffer>)>, credit: u64) -> Self {
        Self { has_places: true, ..Self::of(frames, credit) }
    }

    /// The same of a pickle, where a buffer has a place if any is out of band: else nobody was asked to put it there.
    pub(crate) fn of_pickle(frames: Rc<(Bytes, Vec<Buffer>)>, credit: u64) -> Self {
        Self { has_places: !frames.1.is_empty(), is_pickle: true, ..Self::of(frames, credit) }
    }

    /// The frame that was just shown, of which it may matter that it is one; else a buffer that is none. Many that are empty lie at one
    /// address, whether they are frames or not.
    pub(super) fn shown_empty(&self, bytes: &[u8]) -> Buffer {
        let frame = self.frames.1.get(self.credit.last).filter(|frame| is_all_of(bytes, frame)).cloned();
        found(if frame.is_some() { Place::Frame } else { Place::InBand });
        frame.unwrap_or_default()
    }
}

/// Whether it matters to the codec how a table stood in its message.
#[cfg(feature = "arrow")]
pub(crate) fn keeps_tables() -> bool {
    frameless::has_places()
        || OWNERS.with(|place| place.borrow().as_ref().is_some_and(|it| it.has_places && !it.is_pickle))
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
    let taken = || {
        let places = OWNERS
            .with(|place| place.borrow().as_ref().filter(|owners| owners.has_places).map(|owners| owners.is_pickle));
        let is_pickle = places?;
        let found = turn_to(None)?;
        Some(if is_pickle { found.of_pickle() } else { found })
    };
    taken();
    let decoded = decode();
    (decoded, taken())
}
