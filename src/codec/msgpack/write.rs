//! The metadata writer: MessagePack into reused memory, with a buffer reference where a buffer goes out of band.
//!
//! Numbers and lengths take their shortest form. It counts nesting, so that a value too deep for any receiver fails here.

use std::mem;

use serde::ser::Error as _;

use super::compound::Compound;
use crate::buffer::Buffer;
use crate::codec::container::Open;
use crate::codec::place::{Placed, Placement, Policy};
use crate::codec::unserializable::{Result, Unserializable};
use crate::limits::Limits;
use crate::reference::{self, EXTENSION, Packed, Reference, TOGETHER};
use crate::{handoff, memory, stored};

pub(crate) struct Writer<'w> {
    pub(super) out: &'w mut Vec<u8>,
    pub(super) placed: Placed<'w>,
    /// How many more arrays and maps may be opened.
    pub(super) depth: usize,
    /// How long `out` may get: looked at where a few bytes of a value may stand for many.
    most: usize,
    /// How long it would have got, where that was more.
    pub(super) wanted: Option<usize>,
    /// Whether a newtype struct has announced a buffer, and its content comes next.
    pub(super) announced: bool,
    /// The references whose checks are still to be made: where each ends, and its frame.
    incomplete: [(u32, u32); TOGETHER],
    /// How many of these there are.
    waiting: usize,
}

/// The first byte of each kind of value that has a length: the shortest form and how long it may be, then the forms with
/// a length of 1, 2 and 4 bytes (0 where there is none).
pub(super) struct Head(pub(super) u8, usize, u8, u8, u8);

const TEXT: Head = Head(0xa0, 31, 0xd9, 0xda, 0xdb);
const BINARY: Head = Head(0, 0, 0xc4, 0xc5, 0xc6);
pub(super) const ARRAY: Head = Head(0x90, 15, 0, 0xdc, 0xdd);
pub(super) const MAP: Head = Head(0x80, 15, 0, 0xde, 0xdf);

impl<'w> Writer<'w> {
    /// A writer that appends to `out`.
    #[inline]
    pub(crate) fn new(out: &'w mut Vec<u8>, policy: &'w Policy, limits: &Limits) -> Self {
        let most = out.len().saturating_add(limits.max_metadata());
        Self {
            out,
            placed: Placed::new(policy),
            depth: limits.max_depth(),
            most,
            wanted: None,
            announced: false,
            incomplete: [(0, 0); TOGETHER],
            waiting: 0,
        }
    }

    /// The frames of the buffers that went out of band.
    #[inline]
    pub(crate) fn take_frames(&mut self) -> Vec<Buffer> {
        self.complete();
        self.placed.take_frames()
    }

    // in line, because most lengths are known where this is called
    #[inline(always)]
    pub(super) fn head(&mut self, head: &Head, len: usize) -> Result<()> {
        if len <= head.1 && head.1 > 0 {
            self.out.push(head.0 | len as u8);
            return Ok(());
        }
        self.long_head(head, len)
    }

    #[inline(never)]
    fn long_head(&mut self, head: &Head, len: usize) -> Result<()> {
        let mut bytes = [0; 5];
        let bytes = form(head, len, &mut bytes).ok_or_else(|| too_long(len))?;
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    #[inline(always)]
    pub(super) fn text(&mut self, text: &str) -> Result<()> {
        self.head(&TEXT, text.len())?;
        self.out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    pub(super) fn binary(&mut self, bytes: &[u8]) -> Result<()> {
        // not the empty "shortest form" that text has
        match u8::try_from(bytes.len()) {
            Ok(len) => self.out.extend_from_slice(&[0xc4, len]),
            Err(_) => self.head(&BINARY, bytes.len())?,
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    #[inline]
    pub(super) fn unsigned(&mut self, value: u64) {
        let bytes = value.to_be_bytes();
        match value {
            0..=0x7f => self.out.push(value as u8),
            0x80..=0xff => self.out.extend_from_slice(&[0xcc, value as u8]),
            0x100..=0xffff => self.out.extend_from_slice(&[0xcd, bytes[6], bytes[7]]),
            0x1_0000..=0xffff_ffff => self.tagged(0xce, &bytes[4..]),
            _ => self.tagged(0xcf, &bytes),
        }
    }

    #[inline]
    pub(super) fn signed(&mut self, value: i64) {
        let bytes = value.to_be_bytes();
        match value {
            0.. => self.unsigned(value as u64),
            -32..=-1 => self.out.push(bytes[7]),
            -0x80..=-33 => self.out.extend_from_slice(&[0xd0, bytes[7]]),
            -0x8000..=-0x81 => self.tagged(0xd1, &bytes[6..]),
            -0x8000_0000..=-0x8001 => self.tagged(0xd2, &bytes[4..]),
            _ => self.tagged(0xd3, &bytes),
        }
    }

    pub(super) fn tagged(&mut self, tag: u8, bytes: &[u8]) {
        self.out.push(tag);
        self.out.extend_from_slice(bytes);
    }

    /// The bytes of a buffer that was not given away: too short for a frame of its own, or kept by serde on the way here
    /// (a flattened enum), which loses the ownership.
    pub(super) fn announced_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        handoff::stop_asking();
        if bytes.len() >= self.placed.out_of_band_from() {
            return self.buffer(Buffer::copy_from_slice(bytes));
        }
        self.placed.decide(bytes);
        self.in_band(bytes)
    }

    fn in_band(&mut self, bytes: &[u8]) -> Result<()> {
        self.make_room(bytes.len())?;
        memory::count_copy(bytes.len());
        self.binary(bytes)
    }

    /// Puts a buffer where its placement says.
    #[inline(always)]
    pub(super) fn buffer(&mut self, buffer: Buffer) -> Result<()> {
        if !self.placed.is_plainly_out_of_band(&buffer) {
            return self.decided(buffer);
        }
        let (len, frame) = (buffer.len(), self.placed.frame_of(buffer));
        self.plain_reference(frame, len);
        Ok(())
    }

    #[inline(never)]
    fn decided(&mut self, buffer: Buffer) -> Result<()> {
        let stored = self.placed.stored(&buffer).cloned();
        let placement = match &stored {
            Some(stored) => self.placed.decide_again(&buffer, stored.packed),
            None => self.placed.decide(&buffer),
        };
        if let (Placement::AsItCame, Some(stored)) = (placement, stored) {
            let frame = self.placed.stored_frame_of(&stored);
            self.reference(frame, Some(stored.packed));
            return Ok(());
        }
        let buffer = stored::alone(buffer);
        match placement {
            Placement::InBand => self.in_band(&buffer),
            Placement::OutOfBand | Placement::AsItCame => {
                let (len, frame) = (buffer.len(), self.placed.frame_of(buffer));
                self.plain_reference(frame, len);
                Ok(())
            }
            Placement::Compressed(by) => {
                let stored = self.placed.compressed_frame_of(&buffer, by).map_err(|reason| {
                    Unserializable::custom(format_args!("a buffer of {} bytes: {reason}", buffer.len()))
                })?;
                match stored {
                    Some((frame, packed)) => self.reference(frame, Some(packed)),
                    None => {
                        let (len, frame) = (buffer.len(), self.placed.frame_of(buffer));
                        self.plain_reference(frame, len);
                    }
                }
                Ok(())
            }
        }
    }

    #[inline(never)]
    fn reference(&mut self, frame: usize, packed: Option<Packed>) {
        Reference::to(frame, self.placed.frame(frame), packed).write(self.out);
    }

    /// Writes the reference to a frame of so many bytes that is not compressed. Its check is made later, with those of others.
    #[inline(always)]
    fn plain_reference(&mut self, frame: usize, len: usize) {
        let ends = u32::try_from(self.out.len()).is_ok_and(|len| len < 1 << 31);
        if !ends || !Reference::write_incomplete(frame, len, self.out) {
            return self.reference(frame, None);
        }
        let nth = self.waiting;
        self.incomplete[nth] = (self.out.len() as u32, frame as u32);
        self.waiting = nth + 1;
        if self.waiting == TOGETHER {
            self.complete_all();
        }
    }

    /// Makes the checks that are still to be made.
    #[inline]
    pub(super) fn complete(&mut self) {
        if self.waiting > 0 {
            self.complete_all();
        }
    }

    #[inline(never)]
    fn complete_all(&mut self) {
        let Self { incomplete, placed, out, .. } = self;
        let incomplete = &incomplete[..mem::take(&mut self.waiting)];
        let mut short = false;
        reference::checks(
            incomplete,
            |(_, frame)| placed.frame(frame as usize),
            |(end, _), check| short |= !reference::complete(out, end as usize, check),
        );
        if short {
            // from the last one on, as what follows one may move
            for &(end, frame) in incomplete.iter().rev() {
                reference::complete_any(out, end as usize, frame as usize, placed.frame(frame as usize));
            }
        }
    }

    /// Refuses an extension value, which begins at `start`, whose type is that of buffer references: receivers would take it
    /// for one.
    pub(super) fn check_extension(&self, start: usize) -> Result<()> {
        let kind = match self.out[start..] {
            [0xd4..=0xd8, kind, ..] | [0xc7, _, kind, ..] | [0xc8, _, _, kind, ..] | [0xc9, _, _, _, _, kind, ..] => {
                kind
            }
            _ => return Ok(()),
        };
        if kind == EXTENSION as u8 {
            return Err(Unserializable::custom(
                "an extension value of type 0x42, which is the type of buffer references",
            ));
        }
        Ok(())
    }

    /// Refuses to write out what may stand in many places, so many bytes at least, where that goes over the limit.
    pub(super) fn make_room(&mut self, len: usize) -> Result<()> {
        let wanted = self.out.len().saturating_add(len);
        if wanted <= self.most {
            return Ok(());
        }
        self.wanted = Some(wanted);
        Err(Unserializable::custom("it is longer than the limit allows"))
    }

    #[inline]
    pub(super) fn deeper(&self, levels: usize) -> Result<usize> {
        self.depth.checked_sub(levels).ok_or_else(Unserializable::too_deep)
    }

    /// Opens an array or map within `levels - 1` others of one element.
    #[inline]
    pub(super) fn open(
        &mut self,
        levels: usize,
        head: &'static Head,
        len: Option<usize>,
    ) -> Result<Open<Compound<'_, 'w>>> {
        self.announced = false;
        self.depth = self.deeper(levels)?;
        if let Some(len) = len {
            self.head(head, len)?;
        }
        if len.is_none() {
            // what is before it is not going to move, and what is in it moves with it
            self.complete();
        }
        Ok(Open(Compound::new(self, levels, head, len)))
    }

    /// Opens the map of one entry that is an enum variant with content.
    pub(super) fn variant(&mut self, variant: &'static str) -> Result<()> {
        self.head(&MAP, 1)?;
        self.text(variant)
    }
}

/// The head of a value of this length; `None` where MessagePack has none.
#[inline]
pub(super) fn form<'b>(head: &Head, len: usize, bytes: &'b mut [u8; 5]) -> Option<&'b [u8]> {
    let [_, a, b, c, d] = &mut *bytes;
    let (len8, [x, y, z, w]) = (len as u8, u32::try_from(len).ok()?.to_be_bytes());
    if len <= head.1 && head.1 > 0 {
        bytes[0] = head.0 | len8;
        return Some(&bytes[..1]);
    }
    let used = match len {
        0..=0xff if head.2 != 0 => {
            *a = len8;
            (head.2, 2)
        }
        0..=0xffff => {
            (*a, *b) = (z, w);
            (head.3, 3)
        }
        _ => {
            (*a, *b, *c, *d) = (x, y, z, w);
            (head.4, 5)
        }
    };
    bytes[0] = used.0;
    Some(&bytes[..used.1])
}

#[cold]
pub(super) fn too_long(len: usize) -> Unserializable {
    Unserializable::custom(format_args!(
        "a value of {len} bytes or elements is longer than MessagePack's 32 bits can say"
    ))
}
