//! Objects per second beside raw libzmq moving the same frames and beside the naive way, in one run.
//!
//! `cargo bench --bench throughput`; with `-- quick`, `-- small`, `-- processes tcp` and the like for a part. Ratios are medians over rounds in which the means take
//! turns, because the machine's speed drifts.

#![allow(clippy::unwrap_used, reason = "a bench that fails stops")]

mod rig;

use std::env;
use std::time::Duration;

use rig::{Means, Pair, Rounds, Sides, Size, human, receive_if_child};

fn main() {
    receive_if_child();
    let words: Vec<String> = env::args().skip(1).collect();
    let quick = words.iter().any(|word| word == "quick");
    let (rounds, time) = if quick { (3, Duration::from_millis(60)) } else { (31, Duration::from_millis(80)) };
    let only = |name: &str| words.iter().any(|word| word == name);
    let wants = |sides: &str, transport: &str| {
        let sides_named = ["threads", "processes"].iter().any(|name| only(name));
        let transport_named = ["inproc", "ipc", "tcp"].iter().any(|name| only(name));
        (!sides_named || only(sides)) && (!transport_named || only(transport))
    };

    if only("least") {
        return the_least_over_inproc(rounds, time);
    }
    println!("| sides | transport | object | raw | outband | naive | outband ÷ raw | outband ÷ naive |");
    println!("|---|---|---|---:|---:|---:|---:|---:|");
    let sizes = [
        Size { buffers: 1, bytes: 64 },
        Size { buffers: 1, bytes: 1 << 10 },
        Size { buffers: 1, bytes: 64 << 10 },
        Size { buffers: 1, bytes: 1 << 20 },
        Size { buffers: 1, bytes: 16 << 20 },
        Size { buffers: 1, bytes: 64 << 20 },
        Size { buffers: 64, bytes: 16 << 10 },
    ];
    for (sides, name) in [(Sides::Threads, "threads"), (Sides::Processes, "processes")] {
        for transport in ["inproc", "ipc", "tcp"] {
            if !wants(name, transport) || (transport == "inproc" && sides == Sides::Processes) {
                continue;
            }
            for size in sizes.into_iter().filter(|size| !only("small") || size.total() <= 1 << 10) {
                row(name, sides, transport, size, rounds, time);
            }
        }
    }
    if only("small") {
        return;
    }
    if wants("processes", "tcp") {
        kept_pages(rounds, time);
    }
    if wants("threads", "inproc") {
        any_size_over_inproc(rounds, time);
        the_least_over_inproc(rounds, time);
    }
}

fn row(name: &str, sides: Sides, transport: &str, size: Size, rounds: usize, time: Duration) {
    let means = [Means::Raw, Means::Outband, Means::Naive];
    let pairs = means.map(|means| Pair::new(means, sides, transport, size));
    let result = Rounds::run(&pairs, rounds, time);
    let object = match size.buffers {
        1 => human(size.bytes),
        buffers => format!("{buffers} × {}", human(size.bytes)),
    };
    // where nothing is moved, bytes per second say nothing
    let speed = if transport == "inproc" && size.total() >= 64 << 10 { |seconds, _| time_of(seconds) } else { speed };
    println!(
        "| {name} | {transport} | {object} | {} | {} | {} | {:.2} | {:.1} |",
        speed(result.median(0), size),
        speed(result.median(1), size),
        speed(result.median(2), size),
        result.interval(1, 0),
        result.ratio(1, 2),
    );
}

/// Objects per second for small objects, GB/s for large ones.
fn speed(seconds: f64, size: Size) -> String {
    if size.total() < 64 << 10 {
        format!("{:.2} M/s", 1e-6 / seconds)
    } else {
        format!("{:.2} GB/s", size.total() as f64 / seconds * 1e-9)
    }
}

/// The time per object.
fn time_of(seconds: f64) -> String {
    if seconds < 1e-3 { format!("{:.2} µs", seconds * 1e6) } else { format!("{:.1} ms", seconds * 1e3) }
}

fn kept_pages(rounds: usize, time: Duration) {
    println!();
    println!("| processes, tcp | raw | outband | outband, kept pages | kept ÷ raw |");
    println!("|---|---:|---:|---:|---:|");
    for bytes in [16 << 20, 64 << 20] {
        let size = Size { buffers: 1, bytes };
        let means = [Means::Raw, Means::Outband, Means::OutbandKept];
        let pairs = means.map(|means| Pair::new(means, Sides::Processes, "tcp", size));
        let result = Rounds::run(&pairs, rounds, time.max(Duration::from_millis(200)));
        let [raw, ours, kept] = [0, 1, 2].map(|index| speed(result.median(index), size));
        println!("| {} | {raw} | {ours} | {kept} | {:.2} |", human(bytes), result.ratio(2, 0));
    }
}

fn any_size_over_inproc(rounds: usize, time: Duration) {
    println!();
    println!("| threads, inproc | per object | beside 64 KiB |");
    println!("|---|---:|---:|");
    let sizes = [64 << 10, 1 << 20, 256 << 20].map(|bytes| Size { buffers: 1, bytes });
    let pairs = sizes.map(|size| Pair::new(Means::Outband, Sides::Threads, "inproc", Size { buffers: 1, ..size }));
    let result = Rounds::run(&pairs, rounds, time);
    for (index, size) in sizes.into_iter().enumerate() {
        let micros = result.median(index) * 1e6;
        println!("| {} | {micros:.2} µs | {:.2} × |", human(size.bytes), 1.0 / result.ratio(index, 0));
    }
}

/// What it takes over inproc, one step after the other: ready-made frames; a buffer that has an owner; metadata that is encoded and
/// decoded; and all that an object takes.
fn the_least_over_inproc(rounds: usize, time: Duration) {
    println!();
    println!(
        "| threads, inproc | raw | and owners | and rmp-serde | outband | rmp-serde ÷ raw | outband ÷ raw | outband ÷ rmp-serde |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
    for bytes in [64 << 10, 1 << 20, 64 << 20] {
        let size = Size { buffers: 1, bytes };
        let means = [Means::Raw, Means::Owned, Means::Least, Means::Outband];
        let pairs = means.map(|means| Pair::new(means, Sides::Threads, "inproc", size));
        let result = Rounds::run(&pairs, rounds, time);
        let [raw, owned, least, ours] = [0, 1, 2, 3].map(|index| time_of(result.median(index)));
        let [possible, of_raw, of_possible] =
            [(2, 0), (3, 0), (3, 2)].map(|(index, other)| result.interval(index, other));
        let bytes = human(bytes);
        println!("| {bytes} | {raw} | {owned} | {least} | {ours} | {possible:.2} | {of_raw:.2} | {of_possible:.2} |");
    }
}
