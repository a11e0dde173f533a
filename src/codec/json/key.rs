//! Names of entries: JSON has text only, so numbers, booleans and what is missing are written as text, as Python writes them.

use std::fmt::Display;

use serde::de::value::StrDeserializer;
use serde::de::{Deserializer, IntoDeserializer, Visitor};
use serde::ser::{Error as _, Impossible, Serialize, Serializer};

use super::float::{write_f32, write_f64};
use super::read::{self, Reader};
use super::string::write_text;
use super::write::{Result, Unserializable};

/// Writes what serializes as a text, a number, a boolean or nothing between quotes.
pub(super) struct Key<'w>(pub(super) &'w mut Vec<u8>);

impl Key<'_> {
    fn plain(self, number: impl Display) -> Result<()> {
        write_text(self.0, &number.to_string());
        Ok(())
    }

    fn float(self, write: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        self.0.push(b'"');
        write(self.0);
        self.0.push(b'"');
        Ok(())
    }
}

#[cold]
fn no_name<T>() -> Result<T> {
    Err(Unserializable::custom("the key of a map has to be a text, a number, a boolean or nothing in JSON"))
}

type Never = Impossible<(), Unserializable>;

impl Serializer for Key<'_> {
    type Ok = ();
    type Error = Unserializable;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Never;
    type SerializeStructVariant = Never;

    fn serialize_bool(self, value: bool) -> Result<()> {
        self.plain(value)
    }

    fn serialize_i8(self, value: i8) -> Result<()> {
        self.plain(value)
    }

    fn serialize_i16(self, value: i16) -> Result<()> {
        self.plain(value)
    }

    fn serialize_i32(self, value: i32) -> Result<()> {
        self.plain(value)
    }

    fn serialize_i64(self, value: i64) -> Result<()> {
        self.plain(value)
    }

    fn serialize_i128(self, value: i128) -> Result<()> {
        self.plain(value)
    }

    fn serialize_u8(self, value: u8) -> Result<()> {
        self.plain(value)
    }

    fn serialize_u16(self, value: u16) -> Result<()> {
        self.plain(value)
    }

    fn serialize_u32(self, value: u32) -> Result<()> {
        self.plain(value)
    }

    fn serialize_u64(self, value: u64) -> Result<()> {
        self.plain(value)
    }

    fn serialize_u128(self, value: u128) -> Result<()> {
        self.plain(value)
    }

    fn serialize_f32(self, value: f32) -> Result<()> {
        self.float(|out| write_f32(out, value))
    }

    fn serialize_f64(self, value: f64) -> Result<()> {
        self.float(|out| write_f64(out, value))
    }

    fn serialize_char(self, value: char) -> Result<()> {
        write_text(self.0, value.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Result<()> {
        write_text(self.0, value);
        Ok(())
    }

    fn serialize_bytes(self, _bytes: &[u8]) -> Result<()> {
        no_name()
    }

    fn serialize_none(self) -> Result<()> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<()> {
        self.plain("null")
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<()> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _name: &'static str, _index: u32, variant: &'static str) -> Result<()> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _name: &'static str, value: &T) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _value: &T,
    ) -> Result<()> {
        no_name()
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Never> {
        no_name()
    }

    fn serialize_tuple(self, _len: usize) -> Result<Never> {
        no_name()
    }

    fn serialize_tuple_struct(self, _name: &'static str, _len: usize) -> Result<Never> {
        no_name()
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _len: usize,
    ) -> Result<Never> {
        no_name()
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Never> {
        no_name()
    }

    fn serialize_struct(self, _name: &'static str, _len: usize) -> Result<Never> {
        no_name()
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _len: usize,
    ) -> Result<Never> {
        no_name()
    }
}

/// Reads the name of an entry as whatever the key's type asks for.
pub(super) struct Name<'a, 'de>(pub(super) &'a mut Reader<'de>);

/// Implements the methods for keys that are no text: a name that does not read as one is shown as the text it is.
macro_rules! parsed {
    ($($method:ident $visit:ident),* $(,)?) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> read::Result<V::Value> {
            let text = self.0.string()?;
            match text.parse() {
                Ok(value) => visitor.$visit(value),
                Err(_) => read::show(text, visitor),
            }
        }
    )* };
}

impl<'de> Deserializer<'de> for Name<'_, 'de> {
    type Error = read::Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> read::Result<V::Value> {
        read::show(self.0.string()?, visitor)
    }

    parsed! {
        deserialize_bool visit_bool,
        deserialize_i8 visit_i64,
        deserialize_i16 visit_i64,
        deserialize_i32 visit_i64,
        deserialize_i64 visit_i64,
        deserialize_i128 visit_i128,
        deserialize_u8 visit_u64,
        deserialize_u16 visit_u64,
        deserialize_u32 visit_u64,
        deserialize_u64 visit_u64,
        deserialize_u128 visit_u128,
        deserialize_f32 visit_f32,
        deserialize_f64 visit_f64,
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> read::Result<V::Value> {
        match self.0.null_name() {
            true => visitor.visit_none(),
            false => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> read::Result<V::Value> {
        match self.0.null_name() {
            true => visitor.visit_unit(),
            false => self.deserialize_any(visitor),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> read::Result<V::Value> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> read::Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> read::Result<V::Value> {
        let text = self.0.string()?;
        let name: StrDeserializer<'_, read::Mismatch> = (&*text).into_deserializer();
        visitor.visit_enum(name)
    }

    serde::forward_to_deserialize_any! {
        char str string bytes byte_buf seq tuple tuple_struct map struct identifier ignored_any
    }
}
