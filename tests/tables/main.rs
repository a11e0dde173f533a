//! Tables: Arrow record batches into frames and back, whole and in slices, and as data frames in pickles.

#![cfg(feature = "arrow")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/batches.rs"]
mod batches;
#[path = "../common/mod.rs"]
mod common;
#[path = "../support/plainly.rs"]
mod plainly;
#[path = "../support/random.rs"]
mod random;

mod golden;
mod pickle;
mod slices;
mod table;
