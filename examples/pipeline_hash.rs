//! Hashes every file under a directory with several worker processes, and prints what `sha256sum -c` checks.
//!
//! ```text
//! cargo run --release --example pipeline_hash [DIRECTORY] [--workers N] [--kill]
//! cargo run --release --example pipeline_hash dispatch ENDPOINT [DIRECTORY]
//! cargo run --release --example pipeline_hash work ENDPOINT [--pace MILLIS]
//! ```
//!
//! The directory of today by default; `target` and `.git` are left out. `--kill` kills a worker midway with SIGKILL: its files
//! go to the others, and the manifest is the same. So it takes at least two workers.
//!
//! `dispatch` starts no workers: those of elsewhere come to it, so it sends them the files and not their paths. `work` is one
//! of them, until SIGTERM: then it hands back what it has not begun. With a pace it takes so long for each file at least, and
//! leaves something to watch. `docker/` has both in containers, and `python/examples/pipeline_hash.py` works for the same
//! dispatcher.

#[path = "shared/ending.rs"]
mod ending;

use std::fmt::{self, Display};
use std::fs::{self, File};
use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, ExitCode};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use std::{env, ffi::OsString, thread};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
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

/// The longest file that is sent: a task has up to 256 MiB, and the path is in it too.
const LONGEST: u64 = 255 << 20;
const TOO_LONG: &str = "it is longer than a task may be";

const USAGE: &str = "usage: pipeline_hash [DIRECTORY] [--workers N] [--kill]
       pipeline_hash dispatch ENDPOINT [DIRECTORY]
       pipeline_hash work ENDPOINT [--pace MILLIS]";

fn main() -> ExitCode {
    ending::of(run())
}

fn run() -> Result<()> {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(|word| word.to_str().unwrap_or_default()).collect();
    if words.contains(&"--help") {
        writeln!(io::stdout(), "{USAGE}")?;
        return Ok(());
    }
    match words[..] {
        ["dispatch", endpoint] => dispatch(&sorted(Path::new("."))?, Crew::Others { endpoint: endpoint.to_owned() }),
        ["dispatch", endpoint, directory] if !directory.starts_with("--") => {
            dispatch(&sorted(Path::new(&arguments[2]))?, Crew::Others { endpoint: endpoint.to_owned() })
        }
        ["work", endpoint] => work(endpoint, Duration::ZERO),
        ["work", endpoint, "--pace", millis] => work(endpoint, Duration::from_millis(number("--pace", millis)?)),
        ["dispatch" | "work", ..] => Err(USAGE.into()),
        [WORK_FOR, endpoint] => work_for(endpoint),
        _ => {
            let (mut directory, mut workers, mut kill) = (None, default_workers()?, false);
            let mut rest = words.iter().zip(&arguments);
            while let Some((word, argument)) = rest.next() {
                match *word {
                    "--workers" => {
                        workers = number::<usize>("--workers", rest.next().ok_or("how many workers?")?.0)?.max(1)
                    }
                    "--kill" => kill = true,
                    unknown if unknown.starts_with("--") => return Err(format!("{unknown}?\n{USAGE}").into()),
                    _ if directory.is_some() => return Err(USAGE.into()),
                    _ => directory = Some(argument),
                }
            }
            if kill && workers < 2 {
                return Err("--kill takes two workers at least: nobody would be left to do the work".into());
            }
            dispatch(&sorted(directory.map_or(Path::new("."), Path::new))?, Crew::Own { workers, kill })
        }
    }
}

fn number<N: FromStr<Err: Display>>(option: &str, word: &str) -> Result<N> {
    Ok(word.parse().map_err(|error| format!("{option} {word}: {error}"))?)
}

fn default_workers() -> Result<usize> {
    Ok(thread::available_parallelism()?.get().max(2))
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
    let name = name_of(process::id());
    Ok(Worker::connect(&zmq::Context::new(), endpoint, options)?.run(move |task| hash(&task, &name))?)
}

/// What a worker process of a dispatcher on this machine is called in its results.
fn name_of(process: u32) -> String {
    format!("process {process}")
}

/// A worker for whatever dispatcher is at an endpoint, until SIGTERM.
fn work(endpoint: &str, pace: Duration) -> Result<()> {
    let name = System::host_name()?;
    let options = WorkerOptions::new().threads(1).in_flight(4).name(name.clone());
    let worker =
        Worker::connect(&zmq::Context::new(), endpoint, options).map_err(|error| format!("{endpoint}: {error}"))?;
    eprintln!("working for the dispatcher at {endpoint}, until Ctrl-C or SIGTERM");
    let leave = worker.leave();
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    thread::spawn(move || {
        let mut signals = signals.forever();
        if signals.next().is_some() {
            leave.leave();
        }
        // who says it twice does not want to wait for the file at work
        signals.for_each(|signal| drop(signal_hook::low_level::emulate_default_handler(signal)));
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
        // the second time it ends at once
        signal_hook::flag::register_conditional_default(signal, told.clone())?;
        signal_hook::flag::register(signal, told.clone())?;
    }
    // the manifest has the order of the files, whoever is done first
    let options = DispatcherOptions::new().order(Order::Submission).lease(Duration::from_secs(10));
    let endpoint = if let Crew::Others { endpoint } = &crew { endpoint } else { "tcp://127.0.0.1:*" };
    let dispatcher =
        Dispatcher::bind(&zmq::Context::new(), endpoint, options).map_err(|error| format!("{endpoint}: {error}"))?;
    let mut processes = Processes(Vec::new());
    match crew {
        Crew::Own { workers, .. } => {
            for _ in 0..workers.min(files.len()) {
                processes.0.push(Command::new(env::current_exe()?).args([WORK_FOR, dispatcher.endpoint()]).spawn()?);
            }
        }
        Crew::Others { .. } => eprintln!("workers come to {}", dispatcher.endpoint()),
    }
    let bar = ProgressBar::new(files.len() as u64);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} files, {rate}")?.with_key("rate", rate));
    let unreadable = thread::scope(|scope| {
        // whatever goes wrong here, who submits is not left waiting for room
        let _closes = Closes(&dispatcher);
        let (tell, submitted) = mpsc::channel();
        // one thread submits, another reads: both the backlog and the outcomes are bounded
        let (dispatcher, crew, progress) = (&dispatcher, &crew, &bar);
        let submits = scope.spawn(move || {
            let _closes = Closes(dispatcher);
            let mut unreadable = 0;
            for path in files {
                match input(path, crew) {
                    Ok(input) => {
                        dispatcher.submit(&input).map_err(|error| format!("{}: {error}", path.display()))?;
                        if tell.send(path).is_err() {
                            break;
                        }
                    }
                    Err(error) => {
                        progress.suspend(|| eprintln!("no hash: {}: {error}", shown(path.display())));
                        progress.inc(1);
                        unreadable += 1;
                    }
                }
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(unreadable)
        });
        let mut kill = matches!(crew, Crew::Own { kill: true, .. });
        let (mut out, mut unreadable) = (io::stdout().lock(), 0);
        // on a terminal what is printed goes above the bar
        let shares_terminal = io::stdout().is_terminal() || matches!(crew, Crew::Others { .. });
        while let Some(outcome) = next(dispatcher, &told, &mut processes)? {
            let path = submitted.recv()?;
            let mut print = || print(&mut out, path, &outcome, crew);
            unreadable += usize::from(!if shares_terminal { bar.suspend(print)? } else { print()? });
            bar.inc(1);
            if kill
                && bar.position() * 2 >= bar.length().unwrap_or(0)
                && let Some(worker) = processes.that_made(&outcome)
            {
                kill = false;
                worker.kill()?;
                bar.suspend(|| eprintln!("killed worker {}, on purpose", worker.id()));
            }
        }
        out.flush()?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(unreadable + submits.join().expect("no panic")?)
    })?;
    bar.finish();
    let stats = dispatcher.stats();
    eprintln!(
        "{} files; {} workers lost, {} files handed out again, {} results too late",
        stats.done, stats.lost, stats.redelivered, stats.late
    );
    drop(dispatcher);
    if unreadable > 0 { Err(format!("{unreadable} files could not be read").into()) } else { Ok(()) }
}

/// Files per second since the begin. They come in bursts, since one that is early waits for those before it in the manifest: a rate of
/// the last moment would jump.
fn rate(state: &ProgressState, out: &mut dyn fmt::Write) {
    let rate = state.pos() as f64 / state.elapsed().as_secs_f64().max(0.001);
    // what cannot be written is not shown
    let _ = write!(out, "{rate:.0}/s");
}

/// Takes no further tasks when it is dropped.
struct Closes<'d>(&'d Dispatcher);

impl Drop for Closes<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Workers that were started here. At the end all results are in, so one that is only about to begin is not waited for.
struct Processes(Vec<Child>);

impl Processes {
    /// Whether there were any, and none is left.
    fn are_gone(&mut self) -> Result<bool> {
        let mut left = 0;
        for process in &mut self.0 {
            left += usize::from(process.try_wait()?.is_none());
        }
        Ok(left == 0 && !self.0.is_empty())
    }

    /// The one that a result is of: so it is known to the dispatcher, and has more to do.
    fn that_made(&mut self, outcome: &Outcome) -> Option<&mut Child> {
        let Hashed { worker, .. } = outcome.decode().ok()?;
        self.0.iter_mut().find(|process| name_of(process.id()) == worker)
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for process in &mut self.0 {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn input(path: &Path, crew: &Crew) -> io::Result<Input> {
    let content = match crew {
        Crew::Own { .. } => None,
        Crew::Others { .. } => {
            let file = File::open(path)?;
            let fits =
                |len| if len > LONGEST { Err(io::Error::new(io::ErrorKind::FileTooLarge, TOO_LONG)) } else { Ok(()) };
            fits(file.metadata()?.len())?;
            let mut content = Vec::new();
            // it may grow meanwhile
            file.take(LONGEST + 1).read_to_end(&mut content)?;
            fits(content.len() as u64)?;
            Some(Buffer::from_vec(content))
        }
    };
    Ok(Input { path: Buffer::copy_from_slice(path.as_os_str().as_bytes()), content })
}

/// The next outcome, unless it is time to end: whoever works is told so when the dispatcher is dropped.
fn next(dispatcher: &Dispatcher, told: &AtomicBool, processes: &mut Processes) -> Result<Option<Outcome>> {
    while !told.load(Ordering::Relaxed) {
        match dispatcher.recv_timeout(Duration::from_millis(250)) {
            Err(error) if error.is_timeout() => {
                // who interrupts this from a terminal interrupts them as well
                if processes.are_gone()? && !told.load(Ordering::Relaxed) {
                    return Err("all workers have ended before the work: the manifest has no further files".into());
                }
            }
            outcome => return Ok(outcome?),
        }
    }
    Err("told to end: the manifest has no further files".into())
}

/// Prints a line of the manifest, or why there is none.
fn print(out: &mut impl Write, path: &Path, outcome: &Outcome, crew: &Crew) -> Result<bool> {
    let Ok(Hashed { sha256, worker }) = outcome.decode() else {
        eprintln!("no hash: {}", shown(outcome.ending()));
        return Ok(false);
    };
    if let Crew::Others { .. } = crew {
        eprintln!("{} by {}, attempt {}", shown(path.display()), shown(worker), outcome.attempts());
    }
    let out_is_a_terminal = io::stdout().is_terminal();
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
    if out_is_a_terminal {
        writeln!(out, "{}", shown(String::from_utf8_lossy(&name)))?;
    } else {
        out.write_all(&name)?;
        out.write_all(b"\n")?;
    }
    Ok(true)
}

/// What others have named, without what a terminal would take for a command.
fn shown(text: impl Display) -> String {
    let (mut shown, text) = (String::new(), text.to_string());
    for character in text.chars() {
        // what turns the text around, and what has no width
        let hides = matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}');
        if character.is_control() || hides {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// The regular files under a directory.
fn list(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let named = |error: io::Error| format!("{}: {error}", directory.display());
    for entry in fs::read_dir(directory).map_err(named)? {
        let entry = entry.map_err(named)?;
        let kind = entry.file_type().map_err(named)?;
        if kind.is_dir() && !["target", ".git"].iter().any(|skipped| entry.file_name() == *skipped) {
            list(&entry.path(), files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}
