//! The buffer reference: the MessagePack extension value that stands in the metadata for an out-of-band buffer.
//!
//! ```text
//!   extension type 0x42 ('B'), payload: one MessagePack array
//!   [ frame, length, check ]
//!     frame   index among the buffer frames, from 0
//!     length  of the buffer in bytes
//!     check   CRC-32 of a sample of the buffer; may be left out
//! ```
//!
//! The check finds frames of equal length that a forwarder swapped. It reads at most [`SAMPLES`] short spots, so it
//! costs the same for any length; it is no protection against damage or malice.

use rmp::decode::{read_array_len, read_int};
use rmp::encode::{write_array_len, write_uint};

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
}

/// The longest payload: an array header, two 64-bit numbers and a 32-bit one.
const MAX_PAYLOAD: usize = 1 + 9 + 9 + 5;

impl Reference {
    pub(crate) fn to(frame: usize, buffer: &Buffer) -> Self {
        Self { frame: frame as u64, len: buffer.len() as u64, check: Some(check(buffer)) }
    }

    /// Writes the payload of the extension value.
    pub(crate) fn write<'p>(&self, payload: &'p mut [u8; 32]) -> &'p [u8] {
        const { assert!(MAX_PAYLOAD <= 32) };
        let mut rest = &mut payload[..];
        let written = write_array_len(&mut rest, 2 + u32::from(self.check.is_some()))
            .and_then(|_| write_uint(&mut rest, self.frame))
            .and_then(|_| write_uint(&mut rest, self.len))
            .and_then(|marker| self.check.map_or(Ok(marker), |check| write_uint(&mut rest, check.into())));
        written.expect("invariant: the longest payload fits in 32 bytes");
        let left = rest.len();
        &payload[..32 - left]
    }

    /// Reads the payload of the extension value; the error says what is wrong with it.
    pub(crate) fn parse(mut payload: &[u8]) -> Result<Self, &'static str> {
        const NUMBERS: &str = "holds something other than unsigned numbers";
        let numbers = read_array_len(&mut payload).map_err(|_| "is not an array")?;
        if numbers < 2 {
            return Err("names no frame and length");
        }
        if numbers > 3 {
            return Err("describes an encoding that this version does not know");
        }
        let frame = read_int(&mut payload).map_err(|_| NUMBERS)?;
        let len = read_int(&mut payload).map_err(|_| NUMBERS)?;
        let check = if numbers == 3 { Some(read_int(&mut payload).map_err(|_| NUMBERS)?) } else { None };
        if payload.is_empty() { Ok(Self { frame, len, check }) } else { Err("has bytes after its end") }
    }
}

/// CRC-32 (ISO-HDLC, zlib's `crc32`) of the whole buffer when it is short, else of evenly spaced spots from its first to
/// its last bytes.
pub(crate) fn check(bytes: &[u8]) -> u32 {
    if bytes.len() <= SAMPLES * SPOT {
        return crc32fast::hash(bytes);
    }
    let mut sample = [0; SAMPLES * SPOT];
    for (index, spot) in sample.chunks_exact_mut(SPOT).enumerate() {
        // of a u128, so that no length overflows
        let start = (index as u128 * (bytes.len() - SPOT) as u128 / (SAMPLES as u128 - 1)) as usize;
        spot.copy_from_slice(&bytes[start..start + SPOT]);
    }
    crc32fast::hash(&sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_round_trip() {
        for check in [None, Some(0), Some(127), Some(u32::MAX)] {
            for number in [0, 1, 127, 128, 65_535, 65_536, u64::from(u32::MAX), u64::MAX] {
                let reference = Reference { frame: number, len: number, check };
                let mut payload = [0; 32];
                assert_eq!(Reference::parse(reference.write(&mut payload)), Ok(reference));
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
