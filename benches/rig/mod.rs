//! The rig of the benches: one sender, one receiver, objects moved in turn by different means.
//!
//! A receiver answers a count of messages with one byte when it has them all; the sender's clock runs from its first frame
//! to that byte, so encoding, the wire and decoding are all in the figure.

#![allow(dead_code, reason = "each bench uses its part of the rig")]
#![allow(unsafe_code, reason = "raw libzmq is called as C calls it")]
#![allow(clippy::unwrap_used, reason = "a bench that fails stops")]

mod least;
pub(crate) mod paired;
pub(crate) mod raw;
pub(crate) mod rounds;
pub(crate) mod turns;

use std::cell::{Cell, RefCell};
use std::env;
use std::process::{Child, Command};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use outband::{Buffer, Encode, MsgPack, SocketExt, memory};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use tempfile::TempDir;

use least::Metadata;
pub(crate) use rounds::{Moves, Rounds};
use turns::Faults;

/// What is sent: a little metadata and the payload, which is one buffer or many; for the naive way, byte strings.
#[derive(Serialize, Deserialize)]
pub(crate) struct Object<P> {
    id: u64,
    payload: P,
}

/// One object in both forms.
enum Sample {
    One(Object<Buffer>, Object<ByteBuf>),
    Many(Object<Vec<Buffer>>, Object<Vec<ByteBuf>>),
}

/// How objects are moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Means {
    /// libzmq itself, as C calls it at its best: the frames are encoded beforehand, constant memory is sent without a copy
    /// (`zmq_msg_init_data` without a free function), small frames with `zmq_msg_init_size` and a copy. Nothing is
    /// encoded or decoded.
    Raw,
    /// `Raw` once more under another name: how far these two are apart is what a bench cannot see.
    RawAgain,
    /// As `Raw`, and a buffer's frame has an owner that libzmq tells when it is done.
    Owned,
    /// As `Owned`, and rmp-serde encodes and decodes the metadata: see [`least`].
    Least,
    /// As `Least`, and the check of each buffer is made at both ends.
    Checked,
    /// `send_obj` and `recv_obj`.
    Outband,
    /// As `Outband`, and the receiving process keeps freed pages.
    OutbandKept,
    /// As `Raw`, and so does it.
    RawKept,
    /// rmp-serde with everything in band, `zmq::Message::from`, and `rmp_serde::from_slice`.
    Naive,
    /// `Outband` with a fixed placement, for the threshold.
    InBand,
    OutOfBand,
}

impl Means {
    /// In the order of their numbers.
    const ALL: [Self; 11] = [
        Self::Raw,
        Self::RawAgain,
        Self::Owned,
        Self::Least,
        Self::Checked,
        Self::Outband,
        Self::OutbandKept,
        Self::RawKept,
        Self::Naive,
        Self::InBand,
        Self::OutOfBand,
    ];

    fn is_raw(self) -> bool {
        matches!(self, Self::Raw | Self::RawAgain | Self::RawKept)
    }

    fn codec(self) -> MsgPack {
        match self {
            Self::InBand => MsgPack::new().out_of_band_from(usize::MAX),
            Self::OutOfBand => MsgPack::new().out_of_band_from(0),
            _ => MsgPack::new(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sides {
    Threads,
    Processes,
    /// One thread is both.
    Alone,
}

/// `buffers` buffers of `bytes` bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) buffers: usize,
    pub(crate) bytes: usize,
}

impl Size {
    pub(crate) fn total(self) -> usize {
        self.buffers * self.bytes
    }

    pub(crate) fn human(self) -> String {
        match self.buffers {
            1 => human(self.bytes),
            buffers => format!("{buffers} × {}", human(self.bytes)),
        }
    }

    fn sample(self) -> Sample {
        // written once, so that its pages are there
        let bytes = |index: usize| vec![index as u8 + 1; self.bytes];
        let id = 123_456;
        if self.buffers == 1 {
            let payload = Buffer::from_vec(bytes(0));
            return Sample::One(Object { id, payload }, Object { id, payload: ByteBuf::from(bytes(0)) });
        }
        let payload = (0..self.buffers).map(|index| Buffer::from_vec(bytes(index))).collect();
        let naive = (0..self.buffers).map(|index| ByteBuf::from(bytes(index))).collect();
        Sample::Many(Object { id, payload }, Object { id, payload: naive })
    }

    /// Messages that may be queued: libzmq's default where they are the sender's own memory, else at most about 256 MiB.
    fn high_water_mark(self, all: &[Means], is_inproc: bool) -> i32 {
        if is_inproc && !all.contains(&Means::Naive) {
            return 1000;
        }
        ((256 << 20) / self.total().max(1)).clamp(2, 1000) as i32
    }
}

/// A sender and a receiver in another thread or process, between which objects move by one means and another.
struct Line {
    socket: zmq::Socket,
    sample: Sample,
    frames: Vec<Vec<u8>>,
    least: Option<RefCell<least::Sender>>,
    /// How many objects take a turn of any means.
    count: Cell<Option<u64>>,
    receiver: Receiver,
    _directory: TempDir,
}

enum Receiver {
    Thread(Option<thread::JoinHandle<()>>),
    Process(Child),
    Alone(zmq::Socket),
}

/// Objects that move by one means; on the same [`Line`] there are others.
pub(crate) struct Pair {
    means: Means,
    line: Rc<Line>,
    faults: Faults,
}

const CHILD: &str = "OUTBAND_BENCH_RECEIVER";

impl Line {
    fn new(all: &[Means], sides: Sides, transport: &str, size: Size) -> Self {
        let context = zmq::Context::new();
        let socket = context.socket(zmq::PAIR).unwrap();
        let high_water_mark = size.high_water_mark(all, transport == "inproc");
        configure(&socket, high_water_mark);
        // libzmq leaves the file of an ipc socket where it is
        let directory = tempfile::tempdir().unwrap();
        static LINES: AtomicU64 = AtomicU64::new(0);
        let unique = format!("{}-{}", std::process::id(), LINES.fetch_add(1, Ordering::Relaxed));
        socket
            .bind(&match transport {
                "tcp" => "tcp://127.0.0.1:*".to_owned(),
                "ipc" => format!("ipc://{}/{unique}", directory.path().display()),
                _ => format!("inproc://{unique}"),
            })
            .unwrap();
        let endpoint = socket.get_last_endpoint().unwrap().unwrap();
        let receiver = match sides {
            Sides::Threads => Receiver::Thread(Some(thread::spawn({
                let context = context.clone();
                move || receive(&context, &endpoint, high_water_mark, size)
            }))),
            Sides::Processes => {
                let kept = all.iter().any(|means| matches!(means, Means::OutbandKept | Means::RawKept));
                let job = format!("{kept} {high_water_mark} {} {} {endpoint}", size.buffers, size.bytes);
                Receiver::Process(Command::new(env::current_exe().unwrap()).env(CHILD, job).spawn().unwrap())
            }
            Sides::Alone => {
                let socket = context.socket(zmq::PAIR).unwrap();
                socket.connect(&endpoint).unwrap();
                Receiver::Alone(socket)
            }
        };
        let sample = size.sample();
        let message = match &sample {
            Sample::One(object, _) => MsgPack::new().encode(object),
            Sample::Many(object, _) => MsgPack::new().encode(object),
        }
        .unwrap();
        let mut frames = vec![message.metadata().to_vec()];
        frames.extend(message.buffers().iter().map(|buffer| buffer.to_vec()));
        let is_least = all.iter().any(|means| matches!(means, Means::Owned | Means::Least | Means::Checked));
        let least = is_least.then(|| RefCell::new(least::Sender::new(&frames)));
        Self { socket, sample, frames, least, count: Cell::new(None), receiver, _directory: directory }
    }

    fn send(&self, means: Means, count: u64) {
        match (means, &self.sample) {
            (means, _) if means.is_raw() => (0..count).for_each(|_| raw::send(&self.socket, &self.frames)),
            (Means::Owned, _) => self.send_least(Metadata::ReadyMade, count),
            (Means::Least, _) => self.send_least(Metadata::RmpSerde, count),
            (Means::Checked, _) => self.send_least(Metadata::Checked, count),
            (Means::Naive, Sample::One(_, naive)) => (0..count).for_each(|_| send_naive(&self.socket, naive)),
            (Means::Naive, Sample::Many(_, naive)) => (0..count).for_each(|_| send_naive(&self.socket, naive)),
            (means, Sample::One(object, _)) => self.send_objects(means, object, count),
            (means, Sample::Many(object, _)) => self.send_objects(means, object, count),
        }
    }

    fn send_least(&self, metadata: Metadata, count: u64) {
        let mut sender = self.least.as_ref().unwrap().borrow_mut();
        (0..count).for_each(|_| sender.send(&self.socket, metadata));
    }

    fn send_objects<T: Serialize>(&self, means: Means, object: &T, count: u64) {
        let codec = means.codec();
        for _ in 0..count {
            match means {
                Means::InBand | Means::OutOfBand => self.socket.send_with(&codec, object).unwrap(),
                _ => self.socket.send_obj(object).unwrap(),
            }
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        turns::end(&self.socket);
        match &mut self.receiver {
            Receiver::Thread(handle) => handle.take().unwrap().join().unwrap(),
            Receiver::Process(child) => assert!(child.wait().unwrap().success()),
            Receiver::Alone(_) => {}
        }
    }
}

impl Pair {
    /// A line of its own for one means.
    pub(crate) fn new(means: Means, sides: Sides, transport: &str, size: Size) -> Self {
        Self::sharing(&[means], sides, transport, size).remove(0)
    }

    /// One for each means, all on the same sockets, in the same two heaps, to the same receiver.
    pub(crate) fn sharing(all: &[Means], sides: Sides, transport: &str, size: Size) -> Vec<Self> {
        let line = Rc::new(Line::new(all, sides, transport, size));
        all.iter().map(|&means| Self { means, line: line.clone(), faults: Faults::default() }).collect()
    }

    /// Page faults of the receiver's process per object.
    pub(crate) fn faults(&self) -> f64 {
        self.faults.per_object()
    }
}

impl Moves for Pair {
    fn run(&self, count: u64) -> Duration {
        let took = turns::lead(&self.line.socket, self.means as usize, count, || self.line.send(self.means, count));
        self.faults.add(took, count)
    }

    fn calibrate(&self, time: Duration) -> u64 {
        rounds::calibrate_once(&self.line.count, self, time)
    }
}

fn send_naive<T: Serialize>(socket: &zmq::Socket, object: &T) {
    let bytes = rmp_serde::to_vec_named(object).unwrap();
    socket.send(zmq::Message::from(bytes), 0).unwrap();
}

fn receive_naive<T: DeserializeOwned>(socket: &zmq::Socket) -> T {
    let message = socket.recv_msg(0).unwrap();
    rmp_serde::from_slice(&message).unwrap()
}

/// Runs the receiver's side and exits, when this process was started for that.
pub(crate) fn receive_if_child() {
    let Ok(job) = env::var(CHILD) else { return };
    let words: Vec<_> = job.split(' ').collect();
    let size = Size { buffers: words[2].parse().unwrap(), bytes: words[3].parse().unwrap() };
    if words[0] == "true" {
        assert_eq!(memory::keep_freed_pages(), memory::Tuning::Applied);
    }
    receive(&zmq::Context::new(), words[4], words[1].parse().unwrap(), size);
    std::process::exit(0);
}

fn configure(socket: &zmq::Socket, high_water_mark: i32) {
    socket.set_sndhwm(high_water_mark).unwrap();
    socket.set_rcvhwm(high_water_mark).unwrap();
    socket.set_linger(0).unwrap();
}

fn receive(context: &zmq::Context, endpoint: &str, high_water_mark: i32, size: Size) {
    let socket = context.socket(zmq::PAIR).unwrap();
    configure(&socket, high_water_mark);
    socket.connect(endpoint).unwrap();
    turns::follow(&socket, |means| receive_one(&socket, Means::ALL[means], size));
}

fn receive_one(socket: &zmq::Socket, means: Means, size: Size) {
    let received = match (means, size.buffers) {
        (means, _) if means.is_raw() => raw::receive(socket),
        (Means::Owned, _) => least::receive(socket, Metadata::ReadyMade, size.buffers),
        (Means::Least, _) => least::receive(socket, Metadata::RmpSerde, size.buffers),
        (Means::Checked, _) => least::receive(socket, Metadata::Checked, size.buffers),
        (Means::Naive, 1) => receive_naive::<Object<ByteBuf>>(socket).payload.len(),
        (Means::Naive, _) => {
            receive_naive::<Object<Vec<ByteBuf>>>(socket).payload.iter().map(|buffer| buffer.len()).sum()
        }
        (_, 1) => socket.recv_obj::<Object<Buffer>>().unwrap().payload.len(),
        (_, _) => socket.recv_obj::<Object<Vec<Buffer>>>().unwrap().payload.iter().map(Buffer::len).sum(),
    };
    assert!(received == size.total() || means.is_raw() && received > size.total());
}

/// Moves `count` objects over inproc on this thread alone, to count instructions: the difference of two counts, by theirs.
pub(crate) fn alone(means: &str, size: Size, count: usize) {
    let means = Means::ALL.into_iter().find(|one| format!("{one:?}") == means).unwrap();
    let line = Line::new(&[means], Sides::Alone, "inproc", size);
    let Receiver::Alone(socket) = &line.receiver else { unreachable!("it is on this thread") };
    for _ in 0..count {
        line.send(means, 1);
        receive_one(socket, means, size);
    }
}

pub(crate) fn human(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..0x10_0000 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}
