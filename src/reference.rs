//! The buffer reference: the MessagePack extension value that stands in the metadata for an out-of-band buffer.
//!
//! ```text
//!   extension type 0x42 ('B'), payload: one MessagePack array
//!   [ frame, length, check ]
//!   [ frame, length, check, encoding, raw length ]
//!     frame       index among the buffer frames, from 0
//!     length      of the frame in bytes
//!     check       CRC-32 of a sample of the frame; may be left out, or nil where more follows
//!     encoding    how the buffer was compressed into the frame: "zlib", "lz4", "zstd" or "blosc2"
//!     raw length  of the buffer in bytes, decompressed
//! ```
//!
//! The check finds frames of equal length that a forwarder swapped. It reads at most [`SAMPLES`] short spots, so it
//! costs the same for any length; it is no protection against damage or malice.

use rmp::decode::{read_array_len, read_int, read_str_from_slice};

use crate::buffer::Buffer;

/// The MessagePack extension type of a buffer reference: `'B'`.
pub(crate) const EXTENSION: i8 = 0x42;

/// How many spots of a buffer the check reads.
const SAMPLES: usize = 4;
/// The length of each spot in bytes.
const SPOT: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) frame: u64,
    pub(crate) len: u64,
    pub(crate) check: Option<u32>,
    /// Of a frame that holds a compressed buffer.
    pub(crate) packed: Option<Packed>,
}

/// How a buffer was compressed into its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Packed {
    pub(crate) encoding: Encoding,
    /// The length of the buffer in bytes, decompressed.
    pub(crate) raw_len: u64,
}

/// The formats of compressed frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Encoding {
    /// A zlib stream (RFC 1950).
    Zlib,
    /// An LZ4 frame.
    Lz4,
    /// A Zstandard frame (RFC 8878).
    Zstd,
    /// A Blosc2 contiguous frame.
    Blosc2,
}

impl Encoding {
    pub(crate) const ALL: [Self; 4] = [Self::Zlib, Self::Lz4, Self::Zstd, Self::Blosc2];

    /// Its name on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Zlib => "zlib",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
            Self::Blosc2 => "blosc2",
        }
    }

    /// The feature of this crate that reads and writes it.
    pub(crate) fn feature(self) -> &'static str {
        match self {
            Self::Blosc2 => "blosc",
            other => other.name(),
        }
    }
}

/// The extension value's marker, length and type.
const HEAD: usize = 3;

/// More than the longest extension value: its head, an array header, three 64-bit numbers, a 32-bit one and a short name.
const LONGEST: usize = HEAD + 48;

impl Reference {
    /// The reference to a frame: the buffer itself, or one that it was compressed into.
    pub(crate) fn to(frame: usize, stored: &Buffer, packed: Option<Packed>) -> Self {
        Self { frame: frame as u64, len: stored.len() as u64, check: Some(check(stored)), packed }
    }

    /// The length of the buffer that this stands for, in bytes.
    pub(crate) fn raw_len(&self) -> u64 {
        self.packed.map_or(self.len, |packed| packed.raw_len)
    }

    /// Whether the sample of this frame is the one that the reference was made of, where it has one.
    #[inline]
    pub(crate) fn fits(&self, frame: &[u8]) -> bool {
        self.check.is_none_or(|check| check == self::check(frame))
    }

    /// Writes the extension value.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let mut block = [0; LONGEST];
        let numbers = if self.packed.is_some() { 5 } else { 2 + u8::from(self.check.is_some()) };
        let mut at = put(&mut block, HEAD, &[0x90 | numbers]);
        at = put_number(&mut block, at, self.frame);
        at = put_number(&mut block, at, self.len);
        match (self.check, self.packed) {
            (Some(check), _) => at = put_number(&mut block, at, check.into()),
            (None, Some(_)) => at = put(&mut block, at, &[0xc0]),
            (None, None) => {}
        }
        if let Some(packed) = self.packed {
            let name = packed.encoding.name();
            at = put(&mut block, at, &[0xa0 | name.len() as u8]);
            at = put(&mut block, at, name.as_bytes());
            at = put_number(&mut block, at, packed.raw_len);
        }
        let len = at - HEAD;
        block[2] = EXTENSION as u8;
        let start = match len {
            4 | 8 | 16 => {
                block[1] = 0xd4 + len.ilog2() as u8;
                1
            }
            _ => {
                (block[0], block[1]) = (0xc7, len as u8);
                0
            }
        };
        out.extend_from_slice(&block[start..at]);
    }

    /// Reads the payload of the extension value; the error says what is wrong with it.
    pub(crate) fn parse(mut payload: &[u8]) -> Result<Self, &'static str> {
        let numbers = match *payload {
            // what is written, and nearly all that is read
            [marker @ 0x90..=0x9f, ref rest @ ..] => {
                payload = rest;
                u32::from(marker & 0x0f)
            }
            _ => read_array_len(&mut payload).map_err(|_| "is not an array")?,
        };
        if numbers < 2 {
            return Err("names no frame and length");
        }
        if !matches!(numbers, 2 | 3 | 5) {
            return Err("has a form that this version does not know");
        }
        let frame = take_number(&mut payload)?;
        let len = take_number(&mut payload)?;
        let check = match (numbers, payload) {
            (2, _) => None,
            (5, [0xc0, rest @ ..]) => {
                payload = rest;
                None
            }
            _ => Some(u32::try_from(take_number(&mut payload)?).map_err(|_| NUMBERS)?),
        };
        let packed = match numbers {
            5 => {
                let (name, mut rest) = read_str_from_slice(payload).map_err(|_| "names no encoding")?;
                let encoding = Encoding::ALL.into_iter().find(|encoding| encoding.name() == name);
                let encoding = encoding.ok_or("names an encoding that this version does not know")?;
                let raw_len = take_number(&mut rest)?;
                payload = rest;
                Some(Packed { encoding, raw_len })
            }
            _ => None,
        };
        if payload.is_empty() { Ok(Self { frame, len, check, packed }) } else { Err("has bytes after its end") }
    }
}

/// Puts bytes at this place; the place after them.
#[inline]
fn put(block: &mut [u8; LONGEST], at: usize, bytes: &[u8]) -> usize {
    block[at..at + bytes.len()].copy_from_slice(bytes);
    at + bytes.len()
}

/// Puts a number in its shortest form.
#[inline]
fn put_number(block: &mut [u8; LONGEST], at: usize, number: u64) -> usize {
    let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
    match number {
        0..=0x7f => put(block, at, &[h]),
        0x80..=0xff => put(block, at, &[0xcc, h]),
        0x100..=0xffff => put(block, at, &[0xcd, g, h]),
        0x1_0000..=0xffff_ffff => put(block, at, &[0xce, e, f, g, h]),
        _ => put(block, at, &[0xcf, a, b, c, d, e, f, g, h]),
    }
}

const NUMBERS: &str = "holds something other than unsigned numbers";

/// Takes a number off the front of a payload.
#[inline]
fn take_number(payload: &mut &[u8]) -> Result<u64, &'static str> {
    let (&marker, after) = payload.split_first().ok_or(NUMBERS)?;
    let (number, rest) = match marker {
        // what is written, and nearly all that is read
        0..=0x7f => (marker.into(), after),
        0xcd => {
            after.split_first_chunk().map(|(&bytes, rest)| (u16::from_be_bytes(bytes).into(), rest)).ok_or(NUMBERS)?
        }
        0xce => {
            after.split_first_chunk().map(|(&bytes, rest)| (u32::from_be_bytes(bytes).into(), rest)).ok_or(NUMBERS)?
        }
        _ => return read_int(payload).map_err(|_| NUMBERS),
    };
    *payload = rest;
    Ok(number)
}

/// CRC-32 (ISO-HDLC, zlib's `crc32`) of the whole buffer when it is short, else of evenly spaced spots from its first to
/// its last bytes.
pub(crate) fn check(bytes: &[u8]) -> u32 {
    if bytes.len() <= SAMPLES * SPOT {
        return crc32fast::hash(bytes);
    }
    const GAPS: usize = SAMPLES - 1;
    let last = bytes.len() - SPOT;
    let mut sample = [0; SAMPLES * SPOT];
    for (index, spot) in sample.chunks_exact_mut(SPOT).enumerate() {
        // index * last / GAPS, in an order in which no length overflows
        let start = index * (last / GAPS) + index * (last % GAPS) / GAPS;
        spot.copy_from_slice(&bytes[start..start + SPOT]);
    }
    crc32fast::hash(&sample)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn payloads_round_trip() {
        for check in [None, Some(0), Some(127), Some(u32::MAX)] {
            for number in [0, 1, 127, 128, 65_535, 65_536, u64::from(u32::MAX), u64::MAX] {
                let packings = Encoding::ALL.map(|encoding| Some(Packed { encoding, raw_len: number }));
                for packed in packings.into_iter().chain([None]) {
                    let reference = Reference { frame: number, len: number, check, packed };
                    let mut written = Vec::new();
                    reference.write(&mut written);
                    let mut rest = &written[..];
                    let meta = rmp::decode::read_ext_meta(&mut rest).unwrap();
                    assert_eq!((meta.typeid, meta.size as usize), (EXTENSION, rest.len()));
                    assert_eq!(Reference::parse(rest), Ok(reference));
                }
            }
        }
    }

    #[test]
    fn the_check_sees_first_and_last_bytes() {
        for len in [1, 63, 64, 65, 100, 10_000] {
            let zeros = vec![0; len];
            for at in [0, len - 1] {
                let mut changed = zeros.clone();
                changed[at] = 1;
                assert_ne!(check(&zeros), check(&changed), "byte {at} of {len}");
            }
        }
    }
}
