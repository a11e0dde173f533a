//! Decompressed buffers that keep the frame in which they came.
//!
//! A codec makes one for each frame that it decompresses and has them at hand while it decodes (`handoff`); who is going to send the
//! message again takes them in the place of the buffers alone, which all others get. It knows nothing of who that is.

use crate::buffer::Buffer;
use crate::handoff;
use crate::reference::Packed;

/// The owner of a decompressed buffer that keeps its frame.
#[derive(Clone)]
pub(crate) struct Stored {
    raw: Buffer,
    /// As it was sent.
    pub(crate) frame: Buffer,
    pub(crate) packed: Packed,
}

impl AsRef<[u8]> for Stored {
    fn as_ref(&self) -> &[u8] {
        &self.raw
    }
}

impl Stored {
    /// The buffer that a frame was decompressed to, which keeps the frame from here on.
    pub(crate) fn beside(raw: Buffer, frame: Buffer, packed: Packed) -> Buffer {
        Buffer::from_owner(Self { raw, frame, packed })
    }

    /// What a buffer was stored as, if it keeps that and is all of it.
    pub(crate) fn of(buffer: &Buffer) -> Option<&Self> {
        let stored = buffer.owner::<Self>()?;
        (stored.raw.as_ptr() == buffer.as_ptr() && stored.raw.len() == buffer.len()).then_some(stored)
    }
}

/// A buffer of the message that is being decoded, with the frame in which it came where it was compressed there, and with none where it
/// was not.
pub(crate) fn as_it_came(buffer: Buffer) -> Buffer {
    handoff::keeper_of(&buffer).unwrap_or_else(|| alone(buffer))
}

/// The buffer without the frame that it keeps.
pub(crate) fn alone(buffer: Buffer) -> Buffer {
    match Stored::of(&buffer) {
        Some(stored) => stored.raw.clone(),
        None => buffer,
    }
}
