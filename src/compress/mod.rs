//! Compression of single buffers: which format, when it pays, and decompression within a length that is known before.
//!
//! This room knows formats and bytes. It refuses to know messages: which buffer is compressed is the codec's decision, and
//! the reference in the metadata says how.

use crate::error::{Detail, Result};
use crate::reference::{Encoding, Packed};

/// How buffers are compressed: a format, a level, and whether a sample decides.
///
/// Given to a codec ([`MsgPack::compression`](crate::MsgPack::compression)) or for one buffer by the placement callback
/// ([`Placement::Compressed`](crate::Placement::Compressed)). A buffer that would not get shorter travels as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Compression {
    format: Option<Encoding>,
}

impl Compression {
    /// The best of what this program was built with, where it pays.
    pub const fn auto() -> Self {
        Self { format: None }
    }

    /// Compresses a buffer of elements of `item` bytes each; `None` where it would not pay.
    ///
    /// # Errors
    ///
    /// What went wrong in the compressor.
    pub(crate) fn pack(self, _bytes: &[u8], _item: usize) -> Result<Option<(Vec<u8>, Packed)>, String> {
        let _ = self.format;
        Ok(None)
    }
}

/// Decompresses the frame at index `frame` to exactly the length that its reference says, which is within the limits.
///
/// # Errors
///
/// Kind `Peer` when it does not decompress to that; kind `Caller` when its format was not compiled in.
pub(crate) fn unpack(frame: usize, _stored: &[u8], packed: Packed) -> Result<Vec<u8>> {
    let encoding = packed.encoding.name();
    Err(Detail::NotCompiledIn { frame, encoding, feature: encoding }.into())
}
