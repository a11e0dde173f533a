//! `#[serde(with = "outband::serde_map")]`: map fields that get room for all of their entries before the first one.
//!
//! serde itself makes room for a mebibyte of entries, whatever is announced: it cannot know whether that is true. A
//! `HashMap` of 100 000 records then grows two or three times while it fills, and each time hashes every key again, from
//! places all over its memory. [`MsgPack`](crate::MsgPack) and [`Pickle`](crate::Pickle) announce what is there, so the room is made at once:
//! for as many entries as the map is said to have, up to [`MOST`] bytes of them, from where it grows as it always does. And entries go into
//! the map a few at once, so that the next one is not decoded while the processor waits for the map's memory. What that
//! saves is in [`docs::benchmarks`](crate::docs::benchmarks). Deserializers of other crates may pass on a length that nobody has checked: then
//! a few bytes of a stranger's make that room as well, once for each such field that they fill.
//!
//! Works on every map that is made of its entries: `HashMap` and `IndexMap` with any hasher, `BTreeMap`; keys may be borrowed.
//! `deserialize_with = "outband::serde_map::deserialize"` alone takes a `Vec` of pairs too, in the order of the message. A message that is a
//! map by itself takes a struct of one such field, `#[serde(transparent)]`.
//!
//! # Examples
//!
//! ```
//! use std::collections::HashMap;
//!
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, PartialEq, Debug)]
//! #[serde(transparent)]
//! struct Prices(#[serde(with = "outband::serde_map")] HashMap<String, f64>);
//!
//! let prices = Prices((0..100_000).map(|id| (format!("item {id}"), 0.25)).collect());
//! let message = outband::to_multipart(&prices)?;
//! let back: Prices = outband::from_multipart(message)?;
//! assert_eq!(back, prices);
//! # Ok::<(), outband::Error>(())
//! ```

use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};

/// The most bytes of entries that room is made for before the first one is there.
///
/// Entries that are all equal leave that room empty. There is no more of it than as many different ones would take, and hash tables
/// have up to 2.3 times as much.
pub const MOST: usize = 64 << 20;

/// For `#[serde(with)]`, `#[serde(serialize_with)]`: as the map serializes itself.
///
/// # Errors
///
/// What the serializer returns.
pub fn serialize<M: Serialize, S: Serializer>(map: &M, serializer: S) -> Result<S::Ok, S::Error> {
    map.serialize(serializer)
}

/// For `#[serde(with)]`, `#[serde(deserialize_with)]`.
///
/// # Errors
///
/// What the deserializer returns.
pub fn deserialize<'de, K, V, M, D>(deserializer: D) -> Result<M, D::Error>
where
    K: Deserialize<'de>,
    V: Deserialize<'de>,
    M: Default + Extend<(K, V)> + IntoIterator<Item = (K, V)>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_map(Filling(PhantomData))
}

struct Filling<M>(PhantomData<M>);

impl<'de, K, V, M> Visitor<'de> for Filling<M>
where
    K: Deserialize<'de>,
    V: Deserialize<'de>,
    M: Default + Extend<(K, V)> + IntoIterator<Item = (K, V)>,
{
    type Value = M;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<M, A::Error> {
        let mut map = M::default();
        let mut entries = Entries::new(access);
        map.extend(&mut entries);
        entries.failure.map_or(Ok(map), Err)
    }
}

/// The bytes of entries that are decoded before they go into a map: they fit into the innermost cache.
const BATCH: usize = 8 << 10;

/// The entries up to the first that is none.
///
/// An entry goes to a place at random in a map that is larger than the caches, and what decodes the next one would wait for that
/// memory. So entries are decoded a few at once, and moved one right after the other: then several are on their way.
struct Entries<K, V, A, E> {
    access: A,
    /// How many are announced and not yet handed out.
    left: usize,
    has_ended: bool,
    batch: VecDeque<(K, V)>,
    failure: Option<E>,
}

impl<'de, K, V, A> Entries<K, V, A, A::Error>
where
    K: Deserialize<'de>,
    V: Deserialize<'de>,
    A: MapAccess<'de>,
{
    fn new(access: A) -> Self {
        let left = access.size_hint().unwrap_or(0);
        let batch = VecDeque::with_capacity(left.min(Self::fitting(BATCH)));
        Self { access, left, has_ended: false, batch, failure: None }
    }

    /// How many entries so many bytes are: one at least.
    fn fitting(bytes: usize) -> usize {
        (bytes / size_of::<(K, V)>().max(1)).max(1)
    }

    #[inline(never)]
    fn decode(&mut self) {
        while !self.has_ended && self.batch.len() < Self::fitting(BATCH) {
            match self.access.next_entry() {
                Ok(Some(entry)) => {
                    self.batch.push_back(entry);
                    continue;
                }
                Ok(None) => {}
                Err(failure) => self.failure = Some(failure),
            }
            self.has_ended = true;
        }
    }
}

impl<'de, K, V, A> Iterator for Entries<K, V, A, A::Error>
where
    K: Deserialize<'de>,
    V: Deserialize<'de>,
    A: MapAccess<'de>,
{
    type Item = (K, V);

    #[inline(always)]
    fn next(&mut self) -> Option<(K, V)> {
        if self.batch.is_empty() {
            self.decode();
        }
        self.left = self.left.saturating_sub(1);
        self.batch.pop_front()
    }

    /// What a map makes room for.
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left.min(Self::fitting(MOST)), None)
    }
}
