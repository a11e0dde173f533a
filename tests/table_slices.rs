//! A slice of a table sends its rows and not those around them, whatever the type.

#![cfg(feature = "arrow")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Int32Array, Int64Array, LargeListViewArray, ListViewArray, RecordBatch,
    StringArray, StringViewArray, UnionArray, make_array,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_data::transform::MutableArrayData;
use arrow_schema::{DataType, Field, UnionFields, UnionMode};
use outband::{Buffer, Decode, Encode, MsgPack, Multipart, Table, memory};

use batches::{array, types};
use random::Random;

#[path = "support/batches.rs"]
mod batches;
#[path = "support/random.rs"]
mod random;

fn every() -> MsgPack {
    MsgPack::new().out_of_band_from(1)
}

fn table(column: ArrayRef) -> Table {
    Table::from(RecordBatch::try_from_iter_with_nullable([("it", column, true)]).unwrap())
}

/// The message of a column, which comes back equal and valid.
fn sent(column: &ArrayRef, what: &str) -> Multipart {
    let message = every().encode(&table(column.clone())).unwrap();
    let back: Table = every().decode(message.clone()).unwrap_or_else(|error| panic!("{what}: {error}"));
    back.batch().column(0).to_data().validate_full().unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(back.batch().column(0), column, "{what}");
    message
}

/// The lengths of the frames of a column, and how many bytes were copied for them.
fn frames(column: &ArrayRef) -> (Vec<usize>, u64) {
    let message = sent(column, "a column");
    let before = memory::copied_bytes();
    every().encode(&table(column.clone())).unwrap();
    (message.buffers().iter().map(Buffer::len).collect(), memory::copied_bytes() - before)
}

#[test]
fn ten_rows_of_a_hundred_thousand_are_four_kilobytes_at_most() {
    let mut random = Random::seeded(41);
    for data_type in types() {
        let rows = match &data_type {
            // as many as the ends can count
            DataType::RunEndEncoded(ends, _) if *ends.data_type() == DataType::Int16 => 30_000,
            _ => 100_000,
        };
        let whole = array(&mut random, &data_type, rows);
        for start in [0, rows / 2 + 3, rows - 10] {
            let message = sent(&whole.slice(start, 10), &format!("{data_type} from {start}"));
            let len = message.total_len();
            assert!(len < 4096, "{data_type} from {start}: {len} bytes");
        }
    }
}

/// The same rows in memory of their own.
fn made_anew(column: &ArrayRef) -> ArrayRef {
    let data = column.to_data();
    let mut anew = MutableArrayData::try_new(vec![&data], false, data.len()).unwrap();
    anew.try_extend(0, 0, data.len()).unwrap();
    make_array(anew.freeze())
}

/// Whether a type has, somewhere, values of which a slice may send more than its rows look at.
fn may_have_gaps(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8View | DataType::BinaryView => true,
        DataType::ListView(_) | DataType::LargeListView(_) | DataType::Union(_, UnionMode::Dense) => true,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            may_have_gaps(item.data_type())
        }
        DataType::Map(item, _) | DataType::RunEndEncoded(_, item) => may_have_gaps(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| may_have_gaps(field.data_type())),
        DataType::Union(fields, _) => fields.iter().any(|(_, field)| may_have_gaps(field.data_type())),
        DataType::Dictionary(_, values) => may_have_gaps(values),
        _ => false,
    }
}

#[test]
fn any_slice_is_as_long_as_its_rows_made_anew() {
    let mut random = Random::seeded(42);
    for data_type in types() {
        let whole = array(&mut random, &data_type, 400);
        for _ in 0..12 {
            let (start, rows) = (random.below(390), random.below(10));
            let what = format!("{rows} rows of {data_type} from {start}");
            let slice = whole.slice(start, rows);
            let len = sent(&slice, &what).total_len();
            let anew = sent(&made_anew(&slice), &what).total_len();
            assert!(len == anew || may_have_gaps(&data_type), "{what}: {len} bytes, made anew {anew}");
        }
    }
}

const ROWS: usize = 10_000;

/// Texts of 40 bytes, one after the other in blocks of this many bytes.
fn texts(block: u32) -> StringViewArray {
    let mut builder = StringViewBuilder::new().with_fixed_block_size(block);
    (0..ROWS).for_each(|row| builder.append_value(format!("a text of forty bytes that is no. {row:06}")));
    builder.finish()
}

#[test]
fn views_are_made_anew_where_that_is_less_than_what_lies_before_them() {
    let one: ArrayRef = Arc::new(texts(1 << 20));
    assert_eq!(frames(&one), (vec![16 * ROWS, 40 * ROWS], 0), "a whole column");
    assert_eq!(frames(&one.slice(0, 100)), (vec![1600, 4000], 0), "cut behind");
    assert_eq!(frames(&one.slice(5000, 100)), (vec![1600, 4000], 1600), "cut before");
    assert_eq!(frames(&one.slice(ROWS - 1, 1)), (vec![16, 40], 16));
    // 40 bytes for each row before the slice, 16 for each in it: equal is not worth it
    assert_eq!(frames(&one.slice(40, 100)), (vec![1600, 5600], 0));
    assert_eq!(frames(&one.slice(41, 100)), (vec![1600, 4000], 1600));

    let many: ArrayRef = Arc::new(texts(4000));
    let (whole, copied) = frames(&many);
    assert_eq!((whole.len(), copied), (101, 0));
    // of 100 buffers one is left
    assert_eq!(frames(&many.slice(5010, 20)), (vec![320, 800], 320));
    let message = every().encode(&table(many.slice(5010, 20))).unwrap();
    assert!(message.metadata().len() < 500, "{} bytes of metadata", message.metadata().len());
    // two, of which the one is looked at to its end and the other from its beginning
    assert_eq!(frames(&many.slice(5090, 20)), (vec![320, 400, 400], 320));

    // what lies between the first and the last is sent, and what no row looks at is not
    let ends = made_of(&one, [10, ROWS - 10]);
    assert_eq!(frames(&ends), (vec![32, 40 * (ROWS - 19)], 32));
    let short: ArrayRef = Arc::new(StringViewArray::from(vec!["short"; 100]));
    assert_eq!(frames(&short.slice(3, 50)), (vec![800], 0));
}

/// These views of a column, in front of all of its buffers.
fn made_of<const N: usize>(column: &ArrayRef, rows: [usize; N]) -> ArrayRef {
    let (views, buffers, _) = column.as_any().downcast_ref::<StringViewArray>().unwrap().clone().into_parts();
    Arc::new(StringViewArray::new(rows.iter().map(|&row| views[row]).collect(), buffers, None))
}

#[test]
fn views_of_null_rows_send_nothing() {
    let (views, buffers, _) = texts(1 << 20).into_parts();
    let valid = NullBuffer::from_iter((0..ROWS).map(|row| (100..110).contains(&row)));
    let nearly: ArrayRef = Arc::new(StringViewArray::new(views.clone(), buffers.clone(), Some(valid)));
    // the views are 160 000 bytes long, and 399 600 stay behind
    assert_eq!(frames(&nearly), (vec![ROWS / 8, 16 * ROWS, 400], 16 * ROWS as u64));
    let valid = NullBuffer::from_iter((0..ROWS).map(|row| row % 2 == 0));
    let half: ArrayRef = Arc::new(StringViewArray::new(views.clone(), buffers.clone(), Some(valid)));
    assert_eq!(frames(&half), (vec![ROWS / 8, 16 * ROWS, 40 * ROWS], 0), "as it is");
    let none: ArrayRef = Arc::new(StringViewArray::new(views, buffers, Some(NullBuffer::new_null(ROWS))));
    assert_eq!(frames(&none.slice(8, 80)), (vec![10, 1280], 1280));
}

/// Arrays of other implementations come through Arrow's C interface, where nobody looks into null rows.
#[test]
#[allow(unsafe_code, reason = "no constructor that checks makes such arrays")]
fn null_rows_that_hold_anything_are_sent() {
    let (views, buffers, _) = texts(1 << 20).into_parts();
    let nulls = NullBuffer::from_iter((0..ROWS).map(|row| row % 100 > 0));
    for other in [u128::MAX, 3 | 0xff << 100, 40, 40 | 9 << 64, 2 | 0xffff << 32] {
        let holding = views.iter().enumerate().map(|(row, &view)| if row % 100 == 0 { other } else { view }).collect();
        // SAFETY: nothing here asks for a value of a null row.
        let array = unsafe { StringViewArray::new_unchecked(holding, buffers.clone(), Some(nulls.clone())) };
        for column in [&array, &array.slice(3, 150), &array.slice(5000, 1000)] {
            let column: ArrayRef = Arc::new(column.clone());
            let message = every().encode(&table(column.clone())).unwrap();
            let back: Table = every().decode(message).unwrap_or_else(|error| panic!("{other:x}: {error}"));
            back.batch().column(0).to_data().validate_full().unwrap();
            let [back, sent] =
                [back.batch().column(0), &column].map(|column| column.as_string_view().iter().collect::<Vec<_>>());
            assert_eq!(back, sent, "{other:x}");
        }
    }
    let values = b"\xff\xfetext\xff".repeat(100);
    let offsets = OffsetBuffer::from_lengths([2, 4, 1].repeat(100));
    let nulls = NullBuffer::from_iter((0..300).map(|row| row % 3 == 1));
    // SAFETY: the same.
    let array = unsafe { StringArray::new_unchecked(offsets, values.into(), Some(nulls)) };
    for (column, text) in [(&array, 700), (&array.slice(100, 7), 18)] {
        let message = every().encode(&table(Arc::new(column.clone()))).unwrap();
        let copied = memory::copied_bytes();
        let back: Table = every().decode(message).unwrap();
        assert_eq!(memory::copied_bytes() - copied, text);
        back.batch().column(0).to_data().validate_full().unwrap();
        let texts: Vec<_> = back.batch().column(0).as_string::<i32>().iter().collect();
        assert_eq!(texts, column.iter().collect::<Vec<_>>());
    }
}

#[test]
fn pages_of_views_are_as_long_as_the_whole() {
    let whole = table(Arc::new(texts(1 << 20)));
    let pages: Vec<_> = (0..10).map(|page| whole.slice(page * ROWS / 10, ROWS / 10)).collect();
    let [whole, pages] = [every().encode(&whole).unwrap(), every().encode(&pages).unwrap()];
    assert!(pages.total_len() < whole.total_len() + 5000, "{} and {}", pages.total_len(), whole.total_len());
}

fn item(data_type: DataType) -> Arc<Field> {
    Arc::new(Field::new("item", data_type, true))
}

/// Lists of three numbers, of which each has the two that follow its first as well.
fn lists(nulls: Option<NullBuffer>, of_null: (i32, i32)) -> ArrayRef {
    let values = Arc::new(Int64Array::from_iter_values(0..2 * ROWS as i64 + 1));
    let list = |row: usize| match nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
        true => of_null,
        false => (2 * row as i32, 3),
    };
    let (offsets, sizes): (Vec<_>, Vec<_>) = (0..ROWS).map(list).unzip();
    Arc::new(ListViewArray::new(item(DataType::Int64), offsets.into(), sizes.into(), values, nulls))
}

#[test]
fn list_views_send_the_values_from_the_lowest_to_the_highest() {
    let whole = lists(None, (0, 0));
    assert_eq!(frames(&whole), (vec![4 * ROWS, 4 * ROWS, 8 * (2 * ROWS + 1)], 0));
    assert_eq!(frames(&whole.slice(0, 10)), (vec![40, 40, 8 * 21], 0));
    assert_eq!(frames(&whole.slice(5000, 10)), (vec![40, 40, 8 * 21], 40));
    // of lists within lists the values of the inner ones as well
    let offsets = (0..100).map(|row| 100 * (99 - row)).collect();
    let outer = LargeListViewArray::new(item(whole.data_type().clone()), offsets, vec![100; 100].into(), whole, None);
    let outer: ArrayRef = Arc::new(outer);
    assert_eq!(frames(&outer.slice(50, 2)), (vec![16, 16, 800, 800, 8 * 401], 16 + 800));
}

#[test]
fn lists_of_null_rows_send_nothing() {
    let nulls = || Some(NullBuffer::from_iter((0..ROWS).map(|row| row % 2 == 0)));
    let all = 2 * ROWS as i32 + 1;
    // as Arrow's builders write them
    assert_eq!(frames(&lists(nulls(), (0, 0)).slice(5000, 10)), (vec![2, 40, 40, 8 * 19], 40));
    // with all values, and with none where no values are any more
    assert_eq!(frames(&lists(nulls(), (0, all)).slice(5000, 10)), (vec![2, 40, 40, 8 * 19], 80));
    assert_eq!(frames(&lists(nulls(), (all, 0)).slice(5000, 10)), (vec![2, 40, 40, 8 * 19], 40));
    assert_eq!(frames(&lists(Some(NullBuffer::new_null(ROWS)), (0, all)).slice(8, 16)), (vec![2, 64, 64], 128));
    // a whole column is not made anew for less than it takes
    let first = Some(NullBuffer::from_iter((0..ROWS).map(|row| row > 0)));
    assert_eq!(frames(&lists(first, (0, all))).1, 0);
}

#[test]
fn dense_unions_send_the_values_from_the_lowest_to_the_highest_of_each_child() {
    let fields = UnionFields::try_new([3, 7, 9], ["a", "b", "c"].map(|name| Field::new(name, DataType::Int32, true)));
    let numbers = || Arc::new(Int32Array::from_iter_values(0..ROWS as i32)) as ArrayRef;
    let ids = (0..ROWS).map(|row| [3, 7][row % 2]).collect();
    let offsets = (0..ROWS as i32).map(|row| row / 2).collect();
    let union = UnionArray::try_new(fields.unwrap(), ids, Some(offsets), vec![numbers(), numbers(), numbers()]);
    let union: ArrayRef = Arc::new(union.unwrap());
    assert_eq!(frames(&union), (vec![ROWS, 4 * ROWS, 2 * ROWS, 2 * ROWS], 0));
    assert_eq!(frames(&union.slice(0, 10)), (vec![10, 40, 20, 20], 0));
    assert_eq!(frames(&union.slice(5000, 10)), (vec![10, 40, 20, 20], 40));
    assert_eq!(frames(&union.slice(5001, 1)), (vec![1, 4, 4], 4));
}

#[test]
fn a_dictionary_travels_whole_and_once() {
    let words: Vec<_> = (0..ROWS).map(|row| format!("word {row:05}")).collect();
    let words: DictionaryArray<Int32Type> = words.iter().map(String::as_str).collect();
    let words: ArrayRef = Arc::new(words);
    assert_eq!(frames(&words.slice(5000, 10)), (vec![40, 4 * (ROWS + 1), 10 * ROWS], 0));
    let pages: Vec<_> = (0..5).map(|page| table(words.slice(100 * page, 100))).collect();
    let message = every().encode(&pages).unwrap();
    let lens: Vec<_> = message.buffers().iter().map(Buffer::len).collect();
    assert_eq!(lens, [400, 4 * (ROWS + 1), 10 * ROWS, 400, 400, 400, 400]);
}
