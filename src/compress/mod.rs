//! Compression of single buffers: which format, when it pays, and decompression within a length that is known before.
//!
//! This room knows formats and bytes. It refuses to know messages: which buffer is compressed is the codec's decision, and
//! the reference in the metadata says how.

#[cfg(feature = "blosc")]
mod blosc;
#[cfg(feature = "lz4")]
mod lz4;
#[cfg(any(feature = "zlib", feature = "lz4", feature = "zstd", feature = "blosc"))]
pub(crate) mod output;
#[cfg(any(feature = "zlib", feature = "blosc"))]
pub(crate) mod zlib;
#[cfg(any(feature = "zstd", feature = "blosc"))]
mod zstd;

#[cfg(feature = "blosc")]
pub use blosc::{Inner, Shuffle};

use crate::error::{Detail, Result};
use crate::reference::{Encoding, Packed};

/// How buffers are compressed: a format, a level, and whether a sample decides.
///
/// Given to a codec ([`MsgPack::compression`](crate::MsgPack::compression)) or for one buffer by the placement callback
/// ([`Placement::Compressed`](crate::Placement::Compressed)). **A buffer that would not get shorter travels as it is**, and
/// with [`sampled`](Self::sampled) one that would hardly get shorter does too. Whoever receives the message needs to know
/// nothing of this: each reference in the metadata says how its frame is compressed.
///
/// | | format of the frame | feature | levels (default) |
/// |---|---|---|---|
/// | `Compression::zlib()` | zlib stream (RFC 1950): Python's `zlib.decompress` opens it | `zlib` | 0 to 9 (6) |
/// | `Compression::lz4()` | LZ4 frame: Python's `lz4.frame` opens it | `lz4` | none |
/// | `Compression::zstd()` | Zstandard frame (RFC 8878): Python's `zstandard` opens it | `zstd` | -7 to 22 (1) |
/// | `Compression::blosc()` | Blosc2 contiguous frame: `blosc2.schunk_from_cframe` opens it | `blosc` | 1 to 9 (3) |
///
/// [`docs::compression`](crate::docs::compression) says which to take when.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "zstd")] {
/// use outband::{Buffer, Compression, Decode, Encode, MsgPack};
///
/// let codec = MsgPack::new().compression(Compression::zstd().level(3));
/// let hours = Buffer::from_vec((0..100_000_i64).map(|hour| 1_700_000_000 + 3600 * hour).collect());
/// let message = codec.encode(&hours)?;
/// assert!(message.buffers()[0].len() < hours.len() / 2);
///
/// let back: Buffer = MsgPack::new().decode(message)?; // any codec reads it
/// assert_eq!(back, hours);
/// # }
/// # Ok::<(), outband::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Compression {
    /// `None` for the best that there is.
    format: Option<Encoding>,
    level: Option<i32>,
    sampled: bool,
    /// Of the elements in bytes, where the program says what nobody else knows.
    item: Option<usize>,
    #[cfg(feature = "blosc")]
    shuffle: Shuffle,
    #[cfg(feature = "blosc")]
    inner: Inner,
}

impl Compression {
    const fn of(format: Option<Encoding>) -> Self {
        Self {
            format,
            level: None,
            sampled: false,
            item: None,
            #[cfg(feature = "blosc")]
            shuffle: Shuffle::Byte,
            #[cfg(feature = "blosc")]
            inner: Inner::Lz4,
        }
    }

    /// The best of what this program was built with, where a [sample](Self::sampled) says that it pays.
    ///
    /// Buffers of elements that are longer than a byte (arrays and tables say so) take the first of Blosc2, Zstandard, LZ4
    /// and zlib that was compiled in, bytes the first of Zstandard, LZ4, zlib and Blosc2. So the choice may change when
    /// another part of the program turns on another feature, and a receiver needs as many as its senders; the Python
    /// package opens Blosc2 only where its program says so ([`docs::compression`](crate::docs::compression)). Without any of
    /// the features everything travels as it is.
    pub const fn auto() -> Self {
        Self::of(None).sampled()
    }

    /// zlib streams, which every platform can read.
    #[cfg(feature = "zlib")]
    pub const fn zlib() -> Self {
        Self::of(Some(Encoding::Zlib))
    }

    /// LZ4 frames: the fastest of the general formats.
    #[cfg(feature = "lz4")]
    pub const fn lz4() -> Self {
        Self::of(Some(Encoding::Lz4))
    }

    /// Zstandard frames: the best ratio of the general formats, at a good speed.
    #[cfg(feature = "zstd")]
    pub const fn zstd() -> Self {
        Self::of(Some(Encoding::Zstd))
    }

    /// Blosc2 frames: the bytes of the elements are sorted by significance before they are compressed, which makes numbers
    /// that change slowly much shorter. By default with [`Shuffle::Byte`] and [`Inner::Lz4`].
    ///
    /// The length of the elements is what an array or a table says; for a bare [`Buffer`](crate::Buffer), which has elements
    /// of one byte, it can be [said](Self::item_len).
    #[cfg(feature = "blosc")]
    pub const fn blosc() -> Self {
        Self::of(Some(Encoding::Blosc2))
    }

    /// Sets the level: higher is shorter and slower. The nearest one that the format has is taken; LZ4 has none.
    pub const fn level(mut self, level: i32) -> Self {
        self.level = Some(level);
        self
    }

    /// Compresses a buffer only where a sample of it shrinks to 0.7 of its length or less, five parts of 10 kB, evenly
    /// spread; and sends it as it is where the whole does not.
    ///
    /// Compressing what hardly shrinks takes longer than sending it. This is the rule of dask's `distributed`
    /// (`maybe_compress`, <https://distributed.dask.org/en/stable/protocol.html>), whose parts begin at random.
    pub const fn sampled(mut self) -> Self {
        self.sampled = true;
        self
    }

    /// Sets the length of the elements in bytes, for buffers of which nobody else says it: by default arrays and tables do,
    /// and a bare [`Buffer`](crate::Buffer) has elements of one byte.
    ///
    /// It matters to Blosc2 and to [`auto`](Self::auto) only.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "blosc")] {
    /// use outband::{Buffer, Compression, Encode, MsgPack};
    ///
    /// let volts = Buffer::from_vec((0..100_000).map(|sample| f64::from(sample).sqrt()).collect());
    /// let len = |compression| Ok::<_, outband::Error>(MsgPack::new().compression(compression).encode(&volts)?.total_len());
    ///
    /// assert!(len(Compression::blosc().item_len(8))? < len(Compression::blosc())?);
    /// # }
    /// # Ok::<(), outband::Error>(())
    /// ```
    pub const fn item_len(mut self, bytes: usize) -> Self {
        self.item = Some(bytes);
        self
    }

    /// Sets how Blosc2 sorts the elements; other formats have no such thing.
    #[cfg(feature = "blosc")]
    pub const fn shuffle(mut self, shuffle: Shuffle) -> Self {
        self.shuffle = shuffle;
        self
    }

    /// Sets what Blosc2 compresses its blocks with; other formats have no such thing.
    #[cfg(feature = "blosc")]
    pub const fn inner(mut self, inner: Inner) -> Self {
        self.inner = inner;
        self
    }

    /// Compresses a buffer of elements of `item` bytes each; `None` where it would not pay.
    ///
    /// # Errors
    ///
    /// What went wrong in the compressor.
    pub(crate) fn pack(self, bytes: &[u8], item: usize) -> Result<Option<(Vec<u8>, Packed)>, String> {
        let item = self.item.unwrap_or(item).max(1);
        let Some(encoding) = self.format.or_else(|| best(item)) else { return Ok(None) };
        if self.sampled && bytes.len() > SAMPLES * SAMPLE {
            let sample = sample(bytes, item);
            if !pays(self.compress(encoding, &sample, item)?.len(), sample.len()) {
                return Ok(None);
            }
        }
        let mut stored = self.compress(encoding, bytes, item)?;
        if stored.len() >= bytes.len() || self.sampled && !pays(stored.len(), bytes.len()) {
            return Ok(None);
        }
        // compressors take room for the worst
        stored.shrink_to_fit();
        Ok(Some((stored, Packed { encoding, raw_len: bytes.len() as u64 })))
    }

    #[allow(clippy::unnecessary_wraps, reason = "without any format there is nothing that could fail")]
    #[allow(unused_variables, reason = "without any format nothing is used")]
    fn compress(self, encoding: Encoding, bytes: &[u8], item: usize) -> Result<Vec<u8>, String> {
        #[cfg(any(feature = "zlib", feature = "zstd", feature = "blosc"))]
        let level = |(least, default, most): (i32, i32, i32)| self.level.unwrap_or(default).clamp(least, most);
        match encoding {
            #[cfg(feature = "zlib")]
            Encoding::Zlib => zlib::compress(bytes, level(zlib::LEVELS)),
            #[cfg(feature = "lz4")]
            Encoding::Lz4 => lz4::compress(bytes),
            #[cfg(feature = "zstd")]
            Encoding::Zstd => zstd::compress(bytes, level(zstd::LEVELS)),
            #[cfg(feature = "blosc")]
            Encoding::Blosc2 => blosc::compress(bytes, item, self.shuffle, self.inner, level(blosc::LEVELS)),
            #[allow(unreachable_patterns, reason = "with all formats there is no other")]
            other => Err(format!("this program was built without {}", other.name())),
        }
    }
}

/// The best format for elements of `item` bytes that was compiled in.
fn best(item: usize) -> Option<Encoding> {
    let shuffled = (cfg!(feature = "blosc") && item > 1).then_some(Encoding::Blosc2);
    let general = [
        (cfg!(feature = "zstd"), Encoding::Zstd),
        (cfg!(feature = "lz4"), Encoding::Lz4),
        (cfg!(feature = "zlib"), Encoding::Zlib),
        (cfg!(feature = "blosc"), Encoding::Blosc2),
    ];
    shuffled.or_else(|| general.into_iter().find(|(is_there, _)| *is_there).map(|(_, encoding)| encoding))
}

/// Whether a length is 0.7 or less of what it was.
fn pays(stored: usize, raw: usize) -> bool {
    stored as u128 * 10 <= raw as u128 * 7
}

/// Evenly spread parts of a buffer that is longer than they are together, each beginning with an element.
fn sample(bytes: &[u8], item: usize) -> Vec<u8> {
    let item = item.clamp(1, SAMPLE);
    let len = SAMPLE / item * item;
    let last = bytes.len() - len;
    let starts = (0..SAMPLES).map(|index| (last as u128 * index as u128 / (SAMPLES as u128 - 1)) as usize);
    starts.map(|start| start / item * item).flat_map(|start| &bytes[start..start + len]).copied().collect()
}

/// How many parts of a buffer are sampled.
const SAMPLES: usize = 5;
/// The length of each part in bytes.
const SAMPLE: usize = 10_000;

/// Decompresses the frame at index `frame` to exactly the length that its reference says, which is within the limits.
///
/// # Errors
///
/// Kind `Peer` when it does not decompress to that; kind `Caller` when its format was not compiled in.
#[allow(unused_variables, reason = "without any format nothing is decompressed")]
pub(crate) fn unpack(frame: usize, stored: &[u8], packed: Packed) -> Result<Vec<u8>> {
    let encoding = packed.encoding;
    #[cfg(any(feature = "zlib", feature = "lz4", feature = "zstd", feature = "blosc"))]
    {
        let announced = packed.raw_len;
        let within = usize::try_from(announced).ok();
        let raw_len = within.ok_or(Detail::DecompressedTooLong { len: announced, limit: usize::MAX as u64 })?;
        let mut output = output::Output::new(raw_len, stored.len());
        let outcome = match encoding {
            #[cfg(feature = "zlib")]
            Encoding::Zlib => Some(zlib::decompress(stored, &mut output, &mut zlib::Decoder::default())),
            #[cfg(feature = "lz4")]
            Encoding::Lz4 => Some(lz4::decompress(stored, &mut output)),
            #[cfg(feature = "zstd")]
            Encoding::Zstd => Some(zstd::decompress(stored, &mut output, &mut zstd::Decoder::default())),
            #[cfg(feature = "blosc")]
            Encoding::Blosc2 => Some(blosc::decompress(stored, &mut output)),
            #[allow(unreachable_patterns, reason = "with all formats there is no other")]
            _ => None,
        };
        if let Some(outcome) = outcome {
            let reason = match outcome {
                Ok(()) if output.left() == 0 => return Ok(output.into_bytes()),
                Ok(()) => format!("it holds {} bytes and its reference says {announced}", output.bytes().len()),
                Err(output::Refusal::TooLong) => format!("it holds more than the {announced} bytes of its reference"),
                Err(output::Refusal::Broken(reason)) => format!("{reason}, of {announced} bytes to come"),
            };
            return Err(Detail::Corrupt { frame, encoding: encoding.name(), reason }.into());
        }
    }
    Err(Detail::NotCompiledIn { frame, encoding: encoding.name(), feature: encoding.feature() }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_spread_from_the_first_to_the_last_element() {
        let bytes: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let sample = sample(&bytes, 4);
        assert_eq!(sample.len(), SAMPLES * SAMPLE);
        assert_eq!(sample[..8], bytes[..8]);
        assert_eq!(sample[sample.len() - 8..], bytes[bytes.len() - 8..]);
        for part in sample.chunks_exact(SAMPLE) {
            let first = u32::from_le_bytes([part[0], part[1], part[2], part[3]]);
            let second = u32::from_le_bytes([part[4], part[5], part[6], part[7]]);
            assert_eq!(second, first + 1, "a part begins within an element");
        }
        // elements longer than a part, and lengths that are no multiple
        for (len, item) in [(50_001, 1), (50_001, 7), (60_000, 9_999), (100_001, 20_000), (100_001, usize::MAX)] {
            assert!(super::sample(&bytes[..len], item).len() >= SAMPLE, "{len} {item}");
        }
    }

    #[test]
    fn seven_tenths_pay() {
        assert!(pays(7, 10) && pays(0, 1) && pays(35_000, 50_000));
        assert!(!pays(71, 100) && !pays(35_001, 50_000));
    }

    #[test]
    fn an_encoding_that_is_not_there_is_named_with_its_feature() {
        // miri does not run C, which Zstandard is
        for encoding in Encoding::ALL.into_iter().filter(|encoding| !cfg!(miri) || *encoding != Encoding::Zstd) {
            let Err(error) = unpack(3, b"", Packed { encoding, raw_len: 1 }) else { panic!("nothing was unpacked") };
            assert!(error.to_string().contains("frame 3") && error.to_string().contains(encoding.name()), "{error}");
        }
    }
}
