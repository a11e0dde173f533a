//! Values of every type that stand in Python and in Rust, written by hand on either side: pyarrow's arrive as Rust's, and Rust's
//! as pyarrow's, whole and as the middle of a longer column.

#![cfg(feature = "arrow")]

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::builder::{Int64Builder, MapBuilder, MapFieldNames, StringBuilder};
use arrow_array::types::{Int8Type, Int16Type, Int32Type, Int64Type, UInt16Type};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BinaryViewArray, BooleanArray, Date32Array, Date64Array, Decimal32Array,
    Decimal64Array, Decimal128Array, Decimal256Array, DictionaryArray, DurationMicrosecondArray,
    DurationMillisecondArray, DurationNanosecondArray, DurationSecondArray, FixedSizeBinaryArray, FixedSizeListArray,
    Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, IntervalMonthDayNanoArray,
    LargeBinaryArray, LargeListArray, LargeListViewArray, LargeStringArray, ListArray, ListViewArray, MapArray,
    NullArray, RecordBatch, RunArray, StringArray, StringViewArray, StructArray, Time32MillisecondArray,
    Time32SecondArray, Time64MicrosecondArray, Time64NanosecondArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray, UInt8Array, UInt16Array, UInt32Array,
    UInt64Array, UnionArray, make_array,
};
use arrow_buffer::{IntervalMonthDayNano, NullBuffer, OffsetBuffer, ScalarBuffer, i256};
use arrow_data::ArrayDataBuilder;
use arrow_data::transform::MutableArrayData;
use arrow_schema::{DataType, Field, Fields, Schema, UnionFields};
use outband::{Buffer, SocketExt, Table};
use serde::Deserialize;

use crate::python::Script;

const LONG: &str = "søppel € 𝄞, more than twelve bytes";
/// 2024-02-29, 12:30:00 and 1969-12-31, in days and seconds.
const LEAP_DAY: i32 = 19_782;
const HALF_PAST_NOON: i64 = 1_709_209_800;
const DAY: i64 = 86_400;

fn field(name: &str, data_type: DataType) -> Arc<Field> {
    Arc::new(Field::new(name, data_type, true))
}

fn item(data_type: DataType) -> Arc<Field> {
    field("item", data_type)
}

fn valid(bits: &[bool]) -> Option<NullBuffer> {
    Some(NullBuffer::from(bits))
}

/// Python has these as 16-bit floats; their bits are in IEEE 754.
fn halves() -> ArrayRef {
    let bits = Buffer::from_vec(vec![0x3800_u16, 0, 0xfbff]);
    let values = arrow_buffer::Buffer::from(bytes::Bytes::from(bits));
    let data = ArrayDataBuilder::new(DataType::Float16).len(3).nulls(valid(&[true, false, true])).add_buffer(values);
    make_array(data.build().unwrap())
}

fn structs() -> ArrayRef {
    let x = field("x", DataType::Float64).as_ref().clone().with_metadata([("unit".to_owned(), "m".to_owned())]);
    let tags = field("tags", DataType::List(item(DataType::Utf8)));
    let texts = Arc::new(StringArray::from(vec!["a"]));
    let lists = OffsetBuffer::from_lengths([1, 0, 0]);
    let lists = ListArray::new(item(DataType::Utf8), lists, texts, valid(&[true, false, false]));
    let columns: Vec<ArrayRef> = vec![Arc::new(Float64Array::from(vec![Some(1.5), None, None])), Arc::new(lists)];
    let fields = Fields::from(vec![Arc::new(x), tags]);
    Arc::new(StructArray::new(fields, columns, valid(&[true, false, true])))
}

fn map(entries: [(&str, Option<i64>); 2], is_sorted: bool) -> ArrayRef {
    let names = MapFieldNames { entry: "entries".to_owned(), key: "key".to_owned(), value: "value".to_owned() };
    let mut map = MapBuilder::new(Some(names), StringBuilder::new(), Int64Builder::new());
    for (key, value) in entries {
        map.keys().append_value(key);
        map.values().append_option(value);
    }
    map.append(true).unwrap();
    map.append(false).unwrap();
    map.append(true).unwrap();
    let (entries_field, offsets, entries, nulls, _) = map.finish().into_parts();
    Arc::new(MapArray::new(entries_field, offsets, entries, nulls, is_sorted))
}

fn union(numbers: Vec<Option<i32>>, offsets: Option<ScalarBuffer<i32>>) -> ArrayRef {
    let fields = vec![field("n", DataType::Int32), field("s", DataType::Utf8)];
    let fields = UnionFields::try_new([0, 1], fields).unwrap();
    let children: Vec<ArrayRef> =
        vec![Arc::new(Int32Array::from(numbers)), Arc::new(StringArray::from(vec!["a", "b", "c"]))];
    Arc::new(UnionArray::try_new(fields, vec![0_i8, 1, 0].into(), offsets, children).unwrap())
}

fn texts(values: [Option<&str>; 2]) -> Arc<StringArray> {
    Arc::new(StringArray::from(values.to_vec()))
}

/// The values by the names that they have in Python.
fn values() -> Vec<(&'static str, ArrayRef)> {
    let numbers = |numbers: Vec<Option<i32>>| Arc::new(Int32Array::from(numbers));
    let (of, nulls) = (item(DataType::Utf8), valid(&[true, false, true, true]));
    let some_texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some(LONG)]));
    let some = [Some(125), None, Some(-9950)];
    let wide = some.map(|value| value.map(i256::from_i128));
    let spans = |small| vec![Some(DAY * small), None, Some(-5)];
    let low_high = || texts([Some("low"), Some("high")]);
    let disorder = Arc::new(Int64Array::from(vec![10, 11, 12, 13]));
    let inner = ListArray::new(
        item(DataType::Utf8),
        OffsetBuffer::from_lengths([1, 0, 0]),
        Arc::new(StringArray::from(vec!["a"])),
        valid(&[true, true, false]),
    );
    vec![
        ("null", Arc::new(NullArray::new(3))),
        ("bool", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
        ("int8", Arc::new(Int8Array::from(vec![Some(1), None, Some(-128)]))),
        ("int16", Arc::new(Int16Array::from(vec![Some(1), None, Some(-32_768)]))),
        ("int32", numbers(vec![Some(1), None, Some(-2_147_483_648)])),
        ("int64", Arc::new(Int64Array::from(vec![Some(1), None, Some(-9_223_372_036_854_775_808)]))),
        ("uint8", Arc::new(UInt8Array::from(vec![Some(1), None, Some(255)]))),
        ("uint16", Arc::new(UInt16Array::from(vec![Some(1), None, Some(65_535)]))),
        ("uint32", Arc::new(UInt32Array::from(vec![Some(1), None, Some(4_294_967_295)]))),
        ("uint64", Arc::new(UInt64Array::from(vec![Some(1), None, Some(18_446_744_073_709_551_615)]))),
        ("float16", halves()),
        ("float32", Arc::new(Float32Array::from(vec![Some(0.1), None, Some(f32::NEG_INFINITY)]))),
        ("float64", Arc::new(Float64Array::from(vec![Some(0.1), None, Some(5e-324)]))),
        (
            "decimal32",
            Arc::new(
                Decimal32Array::from_iter(some.map(|value| value.map(|value| value as i32)))
                    .with_precision_and_scale(9, 2)
                    .unwrap(),
            ),
        ),
        (
            "decimal64",
            Arc::new(
                Decimal64Array::from_iter(some.map(|value| value.map(|value| value as i64)))
                    .with_precision_and_scale(18, 2)
                    .unwrap(),
            ),
        ),
        ("decimal128", Arc::new(Decimal128Array::from_iter(some).with_precision_and_scale(38, 2).unwrap())),
        ("decimal256", Arc::new(Decimal256Array::from_iter(wide).with_precision_and_scale(76, 2).unwrap())),
        (
            "decimal128 of hundreds",
            Arc::new(Decimal128Array::from(vec![Some(123), None, Some(-1)]).with_precision_and_scale(5, -2).unwrap()),
        ),
        ("date32", Arc::new(Date32Array::from(vec![Some(LEAP_DAY), None, Some(-1)]))),
        ("date64", Arc::new(Date64Array::from(vec![Some(i64::from(LEAP_DAY) * DAY * 1000), None, Some(-DAY * 1000)]))),
        ("time32 s", Arc::new(Time32SecondArray::from(vec![Some(3723), None, Some(86_399)]))),
        ("time32 ms", Arc::new(Time32MillisecondArray::from(vec![Some(3_723_004), None, Some(0)]))),
        ("time64 us", Arc::new(Time64MicrosecondArray::from(vec![Some(3_723_000_004), None, Some(0)]))),
        ("time64 ns", Arc::new(Time64NanosecondArray::from(vec![Some(3_723_000_004_000), None, Some(0)]))),
        ("timestamp s", Arc::new(TimestampSecondArray::from(vec![Some(HALF_PAST_NOON), None, Some(-DAY)]))),
        (
            "timestamp ms utc",
            Arc::new(TimestampMillisecondArray::from(vec![Some(HALF_PAST_NOON * 1000), None]).with_timezone("UTC")),
        ),
        (
            "timestamp us oslo",
            Arc::new(
                TimestampMicrosecondArray::from(vec![Some(1_719_835_200_000_005), None]).with_timezone("Europe/Oslo"),
            ),
        ),
        (
            "timestamp ns offset",
            Arc::new(
                TimestampNanosecondArray::from(vec![Some(HALF_PAST_NOON * 1_000_000_000), None])
                    .with_timezone("+05:30"),
            ),
        ),
        ("duration s", Arc::new(DurationSecondArray::from(spans(1)))),
        ("duration ms", Arc::new(DurationMillisecondArray::from(spans(1000)))),
        ("duration us", Arc::new(DurationMicrosecondArray::from(spans(1_000_000)))),
        ("duration ns", Arc::new(DurationNanosecondArray::from(vec![Some(DAY * 1_000_000_000), None, Some(-5000)]))),
        ("interval", Arc::new(IntervalMonthDayNanoArray::from(vec![Some(IntervalMonthDayNano::new(1, -2, 3)), None]))),
        ("string", Arc::new(StringArray::from(vec![Some(""), None, Some(LONG)]))),
        ("large string", Arc::new(LargeStringArray::from(vec![Some(""), None, Some(LONG)]))),
        ("string view", Arc::new(StringViewArray::from(vec![Some(""), None, Some(LONG), Some("short")]))),
        ("binary", Arc::new(BinaryArray::from(vec![Some(&b""[..]), None, Some(b"\xff\x00")]))),
        ("large binary", Arc::new(LargeBinaryArray::from(vec![Some(&b""[..]), None, Some(b"\xff\x00")]))),
        ("binary view", Arc::new(BinaryViewArray::from(vec![Some(&b""[..]), None, Some(&[0xff; 13]), Some(b"\x00")]))),
        (
            "fixed binary",
            Arc::new(FixedSizeBinaryArray::new(
                3,
                b"abc\0\0\0\x00\x01\xff".to_vec().into(),
                valid(&[true, false, true]),
            )),
        ),
        (
            "list",
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([
                Some(vec![Some(1), None]),
                None,
                Some(vec![]),
                Some(vec![Some(3)]),
            ])),
        ),
        (
            "large list",
            Arc::new(LargeListArray::new(
                of.clone(),
                OffsetBuffer::from_lengths([2, 0, 0, 1]),
                some_texts.clone(),
                nulls.clone(),
            )),
        ),
        (
            "list view",
            Arc::new(ListViewArray::new(
                item(DataType::Int32),
                vec![0, 0, 0, 2].into(),
                vec![2, 0, 0, 1].into(),
                numbers(vec![Some(1), None, Some(3)]),
                nulls.clone(),
            )),
        ),
        (
            "large list view",
            Arc::new(LargeListViewArray::new(of, vec![0, 0, 0, 2].into(), vec![2, 0, 0, 1].into(), some_texts, nulls)),
        ),
        (
            "list view in disorder",
            Arc::new(ListViewArray::new(
                item(DataType::Int64),
                vec![2, 0, 1].into(),
                vec![2, 3, 0].into(),
                disorder,
                None,
            )),
        ),
        (
            "fixed list",
            Arc::new(FixedSizeListArray::new(
                item(DataType::Int16),
                2,
                Arc::new(Int16Array::from(vec![Some(1), Some(2), None, None, Some(3), None])),
                valid(&[true, false, true]),
            )),
        ),
        (
            "list of lists",
            Arc::new(ListArray::new(
                item(inner.data_type().clone()),
                OffsetBuffer::from_lengths([3, 0]),
                Arc::new(inner),
                valid(&[true, false]),
            )),
        ),
        ("struct", structs()),
        ("map", map([("b", Some(1)), ("a", None)], false)),
        ("sorted map", map([("a", Some(1)), ("b", None)], true)),
        ("sparse union", union(vec![Some(7), None, Some(9)], None)),
        ("dense union", union(vec![Some(7), None], Some(vec![0, 0, 1].into()))),
        (
            "dictionary",
            Arc::new(DictionaryArray::<Int8Type>::new(
                Int8Array::from(vec![Some(1), None, Some(0), Some(1)]),
                low_high(),
            )),
        ),
        (
            "ordered dictionary",
            Arc::new(DictionaryArray::<UInt16Type>::new(UInt16Array::from(vec![Some(1), None, Some(0)]), low_high())),
        ),
        (
            "dictionary of numbers",
            Arc::new(DictionaryArray::<Int64Type>::new(
                Int64Array::from(vec![1, 0]),
                Arc::new(Float64Array::from(vec![0.5, 1.5])),
            )),
        ),
        (
            "runs",
            Arc::new(
                RunArray::<Int16Type>::try_new(
                    &Int16Array::from(vec![2, 3, 6]),
                    &StringArray::from(vec![Some("on"), None, Some("off")]),
                )
                .unwrap(),
            ),
        ),
        (
            "uuid",
            Arc::new(FixedSizeBinaryArray::new(
                16,
                [&[0_u8; 15][..], &[5], &[0; 16]].concat().into(),
                valid(&[true, false]),
            )),
        ),
    ]
}

/// A column as the schema has it: what is of the field and not of its type is said here.
fn column(name: &str, array: ArrayRef) -> RecordBatch {
    let mut field = Field::new(name, array.data_type().clone(), true).with_dict_is_ordered(name.starts_with("ordered"));
    if name == "uuid" {
        let about = [("name", "arrow.uuid"), ("metadata", "")];
        field = field.with_metadata(about.map(|(key, value)| (format!("ARROW:extension:{key}"), value.to_owned())));
    }
    RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![array]).unwrap()
}

/// The same rows out of the middle of a column that has them three times.
fn middle(array: &ArrayRef) -> ArrayRef {
    let data = array.to_data();
    let mut thrice = MutableArrayData::try_new(vec![&data], false, 3 * data.len()).unwrap();
    (0..3).for_each(|_| thrice.try_extend(0, 0, data.len()).unwrap());
    make_array(thrice.freeze()).slice(data.len(), data.len())
}

#[derive(Deserialize)]
struct Named {
    name: String,
    table: Option<Table>,
}

#[test]
fn values_of_every_type_are_the_same_in_python_and_in_rust() {
    let context = zmq::Context::new();
    let socket = context.socket(zmq::PAIR).unwrap();
    socket.set_sndtimeo(60_000).unwrap();
    socket.set_rcvtimeo(60_000).unwrap();
    socket.set_linger(0).unwrap();
    socket.bind("tcp://127.0.0.1:*").unwrap();
    let script = Script::start("table_values.py", &[&socket.get_last_endpoint().unwrap().unwrap()]);
    let mut values: BTreeMap<_, _> = values().into_iter().collect();
    loop {
        let Named { name, table } = socket.recv_obj().unwrap();
        let Some(table) = table else { break };
        let array = values.remove(&*name).unwrap_or_else(|| panic!("no {name} in Rust"));
        let mine = column(&name, array.clone());
        assert_eq!(table.batch().schema(), mine.schema(), "{name}");
        assert_eq!(
            table.batch().schema().field(0).dict_is_ordered(),
            mine.schema().field(0).dict_is_ordered(),
            "{name}"
        );
        assert_eq!(table.batch(), &mine, "{name}");
        socket.send_obj(&[Table::from(mine), Table::from(column(&name, middle(&array)))]).unwrap();
    }
    assert!(values.is_empty(), "not in Python: {:?}", values.keys());
    script.finish();
}
