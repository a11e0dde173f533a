//! LZ4 frames (<https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>).
//!
//! ```text
//!    magic | flags | block length | content's length, 64 bits, if any | check of the header, 8 bits
//!    blocks: length and whether it is stored as it is, 32 bits | bytes | their check, 32 bits, if any
//!    0, 32 bits | check of the content, 32 bits, if any
//! ```
//!
//! Frames are read here, block by block into the output, for two reasons: `lz4_flex`'s own reader clears a window of megabytes for each
//! frame, however short, and here it is known how many bytes are to come. The blocks are left to the crate.

use std::hash::Hasher;
use std::io::Write;

use lz4_flex::block::{self, DecompressError};
use lz4_flex::frame::{BlockMode, FrameEncoder, FrameInfo};
use twox_hash::XxHash32;

use super::output::{Output, Refusal};

/// Compresses into one LZ4 frame that says its content's length.
///
/// # Errors
///
/// What went wrong in the compressor.
pub(super) fn compress(raw: &[u8]) -> Result<Vec<u8>, String> {
    let info = FrameInfo::new().content_size(Some(raw.len() as u64)).block_mode(BlockMode::Independent);
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::with_capacity(raw.len() / 2));
    encoder.write_all(raw).map_err(|error| error.to_string())?;
    encoder.finish().map_err(|error| error.to_string())
}

/// Decompresses one LZ4 frame that is all of `stored`, into an `output` in which nothing is yet.
///
/// # Errors
///
/// A frame that is broken, cut off, or followed by anything, and one that holds more than `output` takes.
pub(super) fn decompress(stored: &[u8], output: &mut Output) -> Result<(), Refusal> {
    let (frame, mut rest) = Frame::read(stored)?;
    if frame.content_len.is_some_and(|len| len > output.left() as u64) {
        return Err(Refusal::TooLong);
    }
    let mut content = XxHash32::with_seed(0);
    loop {
        let length = number(&mut rest)?;
        if length == 0 {
            break;
        }
        let (len, is_plain) = ((length & !PLAIN) as usize, length & PLAIN != 0);
        if len > frame.block_len {
            return Err(format!("a block of {len} bytes where {} is the most", frame.block_len).into());
        }
        let block = take(&mut rest, len)?;
        if frame.checks_blocks && number(&mut rest)? != XxHash32::oneshot(0, block) {
            return Err("a block is not what its check says".into());
        }
        let before = output.bytes().len();
        if is_plain {
            output.extend(block)?;
        } else {
            frame.decompress(block, output)?;
        }
        if frame.checks_content {
            content.write(&output.bytes()[before..]);
        }
    }
    let came = output.bytes().len() as u64;
    if let Some(said) = frame.content_len.filter(|said| *said != came) {
        return Err(format!("the frame holds {came} bytes and says that it holds {said}").into());
    }
    if frame.checks_content && number(&mut rest)? != content.finish_32() {
        return Err("the content is not what its check says".into());
    }
    match rest.len() {
        0 => Ok(()),
        left => Err(format!("{left} bytes follow the frame").into()),
    }
}

/// What the header of a frame says.
struct Frame {
    /// Of the longest block, in bytes.
    block_len: usize,
    /// Whether blocks repeat bytes of those before them.
    is_linked: bool,
    checks_blocks: bool,
    checks_content: bool,
    content_len: Option<u64>,
}

impl Frame {
    /// The header that the bytes begin with, and what follows it.
    fn read(stored: &[u8]) -> Result<(Self, &[u8]), Refusal> {
        let start = stored.strip_prefix(&MAGIC).ok_or("no frame begins here")?;
        let mut rest = start;
        let [flags, lengths] = array(&mut rest)?;
        if flags & VERSION_BITS != VERSION || flags & RESERVED != 0 || lengths & !BLOCK_LEN != 0 {
            return Err(format!("a frame with flags {flags:#04x} {lengths:#04x} is not known").into());
        }
        let block_len = match lengths >> 4 {
            power @ 4..=7 => 1 << (8 + 2 * power),
            other => return Err(format!("blocks of length {other} are not known").into()),
        };
        let content_len = if flags & CONTENT_LEN != 0 { Some(u64::from_le_bytes(array(&mut rest)?)) } else { None };
        if flags & DICTIONARY != 0 {
            return Err("the frame needs a dictionary".into());
        }
        let header = &start[..start.len() - rest.len()];
        let [check] = array(&mut rest)?;
        if check != (XxHash32::oneshot(0, header) >> 8) as u8 {
            return Err("the header is not what its check says".into());
        }
        let is_linked = flags & INDEPENDENT == 0;
        let (checks_blocks, checks_content) = (flags & BLOCK_CHECKS != 0, flags & CONTENT_CHECK != 0);
        Ok((Self { block_len, is_linked, checks_blocks, checks_content, content_len }, rest))
    }

    /// Decompresses a block behind those that came before it.
    fn decompress(&self, block: &[u8], output: &mut Output) -> Result<(), Refusal> {
        // one byte of a block makes no more than 255
        let most = self.block_len.min(block.len().saturating_mul(255));
        let len = most.min(output.left());
        let unpacked = output.fill_behind(len, |before, room| {
            match self.is_linked {
                true => block::decompress_into_with_dict(block, room, &before[before.len().saturating_sub(WINDOW)..]),
                false => block::decompress_into(block, room),
            }
            .map_err(|error| match error {
                DecompressError::OutputTooSmall { .. } if len < most => Refusal::TooLong,
                error => error.to_string().into(),
            })
        });
        unpacked.map(drop)
    }
}

/// Takes the next bytes.
fn take<'s>(rest: &mut &'s [u8], len: usize) -> Result<&'s [u8], Refusal> {
    rest.split_off(..len).ok_or_else(|| CUT_OFF.into())
}

fn array<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Refusal> {
    let (bytes, after) = rest.split_first_chunk().ok_or(CUT_OFF)?;
    *rest = after;
    Ok(*bytes)
}

fn number(rest: &mut &[u8]) -> Result<u32, Refusal> {
    array(rest).map(u32::from_le_bytes)
}

const CUT_OFF: &str = "the frame is cut off";

const MAGIC: [u8; 4] = 0x184d_2204_u32.to_le_bytes();

/// The first byte of the flags.
const VERSION_BITS: u8 = 0xc0;
const VERSION: u8 = 0x40;
const INDEPENDENT: u8 = 0x20;
const BLOCK_CHECKS: u8 = 0x10;
const CONTENT_LEN: u8 = 0x08;
const CONTENT_CHECK: u8 = 0x04;
const RESERVED: u8 = 0x02;
const DICTIONARY: u8 = 0x01;
/// The bits of the second one that are used.
const BLOCK_LEN: u8 = 0x70;

/// The bit of a block's length that says that it is not compressed.
const PLAIN: u32 = 1 << 31;
/// How far back a block repeats bytes of those before it.
const WINDOW: usize = 64 << 10;
