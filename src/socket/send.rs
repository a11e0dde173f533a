//! Sending: all frames of a message, or none, and never waiting.
//!
//! libzmq sends frame by frame, and a peer can die between two of them. What the calls return then, and the only answer
//! that is right, was measured for every socket type; the table is in `docs/delivery.md`. The rules:
//!
//! * Every frame is sent without waiting. Only a message's first frame is ever waited for: no peer has a part of it then.
//!   How to wait is for the shells to say: `blocking`, `tokio`.
//! * Nothing else is done with the socket between two frames: looking at its events would let it change peers unseen.
//! * `EINTR`: the same frame again.
//! * `EAGAIN` on a later frame: the peer is gone, and libzmq has thrown away what it had. It swallows what is still to
//!   come of this message, up to a frame without `SNDMORE`; then the message starts over.
//! * Success, and the last frame was freed within the call: swallowed unseen. The message starts over as well.

use super::envelope::Envelope;
use super::guard::{self, Direction, Wait};
use super::outgoing::Outgoing;
use crate::error::{Detail, Error, Result};
use crate::frame::{self, Handle, Shared};

/// A message that is being sent: what one try knows of those before it.
pub(super) struct Sending<'s, 'm> {
    pub(super) socket: &'s zmq::Socket,
    pub(super) handle: Handle<'s>,
    pub(super) kind: zmq::SocketType,
    pub(super) outgoing: &'m Outgoing<'m>,
    pub(super) torn: Torn,
    /// How often it had to start over.
    pub(super) restarts: u32,
}

/// What has become of a message at the end of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Try {
    /// Every frame is with libzmq, for one peer.
    Sent,
    /// No peer has a part of it, and there is none that takes its first frame.
    WouldBlock,
}

/// What a REQ still believes of a request whose peer died within it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Torn {
    #[default]
    No,
    /// The request was swallowed, and counts as sent.
    Swallowed,
    /// It would send the next request without its empty frame. An empty message ends that: a REP drops it unseen.
    Headless,
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

/// Refuses messages that cannot be sent and sockets that cannot send them; the socket's type.
pub(super) fn check(socket: &zmq::Socket, outgoing: &Outgoing<'_>) -> Result<zmq::SocketType> {
    let kind = guard::socket_type(socket)?;
    check_message(socket, kind, outgoing)?;
    if may_conflate(kind) {
        guard::check_whole(socket)?;
    }
    Ok(kind)
}

/// As [`check`], for a socket of a known type.
pub(super) fn check_message(socket: &zmq::Socket, kind: zmq::SocketType, outgoing: &Outgoing<'_>) -> Result<()> {
    if outgoing.lacks_metadata() {
        return Err(Detail::EmptyMetadata.into());
    }
    guard::check_process(socket)?;
    if matches!(kind, zmq::ROUTER | zmq::XSUB) {
        check_frames(socket, kind, outgoing)?;
    }
    Ok(())
}

/// Refuses messages of which a frame would be taken for something else, and the rest be dropped or sent without it.
#[cold]
fn check_frames(socket: &zmq::Socket, kind: zmq::SocketType, outgoing: &Outgoing<'_>) -> Result<()> {
    let (operation, use_instead) = match kind {
        zmq::ROUTER if !outgoing.has_envelope() => (
            "send a message without the routing id of its peer",
            "use send_obj_to, send_obj_via or their message forms",
        ),
        // also where what is before the message was meant as a topic
        zmq::ROUTER => return make_mandatory(socket),
        zmq::XSUB if matches!(outgoing.first(), [0 | 1, ..]) => (
            "send a message that begins with a byte 0 or 1, which it takes for a subscription",
            "put the number into a struct or a list",
        ),
        // libzmq looks at every frame: what it takes for a subscription to end, it drops
        zmq::XSUB if outgoing.has_later(|first| first <= 1) => (
            "send a message with a frame that begins with a byte 0 or 1, which it takes for a subscription",
            "keep its buffers in band (MsgPack::out_of_band_from)",
        ),
        _ => return Ok(()),
    };
    Err(Detail::NoSuchDirection { socket: kind, operation, use_instead }.into())
}

/// Whether `ZMQ_CONFLATE` has an effect on what this type of socket sends: zmq_setsockopt(3).
pub(super) fn may_conflate(kind: zmq::SocketType) -> bool {
    matches!(kind, zmq::PUSH | zmq::PUB | zmq::DEALER)
}

/// Sends a message of one frame, if it takes no more than that: by far the most of all small messages.
pub(super) fn send_lone(socket: &zmq::Socket, kind: zmq::SocketType, outgoing: &Outgoing<'_>) -> bool {
    outgoing.len() == 1 && kind != zmq::REQ && outgoing.send_alone(Handle::of(socket)).is_ok()
}

/// Makes a ROUTER say when a peer is not there, instead of dropping what is for it.
fn make_mandatory(router: &zmq::Socket) -> Result<()> {
    router.set_router_mandatory(true).map_err(|error| guard::transport("set ZMQ_ROUTER_MANDATORY", error))
}

/// Refuses sockets that know no peer by its routing id.
pub(super) fn check_routes(socket: &zmq::Socket) -> Result<()> {
    match guard::socket_type(socket)? {
        zmq::ROUTER => Ok(()),
        kind => Err(Detail::NoSuchDirection {
            socket: kind,
            operation: "address a peer by its routing id",
            use_instead: "that takes a ROUTER",
        }
        .into()),
    }
}

/// Refuses sockets that such an envelope means nothing to.
pub(super) fn check_routable(socket: &zmq::Socket, envelope: &Envelope) -> Result<()> {
    if envelope.has_peer() {
        return check_routes(socket);
    }
    match guard::socket_type(socket)? {
        kind if envelope.has_delimiter() && !matches!(kind, zmq::ROUTER | zmq::DEALER) => {
            let use_instead = "that takes a ROUTER or a DEALER, and other sockets take their messages without one";
            Err(Detail::NoSuchDirection { socket: kind, operation: "send a delimiter", use_instead }.into())
        }
        _ => Ok(()),
    }
}

impl<'s, 'm> Sending<'s, 'm> {
    pub(super) fn new(socket: &'s zmq::Socket, kind: zmq::SocketType, outgoing: &'m Outgoing<'m>) -> Self {
        Self { socket, handle: Handle::of(socket), kind, outgoing, torn: Torn::No, restarts: 0 }
    }

    /// Sends the message whole, or nothing of it where that would take waiting. `before` is called with the index of each
    /// frame right before it is sent, which is where tests let peers die.
    pub(super) fn try_send(&mut self, before: &mut impl FnMut(usize)) -> Result<Try> {
        loop {
            before(0);
            if self.try_first()? == Try::WouldBlock {
                return Ok(Try::WouldBlock);
            }
            if self.send_rest(before)? {
                return Ok(Try::Sent);
            }
        }
    }

    /// Sends what follows the first frame. Where the peer dies meanwhile, brings the socket to where the message can start
    /// over, and returns `false`.
    pub(super) fn send_rest(&mut self, before: &mut impl FnMut(usize)) -> Result<bool> {
        let pass = self.send_later_frames(before)?;
        if pass != Pass::Sent {
            self.abandon(pass)?;
            self.restarts += 1;
        }
        Ok(pass == Pass::Sent)
    }

    fn try_first(&mut self) -> Result<Try> {
        let mut sent = match self.kind {
            zmq::REQ => self.try_first_of_request()?,
            _ => self.send_now(0),
        };
        if (self.kind, sent) == (zmq::PAIR, Err(zmq::Error::EAGAIN)) {
            // it lets go of a dead peer, and lets in the next one, only when it is looked at
            self.look()?;
            sent = self.send_now(0);
        }
        match sent {
            Ok(()) => Ok(Try::Sent),
            Err(zmq::Error::EAGAIN) => Ok(Try::WouldBlock),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// A REQ sends an empty frame of its own before the first one.
    fn try_first_of_request(&mut self) -> Result<Result<(), zmq::Error>> {
        // libzmq hears of dead peers now, and not between its own frame and ours
        self.look()?;
        if self.torn == Torn::Headless {
            match self.send_now_with(zmq::Message::new, 0) {
                Ok(()) => self.torn = Torn::Swallowed,
                error => return Ok(error),
            }
            self.look()?;
        }
        let mut sent = self.send_now(0);
        if self.torn == Torn::Swallowed && sent == Err(zmq::Error::EFSM) {
            // this is how a REQ is told to forget about the reply
            self.set_relaxed(true)?;
            sent = self.send_now(0);
            self.set_relaxed(false)?;
        }
        if sent.is_ok() {
            self.torn = Torn::No;
        }
        Ok(sent)
    }

    fn send_later_frames(&self, before: &mut impl FnMut(usize)) -> Result<Pass> {
        let last = self.outgoing.len() - 1;
        for index in 1..last {
            before(index);
            let sent = match self.outgoing.plain(index) {
                Some(buffer) => self.lend_now(buffer),
                None => self.send_now(index),
            };
            match sent {
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
        let send = |message: zmq::Message| self.handle.send(message, zmq::DONTWAIT);
        let swallowed = frame::uninterrupted(|| {
            let (swallowed, sent) = frame::was_swallowed(self.outgoing.bytes(last), self.outgoing.hold(), send);
            sent.map(|()| swallowed)
        });
        match swallowed {
            Err(zmq::Error::EAGAIN) => Ok(Pass::RefusedLast),
            Err(error) => Err(self.failed(error)),
            Ok(false) => Ok(Pass::Sent),
            Ok(true) if self.kind == zmq::ROUTER => Err(self.unreachable()),
            Ok(true) => Ok(Pass::Swallowed),
        }
    }

    /// Brings the socket to where the message can start over.
    fn abandon(&mut self, pass: Pass) -> Result<()> {
        if let (Pass::Refused, zmq::PUSH | zmq::DEALER | zmq::REQ) = (pass, self.kind) {
            // swallowed, and the end of what is swallowed
            self.send_now_with(zmq::Message::new, 0).map_err(|error| self.failed(error))?;
        }
        if self.kind == zmq::REQ {
            self.torn = if pass == Pass::RefusedLast { Torn::Headless } else { Torn::Swallowed };
        }
        Ok(())
    }

    /// Sends a buffer, which is not the last frame, without waiting.
    #[inline]
    fn lend_now(&self, buffer: &Shared) -> Result<(), zmq::Error> {
        self.handle.lend(buffer.clone(), zmq::SNDMORE | zmq::DONTWAIT)
    }

    /// Sends a frame without waiting.
    fn send_now(&self, index: usize) -> Result<(), zmq::Error> {
        self.send_now_with(|| self.outgoing.frame(index), self.outgoing.flags(index))
    }

    fn send_now_with(&self, frame: impl Fn() -> zmq::Message, flags: i32) -> Result<(), zmq::Error> {
        frame::uninterrupted(|| self.handle.send(frame(), flags | zmq::DONTWAIT))
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

    pub(super) fn failed(&self, error: zmq::Error) -> Error {
        match error {
            zmq::Error::EHOSTUNREACH => self.unreachable(),
            error => guard::failed(self.socket, Direction::Send, Wait::Never, error),
        }
    }

    fn unreachable(&self) -> Error {
        Error::new(Detail::Unreachable { peer: format!("\"{}\"", self.outgoing.peer().escape_ascii()) })
    }
}

#[cfg(all(test, not(miri)))] // sockets, which miri cannot open
mod dying_peers;
