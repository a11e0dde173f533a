//! A follower, and the ledgers that check what it is told.

#![cfg(test)]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::super::event::{Lost, Origin};
use super::super::header::Header;
use super::super::intake::Opening;
use super::super::pulse::Moment;
use super::super::room::{Room, Rules};
use super::super::source::Source;
use super::super::start::Start;
use super::super::step::Step;
use super::super::streams::{SLOT_SHIFT, Streams};
use super::ledger::{Ledger, STREAMS, Truth, index, signature};
use super::seen::{Seen, What};
use crate::multipart::Multipart;

/// What arrives on one of the follower's sockets.
#[derive(Clone)]
pub(super) enum Frame {
    /// A topic frame, and the header in it.
    Live { opening: Arc<[u8]>, header: Header, message: Option<Multipart> },
    /// The header, and the frame that it is in.
    Answer { header: Header, written: Arc<[u8]>, message: Option<Multipart> },
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
    ledgers: [Option<Ledger>; STREAMS],
    /// Faults on the way to the cache and back by slot, since its stream was last given up.
    trouble: [u32; SLOTS],
    /// The faults of streams that were given up now: one had enough of them, and drew the others along.
    given_up: Vec<u32>,
}

const SLOTS: usize = 8;

impl Frame {
    pub(super) fn epoch(&self) -> u64 {
        let (Self::Live { header, .. } | Self::Answer { header, .. }) = self;
        match header {
            Header::Data(stamp) => stamp.epoch,
            Header::Heartbeat { stamp, .. } | Header::Recovered { stamp, .. } | Header::End { stamp, .. } => {
                stamp.epoch
            }
        }
    }

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
            ledgers: [const { None }; STREAMS],
            trouble: [0; SLOTS],
            given_up: Vec::new(),
        }
    }

    /// Another life: from where the former one was, or anew.
    pub(super) fn restart(&mut self, now: Duration, start: Start, seen: &mut Seen) {
        let positions = self.positions(seen);
        self.streams = Streams::new(self.rules, Room::new(self.room.0, self.room.1));
        self.subscribe(now, start, positions, seen);
        (self.life, self.is_alive) = (self.life + 1, true);
        self.unread.clear();
        self.stalled_until = Duration::ZERO;
    }

    /// Ends all subscriptions and begins others, from where it was or anew: what was under way for the former ones still comes.
    pub(super) fn resubscribe(&mut self, now: Duration, start: Start, seen: &mut Seen) {
        let positions = self.positions(seen);
        for name in ["s/", "s/0", "s/1", "s/2"] {
            self.streams.unsubscribe(name);
        }
        assert_eq!(self.streams.names().count(), 0);
        assert!(!self.streams.is_recovering() && !self.streams.is_ready());
        assert_eq!(self.streams.room().left(), self.room, "nobody is left who holds anything");
        self.subscribe(now, start, positions, seen);
    }

    fn subscribe(&mut self, now: Duration, start: Start, positions: [Option<(u64, u64)>; STREAMS], seen: &mut Seen) {
        self.streams.subscribe(now, "s/", start).unwrap();
        let mut ledgers = [const { None }; STREAMS];
        for (stream, position) in positions.into_iter().enumerate() {
            if let Some((epoch, number)) = position.filter(|_| start == Start::Now) {
                let from = Start::From { epoch, number };
                self.streams.subscribe(now, &format!("s/{stream}"), from).unwrap();
                ledgers[stream] = Some(Ledger::new(epoch, number));
                seen.count(What::ResumedFromAPosition);
            }
        }
        (self.ledgers, self.start, self.is_linked) = (ledgers, start, false);
        self.trouble = [0; SLOTS];
    }

    /// Where it would go on with each stream that it was told of: what it has not read yet comes after that.
    fn positions(&mut self, seen: &mut Seen) -> [Option<(u64, u64)>; STREAMS] {
        let mut positions = [None; STREAMS];
        for (stream, former) in self.ledgers.iter().enumerate() {
            let Some(former) = former else { continue };
            let position =
                self.streams.position(&format!("s/{stream}")).expect("a stream was told of and has a position");
            let told = (former.epoch, former.next);
            // who conflates has not read all: that the publisher was started anew, say
            let is_ahead = self.rules.conflate && position.0 != told.0;
            assert!(position == told || is_ahead, "{position:?}, told {told:?}");
            positions[stream] = Some(position);
        }
        let mut first_of = [None; STREAMS];
        while let Some((name, step)) = self.streams.poll() {
            let first = &mut first_of[index(name.as_bytes())];
            *first = first.or(step.position());
        }
        for (position, first) in positions.iter().zip(first_of) {
            if let (Some(position), Some(first)) = (position, first) {
                assert_eq!(*position, first, "what was not handed over is passed over");
                seen.count(What::LeftUnread);
            }
        }
        positions
    }

    /// A request, or a part of its answer, had bad luck.
    pub(super) fn suffer(&mut self, request: u64) {
        self.trouble[(request >> SLOT_SHIFT) as usize] += 1;
    }

    pub(super) fn suffer_everywhere(&mut self) {
        self.trouble.iter_mut().for_each(|trouble| *trouble += 1);
    }

    pub(super) fn read(&mut self, frame: Frame, truth: &Truth<'_>, seen: &mut Seen) {
        let now = truth.now;
        match frame {
            Frame::Live { opening, message: Some(message), .. } => {
                let Opening { index, stamp, first: None } = Opening::read(&opening, &mut self.streams, now).unwrap()
                else {
                    panic!("a heartbeat with a message")
                };
                if let Some(name) = self.streams.pass(index, stamp, message.total_len()).cloned() {
                    let step = Step::Item {
                        epoch: stamp.epoch,
                        number: stamp.number,
                        item: message,
                        origin: Origin::Live,
                        skipped: 0,
                    };
                    self.check(name, step, truth, seen);
                } else {
                    let len = message.total_len();
                    self.streams.data(index, stamp, message, len);
                }
            }
            Frame::Live { opening, message: None, .. } => {
                let Opening { index, stamp, first } = Opening::read(&opening, &mut self.streams, now).unwrap();
                self.streams.heartbeat(index, stamp, first.unwrap());
            }
            Frame::Answer { header, written, message } => {
                let read = Header::read(&written).unwrap();
                assert_eq!(read, header);
                match (read, message) {
                    (Header::Recovered { stamp, request }, Some(message)) => {
                        let len = message.total_len();
                        self.streams.recovered(now, stamp, request, message, len);
                    }
                    (Header::End { stamp, first, request }, None) => self.streams.end(now, stamp, first, request),
                    answer => panic!("{answer:?}"),
                }
            }
        }
        // who conflates lets messages replace each other
        if !self.rules.conflate {
            self.drain(truth, seen);
        }
    }

    pub(super) fn tick(&mut self, truth: &Truth<'_>, seen: &mut Seen) {
        self.streams.tick(Moment { now: truth.now, ..Moment::default() });
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
        let stream = index(name.as_bytes());
        let ledger = &mut self.ledgers[stream];
        let known = ledger.as_ref().map(|ledger| ledger.epoch);
        let source = truth.source.filter(|source| Some(source.epoch()) == known);
        match step {
            Step::Joined { epoch, from } => {
                seen.count(What::Joined);
                if let Some(ledger) = ledger {
                    assert_eq!((ledger.epoch, ledger.next), (epoch, from), "{name} is joined twice");
                }
                let last = truth.published.last(epoch, stream);
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
                *ledger = Some(Ledger::new(epoch, from));
            }
            Step::Item { epoch, number, item, origin, skipped } => {
                seen.count(if origin == Origin::Live { What::Live } else { What::Recovered });
                if skipped > 0 {
                    assert!(self.rules.conflate);
                    seen.count(What::Skipped);
                }
                let ledger = ledger.as_mut().expect("a message before it was said where the stream begins");
                ledger.take(epoch, number - skipped, number);
                let sent = signature(epoch, stream, number);
                assert_eq!(item.metadata()[..sent.len()], sent, "another message than the one that was published");
            }
            Step::Gap { epoch, from, to, why } => {
                assert!(!self.rules.conflate);
                let ledger = ledger.as_mut().expect("a gap before it was said where the stream begins");
                ledger.take(epoch, from, to);
                assert!(to <= truth.published.last(epoch, stream), "{name}: gap {from} to {to}");
                match why {
                    Lost::Evicted => {
                        seen.count(What::GapEvicted);
                        let first = source.and_then(|source| Some(source.first(source.find(&name)?)));
                        assert!(first.is_none_or(|first| first > to), "{to} is in the cache");
                    }
                    Lost::Restarted => {
                        seen.count(What::GapRestarted);
                        // or a frame of one with a higher epoch, that is gone, was held up
                        let has_restarted = source.is_none_or(|source| truth.published.has_higher(source.epoch()));
                        assert!(has_restarted, "the publisher has not restarted");
                    }
                    Lost::Unanswered => {
                        seen.count(What::GapUnanswered);
                        let topic = [name.as_bytes(), &[0]].concat();
                        let slot = self.streams.locate(truth.now, &topic).unwrap();
                        self.given_up.push(std::mem::take(&mut self.trouble[slot]));
                    }
                }
            }
            Step::Reset { epoch, previous } => {
                seen.count(What::Reset);
                ledger.get_or_insert_with(|| Ledger::new(previous, 1)).turn_to(epoch, previous, None);
            }
            Step::Returned { epoch, previous, from } => {
                seen.count(What::Returned);
                ledger.as_mut().unwrap().turn_to(epoch, previous, Some(from));
            }
            Step::Stale { silent } => {
                seen.count(What::Stale);
                assert!(silent >= self.rules.stale_after);
            }
            Step::Resumed => seen.count(What::Resumed),
        }
    }

    /// When faults have stopped for long enough: this follower knows all that there is.
    pub(super) fn check_converged(&self, source: &Source, names: &[Arc<str>], has_faults: bool) {
        assert!(!self.streams.is_recovering(), "something is still missing");
        assert_eq!(self.streams.room().left(), self.room);
        for (stream, name) in names.iter().enumerate() {
            let Some(index) = source.find(name) else { continue };
            let expected = Some((source.epoch(), source.last(index) + 1));
            let ledger = self.ledgers[stream].as_ref().expect("something was told");
            // of a newest value that could not be had nothing is told
            let may_lack = self.rules.conflate && (has_faults || source.first(index) > source.last(index));
            let told = (ledger.epoch, ledger.next);
            assert_eq!(self.streams.position(name), Some(told), "{name} of {:?}", self.start);
            assert!(Some(told) == expected || may_lack && Some(told) < expected, "{name}: only {told:?} was told");
        }
    }

    pub(super) fn count(&self, seen: &mut Seen) {
        for name in self.streams.names() {
            let statistics = self.streams.statistics(name).unwrap();
            seen.add(What::Overflowed, statistics.overflowed);
            seen.add(What::Duplicates, statistics.duplicates);
        }
    }
}
