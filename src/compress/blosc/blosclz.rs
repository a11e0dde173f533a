//! BloscLZ, the compressor that C-Blosc2 takes where none is said, and for the index of a frame: only read here.
//!
//! An LZ77 stream in the manner of FastLZ (C-Blosc2's `blosclz.c`). Each instruction begins with a byte:
//!
//! ```text
//!   000 nnnnn                            n + 1 bytes follow, which are taken as they are
//!   lll hhhhh [255 ... n] d              a match of l + 2 bytes (of 9 + 255 + ... + n where l is 7),
//!                                        which begins 256 * h + d + 1 bytes back
//!   lll 11111 [255 ... n] 255 H L        ... 256 * H + L + 8192 bytes back
//! ```

use crate::compress::output::{Output, Refusal};

/// Decompresses a stream of which `stored` is all.
pub(super) fn decompress(stored: &[u8], output: &mut Output) -> Result<(), Refusal> {
    let mut rest = stored.iter();
    let Some(&first) = rest.next() else { return Err(CUT_OFF.into()) };
    // the stream begins with bytes as they are, whatever the upper bits say
    let mut instruction = first & 0x1f;
    loop {
        if instruction < 0x20 {
            let (taken, left) = rest.as_slice().split_at_checked(usize::from(instruction) + 1).ok_or(CUT_OFF)?;
            output.extend(taken)?;
            rest = left.iter();
        } else {
            let mut next = || rest.next().map(|&byte| usize::from(byte)).ok_or(CUT_OFF);
            let (mut len, high) = (usize::from(instruction >> 5) + 2, usize::from(instruction & 0x1f));
            if instruction >> 5 == 7 {
                loop {
                    let more = next()?;
                    len += more;
                    if more < 255 {
                        break;
                    }
                }
            }
            let back = match (high, next()?) {
                (0x1f, 255) => 256 * next()? + next()? + FAR,
                (high, low) => 256 * high + low + 1,
            };
            output.extend_from_within(back, len)?;
        }
        match rest.next() {
            Some(&next) => instruction = next,
            None => return Ok(()),
        }
    }
}

/// The least distance of a match that is said in 16 bits.
const FAR: usize = 8192;

const CUT_OFF: &str = "a BloscLZ stream is cut off";

#[cfg(test)]
mod tests {
    use super::*;

    fn decompressed(stored: &[u8], most: usize) -> Result<Vec<u8>, Refusal> {
        let mut output = Output::new(most, stored.len());
        decompress(stored, &mut output).map(|()| output.into_bytes())
    }

    #[test]
    fn instructions_do_what_the_format_says() {
        // "abc", then 3 bytes from 3 back, then 2 + 7 + 1 bytes of the last one
        let stored = [2, b'a', b'b', b'c', 0x20, 2, 0xe0, 1, 0];
        assert_eq!(decompressed(&stored, 16).unwrap(), b"abcabccccccccccc"[..]);
        assert_eq!(decompressed(&stored, 15), Err(Refusal::TooLong));
        for cut in [0, 1, 2, 3, 5, 7, 8] {
            assert_eq!(decompressed(&stored[..cut], 16), Err(CUT_OFF.into()), "{cut}");
        }
        assert!(decompressed(&[0, b'a', 0x20, 1], 16).is_err(), "a match before the start");
        assert!(decompressed(&[0, b'a', 0x3f, 255, 0, 0], 16).is_err(), "a far match before the start");
    }
}
