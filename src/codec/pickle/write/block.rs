//! Blocks: columns of a frame that go out as one buffer, as pandas has those of one dtype.
//!
//! Columns that were read from a block lie in it still, and it leaves **without copying** where they are all of it. Truth values, which
//! are bits in Arrow, leave as the bytes that they were read from, or have to be made bytes, and are made one block, as columns of one dtype are
//! where they have no rows. A frame that is one block in order is an array of two axes
//! to pandas, which keeps it as it lies; of any other each column is an array from an offset of the block on.

use std::collections::{BTreeMap, HashMap};

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;

use super::arrow::Storage;
use super::described::Described;
use super::{Next, Writer};
use crate::buffer::Buffer;
use crate::codec::pickle::pandas::{Bytes, Part};
use crate::codec::unserializable::Result;
use crate::handoff::{self, Place};
use crate::memory;
use crate::pickle::{Memoized, opcode as op};
use crate::table::{Table, place};
use serde::Serialize;

/// The blocks of a frame.
#[derive(Default)]
pub(super) struct Blocks {
    blocks: Vec<Block>,
    /// Of each column by number its block, and where in it the column begins.
    places: HashMap<usize, (usize, usize)>,
}

pub(super) struct Block {
    pub(super) dtype: &'static str,
    pub(super) buffer: Buffer,
    pub(super) place: Place,
    /// The columns in it, in order.
    columns: Vec<usize>,
    /// The memo's entry of the buffer, once it was written.
    entry: Option<Memoized>,
}

impl Blocks {
    pub(super) fn of(table: &Table, described: &Described) -> Self {
        let mut found = Self::default();
        let batch = table.batch();
        if batch.num_rows() == 0 {
            found.add_without_rows(batch, described);
            return found;
        }
        let blocks = table.blocks();
        let mut members: Vec<Vec<Member>> = blocks.iter().map(|_| Vec::new()).collect();
        let mut truths = Truths::default();
        for &at in &described.columns {
            let column = batch.column(at);
            let is_plain = column.null_count() == 0 && described.storage(at) == Storage::Python;
            match (column.data_type(), described.dtype(at)) {
                (DataType::Boolean, "" | "bool") if is_plain => truths.add(at, batch.num_rows(), described.part(at)),
                (data_type, dtype) if is_plain => {
                    let Some(dtype) = plain(data_type, dtype) else { continue };
                    let Some((start, len)) = place(column) else { continue };
                    let block = blocks.partition_point(|block| block.as_ptr().addr() <= start);
                    let Some(block) = block.checked_sub(1) else { continue };
                    let start = start - blocks[block].as_ptr().addr();
                    // of a column beside them
                    if start + len <= blocks[block].len() {
                        members[block].push(Member { at, start, len, dtype });
                    }
                }
                _ => {}
            }
        }
        for (buffer, members) in blocks.iter().zip(members) {
            let place = members.first().map_or(Place::OutOfBand, |member| described.part(member.at).place());
            found.add(buffer, place, members);
        }
        for (buffer, members) in truths.known.into_values() {
            let place = members.first().map_or(Place::OutOfBand, |member| described.part(member.at).place());
            found.add(&buffer, place, members);
        }
        for (place, columns) in [(Place::OutOfBand, truths.others), (Place::InBand, truths.in_band)] {
            if columns.len() > 1 {
                let buffer = bytes_of(batch, &columns);
                found.push("|b1", buffer, place, columns.into_iter().zip((0..).step_by(batch.num_rows())));
            }
        }
        found
    }

    /// A block, where several columns are all of it.
    fn add(&mut self, buffer: &Buffer, place: Place, mut members: Vec<Member>) {
        members.sort_by_key(|member| member.start);
        // no byte that is no column's goes out
        let end = members.iter().try_fold(0, |end, member| (member.start == end).then_some(end + member.len));
        if let [first, _, ..] = &members[..]
            && end == Some(buffer.len())
            && members.iter().all(|member| member.dtype == first.dtype)
        {
            self.push(first.dtype, buffer.clone(), place, members.iter().map(|member| (member.at, member.start)));
        }
    }

    /// The columns of each dtype, which lie nowhere without rows: pandas has one block of them.
    fn add_without_rows(&mut self, batch: &RecordBatch, described: &Described) {
        let mut members: BTreeMap<&'static str, Vec<usize>> = BTreeMap::new();
        for &at in &described.columns {
            let dtype = match (batch.column(at).data_type(), described.dtype(at)) {
                _ if described.storage(at) != Storage::Python => None,
                (DataType::Boolean, "" | "bool") => Some("|b1"),
                (data_type, dtype) => plain(data_type, dtype),
            };
            if let Some(dtype) = dtype {
                members.entry(dtype).or_default().push(at);
            }
        }
        for (dtype, columns) in members.into_iter().filter(|(_, columns)| columns.len() > 1) {
            let place = described.part(columns[0]).place();
            self.push(dtype, Buffer::from(Vec::new()), place, columns.into_iter().map(|at| (at, 0)));
        }
    }

    fn push(
        &mut self,
        dtype: &'static str,
        buffer: Buffer,
        place: Place,
        columns: impl Iterator<Item = (usize, usize)>,
    ) {
        let mut inside = Vec::new();
        for (at, start) in columns {
            self.places.insert(at, (self.blocks.len(), start));
            inside.push(at);
        }
        self.blocks.push(Block { dtype, buffer, place, columns: inside, entry: None });
    }

    /// The one block that all columns of a frame are, in order.
    pub(super) fn whole(&self, described: &Described) -> Option<&Block> {
        match &self.blocks[..] {
            [only] if only.columns == described.columns => Some(only),
            _ => None,
        }
    }

    /// The block of a column, and where in it the column begins.
    pub(super) fn place(&self, at: usize) -> Option<(usize, usize)> {
        self.places.get(&at).copied()
    }
}

/// A column in a block.
struct Member {
    at: usize,
    start: usize,
    len: usize,
    dtype: &'static str,
}

/// Columns of truth values, of which bytes have to be made but where those are kept that they were read from.
#[derive(Default)]
struct Truths {
    /// By the address of the block that is kept.
    known: BTreeMap<usize, (Buffer, Vec<Member>)>,
    in_band: Vec<usize>,
    others: Vec<usize>,
}

impl Truths {
    fn add(&mut self, at: usize, len: usize, part: &Part) {
        match (&part.truths, part.place()) {
            (Some(Bytes { block, start }), _) => {
                let known = self.known.entry(block.as_ptr().addr()).or_insert_with(|| (block.clone(), Vec::new()));
                known.1.push(Member { at, start: *start, len, dtype: "|b1" });
            }
            (None, Place::InBand) => self.in_band.push(at),
            (None, _) => self.others.push(at),
        }
    }
}

impl Writer<'_> {
    /// `ndarray(rows, dtype, block, offset)`.
    pub(super) fn in_block(&mut self, blocks: &mut Blocks, (block, start): (usize, usize), rows: usize) -> Result<()> {
        let Block { dtype, buffer, place, entry, .. } = &mut blocks.blocks[block];
        self.global("numpy", "ndarray");
        self.out.op(op::MARK);
        self.axes(&[rows]);
        let item = self.element(&(*dtype).into())?;
        match *entry {
            Some(entry) => self.out.again(entry),
            None => {
                self.next = Next::Elements;
                handoff::placed(*place, || handoff::of_items(item, || buffer.serialize(&mut *self)))?;
                self.plain("elements")?;
                *entry = Some(self.out.memoize());
            }
        }
        self.out.int(start as i64);
        self.out.ops(&[op::TUPLE, op::REDUCE]);
        Ok(())
    }
}

/// NumPy's name of plain numbers; `None` for what is no column of a block.
fn plain(data_type: &DataType, dtype: &str) -> Option<&'static str> {
    // a masked array
    if dtype.starts_with(['I', 'U', 'F']) {
        return None;
    }
    Some(match data_type {
        DataType::Int8 => "|i1",
        DataType::Int16 => "<i2",
        DataType::Int32 => "<i4",
        DataType::Int64 => "<i8",
        DataType::UInt8 => "|u1",
        DataType::UInt16 => "<u2",
        DataType::UInt32 => "<u4",
        DataType::UInt64 => "<u8",
        DataType::Float16 => "<f2",
        DataType::Float32 => "<f4",
        DataType::Float64 => "<f8",
        _ => return None,
    })
}

/// A byte for each truth value of these columns, one after the other.
fn bytes_of(batch: &RecordBatch, columns: &[usize]) -> Buffer {
    let truths = |&at: &usize| -> &ArrayRef { batch.column(at) };
    memory::count_copy(columns.len() * batch.num_rows());
    let mut bytes = Vec::with_capacity(columns.len() * batch.num_rows());
    for column in columns.iter().map(truths) {
        bytes.extend(column.as_boolean().values().iter().map(u8::from));
    }
    Buffer::from(bytes)
}
