//! What is shown for as long as a graph lives, shown for as long as the message lives.
//!
//! Text and bytes of a graph mostly lie in the pickle or in a frame, and the graph is gone when a value that borrows is handed
//! out. So each of them is looked up in the message by its address, and is a part of the message from there on. What lies nowhere
//! in it, text that was escaped in the pickle or made of numbers, is shown as what has to be copied.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor};

use crate::buffer::Buffer;

/// The pickle and its frames by address, without those that lie in others: each ends behind the one before it.
pub(super) struct Message<'de>(Vec<&'de [u8]>);

impl<'de> Message<'de> {
    pub(super) fn new(pickle: &'de [u8], frames: &'de [Buffer]) -> Self {
        let mut parts: Vec<&[u8]> = frames.iter().map(Buffer::as_slice).chain([pickle]).collect();
        parts.sort_unstable_by_key(|part| (part.as_ptr().addr(), part.len()));
        let mut end = 0;
        parts.retain(|part| {
            let before = end;
            end = before.max(part.as_ptr_range().end.addr());
            end > before
        });
        Self(parts)
    }

    /// The same bytes, as a part of the message.
    fn find(&self, bytes: &[u8]) -> Option<&'de [u8]> {
        let addr = bytes.as_ptr().addr();
        let behind = self.0.partition_point(|part| part.as_ptr().addr() <= addr);
        let part = self.0[..behind].last()?;
        let at = addr - part.as_ptr().addr();
        part.get(at..at.checked_add(bytes.len())?)
    }

    fn find_text(&self, text: &str) -> Option<&'de str> {
        str::from_utf8(self.find(text.as_bytes())?).ok()
    }
}

/// A visitor or a seed that wants parts of a message.
#[derive(Clone, Copy)]
pub(super) struct Anchored<'m, 'de, T> {
    pub(super) message: &'m Message<'de>,
    pub(super) inner: T,
}

/// What shows parts of a graph.
struct Shown<'m, 'g, 'de, T> {
    message: &'m Message<'de>,
    inner: T,
    graph: PhantomData<&'g ()>,
}

impl<'m, 'de, T> Anchored<'m, 'de, T> {
    fn show<'g, D>(&self, inner: D) -> Shown<'m, 'g, 'de, D> {
        Shown { message: self.message, inner, graph: PhantomData }
    }
}

impl<'m, 'g, 'de, T> Shown<'m, 'g, 'de, T> {
    fn anchor<V>(&self, inner: V) -> Anchored<'m, 'de, V> {
        Anchored { message: self.message, inner }
    }
}

impl<'g, 'de, S: DeserializeSeed<'de>> DeserializeSeed<'g> for Anchored<'_, 'de, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'g>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        let shown = self.show(deserializer);
        self.inner.deserialize(shown)
    }
}

/// Methods that hand on what they get.
macro_rules! visit {
    ($($method:ident: $value:ty;)*) => {
        $(
            #[inline]
            fn $method<E: Error>(self, value: $value) -> Result<V::Value, E> {
                self.inner.$method(value)
            }
        )*
    };
}

impl<'g, 'de, V: Visitor<'de>> Visitor<'g> for Anchored<'_, 'de, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.inner.expecting(f)
    }

    visit! {
        visit_bool: bool;
        visit_i64: i64;
        visit_i128: i128;
        visit_u64: u64;
        visit_u128: u128;
        visit_f64: f64;
        visit_str: &str;
        visit_string: String;
        visit_bytes: &[u8];
        visit_byte_buf: Vec<u8>;
    }

    fn visit_borrowed_str<E: Error>(self, text: &'g str) -> Result<V::Value, E> {
        match self.message.find_text(text) {
            Some(text) => self.inner.visit_borrowed_str(text),
            None => self.inner.visit_str(text),
        }
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'g [u8]) -> Result<V::Value, E> {
        match self.message.find(bytes) {
            Some(bytes) => self.inner.visit_borrowed_bytes(bytes),
            None => self.inner.visit_bytes(bytes),
        }
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'g>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        let shown = self.show(deserializer);
        self.inner.visit_some(shown)
    }

    fn visit_newtype_struct<D: Deserializer<'g>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        let shown = self.show(deserializer);
        self.inner.visit_newtype_struct(shown)
    }

    fn visit_seq<A: SeqAccess<'g>>(self, access: A) -> Result<V::Value, A::Error> {
        let shown = self.show(access);
        self.inner.visit_seq(shown)
    }

    fn visit_map<A: MapAccess<'g>>(self, access: A) -> Result<V::Value, A::Error> {
        let shown = self.show(access);
        self.inner.visit_map(shown)
    }

    fn visit_enum<A: EnumAccess<'g>>(self, access: A) -> Result<V::Value, A::Error> {
        let shown = self.show(access);
        self.inner.visit_enum(shown)
    }
}

/// As above, of a deserializer.
macro_rules! deserialize {
    ($($method:ident($($name:ident: $type:ty),*);)*) => {
        $(
            #[inline]
            fn $method<V: Visitor<'de>>(self, $($name: $type,)* visitor: V) -> Result<V::Value, D::Error> {
                let visitor = self.anchor(visitor);
                self.inner.$method($($name,)* visitor)
            }
        )*
    };
}

impl<'g, 'de, D: Deserializer<'g>> Deserializer<'de> for Shown<'_, 'g, 'de, D> {
    type Error = D::Error;

    deserialize! {
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_option();
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_seq();
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_map();
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
        deserialize_ignored_any();
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

impl<'g, 'de, A: SeqAccess<'g>> SeqAccess<'de> for Shown<'_, 'g, 'de, A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        let seed = self.anchor(seed);
        self.inner.next_element_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'g, 'de, A: MapAccess<'g>> MapAccess<'de> for Shown<'_, 'g, 'de, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let seed = self.anchor(seed);
        self.inner.next_key_seed(seed)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        let seed = self.anchor(seed);
        self.inner.next_value_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'m, 'g, 'de, A: EnumAccess<'g>> EnumAccess<'de> for Shown<'m, 'g, 'de, A> {
    type Error = A::Error;
    type Variant = Shown<'m, 'g, 'de, A::Variant>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self::Variant), A::Error> {
        let seed = self.anchor(seed);
        let (name, inner) = self.inner.variant_seed(seed)?;
        Ok((name, Shown { message: self.message, inner, graph: PhantomData }))
    }
}

impl<'g, 'de, A: VariantAccess<'g>> VariantAccess<'de> for Shown<'_, 'g, 'de, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, A::Error> {
        let seed = self.anchor(seed);
        self.inner.newtype_variant_seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        let visitor = self.anchor(visitor);
        self.inner.tuple_variant(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let visitor = self.anchor(visitor);
        self.inner.struct_variant(fields, visitor)
    }
}
