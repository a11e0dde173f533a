//! The publisher's state: streams, their numbers, the cache, and which heartbeats are due. No socket and no clock.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::cache::{Bounds, Cache, Fresh, Place};
use super::calls::Calls;
use super::header::{Header, Stamp};
use super::name;
use crate::error::{Detail, Result};
use crate::frame::Shared;
use crate::multipart::Multipart;

/// All streams of one start of a publisher.
#[derive(Debug)]
pub(crate) struct Source {
    epoch: u64,
    heartbeat: Duration,
    max_streams: usize,
    names: HashMap<Box<str>, usize>,
    topics: BTreeMap<Arc<[u8]>, usize>,
    streams: Vec<Stream>,
    cache: Cache,
    /// Who has come, and when the next of them are told of their streams.
    calls: Calls,
    call_at: Duration,
    /// The stream that was asked for last, which is often the next one too.
    recent: usize,
    /// Where the search for due heartbeats goes on, and not before when.
    turn: usize,
    beat_at: Duration,
}

#[derive(Debug)]
struct Stream {
    topic: Arc<[u8]>,
    last: u64,
    /// When something was last sent on it.
    spoke: Duration,
    /// A subscriber has come: speak at once.
    called: bool,
}

/// How often heartbeats are looked for.
const TICK: Duration = Duration::from_millis(20);

/// Between two slices of heartbeats, where more are due. Heartbeats of all streams at once would be more than a subscriber's
/// high-water mark has room for, and those of the last streams be dropped each time.
const SHORTEST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(1);

/// How many streams are told at a time that somebody waits for them.
const VISITS: usize = 4096;

/// How much is made up for when slices come late.
const CATCH_UP: Duration = Duration::from_millis(4);

impl Source {
    /// A publisher that begins now. No two starts may have the same epoch, and none 0.
    pub(crate) fn new(epoch: u64, heartbeat: Duration, max_streams: usize, bounds: Bounds) -> Self {
        Self {
            epoch,
            heartbeat,
            max_streams,
            names: HashMap::new(),
            topics: BTreeMap::new(),
            streams: Vec::new(),
            cache: Cache::new(bounds),
            calls: Calls::default(),
            call_at: Duration::ZERO,
            recent: 0,
            turn: 0,
            beat_at: Duration::ZERO,
        }
    }

    /// The index of a stream, which begins with this call where it has not begun.
    pub(crate) fn stream(&mut self, name: &str) -> Result<usize> {
        let is_recent = |stream: &Stream| matches!(&*stream.topic, [recent @ .., _] if recent == name.as_bytes());
        if self.streams.get(self.recent).is_some_and(is_recent) {
            return Ok(self.recent);
        }
        if let Some(&index) = self.names.get(name) {
            self.recent = index;
            return Ok(index);
        }
        let topic: Arc<[u8]> = name::topic(name)?.into();
        if self.streams.len() >= self.max_streams {
            return Err(Detail::TooManyStreams { limit: self.max_streams }.into());
        }
        let index = self.streams.len();
        self.topics.insert(topic.clone(), index);
        self.streams.push(Stream { topic, last: 0, spoke: Duration::ZERO, called: true });
        self.cache.add_stream();
        self.names.insert(name.into(), index);
        Ok(index)
    }

    /// The index of a stream that has begun.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    pub(crate) fn topic(&self, stream: usize) -> &Arc<[u8]> {
        &self.streams[stream].topic
    }

    /// The stamp of the message that [`commit`](Self::commit) comes with next.
    pub(crate) fn next_stamp(&self, stream: usize, time: u64) -> Stamp {
        Stamp { epoch: self.epoch, number: self.streams[stream].last + 1, time }
    }

    /// Counts and keeps a message that was sent with [`next_stamp`](Self::next_stamp).
    pub(crate) fn commit(&mut self, now: Duration, stream: usize, time: u64, message: Fresh<'_>) -> u64 {
        let Stream { last, spoke, called, .. } = &mut self.streams[stream];
        *last += 1;
        (*spoke, *called) = (now, false);
        let number = *last;
        self.cache.push(now, stream, time, message);
        number
    }

    /// Lends a message of one frame from the cache before it is sent, where that is worth it.
    #[inline]
    pub(crate) fn lend(&mut self, stream: usize, frame: &[u8]) -> Option<(Place, Shared)> {
        self.cache.lend(stream, frame)
    }

    /// Gives up what was lent and could not be sent.
    pub(crate) fn withdraw(&mut self, stream: usize, place: Place) {
        self.cache.withdraw(stream, place);
    }

    /// A subscription to `prefix` has arrived: whoever waits there hears a heartbeat of every stream soon.
    pub(crate) fn call(&mut self, prefix: &[u8]) {
        self.calls.push(prefix);
    }

    /// Has up to so many streams speak soon that somebody waits for. `true` where there are more.
    fn answer_calls(&mut self, now: Duration, most: usize) -> bool {
        if !self.calls.is_walking() && now >= self.call_at {
            // not more often, or whoever subscribes all the time has all streams visited all the time
            self.call_at = now + TICK;
            self.calls.begin();
        }
        let streams = &mut self.streams;
        self.calls.visit(&self.topics, most, |stream| streams[stream].called = true);
        self.calls.is_walking()
    }

    /// A slice of up to `most` heartbeats that are due now, as topic and header. Where that is not all of them, the next slice
    /// comes so soon that each stream is heard twice as often as it has to be.
    pub(crate) fn heartbeats(&mut self, now: Duration, time: u64, most: usize) -> Vec<(Arc<[u8]>, Header)> {
        let mut due = Vec::new();
        if now < self.beat_at {
            return due;
        }
        let is_calling = self.answer_calls(now, VISITS);
        for _ in 0..self.streams.len() {
            if due.len() == most {
                break;
            }
            self.turn = (self.turn + 1) % self.streams.len();
            let stream = &mut self.streams[self.turn];
            if stream.called || now.saturating_sub(stream.spoke) >= self.heartbeat {
                (stream.spoke, stream.called) = (now, false);
                let topic = stream.topic.clone();
                due.push((topic, self.heartbeat_of(self.turn, time)));
            }
        }
        self.beat_at = if due.len() < most {
            now + if is_calling { LONGEST_PAUSE } else { TICK }
        } else {
            let streams = u32::try_from(self.streams.len()).unwrap_or(u32::MAX).max(1);
            let pause = (self.heartbeat / 2 / streams).saturating_mul(u32::try_from(most).unwrap_or(u32::MAX));
            self.beat_at.max(now.saturating_sub(CATCH_UP)) + pause.clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
        };
        due
    }

    /// When [`heartbeats`](Self::heartbeats) has something next, at the soonest.
    pub(crate) fn beat_at(&self) -> Duration {
        self.beat_at
    }

    /// Heartbeats of all streams, for the end.
    pub(crate) fn farewell(&self, time: u64) -> Vec<(Arc<[u8]>, Header)> {
        let all = self.streams.iter().enumerate();
        all.map(|(index, stream)| (stream.topic.clone(), self.heartbeat_of(index, time))).collect()
    }

    fn heartbeat_of(&self, stream: usize, time: u64) -> Header {
        let stamp = Stamp { epoch: self.epoch, number: self.streams[stream].last, time };
        Header::Heartbeat { stamp, first: self.cache.first(stream) }
    }

    /// The number of the newest message of a stream.
    pub(crate) fn last(&self, stream: usize) -> u64 {
        self.streams[stream].last
    }

    /// The number of the oldest message that can be recovered.
    pub(crate) fn first(&self, stream: usize) -> u64 {
        self.cache.first(stream)
    }

    pub(crate) fn cached(&self, stream: usize, number: u64) -> Option<(u64, Multipart)> {
        self.cache.find(stream, number)
    }

    /// Drops from the cache what is too old.
    pub(crate) fn expire(&mut self, now: Duration) {
        self.cache.expire(now);
        self.cache.free_away();
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(crate) fn streams(&self) -> usize {
        self.streams.len()
    }

    pub(crate) fn cache(&self) -> &Cache {
        &self.cache
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::buffer::Buffer;

    fn source() -> Source {
        let bounds = Bounds { messages: 2, bytes: 1 << 20, age: Duration::from_secs(60) };
        Source::new(7, Duration::from_secs(1), 2, bounds)
    }

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn numbers_begin_at_1_and_have_no_holes() {
        let mut source = source();
        let stream = source.stream("a").unwrap();
        for number in 1..=5 {
            assert_eq!(source.next_stamp(stream, 9), Stamp { epoch: 7, number, time: 9 });
            assert_eq!(source.commit(at(0), stream, 9, Fresh::Frame(b"x")), number);
        }
        assert_eq!((source.first(stream), source.last(stream)), (4, 5));
        assert_eq!(source.stream("a").unwrap(), stream);
    }

    /// A message whose owner does not let go of it in peace.
    fn panicking() -> Fresh<'static> {
        struct Panics;
        impl AsRef<[u8]> for Panics {
            fn as_ref(&self) -> &[u8] {
                b"owned"
            }
        }
        impl Drop for Panics {
            fn drop(&mut self) {
                panic!("an owner that panics");
            }
        }
        Fresh::Message(Multipart::new(&b"1"[..], vec![Buffer::from_owner(Panics)]))
    }

    #[test]
    fn a_number_is_used_once_though_an_owner_panics_whose_message_leaves() {
        for (why, messages, len, millis) in
            [("number", 2, 1, 0), ("bytes", 10, 1 << 20, 0), ("length", 10, 2 << 20, 0), ("age", 10, 1, 70_000)]
        {
            let bounds = Bounds { messages, bytes: (1 << 20) + 300, age: Duration::from_secs(60) };
            let mut source = Source::new(7, Duration::from_secs(1), 2, bounds);
            let stream = source.stream("a").unwrap();
            source.commit(at(0), stream, 0, panicking());
            source.commit(at(0), stream, 0, Fresh::Frame(b"2"));
            let third = vec![3; len];
            let unwound = catch_unwind(AssertUnwindSafe(|| source.commit(at(millis), stream, 0, Fresh::Frame(&third))));
            assert!(unwound.is_err(), "{why}: nothing has left");
            assert_eq!(source.next_stamp(stream, 0).number, 4, "{why}");
            assert_eq!(source.commit(at(70_001), stream, 4, Fresh::Frame(b"4")), 4);
            let found = source.cached(stream, 4).map(|(time, message)| (time, message.metadata().clone()));
            assert_eq!(found, Some((4, "4".into())), "{why}");
            assert!(source.cached(stream, 2).is_none(), "{why}");
        }
    }

    #[test]
    fn a_heartbeat_is_due_when_a_stream_was_silent_for_the_interval_or_somebody_came() {
        let mut source = source();
        let (a, _b) = (source.stream("a").unwrap(), source.stream("b").unwrap());
        assert_eq!(source.heartbeats(at(0), 0, 10).len(), 2, "a stream that begins says so");
        source.commit(at(600), a, 0, Fresh::Frame(b"x"));
        let due = source.heartbeats(at(1000), 5, 10);
        let stamp = Stamp { epoch: 7, number: 0, time: 5 };
        assert_eq!(due, [(b"b\0"[..].into(), Header::Heartbeat { stamp, first: 1 })]);
        assert_eq!(source.heartbeats(at(1100), 0, 10), []);
        source.call(b"a");
        let due = source.heartbeats(at(1120), 5, 10);
        let stamp = Stamp { epoch: 7, number: 1, time: 5 };
        assert_eq!(due, [(b"a\0"[..].into(), Header::Heartbeat { stamp, first: 1 })]);
    }

    #[test]
    fn heartbeats_come_in_slices_and_none_is_left_out() {
        let mut source = source();
        let (_a, _b) = (source.stream("a").unwrap(), source.stream("b").unwrap());
        let slices = [at(0), at(1)].map(|now| source.heartbeats(now, 0, 1));
        assert_eq!(slices.each_ref().map(Vec::len), [1, 1]);
        let mut topics: Vec<_> = slices.into_iter().flatten().map(|(topic, _)| topic).collect();
        topics.sort();
        assert_eq!(topics, [b"a\0"[..].into(), b"b\0"[..].into()]);
    }

    #[test]
    fn however_many_streams_are_idle_each_has_its_heartbeats_and_they_are_spread() {
        for streams in [10, 1600, 16_384, 65_536] {
            let bounds = Bounds { messages: 1, bytes: 1, age: Duration::MAX };
            let mut source = Source::new(1, Duration::from_millis(500), streams, bounds);
            for index in 0..streams {
                source.stream(&index.to_string()).unwrap();
            }
            let (mut heard, mut longest) = (vec![Duration::ZERO; streams], Duration::ZERO);
            for millis in 0..3000 {
                // as the publisher's thread does: slices while they are due, and else it sleeps for milliseconds
                let mut burst = 0;
                while source.beat_at() <= at(millis) {
                    for (topic, _) in source.heartbeats(at(millis), 0, 64) {
                        let index: usize = std::str::from_utf8(&topic[..topic.len() - 1]).unwrap().parse().unwrap();
                        longest = longest.max(at(millis) - heard[index]);
                        heard[index] = at(millis);
                        burst += 1;
                    }
                }
                assert!(burst <= 64 + streams / 200, "{burst} heartbeats of {streams} streams at once");
            }
            assert!(longest <= at(550), "of {streams} streams one was silent for {longest:?}");
            assert!(heard.iter().all(|&heard| heard > at(2400)), "{streams}");
        }
    }

    #[test]
    fn the_number_of_streams_is_bounded() {
        let mut source = source();
        source.stream("a").unwrap();
        source.stream("b").unwrap();
        assert!(source.stream("c").unwrap_err().to_string().contains("the limit of 2"));
        assert_eq!(source.stream("b").unwrap(), 1);
    }
}
