//! Ten thousand random objects of a real Python program through `outband echo`, and garbage between them.

#![cfg(feature = "cli")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::python::{Packages, Script};

/// The formats that `outband echo` knows.
const FORMATS: [&str; 3] = ["msgpack", "json", "pickle"];
const OBJECTS: usize = 10_000;
/// As many more of them as another NumPy and another pandas pickle.
const OLDER_OBJECTS: usize = 2000;

/// What the script is told of the echo: whether it knows data frames.
fn tables() -> Option<&'static str> {
    cfg!(feature = "arrow").then_some("tables")
}

struct Echo {
    child: Child,
    endpoint: String,
}

impl Echo {
    fn start(format: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outband"));
        command.args(["echo", "--bind", "tcp://127.0.0.1:*", "--format", format, "--allow", "likeness.Order"]);
        // a line for each message that is refused: nobody reads them here
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut endpoint = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut endpoint).unwrap();
        Self { child, endpoint: endpoint.trim().to_owned() }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn ten_thousand_random_objects_come_back_equal_while_every_tenth_message_is_garbage() {
    let echoes = FORMATS.map(|format| (format, Echo::start(format)));
    let count = OBJECTS.to_string();
    let targets: Vec<_> = echoes.iter().map(|(format, echo)| format!("{format}={}", echo.endpoint)).collect();
    let arguments = [&*count].into_iter().chain(targets.iter().map(|target| &**target)).chain(tables());
    let mut script = Script::start("random_objects.py", &arguments.collect::<Vec<_>>());
    for (format, mut echo) in echoes {
        let line = script.line();
        println!("{line}");
        let mut parts = line.split(' ');
        assert_eq!(parts.next(), Some(format), "the script failed, see its output above");
        let counts: Vec<usize> = parts.map(|part| part.parse().unwrap()).collect();
        assert_eq!(counts[..2], [OBJECTS, OBJECTS / 9]);
        // out of band again, where there is such a thing
        assert_eq!(counts[2] > 1000, format != "json", "{} frames", counts[2]);
        assert!(echo.child.try_wait().unwrap().is_none(), "it still runs");
    }
    script.finish();
}

#[test]
fn so_do_random_objects_of_numpy_1_and_pandas_2() {
    let echo = Echo::start("pickle");
    let (count, target) = (OLDER_OBJECTS.to_string(), format!("pickle={}", echo.endpoint));
    let arguments: Vec<&str> = [&*count, &*target].into_iter().chain(tables()).collect();
    let mut script = Script::start_with(Packages::Older, "random_objects.py", &arguments);
    let line = script.line();
    assert!(line.starts_with(&format!("pickle {OLDER_OBJECTS} {} ", OLDER_OBJECTS / 9)), "{line}");
    script.finish();
}
