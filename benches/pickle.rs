//! Pickles beside CPython: `cargo bench --bench pickle`.
//!
//! Decoding messages that Python wrote: a dict of 100 000 records of small values, into structs here and by `pickle.loads`
//! there, and 64 NumPy arrays of 1 MiB out of band, into `Array`s here beside taking the bare frames. Encoding the same
//! values, beside `pickle.dumps` with a `buffer_callback`. Python runs `tests/python/pickle_bench.py` and prints its own best
//! times.

#![allow(clippy::unwrap_used, reason = "a bench that fails stops")]

use std::collections::HashMap;
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use outband::{Array, Buffer, Decode, Encode, Multipart, Pickle};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Record {
    id: u32,
    name: String,
    price: f64,
    live: bool,
}

fn best(rounds: usize, mut run: impl FnMut() -> Duration) -> Duration {
    (0..rounds).map(|_| run()).min().unwrap()
}

/// The time of one call, the result's drop not included.
fn timed<R>(run: impl FnOnce() -> R) -> (Duration, R) {
    let start = Instant::now();
    let result = run();
    (start.elapsed(), result)
}

fn main() {
    let folder = env::temp_dir().join(format!("outband-pickle-bench-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // one with NumPy: that of the tests, or `PYTHON`
    let venv = root.join("target/tmp/python/bin/python");
    let python = env::var_os("PYTHON").unwrap_or_else(|| venv.into_os_string());
    let output = Command::new(&python).arg("-B").arg(root.join("tests/python/pickle_bench.py")).arg(&folder).output();
    let output = output.unwrap_or_else(|error| panic!("{python:?}: {error}; PYTHON names one with NumPy"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    let theirs: HashMap<&str, f64> = printed
        .lines()
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(name, time)| (name, time.parse().unwrap()))
        .collect();
    let file = |name: &str| fs::read(folder.join(name)).unwrap();
    let codec = Pickle::new();

    println!("| message | pickle.loads | Pickle | times as fast |");
    println!("|---|---:|---:|---:|");
    let row = |name: &str, theirs: f64, ours: Duration| {
        let ours = ours.as_secs_f64() * 1e3;
        println!("| {name} | {:.3} ms | {ours:.3} ms | {:.2} |", theirs * 1e3, theirs * 1e3 / ours);
    };
    let records = Multipart::new(file("records"), vec![]);
    let ours = best(15, || {
        let (time, map) = timed(|| Decode::<HashMap<String, Record>>::decode(&codec, records.clone()).unwrap());
        let record = &map["key 99999"];
        assert_eq!(
            (map.len(), record.id, record.name.as_str(), record.price, record.live),
            (100_000, 99_999, "name 99999", 24_999.75, true)
        );
        time
    });
    row("dict of 100 000 records, into structs", theirs["records"], ours);
    let (list, floats) = (Multipart::new(file("list"), vec![]), Multipart::new(file("floats"), vec![]));
    let ours = best(15, || timed(|| Decode::<Vec<Record>>::decode(&codec, list.clone()).unwrap()).0);
    row("list of 100 000 records, into structs", theirs["list"], ours);
    let ours = best(15, || timed(|| Decode::<Vec<f64>>::decode(&codec, floats.clone()).unwrap()).0);
    row("list of 1 000 000 floats", theirs["floats"], ours);

    let frames: Vec<_> = (0..64).map(|index| Buffer::from(file(&format!("array{index}")))).collect();
    let arrays = Multipart::new(file("arrays"), frames);
    let ours = best(200, || {
        let (time, arrays) = timed(|| Decode::<Vec<Array>>::decode(&codec, arrays.clone()).unwrap());
        assert_eq!((arrays.len(), arrays[63].shape()), (64, &[128, 1024][..]));
        time
    });
    row("64 arrays of 1 MiB, out of band", theirs["arrays"], ours);
    let bare = best(200, || timed(|| arrays.clone().into_parts()).0);
    println!("\nthe same 64 frames without decoding: {:.3} ms", bare.as_secs_f64() * 1e3);

    println!("\n| value | pickle.dumps | Pickle | times as fast |");
    println!("|---|---:|---:|---:|");
    let encoded = |message: Multipart, at_least: usize| assert!(message.metadata().len() >= at_least);
    let records: HashMap<String, Record> = codec.decode(records).unwrap();
    let ours = best(15, || {
        let (time, message) = timed(|| codec.encode(&records).unwrap());
        encoded(message, 4_000_000);
        time
    });
    row("dict of 100 000 structs", theirs["dump records"], ours);
    let list: Vec<Record> = codec.decode(list).unwrap();
    let ours = best(15, || {
        let (time, message) = timed(|| codec.encode(&list).unwrap());
        encoded(message, 3_000_000);
        time
    });
    row("list of 100 000 structs", theirs["dump list"], ours);
    let floats: Vec<f64> = codec.decode(floats).unwrap();
    let ours = best(15, || {
        let (time, message) = timed(|| codec.encode(&floats).unwrap());
        encoded(message, 9_000_000);
        time
    });
    row("list of 1 000 000 floats", theirs["dump floats"], ours);
    let arrays: Vec<Array> = codec.decode(arrays).unwrap();
    let ours = best(200, || {
        let (time, message) = timed(|| codec.encode(&arrays).unwrap());
        assert_eq!(message.buffers().len(), 64);
        time
    });
    row("64 arrays of 1 MiB, out of band", theirs["dump arrays"], ours);
    fs::remove_dir_all(folder).unwrap();
}
