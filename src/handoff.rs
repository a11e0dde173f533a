//! The hand-over of buffers beside serde.
//!
//! serde carries borrowed bytes and no ownership. So a [`Buffer`] reaches a codec, and a decoded value reaches its
//! frames, through two thread-local places. Both are entered by a closure and restored when it is left, by return, by
//! error or by panic: nothing is left behind for the next message, and codecs nest.
//!
//! **Leaving.** A buffer serializes as a newtype struct named [`BUFFER`]. A codec that meets the name [`ask`]s for the
//! buffer itself if it is long enough to have a frame of its own, and the content [`offer`]s it; any other serializer does
//! not ask, and gets bytes.
//!
//! **Arriving.** A codec opens [`with_owners`] around the decoding and shows serde slices of the frames. A buffer that
//! is shown such a slice finds its owner by address ([`owner_of`]), also behind serde's internal buffering of flattened,
//! untagged and internally tagged types, which hands on the same slice. Where a buffer's own visitor asks and a reference comes, the
//! codec names the frame instead ([`arriving`]), and no bytes are shown. A message of one frame is decoded [`without_frames`], also
//! where that happens within another one.
//!
//! **Sharing.** A value that may stand in several places serializes as a newtype struct named [`SHARED`] with its owner at
//! hand ([`shared`]). A codec that can name a value again asks whose it is ([`owner_of_shared`]); any other writes it out at every
//! place, and has to look at its limits there: a few bytes may stand for more than any memory holds.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::mem::{self, ManuallyDrop};
use std::rc::Rc;

use bytes::Bytes;

use crate::buffer::Buffer;
use crate::buffer::slot::Slot;
use credit::Credit;
use frameless::State;

mod arrival;
mod credit;
mod frameless;
#[cfg(feature = "arrow")]
mod message;
mod place;
mod sharing;
mod work;

pub(crate) use arrival::{arrived, arriving};
pub(crate) use credit::{copying, handing, may_copy, showing, start_over};
pub(crate) use frameless::{Places, without_frames};
#[cfg(feature = "arrow")]
pub(crate) use message::{in_message, message};
#[cfg(feature = "arrow")]
pub(crate) use place::keeps_tables;
pub(crate) use place::{Place, noting_place};
pub(crate) use sharing::{SHARED, SharedOwner, owner_of_shared, shared};
pub(crate) use work::{TOTAL, overdrawn};
#[cfg(feature = "arrow")]
pub(crate) use work::{bounded, working};

/// The newtype name that tells a codec that a buffer follows.
pub(crate) const BUFFER: &str = "outband::Buffer";

/// The newtype name that tells a codec that a map follows whose first key is how arrays or tables are told from maps.
pub(crate) const MARKED: &str = "outband::Marked";

/// Why a codec does not write such a map that tells them so.
pub(crate) const IS_MARKED: &str = "a map whose first key is \"$array\" or \"$table\", which says to who reads it that it is an array or \
    a table: put another key first";

thread_local! {
    static ASKED: Cell<Asked> = const { Cell::new(Asked::Nobody) };
    static GIVEN: Slot = const { Slot::new() };
    /// What is known of the buffer that comes next.
    static HINT: Cell<Hint> = const { Cell::new(Hint { item: 1, place: None }) };
    /// Never dropped, as the others: who decodes while the thread ends needs it still, and nothing is left in it.
    static OWNERS: ManuallyDrop<RefCell<Option<Owners>>> = const { ManuallyDrop::new(RefCell::new(None)) };
}

/// What the serializer at work says to buffers.
#[derive(Clone, Copy, Default)]
enum Asked {
    /// Nothing: it gets bytes.
    #[default]
    Nobody,
    /// The next buffer is asked for, if it has as many bytes or more.
    From(usize),
}

fn asked<R>(asked: Asked, serialize: impl FnOnce() -> R) -> R {
    struct Restore(Asked);
    impl Drop for Restore {
        #[inline]
        fn drop(&mut self) {
            ASKED.set(self.0);
            // nearly always empty: nobody takes what a serializer asks for and then forgets about
            drop(given());
        }
    }
    let _restore = Restore(ASKED.replace(asked));
    serialize()
}

/// Runs `serialize` and asks the buffer in it for itself, if it has `from` bytes or more.
#[inline]
pub(crate) fn ask<R>(from: usize, serialize: impl FnOnce() -> R) -> R {
    asked(Asked::From(from), serialize)
}

/// Runs `serialize`, in which nobody asks.
pub(crate) fn take_bytes<R>(serialize: impl FnOnce() -> R) -> R {
    asked(Asked::Nobody, serialize)
}

/// Gives a buffer to who asked; false where nobody did, or not for one so short. Either way nobody asks any more.
#[inline]
pub(crate) fn offer(buffer: &Buffer) -> bool {
    let from = match ASKED.get() {
        Asked::Nobody => return false,
        Asked::From(from) => from,
    };
    ASKED.set(Asked::Nobody);
    // who knows where it goes is who writes it
    let wanted = buffer.len() >= from || HINT.get().place.is_some();
    if wanted {
        GIVEN.with(|given| given.put(buffer));
    }
    wanted
}

/// Stops asking: what came is not a buffer, and what runs next may serialize buffers of its own.
pub(crate) fn stop_asking() {
    ASKED.set(Asked::Nobody);
}

/// What is known of a buffer by who serializes it.
#[derive(Clone, Copy)]
struct Hint {
    /// The length of its elements in bytes.
    item: usize,
    /// Where it goes however long it is.
    place: Option<Place>,
}

fn hinting<R>(hint: Hint, serialize: impl FnOnce() -> R) -> R {
    struct Restore(Hint);
    impl Drop for Restore {
        fn drop(&mut self) {
            HINT.set(self.0);
        }
    }
    let _restore = Restore(HINT.replace(hint));
    serialize()
}

/// Runs `serialize`, in which buffers hold elements of `item` bytes each: compression with a byte shuffle wants to know.
pub(crate) fn of_items<R>(item: usize, serialize: impl FnOnce() -> R) -> R {
    hinting(Hint { item: item.max(1), ..HINT.get() }, serialize)
}

/// Runs `serialize`, in which buffers go out of band however short they are, or in band however long.
pub(crate) fn placed<R>(place: Place, serialize: impl FnOnce() -> R) -> R {
    hinting(Hint { place: Some(place), ..HINT.get() }, serialize)
}

/// Runs `decide`, which may serialize buffers of its own: nothing is known of them.
pub(crate) fn apart<R>(decide: impl FnOnce() -> R) -> R {
    hinting(Hint { item: 1, place: None }, decide)
}

/// The length in bytes of the elements of the buffer that is being serialized; 1 where nobody said.
pub(crate) fn item() -> usize {
    HINT.get().item
}

/// Where the buffer that is being serialized goes however long it is.
#[inline(always)]
pub(crate) fn place() -> Option<Place> {
    HINT.get().place
}

/// Takes the buffer that was given, if one was.
#[inline]
pub(crate) fn given() -> Option<Buffer> {
    GIVEN.with(Slot::take)
}

/// The frames of the message that is being decoded.
pub(crate) struct Owners {
    /// The metadata frame, which in-band buffers may share, and the buffers.
    frames: Rc<(Bytes, Vec<Buffer>)>,
    credit: Credit,
    /// Whether it matters where in the message a buffer is: to a codec that puts it there again.
    has_places: bool,
    /// Whether the message is a pickle: to other codecs its places are nothing, and its tables keep their own.
    is_pickle: bool,
    /// What only some values need, out of the way of the others.
    more: Option<Box<More>>,
}

#[derive(Default)]
struct More {
    /// Indexes of the buffers by address; made at the first miss of `last`.
    by_address: Vec<usize>,
    #[cfg(feature = "arrow")]
    work: Option<work::Work>,
    /// The same buffers as some of the frames, by where these lie and how long they are, with more to them.
    keepers: BTreeMap<(usize, usize), Buffer>,
    /// A buffer that is no frame and is being shown, a part of one or one that was made; and whether it was taken.
    made: Option<(Buffer, bool)>,
    /// Buffers of which several are parts, by address.
    #[cfg(feature = "arrow")]
    blocks: BTreeMap<usize, Buffer>,
}

/// An in-band buffer shares the metadata frame only where that keeps at most this many times its length alive.
const SHARE_FACTOR: usize = 4;

impl Owners {
    /// The same frames, for some of which there is a buffer of the same bytes that has more to it: for [`keeper_of`].
    pub(crate) fn with_keepers(mut self, keepers: Vec<Buffer>) -> Self {
        if !keepers.is_empty() {
            let keyed = keepers.into_iter().map(|keeper| ((keeper.as_ptr().addr(), keeper.len()), keeper));
            self.more.get_or_insert_default().keepers = keyed.collect();
        }
        self
    }

    fn len_of(&self, index: usize) -> usize {
        self.frames.1.get(index).map_or(0, Buffer::len)
    }

    /// The frame that `bytes` is all of. It is shared, and not copied.
    fn take_frame(&mut self, bytes: &[u8]) -> Option<Buffer> {
        let index = if self.frames.1.is_empty() { None } else { self.find_frame(bytes) }?;
        self.credit.take(index, bytes.len());
        self.frames.1.get(index).cloned()
    }

    fn find_frame(&mut self, bytes: &[u8]) -> Option<usize> {
        let (buffers, last) = (&self.frames.1, self.credit.last);
        if buffers.get(last).is_some_and(|buffer| is_all_of(bytes, buffer)) {
            return Some(last);
        }
        let by_address = &mut self.more.get_or_insert_default().by_address;
        if by_address.is_empty() {
            by_address.extend(0..buffers.len());
            by_address.sort_by_key(|&index| (buffers[index].as_ptr().addr(), buffers[index].len()));
        }
        let wanted = (bytes.as_ptr().addr(), bytes.len());
        let found = by_address.binary_search_by_key(&wanted, |&index| {
            let buffer = &buffers[index];
            (buffer.as_ptr().addr(), buffer.len())
        });
        found.ok().map(|position| by_address[position])
    }

    #[cfg(feature = "arrow")]
    fn made(&mut self) -> &mut Option<(Buffer, bool)> {
        &mut self.more.get_or_insert_default().made
    }

    fn share(&mut self, bytes: &[u8]) -> Option<Buffer> {
        place::found(Place::InBand);
        let made = self.more.as_mut().and_then(|more| more.made.as_mut());
        if let Some((made, is_taken)) = made.filter(|(made, _)| is_all_of(bytes, made)) {
            if !std::mem::replace(is_taken, true) {
                self.credit.give_back(bytes.len());
            }
            return Some(made.clone());
        }
        if let Some(frame) = self.take_frame(bytes) {
            place::found(Place::Frame);
            return Some(frame);
        }
        let metadata = &self.frames.0;
        if metadata.len() > bytes.len().saturating_mul(SHARE_FACTOR) {
            return None;
        }
        let start = bytes.as_ptr().addr().checked_sub(metadata.as_ptr().addr())?;
        let end = start.checked_add(bytes.len()).filter(|&end| end <= metadata.len())?;
        Some(Buffer::from(metadata.slice(start..end)))
    }
}

fn is_all_of(bytes: &[u8], buffer: &Buffer) -> bool {
    bytes.as_ptr() == buffer.as_ptr() && bytes.len() == buffer.len()
}

/// Runs `decode` with the frames of a message at hand.
pub(crate) fn with_owners<R>(owners: Owners, decode: impl FnOnce() -> R) -> R {
    struct Restore(Option<Owners>, State, Option<Place>);
    impl Drop for Restore {
        fn drop(&mut self) {
            frameless::turn_to(self.1);
            place::turn_to(self.2);
            let outer = self.0.take();
            let ours = OWNERS.with(|place| mem::replace(&mut *place.borrow_mut(), outer));
            // dropped after the borrow has ended: an owner's `Drop` may come back here
            drop(ours);
        }
    }
    let outer = OWNERS.with(|place| place.borrow_mut().replace(owners));
    let _restore = Restore(outer, frameless::turn_to(State::Framed), place::turn_to(None));
    decode()
}

/// A frame of the message that is being decoded, to be shared: number `index`, which is known to hold these bytes.
pub(crate) fn frame(index: usize, bytes: &[u8]) -> Option<Buffer> {
    OWNERS.with(|place| {
        let place = place.borrow();
        place.as_ref()?.frames.1.get(index).filter(|frame| is_all_of(bytes, frame)).cloned()
    })
}

/// Shows a buffer that is no frame of the message, so that whoever asks for its owner finds it; `Err` where that is more
/// than may be shown.
#[cfg(feature = "arrow")]
pub(crate) fn showing_made<R>(buffer: Buffer, show: impl FnOnce(&[u8]) -> R) -> Result<R, u64> {
    struct Restore(Option<(Buffer, bool)>);
    impl Drop for Restore {
        fn drop(&mut self) {
            let outer = self.0.take();
            let ours =
                OWNERS.with(|place| place.borrow_mut().as_mut().and_then(|owners| mem::replace(owners.made(), outer)));
            // dropped after the borrow has ended: an owner's `Drop` may come back here
            drop(ours);
        }
    }
    copying(buffer.len())?;
    let outer = OWNERS
        .with(|place| place.borrow_mut().as_mut().and_then(|owners| owners.made().replace((buffer.clone(), false))));
    let _restore = Restore(outer);
    Ok(show(&buffer))
}

/// Notes a buffer of which several others are parts, so that whoever comes upon those finds it.
#[cfg(feature = "arrow")]
pub(crate) fn note_block(block: &Buffer) {
    OWNERS.with(|place| {
        if let Some(owners) = place.borrow_mut().as_mut() {
            owners.more.get_or_insert_default().blocks.insert(block.as_ptr().addr(), block.clone());
        }
    });
}

/// Whether there are any blocks.
#[cfg(feature = "arrow")]
pub(crate) fn has_blocks() -> bool {
    OWNERS.with(|place| {
        let place = place.borrow();
        place.as_ref().and_then(|owners| owners.more.as_ref()).is_some_and(|more| !more.blocks.is_empty())
    })
}

/// The block in which these bytes lie.
#[cfg(feature = "arrow")]
pub(crate) fn block_around(start: usize, len: usize) -> Option<Buffer> {
    OWNERS.with(|place| {
        let place = place.borrow();
        let (&at, block) = place.as_ref()?.more.as_ref()?.blocks.range(..=start).next_back()?;
        (start.checked_add(len)? <= at + block.len()).then(|| block.clone())
    })
}

/// The buffer of the same bytes as this frame of the message that is being decoded, where the codec has one with more to it.
pub(crate) fn keeper_of(frame: &Buffer) -> Option<Buffer> {
    OWNERS.with(|place| {
        let place = place.borrow();
        place.as_ref()?.more.as_ref()?.keepers.get(&(frame.as_ptr().addr(), frame.len())).cloned()
    })
}

/// The out-of-band buffer that `bytes` is all of; `None` for bytes of any other origin.
pub(crate) fn frame_of(bytes: &[u8]) -> Option<Buffer> {
    OWNERS.with(|place| place.borrow_mut().as_mut()?.take_frame(bytes))
}

/// The buffer that `bytes` is all of, or a part of the metadata frame that can be shared; else `None`.
pub(crate) fn owner_of(bytes: &[u8]) -> Option<Buffer> {
    if !frameless::has_owners() {
        return bytes.is_empty().then(Buffer::new);
    }
    OWNERS.with(|place| {
        let mut place = place.borrow_mut();
        match place.as_mut() {
            Some(owners) if bytes.is_empty() => Some(owners.shown_empty(bytes)),
            Some(owners) => owners.share(bytes),
            None => bytes.is_empty().then(Buffer::new),
        }
    })
}
