//! What is checked of a message before a value is built: limits, and that references and frames belong together.

use std::collections::BTreeMap;
use std::mem;

use super::scan::scan;
use crate::buffer::Buffer;
use crate::compress;
use crate::error::{Detail, Result};
use crate::limits::Limits;
use crate::reference::{Packed, Reference};
use crate::stored::Stored;

/// Checks a message against the limits, and its references against its frames; tells which frames are compressed.
pub(super) fn verify(metadata: &[u8], frames: &[Buffer], limits: &Limits) -> Result<Packing> {
    if metadata.is_empty() {
        return Err(Detail::NoMetadata.into());
    }
    limits.check_metadata(metadata.len() as u64)?;
    limits.check_frames(frames.len() as u64)?;
    let total = frames.iter().fold(metadata.len() as u64, |sum, frame| sum.saturating_add(frame.len() as u64));
    limits.check_total(total)?;
    let mut used = Used::of(frames.len());
    let mut packing = Packing::default();
    scan(metadata, limits.max_depth(), |at, payload| {
        let reference = Reference::parse(payload).map_err(|reason| Detail::BadReference { at, reason })?;
        let frame = verify_frame(&reference, frames)?;
        packing
            .note(frame, reference.packed, used.mark(frame))
            .map_err(|reason| Detail::BadReference { at, reason })?;
        Ok(())
    })?;
    if let Some(frame) = used.first_unused(frames.len()) {
        return Err(Detail::FrameUnused { frame, frames: frames.len() }.into());
    }
    limits.check_decompressed(packing.raw_len())?;
    Ok(packing)
}

/// Calls `visit` with every buffer reference of the metadata, in order.
pub(crate) fn references(
    metadata: &[u8],
    max_depth: usize,
    mut visit: impl FnMut(&Reference) -> Result<()>,
) -> Result<()> {
    if metadata.is_empty() {
        return Err(Detail::NoMetadata.into());
    }
    scan(metadata, max_depth, |at, payload| {
        visit(&Reference::parse(payload).map_err(|reason| Detail::BadReference { at, reason })?)
    })
}

/// Checks a reference against the frames; returns the index of its own.
fn verify_frame(reference: &Reference, frames: &[Buffer]) -> Result<usize> {
    let count = frames.len();
    let index = usize::try_from(reference.frame).ok().filter(|&index| index < count);
    let frame = index.ok_or(Detail::FrameMissing { frame: reference.frame, frames: count })?;
    let arrived = frames[frame].len();
    if reference.len != arrived as u64 {
        return Err(Detail::FrameLength { frame, frames: count, announced: reference.len, arrived }.into());
    }
    if reference.fits(&frames[frame]) { Ok(frame) } else { Err(Detail::FrameContent { frame, frames: count }.into()) }
}

/// Which frames hold compressed buffers.
#[derive(Default)]
pub(super) struct Packing(BTreeMap<usize, Packed>);

impl Packing {
    /// Whether none does.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn first(&self) -> Option<(usize, Packed)> {
        self.0.first_key_value().map(|(&frame, &packed)| (frame, packed))
    }

    /// Notes what a reference says of a frame, which another one may have named before.
    fn note(&mut self, frame: usize, packed: Option<Packed>, is_known: bool) -> Result<(), &'static str> {
        if self.0.is_empty() && packed.is_none() {
            return Ok(());
        }
        if is_known && self.0.get(&frame).copied() != packed {
            return Err("describes its frame otherwise than the reference before it");
        }
        if let Some(packed) = packed {
            self.0.insert(frame, packed);
        }
        Ok(())
    }

    /// The bytes of all compressed buffers, decompressed.
    pub(super) fn raw_len(&self) -> u64 {
        self.0.values().fold(0, |sum, packed| sum.saturating_add(packed.raw_len))
    }

    /// Puts what was compressed in the place of its frame; returns the same buffers once more, each of which keeps that frame.
    pub(super) fn unpack(&self, frames: &mut [Buffer]) -> Result<Vec<Buffer>> {
        let unpack = |(&index, &packed): (&usize, &Packed)| {
            let raw = compress::unpack(index, &frames[index], packed)?;
            // those without bytes are told apart by where they lie
            let raw = if raw.is_empty() { Buffer::apart() } else { Buffer::from(raw) };
            let frame = mem::replace(&mut frames[index], raw.clone());
            Ok(Stored::beside(raw, frame, packed))
        };
        self.0.iter().map(unpack).collect()
    }
}

/// Which frames were referenced: one word for up to 64 of them.
enum Used {
    Few(u64),
    Many(Vec<bool>),
}

impl Used {
    fn of(frames: usize) -> Self {
        if frames <= 64 { Self::Few(0) } else { Self::Many(vec![false; frames]) }
    }

    /// Marks a frame; tells whether it was marked before.
    fn mark(&mut self, frame: usize) -> bool {
        match self {
            Self::Few(bits) => {
                let before = *bits;
                *bits |= 1 << frame;
                *bits == before
            }
            Self::Many(flags) => mem::replace(&mut flags[frame], true),
        }
    }

    fn first_unused(&self, frames: usize) -> Option<usize> {
        match self {
            Self::Few(bits) => Some(bits.trailing_ones() as usize).filter(|&first| first < frames),
            Self::Many(flags) => flags.iter().position(|used| !used),
        }
    }
}
