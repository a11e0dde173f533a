//! Hostile pickles against several types at once, on a small stack and under an allocator that counts.

#![allow(dead_code, reason = "each test uses a part")]

use std::collections::BTreeMap;

use outband::{Array, Decode, Error, ErrorKind, Limits, Multipart, Pickle, Value};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::counting::{Usage, measure};
use crate::pickles;

/// What a pickle may have, also written out.
pub(crate) const LIMIT: usize = 64 << 10;

/// What decoding may allocate: 40 bytes for each of the values that are within the limit, and as much again while a list grows.
pub(crate) const MOST: usize = 128 * LIMIT;

pub(crate) fn codec() -> Pickle {
    pickles::allowing().limits(Limits::new().metadata_bytes(LIMIT).total_bytes(4 << 20))
}

/// What every refusal promises.
pub(crate) fn check(error: &Error) {
    assert!(matches!(error.kind(), ErrorKind::Peer | ErrorKind::Limits), "{error:?}");
    let text = error.to_string();
    assert!(!text.is_empty() && text.len() < 1024, "{} bytes of text: {text:.80}", text.len());
    assert!(!text.ends_with('.') && text.starts_with(|first: char| !first.is_uppercase()), "{text}");
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "read and not looked at")]
struct Typed {
    value: Array,
    #[serde(default)]
    id: Option<u64>,
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

#[derive(Default, Debug)]
pub(crate) struct Attack {
    pub(crate) refused: usize,
    pub(crate) accepted: usize,
    pub(crate) worst: Usage,
}

impl Attack {
    pub(crate) fn decode_as<T: DeserializeOwned>(&mut self, codec: &Pickle, message: &Multipart) -> Option<Error> {
        let message = message.clone();
        let (result, usage) = measure(|| Decode::<T>::decode(codec, message).map(drop));
        self.worst = self.worst.max(usage);
        match result {
            Ok(()) => {
                self.accepted += 1;
                None
            }
            Err(error) => {
                self.refused += 1;
                check(&error);
                Some(error)
            }
        }
    }

    pub(crate) fn decode(&mut self, codec: &Pickle, message: &Multipart) {
        self.decode_as::<Value>(codec, message);
        self.decode_as::<Typed>(codec, message);
        self.decode_as::<Vec<Option<(i64, String)>>>(codec, message);
    }

    pub(crate) fn finish(self) {
        println!("{self:?}");
        assert!(self.worst.peak <= MOST, "{self:?}");
    }
}
