//! A value that could not be built is built once more: with all names as text, and then to say where it does not fit.

use serde::de::Deserialize;

use super::Frames;
use super::mismatch::Mismatch;
use super::read::Reader;
use super::scan;
use crate::buffer::Buffer;
use crate::error::{Detail, Error, Result, excerpt};
use crate::handoff;

/// Builds the value of a message that was checked once more, now with the names of all fields as text: what a `Deserialize` that was
/// written by hand may insist on, and takes too long to do for all others. Where that fails too, says where.
#[cold]
pub(super) fn build<'de, T: Deserialize<'de>>(
    metadata: &'de [u8],
    frames: &'de [Buffer],
    state: Frames,
    depth: usize,
    mismatch: Mismatch,
) -> Result<T> {
    let mut reader = Reader::naming(metadata, frames, depth);
    reader.as_sent = state == Frames::AsSent;
    if let Ok(value) = T::deserialize(&mut reader) {
        return Ok(value);
    }
    check_overdrawn()?;
    handoff::start_over();
    Err(mistyped::<T>(metadata, frames, state, excerpt(mismatch)))
}

/// Refuses what would be copied out of the frames more often than the limits allow.
pub(super) fn check_overdrawn() -> Result<()> {
    match handoff::overdrawn() {
        Some((limit, name)) => Err(Detail::RepeatedTooLong { limit, name }.into()),
        None => Ok(()),
    }
}

/// Decodes once more, now noting the path, to say where the value does not fit.
#[cold]
fn mistyped<'de, T: Deserialize<'de>>(
    metadata: &'de [u8],
    frames: &'de [Buffer],
    state: Frames,
    reason: String,
) -> Error {
    if scan::check(metadata, PATH_DEPTH).is_err() {
        return Detail::Mistyped { path: String::new(), reason }.into();
    }
    let mut reader = Reader::naming(metadata, frames, PATH_DEPTH);
    reader.as_sent = state == Frames::AsSent;
    let again: Result<T, _> = serde_path_to_error::deserialize(&mut reader);
    let (path, reason) = match again {
        // a `Deserialize` with a memory of its own
        Ok(_) => (String::new(), reason),
        Err(error) => (excerpt(error.path()), excerpt(error.inner())),
    };
    Detail::Mistyped { path, reason }.into()
}

/// The deepest metadata whose errors name a path: noting it takes as much stack again per level as decoding.
const PATH_DEPTH: usize = 32;
