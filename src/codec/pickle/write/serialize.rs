//! serde's side of the writer.
//!
//! Follows the conventions of serde's JSON (<https://serde.rs/json.html>) where Python has no word of its own: an enum
//! variant is its name, or a dict of one entry from its name to its content.

use serde::ser::{Error as _, Serialize, Serializer};

use super::open::Compound;
use super::{Next, Writer};
use crate::codec::container::Open;
use crate::codec::unserializable::{Result, Unserializable};
use crate::handoff;
use crate::pickle::opcode as op;
use crate::python::Kind;

/// What the names of this crate's own newtypes begin with.
const OURS: &str = "outband::";

/// What comes after the content of a variant.
const ENTRY: &[u8] = &[op::SETITEM];

impl Writer<'_> {
    /// What a newtype of one of this crate's own names announces.
    fn announced<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<()> {
        if let Some(kind) = Kind::from_newtype_name(name) {
            return self.kind(kind, value);
        }
        if name == handoff::SHARED {
            return self.shared(value);
        }
        if name != handoff::BUFFER {
            return value.serialize(self);
        }
        match self.next {
            Next::Kind(_) => return self.kind_of_buffer(value),
            Next::Elements => {}
            Next::Value | Next::Buffer => self.next = Next::Buffer,
        }
        self.unhashed += 1;
        match self.in_key {
            true => handoff::take_bytes(|| value.serialize(&mut *self))?,
            false => handoff::ask(self.placed.out_of_band_from(), || value.serialize(&mut *self))?,
        }
        if let Next::Buffer = self.next {
            self.next = Next::Value;
        }
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

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<()> {
        self.out.bool(value);
        Ok(())
    }

    #[inline]
    fn serialize_i8(self, value: i8) -> Result<()> {
        self.serialize_i64(value.into())
    }

    #[inline]
    fn serialize_i16(self, value: i16) -> Result<()> {
        self.serialize_i64(value.into())
    }

    #[inline]
    fn serialize_i32(self, value: i32) -> Result<()> {
        self.serialize_i64(value.into())
    }

    #[inline]
    fn serialize_i64(self, value: i64) -> Result<()> {
        self.out.int(value);
        Ok(())
    }

    fn serialize_i128(self, value: i128) -> Result<()> {
        self.out.wide(value);
        Ok(())
    }

    #[inline]
    fn serialize_u8(self, value: u8) -> Result<()> {
        self.serialize_i64(value.into())
    }

    #[inline]
    fn serialize_u16(self, value: u16) -> Result<()> {
        self.serialize_i64(value.into())
    }

    #[inline]
    fn serialize_u32(self, value: u32) -> Result<()> {
        self.serialize_i64(value.into())
    }

    #[inline]
    fn serialize_u64(self, value: u64) -> Result<()> {
        match i64::try_from(value) {
            Ok(value) => self.serialize_i64(value),
            Err(_) => self.serialize_u128(value.into()),
        }
    }

    fn serialize_u128(self, value: u128) -> Result<()> {
        self.out.unsigned(value);
        Ok(())
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result<()> {
        self.serialize_f64(value.into())
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<()> {
        self.out.float(value);
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<()> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<()> {
        if let Next::Kind(kind) = self.next {
            return self.kind_of_text(kind, value);
        }
        self.out.text(value);
        Ok(())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<()> {
        match self.next {
            Next::Value => {
                self.out.bytes(bytes);
                Ok(())
            }
            Next::Buffer | Next::Elements => self.announced_bytes(bytes),
            Next::Kind(kind) => self.kind_of_bytes(kind, bytes),
        }
    }

    #[inline]
    fn serialize_none(self) -> Result<()> {
        self.out.op(op::NONE);
        Ok(())
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<()> {
        if matches!(self.next, Next::Buffer | Next::Elements)
            && let Some(buffer) = handoff::given()
        {
            return self.buffer(buffer);
        }
        self.serialize_none()
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<()> {
        self.serialize_none()
    }

    #[inline]
    fn serialize_unit_variant(self, _name: &'static str, _index: u32, variant: &'static str) -> Result<()> {
        self.plain("an enum variant")?;
        self.name(variant);
        Ok(())
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<()> {
        if name.starts_with(OURS) {
            return self.announced(name, value);
        }
        if name == rmp_serde::MSGPACK_EXT_STRUCT_NAME {
            return Err(Unserializable::custom(
                "an extension value of MessagePack, for which Python's pickle has nothing",
            ));
        }
        value.serialize(self)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<()> {
        self.variant(variant)?;
        self.enter(1)?;
        value.serialize(&mut *self)?;
        self.depth += 1;
        self.out.ops(ENTRY);
        Ok(())
    }

    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq> {
        self.open_list(len)
    }

    #[inline]
    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple> {
        self.open_tuple(Some(len), 1, &[])
    }

    #[inline]
    fn serialize_tuple_struct(self, _name: &'static str, len: usize) -> Result<Self::SerializeTupleStruct> {
        self.open_tuple(Some(len), 1, &[])
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant> {
        self.variant(variant)?;
        self.open_tuple(Some(len), 2, ENTRY)
    }

    #[inline]
    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap> {
        self.open_map(len)
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeStruct> {
        self.open_struct(name, len)
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant> {
        self.variant(variant)?;
        self.open_variant_struct(len)
    }

    fn is_human_readable(&self) -> bool {
        true
    }
}
