//! The memory of a pipeline is in proportion to what it was told to hold, however much goes through it.
//!
//! One test, because the memory of a process is that of all its tests.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/patience.rs"]
mod patience;

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use outband::Buffer;
use outband::pipeline::{Dispatcher, DispatcherOptions, Task, Worker, WorkerOptions};
use patience::{LONG, until};

const TASKS: u64 = 4000;
const TASK_BYTES: usize = 64 << 10;
const BACKLOG: usize = 64;
const UNREAD: usize = 16;
const IN_FLIGHT: usize = 4;
/// What threads, sockets and allocators take beside the tasks, in bytes.
const BESIDE: usize = 16 << 20;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

/// The memory of a task, which is counted while it is alive.
struct Counted(Vec<u8>);

impl Counted {
    fn new(number: u64) -> Self {
        MOST.fetch_max(LIVE.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        Self(vec![number as u8; TASK_BYTES])
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A figure of this process, in bytes (proc(5)).
fn figure(name: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

#[test]
fn memory_is_in_proportion_to_the_backlog() {
    let options = DispatcherOptions::new()
        .backlog(BACKLOG, (BACKLOG * (TASK_BYTES + 1000)) as u64)
        .unread(UNREAD, 1 << 30)
        .task_bytes(1 << 20)
        .liveness(LONG);
    let context = zmq::Context::new();
    let dispatcher = Dispatcher::bind(&context, "tcp://127.0.0.1:*", options).unwrap();
    let options = WorkerOptions::new().threads(2).in_flight(IN_FLIGHT).bytes(1 << 20).ends_with_dispatcher();
    let worker = Worker::connect(&context, dispatcher.endpoint(), options).unwrap();
    let worker = thread::spawn(move || worker.run(|task: Task<Buffer>| Ok((task.id().number(), task.into_inner()))));
    until("the worker is there", || dispatcher.stats().workers == 1);
    // proc(5): 5 lets the peak begin anew
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = figure("VmRSS:");
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1..=TASKS {
                dispatcher.submit(&Buffer::from_owner(Counted::new(number))).unwrap();
            }
            dispatcher.close();
        });
        // nobody reads: the outcomes hold up the worker, and that the backlog
        until("everything is full", || {
            let stats = dispatcher.stats();
            stats.submitted as usize == BACKLOG + UNREAD && stats.unread as usize == UNREAD
        });
        for _ in 0..TASKS {
            let outcome = dispatcher.recv_timeout(LONG).unwrap().unwrap();
            let (number, payload): (u64, Buffer) = outcome.decode().unwrap();
            assert_eq!(number, outcome.task().number());
            assert!(payload.len() == TASK_BYTES && payload.iter().all(|&byte| byte == number as u8));
        }
    });
    assert!(dispatcher.recv().unwrap().is_none());
    let peak = figure("VmHWM:") - before;
    drop(dispatcher);
    worker.join().unwrap().unwrap();
    until("all tasks are freed", || LIVE.load(Ordering::SeqCst) == 0);
    // one waits for room, and libzmq lets go of what it has sent a little later
    let most = MOST.load(Ordering::SeqCst);
    assert!((BACKLOG..=BACKLOG + 1 + 2 * IN_FLIGHT).contains(&most), "{most} tasks were alive at once");
    let held = (BACKLOG + UNREAD + 2 * IN_FLIGHT) * TASK_BYTES;
    println!("{most} tasks were alive at once; at most {peak} bytes more than before, {held} of them for tasks");
    assert!(peak < held + BESIDE, "{peak} bytes more than before");
}
