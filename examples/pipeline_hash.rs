//! Hashes every file under a directory with several worker processes, and prints what `sha256sum -c` checks.
//!
//! `cargo run --release --example pipeline_hash [DIRECTORY] [--workers N] [--kill]`, the directory of today by default.
//! `--kill` kills a worker midway with SIGKILL: its files go to the others, and the manifest is the same.
//! `target` and `.git` are left out.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;
use std::{env, ffi::OsString, thread};

use indicatif::{ProgressBar, ProgressStyle};
use outband::pipeline::{Dispatcher, DispatcherOptions, Failure, Order, Outcome, Task, Worker, WorkerOptions};
use sha2::{Digest, Sha256};

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// The first argument of a process that is a worker; the second is where the dispatcher is.
const WORK: &str = "--work-for";

fn main() -> Result<()> {
    let (mut directory, mut workers, mut kill) =
        (PathBuf::from("."), thread::available_parallelism()?.get().max(2), false);
    let mut arguments = env::args_os().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or("a value is missing");
        match argument.to_str() {
            Some(WORK) => return work(value()?.to_str().ok_or("an endpoint is text")?),
            Some("--workers") => workers = value()?.to_str().ok_or("how many?")?.parse::<usize>()?.max(1),
            Some("--kill") => kill = true,
            _ => directory = argument.into(),
        }
    }
    let mut files = Vec::new();
    list(&directory, &mut files)?;
    files.sort();
    dispatch(&files, workers, kill)
}

/// A worker process: hashes the files whose paths it is given.
fn work(endpoint: &str) -> Result<()> {
    let options = WorkerOptions::new().threads(1).in_flight(4).ends_with_dispatcher();
    Ok(Worker::connect(&zmq::Context::new(), endpoint, options)?.run(hash)?)
}

fn hash(task: Task<Vec<u8>>) -> Result<[u8; 32], Failure> {
    let path = PathBuf::from(OsString::from_vec(task.to_vec()));
    // it will not be there the second time either
    let mut file = File::open(&path).map_err(|error| Failure::rejected(format!("{}: {error}", path.display())))?;
    let (mut hash, mut block) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut block)? {
            0 => return Ok(hash.finalize().into()),
            len => hash.update(&block[..len]),
        }
        task.progress(); // a large file takes longer than the lease
    }
}

fn dispatch(files: &[PathBuf], workers: usize, kill: bool) -> Result<()> {
    // the manifest has the order of the files, whoever is done first
    let options = DispatcherOptions::new().order(Order::Submission).lease(Duration::from_secs(10));
    let dispatcher = Dispatcher::bind(&zmq::Context::new(), "tcp://127.0.0.1:*", options)?;
    let mut processes = Vec::new();
    for _ in 0..workers {
        processes.push(Command::new(env::current_exe()?).args([WORK, dispatcher.endpoint()]).spawn()?);
    }
    let bar = ProgressBar::new(files.len() as u64);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} files, {per_sec}")?);
    let unreadable = thread::scope(|scope| {
        // one thread submits, another reads: both the backlog and the outcomes are bounded
        let submits = scope.spawn(|| {
            let submitted = files.iter().try_for_each(|path| dispatcher.submit(path.as_os_str().as_bytes()).map(drop));
            dispatcher.close();
            submitted
        });
        let mut victim = if kill { processes.first_mut() } else { None };
        let (mut out, mut unreadable) = (io::stdout().lock(), 0);
        for path in files {
            let Some(outcome) = dispatcher.recv()? else { break };
            unreadable += usize::from(!print(&mut out, path, &outcome)?);
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
        "{} files by {workers} workers; {} of them lost, {} files handed out again",
        stats.done, stats.lost, stats.redelivered
    );
    drop(dispatcher);
    processes.iter_mut().try_for_each(|process: &mut Child| process.wait().map(drop))?;
    if unreadable > 0 { Err(format!("{unreadable} files could not be read").into()) } else { Ok(()) }
}

/// Prints a line of the manifest, or why there is none.
fn print(out: &mut impl Write, path: &Path, outcome: &Outcome) -> Result<bool> {
    let Ok(digest) = outcome.decode::<[u8; 32]>() else {
        eprintln!("no hash: {}", outcome.ending());
        return Ok(false);
    };
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
    digest.iter().try_for_each(|byte| write!(out, "{byte:02x}"))?;
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
