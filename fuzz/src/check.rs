//! What holds of every refusal, and of every value that was decoded.

use std::fmt::Debug;

use outband::{Decode, Encode, Error, ErrorKind, Multipart, Result};

use crate::counting::measure;

/// What every refusal promises: a kind that blames the peer, and a short text.
pub fn refused(error: &Error) {
    assert!(matches!(error.kind(), ErrorKind::Peer | ErrorKind::Limits), "{error:?}");
    let text = error.to_string();
    assert!(!text.is_empty() && text.len() < 2048, "{} bytes of text: {text:.80}", text.len());
    assert!(!text.ends_with('.') && text.starts_with(|first: char| !first.is_uppercase()), "{text}");
}

/// Decodes within so much memory.
pub fn decoded<T, C: Decode<T>>(codec: &C, message: &Multipart, most: usize) -> Option<T> {
    let message = message.clone();
    let (result, peak) = measure(|| codec.decode(message));
    assert!(peak <= most, "{peak} bytes, and {most} are the most");
    result.map_err(|error| refused(&error)).ok()
}

/// A value that was decoded encodes, and what that decodes to encodes to the same message.
pub fn comes_back<T, C: Encode<T> + Decode<T>>(codec: &C, value: &T) -> T {
    let (again, message) = back(codec, value, "what was decoded");
    let (_, same) = back(codec, &again, "what came back");
    assert!(message == same, "{message:?} {:x?}\nbecomes\n{same:?} {:x?}", message.metadata(), same.metadata());
    again
}

fn back<T, C: Encode<T> + Decode<T>>(codec: &C, value: &T, what: &str) -> (T, Multipart) {
    let message = codec.encode(value).unwrap_or_else(|error| panic!("{what} does not encode: {error}"));
    let again = codec.decode(message.clone());
    let again =
        again.unwrap_or_else(|error| panic!("{what} does not decode: {error}\n{message:?} {:x?}", message.metadata()));
    (again, message)
}

/// All ways to decode a message come to the same.
pub fn alike<T: Debug>(results: impl IntoIterator<Item = Result<T>>) {
    let mut texts = results.into_iter().map(|result| match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => {
            refused(&error);
            error.to_string()
        }
    });
    let first = texts.next().unwrap_or_default();
    for other in texts {
        assert_eq!(first, other, "two ways to decode");
    }
}
