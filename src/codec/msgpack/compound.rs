//! Arrays and maps that the metadata writer has open: their elements are counted, and held against what was announced.

use serde::ser::{Error as _, Serialize};

use super::write::{Head, MAP, Writer, form, too_long};
use crate::codec::container::Container;
use crate::codec::unserializable::{Result, Unserializable};

/// An open array or map.
pub(crate) struct Compound<'a, 'w> {
    writer: &'a mut Writer<'w>,
    levels: usize,
    head: &'static Head,
    /// How many values it announced, of a map keys and values; 0 where its length was not known.
    announced: usize,
    /// Of one whose length was not known: where it begins.
    unknown: Option<usize>,
    /// How many values it has so far.
    values: usize,
}

impl<'a, 'w> Compound<'a, 'w> {
    /// One that begins at the end of what was written, with its head if its length is known.
    #[inline(always)]
    pub(super) fn new(writer: &'a mut Writer<'w>, levels: usize, head: &'static Head, len: Option<usize>) -> Self {
        let unknown = if len.is_none() { Some(writer.out.len()) } else { None };
        let announced = len.unwrap_or_default().saturating_mul(per_element(head));
        Self { writer, levels, head, announced, unknown, values: 0 }
    }
}

impl Container for Compound<'_, '_> {
    type Error = Unserializable;

    #[inline]
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.values += 1;
        value.serialize(&mut *self.writer)
    }

    #[inline]
    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<()> {
        self.values += 2;
        self.writer.text(name)?;
        value.serialize(&mut *self.writer)
    }

    #[inline]
    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.element(key)
    }

    #[inline]
    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.element(value)
    }

    #[inline]
    fn close(self) -> Result<()> {
        self.writer.depth += self.levels;
        let (head, values) = (self.head, self.values);
        if values != self.announced && (self.unknown.is_none() || values % per_element(head) > 0) {
            return Err(miscounted(head, self.announced, values));
        }
        let Some(start) = self.unknown else { return Ok(()) };
        let len = values / per_element(head);
        let mut bytes = [0; 5];
        let bytes = form(head, len, &mut bytes).ok_or_else(|| too_long(len))?;
        self.writer.complete();
        let out = &mut *self.writer.out;
        // the head goes before what was written meanwhile
        out.extend_from_slice(bytes);
        out[start..].rotate_right(bytes.len());
        Ok(())
    }
}

/// How many values are an element: a key and a value an entry.
#[inline(always)]
fn per_element(head: &Head) -> usize {
    if head.0 == MAP.0 { 2 } else { 1 }
}

#[cold]
fn miscounted(head: &Head, announced: usize, values: usize) -> Unserializable {
    let (what, each) = if head.0 == MAP.0 { ("a map", "entries") } else { ("a sequence", "elements") };
    let [announced, came] = [announced, values].map(|values| values / per_element(head));
    match values % per_element(head) {
        0 => Unserializable::custom(format_args!("{what} that announced {announced} {each} and has {came}")),
        _ => Unserializable::custom("a map whose last key has no value"),
    }
}
