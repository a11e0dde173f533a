//! Tables for people: an outline in a line, the first rows in a few.

use std::fmt::{self, Write as _};

use arrow_array::{Array, ArrayRef, RecordBatch, make_array};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Field};

use crate::error::excerpt;

/// The most columns that are shown.
const COLUMNS: usize = 20;
/// The most rows that are shown, in the outline and in the head.
const FEW: usize = 3;
const ROWS: usize = 5;
/// The most bytes of a column in the outline, and of all together.
const COLUMN: usize = 100;
const OUTLINE: usize = 900;

/// `Table(3 rows; id: Int64 [1, 2, 3], name: Utf8? [a, null, b])`.
pub(super) fn outline(batch: &RecordBatch, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "Table({} rows; ", batch.num_rows())?;
    if batch.num_columns() == 0 {
        return f.write_str("no columns)");
    }
    let (mut shown, mut left) = (0, OUTLINE);
    for line in lines(batch, FEW) {
        let mut line = excerpt(line);
        if line.len() > COLUMN {
            line.truncate(line.floor_char_boundary(COLUMN));
            line.push('…');
        }
        if line.len() > left {
            break;
        }
        left -= line.len();
        write!(f, "{}{line}", if shown == 0 { "" } else { ", " })?;
        shown += 1;
    }
    match batch.num_columns() - shown {
        0 => f.write_char(')'),
        more => write!(f, " and {more} columns more)"),
    }
}

/// One line for the shape, then one for each column: its name, type and first rows.
pub(super) fn head(batch: &RecordBatch, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{} rows of {} columns", batch.num_rows(), batch.num_columns())?;
    for line in lines(batch, ROWS) {
        write!(f, "\n  {}", excerpt(line))?;
    }
    match batch.num_columns().saturating_sub(COLUMNS) {
        0 => Ok(()),
        more => write!(f, "\n  and {more} columns more"),
    }
}

fn lines(batch: &RecordBatch, rows: usize) -> impl Iterator<Item = Line<'_>> {
    let columns = batch.schema_ref().fields().iter().zip(batch.columns()).take(COLUMNS);
    columns.map(move |(field, array)| Line { field, array: array.as_ref(), rows })
}

struct Line<'b> {
    field: &'b Field,
    array: &'b dyn Array,
    rows: usize,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nullable = if self.field.is_nullable() { "?" } else { "" };
        write!(f, "{}: {}{nullable} [", self.field.name(), self.field.data_type())?;
        let head = in_known_zone(self.array.slice(0, self.array.len().min(self.rows)));
        let options = FormatOptions::new().with_null("null");
        let Ok(cells) = ArrayFormatter::try_new(&head, &options) else {
            return f.write_str("...]");
        };
        for row in 0..head.len() {
            let comma = if row == 0 { "" } else { ", " };
            write!(f, "{comma}{}", cells.value(row))?;
        }
        f.write_str(if self.array.len() > self.rows { ", ...]" } else { "]" })
    }
}

/// Instants in UTC instead of a zone by name: names take a database that is not compiled in.
fn in_known_zone(array: ArrayRef) -> ArrayRef {
    let DataType::Timestamp(unit, Some(_)) = array.data_type() else { return array };
    let utc = DataType::Timestamp(*unit, Some("+00:00".into()));
    array.to_data().into_builder().data_type(utc).build().map_or(array, make_array)
}
