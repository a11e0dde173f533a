//! `Worker`: takes tasks from a dispatcher, runs a handler for each, and sends back what it returns.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::bench::Bench;
use super::dispatcher::draw;
use super::hand::{Answer, Job, Terms};
use super::link::Link;
use super::message::Window;
use super::task::{Failure, Task};
use super::terms::WorkerOptions;
use super::watch::Watch;
use crate::codec::{Decode, Encode, MsgPack};
use crate::error::{Error, Result};
use crate::multipart::Multipart;

/// Runs a handler for each task that a [`Dispatcher`](super::Dispatcher) gives it.
///
/// [`run`](Self::run) keeps the connection on the calling thread and runs handlers on threads of its own. When the
/// connection is lost it is made again; tasks that are running meanwhile run on, and their results count if nobody was
/// faster. A handler that panics has failed.
///
/// # Examples
///
/// A worker process, in full; it needs the feature `signals`:
///
/// ```no_run
/// # #[cfg(feature = "signals")]
/// # fn main() -> Result<(), outband::Error> {
/// use outband::pipeline::{Task, Worker, WorkerOptions};
/// use outband::Buffer;
///
/// let options = WorkerOptions::new().leaves_on_signals();
/// let worker = Worker::connect(&zmq::Context::new(), "tcp://dispatcher:5555", options)?;
/// worker.run(|task: Task<Buffer>| Ok(task.iter().map(|&byte| u64::from(byte)).sum::<u64>()))
/// # }
/// # #[cfg(not(feature = "signals"))]
/// # fn main() {}
/// ```
pub struct Worker {
    pub(super) link: Link,
    pub(super) bench: Arc<Bench>,
    pub(super) options: WorkerOptions,
}

/// Makes a [`Worker`] leave, from any thread.
#[derive(Clone, Debug)]
pub struct Leave(Arc<Bench>);

impl Leave {
    /// Hands back what waits, lets running handlers end, and ends [`Worker::run`].
    pub fn leave(&self) {
        self.0.drain();
    }
}

impl Worker {
    /// Connects a DEALER to a dispatcher, which need not be there yet.
    ///
    /// # Errors
    ///
    /// Kind `Transport` when there can be no connection to such an endpoint.
    pub fn connect(context: &zmq::Context, endpoint: &str, options: WorkerOptions) -> Result<Self> {
        let terms = Terms {
            name: options.name.clone(),
            capacity: Window { messages: options.held() as u64, bytes: options.bytes },
            grace: options.grace,
            ends_with_dispatcher: options.ends_with_dispatcher,
        };
        let bench = Arc::new(Bench::new(terms, draw())?);
        let link = Link::new(context, endpoint, &options, bench.clone())?;
        Ok(Self { link, bench, options })
    }

    /// What makes it leave.
    pub fn leave(&self) -> Leave {
        Leave(self.bench.clone())
    }

    /// Runs `handler` for every task until it is time to leave. Tasks and results go through the default codec.
    ///
    /// The handler runs on [`threads`](WorkerOptions::threads) threads at once. One that is busy when the
    /// [`grace`](WorkerOptions::grace) is over is left to itself when this returns.
    ///
    /// # Errors
    ///
    /// Kind `Transport` when the context is terminated, or when there are no threads to be had. Kind `Caller` when the dispatcher
    /// refuses this worker for good, with its reason: it could not hold the largest task ([`bytes`](WorkerOptions::bytes) against
    /// [`task_bytes`](super::DispatcherOptions::task_bytes)), or it speaks another version of the protocol. One that is refused for now,
    /// because there are enough workers, goes on asking, and the log has the reason.
    pub fn run<T, R, F>(self, handler: F) -> Result<()>
    where
        T: DeserializeOwned,
        R: Serialize,
        F: Fn(Task<T>) -> Result<R, Failure> + Send + Sync + 'static,
    {
        self.run_with(MsgPack::new(), handler)
    }

    /// As [`run`](Self::run), with another codec for tasks and results.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn run_with<C, T, R, F>(self, codec: C, handler: F) -> Result<()>
    where
        C: Decode<T> + Encode<R> + Send + Sync + 'static,
        F: Fn(Task<T>) -> Result<R, Failure> + Send + Sync + 'static,
    {
        self.run_jobs(move |bench, job: &Job| {
            let value = codec.decode(job.object.clone())?;
            let result = handler(Task::new(value, job.clone(), bench.clone()))?;
            Ok(codec.encode(&result)?)
        })
    }

    fn run_jobs<F>(mut self, work: F) -> Result<()>
    where
        F: Fn(&Arc<Bench>, &Job) -> Result<Multipart, Failure> + Send + Sync + 'static,
    {
        let work = Arc::new(work);
        let (mut threads, mut served) = (Vec::new(), Ok(()));
        for number in 0..self.options.threads {
            let (bench, work) = (self.bench.clone(), work.clone());
            let thread = thread::Builder::new().name(format!("outband worker {number}"));
            let run = move || {
                while let Some(job) = bench.next() {
                    let answer = attempt(|| work(&bench, &job));
                    bench.finish(&job, answer);
                }
            };
            match thread.spawn(run) {
                Ok(thread) => threads.push(thread),
                Err(error) => {
                    served = Err(Error::io("start a thread", error));
                    break;
                }
            }
        }
        let watched = self.bench.clone();
        let _watch = Watch::new(|| watched.end());
        let served = served.and_then(|()| self.link.serve());
        // whatever ended it: the threads end too, those that are busy when they are done
        self.bench.end();
        if self.bench.busy() == 0 {
            threads.into_iter().for_each(|thread| drop(thread.join()));
        }
        served
    }
}

/// What becomes of an attempt, a panic included.
fn attempt(work: impl FnOnce() -> Result<Multipart, Failure>) -> Answer {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(result)) => Answer::Done(result),
        Ok(Err(failure)) => failure.into_answer(),
        Err(panic) => panicked(panic).into_answer(),
    }
}

/// What becomes of a task whose handler panicked.
pub(super) fn panicked(panic: Box<dyn Any + Send>) -> Failure {
    let failure = Failure::new(format_args!("the handler panicked: {}", panic_text(&*panic)));
    // what a handler panics with may panic when it is dropped, and what that panics with too: that is kept for ever
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(another);
    }
    failure
}

/// What a panic says.
pub(super) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no text")
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("options", &self.options).finish()
    }
}
