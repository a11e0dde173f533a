//! pyzmq's own `send_json` and `recv_json` at the other end: thousands of random values, byte for byte.

use std::collections::BTreeMap;
use std::fmt;

use outband::{Buffer, Decode, Encode, Error, Json, SocketExt, Value};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::python::Script;

const SEED: &str = "20240607";
const ROUNDS: usize = 4000;

/// Any JSON value, with the order of entries and floats that are not finite.
#[derive(Serialize, Debug)]
#[serde(untagged)]
enum Any {
    Null(()),
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
    List(Vec<Any>),
    #[serde(serialize_with = "entries")]
    Map(Vec<(String, Any)>),
}

fn entries<S: Serializer>(entries: &[(String, Any)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(entries.len()))?;
    for (key, value) in entries {
        map.serialize_entry(key, value)?;
    }
    map.end()
}

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyVisitor)
    }
}

struct AnyVisitor;

impl<'de> Visitor<'de> for AnyVisitor {
    type Value = Any;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E>(self) -> Result<Any, E> {
        Ok(Any::Null(()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Any, E> {
        Ok(Any::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Any, E> {
        Ok(Any::Unsigned(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Any, E> {
        Ok(Any::Signed(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Any, E> {
        Ok(Any::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Any, E> {
        Ok(Any::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Any, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Any::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Any, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Any::Map(entries))
    }
}

#[derive(Serialize)]
enum Shape {
    Circle { radius: f32 },
}

#[derive(Serialize)]
struct Greeting {
    text: &'static str,
    floats: Vec<f64>,
    wide: i128,
    shape: Shape,
    keys: BTreeMap<i8, bool>,
    bytes: Buffer,
}

/// What JSON has no word for, and Python a text: wide integers, and keys that are no texts.
#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Odd {
    wide: Vec<i128>,
    widest: u128,
    integers: BTreeMap<i128, bool>,
    truths: BTreeMap<bool, Option<u8>>,
    maybe: BTreeMap<Option<u64>, Vec<()>>,
    nested: Vec<BTreeMap<Option<bool>, BTreeMap<u8, f64>>>,
    empty: (Vec<u8>, BTreeMap<String, u8>, String),
    text: BTreeMap<char, char>,
}

fn odd() -> Odd {
    let inner = [(0, 1e-7), (7, 1e22), (200, -0.0)].into();
    Odd {
        wide: vec![i128::from(u64::MAX) + 1, i128::from(i64::MIN) - 1, i128::MAX, i128::MIN, 0, 1 << 70],
        widest: u128::MAX,
        integers: [(i128::MIN, true), (-1, false), (i128::from(u64::MAX) + 1, true)].into(),
        truths: [(false, None), (true, Some(1))].into(),
        maybe: [(None, vec![()]), (Some(0), vec![]), (Some(u64::MAX), vec![(), ()])].into(),
        nested: vec![[(None, inner), (Some(true), BTreeMap::new())].into(), BTreeMap::new()],
        empty: (vec![], BTreeMap::new(), String::new()),
        text: [('\u{e9}', '\u{1f600}'), ('"', '\\')].into(),
    }
}

#[test]
fn python_and_rust_write_the_same_bytes() {
    let context = zmq::Context::new();
    let server = context.socket(zmq::REP).unwrap();
    server.set_sndtimeo(60_000).unwrap();
    server.set_rcvtimeo(60_000).unwrap();
    server.set_linger(0).unwrap();
    server.bind("tcp://127.0.0.1:*").unwrap();
    let endpoint = server.get_last_endpoint().unwrap().unwrap();
    let script = Script::start("json_peer.py", &[&endpoint, SEED, &ROUNDS.to_string()]);

    assert_eq!(server.recv_json::<BTreeMap<String, bool>>().unwrap(), [("ready".to_owned(), true)].into());
    let greeting = Greeting {
        text: "é😀\0\u{7f}\u{2028}\"\\/",
        floats: vec![1e16, 1e-5, 1.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN],
        wide: i128::MAX,
        shape: Shape::Circle { radius: 0.5 },
        keys: [(-1, true), (20, false)].into(),
        bytes: vec![0, 127, 255].into(),
    };
    server.send_with(&Json::new().buffers_in_band(), &greeting).unwrap();

    // what is odd about numbers and keys: with its type, and without
    let received: Odd = server.recv_json().unwrap();
    assert_eq!(received, odd());
    server.send_json(&received).unwrap();
    assert!(server.recv_json::<bool>().unwrap());
    let keys = [Value::from(1.5), Value::from(1e16), Value::from(f64::NAN), f64::NEG_INFINITY.into(), Value::Nil];
    let keys = keys.into_iter().chain([Value::from(true), Value::from(-1_i64), Value::from("1")]);
    let entries: Vec<_> = keys.map(|key| (key, Value::Nil)).collect();
    server.send_json(&Value::from(entries)).unwrap();

    for _ in 0..ROUNDS {
        server.send_json(&server.recv_json::<Any>().unwrap()).unwrap();
    }
    for _ in 0..4 {
        let error: Error = server.recv_json::<Any>().unwrap_err();
        assert!(error.is_peer(), "{error}");
        server.send_json(&format!("refused: {error}")).unwrap();
    }
    let end: String = server.recv_json().unwrap();
    server.send_json(&end).unwrap();
    script.finish();
}

#[test]
fn the_oracle_keeps_everything() {
    let text = r#"{"b": [null, true, 1, -1, 1.5, "x", NaN], "a": {}}"#;
    let any: Any = Json::new().decode_frame(text.as_bytes()).unwrap();
    assert_eq!(&Json::new().encode(&any).unwrap().metadata()[..], text.as_bytes());
}
