//! Feeds over real sockets; what is promised of every shell and transport is in `tests/conformance/feed.rs`.

use std::collections::BTreeSet;
use std::iter;
use std::thread;
use std::time::{Duration, Instant};

use crate::nodrop::set_nodrop;
use crate::way::Way;
use outband::feed::{Event, Lost, Origin, Publisher, PublisherOptions, Start, Subscriber, SubscriberOptions};
use outband::{Buffer, ErrorKind, Multipart, memory};
use serde::de::DeserializeOwned;

/// Nothing in a passing test takes this long.
const LONG: Duration = Duration::from_secs(60);

fn publisher(context: &zmq::Context, options: PublisherOptions) -> Publisher {
    Publisher::bind_with(context, "tcp://127.0.0.1:*", "tcp://127.0.0.1:*", options).unwrap()
}

fn subscriber(context: &zmq::Context, publisher: &Publisher, options: SubscriberOptions) -> Subscriber {
    Subscriber::connect_with(context, publisher.endpoint(), publisher.recovery_endpoint(), options).unwrap()
}

/// The next event that is not about the state of the connection.
fn next<T: DeserializeOwned>(subscriber: &mut Subscriber) -> Event<T> {
    loop {
        match subscriber.recv_within(LONG).unwrap() {
            Event::Stale { .. } | Event::Resumed { .. } => {}
            event => return event,
        }
    }
}

/// An event in few words: `1=10` is message 1 with value 10.
fn short(event: Event<u64>) -> String {
    match event {
        Event::Joined { from, .. } => format!("joined {from}"),
        Event::Data { number, value, .. } => format!("{number}={value}"),
        Event::Undecodable { number, .. } => format!("{number} undecodable"),
        Event::Gap { from, to, why, .. } => format!("{from}-{to} {why:?}"),
        Event::Reset { .. } => "reset".to_owned(),
        Event::Malformed { .. } => "malformed".to_owned(),
        event => panic!("{event:?}"),
    }
}

fn told(subscriber: &mut Subscriber, count: usize) -> Vec<String> {
    (0..count).map(|_| short(next(subscriber))).collect()
}

#[test]
fn without_a_recovery_endpoint_every_loss_is_a_gap_at_once() {
    let context = zmq::Context::new();
    let publisher = publisher(&context, PublisherOptions::new().high_water_mark(5));
    let live = context.socket(zmq::SUB).unwrap();
    live.set_rcvhwm(5).unwrap();
    live.connect(publisher.endpoint()).unwrap();
    let mut subscriber = Subscriber::over(live, None, SubscriberOptions::new()).unwrap();
    subscriber.subscribe("a").unwrap();
    publisher.announce("a").unwrap();
    assert_eq!(told(&mut subscriber, 1), ["joined 1"]);
    for value in 1..=50_000_u64 {
        publisher.publish("a", &value).unwrap();
    }
    let (mut expected, mut lost) = (1, 0);
    while expected <= 50_000 {
        match next::<u64>(&mut subscriber) {
            Event::Data { number, .. } => {
                assert_eq!(number, expected);
                expected += 1;
            }
            Event::Gap { from, to, why: Lost::Unanswered, .. } => {
                assert_eq!(from, expected);
                lost += to + 1 - from;
                expected = to + 1;
            }
            event => panic!("{event:?}"),
        }
    }
    assert!(lost > 0 && subscriber.statistics("a").unwrap().lost == lost);
}

#[test]
fn who_restarts_goes_on_where_it_was() {
    let context = zmq::Context::new();
    let publisher = publisher(&context, PublisherOptions::new());
    for value in 1..=10_u64 {
        publisher.publish("a", &value).unwrap();
    }
    let mut first = subscriber(&context, &publisher, SubscriberOptions::new().start(Start::All));
    first.subscribe("a").unwrap();
    assert_eq!(first.resume_point("a"), None);
    assert_eq!(told(&mut first, 4), ["joined 1", "1=1", "2=2", "3=3"]);
    let point = first.resume_point("a").unwrap();
    drop(first);
    let mut second = subscriber(&context, &publisher, SubscriberOptions::new());
    second.subscribe_from("a", point).unwrap();
    assert_eq!(told(&mut second, 3), ["joined 4", "4=4", "5=5"]);
}

#[test]
fn the_conflating_mode_begins_with_the_last_value_where_it_is_asked_to() {
    let context = zmq::Context::new();
    let publisher = publisher(&context, PublisherOptions::new());
    publisher.publish("a", &1_u64).unwrap();
    publisher.publish("a", &2_u64).unwrap();
    let options = SubscriberOptions::new().conflate().start(Start::Last(1));
    let mut subscriber = subscriber(&context, &publisher, options);
    subscriber.subscribe("a").unwrap();
    assert_eq!(told(&mut subscriber, 2), ["joined 2", "2=2"]);
}

#[test]
fn a_publisher_that_caches_nothing_counts_every_message_once() {
    let context = zmq::Context::new();
    let options = PublisherOptions::new().cache_messages(0).heartbeat(Duration::from_millis(50));
    let publisher = publisher(&context, options);
    for _ in 0..3 {
        publisher.publish("a", &"x".repeat(500)).unwrap();
    }
    // nothing but heartbeats tells a late subscriber where the stream is
    let mut subscriber = subscriber(&context, &publisher, SubscriberOptions::new());
    subscriber.subscribe("a").unwrap();
    assert_eq!(told(&mut subscriber, 1), ["joined 4"]);
    publisher.publish("a", &4_u64).unwrap();
    assert_eq!(told(&mut subscriber, 1), ["4=4"]);
}

#[test]
fn a_message_that_is_too_long_for_the_cache_does_not_move_the_numbers_of_others() {
    let context = zmq::Context::new();
    let publisher = publisher(&context, PublisherOptions::new().cache_bytes(1000));
    publisher.publish("a", &"x".repeat(1200)).unwrap();
    publisher.publish("a", &2_u64).unwrap();
    publisher.publish("a", &3_u64).unwrap();
    let from = Start::From { epoch: publisher.epoch(), number: 1 };
    let mut subscriber = subscriber(&context, &publisher, SubscriberOptions::new());
    subscriber.subscribe_from("a", from).unwrap();
    assert_eq!(told(&mut subscriber, 4), ["joined 1", "1-1 Evicted", "2=2", "3=3"]);
}

#[test]
fn a_message_that_does_not_decode_has_its_number() {
    let context = zmq::Context::new();
    let publisher = publisher(&context, PublisherOptions::new());
    publisher.publish("a", &1_u64).unwrap();
    publisher.publish("a", "two").unwrap();
    publisher.publish("a", &3_u64).unwrap();
    let mut subscriber = subscriber(&context, &publisher, SubscriberOptions::new().start(Start::All));
    subscriber.subscribe("a").unwrap();
    assert_eq!(told(&mut subscriber, 4), ["joined 1", "1=1", "2 undecodable", "3=3"]);
    publisher.publish("a", "four").unwrap();
    let Event::Undecodable { number: 4, error, .. } = next::<u64>(&mut subscriber) else { panic!() };
    assert_eq!(error.kind(), ErrorKind::Peer);
    publisher.publish("a", &5_u64).unwrap();
    assert_eq!(told(&mut subscriber, 1), ["5=5"]);
}

#[test]
fn garbage_on_a_topic_is_told_and_counted_and_the_stream_goes_on() {
    let context = zmq::Context::new();
    let stranger = context.socket(zmq::XPUB).unwrap();
    stranger.bind("inproc://garbage").unwrap();
    let live = context.socket(zmq::SUB).unwrap();
    live.connect("inproc://garbage").unwrap();
    let mut subscriber = Subscriber::over(live, None, SubscriberOptions::new().max_streams(3)).unwrap();
    subscriber.subscribe("").unwrap();
    stranger.recv_bytes(0).unwrap();
    let header = |kind: u8, number: u64| {
        let mut header = vec![b'F', 2, kind];
        for value in [77, number, 0, 1, 1] {
            header.extend_from_slice(&u64::to_le_bytes(value));
        }
        header
    };
    let good = header(1, 1);
    let other_version = [&b"F\x03"[..], &good[2..]].concat();
    let version_1 = [&b"F\x01\x01\0"[..], &good[3..]].concat();
    let long = [&[b'x'; 1025][..], b"\0"].concat();
    let send = |topic: &[u8], header: &[u8], rest: &[&[u8]]| {
        let opening = [topic, header].concat();
        stranger.send_multipart(iter::once(&opening[..]).chain(rest.iter().copied()), 0).unwrap();
    };
    /// A topic, a header, further frames, and what is wrong.
    type Garbage<'g> = (&'g [u8], &'g [u8], &'g [&'g [u8]], &'static str);
    let garbage: [Garbage<'_>; 16] = [
        (b"", b"", &[], "no zero byte"),
        (b"a", b"", &[b"\x01"], "no zero byte"),
        (&long, &good, &[b"\x01"], "no zero byte"),
        (b"a\0", b"", &[], "not one of a feed"),
        (b"a\0", b"", &[b"\x01"], "not one of a feed"),
        (b"a", &good, &[b"\x01"], "not one of a feed"),
        (b"a\0b\0", &good, &[b"\x01"], "not one of a feed"),
        (b"\0", &good, &[b"\x01"], "names no stream"),
        (b"a/\0", &good, &[b"\x01"], "names no stream"),
        (b"\xff\0", &good, &[b"\x01"], "not UTF-8"),
        (b"a\0", &good[..20], &[b"\x01"], "too short"),
        (b"a\0", &other_version, &[b"\x01"], "version 3"),
        (b"a\0", b"", &[&version_1, b"\x01"], "version 1 of the protocol, and only version 2"),
        (b"a\0", b"", &[&good, b"\x01"], "not one of a feed"),
        (b"a\0", &header(1, 0), &[b"\x01"], "streams begin at 1"),
        (b"a\0", &header(9, 1), &[b"\x01"], "of a kind"),
    ];
    // those of a stream that is not followed, and then of one that is
    for followed in [false, true] {
        for (topic, header, rest, reason) in garbage {
            send(topic, header, rest);
            let Event::Malformed { error } = next::<u64>(&mut subscriber) else { panic!("{topic:?} {header:?}") };
            assert_eq!(error.kind(), ErrorKind::Peer, "{error}");
            assert!(error.to_string().contains(reason), "{error}: not {reason}");
        }
        if !followed {
            send(b"a\0", &good, &[b"\x07"]);
            assert_eq!(told(&mut subscriber, 2), ["joined 1", "1=7"]);
        }
    }
    assert_eq!(subscriber.malformed(), 2 * garbage.len() as u64);
    send(b"a\0", &header(1, 2), &[]);
    assert_eq!(told(&mut subscriber, 1), ["2 undecodable"], "a message without metadata");
    send(b"a\0", &header(1, 3), &[b"\x08", b"extra"]);
    assert_eq!(told(&mut subscriber, 1), ["3 undecodable"]);
    for name in [&b"b\0"[..], b"c\0"] {
        send(name, &good, &[b"\x07"]);
        assert_eq!(told(&mut subscriber, 2), ["joined 1", "1=7"]);
    }
    send(b"d\0", &good, &[b"\x07"]);
    let Event::Malformed { error } = next::<u64>(&mut subscriber) else { panic!() };
    assert_eq!(error.kind(), ErrorKind::Limits, "{error}");
    send(b"a\0", &header(1, 4), &[b"\x09"]);
    assert_eq!(told(&mut subscriber, 1), ["4=9"]);
}

#[test]
fn garbage_at_the_recovery_endpoint_is_counted_and_others_are_answered() {
    let context = zmq::Context::new();
    let publisher = publisher(&context, PublisherOptions::new());
    publisher.publish("a", &1_u64).unwrap();
    let stranger = context.socket(zmq::DEALER).unwrap();
    stranger.set_linger(0).unwrap();
    stranger.connect(publisher.recovery_endpoint()).unwrap();
    let header = [&b"F\x02\x05"[..], &[0; 32]].concat();
    let garbage: [&[&[u8]]; 6] = [
        &[b""],
        &[b"a", b"b", b"c"],
        &[&header, b"a", b""],
        &[&header, b"a", &[0; 16]],
        &[&header, b"\xff", &[1; 16]],
        &[&header, b"a", &[255; 16 * 65]],
    ];
    for frames in garbage {
        stranger.send_multipart(frames, 0).unwrap();
    }
    let mut subscriber = subscriber(&context, &publisher, SubscriberOptions::new().start(Start::All));
    subscriber.subscribe("a").unwrap();
    assert_eq!(told(&mut subscriber, 2), ["joined 1", "1=1"]);
    let mut refused = 0;
    while refused < garbage.len() as u64 {
        refused = publisher.statistics().refused;
    }
    assert_eq!(refused, garbage.len() as u64);
}

#[test]
fn a_name_that_ends_in_a_slash_stands_for_all_below_it_and_any_other_for_itself() {
    let context = zmq::Context::new();
    let publisher = publisher(&context, PublisherOptions::new());
    for stream in ["sensors/oslo", "sensors/oslo/roof", "sensorsx", "other"] {
        publisher.publish(stream, &1_u64).unwrap();
    }
    let mut last = 1;
    let mut streams = |names: &[&str]| {
        let mut subscriber = subscriber(&context, &publisher, SubscriberOptions::new().start(Start::All));
        names.iter().for_each(|name| subscriber.subscribe(name).unwrap());
        subscriber.subscribe("mark").unwrap();
        publisher.announce("mark").unwrap();
        // subscriptions come in order: what is published from here on is heard, and the mark after the others
        while !matches!(next::<u64>(&mut subscriber), Event::Joined { stream, .. } if &*stream == "mark") {}
        last += 1;
        for stream in ["sensors/oslo", "sensors/oslo/roof", "sensorsx", "other", "mark"] {
            publisher.publish(stream, &last).unwrap();
        }
        // every stream that is followed by then has its newest message yet to come, or has had it
        let (mut heard, mut is_marked) = (BTreeSet::new(), false);
        while !is_marked || subscriber.streams().any(|name| !heard.contains(name)) {
            let Event::Data { stream, value, .. } = next::<u64>(&mut subscriber) else { continue };
            if value == last {
                is_marked |= &*stream == "mark";
                assert!(heard.insert(stream));
            }
        }
        heard.remove("mark");
        heard.into_iter().map(|name| name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(streams(&["sensors/oslo"]), ["sensors/oslo"]);
    assert_eq!(streams(&["sensors/"]), ["sensors/oslo", "sensors/oslo/roof"]);
    assert_eq!(streams(&["sensors/", "sensors/oslo", "other"]), ["other", "sensors/oslo", "sensors/oslo/roof"]);
    assert_eq!(streams(&[""]).len(), 4);
    for name in ["", "a/", "a\0b"] {
        assert_eq!(publisher.publish(name, &1).unwrap_err().kind(), ErrorKind::Caller);
    }
    assert!(publisher.publish_message("a/", Multipart::new("x", vec![])).unwrap_err().into_message().is_some());
}

#[test]
fn what_is_no_longer_subscribed_to_is_forgotten() {
    let context = zmq::Context::new();
    let publisher = publisher(&context, PublisherOptions::new());
    let mut subscriber = subscriber(&context, &publisher, SubscriberOptions::new().start(Start::All));
    publisher.publish("x/1", &1_u64).unwrap();
    publisher.publish("y", &1_u64).unwrap();
    subscriber.subscribe("x/").unwrap();
    subscriber.subscribe("y").unwrap();
    told(&mut subscriber, 4);
    subscriber.unsubscribe("x/").unwrap();
    subscriber.unsubscribe("never").unwrap();
    assert_eq!(subscriber.streams().map(|name| name.to_string()).collect::<Vec<_>>(), ["y"]);
    assert!(subscriber.statistics("x/1").is_none());
    publisher.publish("x/1", &2_u64).unwrap();
    publisher.publish("y", &2_u64).unwrap();
    let Event::Data { stream, number: 2, .. } = next::<u64>(&mut subscriber) else { panic!() };
    assert_eq!(&*stream, "y");
}

#[test]
fn a_name_that_is_subscribed_to_twice_is_unsubscribed_from_once() {
    let context = zmq::Context::new();
    let publisher = publisher(&context, PublisherOptions::new());
    for value in 1..=3_u64 {
        publisher.publish("a", &value).unwrap();
    }
    publisher.announce("b").unwrap();
    let mut subscriber = subscriber(&context, &publisher, SubscriberOptions::new());
    subscriber.subscribe("a").unwrap();
    // nothing was heard of it: the second start counts
    subscriber.subscribe_from("a", Start::All).unwrap();
    assert_eq!(told(&mut subscriber, 4), ["joined 1", "1=1", "2=2", "3=3"]);
    // and where something was, the stream goes on
    subscriber.subscribe_from("a", Start::All).unwrap();
    publisher.publish("a", &4_u64).unwrap();
    assert_eq!(told(&mut subscriber, 1), ["4=4"]);
    subscriber.unsubscribe("a").unwrap();
    subscriber.subscribe_from("b", Start::All).unwrap();
    // subscriptions and their ends arrive in order, so from here on nothing of `a` is sent
    assert_eq!(told(&mut subscriber, 1), ["joined 1"]);
    publisher.publish("a", &5_u64).unwrap();
    publisher.publish("b", &6_u64).unwrap();
    assert_eq!(told(&mut subscriber, 1), ["1=6"]);
    assert_eq!(subscriber.malformed(), 0);
}

#[test]
fn a_resume_point_of_the_conflating_mode_is_after_what_was_handed_over() {
    let context = zmq::Context::new();
    let publisher = publisher(&context, PublisherOptions::new());
    let options = SubscriberOptions::new().conflate();
    let mut first = subscriber(&context, &publisher, options.clone());
    first.subscribe("").unwrap();
    for stream in ["a", "b"] {
        publisher.publish(stream, &1_u64).unwrap();
    }
    // a message that is handed over has a later one behind it, of the other stream
    let mut handed = [0, 0];
    let (unread, point) = loop {
        let number = publisher.publish("a", &2_u64).unwrap();
        assert_eq!(publisher.publish("b", &2_u64).unwrap(), number);
        if let Event::Data { stream, number, .. } = next::<u64>(&mut first) {
            handed[usize::from(&*stream == "b")] = number;
            let other = usize::from(&*stream == "a");
            let name = ["a", "b"][other];
            if first.statistics(name).is_some_and(|counted| handed[other] > 0 && counted.last > handed[other]) {
                break (name, first.resume_point(name).unwrap());
            }
        }
    };
    let from = handed[usize::from(unread == "b")] + 1;
    assert_eq!(point, Start::From { epoch: publisher.epoch(), number: from });
    let last = publisher.publish(unread, &3_u64).unwrap();
    let mut second = subscriber(&context, &publisher, options);
    second.subscribe_from(unread, point).unwrap();
    assert_eq!(told(&mut second, 2), [format!("joined {from}"), format!("{last}=3")]);
}

#[test]
fn of_16_000_idle_streams_none_is_taken_for_silent() {
    const STREAMS: usize = 16_000;
    const HEARTBEAT: Duration = Duration::from_secs(1);
    let context = zmq::Context::new();
    let publisher = publisher(&context, PublisherOptions::new().heartbeat(HEARTBEAT));
    let names: Vec<String> = (0..STREAMS).map(|index| format!("s/{index}")).collect();
    names.iter().for_each(|name| publisher.announce(name).unwrap());
    let mut subscriber = subscriber(&context, &publisher, SubscriberOptions::new().stale_after(8 * HEARTBEAT));
    subscriber.subscribe("s/").unwrap();
    let mut joined = 0;
    // for longer than the silence that makes a stream stale
    while joined < STREAMS || names.iter().any(|name| subscriber.statistics(name).unwrap().heartbeats < 10) {
        match subscriber.recv_within::<u64>(Duration::from_millis(100)) {
            Ok(Event::Joined { .. }) => joined += 1,
            Ok(event) => panic!("{event:?}"),
            Err(error) => assert!(error.is_timeout(), "{error}"),
        }
    }
}

#[test]
fn what_waits_to_be_read_is_heard_before_its_stream_is_stale() {
    const STALE: Duration = Duration::from_secs(3);
    let context = zmq::Context::new();
    // what is published on inproc has arrived
    let options = PublisherOptions::new().heartbeat(LONG);
    let publisher = Publisher::bind_with(&context, "inproc://live", "inproc://recovery", options).unwrap();
    let [mut busy, mut idle] =
        [(); 2].map(|()| subscriber(&context, &publisher, SubscriberOptions::new().stale_after(STALE)));
    let next = |subscriber: &mut Subscriber| match subscriber.recv_within::<u64>(LONG).unwrap() {
        Event::Joined { stream, .. } => format!("joined {stream}"),
        Event::Data { stream, number, .. } => format!("{stream} {number}"),
        Event::Stale { stream, .. } => format!("{stream} is stale"),
        event => panic!("{event:?}"),
    };
    for (name, joined) in [("a", "joined a"), ("b", "joined b")] {
        publisher.announce(name).unwrap();
        for subscriber in [&mut idle, &mut busy] {
            subscriber.subscribe(name).unwrap();
            assert_eq!(next(subscriber), joined);
        }
    }
    // it looks at the clock, and knows both from before
    assert!(busy.recv_within::<u64>(STALE / 5).unwrap_err().is_timeout());
    for number in 1..=300_u64 {
        publisher.publish("a", &number).unwrap();
    }
    publisher.publish("b", &1_u64).unwrap();
    // it does something else for long
    while !next(&mut idle).ends_with("is stale") {}
    for number in 1..=300 {
        assert_eq!(next(&mut busy), format!("a {number}"));
    }
    assert_eq!(next(&mut busy), "b 1");
    let mut silent = [next(&mut busy), next(&mut busy)];
    silent.sort();
    assert_eq!(silent, ["a is stale", "b is stale"]);
}

#[test]
fn who_looks_in_only_now_and_then_is_told_of_a_silence_all_the_same() {
    // and so is who finds so much of another stream that the clock is read while it is behind
    for others in [0, 500] {
        looks_in_now_and_then(others);
    }
}

fn looks_in_now_and_then(others: u64) {
    const STALE: Duration = Duration::from_secs(1);
    const PAUSE: Duration = Duration::from_millis(300);
    let context = zmq::Context::new();
    let options = PublisherOptions::new().heartbeat(LONG);
    let publisher = Publisher::bind_with(&context, "inproc://live", "inproc://recovery", options).unwrap();
    let mut subscriber = subscriber(&context, &publisher, SubscriberOptions::new().stale_after(STALE));
    publisher.announce("a").unwrap();
    subscriber.subscribe("a").unwrap();
    assert!(matches!(subscriber.recv_within::<u64>(LONG).unwrap(), Event::Joined { .. }));
    if others > 0 {
        subscriber.subscribe("b").unwrap();
        publisher.announce("b").unwrap();
        assert!(matches!(subscriber.recv_within::<u64>(LONG).unwrap(), Event::Joined { .. }));
    }
    let mut looks = 0;
    let mut is_told = false;
    while !is_told {
        // it does something else
        let since = Instant::now();
        for value in 0..others {
            publisher.publish("b", &value).unwrap();
        }
        while since.elapsed() < PAUSE {
            thread::yield_now();
        }
        looks += 1;
        loop {
            match subscriber.try_recv::<u64>() {
                Ok(Event::Stale { stream, .. }) if &*stream == "a" => is_told = true,
                Ok(Event::Data { .. }) => {}
                Ok(event) => panic!("{event:?}"),
                Err(error) if error.is_timeout() => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
    // two that may find a heartbeat, and four: three pauses are 900 ms, and of the last one 100 ms count
    assert!(looks <= 6, "{looks}");
}

#[test]
fn who_is_not_answered_by_a_publisher_that_lives_asks_over_another_connection() {
    let context = zmq::Context::new();
    let publisher = publisher(&context, PublisherOptions::new());
    for value in [10, 20, 30] {
        publisher.publish("a", &value).unwrap();
    }
    let recovery = Way::to(publisher.recovery_endpoint());
    recovery.kill(1);
    let options = SubscriberOptions::new().start(Start::All);
    // an answer may take longer than that where there is no processor: it is asked for as often as need be
    let options = options.recovery_timeout(Duration::from_millis(300)).recovery_attempts(1000);
    let mut subscriber = Subscriber::connect_with(&context, publisher.endpoint(), &recovery.endpoint, options).unwrap();
    subscriber.subscribe("a").unwrap();
    assert_eq!(told(&mut subscriber, 4), ["joined 1", "1=10", "2=20", "3=30"]);
    assert!(recovery.made() >= 2, "{}", recovery.made());
}

#[test]
fn who_hears_nothing_over_a_connection_that_stays_listens_over_another() {
    let context = zmq::Context::new();
    let publisher = publisher(&context, PublisherOptions::new());
    let live = Way::to(publisher.endpoint());
    let mut subscriber = Subscriber::connect(&context, &live.endpoint, publisher.recovery_endpoint()).unwrap();
    subscriber.subscribe("a").unwrap();
    publisher.announce("a").unwrap();
    assert_eq!(told(&mut subscriber, 1), ["joined 1"]);
    publisher.publish("a", &10).unwrap();
    assert_eq!(told(&mut subscriber, 1), ["1=10"]);
    live.kill(1);
    publisher.publish("a", &20).unwrap();
    let mut heard = Vec::new();
    while heard.last().is_none_or(|last| last != "3=30") {
        heard.push(match subscriber.recv_within(LONG).unwrap() {
            Event::Stale { .. } => {
                publisher.publish("a", &30).unwrap();
                "stale".to_owned()
            }
            Event::Resumed { .. } => "resumed".to_owned(),
            event => short(event),
        });
    }
    assert_eq!(heard, ["stale", "resumed", "2=20", "3=30"]);
}

#[test]
fn a_stream_that_made_room_for_another_goes_on_where_it_was() {
    let context = zmq::Context::new();
    let publisher = publisher(&context, PublisherOptions::new().heartbeat(LONG));
    let options = SubscriberOptions::new().start(Start::All).max_streams(1).stale_after(Duration::from_millis(300));
    let mut subscriber = subscriber(&context, &publisher, options);
    publisher.publish("s/a", &1_u64).unwrap();
    publisher.publish("s/a", &2_u64).unwrap();
    subscriber.subscribe("s/").unwrap();
    // whether the stream that is followed is silent: it may be so already while this is told
    let mut is_stale = false;
    let mut told = |subscriber: &mut Subscriber, count: usize| {
        let mut told = Vec::new();
        while told.len() < count || count == 0 && !is_stale {
            match subscriber.recv_within::<u64>(LONG).unwrap() {
                Event::Stale { .. } => is_stale = true,
                Event::Resumed { .. } => is_stale = false,
                event => {
                    is_stale &= !matches!(event, Event::Joined { .. });
                    told.push(short(event));
                }
            }
        }
        told
    };
    assert_eq!(told(&mut subscriber, 3), ["joined 1", "1=1", "2=2"]);
    let mut make_room = |name: &str, value: u64| {
        assert!(told(&mut subscriber, 0).is_empty(), "it is silent");
        publisher.publish(name, &value).unwrap();
        let point = subscriber.resume_point("s/a");
        (told(&mut subscriber, 2), point == subscriber.resume_point("s/a"))
    };
    assert_eq!(make_room("s/b", 10), (vec!["joined 1".to_owned(), "1=10".to_owned()], true));
    assert_eq!(make_room("s/a", 3), (vec!["joined 3".to_owned(), "3=3".to_owned()], false));
    assert_eq!(make_room("s/b", 11), (vec!["joined 2".to_owned(), "2=11".to_owned()], true));
}

#[test]
fn who_sends_a_publisher_long_frames_is_disconnected() {
    let context = zmq::Context::new();
    let publisher = publisher(&context, PublisherOptions::new());
    for (index, endpoint) in [publisher.endpoint(), publisher.recovery_endpoint()].into_iter().enumerate() {
        let (peer, events) =
            (context.socket([zmq::XSUB, zmq::DEALER][index]).unwrap(), context.socket(zmq::PAIR).unwrap());
        peer.set_linger(0).unwrap();
        let monitor = format!("inproc://events-{index}");
        peer.monitor(&monitor, zmq::SocketEvent::DISCONNECTED.to_raw().into()).unwrap();
        events.connect(&monitor).unwrap();
        events.set_rcvtimeo(LONG.as_millis() as i32).unwrap();
        peer.connect(endpoint).unwrap();
        // neither a subscription nor a request, and longer than either
        peer.send(vec![2; 5000], 0).unwrap();
        assert!(events.recv_multipart(0).is_ok(), "it was taken at {endpoint}");
    }
}

#[test]
fn who_has_no_room_where_nothing_may_be_dropped_costs_other_streams_no_heartbeat() {
    let context = zmq::Context::new();
    let [mut live, recovery] = [zmq::XPUB, zmq::ROUTER].map(|kind| context.socket(kind).unwrap());
    live.set_sndhwm(1).unwrap();
    set_nodrop(&mut live);
    live.bind("inproc://live").unwrap();
    recovery.bind("inproc://recovery").unwrap();
    // once for a stream that begins, once for a subscription, and once at the end
    let options = PublisherOptions::new().heartbeat(Duration::from_secs(3600));
    let publisher = Publisher::over(live, recovery, options).unwrap();
    // heartbeats that are due together begin with the second of the streams, and at the end with the first
    ["a", "full", "b"].into_iter().for_each(|name| publisher.announce(name).unwrap());
    while publisher.statistics().heartbeats < 3 {
        thread::yield_now();
    }
    let full = context.socket(zmq::SUB).unwrap();
    full.set_rcvhwm(1).unwrap();
    full.connect("inproc://live").unwrap();
    full.set_subscribe(b"full\0").unwrap();
    let error = (0_u64..).find_map(|value| publisher.publish("full", &value).err()).unwrap();
    assert!(error.is_timeout(), "{error}");

    let live = context.socket(zmq::SUB).unwrap();
    live.connect("inproc://live").unwrap();
    let mut subscriber = Subscriber::over(live, None, SubscriberOptions::new()).unwrap();
    subscriber.subscribe("").unwrap();
    let mut joined: Vec<_> = (0..2).map(|_| next::<u64>(&mut subscriber).stream().unwrap().to_string()).collect();
    joined.sort();
    assert_eq!(joined, ["a", "b"]);
    drop(publisher);
    let heard = |subscriber: &Subscriber| ["a", "b"].map(|name| subscriber.statistics(name).unwrap().heartbeats);
    assert_eq!(heard(&subscriber), [1, 1]);
    while subscriber.try_recv::<u64>().is_ok() {}
    assert_eq!(heard(&subscriber), [2, 2], "the farewell");
}

#[test]
fn counts_of_what_is_lost_end_at_the_highest() {
    let context = zmq::Context::new();
    let (tx, rx) = (context.socket(zmq::XPUB).unwrap(), context.socket(zmq::SUB).unwrap());
    tx.bind("inproc://numbers").unwrap();
    rx.connect("inproc://numbers").unwrap();
    let mut subscriber = Subscriber::over(rx, None, SubscriberOptions::new()).unwrap();
    subscriber.subscribe("a").unwrap();
    tx.recv_msg(0).unwrap();
    let beat = |epoch: u64, last: u64| {
        let numbers = [epoch, last, 0, 1].map(u64::to_le_bytes).concat();
        tx.send([&b"a\0F\x02\x02"[..], &numbers[..]].concat(), 0).unwrap();
    };
    let last = 1 << 62;
    beat(1, 0);
    assert_eq!(told(&mut subscriber, 1), ["joined 1"]);
    for epoch in 2..8 {
        beat(epoch, last);
        assert_eq!(told(&mut subscriber, 2), ["reset".to_owned(), format!("1-{last} Unanswered")]);
    }
    assert_eq!(subscriber.statistics("a").unwrap().lost, u64::MAX);
}

#[test]
fn any_duration_will_do() {
    let context = zmq::Context::new();
    let options = PublisherOptions::new().heartbeat(Duration::MAX).cache_age(Duration::MAX);
    let publisher = publisher(&context, options);
    publisher.publish("a", &1_u64).unwrap();
    let options = SubscriberOptions::new()
        .start(Start::All)
        .stale_after(Duration::MAX)
        .recovery_timeout(Duration::MAX)
        .recovery_attempts(u32::MAX);
    let mut subscriber = subscriber(&context, &publisher, options);
    subscriber.subscribe("a").unwrap();
    for expected in ["joined 1", "1=1"] {
        assert_eq!(short(subscriber.recv_within(Duration::MAX).unwrap()), expected);
    }
}

#[test]
fn who_asks_and_does_not_read_is_sent_no_more_than_a_subscriber_asks_for_at_once() {
    const MESSAGES: u64 = 1024;
    const STREAMS: u64 = 8;
    let context = zmq::Context::new();
    let publisher = publisher(&context, PublisherOptions::new().cache_bytes(1 << 30));
    let content = Buffer::from_vec(vec![7_u8; 16_000]);
    for message in 0..STREAMS * MESSAGES {
        publisher.publish(&format!("s/{}", message % STREAMS), &content).unwrap();
    }
    let ask = |socket: &zmq::Socket, stream: u64, id: u64, messages: u64| {
        let mut header = b"F\x02\x05".to_vec();
        for number in [publisher.epoch(), id, messages, 16 << 20] {
            header.extend(number.to_le_bytes());
        }
        let ranges = [1, MESSAGES].map(u64::to_le_bytes).concat();
        socket.send_multipart([&header[..], format!("s/{stream}").as_bytes(), &ranges], 0).unwrap();
    };
    let dealer = || {
        let socket = context.socket(zmq::DEALER).unwrap();
        socket.set_rcvhwm(1).unwrap();
        socket.set_rcvbuf(1 << 16).unwrap();
        socket.connect(publisher.recovery_endpoint()).unwrap();
        socket
    };
    let (greedy, other) = (dealer(), dealer());
    (0..STREAMS).for_each(|stream| ask(&greedy, stream, stream, MESSAGES));
    // requests take turns: when the other peer was answered so often, nothing of the greedy one is left at the desk
    other.set_rcvtimeo(LONG.as_millis() as i32).unwrap();
    let mut turns = 0;
    while turns < 1000 || publisher.statistics().requests < STREAMS + turns {
        ask(&other, 0, turns, 1);
        (0..2).for_each(|_| drop(other.recv_multipart(0).unwrap()));
        turns += 1;
    }
    // when nothing comes for a while it asks for one more, which comes after everything that was under way
    const LAST: u64 = 1000;
    greedy.set_rcvtimeo(1000).unwrap();
    let (mut received, asked) = (0, Instant::now());
    loop {
        let Ok(frames) = greedy.recv_multipart(0) else {
            assert!(asked.elapsed() < LONG, "the last one is not answered");
            ask(&greedy, 0, LAST, 1);
            continue;
        };
        match (frames[0][2], &frames[0][27..]) {
            (3, request) => received += u64::from(request[..8] != LAST.to_le_bytes()),
            (_, end) if end[8..16] == LAST.to_le_bytes() => break,
            _ => {}
        }
    }
    assert!((4000..5500).contains(&received), "{received} messages were under way");
}

#[test]
fn a_plain_sub_socket_reads_a_feed() {
    let context = zmq::Context::new();
    let publisher = publisher(&context, PublisherOptions::new());
    let plain = context.socket(zmq::SUB).unwrap();
    plain.set_rcvtimeo(LONG.as_millis() as i32).unwrap();
    plain.set_subscribe(b"sensors/").unwrap();
    plain.connect(publisher.endpoint()).unwrap();
    publisher.announce("sensors/oslo").unwrap();
    let heartbeat = plain.recv_multipart(0).unwrap();
    assert_eq!((heartbeat.len(), heartbeat[0].len()), (1, 13 + 35));
    assert!(heartbeat[0].starts_with(b"sensors/oslo\0F\x02\x02"));
    publisher.publish("other", &1).unwrap();
    publisher.publish("sensors/oslo", &("pixels", Buffer::from_vec(vec![7_u8; 10_000]))).unwrap();
    let mut data = plain.recv_multipart(0).unwrap();
    while data.len() == 1 {
        data = plain.recv_multipart(0).unwrap();
    }
    assert_eq!((data.len(), data[0].len()), (3, 13 + 27));
    assert!(data[0].starts_with(b"sensors/oslo\0F\x02\x01"));
    let message = Multipart::new(data[1].clone(), vec![Buffer::from(data[2].clone())]);
    let (name, pixels): (String, Buffer) = outband::from_multipart(message).unwrap();
    assert_eq!((name.as_str(), pixels.len()), ("pixels", 10_000));
}

#[test]
fn nothing_is_copied_on_the_way_live_or_through_the_cache() {
    let context = zmq::Context::new();
    let (live, recovery) = ("inproc://live", "inproc://recovery");
    let publisher = Publisher::bind(&context, live, recovery).unwrap();
    let pixels = Buffer::from_vec(vec![7_u8; 1 << 20]);
    let copied = memory::copied_bytes();
    // there before anybody subscribes, so it can only come from the cache
    publisher.publish("a", &pixels).unwrap();
    let mut subscriber = Subscriber::connect(&context, live, recovery).unwrap();
    subscriber.subscribe_from("a", Start::All).unwrap();
    assert!(matches!(next::<Buffer>(&mut subscriber), Event::Joined { from: 1, .. }));
    for (number, expected) in [(1, Origin::Recovered), (2, Origin::Live)] {
        let Event::Data { number: got, value, origin, .. } = next::<Buffer>(&mut subscriber) else {
            panic!("{number}")
        };
        assert_eq!((got, origin, value.as_ptr()), (number, expected, pixels.as_ptr()));
        if number == 1 {
            publisher.publish("a", &pixels).unwrap();
        }
    }
    assert_eq!(memory::copied_bytes(), copied);
}

#[test]
fn the_publishers_cache_is_bounded_and_lets_go_of_buffers() {
    let context = zmq::Context::new();
    let options = PublisherOptions::new().cache_bytes(10 << 20).cache_messages(1000);
    let publisher = publisher(&context, options);
    let pixels = std::sync::Arc::new(vec![0_u8; 1 << 20]);
    struct Shared(std::sync::Arc<Vec<u8>>);
    impl AsRef<[u8]> for Shared {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    for _ in 0..100 {
        publisher.publish("a", &Buffer::from_owner(Shared(pixels.clone()))).unwrap();
    }
    let statistics = publisher.statistics();
    assert_eq!((statistics.published, statistics.cached_messages), (100, 9));
    assert!(statistics.cached_bytes <= 10 << 20);
    assert_eq!(std::sync::Arc::strong_count(&pixels), 10);
}

#[test]
fn many_threads_publish_and_every_stream_stays_in_order() {
    let context = zmq::Context::new();
    let publisher = publisher(&context, PublisherOptions::new());
    let mut subscriber = subscriber(&context, &publisher, SubscriberOptions::new().start(Start::All));
    subscriber.subscribe("t/").unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let publisher = &publisher;
            scope.spawn(move || {
                for value in 1..=2000_u64 {
                    publisher.publish(&format!("t/{}", thread % 2), &(thread, value)).unwrap();
                }
            });
        }
    });
    let (mut at, mut last) = ([0, 0], [0; 4]);
    while at != [4000, 4000] {
        match next::<(u64, u64)>(&mut subscriber) {
            Event::Data { stream, number, value: (thread, value), .. } => {
                let at = &mut at[usize::from(&*stream == "t/1")];
                assert_eq!(number, *at + 1);
                *at = number;
                assert_eq!(value, last[thread as usize] + 1, "each thread's messages are in its order");
                last[thread as usize] = value;
            }
            Event::Joined { from: 1, .. } => {}
            event => panic!("{event:?}"),
        }
    }
}

#[test]
fn an_answer_is_no_longer_than_the_credit() {
    let context = zmq::Context::new();
    let publisher = publisher(&context, PublisherOptions::new());
    (1..=1000_u64).for_each(|value| assert_eq!(publisher.publish("a", &value).unwrap(), value));
    let asking = context.socket(zmq::DEALER).unwrap();
    asking.set_rcvtimeo(LONG.as_millis() as i32).unwrap();
    asking.connect(publisher.recovery_endpoint()).unwrap();
    // messages, bytes, and how many come: a message is one byte or three, and one comes whatever is granted
    for (request, (messages, bytes, expected)) in [(7, 1 << 20, 7), (0, 0, 1), (500, 5, 5)].into_iter().enumerate() {
        let mut header = b"F\x02\x05".to_vec();
        for number in [publisher.epoch(), request as u64, messages, bytes] {
            header.extend(number.to_le_bytes());
        }
        let ranges = [1_u64, 1000].map(u64::to_le_bytes).concat();
        asking.send_multipart([&header[..], b"a", &ranges], 0).unwrap();
        for number in 1..=expected {
            let frames = asking.recv_multipart(0).unwrap();
            assert_eq!((frames[0][2], &frames[0][11..19]), (3, &u64::to_le_bytes(number)[..]));
        }
        let end = asking.recv_multipart(0).unwrap();
        assert_eq!((end.len(), end[0][2], &end[0][35..43]), (1, 4, &u64::to_le_bytes(request as u64)[..]));
    }
    assert_eq!(publisher.statistics().recovered, 7 + 1 + 5);
}

#[test]
fn who_recovers_a_large_cache_does_not_starve_live_messages() {
    const CACHED: u64 = 20_000;
    let context = zmq::Context::new();
    let publisher = publisher(&context, PublisherOptions::new().cache_messages(CACHED as usize));
    let history = Buffer::from_vec(vec![1_u8; 5000]);
    for number in 1..=CACHED {
        assert_eq!(publisher.publish("history", &history).unwrap(), number);
    }
    publisher.announce("live").unwrap();
    let mut live = subscriber(&context, &publisher, SubscriberOptions::new());
    live.subscribe("live").unwrap();
    assert!(matches!(next::<u64>(&mut live), Event::Joined { from: 1, .. }));
    let mut greedy = subscriber(&context, &publisher, SubscriberOptions::new());
    greedy.subscribe_from("history", Start::All).unwrap();
    let recovering = std::thread::spawn(move || {
        assert!(matches!(next::<Buffer>(&mut greedy), Event::Joined { from: 1, .. }));
        for expected in 1..=CACHED {
            let Event::Data { number, origin: Origin::Recovered, .. } = next::<Buffer>(&mut greedy) else { panic!() };
            assert_eq!(number, expected);
        }
    });
    // from the first answer to the last: one message at a time, there before the next one is published
    while publisher.statistics().recovered == 0 {
        std::thread::yield_now();
    }
    let (mut exchanged, mut most) = (0, 0);
    while !recovering.is_finished() {
        exchanged += 1;
        let before = publisher.statistics().recovered;
        publisher.publish("live", &exchanged).unwrap();
        let Event::Data { number, value, origin: Origin::Live, .. } = next::<u64>(&mut live) else { panic!() };
        assert_eq!((number, value), (exchanged, exchanged));
        most = most.max(publisher.statistics().recovered - before);
    }
    recovering.join().unwrap();
    println!("{exchanged} live messages during {CACHED} recovered ones, at most {most} of these in the time of one");
    assert!(exchanged > 20, "{exchanged} live messages while {CACHED} were recovered");
    assert!(most < CACHED / 2, "{most} were recovered before one live message arrived");
}

#[test]
fn sockets_that_cannot_carry_a_feed_are_refused() {
    let context = zmq::Context::new();
    let socket = |kind| context.socket(kind).unwrap();
    let refused = Publisher::over(socket(zmq::PUB), socket(zmq::ROUTER), PublisherOptions::new()).unwrap_err();
    assert_eq!((refused.kind(), refused.to_string().contains("XPUB")), (ErrorKind::Caller, true));
    let refused = Subscriber::over(socket(zmq::SUB), Some(socket(zmq::REQ)), SubscriberOptions::new()).unwrap_err();
    assert_eq!((refused.kind(), refused.to_string().contains("DEALER")), (ErrorKind::Caller, true));
    let conflating = socket(zmq::SUB);
    conflating.set_conflate(true).unwrap();
    let refused = Subscriber::over(conflating, None, SubscriberOptions::new()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Caller);
    let mut alone = Subscriber::over(socket(zmq::SUB), None, SubscriberOptions::new()).unwrap();
    assert!(alone.try_recv::<u64>().unwrap_err().is_timeout());
    assert!(alone.recv_within::<u64>(Duration::from_millis(10)).unwrap_err().is_timeout());
}

/// libzmq's own heartbeats would end the process here: their timer meets an assertion where the peer of a socket is gone whose queue is full.
#[test]
fn who_does_not_read_outlives_a_publisher_that_goes() {
    // libzmq leaves the files of its sockets where they are
    let folder = tempfile::tempdir().unwrap();
    let of_ipc = |name: &str| format!("ipc://{}/{name}", folder.path().display());
    let tcp = || "tcp://127.0.0.1:*".to_owned();
    for (live, recovery) in [(tcp(), tcp()), (of_ipc("live"), of_ipc("recovery"))] {
        let context = zmq::Context::new();
        let publisher = Publisher::bind(&context, &live, &recovery).unwrap();
        let readers = zmq::Context::new();
        let options = SubscriberOptions::new().high_water_mark(1);
        let mut subscriber =
            Subscriber::connect_with(&readers, publisher.endpoint(), publisher.recovery_endpoint(), options).unwrap();
        subscriber.subscribe("a").unwrap();
        publisher.publish("a", &0).unwrap();
        while !matches!(subscriber.recv::<Buffer>().unwrap(), Event::Joined { .. }) {}
        // more than the queue, the connection and libzmq take
        let much = Buffer::from_vec(vec![1_u8; 1 << 20]);
        for _ in 0..64 {
            publisher.publish("a", &much).unwrap();
        }
        drop(publisher);
        drop(context);
        // two and a half intervals of the heartbeats that there were, in which nobody reads and nothing comes here
        assert_eq!(readers.socket(zmq::PULL).unwrap().poll(zmq::POLLIN, 2500).unwrap(), 0);
        while !matches!(subscriber.recv::<Buffer>().unwrap(), Event::Stale { .. }) {}
    }
}

#[test]
fn an_address_of_ipv6_needs_no_option() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return println!("not run: this machine has no IPv6");
    }
    let context = zmq::Context::new();
    let publisher = Publisher::bind(&context, "tcp://[::1]:*", "tcp://[::1]:*").unwrap();
    assert!(publisher.endpoint().starts_with("tcp://[::1]:"), "{}", publisher.endpoint());
    publisher.publish("a", &7_u64).unwrap();
    let mut subscriber = subscriber(&context, &publisher, SubscriberOptions::new());
    subscriber.subscribe_from("a", Start::All).unwrap();
    assert!(matches!(next::<u64>(&mut subscriber), Event::Joined { .. }));
    assert!(matches!(next(&mut subscriber), Event::Data { value: 7_u64, .. }));
}
