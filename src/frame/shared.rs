//! `Shared`: bytes of any owner, shared by a count.

use std::ops::{Deref, RangeBounds};

use bytes::Bytes;

use super::Received;
use super::shelf::Kept;

/// Bytes of any owner: what a buffer is.
#[derive(Clone)]
pub(crate) enum Shared {
    Bytes(Bytes),
    /// Those of a received frame that lies beside the others of its message.
    Kept(Kept<Received>),
}

impl Shared {
    pub(crate) const fn new() -> Self {
        Self::Bytes(Bytes::new())
    }

    pub(crate) const fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Kept(kept) => kept.len(),
        }
    }

    /// A part of the bytes; it panics as slicing does.
    pub(crate) fn slice(&self, range: impl RangeBounds<usize>) -> Self {
        match self {
            Self::Bytes(bytes) => Self::Bytes(bytes.slice(range)),
            Self::Kept(kept) => match kept.slice(range) {
                // keeps nobody, as an empty part of `Bytes` does
                part if part.is_empty() => Self::new(),
                part => Self::Kept(part),
            },
        }
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Kept(kept) => Bytes::from_owner(kept),
        }
    }
}

impl Default for Shared {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for Shared {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Kept(kept) => kept,
        }
    }
}

impl From<Bytes> for Shared {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}
