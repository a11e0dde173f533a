//! Messages with frames of a protocol before them: feeds and their like.

use super::guard::{self, Direction, Wait};
use super::outgoing::Outgoing;
use super::receive::Incoming;
use super::send::{Sending, Try};
use crate::error::Result;
use crate::frame::{Handle, Shared};
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

/// Publishes a message of two short frames on an XPUB, with no more than that takes: it is known to be whole, has no peer that could be
/// gone within a message, and never makes anybody wait.
pub(crate) fn publish_short(socket: &zmq::Socket, first: &[u8], last: &[u8]) -> Result<()> {
    publish(socket, first, |handle| send_copied(handle, last, 0))
}

/// As [`publish_short`], with a last frame that is lent.
pub(crate) fn publish_lent(socket: &zmq::Socket, first: &[u8], last: Shared) -> Result<()> {
    publish(socket, first, |handle| handle.lend(last, zmq::DONTWAIT))
}

#[inline]
fn publish(
    socket: &zmq::Socket,
    first: &[u8],
    send_last: impl FnOnce(Handle<'_>) -> std::result::Result<(), zmq::Error>,
) -> Result<()> {
    guard::check_process(socket)?;
    let handle = Handle::of(socket);
    let sent = send_copied(handle, first, zmq::SNDMORE).and_then(|()| send_last(handle));
    sent.map_err(|error| guard::failed(socket, Direction::Send, Wait::Never, error))
}

#[inline]
fn send_copied(handle: Handle<'_>, bytes: &[u8], flags: i32) -> std::result::Result<(), zmq::Error> {
    handle.copy(bytes, flags | zmq::DONTWAIT)
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
        let mut arrival = Self::to_come(socket, frame);
        Ok(arrival.comes()?.then_some(arrival))
    }

    /// Nothing yet: for who goes on where [`comes`](Self::comes) says so. (What [`on`](Self::on) returns is moved about.)
    #[inline]
    pub(crate) fn to_come(socket: &'s zmq::Socket, frame: &'s mut zmq::Message) -> Self {
        Self { incoming: Incoming::into(frame, socket), is_taken: false }
    }

    /// Takes the next message off the socket; `false` where there is none.
    #[inline]
    pub(crate) fn comes(&mut self) -> Result<bool> {
        self.incoming.try_first()
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
    #[inline]
    pub(crate) fn show(&mut self) -> Result<Option<&[u8]>> {
        if !self.advance()? {
            return Ok(None);
        }
        self.is_taken = true;
        Ok(Some(self.incoming.shown()))
    }

    /// The frame that was shown last.
    pub(crate) fn shown(&self) -> &[u8] {
        self.incoming.shown()
    }

    /// The length of the rest of the message, where that is one short frame; which is the frame in hand then.
    #[inline]
    pub(crate) fn lone_len(&mut self) -> Result<Option<usize>> {
        if self.advance()? { Ok(self.incoming.lone_len()) } else { Ok(None) }
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
    #[inline]
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
