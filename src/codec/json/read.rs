//! The JSON reader: serde values from a text that `scan` has been over.
//!
//! So every token is well-formed and nesting is within the limit: recursion is bounded. Text without escapes is borrowed
//! for `'de`.

use std::str::FromStr;

use serde::de::{Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;

use super::Text;
use super::access::{Elements, UnitVariant, Variant};
use super::string::unescape;
pub(super) use crate::codec::mismatch::{Mismatch, Result};
use crate::memory;

pub(super) struct Reader<'de> {
    text: &'de str,
    at: usize,
}

/// Shows a text to a visitor, borrowed where it has no escapes.
pub(super) fn show<'de, V: Visitor<'de>>(text: Text<'de>, visitor: V) -> Result<V::Value> {
    match text {
        Text::Borrowed(text) => visitor.visit_borrowed_str(text),
        Text::Owned(text) => visitor.visit_string(text),
    }
}

#[cold]
fn malformed() -> Mismatch {
    Mismatch::custom("the JSON is not well-formed")
}

impl<'de> Reader<'de> {
    /// A reader of a text that `scan` accepts.
    pub(super) fn new(text: &'de str) -> Self {
        Self { text, at: 0 }
    }

    /// The next byte that is not white space.
    pub(super) fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    pub(super) fn expect(&mut self, byte: u8) -> Result<()> {
        match self.peek() == Some(byte) {
            true => self.at += 1,
            false => return Err(malformed()),
        }
        Ok(())
    }

    fn word<T>(&mut self, word: &str, value: T) -> Result<T> {
        match self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            true => self.at += word.len(),
            false => return Err(malformed()),
        }
        Ok(value)
    }

    /// The text between the quotes that come next.
    pub(super) fn string(&mut self) -> Result<Text<'de>> {
        self.expect(b'"')?;
        let start = self.at;
        self.skip_string()?;
        self.text.get(start..self.at - 1).and_then(unescape).ok_or_else(malformed)
    }

    /// Reads the name that Python gives to `None`, where it comes next.
    pub(super) fn null_name(&mut self) -> bool {
        const NULL: &str = "\"null\"";
        let is_null = self.peek() == Some(b'"') && self.text[self.at..].starts_with(NULL);
        if is_null {
            self.at += NULL.len();
        }
        is_null
    }

    /// Skips a string whose first quote was read, and its last.
    fn skip_string(&mut self) -> Result<()> {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
                None => return Err(malformed()),
            }
        }
        self.at += 1;
        Ok(())
    }

    /// The digits and signs of the number that comes next, and whether it is an integer.
    fn number(&mut self) -> Result<(&'de str, bool)> {
        self.peek();
        let rest = &self.text[self.at..];
        let end = rest.bytes().position(|byte| !matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
        let number = &rest[..end.unwrap_or(rest.len())];
        self.at += number.len();
        Ok((number, !number.contains(['.', 'e', 'E'])))
    }

    /// The number that comes next as a float, whatever its form; `None` where no number comes.
    fn float<F: FromStr + From<f32>>(&mut self) -> Result<Option<F>> {
        match self.peek() {
            Some(b'N') => self.word("NaN", Some(f32::NAN.into())),
            Some(b'I') => self.word("Infinity", Some(f32::INFINITY.into())),
            Some(b'-') if self.text[self.at..].starts_with("-I") => {
                self.word("-Infinity", Some(f32::NEG_INFINITY.into()))
            }
            Some(b'-' | b'0'..=b'9') => self.number()?.0.parse().map(Some).map_err(|_| malformed()),
            _ => Ok(None),
        }
    }

    fn value<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        match self.peek() {
            Some(b'n') => self.word("null", ()).and_then(|()| visitor.visit_unit()),
            Some(b't') => self.word("true", true).and_then(|value| visitor.visit_bool(value)),
            Some(b'f') => self.word("false", false).and_then(|value| visitor.visit_bool(value)),
            Some(b'"') => show(self.string()?, visitor),
            Some(b'[') => {
                self.at += 1;
                let value = visitor.visit_seq(Elements::new(self))?;
                self.close(b']', value)
            }
            Some(b'{') => {
                self.at += 1;
                let value = visitor.visit_map(Elements::new(self))?;
                self.close(b'}', value)
            }
            Some(b'0'..=b'9') => {
                let start = self.at;
                let (number, is_integer) = self.number()?;
                if is_integer && let Ok(value) = number.parse() {
                    return visitor.visit_u64(value);
                }
                self.at = start;
                self.any_float(visitor)
            }
            Some(b'-') => {
                let start = self.at;
                let (number, is_integer) = self.number()?;
                if is_integer && let Ok(value) = number.parse() {
                    return visitor.visit_i64(value);
                }
                self.at = start;
                self.any_float(visitor)
            }
            _ => self.any_float(visitor),
        }
    }

    fn any_float<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        visitor.visit_f64(self.float()?.ok_or_else(malformed)?)
    }

    /// Ends an array or object, of which everything has to be read.
    fn close<T>(&mut self, bracket: u8, value: T) -> Result<T> {
        if self.peek() != Some(bracket) {
            return Err(Mismatch::custom("there are more elements than expected"));
        }
        self.at += 1;
        Ok(value)
    }

    /// An array of numbers from 0 to 255.
    fn bytes(&mut self) -> Result<Vec<u8>> {
        self.expect(b'[')?;
        let mut bytes = Vec::new();
        while self.peek() != Some(b']') {
            if !bytes.is_empty() {
                self.expect(b',')?;
            }
            let next = self.peek();
            let start = self.at;
            let byte = match next {
                Some(b'-' | b'0'..=b'9') => self.number()?.0.parse(),
                _ => "".parse(),
            };
            bytes.push(byte.map_err(|_| {
                Mismatch::custom(format_args!(
                    "byte {} of a buffer, at byte {start}, is no number from 0 to 255",
                    bytes.len()
                ))
            })?);
        }
        self.at += 1;
        memory::count_copy(bytes.len());
        Ok(bytes)
    }

    /// Skips a value without recursion.
    fn skip(&mut self) -> Result<()> {
        let mut open = 0_usize;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    self.skip_string()?;
                }
                Some(b'[' | b'{') => {
                    self.at += 1;
                    open += 1;
                }
                Some(b']' | b'}') => {
                    self.at += 1;
                    open = open.checked_sub(1).ok_or_else(malformed)?;
                }
                Some(b',' | b':') => self.at += 1,
                Some(_) => {
                    // a number or a word: up to what can follow one
                    let rest = &self.text.as_bytes()[self.at..];
                    let end = rest.iter().position(|byte| b" \t\n\r,]}".contains(byte));
                    self.at += end.unwrap_or(rest.len());
                }
                None => return Err(malformed()),
            }
            if open == 0 {
                return Ok(());
            }
        }
    }
}

/// Implements the methods for integers of 128 bits.
macro_rules! wide {
    ($($method:ident $visit:ident),* $(,)?) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            let start = match self.peek() {
                Some(b'-' | b'0'..=b'9') => self.at,
                _ => return self.value(visitor),
            };
            if let (number, true) = self.number()? && let Ok(value) = number.parse() {
                return visitor.$visit(value);
            }
            self.at = start;
            self.value(visitor)
        }
    )* };
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.value(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 char str string unit unit_struct seq tuple tuple_struct map struct identifier
    }

    wide! {
        deserialize_i128 visit_i128,
        deserialize_u128 visit_u128,
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        // not by way of 64 bits: what was rounded to those may round to another number
        match self.float()? {
            Some(value) => visitor.visit_f32(value),
            None => self.value(visitor),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.float()? {
            Some(value) => visitor.visit_f64(value),
            None => self.value(visitor),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_byte_buf(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.peek() {
            Some(b'[') => visitor.visit_byte_buf(self.bytes()?),
            _ => self.value(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.peek() {
            Some(b'n') => self.word("null", ()).and_then(|()| visitor.visit_none()),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.peek() {
            Some(b'"') => visitor.visit_enum(UnitVariant(self)),
            Some(b'{') => {
                self.at += 1;
                let value = visitor.visit_enum(Variant(self))?;
                self.close(b'}', value)
            }
            _ => self.value(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.skip()?;
        visitor.visit_unit()
    }

    fn is_human_readable(&self) -> bool {
        true
    }
}
