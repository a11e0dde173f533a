//! `Buffer`: immutable bytes of any owner, shared by reference counting.

pub(crate) mod slot;
pub(crate) mod spare;

use std::fmt;
use std::io;
use std::ops::{Deref, RangeBounds};
use std::sync::Arc;

use bytes::Bytes;
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::element::{self, Element};
use crate::error::Result;
use crate::frame::{self, Shared};
use crate::{handoff, memory};

/// Immutable, reference-counted bytes of any owner: one out-of-band frame of a message.
///
/// Cloning and slicing never copy. Inside this crate's codecs a buffer leaves and arrives as a frame of its own; in any
/// other serializer (JSON, TOML, postcard ...) it is plain bytes.
///
/// | from | into | |
/// |---|---|---|
/// | `Vec<T>`, `Arc<[T]>`, `bytes::Bytes`, `zmq::Message`, any owner | `Buffer` | without copying |
/// | `Buffer` | `bytes::Bytes`, `zmq::Message` | without copying |
/// | `Buffer` | `&[T]` ([`try_cast`](Self::try_cast)) | without copying, or an error |
///
/// # Examples
///
/// ```
/// use outband::Buffer;
///
/// let samples = Buffer::from_vec(vec![1.0_f64, 2.0, 3.0]);
/// assert_eq!(samples.len(), 24);
/// assert_eq!(samples.try_cast::<f64>()?, [1.0, 2.0, 3.0]);
///
/// let tail = samples.slice(16..);
/// assert_eq!(tail.as_ptr(), samples[16..].as_ptr()); // no copy
/// # Ok::<(), outband::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Buffer(Shared);

impl Buffer {
    /// An empty buffer.
    pub const fn new() -> Self {
        Self(Shared::new())
    }

    /// Takes a vector of plain elements **without copying**, whatever its spare capacity.
    ///
    /// The bytes are the elements in order, each little-endian.
    pub fn from_vec<T: Element>(elements: Vec<T>) -> Self {
        Self::from_owner(Elements(elements))
    }

    /// Shares a slice of plain elements **without copying**: whoever else holds it keeps reading it.
    ///
    /// The bytes are the elements in order, each little-endian.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// let samples: Arc<[f64]> = Arc::from([0.5, 1.5]);
    /// let buffer = outband::Buffer::from_arc(samples.clone());
    /// assert_eq!(buffer.try_cast::<f64>()?.as_ptr(), samples.as_ptr());
    /// # Ok::<(), outband::Error>(())
    /// ```
    pub fn from_arc<T: Element>(elements: Arc<[T]>) -> Self {
        Self::from_owner(Elements(elements))
    }

    /// Takes memory of any owner **without copying**: an mmap, an `Arc<[u8]>`, a type of your own.
    ///
    /// `as_ref` is called once. The owner is dropped exactly once, when the last clone and the last frame made of it
    /// are gone, on whatever thread that happens: often one of libzmq's I/O threads, so its `Drop` should be short and
    /// should not block. A panic in it is swallowed there.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// let shared: Arc<[u8]> = Arc::from([1, 2, 3]);
    /// let buffer = outband::Buffer::from_owner(shared.clone());
    /// assert_eq!(buffer.as_ptr(), shared.as_ptr());
    /// ```
    pub fn from_owner<O: AsRef<[u8]> + Send + 'static>(owner: O) -> Self {
        Self(Shared::from_owner(owner))
    }

    /// An empty buffer that lies where no other does: two of them are two frames.
    pub(crate) fn apart() -> Self {
        struct Spot([u8; 1]);
        impl AsRef<[u8]> for Spot {
            fn as_ref(&self) -> &[u8] {
                &self.0[..0]
            }
        }
        Self::from_owner(Spot([0]))
    }

    /// **Copies** a slice.
    pub fn copy_from_slice(bytes: &[u8]) -> Self {
        memory::count_copy(bytes.len());
        Self(Shared::copied(bytes))
    }

    /// The length in bytes.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes.
    pub const fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    /// The bytes, without copying.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// A part of the buffer **without copying**; both keep the owner alive, but for a part without bytes, which keeps nobody.
    ///
    /// # Panics
    ///
    /// When the range reaches past the end, as slicing does.
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Self {
        Self(self.0.slice(range))
    }

    /// The bytes as elements **without copying**.
    ///
    /// A received frame of more than 8 KiB lies at 8 modulo 16 (glibc), so elements aligned to 8 bytes or less can
    /// be borrowed from it; for anything stricter there is [`to_aligned`](Self::to_aligned).
    ///
    /// # Errors
    ///
    /// Kind `Caller` when the length is no multiple of the element's size, or the buffer is not aligned for it.
    pub fn try_cast<T: Element>(&self) -> Result<&[T]> {
        element::try_cast(&self.0)
    }

    /// The buffer itself when it lies at a multiple of `align` bytes, else one **counted copy** that does.
    ///
    /// # Panics
    ///
    /// When `align` is not a power of two, or more than 2 MiB, which is a huge page and the most that anything asks for.
    ///
    /// # Examples
    ///
    /// ```
    /// use outband::Buffer;
    ///
    /// let odd = Buffer::from_vec(vec![0_u64; 4]).slice(1..17);
    /// assert!(odd.try_cast::<u64>().is_err());
    /// assert_eq!(odd.to_aligned(64).try_cast::<u64>()?, [0, 0]);
    /// # Ok::<(), outband::Error>(())
    /// ```
    pub fn to_aligned(&self, align: usize) -> Self {
        const MOST: usize = 2 << 20;
        assert!(align.is_power_of_two(), "an alignment is a power of two, and {align} is not");
        assert!(align <= MOST, "an alignment of {align} is more than the most, {MOST}");
        if self.as_ptr().addr().is_multiple_of(align) {
            return self.clone();
        }
        memory::count_copy(self.len());
        let mut block: Vec<u8> = Vec::with_capacity(self.len() + align - 1);
        let skip = block.as_ptr().align_offset(align);
        block.resize(skip, 0);
        block.extend_from_slice(self);
        Self::from(block).slice(skip..)
    }

    /// Writes all bytes to a file, a `Vec`, a `TcpStream` or any other [`io::Write`].
    ///
    /// # Errors
    ///
    /// Whatever the writer returns.
    pub fn write_to<W: io::Write + ?Sized>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(&self.0)
    }

    /// The owner of the bytes, if it is of this type.
    pub(crate) fn owner<O: Sync + 'static>(&self) -> Option<&O> {
        self.0.owner()
    }

    pub(crate) fn as_shared(&self) -> &Shared {
        &self.0
    }

    pub(crate) fn from_shared(shared: Shared) -> Self {
        Self(shared)
    }
}

/// A vector or an `Arc` of elements as an owner of bytes.
struct Elements<O>(O);

impl<T: Element, O: Deref<Target = [T]>> AsRef<[u8]> for Elements<O> {
    fn as_ref(&self) -> &[u8] {
        element::as_bytes(&self.0)
    }
}

impl Deref for Buffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Without copying.
impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from_owner(bytes)
    }
}

/// Without copying.
impl From<Bytes> for Buffer {
    fn from(bytes: Bytes) -> Self {
        Self(Shared::from(bytes))
    }
}

/// Without copying, wherever the message lies: one that was received and is shorter than 8 KiB may keep libzmq's
/// receive arena alive, which is why [`SocketExt`](crate::SocketExt) copies those out.
impl From<zmq::Message> for Buffer {
    fn from(message: zmq::Message) -> Self {
        Self(frame::share(message))
    }
}

/// Without copying.
impl From<Buffer> for Bytes {
    fn from(buffer: Buffer) -> Self {
        buffer.0.into_bytes()
    }
}

/// Without copying: libzmq lets go of the owner when the frame is sent or dropped.
///
/// **Do not write to such a message.** `zmq::Message` lends its bytes for writing (`DerefMut`), and these are the buffer's, which others
/// may be reading. Over inproc a raw receive (`recv_msg`) gives this very memory to the other end, where the same holds: it is the sender's
/// buffer, or what a feed's publisher has in its cache.
impl From<Buffer> for zmq::Message {
    fn from(buffer: Buffer) -> Self {
        frame::lend(buffer.0, None)
    }
}

impl PartialEq for Buffer {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

impl Eq for Buffer {}

/// Prints the length, never the bytes.
impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} bytes)", self.len())
    }
}

impl Serialize for Buffer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(handoff::BUFFER, &Payload(self))
    }
}

/// What stands inside the newtype: the buffer itself for a codec that asks for it, bytes for any other serializer.
struct Payload<'a>(&'a Buffer);

impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match handoff::offer(self.0) {
            true => serializer.serialize_unit(),
            false => serializer.serialize_bytes(self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Buffer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(handoff::BUFFER, PayloadVisitor)
    }
}

struct PayloadVisitor;

impl<'de> Visitor<'de> for PayloadVisitor {
    type Value = Buffer;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a buffer")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Buffer, D::Error> {
        deserializer.deserialize_byte_buf(self)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Buffer, E> {
        handoff::arrived().ok_or_else(|| E::invalid_type(de::Unexpected::Unit, &self))
    }

    fn visit_borrowed_bytes<E: de::Error>(self, bytes: &'de [u8]) -> Result<Buffer, E> {
        match handoff::owner_of(bytes) {
            Some(owner) => Ok(owner),
            None => Ok(Buffer::copy_from_slice(bytes)),
        }
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Buffer, E> {
        Ok(handoff::owner_of(bytes).unwrap_or_else(|| Buffer::copy_from_slice(bytes)))
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Buffer, E> {
        Ok(Buffer::from(bytes))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Buffer, E> {
        self.visit_bytes(text.as_bytes())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Buffer, A::Error> {
        let mut bytes = Vec::with_capacity(sequence.size_hint().unwrap_or(0).min(4096));
        while let Some(byte) = sequence.next_element::<u8>()? {
            bytes.push(byte);
        }
        Ok(Buffer::from(bytes))
    }
}
