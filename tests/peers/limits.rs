//! The same messages and objects within the same limits, in Rust and in Python: both read or send them, or both refuse them for the
//! same reason.

#![cfg(all(feature = "arrow", feature = "lz4", feature = "zlib", feature = "zstd"))]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;

use arrow_array::{Float64Array, RecordBatch, StringArray};
use outband::{
    Array, Buffer, Compression, Decode, Encode, Error, ErrorKind, Limits, MsgPack, Multipart, SocketExt, Table, Value,
};
use serde::Serialize;

use crate::python;

#[derive(Clone, Serialize)]
struct Case {
    #[serde(skip)]
    name: &'static str,
    way: Way,
    /// In the order of [`wide`].
    limits: [u64; 5],
    frames: Vec<Buffer>,
}

/// What is done with the frames.
#[derive(Clone, Copy, PartialEq, Serialize)]
enum Way {
    Read,
    /// What they hold is sent, with this compression.
    Send(Option<&'static str>),
    /// An extension value of our own type is sent, which no frames hold.
    SendReserved,
}

/// Frames, bytes of metadata, bytes in all, depth, bytes decompressed.
fn wide() -> [u64; 5] {
    [10, 1 << 20, 1 << 24, 64, 1 << 24]
}

fn case(name: &'static str, limits: [u64; 5], message: Multipart) -> Case {
    let (metadata, buffers) = message.into_parts();
    Case { name, way: Way::Read, limits, frames: [vec![Buffer::from(metadata)], buffers].concat() }
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

fn encode<T: Serialize>(value: &T) -> Multipart {
    MsgPack::new().encode(value).unwrap()
}

/// A column that is a frame, one of texts, and one in the metadata.
fn table() -> Table {
    let batch = RecordBatch::try_from_iter([
        ("volts", Arc::new(Float64Array::from(vec![0.5; 2000])) as _),
        ("texts", Arc::new(StringArray::from_iter_values((0..2000).map(|row| format!("row {row}")))) as _),
        ("nulls", Arc::new(Float64Array::from_iter((0..2000).map(|row| (row % 3 > 0).then_some(1.5)))) as _),
    ]);
    Table::from(batch.unwrap())
}

const COMPRESSIONS: [&str; 3] = ["zlib", "lz4", "zstd"];

fn compression(name: &str) -> Compression {
    match name {
        "zlib" => Compression::zlib(),
        "lz4" => Compression::lz4(),
        _ => Compression::zstd(),
    }
}

/// A message of one compressed buffer, whatever is in it.
fn compressed(encoding: &str, stored: &[u8], raw_len: u16) -> Multipart {
    let number = |number: u16| [&[0xCD][..], &number.to_be_bytes()].concat();
    let (stored_len, raw_len) = (number(stored.len() as u16), number(raw_len));
    let name = [&[0xA0 | encoding.len() as u8][..], encoding.as_bytes()].concat();
    let reference = [&[0x95, 0x00][..], &stored_len, &[0xC0], &name, &raw_len].concat();
    let metadata = [&[0xC7, reference.len() as u8, 0x42][..], &reference].concat();
    Multipart::new(metadata, vec![Buffer::copy_from_slice(stored)])
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
    cases.extend(of_compressions(&buffers(3)));
    cases.extend(of_tables());
    cases.extend(sent(&buffers(3)));
    cases
}

fn of_compressions(buffers: &[Buffer]) -> Vec<Case> {
    let mut cases = Vec::new();
    for name in COMPRESSIONS {
        let codec = MsgPack::new().compression(compression(name));
        let three = codec.encode(&buffers).unwrap();
        cases.extend(around(name, 4, 30_000, &three));
        cases.push(case(name, wide(), three.clone()));
        let stored = &three.buffers()[0];
        for (stored, raw_len) in [
            (&stored[..], 10_000),
            (&stored[..], 9_999),
            (&stored[..], 10_001),
            (&stored[..stored.len() - 1], 10_000),
            (&[stored, &[0][..]].concat(), 10_000),
            (&[7; 1000], 10_000),
            (&[], 10_000),
        ] {
            cases.push(case(name, wide(), compressed(name, stored, raw_len)));
        }
    }
    cases
}

fn of_tables() -> Vec<Case> {
    let table = encode(&table());
    let (metadata, frames) = table.clone().into_parts();
    let mut cases = around("frames of a table", 0, frames.len() as u64, &table).to_vec();
    cases.extend(around("bytes of a table", 2, table.total_len() as u64, &table));
    let array = encode(&[Array::from_vec(vec![1.0_f64; 2000])]);
    let both = encode(&([[self::table()]], [Array::from_vec(vec![1_u8; 20])]));
    for depth in 0..12 {
        for (name, message) in [("depth of a table", &table), ("depth of an array", &array), ("depth of both", &both)] {
            let mut limits = wide();
            limits[3] = depth;
            cases.push(case(name, limits, message.clone()));
        }
    }
    let with = |frames: &[Buffer]| Multipart::new(metadata.clone(), frames.to_vec());
    let rows = [&b"\xA4rows"[..], &[0xCD, 0x07, 0xD0]].concat();
    for (name, message) in [
        ("a table", table.clone()),
        ("a table of which a frame is missing", with(&frames[1..])),
        ("a table with a frame too many", with(&[&frames[..], &frames[..1]].concat())),
        ("a table with a frame cut", with(&[&[frames[0].slice(8..)][..], &frames[1..]].concat())),
        ("a table of fewer rows", renamed(&table, &rows, &[&b"\xA4rows"[..], &[0xCD, 0x07, 0xCF]].concat())),
        ("a table of no columns", renamed(&table, b"\xA7columns", b"\xA7colunms")),
        ("a table of another schema", renamed(&table, b"volts", b"v\xFFlts")),
    ] {
        cases.push(case(name, wide(), message));
    }
    cases
}

/// What is sent, or refused.
fn sent(buffers: &[Buffer]) -> Vec<Case> {
    let three = encode(&buffers);
    let text = encode(&"text".repeat(1000));
    let array = encode(&[Array::from_vec(vec![1.0_f64; 2000])]);
    let table = encode(&[table()]);
    let mut cases = Vec::new();
    cases.extend(around("frames", 0, 3, &three));
    cases.extend(around("frames of a table", 0, table.buffers().len() as u64, &table));
    cases.extend(around("metadata_bytes", 1, text.total_len() as u64, &text));
    cases.extend(around("metadata_bytes of an array", 1, array.metadata().len() as u64, &array));
    cases.extend(around("total_bytes", 2, three.total_len() as u64, &three));
    cases.extend(around("total_bytes of an array", 2, array.total_len() as u64, &array));
    cases.extend(around("depth of lists", 3, 20, &nested(20, &[0x91])));
    cases.extend(around("depth of maps", 3, 20, &nested(20, &[0x81, 0xA1, b'k'])));
    for depth in 0..12 {
        for (name, message) in [("depth of an array", &array), ("depth of a table", &table)] {
            let mut limits = wide();
            limits[3] = depth;
            cases.push(case(name, limits, message.clone()));
        }
    }
    cases.iter_mut().for_each(|case| case.way = Way::Send(None));
    for name in COMPRESSIONS {
        let around = around("decompressed_bytes", 4, 30_000, &three);
        cases.extend(around.map(|case| Case { way: Way::Send(Some(name)), ..case }));
    }
    let name = "an extension value of a reference's type";
    cases.push(Case { name, way: Way::SendReserved, limits: wide(), frames: vec![] });
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
    let read = |codec: &MsgPack| -> Result<Value, Error> {
        codec.decode(Multipart::new(case.frames[0].to_vec(), case.frames[1..].to_vec()))
    };
    let done = match case.way {
        Way::Read => read(&codec).map(drop),
        Way::Send(name) => {
            let codec = name.map(compression).into_iter().fold(codec, MsgPack::compression);
            codec.encode(&read(&MsgPack::new()).unwrap()).map(drop)
        }
        Way::SendReserved => codec.encode(&Value::Ext(0x42, "x".into())).map(drop),
    };
    match done {
        Ok(()) => ("done", String::new()),
        Err(error) => {
            let kind = match error.kind() {
                ErrorKind::Limits => "limit",
                ErrorKind::Peer => "peer",
                ErrorKind::Caller => "caller",
                kind => panic!("{kind:?}: {error}"),
            };
            (kind, error.to_string())
        }
    }
}

#[test]
fn both_languages_read_send_or_refuse_the_same() {
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
    // each way has all of its outcomes
    let outcomes = |of: fn(&Way) -> bool| -> BTreeSet<&str> {
        cases.iter().zip(&told).filter(|(case, _)| of(&case.way)).map(|(_, (kind, _))| kind.as_str()).collect()
    };
    assert_eq!(outcomes(|way| *way == Way::Read), BTreeSet::from(["done", "limit", "peer"]));
    assert_eq!(outcomes(|way| *way != Way::Read), BTreeSet::from(["caller", "done", "limit"]));
}
