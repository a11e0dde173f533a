//! The frames that references in the metadata stand for.

use std::mem;

use serde::de::{Error as _, Visitor};

use super::bytes::{Bytes, show};
use super::mismatch::{Mismatch, Result};
use super::read::Reader;
use crate::array::{self, Head};
use crate::buffer::Buffer;
use crate::handoff;
use crate::reference::{self, EXTENSION, Reference, TOGETHER};

impl<'de> Reader<'de> {
    /// Reads the array that comes next and puts it where its visitor takes it, if it is written as this crate writes one with a frame;
    /// else reads nothing.
    pub(super) fn whole_array(&mut self) -> Option<Result<()>> {
        // an array is a map with a list in it; and who notes names gets to see them
        if self.depth < 2 || self.names_as_text {
            return None;
        }
        let (head, rest) = Head::read(self.rest)?;
        let (payload, rest) = payload(rest)?;
        self.rest = rest;
        Some(self.referenced(payload).and_then(|(index, frame)| {
            // one that is shared was never shown, and never lent
            let data = handoff::frame(index, frame).unwrap_or_else(|| Buffer::copy_from_slice(frame));
            head.with_data(data).map(array::hand_over).map_err(Mismatch::custom)
        }))
    }

    /// Whether everything was read and was as it has to be, and every frame was referenced.
    #[inline]
    pub(super) fn is_whole(&mut self) -> bool {
        if self.waiting > 0 {
            self.check_frames();
        }
        let used = self.used.trailing_ones() as usize;
        self.rest.is_empty() && self.owed == 0 && !self.spoiled && used == self.frames.len()
    }

    /// Holds frames against the checks of their references.
    #[inline(never)]
    fn check_frames(&mut self) {
        let frames = self.frames;
        let mut sound = true;
        let unsure = &self.unsure[..mem::take(&mut self.waiting)];
        reference::checks(unsure, |(index, _)| &frames[index as usize], |(_, check), found| sound &= check == found);
        self.spoiled |= !sound;
    }

    /// Reads the buffer reference that comes next; its frame. Reads nothing where something else comes, or a reference in
    /// another form than it is usually written in, or one of a frame of another length: what is wrong with it is for others to say.
    #[inline]
    pub(super) fn whole_buffer(&mut self) -> Option<&'de Buffer> {
        let (index, len, check, rest) = match Reference::parse_few(self.rest) {
            Some((index, len, check, used)) => (index, len, check, &self.rest[used..]),
            None => {
                let (payload, rest) = payload(self.rest)?;
                let (index, len, check) = Reference::parse_usual(payload)?;
                (index, len, check, rest)
            }
        };
        let frame = self.frames.get(index).filter(|frame| frame.len() as u64 == len)?;
        if self.unchecked {
            self.used |= 1 << index;
            let nth = self.waiting;
            self.unsure[nth] = (index as u32, check);
            self.waiting = nth + 1;
            if self.waiting == TOGETHER {
                self.check_frames();
            }
        }
        self.rest = rest;
        Some(frame)
    }

    /// Shows a visitor the frame that a buffer reference names.
    pub(super) fn show_frame<V: Visitor<'de>>(&mut self, payload: &[u8], visitor: V, bytes: Bytes) -> Result<V::Value> {
        let (index, frame) = self.referenced(payload)?;
        // serde's buffering of flattened and untagged types asks for anything, and keeps it
        let shown = match bytes {
            Bytes::Any => handoff::showing(index).then(|| show(frame, visitor, bytes)),
            _ => handoff::handing(index, || show(frame, visitor, bytes)),
        };
        shown.unwrap_or_else(|| Err(Mismatch::custom("frames that are referenced more than once, over the limit")))
    }

    /// The frame that a buffer reference names.
    pub(super) fn referenced(&mut self, payload: &[u8]) -> Result<(usize, &'de Buffer)> {
        let reference =
            Reference::parse(payload).map_err(|reason| self.spoil(&format!("a buffer reference {reason}")))?;
        let index = usize::try_from(reference.frame).unwrap_or(usize::MAX);
        let frame = self.frames.get(index).filter(|frame| frame.len() as u64 == reference.raw_len());
        if self.unchecked {
            let is_sound = |frame: &&Buffer| reference.packed.is_none() && reference.fits(frame);
            let Some(frame) = frame.filter(is_sound) else {
                return Err(self.spoil("a buffer reference without its frame"));
            };
            self.used |= 1 << index;
            return Ok((index, frame));
        }
        // one that was not unpacked is no buffer, also where it has the length of one
        let frame = frame.filter(|_| !(self.as_sent && reference.packed.is_some())).ok_or_else(|| {
            self.spoil(match reference.packed {
                None => "a buffer reference without its frame",
                Some(_) => "a compressed buffer, where nothing is decompressed",
            })
        })?;
        Ok((index, frame))
    }
}

/// The payload of the buffer reference that the bytes begin with, and the bytes after it.
#[inline]
fn payload(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = match bytes {
        [0xc7, len, rest @ ..] => (usize::from(*len), rest),
        [marker @ 0xd4..=0xd8, rest @ ..] => (1 << (marker - 0xd4), rest),
        _ => return None,
    };
    rest.strip_prefix(&[EXTENSION as u8])?.split_at_checked(len)
}
