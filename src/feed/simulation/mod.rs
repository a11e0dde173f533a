//! The protocol in virtual time: a publisher, its followers, and a network that drops, repeats, reorders and delays, while
//! all of them are killed, restarted and stalled. Every schedule comes from a seed.
//!
//! ```text
//! cargo test --release --lib feed::simulation                       20 000 schedules
//! OUTBAND_SCHEDULES=1000000 cargo test --release --lib feed::simulation -- --nocapture
//! OUTBAND_SEED=17 cargo test --lib feed::simulation                 one schedule again
//! ```
//!
//! After every event: what each follower was told partitions each stream, exactly and in order; a gap is blamed on what
//! really happened; memory is within its bounds. At the end, when faults have stopped: everybody is up to date.

#![cfg(test)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod follower;
mod random;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use world::World;

/// How often each thing happened: a simulation in which nothing happens proves nothing.
pub(super) type Seen = BTreeMap<&'static str, u64>;

#[test]
fn every_schedule_keeps_the_promise() {
    let number = |name| std::env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    let seeds = match number("OUTBAND_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("OUTBAND_SCHEDULES").unwrap_or(20_000),
    };
    let workers = thread::available_parallelism().map_or(1, |count| count.get() as u64).min(seeds.end - seeds.start);
    let work = |worker| {
        let mut seen = Seen::new();
        for seed in seeds.clone().filter(|seed| seed % workers == worker % workers) {
            let ran = catch_unwind(AssertUnwindSafe(|| World::new(seed).run()));
            let counted = ran
                .unwrap_or_else(|_| panic!("to see this again: OUTBAND_SEED={seed} cargo test --lib feed::simulation"));
            counted.into_iter().for_each(|(what, count)| *seen.entry(what).or_default() += count);
        }
        seen
    };
    let mut seen = Seen::new();
    thread::scope(|scope| {
        let running: Vec<_> = (0..workers).map(|worker| scope.spawn(move || work(worker))).collect();
        for counted in running.into_iter().map(|worker| worker.join().unwrap()) {
            counted.into_iter().for_each(|(what, count)| *seen.entry(what).or_default() += count);
        }
    });
    println!("{} schedules: {seen:#?}", seeds.end - seeds.start);
    if seeds.end - seeds.start >= 1000 {
        for what in EXPECTED {
            assert!(seen.contains_key(what), "no schedule had {what}");
        }
    }
}

const EXPECTED: [&str; 18] = [
    "joined",
    "live",
    "recovered",
    "skipped",
    "gap evicted",
    "gap unanswered",
    "gap restarted",
    "reset",
    "stale",
    "resumed",
    "overflowed",
    "duplicates",
    "publisher killed",
    "follower killed",
    "follower stalled",
    "live frame lost",
    "recovery frame lost",
    "resumed from a position",
];
