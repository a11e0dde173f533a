//! Dictionaries of which a slice uses few values: these alone leave with it, in the order that they had.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::slice;

use arrow_buffer::{ArrowNativeType, BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow_data::ArrayData;
use arrow_schema::DataType;

use super::column::{Column, Slot};
use super::leave::made;
use super::pick;
use crate::element::Element;
use crate::frame::RECEIVE_ARENA;
use crate::handoff;

/// The keys of `rows` and the values that they name; `None` where the dictionary is to be sent whole: where it is short, where the rows are at
/// least half as many as its values, or have more than half of its bytes, and where keys name what is not there.
pub(super) fn alone(
    data: &ArrayData,
    keys: &DataType,
    rows: Range<usize>,
    nulls: Option<&NullBuffer>,
) -> Option<(Slot, Column)> {
    match keys {
        DataType::Int8 => of_keys::<i8>(data, rows, nulls),
        DataType::Int16 => of_keys::<i16>(data, rows, nulls),
        DataType::Int32 => of_keys::<i32>(data, rows, nulls),
        DataType::Int64 => of_keys::<i64>(data, rows, nulls),
        DataType::UInt8 => of_keys::<u8>(data, rows, nulls),
        DataType::UInt16 => of_keys::<u16>(data, rows, nulls),
        DataType::UInt32 => of_keys::<u32>(data, rows, nulls),
        DataType::UInt64 => of_keys::<u64>(data, rows, nulls),
        _ => None,
    }
}

fn of_keys<K: ArrowNativeType + Element>(
    data: &ArrayData,
    rows: Range<usize>,
    nulls: Option<&NullBuffer>,
) -> Option<(Slot, Column)> {
    let values = &data.child_data()[0];
    let keys = ScalarBuffer::<K>::new(data.buffers()[0].clone(), rows.start, rows.len());
    // a key of a null row is no more than a number
    let key = |(row, key): (usize, &K)| if nulls.is_some_and(|nulls| nulls.is_null(row)) { None } else { Some(*key) };
    let named = || Named::of(keys.iter().enumerate().filter_map(key).map(K::to_usize), rows.len(), values.len());
    let (named, picked) = sharing(values, |sent| sent.of_rows(rows.len(), values, named))?;
    let values = pick::copied(values, &picked)?;
    let moved = |key: K| K::usize_as(named.place(key.as_usize()));
    let keys = keys.iter().enumerate().map(|row| key(row).map_or(K::usize_as(0), moved)).collect();
    Some((made(keys), values))
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

/// Runs `pick` with what was sent of these values before, in the same message: rows count together, so that what is picked in many small
/// batches stays less than the whole, which they could share.
fn sharing<R>(values: &ArrayData, pick: impl FnOnce(&mut Sent) -> R) -> R {
    let Some(number) = handoff::message() else { return pick(&mut Sent::default()) };
    let mut pick = Some(pick);
    let mut picked = |sent: &mut Sent| pick.take().map(|pick| pick(sent));
    let shared = SENT.try_with(|message| {
        let mut message = message.borrow_mut();
        if message.number != number {
            *message = Message { number, ..Message::default() };
        }
        picked(message.sent.entry([place(values), values.len()]).or_default())
    });
    // a thread that is about to end remembers nothing
    shared.ok().flatten().or_else(|| picked(&mut Sent::default())).expect("invariant: it is called once, here or there")
}

/// Where values lie.
fn place(values: &ArrayData) -> usize {
    match (values.buffers(), values.child_data()) {
        ([first, ..], _) => first.as_ptr().addr().wrapping_add(values.offset()),
        ([], [first, ..]) => place(first),
        ([], []) => 0,
    }
}

/// How many rows there were with a dictionary, and how many bytes of its values were picked for them.
#[derive(Default)]
struct Sent {
    rows: usize,
    bytes: usize,
    /// How many bytes all of its values are, once that was asked for.
    whole: Option<usize>,
}

impl Sent {
    /// The values that so many rows more name, also as ranges; `None` where all are to be sent.
    fn of_rows(
        &mut self,
        rows: usize,
        values: &ArrayData,
        named: impl FnOnce() -> Option<Named>,
    ) -> Option<(Named, Vec<Range<usize>>)> {
        self.rows = self.rows.saturating_add(rows);
        if self.rows >= values.len().div_ceil(2) || !pick::can_be_picked(values.data_type()) {
            return None;
        }
        // what views look at takes a look at each of them, which few rows of many values are not to wait for
        let least = pick::size(values, slice::from_ref(&(0..values.len())));
        if least <= RECEIVE_ARENA && self.whole(values, least) <= RECEIVE_ARENA {
            return None;
        }
        let named = named()?;
        let picked = named.ranges();
        let bytes = pick::size(values, &picked).saturating_add(pick::text(values, &picked)).saturating_add(self.bytes);
        if bytes > least / 2 && bytes > self.whole(values, least) / 2 {
            // from here on it is whole in the message
            self.rows = usize::MAX;
            return None;
        }
        self.bytes = bytes;
        Some((named, picked))
    }

    fn whole(&mut self, values: &ArrayData, least: usize) -> usize {
        *self.whole.get_or_insert_with(|| least + pick::reach(values))
    }
}

/// The values that rows name.
enum Named {
    /// In order.
    Few(Vec<usize>),
    /// A bit for each value, and how many are set before each 64 of them.
    Many { bits: ScalarBuffer<u64>, before: Vec<usize> },
}

impl Named {
    /// Those that so many rows name; `None` where one is not there.
    fn of(keys: impl Iterator<Item = Option<usize>>, rows: usize, values: usize) -> Option<Self> {
        let mut keys = keys.map(|key| key.filter(|&key| key < values));
        // one row does not wait for all values; from about here on looking for each in order takes longer than bits for all
        if rows < values / 512 {
            let mut few = keys.collect::<Option<Vec<_>>>()?;
            few.sort_unstable();
            few.dedup();
            return Some(Self::Few(few));
        }
        let mut bits = vec![0_u64; values.div_ceil(64)];
        keys.try_for_each(|key| key.map(|key| bits[key / 64] |= 1 << (key % 64)))?;
        let before = bits.iter().scan(0, |before, word| {
            let these = *before;
            *before += word.count_ones() as usize;
            Some(these)
        });
        Some(Self::Many { before: before.collect(), bits: bits.into() })
    }

    /// How many are before this one.
    fn place(&self, key: usize) -> usize {
        match self {
            Self::Few(few) => few.partition_point(|&before| before < key),
            Self::Many { bits, before } => {
                let lower = bits[key / 64] & ((1 << (key % 64)) - 1);
                before[key / 64] + lower.count_ones() as usize
            }
        }
    }

    fn ranges(&self) -> Vec<Range<usize>> {
        match self {
            Self::Few(few) => {
                few.chunk_by(|&key, &next| next == key + 1).map(|run| run[0]..run[0] + run.len()).collect()
            }
            Self::Many { bits, .. } => {
                let bits = BooleanBuffer::new(bits.inner().clone(), 0, 64 * bits.len());
                bits.set_slices().map(|(start, end)| start..end).collect()
            }
        }
    }
}
