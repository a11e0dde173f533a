//! What was counted.

/// What a subscriber has counted on one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamStatistics {
    /// Messages handed over.
    pub delivered: u64,
    /// The bytes of these.
    pub bytes: u64,
    /// Messages that arrived as they were published.
    pub live: u64,
    /// Messages that arrived from the publisher's cache.
    pub recovered: u64,
    /// Messages that were here before.
    pub duplicates: u64,
    /// Frames of an epoch that is over, or that nobody asked for.
    pub late: u64,
    /// Heartbeats.
    pub heartbeats: u64,
    /// Requests for what is missing.
    pub requests: u64,
    /// `Gap` events.
    pub gaps: u64,
    /// Messages reported in these.
    pub lost: u64,
    /// Messages left out because a newer one was there: only in the conflating mode.
    pub skipped: u64,
    /// Messages that found no room to wait in. They are asked for again.
    pub overflowed: u64,
    /// `Reset` events.
    pub resets: u64,
    /// `Stale` events.
    pub stale: u64,
    /// The highest number that was heard of.
    pub last: u64,
    /// Messages that wait for others now.
    pub pending: usize,
}

/// What a publisher has counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublisherStatistics {
    /// Streams that have begun.
    pub streams: usize,
    /// Messages published.
    pub published: u64,
    /// Messages in the cache now.
    pub cached_messages: usize,
    /// Bytes in the cache now, with 128 for each message itself.
    pub cached_bytes: usize,
    /// Heartbeats sent.
    pub heartbeats: u64,
    /// Requests for what is missing.
    pub requests: u64,
    /// Messages sent in answer to these.
    pub recovered: u64,
    /// Requests that were refused because too many wait, or that made no sense.
    pub refused: u64,
}
