//! How the parts of a frame came from Python. Its table remembers it, so that what goes back goes in as many buffers.

use std::sync::Arc;

use super::axis::{Axis, Level};
use crate::buffer::Buffer;
use crate::handoff::Place;
use crate::table::{Memory, Table};

/// How the parts of a table came.
#[derive(Debug, Default)]
pub(in crate::codec::pickle) struct Came {
    /// Its columns in order, those of the index last.
    pub(super) parts: Vec<Option<Box<Part>>>,
    /// The labels of the columns, where these were in buffers.
    pub(in crate::codec::pickle) labels: Option<Axis>,
    /// The levels of the index, where there were several.
    pub(in crate::codec::pickle) levels: Vec<Level>,
}

/// How a column came.
#[derive(Clone, Debug, Default)]
pub(in crate::codec::pickle) struct Part {
    /// Whether NumPy put the values into the pickle where others have a frame: points and spans of time, values with gaps between
    /// them.
    pub(in crate::codec::pickle) is_in_band: bool,
    /// The bytes of truth values, which are bits in Arrow.
    pub(in crate::codec::pickle) truths: Option<Bytes>,
    pub(in crate::codec::pickle) mask: Mask,
    /// The categories of a categorical.
    pub(in crate::codec::pickle) categories: Option<Box<Part>>,
}

/// A byte for each truth value of a column, in the block of it and others.
#[derive(Clone, Debug)]
pub(in crate::codec::pickle) struct Bytes {
    pub(in crate::codec::pickle) block: Buffer,
    pub(in crate::codec::pickle) start: usize,
}

/// The mask of a column, which is bits in Arrow.
#[derive(Clone, Debug, Default)]
pub(in crate::codec::pickle) enum Mask {
    /// There was none, or it is not worth keeping.
    #[default]
    Unknown,
    /// In the pickle, where others have a frame.
    InBand,
    /// A byte for each row.
    Bytes(Buffer),
}

impl Bytes {
    /// The bytes of so many rows, **without copying**.
    pub(in crate::codec::pickle) fn of_rows(&self, rows: usize) -> Buffer {
        self.block.slice(self.start..self.start + rows)
    }

    /// Whether these are truth values to Python whatever they are in Rust: no other bytes are passed on.
    pub(super) fn are_true_or_false(bytes: &[u8]) -> bool {
        // a fold without an early end, which the compiler turns into vector instructions
        bytes.iter().fold(0, |all, byte| all | byte) <= 1
    }
}

impl Part {
    /// What nothing is known of.
    pub(in crate::codec::pickle) const UNKNOWN: &Self =
        &Self { is_in_band: false, truths: None, mask: Mask::Unknown, categories: None };

    /// Where the values go.
    pub(in crate::codec::pickle) fn place(&self) -> Place {
        if self.is_in_band { Place::InBand } else { Place::OutOfBand }
    }

    /// How the categories came.
    pub(in crate::codec::pickle) fn of_categories(&self) -> &Self {
        self.categories.as_deref().unwrap_or(Self::UNKNOWN)
    }
}

impl Came {
    /// What a table is to remember, where that is anything.
    pub(super) fn remembered(self) -> Option<Memory> {
        let is_known = self.labels.is_some() || !self.levels.is_empty() || self.parts.iter().any(Option::is_some);
        is_known.then(|| Arc::new(self) as Memory)
    }

    /// What a table remembers.
    pub(in crate::codec::pickle) fn from(table: &Table) -> Arc<Self> {
        table.memory().and_then(|memory| memory.downcast().ok()).unwrap_or_default()
    }

    /// How a column came, by number.
    pub(in crate::codec::pickle) fn part(&self, at: usize) -> &Part {
        self.parts.get(at).and_then(Option::as_deref).unwrap_or(Part::UNKNOWN)
    }
}
