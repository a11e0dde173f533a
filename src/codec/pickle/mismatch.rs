//! Why a pickle does not fit a type.

use std::fmt::{self, Display};

use serde::de;

use crate::error::excerpt;

/// Why a pickle does not fit the type, without the megabytes that a peer may have sent as a name.
#[derive(Debug)]
pub(super) struct Mismatch(Box<str>);

impl Mismatch {
    #[cold]
    pub(super) fn because(reason: impl Display) -> Self {
        Self(excerpt(reason).into())
    }
}

impl Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Mismatch {}

impl de::Error for Mismatch {
    fn custom<T: Display>(reason: T) -> Self {
        Self::because(reason)
    }
}

pub(super) type Result<T> = std::result::Result<T, Mismatch>;
