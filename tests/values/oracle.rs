//! Random values come back as they do from a naive codec that keeps every buffer in band.
//!
//! The oracle is plain `rmp_serde`. The seed is printed; `OUTBAND_SEED` repeats a run.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Debug;

use outband::{Buffer, Decode, Encode, Limits, MsgPack, Multipart, Pickle, Placement, memory};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::random::Random;

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Wide(i128),
    Char(char),
    Text(String),
    Bytes(ByteBuf),
    Buffer(Buffer),
    Maybe(Option<Box<Value>>),
    List(Vec<Value>),
    Map(BTreeMap<String, Value>),
    Table(BTreeMap<u16, Value>),
    Pair(Box<Value>, Buffer),
    Named { label: String, value: Box<Value>, buffer: Option<Buffer> },
    Inside(Tagged),
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(tag = "kind")]
enum Tagged {
    Nothing,
    Image { pixels: Buffer },
    Flat(Flat),
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
struct Flat {
    id: u32,
    #[serde(flatten)]
    rest: BTreeMap<String, Buffer>,
}

/// Everything that an untagged enum can tell apart.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(untagged)]
enum Loose {
    Null(()),
    Bool(bool),
    Uint(u64),
    Int(i64),
    Float(f64),
    List(Vec<Loose>),
    Map(BTreeMap<String, Loose>),
    Text(String),
    Buffer(Buffer),
}

/// Makes values, and buffers that are new, shared, or parts of others.
struct Source {
    random: Random,
    pool: Vec<Buffer>,
}

impl Source {
    fn seeded(seed: u64) -> Self {
        Self { random: Random::seeded(seed), pool: Vec::new() }
    }

    fn buffer(&mut self) -> Buffer {
        let random = &mut self.random;
        let one_of = |pool: &[Buffer], random: &mut Random| pool[random.below(pool.len())].clone();
        match random.below(4) {
            0 if !self.pool.is_empty() => one_of(&self.pool, random),
            1 if !self.pool.is_empty() => {
                let whole = one_of(&self.pool, random);
                let start = random.below(whole.len());
                whole.slice(start..start + 1 + random.below(whole.len() - start))
            }
            _ => {
                let longest = [4, 100, 300, 3000][random.below(4)];
                // never text: an untagged enum could not tell
                let bytes = (0..=random.below(longest)).map(|_| random.next() as u8 | 0x80).collect::<Vec<_>>();
                let buffer = Buffer::from(bytes);
                self.pool.push(buffer.clone());
                buffer
            }
        }
    }

    fn text(&mut self) -> String {
        let len = [0, 3, 40, 300][self.random.below(4)];
        (0..len).map(|_| ['a', 'ß', '語', '🦀', '"'][self.random.below(5)]).collect()
    }

    fn value(&mut self, depth: usize) -> Value {
        let len = self.random.below(5);
        match self.random.below(if depth == 0 { 11 } else { 18 }) {
            0 => Value::Null,
            1 => Value::Bool(self.random.below(2) == 1),
            2 => Value::Int(self.random.next() as i64 >> self.random.below(64)),
            3 => Value::Uint(self.random.next() >> self.random.below(64)),
            4 => Value::Float((self.random.next() as i64) as f64 / 3.0),
            5 => Value::Wide(i128::from(self.random.next()) << self.random.below(60)),
            6 => Value::Char(char::from_u32(self.random.below(0xd000) as u32).unwrap()),
            7 => Value::Text(self.text()),
            8 => Value::Bytes(ByteBuf::from(self.buffer().to_vec())),
            9 => Value::Buffer(self.buffer()),
            10 => Value::Inside(self.tagged()),
            11 => Value::Maybe((len > 1).then(|| self.value(depth - 1).into())),
            12 | 13 => Value::List((0..len).map(|_| self.value(depth - 1)).collect()),
            14 => Value::Map((0..len).map(|_| (self.text(), self.value(depth - 1))).collect()),
            15 => Value::Table((0..len).map(|_| (self.random.next() as u16, self.value(depth - 1))).collect()),
            16 => Value::Pair(self.value(depth - 1).into(), self.buffer()),
            _ => Value::Named {
                label: self.text(),
                value: self.value(depth - 1).into(),
                buffer: (len > 1).then(|| self.buffer()),
            },
        }
    }

    fn tagged(&mut self) -> Tagged {
        match self.random.below(3) {
            0 => Tagged::Nothing,
            1 => Tagged::Image { pixels: self.buffer() },
            _ => {
                let rest = (0..self.random.below(3)).map(|key| (format!("key {key}"), self.buffer())).collect();
                Tagged::Flat(Flat { id: self.random.next() as u32, rest })
            }
        }
    }

    fn loose(&mut self, depth: usize) -> Loose {
        let len = self.random.below(5);
        match self.random.below(if depth == 0 { 7 } else { 11 }) {
            0 => Loose::Null(()),
            1 => Loose::Bool(self.random.below(2) == 1),
            2 => Loose::Uint(self.random.next() >> self.random.below(64)),
            3 => Loose::Int(-1 - (self.random.next() >> 1) as i64),
            4 => Loose::Float((self.random.next() as i64) as f64 / 3.0),
            5 => Loose::Text(self.text()),
            6 | 7 => Loose::Buffer(self.buffer()),
            8 | 9 => Loose::List((0..len).map(|_| self.loose(depth - 1)).collect()),
            _ => Loose::Map((0..len).map(|_| (self.text(), self.loose(depth - 1))).collect()),
        }
    }
}

/// The buffers of a value in the order of serialization.
trait Buffers {
    fn buffers<'v>(&'v self, found: &mut Vec<&'v Buffer>);
}

impl Buffers for Value {
    fn buffers<'v>(&'v self, found: &mut Vec<&'v Buffer>) {
        match self {
            Value::Buffer(buffer) | Value::Inside(Tagged::Image { pixels: buffer }) => found.push(buffer),
            Value::Inside(Tagged::Flat(flat)) => found.extend(flat.rest.values()),
            Value::Maybe(value) => value.iter().for_each(|value| value.buffers(found)),
            Value::List(values) => values.iter().for_each(|value| value.buffers(found)),
            Value::Map(values) => values.values().for_each(|value| value.buffers(found)),
            Value::Table(values) => values.values().for_each(|value| value.buffers(found)),
            Value::Pair(value, buffer) => {
                value.buffers(found);
                found.push(buffer);
            }
            Value::Named { value, buffer, .. } => {
                value.buffers(found);
                found.extend(buffer);
            }
            _ => {}
        }
    }
}

impl Buffers for Loose {
    fn buffers<'v>(&'v self, found: &mut Vec<&'v Buffer>) {
        match self {
            Loose::Buffer(buffer) => found.push(buffer),
            Loose::List(values) => values.iter().for_each(|value| value.buffers(found)),
            Loose::Map(values) => values.values().for_each(|value| value.buffers(found)),
            _ => {}
        }
    }
}

fn agrees_with_the_oracle<T>(value: &T, random: &mut Random)
where
    T: Buffers + Serialize + DeserializeOwned + PartialEq + Debug,
{
    let naive = rmp_serde::to_vec_named(value).unwrap();
    assert_eq!(&rmp_serde::from_slice::<T>(&naive).unwrap(), value);
    let in_band = MsgPack::new().out_of_band_from(usize::MAX).encode(value).unwrap();
    assert_eq!((&in_band.metadata()[..], in_band.buffers().len()), (&naive[..], 0));
    assert_eq!(&outband::from_multipart::<T>(in_band).unwrap(), value);

    let (threshold, salt) = (random.below(400), random.next());
    let by_index = move |index: usize| match (salt >> (index % 64)) & 1 {
        0 => Placement::InBand,
        _ => Placement::OutOfBand,
    };
    let by_threshold = move |len: usize| if len >= threshold { Placement::OutOfBand } else { Placement::InBand };
    let use_index = random.below(2) == 0;
    let placed =
        |(index, buffer): (usize, &&Buffer)| if use_index { by_index(index) } else { by_threshold(buffer.len()) };

    let msgpack = match use_index {
        true => MsgPack::new().placement(move |buffer| by_index(buffer.index())),
        false => MsgPack::new().out_of_band_from(threshold),
    };
    let message = travels(&msgpack, value, placed);
    assert_eq!(&msgpack.decode_ref::<T>(&message).unwrap(), value);
    let mut stream = Vec::new();
    message.write_to(&mut stream).unwrap();
    assert_eq!(&outband::from_multipart::<T>(Multipart::read_from(&mut &stream[..]).unwrap()).unwrap(), value);

    let pickle = match use_index {
        true => Pickle::new().placement(move |buffer| by_index(buffer.index())),
        false => Pickle::new().out_of_band_from(threshold),
    };
    travels(&pickle, value, placed);
    let alone = Encode::<T>::encode_in_band(&pickle, value).unwrap();
    assert_eq!((&Decode::<T>::decode(&pickle, alone.clone()).unwrap(), alone.buffers().len()), (value, 0));
}

/// Encodes a value whose buffers are placed so, and decodes it again.
fn travels<T, C>(codec: &C, value: &T, placed: impl Fn((usize, &&Buffer)) -> Placement) -> Multipart
where
    T: Buffers + PartialEq + Debug,
    C: Encode<T> + Decode<T>,
{
    let mut buffers = Vec::new();
    value.buffers(&mut buffers);
    let mut seen = HashSet::new();
    let out = buffers.iter().enumerate().filter(|&(index, buffer)| placed((index, buffer)) == Placement::OutOfBand);
    let expected: Vec<_> =
        out.map(|(_, buffer)| (buffer.as_ptr(), buffer.len())).filter(|&frame| seen.insert(frame)).collect();
    let copied = memory::copied_bytes();
    let message = codec.encode(value).unwrap();
    let written_in_band: usize = buffers
        .iter()
        .enumerate()
        .filter(|&(index, buffer)| placed((index, buffer)) == Placement::InBand)
        .map(|(_, buffer)| buffer.len())
        .sum();
    assert_eq!(memory::copied_bytes() - copied, written_in_band as u64);
    let frames: Vec<_> = message.buffers().iter().map(|buffer| (buffer.as_ptr(), buffer.len())).collect();
    assert_eq!(frames, expected, "one frame for each distinct buffer, in order");

    let back: T = codec.decode(message.clone()).unwrap();
    assert_eq!(&back, value);
    let mut shared = Vec::new();
    back.buffers(&mut shared);
    for (index, (buffer, original)) in shared.iter().zip(&buffers).enumerate() {
        if placed((index, original)) == Placement::OutOfBand {
            assert_eq!(buffer.as_ptr(), original.as_ptr(), "an out-of-band buffer is the frame itself");
        }
    }
    message
}

#[test]
fn random_values_agree_with_the_naive_codec() {
    let mut source = Source::seeded(11);
    for _ in 0..1500 {
        source.pool.truncate(6);
        let depth = source.random.below(6);
        let value = source.value(depth);
        agrees_with_the_oracle(&value, &mut source.random);
    }
}

#[test]
fn random_untagged_values_agree_with_the_naive_codec() {
    let mut source = Source::seeded(12);
    for _ in 0..1000 {
        source.pool.truncate(6);
        let depth = source.random.below(5);
        let value = source.loose(depth);
        agrees_with_the_oracle(&value, &mut source.random);
    }
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Unit;

#[derive(Serialize, Deserialize, PartialEq, Debug)]
enum Chain {
    Unit(Unit),
    Empty(Vec<u8>),
    Buffer(Buffer),
    Next(Box<Chain>),
    Pair(u8, Box<Chain>),
    Named { next: Box<Chain> },
}

#[test]
fn what_the_sender_lets_through_no_receiver_finds_too_deep() {
    let innermost: [fn() -> Chain; 3] =
        [|| Chain::Unit(Unit), || Chain::Empty(vec![]), || Chain::Buffer(Buffer::from(vec![1; 10]))];
    type Wrap = fn(Chain) -> Chain;
    let wraps: [(Wrap, usize); 3] = [
        (|chain| Chain::Next(chain.into()), 1),
        (|chain| Chain::Pair(1, chain.into()), 2),
        (|chain| Chain::Named { next: chain.into() }, 2),
    ];
    let codec = MsgPack::new().out_of_band_from(0).limits(Limits::new().depth(20));
    for (inner, levels) in innermost.iter().zip([2, 2, 1]) {
        for (wrap, each) in wraps {
            for count in 0..25 {
                let value = (0..count).fold(inner(), |chain, _| wrap(chain));
                let encoded = codec.encode(&value);
                assert_eq!(encoded.is_ok(), levels + count * each <= 20, "{count} times {each} levels around {levels}");
                match encoded {
                    Ok(message) => assert_eq!(Decode::<Chain>::decode(&codec, message).unwrap(), value),
                    Err(error) => {
                        assert!(error.is_limit(), "{error}");
                        assert_eq!(error.to_string(), "the value is nested deeper than the limit of 20 (depth)");
                    }
                }
            }
        }
    }
    // a unit is `None` in Python, and no list without elements
    let (pickle, looser) = (Pickle::new().limits(Limits::new().depth(20)), Pickle::new());
    for (inner, levels) in innermost.iter().zip([1, 2, 1]) {
        for (wrap, each) in wraps {
            for count in 0..25 {
                let value = (0..count).fold(inner(), |chain, _| wrap(chain));
                let decoded: outband::Result<Chain> = pickle.decode(looser.encode(&value).unwrap());
                let encoded = pickle.encode(&value);
                assert_eq!(encoded.is_ok(), levels + count * each <= 20, "{count} times {each} levels around {levels}");
                assert_eq!(decoded.is_ok(), encoded.is_ok(), "{count} times {each} levels around {levels}");
                if let Err(error) = encoded {
                    assert_eq!(error.to_string(), "the value is nested deeper than the limit of 20 (depth)");
                }
            }
        }
    }
    let deep = (0..500).fold(serde_json::Value::Null, |value, _| serde_json::Value::Array(vec![value]));
    assert!(outband::to_multipart(&deep).unwrap_err().is_limit());
}
