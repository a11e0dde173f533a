//! What stands on the wire of a feed: golden frames, and peers that are no subscribers.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use outband::SocketExt;
use outband::feed::{
    Event, Lost, Origin, Publisher, PublisherOptions, Start, StreamStatistics, Subscriber, SubscriberOptions,
};

use crate::python::Script;

/// Nothing in a passing test takes this long.
const LONG: i32 = 60_000;
const EPOCH: u64 = 1_700_000_000_000_000;
const STREAM: &str = "weather/oslo";

/// The frames of a golden message.
fn golden(name: &str) -> Vec<Vec<u8>> {
    let mut lines = include_str!("../golden/feed.txt").lines();
    let message = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let frames = message.split('|').map(|frame| frame.replace(' ', ""));
    frames.map(|frame| frame.as_bytes().chunks(2).map(byte).collect()).collect()
}

/// The same but for the time, which begins at byte `at` of the first frame.
fn timeless(mut frames: Vec<Vec<u8>>, at: usize) -> Vec<Vec<u8>> {
    frames[0][at..at + 8].fill(0);
    frames
}

/// Where times begin in a topic frame, and in an answer.
const IN_TOPIC: usize = STREAM.len() + 1 + IN_ANSWER;
const IN_ANSWER: usize = 19;

fn socket(context: &zmq::Context, kind: zmq::SocketType) -> zmq::Socket {
    let socket = context.socket(kind).unwrap();
    socket.set_rcvtimeo(LONG).unwrap();
    socket.set_linger(0).unwrap();
    socket
}

#[test]
fn a_publisher_sends_the_golden_frames() {
    let context = zmq::Context::new();
    let options = PublisherOptions::new().epoch(EPOCH).cache_messages(1).heartbeat(Duration::from_millis(50));
    let publisher = Publisher::bind_with(&context, "inproc://live", "inproc://recovery", options).unwrap();
    let (plain, asking) = (socket(&context, zmq::SUB), socket(&context, zmq::DEALER));
    plain.set_subscribe(STREAM.as_bytes()).unwrap();
    plain.connect("inproc://live").unwrap();
    asking.connect("inproc://recovery").unwrap();
    publisher.announce(STREAM).unwrap();
    plain.recv_multipart(0).unwrap();
    for degrees in [-3.5, -3.0, -2.5] {
        publisher.publish(STREAM, &degrees).unwrap();
    }
    let mut arrived = Vec::new();
    for name in ["data", "heartbeat"] {
        let expected = timeless(golden(name), IN_TOPIC);
        while arrived != expected {
            arrived = timeless(plain.recv_multipart(0).unwrap(), IN_TOPIC);
        }
    }
    asking.send_multipart(golden("request"), 0).unwrap();
    for name in ["recovered", "end"] {
        let answer = asking.recv_multipart(0).unwrap();
        assert_eq!(timeless(answer, IN_ANSWER), timeless(golden(name), IN_ANSWER), "{name}");
    }
}

#[test]
fn a_subscriber_follows_the_golden_frames() {
    let context = zmq::Context::new();
    let (live, recovery) = (socket(&context, zmq::XPUB), socket(&context, zmq::ROUTER));
    live.bind("inproc://live").unwrap();
    recovery.bind("inproc://recovery").unwrap();
    let mut subscriber = Subscriber::connect(&context, "inproc://live", "inproc://recovery").unwrap();
    subscriber.subscribe(STREAM).unwrap();
    assert_eq!(live.recv_bytes(0).unwrap(), [b"\x01", STREAM.as_bytes(), b"\0"].concat());
    live.send_multipart(golden("data"), 0).unwrap();
    live.send_multipart(golden("heartbeat"), 0).unwrap();
    let mut next = || subscriber.recv_within::<f64>(Duration::from_secs(60)).unwrap();
    assert!(matches!(next(), Event::Joined { epoch: EPOCH, from: 1, .. }));
    let event = next();
    let Event::Data { stream, epoch: EPOCH, number: 1, value: -3.5, sent, .. } = event else { panic!("{event:?}") };
    let since = sent.duration_since(UNIX_EPOCH).unwrap();
    assert_eq!((&*stream, since), (STREAM, Duration::from_micros(EPOCH + 1)));
    // it asks while it waits for more
    let (asked, told) = thread::scope(|scope| {
        let answering = scope.spawn(move || {
            let asked = recovery.recv_multipart(0).unwrap();
            for name in ["recovered", "end"] {
                recovery.send(&asked[0], zmq::SNDMORE).unwrap();
                recovery.send_multipart(golden(name), 0).unwrap();
            }
            asked
        });
        let told = [next(), next()];
        (answering.join().unwrap(), told)
    });
    assert_eq!(asked[1..], golden("request"));
    assert!(matches!(told[0], Event::Gap { from: 2, to: 2, why: Lost::Evicted, .. }), "{told:?}");
    assert!(matches!(told[1], Event::Data { number: 3, value: -2.5, origin: Origin::Recovered, .. }), "{told:?}");
}

/// A publisher by hand, an XPUB and a ROUTER, and a subscriber whose routing id is `me`.
fn by_hand(context: &zmq::Context, options: SubscriberOptions) -> (zmq::Socket, zmq::Socket, Subscriber) {
    let (live, recovery) = (socket(context, zmq::XPUB), socket(context, zmq::ROUTER));
    let (listening, asking) = (socket(context, zmq::SUB), socket(context, zmq::DEALER));
    recovery.set_router_mandatory(true).unwrap();
    asking.set_identity(b"me").unwrap();
    for (bound, connected, endpoint) in
        [(&live, &listening, "inproc://live"), (&recovery, &asking, "inproc://recovery")]
    {
        bound.bind(endpoint).unwrap();
        connected.connect(endpoint).unwrap();
    }
    (live, recovery, Subscriber::over(listening, Some(asking), options).unwrap())
}

/// Subscribes, and sees the subscription arrive.
fn subscribe(subscriber: &mut Subscriber, live: &zmq::Socket, stream: &str) {
    subscriber.subscribe(stream).unwrap();
    assert_eq!(live.recv_bytes(0).unwrap(), [b"\x01", stream.as_bytes(), b"\0"].concat());
}

/// Sends `me` a part of an answer.
fn answer(recovery: &zmq::Socket, frames: &[Vec<u8>]) {
    recovery.send_multipart([&[b"me".to_vec()], frames].concat(), 0).unwrap();
}

/// A header of this kind, with these numbers behind the epoch.
fn header(kind: u8, epoch: u64, numbers: &[u64]) -> Vec<u8> {
    let numbers = [epoch].into_iter().chain(numbers.iter().copied());
    [b'F', 2, kind].into_iter().chain(numbers.flat_map(u64::to_le_bytes)).collect()
}

#[test]
fn before_a_live_frame_nothing_is_asked_told_or_believed() {
    const OTHER: &str = "other";
    let context = zmq::Context::new();
    let options = SubscriberOptions::new().start(Start::All).recovery_timeout(Duration::from_millis(40));
    let (live, recovery, mut subscriber) = by_hand(&context, options);
    subscribe(&mut subscriber, &live, STREAM);
    // what answers its first request, before there is one
    answer(&recovery, &golden("recovered"));
    answer(&recovery, &golden("end"));
    // for longer than a request would wait to be asked again, and than the clock takes to be looked at
    let told = subscriber.recv_within::<f64>(Duration::from_millis(400));
    assert!(told.as_ref().is_err_and(outband::Error::is_timeout), "{told:?}");
    assert_eq!(recovery.poll(zmq::POLLIN, 0).unwrap(), 0, "it asked");
    assert_eq!(subscriber.resume_point(STREAM), None);
    // another stream is live and recovers, so answers are read
    subscribe(&mut subscriber, &live, OTHER);
    live.send([&b"other\0"[..], &header(2, EPOCH, &[1, 0, 1])].concat(), 0).unwrap();
    assert!(subscriber.try_recv::<f64>().unwrap_err().is_timeout());
    let asked = recovery.recv_multipart(0).unwrap();
    assert_eq!((asked.len(), &*asked[2]), (4, OTHER.as_bytes()));
    let request = u64::from_le_bytes(*asked[1][11..].first_chunk().unwrap());
    answer(&recovery, &[header(3, EPOCH, &[1, 0, request]), vec![7]]);
    let event = subscriber.try_recv::<u8>().unwrap();
    assert!(matches!(&event, Event::Joined { stream, from: 1, .. } if &**stream == OTHER), "{event:?}");
    let event = subscriber.try_recv::<u8>().unwrap();
    assert!(matches!(&event, Event::Data { stream, number: 1, .. } if &**stream == OTHER), "{event:?}");
    assert!(subscriber.try_recv::<f64>().unwrap_err().is_timeout());
    let counted = subscriber.statistics(STREAM).unwrap();
    assert_eq!((counted.late, counted.recovered, counted.requests, counted.last), (1, 0, 0, 0));
    assert_eq!(recovery.poll(zmq::POLLIN, 0).unwrap(), 0, "it asked");
    // one live frame, and it asks; it has joined when it knows with what
    live.send_multipart(golden("heartbeat"), 0).unwrap();
    assert!(subscriber.try_recv::<f64>().unwrap_err().is_timeout());
    let asked = recovery.recv_multipart(0).unwrap();
    assert_eq!((&asked[1][..11], &*asked[2]), (&header(5, EPOCH, &[])[..], STREAM.as_bytes()));
    assert_eq!(asked[3], [3_u64, 3].map(u64::to_le_bytes).concat());
    let request = u64::from_le_bytes(*asked[1][11..].first_chunk().unwrap());
    answer(&recovery, &[header(3, EPOCH, &[3, 0, request]), golden("recovered")[1].clone()]);
    let event = subscriber.try_recv::<f64>().unwrap();
    assert!(matches!(&event, Event::Joined { stream, from: 3, .. } if &**stream == STREAM), "{event:?}");
    let event = subscriber.try_recv::<f64>().unwrap();
    assert!(matches!(event, Event::Data { number: 3, value: -2.5, origin: Origin::Recovered, .. }), "{event:?}");
}

#[test]
fn every_count_of_a_stream_is_what_happened() {
    let context = zmq::Context::new();
    let options = SubscriberOptions::new().pending_messages(2).recovery_timeout(Duration::from_secs(600));
    let (live, recovery, mut subscriber) = by_hand(&context, options.stale_after(Duration::from_millis(500)));
    subscribe(&mut subscriber, &live, "a");
    let data = |epoch: u64, number: u64, text: &str| {
        let topic = [&b"a\0"[..], &header(1, epoch, &[number, 0])].concat();
        live.send_multipart([topic, outband::to_multipart(text).unwrap().metadata().to_vec()], 0).unwrap();
    };
    let beat = |epoch: u64, last: u64, first: u64| {
        live.send([&b"a\0"[..], &header(2, epoch, &[last, 0, first])].concat(), 0).unwrap();
    };
    let recovered = |epoch: u64, number: u64, request: u64, text: &str| {
        let metadata = outband::to_multipart(text).unwrap().metadata().to_vec();
        answer(&recovery, &[header(3, epoch, &[number, 0, request]), metadata]);
    };
    let end = |epoch: u64, last: u64, first: u64, request: u64| {
        answer(&recovery, &[header(4, epoch, &[last, 0, first, request])]);
    };
    // how often it was silent depends on the machine, and so on what was told
    let mut stale = 0;
    let mut told = |subscriber: &mut Subscriber, expected: &[&str]| {
        let mut told = Vec::new();
        loop {
            told.push(match subscriber.try_recv::<String>() {
                Ok(Event::Stale { .. }) => {
                    stale += 1;
                    continue;
                }
                Ok(Event::Resumed { .. }) => continue,
                Ok(Event::Joined { from, .. }) => format!("joined {from}"),
                Ok(Event::Data { number, .. }) => number.to_string(),
                Ok(Event::Gap { from, to, .. }) => format!("lost {from}-{to}"),
                Ok(Event::Reset { .. }) => "reset".to_owned(),
                Ok(event) => panic!("{event:?}"),
                Err(error) if error.is_timeout() => break,
                Err(error) => panic!("{error}"),
            });
        }
        assert_eq!(told, expected);
        stale
    };
    let mut counted = StreamStatistics::default();
    assert_eq!(subscriber.statistics("a").unwrap(), counted);

    beat(EPOCH, 0, 1);
    data(EPOCH, 1, "one");
    data(EPOCH, 1, "again");
    data(EPOCH - 1, 1, "of another epoch");
    for number in 3..=5 {
        data(EPOCH, number, "early");
    }
    counted.stale = told(&mut subscriber, &["joined 1", "1"]);
    (counted.heartbeats, counted.live, counted.duplicates, counted.late) = (1, 5, 1, 1);
    (counted.delivered, counted.bytes) = (1, 4);
    // 3 and 4 wait for 2, and there is no room for 5
    (counted.pending, counted.overflowed, counted.requests, counted.last) = (2, 1, 1, 5);
    assert_eq!(subscriber.statistics("a").unwrap(), counted);

    recovered(EPOCH, 2, 0, "the second");
    counted.stale = told(&mut subscriber, &["2", "3", "4"]);
    (counted.delivered, counted.bytes, counted.recovered, counted.pending) = (4, 4 + 11 + 2 * 6, 1, 0);
    assert_eq!(subscriber.statistics("a").unwrap(), counted);

    recovered(EPOCH, 2, 0, "twice");
    recovered(EPOCH, 9, 0, "that nobody asked for");
    recovered(EPOCH + 7, 5, 0, "of another epoch");
    end(EPOCH, 5, 1, 0);
    counted.stale = told(&mut subscriber, &[]);
    (counted.duplicates, counted.late, counted.requests) = (2, 3, 2);
    assert_eq!(subscriber.statistics("a").unwrap(), counted);

    beat(EPOCH, 8, 8);
    told(&mut subscriber, &[]);
    end(EPOCH, 8, 8, 1);
    counted.stale = told(&mut subscriber, &["lost 5-7"]);
    (counted.heartbeats, counted.requests, counted.gaps, counted.lost, counted.last) = (2, 3, 1, 3, 8);
    assert_eq!(subscriber.statistics("a").unwrap(), counted);

    // what is missing when the publisher restarts is lost
    beat(EPOCH + 1, 0, 1);
    data(EPOCH + 2, 1, "anew");
    data(EPOCH + 2, 3, "early");
    counted.stale = told(&mut subscriber, &["lost 8-8", "reset", "reset", "1"]);
    (counted.heartbeats, counted.live, counted.delivered, counted.bytes) = (3, 7, 5, counted.bytes + 5);
    (counted.gaps, counted.lost, counted.resets) = (2, 4, 2);
    (counted.pending, counted.requests, counted.last) = (1, 4, 3);
    assert_eq!(subscriber.statistics("a").unwrap(), counted);

    let before = counted.stale;
    while counted.stale == before {
        thread::yield_now();
        counted.stale = told(&mut subscriber, &[]);
    }
    assert_eq!(subscriber.statistics("a").unwrap(), counted);
}

#[test]
fn every_count_of_a_stream_of_which_only_the_newest_message_counts_is_what_happened() {
    let context = zmq::Context::new();
    let (live, _recovery, mut subscriber) = by_hand(&context, SubscriberOptions::new().conflate());
    subscribe(&mut subscriber, &live, "a");
    live.send([&b"a\0"[..], &header(2, EPOCH, &[0, 0, 1])].concat(), 0).unwrap();
    assert!(matches!(subscriber.try_recv::<u8>().unwrap(), Event::Joined { from: 1, .. }));
    for number in [1, 2, 6, 3] {
        live.send_multipart([[&b"a\0"[..], &header(1, EPOCH, &[number, 0])].concat(), vec![number as u8]], 0).unwrap();
    }
    assert!(matches!(subscriber.try_recv::<u8>().unwrap(), Event::Data { number: 6, skipped: 5, value: 6, .. }));
    let mut counted = StreamStatistics::default();
    (counted.heartbeats, counted.live, counted.duplicates, counted.last) = (1, 4, 1, 6);
    (counted.delivered, counted.bytes, counted.skipped) = (1, 1, 5);
    assert_eq!(subscriber.statistics("a").unwrap(), counted);
}

#[test]
fn a_plain_sub_socket_reads_objects_and_subscribes_to_no_heartbeats() {
    let context = zmq::Context::new();
    let options = PublisherOptions::new().heartbeat(Duration::from_millis(1));
    let publisher = Publisher::bind_with(&context, "tcp://127.0.0.1:*", "tcp://127.0.0.1:*", options).unwrap();
    let plain = socket(&context, zmq::SUB);
    plain.connect(publisher.endpoint()).unwrap();
    plain.set_subscribe(b"weather/oslo\0F\x02\x01").unwrap();
    while plain.poll(zmq::POLLIN, 10).unwrap() == 0 {
        publisher.publish(STREAM, &(0, "the first")).unwrap();
    }
    let heartbeats = || publisher.statistics().heartbeats;
    let before = heartbeats();
    while heartbeats() < before + 10 {
        thread::yield_now();
    }
    publisher.publish("weather/oslo/roof", &(1, "another")).unwrap();
    publisher.publish(STREAM, &(2, "the last")).unwrap();
    let mut told = 0;
    while told < 2 {
        let (topic, (number, text)) = plain.recv_topic_obj::<(u64, String)>().unwrap();
        assert!(topic.starts_with(b"weather/oslo\0F\x02\x01") && text != "another", "{text}");
        told = number;
    }
}

/// The Python program in the page that connects to this port.
fn program(port: u16) -> &'static str {
    let fences: Vec<_> = include_str!("../../docs/feed.md").split("```").collect();
    let mut inside = fences.into_iter().skip(1).step_by(2);
    let port = format!(":{port}\"");
    inside.find_map(|block| block.strip_prefix("python\n").filter(|block| block.contains(&port))).unwrap()
}

#[test]
fn the_python_program_of_the_page_with_a_plain_socket_reads_a_feed() {
    reads_a_feed(|publisher| program(5561).replace("tcp://127.0.0.1:5561", publisher.endpoint()));
}

#[test]
fn the_python_program_of_the_page_with_a_subscriber_follows_a_feed() {
    reads_a_feed(|publisher| {
        let program = program(5555).replace("tcp://127.0.0.1:5555", publisher.endpoint());
        program.replace("tcp://127.0.0.1:5556", publisher.recovery_endpoint())
    });
}

fn reads_a_feed(program: impl FnOnce(&Publisher) -> String) {
    let publisher = Publisher::bind(&zmq::Context::new(), "tcp://127.0.0.1:*", "tcp://127.0.0.1:*").unwrap();
    let program = program(&publisher);
    assert!(program.contains(publisher.endpoint()));
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("program.py");
    let text = format!(
        "import faulthandler, functools, sys\nfaulthandler.dump_traceback_later(300, exit=True)\nsys.path.insert(0, {package:?})\n\
         print = functools.partial(print, flush=True)\n{program}"
    );
    std::fs::write(&path, text).unwrap();
    let mut script = Script::start(path.to_str().unwrap(), &[]);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                publisher.publish(STREAM, &-3.5).unwrap();
                thread::yield_now();
            }
        });
        let lines = [script.line(), script.line()];
        is_over.store(true, Ordering::Relaxed);
        let numbers = lines.each_ref().map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            assert!(matches!(words[..], [STREAM, _, "-3.5"]), "{line}");
            words[1].parse::<u64>().unwrap()
        });
        assert_eq!(numbers[1], numbers[0] + 1);
    });
}

/// Numbers follow each other without a hole also where the message after those that were left out does not decode.
#[test]
fn what_was_skipped_before_a_message_that_does_not_decode_is_told() {
    let context = zmq::Context::new();
    let options = SubscriberOptions::new().conflate().start(Start::From { epoch: EPOCH, number: 5 });
    let (live, _recovery, mut subscriber) = by_hand(&context, options);
    subscribe(&mut subscriber, &live, STREAM);
    let topic = [STREAM.as_bytes(), b"\0", &header(1, EPOCH, &[9, EPOCH])].concat();
    live.send_multipart([topic, b"\xc1".to_vec()], 0).unwrap();
    let mut next = || subscriber.recv_within::<f64>(Duration::from_secs(60)).unwrap();
    let joined = next();
    assert!(matches!(joined, Event::Joined { from: 5, .. }), "{joined:?}");
    let told = next();
    assert!(matches!(told, Event::Undecodable { number: 9, skipped: 4, .. }), "{told:?}");
}
