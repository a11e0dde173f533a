//! A follower, and the ledger that checks what it is told.

#![cfg(test)]

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::super::event::{Lost, Origin};
use super::super::header::Header;
use super::super::name::topic;
use super::super::room::{Room, Rules};
use super::super::source::Source;
use super::super::start::Start;
use super::super::step::Step;
use super::super::streams::{SLOT_SHIFT, Streams};
use super::Seen;
use crate::multipart::Multipart;

/// What arrives on one of the follower's sockets.
#[derive(Clone)]
pub(super) enum Frame {
    Live { topic: Arc<[u8]>, header: Header, message: Option<Multipart> },
    Answer { header: Header, message: Option<Multipart> },
}

pub(super) struct Follower {
    pub(super) streams: Streams<Multipart>,
    pub(super) start: Start,
    pub(super) rules: Rules,
    room: (usize, usize),
    /// Counts its lives: what is under way to a former one is lost.
    pub(super) life: u64,
    pub(super) is_alive: bool,
    pub(super) stalled_until: Duration,
    /// What a stalled follower has not read: as much as its sockets hold.
    pub(super) unread: VecDeque<Frame>,
    /// When the last frame arrives on each of its lines: live, answers, requests.
    pub(super) lines: [u64; 3],
    /// Whether its subscription has reached this start of the publisher.
    pub(super) is_linked: bool,
    ledgers: BTreeMap<Arc<str>, Ledger>,
    /// Faults on the way to the cache and back by stream, since it was last given up.
    trouble: BTreeMap<u64, u32>,
    /// The faults of streams that were given up now: one had enough of them, and drew the others along.
    given_up: Vec<u32>,
}

impl Frame {
    /// The request that this is a part of the answer to.
    pub(super) fn request(&self) -> Option<u64> {
        match self {
            Self::Answer { header: Header::Recovered { request, .. } | Header::End { request, .. }, .. } => {
                Some(*request)
            }
            _ => None,
        }
    }
}

/// What a follower was told of one stream.
#[derive(Debug)]
struct Ledger {
    epoch: u64,
    next: u64,
    /// Every epoch it was told of.
    epochs: Vec<u64>,
}

/// What was published, which a check compares with.
pub(super) struct Truth<'w> {
    pub(super) now: Duration,
    /// The publisher, while it lives.
    pub(super) source: Option<&'w Source>,
    /// The last number per epoch and stream.
    pub(super) published: &'w BTreeMap<(u64, Arc<str>), u64>,
}

impl Follower {
    pub(super) fn new(now: Duration, rules: Rules, room: (usize, usize), start: Start) -> Self {
        let mut streams = Streams::new(rules, Room::new(room.0, room.1));
        streams.subscribe(now, "s/", start).unwrap();
        streams.subscribe(now, "s/0", start).unwrap();
        Self {
            streams,
            start,
            rules,
            room,
            life: 0,
            is_alive: true,
            stalled_until: Duration::ZERO,
            unread: VecDeque::new(),
            lines: [0; 3],
            is_linked: false,
            ledgers: BTreeMap::new(),
            trouble: BTreeMap::new(),
            given_up: Vec::new(),
        }
    }

    /// Another life: from where the former one was, or anew.
    pub(super) fn restart(&mut self, now: Duration, start: Start, seen: &mut Seen) {
        let mut streams = Streams::new(self.rules, Room::new(self.room.0, self.room.1));
        streams.subscribe(now, "s/", start).unwrap();
        let mut ledgers = BTreeMap::new();
        for (name, ledger) in &self.ledgers {
            if start == Start::Now && ledger.epoch != 0 {
                let from = Start::From { epoch: ledger.epoch, number: ledger.next };
                streams.subscribe(now, name, from).unwrap();
                let epochs = vec![ledger.epoch];
                ledgers.insert(name.clone(), Ledger { epoch: ledger.epoch, next: ledger.next, epochs });
                *seen.entry("resumed from a position").or_default() += 1;
            }
        }
        (self.streams, self.ledgers, self.start) = (streams, ledgers, start);
        (self.life, self.is_alive, self.is_linked) = (self.life + 1, true, false);
        self.unread.clear();
        self.trouble.clear();
        self.stalled_until = Duration::ZERO;
    }

    /// A request, or a part of its answer, had bad luck.
    pub(super) fn suffer(&mut self, request: u64) {
        *self.trouble.entry(request >> SLOT_SHIFT).or_default() += 1;
    }

    pub(super) fn suffer_everywhere(&mut self) {
        (0..8).for_each(|slot| *self.trouble.entry(slot).or_default() += 1);
    }

    pub(super) fn read(&mut self, frame: Frame, truth: &Truth<'_>, seen: &mut Seen) {
        let now = truth.now;
        match frame {
            Frame::Live { topic, header: Header::Data(stamp), message } => {
                let (message, index) = (message.unwrap(), self.streams.locate(now, &topic).unwrap());
                if self.streams.pass(index, stamp, message.total_len()) {
                    let step = Step::Item {
                        epoch: stamp.epoch,
                        number: stamp.number,
                        item: message,
                        origin: Origin::Live,
                        skipped: 0,
                    };
                    let name = self.streams.name(index).unwrap().clone();
                    self.check(name, step, truth, seen);
                } else {
                    let len = message.total_len();
                    self.streams.data(index, stamp, message, len);
                }
            }
            Frame::Live { topic, header: Header::Heartbeat { stamp, first }, .. } => {
                let index = self.streams.locate(now, &topic).unwrap();
                self.streams.heartbeat(index, stamp, first);
            }
            Frame::Answer { header: Header::Recovered { stamp, request }, message } => {
                let message = message.unwrap();
                let len = message.total_len();
                self.streams.recovered(now, stamp, request, message, len);
            }
            Frame::Answer { header: Header::End { stamp, first, request }, .. } => {
                self.streams.end(now, stamp, first, request);
            }
            _ => unreachable!(),
        }
        self.drain(truth, seen);
    }

    pub(super) fn tick(&mut self, truth: &Truth<'_>, seen: &mut Seen) {
        self.streams.tick(truth.now);
        self.drain(truth, seen);
    }

    fn drain(&mut self, truth: &Truth<'_>, seen: &mut Seen) {
        while let Some((name, step)) = self.streams.poll() {
            self.check(name, step, truth, seen);
        }
        if let Some(faults) = self.given_up.drain(..).max() {
            assert!(faults >= self.rules.attempts, "given up after {faults} faults");
        }
        let left = self.streams.room().left();
        assert!(left.0 <= self.room.0 && left.1 <= self.room.1, "more room than there was: {left:?}");
        if !self.streams.is_recovering() {
            assert_eq!(left, self.room, "nothing is missing, so nothing waits");
        }
    }

    /// The promise: numbers follow each other, and what is told is true.
    fn check(&mut self, name: Arc<str>, step: Step<Multipart>, truth: &Truth<'_>, seen: &mut Seen) {
        let mut count = |what| *seen.entry(what).or_default() += 1;
        let known = self.ledgers.get(&name).map(|ledger| ledger.epoch);
        let source = truth.source.filter(|source| Some(source.epoch()) == known);
        let stream = source.and_then(|source| Some((source, source.find(&name)?)));
        match step {
            Step::Joined { epoch, from } => {
                count("joined");
                if let Some(ledger) = self.ledgers.get(&name) {
                    assert_eq!((ledger.epoch, ledger.next), (epoch, from), "{name} is joined twice");
                }
                let last = truth.published[&(epoch, name.clone())];
                if let Some(source) = truth.source.filter(|source| source.epoch() == epoch) {
                    let first = source.first(source.find(&name).unwrap());
                    match self.start {
                        _ if self.rules.conflate => assert!(from <= last + 1),
                        Start::All => assert!(from <= first, "{name}: all begins at {from}"),
                        Start::Last(wanted) => {
                            let from_there = first.max((last + 1).saturating_sub(wanted));
                            assert!(from <= from_there, "{name}: {wanted} of {first} to {last} begin at {from}");
                        }
                        _ => {}
                    }
                }
                self.ledgers.insert(name, Ledger { epoch, next: from, epochs: vec![epoch] });
            }
            Step::Item { epoch, number, item, origin, skipped } => {
                count(if origin == Origin::Live { "live" } else { "recovered" });
                if skipped > 0 {
                    assert!(self.rules.conflate);
                    count("skipped");
                }
                let ledger = self.ledgers.get_mut(&name).expect("a message before it was said where the stream begins");
                assert_eq!((ledger.epoch, ledger.next + skipped), (epoch, number), "{name}");
                ledger.next = number + 1;
                let sent = payload(epoch, &name, number);
                assert_eq!(item.metadata()[..sent.len()], sent, "another message than the one that was published");
            }
            Step::Gap { epoch, from, to, why } => {
                assert!(!self.rules.conflate);
                let ledger = self.ledgers.get_mut(&name).expect("a gap before it was said where the stream begins");
                assert_eq!((ledger.epoch, ledger.next), (epoch, from), "{name}");
                assert!(from <= to && to <= truth.published[&(epoch, name.clone())], "{name}: gap {from} to {to}");
                ledger.next = to + 1;
                match why {
                    Lost::Evicted => {
                        count("gap evicted");
                        assert!(stream.is_none_or(|(source, index)| source.first(index) > to), "{to} is in the cache");
                    }
                    Lost::Restarted => {
                        count("gap restarted");
                        assert!(source.is_none(), "the publisher has not restarted");
                    }
                    Lost::Unanswered => {
                        count("gap unanswered");
                        let index = self.streams.locate(truth.now, &topic(&name).unwrap()).unwrap();
                        let faults = self.trouble.remove(&(index as u64)).unwrap_or_default();
                        self.given_up.push(faults);
                    }
                }
            }
            Step::Reset { epoch, previous } => {
                count("reset");
                let ledger =
                    self.ledgers.entry(name).or_insert(Ledger { epoch: previous, next: 1, epochs: vec![previous] });
                assert_eq!(ledger.epoch, previous);
                assert!(!ledger.epochs.contains(&epoch), "epoch {epoch} comes back");
                ledger.epochs.push(epoch);
                (ledger.epoch, ledger.next) = (epoch, 1);
            }
            Step::Stale { silent } => {
                count("stale");
                assert!(silent >= self.rules.stale_after);
            }
            Step::Resumed => count("resumed"),
        }
    }

    /// When faults have stopped for long enough: this follower knows all that there is.
    pub(super) fn check_converged(&self, source: &Source, names: &[Arc<str>], has_faults: bool) {
        assert!(!self.streams.is_recovering(), "something is still missing");
        assert_eq!(self.streams.room().left(), self.room);
        for name in names {
            let Some(index) = source.find(name) else { continue };
            let expected = Some((source.epoch(), source.last(index) + 1));
            assert_eq!(self.streams.position(name), expected, "{name} of {:?}", self.start);
            let ledger = &self.ledgers[name];
            // of a newest value that could not be had nothing is told
            let may_lack = self.rules.conflate && (has_faults || source.first(index) > source.last(index));
            let told = (ledger.epoch, ledger.next);
            assert!(Some(told) == expected || may_lack && Some(told) < expected, "{name}: only {told:?} was told");
        }
    }

    pub(super) fn count(&self, seen: &mut Seen) {
        for name in self.streams.names() {
            let statistics = self.streams.statistics(name).unwrap();
            *seen.entry("overflowed").or_default() += statistics.overflowed;
            *seen.entry("duplicates").or_default() += statistics.duplicates;
        }
    }
}

/// What is published under a number.
pub(super) fn payload(epoch: u64, name: &str, number: u64) -> Vec<u8> {
    let mut bytes = epoch.to_le_bytes().to_vec();
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(name.as_bytes());
    bytes
}
