//! The programs at the other end: CPython with pyzmq, NumPy, pandas, pyarrow and the like, and the Python package.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(feature = "arrow")]
#[path = "../support/batches.rs"]
mod batches;
#[path = "../support/counting.rs"]
mod counting;
#[path = "../support/patience.rs"]
mod patience;
#[path = "../support/pickles.rs"]
mod pickles;
#[cfg(feature = "arrow")]
#[path = "../support/plainly.rs"]
mod plainly;
#[path = "../support/python.rs"]
mod python;
#[path = "../support/random.rs"]
mod random;
#[path = "../support/seen.rs"]
mod seen;
#[path = "../support/way.rs"]
mod way;

mod array;
mod compression;
mod docs;
mod docs_written;
mod echo;
mod echo_random;
mod feed;
mod feed_wire;
mod joblib;
mod json;
mod kinds;
mod limits;
mod package;
mod pandas;
mod pickle;
mod pickle_dangers;
mod pickle_golden;
mod pickle_write;
mod pipeline;
mod protobuf;
mod pyzmq;
mod table;
mod table_values;
mod zipped;
