//! Series and arrays of pandas: frames of one column.

use super::super::form::Call;
use super::super::list::{Listed, Pandas};
use super::super::mismatch::Result;
use super::super::read::Reader;
use super::extension;
use super::frame::Frame;
use super::index::Index;
use super::label::Label;
use super::labels::Labels;
use super::object::{attributes, called, elements, entry, exactly, needed, state};
use super::passed;
use super::piece::{Piece, named};
use super::shown::Shown;

/// `Series()` with the state `{"_mgr": SingleBlockManager(), "_name": name, ...}`, and in the manager's state the index, the values
/// and both once more.
pub(super) fn read<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<Shown> {
    let entries = attributes(reader, call)?;
    // `_name` since pandas 2.1
    let name = match entry(reader, entries, "_name")?.or(entry(reader, entries, "name")?) {
        Some(name) => Label::of_series(reader, name)?,
        None => Label::None,
    };
    let manager = called(reader, needed(reader, call, entries, "_mgr")?)?;
    if manager.listed != Listed::Pandas(Pandas::SingleBlock) || manager.arguments.len() > 0 {
        return Err(manager.odd());
    }
    let mut parts = elements(reader, manager, state(reader, manager)?)?;
    let (Some(axes), Some(values)) = (parts.next(), parts.next()) else { return Err(manager.odd()) };
    let rest = if reader.tree.has_frames() { parts.collect() } else { Vec::new() };
    let ([index], [value]) = (exactly(reader, manager, axes)?, exactly(reader, manager, values)?);
    let passed = passed::frames(reader, rest, [axes, index, values, value])?;
    let labels = Labels::single(&name)?;
    let column = extension::column(reader, value).map_err(|why| named(&labels.names[0], why))?;
    let index = Index::read(reader, index)?;
    Frame { columns: vec![column], labels: Some(labels), index, origin: Some("pandas.Series") }
        .shown_with(reader, passed)
}

/// An array of pandas by itself.
pub(super) fn array(reader: Reader<'_>) -> Result<Shown> {
    lone(reader, extension::column(reader, reader.id)?)
}

/// A column that is all there is, under the name `values`.
pub(super) fn lone(reader: Reader<'_>, column: Piece) -> Result<Shown> {
    let stop = i64::try_from(column.column.len).unwrap_or(i64::MAX);
    let index = Index::Range { name: Label::None, start: 0, stop, step: 1 };
    let mut labels = Labels::single(&Label::Text("values".to_owned()))?;
    // what this pandas takes text for
    labels.levels.iter_mut().for_each(|level| level.dtype = "str".to_owned());
    Frame { columns: vec![column], labels: Some(labels), index, origin: Some("pandas.array") }.shown(reader)
}
