//! Google's Python runtime at the other end: every scalar type, repeated, maps, oneofs, nested, both ways.

#![cfg(feature = "protobuf")]

use std::collections::HashMap;

use bytes::Bytes;
use outband::{Decode, Protobuf, SocketExt};
use prost::{Enumeration, Message, Oneof};

use crate::python::Script;

const SEED: &str = "20240608";
const ROUNDS: usize = 400;

/// As the schema that `protobuf_peer.py` builds.
#[derive(Clone, PartialEq, Message)]
struct Everything {
    #[prost(double, tag = "1")]
    a_double: f64,
    #[prost(float, tag = "2")]
    a_float: f32,
    #[prost(int64, tag = "3")]
    an_int64: i64,
    #[prost(uint64, tag = "4")]
    a_uint64: u64,
    #[prost(int32, tag = "5")]
    an_int32: i32,
    #[prost(fixed64, tag = "6")]
    a_fixed64: u64,
    #[prost(fixed32, tag = "7")]
    a_fixed32: u32,
    #[prost(bool, tag = "8")]
    a_bool: bool,
    #[prost(string, tag = "9")]
    a_string: String,
    #[prost(bytes = "bytes", tag = "10")]
    a_bytes: Bytes,
    #[prost(uint32, tag = "11")]
    a_uint32: u32,
    #[prost(sfixed32, tag = "12")]
    an_sfixed32: i32,
    #[prost(sfixed64, tag = "13")]
    an_sfixed64: i64,
    #[prost(sint32, tag = "14")]
    an_sint32: i32,
    #[prost(sint64, tag = "15")]
    an_sint64: i64,
    #[prost(double, repeated, tag = "21")]
    many_double: Vec<f64>,
    #[prost(float, repeated, tag = "22")]
    many_float: Vec<f32>,
    #[prost(int64, repeated, tag = "23")]
    many_int64: Vec<i64>,
    #[prost(uint64, repeated, tag = "24")]
    many_uint64: Vec<u64>,
    #[prost(int32, repeated, tag = "25")]
    many_int32: Vec<i32>,
    #[prost(fixed64, repeated, tag = "26")]
    many_fixed64: Vec<u64>,
    #[prost(fixed32, repeated, tag = "27")]
    many_fixed32: Vec<u32>,
    #[prost(bool, repeated, tag = "28")]
    many_bool: Vec<bool>,
    #[prost(string, repeated, tag = "29")]
    many_string: Vec<String>,
    #[prost(bytes = "bytes", repeated, tag = "30")]
    many_bytes: Vec<Bytes>,
    #[prost(uint32, repeated, tag = "31")]
    many_uint32: Vec<u32>,
    #[prost(sfixed32, repeated, tag = "32")]
    many_sfixed32: Vec<i32>,
    #[prost(sfixed64, repeated, tag = "33")]
    many_sfixed64: Vec<i64>,
    #[prost(sint32, repeated, tag = "34")]
    many_sint32: Vec<i32>,
    #[prost(sint64, repeated, tag = "35")]
    many_sint64: Vec<i64>,
    #[prost(message, optional, boxed, tag = "41")]
    child: Option<Box<Everything>>,
    #[prost(message, repeated, tag = "42")]
    children: Vec<Everything>,
    #[prost(oneof = "Choice", tags = "43, 44")]
    choice: Option<Choice>,
    #[prost(map = "string, int32", tag = "45")]
    counts: HashMap<String, i32>,
    #[prost(map = "string, message", tag = "46")]
    parts: HashMap<String, Everything>,
    #[prost(enumeration = "Level", tag = "47")]
    level: i32,
}

#[derive(Clone, PartialEq, Oneof)]
enum Choice {
    #[prost(string, tag = "43")]
    Text(String),
    #[prost(message, tag = "44")]
    Part(Box<Everything>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
enum Level {
    Low = 0,
    High = 1,
}

#[test]
fn messages_go_to_python_and_back_unchanged() {
    let context = zmq::Context::new();
    let server = context.socket(zmq::REP).unwrap();
    server.set_sndtimeo(60_000).unwrap();
    server.set_rcvtimeo(60_000).unwrap();
    server.set_linger(0).unwrap();
    server.bind("tcp://127.0.0.1:*").unwrap();
    let endpoint = server.get_last_endpoint().unwrap().unwrap();
    let script = Script::start("protobuf_peer.py", &[&endpoint, SEED, &ROUNDS.to_string()]);
    let codec = Protobuf::new();

    let empty: Everything = server.recv_with(&codec).unwrap();
    assert_eq!(empty, Everything::default());
    server.send_with(&codec, &empty).unwrap();

    let message = server.recv_message().unwrap();
    let frame = message.metadata().clone();
    let picture: Everything = codec.decode(message).unwrap();
    let is_slice = frame.as_ptr_range().contains(&picture.a_bytes.as_ptr());
    assert!(is_slice && picture.a_bytes.len() == 1 << 20);
    let answer = Everything {
        a_bytes: picture.a_bytes.iter().rev().copied().collect(),
        a_string: picture.a_string.to_uppercase(),
        a_bool: is_slice,
        ..Everything::default()
    };
    server.send_with(&codec, &answer).unwrap();

    for _ in 0..ROUNDS {
        let message: Everything = server.recv_with(&codec).unwrap();
        assert!(matches!(message.level(), Level::Low | Level::High));
        server.send_with(&codec, &message).unwrap();
    }
    for _ in 0..3 {
        let error = server.recv_with::<Everything, _>(&codec).unwrap_err();
        assert!(error.is_peer(), "{error}");
        let refused = Everything { a_string: format!("refused: {error}"), ..Everything::default() };
        server.send_with(&codec, &refused).unwrap();
    }
    script.finish();
}
