//! Types of one's own that messages are decoded into.

use std::collections::BTreeMap;

use outband::{Array, Buffer, Value};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Debug)]
pub struct Image {
    pub name: String,
    pub width: u32,
    pub pixels: Buffer,
}

#[derive(Serialize, Deserialize, Debug)]
pub enum Shape {
    Unit,
    New(Buffer),
    Tuple(i16, Buffer),
    Struct { name: String, buffer: Option<Buffer> },
}

#[derive(Serialize, Deserialize, Debug)]
#[serde(tag = "kind")]
pub enum Internal {
    Empty,
    Image { width: u16, pixels: Buffer },
    More { more: Vec<Internal> },
}

#[derive(Serialize, Deserialize, Debug)]
#[serde(tag = "kind", content = "data")]
pub enum Adjacent {
    Zero,
    One(Buffer),
    Two(Buffer, f32),
}

#[derive(Serialize, Deserialize, Debug)]
#[serde(untagged)]
pub enum Untagged {
    Number(i64),
    Real(f64),
    Text(String),
    List(Vec<Untagged>),
    Image(Image),
    Array(Array),
    Leaf(Option<Buffer>),
}

#[derive(Serialize, Deserialize, Debug)]
pub struct Flat {
    pub id: u64,
    #[serde(flatten)]
    pub shape: Option<Named>,
    #[serde(flatten)]
    pub rest: BTreeMap<String, Untagged>,
}

#[derive(Serialize, Deserialize, Debug)]
pub struct Named {
    pub name: String,
}

#[derive(Serialize, Deserialize, Debug)]
pub struct Fields {
    #[serde(with = "outband::serde_buffer", default)]
    pub raw: Vec<u8>,
    #[serde(with = "outband::serde_buffer", default)]
    pub volts: Vec<f64>,
    #[serde(default)]
    pub array: Option<Array>,
    #[serde(default)]
    pub value: Option<Value>,
}

#[derive(Serialize, Deserialize, Debug)]
pub enum Chain {
    End,
    Next(Box<Chain>),
    Pair(u8, Box<Chain>),
    Named { next: Box<Chain>, wide: u128 },
}

#[derive(Deserialize, Debug)]
#[expect(dead_code, reason = "only decoded")]
pub struct Borrowed<'a> {
    #[serde(borrow)]
    name: &'a str,
    width: u32,
    #[serde(borrow)]
    pixels: &'a [u8],
}
