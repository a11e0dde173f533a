//! The pipeline through its public API, with workers in threads; what is promised of every shell and transport is in
//! `tests/conformance/pipeline.rs`; `tests/pipeline_processes.rs` has those that die.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::patience::{LONG, until};
use outband::pipeline::{Dispatcher, DispatcherOptions, Failure, Outcome, Task, Worker, WorkerOptions};
use outband::{Buffer, ErrorKind, Limits, Multipart};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing_subscriber::layer::{Layer, SubscriberExt};

const MILLI: Duration = Duration::from_millis(1);

/// Options with short times, so that tests end soon; but for the silence that means something, which is never that long.
fn quick() -> DispatcherOptions {
    DispatcherOptions::new().heartbeat(50 * MILLI).liveness(LONG).retry_after(MILLI)
}

fn bind(context: &zmq::Context, options: DispatcherOptions) -> Dispatcher {
    Dispatcher::bind(context, "tcp://127.0.0.1:*", options).unwrap()
}

/// A worker in a thread, which ends with the dispatcher.
fn employ<T: DeserializeOwned, R: Serialize>(
    context: &zmq::Context,
    dispatcher: &Dispatcher,
    options: WorkerOptions,
    handler: impl Fn(Task<T>) -> Result<R, Failure> + Send + Sync + 'static,
) -> JoinHandle<()> {
    let worker = Worker::connect(context, dispatcher.endpoint(), options.ends_with_dispatcher()).unwrap();
    thread::spawn(move || worker.run(handler).unwrap())
}

fn next(dispatcher: &Dispatcher) -> Outcome {
    dispatcher.recv_timeout(LONG).unwrap().expect("an outcome")
}

#[test]
fn a_task_over_a_workers_limits_is_its_own_failure_and_nobody_elses() {
    let context = zmq::Context::new();
    let dispatcher = bind(&context, quick().attempts(2));
    // too little for the dispatcher's headers, and enough for a task's metadata
    let limits = Limits::new().metadata_bytes(16).total_bytes(1 << 20);
    let may_end = Arc::new(AtomicBool::new(false));
    let ends = may_end.clone();
    let options = WorkerOptions::new().threads(4).in_flight(16).limits(limits);
    let worker = employ(&context, &dispatcher, options, move |task: Task<Buffer>| {
        until("it may end", || ends.load(Ordering::Relaxed));
        Ok(task.len())
    });
    let submit = |len| dispatcher.submit(&Buffer::from_vec(vec![1_u8; len])).unwrap();
    for _ in 0..8 {
        submit(10_000);
    }
    until("it has them", || dispatcher.stats().in_flight == 8);
    let large = submit(2 << 20);
    let outcome = next(&dispatcher);
    let letter = outcome.dead_letter().unwrap();
    assert_eq!((outcome.task(), letter.failures.len()), (large, 2));
    let reason = &letter.failures[0].reason;
    assert!(reason.starts_with("it is over the limits of this worker: ") && reason.contains("1048576"), "{reason}");
    may_end.store(true, Ordering::Relaxed);
    for _ in 0..8 {
        let outcome = next(&dispatcher);
        assert_eq!((outcome.attempts(), outcome.decode::<usize>().unwrap()), (1, 10_000));
    }
    assert_eq!(dispatcher.stats().lost, 0);
    drop(dispatcher);
    worker.join().unwrap();
}

#[test]
fn a_result_over_the_dispatchers_limits_is_its_own_failure_and_nobody_elses() {
    let context = zmq::Context::new();
    let limits = Limits::new().metadata_bytes(5000).frames(4).total_bytes(1 << 20);
    let dispatcher = bind(&context, quick().attempts(2).limits(limits));
    let may_end = Arc::new(AtomicBool::new(false));
    let ends = may_end.clone();
    let options = WorkerOptions::new().threads(12).in_flight(64).name("solo");
    // a task says how many frames of which length its result has, and how long a text
    let worker = employ(&context, &dispatcher, options, move |task: Task<(usize, usize, usize)>| {
        let (frames, len, text) = *task;
        until("it may end", || text > 0 || ends.load(Ordering::Relaxed));
        let distinct = |number| Buffer::from_vec(vec![number as u8; len]);
        Ok(((0..frames).map(distinct).collect::<Vec<Buffer>>(), "x".repeat(text)))
    });
    let submit = |task: (usize, usize, usize)| dispatcher.submit(&task).unwrap();
    for _ in 0..8 {
        submit((1, 10_000, 0));
    }
    until("it has them", || dispatcher.stats().in_flight == 8);
    let too_much = [((1, 2 << 20, 1), "1048576"), ((9, 10_000, 1), "limit of 4"), ((1, 1, 6000), "limit of 5000")];
    for (task, limit) in too_much {
        let task = submit(task);
        let outcome = next(&dispatcher);
        let letter = outcome.dead_letter().unwrap();
        assert_eq!((outcome.task(), outcome.attempts(), letter.failures.len()), (task, 2, 2));
        let failure = &letter.failures[1];
        assert!(failure.reason.starts_with("its result is over the dispatcher's limits: "), "{}", failure.reason);
        assert!(failure.reason.contains(limit) && &*failure.worker == "solo", "{}", failure.reason);
    }
    may_end.store(true, Ordering::Relaxed);
    for _ in 0..8 {
        assert_eq!(next(&dispatcher).attempts(), 1);
    }
    let stats = dispatcher.stats();
    assert_eq!((stats.garbage, stats.lost, stats.done), (6, 0, 8), "{stats:?}");
    drop(dispatcher);
    worker.join().unwrap();
}

#[test]
fn results_that_come_together_are_over_the_limits_each_for_itself() {
    let context = zmq::Context::new();
    let dispatcher = bind(&context, quick().attempts(2).limits(Limits::new().frames(0).total_bytes(100)));
    let worker = context.socket(zmq::DEALER).unwrap();
    worker.set_linger(0).unwrap();
    worker.set_rcvtimeo(LONG.as_millis() as i32).unwrap();
    worker.connect(dispatcher.endpoint()).unwrap();
    worker.send(&b"\x98\xa5hello\x01\x07\x01\xa4bare\x03\xce\x10\x00\x00\x00\xce\x10\x00\x00\x00"[..], 0).unwrap();
    until("it is there", || dispatcher.stats().workers == 1);
    let tasks = [1_u8, 2, 3].map(|number| dispatcher.submit(&number).unwrap());
    until("it has them", || dispatcher.stats().in_flight == 3);
    let welcome = worker.recv_multipart(0).unwrap();
    let epoch = &welcome[0][b"\x97\xa7welcome\x01\x01".len()..][..9];
    let header = [b"\x95\xa6result", epoch, b"\x93\x01\x01\x01\x93\x02\x01\x02\x93\x03\x01\x01"].concat();
    // together they are longer than 100 bytes, and one has a frame too many
    let frames: [&[u8]; 5] = [&header, &[0xc0; 60], b"\xc0", b"a buffer", &[0xc1; 60]];
    worker.send_multipart(frames, 0).unwrap();
    let outcomes = [next(&dispatcher), next(&dispatcher)];
    assert_eq!(outcomes.each_ref().map(|outcome| (outcome.task(), outcome.attempts())), [(tasks[0], 1), (tasks[2], 1)]);
    assert!(outcomes.iter().all(|outcome| outcome.result().is_some_and(|result| result.total_len() == 60)));
    until("the other one is tried again", || dispatcher.stats().redelivered == 1);
    let stats = dispatcher.stats();
    assert_eq!((stats.garbage, stats.lost, stats.workers, stats.in_flight), (1, 0, 1, 1), "{stats:?}");
}

/// A panic whose payload panics when it is dropped, and so does what that panics with.
struct Evil;

impl Drop for Evil {
    fn drop(&mut self) {
        if !thread::panicking() {
            std::panic::panic_any(Self);
        }
    }
}

#[test]
fn a_panic_that_panics_when_it_is_dropped_costs_no_thread() {
    let context = zmq::Context::new();
    let dispatcher = bind(&context, quick().attempts(1));
    let worker = employ(&context, &dispatcher, WorkerOptions::new().threads(1), |task: Task<u64>| {
        if *task == 0 {
            std::panic::panic_any(Evil);
        }
        Ok(*task)
    });
    for number in 0..3_u64 {
        dispatcher.submit(&number).unwrap();
    }
    let endings: Vec<bool> = (0..3).map(|_| next(&dispatcher).dead_letter().is_some()).collect();
    assert_eq!(endings, [true, false, false]);
    drop(dispatcher);
    worker.join().unwrap();
}

#[test]
fn times_without_an_end_are_no_limit_at_a_socket_either() {
    let context = zmq::Context::new();
    let dispatcher = bind(&context, quick().heartbeat(Duration::MAX).liveness(Duration::MAX).lease(Duration::MAX));
    let worker = employ(&context, &dispatcher, WorkerOptions::new().grace(Duration::MAX), |task: Task<u64>| Ok(*task));
    dispatcher.submit(&7_u64).unwrap();
    assert_eq!(dispatcher.recv_timeout(Duration::MAX).unwrap().unwrap().decode::<u64>().unwrap(), 7);
    drop(dispatcher);
    worker.join().unwrap();
}

#[test]
fn a_task_that_waits_at_a_worker_keeps_its_lease() {
    let context = zmq::Context::new();
    let lease = 3000 * MILLI;
    let dispatcher = bind(&context, quick().lease(lease));
    let options = WorkerOptions::new().threads(1).in_flight(50);
    let worker = employ(&context, &dispatcher, options, move |task: Task<u32>| {
        let started = Instant::now();
        // so little that there is time to spare for who has no processor, and more than a lease for all together
        until("a part of the lease is over", || started.elapsed() > lease / 40);
        Ok(*task)
    });
    let started = Instant::now();
    for number in 0..50_u32 {
        dispatcher.submit(&number).unwrap();
    }
    for _ in 0..50 {
        assert_eq!(next(&dispatcher).attempts(), 1);
    }
    assert!(started.elapsed() > lease);
    assert_eq!(dispatcher.stats().expired, 0);
    drop(dispatcher);
    worker.join().unwrap();
}

#[test]
fn limits_are_for_results_and_not_for_signs_of_life() {
    let context = zmq::Context::new();
    let limits = Limits::new().metadata_bytes(256).total_bytes(2048);
    let dispatcher = bind(&context, quick().attempts(1).limits(limits));
    let options = WorkerOptions::new().threads(1).in_flight(1000);
    let is_free = Arc::new(AtomicBool::new(false));
    let worker = employ(&context, &dispatcher, options, {
        let is_free = is_free.clone();
        move |task: Task<usize>| {
            until("all of them have been named", || is_free.load(Ordering::SeqCst));
            Ok(Buffer::from(vec![0; *task]))
        }
    });
    for _ in 0..999 {
        dispatcher.submit(&0).unwrap();
    }
    until("its hands are full", || dispatcher.stats().in_flight == 999);
    let (started, beats) = (Instant::now(), 20 * 50 * MILLI);
    until("some signs of life have come", || started.elapsed() > beats);
    let stats = dispatcher.stats();
    assert_eq!((stats.in_flight, stats.lost, stats.garbage), (999, 0, 0), "{stats:?}");
    is_free.store(true, Ordering::SeqCst);
    for _ in 0..999 {
        assert!(next(&dispatcher).result().is_some());
    }
    dispatcher.submit(&4000).unwrap();
    assert!(next(&dispatcher).dead_letter().is_some());
    drop(dispatcher);
    worker.join().unwrap();
}

#[test]
fn a_cancelled_task_is_cancelled_whether_it_waits_or_runs() {
    let context = zmq::Context::new();
    let dispatcher = bind(&context, quick());
    let runs = Arc::new(AtomicUsize::new(0));
    let options = WorkerOptions::new().threads(1).in_flight(2);
    let worker = employ(&context, &dispatcher, options, {
        let runs = runs.clone();
        move |task: Task<String>| {
            runs.fetch_add(1, Ordering::SeqCst);
            if task.as_str() == "runs" {
                until("it is cancelled", || task.is_cancelled());
            }
            Ok(task.into_inner())
        }
    });
    // the first runs, the second waits at the worker, the third at the dispatcher
    let tasks = ["runs", "waits there", "waits here", "goes on"].map(|text| dispatcher.submit(text).unwrap());
    until("one is running", || runs.load(Ordering::SeqCst) == 1 && dispatcher.stats().in_flight == 2);
    tasks[..3].iter().rev().for_each(|&task| dispatcher.cancel(task));
    let mut cancelled = BTreeSet::new();
    for _ in 0..4 {
        let outcome = next(&dispatcher);
        match outcome.is_cancelled() {
            true => assert!(cancelled.insert(outcome.task())),
            false => assert_eq!(outcome.decode::<String>().unwrap(), "goes on"),
        }
    }
    assert_eq!(cancelled, BTreeSet::from([tasks[0], tasks[1], tasks[2]]));
    dispatcher.cancel(tasks[3]); // too late, and no harm
    dispatcher.submit("after").unwrap();
    assert_eq!(next(&dispatcher).decode::<String>().unwrap(), "after");
    assert_eq!(runs.load(Ordering::SeqCst), 3, "what waited never ran");
    drop(dispatcher);
    worker.join().unwrap();
}

#[test]
fn a_full_backlog_pushes_back_and_gives_the_message_back() {
    let context = zmq::Context::new();
    let dispatcher = bind(&context, quick().backlog(3, 1000).task_bytes(5000));
    for number in 0..3_u32 {
        dispatcher.try_submit(&number).unwrap();
    }
    let message = outband::to_multipart(&7_u32).unwrap();
    let error = dispatcher.try_submit_message(message.clone()).unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert_eq!(error.into_message(), Some(message.clone()));
    let error = dispatcher.submit_message_timeout(message.clone(), 20 * MILLI).unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert_eq!(error.into_message(), Some(message));
    // a submit that waits goes on once there is room
    let worker = thread::scope(|scope| {
        let waits = scope.spawn(|| dispatcher.submit(&8_u32).unwrap());
        let worker = employ(&context, &dispatcher, WorkerOptions::new(), |task: Task<u32>| Ok(*task));
        let sum: u32 = (0..4).map(|_| next(&dispatcher).decode::<u32>().unwrap()).sum();
        assert_eq!(sum, 11);
        waits.join().unwrap();
        // bytes count as well
        let big = Multipart::new(vec![0xc0], vec![Buffer::from_vec(vec![0_u8; 700])]);
        let error = dispatcher.try_submit_message(Multipart::new(vec![0xc0], vec![vec![0; 5000].into()])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limits, "{error}");
        dispatcher.close();
        let error = dispatcher.try_submit_message(big).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Caller, "{error}");
        assert!(dispatcher.recv().unwrap().is_none());
        worker
    });
    drop(dispatcher);
    worker.join().unwrap();
}

#[test]
fn bytes_of_the_backlog_are_bounded() {
    let context = zmq::Context::new();
    let dispatcher = bind(&context, quick().backlog(100, 1000));
    let big = || Multipart::new(vec![0xc0], vec![Buffer::from_vec(vec![0_u8; 700])]);
    dispatcher.try_submit_message(big()).unwrap();
    assert!(dispatcher.try_submit_message(big()).unwrap_err().is_timeout());
    dispatcher.try_submit_message(Multipart::new(vec![0xc0], vec![])).unwrap();
}

#[test]
fn a_worker_that_leaves_hands_back_what_waits_and_ends_what_runs() {
    let context = zmq::Context::new();
    let dispatcher = bind(&context, quick().attempts(1));
    let (has_begun, is_free) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let leaving = {
        let (has_begun, is_free) = (has_begun.clone(), is_free.clone());
        let options = WorkerOptions::new().threads(1).in_flight(10);
        let worker = Worker::connect(&context, dispatcher.endpoint(), options).unwrap();
        let leave = worker.leave();
        let handler = move |task: Task<u32>| {
            has_begun.store(true, Ordering::SeqCst);
            until("it may end", || is_free.load(Ordering::SeqCst));
            Ok((*task, "first"))
        };
        (leave, thread::spawn(move || worker.run(handler)))
    };
    for number in 0..10_u32 {
        dispatcher.submit(&number).unwrap();
    }
    until("all are there", || dispatcher.stats().in_flight == 10 && has_begun.load(Ordering::SeqCst));
    leaving.0.leave();
    until("nine are back", || dispatcher.stats().waiting == 9);
    is_free.store(true, Ordering::SeqCst);
    leaving.1.join().unwrap().unwrap();
    let worker = employ(&context, &dispatcher, WorkerOptions::new(), |task: Task<u32>| Ok((*task, "second")));
    let mut by_first = 0;
    for _ in 0..10 {
        let outcome = next(&dispatcher);
        let (_, by): (u32, String) = outcome.decode().unwrap();
        by_first += usize::from(by == "first");
        assert_eq!(outcome.attempts(), 1);
    }
    assert_eq!((by_first, dispatcher.stats().lost), (1, 0));
    drop(dispatcher);
    worker.join().unwrap();
}

#[test]
fn a_worker_that_leaves_does_not_wait_for_ever() {
    let context = zmq::Context::new();
    let dispatcher = bind(&context, quick());
    let options = WorkerOptions::new().threads(2).grace(50 * MILLI);
    let worker = Worker::connect(&context, dispatcher.endpoint(), options).unwrap();
    let leave = worker.leave();
    let [begun, may_end, has_ended] = [(); 3].map(|()| Arc::new(AtomicBool::new(false)));
    let handler = {
        let (begun, may_end, has_ended) = (begun.clone(), may_end.clone(), has_ended.clone());
        move |task: Task<u32>| {
            begun.store(true, Ordering::SeqCst);
            until("it may end", || may_end.load(Ordering::SeqCst));
            has_ended.store(task.is_cancelled(), Ordering::SeqCst);
            Ok(*task)
        }
    };
    let running = thread::spawn(move || {
        let ran = worker.run(handler);
        (ran, has_ended)
    });
    dispatcher.submit(&3_u32).unwrap();
    until("it has begun", || begun.load(Ordering::SeqCst));
    leave.leave();
    let (ran, has_ended) = running.join().unwrap();
    ran.unwrap();
    assert!(!has_ended.load(Ordering::SeqCst), "it waited for the handler");
    may_end.store(true, Ordering::SeqCst);
    until("the handler has ended, and knew", || has_ended.load(Ordering::SeqCst));
    let other = employ(&context, &dispatcher, WorkerOptions::new(), |task: Task<u32>| Ok(*task));
    assert_eq!(next(&dispatcher).decode::<u32>().unwrap(), 3);
    drop(dispatcher);
    other.join().unwrap();
}

#[test]
fn what_strangers_say_is_counted_and_harms_nobody() {
    let context = zmq::Context::new();
    let dispatcher = bind(&context, quick());
    let worker = employ(&context, &dispatcher, WorkerOptions::new(), |task: Task<u32>| Ok(*task));
    let stranger = context.socket(zmq::DEALER).unwrap();
    stranger.set_linger(0).unwrap();
    stranger.connect(dispatcher.endpoint()).unwrap();
    let garbage: &[&[&[u8]]] = &[
        &[b""],
        &[b"", b""],
        &[b"\xc1"],
        &[b"hello"],
        &[b"\x90"],
        &[b"\x91\xa5hello"],
        &[b"\x91\xa3bye", b"extra"],
        &[b"\x92\xa4beat\xc0"],
        &[b"\x95\xa4beat\x01\x01\x01\xdd\xff\xff\xff\xff"],
        &[b"\x93\xa6result\x01\x93\x01\x01\x02", b"one frame of two"],
        &[b"\x93\xa6result\x01\x93\x01\x01\x00", b"none"],
        &[b"\x93\xa6result\x01\x93\x01\x01\x01", b"one", b"too many"],
        &[b"\x91\xd9\xff"],
        &[&[0xa5; 100_000]],
    ];
    for frames in garbage {
        stranger.send_multipart(*frames, 0).unwrap();
    }
    // well-formed, of a worker that nobody knows: it is asked who it is, and its result is of no task
    stranger.send(&b"\x93\xa6result\x01\x93\x01\x01\x01"[..], zmq::SNDMORE).unwrap();
    stranger.send(&b"\xc0"[..], 0).unwrap();
    stranger.send(&b"\x95\xa4beat\x05\x01\x01\x90"[..], 0).unwrap();
    stranger.set_rcvtimeo(LONG.as_millis() as i32).unwrap();
    assert_eq!(stranger.recv_multipart(0).unwrap(), [b"\x92\xa3who\x05".to_vec()]);
    // what was said last may have been answered before it is counted
    until("all is counted", || dispatcher.stats().late == 1);
    let stats = dispatcher.stats();
    assert_eq!((stats.garbage, stats.late), (garbage.len() as u64, 1), "{stats:?}");
    for number in 0..20_u32 {
        dispatcher.submit(&number).unwrap();
    }
    let sum: u32 = (0..20).map(|_| next(&dispatcher).decode::<u32>().unwrap()).sum();
    assert_eq!(sum, 190);
    drop(dispatcher);
    worker.join().unwrap();
}

/// Over inproc no end of a connection is told of: that a worker is gone is found out when it is sent something.
#[test]
fn what_a_worker_was_to_get_that_is_gone_goes_to_another_one_without_a_sign_of_life() {
    for round in 0..100 {
        let context = zmq::Context::new();
        let options = DispatcherOptions::new().heartbeat(Duration::MAX).liveness(Duration::MAX);
        let dispatcher = Dispatcher::bind(&context, &format!("inproc://in-vain-{round}"), options).unwrap();
        // the first in turn is the one that goes
        let goes = greet(&context, 100, 1, &dispatcher);
        let stays = greet(&context, 100, 2, &dispatcher);
        drop(goes);
        dispatcher.submit(&7).unwrap();
        until("it is handed out", || dispatcher.stats().in_flight == 1);
        if dispatcher.stats().lost == 1 {
            let task = stays.recv_multipart(0).unwrap();
            assert!(task[0].starts_with(b"\x93\xa4task"), "{task:?}");
            return;
        }
        // libzmq had not heard yet that it is gone, and took the task
    }
    panic!("no worker was found to be gone");
}

/// A DEALER of a stranger that says hello as the worker of this number, without what a worker does besides.
fn stranger(number: u8, dispatcher: &Dispatcher) -> zmq::Socket {
    stranger_for(100, number, dispatcher)
}

/// The same, with room for so many tasks.
fn stranger_for(tasks: u8, number: u8, dispatcher: &Dispatcher) -> zmq::Socket {
    greet(&zmq::Context::new(), tasks, number, dispatcher)
}

fn greet(context: &zmq::Context, tasks: u8, number: u8, dispatcher: &Dispatcher) -> zmq::Socket {
    let stranger = context.socket(zmq::DEALER).unwrap();
    stranger.set_linger(0).unwrap();
    stranger.set_rcvhwm(1).unwrap();
    stranger.set_rcvtimeo(LONG.as_millis() as i32).unwrap();
    stranger.connect(dispatcher.endpoint()).unwrap();
    // for tasks of a gigabyte together
    let mut hello = *b"\x98\xa5hello\x01\x07\x01\xa8stranger\x64\xce\x40\x00\x00\x00\xce\x40\x00\x00\x00";
    (hello[8], hello[19]) = (number, tasks);
    stranger.send(&hello[..], 0).unwrap();
    let welcome = stranger.recv_multipart(0).unwrap();
    assert!(welcome[0].starts_with(b"\x97\xa7welcome"), "{welcome:?}");
    stranger
}

/// A stranger's sign of life that names so many tasks.
fn beat(tasks: u32) -> Vec<u8> {
    let mut beat = b"\x97\xa4beat\x01\x00\x00\xdd".to_vec();
    beat.extend(tasks.to_be_bytes());
    beat.extend(vec![1; tasks as usize]);
    beat.extend(b"\x01\x90");
    beat
}

#[test]
fn a_worker_that_has_gone_is_missed_though_another_one_talks_all_the_time() {
    let context = zmq::Context::new();
    let dispatcher = bind(&context, quick().liveness(Duration::from_secs(3600)));
    let (talks, goes) = (stranger_for(1, 1, &dispatcher), stranger_for(1, 2, &dispatcher));
    dispatcher.submit(&7_u32).unwrap();
    dispatcher.submit(&8_u32).unwrap();
    until("each has one", || dispatcher.stats().in_flight == 2);
    let worker = employ(&context, &dispatcher, WorkerOptions::new(), |task: Task<u32>| Ok(*task));
    until("there is one with nothing to do", || dispatcher.stats().workers == 3);
    let is_over = Arc::new(AtomicBool::new(false));
    let talking = {
        let is_over = is_over.clone();
        thread::spawn(move || {
            let beat = beat(10_000);
            while !is_over.load(Ordering::Relaxed) {
                talks.send(&beat, 0).unwrap();
            }
        })
    };
    drop(goes);
    let outcome = next(&dispatcher);
    assert_eq!((outcome.attempts(), dispatcher.stats().lost), (2, 1));
    is_over.store(true, Ordering::Relaxed);
    talking.join().unwrap();
    drop(dispatcher);
    worker.join().unwrap();
}

#[test]
fn who_talks_a_lot_keeps_nobody_from_signs_of_life() {
    let context = zmq::Context::new();
    // who waits for all of it to be read waits for longer than that; who waits for a few of them, and a processor, does not
    let options = DispatcherOptions::new().heartbeat(200 * MILLI).liveness(3000 * MILLI);
    let dispatcher = bind(&context, options);
    let worker = employ(&context, &dispatcher, WorkerOptions::new(), |task: Task<u32>| Ok(*task));
    until("the worker is here", || dispatcher.stats().workers == 1);
    let stranger = stranger(1, &dispatcher);
    stranger.set_sndhwm(0).unwrap();
    // signs of life that name as many tasks as they may, each of which takes a while to read
    let beat = beat(100_000);
    const PARTS: u64 = 8;
    for _ in 0..PARTS {
        (0..10).for_each(|_| stranger.send(&beat, 0).unwrap());
        // and a result of another dispatcher's time, which is counted
        stranger.send_multipart([&b"\x93\xa6result\x01\x93\x01\x01\x01"[..], b"\xc0"], 0).unwrap();
    }
    stranger.send(&b"\xc1"[..], 0).unwrap();
    (1..=PARTS).for_each(|part| until("a part of it was read", || dispatcher.stats().late >= part));
    until("all of it was read", || dispatcher.stats().garbage == 1);
    dispatcher.submit(&7_u32).unwrap();
    assert_eq!(next(&dispatcher).decode::<u32>().unwrap(), 7);
    // the stranger itself, which then sent what makes no sense
    assert_eq!(dispatcher.stats().lost, 1);
    drop(dispatcher);
    worker.join().unwrap();
}

#[test]
fn a_worker_that_goes_while_the_dispatcher_ends_holds_up_nothing() {
    let context = zmq::Context::new();
    let dispatcher = bind(&context, quick());
    let stranger = stranger(1, &dispatcher);
    // more than the connection takes from who reads nothing
    for _ in 0..64 {
        dispatcher.submit(&Buffer::from_vec(vec![1_u8; 1 << 20])).unwrap();
    }
    until("all are on their way", || dispatcher.stats().in_flight == 64);
    drop(dispatcher);
    // its socket stays for what has not left, and hears of this; nobody else does
    drop(stranger);
    let next_one = bind(&context, quick());
    let worker = employ(&context, &next_one, WorkerOptions::new(), |task: Task<u32>| Ok(*task));
    next_one.submit(&7_u32).unwrap();
    assert_eq!(next(&next_one).decode::<u32>().unwrap(), 7);
    drop(next_one);
    worker.join().unwrap();
}

#[test]
fn a_worker_that_could_not_hold_the_largest_task_is_refused() {
    let context = zmq::Context::new();
    let dispatcher = bind(&context, quick().task_bytes(1000).workers(1));
    let small = Worker::connect(&context, dispatcher.endpoint(), WorkerOptions::new().bytes(999)).unwrap();
    let error = small.run(|task: Task<u32>| Ok(*task)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Caller);
    let endpoint = dispatcher.endpoint();
    let reason = "tasks have up to 1000 bytes here, and the worker has room for 999";
    assert_eq!(error.to_string(), format!("the dispatcher at {endpoint} refuses this worker: {reason}"));
    // it may have read so before that is counted
    until("the refusal is counted", || dispatcher.stats().refused > 0);
    let stats = dispatcher.stats();
    assert_eq!((stats.refused, stats.workers, stats.lost), (1, 0, 0), "it asks once");
    let fits = employ(&context, &dispatcher, WorkerOptions::new().bytes(1000), |task: Task<u32>| Ok(*task));
    dispatcher.submit(&1_u32).unwrap();
    next(&dispatcher);
    // one worker is the most here
    let before = dispatcher.stats().refused;
    let second = employ(&context, &dispatcher, WorkerOptions::new(), |task: Task<u32>| Ok(*task));
    until("the second is refused", || dispatcher.stats().refused > before);
    drop(dispatcher);
    fits.join().unwrap();
    drop(second); // it was never welcome, so it waits for another dispatcher
}

#[test]
fn workers_go_on_with_the_next_dispatcher_and_results_are_never_mixed_up() {
    let context = zmq::Context::new();
    let first = bind(&context, quick());
    let endpoint = first.endpoint().to_owned();
    let is_free = Arc::new(AtomicBool::new(false));
    let worker = Worker::connect(&context, &endpoint, WorkerOptions::new().threads(2)).unwrap();
    let leave = worker.leave();
    let running = thread::spawn({
        let is_free = is_free.clone();
        move || {
            worker.run(move |task: Task<String>| {
                if task.starts_with("old") {
                    until("it may end", || is_free.load(Ordering::SeqCst));
                }
                Ok(task.into_inner())
            })
        }
    });
    first.submit("old 1").unwrap();
    first.submit("old 2").unwrap();
    until("both run", || first.stats().in_flight == 2);
    drop(first);
    // the same numbers, other tasks
    let mut second = None;
    until("libzmq has let go of the port", || {
        second = Dispatcher::bind(&context, &endpoint, quick()).ok();
        second.is_some()
    });
    let second = second.unwrap();
    let tasks = ["new 1", "new 2"].map(|text| (second.submit(text).unwrap(), text));
    until("the worker is back", || second.stats().workers == 1);
    is_free.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        let outcome = next(&second);
        let text = tasks.iter().find(|(id, _)| *id == outcome.task()).unwrap().1;
        assert_eq!(outcome.decode::<String>().unwrap(), text);
    }
    leave.leave();
    running.join().unwrap().unwrap();
}

/// A dispatcher that is a bare ROUTER, with one worker in a thread, welcomed, for which silence means nothing for hours. And
/// what will tell why the worker ended.
fn bare_dispatcher(context: &zmq::Context) -> (zmq::Socket, Vec<u8>, JoinHandle<()>, Reasons) {
    let router = context.socket(zmq::ROUTER).unwrap();
    router.set_linger(LONG.as_millis() as i32).unwrap();
    router.set_rcvtimeo(LONG.as_millis() as i32).unwrap();
    router.bind("tcp://127.0.0.1:*").unwrap();
    let endpoint = router.get_last_endpoint().unwrap().unwrap();
    let worker = Worker::connect(context, &endpoint, WorkerOptions::new().ends_with_dispatcher()).unwrap();
    let reasons = Reasons::default();
    let running = thread::spawn({
        let subscriber = tracing_subscriber::registry().with(reasons.clone());
        move || tracing::subscriber::with_default(subscriber, || worker.run(|task: Task<u32>| Ok(*task)).unwrap())
    });
    let hello = router.recv_multipart(0).unwrap();
    assert!(hello[1].starts_with(b"\x98\xa5hello\x01"), "{hello:?}");
    // its first session, with an epoch, and an hour for the heartbeat and three for the liveness
    let welcome = b"\x96\xa7welcome\x01\x01\x05\xce\x00\x36\xee\x80\xce\x00\xa4\xcb\x80";
    router.send_multipart([&hello[0][..], welcome], 0).unwrap();
    (router, hello[0].clone(), running, reasons)
}

/// Why workers end, as their events say.
#[derive(Clone, Default)]
struct Reasons(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> Layer<S> for Reasons {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        let mut find = |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            if field.name() == "message" {
                self.0
                    .lock()
                    .unwrap()
                    .extend(format!("{value:?}").strip_prefix("the worker ends: ").map(str::to_owned));
            }
        };
        event.record(&mut find);
    }
}

#[test]
fn a_goodbye_ends_a_worker_while_the_connection_stands() {
    let context = zmq::Context::new();
    let (router, worker, running, reasons) = bare_dispatcher(&context);
    router.send_multipart([&worker[..], b"\x91\xa3bye"], 0).unwrap();
    until("it has ended", || running.is_finished());
    running.join().unwrap();
    assert_eq!(*reasons.0.lock().unwrap(), ["the dispatcher said goodbye"]);
    drop(router);
}

#[test]
fn a_worker_whose_connection_ends_begins_a_new_session_with_the_next_dispatcher() {
    let context = zmq::Context::new();
    let (router, worker, running, reasons) = bare_dispatcher(&context);
    // it has read the welcome once it has done something
    router.send_multipart([&worker[..], b"\x93\xa4task\x01\x94\x01\x01\x01\x01", b"\x05"], 0).unwrap();
    let result = loop {
        let message = router.recv_multipart(0).unwrap();
        // it says hello again where the welcome has been long in coming
        if !message[1].starts_with(b"\x98\xa5hello\x01") {
            break message;
        }
    };
    assert_eq!(result[1..], [b"\x93\xa6result\x05\x93\x01\x01\x01".to_vec(), b"\x05".to_vec()]);
    let endpoint = router.get_last_endpoint().unwrap().unwrap();
    drop(router);
    let router = context.socket(zmq::ROUTER).unwrap();
    router.set_rcvtimeo(LONG.as_millis() as i32).unwrap();
    until("libzmq has let go of the port", || router.bind(&endpoint).is_ok());
    let hello = router.recv_multipart(0).unwrap();
    assert!(hello[1].starts_with(b"\x98\xa5hello\x01"), "{hello:?}");
    router.send_multipart([&hello[0][..], b"\x91\xa3bye"], 0).unwrap();
    until("it has ended", || running.is_finished());
    running.join().unwrap();
    assert_eq!(*reasons.0.lock().unwrap(), ["the dispatcher said goodbye"]);
}

#[test]
fn a_dispatcher_stays_until_its_goodbye_is_heard() {
    let context = zmq::Context::new();
    for answers in [true, false] {
        // it stays for a second, in which this thread may have had no processor
        assert!((0..20).any(|_| hears_a_goodbye(&context, answers)));
    }
}

/// Whether a worker hears the goodbye of its dispatcher, which else has stayed for as long as it may.
fn hears_a_goodbye(context: &zmq::Context, answers: bool) -> bool {
    let dispatcher = bind(context, DispatcherOptions::new().heartbeat(LONG).liveness(3 * LONG));
    // a worker whose socket forgets what it has not read when the connection ends, as all should have them
    let worker = context.socket(zmq::DEALER).unwrap();
    worker.set_linger(0).unwrap();
    worker.set_immediate(true).unwrap();
    worker.set_rcvtimeo(LONG.as_millis() as i32).unwrap();
    worker.connect(dispatcher.endpoint()).unwrap();
    assert_eq!(worker.poll(zmq::POLLOUT, LONG.as_millis() as i64).unwrap(), 1);
    worker.send(&b"\x98\xa5hello\x01\x07\x01\xa4bare\x01\xce\x10\x00\x00\x00\xce\x10\x00\x00\x00"[..], 0).unwrap();
    let mut said = worker.recv_multipart(0).unwrap();
    assert!(said[0].starts_with(b"\x97\xa7welcome\x01"), "{said:?}");
    let ending = thread::spawn(move || {
        let started = Instant::now();
        drop(dispatcher);
        started.elapsed()
    });
    while said != [b"\x91\xa3bye".to_vec()] {
        let has_ended = ending.is_finished();
        if worker.poll(zmq::POLLIN, 1).unwrap() == 1 {
            said = worker.recv_multipart(0).unwrap();
        } else if has_ended {
            let stayed = ending.join().unwrap();
            assert!(stayed >= Duration::from_secs(1), "it stays for {stayed:?}");
            return false;
        }
    }
    match answers {
        true => worker.send(&b"\x91\xa3bye"[..], 0).unwrap(),
        false => drop(worker),
    }
    ending.join().unwrap();
    true
}

#[test]
fn options_that_cannot_work_are_refused() {
    let context = zmq::Context::new();
    let refused = [
        quick().liveness(60 * MILLI),
        quick().lease(60 * MILLI),
        quick().attempts(0),
        quick().backlog(0, 1),
        quick().heartbeat(Duration::ZERO),
    ];
    for options in refused {
        let error = Dispatcher::bind(&context, "tcp://127.0.0.1:*", options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Caller, "{error}");
    }
    let error = Dispatcher::bind(&context, "nonsense", quick()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport);
    let error = Worker::connect(&context, "nonsense", WorkerOptions::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport);
}

#[test]
fn sockets_are_prepared_before_anybody_is_connected() {
    let context = zmq::Context::new();
    // libzmq asks it about whoever comes: zmq RFC 27
    let zap = context.socket(zmq::REP).unwrap();
    zap.bind("inproc://zeromq.zap.01").unwrap();
    thread::spawn(move || {
        while let Ok(asked) = zap.recv_multipart(0) {
            let status: &[u8] = if asked[7] == b"a secret" { b"200" } else { b"400" };
            zap.send_multipart([&asked[0][..], &asked[1], status, b"", b"", b""], 0).unwrap();
        }
    });
    let options = quick().attempts(1).prepare_socket(|socket| {
        socket.set_maxmsgsize(1 << 20)?;
        socket.set_plain_server(true)
    });
    let dispatcher = bind(&context, options);
    let known = WorkerOptions::new().name("known").prepare_socket(|socket| {
        socket.set_plain_username(Some("worker"))?;
        socket.set_plain_password(Some("a secret"))
    });
    // it shows nothing, and is not heard
    let unknown = Worker::connect(&context, dispatcher.endpoint(), WorkerOptions::new()).unwrap();
    let leave = unknown.leave();
    let unknown = thread::spawn(move || unknown.run(|task: Task<usize>| Ok(Buffer::from_vec(vec![1_u8; *task]))));
    let known = employ(&context, &dispatcher, known, |task: Task<usize>| Ok(Buffer::from_vec(vec![1_u8; *task])));
    dispatcher.submit(&10_000).unwrap();
    assert_eq!(next(&dispatcher).decode::<Buffer>().unwrap().len(), 10_000);
    // and libzmq takes no frame that is longer than it may be
    dispatcher.submit(&(2 << 20)).unwrap();
    let outcome = next(&dispatcher);
    let failed = &outcome.dead_letter().unwrap().failures[0];
    assert_eq!((&*failed.worker, &*failed.reason), ("known", "its connection ended"));
    dispatcher.submit(&20_000).unwrap();
    assert_eq!(next(&dispatcher).decode::<Buffer>().unwrap().len(), 20_000);
    leave.leave();
    unknown.join().unwrap().unwrap();
    drop(dispatcher);
    known.join().unwrap();

    let refuses = |_: &zmq::Socket| Err(zmq::Error::EINVAL);
    let error = Dispatcher::bind(&context, "inproc://x", DispatcherOptions::new().prepare_socket(refuses)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport);
    let error = Worker::connect(&context, "inproc://x", WorkerOptions::new().prepare_socket(refuses)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport);
}

#[test]
fn an_address_of_ipv6_needs_no_option() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return println!("not run: this machine has no IPv6");
    }
    let context = zmq::Context::new();
    let dispatcher = Dispatcher::bind(&context, "tcp://[::1]:*", quick()).unwrap();
    assert!(dispatcher.endpoint().starts_with("tcp://[::1]:"), "{}", dispatcher.endpoint());
    let worker = employ(&context, &dispatcher, WorkerOptions::new(), |task: Task<u64>| Ok(*task + 1));
    dispatcher.submit(&7_u64).unwrap();
    assert_eq!(dispatcher.recv().unwrap().unwrap().decode::<u64>().unwrap(), 8);
    drop(dispatcher);
    worker.join().unwrap();
}
