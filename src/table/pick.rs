//! Some values of an array in memory of their own, and how long they are there.

use std::ops::Range;
use std::slice;

use arrow_array::{Array, BinaryViewArray, StringViewArray};
use arrow_buffer::{ArrowNativeType, NullBuffer, ScalarBuffer};
use arrow_data::ArrayData;
use arrow_data::transform::MutableArrayData;
use arrow_schema::{DataType, Field};

use super::leave::{is_long, seen, viewed, width};
use crate::memory;

/// Whether values of this type are nothing but what was picked, once they are: others share with those that were not.
pub(super) fn can_be_picked(values: &DataType) -> bool {
    let below = |field: &Field| !is_viewed(field.data_type()) && can_be_picked(field.data_type());
    match values {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => below(item),
        DataType::Struct(fields) => fields.iter().all(|field| below(field)),
        DataType::Dictionary(_, values) => can_be_picked(values),
        // nested as their values are, to Arrow
        DataType::RunEndEncoded(..) => false,
        plain => !plain.is_nested(),
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
    let views = ScalarBuffer::<u128>::new(values.buffers()[0].clone(), values.offset(), values.len());
    let rows = picked.iter().cloned().flatten().filter(|&row| values.is_valid(row));
    rows.map(move |row| views[row]).filter(is_long)
}

/// These values, a counted copy.
pub(super) fn copied(values: &ArrayData, picked: &[Range<usize>]) -> Option<ArrayData> {
    let mut copy = MutableArrayData::try_new(vec![values], false, rows(picked)).ok()?;
    picked.iter().try_for_each(|rows| copy.try_extend(0, rows.start, rows.end)).ok()?;
    memory::count_copy(size(values, picked) + text(values, picked));
    Some(compact(copy.freeze()))
}

/// Values that look into nothing but what they name.
fn compact(values: ArrayData) -> ArrayData {
    match values.data_type() {
        DataType::Utf8View => StringViewArray::from(values).gc().into_data(),
        DataType::BinaryView => BinaryViewArray::from(values).gc().into_data(),
        _ => values,
    }
}
