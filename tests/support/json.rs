//! What the tests of the `Json` codec write and read, good and bad.

use std::collections::BTreeMap;
use std::fmt::Debug;

use outband::{Decode, Encode, Json, Multipart, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub(crate) fn text<T: Serialize + ?Sized>(value: &T) -> String {
    let message = Json::new().encode(value).unwrap();
    assert!(message.buffers().is_empty());
    String::from_utf8(message.metadata().to_vec()).unwrap()
}

pub(crate) fn read<T: DeserializeOwned>(text: impl AsRef<[u8]>) -> Result<T> {
    let text = text.as_ref();
    let whole: Result<T> = Json::new().decode(Multipart::new(text.to_vec(), vec![]));
    let frame: Result<T> = Json::new().decode_frame(text);
    let texts = [&whole, &frame].map(|result| result.as_ref().err().map(ToString::to_string));
    assert_eq!(texts[0], texts[1]);
    whole
}

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
pub(crate) enum Shape {
    Point,
    Circle(f64),
    Pair(i8, String),
    Box { width: u8, height: Option<u8> },
    Nothing(()),
}

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
#[serde(tag = "kind")]
pub(crate) enum Tagged {
    Dot,
    Line { to: (i32, i32) },
}

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
#[serde(untagged)]
pub(crate) enum Loose {
    Number(f64),
    Text(String),
    List(Vec<Loose>),
}

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone, Copy)]
pub(crate) struct Meters(pub(crate) f32);

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone, Copy)]
pub(crate) struct Unit;

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
pub(crate) struct Everything {
    pub(crate) flag: bool,
    pub(crate) small: i8,
    pub(crate) large: u64,
    pub(crate) least: i64,
    pub(crate) wide: i128,
    pub(crate) widest: u128,
    pub(crate) float: f64,
    pub(crate) letter: char,
    pub(crate) text: String,
    pub(crate) nothing: Option<u8>,
    pub(crate) something: Option<u8>,
    pub(crate) unit: (),
    pub(crate) named_unit: Unit,
    pub(crate) newtype: Meters,
    pub(crate) pair: (u8, String),
    pub(crate) list: Vec<i32>,
    pub(crate) shapes: Vec<Shape>,
    pub(crate) tagged: Vec<Tagged>,
    pub(crate) loose: Vec<Loose>,
    pub(crate) by_number: BTreeMap<i64, u8>,
    pub(crate) by_flag: BTreeMap<bool, u8>,
    pub(crate) by_letter: BTreeMap<char, u8>,
    pub(crate) by_wide: BTreeMap<u128, u8>,
    pub(crate) empty: BTreeMap<String, ()>,
    #[serde(flatten)]
    pub(crate) rest: BTreeMap<String, u8>,
}

pub(crate) fn everything() -> Everything {
    Everything {
        flag: true,
        small: -128,
        large: u64::MAX,
        least: i64::MIN,
        wide: i128::MIN,
        widest: u128::MAX,
        float: 0.1,
        letter: 'ß',
        text: "line\nbreak \"quoted\" \\ / é 😀 \u{7f}\0".into(),
        nothing: None,
        something: Some(3),
        unit: (),
        named_unit: Unit,
        newtype: Meters(0.1),
        pair: (1, "two".into()),
        list: vec![],
        shapes: vec![
            Shape::Point,
            Shape::Circle(1.0),
            Shape::Pair(-1, "x".into()),
            Shape::Box { width: 1, height: None },
            Shape::Nothing(()),
        ],
        tagged: vec![Tagged::Dot, Tagged::Line { to: (1, -1) }],
        loose: vec![Loose::Number(1.5), Loose::Text("a".into()), Loose::List(vec![Loose::Number(2.0)])],
        by_number: [(-1, 1), (20, 2)].into(),
        by_flag: [(false, 0), (true, 1)].into(),
        by_letter: [('"', 1)].into(),
        by_wide: [(u128::MAX, 1)].into(),
        empty: [].into(),
        rest: [("more".to_owned(), 1)].into(),
    }
}
