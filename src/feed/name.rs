//! Names of streams, and how they stand in a topic frame: a zero byte ends them, and the header follows.

use crate::error::{Detail, Error, Result};

/// The longest name, in bytes.
pub(crate) const MAX_NAME: usize = 1024;

/// Ends the name in a topic frame, so that a subscription to one stream does not match those whose names go on.
const END: u8 = 0;

/// The topic of a stream: its name and the zero byte.
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

/// A topic frame as topic and header.
pub(crate) fn split(frame: &[u8]) -> Result<(&[u8], &[u8])> {
    let end = frame.iter().take(MAX_NAME + 1).position(|&byte| byte == END);
    let end = end.ok_or_else(|| bad("has no zero byte that ends a name of at most 1024 bytes"))?;
    Ok(frame.split_at(end + 1))
}

/// The name in a topic that [`split`] returned.
pub(crate) fn of_topic(topic: &[u8]) -> Result<&str> {
    let name = topic.strip_suffix(&[END]).unwrap_or_default();
    if name.is_empty() || name.ends_with(b"/") {
        return Err(bad("names no stream"));
    }
    std::str::from_utf8(name).map_err(|_| bad("is not UTF-8"))
}

fn bad(reason: &'static str) -> Error {
    Detail::BadFeedTopic { reason }.into()
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
        assert_eq!(split(b"sensors/oslo\0F\0x").unwrap(), (&b"sensors/oslo\0"[..], &b"F\0x"[..]));
        let longest = topic(&"x".repeat(MAX_NAME)).unwrap();
        assert_eq!(split(&longest).unwrap(), (&*longest, &b""[..]));
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
        for frame in [&b""[..], b"a", &[long.as_bytes(), b"\0"].concat()] {
            assert!(split(frame).unwrap_err().is_peer());
        }
        for frame in [&b"\0F"[..], b"a/\0F", b"\xff\0F"] {
            assert!(of_topic(split(frame).unwrap().0).unwrap_err().is_peer());
        }
    }
}
