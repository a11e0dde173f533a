//! What errors say: lower case, no full stop, the numbers in it.

use std::fmt;

use super::Detail;

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Detail::*;
        match self {
            Unserializable { reason } => write!(f, "the value does not serialize: {reason}"),
            Conflated => f.write_str("the socket has ZMQ_CONFLATE set, which keeps only the last frame of a message"),
            RawSocket => f.write_str("a STREAM socket moves raw bytes, not messages"),
            NoRuntime => f.write_str("this takes a tokio runtime, and there is none here"),
            NoSuchDirection { socket, operation, use_instead } => {
                write!(f, "a {socket:?} socket cannot {operation}: {use_instead}")
            }
            OutOfTurn { socket, operation } => {
                write!(f, "a {socket:?} socket sends and receives in turn: it is not its turn to {operation}")?;
                match (socket, *operation) {
                    (zmq::REQ, "send") => f.write_str(
                        ", as no reply has come yet; ZMQ_REQ_RELAXED and ZMQ_REQ_CORRELATE let it ask again, or a new socket",
                    ),
                    (zmq::REQ, _) => f.write_str(", as nothing was asked"),
                    (zmq::REP, "send") => f.write_str(", as nothing was asked that has no answer yet"),
                    (zmq::REP, _) => f.write_str(", as the last request has no answer yet"),
                    _ => Ok(()),
                }
            }
            Forked { created, current } => {
                let parent = created.map(|created| format!("process {created}"));
                let parent = parent.as_deref().unwrap_or("another process");
                write!(
                    f,
                    "the socket belongs to {parent}, and this is its child {current} after a fork: \
                     create a context and its sockets after forking"
                )
            }
            CastLength { bytes, element } => {
                write!(f, "{bytes} bytes are not a whole number of elements of {element} bytes")
            }
            CastAlignment { address, align } => write!(
                f,
                "the buffer lies at {address:#x}, which is not aligned to {align} bytes (to_aligned copies it)"
            ),
            EmptyMetadata => f.write_str("a message with buffers needs a metadata frame of at least one byte"),
            NotCompiledIn { frame, encoding, feature } => write!(
                f,
                "buffer frame {frame} is compressed with {encoding}, which this program was built without: \
                 the feature is outband/{feature}"
            ),
            NothingToBorrow { frame, encoding } => write!(
                f,
                "buffer frame {frame} is compressed with {encoding}, so nothing can be borrowed from it: decode the message by value"
            ),
            ArrayMisfit { reason } => write!(f, "the array does not fit: {reason}"),
            TableMisfit { reason } => write!(f, "this is no table: {reason}"),
            NoResult { task, why } => write!(f, "task {task} has no result: {why}"),
            PipelineOptions { reason } => write!(f, "the options do not fit each other: {reason}"),
            DispatcherClosed => f.write_str("the dispatcher is closed and takes no further tasks"),
            WorkerRefused { endpoint, reason } => write!(f, "the dispatcher at {endpoint} refuses this worker: {reason}"),
            TaskTooLong { len, limit } => {
                write!(f, "the task has {len} bytes, and the dispatcher takes up to {limit} (task_bytes)")
            }
            DispatcherFailed { reason } => write!(f, "the dispatcher's thread has ended: {reason}"),
            BadStreamName { reason } => write!(f, "the name of the stream {reason}"),
            TooManyStreams { limit } => write!(f, "there are more streams than the limit of {limit} (max_streams)"),
            BadFeedHeader { reason } => write!(f, "the header of the feed's message {reason}"),
            BadFeedVersion { version, known } => write!(
                f,
                "the header of the feed's message is of version {version} of the protocol, and only version {known} is known here"
            ),
            BadFeedTopic { reason } => write!(f, "the topic of the feed's message {reason}"),
            NoMetadata => f.write_str("the message has no metadata frame"),
            NoEnvelope { missing } => write!(f, "the message has no {missing} frame"),
            MetadataTruncated { at, len } => {
                write!(f, "the metadata ends within the value at byte {at} of {len}")
            }
            MetadataTrailing { extra, at } => write!(f, "{extra} bytes follow the metadata, which ends at byte {at}"),
            MetadataReserved { at } => write!(f, "byte {at} of the metadata is 0xc1, which MessagePack never uses"),
            BadReference { at, reason } => write!(f, "the buffer reference at byte {at} of the metadata {reason}"),
            FrameMissing { frame, frames } => {
                write!(f, "buffer frame {frame} is missing: the message has {frames}, counted from 0")
            }
            FrameUnused { frame, frames } => write!(f, "buffer frame {frame} of {frames} is not referenced"),
            FrameLength { frame, frames, announced, arrived } => write!(
                f,
                "buffer frame {frame} of {frames} has {arrived} bytes and its reference says {announced}: \
                 truncated, swapped or replaced"
            ),
            FrameContent { frame, frames } => write!(
                f,
                "buffer frame {frame} of {frames} does not hold what its reference describes: swapped or changed"
            ),
            Mistyped { path, reason } if path.is_empty() || path == "." => write!(f, "the metadata does not fit: {reason}"),
            Mistyped { path, reason } => write!(f, "the metadata does not fit at {path}: {reason}"),
            BufferMissing => f.write_str("a buffer is missing"),
            NotJson { reason } => write!(f, "the message is not the JSON that was expected: {reason}"),
            NotProtobuf { reason } => write!(f, "the message is not the protocol buffer that was expected: {reason}"),
            NotZipped { reason } => write!(f, "the message is not one zlib stream: {reason}"),
            Unzippable { buffers } => write!(
                f,
                "the inner codec put {buffers} buffers out of band, and a zipped message is one frame: \
                 give it a codec that keeps buffers in band, or compress the buffers (MsgPack::compression)"
            ),
            UnzippedTooLong { limit, name } => {
                write!(f, "the message would have more bytes unzipped than the limit of {limit} ({name})")
            }
            BadPickle { at, opcode, reason } => {
                write!(f, "the pickle is not well-formed at byte {at} ({opcode}): {reason}")
            }
            PickleGlobal { module, name, is_class } => {
                write!(f, "the pickle asks for {name} of {module}, which is not read: ")?;
                match (is_class, &**module) {
                    (_, "ml_dtypes") => f.write_str("of ml_dtypes bfloat16 is, and other arrays are sent as .view(\"u1\")"),
                    (true, _) => write!(f, "Pickle::allow(\"{module}.{name}\") reads its instances as records"),
                    (false, _) => f.write_str("no function is called, and Pickle::allow is for classes"),
                }
            }
            PickleCycle => f.write_str("the pickle holds something that contains itself, which no tree can hold"),
            PickleCompressed { packing } => {
                let advice = match *packing {
                    "zlib" if cfg!(feature = "zlib") => "Zipped::new(Pickle::new()) reads such",
                    "zlib" => "Zipped::new(Pickle::new()) reads such (feature outband/zlib)",
                    _ => "decompress it first",
                };
                write!(f, "the message is no pickle and begins as {packing} data does: {advice}")
            }
            BadArrayHeader { reason } => write!(f, "the message is no array with a header before it: {reason}"),
            Corrupt { frame, encoding, reason } => {
                write!(f, "buffer frame {frame} does not decompress as {encoding}: {reason}")
            }
            StreamHeader { reason } => write!(f, "the stream holds no message here: {reason}"),
            StreamTruncated { frame, missing } => {
                write!(f, "the stream ends {missing} bytes before the end of the {frame}")
            }
            NotPipeline { reason } => write!(f, "the message is none of the pipeline protocol: {reason}"),
            StreamEnded => f.write_str("the stream holds no further message"),
            TooManyFrames { limit } => {
                write!(f, "the message has more buffer frames than the limit of {limit} (frames)")
            }
            MetadataTooLong { len, limit } => {
                write!(f, "the metadata of {len} bytes is longer than the limit of {limit} (metadata_bytes)")
            }
            MessageTooLong { len, limit } => {
                write!(f, "the message has {len} bytes or more, the limit is {limit} (total_bytes)")
            }
            TooDeep { at, limit } => {
                write!(f, "the value at byte {at} of the metadata is nested deeper than the limit of {limit} (depth)")
            }
            ValueTooDeep { limit } => write!(f, "the value is nested deeper than the limit of {limit} (depth)"),
            ProtobufTooDeep { limit } => {
                write!(f, "the messages are nested deeper than Protocol Buffers' limit of {limit}")
            }
            RepeatedTooLong { limit, name } => write!(
                f,
                "frames that are referenced more than once would be copied out, or looked through, to more than the limit of {limit} \
                 bytes ({name})"
            ),
            DecompressedTooLong { len, limit } => {
                write!(f, "the compressed buffers would have {len} bytes decompressed, the limit is {limit} (decompressed_bytes)")
            }
            PickleTooLarge { what, limit } => {
                write!(f, "the pickle has more {what} than the limit of {limit} (metadata_bytes)")
            }
            Socket { operation, error } => write!(f, "could not {operation}: {error}"),
            Unreachable { peer } => write!(f, "peer {peer} is not connected"),
            RequestTorn => f.write_str(
                "the peer of a REQ socket died within a request and no other took over in time: close the socket and make a new one",
            ),
            Io { operation } => write!(f, "could not {operation}"),
            TimedOut { operation, after } => write!(f, "could not {operation} within {after:?}"),
            WouldBlock { operation } => write!(f, "cannot {operation} right now"),
        }
    }
}
