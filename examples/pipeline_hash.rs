//! Hashes every file under a directory with several worker processes, and prints what `sha256sum -c` checks.
//!
//! ```text
//! cargo run --release --example pipeline_hash [DIRECTORY] [--workers N] [--kill]
//! cargo run --release --example pipeline_hash dispatch ENDPOINT [DIRECTORY]
//! cargo run --release --example pipeline_hash work ENDPOINT [--pace MILLIS]
//! ```
//!
//! The directory of today by default; `target` and `.git` are left out. `--kill` kills a worker midway with SIGKILL: its files
//! go to the others, and the manifest is the same.
//!
//! `dispatch` starts no workers: those of elsewhere come to it, so it sends them the files and not their paths. `work` is one
//! of them, until SIGTERM: then it hands back what it has not begun. With a pace it takes so long for each file at least, and
//! leaves something to watch. `docker/` has both in containers, and `python/examples/pipeline_hash.py` works for the same
//! dispatcher.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{env, ffi::OsString, thread};

use indicatif::{ProgressBar, ProgressStyle};
use outband::Buffer;
use outband::pipeline::{Dispatcher, DispatcherOptions, Failure, Order, Outcome, Task, Worker, WorkerOptions};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use sysinfo::System;

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// The first argument of a process that works for the one that started it; the second is where that is.
const WORK_FOR: &str = "--work-for";

/// A task.
#[derive(Serialize, Deserialize)]
struct Input {
    path: Buffer,
    /// `None` where workers see the file as well.
    content: Option<Buffer>,
}

/// A result.
#[derive(Serialize, Deserialize)]
struct Hashed {
    sha256: Buffer,
    worker: String,
}

/// Who works.
enum Crew {
    /// Processes of this one.
    Own { workers: usize, kill: bool },
    /// Whoever comes to this endpoint.
    Others { endpoint: String },
}

fn main() -> Result<()> {
    let mut arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let role = arguments.first().and_then(|word| word.to_str()).unwrap_or_default().to_owned();
    match role.as_str() {
        "dispatch" | "work" if arguments.len() == 1 => Err("an endpoint is missing".into()),
        "dispatch" => {
            let directory = arguments.get(2).map_or(Path::new("."), Path::new);
            let endpoint = text(&arguments[1])?.to_owned();
            dispatch(&sorted(directory)?, Crew::Others { endpoint })
        }
        "work" => {
            let pace = match &arguments[2..] {
                [] => Duration::ZERO,
                [flag, millis] if flag == "--pace" => Duration::from_millis(text(millis)?.parse()?),
                _ => return Err("usage: pipeline_hash work ENDPOINT [--pace MILLIS]".into()),
            };
            work(text(&arguments[1])?, pace)
        }
        WORK_FOR => work_for(text(arguments.get(1).ok_or("an endpoint is missing")?)?),
        _ => {
            let (mut directory, mut workers, mut kill) = (OsString::from("."), default_workers()?, false);
            let mut arguments = arguments.drain(..);
            while let Some(argument) = arguments.next() {
                match argument.to_str() {
                    Some("--workers") => {
                        workers = text(&arguments.next().ok_or("how many?")?)?.parse::<usize>()?.max(1)
                    }
                    Some("--kill") => kill = true,
                    _ => directory = argument,
                }
            }
            dispatch(&sorted(Path::new(&directory))?, Crew::Own { workers, kill })
        }
    }
}

fn default_workers() -> Result<usize> {
    Ok(thread::available_parallelism()?.get().max(2))
}

fn text(word: &OsString) -> Result<&str> {
    Ok(word.to_str().ok_or("an argument is no text")?)
}

fn sorted(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    list(directory, &mut files)?;
    files.sort();
    Ok(files)
}

/// A worker process of a dispatcher on this machine: it ends with it.
fn work_for(endpoint: &str) -> Result<()> {
    let options = WorkerOptions::new().threads(1).in_flight(4).ends_with_dispatcher();
    let name = format!("process {}", process::id());
    Ok(Worker::connect(&zmq::Context::new(), endpoint, options)?.run(move |task| hash(&task, &name))?)
}

/// A worker for whatever dispatcher is at an endpoint, until SIGTERM.
fn work(endpoint: &str, pace: Duration) -> Result<()> {
    let name = System::host_name()?;
    let options = WorkerOptions::new().threads(1).in_flight(4).name(name.clone());
    let worker = Worker::connect(&zmq::Context::new(), endpoint, options)?;
    let leave = worker.leave();
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            leave.leave();
        }
    });
    let done = Arc::new(AtomicU64::new(0));
    let counted = done.clone();
    worker.run(move |task| {
        let began = Instant::now();
        let hashed = hash(&task, &name)?;
        thread::sleep(pace.saturating_sub(began.elapsed()));
        counted.fetch_add(1, Ordering::Relaxed);
        Ok(hashed)
    })?;
    eprintln!("left after {} files", done.load(Ordering::Relaxed));
    Ok(())
}

fn hash(task: &Task<Input>, worker: &str) -> Result<Hashed, Failure> {
    let mut hash = Sha256::new();
    if let Some(content) = &task.content {
        hash.update(content);
    } else {
        let path = PathBuf::from(OsString::from_vec(task.path.to_vec()));
        // it will not be there the second time either
        let mut file = File::open(&path).map_err(|error| Failure::rejected(format!("{}: {error}", path.display())))?;
        let mut block = vec![0; 1 << 20];
        loop {
            match file.read(&mut block)? {
                0 => break,
                len => hash.update(&block[..len]),
            }
            task.progress(); // a large file takes longer than the lease
        }
    }
    Ok(Hashed { sha256: Buffer::copy_from_slice(&hash.finalize()), worker: worker.to_owned() })
}

fn dispatch(files: &[PathBuf], crew: Crew) -> Result<()> {
    let told = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register(signal, told.clone())?;
    }
    // the manifest has the order of the files, whoever is done first
    let options = DispatcherOptions::new().order(Order::Submission).lease(Duration::from_secs(10));
    let endpoint = if let Crew::Others { endpoint } = &crew { endpoint } else { "tcp://127.0.0.1:*" };
    let dispatcher = Dispatcher::bind(&zmq::Context::new(), endpoint, options)?;
    let mut processes = Vec::new();
    if let Crew::Own { workers, .. } = crew {
        for _ in 0..workers {
            processes.push(Command::new(env::current_exe()?).args([WORK_FOR, dispatcher.endpoint()]).spawn()?);
        }
    }
    let bar = ProgressBar::new(files.len() as u64);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} files, {per_sec}")?);
    let unreadable = thread::scope(|scope| {
        // one thread submits, another reads: both the backlog and the outcomes are bounded
        let submits = scope.spawn(|| {
            let submitted = files.iter().try_for_each(|path| submit(&dispatcher, path, &crew));
            dispatcher.close();
            submitted
        });
        let mut victim = if let Crew::Own { kill: true, .. } = crew { processes.first_mut() } else { None };
        let (mut out, mut unreadable) = (io::stdout().lock(), 0);
        for path in files {
            let Some(outcome) = next(&dispatcher, &told)? else { break };
            unreadable += usize::from(!print(&mut out, path, &outcome, &crew)?);
            bar.inc(1);
            if bar.position() * 2 >= bar.length().unwrap_or(0)
                && let Some(victim) = victim.take()
            {
                victim.kill()?;
                bar.suspend(|| eprintln!("killed worker {}, on purpose", victim.id()));
            }
        }
        out.flush()?;
        submits.join().expect("no panic")?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(unreadable)
    })?;
    bar.finish();
    let stats = dispatcher.stats();
    eprintln!(
        "{} files; {} workers lost, {} files handed out again, {} results too late",
        stats.done, stats.lost, stats.redelivered, stats.late
    );
    drop(dispatcher);
    processes.iter_mut().try_for_each(|process: &mut Child| process.wait().map(drop))?;
    if unreadable > 0 { Err(format!("{unreadable} files could not be read").into()) } else { Ok(()) }
}

fn submit(dispatcher: &Dispatcher, path: &Path, crew: &Crew) -> Result<()> {
    let content = match crew {
        Crew::Own { .. } => None,
        Crew::Others { .. } => Some(Buffer::from_vec(fs::read(path)?)),
    };
    dispatcher.submit(&Input { path: Buffer::copy_from_slice(path.as_os_str().as_bytes()), content })?;
    Ok(())
}

/// The next outcome, unless it is time to end: whoever works is told so when the dispatcher is dropped.
fn next(dispatcher: &Dispatcher, told: &AtomicBool) -> Result<Option<Outcome>> {
    while !told.load(Ordering::Relaxed) {
        match dispatcher.recv_timeout(Duration::from_millis(250)) {
            Err(error) if error.is_timeout() => {}
            outcome => return Ok(outcome?),
        }
    }
    dispatcher.close();
    Err("told to end: the manifest has no further files".into())
}

/// Prints a line of the manifest, or why there is none.
fn print(out: &mut impl Write, path: &Path, outcome: &Outcome, crew: &Crew) -> Result<bool> {
    let Ok(Hashed { sha256, worker }) = outcome.decode() else {
        eprintln!("no hash: {}", outcome.ending());
        return Ok(false);
    };
    if let Crew::Others { .. } = crew {
        eprintln!("{} by {worker}, attempt {}", path.display(), outcome.attempts());
    }
    // as sha256sum writes names with line breaks or backslashes in them
    let mut name = Vec::new();
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'\n' => name.extend(b"\\n"),
            b'\r' => name.extend(b"\\r"),
            b'\\' => name.extend(b"\\\\"),
            _ => name.push(byte),
        }
    }
    if name != path.as_os_str().as_bytes() {
        out.write_all(b"\\")?;
    }
    sha256.iter().try_for_each(|byte| write!(out, "{byte:02x}"))?;
    out.write_all(b"  ")?;
    out.write_all(&name)?;
    out.write_all(b"\n")?;
    Ok(true)
}

/// The regular files under a directory.
fn list(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() && !["target", ".git"].iter().any(|skipped| entry.file_name() == *skipped) {
            list(&entry.path(), files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}
