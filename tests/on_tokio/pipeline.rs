//! The pipeline where waiting in a task differs from waiting on a thread: dropped futures, handlers that wait, leaving.

use std::collections::BTreeSet;
use std::future::pending;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::cut::cut;
use crate::patience::LONG;
use crate::random::Random;
use futures_util::{FutureExt, StreamExt};
use outband::pipeline::{AsyncDispatcher, AsyncWorker, DispatcherOptions, Failure, Outcome, Task, WorkerOptions};
use outband::{AsyncSocket, ErrorKind, Multipart};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Barrier, Notify};
use tokio::time::timeout;

const MILLI: Duration = Duration::from_millis(1);

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A dispatcher with short times, so that tests end soon.
fn bind(context: &zmq::Context, options: DispatcherOptions) -> AsyncDispatcher {
    let options = options.heartbeat(50 * MILLI).liveness(LONG).retry_after(MILLI);
    AsyncDispatcher::bind(context, "tcp://127.0.0.1:*", options).unwrap()
}

fn connect(context: &zmq::Context, dispatcher: &AsyncDispatcher, options: WorkerOptions) -> AsyncWorker {
    AsyncWorker::connect(context, dispatcher.endpoint(), options).unwrap()
}

async fn next(dispatcher: &AsyncDispatcher) -> Outcome {
    timeout(LONG, dispatcher.recv()).await.expect("in time").unwrap().expect("an outcome")
}

/// Lets other tasks run until it is so.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waits = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, waits).await.expect(what);
}

#[test]
fn dropped_submits_and_receives_lose_no_task_and_no_outcome() {
    let mut random = Random::seeded(5);
    let context = zmq::Context::new();
    one_thread().block_on(async {
        // room for few, so that most submits have to wait
        let dispatcher = Arc::new(bind(&context, DispatcherOptions::new().backlog(3, 1 << 20)));
        let worker = connect(&context, &dispatcher, WorkerOptions::new().ends_with_dispatcher());
        let worker = tokio::spawn(worker.run(|task: Task<u64>| async move { Ok(*task) }));
        let (mut submitted, mut received, mut cuts) = (Vec::new(), BTreeSet::new(), [0, 0]);
        for value in 0..3000_u64 {
            match cut(dispatcher.submit(&value), random.below(3)).await {
                Some(task) => submitted.push((task.unwrap(), value)),
                None => cuts[0] += 1, // not submitted: its value must not come back
            }
            for _ in 0..random.below(3) {
                let polls = random.below(2);
                let outcome = match random.below(2) {
                    0 => cut(dispatcher.recv(), polls).await.map(|outcome| outcome.unwrap().unwrap()),
                    _ => cut(dispatcher.outcomes().next(), polls).await.map(|outcome| outcome.unwrap().unwrap()),
                };
                match outcome {
                    Some(outcome) => {
                        let value: u64 = outcome.decode().unwrap();
                        assert!(received.insert((outcome.task(), value)), "{value} came twice");
                    }
                    None => cuts[1] += 1,
                }
            }
            if random.below(4) == 0 {
                tokio::task::yield_now().await;
            }
        }
        dispatcher.close();
        let mut outcomes = dispatcher.outcomes();
        while let Some(outcome) = timeout(LONG, outcomes.next()).await.expect("in time") {
            let outcome = outcome.unwrap();
            let value: u64 = outcome.decode().unwrap();
            assert!(received.insert((outcome.task(), value)), "{value} came twice");
        }
        assert!(outcomes.next().await.is_none(), "it goes on after its end");
        assert!(cuts.iter().all(|&cuts| cuts > 0), "nothing was dropped: {cuts:?}");
        assert!(!submitted.is_empty());
        assert_eq!(received, submitted.into_iter().collect());
        drop(outcomes);
        drop(dispatcher);
        worker.await.unwrap().unwrap();
    });
}

#[test]
fn as_many_handlers_wait_at_once_as_are_in_flight() {
    let context = zmq::Context::new();
    one_thread().block_on(async {
        let dispatcher = bind(&context, DispatcherOptions::new());
        let worker =
            connect(&context, &dispatcher, WorkerOptions::new().threads(1).in_flight(50).ends_with_dispatcher());
        // nobody gets past it before fifty are there
        let barrier = Arc::new(Barrier::new(50));
        let worker = tokio::spawn(worker.run(move |task: Task<u64>| {
            let barrier = barrier.clone();
            async move {
                barrier.wait().await;
                Ok(*task)
            }
        }));
        for value in 0..100_u64 {
            dispatcher.submit(&value).await.unwrap();
        }
        let mut sum = 0;
        for _ in 0..100 {
            sum += next(&dispatcher).await.decode::<u64>().unwrap();
        }
        assert_eq!(sum, 4950);
        drop(dispatcher);
        worker.await.unwrap().unwrap();
    });
}

#[test]
fn a_worker_that_leaves_lets_its_handlers_end() {
    let context = zmq::Context::new();
    one_thread().block_on(async {
        let dispatcher = bind(&context, DispatcherOptions::new().attempts(1));
        let worker = connect(&context, &dispatcher, WorkerOptions::new().in_flight(5));
        let (leave, may_end, begun) = (worker.leave(), Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
        let handler = {
            let (may_end, begun) = (may_end.clone(), begun.clone());
            move |task: Task<u64>| {
                let (may_end, begun) = (may_end.clone(), begun.clone());
                async move {
                    begun.fetch_add(1, Ordering::SeqCst);
                    may_end.notified().await;
                    Ok((*task, "first"))
                }
            }
        };
        let first = tokio::spawn(worker.run(handler));
        for value in 0..10_u64 {
            dispatcher.submit(&value).await.unwrap();
        }
        until("five have begun", || begun.load(Ordering::SeqCst) == 5).await;
        leave.leave();
        // let one after the other end; what it is handed no more goes to the second
        let ending = tokio::spawn(async move {
            loop {
                may_end.notify_one();
                tokio::task::yield_now().await;
            }
        });
        timeout(LONG, first).await.expect("it leaves").unwrap().unwrap();
        ending.abort();
        let second = connect(&context, &dispatcher, WorkerOptions::new().ends_with_dispatcher());
        let second = tokio::spawn(second.run(|task: Task<u64>| async move { Ok((*task, "second")) }));
        let (mut values, mut by_first) = (BTreeSet::new(), 0);
        for _ in 0..10 {
            let outcome = next(&dispatcher).await;
            let (value, by): (u64, String) = outcome.decode().unwrap();
            assert!(values.insert(value), "{value} came twice");
            assert_eq!(outcome.attempts(), 1);
            by_first += usize::from(by == "first");
        }
        assert_eq!((by_first, dispatcher.stats().lost), (5, 0));
        drop(dispatcher);
        second.await.unwrap().unwrap();
    });
}

#[test]
fn a_handler_that_is_not_done_in_time_is_dropped_and_its_task_handed_back() {
    let context = zmq::Context::new();
    one_thread().block_on(async {
        let dispatcher = bind(&context, DispatcherOptions::new().attempts(1));
        let worker = connect(&context, &dispatcher, WorkerOptions::new().grace(50 * MILLI));
        let leave = worker.leave();
        let (begun, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let handler = {
            let (begun, dropped) = (begun.clone(), dropped.clone());
            move |_: Task<u64>| {
                let (begun, counts) = (begun.clone(), Counts(dropped.clone()));
                async move {
                    begun.fetch_add(1, Ordering::SeqCst);
                    pending::<()>().await;
                    drop(counts);
                    Ok(0_u64)
                }
            }
        };
        let first = tokio::spawn(worker.run(handler));
        dispatcher.submit(&3_u64).await.unwrap();
        until("it has begun", || begun.load(Ordering::SeqCst) == 1).await;
        leave.leave();
        timeout(LONG, first).await.expect("it leaves").unwrap().unwrap();
        until("the handler is dropped", || dropped.load(Ordering::SeqCst) == 1).await;
        let second = connect(&context, &dispatcher, WorkerOptions::new().ends_with_dispatcher());
        let second = tokio::spawn(second.run(|task: Task<u64>| async move { Ok(*task) }));
        assert_eq!(next(&dispatcher).await.decode::<u64>().unwrap(), 3);
        drop(dispatcher);
        second.await.unwrap().unwrap();
    });
}

/// Counts its drops.
struct Counts(Arc<AtomicUsize>);

impl Drop for Counts {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A handler's future that is done at once, and may not like to be dropped.
struct Fussy(u64);

impl Future for Fussy {
    type Output = Result<u64, Failure>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(self.0))
    }
}

impl Drop for Fussy {
    fn drop(&mut self) {
        assert!(self.0 > 0, "at the end of it");
    }
}

#[test]
fn a_handler_that_panics_when_it_is_dropped_has_failed() {
    let context = zmq::Context::new();
    let dispatcher = bind(&context, DispatcherOptions::new().attempts(2));
    let worker = connect(&context, &dispatcher, WorkerOptions::new().in_flight(1).ends_with_dispatcher());
    one_thread().block_on(async move {
        let running = tokio::spawn(worker.run(|task: Task<u64>| Fussy(*task)));
        dispatcher.submit(&0_u64).await.unwrap();
        let outcome = next(&dispatcher).await;
        let reasons = outcome.dead_letter().unwrap().failures.iter().map(|failure| failure.reason.as_str());
        assert_eq!(reasons.collect::<Vec<_>>(), ["the handler panicked: at the end of it"; 2]);
        dispatcher.submit(&1_u64).await.unwrap();
        assert_eq!(next(&dispatcher).await.decode::<u64>().unwrap(), 1);
        dispatcher.shutdown().await;
        running.await.unwrap().unwrap();
    });
}

#[test]
fn what_a_dropped_worker_held_goes_to_others() {
    let context = zmq::Context::new();
    one_thread().block_on(async {
        let dispatcher = bind(&context, DispatcherOptions::new());
        let worker = connect(&context, &dispatcher, WorkerOptions::new().in_flight(4));
        let first = tokio::spawn(worker.run(|_: Task<u64>| pending::<Result<u64, Failure>>()));
        for value in 0..8_u64 {
            dispatcher.submit(&value).await.unwrap();
        }
        until("four are there", || dispatcher.stats().in_flight == 4).await;
        first.abort();
        let second = connect(&context, &dispatcher, WorkerOptions::new().ends_with_dispatcher());
        let second = tokio::spawn(second.run(|task: Task<u64>| async move { Ok(*task) }));
        let mut values = BTreeSet::new();
        for _ in 0..8 {
            assert!(values.insert(next(&dispatcher).await.decode::<u64>().unwrap()));
        }
        assert_eq!(values, (0..8).collect());
        drop(dispatcher);
        second.await.unwrap().unwrap();
    });
}

#[cfg(feature = "journal")]
#[test]
fn what_was_submitted_is_in_the_journal() {
    let directory = tempfile::tempdir().unwrap();
    let context = zmq::Context::new();
    let options = || DispatcherOptions::new().journal(directory.path().join("tasks"));
    one_thread().block_on(async {
        let dispatcher = bind(&context, options());
        let mut submitted = Vec::new();
        for value in 0..20_u64 {
            submitted.push(timeout(LONG, dispatcher.submit(&value)).await.expect("in time").unwrap());
        }
        drop(dispatcher);
        let dispatcher = bind(&context, options());
        assert_eq!(dispatcher.recovered(), submitted);
        let worker = connect(&context, &dispatcher, WorkerOptions::new().ends_with_dispatcher());
        let worker = tokio::spawn(worker.run(|task: Task<u64>| async move { Ok(*task) }));
        let mut sum = 0;
        for _ in 0..20 {
            sum += next(&dispatcher).await.decode::<u64>().unwrap();
        }
        assert_eq!(sum, 190);
        drop(dispatcher);
        worker.await.unwrap().unwrap();
    });
}

#[cfg(feature = "journal")]
#[test]
fn a_submit_that_is_dropped_while_the_journal_is_being_written_has_submitted() {
    let directory = tempfile::tempdir().unwrap();
    let context = zmq::Context::new();
    let options = || DispatcherOptions::new().journal(directory.path().join("tasks"));
    one_thread().block_on(async {
        let dispatcher = bind(&context, options());
        // there is room, so what it waits for is the journal
        let mut dropped = Vec::new();
        for value in 0..20_u64 {
            if dispatcher.submit(&value).now_or_never().is_none() {
                dropped.push(value);
            }
            tokio::task::yield_now().await;
        }
        assert!(!dropped.is_empty(), "the disk was quicker than one look");
        until("the dispatcher has all of them", || dispatcher.stats().waiting == 20).await;
        dispatcher.shutdown().await;
        let dispatcher = bind(&context, options());
        assert_eq!(dispatcher.recovered().len(), 20, "{dropped:?} were dropped");
        let worker = connect(&context, &dispatcher, WorkerOptions::new().ends_with_dispatcher());
        let worker = tokio::spawn(worker.run(|task: Task<u64>| async move { Ok(*task) }));
        let mut values = BTreeSet::new();
        for _ in 0..20 {
            assert!(values.insert(next(&dispatcher).await.decode::<u64>().unwrap()));
        }
        assert_eq!(values, (0..20).collect());
        drop(dispatcher);
        worker.await.unwrap().unwrap();
    });
}

#[test]
fn outside_of_a_runtime_a_worker_refuses_to_run() {
    let context = zmq::Context::new();
    let worker = AsyncWorker::connect(&context, "tcp://127.0.0.1:1", WorkerOptions::new()).unwrap();
    let mut running = std::pin::pin!(worker.run(|task: Task<u64>| async move { Ok(*task) }));
    let waker = std::task::Waker::noop();
    let polled = running.as_mut().poll(&mut std::task::Context::from_waker(waker));
    let std::task::Poll::Ready(Err(error)) = polled else { panic!("it runs") };
    assert_eq!(error.kind(), ErrorKind::Caller);
}

#[test]
fn a_worker_that_is_refused_for_good_says_by_whom_and_why() {
    one_thread().block_on(async {
        let context = zmq::Context::new();
        let dispatcher = bind(&context, DispatcherOptions::new().task_bytes(1000));
        let worker = connect(&context, &dispatcher, WorkerOptions::new().bytes(999));
        let ended = timeout(LONG, worker.run(|task: Task<u64>| async move { Ok(*task) })).await;
        let error = ended.expect("in time").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Caller);
        assert!(error.to_string().contains(dispatcher.endpoint()), "{error}");
        assert!(error.to_string().ends_with("1000 bytes here, and the worker has room for 999"), "{error}");
    });
}

#[test]
fn other_tasks_run_while_a_dispatcher_says_goodbye() {
    let context = zmq::Context::new();
    one_thread().block_on(async {
        // a worker that owes no sign of life: its answer is waited for
        let options = DispatcherOptions::new().task_bytes(100).heartbeat(LONG).liveness(3 * LONG);
        let dispatcher = AsyncDispatcher::bind(&context, "tcp://127.0.0.1:*", options).unwrap();
        let worker = context.socket(zmq::DEALER).unwrap();
        worker.connect(dispatcher.endpoint()).unwrap();
        let worker = AsyncSocket::new(worker).unwrap();
        let hear = async |name: &[u8]| loop {
            let message = timeout(LONG, worker.recv_message()).await.expect("in time").unwrap();
            if message.metadata()[1..].starts_with(name) {
                break;
            }
        };
        let say = async |header: &'static [u8]| worker.send_message(Multipart::new(header, vec![])).await.unwrap();
        say(b"\x98\xa5hello\x01\x09\x01\xa0\x01\x64\x64").await;
        hear(b"\xa7welcome").await;
        let mut goodbye = pin!(dispatcher.shutdown());
        assert!((&mut goodbye).now_or_never().is_none(), "a goodbye is not answered yet");
        hear(b"\xa3bye").await;
        say(b"\x91\xa3bye").await;
        timeout(LONG, goodbye).await.expect("in time");
    });
}
