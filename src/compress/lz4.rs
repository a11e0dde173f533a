//! LZ4 frames (<https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>).

use std::io::{self, Read, Write};

use lz4_flex::frame::{BlockMode, FrameDecoder, FrameEncoder, FrameInfo};

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

/// Decompresses one LZ4 frame that is all of `stored`.
///
/// # Errors
///
/// A frame that is broken, cut off, or followed by anything, and one that holds more than `output` takes.
pub(super) fn decompress(stored: &[u8], output: &mut Output) -> Result<(), Refusal> {
    // the decoder would also take frames of the legacy format, which have no end
    if !stored.starts_with(&MAGIC) {
        return Err("no frame begins here".into());
    }
    let mut decoder = FrameDecoder::new(Rest { bytes: stored, starved: false });
    let outcome = output.read_to_end(&mut decoder);
    let rest = decoder.into_inner();
    match outcome {
        // the decoder takes an end of input between two blocks for the frame's end
        _ if rest.starved => Err("the frame is cut off".into()),
        Ok(()) if !rest.bytes.is_empty() => Err(format!("{} bytes follow the frame", rest.bytes.len()).into()),
        outcome => outcome,
    }
}

/// What is left of the stored bytes, and whether more of them were asked for than there are.
struct Rest<'s> {
    bytes: &'s [u8],
    starved: bool,
}

impl Read for Rest<'_> {
    fn read(&mut self, wanted: &mut [u8]) -> io::Result<usize> {
        self.starved |= wanted.len() > self.bytes.len();
        self.bytes.read(wanted)
    }
}

const MAGIC: [u8; 4] = 0x184d_2204_u32.to_le_bytes();
