//! Tables as calls of pandas' public names: `DataFrame(columns, index, labels, None, False)`, which copies none of its columns: a dict
//! of them, or an array of two axes where they lie in one block.
//!
//! What the index, the labels and the dtypes were is in the metadata where pandas or pyarrow made the table; without it the index is
//! a range, and each column what its Arrow type is by default.

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use serde::ser::Error as _;
use serde_json::Value as Json;

use super::Writer;
use super::array::Parts;
use super::arrow::{self, Storage};
use super::block::{Block, Blocks};
use super::described::{Described, Index};
use crate::codec::pickle::pandas::{Label, Part};
use crate::codec::unserializable::{Result, Unserializable};
use crate::error::excerpt;
use crate::pickle::opcode as op;
use crate::table::Table;

/// Values, and what pandas has them as.
#[derive(Clone, Copy)]
pub(super) struct Form<'f> {
    pub(super) array: &'f ArrayRef,
    pub(super) dtype: &'f str,
    pub(super) storage: Storage,
    /// Whether categories have an order.
    pub(super) is_ordered: bool,
    pub(super) part: &'f Part,
}

impl Writer<'_> {
    /// A frame, or what it was that was none: a series, an index, an object of pyarrow.
    pub(super) fn table(&mut self, table: &Table) -> Result<()> {
        self.unhashable("a table")?;
        if self.of_pyarrow(table)? {
            return Ok(());
        }
        let batch = table.batch();
        let described = Described::of(table)?;
        self.check_made(batch, &described)?;
        match described.origin.as_deref() {
            Some("pandas.Index") => self.index(batch, &described),
            Some("pandas.Series") if described.columns.len() == 1 => {
                self.global("pandas", "Series");
                self.out.op(op::MARK);
                self.values(batch, described.columns[0], &described)?;
                self.index(batch, &described)?;
                match described.dtype(described.columns[0]) {
                    "object" => self.out.text("object"),
                    _ => self.out.op(op::NONE),
                }
                self.label(described.labels.first().unwrap_or(&Label::None));
                self.out.bool(false);
                self.out.ops(&[op::TUPLE, op::REDUCE]);
                Ok(())
            }
            Some("pandas.array") if described.columns.len() == 1 => self.lone_array(batch, &described),
            _ => self.frame(table, &described),
        }?;
        described.came().passed.iter().for_each(|frame| self.passed_over(frame));
        Ok(())
    }

    /// An array of pandas by itself: `array(column, dtype, False)`. A dtype stands there where the column is an array of NumPy, or of
    /// Python objects, of which pandas would make something else.
    fn lone_array(&mut self, batch: &RecordBatch, described: &Described) -> Result<()> {
        let at = described.columns[0];
        let (column, dtype) = (batch.column(at), described.dtype(at));
        self.global("pandas", "array");
        self.values(batch, at, described)?;
        let is_of_numpy = match column.data_type() {
            DataType::Dictionary(..) | DataType::Timestamp(_, Some(_)) => false,
            DataType::Boolean => dtype == "object" || dtype == "bool" && column.null_count() == 0,
            data_type if data_type.is_integer() => dtype.starts_with(['i', 'u']) && column.null_count() == 0,
            _ => dtype == "object" || dtype.starts_with("float") || dtype.contains("64["),
        };
        match is_of_numpy && !dtype.ends_with("[pyarrow]") {
            true => self.out.text(dtype),
            false => self.out.op(op::NONE),
        }
        self.out.bool(false);
        self.out.ops(&[op::TUPLE3, op::REDUCE]);
        Ok(())
    }

    /// Refuses to make more bytes than a message may have: truth values are bits in Arrow and bytes in NumPy, where nulls stand among
    /// the values or have a mask, and all of that once for each column, also where these share their buffers.
    fn check_made(&self, batch: &RecordBatch, described: &Described) -> Result<()> {
        let made = |(at, column): (usize, &ArrayRef)| {
            let width = match column.data_type() {
                _ if described.storage(at) == Storage::Arrow => 0,
                DataType::Boolean => 1,
                _ if column.null_count() == 0 => 0,
                data_type => data_type.primitive_width().unwrap_or(0),
            };
            column.len().saturating_mul(width)
        };
        let made = batch.columns().iter().enumerate().map(made).fold(0, usize::saturating_add);
        match made as u64 > self.limits.max_total() {
            true => Err(Unserializable::custom(format_args!(
                "columns that take {made} bytes in NumPy, over the limit of {}",
                self.limits.max_total()
            ))),
            false => Ok(()),
        }
    }

    fn frame(&mut self, table: &Table, described: &Described) -> Result<()> {
        let batch = table.batch();
        self.global("pandas", "DataFrame");
        self.out.op(op::MARK);
        let mut blocks = Blocks::of(table, described);
        if let Some(Block { dtype, buffer, place, .. }) = blocks.whole(described) {
            let shape = [batch.num_rows(), described.columns.len()];
            self.array(&Parts::of_columns(dtype, shape, *place), buffer)?;
        } else {
            self.out.ops(&[op::EMPTY_DICT, op::MARK]);
            for (&at, label) in described.columns.iter().zip(&described.labels) {
                self.label(label);
                match blocks.place(at) {
                    Some(place) => self.in_block(&mut blocks, place, batch.num_rows())?,
                    None => self.values(batch, at, described)?,
                }
            }
            self.out.op(op::SETITEMS);
        }
        self.index(batch, described)?;
        self.labels(described)?;
        self.out.op(op::NONE);
        self.out.bool(false);
        self.out.ops(&[op::TUPLE, op::REDUCE]);
        Ok(())
    }

    /// The labels of the columns: an index of one level or several.
    fn labels(&mut self, described: &Described) -> Result<()> {
        if let Some(axis) = &described.came().labels {
            return self.axis(axis, described.levels.iter().map(|level| &level.name));
        }
        let levels = &described.levels;
        if let ([level], false) = (&levels[..], described.are_tuples) {
            let labels: Vec<_> = described.labels.iter().collect();
            return self.level(&labels, &level.dtype, &level.name);
        }
        self.global("pandas", "MultiIndex.from_arrays");
        self.out.ops(&[op::EMPTY_LIST, op::MARK]);
        for (at, level) in levels.iter().enumerate() {
            let labels: Option<Vec<_>> = described.labels.iter().map(|label| label.part(at)).collect();
            let labels = labels.ok_or_else(|| Unserializable::custom("labels of several levels that are no tuples"))?;
            self.level(&labels, &level.dtype, &Json::Null)?;
        }
        self.out.ops(&[op::APPENDS, op::NONE, op::EMPTY_LIST, op::MARK]);
        for level in levels {
            self.title(&level.name);
        }
        self.out.ops(&[op::APPENDS, op::TUPLE3, op::REDUCE]);
        Ok(())
    }

    /// `Index([label, ...], dtype, False, name)`.
    fn level(&mut self, labels: &[&Label], dtype: &str, name: &Json) -> Result<()> {
        self.global("pandas", "Index");
        self.out.op(op::MARK);
        self.many(labels.iter(), |writer, label| writer.label(label))?;
        match dtype {
            // what this pandas takes text for
            "" | "str" | "string[pyarrow_numpy]" => self.out.op(op::NONE),
            dtype => self.out.text(dtype),
        }
        self.out.bool(false);
        self.title(name);
        self.out.ops(&[op::TUPLE, op::REDUCE]);
        Ok(())
    }

    /// A list, in batches, as far as there is room for it.
    pub(super) fn many<T>(
        &mut self,
        items: impl Iterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) -> Result<()> {
        // a byte for each at the least: rows that have no bytes may be more than anybody counts to
        self.check_room(items.size_hint().0)?;
        self.out.op(op::EMPTY_LIST);
        let mut items = items.peekable();
        while items.peek().is_some() {
            self.out.op(op::MARK);
            for item in items.by_ref().take(1000) {
                write(self, item);
                self.check_room(0)?;
            }
            self.out.op(op::APPENDS);
        }
        Ok(())
    }

    /// The index of the rows.
    fn index(&mut self, batch: &RecordBatch, described: &Described) -> Result<()> {
        match &described.index {
            Index::Range { start, stop, step, name } => {
                self.range([*start, *stop, *step], name);
                Ok(())
            }
            Index::Level(at, name) => {
                self.index_of(described.dtype(*at), name, |writer| writer.values(batch, *at, described))
            }
            Index::Levels(levels) if !described.came().levels.is_empty() => {
                self.levels(&described.came().levels, levels.iter().map(|(_, name)| name))
            }
            Index::Levels(levels) => {
                self.global("pandas", "MultiIndex.from_arrays");
                self.out.ops(&[op::EMPTY_LIST, op::MARK]);
                for (at, _) in levels {
                    self.index_of(described.dtype(*at), &Json::Null, |writer| writer.values(batch, *at, described))?;
                }
                self.out.ops(&[op::APPENDS, op::NONE, op::EMPTY_LIST, op::MARK]);
                for (_, name) in levels {
                    self.title(name);
                }
                self.out.ops(&[op::APPENDS, op::TUPLE3, op::REDUCE]);
                Ok(())
            }
        }
    }

    /// `RangeIndex(start, stop, step, None, False, name)`.
    pub(super) fn range(&mut self, bounds: [i64; 3], name: &Json) {
        self.global("pandas", "RangeIndex");
        self.out.op(op::MARK);
        bounds.into_iter().for_each(|bound| self.out.int(bound));
        self.out.op(op::NONE);
        self.out.bool(false);
        self.title(name);
        self.out.ops(&[op::TUPLE, op::REDUCE]);
    }

    /// `Index(values, None, False, name)`, which is of the class that the values ask for.
    pub(super) fn index_of(
        &mut self,
        dtype: &str,
        name: &Json,
        values: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        self.global("pandas", "Index");
        self.out.op(op::MARK);
        values(self)?;
        match dtype {
            "object" => self.out.text("object"),
            _ => self.out.op(op::NONE),
        }
        self.out.bool(false);
        self.title(name);
        self.out.ops(&[op::TUPLE, op::REDUCE]);
        Ok(())
    }

    fn values(&mut self, batch: &RecordBatch, at: usize, described: &Described) -> Result<()> {
        self.check_room(0)?;
        let field = batch.schema_ref().field(at);
        let form = Form {
            array: batch.column(at),
            dtype: described.dtype(at),
            storage: described.storage(at),
            is_ordered: field.dict_is_ordered().unwrap_or(false),
            part: described.part(at),
        };
        self.form(&form).map_err(|why| match why {
            why if why.is_too_deep() => why,
            why => Unserializable::custom(format_args!("column {:?}: {why}", excerpt(field.name()))),
        })
    }

    /// Values in the form that pandas takes them in.
    pub(super) fn form(&mut self, form: &Form<'_>) -> Result<()> {
        let Form { array, dtype, storage, is_ordered, part } = *form;
        match (storage, array.data_type()) {
            (storage, DataType::Dictionary(..)) if !dtype.ends_with("[pyarrow]") => {
                self.categories(array, is_ordered, storage, part)
            }
            (Storage::Arrow, data_type) if arrow::is_plain(data_type) || dtype.ends_with("[pyarrow]") => {
                self.in_arrow(array, dtype, is_ordered, part)
            }
            _ => self.column(array, dtype, part),
        }
    }

    fn label(&mut self, label: &Label) {
        match label {
            Label::None => self.out.op(op::NONE),
            Label::Bool(value) => self.out.bool(*value),
            Label::Int(value) => self.out.wide(*value),
            Label::Float(value) => self.out.float(*value),
            Label::Text(text) => self.out.text(text),
            Label::Tuple(parts) => {
                self.out.op(op::MARK);
                parts.iter().for_each(|part| self.label(part));
                self.out.op(op::TUPLE);
            }
        }
    }

    /// The name of an index or of a level.
    pub(super) fn title(&mut self, name: &Json) {
        match name {
            Json::String(name) => self.out.text(name),
            Json::Bool(name) => self.out.bool(*name),
            Json::Number(name) => match (name.as_i64(), name.as_u64(), name.as_f64()) {
                (Some(name), ..) => self.out.int(name),
                (_, Some(name), _) => self.out.unsigned(name.into()),
                (.., Some(name)) => self.out.float(name),
                _ => self.out.op(op::NONE),
            },
            _ => self.out.op(op::NONE),
        }
    }
}
