//! `AsyncDispatcher`: tasks and outcomes without a thread that waits.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::thread;

use futures_core::Stream;
use serde::Serialize;
use tokio::sync::futures::Notified;
use tokio::sync::oneshot;
use tokio::task::coop;

use super::super::dispatcher::Dispatcher;
use super::super::exchange::Patience;
use super::super::options::DispatcherOptions;
use super::super::outcome::{Outcome, TaskId};
use super::super::stats::Stats;
use crate::codec::{Encode, MsgPack};
use crate::error::Result;
use crate::multipart::Multipart;

/// Distributes tasks to workers, from the tasks of a tokio runtime.
///
/// The methods are those of [`Dispatcher`], by the same names and with the same promises; those that may wait are `async`.
/// All take `&self`: a task that submits and one that reads outcomes share it in an `Arc`. It works in any runtime, and
/// needs neither its I/O driver nor its timer.
///
/// **A dropped future loses nothing.** A submit that is dropped while it waits for room has submitted nothing, and what was
/// to be submitted is dropped with it. With a journal one that is dropped later, while its task is being written, has
/// submitted: the outcome will come. An outcome is taken out by the very poll that returns it.
///
/// Dropping it waits for its thread to say goodbye, a second at most, and holds up the thread that it is dropped on:
/// [`shutdown`](Self::shutdown) lets other tasks run meanwhile.
///
/// # Examples
///
/// ```
/// use futures_util::StreamExt;
/// use outband::pipeline::{AsyncDispatcher, AsyncWorker, DispatcherOptions, Task, WorkerOptions};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let context = zmq::Context::new();
/// let dispatcher = AsyncDispatcher::bind(&context, "tcp://127.0.0.1:*", DispatcherOptions::new())?;
/// let worker = AsyncWorker::connect(&context, dispatcher.endpoint(), WorkerOptions::new().ends_with_dispatcher())?;
/// let worker = tokio::spawn(worker.run(|task: Task<u64>| async move { Ok(*task * *task) }));
///
/// for number in 1..=100_u64 {
///     dispatcher.submit(&number).await?; // waits for room, while other tasks run
/// }
/// dispatcher.close(); // no more tasks: the outcomes will end
/// let squares = dispatcher.outcomes().map(|outcome| outcome?.decode::<u64>());
/// let squares: Vec<outband::Result<u64>> = squares.collect().await;
/// assert_eq!(squares.into_iter().sum::<outband::Result<u64>>()?, 338_350);
/// drop(dispatcher);
/// worker.await??;
/// # Ok(())
/// # }
/// ```
pub struct AsyncDispatcher(Dispatcher);

impl AsyncDispatcher {
    /// Binds a ROUTER to `endpoint` and starts the thread that serves it, as [`Dispatcher::bind`].
    ///
    /// # Errors
    ///
    /// As [`Dispatcher::bind`].
    pub fn bind(context: &zmq::Context, endpoint: &str, options: DispatcherOptions) -> Result<Self> {
        Dispatcher::bind(context, endpoint, options).map(Self::new)
    }

    /// Lets tasks use a dispatcher.
    pub fn new(dispatcher: Dispatcher) -> Self {
        Self(dispatcher)
    }

    /// Gives the dispatcher back, for blocking use.
    pub fn into_inner(self) -> Dispatcher {
        self.0
    }

    /// Where workers connect to.
    pub fn endpoint(&self) -> &str {
        self.0.endpoint()
    }

    /// Submits a task with the default codec. Waits for room in the backlog.
    ///
    /// # Errors
    ///
    /// As [`Dispatcher::submit`].
    pub async fn submit<T: Serialize + ?Sized>(&self, task: &T) -> Result<TaskId> {
        self.submit_with(&MsgPack::new(), task).await
    }

    /// Submits a task with any codec. Waits for room in the backlog.
    ///
    /// # Errors
    ///
    /// As [`Dispatcher::submit`].
    pub async fn submit_with<T: ?Sized, C: Encode<T>>(&self, codec: &C, task: &T) -> Result<TaskId> {
        self.submit_message(codec.encode(task)?).await
    }

    /// Submits a message as a task. Waits for room in the backlog. A failed submit gives the message back.
    ///
    /// # Errors
    ///
    /// As [`Dispatcher::submit`].
    pub async fn submit_message(&self, mut message: Multipart) -> Result<TaskId> {
        // a task that always finds room lets the others run now and then
        coop::consume_budget().await;
        #[cfg(feature = "journal")]
        let kept = self.0.journal.as_ref().map(|journal| (journal, message.clone()));
        let task = loop {
            let given = self.0.exchange.room.given();
            match self.0.take(message, Patience::None) {
                Err(error) if error.is_timeout() => {
                    message = error.into_message().expect("invariant: a failed submit gives the message back");
                }
                taken => break taken?,
            }
            given.await;
        };
        #[cfg(feature = "journal")]
        if let Some((journal, kept)) = kept {
            journal.recorded(task.0).await.map_err(|error| error.with_payload(Box::new(kept)))?;
        }
        Ok(task)
    }

    /// Cancels a task, as [`Dispatcher::cancel`].
    pub fn cancel(&self, task: TaskId) {
        self.0.cancel(task);
    }

    /// The next outcome; waits for it. `None` after [`close`](Self::close), once all were handed over.
    ///
    /// # Errors
    ///
    /// As [`Dispatcher::recv`].
    pub async fn recv(&self) -> Result<Option<Outcome>> {
        let mut outcomes = self.outcomes();
        poll_fn(|context| Pin::new(&mut outcomes).poll_next(context)).await.transpose()
    }

    /// The next outcome, or kind `Timeout` at once.
    ///
    /// # Errors
    ///
    /// As [`Dispatcher::try_recv`].
    pub fn try_recv(&self) -> Result<Option<Outcome>> {
        self.0.try_recv()
    }

    /// The outcomes as a stream, dead letters among them. It ends after [`close`](Self::close), once all were handed over,
    /// and after an error.
    pub fn outcomes(&self) -> Outcomes<'_> {
        Outcomes { dispatcher: self, given: None, is_over: false }
    }

    /// Takes no further tasks, as [`Dispatcher::close`].
    pub fn close(&self) {
        self.0.close();
    }

    /// Drops the dispatcher, and is done when its goodbye was heard: what dropping it does, while other tasks run.
    ///
    /// A thread of its own waits, for the goodbye and for the last commit of a journal; once this was polled, that goes on
    /// though the future is dropped. Until it is over the journal's file is in use: start another dispatcher with that file when
    /// this future is done, not when it was dropped.
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
    /// let worker = AsyncWorker::connect(&context, dispatcher.endpoint(), WorkerOptions::new().ends_with_dispatcher())?;
    /// let worker = tokio::spawn(worker.run(|task: Task<u64>| async move { Ok(*task + 1) }));
    /// dispatcher.submit(&1_u64).await?;
    /// assert_eq!(dispatcher.recv().await?.expect("it is not closed").decode::<u64>()?, 2);
    ///
    /// dispatcher.shutdown().await;
    /// worker.await??; // it has heard that
    /// # Ok(())
    /// # }
    /// ```
    pub async fn shutdown(self) {
        let (ends, ended) = oneshot::channel::<()>();
        let dispatcher = self.0;
        let drops = move || {
            drop(dispatcher);
            drop(ends);
        };
        // where there is no thread to be had, it has been dropped right here
        if thread::Builder::new().name("outband goodbye".to_owned()).spawn(drops).is_ok() {
            let _ = ended.await;
        }
    }

    /// What it has done and has in hand, as of a moment ago.
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }

    /// The tasks that were in the journal when this began, oldest first: their outcomes will come too.
    pub fn recovered(&self) -> &[TaskId] {
        self.0.recovered()
    }
}

/// The outcomes of an [`AsyncDispatcher`] as a stream: made by [`AsyncDispatcher::outcomes`].
///
/// Several may read at once; each outcome goes to one of them.
#[must_use = "a stream receives nothing unless it is polled"]
pub struct Outcomes<'d> {
    dispatcher: &'d AsyncDispatcher,
    given: Option<Pin<Box<Notified<'d>>>>,
    is_over: bool,
}

impl Stream for Outcomes<'_> {
    type Item = Result<Outcome>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let budget = ready!(coop::poll_proceed(context));
        loop {
            match self.dispatcher.try_recv() {
                Err(error) if error.is_timeout() => {}
                outcome => {
                    budget.made_progress();
                    self.given = None;
                    self.is_over = !matches!(outcome, Ok(Some(_)));
                    return Poll::Ready(outcome.transpose());
                }
            }
            let dispatcher = self.dispatcher;
            match &mut self.given {
                // what is given from now on counts, so look again before waiting for it
                None => self.given = Some(Box::pin(dispatcher.0.exchange.outcome.given())),
                Some(given) => {
                    ready!(given.as_mut().poll(context));
                    self.given = None;
                }
            }
        }
    }
}

impl fmt::Debug for AsyncDispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncDispatcher").field(&self.0).finish()
    }
}

impl fmt::Debug for Outcomes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcomes").field("dispatcher", &self.dispatcher).finish_non_exhaustive()
    }
}
