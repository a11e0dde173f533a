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

use std::sync::LazyLock;

use crc32fast::Hasher;
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

/// CRC-32 (ISO-HDLC, zlib's `crc32`) of the whole buffer when it is short, else of evenly spaced spots from its first to
/// its last bytes.
#[inline]
pub(crate) fn check(bytes: &[u8]) -> u32 {
    match sample(bytes) {
        Some(sample) => crc(&sample),
        None => crc(bytes),
    }
}

/// The spots of a buffer that is longer than all of them.
#[inline]
fn sample(bytes: &[u8]) -> Option<[u8; SAMPLES * SPOT]> {
    if bytes.len() <= SAMPLES * SPOT {
        return None;
    }
    let mut sample = [0; SAMPLES * SPOT];
    for (spot, start) in sample.chunks_exact_mut(SPOT).zip(starts(bytes.len())) {
        spot.copy_from_slice(&bytes[start..start + SPOT]);
    }
    Some(sample)
}

/// Where the spots of so many bytes begin: at `index * last / 3`, in a form in which no length overflows and that divides once.
#[inline]
fn starts(len: usize) -> [usize; SAMPLES] {
    let last = len - SPOT;
    let (third, over) = (last / 3, last % 3);
    [0, third, 2 * third + over / 2, last]
}

fn crc(bytes: &[u8]) -> u32 {
    // a new one asks the processor what it can do, which takes half as long as the sum
    static NEW: LazyLock<Hasher> = LazyLock::new(Hasher::new);
    let mut hasher = NEW.clone();
    hasher.update(bytes);
    hasher.finalize()
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

    #[test]
    fn spots_lie_evenly() {
        for len in (65..5000).chain([usize::MAX - 2, usize::MAX - 1, usize::MAX]) {
            let last = (len - SPOT) as u128;
            assert_eq!(starts(len).map(|start| start as u128), [0, last / 3, 2 * last / 3, last], "{len}");
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
