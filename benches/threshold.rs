//! From which length on a frame of its own beats a copy into the metadata.
//!
//! `cargo bench --bench threshold`. The default threshold, `MsgPack::OUT_OF_BAND_FROM`, follows from it.

mod rig;

use std::time::Duration;

use rig::{Means, Pair, Rounds, Sides, Size, human, receive_if_child};

fn main() {
    receive_if_child();
    println!("| sides | transport | buffer | in band | out of band | out of band, times as fast |");
    println!("|---|---|---|---:|---:|---:|");
    for (sides, transport) in
        [(Sides::Threads, "inproc"), (Sides::Threads, "tcp"), (Sides::Processes, "ipc"), (Sides::Processes, "tcp")]
    {
        for bytes in [256, 1 << 10, 4 << 10, 8 << 10, 12 << 10, 16 << 10, 32 << 10, 64 << 10] {
            let size = Size { buffers: 1, bytes };
            let pairs = Pair::sharing(&[Means::InBand, Means::OutOfBand], sides, transport, size);
            let result = Rounds::run(&pairs, 101, Duration::from_millis(10));
            println!(
                "| {sides:?} | {transport} | {} | {:.2} µs | {:.2} µs | {:.2} |",
                human(bytes),
                result.median(0) * 1e6,
                result.median(1) * 1e6,
                result.ratio(1, 0)
            );
        }
    }
}
