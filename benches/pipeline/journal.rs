//! A dispatcher with a journal, killed again and again.
//!
//! It tells of every task whose submit returned ("a" and the number) and of every outcome, before that is dropped ("e"). What it
//! told before it was killed is in the pipe.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use outband::pipeline::{Dispatcher, DispatcherOptions};

use super::crew::{Done, Hand, Job, expected};
use super::millis;
use super::random::Random;

/// Set in a process that is a dispatcher: its folder.
const DISPATCHES: &str = "OUTBAND_BENCH_DISPATCHES";
/// How many tasks it is to submit.
const TASKS: &str = "OUTBAND_BENCH_TASKS";
/// How many threads submit. They share the waits for the disk.
const THREADS: u64 = 16;
const BYTES: usize = 10_000;

pub(crate) fn dispatch_if_dispatcher() {
    let (Ok(folder), Ok(tasks)) = (std::env::var(DISPATCHES), std::env::var(TASKS)) else { return };
    let tasks: u64 = tasks.parse().unwrap();
    let options =
        DispatcherOptions::new().journal(format!("{folder}/journal")).attempts(10_000).backlog(4096, 256 << 20);
    let dispatcher = Dispatcher::bind(&zmq::Context::new(), &format!("ipc://{folder}/tasks"), options).unwrap();
    say('r', dispatcher.recovered().len() as u64);
    thread::scope(|scope| {
        let submitting: Vec<_> = (0..THREADS)
            .map(|thread| {
                let dispatcher = &dispatcher;
                scope.spawn(move || {
                    for number in (thread..tasks).step_by(THREADS as usize) {
                        say('a', dispatcher.submit(&Job::new(number, BYTES)).unwrap().number());
                    }
                })
            })
            .collect();
        let dispatcher = &dispatcher;
        scope.spawn(move || {
            submitting.into_iter().for_each(|thread| thread.join().unwrap());
            dispatcher.close();
        });
        while let Some(outcome) = dispatcher.recv().unwrap() {
            let done: Done = outcome.decode().unwrap();
            assert_eq!(done, expected(done.0, BYTES));
            say('e', outcome.task().number());
        }
    });
    std::process::exit(0);
}

/// One line, one call to the system.
fn say(what: char, number: u64) {
    std::io::stdout().lock().write_all(format!("{what} {number}\n").as_bytes()).unwrap();
}

/// A dispatcher, killed when it is dropped.
struct Life(Child);

impl Life {
    fn begin(folder: &str, tasks: u64) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(DISPATCHES, folder).env(TASKS, tasks.to_string());
        Self(command.stdout(Stdio::piped()).spawn().unwrap())
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn run(tasks: u64, lives: u64, workers: usize, random: &mut Random) {
    if tasks == 0 || lives == 0 {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let _workers: Vec<Hand> = (0..workers).map(|_| Hand::employ_for_good(&format!("ipc://{path}/tasks"))).collect();
    // how often each acknowledged task had an outcome
    let mut ended: HashMap<u64, u64> = HashMap::new();
    let mut acknowledged: HashMap<u64, u64> = HashMap::new();
    let (mut recovered, mut back) = (0, Vec::new());
    let started = Instant::now();
    for life in 1..=lives {
        let of_this_life = tasks / lives;
        // somewhere on its way; the last one may go to its end
        let end = if life == lives { u64::MAX } else { 1 + random.below(of_this_life as usize * 9 / 10) as u64 };
        let began = Instant::now();
        let mut dispatcher = Life::begin(path, of_this_life);
        let (mut submitted, mut is_back) = (0, false);
        let lines = BufReader::new(dispatcher.0.stdout.take().unwrap()).lines();
        for line in lines {
            let line = line.unwrap();
            let (what, number) = line.split_once(' ').expect("a whole line");
            let number: u64 = number.parse().unwrap();
            match what {
                "r" => recovered += number,
                "a" => {
                    *acknowledged.entry(number).or_default() += 1;
                    submitted += 1;
                    if submitted == end {
                        dispatcher.0.kill().unwrap();
                    }
                }
                _ => {
                    *ended.entry(number).or_default() += 1;
                    if life > 1 && !std::mem::replace(&mut is_back, true) {
                        back.push(began.elapsed());
                    }
                }
            }
        }
        let status = dispatcher.0.wait().unwrap();
        assert_eq!(status.success(), end == u64::MAX, "life {life} ended with {status}");
    }
    let seconds = started.elapsed().as_secs_f64();
    let lost = acknowledged.keys().filter(|task| !ended.contains_key(task)).count();
    let reused = acknowledged.values().filter(|&&times| times > 1).count();
    let again: u64 = ended.values().map(|times| times - 1).sum();
    let unacknowledged = ended.keys().filter(|task| !acknowledged.contains_key(task)).count();
    back.sort_unstable();
    let median: Option<&Duration> = back.get(back.len() / 2);
    println!();
    println!(
        "| dispatcher killed | acknowledged tasks | bytes | lost | ids used twice | in the journal at a start, in all | outcomes that came again | outcomes of tasks not yet acknowledged | seconds | first outcome after a start, p50 | longest |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    println!(
        "| {} | {} | {BYTES} | {lost} | {reused} | {recovered} | {again} | {unacknowledged} | {seconds:.1} | {} | {} |",
        lives - 1,
        acknowledged.len(),
        median.copied().map_or("-".to_owned(), millis),
        back.last().copied().map_or("-".to_owned(), millis),
    );
    assert_eq!((lost, reused), (0, 0));
}
