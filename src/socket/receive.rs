//! Receiving: one message off a socket, frame by frame, whole whatever happens.

use std::mem;

use super::Wait;
use super::guard::{self, Deadline, Direction};
use crate::buffer::Buffer;
use crate::error::{Detail, Result};
use crate::frame::{self, RECEIVE_ARENA};
use crate::limits::Limits;
use crate::memory;
use crate::multipart::Multipart;

/// A message that is being received: one frame in hand, and perhaps more on the socket.
///
/// libzmq hands over the first frame only when all of them are there, so nothing here waits after that. Dropping it
/// takes what is left off the socket, so that the next receive begins with the next message.
pub(super) struct Incoming<'s> {
    socket: &'s zmq::Socket,
    kind: zmq::SocketType,
    frame: zmq::Message,
    /// Whether frames of this message are still on the socket.
    more: bool,
}

impl<'s> Incoming<'s> {
    /// Waits for a message and receives its first frame.
    pub(super) fn first(socket: &'s zmq::Socket, wait: Wait) -> Result<Self> {
        let kind = guard::check(socket)?;
        let mut frame = zmq::Message::new();
        let received = match socket.recv(&mut frame, zmq::DONTWAIT) {
            Err(zmq::Error::EAGAIN | zmq::Error::EINTR) if wait == Wait::AsTheSocketSays => {
                let mut deadline = Deadline::start(socket, Direction::Receive)?;
                loop {
                    match socket.recv(&mut frame, 0) {
                        Err(zmq::Error::EINTR) => deadline.resume()?,
                        other => break other,
                    }
                }
            }
            other => other,
        };
        match received {
            Ok(()) => Ok(Self { socket, kind, more: frame.get_more(), frame }),
            Err(error) => Err(guard::failed(socket, Direction::Receive, wait, error)),
        }
    }

    pub(super) fn socket_type(&self) -> zmq::SocketType {
        self.kind
    }

    /// The message as a single frame; itself when there are more frames, or when the frame is long enough to be shared.
    pub(super) fn into_lone_frame(mut self) -> Result<zmq::Message, Self> {
        if self.more || self.frame.len() > RECEIVE_ARENA { Err(self) } else { Ok(self.take()) }
    }

    /// Takes a frame that has to be followed by others.
    pub(super) fn take_before(&mut self, missing: &'static str) -> Result<zmq::Message> {
        if !self.more {
            return Err(Detail::NoEnvelope { missing }.into());
        }
        let frame = self.take();
        self.advance()?;
        Ok(frame)
    }

    /// Skips an empty frame before others.
    pub(super) fn skip_delimiter(&mut self) -> Result<bool> {
        let is_delimiter = self.frame.is_empty() && self.more;
        if is_delimiter {
            self.advance()?;
        }
        Ok(is_delimiter)
    }

    /// The metadata and all buffers.
    pub(super) fn into_message(mut self, limits: &Limits) -> Result<Multipart> {
        let mut total = self.frame.len() as u64;
        limits.check_metadata(total)?;
        let metadata = frame::detach(self.take());
        let mut buffers = Vec::new();
        while self.more {
            self.advance()?;
            limits.check_frames(buffers.len() as u64 + 1)?;
            total = total.saturating_add(self.frame.len() as u64);
            limits.check_total(total)?;
            buffers.push(buffer(self.take()));
        }
        Ok(Multipart::new(metadata, buffers))
    }

    fn take(&mut self) -> zmq::Message {
        mem::replace(&mut self.frame, zmq::Message::new())
    }

    /// Receives the next frame of this message.
    fn advance(&mut self) -> Result<()> {
        loop {
            match self.socket.recv(&mut self.frame, zmq::DONTWAIT) {
                Ok(()) => {
                    self.more = self.frame.get_more();
                    return Ok(());
                }
                Err(zmq::Error::EINTR) => {}
                Err(error) => {
                    self.more = false;
                    return Err(guard::failed(self.socket, Direction::Receive, Wait::Never, error));
                }
            }
        }
    }
}

impl Drop for Incoming<'_> {
    fn drop(&mut self) {
        while self.more && self.advance().is_ok() {}
    }
}

/// A received buffer frame: shared where it has memory of its own, copied out of libzmq's arena where it may lie there.
fn buffer(message: zmq::Message) -> Buffer {
    if message.len() > RECEIVE_ARENA {
        return Buffer::from(message);
    }
    memory::count_copy(message.len());
    Buffer::from(frame::detach(message))
}
