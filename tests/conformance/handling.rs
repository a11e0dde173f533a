//! Pipelines: what a handler may do, and what is done about one that takes too long. The same in every shell.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use outband::pipeline::{DispatcherOptions, Failure, Task, WorkerOptions};

use super::common::{Place, TRANSPORTS};
use super::patience::{LONG, until};
use super::pipeline::{MILLI, Shell, Test, everywhere, side_by_side};

/// Lets others run until it is so, in a task as on a thread.
async fn pass_until(what: &str, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < LONG, "in vain: {what}");
        let mut has_passed = false;
        poll_fn(|context| {
            if std::mem::replace(&mut has_passed, true) {
                return Poll::Ready(());
            }
            thread::park_timeout(Duration::from_micros(200));
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

struct Pauses;

impl Test for Pauses {
    fn run<S: Shell>(&self, place: &Place) {
        let dispatcher = S::bind(place, DispatcherOptions::new());
        let worker = dispatcher.employ(place, WorkerOptions::new(), |task: Task<u32>| match task.attempt() {
            1 => Err(Failure::new("not yet").retry_after(100 * MILLI)),
            _ => Ok(*task),
        });
        let started = Instant::now();
        dispatcher.submit(&5_u32).unwrap();
        let outcome = dispatcher.next();
        assert!(started.elapsed() >= 100 * MILLI);
        assert_eq!((outcome.decode::<u32>().unwrap(), outcome.attempts()), (5, 2));
        drop(dispatcher);
        worker.join().unwrap();
    }
}

#[test]
fn a_failure_can_ask_for_time() {
    everywhere(Pauses);
}

struct Returns;

impl Test for Returns {
    fn run<S: Shell>(&self, place: &Place) {
        let dispatcher = S::bind(place, DispatcherOptions::new().attempts(1));
        let returns = Arc::new(AtomicUsize::new(0));
        let worker = dispatcher.employ(place, WorkerOptions::new(), {
            let returns = returns.clone();
            move |task: Task<u32>| match returns.fetch_add(1, Ordering::SeqCst) {
                0..5 => Err(Failure::returned("not here")),
                _ => Ok(*task),
            }
        });
        dispatcher.submit(&5_u32).unwrap();
        let outcome = dispatcher.next();
        assert_eq!((outcome.decode::<u32>().unwrap(), outcome.attempts()), (5, 1));
        assert_eq!(dispatcher.stats().redelivered, 5);
        drop(dispatcher);
        worker.join().unwrap();
    }
}

#[test]
fn what_is_handed_back_uses_up_no_attempt() {
    everywhere(Returns);
}

const LEASE: Duration = Duration::from_secs(3);

struct Leases;

impl Test for Leases {
    fn run<S: Shell>(&self, place: &Place) {
        // who is to make progress may not have a processor for a good part of it
        let dispatcher = S::bind(place, DispatcherOptions::new().lease(LEASE));
        let handler = |task: Task<String>| async move {
            let started = Instant::now();
            match (task.as_str(), task.attempt()) {
                // waits until it is told that nobody wants it any more
                ("stuck", 1) => pass_until("the lease ends", || task.is_cancelled()).await,
                ("slow", _) => {
                    let is_over = || {
                        task.progress();
                        started.elapsed() > 2 * LEASE
                    };
                    pass_until("two leases are over", is_over).await;
                }
                _ => {}
            }
            Ok(task.attempt())
        };
        let options = WorkerOptions::new().threads(2);
        let workers = [(); 2].map(|()| dispatcher.employ_async(place, options.clone(), handler));
        let (stuck, slow) = (dispatcher.submit("stuck").unwrap(), dispatcher.submit("slow").unwrap());
        let outcomes = [dispatcher.next(), dispatcher.next()];
        let of = |task| outcomes.iter().find(|outcome| outcome.task() == task).unwrap();
        assert_eq!((of(stuck).attempts(), of(slow).attempts()), (2, 1));
        assert_eq!(of(slow).decode::<u32>().unwrap(), 1);
        assert_eq!(dispatcher.stats().expired, 1);
        drop(dispatcher);
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    }
}

#[test]
fn a_lease_that_ends_gives_the_task_to_another_and_progress_renews_it() {
    TRANSPORTS.into_iter().for_each(|transport| side_by_side(transport, &Leases));
}

struct Cancels;

impl Test for Cancels {
    fn run<S: Shell>(&self, place: &Place) {
        let dispatcher = S::bind(place, DispatcherOptions::new());
        let runs = Arc::new(AtomicUsize::new(0));
        let handler = {
            let runs = runs.clone();
            move |task: Task<String>| {
                runs.fetch_add(1, Ordering::SeqCst);
                async move {
                    if task.as_str() == "runs" {
                        pass_until("it is cancelled", || task.is_cancelled()).await;
                    }
                    Ok(task.into_inner())
                }
            }
        };
        let worker = dispatcher.employ_async(place, WorkerOptions::new().threads(1).in_flight(1), handler);
        // the first runs, the others wait at the dispatcher
        let tasks = ["runs", "waits", "waits too", "goes on"].map(|text| dispatcher.submit(text).unwrap());
        until("one is running", || runs.load(Ordering::SeqCst) == 1 && dispatcher.stats().waiting == 3);
        [2, 1, 0].into_iter().for_each(|at| dispatcher.cancel(tasks[at]));
        let mut cancelled = BTreeSet::new();
        for _ in 0..4 {
            let outcome = dispatcher.next();
            match outcome.is_cancelled() {
                true => assert!(cancelled.insert(outcome.task())),
                false => assert_eq!(outcome.decode::<String>().unwrap(), "goes on"),
            }
        }
        assert_eq!(cancelled, BTreeSet::from([tasks[0], tasks[1], tasks[2]]));
        dispatcher.cancel(tasks[3]); // too late, and no harm
        dispatcher.submit("after").unwrap();
        assert_eq!(dispatcher.next().decode::<String>().unwrap(), "after");
        assert_eq!(runs.load(Ordering::SeqCst), 3, "what waited never ran");
        drop(dispatcher);
        worker.join().unwrap();
    }
}

#[test]
fn a_cancelled_task_is_cancelled_whether_it_waits_or_runs() {
    everywhere(Cancels);
}

struct AtOnce;

impl Test for AtOnce {
    fn run<S: Shell>(&self, place: &Place) {
        let dispatcher = S::bind(place, DispatcherOptions::new());
        let (begun, is_free) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let handler = {
            let (begun, is_free) = (begun.clone(), is_free.clone());
            move |task: Task<u32>| {
                begun.fetch_add(1, Ordering::SeqCst);
                let is_free = is_free.clone();
                async move {
                    pass_until("it may end", || is_free.load(Ordering::SeqCst)).await;
                    Ok(*task)
                }
            }
        };
        let worker = dispatcher.employ_async(place, WorkerOptions::new().threads(4).in_flight(4), handler);
        for number in 0..6_u32 {
            dispatcher.submit(&number).unwrap();
        }
        // none of the four is done before all have begun
        until("four have begun and the other two have come in", || {
            let stats = dispatcher.stats();
            begun.load(Ordering::SeqCst) == 4 && stats.in_flight + stats.waiting == 6
        });
        let stats = dispatcher.stats();
        assert_eq!(
            (stats.in_flight, stats.waiting, begun.load(Ordering::SeqCst)),
            (4, 2, 4),
            "it is given no more than it asks for"
        );
        is_free.store(true, Ordering::SeqCst);
        let sum: u32 = (0..6).map(|_| dispatcher.next().decode::<u32>().unwrap()).sum();
        assert_eq!(sum, 15);
        drop(dispatcher);
        worker.join().unwrap();
    }
}

#[test]
fn a_worker_runs_as_many_tasks_at_once_as_it_says() {
    everywhere(AtOnce);
}

struct Leaving;

impl Test for Leaving {
    fn run<S: Shell>(&self, place: &Place) {
        let dispatcher = S::bind(place, DispatcherOptions::new().attempts(1));
        let (begun, is_free) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let handler = {
            let (begun, is_free) = (begun.clone(), is_free.clone());
            move |task: Task<u32>| {
                begun.fetch_add(1, Ordering::SeqCst);
                let is_free = is_free.clone();
                async move {
                    pass_until("it may end", || is_free.load(Ordering::SeqCst)).await;
                    Ok((*task, "first"))
                }
            }
        };
        let options = WorkerOptions::new().threads(3).in_flight(3);
        let first = outband::pipeline::Worker::connect(&place.context, dispatcher.endpoint(), options).unwrap();
        let leave = first.leave();
        let first = thread::spawn(move || S::work(first, handler));
        for number in 0..8_u32 {
            dispatcher.submit(&number).unwrap();
        }
        until("three have begun", || begun.load(Ordering::SeqCst) == 3 && dispatcher.stats().in_flight == 3);
        leave.leave();
        let second = dispatcher.employ(place, WorkerOptions::new(), |task: Task<u32>| Ok((*task, "second")));
        let mut by_second: Vec<u32> = (0..5).map(|_| named(&dispatcher.next(), "second")).collect();
        is_free.store(true, Ordering::SeqCst);
        let mut by_first: Vec<u32> = (0..3).map(|_| named(&dispatcher.next(), "first")).collect();
        by_first.sort_unstable();
        by_second.sort_unstable();
        assert_eq!((by_first, by_second), ((0..3).collect(), (3..8).collect()));
        first.join().unwrap();
        assert_eq!(dispatcher.stats().lost, 0);
        drop(dispatcher);
        second.join().unwrap();
    }
}

/// The number in a result of this worker; a single attempt is all there is.
fn named(outcome: &outband::pipeline::Outcome, worker: &str) -> u32 {
    let (number, by): (u32, String) = outcome.decode().unwrap();
    assert_eq!((by.as_str(), outcome.attempts()), (worker, 1));
    number
}

#[test]
fn a_worker_that_leaves_ends_what_runs_and_is_given_nothing_more() {
    everywhere(Leaving);
}
