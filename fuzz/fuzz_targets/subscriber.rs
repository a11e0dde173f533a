//! Any publisher at all: what a subscriber is told of a stream has numbers without a hole and without a repetition, whatever it was sent.

#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use outband::Value;
use outband::feed::{Event, Start, Subscriber, SubscriberOptions};
use outband_fuzz::check::refused;
use outband_fuzz::input::Number;

#[derive(Arbitrary, Debug)]
struct Input<'d> {
    start: Begin,
    conflates: bool,
    recovers: bool,
    pending: u8,
    attempts: u8,
    actions: Vec<Action<'d>>,
}

#[derive(Arbitrary, Debug)]
enum Begin {
    Now,
    Last(u8),
    All,
    From(u8, u8),
    Far(u64, u64),
}

#[derive(Arbitrary, Debug)]
enum Action<'d> {
    Live(Header, u8, &'d [u8]),
    LiveFrames(Vec<&'d [u8]>),
    /// As an answer to the latest request.
    Answer(Header, &'d [u8]),
    AnswerFrames(Vec<&'d [u8]>),
    Receive,
    Unsubscribe,
    Subscribe(Begin),
}

/// Small numbers meet each other.
#[derive(Arbitrary, Debug)]
struct Header {
    kind: u8,
    epoch: u8,
    number: Number,
    first: Number,
    request: Option<u8>,
}

impl Header {
    fn bytes(&self, asked: u64) -> Vec<u8> {
        let kind = 1 + self.kind % 5;
        let mut bytes = vec![b'F', 2, kind];
        let request = self.request.map_or(asked, u64::from);
        let rest: &[u64] = match kind {
            2 => &[self.first.get()],
            3 => &[request],
            4 => &[self.first.get(), request],
            _ => &[],
        };
        for number in [self.epoch.into(), self.number.get(), 1_700_000_000_000_000].iter().chain(rest) {
            bytes.extend(u64::to_le_bytes(*number));
        }
        bytes
    }
}

impl Begin {
    fn start(&self) -> Start {
        match *self {
            Self::Now => Start::Now,
            Self::Last(count) => Start::Last(count.into()),
            Self::All => Start::All,
            Self::From(epoch, number) => Start::From { epoch: epoch.into(), number: number.into() },
            Self::Far(epoch, number) => Start::From { epoch, number },
        }
    }
}

static CONTEXT: LazyLock<zmq::Context> = LazyLock::new(zmq::Context::new);
static COUNT: AtomicU64 = AtomicU64::new(0);

const TAKEN: &str = "libzmq takes it";

fuzz_target!(|input: Input<'_>| {
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let socket = |kind| {
        let socket = CONTEXT.socket(kind).expect(TAKEN);
        socket.set_linger(0).expect(TAKEN);
        socket.set_rcvtimeo(60_000).expect(TAKEN);
        socket
    };
    let (live, recovery) = (socket(zmq::XPUB), socket(zmq::ROUTER));
    let (listening, asking) = (socket(zmq::SUB), socket(zmq::DEALER));
    asking.set_identity(b"me").expect(TAKEN);
    let [at, by] = ["live", "recovery"].map(|what| format!("inproc://{what}-{number}"));
    live.bind(&at).expect(TAKEN);
    recovery.bind(&by).expect(TAKEN);
    listening.connect(&at).expect(TAKEN);
    asking.connect(&by).expect(TAKEN);
    let mut options = SubscriberOptions::new()
        .pending_messages(1 + usize::from(input.pending))
        .recovery_timeout(Duration::from_secs(60))
        .recovery_attempts(input.attempts.into());
    if input.conflates {
        options = options.conflate();
    }
    let mut subscriber =
        Subscriber::over(listening, input.recovers.then_some(asking), options).expect("sockets that fit");
    subscriber.subscribe_from("", input.start.start()).expect("a name");
    live.recv_bytes(0).expect("the subscription");

    let (mut told, mut asked) = (Told::default(), 0);
    for action in &input.actions {
        match action {
            Action::Live(header, stream, object) => {
                let topic = [&[b'a' + stream % 2, 0][..], &header.bytes(asked)].concat();
                live.send_multipart([&topic[..], object], 0).expect(TAKEN);
            }
            Action::LiveFrames(frames) if !frames.is_empty() => live.send_multipart(frames, 0).expect(TAKEN),
            Action::Answer(header, object) => {
                recovery.send_multipart([b"me", &header.bytes(asked)[..], object], 0).expect(TAKEN);
            }
            Action::AnswerFrames(frames) if !frames.is_empty() => {
                recovery.send_multipart([&[&b"me"[..]], &frames[..]].concat(), 0).expect(TAKEN);
            }
            Action::LiveFrames(_) | Action::AnswerFrames(_) => {}
            Action::Receive => told.receive(&mut subscriber),
            Action::Unsubscribe => {
                subscriber.unsubscribe("").expect(TAKEN);
                told = Told::default();
            }
            Action::Subscribe(begin) => subscriber.subscribe_from("", begin.start()).expect(TAKEN),
        }
        while let Ok(request) = recovery.recv_multipart(zmq::DONTWAIT) {
            assert!(request.len() == 4 && request[1].starts_with(b"F\x02\x05"), "{request:?}");
            asked = request[1].get(11..).and_then(|id| id.first_chunk()).map_or(0, |id| u64::from_le_bytes(*id));
        }
    }
    // no more than so many events come of one message
    for _ in 0..input.actions.len() * 4 + 10 {
        told.receive(&mut subscriber);
    }
    for name in subscriber.streams() {
        let _ = (subscriber.statistics(name), subscriber.resume_point(name));
    }
});

/// For each stream the epoch and the number that has to come next.
#[derive(Default)]
struct Told(BTreeMap<String, (u64, u64)>);

impl Told {
    fn receive(&mut self, subscriber: &mut Subscriber) {
        let event = match subscriber.try_recv::<Value>() {
            Ok(event) => event,
            Err(error) => return assert!(error.is_timeout(), "{error}"),
        };
        let stream = event.stream().map(|stream| stream.to_string()).unwrap_or_default();
        let shown = format!("{event:?}");
        match event {
            Event::Joined { epoch, from, .. } => {
                assert!(self.0.insert(stream, (epoch, from)).is_none(), "joined twice: {shown}");
            }
            Event::Data { epoch, number, skipped, .. } => self.next(&stream, epoch, number - skipped, number, &shown),
            Event::Undecodable { epoch, number, skipped, error, .. } => {
                refused(&error);
                self.next(&stream, epoch, number - skipped, number, &shown);
            }
            Event::Gap { epoch, from, to, .. } => self.next(&stream, epoch, from, to, &shown),
            Event::Reset { epoch, previous, .. } => {
                let before = self.0.insert(stream, (epoch, 1));
                assert!(before.is_none_or(|(epoch, _)| epoch == previous) && epoch != previous, "{shown} {before:?}");
            }
            Event::Returned { epoch, previous, from, .. } => {
                let before = self.0.insert(stream, (epoch, from));
                assert!(before.is_some_and(|(epoch, _)| epoch == previous) && epoch != previous, "{shown} {before:?}");
            }
            Event::Malformed { error } => refused(&error),
            _ => {}
        }
    }

    fn next(&mut self, stream: &str, epoch: u64, from: u64, to: u64, shown: &str) {
        let expected = self.0.get_mut(stream).unwrap_or_else(|| panic!("not joined: {shown}"));
        assert!(*expected == (epoch, from) && from <= to, "{shown}, and {expected:?} is next");
        *expected = (epoch, to + 1);
    }
}
