//! Blocks: the columns of a frame, those of one dtype together.

use super::super::form::Call;
use super::super::list::{Listed, Pandas};
use super::super::mismatch::{Mismatch, Result};
use super::super::read::Reader;
use super::extension;
use super::numbers::Numbers;
use super::object::called;
use super::piece::Piece;
use crate::buffer::Buffer;
use crate::pickle::{Node, NodeId};
use crate::table::MAX_PARTS;

/// A column of a frame, or why it is none.
pub(super) type Found = std::result::Result<Piece, String>;

/// The columns of all blocks, in the order of the frame, and the frames that say where they are.
///
/// A block is `_unpickle_block(values, placement, 2)`.
pub(super) fn columns<'g>(
    reader: Reader<'g>,
    blocks: impl Iterator<Item = NodeId>,
) -> Result<(Vec<Found>, Vec<Buffer>)> {
    let (mut placed, mut passed): (Vec<(usize, Found)>, _) = (Vec::new(), Vec::new());
    for block in blocks {
        let call = called(reader, block)?;
        if call.listed != Listed::Pandas(Pandas::Block) {
            return Err(call.odd());
        }
        let [values, placement, axes] = call.exactly()?;
        if !matches!(reader.tree.node(axes), Node::Int(2)) {
            return Err(call.odd());
        }
        let columns = extension::columns(reader, values)?;
        let (places, frame) = places(reader, call, placement)?;
        if let Some(frame) = frame {
            // a block of no columns may be named any number of times
            reader.tree.spend(super::objects::PIECE)?;
            passed.push(frame);
        }
        if places.len() != columns.len() || placed.len() + columns.len() > MAX_PARTS {
            let (columns, places) = (columns.len(), places.len());
            return Err(Mismatch::because(format_args!("a block of {columns} columns in {places} places")));
        }
        placed.extend(places.into_iter().zip(columns));
    }
    placed.sort_by_key(|&(place, _)| place);
    for (wanted, &(place, _)) in placed.iter().enumerate() {
        match place.cmp(&wanted) {
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Less => return Err(Mismatch::because(format_args!("two blocks with column {place}"))),
            std::cmp::Ordering::Greater => {
                return Err(Mismatch::because(format_args!("no block with column {wanted}, and one with {place}")));
            }
        }
    }
    Ok((placed.into_iter().map(|(_, found)| found).collect(), passed))
}

/// The places of a block's columns in the frame: a slice, or an array of integers, whose own frame is with them.
fn places<'g>(reader: Reader<'g>, call: Call<'g>, id: NodeId) -> Result<(Vec<usize>, Option<Buffer>)> {
    let placement = called(reader, id)?;
    let place = |place: i64| usize::try_from(place).ok().filter(|&place| place < MAX_PARTS);
    let outside = || Mismatch::because(format_args!("a block with columns that are not from 0 to {MAX_PARTS}"));
    if placement.listed != Listed::Slice {
        let numbers = Numbers::read(reader, id)?.single()?;
        let places = numbers.integers(0)?;
        if places.len() > MAX_PARTS {
            return Err(outside());
        }
        let places = places.map(|at| place(at).ok_or_else(outside)).collect::<Result<_>>()?;
        return Ok((places, numbers.frame()));
    }
    let bounds = placement.exactly::<3>()?.map(|id| match reader.tree.node(id) {
        Node::Int(bound) => Some(bound),
        _ => None,
    });
    let [Some(start), Some(stop), Some(step)] = bounds else { return Err(call.odd()) };
    let (start, step) = (place(start).ok_or_else(outside)?, usize::try_from(step).map_err(|_| outside())?);
    let stop = usize::try_from(stop).map_err(|_| outside())?;
    if step == 0 || stop.saturating_sub(start).div_ceil(step) > MAX_PARTS {
        return Err(outside());
    }
    Ok(((start..stop).step_by(step).collect(), None))
}
