//! `Place`: where a message lies between the socket and the codec.

use std::mem;

use crate::codec::Decode;
use crate::error::Result;
use crate::frame::{self, RECEIVE_ARENA};
use crate::limits::Limits;
use crate::multipart::Multipart;
use crate::socket::envelope::{Envelope, Open};
use crate::socket::receive::Incoming;
use crate::socket::transfer::Taken;

/// Where a message lies between the socket, which is locked, and the codec, while it is not.
///
/// libzmq writes the one frame of a short message here, and here it is decoded: a message of libzmq's is 64 bytes, and to
/// hand one up from the lock takes wide moves of what was just written in narrow ones, which stall.
pub(super) struct Place {
    frame: zmq::Message,
    /// The frames before the metadata.
    envelope: Envelope,
    /// A message that is more than one frame.
    taken: Option<Taken>,
    /// Whether it is, or was, more than one short frame.
    is_long: bool,
}

impl Place {
    pub(super) fn new() -> Self {
        Self { frame: zmq::Message::new(), envelope: Envelope::EMPTY, taken: None, is_long: false }
    }

    /// Takes a message off the socket, if one is there. One that is refused is taken off all the same.
    pub(super) fn try_fill(
        &mut self,
        socket: &zmq::Socket,
        is_checked: bool,
        limits: impl FnOnce() -> Limits,
        open: Open,
    ) -> Result<bool> {
        let mut incoming = Incoming::into(&mut self.frame, socket).checked(is_checked);
        if !incoming.try_first()? {
            return Ok(false);
        }
        if open == Open::None && !incoming.has_more() {
            return Ok(true);
        }
        self.is_long = true;
        let limits = limits();
        self.envelope = open.envelope(&mut incoming)?;
        incoming.check_with_envelope(&limits)?;
        if incoming.has_more() {
            self.taken = Some(Taken::of(incoming, &limits)?);
        }
        Ok(true)
    }

    /// The number of frames of the message, and their length, without the envelope.
    pub(super) fn size(&self) -> (usize, usize) {
        self.taken.as_ref().map_or((1, self.frame.len()), Taken::size)
    }

    /// Decodes the message.
    pub(super) fn decode<T, C: Decode<T>>(&mut self, codec: &C) -> Result<T> {
        if let Some(taken) = self.taken.take() {
            return taken.decode(codec);
        }
        let bytes = &self.frame[..];
        if bytes.len() <= RECEIVE_ARENA {
            return codec.decode_frame(bytes);
        }
        self.is_long = true;
        codec.limits().check_metadata(bytes.len() as u64)?;
        let metadata = mem::replace(&mut self.frame, zmq::Message::new());
        codec.decode(Multipart::new(frame::adopt(metadata), Vec::new()))
    }

    /// Whether what was decoded was more than one short frame.
    pub(super) fn is_long(&self) -> bool {
        self.is_long
    }

    pub(super) fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    pub(super) fn take_envelope(&mut self) -> Envelope {
        mem::replace(&mut self.envelope, Envelope::EMPTY)
    }
}
