//! The publisher's cache: the newest messages of all streams, bounded by number, bytes and age.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::away::Away;
pub(crate) use super::log::Place;
use super::log::{Log, SHORT};
use super::queue::Queue;
use crate::frame::Shared;
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

impl Bounds {
    /// Whether a message of so many bytes may be kept at all.
    fn have_room_for(&self, len: usize) -> bool {
        self.messages > 0 && len.saturating_add(OVERHEAD) <= self.bytes
    }
}

/// The messages of all streams, by the stream's index.
#[derive(Debug)]
pub(crate) struct Cache {
    bounds: Bounds,
    streams: Vec<Kept>,
    /// Everything cached, oldest first, and some that has left.
    order: VecDeque<Run>,
    messages: usize,
    bytes: usize,
    /// What has left and is still lent.
    away: Away,
    /// Nothing is too old before.
    expire_at: Duration,
}

/// One stream: contiguous numbers from `first` on.
#[derive(Debug)]
struct Kept {
    first: u64,
    entries: Queue<Entry>,
    /// The messages of one short frame.
    log: Log,
}

/// Numbers of a stream that came after each other and after those of no other stream.
#[derive(Clone, Copy, Debug)]
struct Run {
    stream: usize,
    from: u64,
    to: u64,
}

/// Half of what a processor fetches at a time: of many short messages the entries are a good part of what a cache writes.
#[derive(Debug)]
struct Entry {
    content: Content,
    time: u64,
    /// Nanoseconds.
    since: u64,
}

#[derive(Debug)]
enum Content {
    Logged(Place),
    Whole(Box<Multipart>),
}

/// A message for the cache.
#[derive(Debug)]
pub(crate) enum Fresh<'m> {
    /// One frame, in memory of the caller's.
    Frame(&'m [u8]),
    /// One frame that [`Cache::lend`] has written.
    Lent(Place),
    Message(Multipart),
}

impl Entry {
    fn len(&self) -> usize {
        let len = match &self.content {
            Content::Logged(place) => place.len(),
            Content::Whole(message) => message.total_len(),
        };
        len.saturating_add(OVERHEAD)
    }

    fn since(&self) -> Duration {
        Duration::from_nanos(self.since)
    }
}

/// Whether a frame is copied into the cache, rather than shared with it.
pub(crate) fn is_short(frame: &[u8]) -> bool {
    (1..=SHORT).contains(&frame.len())
}

/// From so many bytes on a frame is written into the cache before it is sent, and lent from there. A shorter one is copied into libzmq's
/// memory as well, which up to 120 bytes takes no lock of the allocator's.
const LENT_FROM: usize = 200;

/// Blocks that have left and are still lent may be one part in so many of the bytes that are cached, or nothing more is lent: what is
/// in the cache by then may still follow them.
const AWAY: usize = 16;

/// What an entry takes beside its frames: so that empty messages are not free.
const OVERHEAD: usize = 128;

impl Cache {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            streams: Vec::new(),
            order: VecDeque::new(),
            messages: 0,
            bytes: 0,
            away: Away::default(),
            expire_at: Duration::ZERO,
        }
    }

    /// Makes room for another stream.
    pub(crate) fn add_stream(&mut self) {
        self.streams.push(Kept { first: 1, entries: Queue::new(), log: Log::default() });
    }

    /// The oldest number that is there; one past the newest where none is.
    pub(crate) fn first(&self, stream: usize) -> u64 {
        self.streams[stream].first
    }

    /// A message, and when it was published by the publisher's clock.
    pub(crate) fn find(&self, stream: usize, number: u64) -> Option<(u64, Multipart)> {
        let entry = self.entry(stream, number)?;
        let message = match &entry.content {
            Content::Logged(place) => {
                Multipart::new(Bytes::copy_from_slice(self.streams[stream].log.text(*place)), Vec::new())
            }
            Content::Whole(message) => Multipart::clone(message),
        };
        Some((entry.time, message))
    }

    /// Takes the next message of a stream in. It is there, and counted, before anything that leaves for it is dropped: a `Drop` of the
    /// caller's may panic.
    #[inline]
    pub(crate) fn push(&mut self, now: Duration, stream: usize, time: u64, message: Fresh<'_>) {
        match message {
            Fresh::Frame(frame) if is_short(frame) => self.push_short(now, stream, time, frame),
            Fresh::Message(message) if message.buffers().is_empty() && is_short(message.metadata()) => {
                self.push_short(now, stream, time, message.metadata());
            }
            Fresh::Lent(place) => {
                self.streams[stream].log.keep(place);
                self.keep(now, stream, time, Content::Logged(place), place.len());
            }
            Fresh::Frame(frame) => self.push_whole(now, stream, time, Multipart::new(frame.to_vec(), Vec::new())),
            Fresh::Message(message) => self.push_whole(now, stream, time, message),
        }
        self.expire(now);
    }

    /// Writes the next message of a stream, one frame, to where [`push`](Self::push) takes it in, and lends it; `None` for one that is to
    /// be copied.
    #[inline]
    pub(crate) fn lend(&mut self, stream: usize, frame: &[u8]) -> Option<(Place, Shared)> {
        let (len, log) = (frame.len(), &mut self.streams[stream].log);
        let is_lent = (LENT_FROM..=SHORT).contains(&len) && self.bounds.have_room_for(len) && !log.is_wasteful();
        if !is_lent || !self.away.is_within(self.bounds.bytes / AWAY) {
            return None;
        }
        let place = log.write(frame);
        Some((place, log.lend(place)?))
    }

    /// Gives up what was lent last, which is not taken in.
    pub(crate) fn withdraw(&mut self, stream: usize, place: Place) {
        self.streams[stream].log.withdraw(place);
    }

    fn push_short(&mut self, now: Duration, stream: usize, time: u64, frame: &[u8]) {
        if self.has_room(stream, frame.len()) {
            let content = Content::Logged(self.streams[stream].log.push(frame));
            self.keep(now, stream, time, content, frame.len());
        }
    }

    fn push_whole(&mut self, now: Duration, stream: usize, time: u64, message: Multipart) {
        let len = message.total_len();
        if self.has_room(stream, len) {
            self.keep(now, stream, time, Content::Whole(Box::new(message)), len);
        }
    }

    /// Whether the cache may keep the next message of a stream. One that it never can ends what was kept before it: numbers are contiguous.
    fn has_room(&mut self, stream: usize, len: usize) -> bool {
        let has_room = self.bounds.have_room_for(len);
        if !has_room {
            let left: Vec<_> = std::iter::from_fn(|| self.take_first(stream)).collect();
            self.streams[stream].first += 1;
            drop(left);
        }
        has_room
    }

    fn keep(&mut self, now: Duration, stream: usize, time: u64, content: Content, len: usize) {
        let is_full = self.streams[stream].entries.len() >= self.bounds.messages;
        let left = if is_full { self.take_first(stream) } else { None };
        let kept = &mut self.streams[stream];
        let number = kept.first + kept.entries.len() as u64;
        kept.entries.push_back(Entry { content, time, since: now.as_nanos() as u64 });
        self.messages += 1;
        self.bytes += len + OVERHEAD;
        match self.order.back_mut() {
            Some(run) if run.stream == stream && run.to + 1 == number => run.to = number,
            _ => {
                self.order.push_back(Run { stream, from: number, to: number });
                self.forget_runs();
            }
        }
        drop(left);
        while self.bytes > self.bounds.bytes {
            self.drop_oldest();
        }
    }

    /// Drops what is too old.
    #[inline]
    pub(crate) fn expire(&mut self, now: Duration) {
        if now >= self.expire_at {
            self.drop_old(now);
        }
    }

    fn drop_old(&mut self, now: Duration) {
        // what comes later leaves later
        let mut expire_at = now.saturating_add(self.bounds.age);
        while let Some(run) = self.order.front() {
            let oldest = run.from.max(self.first(run.stream));
            // past the end of a run that has left there may be a later one of the same stream
            match self.entry(run.stream, oldest).filter(|_| oldest <= run.to) {
                Some(entry) if now.saturating_sub(entry.since()) < self.bounds.age => {
                    expire_at = entry.since().saturating_add(self.bounds.age);
                    break;
                }
                _ => self.drop_oldest(),
            }
        }
        self.expire_at = expire_at;
        self.forget_runs();
    }

    /// Frees some of what has left and is lent no longer.
    pub(crate) fn free_away(&mut self) {
        self.away.look_at_many();
    }

    /// Forgets runs that have left, where these are many.
    fn forget_runs(&mut self) {
        if self.order.len() > 2 * self.messages + 64 {
            let streams = &self.streams;
            self.order.retain(|run| run.to >= streams[run.stream].first);
        }
    }

    pub(crate) fn messages(&self) -> usize {
        self.messages
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn entry(&self, stream: usize, number: u64) -> Option<&Entry> {
        let kept = &self.streams[stream];
        kept.entries.get(usize::try_from(number.checked_sub(kept.first)?).ok()?)
    }

    /// Drops the oldest message of all streams, or forgets a run that had left already.
    fn drop_oldest(&mut self) {
        let Some(run) = self.order.front_mut() else { return };
        let (stream, oldest) = (run.stream, run.from.max(self.streams[run.stream].first));
        run.from = oldest + 1;
        let (is_left, is_over) = (oldest > run.to, oldest >= run.to);
        if is_over {
            self.order.pop_front();
        }
        if !is_left {
            drop(self.take_first(stream));
        }
    }

    /// Takes the oldest message of a stream out, to be dropped when all counts are right.
    fn take_first(&mut self, stream: usize) -> Option<Entry> {
        let kept = &mut self.streams[stream];
        let entry = kept.entries.pop_front()?;
        self.bytes -= entry.len();
        if let Content::Logged(place) = entry.content
            && let Some(page) = kept.log.pop(place)
        {
            self.away.push(page);
        }
        kept.first += 1;
        self.messages -= 1;
        Some(entry)
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

    fn message(len: usize) -> Fresh<'static> {
        Fresh::Message(Multipart::new(vec![0; len], vec![]))
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
        assert_eq!(cache.find(0, 9_999).map(|(time, _)| time), Some(9_999));
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
    fn a_stream_that_has_had_its_burst_takes_no_more_than_what_is_left_of_it() {
        let mut cache = cache(10_000, 10_000 * OVERHEAD, 60, 100);
        for stream in 0..100 {
            for number in 1..=10_000 {
                cache.push(Duration::ZERO, stream, number, message(0));
            }
        }
        let places: usize = cache.streams.iter().map(|kept| kept.entries.capacity()).sum();
        assert!(places < 4 * 10_000, "{places} places for {} messages", cache.messages());
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

    #[test]
    fn what_is_too_old_leaves_beside_a_stream_whose_messages_leave_sooner() {
        let mut cache = cache(2, usize::MAX, 10, 2);
        for stream in [0, 0, 1] {
            cache.push(Duration::ZERO, stream, 0, message(1));
        }
        for _ in 0..2 {
            cache.push(Duration::from_secs(9), 0, 9, message(1));
        }
        cache.expire(Duration::from_secs(11));
        assert_eq!((cache.first(0), cache.first(1), cache.messages()), (3, 2, 2));
    }

    #[test]
    fn a_text_that_was_lent_is_found_like_any_other() {
        let mut cache = cache(3, usize::MAX, 60, 1);
        for number in 1..=100_u64 {
            let text = vec![number as u8; 1000 + number as usize];
            let (place, lent) = cache.lend(0, &text).expect("it is short and there is room");
            cache.push(Duration::ZERO, 0, number, Fresh::Lent(place));
            let found = cache.find(0, number).map(|(_, message)| message.metadata().clone());
            assert_eq!((&lent[..], found.as_deref()), (&text[..], Some(&text[..])));
        }
        assert_eq!((cache.first(0), cache.messages()), (98, 3));
        assert_eq!(cache.bytes(), 3 * (1099 + OVERHEAD));
    }

    #[test]
    fn nothing_is_lent_that_the_cache_does_not_keep() {
        for (messages, bytes, len) in
            [(0, usize::MAX, 1000), (3, 1000, 1000), (3, usize::MAX, SHORT + 1), (3, usize::MAX, 0)]
        {
            let mut cache = cache(messages, bytes, 60, 1);
            let frame = vec![0; len];
            assert!(cache.lend(0, &frame).is_none(), "{len} in {bytes}");
            // it is counted once, and only where it is published
            assert_eq!(cache.first(0), 1);
            cache.push(Duration::ZERO, 0, 1, Fresh::Frame(&frame));
            assert_eq!(cache.first(0) + cache.messages() as u64, 2, "{len} in {bytes}");
        }
    }

    #[test]
    fn what_nobody_lets_go_of_is_bounded() {
        // the longest texts, a block each, and somebody who keeps one of each block
        let bytes = 1 << 20;
        let (mut cache, mut kept) = (cache(usize::MAX, bytes, 60, 1), Vec::new());
        for number in 1..=10_000 {
            let text = [number as u8; SHORT];
            match cache.lend(0, &text) {
                Some((place, lent)) => {
                    cache.push(Duration::ZERO, 0, number, Fresh::Lent(place));
                    if number % 7 == 0 {
                        kept.push((number, lent));
                    }
                }
                None => cache.push(Duration::ZERO, 0, number, Fresh::Frame(&text)),
            }
        }
        assert!(kept.iter().all(|(number, lent)| lent[..] == [*number as u8; SHORT]));
        let away = cache.away.bytes();
        assert!((bytes / AWAY..=bytes + bytes / 4).contains(&away), "{away} bytes are away");
        kept.clear();
        (0..1000).for_each(|_| cache.free_away());
        assert_eq!(cache.away.bytes(), 0);
        assert!(cache.lend(0, &[0; SHORT]).is_some(), "it lends again");
    }
}
