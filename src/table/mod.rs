//! Tables: Arrow record batches whose buffers travel as frames.
//!
//! This room knows Arrow's layouts. It refuses to know codecs and sockets.

mod arrive;
mod block;
mod came;
mod column;
mod leave;
mod masked;
mod memory;
mod pick;
mod piece;
mod schema;
pub mod serde_table;
mod show;
mod sound;
mod used;

use std::cell::RefCell;
use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{self, Serialize, SerializeStruct, Serializer};

use crate::buffer::Buffer;
use crate::error::{Detail, Result};
use crate::handoff;
use block::Blocks;
use came::Came;
use column::SchemaBytes;
use memory::Arrived;

pub(crate) use arrive::fields_below;
pub(crate) use block::place;
pub(crate) use came::AsItCame;
pub(crate) use column::{Column, MAX_DEPTH, MAX_PARTS, Slot};
pub(crate) use leave::whole;
pub(crate) use memory::{Memory, arriving_with};
pub(crate) use piece::{array, joined, picked, texts, window};
pub(crate) use schema::to_bytes as schema_bytes;

/// An Arrow record batch that travels: its schema in the metadata, **every one of its buffers without copying**.
///
/// A table serializes with serde like any other value, at any depth of an object, in options, vectors, maps, and flattened
/// or untagged types. Each Arrow buffer is a [`Buffer`](crate::Buffer) of its own: out of band when it is long enough, and
/// what arrives uses the received frames in place. `Vec<Table>` holds several batches of one table; buffers that they
/// share (dictionaries, for instance) are one frame.
///
/// | | |
/// |---|---|
/// | leaves | without copying, a slice too: only its rows go out. Bitmaps of a slice that begins within a byte, offsets that do not begin at 0, and views far behind the beginning of their data, are one small counted copy, and so are the values of a long dictionary that are used, where few are |
/// | arrives | without copying where the frame is aligned for its elements; 16-byte elements (decimals of 128 and 256 bits, views) lie in the middle of a 16-byte word in most frames and are one counted copy |
///
/// All types of Arrow's columnar format, with the metadata of fields and schema, which is where extension types are. **What
/// arrives is validated in full** before there is a batch: lengths, offsets, UTF-8, null counts, dictionary keys, views,
/// union types and run ends. How it looks on the wire is in [`docs::wire`](crate::docs::wire), more in
/// [`docs::tables`](crate::docs::tables).
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use arrow_array::{Float64Array, RecordBatch, StringArray};
/// use outband::Table;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Report { station: String, readings: Table }
///
/// let batch = RecordBatch::try_from_iter([
///     ("volts", Arc::new(Float64Array::from(vec![0.5; 5000])) as _),
///     ("unit", Arc::new(StringArray::from(vec!["V"; 5000])) as _),
/// ])?;
/// let report = Report { station: "north".into(), readings: Table::from(batch.clone()) };
///
/// let message = outband::to_multipart(&report)?;
/// // 5000 floats, 5001 offsets; the 5000 bytes of text are short enough for the metadata
/// assert_eq!(message.buffers().iter().map(|frame| frame.len()).collect::<Vec<_>>(), [40_000, 20_004]);
///
/// let back: Report = outband::from_multipart(message)?;
/// assert_eq!(back.readings.batch(), &batch);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Table {
    batch: RecordBatch,
    /// Where its columns lie together, in order of their addresses.
    blocks: Option<Blocks>,
    memory: Option<Memory>,
    /// Whether null rows are something else than when they arrived.
    is_masked: bool,
    came: Option<Arc<Came>>,
}

impl Table {
    /// A table of columns of equal length **without copying**.
    ///
    /// # Errors
    ///
    /// Kind `Caller` when the columns do not fit the schema: their number, types, lengths, or nulls where none may be.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use arrow_array::Int64Array;
    /// use arrow_schema::{DataType, Field, Schema};
    /// use outband::Table;
    ///
    /// let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false)]));
    /// let table = Table::new(schema.clone(), vec![Arc::new(Int64Array::from(vec![1, 2, 3]))])?;
    /// assert_eq!((table.rows(), table.batch().num_columns()), (3, 1));
    ///
    /// let error = Table::new(schema, vec![]).unwrap_err();
    /// assert_eq!(error.kind(), outband::ErrorKind::Caller);
    /// # Ok::<(), outband::Error>(())
    /// ```
    pub fn new(schema: SchemaRef, columns: Vec<ArrayRef>) -> Result<Self> {
        let rows = columns.first().map_or(0, |column| column.len());
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(schema, columns, &options);
        batch.map(Self::from).map_err(|error| Detail::TableMisfit { reason: error.to_string() }.into())
    }

    /// The record batch, without copying.
    pub fn batch(&self) -> &RecordBatch {
        &self.batch
    }

    /// The record batch, without copying.
    pub fn into_batch(self) -> RecordBatch {
        self.batch
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// Some of the rows **without copying**; sent, it is only these.
    ///
    /// # Panics
    ///
    /// When there are fewer than `from + rows` rows.
    pub fn slice(&self, from: usize, rows: usize) -> Self {
        Self::from(self.batch.slice(from, rows))
    }

    /// The memory in which several of its columns lie, in order of addresses: what a frame of pandas was made of.
    pub(crate) fn blocks(&self) -> &[Buffer] {
        self.blocks.as_deref().unwrap_or_default()
    }

    /// Whether null rows were beyond what they name when they arrived, as nothing is that is sent.
    pub(crate) fn is_masked(&self) -> bool {
        self.is_masked
    }

    /// What the codec that read it keeps of how it came.
    pub(crate) fn memory(&self) -> Option<Memory> {
        self.memory.clone()
    }
}

/// Without copying.
impl From<RecordBatch> for Table {
    fn from(batch: RecordBatch) -> Self {
        Self { batch, blocks: None, memory: None, is_masked: false, came: None }
    }
}

/// Without copying.
impl From<Table> for RecordBatch {
    fn from(table: Table) -> Self {
        table.batch
    }
}

impl AsRef<RecordBatch> for Table {
    fn as_ref(&self) -> &RecordBatch {
        &self.batch
    }
}

impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        self.batch == other.batch
    }
}

/// Prints the number of rows, and names, types and first rows of the columns; in one line of a kilobyte at most.
impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show::outline(&self.batch, f)
    }
}

/// Prints the first rows of the first columns; a few kilobytes at most.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show::head(&self.batch, f)
    }
}

/// The keys of the map that a table is on the wire, in order.
pub(crate) const KEYS: [&str; 3] = ["$table", "rows", "columns"];

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let schema = schema::to_bytes(&self.batch.schema()).map_err(ser::Error::custom)?;
        self.write(&SchemaBytes(schema), &Leaving(&self.batch), serializer)
    }
}

impl Table {
    fn write<S: Serializer>(
        &self,
        schema: &SchemaBytes,
        columns: &impl Serialize,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_struct("Table", KEYS.len())?;
        leaving_with(self, || map.serialize_field(KEYS[0], schema))?;
        map.serialize_field(KEYS[1], &self.batch.num_rows())?;
        map.serialize_field(KEYS[2], columns)?;
        map.end()
    }
}

/// The columns of a batch, which are made for a codec that comes to them: one that writes tables in a form of its own does not.
struct Leaving<'b>(&'b RecordBatch);

impl Serialize for Leaving<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        leave::columns(self.0).map_err(ser::Error::custom)?.serialize(serializer)
    }
}

thread_local! {
    /// The table that is being serialized, for a codec that writes tables in a form of its own.
    /// Never dropped: who encodes while the thread ends needs it still, and nothing is left in it.
    static LEAVING: ManuallyDrop<RefCell<Option<Table>>> = const { ManuallyDrop::new(RefCell::new(None)) };
}

/// The table that is being serialized.
pub(crate) fn leaving() -> Option<Table> {
    LEAVING.with(|place| place.borrow().clone())
}

/// Runs `serialize` with the table at hand.
fn leaving_with<R>(table: &Table, serialize: impl FnOnce() -> R) -> R {
    struct Restore(Option<Table>);
    impl Drop for Restore {
        fn drop(&mut self) {
            let ours = LEAVING.with(|place| place.replace(self.0.take()));
            // dropped after the borrow has ended: an owner's `Drop` may come back here
            drop(ours);
        }
    }
    let _restore = Restore(LEAVING.with(|place| place.replace(Some(table.clone()))));
    serialize()
}

impl<'de> Deserialize<'de> for Table {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct("Table", &KEYS, TableVisitor { keeps: false })
    }
}

/// Deserializes a table from the entries of a map, and keeps how it stood in the message, where it matters to the codec.
///
/// # Errors
///
/// What the map returns, or that this is no table.
pub(crate) fn keeping<'de, A: MapAccess<'de>>(entries: A) -> Result<Table, A::Error> {
    TableVisitor { keeps: handoff::keeps_tables() }.visit_map(entries)
}

struct TableVisitor {
    keeps: bool,
}

impl<'de> Visitor<'de> for TableVisitor {
    type Value = Table;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Table, A::Error> {
        let (mut schema, mut rows, mut columns) = (None, None, None);
        while let Some(key) = map.next_key::<Key>()? {
            let again = match key {
                Key::Schema => schema.replace(map.next_value::<SchemaBytes>()?).is_some(),
                Key::Rows => rows.replace(map.next_value::<u64>()?).is_some(),
                Key::Columns => columns.replace(map.next_value::<Arrived>()?).is_some(),
                Key::Other => map.next_value::<IgnoredAny>().map(|_| false)?,
            };
            if again {
                return Err(de::Error::custom("a key of the table stands there twice"));
            }
        }
        let schema = schema.ok_or_else(|| de::Error::missing_field(KEYS[0]))?;
        let rows = rows.ok_or_else(|| de::Error::missing_field(KEYS[1]))?;
        let columns = columns.ok_or_else(|| de::Error::missing_field(KEYS[2]))?;
        self.table(schema, rows, columns)
    }

    /// As serializers that leave the names of fields out have it.
    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Table, A::Error> {
        let missing = |at| move || de::Error::invalid_length(at, &"the three parts of a table");
        let schema = parts.next_element()?.ok_or_else(missing(0))?;
        let rows = parts.next_element()?.ok_or_else(missing(1))?;
        let columns = parts.next_element()?.ok_or_else(missing(2))?;
        self.table(schema, rows, columns)
    }
}

impl TableVisitor {
    fn table<E: de::Error>(self, message: SchemaBytes, rows: u64, columns: Arrived) -> Result<Table, E> {
        let schema = schema::from_bytes(&message.0).map_err(E::custom)?;
        let Arrived { columns, memory } = columns;
        let came = self.keeps.then(|| Arc::new(Came::of(message, &schema, &columns)));
        let (batch, is_masked) = arrive::batch(schema, rows, columns).map_err(E::custom)?;
        let blocks = block::around(&batch);
        Ok(Table { batch, blocks, memory, is_masked, came })
    }
}

enum Key {
    Schema,
    Rows,
    Columns,
    Other,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;

        impl Visitor<'_> for KeyVisitor {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key of a table")
            }

            fn visit_str<E: de::Error>(self, key: &str) -> Result<Key, E> {
                self.visit_bytes(key.as_bytes())
            }

            fn visit_bytes<E: de::Error>(self, key: &[u8]) -> Result<Key, E> {
                let keys = KEYS.into_iter().zip([Key::Schema, Key::Rows, Key::Columns]);
                Ok(keys.into_iter().find(|(name, _)| name.as_bytes() == key).map_or(Key::Other, |(_, key)| key))
            }
        }

        deserializer.deserialize_identifier(KeyVisitor)
    }
}
