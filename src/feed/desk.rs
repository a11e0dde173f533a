//! Recovery, the publisher's side: who asked for what, answered in slices. No socket and no clock.
//!
//! Credit comes with each request, so what is under way to a peer is bounded by what that peer granted and by what the
//! publisher grants at all. Peers take turns, a slice each.

use std::collections::VecDeque;

use bytes::Bytes;

use super::header::{Header, Request, Stamp};
use super::source::Source;
use crate::multipart::Multipart;

/// What the publisher grants at all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grants {
    /// Requests that wait, of all peers.
    pub(crate) requests: usize,
    /// Requests that wait, of one peer.
    pub(crate) requests_of_peer: usize,
    /// Messages in answer to one request.
    pub(crate) messages: u64,
    /// Bytes in answer to one request.
    pub(crate) bytes: u64,
}

/// A part of an answer, and for whom.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) peer: Bytes,
    pub(crate) header: Header,
    /// There is none at the end.
    pub(crate) message: Option<Multipart>,
}

/// The requests that wait.
#[derive(Debug)]
pub(crate) struct Desk {
    grants: Grants,
    jobs: VecDeque<Job>,
}

#[derive(Debug)]
struct Job {
    peer: Bytes,
    name: Box<str>,
    request: Request,
    /// The range at work, and the next number of it.
    range: usize,
    next: u64,
}

/// The most messages and bytes of a request that are answered before the next request has its turn.
const SLICE_MESSAGES: usize = 32;
const SLICE_BYTES: usize = 256 << 10;

impl Desk {
    pub(crate) fn new(grants: Grants) -> Self {
        Self { grants, jobs: VecDeque::new() }
    }

    /// Takes a request in; `false` where too many wait. A peer's second request for a stream replaces its first.
    pub(crate) fn ask(&mut self, peer: Bytes, name: &str, mut request: Request) -> bool {
        request.messages = request.messages.clamp(1, self.grants.messages);
        request.bytes = request.bytes.min(self.grants.bytes);
        let job = Job { next: request.ranges[0].0, peer, name: name.into(), request, range: 0 };
        if let Some(same) = self.jobs.iter_mut().find(|other| other.peer == job.peer && other.name == job.name) {
            *same = job;
            return true;
        }
        let of_peer = self.jobs.iter().filter(|other| other.peer == job.peer).count();
        let has_room = self.jobs.len() < self.grants.requests && of_peer < self.grants.requests_of_peer;
        if has_room {
            self.jobs.push_back(job);
        }
        has_room
    }

    /// Drops what a peer has asked for: it is gone, or does not read.
    pub(crate) fn forget(&mut self, peer: &[u8]) {
        self.jobs.retain(|job| job.peer != peer);
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.jobs.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.jobs.len()
    }

    /// The request that a peer's next one for this stream would replace.
    #[cfg(test)]
    pub(crate) fn waiting_of(&self, peer: &[u8], name: &str) -> Option<u64> {
        let of_peer = |job: &&Job| job.peer == peer && &*job.name == name;
        self.jobs.iter().find(of_peer).map(|job| job.request.id)
    }

    /// The next slice of answers, all of them for one request.
    pub(crate) fn slice(&mut self, source: &Source, time: u64) -> Vec<Answer> {
        let Some(mut job) = self.jobs.pop_front() else { return Vec::new() };
        let stream = source.find(&job.name).filter(|_| job.request.epoch == source.epoch());
        let mut answers = Vec::new();
        let (first, last) = stream.map_or((1, 0), |stream| (source.first(stream), source.last(stream)));
        let end = |job: &Job| {
            let stamp = Stamp { epoch: source.epoch(), number: last, time };
            let header = Header::End { stamp, first, request: job.request.id };
            Answer { peer: job.peer.clone(), header, message: None }
        };
        let mut bytes = 0;
        while let Some(stream) = stream
            && answers.len() < SLICE_MESSAGES
            && bytes < SLICE_BYTES
        {
            let Some(number) = job.number(first, last) else {
                answers.push(end(&job));
                return answers;
            };
            let Some((time, message)) = source.cached(stream, number) else { break };
            let len = message.total_len();
            let stamp = Stamp { epoch: source.epoch(), number, time };
            let header = Header::Recovered { stamp, request: job.request.id };
            answers.push(Answer { peer: job.peer.clone(), header, message: Some(message) });
            bytes += len;
            job.pay(number, len as u64);
        }
        if stream.is_some() && job.number(first, last).is_some() {
            self.jobs.push_back(job);
        } else {
            answers.push(end(&job));
        }
        answers
    }
}

impl Job {
    /// The next number to answer with; `None` when all that is there was, or the credit is used up.
    fn number(&mut self, first: u64, last: u64) -> Option<u64> {
        if self.request.messages == 0 {
            return None;
        }
        while let Some(&(from, to)) = self.request.ranges.get(self.range) {
            let number = self.next.max(from).max(first);
            if number <= to.min(last) {
                return Some(number);
            }
            self.range += 1;
        }
        None
    }

    fn pay(&mut self, number: u64, bytes: u64) {
        self.next = number + 1;
        self.request.messages -= 1;
        self.request.bytes = self.request.bytes.saturating_sub(bytes);
        if self.request.bytes == 0 {
            self.request.messages = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::feed::cache::{Bounds, Fresh};
    use std::time::Duration;

    fn source(messages: u64, len: usize) -> Source {
        let bounds = Bounds { messages: 100, bytes: 1 << 30, age: Duration::from_secs(60) };
        let mut source = Source::new(7, Duration::from_secs(1), 10, bounds);
        for name in ["a", "b"] {
            let stream = source.stream(name).unwrap();
            for number in 1..=messages {
                source.commit(Duration::ZERO, stream, number, Fresh::Frame(&vec![number as u8; len]));
            }
        }
        source
    }

    fn desk() -> Desk {
        Desk::new(Grants { requests: 4, requests_of_peer: 3, messages: 60, bytes: 1 << 20 })
    }

    fn request(id: u64, ranges: &[(u64, u64)]) -> Request {
        Request { epoch: 7, id, messages: 1000, bytes: u64::MAX, ranges: ranges.to_vec() }
    }

    /// To whom, the number, and `(first, last)` at the end.
    type Told = (Bytes, u64, Option<(u64, u64)>);

    /// All answers.
    fn drain(desk: &mut Desk, source: &Source) -> Vec<Told> {
        let mut all = Vec::new();
        while !desk.is_idle() {
            all.extend(desk.slice(source, 0));
        }
        let told = |answer: Answer| match answer.header {
            Header::Recovered { stamp, .. } => (answer.peer, stamp.number, None),
            Header::End { stamp, first, request } => (answer.peer, request, Some((first, stamp.number))),
            other => panic!("{other:?}"),
        };
        all.into_iter().map(told).collect()
    }

    #[test]
    fn the_ranges_that_are_asked_for_are_answered_in_order() {
        let (source, mut desk) = (source(10, 5), desk());
        assert!(desk.ask("p".into(), "a", request(9, &[(2, 3), (8, 20)])));
        let peer = Bytes::from("p");
        let numbers = [2, 3, 8, 9, 10].map(|number| (peer.clone(), number, None));
        assert_eq!(drain(&mut desk, &source), [&numbers[..], &[(peer, 9, Some((1, 10)))]].concat());
    }

    #[test]
    fn what_has_left_the_cache_is_told_at_the_end() {
        let (source, mut desk) = (source(150, 5), desk());
        assert!(desk.ask("p".into(), "a", request(9, &[(1, 52)])));
        let told: Vec<_> = drain(&mut desk, &source).into_iter().map(|(_, number, end)| (number, end)).collect();
        assert_eq!(told, [(51, None), (52, None), (9, Some((51, 150)))]);
    }

    #[test]
    fn credit_is_kept_in_messages_and_in_bytes() {
        let (source, mut desk) = (source(100, 1000), desk());
        assert!(desk.ask("p".into(), "a", Request { messages: 5, ..request(1, &[(1, 100)]) }));
        assert_eq!(drain(&mut desk, &source).len(), 5 + 1);
        assert!(desk.ask("p".into(), "a", Request { bytes: 2500, ..request(1, &[(1, 100)]) }));
        assert_eq!(drain(&mut desk, &source).len(), 3 + 1);
        assert!(desk.ask("p".into(), "a", Request { bytes: 0, messages: 0, ..request(1, &[(1, 100)]) }));
        assert_eq!(drain(&mut desk, &source).len(), 1 + 1, "one message is always granted");
        assert!(desk.ask("p".into(), "a", request(1, &[(1, 100)])));
        assert_eq!(drain(&mut desk, &source).len(), 60 + 1, "the publisher's own limit");
    }

    #[test]
    fn peers_take_turns() {
        let (source, mut desk) = (source(100, 5), desk());
        assert!(desk.ask("p".into(), "a", request(1, &[(1, 100)])));
        assert!(desk.ask("q".into(), "a", request(1, &[(1, 100)])));
        let peers: Vec<_> = (0..4).map(|_| desk.slice(&source, 0)[0].peer.clone()).collect();
        assert_eq!(peers, ["p", "q", "p", "q"]);
    }

    #[test]
    fn a_turn_is_a_slice() {
        let lens = |len: usize| {
            let (source, mut desk) = (source(100, len), desk());
            assert!(desk.ask("p".into(), "a", request(1, &[(1, 100)])));
            let slices = std::iter::from_fn(|| (!desk.is_idle()).then(|| desk.slice(&source, 0).len()));
            slices.take(3).collect::<Vec<_>>()
        };
        assert_eq!(lens(5), [32, 28 + 1], "messages, and the end of what is granted");
        assert_eq!(lens(100_000), [3, 3, 3], "256 KiB are in the third");
    }

    #[test]
    fn another_epoch_and_an_unknown_stream_are_answered_with_the_end() {
        let (source, mut desk) = (source(10, 5), desk());
        assert!(desk.ask("p".into(), "a", Request { epoch: 6, ..request(1, &[(1, 5)]) }));
        assert!(desk.ask("p".into(), "nobody", request(2, &[(1, 5)])));
        let told: Vec<_> = drain(&mut desk, &source).into_iter().map(|(_, number, end)| (number, end)).collect();
        assert_eq!(told, [(1, Some((1, 0))), (2, Some((1, 0)))]);
    }

    #[test]
    fn requests_are_bounded_and_a_second_one_replaces_the_first() {
        let (source, mut desk) = (source(10, 5), desk());
        for id in 0..100 {
            assert!(desk.ask("p".into(), "a", request(id, &[(1, 1)])));
        }
        assert_eq!(desk.waiting(), 1);
        assert!(desk.ask("p".into(), "b", request(0, &[(1, 1)])));
        assert!(desk.ask("p".into(), "c", request(0, &[(1, 1)])));
        assert!(!desk.ask("p".into(), "d", request(0, &[(1, 1)])), "three of one peer");
        assert!(desk.ask("q".into(), "a", request(0, &[(1, 1)])));
        assert!(!desk.ask("r".into(), "a", request(0, &[(1, 1)])), "four in all");
        desk.forget(b"p");
        assert_eq!(desk.waiting(), 1);
        assert_eq!(drain(&mut desk, &source).len(), 2);
    }
}
