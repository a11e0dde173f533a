//! Every pattern carries objects over every transport, and what a socket cannot do is a clear error.

use std::fmt::Debug;
use std::net::TcpStream;
use std::thread;

use crate::common;
use crate::common::{Place, TRANSPORTS};
use outband::{
    Buffer, Decode, Encode, Envelope, Error, ErrorKind, Limits, MsgPack, Multipart, SocketExt, to_multipart,
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Object {
    name: String,
    buffers: Vec<Buffer>,
}

/// No, one and many buffers; empty, small and large ones.
fn objects() -> Vec<Object> {
    let object = |count: usize, len: usize| Object {
        name: format!("{count} of {len}"),
        buffers: (0..count).map(|index| Buffer::from_vec(vec![index as u8; len])).collect(),
    };
    vec![object(0, 0), object(1, 0), object(1, 100), object(1, 10_000), object(64, 9_000), object(3, 1 << 20)]
}

/// Runs `test` over every transport.
fn everywhere(test: impl Fn(&Place)) {
    TRANSPORTS.into_iter().for_each(|transport| test(&Place::new(transport)));
}

/// All forms of sending, facing all forms of receiving, one way.
fn carries_objects(tx: &zmq::Socket, rx: &zmq::Socket) {
    let in_frames = MsgPack::new().out_of_band_from(0);
    for object in objects() {
        tx.send_obj(&object).unwrap();
        assert_eq!(rx.recv_obj::<Object>().unwrap(), object);
        tx.try_send_obj(&object).unwrap();
        assert_eq!(rx.recv_with::<Object, _>(&in_frames).unwrap(), object);
        tx.send_with(&in_frames, &object).unwrap();
        rx.poll(zmq::POLLIN, i64::from(common::LONG)).unwrap();
        assert_eq!(rx.try_recv_obj::<Object>().unwrap(), object);
        tx.try_send_with(&in_frames, &object).unwrap();
        rx.poll(zmq::POLLIN, i64::from(common::LONG)).unwrap();
        assert_eq!(rx.try_recv_with::<Object, _>(&in_frames).unwrap(), object);

        let message = in_frames.encode(&object).unwrap();
        tx.send_message(message.clone()).unwrap();
        assert_eq!(rx.recv_message().unwrap(), message);
        tx.try_send_message(message.clone()).unwrap();
        assert_eq!(rx.recv_message_within(&Limits::new()).unwrap(), message);
        let tracker = tx.send_message_tracked(message.clone()).unwrap();
        rx.poll(zmq::POLLIN, i64::from(common::LONG)).unwrap();
        assert_eq!(rx.try_recv_message().unwrap(), message);
        assert!(tracker.wait(None));
        let tracker = tx.send_obj_tracked(&object).unwrap();
        assert_eq!(rx.recv_obj::<Object>().unwrap(), object);
        assert!(tracker.wait(None));
    }
    assert!(rx.try_recv_obj::<Object>().unwrap_err().is_timeout());
}

#[track_caller]
fn is_the_callers<T: Debug>(result: Result<T, Error>, word: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Caller, "{error}");
    assert!(error.to_string().contains(word), "{error}");
}

#[test]
fn pair() {
    everywhere(|place| {
        let (left, right) = place.connected(zmq::PAIR, zmq::PAIR);
        carries_objects(&left, &right);
        carries_objects(&right, &left);
    });
}

#[test]
fn push_pull() {
    everywhere(|place| {
        let (pull, push) = place.connected(zmq::PULL, zmq::PUSH);
        carries_objects(&push, &pull);
        is_the_callers(pull.send_obj(&1), "PULL");
        is_the_callers(push.recv_obj::<u8>(), "PUSH");
        is_the_callers(push.try_recv_obj::<u8>(), "PUSH");
        carries_objects(&push, &pull);
    });
}

#[test]
fn dealer_dealer() {
    everywhere(|place| {
        let (left, right) = place.connected(zmq::DEALER, zmq::DEALER);
        carries_objects(&left, &right);
        carries_objects(&right, &left);
        // a delimiter is skipped, and told where it is asked for
        left.send_obj_via(&Envelope::delimiter(), "delimited").unwrap();
        assert_eq!(right.recv_obj::<String>().unwrap(), "delimited");
        left.send_obj_via(&Envelope::delimiter(), "delimited").unwrap();
        assert_eq!(right.recv_obj_via::<String>().unwrap(), (Envelope::delimiter(), "delimited".to_owned()));
    });
}

/// A publisher and a subscriber that it knows of.
fn subscribed(place: &Place, topics: &[&str]) -> (zmq::Socket, zmq::Socket) {
    let (publisher, subscriber) = place.connected(zmq::XPUB, zmq::SUB);
    for topic in topics {
        subscriber.set_subscribe(topic.as_bytes()).unwrap();
        assert_eq!(publisher.recv_message().unwrap().metadata()[1..], *topic.as_bytes());
    }
    (publisher, subscriber)
}

#[test]
fn publishers_and_subscribers() {
    everywhere(|place| {
        let (publisher, subscriber) = subscribed(place, &["weather.", "b"]);
        for object in objects() {
            publisher.publish_obj("weather.oslo", &object).unwrap();
            publisher.publish_obj("weather", &"not long enough for the subscription").unwrap();
            publisher.publish_obj("", &"nobody wants everything").unwrap();
            publisher.publish_obj(b"b\x00\xff", &object).unwrap();
            let (topic, got) = subscriber.recv_topic_obj::<Object>().unwrap();
            assert_eq!((&topic[..], &got), (&b"weather.oslo"[..], &object));
            subscriber.poll(zmq::POLLIN, i64::from(common::LONG)).unwrap();
            let (topic, got) = subscriber.try_recv_topic_obj::<Object>().unwrap();
            assert_eq!((&topic[..], &got), (&b"b\x00\xff"[..], &object));

            let message = MsgPack::new().encode(&object).unwrap();
            publisher.publish_message("b", message.clone()).unwrap();
            let (topic, got) = subscriber.recv_topic_message().unwrap();
            assert_eq!((&topic[..], got), (&b"b"[..], message));
        }
        is_the_callers(subscriber.send_obj(&1), "SUB");
        is_the_callers(subscriber.publish_obj("b", &1), "SUB");
        publisher.publish_obj("b", &1).unwrap();
        assert_eq!(subscriber.recv_topic_obj::<u8>().unwrap().1, 1);
        // a message with no topic frame before it
        publisher.send("b", 0).unwrap();
        publisher.publish_obj("b", &2).unwrap();
        assert_eq!(subscriber.recv_topic_obj::<u8>().unwrap_err().kind(), ErrorKind::Peer);
        assert_eq!(subscriber.recv_topic_obj::<u8>().unwrap().1, 2);
    });
}

#[test]
fn a_pub_reaches_everyone_who_wants_everything() {
    everywhere(|place| {
        let (publisher, subscriber) = place.connected(zmq::PUB, zmq::SUB);
        subscriber.set_subscribe(b"").unwrap();
        // a PUB does not hear of subscriptions: the first messages may be too early
        let mut number = 0;
        while subscriber.poll(zmq::POLLIN, 10).unwrap() == 0 {
            publisher.publish_obj("", &number).unwrap();
            number += 1;
        }
        let (topic, first) = subscriber.recv_topic_obj::<i32>().unwrap();
        assert!(topic.is_empty());
        for expected in first + 1..number {
            assert_eq!(subscriber.recv_topic_obj::<i32>().unwrap().1, expected);
        }
        is_the_callers(publisher.recv_obj::<u8>(), "PUB");
    });
}

#[test]
fn xsub_and_a_proxy_between() {
    everywhere(|place| {
        let (frontend, publisher) = place.connected(zmq::XSUB, zmq::XPUB);
        let (backend, subscriber) = place.connected(zmq::XPUB, zmq::XSUB);
        frontend.set_rcvtimeo(-1).unwrap();
        backend.set_rcvtimeo(-1).unwrap();
        let steering = place.connected(zmq::PAIR, zmq::PAIR);
        thread::scope(|scope| {
            let (mut frontend, mut backend, (mut steered, steers)) = (frontend, backend, steering);
            scope.spawn(move || zmq::proxy_steerable(&mut frontend, &mut backend, &mut steered).unwrap());
            subscriber.send(b"\x01topic".as_slice(), 0).unwrap();
            assert_eq!(publisher.recv_message().unwrap().metadata(), &b"\x01topic"[..]);
            for object in objects() {
                publisher.publish_obj("topic", &object).unwrap();
                publisher.publish_obj("other", &object).unwrap();
                let (topic, got) = subscriber.recv_topic_obj::<Object>().unwrap();
                assert_eq!((&topic[..], got), (&b"topic"[..], object));
            }
            steers.send("TERMINATE", 0).unwrap();
        });
    });
}

#[test]
fn req_rep() {
    everywhere(|place| {
        let (rep, req) = place.connected(zmq::REP, zmq::REQ);
        is_the_callers(req.recv_obj::<u8>(), "turn");
        is_the_callers(rep.send_obj(&1), "turn");
        for object in objects() {
            req.send_obj(&object).unwrap();
            is_the_callers(req.send_obj(&object), "turn");
            is_the_callers(req.try_send_obj(&object), "turn");
            let got: Object = rep.recv_obj().unwrap();
            is_the_callers(rep.recv_obj::<Object>(), "turn");
            rep.send_obj(&got).unwrap();
            assert_eq!(req.recv_obj::<Object>().unwrap(), object);
        }
        let request = MsgPack::new().encode(&objects()[4]).unwrap();
        let tracker = req.send_message_tracked(request.clone()).unwrap();
        assert_eq!(rep.recv_message().unwrap(), request);
        assert!(tracker.wait(None));
        rep.send_message(request.clone()).unwrap();
        assert_eq!(req.recv_message().unwrap(), request);
    });
}

#[test]
fn dealer_router() {
    everywhere(|place| {
        let (router, dealer) = place.connected(zmq::ROUTER, zmq::DEALER);
        for object in objects() {
            dealer.send_obj(&object).unwrap();
            let (peer, got) = router.recv_obj_from::<Object>().unwrap();
            assert_eq!(got, object);
            router.send_obj_to(&peer, &object).unwrap();
            assert_eq!(dealer.recv_obj::<Object>().unwrap(), object);

            dealer.send_obj_via(&Envelope::delimiter(), &object).unwrap();
            let (envelope, got) = router.recv_obj_via::<Object>().unwrap();
            assert_eq!((&envelope, got), (&Envelope::to_req(&peer), object.clone()));
            router.send_obj_via(&envelope, &object).unwrap();
            assert_eq!(dealer.recv_obj_via::<Object>().unwrap(), (Envelope::delimiter(), object.clone()));

            let message = MsgPack::new().encode(&object).unwrap();
            dealer.send_message_via(&Envelope::delimiter(), message.clone()).unwrap();
            assert_eq!(router.recv_message_from().unwrap(), (peer.clone(), message.clone()));
            router.send_message_to(&peer, message.clone()).unwrap();
            assert_eq!(dealer.recv_message().unwrap(), message);
            dealer.send_message(message.clone()).unwrap();
            assert_eq!(router.recv_message_via().unwrap(), (Envelope::to(&peer), message.clone()));
            router.send_message_via(&Envelope::to(&peer), message.clone()).unwrap();
            assert_eq!(dealer.recv_message_via().unwrap().1, message);
        }
    });
}

#[test]
fn router_facing_req_and_dealer_facing_rep() {
    everywhere(|place| {
        let (router, req) = place.connected(zmq::ROUTER, zmq::REQ);
        let (rep, dealer) = place.connected(zmq::REP, zmq::DEALER);
        for object in objects() {
            req.send_obj(&object).unwrap();
            let (envelope, got) = router.recv_obj_via::<Object>().unwrap();
            assert!(envelope.has_delimiter() && envelope.peer().is_some());
            router.send_obj_via(&envelope, &got).unwrap();
            assert_eq!(req.recv_obj::<Object>().unwrap(), object);

            dealer.send_obj_via(&Envelope::delimiter(), &object).unwrap();
            let got: Object = rep.recv_obj().unwrap();
            rep.send_obj(&got).unwrap();
            assert_eq!(dealer.recv_obj::<Object>().unwrap(), object);
        }
    });
}

#[test]
fn a_router_names_its_peers_and_says_who_is_not_there() {
    everywhere(|place| {
        let (router, dealer) = place.connected(zmq::ROUTER, zmq::DEALER);
        dealer.send_obj("hello").unwrap();
        let (peer, _) = router.recv_obj_from::<String>().unwrap();

        let message = outband::to_multipart("lost?").unwrap();
        let error = router.send_message_to("nobody", message.clone()).unwrap_err();
        assert!(error.is_unreachable() && error.to_string().contains("nobody"), "{error}");
        assert_eq!(error.kind(), ErrorKind::Transport);
        assert_eq!(error.into_message().unwrap(), message);

        // a receive that leaves out the routing id is the caller's mistake; it costs that message and no other
        dealer.send_obj(&objects()[4]).unwrap();
        dealer.send_obj("next").unwrap();
        is_the_callers(router.recv_obj::<Object>(), "ROUTER");
        assert_eq!(router.recv_obj_from::<String>().unwrap(), (peer.clone(), "next".to_owned()));

        is_the_callers(dealer.send_obj_to(&peer, &1), "DEALER");
        is_the_callers(dealer.send_obj_via(&Envelope::to(&peer), &1), "DEALER");
        let error = dealer.send_message_to(&peer, message.clone()).unwrap_err();
        assert_eq!(error.into_message().unwrap(), message);
        router.send_obj_to(&peer, "works").unwrap();
        assert_eq!(dealer.recv_obj::<String>().unwrap(), "works");
    });
}

#[test]
fn a_router_in_a_poll_loop_never_waits() {
    everywhere(|place| {
        let (router, dealer) = place.connected(zmq::ROUTER, zmq::DEALER);
        let wait = |socket: &zmq::Socket| assert_eq!(socket.poll(zmq::POLLIN, i64::from(common::LONG)).unwrap(), 1);
        assert!(router.try_recv_obj_from::<Object>().unwrap_err().is_timeout());
        assert!(router.try_recv_obj_via::<Object>().unwrap_err().is_timeout());
        assert!(router.try_recv_message_via().unwrap_err().is_timeout());
        let in_frames = MsgPack::new().out_of_band_from(0);
        for object in objects() {
            dealer.try_send_obj_via(&Envelope::delimiter(), &object).unwrap();
            wait(&router);
            let (peer, got) = router.try_recv_obj_from::<Object>().unwrap();
            assert_eq!(got, object);
            router.try_send_obj_to(&peer, &object).unwrap();
            wait(&dealer);
            assert_eq!(dealer.try_recv_obj_via::<Object>().unwrap().1, object);

            dealer.try_send_with_via(&in_frames, &Envelope::delimiter(), &object).unwrap();
            wait(&router);
            let (envelope, got) = router.try_recv_with_via::<Object, _>(&in_frames).unwrap();
            assert_eq!((&envelope, &got), (&Envelope::to_req(&peer), &object));
            router.try_send_obj_via(&envelope, &object).unwrap();
            wait(&dealer);
            assert_eq!(dealer.try_recv_obj_via::<Object>().unwrap(), (Envelope::delimiter(), object.clone()));

            let message = in_frames.encode(&object).unwrap();
            dealer.try_send_message_via(&Envelope::delimiter(), message.clone()).unwrap();
            wait(&router);
            assert_eq!(router.try_recv_message_via().unwrap(), (envelope.clone(), message.clone()));
            router.try_send_message_via(&envelope, message.clone()).unwrap();
            assert_eq!(dealer.recv_message_via().unwrap(), (Envelope::delimiter(), message));
        }
        assert!(router.try_send_obj_to("nobody", &1).unwrap_err().is_unreachable());
        is_the_callers(dealer.try_send_obj_to("router", &1), "DEALER");
    });
}

#[test]
fn a_full_peer_is_said_to_be_one_at_once() {
    let place = Place::new("inproc");
    let (router, dealer) = (place.socket(zmq::ROUTER), place.socket(zmq::DEALER));
    for socket in [&router, &dealer] {
        socket.set_sndhwm(1).unwrap();
        socket.set_rcvhwm(1).unwrap();
    }
    dealer.set_identity(b"full").unwrap();
    dealer.connect(&place.bind(&router)).unwrap();
    dealer.send_obj(&0).unwrap();
    router.recv_obj_from::<u8>().unwrap();
    let sent = (0..100).take_while(|number| router.try_send_obj_to("full", number).is_ok()).count();
    assert!((1..100).contains(&sent), "{sent}");
    let message = outband::to_multipart(&objects()[4]).unwrap();
    let error = router.try_send_message_via(&Envelope::to("full"), message.clone()).unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert_eq!(error.into_message().unwrap(), message);
    assert!(router.try_send_obj_via(&Envelope::to("full"), &1).unwrap_err().is_timeout());
    assert_eq!(
        (0..sent).map(|_| dealer.recv_obj::<usize>().unwrap()).collect::<Vec<_>>(),
        (0..sent).collect::<Vec<_>>()
    );
}

#[test]
fn routing_ids_are_refused_where_there_are_none() {
    let place = Place::new("inproc");
    let (pull, push) = place.connected(zmq::PULL, zmq::PUSH);
    push.send_obj(&objects()[4]).unwrap();
    push.send_obj(&5).unwrap();
    is_the_callers(pull.recv_obj_from::<Object>(), "PULL");
    assert_eq!(pull.recv_obj::<u8>().unwrap(), 5);
}

/// Where nobody takes it off, a delimiter is metadata without a byte.
#[test]
fn a_delimiter_is_refused_where_nobody_takes_it_off() {
    let place = Place::new("inproc");
    let message = || to_multipart(&objects()[4]).unwrap();
    for (tx, rx) in [(zmq::PUSH, zmq::PULL), (zmq::PAIR, zmq::PAIR), (zmq::REQ, zmq::REP)] {
        let (rx, tx) = place.connected(rx, tx);
        is_the_callers(tx.send_obj_via(&Envelope::delimiter(), &1), &format!("{:?}", tx.get_socket_type().unwrap()));
        is_the_callers(tx.try_send_obj_via(&Envelope::delimiter(), &1), "delimiter");
        let error = tx.send_message_via(&Envelope::delimiter(), message()).unwrap_err();
        assert_eq!((error.kind(), error.into_message().unwrap()), (ErrorKind::Caller, message()));
        tx.send_obj(&2).unwrap();
        assert_eq!(rx.recv_obj::<u8>().unwrap(), 2);
    }
}

#[test]
fn a_conflating_socket_is_refused() {
    let place = Place::new("inproc");
    let (rx, tx) = (place.socket(zmq::PULL), place.socket(zmq::PUSH));
    rx.set_conflate(true).unwrap();
    tx.set_conflate(true).unwrap();
    tx.connect(&place.bind(&rx)).unwrap();
    is_the_callers(tx.send_obj(&1), "ZMQ_CONFLATE");
    is_the_callers(rx.recv_obj::<u8>(), "ZMQ_CONFLATE");
    let error = tx.send_message(Multipart::new("kept", vec![])).unwrap_err();
    assert_eq!(error.into_message().unwrap(), Multipart::new("kept", vec![]));
}

#[test]
fn a_stream_socket_is_refused() {
    let stream = Place::new("tcp").socket(zmq::STREAM);
    is_the_callers(stream.send_obj(&1), "STREAM");
    is_the_callers(stream.recv_obj::<u8>(), "STREAM");
    is_the_callers(stream.recv_obj_from::<u8>(), "STREAM");
}

/// Each costs what was there: that it is bytes is seen when they are taken.
#[test]
fn the_bytes_of_a_stream_socket_are_no_message() {
    let stream = Place::new("tcp").socket(zmq::STREAM);
    stream.bind("tcp://127.0.0.1:*").unwrap();
    let endpoint = stream.get_last_endpoint().unwrap().unwrap();
    let mut peers = Vec::new();
    let mut comes = || {
        // that somebody connects is a message of its own
        peers.push(TcpStream::connect(endpoint.strip_prefix("tcp://").unwrap()).unwrap());
        assert_eq!(stream.poll(zmq::POLLIN, i64::from(common::LONG)).unwrap(), 1);
    };
    comes();
    is_the_callers(stream.recv_topic_message(), "STREAM");
    comes();
    is_the_callers(stream.recv_topic_obj::<u8>(), "STREAM");
    comes();
    is_the_callers(stream.recv_obj::<u8>(), "STREAM");
    comes();
    is_the_callers(stream.recv_message(), "STREAM");
    comes();
    is_the_callers(stream.recv_obj_from::<u8>(), "STREAM");
}

/// What a ROUTER takes for a routing id, and an XSUB for a subscription, would be dropped with `Ok`, and the rest of it with it.
#[test]
fn what_a_first_frame_would_be_taken_for_something_else_is_refused() {
    let place = Place::new("inproc");
    let (router, dealer) = (place.socket(zmq::ROUTER), place.socket(zmq::DEALER));
    dealer.set_identity(&[7]).unwrap();
    dealer.connect(&place.bind(&router)).unwrap();
    dealer.send_obj(&"here").unwrap();
    let (peer, _): (bytes::Bytes, String) = router.recv_obj_from().unwrap();
    let message = Multipart::new(vec![7], vec![Buffer::from_vec(vec![9_u8])]);
    is_the_callers(router.send_obj(&7), "send_obj_to");
    is_the_callers(router.send_json(&7), "send_obj_to");
    is_the_callers(router.send_obj_tracked(&7), "send_obj_to");
    let error = router.send_message(message.clone()).unwrap_err();
    assert_eq!(error.into_message().unwrap(), message);
    router.send_obj_to(&peer, &8).unwrap();
    assert_eq!(dealer.recv_obj::<i32>().unwrap(), 8);

    let (xpub, xsub) = (place.socket(zmq::XPUB), place.socket(zmq::XSUB));
    xsub.connect(&place.bind(&xpub)).unwrap();
    is_the_callers(xsub.send_obj(&0), "a struct or a list");
    is_the_callers(xsub.send_obj(&1), "a struct or a list");
    xsub.send_obj(&[1]).unwrap();
    assert_eq!(xpub.recv_obj::<[i32; 1]>().unwrap(), [1]);
    // it looks at every frame, and would drop this one: the next message would be taken for the rest of this
    for first in [0, 1] {
        let samples = Buffer::from_vec(vec![first; 10_000]);
        is_the_callers(xsub.send_obj(&(5, &samples)), "in band");
        let message = to_multipart(&(5, Buffer::from_vec(vec![2; 10_000]), &samples)).unwrap();
        is_the_callers(xsub.publish_message("topic", message), "in band");
        xsub.send_with(&MsgPack::new().out_of_band_from(usize::MAX), &(5, &samples)).unwrap();
        assert_eq!(xpub.recv_obj::<(i32, Buffer)>().unwrap(), (5, samples));
    }
    is_the_callers(xsub.publish_obj("topic", &1), "in band");
    let samples = Buffer::from_vec(vec![2; 10_000]);
    xsub.publish_obj("topic", &samples).unwrap();
    assert_eq!(xpub.recv_topic_obj::<Buffer>().unwrap(), ("topic".into(), samples));
}

/// The frames before the metadata count as well.
#[test]
fn a_topic_is_held_against_the_limit_of_a_message() {
    let strict = MsgPack::new().limits(Limits::new().total_bytes(1000));
    everywhere(|place| {
        let (rx, tx) = place.connected(zmq::PULL, zmq::PUSH);
        for (topic, len) in [(900, 0), (1000, 0), (900, 80), (900, 200), (10, 0)] {
            let bytes = Buffer::from_vec(vec![1_u8; len]);
            tx.publish_obj(vec![b't'; topic], &bytes).unwrap();
        }
        let received =
            || rx.recv_topic_with::<Buffer, _>(&strict).map(|(topic, _)| topic.len()).map_err(|error| error.kind());
        let over = Err(ErrorKind::Limits);
        assert_eq!([(); 5].map(|()| received()), [Ok(900), over, Ok(900), over, Ok(10)]);
    });
}

/// Whoever forwards what strangers send does not decode it, and bounds it all the same.
#[test]
fn messages_are_received_undecoded_within_limits_on_every_pattern() {
    let strict = Limits::new().metadata_bytes(500).total_bytes(20_000).frames(1);
    let of = |metadata: usize, buffers: &[usize]| {
        Multipart::new(vec![7; metadata], buffers.iter().map(|&len| Buffer::from_vec(vec![7_u8; len])).collect())
    };
    let (good, long) = ([of(3, &[]), of(400, &[19_000])], [of(501, &[]), of(3, &[20_000]), of(3, &[5, 5])]);
    everywhere(|place| {
        let (router, dealer) = place.connected(zmq::ROUTER, zmq::DEALER);
        let (pull, push) = place.connected(zmq::PULL, zmq::PUSH);
        for message in good.iter().chain(&long) {
            dealer.send_message(message.clone()).unwrap();
            let routed = router.recv_with_from::<Multipart, _>(&strict).map(|(_, message)| message);
            dealer.send_message_via(&Envelope::delimiter(), message.clone()).unwrap();
            let via = router.recv_with_via::<Multipart, _>(&strict).map(|(_, message)| message);
            push.publish_message("topic", message.clone()).unwrap();
            let published = pull.recv_topic_with::<Multipart, _>(&strict).map(|(_, message)| message);
            push.send_message(message.clone()).unwrap();
            for received in [routed, via, published, pull.recv_with(&strict)] {
                match received {
                    Ok(received) => assert!(received == *message && good.contains(message)),
                    Err(error) => assert!(error.is_limit() && long.contains(message), "{error}"),
                }
            }
        }
    });
}

/// A socket may lie where one lay that was waited for: it is looked at all the same, though what it kept of a message would decode.
#[test]
fn a_socket_in_the_place_of_one_that_was_waited_for_is_looked_at() {
    let place = Place::new("inproc");
    let mut rx = place.socket(zmq::PULL);
    rx.set_rcvtimeo(1).unwrap();
    for _ in 0..3 {
        // after two in a row that found nothing, one waits without looking
        assert_eq!(rx.recv_obj::<u8>().unwrap_err().kind(), ErrorKind::Timeout);
    }

    rx = place.socket(zmq::PULL);
    rx.set_conflate(true).unwrap();
    let tx = place.socket(zmq::PUSH);
    tx.connect(&place.bind(&rx)).unwrap();
    tx.send("metadata", zmq::SNDMORE).unwrap();
    tx.send(&MsgPack::new().encode(&7_u8).unwrap().metadata()[..], 0).unwrap();
    is_the_callers(rx.recv_obj::<u8>(), "ZMQ_CONFLATE");
    is_the_callers(rx.recv_message(), "ZMQ_CONFLATE");
    is_the_callers(rx.recv_topic_obj::<u8>(), "ZMQ_CONFLATE");

    rx = place.socket(zmq::STREAM);
    is_the_callers(rx.recv_obj::<u8>(), "STREAM");
    is_the_callers(rx.recv_message(), "STREAM");
}

/// Sockets hand no codec a longer metadata frame than it takes, one that looks at no length itself either.
#[test]
fn the_limits_of_any_codec_hold_for_a_frame_by_itself() {
    struct Whatever;
    impl Decode<usize> for Whatever {
        fn decode(&self, message: Multipart) -> Result<usize, Error> {
            Ok(message.metadata().len())
        }

        fn limits(&self) -> Limits {
            Limits::new().metadata_bytes(100)
        }
    }
    everywhere(|place| {
        let (rx, tx) = place.connected(zmq::PULL, zmq::PUSH);
        for len in [100, 101, 20_000, 99] {
            tx.send(vec![0_u8; len], 0).unwrap();
        }
        let received = || rx.recv_with::<usize, _>(&Whatever).map_err(|error| error.kind());
        assert_eq!([(); 4].map(|()| received()), [Ok(100), Err(ErrorKind::Limits), Err(ErrorKind::Limits), Ok(99)]);
    });
}

#[test]
fn an_empty_metadata_frame_is_refused() {
    let place = Place::new("inproc");
    let (rx, tx) = place.connected(zmq::PULL, zmq::PUSH);
    let message = Multipart::new("", vec![Buffer::from_vec(vec![1_u8])]);
    let error = tx.send_message(message.clone()).unwrap_err();
    assert_eq!(error.message(), Some(&message));
    is_the_callers(Err::<(), _>(error), "metadata");
    tx.send_obj(&1).unwrap();
    assert_eq!(rx.recv_obj::<u8>().unwrap(), 1);
}

#[test]
fn a_message_over_a_limit_costs_no_other_message() {
    everywhere(|place| {
        let (pull, push) = place.connected(zmq::PULL, zmq::PUSH);
        let strict = MsgPack::new().limits(Limits::new().frames(3).total_bytes(1 << 20));
        for object in [&objects()[4], &objects()[5]] {
            push.send_obj(object).unwrap();
            push.send_obj("next").unwrap();
            assert!(pull.recv_with::<Object, _>(&strict).unwrap_err().is_limit());
            assert_eq!(pull.recv_obj::<String>().unwrap(), "next");
        }
    });
}

#[test]
fn a_terminated_context_says_so() {
    let mut place = Place::new("inproc");
    let (rx, tx) = place.connected(zmq::PULL, zmq::PUSH);
    thread::scope(|scope| {
        let ends = scope.spawn(move || {
            let error = rx.recv_obj::<u8>().unwrap_err();
            assert!(error.is_terminated(), "{error}");
            assert_eq!(error.kind(), ErrorKind::Transport);
            // a socket that sends may hear of it a millisecond later than one that waits
            let error = loop {
                if let Err(error) = tx.send_message(Multipart::new("kept", vec![])) {
                    break error;
                }
            };
            assert!(error.is_terminated(), "{error}");
            assert_eq!(error.into_message().unwrap(), Multipart::new("kept", vec![]));
        });
        place.context.destroy().unwrap();
        ends.join().unwrap();
    });
}

#[test]
fn a_value_that_does_not_serialize_leaves_the_socket_alone() {
    struct Fails;
    impl Serialize for Fails {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("on purpose"))
        }
    }
    let place = Place::new("inproc");
    let (rep, req) = place.connected(zmq::REP, zmq::REQ);
    is_the_callers(req.send_obj(&(1, Fails)), "on purpose");
    req.send_obj(&1).unwrap();
    assert_eq!(Decode::<u8>::decode(&MsgPack::new(), rep.recv_message().unwrap()).unwrap(), 1);
}

#[test]
fn a_req_whose_reply_never_came_is_told_how_to_ask_again_and_can() {
    let place = Place::new("tcp");
    let server = place.socket(zmq::REP);
    let address = place.bind(&server);
    let asking = || {
        let socket = place.socket(zmq::REQ);
        socket.set_rcvtimeo(50).unwrap();
        socket.connect(&address).unwrap();
        socket
    };

    let strict = asking();
    strict.send_obj("first").unwrap();
    assert_eq!(server.recv_obj::<String>().unwrap(), "first");
    assert!(strict.recv_obj::<String>().unwrap_err().is_timeout());
    let error = strict.send_obj("second").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Caller);
    assert!(error.to_string().contains("ZMQ_REQ_RELAXED and ZMQ_REQ_CORRELATE"), "{error}");
    let error = server.recv_obj::<String>().unwrap_err();
    assert!(error.to_string().ends_with("the last request has no answer yet"), "{error}");
    server.send_obj("to the first").unwrap();

    let relaxed = asking();
    relaxed.set_req_relaxed(true).unwrap();
    relaxed.set_req_correlate(true).unwrap();
    relaxed.send_obj("first").unwrap();
    assert_eq!(server.recv_obj::<String>().unwrap(), "first");
    assert!(relaxed.recv_obj::<String>().unwrap_err().is_timeout());
    relaxed.send_obj("second").unwrap();
    server.send_obj("late, to the first").unwrap();
    assert_eq!(server.recv_obj::<String>().unwrap(), "second");
    server.send_obj(&Buffer::from_vec(vec![2_u8; 10_000])).unwrap();
    relaxed.set_rcvtimeo(common::LONG).unwrap();
    assert_eq!(relaxed.recv_obj::<Buffer>().unwrap()[..], [2_u8; 10_000]);
}

#[test]
fn a_correlated_request_is_answered_by_a_router_and_a_late_answer_is_dropped() {
    for transport in ["tcp", "ipc"] {
        let place = Place::new(transport);
        let server = place.socket(zmq::ROUTER);
        let address = place.bind(&server);
        let asking = place.socket(zmq::REQ);
        asking.set_req_relaxed(true).unwrap();
        asking.set_req_correlate(true).unwrap();
        asking.connect(&address).unwrap();
        let payload = Buffer::from_vec(vec![2_u8; 10_000]);
        asking.send_obj(&("first", &payload)).unwrap();
        let (first, asked): (_, (String, Buffer)) = server.recv_obj_via().unwrap();
        assert_eq!((&*asked.0, &asked.1, first.has_delimiter()), ("first", &payload, true));
        asking.send_obj("second").unwrap();
        let (second, asked): (_, String) = server.recv_obj_via().unwrap();
        assert_eq!((&*asked, second.peer()), ("second", first.peer()));
        assert_ne!(second, first, "each request has a number");
        server.send_obj_via(&first, "to the first").unwrap();
        server.send_obj_via(&second, "to the second").unwrap();
        assert_eq!(asking.recv_obj::<String>().unwrap(), "to the second");

        // from a DEALER the same frames are a message that begins with its metadata
        let dealer = place.socket(zmq::DEALER);
        dealer.connect(&address).unwrap();
        let frames: [&[u8]; 3] = [b"four", b"", b"buffer"];
        dealer.send_multipart(frames, 0).unwrap();
        let (envelope, message) = server.recv_message_via().unwrap();
        assert!(!envelope.has_delimiter());
        assert_eq!((&message.metadata()[..], message.buffers().len()), (frames[0], 2));
    }
}
