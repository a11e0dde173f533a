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

use std::cell::RefCell;
use std::env;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use outband::{Buffer, Encode, MsgPack, SocketExt, memory};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use least::Metadata;
use paired::Ratio;
pub(crate) use paired::median;

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
    /// As `Raw`, and the buffer's frame has an owner that libzmq tells when it is done.
    Owned,
    /// As `Owned`, and rmp-serde encodes and decodes the metadata: see [`least`].
    Least,
    /// `send_obj` and `recv_obj`.
    Outband,
    /// As `Outband`, and the receiving process keeps freed pages.
    OutbandKept,
    /// rmp-serde with everything in band, `zmq::Message::from`, and `rmp_serde::from_slice`.
    Naive,
    /// `Outband` with a fixed placement, for the threshold.
    InBand,
    OutOfBand,
}

impl Means {
    const ALL: [Self; 8] = [
        Self::Raw,
        Self::Owned,
        Self::Least,
        Self::Outband,
        Self::OutbandKept,
        Self::Naive,
        Self::InBand,
        Self::OutOfBand,
    ];

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
    fn high_water_mark(self, means: Means, is_inproc: bool) -> i32 {
        if is_inproc && means != Means::Naive {
            return 1000;
        }
        ((256 << 20) / self.total().max(1)).clamp(2, 1000) as i32
    }
}

/// Something that moves objects when it is its turn.
pub(crate) trait Moves {
    /// Moves `count` objects and returns the time it took.
    fn run(&self, count: u64) -> Duration;
}

impl<M: Moves + ?Sized> Moves for Box<M> {
    fn run(&self, count: u64) -> Duration {
        (**self).run(count)
    }
}

/// A sender, and a receiver in another thread or process.
pub(crate) struct Pair {
    means: Means,
    socket: zmq::Socket,
    sample: Sample,
    frames: Vec<Vec<u8>>,
    least: Option<RefCell<least::Sender>>,
    receiver: Receiver,
}

enum Receiver {
    Thread(Option<thread::JoinHandle<()>>),
    Process(Child),
}

const CHILD: &str = "OUTBAND_BENCH_RECEIVER";

impl Pair {
    pub(crate) fn new(means: Means, sides: Sides, transport: &str, size: Size) -> Self {
        let context = zmq::Context::new();
        let socket = context.socket(zmq::PAIR).unwrap();
        configure(&socket, size.high_water_mark(means, transport == "inproc"));
        let directory = env::temp_dir().display().to_string();
        let unique = format!("{}-{:?}-{}", std::process::id(), means, Instant::now().elapsed().as_nanos());
        socket
            .bind(&match transport {
                "tcp" => "tcp://127.0.0.1:*".to_owned(),
                "ipc" => format!("ipc://{directory}/outband-bench-{unique}"),
                _ => format!("inproc://{unique}"),
            })
            .unwrap();
        let endpoint = socket.get_last_endpoint().unwrap().unwrap();
        let receiver = match sides {
            Sides::Threads => Receiver::Thread(Some(thread::spawn({
                let context = context.clone();
                move || receive(&context, &endpoint, means, size)
            }))),
            Sides::Processes => {
                let job = format!("{means:?} {} {} {endpoint}", size.buffers, size.bytes);
                Receiver::Process(Command::new(env::current_exe().unwrap()).env(CHILD, job).spawn().unwrap())
            }
        };
        let sample = size.sample();
        let message = match &sample {
            Sample::One(object, _) => means.codec().encode(object),
            Sample::Many(object, _) => means.codec().encode(object),
        }
        .unwrap();
        let mut frames = vec![message.metadata().to_vec()];
        frames.extend(message.buffers().iter().map(|buffer| buffer.to_vec()));
        let is_least = matches!(means, Means::Owned | Means::Least);
        let least = is_least.then(|| RefCell::new(least::Sender::new(&frames)));
        Self { means, socket, sample, frames, least, receiver }
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

impl Moves for Pair {
    fn run(&self, count: u64) -> Duration {
        self.socket.send(&count.to_le_bytes()[..], 0).unwrap();
        self.socket.recv_bytes(0).unwrap(); // the receiver is ready
        let started = Instant::now();
        match (self.means, &self.sample) {
            (Means::Raw, _) => (0..count).for_each(|_| raw::send(&self.socket, &self.frames)),
            (Means::Owned, _) => self.send_least(Metadata::ReadyMade, count),
            (Means::Least, _) => self.send_least(Metadata::RmpSerde, count),
            (Means::Naive, Sample::One(_, naive)) => (0..count).for_each(|_| send_naive(&self.socket, naive)),
            (Means::Naive, Sample::Many(_, naive)) => (0..count).for_each(|_| send_naive(&self.socket, naive)),
            (means, Sample::One(object, _)) => self.send_objects(means, object, count),
            (means, Sample::Many(object, _)) => self.send_objects(means, object, count),
        }
        self.socket.recv_bytes(0).unwrap(); // the receiver has them all
        started.elapsed()
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

impl Drop for Pair {
    fn drop(&mut self) {
        self.socket.send(&0_u64.to_le_bytes()[..], 0).unwrap();
        match &mut self.receiver {
            Receiver::Thread(handle) => handle.take().unwrap().join().unwrap(),
            Receiver::Process(child) => assert!(child.wait().unwrap().success()),
        }
    }
}

/// Runs the receiver's side and exits, when this process was started for that.
pub(crate) fn receive_if_child() {
    let Ok(job) = env::var(CHILD) else { return };
    let words: Vec<_> = job.split(' ').collect();
    let means = Means::ALL.into_iter().find(|means| format!("{means:?}") == words[0]).unwrap();
    let size = Size { buffers: words[1].parse().unwrap(), bytes: words[2].parse().unwrap() };
    if means == Means::OutbandKept {
        assert_eq!(memory::keep_freed_pages(), memory::Tuning::Applied);
    }
    receive(&zmq::Context::new(), words[3], means, size);
    std::process::exit(0);
}

fn configure(socket: &zmq::Socket, high_water_mark: i32) {
    socket.set_sndhwm(high_water_mark).unwrap();
    socket.set_rcvhwm(high_water_mark).unwrap();
    socket.set_linger(0).unwrap();
}

fn receive(context: &zmq::Context, endpoint: &str, means: Means, size: Size) {
    let socket = context.socket(zmq::PAIR).unwrap();
    configure(&socket, size.high_water_mark(means, endpoint.starts_with("inproc")));
    socket.connect(endpoint).unwrap();
    loop {
        let count = u64::from_le_bytes(socket.recv_bytes(0).unwrap()[..].try_into().unwrap());
        if count == 0 {
            return;
        }
        socket.send(&b"!"[..], 0).unwrap();
        for _ in 0..count {
            let received = match (means, size.buffers) {
                (Means::Raw, _) => raw::receive(&socket),
                (Means::Owned, _) => least::receive(&socket, Metadata::ReadyMade),
                (Means::Least, _) => least::receive(&socket, Metadata::RmpSerde),
                (Means::Naive, 1) => receive_naive::<Object<ByteBuf>>(&socket).payload.len(),
                (Means::Naive, _) => {
                    receive_naive::<Object<Vec<ByteBuf>>>(&socket).payload.iter().map(|b| b.len()).sum()
                }
                (_, 1) => socket.recv_obj::<Object<Buffer>>().unwrap().payload.len(),
                (_, _) => socket.recv_obj::<Object<Vec<Buffer>>>().unwrap().payload.iter().map(Buffer::len).sum(),
            };
            assert!(received == size.total() || means == Means::Raw && received > size.total());
        }
        socket.send(&b"!"[..], 0).unwrap();
    }
}

/// Seconds per object of each pair: the pairs run in turn, round by round.
pub(crate) struct Rounds(Vec<Vec<f64>>);

impl Rounds {
    /// Lets each pair run for about `time` per round.
    pub(crate) fn run(pairs: &[impl Moves], rounds: usize, time: Duration) -> Self {
        let counts: Vec<u64> = pairs.iter().map(|pair| calibrate(pair, time)).collect();
        let mut seconds = vec![Vec::new(); pairs.len()];
        for round in 0..rounds {
            for turn in 0..pairs.len() {
                // nobody always runs after the same neighbour
                let index = if round % 2 == 0 { turn } else { pairs.len() - 1 - turn };
                seconds[index].push(pairs[index].run(counts[index]).as_secs_f64() / counts[index] as f64);
            }
        }
        Self(seconds)
    }

    /// The median of one pair's seconds per object.
    pub(crate) fn median(&self, index: usize) -> f64 {
        median(self.0[index].clone())
    }

    /// The median over the rounds of how many times as fast `index` was as `other`.
    pub(crate) fn ratio(&self, index: usize, other: usize) -> f64 {
        self.interval(index, other).median
    }

    /// As [`ratio`](Self::ratio), with how far to trust it.
    pub(crate) fn interval(&self, index: usize, other: usize) -> Ratio {
        Ratio::of(self.0[index].iter().zip(&self.0[other]).map(|(own, other)| other / own).collect())
    }
}

fn calibrate(pair: &impl Moves, time: Duration) -> u64 {
    let mut count = 4;
    loop {
        let took = pair.run(count);
        if took * 5 > time {
            return ((count as f64 * time.as_secs_f64() / took.as_secs_f64()) as u64).max(2);
        }
        count *= 4;
    }
}

pub(crate) fn human(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..0x10_0000 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}
