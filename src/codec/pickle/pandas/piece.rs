//! A piece: one column of a table in the making, with what pandas says of it.

use arrow_schema::{DataType, Field};
use serde_json::{Value as Json, json};

use super::super::mismatch::{Mismatch, Result};
use super::came::Part;
use crate::buffer::Buffer;
use crate::table::{Column, Slot};

/// One column of a table in the making.
pub(super) struct Piece {
    pub(super) data_type: DataType,
    pub(super) column: Column,
    /// The dtype in NumPy's or pandas' words, as pyarrow keeps it: what `to_pandas` makes of the column.
    pub(super) dtype: String,
    /// Of a categorical: how many categories, and whether they have an order.
    pub(super) categories: Option<(u64, bool)>,
    /// Whether it is text that pandas has in Arrow, or categories of such text.
    pub(super) is_in_arrow: bool,
    /// How it came, where that is worth keeping.
    pub(super) part: Option<Box<Part>>,
}

impl Piece {
    /// A column of plain values without nulls.
    pub(super) fn new(data_type: DataType, rows: usize, buffers: Vec<Buffer>) -> Self {
        let slots = buffers.into_iter().map(|buffer| Slot::of(buffer, 1));
        let buffers = std::iter::once(Slot::NONE).chain(slots).collect();
        let column = Column { len: rows as u64, nulls: 0, buffers, children: Vec::new(), dictionary: None };
        Self { data_type, column, dtype: String::new(), categories: None, is_in_arrow: false, part: None }
    }

    pub(super) fn with_nulls(mut self, nulls: Option<Nulls>) -> Self {
        if let Some(Nulls { count, validity }) = nulls {
            self.column.nulls = count as u64;
            self.column.buffers[0] = Slot::of(validity, 1);
        }
        self
    }

    pub(super) fn with_dtype(mut self, dtype: impl Into<String>) -> Self {
        self.dtype = dtype.into();
        self
    }

    pub(super) fn field(&self, name: &str) -> Field {
        let field = Field::new(name, self.data_type.clone(), true);
        match self.categories {
            Some((_, is_ordered)) => field.with_dict_is_ordered(is_ordered),
            None => field,
        }
    }

    /// What the metadata says of this column.
    pub(super) fn described(&self, name: Json, field: Json) -> Json {
        let more = match (&self.data_type, self.categories) {
            (_, Some((count, is_ordered))) if self.is_in_arrow => {
                json!({"num_categories": count, "ordered": is_ordered, "storage": "pyarrow"})
            }
            (_, Some((count, is_ordered))) => json!({"num_categories": count, "ordered": is_ordered}),
            (DataType::Timestamp(_, Some(zone)), _) => json!({"timezone": **zone}),
            _ if self.is_in_arrow => json!({"storage": "pyarrow"}),
            _ => Json::Null,
        };
        json!({
            "name": name, "field_name": field, "pandas_type": logical(&self.data_type), "numpy_type": self.dtype,
            "metadata": more,
        })
    }
}

/// What pyarrow calls a type in pandas' metadata.
fn logical(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Null => "empty",
        DataType::Boolean => "bool",
        DataType::Int8 => "int8",
        DataType::Int16 => "int16",
        DataType::Int32 => "int32",
        DataType::Int64 => "int64",
        DataType::UInt8 => "uint8",
        DataType::UInt16 => "uint16",
        DataType::UInt32 => "uint32",
        DataType::UInt64 => "uint64",
        DataType::Float16 => "float16",
        DataType::Float32 => "float32",
        DataType::Float64 => "float64",
        DataType::Date32 => "date",
        DataType::Utf8 | DataType::LargeUtf8 => "unicode",
        DataType::Binary => "bytes",
        DataType::Timestamp(_, None) => "datetime",
        DataType::Timestamp(_, Some(_)) => "datetimetz",
        DataType::Dictionary(..) => "categorical",
        _ => "object",
    }
}

/// A bitmap of what is no null, and the number of those that are.
pub(super) struct Nulls {
    count: usize,
    validity: Buffer,
}

impl Nulls {
    /// The nulls among so many rows; `None` where there are none.
    pub(super) fn of(rows: impl ExactSizeIterator<Item = bool>) -> Result<Option<Self>> {
        let (len, bits, valid) = packed(rows.map(|is_null| !is_null))?;
        let count = len - valid;
        Ok((count > 0).then(|| Self { count, validity: Buffer::from(bits) }))
    }

    /// The same of rows that mostly have none. Looking at all of them, of so many bytes each, costs an eighth of a copy: a frame that
    /// many columns name is looked at for each.
    pub(super) fn looked_for(
        mut rows: impl ExactSizeIterator<Item = bool> + Clone,
        item: usize,
    ) -> Result<Option<Self>> {
        let all = rows.clone();
        super::object::charge(all.len().saturating_mul(item).div_ceil(8))?;
        if rows.any(|is_null| is_null) { Self::of(all) } else { Ok(None) }
    }
}

/// Truth values as bits, the first one the lowest: how many they are, the bits, and how many are true.
pub(super) fn packed(values: impl ExactSizeIterator<Item = bool>) -> Result<(usize, Vec<u8>, usize)> {
    let len = values.len();
    super::object::copying(len.div_ceil(8))?;
    let (mut bits, mut set) = (vec![0_u8; len.div_ceil(8)], 0);
    for (at, value) in values.enumerate() {
        bits[at / 8] |= u8::from(value) << (at % 8);
        set += usize::from(value);
    }
    Ok((len, bits, set))
}

/// The error of a column, with its name.
pub(super) fn named(name: &str, why: impl std::fmt::Display) -> Mismatch {
    Mismatch::because(format_args!("column {:?}: {why}", crate::error::excerpt(name)))
}
