//! Tables for people: an outline in a line, the first rows in a few.

use std::fmt;

use arrow_array::{Array, ArrayRef, RecordBatch, make_array};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Field};

use crate::error::excerpt;

/// The most columns that are shown.
const COLUMNS: usize = 20;
/// The most rows that are shown.
const ROWS: usize = 5;

/// `Table(3 rows; id: Int64, name: Utf8)`.
pub(super) fn outline(batch: &RecordBatch, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let columns = Outline(batch);
    write!(f, "Table({} rows; {})", batch.num_rows(), excerpt(columns))
}

struct Outline<'b>(&'b RecordBatch);

impl fmt::Display for Outline<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let schema = self.0.schema_ref();
        if schema.fields().is_empty() {
            return f.write_str("no columns");
        }
        for (index, field) in schema.fields().iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{}: {}", field.name(), field.data_type())?;
        }
        Ok(())
    }
}

/// One line for the shape, then one for each column: its name, type and first rows.
pub(super) fn head(batch: &RecordBatch, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{} rows of {} columns", batch.num_rows(), batch.num_columns())?;
    let schema = batch.schema_ref();
    for (field, array) in schema.fields().iter().zip(batch.columns()).take(COLUMNS) {
        write!(f, "\n  {}", excerpt(Line { field, array: array.as_ref() }))?;
    }
    match batch.num_columns().saturating_sub(COLUMNS) {
        0 => Ok(()),
        more => write!(f, "\n  and {more} columns more"),
    }
}

struct Line<'b> {
    field: &'b Field,
    array: &'b dyn Array,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nullable = if self.field.is_nullable() { "?" } else { "" };
        write!(f, "{}: {}{nullable} [", self.field.name(), self.field.data_type())?;
        let head = in_known_zone(self.array.slice(0, self.array.len().min(ROWS)));
        let options = FormatOptions::new().with_null("null");
        let Ok(cells) = ArrayFormatter::try_new(&head, &options) else {
            return f.write_str("...]");
        };
        for row in 0..head.len() {
            let comma = if row == 0 { "" } else { ", " };
            write!(f, "{comma}{}", cells.value(row))?;
        }
        f.write_str(if self.array.len() > ROWS { ", ...]" } else { "]" })
    }
}

/// Instants in UTC instead of a zone by name: names take a database that is not compiled in.
fn in_known_zone(array: ArrayRef) -> ArrayRef {
    let DataType::Timestamp(unit, Some(_)) = array.data_type() else { return array };
    let utc = DataType::Timestamp(*unit, Some("+00:00".into()));
    array.to_data().into_builder().data_type(utc).build().map_or(array, make_array)
}
