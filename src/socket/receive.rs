//! Receiving: one message off a socket, frame by frame, whole whatever happens.

use std::borrow::BorrowMut;
use std::cell::Cell;

use super::guard::{self, Deadline, Direction, Wait};
use crate::buffer::{Buffer, spare};
use crate::error::{Detail, Error, Result};
use crate::frame::{self, Adopter, Handle, RECEIVE_ARENA};
use crate::limits::Limits;
use crate::multipart::Multipart;

/// A message that is being received: one frame in hand, and perhaps more on the socket.
///
/// libzmq hands over the first frame only when all of them are there, so nothing here waits after that. What is left when this is
/// dropped, by an error or a panic, is taken off the socket, so that the next receive begins with the next message. `F` is where the frame in hand lies: here, or with who receives many messages and
/// has one place for all of them.
pub(super) struct Incoming<'s, F: BorrowMut<zmq::Message> = zmq::Message> {
    socket: &'s zmq::Socket,
    handle: Handle<'s>,
    frame: F,
    /// The length of the frame that was received last.
    len: usize,
    /// Whether frames of this message are still on the socket.
    more: bool,
    /// The bytes of the frames that were taken before the metadata.
    before: u64,
    /// Whether the socket is known to carry messages, and to keep them whole.
    is_checked: bool,
}

impl<'s> Incoming<'s> {
    /// Nothing yet: the first frame comes with [`first`](Self::first).
    pub(super) fn on(socket: &'s zmq::Socket) -> Self {
        Self::into(zmq::Message::new(), socket)
    }
}

impl<'s, F: BorrowMut<zmq::Message>> Incoming<'s, F> {
    /// As [`on`](Incoming::on), with a place for the frame in hand.
    pub(super) fn into(frame: F, socket: &'s zmq::Socket) -> Self {
        Self { socket, handle: Handle::of(socket), frame, len: 0, more: false, before: 0, is_checked: false }
    }

    /// The same, where the socket has been asked before whether it carries messages and keeps them whole.
    #[cfg(feature = "tokio")]
    pub(super) fn checked(mut self, is_checked: bool) -> Self {
        self.is_checked = is_checked;
        self
    }

    /// Receives the first frame of a message, if one is there.
    pub(super) fn try_first(&mut self) -> Result<bool> {
        guard::check_process(self.socket)?;
        let error = match self.receive_now() {
            Ok(()) => return self.arrived().map(|()| true),
            Err(error) => error,
        };
        if error == zmq::Error::EAGAIN {
            if !self.is_checked {
                // nothing is there, so there is time to look at the socket
                guard::socket_type(self.socket)?;
                guard::check_whole(self.socket)?;
            }
            return Ok(false);
        }
        Err(guard::failed(self.socket, Direction::Receive, Wait::Never, error))
    }

    /// Receives the first frame of a message, and waits for it.
    #[inline]
    pub(super) fn first(&mut self, wait: Wait) -> Result<()> {
        if expect_to_wait(wait) {
            guard::check_process(self.socket)?;
        } else if self.try_first()? {
            PACE.set(Pace::Ahead);
            return Ok(());
        } else if wait == Wait::AsTheSocketSays {
            note_wait();
        }
        self.wait_for_first(wait)
    }

    /// Notes whether the first frame is the only one.
    fn arrived(&mut self) -> Result<()> {
        self.more = self.frame.borrow().get_more();
        // a socket that keeps only the last frame never has more
        if self.more || self.is_checked { Ok(()) } else { guard::check_whole(self.socket) }
    }

    /// Receives the first frame where it was not there at once.
    #[inline(never)]
    fn wait_for_first(&mut self, wait: Wait) -> Result<()> {
        if wait == Wait::Never {
            return Err(guard::would_block(Direction::Receive));
        }
        guard::socket_type(self.socket)?;
        guard::check_whole(self.socket)?;
        self.receive_patiently(wait)
    }

    /// Receives the first frame, across interruptions, within the socket's own timeout.
    fn receive_patiently(&mut self, wait: Wait) -> Result<()> {
        let received = self.receive_within(&mut Deadline::start(self.socket, Direction::Receive)?)?;
        match received {
            Ok(()) => {
                self.more = self.frame.borrow().get_more();
                self.len = self.frame.borrow().len();
                Ok(())
            }
            // the socket has its own timeout again, which the error names
            Err(error) => Err(guard::failed(self.socket, Direction::Receive, wait, error)),
        }
    }

    fn receive_within(&mut self, deadline: &mut Deadline<'_>) -> Result<std::result::Result<(), zmq::Error>> {
        loop {
            match self.socket.recv(self.frame.borrow_mut(), 0) {
                Err(zmq::Error::EINTR) => {}
                received => return Ok(received),
            }
            // by a signal, or because this is a forked child: then a look is interrupted as well
            match self.receive_now() {
                Err(zmq::Error::EAGAIN) => deadline.resume()?,
                received => return Ok(received),
            }
        }
    }

    /// Whether the message is more than this frame.
    pub(super) fn has_more(&self) -> bool {
        self.more
    }

    pub(super) fn socket_type(&self) -> Result<zmq::SocketType> {
        guard::socket_type(self.socket)
    }

    /// The frame in hand, where it is the last one and too short to be shared.
    pub(super) fn lone_frame(&self) -> Option<&[u8]> {
        self.lone_len().map(|_| self.shown())
    }

    /// The length of the frame in hand, where it is the last one and too short to be shared.
    pub(super) fn lone_len(&self) -> Option<usize> {
        // not that of the frame itself: each look at one asks libzmq twice
        Some(self.len).filter(|&len| !self.more && len <= RECEIVE_ARENA)
    }

    /// What libzmq notes about the connection that the frame in hand came over: zmq_msg_gets(3).
    pub(super) fn property(&mut self, name: &str) -> Option<&str> {
        self.frame.borrow_mut().gets(name)
    }

    /// Takes a frame that has to be followed by others.
    pub(super) fn take_before(&mut self, missing: &'static str) -> Result<zmq::Message> {
        if !self.more {
            return Err(Detail::NoEnvelope { missing }.into());
        }
        self.before = self.before.saturating_add(self.frame.borrow().len() as u64);
        let frame = self.take();
        self.advance()?;
        Ok(frame)
    }

    /// Takes the number that a REQ with `ZMQ_REQ_CORRELATE` puts before its delimiter. That the peer is a REQ it says when it
    /// connects: what looks like such a number may be the metadata of anybody else.
    pub(super) fn take_request(&mut self) -> Result<Option<[u8; 4]>> {
        let Ok(number) = <[u8; 4]>::try_from(self.shown()) else { return Ok(None) };
        if !self.more || self.property("Socket-Type") != Some("REQ") {
            return Ok(None);
        }
        self.before = self.before.saturating_add(4);
        self.advance()?;
        Ok(Some(number))
    }

    /// Skips an empty frame before others.
    pub(super) fn skip_delimiter(&mut self) -> Result<bool> {
        let is_delimiter = self.frame.borrow().is_empty() && self.more;
        if is_delimiter {
            self.advance()?;
        }
        Ok(is_delimiter)
    }

    /// The metadata and all buffers.
    pub(super) fn message(&mut self, limits: &Limits) -> Result<Multipart> {
        let len = self.frame.borrow().len();
        limits.check_metadata(len as u64)?;
        self.check_with_envelope(limits)?;
        let metadata = frame::detach(self.take());
        Ok(Multipart::new(metadata, self.buffers(len, limits)?))
    }

    /// The metadata where libzmq put it, and all buffers. What is refused is taken off the socket all the same.
    pub(super) fn into_parts(mut self, limits: &Limits) -> Result<(zmq::Message, Vec<Buffer>)> {
        let len = self.frame.borrow().len();
        limits.check_metadata(len as u64)?;
        self.check_with_envelope(limits)?;
        let metadata = self.take();
        let buffers = self.buffers(len, limits)?;
        Ok((metadata, buffers))
    }

    /// Refuses the frame in hand where it is too long together with those that were taken before it.
    pub(super) fn check_with_envelope(&self, limits: &Limits) -> Result<()> {
        match self.before {
            0 => Ok(()),
            before => limits.check_total(before.saturating_add(self.frame.borrow().len() as u64)),
        }
    }

    /// All buffers, which follow `metadata` bytes: each shared where it has memory of its own, copied where it may lie in libzmq's receive arena.
    fn buffers(&mut self, metadata: usize, limits: &Limits) -> Result<Vec<Buffer>> {
        let mut total = self.before.saturating_add(metadata as u64);
        let mut buffers = Vec::new();
        let mut adopter = Adopter::new();
        while self.more {
            let receives = adopter.receives();
            if receives {
                self.advance_into(&mut adopter)?
            } else {
                self.advance()?
            }
            limits.check_frames(buffers.len() as u64 + 1)?;
            let len = self.len;
            total = total.saturating_add(len as u64);
            limits.check_total(total)?;
            let buffer = match len {
                // a frame like any other, and not every other one that is empty
                0 => Buffer::apart(),
                // it may lie in libzmq's receive arena
                1..=RECEIVE_ARENA if receives => Buffer::copy_from_slice(adopter.received()),
                1..=RECEIVE_ARENA => Buffer::copy_from_slice(self.frame.borrow()),
                _ if receives => Buffer::from_shared(adopter.adopt_received()),
                _ => Buffer::from_shared(adopter.adopt(self.frame.borrow_mut())),
            };
            match buffers.len() {
                // nearly always the only one
                0 => {
                    buffers = vec![buffer];
                    continue;
                }
                1 => spare::make_room(&mut buffers, SEVERAL),
                _ => {}
            }
            buffers.push(buffer);
        }
        if !buffers.is_empty() && self.len <= RECEIVE_ARENA {
            // it was copied, and whoever lends the frame may look at the socket again only after long
            drop(frame::take(self.frame.borrow_mut()));
        }
        Ok(buffers)
    }

    /// Takes what is left of the message off the socket.
    pub(super) fn finish(&mut self) {
        while self.more && self.advance().is_ok() {}
    }

    /// Lets go of a frame with memory of its own, which the next message would come much later to free.
    pub(super) fn let_go(&mut self) {
        if self.len > RECEIVE_ARENA {
            *self.frame.borrow_mut() = zmq::Message::new();
        }
    }

    /// The frame in hand, where it lies.
    pub(super) fn shown(&self) -> &[u8] {
        self.frame.borrow()
    }

    pub(super) fn take(&mut self) -> zmq::Message {
        frame::take(self.frame.borrow_mut())
    }

    /// Receives the next frame of this message.
    pub(super) fn advance(&mut self) -> Result<()> {
        match self.receive_now() {
            Ok(()) => {
                self.more = self.frame.borrow().get_more();
                Ok(())
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    /// The same, where the frame is to stay.
    #[inline]
    fn advance_into(&mut self, adopter: &mut Adopter) -> Result<()> {
        match frame::uninterrupted(|| adopter.receive(self.handle, zmq::DONTWAIT)) {
            Ok((len, more)) => {
                (self.len, self.more) = (len, more);
                Ok(())
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    #[cold]
    fn failed(&mut self, error: zmq::Error) -> Error {
        self.more = false;
        guard::failed(self.socket, Direction::Receive, Wait::Never, error)
    }

    /// Receives a frame without waiting.
    fn receive_now(&mut self) -> std::result::Result<(), zmq::Error> {
        self.len = frame::uninterrupted(|| self.handle.receive(self.frame.borrow_mut(), zmq::DONTWAIT))?;
        Ok(())
    }
}

/// What a second buffer makes room for: where there are two, there are often many.
const SEVERAL: usize = 15;

impl<F: BorrowMut<zmq::Message>> Drop for Incoming<'_, F> {
    fn drop(&mut self) {
        self.finish();
    }
}

/// How many receives go straight to waiting once two in a row had to wait.
const WAITS: u8 = 15;

thread_local! {
    static PACE: Cell<Pace> = const { Cell::new(Pace::Ahead) };
}

/// Who is faster, the senders or this thread.
///
/// Looking at an empty socket costs two system calls more than waiting alone, and waiting costs looking at the socket's options
/// first. Messages of a wire often come many at a time, so that a receiver waits for the first of them and finds the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// The last receive found a message.
    Ahead,
    /// The last receive had to wait, and the one before did not.
    Once,
    /// Every receive has to wait; so many more go straight to it.
    Behind(u8),
}

/// Whether to wait without looking first.
fn expect_to_wait(wait: Wait) -> bool {
    match PACE.get() {
        Pace::Behind(left @ 1..) if wait == Wait::AsTheSocketSays => {
            PACE.set(Pace::Behind(left - 1));
            true
        }
        _ => false,
    }
}

/// Notes that a look found nothing, and that waiting follows.
fn note_wait() {
    PACE.set(match PACE.get() {
        Pace::Ahead => Pace::Once,
        Pace::Once | Pace::Behind(_) => Pace::Behind(WAITS),
    });
}
