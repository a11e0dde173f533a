//! A deserializer around rmp-serde's that shows the bytes of a frame where the metadata holds a buffer reference.
//!
//! Everything else passes through unchanged. The bytes are borrowed from the frames for `'de`, so `&'de [u8]` and
//! `&'de str` fields point into them, and a [`Buffer`] finds its owner by their address (see `handoff`), even when
//! serde kept the slice in between.

use std::fmt;

use serde::de::value::{BorrowedBytesDeserializer, I8Deserializer, SeqAccessDeserializer, SeqDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use crate::buffer::Buffer;
use crate::handoff;
use crate::reference::{EXTENSION, Reference};

/// A deserializer, a seed or an access with the frames of the message.
pub(crate) struct Reveal<'de, T> {
    inner: T,
    frames: &'de [Buffer],
}

impl<'de, T> Reveal<'de, T> {
    pub(crate) fn new(inner: T, frames: &'de [Buffer]) -> Self {
        Self { inner, frames }
    }
}

/// A visitor that resolves references before the real visitor sees them.
struct Resolve<'de, V> {
    visitor: V,
    frames: &'de [Buffer],
    asked: Asked,
}

/// What the real visitor asked for, which tells what a newtype struct means and how bytes are best shown.
#[derive(Clone, Copy)]
enum Asked {
    /// A newtype struct: what arrives is its content.
    Newtype,
    /// A sequence or tuple: a newtype struct is an extension value, and bytes are shown one by one.
    Sequence,
    /// Anything else: a newtype struct is an extension value.
    Other,
}

/// Passes the methods that have no argument but the visitor.
macro_rules! ask {
    ($asked:ident: $($method:ident)*) => { $(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method(Resolve { visitor, frames: self.frames, asked: Asked::$asked })
        }
    )* };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Reveal<'de, D> {
    type Error = D::Error;

    ask! { Other:
        deserialize_any deserialize_bool deserialize_char deserialize_str deserialize_string deserialize_bytes
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_byte_buf deserialize_option deserialize_unit deserialize_map
        deserialize_identifier deserialize_ignored_any
    }
    ask! { Sequence: deserialize_seq }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_unit_struct(name, Resolve { visitor, frames: self.frames, asked: Asked::Other })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_newtype_struct(name, Resolve { visitor, frames: self.frames, asked: Asked::Newtype })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_tuple(len, Resolve { visitor, frames: self.frames, asked: Asked::Sequence })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = Resolve { visitor, frames: self.frames, asked: Asked::Sequence };
        self.inner.deserialize_tuple_struct(name, len, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = Resolve { visitor, frames: self.frames, asked: Asked::Other };
        self.inner.deserialize_struct(name, fields, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = Resolve { visitor, frames: self.frames, asked: Asked::Other };
        self.inner.deserialize_enum(name, variants, visitor)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

impl<'de, V: Visitor<'de>> Resolve<'de, V> {
    fn wrap<T>(&self, inner: T) -> Reveal<'de, T> {
        Reveal { inner, frames: self.frames }
    }

    /// Resolves an extension value that is not part of a newtype struct the visitor asked for.
    fn extension<D: Deserializer<'de>>(self, extension: D) -> Result<V::Value, D::Error> {
        let (kind, payload) = extension.deserialize_any(ExtensionVisitor)?;
        if kind != EXTENSION {
            let parts = Foreign { kind: Some(kind), payload: Some(payload), error: std::marker::PhantomData };
            return self.visitor.visit_newtype_struct(SeqAccessDeserializer::new(parts));
        }
        let reference = Reference::parse(payload).map_err(D::Error::custom)?;
        let index = usize::try_from(reference.frame).unwrap_or(usize::MAX);
        let frame = self.frames.get(index).filter(|frame| frame.len() as u64 == reference.len);
        let frame = frame.ok_or_else(|| D::Error::custom("a buffer reference without its frame"))?;
        handoff::showing(index);
        match self.asked {
            Asked::Sequence => self.visitor.visit_seq(SeqDeserializer::new(frame.iter().copied())),
            _ => self.visitor.visit_borrowed_bytes(frame),
        }
    }
}

/// Passes visits of plain values.
macro_rules! visit {
    ($($method:ident: $type:ty),* $(,)?) => { $(
        #[inline]
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.visitor.$method(value)
        }
    )* };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Resolve<'de, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    visit! {
        visit_bool: bool, visit_char: char, visit_str: &str, visit_borrowed_str: &'de str, visit_string: String,
        visit_bytes: &[u8], visit_borrowed_bytes: &'de [u8], visit_byte_buf: Vec<u8>,
        visit_i8: i8, visit_i16: i16, visit_i32: i32, visit_i64: i64, visit_i128: i128,
        visit_u8: u8, visit_u16: u16, visit_u32: u32, visit_u64: u64, visit_u128: u128,
        visit_f32: f32, visit_f64: f64,
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        let inner = self.wrap(deserializer);
        self.visitor.visit_some(inner)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        match self.asked {
            Asked::Newtype => {
                let inner = self.wrap(deserializer);
                self.visitor.visit_newtype_struct(inner)
            }
            Asked::Sequence | Asked::Other => self.extension(deserializer),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let inner = self.wrap(access);
        self.visitor.visit_seq(inner)
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let inner = self.wrap(access);
        self.visitor.visit_map(inner)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let inner = self.wrap(access);
        self.visitor.visit_enum(inner)
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Reveal<'de, S> {
    type Value = S::Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Reveal { inner: deserializer, frames: self.frames })
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Reveal<'de, A> {
    type Error = A::Error;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        self.inner.next_element_seed(Reveal { inner: seed, frames: self.frames })
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Reveal<'de, A> {
    type Error = A::Error;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        self.inner.next_key_seed(Reveal { inner: seed, frames: self.frames })
    }

    #[inline]
    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.inner.next_value_seed(Reveal { inner: seed, frames: self.frames })
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Reveal<'de, A> {
    type Error = A::Error;
    type Variant = Reveal<'de, A::Variant>;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self::Variant), A::Error> {
        let (value, variant) = self.inner.variant_seed(Reveal { inner: seed, frames: self.frames })?;
        Ok((value, Reveal { inner: variant, frames: self.frames }))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Reveal<'de, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, A::Error> {
        self.inner.newtype_variant_seed(Reveal { inner: seed, frames: self.frames })
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.inner.tuple_variant(len, Resolve { visitor, frames: self.frames, asked: Asked::Sequence })
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.inner.struct_variant(fields, Resolve { visitor, frames: self.frames, asked: Asked::Other })
    }
}

/// Takes an extension value apart: its type, and its payload.
struct ExtensionVisitor;

impl<'de> Visitor<'de> for ExtensionVisitor {
    type Value = (i8, &'de [u8]);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an extension value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
        let kind = parts.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
        let payload = parts.next_element()?.ok_or_else(|| A::Error::invalid_length(1, &self))?;
        Ok((kind, payload))
    }
}

/// An extension value of somebody else's, put together again for a visitor that may know it.
struct Foreign<'de, E> {
    kind: Option<i8>,
    payload: Option<&'de [u8]>,
    error: std::marker::PhantomData<E>,
}

impl<'de, E: Error> SeqAccess<'de> for Foreign<'de, E> {
    type Error = E;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, E> {
        if let Some(kind) = self.kind.take() {
            let kind: I8Deserializer<E> = kind.into_deserializer();
            return seed.deserialize(kind).map(Some);
        }
        self.payload.take().map(|payload| seed.deserialize(BorrowedBytesDeserializer::new(payload))).transpose()
    }
}
