//! Compressed frames that lie about the arrays and tables in them: their length is the one announced and their content is
//! not what the type needs, or it is shorter, longer, or no frame of that format at all. Each ends in an error that says where, or
//! in an object that is valid.
//!
//! Everything here runs on a stack of 512 KiB, and every attempt is measured by an allocator that counts.

#![cfg(all(feature = "zlib", feature = "lz4", feature = "zstd", feature = "blosc", feature = "arrow"))]

use std::io::Write;

use arrow_array::Array as _;
use outband::{
    Array, Buffer, Compression, Encode, ErrorKind, MsgPack, Multipart, Table, Value, from_multipart, to_multipart,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::batches::{batch, types};
use crate::counting::{Usage, measure};
use crate::random::Random;
use crate::stack::on_a_small_stack;

/// What one attempt may take: the windows of the formats, and an object of a few kilobytes.
const MOST: usize = 2 << 20;

/// A buffer as it stands in the metadata.
#[derive(Serialize, Deserialize, Clone)]
#[serde(untagged)]
enum Place {
    InBand(ByteBuf),
    #[serde(skip_deserializing)]
    Frame(Reference),
}

#[derive(Serialize, Clone)]
#[serde(rename = "_ExtStruct")]
struct Reference((i8, ByteBuf));

/// A frame, and what its reference says of it.
struct Lie {
    encoding: &'static str,
    stored: Vec<u8>,
    raw_len: u64,
}

impl Lie {
    fn place(&self) -> Place {
        let payload = rmp_serde::to_vec(&(0, self.stored.len(), (), self.encoding, self.raw_len)).unwrap();
        Place::Frame(Reference((0x42, ByteBuf::from(payload))))
    }

    fn message(&self, object: &impl Serialize) -> Multipart {
        Multipart::new(rmp_serde::to_vec_named(object).unwrap(), vec![Buffer::copy_from_slice(&self.stored)])
    }
}

const FORMATS: [&str; 4] = ["zlib", "lz4", "zstd", "blosc2"];

/// Compressed whether or not it gets shorter; Blosc2 only where it does.
fn packed(encoding: &str, raw: &[u8]) -> Option<Vec<u8>> {
    Some(match encoding {
        "zlib" => {
            let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
            zlib.write_all(raw).unwrap();
            zlib.finish().unwrap()
        }
        "lz4" => {
            let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
            lz4.write_all(raw).unwrap();
            lz4.finish().unwrap()
        }
        "zstd" => zstd::bulk::compress(raw, 1).unwrap(),
        _ => {
            let codec = MsgPack::new().out_of_band_from(0).compression(Compression::blosc());
            let message = codec.encode(&Buffer::copy_from_slice(raw)).unwrap();
            message.buffer_sizes().unwrap().first()?.encoding()?;
            message.buffers()[0].to_vec()
        }
    })
}

/// What is said of a buffer.
#[derive(Debug)]
enum Claim {
    /// The truth: what comes has to be the object.
    True,
    /// Its frame is one of the format and of the length that is announced: what comes may be an object.
    Content,
    /// Its frame is not what is announced: nothing comes.
    Frame,
}

/// All that may be claimed of a buffer.
fn claims(encoding: &'static str, good: &[u8], random: &mut Random) -> Vec<(Claim, Lie)> {
    let noise = |random: &mut Random, len: usize| (0..len).map(|_| random.next() as u8).collect::<Vec<_>>();
    let len = good.len();
    let mut claims = Vec::new();
    let mut claim = |claim, raw: &[u8], raw_len: usize| {
        claims.extend(packed(encoding, raw).map(|stored| (claim, Lie { encoding, stored, raw_len: raw_len as u64 })));
    };
    claim(Claim::True, good, len);
    let upside_down: Vec<u8> = good.iter().rev().copied().collect();
    for other in [vec![0xff; len], vec![0x80; len], vec![0; len], upside_down, noise(random, len)] {
        claim(Claim::Content, &other, len);
    }
    for shorter in [0, len / 2, len.saturating_sub(1)] {
        claim(Claim::Content, &good[..shorter], shorter);
    }
    for more in [1, 64, 10_000] {
        let longer = [good, &vec![0x55; more]].concat();
        claim(Claim::Content, &longer, len + more);
        claim(Claim::Frame, &longer, len);
    }
    claim(Claim::Frame, &good[..len - 1], len);
    claim(Claim::Frame, good, len + 1);
    claim(Claim::Frame, good, len - 1);
    claim(Claim::Frame, good, 1 << 30);
    claim(Claim::Frame, good, 1 << 40);
    claim(Claim::Frame, good, usize::MAX);
    for stored in [vec![], vec![0; 40], noise(random, 3), noise(random, len)] {
        claims.push((Claim::Frame, Lie { encoding, stored, raw_len: len as u64 }));
    }
    claims
}

/// The account of an attack.
#[derive(Default, Debug)]
struct Attack {
    refused: usize,
    accepted: usize,
    worst: Usage,
}

impl Attack {
    /// Decodes and uses up what has come.
    fn run<T: DeserializeOwned>(&mut self, claim: &Claim, message: Multipart, what: &str, use_up: impl Fn(T)) {
        let (result, usage) = measure(|| from_multipart::<T>(message));
        self.worst = self.worst.max(usage);
        assert!(usage.peak < MOST, "{what}: {usage:?}");
        match (claim, result) {
            (Claim::True | Claim::Content, Ok(object)) => {
                self.accepted += 1;
                use_up(object);
            }
            (Claim::Frame, Ok(_)) => panic!("{what}: accepted"),
            (Claim::True, Err(error)) => panic!("{what}: {error}"),
            (_, Err(error)) => {
                self.refused += 1;
                assert!(matches!(error.kind(), ErrorKind::Peer | ErrorKind::Limits), "{what}: {error:?}");
                let text = error.to_string();
                assert!(text.len() < 1024, "{what}: {text}");
                let says_where = match claim {
                    Claim::Frame => text.contains("frame 0") || error.is_limit(),
                    _ => text.contains("column column 0") || text.contains("array"),
                };
                assert!(says_where, "{what}: {text}");
            }
        }
    }
}

/// A table as it stands in the metadata.
#[derive(Serialize, Deserialize, Clone)]
struct Wire {
    #[serde(rename = "$table")]
    schema: ByteBuf,
    rows: u64,
    columns: Vec<Column>,
}

#[derive(Serialize, Deserialize, Clone)]
#[serde(untagged)]
enum Column {
    Keyed(u64, u64, Vec<Option<Place>>, Vec<Column>, Box<Column>),
    Plain(u64, u64, Vec<Option<Place>>, Vec<Column>),
}

impl Column {
    /// The places of all buffers that have bytes, children's and dictionaries' too.
    fn places(&mut self) -> Vec<&mut Place> {
        let (buffers, children, dictionary) = match self {
            Self::Keyed(_, _, buffers, children, dictionary) => (buffers, children, Some(dictionary)),
            Self::Plain(_, _, buffers, children) => (buffers, children, None),
        };
        let mut places: Vec<_> = buffers.iter_mut().flatten().collect();
        places.retain(|place| matches!(place, Place::InBand(bytes) if !bytes.is_empty()));
        places.extend(children.iter_mut().chain(dictionary.map(AsMut::as_mut)).flat_map(Self::places));
        places
    }
}

#[test]
fn frames_that_lie_about_a_column_are_refused_or_a_valid_table() {
    on_a_small_stack(|| {
        let mut random = Random::seeded(21);
        let (mut attack, mut turn) = (Attack::default(), 0);
        for data_type in types() {
            let sent = Table::from(batch(&mut random, std::slice::from_ref(&data_type), 60));
            let message = MsgPack::new().out_of_band_from(usize::MAX).encode(&sent).unwrap();
            let wire: Wire = rmp_serde::from_slice(message.metadata()).unwrap();
            for at in 0..wire.columns[0].clone().places().len() {
                turn += 1;
                let encoding = FORMATS[turn % FORMATS.len()];
                let Place::InBand(good) = wire.columns[0].clone().places()[at].clone() else { unreachable!() };
                for (claim, lie) in claims(encoding, &good, &mut random) {
                    let mut wire = wire.clone();
                    *wire.columns[0].places()[at] = lie.place();
                    let message = lie.message(&wire);
                    let what = format!("buffer {at} of {data_type}, {} bytes of {encoding}: {claim:?}", lie.raw_len);
                    attack.run(&claim, message.clone(), &what, |table: Table| {
                        assert!(!matches!(claim, Claim::True) || table == sent, "{what}");
                        table.batch().column(0).to_data().validate_full().unwrap();
                        let _ = format!("{table} {table:?}");
                        assert_eq!(from_multipart::<Table>(to_multipart(&table).unwrap()).unwrap(), table, "{what}");
                    });
                    attack.run(&claim, message, &what, |value: Value| assert!(value.as_table().is_some(), "{what}"));
                }
            }
        }
        println!("{attack:?}");
        assert!(attack.refused > 5000 && attack.accepted > 2000, "{attack:?}");
    });
}

/// An array as it stands in the metadata.
#[derive(Serialize)]
struct Forged {
    #[serde(rename = "$array")]
    dtype: &'static str,
    shape: (usize, usize),
    order: &'static str,
    data: Place,
}

#[test]
fn frames_that_lie_about_an_array_are_refused_or_a_valid_array() {
    on_a_small_stack(|| {
        let mut random = Random::seeded(22);
        let mut attack = Attack::default();
        let dtypes = [
            ("<f8", 8),
            ("|b1", 1),
            ("<U4", 16),
            ("|S5", 5),
            (">i2", 2),
            ("<M8[s]", 8),
            ("<f2", 2),
            ("<c16", 16),
            ("|V3", 3),
        ];
        for (dtype, item) in dtypes {
            let good: Vec<u8> = (0..60 * item).map(|at| [0, 1][at / 7 % 2]).collect();
            for encoding in FORMATS {
                for (claim, lie) in claims(encoding, &good, &mut random) {
                    let forged = Forged { dtype, shape: (6, 10), order: "F", data: lie.place() };
                    let message = lie.message(&forged);
                    let what = format!("{dtype}, {} bytes of {encoding}: {claim:?}", lie.raw_len);
                    attack.run(&claim, message.clone(), &what, |array: Array| {
                        assert_eq!(array.data().len(), good.len(), "{what}");
                        assert!(!matches!(claim, Claim::True) || array.data()[..] == good[..], "{what}");
                        let _ = format!("{array} {array:?}");
                        let again = MsgPack::new().encode(&array).unwrap();
                        assert_eq!(from_multipart::<Array>(again).unwrap().data(), array.data(), "{what}");
                    });
                    attack.run(&claim, message, &what, |value: Value| assert!(value.as_array().is_some(), "{what}"));
                }
            }
        }
        println!("{attack:?}");
        assert!(attack.refused > 500 && attack.accepted > 300, "{attack:?}");
    });
}
