//! What can be set on a dispatcher.

use std::time::Duration;

use super::prepare::Prepare;
use crate::error::{Detail, Result};
use crate::limits::Limits;

/// The order in which outcomes are handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Order {
    /// As tasks end.
    #[default]
    Completion,
    /// As tasks were submitted: one that ended early waits for those before it.
    Submission,
}

/// So many messages and so many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quota {
    pub(super) messages: usize,
    pub(super) bytes: u64,
}

/// The largest task that the embedded store takes, with room to spare for its frames' lengths.
#[cfg(feature = "journal")]
const MAX_JOURNALED: u64 = 2 << 30;

/// How a [`Dispatcher`](super::Dispatcher) works.
///
/// | option | default | |
/// |---|---|---|
/// | [`backlog`](Self::backlog) | 10 000 tasks, 1 GiB | tasks without an outcome; `submit` waits for room |
/// | [`unread`](Self::unread) | 10 000 outcomes, 1 GiB | outcomes that nobody has read; no task is handed out without room for its outcome |
/// | [`order`](Self::order) | completion | of the outcomes |
/// | [`attempts`](Self::attempts) | 5 | after so many failures a task is a dead letter |
/// | [`retry_after`](Self::retry_after) | 100 ms | pause after a failure that says nothing else |
/// | [`lease`](Self::lease) | none | how long a handler may be busy without a sign of progress |
/// | [`heartbeat`](Self::heartbeat) | 1 s | how often dispatcher and workers show a sign of life |
/// | [`liveness`](Self::liveness) | 3 s | how long one may be silent before the other gives it up |
/// | [`workers`](Self::workers) | 1024 | at once |
/// | [`in_flight`](Self::in_flight) | 1000 | tasks at one worker, whatever it asks for |
/// | [`task_bytes`](Self::task_bytes) | 256 MiB | the largest task; workers that could not hold it are refused, for good |
/// | [`limits`](Self::limits) | `Limits::default()` | what a result may cost |
/// | `journal` (feature `journal`) | none | the file in which tasks survive the dispatcher |
/// | [`prepare_socket`](Self::prepare_socket) | nothing | what is set on its socket |
///
/// # Examples
///
/// ```
/// use outband::pipeline::{DispatcherOptions, Order};
/// use std::time::Duration;
///
/// let options = DispatcherOptions::new().order(Order::Submission).lease(Duration::from_secs(60)).attempts(3);
/// assert_ne!(format!("{options:?}"), format!("{:?}", DispatcherOptions::new()));
/// ```
#[derive(Clone, Debug)]
pub struct DispatcherOptions {
    pub(super) backlog: Quota,
    pub(super) unread: Quota,
    pub(super) order: Order,
    pub(super) attempts: u32,
    pub(super) retry_after: Duration,
    pub(super) lease: Option<Duration>,
    pub(super) heartbeat: Duration,
    pub(super) liveness: Duration,
    pub(super) workers: usize,
    pub(super) in_flight: u64,
    pub(super) task_bytes: u64,
    pub(super) limits: Limits,
    pub(super) prepare: Option<Prepare>,
    #[cfg(feature = "journal")]
    pub(super) journal: Option<std::path::PathBuf>,
}

impl Default for DispatcherOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl DispatcherOptions {
    /// The defaults.
    pub const fn new() -> Self {
        Self {
            backlog: Quota { messages: 10_000, bytes: 1 << 30 },
            unread: Quota { messages: 10_000, bytes: 1 << 30 },
            order: Order::Completion,
            attempts: 5,
            retry_after: Duration::from_millis(100),
            lease: None,
            heartbeat: Duration::from_secs(1),
            liveness: Duration::from_secs(3),
            workers: 1024,
            in_flight: 1000,
            task_bytes: 256 << 20,
            limits: Limits::new(),
            prepare: None,
            #[cfg(feature = "journal")]
            journal: None,
        }
    }

    /// The most tasks without an outcome, and the most bytes in all of them together. One that was cancelled is of their number until that
    /// outcome was read.
    pub const fn backlog(mut self, messages: usize, bytes: u64) -> Self {
        self.backlog = Quota { messages, bytes };
        self
    }

    /// The most outcomes that wait to be read, and the bytes from which on no further ones are asked for.
    ///
    /// The outcomes of tasks that are with workers are counted as if they were there. In order of submission that
    /// includes those that wait for earlier ones; the task that all of them wait for is handed out in any case.
    pub const fn unread(mut self, messages: usize, bytes: u64) -> Self {
        self.unread = Quota { messages, bytes };
        self
    }

    /// The order of the outcomes.
    pub const fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// How often a task may fail before it is a dead letter. A worker that dies with a task has failed; one that hands it
    /// back has not.
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// The pause after a failure that does not name one, and the first one of a task that is returned again and again, which doubles up to a
    /// heartbeat or this, whichever is longer. What a dead worker had is redelivered at once.
    pub const fn retry_after(mut self, pause: Duration) -> Self {
        self.retry_after = pause;
        self
    }

    /// How long a handler may be busy with a task before another worker gets it too; each
    /// [`progress`](super::Task::progress) starts it anew.
    ///
    /// It begins when a thread takes the task up, give or take a heartbeat. A task that waits behind a handler whose lease has ended goes to
    /// another worker after a lease as well, and that costs it no attempt. Where every worker has had a task and none answers, each further lease
    /// counts as an attempt, so that it is a dead letter in the end.
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.lease = Some(lease);
        self
    }

    /// How often the dispatcher and each worker show a sign of life.
    pub const fn heartbeat(mut self, interval: Duration) -> Self {
        self.heartbeat = interval;
        self
    }

    /// How long a worker, and to a worker the dispatcher, may be silent before it is given up. A worker whose connection
    /// ends is given up at once. Tasks and results of a MiB and more are announced, and have a second more for each megabyte.
    pub const fn liveness(mut self, silence: Duration) -> Self {
        self.liveness = silence;
        self
    }

    /// The most workers at once.
    pub const fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// The most tasks that one worker is given at once, however many it asks for. More than 100 000, which is what a sign of
    /// life can name, counts as 100 000.
    pub const fn in_flight(mut self, tasks: u32) -> Self {
        self.in_flight = tasks as u64;
        self
    }

    /// The largest task, in bytes. A worker that could not hold that much is refused, and its `run` fails, so no task waits for ever. A larger one
    /// that an earlier dispatcher left in the journal is a dead letter.
    pub const fn task_bytes(mut self, bytes: u64) -> Self {
        self.task_bytes = bytes;
        self
    }

    /// What a result may cost. Where one costs more its task has failed, and nothing else: the results that came with it count,
    /// and the worker goes on. The header of a message is at most 1 MiB long whatever the limits are.
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Prepares the ROUTER before it is bound: for CURVE, `ZMQ_MAXMSGSIZE`, `ZMQ_IPV6` and the like. What the pipeline needs has been
    /// set by then (timeouts, high-water marks, keep-alive, linger) and is to stay so. What `prepare` fails with, `bind` does.
    ///
    /// A message of a worker is in memory before its limits are looked at, and without a `ZMQ_MAXMSGSIZE` there is no bound to that.
    /// A worker that sends a longer frame loses its connection, and its tasks an attempt.
    ///
    /// # Examples
    ///
    /// Only workers that know the public key can come, and none that sends a frame of more than 64 MiB stays; it needs a libzmq with CURVE:
    ///
    /// ```no_run
    /// use outband::pipeline::{Dispatcher, DispatcherOptions, Worker, WorkerOptions};
    ///
    /// let (keys, own) = (zmq::CurveKeyPair::new()?, zmq::CurveKeyPair::new()?);
    /// let options = DispatcherOptions::new().prepare_socket(move |socket| {
    ///     socket.set_maxmsgsize(64 << 20)?;
    ///     socket.set_curve_server(true)?;
    ///     socket.set_curve_secretkey(&keys.secret_key)
    /// });
    /// let dispatcher = Dispatcher::bind(&zmq::Context::new(), "tcp://127.0.0.1:*", options)?;
    ///
    /// let options = WorkerOptions::new().prepare_socket(move |socket| {
    ///     socket.set_curve_serverkey(&keys.public_key)?;
    ///     socket.set_curve_publickey(&own.public_key)?;
    ///     socket.set_curve_secretkey(&own.secret_key)
    /// });
    /// let worker = Worker::connect(&zmq::Context::new(), dispatcher.endpoint(), options)?;
    /// # drop(worker);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn prepare_socket(mut self, prepare: impl Fn(&zmq::Socket) -> zmq::Result<()> + Send + Sync + 'static) -> Self {
        self.prepare = Some(Prepare::with(prepare));
        self
    }

    /// Keeps every task in this file until its outcome is dropped: a submit that returned survives the dispatcher. With it
    /// [`task_bytes`](Self::task_bytes) is 2 GiB at most.
    ///
    /// The file is made if it is not there. What is in it is taken up again, before anything new, under the ids that
    /// it had. See the [protocol](crate::docs::pipeline) for what that promises.
    #[cfg(feature = "journal")]
    pub fn journal(mut self, path: impl Into<std::path::PathBuf>) -> Self {
        self.journal = Some(path.into());
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        let refuse = |reason| Err(Detail::PipelineOptions { reason }.into());
        if self.heartbeat < Duration::from_millis(1) {
            return refuse("a heartbeat is at least a millisecond");
        }
        if self.liveness < self.heartbeat.saturating_mul(2) {
            return refuse("liveness is at least two heartbeats");
        }
        if self.lease.is_some_and(|lease| lease < self.heartbeat.saturating_mul(2)) {
            return refuse("a lease is at least two heartbeats: waiting tasks have theirs renewed by a heartbeat");
        }
        if self.attempts == 0 || self.workers == 0 || self.in_flight == 0 {
            return refuse("attempts, workers and tasks in flight are at least one each");
        }
        #[cfg(feature = "journal")]
        if self.journal.is_some() && self.task_bytes > MAX_JOURNALED {
            return refuse("with a journal task_bytes is 2 GiB at most");
        }
        if self.backlog.messages == 0 || self.unread.messages == 0 || self.unread.bytes == 0 {
            return refuse("the backlog and the unread outcomes have room for at least one");
        }
        Ok(())
    }
}
