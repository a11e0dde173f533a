//! A table on its way to serde, in the form that a table has in every serializer.

use arrow_schema::Schema;
use serde::de::value::{BorrowedStrDeserializer, SeqDeserializer};
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::super::mismatch::{Mismatch, Result};
use super::super::read::Reader;
use super::came::Came;
use crate::buffer::Buffer;
use crate::handoff;
use crate::table::{Column, KEYS, Memory, Slot, arriving_with, schema_bytes};

/// A table in parts. Whether they fit each other is for `Table` to say.
pub(in crate::codec::pickle) struct Shown {
    schema: Vec<u8>,
    rows: u64,
    columns: Vec<Column>,
    memory: Option<Memory>,
}

impl Shown {
    /// A table where there is room for one as deep: it counts for the maps and lists that the default codec writes it as. What reads a
    /// type, and what makes an array, takes more of the stack for each level than a list does.
    pub(super) fn new(reader: Reader<'_>, schema: &Schema, rows: u64, columns: Vec<Column>) -> Result<Self> {
        let depth = 2 + columns.iter().map(depth).max().unwrap_or(0);
        (0..depth).try_fold(reader, |reader, _| reader.inside())?;
        let schema = schema_bytes(schema).map_err(Mismatch::because)?;
        Ok(Self { schema, rows, columns, memory: None })
    }

    /// The same, which the table is to remember this of.
    pub(super) fn that_came(mut self, came: Came) -> Self {
        self.memory = came.remembered();
        self
    }
}

/// A column in lists, which has one of buffers and one of columns.
fn depth(column: &Column) -> usize {
    let below = column.children.iter().map(depth).max().unwrap_or(0);
    let dictionary = column.dictionary.as_deref().map_or(0, depth);
    1 + dictionary.max(1 + below)
}

/// The entries of a table.
pub(in crate::codec::pickle) struct Parts {
    table: Box<Shown>,
    at: usize,
}

impl Parts {
    pub(in crate::codec::pickle) fn new(table: Box<Shown>) -> Self {
        Self { table, at: 0 }
    }
}

impl<'g> MapAccess<'g> for Parts {
    type Error = Mismatch;

    fn next_key_seed<K: DeserializeSeed<'g>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        KEYS.get(self.at).map(|name| seed.deserialize(BorrowedStrDeserializer::new(name))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'g>>(&mut self, seed: V) -> Result<V::Value> {
        self.at += 1;
        match self.at {
            1 => seed.deserialize(Part::Bytes(std::mem::take(&mut self.table.schema))),
            2 => seed.deserialize(Part::Number(self.table.rows)),
            _ => {
                let columns = Part::Columns(std::mem::take(&mut self.table.columns));
                arriving_with(self.table.memory.take(), || seed.deserialize(columns))
            }
        }
    }
}

/// A part of a table.
enum Part {
    Number(u64),
    Bytes(Vec<u8>),
    Columns(Vec<Column>),
    Column(Column),
    Slots(Vec<Slot>),
    Slot(Option<Buffer>),
}

impl<'g> IntoDeserializer<'g, Mismatch> for Part {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

fn sequence<'g, V: Visitor<'g>>(parts: impl Iterator<Item = Part>, visitor: V) -> Result<V::Value> {
    visitor.visit_seq(SeqDeserializer::new(parts))
}

impl<'g> Deserializer<'g> for Part {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'g>>(self, visitor: V) -> Result<V::Value> {
        match self {
            Self::Number(number) => visitor.visit_u64(number),
            Self::Bytes(bytes) => visitor.visit_byte_buf(bytes),
            Self::Columns(columns) => sequence(columns.into_iter().map(Self::Column), visitor),
            Self::Column(Column { len, nulls, buffers, children, dictionary }) => {
                let parts = [Self::Number(len), Self::Number(nulls), Self::Slots(buffers), Self::Columns(children)];
                let dictionary = dictionary.map(|column| Self::Column(*column));
                sequence(parts.into_iter().chain(dictionary), visitor)
            }
            Self::Slots(slots) => sequence(slots.into_iter().map(|slot| Self::Slot(slot.buffer)), visitor),
            Self::Slot(None) => visitor.visit_unit(),
            Self::Slot(Some(buffer)) => handoff::showing_made(buffer, |bytes| visitor.visit_bytes(bytes))
                .map_err(|_| Mismatch::because("tables whose buffers are named more than once, over the limit"))?,
        }
    }

    fn deserialize_option<V: Visitor<'g>>(self, visitor: V) -> Result<V::Value> {
        match self {
            Self::Slot(None) => visitor.visit_none(),
            part => visitor.visit_some(part),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'g>>(self, _name: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'g>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { <W: Visitor<'g>>
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier
    }
}
