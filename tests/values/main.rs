//! What becomes of a value: every codec, arrays, tables and compression, there and back, beside oracles and golden messages.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/batches.rs"]
mod batches;
#[path = "../common/mod.rs"]
mod common;
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
#[path = "../support/plainly.rs"]
mod plainly;
#[path = "../support/protobuf.rs"]
mod protobuf_types;
#[path = "../support/random.rs"]
mod random;
#[path = "../support/seen.rs"]
mod seen;
#[path = "../golden/values.rs"]
mod values;

mod array;
mod borrowing;
mod compression;
mod compression_cost;
mod compression_golden;
mod compression_objects;
mod errors;
mod golden;
mod joblib;
mod json;
mod kinds;
mod leftovers;
mod maps;
mod ndarray;
mod oracle;
mod pickle;
mod pickle_names;
mod pickle_table;
mod pickle_write;
mod protobuf;
mod table;
mod table_golden;
mod table_slices;
mod value;
mod value_compressed;
mod value_memory;
