//! One pass over a metadata frame before serde sees it.
//!
//! Knows MessagePack's layout (<https://github.com/msgpack/msgpack/blob/master/spec.md>) and nothing of values. It
//! neither recurses nor allocates, so depth and lengths from the wire are harmless here, and after it every declared
//! length is known to be backed by bytes.

use crate::codec::likeness::Likeness;
use crate::error::{Detail, Error, Result};
use crate::limits::Limits;
use crate::reference::EXTENSION;

/// Checks that `metadata` is exactly one MessagePack value within `max_depth`, and calls `reference` with the position
/// and payload of every buffer reference in order.
///
/// # Errors
///
/// Kind `Peer` for a truncated value, trailing bytes or the reserved byte; kind `Limits` for depth; and what
/// `reference` returns.
pub(crate) fn scan(
    metadata: &[u8],
    max_depth: usize,
    mut reference: impl FnMut(usize, &[u8]) -> Result<()>,
) -> Result<()> {
    // nearly all metadata is shallow, and room for many levels takes longer to clear than a short text to read
    match walk::<SHALLOW>(metadata, max_depth.min(SHALLOW), &mut reference) {
        Err(error) if max_depth > SHALLOW && error.is_limit() => {
            walk::<{ Limits::MAX_DEPTH }>(metadata, max_depth, &mut reference)
        }
        walked => walked,
    }
}

/// `scan` for who has no use for the references, which is compiled once and not for every type of who asks.
pub(crate) fn check(metadata: &[u8], max_depth: usize) -> Result<()> {
    scan(metadata, max_depth, |_, _| Ok(()))
}

const SHALLOW: usize = 8;

/// `scan` with room for `DEPTH` levels, which is `max_depth` or more.
fn walk<const DEPTH: usize>(
    metadata: &[u8],
    max_depth: usize,
    reference: &mut impl FnMut(usize, &[u8]) -> Result<()>,
) -> Result<()> {
    // values still to come in each open array or map; the innermost one's count is `left`
    let mut outer = [0_usize; DEPTH];
    let mut depth = 0;
    let mut left = 1_usize;
    let mut rest = metadata;
    loop {
        let start = metadata.len() - rest.len();
        let Some((&marker, after)) = rest.split_first() else { return Err(truncated(start, metadata)) };
        left -= 1;
        let next = match marker {
            0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => Some(after),
            0xa0..=0xbf => after.get(usize::from(marker & 0x1f)..),
            0xcc | 0xd0 => after.get(1..),
            0xcd | 0xd1 => after.get(2..),
            0xca | 0xce | 0xd2 => after.get(4..),
            0xcb | 0xcf | 0xd3 => after.get(8..),
            0xc4 | 0xd9 => short(after).and_then(|(count, body)| body.get(count..)),
            0xc5 | 0xda => medium(after).and_then(|(count, body)| body.get(count..)),
            0xc6 | 0xdb => long(after).and_then(|(count, body)| body.get(count..)),
            0x80..=0x9f | 0xdc..=0xdf => {
                let counted = match marker {
                    0x80..=0x9f => Some((usize::from(marker & 0x0f), after)),
                    0xdc | 0xde => medium(after),
                    _ => long(after),
                };
                // each value takes a byte at least
                let counted = counted.filter(|(count, body)| *count <= body.len());
                let Some((count, body)) = counted else { return Err(truncated(start, metadata)) };
                if depth >= max_depth {
                    return Err(Detail::TooDeep { at: start, limit: max_depth }.into());
                }
                outer[depth] = left;
                depth += 1;
                left = if let 0x80..=0x8f | 0xde | 0xdf = marker { 2 * count } else { count };
                Some(body)
            }
            0xc7..=0xc9 | 0xd4..=0xd8 => {
                let counted = match marker {
                    0xc7 => short(after),
                    0xc8 => medium(after),
                    0xc9 => long(after),
                    _ => Some((1 << (marker - 0xd4), after)),
                };
                let Some((count, [kind, body @ ..])) = counted else { return Err(truncated(start, metadata)) };
                let Some((payload, next)) = body.split_at_checked(count) else {
                    return Err(truncated(start, metadata));
                };
                if *kind == EXTENSION as u8 {
                    reference(start, payload)?;
                }
                Some(next)
            }
            0xc1 => return Err(Detail::MetadataReserved { at: start }.into()),
        };
        rest = next.ok_or_else(|| truncated(start, metadata))?;
        while left == 0 {
            if depth == 0 {
                return match rest.len() {
                    0 => Ok(()),
                    extra => Err(trailing(extra, metadata)),
                };
            }
            depth -= 1;
            left = outer[depth];
        }
    }
}

/// The error for a value that begins here and does not end.
#[cold]
fn truncated(at: usize, metadata: &[u8]) -> Error {
    Detail::MetadataTruncated { at, len: metadata.len() }.into()
}

/// The error for bytes after the value. A text in any other format begins with what would be a whole value here.
#[cold]
fn trailing(extra: usize, metadata: &[u8]) -> Error {
    let at = metadata.len() - extra;
    let likeness = Likeness::of(metadata).filter(|&like| at == 1 && like != Likeness::MessagePack);
    Error::from(Detail::MetadataTrailing { extra, at }).hinting(likeness.map(Likeness::hint))
}

/// A length of one byte, and what follows it.
#[inline]
fn short(after: &[u8]) -> Option<(usize, &[u8])> {
    let (&[len], body) = after.split_first_chunk()?;
    Some((len.into(), body))
}

/// A length of two bytes, and what follows it.
#[inline]
fn medium(after: &[u8]) -> Option<(usize, &[u8])> {
    let (&len, body) = after.split_first_chunk()?;
    Some((u16::from_be_bytes(len).into(), body))
}

/// A length of four bytes, and what follows it.
#[inline]
fn long(after: &[u8]) -> Option<(usize, &[u8])> {
    let (&len, body) = after.split_first_chunk()?;
    Some((u32::from_be_bytes(len) as usize, body))
}
