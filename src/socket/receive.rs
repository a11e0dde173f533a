//! Receiving: one message off a socket, frame by frame, whole whatever happens.

use std::cell::Cell;
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
/// libzmq hands over the first frame only when all of them are there, so nothing here waits after that. Whoever stops
/// early calls [`finish`](Self::finish).
pub(super) struct Incoming<'s> {
    socket: &'s zmq::Socket,
    frame: zmq::Message,
    /// Whether frames of this message are still on the socket.
    more: bool,
}

impl<'s> Incoming<'s> {
    /// Nothing yet: the first frame comes with [`first`](Self::first).
    pub(super) fn on(socket: &'s zmq::Socket) -> Self {
        Self { socket, frame: zmq::Message::new(), more: false }
    }

    /// Waits for a message and receives its first frame.
    pub(super) fn first(&mut self, wait: Wait) -> Result<()> {
        guard::check_process(self.socket)?;
        let received = match expect_to_wait(wait) {
            true => Err(zmq::Error::EAGAIN),
            false => self.socket.recv(&mut self.frame, zmq::DONTWAIT),
        };
        match received {
            Ok(()) => {
                self.more = self.frame.get_more();
                // a socket that keeps only the last frame never has more
                if self.more { Ok(()) } else { guard::check_whole(self.socket) }
            }
            Err(error) => self.wait_for_first(wait, error),
        }
    }

    /// Receives the first frame where it was not there at once.
    #[inline(never)]
    fn wait_for_first(&mut self, wait: Wait, mut error: zmq::Error) -> Result<()> {
        if let zmq::Error::EAGAIN | zmq::Error::EINTR = error {
            // nothing is there, so there is time to look at the socket
            guard::socket_type(self.socket)?;
            guard::check_whole(self.socket)?;
            match receive_patiently(self.socket, &mut self.frame, wait)? {
                Ok(()) => {
                    self.more = self.frame.get_more();
                    return Ok(());
                }
                Err(failed) => error = failed,
            }
        }
        Err(guard::failed(self.socket, Direction::Receive, wait, error))
    }

    /// Whether the message is more than this frame.
    pub(super) fn has_more(&self) -> bool {
        self.more
    }

    pub(super) fn socket_type(&self) -> Result<zmq::SocketType> {
        guard::socket_type(self.socket)
    }

    /// The message as a single frame; `None` when there are more frames, or when the frame is long enough to be shared.
    pub(super) fn lone_frame(&self) -> Option<&[u8]> {
        if self.more { None } else { Some(&self.frame[..]).filter(|frame| frame.len() <= RECEIVE_ARENA) }
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
    pub(super) fn message(&mut self, limits: &Limits) -> Result<Multipart> {
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

    /// Takes what is left of the message off the socket, so that the next receive begins with the next message.
    pub(super) fn finish(&mut self) {
        while self.more && self.advance().is_ok() {}
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

/// How many receives go straight to waiting after one that found nothing.
const WAITS: u8 = 15;

thread_local! {
    static WAITS_LEFT: Cell<u8> = const { Cell::new(0) };
}

/// Whether to wait without looking first. Looking at an empty socket costs two system calls more than waiting alone, and a
/// receiver that is faster than its sender finds it empty every time; one that is slower never does.
fn expect_to_wait(wait: Wait) -> bool {
    let left = WAITS_LEFT.get();
    WAITS_LEFT.set(left.saturating_sub(1));
    left > 0 && wait == Wait::AsTheSocketSays
}

/// Receives a frame, across interruptions, within the socket's own timeout.
fn receive_patiently(
    socket: &zmq::Socket,
    frame: &mut zmq::Message,
    wait: Wait,
) -> Result<std::result::Result<(), zmq::Error>> {
    if WAITS_LEFT.get() == 0 {
        WAITS_LEFT.set(WAITS);
    }
    let mut deadline = Deadline::start(socket, Direction::Receive)?;
    let flags = if wait == Wait::Never { zmq::DONTWAIT } else { 0 };
    loop {
        match socket.recv(frame, flags) {
            Err(zmq::Error::EINTR) => deadline.resume()?,
            received => return Ok(received),
        }
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
