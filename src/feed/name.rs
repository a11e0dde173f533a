//! Names of streams, and how they stand in a topic frame.

use crate::error::{Detail, Result};

/// The longest name, in bytes.
pub(crate) const MAX_NAME: usize = 1024;

/// Ends the name in a topic frame, so that a subscription to one stream does not match those whose names go on.
const END: u8 = 0;

/// The topic frame of a stream.
pub(crate) fn topic(name: &str) -> Result<Box<[u8]>> {
    check(name)?;
    if name.is_empty() || name.ends_with('/') {
        return Err(Detail::BadStreamName { reason: "is empty or ends in \"/\", which stands for many streams" }.into());
    }
    Ok([name.as_bytes(), &[END]].concat().into())
}

/// What a subscription to `name` matches: one stream, or all below it where it is empty or ends in `/`.
pub(crate) fn prefix(name: &str) -> Result<Box<[u8]>> {
    check(name)?;
    if is_wildcard(name) { Ok(name.as_bytes().into()) } else { topic(name) }
}

/// Whether a name stands for every stream whose name begins so.
pub(crate) fn is_wildcard(name: &str) -> bool {
    name.is_empty() || name.ends_with('/')
}

/// The name in a topic frame.
pub(crate) fn of_topic(frame: &[u8]) -> Result<&str> {
    let bad = |reason| Detail::BadFeedTopic { reason };
    let [name @ .., END] = frame else { return Err(bad("does not end in a zero byte").into()) };
    if name.len() > MAX_NAME || name.is_empty() || name.ends_with(b"/") || name.contains(&END) {
        return Err(bad("names no stream").into());
    }
    Ok(std::str::from_utf8(name).map_err(|_| bad("is not UTF-8"))?)
}

fn check(name: &str) -> Result<()> {
    if name.len() > MAX_NAME {
        return Err(Detail::BadStreamName { reason: "has more than 1024 bytes" }.into());
    }
    if name.as_bytes().contains(&END) {
        return Err(Detail::BadStreamName { reason: "holds a zero byte" }.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_name_comes_back_from_its_topic() {
        assert_eq!(&*topic("sensors/oslo").unwrap(), b"sensors/oslo\0");
        assert_eq!(of_topic(b"sensors/oslo\0").unwrap(), "sensors/oslo");
        assert_eq!(&*prefix("sensors/oslo").unwrap(), b"sensors/oslo\0");
        assert_eq!(&*prefix("sensors/").unwrap(), b"sensors/");
        assert_eq!(&*prefix("").unwrap(), b"");
    }

    #[test]
    fn what_names_no_stream_is_refused() {
        let long = "x".repeat(MAX_NAME + 1);
        for name in ["", "a/", "a\0b", &long] {
            assert!(!topic(name).unwrap_err().is_peer());
        }
        for frame in [&b""[..], b"a", b"\0", b"a/\0", b"a\0b\0", b"\xff\0", &[long.as_bytes(), b"\0"].concat()] {
            assert!(of_topic(frame).unwrap_err().is_peer());
        }
    }
}
