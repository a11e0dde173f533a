//! The metadata reader: MessagePack from a slice, with the bytes of a frame where a buffer reference stands.
//!
//! Follows rmp-serde's conventions for serde types (structs as maps or arrays, enums as a name or a map of one entry,
//! 128-bit integers as 16 big-endian bytes), and reads what it writes. Everything is borrowed for `'de`: strings and
//! in-band bytes from the metadata, out-of-band bytes from the frames, so `&'de [u8]` and `&'de str` fields point into
//! them, and a [`Buffer`] finds its owner by their address (see `handoff`), even when serde kept the slice in between.
//!
//! Nesting is counted and lengths, all of them together, are held against the bytes that are left, so recursion and memory are bounded whether
//! or not `scan` has been over the bytes. What `scan` and `verify` would refuse makes a reader [`spoiled`](Reader::is_whole), also where
//! a `Deserialize` makes do with the error.

use std::ptr;

use rmp::Marker;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;

use super::access::{Elements, Foreign, UnitVariant, Variant};
use super::bytes::{Bytes, show};
use super::mismatch::{Mismatch, Result};
use crate::array;
use crate::buffer::Buffer;
use crate::handoff;
use crate::reference::{EXTENSION, TOGETHER};

/// The most frames of a message that is checked while it is read.
pub(super) const MOST_UNCHECKED: usize = u64::BITS as usize;

pub(crate) struct Reader<'de> {
    pub(super) rest: &'de [u8],
    pub(super) frames: &'de [Buffer],
    /// Whether the text that comes next is the name of a struct's field: such names are compared as bytes.
    pub(super) field: bool,
    /// Whether even those are shown as text, for who wants to note them.
    pub(super) names_as_text: bool,
    /// How many arrays and maps may still be within each other.
    pub(super) depth: usize,
    /// How many values the open arrays and maps have yet to come: each takes a byte at least.
    pub(super) owed: usize,
    /// Whether nobody has been over the metadata before: references are held against their frames here.
    pub(super) unchecked: bool,
    /// Of an unchecked message: which frames were referenced, one bit each.
    pub(super) used: u64,
    /// Whether compressed frames are here as they were sent: what stands for one of them has no bytes to show.
    pub(super) as_sent: bool,
    /// Whether something was met that no message may have.
    pub(super) spoiled: bool,
    /// Of an unchecked message: references that were read and not held against their frames yet, the frame's index and the check of each.
    pub(super) unsure: [(u32, u32); TOGETHER],
    /// How many of these there are.
    pub(super) waiting: usize,
}

impl<'de> Reader<'de> {
    pub(crate) fn new(metadata: &'de [u8], frames: &'de [Buffer], depth: usize) -> Self {
        Self {
            rest: metadata,
            frames,
            field: false,
            names_as_text: false,
            depth,
            owed: 0,
            unchecked: false,
            used: 0,
            as_sent: false,
            spoiled: false,
            unsure: [(0, 0); TOGETHER],
            waiting: 0,
        }
    }

    /// A reader that checks while it reads: see [`is_whole`](Self::is_whole).
    pub(super) fn unchecked(metadata: &'de [u8], frames: &'de [Buffer], depth: usize) -> Self {
        debug_assert!(frames.len() <= MOST_UNCHECKED, "each frame has a bit");
        Self { unchecked: true, ..Self::new(metadata, frames, depth) }
    }

    /// A reader that shows every field's name as text.
    pub(crate) fn naming(metadata: &'de [u8], frames: &'de [Buffer], depth: usize) -> Self {
        Self { names_as_text: true, ..Self::new(metadata, frames, depth) }
    }

    /// For how many of so many elements room is made at once: until all is known to be there, not for many.
    pub(super) fn room(&self, elements: usize) -> usize {
        if self.unchecked { elements.min(64) } else { elements }
    }

    #[cold]
    pub(super) fn spoil(&mut self, reason: &str) -> Mismatch {
        self.spoiled = true;
        Mismatch::custom(reason)
    }

    #[cold]
    fn ended(&mut self) -> Mismatch {
        self.spoil("the metadata ends within a value")
    }

    #[inline]
    fn marker(&mut self) -> Result<u8> {
        let Some((&marker, rest)) = self.rest.split_first() else { return Err(self.ended()) };
        self.rest = rest;
        Ok(marker)
    }

    #[inline]
    fn take(&mut self, len: usize) -> Result<&'de [u8]> {
        let Some((taken, rest)) = self.rest.split_at_checked(len) else { return Err(self.ended()) };
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let Some((taken, rest)) = self.rest.split_first_chunk() else { return Err(self.ended()) };
        self.rest = rest;
        Ok(*taken)
    }

    /// Enters an array or a map of so many values.
    #[inline]
    fn enter(&mut self, values: usize) -> Result<()> {
        self.owed += values;
        if self.owed > self.rest.len() {
            return Err(self.ended());
        }
        match self.depth.checked_sub(1) {
            Some(depth) => self.depth = depth,
            None => return Err(self.spoil("nested deeper than the limit")),
        }
        Ok(())
    }

    /// The number in the 1, 2, 4 or 8 bytes that come next.
    #[inline]
    fn unsigned(&mut self, width: u8) -> Result<u64> {
        Ok(match width {
            1 => self.array::<1>()?[0].into(),
            2 => u16::from_be_bytes(self.array()?).into(),
            4 => u32::from_be_bytes(self.array()?).into(),
            _ => u64::from_be_bytes(self.array()?),
        })
    }

    #[inline]
    fn signed(&mut self, width: u8) -> Result<i64> {
        let unused = u64::BITS - 8 * u32::from(width);
        self.unsigned(width).map(|value| (value << unused) as i64 >> unused)
    }

    #[inline]
    fn len(&mut self, width: u8) -> Result<usize> {
        self.unsigned(width).map(|len| len as usize)
    }

    // A copy of this is compiled for every type that anybody decodes: what needs no visitor is in functions without one.
    pub(super) fn value<V: Visitor<'de>>(&mut self, visitor: V, bytes: Bytes) -> Result<V::Value> {
        let marker = self.marker()?;
        match marker {
            0x00..=0x7f => visitor.visit_u64(marker.into()),
            0x80..=0x8f => self.map(usize::from(marker & 0x0f), visitor, bytes),
            0x90..=0x9f => self.sequence(usize::from(marker & 0x0f), visitor),
            0xa0..=0xbf => self.text(usize::from(marker & 0x1f), visitor),
            0xc0 => visitor.visit_unit(),
            0xc1 => Err(self.spoil("expected a value and found the reserved byte")),
            0xc2 | 0xc3 => visitor.visit_bool(marker == 0xc3),
            0xc4..=0xc6 => {
                let len = self.len(1 << (marker - 0xc4))?;
                show(self.take(len)?, visitor, bytes)
            }
            0xca => visitor.visit_f32(f32::from_be_bytes(self.array()?)),
            0xcb => visitor.visit_f64(f64::from_be_bytes(self.array()?)),
            0xcc..=0xcf => visitor.visit_u64(self.unsigned(1 << (marker - 0xcc))?),
            0xd0..=0xd3 => visitor.visit_i64(self.signed(1 << (marker - 0xd0))?),
            0xd9..=0xdb => {
                let len = self.len(1 << (marker - 0xd9))?;
                self.text(len, visitor)
            }
            0xdc | 0xdd => {
                let len = self.len(2 << (marker - 0xdc))?;
                self.sequence(len, visitor)
            }
            0xde | 0xdf => {
                let len = self.len(2 << (marker - 0xde))?;
                self.map(len, visitor, bytes)
            }
            0xe0..=0xff => visitor.visit_i64((marker as i8).into()),
            0xc7..=0xc9 | 0xd4..=0xd8 => {
                let (kind, payload) = self.extension(marker)?;
                if kind != EXTENSION {
                    return visitor.visit_newtype_struct(SeqAccessDeserializer::new(Foreign::new(kind, payload)));
                }
                if bytes == Bytes::Skipped {
                    if self.unchecked {
                        self.referenced(payload)?;
                    }
                    return visitor.visit_unit();
                }
                self.show_frame(payload, visitor, bytes)
            }
        }
    }

    fn text<V: Visitor<'de>>(&mut self, len: usize, visitor: V) -> Result<V::Value> {
        let bytes = self.take(len)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => visitor.visit_borrowed_str(text),
            // MessagePack's raw strings of old: bytes, for who accepts bytes
            Err(_) => visitor.visit_borrowed_bytes(bytes),
        }
    }

    fn sequence<V: Visitor<'de>>(&mut self, len: usize, visitor: V) -> Result<V::Value> {
        self.enter(len)?;
        let mut elements = Elements { reader: self, left: len, fields: false };
        let value = visitor.visit_seq(&mut elements)?;
        elements.finish(len)?;
        self.depth += 1;
        Ok(value)
    }

    fn map<V: Visitor<'de>>(&mut self, len: usize, visitor: V, bytes: Bytes) -> Result<V::Value> {
        self.enter(len.saturating_mul(2))?;
        let fields = bytes == Bytes::InStruct && !self.names_as_text;
        let mut entries = Elements { reader: self, left: len, fields };
        let value = visitor.visit_map(&mut entries)?;
        entries.finish(len)?;
        self.depth += 1;
        Ok(value)
    }

    /// The type and payload of an extension value whose marker was read.
    fn extension(&mut self, marker: u8) -> Result<(i8, &'de [u8])> {
        let len = match marker {
            0xd4..=0xd8 => 1 << (marker - 0xd4),
            0xc7..=0xc9 => self.len(1 << (marker - 0xc7))?,
            other => {
                let other = Marker::from_u8(other);
                return Err(Mismatch::custom(format_args!("expected an extension value and found {other:?}")));
            }
        };
        let kind = i8::from_be_bytes(self.array()?);
        Ok((kind, self.take(len)?))
    }
}

/// Implements the methods for bytes and text.
macro_rules! whole {
    ($($method:ident)*) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            self.value(visitor, Bytes::Whole)
        }
    )* };
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Mismatch;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.value(visitor, Bytes::Any)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char unit map
    }

    whole!(deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf);

    #[inline]
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.rest {
            // a short name, which is most of them
            [marker @ 0xa0..=0xbf, rest @ ..] if std::mem::take(&mut self.field) => {
                self.rest = rest;
                visitor.visit_borrowed_bytes(self.take(usize::from(marker & 0x1f))?)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.value(visitor, Bytes::Skipped)
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.wide() {
            Some(bytes) => visitor.visit_i128(i128::from_be_bytes(bytes)),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.wide() {
            Some(bytes) => visitor.visit_u128(u128::from_be_bytes(bytes)),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.rest {
            [0xc0, rest @ ..] => {
                self.rest = rest;
                visitor.visit_none()
            }
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value> {
        match self.rest {
            // rmp-serde writes an empty array
            [0xc0 | 0x90, rest @ ..] => {
                self.rest = rest;
                visitor.visit_unit()
            }
            _ => self.deserialize_any(visitor),
        }
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value> {
        if name == handoff::BUFFER
            && let Some(frame) = self.whole_buffer()
        {
            return handoff::arriving(frame, || visitor.visit_unit());
        }
        if name == rmp_serde::MSGPACK_EXT_STRUCT_NAME {
            let marker = self.marker()?;
            let (kind, payload) = self.extension(marker)?;
            if kind == EXTENSION && self.unchecked {
                self.referenced(payload)?;
            }
            return visitor.visit_newtype_struct(SeqAccessDeserializer::new(Foreign::new(kind, payload)));
        }
        visitor.visit_newtype_struct(self)
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.value(visitor, Bytes::OneByOne)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value> {
        self.value(visitor, Bytes::OneByOne)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value> {
        self.value(visitor, Bytes::OneByOne)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        if ptr::eq(fields, &array::FIELDS[..])
            && let Some(found) = self.whole_array()
        {
            return found.and_then(|()| array::show(|| visitor.visit_unit()));
        }
        self.value(visitor, Bytes::InStruct)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let entries = match *self.rest {
            [marker @ 0x80..=0x8f, ..] => usize::from(marker & 0x0f),
            [0xde, a, b, ..] => u16::from_be_bytes([a, b]).into(),
            [0xdf, a, b, c, d, ..] => u32::from_be_bytes([a, b, c, d]) as usize,
            _ => return visitor.visit_enum(UnitVariant(self)),
        };
        if entries != 1 {
            return Err(Mismatch::invalid_length(entries, &"a map of one entry for an enum variant"));
        }
        if let marker @ (0xde | 0xdf) = self.marker()? {
            self.len(2 << (marker - 0xde))?;
        }
        self.enter(0)?;
        let value = visitor.visit_enum(Variant(&mut *self))?;
        self.depth += 1;
        Ok(value)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}
