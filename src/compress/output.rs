//! Memory for decompressed bytes, which grows as they arrive.
//!
//! How many there will be is known beforehand, from the wire, and is not believed: what is set aside follows from what came.

use std::io;
#[cfg(any(feature = "lz4", feature = "zstd", feature = "blosc"))]
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
pub(crate) struct Output {
    bytes: Vec<u8>,
    most: usize,
}

impl Output {
    /// For at most `most` bytes out of `stored`.
    pub(crate) fn new(most: usize, stored: usize) -> Self {
        let trusted = stored.saturating_mul(TRUSTED_RATIO).max(WINDOW);
        Self { bytes: Vec::with_capacity(most.min(trusted)), most }
    }

    /// How many bytes may still come.
    pub(crate) fn left(&self) -> usize {
        self.most - self.bytes.len()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Forgets what is there and starts anew, in the same memory, for at most `most` bytes.
    #[cfg(feature = "blosc")]
    pub(crate) fn restart(&mut self, most: usize) {
        self.bytes.clear();
        self.most = most;
    }

    /// Makes room for `len` more bytes: by doubling, and never more than there may be.
    fn grow(&mut self, len: usize) -> Result<(), Refusal> {
        if len > self.left() {
            return Err(Refusal::TooLong);
        }
        let wanted = self.bytes.len() + len;
        if wanted > self.bytes.capacity() {
            let capacity = wanted.max(2 * self.bytes.capacity()).min(self.most);
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        Ok(())
    }

    /// Appends what `fill` writes into the next `len` bytes, or as many of them as it says.
    pub(crate) fn fill<E: Into<Refusal>>(
        &mut self,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<usize, Refusal> {
        self.grow(len)?;
        let start = self.bytes.len();
        self.bytes.resize(start + len, 0);
        let filled = fill(&mut self.bytes[start..]).map_err(Into::into);
        self.bytes.truncate(start + filled.as_ref().copied().unwrap_or(0).min(len));
        filled
    }

    #[cfg(feature = "blosc")]
    pub(crate) fn extend(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.grow(bytes.len())?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Appends `len` bytes of a repeated pattern, the last one cut short where it does not fit.
    #[cfg(feature = "blosc")]
    pub(crate) fn repeat(&mut self, pattern: &[u8], len: usize) -> Result<(), Refusal> {
        self.grow(len)?;
        match pattern {
            &[byte] => self.bytes.resize(self.bytes.len() + len, byte),
            pattern => self.bytes.extend(pattern.iter().copied().cycle().take(len)),
        }
        Ok(())
    }

    /// Appends `len` bytes that repeat those which begin `back` bytes before the end: a match of an LZ77 stream.
    #[cfg(feature = "blosc")]
    pub(crate) fn extend_from_within(&mut self, back: usize, len: usize) -> Result<(), Refusal> {
        let start = self.bytes.len().checked_sub(back).filter(|_| back > 0);
        let start = start.ok_or("a match reaches back before the start")?;
        self.grow(len)?;
        let end = self.bytes.len() + len;
        while self.bytes.len() < end {
            // what was appended repeats as well
            let available = (self.bytes.len() - start).min(end - self.bytes.len());
            self.bytes.extend_from_within(start..start + available);
        }
        Ok(())
    }

    /// Appends all that a decompressor gives, window by window.
    #[cfg(any(feature = "lz4", feature = "zstd", feature = "blosc"))]
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
