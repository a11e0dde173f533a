//! What the metadata reader hands to visitors: elements, entries, variants, extension values.

use serde::de::value::{BorrowedBytesDeserializer, I8Deserializer};
use serde::de::{
    Deserialize, DeserializeSeed, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};

use super::bytes::Bytes;
use super::mismatch::{Mismatch, Result};
use super::read::Reader;

/// The elements of an array, or the entries of a map, that are still to come.
pub(super) struct Elements<'r, 'de> {
    pub(super) reader: &'r mut Reader<'de>,
    pub(super) left: usize,
    /// Whether the entries are the fields of a struct.
    pub(super) fields: bool,
}

impl Elements<'_, '_> {
    /// Whether all of the `len` elements were asked for.
    #[inline]
    pub(super) fn finish(&self, len: usize) -> Result<()> {
        if self.left == 0 { Ok(()) } else { Err(left_over(len, len - self.left)) }
    }
}

#[cold]
fn left_over(len: usize, asked: usize) -> Mismatch {
    Mismatch::invalid_length(len, &format_args!("{asked} elements").to_string().as_str())
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = Mismatch;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.reader.owed = self.reader.owed.saturating_sub(1);
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.reader.room(self.left))
    }
}

impl<'de> MapAccess<'de> for Elements<'_, 'de> {
    type Error = Mismatch;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        self.reader.field = self.fields;
        self.next_element_seed(seed)
    }

    #[inline]
    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value> {
        self.reader.field = false;
        self.reader.owed = self.reader.owed.saturating_sub(1);
        seed.deserialize(&mut *self.reader)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.reader.room(self.left))
    }
}

/// An enum variant with content: the entry of a map.
pub(super) struct Variant<'r, 'de>(pub(super) &'r mut Reader<'de>);

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = Mismatch;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self)> {
        Ok((seed.deserialize(&mut *self.0)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Mismatch;

    fn unit_variant(self) -> Result<()> {
        Deserialize::deserialize(self.0)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value> {
        self.0.value(visitor, Bytes::OneByOne)
    }

    fn struct_variant<V: Visitor<'de>>(self, _fields: &'static [&'static str], visitor: V) -> Result<V::Value> {
        self.0.value(visitor, Bytes::InStruct)
    }
}

/// An enum variant without content: its name alone.
pub(super) struct UnitVariant<'r, 'de>(pub(super) &'r mut Reader<'de>);

impl<'de> EnumAccess<'de> for UnitVariant<'_, 'de> {
    type Error = Mismatch;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self)> {
        Ok((seed.deserialize(&mut *self.0)?, self))
    }
}

impl<'de> VariantAccess<'de> for UnitVariant<'_, 'de> {
    type Error = Mismatch;

    fn unit_variant(self) -> Result<()> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _seed: T) -> Result<T::Value> {
        Err(Mismatch::invalid_type(Unexpected::UnitVariant, &"newtype variant"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, _visitor: V) -> Result<V::Value> {
        Err(Mismatch::invalid_type(Unexpected::UnitVariant, &"tuple variant"))
    }

    fn struct_variant<V: Visitor<'de>>(self, _fields: &'static [&'static str], _visitor: V) -> Result<V::Value> {
        Err(Mismatch::invalid_type(Unexpected::UnitVariant, &"struct variant"))
    }
}

/// An extension value of somebody else's: its type, then its payload.
pub(super) struct Foreign<'de> {
    kind: Option<i8>,
    payload: Option<&'de [u8]>,
}

impl<'de> Foreign<'de> {
    pub(super) fn new(kind: i8, payload: &'de [u8]) -> Self {
        Self { kind: Some(kind), payload: Some(payload) }
    }
}

impl<'de> SeqAccess<'de> for Foreign<'de> {
    type Error = Mismatch;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        if let Some(kind) = self.kind.take() {
            let kind: I8Deserializer<Mismatch> = kind.into_deserializer();
            return seed.deserialize(kind).map(Some);
        }
        self.payload.take().map(|payload| seed.deserialize(BorrowedBytesDeserializer::new(payload))).transpose()
    }
}

impl Reader<'_> {
    /// The 16 big-endian bytes of a 128-bit integer, when that is what comes next.
    pub(super) fn wide(&mut self) -> Option<[u8; 16]> {
        let (&[0xc4, 16], rest) = self.rest.split_first_chunk()? else { return None };
        let (&bytes, rest) = rest.split_first_chunk()?;
        self.rest = rest;
        Some(bytes)
    }
}
