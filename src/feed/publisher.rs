//! `Publisher`: numbers what it sends, keeps it for a while, and sends it again to who missed it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::Serialize;

use super::cache::{self, Fresh};
use super::clock::Clock;
use super::desk::Desk;
use super::header::Header;
use super::options::PublisherOptions;
use super::server;
use super::sockets;
use super::source::Source;
use super::statistics::PublisherStatistics;
use crate::codec::{Encode, MsgPack};
use crate::error::{Detail, Error, Result};
use crate::multipart::Multipart;
use crate::scratch;
use crate::socket::{publish_lent, publish_short, send_front, send_parts};

/// Publishes objects on named streams to [`Subscriber`](super::Subscriber)s, and to plain SUB sockets.
///
/// Messages of a stream are numbered from 1 on. They go out on an XPUB socket; a cache of bounded size, which shares
/// their buffers and copies none, answers requests for what a subscriber missed on a ROUTER socket. A thread of the
/// publisher's does that, and sends heartbeats with the last number of each stream that is silent.
///
/// Publishing never waits: libzmq drops what a subscriber that does not read has no room for, and the subscriber recovers
/// it later. Names may have any characters but zero, and do not end in `/`; by convention parts are separated by `/`.
///
/// Dropping it sends a last heartbeat of each stream, stops the thread, and closes the sockets.
///
/// What leaves the cache is dropped by whoever publishes next, or by the publisher's thread, which then has the publisher to itself: an owner of a
/// [`Buffer`](crate::Buffer) whose `Drop` calls the same publisher waits for ever.
///
/// # Examples
///
/// ```
/// use outband::feed::{Event, Publisher, Start, Subscriber};
///
/// let context = zmq::Context::new();
/// let publisher = Publisher::bind(&context, "tcp://127.0.0.1:*", "tcp://127.0.0.1:*")?;
/// publisher.publish("weather/oslo", &-3.5)?;
/// publisher.publish("weather/oslo", &-3.0)?;
///
/// // comes late, and wants the last value
/// let mut subscriber = Subscriber::connect(&context, publisher.endpoint(), publisher.recovery_endpoint())?;
/// subscriber.subscribe_from("weather/", Start::Last(1))?;
/// let degrees: f64 = loop {
///     match subscriber.recv()? {
///         Event::Data { number: 2, value, .. } => break value,
///         event => println!("{event:?}"),
///     }
/// };
/// assert_eq!(degrees, -3.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Publisher {
    shared: Arc<Shared>,
    server: Option<JoinHandle<()>>,
    endpoint: String,
    recovery_endpoint: String,
}

/// What callers and the publisher's own thread share.
pub(super) struct Shared {
    pub(super) live: Mutex<Live>,
    pub(super) stop: AtomicBool,
}

/// The socket and what is sent on it. The lock makes numbers, the cache and what is sent agree; and a libzmq socket may
/// change threads where a lock is between.
pub(super) struct Live {
    pub(super) socket: zmq::Socket,
    pub(super) source: Source,
    pub(super) clock: Clock,
    /// The topic frame in hand, and of which stream's message it is.
    opening: Vec<u8>,
    opened: Option<usize>,
    pub(super) statistics: PublisherStatistics,
}

impl Publisher {
    /// Binds the two sockets of a publisher, with the default options.
    ///
    /// The endpoints may be wildcards (`tcp://127.0.0.1:*`): see [`endpoint`](Self::endpoint) and
    /// [`recovery_endpoint`](Self::recovery_endpoint). Nothing is encrypted and nobody is asked who they are: for more than
    /// the loopback interface configure sockets with CURVE yourself, and give them to [`over`](Self::over).
    ///
    /// # Errors
    ///
    /// Kind `Transport` when a socket cannot be made or bound.
    pub fn bind(context: &zmq::Context, endpoint: &str, recovery: &str) -> Result<Self> {
        Self::bind_with(context, endpoint, recovery, PublisherOptions::new())
    }

    /// As [`bind`](Self::bind), with options.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    pub fn bind_with(
        context: &zmq::Context,
        endpoint: &str,
        recovery: &str,
        options: PublisherOptions,
    ) -> Result<Self> {
        let live = sockets::publishing(context, &options)?;
        let recovering = sockets::answering(context)?;
        sockets::bind(&live, endpoint)?;
        sockets::bind(&recovering, recovery)?;
        Self::over(live, recovering, options)
    }

    /// Publishes on an XPUB and answers on a ROUTER socket that the caller has configured and bound, or connected.
    ///
    /// Of the options those that concern sockets are not applied. `ZMQ_XPUB_VERBOSE` and `ZMQ_ROUTER_MANDATORY` are set.
    ///
    /// With `ZMQ_XPUB_NODROP` a subscriber that has no room stops the streams that it subscribes to, for everybody: publishing on them fails
    /// at once with kind `Timeout`, and their heartbeats are left out, until it has read something. Other streams go on.
    ///
    /// # Errors
    ///
    /// Kind `Caller` for sockets of another type; kind `Transport`.
    pub fn over(live: zmq::Socket, recovery: zmq::Socket, options: PublisherOptions) -> Result<Self> {
        sockets::check_type(&live, zmq::XPUB, "publish a feed")?;
        sockets::check_type(&recovery, zmq::ROUTER, "answer requests for what was missed")?;
        sockets::prepare_publisher(&live, &recovery)?;
        let (endpoint, recovery_endpoint) = (sockets::endpoint(&live)?, sockets::endpoint(&recovery)?);
        let shared = Arc::new(Shared::new(live, &options));
        let (serving, desk) = (shared.clone(), Desk::new(options.grants));
        let server = thread::Builder::new()
            .name("outband-feed".to_owned())
            .spawn(move || server::serve(&serving, &recovery, desk))
            .map_err(|error| Error::io("start a thread", error))?;
        Ok(Self { shared, server: Some(server), endpoint, recovery_endpoint })
    }

    /// Where subscribers connect to: where the live socket was bound last. Of one that was connected, to a proxy, it is the proxy's endpoint
    /// for publishers, and not one for subscribers.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Where subscribers recover from.
    pub fn recovery_endpoint(&self) -> &str {
        &self.recovery_endpoint
    }

    /// Names this start of the publisher: the time of the start in microseconds since 1970, if the options do not say
    /// otherwise.
    pub fn epoch(&self) -> u64 {
        self.live().source.epoch()
    }

    /// Publishes a value with the default codec; returns its number.
    ///
    /// # Errors
    ///
    /// Kind `Caller` when the value does not serialize or this is no name of a stream; kind `Limits` when there are too many
    /// streams; kind `Transport`. The number is not used up then.
    pub fn publish<T: Serialize + ?Sized>(&self, stream: &str, value: &T) -> Result<u64> {
        self.publish_with(&MsgPack::new(), stream, value)
    }

    /// Publishes a value with any codec; returns its number.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub fn publish_with<T: ?Sized, C: Encode<T>>(&self, codec: &C, stream: &str, value: &T) -> Result<u64> {
        scratch::with(|metadata| {
            let buffers = codec.encode_into(value, metadata)?;
            if buffers.is_empty() && cache::is_short(metadata) {
                return self.send_short(stream, metadata);
            }
            self.send(stream, Multipart::new(scratch::freeze(metadata), buffers)).map_err(|(error, _)| error)
        })
    }

    /// Publishes a message; returns its number. A failed one gives the message back:
    /// [`Error::into_message`](crate::Error::into_message).
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub fn publish_message(&self, stream: &str, message: Multipart) -> Result<u64> {
        self.send(stream, message).map_err(|(error, message)| error.with_payload(Box::new(message)))
    }

    /// Begins a stream without a message: subscribers hear of it by its heartbeats.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub fn announce(&self, stream: &str) -> Result<()> {
        self.live().source.stream(stream).map(drop)
    }

    /// What was counted so far.
    pub fn statistics(&self) -> PublisherStatistics {
        let live = self.live();
        let cache = live.source.cache();
        PublisherStatistics {
            streams: live.source.streams(),
            cached_messages: cache.messages(),
            cached_bytes: cache.bytes(),
            ..live.statistics.clone()
        }
    }

    /// Sends a message of one short frame.
    fn send_short(&self, stream: &str, frame: &[u8]) -> Result<u64> {
        let live = &mut *self.live();
        let (index, now, time) = live.open(stream)?;
        if let Some((place, lent)) = live.source.lend(index, frame) {
            if let Err(error) = publish_lent(&live.socket, &live.opening, lent) {
                live.source.withdraw(index, place);
                return Err(error);
            }
            return Ok(live.commit(now, index, time, Fresh::Lent(place)));
        }
        publish_short(&live.socket, &live.opening, frame)?;
        Ok(live.commit(now, index, time, Fresh::Frame(frame)))
    }

    fn send(&self, stream: &str, message: Multipart) -> Result<u64, (Error, Multipart)> {
        if message.metadata().is_empty() {
            return Err((Detail::EmptyMetadata.into(), message));
        }
        let live = &mut *self.live();
        let sent = live.open(stream).and_then(|opened| {
            send_parts(&live.socket, zmq::XPUB, &[&live.opening], &message)?;
            Ok(opened)
        });
        match sent {
            Ok((index, now, time)) => Ok(live.commit(now, index, time, Fresh::Message(message))),
            Err(error) => Err((error, message)),
        }
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.shared.live()
    }
}

impl Live {
    /// Writes the topic frame of the next message of a stream; returns its index, and the time by both clocks.
    fn open(&mut self, stream: &str) -> Result<(usize, Duration, u64)> {
        let index = self.source.stream(stream)?;
        let (now, time) = self.clock.now();
        let stamp = self.source.next_stamp(index, time);
        if self.opened == Some(index) {
            Header::renumber(stamp, &mut self.opening);
        } else {
            Header::Data(stamp).write_after(self.source.topic(index), &mut self.opening);
            self.opened = Some(index);
        }
        Ok((index, now, time))
    }

    /// Counts and keeps the message that was opened and sent; returns its number.
    fn commit(&mut self, now: Duration, index: usize, time: u64, message: Fresh<'_>) -> u64 {
        self.statistics.published += 1;
        self.source.commit(now, index, time, message)
    }

    /// Sends a heartbeat.
    pub(super) fn beat(&mut self, topic: &[u8], header: Header) -> Result<()> {
        self.opened = None;
        header.write_after(topic, &mut self.opening);
        send_front(&self.socket, zmq::XPUB, &[&self.opening])
    }
}

impl Shared {
    pub(super) fn new(socket: zmq::Socket, options: &PublisherOptions) -> Self {
        let clock = Clock::start();
        let epoch = options.epoch.unwrap_or_else(|| clock.now().1.max(1));
        let source = Source::new(epoch, options.heartbeat, options.max_streams, options.bounds);
        let (opening, statistics) = (Vec::new(), PublisherStatistics::default());
        let live = Live { socket, source, clock, opening, opened: None, statistics };
        Self { live: Mutex::new(live), stop: AtomicBool::new(false) }
    }

    pub(super) fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, recovery_endpoint, .. } = self;
        f.debug_struct("Publisher").field("endpoint", endpoint).field("recovery_endpoint", recovery_endpoint).finish()
    }
}
