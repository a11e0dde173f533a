//! Tables that `Pickle` wrote for pandas, read again: between Rust programs, and nothing but what is written.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowDictionaryKeyType, Float16Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BinaryViewArray, BooleanArray, Decimal128Array, DictionaryArray,
    DurationMillisecondArray, FixedSizeBinaryArray, Float16Array, Float32Array, Float64Array, Int8Array, Int16Array,
    Int32Array, Int64Array, LargeBinaryArray, LargeStringArray, NullArray, RecordBatch, StringArray, StringViewArray,
    TimestampMicrosecondArray, TimestampNanosecondArray, TimestampSecondArray, UInt8Array, UInt16Array, UInt32Array,
    UInt64Array, make_array, new_empty_array,
};
use arrow_cast::cast;
use arrow_data::transform::MutableArrayData;
use arrow_schema::Schema;
use outband::{Buffer, Decode, Encode, Multipart, Pickle, Table, Value, memory};
use serde::{Deserialize, Serialize};

use crate::plainly::plainly;

/// Six rows of each type that pandas has a form for, without nulls and with some.
fn columns() -> Vec<(String, ArrayRef)> {
    fn of<A: Array + 'static>(name: &str, whole: A, gaps: A) -> [(String, ArrayRef); 2] {
        [(name.to_owned(), Arc::new(whole) as ArrayRef), (format!("{name} with gaps"), Arc::new(gaps))]
    }
    macro_rules! numbers {
        ($name:literal, $array:ty, $($value:expr),*) => {
            of(
                $name,
                <$array>::from(vec![$($value),*]),
                <$array>::from(vec![$(Some($value)),*].into_iter().enumerate().map(|(at, value)| value.filter(|_| at % 3 != 1)).collect::<Vec<_>>()),
            )
        };
    }
    let half = |value: f32| half_of(value);
    let words = ["a", "", "søppel €", "it's", "more than twelve bytes", "a"];
    let gaps = || words.iter().enumerate().map(|(at, word)| (at % 3 != 1).then_some(*word));
    let bytes = || words.iter().map(|word| word.as_bytes());
    let bytes_gaps = || gaps().map(|word| word.map(str::as_bytes));
    let fixed = |all: bool| {
        let values = words.iter().enumerate().map(|(at, _)| (all || at % 3 != 1).then_some([at as u8; 3]));
        FixedSizeBinaryArray::try_from_sparse_iter_with_size(values, 3).unwrap()
    };
    [
        numbers!("i8", Int8Array, 0, -1, i8::MAX, i8::MIN, 4, 5),
        numbers!("i16", Int16Array, 0, -1, i16::MAX, i16::MIN, 4, 5),
        numbers!("i32", Int32Array, 0, -1, i32::MAX, i32::MIN, 4, 5),
        numbers!("i64", Int64Array, 0, -1, i64::MAX, i64::MIN, 4, 5),
        numbers!("u8", UInt8Array, 0, 1, u8::MAX, 3, 4, 5),
        numbers!("u16", UInt16Array, 0, 1, u16::MAX, 3, 4, 5),
        numbers!("u32", UInt32Array, 0, 1, u32::MAX, 3, 4, 5),
        numbers!("u64", UInt64Array, 0, 1, u64::MAX, 3, 4, 5),
        numbers!("f16", Float16Array, half(0.5), half(-0.0), half(f32::INFINITY), half(2.0), half(1.0), half(0.25)),
        numbers!("f32", Float32Array, 0.5, -0.0, f32::INFINITY, f32::MIN, f32::EPSILON, 1e30),
        numbers!("f64", Float64Array, 0.5, -0.0, f64::INFINITY, f64::MIN, f64::EPSILON, 1e300),
        numbers!("truth", BooleanArray, true, false, true, true, false, false),
        numbers!("seconds", TimestampSecondArray, 0, -1, 1_700_000_000, 3, 4, 5),
        numbers!("micros", TimestampMicrosecondArray, 0, -1, i64::MAX, 3, 4, 5),
        numbers!("nanos", TimestampNanosecondArray, 0, -1, i64::MAX, 3, 4, 5),
        numbers!("spans", DurationMillisecondArray, 0, -1, i64::MAX, 3, 4, 5),
        of("text", StringArray::from_iter_values(words), StringArray::from_iter(gaps())),
        of("long text", LargeStringArray::from_iter_values(words), LargeStringArray::from_iter(gaps())),
        of("views", StringViewArray::from_iter_values(words), StringViewArray::from_iter(gaps())),
        of("bytes", BinaryArray::from_iter_values(bytes()), BinaryArray::from_iter(bytes_gaps())),
        of("long bytes", LargeBinaryArray::from_iter_values(bytes()), LargeBinaryArray::from_iter(bytes_gaps())),
        of("views of bytes", BinaryViewArray::from_iter_values(bytes()), BinaryViewArray::from_iter(bytes_gaps())),
        of("fixed bytes", fixed(true), fixed(false)),
        of("nothing", NullArray::new(6), NullArray::new(6)),
        categories::<Int8Type>("categories by i8"),
        categories::<Int16Type>("categories by i16"),
        categories::<Int32Type>("categories by i32"),
        categories::<Int64Type>("categories by i64"),
    ]
    .into_iter()
    .flatten()
    .chain(["UTC", "Europe/Oslo", "+05:30"].into_iter().flat_map(|zone| {
        let all = TimestampNanosecondArray::from(vec![0, -1, i64::MAX, 3, 4, 5]).with_timezone(zone);
        let some = TimestampNanosecondArray::from(vec![Some(0), None, Some(2), Some(3), None, Some(5)]);
        of(zone, all, some.with_timezone(zone))
    }))
    .collect()
}

fn half_of(value: f32) -> <Float16Type as arrow_array::ArrowPrimitiveType>::Native {
    <Float16Type as arrow_array::ArrowPrimitiveType>::Native::from_f32(value)
}

fn categories<K: ArrowDictionaryKeyType>(name: &str) -> [(String, ArrayRef); 2] {
    let words = ["low", "high", "low", "none", "high", "low"];
    let whole: DictionaryArray<K> = words.into_iter().collect();
    let gaps: DictionaryArray<K> = words.into_iter().map(|word| (word != "none").then_some(word)).collect();
    [(name.to_owned(), Arc::new(whole)), (format!("{name} with gaps"), Arc::new(gaps))]
}

fn table(columns: impl IntoIterator<Item = (String, ArrayRef)>) -> Table {
    Table::from(
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
            .unwrap(),
    )
}

fn codecs() -> [Pickle; 2] {
    [Pickle::new(), Pickle::new().in_band()]
}

/// What is read again of a table, and that it stays so.
fn there_and_back(table: &Table) -> Table {
    let mut all = codecs().map(|codec| {
        let again: Table = codec.decode(codec.encode(table).unwrap()).unwrap();
        let twice: Table = codec.decode(codec.encode(&again).unwrap()).unwrap();
        assert_eq!(twice, again);
        again
    });
    assert_eq!(all[0], all[1]);
    std::mem::replace(&mut all[0], table.slice(0, 0))
}

/// Without what the metadata says of pandas.
fn bare(table: &Table) -> Table {
    let batch = table.batch();
    let schema = Schema::new(batch.schema().fields().clone());
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(schema), batch.columns().to_vec(), &options).unwrap().into()
}

#[test]
fn every_column_comes_back() {
    for (name, column) in columns() {
        for (from, rows) in [(0, 6), (1, 4), (5, 1), (2, 0)] {
            let table = table([(name.clone(), column.slice(from, rows))]);
            assert_eq!(bare(&there_and_back(&table)), bare(&plainly(&table)), "{name}, {rows} rows from {from}");
        }
    }
}

#[test]
fn all_columns_come_back_together_in_a_value_and_in_a_type_of_ones_own() {
    #[derive(Serialize, Deserialize)]
    struct Report {
        of: String,
        rows: Table,
        more: Option<Box<Report>>,
    }

    let whole = table(columns());
    assert!(whole.batch().num_columns() > 60);
    let again = there_and_back(&whole);
    assert_eq!(bare(&again), bare(&plainly(&whole)));
    for codec in codecs() {
        let inner = Report { of: "the rest".into(), rows: whole.slice(3, 2), more: None };
        let report = Report { of: "all".into(), rows: whole.clone(), more: Some(Box::new(inner)) };
        let report: Report = codec.decode(codec.encode(&report).unwrap()).unwrap();
        assert_eq!((report.of.as_str(), &report.rows), ("all", &again));
        assert_eq!(bare(&report.more.unwrap().rows), bare(&plainly(&whole.slice(3, 2))));
        let value: Value = codec.decode(codec.encode(&vec![whole.clone(), whole.slice(0, 0)]).unwrap()).unwrap();
        let Some([Value::Table(all), Value::Table(none)]) = value.as_list() else { panic!("{value} holds no tables") };
        assert_eq!(**all, again);
        assert_eq!(bare(none), bare(&plainly(&whole.slice(0, 0))));
    }
}

#[test]
fn categories_that_come_twice_are_one_and_those_that_are_missing_none() {
    for (name, values) in columns().into_iter().filter(|(name, _)| !name.starts_with("categories")) {
        // each value twice, and rows of the second ones as well
        let gaps = name.ends_with("with gaps");
        let data = values.to_data();
        let mut twice = MutableArrayData::try_new(vec![&data, &data], false, 12).unwrap();
        (0..2).for_each(|at| twice.try_extend(at, 0, 6).unwrap());
        let keys = Int8Array::from(vec![Some(0), Some(6), None, Some(11), Some(5), Some(7), Some(3)]);
        let column = DictionaryArray::new(keys, make_array(twice.freeze()));
        let message = Pickle::new().encode(&table([(name.clone(), Arc::new(column.clone()) as ArrayRef)])).unwrap();
        let again: Table = Pickle::new().decode(message).unwrap();
        let again = again.batch().column(0).clone();
        let categories = again.as_dictionary::<Int8Type>().values();
        assert!(categories.len() <= if gaps { 4 } else { 6 }, "{name}: {} categories", categories.len());
        assert_eq!(categories.logical_null_count(), 0, "{name}");
        let plain = |column: &dyn Array| cast(column, values.data_type()).unwrap();
        let of_one = |column: ArrayRef| bare(&plainly(&table([(name.clone(), column)])));
        assert_eq!(of_one(plain(&again)), of_one(plain(&column)), "{name}");
    }
}

#[test]
fn tables_without_columns_or_rows_come_back() {
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(7));
    let empty = Schema::empty();
    let rows_only = RecordBatch::try_new_with_options(Arc::new(empty.clone()), vec![], &options).unwrap();
    assert_eq!(bare(&there_and_back(&rows_only.clone().into())), rows_only.into());
    let nothing = Table::from(RecordBatch::new_empty(Arc::new(empty)));
    assert_eq!(bare(&there_and_back(&nothing)), nothing);
    for (name, column) in columns() {
        let table = table([(name, new_empty_array(column.data_type()))]);
        assert_eq!(bare(&there_and_back(&table)), bare(&plainly(&table)));
    }
}

#[test]
fn numbers_are_the_received_frames() {
    let rows = 10_000;
    let columns: [(&str, ArrayRef); 3] = [
        ("id", Arc::new(Int64Array::from_iter_values(0..rows))),
        ("volts", Arc::new(Float64Array::from_iter_values((0..rows).map(|row| row as f64)))),
        ("when", Arc::new(TimestampMicrosecondArray::from_iter_values(0..rows).with_timezone("UTC"))),
    ];
    let table = table(columns.map(|(name, column)| (name.to_owned(), column)));
    let addresses = |table: &Table| -> Vec<_> {
        table.batch().columns().iter().map(|column| column.to_data().buffers()[0].as_ptr()).collect()
    };
    let copied = memory::copied_bytes();
    let message = Pickle::new().encode(&table).unwrap();
    assert_eq!(message.buffers().len(), 3);
    let again: Table = Pickle::new().decode(message).unwrap();
    assert_eq!((addresses(&again), memory::copied_bytes() - copied), (addresses(&table), 0));
}

/// A pickle of these characters, a byte each.
fn pickle(data: &str, frames: &[Buffer]) -> Multipart {
    let data: Vec<u8> = data.chars().map(|char| u8::try_from(u32::from(char)).unwrap()).collect();
    Multipart::new(data, frames.to_vec())
}

fn read(data: &str) -> outband::Result<Table> {
    Pickle::new().decode(pickle(data, &[]))
}

fn refusal(data: &str) -> String {
    let error = read(data).unwrap_err();
    assert!(error.is_peer(), "{error}");
    error.to_string()
}

/// Calls in the text of protocol 0: a frame of a column `a` of two texts.
const LABELS: &str = "cpandas\nIndex\n((lVa\naNI00\nNtR";
const RANGE: &str = "cpandas\nRangeIndex\n(I0\nI2\nI1\nNI00\nNtR";
const TEXTS: &str = "(lVx\naNa";

fn of_columns(columns: &str, index: &str, labels: &str, rest: &str) -> String {
    format!("cpandas\nDataFrame\n({columns}{index}{labels}{rest}tR.")
}

/// Two columns of two numbers each, as one array of two axes.
const BLOCK: &str = "cnumpy\nndarray\n((I2\nI2\ntcnumpy\ndtype\n(V<i2\ntRC\x08\x01\0\x02\0\x03\0\x04\0I0\nNVF\ntR";

const TWO_LABELS: &str = "cpandas\nIndex\n((lVa\naVb\naNI00\nNtR";

/// The second half of a block of four numbers, whose buffer is memo entry 7.
const PART: &str = "cnumpy\nndarray\n((I2\ntcnumpy\ndtype\n(V<i2\ntRg7\nI4\ntR";

/// An index of one level of several, whose codes are -1 and 1.
const LEVELS: &str = "cpandas\nMultiIndex\n((lcpandas\nIndex\n((lVu\naVv\naNI00\nNtRa(lcnumpy\nndarray\n((I2\ntcnumpy\ndtype\n(V|i1\ntRC\x02\u{ff}\x01tRaN(lNat(dVverify_integrity\nI00\ns\u{92}";

/// An array of pyarrow's without rows.
const ARROW: &str =
    "cpyarrow.lib\n_restore_array\n((cpyarrow.lib\ntype_for_alias\n(Vstring\ntRI0\nI0\nI0\n(lNaNaNa(lNttR";

#[test]
fn a_frame_is_read_in_the_one_form_that_is_written() {
    let entries = |column: &str| format!("(dVa\n{column}s");
    let good = of_columns(&entries(TEXTS), RANGE, LABELS, "NI00\n");
    assert_eq!(
        bare(&read(&good).unwrap()),
        table([("a".into(), Arc::new(StringArray::from(vec![Some("x"), None])) as _)])
    );
    let indexed = of_columns(&entries(TEXTS), &format!("cpandas\nIndex\n({TEXTS}NI00\nVname\ntR"), LABELS, "NI00\n");
    assert_eq!(read(&indexed).unwrap().batch().num_columns(), 2);

    let two = TWO_LABELS;
    let numbers = |numbers: [i16; 2]| Arc::new(Int16Array::from(numbers.to_vec())) as ArrayRef;
    let expected = table([("a".into(), numbers([1, 2])), ("b".into(), numbers([3, 4]))]);
    assert_eq!(bare(&read(&of_columns(BLOCK, RANGE, two, "NI00\n")).unwrap()), expected);
    let first = PART.replace("g7\nI4", "\u{96}\x08\0\0\0\0\0\0\0\x01\0\x02\0\x03\0\x04\0p7\nI0");
    let parts = |first: &str, second: &str| of_columns(&format!("(dVa\n{first}sVb\n{second}s"), RANGE, two, "NI00\n");
    assert_eq!(bare(&read(&parts(&first, PART)).unwrap()), expected);
    for (changed, reason) in [
        (PART.replace("I4\n", "I5\n"), "a column of 2 elements from byte 5 on in a block of 8 bytes"),
        (PART.replace("I4\n", "I-1\n"), "a column of 2 elements from byte -1 on in a block of 8 bytes"),
        (PART.replace("(I2\nt", "(I9223372036854775807\nt"), "a column of 9223372036854775807 elements from byte 4 on"),
        (PART.replace("(I2\nt", "(I2\nI1\nt"), "ndarray of numpy in a form"),
        (PART.replace("I4\n", "N"), "ndarray of numpy in a form"),
        (PART.replace("g7\n", "N"), "ndarray of numpy in a form"),
        (PART.replace("I4\ntR", "I4\ntR(db"), "ndarray of numpy in a form"),
        (PART.replace("I4\n", "I4\nN"), "ndarray of numpy in a form"),
    ] {
        let error = refusal(&parts(&first, &changed));
        assert!(error.contains(reason), "{error}, and not {reason}");
    }
    for (changed, reason) in [
        (BLOCK.replace("VF\n", "VC\n"), "not of two axes in Fortran order"),
        (BLOCK.replace("(I2\nI2\nt", "(I4\nt"), "not of two axes in Fortran order"),
        (BLOCK.replace("(I2\nI2\nt", "(I1\nI4\nt"), "an array of 4 columns for 2 labels"),
        (BLOCK.replace("(I2\nI2\nt", "(I3\nI2\nt"), "that has 8 bytes"),
    ] {
        let error = refusal(&of_columns(&changed, RANGE, two, "NI00\n"));
        assert!(error.contains(reason), "{error}, and not {reason}");
    }

    let leveled = |levels: &str| of_columns(&entries(TEXTS), levels, LABELS, "NI00\n");
    let read_again = read(&leveled(LEVELS)).unwrap();
    let level = |at: usize| {
        read_again.batch().column(at).as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
    };
    let texts: [Vec<Option<String>>; 2] = [level(0), level(1)];
    assert_eq!(texts, [vec![Some("x".to_owned()), None], vec![None, Some("v".to_owned())]]);
    for (changed, reason) in [
        (LEVELS.replace("I00\ns", "I01\ns"), "MultiIndex of pandas in a form"),
        (LEVELS.replace("verify", "deify"), "MultiIndex of pandas in a form"),
        (LEVELS.replace("I00\ns\u{92}", "I00\nsVcopy\nI00\ns\u{92}"), "MultiIndex of pandas in a form"),
        (LEVELS.replace("(dVverify_integrity\nI00\ns\u{92}", "R"), "MultiIndex of pandas in a form"),
        (LEVELS.replace("\u{92}", "\u{92}(db"), "MultiIndex of pandas in a form"),
        (LEVELS.replace("N(lNat", "I0\n(lNat"), "MultiIndex of pandas in a form"),
        (LEVELS.replace("N(lNat", "N(lt"), "an index of 1 levels, 1 codes and 0 names"),
        (LEVELS.replace("C\x02\u{ff}\x01", "C\x02\u{ff}\x02"), "level 0 of the index: row 2 of 2"),
        (LEVELS.replace("I2\nt", "I3\nt"), "that has 2 bytes"),
        (LEVELS.replace("cpandas\nIndex\n(", &format!("{RANGE}acpandas\nIndex\n(")), "an index of 2 levels"),
        (LEVELS.replace("cpandas\nIndex\n((lVu\naVv\naNI00\nNtR", LEVELS), "MultiIndex of pandas in a form"),
        (LEVELS.replace("cpandas\nIndex\n((lVu\naVv\naNI00\nNtR", "N"), "something else where an object of pandas"),
    ] {
        let error = refusal(&leveled(&changed));
        assert!(error.contains(reason), "{error}, and not {reason}");
    }
    let codes = LEVELS.replace("C\x02\u{ff}\x01", "C\x02\x00\x01");
    for (labels, reason) in [
        (LEVELS.replace("C\x02\u{ff}\x01", "C\x02\x00\u{ff}"), "level 0 of the labels: a label is missing"),
        (LEVELS.replace("C\x02\u{ff}\x01", "C\x02\x00\x02"), "label 2 of 2"),
        (codes.clone(), "a label that is none of the columns'"),
        (codes.replace("(lVu\naVv\na", "(lVu\naI00\na"), "among Python objects of another kind"),
        (codes.replace("(lVu\naVv\na", TEXTS), "labels of more than one kind"),
        (LEVELS.replace("cpandas\nIndex\n((lVu\naVv\naNI00\nNtR", LEVELS), "MultiIndex of pandas in a form"),
    ] {
        let error = refusal(&of_columns(&entries(TEXTS), RANGE, &labels, "NI00\n"));
        assert!(error.contains(reason), "{error}, and not {reason}");
    }

    let frame = "DataFrame of pandas in a form that it is not written in";
    let index = "Index of pandas in a form that it is not written in";
    let with = |column: &str| of_columns(&entries(column), RANGE, LABELS, "NI00\n");
    let labelled = |labels: &str| of_columns(&entries(TEXTS), RANGE, labels, "NI00\n");
    let in_arrow = |name: &str, values: &str, rest: &str| with(&format!("cpandas\n{name}\n({values}V{rest}\ntR"));
    let array = |values: &str, dtype: &str| with(&format!("cpandas\narray\n({values}V{dtype}\ntR"));
    for (data, expected) in [
        // arguments: too few, too many, a dtype, a copy, a state, keywords of a class
        (of_columns(&entries(TEXTS), RANGE, LABELS, "N"), frame),
        (of_columns(&entries(TEXTS), RANGE, LABELS, "NI00\nN"), frame),
        (of_columns(&entries(TEXTS), RANGE, LABELS, "Vint8\nI00\n"), frame),
        (of_columns(&entries(TEXTS), RANGE, LABELS, "NI01\n"), frame),
        (of_columns("(l", RANGE, LABELS, "NI00\n"), frame),
        (good.replace("tR.", "tR(db."), frame),
        (good.replace("tR.", "t\u{81}."), frame),
        // labels and columns that are not each other's
        (good.replace("(dVa", "(dVb"), "a label that is none of the columns'"),
        (labelled("cpandas\nIndex\n((lNI00\nNtR"), frame),
        (labelled("cpandas\nIndex\n((lVa\naVb\naNI00\nNtR"), frame),
        (labelled("cpandas\nIndex\n((lVa\naNI01\nNtR"), index),
        (labelled("cpandas\nIndex\n((lVa\naNI00\ntR"), index),
        (labelled("cpandas\nDatetimeIndex\n((lVa\naNI00\nNtR"), "DatetimeIndex of pandas in a form"),
        (labelled(RANGE), "RangeIndex of pandas in a form"),
        (labelled("N"), "something else where an object of pandas"),
        // rows that are as many as the index says
        (good.replace("(I0\nI2", "(I0\nI3"), "rows"),
        (good.replace("I2\nI1\nN", "I2\nI0\nN"), "RangeIndex of pandas in a form"),
        // columns
        (with("N"), "something else where an object of pandas"),
        (with("cpandas\nIndex\n(I5\nVobject\ntR"), index),
        (with(&format!("cpandas\nIndex\n({TEXTS}Vcategory\ntR")), index),
        (with(&format!("cpandas\nIndex\n({TEXTS}tR")), index),
        (with("(lI1\na"), "an integer among its Python objects"),
        (array(TEXTS, "int64[pyarrow]"), "array of pandas in a form"),
        (array(TEXTS, "object"), "array of pandas in a form"),
        (array(&format!("cpandas\narray\n({TEXTS}Vstring\ntR"), "int8[pyarrow]"), "array of pandas in a form"),
        (array("cpandas\nCategorical.from_codes\n(NNI00\ntR", "int8[pyarrow]"), "array of pandas in a form"),
        (in_arrow("array", TEXTS, "string[pyarrow]\nI00"), "something else where an object of pandas"),
        (in_arrow("array", ARROW, "object\nI00"), "array of pandas in a form"),
        (in_arrow("array", ARROW, "string[pyarrow]\nI01"), "array of pandas in a form"),
        (in_arrow("Index", ARROW, "object\nI00"), index),
        (in_arrow("Index", ARROW, "string[pyarrow]\nI00"), index),
        (in_arrow("DatetimeIndex", ARROW, "str\nI00"), "DatetimeIndex of pandas in a form"),
        (in_arrow("Index", RANGE, "str\nI00"), index),
        (with("cpandas\nCategorical.from_codes\n(NNI00\ntR"), "something else where an object of pandas"),
        (with("cpandas.arrays\nIntegerArray\n(NtR"), "IntegerArray of pandas.arrays in a form"),
        (with("cpandas\nDatetimeIndex.tz_convert\n(NVUTC\ntR"), "something else where an object of pandas"),
        (with(RANGE), "RangeIndex of pandas in a form"),
        (with(&good.replace("tR.", "tR")), "DataFrame of pandas in a form"),
    ] {
        let error = refusal(&data);
        assert!(error.contains(expected), "{data}: {error}, and not {expected}");
    }
}

#[test]
fn categories_keep_a_type_of_arrow_that_has_no_name() {
    let decimals = format!("C\x20d{}\x2c\x01{}", "\0".repeat(15), "\0".repeat(14));
    let kind = "cpyarrow.lib\ndecimal128\n(I25\nI2\ntR";
    let array =
        format!("cpyarrow.lib\n_restore_array\n(({kind}I2\nI-1\nI0\n(lNacpyarrow.lib\npy_buffer\n({decimals}tRa(lNttR");
    let codes = "cnumpy\nndarray\n((I2\ntcnumpy\ndtype\n(V|i1\ntRC\x02\u{ff}\x01tR";
    let column = format!(
        "cpandas\nCategorical.from_codes\n({codes}cpandas\narray\n({array}cpandas\nArrowDtype\n({kind}tRI00\ntRI00\ntR"
    );
    let table = read(&of_columns(&format!("(dVa\n{column}s"), RANGE, LABELS, "NI00\n")).unwrap();
    let expected = Decimal128Array::from(vec![100, 300]).with_precision_and_scale(25, 2).unwrap();
    assert_eq!(table.batch().column(0).as_any_dictionary().values().as_ref(), &expected as &dyn Array);
    assert_eq!(there_and_back(&table), table);
}

#[test]
fn columns_of_one_block_leave_as_that_block() {
    let block = Buffer::from_vec(vec![1_i16, 2, 3, 4]);
    let on_a_frame = BLOCK.replace("C\x08\x01\0\x02\0\x03\0\x04\0", "\u{97}");
    assert_ne!(on_a_frame, BLOCK);
    let message = pickle(&of_columns(&on_a_frame, RANGE, TWO_LABELS, "NI00\n"), std::slice::from_ref(&block));
    let starts = |message: &Multipart| message.buffers().iter().map(|frame| frame.as_ptr()).collect::<Vec<_>>();
    let encode = |table: &Table| Pickle::new().encode(table).unwrap();
    let copied = memory::copied_bytes();
    let table: Table = Pickle::new().decode(message.clone()).unwrap();
    let value: Value = Pickle::new().decode(message).unwrap();
    for message in [encode(&table), Pickle::new().encode(&value).unwrap()] {
        assert_eq!((starts(&message), memory::copied_bytes()), (vec![block.as_ptr()], copied));
        let again: Table = Pickle::new().decode(message).unwrap();
        assert_eq!((&again, starts(&encode(&again))), (&table, vec![block.as_ptr()]));
    }
    // two tables on one block
    let both = Pickle::new().encode(&(&table, &table)).unwrap();
    assert_eq!(starts(&both), [block.as_ptr()]);
    // some of the rows, and columns of which nobody knows that they lie together
    let apart = [block.as_ptr(), block[4..].as_ptr()];
    assert_eq!(starts(&encode(&Table::from(table.batch().clone()))), apart);
    assert_eq!(starts(&encode(&Table::from(table.clone().into_batch()))), apart);
    assert_eq!(encode(&table.slice(0, 1)).buffers().iter().map(|frame| frame.len()).collect::<Vec<_>>(), [2, 2]);
    // in band it is one array as well
    let whole = Pickle::new().in_band().encode(&table).unwrap();
    let again: Table = Pickle::new().decode(whole.clone()).unwrap();
    assert_eq!((&again, whole.buffers().len(), encode(&again).buffers().len()), (&table, 0, 1));
}

#[test]
fn truth_values_leave_as_one_block() {
    let truth = |values: [bool; 3]| Arc::new(BooleanArray::from(values.to_vec())) as ArrayRef;
    let [a, b] = [[true, false, true], [false, false, true]].map(truth);
    let numbers = Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef;
    let gaps = Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])) as ArrayRef;
    let columns = [("a", a), ("numbers", numbers), ("b", b), ("gaps", gaps)];
    let mixed = table(columns.map(|(name, column)| (name.to_owned(), column)));
    let message = Pickle::new().encode(&mixed).unwrap();
    let frames: Vec<_> = message.buffers().iter().map(|frame| frame.to_vec()).collect();
    assert_eq!(frames[0], [1, 0, 1, 0, 0, 1]);
    assert_eq!(frames.iter().map(Vec::len).collect::<Vec<_>>(), [6, 24, 3, 3]);
    let again: Table = Pickle::new().decode(message).unwrap();
    assert_eq!(bare(&again), mixed);
}

#[test]
fn what_is_written_only_within_a_frame_is_no_value() {
    for (name, arguments) in [
        ("array", "(lVstring\n"),
        ("Categorical.from_codes", "NNI00\n"),
        ("DatetimeIndex.tz_convert", "NVUTC\n"),
        ("DatetimeIndex.tz_localize", "NVUTC\n"),
    ] {
        let error = refusal(&format!("cpandas\n{name}\n({arguments}tR."));
        assert!(error.contains(&format!("a {name} by itself, which is no value")), "{error}");
    }
}

#[test]
fn calls_within_each_other_end_at_the_first_that_nobody_writes() {
    // arrays of arrays of arrays: no recursion follows them
    let deep = 50_000;
    let arrays = [&"cpandas\narray\n(".repeat(deep), TEXTS, &"Vint8[pyarrow]\ntR".repeat(deep)].concat();
    let error = refusal(&of_columns(&format!("(dVa\n{arrays}s"), RANGE, LABELS, "NI00\n"));
    assert!(error.contains("array of pandas in a form that it is not written in"), "{error}");
}
