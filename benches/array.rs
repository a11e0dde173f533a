//! What it costs that an array says what it is: an `Array` beside a bare `Buffer` of the same bytes, in one run.
//!
//! `cargo bench --bench array`; with `-- tcp`, `-- ipc`, `-- inproc` for a part, and a number for the seconds that a row takes.
//!
//! `valgrind --tool=callgrind target/release/deps/array-... Described 1000` counts instructions, also of `Bare`, `BareFrames` and
//! `DescribedFrames`.
//!
//! All means go through the same sockets to the same receiver, in short turns, there and back (A B C D D C B A, and so on). The bare
//! `Buffer` runs twice, under two names: how far these two are apart is what this bench cannot see.

#![allow(clippy::unwrap_used, reason = "a bench that fails stops")]

mod rig;

use std::cell::Cell;
use std::env;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use outband::{Array, Buffer, SocketExt, to_multipart};
use serde::de::IgnoredAny;

use rig::paired::{Ratio, median};
use rig::turns::Faults;
use rig::{Moves, Rounds, raw, rounds, turns};

/// What is sent in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Means {
    /// A `Buffer`.
    Bare,
    /// The same `Buffer`.
    BareAgain,
    /// The same `Buffer` behind a text, which makes the metadata as long as that of the `Array`: over a wire a frame's length decides
    /// where in its memory the kernel begins to copy the next one.
    Padded,
    /// An `Array` of the same bytes.
    Described,
    /// The frames of the `Buffer` and of the `Array`, made beforehand and moved by libzmq: nothing is encoded or decoded.
    BareFrames,
    DescribedFrames,
}

/// In the order of their numbers.
const MEANS: [Means; 6] =
    [Means::Bare, Means::BareAgain, Means::Padded, Means::Described, Means::BareFrames, Means::DescribedFrames];

/// Set in the process that receives, to where it connects.
const RECEIVER: &str = "OUTBAND_BENCH_ARRAYS";
/// How long one means runs before it is the next one's turn.
const TURN: Duration = Duration::from_millis(5);

fn main() {
    if let Ok(endpoint) = env::var(RECEIVER) {
        return receive(&zmq::Context::new(), &endpoint);
    }
    let words: Vec<String> = env::args().skip(1).collect();
    let means = [Means::Bare, Means::Described, Means::BareFrames, Means::DescribedFrames];
    if let Some(means) = means.into_iter().find(|means| words.contains(&format!("{means:?}"))) {
        return alone(means, words.iter().find_map(|word| word.parse().ok()).unwrap());
    }
    let seconds = words.iter().find_map(|word| word.parse().ok()).unwrap_or(20.0);
    let named = |transport: &&str| words.iter().any(|word| word == transport);
    let all = ["inproc", "ipc", "tcp"];
    let chosen: Vec<&str> = all.into_iter().filter(|transport| named(transport) || !all.iter().any(named)).collect();
    println!(
        "| sides | transport | elements | Buffer | Array | Array ÷ Buffer | Array ÷ padded | Buffer ÷ Buffer | page faults |"
    );
    println!("|---|---|---|---:|---:|---:|---:|---:|---:|");
    for &transport in &chosen {
        for mebibytes in [1, 16, 64] {
            let means = [Means::Bare, Means::BareAgain, Means::Padded, Means::Described];
            let (rounds, faults) = measure(transport, mebibytes << 20, means, seconds);
            let sides = if transport == "inproc" { "threads" } else { "processes" };
            println!(
                "| {sides} | {transport} | {mebibytes} MiB | {:.2} µs | {:.2} µs | {} | {} | {} | {:.1}, {:.1} |",
                rounds.median(0) * 1e6,
                rounds.median(3) * 1e6,
                rounds.interval(0, 3),
                rounds.interval(2, 3),
                rounds.interval(0, 1),
                faults[0],
                faults[3],
            );
        }
    }
    if chosen.contains(&"inproc") {
        println!();
        println!(
            "| threads, inproc, 1 MiB | of a Buffer | of an Array | more | of the time of an encoded, sent, received and decoded Buffer |"
        );
        println!("|---|---:|---:|---:|---:|");
        let means = [Means::BareFrames, Means::DescribedFrames, Means::Bare, Means::Padded];
        let (rounds, _) = measure("inproc", 1 << 20, means, seconds);
        let [bare, described] = [0, 1].map(|index| rounds.median(index) * 1e6);
        let more = median(rounds.each().map(|seconds| seconds[1] - seconds[0]).collect()) * 1e6;
        let share = Ratio::of(rounds.each().map(|seconds| (seconds[1] - seconds[0]) / seconds[2]).collect());
        println!("| ready-made frames, raw libzmq | {bare:.2} µs | {described:.2} µs | {more:.3} µs | {share} |");
    }
}

/// The rounds of a row, and the page faults of the receiver per object.
fn measure(transport: &str, bytes: usize, means: [Means; 4], seconds: f64) -> (Rounds, [f64; 4]) {
    let context = zmq::Context::new();
    let folder = tempfile::tempdir().unwrap();
    let socket = context.socket(zmq::PAIR).unwrap();
    configure(&socket, transport);
    socket
        .bind(&match transport {
            "inproc" => "inproc://arrays".to_owned(),
            "ipc" => format!("ipc://{}/arrays", folder.path().display()),
            _ => "tcp://127.0.0.1:*".to_owned(),
        })
        .unwrap();
    let endpoint = socket.get_last_endpoint().unwrap().unwrap();
    let receiver = Receiver::start(transport, &context, &endpoint);
    let sender = Sender::new(socket, bytes);

    let all = means.map(|means| Sent { sender: &sender, means, faults: Faults::default() });
    let started = Instant::now();
    let rounds = Rounds::run_while(&all, TURN, |done| done < 8 || started.elapsed().as_secs_f64() < seconds);
    let faults = all.map(|sent| sent.faults.per_object());
    receiver.stop(&sender.socket);
    (rounds, faults)
}

/// One means, when it is its turn.
struct Sent<'a> {
    sender: &'a Sender,
    means: Means,
    faults: Faults,
}

impl Moves for Sent<'_> {
    fn run(&self, count: u64) -> Duration {
        let took = turns::lead(&self.sender.socket, self.means as usize, count, || {
            (0..count).for_each(|_| self.sender.send(self.means));
        });
        self.faults.add(took, count)
    }

    fn calibrate(&self, time: Duration) -> u64 {
        rounds::calibrate_once(&self.sender.count, self, time)
    }
}

/// Messages are libzmq's default number where nothing is moved, else few enough for any memory.
fn configure(socket: &zmq::Socket, transport: &str) {
    let high_water_mark = if transport == "inproc" { 1000 } else { 4 };
    socket.set_sndhwm(high_water_mark).unwrap();
    socket.set_rcvhwm(high_water_mark).unwrap();
}

struct Sender {
    socket: zmq::Socket,
    buffer: Buffer,
    array: Array,
    padded: (String, Buffer),
    frames: [Vec<Vec<u8>>; 2],
    /// How many objects take a turn.
    count: Cell<Option<u64>>,
}

impl Sender {
    fn new(socket: zmq::Socket, bytes: usize) -> Self {
        let array = Array::from_vec(vec![0.5_f64; bytes / 8]);
        let buffer = array.data().clone();
        let frames = [to_multipart(&buffer).unwrap(), to_multipart(&array).unwrap()]
            .map(|message| vec![message.metadata().to_vec(), message.buffers()[0].to_vec()]);
        let mut padded = (String::new(), buffer.clone());
        while to_multipart(&padded).unwrap().metadata().len() < frames[1][0].len() {
            padded.0.push('-');
        }
        Self { socket, buffer, array, padded, frames, count: Cell::new(None) }
    }

    fn send(&self, means: Means) {
        match means {
            Means::Bare | Means::BareAgain => self.socket.send_obj(&self.buffer).unwrap(),
            Means::Padded => self.socket.send_obj(&self.padded).unwrap(),
            Means::Described => self.socket.send_obj(&self.array).unwrap(),
            Means::BareFrames => raw::send(&self.socket, &self.frames[0]),
            Means::DescribedFrames => raw::send(&self.socket, &self.frames[1]),
        }
    }
}

fn receive(context: &zmq::Context, endpoint: &str) {
    let socket = context.socket(zmq::PAIR).unwrap();
    configure(&socket, if endpoint.starts_with("inproc") { "inproc" } else { "other" });
    socket.connect(endpoint).unwrap();
    turns::follow(&socket, |means| receive_one(&socket, MEANS[means]));
}

fn receive_one(socket: &zmq::Socket, means: Means) {
    match means {
        Means::Bare | Means::BareAgain => drop(socket.recv_obj::<Buffer>().unwrap()),
        Means::Padded => drop(socket.recv_obj::<(IgnoredAny, Buffer)>().unwrap()),
        Means::Described => drop(socket.recv_obj::<Array>().unwrap()),
        Means::BareFrames | Means::DescribedFrames => _ = raw::receive(socket),
    }
}

/// Moves `count` objects over inproc on this thread alone, to count instructions: the difference of two counts, by theirs.
fn alone(means: Means, count: u32) {
    let context = zmq::Context::new();
    let (tx, rx) = (context.socket(zmq::PAIR).unwrap(), context.socket(zmq::PAIR).unwrap());
    rx.bind("inproc://alone").unwrap();
    tx.connect("inproc://alone").unwrap();
    let sender = Sender::new(tx, 1 << 20);
    for _ in 0..count {
        sender.send(means);
        receive_one(&rx, means);
    }
}

enum Receiver {
    Thread(thread::JoinHandle<()>),
    Process(Child),
}

impl Receiver {
    fn start(transport: &str, context: &zmq::Context, endpoint: &str) -> Self {
        let (context, endpoint) = (context.clone(), endpoint.to_owned());
        match transport {
            "inproc" => Self::Thread(thread::spawn(move || receive(&context, &endpoint))),
            _ => Self::Process(Command::new(env::current_exe().unwrap()).env(RECEIVER, endpoint).spawn().unwrap()),
        }
    }

    fn stop(self, socket: &zmq::Socket) {
        turns::end(socket);
        match self {
            Self::Thread(thread) => thread.join().unwrap(),
            Self::Process(mut child) => assert!(child.wait().unwrap().success()),
        }
    }
}
