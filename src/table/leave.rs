//! Arrow arrays into columns: their buffers without copying, of a slice no more than its rows.

use std::ops::Range;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, Buffer as ArrowBuffer, NullBuffer, ScalarBuffer};
use arrow_data::{ArrayData, BufferSpec, ByteView, MAX_INLINE_VIEW_LEN, layout};
use arrow_schema::{DataType, UnionMode};

use super::arrive::MAX_ROWS;
use super::column::{Column, Columns, MAX_PARTS, Slot};
use super::used::alone;
use crate::buffer::Buffer;
use crate::element::Element;
use crate::memory;

/// What becomes of dictionaries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dictionaries {
    /// They stay as they are.
    Whole,
    /// Of long ones the values that are used, where these are few.
    Used,
}

/// The columns of a batch, to be sent.
///
/// # Errors
///
/// A text: more columns, buffers or rows than a receiver takes.
pub(super) fn columns(batch: &RecordBatch) -> Result<Columns, String> {
    let column = |array: &ArrayRef| part(&array.to_data(), 0..array.len(), Dictionaries::Used);
    let columns: Vec<_> = batch.columns().iter().map(column).collect();
    let (all, buffers) = columns.iter().map(parts).fold((0, 0), sum);
    if all.max(buffers) > MAX_PARTS {
        return Err(format!(
            "a table of {all} columns, children counted, and {buffers} buffers: {MAX_PARTS} is the most"
        ));
    }
    if batch.num_rows() as u64 > MAX_ROWS {
        return Err(format!("a table of {} rows: {MAX_ROWS} is the most", batch.num_rows()));
    }
    Ok(Columns(columns))
}

/// All rows of an array as a column.
pub(crate) fn whole(array: &ArrayRef) -> Column {
    let data = array.to_data();
    column(&data, 0..data.len())
}

/// All rows of an array as a column, of whose dictionaries what is used leaves.
pub(super) fn used(data: &ArrayData) -> Column {
    part(data, 0..data.len(), Dictionaries::Used)
}

/// How many columns and buffers these are.
fn parts(column: &Column) -> (usize, usize) {
    let below = column.children.iter().chain(column.dictionary.as_deref()).map(parts);
    below.fold((1, column.buffers.len()), sum)
}

fn sum(left: (usize, usize), right: (usize, usize)) -> (usize, usize) {
    (left.0 + right.0, left.1 + right.1)
}

/// The rows of `window` as a column.
pub(super) fn column(data: &ArrayData, window: Range<usize>) -> Column {
    part(data, window, Dictionaries::Whole)
}

fn part(data: &ArrayData, window: Range<usize>, of: Dictionaries) -> Column {
    let len = window.len();
    // buffers and children count from the array's own offset, its null bitmap does not
    let at = data.offset() + window.start;
    let rows = at..at + len;
    let nulls = data.nulls().map(|nulls| nulls.slice(window.start, len)).filter(|nulls| nulls.null_count() > 0);
    let validity = nulls.as_ref().map_or(Slot::NONE, |nulls| bitmap(nulls.inner()));
    let mut column = Column {
        len: len as u64,
        nulls: nulls.as_ref().map_or(0, |nulls| nulls.null_count() as u64),
        buffers: vec![validity],
        children: Vec::new(),
        dictionary: None,
    };
    let child = |index: usize| &data.child_data()[index];
    match data.data_type() {
        DataType::Null => column.nulls = len as u64,
        DataType::Boolean => {
            column.buffers.push(bitmap(&BooleanBuffer::new(data.buffers()[0].clone(), at, len)));
        }
        DataType::Utf8 | DataType::Binary => {
            let values = column.offsets::<i32>(data, rows);
            column.buffers.push(bytes(&data.buffers()[1], values, 1));
        }
        DataType::LargeUtf8 | DataType::LargeBinary => {
            let values = column.offsets::<i64>(data, rows);
            column.buffers.push(bytes(&data.buffers()[1], values, 1));
        }
        DataType::Utf8View | DataType::BinaryView => column.views(data, rows, nulls.as_ref()),
        DataType::List(_) | DataType::Map(_, _) => {
            let values = column.offsets::<i32>(data, rows);
            column.children.push(part(child(0), values, of));
        }
        DataType::LargeList(_) => {
            let values = column.offsets::<i64>(data, rows);
            column.children.push(part(child(0), values, of));
        }
        DataType::ListView(_) => column.list_views::<i32>(data, rows, nulls.as_ref(), of),
        DataType::LargeListView(_) => column.list_views::<i64>(data, rows, nulls.as_ref(), of),
        DataType::FixedSizeList(_, size) => {
            let size = *size as usize;
            column.children.push(part(child(0), rows.start * size..rows.end * size, of));
        }
        DataType::Struct(_) => {
            column.children = data.child_data().iter().map(|child| part(child, rows.clone(), of)).collect();
        }
        DataType::Union(_, UnionMode::Sparse) => {
            column.buffers.push(bytes(&data.buffers()[0], rows.clone(), 1));
            column.children = data.child_data().iter().map(|child| part(child, rows.clone(), of)).collect();
        }
        DataType::Union(fields, UnionMode::Dense) => {
            let ids: Vec<_> = fields.iter().map(|(id, _)| id).collect();
            column.dense_union(data, rows, &ids, of);
        }
        DataType::RunEndEncoded(ends, _) => match ends.data_type() {
            DataType::Int16 => column.runs::<i16>(data, rows, of),
            DataType::Int32 => column.runs::<i32>(data, rows, of),
            _ => column.runs::<i64>(data, rows, of),
        },
        plain => {
            if let (DataType::Dictionary(keys, _), Dictionaries::Used) = (plain, of)
                && let Some((keys, values)) = alone(data, keys, rows.clone(), nulls.as_ref())
            {
                column.buffers.push(keys);
                column.dictionary = Some(Box::new(values));
                return column;
            }
            let width = width(plain);
            column.buffers.push(bytes(&data.buffers()[0], rows.start * width..rows.end * width, width));
            if let DataType::Dictionary(..) = plain {
                let values = child(0);
                column.dictionary = Some(Box::new(part(values, 0..values.len(), of)));
            }
        }
    }
    column
}

impl Column {
    /// The offsets of `rows`, which begin at 0; returns the values that they reach.
    fn offsets<O: Offset>(&mut self, data: &ArrayData, rows: Range<usize>) -> Range<usize> {
        if data.buffers()[0].is_empty() {
            // an array without rows may lack the one offset that all others have
            self.buffers.push(made(vec![O::of(0)]));
            return 0..0;
        }
        let offsets = ScalarBuffer::<O>::new(data.buffers()[0].clone(), rows.start, rows.len() + 1);
        let (first, last) = (offsets[0].as_usize(), offsets[rows.len()].as_usize());
        self.buffers.push(if first == 0 {
            bytes(offsets.inner(), 0..offsets.inner().len(), size_of::<O>())
        } else {
            made(offsets.iter().map(|offset| O::of(offset.as_usize() - first)).collect())
        });
        first..last
    }

    /// Views, and of the buffers that they look into what they look at. What lies before that is left out where it is more than
    /// the views, which have to be made anew for it.
    fn views(&mut self, data: &ArrayData, rows: Range<usize>, nulls: Option<&NullBuffer>) {
        let views = ScalarBuffer::<u128>::new(data.buffers()[0].clone(), rows.start, rows.len());
        let buffers = &data.buffers()[1..];
        // views of null rows are no more than numbers, and a receiver checks them as all others
        let null_bits = nulls.map(|nulls| !nulls.inner());
        let of_nulls = null_bits.iter().flat_map(BooleanBuffer::set_indices).map(|row| views[row]);
        let named: Vec<_> = of_nulls.filter(is_long).map(viewed).collect();
        let is_null = |row| nulls.is_some_and(|nulls| nulls.is_null(row));
        let seen = if named.is_empty() {
            seen(views.iter().copied(), buffers.len())
        } else {
            seen(views.iter().enumerate().filter(|&(row, _)| !is_null(row)).map(|(_, &view)| view), buffers.len())
        };
        let (mut ends, mut is_lost) = (seen.iter().map(|seen| seen.end).collect::<Vec<_>>(), false);
        for (buffer, bytes) in named {
            match buffers.get(buffer) {
                Some(data) if bytes.end <= data.len() => ends[buffer] = bytes.end.max(ends[buffer]),
                _ => is_lost = true,
            }
        }
        let behind = |(seen, &end): (&Range<usize>, &usize)| match seen.len() {
            0 => end + NO_BUFFER,
            len => end - len,
        };
        let behind: usize = seen.iter().zip(&ends).map(behind).sum();
        if behind <= size_of_val(&views[..]) && !is_lost {
            self.buffers.push(bytes(views.inner(), 0..views.inner().len(), size_of::<u128>()));
            self.buffers.extend(buffers.iter().zip(ends).map(|(buffer, end)| bytes(buffer, 0..end, 1)));
            return;
        }
        let mut left = 0;
        let place = |seen: &Range<usize>| {
            left += u32::from(!seen.is_empty());
            left.saturating_sub(1)
        };
        let places: Vec<u32> = seen.iter().map(place).collect();
        let moved = |(row, &view): (usize, &u128)| match view as u32 {
            _ if is_null(row) => 0,
            0..=MAX_INLINE_VIEW_LEN => view,
            _ => {
                let (buffer, bytes) = viewed(view);
                let offset = (bytes.start - seen[buffer].start) as u32;
                ByteView::from(view).with_buffer_index(places[buffer]).with_offset(offset).as_u128()
            }
        };
        self.buffers.push(made(views.iter().enumerate().map(moved).collect()));
        let kept = buffers.iter().zip(&seen).filter(|(_, seen)| !seen.is_empty());
        self.buffers.extend(kept.map(|(buffer, seen)| bytes(buffer, seen.clone(), 1)));
    }

    /// List views, and the values from the lowest to the highest that a list has.
    fn list_views<O: Offset>(
        &mut self,
        data: &ArrayData,
        rows: Range<usize>,
        nulls: Option<&NullBuffer>,
        of: Dictionaries,
    ) {
        let [offsets, sizes] =
            [0, 1].map(|index| ScalarBuffer::<O>::new(data.buffers()[index].clone(), rows.start, rows.len()));
        let values = &data.child_data()[0];
        let list = |row: usize| (offsets[row].as_usize(), sizes[row].as_usize());
        let lists = || offsets.iter().zip(sizes.iter()).map(|(offset, size)| (offset.as_usize(), size.as_usize()));
        // lists of null rows are no more than numbers, and a receiver checks them as all others
        let null_bits = nulls.map(|nulls| !nulls.inner());
        let of_nulls = null_bits.iter().flat_map(BooleanBuffer::set_indices).map(list);
        let named: Vec<_> = of_nulls.filter(|&(_, size)| size > 0).collect();
        let is_null = |row| nulls.is_some_and(|nulls| nulls.is_null(row));
        let (mut all, mut highest) = (Reach::NOTHING, 0);
        for (row, (offset, size)) in lists().enumerate() {
            highest = offset.max(highest);
            if size > 0 && (named.is_empty() || !is_null(row)) {
                all.widen(offset..offset + size);
            }
        }
        let seen = all.range();
        for (offset, size) in named {
            let list = offset..offset.saturating_add(size);
            all.widen(if list.end <= values.len() { list } else { 0..usize::MAX });
        }
        let all = all.range();
        let drops_nulls = all.len() - seen.len() > rows.len();
        let sent = if drops_nulls { seen } else { all };
        let is_dropped = |row: usize| drops_nulls && is_null(row);
        // an empty list may point to where no values are any more
        let fits = sent.start == 0 && !drops_nulls && highest <= sent.end;
        self.buffers.push(if fits {
            bytes(offsets.inner(), 0..offsets.inner().len(), size_of::<O>())
        } else {
            let from_start = |(row, (offset, size))| match size {
                0 => 0,
                _ if is_dropped(row) => 0,
                _ => offset - sent.start,
            };
            made(lists().enumerate().map(|list| O::of(from_start(list))).collect())
        });
        self.buffers.push(if drops_nulls {
            let size = |(row, &size)| if is_dropped(row) { O::of(0) } else { size };
            made(sizes.iter().enumerate().map(size).collect())
        } else {
            bytes(sizes.inner(), 0..sizes.inner().len(), size_of::<O>())
        });
        self.children.push(part(values, sent, of));
    }

    /// The types and offsets of a union, and of each child the values from the lowest to the highest that a row has.
    fn dense_union(&mut self, data: &ArrayData, rows: Range<usize>, ids: &[i8], of: Dictionaries) {
        let types = ScalarBuffer::<i8>::new(data.buffers()[0].clone(), rows.start, rows.len());
        let offsets = ScalarBuffer::<i32>::new(data.buffers()[1].clone(), rows.start, rows.len());
        let mut reached = [Reach::NOTHING; 128];
        for (&id, &offset) in types.iter().zip(offsets.iter()) {
            reached[id as usize].widen(offset as usize..offset as usize + 1);
        }
        let reached = reached.map(Reach::range);
        self.buffers.push(bytes(types.inner(), 0..rows.len(), 1));
        self.buffers.push(if reached.iter().all(|range| range.start == 0) {
            bytes(offsets.inner(), 0..offsets.inner().len(), size_of::<i32>())
        } else {
            let start = |id: i8| reached[id as usize].start as i32;
            made(types.iter().zip(offsets.iter()).map(|(&id, offset)| offset - start(id)).collect())
        });
        let children = data.child_data().iter().zip(ids);
        self.children = children.map(|(child, &id)| part(child, reached[id as usize].clone(), of)).collect();
    }

    /// Run ends that count from the first row, and a value for each. The last run may reach past the last row.
    fn runs<O: Offset>(&mut self, data: &ArrayData, rows: Range<usize>, of: Dictionaries) {
        let (ends, values) = (&data.child_data()[0], &data.child_data()[1]);
        let all = ScalarBuffer::<O>::new(ends.buffers()[0].clone(), ends.offset(), ends.len());
        let first = all.partition_point(|end| end.as_usize() <= rows.start);
        let last = all.partition_point(|end| end.as_usize() < rows.end);
        let runs = if rows.is_empty() { first..first } else { first..last + 1 };
        let ends = if rows.start == 0 {
            let width = size_of::<O>();
            bytes(all.inner(), runs.start * width..runs.end * width, width)
        } else {
            let end = |end: &O| O::of(end.as_usize().min(rows.end) - rows.start);
            made(all[runs.clone()].iter().map(end).collect())
        };
        let len = runs.len() as u64;
        let buffers = vec![Slot::NONE, ends];
        self.children.push(Column { len, nulls: 0, buffers, children: Vec::new(), dictionary: None });
        self.children.push(part(values, runs, of));
    }
}

/// How many bytes a buffer that is empty takes in a message.
const NO_BUFFER: usize = 2;

/// The number of the buffer that a view looks into, and what it looks at there.
pub(super) fn viewed(view: u128) -> (usize, Range<usize>) {
    let view = ByteView::from(view);
    let offset = view.offset as usize;
    (view.buffer_index as usize, offset..offset.saturating_add(view.length as usize))
}

/// Of each buffer what views look at.
pub(super) fn seen(views: impl Iterator<Item = u128>, buffers: usize) -> Vec<Range<usize>> {
    let mut seen = vec![Reach::NOTHING; buffers];
    views.filter(is_long).map(viewed).for_each(|(buffer, bytes)| seen[buffer].widen(bytes));
    seen.into_iter().map(Reach::range).collect()
}

/// Whether a view looks into a buffer.
pub(super) fn is_long(view: &u128) -> bool {
    *view as u32 > MAX_INLINE_VIEW_LEN
}

/// From the lowest to the highest of what is looked at.
#[derive(Clone, Copy)]
struct Reach {
    start: usize,
    end: usize,
}

impl Reach {
    const NOTHING: Self = Self { start: usize::MAX, end: 0 };

    fn widen(&mut self, part: Range<usize>) {
        self.start = part.start.min(self.start);
        self.end = part.end.max(self.end);
    }

    fn range(self) -> Range<usize> {
        if self.start < self.end { self.start..self.end } else { 0..0 }
    }
}

/// What stands in a buffer of offsets.
trait Offset: ArrowNativeType + Element {
    /// From a number that is no larger than one of this type was.
    fn of(number: usize) -> Self {
        Self::usize_as(number)
    }
}

impl Offset for i16 {}
impl Offset for i32 {}
impl Offset for i64 {}

/// The length in bytes of the elements of a type whose values are one buffer.
pub(super) fn width(data_type: &DataType) -> usize {
    match layout(data_type).buffers[..] {
        [BufferSpec::FixedWidth { byte_width, .. }] => byte_width,
        _ => 0,
    }
}

/// A part of an Arrow buffer **without copying**.
fn bytes(buffer: &ArrowBuffer, range: Range<usize>, item: usize) -> Slot {
    Slot::of(Buffer::from_owner(buffer.slice_with_length(range.start, range.len())), item)
}

/// A buffer that had to be made anew: a counted copy of one that is small beside the values.
pub(super) fn made<T: Element>(elements: Vec<T>) -> Slot {
    memory::count_copy(size_of_val(&elements[..]));
    Slot::of(Buffer::from_vec(elements), size_of::<T>())
}

/// A bitmap whose first bit is its first byte's: **without copying** where it is so already, else a counted copy.
fn bitmap(bits: &BooleanBuffer) -> Slot {
    let len = bits.len().div_ceil(8);
    if bits.offset().is_multiple_of(8) {
        return bytes(bits.inner(), bits.offset() / 8..bits.offset() / 8 + len, 1);
    }
    memory::count_copy(len);
    bytes(&bits.sliced(), 0..len, 1)
}
