//! Objects per second between two processes, as a feed and on plain PUB/SUB.
//!
//! All means of a row go from one process to one other, over the same two I/O threads, in short turns, there and back in an order that
//! is shuffled; and each row is of several starts, since processes have their luck for as long as they live. `publish_obj` runs under
//! two names: how far these two are apart is what this bench cannot see.

use std::cell::{Cell, RefCell};
use std::env;
use std::process::{Child, Command};
use std::rc::Rc;
use std::time::{Duration, Instant};

use outband::feed::{Event, Publisher, PublisherOptions, Subscriber, SubscriberOptions};
use outband::{Buffer, SocketExt, memory};
use serde::{Deserialize, Serialize};

use super::LOOPBACK;
use super::rig::rounds::{Orders, Starts, calibrate_once};
use super::rig::turns::{end, follow, lead};
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
}

struct Sender {
    socket: zmq::Socket,
    publisher: Publisher,
}

impl Sender {
    fn bind(context: &zmq::Context, [plain, live, recovery]: [&str; 3]) -> Self {
        let socket = context.socket(zmq::PUB).unwrap();
        socket.set_sndhwm(HIGH_WATER_MARK).unwrap();
        socket.set_linger(0).unwrap();
        socket.bind(plain).unwrap();
        let options = PublisherOptions::new().high_water_mark(HIGH_WATER_MARK);
        Self { socket, publisher: Publisher::bind_with(context, live, recovery, options).unwrap() }
    }

    fn endpoints(&self) -> [String; 3] {
        let (live, recovery) = (self.publisher.endpoint(), self.publisher.recovery_endpoint());
        [self.socket.get_last_endpoint().unwrap().unwrap(), live.to_owned(), recovery.to_owned()]
    }

    #[inline(never)]
    fn send_one(&self, means: Means, object: &Object) {
        match means {
            Means::Feed => drop(self.publisher.publish(TOPIC, object).unwrap()),
            Means::OneFrameMore => {
                self.socket.send(TOPIC, zmq::SNDMORE).unwrap();
                self.socket.send(&HEADER[..], zmq::SNDMORE).unwrap();
                self.socket.send_obj(object).unwrap();
            }
            Means::LongTopic => self.socket.publish_obj(LONG_TOPIC, object).unwrap(),
            Means::Plain | Means::PlainAgain => self.socket.publish_obj(TOPIC, object).unwrap(),
        }
    }
}

struct Receiver {
    socket: zmq::Socket,
    subscriber: Subscriber,
}

impl Receiver {
    fn connect(context: &zmq::Context, [plain, live, recovery]: [&str; 3]) -> Self {
        let socket = context.socket(zmq::SUB).unwrap();
        socket.set_rcvhwm(HIGH_WATER_MARK).unwrap();
        socket.connect(plain).unwrap();
        socket.set_subscribe(TOPIC.as_bytes()).unwrap();
        let options = SubscriberOptions::new().high_water_mark(HIGH_WATER_MARK);
        let mut subscriber = Subscriber::connect_with(context, live, recovery, options).unwrap();
        subscriber.subscribe(TOPIC).unwrap();
        Self { socket, subscriber }
    }

    #[inline(never)]
    fn receive_one(&mut self, means: Means) -> Object {
        match means {
            Means::Feed => loop {
                match self.subscriber.recv().unwrap() {
                    Event::Data { value, .. } => return value,
                    Event::Joined { .. } | Event::Stale { .. } | Event::Resumed { .. } => {}
                    event => panic!("{:?}", event.stream()),
                }
            },
            Means::OneFrameMore => {
                assert_eq!(self.socket.recv_msg(0).unwrap()[..], *TOPIC.as_bytes());
                assert_eq!(self.socket.recv_msg(0).unwrap().len(), HEADER.len());
                self.socket.recv_obj().unwrap()
            }
            _ => self.socket.recv_topic_obj().unwrap().1,
        }
    }

    /// Waits until both subscriptions are there: `publish` publishes by either means, and is called until it arrives.
    fn join(&mut self, publish: impl Fn()) {
        while !matches!(self.subscriber.try_recv::<Object>(), Ok(Event::Joined { .. })) {
            publish();
        }
        while self.socket.poll(zmq::POLLIN, 10).unwrap() == 0 {
            publish();
        }
    }

    /// Receives an object that is no longer one of those that [`join`](Self::join) waited for.
    fn receive(&mut self, means: Means) {
        while self.receive_one(means).id == 0 {}
    }
}

fn object(bytes: usize) -> Object {
    Object { id: 1, payload: Buffer::from_vec(vec![7_u8; bytes]) }
}

/// Sends what arrives only when the subscriptions are there.
fn knock(sender: &Sender) {
    let first = Object { id: 0, payload: Buffer::new() };
    [Means::Plain, Means::Feed].iter().for_each(|&means| sender.send_one(means, &first));
}

/// Moves objects over inproc on this thread alone, to count instructions.
pub(crate) fn alone(means: &str, bytes: usize, count: usize) {
    let (means, context) = (Means::named(means), zmq::Context::new());
    let endpoints = ["inproc://plain", "inproc://live", "inproc://recovery"];
    let (sender, mut receiver) = (Sender::bind(&context, endpoints), Receiver::connect(&context, endpoints));
    receiver.join(|| knock(&sender));
    let object = object(bytes);
    for _ in 0..count.div_ceil(TOLD) {
        (0..TOLD).for_each(|_| sender.send_one(means, &object));
        (0..TOLD).for_each(|_| receiver.receive(means));
    }
}

/// From here to a process of its own.
struct Line {
    sender: Sender,
    /// Announces turns.
    control: zmq::Socket,
    /// Hears how far the receiver is.
    told: zmq::Socket,
    told_at: u64,
    object: Object,
    /// So many times `told_at` objects take a turn of any means.
    count: Cell<Option<u64>>,
    child: Child,
}

/// Objects that move by one means.
struct Pair {
    means: Means,
    line: Rc<Line>,
}

const CHILD: &str = "OUTBAND_FEED_BENCH";

/// Whether a receiver keeps freed pages, so that no means has the luck of fresh ones.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Pages {
    Kept,
    Fresh,
}

impl Line {
    fn new(bytes: usize, pages: Pages) -> Self {
        let context = zmq::Context::new();
        let bound = |kind| {
            let socket = context.socket(kind).unwrap();
            socket.set_rcvtimeo(30_000).unwrap();
            socket.set_linger(0).unwrap();
            socket.bind(LOOPBACK).unwrap();
            let endpoint = socket.get_last_endpoint().unwrap().unwrap();
            (socket, endpoint)
        };
        let ((control, ordered), (told, back)) = (bound(zmq::PAIR), bound(zmq::PULL));
        let sender = Sender::bind(&context, [LOOPBACK; 3]);
        let told_at = told_at(bytes);
        let pages = if pages == Pages::Kept { "kept" } else { "fresh" };
        let job = format!("{told_at} {ordered} {back} {} {pages}", sender.endpoints().join(" "));
        let child = Command::new(env::current_exe().unwrap()).env(CHILD, job).spawn().unwrap();
        // until the subscriptions are there
        while told.poll(zmq::POLLIN, 10).unwrap() == 0 {
            knock(&sender);
        }
        told.recv_bytes(0).unwrap();
        Self { sender, control, told, told_at, object: object(bytes), count: Cell::new(None), child }
    }
}

impl Moves for Pair {
    /// Moves `count` times `told_at` objects.
    fn run(&self, count: u64) -> Duration {
        let Line { sender, control, told, told_at, object, .. } = &*self.line;
        let means = MEANS.iter().position(|&means| means == self.means).unwrap();
        let took = lead(control, means, count * told_at, || {
            for turn in 0..count {
                if turn >= WINDOW {
                    told.recv_bytes(0).unwrap();
                }
                (0..*told_at).for_each(|_| sender.send_one(self.means, object));
            }
            (0..count.min(WINDOW)).for_each(|_| drop(told.recv_bytes(0).unwrap()));
        });
        took.time
    }

    fn calibrate(&self, time: Duration) -> u64 {
        // turns in which the sender never has to wait are no measure
        calibrate_once(&self.line.count, self, time).max(2 * WINDOW)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        end(&self.control);
        assert!(self.child.wait().unwrap().success());
    }
}

/// Does what a [`Line`] tells this process where it was started for one; does not return then.
pub(crate) fn receive_if_child() {
    let Ok(job) = env::var(CHILD) else { return };
    let words: Vec<&str> = job.split(' ').collect();
    if words[6] == "kept" {
        let _ = memory::keep_freed_pages(); // without glibc there is nothing to keep
    }
    let context = zmq::Context::new();
    let connected = |kind, endpoint| {
        let socket = context.socket(kind).unwrap();
        socket.connect(endpoint).unwrap();
        socket
    };
    let (control, told) = (connected(zmq::PAIR, words[1]), connected(zmq::PUSH, words[2]));
    let told_at: u64 = words[0].parse().unwrap();
    let mut receiver = Receiver::connect(&context, [words[3], words[4], words[5]]);
    receiver.join(|| {});
    told.send(&b"!"[..], 0).unwrap();
    let (receiver, received) = (RefCell::new(receiver), Cell::new(0));
    follow(&control, |means| {
        receiver.borrow_mut().receive(MEANS[means]);
        received.set(received.get() + 1);
        if received.get() % told_at == 0 {
            told.send(&b"!"[..], 0).unwrap();
        }
    });
    std::process::exit(0);
}

/// Objects per second, each row of so many starts of so many seconds.
pub(crate) fn table(lengths: &[usize], starts: usize, seconds: f64, time: Duration, pages: Pages) {
    println!(
        "| processes, tcp | publish_obj | feed | publish_obj ÷ publish_obj | a feed's topic ÷ publish_obj | one frame more \
         ÷ publish_obj | feed ÷ publish_obj |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|");
    for &bytes in lengths {
        let (mut results, mut orders) = (Starts::default(), Orders::default());
        for _ in 0..starts {
            let line = Rc::new(Line::new(bytes, pages));
            let pairs = MEANS.map(|means| Pair { means, line: line.clone() });
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
