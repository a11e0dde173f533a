//! Pickles beside CPython: `cargo bench --bench pickle`.
//!
//! 1. Many small values, decoded into typed values here and by `pickle.loads` there, in turn, and encoded by either; and once more at the
//!    end, when this process keeps freed pages. Beside them what filling such a type takes when there is nothing to decode, and what
//!    `pickle.loads` takes with Python's collector on.
//! 2. 64 NumPy arrays of 1 MiB out of band: decoded and encoded, and the same over TCP beside moving the same frames as they are.
//! 3. One array of 64 B to 64 MiB from process to process over TCP: the fastest ways of Python and ours, in turn.
//!
//! `PYTHON` names a Python with NumPy and pyzmq; without it that of the tests is taken. Python runs `tests/python/pickle_bench.py`, which
//! is told what to do and prints how long it took, and `tests/python/pickle_peer.py`. With `-- integers`, `-- records`, `-- lists`, `-- arrays` or
//! `-- peers` it runs that part alone; the first three with `kept` as well, `-- records kept`, with freed pages kept from the beginning.
//!
//! `valgrind --tool=callgrind target/release/deps/pickle-... alone records 10` counts the instructions of decoding dicts of records so often;
//! also of `values`, `list` and `floats`, and of `roomy-records` and `borrowed-records`.

#![allow(clippy::unwrap_used, reason = "a bench that fails stops")]

mod frames;
mod peers;
mod records;
#[path = "../rig/mod.rs"]
mod rig;

use std::cell::RefCell;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;

use outband::{Array, Buffer, Decode, Encode, Multipart, Pickle, memory};

fn main() {
    peers::receive_if_child();
    let parts: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let (kept, parts): (Vec<_>, Vec<_>) = parts.into_iter().partition(|word| word == "kept");
    let wants = |part: &str| parts.is_empty() || parts.iter().any(|word| word == part);
    let wants_small = ["integers", "records", "lists"].into_iter().any(wants);
    let python = python();
    if let [alone, name, count] = &parts[..]
        && alone == "alone"
    {
        return records::alone(&Written::by(&python), name, count.parse().unwrap());
    }
    let written = (wants_small || wants("arrays")).then(|| Written::by(&python));
    if let Some(written) = written.as_ref().filter(|_| wants_small && kept.is_empty()) {
        records::table(written, wants);
    }
    if let Some(written) = written.as_ref().filter(|_| wants("arrays")) {
        arrays(written);
    }
    if wants("peers") {
        peers::table(&python);
    }
    // last, since it holds for the rest of the process
    if let Some(written) = written.filter(|_| wants_small && (parts.is_empty() || !kept.is_empty())) {
        assert_eq!(memory::keep_freed_pages(), memory::Tuning::Applied);
        println!("after `memory::keep_freed_pages()`:\n");
        records::table(&written, wants);
    }
}

fn python() -> PathBuf {
    let venv = || Path::new(env!("CARGO_TARGET_TMPDIR")).join("python/bin/python");
    env::var_os("PYTHON").map_or_else(venv, PathBuf::from)
}

/// What Python wrote, and the process that wrote it.
struct Written {
    folder: tempfile::TempDir,
    python: RefCell<(Child, BufReader<ChildStdout>)>,
}

impl Written {
    fn by(python: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/pickle_bench.py");
        let mut command = Command::new(python);
        command.arg("-B").arg(script).arg(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("{python:?}: {error}; PYTHON names one with NumPy"));
        let output = BufReader::new(child.stdout.take().unwrap());
        let written = Self { folder, python: RefCell::new((child, output)) };
        assert_eq!(written.line(), "written");
        written
    }

    fn line(&self) -> String {
        let mut line = String::new();
        self.python.borrow_mut().1.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    /// The seconds that Python takes for something, once.
    fn seconds(&self, does: &str) -> f64 {
        writeln!(self.python.borrow_mut().0.stdin.as_mut().unwrap(), "{does}").unwrap();
        self.line().parse().unwrap()
    }

    fn file(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder.path().join(name)).unwrap()
    }

    fn message(&self, name: &str) -> Multipart {
        Multipart::new(self.file(name), vec![])
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let python = self.python.get_mut();
        drop(python.0.stdin.take());
        assert!(python.0.wait().unwrap().success());
    }
}

/// The seconds of one run, the result's drop not included.
fn once<R>(run: impl FnOnce() -> R) -> f64 {
    let start = Instant::now();
    let result = run();
    (start.elapsed(), result).0.as_secs_f64()
}

/// The best times of Python and of ours, who take turns: a few runs each, so that neither always finds what the other left in
/// the caches.
fn in_turn<R>(turns: usize, written: &Written, does: &str, mut run: impl FnMut() -> R) -> [f64; 2] {
    let mut best = [f64::INFINITY; 2];
    for _ in 0..turns {
        for _ in 0..3 {
            best[0] = best[0].min(written.seconds(does));
        }
        for _ in 0..3 {
            best[1] = best[1].min(once(&mut run));
        }
    }
    best
}

/// 64 arrays of 1 MiB: what decoding them takes, alone and as a part of receiving them.
fn arrays(written: &Written) {
    let frames = (0..64).map(|index| Buffer::from(written.file(&format!("array{index}")))).collect();
    let message = Multipart::new(written.file("arrays"), frames);
    let codec = Pickle::new();
    let decode = || Decode::<Vec<Array>>::decode(&codec, message.clone()).unwrap();
    let [theirs, ours] = in_turn(100, written, "loads arrays", decode).map(|seconds| seconds * 1e6);
    println!("| 64 arrays of 1 MiB out of band | pickle | Pickle | times as fast |");
    println!("|---|---:|---:|---:|");
    println!("| decode | {theirs:.1} µs | {ours:.1} µs | {:.2} |", theirs / ours);
    let arrays: Vec<Array> = codec.decode(message.clone()).unwrap();
    let encode = || codec.encode(&arrays).unwrap();
    let [theirs, ours] = in_turn(100, written, "dumps arrays", encode).map(|seconds| seconds * 1e6);
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
