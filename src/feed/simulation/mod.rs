//! The protocol in virtual time: a publisher, its followers, and a network that drops, repeats, reorders and delays, while
//! all of them are killed, restarted and stalled, clocks are set back, and subscriptions end and begin again. Every schedule comes
//! from a seed.
//!
//! ```text
//! cargo test --release --lib feed::simulation            20 000 schedules
//! OUTBAND_SCHEDULES=1000000 cargo test --release --all-features --lib feed::simulation -- --nocapture
//! OUTBAND_SEED=17 cargo test --lib feed::simulation      one schedule again
//! ```
//!
//! After every event: what each follower was told partitions each stream, exactly and in order; a gap is blamed on what
//! really happened; memory, and the age of what is cached, are within their bounds. At the end, when faults have stopped:
//! everybody is up to date.

#![cfg(test)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod agenda;
mod follower;
mod ledger;
mod random;
mod seen;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Instant;

use seen::Seen;
use world::World;

#[test]
fn every_schedule_keeps_the_promise() {
    let number = |name| std::env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    let seeds = match number("OUTBAND_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("OUTBAND_SCHEDULES").unwrap_or(20_000),
    };
    let started = Instant::now();
    let workers = thread::available_parallelism().map_or(1, |count| count.get() as u64).min(seeds.end - seeds.start);
    let work = |worker| {
        let mut seen = Seen::default();
        for seed in seeds.clone().filter(|seed| seed % workers == worker % workers) {
            let ran = catch_unwind(AssertUnwindSafe(|| World::new(seed).run()));
            let counted = ran
                .unwrap_or_else(|_| panic!("to see this again: OUTBAND_SEED={seed} cargo test --lib feed::simulation"));
            seen.add_all(&counted);
        }
        seen
    };
    let mut seen = Seen::default();
    thread::scope(|scope| {
        let running: Vec<_> = (0..workers).map(|worker| scope.spawn(move || work(worker))).collect();
        running.into_iter().for_each(|worker| seen.add_all(&worker.join().unwrap()));
    });
    let schedules = seeds.end - seeds.start;
    println!("{schedules} schedules, {workers} threads, {:.0} s:", started.elapsed().as_secs_f64());
    for (what, count) in seen.each() {
        println!("{count:>12} {what:?}");
        assert!(schedules < 10_000 || count > 0, "no schedule had {what:?}");
    }
}
