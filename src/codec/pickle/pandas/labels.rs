//! Labels: the names of columns, which in pandas may be numbers, or tuples where there are several levels.
//!
//! Arrow's names are text. They are written as pyarrow writes them, and what they were is in the metadata.

use std::fmt::Write as _;

use super::super::list::{Listed, Pandas};
use super::super::mismatch::{Mismatch, Result};
use super::super::read::Reader;
use super::index::{parts, range, range_len};
use super::numbers::Numbers;
use super::object::{called, elements, entry, needed};
use super::objects::Objects;
use super::{arrow, extension};
use crate::array::Kind;
use crate::pickle::{Items, Node, NodeId};
use crate::table::texts;

/// A label, or the name of an index.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Label {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Tuple(Vec<Label>),
}

impl Label {
    pub(super) fn read(reader: Reader<'_>, id: NodeId) -> Result<Self> {
        let one = |id| {
            reader.tree.spend(1)?;
            Ok(match reader.tree.node(id) {
                Node::None => Self::None,
                Node::Bool(value) => Self::Bool(value),
                Node::Int(value) => Self::Int(value),
                Node::Float(value) => Self::Float(value),
                Node::Str(text) => {
                    reader.tree.spend(text.len())?;
                    Self::Text(text.to_owned())
                }
                _ => return Err(Mismatch::because("a name that is neither text nor a number")),
            })
        };
        match reader.tree.node(id) {
            Node::Tuple(parts) => parts.map(one).collect::<Result<_>>().map(Self::Tuple),
            _ => one(id),
        }
    }

    /// As pyarrow writes it.
    pub(super) fn to_text(&self) -> String {
        match self {
            Self::None => "None".to_owned(),
            Self::Bool(true) => "True".to_owned(),
            Self::Bool(false) => "False".to_owned(),
            Self::Int(value) => value.to_string(),
            Self::Float(value) => format!("{value:?}"),
            Self::Text(text) => text.clone(),
            Self::Tuple(parts) => tuple(parts),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int64",
            Self::Float(_) => "float64",
            Self::Text(_) => "unicode",
            Self::Tuple(_) => "tuple",
        }
    }
}

/// A tuple of texts as Python prints it, which is how it is read again.
fn tuple(parts: &[Label]) -> String {
    let mut text = String::from("(");
    for (at, part) in parts.iter().enumerate() {
        text.push_str(if at > 0 { ", " } else { "" });
        let part = part.to_text();
        let quote = if part.contains('\'') && !part.contains('"') { '"' } else { '\'' };
        text.push(quote);
        for char in part.chars() {
            match char {
                '\\' => text.push_str("\\\\"),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                char if char == quote => text.extend(['\\', char]),
                // writing to a text does not fail
                char if char.is_control() => _ = write!(text, "\\x{:02x}", u32::from(char)),
                char => text.push(char),
            }
        }
        text.push(quote);
    }
    text.push_str(if parts.len() == 1 { ",)" } else { ")" });
    text
}

/// One level of the labels of columns.
pub(super) struct Level {
    pub(super) name: Label,
    /// What its labels are, in pandas' and in NumPy's words.
    pub(super) kind: &'static str,
    pub(super) dtype: String,
}

/// The labels of all columns.
pub(super) struct Labels {
    pub(super) levels: Vec<Level>,
    /// The names of columns in Arrow.
    pub(super) names: Vec<String>,
}

impl Labels {
    /// The labels of so many columns.
    pub(super) fn read(reader: Reader<'_>, id: NodeId, columns: usize) -> Result<Self> {
        let (call, class, entries) = parts(reader, id)?;
        let (levels, names) = if class == Pandas::MultiIndex {
            let part = |name| elements(reader, call, needed(reader, call, entries, name)?);
            let (levels, codes, titles) = (part("levels")?, part("codes")?, part("names")?);
            if levels.len() != codes.len() || levels.len() != titles.len() {
                return Err(call.odd());
            }
            let mut rows = vec![Vec::new(); columns];
            let mut described = Vec::new();
            for ((level, codes), title) in levels.zip(codes).zip(titles) {
                let (_, class, entries) = parts(reader, level)?;
                let (values, dtype) = one(reader, class, entries, None)?;
                let codes = Numbers::read(reader, codes)?.single()?.integers(0)?;
                if codes.len() != columns {
                    return Err(count(codes.len(), columns));
                }
                for (row, code) in rows.iter_mut().zip(codes) {
                    let label = usize::try_from(code).ok().and_then(|code| values.get(code));
                    let label =
                        label.ok_or_else(|| Mismatch::because(format_args!("label {code} of {}", values.len())))?;
                    reader.tree.spend(if let Label::Text(text) = label { 16 + text.len() } else { 16 })?;
                    row.push(label.clone());
                }
                described.push(Level { name: Label::read(reader, title)?, kind: kind(&values)?, dtype });
            }
            (described, rows.iter().map(|row| tuple(row)).collect())
        } else {
            let (values, dtype) = one(reader, class, entries, Some(columns))?;
            let name = match entry(reader, entries, "name")? {
                Some(name) => Label::read(reader, name)?,
                None => Label::None,
            };
            let level = Level { name, kind: kind(&values)?, dtype };
            (vec![level], values.iter().map(Label::to_text).collect())
        };
        let labels = Self { levels, names };
        if labels.names.len() != columns {
            return Err(count(labels.names.len(), columns));
        }
        labels.check_distinct()?;
        Ok(labels)
    }

    /// The label of a series.
    pub(super) fn single(label: &Label) -> Result<Self> {
        let names = vec![label.to_text()];
        let level = |label: &Label| Level {
            name: Label::None,
            kind: if *label == Label::None { "empty" } else { label.kind() },
            dtype: dtype_of(label).to_owned(),
        };
        let levels = match label {
            Label::Tuple(parts) => parts.iter().map(level).collect(),
            label => vec![level(label)],
        };
        Ok(Self { levels, names })
    }

    /// Refuses two columns of one name.
    pub(super) fn check_distinct(&self) -> Result<()> {
        let mut sorted: Vec<_> = self.names.iter().collect();
        sorted.sort();
        match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => {
                Err(super::piece::named(pair[0], "there are two of this name, which a table keeps apart by it"))
            }
            None => Ok(()),
        }
    }
}

fn count(labels: impl std::fmt::Display, columns: usize) -> Mismatch {
    Mismatch::because(format_args!("{labels} labels for {columns} columns"))
}

fn dtype_of(label: &Label) -> &'static str {
    match label {
        Label::Bool(_) => "bool",
        Label::Int(_) => "int64",
        Label::Float(_) => "float64",
        _ => "object",
    }
}

/// What all labels of a level are.
pub(super) fn kind(labels: &[Label]) -> Result<&'static str> {
    let kind = labels.first().map_or("empty", Label::kind);
    match labels.iter().find(|label| label.kind() != kind) {
        Some(other) => Err(Mismatch::because(format_args!(
            "column {:?}: labels of more than one kind, {kind} and {}, which are one in Arrow",
            crate::error::excerpt(other.to_text()),
            other.kind()
        ))),
        None if matches!(kind, "tuple" | "None") => {
            Err(Mismatch::because(format_args!("labels of columns that are of kind {kind}")))
        }
        None => Ok(kind),
    }
}

/// The labels of an index of one level, and its dtype.
fn one<'g>(
    reader: Reader<'g>,
    class: Pandas,
    entries: Items<'g>,
    wanted: Option<usize>,
) -> Result<(Vec<Label>, String)> {
    let odd = || Mismatch::because("labels of columns that are neither text nor numbers");
    let call = called(reader, reader.id)?;
    if class == Pandas::RangeIndex {
        let (start, stop, step) = range(reader, call, entries)?;
        let len = range_len(start, stop, step);
        if wanted.is_some_and(|wanted| wanted as u64 != len) {
            return Err(count(len, wanted.unwrap_or(0)));
        }
        let len = usize::try_from(len).map_err(|_| odd())?;
        reader.tree.spend(len.saturating_mul(16))?;
        return Ok((
            (0..len as i64).map(|at| Label::Int(start.wrapping_add(at.wrapping_mul(step)))).collect(),
            "int64".to_owned(),
        ));
    }
    if class == Pandas::MultiIndex {
        return Err(odd());
    }
    let data = needed(reader, call, entries, "data")?;
    if let Listed::Pandas(Pandas::ArrowStrings | Pandas::Backed) = called(reader, data)?.listed {
        let piece = extension::column(reader, data)?;
        if !arrow::is_text(&piece.data_type) {
            return Err(odd());
        }
        let bytes = piece.column.buffers.iter().filter_map(|slot| slot.buffer.as_ref()).map(|buffer| buffer.len());
        reader.tree.spend(bytes.fold(0, usize::saturating_add))?;
        let labels = texts(piece.column, &piece.data_type).map_err(Mismatch::because)?;
        return Ok((labels.into_iter().map(|text| text.map_or(Label::None, Label::Text)).collect(), piece.dtype));
    }
    if let Some(objects) = Objects::read(reader, data)? {
        let labels = objects.items().map(|id| Label::read(reader, id)).collect::<Result<Vec<_>>>()?;
        return Ok((labels, "object".to_owned()));
    }
    let numbers = Numbers::read(reader, data)?.single()?;
    reader.tree.spend(numbers.rows.saturating_mul(16))?;
    let labels = match numbers.kind() {
        Kind::F64 => {
            let bytes = numbers.piece(0, None)?.column.buffers.pop().and_then(|slot| slot.buffer).unwrap_or_default();
            let floats = bytes.as_chunks::<8>().0.iter();
            floats.map(|&bytes| Label::Float(f64::from_le_bytes(bytes))).collect()
        }
        _ => numbers.integers(0).map_err(|_| odd())?.map(Label::Int).collect(),
    };
    Ok((labels, numbers.name().to_owned()))
}
