//! `#[serde(with = "outband::serde_buffer")]`: plain byte and number fields that travel as buffers.
//!
//! For structs that are given and cannot hold a [`Buffer`]. Works on `bytes::Bytes`, `Vec<T>` and `Box<[T]>` of any
//! [`Element`], and `Option` of these.
//!
//! Of more than 8 KiB, so that it has a frame of its own:
//!
//! | field | leaves | arrives |
//! |---|---|---|
//! | `bytes::Bytes` | **without copying** | **without copying** |
//! | `Vec<T>`, `Box<[T]>` | one counted copy: serde lends the field and a frame needs an owner | one counted copy |
//!
//! A shorter one is written into the metadata and taken out of it again, which is one more counted copy at each end.
//!
//! A field of type [`Buffer`] needs no attribute. In any other serializer such a field is plain bytes, elements
//! little-endian.
//!
//! # Examples
//!
//! ```
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, PartialEq, Debug)]
//! struct Reading {
//!     #[serde(with = "outband::serde_buffer")]
//!     raw: bytes::Bytes,
//!     #[serde(with = "outband::serde_buffer")]
//!     volts: Vec<f64>,
//! }
//!
//! let reading = Reading { raw: vec![1; 20_000].into(), volts: vec![0.5; 4000] };
//! let message = outband::to_multipart(&reading)?;
//! assert_eq!(message.buffers().len(), 2);
//! assert_eq!(message.buffers()[0].as_ptr(), reading.raw.as_ptr());
//! assert_eq!(outband::from_multipart::<Reading>(message)?, reading);
//! # Ok::<(), outband::Error>(())
//! ```

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

use crate::buffer::Buffer;
use crate::element::{self, Element};
use crate::error::{Detail, Error};
use crate::handoff;

/// A field that can travel as a buffer: implemented for the types that the [module](self) lists.
pub trait Field: Sized {
    /// The field as a buffer; `None` where there is none to send.
    fn to_buffer(&self) -> Option<Buffer>;

    /// The field of a buffer that arrived; `None` where none was sent.
    ///
    /// # Errors
    ///
    /// When the bytes are not a whole number of elements, or there are none and the field needs some.
    fn from_buffer(buffer: Option<Buffer>) -> Result<Self, Error>;
}

/// For `#[serde(with)]`, `#[serde(serialize_with)]`.
///
/// # Errors
///
/// What the serializer returns.
pub fn serialize<F: Field, S: Serializer>(field: &F, serializer: S) -> Result<S::Ok, S::Error> {
    match field.to_buffer() {
        Some(buffer) => buffer.serialize(serializer),
        None => serializer.serialize_none(),
    }
}

/// For `#[serde(with)]`, `#[serde(deserialize_with)]`.
///
/// # Errors
///
/// What the deserializer returns, or that the bytes are not a whole number of elements.
pub fn deserialize<'de, F: Field, D: Deserializer<'de>>(deserializer: D) -> Result<F, D::Error> {
    let buffer = Option::<Buffer>::deserialize(deserializer)?;
    F::from_buffer(buffer).map_err(D::Error::custom)
}

fn needed(buffer: Option<Buffer>) -> Result<Buffer, Error> {
    buffer.ok_or_else(|| Detail::BufferMissing.into())
}

impl Field for Bytes {
    fn to_buffer(&self) -> Option<Buffer> {
        Some(Buffer::from(self.clone()))
    }

    fn from_buffer(buffer: Option<Buffer>) -> Result<Self, Error> {
        needed(buffer).map(Bytes::from)
    }
}

impl<T: Element> Field for Vec<T> {
    fn to_buffer(&self) -> Option<Buffer> {
        Some(Buffer::copy_from_slice(element::as_bytes(self)))
    }

    fn from_buffer(buffer: Option<Buffer>) -> Result<Self, Error> {
        let buffer = needed(buffer)?;
        handoff::copying(buffer.len()).map_err(|limit| Detail::RepeatedTooLong { limit, name: handoff::TOTAL })?;
        element::to_vec(&buffer)
    }
}

impl<T: Element> Field for Box<[T]> {
    fn to_buffer(&self) -> Option<Buffer> {
        Some(Buffer::copy_from_slice(element::as_bytes(self)))
    }

    fn from_buffer(buffer: Option<Buffer>) -> Result<Self, Error> {
        Vec::from_buffer(buffer).map(Vec::into_boxed_slice)
    }
}

impl<F: Field> Field for Option<F> {
    fn to_buffer(&self) -> Option<Buffer> {
        self.as_ref()?.to_buffer()
    }

    fn from_buffer(buffer: Option<Buffer>) -> Result<Self, Error> {
        buffer.map(|buffer| F::from_buffer(Some(buffer))).transpose()
    }
}
