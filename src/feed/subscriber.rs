//! `Subscriber`: every message of a stream in order, or the report that it is lost.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::event::{Event, Item};
use super::header::Header;
use super::intake::{Found, content};
use super::looks::Looks;
use super::options::SubscriberOptions;
use super::redial::Line;
use super::sockets;
use super::start::Start;
use super::statistics::StreamStatistics;
use super::streams::Streams;
use super::ticks::{Deadline, Ticks};
use crate::codec::{Decode, MsgPack};
use crate::error::{Detail, Result};
use crate::limits::Limits;
use crate::multipart::Multipart;
use crate::socket::{Arrival, send_front};

/// Follows the streams of a [`Publisher`](super::Publisher).
///
/// It tells [`Event`]s. **What is delivered and what is reported as a gap are all numbers of a stream, each once and in
/// order**: see [`Event`] for what that says exactly, and [`docs::feed`](crate::docs::feed) for what it rests on.
///
/// A subscriber belongs to one thread at a time. Whatever it holds is bounded by its [`SubscriberOptions`]; one that is not
/// asked for events for a while loses nothing by that but time: what the publisher drops for it is recovered, as far as
/// the publisher's cache goes back.
///
/// # Examples
///
/// ```
/// use outband::feed::{Event, Lost, Publisher, PublisherOptions, Start, Subscriber};
///
/// let context = zmq::Context::new();
/// let options = PublisherOptions::new().cache_messages(2);
/// let publisher = Publisher::bind_with(&context, "tcp://127.0.0.1:*", "tcp://127.0.0.1:*", options)?;
/// for value in [10, 20, 30, 40] {
///     publisher.publish("counter", &value)?;
/// }
///
/// let mut subscriber = Subscriber::connect(&context, publisher.endpoint(), publisher.recovery_endpoint())?;
/// // it was here before, has seen 1, and goes on with 2
/// subscriber.subscribe_from("counter", Start::From { epoch: publisher.epoch(), number: 2 })?;
/// let mut told = Vec::new();
/// while told.len() < 3 {
///     match subscriber.recv::<i32>()? {
///         Event::Data { number, value, .. } => told.push(format!("{number} is {value}")),
///         Event::Gap { from, to, why: Lost::Evicted, .. } => told.push(format!("{from} to {to} are gone")),
///         _ => {}
///     }
/// }
/// assert_eq!(told, ["2 to 2 are gone", "3 is 30", "4 is 40"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Subscriber {
    pub(super) live: zmq::Socket,
    pub(super) recovery: Option<zmq::Socket>,
    /// Where the two were connected to here.
    endpoints: Option<[Box<str>; 2]>,
    /// The frame in hand, of either.
    frame: zmq::Message,
    pub(super) streams: Streams<Item>,
    start: Start,
    pub(super) ticks: Ticks,
    looks: Looks,
    /// Whether frames may wait to be read that nobody looked at yet.
    pub(super) is_behind: bool,
    malformed: u64,
    /// Whether a stream has its turn before anything else is read.
    tells_first: bool,
}

/// How many frames of which there is nothing to tell are read at once: heartbeats, and in the conflating mode those that replace each other.
const UNTOLD: usize = 10_000;

impl Subscriber {
    /// Connects to the two endpoints of a publisher, with the default options. Nothing arrives before
    /// [`subscribe`](Self::subscribe).
    ///
    /// # Errors
    ///
    /// Kind `Transport` when a socket cannot be made, or an endpoint makes no sense. A publisher that is not there yet is
    /// no error.
    pub fn connect(context: &zmq::Context, endpoint: &str, recovery: &str) -> Result<Self> {
        Self::connect_with(context, endpoint, recovery, SubscriberOptions::new())
    }

    /// As [`connect`](Self::connect), with options.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub fn connect_with(
        context: &zmq::Context,
        endpoint: &str,
        recovery: &str,
        options: SubscriberOptions,
    ) -> Result<Self> {
        let live = sockets::listening(context, &options)?;
        let asking = sockets::asking(context)?;
        sockets::connect(&live, endpoint)?;
        sockets::connect(&asking, recovery)?;
        let subscriber = Self::over(live, Some(asking), options)?;
        Ok(Self { endpoints: Some([endpoint.into(), recovery.into()]), ..subscriber })
    }

    /// Listens on a SUB and recovers on a DEALER socket that the caller has configured and connected. Without the latter
    /// every loss is a gap at once.
    ///
    /// Of the options those that concern sockets are not applied.
    ///
    /// # Errors
    ///
    /// Kind `Caller` for sockets of another type, or one with `ZMQ_CONFLATE`; kind `Transport`.
    pub fn over(live: zmq::Socket, recovery: Option<zmq::Socket>, options: SubscriberOptions) -> Result<Self> {
        sockets::check_type(&live, zmq::SUB, "subscribe to a feed")?;
        recovery.iter().try_for_each(|socket| sockets::check_type(socket, zmq::DEALER, "recover what was missed"))?;
        if live.is_conflate().map_err(|error| sockets::transport("read ZMQ_CONFLATE", error))? {
            return Err(Detail::Conflated.into());
        }
        let (mut rules, room) = (options.rules, options.room());
        rules.attempts = if recovery.is_some() { rules.attempts } else { 0 };
        Ok(Self {
            live,
            recovery,
            endpoints: None,
            frame: zmq::Message::new(),
            streams: Streams::new(rules, room),
            start: options.start,
            ticks: Ticks::new(),
            looks: Looks::new(),
            is_behind: false,
            malformed: 0,
            tells_first: false,
        })
    }

    /// Follows a stream, or every stream below a name that ends in `/`, or every stream for the empty name; begins where
    /// the options say.
    ///
    /// # Errors
    ///
    /// Kind `Caller` when this is no name; kind `Limits` when there are too many streams; kind `Transport`.
    pub fn subscribe(&mut self, name: &str) -> Result<()> {
        self.subscribe_from(name, self.start)
    }

    /// As [`subscribe`](Self::subscribe), and says where to begin. Of several that match a stream the longest counts.
    ///
    /// The same name again is the same subscription, and one [`unsubscribe`](Self::unsubscribe) ends it. Streams that nothing
    /// was heard of yet begin where the later call says; those that were heard of go on where they are.
    ///
    /// # Errors
    ///
    /// As [`subscribe`](Self::subscribe).
    pub fn subscribe_from(&mut self, name: &str, start: Start) -> Result<()> {
        // libzmq counts: what is subscribed to twice stays so when it is unsubscribed from once
        let Some(prefix) = self.streams.subscribe(self.ticks.elapsed(), name, start)? else { return Ok(()) };
        self.live.set_subscribe(&prefix).map_err(|error| sockets::transport("subscribe", error))
    }

    /// Ends what [`subscribe`](Self::subscribe) began under this name, and forgets the streams that no other subscription
    /// matches. A name that was not subscribed to is ignored.
    ///
    /// # Errors
    ///
    /// Kind `Transport`.
    pub fn unsubscribe(&mut self, name: &str) -> Result<()> {
        let Some(prefix) = self.streams.unsubscribe(name) else { return Ok(()) };
        self.live.set_unsubscribe(&prefix).map_err(|error| sockets::transport("unsubscribe", error))
    }

    /// Waits for the next event, and decodes messages with the default codec.
    ///
    /// # Errors
    ///
    /// Kind `Transport`. What is wrong with a message is an event.
    pub fn recv<T: DeserializeOwned>(&mut self) -> Result<Event<T>> {
        self.recv_with(&MsgPack::new(), None)
    }

    /// The next event, or at once an error of kind `Timeout`: when all that has arrived was read, or a tenth of a second went by with nothing to
    /// tell of it.
    ///
    /// # Errors
    ///
    /// As [`recv_within`](Self::recv_within).
    pub fn try_recv<T: DeserializeOwned>(&mut self) -> Result<Event<T>> {
        self.recv_with(&MsgPack::new(), Some(Duration::ZERO))
    }

    /// Waits for the next event for this long.
    ///
    /// # Errors
    ///
    /// Kind `Timeout`; kind `Transport`.
    pub fn recv_within<T: DeserializeOwned>(&mut self, timeout: Duration) -> Result<Event<T>> {
        self.recv_with(&MsgPack::new(), Some(timeout))
    }

    /// Waits for the next event, for ever or this long, and decodes messages with any codec.
    ///
    /// # Errors
    ///
    /// Kind `Timeout`; kind `Transport`.
    pub fn recv_with<T, C: Decode<T>>(&mut self, codec: &C, timeout: Option<Duration>) -> Result<Event<T>> {
        let mut deadline = timeout.map(Deadline::after);
        loop {
            if let Some(event) = self.look(codec)? {
                return Ok(event);
            }
            self.read_clock();
            if self.streams.is_ready() || timeout != Some(Duration::ZERO) && self.looks.again() {
                continue;
            }
            let mut wait = self.ticks.left();
            if let Some(deadline) = &mut deadline {
                wait = wait.min(deadline.left(self.ticks.now(), self.is_behind)?);
            }
            self.wait(wait)?;
        }
    }

    /// Where each stream is: what to give to [`subscribe_from`](Self::subscribe_from) after a restart to go on with the
    /// message after the last one that was handed over. `None` before anything was heard of it, but where it began with
    /// [`Start::From`] that position.
    pub fn resume_point(&self, stream: &str) -> Option<Start> {
        self.streams.position(stream).map(|(epoch, number)| Start::From { epoch, number })
    }

    /// What was counted on a stream; `None` for one that is not followed.
    pub fn statistics(&self, stream: &str) -> Option<StreamStatistics> {
        self.streams.statistics(stream)
    }

    /// The names of all streams that are followed.
    pub fn streams(&self) -> impl Iterator<Item = &Arc<str>> {
        self.streams.names()
    }

    /// How many messages there were that are none of a feed: those of the live socket, each a `Malformed` event, and those of the recovery
    /// socket, of which there is none.
    pub fn malformed(&self) -> u64 {
        self.malformed
    }

    /// The next event, as far as there is one without waiting.
    #[inline]
    pub(super) fn look<T, C: Decode<T>>(&mut self, codec: &C) -> Result<Option<Event<T>>> {
        let mut found = Found::Nothing;
        self.find(&|| codec.limits(), &mut found)?;
        if let Some(len) = found.len() {
            self.looks.found(len);
        }
        Ok(found.tell(&self.frame, codec))
    }

    /// What is the next event, before it is decoded.
    fn find(&mut self, limits: &dyn Fn() -> Limits, found: &mut Found) -> Result<()> {
        let mut untold = 0;
        self.is_behind = false;
        loop {
            // what a later message replaces is read on for, and nothing else
            let is_next = self.streams.has_queue() || self.tells_first && self.streams.is_ready();
            if is_next && self.find_step(found) {
                self.tells_first = false;
                return Ok(());
            }
            if self.ticks.count() {
                self.pass_time(true);
            }
            let mut recovered = false;
            if self.streams.is_recovering() {
                // what is asked for now is waited for from now on, however long nobody looked
                self.ticks.read();
                self.ask()?;
                recovered = self.look_at_recovery(limits)?;
            }
            let mut arrival = Arrival::to_come(&self.live, &mut self.frame);
            let is_news = arrival.comes()?;
            if is_news {
                Found::take(&mut arrival, &mut self.streams, self.ticks.now(), limits, found)?;
            }
            drop(arrival);
            match found {
                Found::Nothing if is_news || recovered => {
                    untold += 1;
                    self.is_behind = untold >= UNTOLD;
                    if self.is_behind {
                        break;
                    }
                }
                Found::Nothing => break,
                Found::Malformed(_) => {
                    self.malformed += 1;
                    // or whoever sends such a thing now and then is all that is ever told of
                    self.tells_first = true;
                    return Ok(());
                }
                _ => return Ok(()),
            }
        }
        self.find_step(found);
        Ok(())
    }

    /// What some stream has to tell.
    fn find_step(&mut self, found: &mut Found) -> bool {
        let step = self.streams.poll();
        step.map(|step| *found = Found::Step(step)).is_some()
    }

    /// Takes one message off the recovery socket, if there is one.
    fn look_at_recovery(&mut self, limits: &dyn Fn() -> Limits) -> Result<bool> {
        let Some(recovery) = &self.recovery else { return Ok(false) };
        let Some(mut arrival) = Arrival::on(recovery, &mut self.frame)? else { return Ok(false) };
        let frame = arrival.frame()?;
        match Header::read(frame.as_deref().unwrap_or_default()) {
            Ok(Header::End { stamp, first, request }) => self.streams.end(self.ticks.now(), stamp, first, request),
            Ok(Header::Recovered { stamp, request }) => {
                let message = content(&mut arrival, &limits())?;
                let len = message.as_ref().map_or(0, Multipart::total_len);
                self.streams.recovered(self.ticks.now(), stamp, request, (stamp.time, message), len);
            }
            // nobody is told: whatever it was, it is asked for again
            Ok(_) | Err(_) => self.malformed += 1,
        }
        Ok(true)
    }

    /// Sends the requests that are due. One that does not go out is one without an answer.
    fn ask(&mut self) -> Result<()> {
        let Some(recovery) = &self.recovery else { return Ok(()) };
        while let Some((stream, request)) = self.streams.request(self.ticks.now()) {
            let (header, ranges) = request.write();
            if let Err(error) = send_front(recovery, zmq::DEALER, &[&header, stream.as_bytes(), &ranges])
                && !error.is_timeout()
            {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Lets time pass where there is nothing to tell of what was read.
    pub(super) fn read_clock(&mut self) {
        self.pass_time(self.is_behind);
    }

    fn pass_time(&mut self, is_behind: bool) {
        if let Some(moment) = self.ticks.pass(is_behind) {
            self.streams.tick(moment);
            self.ticks.again_after(self.streams.tick_interval());
            while let Some(line) = self.streams.take_redial() {
                self.redial(line);
            }
        }
    }

    /// Goes on over another connection, where it made the one that may be dead.
    fn redial(&self, line: Line) {
        match (line, &self.endpoints, &self.recovery) {
            (Line::Live, Some([endpoint, _]), _) => sockets::reconnect(&self.live, endpoint),
            (Line::Recovery, Some([_, endpoint]), Some(recovery)) => sockets::reconnect(recovery, endpoint),
            _ => {}
        }
    }

    /// Waits until something arrives, or the time is up.
    fn wait(&self, time: Duration) -> Result<()> {
        let mut items = vec![self.live.as_poll_item(zmq::POLLIN)];
        if let (Some(recovery), true) = (&self.recovery, self.streams.is_recovering()) {
            items.push(recovery.as_poll_item(zmq::POLLIN));
        }
        let millis = time.as_micros().div_ceil(1000) as i64;
        match zmq::poll(&mut items, millis) {
            Ok(_) | Err(zmq::Error::EINTR) => Ok(()),
            Err(error) => Err(sockets::transport("wait for an event", error)),
        }
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let streams = self.streams.names().count();
        f.debug_struct("Subscriber").field("streams", &streams).field("malformed", &self.malformed).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::feed::header::Stamp;

    /// A conflating subscriber to everything, and the socket that it listens to.
    fn conflating() -> (zmq::Socket, Subscriber) {
        let context = zmq::Context::new();
        let (publisher, live) = (context.socket(zmq::XPUB).unwrap(), context.socket(zmq::SUB).unwrap());
        publisher.set_sndhwm(0).unwrap();
        live.set_rcvhwm(0).unwrap();
        publisher.bind("inproc://live").unwrap();
        live.connect("inproc://live").unwrap();
        let mut subscriber = Subscriber::over(live, None, SubscriberOptions::new().conflate()).unwrap();
        subscriber.subscribe("").unwrap();
        assert_eq!(publisher.recv_bytes(0).unwrap(), [1]);
        (publisher, subscriber)
    }

    /// Publishes the number.
    fn publish(publisher: &zmq::Socket, epoch: u64, number: u64) {
        let mut opening = Vec::new();
        Header::Data(Stamp { epoch, number, time: 0 }).write_after(b"a\0", &mut opening);
        publisher.send_multipart([&opening[..], &[number as u8]], 0).unwrap();
    }

    #[test]
    fn a_conflating_subscriber_reads_no_further_than_to_what_has_to_be_told() {
        let (publisher, mut subscriber) = conflating();
        for epoch in 1..1000 {
            publish(&publisher, epoch, 1);
        }
        for _ in 0..10 {
            subscriber.recv::<u64>().unwrap();
            let waiting = std::iter::from_fn(|| subscriber.streams.poll()).count();
            assert!(waiting <= 3, "{waiting} events wait");
        }
    }

    #[test]
    fn whoever_sends_garbage_for_ever_does_not_keep_a_conflating_subscriber_from_its_messages() {
        let (publisher, mut subscriber) = conflating();
        let told = (1..100).any(|number| {
            publish(&publisher, 7, number);
            publisher.send(&b"garbage"[..], 0).unwrap();
            matches!(subscriber.recv::<u64>().unwrap(), Event::Data { .. })
        });
        assert!(told && subscriber.malformed() > 0);
    }
}
