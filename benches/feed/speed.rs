//! Objects per second between two processes, as a feed and on plain PUB/SUB.
//!
//! All means of a row have a pair of processes each, and short turns, there and back in an order that is shuffled; and each row is of
//! several starts, since processes have their luck for as long as they live. `publish_obj` runs in two pairs: how far these two are
//! apart is what this bench cannot see.

use std::cell::Cell;
use std::env;
use std::process::{Child, Command};
use std::rc::Rc;
use std::time::{Duration, Instant};

use outband::feed::{Event, Publisher, PublisherOptions, Subscriber, SubscriberOptions};
use outband::{Buffer, SocketExt};
use serde::{Deserialize, Serialize};

use super::LOOPBACK;
use super::rig::rounds::{Orders, Starts, calibrate_once};
use super::rig::{Moves, Rounds, human};

#[derive(Serialize, Deserialize)]
struct Object {
    id: u64,
    payload: Buffer,
}

/// Messages that are under way at most: nothing is dropped below these marks, and no queue grows beyond `UNDER_WAY` bytes.
const HIGH_WATER_MARK: i32 = 20_000;
const UNDER_WAY: usize = 64 << 20;
/// The receiver tells of so many messages at a time, and the sender is at most `WINDOW` of these ahead.
const WINDOW: u64 = 16;
const TOLD: usize = 50;

fn told_at(bytes: usize) -> u64 {
    (UNDER_WAY / WINDOW as usize / bytes).clamp(1, TOLD) as u64
}

/// How objects are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Means {
    /// `publish_obj` and `recv_topic_obj`.
    Plain,
    /// The same once more.
    PlainAgain,
    /// As `Plain`, with a topic as long as a feed's: nobody reads what it has more.
    LongTopic,
    /// As `Plain`, with a frame as long as a feed's header between, that nobody reads: what no feed whose header is a frame can
    /// beat.
    OneFrameMore,
    Feed,
}

const MEANS: [Means; 5] = [Means::Plain, Means::PlainAgain, Means::LongTopic, Means::OneFrameMore, Means::Feed];
const TOPIC: &str = "bench";
const HEADER: &[u8; 27] = b"123456789012345678901234567";
const LONG_TOPIC: &[u8; 33] = b"bench/123456789012345678901234567";

impl Means {
    fn named(name: &str) -> Self {
        MEANS.into_iter().find(|means| format!("{means:?}") == name).unwrap()
    }

    fn topic(self) -> &'static [u8] {
        if self == Self::LongTopic { LONG_TOPIC } else { TOPIC.as_bytes() }
    }
}

enum Sender {
    Socket(Means, zmq::Socket),
    Feed(Publisher),
}

impl Sender {
    /// Also returns where it is bound.
    fn bind(means: Means, context: &zmq::Context, live: &str, recovery: &str) -> (Self, Vec<String>) {
        if means == Means::Feed {
            let options = PublisherOptions::new().high_water_mark(HIGH_WATER_MARK);
            let publisher = Publisher::bind_with(context, live, recovery, options).unwrap();
            let endpoints = vec![publisher.endpoint().to_owned(), publisher.recovery_endpoint().to_owned()];
            return (Self::Feed(publisher), endpoints);
        }
        let socket = context.socket(zmq::PUB).unwrap();
        socket.set_sndhwm(HIGH_WATER_MARK).unwrap();
        socket.set_linger(0).unwrap();
        socket.bind(live).unwrap();
        let endpoint = socket.get_last_endpoint().unwrap().unwrap();
        (Self::Socket(means, socket), vec![endpoint])
    }

    #[inline(never)]
    fn send_one(&self, object: &Object) {
        match self {
            Self::Feed(publisher) => drop(publisher.publish(TOPIC, object).unwrap()),
            Self::Socket(Means::OneFrameMore, socket) => {
                socket.send(TOPIC, zmq::SNDMORE).unwrap();
                socket.send(&HEADER[..], zmq::SNDMORE).unwrap();
                socket.send_obj(object).unwrap();
            }
            Self::Socket(means, socket) => socket.publish_obj(means.topic(), object).unwrap(),
        }
    }
}

enum Receiver {
    Socket(Means, zmq::Socket),
    Feed(Box<Subscriber>),
}

impl Receiver {
    fn connect(means: Means, context: &zmq::Context, endpoints: &[impl AsRef<str>]) -> Self {
        let endpoint = |index: usize| endpoints[index].as_ref();
        if means == Means::Feed {
            let options = SubscriberOptions::new().high_water_mark(HIGH_WATER_MARK);
            let mut subscriber = Subscriber::connect_with(context, endpoint(0), endpoint(1), options).unwrap();
            subscriber.subscribe(TOPIC).unwrap();
            return Self::Feed(Box::new(subscriber));
        }
        let socket = context.socket(zmq::SUB).unwrap();
        socket.set_rcvhwm(HIGH_WATER_MARK).unwrap();
        socket.connect(endpoint(0)).unwrap();
        socket.set_subscribe(TOPIC.as_bytes()).unwrap();
        Self::Socket(means, socket)
    }

    #[inline(never)]
    fn receive_one(&mut self) -> Object {
        match self {
            Self::Feed(subscriber) => loop {
                match subscriber.recv::<Object>().unwrap() {
                    Event::Data { value, .. } => return value,
                    Event::Joined { .. } | Event::Stale { .. } | Event::Resumed { .. } => {}
                    event => panic!("{:?}", event.stream()),
                }
            },
            Self::Socket(Means::OneFrameMore, socket) => {
                assert_eq!(socket.recv_msg(0).unwrap()[..], *TOPIC.as_bytes());
                assert_eq!(socket.recv_msg(0).unwrap().len(), HEADER.len());
                socket.recv_obj().unwrap()
            }
            Self::Socket(_, socket) => socket.recv_topic_obj().unwrap().1,
        }
    }
}

fn object(bytes: usize) -> Object {
    Object { id: 1, payload: Buffer::from_vec(vec![7_u8; bytes]) }
}

/// What is sent until the subscription is there.
fn first() -> Object {
    Object { id: 0, payload: Buffer::new() }
}

/// Moves objects over inproc on this thread alone, to count instructions.
pub(crate) fn alone(means: &str, bytes: usize, count: usize) {
    let (means, context) = (Means::named(means), zmq::Context::new());
    let (sender, endpoints) = Sender::bind(means, &context, "inproc://live", "inproc://recovery");
    let mut receiver = Receiver::connect(means, &context, &endpoints);
    let object = object(bytes);
    if let Receiver::Feed(subscriber) = &mut receiver {
        sender.send_one(&first());
        while !matches!(subscriber.recv::<Object>().unwrap(), Event::Joined { .. }) {}
    }
    for _ in 0..count.div_ceil(TOLD) {
        (0..TOLD).for_each(|_| sender.send_one(&object));
        (0..TOLD).for_each(|_| while receiver.receive_one().id == 0 {});
    }
}

/// Publishes from here to a process of its own.
struct Pair {
    sender: Sender,
    told: zmq::Socket,
    told_at: u64,
    object: Object,
    child: Child,
    /// So many times `told_at` objects take a turn of any means.
    count: Rc<Cell<Option<u64>>>,
}

const CHILD: &str = "OUTBAND_FEED_BENCH";

impl Pair {
    fn new(means: Means, bytes: usize, count: Rc<Cell<Option<u64>>>) -> Self {
        let context = zmq::Context::new();
        let told = context.socket(zmq::PULL).unwrap();
        told.set_rcvtimeo(30_000).unwrap();
        told.bind(LOOPBACK).unwrap();
        let back = told.get_last_endpoint().unwrap().unwrap();
        let (sender, endpoints) = Sender::bind(means, &context, LOOPBACK, LOOPBACK);
        let told_at = told_at(bytes);
        let job = format!("{means:?} {told_at} {back} {}", endpoints.join(" "));
        let child = Command::new(env::current_exe().unwrap()).env(CHILD, job).spawn().unwrap();
        let pair = Self { sender, told, told_at, object: object(bytes), child, count };
        // until the subscription is there
        while pair.told.poll(zmq::POLLIN, 10).unwrap() == 0 {
            pair.sender.send_one(&first());
        }
        pair.told.recv_bytes(0).unwrap();
        pair
    }
}

impl Moves for Pair {
    /// Moves `count` times `told_at` objects.
    fn run(&self, count: u64) -> Duration {
        let started = Instant::now();
        for turn in 0..count {
            if turn >= WINDOW {
                self.told.recv_bytes(0).unwrap();
            }
            (0..self.told_at).for_each(|_| self.sender.send_one(&self.object));
        }
        (0..count.min(WINDOW)).for_each(|_| drop(self.told.recv_bytes(0).unwrap()));
        started.elapsed()
    }

    fn calibrate(&self, time: Duration) -> u64 {
        // turns in which the sender never has to wait are no measure
        calibrate_once(&self.count, self, time).max(2 * WINDOW)
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn receive_if_child() {
    let Ok(job) = env::var(CHILD) else { return };
    let words: Vec<&str> = job.split(' ').collect();
    let context = zmq::Context::new();
    let told = context.socket(zmq::PUSH).unwrap();
    told.connect(words[2]).unwrap();
    let told_at: u64 = words[1].parse().unwrap();
    let mut receiver = Receiver::connect(Means::named(words[0]), &context, &words[3..]);
    let mut received = 0_u64;
    loop {
        let object = receiver.receive_one();
        // the first one says that the subscription is there
        let is_news = if object.id == 0 { received == 0 } else { received.is_multiple_of(told_at) };
        received += if object.id == 0 && received > 0 { 0 } else { 1 };
        if is_news {
            told.send(&b"!"[..], 0).unwrap();
        }
    }
}

/// Objects per second, each row of so many starts of so many seconds.
pub(crate) fn table(lengths: &[usize], starts: usize, seconds: f64, time: Duration) {
    println!(
        "| processes, tcp | publish_obj | feed | publish_obj ÷ publish_obj | a feed's topic ÷ publish_obj | one frame more \
         ÷ publish_obj | feed ÷ publish_obj |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|");
    for &bytes in lengths {
        let (mut results, mut orders) = (Starts::default(), Orders::default());
        for _ in 0..starts {
            let count = Rc::new(Cell::new(None));
            let pairs = MEANS.map(|means| Pair::new(means, bytes, count.clone()));
            for pair in &pairs {
                pair.run(WINDOW);
            }
            let started = Instant::now();
            results.push(Rounds::run_while(&pairs, time, &mut orders, |done| {
                done < 2 || started.elapsed().as_secs_f64() < seconds
            }));
        }
        let rate = |index| told_at(bytes) as f64 / results.median(index);
        let ratios = [1, 2, 3, 4].map(|index| format!("{:.2}", results.interval(index, 0))).join(" | ");
        println!("| {} | {:.0} /s | {:.0} /s | {ratios} |", human(bytes), rate(0), rate(4));
    }
    println!();
}
