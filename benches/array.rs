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

use std::env;
use std::fs;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use outband::{Array, Buffer, SocketExt, to_multipart};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use rig::paired::{Ratio, median};
use rig::raw;

/// What is sent in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

#[derive(Serialize, Deserialize)]
struct Turn {
    means: Means,
    count: u32,
}

/// Set in the process that receives, to where it connects.
const RECEIVER: &str = "OUTBAND_BENCH_ARRAYS";
/// How long one means runs before it is the next one's turn.
const TURN: Duration = Duration::from_millis(5);
/// In which order they run, each once first and last, and each beside each; back in reverse.
const ORDERS: [[usize; 4]; 4] = [[0, 3, 1, 2], [3, 2, 0, 1], [1, 0, 2, 3], [2, 1, 3, 0]];

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
            let run = measure(transport, mebibytes << 20, means, seconds);
            let sides = if transport == "inproc" { "threads" } else { "processes" };
            println!(
                "| {sides} | {transport} | {mebibytes} MiB | {:.2} µs | {:.2} µs | {} | {} | {} | {:.1}, {:.1} |",
                run.micros(0),
                run.micros(3),
                run.ratio(3, 0),
                run.ratio(3, 2),
                run.ratio(1, 0),
                run.faults[0],
                run.faults[3],
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
        let run = measure("inproc", 1 << 20, means, seconds);
        let [bare, described] = [run.micros(0), run.micros(1)];
        let more = median(run.seconds.iter().map(|seconds| seconds[1] - seconds[0]).collect()) * 1e6;
        let share = Ratio::of(run.seconds.iter().map(|seconds| (seconds[1] - seconds[0]) / seconds[2]).collect());
        println!("| ready-made frames, raw libzmq | {bare:.2} µs | {described:.2} µs | {more:.3} µs | {share} |");
    }
}

/// What a row has measured.
struct Run {
    /// The seconds per object of each means, round by round.
    seconds: Vec<[f64; 4]>,
    /// Page faults of the receiver per object.
    faults: [f64; 4],
}

impl Run {
    fn micros(&self, index: usize) -> f64 {
        median(self.seconds.iter().map(|seconds| seconds[index]).collect()) * 1e6
    }

    fn ratio(&self, index: usize, other: usize) -> Ratio {
        Ratio::of(self.seconds.iter().map(|seconds| seconds[index] / seconds[other]).collect())
    }
}

fn measure(transport: &str, bytes: usize, means: [Means; 4], seconds: f64) -> Run {
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

    // all of them, so that none is the first
    let count = means.map(|means| sender.calibrate(means)).into_iter().min().unwrap();
    let mut run = Run { seconds: Vec::new(), faults: [0.0; 4] };
    let mut faults = [0; 4];
    let started = Instant::now();
    while started.elapsed().as_secs_f64() < seconds || run.seconds.len() < 2 * ORDERS.len() {
        let order = ORDERS[run.seconds.len() % ORDERS.len()];
        let mut took = [Duration::ZERO; 4];
        for index in order.into_iter().chain(order.into_iter().rev()) {
            let (time, faulted) = sender.run(means[index], count);
            took[index] += time;
            faults[index] += faulted;
        }
        run.seconds.push(took.map(|took| took.as_secs_f64() / f64::from(2 * count)));
    }
    run.faults = faults.map(|faults| faults as f64 / (2 * run.seconds.len()) as f64 / f64::from(count));
    receiver.stop(&sender.socket);
    run
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
        Self { socket, buffer, array, padded, frames }
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

    /// Moves `count` objects; the time that took, and the page faults of the receiver.
    fn run(&self, means: Means, count: u32) -> (Duration, u64) {
        self.socket.send_obj(&Some(Turn { means, count })).unwrap();
        self.socket.recv_obj::<()>().unwrap(); // it is ready
        let started = Instant::now();
        (0..count).for_each(|_| self.send(means));
        self.socket.recv_obj::<()>().unwrap(); // it has them all
        (started.elapsed(), self.socket.recv_obj().unwrap())
    }

    /// How many objects take a turn.
    fn calibrate(&self, means: Means) -> u32 {
        let mut count = 2;
        while self.run(means, count).0 < TURN {
            count *= 2;
        }
        count
    }
}

fn receive(context: &zmq::Context, endpoint: &str) {
    let socket = context.socket(zmq::PAIR).unwrap();
    configure(&socket, if endpoint.starts_with("inproc") { "inproc" } else { "other" });
    socket.connect(endpoint).unwrap();
    while let Some(turn) = socket.recv_obj::<Option<Turn>>().unwrap() {
        let before = page_faults();
        socket.send_obj(&()).unwrap();
        (0..turn.count).for_each(|_| receive_one(&socket, turn.means));
        socket.send_obj(&()).unwrap();
        socket.send_obj(&(page_faults() - before)).unwrap();
    }
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

/// The page faults of this process that needed no disk: proc_pid_stat(5), field 10; 0 where there is no such file.
fn page_faults() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // the name of the program, in parentheses, may hold spaces
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    fields.split_whitespace().nth(7).map_or(0, |field| field.parse().unwrap())
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
        socket.send_obj(&None::<Turn>).unwrap();
        match self {
            Self::Thread(thread) => thread.join().unwrap(),
            Self::Process(mut child) => assert!(child.wait().unwrap().success()),
        }
    }
}
