//! Frames as pickles: nothing is run, nothing takes more than the limits say, and what is read is written as the same objects.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use outband::Encode;
use outband::{Array, Buffer, Decode, Limits, MsgPack, Multipart, Pickle, Value};
use outband_fuzz::check::{alike, comes_back, decoded, refused};
use outband_fuzz::input;
use outband_fuzz::shapes::{Adjacent, Fields, Flat, Image, Untagged};
use outband_fuzz::value;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a pickle may have, also written out.
const LIMIT: usize = 64 << 10;

/// What decoding may take: 40 bytes for each of the values that are within the limit, as much again while a list grows, and copies.
const MOST: usize = 128 * LIMIT + TOTAL;

/// What all of its frames may have, and what is copied out of them.
const TOTAL: usize = 1 << 20;

const CLASSES: [&str; 11] =
    ["Order", "Slotted", "Frozen", "Color", "Level", "Point", "Stack", "Table", "Outer.Inner", "Woken", "Empty"];

fuzz_target!(|data: &[u8]| {
    let (flags, rest) = input::flags(data);
    let frames = input::parts(rest, input::FRAME);
    let buffers = frames[1..].iter().map(|frame| Buffer::copy_from_slice(frame)).collect();
    let message = Multipart::new(frames[0].to_vec(), buffers);
    let codec = if flags & 1 == 0 { named(Pickle::allow) } else { named(Pickle::allow_enum) };
    let codec = codec.limits(limits());
    if let Some(value) = decoded::<Value, _>(&codec, &message, MOST) {
        holds(&codec, &value);
        if message.buffers().is_empty() {
            ways_agree(&codec, &message, &value);
        }
    }
    if message.buffers().is_empty() {
        alike([codec.decode(message.clone()), Decode::<Value>::decode_frame(&codec, message.metadata())]);
    }
    let _ = codec.decode_ref::<BTreeMap<&str, &[u8]>>(&message).map_err(|error| refused(&error));
    TARGETS[usize::from(flags >> 1) % TARGETS.len()](&codec, &message);
});

fn limits() -> Limits {
    Limits::new().metadata_bytes(LIMIT).total_bytes(TOTAL as u64)
}

fn named(allow: fn(Pickle, String) -> Pickle) -> Pickle {
    CLASSES.iter().fold(Pickle::new(), |codec, class| allow(codec, format!("__main__.{class}")))
}

fn holds(codec: &Pickle, value: &Value) {
    value::prints(value);
    for codec in [codec.clone().limits(value::wide()), codec.clone().limits(value::wide()).in_band()] {
        if codec.encode(value).is_ok() {
            let back = comes_back(&codec, value);
            assert!(!value::is_itself(value) || back == *value, "{value}\nis not\n{back}");
        }
    }
    let codec = MsgPack::new().limits(limits());
    if codec.encode(value).is_ok() {
        comes_back(&codec, value);
    }
}

/// Behind a global, which is dropped, nothing is read straight from the opcodes.
fn ways_agree(codec: &Pickle, message: &Multipart, value: &Value) {
    let data = [&b"cbuiltins\nset\n0"[..], message.metadata()].concat();
    let wide = codec.clone().limits(value::wide());
    let Ok(other): outband::Result<Value> = wide.decode(Multipart::new(data, vec![])) else { return };
    assert_eq!(other.to_string(), value.to_string());
    assert!(!value::is_itself(value) || other == *value, "{value}\nis not\n{other}");
}

fn owned<T: DeserializeOwned + Serialize>(codec: &Pickle, message: &Multipart) {
    if let Some(value) = decoded::<T, _>(codec, message, MOST) {
        let codec = codec.clone().limits(value::wide());
        if codec.encode(&value).is_ok() {
            comes_back(&codec, &value);
        }
    }
}

const TARGETS: &[fn(&Pickle, &Multipart)] = &[
    owned::<Vec<(i64, String)>>,
    owned::<BTreeMap<String, Value>>,
    owned::<Array>,
    #[cfg(feature = "arrow")]
    owned::<outband::Table>,
    owned::<Vec<Option<Buffer>>>,
    owned::<Image>,
    owned::<Untagged>,
    owned::<Flat>,
    owned::<Fields>,
    owned::<Vec<Adjacent>>,
    owned::<Vec<(u128, i128, f64, char)>>,
    owned::<serde_json::Value>,
];
