//! The tables of the chapter on Python that say what is written, and what data frames are: every row, with real NumPy and pandas.

#![cfg(feature = "arrow")]

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use arrow_array::types::Int8Type;
use arrow_array::{
    Array as _, ArrayRef, BinaryArray, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray,
    DurationMillisecondArray, FixedSizeBinaryArray, Float64Array, Int64Array, LargeBinaryArray, LargeStringArray,
    ListArray, NullArray, RecordBatch, StringArray, StringViewArray, StructArray, TimestampMicrosecondArray,
    UInt8Array,
};
use arrow_schema::{DataType, Field, Schema};
use outband::python::Kind;
use outband::{
    Array, Buffer, DType, Decode, Encode, ErrorKind, Multipart, Order, Pickle, SocketExt, Table, Value, memory,
};
use serde::{Serialize, Serializer};
use serde_json::json;

use crate::python::{Packages, Script};

/// A value as an object of Python's own.
struct Python<T>(Kind, T);

impl<T: Serialize> Serialize for Python<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(self.0.newtype_name(), &self.1)
    }
}

#[derive(Serialize)]
struct Unit;

#[derive(Serialize)]
struct Pair(i8, char);

#[derive(Serialize)]
struct Point {
    x: u8,
    y: u8,
}

#[derive(Serialize)]
struct Order_ {
    id: u32,
}

#[derive(Serialize)]
enum Event {
    Start,
    Step(u8),
    Move(u8, u8),
    Set { x: u8 },
}

fn message<T: Serialize + ?Sized>(value: &T) -> Multipart {
    Pickle::new().encode(value).unwrap()
}

fn in_band<T: Serialize + ?Sized>(value: &T) -> Multipart {
    Pickle::new().in_band().encode(value).unwrap()
}

fn arrays() -> [Array; 4] {
    let row = Buffer::from_vec(vec![1_i32, 2, 3]);
    [
        Array::from_vec(vec![0.5, 1.5]),
        Array::new(DType::I32, [3, 2], Order::F, Buffer::from_vec(vec![1_i32, 2, 3, 4, 5, 6])).unwrap(),
        Array::new(">i2".parse().unwrap(), [2], Order::C, Buffer::from(vec![0, 1, 0, 2])).unwrap(),
        Array::broadcast(DType::I32, [1, 3], [1000, 3], Order::C, row).unwrap(),
    ]
}

fn table(columns: Vec<(&str, ArrayRef)>) -> Table {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
        .unwrap()
        .into()
}

fn one<A: arrow_array::Array + 'static>(column: A) -> Multipart {
    message(&table(vec![("it", Arc::new(column))]))
}

/// The same table, which was something in Python.
fn described(table: &Table, metadata: &[(&str, String)]) -> Table {
    let metadata: HashMap<_, _> = metadata.iter().map(|(key, text)| ((*key).to_owned(), text.clone())).collect();
    let batch = table.batch();
    let schema = Schema::new_with_metadata(batch.schema().fields().clone(), metadata);
    RecordBatch::try_new(Arc::new(schema), batch.columns().to_vec()).unwrap().into()
}

fn numbers() -> Table {
    table(vec![("n", Arc::new(Int64Array::from(vec![7, 8])))])
}

/// What is written for a row of "What is written", in the order in which the script looks at it.
fn written(row: &str) -> Vec<Multipart> {
    let long = || Buffer::from(vec![7; 20_000]);
    match row {
        "`()`, unit structs, `None`" => vec![message(&()), message(&Unit), message(&None::<u8>)],
        "`bool`, integers up to `i128` and `u128`, floats, `String`, `char`" => {
            vec![message(&(true, -1_i8, i128::MIN, u128::MAX, 0.5_f32, f64::MAX, "søt".to_owned(), 'ß'))]
        }
        "`serde_bytes`, [`Value::Bytes`](crate::Value::Bytes)" => {
            vec![message(&serde_bytes::Bytes::new(&[7; 20_000])), message(&Value::Bytes(vec![7; 20_000].into()))]
        }
        "[`Buffer`](crate::Buffer) in a frame of its own" => vec![message(&long())],
        "[`Buffer`](crate::Buffer) below the threshold of `MsgPack::OUT_OF_BAND_FROM` bytes, or in band" => {
            vec![message(&Buffer::from(vec![7; outband::MsgPack::OUT_OF_BAND_FROM - 1])), in_band(&long())]
        }
        "`Vec`, slices, other sequences" => vec![
            message(&vec![1, 2]),
            message(&[1, 2][..]),
            message(&std::collections::VecDeque::from([1, 2])),
            message(&BTreeMap::from([(vec![1, 2], 3)])),
            message(&Python(Kind::Set, vec![vec![1, 2]])),
        ],
        "tuples, tuple structs, `[T; N]`" => vec![message(&(1, 'p')), message(&Pair(1, 'p')), message(&[1, 2])],
        "maps, structs" => vec![message(&BTreeMap::from([("x", 1), ("y", 2)])), message(&Point { x: 1, y: 2 })],
        "structs named in [`Pickle::write_as`](crate::Pickle::write_as)" => {
            vec![Pickle::new().write_as("Order_", "__main__.Order").encode(&Order_ { id: 7 }).unwrap()]
        }
        "enum variants" => vec![
            message(&Event::Start),
            message(&Event::Step(1)),
            message(&Event::Move(2, 3)),
            message(&Event::Set { x: 4 }),
        ],
        "[`Array`](crate::Array)" => arrays().iter().map(message).collect(),
        "[`Array`](crate::Array) in band" => arrays().iter().map(in_band).collect(),
        "`Table`" => {
            let index = json!({"index_columns": ["n"], "columns": [], "column_indexes": []}).to_string();
            let of = |origin: &str| ("outband.from", format!("pandas.{origin}"));
            vec![
                message(&numbers()),
                message(&described(&numbers(), &[of("Series")])),
                message(&described(&numbers(), &[of("Index"), ("pandas", index)])),
                message(&described(&numbers(), &[of("array")])),
            ]
        }
        "[`python::Kind`](crate::python::Kind)" => kinds(),
        _ => panic!("the page has a row that is not tested: {row}"),
    }
}

/// One of each kind that the row names, in its order.
fn kinds() -> Vec<Multipart> {
    let text = |kind, text: &str| message(&Python(kind, text));
    let class = |kind, class: &str, rest: (&str, Value)| {
        Python(kind, Value::from(vec![("$class".into(), class.into()), (rest.0.into(), rest.1)]))
    };
    let codec = Pickle::new().allow("__main__.Order").allow_enum("__main__.Colour");
    vec![
        message(&Python(Kind::Tuple, vec![1])),
        message(&Python(Kind::Set, vec![1])),
        message(&Python(Kind::FrozenSet, vec![1])),
        message(&Python(Kind::Deque, vec![1])),
        message(&Python(Kind::OrderedDict, BTreeMap::from([("a", 1)]))),
        message(&Python(Kind::Counter, BTreeMap::from([("a", 1)]))),
        message(&Python(Kind::ByteArray, Value::Bytes(vec![1].into()))),
        message(&Python(Kind::Complex, (0.5, -2.0))),
        message(&Python(Kind::Range, (1, 9, 2))),
        message(&Python(Kind::Slice, (1, 9, 2))),
        text(Kind::Ellipsis, "Ellipsis"),
        text(Kind::DateTime, "2026-11-27T09:00:00.25"),
        text(Kind::Date, "2026-11-27"),
        text(Kind::Time, "09:00:00"),
        text(Kind::TimeDelta, "PT1.5S"),
        text(Kind::TimeZone, "+05:30"),
        text(Kind::Decimal, "1.50"),
        text(Kind::Fraction, "1/3"),
        text(Kind::Uuid, "00000000-0000-0000-0000-000000000005"),
        text(Kind::PosixPath, "a/b"),
        text(Kind::Int, "18446744073709551616"),
        codec.encode(&class(Kind::Instance, "__main__.Order", ("id", Value::from(7)))).unwrap(),
        codec.encode(&class(Kind::Member, "__main__.Colour", ("value", Value::from(1)))).unwrap(),
    ]
}

/// What is written for a row of what tables are in pandas.
fn framed(row: &str) -> Vec<Multipart> {
    let words = || vec![Some("a"), None, Some("søt")];
    match row {
        "integers; with nulls" => vec![
            one(Int64Array::from(vec![1, 2, 3])),
            one(UInt8Array::from(vec![1, 2, 3])),
            one(Int64Array::from(vec![Some(1), None, Some(3)])),
        ],
        "floats" => vec![
            one(Float64Array::from(vec![0.5, 1.5, f64::NAN])),
            one(Float64Array::from(vec![Some(0.5), None, Some(1.5)])),
        ],
        "`Boolean`; with nulls; of `object`" => {
            let gaps = BooleanArray::from(vec![Some(true), None, Some(false)]);
            let objects = json!({"columns": [{"name": "it", "field_name": "it", "numpy_type": "object"}]}).to_string();
            let objects = described(&table(vec![("it", Arc::new(gaps.clone()))]), &[("pandas", objects)]);
            vec![one(BooleanArray::from(vec![true, false, true])), one(gaps), message(&objects)]
        }
        "`Timestamp`, `Duration`" => vec![
            one(TimestampMicrosecondArray::from(vec![Some(0), Some(1), Some(2)])),
            one(TimestampMicrosecondArray::from(vec![Some(0), None, Some(2)])),
            one(TimestampMicrosecondArray::from(vec![Some(0), None, Some(2)]).with_timezone("Europe/Oslo")),
            one(DurationMillisecondArray::from(vec![Some(0), Some(1), Some(2)])),
        ],
        "`Utf8`, `LargeUtf8`, `Utf8View`" => vec![
            one(StringArray::from(words())),
            one(LargeStringArray::from(words())),
            one(StringViewArray::from(words())),
        ],
        "`Binary` and its kin, `Null`" => {
            let bytes = || vec![Some(&b"a"[..]), None, Some(b"\xff")];
            vec![
                one(BinaryArray::from(bytes())),
                one(LargeBinaryArray::from(bytes())),
                one(BinaryViewArray::from(bytes())),
                one(FixedSizeBinaryArray::try_from_sparse_iter_with_size(
                    [Some(b"a"), None, Some(b"\xff")].into_iter(),
                    1,
                )
                .unwrap()),
                one(NullArray::new(3)),
            ]
        }
        "`Dictionary`" => {
            let kind: DictionaryArray<Int8Type> = [Some("high"), Some("low"), Some("high")].into_iter().collect();
            vec![one(kind)]
        }
        "what pandas had in Arrow, as its metadata says: `str` and `string[pyarrow]`, `int64[pyarrow]`, and lists, decimals and whatever else has an `ArrowDtype`" =>
        {
            let in_arrow = |dtype: &str, column: ArrayRef| {
                let column_of =
                    json!({"name": "it", "field_name": "it", "numpy_type": dtype, "metadata": {"storage": "pyarrow"}});
                message(&described(
                    &table(vec![("it", column)]),
                    &[("pandas", json!({"columns": [column_of]}).to_string())],
                ))
            };
            vec![
                in_arrow("string[pyarrow]", Arc::new(LargeStringArray::from(words()))),
                in_arrow("int64[pyarrow]", Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]))),
                in_arrow("date32[day][pyarrow]", Arc::new(Date32Array::from(vec![1, 2, 3]))),
                in_arrow(
                    "list<item: int32>[pyarrow]",
                    Arc::new(ListArray::from_iter_primitive::<arrow_array::types::Int32Type, _, _>([
                        Some([Some(1)]),
                        None,
                        Some([None]),
                    ])),
                ),
                in_arrow("str", Arc::new(LargeStringArray::from(words()))),
            ]
        }
        "anything else: decimals, dates, lists of any kind, structs, maps, unions, runs" => {
            let list = ListArray::from_iter_primitive::<arrow_array::types::Int32Type, _, _>([Some([Some(1)])]);
            let field = Arc::new(Field::new("x", DataType::Int64, true));
            let columns: [ArrayRef; 4] = [
                Arc::new(Decimal128Array::from(vec![1])),
                Arc::new(Date32Array::from(vec![1])),
                Arc::new(list),
                Arc::new(StructArray::from(vec![(field, Arc::new(Int64Array::from(vec![1])) as ArrayRef)])),
            ];
            let refusal = |column: ArrayRef| {
                let error = Pickle::new().encode(&table(vec![("the one", column)])).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Caller);
                Multipart::new(error.to_string(), vec![])
            };
            columns.map(refusal).into()
        }
        _ => panic!("the page has a row that is not tested: {row}"),
    }
}

/// What the table of a pickle is: of each column its name, type and nulls, and whether all of its values lie in the frames; how many bytes
/// were copied; and what the metadata says of the index.
fn read(message: Multipart) -> String {
    let frames: Vec<_> = message.buffers().iter().map(|frame| frame.as_ptr_range()).collect();
    let copied = memory::copied_bytes();
    let table: Table = match Pickle::new().decode(message.clone()) {
        Ok(table) => table,
        Err(error) => return json!({"error": error.to_string()}).to_string(),
    };
    let copied = memory::copied_bytes() - copied;
    let batch = table.batch();
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns()).map(|(field, column)| {
        let data = column.to_data();
        let mut values = data.buffers().iter().filter(|buffer| !buffer.is_empty());
        let is_in_place = values.all(|buffer| frames.iter().any(|frame| frame.contains(&buffer.as_ptr())));
        json!({
            "name": field.name(), "type": field.data_type().to_string(), "nulls": column.null_count(),
            "in place": is_in_place, "ordered": field.dict_is_ordered(),
        })
    });
    let columns: Vec<_> = columns.collect();
    let metadata = schema.metadata().get("pandas");
    let metadata: serde_json::Value = metadata.map(|text| serde_json::from_str(text).unwrap()).unwrap_or_default();
    json!({"columns": columns, "copied": copied, "index": metadata["index_columns"]}).to_string()
}

fn every_row(packages: Packages) {
    let socket = zmq::Context::new().socket(zmq::PAIR).unwrap();
    socket.set_rcvtimeo(60_000).unwrap();
    socket.set_linger(0).unwrap();
    socket.bind("tcp://127.0.0.1:*").unwrap();
    let endpoint = socket.get_last_endpoint().unwrap().unwrap();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/python.md");
    let mut script = Script::start_with(packages, "written_rows.py", &[&endpoint, page.to_str().unwrap()]);
    loop {
        let (topic, asked) = socket.recv_topic_message().unwrap();
        let row = std::str::from_utf8(asked.metadata()).unwrap_or_default();
        let messages = match &topic[..] {
            b"end" => break,
            b"read" => {
                socket.send(&read(asked), 0).unwrap();
                continue;
            }
            b"written" => written(row),
            b"framed" => framed(row),
            _ => panic!("{topic:?} is asked for"),
        };
        messages.into_iter().for_each(|message| socket.send_message(message).unwrap());
        socket.send("", 0).unwrap();
    }
    let rows: usize = script.line().parse().unwrap();
    script.finish();
    assert!(rows >= 32, "{rows}");
}

#[test]
fn every_row_of_what_is_written_is_so_with_pandas_3() {
    every_row(Packages::Current);
}

#[test]
fn every_row_of_what_is_written_is_so_with_pandas_2() {
    every_row(Packages::Older);
}
