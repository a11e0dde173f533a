//! What a feed costs beside plain PUB/SUB, and what it delivers while its processes are stopped and killed.
//!
//! `cargo bench --bench feed`; with `-- speed` or `-- faults` one of the two, with `-- quick` less of it, and with lengths in
//! bytes, as in `-- speed 64 1024`, only these. The simulation is a test: see `src/feed/simulation`.

#![allow(clippy::unwrap_used, reason = "a bench that fails stops")]

#[path = "../tests/support/feed.rs"]
mod feed;
#[path = "../tests/support/random.rs"]
mod random;

use std::env;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use feed::{Sink, Source};
use outband::feed::{Event, Publisher, PublisherOptions, Subscriber, SubscriberOptions};
use outband::{Buffer, SocketExt};
use random::Random;
use serde::{Deserialize, Serialize};

const LOOPBACK: &str = "tcp://127.0.0.1:*";

fn main() {
    feed::play_a_role();
    receive_if_child();
    let words: Vec<String> = env::args().skip(1).collect();
    let has = |word: &str| words.iter().any(|given| given == word);
    let quick = has("quick");
    if !has("faults") {
        speed(if quick { 5 } else { 21 }, Duration::from_millis(if quick { 100 } else { 300 }));
    }
    if !has("speed") {
        stalled(if quick { 3 } else { 15 });
        faults(if quick { 2 } else { 10 });
    }
}

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
    /// As `Plain`, with a topic as long as a feed's: nobody reads what it has more.
    LongTopic,
    /// As `Plain`, with a frame as long as a feed's header between, that nobody reads: what no feed whose header is a frame can
    /// beat.
    OneFrameMore,
    Feed,
}

const MEANS: [Means; 4] = [Means::Plain, Means::LongTopic, Means::OneFrameMore, Means::Feed];
const TOPIC: &str = "bench";
const HEADER: &[u8; 27] = b"123456789012345678901234567";
const LONG_TOPIC: &[u8; 33] = b"bench/123456789012345678901234567";

enum Sender {
    Socket(zmq::Socket),
    Feed(Publisher),
}

struct Pair {
    means: Means,
    sender: Sender,
    told: zmq::Socket,
    told_at: u64,
    object: Object,
    child: Child,
}

const CHILD: &str = "OUTBAND_FEED_BENCH";

impl Pair {
    fn new(means: Means, bytes: usize) -> Self {
        let context = zmq::Context::new();
        let told = context.socket(zmq::PULL).unwrap();
        told.set_rcvtimeo(30_000).unwrap();
        told.bind(LOOPBACK).unwrap();
        let back = told.get_last_endpoint().unwrap().unwrap();
        let (sender, endpoints) = if means == Means::Feed {
            let options = PublisherOptions::new().high_water_mark(HIGH_WATER_MARK);
            let publisher = Publisher::bind_with(&context, LOOPBACK, LOOPBACK, options).unwrap();
            let endpoints = format!("{} {}", publisher.endpoint(), publisher.recovery_endpoint());
            (Sender::Feed(publisher), endpoints)
        } else {
            let socket = context.socket(zmq::PUB).unwrap();
            socket.set_sndhwm(HIGH_WATER_MARK).unwrap();
            socket.set_linger(0).unwrap();
            socket.bind(LOOPBACK).unwrap();
            let endpoint = socket.get_last_endpoint().unwrap().unwrap();
            (Sender::Socket(socket), endpoint)
        };
        let told_at = told_at(bytes);
        let job = format!("{means:?} {told_at} {back} {endpoints}");
        let child = Command::new(env::current_exe().unwrap()).env(CHILD, job).spawn().unwrap();
        let object = Object { id: 1, payload: Buffer::from_vec(vec![7_u8; bytes]) };
        let pair = Self { means, sender, told, told_at, object, child };
        // until the subscription is there
        while pair.told.poll(zmq::POLLIN, 10).unwrap() == 0 {
            pair.publish(&Object { id: 0, payload: Buffer::new() });
        }
        pair.told.recv_bytes(0).unwrap();
        pair
    }

    fn publish(&self, object: &Object) {
        match &self.sender {
            Sender::Feed(publisher) => drop(publisher.publish(TOPIC, object).unwrap()),
            Sender::Socket(socket) if self.means == Means::Plain => socket.publish_obj(TOPIC, object).unwrap(),
            Sender::Socket(socket) if self.means == Means::LongTopic => socket.publish_obj(LONG_TOPIC, object).unwrap(),
            Sender::Socket(socket) => {
                socket.send(TOPIC, zmq::SNDMORE).unwrap();
                socket.send(&HEADER[..], zmq::SNDMORE).unwrap();
                socket.send_obj(object).unwrap();
            }
        }
    }

    /// Moves `count` times `told_at` objects.
    fn run(&self, count: u64) -> Duration {
        let started = Instant::now();
        for turn in 0..count {
            if turn >= WINDOW {
                self.told.recv_bytes(0).unwrap();
            }
            (0..self.told_at).for_each(|_| self.publish(&self.object));
        }
        (0..count.min(WINDOW)).for_each(|_| drop(self.told.recv_bytes(0).unwrap()));
        started.elapsed()
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn receive_if_child() {
    let Ok(job) = env::var(CHILD) else { return };
    let words: Vec<&str> = job.split(' ').collect();
    let context = zmq::Context::new();
    let told = context.socket(zmq::PUSH).unwrap();
    told.connect(words[2]).unwrap();
    let told_at: u64 = words[1].parse().unwrap();
    let mut received = 0_u64;
    let mut count = |object: Object| {
        // the first one says that the subscription is there
        let is_news = if object.id == 0 { received == 0 } else { received.is_multiple_of(told_at) };
        received += if object.id == 0 && received > 0 { 0 } else { 1 };
        if is_news {
            told.send(&b"!"[..], 0).unwrap();
        }
    };
    let means = MEANS.into_iter().find(|means| format!("{means:?}") == words[0]).unwrap();
    if means == Means::Feed {
        let options = SubscriberOptions::new().high_water_mark(HIGH_WATER_MARK);
        let mut subscriber = Subscriber::connect_with(&context, words[3], words[4], options).unwrap();
        subscriber.subscribe(TOPIC).unwrap();
        loop {
            match subscriber.recv::<Object>().unwrap() {
                Event::Data { value, .. } => count(value),
                Event::Joined { .. } | Event::Stale { .. } | Event::Resumed { .. } => {}
                event => panic!("{:?}", event.stream()),
            }
        }
    }
    let socket = context.socket(zmq::SUB).unwrap();
    socket.set_rcvhwm(HIGH_WATER_MARK).unwrap();
    socket.connect(words[3]).unwrap();
    socket.set_subscribe(TOPIC.as_bytes()).unwrap();
    loop {
        if means == Means::OneFrameMore {
            assert_eq!(socket.recv_msg(0).unwrap()[..], *TOPIC.as_bytes());
            assert_eq!(socket.recv_msg(0).unwrap().len(), HEADER.len());
            count(socket.recv_obj::<Object>().unwrap());
        } else {
            count(socket.recv_topic_obj::<Object>().unwrap().1);
        }
    }
}

/// Objects per second between two processes, by all means in turn.
fn speed(rounds: usize, time: Duration) {
    println!(
        "| processes, tcp | publish_obj | a feed's topic | one frame more | feed | a feed's topic ÷ publish_obj | one frame more \
         ÷ publish_obj | feed ÷ publish_obj |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
    let given: Vec<usize> = env::args().filter_map(|word| word.parse().ok()).collect();
    let lengths = if given.is_empty() { &[64, 1 << 10, 16 << 10, 64 << 10, 1 << 20][..] } else { &given[..] };
    for &bytes in lengths {
        let pairs = MEANS.map(|means| Pair::new(means, bytes));
        let told_at = told_at(bytes) as f64;
        let counts = pairs.each_ref().map(|pair| {
            pair.run(WINDOW);
            let each = pair.run(WINDOW).as_secs_f64() / WINDOW as f64;
            ((time.as_secs_f64() / each) as u64).max(WINDOW)
        });
        let mut seconds = MEANS.map(|_| Vec::new());
        for round in 0..rounds {
            for turn in 0..MEANS.len() {
                // everybody is first as often as last, and follows everybody else
                let index = if round % 2 == 0 { round + turn } else { round + MEANS.len() - 1 - turn } % MEANS.len();
                seconds[index].push(pairs[index].run(counts[index]).as_secs_f64() / counts[index] as f64 / told_at);
            }
        }
        let [plain, others @ ..] = &seconds;
        let ratio = |other: &[f64]| median(plain.iter().zip(other).map(|(plain, other)| plain / other).collect());
        let rates = seconds.each_ref().map(|seconds| format!("{:.0} /s", 1.0 / median(seconds.clone())));
        let ratios = others.each_ref().map(|other| format!("{:.2}", ratio(other)));
        let name = if bytes < 1 << 10 { format!("{bytes} B") } else { format!("{} KiB", bytes >> 10) };
        println!("| {name} | {} | {} |", rates.join(" | "), ratios.join(" | "));
    }
    println!();
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What a subscriber that does not read costs the publisher: the rate to nobody, to one that reads, and to one that is stopped.
fn stalled(rounds: usize) {
    const MESSAGES: u64 = 100_000;
    let mut source = Source::start(&[], LOOPBACK, LOOPBACK, 1);
    source.publish(MESSAGES);
    let (before, mut seconds) = (source.memory, [const { Vec::new() }; 3]);
    for _ in 0..rounds {
        seconds[0].push(timed(|| source.publish(MESSAGES)));
        let mut sink = Sink::start(&[], &source, "now");
        sink.joined();
        seconds[1].push(timed(|| source.publish(MESSAGES)));
        sink.peer.signal("STOP");
        // the queues are full from here on
        source.publish(MESSAGES);
        seconds[2].push(timed(|| source.publish(MESSAGES)));
    }
    let ratio = median(seconds[0].iter().zip(&seconds[2]).map(|(nobody, stopped)| nobody / stopped).collect());
    let [nobody, reading, stopped] = seconds.map(|seconds| MESSAGES as f64 / median(seconds));
    let grown = (source.memory - before) as f64 / 1024.0;
    println!("| published to | | |\n|---|---:|---|");
    println!("| nobody | {nobody:.0} /s | |\n| one subscriber | {reading:.0} /s | |");
    println!(
        "| one that is stopped | {stopped:.0} /s | {ratio:.2} of the rate to nobody; {grown:.1} MiB more in all |\n"
    );
}

fn timed(work: impl FnOnce()) -> f64 {
    let started = Instant::now();
    work();
    started.elapsed().as_secs_f64()
}

/// Publishes again what is published at `live`, but for every twentieth message, which is lost: anyone, at random.
fn lossy(live: &str, mut random: Random) -> String {
    let context = zmq::Context::new();
    let (from, to) = (context.socket(zmq::SUB).unwrap(), context.socket(zmq::PUB).unwrap());
    from.connect(live).unwrap();
    from.set_subscribe(b"").unwrap();
    to.bind(LOOPBACK).unwrap();
    let endpoint = to.get_last_endpoint().unwrap().unwrap();
    thread::spawn(move || {
        loop {
            let frames = from.recv_multipart(0).unwrap();
            if random.below(20) > 0 {
                to.send_multipart(frames, 0).unwrap();
            }
        }
    });
    endpoint
}

/// Runs of more than 100 000 messages in which processes are stopped for seconds, killed, started again and started late. One
/// subscriber, and every other one that comes late, loses messages at random.
fn faults(runs: u64) {
    println!(
        "| run | published | kills | stops | late | delivered | recovered | evicted | unanswered | restarted | memory, MiB |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    for run in 0..runs {
        let mut random = Random::seeded(1000 + run);
        let mut source = Source::start(&[], LOOPBACK, LOOPBACK, 4);
        let losing = lossy(source.live(), Random::seeded(2000 + run));
        let mut sinks: Vec<Sink> = (0..2).map(|_| Sink::start(&[], &source, "now")).collect();
        sinks.push(Sink::start_at(&losing, &source, "now"));
        sinks.iter_mut().for_each(Sink::joined);
        let (mut kills, mut stops, mut late) = (0, 0, 0);
        while source.published < 120_000 {
            let victim = random.below(sinks.len());
            match random.below(6) {
                0 => {
                    source.begin(30_000);
                    thread::sleep(Duration::from_millis(random.below(100) as u64));
                    source.kill_and_restart();
                    kills += 1;
                }
                1 | 2 => {
                    sinks[victim].peer.signal("STOP");
                    source.publish(10_000 + random.below(20_000) as u64);
                    thread::sleep(Duration::from_millis(500 + random.below(3000) as u64));
                    sinks[victim].peer.signal("CONT");
                    stops += 1;
                }
                3 => {
                    let start = ["all", "last", "now"][random.below(3)];
                    let is_losing = random.below(2) == 0;
                    let live = if is_losing { &losing } else { source.live() };
                    sinks.push(Sink::start_at(live, &source, start));
                    sinks.last_mut().unwrap().joined();
                    late += 1;
                }
                _ => source.publish(10_000),
            }
        }
        source.publish(1000);
        let (published, mut memory) = (source.published, source.memory);
        let mut all = feed::Summary::default();
        for sink in sinks {
            let told = sink.finish(&source);
            all.delivered += told.delivered;
            all.recovered += told.recovered;
            all.evicted += told.evicted;
            all.unanswered += told.unanswered;
            all.restarted += told.restarted;
            memory = memory.max(told.memory);
        }
        let feed::Summary { delivered, recovered, evicted, unanswered, restarted, .. } = all;
        println!(
            "| {run} | {published} | {kills} | {stops} | {late} | {delivered} | {recovered} | {evicted} | {unanswered} | \
             {restarted} | {:.0} |",
            memory as f64 / 1024.0
        );
    }
}
