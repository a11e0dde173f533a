//! Messages with frames of a protocol before them: feeds and their like.

use super::guard::{self, Direction};
use super::outgoing::Outgoing;
use super::receive::Incoming;
use super::send::{Sending, Try};
use crate::error::Result;
use crate::limits::Limits;
use crate::multipart::Multipart;

/// Sends frames and a message without waiting. The socket is known to be whole, and of this kind.
pub(crate) fn send_parts(
    socket: &zmq::Socket,
    kind: zmq::SocketType,
    front: &[&[u8]],
    message: &Multipart,
) -> Result<()> {
    send(socket, kind, &Outgoing::new(front, message))
}

/// Sends frames and no message after them, without waiting.
pub(crate) fn send_front(socket: &zmq::Socket, kind: zmq::SocketType, front: &[&[u8]]) -> Result<()> {
    let Some((last, before)) = front.split_last() else { return Ok(()) };
    send(socket, kind, &Outgoing::from_scratch(before, last, &[]))
}

fn send(socket: &zmq::Socket, kind: zmq::SocketType, outgoing: &Outgoing<'_>) -> Result<()> {
    guard::check_process(socket)?;
    match Sending::new(socket, kind, outgoing).try_send(&mut |_| {})? {
        Try::Sent => Ok(()),
        Try::WouldBlock => Err(guard::would_block(Direction::Send)),
    }
}

/// A message that has arrived and is taken off the socket frame by frame; what is left of it goes when this is dropped.
///
/// The frame in hand lies where the caller says: a message of libzmq's is 64 bytes, and to make one, move it about and close
/// it with each arrival costs more than to receive into the same one.
pub(crate) struct Arrival<'s> {
    incoming: Incoming<'s, &'s mut zmq::Message>,
    /// Whether the frame in hand was taken already.
    is_taken: bool,
}

impl<'s> Arrival<'s> {
    /// Takes the next message off a socket; `None` where there is none.
    #[inline]
    pub(crate) fn on(socket: &'s zmq::Socket, frame: &'s mut zmq::Message) -> Result<Option<Self>> {
        let mut incoming = Incoming::into(frame, socket);
        Ok(incoming.try_first()?.then_some(Self { incoming, is_taken: false }))
    }

    /// Takes the next frame; `None` after the last one.
    pub(crate) fn frame(&mut self) -> Result<Option<zmq::Message>> {
        if !self.advance()? {
            return Ok(None);
        }
        self.is_taken = true;
        Ok(Some(self.incoming.take()))
    }

    /// Shows the next frame where it lies, until another one is taken; `None` at the end of the message.
    pub(crate) fn show(&mut self) -> Result<Option<&[u8]>> {
        if !self.advance()? {
            return Ok(None);
        }
        self.is_taken = true;
        Ok(Some(self.incoming.shown()))
    }

    /// The rest of the message, where that is one short frame.
    pub(crate) fn lone_frame(&mut self) -> Result<Option<&[u8]>> {
        if self.advance()? { Ok(self.incoming.lone_frame()) } else { Ok(None) }
    }

    /// Takes the rest of the message as metadata and buffers; `None` where nothing is left.
    pub(crate) fn message(&mut self, limits: &Limits) -> Result<Option<Multipart>> {
        if !self.advance()? {
            return Ok(None);
        }
        self.is_taken = true;
        self.incoming.message(limits).map(Some)
    }

    /// Brings a frame to hand that was not taken.
    fn advance(&mut self) -> Result<bool> {
        if self.is_taken {
            if !self.incoming.has_more() {
                return Ok(false);
            }
            self.incoming.advance()?;
            self.is_taken = false;
        }
        Ok(true)
    }
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        self.incoming.finish();
        self.incoming.let_go();
    }
}
