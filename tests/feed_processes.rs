//! Feeds between processes that are really stopped and really killed. Each subscriber checks that what it is told has no hole
//! and no repetition, and stops with an error where it has.
//!
//! A program of its own (`harness = false`), because it starts itself for every role. `cargo bench --bench feed` has the long
//! runs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/feed.rs"]
mod feed;
#[path = "support/python.rs"]
mod python;
#[path = "support/random.rs"]
mod random;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use feed::{Sink, Source};
use random::Random;

const LOOPBACK: &str = "tcp://127.0.0.1:*";

/// The most memory that a process may take, in KiB: what the program takes itself, a cache or pending messages of 16 MiB, and
/// the queues.
const MEMORY: u64 = 160 << 10;

fn main() {
    feed::play_a_role();
    let tests: [(&str, fn()); 8] = [
        ("a_stopped_subscriber_is_told_everything_when_it_goes_on", stopped),
        ("a_stopped_subscriber_hears_what_waits_before_it_takes_a_stream_for_silent", behind),
        ("a_stopped_publisher_is_stale_and_then_goes_on_where_it_was", paused),
        ("python_is_told_of_a_killed_publisher_and_follows_the_next", python_follows),
        ("a_killed_publisher_is_a_reset_and_nothing_else_is_lost", killed),
        ("who_joins_late_or_again_is_told_what_the_cache_has", late),
        ("a_stopped_subscriber_costs_the_publisher_no_memory", bounded),
        ("whatever_happens_every_number_is_told_once", anything),
    ];
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    println!("\nrunning {} tests", tests.len());
    for (name, test) in tests.into_iter().filter(|(name, _)| wanted.as_ref().is_none_or(|word| name.contains(word))) {
        test();
        println!("test {name} ... ok");
    }
    println!("\ntest result: ok. all passed\n");
}

fn stopped() {
    let mut source = Source::start(&[], LOOPBACK, LOOPBACK, 2);
    let mut sinks = [Sink::start(&[], &source, "now"), Sink::start(&[], &source, "now")];
    sinks.iter_mut().for_each(Sink::joined);
    source.publish(1000);
    sinks[0].peer.signal("STOP");
    // far more than what queues hold, and less than the cache
    source.publish(20_000);
    sinks[0].peer.signal("CONT");
    source.publish(1000);
    let [stopped, other] = sinks.map(|sink| sink.finish(&source));
    assert_eq!((stopped.delivered, stopped.evicted + stopped.unanswered), (22_000, 0), "{stopped:?}");
    assert!(stopped.recovered > 1000, "{stopped:?}");
    assert_eq!((other.delivered, other.evicted + other.unanswered), (22_000, 0), "{other:?}");
}

/// Longer than after what silence a stream is stale. What comes meanwhile lies with the system, and in no socket of libzmq's.
fn behind() {
    let mut source = Source::start(&[], LOOPBACK, LOOPBACK, 2);
    let mut sinks: Vec<Sink> = (0..4).map(|_| Sink::start(&[], &source, "now")).collect();
    sinks.iter_mut().for_each(Sink::joined);
    source.publish(10);
    sinks.iter().for_each(|sink| sink.peer.signal("STOP"));
    let stopped = Instant::now();
    while stopped.elapsed() < Duration::from_secs(4) {
        source.publish(2);
    }
    sinks.iter().for_each(|sink| sink.peer.signal("CONT"));
    source.publish(10);
    for sink in sinks {
        let told = sink.finish(&source);
        assert_eq!((told.stale, told.unanswered), (0, 0), "{told:?}");
    }
}

/// The streams are stale after three seconds.
fn paused() {
    let mut source = Source::start(&[], LOOPBACK, LOOPBACK, 2);
    let mut sinks = [Sink::start(&[], &source, "now"), Sink::start(&[], &source, "all")];
    sinks.iter_mut().for_each(Sink::joined);
    source.publish(2000);
    for messages in [100_000, 2] {
        // in the midst of its work, and then with hardly any
        source.begin(messages);
        source.signal("STOP");
        sinks.iter_mut().for_each(|sink| (0..2).for_each(|_| sink.says("stale")));
        source.signal("CONT");
        sinks.iter_mut().for_each(|sink| (0..2).for_each(|_| sink.says("resumed")));
        source.end();
        source.published += messages;
    }
    source.publish(1000);
    assert_eq!(source.published, 103_002);
    for told in sinks.map(|sink| sink.finish(&source)) {
        assert_eq!(told.delivered + told.evicted + told.unanswered, 103_002, "{told:?}");
        assert_eq!((told.resets, told.restarted), (0, 0), "it is the same publisher: {told:?}");
        assert!(told.stale >= 4 && told.resumed == told.stale, "{told:?}");
    }
}

fn python_follows() {
    let mut source = Source::start(&[], LOOPBACK, LOOPBACK, 2);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(python::python());
    command.arg("-B").arg(root.join("tests/python/feed_follower.py")).env("PYTHONPATH", root.join("python"));
    command.args([&source.live, &source.recovery]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut follower = Killed(command.spawn().unwrap());
    let mut lines = BufReader::new(follower.0.stdout.take().unwrap()).lines();
    let mut line = || lines.next().expect("the script failed, see its output above").unwrap();
    assert_eq!(line(), "joined");
    source.publish(3000);
    for _ in 0..2 {
        source.begin(1_000_000);
        source.kill_and_restart();
        source.publish(3000);
        assert_eq!([line(), line()], ["reset", "reset"], "one of each stream");
        // or it may be recovering them still when the publisher is killed, and they are gone
        writeln!(follower.0.stdin.as_mut().unwrap(), "{}", source.goal()).unwrap();
        assert_eq!(line(), "there");
    }
    drop(follower.0.stdin.take());
    let told = line();
    let numbers: Vec<u64> = told.split(' ').map(|number| number.parse().unwrap()).collect();
    let [delivered, evicted, unanswered] = numbers[..] else { panic!("{told}") };
    assert!(delivered >= 6000, "all of the second and the third start: {told}");
    assert_eq!((evicted, unanswered), (0, 0), "{told}");
    assert!(follower.0.wait().unwrap().success());
}

/// A process that does not outlive the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn killed() {
    let mut source = Source::start(&[], LOOPBACK, LOOPBACK, 2);
    let mut sink = Sink::start(&[], &source, "now");
    sink.joined();
    source.publish(5000);
    source.begin(1_000_000);
    source.kill_and_restart();
    source.publish(5000);
    let told = sink.finish(&source);
    assert_eq!(told.resets, 2, "one of each stream: {told:?}");
    assert!(told.delivered >= 5000, "all of the second start: {told:?}");
    assert_eq!((told.evicted, told.unanswered), (0, 0), "{told:?}");
}

fn late() {
    let mut source = Source::start(&[], LOOPBACK, LOOPBACK, 1);
    source.publish(10_000);
    let told = Sink::start(&[], &source, "all").finish(&source);
    assert_eq!((told.delivered, told.recovered), (10_000, 10_000), "{told:?}");
    let told = Sink::start(&[], &source, "last").finish(&source);
    assert_eq!(told.delivered, 10, "{told:?}");
    source.publish(40_000);
    // the newest 20 000, or as many as are within the bytes
    let told = Sink::start(&[], &source, "all").finish(&source);
    assert!((10_000..=20_000).contains(&told.delivered) && told.evicted == 0, "{told:?}");
}

fn bounded() {
    let mut source = Source::start(&[], LOOPBACK, LOOPBACK, 1);
    let mut sink = Sink::start(&[], &source, "now");
    sink.joined();
    source.publish(50_000);
    let before = source.memory;
    sink.peer.signal("STOP");
    source.publish(200_000);
    let grown = source.memory - before;
    // what waits for it: the high-water mark of 1000 messages of half a KiB in the mean, and libzmq's own
    assert!(grown < 8 << 10, "{grown} KiB more for a subscriber that does not read");
    sink.peer.signal("CONT");
    source.publish(10);
    let told = sink.finish(&source);
    assert_eq!(told.delivered + told.evicted, 250_010, "{told:?}");
    assert!(told.evicted > 0 && told.unanswered == 0, "{told:?}");
    assert!(told.memory < MEMORY, "{} KiB", told.memory);
}

fn anything() {
    let mut random = Random::seeded(1);
    let mut source = Source::start(&[], LOOPBACK, LOOPBACK, 3);
    let mut sinks: Vec<Sink> = (0..3).map(|_| Sink::start(&[], &source, "now")).collect();
    sinks.iter_mut().for_each(Sink::joined);
    for _ in 0..12 {
        let victim = random.below(sinks.len());
        match random.below(5) {
            0 => {
                sinks[victim].peer.signal("STOP");
                source.publish(5000 + random.below(10_000) as u64);
                sinks[victim].peer.signal("CONT");
            }
            1 => {
                source.begin(20_000);
                source.kill_and_restart();
            }
            2 => {
                sinks.push(Sink::start(&[], &source, ["all", "last", "now"][random.below(3)]));
                sinks.last_mut().unwrap().joined();
            }
            3 => {
                sinks[victim] = Sink::start(&[], &source, "all");
                sinks[victim].joined();
            }
            _ => source.publish(random.below(10_000) as u64),
        }
    }
    source.publish(3000);
    assert!(source.memory < MEMORY, "{} KiB", source.memory);
    for sink in sinks {
        let told = sink.finish(&source);
        assert!(told.delivered > 0 && told.memory < MEMORY, "{told:?}");
    }
}
