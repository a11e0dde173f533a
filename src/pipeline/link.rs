//! A worker's connection: owns the DEALER, and carries messages between that and the bench.

use std::mem;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use tracing::debug;

use super::bench::Bench;
use super::engine::{HANDSHAKE, millis_until, transport};
use super::hand::End;
use super::message::{Down, Ticket, Time, Up};
use super::monitor::{Change, Watched};
use super::prepare::Prepare;
use super::terms::WorkerOptions;
use super::wire;
use crate::complaints::Complaints;
use crate::error::{Detail, ErrorKind, Result, excerpt};
use crate::limits::Limits;
use crate::multipart::Multipart;
use crate::socket::{SocketExt, allow_ipv6, keep_alive};

/// How many messages are received before anything else is done.
const BATCH: usize = 256;
/// The most bytes of results that share a message.
const BATCH_BYTES: u64 = 64 << 10;

pub(super) struct Link {
    context: zmq::Context,
    endpoint: String,
    prepare: Option<Prepare>,
    watched: Watched,
    bench: Arc<Bench>,
    limits: Limits,
    /// When a connection was begun, last.
    begun: Time,
    /// When the next one is to be, where the socket has none.
    begins: Option<Time>,
    /// Whether the socket took no more, and is to be asked when it does.
    is_blocked: bool,
    complaints: Complaints,
    /// Why the dispatcher would not have this worker, last: the same once more is no news.
    refusal: String,
    #[cfg(feature = "signals")]
    signals: Option<super::signals::Signals>,
}

/// How long a connection may take to be made before another is begun, in milliseconds.
const CONNECT: i32 = 2000;
/// How long the other end's system may be silent, where the system is asked to look for it.
const SILENCE: Duration = Duration::from_secs(15);
/// The least time from one connection to the next: who answers each with what makes no sense is not asked as fast as it answers.
const PAUSE: Duration = Duration::from_millis(500);

/// What the dispatcher says; instead of an object that is over the limits, why.
type Incoming = (Down, Result<Option<Multipart>>);

type Outgoing = (Up, Option<Multipart>);

impl Link {
    pub(super) fn new(
        context: &zmq::Context,
        endpoint: &str,
        options: &WorkerOptions,
        bench: Arc<Bench>,
    ) -> Result<Self> {
        let watched = dealer(context, endpoint, options.prepare.as_ref())?;
        watched.socket.connect(endpoint).map_err(transport("connect"))?;
        Ok(Self {
            context: context.clone(),
            endpoint: endpoint.to_owned(),
            prepare: options.prepare.clone(),
            watched,
            begun: bench.now(),
            begins: None,
            bench,
            limits: options.limits,
            is_blocked: false,
            complaints: Complaints::new("messages to the worker were dropped, or refused it"),
            refusal: String::new(),
            #[cfg(feature = "signals")]
            signals: if options.leaves_on_signals { Some(super::signals::Signals::listen()?) } else { None },
        })
    }

    /// Carries messages until the hand has ended.
    pub(super) fn serve(&mut self) -> Result<()> {
        let served = self.carry();
        self.complaints.tell();
        served
    }

    fn carry(&mut self) -> Result<()> {
        let mut outgoing = Vec::new();
        loop {
            self.connect_in_time()?;
            let is_cut = self.is_cut()?;
            let is_dry = self.receive()?;
            self.complaints.tell_in_time();
            let mut state = self.bench.lock();
            let now = self.bench.now();
            if is_cut {
                state.hand.cut(now);
            }
            state.hand.tick(now);
            let refusal = state.hand.pop_refusal();
            if state.hand.ended() == Some(End::Refused) {
                let (endpoint, reason) = (self.endpoint.clone(), excerpt(refusal.unwrap_or_default()));
                return Err(Detail::WorkerRefused { endpoint, reason }.into());
            }
            if state.hand.is_joined() {
                self.refusal.clear();
            }
            if let Some(reason) = refusal.filter(|reason| *reason != self.refusal) {
                self.complaints.warn(None, "the dispatcher refuses this worker", excerpt(&reason));
                self.refusal = reason;
            }
            if let Some(end) = state.hand.ended() {
                debug!(target: "outband", "the worker ends: {end}");
                let last = state.hand.pop_message();
                drop(state);
                return last.map_or(Ok(()), |(message, _)| self.post(wire::up(&message)).map(drop));
            }
            if state.hand.takes_socket() {
                drop(state);
                self.watched = dealer(&self.context, &self.endpoint, self.prepare.as_ref())?;
                self.begins = Some(now.max(self.begun + PAUSE));
                self.is_blocked = false;
                continue;
            }
            while !self.is_blocked && outgoing.len() < BATCH {
                let Some(message) = state.hand.pop_message() else { break };
                outgoing.push(message);
            }
            let sleeps = outgoing.is_empty() && is_dry;
            let telling = self.complaints.wait().map(|left| now.saturating_add(left));
            let next = [state.hand.next_tick(), telling, self.begins].into_iter().flatten().min();
            Bench::set_asleep(&mut state, sleeps);
            drop(state);
            if sleeps {
                self.sleep(next.map_or(-1, |time| millis_until(time, now)))?;
            } else {
                self.send(&mut outgoing)?;
            }
        }
    }

    fn connect_in_time(&mut self) -> Result<()> {
        let now = self.bench.now();
        if self.begins.take_if(|begins| *begins <= now).is_some() {
            self.watched.socket.connect(&self.endpoint).map_err(transport("connect"))?;
            self.begun = now;
        }
        Ok(())
    }

    /// Whether the connection has ended since this was last asked. To be asked before the socket is read: then what came over
    /// it before has been read too, as far as libzmq kept it.
    fn is_cut(&self) -> Result<bool> {
        let mut is_cut = false;
        while let Some((change, _)) = self.watched.next()? {
            is_cut |= change == Change::Ended;
        }
        Ok(is_cut)
    }

    /// Reads what the dispatcher says; whether there is no more of it.
    fn receive(&mut self) -> Result<bool> {
        let mut messages = Vec::new();
        let mut is_dry = false;
        for _ in 0..BATCH {
            let received = self.watched.socket.recv_message_within(&wire::WHOLE).and_then(wire::read_down);
            match received {
                Ok(several) => messages.extend(several.into_iter().map(|message| self.within_limits(message))),
                Err(error) if error.is_timeout() => {
                    is_dry = true;
                    break;
                }
                Err(error) if matches!(error.kind(), ErrorKind::Peer | ErrorKind::Limits) => {
                    self.complaints.warn(None, "a message to a worker is dropped, it begins anew", error);
                    self.bench.lock().hand.distrust(self.bench.now());
                    return Ok(true);
                }
                Err(error) => return Err(error),
            }
        }
        let jobs = messages.iter().filter(|(_, object)| matches!(object, Ok(Some(_)))).count();
        if !messages.is_empty() {
            let mut state = self.bench.lock();
            let now = self.bench.now();
            for (message, object) in messages {
                match object {
                    Ok(object) => state.hand.handle(now, message, object),
                    Err(error) => state.hand.decline(now, &message, &error.to_string()),
                }
            }
        }
        self.bench.call(jobs);
        Ok(is_dry)
    }

    /// A task over the limits says nothing about the others that came with it.
    fn within_limits(&self, (message, object): (Down, Option<Multipart>)) -> Incoming {
        (message, wire::check_object(object.as_ref(), &self.limits).map(|()| object))
    }

    /// Sends what the hand has to say. Results travel together. What does not go out is given back.
    fn send(&mut self, outgoing: &mut Vec<Outgoing>) -> Result<()> {
        let mut rest = mem::take(outgoing).into_iter();
        let mut parcel = Parcel::default();
        let mut unsent = Vec::new();
        for (message, object) in rest.by_ref() {
            let sent = match (message, object) {
                (Up::Result { epoch, ticket }, Some(object)) => match parcel.add(epoch, ticket, object) {
                    None => continue,
                    Some(full) => self.post_parcel(full, &mut unsent)?,
                },
                (message, object) => {
                    let is_sent =
                        self.post_parcel(mem::take(&mut parcel), &mut unsent)? && self.post(wire::up(&message))?;
                    if !is_sent {
                        unsent.push((message, object));
                    }
                    is_sent
                }
            };
            if !sent {
                break;
            }
        }
        if unsent.is_empty() {
            self.post_parcel(parcel, &mut unsent)?;
        } else {
            parcel.unpack(&mut unsent);
        }
        unsent.extend(rest);
        if !unsent.is_empty() {
            self.is_blocked = true;
            let mut state = self.bench.lock();
            unsent.into_iter().rev().for_each(|(message, object)| state.hand.unsaid(message, object));
        }
        Ok(())
    }

    fn post_parcel(&self, parcel: Parcel, unsent: &mut Vec<Outgoing>) -> Result<bool> {
        if parcel.results.is_empty() {
            return Ok(true);
        }
        let is_sent = self.post(wire::results(parcel.epoch, parcel.results.clone()))?;
        if !is_sent {
            parcel.unpack(unsent);
        }
        Ok(is_sent)
    }

    /// Sends a message; whether there was somebody to send it to.
    fn post(&self, message: Multipart) -> Result<bool> {
        match self.watched.socket.send_message(message) {
            Ok(()) => Ok(true),
            Err(error) if error.is_timeout() => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn sleep(&mut self, timeout: i64) -> Result<()> {
        let events = if self.is_blocked { zmq::POLLIN | zmq::POLLOUT } else { zmq::POLLIN };
        let bell = zmq::PollItem::from_fd(self.bench.bell().fd(), zmq::POLLIN);
        let mut items = vec![bell, self.watched.socket.as_poll_item(events), self.watched.changes()];
        items.extend(self.signals().map(|fd| zmq::PollItem::from_fd(fd, zmq::POLLIN)));
        match zmq::poll(&mut items, timeout) {
            Ok(_) | Err(zmq::Error::EINTR) => {}
            Err(error) => return Err(transport("poll")(error)),
        }
        let (is_rung, is_writable) = (items[0].is_readable(), items[1].is_writable());
        let is_signalled = items.get(3).is_some_and(zmq::PollItem::is_readable);
        if is_rung {
            self.bench.bell().hush();
        }
        if self.is_blocked && is_writable {
            self.is_blocked = false;
            self.bench.lock().hand.reach(self.bench.now());
        }
        if is_signalled {
            self.leave();
        }
        Ok(())
    }

    #[cfg(feature = "signals")]
    fn signals(&self) -> Option<RawFd> {
        self.signals.as_ref().map(super::signals::Signals::fd)
    }

    #[cfg(not(feature = "signals"))]
    fn signals(&self) -> Option<RawFd> {
        None
    }

    /// A signal came: once is enough.
    fn leave(&mut self) {
        #[cfg(feature = "signals")]
        {
            self.signals = None;
        }
        self.bench.drain();
    }
}

/// Results for one dispatcher that travel together.
#[derive(Default)]
struct Parcel {
    epoch: u64,
    results: Vec<(Ticket, Multipart)>,
    bytes: u64,
}

impl Parcel {
    /// Adds a result; the parcel is full if it does not go along, and a new one begun with it.
    fn add(&mut self, epoch: u64, ticket: Ticket, object: Multipart) -> Option<Self> {
        let bytes = object.total_len() as u64;
        let goes_along = self.results.is_empty()
            || (self.epoch == epoch && self.results.len() < wire::MAX_BATCH && self.bytes + bytes <= BATCH_BYTES);
        let full = if goes_along { None } else { Some(mem::take(self)) };
        self.epoch = epoch;
        self.bytes += bytes;
        self.results.push((ticket, object));
        full
    }

    fn unpack(self, unsent: &mut Vec<Outgoing>) {
        let epoch = self.epoch;
        unsent.extend(self.results.into_iter().map(|(ticket, object)| (Up::Result { epoch, ticket }, Some(object))));
    }
}

/// A socket for a connection that is yet to be made.
fn dealer(context: &zmq::Context, endpoint: &str, prepare: Option<&Prepare>) -> Result<Watched> {
    let set_up = || {
        let socket = context.socket(zmq::DEALER)?;
        // what was said last is a goodbye that was answered, or nobody is there to hear it
        socket.set_linger(0)?;
        socket.set_sndtimeo(0)?;
        socket.set_rcvtimeo(0)?;
        // nothing is queued for a dispatcher that is not there; what is queued is bounded by what the worker holds. The price:
        // what came and was not read is gone when the connection ends, so a dispatcher's goodbye waits for an answer
        socket.set_immediate(true)?;
        socket.set_sndhwm(0)?;
        socket.set_rcvhwm(0)?;
        // no heartbeats of libzmq's: they end a connection in the middle of a frame that takes longer than they wait
        keep_alive(&socket, SILENCE)?;
        socket.set_handshake_ivl(HANDSHAKE)?;
        // where packets are lost the system asks again ever more rarely, and would miss the end of that by seconds
        socket.set_connect_timeout(CONNECT)?;
        allow_ipv6(&socket, endpoint)?;
        Prepare::apply(prepare, &socket)?;
        Watched::new(context, socket)
    };
    set_up().map_err(transport("set up a DEALER"))
}
