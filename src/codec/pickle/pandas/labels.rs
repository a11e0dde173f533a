//! The labels of columns: what an index of one level or of several says that they are.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, UInt64Type};
use arrow_cast::cast;
use arrow_schema::DataType;

use super::super::form::Call;
use super::super::list::{Listed, Pandas};
use super::super::mismatch::{Mismatch, Result};
use super::super::read::Reader;
use super::axis::{Axis, Kept, Levels, Values};
use super::index::{parts, range, range_len};
use super::label::Label;
use super::numbers::Numbers;
use super::object::{called, elements, entry, needed};
use super::objects::Objects;
use super::piece::Piece;
use super::{arrow, extension};
use crate::pickle::{Items, NodeId};
use crate::table::{MAX_PARTS, texts};

/// One level of the labels of columns.
pub(super) struct Level {
    pub(super) name: Label,
    /// What its labels are, in pandas' and in NumPy's words.
    pub(super) kind: &'static str,
    pub(super) dtype: String,
    /// Whether they are parts of tuples, also where there is no other level.
    pub(super) is_of_tuples: bool,
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
            is_of_tuples: false,
        };
        let levels = match label {
            Label::Tuple(parts) => parts.iter().map(|part| Level { is_of_tuples: true, ..level(part) }).collect(),
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

/// What all labels of a level of this dtype are, which is what pyarrow makes them before it makes that dtype of them.
pub(super) fn kind_of(labels: &[Label], dtype: &str) -> Result<&'static str> {
    let is_large = |label: &Label| matches!(label, Label::Int(value) if *value > i128::from(i64::MAX));
    Ok(match kind(labels)? {
        "int64" if dtype == "uint64" || labels.iter().any(is_large) => "uint64",
        kind => kind,
    })
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
        let level = Level { name, kind: kind_of(&labels, &dtype)?, dtype, is_of_tuples: false };
        Ok((Labels { levels: vec![level], names, kept }, labels))
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
            _ if values.array.null_count() > 0 => {
                return Err(Mismatch::because("labels of columns of which one is missing"));
            }
            // objects of which there are none
            DataType::Null if values.array.is_empty() => Vec::new(),
            DataType::Boolean => values.array.as_boolean().values().iter().map(Label::Bool).collect(),
            DataType::Float32 | DataType::Float64 => {
                let wide = cast(&values.array, &DataType::Float64).map_err(|_| odd(values.data_type()))?;
                wide.as_primitive::<Float64Type>().values().iter().copied().map(Label::Float).collect()
            }
            DataType::UInt64 => {
                let numbers = values.array.as_primitive::<UInt64Type>().values().iter();
                numbers.map(|&number| Label::Int(number.into())).collect()
            }
            integer if integer.is_integer() => {
                let wide = cast(&values.array, &DataType::Int64).map_err(|_| odd(integer))?;
                wide.as_primitive::<Int64Type>().values().iter().map(|&number| Label::Int(number.into())).collect()
            }
            other => return Err(odd(other)),
        };
        Ok(Self { labels, dtype: values.dtype.clone(), kept: Some(Kept::Values(values)), is_beside })
    }
}

fn odd(what: impl std::fmt::Display) -> Mismatch {
    Mismatch::because(format_args!("labels of columns that are {what}, and not text, numbers or truth values"))
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
    for (at, ((id, codes), title)) in levels.zip(codes).zip(titles).enumerate() {
        let says = |why: &dyn std::fmt::Display| Mismatch::because(format_args!("level {at} of the labels: {why}"));
        let Found { labels, dtype, kept: values, .. } = level(id).map_err(|why| says(&why))?;
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
            let label = label.ok_or_else(|| match code {
                -1 => says(&"a label is missing, for which a column has no name"),
                code => says(&format_args!("label {code} of {}", labels.len())),
            })?;
            reader.tree.spend(if let Label::Text(text) = label { 16 + text.len() } else { 16 })?;
            row.push(label.clone());
        }
        described.push(Level {
            name: Label::read(reader, title)?,
            kind: kind_of(&labels, &dtype).map_err(|why| says(&why))?,
            dtype,
            is_of_tuples: true,
        });
        kept.add(values, &numbers)?;
    }
    let all: Vec<_> = rows.unwrap_or_default().into_iter().map(Label::Tuple).collect();
    let kept = Some(kept.all(reader)).filter(|levels| !levels.is_empty()).map(Axis::Several);
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
        return Err(odd("an index of several levels"));
    }
    let data = needed(reader, call, entries, "data")?;
    let listed = called(reader, data)?.listed;
    if let Listed::Pandas(listed @ (Pandas::ArrowStrings | Pandas::ArrowValues | Pandas::Backed | Pandas::Masked)) =
        listed
    {
        let is_beside = listed != Pandas::Backed && reader.tree.has_frames();
        return Found::of(reader, extension::column(reader, data)?, is_beside);
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
    Found::of(reader, numbers.piece(0, None)?, is_beside)
}

/// The labels of a range.
pub(super) fn of_range(reader: Reader<'_>, bounds: [i64; 3], wanted: Option<usize>) -> Result<Found> {
    let [start, stop, step] = bounds;
    let len = range_len(start, stop, step);
    if wanted.is_some_and(|wanted| wanted as u64 != len) {
        return Err(count(len, wanted.unwrap_or(0)));
    }
    let len = usize::try_from(len).map_err(|_| count(len, wanted.unwrap_or(0)))?;
    reader.tree.spend(len.saturating_mul(16))?;
    let labels = (0..len as i64).map(|at| Label::Int(start.wrapping_add(at.wrapping_mul(step)).into())).collect();
    let kept = Some(Kept::Range { start, stop, step });
    Ok(Found { labels, dtype: "int64".to_owned(), kept, is_beside: false })
}
