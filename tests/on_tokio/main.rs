//! What waits on tokio: sockets, feeds and pipelines.

#![cfg(feature = "tokio")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../support/cut.rs"]
mod cut;
#[path = "../support/patience.rs"]
mod patience;
#[path = "../support/random.rs"]
mod random;

mod feed;
mod model;
mod pipeline;
mod socket;
mod waits;
