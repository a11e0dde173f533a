//! Pipelines: what becomes of a task is the same in every shell of the dispatcher and of the worker.

use std::collections::BTreeSet;
use std::future::{Future, ready};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use outband::pipeline::{
    Dispatcher, DispatcherOptions, Failure, Order, Outcome, Stats, Task, TaskId, Worker, WorkerOptions,
};
use outband::{Buffer, ErrorKind, Multipart, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::common::{Place, TRANSPORTS};
use super::patience::{LONG, until};

pub(super) const MILLI: Duration = Duration::from_millis(1);

/// What is run with every shell.
pub(super) trait Test {
    fn run<S: Shell>(&self, place: &Place);
}

/// A dispatcher and workers, and somebody who waits for them.
pub(super) trait Shell: Sized + Sync {
    fn wrap(dispatcher: Dispatcher) -> Self;
    fn endpoint(&self) -> &str;
    fn submit_message(&self, message: Multipart) -> Result<TaskId>;
    fn recv(&self) -> Result<Option<Outcome>>;
    fn try_recv(&self) -> Result<Option<Outcome>>;
    fn cancel(&self, task: TaskId);
    fn close(&self);
    fn stats(&self) -> Stats;
    /// Runs a worker to its end.
    fn work<T, R, F, Fut>(worker: Worker, handler: F)
    where
        T: DeserializeOwned + Send + 'static,
        R: Serialize + 'static,
        F: Fn(Task<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, Failure>> + Send + 'static;

    fn bind(place: &Place, options: DispatcherOptions) -> Self {
        // with short times, so that tests end soon; but for the silence that means something, which is never that long
        Self::bind_as_is(place, options.heartbeat(50 * MILLI).liveness(LONG).retry_after(MILLI))
    }

    fn bind_as_is(place: &Place, options: DispatcherOptions) -> Self {
        Self::wrap(Dispatcher::bind(&place.context, &place.address(), options).unwrap())
    }

    fn submit<T: Serialize + ?Sized>(&self, task: &T) -> Result<TaskId> {
        self.submit_message(outband::to_multipart(task).unwrap())
    }

    fn next(&self) -> Outcome {
        self.recv().unwrap().expect("an outcome")
    }

    /// A worker in a thread, which ends with the dispatcher. It is welcome already: one that never was would wait for another
    /// dispatcher for a while.
    fn employ<T, R, F>(&self, place: &Place, options: WorkerOptions, handler: F) -> JoinHandle<()>
    where
        T: DeserializeOwned + Send + 'static,
        R: Serialize + Send + 'static,
        F: Fn(Task<T>) -> Result<R, Failure> + Send + Sync + 'static,
    {
        self.employ_async(place, options, move |task| ready(handler(task)))
    }

    /// As [`employ`](Self::employ), with a handler that waits as its shell waits.
    fn employ_async<T, R, F, Fut>(&self, place: &Place, options: WorkerOptions, handler: F) -> JoinHandle<()>
    where
        T: DeserializeOwned + Send + 'static,
        R: Serialize + 'static,
        F: Fn(Task<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, Failure>> + Send + 'static,
    {
        let before = self.stats().workers;
        let worker = Worker::connect(&place.context, self.endpoint(), options.ends_with_dispatcher()).unwrap();
        let worker = thread::spawn(move || Self::work(worker, handler));
        until("it is welcome", || self.stats().workers > before);
        worker
    }
}

impl Shell for Dispatcher {
    fn wrap(dispatcher: Dispatcher) -> Self {
        dispatcher
    }
    fn endpoint(&self) -> &str {
        Dispatcher::endpoint(self)
    }
    fn submit_message(&self, message: Multipart) -> Result<TaskId> {
        self.submit_message_timeout(message, LONG)
    }
    fn recv(&self) -> Result<Option<Outcome>> {
        self.recv_timeout(LONG)
    }
    fn try_recv(&self) -> Result<Option<Outcome>> {
        Dispatcher::try_recv(self)
    }
    fn cancel(&self, task: TaskId) {
        Dispatcher::cancel(self, task);
    }
    fn close(&self) {
        Dispatcher::close(self);
    }
    fn stats(&self) -> Stats {
        Dispatcher::stats(self)
    }
    fn work<T, R, F, Fut>(worker: Worker, handler: F)
    where
        T: DeserializeOwned + Send + 'static,
        R: Serialize + 'static,
        F: Fn(Task<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, Failure>> + Send + 'static,
    {
        worker.run(move |task| wait_for(handler(task))).unwrap();
    }
}

#[cfg(feature = "tokio")]
mod on_tokio {
    use futures_util::StreamExt;
    use outband::pipeline::{AsyncDispatcher, AsyncWorker};
    use tokio::runtime::{Builder, Runtime};
    use tokio::time::timeout;

    use super::*;

    /// Futures, in runtimes of one thread.
    pub(super) struct OneThread(AsyncDispatcher, Runtime);

    /// The stream of outcomes, in runtimes of several threads.
    pub(super) struct ManyThreads(AsyncDispatcher, Runtime);

    fn one_thread() -> Runtime {
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    fn many_threads() -> Runtime {
        Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
    }

    async fn work<T, R, F, Fut>(worker: Worker, handler: F)
    where
        T: DeserializeOwned + Send + 'static,
        R: Serialize + 'static,
        F: Fn(Task<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, Failure>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let handle = move |task: Task<T>| {
            let handler = handler.clone();
            async move {
                tokio::task::yield_now().await;
                handler(task).await
            }
        };
        AsyncWorker::new(worker).run(handle).await.unwrap();
    }

    impl Shell for OneThread {
        fn wrap(dispatcher: Dispatcher) -> Self {
            Self(AsyncDispatcher::new(dispatcher), one_thread())
        }
        fn endpoint(&self) -> &str {
            self.0.endpoint()
        }
        fn submit_message(&self, message: Multipart) -> Result<TaskId> {
            self.1.block_on(async { timeout(LONG, self.0.submit_message(message)).await.expect("room") })
        }
        fn recv(&self) -> Result<Option<Outcome>> {
            self.1.block_on(async { timeout(LONG, self.0.recv()).await.expect("an outcome") })
        }
        fn try_recv(&self) -> Result<Option<Outcome>> {
            self.0.try_recv()
        }
        fn cancel(&self, task: TaskId) {
            self.0.cancel(task);
        }
        fn close(&self) {
            self.0.close();
        }
        fn stats(&self) -> Stats {
            self.0.stats()
        }
        fn work<T, R, F, Fut>(worker: Worker, handler: F)
        where
            T: DeserializeOwned + Send + 'static,
            R: Serialize + 'static,
            F: Fn(Task<T>) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Result<R, Failure>> + Send + 'static,
        {
            one_thread().block_on(work(worker, handler));
        }
    }

    impl Shell for ManyThreads {
        fn wrap(dispatcher: Dispatcher) -> Self {
            Self(AsyncDispatcher::new(dispatcher), many_threads())
        }
        fn endpoint(&self) -> &str {
            self.0.endpoint()
        }
        fn submit_message(&self, message: Multipart) -> Result<TaskId> {
            self.1.block_on(async { timeout(LONG, self.0.submit_message(message)).await.expect("room") })
        }
        fn recv(&self) -> Result<Option<Outcome>> {
            let mut outcomes = self.0.outcomes();
            self.1.block_on(async { timeout(LONG, outcomes.next()).await.expect("an outcome").transpose() })
        }
        fn try_recv(&self) -> Result<Option<Outcome>> {
            self.0.try_recv()
        }
        fn cancel(&self, task: TaskId) {
            self.0.cancel(task);
        }
        fn close(&self) {
            self.0.close();
        }
        fn stats(&self) -> Stats {
            self.0.stats()
        }
        fn work<T, R, F, Fut>(worker: Worker, handler: F)
        where
            T: DeserializeOwned + Send + 'static,
            R: Serialize + 'static,
            F: Fn(Task<T>) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Result<R, Failure>> + Send + 'static,
        {
            many_threads().block_on(work(worker, handler));
        }
    }
}

pub(super) fn everywhere<T: Test>(test: T) {
    TRANSPORTS.into_iter().for_each(|transport| over(transport, &test));
}

/// With every shell, over one transport.
pub(super) fn over<T: Test>(transport: &'static str, test: &T) {
    test.run::<Dispatcher>(&Place::new(transport));
    #[cfg(feature = "tokio")]
    {
        test.run::<on_tokio::OneThread>(&Place::new(transport));
        test.run::<on_tokio::ManyThreads>(&Place::new(transport));
    }
}

/// As [`over`], with all shells at the same time: for what takes long because it waits.
pub(super) fn side_by_side<T: Test + Sync>(transport: &'static str, test: &T) {
    thread::scope(|scope| {
        scope.spawn(|| test.run::<Dispatcher>(&Place::new(transport)));
        #[cfg(feature = "tokio")]
        {
            scope.spawn(|| test.run::<on_tokio::OneThread>(&Place::new(transport)));
            scope.spawn(|| test.run::<on_tokio::ManyThreads>(&Place::new(transport)));
        }
    });
}

/// Waits for a future on this thread.
fn wait_for<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park_timeout(MILLI),
        }
    }
}

struct Results;

impl Test for Results {
    fn run<S: Shell>(&self, place: &Place) {
        let dispatcher = S::bind(place, DispatcherOptions::new());
        let double = |task: Task<(u32, Buffer)>| Ok((task.0, Buffer::from_vec(vec![task.0 as u8; task.1.len() * 2])));
        let workers: Vec<_> =
            (0..3).map(|_| dispatcher.employ(place, WorkerOptions::new().threads(2), double)).collect();
        let lengths = [0, 100, 20_000, 300_000];
        let mut expected = BTreeSet::new();
        for number in 0..200_u32 {
            let message = (number, Buffer::from_vec(vec![1_u8; lengths[number as usize % 4]]));
            expected.insert(dispatcher.submit(&message).unwrap());
        }
        dispatcher.close();
        let mut numbers = BTreeSet::new();
        while let Some(outcome) = dispatcher.recv().unwrap() {
            let (number, bytes): (u32, Buffer) = outcome.decode().unwrap();
            assert!(expected.remove(&outcome.task()) && numbers.insert(number), "{number} came twice");
            assert_eq!(bytes, Buffer::from_vec(vec![number as u8; lengths[number as usize % 4] * 2]));
            assert_eq!(outcome.attempts(), 1);
        }
        assert!(expected.is_empty() && numbers.len() == 200);
        let stats = dispatcher.stats();
        assert_eq!((stats.done, stats.late, stats.lost, stats.garbage), (200, 0, 0, 0), "{stats:?}");
        drop(dispatcher);
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    }
}

#[test]
fn every_task_has_one_result() {
    everywhere(Results);
}

struct Failing;

impl Test for Failing {
    fn run<S: Shell>(&self, place: &Place) {
        let dispatcher = S::bind(place, DispatcherOptions::new().attempts(3));
        let worker =
            dispatcher.employ(place, WorkerOptions::new().name("solo"), |task: Task<String>| match task.as_str() {
                "second time" if task.attempt() == 2 => Ok("at last".to_owned()),
                "panics" => panic!("on purpose, attempt {}", task.attempt()),
                "hopeless" => Err(Failure::rejected("never")),
                text => Err(Failure::new(format_args!("{text} failed"))),
            });
        let tasks = ["second time", "panics", "hopeless", "fails"].map(|text| (dispatcher.submit(text).unwrap(), text));
        dispatcher.close();
        let mut ended = 0;
        while let Some(outcome) = dispatcher.recv().unwrap() {
            ended += 1;
            let text = tasks.iter().find(|(id, _)| *id == outcome.task()).unwrap().1;
            if text == "second time" {
                assert_eq!((outcome.decode::<String>().unwrap().as_str(), outcome.attempts()), ("at last", 2));
                continue;
            }
            let letter = outcome.dead_letter().expect("a dead letter");
            let task: String = outband::from_multipart(letter.message.clone()).unwrap();
            assert_eq!(task, text, "the task itself comes back");
            let reasons: Vec<_> = letter.failures.iter().map(|failure| failure.reason.as_str()).collect();
            let panics = [1, 2, 3].map(|attempt| format!("the handler panicked: on purpose, attempt {attempt}"));
            match text {
                "panics" => assert_eq!(reasons, panics),
                "hopeless" => assert_eq!(reasons, ["never"]),
                _ => assert_eq!(reasons, ["fails failed"; 3]),
            }
            assert!(letter.failures.iter().all(|failure| &*failure.worker == "solo"));
            let error = outcome.decode::<String>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Caller);
            assert!(error.to_string().contains(reasons[reasons.len() - 1]), "{error}");
        }
        assert_eq!(ended, 4);
        drop(dispatcher);
        worker.join().unwrap();
    }
}

#[test]
fn a_task_that_fails_is_tried_again_and_then_a_dead_letter_with_its_reasons() {
    everywhere(Failing);
}

struct Backlog;

impl Test for Backlog {
    fn run<S: Shell>(&self, place: &Place) {
        let dispatcher = S::bind(place, DispatcherOptions::new().backlog(3, 1000).task_bytes(5000));
        for number in 0..3_u32 {
            dispatcher.submit(&number).unwrap();
        }
        // a submit that waits goes on once there is room
        let has_submitted = AtomicUsize::new(0);
        let worker = thread::scope(|scope| {
            let waits = scope.spawn(|| {
                dispatcher.submit(&8_u32).unwrap();
                has_submitted.fetch_add(1, Ordering::SeqCst);
            });
            // nobody works yet: all three are there still
            until("the three are with the dispatcher", || dispatcher.stats().waiting == 3);
            assert_eq!(has_submitted.load(Ordering::SeqCst), 0);
            let worker = dispatcher.employ(place, WorkerOptions::new(), |task: Task<u32>| Ok(*task));
            let sum: u32 = (0..4).map(|_| dispatcher.next().decode::<u32>().unwrap()).sum();
            assert_eq!(sum, 11);
            waits.join().unwrap();
            worker
        });
        assert_eq!(has_submitted.load(Ordering::SeqCst), 1);
        let long = Multipart::new(vec![0xc0], vec![vec![0; 5000].into()]);
        let error = dispatcher.submit_message(long.clone()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limits, "{error}");
        assert_eq!(error.into_message(), Some(long));
        dispatcher.close();
        let message = outband::to_multipart(&7_u32).unwrap();
        let error = dispatcher.submit_message(message.clone()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Caller, "{error}");
        assert_eq!(error.into_message(), Some(message));
        assert!(dispatcher.recv().unwrap().is_none());
        drop(dispatcher);
        worker.join().unwrap();
    }
}

#[test]
fn a_full_backlog_pushes_back_and_gives_the_message_back() {
    everywhere(Backlog);
}

struct Unread(Order);

impl Test for Unread {
    fn run<S: Shell>(&self, place: &Place) {
        let order = self.0;
        let dispatcher = S::bind(place, DispatcherOptions::new().unread(4, 1 << 20).order(order));
        let runs = Arc::new(AtomicUsize::new(0));
        let worker = dispatcher.employ(place, WorkerOptions::new().threads(2).in_flight(8), {
            let runs = runs.clone();
            move |task: Task<u32>| {
                runs.fetch_add(1, Ordering::SeqCst);
                Ok(*task)
            }
        });
        for number in 0..40_u32 {
            dispatcher.submit(&number).unwrap();
        }
        until("as many have ended as may be unread", || dispatcher.stats().unread == 4);
        assert_eq!(runs.load(Ordering::SeqCst), 4);
        for number in 0..40 {
            let value = dispatcher.next().decode::<u32>().unwrap();
            assert!(order == Order::Completion || value == number, "{value} is not {number}");
            assert!(runs.load(Ordering::SeqCst) <= number as usize + 1 + 4);
        }
        assert!(dispatcher.try_recv().unwrap_err().is_timeout());
        drop(dispatcher);
        worker.join().unwrap();
    }
}

#[test]
fn outcomes_that_nobody_reads_hold_up_the_distribution() {
    everywhere(Unread(Order::Completion));
    everywhere(Unread(Order::Submission));
}

struct Ordered;

impl Test for Ordered {
    fn run<S: Shell>(&self, place: &Place) {
        let dispatcher = S::bind(place, DispatcherOptions::new().order(Order::Submission).attempts(3));
        let handler = |task: Task<u32>| match *task % 7 {
            0 if task.attempt() == 1 => Err(Failure::new("once more").retry_after(20 * MILLI)),
            3 => Err(Failure::rejected("no")),
            _ => Ok(*task),
        };
        let workers: Vec<_> =
            (0..2).map(|_| dispatcher.employ(place, WorkerOptions::new().threads(3), handler)).collect();
        let tasks: Vec<_> = (0..200_u32).map(|number| dispatcher.submit(&number).unwrap()).collect();
        for (number, task) in tasks.into_iter().enumerate() {
            let outcome = dispatcher.next();
            assert_eq!(outcome.task(), task);
            assert_eq!(outcome.dead_letter().is_some(), number % 7 == 3);
        }
        drop(dispatcher);
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    }
}

#[test]
fn outcomes_come_in_the_order_of_submission_where_that_is_asked_for() {
    everywhere(Ordered);
}

struct Ending;

impl Test for Ending {
    fn run<S: Shell>(&self, place: &Place) {
        // with times so long that silence tells nobody anything
        let hour = Duration::from_secs(3600);
        let dispatcher = S::bind_as_is(place, DispatcherOptions::new().heartbeat(hour).liveness(3 * hour));
        let workers: Vec<_> =
            (0..3).map(|_| dispatcher.employ(place, WorkerOptions::new(), |task: Task<u32>| Ok(*task))).collect();
        until("all are there", || dispatcher.stats().workers == 3);
        dispatcher.submit(&5_u32).unwrap();
        assert_eq!(dispatcher.next().decode::<u32>().unwrap(), 5);
        drop(dispatcher);
        until("they have ended too", || workers.iter().all(JoinHandle::is_finished));
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    }
}

#[test]
fn workers_that_end_with_their_dispatcher_need_no_silence_to_know() {
    everywhere(Ending);
}
