//! One error for the whole crate: opaque, with a kind that says who is to blame.

mod escaped;
mod text;

use std::any::Any;
use std::error::Error as StdError;
use std::fmt::{self, Write as _};
use std::time::Duration;

pub(crate) use escaped::{Escaped, is_acting, is_plain};

/// What every fallible function of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an object could not be encoded, sent, received or decoded.
///
/// [`kind`](Error::kind) says who is to blame; the text says what and where, with the numbers in it. It is one line: names and texts of a
/// peer have escapes for what would end it, act on a terminal or turn it around.
/// An error from a failed [`send_message`](crate::SocketExt::send_message) carries the message:
/// [`Error::into_message`] gives it back.
///
/// # Examples
///
/// ```
/// use outband::{Buffer, ErrorKind, Multipart};
///
/// // 0xd4 0x42 0x00: a buffer reference whose payload is not one
/// let error = outband::from_multipart::<Buffer>(Multipart::new(vec![0xd4, 0x42, 0x00], vec![])).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Peer);
/// assert!(error.to_string().contains("buffer reference"));
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    detail: Detail,
    source: Option<Box<dyn StdError + Send + Sync>>,
    /// What may be behind it, at the end of the text.
    hint: Option<&'static str>,
    /// What a failed send hands back; typed by the accessor beside the type (`Multipart`).
    payload: Option<Box<dyn Any + Send + Sync>>,
}

/// Who is to blame for an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The calling program: a value that does not serialize, a socket used in a way it cannot work.
    Caller,
    /// The other side, or whoever forwarded its message: what arrived is not a well-formed message of this type.
    Peer,
    /// A limit was met: of [`Limits`](crate::Limits), of the options of a feed or a pipeline, or what a format's reader can bear. The
    /// text says its value, and the name of the option that sets it, where one does.
    Limits,
    /// libzmq or the operating system: the context is gone, the peer is not connected, the disk is full.
    Transport,
    /// Nothing happened in time, or (for the `try_` functions) nothing could happen at once.
    Timeout,
}

impl Error {
    /// Who is to blame.
    pub fn kind(&self) -> ErrorKind {
        self.0.detail.kind()
    }

    /// Whether the time was up, or a `try_` function would have had to wait.
    pub fn is_timeout(&self) -> bool {
        self.kind() == ErrorKind::Timeout
    }

    /// Whether the bytes that arrived are at fault.
    pub fn is_peer(&self) -> bool {
        self.kind() == ErrorKind::Peer
    }

    /// Whether a limit was met, of [`Limits`](crate::Limits) or another: see [`ErrorKind::Limits`].
    pub fn is_limit(&self) -> bool {
        self.kind() == ErrorKind::Limits
    }

    /// Whether the socket's context was terminated: the socket will never work again.
    pub fn is_terminated(&self) -> bool {
        matches!(self.0.detail, Detail::Socket { error: zmq::Error::ETERM, .. })
    }

    /// Whether the addressed peer is not connected (`EHOSTUNREACH`, from a ROUTER).
    pub fn is_unreachable(&self) -> bool {
        matches!(self.0.detail, Detail::Unreachable { .. })
    }

    /// Whether a byte stream ended where the next message would have begun.
    pub fn is_end_of_stream(&self) -> bool {
        matches!(self.0.detail, Detail::StreamEnded)
    }

    /// Whether it was not the socket's turn, which comes again.
    #[cfg(feature = "tokio")]
    pub(crate) fn is_out_of_turn(&self) -> bool {
        matches!(self.0.detail, Detail::OutOfTurn { .. })
    }

    pub(crate) fn new(detail: Detail) -> Self {
        Self(Box::new(Inner { detail, source: None, hint: None, payload: None }))
    }

    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn hinting(mut self, hint: Option<&'static str>) -> Self {
        self.0.hint = hint;
        self
    }

    pub(crate) fn with_payload(mut self, payload: Box<dyn Any + Send + Sync>) -> Self {
        self.0.payload = Some(payload);
        self
    }

    pub(crate) fn payload(&self) -> Option<&(dyn Any + Send + Sync)> {
        self.0.payload.as_deref()
    }

    pub(crate) fn into_payload(self) -> Option<Box<dyn Any + Send + Sync>> {
        self.0.payload
    }

    pub(crate) fn io(operation: &'static str, error: std::io::Error) -> Self {
        Self::new(Detail::Io { operation }).caused_by(error)
    }
}

impl From<Detail> for Error {
    fn from(detail: Detail) -> Self {
        Self::new(detail)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = Escaped(f);
        write!(f, "{}", self.0.detail)?;
        if let (Detail::Io { .. }, Some(source)) = (&self.0.detail, &self.0.source) {
            write!(f, ": {source}")?;
        }
        self.0.hint.map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?}: {self})", self.kind())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// A text that may hold what a peer sent, cut where it gets long: a megabyte of field name is no message. Characters that act are
/// [escaped](Escaped).
pub(crate) fn excerpt(text: impl fmt::Display) -> String {
    const LONGEST: usize = 300;

    struct Cut(String);
    impl fmt::Write for Cut {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            if is_plain(part) && self.0.len() + part.len() <= LONGEST {
                self.0.push_str(part);
                return Ok(());
            }
            for char in part.chars() {
                let len = self.0.len();
                match is_acting(char) {
                    true => self.0.extend(char.escape_default()),
                    false => self.0.push(char),
                }
                if self.0.len() > LONGEST {
                    self.0.truncate(len);
                    return Err(fmt::Error);
                }
            }
            Ok(())
        }
    }

    let mut cut = Cut(String::new());
    if fmt::write(&mut cut, format_args!("{text}")).is_err() {
        cut.0.push('…');
    }
    cut.0
}

/// Every way in which this crate fails. Private: the public face is [`ErrorKind`] and the text.
#[derive(Debug)]
#[cfg_attr(
    not(all(feature = "arrow", feature = "protobuf", feature = "tokio", feature = "zlib")),
    allow(dead_code, reason = "of codecs and formats that were not compiled in")
)]
pub(crate) enum Detail {
    // the caller
    Unserializable { reason: String },
    Conflated,
    RawSocket,
    NoRuntime,
    NoSuchDirection { socket: zmq::SocketType, operation: &'static str, use_instead: &'static str },
    OutOfTurn { socket: zmq::SocketType, operation: &'static str },
    Forked { created: Option<u32>, current: u32 },
    CastLength { bytes: usize, element: usize },
    CastAlignment { address: usize, align: usize },
    EmptyMetadata,
    NotCompiledIn { frame: usize, encoding: &'static str, feature: &'static str },
    NothingToBorrow { frame: usize, encoding: &'static str },
    ArrayMisfit { reason: String },
    TableMisfit { reason: String },
    NoResult { task: u64, why: String },
    PipelineOptions { reason: &'static str },
    DispatcherClosed,
    WorkerRefused { endpoint: String, reason: String },
    BadStreamName { reason: &'static str },
    TooManyStreams { limit: usize },
    // the peer
    BadFeedHeader { reason: &'static str },
    BadFeedVersion { version: u8, known: u8 },
    BadFeedTopic { reason: &'static str },
    NoMetadata,
    NoEnvelope { missing: &'static str },
    MetadataTruncated { at: usize, len: usize },
    MetadataTrailing { extra: usize, at: usize },
    MetadataReserved { at: usize },
    BadReference { at: usize, reason: &'static str },
    FrameMissing { frame: u64, frames: usize },
    FrameUnused { frame: usize, frames: usize },
    FrameLength { frame: usize, frames: usize, announced: u64, arrived: usize },
    FrameContent { frame: usize, frames: usize },
    Mistyped { path: String, reason: String },
    BufferMissing,
    NotJson { reason: String },
    NotProtobuf { reason: String },
    BadPickle { at: usize, opcode: &'static str, reason: String },
    PickleGlobal { module: String, name: String, is_class: bool },
    PickleCycle,
    PickleCompressed { packing: &'static str },
    NotZipped { reason: String },
    Unzippable { buffers: usize },
    UnzippedTooLong { limit: u64, name: &'static str },
    BadArrayHeader { reason: String },
    Corrupt { frame: usize, encoding: &'static str, reason: String },
    StreamHeader { reason: &'static str },
    StreamTruncated { frame: &'static str, missing: u64 },
    StreamEnded,
    NotPipeline { reason: &'static str },
    // the limits
    TooManyFrames { limit: usize },
    MetadataTooLong { len: u64, limit: usize },
    MessageTooLong { len: u64, limit: u64 },
    TooDeep { at: usize, limit: usize },
    ValueTooDeep { limit: usize },
    ProtobufTooDeep { limit: usize },
    RepeatedTooLong { limit: u64, name: &'static str },
    DecompressedTooLong { len: u64, limit: u64 },
    PickleTooLarge { what: &'static str, limit: usize },
    TaskTooLong { len: u64, limit: u64 },
    // the transport
    Socket { operation: &'static str, error: zmq::Error },
    Unreachable { peer: String },
    RequestTorn,
    DispatcherFailed { reason: String },
    Io { operation: &'static str },
    // the clock
    TimedOut { operation: &'static str, after: Duration },
    WouldBlock { operation: &'static str },
}

impl Detail {
    fn kind(&self) -> ErrorKind {
        use Detail::*;
        match self {
            Unserializable { .. } | Conflated | RawSocket | NoSuchDirection { .. } | OutOfTurn { .. } => {
                ErrorKind::Caller
            }
            NoRuntime | Forked { .. } | CastLength { .. } | CastAlignment { .. } | EmptyMetadata => ErrorKind::Caller,
            NotCompiledIn { .. } | NothingToBorrow { .. } | ArrayMisfit { .. } | TableMisfit { .. } => {
                ErrorKind::Caller
            }
            BadStreamName { .. } | WorkerRefused { .. } => ErrorKind::Caller,
            TooManyStreams { .. } => ErrorKind::Limits,
            BadFeedHeader { .. } | BadFeedVersion { .. } | BadFeedTopic { .. } => ErrorKind::Peer,
            NoMetadata | NoEnvelope { .. } | MetadataTruncated { .. } | MetadataTrailing { .. } => ErrorKind::Peer,
            MetadataReserved { .. } | BadReference { .. } | FrameMissing { .. } | FrameUnused { .. } => ErrorKind::Peer,
            FrameLength { .. } | FrameContent { .. } | Mistyped { .. } | BufferMissing => ErrorKind::Peer,
            Unzippable { .. } | NoResult { .. } | PipelineOptions { .. } | DispatcherClosed => ErrorKind::Caller,
            UnzippedTooLong { .. } => ErrorKind::Limits,
            PickleGlobal { .. } | PickleCycle | PickleCompressed { .. } => ErrorKind::Peer,
            BadPickle { .. } | NotJson { .. } | NotProtobuf { .. } | NotZipped { .. } | BadArrayHeader { .. } => {
                ErrorKind::Peer
            }
            Corrupt { .. } | StreamHeader { .. } | StreamTruncated { .. } | StreamEnded => ErrorKind::Peer,
            NotPipeline { .. } => ErrorKind::Peer,
            TooManyFrames { .. } | MetadataTooLong { .. } | MessageTooLong { .. } | TooDeep { .. } => ErrorKind::Limits,
            ValueTooDeep { .. } | RepeatedTooLong { .. } | DecompressedTooLong { .. } => ErrorKind::Limits,
            PickleTooLarge { .. } | TaskTooLong { .. } | ProtobufTooDeep { .. } => ErrorKind::Limits,
            Socket { .. } | Unreachable { .. } | RequestTorn | Io { .. } => ErrorKind::Transport,
            DispatcherFailed { .. } => ErrorKind::Transport,
            TimedOut { .. } | WouldBlock { .. } => ErrorKind::Timeout,
        }
    }
}
