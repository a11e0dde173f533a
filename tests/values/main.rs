//! What becomes of a value: every codec, arrays, tables and compression, there and back, beside oracles and golden messages.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(feature = "arrow")]
#[path = "../support/batches.rs"]
mod batches;
#[path = "../common/mod.rs"]
mod common;
#[path = "../support/counting.rs"]
mod counting;
#[path = "../support/forged.rs"]
mod forged;
#[path = "../support/golden.rs"]
mod golden_files;
#[path = "../support/json.rs"]
mod json_types;
#[path = "../support/pickles.rs"]
mod pickles;
#[path = "../support/protobuf.rs"]
mod protobuf_types;
#[path = "../support/random.rs"]
mod random;
#[path = "../support/stack.rs"]
mod stack;
#[path = "../golden/values.rs"]
mod values;

mod array;
mod borrowing;
mod by_hand;
mod compression;
mod compression_cost;
mod compression_golden;
mod compression_objects;
mod errors;
mod golden;
mod json;
mod leftovers;
mod maps;
mod ndarray;
mod oracle;
mod protobuf;
mod value;
mod value_compressed;
mod value_memory;
