//! Straight from the opcodes or over the graph: the same values, and no value where the graph has none.
//!
//! Pickles that are made here at random, the golden ones, and both with bytes changed, cut out and put in, decoded as types that
//! look at everything, at nothing, at a part, and that go on where something does not fit.

#![cfg(test)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::fs;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;

use serde::de::{DeserializeOwned, EnumAccess, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::decode;
use crate::codec::{Decode, Pickle};
use crate::limits::Limits;
use crate::multipart::Multipart;
use crate::pickle::opcode as op;
use crate::python::Kind;
use crate::python::arrive::{self, Told};

/// What any value is to serde, by bits and in order.
#[derive(Clone, Debug)]
#[expect(dead_code, reason = "compared as text")]
enum Any {
    Unit,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(u64),
    Text(String),
    Bytes(Vec<u8>),
    Sequence(Option<usize>, Vec<Any>),
    Map(Option<usize>, Vec<(Any, Any)>),
}

struct AnyVisitor;

impl<'de> Visitor<'de> for AnyVisitor {
    type Value = Any;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E>(self) -> Result<Any, E> {
        Ok(Any::Unit)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Any, E> {
        Ok(Any::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Any, E> {
        Ok(Any::Signed(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Any, E> {
        Ok(Any::Unsigned(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Any, E> {
        Ok(Any::Float(value.to_bits()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Any, E> {
        Ok(Any::Text(text.to_owned()))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Any, E> {
        Ok(Any::Bytes(bytes.to_vec()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Any, A::Error> {
        let (hint, mut elements) = (seq.size_hint(), Vec::new());
        while let Some(element) = seq.next_element()? {
            elements.push(element);
        }
        Ok(Any::Sequence(hint, elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Any, A::Error> {
        let (hint, mut entries) = (map.size_hint(), Vec::new());
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Any::Map(hint, entries))
    }
}

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyVisitor)
    }
}

/// What a value is to who asks what it is in Python, as `Value` does, and whether it was there before.
#[derive(Clone, Debug)]
#[expect(dead_code, reason = "compared as text")]
enum Asked {
    Plain(Shown),
    New(Option<Kind>, Shown),
    Shared(Box<Asked>),
}

#[derive(Clone, Debug)]
#[expect(dead_code, reason = "compared as text")]
enum Shown {
    Leaf(Any),
    Sequence(Vec<Asked>),
    Map(Vec<(Asked, Asked)>),
}

struct ShownVisitor;

impl<'de> Visitor<'de> for ShownVisitor {
    type Value = Shown;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E>(self) -> Result<Shown, E> {
        Ok(Shown::Leaf(Any::Unit))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Shown, E> {
        Ok(Shown::Leaf(Any::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Shown, E> {
        Ok(Shown::Leaf(Any::Signed(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Shown, E> {
        Ok(Shown::Leaf(Any::Unsigned(value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Shown, E> {
        Ok(Shown::Leaf(Any::Float(value.to_bits())))
    }

    fn visit_str<E>(self, text: &str) -> Result<Shown, E> {
        Ok(Shown::Leaf(Any::Text(text.to_owned())))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Shown, E> {
        Ok(Shown::Leaf(Any::Bytes(bytes.to_vec())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Shown, A::Error> {
        arrive::stop_asking();
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element()? {
            elements.push(element);
        }
        Ok(Shown::Sequence(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shown, A::Error> {
        arrive::stop_asking();
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Shown::Map(entries))
    }
}

impl<'de> Deserialize<'de> for Asked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let question = arrive::ask();
        let shown = deserializer.deserialize_any(ShownVisitor)?;
        Ok(match question.answer() {
            None => Self::Plain(shown),
            Some(Told::Known(owner)) => Self::Shared(Box::new(Self::clone(owner.downcast_ref().unwrap()))),
            Some(Told::New { kind, place: None }) => Self::New(kind, shown),
            Some(Told::New { kind, place: Some(place) }) => {
                let new = Self::New(kind, shown);
                place.set(Arc::new(new.clone())).unwrap();
                Self::Shared(Box::new(new))
            }
        })
    }
}

/// A type that does not look at its value.
#[derive(Debug)]
struct Blind;

impl<'de> Deserialize<'de> for Blind {
    fn deserialize<D: Deserializer<'de>>(_deserializer: D) -> Result<Self, D::Error> {
        Ok(Self)
    }
}

/// A type that goes on without what does not fit.
#[derive(Debug)]
struct Lenient<T>(Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(T::deserialize(deserializer).ok()))
    }
}

/// A type that looks at one entry of a map, or at the name of a variant.
#[derive(Debug)]
struct Glance<const ENUM: bool>(#[expect(dead_code, reason = "compared as text")] Option<Any>);

impl<'de, const ENUM: bool> Visitor<'de> for Glance<ENUM> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        map.next_key().map(Self)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Self, A::Error> {
        data.variant().map(|(name, _)| Self(Some(name)))
    }
}

impl<'de, const ENUM: bool> Deserialize<'de> for Glance<ENUM> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match ENUM {
            true => deserializer.deserialize_enum("Glance", &[], Self(None)),
            false => deserializer.deserialize_map(Self(None)),
        }
    }
}

/// Types of one's own.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "compared as text")]
struct Record {
    id: Option<i16>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    tags: Vec<Lenient<Record>>,
    #[serde(default)]
    kind: Option<Choice>,
    #[serde(flatten)]
    rest: BTreeMap<String, IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "compared as text")]
enum Choice {
    Id,
    Name(String),
    Tags(i64, f32),
    Kind { id: Option<u8> },
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "compared as text")]
enum Untagged {
    Number(f64),
    Pair(bool, u8),
    Record(Box<Record>),
    Choice(Choice),
    Other(Any),
}

/// Decodes both ways; whether it went straight.
fn check<T: DeserializeOwned + Debug>(data: &[u8], limits: &Limits) -> bool {
    let codec = Pickle::new().limits(*limits);
    let graph = codec.build_from_graph(data, &[], PhantomData::<T>).map(|value| format!("{value:?}"));
    let graph = graph.map_err(|error| (error.kind(), error.to_string()));
    let straight: Option<T> = decode(data, limits);
    if let Some(value) = &straight {
        assert_eq!(Ok(format!("{value:?}")), graph, "{}", data.escape_ascii());
    }
    // and as anybody decodes, with the same words where it is refused
    if limits.check_metadata(data.len() as u64).is_ok() {
        let message = Multipart::new(data.to_vec(), vec![]);
        for decoded in [codec.decode_ref::<T>(&message), codec.decode(message.clone())] {
            let decoded = decoded.map(|value| format!("{value:?}")).map_err(|error| (error.kind(), error.to_string()));
            assert_eq!(decoded, graph, "{}", data.escape_ascii());
        }
    }
    straight.is_some()
}

/// As all types; whether it went straight as one that looks at everything.
fn check_all(data: &[u8], limits: &Limits) -> bool {
    check::<Asked>(data, limits);
    check::<(Asked, Any)>(data, limits);
    check::<BTreeMap<String, Asked>>(data, limits);
    check::<IgnoredAny>(data, limits);
    check::<Blind>(data, limits);
    check::<Vec<Blind>>(data, limits);
    check::<Vec<Option<Blind>>>(data, limits);
    check::<Vec<Lenient<i8>>>(data, limits);
    check::<Vec<Lenient<Vec<u16>>>>(data, limits);
    check::<Lenient<BTreeMap<String, Lenient<(String, Untagged)>>>>(data, limits);
    check::<Vec<Glance<false>>>(data, limits);
    check::<Vec<Glance<true>>>(data, limits);
    check::<BTreeMap<String, Glance<true>>>(data, limits);
    check::<Record>(data, limits);
    check::<Vec<Record>>(data, limits);
    check::<BTreeMap<String, Record>>(data, limits);
    check::<Vec<Untagged>>(data, limits);
    check::<Choice>(data, limits);
    check::<(Choice, Option<bool>, char)>(data, limits);
    check::<BTreeMap<String, (i128, u128)>>(data, limits);
    check::<BTreeMap<String, serde_bytes::ByteBuf>>(data, limits);
    check::<Any>(data, limits)
}

/// A generator of numbers that look random: SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// Writes plain pickles in every way that they can be written.
struct Writer {
    random: Random,
    data: Vec<u8>,
    memo: usize,
    /// Entries that are text or bytes.
    fetched: Vec<usize>,
}

const WORDS: [&str; 8] = [
    "id",
    "name",
    "tags",
    "kind",
    "",
    "größe",
    "€ 😀",
    "a text of some length, longer than sixty-three bytes, to be told",
];

impl Writer {
    fn pickle(seed: u64) -> Vec<u8> {
        let mut writer = Self { random: Random(seed), data: vec![op::PROTO, 4], memo: 0, fetched: Vec::new() };
        writer.value(5);
        writer.data.push(op::STOP);
        let body = writer.data.split_off(2);
        if writer.random.below(2) == 0 {
            let (first, second) = body.split_at(writer.whole(&body));
            for frame in [first, second].into_iter().filter(|frame| !frame.is_empty()) {
                writer.data.push(op::FRAME);
                writer.data.extend((frame.len() as u64).to_le_bytes());
                writer.data.extend(frame);
            }
        } else {
            writer.data.extend(body);
        }
        writer.data
    }

    /// Where a frame may end: behind the first opcode, if that is one byte long, or at the end.
    fn whole(&self, body: &[u8]) -> usize {
        if matches!(body[0], op::EMPTY_DICT | op::EMPTY_LIST | op::MARK | op::NONE) { 1 } else { body.len() }
    }

    fn memoize(&mut self, is_fetched: bool) {
        match self.random.below(4) {
            0 | 1 => self.data.push(op::MEMOIZE),
            2 if self.memo < 256 => self.data.extend([op::BINPUT, self.memo as u8]),
            2 => {
                self.data.push(op::LONG_BINPUT);
                self.data.extend((self.memo as u32).to_le_bytes());
            }
            _ => return,
        }
        if is_fetched {
            self.fetched.push(self.memo);
        }
        self.memo += 1;
    }

    fn text(&mut self) {
        if !self.fetched.is_empty() && self.random.below(3) == 0 {
            let number = self.fetched[self.random.below(self.fetched.len())];
            if number < 256 && self.random.below(4) > 0 {
                self.data.extend([op::BINGET, number as u8]);
            } else {
                self.data.push(op::LONG_BINGET);
                self.data.extend((number as u32).to_le_bytes());
            }
            return;
        }
        let word = WORDS[self.random.below(WORDS.len())];
        match self.random.below(8) {
            0 => self.long(op::BINUNICODE, 4, word.as_bytes()),
            1 => self.long(op::BINUNICODE8, 8, word.as_bytes()),
            _ => self.long(op::SHORT_BINUNICODE, 1, word.as_bytes()),
        }
        self.memoize(true);
    }

    fn long(&mut self, opcode: u8, width: usize, bytes: &[u8]) {
        self.data.push(opcode);
        self.data.extend(&bytes.len().to_le_bytes()[..width]);
        self.data.extend(bytes);
    }

    fn value(&mut self, depth: usize) {
        let kinds = if depth == 0 { 11 } else { 18 };
        match self.random.below(kinds) {
            0 => self.data.push([op::NONE, op::NEWTRUE, op::NEWFALSE, op::EMPTY_TUPLE][self.random.below(4)]),
            1 => self.data.extend([op::BININT1, self.random.next() as u8]),
            2 => {
                self.data.push(op::BININT2);
                self.data.extend((self.random.next() as u16).to_le_bytes());
            }
            3 => {
                self.data.push(op::BININT);
                self.data.extend((self.random.next() as i32).to_le_bytes());
            }
            4 => {
                let len = self.random.below(9);
                let bytes = self.random.next().to_le_bytes();
                self.long(op::LONG1, 1, &bytes[..len]);
            }
            5 => {
                self.data.push(op::BINFLOAT);
                self.data.extend(self.random.next().to_be_bytes());
            }
            6 => {
                let opcode = [op::SHORT_BINBYTES, op::BINBYTES, op::BINBYTES8, op::BYTEARRAY8][self.random.below(4)];
                let width = match opcode {
                    op::SHORT_BINBYTES => 1,
                    op::BINBYTES => 4,
                    _ => 8,
                };
                let len = self.random.below(80);
                self.long(opcode, width, &vec![b'b'; len]);
                self.memoize(opcode != op::BYTEARRAY8);
            }
            7..=10 => self.text(),
            11 | 12 => self.growing(op::EMPTY_LIST, 1, op::APPENDS, Some(op::APPEND), depth),
            13..=15 => self.growing(op::EMPTY_DICT, 2, op::SETITEMS, Some(op::SETITEM), depth),
            16 if self.random.below(2) == 0 => self.growing(op::EMPTY_SET, 1, op::ADDITEMS, None, depth),
            16 => self.marked(op::FROZENSET, depth),
            _ => match self.random.below(4) {
                0 => self.marked(op::TUPLE, depth),
                len => {
                    (0..len).for_each(|_| self.value(depth - 1));
                    self.data.push([op::TUPLE1, op::TUPLE2, op::TUPLE3][len - 1]);
                    self.memoize(false);
                }
            },
        }
    }

    fn marked(&mut self, end: u8, depth: usize) {
        self.data.push(op::MARK);
        (0..self.random.below(6)).for_each(|_| self.value(depth - 1));
        self.data.push(end);
        self.memoize(false);
    }

    /// A container that grows by one, by several, or by none at a time.
    fn growing(&mut self, start: u8, each: usize, several: u8, one: Option<u8>, depth: usize) {
        self.data.push(start);
        self.memoize(false);
        for _ in 0..self.random.below(3) {
            match one.filter(|_| self.random.below(2) == 0) {
                Some(one) => {
                    self.entry(each, depth);
                    self.data.push(one);
                }
                None => {
                    self.data.push(op::MARK);
                    (0..self.random.below(5)).for_each(|_| self.entry(each, depth));
                    self.data.push(several);
                }
            }
        }
    }

    fn entry(&mut self, each: usize, depth: usize) {
        if each == 2 {
            match self.random.below(8) {
                0 => self.value(depth - 1),
                _ => self.text(),
            }
        }
        self.value(depth - 1);
    }
}

/// Changes a pickle in a few places.
fn mutate(data: &mut Vec<u8>, random: &mut Random, others: &[Vec<u8>]) {
    for _ in 0..=random.below(3) {
        let (at, byte) = (random.below(data.len()), random.next() as u8);
        match random.below(6) {
            0 => data[at] = byte,
            1 => data[at] ^= 1 << (byte & 7),
            2 => data.insert(at, byte),
            3 if data.len() > 1 => drop(data.remove(at)),
            4 => {
                let opcodes = crate::pickle::opcode::ALL;
                data.insert(at, opcodes[usize::from(byte) % opcodes.len()]);
            }
            _ => {
                let other = &others[random.below(others.len())];
                let from = random.below(other.len());
                data.splice(at..at, other[from..].iter().take(1 + random.below(20)).copied());
            }
        }
    }
}

fn golden() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pickle");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|ext| ext == "pickle")).collect();
    files.sort();
    files.iter().map(|path| fs::read(path).unwrap()).filter(|data| data.len() < 2000).collect()
}

/// As many as a debug build has time for, and more where it is quick.
const ROUNDS: u64 = if cfg!(debug_assertions) { 1500 } else { 20_000 };

#[test]
fn plain_pickles_are_read_straight_and_as_over_the_graph() {
    for seed in 0..ROUNDS {
        let data = Writer::pickle(seed);
        assert!(check_all(&data, &Limits::new()), "seed {seed}: {}", data.escape_ascii());
    }
}

#[test]
fn limits_are_those_of_the_graph() {
    let mut random = Random(1);
    let mut straight = 0;
    for seed in 0..ROUNDS {
        let data = Writer::pickle(seed);
        let bytes = data.len() + random.below(2 * data.len());
        let limits = Limits::new().depth(random.below(7)).metadata_bytes(bytes);
        straight += u64::from(check_all(&data, &limits));
    }
    assert!((ROUNDS / 10..ROUNDS).contains(&straight), "{straight}");
}

#[test]
fn whatever_is_changed_in_a_pickle_both_ways_agree() {
    let golden = golden();
    let (mut random, mut straight) = (Random(2), 0);
    let plain: Vec<_> = (0..ROUNDS).map(Writer::pickle).collect();
    let others: Vec<_> = golden.iter().chain(&plain[..100]).cloned().collect();
    for data in &golden {
        check_all(data, &Limits::new());
    }
    for data in plain.iter().chain(golden.iter().cycle().take(ROUNDS as usize)) {
        let mut data = data.clone();
        mutate(&mut data, &mut random, &others);
        straight += u64::from(check_all(&data, &Limits::new()));
    }
    assert!(straight > ROUNDS / 20, "{straight}");
}

#[test]
fn texts_of_every_length_are_read_wherever_they_end() {
    for len in 0..=40 {
        for tail in ["", "é", "€", "😀"] {
            let text = "0123456789".repeat(4)[..len].to_owned() + tail;
            let long = [&[op::BINUNICODE][..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
            let short = [&[op::SHORT_BINUNICODE, text.len() as u8][..], text.as_bytes()].concat();
            for behind in [&b"."[..], b"\x94.", b"\x94\x94\x94\x94\x94\x94\x94\x94\x94\x94."] {
                for value in [&short, &long] {
                    assert_eq!(decode::<String>(&[value, behind].concat(), &Limits::new()), Some(text.clone()));
                }
            }
            // the first bytes of a character, at the end of the text
            for cut in 1..tail.len() {
                let mut data = short.clone();
                data.truncate(short.len() - cut);
                data[1] -= cut as u8;
                assert_eq!(decode::<String>(&[&data, &b"."[..]].concat(), &Limits::new()), None);
                check::<String>(&[&data, &b"\x94\x94\x94\x94\x94\x94\x94\x94."[..]].concat(), &Limits::new());
            }
        }
    }
}

#[test]
fn what_follows_a_mark_and_is_not_all_leaves_counts_once() {
    // ("id", 7, {"id": "x"}, "x"), whose texts are the memo's 0 and 2
    let data = b"(\x8c\x02id\x94K\x07}\x94(h\0\x8c\x01x\x94uh\x02t.";
    let dict = BTreeMap::from([("id".to_owned(), "x".to_owned())]);
    let expected = ("id".to_owned(), 7, dict, "x".to_owned());
    assert_eq!(decode::<(String, i64, BTreeMap<String, String>, String)>(data, &Limits::new()), Some(expected));
    // as long as the limit, and what is fetched again over it
    let limit = |bytes| Limits::new().metadata_bytes(bytes);
    let least = data.len() + "id".len() + "x".len() + 2;
    assert!(check::<Any>(data, &limit(least)) && !check::<Any>(data, &limit(least - 1)));
}

#[test]
fn tuples_in_tuples_take_no_more_time_than_their_pickle_is_long() {
    // 20 000 lists in a tuple in a tuple in a tuple ...
    let data = [&b"("[..], &b"]".repeat(20_000), b"t", &b"\x85".repeat(20_000), b"."].concat();
    assert!(!check::<IgnoredAny>(&data, &Limits::new()));
    let data = [&b"("[..], &b"]".repeat(20_000), b"t", &b"\x85".repeat(9), b"."].concat();
    assert!(check::<IgnoredAny>(&data, &Limits::new()));
}
