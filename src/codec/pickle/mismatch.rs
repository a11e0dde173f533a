//! Why a pickle does not fit a type.

use std::fmt::{self, Display};

use serde::de::{self, DeserializeSeed};
use serde_path_to_error::Track;

use super::tree::Tree;
use crate::error::{Detail, Error, excerpt};

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

/// Decodes once more, now noting the path, to say where the value does not fit.
#[cold]
pub(super) fn mistyped<'g, S: DeserializeSeed<'g>>(tree: &'g Tree<'g>, seed: S, reason: String) -> Error {
    let mut track = Track::new();
    let again = match tree.is_shallow(PATH_DEPTH) {
        true => seed.deserialize(serde_path_to_error::Deserializer::new(tree.root(), &mut track)).err(),
        false => None,
    };
    match again {
        Some(error) => Detail::Mistyped { path: excerpt(track.path()), reason: excerpt(error) }.into(),
        // too deep, or a `Deserialize` with a memory of its own
        None => Detail::Mistyped { path: String::new(), reason }.into(),
    }
}

/// The deepest pickle whose errors name a path: noting it takes as much stack again per level as decoding.
const PATH_DEPTH: u8 = 32;
