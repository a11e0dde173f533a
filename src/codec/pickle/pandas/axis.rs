//! An index as it came: values in an array of their own, or several levels of values and the codes that pick rows from them.

use arrow_array::ArrayRef;
use arrow_schema::DataType;

use super::super::mismatch::{Mismatch, Result};
use super::super::read::Reader;
use super::came::Part;
use super::numbers::Numbers;
use super::piece::Piece;
use crate::buffer::Buffer;
use crate::handoff::Place;
use crate::table::{Column, array};

/// The labels of columns.
#[derive(Debug)]
pub(in crate::codec::pickle) enum Axis {
    One(Values),
    Several(Vec<Level>),
}

/// A level of an index of several.
#[derive(Debug)]
pub(in crate::codec::pickle) struct Level {
    pub(in crate::codec::pickle) values: Kept,
    pub(in crate::codec::pickle) codes: Codes,
}

/// What a level has.
#[derive(Debug)]
pub(in crate::codec::pickle) enum Kept {
    Values(Values),
    Range { start: i64, stop: i64, step: i64 },
}

/// The values of an index of one level, and what pandas has them as.
#[derive(Debug)]
pub(in crate::codec::pickle) struct Values {
    pub(in crate::codec::pickle) array: ArrayRef,
    pub(in crate::codec::pickle) dtype: String,
    categories: Option<(u64, bool)>,
    is_in_arrow: bool,
    pub(in crate::codec::pickle) part: Option<Box<Part>>,
}

/// Which value each row has, -1 for none.
#[derive(Debug)]
pub(in crate::codec::pickle) struct Codes {
    pub(in crate::codec::pickle) dtype: &'static str,
    pub(in crate::codec::pickle) buffer: Buffer,
    pub(in crate::codec::pickle) place: Place,
}

impl Values {
    /// The values of a column, validated.
    pub(super) fn of(piece: Piece) -> Result<Self> {
        let Piece { data_type, column, dtype, categories, is_in_arrow, part } = piece;
        let array = array(column, &data_type).map_err(Mismatch::because)?;
        Ok(Self { array, dtype, categories, is_in_arrow, part })
    }

    /// A column of the same kind.
    pub(super) fn like(&self, column: Column) -> Piece {
        let mut piece = Piece::new(self.array.data_type().clone(), 0, Vec::new());
        (piece.column, piece.categories, piece.is_in_arrow) = (column, self.categories, self.is_in_arrow);
        piece.with_dtype(self.dtype.clone())
    }

    /// Whether categories have an order.
    pub(in crate::codec::pickle) fn is_ordered(&self) -> bool {
        self.categories.is_some_and(|(_, is_ordered)| is_ordered)
    }

    /// Whether pandas has them in Arrow, or the text of their categories.
    pub(in crate::codec::pickle) fn is_in_arrow(&self) -> bool {
        self.is_in_arrow || self.dtype.ends_with("[pyarrow]")
    }

    pub(super) fn data_type(&self) -> &DataType {
        self.array.data_type()
    }
}

/// Levels, of which each was found to be worth keeping; of a message without buffers none is, unless a row has no value of one: pandas has
/// integers with gaps in a column as another dtype.
#[derive(Default)]
pub(super) struct Levels {
    kept: Vec<Level>,
    all: usize,
    has_gaps: bool,
}

impl Levels {
    pub(super) fn add(&mut self, values: Option<Kept>, codes: &Numbers) -> Result<()> {
        self.all += 1;
        if let Some(values) = values
            && let Some((dtype, buffer, place)) = codes.codes()?
        {
            self.has_gaps = self.has_gaps || codes.integers(0)?.any(|code| code == -1);
            self.kept.push(Level { values, codes: Codes { dtype, buffer, place } });
        }
        Ok(())
    }

    /// All of them, or none.
    pub(super) fn all(self, reader: Reader<'_>) -> Vec<Level> {
        let is_worth_it = reader.tree.has_frames() || self.has_gaps;
        if is_worth_it && self.kept.len() == self.all { self.kept } else { Vec::new() }
    }
}
