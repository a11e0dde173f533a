//! Codecs: values to messages and back.
//!
//! This floor knows serde, MessagePack and [`Multipart`]. It refuses to know sockets, clocks and threads: a codec is a
//! function of its input.

mod container;
mod headed;
mod json;
mod likeness;
mod mismatch;
mod msgpack;
mod pickle;
mod place;
#[cfg(feature = "protobuf")]
mod protobuf;
pub mod serde_buffer;
pub mod serde_map;
mod sizes;
mod unserializable;
#[cfg(feature = "zlib")]
mod zipped;

pub use headed::HeadedArray;
pub use json::Json;
pub use msgpack::{MsgPack, from_multipart, from_multipart_ref, to_multipart};
pub use pickle::Pickle;
pub use place::{BufferInfo, Placement};
#[cfg(feature = "protobuf")]
pub use protobuf::Protobuf;
pub use sizes::BufferSizes;
#[cfg(feature = "zlib")]
pub use zipped::Zipped;

use crate::buffer::Buffer;
use crate::error::Result;
use crate::limits::Limits;
use crate::multipart::Multipart;

/// Messages as they are: what a socket of any kind receives with [`recv_with`](crate::SocketExt::recv_with) and its kin, undecoded
/// and within these limits.
impl Decode<Multipart> for Limits {
    fn decode(&self, message: Multipart) -> Result<Multipart> {
        check_sizes(self, message.metadata().len() as u64, message.buffers())?;
        Ok(message)
    }

    fn limits(&self) -> Limits {
        *self
    }
}

/// Refuses a message of this much metadata and these buffers where it is over a limit.
fn check_sizes(limits: &Limits, metadata: u64, buffers: &[Buffer]) -> Result<()> {
    let total = buffers.iter().fold(metadata, |sum, buffer| sum.saturating_add(buffer.len() as u64));
    limits.check_metadata(metadata)?;
    limits.check_frames(buffers.len() as u64)?;
    limits.check_total(total)
}

/// Turns values into messages.
///
/// # Examples
///
/// A codec of one's own for plain text:
///
/// ```
/// use outband::{Encode, Multipart, Result};
///
/// struct Text;
///
/// impl Encode<str> for Text {
///     fn encode(&self, value: &str) -> Result<Multipart> {
///         Ok(Multipart::new(value.as_bytes().to_vec(), vec![]))
///     }
/// }
///
/// assert_eq!(&Text.encode("hi")?.metadata()[..], b"hi");
/// # Ok::<(), outband::Error>(())
/// ```
pub trait Encode<T: ?Sized> {
    /// Encodes one value.
    ///
    /// # Errors
    ///
    /// Kind `Caller` when the value does not serialize; kind `Limits` when no receiver would accept it.
    fn encode(&self, value: &T) -> Result<Multipart>;

    /// Encodes one value with its metadata appended to memory that the caller reuses; returns the buffers.
    ///
    /// Sockets call this. The default calls [`encode`](Self::encode) and copies the metadata.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode).
    fn encode_into(&self, value: &T, metadata: &mut Vec<u8>) -> Result<Vec<Buffer>> {
        let (encoded, buffers) = self.encode(value)?.into_parts();
        metadata.extend_from_slice(&encoded);
        Ok(buffers)
    }

    /// Encodes one value with as many of its buffers in the metadata as the codec can put there.
    ///
    /// For those who have one frame only, such as the codec `Zipped`. The default calls
    /// [`encode`](Self::encode).
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode).
    fn encode_in_band(&self, value: &T) -> Result<Multipart> {
        self.encode(value)
    }
}

/// Turns messages into values.
pub trait Decode<T> {
    /// Decodes one message.
    ///
    /// # Errors
    ///
    /// Kind `Peer` when the message is not well-formed or not a `T`; kind `Limits`.
    fn decode(&self, message: Multipart) -> Result<T>;

    /// What a socket accepts before it hands a message to [`decode`](Self::decode).
    fn limits(&self) -> Limits {
        Limits::default()
    }

    /// Decodes a message whose metadata lies where only this call may look: in a received frame, for one.
    ///
    /// Sockets call this for messages with short metadata. The default copies the metadata and calls [`decode`](Self::decode).
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode).
    fn decode_parts(&self, metadata: &[u8], buffers: Vec<Buffer>) -> Result<T> {
        self.decode(Multipart::new(metadata.to_vec(), buffers))
    }

    /// Decodes a message that is one frame and no buffers, where it lies.
    ///
    /// Sockets call this for small messages, and leave it to look at the [`limits`](Self::limits). The default does, copies the frame and calls
    /// [`decode`](Self::decode).
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode).
    fn decode_frame(&self, metadata: &[u8]) -> Result<T> {
        self.limits().check_metadata(metadata.len() as u64)?;
        self.decode(Multipart::new(metadata.to_vec(), Vec::new()))
    }
}
