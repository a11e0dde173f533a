//! Many small values, as telemetry and tables of settings have them.

use std::collections::HashMap;
use std::hash::BuildHasher;

use indexmap::IndexMap;
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
        "| message | pickle.loads | decode | times as fast | filling alone | filling ÷ loads | loads, collecting | pickle.dumps | encode | times as fast |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    integers::<HashMap<String, i64>>(written, "dict of 100 000 integers, `HashMap<String, i64>`");
    integers::<HashMap<String, i64, ahash::RandomState>>(
        written,
        "the same, `HashMap<String, i64, ahash::RandomState>`",
    );
    integers::<IndexMap<String, i64>>(written, "the same, `IndexMap<String, i64>`");
    integers::<IndexMap<String, i64, ahash::RandomState>>(
        written,
        "the same, `IndexMap<String, i64, ahash::RandomState>`",
    );
    records::<HashMap<String, Record>>(written, "dict of 100 000 records, `HashMap<String, Record>`");
    records::<HashMap<String, Record, ahash::RandomState>>(
        written,
        "the same, `HashMap<String, Record, ahash::RandomState>`",
    );
    records::<IndexMap<String, Record>>(written, "the same, `IndexMap<String, Record>`");
    records::<IndexMap<String, Record, ahash::RandomState>>(
        written,
        "the same, `IndexMap<String, Record, ahash::RandomState>`",
    );
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

/// Decodes so often what the table has under this name, does nothing else, and says how long it took at best.
pub(super) fn alone(written: &Written, name: &str, count: usize) {
    let message = Multipart::new(written.file(name), vec![]);
    match name {
        "values" => decode_only::<HashMap<String, i64>>(&message, count),
        "records" => decode_only::<HashMap<String, Record>>(&message, count),
        "list" => decode_only::<Vec<Record>>(&message, count),
        "floats" => decode_only::<Vec<f64>>(&message, count),
        name => panic!("{name}: no such message"),
    }
}

fn decode_only<T: DeserializeOwned>(message: &Multipart, count: usize) {
    let decode = || Decode::<T>::decode(&Pickle::new(), message.clone()).unwrap();
    let best = std::iter::repeat_with(|| once(decode)).take(count).fold(f64::INFINITY, f64::min);
    println!("{:.2} ms at best", best * 1e3);
}

/// A map from text, as programs have them.
trait Map<V>: Serialize + DeserializeOwned {
    fn with_capacity(capacity: usize) -> Self;
    fn insert(&mut self, key: String, value: V);
    fn find(&self, key: &str) -> &V;
    fn entries(&self) -> Vec<(String, V)>;
}

macro_rules! impl_map {
    ($($map:ident)*) => {
        $(
            impl<V: Clone + Serialize + DeserializeOwned, S: BuildHasher + Default> Map<V> for $map<String, V, S> {
                fn with_capacity(capacity: usize) -> Self {
                    Self::with_capacity_and_hasher(capacity, S::default())
                }

                fn insert(&mut self, key: String, value: V) {
                    self.insert(key, value);
                }

                fn find(&self, key: &str) -> &V {
                    &self[key]
                }

                fn entries(&self) -> Vec<(String, V)> {
                    self.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
                }
            }
        )*
    };
}

impl_map! { HashMap IndexMap }

fn integers<M: Map<i64>>(written: &Written, what: &str) {
    row(written, "values", what, filled, |map: &M| assert_eq!(*map.find("key 99999"), 699_993));
}

fn records<M: Map<Record>>(written: &Written, what: &str) {
    row(written, "records", what, filled, |map: &M| check(map.find("key 99999")));
}

/// What it takes to move ready keys and values into a map, in the order of the message and as serde does it: with room for a mebibyte
/// at first. No key is made and no value.
fn filled<V: Clone, M: Map<V>>(map: &M) -> f64 {
    let mut entries = map.entries();
    assert_eq!(entries.len(), 100_000);
    entries.sort_by(|(a, _), (b, _)| (a.len(), a).cmp(&(b.len(), b)));
    // keys and values that lie in the order of the message, too
    let ready = entries.clone();
    once(|| {
        let mut filled = M::with_capacity((1 << 20) / size_of::<(String, V)>());
        for (key, value) in ready {
            filled.insert(key, value);
        }
        filled
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
    let collects = std::iter::repeat_with(|| written.seconds(&format!("collects {name}"))).take(21);
    let collects = collects.fold(f64::INFINITY, f64::min) * 1e3;
    let fill = std::iter::repeat_with(|| fill(&value)).take(21).fold(f64::INFINITY, f64::min) * 1e3;
    let encode = || codec.encode(&value).unwrap();
    let [dumps, encode] = in_turn(7, written, &format!("dumps {name}"), encode).map(|seconds| seconds * 1e3);
    println!(
        "| {what} | {loads:.1} ms | {decode:.1} ms | {:.2} | {fill:.1} ms | {:.2} | {collects:.1} ms | {dumps:.1} ms | {encode:.1} ms | {:.2} |",
        loads / decode,
        fill / loads,
        dumps / encode,
    );
}
