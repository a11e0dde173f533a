//! Blosc2 contiguous frames (C-Blosc2's `README_CFRAME_FORMAT.rst`), which C-Blosc2 and python-blosc2 read and write.
//!
//! ```text
//!    0  header       MessagePack at fixed places: lengths, element, block and chunk length, compressor, filters
//!   97  chunks       each of them a header, the starts of its blocks, the blocks
//!       index        a chunk with the offset of every other one, 64 bits each, little-endian
//!       trailer      MessagePack: no metadata, no fingerprint
//! ```
//!
//! The container is read and written here, in safe Rust, and the blocks are left to the crates for LZ4, zlib and Zstandard.
//! So a hostile frame meets no C but Zstandard's decoder.

mod blocks;
mod blosclz;
mod chunk;
mod shuffle;

use super::output::{Output, Refusal};
use blocks::Scratch;
use chunk::{Filter, Plan, Special};

/// How Blosc2 sorts the elements of a buffer before it compresses them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Shuffle {
    /// Not at all.
    None,
    /// By bytes: first the first byte of all elements, then their second byte, and so on.
    #[default]
    Byte,
    /// By bits: for numbers of which only a few bits change; slower.
    Bit,
}

/// What Blosc2 compresses its blocks with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Inner {
    /// LZ4: the fastest. It has no levels.
    #[default]
    Lz4,
    /// zlib, of the same level.
    Zlib,
    /// Zstandard, of the same level: the shortest.
    Zstd,
}

impl Inner {
    /// Its number in the flags of a chunk.
    fn format(self) -> u8 {
        match self {
            Self::Lz4 => 1,
            Self::Zlib => 3,
            Self::Zstd => 4,
        }
    }

    /// Its number in the header of a frame.
    fn code(self) -> u8 {
        match self {
            Self::Lz4 => 1,
            Self::Zlib => 4,
            Self::Zstd => 5,
        }
    }
}

/// The levels that there are, and the one that is taken where none is said.
pub(super) const LEVELS: (i32, i32, i32) = (1, 3, 9);

/// Compresses into one frame, whose elements are `item` bytes long.
///
/// # Errors
///
/// What went wrong in a compressor.
pub(super) fn compress(raw: &[u8], item: usize, shuffle: Shuffle, inner: Inner, level: i32) -> Result<Vec<u8>, String> {
    // the format has one byte for it, and readers want whole elements
    let whole = u8::try_from(item).is_ok_and(|item| item > 0) && raw.len().is_multiple_of(item.max(1));
    let item = if whole { item } else { 1 };
    let filter = match shuffle {
        Shuffle::Byte if item > 1 => Filter::Bytes,
        Shuffle::Bit => Filter::Bits,
        _ => Filter::None,
    };
    let block = (BLOCK / (8 * item) * (8 * item)).min(raw.len().max(1));
    let chunk_len = (CHUNK / block).max(1) * block;
    let mut frame = vec![0; HEADER];
    let mut offsets = Vec::new();
    let mut plan = Plan::new(item, block, filter, inner, level)?;
    for chunk in raw.chunks(chunk_len) {
        offsets.extend_from_slice(&((frame.len() - HEADER) as u64).to_le_bytes());
        plan.write(chunk, &mut frame)?;
    }
    let chunks_len = frame.len() - HEADER;
    if !offsets.is_empty() {
        chunk::write_plain(8, &offsets, &mut frame);
    }
    frame.extend_from_slice(&TRAILER);
    let whole = frame.len() as u64;
    let settings = [0x12, 0, inner.code() | (level as u8) << 4, SPLITS_AS_IT_LIKES];
    let pipeline = [6, 0, 0, 0, 0, 0, filter.number(), inner.code(), 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let fields: [(usize, &[u8]); 17] = [
        (0, b"\x9e\xa8b2frame\0\xd2"),
        (at::HEADER_LEN, &(HEADER as u32).to_be_bytes()),
        (at::FRAME_LEN - 1, b"\xcf"),
        (at::FRAME_LEN, &whole.to_be_bytes()),
        (at::SETTINGS - 1, b"\xa4"),
        (at::SETTINGS, &settings),
        (at::RAW_LEN - 1, b"\xd3"),
        (at::RAW_LEN, &(raw.len() as u64).to_be_bytes()),
        (at::CHUNKS_LEN - 1, b"\xd3"),
        (at::CHUNKS_LEN, &(chunks_len as u64).to_be_bytes()),
        (at::ITEM - 1, b"\xd2"),
        (at::ITEM, &(item as u32).to_be_bytes()),
        (at::ITEM + 4, &[&b"\xd2"[..], &(block as u32).to_be_bytes()].concat()),
        (at::CHUNK_LEN - 1, b"\xd2"),
        (at::CHUNK_LEN, &(chunk_len.min(raw.len()) as u32).to_be_bytes()),
        // one thread each, no metadata in the trailer
        (at::CHUNK_LEN + 4, b"\xd1\0\x01\xd1\0\x01\xc2\xd8"),
        (at::PIPELINE, &[&pipeline[..], b"\x93\xcd\0\x07\xde\0\0\xdc\0\0"].concat()),
    ];
    for (at, bytes) in fields {
        frame[at..at + bytes.len()].copy_from_slice(bytes);
    }
    Ok(frame)
}

/// Decompresses one frame that is all of `stored` and has all the bytes that `output` may have.
///
/// # Errors
///
/// A frame that is broken, cut off or followed by anything, of another length, or with parts that are not read here: lists of
/// them are in `docs/wire.md`.
pub(super) fn decompress(stored: &[u8], output: &mut Output) -> Result<(), Refusal> {
    if !stored.starts_with(b"\x9e\xa8b2frame\0\xd2") || stored.len() < at::PIPELINE + 17 {
        return Err("no frame begins here".into());
    }
    let [general, kind] = array(stored, at::SETTINGS)?;
    let header_len = u32::from_be_bytes(array(stored, at::HEADER_LEN)?) as usize;
    let frame_len = u64::from_be_bytes(array(stored, at::FRAME_LEN)?);
    let raw_len = u64::from_be_bytes(array(stored, at::RAW_LEN)?);
    let chunks_len = u64::from_be_bytes(array(stored, at::CHUNKS_LEN)?);
    let item = u32::from_be_bytes(array(stored, at::ITEM)?) as usize;
    let chunk_len = u32::from_be_bytes(array(stored, at::CHUNK_LEN)?) as usize;
    // version 2, offsets of 64 bits, chunks of one length; contiguous
    if general != 0x12 || kind != 0 {
        return Err(format!("a frame of kind {general:#04x} {kind:#04x} is not known").into());
    }
    if frame_len != stored.len() as u64 {
        return Err(format!("the frame is {frame_len} bytes long, of which {} are there", stored.len()).into());
    }
    let most = output.left();
    if raw_len != most as u64 {
        return Err(format!("the frame says that it holds {raw_len} bytes").into());
    }
    let (body, chunks_len) = (stored.get(header_len.max(at::PIPELINE + 17)..), usize::try_from(chunks_len).ok());
    let split = body.zip(chunks_len).and_then(|(body, len)| body.split_at_checked(len));
    let (chunks, rest) = split.ok_or("the frame ends within its chunks")?;
    if raw_len == 0 {
        return check_trailer(rest);
    }
    if chunk_len == 0 || chunk_len > i32::MAX as usize {
        return Err(format!("chunks of {chunk_len} bytes").into());
    }
    let index_len = most.div_ceil(chunk_len).saturating_mul(8);
    if index_len > (most / 8).max(4096) {
        return Err(format!("chunks of {chunk_len} bytes are too short").into());
    }
    let mut offsets = Output::new(index_len, rest.len());
    let mut scratch = Scratch::default();
    let index = chunk::read(rest, index_len, &mut offsets, &mut scratch)?;
    check_trailer(&rest[index..])?;
    // chunks lie in any order, and share nothing: what all of them take is no more than there is
    let mut unread = chunks.len();
    for offset in offsets.bytes().as_chunks().0 {
        let len = chunk_len.min(output.left());
        match Special::of_offset(*offset) {
            Some(special) => special?.write(item, &[], len, output)?,
            None => {
                let start = usize::try_from(u64::from_le_bytes(*offset)).ok();
                let chunk = start.and_then(|start| chunks.get(start..)).ok_or("a chunk lies outside of the frame")?;
                let taken = chunk::read(chunk, len, output, &mut scratch)?;
                unread = unread.checked_sub(taken).ok_or("chunks of a frame overlap")?;
            }
        }
    }
    Ok(())
}

/// Checks that what follows the index is one trailer of the length that it says.
fn check_trailer(trailer: &[u8]) -> Result<(), Refusal> {
    let announced = trailer.len().checked_sub(22).and_then(|at| array(trailer, at).ok()).map(u32::from_be_bytes);
    match announced {
        Some(len) if len as usize == trailer.len() && trailer[0] == TRAILER[0] => Ok(()),
        _ => Err("the frame has no trailer that fills its end".into()),
    }
}

/// The bytes of a number.
fn array<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], Refusal> {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk());
    found.copied().ok_or_else(|| "the frame is cut off".into())
}

/// Where the fields of the header are.
mod at {
    pub(super) const HEADER_LEN: usize = 11;
    pub(super) const FRAME_LEN: usize = 16;
    pub(super) const SETTINGS: usize = 25;
    pub(super) const RAW_LEN: usize = 30;
    pub(super) const CHUNKS_LEN: usize = 39;
    pub(super) const ITEM: usize = 48;
    pub(super) const CHUNK_LEN: usize = 58;
    pub(super) const PIPELINE: usize = 70;
}

/// The length of a header without metadata.
const HEADER: usize = 97;
/// The split mode in the header, which is for those who append to a frame: each chunk says how it was done.
const SPLITS_AS_IT_LIKES: u8 = 2;
/// A trailer without metadata and fingerprint.
const TRAILER: [u8; 35] =
    *b"\x94\x01\x93\xcd\0\x06\xde\0\0\xdc\0\0\xce\0\0\0\x23\xd8\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
/// The length of a chunk, about.
const CHUNK: usize = 8 << 20;
/// The length of a block, about: a few of them fit in the second cache of a processor.
const BLOCK: usize = 128 << 10;
