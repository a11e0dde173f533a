//! Objects per second beside raw libzmq moving the same frames and beside the naive way, in one run.
//!
//! `cargo bench --bench throughput`; with `-- quick`, `-- small`, `-- processes tcp 1MiB` and the like for a part, `-- 80ms` for longer turns.
//!
//! Raw libzmq and `outband` go through the same sockets to the same receiver, in short turns, there and back, because a heap has
//! its luck for as long as a process lives; and each row is of several starts, so that it has not one start's luck. Raw libzmq
//! runs twice, under two names: how far these two are apart is what this bench cannot see.
//!
//! `valgrind --tool=callgrind target/release/deps/throughput-... alone Outband 64B 1000` counts instructions; also of `Raw`, `Naive` and
//! the other means of the rig.

#![allow(clippy::unwrap_used, reason = "a bench that fails stops")]

mod rig;

use std::env;
use std::time::{Duration, Instant};

use rig::rounds::Orders;
use rig::{Means, Pair, Rounds, Sides, Size, human, receive_if_child};

fn main() {
    receive_if_child();
    let words: Vec<String> = env::args().skip(1).collect();
    let quick = words.iter().any(|word| word == "quick");
    let turn = words.iter().find_map(|word| word.strip_suffix("ms")?.parse().ok());
    let time = Duration::from_millis(turn.unwrap_or(if quick { 5 } else { 10 }));
    let (starts, seconds) = if quick { (2, 0.2) } else { (5, 2.0) };
    let only = |name: &str| words.iter().any(|word| word == name);
    let wants = |sides: &str, transport: &str| {
        let sides_named = ["threads", "processes"].iter().any(|name| only(name));
        let transport_named = ["inproc", "ipc", "tcp"].iter().any(|name| only(name));
        (!sides_named || only(sides)) && (!transport_named || only(transport))
    };

    let sizes = [
        Size { buffers: 1, bytes: 64 },
        Size { buffers: 1, bytes: 1 << 10 },
        Size { buffers: 1, bytes: 64 << 10 },
        Size { buffers: 1, bytes: 1 << 20 },
        Size { buffers: 1, bytes: 16 << 20 },
        Size { buffers: 1, bytes: 64 << 20 },
        Size { buffers: 64, bytes: 16 << 10 },
        Size { buffers: 64, bytes: 64 << 10 },
    ];
    if only("alone") {
        let number = |index: usize| words.get(index).and_then(|word| word.parse().ok());
        let size = sizes.into_iter().find(|size| only(&size.human().replace(' ', ""))).unwrap();
        return rig::alone(&words[1], size, number(3).unwrap());
    }
    if only("least") {
        if wants("threads", "inproc") {
            the_least_over_inproc(starts, seconds, time);
        }
        if wants("processes", "ipc") {
            the_least_of_many_buffers(starts, seconds, time);
        }
        return;
    }
    if only("kept") {
        return kept_pages(starts, seconds, time);
    }
    println!(
        "| sides | transport | object | raw | outband | naive | outband ÷ raw | raw ÷ raw | outband ÷ naive | page faults |"
    );
    println!("|---|---|---|---:|---:|---:|---:|---:|---:|---:|");
    let sizes_named = sizes.iter().filter(|size| only(&size.human().replace(' ', ""))).count();
    for (sides, name) in [(Sides::Threads, "threads"), (Sides::Processes, "processes")] {
        for transport in ["inproc", "ipc", "tcp"] {
            if !wants(name, transport) || (transport == "inproc" && sides == Sides::Processes) {
                continue;
            }
            let is_wanted = |size: &Size| match only("small") {
                true => size.total() <= 1 << 10,
                false => sizes_named == 0 || only(&size.human().replace(' ', "")),
            };
            for size in sizes.into_iter().filter(is_wanted) {
                row(name, sides, transport, size, starts, seconds, time);
            }
        }
    }
    if only("small") || sizes_named > 0 {
        return;
    }
    if wants("processes", "tcp") {
        kept_pages(starts, seconds, time);
    }
    if wants("threads", "inproc") {
        any_size_over_inproc(starts, seconds, time);
        the_least_over_inproc(starts, seconds, time);
    }
    if wants("processes", "ipc") {
        the_least_of_many_buffers(starts, seconds, time);
    }
}

fn row(name: &str, sides: Sides, transport: &str, size: Size, starts: usize, seconds: f64, time: Duration) {
    let pairs = || {
        let all = [Means::Raw, Means::RawAgain, Means::Outband, Means::Naive];
        if size.total() <= 1 << 10 {
            return Pair::sharing(&all, sides, transport, size);
        }
        // long copies would change the heap of the others
        let mut pairs = Pair::sharing(&all[..3], sides, transport, size);
        pairs.push(Pair::new(Means::Naive, sides, transport, size));
        pairs
    };
    let (result, faults) = measured(pairs, starts, seconds, time);
    // where nothing is moved, bytes per second say nothing
    let speed = if transport == "inproc" && size.total() >= 64 << 10 { |seconds, _| time_of(seconds) } else { speed };
    println!(
        "| {name} | {transport} | {} | {} | {} | {} | {:.2} | {:.2} | {:.2} | {:.1}, {:.1} |",
        size.human(),
        speed(result.median(0), size),
        speed(result.median(2), size),
        speed(result.median(3), size),
        result.interval(2, 0),
        result.interval(1, 0),
        result.interval(2, 3),
        faults[0],
        faults[2],
    );
}

/// Several starts of the same, each for so many seconds; and the page faults of each means' receiver per object.
fn measured(pairs: impl Fn() -> Vec<Pair>, starts: usize, seconds: f64, time: Duration) -> (Rounds, Vec<f64>) {
    let (mut rounds, mut orders, mut faults) = (Rounds::default(), Orders::default(), Vec::new());
    for _ in 0..starts {
        let pairs = pairs();
        let started = Instant::now();
        rounds = rounds.and(Rounds::run_while(&pairs, time, &mut orders, |done| {
            done < 2 || started.elapsed().as_secs_f64() < seconds
        }));
        faults.resize(pairs.len(), 0.0);
        faults.iter_mut().zip(&pairs).for_each(|(sum, pair)| *sum += pair.faults() / starts as f64);
    }
    (rounds, faults)
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

fn kept_pages(starts: usize, seconds: f64, time: Duration) {
    println!();
    println!(
        "| processes, tcp | raw | outband | raw, kept pages | outband, kept pages | kept ÷ raw | kept ÷ raw, kept pages |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|");
    for bytes in [16 << 20, 64 << 20] {
        let size = Size { buffers: 1, bytes };
        let pairs = || {
            let mut pairs = Pair::sharing(&[Means::Raw, Means::Outband], Sides::Processes, "tcp", size);
            pairs.extend(Pair::sharing(&[Means::RawKept, Means::OutbandKept], Sides::Processes, "tcp", size));
            pairs
        };
        // several objects in each turn
        let (result, _) = measured(pairs, starts, 2.0 * seconds, time.max(Duration::from_millis(200)));
        let [raw, ours, raw_kept, kept] = [0, 1, 2, 3].map(|index| speed(result.median(index), size));
        let (of_raw, of_raw_kept) = (result.interval(3, 0), result.interval(3, 2));
        println!("| {} | {raw} | {ours} | {raw_kept} | {kept} | {of_raw:.2} | {of_raw_kept:.2} |", human(bytes));
    }
}

fn any_size_over_inproc(starts: usize, seconds: f64, time: Duration) {
    println!();
    println!("| threads, inproc | per object | beside 64 KiB |");
    println!("|---|---:|---:|");
    let sizes = [64 << 10, 1 << 20, 256 << 20].map(|bytes| Size { buffers: 1, bytes });
    let pairs = || sizes.map(|size| Pair::new(Means::Outband, Sides::Threads, "inproc", size)).into();
    let (result, _) = measured(pairs, starts, seconds, time);
    for (index, size) in sizes.into_iter().enumerate() {
        // of the time, not of the speed
        println!("| {} | {} | {:.2} |", size.human(), time_of(result.median(index)), result.interval(0, index));
    }
}

/// What it takes over inproc, one step after the other: ready-made frames; a buffer that has an owner; metadata that is encoded and
/// decoded; and all that an object takes.
fn the_least_over_inproc(starts: usize, seconds: f64, time: Duration) {
    println!();
    println!(
        "| threads, inproc | raw | and owners | and rmp-serde | and checks | outband | rmp-serde ÷ raw | checks ÷ raw | outband ÷ raw | outband ÷ checks |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    for bytes in [64 << 10, 1 << 20, 64 << 20] {
        let size = Size { buffers: 1, bytes };
        let means = [Means::Raw, Means::Owned, Means::Least, Means::Checked, Means::Outband];
        let (result, _) = measured(|| Pair::sharing(&means, Sides::Threads, "inproc", size), starts, seconds, time);
        let [raw, owned, least, checked, ours] = [0, 1, 2, 3, 4].map(|index| time_of(result.median(index)));
        let [possible, of_checked, of_raw, of_possible] =
            [(2, 0), (3, 0), (4, 0), (4, 3)].map(|(index, other)| result.interval(index, other));
        let bytes = human(bytes);
        println!(
            "| {bytes} | {raw} | {owned} | {least} | {checked} | {ours} | {possible:.2} | {of_checked:.2} | {of_raw:.2} | {of_possible:.2} |"
        );
    }
}

/// The same of a list of buffers over ipc between two processes, where libzmq's two threads need both cores of a machine that has no more.
fn the_least_of_many_buffers(starts: usize, seconds: f64, time: Duration) {
    println!();
    println!(
        "| processes, ipc | raw | and owners | and rmp-serde | and checks | outband | raw ÷ raw | owners ÷ raw | rmp-serde ÷ raw | checks ÷ raw | outband ÷ raw | outband ÷ checks |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    let size = Size { buffers: 64, bytes: 16 << 10 };
    let means = [Means::Raw, Means::Owned, Means::Least, Means::Checked, Means::Outband, Means::RawAgain];
    // the differences are small: as long again, and more starts
    let (result, _) =
        measured(|| Pair::sharing(&means, Sides::Processes, "ipc", size), 2 * starts, 2.0 * seconds, time);
    let [raw, owned, least, checked, ours] = [0, 1, 2, 3, 4].map(|index| speed(result.median(index), size));
    let [again, of_owned, possible, of_checked, of_raw, of_possible] =
        [(5, 0), (1, 0), (2, 0), (3, 0), (4, 0), (4, 3)].map(|(index, other)| result.interval(index, other));
    println!(
        "| {} | {raw} | {owned} | {least} | {checked} | {ours} | {again:.2} | {of_owned:.2} | {possible:.2} | {of_checked:.2} | {of_raw:.2} | {of_possible:.2} |",
        size.human()
    );
}
