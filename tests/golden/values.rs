//! The golden values: what the files beside this one decode to.

use std::collections::BTreeMap;
use std::fmt::Debug;

use bytes::Bytes;
use outband::array::Field;
use outband::{Array, Buffer, DType, MsgPack, Order, Placement};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What is done with each golden value.
pub(crate) trait Visit {
    fn visit<T>(&mut self, name: &'static str, about: &'static str, codec: MsgPack, value: T)
    where
        T: Serialize + DeserializeOwned + PartialEq + Debug + 'static;
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
pub(crate) struct Unit;

#[derive(Serialize, Deserialize, PartialEq, Debug)]
pub(crate) struct Newtype(u16);

#[derive(Serialize, Deserialize, PartialEq, Debug)]
pub(crate) struct Pair(u8, String);

#[derive(Serialize, Deserialize, PartialEq, Debug)]
pub(crate) struct Image {
    pub(crate) name: String,
    pub(crate) width: u32,
    pub(crate) pixels: Buffer,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
pub(crate) enum Shape {
    Unit,
    New(Buffer),
    Tuple(u8, Buffer),
    Struct { name: String, buffer: Buffer },
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(tag = "kind")]
pub(crate) enum Internal {
    Empty,
    Image { width: u32, pixels: Buffer },
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(tag = "kind", content = "data")]
pub(crate) enum Adjacent {
    Empty,
    One(Buffer),
    Two(Buffer, Buffer),
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(untagged)]
pub(crate) enum Untagged {
    Number(u64),
    Image { pixels: Buffer },
    Plain(Buffer),
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
pub(crate) struct Flat {
    pub(crate) id: u32,
    #[serde(flatten)]
    pub(crate) image: Image,
    #[serde(flatten)]
    pub(crate) rest: BTreeMap<String, Buffer>,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
pub(crate) struct FlatEnum {
    pub(crate) id: u32,
    #[serde(flatten)]
    pub(crate) shape: Shape,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
pub(crate) struct Nested {
    layers: Vec<BTreeMap<String, Option<Image>>>,
    shapes: (Shape, Vec<Shape>),
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
pub(crate) struct Fields {
    #[serde(with = "outband::serde_buffer")]
    raw: Bytes,
    #[serde(with = "outband::serde_buffer")]
    volts: Vec<f64>,
    #[serde(with = "outband::serde_buffer")]
    none: Option<Box<[u16]>>,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(rename = "_ExtStruct")]
pub(crate) struct Foreign((i8, serde_bytes::ByteBuf));

/// `len` bytes that differ from position to position and from seed to seed.
pub(crate) fn bytes(seed: u8, len: usize) -> Vec<u8> {
    (0..len).map(|at| (at as u8).wrapping_mul(31).wrapping_add(seed) ^ (at >> 8) as u8).collect()
}

pub(crate) fn buffer(seed: u8, len: usize) -> Buffer {
    Buffer::from_vec(bytes(seed, len))
}

fn image(seed: u8) -> Image {
    Image { name: format!("image {seed}"), width: 8, pixels: buffer(seed, 48) }
}

/// Shows every golden value to `visit`, with the codec that wrote it.
pub(crate) fn each(visit: &mut impl Visit) {
    plain(visit);
    enums(visit);
    buffers(visit);
    arrays(visit);
}

fn plain(visit: &mut impl Visit) {
    let codec = MsgPack::new;
    visit.visit("nil", "the unit value", codec(), ());
    visit.visit("bools", "a tuple of both booleans", codec(), (true, false));
    visit.visit(
        "unsigned",
        "unsigned integers at every width's edge",
        codec(),
        [0, 127, 128, 255, 256, 65_535, 65_536, 0xffff_ffff, 0x1_0000_0000, u64::MAX],
    );
    visit.visit(
        "signed",
        "signed integers at every width's edge",
        codec(),
        [-1, -32, -33, -128, -129, -32_768, -32_769, -2_147_483_648, -2_147_483_649, i64::MIN, i64::MAX],
    );
    visit.visit("wide", "a u128 and an i128: bin of 16 bytes, big-endian", codec(), (u128::MAX - 1, i128::MIN + 1));
    visit.visit("floats", "an f32 and f64s", codec(), (1.5_f32, -0.1_f64, f64::INFINITY, f64::MIN_POSITIVE));
    visit.visit("chars", "characters: strings of one character", codec(), ('a', 'ß', '語', '🦀'));
    let text = |len| "x".repeat(len);
    visit.visit(
        "strings",
        "strings at every header's edge",
        codec(),
        [text(0), text(31), text(32), text(255), text(256)],
    );
    visit.visit("long-string", "a string with a 32-bit length", codec(), text(65_536));
    visit.visit("long-array", "an array with a 16-bit length", codec(), vec![None::<u8>; 16]);
    visit.visit("longest-array", "an array with a 32-bit length", codec(), vec![true; 65_536]);
    visit.visit(
        "empty",
        "an empty array, map and string",
        codec(),
        (Vec::<u8>::new(), BTreeMap::<String, u8>::new(), String::new()),
    );
    visit.visit(
        "options",
        "options: nil or the value itself",
        codec(),
        (None::<u8>, Some(7_u8), Some("seven".to_owned())),
    );
    visit.visit("map", "a map with string keys", codec(), BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), -1)]));
    visit.visit(
        "int-map",
        "a map with integer keys and a 16-bit length",
        codec(),
        (0..16).map(|key| (key, ())).collect::<BTreeMap<i32, ()>>(),
    );
    visit.visit(
        "structs",
        "a unit, a newtype and a tuple struct",
        codec(),
        (Unit, Newtype(300), Pair(1, "one".into())),
    );
    visit.visit("foreign", "an extension value of somebody else's type 5", codec(), Foreign((5, vec![1, 2, 3].into())));
}

fn enums(visit: &mut impl Visit) {
    let all = || MsgPack::new().out_of_band_from(0);
    visit.visit(
        "enum",
        "externally tagged: every kind of variant",
        all(),
        vec![
            Shape::Unit,
            Shape::New(buffer(1, 20)),
            Shape::Tuple(7, buffer(2, 21)),
            Shape::Struct { name: "n".into(), buffer: buffer(3, 22) },
        ],
    );
    visit.visit(
        "enum-internal",
        "internally tagged",
        all(),
        vec![Internal::Empty, Internal::Image { width: 3, pixels: buffer(1, 20) }],
    );
    visit.visit(
        "enum-adjacent",
        "adjacently tagged",
        all(),
        vec![Adjacent::Empty, Adjacent::One(buffer(1, 20)), Adjacent::Two(buffer(2, 21), buffer(3, 22))],
    );
    visit.visit(
        "enum-untagged",
        "untagged",
        all(),
        vec![Untagged::Number(5), Untagged::Image { pixels: buffer(1, 20) }, Untagged::Plain(buffer(2, 21))],
    );
    visit.visit(
        "flat",
        "a flattened struct and a flattened map",
        all(),
        Flat {
            id: 9,
            image: image(1),
            rest: BTreeMap::from([("x".to_owned(), buffer(2, 20)), ("y".to_owned(), buffer(3, 21))]),
        },
    );
    visit.visit("flat-enum", "a flattened enum", all(), FlatEnum { id: 9, shape: Shape::New(buffer(1, 20)) });
}

fn buffers(visit: &mut impl Visit) {
    let all = || MsgPack::new().out_of_band_from(0);
    visit.visit("buffer", "one buffer and nothing else", all(), buffer(1, 64));
    visit.visit("buffer-in-band", "the same buffer in band: bin", MsgPack::new(), buffer(1, 64));
    visit.visit(
        "in-band-lengths",
        "in-band buffers at every header's edge",
        MsgPack::new(),
        [buffer(1, 0), buffer(2, 1), buffer(3, 255), buffer(4, 256)],
    );
    visit.visit(
        "buffer-default",
        "a buffer above the default threshold",
        MsgPack::new(),
        buffer(1, MsgPack::OUT_OF_BAND_FROM),
    );
    visit.visit("empty-buffer", "an empty buffer out of band: an empty frame", all(), buffer(1, 0));
    visit.visit(
        "sampled",
        "lengths at the edge of the sampled check",
        all(),
        [buffer(1, 1), buffer(2, 63), buffer(3, 64), buffer(4, 65), buffer(5, 1000), buffer(6, 66_000)],
    );
    visit.visit(
        "image",
        "a struct with a buffer: the worked example of docs/wire.md",
        all(),
        Image { name: "dot".into(), width: 2, pixels: Buffer::from_vec(vec![0_u8, 1, 2, 3]) },
    );
    let shared = buffer(1, 40);
    visit.visit(
        "shared",
        "one buffer three times: one frame",
        all(),
        vec![shared.clone(), shared.clone(), shared.clone()],
    );
    visit.visit(
        "slices",
        "two parts of one buffer: two frames",
        all(),
        (shared.slice(..20), shared.slice(20..), shared),
    );
    visit.visit("equal", "two buffers of equal bytes: two frames", all(), (buffer(7, 30), buffer(7, 30)));
    visit.visit("equal-lengths", "two buffers of equal length", all(), (buffer(7, 30), buffer(8, 30)));
    visit.visit("many", "100 buffers", all(), (0..100).map(|len| buffer(len, len.into())).collect::<Vec<_>>());
    let even_out = MsgPack::new().placement(|buffer| match buffer.index() % 2 {
        0 => Placement::OutOfBand,
        _ => Placement::InBand,
    });
    visit.visit(
        "mixed",
        "every second buffer in band",
        even_out,
        (0..5).map(|seed| buffer(seed, 10)).collect::<Vec<_>>(),
    );
    visit.visit(
        "nested",
        "buffers in options, maps, vectors, tuples and enums",
        all(),
        Nested {
            layers: vec![
                BTreeMap::from([("a".to_owned(), Some(image(1))), ("b".to_owned(), None)]),
                BTreeMap::new(),
                BTreeMap::from([("c".to_owned(), Some(image(2)))]),
            ],
            shapes: (Shape::New(buffer(3, 9)), vec![Shape::Tuple(1, buffer(4, 9)), Shape::Unit]),
        },
    );
    visit.visit(
        "fields",
        "serde_buffer fields: bytes, floats, none",
        all(),
        Fields { raw: bytes(1, 16).into(), volts: vec![1.0, -2.5], none: None },
    );
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
pub(crate) struct Measurement {
    station: String,
    #[serde(flatten)]
    samples: Array,
}

/// An array whose bytes differ from position to position.
fn array(dtype: &str, shape: &[usize], order: Order) -> Array {
    let dtype: DType = dtype.parse().unwrap();
    let len = shape.iter().product::<usize>() * dtype.item_len();
    Array::new(dtype, shape, order, buffer(1, len)).unwrap()
}

fn arrays(visit: &mut impl Visit) {
    let all = || MsgPack::new().out_of_band_from(0);
    let numbers = Array::from_shape_vec([2, 3], vec![0.0, 0.5, 1.0, 1.5, 2.0, 2.5]).unwrap();
    visit.visit("array", "float64 of shape (2, 3)", all(), numbers.clone());
    visit.visit("array-in-band", "the same with its elements in band", MsgPack::new(), numbers.clone());
    visit.visit("array-fortran", "Fortran order, 16-bit integers", all(), array("<i2", &[3, 4], Order::F));
    let planes = Array::from_strided("<i2".parse().unwrap(), [4, 2, 3], &[2, 24, 8], 0, &buffer(1, 48)).unwrap();
    visit.visit("array-axes", "axes in another order, the second one the slowest", all(), planes);
    visit.visit(
        "array-shapes",
        "a single number, and empty arrays",
        all(),
        vec![array("<f8", &[], Order::C), array("<f4", &[0], Order::C), array("|u1", &[3, 0, 2], Order::F)],
    );
    let dtypes = [
        "|b1",
        "|i1",
        "<i2",
        "<i4",
        "<i8",
        "|u1",
        "<u2",
        "<u4",
        "<u8",
        "<f2",
        "bfloat16",
        "<f4",
        "<f8",
        "<c8",
        "<c16",
        "<M8[ns]",
        "<m8[25us]",
        "<M8",
        "|S5",
        "<U3",
        "|V7",
        ">i2",
        ">u4",
        ">f8",
        ">c16",
        ">M8[D]",
        ">U2",
    ];
    visit.visit(
        "array-dtypes",
        "two elements of every dtype",
        all(),
        dtypes.map(|dtype| array(dtype, &[2], Order::C)).to_vec(),
    );
    let row = Array::broadcast(DType::U16, [1, 4], [1000, 4], Order::C, buffer(1, 8)).unwrap();
    visit.visit("array-broadcast", "one row a thousand times", all(), row);
    let inner = DType::record([("x", DType::F32), ("y", DType::F32)]).unwrap();
    let outer = DType::record([
        Field::new("id", DType::U8).with_title("the id"),
        Field::padding(3),
        Field::new("corners", inner).with_shape([2, 2]),
    ])
    .unwrap();
    let records = Array::new(outer.clone(), [3], Order::C, buffer(1, 3 * outer.item_len())).unwrap();
    visit.visit("array-record", "records with a title, a gap, and an array of records within", all(), records);
    visit.visit(
        "array-flat",
        "an array flattened into a struct",
        all(),
        Measurement { station: "north".into(), samples: numbers },
    );
}
