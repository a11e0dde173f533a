//! Ten thousand random objects of a real Python program through `outband echo`, and garbage between them.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use python::Script;

#[path = "support/python.rs"]
mod python;

/// The formats that `outband echo` knows.
const FORMATS: [&str; 3] = ["msgpack", "json", "pickle"];
const OBJECTS: usize = 10_000;

struct Echo {
    child: Child,
    endpoint: String,
}

impl Echo {
    fn start(format: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outband"));
        command.args(["echo", "--bind", "tcp://127.0.0.1:*", "--format", format]);
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
    let arguments: Vec<&str> = [&*count].into_iter().chain(targets.iter().map(|target| &**target)).collect();
    let mut script = Script::start("random_objects.py", &arguments);
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
