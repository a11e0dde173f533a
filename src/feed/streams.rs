//! All streams of a subscriber: who they are, whose turn it is to be asked for, and what they have to tell. No socket and no
//! clock.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::follow::Follow;
use super::header::{Request, Stamp};
use super::inquiry::Patience;
use super::left::Left;
use super::name;
use super::pulse::Moment;
use super::redial::{Line, Redial};
use super::room::{Room, Rules};
use super::start::Start;
use super::statistics::StreamStatistics;
use super::step::Step;
use super::subscriptions::Subscriptions;
use super::turns::Turns;
use crate::error::{Detail, Result};

/// The streams of a subscriber; `M` is what a message is.
///
/// Whoever drives it takes all that [`poll`](Self::poll) has before the next frame goes in: that bounds what is held here.
/// (In the conflating mode frames may go in while nothing [waits](Self::has_queue), and replace each other.)
#[derive(Debug)]
pub(crate) struct Streams<M> {
    rules: Rules,
    room: Room,
    subscriptions: Subscriptions,
    by_topic: HashMap<Arc<[u8]>, usize>,
    slots: Vec<Option<Slot<M>>>,
    free: Vec<usize>,
    /// Where streams were that had to make room.
    left: Left,
    /// The stream of the last frame, which is often that of the next.
    recent: usize,
    /// Streams with something to tell that nothing replaces, streams with a newest message, and streams that want to ask.
    ready: Turns,
    renewed: Turns,
    waiting: Turns,
    /// Requests under way.
    asking: usize,
    /// Requests so far.
    asked: u64,
    /// No stream that waits may ask before.
    ask_at: Duration,
    redial: Redial,
    /// When to look again for a stream that could make room.
    look_at: Duration,
    /// How much time went by while nobody read.
    missed: Duration,
}

#[derive(Debug)]
struct Slot<M> {
    topic: Arc<[u8]>,
    name: Arc<str>,
    follow: Follow<M>,
    is_asking: bool,
}

/// A request id is the slot of its stream, and how many requests there were before it.
pub(crate) const SLOT_SHIFT: u32 = 40;

/// How long the search for a stream that makes room rests after one in vain.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl<M> Streams<M> {
    pub(crate) fn new(rules: Rules, room: Room) -> Self {
        Self {
            rules,
            room,
            subscriptions: Subscriptions::default(),
            by_topic: HashMap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            left: Left::default(),
            recent: 0,
            ready: Turns::default(),
            renewed: Turns::default(),
            waiting: Turns::default(),
            asking: 0,
            asked: 0,
            ask_at: Duration::ZERO,
            redial: Redial::default(),
            look_at: Duration::ZERO,
            missed: Duration::ZERO,
        }
    }

    /// Follows a stream, or all streams below a name; returns what to subscribe to on the socket, where that is new.
    pub(crate) fn subscribe(&mut self, now: Duration, name: &str, start: Start) -> Result<Option<Box<[u8]>>> {
        let prefix = name::prefix(name)?;
        if !name::is_wildcard(name) {
            match self.by_topic.get(&*prefix) {
                Some(&index) => self.slots[index].iter_mut().for_each(|slot| slot.follow.begin_at(start)),
                None => drop(self.add(now, &prefix, name, start)?),
            }
        }
        let is_new = self.subscriptions.insert(&prefix, start);
        Ok(is_new.then_some(prefix))
    }

    /// Follows no longer what [`subscribe`](Self::subscribe) began to follow under this name, but for what is subscribed to
    /// under another one; returns what to unsubscribe from on the socket.
    pub(crate) fn unsubscribe(&mut self, name: &str) -> Option<Box<[u8]>> {
        let prefix = name::prefix(name).ok().filter(|prefix| self.subscriptions.remove(prefix))?;
        if !name::is_wildcard(name) {
            if self.subscriptions.start_of(&prefix).is_none() {
                if let Some(&index) = self.by_topic.get(&*prefix) {
                    self.remove(index);
                }
                self.left.take(&prefix);
            }
            return Some(prefix);
        }
        for index in 0..self.slots.len() {
            let is_over =
                |slot: &Slot<M>| slot.topic.starts_with(&prefix) && self.subscriptions.start_of(&slot.topic).is_none();
            if self.slots[index].as_ref().is_some_and(is_over) {
                self.remove(index);
            }
        }
        let subscriptions = &self.subscriptions;
        self.left.retain(|topic| !topic.starts_with(&prefix) || subscriptions.start_of(topic).is_some());
        Some(prefix)
    }

    /// The index of the stream of the last frame, and the header in this frame, where it is of the same stream.
    #[inline]
    pub(crate) fn again<'f>(&self, frame: &'f [u8]) -> Option<(usize, &'f [u8])> {
        let slot = self.slots.get(self.recent)?.as_ref()?;
        // a topic ends with the first zero byte
        frame.strip_prefix(&*slot.topic).map(|header| (self.recent, header))
    }

    /// The index of a stream by its topic; a stream that is new begins.
    pub(crate) fn locate(&mut self, now: Duration, topic: &[u8]) -> Result<usize> {
        if let Some(&index) = self.by_topic.get(topic) {
            self.recent = index;
            return Ok(index);
        }
        let name = name::of_topic(topic)?;
        let start =
            self.subscriptions.start_of(topic).ok_or(Detail::BadFeedTopic { reason: "was not subscribed to" })?;
        self.add(now, topic, name, start)
    }

    /// Counts the message that comes next as handed over, and returns its stream's name; `None` where it is not that simple, and
    /// [`data`](Self::data) takes it.
    #[inline]
    pub(crate) fn pass(&mut self, index: usize, stamp: Stamp, len: usize) -> Option<&Arc<str>> {
        let slot = self.slots[index].as_mut()?;
        slot.follow.pass(stamp, len, &self.rules).then_some(&slot.name)
    }

    /// Takes in a message as it was published.
    pub(crate) fn data(&mut self, index: usize, stamp: Stamp, item: M, len: usize) {
        if let Some(slot) = &mut self.slots[index] {
            slot.follow.data(stamp, item, len, &self.rules, &mut self.room);
            self.settle(index);
        }
    }

    /// Takes in a heartbeat.
    pub(crate) fn heartbeat(&mut self, index: usize, stamp: Stamp, first: u64) {
        if let Some(slot) = &mut self.slots[index] {
            slot.follow.heartbeat(stamp, first, &self.rules, &mut self.room);
            self.settle(index);
        }
    }

    /// Takes in a message from the cache.
    pub(crate) fn recovered(&mut self, now: Duration, stamp: Stamp, request: u64, item: M, len: usize) {
        self.redial.answer(now);
        let index = (request >> SLOT_SHIFT) as usize;
        if let Some(Some(slot)) = self.slots.get_mut(index) {
            slot.follow.recovered(now, stamp, request, item, len, &self.rules, &mut self.room);
            self.settle(index);
        }
    }

    /// Takes in the end of an answer.
    pub(crate) fn end(&mut self, now: Duration, stamp: Stamp, first: u64, request: u64) {
        self.redial.answer(now);
        let index = (request >> SLOT_SHIFT) as usize;
        if let Some(Some(slot)) = self.slots.get_mut(index) {
            slot.follow.end(now, stamp, first, request, &self.rules, &mut self.room);
            self.settle(index);
        }
    }

    /// The next request to send, and the stream it is for.
    pub(crate) fn request(&mut self, now: Duration) -> Option<(Arc<str>, Request)> {
        if self.asking >= self.rules.requests || now < self.ask_at {
            return None;
        }
        for _ in 0..self.waiting.len() {
            let index = self.waiting.pop()?;
            let id = self.next_id(index);
            let Some(slot) = &mut self.slots[index] else { continue };
            match slot.follow.ask(now, id, &self.rules) {
                Some(request) => {
                    let name = slot.name.clone();
                    self.asked += 1;
                    self.settle(index);
                    return Some((name, request));
                }
                None if slot.follow.wants() => {
                    self.waiting.push(index);
                }
                None => {}
            }
        }
        self.ask_at = now.saturating_add(self.rules.timeout / 8);
        None
    }

    /// Whether something is being recovered.
    pub(crate) fn is_recovering(&self) -> bool {
        self.asking > 0 || !self.waiting.is_empty()
    }

    /// Lets time pass.
    pub(crate) fn tick(&mut self, moment: Moment) {
        let now = moment.now;
        self.missed = moment.missed;
        let (mut is_heard, mut was_heard) = (false, false);
        for index in 0..self.slots.len() {
            let Some(slot) = &mut self.slots[index] else { continue };
            let patience = slot.follow.tick(moment, &self.rules, &mut self.room);
            self.settle(index);
            let Some(slot) = &self.slots[index] else { continue };
            let is_alive = !slot.follow.is_stale();
            if slot.follow.position(&self.rules).is_some() {
                (is_heard, was_heard) = (is_heard || is_alive, true);
            }
            if patience != Patience::Kept && is_alive {
                self.redial.strain(now, self.rules.timeout);
            }
            let gave_up = self.rules.timeout.saturating_mul(self.rules.attempts);
            if patience == Patience::Lost && self.redial.unanswered(now) >= gave_up {
                // nobody is answered: those who wait need not find out one after the other
                while let Some(index) = self.waiting.pop() {
                    let Some(slot) = &mut self.slots[index] else { continue };
                    slot.follow.despair(&self.rules, &mut self.room);
                    self.settle(index);
                }
            }
        }
        self.redial.listen(now, was_heard && !is_heard, self.rules.stale_after);
    }

    /// Takes a connection that may be dead and is to be made anew.
    pub(crate) fn take_redial(&mut self) -> Option<Line> {
        self.redial.take()
    }

    /// How often [`tick`](Self::tick) should be called.
    pub(crate) fn tick_interval(&self) -> Duration {
        let interval = (self.rules.timeout / 8).min(self.rules.stale_after / 8);
        interval.clamp(Duration::from_millis(2), Duration::from_millis(100))
    }

    /// Takes what some stream has to tell. They take turns: one that always has something new holds up no other.
    pub(crate) fn poll(&mut self) -> Option<(Arc<str>, Step<M>)> {
        while let Some(index) = self.ready.pop().or_else(|| self.renewed.pop()) {
            let Some(slot) = &mut self.slots[index] else { continue };
            if let Some(step) = slot.follow.poll() {
                let name = slot.name.clone();
                self.settle(index);
                return Some((name, step));
            }
        }
        None
    }

    /// Whether [`poll`](Self::poll) may have something.
    pub(crate) fn is_ready(&self) -> bool {
        self.has_queue() || !self.renewed.is_empty()
    }

    /// Whether anything waits to be told that a later frame does not replace.
    pub(crate) fn has_queue(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The names of all streams.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.slots.iter().flatten().map(|slot| &slot.name)
    }

    pub(crate) fn statistics(&self, name: &str) -> Option<StreamStatistics> {
        Some(self.find(name)?.follow.statistics())
    }

    /// The epoch, and the number that comes next.
    pub(crate) fn position(&self, name: &str) -> Option<(u64, u64)> {
        match self.find(name) {
            Some(slot) => slot.follow.position(&self.rules),
            None => self.left.get(&name::topic(name).ok()?),
        }
    }

    #[cfg(test)]
    pub(crate) fn room(&self) -> &Room {
        &self.room
    }

    fn find(&self, name: &str) -> Option<&Slot<M>> {
        let index = *self.by_topic.get(&*name::topic(name).ok()?)?;
        self.slots[index].as_ref()
    }

    fn add(&mut self, now: Duration, topic: &[u8], name: &str, start: Start) -> Result<usize> {
        // where it was comes first: the position of the one that makes room may be one too many
        let mut left = None;
        if self.by_topic.len() >= self.rules.max_streams {
            let stale = if now < self.look_at { None } else { self.stalest() };
            let Some(stale) = stale else {
                self.look_at = self.look_at.max(now + LOOK_AGAIN);
                return Err(Detail::TooManyStreams { limit: self.rules.max_streams }.into());
            };
            left = self.left.take(topic);
            if let Some(slot) = &self.slots[stale]
                && let Some(position) = slot.follow.position(&self.rules)
            {
                self.left.push(slot.topic.clone(), position, self.rules.max_streams);
            }
            self.remove(stale);
        }
        let left = left.or_else(|| self.left.take(topic));
        let start = left.map_or(start, |(epoch, number)| Start::From { epoch, number });
        let moment = Moment { now, missed: self.missed, ..Moment::default() };
        let index = self.free.pop().unwrap_or(self.slots.len());
        let follow = Follow::new(moment, start, self.next_id(index));
        let topic: Arc<[u8]> = topic.into();
        let slot = Slot { topic: topic.clone(), name: name.into(), follow, is_asking: false };
        match self.slots.get_mut(index) {
            Some(place) => *place = Some(slot),
            None => self.slots.push(Some(slot)),
        }
        self.by_topic.insert(topic, index);
        Ok(index)
    }

    /// The id of the next request, where it is for the stream in this slot.
    fn next_id(&self, index: usize) -> u64 {
        (index as u64) << SLOT_SHIFT | self.asked
    }

    /// A stream that nothing was heard of for long, and that has nothing to tell.
    fn stalest(&self) -> Option<usize> {
        let is_done = |at| !self.ready.has(at) && !self.renewed.has(at);
        let mut all = self.slots.iter().enumerate();
        all.position(|(at, slot)| slot.as_ref().is_some_and(|slot| slot.follow.is_stale()) && is_done(at))
    }

    fn remove(&mut self, index: usize) {
        let Some(mut slot) = self.slots[index].take() else { return };
        slot.follow.release(&mut self.room);
        self.asking -= usize::from(slot.is_asking);
        self.ready.remove(index);
        self.renewed.remove(index);
        self.waiting.remove(index);
        self.by_topic.remove(&slot.topic);
        self.free.push(index);
    }

    /// Notes what a stream wants after something happened to it.
    fn settle(&mut self, index: usize) {
        let Some(slot) = &mut self.slots[index] else { return };
        if self.rules.attempts == 0 && slot.follow.wants() {
            slot.follow.despair(&self.rules, &mut self.room);
        }
        if slot.follow.is_asking() != slot.is_asking {
            slot.is_asking = !slot.is_asking;
            self.asking = if slot.is_asking { self.asking + 1 } else { self.asking - 1 };
        }
        if slot.follow.wants() && self.waiting.push(index) {
            self.ask_at = Duration::ZERO;
        }
        let (has_queue, has_newest) = slot.follow.has_steps();
        if has_queue {
            self.ready.push(index);
        }
        if has_newest {
            self.renewed.push(index);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::feed::event::Origin;

    const RULES: Rules = Rules {
        conflate: false,
        timeout: Duration::from_millis(500),
        attempts: 5,
        stale_after: Duration::from_secs(3),
        credit_messages: 10,
        credit_bytes: 1000,
        requests: 4,
        max_streams: 2,
    };

    fn streams(rules: Rules) -> Streams<&'static str> {
        Streams::new(rules, Room::new(10, 1000))
    }

    fn stamp(number: u64) -> Stamp {
        Stamp { epoch: 7, number, time: 0 }
    }

    /// All that there is to tell.
    fn told(streams: &mut Streams<&'static str>) -> Vec<(Arc<str>, Step<&'static str>)> {
        std::iter::from_fn(|| streams.poll()).collect()
    }

    /// The request for what a stream lacks that is known to be at 5.
    fn request(streams: &mut Streams<&'static str>, topic: &[u8]) -> Request {
        let index = streams.locate(Duration::ZERO, topic).unwrap();
        streams.heartbeat(index, stamp(5), 1);
        streams.request(Duration::ZERO).unwrap().1
    }

    #[test]
    fn what_was_asked_for_a_stream_that_is_gone_is_not_taken_for_the_next_one_in_its_slot() {
        for is_stale in [false, true] {
            let mut streams = streams(RULES);
            streams.subscribe(Duration::ZERO, "x", Start::Now).unwrap();
            streams.subscribe(Duration::ZERO, "a", Start::All).unwrap();
            let former = request(&mut streams, b"a\0");
            assert_eq!(former.id >> SLOT_SHIFT, 1);
            if is_stale {
                for now in [Duration::ZERO, RULES.stale_after] {
                    streams.tick(Moment { now, ..Moment::default() });
                }
                let x = streams.locate(RULES.stale_after, b"x\0").unwrap();
                streams.heartbeat(x, stamp(0), 1);
            } else {
                streams.unsubscribe("a");
            }
            told(&mut streams);
            streams.subscribe(RULES.stale_after, "b", Start::All).unwrap();
            let latter = request(&mut streams, b"b\0");
            assert_eq!((latter.id >> SLOT_SHIFT, &*latter.ranges), (1, &[(1, 5)][..]));
            streams.recovered(RULES.stale_after, stamp(1), former.id, "of a", 4);
            streams.end(RULES.stale_after, stamp(5), 4, former.id);
            assert_eq!(told(&mut streams), []);
            streams.recovered(RULES.stale_after, stamp(1), latter.id, "of b", 4);
            let first = Step::Item { epoch: 7, number: 1, item: "of b", origin: Origin::Recovered, skipped: 0 };
            assert_eq!(told(&mut streams), [("b".into(), Step::Joined { epoch: 7, from: 1 }), ("b".into(), first)]);
        }
    }

    /// Where each of these compares each topic with each subscription, this takes hours.
    #[test]
    fn as_many_subscriptions_as_there_may_be_begin_and_end() {
        let max_streams = 1 << 14;
        let mut streams = streams(Rules { max_streams, ..RULES });
        let names: Vec<_> = (0..max_streams).map(|index| format!("s/{index}")).collect();
        for name in &names {
            assert!(streams.subscribe(Duration::ZERO, name, Start::Now).unwrap().is_some());
        }
        streams.subscribe(Duration::ZERO, "s/", Start::Now).unwrap();
        assert!(streams.unsubscribe("s/").is_some() && streams.unsubscribe("s/").is_none());
        assert_eq!(streams.names().count(), names.len(), "they are subscribed to by name");
        for (index, name) in names.iter().enumerate() {
            assert!(streams.unsubscribe(name).is_some());
            assert_eq!(streams.position(name), None);
            assert_eq!(streams.by_topic.len(), names.len() - index - 1);
        }
        assert!(streams.by_topic.is_empty());
    }

    #[test]
    fn a_stream_that_always_has_something_new_holds_up_no_other() {
        let mut streams = streams(Rules { conflate: true, ..RULES });
        streams.subscribe(Duration::ZERO, "", Start::Now).unwrap();
        let [a, b] = [&b"a\0"[..], b"b\0"].map(|topic| streams.locate(Duration::ZERO, topic).unwrap());
        [a, b].into_iter().for_each(|index| streams.heartbeat(index, stamp(0), 1));
        assert_eq!(told(&mut streams).len(), 2);
        streams.data(a, stamp(1), "of a", 4);
        streams.data(b, stamp(1), "of b", 4);
        let names = (2..5).map(|number| {
            let (name, _) = streams.poll().unwrap();
            streams.data(a, stamp(number), "of a", 4);
            name
        });
        assert_eq!(names.collect::<Vec<_>>(), ["a".into(), "b".into(), "a".into()]);
    }
}
