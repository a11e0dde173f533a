//! Pipelines between hosts: a dispatcher on one, workers on two others, and cables that lose, delay, and are pulled out.
//!
//! A program of its own (`harness = false`), because it starts itself on every host: as a worker, and as the dispatcher that a
//! test is about. It takes root, `ip`, `tc`, and `nft` where the kernel has no netem; without these it says so and ends.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/hosts.rs"]
mod hosts;
#[path = "support/patience.rs"]
mod patience;
#[path = "support/random.rs"]
mod random;

use std::collections::BTreeMap;
use std::env;
use std::process::{Child, ExitCode};
use std::time::{Duration, Instant};

use hosts::{Borrowed, Hosts, Way};
use outband::Buffer;
use outband::pipeline::{Dispatcher, DispatcherOptions, Task, Worker, WorkerOptions};
use patience::{LONG, until};
use random::Random;
use serde::{Deserialize, Serialize};

const MILLI: Duration = Duration::from_millis(1);
/// Set in a process that is a worker: the endpoint, and the number of its host.
const WORKS_FOR: &str = "OUTBAND_TEST_WORKS_FOR";
/// Set in a process that runs a test, on the first host: its name, and all hosts.
const RUNS: &str = "OUTBAND_TEST_RUNS";

type Test = fn(&Net);

const TESTS: [(&str, Test); 6] = [
    ("every_result_comes_once_through_cables_that_lose_and_delay", lossy),
    ("a_short_interruption_costs_nobody_a_task", interrupted),
    ("what_a_host_had_that_is_cut_off_is_done_by_the_other", partitioned),
    ("a_cable_that_works_one_way_only_is_no_connection", one_way),
    ("what_takes_longer_than_the_liveness_to_arrive_is_lost_to_nobody", narrow),
    ("whatever_the_network_does_every_result_comes_once", anything),
];

fn main() -> ExitCode {
    if let Ok(words) = env::var(WORKS_FOR) {
        work(&words);
        return ExitCode::SUCCESS;
    }
    if let Ok(words) = env::var(RUNS) {
        let (name, hosts) = words.split_once(' ').unwrap();
        let (_, test) = TESTS.iter().find(|(test, _)| *test == name).unwrap();
        test(&Net { hosts: Hosts::of(hosts) });
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let tests = TESTS.iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|part| name.contains(part)));
    println!("\nrunning {} tests", tests.clone().count());
    let (mut passed, mut failed, mut ignored) = (0, 0, 0);
    for (name, _) in tests {
        let hosts = match Hosts::new(2) {
            Ok(hosts) => hosts,
            Err(reason) => {
                println!("test {name} ... NOT RUN");
                eprintln!(
                    "\nNOT RUN: a pipeline between hosts: {name}. It takes root, ip, tc, and netem or nft: {reason}\n"
                );
                assert!(env::var_os("CI").is_none(), "what this takes is there where CI is set");
                ignored += 1;
                continue;
            }
        };
        let mut command = hosts.on(0, env::current_exe().unwrap());
        let is_ok = command.env(RUNS, format!("{name} {}", hosts.names())).status().unwrap().success();
        println!("test {name} ... {} ({})", if is_ok { "ok" } else { "FAILED" }, hosts.means().words());
        *(if is_ok { &mut passed } else { &mut failed }) += 1;
    }
    let said = if failed == 0 { "ok" } else { "FAILED" };
    println!("\ntest result: {said}. {passed} passed; {failed} failed; {ignored} ignored\n");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[derive(Serialize, Deserialize)]
struct Job {
    number: u64,
    millis: u64,
    payload: Buffer,
}

fn work(words: &str) {
    let (endpoint, host) = words.split_once(' ').unwrap();
    let host: usize = host.parse().unwrap();
    let options = WorkerOptions::new().threads(2).in_flight(6).name(format!("host {host}"));
    let worker = Worker::connect(&zmq::Context::new(), endpoint, options).unwrap();
    let handler = move |task: Task<Job>| {
        let started = Instant::now();
        until("the time is over", || started.elapsed() >= Duration::from_millis(task.millis));
        let sum: u64 = task.payload.iter().map(|&byte| u64::from(byte)).sum();
        Ok((task.number, host, sum, task.payload.clone()))
    };
    worker.run(handler).unwrap();
}

/// The hosts, as the one in the middle sees them.
struct Net {
    hosts: Borrowed,
}

impl std::ops::Deref for Net {
    type Target = Hosts;

    fn deref(&self) -> &Hosts {
        &self.hosts
    }
}

/// Both hosts around, and how many workers each has.
const AROUND: [usize; 2] = [1, 2];
const WORKERS: u64 = 2;

/// A dispatcher, its workers, and what came of its tasks.
struct Site {
    dispatcher: Dispatcher,
    workers: Vec<Remote>,
    submitted: u64,
    /// Which host did which task.
    done: BTreeMap<u64, usize>,
}

/// A process on another host, killed when it is dropped.
struct Remote(Child);

impl Drop for Remote {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Net {
    /// Starts a dispatcher here, and workers on both other hosts.
    fn open(&self, options: DispatcherOptions) -> Site {
        // this host has no other network than the two cables
        let dispatcher = Dispatcher::bind(&zmq::Context::new(), "tcp://0.0.0.0:*", options.attempts(1000)).unwrap();
        let mut site = Site { dispatcher, workers: Vec::new(), submitted: 0, done: BTreeMap::new() };
        for host in AROUND {
            for _ in 0..WORKERS {
                let worker = self.employ(&site, host);
                site.workers.push(worker);
            }
        }
        until("all workers are there", || site.workers() == 2 * WORKERS);
        site
    }

    fn employ(&self, site: &Site, host: usize) -> Remote {
        let port = site.dispatcher.endpoint().rsplit_once(':').unwrap().1;
        let mut command = self.on(host, env::current_exe().unwrap());
        command.env(WORKS_FOR, format!("tcp://{}:{port} {host}", self.address(host))).env_remove(RUNS);
        Remote(command.spawn().unwrap())
    }
}

impl Site {
    fn workers(&self) -> u64 {
        self.dispatcher.stats().workers
    }

    fn lost(&self) -> u64 {
        self.dispatcher.stats().lost
    }

    /// Submits tasks, most of them short and some of many packets.
    fn submit(&mut self, tasks: u64, millis: u64) {
        for _ in 0..tasks {
            let number = self.submitted;
            self.dispatcher.submit(&Job { number, millis, payload: payload(number) }).unwrap();
            self.submitted += 1;
        }
    }

    /// Submits tasks until every worker has as many as it takes.
    fn fill(&mut self, millis: u64) {
        until("everybody is busy", || {
            let stats = self.dispatcher.stats();
            // some may be done before others have come in: it takes as many as it takes
            if stats.waiting == 0 && stats.submitted == self.submitted {
                self.submit(24, millis);
            }
            stats.in_flight == 24
        });
    }

    /// Has tasks done until both hosts have done some that were submitted from now on.
    fn both_work(&mut self) {
        let (before, started) = (self.submitted, Instant::now());
        while AROUND.iter().any(|&host| self.done_by(host, before) == 0) {
            assert!(started.elapsed() < LONG, "one does nothing");
            self.submit(100, 5);
            self.finish();
        }
    }

    /// Reads results until so many tasks are done; none comes twice.
    fn read(&mut self, tasks: u64) {
        while (self.done.len() as u64) < tasks {
            let outcome = self.dispatcher.recv_timeout(LONG).unwrap().expect("it is not closed");
            let (number, host, sum, back): (u64, usize, u64, Buffer) = outcome.decode().unwrap();
            let sent = payload(number);
            assert_eq!(
                sum,
                sent.iter().map(|&byte| u64::from(byte)).sum::<u64>(),
                "what arrived there is not what was sent"
            );
            assert_eq!(back, sent);
            assert!(self.done.insert(number, host).is_none(), "{number} came twice");
        }
    }

    /// Reads everything that was submitted, and nothing else comes.
    fn finish(&mut self) {
        self.read(self.submitted);
        assert!(self.done.keys().copied().eq(0..self.submitted));
        let stats = self.dispatcher.stats();
        assert_eq!((stats.done, stats.dead, stats.in_flight, stats.waiting), (self.submitted, 0, 0, 0), "{stats:?}");
        assert!(self.dispatcher.try_recv().unwrap_err().is_timeout(), "nothing comes twice");
    }

    /// How many of the tasks from `from` on a host has done.
    fn done_by(&self, host: usize, from: u64) -> usize {
        self.done.range(from..).filter(|(_, by)| **by == host).count()
    }
}

fn payload(number: u64) -> Buffer {
    let len = if number.is_multiple_of(10) { 60_000 } else { 100 + number % 400 };
    Buffer::from_vec(vec![number as u8; len as usize])
}

/// For whom silence means nothing in a test.
fn patient() -> DispatcherOptions {
    DispatcherOptions::new().heartbeat(200 * MILLI).liveness(LONG)
}

fn impatient() -> DispatcherOptions {
    DispatcherOptions::new().heartbeat(100 * MILLI).liveness(1500 * MILLI)
}

fn lossy(net: &Net) {
    let mut site = net.open(patient());
    for host in AROUND {
        net.lose(host, Way::Both, 3);
        net.slow(host);
    }
    site.submit(600, 1);
    site.finish();
    let stats = site.dispatcher.stats();
    assert_eq!((stats.lost, stats.redelivered, stats.late), (0, 0, 0), "the connections stood: {stats:?}");
}

/// The cable is in again before anybody is given up: the connections stand, and so do the sessions.
fn interrupted(net: &Net) {
    let mut site = net.open(patient());
    site.submit(200, 2);
    site.read(20);
    for host in AROUND {
        net.unplug(host);
        // what is on its way is stuck; the other host goes on meanwhile
        site.submit(100, 2);
        let other = 3 - host;
        let before = site.done_by(other, 0);
        while site.done_by(other, 0) < before + 40 {
            site.read(site.done.len() as u64 + 1);
        }
        net.plug(host);
    }
    site.finish();
    let stats = site.dispatcher.stats();
    assert_eq!((stats.lost, stats.redelivered, stats.late), (0, 0, 0), "the connections stood: {stats:?}");
    for host in AROUND {
        site.submit(40, 2);
        site.finish();
        assert!(site.done_by(host, 0) > 0, "host {host} does nothing");
    }
}

/// The cable is out for longer than the liveness, and the tasks go to the other host. What the first had done meanwhile is late.
fn partitioned(net: &Net) {
    let mut site = net.open(impatient());
    site.fill(50);
    net.unplug(1);
    until("its workers are given up", || site.lost() >= WORKERS);
    site.finish();
    assert!(site.dispatcher.stats().redelivered > 0, "{:?}", site.dispatcher.stats());
    let before = site.submitted;
    site.submit(50, 2);
    site.finish();
    assert_eq!(site.done_by(2, before), 50, "a host without a cable does nothing");
    net.plug(1);
    until("they are back", || site.workers() == 2 * WORKERS);
    site.both_work();
}

/// Packets of one way are lost without a trace: the interface is up, and no connection ends by itself.
fn one_way(net: &Net) {
    for way in [Way::In, Way::Out] {
        let mut site = net.open(impatient());
        site.fill(50);
        net.lose(1, way, 100);
        until("its workers are given up", || site.lost() >= WORKERS);
        site.finish();
        net.lose(1, way, 0);
        until("they are back", || site.workers() == 2 * WORKERS);
        site.both_work();
    }
}

/// Tasks and results behind which no sign of life comes through for longer than anybody may be silent.
fn narrow(net: &Net) {
    const LEN: usize = 8_000_000;
    let site = net.open(impatient());
    for host in AROUND {
        net.narrow(host);
    }
    for number in 0..2 * WORKERS {
        let payload = Buffer::from_vec(vec![number as u8; LEN]);
        site.dispatcher.submit(&Job { number, millis: 1, payload }).unwrap();
    }
    let mut numbers = BTreeMap::new();
    for _ in 0..2 * WORKERS {
        let outcome = site.dispatcher.recv_timeout(LONG).unwrap().expect("it is not closed");
        let (number, host, sum, back): (u64, usize, u64, Buffer) = outcome.decode().unwrap();
        assert_eq!((outcome.attempts(), sum, back.len()), (1, number * LEN as u64, LEN));
        numbers.insert(number, host);
    }
    assert_eq!(numbers.len() as u64, 2 * WORKERS);
    assert!(AROUND.iter().all(|host| numbers.values().any(|by| by == host)), "{numbers:?}");
    let stats = site.dispatcher.stats();
    assert_eq!((stats.lost, stats.redelivered, stats.late), (0, 0, 0), "the connections stood: {stats:?}");
}

/// Rounds of loss, delay, interruptions long and short, and killed workers, with a seed.
fn anything(net: &Net) {
    let mut random = Random::seeded(8);
    let mut site = net.open(impatient());
    for _ in 0..6 {
        let host = AROUND[random.below(2)];
        net.lose(host, Way::Both, random.below(6) as u32);
        if random.below(2) == 0 {
            net.slow(host);
        }
        site.submit(60, 3);
        let (out, before) = (AROUND[random.below(2)], site.lost());
        match random.below(4) {
            0 => {
                net.unplug(out);
                until("they are given up", || site.lost() >= before + WORKERS || site.workers() <= WORKERS);
            }
            1 => {
                net.lose(out, [Way::In, Way::Out, Way::Both][random.below(3)], 100);
                until("they are given up", || site.lost() >= before + WORKERS || site.workers() <= WORKERS);
            }
            2 => {
                net.unplug(out);
                site.read(site.done.len() as u64 + 10.min(site.submitted - site.done.len() as u64));
            }
            _ => {
                let victim = random.below(site.workers.len());
                let at = AROUND[victim / WORKERS as usize];
                drop(site.workers.remove(victim));
                let worker = net.employ(&site, at);
                site.workers.insert(victim, worker);
            }
        }
        net.plug(out);
        net.lose(out, Way::Both, random.below(4) as u32);
        site.submit(40, 3);
        site.read(site.submitted - 20);
    }
    for host in AROUND {
        net.lose(host, Way::Both, 0);
    }
    site.finish();
    until("all workers are there again", || site.workers() == 2 * WORKERS);
}
