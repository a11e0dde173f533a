//! Why metadata does not fit a type.

use std::fmt::{self, Display};

use serde::de;

use crate::error::excerpt;

/// Why the metadata does not fit the type, without the megabytes that a peer may have sent as a name.
#[derive(Debug)]
pub(crate) struct Mismatch(Box<str>);

impl Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Mismatch {}

impl de::Error for Mismatch {
    #[cold]
    fn custom<T: Display>(reason: T) -> Self {
        Self(excerpt(reason).into())
    }
}

pub(crate) type Result<T> = std::result::Result<T, Mismatch>;
