//! Tables on the wire stay as they are: the messages under `tests/golden/tables/` decode to the same batches for ever.
//!
//! Each `NAME.outband` is one message as `Multipart::write_to` writes it; `README.md` beside them lists them. **Files are only
//! added.** To write the files of new batches (an existing file is left alone):
//!
//! ```text
//! OUTBAND_WRITE_GOLDEN=1 cargo test --features arrow --test tables golden::
//! ```
//!
//! The frames stay the same to the byte, and so do lengths and null counts. The schema is written by arrow-ipc, which may
//! lay it out in another order one day: it has to decode to the same schema.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::builder::{FixedSizeBinaryBuilder, Int64Builder, MapBuilder, StringBuilder, StringViewBuilder};
use arrow_array::types::{Int8Type, Int32Type};
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Decimal256Array, DictionaryArray, DurationSecondArray,
    FixedSizeListArray, Float64Array, Int16Array, Int32Array, Int64Array, LargeListViewArray, LargeStringArray,
    ListArray, NullArray, RecordBatch, RecordBatchOptions, RunArray, StringArray, StructArray, Time64NanosecondArray,
    TimestampMicrosecondArray, UInt64Array, UnionArray,
};
use arrow_buffer::i256;
use arrow_schema::{DataType, Field, Fields, Schema, UnionFields};
use outband::{Decode, Encode, MsgPack, Multipart, Table};

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tables")
}

/// Whether this run adds files; never by itself.
fn writing() -> bool {
    std::env::var_os("OUTBAND_WRITE_GOLDEN").is_some_and(|value| value == "1")
}

fn columns(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

fn field(name: &str, data_type: DataType) -> Arc<Field> {
    Arc::new(Field::new(name, data_type, true))
}

fn unions() -> RecordBatch {
    let members = vec![field("number", DataType::Int32), field("text", DataType::Utf8)];
    let fields = UnionFields::try_new([3, 7], members).unwrap();
    let numbers = |values: Vec<i32>| Arc::new(Int32Array::from(values)) as ArrayRef;
    let texts = |values: Vec<&str>| Arc::new(StringArray::from(values)) as ArrayRef;
    let sparse = vec![numbers(vec![1, 0, 3]), texts(vec!["", "two", ""])];
    let dense = vec![numbers(vec![1, 3]), texts(vec!["two"])];
    let (ids, offsets) = (vec![3_i8, 7, 3], vec![0, 0, 1]);
    let sparse = UnionArray::try_new(fields.clone(), ids.clone().into(), None, sparse).unwrap();
    let dense = UnionArray::try_new(fields, ids.into(), Some(offsets.into()), dense).unwrap();
    columns(vec![("sparse", Arc::new(sparse)), ("dense", Arc::new(dense))])
}

fn nested() -> RecordBatch {
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None, Some(vec![])]);
    let pairs = FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1), Some(2)]), None, None], 2);
    let item = field("item", DataType::Int16);
    let values = Arc::new(Int16Array::from(vec![1, 2, 3]));
    let views = LargeListViewArray::new(item, vec![1, 0, 0].into(), vec![2, 0, 3].into(), values, None);
    let fields = Fields::from(vec![field("x", DataType::Int64), field("name", DataType::Utf8)]);
    let members: Vec<ArrayRef> =
        vec![Arc::new(Int64Array::from(vec![1, 2, 3])), Arc::new(StringArray::from(vec![Some("a"), None, Some("c")]))];
    let structs = StructArray::new(fields, members, Some(vec![true, true, false].into()));
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    map.keys().append_value("one");
    map.values().append_value(1);
    map.append(true).unwrap();
    map.append(false).unwrap();
    map.append(true).unwrap();
    columns(vec![
        ("list", Arc::new(lists)),
        ("fixed-size list", Arc::new(pairs)),
        ("list view", Arc::new(views)),
        ("struct", Arc::new(structs)),
        ("map", Arc::new(map.finish())),
    ])
}

/// The golden tables: name, what it is, the batch.
fn golden() -> Vec<(&'static str, &'static str, RecordBatch)> {
    let numbers = columns(vec![
        ("flags", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
        ("small", Arc::new(Int16Array::from(vec![-1, 0, 1]))),
        ("large", Arc::new(UInt64Array::from(vec![Some(u64::MAX), Some(0), None]))),
        ("float", Arc::new(Float64Array::from(vec![0.5, f64::MIN, f64::INFINITY]))),
        ("nothing", Arc::new(NullArray::new(3))),
    ]);
    let times = columns(vec![
        ("day", Arc::new(Date32Array::from(vec![0, 19_000]))),
        ("time", Arc::new(Time64NanosecondArray::from(vec![Some(1), None]))),
        (
            "when",
            Arc::new(TimestampMicrosecondArray::from(vec![0, 1_700_000_000_000_000]).with_timezone("Europe/Oslo")),
        ),
        ("took", Arc::new(DurationSecondArray::from(vec![5, -5]))),
        ("price", Arc::new(Decimal128Array::from(vec![12_345, -1]).with_precision_and_scale(20, 2).unwrap())),
        ("wealth", Arc::new(Decimal256Array::from(vec![i256::MAX, i256::MINUS_ONE]))),
    ]);
    let mut views = StringViewBuilder::new().with_fixed_block_size(32);
    for text in ["short", "a text of more than twelve bytes", "", "another one of more than twelve"] {
        views.append_value(text);
    }
    let mut fixed = FixedSizeBinaryBuilder::new(3);
    for value in [[1, 2, 3], [4, 5, 6], [7, 8, 9], [0, 0, 0]] {
        fixed.append_value(value).unwrap();
    }
    let texts = columns(vec![
        ("text", Arc::new(StringArray::from(vec![Some("a"), None, Some("søppel"), Some("")]))),
        ("large", Arc::new(LargeStringArray::from(vec!["€", "", "𝄞", "x"]))),
        ("views", Arc::new(views.finish())),
        ("fixed", Arc::new(fixed.finish())),
    ]);
    let words: DictionaryArray<Int8Type> = [Some("low"), None, Some("high"), Some("low")].into_iter().collect();
    let runs = RunArray::<Int32Type>::try_new(
        &Int32Array::from(vec![3, 4]),
        &(Arc::new(StringArray::from(vec![Some("on"), None])) as ArrayRef),
    );
    let encoded = columns(vec![("words", Arc::new(words)), ("runs", Arc::new(runs.unwrap()))]);
    let about = Field::new("id", DataType::Int64, false)
        .with_metadata([("ARROW:extension:name".to_owned(), "example.id".to_owned())]);
    let schema = Schema::new_with_metadata(vec![about], [("origin", "golden")]);
    let metadata = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(Int64Array::from(vec![1, 2]))]).unwrap();
    let rows = RecordBatchOptions::new().with_row_count(Some(5));
    let no_columns = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &rows).unwrap();
    vec![
        ("numbers", "booleans, integers, floats, nulls", numbers.clone()),
        ("slice", "the last two rows of the same: bitmaps shifted", numbers.slice(1, 2)),
        ("no-rows", "none of its rows", numbers.slice(0, 0)),
        ("no-columns", "five rows of nothing", no_columns),
        ("times", "dates, times, instants with a zone, durations, decimals", times),
        ("texts", "strings with offsets and as views, fixed-size binary", texts.clone()),
        ("texts-slice", "rows 2 and 3 of the same: offsets from 0, views as they were", texts.slice(2, 2)),
        ("encoded", "a dictionary and runs", encoded),
        ("nested", "lists, structs, maps", nested()),
        ("nested-slice", "rows 1 and 2 of the same", nested().slice(1, 2)),
        ("unions", "a sparse and a dense union", unions()),
        ("metadata", "metadata of the schema and of a field", metadata),
    ]
}

#[test]
fn golden_tables_decode_and_encode_as_ever() {
    let codec = MsgPack::new().out_of_band_from(1);
    let mut seen = BTreeSet::new();
    for (name, _, batch) in golden() {
        let path = directory().join(format!("{name}.outband"));
        assert!(seen.insert(format!("{name}.outband")), "{name} is there twice");
        let encoded = codec.encode(&Table::from(batch.clone())).unwrap();
        if writing() && !path.exists() {
            fs::create_dir_all(directory()).unwrap();
            encoded.write_to(&mut File::create_new(&path).unwrap()).unwrap();
        }
        let golden = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut stream = &golden[..];
        let read = Multipart::read_from(&mut stream).unwrap();
        assert!(stream.is_empty(), "{name}: the file holds more than one message");
        assert_eq!(read.buffers(), encoded.buffers(), "{name}: the frames changed");
        // the map's first key, the schema, then what does not depend on how arrow-ipc lays that out
        assert_eq!(tail(&read), tail(&encoded), "{name}: the columns changed");
        let table: Table = codec.decode(read).unwrap();
        assert_eq!(table.batch(), &batch, "{name}");
        assert_eq!(table.batch().schema(), batch.schema(), "{name}");
    }
    let entries = fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<_> = entries.filter(|file| file.ends_with(".outband")).collect();
    assert_eq!(files, seen, "a golden file without its batch, or a batch without its file");
}

/// The metadata from the key "rows" on.
fn tail(message: &Multipart) -> &[u8] {
    let metadata = message.metadata();
    assert_eq!(&metadata[..8], b"\x83\xa6$table", "a map of three, the marker first");
    let rows = metadata.windows(5).rposition(|window| window == b"\xa4rows");
    &metadata[rows.unwrap()..]
}

#[test]
fn the_index_lists_every_table() {
    let mut index = INTRODUCTION.to_owned();
    for (name, about, batch) in golden() {
        let message = MsgPack::new().out_of_band_from(1).encode(&Table::from(batch)).unwrap();
        let frames: Vec<_> = message.buffers().iter().map(|frame| frame.len().to_string()).collect();
        let frames = if frames.is_empty() { "none".to_owned() } else { frames.join(", ") };
        write!(index, "\n## {name}\n\n{about}\n\nframes: {frames}\n\n```text\n").unwrap();
        for row in tail(&message).chunks(32) {
            let row: Vec<_> = row.iter().map(|byte| format!("{byte:02x}")).collect();
            writeln!(index, "{}", row.join(" ")).unwrap();
        }
        index.push_str("```\n");
    }
    let path = directory().join("README.md");
    if writing() {
        fs::create_dir_all(directory()).unwrap();
        fs::write(&path, &index).unwrap();
    }
    assert!(fs::read_to_string(path).unwrap() == index, "the index is not what tests/tables/golden.rs writes");
}

const INTRODUCTION: &str = "\
# Golden tables

One message per file, as `Multipart::write_to` writes it (`docs/wire.md`, \"Tables\" and \"In a byte stream\"). They decode to the
batches in `tests/tables/golden.rs` for ever: files are added, never changed.

Below, for each: what it is, the lengths of its buffer frames in bytes, and its metadata frame in hex, from the key \"rows\"
on: before that are the map's header, the key \"$table\" and the schema.
";
