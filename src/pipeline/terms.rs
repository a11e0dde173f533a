//! What can be set on a worker.

use std::num::NonZero;
use std::thread;
use std::time::Duration;

use super::prepare::Prepare;
use crate::limits::Limits;

/// How a [`Worker`](super::Worker) works.
///
/// | option | default | |
/// |---|---|---|
/// | [`threads`](Self::threads) | as many as there are cores | that run handlers |
/// | [`in_flight`](Self::in_flight) | two for each thread | tasks that it holds: those that run, and those that wait for a thread |
/// | [`bytes`](Self::bytes) | 256 MiB | in all of these together; no less than the dispatcher's largest task, else `run` fails |
/// | [`name`](Self::name) | `pid` and the process's number | in dead letters and logs |
/// | [`grace`](Self::grace) | 30 s | how long running handlers, and the dispatcher's answer, may take when it leaves |
/// | [`limits`](Self::limits) | `Limits::default()` | what a task may cost |
/// | [`ends_with_dispatcher`](Self::ends_with_dispatcher) | no: it waits for the next one | whether `run` returns when the dispatcher is gone |
/// | `leaves_on_signals` (feature `signals`) | no | whether SIGTERM and SIGINT drain it |
/// | [`prepare_socket`](Self::prepare_socket) | nothing | what is set on each of its sockets |
///
/// # Examples
///
/// ```
/// use outband::pipeline::WorkerOptions;
///
/// let options = WorkerOptions::new().threads(4).in_flight(16).name("hasher on node 7");
/// assert!(format!("{options:?}").contains("node 7"));
/// ```
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    pub(super) threads: usize,
    pub(super) in_flight: Option<usize>,
    pub(super) bytes: u64,
    pub(super) name: String,
    pub(super) grace: Duration,
    pub(super) limits: Limits,
    pub(super) ends_with_dispatcher: bool,
    pub(super) prepare: Option<Prepare>,
    #[cfg(feature = "signals")]
    pub(super) leaves_on_signals: bool,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl WorkerOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            threads: thread::available_parallelism().map_or(1, NonZero::get),
            in_flight: None,
            bytes: 256 << 20,
            name: format!("pid {}", std::process::id()),
            grace: Duration::from_secs(30),
            limits: Limits::new(),
            ends_with_dispatcher: false,
            prepare: None,
            #[cfg(feature = "signals")]
            leaves_on_signals: false,
        }
    }

    /// How many threads run handlers: at least one.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// The most tasks that it holds at once: at least one, and no more than 65 535. What waits here while others are idle is done later than it
    /// could be; a worker that waits for the next task does nothing meanwhile.
    pub fn in_flight(mut self, tasks: usize) -> Self {
        self.in_flight = Some(tasks.clamp(1, 65_535));
        self
    }

    /// The most bytes in the tasks that it holds. A dispatcher whose largest task has more refuses the worker: `run` fails.
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes;
        self
    }

    /// What it is called in dead letters and logs.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// How long running handlers may take to end when it leaves; then their tasks are handed back unfinished. And how long the dispatcher may take
    /// to answer its goodbye, a second at least: the last results are on their way before that.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// What a task may cost. One that costs more has failed here, and may be tried on another worker.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Prepares each DEALER before it connects, also when the connection is made anew: for CURVE, `ZMQ_SOCKS_PROXY` and the like; see
    /// [`DispatcherOptions::prepare_socket`](super::DispatcherOptions::prepare_socket). What `prepare` fails with, `connect` does, and
    /// later on `run`. It sets no `ZMQ_ROUTING_ID`: the dispatcher takes what comes under one id for one connection.
    pub fn prepare_socket(mut self, prepare: impl Fn(&zmq::Socket) -> zmq::Result<()> + Send + Sync + 'static) -> Self {
        self.prepare = Some(Prepare::with(prepare));
        self
    }

    /// Ends when the dispatcher says goodbye, or when there is none for five seconds (since the connection ended, or since it
    /// was given up because it was silent). Without this the worker waits for the next dispatcher there.
    pub fn ends_with_dispatcher(mut self) -> Self {
        self.ends_with_dispatcher = true;
        self
    }

    /// Leaves on SIGTERM and SIGINT, which then do not end the process: hands back what waits, lets running handlers end.
    ///
    /// That is for the first signal. From then on, and once the worker has ended, they do what they did before: by default a second
    /// Ctrl-C ends the process. Handlers that the program had for them are called all the while, and are all that a later signal
    /// finds (on Linux; elsewhere the default follows). One that sets up its own only later calls
    /// [`Leave::leave`](super::Leave::leave) there instead.
    #[cfg(feature = "signals")]
    pub fn leaves_on_signals(mut self) -> Self {
        self.leaves_on_signals = true;
        self
    }

    pub(super) fn held(&self) -> usize {
        self.in_flight.unwrap_or(2 * self.threads)
    }
}
