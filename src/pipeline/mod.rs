//! Work distribution that survives its workers: see the [protocol](crate::docs::pipeline) for promises and limits.

// `ledger` and `hand` are the two sides' states: no socket, no clock, no thread. `dispatcher` and `worker` are the shells.
mod entry;
mod finished;
mod hand;
mod lease;
mod ledger;
mod message;
mod options;
mod outcome;
mod queue;
mod receipt;
mod roster;
mod stats;
mod wire;

#[cfg(test)]
mod simulation;

pub use options::{DispatcherOptions, Order};
pub use outcome::{DeadLetter, Ending, Failed, Outcome, TaskId};
pub use stats::Stats;
