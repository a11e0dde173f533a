//! Workers and dispatchers that are processes, and really die: SIGKILL, SIGSTOP, SIGTERM.

#![cfg(all(unix, feature = "signals"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/patience.rs"]
mod patience;
#[path = "support/random.rs"]
mod random;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use outband::Buffer;
use outband::pipeline::{Dispatcher, DispatcherOptions, Outcome, Task, Worker, WorkerOptions};
use patience::{LONG, until};
use random::Random;
use serde::{Deserialize, Serialize};

const MILLI: Duration = Duration::from_millis(1);
/// Set in a process that is a worker: where its dispatcher is.
const WORKS_FOR: &str = "OUTBAND_TEST_WORKS_FOR";
/// Set in one that does not end when its worker has.
const LINGERS: &str = "OUTBAND_TEST_LINGERS";
/// Set in one that has a handler of its own for SIGTERM, and ends when that was called twice.
const HANDLES: &str = "OUTBAND_TEST_HANDLES";
/// Set in one that tells when a handler begins, and what it tells.
const TELLS: &str = "OUTBAND_TEST_TELLS";
const BEGUN: &str = "a handler has begun";
/// Set in one whose handlers end when there is a file of this name.
const GATE: &str = "OUTBAND_TEST_GATE";
/// Set in one whose handlers are tasks of a tokio runtime.
#[cfg(feature = "tokio")]
const ON_TOKIO: &str = "OUTBAND_TEST_ON_TOKIO";

/// Milliseconds that nobody waits for.
const FOREVER: u64 = 3_600_000;

#[derive(Serialize, Deserialize)]
struct Job {
    number: u64,
    /// How long the first attempt takes.
    millis: u64,
    payload: Buffer,
}

/// Not a test of its own: what the worker processes of the others run.
#[test]
fn works() {
    let Ok(endpoint) = std::env::var(WORKS_FOR) else { return };
    let mut options = WorkerOptions::new().threads(2).in_flight(6).leaves_on_signals();
    if std::env::var("OUTBAND_TEST_STAYS").is_err() {
        options = options.ends_with_dispatcher();
    }
    let (mut calls, handler) = UnixStream::pair().unwrap();
    if std::env::var(HANDLES).is_ok() {
        signal_hook::low_level::pipe::register(libc::SIGTERM, handler).unwrap();
    }
    let worker = Worker::connect(&zmq::Context::new(), &endpoint, options).unwrap();
    #[cfg(feature = "tokio")]
    if std::env::var(ON_TOKIO).is_ok() {
        return work_on_tokio(worker);
    }
    let served = worker.run(|task: Task<Job>| {
        tell();
        let started = Instant::now();
        while !may_end(&task, started) {
            std::thread::park_timeout(MILLI);
        }
        Ok((task.number, task.payload.len() as u64, std::process::id()))
    });
    served.unwrap();
    if std::env::var(HANDLES).is_ok() {
        calls.read_exact(&mut [0; 2]).unwrap();
    }
    if std::env::var(LINGERS).is_ok() {
        loop {
            std::thread::park();
        }
    }
}

/// Says that a handler has begun, to who wants to know.
fn tell() {
    if std::env::var(TELLS).is_ok() {
        println!("{BEGUN}");
    }
}

/// Whether a handler is done.
fn may_end(task: &Task<Job>, started: Instant) -> bool {
    match std::env::var_os(GATE) {
        Some(gate) => Path::new(&gate).exists(),
        None => task.attempt() > 1 || started.elapsed() >= Duration::from_millis(task.millis),
    }
}

/// The same with handlers that are tasks, all of them at once.
#[cfg(feature = "tokio")]
fn work_on_tokio(worker: Worker) {
    let handler = |task: Task<Job>| async move {
        tell();
        let started = Instant::now();
        while !may_end(&task, started) {
            tokio::time::sleep(MILLI).await;
        }
        Ok((task.number, task.payload.len() as u64, std::process::id()))
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(outband::pipeline::AsyncWorker::new(worker).run(handler)).unwrap();
}

/// A worker process, killed at the end.
struct Process(Child);

impl Process {
    fn start(dispatcher: &Dispatcher) -> Self {
        Self::start_with(dispatcher, &[])
    }

    fn start_with(dispatcher: &Dispatcher, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "works", "--nocapture"]).env(WORKS_FOR, dispatcher.endpoint());
        Self(command.envs(variables.iter().copied()).stdout(Stdio::null()).spawn().unwrap())
    }

    /// One whose handlers tell when they begin.
    fn telling(dispatcher: &Dispatcher, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "works", "--nocapture"]).env(WORKS_FOR, dispatcher.endpoint()).env(TELLS, "1");
        Self(command.envs(variables.iter().copied()).stdout(Stdio::piped()).spawn().unwrap())
    }

    /// Waits until so many handlers have begun. A task that is with a worker may not be with a handler yet.
    fn begun(&mut self, handlers: usize) {
        let lines = BufReader::new(self.0.stdout.as_mut().unwrap()).lines();
        // where tests run one by one, the name of this one stands before the first
        let begun = lines.map(Result::unwrap).filter(|line| line.ends_with(BEGUN));
        assert_eq!(begun.take(handlers).count(), handlers);
    }

    fn signal(&self, signal: libc::c_int) {
        let pid = libc::pid_t::try_from(self.0.id()).unwrap();
        let name = match signal {
            libc::SIGSTOP => "STOP",
            libc::SIGCONT => "CONT",
            _ => "TERM",
        };
        // the shell's own: a small machine has no program of that name
        assert!(Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().unwrap().success());
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Options for whom silence means nothing in a test.
fn patient() -> DispatcherOptions {
    DispatcherOptions::new().liveness(LONG)
}

fn bind(options: DispatcherOptions) -> Dispatcher {
    Dispatcher::bind(&zmq::Context::new(), "tcp://127.0.0.1:*", options).unwrap()
}

fn submit(dispatcher: &Dispatcher, number: u64, millis: u64, bytes: usize) {
    dispatcher.submit(&Job { number, millis, payload: Buffer::from_vec(vec![1_u8; bytes]) }).unwrap();
}

fn next(dispatcher: &Dispatcher) -> Outcome {
    dispatcher.recv_timeout(LONG).unwrap().expect("an outcome")
}

/// The number and the process of a result.
fn read(outcome: &Outcome, bytes: usize) -> (u64, u32) {
    let (number, len, process): (u64, u64, u32) = outcome.decode().unwrap();
    assert_eq!(len, bytes as u64);
    (number, process)
}

#[test]
fn nothing_is_lost_and_nothing_comes_twice_while_workers_are_killed() {
    let mut random = Random::seeded(5);
    let options = DispatcherOptions::new().attempts(100).backlog(200, 1 << 30);
    let dispatcher = bind(options.heartbeat(500 * MILLI).liveness(5000 * MILLI));
    let mut workers: Vec<_> = (0..3).map(|_| Process::start(&dispatcher)).collect();
    until("all are there", || dispatcher.stats().workers == 3);
    let (tasks, bytes) = (600_u64, 30_000);
    let mut seen = BTreeSet::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            (0..tasks).for_each(|number| submit(&dispatcher, number, number % 7, bytes));
            dispatcher.close();
        });
        let mut kills = 0;
        while let Some(outcome) = dispatcher.recv_timeout(LONG).unwrap() {
            let (number, _) = read(&outcome, bytes);
            assert!(seen.insert(number), "{number} came twice");
            if seen.len().is_multiple_of(40) {
                let victim = random.below(workers.len());
                workers[victim].kill();
                workers[victim] = Process::start(&dispatcher);
                kills += 1;
            }
        }
        assert_eq!(kills, 15);
    });
    assert_eq!(seen, (0..tasks).collect());
    let stats = dispatcher.stats();
    assert!(stats.lost > 0 && stats.redelivered > 0, "{stats:?}");
    assert_eq!((stats.done, stats.dead), (tasks, 0));
}

#[test]
fn a_killed_worker_is_noticed_without_waiting_for_a_heartbeat() {
    // with times so long that only the end of the connection can tell
    let hour = Duration::from_secs(3600);
    for transport in ["tcp", "ipc"] {
        let directory = tempfile::tempdir().unwrap();
        let endpoint = match transport {
            "tcp" => "tcp://127.0.0.1:*".to_owned(),
            _ => format!("ipc://{}/tasks", directory.path().display()),
        };
        let options = DispatcherOptions::new().heartbeat(hour).liveness(3 * hour);
        let dispatcher = Dispatcher::bind(&zmq::Context::new(), &endpoint, options).unwrap();
        let mut first = Process::start(&dispatcher);
        submit(&dispatcher, 1, FOREVER, 10);
        until("it is with the first", || dispatcher.stats().in_flight == 1);
        let _second = Process::start(&dispatcher);
        until("the second is there", || dispatcher.stats().workers == 2);
        let killed = first.0.id();
        first.kill();
        let outcome = next(&dispatcher);
        let (number, process) = read(&outcome, 10);
        assert_eq!((number, outcome.attempts()), (1, 2));
        assert_ne!(process, killed);
        assert_eq!(dispatcher.stats().lost, 1);
    }
}

#[test]
fn a_stopped_worker_is_given_up_and_its_late_result_is_dropped() {
    let dispatcher = bind(DispatcherOptions::new().heartbeat(100 * MILLI).liveness(3000 * MILLI));
    let first = Process::start(&dispatcher);
    // longer than it takes to stop it, and no longer than it is stopped at the least
    submit(&dispatcher, 1, 3000, 10);
    until("it is with the first", || dispatcher.stats().in_flight == 1);
    first.signal(libc::SIGSTOP);
    let second = Process::start(&dispatcher);
    let outcome = next(&dispatcher);
    let (number, process) = read(&outcome, 10);
    assert_eq!((number, outcome.attempts()), (1, 2));
    assert_ne!(process, first.0.id());
    // it wakes up, knows nothing of all that, and works on
    first.signal(libc::SIGCONT);
    until("its result has come, and it is back", || {
        let stats = dispatcher.stats();
        (stats.late, stats.workers) == (1, 2)
    });
    (2..10).for_each(|number| submit(&dispatcher, number, 100, 10));
    let numbers: BTreeSet<u64> = (2..10).map(|_| read(&next(&dispatcher), 10).0).collect();
    assert_eq!(numbers, (2..10).collect());
    assert!(dispatcher.try_recv().unwrap_err().is_timeout(), "nothing comes twice");
    drop(second);
}

#[test]
fn sigterm_drains_a_worker() {
    // two of its six run
    drain(&[], 2);
}

#[cfg(feature = "tokio")]
#[test]
fn sigterm_drains_a_worker_on_tokio() {
    // all six run
    drain(&[(ON_TOKIO, "1")], 6);
}

fn drain(variables: &[(&str, &str)], running: usize) {
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    let dispatcher = bind(patient().attempts(1));
    let variables = [variables, &[(GATE, gate.to_str().unwrap())]].concat();
    let [mut first, second] = [(); 2].map(|()| Process::telling(&dispatcher, &variables));
    until("both are there", || dispatcher.stats().workers == 2);
    (0..12).for_each(|number| submit(&dispatcher, number, 0, 10));
    until("their hands are full", || dispatcher.stats().in_flight == 12);
    first.begun(running);
    first.signal(libc::SIGTERM);
    // no handler ends before the gate is open
    until("what does not run is handed back", || dispatcher.stats().in_flight == 6 + running as u64);
    std::fs::write(&gate, "").unwrap();
    assert!(first.0.wait().unwrap().success(), "it ends by itself, and well");
    let mut by_first = 0;
    for _ in 0..12 {
        let outcome = next(&dispatcher);
        // a single attempt is all there is: what was handed back has not used it up
        let (_, process) = read(&outcome, 10);
        assert_eq!(outcome.attempts(), 1);
        by_first += usize::from(process == first.0.id());
    }
    assert_eq!(by_first, running, "what was running is done");
    assert_eq!(dispatcher.stats().lost, 0);
    drop(second);
}

/// Where the journal of a process is whose files cannot grow for long.
const FILLS: &str = "OUTBAND_TEST_FILLS";

/// Not a test of its own: the process of the next one.
#[cfg(all(feature = "journal", feature = "tokio"))]
#[test]
fn fills() {
    use outband::pipeline::AsyncDispatcher;
    use outband::{ErrorKind, Multipart};

    let Ok(folder) = std::env::var(FILLS) else { return };
    let task = || Multipart::new("task", vec![Buffer::from_vec(vec![1_u8; 100_000])]);
    let fill = |name: &str| {
        let path = format!("{folder}/{name}");
        let dispatcher = bind(DispatcherOptions::new().journal(&path));
        let submits = (0..1000).map(|_| dispatcher.submit_message(task()));
        let (acknowledged, error) =
            submits.enumerate().find_map(|(before, submit)| Some((before, submit.err()?))).expect("the disk is full");
        std::fs::write(format!("{path}.acknowledged"), acknowledged.to_string()).unwrap();
        assert_eq!(error.kind(), ErrorKind::Transport);
        assert!(error.to_string().contains(&path), "{error}");
        assert_eq!(error.into_message(), Some(task()));
        assert!(dispatcher.recv_timeout(LONG).unwrap_err().to_string().contains(&path));
        assert_eq!(dispatcher.submit_message(task()).unwrap_err().into_message(), Some(task()));
        dispatcher
    };
    drop(fill("first"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let dispatcher = AsyncDispatcher::new(fill("second"));
        assert_eq!(dispatcher.submit_message(task()).await.unwrap_err().into_message(), Some(task()));
        dispatcher.shutdown().await;
        let dispatcher = AsyncDispatcher::new(bind(DispatcherOptions::new().journal(format!("{folder}/third"))));
        let error = loop {
            if let Err(error) = dispatcher.submit_message(task()).await {
                break error;
            }
        };
        assert_eq!(error.into_message(), Some(task()));
        dispatcher.shutdown().await;
    });
}

#[cfg(all(feature = "journal", feature = "tokio"))]
#[test]
fn a_dispatcher_whose_journal_cannot_grow_says_so_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    // in blocks of 512 bytes
    command.args(["-c", r#"trap "" XFSZ; ulimit -f 16384; exec "$@""#, "sh"]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", "fills", "--nocapture"]).env(FILLS, folder.path()).stdout(Stdio::null());
    let mut process = Process(command.spawn().unwrap());
    until("it has ended", || process.0.try_wait().unwrap().is_some());
    assert!(process.0.wait().unwrap().success());
    assert!(folder.path().join("third").exists(), "it did all that");
    // there is room again
    for name in ["first", "second"] {
        let path = folder.path().join(name);
        let acknowledged = std::fs::read_to_string(path.with_extension("acknowledged")).unwrap().parse().unwrap();
        assert!(acknowledged > 0);
        let dispatcher = bind(DispatcherOptions::new().journal(&path));
        let recovered = dispatcher.recovered().iter().map(|task| task.number());
        assert_eq!(recovered.take(acknowledged).collect::<Vec<_>>(), (1..=acknowledged as u64).collect::<Vec<_>>());
        let next = dispatcher.submit(&0).unwrap();
        assert!(next.number() > acknowledged as u64, "no number is used twice");
    }
}

#[test]
fn a_second_signal_ends_the_process() {
    let dispatcher = bind(patient().attempts(1));
    let mut process = Process::telling(&dispatcher, &[]);
    until("it is there", || dispatcher.stats().workers == 1);
    (0..3).for_each(|number| submit(&dispatcher, number, FOREVER, 10));
    until("it has them", || dispatcher.stats().in_flight == 3);
    process.begun(2);
    process.signal(libc::SIGTERM);
    until("what has not begun is handed back", || dispatcher.stats().in_flight == 2);
    assert!(process.0.try_wait().unwrap().is_none(), "it waits for its handlers");
    process.signal(libc::SIGTERM);
    until("it has ended", || process.0.try_wait().unwrap().is_some());
    assert_eq!(process.0.wait().unwrap().signal(), Some(libc::SIGTERM));
}

#[test]
fn a_signal_ends_a_process_whose_worker_has_ended() {
    let dispatcher = bind(patient());
    let mut process = Process::start_with(&dispatcher, &[(LINGERS, "1")]);
    until("it is there", || dispatcher.stats().workers == 1);
    process.signal(libc::SIGTERM);
    until("the worker has left", || dispatcher.stats().workers == 0);
    // it may be about to end only: a signal that comes too early does nothing more
    until("the process ends", || {
        process.signal(libc::SIGTERM);
        process.0.try_wait().unwrap().is_some()
    });
    assert_eq!(process.0.wait().unwrap().signal(), Some(libc::SIGTERM));
}

#[test]
fn a_handler_of_the_programs_own_is_all_that_is_left_when_the_worker_has_ended() {
    let dispatcher = bind(patient());
    let mut process = Process::start_with(&dispatcher, &[(HANDLES, "1")]);
    until("it is there", || dispatcher.stats().workers == 1);
    process.signal(libc::SIGTERM);
    until("the worker has left", || dispatcher.stats().workers == 0);
    until("the process ends", || {
        process.signal(libc::SIGTERM);
        process.0.try_wait().unwrap().is_some()
    });
    assert!(process.0.wait().unwrap().success(), "it was its own handler that ended it");
}

/// Not a test of its own: the process of the next one, in which few threads can be started.
#[test]
fn has_few_threads() {
    if std::env::var(STARVES).is_err() {
        return;
    }
    let options = WorkerOptions::new().threads(64);
    let worker = Worker::connect(&zmq::Context::new(), "tcp://127.0.0.1:1", options).unwrap();
    let error = worker.run(|task: Task<u64>| Ok(*task)).unwrap_err();
    assert_eq!(error.kind(), outband::ErrorKind::Transport);
    let names = std::fs::read_dir("/proc/self/task").unwrap().map(|thread| thread.unwrap().path().join("comm"));
    let left: Vec<_> = names.filter_map(|name| std::fs::read_to_string(name).ok()).collect();
    assert!(!left.iter().any(|name| name.starts_with("outband worker")), "{left:?}");
    println!("some were started: {}", error);
}

/// Set in a process in which few threads can be started.
const STARVES: &str = "OUTBAND_TEST_STARVES";

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
#[test]
fn a_thread_that_cannot_be_started_leaves_no_others_behind() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    // stacks of 16 TiB each, of which no address space has many
    command.args(["--exact", "has_few_threads", "--nocapture", "--test-threads=1"]).env(STARVES, "1");
    let output = command.env("RUST_MIN_STACK", (1_u64 << 44).to_string()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("some were started"));
}

/// Where the journal of a dispatcher process is, and what it has been through.
const DISPATCHES: &str = "OUTBAND_TEST_DISPATCHES";
/// Set in one that reads half of its outcomes, and then waits to be killed.
#[cfg(feature = "journal")]
const PAUSES: &str = "OUTBAND_TEST_PAUSES";

/// Not a test of its own: the dispatcher process of the next one. It writes down what was acknowledged and what came back.
#[cfg(feature = "journal")]
#[test]
fn dispatches() {
    use std::fs::OpenOptions;
    use std::io::Write;
    use std::sync::Mutex;

    let Ok(folder) = std::env::var(DISPATCHES) else { return };
    let append = |name: &str| {
        let file = OpenOptions::new().create(true).append(true).open(format!("{folder}/{name}")).unwrap();
        Mutex::new(file)
    };
    let (acknowledged, ended) = (append("acknowledged"), append("ended"));
    let options = patient().journal(format!("{folder}/journal")).attempts(100);
    let context = zmq::Context::new();
    let dispatcher = Dispatcher::bind(&context, &format!("ipc://{folder}/tasks"), options).unwrap();
    let first = dispatcher.recovered().last().map_or(0, |task| task.number());
    let note = |file: &Mutex<std::fs::File>, line: &dyn std::fmt::Display| {
        // in one piece: this process is killed at any time
        file.lock().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    };
    note(&append("lives"), &format_args!("{} {first}", dispatcher.recovered().len()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..60 {
                    let job = Job { number: 0, millis: 2, payload: Buffer::from_vec(vec![3_u8; 20_000]) };
                    let task = dispatcher.submit(&job).unwrap();
                    note(&acknowledged, &task);
                }
            });
        }
        scope.spawn(|| {
            let most = if std::env::var(PAUSES).is_ok() { 120 } else { usize::MAX };
            for _ in 0..most {
                let Some(outcome) = dispatcher.recv().unwrap() else { return };
                assert_eq!(read(&outcome, 20_000).0, 0);
                note(&ended, &outcome.task());
            }
            loop {
                std::thread::park();
            }
        });
        scope.spawn(|| {
            until("all are submitted", || dispatcher.stats().submitted >= 240 + dispatcher.recovered().len() as u64);
            dispatcher.close();
        });
    });
}

#[cfg(feature = "journal")]
#[test]
fn a_journal_loses_no_acknowledged_task_when_the_dispatcher_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let worker = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "works", "--nocapture"]).env(WORKS_FOR, format!("ipc://{path}/tasks"));
        Process(command.env("OUTBAND_TEST_STAYS", "1").stdout(Stdio::null()).spawn().unwrap())
    };
    let _workers = [worker(), worker()];
    let lines = |name: &str| -> Vec<u64> {
        let text = std::fs::read_to_string(format!("{path}/{name}")).unwrap_or_default();
        text.lines().map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect()
    };
    let (mut ends, mut submits) = (0, 0);
    for life in 0..4 {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "dispatches", "--nocapture"]).env(DISPATCHES, path).stdout(Stdio::null());
        if life == 3 {
            assert!(Process(command.spawn().unwrap()).0.wait().unwrap().success());
            break;
        }
        let mut dispatcher = Process(command.env(PAUSES, "1").spawn().unwrap());
        // killed in the middle of its work: more are submitted than the outcomes that it reads
        until("some tasks have ended, and some have not", || {
            lines("ended").len() >= ends + 60 && lines("acknowledged").len() >= submits + 130
        });
        dispatcher.kill();
        (ends, submits) = (lines("ended").len(), lines("acknowledged").len());
    }
    let (acknowledged, ended) = (lines("acknowledged"), lines("ended"));
    let distinct: BTreeSet<u64> = acknowledged.iter().copied().collect();
    assert_eq!(distinct.len(), acknowledged.len(), "an id was used twice");
    let done: BTreeSet<u64> = ended.iter().copied().collect();
    let lost: Vec<_> = distinct.difference(&done).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    assert_eq!(lines("lives").len(), 4);
    assert!(lines("lives").iter().skip(1).all(|&recovered| recovered > 0), "there was nothing to recover");
}

/// Set in a process that starts a dispatcher with this journal.
#[cfg(feature = "journal")]
const KEEPS: &str = "OUTBAND_TEST_KEEPS";

/// Not a test of its own: a process that makes a journal.
#[cfg(feature = "journal")]
#[test]
fn keeps() {
    let Ok(journal) = std::env::var(KEEPS) else { return };
    let options = DispatcherOptions::new().journal(journal);
    let _dispatcher = Dispatcher::bind(&zmq::Context::new(), "tcp://127.0.0.1:*", options).unwrap();
    loop {
        std::thread::park();
    }
}

#[cfg(feature = "journal")]
#[test]
fn a_dispatcher_that_is_killed_while_it_makes_its_journal_is_followed_by_another() {
    for _ in 0..40 {
        let directory = tempfile::tempdir().unwrap();
        let journal = directory.path().join("journal");
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "keeps", "--nocapture"]).env(KEEPS, &journal).stdout(Stdio::null());
        let mut process = Process(command.spawn().unwrap());
        // as soon as there is anything of it
        let begun = Instant::now();
        let is_something = |file: std::io::Result<std::fs::DirEntry>| {
            file.is_ok_and(|file| file.metadata().is_ok_and(|file| file.len() > 0))
        };
        while !std::fs::read_dir(directory.path()).unwrap().any(is_something) {
            assert!(begun.elapsed() < LONG, "it makes none");
        }
        process.kill();
        let options = DispatcherOptions::new().journal(&journal);
        let dispatcher = Dispatcher::bind(&zmq::Context::new(), "tcp://127.0.0.1:*", options).unwrap();
        assert!(dispatcher.recovered().is_empty());
    }
}
