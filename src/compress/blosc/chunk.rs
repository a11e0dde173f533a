//! Blosc2 chunks (C-Blosc2's `README_CHUNK_FORMAT.rst`): what a frame is made of.
//!
//! ```text
//!    0  version 5 | compressor's version | flags | element length     8 bits each
//!    4  raw length | block length | length of the chunk                32 bits each, little-endian
//!   16  six filters | compressor | its metadata | six filters' metadata | reserved | more flags
//!   32  where each block starts in the chunk, 32 bits each
//!       blocks: of each stream its length, 32 bits, and its bytes
//! ```
//!
//! A block is one stream, or one for each byte of an element.

use lz4_flex::block;
use zstd::bulk::Compressor;

use super::blocks::{Blocks, Scratch};
use super::{Inner, array, shuffle};
use crate::compress::output::{Output, Refusal};
use crate::compress::zlib;

/// What was done to a block before it was compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    None,
    Bytes,
    Bits,
}

impl Filter {
    /// Its number in headers.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Bytes => 1,
            Self::Bits => 2,
        }
    }
}

/// A chunk of one value, of which only that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Special {
    Zeros,
    NotANumber,
    Value,
}

impl Special {
    fn of_number(number: u8) -> Result<Self, Refusal> {
        match number {
            // 4: memory that nobody wrote to, which must not show what was there
            1 | 4 => Ok(Self::Zeros),
            2 => Ok(Self::NotANumber),
            3 => Ok(Self::Value),
            _ => Err(format!("special values of kind {number} are not known").into()),
        }
    }

    /// What an offset stands for that is none.
    pub(super) fn of_offset(offset: [u8; 8]) -> Option<Result<Self, Refusal>> {
        let last = offset[7];
        (last & 0x80 != 0).then(|| match last & 0x7f {
            3 => Err("an offset with a value".into()),
            number => Self::of_number(number),
        })
    }

    /// Appends `len` bytes of it. `value` is what is stored of it: of elements of more than 255 bytes, only that says how long they are.
    pub(super) fn write(self, item: usize, value: &[u8], len: usize, output: &mut Output) -> Result<(), Refusal> {
        match (self, item, value.len()) {
            (Self::Zeros, _, 0) => output.repeat(&[0], len),
            (Self::Value, _, 1..) if len.is_multiple_of(value.len()) => output.repeat(value, len),
            (Self::NotANumber, 4, 0) => output.repeat(&f32::NAN.to_le_bytes(), len),
            (Self::NotANumber, 8, 0) => output.repeat(&f64::NAN.to_le_bytes(), len),
            _ => Err(format!("special values of {item} bytes, of which {} are stored", value.len()).into()),
        }
    }
}

/// How the chunks of a frame are written, and the memory for it.
pub(super) struct Plan {
    item: usize,
    block: usize,
    filter: Filter,
    inner: Inner,
    level: i32,
    zstd: Compressor<'static>,
    lz4: block::CompressTable,
    sorted: Vec<u8>,
    compressed: Vec<u8>,
}

impl Plan {
    pub(super) fn new(item: usize, block: usize, filter: Filter, inner: Inner, level: i32) -> Result<Self, String> {
        let zstd = Compressor::new(level.max(1)).map_err(|error| error.to_string())?;
        let most = match inner {
            Inner::Lz4 => block::get_maximum_output_size(block),
            Inner::Zlib => 0,
            Inner::Zstd => ::zstd::zstd_safe::compress_bound(block),
        };
        let (sorted, compressed) = (vec![0; block], vec![0; most]);
        Ok(Self { item, block, filter, inner, level, zstd, lz4: block::CompressTable::large(), sorted, compressed })
    }

    /// Whether the streams of a block are its elements' bytes: LZ4 is better at that, the others at one long stream.
    fn splits(&self) -> bool {
        self.inner == Inner::Lz4 && self.filter == Filter::Bytes && (2..=16).contains(&self.item)
    }

    /// Appends a chunk.
    pub(super) fn write(&mut self, raw: &[u8], frame: &mut Vec<u8>) -> Result<(), String> {
        let start = frame.len();
        let block = self.block.min(raw.len());
        let starts = start + HEADER;
        frame.resize(starts + 4 * raw.len().div_ceil(block), 0);
        for (index, bytes) in raw.chunks(block).enumerate() {
            let at = (frame.len() - start) as u32;
            frame[starts + 4 * index..][..4].copy_from_slice(&at.to_le_bytes());
            self.write_block(bytes, block, frame)?;
        }
        let whole = frame.len() - start;
        if whole > HEADER + raw.len() {
            frame.truncate(start);
            write_plain(self.item, raw, frame);
            return Ok(());
        }
        let flags = EXTENDED | self.inner.format() << 5 | if self.splits() { 0 } else { UNSPLIT };
        let header = header(self.item, flags, [raw.len(), block, whole], self.filter, self.inner.code());
        frame[start..starts].copy_from_slice(&header);
        Ok(())
    }

    fn write_block(&mut self, raw: &[u8], block: usize, frame: &mut Vec<u8>) -> Result<(), String> {
        let mut sorted = std::mem::take(&mut self.sorted);
        let bytes = match self.filter {
            Filter::None => raw,
            Filter::Bytes => {
                shuffle::by_bytes(self.item, raw, &mut sorted[..raw.len()]);
                &sorted[..raw.len()]
            }
            Filter::Bits => {
                shuffle::by_bits(self.item, raw, &mut sorted[..raw.len()]);
                &sorted[..raw.len()]
            }
        };
        // the last block is short and never split
        let streams = if self.splits() && raw.len() == block { self.item } else { 1 };
        let written = bytes.chunks(bytes.len() / streams).try_for_each(|stream| self.write_stream(stream, frame));
        self.sorted = sorted;
        written
    }

    fn write_stream(&mut self, stream: &[u8], frame: &mut Vec<u8>) -> Result<(), String> {
        if stream.iter().all(|&byte| byte == 0) {
            frame.extend_from_slice(&[0; 4]);
            return Ok(());
        }
        let owned;
        let shorter: &[u8] = match self.inner {
            Inner::Lz4 => {
                let written = block::compress_into_with_table(stream, &mut self.compressed, &mut self.lz4);
                &self.compressed[..written.map_err(|error| error.to_string())?]
            }
            Inner::Zlib => {
                owned = zlib::compress(stream, self.level)?;
                &owned
            }
            Inner::Zstd => {
                let written = self.zstd.compress_to_buffer(stream, &mut self.compressed[..]);
                &self.compressed[..written.map_err(|error| error.to_string())?]
            }
        };
        // a stream of its own length is one that is not compressed
        let stored = if shorter.len() < stream.len() { shorter } else { stream };
        frame.extend_from_slice(&(stored.len() as u32).to_le_bytes());
        frame.extend_from_slice(stored);
        Ok(())
    }
}

/// Appends a chunk that is not compressed.
pub(super) fn write_plain(item: usize, raw: &[u8], frame: &mut Vec<u8>) {
    let lengths = [raw.len(), raw.len(), HEADER + raw.len()];
    frame.extend_from_slice(&header(item, EXTENDED | PLAIN, lengths, Filter::None, 0));
    frame.extend_from_slice(raw);
}

fn header(item: usize, flags: u8, lengths: [usize; 3], filter: Filter, compressor: u8) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&[VERSION, 1, flags, item as u8]);
    for (index, length) in lengths.into_iter().enumerate() {
        header[4 + 4 * index..][..4].copy_from_slice(&(length as u32).to_le_bytes());
    }
    header[FILTERS + 5] = filter.number();
    header[FILTERS + 6] = compressor;
    header
}

/// Decompresses the chunk that `stored` begins with, which has to hold `len` bytes; returns its stored length.
pub(super) fn read(stored: &[u8], len: usize, output: &mut Output, scratch: &mut Scratch) -> Result<usize, Refusal> {
    let header: [u8; HEADER] = array(stored, 0)?;
    let number = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]) as usize;
    let ([version, _, flags, item], raw_len, block, whole) = (array(&header, 0)?, number(4), number(8), number(12));
    if version != VERSION || flags & EXTENDED != EXTENDED {
        return Err(format!("chunks of version {version} and flags {flags:#04x} are not known").into());
    }
    let chunk = stored.get(..whole).filter(|chunk| chunk.len() >= HEADER).ok_or("a chunk is cut off")?;
    if raw_len != len {
        return Err(format!("a chunk of {raw_len} bytes where {len} are to come").into());
    }
    let item = usize::from(item);
    if item == 0 || block == 0 || block > raw_len {
        return Err(format!("a chunk with elements of {item} and blocks of {block} bytes").into());
    }
    let more = header[HEADER - 1];
    if more & !SPECIAL != 0 || header[HEADER - 2] != 0 {
        return Err(format!("chunks with flags {more:#04x} {:#04x} are not known", header[HEADER - 2]).into());
    }
    let body = &chunk[HEADER..];
    match more >> 4 {
        0 if flags & PLAIN != 0 && body.len() == len => output.extend(body)?,
        0 if flags & PLAIN != 0 => return Err("a chunk that is not compressed has another length".into()),
        0 => {
            let filter = filter_of(&header)?;
            let splits = flags & UNSPLIT == 0;
            Blocks { chunk, item, block, filter, splits, format: flags >> 5 }.read(len, output, scratch)?;
        }
        special => Special::of_number(special)?.write(item, body, len, output)?,
    }
    Ok(whole)
}

/// The one filter that has to be undone.
fn filter_of(header: &[u8; HEADER]) -> Result<Filter, Refusal> {
    let mut filter = Filter::None;
    for (index, number) in header[FILTERS..FILTERS + 6].iter().enumerate() {
        let next = match number {
            // 4: numbers were rounded, which nothing undoes
            0 | 4 => continue,
            1 => Filter::Bytes,
            2 => Filter::Bits,
            _ => return Err(format!("filter {number} is not known").into()),
        };
        if filter != Filter::None || header[FILTERS + 8 + index] != 0 {
            return Err("more than one filter, or one with settings, is not known".into());
        }
        filter = next;
    }
    Ok(filter)
}

const VERSION: u8 = 5;
pub(super) const HEADER: usize = 32;
/// Where the filters are in the header, then the compressor, and two bytes on the filters' metadata.
const FILTERS: usize = 16;

/// The flags of a chunk: both shuffles at once say that the header has 32 bytes.
const EXTENDED: u8 = 0x05;
const PLAIN: u8 = 0x02;
const UNSPLIT: u8 = 0x10;
/// The bits of the last flags that name a special value.
const SPECIAL: u8 = 0x70;
