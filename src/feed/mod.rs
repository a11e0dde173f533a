//! Feeds: PUB/SUB in which every message is delivered in order or reported as missing.
mod cache;
mod desk;
mod epochs;
mod event;
mod follow;
mod header;
mod inquiry;
mod name;
mod options;
mod room;
#[cfg(test)]
mod simulation;
mod source;
mod statistics;
mod streams;

pub use event::{Event, Lost, Origin};
pub use options::{PublisherOptions, Start, SubscriberOptions};
pub use statistics::{PublisherStatistics, StreamStatistics};
