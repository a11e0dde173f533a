//! A frame as a protocol buffer: what is read is written and read to the same.

#![no_main]

use std::collections::BTreeMap;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use outband::{Decode, Limits, Multipart, Protobuf};
use outband_fuzz::check::{alike, comes_back, decoded};

#[derive(Clone, PartialEq, prost::Message)]
struct Tree {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "bytes", tag = "2")]
    pixels: Bytes,
    #[prost(message, repeated, tag = "3")]
    children: Vec<Tree>,
    #[prost(btree_map = "string, message", tag = "4")]
    named: BTreeMap<String, Tree>,
    #[prost(sint64, repeated, tag = "5")]
    numbers: Vec<i64>,
    #[prost(double, optional, tag = "6")]
    volts: Option<f64>,
    #[prost(message, optional, boxed, tag = "7")]
    next: Option<Box<Tree>>,
    #[prost(oneof = "Choice", tags = "8, 9")]
    choice: Option<Choice>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Choice {
    #[prost(fixed32, tag = "8")]
    Number(u32),
    #[prost(string, tag = "9")]
    Text(String),
}

fuzz_target!(|data: &[u8]| {
    let codec = Protobuf::new().limits(Limits::new().metadata_bytes(1 << 20));
    let message = Multipart::new(data.to_vec(), vec![]);
    // two bytes make a message of many
    if let Some(tree) = decoded::<Tree, _>(&codec, &message, (64 << 10) + 512 * data.len()) {
        comes_back(&Protobuf::new(), &tree);
    }
    let parts = Decode::<Tree>::decode_parts(&codec, data, vec![]);
    alike([codec.decode(message), codec.decode_frame(data), parts]);
});
