//! Sending: all frames of a message, or none.
//!
//! libzmq sends frame by frame, and a peer can die between two of them. What the calls return then, and the only answer
//! that is right, was measured for every socket type; the table is in `docs/delivery.md`. The rules:
//!
//! * Every frame is sent without waiting. Only a message's first frame is ever waited for: no peer has a part of it then.
//! * Nothing else is done with the socket between two frames: looking at its events would let it change peers unseen.
//! * `EINTR`: the same frame again.
//! * `EAGAIN` on a later frame: the peer is gone, and libzmq has thrown away what it had. It swallows what is still to
//!   come of this message, up to a frame without `SNDMORE`; then the message starts over.
//! * Success, and the last frame was freed within the call: swallowed unseen. The message starts over as well.

use bytes::Bytes;

use super::Wait;
use super::guard::{self, Deadline, Direction};
use super::trace::Watch;
use crate::buffer::Buffer;
use crate::error::{Detail, Error, Result};
use crate::frame::{self, Hold};
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
        Self { envelope, metadata: Metadata::Shared(message.metadata()), buffers: message.buffers(), hold: None }
    }

    pub(super) fn from_scratch(envelope: &'m [&'m [u8]], metadata: &'m [u8], buffers: &'m [Buffer]) -> Self {
        Self { envelope, metadata: Metadata::Scratch(metadata), buffers, hold: None }
    }

    /// A message whose frames all keep `hold` alive.
    pub(super) fn tracked(message: &'m Multipart, hold: &'m Hold) -> Self {
        Self { hold: Some(hold), ..Self::new(&[], message) }
    }

    pub(super) fn len(&self) -> usize {
        self.envelope.len() + 1 + self.buffers.len()
    }

    pub(super) fn total_len(&self) -> usize {
        let envelope: usize = self.envelope.iter().map(|frame| frame.len()).sum();
        let buffers: usize = self.buffers.iter().map(Buffer::len).sum();
        envelope + self.metadata().len() + buffers
    }

    fn metadata(&self) -> &'m [u8] {
        match self.metadata {
            Metadata::Scratch(bytes) => bytes,
            Metadata::Shared(bytes) => bytes,
        }
    }

    /// Makes the message for one frame; anew for every attempt, because it is gone even when the attempt fails.
    fn frame(&self, index: usize) -> zmq::Message {
        if let Some(envelope) = self.envelope.get(index) {
            return frame::copied(envelope);
        }
        match (index.checked_sub(self.envelope.len() + 1), self.metadata) {
            (None, Metadata::Scratch(bytes)) => frame::copied(bytes),
            (None, Metadata::Shared(bytes)) if self.hold.is_none() => frame::carry(bytes),
            _ => frame::lend(self.bytes(index), self.hold.cloned()),
        }
    }

    /// The metadata or a buffer, to be lent.
    fn bytes(&self, index: usize) -> Bytes {
        match (index.checked_sub(self.envelope.len() + 1), self.metadata) {
            (Some(buffer), _) => self.buffers[buffer].as_bytes().clone(),
            (None, Metadata::Shared(bytes)) => bytes.clone(),
            (None, Metadata::Scratch(bytes)) => Bytes::copy_from_slice(bytes),
        }
    }

    fn flags(&self, index: usize) -> i32 {
        if index + 1 < self.len() { zmq::SNDMORE } else { 0 }
    }
}

/// Sends a message whole.
pub(super) fn send(socket: &zmq::Socket, outgoing: &Outgoing<'_>, wait: Wait, watch: &Watch) -> Result<()> {
    if outgoing.metadata().is_empty() && !outgoing.buffers.is_empty() {
        return Err(Detail::EmptyMetadata.into());
    }
    guard::check_process(socket)?;
    let kind = guard::socket_type(socket)?;
    if let zmq::PUSH | zmq::PUB | zmq::DEALER = kind {
        // on other types the option has no effect (zmq_setsockopt(3))
        guard::check_whole(socket)?;
    }
    // one frame, and a peer that takes it: by far the most of all small messages
    let is_sent = outgoing.len() == 1 && kind != zmq::REQ && socket.send(outgoing.frame(0), zmq::DONTWAIT).is_ok();
    let restarts = if is_sent { 0 } else { send_whole(socket, kind, outgoing, wait)? };
    watch.sent(socket, outgoing, restarts);
    Ok(())
}

#[inline(never)]
fn send_whole(socket: &zmq::Socket, kind: zmq::SocketType, outgoing: &Outgoing<'_>, wait: Wait) -> Result<u32> {
    Sending { socket, kind, outgoing, wait, deadline: None }.send_whole(|_| {})
}

/// Makes a ROUTER say when a peer is not there, instead of dropping what is for it.
pub(super) fn make_mandatory(socket: &zmq::Socket) -> Result<()> {
    match guard::socket_type(socket)? {
        zmq::ROUTER => {
            socket.set_router_mandatory(true).map_err(|error| guard::transport("set ZMQ_ROUTER_MANDATORY", error))
        }
        kind => Err(Detail::NoSuchDirection {
            socket: kind,
            operation: "address a peer by its routing id",
            use_instead: "that takes a ROUTER",
        }
        .into()),
    }
}

struct Sending<'s, 'm> {
    socket: &'s zmq::Socket,
    kind: zmq::SocketType,
    outgoing: &'m Outgoing<'m>,
    wait: Wait,
    /// Set at the first wait.
    deadline: Option<Deadline<'s>>,
}

/// How one pass over the frames ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    Sent,
    /// Refused before the last frame: libzmq swallows the rest of the message.
    Refused,
    /// Refused at the last frame: libzmq begins a new message.
    RefusedLast,
    /// Accepted, and swallowed to the end.
    Swallowed,
}

impl Sending<'_, '_> {
    /// Sends the message; returns how often it had to start over. `before` is called with the index of each frame right
    /// before it is sent, which is where tests let peers die.
    fn send_whole(&mut self, mut before: impl FnMut(usize)) -> Result<u32> {
        let mut restarts = 0;
        loop {
            before(0);
            self.send_first(restarts > 0)?;
            match self.send_rest(&mut before)? {
                Pass::Sent => return Ok(restarts),
                torn => self.abandon(torn)?,
            }
            restarts += 1;
        }
    }

    /// Sends the first frame, and waits for a peer that takes it.
    fn send_first(&mut self, again: bool) -> Result<()> {
        match self.kind {
            zmq::REQ => return self.send_first_request(again),
            zmq::PAIR => return self.send_first_to_pair(),
            _ => {}
        }
        let mut sent = self.send_now(0);
        while sent == Err(zmq::Error::EAGAIN) && self.may_wait()? {
            // libzmq does the waiting: it wakes up for exactly the right events, where polling a ROUTER or an XPUB for
            // output would spin; and no peer has a part of this message, so there is nothing that waiting could tear
            sent = self.socket.send(self.outgoing.frame(0), self.outgoing.flags(0));
            match sent {
                Err(zmq::Error::EINTR) => sent = Err(zmq::Error::EAGAIN),
                _ => break,
            }
        }
        sent.map_err(|error| self.failed(error))
    }

    /// A REQ sends an empty frame of its own before the first one, so even there a wait inside libzmq could tear.
    fn send_first_request(&mut self, again: bool) -> Result<()> {
        loop {
            // libzmq hears of dead peers now, and not between its own frame and ours
            self.look()?;
            let mut sent = self.send_now(0);
            if again && sent == Err(zmq::Error::EFSM) {
                // the request that was swallowed counts as sent: this is how a REQ is told to forget about its reply
                self.set_relaxed(true)?;
                sent = self.send_now(0);
                self.set_relaxed(false)?;
            }
            match sent {
                Err(zmq::Error::EAGAIN) if self.may_wait()? => self.wait_for_peer()?,
                sent => return sent.map_err(|error| self.failed(error)),
            }
        }
    }

    /// A PAIR lets go of a dead peer, and lets in the next one, only when it is looked at: waiting inside libzmq would be
    /// for ever.
    fn send_first_to_pair(&mut self) -> Result<()> {
        loop {
            let sent = self.send_now(0);
            if sent != Err(zmq::Error::EAGAIN) {
                return sent.map_err(|error| self.failed(error));
            }
            let may_wait = self.may_wait()?;
            self.look()?;
            if !may_wait {
                return Err(self.failed(zmq::Error::EAGAIN));
            }
            self.wait_for_peer()?;
        }
    }

    fn send_rest(&self, before: &mut impl FnMut(usize)) -> Result<Pass> {
        let last = self.outgoing.len() - 1;
        for index in 1..last {
            before(index);
            match self.send_now(index) {
                Ok(()) => {}
                Err(zmq::Error::EAGAIN) => return Ok(Pass::Refused),
                Err(error) => return Err(self.failed(error)),
            }
        }
        if last == 0 {
            return Ok(Pass::Sent);
        }
        before(last);
        match self.kind {
            zmq::PUSH | zmq::DEALER | zmq::REQ | zmq::PAIR | zmq::ROUTER => self.send_last_watched(last),
            // nobody to send to is no failure on PUB and XPUB, and a REP answers whoever is left
            _ => self.send_now(last).map(|()| Pass::Sent).map_err(|error| self.failed(error)),
        }
    }

    /// Sends the last of several frames to the one peer that has the others. A frame that is kept is not freed within the
    /// call; one that is was swallowed, and the others with it.
    fn send_last_watched(&self, last: usize) -> Result<Pass> {
        let send = |message: zmq::Message| self.socket.send(message, zmq::DONTWAIT);
        let bytes = self.outgoing.bytes(last);
        let (swallowed, sent) = loop {
            let (swallowed, sent) = frame::was_swallowed(bytes.clone(), self.outgoing.hold.cloned(), send);
            if sent != Err(zmq::Error::EINTR) {
                break (swallowed, sent);
            }
        };
        match sent {
            Err(zmq::Error::EAGAIN) => Ok(Pass::RefusedLast),
            Err(error) => Err(self.failed(error)),
            Ok(()) if !swallowed => Ok(Pass::Sent),
            Ok(()) if self.kind == zmq::ROUTER => Err(self.unreachable()),
            Ok(()) => Ok(Pass::Swallowed),
        }
    }

    /// Brings the socket to where a message can start over.
    fn abandon(&mut self, torn: Pass) -> Result<()> {
        match (torn, self.kind) {
            // swallowed, and the end of what is swallowed
            (Pass::Refused, zmq::PUSH | zmq::DEALER | zmq::REQ) => {
                self.send_now_with(zmq::Message::new, 0).map_err(|error| self.failed(error))
            }
            // A REQ still believes to be within a request, and would send the next one without its empty frame. An empty
            // message ends that: a REP drops it unseen.
            (Pass::RefusedLast, zmq::REQ) => loop {
                match self.send_now_with(zmq::Message::new, 0) {
                    Err(zmq::Error::EAGAIN) if self.may_wait()? => {
                        self.wait_for_peer().map_err(|_| Error::new(Detail::RequestTorn))?;
                    }
                    Err(zmq::Error::EAGAIN) => return Err(Detail::RequestTorn.into()),
                    sent => return sent.map_err(|error| self.failed(error)),
                }
            },
            _ => Ok(()),
        }
    }

    /// Sends a frame without waiting.
    fn send_now(&self, index: usize) -> Result<(), zmq::Error> {
        self.send_now_with(|| self.outgoing.frame(index), self.outgoing.flags(index))
    }

    fn send_now_with(&self, frame: impl Fn() -> zmq::Message, flags: i32) -> Result<(), zmq::Error> {
        loop {
            match self.socket.send(frame(), flags | zmq::DONTWAIT) {
                Err(zmq::Error::EINTR) => {}
                sent => return sent,
            }
        }
    }

    /// Whether there is time left to wait; readies the socket's own timeout for that.
    fn may_wait(&mut self) -> Result<bool> {
        if self.wait == Wait::Never {
            return Ok(false);
        }
        match &mut self.deadline {
            None => self.deadline = Some(Deadline::start(self.socket, Direction::Send)?),
            Some(deadline) => deadline.resume()?,
        }
        Ok(self.deadline.as_ref().is_some_and(|deadline| deadline.left() != Some(0)))
    }

    /// Waits until some peer takes a frame, or the time is up.
    fn wait_for_peer(&self) -> Result<()> {
        let left = self.deadline.as_ref().and_then(Deadline::left).map_or(-1, i64::from);
        match self.socket.poll(zmq::POLLOUT, left) {
            Ok(0) => Err(self.failed(zmq::Error::EAGAIN)),
            Ok(_) | Err(zmq::Error::EINTR) => Ok(()),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Lets libzmq act on what it has heard of its peers.
    fn look(&self) -> Result<()> {
        match self.socket.get_events() {
            Ok(_) | Err(zmq::Error::EINTR) => Ok(()),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn set_relaxed(&self, relaxed: bool) -> Result<()> {
        self.socket.set_req_relaxed(relaxed).map_err(|error| guard::transport("set ZMQ_REQ_RELAXED", error))
    }

    fn failed(&self, error: zmq::Error) -> Error {
        match error {
            zmq::Error::EHOSTUNREACH => self.unreachable(),
            error => {
                // so that the text names the socket's own timeout, not what was left of it
                self.deadline.iter().for_each(Deadline::restore);
                guard::failed(self.socket, Direction::Send, self.wait, error)
            }
        }
    }

    fn unreachable(&self) -> Error {
        let peer = self.outgoing.envelope.first().copied().unwrap_or_default();
        Error::new(Detail::Unreachable { peer: format!("\"{}\"", peer.escape_ascii()) })
    }
}

#[cfg(all(test, not(miri)))] // sockets, which miri cannot open
mod dying_peers;
