//! Arrays of pyarrow as they came: rows from a place in their buffers on, with bits of validity that say that nothing is missing. A
//! column of Arrow's Rust has neither.

use crate::table::{Column, Slot};

/// An array in the parts in which pyarrow pickles it, but for its type. What it holds was validated as the column that was made of it.
#[derive(Clone, Debug)]
pub(in crate::codec::pickle) struct Given {
    pub(in crate::codec::pickle) rows: u64,
    /// `None` where they are yet to be counted.
    pub(in crate::codec::pickle) nulls: Option<u64>,
    /// The row of the buffers that is its first.
    pub(in crate::codec::pickle) offset: u64,
    pub(in crate::codec::pickle) buffers: Vec<Slot>,
    pub(in crate::codec::pickle) children: Vec<Given>,
    pub(in crate::codec::pickle) dictionary: Option<Box<Given>>,
}

/// From its first row on.
impl From<Column> for Given {
    fn from(column: Column) -> Self {
        let Column { len, nulls, buffers, children, dictionary } = column;
        Self {
            rows: len,
            nulls: Some(nulls),
            offset: 0,
            buffers,
            children: children.into_iter().map(Self::from).collect(),
            dictionary: dictionary.map(|dictionary| Box::new(Self::from(*dictionary))),
        }
    }
}
