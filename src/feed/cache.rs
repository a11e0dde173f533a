//! The publisher's cache: the newest messages of all streams, bounded by number, bytes and age.

use std::collections::VecDeque;
use std::time::Duration;

use crate::multipart::Multipart;

/// What the cache may hold. Where several bounds are met, the strictest holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Messages per stream.
    pub(crate) messages: usize,
    /// Bytes of all streams together.
    pub(crate) bytes: usize,
    pub(crate) age: Duration,
}

/// The messages of all streams, by the stream's index.
#[derive(Debug)]
pub(crate) struct Cache {
    bounds: Bounds,
    streams: Vec<Kept>,
    /// Stream and number of everything cached, oldest first, and of some that have left.
    order: VecDeque<(usize, u64)>,
    messages: usize,
    bytes: usize,
}

/// One stream: contiguous numbers from `first` on.
#[derive(Debug)]
struct Kept {
    first: u64,
    entries: VecDeque<Entry>,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) message: Multipart,
    /// The publisher's clock, for who receives it.
    pub(crate) time: u64,
    since: Duration,
    len: usize,
}

/// What an entry takes beside its frames: so that empty messages are not free.
const OVERHEAD: usize = 128;

impl Cache {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, streams: Vec::new(), order: VecDeque::new(), messages: 0, bytes: 0 }
    }

    /// Makes room for another stream.
    pub(crate) fn add_stream(&mut self) {
        self.streams.push(Kept { first: 1, entries: VecDeque::new() });
    }

    /// The oldest number that is there; one past the newest where none is.
    pub(crate) fn first(&self, stream: usize) -> u64 {
        self.streams[stream].first
    }

    pub(crate) fn find(&self, stream: usize, number: u64) -> Option<&Entry> {
        let kept = &self.streams[stream];
        kept.entries.get(usize::try_from(number.checked_sub(kept.first)?).ok()?)
    }

    /// Takes the next message of a stream in.
    pub(crate) fn push(&mut self, now: Duration, stream: usize, time: u64, message: Multipart) {
        let len = message.total_len().saturating_add(OVERHEAD);
        if self.bounds.messages == 0 || len > self.bounds.bytes {
            // a message that can never be kept ends what was kept before it: numbers are contiguous
            while self.drop_first(stream) {}
            self.streams[stream].first += 1;
            return;
        }
        while self.streams[stream].entries.len() >= self.bounds.messages {
            self.drop_first(stream);
        }
        let kept = &mut self.streams[stream];
        self.order.push_back((stream, kept.first + kept.entries.len() as u64));
        kept.entries.push_back(Entry { message, time, since: now, len });
        self.messages += 1;
        self.bytes += len;
        while self.bytes > self.bounds.bytes {
            self.drop_oldest();
        }
        self.expire(now);
    }

    /// Drops what is too old.
    pub(crate) fn expire(&mut self, now: Duration) {
        while let Some(&(stream, number)) = self.order.front() {
            match self.find(stream, number) {
                Some(entry) if now.saturating_sub(entry.since) < self.bounds.age => break,
                _ => self.drop_oldest(),
            }
        }
        if self.order.len() > 2 * self.messages + 64 {
            let streams = &self.streams;
            self.order.retain(|&(stream, number)| number >= streams[stream].first);
        }
    }

    pub(crate) fn messages(&self) -> usize {
        self.messages
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Drops the oldest message of all streams, or forgets one that had left already.
    fn drop_oldest(&mut self) {
        if let Some((stream, number)) = self.order.pop_front()
            && self.streams[stream].first == number
        {
            self.drop_first(stream);
        }
    }

    fn drop_first(&mut self, stream: usize) -> bool {
        let kept = &mut self.streams[stream];
        let Some(entry) = kept.entries.pop_front() else { return false };
        kept.first += 1;
        self.messages -= 1;
        self.bytes -= entry.len;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(messages: usize, bytes: usize, seconds: u64, streams: usize) -> Cache {
        let mut cache = Cache::new(Bounds { messages, bytes, age: Duration::from_secs(seconds) });
        (0..streams).for_each(|_| cache.add_stream());
        cache
    }

    fn message(len: usize) -> Multipart {
        Multipart::new(vec![0; len], vec![])
    }

    #[test]
    fn the_number_of_messages_is_bounded_per_stream() {
        let mut cache = cache(3, usize::MAX, 60, 2);
        for number in 1..=10_000 {
            cache.push(Duration::ZERO, 0, number, message(1));
        }
        cache.push(Duration::ZERO, 1, 1, message(1));
        assert_eq!((cache.first(0), cache.first(1), cache.messages()), (9_998, 1, 4));
        assert!(cache.find(0, 9_997).is_none() && cache.find(0, 10_001).is_none());
        assert_eq!(cache.find(0, 9_999).map(|entry| entry.time), Some(9_999));
        assert!(cache.order.len() < 100, "what has left is forgotten: {}", cache.order.len());
    }

    #[test]
    fn the_bytes_of_all_streams_are_bounded_and_the_oldest_leave_first() {
        let mut cache = cache(100, 5 * (1000 + OVERHEAD), 60, 2);
        for number in 1..=4 {
            cache.push(Duration::ZERO, 0, number, message(1000));
        }
        for number in 1..=4 {
            cache.push(Duration::ZERO, 1, number, message(1000));
        }
        assert_eq!((cache.first(0), cache.first(1), cache.messages()), (4, 1, 5));
        assert_eq!(cache.bytes(), 5 * (1000 + OVERHEAD));
    }

    #[test]
    fn a_message_longer_than_the_cache_empties_its_stream() {
        let mut cache = cache(100, 4000, 60, 1);
        cache.push(Duration::ZERO, 0, 1, message(10));
        cache.push(Duration::ZERO, 0, 2, message(5000));
        assert_eq!((cache.first(0), cache.messages(), cache.bytes()), (3, 0, 0));
        cache.push(Duration::ZERO, 0, 3, message(10));
        assert_eq!((cache.first(0), cache.messages()), (3, 1));
    }

    #[test]
    fn what_is_too_old_leaves() {
        let mut cache = cache(100, usize::MAX, 10, 1);
        cache.push(Duration::from_secs(1), 0, 1, message(1));
        cache.push(Duration::from_secs(5), 0, 2, message(1));
        cache.expire(Duration::from_secs(11));
        assert_eq!(cache.first(0), 2);
        cache.expire(Duration::from_secs(100));
        assert_eq!((cache.first(0), cache.messages(), cache.bytes()), (3, 0, 0));
    }
}
