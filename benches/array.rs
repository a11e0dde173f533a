//! What it costs that an array says what it is: an `Array` beside a bare `Buffer` of the same bytes, in one run.
//!
//! `cargo bench --bench array`. Both go through the same sockets to the same receiver, in turn, so that neither has the
//! luckier memory; an argument is the number of rounds.

#![allow(clippy::unwrap_used, reason = "a bench that fails stops")]

use std::env;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use outband::{Array, Buffer, SocketExt};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
enum Item {
    Bare(Buffer),
    Described(Array),
    /// Everything before this has arrived.
    Mark,
}

/// Set in the process that receives, to where it connects.
const RECEIVER: &str = "OUTBAND_BENCH_ARRAYS";
/// How long one means runs before it is the other's turn.
const TURN: Duration = Duration::from_millis(60);

fn main() {
    if let Ok(endpoint) = env::var(RECEIVER) {
        return receive(&zmq::Context::new(), &endpoint);
    }
    let rounds = env::args().find_map(|argument| argument.parse().ok()).unwrap_or(41);
    println!("| sides | transport | elements | Buffer | Array | Array, of the time of Buffer |");
    println!("|---|---|---|---:|---:|---:|");
    for transport in ["inproc", "ipc", "tcp"] {
        for mebibytes in [1, 16, 64] {
            let [bare, described, ratio] = measure(transport, mebibytes << 20, rounds);
            let sides = if transport == "inproc" { "threads" } else { "processes" };
            println!(
                "| {sides} | {transport} | {mebibytes} MiB | {:.2} µs | {:.2} µs | {ratio:.3} |",
                bare * 1e6,
                described * 1e6
            );
        }
    }
}

/// The medians of the seconds per object, and the median over the rounds of their ratio.
fn measure(transport: &str, bytes: usize, rounds: usize) -> [f64; 3] {
    let context = zmq::Context::new();
    let socket = context.socket(zmq::PAIR).unwrap();
    socket.set_sndhwm(16).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let endpoint = match transport {
        "inproc" => "inproc://arrays".to_owned(),
        "ipc" => format!("ipc://{}/arrays", folder.path().display()),
        _ => "tcp://127.0.0.1:*".to_owned(),
    };
    socket.bind(&endpoint).unwrap();
    let endpoint = socket.get_last_endpoint().unwrap().unwrap();
    let receiver = Receiver::start(transport, &context, &endpoint);

    let array = Array::from_vec(vec![0.5_f64; bytes / 8]);
    let items = [Item::Bare(array.data().clone()), Item::Described(array)];
    let count = calibrate(&socket, &items[0]);
    let mut seconds = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        for turn in 0..2 {
            let means = (round + turn) % 2;
            seconds[means].push(run(&socket, &items[means], count) / f64::from(count));
        }
    }
    receiver.stop(&socket);
    let ratios = seconds[0].iter().zip(&seconds[1]).map(|(bare, described)| described / bare).collect();
    [median(seconds[0].clone()), median(seconds[1].clone()), median(ratios)]
}

/// Moves `count` objects and returns the seconds it took.
fn run(socket: &zmq::Socket, item: &Item, count: u32) -> f64 {
    let started = Instant::now();
    for _ in 0..count {
        socket.send_obj(item).unwrap();
    }
    socket.send_obj(&Item::Mark).unwrap();
    socket.recv_obj::<()>().unwrap();
    started.elapsed().as_secs_f64()
}

/// How many objects take a turn.
fn calibrate(socket: &zmq::Socket, item: &Item) -> u32 {
    let mut count = 2;
    while run(socket, item, count) < TURN.as_secs_f64() {
        count *= 2;
    }
    count
}

fn receive(context: &zmq::Context, endpoint: &str) {
    let socket = context.socket(zmq::PAIR).unwrap();
    socket.set_rcvhwm(16).unwrap();
    socket.connect(endpoint).unwrap();
    let mut last = None;
    loop {
        match socket.recv_obj().unwrap() {
            Item::Mark if last.is_none() => return,
            Item::Mark => socket.send_obj(&last.take().map(drop)).unwrap(),
            item => last = Some(item),
        }
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

    /// Two marks in a row end it.
    fn stop(self, socket: &zmq::Socket) {
        socket.send_obj(&Item::Mark).unwrap();
        match self {
            Self::Thread(thread) => thread.join().unwrap(),
            Self::Process(mut child) => assert!(child.wait().unwrap().success()),
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
