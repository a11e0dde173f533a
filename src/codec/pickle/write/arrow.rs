//! Columns that pandas had in Arrow, as pyarrow has them: text is offsets and bytes on the frames, and no list of Python texts.
//!
//! Written as pyarrow pickles an array, `_reduce_array_data` in its `array.pxi`, and handed to pandas' own constructors, which keep it as
//! it is.

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use serde::Serialize;

use super::{Next, Writer};
use crate::codec::pickle::pandas::{Given, Part, name};
use crate::codec::unserializable::Result;
use crate::handoff::{self, Place};
use crate::pickle::opcode as op;
use crate::table::{Slot, fields_below, whole};

/// What pandas had a column in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storage {
    Python,
    /// So that whoever made it has pyarrow.
    Arrow,
}

/// Whether an array of this type is bits of validity and one buffer of values, or offsets and bytes.
pub(super) fn is_plain(data_type: &DataType) -> bool {
    let is_text = matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary);
    let is_decimal = matches!(
        data_type,
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..)
    );
    let is_interval = matches!(data_type, DataType::Interval(_));
    is_text || *data_type == DataType::Boolean || data_type.is_primitive() && !is_decimal && !is_interval
}

impl Writer<'_> {
    /// A column of this dtype: `array(array, "int64[pyarrow]", False)`, and text of whatever this pandas takes it for,
    /// `Index(array, "str", False)`. What has no name that pandas reads is `array(array, ArrowDtype(type), False)`.
    pub(super) fn in_arrow(&mut self, array: &ArrayRef, dtype: &str, is_ordered: bool, part: &Part) -> Result<()> {
        let is_text = matches!(array.data_type(), DataType::Utf8 | DataType::LargeUtf8);
        // to pandas 2 an array of `str` is one of NumPy's texts, and an index of it one of objects
        let (function, dtype) = match dtype {
            _ if dtype.ends_with("[pyarrow]") || is_text && dtype.contains("string") => ("array", dtype.to_owned()),
            _ if is_text => ("Index", "str".to_owned()),
            _ => ("array", format!("{}[pyarrow]", name(array.data_type()))),
        };
        self.global("pandas", function);
        match &part.arrow {
            Some(given) => self.array_in_arrow(given, array.data_type(), is_ordered)?,
            None => self.array_in_arrow(&Given::from(whole(array)), array.data_type(), is_ordered)?,
        }
        match part.is_by_type || !is_plain(array.data_type()) {
            true => {
                self.global("pandas", "ArrowDtype");
                self.arrow_type(array.data_type(), is_ordered)?;
                self.out.ops(&[op::TUPLE1, op::REDUCE]);
            }
            false => self.out.text(&dtype),
        }
        self.out.bool(false);
        self.out.ops(&[op::TUPLE3, op::REDUCE]);
        Ok(())
    }

    /// `_restore_array((type, rows, nulls, offset, buffers, children, dictionary))`.
    pub(super) fn array_in_arrow(&mut self, given: &Given, data_type: &DataType, is_ordered: bool) -> Result<()> {
        self.global("pyarrow.lib", "_restore_array");
        self.seven(given, data_type, is_ordered)?;
        self.out.ops(&[op::TUPLE1, op::REDUCE]);
        Ok(())
    }

    /// The seven parts of an array, those below it and its dictionary in as many.
    fn seven(&mut self, given: &Given, data_type: &DataType, is_ordered: bool) -> Result<()> {
        self.out.op(op::MARK);
        self.arrow_type(data_type, is_ordered)?;
        self.out.unsigned(given.rows.into());
        match given.nulls {
            // all of a null array is null
            _ if *data_type == DataType::Null => self.out.unsigned(given.rows.into()),
            Some(nulls) => self.out.unsigned(nulls.into()),
            None => self.out.int(-1),
        }
        self.out.unsigned(given.offset.into());
        self.out.ops(&[op::EMPTY_LIST, op::MARK]);
        given.buffers.iter().try_for_each(|slot| self.slot(slot))?;
        self.out.ops(&[op::APPENDS, op::EMPTY_LIST]);
        if !given.children.is_empty() {
            self.out.op(op::MARK);
            for (child, field) in given.children.iter().zip(fields_below(data_type)) {
                self.seven(child, field.data_type(), field.dict_is_ordered().unwrap_or(false))?;
            }
            self.out.op(op::APPENDS);
        }
        match (&given.dictionary, data_type) {
            (Some(dictionary), DataType::Dictionary(_, values)) => self.seven(dictionary, values, false)?,
            _ => self.out.op(op::NONE),
        }
        self.out.op(op::TUPLE);
        Ok(())
    }

    /// `py_buffer(frame)`, or none.
    fn slot(&mut self, slot: &Slot) -> Result<()> {
        let Some(buffer) = &slot.buffer else {
            self.out.op(op::NONE);
            return Ok(());
        };
        self.global("pyarrow.lib", "py_buffer");
        self.next = Next::Elements;
        handoff::placed(slot.place().unwrap_or(Place::OutOfBand), || buffer.serialize(&mut *self))?;
        self.plain("elements")?;
        self.out.ops(&[op::TUPLE1, op::REDUCE]);
        Ok(())
    }
}
