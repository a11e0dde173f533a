//! What blocking sockets do with objects.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(feature = "arrow")]
#[path = "../support/batches.rs"]
mod batches;
#[path = "../common/mod.rs"]
mod common;
#[path = "../support/forged.rs"]
mod forged;
#[path = "../support/full.rs"]
mod full;
#[path = "../support/nodrop.rs"]
mod nodrop;
#[path = "../support/random.rs"]
mod random;

mod patterns;
mod roundtrip;
mod tracker;
mod values;
mod waiting;
mod websocket;
