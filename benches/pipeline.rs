//! Tasks per second, and what is lost while workers are killed: nothing.
//!
//! `cargo bench --bench pipeline`: a million small tasks and 20 000 of 1 MiB, with a thousand SIGKILLs in all. Shorter:
//! `cargo bench --bench pipeline -- small=100000 large=2000 kills=100 workers=2`. A kill is noticed when the dispatcher counts
//! a lost worker; that time is measured from right before the signal.

#![allow(clippy::unwrap_used, reason = "a bench that fails stops")]

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use outband::Buffer;
use outband::pipeline::{Dispatcher, DispatcherOptions, Task, Worker, WorkerOptions};
use serde::{Deserialize, Serialize};

#[path = "../tests/support/random.rs"]
mod random;
use random::Random;

/// Set in a process that is a worker.
const WORKS_FOR: &str = "OUTBAND_BENCH_WORKS_FOR";
const HEARTBEAT: Duration = Duration::from_secs(1);

#[derive(Serialize, Deserialize)]
struct Job {
    number: u64,
    payload: Buffer,
}

#[derive(Clone, Copy)]
struct Plan {
    name: &'static str,
    tasks: u64,
    bytes: usize,
    kills: u64,
    workers: usize,
}

fn main() {
    if let Ok(endpoint) = std::env::var(WORKS_FOR) {
        return work(&endpoint);
    }
    let words: Vec<String> = std::env::args().collect();
    let number = |name: &str, default: u64| {
        let value = words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('=').map(str::to_owned));
        value.map_or(default, |value| value.parse().unwrap())
    };
    let (small, large, kills) = (number("small", 1_000_000), number("large", 20_000), number("kills", 1000));
    let workers = number("workers", 4) as usize;
    let mut random = Random::seeded(5);
    println!();
    println!(
        "| tasks | bytes | workers | killed | lost | twice | tasks/s | GB/s | handed out again | late | noticed p50 | p99 | longest | peak RSS |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    let plan = |name, tasks, bytes, kills| Plan { name, tasks, bytes, kills, workers };
    run(plan("small, no kills", small, 0, 0), &mut random);
    run(plan("small", small, 0, kills / 2), &mut random);
    run(plan("large, no kills", large, 1 << 20, 0), &mut random);
    run(plan("large", large, 1 << 20, kills - kills / 2), &mut random);
}

fn work(endpoint: &str) {
    let options = WorkerOptions::new().threads(1).in_flight(256).ends_with_dispatcher();
    let worker = Worker::connect(&zmq::Context::new(), endpoint, options).unwrap();
    worker.run(|task: Task<Job>| Ok((task.number, task.payload.len() as u64))).unwrap();
}

fn employ(dispatcher: &Dispatcher) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(WORKS_FOR, dispatcher.endpoint()).stdout(Stdio::null()).spawn().unwrap()
}

fn run(plan: Plan, random: &mut Random) {
    let folder = tempfile::tempdir().unwrap();
    let options = DispatcherOptions::new().heartbeat(HEARTBEAT).attempts(10_000).backlog(4096, 256 << 20);
    let endpoint = format!("ipc://{}/tasks", folder.path().display());
    let dispatcher = Dispatcher::bind(&zmq::Context::new(), &endpoint, options).unwrap();
    let mut workers: Vec<Child> = (0..plan.workers).map(|_| employ(&dispatcher)).collect();
    wait(|| dispatcher.stats().workers as usize == plan.workers);
    let mut seen = vec![false; plan.tasks as usize];
    let (kills, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let (mut twice, mut noticed) = (0, Vec::new());
    let started = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            let payload = Buffer::from_vec(vec![1_u8; plan.bytes]);
            for number in 0..plan.tasks {
                // the kills are spread over the tasks
                wait(|| number * (plan.kills + 1) < plan.tasks * (kills.load(Ordering::Relaxed) + 1));
                dispatcher.submit(&Job { number, payload: payload.clone() }).unwrap();
            }
            dispatcher.close();
        });
        let kills_done = scope.spawn(|| {
            let mut noticed = Vec::new();
            while kills.load(Ordering::Relaxed) < plan.kills && !is_over.load(Ordering::Relaxed) {
                let (before, victim) = (dispatcher.stats().lost, random.below(workers.len()));
                let at = Instant::now();
                workers[victim].kill().unwrap();
                wait(|| dispatcher.stats().lost > before);
                noticed.push(at.elapsed());
                workers[victim].wait().unwrap();
                workers[victim] = employ(&dispatcher);
                wait(|| dispatcher.stats().workers as usize == plan.workers || is_over.load(Ordering::Relaxed));
                kills.fetch_add(1, Ordering::Relaxed);
            }
            noticed
        });
        while let Some(outcome) = dispatcher.recv().unwrap() {
            let (number, len): (u64, u64) = outcome.decode().unwrap();
            assert_eq!(len, plan.bytes as u64);
            twice += u64::from(std::mem::replace(&mut seen[number as usize], true));
        }
        is_over.store(true, Ordering::Relaxed);
        noticed = kills_done.join().unwrap();
    });
    let seconds = started.elapsed().as_secs_f64();
    let lost = seen.iter().filter(|seen| !**seen).count();
    noticed.sort_unstable();
    let at = |part: f64| noticed.get((noticed.len() as f64 * part) as usize).or(noticed.last()).copied();
    let time =
        |time: Option<Duration>| time.map_or("-".to_owned(), |time| format!("{:.1} ms", time.as_secs_f64() * 1e3));
    let stats = dispatcher.stats();
    println!(
        "| {} {} | {} | {} | {} | {lost} | {twice} | {:.0} | {:.2} | {} | {} | {} | {} | {} | {} MiB |",
        plan.tasks,
        plan.name,
        plan.bytes,
        plan.workers,
        noticed.len(),
        plan.tasks as f64 / seconds,
        plan.tasks as f64 * plan.bytes as f64 / seconds * 1e-9,
        stats.redelivered,
        stats.late,
        time(at(0.5)),
        time(at(0.99)),
        time(noticed.last().copied()),
        peak() >> 10,
    );
    drop(dispatcher);
    for mut worker in workers {
        worker.wait().unwrap();
    }
    assert_eq!((lost, twice), (0, 0));
    assert!(at(0.99).is_none_or(|p99| p99 < HEARTBEAT), "a killed worker was noticed too late");
}

fn wait(is_so: impl Fn() -> bool) {
    while !is_so() {
        thread::park_timeout(Duration::from_micros(100));
    }
}

/// The most memory that was resident, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or(0)
}
