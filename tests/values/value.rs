//! Values without a schema: every message decodes to one, looks short, and encodes to the same message again.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use outband::{
    Array, Buffer, DType, Json, MsgPack, Multipart, Order, Pickle, Placement, Value, from_multipart, memory,
    to_multipart,
};
use outband::{Decode, Encode, ErrorKind};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::golden_files::golden;
#[cfg(feature = "arrow")]
use crate::golden_files::golden_in;
use crate::random::Random;
use crate::values;

#[test]
fn every_golden_message_comes_back_the_same() {
    let messages = golden();
    assert!(messages.len() > 30);
    for (name, message) in messages {
        let value: Value = from_multipart(message.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let again = to_multipart(&value).unwrap();
        assert_eq!(from_multipart::<Value>(again.clone()).unwrap().to_string(), value.to_string(), "{name}");
        assert!(again == message, "{name}");
    }
}

/// A codec that puts every buffer into the metadata, or none.
fn placing(place: Placement) -> MsgPack {
    MsgPack::new().placement(move |_| place)
}

#[test]
fn an_array_goes_where_it_was_whatever_its_length() {
    let arrays = [0, 1, 1000, 1024, 1025, 20_000].map(|len| Array::from_vec(vec![0.5_f64; len]));
    let flipped = Array::from_strided(DType::U16, [100, 30, 2], &[2, 400, 200], 0, &Buffer::from(vec![7; 12_000]));
    for place in [Placement::InBand, Placement::OutOfBand] {
        let object = ("arrays", &arrays, flipped.as_ref().unwrap());
        let message: Multipart = placing(place).encode(&object).unwrap();
        let value: Value = from_multipart(message.clone()).unwrap();
        assert!(to_multipart(&value).unwrap() == message, "{place:?}");
        // and once more, of a clone
        let value: Value = from_multipart(to_multipart(&value.clone()).unwrap()).unwrap();
        assert!(to_multipart(&value).unwrap() == message, "{place:?}");
        // a callback has the last word
        let other = placing(Placement::OutOfBand).encode(&value).unwrap();
        assert!(other == placing(Placement::OutOfBand).encode(&object).unwrap(), "{place:?}");
        // what has a type goes where the codec says
        type Object = (String, Vec<Array>, Array);
        let typed: Object = from_multipart(message).unwrap();
        assert!(to_multipart(&typed).unwrap() == to_multipart(&object).unwrap(), "{place:?}");
    }
}

#[test]
fn an_array_that_came_in_another_format_goes_where_the_codec_says() {
    let arrays = vec![Array::from_vec(vec![0.5_f64; 2]), Array::from_vec(vec![0.5_f64; 20_000])];
    let plain = to_multipart(&arrays).unwrap();
    assert_eq!(plain.buffers().len(), 1);
    for pickle in [Pickle::new(), Pickle::new().in_band()] {
        let value: Value = Pickle::new().decode(pickle.encode(&arrays).unwrap()).unwrap();
        assert!(to_multipart(&value).unwrap() == plain, "{pickle:?}");
        // and the other way round
        for place in [Placement::InBand, Placement::OutOfBand] {
            let value: Value = from_multipart(placing(place).encode(&arrays).unwrap()).unwrap();
            assert!(pickle.encode(&value).unwrap() == pickle.encode(&arrays).unwrap(), "{pickle:?} {place:?}");
        }
    }
}

#[test]
fn arrays_and_a_buffer_on_one_frame_stay_on_it_wherever_it_lies() {
    let data = Buffer::from_vec((0..100).map(f64::from).collect::<Vec<_>>());
    let whole = Array::new(DType::F64, [100], Order::C, data.clone()).unwrap();
    let square = Array::new(DType::F64, [10, 10], Order::F, data.clone()).unwrap();
    let message: Multipart = placing(Placement::OutOfBand).encode(&(whole, square, data.clone())).unwrap();
    assert_eq!(message.buffers().len(), 1);
    for by in 0..9 {
        let room = Buffer::from_vec(vec![0_u64; 102]);
        let moved = Buffer::copy_from_slice(&[&room[..by], &data, &room[..8]].concat()).to_aligned(8);
        let moved = moved.slice(by..by + data.len());
        let value: Value = from_multipart(Multipart::new(message.metadata().clone(), vec![moved.clone()])).unwrap();
        let again = to_multipart(&value.clone()).unwrap();
        assert!(again == message, "{by}: {again:?}");
        assert_eq!(again.buffers()[0].as_ptr(), moved.as_ptr(), "{by}: as it came");
        let [whole, square] = [0, 1].map(|at| value.as_list().unwrap()[at].as_array().unwrap());
        assert_eq!(whole.as_slice::<f64>().unwrap()[99], 99.0, "{by}");
        // what is made of one is not what came
        let turned = square.to_order(Order::C).unwrap();
        let decoded: Value = from_multipart(to_multipart(&Value::from(turned.clone())).unwrap()).unwrap();
        assert_eq!(decoded.as_array().unwrap().as_slice::<f64>().unwrap(), turned.as_slice::<f64>().unwrap(), "{by}");
        assert_eq!(turned.as_slice::<f64>().unwrap()[1], 10.0, "{by}");
    }
}

#[test]
fn empty_arrays_in_band_and_out_of_band_are_told_apart() {
    let none = Array::from_shape_vec([3, 0], Vec::<f32>::new()).unwrap();
    for first in [0, 1] {
        let codec = MsgPack::new().placement(move |buffer| match buffer.index() % 2 {
            index if index == first => Placement::InBand,
            _ => Placement::OutOfBand,
        });
        // those of one vector each, and one that lies nowhere
        let arrays = [none.clone(), Array::from_vec(Vec::<u8>::new()), none.clone(), Array::from_vec(Vec::<u8>::new())];
        let message: Multipart = codec.encode(&arrays).unwrap();
        let frames = vec![Buffer::new(); message.buffers().len()];
        let message = Multipart::new(message.metadata().clone(), frames);
        let value: Value = from_multipart(message.clone()).unwrap();
        let again = to_multipart(&value).unwrap();
        assert!(again == message, "{first}: {:?} {:?}", again.metadata(), message.metadata());
    }
}

/// A value that stands in a field of text as JSON.
struct FromText(Value);

impl<'de> Deserialize<'de> for FromText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let message = Multipart::new(text, vec![]);
        outband::Json::new().decode(message).map(Self).map_err(serde::de::Error::custom)
    }
}

#[test]
fn an_array_of_a_text_within_a_message_goes_where_the_codec_says() {
    let array = Array::from_vec(vec![7_u8; 20_000]);
    let text = outband::Json::new().buffers_in_band().encode(&array).unwrap();
    let text = String::from_utf8(text.metadata().to_vec()).unwrap();
    // behind one in band, one in a frame, and none
    for place in [Some(Placement::InBand), Some(Placement::OutOfBand), None] {
        let codec = place.map_or(MsgPack::new(), placing);
        let before = place.map(|_| array.clone());
        let message: Multipart = codec.encode(&(&before, &text)).unwrap();
        let (before, FromText(value)): (Value, FromText) = from_multipart(message).unwrap();
        assert_eq!(before.is_nil(), place.is_none());
        assert_eq!(value.as_array(), Some(&array));
        assert_eq!(to_multipart(&value).unwrap(), to_multipart(&array).unwrap(), "{place:?}");
    }
}

/// Encodes an object, and what it decodes to without its type.
fn comes_back_the_same<T: Serialize>(name: &str, codec: &MsgPack, object: &T) {
    let message: Multipart = codec.encode(object).unwrap();
    let value: Value = from_multipart(message.clone()).unwrap();
    assert!(codec.encode(&value).unwrap() == message, "{name}: {value}");
}

#[test]
fn a_value_is_the_same_message_again_with_the_threshold_of_its_sender() {
    struct Again(Vec<&'static str>);

    impl values::Visit for Again {
        fn visit<T>(&mut self, name: &'static str, _about: &'static str, codec: MsgPack, object: T)
        where
            T: Serialize + DeserializeOwned + PartialEq + Debug + 'static,
        {
            // a callback that counts buffers counts otherwise: what was in band is none any more
            if name != "mixed" {
                comes_back_the_same(name, &codec, &object);
            }
            let message: Multipart = codec.encode(&object).unwrap();
            let value: Value = from_multipart(message.clone()).unwrap();
            if to_multipart(&value).unwrap() != message {
                self.0.push(name);
            }
        }
    }

    let mut again = Again(Vec::new());
    values::each(&mut again);
    // and with the default one: each buffer and each array goes where it was, however short or long
    assert_eq!(again.0, [""; 0]);
}

#[cfg(all(feature = "zlib", feature = "lz4", feature = "zstd", feature = "blosc"))]
#[test]
fn a_value_is_compressed_as_it_was_with_the_compression_of_its_sender() {
    use outband::Compression;

    let times: Vec<i64> = (0..12_500).map(|at| 1_700_000_000 + 30 * at).collect();
    let noise = Buffer::from_vec((0..20_000_u64).map(|at| at.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect());
    let short = Buffer::from(vec![7; 20]);
    let object = (Buffer::from_vec(times.clone()), Array::from_vec(times), noise, short, "text");
    let blosc = Compression::blosc();
    for compression in [Compression::zlib(), Compression::lz4(), Compression::zstd(), blosc, Compression::auto()] {
        let codec = MsgPack::new().compression(compression);
        comes_back_the_same(&format!("{compression:?}"), &codec, &object);
        // what compresses none of it, and passes nothing on, sends it as if it had come so
        let value: Value = from_multipart(codec.encode(&object).unwrap()).unwrap();
        let plain = MsgPack::new().placement(|buffer| match buffer.default_placement() {
            Placement::InBand => Placement::InBand,
            _ => Placement::OutOfBand,
        });
        assert!(plain.encode(&value).unwrap() == to_multipart(&object).unwrap(), "{compression:?}");
    }
}

#[cfg(all(feature = "arrow", feature = "blosc"))]
#[test]
fn a_table_of_a_value_is_compressed_as_it_was() {
    use arrow_array::types::{Int16Type, Int64Type};
    use arrow_array::{ArrayRef, DictionaryArray, Int64Array, ListArray, RecordBatch, StringArray};
    use outband::{Compression, Table};
    use std::sync::Arc;

    let rows = 20_000_i64;
    let lists = (0..rows).map(|row| Some([Some(row), None, Some(row / 7)]));
    let words: DictionaryArray<Int16Type> = (0..rows).map(|row| ["low", "high"][row as usize / 100 % 2]).collect();
    let columns: [(&str, ArrayRef); 4] = [
        ("number", Arc::new(Int64Array::from_iter_values(0..rows))),
        ("text", Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("row {row}"))))),
        ("lists", Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists))),
        ("words", Arc::new(words)),
    ];
    let table = Table::from(RecordBatch::try_from_iter(columns).unwrap());
    comes_back_the_same("blosc", &MsgPack::new().compression(Compression::blosc()), &table);
}

fn random_value(random: &mut Random, depth: usize) -> Value {
    let kinds = if depth == 0 { 9 } else { 11 };
    match random.below(kinds) {
        0 => Value::Nil,
        1 => Value::Bool(random.below(2) == 1),
        2 => Value::from((random.next() >> random.below(64)) as i64),
        3 => Value::from(random.next()),
        4 => Value::F32(random.below(1000) as f32 / 7.0),
        5 => Value::F64(random.next() as f64 / 3.0),
        6 => Value::from("søppel ".repeat(random.below(40))),
        7 => Value::Bytes(vec![3; random.below(300)].into()),
        8 => Value::Buffer(Buffer::from(vec![random.next() as u8; 1 + random.below(20_000)])),
        9 => (0..random.below(20)).map(|_| random_value(random, depth - 1)).collect::<Vec<_>>().into(),
        _ => {
            let len = random.below(20);
            let entry = |index| (Value::from(index as u64), random_value(random, depth - 1));
            (0..len).map(entry).collect::<Vec<_>>().into()
        }
    }
}

#[test]
fn random_values_round_trip_without_copying_buffers() {
    let mut random = Random::seeded(0x5eed_0003);
    for _ in 0..400 {
        let value = random_value(&mut random, 4);
        let copied = memory::copied_bytes();
        let message = to_multipart(&value).unwrap();
        assert_eq!(memory::copied_bytes(), copied, "buffers become frames, and bytes are metadata");
        let back: Value = from_multipart(message.clone()).unwrap();
        assert_eq!(back, value);
        assert_eq!(to_multipart(&back).unwrap(), message);
        assert_eq!(value.to_object::<Value>().unwrap(), value);
    }
}

#[test]
fn a_buffer_is_the_received_frame_and_keeps_its_place() {
    let short = Buffer::from(vec![1_u8; 16]);
    let long = Buffer::from(vec![2_u8; 10_000]);
    let message = MsgPack::new().out_of_band_from(0);
    let message = message.encode(&(&short, &long, &short)).unwrap();
    let value: Value = from_multipart(message.clone()).unwrap();
    let [Value::Buffer(first), Value::Buffer(second), Value::Buffer(third)] = value.as_list().unwrap() else {
        panic!("{value}")
    };
    assert_eq!(first.as_ptr(), message.buffers()[0].as_ptr());
    assert_eq!(second.as_ptr(), message.buffers()[1].as_ptr());
    assert_eq!(third.as_ptr(), first.as_ptr());
    assert_eq!(to_multipart(&value).unwrap(), message, "short as they are");
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Reading {
    station: String,
    volts: Option<f64>,
    raw: Buffer,
}

#[test]
fn objects_become_values_and_values_objects() {
    let reading = Reading { station: "north".into(), volts: None, raw: vec![1; 9000].into() };
    let value = Value::from_object(&reading).unwrap();
    assert_eq!(value.get("station").and_then(Value::as_str), Some("north"));
    assert!(value.get("volts").unwrap().is_nil());
    assert_eq!(value.get("raw").and_then(Value::as_bytes).unwrap().as_ptr(), reading.raw.as_ptr());
    assert_eq!(value.to_object::<Reading>().unwrap(), reading);
    assert_eq!(value.get("volt"), None);
    let error = value.to_object::<Vec<u8>>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Peer);
}

#[test]
fn arrays_are_recognised_wherever_they_stand() {
    let large = Array::from_vec((0..5000).map(f64::from).collect());
    let small = Array::from_vec(vec![1_u8, 2, 3]);
    let message = to_multipart(&(&large, BTreeMap::from([("small", &small)]), Some(&large))).unwrap();
    let copied = memory::copied_bytes();
    let value: Value = from_multipart(message.clone()).unwrap();
    assert_eq!(memory::copied_bytes() - copied, 3, "the array in band");
    let [first, map, again] = value.as_list().unwrap() else { panic!("{value}") };
    assert_eq!(first.as_array().unwrap(), &large);
    assert_eq!(first.as_array().unwrap().data().as_ptr(), large.data().as_ptr());
    assert_eq!(again, first);
    assert_eq!(map.get("small").and_then(Value::as_array).unwrap(), &small);
    assert_eq!(to_multipart(&value).unwrap(), message);
    assert_eq!(Value::from(large.clone()), *first);
    assert_eq!(value.to_object::<(Array, Value, Option<Array>)>().unwrap().2, Some(large));
    assert!(value.to_string().contains("5000"), "{value}");
}

/// Turns text around, ends a line, clears a terminal.
const ACTING: &str = "a\u{202e}b\u{2066}c\u{2028}d\x1b[2Je\nf\u{200f}";

fn assert_one_seen_line(text: &str) {
    let acts = |char: char| char.is_control() || "\u{202e}\u{2066}\u{2028}\u{200f}".contains(char);
    assert!(!text.contains(acts) && text.contains("202e"), "{text:?}");
}

#[test]
fn what_a_peer_named_neither_ends_a_line_nor_turns_it_around_where_it_is_printed() {
    let dtype = DType::record([(ACTING, "<f8".parse().unwrap())]).unwrap();
    let array = Array::new(dtype.clone(), [1], Order::C, Buffer::from(vec![0_u8; 8])).unwrap();
    let text = Value::from(ACTING);
    for value in
        [text.clone(), Value::from(vec![text.clone()]), Value::from(vec![(text.clone(), text)]), array.clone().into()]
    {
        assert_one_seen_line(&value.to_string());
        assert_one_seen_line(&format!("{value:?}"));
    }
    for shown in [array.to_string(), format!("{array:?}"), format!("{dtype:?}")] {
        assert_one_seen_line(&shown);
    }
    // and in errors: as the name of a variant, of a class, of a field
    #[derive(Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    enum Known {
        One,
    }
    let message = to_multipart(ACTING).unwrap();
    let error = from_multipart::<Known>(message).unwrap_err();
    assert_one_seen_line(&error.to_string());
    assert_one_seen_line(&format!("{error:?}"));
    let pickle = [b"\x80\x04\x8c", &[ACTING.len() as u8][..], ACTING.as_bytes(), b"\x8c\x01X\x93)\x81."].concat();
    let error = Decode::<Value>::decode(&Pickle::new(), Multipart::new(pickle, vec![])).unwrap_err();
    assert_one_seen_line(&error.to_string());
}

#[test]
fn a_map_that_only_looks_like_an_array_is_an_error() {
    let lies = BTreeMap::from([("$array", "<f8")]);
    let error = from_multipart::<Value>(to_multipart(&lies).unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Peer);
    let why = "missing field `shape`, in a map whose first key is \"$array\", which says that it is an array";
    assert!(error.to_string().contains(why), "{error}");
    // where the key is not the first it is a key like any other
    let map = Value::from(vec![(Value::Nil, Value::Nil), (Value::from("$array"), Value::Nil)]);
    assert_eq!(from_multipart::<Value>(to_multipart(&map).unwrap()).unwrap(), map);
}

#[test]
fn a_map_that_nobody_would_read_as_one_is_not_written() {
    let like = |marker: &str| {
        let rest = [("shape", Value::List(vec![])), ("order", "C".into()), ("data", Value::Bytes(vec![7].into()))];
        let rest = rest.into_iter().map(|(key, value)| (Value::from(key), value));
        Value::Map([(Value::from(marker), Value::from("|u1"))].into_iter().chain(rest).collect())
    };
    let first = |marker: &str| Value::Map(vec![(marker.into(), 1.into()), ("b".into(), 2.into())]);
    let second = |marker: &str| Value::Map(vec![("b".into(), 2.into()), (marker.into(), 1.into())]);
    for marker in ["$array", "$table", "$class"] {
        for map in [first(marker), like(marker)] {
            // by itself, within others, as a key's value, in what serde keeps for a while
            let values =
                [map.clone(), Value::List(vec![1.into(), map.clone()]), Value::Map(vec![("a".into(), map.clone())])];
            for value in values.into_iter().chain([Value::Shared(Arc::new(map.clone()))]) {
                let in_msgpack = to_multipart(&value);
                let in_json = Json::new().buffers_in_band().encode(&value);
                let is_marker = marker == "$array" || (marker == "$table" && cfg!(feature = "arrow"));
                for encoded in [in_msgpack, in_json] {
                    let Err(error) = encoded else {
                        assert!(!is_marker, "{value}");
                        continue;
                    };
                    assert!(is_marker, "{value}: {error}");
                    assert_eq!(error.kind(), ErrorKind::Caller);
                    assert!(error.to_string().contains("put another key first"), "{error}");
                }
            }
            // another serializer's maps are not looked at
            assert!(serde_json::to_string(&map).unwrap().starts_with(&format!("{{\"{marker}\":")));
        }
        let map = second(marker);
        assert_eq!(from_multipart::<Value>(to_multipart(&map).unwrap()).unwrap(), map);
        assert_eq!(Decode::<Value>::decode(&Json::new(), Json::new().encode(&map).unwrap()).unwrap(), map);
    }
}

#[cfg(feature = "arrow")]
#[test]
fn tables_are_recognised_wherever_they_stand() {
    use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
    use outband::Table;
    use std::sync::Arc;

    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..5000));
    let names: ArrayRef = Arc::new(StringArray::from_iter((0..5000).map(|index| Some(format!("row {index}")))));
    let table = Table::from(RecordBatch::try_from_iter([("number", numbers), ("name", names)]).unwrap());
    let message = to_multipart(&vec![(1, &table), (2, &table)]).unwrap();
    let value: Value = from_multipart(message.clone()).unwrap();
    let pair = value.as_list().unwrap()[1].as_list().unwrap();
    assert_eq!(pair[1].as_table().unwrap(), &table);
    assert_eq!(to_multipart(&value).unwrap(), message);
    assert_eq!(Value::from(table.clone()), pair[1]);
    assert!(value.to_string().len() < 8100);

    let value = Value::from(vec![(Value::from("log"), Value::from(table.slice(0, 1))), (Value::Nil, Value::Nil)]);
    assert_eq!(value.to_string(), r#"{"log": Table(1 rows; number: Int64 [0], name: Utf8 [row 0]), nil: nil}"#);
    let lines =
        ["{", "  \"log\": 1 rows of 2 columns", "    number: Int64 [0]", "    name: Utf8 [row 0],", "  nil: nil", "}"];
    assert_eq!(format!("{value:#}").lines().collect::<Vec<_>>(), lines);
}

#[cfg(feature = "arrow")]
#[test]
fn every_golden_table_is_a_value_that_shows_its_rows() {
    let tables = golden_in("tests/golden/tables");
    assert!(tables.len() > 10);
    for (name, message) in tables {
        let value: Value = from_multipart(message.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let table: outband::Table = from_multipart(message.clone()).unwrap();
        assert_eq!(value.as_table().unwrap(), &table, "{name}");
        assert!(value.to_string() == format!("{table:?}") && format!("{value:#}") == table.to_string(), "{name}");
        assert!(value.to_string().len() < 1000, "{name}: {value}");
        assert!(to_multipart(&value).unwrap() == message, "{name}: as it came");
        assert!(to_multipart(&value.clone()).unwrap() == message, "{name}: a clone");
        // what has a type goes where the codec says, and what is made of a value is not what came
        assert!(to_multipart(value.as_table().unwrap()).unwrap() == to_multipart(&table).unwrap(), "{name}");
        let again = MsgPack::new().out_of_band_from(1).encode(&Value::from(table.clone())).unwrap();
        assert_eq!(again.buffers(), message.buffers(), "{name}");
        assert_eq!(from_multipart::<Value>(again).unwrap(), value, "{name}");
        assert_eq!(value.to_object::<outband::Table>().unwrap(), table, "{name}");
    }
    let shown = |name| {
        let (_, message) = golden_in("tests/golden/tables").into_iter().find(|(found, _)| found == name).unwrap();
        from_multipart::<Value>(message).unwrap().to_string()
    };
    assert_eq!(shown("no-columns"), "Table(5 rows; no columns)");
    let encoded = "Table(4 rows; words: Dictionary(Int8, Utf8)? [low, null, high, ...], \
                   runs: RunEndEncoded(non-null Int32, Utf8)? [on, on, on, ...])";
    assert_eq!(shown("encoded"), encoded);
    for part in ["time: Time64(ns)? [00:00:00.000000001, null]", "[1970-01-01T00:00:00Z, 2023-11-14T22:13:20Z]"] {
        assert!(shown("times").contains(part), "{}", shown("times"));
    }
}

#[test]
fn an_extension_value_that_says_it_is_a_reference_is_not_sent() {
    for payload in [vec![], vec![0x92, 0, 0], vec![7; 4], vec![7; 300], vec![7; 70_000]] {
        let error = to_multipart(&Value::Ext(0x42, payload.clone().into())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Caller);
        assert!(error.to_string().contains("0x42"), "{error}");
        let other = Value::Ext(0x43, payload.into());
        assert_eq!(from_multipart::<Value>(to_multipart(&other).unwrap()).unwrap(), other);
    }
}

#[test]
fn integers_have_one_variant_each() {
    assert_eq!(Value::from(5_u64), Value::from(5_i8));
    assert_eq!(Value::from(u64::MAX), Value::UInt(u64::MAX));
    assert_eq!(from_multipart::<Value>(to_multipart(&i64::MAX).unwrap()).unwrap(), Value::Int(i64::MAX));
    assert_eq!(Value::from(u64::MAX).as_i64(), None);
    assert_eq!(Value::from(-1).as_u64(), None);
    assert_eq!(Value::from(u64::MAX).as_u64(), Some(u64::MAX));
    assert_eq!(Value::from(7).as_f64(), Some(7.0));
}

#[test]
fn what_is_printed_is_short_whatever_the_value() {
    let text = Value::from("ä\u{1}\n".repeat(1 << 20));
    let wide = Value::from(vec![(Value::from("ä".repeat(90)), Value::Nil); 10_000]);
    let mut deep = wide.clone();
    for _ in 0..100 {
        deep = Value::from(vec![Value::Nil, deep]);
    }
    let long = Value::from((0..1_000_000).map(Value::from).collect::<Vec<_>>());
    for value in [&text, &wide, &deep, &long, &Value::Buffer(vec![0; 1 << 24].into())] {
        for shown in [value.to_string(), format!("{value:#}"), format!("{value:?}")] {
            assert!(shown.len() <= 8100, "{} bytes", shown.len());
        }
    }
    let shown = long.to_string();
    assert!(shown.starts_with("[0, 1, 2, ") && shown.ends_with("31, ... 999968 more]"), "{shown}");
    let value = Value::from(vec![(Value::from("a"), Value::from(vec![Value::Nil, Value::Bool(true)]))]);
    assert_eq!(format!("{value:#}"), "{\n  \"a\": [\n    nil,\n    true\n  ]\n}");
    assert_eq!(Value::from(vec![] as Vec<Value>).to_string(), "[]");
    assert_eq!(Value::Ext(5, vec![1, 2].into()).to_string(), "Ext(5, Bytes(2 bytes: 01 02))");
    assert_eq!(Value::F64(1.0).to_string(), "1.0");
}
