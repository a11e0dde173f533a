//! Text as JSON: what `serde_json` reads is read alike, and what is read is written and read to the same.

#![no_main]

use std::borrow::Cow;
use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use outband::{Decode, Json, Limits, Multipart, Value};
use outband_fuzz::check::{alike, comes_back, decoded, refused};
use outband_fuzz::input::flags;
use outband_fuzz::shapes::{Adjacent, Chain, Fields, Flat, Internal, Untagged};
use outband_fuzz::value;
use serde::Serialize;
use serde::de::DeserializeOwned;

fuzz_target!(|data: &[u8]| {
    let (flags, text) = flags(data);
    let message = Multipart::new(text.to_vec(), vec![]);
    // `Value` says so much for each byte
    let most = (1 << 20) + 160 * text.len();
    if let Some(value) = decoded::<Value, _>(&codec(), &message, most) {
        value::holds(&value);
        comes_back(&written(), &value);
    }
    if let Ok(expected) = serde_json::from_slice::<serde_json::Value>(text) {
        match Decode::<serde_json::Value>::decode(&codec(), message.clone()) {
            Ok(value) => assert!(same(&value, &expected), "{value} is not {expected}"),
            Err(error) => assert!(error.is_limit(), "{error}"),
        }
    }
    alike([codec().decode_ref(&message), Decode::<Value>::decode_frame(&codec(), text)]);
    let _ = codec().decode_ref::<BTreeMap<Cow<'_, str>, &str>>(&message).map_err(|error| refused(&error));
    TARGETS[usize::from(flags) % TARGETS.len()](&message, most);
});

/// `-0` is an integer to Python and a float to `serde_json`.
fn same(a: &serde_json::Value, b: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Number, Object};
    match (a, b) {
        (Array(a), Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Object(a), Object(b)) => a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b))),
        (Number(a), Number(b)) => a == b || a.as_u64() == Some(0) && b.as_f64() == Some(0.0),
        (a, b) => a == b,
    }
}

fn codec() -> Json {
    Json::new().limits(Limits::new().metadata_bytes(1 << 20))
}

fn written() -> Json {
    Json::new().limits(value::wide()).buffers_in_band()
}

fn owned<T: DeserializeOwned + Serialize>(message: &Multipart, most: usize) {
    if let Some(value) = decoded::<T, _>(&codec(), message, most) {
        comes_back(&written(), &value);
    }
}

const TARGETS: &[fn(&Multipart, usize)] = &[
    owned::<Vec<f64>>,
    owned::<Vec<f32>>,
    owned::<Vec<(i128, u128, i64, u8)>>,
    owned::<BTreeMap<String, Option<String>>>,
    owned::<BTreeMap<i64, bool>>,
    owned::<BTreeMap<u128, char>>,
    owned::<BTreeMap<Option<bool>, Vec<char>>>,
    owned::<Untagged>,
    owned::<Vec<Internal>>,
    owned::<Vec<Adjacent>>,
    owned::<Flat>,
    owned::<Fields>,
    owned::<Chain>,
];
