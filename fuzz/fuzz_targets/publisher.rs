//! Any subscriber at all: whatever it asks and subscribes to, a publisher goes on, and answers who asks as one should.

#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use outband::feed::{Publisher, PublisherOptions};
use outband_fuzz::input::Number;

#[derive(Arbitrary, Debug)]
enum Action<'d> {
    Frames(Vec<&'d [u8]>),
    Request { epoch: Option<u64>, id: u8, messages: Number, bytes: Number, stream: u8, ranges: Vec<(Number, Number)> },
    Subscribe(&'d [u8]),
    Publish(u8, u16),
}

const EPOCH: u64 = 77;
const TAKEN: &str = "libzmq takes it";

static CONTEXT: LazyLock<zmq::Context> = LazyLock::new(zmq::Context::new);

static PUBLISHER: LazyLock<Publisher> = LazyLock::new(|| {
    let options = PublisherOptions::new().epoch(EPOCH).cache_messages(50).cache_bytes(1 << 20);
    let publisher = Publisher::bind_with(&CONTEXT, "inproc://live", "inproc://recovery", options).expect("endpoints");
    publisher.publish("a", &0).expect("a name");
    publisher
});

fn socket(kind: zmq::SocketType, endpoint: &str) -> zmq::Socket {
    let socket = CONTEXT.socket(kind).expect(TAKEN);
    socket.set_linger(0).expect(TAKEN);
    socket.set_rcvtimeo(60_000).expect(TAKEN);
    socket.connect(endpoint).expect(TAKEN);
    socket
}

fn request(epoch: u64, id: u64, messages: u64, bytes: u64, stream: &[u8], ranges: &[(u64, u64)]) -> Vec<Vec<u8>> {
    let mut header = vec![b'F', 2, 5];
    header.extend([epoch, id, messages, bytes].into_iter().flat_map(u64::to_le_bytes));
    vec![header, stream.to_vec(), ranges.iter().flat_map(|&(from, to)| [from, to]).flat_map(u64::to_le_bytes).collect()]
}

fuzz_target!(|actions: Vec<Action<'_>>| {
    let publisher = &*PUBLISHER;
    let (asking, listening) = (socket(zmq::DEALER, "inproc://recovery"), socket(zmq::XSUB, "inproc://live"));
    for action in &actions {
        match action {
            Action::Frames(frames) if !frames.is_empty() => asking.send_multipart(frames, 0).expect(TAKEN),
            Action::Frames(_) => {}
            Action::Request { epoch, id, messages, bytes, stream, ranges } => {
                let ranges: Vec<_> = ranges.iter().map(|(from, to)| (from.get(), to.get())).collect();
                let stream = [b'a' + stream % 3];
                let frames =
                    request(epoch.unwrap_or(EPOCH), (*id).into(), messages.get(), bytes.get(), &stream, &ranges);
                asking.send_multipart(frames, 0).expect(TAKEN);
            }
            Action::Subscribe(frame) => listening.send(*frame, 0).expect(TAKEN),
            Action::Publish(stream, len) => {
                let stream = ["a", "b"][usize::from(stream % 2)];
                publisher.publish(stream, &vec![7_u8; (*len).into()]).expect("a name");
            }
        }
    }
    // who asks as one should is answered
    let sane = socket(zmq::DEALER, "inproc://recovery");
    let last = publisher.publish("a", &1).expect("a name");
    sane.send_multipart(request(EPOCH, 1 << 40, 10, 1 << 20, b"a", &[(last, last)]), 0).expect(TAKEN);
    let answers: Vec<_> = (0..2).map(|_| sane.recv_multipart(0).expect("an answer")).collect();
    assert!(answers[0][0].starts_with(b"F\x02\x03") && answers[1][0].starts_with(b"F\x02\x04"), "{answers:?}");
    // and what the other one was answered is well-formed
    while let Ok(answer) = asking.recv_multipart(zmq::DONTWAIT) {
        assert!(matches!(answer[0][..], [b'F', 2, 3 | 4, ..]), "{answer:?}");
    }
});
