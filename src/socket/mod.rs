//! Sockets: whole messages over `zmq::Socket`.
//!
//! This floor knows libzmq's calls, errors and options. It refuses to know what a message means: that is the codec's.

mod blocking;
mod envelope;
mod extension;
mod guard;
mod ipv6;
mod keepalive;
mod outgoing;
mod parts;
mod receive;
pub(crate) mod routed;
mod send;
#[cfg(feature = "tokio")]
mod tokio;
mod trace;
mod transfer;

#[cfg(feature = "tokio")]
pub(crate) use self::tokio::News;
#[cfg(feature = "tokio")]
pub use self::tokio::{AsyncSocket, MessageSink, Messages, ObjectSink, Objects};
pub use envelope::Envelope;
pub use extension::SocketExt;
pub(crate) use ipv6::allow_ipv6;
pub(crate) use keepalive::keep_alive;
pub(crate) use parts::{Arrival, publish_lent, publish_short, send_front, send_parts};
