//! The dispatcher's own thread: it owns the ROUTER, and carries messages between that, the ledger and the exchange.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::debug;

use super::exchange::{Exchange, Order};
use super::ledger::{Ledger, Loss};
use super::message::{Down, Peer, Ticket, Time, Up};
use super::monitor::{Change, Watched};
use super::options::DispatcherOptions;
use super::prepare::Prepare;
use super::watch::Watch;
use super::wire;
use crate::complaints::Complaints;
use crate::error::{Detail, Error, Result};
use crate::limits::Limits;
use crate::multipart::Multipart;
use crate::socket::{SocketExt, allow_ipv6, keep_alive, routed};

/// How many messages are received before anything else is looked at.
const BATCH: usize = 512;
/// The most bytes of tasks that share a message.
const BATCH_BYTES: u64 = 64 << 10;
/// How long workers may take to hear a goodbye.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long what was said last may take to leave, in milliseconds.
const LINGER: i32 = 500;
/// Milliseconds until a connection that says nothing at its beginning is given up.
pub(super) const HANDSHAKE: i32 = 5000;

pub(super) struct Engine {
    watched: Watched,
    exchange: Arc<Exchange>,
    ledger: Ledger,
    started: Instant,
    limits: Limits,
    /// How long messages are received before anything else is looked at: who waits for a sign of life does not wait for them.
    turn: Duration,
    /// The open connections by descriptor, and which of them are a worker's.
    connections: HashMap<i32, Option<Peer>>,
    /// Whose connection has ended, and when that was heard, while there may be messages of theirs to be read.
    gone: Vec<(Time, Peer)>,
    parcels: BTreeMap<Peer, Parcel>,
    /// How often a message could not be sent.
    lost: u64,
    complaints: Complaints,
}

/// Tasks for one worker that travel together.
struct Parcel {
    session: u64,
    tasks: Vec<(Ticket, u32, Multipart)>,
    bytes: u64,
}

impl Engine {
    pub(super) fn new(
        context: &zmq::Context,
        endpoint: &str,
        options: &DispatcherOptions,
        ledger: Ledger,
        exchange: Arc<Exchange>,
    ) -> Result<Self> {
        let socket = router(context, endpoint, options).map_err(transport("set up a ROUTER"))?;
        let watched = Watched::new(context, socket).map_err(transport("watch a ROUTER's connections"))?;
        watched.socket.bind(endpoint).map_err(transport("bind"))?;
        Ok(Self {
            watched,
            exchange,
            ledger,
            started: Instant::now(),
            limits: options.limits,
            turn: options.heartbeat / 4,
            connections: HashMap::new(),
            gone: Vec::new(),
            parcels: BTreeMap::new(),
            lost: 0,
            complaints: Complaints::new("messages to the dispatcher were dropped"),
        })
    }

    pub(super) fn endpoint(&self) -> Result<String> {
        let endpoint = self.watched.socket.get_last_endpoint().map_err(transport("read ZMQ_LAST_ENDPOINT"))?;
        Ok(endpoint.unwrap_or_default())
    }

    /// Runs until the program lets go of the dispatcher, or its journal fails.
    pub(super) fn run(mut self) {
        let exchange = self.exchange.clone();
        let _watch = Watch::new(|| exchange.fail("its thread panicked".to_owned()));
        if let Err(error) = self.serve() {
            self.exchange.fail(error.to_string());
        }
        self.complaints.tell();
    }

    fn serve(&mut self) -> Result<()> {
        let (mut orders, mut outcomes) = (Vec::new(), VecDeque::new());
        loop {
            let Some(read) = self.exchange.look(&mut orders) else { return self.say_goodbye() };
            self.ledger.read(read);
            for order in orders.drain(..) {
                match order {
                    Order::Submit(task, message) => self.ledger.submit(task, message),
                    Order::Cancel(task) => self.ledger.cancel(task),
                }
            }
            let is_dry = self.listen()?;
            self.complaints.tell_in_time();
            self.ledger.tick(self.now());
            while self.send()? {
                // what one was to get is for others
                self.ledger.tick(self.now());
            }
            while let Some(outcome) = self.ledger.pop_outcome() {
                outcomes.push_back(outcome);
            }
            let done = self.ledger.take_done();
            self.exchange.bring(&mut outcomes, done, self.ledger.is_stalled(), self.ledger.stats());
            if is_dry && self.exchange.may_sleep() {
                self.sleep(self.ledger.next_tick())?;
            }
        }
    }

    fn now(&self) -> Time {
        self.started.elapsed()
    }

    /// Sleeps until something happens, or it is time.
    fn sleep(&self, until: Option<Time>) -> Result<()> {
        let telling = self.complaints.wait().map(|left| self.now().saturating_add(left));
        let until = [until, telling].into_iter().flatten().min();
        let timeout = until.map_or(-1, |time| millis_until(time, self.now()));
        let mut items = [
            self.watched.socket.as_poll_item(zmq::POLLIN),
            self.watched.changes(),
            zmq::PollItem::from_fd(self.exchange.bell().fd(), zmq::POLLIN),
        ];
        match zmq::poll(&mut items, timeout) {
            Ok(_) | Err(zmq::Error::EINTR) => {}
            Err(error) => return Err(transport("poll")(error)),
        }
        if items[2].is_readable() {
            self.exchange.bell().hush();
        }
        Ok(())
    }

    /// Reads what workers say, and notes who has gone; whether there is no more of either.
    fn listen(&mut self) -> Result<bool> {
        self.watch_events()?;
        let gone = std::mem::take(&mut self.gone);
        let is_dry = self.receive()?;
        // others may go on talking for ever: what is still to be read of one who went a heartbeat ago counts without its worker
        let since = self.now().saturating_sub(self.turn.saturating_mul(4));
        let (over, waits) = gone.into_iter().partition(|(heard, _)| is_dry || *heard < since);
        self.lose(over);
        self.gone.extend::<Vec<_>>(waits);
        Ok(is_dry && self.gone.is_empty())
    }

    /// Reads what workers say; whether there is no more of it.
    fn receive(&mut self) -> Result<bool> {
        let end = self.now().saturating_add(self.turn);
        for _ in 0..BATCH {
            let arrival = match routed::try_receive(&self.watched.socket, &wire::WHOLE, |peer| !self.ledger.knows(peer))
            {
                Ok(arrival) => arrival,
                Err(error) if error.is_timeout() => return Ok(true),
                Err(error) if error.is_peer() => {
                    self.refuse(None, &error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let now = self.now();
            match arrival.message.and_then(wire::read_up) {
                Ok(messages) => {
                    for (message, object) in messages {
                        if let (Up::Hello(_), Some(connection)) = (&message, arrival.connection) {
                            self.note_connection(connection, &arrival.peer)?;
                        }
                        // a result over the limits says nothing about the others that came with it, nor about its worker
                        match wire::check_object(object.as_ref(), &self.limits) {
                            Ok(()) => self.ledger.handle(now, &arrival.peer, message, object),
                            Err(error) => {
                                self.refuse(Some(&arrival.peer), &error);
                                self.ledger.decline(now, &arrival.peer, &message, &error.to_string());
                            }
                        }
                    }
                }
                Err(error) => {
                    self.refuse(Some(&arrival.peer), &error);
                    self.ledger.lose(now, &arrival.peer, Loss::Unruly);
                }
            }
            if now >= end {
                break;
            }
        }
        Ok(false)
    }

    fn refuse(&mut self, peer: Option<&Peer>, error: &Error) {
        self.ledger.garbage();
        self.complaints.warn(peer.map(|peer| &peer[..]), "a message to the dispatcher is dropped", error);
    }

    /// Gives up workers whose connections have ended. That was known before the last look at the socket, so what they had
    /// sent has been read.
    fn lose(&mut self, gone: Vec<(Time, Peer)>) {
        let now = self.now();
        for (_, peer) in gone {
            debug!(target: "outband", ?peer, "a worker's connection ended");
            self.ledger.lose(now, &peer, Loss::Disconnected);
        }
    }

    /// Notes whose connection this is, or that it has ended already. A descriptor is used again for another connection, but
    /// not before the monitor has said that the former one ended.
    fn note_connection(&mut self, connection: i32, peer: &Peer) -> Result<()> {
        self.watch_events()?;
        let former = match self.connections.get_mut(&connection) {
            Some(owner) => owner.replace(peer.clone()).filter(|former| former != peer),
            None => Some(peer.clone()),
        };
        self.gone.extend(former.map(|former| (self.started.elapsed(), former)));
        Ok(())
    }

    fn watch_events(&mut self) -> Result<()> {
        while let Some((change, connection)) = self.watched.next()? {
            let former = match change {
                Change::Accepted => self.connections.insert(connection, None),
                Change::Ended => self.connections.remove(&connection),
            };
            self.gone.extend(former.flatten().map(|former| (self.started.elapsed(), former)));
        }
        Ok(())
    }

    /// Sends what the ledger has to say; whether somebody was not to be reached. Tasks for one worker travel together.
    fn send(&mut self) -> Result<bool> {
        let lost = self.lost;
        while let Some((peer, message, object)) = self.ledger.pop_message() {
            match (message, object) {
                (Down::Task { session, ticket, attempt }, Some(object)) => {
                    self.pack(peer, session, (ticket, attempt, object))?;
                }
                (message, _) => {
                    self.post_parcel_of(&peer)?;
                    self.post(&peer, wire::down(&message))?;
                }
            }
        }
        while let Some((peer, parcel)) = self.parcels.pop_first() {
            self.post(&peer, wire::tasks(parcel.session, parcel.tasks))?;
        }
        Ok(self.lost > lost)
    }

    fn pack(&mut self, peer: Peer, session: u64, task: (Ticket, u32, Multipart)) -> Result<()> {
        let bytes = task.2.total_len() as u64;
        let goes_along = |parcel: &Parcel| {
            parcel.session == session && parcel.tasks.len() < wire::MAX_BATCH && parcel.bytes + bytes <= BATCH_BYTES
        };
        match self.parcels.get_mut(&peer) {
            Some(parcel) if goes_along(parcel) => {
                parcel.tasks.push(task);
                parcel.bytes += bytes;
                return Ok(());
            }
            Some(_) => self.post_parcel_of(&peer)?,
            None => {}
        }
        self.parcels.insert(peer, Parcel { session, tasks: vec![task], bytes });
        Ok(())
    }

    fn post_parcel_of(&mut self, peer: &Peer) -> Result<()> {
        match self.parcels.remove(peer) {
            Some(parcel) => self.post(peer, wire::tasks(parcel.session, parcel.tasks)),
            None => Ok(()),
        }
    }

    fn post(&mut self, peer: &Peer, message: Multipart) -> Result<()> {
        match self.watched.socket.send_message_to(peer, message) {
            Ok(()) => Ok(()),
            Err(error) if error.is_unreachable() || error.is_timeout() => {
                // its credit should have prevented that it is sent more than it reads
                let loss = if error.is_unreachable() { Loss::Unreachable } else { Loss::Deaf };
                self.ledger.lose(self.now(), peer, loss);
                self.lost += 1;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Says goodbye, and stays until everybody who shows signs of life has heard it, for a while: a worker's socket forgets
    /// what is not read when the connection ends.
    fn say_goodbye(&mut self) -> Result<()> {
        let end = self.now() + FAREWELL;
        self.ledger.close(self.now());
        self.send()?;
        loop {
            let is_dry = self.listen()?;
            self.send()?;
            let now = self.now();
            match self.ledger.awaits_until() {
                Some(until) if is_dry && now < until.min(end) => self.sleep(Some(until.min(end)))?,
                Some(_) if !is_dry && now < end => {}
                _ => return Ok(()),
            }
        }
    }
}

fn router(context: &zmq::Context, endpoint: &str, options: &DispatcherOptions) -> zmq::Result<zmq::Socket> {
    let socket = context.socket(zmq::ROUTER)?;
    socket.set_linger(LINGER)?;
    socket.set_sndtimeo(0)?;
    // as many tasks as a worker may have, each alone, announced and taken back, and what else is to be said meanwhile
    let tasks = i32::try_from(options.in_flight).unwrap_or(i32::MAX / 4);
    socket.set_sndhwm(tasks.saturating_mul(3).saturating_add(1000))?;
    keep_alive(&socket, options.liveness)?;
    allow_ipv6(&socket, endpoint)?;
    socket.set_handshake_ivl(HANDSHAKE)?;
    Prepare::apply(options.prepare.as_ref(), &socket)?;
    Ok(socket)
}

/// For how many milliseconds to poll. Rounded up: a timer that is early would spin; what is longer than libzmq can wait is
/// asked for again.
pub(super) fn millis_until(time: Time, now: Time) -> i64 {
    let millis = time.saturating_sub(now).as_micros().div_ceil(1000);
    i32::try_from(millis).unwrap_or(i32::MAX).into()
}

pub(super) fn transport(operation: &'static str) -> impl Fn(zmq::Error) -> Error {
    move |error| Error::new(Detail::Socket { operation, error }).caused_by(error)
}
