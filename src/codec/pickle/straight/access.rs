//! What serde is shown of the parts of a value.

use std::marker::PhantomData;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};

use super::cursor::Cursor;
use crate::codec::pickle::mismatch::{Mismatch, Result};

/// The elements of a sequence.
pub(super) struct Elements<'c, 'o, 'g> {
    cursor: &'c mut Cursor<'o, 'g>,
    left: usize,
}

impl<'c, 'o, 'g> Elements<'c, 'o, 'g> {
    #[inline]
    pub(super) fn new(cursor: &'c mut Cursor<'o, 'g>, len: usize) -> Self {
        Self { cursor, left: len }
    }

    #[inline]
    pub(super) fn left(&self) -> usize {
        self.left
    }
}

impl<'g> SeqAccess<'g> for Elements<'_, '_, 'g> {
    type Error = Mismatch;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'g>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        self.cursor.whole(|cursor| seed.deserialize(cursor)).map(Some)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// The entries of a dict.
pub(super) struct Entries<'c, 'o, 'g> {
    pub(super) cursor: &'c mut Cursor<'o, 'g>,
    /// Keys and values that were not looked at yet.
    pub(super) left: &'c mut usize,
}

impl<'o, 'g> Entries<'_, 'o, 'g> {
    #[inline(always)]
    fn next<T: DeserializeSeed<'g>>(&mut self, seed: T) -> Result<T::Value> {
        let Some(left) = self.left.checked_sub(1) else { return Err(self.cursor.lose()) };
        *self.left = left;
        self.cursor.whole(|cursor| seed.deserialize(cursor))
    }
}

impl<'g> MapAccess<'g> for Entries<'_, '_, 'g> {
    type Error = Mismatch;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'g>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        if *self.left == 0 {
            return Ok(None);
        }
        self.next(seed).map(Some)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'g>>(&mut self, seed: V) -> Result<V::Value> {
        self.next(seed)
    }

    /// Key and value in one step, which has to be a part of the loop that fills a map: handed over in memory, an entry waits for the
    /// one before it to be written to the map, which is most of the time where that is larger than the caches.
    #[inline(always)]
    fn next_entry_seed<K: DeserializeSeed<'g>, V: DeserializeSeed<'g>>(
        &mut self,
        key: K,
        value: V,
    ) -> Result<Option<(K::Value, V::Value)>> {
        if *self.left == 0 {
            return Ok(None);
        }
        let key = self.next(key)?;
        let value = self.next(value)?;
        Ok(Some((key, value)))
    }

    #[inline(always)]
    fn next_entry<K: Deserialize<'g>, V: Deserialize<'g>>(&mut self) -> Result<Option<(K, V)>> {
        self.next_entry_seed(PhantomData, PhantomData)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(*self.left / 2)
    }
}

/// A variant that is its name.
pub(super) struct UnitVariant<'c, 'o, 'g>(pub(super) &'c mut Cursor<'o, 'g>);

/// The content that a name alone does not have.
pub(super) struct NoContent;

impl<'g> EnumAccess<'g> for UnitVariant<'_, '_, 'g> {
    type Error = Mismatch;
    type Variant = NoContent;

    fn variant_seed<V: DeserializeSeed<'g>>(self, seed: V) -> Result<(V::Value, NoContent)> {
        Ok((seed.deserialize(self.0)?, NoContent))
    }
}

impl<'g> VariantAccess<'g> for NoContent {
    type Error = Mismatch;

    fn unit_variant(self) -> Result<()> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'g>>(self, _seed: T) -> Result<T::Value> {
        Err(Mismatch::invalid_type(Unexpected::UnitVariant, &"a newtype variant"))
    }

    fn tuple_variant<V: Visitor<'g>>(self, _len: usize, _visitor: V) -> Result<V::Value> {
        Err(Mismatch::invalid_type(Unexpected::UnitVariant, &"a tuple variant"))
    }

    fn struct_variant<V: Visitor<'g>>(self, _fields: &'static [&'static str], _visitor: V) -> Result<V::Value> {
        Err(Mismatch::invalid_type(Unexpected::UnitVariant, &"a struct variant"))
    }
}

/// A variant that is the one entry of a dict.
pub(super) struct Variant<'c, 'o, 'g> {
    pub(super) cursor: &'c mut Cursor<'o, 'g>,
    /// How many of name and content were not looked at yet.
    pub(super) left: &'c mut usize,
}

impl<'o, 'g> Variant<'_, 'o, 'g> {
    fn next<T>(&mut self, decode: impl FnOnce(&mut Cursor<'o, 'g>) -> Result<T>) -> Result<T> {
        *self.left -= 1;
        self.cursor.whole(decode)
    }
}

impl<'g> EnumAccess<'g> for Variant<'_, '_, 'g> {
    type Error = Mismatch;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'g>>(mut self, seed: V) -> Result<(V::Value, Self)> {
        Ok((self.next(|cursor| seed.deserialize(cursor))?, self))
    }
}

impl<'g> VariantAccess<'g> for Variant<'_, '_, 'g> {
    type Error = Mismatch;

    fn unit_variant(mut self) -> Result<()> {
        self.next(|cursor| Deserialize::deserialize(cursor))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'g>>(mut self, seed: T) -> Result<T::Value> {
        self.next(|cursor| seed.deserialize(cursor))
    }

    fn tuple_variant<V: Visitor<'g>>(mut self, _len: usize, visitor: V) -> Result<V::Value> {
        self.next(|cursor| cursor.deserialize_seq(visitor))
    }

    fn struct_variant<V: Visitor<'g>>(mut self, _fields: &'static [&'static str], visitor: V) -> Result<V::Value> {
        self.next(|cursor| cursor.deserialize_map(visitor))
    }
}
