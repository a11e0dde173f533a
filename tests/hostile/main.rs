//! Bad input for everything that reads: typed errors, bounded memory, no panic, in debug and in release.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/attack.rs"]
mod attack;
#[cfg(feature = "arrow")]
#[path = "../support/batches.rs"]
mod batches;
#[path = "../support/counting.rs"]
mod counting;
#[path = "../support/forged.rs"]
mod forged;
#[path = "../support/globals.rs"]
mod globals;
#[path = "../support/golden.rs"]
mod golden_files;
#[path = "../support/json.rs"]
mod json_types;
#[path = "../support/pickles.rs"]
mod pickles;
#[path = "../support/programs.rs"]
mod programs;
#[path = "../support/protobuf.rs"]
mod protobuf_types;
#[path = "../support/python.rs"]
mod python;
#[path = "../support/random.rs"]
mod random;
#[path = "../support/seen.rs"]
mod seen;
#[path = "../support/stack.rs"]
mod stack;
#[path = "../golden/values.rs"]
mod values;

mod array;
mod compression;
mod json;
mod objects;
mod pandas;
mod pickle;
mod pickle_attack;
mod pickle_audit;
mod protobuf;
mod socket;
mod stream;
mod table;
mod value;
