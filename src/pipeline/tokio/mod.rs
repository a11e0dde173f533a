//! The pipeline for the tasks of a tokio runtime.
//!
//! The threads with the sockets are those of the blocking shells. What is here waits for them in tasks instead of threads.

mod dispatcher;
mod worker;

pub use dispatcher::{AsyncDispatcher, Outcomes};
pub use worker::AsyncWorker;
