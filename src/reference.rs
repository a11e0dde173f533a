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
//! The check finds frames of equal length that a forwarder swapped. It reads at most four short spots, so it
//! costs the same for any length; it is no protection against damage or malice.

mod sample;

use rmp::decode::{read_array_len, read_int, read_str_from_slice};

use crate::buffer::Buffer;
pub(crate) use sample::{TOGETHER, check, checks};

/// The MessagePack extension type of a buffer reference: `'B'`.
pub(crate) const EXTENSION: i8 = 0x42;

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

/// The longest extension value for a frame of up to 4 GiB that is not compressed: its head, an array header, three 32-bit numbers.
const USUAL: usize = HEAD + 1 + 3 * 5;

impl Reference {
    /// The reference to a frame: the buffer itself, or one that it was compressed into.
    #[inline]
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

    /// Writes the reference to a frame of so many bytes that is not compressed, with [`UNKNOWN`] for its check, to be
    /// [completed](complete); nothing where the check is worth no wait, or would not have the same place.
    #[inline]
    pub(crate) fn write_incomplete(frame: usize, len: usize, out: &mut Vec<u8>) -> bool {
        let (Ok(frame), Ok(len)) = (u32::try_from(frame), u32::try_from(len)) else { return false };
        match (frame, len) {
            (_, 0..=0xff) => return false,
            (0..=0x7f, _) => write_few(frame as u8, len, out),
            _ => write_usual([frame, len, UNKNOWN], out),
        }
        true
    }

    /// Writes the extension value.
    #[inline]
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match (u32::try_from(self.frame), u32::try_from(self.len), self.check, self.packed) {
            (Ok(frame), Ok(len), Some(check), None) => write_usual([frame, len, check], out),
            _ => self.write_any(out),
        }
    }

    #[inline(never)]
    fn write_any(&self, out: &mut Vec<u8>) {
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
        let start = put_head(&mut block, at - HEAD);
        out.extend_from_slice(&block[start..at]);
    }

    /// As [`parse_usual`](Self::parse_usual) of the whole extension value that the bytes begin with, where it is one as [`write_few`] writes
    /// it and not the last of a text; and how long it is.
    #[inline]
    pub(crate) fn parse_few(bytes: &[u8]) -> Option<(usize, u64, u32, usize)> {
        if bytes.first() != Some(&0xc7) {
            return None;
        }
        let whole = u128::from_be_bytes(*bytes.first_chunk()?);
        let (head, number) = ((whole >> 88) as u64, (whole >> 40) as u64 & 0xffff_ffff_ffff);
        let frame = head as usize & 0xff;
        let (len, check, used) = match (head >> 8, number >> 40) {
            (0xc7_0a_42_93, 0xcd) if number >> 16 & 0xff == 0xce => (number >> 24 & 0xffff, whole >> 24, 13),
            (0xc7_0c_42_93, 0xce) if number & 0xff == 0xce => (number >> 8 & 0xffff_ffff, whole >> 8, 15),
            _ => return None,
        };
        if frame < 0x80 { Some((frame, len, check as u32, used)) } else { None }
    }

    /// The frame, the length and the check of a reference as it is written to a frame of up to 4 GiB that is not compressed: nearly all that
    /// are read. `None` for any other, which is for [`parse`](Self::parse) to read.
    #[inline]
    pub(crate) fn parse_usual(payload: &[u8]) -> Option<(usize, u64, u32)> {
        let rest = payload.strip_prefix(&[0x93])?;
        let (frame, rest) = short_number(rest)?;
        let (len, rest) = short_number(rest)?;
        let (check, rest) = short_number(rest)?;
        rest.is_empty().then_some((frame as usize, len.into(), check))
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

/// Writes the extension value for a frame of up to 4 GiB that is not compressed, as [`Reference::write_any`] does, in fewer steps: nearly
/// all that are written, and in a list of buffers most of what is.
#[inline]
fn write_usual(numbers: [u32; 3], out: &mut Vec<u8>) {
    // one byte more than is taken, wherever it begins
    let mut block = [0; USUAL + 1];
    block[HEAD] = 0x93;
    let mut at = HEAD + 1;
    for number in numbers {
        // as many bytes as the longest form has; what is too much is written over
        let (form, len) = match number {
            0..=0x7f => (u64::from(number) << 56, 1),
            0x80..=0xff => (0xcc << 56 | u64::from(number) << 48, 2),
            0x100..=0xffff => (0xcd << 56 | u64::from(number) << 40, 3),
            _ => (0xce << 56 | u64::from(number) << 24, 5),
        };
        if let Some(place) = block[at..].first_chunk_mut() {
            let [a, b, c, d, e, ..] = form.to_be_bytes();
            *place = [a, b, c, d, e];
        }
        at += len;
    }
    let start = put_head(&mut block, at - HEAD);
    let written = out.len() + (at - start);
    if let Some(whole) = block[start..].first_chunk::<USUAL>() {
        // of a length that is known, which takes no call; the few bytes too many go again
        out.extend_from_slice(whole);
        out.truncate(written);
    }
}

/// Stands for a check that is made later.
const UNKNOWN: u32 = u32::MAX;

/// What [`write_usual`] writes for one of the first 128 frames of more than 255 bytes and a check that is not known.
#[inline]
fn write_few(frame: u8, len: u32, out: &mut Vec<u8>) {
    let (number, payload) = match len {
        0..=0xffff => (0xcd << 40 | u64::from(len) << 24 | 0xce_ff_ff, 10),
        _ => (0xce << 40 | u64::from(len) << 8 | 0xce, 12),
    };
    let head = 0xc7_00_42_93_00_u64 | payload << 24 | u64::from(frame);
    // what follows are the bytes of the check, and more than are taken
    let whole = u128::from(head) << 88 | u128::from(number) << 40 | ((1 << 40) - 1);
    let written = out.len() + HEAD + payload as usize;
    out.extend_from_slice(&whole.to_be_bytes());
    out.truncate(written);
}

/// Puts the check into a reference that ends here in `out`; `false`, and nothing, where it has a shorter form.
#[inline]
pub(crate) fn complete(out: &mut [u8], end: usize, check: u32) -> bool {
    let place = out.get_mut(..end).and_then(|out| out.last_chunk_mut());
    match place {
        Some(place) if check > 0xffff => {
            *place = check.to_be_bytes();
            true
        }
        _ => false,
    }
}

/// The same for any check: what follows the reference moves where that has a shorter form.
#[cold]
pub(crate) fn complete_any(out: &mut Vec<u8>, end: usize, frame: usize, stored: &Buffer) {
    let reference = Reference::to(frame, stored, None);
    let form = |check| {
        let mut written = Vec::new();
        Reference { check, ..reference }.write(&mut written);
        written
    };
    out.splice(end - form(Some(UNKNOWN)).len()..end, form(reference.check));
}

/// Puts bytes at this place; the place after them.
#[inline]
fn put(block: &mut [u8; LONGEST], at: usize, bytes: &[u8]) -> usize {
    block[at..at + bytes.len()].copy_from_slice(bytes);
    at + bytes.len()
}

/// Writes the head of an extension value of so many bytes before them; where it begins.
#[inline]
fn put_head(block: &mut [u8], len: usize) -> usize {
    block[2] = EXTENSION as u8;
    match len {
        4 | 8 | 16 => {
            block[1] = 0xd4 + len.ilog2() as u8;
            1
        }
        _ => {
            (block[0], block[1]) = (0xc7, len as u8);
            0
        }
    }
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

/// A number of up to 32 bits in one of the forms that are written.
#[inline]
fn short_number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (&marker, rest) = bytes.split_first()?;
    match marker {
        0..=0x7f => Some((marker.into(), rest)),
        0xcc => rest.split_first().map(|(&byte, rest)| (byte.into(), rest)),
        0xcd => rest.split_first_chunk().map(|(&bytes, rest)| (u16::from_be_bytes(bytes).into(), rest)),
        0xce => rest.split_first_chunk().map(|(&bytes, rest)| (u32::from_be_bytes(bytes), rest)),
        _ => None,
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
                    let usual = Reference::parse_usual(rest);
                    assert_eq!(usual.is_some(), check.is_some() && packed.is_none() && number <= u64::from(u32::MAX));
                    if let Some((frame, len, sum)) = usual {
                        assert_eq!((frame as u64, len, Some(sum)), (number, number, check));
                    }
                }
            }
        }
    }

    #[test]
    fn a_reference_that_is_completed_is_the_one_that_is_written() {
        let stored = Buffer::from_vec((0..70_000_u32).map(|at| (at.wrapping_mul(at) >> 7) as u8).collect::<Vec<_>>());
        for len in [0, 64, 255, 256, 257, 10_000, 65_535, 65_536, 70_000] {
            // one of these has a short check
            let mut short =
                (0..400_000_u32).map(|nth| Buffer::copy_from_slice(&[&[0; 300][..], &nth.to_le_bytes()].concat()));
            let short = (len == 257).then(|| short.find(|buffer| check(buffer) <= 0xffff).unwrap());
            let stored = short.unwrap_or_else(|| stored.slice(..len));
            for frame in [0, 1, 127, 128, 255, 256, 70_000] {
                let mut expected = b"before".to_vec();
                Reference::to(frame, &stored, None).write(&mut expected);
                let mut written = b"before".to_vec();
                assert_eq!(Reference::write_incomplete(frame, stored.len(), &mut written), len > 255);
                if len <= 255 {
                    assert_eq!(written, b"before");
                    continue;
                }
                let end = written.len();
                for out in [&mut written, &mut expected] {
                    out.extend(b"after");
                }
                let mut any = written.clone();
                complete_any(&mut any, end, frame, &stored);
                assert_eq!(any, expected, "{frame} {len}");
                assert_eq!(complete(&mut written, end, check(&stored)), len != 257);
                assert_eq!(written == expected, len != 257, "{frame} {len}");
            }
        }
    }

    #[test]
    fn the_usual_form_ends_where_it_ends() {
        let mut written = Vec::new();
        Reference { frame: 300, len: 70_000, check: Some(1 << 20), packed: None }.write(&mut written);
        let payload = &written[HEAD..];
        assert_eq!(Reference::parse_usual(payload), Some((300, 70_000, 1 << 20)));
        for cut in 0..payload.len() {
            assert_eq!(Reference::parse_usual(&payload[..cut]), None, "{cut} of {payload:?}");
        }
        assert_eq!(Reference::parse_usual(&[payload, &[0]].concat()), None);
    }
}
