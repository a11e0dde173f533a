//! One pass over a metadata frame before serde sees it.
//!
//! Knows MessagePack's layout (<https://github.com/msgpack/msgpack/blob/master/spec.md>) and nothing of values. It
//! neither recurses nor allocates, so depth and lengths from the wire are harmless here, and after it every declared
//! length is known to be backed by bytes.

use crate::error::{Detail, Result};
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
    let mut at = 0;
    let truncated = |at| Detail::MetadataTruncated { at, len: metadata.len() };
    loop {
        while left == 0 {
            if depth == 0 {
                return match metadata.len() - at {
                    0 => Ok(()),
                    extra => Err(Detail::MetadataTrailing { extra, at }.into()),
                };
            }
            depth -= 1;
            left = outer[depth];
        }
        left -= 1;
        let start = at;
        let Some(&marker) = metadata.get(at) else { return Err(truncated(start).into()) };
        at += 1;
        let (what, count) = match marker {
            // what small metadata is made of: short numbers, text and containers
            0x00..=0x7f | 0xe0..=0xff => continue,
            0xa0..=0xbf => (What::Bytes, usize::from(marker & 0x1f)),
            0x80..=0x8f => (What::Map, usize::from(marker & 0x0f)),
            0x90..=0x9f => (What::Array, usize::from(marker & 0x0f)),
            _ => {
                let shape = SHAPES[usize::from(marker)];
                let count = match (shape.width, &metadata[at..]) {
                    (0, _) => usize::from(shape.count),
                    (1, [a, ..]) => usize::from(*a),
                    (2, [a, b, ..]) => usize::from(u16::from_be_bytes([*a, *b])),
                    (4, [a, b, c, d, ..]) => u32::from_be_bytes([*a, *b, *c, *d]) as usize,
                    _ => return Err(truncated(start).into()),
                };
                at += usize::from(shape.width);
                (shape.what, count)
            }
        };
        let rest = &metadata[at..];
        match what {
            What::Bytes if count <= rest.len() => at += count,
            What::Extension if count < rest.len() => {
                if rest[0] == EXTENSION as u8 {
                    reference(start, &rest[1..=count])?;
                }
                at += 1 + count;
            }
            // each value takes a byte at least
            What::Array | What::Map if count <= rest.len() => {
                if depth >= max_depth {
                    return Err(Detail::TooDeep { at: start, limit: max_depth }.into());
                }
                outer[depth] = left;
                depth += 1;
                left = if what == What::Map { 2 * count } else { count };
            }
            What::Reserved => return Err(Detail::MetadataReserved { at: start }.into()),
            _ => return Err(truncated(start).into()),
        }
    }
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
