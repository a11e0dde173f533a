//! How the parts of a frame came from Python. Its table remembers it, so that what goes back goes in as many buffers.

use std::sync::Arc;

use arrow_array::RecordBatch;

use super::axis::{Axis, Level};
use super::given::Given;
use super::metadata::ORIGIN;
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
    /// Frames of which nothing was made.
    pub(in crate::codec::pickle) passed: Vec<Buffer>,
    /// What it was that is none of pandas'.
    pub(in crate::codec::pickle) origin: Option<Origin>,
    /// The chunks of its columns, where it was that.
    pub(in crate::codec::pickle) chunks: Vec<Option<Vec<Given>>>,
}

/// What a table was in pyarrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::codec::pickle) enum Origin {
    Array,
    Chunked,
    Batch,
    Table,
    Schema,
}

/// How a column came.
#[derive(Clone, Debug, Default)]
pub(in crate::codec::pickle) struct Part {
    /// Where the values go, where that is known and they do not lie there: NumPy puts points and spans of time, and values with gaps
    /// between them, into the pickle where others have a frame; others were copied out of one.
    pub(in crate::codec::pickle) place: Option<Place>,
    /// The bytes of truth values, which are bits in Arrow.
    pub(in crate::codec::pickle) truths: Option<Bytes>,
    pub(in crate::codec::pickle) mask: Mask,
    /// The categories of a categorical.
    pub(in crate::codec::pickle) categories: Option<Box<Part>>,
    /// What these are to pandas, where that is not what it takes text for.
    pub(in crate::codec::pickle) categories_dtype: Option<String>,
    /// Whether it is text that pandas has by Arrow's type, `ArrowDtype(string)`, and not as its own: both go by one name.
    pub(in crate::codec::pickle) is_by_type: bool,
    /// What stands where a Python object is missing.
    pub(in crate::codec::pickle) missing: Missing,
    /// The array of pyarrow that it was.
    pub(in crate::codec::pickle) arrow: Option<Box<Given>>,
}

/// What stands in a column of Python objects where there is none; `None` where several do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::codec::pickle) enum Missing {
    #[default]
    None,
    NaN,
    NA,
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
    pub(in crate::codec::pickle) const UNKNOWN: &Self = &Self {
        place: None,
        truths: None,
        mask: Mask::Unknown,
        categories: None,
        categories_dtype: None,
        is_by_type: false,
        missing: Missing::None,
        arrow: None,
    };

    /// Where the values go.
    pub(in crate::codec::pickle) fn place(&self) -> Place {
        self.place.unwrap_or(Place::OutOfBand)
    }

    /// How the categories came.
    pub(in crate::codec::pickle) fn of_categories(&self) -> &Self {
        self.categories.as_deref().unwrap_or(Self::UNKNOWN)
    }
}

impl Origin {
    /// What the metadata of a table says of it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Array => "pyarrow.Array",
            Self::Chunked => "pyarrow.ChunkedArray",
            Self::Schema => "pyarrow.Schema",
            Self::Batch => "pyarrow.RecordBatch",
            Self::Table => "pyarrow.Table",
        }
    }

    /// What the metadata of a table says, where that may be: of batches and tables it says nothing.
    pub(in crate::codec::pickle) fn said_by(batch: &RecordBatch) -> Option<Self> {
        let said = batch.schema_ref().metadata().get(ORIGIN)?;
        let origin = [Self::Array, Self::Chunked, Self::Schema].into_iter().find(|origin| origin.name() == said)?;
        let is_so = match origin {
            Self::Schema => batch.num_rows() == 0,
            _ => batch.num_columns() == 1,
        };
        is_so.then_some(origin)
    }
}

impl Came {
    /// What pyarrow pickled, its columns in the chunks in which they came.
    pub(super) fn of_pyarrow(origin: Origin, chunks: Vec<Option<Vec<Given>>>) -> Self {
        Self { origin: Some(origin), chunks, ..Self::default() }
    }

    /// What a table is to remember, where that is anything.
    pub(super) fn remembered(self) -> Option<Memory> {
        let is_known = self.origin.is_some()
            || !self.passed.is_empty()
            || self.labels.is_some()
            || !self.levels.is_empty()
            || self.parts.iter().any(Option::is_some);
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
