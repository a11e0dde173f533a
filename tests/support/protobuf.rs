//! The message that the tests of the `Protobuf` codec send, good and bad.

#![cfg(feature = "protobuf")]

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Everything {
    #[prost(bool, tag = "1")]
    pub(crate) flag: bool,
    #[prost(sint64, tag = "2")]
    pub(crate) zigzag: i64,
    #[prost(double, repeated, tag = "3")]
    pub(crate) samples: Vec<f64>,
    #[prost(string, tag = "4")]
    pub(crate) name: String,
    #[prost(bytes = "bytes", tag = "5")]
    pub(crate) pixels: Bytes,
    #[prost(bytes = "vec", tag = "6")]
    pub(crate) copy: Vec<u8>,
    #[prost(message, optional, boxed, tag = "7")]
    pub(crate) next: Option<Box<Everything>>,
    #[prost(map = "string, int32", tag = "8")]
    pub(crate) counts: HashMap<String, i32>,
    #[prost(btree_map = "uint64, message", tag = "9")]
    pub(crate) parts: BTreeMap<u64, Part>,
    #[prost(oneof = "Choice", tags = "10, 11")]
    pub(crate) choice: Option<Choice>,
    #[prost(bytes = "bytes", repeated, tag = "12")]
    pub(crate) chunks: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Part {
    #[prost(fixed32, tag = "1")]
    pub(crate) id: u32,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) raw: Bytes,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Choice {
    #[prost(string, tag = "10")]
    Text(String),
    #[prost(message, tag = "11")]
    Part(Part),
}

pub(crate) fn everything(bytes: usize) -> Everything {
    let raw = |fill: u8| Bytes::from(vec![fill; bytes]);
    Everything {
        flag: true,
        zigzag: i64::MIN,
        samples: vec![0.5, f64::NEG_INFINITY],
        name: "søppel".into(),
        pixels: raw(1),
        copy: vec![2; bytes],
        next: Some(Box::new(Everything { pixels: raw(3), ..Everything::default() })),
        counts: [("a".to_owned(), -1)].into(),
        parts: [(7, Part { id: 1, raw: raw(4) })].into(),
        choice: Some(Choice::Part(Part { id: 2, raw: raw(5) })),
        chunks: vec![raw(6), raw(7)],
    }
}
