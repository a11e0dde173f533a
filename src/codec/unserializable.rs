//! Why a value does not serialize.

use std::fmt::{self, Display};

use serde::ser;

use crate::error::{Detail, Error};
use crate::limits::Limits;

/// Why a value does not serialize.
#[derive(Debug)]
pub(crate) enum Unserializable {
    TooDeep,
    Because(Box<str>),
}

pub(crate) type Result<T> = std::result::Result<T, Unserializable>;

impl Unserializable {
    #[cold]
    pub(super) fn into_error(self, limits: &Limits) -> Error {
        match self {
            Self::TooDeep => Detail::ValueTooDeep { limit: limits.max_depth() }.into(),
            Self::Because(reason) => Detail::Unserializable { reason: reason.into() }.into(),
        }
    }
}

impl Display for Unserializable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooDeep => f.write_str("it is nested deeper than the limit allows"),
            Self::Because(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for Unserializable {}

impl ser::Error for Unserializable {
    #[cold]
    fn custom<T: Display>(reason: T) -> Self {
        Self::Because(reason.to_string().into())
    }
}
