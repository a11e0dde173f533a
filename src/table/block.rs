//! Blocks: memory in which several columns of a table lie, as pandas keeps those of one dtype.
//!
//! Arrow knows of each column where it lies and not what lies beside it. A table that was made of blocks keeps them, so that what is
//! sent again may be the block and not each of its columns.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch};

use crate::buffer::Buffer;
use crate::handoff;

/// The blocks of a table, each of which holds one of its columns at least.
pub(crate) type Blocks = Arc<[Buffer]>;

/// The blocks in which columns of a batch lie that has just arrived.
pub(super) fn around(batch: &RecordBatch) -> Option<Blocks> {
    if !handoff::has_blocks() {
        return None;
    }
    let mut blocks: Vec<Buffer> = Vec::new();
    for column in batch.columns() {
        let Some(block) = place(column).and_then(|(start, len)| handoff::block_around(start, len)) else { continue };
        if blocks.last().is_none_or(|last| last.as_ptr() != block.as_ptr()) {
            blocks.push(block);
        }
    }
    blocks.sort_by_key(|block| block.as_ptr().addr());
    blocks.dedup_by_key(|block| block.as_ptr().addr());
    (!blocks.is_empty()).then(|| blocks.into())
}

/// Where the values of a column of plain numbers lie: their address and their length in bytes.
pub(crate) fn place(column: &ArrayRef) -> Option<(usize, usize)> {
    let width = column.data_type().primitive_width()?;
    let data = column.to_data();
    let values = data.buffers().first()?;
    let start = values.as_ptr().addr().checked_add(data.offset() * width)?;
    Some((start, data.len() * width))
}
