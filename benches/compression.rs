//! What each format makes of data that looks like what users send, and how fast.
//!
//! `cargo bench --bench compression --features zlib,lz4,zstd,blosc`. Ratio is raw to stored; GB/s are of raw bytes, one thread,
//! the median of several rounds, through the codec: "in" is encoding a message, "out" is decoding it.

use std::hint::black_box;
use std::time::{Duration, Instant};

use outband::{Buffer, Compression, Decode, Encode, Inner, MsgPack, Multipart, Shuffle};

/// The length of each buffer in bytes.
const LEN: usize = 16 << 20;
const ROUNDS: usize = 5;

fn main() {
    println!("| data | format | ratio | GB/s in | GB/s out |");
    println!("|---|---|---:|---:|---:|");
    for (data, item, raw) in data() {
        for (format, compression) in formats(item) {
            let codec = MsgPack::new().compression(compression);
            let message = codec.encode(&raw).expect("it compresses");
            let compress = median(|| drop(black_box(codec.encode(&raw))));
            let decompress = median(|| {
                let back: Buffer = codec.decode(Multipart::clone(&message)).expect("it decompresses");
                black_box(back);
            });
            let ratio = LEN as f64 / message.total_len() as f64;
            let speed = |time: Duration| LEN as f64 / time.as_secs_f64() / 1e9;
            // a buffer that does not get shorter is sent as it is, and nothing is decompressed
            let out = match message.buffers()[0].as_ptr() == raw.as_ptr() {
                true => "as it is".to_owned(),
                false => format!("{:.2}", speed(decompress)),
            };
            println!("| {data} | {format} | {ratio:.2} | {:.2} | {out} |", speed(compress));
        }
    }
}

fn median(mut run: impl FnMut()) -> Duration {
    let mut times: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[ROUNDS / 2]
}

/// Formats for elements of `item` bytes.
fn formats(item: usize) -> Vec<(String, Compression)> {
    let mut formats = vec![
        ("zlib 1".to_owned(), Compression::zlib().level(1)),
        ("zlib".to_owned(), Compression::zlib()),
        ("lz4".to_owned(), Compression::lz4()),
        ("zstd".to_owned(), Compression::zstd()),
        ("zstd 3".to_owned(), Compression::zstd().level(3)),
        ("auto".to_owned(), Compression::auto().item_len(item)),
    ];
    for inner in [Inner::Lz4, Inner::Zlib, Inner::Zstd] {
        for shuffle in [Shuffle::None, Shuffle::Byte, Shuffle::Bit] {
            let blosc = Compression::blosc().item_len(item).inner(inner).shuffle(shuffle).level(1);
            formats.push((format!("blosc {inner:?} 1, shuffle {shuffle:?}"), blosc));
        }
    }
    formats
}

/// Data by name, and the length of its elements.
fn data() -> Vec<(&'static str, usize, Buffer)> {
    // SplitMix64 (https://prng.di.unimi.it/splitmix64.c)
    let mut state = 1_u64;
    let mut random = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    };
    let mut now = 1_700_000_000_000_000_i64;
    let timestamps: Vec<i64> = std::iter::repeat_with(|| {
        // every 10 ms, give or take 50 µs
        now += 9_950 + (random() % 100) as i64;
        now
    })
    .take(LEN / 8)
    .collect();
    // a slow wave and noise, in steps of a converter of 16 bits
    let mut volts = |at: usize| {
        let wave = (at as f64 / 3000.0).sin() * 200.0 + (at as f64 / 70.0).cos();
        let noise = (random() % 1000) as f64 / 10_000.0;
        ((wave + noise) * 65_536.0 / 500.0).round() * (500.0 / 65_536.0)
    };
    let doubles: Vec<f64> = (0..LEN / 8).map(&mut volts).collect();
    let floats: Vec<f32> = (0..LEN / 4).map(|at| volts(at) as f32).collect();
    let words = ["sensor", "north", "south", "level", "warning", "restarted", "after", "seconds", "value", "of", "at"];
    let mut text = Vec::with_capacity(LEN + 64);
    while text.len() < LEN {
        let word = words[(random() % words.len() as u64) as usize];
        text.extend_from_slice(format!("{word} {} ", random() % 10_000).as_bytes());
    }
    text.truncate(LEN);
    let noise: Vec<u64> = std::iter::repeat_with(&mut random).take(LEN / 8).collect();
    vec![
        ("timestamps i64", 8, Buffer::from_vec(timestamps)),
        ("telemetry f64", 8, Buffer::from_vec(doubles)),
        ("telemetry f32", 4, Buffer::from_vec(floats)),
        ("text", 1, Buffer::from(text)),
        ("random", 8, Buffer::from_vec(noise)),
    ]
}
