//! Feeds: PUB/SUB in which every message is delivered in order or reported as missing.
mod cache;
mod clock;
mod desk;
mod epochs;
mod event;
mod follow;
mod header;
mod inquiry;
mod name;
mod options;
mod publisher;
mod pulse;
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

pub use event::{Event, Lost, Origin};
pub use options::{PublisherOptions, SubscriberOptions};
pub use publisher::Publisher;
pub use start::Start;
pub use statistics::{PublisherStatistics, StreamStatistics};
pub use subscriber::Subscriber;
