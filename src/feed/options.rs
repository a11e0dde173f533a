//! Options of publishers and subscribers.

use std::time::Duration;

use super::cache::Bounds;
use super::desk::Grants;
use super::room::{Room, Rules};
use super::start::Start;

/// Options of a [`Publisher`](super::Publisher).
///
/// | option | default | |
/// |---|---|---|
/// | [`heartbeat`](Self::heartbeat) | 500 ms | a stream that is silent so long says its last number |
/// | [`cache_messages`](Self::cache_messages) | 10 000 | messages kept for recovery, per stream |
/// | [`cache_bytes`](Self::cache_bytes) | 256 MiB | bytes kept for recovery, all streams together |
/// | [`cache_age`](Self::cache_age) | 10 minutes | for how long a message is kept |
/// | [`max_streams`](Self::max_streams) | 65 536 | streams |
/// | [`high_water_mark`](Self::high_water_mark) | 1 000 | messages that wait for each subscriber, before they are dropped for it |
/// | [`linger`](Self::linger) | 1 s | how long closing waits for messages to leave |
/// | [`epoch`](Self::epoch) | the time | names this start of the publisher |
#[derive(Clone, Debug)]
pub struct PublisherOptions {
    pub(super) heartbeat: Duration,
    pub(super) bounds: Bounds,
    pub(super) grants: Grants,
    pub(super) max_streams: usize,
    pub(super) high_water_mark: i32,
    pub(super) linger: Duration,
    pub(super) epoch: Option<u64>,
}

impl Default for PublisherOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl PublisherOptions {
    /// The defaults.
    pub const fn new() -> Self {
        Self {
            heartbeat: Duration::from_millis(500),
            bounds: Bounds { messages: 10_000, bytes: 256 << 20, age: Duration::from_secs(600) },
            grants: Grants { requests: 4096, requests_of_peer: 32, messages: 1024, bytes: 16 << 20 },
            max_streams: 1 << 16,
            high_water_mark: 1000,
            linger: Duration::from_secs(1),
            epoch: None,
        }
    }

    /// A stream that is silent for this long tells its last number. Subscribers notice lost messages at the end of a burst
    /// this late.
    pub const fn heartbeat(mut self, interval: Duration) -> Self {
        self.heartbeat = interval;
        self
    }

    /// The most messages of one stream that are kept for recovery.
    pub const fn cache_messages(mut self, messages: usize) -> Self {
        self.bounds.messages = messages;
        self
    }

    /// The most bytes that are kept for recovery, of all streams together, with 128 for each message itself. Buffers are
    /// shared, not copied; one that is a small part of a large allocation keeps all of that alive.
    pub const fn cache_bytes(mut self, bytes: usize) -> Self {
        self.bounds.bytes = bytes;
        self
    }

    /// For how long a message is kept for recovery.
    pub const fn cache_age(mut self, age: Duration) -> Self {
        self.bounds.age = age;
        self
    }

    /// The most streams. Each idle one costs two heartbeats a second by default: of tens of thousands these want a higher
    /// [`high_water_mark`](Self::high_water_mark), here and at subscribers.
    pub const fn max_streams(mut self, streams: usize) -> Self {
        self.max_streams = streams;
        self
    }

    /// `ZMQ_SNDHWM`: the messages that wait for a subscriber that does not read, before further ones are dropped for it.
    /// They are kept as long as they wait, whatever the bounds of the cache: a subscriber that does not read costs this many
    /// times the size of a message.
    pub const fn high_water_mark(mut self, messages: i32) -> Self {
        self.high_water_mark = messages;
        self
    }

    /// `ZMQ_LINGER`: how long closing waits for messages to leave.
    pub const fn linger(mut self, time: Duration) -> Self {
        self.linger = time;
        self
    }

    /// Names this start of the publisher, instead of the time in microseconds since 1970: for who has no clock that goes on
    /// over restarts. Every start needs a higher one than the start before, and none is 0.
    pub const fn epoch(mut self, epoch: u64) -> Self {
        self.epoch = if epoch == 0 { None } else { Some(epoch) };
        self
    }
}

/// Options of a [`Subscriber`](super::Subscriber).
///
/// | option | default | |
/// |---|---|---|
/// | [`start`](Self::start) | [`Start::Now`] | where streams begin |
/// | [`conflate`](Self::conflate) | no | only the newest message of each stream |
/// | [`stale_after`](Self::stale_after) | 3 s | silence before a `Stale` event |
/// | [`recovery_timeout`](Self::recovery_timeout) | 500 ms | how long the first request may go unanswered, later ones up to 4 times that |
/// | [`recovery_attempts`](Self::recovery_attempts) | 5 | requests in a row that bring nothing, before a gap is reported |
/// | [`credit_messages`](Self::credit_messages) | 512 | messages in answer to one request |
/// | [`credit_bytes`](Self::credit_bytes) | 4 MiB | bytes in answer to one request, but at least one message |
/// | [`pending_messages`](Self::pending_messages) | 10 000 | messages that came before their turn, all streams together |
/// | [`pending_bytes`](Self::pending_bytes) | 256 MiB | bytes of these |
/// | [`max_streams`](Self::max_streams) | 16 384 | streams that are followed |
/// | [`high_water_mark`](Self::high_water_mark) | 1 000 | messages that wait to be received, before further ones are dropped |
#[derive(Clone, Debug)]
pub struct SubscriberOptions {
    pub(super) start: Start,
    pub(super) rules: Rules,
    pub(super) pending_messages: usize,
    pub(super) pending_bytes: usize,
    pub(super) high_water_mark: i32,
}

impl Default for SubscriberOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl SubscriberOptions {
    /// The defaults.
    pub const fn new() -> Self {
        let rules = Rules {
            conflate: false,
            timeout: Duration::from_millis(500),
            attempts: 5,
            stale_after: Duration::from_secs(3),
            credit_messages: 512,
            credit_bytes: 4 << 20,
            requests: 4,
            max_streams: 1 << 14,
        };
        Self { start: Start::Now, rules, pending_messages: 10_000, pending_bytes: 256 << 20, high_water_mark: 1000 }
    }

    /// Where streams begin that are subscribed to without saying so.
    pub const fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Delivers only the newest message of each stream: for who wants the present state and may be slow. What is left out
    /// is counted in [`Event::Data`](super::Event::Data).
    pub const fn conflate(mut self) -> Self {
        self.rules.conflate = true;
        self
    }

    /// How long a stream may be silent. Should be several heartbeats of the publisher.
    pub const fn stale_after(mut self, silence: Duration) -> Self {
        self.rules.stale_after = silence;
        self
    }

    /// How long a request may go without any part of its answer.
    pub const fn recovery_timeout(mut self, timeout: Duration) -> Self {
        self.rules.timeout = timeout;
        self
    }

    /// How many requests in a row may bring nothing before a gap is reported; at least 1.
    pub const fn recovery_attempts(mut self, attempts: u32) -> Self {
        self.rules.attempts = if attempts == 0 { 1 } else { attempts };
        self
    }

    /// The most messages in answer to one request.
    pub const fn credit_messages(mut self, messages: u64) -> Self {
        self.rules.credit_messages = messages;
        self
    }

    /// The most bytes in answer to one request. A longer message comes alone.
    pub const fn credit_bytes(mut self, bytes: u64) -> Self {
        self.rules.credit_bytes = bytes;
        self
    }

    /// The most messages that wait for others to be recovered, of all streams together. Further ones are dropped, and
    /// recovered when their turn comes.
    pub const fn pending_messages(mut self, messages: usize) -> Self {
        self.pending_messages = messages;
        self
    }

    /// The most bytes that wait for others to be recovered, of all streams together.
    pub const fn pending_bytes(mut self, bytes: usize) -> Self {
        self.pending_bytes = bytes;
        self
    }

    /// The most streams that are followed. Where there are more, one that was stale makes room, or else the new one
    /// is reported as `Malformed` and dropped. Of as many streams that made room it is remembered where they were, and there they
    /// go on; one that is forgotten as well begins anew.
    pub const fn max_streams(mut self, streams: usize) -> Self {
        self.rules.max_streams = streams;
        self
    }

    /// `ZMQ_RCVHWM`: messages that wait to be received, before libzmq stops reading, and then the publisher drops.
    pub const fn high_water_mark(mut self, messages: i32) -> Self {
        self.high_water_mark = messages;
        self
    }

    pub(super) fn room(&self) -> Room {
        Room::new(self.pending_messages, self.pending_bytes)
    }
}
