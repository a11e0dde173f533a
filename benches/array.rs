//! What it costs that an array says what it is: an `Array` beside a bare `Buffer` of the same bytes, in one run.
//!
//! `cargo bench --bench array`. An argument is the milliseconds of each round; the default is 100.

mod rig;

use std::time::Duration;

use rig::{Means, Pair, Rounds, Sides, Size, human, receive_if_child};

fn main() {
    receive_if_child();
    let time = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(100);
    println!("| sides | transport | elements | Buffer | Array | Array, of the time of Buffer |");
    println!("|---|---|---|---:|---:|---:|");
    for (sides, transport) in [(Sides::Threads, "inproc"), (Sides::Processes, "tcp")] {
        for bytes in [1 << 20, 16 << 20, 64 << 20] {
            let size = Size { buffers: 1, bytes };
            let pairs = [Means::Outband, Means::Array].map(|means| Pair::new(means, sides, transport, size));
            let result = Rounds::run(&pairs, 41, Duration::from_millis(time));
            println!(
                "| {sides:?} | {transport} | {} | {:.2} µs | {:.2} µs | {:.3} |",
                human(bytes),
                result.median(0) * 1e6,
                result.median(1) * 1e6,
                1.0 / result.ratio(1, 0)
            );
        }
    }
}
