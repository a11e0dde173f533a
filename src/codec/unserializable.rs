//! Why a value does not serialize.

use std::fmt::{self, Display};

use serde::ser;

use crate::error::{Detail, Error};
use crate::limits::Limits;

/// Why a value does not serialize. One pointer, so that what serializes returns in a register whether it did.
#[derive(Debug)]
pub(crate) struct Unserializable(Box<Why>);

#[derive(Debug)]
enum Why {
    TooDeep,
    Because(Box<str>),
}

pub(crate) type Result<T> = std::result::Result<T, Unserializable>;

impl Unserializable {
    #[cold]
    pub(crate) fn too_deep() -> Self {
        Self(Box::new(Why::TooDeep))
    }

    #[cfg(feature = "arrow")]
    pub(crate) fn is_too_deep(&self) -> bool {
        matches!(*self.0, Why::TooDeep)
    }

    #[cold]
    pub(super) fn into_error(self, limits: &Limits) -> Error {
        match *self.0 {
            Why::TooDeep => Detail::ValueTooDeep { limit: limits.max_depth() }.into(),
            Why::Because(reason) => Detail::Unserializable { reason: reason.into() }.into(),
        }
    }
}

impl Display for Unserializable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Why::TooDeep => f.write_str("it is nested deeper than the limit allows"),
            Why::Because(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for Unserializable {}

impl ser::Error for Unserializable {
    #[cold]
    fn custom<T: Display>(reason: T) -> Self {
        Self(Box::new(Why::Because(reason.to_string().into())))
    }
}
