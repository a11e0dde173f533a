//! What a message's buffers are worth: their stored and their raw lengths, read off the metadata.

use super::msgpack::references;
use crate::error::{Detail, Result};
use crate::limits::Limits;
use crate::multipart::Multipart;
use crate::reference::Encoding;

/// The lengths of one buffer of a message: see [`Multipart::buffer_sizes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferSizes {
    frame: usize,
    stored: u64,
    raw: u64,
    encoding: Option<Encoding>,
}

impl BufferSizes {
    /// Which buffer frame it is, from 0.
    pub fn frame(&self) -> usize {
        self.frame
    }

    /// The length of the frame in bytes.
    pub fn stored_len(&self) -> u64 {
        self.stored
    }

    /// The length of the buffer in bytes, decompressed, as its reference says it.
    pub fn raw_len(&self) -> u64 {
        self.raw
    }

    /// How the buffer is compressed: `"zlib"`, `"lz4"`, `"zstd"`, `"blosc2"`, or not at all.
    pub fn encoding(&self) -> Option<&'static str> {
        self.encoding.map(Encoding::name)
    }
}

impl Multipart {
    /// The stored and the raw length of every buffer, for a message of the default codec: what compression was worth.
    ///
    /// Only the metadata is read. Nothing is decompressed, and the lengths are those that the sender wrote.
    ///
    /// # Errors
    ///
    /// Kind `Peer` when the metadata is not that of the default codec, or does not describe these frames; kind `Limits` when it
    /// is nested deeper than [`Limits::MAX_DEPTH`].
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "zlib")] {
    /// use outband::{Buffer, Compression, Encode, MsgPack};
    ///
    /// let message = MsgPack::new().compression(Compression::zlib()).encode(&Buffer::from_vec(vec![7_u8; 100_000]))?;
    /// let sizes = message.buffer_sizes()?[0];
    /// assert_eq!((sizes.raw_len(), sizes.encoding()), (100_000, Some("zlib")));
    /// assert!(sizes.stored_len() < 200);
    /// # }
    /// # Ok::<(), outband::Error>(())
    /// ```
    pub fn buffer_sizes(&self) -> Result<Vec<BufferSizes>> {
        let frames = self.buffers().len();
        let mut found = vec![None; frames];
        references(self.metadata(), Limits::MAX_DEPTH, |reference| {
            let index = usize::try_from(reference.frame).ok().filter(|&index| index < frames);
            let frame = index.ok_or(Detail::FrameMissing { frame: reference.frame, frames })?;
            let arrived = self.buffers()[frame].len();
            if reference.len != arrived as u64 {
                return Err(Detail::FrameLength { frame, frames, announced: reference.len, arrived }.into());
            }
            let encoding = reference.packed.map(|packed| packed.encoding);
            found[frame] = Some(BufferSizes { frame, stored: reference.len, raw: reference.raw_len(), encoding });
            Ok(())
        })?;
        let sizes = found.into_iter().zip(0..);
        sizes.map(|(sizes, frame)| sizes.ok_or_else(|| Detail::FrameUnused { frame, frames }.into())).collect()
    }
}
