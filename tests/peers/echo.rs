//! `outband echo` as a process: everything comes back, what is garbage is answered, and signals end it.

#![cfg(feature = "cli")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::python::{Packages, Script};
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use outband::python::Kind;
use outband::{
    Array, Buffer, Compression, Decode, Encode, MsgPack, Multipart, Pickle, SocketExt, Table, Value, from_multipart,
};

/// What a process has written to stderr so far.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn count(&self, part: &str) -> usize {
        self.lines().iter().filter(|line| line.contains(part)).count()
    }

    /// How many messages it says were refused or not answered, those included that have no line of their own.
    fn not_answered(&self) -> usize {
        let more = |line: &String| line.split_once(" more were refused")?.0.rsplit(' ').next()?.parse::<usize>().ok();
        let more: usize = self.lines().iter().filter_map(more).sum();
        self.count("WARN refused: ") + self.count("not answered: ") + more
    }
}

struct Echo {
    child: Child,
    output: BufReader<ChildStdout>,
    log: Log,
    reading: Option<JoinHandle<()>>,
    endpoint: String,
}

impl Echo {
    fn start(arguments: &[&str]) -> Self {
        Self::at("tcp://127.0.0.1:*", arguments)
    }

    fn at(endpoint: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outband"));
        command.args(["echo", "--bind", endpoint]).args(arguments);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut endpoint = String::new();
        output.read_line(&mut endpoint).unwrap();
        let (errors, log) = (BufReader::new(child.stderr.take().unwrap()), Log::default());
        let written = log.clone();
        // read as it comes: a full pipe would stop who writes into it
        let reading = thread::spawn(move || {
            for line in errors.lines() {
                written.0.lock().unwrap().push(line.unwrap());
            }
        });
        Self { child, output, log, reading: Some(reading), endpoint: endpoint.trim().to_owned() }
    }

    fn client(&self, context: &zmq::Context, kind: zmq::SocketType) -> zmq::Socket {
        let socket = context.socket(kind).unwrap();
        socket.set_rcvtimeo(60_000).unwrap();
        socket.set_sndtimeo(60_000).unwrap();
        socket.set_linger(0).unwrap();
        socket.connect(&self.endpoint).unwrap();
        socket
    }

    /// Sends a signal, waits for the end, and returns what it printed on stdout since, and on stderr.
    fn stop(mut self, signal: i32) -> (String, String) {
        let pid = i32::try_from(self.child.id()).unwrap();
        // SAFETY: a plain system call, for a child that was not waited for yet
        #[allow(unsafe_code, reason = "libc has no safe form of kill")]
        let sent = unsafe { libc::kill(pid, signal) };
        assert_eq!(sent, 0);
        assert!(self.child.wait().unwrap().success());
        let mut printed = String::new();
        self.output.read_to_string(&mut printed).unwrap();
        self.reading.take().unwrap().join().unwrap();
        (printed, self.log.lines().join("\n"))
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn object() -> (String, Array, Array, Buffer, BTreeMap<String, Option<f32>>) {
    let large = Array::from_shape_vec([100, 50], (0..5000).map(f64::from).collect()).unwrap();
    let small = Array::from_vec(vec![1_i16, -1]);
    let map = BTreeMap::from([("nothing".to_owned(), None), ("half".to_owned(), Some(0.5))]);
    ("søppel".into(), large, small, Buffer::from(vec![9; 10_000]), map)
}

#[test]
fn requests_and_dealers_get_their_objects_back() {
    let echo = Echo::start(&[]);
    let context = zmq::Context::new();
    let message = outband::to_multipart(&object()).unwrap();
    assert_eq!(message.buffers().len(), 2);
    let request = echo.client(&context, zmq::REQ);
    request.send_message(message.clone()).unwrap();
    assert_eq!(request.recv_message().unwrap(), message, "out of band again");
    let dealer = echo.client(&context, zmq::DEALER);
    for index in 0..100 {
        dealer.send_obj(&(index, object())).unwrap();
    }
    for index in 0..100 {
        assert_eq!(dealer.recv_obj::<(i32, (String, Array, Array, Buffer, Value))>().unwrap().0, index);
    }
    let (printed, logged) = echo.stop(libc::SIGTERM);
    assert_eq!(printed, "", "the endpoint is all that is printed");
    assert!(logged.contains("answered=101"), "{logged}");
}

#[test]
fn garbage_is_answered_with_its_error_and_the_next_message_works() {
    let echo = Echo::start(&["--format", "msgpack"]);
    let context = zmq::Context::new();
    let (request, dealer) = (echo.client(&context, zmq::REQ), echo.client(&context, zmq::DEALER));
    let message = outband::to_multipart(&object()).unwrap();
    let metadata = &message.metadata()[..];
    let garbage: [&[&[u8]]; 4] = [&[b"\xc1"], &[&metadata[..9]], &[metadata], &[b"\xc0", b"a frame too many"]];
    for frames in garbage {
        for socket in [&request, &dealer] {
            socket.send_multipart(frames, 0).unwrap();
            let answer = socket.recv_multipart(0).unwrap();
            assert_eq!(answer.len(), 2, "{answer:?}");
            assert_eq!(answer[0], b"");
            assert!(answer[1].len() > 10, "{answer:?}");
            socket.send_obj("next").unwrap();
            assert_eq!(socket.recv_obj::<String>().unwrap(), "next");
        }
    }
    let (_, logged) = echo.stop(libc::SIGINT);
    assert!(logged.contains("refused=8") && logged.contains("0xc1"), "{logged}");
}

#[test]
fn a_peer_that_sends_garbage_in_a_loop_does_not_fill_the_log() {
    const SENT: usize = 3000;
    let echo = Echo::start(&["--format", "pickle"]);
    let context = zmq::Context::new();
    let dealer = echo.client(&context, zmq::DEALER);
    let begun = Instant::now();
    for index in 0..SENT {
        dealer.send(&b"garbage"[..], 0).unwrap();
        // each is answered all the same
        if index >= 100 {
            assert_eq!(dealer.recv_multipart(0).unwrap().len(), 2);
        }
    }
    // what has no line of its own is told while nothing else comes
    while echo.log.not_answered() < SENT {
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", echo.log.lines().last());
        thread::yield_now();
    }
    let (log, intervals) = (echo.log.clone(), begun.elapsed().as_secs() as usize / 5 + 1);
    let (_, logged) = echo.stop(libc::SIGTERM);
    assert!(log.count("WARN refused: ") <= 10 * intervals, "{logged}");
    assert!(log.lines().len() <= 11 * intervals + 1 && logged.contains("refused=3000"), "{logged}");
}

#[test]
fn json_comes_back_as_json() {
    let echo = Echo::start(&["--format", "json"]);
    let context = zmq::Context::new();
    let request = echo.client(&context, zmq::REQ);
    for text in [r#"{"a": [1, 2.5, null, "s\u00f8"], "b": {}}"#, "18446744073709551615", "[]"] {
        request.send(text, 0).unwrap();
        assert_eq!(request.recv_string(0).unwrap().unwrap(), text);
    }
    request.send("{", 0).unwrap();
    let answer = request.recv_multipart(0).unwrap();
    assert_eq!((answer.len(), &answer[0][..]), (2, &b""[..]));
    let reason = String::from_utf8(answer[1].clone()).unwrap();
    let (printed, logged) = echo.stop(libc::SIGTERM);
    let lines: Vec<_> = logged.lines().collect();
    let [refused, stopped] = lines[..] else { panic!("{logged}") };
    // what the peer is told is in the log, with who it was
    assert!(refused.contains(&format!("WARN refused: {reason} peer=\\x00")), "{refused}");
    assert!(stopped.ends_with("INFO stopped answered=3 refused=1"), "{stopped}");
    assert_eq!(printed, "");
}

#[test]
fn pickles_come_back_to_pyzmq_in_as_many_frames_as_they_were_sent_in() {
    let echo = Echo::start(&["--format", "pickle"]);
    Script::start("pickle_echo.py", &[&echo.endpoint]).finish();
    let (printed, logged) = echo.stop(libc::SIGTERM);
    assert_eq!(printed, "");
    assert!(
        logged.contains("answered=125") && logged.contains("refused=9") && logged.contains("system of os"),
        "{logged}"
    );
}

fn data_frames_come_back_in_as_many_buffers(packages: Packages) {
    let echo = Echo::start(&["--format", "pickle"]);
    let mut script = Script::start_with(packages, "frames.py", &[&echo.endpoint, "echo"]);
    let objects: usize = script.line().parse().unwrap();
    script.finish();
    let (_, logged) = echo.stop(libc::SIGTERM);
    assert!(objects > 150 && logged.contains("refused=0"), "{objects} objects, {logged}");
}

#[test]
fn what_pandas_3_pickles_comes_back_in_as_many_buffers() {
    data_frames_come_back_in_as_many_buffers(Packages::Current);
}

#[test]
fn what_pandas_2_pickles_comes_back_in_as_many_buffers() {
    data_frames_come_back_in_as_many_buffers(Packages::Older);
}

#[test]
fn pickles_come_back_as_the_objects_that_they_were() {
    let echo = Echo::start(&["--format", "pickle"]);
    let mut script = Script::start("kinds_echo.py", &[&echo.endpoint]);
    let sent: usize = script.line().parse().unwrap();
    script.finish();
    let (_, logged) = echo.stop(libc::SIGTERM);
    assert!(sent > 400 && logged.contains(&format!("answered={sent} refused=0")), "{sent} messages, {logged}");
}

#[test]
fn instances_of_classes_that_were_allowed_come_back_as_such() {
    let order = b"\x80\x04\x8c\x04shop\x8c\x05Order\x93\x94)\x81}\x8c\x02idK\x07sb.";
    let context = zmq::Context::new();
    let ask = |data: &[u8], arguments: &[&str]| {
        let echo = Echo::start(&[&["--format", "pickle"], arguments].concat());
        let request = echo.client(&context, zmq::REQ);
        request.send(data, 0).unwrap();
        let answer = request.recv_multipart(0).unwrap();
        echo.stop(libc::SIGTERM);
        answer
    };
    let answer = Multipart::new(ask(order, &["--allow", "shop.Item", "--allow", "shop.Order"]).remove(0), vec![]);
    let value: Value = Pickle::new().allow("shop.Order").decode(answer).unwrap();
    assert_eq!((value.kind(), value.get("id").and_then(Value::as_u64)), (Some(Kind::Instance), Some(7)));
    let member = b"\x80\x02cshop\nOrder\nK\x07\x85R.";
    let answer = Multipart::new(ask(member, &["--allow-enum", "shop.Order"]).remove(0), vec![]);
    let value: Value = Pickle::new().allow_enum("shop.Order").decode(answer).unwrap();
    assert_eq!((value.kind(), value.get("value").and_then(Value::as_u64)), (Some(Kind::Member), Some(7)));
    let refused = ask(order, &["--allow", "shop.Item"]);
    assert!(refused[0].is_empty() && refused[1].windows(19).any(|part| part == b"asks for Order of s"), "{refused:?}");
}

#[test]
fn tables_and_compressed_buffers_come_back() {
    let echo = Echo::start(&[]);
    let context = zmq::Context::new();
    let request = echo.client(&context, zmq::REQ);
    for compression in [Compression::zlib(), Compression::lz4(), Compression::zstd(), Compression::blosc()] {
        let codec = MsgPack::new().compression(compression);
        let message = codec.encode(&object()).unwrap();
        request.send_message(message.clone()).unwrap();
        // not decompressed and compressed again: the very message
        let back = request.recv_message().unwrap();
        assert_eq!(back, message);
        assert_eq!(
            from_multipart::<(String, Array, Array, Buffer, BTreeMap<String, Option<f32>>)>(back).unwrap(),
            object()
        );
    }
    let numbers: ArrayRef = Arc::new(Int64Array::from((0..2000).collect::<Vec<_>>()));
    let table = Table::from(RecordBatch::try_from_iter([("n", numbers)]).unwrap());
    request.send_obj(&table).unwrap();
    assert_eq!(request.recv_obj::<Table>().unwrap(), table);
    echo.stop(libc::SIGTERM);
}

#[test]
fn what_python_compressed_comes_back_byte_for_byte() {
    let echo = Echo::start(&[]);
    let mut script = Script::start("echo_compressed.py", &[&echo.endpoint]);
    let compressed: usize = script.line().parse().unwrap();
    script.finish();
    let (_, logged) = echo.stop(libc::SIGTERM);
    assert!(compressed > 20 && logged.contains("answered=40 refused=0"), "{compressed} compressed, {logged}");
}

#[test]
fn small_buffers_that_had_frames_have_them_again() {
    let echo = Echo::start(&[]);
    let context = zmq::Context::new();
    let request = echo.client(&context, zmq::REQ);
    let message = MsgPack::new().out_of_band_from(0).encode(&[Buffer::from(vec![1]), Buffer::from(vec![2])]).unwrap();
    request.send_message(message.clone()).unwrap();
    assert_eq!(request.recv_message().unwrap(), message);
    echo.stop(libc::SIGTERM);
}

#[test]
fn an_endpoint_that_cannot_be_bound_is_a_clear_error() {
    let output = Command::new(env!("CARGO_BIN_EXE_outband")).args(["echo", "--bind", "nonsense"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8(output.stderr).unwrap();
    assert!(printed.contains("could not listen on nonsense"), "{printed}");
}

#[test]
fn a_peer_that_reads_none_of_its_answers_keeps_others_waiting_once() {
    let echo = Echo::start(&[]);
    let context = zmq::Context::new();
    let deaf = context.socket(zmq::DEALER).unwrap();
    deaf.set_sndhwm(0).unwrap();
    deaf.set_rcvhwm(1).unwrap();
    deaf.set_rcvbuf(4096).unwrap();
    deaf.set_linger(0).unwrap();
    deaf.set_sndtimeo(60_000).unwrap();
    deaf.connect(&echo.endpoint).unwrap();
    // more than all queues and buffers between the two hold
    const SENT: usize = 2500;
    for _ in 0..SENT {
        deaf.send(&outband::to_multipart("0".repeat(20_000).as_str()).unwrap().metadata()[..], 0).unwrap();
    }
    let request = echo.client(&context, zmq::REQ);
    let ask = |number: i32| {
        request.send_obj(&number).unwrap();
        assert_eq!(request.recv_obj::<i32>().unwrap(), number);
    };
    let started = Instant::now();
    while echo.log.not_answered() < 100 {
        ask(1);
        assert!(started.elapsed() < Duration::from_secs(60), "{:?}", echo.log.lines().last());
    }
    (0..20).for_each(ask);
    let waited = echo.log.count("waited in vain");
    // where the system takes some more of it after all, once more
    assert!((1..5).contains(&waited), "waited for {waited} times");
    echo.stop(libc::SIGTERM);
}

#[test]
fn peers_that_vanish_and_garbage_between_are_survived_under_load_until_a_signal() {
    let echo = Echo::start(&["--format", "pickle"]);
    let context = zmq::Context::new();
    for index in 0..200_u8 {
        let gone = echo.client(&context, zmq::REQ);
        gone.send(&[b'(', b'K', index, b'l', b'.'][..], 0).unwrap();
    }
    let (stop, load) = (Arc::new(AtomicBool::new(false)), echo.endpoint.clone());
    let flooding = stop.clone();
    let flood = thread::spawn(move || {
        let socket = zmq::Context::new().socket(zmq::DEALER).unwrap();
        socket.set_linger(0).unwrap();
        socket.connect(&load).unwrap();
        for byte in (0..=u8::MAX).cycle() {
            if flooding.load(Ordering::Relaxed) {
                return;
            }
            let _ = socket.send_multipart([&[byte, 0xff][..], b"and a frame"], zmq::DONTWAIT);
            while socket.recv_multipart(zmq::DONTWAIT).is_ok() {}
        }
    });
    let request = echo.client(&context, zmq::REQ);
    for number in 0..100_u8 {
        request.send(&[b'K', number, b'.'][..], 0).unwrap();
        let value: u8 = Pickle::new().decode(request.recv_message().unwrap()).unwrap();
        assert_eq!(value, number);
    }
    let (printed, logged) = echo.stop(libc::SIGTERM);
    stop.store(true, Ordering::Relaxed);
    flood.join().unwrap();
    assert_eq!(printed, "");
    let last = logged.lines().last().unwrap();
    assert!(last.contains("INFO stopped answered=") && !last.contains("refused=0"), "{last}");
}

#[test]
fn what_libzmq_would_take_from_others_is_not_bound() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("file"), "kept").unwrap();
    let first = Echo::at(&format!("ipc://{}", path("socket")), &[]);
    let refused = |endpoint: &str, expected: &str| {
        let command = ["echo", "--bind", endpoint];
        let output = Command::new(env!("CARGO_BIN_EXE_outband")).args(command).output().unwrap();
        let printed = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), &output.stdout[..]), (Some(1), &b""[..]), "{printed}");
        assert!(printed.contains(&format!("could not listen on {endpoint}: {expected}")), "{printed}");
    };
    refused(&format!("ipc://{}", path("file")), "there is a file with this path");
    refused(&format!("ipc://{}", folder.path().display()), "there is a file with this path");
    refused(&first.endpoint, "another process listens there");
    refused("tcp://127.0.0.1:99999", "port 99999 is above 65535");
    refused("inproc://echo", "inproc is within one process");
    let taken = Echo::start(&[]);
    refused(&taken.endpoint, "Address already in use");
    assert_eq!(fs::read(path("file")).unwrap(), b"kept");

    // the first one still answers, and what a process that was killed left behind is in nobody's way
    let context = zmq::Context::new();
    let request = first.client(&context, zmq::REQ);
    request.send_obj("still here").unwrap();
    assert_eq!(request.recv_obj::<String>().unwrap(), "still here");
    let endpoint = first.endpoint.clone();
    drop(first);
    assert!(fs::exists(path("socket")).unwrap());
    let next = Echo::at(&endpoint, &[]);
    let request = next.client(&context, zmq::REQ);
    request.send_obj("and another").unwrap();
    assert_eq!(request.recv_obj::<String>().unwrap(), "and another");
    next.stop(libc::SIGTERM);
    assert!(!fs::exists(path("socket")).unwrap(), "the socket's file is left behind");

    // nor does it take away what others have put there meanwhile
    let last = Echo::at(&endpoint, &[]);
    fs::remove_file(path("socket")).unwrap();
    let other = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
    last.stop(libc::SIGINT);
    assert!(fs::exists(path("socket")).unwrap());
    drop(other);

    let anywhere = Echo::at("ipc://*", &[]);
    let place = anywhere.endpoint.strip_prefix("ipc://").unwrap().to_owned();
    assert!(fs::exists(&place).unwrap());
    anywhere.stop(libc::SIGTERM);
    assert!(!fs::exists(&place).unwrap());
}

#[test]
fn an_address_of_ipv6_is_one_like_any_other() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return println!("not run: this machine has no IPv6");
    }
    let echo = Echo::at("tcp://[::1]:*", &[]);
    assert!(echo.endpoint.starts_with("tcp://[::1]:"), "{}", echo.endpoint);
    let request = zmq::Context::new().socket(zmq::REQ).unwrap();
    request.set_ipv6(true).unwrap();
    request.set_rcvtimeo(30_000).unwrap();
    request.connect(&echo.endpoint).unwrap();
    request.send_obj("there").unwrap();
    assert_eq!(request.recv_obj::<String>().unwrap(), "there");
}

#[test]
fn a_format_that_is_none_is_a_wrong_use() {
    let wrong = ["echo", "--bind", "tcp://127.0.0.1:*", "--format", "yaml"];
    let output = Command::new(env!("CARGO_BIN_EXE_outband")).args(wrong).output().unwrap();
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(2), &b""[..]));
    let printed = String::from_utf8(output.stderr).unwrap();
    assert!(printed.contains("invalid value 'yaml' for '--format <FORMAT>'"), "{printed}");
    assert!(printed.contains("msgpack, json, pickle"), "{printed}");
}
