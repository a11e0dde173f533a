//! The Python subscriber of `python/` follows a real publisher: history, loss, recovery and what is beyond it.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::python;
use crate::way::Way;
use outband::Buffer;
use outband::feed::{Publisher, PublisherOptions};
use serde::Serialize;

#[derive(Serialize)]
struct Sample {
    number: u64,
    noise: Buffer,
}

struct Peer {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Peer {
    fn start(publisher: &Publisher, start: &str, last: u64) -> Self {
        Self::start_over(publisher.endpoint(), publisher, start, last)
    }

    fn start_over(live: &str, publisher: &Publisher, start: &str, last: u64) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(python::python());
        command.arg("-B").arg(root.join("tests/python/feed_peer.py")).env("PYTHONPATH", root.join("python"));
        command.args([live, publisher.recovery_endpoint(), start, &last.to_string()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    /// Delivered, recovered, lost.
    fn finish(mut self) -> Vec<u64> {
        let told = self.line();
        assert!(self.child.wait().unwrap().success(), "the script failed, see its output above");
        told.split(' ').map(|number| number.parse().unwrap()).collect()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn publisher(options: PublisherOptions) -> Publisher {
    Publisher::bind_with(&zmq::Context::new(), "tcp://127.0.0.1:*", "tcp://127.0.0.1:*", options).unwrap()
}

fn publish(publisher: &Publisher, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        let noise = Buffer::from_vec(vec![number as u8; 10_000]);
        assert_eq!(publisher.publish("py/one", &Sample { number, noise }).unwrap(), number);
    }
}

#[test]
fn python_joins_late_with_history() {
    let publisher = publisher(PublisherOptions::new());
    publish(&publisher, 1..=3000);
    let mut peer = Peer::start(&publisher, "all", 3000);
    assert_eq!(peer.line(), "joined 1");
    assert_eq!(peer.finish(), [3000, 3000, 0]);
}

#[test]
fn python_recovers_what_it_was_too_slow_for() {
    let publisher = publisher(PublisherOptions::new().high_water_mark(100));
    publisher.announce("py/one").unwrap();
    let mut peer = Peer::start(&publisher, "asleep", 5000);
    assert_eq!(peer.line(), "joined 1");
    publish(&publisher, 1..=5000);
    peer.child.stdin.as_mut().unwrap().write_all(b"go on\n").unwrap();
    let [delivered, recovered, lost] = peer.finish()[..] else { panic!() };
    assert_eq!((delivered, lost), (5000, 0));
    assert!(recovered > 100, "{recovered} recovered");
}

#[test]
fn python_is_told_what_is_beyond_recovery() {
    let publisher = publisher(PublisherOptions::new().high_water_mark(100).cache_messages(500));
    publisher.announce("py/one").unwrap();
    let mut peer = Peer::start(&publisher, "asleep", 9000);
    assert_eq!(peer.line(), "joined 1");
    publish(&publisher, 1..=9000);
    peer.child.stdin.as_mut().unwrap().write_all(b"go on\n").unwrap();
    let [delivered, recovered, lost] = peer.finish()[..] else { panic!() };
    assert_eq!(delivered + lost, 9000);
    assert!(recovered > 0 && lost > 0, "{recovered} recovered, {lost} lost");
}

#[test]
fn python_listens_over_another_connection_when_it_hears_nothing() {
    let publisher = publisher(PublisherOptions::new());
    publisher.announce("py/one").unwrap();
    let live = Way::to(publisher.endpoint());
    let mut peer = Peer::start_over(&live.endpoint, &publisher, "now", 20);
    assert_eq!(peer.line(), "joined 1");
    live.kill(1);
    publish(&publisher, 1..=20);
    let [delivered, _, lost] = peer.finish()[..] else { panic!() };
    assert_eq!((delivered, lost, live.made()), (20, 0, 2));
}
