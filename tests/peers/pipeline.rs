//! Python workers of the package in `python/` work for a Rust dispatcher, and are killed.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::patience::{LONG, until};
use crate::python;
use outband::Array;
use outband::pipeline::{Dispatcher, DispatcherOptions};
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
struct Job {
    name: &'static str,
    array: Array,
}

#[derive(Deserialize)]
struct Done {
    name: String,
    sum: f64,
    array: Array,
}

struct Process(Child);

impl Process {
    fn start(dispatcher: &Dispatcher) -> Self {
        Self::start_at(dispatcher.endpoint(), &[])
    }

    fn start_at(endpoint: &str, words: &[&str]) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(python::python());
        command.arg("-B").arg(root.join("tests/python/pipeline_worker.py")).arg(endpoint).args(words);
        Self(command.env("PYTHONPATH", root.join("python")).spawn().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn python_workers_do_every_task_once_though_they_are_killed() {
    let options = DispatcherOptions::new().attempts(50).lease(Duration::from_millis(300));
    let options = options.heartbeat(Duration::from_millis(100)).liveness(LONG);
    let dispatcher = Dispatcher::bind(&zmq::Context::new(), "tcp://127.0.0.1:*", options).unwrap();
    let mut workers: Vec<_> = (0..2).map(|_| Process::start(&dispatcher)).collect();
    let names = ["plain", "fails", "plain", "never", "exits", "slow", "plain"];
    let mut tasks = BTreeMap::new();
    for number in 0..140_usize {
        let name = names[if number < 35 { number % 7 } else { 0 }];
        let elements: Vec<f64> = (0..5000).map(|at| (at % 7 + number) as f64).collect();
        let sum: f64 = elements.iter().sum();
        let array = Array::from_shape_vec([50, 100], elements).unwrap();
        tasks.insert(dispatcher.submit(&Job { name, array }).unwrap(), (name, sum, number));
    }
    dispatcher.close();
    let mut ended = 0;
    while let Some(outcome) = dispatcher.recv_timeout(LONG).unwrap() {
        ended += 1;
        let (name, sum, number) = tasks.remove(&outcome.task()).expect("each comes once");
        if name == "never" {
            let letter = outcome.dead_letter().expect("a dead letter");
            assert_eq!(letter.failures.last().unwrap().reason, "not in this life");
        } else {
            let done: Done = outcome.decode().unwrap();
            assert_eq!((done.name.as_str(), done.sum, done.array.shape()), (name, sum, &[50, 100][..]));
            assert_eq!(done.array.as_slice::<f64>().unwrap()[0], 2.0 * number as f64);
            assert!(!["fails", "exits"].contains(&name) || outcome.attempts() > 1);
        }
        if [20, 60].contains(&ended) {
            workers.remove(0);
            workers.push(Process::start(&dispatcher));
        }
    }
    assert!(tasks.is_empty() && ended == 140);
    assert!(dispatcher.stats().lost >= 1, "{:?}", dispatcher.stats());
}

/// Set in a process that is a dispatcher: where, and with how many tasks.
const DISPATCHES: &str = "OUTBAND_TEST_DISPATCHES";

/// Not a test of its own: what the dispatcher processes of the next one run.
#[test]
fn dispatches() {
    let Ok(job) = std::env::var(DISPATCHES) else { return };
    let (endpoint, tasks) = job.split_once(' ').unwrap();
    let (context, started) = (zmq::Context::new(), Instant::now());
    let dispatcher = loop {
        // the socket of a process that was killed is closed by the kernel, in its own time
        match Dispatcher::bind(&context, endpoint, DispatcherOptions::new()) {
            Ok(dispatcher) => break dispatcher,
            Err(error) => assert!(started.elapsed() < LONG, "{error}"),
        }
    };
    println!("\nat {}", dispatcher.endpoint());
    for number in 0..tasks.parse().unwrap() {
        let array = Array::from_shape_vec([1], vec![f64::from(number)]).unwrap();
        dispatcher.submit(&Job { name: "plain", array }).unwrap();
    }
    dispatcher.close();
    while let Some(outcome) = dispatcher.recv().unwrap() {
        println!("done {}", outcome.decode::<Done>().unwrap().sum);
    }
}

/// A dispatcher process, and what it says.
fn dispatcher(endpoint: &str, tasks: u32) -> (Process, impl Iterator<Item = String>) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "pipeline::dispatches", "--nocapture"]).env(DISPATCHES, format!("{endpoint} {tasks}"));
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    (Process(child), lines.filter(|line| line.starts_with("at ") || line.starts_with("done ")))
}

#[test]
fn a_python_worker_outlives_its_dispatcher_and_works_for_the_next_one() {
    let (mut first, mut lines) = dispatcher("tcp://127.0.0.1:*", 10_000);
    let endpoint = lines.next().expect("its endpoint")["at ".len()..].to_owned();
    let mut worker = Process::start_at(&endpoint, &["stays"]);
    // in the midst of its tasks
    assert!(lines.by_ref().take(50).all(|line| line.starts_with("done ")));
    first.0.kill().unwrap();
    first.0.wait().unwrap();
    let (mut second, lines) = dispatcher(&endpoint, 300);
    let sums: Vec<String> = lines.skip(1).collect();
    // all of its own tasks, each once, and none of the first one's
    let mut numbers: Vec<u32> = sums.iter().map(|line| line["done ".len()..].parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..300).collect::<Vec<_>>());
    assert!(second.0.wait().unwrap().success());
    assert_eq!(worker.0.try_wait().unwrap(), None, "the worker waits for another one");
}

#[test]
fn a_python_worker_leaves_on_sigterm() {
    let options = DispatcherOptions::new().attempts(1).liveness(LONG);
    let dispatcher = Dispatcher::bind(&zmq::Context::new(), "tcp://127.0.0.1:*", options).unwrap();
    let mut first = Process::start(&dispatcher);
    for _ in 0..12 {
        let array = Array::from_shape_vec([1], vec![1.0_f64]).unwrap();
        dispatcher.submit(&Job { name: "slow", array }).unwrap();
    }
    until("its hands are full", || dispatcher.stats().in_flight == 6);
    assert!(Command::new("sh").args(["-c", &format!("kill -TERM {}", first.0.id())]).status().unwrap().success());
    assert!(first.0.wait().unwrap().success(), "it ends by itself, and well");
    let _second = Process::start(&dispatcher);
    for _ in 0..12 {
        let outcome = dispatcher.recv_timeout(LONG).unwrap().unwrap();
        assert_eq!((outcome.decode::<Done>().unwrap().sum, outcome.attempts()), (1.0, 1));
    }
    let stats = dispatcher.stats();
    assert_eq!(stats.lost, 0, "{stats:?}");
}

#[test]
fn a_python_worker_prepares_its_socket_and_is_let_in() {
    let context = zmq::Context::new();
    // libzmq asks it about whoever comes: zmq RFC 27
    let zap = context.socket(zmq::REP).unwrap();
    zap.bind("inproc://zeromq.zap.01").unwrap();
    std::thread::spawn(move || {
        while let Ok(asked) = zap.recv_multipart(0) {
            let status: &[u8] = if asked[7] == b"a secret" { b"200" } else { b"400" };
            zap.send_multipart([&asked[0][..], &asked[1], status, b"", b"", b""], 0).unwrap();
        }
    });
    let options = DispatcherOptions::new().prepare_socket(|socket| socket.set_plain_server(true));
    let dispatcher = Dispatcher::bind(&context, "tcp://127.0.0.1:*", options).unwrap();
    let _worker = Process::start_at(dispatcher.endpoint(), &["shows"]);
    let array = Array::from_shape_vec([2], vec![1.0, 2.0]).unwrap();
    dispatcher.submit(&Job { name: "plain", array }).unwrap();
    let outcome = dispatcher.recv_timeout(LONG).unwrap().expect("an outcome");
    assert_eq!(outcome.decode::<Done>().unwrap().sum, 3.0);
}
