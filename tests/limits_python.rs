//! The same messages within the same limits, in Rust and in Python: both read them, or both refuse them for the same reason.

#![cfg(feature = "zlib")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;
use std::thread;

use outband::{Array, Buffer, Compression, Decode, Encode, ErrorKind, Limits, MsgPack, Multipart, SocketExt, Value};
use serde::Serialize;

#[path = "support/python.rs"]
mod python;

#[derive(Serialize)]
struct Case {
    #[serde(skip)]
    name: &'static str,
    /// In the order of [`wide`].
    limits: [u64; 5],
    frames: Vec<Buffer>,
}

/// Frames, bytes of metadata, bytes in all, depth, bytes decompressed.
fn wide() -> [u64; 5] {
    [10, 1 << 20, 1 << 24, 64, 1 << 24]
}

fn case(name: &'static str, limits: [u64; 5], message: Multipart) -> Case {
    let (metadata, buffers) = message.into_parts();
    Case { name, limits, frames: [vec![Buffer::from(metadata)], buffers].concat() }
}

/// Right at a limit, and one beyond.
fn around(name: &'static str, field: usize, at: u64, message: &Multipart) -> [Case; 2] {
    [0, 1].map(|beyond| {
        let mut limits = wide();
        limits[field] = at - beyond;
        case(name, limits, message.clone())
    })
}

fn nested(depth: usize, open: &[u8]) -> Multipart {
    Multipart::new([open.repeat(depth), vec![0xC0]].concat(), vec![])
}

fn cases() -> Vec<Case> {
    let buffers = |count: u8| -> Vec<Buffer> { (0..count).map(|byte| Buffer::from_vec(vec![byte; 10_000])).collect() };
    let three = MsgPack::new().encode(&buffers(3)).unwrap();
    let packed = MsgPack::new().compression(Compression::zlib()).encode(&buffers(3)).unwrap();
    let (metadata, frames) = three.clone().into_parts();
    let array = MsgPack::new().encode(&Array::from_vec(vec![1.0_f64; 2000])).unwrap();
    let with = |metadata: &[u8], frames: &[Buffer]| Multipart::new(metadata.to_vec(), frames.to_vec());
    let mut cases = Vec::new();
    cases.extend(around("frames", 0, 3, &three));
    cases.extend(around("metadata_bytes", 1, metadata.len() as u64, &three));
    cases.extend(around("total_bytes", 2, three.total_len() as u64, &three));
    cases.extend(around("depth of lists", 3, 20, &nested(20, &[0x91])));
    cases.extend(around("depth of maps", 3, 20, &nested(20, &[0x81, 0xA1, b'k'])));
    cases.extend(around("decompressed_bytes", 4, 30_000, &packed));
    let mut too_wide = wide();
    too_wide[3] = 1000;
    cases.push(case("as deep as may be", too_wide, nested(128, &[0x91])));
    cases.push(case("deeper than may be", too_wide, nested(129, &[0x91])));
    for (name, message) in [
        ("three", three.clone()),
        ("packed", packed.clone()),
        ("array", array.clone()),
        ("no metadata", with(b"", &[])),
        ("no metadata, and frames", with(b"", &frames)),
        ("a frame is missing", with(&metadata, &frames[..2])),
        ("a frame too many", with(&metadata, &buffers(4))),
        ("frames swapped", with(&metadata, &[frames[1].clone(), frames[0].clone(), frames[2].clone()])),
        ("a frame cut", with(&metadata, &[frames[0].slice(1..), frames[1].clone(), frames[2].clone()])),
        ("bytes after the value", with(&[&metadata[..], &[0xC0]].concat(), &frames)),
        ("metadata cut", with(&metadata[..metadata.len() - 1], &frames)),
        ("a list without an end", with(&[0xDD, 0xFF, 0xFF, 0xFF, 0xFF], &[])),
        ("a map without an end", with(&[0xDF, 0xFF, 0xFF, 0xFF, 0xFF], &[])),
        ("a text without an end", with(&[0xDB, 0xFF, 0xFF, 0xFF, 0xFF], &[])),
        ("bytes without an end", with(&[0xC6, 0xFF, 0xFF, 0xFF, 0xFF], &[])),
        ("a byte that is never used", with(&[0xC1], &[])),
        ("a reference to nothing", with(&[0xD4, 0x42, 0xC0], &[])),
        ("a reference without an end", with(&[0xD4, 0x42, 0x92], &[])),
        ("a reference to a frame below 0", with(&[0xD6, 0x42, 0x93, 0xFF, 0x00, 0xC0], &[])),
        ("an unknown encoding", renamed(&packed, b"zlib", b"zlix")),
        ("a frame that does not decompress", with(&packed.metadata()[..], &buffers(3))),
        ("an array of no type", renamed(&array, b"<f8", b"<q8")),
        ("an array of too much data", renamed(&array, b"<f8", b"<f4")),
        ("an order that is none", renamed(&array, b"\xA1C", b"\xA1X")),
        ("a deep value", nested(1 << 19, &[0x91])),
    ] {
        cases.push(case(name, wide(), message));
    }
    cases
}

/// With other bytes in the metadata.
fn renamed(message: &Multipart, from: &[u8], to: &[u8]) -> Multipart {
    let (metadata, buffers) = message.clone().into_parts();
    let at = metadata.windows(from.len()).position(|window| window == from).unwrap();
    Multipart::new([&metadata[..at], to, &metadata[at + from.len()..]].concat(), buffers)
}

fn outcome(case: &Case) -> (&'static str, String) {
    let [frames, metadata, total, depth, decompressed] = case.limits;
    let limits = Limits::new().frames(frames as usize).metadata_bytes(metadata as usize).total_bytes(total);
    let codec = MsgPack::new().limits(limits.depth(depth as usize).decompressed_bytes(decompressed));
    let message = Multipart::new(case.frames[0].to_vec(), case.frames[1..].to_vec());
    match Decode::<Value>::decode(&codec, message) {
        Ok(_) => ("read", String::new()),
        Err(error) if error.kind() == ErrorKind::Limits => ("limit", error.to_string()),
        Err(error) => ("peer", error.to_string()),
    }
}

#[test]
fn both_languages_read_or_refuse_the_same() {
    let cases = cases();
    let context = zmq::Context::new();
    let socket = context.socket(zmq::PAIR).unwrap();
    socket.set_linger(0).unwrap();
    socket.set_rcvtimeo(60_000).unwrap();
    socket.bind("tcp://127.0.0.1:*").unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(python::python());
    command.arg("-B").arg(root.join("tests/python/limits.py")).arg(socket.get_last_endpoint().unwrap().unwrap());
    command.env("PYTHONPATH", root.join("python"));
    let script = thread::spawn(move || python::run(&mut command));
    socket.send_obj(&cases).unwrap();
    let told: Vec<(String, String)> = socket.recv_obj().unwrap();
    script.join().unwrap();
    assert_eq!(told.len(), cases.len());
    let mut wrong = Vec::new();
    for (index, (case, (kind, text))) in cases.iter().zip(&told).enumerate() {
        let (expected, said) = outcome(case);
        // of a limit both say the name and the number
        let is_same = expected != "limit" || text.split("limit of ").nth(1) == said.split("limit of ").nth(1);
        if kind != expected || !is_same {
            wrong.push(format!("{index}, {}: Rust {expected} {said:?}, Python {kind} {text:?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
