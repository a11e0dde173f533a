//! Pickles beside CPython: `cargo bench --bench pickle`.
//!
//! 1. Many small values, decoded into typed values here and by `pickle.loads` there, and encoded by either; and once more at the end,
//!    when this process keeps freed pages.
//! 2. 64 NumPy arrays of 1 MiB out of band: decoded and encoded, and the same over TCP beside moving the same frames as they are.
//! 3. One array of 64 B to 64 MiB from process to process over TCP: the fastest ways of Python and ours, in turn.
//!
//! `PYTHON` names a Python with NumPy and pyzmq; without it that of the tests is taken. Python runs `tests/python/pickle_bench.py`, which
//! prints its own best times, and `tests/python/pickle_peer.py`. With `-- records`, `-- arrays` or `-- peers` it runs that part alone.

#![allow(clippy::unwrap_used, reason = "a bench that fails stops")]

mod frames;
mod peers;
mod records;
#[path = "../rig/mod.rs"]
mod rig;

use std::collections::HashMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use outband::{Array, Buffer, Decode, Encode, Multipart, Pickle, memory};

fn main() {
    peers::receive_if_child();
    let parts: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wants = |part: &str| parts.is_empty() || parts.iter().any(|word| word == part);
    let python = python();
    let written = (wants("records") || wants("arrays")).then(|| Written::by(&python));
    if let Some(written) = written.as_ref().filter(|_| wants("records")) {
        records::table(written);
    }
    if let Some(written) = written.as_ref().filter(|_| wants("arrays")) {
        arrays(written);
    }
    if wants("peers") {
        peers::table(&python);
    }
    // last, since it holds for the rest of the process
    if let Some(written) = written.filter(|_| wants("records")) {
        assert_eq!(memory::keep_freed_pages(), memory::Tuning::Applied);
        println!("the same after `memory::keep_freed_pages()`:\n");
        records::table(&written);
    }
}

fn python() -> PathBuf {
    let venv = || Path::new(env!("CARGO_TARGET_TMPDIR")).join("python/bin/python");
    env::var_os("PYTHON").map_or_else(venv, PathBuf::from)
}

/// What Python wrote, and how long it takes for it.
struct Written {
    folder: tempfile::TempDir,
    seconds: HashMap<String, f64>,
}

impl Written {
    fn by(python: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/pickle_bench.py");
        let output = Command::new(python).arg("-B").arg(script).arg(folder.path()).output();
        let output = output.unwrap_or_else(|error| panic!("{python:?}: {error}; PYTHON names one with NumPy"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let printed = String::from_utf8(output.stdout).unwrap();
        let seconds = printed.lines().filter_map(|line| line.rsplit_once(' '));
        Self { folder, seconds: seconds.map(|(name, time)| (name.to_owned(), time.parse().unwrap())).collect() }
    }

    fn file(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder.path().join(name)).unwrap()
    }
}

/// The best time of many, the results' drop not included.
fn best<R>(rounds: usize, mut run: impl FnMut() -> R) -> f64 {
    let once = || {
        let start = Instant::now();
        let result = run();
        (start.elapsed(), result).0.as_secs_f64()
    };
    std::iter::repeat_with(once).take(rounds).min_by(f64::total_cmp).unwrap()
}

/// 64 arrays of 1 MiB: what decoding them takes, alone and as a part of receiving them.
fn arrays(written: &Written) {
    let frames = (0..64).map(|index| Buffer::from(written.file(&format!("array{index}")))).collect();
    let message = Multipart::new(written.file("arrays"), frames);
    let codec = Pickle::new();
    let theirs = written.seconds["loads arrays"] * 1e6;
    let ours = best(300, || Decode::<Vec<Array>>::decode(&codec, message.clone()).unwrap()) * 1e6;
    println!("| 64 arrays of 1 MiB out of band | pickle | Pickle | times as fast |");
    println!("|---|---:|---:|---:|");
    println!("| decode | {theirs:.1} µs | {ours:.1} µs | {:.2} |", theirs / ours);
    let arrays: Vec<Array> = codec.decode(message.clone()).unwrap();
    let theirs = written.seconds["dumps arrays"] * 1e6;
    let ours = best(300, || codec.encode(&arrays).unwrap()) * 1e6;
    println!("| encode | {theirs:.1} µs | {ours:.1} µs | {:.2} |", theirs / ours);
    println!();
    println!(
        "| 64 arrays of 1 MiB over TCP, threads | the frames | the arrays, by Pickle | of the time of the frames |"
    );
    println!("|---|---:|---:|---:|");
    for (what, [frames, arrays, ratio]) in [
        ("received and decoded", frames::received(&message, 61)),
        ("encoded and sent", frames::sent(&arrays, &codec.encode(&arrays).unwrap(), 61)),
    ] {
        println!("| {what} | {:.2} ms | {:.2} ms | {ratio:.3} |", frames * 1e3, arrays * 1e3);
    }
    println!();
}
