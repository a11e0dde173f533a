//! serde's side of the metadata writer.
//!
//! Follows rmp-serde's conventions for serde types with structs as maps, so that `rmp_serde::from_slice` and any other
//! MessagePack reader read what is written: an enum variant is its name, or a map of one entry from its name to its content;
//! a unit struct is an empty array; a 128-bit integer is 16 big-endian bytes.

use serde::ser::{Error as _, Serialize, Serializer};

use super::compound::Compound;
use super::write::{ARRAY, MAP, Writer};
use crate::codec::container::Open;
use crate::codec::unserializable::{Result, Unserializable};
use crate::handoff;

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
        self.out.push(0xc2 | u8::from(value));
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<()> {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<()> {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<()> {
        self.serialize_i64(value.into())
    }

    #[inline]
    fn serialize_i64(self, value: i64) -> Result<()> {
        self.signed(value);
        Ok(())
    }

    fn serialize_i128(self, value: i128) -> Result<()> {
        self.binary(&value.to_be_bytes())
    }

    #[inline]
    fn serialize_u8(self, value: u8) -> Result<()> {
        self.serialize_u64(value.into())
    }

    #[inline]
    fn serialize_u16(self, value: u16) -> Result<()> {
        self.serialize_u64(value.into())
    }

    #[inline]
    fn serialize_u32(self, value: u32) -> Result<()> {
        self.serialize_u64(value.into())
    }

    #[inline]
    fn serialize_u64(self, value: u64) -> Result<()> {
        self.unsigned(value);
        Ok(())
    }

    fn serialize_u128(self, value: u128) -> Result<()> {
        self.binary(&value.to_be_bytes())
    }

    fn serialize_f32(self, value: f32) -> Result<()> {
        self.tagged(0xca, &value.to_be_bytes());
        Ok(())
    }

    fn serialize_f64(self, value: f64) -> Result<()> {
        self.tagged(0xcb, &value.to_be_bytes());
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<()> {
        self.text(value.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<()> {
        self.text(value)
    }

    #[inline]
    fn serialize_bytes(self, bytes: &[u8]) -> Result<()> {
        if std::mem::take(&mut self.announced) {
            return self.announced_bytes(bytes);
        }
        self.binary(bytes)
    }

    fn serialize_none(self) -> Result<()> {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_unit(self) -> Result<()> {
        if std::mem::take(&mut self.announced)
            && let Some(buffer) = handoff::given()
        {
            return self.buffer(buffer);
        }
        self.out.push(0xc0);
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<()> {
        // an empty array is a level like any other
        self.deeper(1)?;
        self.head(&ARRAY, 0)
    }

    fn serialize_unit_variant(self, _name: &'static str, _index: u32, variant: &'static str) -> Result<()> {
        self.text(variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<()> {
        if name == rmp_serde::MSGPACK_EXT_STRUCT_NAME {
            // an extension value of the caller's own
            let start = self.out.len();
            let mut serializer = rmp_serde::Serializer::new(&mut *self.out);
            serializer.serialize_newtype_struct(name, value).map_err(Unserializable::custom)?;
            return self.check_extension(start);
        }
        if name == handoff::BUFFER {
            return handoff::ask(self.placed.out_of_band_from(), || {
                self.announced = true;
                value.serialize(&mut *self).inspect(|()| self.announced = false)
            });
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
        self.depth = self.deeper(1)?;
        value.serialize(&mut *self)?;
        self.depth += 1;
        Ok(())
    }

    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq> {
        self.open(1, &ARRAY, len)
    }

    #[inline]
    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple> {
        self.open(1, &ARRAY, Some(len))
    }

    fn serialize_tuple_struct(self, _name: &'static str, len: usize) -> Result<Self::SerializeTupleStruct> {
        self.open(1, &ARRAY, Some(len))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant> {
        self.variant(variant)?;
        self.open(2, &ARRAY, Some(len))
    }

    #[inline]
    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap> {
        self.open(1, &MAP, len)
    }

    #[inline]
    fn serialize_struct(self, _name: &'static str, len: usize) -> Result<Self::SerializeStruct> {
        self.open(1, &MAP, Some(len))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant> {
        self.variant(variant)?;
        self.open(2, &MAP, Some(len))
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}
