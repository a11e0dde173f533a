//! Hostile messages end in a typed error or in a valid value: never in a panic, an abort or a large allocation.
//!
//! Everything here runs on a stack of 512 KiB, and every attempt is measured by an allocator that counts. The seed of the
//! sampled mutations is printed; `OUTBAND_SEED` repeats a run.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::marker::PhantomData;

use outband::{
    Buffer, Decode, Encode, Error, ErrorKind, Json, Limits, MsgPack, Multipart, Pickle, Placement, Result, Value,
};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize};
use serde_bytes::ByteBuf;

use crate::counting::{Usage, measure};
use crate::random::Random;
use crate::stack::{on_a_small_stack, on_a_stack_of};
use crate::values;
use crate::values::{Adjacent, Flat, FlatEnum, Image, Internal, Shape, Untagged, Visit, buffer};

const METADATA_LIMIT: usize = 1 << 20;

fn limits() -> Limits {
    Limits::new().metadata_bytes(METADATA_LIMIT).total_bytes(8 << 20).frames(1000)
}

fn codec() -> MsgPack {
    MsgPack::new().out_of_band_from(0).limits(limits())
}

/// Checks what every refusal promises.
fn check(error: &Error) {
    assert!(matches!(error.kind(), ErrorKind::Peer | ErrorKind::Limits), "{error:?}");
    let text = error.to_string();
    assert!(!text.is_empty() && text.len() < 1024, "{} bytes of text: {text:.80}", text.len());
    assert!(!text.ends_with('.') && text.starts_with(|first: char| !first.is_uppercase()), "{text}");
}

/// The account of an attack.
#[derive(Default, Debug)]
struct Attack {
    refused: usize,
    accepted: usize,
    worst: Usage,
}

impl Attack {
    fn attempt<R>(&mut self, run: impl FnOnce() -> Result<R>) -> Result<R> {
        let (result, usage) = measure(run);
        self.worst = self.worst.max(usage);
        match &result {
            Ok(_) => self.accepted += 1,
            Err(error) => {
                self.refused += 1;
                check(error);
            }
        }
        result
    }

    fn decode<T: DeserializeOwned>(&mut self, message: &Multipart) -> Result<T> {
        self.attempt(|| codec().decode(message.clone()))
    }

    /// Decodes into a type that must refuse.
    fn refused<T: DeserializeOwned>(&mut self, message: &Multipart, why: &str) -> Error {
        match self.decode::<T>(message) {
            Ok(_) => panic!("accepted: {why}"),
            Err(error) => error,
        }
    }

    fn every_target(&mut self, message: &Multipart) {
        for target in TARGETS {
            let _ = self.attempt(|| target(message));
        }
    }

    fn stayed_small(&self, what: &str) {
        println!("{what}: {self:?}");
        assert!(self.worst.peak < 2 * METADATA_LIMIT, "{what}: {self:?}");
    }
}

type Target = fn(&Multipart) -> Result<()>;

fn owned<T: DeserializeOwned>(message: &Multipart) -> Result<()> {
    let decoded = Decode::<T>::decode(&codec(), message.clone()).map(drop);
    // what is checked while it is built, where it lies or not, has to come to the same as what is checked before
    let told = |result: Result<()>| result.map_err(|error| error.to_string());
    let alone = Multipart::new(message.metadata().clone(), vec![]);
    let before = told(codec().decode_ref::<T>(&alone).map(drop));
    let in_place = Decode::<T>::decode_frame(&codec(), message.metadata()).map(drop);
    assert_eq!(told(in_place), before, "{:x?}", message.metadata());
    let before = told(codec().decode_ref::<T>(message).map(drop));
    let in_parts = Decode::<T>::decode_parts(&codec(), message.metadata(), message.buffers().to_vec()).map(drop);
    assert_eq!(told(in_parts), before, "{message:?} {:x?}", message.metadata());
    if let Err(error) = &decoded {
        assert_eq!(Err(error.to_string()), before, "{message:?} {:x?}", message.metadata());
    }
    decoded
}

/// Makes do with what does not fit, wherever it stands.
struct Lenient;

impl<'de> Deserialize<'de> for Lenient {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let _ = Vec::<Vec<Lenient>>::deserialize(deserializer);
        Ok(Self)
    }
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Tree {
    children: Vec<Tree>,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(untagged)]
enum Loose {
    List(Vec<Loose>),
    Leaf(Option<Buffer>),
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(tag = "kind")]
enum Tagged {
    Leaf,
    Next { next: Box<Tagged> },
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct FlatTree {
    #[serde(flatten)]
    rest: BTreeMap<String, FlatTree>,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
enum Chain {
    End,
    Next(Box<Chain>),
    Pair(u8, Box<Chain>),
    Named { next: Box<Chain> },
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only decoded")]
struct Borrowed<'a> {
    #[serde(borrow)]
    name: &'a str,
    width: u32,
    #[serde(borrow)]
    pixels: &'a [u8],
}

const TARGETS: &[Target] = &[
    owned::<()>,
    owned::<u64>,
    owned::<f64>,
    owned::<u128>,
    owned::<char>,
    owned::<String>,
    owned::<ByteBuf>,
    owned::<Vec<u8>>,
    owned::<[u8; 4]>,
    owned::<Buffer>,
    owned::<Option<Buffer>>,
    owned::<Vec<Buffer>>,
    owned::<BTreeMap<String, Buffer>>,
    owned::<BTreeMap<u64, Vec<u16>>>,
    owned::<Image>,
    owned::<Shape>,
    owned::<Vec<Shape>>,
    owned::<Vec<Internal>>,
    owned::<Vec<Adjacent>>,
    owned::<Vec<Untagged>>,
    owned::<Flat>,
    owned::<FlatEnum>,
    owned::<Tree>,
    owned::<Loose>,
    owned::<Tagged>,
    owned::<FlatTree>,
    owned::<Chain>,
    owned::<serde_json::Value>,
    owned::<IgnoredAny>,
    owned::<Lenient>,
    owned::<(Lenient, Lenient)>,
    owned::<PhantomData<u8>>,
    |message| codec().decode_ref::<&[u8]>(message).map(drop),
    |message| codec().decode_ref::<&str>(message).map(drop),
    |message| codec().decode_ref::<Borrowed<'_>>(message).map(drop),
    |message| codec().decode_ref::<Vec<&[u8]>>(message).map(drop),
    |message| codec().peek::<IgnoredAny>(message).map(drop),
    |message| codec().peek::<Borrowed<'_>>(message).map(drop),
    |message| codec().peek::<Image>(message).map(drop),
    |message| codec().peek::<Shape>(message).map(drop),
];

/// Whether everything is tried: a release build takes no longer for that than a debug build for a sample.
const THOROUGH: bool = !cfg!(debug_assertions);

/// Positions of a frame to attack: all of one that has no more bytes than `all_up_to`, a sample and the ends of a longer one.
fn positions(len: usize, all_up_to: usize, random: &mut Random) -> Vec<usize> {
    if len <= all_up_to {
        return (0..len).collect();
    }
    let ends = (0..40).chain(len - 40..len);
    ends.chain((0..100).map(|_| random.below(len))).collect()
}

fn with_metadata(message: &Multipart, metadata: Vec<u8>) -> Multipart {
    Multipart::new(metadata, message.buffers().to_vec())
}

fn with_buffers(message: &Multipart, buffers: Vec<Buffer>) -> Multipart {
    Multipart::new(message.metadata().clone(), buffers)
}

#[test]
fn every_truncation_is_refused() {
    struct Truncate(Attack, Random);

    impl Visit for Truncate {
        fn visit<T>(&mut self, name: &'static str, _about: &'static str, codec: MsgPack, value: T)
        where
            T: Serialize + DeserializeOwned + PartialEq + Debug + 'static,
        {
            let Self(attack, random) = self;
            let message = codec.encode(&value).unwrap();
            let all_up_to = if THOROUGH { usize::MAX } else { 300 };
            for at in positions(message.metadata().len(), all_up_to, random) {
                let cut = Multipart::new(message.metadata().slice(..at), message.buffers().to_vec());
                let error = attack.refused::<T>(&cut, name);
                assert!(error.is_peer() && error.to_string().contains("metadata"), "{name} cut at {at}: {error}");
                let _ = attack.attempt(|| TARGETS[random.below(TARGETS.len())](&cut));
            }
            for (frame, buffer) in message.buffers().iter().enumerate() {
                for at in positions(buffer.len(), all_up_to, random) {
                    let mut buffers = message.buffers().to_vec();
                    buffers[frame] = buffer.slice(..at);
                    let error = attack.refused::<T>(&with_buffers(&message, buffers), name);
                    let named = format!("buffer frame {frame} of {} has {at} bytes", message.buffers().len());
                    assert!(error.is_peer() && error.to_string().starts_with(&named), "{name} cut at {at}: {error}");
                }
            }
        }
    }

    on_a_small_stack(|| {
        let mut truncate = Truncate(Attack::default(), Random::seeded(1));
        values::each(&mut truncate);
        truncate.0.stayed_small("truncations");
    });
}

#[test]
fn every_changed_byte_of_the_metadata_is_refused_or_still_a_value() {
    struct Mutate(Attack, Random);

    impl Visit for Mutate {
        fn visit<T>(&mut self, name: &'static str, _about: &'static str, codec: MsgPack, value: T)
        where
            T: Serialize + DeserializeOwned + PartialEq + Debug + 'static,
        {
            let Self(attack, random) = self;
            let message = codec.encode(&value).unwrap();
            // a list of 65 536 elements is larger in other types
            let is_long = message.metadata().len() > 10_000;
            if is_long && !THOROUGH {
                return;
            }
            let every = message.metadata().len() <= if THOROUGH { 1024 } else { 64 };
            for at in positions(message.metadata().len(), if THOROUGH { 1024 } else { 300 }, random) {
                let bytes: Vec<u8> =
                    if every { (0..=255).collect() } else { (0..16).map(|_| random.next() as u8).collect() };
                for byte in bytes {
                    let mut metadata = message.metadata().to_vec();
                    if metadata[at] == byte {
                        continue;
                    }
                    metadata[at] = byte;
                    let changed = with_metadata(&message, metadata);
                    if let Ok(other) = attack.decode::<T>(&changed) {
                        // what was accepted is a whole value: it travels like any other
                        let again =
                            codec.encode(&other).unwrap_or_else(|error| panic!("{name} {byte:#x} at {at}: {error}"));
                        let _: T = codec.decode(again).unwrap();
                    }
                    if !is_long {
                        let _ = attack.attempt(|| TARGETS[random.below(TARGETS.len())](&changed));
                    }
                }
            }
        }
    }

    on_a_small_stack(|| {
        let mut mutate = Mutate(Attack::default(), Random::seeded(2));
        values::each(&mut mutate);
        mutate.0.stayed_small("mutations");
    });
}

/// Where the check in a reference looks: at all of a short buffer, at four spots of a long one.
fn is_checked(at: usize, len: usize) -> bool {
    const SPOT: usize = 16;
    len <= 4 * SPOT || (0..4).map(|spot| spot * (len - SPOT) / 3).any(|start| (start..start + SPOT).contains(&at))
}

#[test]
fn every_changed_byte_of_a_buffer_is_refused_where_it_is_checked_and_else_a_value() {
    struct Damage(Attack, Random);

    impl Visit for Damage {
        fn visit<T>(&mut self, name: &'static str, _about: &'static str, codec: MsgPack, value: T)
        where
            T: Serialize + DeserializeOwned + PartialEq + Debug + 'static,
        {
            let Self(attack, random) = self;
            let message = codec.encode(&value).unwrap();
            // of very many alike the first ones, and of the first two every change of a byte
            for (frame, buffer) in message.buffers().iter().take(20).enumerate() {
                let len = buffer.len();
                let checked = (0..len).filter(|&at| is_checked(at, len));
                let others: Vec<usize> = (0..if len > 0 { 50 } else { 0 }).map(|_| random.below(len)).collect();
                for at in checked.chain(others) {
                    let every = THOROUGH && len <= 4096 && frame < 2;
                    let flips: Vec<u8> = if every { (1..=255).collect() } else { vec![1, 0x80, 0xff] };
                    for flip in flips {
                        let mut damaged = buffer.to_vec();
                        damaged[at] ^= flip;
                        let mut buffers = message.buffers().to_vec();
                        buffers[frame] = Buffer::from(damaged);
                        let damaged = with_buffers(&message, buffers);
                        if is_checked(at, len) {
                            let error = attack.refused::<T>(&damaged, name);
                            let said = format!("buffer frame {frame} of {} does not hold", message.buffers().len());
                            assert!(error.is_peer() && error.to_string().starts_with(&said), "{name} at {at}: {error}");
                        } else if let Ok(other) = attack.decode::<T>(&damaged) {
                            assert!(other != value, "{name}: byte {at} of frame {frame} is nobody's");
                            let _: T = codec.decode(codec.encode(&other).unwrap()).unwrap();
                        }
                        let _ = attack.attempt(|| TARGETS[random.below(TARGETS.len())](&damaged));
                    }
                }
            }
        }
    }

    on_a_small_stack(|| {
        let mut damage = Damage(Attack::default(), Random::seeded(4));
        values::each(&mut damage);
        assert!(damage.0.accepted > 100 && damage.0.refused > 1000, "{:?}", damage.0);
        damage.0.stayed_small("damage");
    });
}

#[test]
fn golden_messages_decode_into_no_wrong_type() {
    struct Cross(Attack);

    impl Visit for Cross {
        fn visit<T>(&mut self, _name: &'static str, _about: &'static str, codec: MsgPack, value: T)
        where
            T: Serialize + DeserializeOwned + PartialEq + Debug + 'static,
        {
            let message = codec.encode(&value).unwrap();
            if message.metadata().len() < 10_000 {
                self.0.every_target(&message);
            }
        }
    }

    on_a_small_stack(|| {
        let mut cross = Cross(Attack::default());
        values::each(&mut cross);
        cross.0.stayed_small("wrong types");
    });
}

#[test]
fn missing_extra_and_swapped_frames_are_refused() {
    struct Shuffle(Attack);

    impl Visit for Shuffle {
        fn visit<T>(&mut self, name: &'static str, _about: &'static str, codec: MsgPack, value: T)
        where
            T: Serialize + DeserializeOwned + PartialEq + Debug + 'static,
        {
            let attack = &mut self.0;
            let message = codec.encode(&value).unwrap();
            let count = message.buffers().len();
            for at in 0..count {
                let mut fewer = message.buffers().to_vec();
                fewer.remove(at);
                assert!(attack.refused::<T>(&with_buffers(&message, fewer), name).is_peer());
            }
            for extra in [Buffer::new(), buffer(99, 20), message.buffers().first().cloned().unwrap_or_default()] {
                let mut more = message.buffers().to_vec();
                more.push(extra.clone());
                let error = attack.refused::<T>(&with_buffers(&message, more), name);
                let text = error.to_string();
                assert_eq!(text, format!("buffer frame {count} of {} is not referenced", count + 1), "{name}");
                for at in 0..count {
                    let mut more = message.buffers().to_vec();
                    more.insert(at, extra.clone());
                    assert!(attack.refused::<T>(&with_buffers(&message, more), name).is_peer());
                }
            }
            for (first, second) in (0..count).flat_map(|first| (0..first).map(move |second| (first, second))).take(500)
            {
                let mut swapped = message.buffers().to_vec();
                swapped.swap(first, second);
                let equal = swapped[first] == swapped[second];
                let decoded = attack.decode::<T>(&with_buffers(&message, swapped));
                match decoded {
                    Ok(decoded) => assert!(equal && decoded == value, "{name}: {first} and {second} were swapped"),
                    Err(error) => assert!(!equal && error.is_peer(), "{name}: {error}"),
                }
            }
        }
    }

    on_a_small_stack(|| {
        let mut shuffle = Shuffle(Attack::default());
        values::each(&mut shuffle);
        shuffle.0.stayed_small("frames");
    });
}

/// An extension value with a one-byte length.
fn extension(kind: u8, payload: &[u8]) -> Vec<u8> {
    [&[0xc7, payload.len() as u8, kind], payload].concat()
}

/// The check that a reference to `buffer` carries, taken from a message.
fn check_of(buffer: &Buffer) -> u32 {
    let message = codec().encode(buffer).unwrap();
    let kind = message.metadata().iter().position(|&byte| byte == 0x42).unwrap();
    let (_, _, check): (u64, u64, u32) = rmp_serde::from_slice(&message.metadata()[kind + 1..]).unwrap();
    check
}

fn payload<T: Serialize>(value: T) -> Vec<u8> {
    rmp_serde::to_vec(&value).unwrap()
}

#[test]
fn forged_references_are_refused_and_the_error_says_why() {
    on_a_small_stack(|| {
        let buffer = buffer(1, 64);
        let right = check_of(&buffer);
        let numbers = "the buffer reference at byte 0 of the metadata holds something other than unsigned numbers";
        let short = "the buffer reference at byte 0 of the metadata names no frame and length";
        let array = "the buffer reference at byte 0 of the metadata is not an array";
        let unknown = "the buffer reference at byte 0 of the metadata has a form that this version does not know";
        let encoding =
            "the buffer reference at byte 0 of the metadata names an encoding that this version does not know";
        let unnamed = "the buffer reference at byte 0 of the metadata names no encoding";
        let trailing = "the buffer reference at byte 0 of the metadata has bytes after its end";
        let content = "buffer frame 0 of 1 does not hold what its reference describes: swapped or changed";
        let length = |announced: u64| {
            format!(
                "buffer frame 0 of 1 has 64 bytes and its reference says {announced}: truncated, swapped or replaced"
            )
        };
        let missing = |frame: u64| format!("buffer frame {frame} is missing: the message has 1, counted from 0");
        let cases = [
            (payload((1, 64, right)), missing(1)),
            (payload((u32::MAX, 64, right)), missing(u32::MAX.into())),
            (payload((u64::MAX, 64, right)), missing(u64::MAX)),
            (payload((0, 0, right)), length(0)),
            (payload((0, 63, right)), length(63)),
            (payload((0, 65, right)), length(65)),
            (payload((0, 1_u64 << 32 | 64, right)), length(1 << 32 | 64)),
            (payload((0, u64::MAX, right)), length(u64::MAX)),
            (payload((0, 64, right ^ 1)), content.to_owned()),
            (payload((0, 64, 0)), content.to_owned()),
            (payload((0, 64, u64::from(right) | 1 << 32)), numbers.to_owned()),
            (payload((-1, 64, right)), numbers.to_owned()),
            (payload((0, i64::MIN, right)), numbers.to_owned()),
            (payload((0, 64, -1)), numbers.to_owned()),
            (payload((0.0, 64, right)), numbers.to_owned()),
            (payload((0, 64.0, right)), numbers.to_owned()),
            (payload(("0", 64, right)), numbers.to_owned()),
            (payload((0, "64", right)), numbers.to_owned()),
            (payload((0, 64, "check")), numbers.to_owned()),
            (payload((0, 64, ())), numbers.to_owned()),
            (payload((false, 64, right)), numbers.to_owned()),
            (payload((0, [64], right)), numbers.to_owned()),
            (payload([0; 0]), short.to_owned()),
            (payload([0]), short.to_owned()),
            (payload((0, 64, right, 0)), unknown.to_owned()),
            (payload((0, 64, right, "brotli", 128)), encoding.to_owned()),
            (payload((0, 64, right, 0, 128)), unnamed.to_owned()),
            (payload((0, 64, right, "zstd", -1)), numbers.to_owned()),
            (payload((0, 64, right, "zstd", 128, 0)), unknown.to_owned()),
            (vec![0xdd, 0xff, 0xff, 0xff, 0xff], unknown.to_owned()),
            (vec![0xdc, 0xff], array.to_owned()),
            (vec![0x93, 0x00, 0x40], numbers.to_owned()),
            (vec![0x93, 0x00, 0xcf, 0x00], numbers.to_owned()),
            (vec![0x92], numbers.to_owned()),
            (vec![], array.to_owned()),
            (payload(()), array.to_owned()),
            (payload(0), array.to_owned()),
            (payload("reference"), array.to_owned()),
            (payload(BTreeMap::from([(0, 64)])), array.to_owned()),
            (vec![0xc1], array.to_owned()),
            ([payload((0, 64, right)), vec![0]].concat(), trailing.to_owned()),
            ([payload((0, 64)), payload(right)].concat(), trailing.to_owned()),
        ];
        let mut attack = Attack::default();
        for (payload, expected) in cases {
            let message = Multipart::new(extension(0x42, &payload), vec![buffer.clone()]);
            let error = attack.refused::<Buffer>(&message, &expected);
            assert_eq!(error.to_string(), expected, "payload {payload:02x?}");
            assert!(error.is_peer());
            attack.every_target(&message);
        }
        for valid in
            [payload((0, 64, right)), payload((0, 64)), vec![0xdc, 0, 2, 0xcf, 0, 0, 0, 0, 0, 0, 0, 0, 0xcd, 0, 64]]
        {
            let message = Multipart::new(extension(0x42, &valid), vec![buffer.clone()]);
            assert_eq!(attack.decode::<Buffer>(&message).unwrap().as_ptr(), buffer.as_ptr(), "payload {valid:02x?}");
        }
        attack.stayed_small("references");
    });
}

#[test]
fn a_reference_under_another_extension_type_is_none() {
    on_a_small_stack(|| {
        let buffer = buffer(1, 64);
        let reference = payload((0, 64, check_of(&buffer)));
        let mut attack = Attack::default();
        for kind in (0..=255).filter(|&kind| kind != 0x42) {
            let message = Multipart::new(extension(kind, &reference), vec![buffer.clone()]);
            let error = attack.refused::<Buffer>(&message, "another type");
            assert_eq!(error.to_string(), "buffer frame 0 of 1 is not referenced");
            let alone = Multipart::new(extension(kind, &reference), vec![]);
            assert!(attack.refused::<Buffer>(&alone, "another type").is_peer());
            attack.every_target(&alone);
        }
        attack.stayed_small("extension types");
    });
}

#[test]
fn one_frame_may_be_referenced_many_times() {
    on_a_small_stack(|| {
        let buffer = buffer(1, 64);
        let reference = extension(0x42, &payload((0, 64, check_of(&buffer))));
        let message = Multipart::new([vec![0x93], reference.repeat(3)].concat(), vec![buffer.clone()]);
        let mut attack = Attack::default();
        for shared in attack.decode::<Vec<Buffer>>(&message).unwrap() {
            assert_eq!(shared.as_ptr(), buffer.as_ptr());
        }
        assert_eq!(attack.decode::<Vec<Vec<u8>>>(&message).unwrap(), [&buffer[..]; 3]);
        attack.every_target(&message);
    });
}

#[test]
fn a_reference_repeated_into_copies_stays_within_the_limits() {
    on_a_small_stack(|| {
        let buffer = buffer(1, 1 << 20);
        let reference = extension(0x42, &payload((0, 1 << 20, check_of(&buffer))));
        let count = 1000_u16.to_be_bytes();
        let message =
            Multipart::new([vec![0xdc], count.to_vec(), reference.repeat(1000)].concat(), vec![buffer.clone()]);
        let mut attack = Attack::default();
        // shared: nothing to refuse
        assert_eq!(attack.decode::<Vec<Buffer>>(&message).unwrap().len(), 1000);
        attack.stayed_small("shared frames");
        let targets: [Target; 4] =
            [owned::<Vec<Vec<u8>>>, owned::<Vec<ByteBuf>>, owned::<Vec<Box<[u8]>>>, owned::<Vec<Volts>>];
        for target in targets {
            let (result, usage) = measure(|| target(&message));
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Limits, "{error}");
            check(&error);
            assert!(usage.peak <= 2 * (8 << 20), "{usage:?}");
        }
    });
}

/// A value that names one frame many times is short, and not what is made of it where there are no frames.
#[test]
fn a_reference_repeated_is_not_written_out_beyond_the_limits() {
    let buffer = buffer(1, 300_000);
    let reference = extension(0x42, &payload((0, 300_000, check_of(&buffer))));
    let metadata = [vec![0xdc], 1000_u16.to_be_bytes().to_vec(), reference.repeat(1000)].concat();
    let message = Multipart::new(metadata, vec![buffer]);
    let value: Value = codec().decode(message.clone()).unwrap();
    assert!(codec().encode(&value).unwrap() == message);
    let in_band = codec().out_of_band_from(usize::MAX).placement(|_| Placement::InBand);
    let json = Json::new().buffers_in_band().limits(limits());
    let pickle = Pickle::new().limits(limits());
    let ways: [&dyn Fn() -> Result<Multipart>; 4] =
        [&|| in_band.encode(&value), &|| codec().encode_in_band(&value), &|| json.encode(&value), &|| {
            pickle.encode_in_band(&value)
        }];
    for way in ways {
        let (result, usage) = measure(way);
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limits, "{error}");
        assert!(error.to_string().contains("is longer than the limit of 1048576 (metadata_bytes)"), "{error}");
        assert!(usage.peak < 4 << 20, "{usage:?}");
    }
}

/// A frame that was shared gives back what it was lent, once and not for each variant that was tried.
#[test]
fn what_is_shared_pays_for_no_copies() {
    on_a_small_stack(|| {
        let buffer = buffer(1, 1 << 20);
        let reference = extension(0x42, &payload((0, 1 << 20, check_of(&buffer))));
        let pair = |shared: &[u8]| [&[0x92], &reference[..], shared].concat();
        let many = |pair: Vec<u8>| {
            let metadata = [vec![0xdc], 1000_u16.to_be_bytes().to_vec(), pair.repeat(1000)].concat();
            Multipart::new(metadata, vec![buffer.clone()])
        };
        let tried = many(pair(&[b"\x82\xa3raw", &reference[..], b"\xa4kind\xa4last"].concat()));
        let (result, usage) = measure(|| owned::<Vec<(ByteBuf, Tried)>>(&tried));
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Limits);
        assert!(usage.peak <= 2 * (8 << 20), "{usage:?}");
        // all of them shared
        let (result, usage) = measure(|| owned::<Vec<(Buffer, Tried)>>(&tried));
        result.unwrap();
        assert!(usage.peak < 1 << 20, "{usage:?}");
    });
}

/// Variants that are told apart by what follows the buffer.
#[derive(Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "only decoded")]
enum Tried {
    Number { raw: Buffer, kind: u8 },
    Flag { raw: Buffer, kind: bool },
    Name { raw: Buffer, kind: String },
}

#[test]
fn a_message_of_another_type_is_refused_for_that_also_near_the_limit() {
    #[derive(Serialize)]
    struct Sent {
        raw: Buffer,
        kind: String,
    }
    #[derive(Deserialize, Debug)]
    #[expect(dead_code, reason = "only decoded")]
    struct Wanted {
        raw: ByteBuf,
        kind: u8,
    }
    let message = codec().encode(&Sent { raw: buffer(1, 600), kind: "text".into() }).unwrap();
    let near = MsgPack::new().limits(Limits::new().total_bytes(1000));
    let error = Decode::<Wanted>::decode(&near, message).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Peer);
    assert!(error.to_string().starts_with("the metadata does not fit at kind: invalid type"), "{error}");
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only decoded")]
struct Volts(#[serde(with = "outband::serde_buffer")] Vec<f64>);

/// `count` openings of one value each, then the innermost value.
fn nested(opening: &[u8], count: usize, innermost: &[u8]) -> Multipart {
    Multipart::new([opening.repeat(count), innermost.to_vec()].concat(), vec![])
}

#[test]
fn deep_nesting_is_refused_before_anything_recurses() {
    on_a_small_stack(|| {
        let mut attack = Attack::default();
        let openings: [&[u8]; 10] = [
            &[0x91],
            &[0xdc, 0, 1],
            &[0xdd, 0, 0, 0, 1],
            &[0x81, 0xa1, b'k'],
            &[0x81],
            &[0xde, 0, 1, 0xa4, b'N', b'e', b'x', b't'],
            &[0xdf, 0, 0, 0, 1, 0xa1, b'k'],
            b"\x81\xa8children\x91",
            b"\x82\xa4kind\xa4Next\xa4next",
            b"\x81\xa5Named\x81\xa4next",
        ];
        for opening in openings {
            for innermost in [&b"\xc0"[..], b"", b"\xc1", b"\x90", b"\xd4\x42\x00"] {
                let message = nested(opening, 10_000, innermost);
                let error = attack.refused::<IgnoredAny>(&message, "10 000 levels");
                assert_eq!(error.kind(), ErrorKind::Limits, "{error}");
                assert!(error.to_string().ends_with("is nested deeper than the limit of 64 (depth)"), "{error}");
                attack.every_target(&message);
            }
        }
        // the content of an extension value is opaque: depth in there is nobody's
        let inside = [&[0x91; 10_000][..], &[0xc0]].concat();
        let header = [&[0xc8][..], &(inside.len() as u16).to_be_bytes(), &[5]].concat();
        let message = Multipart::new([header, inside].concat(), vec![]);
        attack.decode::<IgnoredAny>(&message).unwrap();
        attack.every_target(&message);
        attack.stayed_small("nesting");
    });
}

/// Decodes at exactly `depth` levels into types that recurse, with a good and with a wrong innermost value.
fn at_depth(depth: usize) {
    let codec = MsgPack::new().limits(limits().depth(depth));
    let decode = |message: &Multipart, good: bool, target: &dyn Fn(&Multipart) -> Result<()>| {
        let (result, _) = measure(|| target(message));
        match result {
            Ok(()) => assert!(good),
            Err(error) => {
                assert!(!good, "{error}");
                assert!(error.is_peer(), "{error}");
                check(&error);
            }
        }
    };
    macro_rules! target {
        ($type:ty) => {
            &|message: &Multipart| Decode::<$type>::decode(&codec, message.clone()).map(drop)
        };
    }
    let array = |innermost: &[u8]| nested(&[0x91], depth, innermost);
    decode(&array(b"\xc0"), true, target!(serde_json::Value));
    decode(&array(b"\xc0"), true, target!(IgnoredAny));
    decode(&array(b"\xc0"), true, target!(Loose));
    decode(&array(b"\xc3"), false, target!(Loose));
    decode(&array(b"\xd4\x05\x00"), false, target!(Loose));
    let chain = |innermost: &[u8]| nested(b"\x81\xa4Next", depth, innermost);
    decode(&chain(b"\xa3End"), true, target!(Chain));
    decode(&chain(b"\xa4Fine"), false, target!(Chain));
    decode(&chain(b"\xa3End"), true, target!(serde_json::Value));
    decode(&nested(b"\x81\xa5Named\x81\xa4next", depth / 2, b"\xa3End"), true, target!(Chain));
    decode(&nested(b"\x81\xa5Named\x81\xa4next", depth / 2, b"\x05"), false, target!(Chain));
    decode(&nested(b"\x81\xa4Pair\x92\x07", depth / 2, b"\xa3End"), true, target!(Chain));
    decode(&nested(b"\x81\xa8children\x91", depth / 2 - 1, b"\x81\xa8children\x90"), true, target!(Tree));
    decode(&nested(b"\x81\xa8children\x91", depth / 2 - 1, b"\x81\xa8children\x05"), false, target!(Tree));
    decode(&nested(b"\x81\xa1k", depth - 1, b"\x80"), true, target!(FlatTree));
    decode(&nested(b"\x81\xa1k", depth - 1, b"\x05"), false, target!(FlatTree));
    let tagged = |innermost: &[u8]| nested(b"\x82\xa4kind\xa4Next\xa4next", depth - 1, innermost);
    decode(&tagged(b"\x81\xa4kind\xa4Leaf"), true, target!(Tagged));
    decode(&tagged(b"\x81\xa4kind\xa4Fine"), false, target!(Tagged));
}

#[test]
fn the_deepest_allowed_nesting_decodes_on_a_small_stack() {
    on_a_small_stack(|| at_depth(64));
}

#[test]
fn nesting_as_deep_as_limits_can_allow_decodes_on_one_mebibyte() {
    on_a_stack_of(1 << 20, || at_depth(Limits::MAX_DEPTH));
}

#[test]
fn huge_declared_sizes_cost_nothing() {
    on_a_small_stack(|| {
        let mut attack = Attack::default();
        let headers: [&[u8]; 19] = [
            &[0xdc, 0xff, 0xff],
            &[0xdd, 0xff, 0xff, 0xff, 0xff],
            &[0xdd, 0x7f, 0xff, 0xff, 0xff],
            &[0xdd, 0x00, 0x10, 0x00, 0x00],
            &[0xde, 0xff, 0xff],
            &[0xdf, 0xff, 0xff, 0xff, 0xff],
            &[0xdf, 0x80, 0x00, 0x00, 0x00],
            &[0xd9, 0xff],
            &[0xda, 0xff, 0xff],
            &[0xdb, 0xff, 0xff, 0xff, 0xff],
            &[0xc4, 0xff],
            &[0xc5, 0xff, 0xff],
            &[0xc6, 0xff, 0xff, 0xff, 0xff],
            &[0xc6, 0x80, 0x00, 0x00, 0x00],
            &[0xc7, 0xff, 0x42],
            &[0xc8, 0xff, 0xff, 0x42],
            &[0xc9, 0xff, 0xff, 0xff, 0xff, 0x42],
            &[0xc9, 0xff, 0xff, 0xff, 0xff, 0x05],
            &[0xc9, 0xff, 0xff, 0xff, 0xff],
        ];
        for header in headers {
            for before in [&b""[..], b"\x91", b"\x81\xa4name", b"\x81", b"\x81\xa3New", b"\x91\x91\x91\x91"] {
                for after in [0, 1, 15, 100] {
                    let metadata = [before, header, &vec![0; after]].concat();
                    let message = Multipart::new(metadata, vec![]);
                    let error = attack.refused::<IgnoredAny>(&message, "more declared than there is");
                    assert!(error.is_peer() && error.to_string().contains("the metadata ends within"), "{error}");
                    attack.every_target(&message);
                }
            }
        }
        // 900 headers in each other that each declare all that follows
        for header in [0xdc_u8, 0xde] {
            let mut metadata = Vec::new();
            for _ in 0..900 {
                metadata.extend([header, 0x01, 0xff]);
            }
            metadata.extend(vec![0xc0; 1800]);
            attack.every_target(&Multipart::new(metadata, vec![]));
        }
        println!("declared sizes: {attack:?}");
        assert_eq!(attack.accepted, 0);
        assert!(attack.worst.peak < 64 << 10, "{attack:?}");
    });
}

#[test]
fn what_is_not_exactly_one_value_is_refused() {
    on_a_small_stack(|| {
        let mut attack = Attack::default();
        let cases: [(&[u8], &str); 9] = [
            (b"", "the message has no metadata frame"),
            (b"\xc1", "byte 0 of the metadata is 0xc1, which MessagePack never uses"),
            (b"\x92\xc0\xc1", "byte 2 of the metadata is 0xc1, which MessagePack never uses"),
            (b"\x81\xc1\xc0", "byte 1 of the metadata is 0xc1, which MessagePack never uses"),
            (b"\xc0\xc0", "1 bytes follow the metadata, which ends at byte 1"),
            (b"\xc0\xc1", "1 bytes follow the metadata, which ends at byte 1"),
            (b"\x91\x01\x02\x03", "2 bytes follow the metadata, which ends at byte 2"),
            (b"\x91", "the metadata ends within the value at byte 0 of 1"),
            (b"\x92\xc0", "the metadata ends within the value at byte 0 of 2"),
        ];
        for (metadata, expected) in cases {
            let message = Multipart::new(metadata, vec![]);
            let error = attack.refused::<IgnoredAny>(&message, expected);
            assert_eq!(error.to_string(), expected);
            assert!(error.is_peer());
            attack.every_target(&message);
        }
        assert_eq!(attack.accepted, 0);
        for byte in 0..=255 {
            attack.every_target(&Multipart::new(vec![byte], vec![]));
            attack.every_target(&Multipart::new(vec![byte, byte], vec![]));
        }
        attack.stayed_small("no value");
    });
}

#[test]
fn messages_over_a_limit_are_refused_by_name() {
    on_a_small_stack(|| {
        let mut attack = Attack::default();
        let long = Multipart::new(vec![0xc0; METADATA_LIMIT + 1], vec![]);
        let frames = Multipart::new(vec![0xc0], vec![Buffer::new(); 1001]);
        let total = Multipart::new(vec![0xc0], vec![Buffer::from_vec(vec![0_u8; 8 << 20])]);
        let cases = [
            (long, "the metadata of 1048577 bytes is longer than the limit of 1048576 (metadata_bytes)"),
            (frames, "the message has more buffer frames than the limit of 1000 (frames)"),
            (total, "the message has 8388609 bytes or more, the limit is 8388608 (total_bytes)"),
        ];
        for (message, expected) in cases {
            let error = attack.refused::<IgnoredAny>(&message, expected);
            assert_eq!((error.kind(), &error.to_string()[..]), (ErrorKind::Limits, expected));
        }
        assert!(attack.worst.peak < 64 << 10, "{attack:?}");
    });
}

#[test]
fn random_bytes_are_refused_or_a_value() {
    on_a_small_stack(|| {
        let (mut attack, mut random) = (Attack::default(), Random::seeded(3));
        for _ in 0..20_000 {
            let metadata: Vec<u8> = (0..random.below(40)).map(|_| random.next() as u8).collect();
            let frames = (0..random.below(3)).map(|seed| buffer(seed as u8, 8)).collect();
            let message = Multipart::new(metadata, frames);
            for _ in 0..4 {
                let _ = attack.attempt(|| TARGETS[random.below(TARGETS.len())](&message));
            }
            let _ = attack.attempt(|| owned::<Value>(&message));
        }
        attack.stayed_small("random bytes");
    });
}

#[test]
fn an_error_does_not_repeat_a_peers_megabyte() {
    on_a_small_stack(|| {
        let text = "x".repeat(METADATA_LIMIT - 100);
        let value = |value: &dyn Fn(&str) -> Vec<u8>| Multipart::new(value(&text), vec![]);
        let messages = [
            value(&|text| rmp_serde::to_vec(text).unwrap()),
            value(&|text| rmp_serde::to_vec(&BTreeMap::from([(text, 1)])).unwrap()),
            value(&|text| rmp_serde::to_vec(&BTreeMap::from([("kind", text)])).unwrap()),
            value(&|text| rmp_serde::to_vec(&BTreeMap::from([("width", text)])).unwrap()),
            value(&|text| rmp_serde::to_vec(&[BTreeMap::from([(text, [BTreeMap::from([("width", -1)])])])]).unwrap()),
        ];
        let mut attack = Attack::default();
        for message in messages {
            let targets: [Target; 6] = [
                owned::<Shape>,
                owned::<Vec<Shape>>,
                owned::<Image>,
                owned::<u64>,
                owned::<BTreeMap<String, u64>>,
                owned::<Vec<BTreeMap<String, Vec<Image>>>>,
            ];
            for target in targets {
                let _ = attack.attempt(|| target(&message));
            }
        }
        println!("long texts: {attack:?}");
        // a text is as long as the peer made it in the value, and a name also while serde_path_to_error looks for its path
        assert!(attack.worst.largest <= METADATA_LIMIT, "{attack:?}");
        assert!(attack.worst.peak <= 4 * METADATA_LIMIT + (16 << 10), "{attack:?}");
    });
}
