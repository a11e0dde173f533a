//! Feeds and pipelines within one process.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../support/nodrop.rs"]
mod nodrop;
#[path = "../support/patience.rs"]
mod patience;
#[path = "../support/way.rs"]
mod way;

mod feed;
mod pipeline;
