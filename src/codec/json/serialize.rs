//! serde's side of the JSON writer.
//!
//! Follows the conventions of serde's JSON (<https://serde.rs/json.html>): an enum variant is its name, or an object of one
//! entry from its name to its content; `None` and units are `null`; bytes are an array of numbers.

use std::fmt::Display;
use std::io::Write as _;

use serde::ser::{Error as _, Serialize, Serializer};

use super::float::{write_f32, write_f64};
use super::string::write_text;
use super::write::{Brackets, Buffers, Compound, Result, Unserializable, Writer};
use crate::codec::container::Open;
use crate::{handoff, memory};

impl Writer<'_> {
    fn integer(&mut self, value: impl Display) -> Result<()> {
        write!(self.out, "{value}").expect("invariant: memory takes every write");
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<()> {
        self.out.extend_from_slice(word.as_bytes());
        Ok(())
    }
}

impl<'a, 'w> Serializer for &'a mut Writer<'w> {
    type Ok = ();
    type Error = Unserializable;
    type SerializeSeq = Open<Compound<'a, 'w>>;
    type SerializeTuple = Open<Compound<'a, 'w>>;
    type SerializeTupleStruct = Open<Compound<'a, 'w>>;
    type SerializeTupleVariant = Open<Compound<'a, 'w>>;
    type SerializeMap = Open<Compound<'a, 'w>>;
    type SerializeStruct = Open<Compound<'a, 'w>>;
    type SerializeStructVariant = Open<Compound<'a, 'w>>;

    fn serialize_bool(self, value: bool) -> Result<()> {
        self.word(if value { "true" } else { "false" })
    }

    fn serialize_i8(self, value: i8) -> Result<()> {
        self.integer(value)
    }

    fn serialize_i16(self, value: i16) -> Result<()> {
        self.integer(value)
    }

    fn serialize_i32(self, value: i32) -> Result<()> {
        self.integer(value)
    }

    fn serialize_i64(self, value: i64) -> Result<()> {
        self.integer(value)
    }

    fn serialize_i128(self, value: i128) -> Result<()> {
        self.integer(value)
    }

    fn serialize_u8(self, value: u8) -> Result<()> {
        self.integer(value)
    }

    fn serialize_u16(self, value: u16) -> Result<()> {
        self.integer(value)
    }

    fn serialize_u32(self, value: u32) -> Result<()> {
        self.integer(value)
    }

    fn serialize_u64(self, value: u64) -> Result<()> {
        self.integer(value)
    }

    fn serialize_u128(self, value: u128) -> Result<()> {
        self.integer(value)
    }

    fn serialize_f32(self, value: f32) -> Result<()> {
        write_f32(self.out, value);
        Ok(())
    }

    fn serialize_f64(self, value: f64) -> Result<()> {
        write_f64(self.out, value);
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<()> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<()> {
        write_text(self.out, value);
        Ok(())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<()> {
        if std::mem::take(&mut self.announced) {
            // a digit, and a comma and a space or the brackets
            self.make_room(bytes.len().saturating_mul(3))?;
            memory::count_copy(bytes.len());
        }
        bytes.serialize(self)
    }

    fn serialize_none(self) -> Result<()> {
        self.word("null")
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<()> {
        self.word("null")
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<()> {
        self.word("null")
    }

    fn serialize_unit_variant(self, _name: &'static str, _index: u32, variant: &'static str) -> Result<()> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<()> {
        self.announced = name == handoff::BUFFER;
        if self.announced && self.buffers == Buffers::Refused {
            return Err(Unserializable::custom(NO_BUFFERS));
        }
        if name == handoff::MARKED {
            return Err(Unserializable::custom(handoff::IS_MARKED));
        }
        if name == handoff::SHARED {
            self.make_room(0)?;
        }
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<()> {
        self.variant(variant)?;
        value.serialize(&mut *self)?;
        self.end_variant();
        Ok(())
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Self::SerializeSeq> {
        self.open(Brackets::Array, 0)
    }

    fn serialize_tuple(self, _len: usize) -> Result<Self::SerializeTuple> {
        self.open(Brackets::Array, 0)
    }

    fn serialize_tuple_struct(self, _name: &'static str, _len: usize) -> Result<Self::SerializeTupleStruct> {
        self.open(Brackets::Array, 0)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeTupleVariant> {
        self.variant(variant)?;
        self.open(Brackets::Array, 1)
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Self::SerializeMap> {
        self.open(Brackets::Object, 0)
    }

    fn serialize_struct(self, _name: &'static str, _len: usize) -> Result<Self::SerializeStruct> {
        self.open(Brackets::Object, 0)
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeStructVariant> {
        self.variant(variant)?;
        self.open(Brackets::Object, 1)
    }

    fn is_human_readable(&self) -> bool {
        true
    }
}

/// Why a buffer is not written.
const NO_BUFFERS: &str =
    "JSON has no place for a buffer: use MsgPack, or Json::buffers_in_band to write it as an array of numbers";
