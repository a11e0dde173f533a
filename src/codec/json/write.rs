//! The JSON writer: what it holds and how arrays and objects are opened; serde's side is in `serialize`.

use serde::ser::{Error as _, Serialize};

pub(super) use serde::de::value::Error as Unserializable;

use super::key::Key;
use super::string::write_text;
use crate::codec::container::{Container, Open};
use crate::limits::Limits;

pub(super) type Result<T> = std::result::Result<T, Unserializable>;

pub(super) struct Writer<'w> {
    pub(super) out: &'w mut Vec<u8>,
    /// How many more arrays and objects may be opened.
    depth: usize,
    too_deep: bool,
    /// How long `out` may get: looked at where a few bytes of a value may stand for many.
    most: usize,
    /// How long it would have got, where that was more.
    pub(super) wanted: Option<usize>,
    /// What is done with buffers.
    pub(super) buffers: Buffers,
    /// Whether a newtype struct has announced a buffer, and its content comes next.
    pub(super) announced: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Buffers {
    Refused,
    InBand,
}

impl<'w> Writer<'w> {
    /// A writer that appends to `out`.
    pub(super) fn new(out: &'w mut Vec<u8>, buffers: Buffers, limits: &Limits) -> Self {
        let most = out.len().saturating_add(limits.max_metadata());
        Self { out, depth: limits.max_depth(), too_deep: false, most, wanted: None, buffers, announced: false }
    }

    /// Whether the value was nested deeper than the limit.
    pub(super) fn is_too_deep(&self) -> bool {
        self.too_deep
    }

    /// Refuses to write out what may stand in many places, so many bytes at least, where that goes over the limit.
    pub(super) fn make_room(&mut self, len: usize) -> Result<()> {
        let wanted = self.out.len().saturating_add(len);
        if wanted <= self.most {
            return Ok(());
        }
        self.wanted = Some(wanted);
        Err(Unserializable::custom("it is longer than the limit allows"))
    }

    /// Goes one array or object deeper.
    pub(super) fn enter(&mut self) -> Result<()> {
        match self.depth.checked_sub(1) {
            Some(left) => {
                self.depth = left;
                Ok(())
            }
            None => {
                self.too_deep = true;
                Err(Unserializable::custom("it is nested deeper than the limit allows"))
            }
        }
    }

    pub(super) fn leave(&mut self) {
        self.depth += 1;
    }

    /// Opens an array or object inside of `outer` objects of one entry, which end with it.
    pub(super) fn open(&mut self, brackets: Brackets, outer: usize) -> Result<Open<Compound<'_, 'w>>> {
        self.enter()?;
        self.out.push(brackets as u8);
        Ok(Open(Compound { writer: self, brackets, outer, is_first: true }))
    }

    /// Opens the object of one entry that an enum variant with content is.
    pub(super) fn variant(&mut self, name: &str) -> Result<()> {
        self.enter()?;
        self.out.push(b'{');
        write_text(self.out, name);
        self.out.extend_from_slice(b": ");
        Ok(())
    }

    pub(super) fn end_variant(&mut self) {
        self.out.push(b'}');
        self.leave();
    }
}

#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Brackets {
    Array = b'[',
    Object = b'{',
}

/// An array or object that is being written.
pub(crate) struct Compound<'a, 'w> {
    writer: &'a mut Writer<'w>,
    brackets: Brackets,
    /// How many objects of one entry it is the content of.
    outer: usize,
    is_first: bool,
}

impl Compound<'_, '_> {
    fn separate(&mut self) {
        if !std::mem::take(&mut self.is_first) {
            self.writer.out.extend_from_slice(b", ");
        }
    }
}

impl Container for Compound<'_, '_> {
    type Error = Unserializable;

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.separate();
        value.serialize(&mut *self.writer)
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<()> {
        self.separate();
        write_text(self.writer.out, name);
        self.value(value)
    }

    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.separate();
        key.serialize(Key(self.writer.out))
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.writer.out.extend_from_slice(b": ");
        value.serialize(&mut *self.writer)
    }

    fn close(self) -> Result<()> {
        self.writer.out.push(match self.brackets {
            Brackets::Array => b']',
            Brackets::Object => b'}',
        });
        self.writer.leave();
        (0..self.outer).for_each(|_| self.writer.end_variant());
        Ok(())
    }
}
