//! `Outgoing`: the frames of a message on its way out.

use bytes::Bytes;

use crate::buffer::Buffer;
#[cfg(feature = "tokio")]
use crate::frame::RECEIVE_ARENA;
use crate::frame::{self, Handle, Hold, Shared};
use crate::multipart::Multipart;

/// The frames of a message on its way out.
pub(super) struct Outgoing<'m> {
    envelope: &'m [&'m [u8]],
    metadata: Metadata<'m>,
    buffers: &'m [Buffer],
    hold: Option<&'m Hold>,
}

#[derive(Clone, Copy)]
enum Metadata<'m> {
    /// In memory that is used again: copied into the frame.
    Scratch(&'m [u8]),
    Shared(&'m Bytes),
}

impl<'m> Outgoing<'m> {
    pub(super) fn new(envelope: &'m [&'m [u8]], message: &'m Multipart) -> Self {
        let metadata = Metadata::Shared(message.metadata());
        Self { envelope, metadata, buffers: message.buffers(), hold: None }
    }

    pub(super) fn from_scratch(envelope: &'m [&'m [u8]], metadata: &'m [u8], buffers: &'m [Buffer]) -> Self {
        Self { envelope, metadata: Metadata::Scratch(metadata), buffers, hold: None }
    }

    /// The message with frames that all keep `hold` alive.
    pub(super) fn held_by(self, hold: Option<&'m Hold>) -> Self {
        Self { hold, ..self }
    }

    pub(super) fn len(&self) -> usize {
        self.envelope.len() + 1 + self.buffers.len()
    }

    pub(super) fn total_len(&self) -> usize {
        let envelope: usize = self.envelope.iter().map(|frame| frame.len()).sum();
        let buffers: usize = self.buffers.iter().map(Buffer::len).sum();
        envelope + self.metadata().len() + buffers
    }

    /// Whether this is more than one short frame.
    #[cfg(feature = "tokio")]
    pub(super) fn is_long(&self) -> bool {
        self.len() > 1 || self.metadata().len() > RECEIVE_ARENA
    }

    /// Whether this could not be told from a message that begins with a delimiter.
    pub(super) fn lacks_metadata(&self) -> bool {
        self.metadata().is_empty() && !self.buffers.is_empty()
    }

    /// What every frame keeps alive.
    pub(super) fn hold(&self) -> Option<Hold> {
        self.hold.cloned()
    }

    /// The first frame: where there is an envelope, the topic or the routing id.
    pub(super) fn peer(&self) -> &'m [u8] {
        self.envelope.first().copied().unwrap_or_default()
    }

    pub(super) fn has_envelope(&self) -> bool {
        !self.envelope.is_empty()
    }

    /// The frame that is sent first.
    pub(super) fn first(&self) -> &'m [u8] {
        self.envelope.first().copied().unwrap_or_else(|| self.metadata())
    }

    /// Whether a frame after the first begins with such a byte.
    pub(super) fn has_later(&self, begins: impl Fn(u8) -> bool) -> bool {
        let metadata = self.has_envelope().then(|| self.metadata());
        let front = self.envelope.iter().skip(1).copied().chain(metadata);
        front
            .chain(self.buffers.iter().map(|buffer| &buffer[..]))
            .any(|frame| frame.first().is_some_and(|&first| begins(first)))
    }

    fn metadata(&self) -> &'m [u8] {
        match self.metadata {
            Metadata::Scratch(bytes) => bytes,
            Metadata::Shared(bytes) => bytes,
        }
    }

    /// Makes the message for one frame; anew for every attempt, because it is gone even when the attempt fails.
    #[inline]
    pub(super) fn frame(&self, index: usize) -> zmq::Message {
        if let Some(buffer) = index.checked_sub(self.envelope.len() + 1) {
            return frame::lend(self.buffers[buffer].as_shared().clone(), self.hold());
        }
        self.front(index)
    }

    /// The buffer that is this frame, where no more than that is lent.
    #[inline]
    pub(super) fn plain(&self, index: usize) -> Option<&'m Shared> {
        let buffer = self.buffers.get(index.checked_sub(self.envelope.len() + 1)?)?;
        if self.hold.is_none() { Some(buffer.as_shared()) } else { None }
    }

    /// A frame of the envelope, or the metadata.
    #[inline(never)]
    pub(super) fn front(&self, index: usize) -> zmq::Message {
        if let Some(envelope) = self.envelope.get(index) {
            return frame::copied(envelope);
        }
        match self.metadata {
            Metadata::Scratch(bytes) => frame::copied(bytes),
            Metadata::Shared(bytes) if self.hold.is_none() => frame::carry(bytes),
            Metadata::Shared(bytes) => frame::lend(bytes.clone().into(), self.hold()),
        }
    }

    /// Sends a message that is one frame, without waiting.
    #[inline]
    pub(super) fn send_alone(&self, handle: Handle<'_>) -> Result<(), zmq::Error> {
        match self.metadata {
            Metadata::Scratch(bytes) if self.envelope.is_empty() => handle.copy(bytes, zmq::DONTWAIT),
            _ => handle.send(self.front(0), zmq::DONTWAIT),
        }
    }

    /// The metadata or a buffer, to be lent.
    pub(super) fn bytes(&self, index: usize) -> Shared {
        match (index.checked_sub(self.envelope.len() + 1), self.metadata) {
            (Some(buffer), _) => self.buffers[buffer].as_shared().clone(),
            (None, Metadata::Shared(bytes)) => bytes.clone().into(),
            (None, Metadata::Scratch(bytes)) => Bytes::copy_from_slice(bytes).into(),
        }
    }

    pub(super) fn flags(&self, index: usize) -> i32 {
        if index + 1 < self.len() { zmq::SNDMORE } else { 0 }
    }
}
