//! The `Json` codec: what is written, what is read, what is refused and where the error says it is.
//!
//! `serde_json` is the oracle where it agrees with Python; `tests/peers/json.rs` has Python itself.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Debug;

use outband::{Array, Buffer, Decode, Encode, ErrorKind, Json, Limits, Multipart, Result, SocketExt, memory};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::common::{Place, TRANSPORTS};
use crate::json_types::{Everything, Loose, Meters, Shape, everything, read, text};
use crate::random::Random;

fn refusal<T: DeserializeOwned>(text: impl AsRef<[u8]>) -> String {
    let error = read::<T>(text).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Peer, "{error}");
    error.to_string()
}

#[test]
fn every_serde_type_comes_back() {
    let value = everything();
    let written = text(&value);
    assert_eq!(read::<Everything>(&written).unwrap(), value);
    // any other JSON reader reads it, and what another one writes is read
    assert_eq!(serde_json::from_str::<Everything>(&written).unwrap(), value);
    assert_eq!(read::<Everything>(serde_json::to_string_pretty(&value).unwrap()).unwrap(), value);
}

#[test]
fn the_text_is_pythons() {
    assert_eq!(text(&[1, 2]), "[1, 2]");
    assert_eq!(text(&Vec::<u8>::new()), "[]");
    assert_eq!(text(&BTreeMap::<String, u8>::new()), "{}");
    assert_eq!(text(&BTreeMap::from([("a", vec![1]), ("é", vec![])])), r#"{"a": [1], "\u00e9": []}"#);
    assert_eq!(text(&(1e16, 1e-5, 1.0, -0.0, 1e22)), "[1e+16, 1e-05, 1.0, -0.0, 1e+22]");
    assert_eq!(text(&(f64::NAN, f64::INFINITY, f32::NEG_INFINITY)), "[NaN, Infinity, -Infinity]");
    assert_eq!(text("\u{7f}😀"), r#""\u007f\ud83d\ude00""#);
    assert_eq!(text(&Shape::Box { width: 1, height: Some(2) }), r#"{"Box": {"width": 1, "height": 2}}"#);
    assert_eq!(text(&Shape::Pair(1, "x".into())), r#"{"Pair": [1, "x"]}"#);
    assert_eq!(text(&Some(Meters(0.1))), "0.1");
    assert_eq!(text(&serde_bytes::Bytes::new(&[1, 2])), "[1, 2]");
}

#[test]
fn numbers_that_are_not_finite_survive() {
    let numbers = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    let back: [f64; 3] = read(text(&numbers)).unwrap();
    assert!(back[0].is_nan());
    assert_eq!(back[1..], numbers[1..]);
    let loose: Vec<Loose> = read("[Infinity, -Infinity]").unwrap();
    assert_eq!(loose, [Loose::Number(f64::INFINITY), Loose::Number(f64::NEG_INFINITY)]);
    assert_eq!(read::<f64>("1e400").unwrap(), f64::INFINITY);
    assert_eq!(read::<f32>("-Infinity").unwrap(), f32::NEG_INFINITY);
    // a type that wants an integer is not given one of these
    assert!(refusal::<i32>("NaN").contains("floating point"));
}

#[test]
fn random_floats_of_every_magnitude_come_back_bit_for_bit() {
    let mut random = Random::seeded(0x10a7);
    for _ in 0..20_000 {
        let value = f64::from_bits(random.next());
        let back: f64 = read(text(&value)).unwrap();
        assert!(back.to_bits() == value.to_bits() || (back.is_nan() && value.is_nan()), "{value:e}");
        let short = f32::from_bits(random.next() as u32);
        let back: f32 = read(text(&short)).unwrap();
        assert!(back.to_bits() == short.to_bits() || (back.is_nan() && short.is_nan()), "{short:e}");
    }
    // its shortest text, rounded to 64 bits, lies in the middle between two of 32
    let short = f32::from_bits(0x15ae_43fd);
    assert_eq!(read::<f32>(text(&short)).unwrap().to_bits(), short.to_bits());
    let key: BTreeMap<Float, u8> = read(text(&BTreeMap::from([(Float(short.to_bits()), 1)]))).unwrap();
    assert_eq!(key, [(Float(short.to_bits()), 1)].into());
}

/// A 32-bit float as a key: its bits.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Float(u32);

impl Serialize for Float {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f32(f32::from_bits(self.0))
    }
}

impl<'de> Deserialize<'de> for Float {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f32::deserialize(deserializer).map(|float| Self(float.to_bits()))
    }
}

#[test]
fn what_python_reads_is_read() {
    assert_eq!(read::<Value>(" \t\r\n[1 , {\"a\"\n:\tnull}\r] ").unwrap(), serde_json::json!([1, {"a": null}]));
    assert_eq!(read::<String>(r#""\/\u00E9\uD83D\uDE00\b""#).unwrap(), "/é😀\u{8}");
    assert_eq!(read::<String>("\"é😀\u{7f}\u{2028}\"").unwrap(), "é😀\u{7f}\u{2028}");
    assert_eq!(read::<BTreeMap<String, u8>>(r#"{"a": 1, "a": 2}"#).unwrap(), [("a".to_owned(), 2)].into());
    assert_eq!(read::<i64>("-0").unwrap(), 0);
    assert_eq!(read::<f64>("123456789012345678901234567890").unwrap(), 1.2345678901234568e29);
    assert_eq!(read::<f64>("1E+2").unwrap(), 100.0);
    assert_eq!(read::<f64>("7").unwrap(), 7.0);
    // a field that nobody asked for is skipped, whatever is in it
    #[derive(Deserialize, PartialEq, Debug)]
    struct Part {
        wanted: u8,
    }
    let whole = r#"{"x": [1, {"y": "]}\"", "z": [[], {}, NaN, -Infinity, true]}], "wanted": 7, "last": -1.5e3}"#;
    assert_eq!(read::<Part>(whole).unwrap(), Part { wanted: 7 });
    read::<IgnoredAny>(whole).unwrap();
}

#[test]
fn what_is_no_json_is_refused_with_its_place() {
    for (bytes, expected) in [
        (&b""[..], "the text ends where a value is expected at line 1 column 1 (byte 0)"),
        (b" \n ", "line 2 column 2 (byte 3)"),
        (b"[1,]", "expected a value at line 1 column 4 (byte 3)"),
        (b"[1\n,\n 2 3]", "expected \",\" or \"]\" at line 3 column 4 (byte 8)"),
        (b"[", "the text ends where a value is expected"),
        (b"[1", "the text ends within an array or object"),
        (b"{\"a\": 1", "the text ends within an array or object"),
        (b"{\"a\": 1]", "expected \",\" or \"}\""),
        (b"[1}", "expected \",\" or \"]\""),
        (b"{\"a\" 1}", "expected \":\""),
        (b"{a: 1}", "expected a name in double quotes"),
        (b"{\"a\": 1,}", "expected a name in double quotes"),
        (b"{1: 1}", "expected a name in double quotes"),
        (b"1 2", "more than one value at line 1 column 3 (byte 2)"),
        (b"01", "more than one value"),
        (b"1.", "expected a digit"),
        (b"1.e5", "expected a digit"),
        (b"1e", "expected a digit"),
        (b"-", "expected a digit"),
        (b"-NaN", "expected a digit"),
        (b"+1", "expected a value"),
        (b".5", "expected a value"),
        (b"nul", "expected a value"),
        (b"True", "expected a value"),
        (b"infinity", "expected a value"),
        (b"\x0c1", "expected a value"),
        (b"\"a", "the text ends within a string"),
        (b"\"a\\", "an unknown escape"),
        (b"\"\x01\"", "a control character in a string at line 1 column 2"),
        (b"\"\\x\"", "an unknown escape"),
        (b"\"\\u00zz\"", "an escape without its four digits"),
        (
            "[\"é\", \"\\ud800\"]".as_bytes(),
            "half of a surrogate pair, which is no character, at line 1 column 8 (byte 8)",
        ),
        (b"\"\\udc00\\ud800\"", "half of a surrogate pair"),
        ("\u{feff}1".as_bytes(), "a byte order mark at line 1 column 1"),
        (b"\"\xff\"", "byte 1 is not UTF-8"),
        (b"\"\xed\xa0\x80\"", "byte 1 is not UTF-8"),
        (b"\xff\xfe1\x00", "byte 0 is not UTF-8"),
    ] {
        let text = refusal::<Value>(bytes);
        assert!(text.contains(expected), "{}: {text}", bytes.escape_ascii());
        assert_eq!(refusal::<IgnoredAny>(bytes), text, "whatever the type");
    }
}

#[test]
fn what_does_not_fit_the_type_is_refused_with_its_path() {
    #[derive(Deserialize, Debug)]
    #[allow(dead_code, reason = "only read")]
    struct Row {
        cells: Vec<BTreeMap<String, u8>>,
    }
    for (json, expected) in [
        (r#"{"cells": [{"a": 1}, {"b": "x"}]}"#, "at cells[1].b: invalid type: string \"x\", expected u8"),
        (r#"{"cells": [{"a": 256}]}"#, "at cells[0].a: invalid value: integer `256`, expected u8"),
        (r#"{"cells": [{"a": 1.0}]}"#, "at cells[0].a: invalid type: floating point `1.0`, expected u8"),
        (r#"{"cells": 3}"#, "at cells: invalid type: integer `3`, expected a sequence"),
        (r#"{}"#, "missing field `cells`"),
        (r#"{"cells": [], "cells": []}"#, "duplicate field `cells`"),
    ] {
        assert!(refusal::<Row>(json).contains(expected), "{}", refusal::<Row>(json));
    }
    assert!(refusal::<(u8, u8)>("[1, 2, 3]").contains("more elements than expected"));
    assert!(refusal::<(u8, u8)>("[1]").contains("invalid length 1"));
    assert!(refusal::<Shape>(r#"{"Circle": 1.0, "Point": null}"#).contains("more elements than expected"));
    assert!(refusal::<Shape>("{}").contains("one entry for an enum variant"));
    assert!(refusal::<Shape>(r#""Circle""#).contains("newtype variant"));
    assert!(refusal::<Shape>(r#""Cylinder""#).contains("unknown variant `Cylinder`"));
    assert!(refusal::<BTreeMap<u8, u8>>(r#"{"x": 1}"#).contains("invalid type: string \"x\", expected u8"));
    assert!(refusal::<BTreeMap<u8, u8>>(r#"{"300": 1}"#).contains("300"));
    assert!(refusal::<u64>("18446744073709551616").contains("floating point"));
    assert_eq!(read::<u128>("18446744073709551616").unwrap(), 1 << 64);
    // a megabyte of name is no message
    let long = format!("{{\"{}\": \"x\"}}", "n".repeat(1 << 20));
    assert!(refusal::<BTreeMap<String, u8>>(long).len() < 1000);
}

#[test]
fn a_buffer_is_refused_unless_asked_for() {
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Holder {
        id: u8,
        deep: Vec<Option<Buffer>>,
        #[serde(with = "outband::serde_buffer")]
        volts: Vec<u16>,
    }
    let holder = Holder { id: 1, deep: vec![None, Some(Buffer::from_vec(vec![0_u8, 255, 3]))], volts: vec![1, 256] };
    let error = Json::new().encode(&holder).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Caller);
    assert!(error.to_string().contains("use MsgPack, or Json::buffers_in_band"), "{error}");
    assert!(Json::new().encode(&Buffer::new()).is_err(), "an empty one as well");
    let error = Json::new().encode(&("image", Array::from_vec(vec![0.5_f32; 3]))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Caller);
    assert!(error.to_string().contains("use MsgPack, or Json::buffers_in_band"), "of an array as well: {error}");

    let in_band = Json::new().buffers_in_band();
    let message = in_band.encode(&holder).unwrap();
    let expected = r#"{"id": 1, "deep": [null, [0, 255, 3]], "volts": [1, 0, 0, 1]}"#;
    assert_eq!(&message.metadata()[..], expected.as_bytes());
    assert_eq!(Decode::<Holder>::decode(&in_band, message).unwrap(), holder);

    // every byte is counted once on its way out and once on its way in
    let buffer = Buffer::from_vec(vec![9_u8; 1000]);
    let copied = memory::copied_bytes();
    let message = in_band.encode(&buffer).unwrap();
    assert_eq!(memory::copied_bytes() - copied, 1000);
    assert_eq!(read::<Buffer>(message.metadata()).unwrap(), buffer);
    // `read` decodes twice
    assert_eq!(memory::copied_bytes() - copied, 3000);

    for (json, expected) in [
        ("[1, 256]", "byte 1 of a buffer, at byte 4, is no number from 0 to 255"),
        ("[-1]", "byte 0 of a buffer"),
        ("[1.0]", "byte 0 of a buffer"),
        ("[\"a\"]", "byte 0 of a buffer"),
        ("[[]]", "byte 0 of a buffer"),
        ("[NaN]", "byte 0 of a buffer"),
        ("{}", "expected a buffer"),
        ("3", "expected a buffer"),
    ] {
        assert!(refusal::<Buffer>(json).contains(expected), "{json}: {}", refusal::<Buffer>(json));
    }

    // a failed encode leaves nothing behind for the next codec
    assert!(Json::new().encode(&buffer).is_err());
    assert_eq!(outband::to_multipart(&Buffer::from_vec(vec![1_u8; 9000])).unwrap().buffers().len(), 1);
}

/// A field that holds what another serializer makes of its value.
struct Inside<T>(T);

impl<T: Serialize> Serialize for Inside<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&serde_json::to_string(&self.0).unwrap())
    }
}

#[test]
fn what_another_serializer_does_with_a_buffer_is_up_to_it() {
    let buffer = Buffer::from_vec(vec![1_u8, 2]);
    assert_eq!(text(&("note", Inside(&buffer))), r#"["note", "[1,2]"]"#);
    // the ones beside it are refused all the same
    assert!(Json::new().encode(&(Inside(&buffer), &buffer)).is_err());
    let both = Json::new().buffers_in_band().encode(&(Inside(&buffer), &buffer)).unwrap();
    assert_eq!(&both.metadata()[..], br#"["[1,2]", [1, 2]]"#);
}

/// What the JSON in a text of another message holds.
struct Within(Buffer);

impl<'de> Deserialize<'de> for Within {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&str>::deserialize(deserializer)?;
        Json::new().decode_frame(text.as_bytes()).map(Self).map_err(serde::de::Error::custom)
    }
}

#[test]
fn a_buffer_of_json_within_another_message_shares_nothing_with_it() {
    let json = format!("\"{}\"", "x".repeat(20_000));
    let buffer = Buffer::from_vec(vec![7_u8; 20_000]);
    let message = outband::to_multipart(&(&buffer, json, &buffer)).unwrap();
    let outer = message.metadata().clone();
    let (before, within, after): (Buffer, Within, Buffer) = outband::from_multipart(message).unwrap();
    assert!(!outer.as_ptr_range().contains(&within.0.as_ptr()), "it would keep all of the metadata");
    assert_eq!(&within.0[..], "x".repeat(20_000).as_bytes());
    assert_eq!(
        (before.as_ptr(), after.as_ptr()),
        (buffer.as_ptr(), buffer.as_ptr()),
        "what is beside it is shared as ever"
    );
}

#[test]
fn a_key_is_text_a_number_or_a_boolean() {
    assert_eq!(text(&BTreeMap::from([(true, 1)])), r#"{"true": 1}"#);
    assert_eq!(text(&BTreeMap::from([('é', 1)])), r#"{"\u00e9": 1}"#);
    assert_eq!(text(&BTreeMap::from([(Some(-5_i8), 1)])), r#"{"-5": 1}"#);
    assert_eq!(read::<BTreeMap<Option<i8>, u8>>(r#"{"-5": 1}"#).unwrap(), [(Some(-5), 1)].into());
    // Python's None, and a field that is no text
    assert_eq!(text(&BTreeMap::from([(None::<u8>, 1)])), r#"{"null": 1}"#);
    assert_eq!(text(&BTreeMap::from([((), 1)])), r#"{"null": 1}"#);
    assert_eq!(read::<BTreeMap<Option<i8>, u8>>(r#"{ "null" : 1, "7": 2}"#).unwrap(), [(None, 1), (Some(7), 2)].into());
    assert_eq!(read::<BTreeMap<(), u8>>(r#"{"null": 1}"#).unwrap(), [((), 1)].into());
    assert_eq!(read::<BTreeMap<String, u8>>(r#"{"null": 1}"#).unwrap(), [("null".to_owned(), 1)].into());
    assert!(read::<BTreeMap<(), u8>>(r#"{"nul": 1}"#).unwrap_err().is_peer());
    for error in [
        Json::new().encode(&BTreeMap::from([(vec![1], 1)])).unwrap_err(),
        Json::new().encode(&BTreeMap::from([(Some(vec![1]), 1)])).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Caller);
        assert!(error.to_string().contains("key of a map"), "{error}");
    }
}

#[test]
fn text_without_escapes_is_borrowed() {
    #[derive(Deserialize)]
    struct Borrowed<'a> {
        plain: &'a str,
        #[serde(borrow)]
        either: Cow<'a, str>,
    }
    let message = Multipart::new(r#"{"plain": "abc", "either": "d\u00e9f"}"#, vec![]);
    let borrowed: Borrowed<'_> = Json::new().decode_ref(&message).unwrap();
    assert!(message.metadata().as_ptr_range().contains(&borrowed.plain.as_ptr()));
    assert_eq!((borrowed.plain, &*borrowed.either), ("abc", "déf"));
}

#[test]
fn limits_hold_both_ways() {
    let strict = Json::new().limits(Limits::new().metadata_bytes(10).depth(3));
    assert!(strict.encode("12345678").is_ok());
    assert!(strict.encode("123456789").unwrap_err().is_limit());
    assert!(Decode::<String>::decode_frame(&strict, b"\"12345678\"").is_ok());
    assert!(Decode::<String>::decode_frame(&strict, b"\"123456789\"").unwrap_err().is_limit());

    assert!(strict.encode(&[[[1]]]).is_ok());
    let error = strict.encode(&[[[[1]]]]).unwrap_err();
    assert!(error.is_limit() && error.to_string().contains("limit of 3"), "{error}");
    assert!(strict.encode(&[[Shape::Box { width: 1, height: None }]]).unwrap_err().is_limit());
    let shallow = Json::new().limits(Limits::new().depth(3));
    assert!(shallow.encode(&[[Shape::Circle(1.0)]]).is_ok());
    assert!(shallow.encode(&[[Shape::Pair(1, String::new())]]).unwrap_err().is_limit());
    assert!(Decode::<Value>::decode_frame(&strict, b"[[[1]]]").is_ok());
    let error = Decode::<Value>::decode_frame(&strict, b"[[{\"\":[]}]").unwrap_err();
    assert!(error.is_limit() && error.to_string().contains("byte 6"), "{error}");
    // a value whose serializer hides the error is refused all the same
    struct Quiet(usize);
    impl Serialize for Quiet {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
            use serde::ser::SerializeTuple;
            let mut tuple = serializer.serialize_tuple(1)?;
            if self.0 > 0 {
                let _ = tuple.serialize_element(&Quiet(self.0 - 1));
            }
            tuple.end()
        }
    }
    assert!(strict.encode(&Quiet(9)).unwrap_err().is_limit());
}

#[test]
fn a_message_of_more_frames_is_refused() {
    let message = Multipart::new("1", vec![Buffer::from_vec(vec![1_u8]), Buffer::new()]);
    let error = Decode::<u8>::decode(&Json::new(), message).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Peer);
    assert!(error.to_string().contains("2 more frames"), "{error}");
}

#[test]
fn json_goes_through_every_kind_of_socket() {
    for transport in TRANSPORTS {
        let place = Place::new(transport);
        let (pull, push) = place.connected(zmq::PULL, zmq::PUSH);
        push.send_json(&everything()).unwrap();
        assert_eq!(pull.recv_json::<Everything>().unwrap(), everything());
        // longer than what is decoded where it lies
        let long = "é".repeat(50_000);
        push.send_json(&long).unwrap();
        assert_eq!(pull.recv_json::<String>().unwrap(), long);
        // what is refused does not disturb the next one
        push.send("[1,", 0).unwrap();
        push.send_json(&7).unwrap();
        assert_eq!(pull.recv_json::<u8>().unwrap_err().kind(), ErrorKind::Peer);
        assert_eq!(pull.recv_json::<u8>().unwrap(), 7);

        let (router, req) = place.connected(zmq::ROUTER, zmq::REQ);
        req.send_json("question").unwrap();
        let (envelope, question): (_, String) = router.recv_with_via(&Json::new()).unwrap();
        router.send_with_via(&Json::new(), &envelope, &question.len()).unwrap();
        assert_eq!(req.recv_json::<usize>().unwrap(), 8);

        let (publisher, subscriber) = place.connected(zmq::XPUB, zmq::SUB);
        subscriber.set_subscribe(b"t").unwrap();
        publisher.recv_message().unwrap();
        publisher.publish_with(&Json::new(), "topic", &[1.5]).unwrap();
        let (topic, value): (_, Vec<f64>) = subscriber.recv_topic_with(&Json::new()).unwrap();
        assert_eq!((&topic[..], &value[..]), (&b"topic"[..], &[1.5][..]));
    }
}

#[test]
fn the_grammar_is_serde_jsons_and_three_words() {
    let mut random = Random::seeded(0x6e4);
    // no exponents but 0: serde_json rounds some numbers to the neighbour of the nearest
    let alphabet: &[&str] = &[
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "\"\"",
        "\"a\"",
        "1",
        "-2.5",
        "0e0",
        "0",
        "true",
        "null",
        " ",
        "\"\\u00e9\"",
        "\"\\n\"",
    ];
    let mut accepted = 0;
    for _ in 0..20_000 {
        let json: String = (0..1 + random.below(7)).map(|_| alphabet[random.below(alphabet.len())]).collect();
        let ours = read::<Value>(&json);
        match serde_json::from_str::<Value>(&json) {
            Ok(theirs) => {
                accepted += 1;
                assert_eq!(ours.unwrap(), theirs, "{json}");
            }
            Err(_) => assert!(ours.is_err(), "{json}"),
        }
    }
    assert!(accepted > 500, "{accepted}");
}
