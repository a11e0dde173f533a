//! `MsgPack`: the default codec.

mod access;
mod again;
mod bytes;
mod compound;
mod frames;
mod read;
mod scan;
mod serialize;
mod verify;
mod write;

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use ::bytes::Bytes;
use serde::Serialize;
use serde::de::{Deserialize, DeserializeOwned};

use super::mismatch;
use super::place::{BufferInfo, Placement, Policy};
use super::{Decode, Encode, check_sizes};
use crate::buffer::{Buffer, spare};
use crate::compress::Compression;
use crate::error::{Detail, Result};
use crate::frame::RECEIVE_ARENA;
use crate::handoff::{self, Owners, Places};
use crate::limits::Limits;
use crate::multipart::Multipart;
use crate::scratch;
use read::{MOST_UNCHECKED, Reader};
pub(super) use verify::references;
use verify::verify;
use write::Writer;

/// The default codec: any serde type, metadata in MessagePack, buffers out of band.
///
/// **On the wire** the metadata frame is exactly one MessagePack value that any MessagePack reader reads: structs are maps
/// with field names, enum variants are a name or a map of one entry. An out-of-band buffer stands in it as an extension
/// value of type 0x42; an in-band buffer is plain `bin`. The whole format is in
/// [`docs::wire`](crate::docs::wire), and what some types cannot be within flattened, untagged and internally tagged ones.
///
/// **Buffers are found at any depth**: in options, vectors, maps, enums, tuples, generics, and in flattened, untagged and
/// internally tagged types. One buffer used n times is one frame. (One combination copies: a struct or tuple variant of a
/// *flattened* enum, whose fields serde serializes into a store of its own first. The copy is
/// [counted](crate::memory::copied_bytes).)
///
/// **What is checked before a value is built**: that the metadata is one well-formed value within the [`Limits`], that
/// every reference names a frame of the announced length and content sample, and that every frame is referenced. (In a
/// message of up to 8 KiB of metadata and 64 buffers, while it is built.)
///
/// # Examples
///
/// ```
/// use outband::{Buffer, Decode, Encode, MsgPack, Placement};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Scan { station: String, rows: Vec<Buffer> }
///
/// let scan = Scan { station: "north".into(), rows: vec![Buffer::from_vec(vec![1_f64; 5000]); 3] };
///
/// let message = MsgPack::new().encode(&scan)?;
/// assert_eq!(message.buffers().len(), 1); // the same buffer three times: one frame
///
/// // every second buffer stays in band
/// let alternate = MsgPack::new().placement(|buffer| match buffer.index() % 2 {
///     0 => Placement::OutOfBand,
///     _ => Placement::InBand,
/// });
/// let message = alternate.encode(&scan)?;
/// assert!(message.metadata().len() > 40_000);
///
/// let back: Scan = alternate.decode(message)?;
/// assert_eq!(back.rows, scan.rows);
/// # Ok::<(), outband::Error>(())
/// ```
#[derive(Clone)]
pub struct MsgPack {
    policy: Policy,
    limits: Limits,
}

impl Default for MsgPack {
    fn default() -> Self {
        Self::new()
    }
}

impl MsgPack {
    /// From how many bytes on a buffer gets a frame of its own: longer than the longest frame that can lie in libzmq's
    /// receive arena, so that an out-of-band buffer is never copied at either end, and about where copying into the
    /// metadata begins to cost more than a frame (`cargo bench --bench threshold`).
    pub const OUT_OF_BAND_FROM: usize = crate::frame::RECEIVE_ARENA + 1;

    /// The codec with its defaults.
    pub const fn new() -> Self {
        Self { policy: Policy::new(Self::OUT_OF_BAND_FROM), limits: Limits::new() }
    }

    /// The codec for what is decoded here at once: buffers that came compressed are not compressed again.
    pub(crate) fn in_process() -> Self {
        let codec = Self::new();
        Self { policy: Policy { passes_on: false, ..codec.policy }, ..codec }
    }

    /// Sets from how many bytes on a buffer gets a frame of its own; 0 for all, `usize::MAX` for none.
    pub fn out_of_band_from(mut self, len: usize) -> Self {
        self.policy.out_of_band_from = len;
        self
    }

    /// Compresses the buffers that get a frame of their own, each where it pays; anew also those of a [`Value`](crate::Value) that came compressed.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.policy.compression = Some(compression);
        self
    }

    /// Decides for each buffer where it goes. Called once per buffer, in order of serialization.
    pub fn placement(mut self, decide: impl Fn(&BufferInfo) -> Placement + Send + Sync + 'static) -> Self {
        self.policy.callback = Some(Arc::new(decide));
        self
    }

    /// Sets what a message may cost. Encoding keeps to them as well, so that nothing is sent that a receiver with the
    /// same limits refuses.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Decodes **without copying**: `&'de [u8]` and `&'de str` fields point into the frames, `Cow` borrows where
    /// `#[serde(borrow)]` says so, and [`Buffer`] fields share them.
    ///
    /// # Errors
    ///
    /// As [`Decode::decode`].
    ///
    /// # Examples
    ///
    /// ```
    /// use outband::{Buffer, Encode, MsgPack};
    ///
    /// let message = MsgPack::new().encode(&("label", Buffer::from_vec(vec![9_u8; 50_000])))?;
    /// let (label, pixels): (&str, &[u8]) = MsgPack::new().decode_ref(&message)?;
    /// assert_eq!(label, "label");
    /// assert_eq!(pixels.as_ptr(), message.buffers()[0].as_ptr());
    /// # Ok::<(), outband::Error>(())
    /// ```
    pub fn decode_ref<'de, T: Deserialize<'de>>(&self, message: &'de Multipart) -> Result<T> {
        if let Some((frame, packed)) = verify(message.metadata(), message.buffers(), &self.limits)?.first() {
            return Err(Detail::NothingToBorrow { frame, encoding: packed.encoding.name() }.into());
        }
        self.build_shared(message)
    }

    /// Decodes a part of the metadata and leaves the frames alone: to route or log a message that is then forwarded.
    ///
    /// `T` names the fields it wants; the others are skipped. Frames are not verified, which the receiver that decodes the
    /// whole message will do.
    ///
    /// # Errors
    ///
    /// As [`Decode::decode`].
    ///
    /// # Examples
    ///
    /// ```
    /// use outband::{Buffer, MsgPack};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize)]
    /// struct Job { queue: String, image: Buffer }
    /// #[derive(Deserialize)]
    /// struct Route<'a> { queue: &'a str }
    ///
    /// let message = outband::to_multipart(&Job { queue: "gpu".into(), image: vec![0; 1 << 20].into() })?;
    /// assert_eq!(MsgPack::new().peek::<Route>(&message)?.queue, "gpu");
    /// # Ok::<(), outband::Error>(())
    /// ```
    pub fn peek<'de, T: Deserialize<'de>>(&self, message: &'de Multipart) -> Result<T> {
        self.limits.check_metadata(message.metadata().len() as u64)?;
        scan::check(message.metadata(), self.limits.max_depth())?;
        self.build_shared(message)
    }

    /// Checks a message and builds its value in one pass, as what is received nearly always is as it has to be.
    fn decode_short<T: DeserializeOwned>(&self, metadata: &[u8], shared: &Rc<(Bytes, Vec<Buffer>)>) -> Result<T> {
        let frames = &shared.1;
        check_sizes(&self.limits, metadata.len() as u64, frames)?;
        let mut reader = Reader::unchecked(metadata, frames, self.limits.max_depth());
        let owners = Owners::with_places(shared.clone(), self.limits.max_total());
        match handoff::with_owners(owners, || T::deserialize(&mut reader)) {
            Ok(value) if reader.is_whole() && !metadata.is_empty() => Ok(value),
            // a `Deserialize` that left something, or made do with an error
            Ok(value) if verify(metadata, frames, &self.limits)?.is_empty() => Ok(value),
            // what is wrong with the message comes before what is wrong with its type
            _ => self.decode_checked(metadata, shared.0.clone(), frames.clone()),
        }
    }

    /// Checks a message, and then builds its value. `shared` is the metadata as well, or empty where it cannot be shared.
    #[inline(never)]
    fn decode_checked<T: DeserializeOwned>(
        &self,
        metadata: &[u8],
        shared: Bytes,
        mut frames: Vec<Buffer>,
    ) -> Result<T> {
        let packing = verify(metadata, &frames, &self.limits)?;
        let keepers = packing.unpack(&mut frames)?;
        let shared = Rc::new((shared, frames));
        // what was decompressed has a limit of its own, and may be copied out as well
        let credit = self.limits.max_total().saturating_add(packing.raw_len());
        let owners = Owners::with_places(shared.clone(), credit).with_keepers(keepers);
        handoff::with_owners(owners, || self.build(metadata, &shared.1, Frames::Unpacked))
    }

    /// Builds the value of a message, which shares the message's frames.
    fn build_shared<'de, T: Deserialize<'de>>(&self, message: &'de Multipart) -> Result<T> {
        let shared = Rc::new(message.clone().into_parts());
        let owners = Owners::with_places(shared, self.limits.max_total());
        handoff::with_owners(owners, || self.build(message.metadata(), message.buffers(), Frames::AsSent))
    }

    fn build<'de, T: Deserialize<'de>>(&self, metadata: &'de [u8], frames: &'de [Buffer], state: Frames) -> Result<T> {
        let mut reader = Reader::new(metadata, frames, self.limits.max_depth());
        reader.as_sent = state == Frames::AsSent;
        T::deserialize(&mut reader).or_else(|mismatch| {
            again::check_overdrawn()?;
            // what the first value had is gone
            handoff::start_over();
            again::build(metadata, frames, state, self.limits.max_depth(), mismatch)
        })
    }
}

/// What the frames of a message are that is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Frames {
    /// The frames, of which some may be compressed.
    AsSent,
    /// The buffers.
    Unpacked,
}

impl<T: Serialize + ?Sized> Encode<T> for MsgPack {
    fn encode(&self, value: &T) -> Result<Multipart> {
        scratch::with(|metadata| {
            let frames = self.encode_into(value, metadata)?;
            Ok(Multipart::new(scratch::freeze(metadata), frames))
        })
    }

    fn encode_into(&self, value: &T, metadata: &mut Vec<u8>) -> Result<Vec<Buffer>> {
        let start = metadata.len();
        let mut writer = Writer::new(metadata, &self.policy, &self.limits);
        // which message a table is in matters to it
        #[cfg(feature = "arrow")]
        let serialized = handoff::in_message(|| value.serialize(&mut writer));
        #[cfg(not(feature = "arrow"))]
        let serialized = value.serialize(&mut writer);
        serialized.map_err(|error| match writer.wanted {
            None => error.into_error(&self.limits),
            Some(wanted) => {
                Detail::MetadataTooLong { len: (wanted - start) as u64, limit: self.limits.max_metadata() }.into()
            }
        })?;
        let raw_len = writer.placed.raw_len();
        let frames = writer.take_frames();
        check_sizes(&self.limits, (metadata.len() - start) as u64, &frames)?;
        self.limits.check_decompressed(raw_len)?;
        Ok(frames)
    }

    fn encode_in_band(&self, value: &T) -> Result<Multipart> {
        Self::new().placement(|_| Placement::InBand).limits(self.limits).encode(value)
    }
}

impl<T: DeserializeOwned> Decode<T> for MsgPack {
    fn decode(&self, message: Multipart) -> Result<T> {
        let (metadata, frames) = message.into_parts();
        if is_short(&metadata, &frames) {
            let shared = Rc::new((metadata, frames));
            self.decode_short(&shared.0, &shared)
        } else {
            self.decode_checked(&metadata, metadata.clone(), frames)
        }
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn decode_frame(&self, metadata: &[u8]) -> Result<T> {
        self.limits.check_metadata(metadata.len() as u64)?;
        // there are no frames to share, and in-band buffers are copied out
        handoff::without_frames(Places::Matter, || {
            let mut reader = Reader::unchecked(metadata, &[], self.limits.max_depth());
            match T::deserialize(&mut reader) {
                Ok(value) if reader.is_whole() && !metadata.is_empty() => Ok(value),
                // what is wrong with the message comes before what is wrong with its type
                built => {
                    verify(metadata, &[], &self.limits)?;
                    let depth = self.limits.max_depth();
                    built.or_else(|mismatch| again::build(metadata, &[], Frames::Unpacked, depth, mismatch))
                }
            }
        })
    }

    fn decode_parts(&self, metadata: &[u8], buffers: Vec<Buffer>) -> Result<T> {
        if is_short(metadata, &buffers) {
            // without the metadata, of which in-band buffers could be slices: they are copied out
            let shared = Rc::new((Bytes::new(), buffers));
            let decoded = self.decode_short(metadata, &shared);
            if shared.1.len() > 1
                && let Some((_, buffers)) = Rc::into_inner(shared)
            {
                spare::let_go(buffers);
            }
            decoded
        } else {
            self.decode_checked(metadata, Bytes::new(), buffers)
        }
    }
}

/// Whether a message is checked while its value is built: where its metadata is short, a pass of its own takes as long as that. It is
/// so short that nothing has to be known of it beforehand, whatever it says.
fn is_short(metadata: &[u8], frames: &[Buffer]) -> bool {
    metadata.len() <= RECEIVE_ARENA && frames.len() <= MOST_UNCHECKED
}

impl fmt::Debug for MsgPack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MsgPack")
            .field("out_of_band_from", &self.policy.out_of_band_from)
            .field("compression", &self.policy.compression)
            .field("placement", &self.policy.callback.as_ref().map(|_| "callback"))
            .field("limits", &self.limits)
            .finish()
    }
}

/// Encodes a value with the default codec, [`MsgPack::new`].
///
/// # Errors
///
/// As [`Encode::encode`].
pub fn to_multipart<T: Serialize + ?Sized>(value: &T) -> Result<Multipart> {
    MsgPack::new().encode(value)
}

/// Decodes a message with the default codec, [`MsgPack::new`].
///
/// # Errors
///
/// As [`Decode::decode`].
pub fn from_multipart<T: DeserializeOwned>(message: Multipart) -> Result<T> {
    MsgPack::new().decode(message)
}

/// Decodes with the default codec **without copying**: see [`MsgPack::decode_ref`].
///
/// # Errors
///
/// As [`Decode::decode`].
pub fn from_multipart_ref<'de, T: Deserialize<'de>>(message: &'de Multipart) -> Result<T> {
    MsgPack::new().decode_ref(message)
}
