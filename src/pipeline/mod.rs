//! Work distribution that survives its workers.
//!
//! A [`Dispatcher`] hands tasks to [`Worker`]s in other threads, processes and machines, keeps each until its outcome is
//! decided, and gives it to another worker when that takes too long or its worker is gone. The
//! [protocol](crate::docs::pipeline) has the promises, their limits, and every frame.

// `ledger` and `hand` are the two sides' states: no socket, no clock, no thread. `dispatcher` with its `engine` and
// `worker` with its `link` are the shells around them.
mod bell;
mod bench;
mod dispatcher;
mod engine;
mod entry;
mod exchange;
mod finished;
mod hand;
#[cfg(feature = "journal")]
mod journal;
mod lease;
mod ledger;
mod link;
mod message;
mod monitor;
mod options;
mod outcome;
mod prepare;
mod queue;
mod receipt;
mod roster;
mod sign;
#[cfg(feature = "signals")]
mod signals;
mod stats;
mod task;
mod terms;
#[cfg(feature = "tokio")]
mod tokio;
mod watch;
mod wire;
mod worker;

#[cfg(test)]
mod simulation;

#[cfg(feature = "tokio")]
pub use self::tokio::{AsyncDispatcher, AsyncWorker, Outcomes};
pub use dispatcher::Dispatcher;
pub use options::{DispatcherOptions, Order};
pub use outcome::{DeadLetter, Ending, Failed, Outcome, TaskId};
pub use stats::Stats;
pub use task::{Failure, Task};
pub use terms::WorkerOptions;
pub use worker::{Leave, Worker};
