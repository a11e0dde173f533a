//! Pickles, read and written, and what Python has that serde has not.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/counting.rs"]
mod counting;
#[path = "../support/globals.rs"]
mod globals;
#[path = "../support/pickles.rs"]
mod pickles;
#[path = "../support/random.rs"]
mod random;
#[path = "../support/seen.rs"]
mod seen;
#[path = "../support/stack.rs"]
mod stack;

mod joblib;
mod kinds;
mod names;
mod pickle;
mod write;
