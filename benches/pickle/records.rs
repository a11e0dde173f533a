//! Many small values, as telemetry and tables of settings have them.

use std::collections::HashMap;

use outband::{Decode, Encode, Multipart, Pickle};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Written, best};

/// What Python has as `{"id": 7, "name": "name 7", "price": 1.75, "live": False}`.
#[derive(Serialize, Deserialize)]
struct Record {
    id: u32,
    name: String,
    price: f64,
    live: bool,
}

pub(super) fn table(written: &Written) {
    println!("| message | pickle.loads | decode | times as fast | pickle.dumps | encode | times as fast |");
    println!("|---|---:|---:|---:|---:|---:|---:|");
    row(written, "values", "dict of 100 000 integers, `HashMap<String, i64>`", |map: &HashMap<String, i64>| {
        assert_eq!((map.len(), map["key 99999"]), (100_000, 699_993));
    });
    row(written, "records", "dict of 100 000 records, `HashMap<String, Record>`", |map: &HashMap<String, Record>| {
        assert_eq!(map.len(), 100_000);
        check(&map["key 99999"]);
    });
    row(written, "list", "list of 100 000 records, `Vec<Record>`", |list: &Vec<Record>| {
        assert_eq!(list.len(), 100_000);
        check(&list[99_999]);
    });
    row(written, "floats", "list of 1 000 000 floats, `Vec<f64>`", |floats: &Vec<f64>| {
        assert_eq!((floats.len(), floats[999_999]), (1_000_000, 499_999.5));
    });
    println!();
}

fn check(last: &Record) {
    assert_eq!((last.id, last.name.as_str(), last.price, last.live), (99_999, "name 99999", 24_999.75, true));
}

fn row<T: Serialize + DeserializeOwned>(written: &Written, name: &str, what: &str, check: impl Fn(&T)) {
    let codec = Pickle::new();
    let message = Multipart::new(written.file(name), vec![]);
    let decode = || Decode::<T>::decode(&codec, message.clone()).unwrap();
    let value = decode();
    check(&value);
    check(&codec.decode(codec.encode(&value).unwrap()).unwrap());
    let [loads, dumps] = ["loads", "dumps"].map(|does| written.seconds[&format!("{does} {name}")] * 1e3);
    let (decode, encode) = (best(15, decode) * 1e3, best(15, || codec.encode(&value).unwrap()) * 1e3);
    println!(
        "| {what} | {loads:.1} ms | {decode:.1} ms | {:.2} | {dumps:.1} ms | {encode:.1} ms | {:.2} |",
        loads / decode,
        dumps / encode,
    );
}
