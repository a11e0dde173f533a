//! Many small values, as telemetry and tables of settings have them.

use std::collections::HashMap;

use outband::{Decode, Encode, Multipart, Pickle};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Written, in_turn, once};

/// What Python has as `{"id": 7, "name": "name 7", "price": 1.75, "live": False}`.
#[derive(Clone, Serialize, Deserialize)]
struct Record {
    id: u32,
    name: String,
    price: f64,
    live: bool,
}

pub(super) fn table(written: &Written) {
    println!(
        "| message | pickle.loads | decode | times as fast | filling alone | pickle.dumps | encode | times as fast |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
    let what = "dict of 100 000 integers, `HashMap<String, i64>`";
    row(written, "values", what, filled, |map: &HashMap<String, i64>| {
        assert_eq!((map.len(), map["key 99999"]), (100_000, 699_993));
    });
    let what = "dict of 100 000 records, `HashMap<String, Record>`";
    row(written, "records", what, filled, |map: &HashMap<String, Record>| {
        assert_eq!(map.len(), 100_000);
        check(&map["key 99999"]);
    });
    let copied = |list: &Vec<Record>| once(|| list.clone());
    row(written, "list", "list of 100 000 records, `Vec<Record>`", copied, |list: &Vec<Record>| {
        assert_eq!(list.len(), 100_000);
        check(&list[99_999]);
    });
    let copied = |list: &Vec<f64>| once(|| list.clone());
    row(written, "floats", "list of 1 000 000 floats, `Vec<f64>`", copied, |floats: &Vec<f64>| {
        assert_eq!((floats.len(), floats[999_999]), (1_000_000, 499_999.5));
    });
    println!();
}

/// What it takes to fill a map with copies of what is in another, in the order of the message and as serde does it: with room for
/// a mebibyte at first.
fn filled<V: Clone>(map: &HashMap<String, V>) -> f64 {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by_key(|(key, _)| (key.len(), *key));
    once(|| {
        let mut copy = HashMap::with_capacity((1 << 20) / size_of::<(String, V)>());
        for (key, value) in entries {
            copy.insert(key.clone(), value.clone());
        }
        copy
    })
}

fn check(last: &Record) {
    assert_eq!((last.id, last.name.as_str(), last.price, last.live), (99_999, "name 99999", 24_999.75, true));
}

fn row<T: Serialize + DeserializeOwned>(
    written: &Written,
    name: &str,
    what: &str,
    fill: impl Fn(&T) -> f64,
    check: impl Fn(&T),
) {
    let codec = Pickle::new();
    let message = Multipart::new(written.file(name), vec![]);
    let decode = || Decode::<T>::decode(&codec, message.clone()).unwrap();
    let value = decode();
    check(&value);
    check(&codec.decode(codec.encode(&value).unwrap()).unwrap());
    let [loads, decode] = in_turn(7, written, &format!("loads {name}"), decode).map(|seconds| seconds * 1e3);
    let fill = std::iter::repeat_with(|| fill(&value)).take(21).fold(f64::INFINITY, f64::min) * 1e3;
    let encode = || codec.encode(&value).unwrap();
    let [dumps, encode] = in_turn(7, written, &format!("dumps {name}"), encode).map(|seconds| seconds * 1e3);
    println!(
        "| {what} | {loads:.1} ms | {decode:.1} ms | {:.2} | {fill:.1} ms | {dumps:.1} ms | {encode:.1} ms | {:.2} |",
        loads / decode,
        dumps / encode,
    );
}
