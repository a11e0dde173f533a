//! Workers that are killed, and workers that are stopped and wake up again.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use outband::pipeline::{Dispatcher, DispatcherOptions};

use super::crew::{Done, Hand, Job, expected};
use super::random::Random;
use super::{millis, wait};

/// How a dispatcher and its workers show signs of life where workers are killed, and where they are stopped.
const HEARTBEAT: Duration = Duration::from_secs(1);
const SHORT_HEARTBEAT: Duration = Duration::from_millis(200);
const SHORT_LIVENESS: Duration = Duration::from_millis(600);
/// The most bytes of tasks without an outcome; and what the process may have beside these.
const BACKLOG: u64 = 256 << 20;
const BESIDE: u64 = 96 << 20;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// SIGKILL, and another worker in its place.
    Kill,
    /// SIGSTOP, every other time until the dispatcher has noticed, and then SIGCONT.
    Stop,
}

#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) tasks: u64,
    pub(crate) bytes: usize,
    pub(crate) fault: Fault,
    pub(crate) faults: u64,
    pub(crate) workers: usize,
}

pub(crate) fn head() {
    println!();
    println!(
        "| tasks | bytes | workers | faults | lost | twice | seconds | tasks/s | GB/s | handed out again | late | noticed | p50 | p99 | longest | peak RSS |"
    );
    println!("|---:|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
}

pub(crate) fn run(plan: Plan, random: &mut Random) {
    let folder = tempfile::tempdir().unwrap();
    let options = DispatcherOptions::new().attempts(10_000).backlog(4096, BACKLOG);
    let options = match plan.fault {
        Fault::Stop => options.heartbeat(SHORT_HEARTBEAT).liveness(SHORT_LIVENESS),
        Fault::None | Fault::Kill => options.heartbeat(HEARTBEAT),
    };
    let endpoint = format!("ipc://{}/tasks", folder.path().display());
    let dispatcher = Dispatcher::bind(&zmq::Context::new(), &endpoint, options).unwrap();
    let workers: Vec<Hand> = (0..plan.workers).map(|_| Hand::employ(&endpoint)).collect();
    let troubles = Troubles { dispatcher: &dispatcher, endpoint: &endpoint, plan, done: AtomicU64::new(0) };
    wait(|| troubles.is_complete());
    let is_over = AtomicBool::new(false);
    let mut seen = vec![false; plan.tasks as usize];
    let (mut twice, mut noticed) = (0, Vec::new());
    forget_peak();
    let (started, mut seconds) = (Instant::now(), 0.0);
    let mut workers = thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..plan.tasks {
                // the faults are spread over the tasks
                let done = || troubles.done.load(Ordering::Relaxed);
                wait(|| number * (plan.faults + 1) < plan.tasks * (done() + 1));
                dispatcher.submit(&Job::new(number, plan.bytes)).unwrap();
            }
            dispatcher.close();
        });
        let making = scope.spawn(|| troubles.make(workers, random, &is_over));
        while let Some(outcome) = dispatcher.recv().unwrap() {
            let done: Done = outcome.decode().unwrap();
            assert_eq!(done, expected(done.0, plan.bytes), "the result of something else");
            twice += u64::from(std::mem::replace(&mut seen[done.0 as usize], true));
        }
        seconds = started.elapsed().as_secs_f64();
        is_over.store(true, Ordering::Relaxed);
        let workers;
        (workers, noticed) = making.join().unwrap();
        workers
    });
    let lost = seen.iter().filter(|seen| !**seen).count();
    noticed.sort_unstable();
    let at = |part: f64| noticed.get((noticed.len() as f64 * part) as usize).or(noticed.last()).copied();
    let time = |time: Option<Duration>| time.map_or("-".to_owned(), millis);
    let (stats, peak) = (dispatcher.stats(), peak());
    let faults = match plan.fault {
        Fault::None => "none".to_owned(),
        Fault::Kill => format!("{} killed", troubles.done.into_inner()),
        Fault::Stop => format!("{} stopped", troubles.done.into_inner()),
    };
    println!(
        "| {} | {} | {} | {faults} | {lost} | {twice} | {seconds:.1} | {:.0} | {:.2} | {} | {} | {} | {} | {} | {} | {} MiB |",
        plan.tasks,
        plan.bytes,
        plan.workers,
        plan.tasks as f64 / seconds,
        plan.tasks as f64 * plan.bytes as f64 / seconds * 1e-9,
        stats.redelivered,
        stats.late,
        noticed.len(),
        time(at(0.5)),
        time(at(0.99)),
        time(noticed.last().copied()),
        peak >> 20,
    );
    drop(dispatcher);
    workers.iter_mut().for_each(Hand::wait);
    assert_eq!((lost, twice, stats.dead), (0, 0, 0));
    assert!(peak < BACKLOG + BESIDE, "memory is not bounded by the backlog");
    if plan.fault == Fault::Kill {
        assert!(at(0.99).is_none_or(|p99| p99 < HEARTBEAT), "a killed worker was noticed too late");
    }
}

struct Troubles<'d> {
    dispatcher: &'d Dispatcher,
    endpoint: &'d str,
    plan: Plan,
    done: AtomicU64,
}

impl Troubles<'_> {
    /// Whether all workers are there.
    fn is_complete(&self) -> bool {
        self.dispatcher.stats().workers as usize == self.plan.workers
    }

    /// Makes trouble until there was enough of it; how long it took to be noticed, each time that it was.
    fn make(&self, mut workers: Vec<Hand>, random: &mut Random, is_over: &AtomicBool) -> (Vec<Hand>, Vec<Duration>) {
        let is_over = || is_over.load(Ordering::Relaxed);
        let mut noticed = Vec::new();
        while self.done.load(Ordering::Relaxed) < self.plan.faults && !is_over() {
            let (before, victim) = (self.dispatcher.stats().lost, random.below(workers.len()));
            let is_noticed = || self.dispatcher.stats().lost > before;
            let at = Instant::now();
            match self.plan.fault {
                Fault::None => break,
                Fault::Kill => {
                    workers[victim].kill();
                    wait(is_noticed);
                    noticed.push(at.elapsed());
                    workers[victim].wait();
                    workers[victim] = Hand::employ(self.endpoint);
                }
                Fault::Stop => {
                    workers[victim].signal("STOP");
                    if self.done.load(Ordering::Relaxed).is_multiple_of(2) {
                        wait(is_noticed);
                        noticed.push(at.elapsed());
                    } else {
                        let pause = SHORT_LIVENESS.mul_f64(random.below(700) as f64 / 1000.0);
                        wait(|| at.elapsed() >= pause);
                    }
                    workers[victim].signal("CONT");
                }
            }
            wait(|| self.is_complete());
            self.done.fetch_add(1, Ordering::Relaxed);
        }
        (workers, noticed)
    }
}

/// Begins to look for the peak of memory anew (proc(5)).
fn forget_peak() {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// The most memory that was resident, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().split(' ').next().unwrap().parse::<u64>().unwrap() << 10
}
