//! A serializer around any serializer that catches buffers at every depth.
//!
//! It passes everything through unchanged but newtype structs of the name [`handoff::BUFFER`]: their buffer goes to a
//! [`Place`]. It also counts nesting, so that a value too deep for any receiver fails here.

use std::fmt::Display;

use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use crate::buffer::Buffer;
use crate::handoff;

/// Decides where a buffer goes, and writes what stands for it.
pub(crate) trait Place {
    fn place<S: Serializer>(&self, buffer: Buffer, serializer: S) -> Result<S::Ok, S::Error>;
}

/// A serializer, or one of its compound states, with a place for buffers.
pub(crate) struct Intercept<'p, S, P> {
    inner: S,
    place: &'p P,
    /// How many more arrays and maps may be opened.
    depth: usize,
    /// Whether this is the inside of a newtype struct that announced a buffer.
    buffer: bool,
}

impl<'p, S, P> Intercept<'p, S, P> {
    pub(crate) fn new(inner: S, place: &'p P, max_depth: usize) -> Self {
        Self { inner, place, depth: max_depth, buffer: false }
    }

    fn value<'v, T: ?Sized>(&self, value: &'v T) -> Through<'v, 'p, T, P> {
        Through { value, place: self.place, depth: self.depth, buffer: false }
    }
}

/// A value on its way through the inner serializer and back into an [`Intercept`].
struct Through<'v, 'p, T: ?Sized, P> {
    value: &'v T,
    place: &'p P,
    depth: usize,
    buffer: bool,
}

impl<T: Serialize + ?Sized, P: Place> Serialize for Through<'_, '_, T, P> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { value, place, depth, buffer } = *self;
        value.serialize(Intercept { inner: serializer, place, depth, buffer })
    }
}

impl<'p, S: Serializer, P: Place> Intercept<'p, S, P> {
    /// Opens `levels` arrays or maps.
    fn open<C>(
        self,
        levels: usize,
        open: impl FnOnce(S) -> Result<C, S::Error>,
    ) -> Result<Intercept<'p, C, P>, S::Error> {
        let depth = self.deeper(levels)?;
        Ok(Intercept { inner: open(self.inner)?, place: self.place, depth, buffer: false })
    }

    fn deeper(&self, levels: usize) -> Result<usize, S::Error> {
        self.depth.checked_sub(levels).ok_or_else(|| S::Error::custom("it is nested deeper than the limit allows"))
    }
}

/// Passes scalar methods through.
macro_rules! pass {
    ($($method:ident: $type:ty),* $(,)?) => { $(
        #[inline]
        fn $method(self, value: $type) -> Result<S::Ok, S::Error> {
            self.inner.$method(value)
        }
    )* };
}

impl<'p, S: Serializer, P: Place> Serializer for Intercept<'p, S, P> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Intercept<'p, S::SerializeSeq, P>;
    type SerializeTuple = Intercept<'p, S::SerializeTuple, P>;
    type SerializeTupleStruct = Intercept<'p, S::SerializeTupleStruct, P>;
    type SerializeTupleVariant = Intercept<'p, S::SerializeTupleVariant, P>;
    type SerializeMap = Intercept<'p, S::SerializeMap, P>;
    type SerializeStruct = Intercept<'p, S::SerializeStruct, P>;
    type SerializeStructVariant = Intercept<'p, S::SerializeStructVariant, P>;

    pass! {
        serialize_bool: bool, serialize_char: char, serialize_str: &str,
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
        serialize_f32: f32, serialize_f64: f64, serialize_unit_struct: &'static str,
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<S::Ok, S::Error> {
        if self.buffer {
            // serde kept the bytes in a buffer of its own on the way here (a flattened enum): ownership is lost
            return self.place.place(Buffer::copy_from_slice(bytes), self.inner);
        }
        self.inner.serialize_bytes(bytes)
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        match if self.buffer { handoff::caught() } else { None } {
            Some(buffer) => self.place.place(buffer, self.inner),
            None => self.inner.serialize_unit(),
        }
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_none()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        let value = self.value(value);
        self.inner.serialize_some(&value)
    }

    fn serialize_unit_variant(self, name: &'static str, index: u32, variant: &'static str) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit_variant(name, index, variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<S::Ok, S::Error> {
        if name == handoff::BUFFER {
            return handoff::catch(|| value.serialize(Intercept { buffer: true, ..self }));
        }
        let value = self.value(value);
        self.inner.serialize_newtype_struct(name, &value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let value = Through { value, place: self.place, depth: self.deeper(1)?, buffer: false };
        self.inner.serialize_newtype_variant(name, index, variant, &value)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        self.open(1, |inner| inner.serialize_seq(len))
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.open(1, |inner| inner.serialize_tuple(len))
    }

    fn serialize_tuple_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.open(1, |inner| inner.serialize_tuple_struct(name, len))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        self.open(2, |inner| inner.serialize_tuple_variant(name, index, variant, len))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        self.open(1, |inner| inner.serialize_map(len))
    }

    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeStruct, S::Error> {
        self.open(1, |inner| inner.serialize_struct(name, len))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.open(2, |inner| inner.serialize_struct_variant(name, index, variant, len))
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// Implements a compound state whose elements have no names.
macro_rules! compound {
    ($($state:ident . $method:ident),* $(,)?) => { $(
        impl<S: $state, P: Place> $state for Intercept<'_, S, P> {
            type Ok = S::Ok;
            type Error = S::Error;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
                let value = self.value(value);
                self.inner.$method(&value)
            }

            #[inline]
            fn end(self) -> Result<S::Ok, S::Error> {
                self.inner.end()
            }
        }
    )* };
}
compound!(
    SerializeSeq.serialize_element,
    SerializeTuple.serialize_element,
    SerializeTupleStruct.serialize_field,
    SerializeTupleVariant.serialize_field,
);

/// Implements a compound state whose fields have names.
macro_rules! named_compound {
    ($($state:ident),*) => { $(
        impl<S: $state, P: Place> $state for Intercept<'_, S, P> {
            type Ok = S::Ok;
            type Error = S::Error;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), S::Error> {
                let value = self.value(value);
                self.inner.serialize_field(key, &value)
            }

            #[inline]
            fn skip_field(&mut self, key: &'static str) -> Result<(), S::Error> {
                self.inner.skip_field(key)
            }

            #[inline]
            fn end(self) -> Result<S::Ok, S::Error> {
                self.inner.end()
            }
        }
    )* };
}
named_compound!(SerializeStruct, SerializeStructVariant);

impl<S: SerializeMap, P: Place> SerializeMap for Intercept<'_, S, P> {
    type Ok = S::Ok;
    type Error = S::Error;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), S::Error> {
        let key = self.value(key);
        self.inner.serialize_key(&key)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        let value = self.value(value);
        self.inner.serialize_value(&value)
    }

    #[inline]
    fn end(self) -> Result<S::Ok, S::Error> {
        self.inner.end()
    }
}
