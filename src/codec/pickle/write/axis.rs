//! Indexes and labels as they came: values in an array of their own, levels with the codes that pick rows from them.

use serde_json::Value as Json;

use super::Writer;
use super::arrow::Storage;
use super::table::Form;
use crate::codec::pickle::pandas::{Axis, Kept, Level, Part, Values};
use crate::codec::unserializable::Result;
use crate::pickle::opcode as op;

impl Writer<'_> {
    /// The labels of columns, with the names of their levels.
    pub(super) fn axis<'n>(&mut self, axis: &Axis, mut names: impl Iterator<Item = &'n Json>) -> Result<()> {
        match axis {
            Axis::One(values) => self.kept_values(values, names.next().unwrap_or(&Json::Null)),
            Axis::Several(levels) => self.levels(levels, names),
        }
    }

    /// `MultiIndex.__new__(MultiIndex, [level, ...], [codes, ...], None, [name, ...], verify_integrity=False)`, which keeps levels and
    /// codes as they are and looks at neither, as where pandas reads its own pickles.
    pub(super) fn levels<'n>(&mut self, levels: &[Level], names: impl Iterator<Item = &'n Json>) -> Result<()> {
        self.global("pandas", "MultiIndex");
        self.out.ops(&[op::MARK, op::EMPTY_LIST, op::MARK]);
        for level in levels {
            match &level.values {
                Kept::Values(values) => self.kept_values(values, &Json::Null)?,
                Kept::Range { start, stop, step } => self.range([*start, *stop, *step], &Json::Null),
            }
        }
        self.out.ops(&[op::APPENDS, op::EMPTY_LIST, op::MARK]);
        for Level { codes, .. } in levels {
            self.ndarray(codes.dtype, codes.buffer.clone(), codes.place)?;
        }
        self.out.ops(&[op::APPENDS, op::NONE, op::EMPTY_LIST, op::MARK]);
        names.for_each(|name| self.title(name));
        self.out.ops(&[op::APPENDS, op::TUPLE, op::EMPTY_DICT]);
        self.out.text("verify_integrity");
        self.out.ops(&[op::NEWFALSE, op::SETITEM, op::NEWOBJ_EX]);
        Ok(())
    }

    fn kept_values(&mut self, values: &Values, name: &Json) -> Result<()> {
        let form = Form {
            array: &values.array,
            dtype: &values.dtype,
            storage: if values.is_in_arrow() { Storage::Arrow } else { Storage::Python },
            is_ordered: values.is_ordered(),
            part: values.part.as_deref().unwrap_or(Part::UNKNOWN),
        };
        self.index_of(&values.dtype, name, |writer| writer.form(&form))
    }
}
