//! Pickles that look like pandas' and pyarrow's and are not: each ends in a typed error, and none takes much memory.

#![cfg(feature = "arrow")]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::builder::StringViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, NullArray, StringArray};
use arrow_schema::{Field, Schema};
use outband::{Buffer, Decode, Encode, Error, ErrorKind, Limits, Multipart, Pickle, Table, Value};
use serde::Deserialize;
use serde_json::json;

use crate::counting::measure;
use crate::random::Random;
use crate::stack::on_a_small_stack;

const LIMIT: usize = 64 << 10;
/// Of all frames of a message, and of what is copied out of them.
const TOTAL: usize = 1 << 20;
/// What decoding may allocate: what it may copy, and the graph and the columns of a pickle that is within the limit.
const MOST: usize = 4 * TOTAL + 128 * LIMIT;

fn codec() -> Pickle {
    Pickle::new().limits(Limits::new().metadata_bytes(LIMIT).total_bytes(TOTAL as u64))
}

fn global(module: &str, name: &str) -> Vec<u8> {
    format!("c{module}\n{name}\n").into_bytes()
}

fn text(text: &str) -> Vec<u8> {
    [&b"X"[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()
}

fn int(value: i64) -> Vec<u8> {
    [&b"\x8a\x08"[..], &value.to_le_bytes()].concat()
}

fn tuple(parts: &[Vec<u8>]) -> Vec<u8> {
    [&b"("[..], &parts.concat(), b"t"].concat()
}

fn list(parts: &[Vec<u8>]) -> Vec<u8> {
    [&b"]("[..], &parts.concat(), b"e"].concat()
}

fn dict(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let entries: Vec<_> = entries.iter().flat_map(|(name, value)| [text(name), value.clone()]).collect();
    [&b"}("[..], &entries.concat(), b"u"].concat()
}

fn call(module: &str, name: &str, arguments: &[Vec<u8>]) -> Vec<u8> {
    [global(module, name), tuple(arguments), b"R".to_vec()].concat()
}

fn instance(module: &str, name: &str, state: Vec<u8>) -> Vec<u8> {
    [global(module, name), b")\x81".to_vec(), state, b"b".to_vec()].concat()
}

const NONE: &[u8] = b"N";
const BUFFER: &[u8] = b"\x97";

fn dtype(code: &str) -> Vec<u8> {
    let state = [int(3), text("<"), NONE.into(), NONE.into(), NONE.into(), int(-1), int(-1), int(0)];
    let made = call("numpy", "dtype", &[text(code), b"\x89".to_vec(), b"\x88".to_vec()]);
    [made, tuple(&state), b"b".to_vec()].concat()
}

/// An array on the next frame.
fn array(code: &str, shape: &[i64]) -> Vec<u8> {
    let shape = tuple(&shape.iter().map(|&axis| int(axis)).collect::<Vec<_>>());
    call("numpy._core.numeric", "_frombuffer", &[BUFFER.into(), dtype(code), shape, text("C")])
}

/// An array of objects.
fn objects(shape: &[i64], items: &[Vec<u8>]) -> Vec<u8> {
    let shape = tuple(&shape.iter().map(|&axis| int(axis)).collect::<Vec<_>>());
    let arguments = [global("numpy", "ndarray"), tuple(&[int(0)]), b"C\x01b".to_vec()];
    let made = call("numpy._core.multiarray", "_reconstruct", &arguments);
    [made, tuple(&[int(1), shape, dtype("O8"), b"\x89".to_vec(), list(items)]), b"b".to_vec()].concat()
}

fn slice(start: i64, stop: i64, step: i64) -> Vec<u8> {
    call("builtins", "slice", &[int(start), int(stop), int(step)])
}

fn block(values: Vec<u8>, placement: Vec<u8>) -> Vec<u8> {
    call("pandas._libs.internals", "_unpickle_block", &[values, placement, int(2)])
}

fn index(class: &str, entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    call("pandas.core.indexes.base", "_new_Index", &[global("pandas", class), dict(entries)])
}

fn range(start: i64, stop: i64, step: i64) -> Vec<u8> {
    let bounds = [("name", NONE.into()), ("start", int(start)), ("stop", int(stop)), ("step", int(step))];
    index("RangeIndex", &bounds)
}

fn names(names: &[&str]) -> Vec<u8> {
    let items: Vec<_> = names.iter().map(|name| text(name)).collect();
    index("Index", &[("data", objects(&[names.len() as i64], &items)), ("name", NONE.into())])
}

fn frame(blocks: &[Vec<u8>], labels: Vec<u8>, rows: Vec<u8>) -> Vec<u8> {
    let arguments = [tuple(blocks), list(&[labels, rows])];
    let manager = call("pandas.core.internals.managers", "BlockManager", &arguments);
    instance("pandas", "DataFrame", dict(&[("_mgr", manager)]))
}

fn series(values: Vec<u8>, rows: Vec<u8>) -> Vec<u8> {
    let state = tuple(&[list(&[rows]), list(&[values])]);
    let manager = instance("pandas.core.internals.managers", "SingleBlockManager", state);
    instance("pandas", "Series", dict(&[("_mgr", manager), ("_name", text("s"))]))
}

fn categorical(codes: Vec<u8>, categories: Vec<u8>) -> Vec<u8> {
    let made = call(
        "pandas._libs.arrays",
        "__pyx_unpickle_NDArrayBacked",
        &[global("pandas", "Categorical"), int(1), NONE.into()],
    );
    let state = dict(&[("categories", categories), ("ordered", b"\x89".to_vec())]);
    [made, tuple(&[instance("pandas", "CategoricalDtype", state), codes]), b"b".to_vec()].concat()
}

fn alias(name: &str) -> Vec<u8> {
    call("pyarrow.lib", "type_for_alias", &[text(name)])
}

/// The buffers of an array: one on the next frame, or none.
fn on_frames(which: &[bool]) -> Vec<u8> {
    let buffer = |&is: &bool| if is { call("pyarrow.lib", "py_buffer", &[BUFFER.into()]) } else { NONE.into() };
    list(&which.iter().map(buffer).collect::<Vec<_>>())
}

fn arrow(kind: Vec<u8>, rows: i64, offset: i64, buffers: &[bool]) -> Vec<u8> {
    let parts = [kind, int(rows), int(-1), int(offset), on_frames(buffers), list(&[]), NONE.into()];
    call("pyarrow.lib", "_restore_array", &[tuple(&parts)])
}

fn message(pickle: Vec<u8>, frames: &[&[u8]]) -> Multipart {
    let frames = frames.iter().map(|&bytes| Buffer::copy_from_slice(bytes)).collect();
    Multipart::new([b"\x80\x05".to_vec(), pickle, b".".to_vec()].concat(), frames)
}

fn check(error: &Error) {
    assert!(matches!(error.kind(), ErrorKind::Peer | ErrorKind::Limits), "{error:?}");
    let text = error.to_string();
    assert!(!text.is_empty() && text.len() < 1024 && !text.ends_with('.'), "{text}");
}

/// Decodes as a table and as a value, within bounds.
fn decode(message: &Multipart) -> Result<Table, Error> {
    let mut result = None;
    let decoding = || {
        result = Some(Decode::<Table>::decode(&codec(), message.clone()));
        Decode::<Value>::decode(&codec(), message.clone()).map(drop)
    };
    let (value, usage) = measure(decoding);
    assert!(usage.peak < MOST, "{usage:?}");
    if let Err(error) = &value {
        check(error);
    }
    result.unwrap().inspect_err(check)
}

fn refused(pickle: Vec<u8>, frames: &[&[u8]], why: &str) {
    let error = decode(&message(pickle, frames)).expect_err(why);
    assert!(error.to_string().contains(why), "{error}, not {why}");
}

const EIGHT: &[u8] = &[1; 64];

/// A frame of two columns of four floats.
fn sound() -> Vec<u8> {
    frame(&[block(array("f8", &[2, 4]), slice(0, 2, 1))], names(&["a", "b"]), range(0, 4, 1))
}

#[test]
fn what_these_are_made_of_is_read_where_it_fits() {
    let block = Buffer::from_vec(vec![0.5_f64; 8]);
    let sound = Multipart::new(message(sound(), &[]).into_parts().0, vec![block.clone()]);
    let table = decode(&sound).unwrap();
    assert_eq!((table.rows(), table.batch().num_columns()), (4, 2));
    let columns = table.batch().columns().iter().map(|column| column.to_data().buffers()[0].as_ptr());
    assert_eq!(columns.collect::<Vec<_>>(), [block.as_ptr(), block[32..].as_ptr()]);
    let codes = categorical(array("i1", &[3]), names(&["x", "y"]));
    let table = decode(&message(series(codes, range(0, 3, 1)), &[&[0, 0xff, 1]])).unwrap();
    assert_eq!(table.batch().column(0).null_count(), 1);
    let offsets = [0_i32, 1, 3].map(i32::to_le_bytes).concat();
    decode(&message(arrow(alias("string"), 2, 0, &[false, true, true]), &[&offsets, b"abc"])).unwrap();
}

#[derive(Deserialize)]
struct Report {
    id: u32,
    frame: Table,
    more: Value,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Either {
    Text(String),
    Table(Table),
}

#[test]
fn frames_stand_anywhere_in_an_object() {
    let entries = [("id", int(7)), ("frame", sound()), ("more", list(&[text("x"), sound()]))];
    let report: Report = codec().decode(message(dict(&entries), &[EIGHT, EIGHT])).unwrap();
    let Some([Value::Text(_), Value::Table(more)]) = report.more.as_list() else { panic!("{}", report.more) };
    assert_eq!((report.id, &report.frame), (7, &**more));
    let Either::Table(table) = codec().decode(message(sound(), &[EIGHT])).unwrap() else { panic!("no table") };
    assert_eq!(table, report.frame);
    let Either::Text(text) = codec().decode(message(text("x"), &[])).unwrap() else { panic!("no text") };
    assert_eq!(text, "x");
    // one frame that two tables use is not copied for either
    let shared = tuple(&[[sound(), b"\x94".to_vec()].concat(), b"h\0".to_vec()]);
    let block = Buffer::from_vec(vec![0.5_f64; 8]);
    let shared = Multipart::new(message(shared, &[]).into_parts().0, vec![block.clone()]);
    let (one, other): (Table, Table) = codec().decode(shared).unwrap();
    let at = |table: &Table| table.batch().column(1).to_data().buffers()[0].as_ptr();
    assert_eq!([at(&one), at(&other)], [block[32..].as_ptr(); 2]);
}

#[test]
fn blocks_that_do_not_fit_are_refused() {
    let of =
        |values: Vec<u8>, placement: Vec<u8>| frame(&[block(values, placement)], names(&["a", "b"]), range(0, 4, 1));
    refused(of(array("f8", &[2, 5]), slice(0, 2, 1)), &[EIGHT], "64 bytes");
    refused(of(array("f8", &[1 << 40, 1 << 40]), slice(0, 2, 1)), &[EIGHT], "limit");
    refused(of(array("f8", &[1 << 40, 0]), slice(0, 2, 1)), &[&[]], "limit");
    refused(of(array("f8", &[2, 2, 2]), slice(0, 2, 1)), &[EIGHT], "3 axes");
    refused(of(array("f8", &[2, 4]), slice(0, 3, 1)), &[EIGHT], "2 columns in 3 places");
    refused(of(array("f8", &[2, 4]), slice(1, 3, 1)), &[EIGHT], "no block with column 0");
    refused(of(array("f8", &[2, 4]), slice(0, 1 << 62, 1)), &[EIGHT], "not from 0");
    refused(of(array("f8", &[2, 4]), slice(-1, 1, 1)), &[EIGHT], "not from 0");
    refused(of(array("f8", &[2, 4]), slice(0, 2, 0)), &[EIGHT], "not from 0");
    refused(of(array("f8", &[2, 4]), array("i8", &[2])), &[EIGHT, &[0xff; 16]], "not from 0");
    refused(of(array("c16", &[2, 2]), slice(0, 2, 1)), &[EIGHT], "for which Arrow has no type");
    let twice = [block(array("f8", &[1, 4]), slice(0, 1, 1)), block(array("f8", &[1, 4]), slice(0, 1, 1))];
    refused(
        frame(&twice, names(&["a", "b"]), range(0, 4, 1)),
        &[&EIGHT[..32], &EIGHT[..32]],
        "two blocks with column 0",
    );
    let values = || block(array("f8", &[2, 4]), slice(0, 2, 1));
    refused(frame(&[values()], names(&["a"]), range(0, 4, 1)), &[EIGHT], "1 labels for 2 columns");
    refused(frame(&[values()], names(&["a", "a"]), range(0, 4, 1)), &[EIGHT], "two of this name");
    refused(frame(&[values()], range(0, 1 << 60, 1), range(0, 4, 1)), &[EIGHT], "labels for 2 columns");
}

#[test]
fn columns_whose_labels_are_equal_in_python_are_refused() {
    let zeros = [0.0_f64, -0.0].map(f64::to_le_bytes).concat();
    let floats = || index("Index", &[("data", array("f8", &[2])), ("name", NONE.into())]);
    let values = || block(array("f8", &[2, 4]), slice(0, 2, 1));
    refused(frame(&[values()], floats(), range(0, 4, 1)), &[EIGHT, &zeros], "two of this name");
    let codes = || call("numpy", "ndarray", &[int(2), dtype("i1"), b"C\x02\0\x01".to_vec()]);
    let parts = [
        ("levels", list(&[names(&["a", "a"]), floats()])),
        ("codes", list(&[codes(), codes()])),
        ("names", list(&[NONE.into(), NONE.into()])),
    ];
    refused(frame(&[values()], index("MultiIndex", &parts), range(0, 4, 1)), &[EIGHT, &zeros], "two of this name");
    // and where a table has them from elsewhere
    let column: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let level = |kind: &str, dtype: &str| json!({"name": null, "pandas_type": kind, "numpy_type": dtype});
    for (names, levels) in [
        (["0.0", "-0.0"], vec![level("float64", "float64")]),
        (["1", "1.0"], vec![level("float64", "float64")]),
        (["1", "+1"], vec![level("int64", "int64")]),
        (["False", "false"], vec![level("bool", "bool")]),
        (["('a', '0.0')", "('a', '-0.0')"], vec![level("unicode", "object"), level("float64", "float64")]),
    ] {
        let columns = names.map(|name| (name.to_owned(), column.clone())).to_vec();
        let (written, _) = message_of(&described(columns, &json!({"column_indexes": levels})), Limits::new());
        let error = written.unwrap_err().to_string();
        assert!(error.contains("labels are equal in Python"), "{names:?}: {error}");
    }
    let columns = ["0.0", "1.0"].map(|name| (name.to_owned(), column.clone())).to_vec();
    let levels = json!({"column_indexes": [level("float64", "float64")]});
    message_of(&described(columns, &levels), Limits::new()).0.unwrap();
}

#[test]
fn objects_of_more_than_one_kind_are_refused_by_the_name_of_their_column() {
    for odd in [int(1), b"]".to_vec(), b"G?\xe0\0\0\0\0\0\0".to_vec(), b"C\x01b".to_vec(), b"\x88".to_vec()] {
        let values = objects(&[2, 2], &[text("x"), text("y"), text("z"), odd]);
        let pickle = frame(&[block(values, slice(0, 2, 1))], names(&["good", "mixed"]), range(0, 2, 1));
        refused(pickle, &[], "column \"mixed\"");
    }
    let short = frame(&[block(objects(&[1, 3], &[text("x")]), slice(0, 1, 1))], names(&["a"]), range(0, 3, 1));
    refused(short, &[], "1 by 3 objects that has 1");
}

#[test]
fn an_index_that_does_not_fit_is_refused() {
    let with = |rows| frame(&[block(array("f8", &[2, 4]), slice(0, 2, 1))], names(&["a", "b"]), rows);
    refused(with(range(0, 5, 1)), &[EIGHT], "4 rows");
    refused(with(range(0, i64::MAX, 1)), &[EIGHT], "rows");
    refused(with(range(i64::MIN, i64::MAX, 1 << 62)), &[EIGHT, EIGHT], "");
    refused(with(range(0, 4, 0)), &[EIGHT], "in a form that it is not written in");
    refused(with(index("Index", &[("data", array("i8", &[3]))])), &[EIGHT, &[0; 24]], "rows");
    // far more rows than memory has bytes, and no column
    refused(frame(&[], range(0, 0, 1), range(0, i64::MAX, 1)), &[], "limit");
    // written out where there must be values
    refused(series(categorical(array("i1", &[1]), range(0, 1 << 50, 1)), range(0, 1, 1)), &[&[0]], "limit");
    let levels = |codes: Vec<u8>| {
        let parts =
            [("levels", list(&[names(&["x", "y"])])), ("codes", list(&[codes])), ("names", list(&[NONE.into()]))];
        with(index("MultiIndex", &parts))
    };
    refused(levels(array("i1", &[4])), &[EIGHT, &[0, 1, 2, 0]], "row 2 of 2");
    refused(levels(array("f8", &[4])), &[EIGHT, EIGHT], "");
}

#[test]
fn codes_masks_and_offsets_that_point_outside_are_refused() {
    let coded = |codes: &[u8]| {
        let values = categorical(array("i1", &[codes.len() as i64]), names(&["x", "y"]));
        message(series(values, range(0, codes.len() as i64, 1)), &[codes])
    };
    for codes in [&[0, 2][..], &[0, 0x80], &[127]] {
        let error = decode(&coded(codes)).unwrap_err();
        assert!(error.to_string().contains("out of bounds"), "{error}");
    }
    let masked = dict(&[("_data", array("i8", &[2])), ("_mask", array("b1", &[3]))]);
    let pickle = series(instance("pandas.arrays", "IntegerArray", masked), range(0, 2, 1));
    refused(pickle, &[&[0; 16], &[0; 3]], "2 values with a mask of 3");
    let strings = |rows, offset| arrow(alias("string"), rows, offset, &[false, true, true]);
    let offsets = |offsets: [i32; 3]| offsets.map(i32::to_le_bytes).concat();
    refused(strings(2, 0), &[&offsets([0, 3, 1]), b"abc"], "not in order");
    refused(strings(2, 0), &[&offsets([0, 1, 4]), b"abc"], "");
    refused(strings(2, 0), &[&offsets([-1, 1, 3]), b"abc"], "");
    refused(strings(2, 0), &[&offsets([0, 1, 3]), b"a\xff\xff"], "");
    refused(strings(2, 1), &[&offsets([0, 1, 3]), b"abc"], "offsets");
    refused(strings(1 << 40, 0), &[&offsets([0, 1, 3]), b"abc"], "offsets");
    refused(strings(i64::MAX, i64::MAX), &[&offsets([0, 1, 3]), b"abc"], "limit");
    refused(strings(-1, 0), &[&offsets([0, 1, 3]), b"abc"], "in a form");
    refused(arrow(alias("int64"), 3, 0, &[true, true]), &[&[], &[0; 24]], "validity");
    refused(arrow(alias("int64"), 3, 0, &[false]), &[], "buffers");
    refused(arrow(alias("int64"), 3, 0, &[false, true, true]), &[&[0; 24], &[0; 24]], "1 buffers more");
}

#[test]
fn what_is_named_a_thousand_times_is_not_copied_as_often() {
    let long = vec![b'x'; 500_000];
    let offsets = [0_i64, long.len() as i64].map(i64::to_le_bytes).concat();
    // one long text, and a code for it in each of a thousand rows
    let level = arrow(alias("large_string"), 1, 0, &[false, true, true]);
    let text_dtype = call("pandas", "StringDtype", &[text("pyarrow"), b"G\x7f\xf8\0\0\0\0\0\0".to_vec()]);
    let values = instance("pandas.arrays", "ArrowStringArray", dict(&[("_pa_array", level), ("_dtype", text_dtype)]));
    let parts = [
        ("levels", list(&[index("Index", &[("data", values), ("name", NONE.into())])])),
        ("codes", list(&[array("i1", &[1000])])),
        ("names", list(&[NONE.into()])),
    ];
    refused(index("MultiIndex", &parts), &[&offsets, &long, &[0; 1000]], "limit");
    // a chunk that is there a thousand times
    let chunk = [arrow(alias("int8"), 500_000, 0, &[false, true]), b"\x94".to_vec()].concat();
    let chunks = [vec![chunk], vec![b"h\0".to_vec(); 1000]].concat();
    refused(call("pyarrow.lib", "chunked_array", &[list(&chunks), alias("int8")]), &[&long], "");
    // columns without bytes, of which there are many
    let wide = frame(&[block(array("f8", &[60_000, 0]), slice(0, 60_000, 1))], range(0, 60_000, 1), range(0, 0, 1));
    refused(wide, &[&[]], "limit");
    // rows that have no bytes, after one with nulls
    let none = arrow(call("pyarrow.lib", "binary", &[int(0)]), 1 << 45, 0, &[false, true]);
    let some = arrow(call("pyarrow.lib", "binary", &[int(0)]), 8, 0, &[true, true]);
    let kind = call("pyarrow.lib", "binary", &[int(0)]);
    refused(call("pyarrow.lib", "chunked_array", &[list(&[some, none]), kind]), &[&[0], &[], &[]], "chunks of");
}

#[test]
fn what_is_named_a_thousand_times_is_not_looked_at_as_often() {
    // a frame that is named by each of fifty columns: to look for nulls
    let rows = 1 << 19;
    let named = |first: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        let one = |at: i64| {
            let buffer = if at == 0 { b"\x97q\0".to_vec() } else { b"h\0".to_vec() };
            block(first(buffer), slice(at, at + 1, 1))
        };
        let blocks: Vec<_> = (0..50).map(one).collect();
        frame(&blocks, range(0, 50, 1), range(0, rows, 1))
    };
    let on = |buffer: Vec<u8>, code: &str| call("numpy", "ndarray", &[int(rows), dtype(code), buffer]);
    let codes = named(&|buffer| categorical(on(buffer, "i1"), names(&["x"])));
    refused(codes, &[&[0; 1 << 19]], "more than the limit of 1048576");
    let masks = named(&|buffer| {
        let values = dict(&[("_mask", on(buffer, "b1")), ("_data", on(b"h\0".to_vec(), "i1"))]);
        instance("pandas.arrays", "IntegerArray", values)
    });
    refused(masks, &[&[0; 1 << 19]], "more than the limit of 1048576");
    let times = |rows: i64, buffer: Vec<u8>, rest: &[Vec<u8>]| {
        let times = call("numpy", "dtype", &[text("<M8[ns]")]);
        call("numpy", "ndarray", &[&[int(rows), times, buffer], rest].concat())
    };
    let made = |buffer: Vec<u8>| {
        let class = global("pandas.arrays", "DatetimeArray");
        let made = call("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked", &[class, int(1), NONE.into()]);
        [made, tuple(&[dtype("f8"), times(rows / 8, buffer, &[])]), b"b".to_vec()].concat()
    };
    let named =
        |at: i64| block(made(if at == 0 { b"\x97q\0".to_vec() } else { b"h\0".to_vec() }), slice(at, at + 1, 1));
    let blocks: Vec<_> = (0..50).map(named).collect();
    let instants = frame(&blocks, range(0, 50, 1), range(0, rows / 8, 1));
    refused(instants, &[&[0; 1 << 19]], "more than the limit of 1048576");
    // a block of this crate's has no times
    let index = call("pandas", "RangeIndex", &[int(0), int(2), int(1), NONE.into(), b"\x89".to_vec(), NONE.into()]);
    let labels = call("pandas", "Index", &[list(&[text("a")]), NONE.into(), b"\x89".to_vec(), NONE.into()]);
    let columns = dict(&[("a", times(2, BUFFER.into(), &[int(0)]))]);
    let frame = call("pandas", "DataFrame", &[columns, index, labels, NONE.into(), b"\x89".to_vec()]);
    refused(frame, &[&[0; 16]], "ndarray of numpy in a form that it is not written in");
    // far more places than columns
    let many = frame_of_places(rows);
    refused(many, &[&[0; 32], &[0; 1 << 19]], "not from 0");
}

fn frame_of_places(rows: i64) -> Vec<u8> {
    let block = block(array("f8", &[1, 4]), array("i1", &[rows]));
    frame(&[block], names(&["a"]), range(0, 4, 1))
}

#[test]
fn types_in_each_other_without_end_are_refused() {
    let deep =
        (0..200).fold(alias("int8"), |inner, _| [global("pyarrow.lib", "list_"), inner, b"\x85R".to_vec()].concat());
    refused(arrow(deep, 0, 0, &[false, true]), &[&[]], "limit");
}

#[test]
fn what_is_long_and_named_often_is_not_read_as_often() {
    let long = [text(&"k".repeat(1 << 21)), b"q\x000".to_vec()].concat();
    let count = 200_000;
    let entries = [&b"}("[..], &b"h\0N".repeat(count), b"u"].concat();
    let entries = call("pandas.core.indexes.base", "_new_Index", &[global("pandas", "Index"), entries]);
    let items = index("Index", &[("data", objects(&[count as i64], &vec![b"h\0".to_vec(); count]))]);
    // where a type has a truth value
    let number = || [alias("int8"), b"q\x010".to_vec()].concat();
    let dictionary = call("pyarrow.lib", "dictionary", &[b"h\x01".to_vec(), b"h\x01".to_vec(), b"h\0".to_vec()]);
    let map = call("pyarrow.lib", "map_", &[b"h\x01".to_vec(), b"h\x01".to_vec(), b"h\0".to_vec()]);
    let fields = |kind: Vec<u8>| {
        let field = call("pyarrow.lib", "field", &[text("a"), kind, b"\x89".to_vec(), NONE.into()]);
        let field = [number(), field, b"q\x020".to_vec()].concat();
        [field, call("pyarrow.lib", "schema", &[list(&vec![b"h\x02".to_vec(); 50_000]), NONE.into()])].concat()
    };
    // as what is for missing text
    let dtype = call("pandas", "StringDtype", &[text("python"), b"h\0".to_vec()]);
    let made = call(
        "pandas._libs.arrays",
        "__pyx_unpickle_NDArrayBacked",
        &[global("pandas.arrays", "StringArray"), int(1), NONE.into()],
    );
    let texts = [made, tuple(&[dtype, objects(&[0], &[])]), b"bq\x010".to_vec()].concat();
    let texts = [texts, list(&vec![b"h\x01".to_vec(); 50_000])].concat();
    for rest in [entries, items, fields(dictionary), fields(map)] {
        let started = Instant::now();
        let message = message([&long[..], &rest].concat(), &[]);
        check(&Decode::<Table>::decode(&Pickle::new(), message).unwrap_err());
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    }
    let started = Instant::now();
    let message = message([&long[..], &texts].concat(), &[]);
    let error = Decode::<Vec<Table>>::decode(&Pickle::new(), message).map(drop).unwrap_err();
    assert!(error.is_limit(), "{error}");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

/// A series of one row, with this in its state beside its values.
fn series_beside(more: Vec<u8>) -> Vec<u8> {
    let state = tuple(&[list(&[range(0, 1, 1)]), list(&[array("f8", &[1])]), more]);
    let manager = instance("pandas.core.internals.managers", "SingleBlockManager", state);
    instance("pandas", "Series", dict(&[("_mgr", manager), ("_name", text("s"))]))
}

#[test]
fn what_is_passed_over_is_paid_for_each_time_that_it_is() {
    let named = |more: Vec<u8>, times: usize| {
        let column = [series_beside(more), b"q\x010".to_vec()].concat();
        let column = [column, list(&vec![b"h\x01".to_vec(); times])].concat();
        codec().decode(message(column, &[&[0; 8]])).map(|tables: Vec<Table>| tables.len())
    };
    let states = || [call("builtins", "list", &[]), b"Nb".repeat(10_000)].concat();
    let elements = || list(&vec![list(&vec![NONE.to_vec(); 1000]); 10]);
    for more in [states(), elements()] {
        assert_eq!(named(more.clone(), 2).unwrap(), 2);
        let error = named(more, 20).unwrap_err();
        assert!(error.is_limit(), "{error}");
    }
}

fn message_of(table: &Table, limits: Limits) -> (Result<Multipart, Error>, usize) {
    let (message, usage) = measure(|| Pickle::new().limits(limits).encode(table));
    (message, usage.peak)
}

/// Columns of these names, and what the metadata says of the frame that they were.
fn described(columns: Vec<(String, ArrayRef)>, pandas: &serde_json::Value) -> Table {
    let field = |(name, array): &(String, ArrayRef)| Field::new(name, array.data_type().clone(), true);
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    let schema = schema.with_metadata(HashMap::from([("pandas".to_owned(), pandas.to_string())]));
    let columns = columns.into_iter().map(|(_, array)| array).collect();
    Table::new(Arc::new(schema), columns).unwrap()
}

#[test]
fn rows_and_texts_that_share_their_bytes_are_not_written_out_over_the_limit() {
    const MIB: usize = 1 << 20;
    let of = |array: ArrayRef| described(vec![("a".to_owned(), array)], &json!({}));
    let text: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(100_000)]));
    let mut views = StringViewBuilder::new();
    let block = views.append_block("x".repeat(100_000).into_bytes().into());
    (0..1000).for_each(|_| views.try_append_view(block, 0, 100_000).unwrap());
    let many = (0..1000).map(|at| (at.to_string(), text.clone())).collect();
    let none = arrow(call("pyarrow.lib", "binary", &[int(0)]), 1 << 33, 0, &[false, true]);
    let none: Table = decode(&message(none, &[&[]])).unwrap();
    // an array of pyarrow goes back as one
    let (written, peak) = message_of(&none, Limits::new().metadata_bytes(MIB));
    assert!(written.unwrap().total_len() < 1000 && peak < MIB, "{peak}");
    for table in [
        of(Arc::new(NullArray::new(10_000_000_000))),
        of(none.batch().column(0).clone()),
        of(Arc::new(views.finish())),
        described(many, &json!({})),
    ] {
        let (written, peak) = message_of(&table, Limits::new().metadata_bytes(MIB));
        let error = written.unwrap_err();
        assert!(error.is_limit() && error.to_string().contains("limit of 1048576"), "{error}");
        assert!(peak < 8 * MIB, "{peak}");
    }
    // truth values become bytes, for each column its own
    let truths: ArrayRef = Arc::new(BooleanArray::from(vec![true; MIB]));
    let many = (0..1000).map(|at| (at.to_string(), truths.clone())).collect();
    let (written, peak) = message_of(&described(many, &json!({})), Limits::new().total_bytes(2 * MIB as u64));
    let error = written.unwrap_err();
    assert!(error.to_string().contains("over the limit of 2097152"), "{error}");
    assert!(peak < 8 * MIB, "{peak}");
}

#[test]
fn metadata_that_names_a_column_often_has_it_written_once() {
    let text: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(100_000)]));
    let table = described(vec![("a".to_owned(), text.clone())], &json!({"index_columns": vec!["a"; 10_000]}));
    let (written, peak) = message_of(&table, Limits::new());
    let written = written.unwrap();
    assert!(written.total_len() < 110_000 && peak < 4 << 20, "{} bytes, {peak}", written.total_len());
    let back: Table = Pickle::new().decode(written).unwrap();
    assert_eq!(back.batch().column(0).as_string::<i32>().value(0).len(), 100_000);
    // more levels than pandas' pickles may have here
    let names: Vec<_> = (0..300).map(|at| at.to_string()).collect();
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let columns = names.iter().map(|name| (name.clone(), numbers.clone())).collect();
    let table = described(columns, &json!({"index_columns": names}));
    let back: Table = Pickle::new().decode(message_of(&table, Limits::new()).0.unwrap()).unwrap();
    assert_eq!(back.batch().num_columns(), 300);
    // a dtype of many columns that share a name
    let columns = (0..5000).map(|_| ("a".to_owned(), numbers.clone())).collect();
    let said = json!({"field_name": "a", "numpy_type": "x".repeat(100_000)});
    let (written, peak) = message_of(&described(columns, &json!({"columns": [said]})), Limits::new());
    let error = written.unwrap_err();
    assert!(error.to_string().contains("two columns"), "{error}");
    assert!(peak < 32 << 20, "{peak}");
}

#[test]
fn a_zone_with_a_long_name_is_refused_wherever_it_stands() {
    let zone = "z".repeat(1 << 20);
    let typed = call("pyarrow.lib", "timestamp", &[text("us"), text(&zone)]);
    let field = call("pyarrow.lib", "field", &[text("a"), typed, b"\x89".to_vec(), NONE.into()]);
    let fields = [vec![[field, b"q\x00".to_vec()].concat()], vec![b"h\0".to_vec(); 2000]].concat();
    let schema = call("pyarrow.lib", "schema", &[list(&fields), NONE.into()]);
    let named = call("pytz", "_p", &[text(&zone)]);
    let zoned = instance("pandas", "DatetimeTZDtype", dict(&[("unit", text("ns")), ("tz", named)]));
    let class = global("pandas.arrays", "DatetimeArray");
    let made = call("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked", &[class, int(1), NONE.into()]);
    let times = call("numpy", "dtype", &[text("<M8[ns]")]);
    let times =
        call("numpy._core.numeric", "_frombuffer", &[BUFFER.into(), times, tuple(&[int(5000), int(0)]), text("C")]);
    let values = [made, tuple(&[zoned, times]), b"b".to_vec()].concat();
    let block = frame(&[block(values, slice(0, 5000, 1))], range(0, 5000, 1), range(0, 0, 1));
    for (pickle, frames) in [(schema, &[][..]), (block, &[&[][..]])] {
        let message = message(pickle, frames);
        let (error, usage) = measure(|| Decode::<Table>::decode(&Pickle::new(), message).unwrap_err());
        check(&error);
        assert!(error.to_string().contains("a time zone whose name has 1048576 bytes"), "{error}");
        assert!(usage.peak < 8 << 20, "{usage:?}");
    }
}

#[test]
fn a_zone_of_any_number_of_minutes_is_read_or_refused() {
    let zoned = |minutes: i64| {
        let fixed = call("pytz", "FixedOffset", &[int(minutes)]);
        let dtype = instance("pandas", "DatetimeTZDtype", dict(&[("unit", text("ns")), ("tz", fixed)]));
        let class = global("pandas.arrays", "DatetimeArray");
        let made = call("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked", &[class, int(1), NONE.into()]);
        let times = call("numpy", "dtype", &[text("<M8[ns]")]);
        let times = call("numpy._core.numeric", "_frombuffer", &[BUFFER.into(), times, tuple(&[int(4)]), text("C")]);
        [made, tuple(&[dtype, times]), b"b".to_vec()].concat()
    };
    for (minutes, zone) in [(330, "+05:30"), (-1439, "-23:59"), (0, "+00:00")] {
        let table = decode(&message(zoned(minutes), &[&[0; 32]])).unwrap();
        let kind = table.batch().schema_ref().field(0).data_type().to_string();
        assert!(kind.contains(zone), "{kind}");
    }
    for minutes in [1440, -1440, i64::MAX, i64::MIN] {
        refused(zoned(minutes), &[&[0; 32]], "a time zone that is more than a day from UTC");
    }
}

#[test]
fn what_is_odd_in_a_column_is_paid_for_and_ends_it() {
    let long = [b"L".to_vec(), vec![b'9'; 40_000], b"L\nq\x000".to_vec()].concat();
    let of = |columns: i64, rows: i64| {
        let values = objects(&[columns, rows], &vec![b"h\0".to_vec(); (columns * rows) as usize]);
        let frame = frame(&[block(values, slice(0, columns, 1))], range(0, columns, 1), range(0, rows, 1));
        decode(&message([&long[..], &frame].concat(), &[])).unwrap_err()
    };
    // once for each column, and not for each row
    let error = of(1, 1000);
    assert!(error.is_peer() && error.to_string().contains("an integer among its Python objects"), "{error}");
    assert!(of(1000, 1).is_limit());
}

#[test]
fn an_option_is_not_paid_for_twice_where_something_else_is_missing() {
    #[derive(Deserialize)]
    struct Sample {
        t: Option<Table>,
        x: Option<String>,
    }
    let texts: Vec<_> = (0..40).map(|at| text(&at.to_string().repeat(500))).collect();
    let frame = frame(&[block(objects(&[1, 40], &texts), slice(0, 1, 1))], names(&["a"]), range(0, 40, 1));
    let not_a_time = call("pandas._libs.tslibs.nattype", "__nat_unpickle", &[NONE.into()]);
    for missing in [not_a_time, global("pandas", "NA")] {
        let message = message(dict(&[("t", frame.clone()), ("x", missing)]), &[]);
        let sample: Sample = codec().decode(message).unwrap();
        assert_eq!((sample.t.unwrap().rows(), sample.x), (40, None));
    }
}

/// A dictionary-encoded array: the dictionary is in seven parts without a call.
fn coded(codes: &[u8], offsets: &[u8], bytes: &[u8]) -> Vec<u8> {
    let on = |buffer: &[u8]| call("pyarrow.lib", "py_buffer", &[buffer.to_vec()]);
    let kind = call("pyarrow.lib", "dictionary", &[alias("int8"), alias("large_string"), b"\x89".to_vec()]);
    let slots = list(&[NONE.into(), on(offsets), on(bytes)]);
    let values = tuple(&[alias("large_string"), int(1), int(-1), int(0), slots, list(&[]), NONE.into()]);
    let slots = list(&[NONE.into(), on(codes)]);
    call("pyarrow.lib", "_restore_array", &[tuple(&[kind, int(1), int(-1), int(0), slots, list(&[]), values])])
}

#[test]
fn chunks_that_share_buffers_are_joined_within_a_limit() {
    const MIB: usize = 1 << 20;
    let dictionary = || call("pyarrow.lib", "dictionary", &[alias("int8"), alias("large_string"), b"\x89".to_vec()]);
    let (offsets, long) = ([0_i64, MIB as i64].map(i64::to_le_bytes).concat(), vec![b'x'; MIB]);
    let chunks = |first: Vec<Vec<u8>>, again: &[u8], kind: Vec<u8>| {
        let chunks = [first, vec![again.to_vec(); 2000]].concat();
        call("pyarrow.lib", "chunked_array", &[list(&chunks), kind])
    };
    // one dictionary in two thousand chunks is looked through once
    let one = [coded(b"\x97", b"\x97", b"\x97"), b"q\x00".to_vec()].concat();
    let frames = [&[0][..], &offsets, &long];
    let table: Table = Pickle::new().decode(message(chunks(vec![one], b"h\0", dictionary()), &frames)).unwrap();
    assert_eq!(table.rows(), 2001);
    // two that are equal are compared as often as they meet
    let one = coded(b"\x97q\x01", b"\x97q\x02", b"\x97");
    let other = [coded(b"h\x01", b"h\x02", b"\x97"), b"q\x00".to_vec()].concat();
    let frames = [&[0][..], &offsets, &long, &long];
    let compared = message(chunks(vec![one, other], b"h\0", dictionary()), &frames);
    // and what is copied is copied as often
    let one = [arrow(alias("int8"), MIB as i64, 0, &[false, true]), b"q\x00".to_vec()].concat();
    let copied = message(chunks(vec![one], b"h\0", alias("int8")), &[&long]);
    for message in [compared, copied] {
        let (error, usage) = measure(|| Decode::<Table>::decode(&Pickle::new(), message).unwrap_err());
        assert!(error.is_limit(), "{error}");
        assert!(usage.peak < 16 * MIB, "{usage:?}");
    }
}

#[test]
fn what_null_rows_name_beyond_a_list_is_not_passed_on() {
    let values = tuple(&[alias("int8"), int(1), int(0), int(0), on_frames(&[false, true]), list(&[]), NONE.into()]);
    let (rows, beyond) = ([0_i32, 0].map(i32::to_le_bytes).concat(), [1, i32::MAX].map(i32::to_le_bytes).concat());
    for offset in [0, 1] {
        let kind = call("pyarrow.lib", "list_view", &[alias("int8")]);
        let slots = on_frames(&[true, true, true]);
        let parts =
            [kind, int(2 - offset), int(-1), int(offset), slots, list(std::slice::from_ref(&values)), NONE.into()];
        let made = call("pyarrow.lib", "_restore_array", &[tuple(&parts)]);
        let frames = [&[1][..], &rows, &beyond, &[7]];
        let kind = call("pyarrow.lib", "list_view", &[alias("int8")]);
        for made in [made.clone(), call("pyarrow.lib", "chunked_array", &[list(&[made]), kind])] {
            let table: Table = decode(&message(made, &frames)).unwrap();
            assert!(table.batch().column(0).is_null(1 - offset as usize));
            let written = Pickle::new().encode(&table).unwrap();
            assert!(written.metadata().windows(14).any(|part| part == b"_restore_array"));
            assert!(written.buffers().iter().all(|frame| !frame.windows(4).any(|part| part == i32::MAX.to_le_bytes())));
            let again: Table = Pickle::new().decode(written).unwrap();
            assert_eq!(again, table);
        }
    }
}

/// Refused within the limits of these tests and within those that a codec has by itself.
fn refused_at_any_limit(pickle: Vec<u8>, frames: &[&[u8]], why: &str) {
    for codec in [codec(), Pickle::new()] {
        let message = message(pickle.clone(), frames);
        let errors = [
            Decode::<Table>::decode(&codec, message.clone()).map(drop),
            Decode::<Value>::decode(&codec, message.clone()).map(drop),
            Decode::<Option<Vec<u8>>>::decode(&codec, message).map(drop),
        ];
        for error in errors {
            let error = error.unwrap_err();
            check(&error);
            assert!(error.to_string().contains(why), "{error}, not {why}");
        }
    }
}

#[test]
fn what_holds_itself_is_refused_on_a_small_stack() {
    on_a_small_stack(|| {
        let this = || b"h\0".to_vec();
        let memoized = |made: Vec<u8>| [made, b"q\0".to_vec()].concat();
        let build = |made: Vec<u8>, state: Vec<u8>| [memoized(made), state, b"b".to_vec()].concat();
        let new = |module: &str, name: &str| [global(module, name), b")\x81".to_vec()].concat();
        let backed =
            |class: Vec<u8>| call("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked", &[class, int(1), NONE.into()]);
        let masked = dict(&[("_data", this()), ("_mask", NONE.into())]);
        let odd = "in a form that it is not written in";
        refused_at_any_limit(build(new("pandas.arrays", "IntegerArray"), masked), &[], odd);
        let masked = dict(&[("_data", array("i8", &[1])), ("_mask", this())]);
        refused_at_any_limit(build(new("pandas.arrays", "IntegerArray"), masked), &[&[0; 8]], odd);
        let arguments = [tuple(&[block(this(), slice(0, 1, 1))]), list(&[names(&["a"]), range(0, 1, 1)])];
        let manager = call("pandas.core.internals.managers", "BlockManager", &arguments);
        refused_at_any_limit(build(new("pandas", "DataFrame"), dict(&[("_mgr", manager)])), &[], odd);
        let wrapped = backed(global("pandas.arrays", "NumpyExtensionArray"));
        refused_at_any_limit(build(wrapped, tuple(&[dtype("f8"), this()])), &[], odd);
        let cycle = "contains itself";
        let categories = index("Index", &[("data", this()), ("name", NONE.into())]);
        let state = dict(&[("categories", categories), ("ordered", b"\x89".to_vec())]);
        let state = tuple(&[instance("pandas", "CategoricalDtype", state), array("i1", &[1])]);
        refused_at_any_limit(build(backed(global("pandas", "Categorical")), state), &[&[0]], cycle);
        // of which a list is a part that grows when it is made
        let grown = |made: Vec<u8>, by: Vec<u8>| [made, b"q\x01h\0".to_vec(), by, b"a0".to_vec()].concat();
        let slots = memoized(b"]".to_vec());
        let parts = [alias("int8"), int(1), int(0), int(0), slots, b"]".to_vec(), NONE.into()];
        let made = call("pyarrow.lib", "_restore_array", &[tuple(&parts)]);
        refused_at_any_limit(grown(made, call("pyarrow.lib", "py_buffer", &[b"h\x01".to_vec()])), &[], odd);
        let none = list(&[NONE.into()]);
        let parts = [("levels", memoized(b"]".to_vec())), ("codes", none.clone()), ("names", none)];
        refused_at_any_limit(grown(index("MultiIndex", &parts), b"h\x01".to_vec()), &[], "an index of several levels");
    });
}

#[test]
fn what_is_deep_fits_a_small_stack() {
    on_a_small_stack(|| {
        let inner = || b"INNER".to_vec();
        let repeated = |one: &[u8], depth: usize| {
            let at = one.windows(5).position(|part| part == b"INNER").unwrap();
            message([one[..at].repeat(depth), names(&["x"]), one[at + 5..].repeat(depth)].concat(), &[])
        };
        let masked = instance("pandas.arrays", "IntegerArray", dict(&[("_data", inner()), ("_mask", NONE.into())]));
        let codes = call("numpy", "ndarray", &[int(1), dtype("i1"), b"C\x01\0".to_vec()]);
        let coded = index("Index", &[("data", categorical(codes.clone(), inner())), ("name", NONE.into())]);
        let list_of = |part| list(&[part]);
        let parts = [("levels", list_of(inner())), ("codes", list_of(codes)), ("names", list_of(NONE.into()))];
        let leveled = index("MultiIndex", &parts);
        let codec = Pickle::new().limits(Limits::new().metadata_bytes(32 << 20));
        for (one, why) in [
            (masked, "in a form that it is not written in"),
            (coded, "deeper than the limit"),
            (leveled, "an index of several levels"),
        ] {
            for depth in [15, 31, 32, 63, 64, 65, 1000, 30_000] {
                for error in [
                    Decode::<Table>::decode(&codec, repeated(&one, depth)).map(drop).unwrap_err(),
                    Decode::<Value>::decode(&codec, repeated(&one, depth)).map(drop).unwrap_err(),
                ] {
                    check(&error);
                    // within the depth of a message, and not within that of the format
                    let why =
                        if depth < 32 && why == "deeper than the limit" { "a dictionary of dictionaries" } else { why };
                    assert!(depth < 17 || error.to_string().contains(why), "{depth}: {error}");
                }
            }
        }
    });
}

/// A schema of one column of so many structs in each other, which is a table without rows.
fn nested(structs: usize) -> Vec<u8> {
    let field = |kind: Vec<u8>| call("pyarrow.lib", "field", &[text("a"), kind, b"\x88".to_vec(), NONE.into()]);
    let within = |kind: Vec<u8>, _| call("pyarrow.lib", "struct", &[list(&[field(kind)])]);
    call("pyarrow.lib", "schema", &[list(&[field((0..structs).fold(alias("int8"), within))]), NONE.into()])
}

#[test]
fn the_deepest_table_fits_a_small_stack() {
    on_a_small_stack(|| {
        for structs in 0..16 {
            let decode = |lists: usize| {
                let pickle = [b"]".repeat(lists), nested(structs), b"a".repeat(lists)].concat();
                Decode::<Value>::decode(&Pickle::new(), message(pickle, &[]))
            };
            // as deep as in the default codec: a map, a list of columns, and a list and the lists in it for each column below another
            let room = 64 - 2 - 2 * (structs + 1);
            let value = decode(room).unwrap();
            let default = outband::to_multipart(&value).unwrap();
            assert_eq!(outband::from_multipart::<Value>(default).unwrap(), value);
            for lists in [room + 1, room + 2, 62, 63] {
                let error = decode(lists.max(room + 1)).map(drop).unwrap_err();
                assert!(error.is_limit(), "{structs} structs in {lists} lists: {error}");
            }
        }
    });
}

#[test]
fn getattr_is_read_as_a_zone_and_as_nothing_else() {
    let zoned = |zone: Vec<u8>| {
        let dtype = instance("pandas", "DatetimeTZDtype", dict(&[("unit", text("ns")), ("tz", zone)]));
        let class = global("pandas.arrays", "DatetimeArray");
        let made = call("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked", &[class, int(1), NONE.into()]);
        let state = [int(4), text("<"), NONE.into(), NONE.into(), NONE.into(), int(-1), int(-1), int(0)];
        let unit = tuple(&[NONE.into(), tuple(&[b"C\x02ns".to_vec(), int(1), int(1), int(1)])]);
        let times = call("numpy", "dtype", &[text("M8"), b"\x89".to_vec(), b"\x88".to_vec()]);
        let times = [times, tuple(&[&state[..], &[unit]].concat()), b"b".to_vec()].concat();
        let arguments = [BUFFER.into(), times, tuple(&[int(1)]), text("C")];
        let array = call("numpy._core.numeric", "_frombuffer", &arguments);
        [made, tuple(&[dtype, array]), b"b".to_vec()].concat()
    };
    let class = || global("zoneinfo", "ZoneInfo");
    let method = |of: Vec<u8>, name: &str| call("builtins", "getattr", &[of, text(name)]);
    let called = |method: Vec<u8>| [method, tuple(&[text("Europe/Oslo"), int(1)]), b"R".to_vec()].concat();
    let table = decode(&message(zoned(called(method(class(), "_unpickle"))), &[&[0; 8]])).unwrap();
    assert!(table.batch().schema().to_string().contains("Europe/Oslo"), "{}", table.batch().schema());
    let asked = "asks for getattr of builtins";
    refused(zoned(called(method(class(), "from_file"))), &[&[0; 8]], asked);
    refused(zoned(called(method(global("builtins", "dict"), "_unpickle"))), &[&[0; 8]], asked);
    refused(list(&[called(method(class(), "_unpickle")), global("builtins", "getattr")]), &[], asked);
    refused(list(&[zoned(called(method(class(), "_unpickle"))), method(class(), "key")]), &[&[0; 8]], asked);
    let one = [global("builtins", "getattr"), b"\x94".to_vec()].concat();
    let good = [&b"h\0"[..], &tuple(&[class(), text("_unpickle")]), b"R"].concat();
    let bad = [&b"h\0"[..], &tuple(&[class(), text("key")]), b"R"].concat();
    refused(tuple(&[one, called(good), bad]), &[], asked);
}

#[test]
fn mutations_end_in_a_typed_error_or_a_table() {
    let mut random = Random::seeded(0x9a_4d_a5);
    let codes = categorical(array("i1", &[3]), names(&["x", "y"]));
    let parts = [
        ("levels", list(&[names(&["x", "y"])])),
        ("codes", list(&[array("i1", &[3])])),
        ("names", list(&[NONE.into()])),
    ];
    let offsets = [0_i32, 1, 3].map(i32::to_le_bytes).concat();
    let blocks = [block(array("f8", &[2, 4]), slice(0, 4, 2)), block(array("i4", &[2, 4]), slice(1, 4, 2))];
    let several = frame(&blocks, names(&["a", "b", "c", "d"]), range(0, 4, 1));
    let written = |pickle: Vec<u8>, frames: &[&[u8]]| Pickle::new().encode(&decode(&message(pickle, frames)).unwrap());
    let seeds = [
        message(sound(), &[EIGHT]),
        // as this crate writes them: one block, and two
        written(sound(), &[EIGHT]).unwrap(),
        written(several, &[EIGHT, &[1; 32]]).unwrap(),
        message(series(codes, index("MultiIndex", &parts)), &[&[0, 0xff, 1], &[1, 0, 1]]),
        message(arrow(alias("string"), 2, 0, &[false, true, true]), &[&offsets, b"abc"]),
    ];
    let mut outcomes = [0, 0];
    // a debug build takes ten times as long for each
    for round in 0..if cfg!(debug_assertions) { 15_000 } else { 30_000 } {
        let seed = &seeds[round % seeds.len()];
        let (mut data, mut frames) = (seed.metadata().to_vec(), seed.buffers().to_vec());
        if random.below(2) == 0 {
            let (at, byte) = (random.below(data.len()), random.below(256) as u8);
            match random.below(6) {
                0 => data.truncate(at),
                1 | 2 => data[at] = byte,
                _ => data[at] ^= 1 << (byte & 7),
            }
        } else {
            let which = random.below(frames.len());
            let mut bytes = frames[which].to_vec();
            let at = random.below(bytes.len());
            bytes[at] = random.below(256) as u8;
            frames[which] = Buffer::from(bytes);
        }
        let read = decode(&Multipart::new(data, frames));
        outcomes[usize::from(read.is_ok())] += 1;
        if let Ok(message) = read.and_then(|table| Pickle::new().encode(&table)) {
            decode(&message).unwrap();
        }
    }
    println!("{outcomes:?}");
    assert!(outcomes.iter().all(|&count| count > 500), "{outcomes:?}");
}
