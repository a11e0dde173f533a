//! A publisher, followers, the network between them, and the clock.

#![cfg(test)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::super::cache::{Bounds, Fresh};
use super::super::desk::{Desk, Grants};
use super::super::header::{Header, MAX_HEADER, MAX_RANGES, Request};
use super::super::room::Rules;
use super::super::source::Source;
use super::super::start::Start;
use super::super::streams::SLOT_SHIFT;
use super::agenda::Agenda;
use super::follower::{Follower, Frame};
use super::ledger::{Published, STREAMS, Truth, index, signature};
use super::random::Random;
use super::seen::{Seen, What};
use crate::multipart::Multipart;

pub(super) struct World {
    random: Random,
    now: Duration,
    agenda: Agenda<Event>,
    network: Network,
    publisher: Option<(Source, Desk)>,
    /// Counts the lives of the publisher.
    life: u64,
    epoch: u64,
    followers: Vec<Follower>,
    names: Vec<Arc<str>>,
    published: Published,
    bounds: Bounds,
    has_faults: bool,
    /// When everybody has got over what happened.
    settled: Duration,
    seen: Seen,
}

/// What the network does, per mille, and how long it takes.
#[derive(Clone, Copy, Debug)]
struct Network {
    lose_live: u64,
    lose_recovery: u64,
    repeat: u64,
    /// Frames that are held up long enough for others to overtake them.
    hold_up: u64,
    /// Live frames that a proxy keeps for long.
    keep: u64,
    delay: (u64, u64),
    /// What a socket holds for a follower that does not read.
    unread: usize,
}

enum Event {
    Publish,
    PublisherTick,
    FollowerTick(usize),
    /// A subscription reaches the publisher.
    Link {
        follower: usize,
        life: u64,
        epoch: u64,
    },
    Arrive {
        follower: usize,
        /// The life that it was sent to; what a proxy kept goes to whoever is there.
        life: Option<u64>,
        frame: Frame,
    },
    Ask {
        follower: usize,
        life: u64,
        name: Arc<str>,
        request: Request,
        /// The frames of the request.
        written: (Vec<u8>, Vec<u8>),
    },
    Kill,
    Restart,
    KillFollower(usize),
    RestartFollower(usize),
    Stall(usize),
    Resubscribe(usize),
    Unplug,
    Plug(Network),
}

const GRANTS: Grants = Grants { requests: 8, requests_of_peer: 4, messages: 20, bytes: 4000 };
const FAULTS_END: Duration = Duration::from_millis(600);
const MESSAGES_END: Duration = Duration::from_millis(700);
const END: Duration = Duration::from_millis(1000);
/// Two silences, heartbeats, and what has to be recovered then.
const LOST: Duration = Duration::from_millis(800);
/// For who recovers one message at a time.
const LATEST_END: Duration = Duration::from_millis(4000);
const HEARTBEAT: Duration = Duration::from_millis(60);
/// Heartbeats at a time: fewer than there are streams.
const SLICE: usize = 1;

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let has_faults = !random.chance(100);
        let sometimes =
            |random: &mut Random, most| if has_faults && random.chance(500) { random.between(0, most) } else { 0 };
        let network = Network {
            lose_live: sometimes(&mut random, 300),
            lose_recovery: sometimes(&mut random, 300),
            repeat: sometimes(&mut random, 100),
            hold_up: sometimes(&mut random, 100),
            keep: sometimes(&mut random, 50),
            delay: (1, 1 + random.between(0, 5)),
            unread: random.between(3, 40) as usize,
        };
        let bounds = Bounds {
            messages: random.between(0, 60) as usize,
            bytes: random.between(600, 20_000) as usize,
            age: Duration::from_millis(random.between(50, 2000)),
        };
        let names = (0..random.between(1, STREAMS as u64)).map(|index| format!("s/{index}").into()).collect();
        let mut world = Self {
            random,
            now: Duration::ZERO,
            agenda: Agenda::new(),
            network,
            publisher: None,
            life: 0,
            epoch: 0,
            followers: Vec::new(),
            names,
            published: Published::default(),
            bounds,
            has_faults,
            settled: END,
            seen: Seen::default(),
        };
        world.set_the_scene();
        world
    }

    fn set_the_scene(&mut self) {
        self.plan(0, Event::Restart);
        self.plan(1, Event::Publish);
        for index in 0..self.random.between(1, 3) as usize {
            let rules = Rules {
                conflate: self.random.chance(200),
                timeout: Duration::from_millis(40),
                attempts: 3,
                stale_after: Duration::from_millis(200),
                credit_messages: self.random.between(1, 30),
                credit_bytes: self.random.between(1, 5000),
                requests: self.random.between(1, 3) as usize,
                max_streams: 8,
            };
            let room = (self.random.between(0, 20) as usize, self.random.between(100, 4000) as usize);
            let start = self.start();
            self.followers.push(Follower::new(Duration::ZERO, rules, room, start));
            self.followers[index].is_alive = false;
            let comes = self.random.between(0, 300);
            self.plan(comes, Event::RestartFollower(index));
            self.plan(comes + 1, Event::FollowerTick(index));
        }
        if !self.has_faults {
            return;
        }
        for _ in 0..self.random.between(0, 4) {
            let follower = self.random.between(0, self.followers.len() as u64 - 1) as usize;
            let event = match self.random.between(0, 4) {
                0 => Event::Kill,
                1 => Event::KillFollower(follower),
                2 => Event::Stall(follower),
                3 => Event::Resubscribe(follower),
                _ => Event::Unplug,
            };
            let when = self.random.between(20, FAULTS_END.as_millis() as u64 - 150);
            self.plan(when, event);
        }
    }

    fn start(&mut self) -> Start {
        match self.random.between(0, 3) {
            0 => Start::Now,
            1 => Start::All,
            2 => Start::Last(1),
            _ => Start::Last(self.random.between(1, 30)),
        }
    }

    /// Plans an event for so many milliseconds from now.
    fn plan(&mut self, millis: u64, event: Event) {
        self.agenda.plan(self.now.as_millis() as u64 + millis, event);
    }

    pub(super) fn run(mut self) -> Seen {
        let mut has_healed = false;
        while let Some((when, event)) = self.agenda.next() {
            self.now = Duration::from_millis(when);
            if self.now > self.settled && (self.now > LATEST_END || self.is_quiet()) {
                break;
            }
            if !has_healed && self.now > FAULTS_END {
                has_healed = true;
                let Network { delay, unread, .. } = self.network;
                self.network =
                    Network { lose_live: 0, lose_recovery: 0, repeat: 0, hold_up: 0, keep: 0, delay, unread };
            }
            self.happen(event);
        }
        let (source, desk) = self.publisher.as_ref().unwrap();
        assert!(desk.is_idle());
        let truth = Truth { now: self.now, source: Some(source), published: &self.published };
        for follower in &mut self.followers {
            assert!(follower.is_alive);
            follower.tick(&truth, &mut self.seen);
            follower.check_converged(source, &self.names, self.has_faults);
            follower.count(&mut self.seen);
        }
        self.seen
    }

    /// Whether nobody asks for anything.
    fn is_quiet(&self) -> bool {
        let is_idle = self.publisher.as_ref().is_some_and(|(_, desk)| desk.is_idle());
        is_idle && self.followers.iter().all(|follower| !follower.streams.is_recovering())
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Publish => self.publish(),
            Event::PublisherTick => self.publisher_tick(),
            Event::FollowerTick(index) => self.follower_tick(index),
            Event::Link { follower, life, epoch } => self.link(follower, life, epoch),
            Event::Arrive { follower, life, frame } => self.arrive(follower, life, frame),
            Event::Ask { follower, life, name, request, written: (header, ranges) } => {
                assert_eq!(Request::read(&header, &ranges).unwrap(), request);
                self.answer(follower, life, &name, request);
            }
            Event::Kill => {
                self.publisher = None;
                self.seen.count(What::PublisherKilled);
                for follower in &mut self.followers {
                    follower.is_linked = false;
                    // requests that waited at the desk are gone
                    follower.suffer_everywhere();
                }
                let down = self.random.between(1, 100);
                self.plan(down, Event::Restart);
            }
            Event::Restart => self.restart(),
            Event::KillFollower(index) => {
                self.followers[index].is_alive = false;
                self.seen.count(What::FollowerKilled);
                let down = self.random.between(1, 100);
                self.plan(down, Event::RestartFollower(index));
            }
            Event::RestartFollower(index) => {
                let start = self.start();
                let follower = &mut self.followers[index];
                if !follower.is_alive {
                    follower.restart(self.now, start, &mut self.seen);
                    self.subscribed_again(index);
                }
            }
            Event::Stall(index) => {
                self.seen.count(What::FollowerStalled);
                self.followers[index].stalled_until = self.now + Duration::from_millis(self.random.between(10, 150));
            }
            Event::Resubscribe(index) => {
                let start = self.start();
                if self.followers[index].is_alive {
                    self.seen.count(What::SubscribedAgain);
                    self.followers[index].resubscribe(self.now, start, &mut self.seen);
                    self.subscribed_again(index);
                }
            }
            Event::Unplug => {
                self.seen.count(What::NetworkUnplugged);
                let former = self.network;
                (self.network.lose_live, self.network.lose_recovery) = (1000, 1000);
                let down = self.random.between(10, 150);
                self.plan(down, Event::Plug(former));
            }
            Event::Plug(network) => self.network = network,
        }
    }

    fn suffer(&mut self, follower: usize, request: Option<u64>) {
        request.into_iter().for_each(|request| self.followers[follower].suffer(request));
    }

    fn restart(&mut self) {
        if self.publisher.is_some() {
            return;
        }
        self.life += 1;
        // epochs grow, but for a clock that is set back
        let back = if self.has_faults && self.random.chance(250) { 25 } else { 0 };
        self.epoch = 1000 + 10 * self.life - back;
        if back > 0 && self.life > 1 {
            self.seen.count(What::ClockSetBack);
            self.settles_within(LOST);
        }
        let source = Source::new(self.epoch, HEARTBEAT, 8, self.bounds);
        self.publisher = Some((source, Desk::new(GRANTS)));
        (0..self.followers.len()).for_each(|index| self.connect(index));
        if self.life == 1 {
            self.plan(1, Event::PublisherTick);
        }
    }

    /// Nobody is expected to be up to date before so much time has passed.
    fn settles_within(&mut self, time: Duration) {
        self.settled = self.settled.max(self.now + time);
    }

    /// A follower has begun anew.
    fn subscribed_again(&mut self, index: usize) {
        if self.published.has_higher(self.epoch) {
            // it may go on with one that is gone
            self.settles_within(LOST);
        }
        self.connect(index);
    }

    /// A subscription sets out to the publisher.
    fn connect(&mut self, follower: usize) {
        if self.publisher.is_some() && self.followers[follower].is_alive {
            let (life, epoch) = (self.followers[follower].life, self.epoch);
            let delay = self.random.between(1, 20);
            self.plan(delay, Event::Link { follower, life, epoch });
        }
    }

    fn link(&mut self, follower: usize, life: u64, epoch: u64) {
        let (Some((source, _)), true) = (&mut self.publisher, epoch == self.epoch) else { return };
        let follower = &mut self.followers[follower];
        if follower.life == life && follower.is_alive {
            follower.is_linked = true;
            source.call(b"s/");
        }
    }

    fn publish(&mut self) {
        let pause = if self.random.chance(300) { 0 } else { self.random.between(1, 25) };
        if self.now < MESSAGES_END {
            self.plan(pause, Event::Publish);
        }
        let stream = self.random.between(0, self.names.len() as u64 - 1) as usize;
        let Some((source, _)) = &mut self.publisher else { return };
        let index = source.stream(&self.names[stream]).unwrap();
        let time = self.now.as_micros() as u64;
        let stamp = source.next_stamp(index, time);
        let signature = signature(stamp.epoch, stream, stamp.number);
        // of the long ones some are longer than what is lent, or than the whole cache
        let more = if self.random.chance(900) { 200 } else { 2500 };
        let mut bytes = vec![0; signature.len() + self.random.between(0, more) as usize];
        bytes[..signature.len()].copy_from_slice(&signature);
        let lent = if self.random.chance(800) { source.lend(index, &bytes) } else { None };
        if self.has_faults && self.random.chance(50) {
            if let Some((place, _)) = lent {
                source.withdraw(index, place);
            }
            self.seen.count(What::SendFailed);
            return;
        }
        let topic = source.topic(index).clone();
        let fresh = match &lent {
            Some((place, lent)) => {
                assert_eq!(lent[..], bytes);
                self.seen.count(What::Lent);
                Fresh::Lent(*place)
            }
            None if self.random.chance(500) => Fresh::Frame(&bytes),
            None => Fresh::Message(Multipart::new(bytes.clone(), vec![])),
        };
        source.commit(self.now, index, time, fresh);
        drop(lent);
        let message = Multipart::new(bytes, vec![]);
        self.check_cache();
        self.published.note(stamp.epoch, stream, stamp.number);
        self.broadcast(&topic, Header::Data(stamp), Some(message));
    }

    fn check_cache(&self) {
        let Some((source, _)) = &self.publisher else { return };
        assert!(source.cache().messages() <= self.bounds.messages * self.names.len(), "the cache is too long");
        assert!(source.cache().bytes() <= self.bounds.bytes, "the cache is too large");
        for stream in 0..source.streams() {
            let oldest = source.cached(stream, source.first(stream));
            let age = oldest.map(|(time, _)| self.now - Duration::from_micros(time));
            assert!(age.is_none_or(|age| age < self.bounds.age), "{age:?} old, of {:?}", self.bounds.age);
        }
    }

    fn broadcast(&mut self, topic: &[u8], header: Header, message: Option<Multipart>) {
        let mut opening = Vec::new();
        header.write_after(topic, &mut opening);
        let opening: Arc<[u8]> = opening.into();
        for index in 0..self.followers.len() {
            if self.followers[index].is_linked {
                let frame = Frame::Live { opening: opening.clone(), header, message: message.clone() };
                self.send(index, frame, self.network.lose_live);
            }
        }
    }

    /// Sends a frame to a follower, or what the network makes of it.
    fn send(&mut self, index: usize, frame: Frame, lose: u64) {
        let life = self.followers[index].life;
        if self.random.chance(lose) {
            let is_live = frame.request().is_none();
            self.seen.count(if is_live { What::LiveFrameLost } else { What::RecoveryFrameLost });
            self.suffer(index, frame.request());
            return;
        }
        let is_repeated = self.random.chance(self.network.repeat);
        self.seen.add(What::FrameRepeated, u64::from(is_repeated));
        for _ in 0..1 + u64::from(is_repeated) {
            let line = if frame.request().is_none() { 0 } else { 1 };
            let (delay, is_kept) = match frame.request() {
                None if self.is_kept_by_a_proxy() => (self.random.between(60, 400), true),
                request => (self.delay(index, line, request), false),
            };
            let life = Some(life).filter(|_| !is_kept);
            self.plan(delay, Event::Arrive { follower: index, life, frame: frame.clone() });
        }
    }

    fn is_kept_by_a_proxy(&mut self) -> bool {
        let is_kept = self.random.chance(self.network.keep);
        self.seen.add(What::FrameKeptByAProxy, u64::from(is_kept));
        is_kept
    }

    /// The milliseconds that a frame takes on one of the lines to a follower. A line keeps the order, as a connection
    /// does, but for what is held up.
    fn delay(&mut self, index: usize, line: usize, request: Option<u64>) -> u64 {
        let (shortest, longest) = self.network.delay;
        let delay = self.random.between(shortest, longest);
        if self.random.chance(self.network.hold_up) {
            self.suffer(index, request);
            self.seen.count(What::FrameHeldUp);
            return delay + self.random.between(5, 60);
        }
        let now = self.now.as_millis() as u64;
        let last = &mut self.followers[index].lines[line];
        *last = (now + delay).max(*last);
        *last - now
    }

    fn publisher_tick(&mut self) {
        let Some((source, _)) = &mut self.publisher else { return self.plan(10, Event::PublisherTick) };
        source.expire(self.now);
        let due = source.heartbeats(self.now, 0, SLICE);
        let epoch = source.epoch();
        // where more are due the next slice comes sooner
        let pause = source.beat_at().saturating_sub(self.now).as_millis() as u64;
        self.plan(pause.clamp(1, 10), Event::PublisherTick);
        self.check_cache();
        for (topic, header) in due {
            self.published.note(epoch, index(&topic), 0);
            self.broadcast(&topic, header, None);
        }
        self.serve();
    }

    fn answer(&mut self, follower: usize, life: u64, name: &str, request: Request) {
        let Some((_, desk)) = &mut self.publisher else {
            return self.suffer(follower, Some(request.id));
        };
        let id = request.id;
        let peer = Bytes::from(vec![follower as u8, life as u8]);
        // overtaken by the one that it replaces now, which gets no answer
        let asked = |id: u64| id & ((1 << SLOT_SHIFT) - 1);
        let overtook = desk.waiting_of(&peer, name).filter(|&waiting| asked(waiting) > asked(id));
        if !desk.ask(peer, name, request) {
            self.suffer(follower, Some(id));
        }
        if self.followers[follower].life == life {
            self.suffer(follower, overtook);
        }
        let Some((_, desk)) = &self.publisher else { return };
        assert!(desk.waiting() <= GRANTS.requests, "too many requests wait");
        if self.random.chance(500) {
            self.serve();
        }
    }

    fn serve(&mut self) {
        while let Some((source, desk)) = &mut self.publisher
            && !desk.is_idle()
        {
            for answer in desk.slice(source, 0) {
                let (index, life) = (usize::from(answer.peer[0]), u64::from(answer.peer[1]));
                if self.followers[index].life == life {
                    let written = answer.header.write(&mut [0; MAX_HEADER])[..].into();
                    let frame = Frame::Answer { header: answer.header, written, message: answer.message };
                    self.send(index, frame, self.network.lose_recovery);
                }
            }
        }
    }

    fn arrive(&mut self, index: usize, life: Option<u64>, frame: Frame) {
        let follower = &self.followers[index];
        if life.is_some_and(|life| follower.life != life) || !follower.is_alive {
            return;
        }
        if frame.epoch() != self.epoch {
            // for all that can be known it lives, until it was silent for long
            self.seen.count(What::FrameOfTheDead);
            self.settles_within(LOST);
        }
        let follower = &mut self.followers[index];
        if follower.stalled_until > self.now {
            frame.request().into_iter().for_each(|request| follower.suffer(request));
            if follower.unread.len() < self.network.unread {
                follower.unread.push_back(frame);
            }
            return;
        }
        let truth = Truth {
            now: self.now,
            source: self.publisher.as_ref().map(|(source, _)| source),
            published: &self.published,
        };
        follower.unread.push_back(frame);
        while let Some(frame) = follower.unread.pop_front() {
            follower.read(frame, &truth, &mut self.seen);
        }
        self.ask(index);
    }

    fn follower_tick(&mut self, index: usize) {
        self.plan(10, Event::FollowerTick(index));
        let follower = &mut self.followers[index];
        if !follower.is_alive || follower.stalled_until > self.now {
            return;
        }
        let truth = Truth {
            now: self.now,
            source: self.publisher.as_ref().map(|(source, _)| source),
            published: &self.published,
        };
        while let Some(frame) = follower.unread.pop_front() {
            follower.read(frame, &truth, &mut self.seen);
        }
        follower.tick(&truth, &mut self.seen);
        self.ask(index);
    }

    /// Sends what the follower asks for.
    fn ask(&mut self, index: usize) {
        while let Some((name, request)) = self.followers[index].streams.request(self.now) {
            assert!(request.ranges.len() <= MAX_RANGES);
            let life = self.followers[index].life;
            if self.random.chance(self.network.lose_recovery) {
                self.seen.count(What::RecoveryFrameLost);
                self.suffer(index, Some(request.id));
                continue;
            }
            let delay = self.delay(index, 2, Some(request.id));
            let written = request.write();
            self.plan(delay, Event::Ask { follower: index, life, name, request, written });
        }
    }
}
