//! The examples as people run them: into `head`, interrupted, with directories that are not there.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/patience.rs"]
mod patience;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Output, Stdio};

use outband::Buffer;
use outband::pipeline::{Dispatcher, DispatcherOptions};
use patience::until;
use serde::Serialize;

/// More files than a dispatcher takes in before it has results.
const MANY: usize = 12_000;

/// Large files, more than three workers take in before they have done one.
const LARGE: u8 = 13;

/// An example, built as this test is.
fn example(name: &str) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--all-features", "--example", name]).current_dir(env!("CARGO_MANIFEST_DIR"));
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    assert!(cargo.status().unwrap().success());
    let here = std::env::current_exe().unwrap();
    let mut command = Command::new(here.parent().unwrap().parent().unwrap().join("examples").join(name));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn ended(arguments: &[&str]) -> Output {
    example("pipeline_hash").args(arguments).output().unwrap()
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A process that does not outlive its test.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    fn out(&mut self) -> BufReader<ChildStdout> {
        BufReader::new(self.0.stdout.take().unwrap())
    }

    fn err(&mut self) -> BufReader<ChildStderr> {
        BufReader::new(self.0.stderr.take().unwrap())
    }

    fn id(&self) -> String {
        self.0.id().to_string()
    }

    fn ends(&mut self) -> ExitStatus {
        let mut ended = None;
        until("the process ends", || {
            ended = self.0.try_wait().unwrap();
            ended.is_some()
        });
        ended.unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn signal(name: &str, process: &str) {
    // the shell's own: a small machine has no program of that name
    assert!(Command::new("sh").args(["-c", &format!("kill -{name} {process}")]).status().unwrap().success());
}

/// A directory with so many files, which goes when it is dropped.
struct Files(PathBuf);

impl Files {
    fn new(name: &str, files: usize) -> Self {
        let path = std::env::temp_dir().join(format!("outband-examples-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        for file in 0..files {
            fs::write(path.join(format!("{file:05}")), b"x").unwrap();
        }
        Self(path)
    }

    fn as_str(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_manifest_of_which_one_line_is_read_ends() {
    let files = Files::new("head", 2 * MANY);
    let mut hashing = Running::start(example("pipeline_hash").arg(files.as_str()));
    let mut line = String::new();
    hashing.out().read_line(&mut line).unwrap();
    assert!(line.ends_with("00000\n"), "{line}");
    assert!(hashing.ends().success());
}

#[test]
fn a_feed_of_which_one_line_is_read_ends() {
    let mut feed = Running::start(&mut example("feed_telemetry"));
    let mut err = feed.err();
    let mut line = String::new();
    feed.out().read_line(&mut line).unwrap();
    assert!(line.starts_with("publishing"), "{line}");
    assert!(feed.ends().success());
    let mut told = String::new();
    std::io::Read::read_to_string(&mut err, &mut told).unwrap();
    assert_eq!(told, "");
}

/// What it prints of each stream: a line for every message, numbered, with what the machine has.
#[test]
fn a_follower_shows_the_cores_the_memory_the_disks_and_the_processes_of_this_machine() {
    let output = example("feed_telemetry").output().unwrap();
    let text = said(&output.stdout);
    assert!(output.status.success() && output.stderr.is_empty(), "{text}{}", said(&output.stderr));
    let number = |word: &str| word.parse::<f64>().is_ok();
    for stream in ["host/cores", "host/memory", "host/disks", "host/processes"] {
        let lines: Vec<&str> =
            text.lines().filter_map(|line| line.trim().strip_prefix(stream)).map(str::trim).collect();
        let [begins, .., ended] = lines[..] else { panic!("{stream} is not in: {text}") };
        let first: usize = begins.strip_prefix("begins with ").unwrap_or_else(|| panic!("{begins}")).parse().unwrap();
        // the data, each with its number and none left out, and then the goodbye; where the machine is busy, silence between them
        let numbered = |line: &&str| {
            let (number, shown) = line.split_once(' ').unwrap_or((line, ""));
            Some((number.parse().ok()?, shown.trim().to_owned()))
        };
        let data: Vec<(usize, String)> = lines[1..lines.len() - 1].iter().filter_map(numbered).collect();
        assert!(data.len() > 1 && data.iter().map(|(number, _)| *number).eq(first..first + data.len()), "{lines:?}");
        let (goodbye, data) = data.split_last().unwrap();
        assert_eq!(goodbye.1, "goodbye");
        assert!(ended.starts_with(&format!("{} delivered, ", data.len() + 1)) && ended.ends_with(" 0 lost"), "{ended}");
        for (_, shown) in data {
            let words: Vec<&str> = shown.split([' ', ',', ';']).filter(|word| !word.is_empty()).collect();
            let is_so = match stream {
                "host/cores" => {
                    let mut loads = words.chunks(2);
                    words.len() == 2 * cores() && loads.all(|load| number(load[0]) && load[1] == "%")
                }
                "host/memory" => matches!(words[..], [used, "of", total, "GiB"] if number(used) && number(total)),
                // a machine may have none that it shows
                "host/disks" => words.is_empty() || words.ends_with(&["GiB", "free"]),
                _ => {
                    let several = |count: &str| count.parse::<u32>().is_ok_and(|count| count > 1);
                    matches!(words[..], [count, "processes", size, "GiB", "busiest", "is", _, ..] if several(count) && number(size))
                }
            };
            assert!(is_so, "{stream}: {shown:?}");
        }
    }
}

/// How many lines of `/proc/cpuinfo` are a core's first.
fn cores() -> usize {
    fs::read_to_string("/proc/cpuinfo").unwrap().lines().filter(|line| line.starts_with("processor")).count()
}

/// The short ones, which print a few lines and end.
const SHORT: [&str; 9] = [
    "array",
    "async_ping",
    "compression",
    "pub_sub",
    "push_pull",
    "request_reply",
    "selective_placement",
    "streams",
    "table",
];

#[test]
fn an_example_of_which_nothing_is_read_ends_quietly() {
    let files = Files::new("unread", 2);
    let quickstart = std::iter::once(("quickstart", vec![files.as_str()]));
    for (name, arguments) in SHORT.map(|name| (name, vec![])).into_iter().chain(quickstart) {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = example(name).args(arguments).stdout(writer).output().unwrap();
        assert_eq!((ended.status.code(), said(&ended.stderr)), (Some(0), String::new()), "{name}");
    }
}

#[test]
fn when_all_workers_have_ended_so_does_who_waits_for_them() {
    let files = Files::new("alone", 2 * MANY);
    let mut hashing = Running::start(example("pipeline_hash").args([files.as_str(), "--workers", "2"]));
    let (out, mut err) = (hashing.out(), hashing.err());
    let children = format!("/proc/{0}/task/{0}/children", hashing.id());
    let mut workers = String::new();
    until("two workers start", || {
        workers = fs::read_to_string(&children).unwrap();
        workers.split_whitespace().count() == 2
    });
    workers.split_whitespace().for_each(|worker| signal("KILL", worker));
    std::thread::spawn(move || out.lines().count());
    assert!(!hashing.ends().success());
    let mut told = String::new();
    std::io::Read::read_to_string(&mut err, &mut told).unwrap();
    assert!(told.contains("all workers have ended"), "{told}");
}

#[test]
fn on_a_terminal_the_manifest_stands_above_the_bar() {
    let files = Files::new("terminal", 200);
    let hash = example("pipeline_hash").get_program().to_owned();
    let spawn = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)";
    let mut terminal = Command::new("python3");
    let output = terminal.args(["-c", spawn]).arg(hash).arg(files.as_str()).stdin(Stdio::null()).output().unwrap();
    let shown = said(&output.stdout);
    assert!(output.status.success() && shown.contains("200/200 files"), "{shown}");
    // each line of it begins where nothing stands
    let lines = shown.split("\r\n").map(|line| line.rsplit("\x1b[2K").next().unwrap().trim_start_matches('\r'));
    let listed: Vec<_> = lines.filter(|line| line.contains(files.as_str())).collect();
    assert_eq!(listed.len(), 200, "{shown}");
    for line in listed {
        assert!(line.find("  /") == Some(64), "{line:?}");
    }
}

/// What is checked is every name and every hash, by the program that people check manifests with.
#[test]
fn a_manifest_is_whole_although_a_worker_was_killed() {
    let files = Files::new("killed", 200);
    for name in ["back\\slash", "line\nbreak", "carriage\rreturn"] {
        fs::write(files.0.join(name), name).unwrap();
    }
    // the last ones take long: so there is work left when half of the files are done, and for whoever is killed then
    for large in 0..LARGE {
        fs::write(files.0.join(format!("z{large:02}")), vec![large; 4 << 20]).unwrap();
    }
    let manifests = Files::new("manifest", 0);
    let manifest = manifests.0.join("SHA256SUMS");
    let out = fs::File::create(&manifest).unwrap();
    let arguments = [files.as_str(), "--workers", "3", "--kill"];
    let hashed = example("pipeline_hash").args(arguments).stdout(out).output().unwrap();
    let told = said(&hashed.stderr);
    assert!(hashed.status.success(), "{told}");
    let counted = |part: &str| told.lines().filter(|line| line.contains(part)).count();
    assert_eq!((counted("killed worker "), counted(", on purpose")), (1, 1), "{told}");
    assert_eq!(counted(&format!("{} files; 1 workers lost, ", 203 + u64::from(LARGE))), 1, "{told}");

    assert_eq!(fs::read_to_string(&manifest).unwrap().lines().count(), 203 + usize::from(LARGE));
    let checked = Command::new("sha256sum").args(["--check", "--strict"]).arg(&manifest).output().unwrap();
    assert!(checked.status.success(), "{}{}", said(&checked.stdout), said(&checked.stderr));
    assert_eq!(said(&checked.stdout).lines().filter(|line| line.ends_with(": OK")).count(), 203 + usize::from(LARGE));
}

/// Ctrl-C in a terminal is for all of them.
#[test]
fn an_interrupted_manifest_says_that_it_was_interrupted() {
    let files = Files::new("interrupted", 2 * MANY);
    let mut command = example("pipeline_hash");
    let mut hashing = Running::start(command.args([files.as_str(), "--workers", "2"]).process_group(0));
    let (mut out, mut err) = (hashing.out(), hashing.err());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    signal("INT", &format!("-{}", hashing.id()));
    std::thread::spawn(move || out.lines().count());
    assert_eq!(hashing.ends().code(), Some(1));
    let mut told = String::new();
    std::io::Read::read_to_string(&mut err, &mut told).unwrap();
    assert_eq!(told, "pipeline_hash: told to end: the manifest has no further files\n");
}

#[test]
fn what_makes_no_sense_is_refused_and_named() {
    let files = Files::new("refused", 3);
    for (arguments, named) in [
        (&[files.as_str(), "--workers", "1", "--kill"][..], "--kill"),
        (&["--worker", "3"], "--worker"),
        (&[files.as_str(), "--workers", "many"], "--workers many: "),
        (&["work", "tcp://127.0.0.1:1", "--pace", "slow"], "--pace slow: "),
        (&["work", "somewhere"], "somewhere: "),
        (&["dispatch", "somewhere", files.as_str()], "somewhere: "),
        (&["/nowhere/at/all"], "/nowhere/at/all: "),
        (&["dispatch", "tcp://127.0.0.1:*", "/nowhere/at/all"], "/nowhere/at/all: "),
        (&["dispatch", "tcp://127.0.0.1:*", "--directory"], "usage"),
        (&["work"], "usage"),
    ] {
        let output = ended(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        let told = said(&output.stderr);
        assert!(told.starts_with("pipeline_hash: ") && told.contains(named), "{arguments:?}: {told}");
        assert!(!told.contains("\\n"), "{told}");
    }
    for name in ["pipeline_hash", "feed_telemetry"] {
        let help = example(name).arg("--help").output().unwrap();
        assert!(help.status.success() && said(&help.stdout).starts_with("usage"));
    }
}

#[test]
fn compression_says_what_it_did_with_every_buffer() {
    let output = example("compression").output().unwrap();
    assert!(output.status.success(), "{}", said(&output.stderr));
    let text = said(&output.stdout);
    assert_eq!(text.matches("0 bytes copied at both ends").count(), 7, "{text}");
    for part in [" to 1, in ", "    times: ", "    volts: ", "noise: 1440000 of 1440000 bytes, as it is"] {
        assert_eq!(text.matches(part).count(), 7, "{part}: {text}");
    }
    assert!(text.lines().last().unwrap().ends_with("0 bytes copied"), "{text}");
}

#[test]
fn arrays_and_tables_say_what_was_copied_of_them() {
    let output = example("array").output().unwrap();
    assert!(output.status.success(), "{}", said(&output.stderr));
    let text = said(&output.stdout);
    // the crop is 100 by 200 bytes; 3840 and 1920 bytes are in band, copied into the metadata and out of it
    for part in ["copied so far: 0 bytes\n", "copied for the crop: 20000 bytes\n", ", 11520 bytes copied on the way"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    for part in ["1228800 bytes for 1228800 of elements", "1920 bytes for 2073600 of elements"] {
        assert!(text.contains(part), "{part}: {text}");
    }

    let output = example("table").output().unwrap();
    assert!(output.status.success(), "{}", said(&output.stderr));
    let text = said(&output.stdout);
    let numbers = |line: &str| line.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<usize>>();
    let frames: usize =
        text.lines().filter(|line| line.starts_with("frame ")).map(|line| *numbers(line).last().unwrap()).sum();
    let copied = text.lines().find(|line| line.starts_with("copied: ")).unwrap_or_else(|| panic!("{text}"));
    let [copied, total] = numbers(copied)[..] else { panic!("{copied}") };
    assert!(frames > 4_000_000 && frames < total && copied < total / 50, "{text}");
    let received = text.lines().find(|line| line.starts_with("received from north, ")).unwrap();
    assert!(numbers(received)[0] < total / 500, "{received}");
}

#[test]
fn a_directory_with_no_files_has_an_empty_manifest() {
    let files = Files::new("none", 0);
    let output = ended(&[files.as_str()]);
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    assert!(said(&output.stderr).starts_with("0 files; 0 workers lost"), "{output:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_the_others_are_hashed() {
    let files = Files::new("unreadable", MANY);
    // names that a terminal would take for commands
    let (there, gone) = (files.0.join("y\u{1b}[31m"), files.0.join("z\u{1b}[0m\u{202e}'é"));
    for path in [&there, &gone] {
        fs::write(path, b"x").unwrap();
    }
    fs::File::create(files.0.join("long")).unwrap().set_len(1 << 40).unwrap();
    let place = tempfile::tempdir().unwrap();
    let socket = place.path().join("tasks");
    let endpoint = format!("ipc://{}", socket.display());
    let mut dispatcher = Running::start(example("pipeline_hash").args(["dispatch", &endpoint, files.as_str()]));
    let (out, mut err) = (dispatcher.out(), dispatcher.err());
    let told = std::thread::spawn(move || {
        let mut told = String::new();
        std::io::Read::read_to_string(&mut err, &mut told).unwrap();
        told
    });
    // then it has listed the files, and has no room for the last ones before somebody works
    until("the dispatcher is there", || UnixStream::connect(&socket).is_ok());
    fs::remove_file(&gone).unwrap();
    let _worker = Running::start(example("pipeline_hash").args(["work", &endpoint]).stderr(Stdio::null()));
    assert_eq!(out.split(b'\n').count(), MANY + 1);
    assert!(!dispatcher.ends().success());
    let told = told.join().unwrap();
    assert!(!told.contains(['\u{1b}', '\u{202e}']), "a terminal was told what to do");
    assert!(told.contains("/y\\u{1b}[31m by "), "{}", &told[told.len() - 500..]);
    assert!(told.contains("/z\\u{1b}[0m\\u{202e}'é: No such file"), "{}", &told[told.len() - 500..]);
    assert!(told.contains("/long: it is longer than a task may be"), "{}", &told[told.len() - 500..]);
    assert!(told.contains("2 files could not be read"), "{}", &told[told.len() - 500..]);
}

/// A task as the example sends it.
#[derive(Serialize)]
struct Input {
    path: Buffer,
    content: Option<Buffer>,
}

#[test]
fn a_worker_that_is_interrupted_twice_ends_at_once() {
    let context = zmq::Context::new();
    let dispatcher = Dispatcher::bind(&context, "tcp://127.0.0.1:*", DispatcherOptions::new()).unwrap();
    let buffer = || Buffer::copy_from_slice(b"x");
    dispatcher.submit(&Input { path: buffer(), content: Some(buffer()) }).unwrap();
    // by itself it would end in order, when the file is done
    let arguments = ["work", dispatcher.endpoint(), "--pace", "20000"];
    let mut worker = Running::start(example("pipeline_hash").args(arguments));
    until("it works", || dispatcher.stats().in_flight == 1);
    let mut status = None;
    until("it ends", || {
        signal("INT", &worker.id());
        status = worker.0.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.unwrap().signal(), Some(2), "it ended in order");
}

#[test]
fn containers_are_given_longer_to_stop_than_a_worker_takes() {
    let compose = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docker/compose.yaml")).unwrap();
    let period = compose.lines().find_map(|line| line.trim().strip_prefix("stop_grace_period: ")).unwrap();
    let seconds: u64 = period.strip_suffix('s').unwrap().parse().unwrap();
    // the grace of a worker, and its goodbye
    assert!(seconds > 30 + 1, "{period}");
}
