//! Columns that pandas had in Arrow, as pyarrow has them: text is offsets and bytes on the frames, and no list of Python texts.
//!
//! Written as pyarrow pickles an array, `_restore_array((type, rows, nulls, offset, buffers, children, dictionary))` of
//! `_reduce_array_data` in its `array.pxi`, and handed to pandas' own constructors, which keep it as it is.

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use serde::Serialize;

use super::column::short;
use super::{Next, Writer};
use crate::codec::pickle::pandas::name;
use crate::codec::unserializable::Result;
use crate::handoff::{self, Place};
use crate::pickle::opcode as op;
use crate::table::{Slot, whole};

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
    /// A plain column of this dtype: `array(array, "int64[pyarrow]", False)`, and text of whatever this pandas takes it for,
    /// `Index(array, "str", False)`.
    pub(super) fn in_arrow(&mut self, array: &ArrayRef, dtype: &str) -> Result<()> {
        let is_text = matches!(array.data_type(), DataType::Utf8 | DataType::LargeUtf8);
        // to pandas 2 an array of `str` is one of NumPy's texts, and an index of it one of objects
        let (function, dtype) = match dtype {
            _ if dtype.ends_with("[pyarrow]") || is_text && dtype.contains("string") => ("array", dtype.to_owned()),
            _ if is_text => ("Index", "str".to_owned()),
            _ => ("array", format!("{}[pyarrow]", name(array.data_type()))),
        };
        self.global("pandas", function);
        self.array_in_arrow(array)?;
        self.out.text(&dtype);
        self.out.bool(false);
        self.out.ops(&[op::TUPLE3, op::REDUCE]);
        Ok(())
    }

    fn array_in_arrow(&mut self, array: &ArrayRef) -> Result<()> {
        let column = whole(array);
        self.global("pyarrow.lib", "_restore_array");
        self.out.op(op::MARK);
        match array.data_type() {
            DataType::Timestamp(unit, Some(zone)) => {
                self.global("pyarrow.lib", "timestamp");
                self.out.text(short(*unit));
                self.out.text(zone);
                self.out.ops(&[op::TUPLE2, op::REDUCE]);
            }
            data_type => {
                self.global("pyarrow.lib", "type_for_alias");
                self.out.text(&name(data_type));
                self.out.ops(&[op::TUPLE1, op::REDUCE]);
            }
        }
        for number in [column.len, column.nulls, 0] {
            self.out.unsigned(number.into());
        }
        self.out.ops(&[op::EMPTY_LIST, op::MARK]);
        column.buffers.iter().try_for_each(|slot| self.slot(slot))?;
        self.out.ops(&[op::APPENDS, op::EMPTY_LIST, op::NONE, op::TUPLE, op::TUPLE1, op::REDUCE]);
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
        handoff::placed(Place::OutOfBand, || buffer.serialize(&mut *self))?;
        self.plain("elements")?;
        self.out.ops(&[op::TUPLE1, op::REDUCE]);
        Ok(())
    }
}
