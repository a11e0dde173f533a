//! Where buffers go: in band or out of band, one frame for a buffer used many times.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;

use crate::buffer::{Buffer, spare};
use crate::compress::Compression;
use crate::handoff;
use crate::reference::Packed;
use crate::stored::Stored;

/// Where a buffer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Placement {
    /// Into the metadata, as MessagePack `bin`: copied, no frame of its own.
    InBand,
    /// Into a frame of its own, without copying.
    OutOfBand,
    /// Compressed into a frame of its own, or as it is where that would not pay.
    Compressed(Compression),
    /// In the frame in which it came, without copying and compressing it again: of a buffer of a decoded [`Value`](crate::Value) that was
    /// compressed there ([`BufferInfo::came_compressed`]). Any other goes out of band.
    AsItCame,
}

/// What a [`placement`](crate::MsgPack::placement) callback is told of a buffer.
#[derive(Clone, Copy, Debug)]
pub struct BufferInfo {
    index: usize,
    address: usize,
    len: usize,
    item: usize,
    came_out_of_band: bool,
    came: Option<Packed>,
    default: Placement,
}

impl BufferInfo {
    pub(crate) fn new(index: usize, bytes: &[u8], came: Option<Packed>, default: Placement) -> Self {
        let came_out_of_band = handoff::place() == Some(handoff::Place::Frame);
        Self {
            index,
            address: bytes.as_ptr().addr(),
            len: bytes.len(),
            item: handoff::item(),
            came_out_of_band,
            came,
            default,
        }
    }

    /// Which buffer of the value this is, in order of serialization, from 0; a buffer used twice is counted twice.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Where its first byte lies in memory: which buffer it is, to who holds it as well. Of an empty one it says nothing.
    pub fn address(&self) -> usize {
        self.address
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The length in bytes of its elements, where an array or a table says so; else 1.
    pub fn item_len(&self) -> usize {
        self.item
    }

    /// Whether it is known to have come in a frame of its own, in a message that was decoded to a [`Value`](crate::Value), also where it was
    /// copied since and lies elsewhere now. Of one that came out of band and lies there still it may be `false`.
    pub fn came_out_of_band(&self) -> bool {
        self.came_out_of_band
    }

    /// How it was compressed in the message that was decoded to the [`Value`](crate::Value) in which it stands, as
    /// [`BufferSizes::encoding`](crate::BufferSizes::encoding) names it; `None` where it was not, or is only a part of what was.
    pub fn came_compressed(&self) -> Option<&'static str> {
        self.came.map(|packed| packed.encoding.name())
    }

    /// Where it would go without a callback.
    pub fn default_placement(&self) -> Placement {
        self.default
    }
}

/// Where the buffers of a codec go.
#[derive(Clone)]
pub(crate) struct Policy {
    pub(crate) out_of_band_from: usize,
    pub(crate) compression: Option<Compression>,
    pub(crate) callback: Option<Arc<Decide>>,
    /// Whether what came compressed goes as it came, where nothing else is said.
    pub(crate) passes_on: bool,
}

pub(crate) type Decide = dyn Fn(&BufferInfo) -> Placement + Send + Sync;

impl Policy {
    pub(crate) const fn new(out_of_band_from: usize) -> Self {
        Self { out_of_band_from, compression: None, callback: None, passes_on: true }
    }

    /// Whether nothing but a buffer's length decides, and what was said of it.
    #[inline]
    fn is_plain(&self) -> bool {
        self.compression.is_none() && self.callback.is_none()
    }

    #[inline]
    fn plainly(&self, bytes: &[u8]) -> Placement {
        match handoff::place() {
            Some(handoff::Place::InBand) => Placement::InBand,
            None | Some(handoff::Place::InPickle | handoff::Place::PickleFrame)
                if bytes.len() < self.out_of_band_from =>
            {
                Placement::InBand
            }
            _ => Placement::OutOfBand,
        }
    }

    fn decide(&self, index: usize, bytes: &[u8], came: Option<Packed>) -> Placement {
        let default = match (self.plainly(bytes), self.compression) {
            (Placement::OutOfBand, Some(compression)) => Placement::Compressed(compression),
            (Placement::OutOfBand, None) if came.is_some() => Placement::AsItCame,
            (plain, _) => plain,
        };
        let Some(decide) = &self.callback else { return default };
        let info = BufferInfo::new(index, bytes, came, default);
        match handoff::apart(|| decide(&info)) {
            Placement::AsItCame if came.is_none() => Placement::OutOfBand,
            decided => decided,
        }
    }
}

/// The buffers of one value while it is serialized: where each goes, and the frames of those that go out of band.
pub(crate) struct Placed<'p> {
    policy: &'p Policy,
    seen: usize,
    frames: Vec<Buffer>,
    /// The addresses between which all frames begin that are not compressed.
    span: (usize, usize),
    /// What only some values need, out of the way of the others.
    more: Option<Box<More>>,
}

#[derive(Default)]
struct More {
    /// What may be known, where there are more than [`LOOKED_THROUGH`].
    sieve: Sieve,
    /// How many frames were looked at for `sieve`.
    sieved: usize,
    /// The frame of each buffer by address and length, for the first of them, as many as it has; made when one comes that may be known. Of a
    /// table that a program passes on, a peer has chosen where in a block each column begins, so the hash has a seed that nobody knows.
    known: foldhash::HashMap<(usize, usize), usize>,
    /// How many frames were looked at for `known`.
    filed: usize,
    /// The frames of buffers that were compressed before, which buffers that are no such frames do not name.
    stored: HashMap<(usize, usize, Packed), usize>,
    /// The same frames in order.
    stored_frames: Vec<usize>,
    /// The buffers that were to be compressed; made with the first.
    compressed: Option<HashMap<(usize, usize, Compression), Compressed>>,
    /// The bytes of those that are compressed, decompressed.
    raw_len: u64,
}

/// What makes a buffer the same as another one.
#[inline]
fn key(buffer: &Buffer) -> (usize, usize) {
    (buffer.as_ptr().addr(), buffer.len())
}

/// Up to so many frames are looked through: cheaper than a table.
const LOOKED_THROUGH: usize = 16;

/// Remembers which keys it was asked for, and takes some others for them: a table of a bit each, for buffers that nearly always are new.
#[derive(Default)]
struct Sieve([u64; 32]);

impl Sieve {
    /// Whether it may hold this key, which it holds from now on.
    #[inline]
    fn holds_or_takes(&mut self, (address, len): (usize, usize)) -> bool {
        // Fibonacci hashing: Knuth, The Art of Computer Programming 3, 6.4
        let mixed = (address as u64 ^ (len as u64).rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (word, bit) = ((mixed >> 59) as usize, 1 << (mixed >> 53 & 63));
        let held = self.0[word] & bit != 0;
        self.0[word] |= bit;
        held
    }
}

/// A buffer that was compressed, or found not to be worth it. It is held, so that no other can take its address.
struct Compressed {
    #[expect(dead_code, reason = "held for its address")]
    original: Buffer,
    /// Its frame and how it lies there; `None` where it travels as it is.
    stored: Option<(usize, Packed)>,
}

impl<'p> Placed<'p> {
    pub(crate) fn new(policy: &'p Policy) -> Self {
        Self { policy, seen: 0, frames: Vec::new(), span: (usize::MAX, 0), more: None }
    }

    /// Takes the frames. (Out of a reference: to move the whole of this for them takes as long as encoding a small field.)
    pub(crate) fn take_frames(&mut self) -> Vec<Buffer> {
        mem::take(&mut self.frames)
    }

    /// The bytes of all compressed buffers, decompressed.
    pub(crate) fn raw_len(&self) -> u64 {
        self.more.as_ref().map_or(0, |more| more.raw_len)
    }

    /// From how many bytes on a buffer may go out of band.
    pub(crate) fn out_of_band_from(&self) -> usize {
        if self.policy.callback.is_some() { 0 } else { self.policy.out_of_band_from }
    }

    /// Whether the next buffer goes out of band, and only its length says so; where not, it is still to be [decided](Self::decide).
    #[inline]
    pub(crate) fn is_plainly_out_of_band(&mut self, bytes: &[u8]) -> bool {
        let is_plain =
            self.policy.is_plain() && bytes.len() >= self.policy.out_of_band_from && handoff::place().is_none();
        self.seen += usize::from(is_plain);
        is_plain
    }

    /// Where the next buffer goes.
    #[inline]
    pub(crate) fn decide(&mut self, bytes: &[u8]) -> Placement {
        let index = self.seen;
        self.seen += 1;
        if self.policy.is_plain() {
            return self.policy.plainly(bytes);
        }
        self.policy.decide(index, bytes, None)
    }

    /// Where the next buffer goes, which was compressed when it came.
    pub(crate) fn decide_again(&mut self, bytes: &[u8], came: Packed) -> Placement {
        self.seen += 1;
        self.policy.decide(self.seen - 1, bytes, Some(came))
    }

    /// What a buffer was stored as in the message of the value in which it stands, if it can be that again.
    pub(crate) fn stored<'b>(&self, buffer: &'b Buffer) -> Option<&'b Stored> {
        let is_of_value = handoff::place().is_some() && self.policy.passes_on;
        if is_of_value { Stored::of(buffer) } else { None }
    }

    /// A frame for this buffer alone.
    pub(crate) fn frame_for(&mut self, buffer: Buffer) -> usize {
        self.add(buffer);
        self.frames.len() - 1
    }

    #[inline]
    fn add(&mut self, buffer: Buffer) {
        let (address, (first, last)) = (buffer.as_ptr().addr(), self.span);
        self.span = (first.min(address), last.max(address));
        self.frames.push(buffer);
    }

    /// The frame that holds this buffer: one that is there already, or a new one.
    #[inline(always)]
    pub(crate) fn frame_of(&mut self, buffer: Buffer) -> usize {
        let (next, address) = (self.frames.len(), buffer.as_ptr().addr());
        let (first, last) = self.span;
        // buffers that were made one after the other often lie in order, up or down
        let is_new = address < first || last < address;
        if is_new && next < self.frames.capacity() {
            self.add(buffer);
            return next;
        }
        self.frame_for_any(buffer)
    }

    #[inline(never)]
    fn frame_for_any(&mut self, buffer: Buffer) -> usize {
        let (next, address) = (self.frames.len(), buffer.as_ptr().addr());
        let (first, last) = self.span;
        let is_known = first <= address && address <= last;
        let frame = if is_known { self.looked_up(&buffer) } else { next };
        match next {
            _ if frame < next => return frame,
            0 => {
                // nearly always the only one
                self.span = (address, address);
                self.frames = vec![buffer];
                return 0;
            }
            1 => spare::make_room(&mut self.frames, LOOKED_THROUGH - 1),
            _ => {}
        }
        self.add(buffer);
        frame
    }

    /// Whether a frame is one that came compressed.
    fn is_stored(&self, index: usize) -> bool {
        self.more.as_ref().is_some_and(|more| more.stored_frames.binary_search(&index).is_ok())
    }

    /// The frame that holds a buffer which may be known, or the next one.
    fn looked_up(&mut self, buffer: &Buffer) -> usize {
        let (wanted, next) = (key(buffer), self.frames.len());
        if next <= LOOKED_THROUGH {
            let is_wanted = |(index, frame): (usize, &Buffer)| key(frame) == wanted && !self.is_stored(index);
            return self.frames.iter().enumerate().position(is_wanted).unwrap_or(next);
        }
        let More { sieve, sieved, .. } = &mut **self.more.get_or_insert_default();
        for frame in &self.frames[*sieved..] {
            sieve.holds_or_takes(key(frame));
        }
        let is_held = sieve.holds_or_takes(wanted);
        *sieved = next + usize::from(!is_held);
        if is_held { self.known(buffer) } else { next }
    }

    /// The frame that holds a buffer which the sieve does, or the next one.
    #[inline(never)]
    fn known(&mut self, buffer: &Buffer) -> usize {
        let next = self.frames.len();
        let More { known, filed, stored_frames, .. } = &mut **self.more.get_or_insert_default();
        // frames that are compressed here are in it as well, which nobody else's buffer can be
        for (frame, index) in self.frames[*filed..].iter().zip(*filed..) {
            if stored_frames.binary_search(&index).is_err() {
                known.entry(key(frame)).or_insert(index);
            }
        }
        *filed = next;
        known.get(&key(buffer)).copied().unwrap_or(next)
    }

    /// The frame that holds this buffer compressed, and how; `None` where compressing would not pay.
    ///
    /// # Errors
    ///
    /// What went wrong in the compressor.
    pub(crate) fn compressed_frame_of(
        &mut self,
        buffer: &Buffer,
        by: Compression,
    ) -> Result<Option<(usize, Packed)>, String> {
        let key = (buffer.as_ptr().addr(), buffer.len(), by);
        if let Some(known) = self.more.as_ref().and_then(|more| more.compressed.as_ref()?.get(&key)) {
            return Ok(known.stored);
        }
        let stored = by.pack(buffer, handoff::item())?.map(|(stored, packed)| {
            self.frames.push(Buffer::from(stored));
            (self.frames.len() - 1, packed)
        });
        let more = self.more.get_or_insert_default();
        more.raw_len = more.raw_len.saturating_add(stored.map_or(0, |(_, packed)| packed.raw_len));
        more.compressed.get_or_insert_default().insert(key, Compressed { original: buffer.clone(), stored });
        Ok(stored)
    }

    /// The frame that holds this compressed one, by this description of it.
    pub(crate) fn stored_frame_of(&mut self, stored: &Stored) -> usize {
        let Stored { frame, packed, .. } = stored;
        let (address, len) = key(frame);
        let next = self.frames.len();
        let more = self.more.get_or_insert_default();
        let index = *more.stored.entry((address, len, *packed)).or_insert(next);
        if index == next {
            more.raw_len = more.raw_len.saturating_add(packed.raw_len);
            more.stored_frames.push(index);
            self.frames.push(frame.clone());
        }
        index
    }

    /// A frame of this message.
    pub(crate) fn frame(&self, index: usize) -> &Buffer {
        &self.frames[index]
    }
}
