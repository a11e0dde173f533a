//! Dictionaries of which a slice uses few values: these alone leave with it, in the order that they had.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;

use arrow_array::{Array, BinaryViewArray, StringViewArray};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, Buffer as ArrowBuffer, NullBuffer, ScalarBuffer};
use arrow_data::ArrayData;
use arrow_data::transform::MutableArrayData;
use arrow_schema::{DataType, Field};

use super::column::Slot;
use super::leave::made;
use crate::element::Element;
use crate::frame::RECEIVE_ARENA;
use crate::{handoff, memory};

/// The keys of `rows` and the values that they name; `None` where the dictionary is to be sent whole: where it is short, where the rows are at
/// least half as many as its values, or have more than half of its bytes, and where keys name what is not there.
pub(super) fn alone(
    data: &ArrayData,
    keys: &DataType,
    rows: Range<usize>,
    nulls: Option<&NullBuffer>,
) -> Option<(Slot, ArrayData)> {
    let values = &data.child_data()[0];
    let len = values.get_slice_memory_size().ok()?;
    if len <= RECEIVE_ARENA || !can_be_picked(values.data_type()) {
        return None;
    }
    let count = rows.len();
    sharing(values, |sent| {
        sent.rows = sent.rows.saturating_add(count);
        if sent.rows >= values.len().div_ceil(2) {
            return None;
        }
        let (keys, picked) = match keys {
            DataType::Int8 => of_keys::<i8>(data, rows, nulls),
            DataType::Int16 => of_keys::<i16>(data, rows, nulls),
            DataType::Int32 => of_keys::<i32>(data, rows, nulls),
            DataType::Int64 => of_keys::<i64>(data, rows, nulls),
            DataType::UInt8 => of_keys::<u8>(data, rows, nulls),
            DataType::UInt16 => of_keys::<u16>(data, rows, nulls),
            DataType::UInt32 => of_keys::<u32>(data, rows, nulls),
            DataType::UInt64 => of_keys::<u64>(data, rows, nulls),
            _ => None,
        }?;
        sent.bytes = sent.bytes.saturating_add(picked.get_slice_memory_size().ok()?);
        if sent.bytes > len / 2 {
            // from here on it is whole in the message
            sent.rows = usize::MAX;
            return None;
        }
        Some((keys, picked))
    })
}

/// Whether values of this type are nothing but what was picked, once they are: others share with those that were not.
fn can_be_picked(values: &DataType) -> bool {
    let below = |field: &Field| match field.data_type() {
        DataType::Utf8View | DataType::BinaryView => false,
        other => can_be_picked(other),
    };
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

thread_local! {
    static SENT: RefCell<Message> = RefCell::default();
}

/// The dictionaries of the message that is being written, by where their values lie and how many there are.
#[derive(Default)]
struct Message {
    number: u64,
    sent: HashMap<[usize; 2], Sent>,
}

/// How many rows there were with a dictionary, and how many bytes of its values were picked for them.
#[derive(Default)]
struct Sent {
    rows: usize,
    bytes: usize,
}

/// Runs `pick` with what was sent of these values before, in the same message: rows count together, so that what is picked in many small
/// batches stays less than the whole, which they could share.
fn sharing<R>(values: &ArrayData, pick: impl FnOnce(&mut Sent) -> R) -> R {
    let Some(number) = handoff::message() else { return pick(&mut Sent::default()) };
    SENT.with_borrow_mut(|message| {
        if message.number != number {
            *message = Message { number, ..Message::default() };
        }
        pick(message.sent.entry([place(values), values.len()]).or_default())
    })
}

/// Where values lie.
fn place(values: &ArrayData) -> usize {
    match (values.buffers(), values.child_data()) {
        ([first, ..], _) => first.as_ptr().addr().wrapping_add(values.offset()),
        ([], [first, ..]) => place(first),
        ([], []) => 0,
    }
}

fn of_keys<K: ArrowNativeType + Element>(
    data: &ArrayData,
    rows: Range<usize>,
    nulls: Option<&NullBuffer>,
) -> Option<(Slot, ArrayData)> {
    let values = &data.child_data()[0];
    let keys = ScalarBuffer::<K>::new(data.buffers()[0].clone(), rows.start, rows.len());
    // a key of a null row is no more than a number
    let key = |(row, key): (usize, &K)| if nulls.is_some_and(|nulls| nulls.is_null(row)) { None } else { Some(*key) };
    let mut used = vec![0_u64; values.len().div_ceil(64)];
    for key in keys.iter().enumerate().filter_map(key) {
        let key = key.to_usize().filter(|&key| key < values.len())?;
        used[key / 64] |= 1 << (key % 64);
    }
    let before = used.iter().scan(0, |before, word| {
        let these = *before;
        *before += word.count_ones() as usize;
        Some(these)
    });
    let before: Vec<usize> = before.collect();
    let moved = |key: K| {
        let key = key.as_usize();
        let lower = used[key / 64] & ((1 << (key % 64)) - 1);
        K::usize_as(before[key / 64] + lower.count_ones() as usize)
    };
    let keys = keys.iter().enumerate().map(|row| key(row).map_or(K::usize_as(0), moved)).collect();
    let used = BooleanBuffer::new(ArrowBuffer::from_vec(used), 0, values.len());
    let mut picked = MutableArrayData::try_new(vec![values], false, used.count_set_bits()).ok()?;
    for (start, end) in used.set_slices() {
        picked.try_extend(0, start, end).ok()?;
    }
    let picked = compact(picked.freeze());
    memory::count_copy(picked.get_slice_memory_size().ok()?);
    Some((made(keys), picked))
}

/// Values that look into nothing but what they name.
fn compact(values: ArrayData) -> ArrayData {
    match values.data_type() {
        DataType::Utf8View => StringViewArray::from(values).gc().into_data(),
        DataType::BinaryView => BinaryViewArray::from(values).gc().into_data(),
        _ => values,
    }
}
