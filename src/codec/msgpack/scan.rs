//! One pass over a metadata frame before serde sees it.
//!
//! Knows MessagePack's layout (<https://github.com/msgpack/msgpack/blob/master/spec.md>) and nothing of values. It
//! neither recurses nor allocates, so depth and lengths from the wire are harmless here, and after it every declared
//! length is known to be backed by bytes.

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
        let shape = SHAPES[usize::from(marker)];
        let (count, body) = match (shape.width, after) {
            (0, _) => (usize::from(shape.count), after),
            (1, [a, body @ ..]) => (usize::from(*a), body),
            (2, [a, b, body @ ..]) => (usize::from(u16::from_be_bytes([*a, *b])), body),
            (4, [a, b, c, d, body @ ..]) => (u32::from_be_bytes([*a, *b, *c, *d]) as usize, body),
            _ => return Err(truncated(start, metadata)),
        };
        left -= 1;
        match (shape.what, body.get(count..)) {
            (What::Bytes, Some(next)) => rest = next,
            // each value takes a byte at least
            (What::Array | What::Map, Some(_)) => {
                if depth >= max_depth {
                    return Err(Detail::TooDeep { at: start, limit: max_depth }.into());
                }
                outer[depth] = left;
                depth += 1;
                left = if shape.what == What::Map { 2 * count } else { count };
                rest = body;
            }
            (What::Extension, Some([_, next @ ..])) => {
                if body[0] == EXTENSION as u8 {
                    reference(start, &body[1..=count])?;
                }
                rest = next;
            }
            (What::Reserved, _) => return Err(Detail::MetadataReserved { at: start }.into()),
            _ => return Err(truncated(start, metadata)),
        }
        while left == 0 {
            if depth == 0 {
                return match rest.len() {
                    0 => Ok(()),
                    extra => Err(Detail::MetadataTrailing { extra, at: metadata.len() - extra }.into()),
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

/// What follows a marker: a big-endian count of `width` bytes, or none and the count is known; then what is counted.
#[derive(Clone, Copy)]
struct Shape {
    what: What,
    width: u8,
    count: u8,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Bytes,
    /// The payload's length, without the type byte.
    Extension,
    Array,
    Map,
    Reserved,
}

/// The shape of each marker byte, as the specification's table of formats has it.
static SHAPES: [Shape; 256] = {
    let mut shapes = [Shape { what: What::Bytes, width: 0, count: 0 }; 256];
    let mut marker = 0;
    while marker < 256 {
        let (what, width, count) = match marker as u8 {
            0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => (What::Bytes, 0, 0),
            0x80..=0x8f => (What::Map, 0, marker as u8 & 0x0f),
            0x90..=0x9f => (What::Array, 0, marker as u8 & 0x0f),
            0xa0..=0xbf => (What::Bytes, 0, marker as u8 & 0x1f),
            0xc1 => (What::Reserved, 0, 0),
            0xc4 | 0xd9 => (What::Bytes, 1, 0),
            0xc5 | 0xda => (What::Bytes, 2, 0),
            0xc6 | 0xdb => (What::Bytes, 4, 0),
            0xc7 => (What::Extension, 1, 0),
            0xc8 => (What::Extension, 2, 0),
            0xc9 => (What::Extension, 4, 0),
            0xcc | 0xd0 => (What::Bytes, 0, 1),
            0xcd | 0xd1 => (What::Bytes, 0, 2),
            0xca | 0xce | 0xd2 => (What::Bytes, 0, 4),
            0xcb | 0xcf | 0xd3 => (What::Bytes, 0, 8),
            0xd4 => (What::Extension, 0, 1),
            0xd5 => (What::Extension, 0, 2),
            0xd6 => (What::Extension, 0, 4),
            0xd7 => (What::Extension, 0, 8),
            0xd8 => (What::Extension, 0, 16),
            0xdc => (What::Array, 2, 0),
            0xdd => (What::Array, 4, 0),
            0xde => (What::Map, 2, 0),
            0xdf => (What::Map, 4, 0),
        };
        shapes[marker] = Shape { what, width, count };
        marker += 1;
    }
    shapes
};
