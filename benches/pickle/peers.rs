//! One array of a given length from process to process over TCP: the fastest ways of Python, and ours.

use std::cell::RefCell;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use outband::{Array, Decode, Encode, MsgPack, Pickle, SocketExt, memory};
use serde::{Deserialize, Serialize};

use crate::rig::{Moves, Rounds, human};

/// What is sent: an array and two small fields, as in `tests/python/pickle_peer.py`.
#[derive(Serialize, Deserialize)]
struct Frame {
    id: u64,
    name: String,
    data: Array,
}

/// Objects per second, or GB/s for large ones: the fastest of three ways of Python, and ours beside it.
pub(crate) fn table(python: &Path) {
    println!(
        "| processes, tcp | Python | Pickle | MsgPack | Pickle, kept pages | Pickle ÷ Python | MsgPack ÷ Python | kept ÷ Python |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
    for bytes in [64, 64 << 10, 1 << 20, 64 << 20] {
        let pythons = ["in-band", "copying", "no-copy"];
        let ours = [Ours::Pickle, Ours::MsgPack, Ours::PickleKept];
        let pythons_moving = pythons.map(|means| Box::new(Pythons::new(python, means, bytes)) as Box<dyn Moves>);
        let ours_moving = ours.map(|ours| Box::new(Rusts::new(ours, bytes)) as Box<dyn Moves>);
        let all: Vec<_> = pythons_moving.into_iter().chain(ours_moving).collect();
        let rounds = Rounds::run(&all, 9, Duration::from_millis(40));
        let fastest = (0..3).min_by(|&a, &b| rounds.median(a).total_cmp(&rounds.median(b))).unwrap();
        let speed = |index: usize| match bytes {
            ..1024 => format!("{:.2} M/s", 1e-6 / rounds.median(index)),
            _ => format!("{:.2} GB/s", bytes as f64 / rounds.median(index) * 1e-9),
        };
        let [pickle, msgpack, kept] = [3, 4, 5].map(|index| rounds.ratio(index, fastest));
        println!(
            "| {} | {} ({}) | {} | {} | {} | {pickle:.2} | {msgpack:.2} | {kept:.2} |",
            human(bytes),
            speed(fastest),
            pythons[fastest],
            speed(3),
            speed(4),
            speed(5),
        );
    }
}

/// Two Python processes.
pub(crate) struct Pythons {
    sender: RefCell<(Child, BufReader<ChildStdout>)>,
    receiver: Child,
}

impl Pythons {
    /// `means` is one that `tests/python/pickle_peer.py` knows.
    pub(crate) fn new(python: &Path, means: &str, bytes: usize) -> Self {
        let start = |side: &str, more: &[&str]| {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/pickle_peer.py");
            let mut command = Command::new(python);
            command.arg("-B").arg(script).args([side, means, &bytes.to_string()]).args(more);
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
        };
        let mut sender = start("send", &[]);
        let mut output = BufReader::new(sender.stdout.take().unwrap());
        let receiver = start("receive", &[&line(&mut output)]);
        Self { sender: RefCell::new((sender, output)), receiver }
    }

    fn ask(&self, count: u64) {
        let mut sender = self.sender.borrow_mut();
        let input = sender.0.stdin.as_mut().unwrap();
        writeln!(input, "{count}").unwrap();
        input.flush().unwrap();
    }
}

fn line(output: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    line.trim().to_owned()
}

impl Moves for Pythons {
    fn run(&self, count: u64) -> Duration {
        self.ask(count);
        Duration::from_secs_f64(line(&mut self.sender.borrow_mut().1).parse().unwrap())
    }
}

impl Drop for Pythons {
    fn drop(&mut self) {
        self.ask(0);
        assert!(self.sender.borrow_mut().0.wait().unwrap().success());
        assert!(self.receiver.wait().unwrap().success());
    }
}

/// Ways of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ours {
    Pickle,
    MsgPack,
    /// As `Pickle`, and the receiving process keeps freed pages.
    PickleKept,
}

/// This process, and another one that receives.
pub(crate) struct Rusts {
    ours: Ours,
    socket: zmq::Socket,
    frame: Frame,
    receiver: Child,
}

/// Set in the process that receives, to what and from where.
const RECEIVER: &str = "OUTBAND_BENCH_PICKLE_RECEIVER";

impl Rusts {
    pub(crate) fn new(ours: Ours, bytes: usize) -> Self {
        let socket = zmq::Context::new().socket(zmq::PAIR).unwrap();
        configure(&socket, bytes);
        socket.bind("tcp://127.0.0.1:*").unwrap();
        let endpoint = socket.get_last_endpoint().unwrap().unwrap();
        let job = format!("{ours:?} {bytes} {endpoint}");
        let receiver = Command::new(env::current_exe().unwrap()).env(RECEIVER, job).spawn().unwrap();
        let data = Array::from_vec(vec![0.5_f64; bytes / 8]);
        Self { ours, socket, frame: Frame { id: 123_456, name: "camera 3".to_owned(), data }, receiver }
    }

    fn send(&self, codec: &impl Encode<Frame>, count: u64) {
        for _ in 0..count {
            self.socket.send_with(codec, &self.frame).unwrap();
        }
    }
}

impl Moves for Rusts {
    fn run(&self, count: u64) -> Duration {
        self.socket.send(&count.to_le_bytes()[..], 0).unwrap();
        self.socket.recv_bytes(0).unwrap(); // the receiver is ready
        let started = Instant::now();
        match self.ours {
            Ours::MsgPack => self.send(&MsgPack::new(), count),
            Ours::Pickle | Ours::PickleKept => self.send(&Pickle::new(), count),
        }
        self.socket.recv_bytes(0).unwrap(); // the receiver has them all
        started.elapsed()
    }
}

impl Drop for Rusts {
    fn drop(&mut self) {
        self.socket.send(&0_u64.to_le_bytes()[..], 0).unwrap();
        assert!(self.receiver.wait().unwrap().success());
    }
}

fn configure(socket: &zmq::Socket, bytes: usize) {
    let high_water_mark = ((256 << 20) / bytes).clamp(2, 1000) as i32;
    socket.set_sndhwm(high_water_mark).unwrap();
    socket.set_rcvhwm(high_water_mark).unwrap();
    socket.set_linger(0).unwrap();
}

/// Runs the receiver's side and exits, when this process was started for that.
pub(crate) fn receive_if_child() {
    let Ok(job) = env::var(RECEIVER) else { return };
    let words: Vec<_> = job.split(' ').collect();
    let bytes = words[1].parse().unwrap();
    if words[0] == format!("{:?}", Ours::PickleKept) {
        assert_eq!(memory::keep_freed_pages(), memory::Tuning::Applied);
    }
    let socket = zmq::Context::new().socket(zmq::PAIR).unwrap();
    configure(&socket, bytes);
    socket.connect(words[2]).unwrap();
    match words[0] == format!("{:?}", Ours::MsgPack) {
        true => receive(&socket, &MsgPack::new(), bytes),
        false => receive(&socket, &Pickle::new(), bytes),
    }
    std::process::exit(0);
}

fn receive(socket: &zmq::Socket, codec: &impl Decode<Frame>, bytes: usize) {
    loop {
        let count = u64::from_le_bytes(socket.recv_bytes(0).unwrap()[..].try_into().unwrap());
        if count == 0 {
            return;
        }
        socket.send(&b"!"[..], 0).unwrap();
        for _ in 0..count {
            let frame: Frame = socket.recv_with(codec).unwrap();
            assert_eq!(frame.data.data().len(), bytes);
        }
        socket.send(&b"!"[..], 0).unwrap();
    }
}
