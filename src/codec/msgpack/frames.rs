//! The frames that references in the metadata stand for.

use serde::de::Error as _;

use super::mismatch::{Mismatch, Result};
use super::read::Reader;
use crate::buffer::Buffer;
use crate::handoff;
use crate::reference::Reference;

impl<'de> Reader<'de> {
    /// The bytes of the frame that a buffer reference names, to be shown.
    pub(super) fn resolve(&mut self, payload: &[u8]) -> Result<&'de [u8]> {
        let (index, frame) = self.referenced(payload)?;
        if !handoff::showing(index) {
            return Err(Mismatch::custom("frames that are referenced more than once, over the limit"));
        }
        Ok(frame)
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
        let frame = frame.ok_or_else(|| {
            self.spoil(match reference.packed {
                None => "a buffer reference without its frame",
                Some(_) => "a compressed buffer, where nothing is decompressed",
            })
        })?;
        Ok((index, frame))
    }
}
