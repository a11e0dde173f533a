//! Many small values, as telemetry and tables of settings have them.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};

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

pub(super) fn table(written: &Written, wants: impl Fn(&str) -> bool) {
    println!(
        "| message | pickle.loads | decode | times as fast | filling alone | filling ÷ loads | loads, collecting | pickle.dumps | encode | times as fast |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    if wants("integers") {
        dicts(written, "values", "integers", "i64", |&value: &i64| assert_eq!(value, 699_993));
    }
    if wants("records") {
        dicts(written, "records", "records", "Record", check);
    }
    if wants("lists") {
        lists(written);
    }
    println!();
}

fn lists(written: &Written) {
    let copied = |list: &Vec<Record>| once(|| list.clone());
    let list = written.message("list");
    row(
        written,
        "list",
        "list of 100 000 records, `Vec<Record>`",
        || decoded(&list),
        copied,
        |list: Vec<Record>| {
            assert_eq!(list.len(), 100_000);
            check(&list[99_999]);
        },
    );
    let copied = |list: &Vec<f64>| once(|| list.clone());
    let floats = written.message("floats");
    row(
        written,
        "floats",
        "list of 1 000 000 floats, `Vec<f64>`",
        || decoded(&floats),
        copied,
        |floats: Vec<f64>| {
            assert_eq!((floats.len(), floats[999_999]), (1_000_000, 499_999.5));
        },
    );
}

/// A dict of 100 000 entries as one map after the other.
fn dicts<V: Clone + Serialize + DeserializeOwned>(
    written: &Written,
    name: &str,
    what: &str,
    value: &str,
    check: impl Fn(&V),
) {
    let message = &written.message(name);
    let last = |map: HashMap<String, V>| {
        assert_eq!(map.len(), 100_000);
        check(&map["key 99999"]);
    };
    type Quick = ahash::RandomState;
    let dict = format!("dict of 100 000 {what}, `HashMap<String, {value}>`");
    row(written, name, &dict, || decoded(message), filled::<HashMap<String, V>>, last);
    let map = format!("the same, `HashMap<String, {value}, ahash::RandomState>`");
    row(written, name, &map, || decoded(message), filled::<HashMap<String, V, Quick>>, last);
    let map = format!("the same, `IndexMap<String, {value}>`");
    row(written, name, &map, || decoded(message), filled::<IndexMap<String, V>>, last);
    let map = format!("the same, `IndexMap<String, {value}, ahash::RandomState>`");
    row(written, name, &map, || decoded(message), filled::<IndexMap<String, V, Quick>>, last);

    let map = format!("with `serde_map`, `HashMap<String, {value}>`");
    row(written, name, &map, || decoded::<Roomy<_>>(message).0, filled_at_once::<HashMap<String, V>>, last);
    let map = format!("with `serde_map`, `HashMap<String, {value}, ahash::RandomState>`");
    row(written, name, &map, || decoded::<Roomy<_>>(message).0, filled_at_once::<HashMap<String, V, Quick>>, last);
    let map = format!("with `serde_map`, `IndexMap<String, {value}>`");
    row(written, name, &map, || decoded::<Roomy<_>>(message).0, filled_at_once::<IndexMap<String, V>>, last);
    let map = format!("with `serde_map` and `decode_ref`, `HashMap<&str, {value}>`");
    row(written, name, &map, || borrowed(message), filled_at_once::<HashMap<&str, V>>, last);
}

/// A map with room made for all of its entries at once.
#[derive(Deserialize)]
#[serde(bound = "M: Map<Key = String, Value: DeserializeOwned>")]
struct Roomy<M>(#[serde(deserialize_with = "outband::serde_map::deserialize")] M);

/// One with keys that lie in the message.
#[derive(Deserialize)]
#[serde(bound = "V: DeserializeOwned")]
struct Borrowed<'a, V>(#[serde(borrow, deserialize_with = "outband::serde_map::deserialize")] HashMap<&'a str, V>);

/// Decodes so often what the table has under this name, into a map as serde fills it, with room for all or with borrowed keys, does
/// nothing else, and says how long it took at best.
pub(super) fn alone(written: &Written, name: &str, count: usize) {
    let (kind, name) = name.split_once('-').map_or(("", name), |(kind, name)| (kind, name));
    let message = &written.message(name);
    match (kind, name) {
        ("", "values") => repeat(count, || decoded::<HashMap<String, i64>>(message)),
        ("", "records") => repeat(count, || decoded::<HashMap<String, Record>>(message)),
        ("", "list") => repeat(count, || decoded::<Vec<Record>>(message)),
        ("", "floats") => repeat(count, || decoded::<Vec<f64>>(message)),
        ("roomy", "values") => repeat(count, || decoded::<Roomy<HashMap<String, i64>>>(message)),
        ("roomy", "records") => repeat(count, || decoded::<Roomy<HashMap<String, Record>>>(message)),
        ("borrowed", "values") => repeat(count, || borrowed::<i64>(message)),
        ("borrowed", "records") => repeat(count, || borrowed::<Record>(message)),
        _ => panic!("{kind} {name}: no such message"),
    }
}

fn repeat<R>(count: usize, decode: impl Fn() -> R) {
    let best = std::iter::repeat_with(|| once(&decode)).take(count).fold(f64::INFINITY, f64::min);
    println!("{:.2} ms at best", best * 1e3);
}

/// A map, as programs have them.
trait Map: Default + IntoIterator<Item = (Self::Key, Self::Value)> + Extend<(Self::Key, Self::Value)> {
    type Key;
    type Value;
    fn with_capacity(capacity: usize) -> Self;
    fn insert(&mut self, key: Self::Key, value: Self::Value);
    fn entries(&self) -> Vec<(Self::Key, Self::Value)>;
}

macro_rules! impl_map {
    ($($map:ident)*) => {
        $(
            impl<K: Clone + Eq + Hash, V: Clone, S: BuildHasher + Default> Map for $map<K, V, S> {
                type Key = K;
                type Value = V;

                fn with_capacity(capacity: usize) -> Self {
                    Self::with_capacity_and_hasher(capacity, S::default())
                }

                fn insert(&mut self, key: K, value: V) {
                    self.insert(key, value);
                }

                fn entries(&self) -> Vec<(K, V)> {
                    self.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
                }
            }
        )*
    };
}

impl_map! { HashMap IndexMap }

/// What it takes to move ready keys and values into a map as serde does it: with room for a mebibyte at first.
fn filled<M: Map<Key: AsRef<str> + Clone, Value: Clone>>(map: &M) -> f64 {
    filled_from(map, (1 << 20) / size_of::<(M::Key, M::Value)>())
}

/// The same with room for all of them.
fn filled_at_once<M: Map<Key: AsRef<str> + Clone, Value: Clone>>(map: &M) -> f64 {
    filled_from(map, 100_000)
}

/// In the order of the message. No key is made and no value.
fn filled_from<M: Map<Key: AsRef<str> + Clone, Value: Clone>>(map: &M, capacity: usize) -> f64 {
    let mut entries = map.entries();
    assert_eq!(entries.len(), 100_000);
    entries.sort_by_key(|(key, _)| (key.as_ref().len(), key.as_ref().to_owned()));
    // keys and values that lie in the order of the message, too
    let ready = entries.clone();
    once(|| {
        let mut filled = M::with_capacity(capacity);
        for (key, value) in ready {
            filled.insert(key, value);
        }
        filled
    })
}

fn check(last: &Record) {
    assert_eq!((last.id, last.name.as_str(), last.price, last.live), (99_999, "name 99999", 24_999.75, true));
}

fn decoded<T: DeserializeOwned>(message: &Multipart) -> T {
    Pickle::new().decode(message.clone()).unwrap()
}

fn borrowed<V: DeserializeOwned>(message: &Multipart) -> HashMap<&str, V> {
    Pickle::new().decode_ref::<Borrowed<'_, V>>(message).unwrap().0
}

fn row<T: Serialize, O: DeserializeOwned>(
    written: &Written,
    name: &str,
    what: &str,
    decode: impl Fn() -> T,
    fill: impl Fn(&T) -> f64,
    check: impl Fn(O),
) {
    let codec = Pickle::new();
    let value = decode();
    check(decoded(&codec.encode(&value).unwrap()));
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
