//! What compression is worth: the same two hours of telemetry in every format.
//!
//! `cargo run --release --example compression --features zlib,lz4,zstd,blosc`

#[path = "shared/ending.rs"]
mod ending;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use outband::{Buffer, Compression, Decode, Encode, Inner, MsgPack, Placement, Shuffle, memory};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, PartialEq)]
struct Telemetry {
    station: String,
    times: Buffer,
    volts: Buffer,
    noise: Buffer,
}

fn main() -> ExitCode {
    ending::of(run())
}

fn run() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let count = 360_000_u32; // 50 a second
    let wave = |at: u32| (f64::from(at) / 5000.0).sin() * 230.0;
    let noise = |at: u32| at.wrapping_mul(2_654_435_761).rotate_left(at % 31).wrapping_mul(40_503);
    let telemetry = Telemetry {
        station: "north".into(),
        times: Buffer::from_vec((0..count).map(|at| 1_700_000_000_000 + 20 * i64::from(at)).collect()),
        volts: Buffer::from_vec((0..count).map(|at| (wave(at) * 100.0).round() / 100.0).collect()),
        noise: Buffer::from_vec((0..count).map(noise).collect()),
    };
    let raw = MsgPack::new().encode(&telemetry)?.total_len();
    writeln!(io::stdout(), "{raw} bytes as they are\n")?;

    // of arrays and tables the length of the elements is known, of bare buffers it is said here
    let blosc = Compression::blosc().item_len(8);
    for (name, compression) in [
        ("zlib", Compression::zlib()),
        ("lz4", Compression::lz4()),
        ("zstd", Compression::zstd()),
        ("blosc, no shuffle", blosc.shuffle(Shuffle::None)),
        ("blosc", blosc),
        ("blosc of zstd", blosc.inner(Inner::Zstd)),
        ("auto", Compression::auto().item_len(8)),
    ] {
        let codec = MsgPack::new().compression(compression);
        let (start, before) = (Instant::now(), memory::copied_bytes());
        let message = codec.encode(&telemetry)?;
        let took = start.elapsed();
        let total = message.total_len();
        writeln!(io::stdout(), "{name:<18} {total:>9} bytes, {:>5.2} to 1, in {took:.1?}", raw as f64 / total as f64)?;
        for (field, sizes) in ["times", "volts", "noise"].iter().zip(message.buffer_sizes()?) {
            let how = sizes.encoding().unwrap_or("as it is");
            writeln!(io::stdout(), "    {field}: {} of {} bytes, {how}", sizes.stored_len(), sizes.raw_len())?;
        }
        // the receiver needs to know nothing of it
        let back: Telemetry = MsgPack::new().decode(message)?;
        assert!(back == telemetry);
        writeln!(
            io::stdout(),
            "    {} bytes copied at both ends, beside compressing",
            memory::copied_bytes() - before
        )?;
    }

    // a choice for each buffer: only the times are worth it
    let chosen = MsgPack::new().placement(move |buffer| match buffer.index() {
        0 => Placement::Compressed(blosc),
        _ => buffer.default_placement(),
    });
    let before = memory::copied_bytes();
    let message = chosen.encode(&telemetry)?;
    assert_eq!(message.buffers()[1].as_ptr(), telemetry.volts.as_ptr()); // not touched
    let (total, copied) = (message.total_len(), memory::copied_bytes() - before);
    writeln!(
        io::stdout(),
        "\nonly the times: {total} bytes, {:.2} to 1, {copied} bytes copied",
        raw as f64 / total as f64
    )?;
    Ok(())
}
