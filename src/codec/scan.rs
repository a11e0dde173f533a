//! One pass over a metadata frame before serde sees it.
//!
//! Knows MessagePack's layout (<https://github.com/msgpack/msgpack/blob/master/spec.md>) and nothing of values. It
//! neither recurses nor allocates, so depth and lengths from the wire are harmless here, and after it every declared
//! length is known to be backed by bytes.

use rmp::Marker;

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
    // values still to come in each open array or map; the innermost one's count is `left`
    let mut outer = [0_u64; Limits::MAX_DEPTH];
    let mut depth = 0;
    let mut left = 1_u64;
    let mut cursor = Cursor { bytes: metadata, at: 0 };
    loop {
        while left == 0 {
            if depth == 0 {
                return cursor.finish();
            }
            depth -= 1;
            left = outer[depth];
        }
        left -= 1;
        let start = cursor.at;
        let shape = cursor.shape()?;
        match shape {
            Shape::Bytes(len) => drop(cursor.take(start, len)?),
            Shape::Extension(len) => {
                let extension = cursor.take(start, len.saturating_add(1))?;
                if extension[0] == EXTENSION as u8 {
                    reference(start, &extension[1..])?;
                }
            }
            Shape::Values(count) => {
                // each value takes a byte at least
                if count > (metadata.len() - cursor.at) as u64 {
                    return Err(Detail::MetadataTruncated { at: start, len: metadata.len() }.into());
                }
                if depth >= max_depth {
                    return Err(Detail::TooDeep { at: start, limit: max_depth }.into());
                }
                outer[depth] = left;
                depth += 1;
                left = count;
            }
        }
    }
}

/// What follows a marker.
enum Shape {
    Bytes(u64),
    /// The payload's length, without the type byte.
    Extension(u64),
    Values(u64),
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, start: usize, len: u64) -> Result<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        if len > rest.len() as u64 {
            return Err(Detail::MetadataTruncated { at: start, len: self.bytes.len() }.into());
        }
        self.at += len as usize;
        Ok(&rest[..len as usize])
    }

    /// A big-endian number of `width` bytes.
    fn number(&mut self, start: usize, width: u64) -> Result<u64> {
        Ok(self.take(start, width)?.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    fn shape(&mut self) -> Result<Shape> {
        let start = self.at;
        let marker = self.take(start, 1)?[0];
        Ok(match Marker::from_u8(marker) {
            Marker::FixPos(_) | Marker::FixNeg(_) | Marker::Null | Marker::True | Marker::False => Shape::Bytes(0),
            Marker::U8 | Marker::I8 => Shape::Bytes(1),
            Marker::U16 | Marker::I16 => Shape::Bytes(2),
            Marker::U32 | Marker::I32 | Marker::F32 => Shape::Bytes(4),
            Marker::U64 | Marker::I64 | Marker::F64 => Shape::Bytes(8),
            Marker::FixStr(len) => Shape::Bytes(len.into()),
            Marker::Str8 | Marker::Bin8 => Shape::Bytes(self.number(start, 1)?),
            Marker::Str16 | Marker::Bin16 => Shape::Bytes(self.number(start, 2)?),
            Marker::Str32 | Marker::Bin32 => Shape::Bytes(self.number(start, 4)?),
            Marker::FixArray(count) => Shape::Values(count.into()),
            Marker::Array16 => Shape::Values(self.number(start, 2)?),
            Marker::Array32 => Shape::Values(self.number(start, 4)?),
            Marker::FixMap(count) => Shape::Values(2 * u64::from(count)),
            Marker::Map16 => Shape::Values(2 * self.number(start, 2)?),
            Marker::Map32 => Shape::Values(2 * self.number(start, 4)?),
            Marker::FixExt1 => Shape::Extension(1),
            Marker::FixExt2 => Shape::Extension(2),
            Marker::FixExt4 => Shape::Extension(4),
            Marker::FixExt8 => Shape::Extension(8),
            Marker::FixExt16 => Shape::Extension(16),
            Marker::Ext8 => Shape::Extension(self.number(start, 1)?),
            Marker::Ext16 => Shape::Extension(self.number(start, 2)?),
            Marker::Ext32 => Shape::Extension(self.number(start, 4)?),
            Marker::Reserved => return Err(Detail::MetadataReserved { at: start }.into()),
        })
    }

    fn finish(self) -> Result<()> {
        match self.bytes.len() - self.at {
            0 => Ok(()),
            extra => Err(Detail::MetadataTrailing { extra, at: self.at }.into()),
        }
    }
}
