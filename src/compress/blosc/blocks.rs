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
        for start in starts.as_chunks().0 {
            let start = u32::from_le_bytes(*start) as usize;
            let stored =
                self.chunk.get(start..).filter(|_| start >= HEADER).ok_or("a block lies outside of its chunk")?;
            let block = self.block.min(left);
            left -= block;
            if self.filter == Filter::None {
                self.read_block(stored, block, output)?;
                continue;
            }
            let sorted = scratch.0.get_or_insert_with(|| Output::new(block, stored.len()));
            sorted.restart(block);
            self.read_block(stored, block, sorted)?;
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

    /// Decompresses the streams of one block.
    fn read_block(&self, mut stored: &[u8], len: usize, output: &mut Output) -> Result<(), Refusal> {
        let streams = if self.splits && len == self.block { self.item } else { 1 };
        if !len.is_multiple_of(streams) {
            return Err(format!("a block of {len} bytes in {streams} streams").into());
        }
        for _ in 0..streams {
            stored = self.read_stream(stored, len / streams, output)?;
        }
        Ok(())
    }

    /// Decompresses one stream to exactly `len` bytes; returns what follows it.
    fn read_stream<'s>(&self, stored: &'s [u8], len: usize, output: &mut Output) -> Result<&'s [u8], Refusal> {
        let announced = i32::from_le_bytes(array(stored, 0)?);
        let rest = &stored[4..];
        let Ok(announced) = usize::try_from(announced) else {
            // a byte, negative, and a token that says so
            let byte = u8::try_from(announced.unsigned_abs()).ok();
            let run = byte.zip(rest.split_first()).filter(|(_, (token, _))| *token & 1 == 1);
            let (byte, (_, rest)) = run.ok_or("a stream of a kind that is not known")?;
            output.repeat(&[byte], len)?;
            return Ok(rest);
        };
        let (stream, rest) = rest.split_at_checked(announced).ok_or("a stream is cut off")?;
        let before = output.bytes().len();
        if announced == 0 {
            output.repeat(&[0], len)?;
        } else if announced == len {
            output.extend(stream)?;
        } else {
            self.decompress(stream, len, output)?;
        }
        match output.bytes().len() - before {
            came if came == len => Ok(rest),
            came => Err(format!("a stream has {came} bytes where {len} are to come").into()),
        }
    }

    fn decompress(&self, stream: &[u8], len: usize, output: &mut Output) -> Result<(), Refusal> {
        if self.format == LZ4 {
            // one byte of a block makes no more than 255
            if len > stream.len().saturating_mul(255) {
                return Err(format!("an LZ4 stream of {} bytes cannot hold {len}", stream.len()).into());
            }
            let unpack = |room: &mut [u8]| block::decompress_into(stream, room);
            return output.fill(len, |room| unpack(room).map_err(|error| error.to_string())).map(drop);
        }
        // of their own, so that they cannot take the room of what comes after
        let mut own = Output::new(len, stream.len());
        match self.format {
            BLOSCLZ => blosclz::decompress(stream, &mut own)?,
            ZLIB => zlib::decompress(stream, &mut own)?,
            ZSTD => zstandard::decompress(stream, &mut own)?,
            other => return Err(format!("compressor {other} is not known").into()),
        }
        output.extend(own.bytes())
    }
}

/// Memory for blocks between decompression and the filters.
#[derive(Default)]
pub(super) struct Scratch(Option<Output>);

/// Compressors, in the flags of a chunk.
const BLOSCLZ: u8 = 0;
const LZ4: u8 = 1;
const ZLIB: u8 = 3;
const ZSTD: u8 = 4;

/// The longest block that is read: there is memory for one beside what is decompressed.
const LONGEST_BLOCK: usize = 32 << 20;
