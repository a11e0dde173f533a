//! What it costs that an array says what it is: an `Array` beside a bare `Buffer` of the same bytes, in one run.
//!
//! `cargo bench --bench array`; with `-- tcp`, `-- ipc`, `-- inproc` for a part, `16MiB` and the like for one size, and a number for the
//! seconds that a row of 1 MiB takes: over a wire those of 16 MiB take twice and those of 64 MiB four times as long, for they have fewer
//! starts in the same time. `OUTBAND_SEED` draws other lengths (see below), and `-- plain` none.
//!
//! `valgrind --tool=callgrind target/release/deps/array-... Described 1000` counts instructions, also of `Bare`, `BareFrames` and
//! `DescribedFrames`.
//!
//! All means go through the same sockets to the same receiver, in short turns, there and back (A B C D D C B A, and so on). The bare
//! `Buffer` runs twice, under two names: how far these two are apart is what this bench cannot see.
//!
//! Over a wire the length of the metadata decides where in its memory the kernel begins to copy the elements, and some lengths are
//! faster than others, with nothing in them that would be an array's or a buffer's: in a program the length is that of all the other
//! fields of an object. So a text stands before each payload, of a length that each start draws anew for each means, and starts are
//! short and many: a ratio is over the lengths, and not the luck of two of them. `plain` is without these texts.
//!
//! The receiving process calls `memory::keep_freed_pages()`: fresh pages cost more than the wire, and by luck more in one turn than in
//! another. With `-- fresh` it does not.

#![allow(clippy::unwrap_used, reason = "a bench that fails stops")]

#[path = "../tests/support/random.rs"]
mod random;
mod rig;

use std::cell::Cell;
use std::env;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use outband::{Array, Buffer, SocketExt, memory, to_multipart};
use serde::Serialize;
use serde::de::IgnoredAny;

use random::Random;
use rig::paired::{Ratio, median};
use rig::rounds::{Orders, Starts};
use rig::turns::Faults;
use rig::{Moves, Rounds, raw, rounds, turns};

/// What is sent in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Means {
    /// A `Buffer`.
    Bare,
    /// The same `Buffer`.
    BareAgain,
    /// The same `Buffer` behind a text, which makes the metadata as long as that of this start's `Array`.
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
/// Set there too, where no text stands before a payload.
const PLAIN: &str = "OUTBAND_BENCH_ARRAYS_PLAIN";
/// And where it does not keep freed pages.
const FRESH: &str = "OUTBAND_BENCH_ARRAYS_FRESH";
/// How long one means runs before it is the next one's turn.
const TURN: Duration = Duration::from_millis(5);
/// Texts are shorter than a cache line, by which copies of memory are aligned.
const TEXT: usize = 64;
/// The rounds of a start, of which the median counts. What they have in common no number of them would even out.
const ROUNDS: usize = 5;
/// As many as can be on their way over a wire, and some.
const WARM_UP: u64 = 16;
/// Where rounds are long, a start has as many as begin within this time, and one at least.
const START: Duration = Duration::from_secs(1);

/// What stands before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Front {
    Text,
    Nothing,
}

/// What the receiving process does with freed pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pages {
    Kept,
    Fresh,
}

fn main() {
    if let Ok(endpoint) = env::var(RECEIVER) {
        if env::var_os(FRESH).is_none() {
            assert_eq!(memory::keep_freed_pages(), memory::Tuning::Applied);
        }
        let front = if env::var_os(PLAIN).is_some() { Front::Nothing } else { Front::Text };
        return receive(&zmq::Context::new(), &endpoint, front);
    }
    let words: Vec<String> = env::args().skip(1).collect();
    let means = [Means::Bare, Means::Described, Means::BareFrames, Means::DescribedFrames];
    if let Some(means) = means.into_iter().find(|means| words.contains(&format!("{means:?}"))) {
        return alone(means, words.iter().find_map(|word| word.parse().ok()).unwrap());
    }
    let seconds = words.iter().find_map(|word| word.parse().ok()).unwrap_or(30.0);
    let pages = if words.iter().any(|word| word == "fresh") { Pages::Fresh } else { Pages::Kept };
    let mut random = Random::seeded(1);
    let transports = chosen(&words, &["inproc", "ipc", "tcp"]);
    println!(
        "| sides | transport | elements | Buffer | Array | Array ÷ Buffer | Array ÷ padded | Buffer ÷ Buffer | starts | page faults |"
    );
    println!("|---|---|---|---:|---:|---:|---:|---:|---:|---:|");
    for &transport in &transports {
        // over inproc no byte is moved, and what the length costs there is the array's own
        let is_plain = transport == "inproc" || words.iter().any(|word| word == "plain");
        let front = if is_plain { Front::Nothing } else { Front::Text };
        for size in chosen(&words, &["1MiB", "16MiB", "64MiB"]) {
            let mebibytes: usize = size.trim_end_matches("MiB").parse().unwrap();
            let means = [Means::Bare, Means::BareAgain, Means::Padded, Means::Described];
            let seconds = match (transport, mebibytes) {
                ("inproc", _) | (_, 1) => seconds,
                (_, 16) => 2.0 * seconds,
                _ => 4.0 * seconds,
            };
            let (starts, faults) = measure((transport, front, pages), mebibytes << 20, means, seconds, &mut random);
            let sides = if transport == "inproc" { "threads" } else { "processes" };
            println!(
                "| {sides} | {transport} | {mebibytes} MiB | {:.2} µs | {:.2} µs | {} | {} | {} | {} | {:.1}, {:.1} |",
                starts.median(0) * 1e6,
                starts.median(3) * 1e6,
                starts.interval(0, 3),
                starts.interval(2, 3),
                starts.interval(0, 1),
                starts.count(),
                faults[0],
                faults[3],
            );
        }
    }
    if transports.contains(&"inproc") {
        println!();
        println!(
            "| threads, inproc, 1 MiB | of a Buffer | of an Array | more | of the time of an encoded, sent, received and decoded Buffer |"
        );
        println!("|---|---:|---:|---:|---:|");
        let means = [Means::BareFrames, Means::DescribedFrames, Means::Bare, Means::Padded];
        let (starts, _) = measure(("inproc", Front::Nothing, pages), 1 << 20, means, seconds, &mut random);
        let [bare, described] = [0, 1].map(|index| starts.median(index) * 1e6);
        let more = median(starts.each(|seconds| seconds[1] - seconds[0])) * 1e6;
        let share = Ratio::of(starts.each(|seconds| (seconds[1] - seconds[0]) / seconds[2]));
        println!("| ready-made frames, raw libzmq | {bare:.2} µs | {described:.2} µs | {more:.3} µs | {share} |");
    }
}

/// Those of `all` that the words name, or all where they name none.
fn chosen<'a>(words: &[String], all: &[&'a str]) -> Vec<&'a str> {
    let is_named = |one: &&str| words.iter().any(|word| word == one);
    all.iter().copied().filter(|one| is_named(one) || !all.iter().any(is_named)).collect()
}

/// The starts of a row, and the page faults of the receiver per object.
fn measure(
    (transport, front, pages): (&str, Front, Pages),
    bytes: usize,
    means: [Means; 4],
    seconds: f64,
    random: &mut Random,
) -> (Starts, [f64; 4]) {
    let payload = Payload::new(bytes);
    let (count, faults) = (Cell::new(None), <[Faults; 4]>::default());
    let (mut starts, mut orders) = (Starts::default(), Orders::default());
    let began = Instant::now();
    while starts.count() < 6 || began.elapsed().as_secs_f64() < seconds {
        let line = Line::start(transport, &payload, Texts::new(front, &payload, random), pages);
        line.warm_up();
        let all: Vec<Sent> = means
            .iter()
            .zip(&faults)
            .map(|(&means, faults)| Sent { line: &line, means, count: &count, faults })
            .collect();
        let started = Instant::now();
        starts.push(Rounds::run_while(&all, TURN, &mut orders, |done| {
            done == 0 || done < ROUNDS && started.elapsed() < START
        }));
        line.stop();
    }
    (starts, faults.map(|faults| faults.per_object()))
}

/// One means, when it is its turn.
struct Sent<'a> {
    line: &'a Line<'a>,
    means: Means,
    /// How many objects take a turn, in all starts.
    count: &'a Cell<Option<u64>>,
    faults: &'a Faults,
}

impl Moves for Sent<'_> {
    fn run(&self, count: u64) -> Duration {
        let took = turns::lead(&self.line.socket, self.means as usize, count, || {
            (0..count).for_each(|_| send(&self.line.socket, self.line.payload, &self.line.texts, self.means));
        });
        self.faults.add(took, count)
    }

    fn calibrate(&self, time: Duration) -> u64 {
        rounds::calibrate_once(self.count, self, time)
    }
}

/// The same bytes in all forms.
struct Payload {
    buffer: Buffer,
    array: Array,
    frames: [Vec<Vec<u8>>; 2],
}

impl Payload {
    fn new(bytes: usize) -> Self {
        let array = Array::from_vec(vec![0.5_f64; bytes / 8]);
        let buffer = array.data().clone();
        let frames = [to_multipart(&buffer).unwrap(), to_multipart(&array).unwrap()]
            .map(|message| vec![message.metadata().to_vec(), message.buffers()[0].to_vec()]);
        Self { buffer, array, frames }
    }
}

/// What stands before the payload of each means in one start.
struct Texts([Option<String>; 4]);

impl Texts {
    fn new(front: Front, payload: &Payload, random: &mut Random) -> Self {
        match front {
            Front::Text => Self::drawn(payload, random),
            Front::Nothing => Self::few(payload),
        }
    }

    fn drawn(payload: &Payload, random: &mut Random) -> Self {
        let [bare, again, described] = [(); 3].map(|()| "-".repeat(random.below(TEXT)));
        let padded = padding(&payload.buffer, metadata_len(&(&described, &payload.array)));
        Self([bare, again, padded, described].map(Some))
    }

    /// Only what makes [`Means::Padded`].
    fn few(payload: &Payload) -> Self {
        Self([None, None, Some(padding(&payload.buffer, metadata_len(&payload.array))), None])
    }

    fn front(&self) -> Front {
        if self.of(Means::Bare).is_some() { Front::Text } else { Front::Nothing }
    }

    fn of(&self, means: Means) -> Option<&str> {
        self.0[means as usize].as_deref()
    }
}

/// The text before `buffer` that makes metadata of so many bytes.
fn padding(buffer: &Buffer, len: usize) -> String {
    let mut text = String::new();
    while metadata_len(&(&text, buffer)) < len {
        text.push('-');
    }
    text
}

fn metadata_len<T: Serialize>(value: &T) -> usize {
    to_multipart(value).unwrap().metadata().len()
}

/// A sender and a receiver, between which objects move by one means and another.
struct Line<'a> {
    socket: zmq::Socket,
    payload: &'a Payload,
    texts: Texts,
    receiver: Receiver,
    /// Where ipc has its socket.
    _folder: tempfile::TempDir,
}

impl<'a> Line<'a> {
    fn start(transport: &str, payload: &'a Payload, texts: Texts, pages: Pages) -> Self {
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
        let receiver = Receiver::start(transport, &context, &endpoint, texts.front(), pages);
        Self { socket, payload, texts, receiver, _folder: folder }
    }

    /// Moves the first objects, which find nothing in the caches, and for which the receiver's heap grows.
    fn warm_up(&self) {
        turns::lead(&self.socket, Means::Bare as usize, WARM_UP, || {
            (0..WARM_UP).for_each(|_| send(&self.socket, self.payload, &self.texts, Means::Bare));
        });
    }

    fn stop(self) {
        turns::end(&self.socket);
        match self.receiver {
            Receiver::Thread(thread) => thread.join().unwrap(),
            Receiver::Process(mut child) => assert!(child.wait().unwrap().success()),
        }
    }
}

enum Receiver {
    Thread(thread::JoinHandle<()>),
    Process(Child),
}

impl Receiver {
    fn start(transport: &str, context: &zmq::Context, endpoint: &str, front: Front, pages: Pages) -> Self {
        let (context, endpoint) = (context.clone(), endpoint.to_owned());
        match transport {
            "inproc" => Self::Thread(thread::spawn(move || receive(&context, &endpoint, front))),
            _ => {
                let mut command = Command::new(env::current_exe().unwrap());
                command.env(RECEIVER, endpoint);
                if front == Front::Nothing {
                    command.env(PLAIN, "");
                }
                if pages == Pages::Fresh {
                    command.env(FRESH, "");
                }
                Self::Process(command.spawn().unwrap())
            }
        }
    }
}

fn send(socket: &zmq::Socket, payload: &Payload, texts: &Texts, means: Means) {
    match means {
        Means::Bare | Means::BareAgain | Means::Padded => send_behind(socket, texts.of(means), &payload.buffer),
        Means::Described => send_behind(socket, texts.of(means), &payload.array),
        Means::BareFrames => raw::send(socket, &payload.frames[0]),
        Means::DescribedFrames => raw::send(socket, &payload.frames[1]),
    }
}

fn send_behind<P: Serialize>(socket: &zmq::Socket, text: Option<&str>, payload: &P) {
    match text {
        Some(text) => socket.send_obj(&(text, payload)).unwrap(),
        None => socket.send_obj(payload).unwrap(),
    }
}

/// Messages are libzmq's default number where nothing is moved, else few enough for any memory.
fn configure(socket: &zmq::Socket, transport: &str) {
    let high_water_mark = if transport == "inproc" { 1000 } else { 4 };
    socket.set_sndhwm(high_water_mark).unwrap();
    socket.set_rcvhwm(high_water_mark).unwrap();
}

fn receive(context: &zmq::Context, endpoint: &str, front: Front) {
    let socket = context.socket(zmq::PAIR).unwrap();
    configure(&socket, if endpoint.starts_with("inproc") { "inproc" } else { "wire" });
    socket.connect(endpoint).unwrap();
    turns::follow(&socket, |means| receive_one(&socket, MEANS[means], front));
}

fn receive_one(socket: &zmq::Socket, means: Means, front: Front) {
    match (means, front) {
        (Means::BareFrames | Means::DescribedFrames, _) => _ = raw::receive(socket),
        (Means::Bare | Means::BareAgain, Front::Nothing) => drop(socket.recv_obj::<Buffer>().unwrap()),
        (Means::Bare | Means::BareAgain, Front::Text) | (Means::Padded, _) => {
            drop(socket.recv_obj::<(IgnoredAny, Buffer)>().unwrap());
        }
        (Means::Described, Front::Nothing) => drop(socket.recv_obj::<Array>().unwrap()),
        (Means::Described, Front::Text) => drop(socket.recv_obj::<(IgnoredAny, Array)>().unwrap()),
    }
}

/// Moves `count` objects over inproc on this thread alone, to count instructions: the difference of two counts, by theirs.
fn alone(means: Means, count: u32) {
    let context = zmq::Context::new();
    let (tx, rx) = (context.socket(zmq::PAIR).unwrap(), context.socket(zmq::PAIR).unwrap());
    rx.bind("inproc://alone").unwrap();
    tx.connect("inproc://alone").unwrap();
    let payload = Payload::new(1 << 20);
    let texts = Texts::few(&payload);
    for _ in 0..count {
        send(&tx, &payload, &texts, means);
        receive_one(&rx, means, Front::Nothing);
    }
}
