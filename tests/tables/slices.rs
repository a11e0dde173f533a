//! A slice of a table sends its rows and not those around them, whatever the type.

use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, BinaryViewArray, DictionaryArray, FixedSizeBinaryArray, FixedSizeListArray, Int32Array,
    Int64Array, LargeListArray, LargeListViewArray, ListArray, ListViewArray, NullArray, RecordBatch, RunArray,
    StringArray, StringViewArray, StructArray, UnionArray, make_array,
};
use arrow_buffer::{Buffer as ArrowBuffer, NullBuffer, OffsetBuffer};
use arrow_data::ArrayData;
use arrow_data::transform::MutableArrayData;
use arrow_schema::{DataType, Field, UnionFields, UnionMode};
use outband::{Buffer, Decode, Encode, MsgPack, Multipart, Table, memory};

use crate::batches::{array, types};
use crate::random::Random;

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

/// As many different words, each in one row.
fn words(count: usize) -> ArrayRef {
    let words: Vec<_> = (0..count).map(|row| format!("word {row:05}")).collect();
    Arc::new(words.iter().map(String::as_str).collect::<DictionaryArray<Int32Type>>())
}

#[test]
fn a_slice_of_few_rows_sends_the_values_that_it_uses() {
    let words = words(ROWS);
    let whole = [4 * (ROWS + 1), 10 * ROWS];
    assert_eq!(frames(&words), ([&[4 * ROWS], &whole[..]].concat(), 0));
    // keys, and offsets and text of the values
    assert_eq!(frames(&words.slice(5000, 10)), (vec![40, 44, 100], 184));
    assert_eq!(frames(&words.slice(5000, 0)).1, 4, "the offset that comes before the first value");
    // from half as many rows as there are values on it is shared as it is
    assert_eq!(frames(&words.slice(7, 4999)), (vec![4 * 4999, 4 * 5000, 10 * 4999], 18 * 4999 + 4));
    assert_eq!(frames(&words.slice(7, 5000)), ([&[4 * 5000], &whole[..]].concat(), 0));
    // a few values in more rows are as few again
    let keys = (0..4000).map(|row| (row < 3000).then_some(9000 + row % 3));
    let values = words.as_any_dictionary().values().clone();
    let few: ArrayRef = Arc::new(DictionaryArray::new(Int32Array::from_iter(keys), values));
    assert_eq!(frames(&few), (vec![500, 16_000, 16, 30], 16_046));
    // one that has most of the bytes
    let long = "long ".repeat(20_000);
    let mixed = (0..1000).map(|row| if row == 7 { long.clone() } else { format!("word {row:05}") });
    let mixed: ArrayRef =
        Arc::new(mixed.collect::<Vec<_>>().iter().map(String::as_str).collect::<DictionaryArray<Int32Type>>());
    assert_eq!(frames(&mixed.slice(100, 10)).0, [40, 44, 100]);
    assert_eq!(frames(&mixed.slice(5, 10)).0, [40, 4004, 109_990]);
    // of a short one nothing is left out
    let short = self::words(500);
    assert_eq!(frames(&short.slice(3, 1)), (vec![4, 2004, 5000], 0));
}

/// Few bytes announce any number of what takes none, and Arrow's copies note of each whether it is null.
#[test]
fn dictionaries_of_lists_of_nothing_are_whole() {
    let nothing = |len: usize| -> [ArrayRef; 3] {
        let nulls = || Arc::new(NullArray::new(len)) as ArrayRef;
        let field = Arc::new(Field::new("nothing", DataType::Null, true));
        let empty = StructArray::new_empty_fields(len, None);
        [nulls(), Arc::new(empty), Arc::new(StructArray::new(vec![field].into(), vec![nulls()], None))]
    };
    const LONG: usize = 1 << 45;
    for items in nothing(LONG) {
        // the third of so many lists has all, and another one is null
        let offsets = (0..=3000).map(|list| if list < 3 { 0 } else { LONG as i64 }).collect::<Vec<_>>();
        let nulls = NullBuffer::from_iter((0..3000).map(|list| list != 9));
        let items =
            LargeListArray::new(item(items.data_type().clone()), OffsetBuffer::new(offsets.into()), items, Some(nulls));
        let column: ArrayRef = Arc::new(DictionaryArray::new(Int32Array::from(vec![2]), Arc::new(items)));
        let copied = memory::copied_bytes();
        let message = every().encode(&table(column.clone())).unwrap();
        assert!(memory::copied_bytes() - copied < 1 << 10);
        let back: Table = every().decode(message).unwrap();
        assert_eq!(back.batch().column(0).as_any_dictionary().values().len(), 3000);
        // and what came is sent on
        assert!(every().encode(&back).unwrap().total_len() < 50_000);
    }
}

#[test]
fn slices_of_one_message_send_no_more_than_one_and_a_half_dictionaries() {
    let words = words(ROWS);
    let of = |pages: usize, rows: usize| {
        let pages: Vec<_> = (0..pages).map(|page| table(words.slice(rows * page, rows))).collect();
        let message = every().encode(&pages).unwrap();
        let back: Vec<Table> = every().decode(message.clone()).unwrap();
        assert_eq!(back, pages);
        message.buffers().iter().map(Buffer::len).collect::<Vec<_>>()
    };
    assert_eq!(of(3, 100), [400, 404, 1000].repeat(3));
    let page = [8000, 8004, 20_000];
    let whole = [8000, 4 * (ROWS + 1), 10 * ROWS];
    assert_eq!(of(5, 2000), [&page.repeat(2)[..], &whole, &[8000, 8000]].concat());
    // each message by itself, also after one that failed
    let failing = (table(words.slice(0, 4000)), NoValue);
    assert!(every().encode(&failing).is_err());
    assert_eq!(of(5, 2000), [&page.repeat(2)[..], &whole, &[8000, 8000]].concat());
}

/// Does not serialize.
struct NoValue;

impl serde::Serialize for NoValue {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("no value"))
    }
}

/// The dictionaries in a column, which have as many values, and in which order they came out of the first ones.
fn dictionaries(data: &ArrayData, found: &mut Vec<ArrayData>) {
    if let DataType::Dictionary(..) = data.data_type() {
        found.push(data.child_data()[0].clone());
    }
    data.child_data().iter().for_each(|child| dictionaries(child, found));
}

/// The rows of `all` at which those of `part` lie, in order.
fn assert_in_order(part: &ArrayData, all: &ArrayData) {
    let mut at = 0;
    for row in 0..part.len() {
        let value = part.slice(row, 1);
        let found = (at..all.len()).find(|&at| all.slice(at, 1) == value);
        at = found.unwrap_or_else(|| panic!("value {row} of {} is not in order", part.len())) + 1;
    }
}

#[test]
fn random_dictionaries_keep_what_is_used_in_order_wherever_they_stand() {
    let mut random = Random::seeded(43);
    let keys = [
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::UInt8,
        DataType::UInt16,
        DataType::UInt32,
        DataType::UInt64,
    ];
    let values = [
        DataType::Utf8,
        DataType::LargeBinary,
        DataType::Utf8View,
        DataType::Decimal256(60, 3),
        DataType::List(Arc::new(Field::new("item", DataType::Int64, true))),
    ];
    let mut few = 0;
    for key in &keys {
        for value in &values {
            // in which each value has more than eight kilobytes as one, so that there are few
            let count = if *key == DataType::UInt8 { 250 } else { 1500 };
            let lists = DataType::List(Arc::new(Field::new("item", value.clone(), true)));
            let value = if count < 300 { &lists } else { value };
            let dictionary = array(&mut random, value, count);
            for _ in 0..8 {
                let rows = 1 + random.below(count);
                let below = 1 + random.below(count);
                let nulls =
                    (random.below(2) == 0).then(|| NullBuffer::from_iter((0..rows).map(|_| random.below(4) > 0)));
                let numbers: ArrayRef =
                    Arc::new(Int64Array::new((0..rows).map(|_| random.below(below) as i64).collect(), nulls));
                let numbers = arrow_cast::cast(&numbers, key).unwrap();
                let encoded = DataType::Dictionary(Box::new(key.clone()), Box::new(value.clone()));
                let encoded = numbers.to_data().into_builder().data_type(encoded).add_child_data(dictionary.to_data());
                let encoded = encoded.build().unwrap();
                let column = wrapped(&mut random, make_array(encoded));
                let (from, len) = (random.below(column.len()), random.below(30));
                let slice = column.slice(from, len.min(column.len() - from));
                let back: Table = every().decode(sent(&slice, &format!("{key} {value}"))).unwrap();
                let (mut sent, mut whole) = (Vec::new(), Vec::new());
                dictionaries(&slice.to_data(), &mut whole);
                dictionaries(&back.batch().column(0).to_data(), &mut sent);
                assert_eq!(sent.len(), whole.len());
                for (sent, whole) in sent.iter().zip(&whole) {
                    few += usize::from(sent.len() < whole.len());
                    assert_in_order(sent, whole);
                }
            }
        }
    }
    assert!(few > 150, "{few}");
}

/// The column in one of the types that hold others.
fn wrapped(random: &mut Random, column: ArrayRef) -> ArrayRef {
    let item = Arc::new(Field::new("item", column.data_type().clone(), true));
    let lens: Vec<usize> = std::iter::repeat_n(1, column.len()).collect();
    match random.below(5) {
        0 => Arc::new(ListArray::new(item, OffsetBuffer::from_lengths(lens), column, None)),
        1 => Arc::new(StructArray::new(vec![item].into(), vec![column], None)),
        2 => Arc::new(FixedSizeListArray::new(item, 1, column, None)),
        3 => {
            let offsets: Vec<i32> = (0..column.len() as i32).collect();
            let sizes = lens.iter().map(|_| 1).collect();
            Arc::new(ListViewArray::new(item, offsets.into(), sizes, column, None))
        }
        _ => column,
    }
}

#[test]
fn the_dictionary_of_ordered_categories_stays_ordered() {
    let words = words(ROWS);
    let field = Field::new("it", words.data_type().clone(), true).with_dict_is_ordered(true);
    let schema = Arc::new(arrow_schema::Schema::new(vec![field]));
    let table = Table::new(schema.clone(), vec![words.slice(5000, 10)]).unwrap();
    let back: Table = every().decode(every().encode(&table).unwrap()).unwrap();
    assert_eq!(back.batch().schema(), schema);
    let back = back.batch().column(0).as_any_dictionary().values().clone();
    assert_eq!(back.as_string::<i32>().iter().flatten().next(), Some("word 05000"));
    assert_eq!(back.len(), 10);
}

/// As from another implementation, which looks at no keys of null rows.
#[test]
#[allow(unsafe_code, reason = "no constructor that checks makes such arrays")]
fn keys_of_null_rows_may_be_anything() {
    let values = words(ROWS).as_any_dictionary().values().clone();
    let nulls = NullBuffer::from_iter((0..100).map(|row| row % 3 > 0));
    let keys = (0..100).map(|row| if row % 3 == 0 { [-1, i32::MAX, 9999][row as usize % 9 / 3] } else { 9 * row });
    let keys = Int32Array::new(keys.collect(), Some(nulls));
    // SAFETY: nothing here asks for a value of a null row.
    let column: ArrayRef = Arc::new(unsafe { DictionaryArray::new_unchecked(keys, values) });
    let message = every().encode(&table(column)).unwrap();
    let back: Table = every().decode(message).unwrap();
    let back = back.batch().column(0).as_dictionary::<Int32Type>();
    assert_eq!(back.values().len(), 66);
    let texts = back.downcast_dict::<StringArray>().unwrap();
    assert_eq!(texts.into_iter().nth(98), Some(Some("word 00882")));
    // none of the rows has a value
    let none: ArrayRef = Arc::new(DictionaryArray::new(Int32Array::from(vec![None; 10]), back.values().clone()));
    sent(&none, "nothing but nulls");
}

/// As from another implementation, which looks at no views of null rows either.
#[test]
#[allow(unsafe_code, reason = "no constructor that checks makes such arrays")]
fn views_of_null_values_may_be_anything() {
    let (views, buffers, _) = texts(1 << 20).slice(0, 1000).into_parts();
    let nulls = NullBuffer::from_iter((0..1000).map(|row| row != 5));
    for other in [40 | 9 << 64, 40 | 0xffff_ffff << 96, u128::MAX, 3 | 0xff << 100] {
        let views = views.iter().enumerate().map(|(row, &view)| if row == 5 { other } else { view }).collect();
        // SAFETY: nothing here asks for a value of a null row.
        let values = unsafe { StringViewArray::new_unchecked(views, buffers.clone(), Some(nulls.clone())) };
        let column: ArrayRef = Arc::new(keyed(vec![4, 5, 6], Arc::new(values)));
        let message = every().encode(&table(column)).unwrap();
        // keys, validity and views of the values, and two texts
        assert_eq!(message.buffers().iter().map(Buffer::len).collect::<Vec<_>>(), [12, 1, 48, 80], "{other:x}");
        let back: Table = every().decode(message).unwrap();
        let back = back.batch().column(0).as_dictionary::<Int32Type>();
        assert_eq!(back.keys().values(), &[0, 1, 2]);
        let texts: Vec<_> = back.values().as_string_view().iter().collect();
        let text = |row| Some(format!("a text of forty bytes that is no. {row:06}"));
        assert_eq!(texts, [text(4).as_deref(), None, text(6).as_deref()], "{other:x}");
    }
}

/// Rows with these keys.
fn keyed(keys: Vec<i32>, values: ArrayRef) -> DictionaryArray<Int32Type> {
    DictionaryArray::new(keys.into(), values)
}

#[test]
fn dictionaries_of_runs_are_whole() {
    let ends = Int32Array::from_iter_values(1..=10_000);
    let runs: ArrayRef = Arc::new(RunArray::try_new(&ends, &Int64Array::from_iter_values(0..10_000)).unwrap());
    let field = Arc::new(Field::new("runs", runs.data_type().clone(), true));
    let within: ArrayRef = Arc::new(StructArray::new(vec![field].into(), vec![runs.clone()], None));
    for values in [runs, within] {
        let column: ArrayRef = Arc::new(keyed((0..10_000).collect(), values.clone()));
        let back: Table = every().decode(sent(&column.slice(5000, 10), "runs")).unwrap();
        let back = back.batch().column(0).as_any_dictionary().values().clone();
        assert_eq!(back.len(), 10_000, "{}", back.data_type());
    }
}

/// A view that looks at this many bytes at the start of the first buffer, which are of this letter.
fn view(len: usize, letter: u8) -> u128 {
    u128::from(u32::from_le_bytes([letter; 4])) << 32 | len as u128
}

#[test]
fn values_that_look_at_the_same_bytes_are_not_multiplied() {
    let len = 1 << 20;
    let values = BinaryViewArray::new(vec![view(len, b'x'); 1000].into(), vec![vec![b'x'; len].into()], None);
    let mut rows: ArrayRef = Arc::new(keyed((0..400).collect(), Arc::new(values)));
    // as it was made, and as it came
    for _ in 0..2 {
        let before = memory::copied_bytes();
        let message = every().encode(&table(rows)).unwrap();
        assert!(memory::copied_bytes() - before < 2 << 20);
        assert!(message.total_len() < 2 << 20);
        let back: Table = every().decode(message).unwrap();
        rows = back.batch().column(0).clone();
        assert_eq!(rows.as_any_dictionary().values().len(), 1000);
    }
}

#[test]
fn a_dictionary_is_as_long_as_what_is_sent_of_it() {
    let values = |values: ArrayRef, len| {
        let column: ArrayRef = Arc::new(keyed((0..10).collect(), values));
        let back: Table = every().decode(sent(&column, "ten rows")).unwrap();
        assert_eq!(back.batch().column(0).as_any_dictionary().values().len(), len);
    };
    // 16 bytes of views and 40 of text for each
    values(Arc::new(texts(1 << 20).slice(0, 100)), 100);
    values(Arc::new(texts(1 << 20).slice(7000, 140)), 140);
    values(Arc::new(texts(1 << 20).slice(0, 150)), 10);
    values(Arc::new(texts(4000).slice(0, 100)), 100);
    // 4 of offsets, and 8 for each of two numbers
    let lists = ListArray::new(
        item(DataType::Int64),
        OffsetBuffer::from_lengths(vec![2; ROWS]),
        Arc::new(Int64Array::from_iter_values(0..2 * ROWS as i64)),
        None,
    );
    values(Arc::new(lists.slice(9000, 400)), 400);
    values(Arc::new(lists.slice(9000, 420)), 10);
}

#[test]
fn slices_of_one_message_send_no_more_than_one_and_a_half_dictionaries_of_views() {
    // one text of 900 000 bytes, and 999 of 100, in a buffer of ten million
    let view = |row: u32| match row {
        0 => view(900_000, b'x'),
        row => view(100, b'x') | u128::from(900_000 + 100 * (row - 1)) << 96,
    };
    let values = StringViewArray::new((0..1000).map(view).collect(), vec![vec![b'x'; 10_000_000].into()], None);
    let whole = 1_000_000 + 16 * 1000;
    let values: ArrayRef = Arc::new(values);
    let of = |keys: &dyn Fn(i32) -> Vec<i32>| {
        let pages = (0..40).map(|page| table(Arc::new(keyed(keys(page), values.clone())))).collect::<Vec<_>>();
        let before = memory::copied_bytes();
        let message = every().encode(&pages).unwrap();
        let copied = memory::copied_bytes() - before;
        let back: Vec<Table> = every().decode(message.clone()).unwrap();
        assert_eq!(back, pages);
        (message.buffers().iter().map(Buffer::len).sum::<usize>(), copied)
    };
    // in each the long one, which is more than half
    assert_eq!(of(&|page| vec![page, 0]), (whole - 100 + 40 * 8, 0));
    // none of the long one
    assert_eq!(of(&|page| vec![1 + page]), (40 * (4 + 16 + 100), 40 * (4 + 16 + 100)));
}

#[test]
fn rows_send_each_value_once_and_in_order_however_few_they_are() {
    let mut random = Random::seeded(44);
    let values: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100_000));
    for rows in [0, 1, 2, 3, 50, 194, 195, 196, 300, 2000] {
        // some of them beside others, some several times, some null
        let start = random.below(99_000);
        let keys: Vec<_> = (0..rows)
            .map(|row| match row % 4 {
                0 => None,
                1 => Some(random.below(100_000) as i32),
                _ => Some((start + random.below(100)) as i32),
            })
            .collect();
        let mut named: Vec<_> = keys.iter().flatten().map(|&key| i64::from(key)).collect();
        named.sort_unstable();
        named.dedup();
        let column: ArrayRef = Arc::new(DictionaryArray::new(Int32Array::from(keys), values.clone()));
        let back: Table = every().decode(sent(&column, "rows")).unwrap();
        let back = back.batch().column(0).as_any_dictionary().values().clone();
        assert_eq!(back.as_primitive::<Int64Type>().values(), &named[..], "{rows} rows");
    }
}

#[test]
fn lists_of_what_is_wide_take_no_memory_where_they_are_empty() {
    let wide = FixedSizeBinaryArray::try_new(1 << 30, ArrowBuffer::default(), None).unwrap();
    let offsets = OffsetBuffer::from_lengths(vec![0; ROWS]);
    let lists = ListArray::new(item(wide.data_type().clone()), offsets, Arc::new(wide), None);
    let column: ArrayRef = Arc::new(keyed((0..4000).collect(), Arc::new(lists)));
    let back: Table = every().decode(sent(&column, "empty lists")).unwrap();
    assert_eq!(back.batch().column(0).as_any_dictionary().values().len(), 4000);
}

#[test]
fn a_dictionary_within_the_values_of_another_sends_what_those_use() {
    let words = words(ROWS);
    let field = Arc::new(Field::new("word", words.data_type().clone(), true));
    let within: ArrayRef = Arc::new(StructArray::new(vec![field].into(), vec![words], None));
    let column: ArrayRef = Arc::new(keyed((0..ROWS as i32).collect(), within));
    // keys, and keys, offsets and text of the words
    assert_eq!(frames(&column.slice(5000, 10)), (vec![40, 40, 44, 100], 40 + 40 + 184));
    assert_eq!(frames(&column).1, 0);
}
