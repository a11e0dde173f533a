//! Labels: the names of columns, which in pandas may be numbers, or tuples where there are several levels.
//!
//! Arrow's names are text. They are written as pyarrow writes them, and what they were is in the metadata.

use std::fmt::Write as _;

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_cast::cast;
use arrow_schema::DataType;

use super::super::form::Call;
use super::super::list::{Listed, Pandas};
use super::super::mismatch::{Mismatch, Result};
use super::super::read::Reader;
use super::axis::{Axis, Kept, Levels, Values};
use super::index::{parts, range, range_len};
use super::numbers::Numbers;
use super::object::{called, elements, entry, needed};
use super::objects::Objects;
use super::piece::Piece;
use super::{arrow, extension};
use crate::pickle::{Items, Node, NodeId};
use crate::table::{MAX_PARTS, texts};

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
            Ok(match reader.tree.shown(id) {
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
        match reader.tree.shown(id) {
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

    /// A label that is the same where two are equal in Python: of one kind, only zeros are with and without a sign.
    fn without_sign(&self) -> Self {
        match self {
            Self::Float(value) => Self::Float(value + 0.0),
            Self::Tuple(parts) => Self::Tuple(parts.iter().map(Self::without_sign).collect()),
            label => label.clone(),
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
#[derive(Default)]
pub(super) struct Labels {
    pub(super) levels: Vec<Level>,
    /// The names of columns in Arrow.
    pub(super) names: Vec<String>,
    /// What they were in Python, where that was not in the pickle.
    pub(super) kept: Option<Axis>,
}

/// The labels of a level, their dtype, and what they were in Python.
pub(super) struct Found {
    pub(super) labels: Vec<Label>,
    pub(super) dtype: String,
    pub(super) kept: Option<Kept>,
    /// Whether that was not in the pickle.
    pub(super) is_beside: bool,
}

impl Labels {
    /// The labels of so many columns.
    pub(super) fn read(reader: Reader<'_>, id: NodeId, columns: usize) -> Result<Self> {
        let (call, class, entries) = parts(reader, id)?;
        let (labels, all) = if class == Pandas::MultiIndex {
            let part = |name| needed(reader, call, entries, name);
            let level = |id| {
                let (_, class, entries) = parts(reader, id)?;
                one(reader, class, entries, None)
            };
            several(reader, call, [part("levels")?, part("codes")?, part("names")?], level)?
        } else {
            let found = one(reader, class, entries, Some(columns))?;
            let name = match entry(reader, entries, "name")? {
                Some(name) => Label::read(reader, name)?,
                None => Label::None,
            };
            found.alone(name)?
        };
        if labels.names.len() != columns {
            return Err(count(labels.names.len(), columns));
        }
        labels.check_distinct(&all)?;
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
        Ok(Self { levels, names, kept: None })
    }

    /// Refuses two columns of one name, or of labels that are one key of a dict.
    pub(super) fn check_distinct(&self, labels: &[Label]) -> Result<()> {
        let keys: Vec<_>;
        let keys = match self.levels.iter().any(|level| level.kind == "float64") {
            true => {
                keys = labels.iter().map(|label| label.without_sign().to_text()).collect();
                &keys
            }
            false => &self.names,
        };
        let mut sorted: Vec<_> = keys.iter().collect();
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

impl Found {
    /// The labels of an index of one level, and each as it is in pandas.
    pub(super) fn alone(self, name: Label) -> Result<(Labels, Vec<Label>)> {
        let Self { labels, dtype, kept, is_beside } = self;
        let kept = match kept {
            Some(Kept::Values(values)) if is_beside => Some(Axis::One(values)),
            _ => None,
        };
        let names = labels.iter().map(Label::to_text).collect();
        Ok((Labels { levels: vec![Level { name, kind: kind(&labels)?, dtype }], names, kept }, labels))
    }

    /// The labels that a column of text or numbers is.
    pub(super) fn of(reader: Reader<'_>, piece: Piece, is_beside: bool) -> Result<Self> {
        let bytes = piece.column.buffers.iter().filter_map(|slot| slot.buffer.as_ref()).map(|buffer| buffer.len());
        let rows = usize::try_from(piece.column.len).unwrap_or(usize::MAX);
        reader.tree.spend(bytes.fold(rows.saturating_mul(16), usize::saturating_add))?;
        let values = Values::of(piece)?;
        let labels = match values.data_type() {
            text if arrow::is_text(text) => {
                let texts = texts(&values.array).map_err(Mismatch::because)?;
                texts.into_iter().map(|text| text.map_or(Label::None, Label::Text)).collect()
            }
            DataType::Float64 => {
                values.array.as_primitive::<Float64Type>().values().iter().copied().map(Label::Float).collect()
            }
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => integers(&values.array)?,
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => integers(&values.array)?,
            _ => return Err(odd()),
        };
        Ok(Self { labels, dtype: values.dtype.clone(), kept: Some(Kept::Values(values)), is_beside })
    }
}

fn integers(array: &ArrayRef) -> Result<Vec<Label>> {
    let wide = cast(array, &DataType::Int64).map_err(|_| odd())?;
    Ok(wide.as_primitive::<Int64Type>().values().iter().copied().map(Label::Int).collect())
}

fn odd() -> Mismatch {
    Mismatch::because("labels of columns that are neither text nor numbers")
}

/// The levels, codes and names of labels of several levels, and the labels as they are in pandas.
pub(super) fn several<'g>(
    reader: Reader<'g>,
    call: Call<'g>,
    parts: [NodeId; 3],
    level: impl Fn(NodeId) -> Result<Found>,
) -> Result<(Labels, Vec<Label>)> {
    let [levels, codes, titles] = parts.map(|part| elements(reader, call, part));
    let (levels, codes, titles) = (levels?, codes?, titles?);
    if levels.len() != codes.len() || levels.len() != titles.len() {
        return Err(call.odd());
    }
    let mut rows: Option<Vec<Vec<Label>>> = None;
    let (mut described, mut kept) = (Vec::new(), Levels::default());
    for ((id, codes), title) in levels.zip(codes).zip(titles) {
        let Found { labels, dtype, kept: values, .. } = level(id)?;
        let numbers = Numbers::read(reader, codes)?.single()?;
        let codes = numbers.integers(0)?;
        if codes.len() > MAX_PARTS {
            return Err(count(codes.len(), MAX_PARTS));
        }
        let rows = rows.get_or_insert_with(|| vec![Vec::new(); codes.len()]);
        if codes.len() != rows.len() {
            return Err(count(codes.len(), rows.len()));
        }
        for (row, code) in rows.iter_mut().zip(codes) {
            let label = usize::try_from(code).ok().and_then(|code| labels.get(code));
            let label = label.ok_or_else(|| Mismatch::because(format_args!("label {code} of {}", labels.len())))?;
            reader.tree.spend(if let Label::Text(text) = label { 16 + text.len() } else { 16 })?;
            row.push(label.clone());
        }
        described.push(Level { name: Label::read(reader, title)?, kind: kind(&labels)?, dtype });
        kept.add(reader, values, &numbers)?;
    }
    let all: Vec<_> = rows.unwrap_or_default().into_iter().map(Label::Tuple).collect();
    let kept = Some(kept.all()).filter(|levels| !levels.is_empty()).map(Axis::Several);
    Ok((Labels { levels: described, names: all.iter().map(Label::to_text).collect(), kept }, all))
}

/// The labels of an index of one level.
fn one<'g>(reader: Reader<'g>, class: Pandas, entries: Items<'g>, wanted: Option<usize>) -> Result<Found> {
    let call = called(reader, reader.id)?;
    if class == Pandas::RangeIndex {
        let (start, stop, step) = range(reader, call, entries)?;
        return of_range(reader, [start, stop, step], wanted);
    }
    if class == Pandas::MultiIndex {
        return Err(odd());
    }
    let data = needed(reader, call, entries, "data")?;
    if let Listed::Pandas(listed @ (Pandas::ArrowStrings | Pandas::Backed)) = called(reader, data)?.listed {
        let piece = extension::column(reader, data)?;
        if !arrow::is_text(&piece.data_type) {
            return Err(odd());
        }
        return Found::of(reader, piece, listed == Pandas::ArrowStrings && reader.tree.has_frames());
    }
    if let Some(objects) = Objects::read(reader, data)? {
        let labels = objects.items().map(|id| Label::read(reader, id)).collect::<Result<Vec<_>>>()?;
        // of one level they are in the pickle again, and what has no type is no level
        let is_level = wanted.is_none();
        let values = is_level.then(|| objects.piece(reader).and_then(Values::of).ok()).flatten();
        let kept = values.map(Kept::Values);
        return Ok(Found { labels, dtype: "object".to_owned(), kept, is_beside: false });
    }
    let numbers = Numbers::read(reader, data)?.single()?;
    let is_beside = numbers.is_in_frame();
    Found::of(reader, numbers.piece(0, None).map_err(|_| odd())?, is_beside)
}

/// The labels of a range.
pub(super) fn of_range(reader: Reader<'_>, bounds: [i64; 3], wanted: Option<usize>) -> Result<Found> {
    let [start, stop, step] = bounds;
    let len = range_len(start, stop, step);
    if wanted.is_some_and(|wanted| wanted as u64 != len) {
        return Err(count(len, wanted.unwrap_or(0)));
    }
    let len = usize::try_from(len).map_err(|_| odd())?;
    reader.tree.spend(len.saturating_mul(16))?;
    let labels = (0..len as i64).map(|at| Label::Int(start.wrapping_add(at.wrapping_mul(step)))).collect();
    let kept = Some(Kept::Range { start, stop, step });
    Ok(Found { labels, dtype: "int64".to_owned(), kept, is_beside: false })
}
