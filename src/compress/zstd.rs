//! Zstandard frames (RFC 8878).

#[cfg(feature = "zstd")]
use zstd::bulk::Compressor;
use zstd::stream::read;
use zstd::zstd_safe::{self, DCtx, ResetDirective};

use super::output::{Output, Refusal, TRUSTED_RATIO, WINDOW};

/// The levels that there are, and the one that is taken where none is said: not the library's 3, which on numbers is twice
/// as slow and hardly shorter (`cargo bench --bench compression`).
#[cfg(feature = "zstd")]
pub(super) const LEVELS: (i32, i32, i32) = (-7, 1, 22);

/// Compresses into one frame that says its content's length.
///
/// # Errors
///
/// What went wrong in the compressor.
#[cfg(feature = "zstd")]
pub(super) fn compress(raw: &[u8], level: i32) -> Result<Vec<u8>, String> {
    let mut compressor = Compressor::new(level).map_err(|error| error.to_string())?;
    compressor.compress(raw).map_err(|error| error.to_string())
}

/// A decompressor, for any number of frames: making one takes longer than many a short frame.
#[derive(Default)]
pub(super) struct Decoder(Option<DCtx<'static>>);

impl Decoder {
    /// The library's, as it is before any frame.
    fn fresh(&mut self) -> Result<&mut DCtx<'static>, Refusal> {
        let context = match self.0.take() {
            Some(context) => context,
            None => DCtx::try_create().ok_or("no memory for a decompressor")?,
        };
        let context = self.0.insert(context);
        context.reset(ResetDirective::SessionOnly).map_err(failed)?;
        Ok(context)
    }
}

/// Decompresses one frame that is all of `stored`.
///
/// # Errors
///
/// A frame that is broken, cut off, or followed by anything, and one that holds more than `output` takes.
pub(super) fn decompress(stored: &[u8], output: &mut Output, decoder: &mut Decoder) -> Result<(), Refusal> {
    let frame =
        zstd_safe::find_frame_compressed_size(stored).map_err(|code| broken(zstd_safe::get_error_name(code)))?;
    if frame < stored.len() {
        return Err(format!("{} bytes follow the frame", stored.len() - frame).into());
    }
    let content = zstd_safe::get_frame_content_size(stored).ok().flatten();
    if content.is_some_and(|content| content > output.left() as u64) {
        return Err(Refusal::TooLong);
    }
    // at once into memory that the stored bytes vouch for, which takes no window of its own
    let trusted = stored.len().saturating_mul(TRUSTED_RATIO).max(WINDOW);
    match content {
        Some(content) if content <= trusted as u64 => {
            let context = decoder.fresh()?;
            output.fill(content as usize, |room| context.decompress(room, stored).map_err(failed)).map(drop)
        }
        _ => {
            let mut decoder = read::Decoder::with_context(stored, decoder.fresh()?).single_frame();
            decoder.window_log_max(window_log(output.left()))?;
            output.read_to_end(&mut decoder)
        }
    }
}

/// The largest window that a frame of this content may ask for: 8 MiB, which RFC 8878 recommends all to support, or the
/// content with some room, up to 128 MiB.
fn window_log(content: usize) -> u32 {
    content.max(1).ilog2().saturating_add(1).clamp(23, 27)
}

#[cold]
fn failed(code: usize) -> Refusal {
    zstd_safe::get_error_name(code).into()
}

#[cold]
fn broken(reason: &str) -> Refusal {
    format!("the frame is broken or cut off: {reason}").into()
}
