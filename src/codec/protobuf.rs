//! `Protobuf`: any `prost::Message`.

use prost::Message;

use super::{Decode, Encode};
use crate::buffer::Buffer;
use crate::error::{Detail, Error, Result, excerpt};
use crate::limits::Limits;
use crate::multipart::Multipart;
use crate::scratch;

/// Protocol Buffers in one frame: any [`prost::Message`], as `SerializeToString()` and `ParseFromString()` have it in Python.
///
/// The frame is the encoded message (<https://protobuf.dev/programming-guides/encoding/>), with nothing before or after
/// it. A message with all its fields at their defaults has no bytes, and is an empty frame.
///
/// **Arriving**, a `bytes` field of type `bytes::Bytes` points into the received frame, which was longer than 8 KiB; it keeps the
/// whole frame alive. A shorter frame may lie in libzmq's receive arena, and its fields are copied out. Fields of type
/// `Vec<u8>` and `String` are copied in any case. **Leaving**, everything is copied once, into the frame: that is what the
/// format is. An array of many megabytes is better off as a [`Buffer`] with [`MsgPack`](crate::MsgPack). None of this
/// counts as [copied bytes](crate::memory::copied_bytes), as no metadata frame does.
///
/// Types come from prost's derive, as in the example, or from `.proto` files through `prost-build`, which needs `protoc`.
/// Choose `Bytes` there with `Config::bytes`.
///
/// **Limits**: the length of the frame is [`Limits::metadata_bytes`], 64 MiB by default. Messages nest at most 100 deep, which
/// is prost's limit and Protocol Buffers' own, and reported as kind `Limits`; [`Limits::depth`] has no say, because without the schema a nested message cannot
/// be told from bytes. Encoding does not check the depth.
///
/// # Examples
///
/// ```
/// use bytes::Bytes;
/// use outband::{Decode, Encode, Protobuf};
///
/// #[derive(Clone, PartialEq, prost::Message)]
/// struct Image {
///     #[prost(string, tag = "1")]
///     camera: String,
///     #[prost(bytes = "bytes", tag = "2")]
///     pixels: Bytes,
/// }
///
/// let image = Image { camera: "north".into(), pixels: vec![7; 1 << 20].into() };
/// let message = Protobuf::new().encode(&image)?;
/// let frame = message.metadata().clone();
///
/// let back: Image = Protobuf::new().decode(message)?;
/// assert_eq!(back, image);
/// assert!(frame.as_ptr_range().contains(&back.pixels.as_ptr())); // the very frame
/// # Ok::<(), outband::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Protobuf {
    limits: Limits,
}

impl Protobuf {
    /// The codec with its defaults.
    pub const fn new() -> Self {
        Self { limits: Limits::new() }
    }

    /// Sets what a message may cost. Encoding keeps to it as well.
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

impl<M: Message> Encode<M> for Protobuf {
    fn encode(&self, value: &M) -> Result<Multipart> {
        scratch::with(|bytes| {
            let none = self.encode_into(value, bytes)?;
            Ok(Multipart::new(scratch::freeze(bytes), none))
        })
    }

    fn encode_into(&self, value: &M, metadata: &mut Vec<u8>) -> Result<Vec<Buffer>> {
        self.limits.check_metadata(value.encoded_len() as u64)?;
        value.encode(metadata).map_err(|error| Detail::Unserializable { reason: error.to_string() })?;
        Ok(Vec::new())
    }
}

impl<M: Message + Default> Decode<M> for Protobuf {
    fn decode(&self, message: Multipart) -> Result<M> {
        let (metadata, buffers) = message.into_parts();
        if !buffers.is_empty() {
            let reason = format!("{} more frames follow the first, and a protocol buffer is one", buffers.len());
            return Err(Detail::NotProtobuf { reason }.into());
        }
        self.limits.check_metadata(metadata.len() as u64)?;
        M::decode(metadata).map_err(|error| malformed(&error))
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn decode_frame(&self, metadata: &[u8]) -> Result<M> {
        self.limits.check_metadata(metadata.len() as u64)?;
        M::decode(metadata).map_err(|error| malformed(&error))
    }
}

/// prost's own limit of nested messages (`RECURSION_LIMIT`), which it does not publish.
const MAX_DEPTH: usize = 100;

/// What prost says, in our words: the reason first, then where, from the outside in.
///
/// prost's text is `failed to decode Protobuf message: Inner.field: Outer.field: reason`.
#[cold]
fn malformed(error: &prost::DecodeError) -> Error {
    let text = error.to_string();
    let mut reason = text.strip_prefix("failed to decode Protobuf message: ").unwrap_or(&text);
    let mut path = Vec::new();
    while let Some((place, rest)) = reason.split_once(": ") {
        let Some((message, field)) = place.split_once('.').filter(|_| !place.contains(' ')) else { break };
        path.push((message, field));
        reason = rest;
    }
    if reason == "recursion limit reached" {
        return Detail::ProtobufTooDeep { limit: MAX_DEPTH }.into();
    }
    let mut place = path.last().map_or(String::new(), |(message, _)| format!(" at {message}"));
    for (_, field) in path.iter().rev() {
        place.extend([".", field]);
    }
    Detail::NotProtobuf { reason: excerpt(format_args!("{reason}{place}")) }.into()
}
