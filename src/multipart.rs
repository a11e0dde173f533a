//! `Multipart`: one message, and its form in a byte stream.

use std::fmt;
use std::io::{self, Read, Write};

use bytes::Bytes;

use crate::buffer::Buffer;
use crate::error::{Detail, Error, Result};
use crate::limits::Limits;

/// One message: a metadata frame and the out-of-band buffers it refers to.
///
/// A codec's [`encode`](crate::Encode::encode) makes one, [`SocketExt::send_message`](crate::SocketExt::send_message)
/// sends it, [`recv_message`](crate::SocketExt::recv_message) receives one, and
/// [`decode`](crate::Decode::decode) turns it into a value. It can be forwarded, stored and read back without being
/// decoded. Cloning copies no payload.
///
/// ```text
///  frame 0      metadata     what the codec wrote: small, knows every buffer's frame and length
///  frame 1      buffer 0     raw bytes, never touched
///  frame 2      buffer 1     raw bytes, never touched
///  ...
/// ```
///
/// # Examples
///
/// ```
/// use outband::{Buffer, Multipart};
///
/// let message = outband::to_multipart(&("pixels", Buffer::from_vec(vec![7_u8; 100_000])))?;
/// assert_eq!(message.buffers().len(), 1);
///
/// let mut file = Vec::new();
/// message.write_to(&mut file)?;
/// let (name, pixels): (String, Buffer) = outband::from_multipart(Multipart::read_from(&mut &file[..])?)?;
/// assert_eq!((name.as_str(), pixels.len()), ("pixels", 100_000));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Multipart {
    metadata: Bytes,
    buffers: Vec<Buffer>,
}

impl Multipart {
    /// Puts a message together.
    pub fn new(metadata: impl Into<Bytes>, buffers: Vec<Buffer>) -> Self {
        Self { metadata: metadata.into(), buffers }
    }

    /// The metadata frame.
    pub fn metadata(&self) -> &Bytes {
        &self.metadata
    }

    /// The out-of-band buffers, in frame order.
    pub fn buffers(&self) -> &[Buffer] {
        &self.buffers
    }

    /// The metadata frame and the buffers.
    pub fn into_parts(self) -> (Bytes, Vec<Buffer>) {
        (self.metadata, self.buffers)
    }

    /// The length of all frames together, in bytes.
    pub fn total_len(&self) -> usize {
        self.buffers.iter().fold(self.metadata.len(), |sum, buffer| sum.saturating_add(buffer.len()))
    }

    /// Writes the whole message to a file, a `Vec`, a `TcpStream` or any other [`io::Write`].
    ///
    /// Frames are written as they lie, without copying. Messages can follow each other in one stream. The layout, all
    /// numbers little-endian, every frame padded with zeros to a multiple of 64 bytes so that frames of a mapped file
    /// are aligned:
    ///
    /// ```text
    ///   0  "outband1"
    ///   8  u64  number of buffers, n
    ///  16  u64  length of the metadata frame
    ///  24  u64  length of buffer 0
    ///  ..  u64  length of buffer n-1, then zeros up to a multiple of 64
    ///      the metadata frame, padded; buffer 0, padded; ... buffer n-1, padded
    /// ```
    ///
    /// # Errors
    ///
    /// Whatever the writer returns.
    pub fn write_to<W: Write + ?Sized>(&self, writer: &mut W) -> io::Result<()> {
        let mut header = Vec::with_capacity(padded(header_len(self.buffers.len())));
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&(self.buffers.len() as u64).to_le_bytes());
        header.extend_from_slice(&(self.metadata.len() as u64).to_le_bytes());
        for buffer in &self.buffers {
            header.extend_from_slice(&(buffer.len() as u64).to_le_bytes());
        }
        header.resize(padded(header.len()), 0);
        writer.write_all(&header)?;
        let frames = std::iter::once(&self.metadata[..]).chain(self.buffers.iter().map(|buffer| &buffer[..]));
        for frame in frames {
            writer.write_all(frame)?;
            writer.write_all(&[0; ALIGN][..padded(frame.len()) - frame.len()])?;
        }
        Ok(())
    }

    /// Reads the next message that [`write_to`](Self::write_to) wrote, within the default [`Limits`].
    ///
    /// Each frame is read once into memory of its own. To borrow from a mapped file instead, see
    /// [`read_from_buffer`](Self::read_from_buffer).
    ///
    /// # Errors
    ///
    /// Kind `Peer` when the stream holds no message here, ends within one, or is at its end
    /// ([`Error::is_end_of_stream`]); kind `Limits`; kind `Transport` for what the reader returns.
    pub fn read_from<R: Read + ?Sized>(reader: &mut R) -> Result<Self> {
        Self::read_from_within(reader, &Limits::default())
    }

    /// As [`read_from`](Self::read_from), within limits of the caller's.
    ///
    /// # Errors
    ///
    /// As [`read_from`](Self::read_from).
    pub fn read_from_within<R: Read + ?Sized>(reader: &mut R, limits: &Limits) -> Result<Self> {
        let mut fixed = [0; FIXED];
        let mut filled = 0;
        while filled < FIXED {
            match reader.read(&mut fixed[filled..]) {
                Ok(0) if filled == 0 => return Err(Detail::StreamEnded.into()),
                Ok(0) => return Err(truncated("header", FIXED - filled)),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("read a message", error)),
            }
        }
        let (count, metadata) = parse_fixed(&fixed, limits)?;
        let rest = padded(header_len(count)) - FIXED;
        let lengths = parse_lengths(&read_block(reader, rest, rest, "header")?, count, metadata, limits)?;
        let metadata = read_frame(reader, metadata, "metadata frame")?;
        let buffers = lengths.into_iter().map(|len| match len {
            0 => Ok(Buffer::apart()),
            _ => read_frame(reader, len, "buffer frame").map(Buffer::from),
        });
        let buffers = buffers.collect::<Result<_>>()?;
        Ok(Self { metadata, buffers })
    }

    /// Takes the next message off the front of a buffer that holds what [`write_to`](Self::write_to) wrote: a mapped
    /// file, for one. **Without copying**: all frames are slices of the buffer.
    ///
    /// # Errors
    ///
    /// As [`read_from`](Self::read_from); `stream` is then left as it was.
    ///
    /// # Examples
    ///
    /// ```
    /// use outband::{Buffer, Limits, Multipart};
    ///
    /// let mut file = Vec::new();
    /// Multipart::new("one", vec![]).write_to(&mut file)?;
    /// Multipart::new("two", vec![Buffer::from_vec(vec![5_u64])]).write_to(&mut file)?;
    ///
    /// let mut stream = Buffer::from(file); // or Buffer::from_owner(an mmap)
    /// let one = Multipart::read_from_buffer(&mut stream, &Limits::default())?;
    /// let two = Multipart::read_from_buffer(&mut stream, &Limits::default())?;
    /// assert_eq!((&one.metadata()[..], two.buffers()[0].as_slice()), (&b"one"[..], &5_u64.to_le_bytes()[..]));
    /// assert!(Multipart::read_from_buffer(&mut stream, &Limits::default()).unwrap_err().is_end_of_stream());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_from_buffer(stream: &mut Buffer, limits: &Limits) -> Result<Self> {
        if stream.is_empty() {
            return Err(Detail::StreamEnded.into());
        }
        let fixed = stream.first_chunk::<FIXED>().ok_or_else(|| truncated("header", FIXED - stream.len()))?;
        let (count, metadata) = parse_fixed(fixed, limits)?;
        let mut taken = padded(header_len(count));
        let header = stream.get(FIXED..taken).ok_or_else(|| truncated("header", taken - stream.len()))?;
        let lengths = parse_lengths(header, count, metadata, limits)?;
        let mut take = |len: usize, frame| {
            let start = taken;
            taken += padded(len);
            if taken > stream.len() {
                Err(truncated(frame, taken - stream.len()))
            } else {
                Ok(stream.slice(start..start + len))
            }
        };
        let metadata = take(metadata, "metadata frame")?.into();
        let buffers = lengths.into_iter().map(|len| match len {
            // at the address of the next frame, or the end of the one before
            0 => Ok(Buffer::apart()),
            _ => take(len, "buffer frame"),
        });
        let buffers = buffers.collect::<Result<_>>()?;
        *stream = stream.slice(taken..);
        Ok(Self { metadata, buffers })
    }
}

/// Prints lengths, those of the first few buffers, and never payload.
impl fmt::Debug for Multipart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        let shown = &self.buffers[..self.buffers.len().min(SHOWN)];
        write!(f, "Multipart(metadata: {} bytes, buffers: {shown:?}", self.metadata.len())?;
        match self.buffers.len() - shown.len() {
            0 => f.write_str(")"),
            more => {
                let bytes: u64 = self.buffers[SHOWN..].iter().map(|buffer| buffer.len() as u64).sum();
                write!(f, " and {more} more of {bytes} bytes)")
            }
        }
    }
}

impl Error {
    /// The message that a failed send could not send, whole and unchanged; `None` for any other error.
    ///
    /// # Examples
    ///
    /// ```
    /// use outband::{Multipart, SocketExt};
    ///
    /// let alone = zmq::Context::new().socket(zmq::PUSH)?; // no peer: nothing can be sent
    /// let error = alone.try_send_message(Multipart::new("hi", vec![])).unwrap_err();
    /// assert!(error.is_timeout());
    /// assert_eq!(error.into_message(), Some(Multipart::new("hi", vec![])));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_message(self) -> Option<Multipart> {
        self.into_payload()?.downcast().ok().map(|message| *message)
    }

    /// As [`into_message`](Self::into_message), by reference.
    pub fn message(&self) -> Option<&Multipart> {
        self.payload()?.downcast_ref()
    }
}

const MAGIC: &[u8; 8] = b"outband1";
const ALIGN: usize = 64;
/// The part of the header that is there whatever the number of buffers.
const FIXED: usize = 24;
/// The most memory that is set aside on the word of a header alone.
const TRUSTED: usize = 64 << 20;

const fn padded(len: usize) -> usize {
    len.next_multiple_of(ALIGN)
}

const fn header_len(buffers: usize) -> usize {
    FIXED + 8 * buffers
}

fn truncated(frame: &'static str, missing: usize) -> Error {
    Detail::StreamTruncated { frame, missing: missing as u64 }.into()
}

fn number(bytes: &[u8], at: usize) -> u64 {
    let bytes = bytes[at..].first_chunk().expect("invariant: the header's length was checked");
    u64::from_le_bytes(*bytes)
}

/// The number of buffers and the length of the metadata, within the limits.
fn parse_fixed(fixed: &[u8; FIXED], limits: &Limits) -> Result<(usize, usize)> {
    if fixed[..8] != *MAGIC {
        return Err(Detail::StreamHeader { reason: "it does not begin with \"outband1\"" }.into());
    }
    limits.check_frames(number(fixed, 8))?;
    limits.check_metadata(number(fixed, 16))?;
    Ok((addressable(number(fixed, 8), 2 * ALIGN)?, addressable(number(fixed, 16), 1)?))
}

/// A number of things of `size` bytes that could be in memory: whatever the limits allow, sums and paddings of such numbers
/// do not overflow.
fn addressable(number: u64, size: usize) -> Result<usize> {
    const MEMORY: usize = isize::MAX as usize / 4;
    let number = usize::try_from(number).ok().filter(|&number| number <= MEMORY / size);
    number.ok_or(Detail::StreamHeader { reason: "its header names more bytes than memory has" }.into())
}

fn parse_lengths(header: &[u8], count: usize, metadata: usize, limits: &Limits) -> Result<Vec<usize>> {
    let mut total = metadata as u64;
    let mut lengths = Vec::with_capacity(count);
    for index in 0..count {
        let len = number(header, 8 * index);
        total = total.saturating_add(len);
        limits.check_total(total)?;
        addressable(total, 1)?;
        lengths.push(len as usize);
    }
    Ok(lengths)
}

/// Reads a frame and its padding.
fn read_frame<R: Read + ?Sized>(reader: &mut R, len: usize, frame: &'static str) -> Result<Bytes> {
    Ok(Bytes::from(read_block(reader, padded(len), len, frame)?))
}

/// Reads `padded` bytes and keeps the first `len`.
fn read_block<R: Read + ?Sized>(reader: &mut R, padded: usize, len: usize, frame: &'static str) -> Result<Vec<u8>> {
    let mut block = Vec::with_capacity(padded.min(TRUSTED));
    let read =
        reader.take(padded as u64).read_to_end(&mut block).map_err(|error| Error::io("read a message", error))?;
    if read < padded {
        return Err(truncated(frame, padded - read));
    }
    block.truncate(len);
    Ok(block)
}
