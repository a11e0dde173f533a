//! Any worker at all: whatever it says, a dispatcher goes on, and every task is somewhere.

#![no_main]

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use outband::Limits;
use outband::pipeline::{Dispatcher, DispatcherOptions};
use rmp::encode::{write_array_len, write_nil, write_str, write_uint};

#[derive(Arbitrary, Debug)]
enum Action<'d> {
    Frames(bool, Vec<&'d [u8]>),
    Hello {
        which: bool,
        worker: u8,
        session: u8,
        messages: Number,
        bytes: Number,
    },
    Beat {
        which: bool,
        session: u8,
        messages: Number,
        bytes: Number,
        waiting: Vec<Number>,
        busy: Option<(Number, Vec<Number>)>,
    },
    Result {
        which: bool,
        results: Vec<(Number, u8, u8)>,
        frames: Vec<&'d [u8]>,
    },
    Nak {
        which: bool,
        task: Number,
        delivery: u8,
        fault: u8,
        delay: Option<u16>,
        reason: &'d str,
    },
    Progress {
        which: bool,
        task: Number,
        delivery: u8,
    },
    Bye(bool),
    Read,
    Submit(u8, &'d [u8]),
    CancelAll,
}

/// Numbers of tasks count from the first one of the input.
#[derive(Arbitrary, Debug)]
enum Number {
    Near(u8),
    Far(u64),
}

impl Number {
    fn get(&self, from: u64) -> u64 {
        match *self {
            Self::Near(number) => from + u64::from(number),
            Self::Far(number) => number,
        }
    }
}

const TAKEN: &str = "libzmq takes it";

static CONTEXT: LazyLock<zmq::Context> = LazyLock::new(zmq::Context::new);

static DISPATCHER: LazyLock<Dispatcher> = LazyLock::new(|| {
    let options = DispatcherOptions::new()
        .heartbeat(Duration::from_millis(20))
        .liveness(Duration::from_millis(100))
        .lease(Duration::from_millis(50))
        .retry_after(Duration::from_millis(1))
        .task_bytes(1 << 16)
        .workers(1000)
        .limits(Limits::new().frames(8).total_bytes(1000).metadata_bytes(1000));
    Dispatcher::bind(&CONTEXT, "inproc://dispatcher", options).expect("an endpoint")
});

struct Header(Vec<u8>);

impl Header {
    fn new(len: usize, name: &str) -> Self {
        let mut header = Self(Vec::new());
        header.array(len);
        write_str(&mut header.0, name).expect(TAKEN);
        header
    }

    fn array(&mut self, len: usize) -> &mut Self {
        write_array_len(&mut self.0, len as u32).expect(TAKEN);
        self
    }

    fn numbers(&mut self, numbers: impl IntoIterator<Item = u64>) -> &mut Self {
        for number in numbers {
            write_uint(&mut self.0, number).expect(TAKEN);
        }
        self
    }
}

fn socket() -> zmq::Socket {
    let socket = CONTEXT.socket(zmq::DEALER).expect(TAKEN);
    socket.set_linger(0).expect(TAKEN);
    socket.set_rcvtimeo(60_000).expect(TAKEN);
    socket.connect(DISPATCHER.endpoint()).expect(TAKEN);
    socket
}

/// What a sane worker says first.
fn hello(worker: u64, session: u64, messages: u64, bytes: u64) -> Vec<u8> {
    let mut header = Header::new(8, "hello");
    header.numbers([1, worker, session]);
    write_str(&mut header.0, "fuzz").expect(TAKEN);
    header.numbers([messages, bytes, 1 << 20]);
    header.0
}

/// Reads all answers; the epoch, where a welcome says it.
fn read(socket: &zmq::Socket, epoch: &mut u64) {
    while let Ok(frames) = socket.recv_multipart(zmq::DONTWAIT) {
        let mut header = &frames[0][..];
        let _ = rmp::decode::read_array_len(&mut header).expect("an array");
        let (name, mut rest) = rmp::decode::read_str_from_slice(header).expect("a name");
        if name == "welcome" {
            let numbers: [u64; 3] = [(); 3].map(|()| rmp::decode::read_int(&mut rest).expect("a number"));
            *epoch = numbers[2];
        }
    }
}

fn whole(dispatcher: &Dispatcher) {
    let stats = dispatcher.stats();
    let sum = stats.done + stats.dead + stats.cancelled + stats.waiting + stats.delayed + stats.in_flight;
    assert_eq!(stats.submitted, sum, "{stats:?}");
}

fuzz_target!(|actions: Vec<Action<'_>>| {
    let dispatcher = &*DISPATCHER;
    let (pair, mut epoch, from) = ([socket(), socket()], 0, dispatcher.stats().submitted);
    let (mut submitted, of) = (Vec::new(), |which: &bool| &pair[usize::from(*which)]);
    for action in &actions {
        match action {
            Action::Frames(which, frames) if !frames.is_empty() => of(which).send_multipart(frames, 0).expect(TAKEN),
            Action::Frames(..) => {}
            Action::Hello { which, worker, session, messages, bytes } => {
                let header = hello((*worker).into(), (*session).into(), messages.get(0), bytes.get(0));
                of(which).send(header, 0).expect(TAKEN);
                // it has to be welcome to go on
                std::thread::yield_now();
            }
            Action::Beat { which, session, messages, bytes, waiting, busy } => {
                let mut header = Header::new(if busy.is_some() { 7 } else { 5 }, "beat");
                header.numbers([(*session).into(), messages.get(0), bytes.get(0)]);
                header.array(waiting.len()).numbers(waiting.iter().map(|task| task.get(from)));
                if let Some((clock, busy)) = busy {
                    header.numbers([clock.get(0)]).array(busy.len()).numbers(busy.iter().map(|task| task.get(from)));
                }
                of(which).send(header.0, 0).expect(TAKEN);
            }
            Action::Result { which, results, frames } => {
                let mut header = Header::new(2 + results.len(), "result");
                header.numbers([epoch]);
                for (task, delivery, count) in results {
                    header.array(3).numbers([task.get(from), (*delivery).into(), (*count).into()]);
                }
                of(which).send_multipart([&[&header.0[..]], &frames[..]].concat(), 0).expect(TAKEN);
            }
            Action::Nak { which, task, delivery, fault, delay, reason } => {
                let mut header = Header::new(7, "nak");
                header.numbers([epoch, task.get(from), (*delivery).into()]);
                let fault = ["failed", "rejected", "returned"][usize::from(fault % 3)];
                write_str(&mut header.0, fault).expect(TAKEN);
                match delay {
                    Some(delay) => drop(header.numbers([(*delay).into()])),
                    None => write_nil(&mut header.0).expect(TAKEN),
                }
                write_str(&mut header.0, reason).expect(TAKEN);
                of(which).send(header.0, 0).expect(TAKEN);
            }
            Action::Progress { which, task, delivery } => {
                let mut header = Header::new(4, "progress");
                header.numbers([epoch, task.get(from), (*delivery).into()]);
                of(which).send(header.0, 0).expect(TAKEN);
            }
            Action::Bye(which) => of(which).send(Header::new(1, "bye").0, 0).expect(TAKEN),
            Action::Read => {
                // answered, so all before it was read
                welcomed();
                pair.iter().for_each(|socket| read(socket, &mut epoch));
            }
            Action::Submit(count, object) => {
                submitted.extend((0..count % 4).filter_map(|_| dispatcher.try_submit(object).ok()));
            }
            Action::CancelAll => submitted.iter().for_each(|task| dispatcher.cancel(*task)),
        }
        whole(dispatcher);
    }
    pair.iter().for_each(|socket| socket.send(Header::new(1, "bye").0, 0).expect(TAKEN));
    welcomed();
    submitted.iter().for_each(|task| dispatcher.cancel(*task));
    while let Ok(Some(_)) = dispatcher.try_recv() {}
    whole(dispatcher);
});

/// Who says hello as one should is answered.
fn welcomed() {
    // a worker of its own each time, as a session that was given up is not welcome again
    static WORKERS: AtomicU64 = AtomicU64::new(1 << 40);
    let sane = socket();
    sane.send(hello(WORKERS.fetch_add(1, Ordering::Relaxed), 1, 0, 0), 0).expect(TAKEN);
    let answer = sane.recv_multipart(0).expect("an answer");
    assert!(answer[0][1..].starts_with(b"\xa7welcome"), "{answer:?}");
    sane.send(Header::new(1, "bye").0, 0).expect(TAKEN);
}
