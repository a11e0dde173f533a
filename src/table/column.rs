//! A column as it stands in the metadata: lengths, buffers and children, with no type.
//!
//! ```text
//!   [ length, null count, [ buffer or nil ... ], [ child column ... ] ]
//!   [ length, null count, [ buffer or nil ... ], [], dictionary column ]
//! ```

use std::cell::Cell;
use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeSeq, Serializer};

use crate::buffer::Buffer;
use crate::handoff::{self, Place};

/// The most columns of one table, children counted, and the most of their buffers.
pub(crate) const MAX_PARTS: usize = 1 << 16;

/// The most levels of columns within columns: each takes several kilobytes of stack in a debug build, Arrow's part included.
pub(crate) const MAX_DEPTH: usize = 16;

/// One column.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// In rows.
    pub(crate) len: u64,
    pub(crate) nulls: u64,
    /// The validity bitmap first, whether or not the type has one; then those of the type's layout.
    pub(crate) buffers: Vec<Slot>,
    pub(crate) children: Vec<Column>,
    /// The values of a dictionary-encoded column.
    pub(crate) dictionary: Option<Box<Column>>,
}

/// Where a buffer of a layout stands.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) buffer: Option<Buffer>,
    /// The length of its elements in bytes; nothing that travels. (A value may keep many of these, and so it is short.)
    item: u32,
    /// Where in a message it was.
    place: Option<Place>,
}

impl Slot {
    pub(crate) fn of(buffer: Buffer, item: usize) -> Self {
        let mut slot = Self { buffer: Some(buffer), ..Self::NONE };
        slot.measure(item);
        slot
    }

    /// Says how long its elements are: what is longer than any of Arrow's is no more than bytes to compression.
    pub(crate) fn measure(&mut self, item: usize) {
        self.item = u32::try_from(item).unwrap_or(1);
    }

    /// The same, which goes where it was in its message.
    pub(crate) fn that_was(self, place: Place) -> Self {
        Self { place: Some(place), ..self }
    }

    /// Where in its message it was, where that is known.
    pub(crate) fn place(&self) -> Option<Place> {
        self.place
    }

    pub(crate) const NONE: Self = Self { buffer: None, item: 1, place: None };
}

impl Serialize for Slot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        handoff::of_items(self.item as usize, || match self.place {
            Some(place) => handoff::placed(place, || self.buffer.serialize(serializer)),
            None => self.buffer.serialize(serializer),
        })
    }
}

impl Serialize for Column {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut parts = serializer.serialize_seq(Some(4 + usize::from(self.dictionary.is_some())))?;
        parts.serialize_element(&self.len)?;
        parts.serialize_element(&self.nulls)?;
        parts.serialize_element(&self.buffers)?;
        parts.serialize_element(&self.children)?;
        if let Some(dictionary) = &self.dictionary {
            parts.serialize_element(dictionary)?;
        }
        parts.end()
    }
}

/// The columns of a table.
#[derive(Clone, Debug)]
pub(crate) struct Columns(pub(crate) Vec<Column>);

impl Serialize for Columns {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Columns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let budget = Budget { columns: Cell::new(MAX_PARTS), buffers: Cell::new(MAX_PARTS) };
        ListOf(ColumnSeed(&budget, 1)).deserialize(deserializer).map(Columns)
    }
}

/// How many more columns and buffers may come: each is many times longer in memory than on the wire.
struct Budget {
    columns: Cell<usize>,
    buffers: Cell<usize>,
}

fn take_one<E: de::Error>(left: &Cell<usize>, what: &str) -> Result<(), E> {
    let rest = left.get().checked_sub(1);
    left.set(rest.ok_or_else(|| E::custom(format_args!("the table has more {what} than the limit of {MAX_PARTS}")))?);
    Ok(())
}

/// A column, and how deep it is.
#[derive(Clone, Copy)]
struct ColumnSeed<'b>(&'b Budget, usize);

impl<'de> DeserializeSeed<'de> for ColumnSeed<'_> {
    type Value = Column;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Column, D::Error> {
        take_one(&self.0.columns, "columns")?;
        if self.1 > MAX_DEPTH {
            return Err(de::Error::custom(format_args!("columns are nested deeper than the limit of {MAX_DEPTH}")));
        }
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for ColumnSeed<'_> {
    type Value = Column;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a column: its length, null count, buffers and children")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Column, A::Error> {
        let below = ColumnSeed(self.0, self.1 + 1);
        let missing = |at| move || de::Error::invalid_length(at, &"the four or five parts of a column");
        let len = parts.next_element()?.ok_or_else(missing(0))?;
        let nulls = parts.next_element()?.ok_or_else(missing(1))?;
        let buffers = parts.next_element_seed(ListOf(SlotSeed(self.0)))?.ok_or_else(missing(2))?;
        let children = parts.next_element_seed(ListOf(below))?.ok_or_else(missing(3))?;
        let dictionary = parts.next_element_seed(below)?.map(Box::new);
        Ok(Column { len, nulls, buffers, children, dictionary })
    }
}

#[derive(Clone, Copy)]
struct SlotSeed<'b>(&'b Budget);

impl<'de> DeserializeSeed<'de> for SlotSeed<'_> {
    type Value = Slot;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Slot, D::Error> {
        take_one(&self.0.buffers, "buffers")?;
        let (buffer, place) = handoff::noting_place(|| Option::deserialize(deserializer));
        Ok(Slot { buffer: buffer?, item: 1, place })
    }
}

/// A sequence of what a seed makes.
struct ListOf<S>(S);

impl<'de, S: DeserializeSeed<'de> + Copy> DeserializeSeed<'de> for ListOf<S> {
    type Value = Vec<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<S::Value>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, S: DeserializeSeed<'de> + Copy> Visitor<'de> for ListOf<S> {
    type Value = Vec<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of the parts of a table")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<S::Value>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = sequence.next_element_seed(self.0)? {
            list.push(item);
        }
        // a value may keep them, each of a byte of metadata
        list.shrink_to_fit();
        Ok(list)
    }
}

/// How many bytes that are looked through cost as much as one of a schema.
const SCHEMA: usize = 8;

/// The schema message: always in band, so that whoever reads the metadata has it.
#[derive(Debug)]
pub(super) struct SchemaBytes(pub(super) Vec<u8>);

impl Serialize for SchemaBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for SchemaBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BytesVisitor;

        impl<'de> Visitor<'de> for BytesVisitor {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the bytes of an Arrow schema message")
            }

            fn visit_borrowed_bytes<E: de::Error>(self, bytes: &'de [u8]) -> Result<Vec<u8>, E> {
                // a part of the message: in a frame of its own it may be that of many tables, and each has it for itself
                match handoff::working(bytes.len().saturating_mul(SCHEMA)) {
                    Ok(()) => Ok(bytes.to_vec()),
                    Err(limit) => {
                        Err(E::custom(format_args!("the tables' schemas would be read to more than {limit} bytes")))
                    }
                }
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }

            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<u8>, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = sequence.next_element()? {
                    bytes.push(byte);
                }
                Ok(bytes)
            }
        }

        deserializer.deserialize_bytes(BytesVisitor).map(SchemaBytes)
    }
}
