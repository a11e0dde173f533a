//! `Task`: what a handler is given; `Failure`: what it says when it cannot.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::bench::Bench;
use super::hand::{Answer, Job};
use super::message::Fault;
use super::outcome::TaskId;
use crate::error::excerpt;

/// A task in the hands of a worker: the value, which it dereferences to, and how it came here.
pub struct Task<T> {
    value: T,
    job: Job,
    bench: Arc<Bench>,
}

impl<T> Task<T> {
    pub(super) fn new(value: T, job: Job, bench: Arc<Bench>) -> Self {
        Self { value, job, bench }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// Which task this is: the same for every attempt.
    pub fn id(&self) -> TaskId {
        TaskId(self.job.ticket.task)
    }

    /// Which attempt this is, from 1. From the second on an earlier one may have had effects, or may still run.
    pub fn attempt(&self) -> u32 {
        self.job.attempt
    }

    /// Tells the dispatcher that this is getting on: the lease begins anew. Call it as often as is convenient: it is told four
    /// times a heartbeat at most, and not at all where the dispatcher has no leases, or nobody wants the result.
    pub fn progress(&self) {
        self.bench.progress(&self.job);
    }

    /// Whether nobody wants the result any more: the task was cancelled or its lease ended, or the dispatcher is gone.
    pub fn is_cancelled(&self) -> bool {
        self.job.is_void.load(Ordering::Relaxed)
    }
}

impl<T> Deref for Task<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Task");
        text.field("id", &self.id()).field("attempt", &self.attempt()).field("value", &self.value).finish()
    }
}

/// Why a handler could not do a task, and what is to become of that.
///
/// Any error turns into one with `?`: then the task is tried again, up to the dispatcher's number of attempts.
///
/// # Examples
///
/// ```
/// use outband::pipeline::{Failure, Task};
/// use std::time::Duration;
///
/// fn handle(task: Task<String>) -> Result<u64, Failure> {
///     if task.is_empty() {
///         return Err(Failure::rejected("there is no path"));
///     }
///     let file = std::fs::metadata(task.as_str())?;
///     if file.len() == 0 && task.attempt() < 3 {
///         return Err(Failure::new("still empty").retry_after(Duration::from_secs(1)));
///     }
///     Ok(file.len())
/// }
/// assert_eq!(Failure::rejected("no").to_string(), "no");
/// # let _ = handle;
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Failure {
    fault: Fault,
    delay: Option<Duration>,
    reason: String,
}

impl Failure {
    /// The task failed, and may be tried again.
    pub fn new(reason: impl fmt::Display) -> Self {
        Self { fault: Fault::Failed, delay: None, reason: excerpt(reason) }
    }

    /// The task will never succeed: it is a dead letter at once.
    pub fn rejected(reason: impl fmt::Display) -> Self {
        Self { fault: Fault::Rejected, ..Self::new(reason) }
    }

    /// The task is handed back, and no attempt is used up. Another worker gets it at once, or this one again; from the second time on
    /// it pauses, as it does from the first on with a [`retry_after`](Self::retry_after).
    pub fn returned(reason: impl fmt::Display) -> Self {
        Self { fault: Fault::Returned, ..Self::new(reason) }
    }

    /// Not to be tried again before so much time has passed.
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    pub(super) fn into_answer(self) -> Answer {
        Answer::Undone { fault: self.fault, delay: self.delay, reason: self.reason }
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failure({:?}: {})", self.fault, self.reason)
    }
}
