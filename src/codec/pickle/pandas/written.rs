//! Tables as this crate writes them (`write::table`, `write::column`): calls of pandas' public names, which pandas itself does
//! not pickle as such. Each call is read in the one form that is written, and in no other.
//!
//! ```text
//!   DataFrame({label: column, ...}, index, labels, None, False)
//!   DataFrame(ndarray((rows, columns), dtype, buffer, 0, None, "F"), index, labels, None, False)
//!   Series(column, index, dtype, label, False)
//!   array(column, dtype, False)
//!   index    RangeIndex(start, stop, step, None, False, name)
//!            Index(column, dtype, False, name)
//!            MultiIndex.from_arrays([index, ...], None, [name, ...])
//!            MultiIndex([index, ...], [ndarray, ...], None, [name, ...], verify_integrity=False)
//!   labels   the same, of columns or of lists
//!   column   ndarray(rows, dtype, buffer)    [text, ...]    Index([object, ...], dtype)
//!            ndarray(rows, dtype, block, offset)
//!            IntegerArray(ndarray, mask)     array([text, ...], dtype)
//!            Categorical.from_codes(ndarray, Index(column), ordered)
//!            array(pyarrow array, dtype, False), Index(pyarrow array, "str", False), also for categories
//!            array(pyarrow array, ArrowDtype(type), False)
//!            DatetimeIndex.tz_convert(DatetimeIndex.tz_localize(DatetimeIndex(ndarray), "UTC"), zone)
//! ```

use super::super::form::Call;
use super::super::list::{Listed, Pandas, PyArrow};
use super::super::mismatch::{Mismatch, Result};
use super::super::read::Reader;
use super::column::column;
use super::frame::Frame;
use super::index::{self, Index};
use super::label::Label;
use super::labels::{self, Labels, Level};
use super::numbers::Numbers;
use super::object::{called, elements};
use super::piece::{Piece, named};
use super::series;
use super::shown::Shown;
use crate::pickle::{Construction, Node, NodeId};

/// `DataFrame({label: column, ...}, index, labels, None, False)`.
pub(super) fn frame<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<Shown> {
    let [columns, index, labels, dtype, copy] = bare(reader, call)?;
    let (Node::None, Node::Bool(false)) = (reader.tree.node(dtype), reader.tree.node(copy)) else {
        return Err(call.odd());
    };
    let (labels, wanted) = self::labels(reader, labels)?;
    let mut entries = match reader.tree.node(columns) {
        Node::Dict(entries) => entries,
        Node::Object(_) => {
            let columns = block(reader, call, columns, labels.names.len())?;
            return Frame { columns, labels: Some(labels), index: Index::read(reader, index)?, origin: None }
                .shown(reader);
        }
        _ => return Err(call.odd()),
    };
    let mut pieces = Vec::new();
    for (name, wanted) in labels.names.iter().zip(&wanted) {
        let (Some(label), Some(column)) = (entries.next(), entries.next()) else { return Err(call.odd()) };
        // as Python compares them in a dict, where NaN is found
        if Label::read(reader, label)?.key() != wanted.key() {
            return Err(named(name, "a label that is none of the columns'"));
        }
        pieces.push(self::column(reader, column).map_err(|why| named(name, why))?);
    }
    if entries.len() > 0 {
        return Err(call.odd());
    }
    Frame { columns: pieces, labels: Some(labels), index: Index::read(reader, index)?, origin: None }.shown(reader)
}

/// The columns of `ndarray((rows, columns), dtype, buffer, 0, None, "F")`.
fn block<'g>(reader: Reader<'g>, call: Call<'g>, id: NodeId, columns: usize) -> Result<Vec<Piece>> {
    let array = called(reader, id)?;
    if array.listed != Listed::NdArray {
        return Err(call.odd());
    }
    let numbers = Numbers::of_columns(reader, id)?;
    if numbers.columns != columns {
        return Err(Mismatch::because(format_args!("an array of {} columns for {columns} labels", numbers.columns)));
    }
    let piece = |column| {
        reader.tree.spend(super::objects::PIECE)?;
        numbers.piece(column, None)
    };
    (0..columns).map(piece).collect()
}

/// `Series(column, index, dtype, label, False)`.
pub(super) fn series<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<Shown> {
    let [values, index, dtype, label, copy] = bare(reader, call)?;
    if !matches!(reader.tree.node(copy), Node::Bool(false)) {
        return Err(call.odd());
    }
    let labels = Labels::single(&Label::read(reader, label)?)?;
    let column = column(reader, values).map_err(|why| named(&labels.names[0], why))?;
    is_dtype_of(reader, call, dtype, &column)?;
    let index = Index::read(reader, index)?;
    Frame { columns: vec![column], labels: Some(labels), index, origin: Some("pandas.Series") }.shown(reader)
}

/// `array(column, dtype, False)`: an array by itself, which is none of pyarrow's.
pub(super) fn array<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<Shown> {
    let [values, dtype, copy] = bare(reader, call)?;
    if called(reader, values).is_ok_and(|values| values.listed == Listed::PyArrow(PyArrow::Array)) {
        return Err(call.odd());
    }
    let column = column(reader, values)?;
    match (reader.tree.node(dtype), reader.tree.node(copy)) {
        (Node::None, Node::Bool(false)) => series::lone(reader, column),
        (Node::Str(dtype), Node::Bool(false)) if dtype == column.dtype => series::lone(reader, column),
        _ => Err(call.odd()),
    }
}

/// The index that a call makes: one that pandas does not pickle.
pub(super) fn index<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<Index> {
    match call.listed {
        Listed::Pandas(Pandas::RangeIndex) => {
            let [start, stop, step, dtype, copy, name] = bare(reader, call)?;
            let bounds = [start, stop, step].map(|bound| reader.tree.node(bound));
            match (bounds, reader.tree.node(dtype), reader.tree.node(copy)) {
                ([_, _, Node::Int(0)], ..) => Err(call.odd()),
                ([Node::Int(start), Node::Int(stop), Node::Int(step)], Node::None, Node::Bool(false)) => {
                    Ok(Index::Range { name: Label::read(reader, name)?, start, stop, step })
                }
                _ => Err(call.odd()),
            }
        }
        Listed::Pandas(Pandas::Index) => {
            let level = level(reader, call).map_err(|why| Mismatch::because(format_args!("the index: {why}")))?;
            Ok(Index::Level(level.0, level.1))
        }
        Listed::Pandas(Pandas::MultiIndex) => {
            index::several(reader, call, coded(reader, call)?, |reader, id| single(reader, called(reader, id)?))
        }
        _ => {
            let (levels, names) = levels(reader, call)?;
            let level = |(at, (level, name))| {
                let says = |why| Mismatch::because(format_args!("level {at} of the index: {why}"));
                let (_, piece) = called(reader, level).and_then(|call| self::level(reader, call)).map_err(says)?;
                Ok((Label::read(reader, name)?, piece))
            };
            levels
                .zip(names)
                .enumerate()
                .map(level)
                .collect::<Result<_>>()
                .map(|levels| Index::Levels(levels, Vec::new()))
        }
    }
}

/// A level of several, which is no index of several itself.
fn single<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<Index> {
    match call.listed {
        Listed::Pandas(Pandas::Index | Pandas::RangeIndex) => index(reader, call),
        _ => Err(call.odd()),
    }
}

/// The levels, codes and names of `MultiIndex.__new__(MultiIndex, [index, ...], [codes, ...], None, [name, ...], verify_integrity=False)`.
fn coded<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<[NodeId; 3]> {
    let keywords = call.object.keywords.map(|id| reader.tree.node(id));
    let (Construction::New, Some(Node::Dict(mut entries))) = (call.object.construction, keywords) else {
        return Err(call.odd());
    };
    let entry = [entries.next(), entries.next()].map(|id| id.map(|id| reader.tree.node(id)));
    let [levels, codes, order, names] = call.exactly()?;
    match (entry, entries.len(), reader.tree.node(order)) {
        ([Some(Node::Str("verify_integrity")), Some(Node::Bool(false))], 0, Node::None)
            if is_untouched(reader, call) =>
        {
            Ok([levels, codes, names])
        }
        _ => Err(call.odd()),
    }
}

/// `Index(column, dtype, False, name)`.
fn level<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<(Label, Piece)> {
    let [values, dtype, copy, name] = plain_index(reader, call)?;
    if !matches!(reader.tree.node(copy), Node::Bool(false)) {
        return Err(call.odd());
    }
    let column = column(reader, values)?;
    is_dtype_of(reader, call, dtype, &column)?;
    Ok((Label::read(reader, name)?, column))
}

/// The parts of `MultiIndex.from_arrays([level, ...], None, [name, ...])`.
fn levels<'g>(
    reader: Reader<'g>,
    call: Call<'g>,
) -> Result<(impl ExactSizeIterator<Item = NodeId>, impl ExactSizeIterator<Item = NodeId>)> {
    let [levels, order, names] = bare(reader, call)?;
    let (Listed::Pandas(Pandas::FromArrays), Node::None) = (call.listed, reader.tree.node(order)) else {
        return Err(call.odd());
    };
    let (levels, names) = (elements(reader, call, levels)?, elements(reader, call, names)?);
    match levels.len() {
        len if len == names.len() && (1..=index::MAX_LEVELS).contains(&len) => Ok((levels, names)),
        _ => Err(call.odd()),
    }
}

/// The labels of columns, and each as it is in pandas.
fn labels(reader: Reader<'_>, id: NodeId) -> Result<(Labels, Vec<Label>)> {
    let call = called(reader, id)?;
    let found = match call.listed {
        Listed::Pandas(Pandas::MultiIndex) => {
            labels::several(reader, call, coded(reader, call)?, |id| labels_of_one(reader, called(reader, id)?))
        }
        Listed::Pandas(Pandas::FromArrays) => labels_from_arrays(reader, call),
        _ => labels_of_level(reader, call).and_then(|(found, name)| found.alone(name)),
    }?;
    found.0.check_distinct(&found.1)?;
    Ok(found)
}

fn labels_from_arrays<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<(Labels, Vec<Label>)> {
    let (levels, names) = levels(reader, call)?;
    let mut described = Vec::new();
    let mut rows: Vec<Vec<Label>> = Vec::new();
    for (at, (level, name)) in levels.zip(names).enumerate() {
        let (found, _) = labels_of_level(reader, called(reader, level)?)?;
        if at == 0 {
            rows.resize(found.labels.len(), Vec::new());
        }
        if rows.len() != found.labels.len() {
            return Err(call.odd());
        }
        let (kind, dtype) = (labels::kind_of(&found.labels, &found.dtype)?, found.dtype);
        described.push(Level { name: Label::read(reader, name)?, kind, dtype, is_of_tuples: true });
        rows.iter_mut().zip(found.labels).for_each(|(row, label)| row.push(label));
    }
    let all: Vec<_> = rows.into_iter().map(Label::Tuple).collect();
    Ok((Labels { levels: described, names: all.iter().map(Label::to_text).collect(), kept: None }, all))
}

/// The labels of one of several levels as they came, which may be a range.
fn labels_of_one<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<labels::Found> {
    match single(reader, call)? {
        Index::Range { start, stop, step, .. } => labels::of_range(reader, [start, stop, step], None),
        Index::Level(_, piece) => labels::Found::of(reader, piece, true),
        Index::Levels(..) => Err(call.odd()),
    }
}

/// `Index([label, ...], dtype, False, name)`, or an index as it came; and its name.
fn labels_of_level<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<(labels::Found, Label)> {
    let [list, dtype, copy, name] = plain_index(reader, call)?;
    let Node::List(items) = reader.tree.node(list) else {
        let (name, piece) = level(reader, call)?;
        return Ok((labels::Found::of(reader, piece, reader.tree.has_frames())?, name));
    };
    if !matches!(reader.tree.node(copy), Node::Bool(false)) {
        return Err(call.odd());
    }
    let labels = items.map(|id| Label::read(reader, id)).collect::<Result<Vec<_>>>()?;
    let kind = labels::kind(&labels)?;
    let dtype = match reader.tree.node(dtype) {
        Node::None if kind == "unicode" => "str",
        Node::None => "object",
        Node::Str(dtype) => {
            reader.tree.spend(dtype.len())?;
            dtype
        }
        _ => return Err(call.odd()),
    };
    let found = labels::Found { labels, dtype: dtype.to_owned(), kept: None, is_beside: false };
    Ok((found, Label::read(reader, name)?))
}

/// The arguments of `Index` itself, which is the class of every index where pandas pickles one.
pub(super) fn plain_index<'g, const N: usize>(reader: Reader<'g>, call: Call<'g>) -> Result<[NodeId; N]> {
    match (call.listed, call.name) {
        (Listed::Pandas(Pandas::Index), "Index") => bare(reader, call),
        _ => Err(call.odd()),
    }
}

/// Just so many arguments of a call of which nothing else is made.
pub(super) fn bare<'g, const N: usize>(reader: Reader<'g>, call: Call<'g>) -> Result<[NodeId; N]> {
    let is_bare = call.object.construction == Construction::Reduce && call.object.keywords.is_none();
    if is_bare && is_untouched(reader, call) { call.exactly() } else { Err(call.odd()) }
}

/// Whether nothing was done to an object after it was made.
fn is_untouched<'g>(reader: Reader<'g>, call: Call<'g>) -> bool {
    let (graph, object) = (reader.tree.graph(), call.object);
    graph.states_of(object).len() == 0 && graph.items_of(object).len() == 0 && graph.entries_of(object).len() == 0
}

/// Checks the dtype beside a column: `None`, or `"object"` for one of objects.
fn is_dtype_of<'g>(reader: Reader<'g>, call: Call<'g>, dtype: NodeId, column: &Piece) -> Result<()> {
    match reader.tree.node(dtype) {
        Node::None => Ok(()),
        Node::Str("object") if column.dtype == "object" => Ok(()),
        _ => Err(call.odd()),
    }
}
