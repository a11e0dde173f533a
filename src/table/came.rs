//! How a table stood in a message, for who has it without its type and writes it there again. Another library's schema is other bytes
//! for the same fields, and its buffers may be longer, or be there where nothing is null.

use arrow_data::{BufferSpec, layout};
use arrow_schema::{DataType, Schema};
use serde::ser::{Serialize, Serializer};

use super::Table;
use super::arrive::fields_below;
use super::column::{Column, Columns, SchemaBytes};
use crate::stored;

/// The schema message and the columns.
#[derive(Debug)]
pub(super) struct Came {
    schema: SchemaBytes,
    columns: Columns,
}

impl Came {
    pub(super) fn of(message: SchemaBytes, schema: &Schema, columns: &Columns) -> Self {
        let mut columns = columns.clone();
        for (column, field) in columns.0.iter_mut().zip(schema.fields()) {
            measure(column, field.data_type());
        }
        Self { schema: message, columns }
    }
}

/// Says of each buffer how long its elements are, which compression wants to know, and has it keep the frame in which it came.
fn measure(column: &mut Column, data_type: &DataType) {
    for slot in &mut column.buffers {
        slot.buffer = slot.buffer.take().map(stored::as_it_came);
    }
    for (slot, spec) in column.buffers.iter_mut().skip(1).zip(&layout(data_type).buffers) {
        if let BufferSpec::FixedWidth { byte_width, .. } = spec {
            slot.measure(*byte_width);
        }
    }
    for (child, field) in column.children.iter_mut().zip(fields_below(data_type)) {
        measure(child, field.data_type());
    }
    if let (Some(dictionary), DataType::Dictionary(_, values)) = (&mut column.dictionary, data_type) {
        measure(dictionary, values);
    }
}

/// A table that serializes as it came, where it did.
pub(crate) struct AsItCame<'t>(pub(crate) &'t Table);

impl Serialize for AsItCame<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0.came {
            Some(came) => self.0.write(&came.schema, &came.columns, serializer),
            None => self.0.serialize(serializer),
        }
    }
}
