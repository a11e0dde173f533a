//! `Zipped`: the whole message of another codec as one zlib stream in one frame.

use super::{Decode, Encode, MsgPack};
use crate::compress::output::{Output, Refusal};
use crate::compress::zlib;
use crate::error::{Detail, Result};
use crate::limits::Limits;
use crate::multipart::Multipart;

/// What another codec encodes, compressed into one frame: the `send_zipped_pickle` of pyzmq's documentation with
/// [`Pickle`](super::Pickle), or with any other codec in its place.
///
/// **On the wire** the message is one frame, a zlib stream (RFC 1950) of what the inner codec wrote. With [`MsgPack`],
/// the default, that is `zlib.compress(msgpack.packb(value))` in Python: all buffers are in band, and copied. An inner codec
/// that cannot do without frames for its buffers fails with an error of kind `Caller`.
///
/// This suits objects of many small fields. For arrays take [`MsgPack::compression`], which compresses each buffer
/// beside a metadata that can be read, routed and forwarded as it is.
///
/// # Examples
///
/// ```
/// use outband::{Decode, Encode, Zipped};
///
/// let rows: Vec<(u32, String)> = (0..1000).map(|row| (row, format!("row {row}"))).collect();
/// let message = Zipped::default().encode(&rows)?;
/// assert!(message.buffers().is_empty() && message.metadata().len() < 5_000);
/// let back: Vec<(u32, String)> = Zipped::default().decode(message)?;
/// assert_eq!(back, rows);
/// # Ok::<(), outband::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Zipped<C = MsgPack> {
    inner: C,
    level: i32,
    limits: Limits,
}

impl Default for Zipped {
    /// Around [`MsgPack`] with its defaults.
    fn default() -> Self {
        Self::new(MsgPack::new())
    }
}

impl<C> Zipped<C> {
    /// Compresses what `inner` encodes.
    pub const fn new(inner: C) -> Self {
        Self { inner, level: 6, limits: Limits::new() }
    }

    /// Sets zlib's level, from 0 to 9: higher is shorter and slower. The default is 6.
    pub const fn level(mut self, level: i32) -> Self {
        self.level = level;
        self
    }

    /// Sets what a message may cost on its way in: [`total_bytes`](Limits::total_bytes) and
    /// [`metadata_bytes`](Limits::metadata_bytes) are of the compressed frame,
    /// [`decompressed_bytes`](Limits::decompressed_bytes) of what it holds. The inner codec has limits of its own for what comes
    /// out: of that, no more is unzipped than its [`metadata_bytes`](Limits::metadata_bytes) (64 MiB) and
    /// [`total_bytes`](Limits::total_bytes).
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

impl<T: ?Sized, C: Encode<T>> Encode<T> for Zipped<C> {
    fn encode(&self, value: &T) -> Result<Multipart> {
        let (whole, buffers) = self.inner.encode_in_band(value)?.into_parts();
        if !buffers.is_empty() {
            return Err(Detail::Unzippable { buffers: buffers.len() }.into());
        }
        let zipped = zlib::compress(&whole, self.level).map_err(|reason| Detail::Unserializable { reason })?;
        self.limits.check_metadata(zipped.len() as u64)?;
        self.limits.check_decompressed(whole.len() as u64)?;
        Ok(Multipart::new(zipped, Vec::new()))
    }

    fn encode_in_band(&self, value: &T) -> Result<Multipart> {
        self.encode(value)
    }
}

impl<T, C: Decode<T>> Decode<T> for Zipped<C> {
    fn decode(&self, message: Multipart) -> Result<T> {
        self.decode_zipped(&message, self.inner.limits()).and_then(|message| self.inner.decode(message))
    }

    fn limits(&self) -> Limits {
        self.limits
    }
}

impl<C> Zipped<C> {
    /// What the inner codec wrote, within its limits.
    fn decode_zipped(&self, message: &Multipart, inner: Limits) -> Result<Multipart> {
        let not_zipped = |reason: String| Detail::NotZipped { reason };
        let stored = message.metadata();
        self.limits.check_metadata(stored.len() as u64)?;
        if !message.buffers().is_empty() {
            return Err(not_zipped(format!("it has {} frames and not one", 1 + message.buffers().len())).into());
        }
        // what the inner codec would refuse is not unzipped for it
        let limits = [
            (self.limits.max_decompressed(), "decompressed_bytes"),
            (inner.max_metadata() as u64, "metadata_bytes of the inner codec"),
            (inner.max_total(), "total_bytes of the inner codec"),
        ];
        let (limit, name) = limits.into_iter().min_by_key(|(limit, _)| *limit).expect("invariant: there are three");
        let mut output = Output::new(usize::try_from(limit).unwrap_or(usize::MAX), stored.len());
        match zlib::decompress(stored, &mut output, &mut zlib::Decoder::default()) {
            Ok(()) => Ok(Multipart::new(output.into_bytes(), Vec::new())),
            Err(Refusal::TooLong) => Err(Detail::UnzippedTooLong { limit, name }.into()),
            Err(Refusal::Broken(reason)) => Err(not_zipped(reason).into()),
        }
    }
}
