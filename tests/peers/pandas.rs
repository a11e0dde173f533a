//! Real pandas, of versions 2 and 3, and real pyarrow: what they pickle is read as tables, and is what it was when it comes back.

#![cfg(feature = "arrow")]

use std::sync::Arc;

use arrow_array::types::{Int8Type, Int16Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use outband::{Decode, Encode, Error, ErrorKind, Multipart, Pickle, SocketExt, Table, memory};
use serde::{Deserialize, Serialize};

use crate::plainly::of_few_types;
use crate::python::{Packages, Script};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn pair() -> (zmq::Socket, String) {
    let socket = zmq::Context::new().socket(zmq::PAIR).unwrap();
    socket.set_sndtimeo(60_000).unwrap();
    socket.set_rcvtimeo(60_000).unwrap();
    socket.set_linger(0).unwrap();
    socket.bind("tcp://127.0.0.1:*").unwrap();
    let endpoint = socket.get_last_endpoint().unwrap().unwrap();
    (socket, endpoint)
}

/// What comes back: the table, or why there is none.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Answer {
    Table(Table),
    Refused(String),
}

/// What pandas' object was, in the words of the reader: not of a table that pyarrow made of one.
fn made_of_pandas(table: &Table) -> Option<String> {
    let metadata = table.batch().schema().metadata().get("pandas")?.clone();
    metadata.contains(r#""library":"outband""#).then_some(metadata)
}

/// The block, and in pandas 3 the offsets and the text of the labels.
fn frames_of_one_dtype(packages: Packages) -> usize {
    match packages {
        Packages::Current => 3,
        Packages::Older => 1,
        Packages::Least => unreachable!("it has no pandas"),
    }
}

/// How many bytes are copied of an object that is in frames of its own, every column of which lies there; `None` for those that hold
/// something that Arrow has otherwise.
fn copied_of(name: &str) -> Option<u64> {
    let (kind, what) = name.strip_suffix(", out of band")?.split_once(' ').unwrap_or_default();
    match (kind, what) {
        (
            "column" | "series",
            "bool" | "boolean" | "bytes" | "times in seconds" | "times in a zone" | "times in UTC",
        ) => None,
        ("column" | "series", "times" | "spans" | "times at an offset" | "text" | "string in Python") => None,
        ("column" | "series", "categories" | "ordered" | "categories of times") => None,
        ("column", "string in Arrow" | "categories of numbers" | "floats with gaps") => Some(0),
        // a mask that is bits in Arrow
        ("column" | "series", masked) if masked.starts_with(['I', 'U', 'F']) => Some(1),
        ("column", number) if number.starts_with(['i', 'u', 'f', 'A']) => Some(0),
        ("one", "dtype in Fortran order") => Some(0),
        ("array", _) => Some(0),
        _ => None,
    }
}

/// Whether all that goes back to Python in buffers lies where it came, truth values and masks too.
fn lies_in_its_frames(name: &str) -> bool {
    let of_pandas = ["column", "series", "blocks", "labels", "levels", "index of several levels"];
    let of_pyarrow = ["array", "slice of", "one of", "long", "chunks", "no chunks", "one chunk", "batch", "table"];
    of_pandas.iter().chain(&of_pyarrow).any(|kind| name.starts_with(kind))
}

/// Whether an object has an index of a dtype that Arrow has as well: the last column, and in pandas 2 that is numbers alone.
fn has_index_in_its_frames(name: &str, packages: Packages) -> bool {
    match name.strip_suffix(", out of band") {
        Some("index of numbers" | "index with the name of a column" | "index alone") => true,
        Some("index of text") => matches!(packages, Packages::Current),
        _ => false,
    }
}

/// A table that was never a data frame.
fn plain() -> Table {
    let when = TimestampMicrosecondArray::from(vec![Some(0), None, Some(1)]).with_timezone("UTC");
    let kind: DictionaryArray<Int8Type> = [Some("high"), None, Some("low")].into_iter().collect();
    // a dictionary that was put together, and of values that are missing or equal in Python
    let twice = StringArray::from(vec![Some("a"), Some("b"), Some("a"), None]);
    let twice = DictionaryArray::<Int8Type>::new(vec![2, 3, 1].into(), Arc::new(twice));
    let zeros = Float64Array::from(vec![f64::NAN, 0.0, -0.0]);
    let zeros = DictionaryArray::<Int8Type>::new(vec![2, 0, 1].into(), Arc::new(zeros));
    let times = TimestampMicrosecondArray::from(vec![1, i64::MIN, 1]);
    let times = DictionaryArray::<Int16Type>::new(vec![Some(2), None, Some(1)].into(), Arc::new(times));
    let columns: [(&str, ArrayRef); 10] = [
        ("whole", Arc::new(Int64Array::from(vec![1, 2, 3]))),
        ("gaps", Arc::new(Int32Array::from(vec![Some(1), None, Some(3)]))),
        ("floats", Arc::new(Float64Array::from(vec![Some(0.5), None, Some(1.5)]))),
        ("text", Arc::new(StringArray::from(vec![Some("a"), None, Some("søppel")]))),
        ("truth", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
        ("when", Arc::new(when)),
        ("kind", Arc::new(kind)),
        ("twice", Arc::new(twice)),
        ("zeros", Arc::new(zeros)),
        ("times", Arc::new(times)),
    ];
    Table::from(RecordBatch::try_from_iter(columns).unwrap())
}

#[test]
fn what_pandas_has_no_form_for_is_named_with_its_column() {
    let days: ArrayRef = Arc::new(Date32Array::from(vec![1, 2]));
    let table = Table::from(RecordBatch::try_from_iter([("days", days)]).unwrap());
    let error = Pickle::new().encode(&table).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Caller);
    assert!(error.to_string().contains("column \"days\": Date32 has no form in pandas"), "{error}");
}

fn every_object_is_what_it_was(packages: Packages) {
    let (socket, endpoint) = pair();
    let script = Script::start_with(packages, "frames.py", &[&endpoint]);
    let codec = Pickle::new();
    let (mut tables, mut in_place, mut indexes, mut read_again) = (0, 0, 0, 0);
    loop {
        let (name, message) = socket.recv_topic_message().unwrap();
        let name = text(&name);
        if name == "end" {
            break;
        }
        let frames: Vec<_> = message.buffers().to_vec();
        let copied = memory::copied_bytes();
        let decoded = Decode::<Table>::decode(&Pickle::new(), message);
        let copied = memory::copied_bytes() - copied;
        if let (Ok(table), Some(most)) = (&decoded, copied_of(&name)) {
            assert_eq!(copied, most, "{name}");
            for column in table.batch().columns() {
                let data = column.to_data();
                // the values, and of text the offsets before them
                for buffer in data.buffers().iter().filter(|buffer| !buffer.is_empty()) {
                    let frames = frames.iter().map(|frame| frame.as_ptr_range());
                    assert!(frames.into_iter().any(|frame| frame.contains(&buffer.as_ptr())), "{name} was copied");
                }
            }
            in_place += 1;
        }
        if let (Ok(table), true) = (&decoded, has_index_in_its_frames(&name, packages)) {
            let index = table.batch().columns().last().unwrap().to_data();
            assert!(!index.is_empty());
            for buffer in index.buffers() {
                let mut frames = frames.iter().map(|frame| frame.as_ptr_range());
                assert!(frames.any(|frame| frame.contains(&buffer.as_ptr())), "the index of {name} was copied");
            }
            indexes += 1;
        }
        if name == "one dtype in Fortran order, out of band" {
            assert_eq!(frames.len(), frames_of_one_dtype(packages));
        }
        match decoded {
            Ok(table) => {
                socket.send_obj(&Answer::Table(table.clone())).unwrap();
                let copied = memory::copied_bytes();
                let pickled = codec.encode(&table);
                if name == "one dtype in Fortran order, out of band" {
                    // the block leaves as the frame that it came as
                    assert_eq!(pickled.as_ref().unwrap().buffers()[0].as_ptr(), frames[0].as_ptr());
                    assert_eq!(pickled.as_ref().unwrap().buffers().len(), frames.len());
                    assert_eq!(memory::copied_bytes(), copied);
                }
                if let (Ok(message), true) = (&pickled, name.ends_with(", out of band") && lies_in_its_frames(&name)) {
                    for buffer in message.buffers().iter().filter(|buffer| !buffer.is_empty()) {
                        let mut frames = frames.iter().map(|frame| frame.as_ptr_range());
                        assert!(frames.any(|frame| frame.contains(&buffer.as_ptr())), "{name}: {} bytes", buffer.len());
                    }
                }
                // what this codec wrote it reads again, all of it
                if let Ok(message) = &pickled {
                    let again: Table = codec.decode(message.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
                    match made_of_pandas(&table) {
                        Some(_) => assert_eq!(of_few_types(&again), of_few_types(&table), "{name}"),
                        None => assert_eq!(again, table, "{name}"),
                    }
                    read_again += 1;
                }
                let refused = |error: Error| Multipart::new(format!("refused: {error}"), vec![]);
                socket.send_message(pickled.unwrap_or_else(refused)).unwrap();
            }
            Err(error) => {
                socket.send_obj(&Answer::Refused(error.to_string())).unwrap();
                socket.send_message(Multipart::new(&b"refused: no table"[..], vec![])).unwrap();
            }
        }
        tables += 1;
    }
    socket.send_with(&codec, &plain()).unwrap();
    assert!(
        tables > 400 && in_place > 40 && read_again > 400,
        "{tables} tables, {in_place} in place, {read_again} read again"
    );
    assert_eq!(indexes, if matches!(packages, Packages::Current) { 4 } else { 3 });
    script.finish();
}

#[test]
fn what_pandas_3_pickles_is_read_and_comes_back_the_same() {
    every_object_is_what_it_was(Packages::Current);
}

#[test]
fn what_pandas_2_pickles_is_read_and_comes_back_the_same() {
    every_object_is_what_it_was(Packages::Older);
}
