//! Tasks per second, and what is lost while workers are killed and stopped and the dispatcher is killed: nothing.
//!
//! `cargo bench --all-features --bench pipeline`: a million small tasks and 20 000 of 1 MiB, with a thousand SIGKILLs of workers in
//! all; the same on a smaller scale with SIGSTOP; and, with the feature `journal`, a dispatcher that is killed and started again
//! over its journal. Shorter, or a part: `-- small=100000 large=2000 kills=100 stops=10 journaled=2000 lives=5`, where 0 leaves
//! a part out; `workers=2` says how many there are at once.
//!
//! It asserts what it prints: nothing lost, nothing twice, the time until a kill is noticed, and memory.

#![allow(clippy::unwrap_used, reason = "a bench that fails stops")]

use std::time::Duration;

#[path = "../../tests/support/random.rs"]
mod random;

mod crew;
mod faults;
#[cfg(feature = "journal")]
mod journal;

use faults::{Fault, Plan};
use random::Random;

fn main() {
    crew::work_if_worker();
    #[cfg(feature = "journal")]
    journal::dispatch_if_dispatcher();
    let words: Vec<String> = std::env::args().collect();
    let number = |name: &str, default: u64| {
        let value = words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('=').map(str::to_owned));
        value.map_or(default, |value| value.parse().unwrap())
    };
    let (small, large) = (number("small", 1_000_000), number("large", 20_000));
    let (kills, stops) = (number("kills", 1000), number("stops", 100));
    let workers = number("workers", 4) as usize;
    let mut random = Random::seeded(5);
    let plan = |tasks, bytes, fault, faults| Plan { tasks, bytes, fault, faults, workers };
    faults::head();
    for (tasks, bytes, kills, stops) in
        [(small, 0, kills / 2, stops / 2), (large, 1 << 20, kills - kills / 2, stops - stops / 2)]
    {
        if tasks > 0 {
            faults::run(plan(tasks, bytes, Fault::None, 0), &mut random);
            faults::run(plan(tasks, bytes, Fault::Kill, kills), &mut random);
            faults::run(plan(tasks / 10, bytes, Fault::Stop, stops), &mut random);
        }
    }
    #[cfg(feature = "journal")]
    journal::run(number("journaled", 40_000), number("lives", 21), workers, &mut random);
    #[cfg(not(feature = "journal"))]
    println!("\nnot run: a dispatcher that is killed; that takes the feature journal");
}

/// Waits until it is so, and looks often.
fn wait(is_so: impl Fn() -> bool) {
    while !is_so() {
        std::thread::park_timeout(Duration::from_micros(100));
    }
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
