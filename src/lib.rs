#![cfg_attr(docsrs, feature(doc_cfg))]
// links between the long texts: these definitions win over the files' own, which serve readers of the repository
#![doc = "[docs/wire.md]: docs::wire"]
#![doc = "[docs/arrays.md]: docs::arrays"]
#![doc = "[docs/compression.md]: docs::compression"]
#![doc = "[docs/python.md]: docs::python"]
#![doc = "[docs/delivery.md]: docs::delivery"]
#![doc = "[docs/design.md]: docs::design"]
#![doc = "[docs/feed.md]: docs::feed"]
#![doc = "[docs/pipeline.md]: docs::pipeline"]
#![doc = "[docs/benchmarks.md]: docs::benchmarks"]
#![doc = "[python/README.md]: docs::python_package"]
#![cfg_attr(feature = "arrow", doc = "[docs/tables.md]: docs::tables")]
#![doc = "\n"]
#![doc = include_str!("../README.md")]

// The floors, from the ground up; `tests/fence.rs` holds the walls.
mod complaints;
mod error;

mod buffer;
mod element;
mod fork;
mod frame;
mod handoff;
mod limits;
pub mod memory;
mod multipart;
mod pool;
mod reference;
mod scratch;
mod stored;
mod tracker;

pub mod array;
mod codec;
mod compress;
mod pickle;
pub mod python;
#[cfg(feature = "arrow")]
mod table;
mod value;

mod socket;

pub mod feed;
pub mod pipeline;

pub mod docs;

// The public interface is:
pub use array::{Array, DType, Order, Scalar};
pub use buffer::Buffer;
#[cfg(feature = "protobuf")]
pub use codec::Protobuf;
#[cfg(feature = "zlib")]
pub use codec::Zipped;
pub use codec::{
    BufferInfo, BufferSizes, Decode, Encode, HeadedArray, Json, MsgPack, Pickle, Placement, from_multipart,
    from_multipart_ref, serde_buffer, serde_map, to_multipart,
};
pub use compress::Compression;
#[cfg(feature = "blosc")]
pub use compress::{Inner, Shuffle};
pub use element::Element;
pub use error::{Error, ErrorKind, Result};
pub use limits::Limits;
pub use multipart::Multipart;
pub use pool::{BufferMut, BufferPool};
#[cfg(feature = "tokio")]
pub use socket::{AsyncSocket, MessageSink, Messages, ObjectSink, Objects};
pub use socket::{Envelope, SocketExt};
#[cfg(feature = "arrow")]
pub use table::{Table, serde_table};
pub use tracker::Tracker;
pub use value::Value;
