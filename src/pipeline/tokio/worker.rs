//! `AsyncWorker`: runs an async handler for each task.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::thread;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::super::bench::Bench;
use super::super::hand::Answer;
use super::super::link::Link;
use super::super::task::{Failure, Task};
use super::super::terms::WorkerOptions;
use super::super::watch::Watch;
use super::super::worker::{Leave, Worker, panicked};
use crate::codec::{Decode, Encode, MsgPack};
use crate::error::{Detail, Error, Result};
use crate::multipart::Multipart;

/// Runs an async handler for each task that a [`Dispatcher`](crate::pipeline::Dispatcher) gives it.
///
/// As [`Worker`], except that handlers are tasks of the runtime and not threads: all tasks that the worker holds run at
/// once, so [`in_flight`](WorkerOptions::in_flight) says how many, and [`threads`](WorkerOptions::threads) only what that
/// is by default. The connection has a thread of its own, so a handler that blocks its thread for a while costs no
/// session; but it holds up other handlers.
///
/// # Examples
///
/// ```
/// use outband::pipeline::{AsyncDispatcher, AsyncWorker, DispatcherOptions, Task, WorkerOptions};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let context = zmq::Context::new();
/// let dispatcher = AsyncDispatcher::bind(&context, "tcp://127.0.0.1:*", DispatcherOptions::new())?;
///
/// let worker = AsyncWorker::connect(&context, dispatcher.endpoint(), WorkerOptions::new().in_flight(100))?;
/// let leave = worker.leave();
/// let running = tokio::spawn(worker.run(|task: Task<String>| async move {
///     tokio::task::yield_now().await; // a request to some service, say
///     Ok(task.len())
/// }));
///
/// dispatcher.submit("seven..").await?;
/// let outcome = dispatcher.recv().await?.expect("it is not closed");
/// assert_eq!(outcome.decode::<usize>()?, 7);
/// leave.leave(); // what runs may end
/// running.await??;
/// # Ok(())
/// # }
/// ```
pub struct AsyncWorker(Worker);

impl AsyncWorker {
    /// Connects a DEALER to a dispatcher, which need not be there yet.
    ///
    /// # Errors
    ///
    /// As [`Worker::connect`].
    pub fn connect(context: &zmq::Context, endpoint: &str, options: WorkerOptions) -> Result<Self> {
        Worker::connect(context, endpoint, options).map(Self::new)
    }

    /// Lets a worker run async handlers.
    pub fn new(worker: Worker) -> Self {
        Self(worker)
    }

    /// What makes it leave: hands back what has not begun, lets running handlers end.
    pub fn leave(&self) -> Leave {
        self.0.leave()
    }

    /// Runs `handler` for every task until it is time to leave. Tasks and results go through the default codec.
    ///
    /// A handler that is not done when the [`grace`](WorkerOptions::grace) is over is dropped where it waits. Where this
    /// future is dropped, so are all handlers, and the tasks go to other workers at once: the connection ends without a
    /// goodbye. Use [`leave`](Self::leave) to end it gently.
    ///
    /// # Errors
    ///
    /// Kind `Caller` outside of a runtime, or when the dispatcher refuses this worker for good, as [`Worker::run`] says; kind
    /// `Transport` when the context is terminated, or when there is no thread to be had.
    pub async fn run<T, R, F, Fut>(self, handler: F) -> Result<()>
    where
        T: DeserializeOwned,
        R: Serialize,
        F: Fn(Task<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, Failure>> + Send + 'static,
    {
        self.run_with(MsgPack::new(), handler).await
    }

    /// As [`run`](Self::run), with another codec for tasks and results.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub async fn run_with<C, T, R, F, Fut>(self, codec: C, handler: F) -> Result<()>
    where
        C: Decode<T> + Encode<R> + Send + Sync + 'static,
        F: Fn(Task<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, Failure>> + Send + 'static,
    {
        if Handle::try_current().is_err() {
            return Err(Detail::NoRuntime.into());
        }
        let Worker { link, bench, .. } = self.0;
        let (serving, ended) = Serving::start(link, bench)?;
        let (bench, codec, handler) = (&serving.0, Arc::new(codec), Arc::new(handler));
        // dropped with this future or after it, and whatever runs in it then
        let mut handlers = JoinSet::new();
        while let Some(job) = bench.next_in_task().await {
            while handlers.try_join_next().is_some() {}
            let (bench, codec, handler) = (bench.clone(), codec.clone(), handler.clone());
            handlers.spawn(async move {
                let answer = attempt(async {
                    let value = codec.decode(job.object.clone())?;
                    let result = handler(Task::new(value, job.clone(), bench.clone())).await?;
                    Ok(codec.encode(&result)?)
                });
                let answer = answer.await;
                bench.finish(&job, answer);
            });
        }
        ended.await.unwrap_or_else(|_| Err(Error::io("serve a connection", io::Error::other("its thread panicked"))))
    }
}

/// The thread with the connection, which ends when this is dropped.
struct Serving(Arc<Bench>);

impl Serving {
    /// Starts it; and what it ended with.
    fn start(mut link: Link, bench: Arc<Bench>) -> Result<(Self, oneshot::Receiver<Result<()>>)> {
        let (ends, ended) = oneshot::channel();
        let serving = Self(bench.clone());
        let serve = move || {
            let watched = bench.clone();
            let _watch = Watch::new(|| watched.end());
            let served = link.serve();
            drop(link);
            // whatever ended it: there will be no further tasks
            bench.end();
            // nobody listens where the worker was dropped
            let _ = ends.send(served);
        };
        let thread = thread::Builder::new().name("outband worker".to_owned()).spawn(serve);
        thread.map_err(|error| Error::io("start a thread", error))?;
        Ok((serving, ended))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// What becomes of an attempt, a panic included.
async fn attempt(work: impl Future<Output = Result<Multipart, Failure>>) -> Answer {
    let mut work = pin!(work);
    let polled = poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(polled) => polled,
        Err(panic) => Poll::Ready(Err(panicked(panic))),
    });
    polled.await.map_or_else(Failure::into_answer, Answer::Done)
}

impl fmt::Debug for AsyncWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncWorker").field(&self.0).finish()
    }
}
