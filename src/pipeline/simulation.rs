//! A dispatcher, workers and a network between them in virtual time, with faults from a seed.
//!
//! Messages are lost, come twice and late where connections end, as ZeroMQ's would; in a third of the schedules within
//! connections that stand as well.
//!
//! `OUTBAND_SCHEDULES` says how many schedules; `OUTBAND_SEED` runs the one that failed.

#![cfg(test)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::finished::{Load, weight};
use super::hand::{Answer, Hand, Job, NO_ROOM, Terms};
use super::ledger::{Ledger, Loss};
use super::message::{Down, Fault, Peer, Time, Up, Window};
use super::options::{DispatcherOptions, Order};
use super::outcome::Ending;
use super::wire;
use crate::multipart::Multipart;

/// How many schedules a plain `cargo test` runs.
const SCHEDULES: u64 = 20_000;
/// Some workers decline what is longer, and say why.
const SHORT: usize = 20;
const OVER_LIMITS: &str = "over its limits";
/// What a handler made that is over the dispatcher's limits.
const BULKY: &[u8] = b"far too much";
/// The longest task that workers must have room for.
const LONGEST: u64 = 100;
/// How long faults go on.
const STORM: Time = Duration::from_millis(1500);
/// How long a dispatcher waits for its goodbye to be heard.
const FAREWELL: Time = Duration::from_millis(500);
/// When everything has to be over.
const END: Time = Duration::from_secs(30);

#[test]
fn every_task_has_one_outcome_whatever_the_network_does() {
    if let Some(seed) = number("OUTBAND_SEED") {
        println!("{:?}", World::new(seed).run());
        return;
    }
    let schedules = number("OUTBAND_SCHEDULES").unwrap_or(SCHEDULES);
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    let sums = std::thread::scope(|scope| {
        let runs = |thread| {
            move || {
                let mut sum = Tally::default();
                for seed in (thread..schedules).step_by(threads as usize) {
                    sum.add(&run(seed));
                }
                sum
            }
        };
        let threads: Vec<_> = (0..threads).map(|thread| scope.spawn(runs(thread))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    let mut sum = Tally::default();
    sums.iter().for_each(|part| sum.add(part));
    println!("{schedules} schedules: {sum:?}");
    // schedules in which nothing happens would show nothing
    let enough = schedules / 4;
    assert!(sum.done > enough && sum.redelivered > enough && sum.kills > enough && sum.cuts > enough, "{sum:?}");
    assert!(sum.dead * 50 > enough && sum.cancelled * 50 > enough && sum.late * 50 > enough, "{sum:?}");
    assert!(sum.restarts * 50 > enough && sum.stalls * 50 > enough && sum.drains * 50 > enough, "{sum:?}");
    assert!(sum.closes * 100 > enough && sum.deserted * 100 > enough && sum.overdue * 5000 > enough, "{sum:?}");
    assert!(sum.drops > enough && sum.duplicates > enough && sum.overtakings > enough, "{sum:?}");
    assert!(
        sum.repeats * 4 > enough && sum.declined * 10 > enough && sum.bulky > enough && sum.too_long * 50 > enough,
        "{sum:?}"
    );
    assert!(sum.hangs > enough && sum.in_vain * 50 > enough, "{sum:?}");
    assert!(sum.missing * 2 > enough && sum.refusals * 50 > enough && sum.questions * 50 > enough, "{sum:?}");
}

#[test]
fn a_schedule_repeats() {
    for seed in 0..200 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

fn run(seed: u64) -> Tally {
    catch_unwind(AssertUnwindSafe(|| World::new(seed).run())).unwrap_or_else(|_| {
        panic!("OUTBAND_SEED={seed} cargo test --all-features --lib pipeline::simulation -- --nocapture")
    })
}

/// What happened in schedules.
#[derive(Clone, Debug, Default, PartialEq)]
struct Tally {
    done: u64,
    dead: u64,
    cancelled: u64,
    redelivered: u64,
    late: u64,
    expired: u64,
    kills: u64,
    cuts: u64,
    stalls: u64,
    drains: u64,
    restarts: u64,
    closes: u64,
    deserted: u64,
    overdue: u64,
    duplicates: u64,
    drops: u64,
    overtakings: u64,
    missing: u64,
    refusals: u64,
    questions: u64,
    repeats: u64,
    declined: u64,
    bulky: u64,
    too_long: u64,
    hangs: u64,
    in_vain: u64,
    events: u64,
    last: Time,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.done += other.done;
        self.dead += other.dead;
        self.cancelled += other.cancelled;
        self.redelivered += other.redelivered;
        self.late += other.late;
        self.expired += other.expired;
        self.kills += other.kills;
        self.cuts += other.cuts;
        self.stalls += other.stalls;
        self.drains += other.drains;
        self.restarts += other.restarts;
        self.closes += other.closes;
        self.deserted += other.deserted;
        self.overdue += other.overdue;
        self.duplicates += other.duplicates;
        self.drops += other.drops;
        self.overtakings += other.overtakings;
        self.missing += other.missing;
        self.refusals += other.refusals;
        self.questions += other.questions;
        self.repeats += other.repeats;
        self.declined += other.declined;
        self.bulky += other.bulky;
        self.too_long += other.too_long;
        self.hangs += other.hangs;
        self.in_vain += other.in_vain;
        self.events += other.events;
        self.last = self.last.max(other.last);
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, below: u64) -> u64 {
        self.next() % below
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    fn millis(&mut self, below: u64) -> Duration {
        Duration::from_micros(self.below(below * 1000))
    }
}

/// What will happen.
enum Event {
    /// A message reaches the dispatcher.
    Up(u64, Up, Option<Multipart>),
    /// A message reaches the worker of a connection.
    Down(u64, Down, Option<Multipart>),
    /// The dispatcher notices that a connection ended.
    Ended(u64),
    /// A worker has a connection again.
    Connected {
        worker: usize,
        life: u64,
    },
    Handled {
        worker: usize,
        life: u64,
        job: Job,
        answer: Answer,
    },
    Progress {
        worker: usize,
        life: u64,
        job: Job,
    },
    Submit,
    Cancel,
    Kill(usize),
    Start(usize),
    Stall(usize, Duration),
    Drain(usize),
    Cut(usize),
    RestartDispatcher,
    Read,
    /// The dispatcher says goodbye, and then another takes its place.
    CloseDispatcher,
    /// It has waited for long enough.
    Farewell,
    /// The faults are over.
    Calm,
}

struct Worker {
    /// Counts its processes.
    life: u64,
    hand: Option<Hand>,
    connection: Option<u64>,
    stalled_until: Time,
    threads: u64,
    capacity: Window,
    /// The longest task that it does not decline.
    limit: usize,
}

struct Connection {
    worker: usize,
    life: u64,
    is_up: bool,
    /// When the last message on each way arrives: one never overtakes another, unless the network is wild.
    last: [Time; 2],
    /// When the one that takes longest arrives.
    latest: [Time; 2],
}

/// What a network does to messages of a connection that stands: to one in so many, or to none.
#[derive(Clone, Copy, Debug, Default)]
struct Wild {
    drops: u64,
    duplicates: u64,
    overtakings: u64,
}

impl Wild {
    fn is_any(self) -> bool {
        self.drops + self.duplicates + self.overtakings > 0
    }
}

struct World {
    random: Random,
    now: Time,
    events: BinaryHeap<Reverse<(Time, u64)>>,
    bodies: HashMap<u64, Event>,
    sequence: u64,
    options: DispatcherOptions,
    ledger: Ledger,
    workers: Vec<Worker>,
    connections: Vec<Connection>,
    calm: bool,
    /// Until when the dispatcher waits for its goodbye to be heard.
    closes: Option<Time>,
    delay: u64,
    wild: Wild,
    through_the_wire: bool,
    /// Tasks to be submitted, and those that were.
    left: u64,
    submitted: u64,
    /// Outcomes handed over in this dispatcher's life, and in all.
    outcomes: BTreeMap<u64, u32>,
    ever: BTreeSet<u64>,
    last_read: u64,
    unread_cancels: usize,
    /// Tasks that are too long and were never handed out: their outcomes are there at once.
    unread_long: usize,
    /// The session that was on at each connection, and whether the dispatcher has given it up since.
    sessions: BTreeMap<u64, (u64, bool)>,
    tally: Tally,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let mut options = DispatcherOptions::new()
            .heartbeat(Duration::from_millis(100))
            .liveness(Duration::from_millis(300))
            .retry_after(random.millis(50))
            .attempts(1 + random.below(8) as u32)
            .in_flight(1 + random.below(6) as u32)
            .workers(8)
            .task_bytes(LONGEST)
            .unread(1 + random.below(6) as usize, 1 << 20);
        if random.one_in(2) {
            options = options.order(Order::Submission);
        }
        if random.one_in(2) {
            options = options.lease(Duration::from_millis(200 + random.below(400)));
        }
        let workers = (0..1 + random.below(4)).map(|_| Worker {
            life: 0,
            hand: None,
            connection: None,
            stalled_until: Time::ZERO,
            threads: 1 + random.below(3),
            capacity: Window { messages: 1 + random.below(5), bytes: 100 + random.below(200) },
            limit: if random.one_in(8) { SHORT } else { usize::MAX },
        });
        let workers: Vec<Worker> = workers.collect();
        let tasks = 1 + random.below(24);
        let duplicates = if random.one_in(3) { 12 } else { 0 };
        let mut wild = Wild { duplicates, ..Wild::default() };
        if random.one_in(3) {
            let mut rate = || if random.one_in(3) { 0 } else { 2 + random.below(30) };
            wild = Wild { drops: rate(), duplicates: rate(), overtakings: rate() };
        }
        Self {
            now: Time::ZERO,
            events: BinaryHeap::new(),
            bodies: HashMap::new(),
            sequence: 0,
            ledger: Ledger::new(options.clone(), random.next()),
            options,
            workers,
            connections: Vec::new(),
            calm: false,
            closes: None,
            delay: 1 + random.below(40),
            wild,
            through_the_wire: random.one_in(8),
            left: tasks,
            submitted: 0,
            outcomes: BTreeMap::new(),
            ever: BTreeSet::new(),
            last_read: 0,
            unread_cancels: 0,
            unread_long: 0,
            sessions: BTreeMap::new(),
            tally: Tally::default(),
            random,
        }
    }

    fn run(mut self) -> Tally {
        for worker in 0..self.workers.len() {
            let at = self.random.millis(100);
            self.at(at, Event::Start(worker));
        }
        for _ in 0..self.left {
            let at = self.random.millis(1000);
            self.at(at, Event::Submit);
        }
        self.storm();
        self.at(STORM, Event::Calm);
        self.at(Duration::from_millis(10), Event::Read);
        while !self.is_over() {
            self.step();
            assert!(self.now < END, "not over: {self}");
        }
        self.count();
        self.tally.last = self.now;
        self.tally
    }

    /// What a dispatcher has counted in its life.
    fn count(&mut self) {
        let stats = self.ledger.stats();
        self.tally.redelivered += stats.redelivered;
        self.tally.late += stats.late;
        self.tally.expired += stats.expired;
        self.tally.missing += stats.missing;
        let may_miss = self.wild.drops + self.wild.overtakings > 0;
        assert!(may_miss || stats.missing == 0, "nothing was lost on the way: {stats:?}");
    }

    /// Which faults there will be.
    fn storm(&mut self) {
        let workers = self.workers.len() as u64;
        for _ in 0..self.random.below(6) {
            let (at, worker) = (self.random.millis(1500), self.random.below(workers) as usize);
            let event = match self.random.below(10) {
                0 | 1 => Event::Kill(worker),
                2 | 3 => Event::Cut(worker),
                4 => Event::Stall(worker, self.random.millis(900)),
                5 => Event::Drain(worker),
                6 if self.random.one_in(2) => Event::CloseDispatcher,
                6 => Event::RestartDispatcher,
                7 | 8 => Event::Cancel,
                _ => {
                    // a kill in the middle of a delivery
                    let kill = at + self.random_delay();
                    self.at(kill, Event::Kill(worker));
                    Event::Submit
                }
            };
            if matches!(event, Event::Submit) {
                self.left += 1;
            }
            self.at(at, event);
        }
    }

    fn is_over(&self) -> bool {
        self.calm && self.left == 0 && self.ever.len() as u64 == self.submitted
    }

    fn at(&mut self, time: Time, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse((time.max(self.now), self.sequence)));
        self.bodies.insert(self.sequence, event);
    }

    fn random_delay(&mut self) -> Duration {
        self.random.millis(self.delay)
    }

    fn step(&mut self) {
        self.tally.events += 1;
        let mut next = self.events.peek().map_or(END, |Reverse((time, _))| *time);
        let mut who = None;
        for (index, worker) in self.workers.iter().enumerate() {
            if let Some(time) = worker.hand.as_ref().and_then(Hand::next_tick) {
                let time = time.max(worker.stalled_until);
                if time < next {
                    (next, who) = (time, Some(index));
                }
            }
        }
        if let Some(time) = self.ledger.next_tick().filter(|&time| time < next && self.closes.is_none()) {
            self.now = self.now.max(time);
            return self.dispatch();
        }
        self.now = self.now.max(next);
        if let Some(index) = who {
            if let Some(hand) = &mut self.workers[index].hand {
                hand.tick(self.now);
            }
            return self.work(index);
        }
        if let Some(Reverse((_, sequence))) = self.events.pop() {
            let event = self.bodies.remove(&sequence).unwrap();
            self.happen(event);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Up(connection, message, object) => {
                // what was in the dispatcher's socket when the connection ended is still read
                if object.as_ref().is_some_and(|object| object.metadata() == BULKY) {
                    self.tally.bulky += 1;
                    self.ledger.decline(self.now, &peer(connection), &message, "far too much");
                } else {
                    self.ledger.handle(self.now, &peer(connection), message, object);
                }
                self.dispatch();
            }
            Event::Down(connection, message, object) => self.deliver(connection, message, object),
            Event::Ended(connection) => {
                self.ledger.lose(self.now, &peer(connection), Loss::Disconnected);
                self.dispatch();
            }
            Event::Connected { worker, life } => {
                if self.lives(worker, life) && self.workers[worker].connection.is_none() {
                    self.connections.push(Connection {
                        worker,
                        life,
                        is_up: true,
                        last: [self.now; 2],
                        latest: [self.now; 2],
                    });
                    self.workers[worker].connection = Some(self.connections.len() as u64 - 1);
                }
            }
            Event::Handled { worker, life, job, answer } => {
                if !self.lives(worker, life) {
                    return;
                }
                let until = self.workers[worker].stalled_until;
                if until > self.now {
                    return self.at(until, Event::Handled { worker, life, job, answer });
                }
                if let Some(hand) = &mut self.workers[worker].hand {
                    hand.finish(self.now, &job, answer);
                }
                self.work(worker);
            }
            Event::Progress { worker, life, job } => {
                if self.lives(worker, life) && self.workers[worker].stalled_until <= self.now {
                    if let Some(hand) = &mut self.workers[worker].hand {
                        hand.progress(&job);
                    }
                    self.work(worker);
                }
            }
            Event::Submit => {
                self.left -= 1;
                self.submitted += 1;
                self.submit(self.submitted);
                self.dispatch();
            }
            Event::Cancel => {
                if self.submitted > 0 {
                    let task = 1 + self.random.below(self.submitted);
                    let before = self.ledger.stats().cancelled;
                    self.ledger.cancel(task);
                    self.unread_cancels += (self.ledger.stats().cancelled - before) as usize;
                    self.dispatch();
                }
            }
            Event::Kill(worker) => self.kill(worker),
            Event::Start(worker) => self.start(worker),
            Event::Stall(worker, time) => {
                self.tally.stalls += 1;
                // a stall within another does not end that one: what waits to be read would be overtaken
                let until = &mut self.workers[worker].stalled_until;
                *until = (*until).max(self.now + time);
            }
            Event::Drain(worker) => {
                self.tally.drains += 1;
                if let Some(hand) = &mut self.workers[worker].hand {
                    hand.drain(self.now);
                }
                self.work(worker);
            }
            Event::Cut(worker) => {
                self.tally.cuts += 1;
                self.cut(worker);
            }
            Event::RestartDispatcher => self.restart(),
            Event::CloseDispatcher => {
                if self.closes.is_none() {
                    self.tally.closes += 1;
                    self.closes = Some(self.now + FAREWELL);
                    self.ledger.close(self.now);
                    self.at(self.now + FAREWELL, Event::Farewell);
                    self.dispatch();
                }
            }
            Event::Farewell => self.dispatch(),
            Event::Read => self.read(),
            Event::Calm => self.calm(),
        }
    }

    fn lives(&self, worker: usize, life: u64) -> bool {
        self.workers[worker].hand.is_some() && self.workers[worker].life == life
    }

    fn start(&mut self, worker: usize) {
        let id = self.random.next();
        let state = &mut self.workers[worker];
        if state.hand.is_some() {
            return;
        }
        state.life += 1;
        let terms = Terms {
            name: format!("worker {worker}"),
            capacity: state.capacity,
            grace: Duration::from_millis(400),
            ends_with_dispatcher: false,
        };
        state.hand = Some(Hand::new(self.now, terms, id));
        state.stalled_until = Time::ZERO;
        self.connect(worker);
    }

    fn connect(&mut self, worker: usize) {
        let (delay, life) = (self.random_delay(), self.workers[worker].life);
        self.at(self.now + delay, Event::Connected { worker, life });
    }

    fn kill(&mut self, worker: usize) {
        if self.workers[worker].hand.take().is_some() {
            self.tally.kills += 1;
            self.disconnect(worker);
            let at = self.now + self.random.millis(300);
            self.at(at, Event::Start(worker));
        }
    }

    fn cut(&mut self, worker: usize) {
        self.disconnect(worker);
        let knows = !self.random.one_in(4);
        if self.workers[worker].hand.is_some() {
            self.connect(worker);
        }
        // a half-open connection is one whose end is told to nobody
        if let Some(hand) = self.workers[worker].hand.as_mut().filter(|_| knows) {
            hand.cut(self.now);
            self.work(worker);
        }
    }

    /// What is on its way to the worker is lost; the dispatcher may learn of it now, later, or by silence only. What is on
    /// its way to the dispatcher is lost or arrives, all of it.
    fn disconnect(&mut self, worker: usize) {
        let Some(connection) = self.workers[worker].connection.take() else { return };
        self.connections[connection as usize].is_up = false;
        if self.random.one_in(2) {
            let lost = |event: &Event| matches!(event, Event::Up(on, ..) if *on == connection);
            let lost: Vec<u64> = self.bodies.iter().filter(|(_, event)| lost(event)).map(|(&at, _)| at).collect();
            for sequence in lost {
                self.bodies.remove(&sequence);
                self.events.retain(|Reverse((_, at))| *at != sequence);
            }
        }
        if !self.random.one_in(4) {
            let at = self.now + self.random_delay();
            self.at(at, Event::Ended(connection));
        }
    }

    /// A new dispatcher takes the place of the old one, with the tasks that a journal would have.
    fn restart(&mut self) {
        self.tally.restarts += 1;
        self.closes = None;
        self.count();
        for worker in 0..self.workers.len() {
            self.cut(worker);
        }
        self.ledger = Ledger::new(self.options.clone(), self.random.next());
        self.outcomes.clear();
        self.last_read = 0;
        self.unread_cancels = 0;
        self.unread_long = 0;
        self.sessions.clear();
        for id in 1..=self.submitted {
            if !self.ever.contains(&id) {
                self.submit(id);
            }
        }
        self.dispatch();
    }

    fn submit(&mut self, id: u64) {
        self.unread_long += usize::from(is_too_long(id));
        self.ledger.submit(id, task(id));
    }

    fn calm(&mut self) {
        self.calm = true;
        for worker in 0..self.workers.len() {
            self.start(worker);
        }
    }

    /// The dispatcher's turn.
    fn dispatch(&mut self) {
        if let Some(end) = self.closes {
            let until = self.ledger.awaits_until();
            if until.is_none_or(|until| self.now >= until.min(end)) {
                self.tally.deserted += u64::from(until.is_none());
                self.tally.overdue += u64::from(until.is_some_and(|until| until < end));
                return self.restart();
            }
        } else {
            self.ledger.tick(self.now);
        }
        if self.tally.events.is_multiple_of(4) {
            self.ledger.check();
        }
        let quota = self.options.unread.messages + 1 + self.unread_cancels + self.unread_long;
        assert!(self.ledger.stats().unread as usize <= quota, "{:?} of {quota}", self.ledger.stats());
        self.note_sessions();
        while let Some((to, message, object)) = self.ledger.pop_message() {
            if let Down::Task { session, .. } = message {
                let is_overdrawn = self.ledger.roster().member(&to).is_some_and(|member| member.is_overdrawn());
                assert!(!is_overdrawn, "the credit is exceeded");
                let is_over = self.sessions.get(&number_of(&to)) == Some(&(session, true));
                let is_up = self.connections[number_of(&to) as usize].is_up;
                assert!(!is_over || !is_up, "a session that was given up goes on, with all its credit");
            }
            self.tally.questions += u64::from(matches!(message, Down::Who { .. }));
            let connection = number_of(&to);
            if self.connections[connection as usize].is_up {
                self.send(0, connection, |connection| Event::Down(connection, message.clone(), object.clone()));
            } else if self.random.one_in(2) {
                // the socket knows, and says so
                self.ledger.lose(self.now, &to, Loss::Unreachable);
            }
        }
        // a loss may have freed tasks
        if self.closes.is_none() && self.ledger.stats().waiting > 0 && self.ledger.roster().is_ready() {
            self.ledger.tick(self.now);
            if self.ledger.has_messages() {
                self.dispatch();
            }
        }
    }

    fn note_sessions(&mut self) {
        let roster = self.ledger.roster();
        for (connection, (session, is_over)) in &mut self.sessions {
            *is_over |= roster.member(&peer(*connection)).is_none_or(|member| member.session != *session);
        }
        for (peer, member) in roster.iter() {
            let entry = self.sessions.entry(number_of(peer)).or_insert((member.session, false));
            if entry.0 < member.session {
                *entry = (member.session, false);
            }
        }
    }

    fn send(&mut self, way: usize, connection: u64, event: impl Fn(u64) -> Event) {
        let Wild { drops, duplicates, overtakings } = if self.calm { Wild::default() } else { self.wild };
        let mut hits = |rate| rate > 0 && self.random.one_in(rate);
        let (is_dropped, is_again, is_late) = (hits(drops), hits(duplicates), hits(overtakings));
        if is_dropped {
            self.tally.drops += 1;
            return;
        }
        let delay = self.random_delay();
        // some for longer than it takes to be given up
        let long = if self.random.one_in(4) { 1000 } else { 200 };
        let held_up = if is_late { self.random.millis(long) } else { Time::ZERO };
        let Connection { last, latest, .. } = &mut self.connections[connection as usize];
        let mut time = (self.now + delay).max(last[way]);
        last[way] = time;
        time += held_up;
        self.tally.overtakings += u64::from(time < latest[way]);
        latest[way] = latest[way].max(time);
        self.at(time, event(connection));
        if is_again {
            self.tally.duplicates += 1;
            let again = time + self.random_delay();
            self.at(again, event(connection));
        }
    }

    /// A worker's turn.
    fn work(&mut self, index: usize) {
        let capacity = self.workers[index].capacity;
        let Some(hand) = &mut self.workers[index].hand else { return };
        if hand.is_ended() {
            // the process ends, and somebody starts another
            self.workers[index].hand = None;
            self.disconnect(index);
            let at = self.now + self.random.millis(200);
            return self.at(at, Event::Start(index));
        }
        let held = hand.held();
        assert!(held.messages <= capacity.messages && held.bytes <= capacity.bytes, "{held:?} of {capacity:?}");
        if hand.takes_socket() {
            return self.cut(index);
        }
        let life = self.workers[index].life;
        while let Some((message, object)) = self.workers[index].hand.as_mut().and_then(Hand::pop_message) {
            if matches!(&message, Up::Nak(nak) if nak.reason == NO_ROOM) {
                self.tally.refusals += 1;
                assert!(self.wild.is_any(), "more came than there was room for");
            }
            let message = self.garnished(message);
            match self.workers[index].connection {
                Some(connection) => {
                    let (message, object) =
                        if self.through_the_wire { up_again(message, object) } else { (message, object) };
                    self.send(1, connection, |connection| Event::Up(connection, message.clone(), object.clone()));
                }
                None => {
                    let was_answer = !matches!(message, Up::Hello(_) | Up::Beat(_));
                    if let Some(hand) = &mut self.workers[index].hand {
                        hand.unsaid(message, object);
                    }
                    if was_answer {
                        break;
                    }
                }
            }
        }
        let busy = |hand: &Hand| hand.running() as u64;
        while self.workers[index].hand.as_ref().is_some_and(|hand| busy(hand) < self.workers[index].threads) {
            let Some(job) = self.workers[index].hand.as_mut().and_then(Hand::pop_job) else { break };
            self.handle(index, life, job);
        }
    }

    /// A worker of somebody else's may name a task many times in one sign of life.
    fn garnished(&mut self, mut message: Up) -> Up {
        if let Up::Beat(beat) = &mut message
            && !beat.waiting.is_empty()
            && self.random.one_in(8)
        {
            self.tally.repeats += 1;
            beat.waiting = beat.waiting.repeat(200);
        }
        message
    }

    fn handle(&mut self, worker: usize, life: u64, job: Job) {
        // many times as long as any lease
        let hangs = self.options.lease.is_some() && self.random.one_in(30);
        self.tally.hangs += u64::from(hangs);
        let long = if self.random.one_in(8) { 900 } else { 60 };
        let time = if hangs { Duration::from_secs(4) } else { self.random.millis(long) };
        let reason = "on purpose".to_owned();
        let answer = match self.random.below(24) {
            0 | 1 => Answer::Undone { fault: Fault::Failed, delay: None, reason },
            2 => Answer::Undone { fault: Fault::Failed, delay: Some(self.random.millis(80)), reason },
            3 if self.random.one_in(4) => Answer::Undone { fault: Fault::Rejected, delay: None, reason },
            4 => Answer::Undone { fault: Fault::Returned, delay: None, reason },
            5 => Answer::Done(Multipart::new(BULKY, vec![])),
            _ => Answer::Done(job.object.clone()),
        };
        if self.random.one_in(4) {
            self.at(self.now + time / 2, Event::Progress { worker, life, job: job.clone() });
        }
        self.at(self.now + time, Event::Handled { worker, life, job, answer });
    }

    fn deliver(&mut self, connection: u64, message: Down, object: Option<Multipart>) {
        let Connection { worker, life, is_up, .. } = self.connections[connection as usize];
        if !is_up || !self.lives(worker, life) {
            return;
        }
        let until = self.workers[worker].stalled_until;
        if until > self.now {
            return self.at(until, Event::Down(connection, message, object));
        }
        let (message, object) = if self.through_the_wire { down_again(message, object) } else { (message, object) };
        let limit = self.workers[worker].limit;
        if let Some(hand) = &mut self.workers[worker].hand {
            if object.as_ref().is_some_and(|object| object.total_len() > limit) {
                self.tally.declined += 1;
                hand.decline(self.now, &message, OVER_LIMITS);
            } else {
                hand.handle(self.now, message, object);
            }
        }
        self.work(worker);
    }

    /// The reader's turn: it reads some outcomes, or none for a while.
    fn read(&mut self) {
        let many = match self.closes {
            // the program has let go of it
            Some(_) => 0,
            None if self.calm => 100,
            None => self.random.below(6),
        };
        for _ in 0..many {
            let Some(outcome) = self.ledger.pop_outcome() else { break };
            self.ledger.read(Load { count: 1, bytes: weight(&outcome) });
            let id = outcome.task().number();
            let before = self.outcomes.insert(id, outcome.attempts());
            assert_eq!(before, None, "task {id} was handed over twice");
            assert!(id <= self.submitted, "task {id} was never submitted");
            if self.options.order == Order::Submission {
                assert!(id > self.last_read, "task {id} after task {}", self.last_read);
            }
            self.last_read = id;
            self.ever.insert(id);
            match outcome.ending() {
                Ending::Done(message) => {
                    assert!(!is_too_long(id), "nobody need have room for it");
                    assert_eq!(*message, task(id), "the result of another task");
                    assert!(outcome.attempts() >= 1);
                    self.tally.done += 1;
                }
                Ending::Dead(letter) => {
                    assert_eq!(letter.message, task(id));
                    assert!(!letter.failures.is_empty() && outcome.attempts() <= self.options.attempts);
                    self.tally.dead += 1;
                    let is_in_vain =
                        letter.failures.iter().any(|failure| failure.reason.starts_with("no other worker"));
                    self.tally.in_vain += u64::from(is_in_vain);
                    let is_declined = letter.failures.iter().any(|failure| failure.reason.contains(OVER_LIMITS));
                    assert!(!is_declined || task(id).total_len() > SHORT, "charged with the fault of another");
                    if is_too_long(id) {
                        assert_eq!(outcome.attempts(), 0);
                        self.unread_long -= 1;
                        self.tally.too_long += 1;
                    }
                }
                Ending::Cancelled => {
                    self.unread_cancels -= 1;
                    self.tally.cancelled += 1;
                }
            }
        }
        self.dispatch();
        let pause = if self.calm { 20 } else { 1 + self.random.below(150) };
        self.at(self.now + Duration::from_millis(pause), Event::Read);
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}: {:?}, {} read", self.now, self.ledger.stats(), self.ever.len())?;
        self.ledger.roster().iter().try_for_each(|(_, member)| writeln!(f, "{member:?}"))?;
        self.workers.iter().try_for_each(|worker| writeln!(f, "{:?} {:?}", worker.connection, worker.hand))
    }
}

fn number_of(peer: &Peer) -> u64 {
    u64::from_be_bytes(peer[..].try_into().unwrap())
}

fn peer(connection: u64) -> Peer {
    Peer::copy_from_slice(&connection.to_be_bytes())
}

/// Whether a task is longer than any that workers must have room for.
fn is_too_long(id: u64) -> bool {
    task(id).total_len() as u64 > LONGEST
}

/// Tasks of different lengths that say which they are.
fn task(id: u64) -> Multipart {
    let buffers = if id.is_multiple_of(23) {
        vec![vec![7; 100].into()]
    } else if id.is_multiple_of(3) {
        vec![vec![7; (id % 80) as usize].into()]
    } else {
        Vec::new()
    };
    Multipart::new(id.to_be_bytes().to_vec(), buffers)
}

/// What a message is at the other end of a wire.
fn up_again(message: Up, object: Option<Multipart>) -> (Up, Option<Multipart>) {
    let sent = match (&message, &object) {
        (Up::Result { epoch, ticket }, Some(object)) => wire::results(*epoch, vec![(*ticket, object.clone())]),
        _ => wire::up(&message),
    };
    wire::read_up(sent).unwrap().pop().unwrap()
}

fn down_again(message: Down, object: Option<Multipart>) -> (Down, Option<Multipart>) {
    let sent = match (&message, &object) {
        (Down::Task { session, ticket, attempt }, Some(object)) => {
            wire::tasks(*session, vec![(*ticket, *attempt, object.clone())])
        }
        _ => wire::down(&message),
    };
    wire::read_down(sent).unwrap().pop().unwrap()
}
