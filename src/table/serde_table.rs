//! `#[serde(with = "outband::serde_table")]`: plain `RecordBatch` fields that travel as tables.
//!
//! For structs that are given and cannot hold a [`Table`](crate::Table). Works on `RecordBatch`, `Option<RecordBatch>` and
//! `Vec<RecordBatch>`; all as a `Table` does: **without copying**.
//!
//! # Examples
//!
//! ```
//! use std::sync::Arc;
//!
//! use arrow_array::{Int64Array, RecordBatch};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, PartialEq, Debug)]
//! struct Page {
//!     number: u32,
//!     #[serde(with = "outband::serde_table")]
//!     rows: RecordBatch,
//! }
//!
//! let rows = RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![1, 2, 3])) as _)])?;
//! let page = Page { number: 1, rows };
//! assert_eq!(outband::from_multipart::<Page>(outband::to_multipart(&page)?)?, page);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use arrow_array::RecordBatch;
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use super::Table;

/// A field that can travel as a table, or as several. Implemented for the types that the [module](self) lists.
pub trait Field: Sized {
    /// What is serialized in its place.
    type Tables: Serialize + for<'de> Deserialize<'de>;

    /// The field as tables, without copying.
    fn to_tables(&self) -> Self::Tables;

    /// The field of tables that arrived, without copying.
    fn from_tables(tables: Self::Tables) -> Self;
}

/// For `#[serde(with)]`, `#[serde(serialize_with)]`.
///
/// # Errors
///
/// What the serializer returns.
pub fn serialize<F: Field, S: Serializer>(field: &F, serializer: S) -> Result<S::Ok, S::Error> {
    field.to_tables().serialize(serializer)
}

/// For `#[serde(with)]`, `#[serde(deserialize_with)]`.
///
/// # Errors
///
/// What the deserializer returns, or why this is no table.
pub fn deserialize<'de, F: Field, D: Deserializer<'de>>(deserializer: D) -> Result<F, D::Error> {
    F::Tables::deserialize(deserializer).map(F::from_tables)
}

impl Field for RecordBatch {
    type Tables = Table;

    fn to_tables(&self) -> Table {
        Table::from(self.clone())
    }

    fn from_tables(table: Table) -> Self {
        table.into_batch()
    }
}

impl Field for Option<RecordBatch> {
    type Tables = Option<Table>;

    fn to_tables(&self) -> Option<Table> {
        self.clone().map(Table::from)
    }

    fn from_tables(table: Option<Table>) -> Self {
        table.map(Table::into_batch)
    }
}

impl Field for Vec<RecordBatch> {
    type Tables = Vec<Table>;

    fn to_tables(&self) -> Vec<Table> {
        self.iter().cloned().map(Table::from).collect()
    }

    fn from_tables(tables: Vec<Table>) -> Self {
        tables.into_iter().map(Table::into_batch).collect()
    }
}
