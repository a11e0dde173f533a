//! A reader straight from the opcodes, for pickles of plain data: no graph, and every opcode looked at twice.
//!
//! It decodes what the reader over the graph decodes, to the same values, or not at all: whatever goes wrong here is no error but
//! [`None`], and the graph decides. So nothing here says what is wrong with a pickle, or how it differs from a type.

mod access;
mod cursor;
#[cfg(test)]
mod tests;
mod text;

use serde::de::{Deserialize, Deserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::mismatch::{Mismatch, Result};
use super::object::LONG;
use super::read::{Wanted, int, one_by_one};
use crate::limits::Limits;
use crate::pickle::Outline;
use crate::pickle::opcode as op;
use crate::python::Kind;
use crate::python::arrive::{self, Told};
use access::{Elements, Entries, UnitVariant, Variant};
use cursor::{CONTAINER, Cursor, Held, Leaf};

/// Decodes a pickle of plain data; `None` for any other, and where anything is wrong.
pub(super) fn decode<'de, T: Deserialize<'de>>(pickle: &'de [u8], limits: &Limits) -> Option<T> {
    let outline = Outline::of(pickle)?;
    // what is not fetched again costs no more than its opcodes are long
    if pickle.len().saturating_add(outline.fetched().cost) > limits.max_metadata() {
        return None;
    }
    let mut cursor = Cursor::new(&outline, limits.max_depth());
    let value = cursor.whole(|cursor| T::deserialize(cursor)).ok()?;
    (!cursor.is_lost()).then_some(value)
}

/// How many bytes a value has at most that is handed on in registers.
const SHORT: usize = 16;

impl<'g> Cursor<'_, 'g> {
    /// Decodes one value, whether or not who decodes it looks at it.
    #[inline]
    fn whole<T>(&mut self, decode: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let left = self.left();
        if size_of::<T>() <= SHORT {
            // in registers: from the place of an error a byte or two would be read back as a word, which waits for all that was written
            return match decode(self) {
                Ok(value) if self.left() != left => Ok(value),
                Ok(value) => self.skip(1).map(|()| value),
                Err(failure) => {
                    self.note_failure();
                    Err(failure)
                }
            };
        }
        // one place for the value from here to the end: a long one would be copied, and the copy wait for what was just written
        let mut value = decode(self);
        if value.is_err() {
            self.note_failure();
        } else if self.left() == left
            && let Err(lost) = self.skip(1)
        {
            value = Err(lost);
        }
        value
    }

    #[inline]
    fn show<V: Visitor<'g>>(&mut self, visitor: V, wanted: Wanted) -> Result<V::Value> {
        let opcode = self.seek()?;
        self.show_at(opcode, visitor, wanted)
    }

    fn show_at<V: Visitor<'g>>(&mut self, opcode: u8, visitor: V, wanted: Wanted) -> Result<V::Value> {
        if opcode == CONTAINER {
            return self.contained(visitor);
        }
        match self.leaf(opcode)? {
            Leaf::None => visitor.visit_unit(),
            Leaf::Bool(value) => visitor.visit_bool(value),
            Leaf::Int(value) => int(value, visitor),
            Leaf::Float(value) => visitor.visit_f64(value),
            Leaf::Str(text) => visitor.visit_borrowed_str(text),
            Leaf::Bytes(bytes) => match wanted {
                Wanted::Sequence => one_by_one(bytes, visitor),
                _ => visitor.visit_borrowed_bytes(bytes),
            },
            Leaf::EmptyTuple => self.sequence(0, visitor),
        }
    }

    #[inline]
    fn contained<V: Visitor<'g>>(&mut self, visitor: V) -> Result<V::Value> {
        let is_dict = self.held() == Some(Held::Dict);
        let len = self.enter()?;
        if is_dict { self.map(len, visitor) } else { self.sequence(len, visitor) }
    }

    #[inline]
    fn sequence<V: Visitor<'g>>(&mut self, len: usize, visitor: V) -> Result<V::Value> {
        self.descend()?;
        let mut elements = Elements::new(self, len);
        let value = visitor.visit_seq(&mut elements);
        let left = elements.left();
        if value.is_err() {
            self.note_failure();
        } else if left > 0 {
            return Err(self.lose());
        } else {
            self.ascend();
        }
        value
    }

    #[inline]
    fn map<V: Visitor<'g>>(&mut self, len: usize, visitor: V) -> Result<V::Value> {
        let mut left = len;
        // in one place, as in `whole`
        let mut value = match self.descend() {
            Ok(()) => visitor.visit_map(Entries { cursor: self, left: &mut left }),
            Err(lost) => Err(lost),
        };
        if value.is_err() {
            self.note_failure();
        } else if let Err(lost) = self.skip(left) {
            value = Err(lost);
        } else {
            self.ascend();
        }
        value
    }

    /// Shows a value to who asked what it is in Python, and tells.
    fn show_object<V: Visitor<'g>>(&mut self, visitor: V) -> Result<V::Value> {
        if self.outline().fetched().longest >= LONG {
            // one object in two places
            return Err(self.lose());
        }
        let opcode = self.seek()?;
        let kind = match opcode {
            CONTAINER => match self.held() {
                Some(Held::Tuple) => Some(Kind::Tuple),
                Some(Held::Set) => Some(Kind::Set),
                Some(Held::FrozenSet) => Some(Kind::FrozenSet),
                Some(Held::Dict) => {
                    arrive::show_entries();
                    None
                }
                _ => None,
            },
            op::EMPTY_TUPLE => Some(Kind::Tuple),
            op::BYTEARRAY8 => Some(Kind::ByteArray),
            _ => None,
        };
        let shown = self.show_at(opcode, visitor, Wanted::Anything)?;
        if kind.is_some() {
            arrive::tell(Told::New { kind, place: None });
        }
        Ok(shown)
    }
}

/// Methods that try one thing first.
macro_rules! deserialize_as {
    ($first:ident: $($method:ident)*) => {
        $(
            #[inline]
            fn $method<V: Visitor<'g>>(self, visitor: V) -> Result<V::Value> {
                self.$first(visitor)
            }
        )*
    };
}

impl<'g> Cursor<'_, 'g> {
    #[inline]
    fn integer<V: Visitor<'g>>(&mut self, visitor: V) -> Result<V::Value> {
        let opcode = self.seek()?;
        match self.int(opcode) {
            Some(value) => int(value, visitor),
            None => self.show_at(opcode, visitor, Wanted::Anything),
        }
    }

    #[inline]
    fn number<V: Visitor<'g>>(&mut self, visitor: V) -> Result<V::Value> {
        let opcode = self.seek()?;
        match self.float(opcode) {
            Some(value) => visitor.visit_f64(value),
            None => self.show_at(opcode, visitor, Wanted::Anything),
        }
    }

    #[inline]
    fn truth<V: Visitor<'g>>(&mut self, visitor: V) -> Result<V::Value> {
        let opcode = self.seek()?;
        match self.bool(opcode) {
            Some(value) => visitor.visit_bool(value),
            None => self.show_at(opcode, visitor, Wanted::Anything),
        }
    }

    #[inline]
    fn text<V: Visitor<'g>>(&mut self, visitor: V) -> Result<V::Value> {
        let opcode = self.seek()?;
        match self.short_text(opcode) {
            Some(text) => visitor.visit_borrowed_str(text),
            None => self.show_at(opcode, visitor, Wanted::Anything),
        }
    }

    #[inline]
    fn string<V: Visitor<'g>>(&mut self, visitor: V) -> Result<V::Value> {
        let opcode = self.seek()?;
        match self.short_string(opcode) {
            Some(text) => visitor.visit_string(text),
            None => self.show_at(opcode, visitor, Wanted::Anything),
        }
    }

    /// The name of a field or variant, which is nearly always one that was met before.
    #[inline]
    fn identifier<V: Visitor<'g>>(&mut self, visitor: V) -> Result<V::Value> {
        let opcode = self.seek()?;
        match self.name(opcode) {
            Some(name) => visitor.visit_borrowed_str(name),
            None => self.show_at(opcode, visitor, Wanted::Anything),
        }
    }
}

impl<'g> Deserializer<'g> for &mut Cursor<'_, 'g> {
    type Error = Mismatch;

    #[inline]
    fn deserialize_any<V: Visitor<'g>>(self, visitor: V) -> Result<V::Value> {
        if arrive::is_asked() {
            return self.show_object(visitor);
        }
        self.show(visitor, Wanted::Anything)
    }

    deserialize_as! { integer: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 }
    deserialize_as! { integer: deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 }
    deserialize_as! { number: deserialize_f32 deserialize_f64 }
    deserialize_as! { truth: deserialize_bool }
    deserialize_as! { text: deserialize_str }
    deserialize_as! { string: deserialize_string }
    deserialize_as! { identifier: deserialize_identifier }
    forward_to_deserialize_any! { <W: Visitor<'g>>
        i128 u128 char bytes byte_buf unit unit_struct
    }

    #[inline]
    fn deserialize_option<V: Visitor<'g>>(self, visitor: V) -> Result<V::Value> {
        if self.seek()? == op::NONE {
            self.leaf(op::NONE)?;
            return visitor.visit_none();
        }
        self.whole(|cursor| visitor.visit_some(cursor))
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'g>>(self, _name: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'g>>(self, visitor: V) -> Result<V::Value> {
        self.show(visitor, Wanted::Sequence)
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'g>>(self, _len: usize, visitor: V) -> Result<V::Value> {
        self.show(visitor, Wanted::Sequence)
    }

    fn deserialize_tuple_struct<V: Visitor<'g>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value> {
        self.show(visitor, Wanted::Sequence)
    }

    #[inline]
    fn deserialize_map<V: Visitor<'g>>(self, visitor: V) -> Result<V::Value> {
        self.show(visitor, Wanted::Map)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'g>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.show(visitor, Wanted::Map)
    }

    fn deserialize_enum<V: Visitor<'g>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        if self.seek()? != CONTAINER || self.held() != Some(Held::Dict) {
            return self.whole(|cursor| visitor.visit_enum(UnitVariant(cursor)));
        }
        let mut left = self.enter()?;
        if left != 2 {
            return Err(self.lose());
        }
        self.descend()?;
        let value = visitor.visit_enum(Variant { cursor: self, left: &mut left });
        if value.is_err() {
            self.note_failure();
            return value;
        }
        self.skip(left)?;
        self.ascend();
        value
    }

    fn deserialize_ignored_any<V: Visitor<'g>>(self, visitor: V) -> Result<V::Value> {
        self.skip(1)?;
        visitor.visit_unit()
    }
}
