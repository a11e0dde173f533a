//! `Limits`: what a message may cost before it is refused.

use crate::error::{Detail, Result};

/// What a message may cost before it is refused.
///
/// Checked before a value is built or, in messages of up to 8 KiB of metadata and 64 buffers, while it is: a `Deserialize` with side effects
/// may have run for a message that is refused.
///
/// A frame that is referenced n times is shared n times by [`Buffer`](crate::Buffer) fields. Where other fields (`Vec<u8>`,
/// `String`) copy it out n times, all of these together keep to `total_bytes` as well. Columns of a table that share buffers are
/// validated each for itself, but for those that are the same: they may look through eight times the bytes of their message, and 256 MiB;
/// a table of a format that shares nothing, such as JSON, eight times its own bytes, and 16 MiB.
///
/// What a message takes while it is refused is a multiple of its metadata: four times that, where all of it is one name that
/// the error's path would go through; about 50 times that for a [`Pickle`](crate::Pickle), two or three bytes of which make an object. **What it takes once it is decoded is up to its type**: an element of a `Vec<T>` or a
/// [`Value`](crate::Value) may be a byte of metadata and dozens of bytes in memory, and a frame that is copied out into many `String`s
/// takes as much for each. Strangers want a lower `metadata_bytes` and `total_bytes` than the defaults.
///
/// A message over a limit is taken off the socket frame by frame, each frame released at once, and reported as an error
/// of kind [`Limits`](crate::ErrorKind::Limits); the next message is untouched. What these limits cannot do: libzmq
/// buffers a whole message before it hands over the first frame. Bound that with `ZMQ_MAXMSGSIZE` (bytes per frame)
/// and `ZMQ_RCVHWM` (messages) on sockets that strangers can reach.
///
/// | limit | default | |
/// |---|---|---|
/// | [`frames`](Self::frames) | 65 536 | buffer frames of one message |
/// | [`metadata_bytes`](Self::metadata_bytes) | 64 MiB | length of the metadata frame |
/// | [`total_bytes`](Self::total_bytes) | 16 GiB | all frames of one message together, a topic included |
/// | [`depth`](Self::depth) | 64 | nested arrays and maps in the metadata |
/// | [`decompressed_bytes`](Self::decompressed_bytes) | 4 GiB | all compressed buffers of one message, decompressed |
///
/// # Examples
///
/// ```
/// use outband::{Buffer, Encode, Decode, Limits, MsgPack};
///
/// let strict = MsgPack::new().limits(Limits::new().total_bytes(1 << 20));
/// let message = MsgPack::new().encode(&Buffer::from_vec(vec![0_u8; 2 << 20]))?;
/// let error = Decode::<Buffer>::decode(&strict, message).unwrap_err();
/// assert!(error.is_limit());
/// # Ok::<(), outband::Error>(())
/// ```
///
/// Limits are a codec as well, for who forwards or stores what comes: it leaves messages undecoded.
///
/// ```
/// use outband::{Limits, Multipart, SocketExt};
///
/// let context = zmq::Context::new();
/// let (router, dealer) = (context.socket(zmq::ROUTER)?, context.socket(zmq::DEALER)?);
/// router.bind("inproc://limited")?;
/// dealer.connect("inproc://limited")?;
///
/// dealer.send_obj("as it is")?;
/// let (peer, message): (_, Multipart) = router.recv_with_from(&Limits::new().total_bytes(1000))?;
/// router.send_message_to(&peer, message)?;
/// assert_eq!(dealer.recv_obj::<String>()?, "as it is");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    frames: usize,
    metadata_bytes: usize,
    total_bytes: u64,
    depth: usize,
    decompressed_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

impl Limits {
    /// The deepest nesting that [`depth`](Self::depth) accepts: decoding recurses once per level.
    ///
    /// The default of 64 levels fits a stack of 512 KiB even in a debug build; 128 levels take up to 1 MiB there.
    pub const MAX_DEPTH: usize = 128;

    /// The defaults.
    pub const fn new() -> Self {
        Self {
            frames: 1 << 16,
            metadata_bytes: 64 << 20,
            total_bytes: 16 << 30,
            depth: 64,
            decompressed_bytes: 4 << 30,
        }
    }

    /// The most buffer frames in one message.
    pub const fn frames(mut self, frames: usize) -> Self {
        self.frames = frames;
        self
    }

    /// The longest metadata frame, in bytes.
    pub const fn metadata_bytes(mut self, bytes: usize) -> Self {
        self.metadata_bytes = bytes;
        self
    }

    /// The most bytes in all frames of one message together.
    pub const fn total_bytes(mut self, bytes: u64) -> Self {
        self.total_bytes = bytes;
        self
    }

    /// The deepest nesting of arrays and maps in the metadata, at most [`MAX_DEPTH`](Self::MAX_DEPTH).
    pub const fn depth(mut self, depth: usize) -> Self {
        self.depth = if depth > Self::MAX_DEPTH { Self::MAX_DEPTH } else { depth };
        self
    }

    /// The most bytes that the compressed buffers of one message may have together when they are decompressed.
    pub const fn decompressed_bytes(mut self, bytes: u64) -> Self {
        self.decompressed_bytes = bytes;
        self
    }

    pub(crate) const fn max_depth(&self) -> usize {
        self.depth
    }

    pub(crate) const fn max_metadata(&self) -> usize {
        self.metadata_bytes
    }

    pub(crate) const fn max_total(&self) -> u64 {
        self.total_bytes
    }

    #[cfg(feature = "zlib")]
    pub(crate) const fn max_decompressed(&self) -> u64 {
        self.decompressed_bytes
    }

    #[inline]
    pub(crate) fn check_metadata(&self, len: u64) -> Result<()> {
        if len > self.metadata_bytes as u64 {
            return Err(Detail::MetadataTooLong { len, limit: self.metadata_bytes }.into());
        }
        self.check_total(len)
    }

    #[inline]
    pub(crate) fn check_frames(&self, frames: u64) -> Result<()> {
        if frames > self.frames as u64 {
            return Err(Detail::TooManyFrames { limit: self.frames }.into());
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn check_decompressed(&self, len: u64) -> Result<()> {
        if len > self.decompressed_bytes {
            return Err(Detail::DecompressedTooLong { len, limit: self.decompressed_bytes }.into());
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn check_total(&self, len: u64) -> Result<()> {
        if len > self.total_bytes {
            return Err(Detail::MessageTooLong { len, limit: self.total_bytes }.into());
        }
        Ok(())
    }
}
