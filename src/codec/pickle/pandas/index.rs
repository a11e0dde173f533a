//! The index of rows: columns beside those of the frame, or a range that is no column at all.

use serde_json::{Value as Json, json};

use super::super::form::Call;
use super::super::list::{Listed, Pandas};
use super::super::mismatch::{Mismatch, Result};
use super::super::read::Reader;
use super::axis::{Kept, Level, Levels, Values};
use super::extension;
use super::frame::Frame;
use super::label::Label;
use super::numbers::Numbers;
use super::object::{called, elements, entry, needed};
use super::piece::Piece;
use super::shown::Shown;
use super::written;
use crate::buffer::Buffer;
use crate::pickle::{Items, Node, NodeId};
use crate::table::picked;

/// An index.
pub(super) enum Index {
    Range {
        name: Label,
        start: i64,
        stop: i64,
        step: i64,
    },
    Level(Label, Piece),
    /// A `MultiIndex`, of one level or more; and what these are picked from, where that is worth keeping.
    Levels(Vec<(Label, Piece)>, Vec<Level>),
}

/// The most levels of an index, far more than anybody has.
pub(in crate::codec::pickle) const MAX_LEVELS: usize = 256;

/// `_new_Index(class, {"data": values, "name": name})`, of which the dict is returned with what the class is.
pub(super) fn parts<'g>(reader: Reader<'g>, id: NodeId) -> Result<(Call<'g>, Pandas, Items<'g>)> {
    let call = called(reader, id)?;
    if call.listed != Listed::Pandas(Pandas::NewIndex) {
        return Err(call.odd());
    }
    let [class, entries] = call.exactly()?;
    match (reader.tree.listed(class), reader.tree.node(entries)) {
        (
            Some(Listed::Pandas(class @ (Pandas::Index | Pandas::RangeIndex | Pandas::MultiIndex))),
            Node::Dict(items),
        ) => Ok((call, class, items)),
        _ => Err(call.odd()),
    }
}

impl Index {
    pub(super) fn read(reader: Reader<'_>, id: NodeId) -> Result<Self> {
        let call = called(reader, id)?;
        if let Listed::Pandas(Pandas::Index | Pandas::RangeIndex | Pandas::MultiIndex | Pandas::FromArrays) =
            call.listed
        {
            return written::index(reader, call);
        }
        let (call, class, entries) = parts(reader, id)?;
        if class == Pandas::MultiIndex {
            let part = |name| needed(reader, call, entries, name);
            return several(reader, call, [part("levels")?, part("codes")?, part("names")?], single);
        }
        let name = match entry(reader, entries, "name")? {
            Some(name) => Label::read(reader, name)?,
            None => Label::None,
        };
        if class == Pandas::RangeIndex {
            let (start, stop, step) = range(reader, call, entries)?;
            return Ok(Self::Range { name, start, stop, step });
        }
        let piece = extension::column(reader, needed(reader, call, entries, "data")?)
            .map_err(|why| Mismatch::because(format_args!("the index: {why}")))?;
        Ok(Self::Level(name, piece))
    }

    /// How many rows it has.
    pub(super) fn rows(&self) -> u64 {
        match self {
            Self::Range { start, stop, step, .. } => range_len(*start, *stop, *step),
            Self::Level(_, piece) => piece.column.len,
            Self::Levels(levels, _) => levels.first().map_or(0, |(_, piece)| piece.column.len),
        }
    }
}

/// An index by itself: a table of no columns but those of the index.
pub(super) fn alone(reader: Reader<'_>) -> Result<Shown> {
    Frame { columns: Vec::new(), labels: None, index: Index::read(reader, reader.id)?, origin: Some("pandas.Index") }
        .shown(reader)
}

/// Start, stop and step of a `RangeIndex`.
pub(super) fn range<'g>(reader: Reader<'g>, call: Call<'g>, entries: Items<'g>) -> Result<(i64, i64, i64)> {
    let bound = |name| match reader.tree.node(needed(reader, call, entries, name)?) {
        Node::Int(bound) => Ok(bound),
        _ => Err(call.odd()),
    };
    match (bound("start")?, bound("stop")?, bound("step")?) {
        (_, _, 0) => Err(call.odd()),
        bounds => Ok(bounds),
    }
}

pub(super) fn range_len(start: i64, stop: i64, step: i64) -> u64 {
    let (from, to) = if step > 0 { (start, stop) } else { (stop, start) };
    let distance = if to > from { to.abs_diff(from) } else { 0 };
    distance.div_ceil(step.unsigned_abs())
}

/// The values of an index of one level, where they are needed: those of a range are written out.
pub(super) fn values(reader: Reader<'_>, id: NodeId) -> Result<Piece> {
    single(reader, id)?.written_out(reader)
}

/// An index of one level.
fn single(reader: Reader<'_>, id: NodeId) -> Result<Index> {
    // before it is read, since what is within its levels might be itself
    let call = called(reader, id)?;
    if let (Ok((_, Pandas::MultiIndex, _)), _) | (_, Listed::Pandas(Pandas::MultiIndex)) =
        (parts(reader, id), call.listed)
    {
        return Err(several_levels());
    }
    Index::read(reader.inside()?, id)
}

fn several_levels() -> Mismatch {
    Mismatch::because("an index of several levels, which has no Arrow type")
}

impl Index {
    /// The one column of its values.
    fn written_out(self, reader: Reader<'_>) -> Result<Piece> {
        match self {
            Self::Level(_, piece) => Ok(piece),
            Self::Levels(..) => Err(several_levels()),
            Self::Range { start, stop, step, .. } => {
                let len = range_len(start, stop, step);
                let len = usize::try_from(len).ok().filter(|len| len.checked_mul(8).is_some());
                let len = len.ok_or_else(|| Mismatch::because("a range that is too long to be written out"))?;
                reader.tree.spend(len.saturating_mul(8))?;
                super::object::copying(8 * len)?;
                let bytes = (0..len)
                    .flat_map(|at| start.wrapping_add((at as i64).wrapping_mul(step)).to_le_bytes())
                    .collect::<Vec<u8>>();
                Ok(Piece::new(arrow_schema::DataType::Int64, len, vec![Buffer::from(bytes)]).with_dtype("int64"))
            }
        }
    }
}

/// The levels, codes and names of a `MultiIndex`; each level picked from its values by code: as many columns of as many rows.
pub(super) fn several<'g>(
    reader: Reader<'g>,
    call: Call<'g>,
    parts: [NodeId; 3],
    level: impl Fn(Reader<'g>, NodeId) -> Result<Index>,
) -> Result<Index> {
    let [levels, codes, names] = parts.map(|part| elements(reader, call, part));
    let (levels, codes, names) = (levels?, codes?, names?);
    if levels.len() != codes.len() || levels.len() != names.len() || !(1..=MAX_LEVELS).contains(&levels.len()) {
        let (levels, codes, names) = (levels.len(), codes.len(), names.len());
        return Err(Mismatch::because(format_args!("an index of {levels} levels, {codes} codes and {names} names")));
    }
    let mut kept = Levels::default();
    let mut columns = Vec::new();
    for (at, ((id, codes), name)) in levels.zip(codes).zip(names).enumerate() {
        let says = |why: &dyn std::fmt::Display| Mismatch::because(format_args!("level {at} of the index: {why}"));
        let found = level(reader, id).map_err(|why| says(&why))?;
        let range = match found {
            Index::Range { start, stop, step, .. } => Some(Kept::Range { start, stop, step }),
            Index::Level(..) | Index::Levels(..) => None,
        };
        let values = found.written_out(reader).and_then(Values::of).map_err(|why| says(&why))?;
        let codes = Numbers::read(reader, codes)?.single()?;
        let rows = codes.integers(0)?.map(|code| usize::try_from(code).ok());
        let piece = values.like(picked(&values.array, rows).map_err(|why| says(&why))?);
        columns.push((Label::read(reader, name)?, piece));
        kept.add(Some(range.unwrap_or(Kept::Values(values))), &codes)?;
    }
    Ok(Index::Levels(columns, kept.all(reader)))
}

/// A range as the metadata has it.
pub(super) fn described(name: Json, start: i64, stop: i64, step: i64) -> Json {
    json!({"kind": "range", "name": name, "start": start, "stop": stop, "step": step})
}
