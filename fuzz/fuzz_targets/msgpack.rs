//! Frames as messages of the default codec, into a `Value` and into types of one's own.

#![no_main]

use std::collections::BTreeMap;
use std::fmt::Debug;

use libfuzzer_sys::fuzz_target;
use outband::{Array, Buffer, Decode, Limits, MsgPack, Multipart, Value};
use outband_fuzz::check::{alike, comes_back, decoded, refused};
use outband_fuzz::shapes::{Adjacent, Borrowed, Chain, Fields, Flat, Image, Internal, Shape, Untagged};
use outband_fuzz::{input, value};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_bytes::ByteBuf;

fuzz_target!(|data: &[u8]| {
    let (flags, message) = input::message(data);
    if let Some(value) = decoded::<Value, _>(&codec(), &message, most(&message)) {
        value::holds(&value);
        let again = comes_back(&MsgPack::new().limits(value::wide()), &value);
        assert_eq!(again.to_string(), value.to_string());
        assert!(!value::is_itself(&value) || again == value, "{value} is not {again}");
    }
    ways::<Value>(&message);
    let _ = codec().peek::<Value>(&message).map_err(|error| refused(&error));
    TARGETS[usize::from(flags >> 1) % TARGETS.len()](&message);
});

fn limits() -> Limits {
    Limits::new().metadata_bytes(1 << 20).total_bytes(8 << 20).decompressed_bytes(8 << 20).frames(1000)
}

fn codec() -> MsgPack {
    MsgPack::new().limits(limits())
}

/// Up to 160 bytes for each byte of metadata while it is decoded, as `Value` says, and a copy of what is copied out of frames.
fn most(message: &Multipart) -> usize {
    (1 << 20) + 160 * message.metadata().len() + 2 * (8 << 20)
}

fn ways<T: DeserializeOwned + Debug>(message: &Multipart) {
    let codec = codec();
    let parts = || Decode::<T>::decode_parts(&codec, message.metadata(), message.buffers().to_vec());
    alike([codec.decode(message.clone()), parts()]);
    if message.buffers().is_empty() {
        alike([
            codec.decode_ref(message),
            codec.decode(message.clone()),
            Decode::<T>::decode_frame(&codec, message.metadata()),
        ]);
    }
}

fn owned<T: DeserializeOwned + Serialize + Debug>(message: &Multipart) {
    if let Some(value) = decoded::<T, _>(&codec(), message, most(message)) {
        comes_back(&MsgPack::new().limits(value::wide()), &value);
        comes_back(&MsgPack::new().limits(value::wide()).out_of_band_from(1), &value);
    }
    ways::<T>(message);
}

fn borrowed(message: &Multipart) {
    // of what is compressed nothing can be borrowed, which is the caller's affair
    let is_compressed = message.buffer_sizes().is_ok_and(|sizes| sizes.iter().any(|size| size.encoding().is_some()));
    let refused = |error| {
        if !is_compressed {
            refused(&error)
        }
    };
    let _ = codec().decode_ref::<Borrowed<'_>>(message).map_err(refused);
    let _ = codec().peek::<Borrowed<'_>>(message).map_err(refused);
    let _ = codec().decode_ref::<Vec<&[u8]>>(message).map_err(refused);
    let _ = codec().decode_ref::<BTreeMap<&str, &str>>(message).map_err(refused);
    let _ = Decode::<IgnoredAny>::decode(&codec(), message.clone()).map_err(refused);
}

const TARGETS: &[fn(&Multipart)] = &[
    borrowed,
    owned::<Buffer>,
    owned::<Vec<Option<Buffer>>>,
    owned::<Vec<Vec<u8>>>,
    owned::<Vec<ByteBuf>>,
    owned::<BTreeMap<String, Buffer>>,
    owned::<BTreeMap<u64, Vec<u16>>>,
    owned::<Vec<(u128, i128, char, f32)>>,
    owned::<(u8, [u8; 4], Option<bool>, ())>,
    owned::<Image>,
    owned::<Vec<Shape>>,
    owned::<Vec<Internal>>,
    owned::<Vec<Adjacent>>,
    owned::<Untagged>,
    owned::<Vec<Flat>>,
    owned::<Flat>,
    owned::<Fields>,
    owned::<Chain>,
    owned::<Vec<Array>>,
    #[cfg(feature = "arrow")]
    owned::<Vec<outband::Table>>,
    owned::<serde_json::Value>,
    owned::<Vec<Value>>,
    owned::<BTreeMap<String, Value>>,
];
