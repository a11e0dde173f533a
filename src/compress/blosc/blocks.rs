//! The blocks of a Blosc2 chunk that is compressed, as they are read.

use lz4_flex::block;

use super::chunk::{Filter, HEADER};
use super::{array, blosclz, shuffle};
use crate::compress::output::{Output, Refusal};
use crate::compress::{zlib, zstd as zstandard};

/// A chunk that is compressed: where its blocks are, and what was done to them.
pub(super) struct Blocks<'c> {
    pub(super) chunk: &'c [u8],
    pub(super) item: usize,
    pub(super) block: usize,
    pub(super) filter: Filter,
    pub(super) splits: bool,
    pub(super) format: u8,
}

impl Blocks<'_> {
    /// Appends its `len` bytes.
    pub(super) fn read(&self, len: usize, output: &mut Output, scratch: &mut Scratch) -> Result<(), Refusal> {
        if self.block > LONGEST_BLOCK {
            return Err(format!("blocks of {} bytes are longer than {LONGEST_BLOCK}", self.block).into());
        }
        let count = len.div_ceil(self.block);
        let starts = self.chunk[HEADER..].get(..4 * count).ok_or("a chunk ends within the starts of its blocks")?;
        let mut left = len;
        // blocks lie in any order, and share nothing: what all of them take is no more than there is
        let mut unread = self.chunk.len() - HEADER - starts.len();
        let Scratch { sorted, streams } = scratch;
        for start in starts.as_chunks().0 {
            let start = u32::from_le_bytes(*start) as usize;
            let stored =
                self.chunk.get(start..).filter(|_| start >= HEADER).ok_or("a block lies outside of its chunk")?;
            let block = self.block.min(left);
            left -= block;
            if self.filter == Filter::None {
                self.read_block(stored, block, output, streams, &mut unread)?;
                continue;
            }
            sorted.restart(block);
            self.read_block(stored, block, sorted, streams, &mut unread)?;
            let undo = match self.filter {
                Filter::Bits => shuffle::undo_by_bits,
                _ => shuffle::undo_by_bytes,
            };
            output.fill(block, |plain| {
                undo(self.item, sorted.bytes(), plain);
                Ok::<_, Refusal>(block)
            })?;
        }
        Ok(())
    }

    /// Decompresses the streams of one block, which may take `unread` bytes of the chunk.
    fn read_block(
        &self,
        mut stored: &[u8],
        len: usize,
        output: &mut Output,
        streams: &mut Streams,
        unread: &mut usize,
    ) -> Result<(), Refusal> {
        let count = if self.splits && len == self.block { self.item } else { 1 };
        if !len.is_multiple_of(count) {
            return Err(format!("a block of {len} bytes in {count} streams").into());
        }
        for _ in 0..count {
            let (stream, rest) = Stream::read(stored)?;
            let taken = stored.len() - rest.len();
            *unread = unread.checked_sub(taken).ok_or("blocks of a chunk overlap")?;
            self.write_stream(stream, len / count, output, streams)?;
            stored = rest;
        }
        Ok(())
    }

    /// Decompresses one stream to exactly `len` bytes.
    fn write_stream(
        &self,
        stream: Stream<'_>,
        len: usize,
        output: &mut Output,
        streams: &mut Streams,
    ) -> Result<(), Refusal> {
        let before = output.bytes().len();
        match stream {
            Stream::Run(byte) => output.repeat(&[byte], len)?,
            Stream::Stored(bytes) if bytes.len() == len => output.extend(bytes)?,
            Stream::Stored(bytes) => self.decompress(bytes, len, output, streams)?,
        }
        match output.bytes().len() - before {
            came if came == len => Ok(()),
            came => Err(format!("a stream has {came} bytes where {len} are to come").into()),
        }
    }

    fn decompress(&self, stream: &[u8], len: usize, output: &mut Output, streams: &mut Streams) -> Result<(), Refusal> {
        if self.format == LZ4 {
            // one byte of a block makes no more than 255
            if len > stream.len().saturating_mul(255) {
                return Err(format!("an LZ4 stream of {} bytes cannot hold {len}", stream.len()).into());
            }
            let unpack = |room: &mut [u8]| block::decompress_into(stream, room);
            return output.fill(len, |room| unpack(room).map_err(|error| error.to_string())).map(drop);
        }
        let Streams { own, zlib, zstd } = streams;
        own.restart(len);
        match self.format {
            BLOSCLZ => blosclz::decompress(stream, own)?,
            ZLIB => zlib::decompress(stream, own, zlib.get_or_insert_default())?,
            ZSTD => zstandard::decompress(stream, own, zstd)?,
            other => return Err(format!("compressor {other} is not known").into()),
        }
        output.extend(own.bytes())
    }
}

/// What is stored of a stream.
enum Stream<'s> {
    /// One byte, over and over.
    Run(u8),
    /// Bytes as they are, where they are as many as are to come; else compressed.
    Stored(&'s [u8]),
}

impl<'s> Stream<'s> {
    /// The stream that the bytes begin with, and what follows it.
    fn read(stored: &'s [u8]) -> Result<(Self, &'s [u8]), Refusal> {
        let announced = i32::from_le_bytes(array(stored, 0)?);
        let rest = &stored[4..];
        let Ok(announced) = usize::try_from(announced) else {
            // a byte, negative, and a token that says so
            let byte = u8::try_from(announced.unsigned_abs()).ok();
            let run = byte.zip(rest.split_first()).filter(|(_, (token, _))| *token & 1 == 1);
            let (byte, (_, rest)) = run.ok_or("a stream of a kind that is not known")?;
            return Ok((Self::Run(byte), rest));
        };
        let (stream, rest) = rest.split_at_checked(announced).ok_or("a stream is cut off")?;
        Ok((if stream.is_empty() { Self::Run(0) } else { Self::Stored(stream) }, rest))
    }
}

/// What is kept from one block to the next: a stream may be shorter than what making a decompressor takes.
#[derive(Default)]
pub(super) struct Scratch {
    /// Of a block between decompression and the filters.
    sorted: Output,
    streams: Streams,
}

/// What is kept from one stream to the next.
#[derive(Default)]
struct Streams {
    /// The bytes of one that came, of its own, so that they cannot take the room of what comes after.
    own: Output,
    zlib: Option<zlib::Decoder>,
    zstd: zstandard::Decoder,
}

/// Compressors, in the flags of a chunk.
const BLOSCLZ: u8 = 0;
const LZ4: u8 = 1;
const ZLIB: u8 = 3;
const ZSTD: u8 = 4;

/// The longest block that is read: there is memory for one beside what is decompressed.
const LONGEST_BLOCK: usize = 32 << 20;
