//! Memory for decompressed bytes, which grows as they arrive.
//!
//! How many there will be is known beforehand, from the wire, and is not believed: what is set aside follows from what came.

use std::io;
#[cfg(any(feature = "zstd", feature = "blosc"))]
use std::io::Read;

/// Why bytes were not decompressed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There are more bytes than there may be.
    TooLong,
    /// What is wrong with the stored bytes.
    Broken(String),
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self::Broken(reason)
    }
}

impl From<&str> for Refusal {
    fn from(reason: &str) -> Self {
        Self::Broken(reason.to_owned())
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

/// Decompressed bytes so far, and how many they may become.
#[derive(Default)]
pub(crate) struct Output {
    /// Those that are there, and behind them room that was cleared for a decompressor and not used.
    bytes: Vec<u8>,
    filled: usize,
    most: usize,
}

impl Output {
    /// For at most `most` bytes out of `stored`.
    pub(crate) fn new(most: usize, stored: usize) -> Self {
        let trusted = stored.saturating_mul(TRUSTED_RATIO).max(WINDOW);
        Self { bytes: Vec::with_capacity(most.min(trusted)), filled: 0, most }
    }

    /// How many bytes may still come.
    pub(crate) fn left(&self) -> usize {
        self.most - self.filled
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }

    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        self.bytes.truncate(self.filled);
        self.bytes
    }

    /// Forgets what is there and starts anew, in the same memory, for at most `most` bytes.
    #[cfg(feature = "blosc")]
    pub(crate) fn restart(&mut self, most: usize) {
        self.filled = 0;
        self.most = most;
    }

    /// Makes room for `len` more bytes: by doubling, and never more than there may be.
    fn grow(&mut self, len: usize) -> Result<(), Refusal> {
        if len > self.left() {
            return Err(Refusal::TooLong);
        }
        let wanted = self.filled + len;
        if wanted > self.bytes.capacity() {
            let capacity = wanted.max(2 * self.bytes.capacity()).min(self.most);
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        Ok(())
    }

    /// The bytes that are there, and the next `len` ones: each byte is cleared once, however often it is part of a window of which
    /// little is filled.
    fn room(&mut self, len: usize) -> Result<(&[u8], &mut [u8]), Refusal> {
        self.grow(len)?;
        let end = self.filled + len;
        if end > self.bytes.len() {
            self.bytes.resize(end, 0);
        }
        let (before, room) = self.bytes[..end].split_at_mut(self.filled);
        Ok((before, room))
    }

    /// Appends what `fill` writes into the next `len` bytes, or as many of them as it says.
    #[cfg(any(feature = "zlib", feature = "zstd", feature = "blosc"))]
    pub(crate) fn fill<E: Into<Refusal>>(
        &mut self,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<usize, Refusal> {
        self.fill_behind(len, |_, room| fill(room))
    }

    /// Appends what `fill` writes into the next `len` bytes, or as many of them as it says; it is shown the bytes that are there.
    pub(crate) fn fill_behind<E: Into<Refusal>>(
        &mut self,
        len: usize,
        fill: impl FnOnce(&[u8], &mut [u8]) -> Result<usize, E>,
    ) -> Result<usize, Refusal> {
        let (before, room) = self.room(len)?;
        let filled = fill(before, room).map_err(Into::into)?;
        self.filled += filled.min(len);
        Ok(filled)
    }

    #[cfg(any(feature = "lz4", feature = "blosc"))]
    pub(crate) fn extend(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.grow(bytes.len())?;
        let cleared = &mut self.bytes[self.filled..];
        let (first, rest) = bytes.split_at(bytes.len().min(cleared.len()));
        cleared[..first.len()].copy_from_slice(first);
        self.bytes.extend_from_slice(rest);
        self.filled += bytes.len();
        Ok(())
    }

    /// Appends `len` bytes of a repeated pattern, the last one cut short where it does not fit.
    #[cfg(feature = "blosc")]
    pub(crate) fn repeat(&mut self, pattern: &[u8], len: usize) -> Result<(), Refusal> {
        self.grow(len)?;
        let end = self.filled + len;
        let cleared = end.min(self.bytes.len());
        let room = &mut self.bytes[self.filled..cleared];
        match pattern {
            &[byte] => {
                room.fill(byte);
                self.bytes.resize(end.max(self.bytes.len()), byte);
            }
            pattern => {
                let mut bytes = pattern.iter().copied().cycle();
                room.iter_mut().zip(&mut bytes).for_each(|(place, byte)| *place = byte);
                self.bytes.extend(bytes.take(end - cleared));
            }
        }
        self.filled = end;
        Ok(())
    }

    /// Appends `len` bytes that repeat those which begin `back` bytes before the end: a match of an LZ77 stream.
    #[cfg(feature = "blosc")]
    pub(crate) fn extend_from_within(&mut self, back: usize, len: usize) -> Result<(), Refusal> {
        let start = self.filled.checked_sub(back).filter(|_| back > 0);
        let start = start.ok_or("a match reaches back before the start")?;
        self.room(len)?;
        let end = self.filled + len;
        while self.filled < end {
            // what was appended repeats as well
            let available = (self.filled - start).min(end - self.filled);
            self.bytes.copy_within(start..start + available, self.filled);
            self.filled += available;
        }
        Ok(())
    }

    /// Appends all that a decompressor gives, window by window.
    #[cfg(any(feature = "zstd", feature = "blosc"))]
    pub(crate) fn read_to_end(&mut self, reader: &mut impl Read) -> Result<(), Refusal> {
        loop {
            let read = match self.left() {
                0 if reader.read(&mut [0])? > 0 => return Err(Refusal::TooLong),
                0 => return Ok(()),
                left => self.fill(left.min(WINDOW), |window| reader.read(window))?,
            };
            if read == 0 {
                return Ok(());
            }
        }
    }
}

/// How many bytes a decompressor is given room for at a time.
pub(crate) const WINDOW: usize = 256 << 10;
/// How many times the length of the stored bytes is set aside at once: what honest data seldom surpasses.
pub(crate) const TRUSTED_RATIO: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_of_which_little_is_filled_is_cleared_once() {
        let mut output = Output::new(1 << 20, 100);
        let mut fill = |len, fill: &mut dyn FnMut(&mut [u8]) -> usize| {
            let filled = output.fill_behind(len, |_, room| Ok::<_, Refusal>(fill(room))).unwrap();
            (filled, output.bytes().len())
        };
        let written = fill(1000, &mut |room| {
            assert_eq!(*room, [0; 1000]);
            room.fill(7);
            1
        });
        assert_eq!(written, (1, 1));
        // the window moves by what was filled: the rest of it is not cleared again
        let written = fill(1000, &mut |room| {
            assert!(room[..999].iter().all(|byte| *byte == 7) && room[999] == 0);
            2
        });
        assert_eq!(written, (2, 3));
        assert_eq!(output.into_bytes(), [7; 3]);
    }
}
