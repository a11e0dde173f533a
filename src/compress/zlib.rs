//! zlib streams (RFC 1950).

use std::io::Write;

use flate2::write::ZlibEncoder;
use flate2::{Decompress, FlushDecompress, Status};

use super::output::{Output, Refusal, WINDOW};

/// The levels that there are, and the one that is taken where none is said.
#[cfg(feature = "zlib")]
pub(super) const LEVELS: (i32, i32, i32) = (0, 6, 9);

/// Compresses into one zlib stream.
///
/// # Errors
///
/// What went wrong in the compressor.
pub(crate) fn compress(raw: &[u8], level: i32) -> Result<Vec<u8>, String> {
    let level = flate2::Compression::new(level.clamp(0, 9) as u32);
    let mut encoder = ZlibEncoder::new(Vec::with_capacity(raw.len() / 2), level);
    encoder.write_all(raw).and_then(|()| encoder.finish()).map_err(|error| error.to_string())
}

/// A decompressor, for any number of streams: making one takes longer than many a short stream.
pub(crate) struct Decoder(Decompress);

impl Default for Decoder {
    fn default() -> Self {
        Self(Decompress::new(true))
    }
}

/// Decompresses one zlib stream that is all of `stored`.
///
/// # Errors
///
/// A stream that is broken, cut off, or followed by anything, and one that holds more than `output` takes.
pub(crate) fn decompress(stored: &[u8], output: &mut Output, decoder: &mut Decoder) -> Result<(), Refusal> {
    let stream = &mut decoder.0;
    stream.reset(true);
    let mut used = 0;
    loop {
        let mut status = Status::BufError;
        let mut step = |window: &mut [u8]| {
            let before = stream.total_out();
            status = stream.decompress(&stored[used..], window, FlushDecompress::None)?;
            Ok::<_, flate2::DecompressError>((stream.total_out() - before) as usize)
        };
        let filled = match output.left() {
            // where all is there, the end of the stream has to come, and not one byte more
            0 => match step(&mut [0]) {
                Ok(0) => 0,
                Ok(_) => return Err(Refusal::TooLong),
                Err(error) => return Err(broken(&error)),
            },
            left => output.fill(left.min(WINDOW), |window| step(window).map_err(|error| broken(&error)))?,
        };
        let before = used;
        used = stream.total_in() as usize;
        match status {
            Status::StreamEnd if used < stored.len() => {
                return Err(format!("{} bytes follow the stream", stored.len() - used).into());
            }
            Status::StreamEnd => return Ok(()),
            _ if filled == 0 && used == before => return Err(CUT_OFF.into()),
            _ => {}
        }
    }
}

#[cold]
fn broken(error: &flate2::DecompressError) -> Refusal {
    match error.needs_dictionary() {
        Some(_) => "the stream needs a dictionary".into(),
        None => format!("the stream is broken: {}", error.message().unwrap_or("no valid data")).into(),
    }
}

const CUT_OFF: &str = "the stream is cut off";
