//! Feeds between processes that are really stopped and really killed. Each subscriber checks that what it is told has no hole
//! and no repetition, and stops with an error where it has.
//!
//! A program of its own (`harness = false`), because it starts itself for every role. `cargo bench --bench feed` has the long
//! runs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/feed.rs"]
mod feed;
#[path = "support/random.rs"]
mod random;

use feed::{Sink, Source};
use random::Random;

const LOOPBACK: &str = "tcp://127.0.0.1:*";

/// The most memory that a process may take, in KiB: what the program takes itself, a cache or pending messages of 16 MiB, and
/// the queues.
const MEMORY: u64 = 160 << 10;

fn main() {
    feed::play_a_role();
    let tests: [(&str, fn()); 5] = [
        ("a_stopped_subscriber_is_told_everything_when_it_goes_on", stopped),
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
