//! Some values of an array in memory of their own, and how long they are there.

use std::ops::Range;
use std::slice;

use arrow_buffer::{ArrowNativeType, NullBuffer, ScalarBuffer};
use arrow_data::transform::MutableArrayData;
use arrow_data::{ArrayData, ByteView};
use arrow_schema::{DataType, Field};

use super::column::{Column, Slot};
use super::leave::{self, is_long, made, seen, viewed, width};
use crate::memory;

/// Whether values of this type are nothing but what was picked, once they are: others share with those that were not.
pub(super) fn can_be_picked(values: &DataType) -> bool {
    let below = |field: &Field| !is_viewed(field.data_type()) && can_be_picked(field.data_type());
    match values {
        // Arrow notes of each value in a list whether it is null, and of those without bytes a few bytes announce any number
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => has_bytes(item.data_type()) && below(item),
        DataType::Struct(fields) => fields.iter().all(|field| below(field)),
        DataType::Dictionary(_, values) => can_be_picked(values),
        // nested as their values are, to Arrow
        DataType::RunEndEncoded(..) => false,
        plain => !plain.is_nested(),
    }
}

fn has_bytes(values: &DataType) -> bool {
    match values {
        DataType::Null | DataType::FixedSizeBinary(0) => false,
        DataType::FixedSizeList(item, len) => *len > 0 && has_bytes(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_bytes(field.data_type())),
        _ => true,
    }
}

fn is_viewed(values: &DataType) -> bool {
    matches!(values, DataType::Utf8View | DataType::BinaryView)
}

/// How many bytes the buffers of these rows have, made anew, without what views look into. A dictionary that they name is not theirs.
pub(super) fn size(data: &ArrayData, picked: &[Range<usize>]) -> usize {
    let rows = rows(picked);
    let child = |index: usize, picked: &[Range<usize>]| size(&data.child_data()[index], picked);
    // children count from the array's own offset
    let below = |times: usize| -> Vec<_> {
        let of = |row: usize| (data.offset() + row) * times;
        picked.iter().map(|rows| of(rows.start)..of(rows.end)).collect()
    };
    let values = match data.data_type() {
        DataType::Boolean => rows.div_ceil(8),
        DataType::Utf8 | DataType::Binary => offsets::<i32>(rows) + self::rows(&named::<i32>(data, picked)),
        DataType::LargeUtf8 | DataType::LargeBinary => offsets::<i64>(rows) + self::rows(&named::<i64>(data, picked)),
        DataType::Utf8View | DataType::BinaryView => rows * size_of::<u128>(),
        DataType::List(_) | DataType::Map(..) => offsets::<i32>(rows) + child(0, &named::<i32>(data, picked)),
        DataType::LargeList(_) => offsets::<i64>(rows) + child(0, &named::<i64>(data, picked)),
        DataType::FixedSizeList(_, len) => child(0, &below(*len as usize)),
        DataType::Struct(fields) => (0..fields.len()).map(|index| child(index, &below(1))).sum(),
        plain => rows * width(plain),
    };
    values + if has_nulls(data, picked) { rows.div_ceil(8) } else { 0 }
}

fn rows(picked: &[Range<usize>]) -> usize {
    picked.iter().map(Range::len).sum()
}

fn offsets<O>(rows: usize) -> usize {
    (rows + 1) * size_of::<O>()
}

/// What the offsets of these rows name.
fn named<O: ArrowNativeType>(data: &ArrayData, picked: &[Range<usize>]) -> Vec<Range<usize>> {
    if data.is_empty() {
        // where there may be no offsets at all
        return Vec::new();
    }
    let offsets = ScalarBuffer::<O>::new(data.buffers()[0].clone(), data.offset(), data.len() + 1);
    picked.iter().map(|rows| offsets[rows.start].as_usize()..offsets[rows.end].as_usize()).collect()
}

fn has_nulls(data: &ArrayData, picked: &[Range<usize>]) -> bool {
    let is_in = |nulls: &NullBuffer| picked.iter().any(|rows| nulls.slice(rows.start, rows.len()).null_count() > 0);
    // of all rows it is known, however many they are
    data.nulls().is_some_and(|nulls| nulls.null_count() > 0 && (rows(picked) == data.len() || is_in(nulls)))
}

/// How many bytes the views of these rows look at, taken one by one: a copy has as many.
pub(super) fn text(values: &ArrayData, picked: &[Range<usize>]) -> usize {
    match is_viewed(values.data_type()) {
        true => long(values, picked).map(|view| viewed(view).1.len()).fold(0, usize::saturating_add),
        false => 0,
    }
}

/// How many bytes views look at, from the first to the last of each buffer: several may look at the same.
pub(super) fn reach(values: &ArrayData) -> usize {
    let all = 0..values.len();
    match is_viewed(values.data_type()) {
        true => rows(&seen(long(values, slice::from_ref(&all)), values.buffers().len() - 1)),
        false => 0,
    }
}

/// The views of these rows that look into a buffer. Those of null rows are no more than numbers.
fn long(values: &ArrayData, picked: &[Range<usize>]) -> impl Iterator<Item = u128> {
    let views = views(values);
    let rows = picked.iter().cloned().flatten().filter(|&row| values.is_valid(row));
    rows.map(move |row| views[row]).filter(is_long)
}

fn views(values: &ArrayData) -> ScalarBuffer<u128> {
    ScalarBuffer::new(values.buffers()[0].clone(), values.offset(), values.len())
}

/// These values, a counted copy: views in one buffer, in which nothing is that they do not name. `None` where Arrow has no form for so much.
pub(super) fn copied(values: &ArrayData, picked: &[Range<usize>]) -> Option<Column> {
    if is_viewed(values.data_type()) {
        return copied_views(values, picked);
    }
    // Arrow makes room for a value in each list, also where all are empty and a value is a gigabyte
    let room = if values.data_type().is_nested() { 0 } else { rows(picked) };
    let mut copy = MutableArrayData::try_new(vec![values], false, room).ok()?;
    picked.iter().try_for_each(|rows| copy.try_extend(0, rows.start, rows.end)).ok()?;
    memory::count_copy(size(values, picked));
    Some(leave::used(&copy.freeze()))
}

fn copied_views(values: &ArrayData, picked: &[Range<usize>]) -> Option<Column> {
    let (views, buffers) = (views(values), &values.buffers()[1..]);
    let len = i32::try_from(text(values, picked)).ok()?;
    let mut text = Vec::with_capacity(len as usize);
    let copy = |row: usize| match views[row] {
        // other implementations look at no views of null rows, which may be anything
        _ if values.is_null(row) => Some(0),
        view if is_long(&view) => {
            let (buffer, bytes) = viewed(view);
            let copy = ByteView::from(view).with_buffer_index(0).with_offset(text.len() as u32);
            text.extend_from_slice(buffers.get(buffer)?.get(bytes)?);
            Some(copy.as_u128())
        }
        short => Some(short),
    };
    let rows = || picked.iter().cloned().flatten();
    let copies = rows().map(copy).collect::<Option<Vec<_>>>()?;
    let nulls: NullBuffer = rows().map(|row| values.is_valid(row)).collect();
    let validity = if nulls.null_count() > 0 { made(nulls.validity().to_vec()) } else { Slot::NONE };
    Some(Column {
        len: nulls.len() as u64,
        nulls: nulls.null_count() as u64,
        buffers: [validity, made(copies)].into_iter().chain((!text.is_empty()).then(|| made(text))).collect(),
        children: Vec::new(),
        dictionary: None,
    })
}
