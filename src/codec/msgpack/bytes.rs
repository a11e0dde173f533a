//! Bytes, and how they are shown to visitors.

use serde::de::Visitor;
use serde::de::value::SeqDeserializer;

use super::mismatch::Result;

/// How a visitor wants bytes shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Bytes {
    /// Whole; it asked for whatever comes.
    Any,
    /// Whole; it asked for bytes or text.
    Whole,
    /// One by one: it asked for a sequence.
    OneByOne,
    /// Whole; it asked for a struct, whose fields it knows by name.
    InStruct,
    /// Not at all: it ignores what comes, and a buffer's frame with it.
    Skipped,
}

/// Shows bytes to a visitor.
pub(super) fn show<'de, V: Visitor<'de>>(all: &'de [u8], visitor: V, bytes: Bytes) -> Result<V::Value> {
    match bytes {
        Bytes::Any | Bytes::Whole | Bytes::InStruct | Bytes::Skipped => visitor.visit_borrowed_bytes(all),
        Bytes::OneByOne => {
            let mut elements = SeqDeserializer::new(all.iter().copied());
            let value = visitor.visit_seq(&mut elements)?;
            elements.end().map(|()| value)
        }
    }
}
