//! Feeds: PUB/SUB in which every message is delivered in order or reported as missing.
//!
//! A [`Publisher`] numbers the messages of named streams and keeps the newest ones; a [`Subscriber`] joins late with what the
//! cache has, notices every loss, recovers it, and reports what is beyond recovery: all of it as [`Event`]s. What is
//! promised and how it is done is written down in [`docs::feed`](crate::docs::feed).
//!
//! For who looks inside: the state of both sides (`source` and `desk`, `streams` and `follow`) knows no socket and no
//! clock; `publisher`, `server` and `subscriber` are the shells around it.

mod away;
mod cache;
mod calls;
mod clock;
mod desk;
mod epochs;
mod event;
mod follow;
mod header;
mod inquiry;
mod intake;
mod left;
mod log;
mod looks;
mod name;
mod options;
mod pending;
mod publisher;
mod pulse;
mod queue;
mod redial;
mod room;
mod server;
#[cfg(test)]
mod simulation;
mod sockets;
mod source;
mod start;
mod statistics;
mod step;
mod streams;
mod subscriber;
mod subscriptions;
mod ticks;
#[cfg(feature = "tokio")]
mod tokio;
mod turns;

#[cfg(feature = "tokio")]
pub use self::tokio::{AsyncSubscriber, Events};
pub use event::{Event, Lost, Origin};
pub use options::{PublisherOptions, SubscriberOptions};
pub use publisher::Publisher;
pub use start::Start;
pub use statistics::{PublisherStatistics, StreamStatistics};
pub use subscriber::Subscriber;
