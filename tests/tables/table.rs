//! Tables of every Arrow type come back equal: in band, out of band, over sockets, inside other values; slices send only
//! their rows.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int32Array, Int64Array, ListArray, RecordBatch,
    StringArray, StringViewArray, TimestampSecondArray,
};
use arrow_buffer::OffsetBuffer;
use arrow_data::ArrayData;
use arrow_schema::{DataType, Field, Fields, Schema, TimeUnit};
use outband::{
    Buffer, Decode, Encode, ErrorKind, MsgPack, Multipart, SocketExt, Table, Value, from_multipart, memory,
    to_multipart,
};
use serde::{Deserialize, Serialize};

use crate::batches::{batch, types};
use crate::random::Random;
use crate::{batches, common};

fn round_trip(batch: &RecordBatch, codec: &MsgPack, what: &str) {
    let message = codec.encode(&Table::from(batch.clone())).unwrap();
    let back: Table = codec.decode(message).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(back.batch(), batch, "{what}");
    for (index, array) in back.batch().columns().iter().enumerate() {
        array.to_data().validate_full().unwrap_or_else(|error| panic!("{what}, column {index}: {error}"));
    }
}

#[test]
fn every_type_with_nulls_and_slices_comes_back_equal() {
    let mut random = Random::seeded(1);
    let codecs = [MsgPack::new(), MsgPack::new().out_of_band_from(0), MsgPack::new().out_of_band_from(100)];
    for data_type in types() {
        for rows in [0, 1, 7, 8, 65, 300] {
            let batch = batch(&mut random, std::slice::from_ref(&data_type), rows);
            for codec in &codecs {
                round_trip(&batch, codec, &format!("{rows} rows of {data_type}"));
            }
        }
    }
}

#[test]
fn a_batch_of_all_types_comes_back_through_sockets() {
    let mut random = Random::seeded(2);
    for transport in common::TRANSPORTS {
        let place = common::Place::new(transport);
        let (rx, tx) = place.connected(zmq::PULL, zmq::PUSH);
        for rows in [0, 5, 3000] {
            let table = Table::from(batch(&mut random, &types(), rows));
            tx.send_obj(&table).unwrap();
            assert_eq!(rx.recv_obj::<Table>().unwrap(), table, "{rows} rows over {transport}");
        }
    }
}

#[test]
fn a_message_of_a_message_is_the_same() {
    let mut random = Random::seeded(3);
    for rows in [0, 3, 500] {
        let first = to_multipart(&Table::from(batch(&mut random, &types(), rows))).unwrap();
        let again = to_multipart(&from_multipart::<Table>(first.clone()).unwrap()).unwrap();
        assert_eq!(again, first, "{rows} rows");
    }
}

#[test]
fn schema_metadata_and_nullability_are_kept() {
    let mut random = Random::seeded(4);
    let sent = batch(&mut random, &types(), 10);
    let back: Table = from_multipart(to_multipart(&Table::from(sent.clone())).unwrap()).unwrap();
    assert_eq!(back.batch().schema(), sent.schema());
    assert_eq!(back.batch().schema().metadata()["origin"], "a test");
    assert_eq!(back.batch().schema().field(3).metadata()["ARROW:extension:name"], "kind 3");
}

#[test]
fn the_order_of_dictionaries_and_maps_is_kept() {
    // Arrow's equality of fields does not look at it
    fn orders(fields: &Fields) -> Vec<Option<bool>> {
        let of = |field: &Arc<Field>| match field.data_type() {
            DataType::List(item) => item.dict_is_ordered(),
            DataType::Map(_, ordered) => Some(*ordered),
            _ => field.dict_is_ordered(),
        };
        fields.iter().map(of).collect()
    }
    let sent = batch(&mut Random::seeded(8), &types(), 10);
    let back: Table = from_multipart(to_multipart(&Table::from(sent.clone())).unwrap()).unwrap();
    let [sent, back] = [sent.schema(), back.batch().schema()];
    assert_eq!(orders(back.fields()), orders(sent.fields()));
    for order in [true, false] {
        assert!(orders(sent.fields()).iter().filter(|&&is| is == Some(order)).count() > 4, "{order}");
    }
    let list = sent
        .fields()
        .iter()
        .find(|field| matches!(field.data_type(), DataType::List(item) if item.dict_is_ordered() == Some(true)));
    assert!(list.is_some());
}

#[test]
fn an_empty_zone_is_none_as_in_arrows_own_format() {
    let unit = TimeUnit::Second;
    let sent = TimestampSecondArray::from(vec![1, 2]).with_timezone("");
    assert_eq!(sent.data_type(), &DataType::Timestamp(unit, Some("".into())));
    let back: Table = from_multipart(to_multipart(&one_column(sent)).unwrap()).unwrap();
    assert_eq!(back.batch().column(0).data_type(), &DataType::Timestamp(unit, None));
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Inner {
    tables: Vec<Table>,
    by_name: BTreeMap<String, Table>,
    none: Option<Table>,
    some: Option<Table>,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(untagged)]
enum Either {
    Number(u64),
    Table(Table),
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(tag = "kind")]
enum Tagged {
    Table { table: Table },
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Object {
    id: u64,
    raw: Buffer,
    #[serde(flatten)]
    inner: Inner,
    either: Vec<Either>,
    tagged: Tagged,
    #[serde(with = "outband::serde_table")]
    plain: RecordBatch,
    #[serde(with = "outband::serde_table")]
    plain_option: Option<RecordBatch>,
    #[serde(with = "outband::serde_table")]
    plain_list: Vec<RecordBatch>,
}

#[test]
fn tables_stand_beside_anything_at_any_depth() {
    let mut random = Random::seeded(5);
    for rows in [3, 700] {
        let mut table = || Table::from(batch(&mut random, &types(), rows));
        let object = Object {
            id: 7,
            raw: Buffer::from_vec(vec![1_u8; 10_000]),
            inner: Inner {
                tables: vec![table(), table()],
                by_name: [("one".to_owned(), table())].into(),
                none: None,
                some: Some(table()),
            },
            either: vec![Either::Number(3), Either::Table(table())],
            tagged: Tagged::Table { table: table() },
            plain: table().into_batch(),
            plain_option: Some(table().into_batch()),
            plain_list: vec![table().into_batch(), table().into_batch()],
        };
        for codec in [MsgPack::new(), MsgPack::new().out_of_band_from(1)] {
            let back: Object = codec.decode(codec.encode(&object).unwrap()).unwrap();
            assert_eq!(back, object);
        }
    }
}

/// Where the buffers of a batch are, the empty ones left out.
fn places(batch: &RecordBatch) -> Vec<(usize, usize)> {
    fn collect(data: &ArrayData, found: &mut Vec<(usize, usize)>) {
        let nulls = data.nulls().map(|nulls| nulls.buffer());
        found.extend(nulls.into_iter().chain(data.buffers()).map(|buffer| (buffer.as_ptr().addr(), buffer.len())));
        data.child_data().iter().for_each(|child| collect(child, found));
    }
    let mut found = Vec::new();
    batch.columns().iter().for_each(|column| collect(&column.to_data(), &mut found));
    found.retain(|&(_, len)| len > 0);
    found
}

#[test]
fn the_buffers_of_every_type_are_shared_by_the_frames_both_ways() {
    let mut random = Random::seeded(12);
    let codec = MsgPack::new().out_of_band_from(1);
    let mut seen = 0;
    for data_type in types() {
        let batch = batch(&mut random, std::slice::from_ref(&data_type), 3000);
        // once there and back: nothing before its first row and behind its last, and bits that begin with a byte
        let table: Table = codec.decode(codec.encode(&Table::from(batch)).unwrap()).unwrap();
        let before = memory::copied_bytes();
        let message = codec.encode(&table).unwrap();
        let back: Table = codec.decode(message.clone()).unwrap();
        assert_eq!(memory::copied_bytes() - before, 0, "{data_type}");
        let frames: Vec<_> = message.buffers().iter().map(|frame| (frame.as_ptr().addr(), frame.len())).collect();
        let sent = places(&table.into_batch());
        for &(start, len) in frames.iter().filter(|(_, len)| *len > 0) {
            let lies_in = |&(at, room): &(usize, usize)| at <= start && start + len <= at + room;
            assert!(sent.iter().any(lies_in), "{data_type}: a frame that is no buffer of the sender's");
        }
        for place in places(&back.into_batch()) {
            let lies_in = |&(at, room): &(usize, usize)| at <= place.0 && place.0 + place.1 <= at + room;
            assert!(frames.iter().any(lies_in), "{data_type}: a buffer that is no frame");
            seen += 1;
        }
    }
    assert!(seen > 2 * types().len(), "only {seen} buffers");
}

#[test]
fn tables_arrays_and_plain_fields_mix_at_any_depth() {
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Shot {
        name: String,
        image: outband::Array,
        log: Table,
        parts: Vec<Part>,
    }
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    enum Part {
        Image(Option<outband::Array>),
        Log { log: Table, raw: Buffer, mask: outband::Array },
        Shots(Vec<Shot>),
    }
    let mut random = Random::seeded(11);
    let mut shot = |parts| Shot {
        name: "north".to_owned(),
        image: outband::Array::from_vec((0..2000_u16).collect()),
        log: Table::from(batch(&mut random, &types(), 50)),
        parts,
    };
    let log = shot(vec![]).log;
    let raw = Buffer::from_vec(vec![3_u8; 9000]);
    let parts = vec![
        Part::Image(None),
        Part::Log { log, raw, mask: outband::Array::from_vec(vec![1_u8; 20_000]) },
        Part::Image(Some(outband::Array::from_vec(vec![0.5_f64; 3]))),
        Part::Shots(vec![shot(vec![]), shot(vec![])]),
    ];
    let object = shot(parts);
    let codecs = [MsgPack::new(), MsgPack::new().out_of_band_from(1), MsgPack::new().out_of_band_from(usize::MAX)];
    let counts = codecs.map(|codec| {
        let message = codec.encode(&object).unwrap();
        let frames = message.buffers().len();
        assert_eq!(Decode::<Shot>::decode(&codec, message).unwrap(), object);
        frames
    });
    assert!(0 == counts[2] && 2 <= counts[0] && counts[0] < counts[1], "{counts:?}");
}

#[test]
fn a_table_passes_through_another_serializer() {
    let mut random = Random::seeded(6);
    let table = Table::from(batch(&mut random, &types(), 20));
    let text = serde_json::to_string(&table).unwrap();
    assert_eq!(serde_json::from_str::<Table>(&text).unwrap(), table);
    for bytes in [rmp_serde::to_vec_named(&table).unwrap(), rmp_serde::to_vec(&table).unwrap()] {
        assert_eq!(rmp_serde::from_slice::<Table>(&bytes).unwrap(), table);
        assert_eq!(rmp_serde::from_read::<_, Table>(&bytes[..]).unwrap(), table);
    }
    // without the names of fields a table is three parts
    let short = rmp_serde::from_slice::<Table>(&rmp_serde::to_vec(&(&b"schema"[..], 20)).unwrap()).unwrap_err();
    assert!(short.to_string().contains("table"), "{short}");
}

#[test]
fn a_table_of_more_rows_than_a_receiver_takes_does_not_leave() {
    for (rows, leaves) in [(1_usize << 48, true), ((1 << 48) + 1, false)] {
        let nulls = Arc::new(arrow_array::NullArray::new(rows)) as ArrayRef;
        let table = Table::from(RecordBatch::try_from_iter([("nothing", nulls)]).unwrap());
        let message = to_multipart(&table);
        match message {
            Ok(message) => assert!(leaves && from_multipart::<Table>(message).unwrap().rows() == rows),
            Err(error) => assert!(!leaves && error.kind() == ErrorKind::Caller, "{error}"),
        }
    }
}

#[test]
fn tables_without_columns_keep_their_rows() {
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(42));
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).unwrap();
    let back: Table = from_multipart(to_multipart(&Table::from(batch)).unwrap()).unwrap();
    assert_eq!((back.rows(), back.batch().num_columns()), (42, 0));
}

fn frames(message: &Multipart) -> Vec<usize> {
    message.buffers().iter().map(Buffer::len).collect()
}

fn one_column(array: impl Array + 'static) -> Table {
    Table::from(RecordBatch::try_from_iter([("column", Arc::new(array) as _)]).unwrap())
}

#[test]
fn a_slice_sends_only_its_rows() {
    let every = MsgPack::new().out_of_band_from(1);
    let frames = |table: &Table| frames(&every.encode(table).unwrap());
    let rows = 10_000;

    let floats = one_column(Float64Array::from_iter_values((0..rows).map(f64::from)));
    assert_eq!(frames(&floats.slice(1001, 100)), [800]);

    let texts = one_column(StringArray::from_iter_values((0..rows).map(|row| format!("{row:05}"))));
    assert_eq!(frames(&texts.slice(1001, 100)), [404, 500]);

    let nulls = one_column(BooleanArray::from_iter((0..rows).map(|row| (row % 3 > 0).then_some(row % 2 == 0))));
    assert_eq!(frames(&nulls.slice(1001, 100)), [13, 13]);

    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>((0..rows).map(|row| Some([Some(row), Some(-row)])));
    assert_eq!(frames(&one_column(lists).slice(1001, 100)), [404, 800]);

    let views = (0..rows).map(|row| format!("a long string that is number {row:05}"));
    let views = one_column(StringViewArray::from_iter_values(views));
    let sent = frames(&views.slice(1001, 1));
    assert_eq!(sent[0], 16);
    assert_eq!(sent.len(), 2, "buffers that no view of the slice looks into travel empty: {sent:?}");

    let words: DictionaryArray<Int32Type> = (0..rows).map(|row| ["low", "high"][row as usize % 2]).collect();
    assert_eq!(frames(&one_column(words).slice(1001, 100)), [400, 12, 7], "a dictionary travels whole");
}

#[test]
fn what_is_copied_of_a_slice_is_counted_and_small() {
    let codec = MsgPack::new().out_of_band_from(1);
    let copied = |table: &Table| {
        let before = memory::copied_bytes();
        codec.encode(table).unwrap();
        memory::copied_bytes() - before
    };
    let ints = one_column(Int64Array::from_iter((0..10_000).map(|row| (row % 7 > 0).then_some(row))));
    assert_eq!(copied(&ints), 0);
    assert_eq!(copied(&ints.slice(800, 1000)), 0, "a bitmap that begins with a byte");
    assert_eq!(copied(&ints.slice(801, 1000)), 125, "a bitmap that begins within a byte");
    let texts = one_column(StringArray::from_iter_values((0..10_000).map(|row| row.to_string())));
    assert_eq!(copied(&texts), 0);
    assert_eq!(copied(&texts.slice(0, 5000)), 0);
    assert_eq!(copied(&texts.slice(1, 1000)), 4004, "offsets that do not begin at 0");
}

#[test]
fn placement_is_told_the_length_of_the_elements() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = seen.clone();
    let codec = MsgPack::new().placement(move |buffer| {
        noted.lock().unwrap().push((buffer.item_len(), buffer.len()));
        buffer.default_placement()
    });
    let batch = RecordBatch::try_from_iter([
        ("bits", Arc::new(BooleanArray::from(vec![Some(true), None])) as _),
        ("floats", Arc::new(Float64Array::from(vec![0.5, 1.5])) as _),
        ("texts", Arc::new(StringArray::from(vec!["a", "bc"])) as _),
        ("views", Arc::new(StringViewArray::from(vec!["a", "bc"])) as _),
    ]);
    codec.encode(&(Table::from(batch.unwrap()), Buffer::from_vec(vec![0_u8; 5]))).unwrap();
    assert_eq!(*seen.lock().unwrap(), [(1, 1), (1, 1), (8, 16), (4, 12), (1, 3), (16, 32), (1, 5)]);
}

#[test]
fn batches_of_one_table_share_their_dictionary() {
    let words: DictionaryArray<Int32Type> = (0..9000)
        .map(|row| format!("word number {}", row % 3000))
        .collect::<Vec<_>>()
        .iter()
        .map(String::as_str)
        .collect();
    let table = one_column(words);
    let pages: Vec<_> = (0..3).map(|page| table.slice(page * 3000, 3000)).collect();
    let message = to_multipart(&pages).unwrap();
    assert_eq!(frames(&message), [12_000, 12_004, 46_890, 12_000, 12_000][..].to_vec());
    assert_eq!(from_multipart::<Vec<Table>>(message).unwrap(), pages);
}

#[test]
fn columns_that_do_not_fit_are_the_callers_fault() {
    let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false)]));
    for columns in
        [vec![], vec![Arc::new(Int32Array::from(vec![1])) as _], vec![Arc::new(Int64Array::from(vec![None])) as _]]
    {
        let error = Table::new(schema.clone(), columns).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Caller);
        assert!(error.to_string().starts_with("this is no table: "), "{error}");
    }
    assert_eq!(Table::new(schema, vec![Arc::new(Int64Array::from(vec![5]))]).unwrap().rows(), 1);
}

#[test]
fn dictionaries_of_dictionaries_are_not_sent() {
    let words: DictionaryArray<Int32Type> = ["low", "high"].into_iter().collect();
    let twice: ArrayRef = Arc::new(DictionaryArray::new(Int32Array::from(vec![1, 0, 1]), Arc::new(words)));
    let list = ListArray::new(
        Arc::new(Field::new("inner", twice.data_type().clone(), true)),
        OffsetBuffer::from_lengths([3]),
        twice.clone(),
        None,
    );
    for (array, name) in [(twice, "column"), (Arc::new(list), "inner")] {
        let table = Table::from(RecordBatch::try_from_iter([("column", array)]).unwrap());
        let error = to_multipart(&table).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Caller, "{error}");
        assert!(error.to_string().contains(&format!("field {name:?} is a dictionary of dictionaries")), "{error}");
    }
}

#[test]
fn a_table_prints_its_head_and_never_megabytes() {
    let batch = RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from_iter((0..1000).map(Some))) as _),
        ("name", Arc::new(StringArray::from(vec![Some("a"); 1000])) as _),
    ]);
    let table = Table::from(batch.unwrap());
    assert_eq!(format!("{table:?}"), "Table(1000 rows; id: Int64 [0, 1, 2, ...], name: Utf8 [a, a, a, ...])");
    let head = "1000 rows of 2 columns\n  id: Int64 [0, 1, 2, 3, 4, ...]\n  name: Utf8 [a, a, a, a, a, ...]";
    assert_eq!(table.to_string(), head);

    let few = one_column(StringArray::from(vec![Some("a"), None]));
    assert_eq!(format!("{few:?}"), "Table(2 rows; column: Utf8? [a, null])");
    assert_eq!(format!("{:?}", few.slice(0, 0)), "Table(0 rows; column: Utf8? [])");
    let none = Table::new(Arc::new(Schema::empty()), vec![]).unwrap();
    assert_eq!(format!("{none:?}"), "Table(0 rows; no columns)");

    let long = "x".repeat(10 << 20);
    let array: ArrayRef = Arc::new(StringArray::from(vec![&*long]));
    let columns = (0..500).map(|index| (format!("{long:.5000}{index}"), array.clone()));
    let large = Table::from(RecordBatch::try_from_iter(columns).unwrap());
    let outline = format!("{large:?}");
    assert!(outline.len() < 1000 && outline.ends_with("… and 492 columns more)"), "{outline}");
    assert!(large.to_string().len() < 10_000);
    let many = (0..30).map(|index| (format!("{index}"), Arc::new(Int64Array::from(vec![index])) as _));
    let many = Table::from(RecordBatch::try_from_iter(many).unwrap());
    assert!(format!("{many:?}").ends_with("19: Int64 [19] and 10 columns more)"), "{many:?}");

    // neither names nor texts begin lines, or speak to a terminal
    let rude: ArrayRef = Arc::new(StringArray::from(vec!["a\nb\u{1b}[2J"]));
    let rude = Table::from(RecordBatch::try_from_iter([("line\rfeed\u{9b}", rude)]).unwrap());
    assert_eq!(format!("{rude:?}"), r"Table(1 rows; line\rfeed\u{9b}: Utf8 [a\nb\u{1b}[2J])");
    assert_eq!(rude.to_string(), "1 rows of 1 columns\n  line\\rfeed\\u{9b}: Utf8 [a\\nb\\u{1b}[2J]");

    let rude: ArrayRef = Arc::new(StringArray::from(vec!["\u{202e}abc\u{2066}\u{2028}"]));
    let rude = Table::from(RecordBatch::try_from_iter([("\u{2029}\u{61c}\u{200e}", rude)]).unwrap());
    let shown = r"\u{2029}\u{61c}\u{200e}: Utf8 [\u{202e}abc\u{2066}\u{2028}]";
    assert_eq!(format!("{rude:?}"), format!("Table(1 rows; {shown})"));
    assert_eq!(rude.to_string(), format!("1 rows of 1 columns\n  {shown}"));
    let value = Value::from(vec![Value::from(rude), Value::from("\u{202e}\u{1b}")]);
    assert_eq!(value.to_string(), format!("[Table(1 rows; {shown}), \"\\u{{202e}}\\u{{1b}}\"]"));

    let mut random = Random::seeded(7);
    let all = Table::from(batches::batch(&mut random, &types(), 10));
    println!("{all}");
    assert!(all.to_string().len() < 10_000 && format!("{all:?}").len() < 1000);
}
