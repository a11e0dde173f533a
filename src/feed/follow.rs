//! One stream, as a subscriber follows it. No socket and no clock.
//!
//! ```text
//!        next            high
//!  done    |   holes and   |   not known of
//!  --------+---------------+-------------->  numbers
//!          |   pending     |
//! ```
//!
//! Below `next` everything was handed over or reported. Live messages and heartbeats raise `high`; what lies between and is
//! not pending is missing, and asked for. Nothing is believed before the first live frame: only that proves that the
//! subscription has reached the publisher, so that from there on every message either arrives or is noticed to be missing.

use std::time::Duration;

use super::epochs::{Epochs, Heard};
use super::event::{Lost, Origin};
use super::header::{MAX_RANGES, Request, Stamp};
use super::inquiry::{Asked, Inquiry, Patience};
use super::pending::{Held, Pending};
use super::pulse::{Moment, Pulse};
use super::queue::Queue;
use super::room::{Room, Rules};
use super::start::Start;
use super::statistics::StreamStatistics;
use super::step::Step;

/// One stream; `M` is what a message is.
#[derive(Debug)]
pub(crate) struct Follow<M> {
    start: Start,
    epochs: Epochs,
    /// The epoch that numbers belong to; 0 before the first live frame.
    epoch: u64,
    next: u64,
    high: u64,
    /// Whether it was said where the stream begins. Until then, what has left the cache is no gap.
    is_open: bool,
    pending: Pending<M>,
    steps: Queue<Step<M>>,
    /// In the conflating mode, the newest message; `handed` is the number of the one before.
    newest: Option<(u64, Held<M>)>,
    handed: u64,
    inquiry: Inquiry,
    /// Answers to requests with lower ids belong to a stream that was in this slot before.
    born: u64,
    pulse: Pulse,
    statistics: StreamStatistics,
}

impl<M> Follow<M> {
    /// A stream that nothing is known of. Requests for it have ids from `born` on.
    pub(crate) fn new(moment: Moment, start: Start, born: u64) -> Self {
        let (epochs, next) = start.origin();
        Self {
            start,
            epoch: epochs.current().unwrap_or_default(),
            epochs,
            next,
            high: next - 1,
            is_open: false,
            pending: Pending::new(),
            steps: Queue::new(),
            newest: None,
            handed: next - 1,
            inquiry: Inquiry::default(),
            born,
            pulse: Pulse::new(moment),
            statistics: StreamStatistics::default(),
        }
    }

    /// Begins elsewhere, where nothing was heard of it so far.
    pub(crate) fn begin_at(&mut self, start: Start) {
        if matches!(self.start, Start::From { .. }) && !self.is_open || self.epochs.current().is_none() {
            let (epochs, next) = start.origin();
            (self.start, self.epoch, self.epochs) = (start, epochs.current().unwrap_or_default(), epochs);
            self.begin(next);
        }
    }

    /// Takes in a message as it was published. `len` is its length in bytes.
    pub(crate) fn data(&mut self, stamp: Stamp, item: M, len: usize, rules: &Rules, room: &mut Room) {
        if self.hear(stamp, None, rules, room) {
            self.statistics.live += 1;
            self.take(stamp.number, Held { item, len, origin: Origin::Live }, rules, room);
        }
    }

    /// Takes in a heartbeat: the newest number, and the oldest one that can be recovered.
    pub(crate) fn heartbeat(&mut self, stamp: Stamp, first: u64, rules: &Rules, room: &mut Room) {
        if self.hear(stamp, Some(first), rules, room) {
            self.statistics.heartbeats += 1;
        }
    }

    /// Counts the message that comes next as handed over; `false` where it is not that simple.
    pub(crate) fn pass(&mut self, stamp: Stamp, len: usize, rules: &Rules) -> bool {
        let is_next = self.epochs.current() == Some(stamp.epoch) && stamp.number == self.next && self.is_open;
        if !is_next || self.pulse.is_stale() || rules.conflate || !self.steps.is_empty() || self.high >= self.next {
            return false;
        }
        self.pulse.beat();
        self.high = stamp.number;
        self.next += 1;
        self.statistics.live += 1;
        self.statistics.delivered += 1;
        self.statistics.bytes += len as u64;
        true
    }

    /// Takes in a message from the cache.
    #[expect(clippy::too_many_arguments, reason = "a header, a message, and what all streams share")]
    pub(crate) fn recovered(
        &mut self,
        now: Duration,
        stamp: Stamp,
        request: u64,
        item: M,
        len: usize,
        rules: &Rules,
        room: &mut Room,
    ) {
        if self.epochs.current() != Some(stamp.epoch) || request < self.born {
            self.statistics.late += 1;
            return;
        }
        let taken = self.take(stamp.number, Held { item, len, origin: Origin::Recovered }, rules, room);
        self.inquiry.hear(now, request, taken, rules);
    }

    /// Takes in the end of an answer.
    pub(crate) fn end(
        &mut self,
        now: Duration,
        stamp: Stamp,
        first: u64,
        request: u64,
        rules: &Rules,
        room: &mut Room,
    ) {
        if request < self.born {
            return;
        }
        let asked = self.inquiry.end(request);
        if self.epochs.current() == Some(stamp.epoch) {
            self.give_up(first.min(self.high + 1), Lost::Evicted, rules, room);
            if let Some(asked) = asked {
                self.conclude(&asked, now, rules, room);
            }
        } else if asked.is_some() {
            // who answers, after that was asked for, has never heard of what is missing
            self.give_up(self.high + 1, Lost::Restarted, rules, room);
        }
    }

    /// Whether something is missing and not asked for.
    pub(crate) fn wants(&self) -> bool {
        !self.inquiry.is_asking() && self.missing().is_some()
    }

    /// Whether a request is under way.
    pub(crate) fn is_asking(&self) -> bool {
        self.inquiry.is_asking()
    }

    /// Asks for what is missing, where it may by now.
    pub(crate) fn ask(&mut self, now: Duration, id: u64, rules: &Rules) -> Option<Request> {
        let from = self.missing().filter(|_| self.inquiry.may_ask(now))?;
        let ranges = self.pending.holes(from, self.high, MAX_RANGES);
        self.inquiry.ask(now, id, from, rules);
        self.statistics.requests += 1;
        Some(Request { epoch: self.epoch, id, messages: rules.credit_messages, bytes: rules.credit_bytes, ranges })
    }

    /// Lets time pass.
    pub(crate) fn tick(&mut self, moment: Moment, rules: &Rules, room: &mut Room) -> Patience {
        if let Some(silent) = self.pulse.tick(moment, rules.stale_after) {
            self.statistics.stale += 1;
            self.steps.push_back(Step::Stale { silent });
        }
        let overdue = self.inquiry.overdue(moment.now);
        overdue.map_or(Patience::Kept, |asked| self.conclude(&asked, moment.now, rules, room))
    }

    /// Reports all that is missing as lost.
    pub(crate) fn despair(&mut self, rules: &Rules, room: &mut Room) {
        self.inquiry.clear();
        self.give_up(self.high + 1, Lost::Unanswered, rules, room);
    }

    /// Takes what there is to tell.
    pub(crate) fn poll(&mut self) -> Option<Step<M>> {
        self.steps.pop_front().or_else(|| self.take_newest())
    }

    /// Whether [`poll`](Self::poll) has something that a later frame does not replace, and whether it has the newest message after that.
    pub(crate) fn has_steps(&self) -> (bool, bool) {
        (!self.steps.is_empty(), self.newest.is_some())
    }

    /// Gives back what it holds, before it is dropped.
    pub(crate) fn release(&mut self, room: &mut Room) {
        self.pending.release(room);
    }

    /// The epoch and number that come next for who has taken all steps so far.
    pub(crate) fn position(&self, rules: &Rules) -> Option<(u64, u64)> {
        let next = if rules.conflate { self.handed + 1 } else { self.next };
        let current = self.epochs.current().map(|epoch| (epoch, next));
        self.steps.iter().find_map(Step::position).or(current)
    }

    pub(crate) fn is_stale(&self) -> bool {
        self.pulse.is_stale()
    }

    pub(crate) fn statistics(&self) -> StreamStatistics {
        StreamStatistics { last: self.high, pending: self.pending.len(), ..self.statistics.clone() }
    }

    /// Believes a live frame; `false` where it comes late from an epoch that is over.
    fn hear(&mut self, stamp: Stamp, first: Option<u64>, rules: &Rules, room: &mut Room) -> bool {
        let patience = self.pulse.is_stale().then_some(rules.stale_after);
        let heard = self.epochs.hear(stamp.epoch, self.pulse.ticked(), patience);
        if heard == Heard::Late {
            self.statistics.late += 1;
            return false;
        }
        if self.pulse.beat() {
            self.steps.push_back(Step::Resumed);
        }
        match heard {
            Heard::First => self.join(stamp, first, rules),
            // resumed, and the subscription is live
            Heard::Current if matches!(self.start, Start::From { .. }) => self.open(),
            Heard::Other => self.turn_to(stamp.epoch, rules, room),
            _ => {}
        }
        self.high = self.high.max(stamp.number);
        if rules.conflate {
            self.next = self.next.max(self.high);
        }
        if self.next > self.high {
            self.open();
        }
        true
    }

    /// Begins with the first live frame: what was published before it may be wanted as well.
    fn join(&mut self, stamp: Stamp, first: Option<u64>, rules: &Rules) {
        self.epoch = stamp.epoch;
        let (wanted, live) = self.start.judge(stamp, first, rules.conflate);
        self.begin(wanted);
        if wanted >= live {
            self.open();
        }
    }

    fn begin(&mut self, next: u64) {
        (self.next, self.high) = (next, next - 1);
        self.handed = next - 1;
    }

    fn open(&mut self) {
        if !self.is_open {
            self.is_open = true;
            self.handed = self.next - 1;
            self.steps.push_back(Step::Joined { epoch: self.epoch, from: self.next });
        }
    }

    /// Follows another start of the publisher.
    fn turn_to(&mut self, epoch: u64, rules: &Rules, room: &mut Room) {
        self.give_up(self.high + 1, Lost::Restarted, rules, room);
        self.take_newest().into_iter().for_each(|newest| self.steps.push_back(newest));
        let (previous, next) = (self.epoch, if rules.conflate { self.handed + 1 } else { self.next });
        let left = self.epochs.turn_to(epoch, next);
        self.epoch = epoch;
        self.begin(left.unwrap_or(1));
        self.is_open = true;
        self.inquiry.clear();
        self.steps.push_back(match left {
            Some(from) => Step::Returned { epoch, previous, from },
            None => Step::Reset { epoch, previous },
        });
        self.statistics.resets += u64::from(left.is_none());
    }

    /// Takes a message of the current epoch in; `false` where it was here before or there is no room.
    fn take(&mut self, number: u64, held: Held<M>, rules: &Rules, room: &mut Room) -> bool {
        if number < self.next || self.pending.contains(number) {
            self.statistics.duplicates += 1;
            return false;
        }
        if held.origin == Origin::Recovered {
            if number > self.high {
                // nobody asked for it
                self.statistics.late += 1;
                return false;
            }
            self.statistics.recovered += 1;
        }
        if rules.conflate {
            self.open();
            self.high = self.high.max(number);
            self.next = number + 1;
            self.newest = Some((number, held));
            return true;
        }
        if number == self.next {
            self.open();
            self.high = self.high.max(number);
            self.deliver(number, held);
            self.next += 1;
            self.advance(room);
            return true;
        }
        let (is_here, overflowed) = self.pending.insert(number, held, room);
        self.statistics.overflowed += overflowed;
        is_here
    }

    /// Hands over what follows without a hole.
    fn advance(&mut self, room: &mut Room) {
        while let Some(held) = self.pending.take(self.next, room) {
            self.deliver(self.next, held);
            self.next += 1;
        }
        self.high = self.high.max(self.next - 1);
    }

    /// Reports what is missing below `below` as lost, and hands over what lies between.
    fn give_up(&mut self, below: u64, why: Lost, rules: &Rules, room: &mut Room) {
        if below <= self.next {
            return;
        }
        if rules.conflate {
            self.next = below;
            return self.open();
        }
        if !self.is_open && why == Lost::Evicted {
            // history begins where the cache begins
            self.next = self.pending.first_or(below);
        }
        self.open();
        while self.next < below {
            let end = self.pending.first_or(below);
            if end > self.next {
                self.report(end - 1, why);
            }
            self.advance(room);
        }
        self.advance(room);
    }

    /// Reports everything up to `to` as lost.
    fn report(&mut self, to: u64, why: Lost) {
        let epoch = self.epoch;
        self.statistics.gaps += 1;
        self.statistics.lost = self.statistics.lost.saturating_add(to + 1 - self.next);
        self.steps.push_back(Step::Gap { epoch, from: self.next, to, why });
        self.next = to + 1;
    }

    /// Judges a request that is over.
    fn conclude(&mut self, asked: &Asked, now: Duration, rules: &Rules, room: &mut Room) -> Patience {
        let patience = self.inquiry.conclude(asked, now, self.missing(), rules);
        if patience == Patience::Lost {
            self.despair(rules, room);
        }
        patience
    }

    fn deliver(&mut self, number: u64, held: Held<M>) {
        let step = self.hand_over(number, held, 0);
        self.steps.push_back(step);
    }

    /// In the conflating mode, hands over the newest message.
    fn take_newest(&mut self) -> Option<Step<M>> {
        let (number, held) = self.newest.take()?;
        let skipped = number - self.handed - 1;
        self.handed = number;
        self.statistics.skipped = self.statistics.skipped.saturating_add(skipped);
        Some(self.hand_over(number, held, skipped))
    }

    fn hand_over(&mut self, number: u64, held: Held<M>, skipped: u64) -> Step<M> {
        self.statistics.delivered += 1;
        self.statistics.bytes += held.len as u64;
        Step::Item { epoch: self.epoch, number, item: held.item, origin: held.origin, skipped }
    }

    /// The first number that is missing.
    fn missing(&self) -> Option<u64> {
        Some(self.next).filter(|&next| next <= self.high)
    }
}
