//! The golden pickles: those of `make_pickles.py`, and those of every type that `pickled.py` kept.

#![allow(dead_code, reason = "each test uses a part")]

use std::fs;
use std::path::{Path, PathBuf};

use outband::{Buffer, Decode, MsgPack, Multipart, Order, Pickle, Value};
use serde::Deserialize;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pickle")
}

/// The classes in the golden pickles.
pub(crate) const CLASSES: [&str; 11] =
    ["Order", "Slotted", "Frozen", "Color", "Level", "Point", "Stack", "Table", "Outer.Inner", "Woken", "Empty"];

pub(crate) fn allowing() -> Pickle {
    CLASSES.iter().fold(Pickle::new(), |codec, class| codec.allow(format!("__main__.{class}")))
}

/// A value as serde shows it, which has no word for what an object is in Python: serde keeps it for a while on the way.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Shown {
    Value(Value),
}

pub(crate) fn shown(codec: &Pickle, message: Multipart) -> outband::Result<Value> {
    let Shown::Value(value) = codec.decode(message)?;
    Ok(value)
}

/// The same with its array in C order, whose axes lie as these: such arrays were put in order when the golden ones were kept.
pub(crate) fn in_c_order(shown: &Value, axes: &[usize]) -> Value {
    let Some(Value::Array(array)) = shown.get("value") else { panic!("{shown} holds no array") };
    assert_eq!(array.axes(), axes);
    let entries = vec![("value".into(), Value::from(array.to_order(Order::C).unwrap()))];
    Value::from(entries)
}

/// A pickle of a type: its name, the message, and what it decodes to.
pub(crate) struct Golden {
    pub(crate) name: String,
    pub(crate) message: Multipart,
    pub(crate) expected: Value,
    /// The same as the message in which it was kept.
    pub(crate) written: Multipart,
}

fn number(rest: &mut &[u8]) -> usize {
    let (number, after) = rest.split_first_chunk().unwrap();
    *rest = after;
    u32::from_le_bytes(*number) as usize
}

fn part(rest: &mut &[u8]) -> Vec<u8> {
    let len = number(rest);
    let (part, after) = rest.split_at(len);
    *rest = after;
    part.to_vec()
}

/// One of each type, in some of the protocols and out of band.
pub(crate) fn of_types() -> Vec<Golden> {
    of_file(&folder().join("types.bin"))
}

/// The golden file of this name, as `pickled.py` and `program.py` keep it.
pub(crate) fn of_golden(name: &str) -> Vec<Golden> {
    of_file(&folder().join(name))
}

pub(crate) fn of_file(path: &Path) -> Vec<Golden> {
    let kept = fs::read(path).unwrap();
    let (mut rest, mut golden) = (&kept[..], Vec::new());
    while !rest.is_empty() {
        let buffers = number(&mut rest) - 3;
        let (name, expected, data) = (part(&mut rest), part(&mut rest), part(&mut rest));
        let buffers = (0..buffers).map(|_| Buffer::from(part(&mut rest))).collect();
        let written = Multipart::new(expected, vec![]);
        golden.push(Golden {
            name: String::from_utf8(name).unwrap(),
            message: Multipart::new(data, buffers),
            expected: MsgPack::new().decode(written.clone()).unwrap(),
            written,
        });
    }
    golden
}

/// Those of the machine: name and message.
pub(crate) fn of_opcodes() -> Vec<(String, Multipart)> {
    let index = fs::read_to_string(folder().join("index.txt")).unwrap();
    let line = |line: &str| {
        let mut parts = line.split(' ');
        let (name, buffers) = (parts.next().unwrap(), parts.next().unwrap().parse().unwrap());
        let data = fs::read(folder().join(format!("{name}.pickle"))).unwrap();
        let buffers = [&b"one"[..], b"two"].map(|bytes| Buffer::from(bytes.to_vec())).into_iter().take(buffers);
        (name.to_owned(), Multipart::new(data, buffers.collect()))
    };
    index.lines().map(line).collect()
}

/// Small random values in every protocol.
pub(crate) fn random() -> Vec<Multipart> {
    let kept = fs::read(folder().join("random.bin")).unwrap();
    let (mut rest, mut pickles) = (&kept[..], Vec::new());
    while !rest.is_empty() {
        let (data, text) = (number(&mut rest), number(&mut rest));
        let (data, after) = rest.split_at(data);
        pickles.push(Multipart::new(data.to_vec(), vec![]));
        rest = &after[text..];
    }
    pickles
}
