//! `Dispatcher`: takes tasks, hands over outcomes, and has a thread that does the rest.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::Serialize;

use super::engine::Engine;
use super::exchange::{Exchange, Patience};
#[cfg(feature = "journal")]
use super::journal::Journal;
use super::ledger::Ledger;
use super::options::DispatcherOptions;
use super::outcome::{Outcome, TaskId};
use super::stats::Stats;
use crate::codec::{Encode, MsgPack};
use crate::error::{Error, Result};
use crate::multipart::Multipart;

/// Distributes tasks to [`Worker`](super::Worker)s and hands over what became of each.
///
/// **At-least-once execution, exactly-once hand-over, while the dispatcher lives.** A task is kept until its outcome is
/// decided: when its worker dies, is silent, leaves, or lets a lease end, another one gets it. So a handler may run more
/// than once for a task, and each task has exactly one [`Outcome`].
///
/// Everything is bounded: a submit waits for room in the backlog, and outcomes that nobody reads hold up the distribution.
/// A thread that submits more than that and reads nothing waits for ever; let another thread read, or use the `try_`
/// functions. All functions take `&self`, from any number of threads.
///
/// Dropping it tells the workers, waits until they have heard it, a second at most, and ends its thread; tasks without an
/// outcome are gone, unless there is a journal.
///
/// # Examples
///
/// ```
/// use outband::pipeline::{Dispatcher, DispatcherOptions, Task, Worker, WorkerOptions};
/// use std::thread;
///
/// let context = zmq::Context::new();
/// let dispatcher = Dispatcher::bind(&context, "tcp://127.0.0.1:*", DispatcherOptions::new())?;
///
/// // workers are other processes, most of the time
/// let worker = Worker::connect(&context, dispatcher.endpoint(), WorkerOptions::new().ends_with_dispatcher())?;
/// let worker = thread::spawn(move || worker.run(|task: Task<u64>| Ok(*task * *task)));
///
/// for number in 1..=100_u64 {
///     dispatcher.submit(&number)?;
/// }
/// dispatcher.close(); // no more tasks: the outcomes will end
/// let mut sum = 0;
/// while let Some(outcome) = dispatcher.recv()? {
///     sum += outcome.decode::<u64>()?;
/// }
/// assert_eq!(sum, 338_350);
/// drop(dispatcher);
/// worker.join().expect("no panic")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Dispatcher {
    pub(super) exchange: Arc<Exchange>,
    endpoint: String,
    thread: Option<JoinHandle<()>>,
    recovered: Vec<TaskId>,
    #[cfg(feature = "journal")]
    pub(super) journal: Option<Journal>,
}

impl Dispatcher {
    /// Binds a ROUTER to `endpoint` and starts the thread that serves it.
    ///
    /// # Errors
    ///
    /// Kind `Caller` for options that do not fit each other, kind `Transport` when the endpoint cannot be bound, or when the
    /// journal cannot be opened or read.
    pub fn bind(context: &zmq::Context, endpoint: &str, options: DispatcherOptions) -> Result<Self> {
        options.check()?;
        let ledger = Ledger::new(options.clone(), draw());
        let exchange = Arc::new(Exchange::new(options.backlog, options.task_bytes, 1)?);
        #[cfg_attr(not(feature = "journal"), expect(unused_mut, reason = "a journal adds to it"))]
        let mut recovered = Vec::new();
        #[cfg(feature = "journal")]
        let journal = match &options.journal {
            Some(path) => {
                let fails = exchange.clone();
                let (journal, record) = Journal::open(path, move |reason| fails.fail(reason))?;
                recovered.extend(record.tasks.iter().map(|(task, _)| TaskId(*task)));
                exchange.restore(record.tasks, record.next);
                Some(journal)
            }
            None => None,
        };
        let engine = Engine::new(context, endpoint, &options, ledger, exchange.clone())?;
        let endpoint = engine.endpoint()?;
        let thread = thread::Builder::new().name("outband dispatcher".to_owned()).spawn(move || engine.run());
        let thread = thread.map_err(|error| Error::io("start a thread", error))?;
        Ok(Self {
            exchange,
            endpoint,
            thread: Some(thread),
            recovered,
            #[cfg(feature = "journal")]
            journal,
        })
    }

    /// Where workers connect to: the endpoint that was bound, with the port that was found for `*`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Submits a task with the default codec. Waits for room in the backlog, for ever if need be.
    ///
    /// # Errors
    ///
    /// What encoding returns; kind `Limits` for a task that is too large; kind `Caller` after [`close`](Self::close); kind
    /// `Transport` when the dispatcher's thread has ended, or its journal cannot be written: then the task may have been run.
    pub fn submit<T: Serialize + ?Sized>(&self, task: &T) -> Result<TaskId> {
        self.submit_with(&MsgPack::new(), task)
    }

    /// Submits a task with the default codec, or fails at once with kind `Timeout`.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit); kind `Timeout` when there is no room.
    pub fn try_submit<T: Serialize + ?Sized>(&self, task: &T) -> Result<TaskId> {
        self.try_submit_message(MsgPack::new().encode(task)?)
    }

    /// Submits a task with any codec. Waits for room in the backlog.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit).
    pub fn submit_with<T: ?Sized, C: Encode<T>>(&self, codec: &C, task: &T) -> Result<TaskId> {
        self.submit_message(codec.encode(task)?)
    }

    /// Submits a message as a task. Waits for room in the backlog. A failed submit gives the message back.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit).
    pub fn submit_message(&self, message: Multipart) -> Result<TaskId> {
        self.submit_within(message, Patience::Forever)
    }

    /// Submits a message, or fails at once with kind `Timeout`. A failed submit gives the message back.
    ///
    /// # Errors
    ///
    /// As [`try_submit`](Self::try_submit).
    pub fn try_submit_message(&self, message: Multipart) -> Result<TaskId> {
        self.submit_within(message, Patience::None)
    }

    /// Submits a message, or fails with kind `Timeout` after a time. A failed submit gives the message back.
    ///
    /// # Errors
    ///
    /// As [`try_submit`](Self::try_submit).
    pub fn submit_message_timeout(&self, message: Multipart, timeout: Duration) -> Result<TaskId> {
        self.submit_within(message, Patience::For(timeout))
    }

    /// Cancels a task: its outcome is [`Cancelled`](super::Ending::Cancelled), unless there is another already. A handler
    /// that is busy with it is told ([`Task::is_cancelled`](super::Task::is_cancelled)), and its result is dropped.
    pub fn cancel(&self, task: TaskId) {
        self.exchange.cancel(task.0);
    }

    /// The next outcome; waits for it. `None` after [`close`](Self::close), once all were handed over.
    ///
    /// # Errors
    ///
    /// Kind `Transport` when the dispatcher's thread has ended.
    pub fn recv(&self) -> Result<Option<Outcome>> {
        self.recv_within(Patience::Forever)
    }

    /// The next outcome, or kind `Timeout` at once.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv); kind `Timeout` when there is none yet.
    pub fn try_recv(&self) -> Result<Option<Outcome>> {
        self.recv_within(Patience::None)
    }

    /// The next outcome, or kind `Timeout` after a time.
    ///
    /// # Errors
    ///
    /// As [`try_recv`](Self::try_recv).
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Option<Outcome>> {
        self.recv_within(Patience::For(timeout))
    }

    /// Takes no further tasks. Those that are there go on, and outcomes end when the last was handed over.
    pub fn close(&self) {
        self.exchange.close();
    }

    /// What it has done and has in hand, as of a moment ago.
    pub fn stats(&self) -> Stats {
        self.exchange.stats()
    }

    /// The tasks that were in the journal when this began, oldest first: their outcomes will come too. One that is larger than
    /// [`task_bytes`](DispatcherOptions::task_bytes) now is a dead letter at once.
    pub fn recovered(&self) -> &[TaskId] {
        &self.recovered
    }

    fn submit_within(&self, message: Multipart, patience: Patience) -> Result<TaskId> {
        #[cfg(feature = "journal")]
        if let Some(journal) = &self.journal {
            let kept = message.clone();
            let task = self.take(message, patience)?;
            return journal.wait(task.0).map(|()| task).map_err(|error| error.with_payload(Box::new(kept)));
        }
        self.take(message, patience)
    }

    /// Takes a task, which may not be on the disk yet.
    #[cfg(not(feature = "journal"))]
    pub(super) fn take(&self, message: Multipart, patience: Patience) -> Result<TaskId> {
        self.exchange.submit(message, patience, |_, _| {}).map(TaskId)
    }

    /// Takes a task, which may not be on the disk yet.
    #[cfg(feature = "journal")]
    pub(super) fn take(&self, message: Multipart, patience: Patience) -> Result<TaskId> {
        let record = |task, message: &Multipart| {
            if let Some(journal) = &self.journal {
                journal.record(task, message);
            }
        };
        self.exchange.submit(message, patience, record).map(TaskId)
    }

    fn recv_within(&self, patience: Patience) -> Result<Option<Outcome>> {
        #[cfg_attr(not(feature = "journal"), expect(unused_mut, reason = "a journal adds a receipt"))]
        let mut outcome = self.exchange.recv(patience)?;
        #[cfg(feature = "journal")]
        if let (Some(outcome), Some(journal)) = (&mut outcome, &self.journal) {
            outcome.receipt = Some(journal.receipt(outcome.task.0));
        }
        Ok(outcome)
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        self.exchange.drop_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher").field("endpoint", &self.endpoint).field("stats", &self.stats()).finish()
    }
}

/// A number that no other start draws. Every `RandomState` has keys of its own, from the operating system.
pub(super) fn draw() -> u64 {
    RandomState::new().hash_one((std::process::id(), std::time::SystemTime::now()))
}
