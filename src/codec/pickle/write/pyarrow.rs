//! What pyarrow pickled, as it pickles it: an array, chunks, a record batch, a table, a schema.

use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Schema};

use super::Writer;
use crate::codec::pickle::pandas::{Came, Given, ORIGIN, Origin};
use crate::codec::unserializable::Result;
use crate::pickle::opcode as op;
use crate::table::{Table, whole};

impl Writer<'_> {
    /// The object of pyarrow that a table was; tells whether it was one.
    pub(super) fn of_pyarrow(&mut self, table: &Table) -> Result<bool> {
        let came = Came::from(table);
        let batch = table.batch();
        let schema = batch.schema_ref();
        let Some(origin) = came.origin.or_else(|| Origin::said_by(batch)) else { return Ok(false) };
        let chunks = |at: usize| match came.chunks.get(at).and_then(Option::as_ref) {
            Some(chunks) if !table.is_masked() => chunks.clone(),
            _ => vec![Given::from(whole(batch.column(at)))],
        };
        match origin {
            Origin::Array => {
                let given = chunks(0).pop().unwrap_or_else(|| Given::from(whole(batch.column(0))));
                self.array_in_arrow(&given, batch.column(0).data_type(), is_ordered(schema, 0))?;
            }
            Origin::Chunked => self.chunked(&chunks(0), batch, 0)?,
            Origin::Schema => {
                let mut metadata = schema.metadata().clone();
                metadata.remove(ORIGIN);
                self.schema(schema, &metadata)?;
            }
            Origin::Batch | Origin::Table => {
                let is_table = origin == Origin::Table;
                self.global("pyarrow.lib", if is_table { "_reconstruct_table" } else { "_reconstruct_record_batch" });
                self.out.ops(&[op::EMPTY_LIST, op::MARK]);
                for (at, column) in batch.columns().iter().enumerate() {
                    self.check_room(0)?;
                    match (is_table, &chunks(at)[..]) {
                        (false, [given]) => self.array_in_arrow(given, column.data_type(), is_ordered(schema, at))?,
                        (_, chunks) => self.chunked(chunks, batch, at)?,
                    }
                }
                self.out.op(op::APPENDS);
                self.schema(schema, schema.metadata())?;
                self.out.ops(&[op::TUPLE2, op::REDUCE]);
            }
        }
        Ok(true)
    }

    /// `chunked_array([array, ...], type)`.
    fn chunked(&mut self, chunks: &[Given], batch: &RecordBatch, at: usize) -> Result<()> {
        let (data_type, is_ordered): (&DataType, _) =
            (batch.column(at).data_type(), is_ordered(batch.schema_ref(), at));
        self.global("pyarrow.lib", "chunked_array");
        self.out.ops(&[op::EMPTY_LIST, op::MARK]);
        for given in chunks {
            self.check_room(0)?;
            self.array_in_arrow(given, data_type, is_ordered)?;
        }
        self.out.op(op::APPENDS);
        self.arrow_type(data_type, is_ordered)?;
        self.out.ops(&[op::TUPLE2, op::REDUCE]);
        Ok(())
    }
}

fn is_ordered(schema: &Schema, at: usize) -> bool {
    schema.field(at).dict_is_ordered().unwrap_or(false)
}
