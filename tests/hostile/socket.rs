//! Hostile messages on a socket: each is one typed error, and the socket then carries the next good message.

use std::io::{Read, Write};
use std::net::TcpStream;

use outband::{Buffer, Encode, ErrorKind, Limits, MsgPack, SocketExt};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Image {
    name: String,
    pixels: Buffer,
}

fn image() -> Image {
    Image { name: "good".into(), pixels: Buffer::from_vec(vec![7_u8; 20_000]) }
}

/// A PUSH and a PULL that are connected, with timeouts.
fn sockets(context: &zmq::Context, transport: &str) -> (zmq::Socket, zmq::Socket) {
    sockets_of(context, transport, zmq::PUSH, zmq::PULL)
}

/// A socket that connects and one that is bound, with timeouts.
fn sockets_of(
    context: &zmq::Context,
    transport: &str,
    connects: zmq::SocketType,
    bound: zmq::SocketType,
) -> (zmq::Socket, zmq::Socket) {
    let (tx, rx) = (context.socket(connects).unwrap(), context.socket(bound).unwrap());
    for socket in [&tx, &rx] {
        socket.set_linger(0).unwrap();
        socket.set_sndtimeo(10_000).unwrap();
        socket.set_rcvtimeo(10_000).unwrap();
    }
    match transport {
        "inproc" => {
            rx.bind("inproc://hostile").unwrap();
            tx.connect("inproc://hostile").unwrap();
        }
        _ => {
            rx.bind("tcp://127.0.0.1:*").unwrap();
            tx.connect(&rx.get_last_endpoint().unwrap().unwrap()).unwrap();
        }
    }
    (tx, rx)
}

fn strict() -> MsgPack {
    MsgPack::new().limits(Limits::new().frames(4).metadata_bytes(10_000).total_bytes(100_000))
}

fn hostile() -> Vec<(Vec<Vec<u8>>, ErrorKind)> {
    let good = strict().encode(&image()).unwrap();
    let (metadata, pixels) = (good.metadata().to_vec(), good.buffers()[0].to_vec());
    let other = vec![8; 20_000];
    let peer = [
        vec![vec![]],
        vec![vec![], vec![]],
        vec![vec![], metadata.clone(), pixels.clone()],
        vec![vec![0xc1]],
        vec![metadata.clone()],
        vec![metadata[..metadata.len() - 1].to_vec(), pixels.clone()],
        vec![[&metadata[..], &[0xc0]].concat(), pixels.clone()],
        vec![metadata.clone(), pixels[1..].to_vec()],
        vec![metadata.clone(), other.clone()],
        vec![metadata.clone(), vec![]],
        vec![metadata.clone(), pixels.clone(), vec![]],
        vec![metadata.clone(), pixels.clone(), pixels.clone()],
        vec![metadata.clone(), other, pixels.clone()],
        vec![pixels.clone(), metadata.clone()],
        vec![b"\x81\xa4name\xa1x".to_vec()],
        vec![vec![0xdd, 0xff, 0xff, 0xff, 0xff]],
        vec![b"not an object at all".to_vec()],
    ];
    let limits = [
        vec![vec![0x91; 9_000]],
        vec![vec![0x91; 10_001]],
        vec![vec![0xc0; 50_000], pixels.clone(), pixels.clone()],
        vec![metadata.clone(), pixels.clone(), vec![], vec![], vec![], vec![], vec![], vec![]],
        vec![metadata.clone(), vec![1; 50_000], vec![1; 50_000], vec![1; 50_000]],
        vec![metadata, vec![1; 200_000]],
        vec![vec![0xc0; 5_000]; 200],
    ];
    let peer = peer.into_iter().map(|frames| (frames, ErrorKind::Peer));
    // pixels as metadata are over the metadata's limit before anyone looks into them
    let kind = |frames: Vec<Vec<u8>>, kind| if frames[0].len() > 10_000 { ErrorKind::Limits } else { kind };
    let peer = peer.map(|(frames, blame)| (frames.clone(), kind(frames, blame)));
    peer.chain(limits.into_iter().map(|frames| (frames, ErrorKind::Limits))).collect()
}

/// A hostile message that comes in, and then a good one.
fn refuses_and_goes_on(tx: &zmq::Socket, rx: &zmq::Socket, what: &str) {
    let is_dealer = rx.get_socket_type() == Ok(zmq::DEALER);
    for (case, (frames, kind)) in hostile().into_iter().enumerate() {
        let sizes: Vec<_> = frames.iter().map(Vec::len).collect();
        // an empty frame is a delimiter to a DEALER, and a good message may follow it
        let is_good = is_dealer && frames[0].is_empty() && frames.len() == 3;
        tx.send_multipart(frames, 0).unwrap();
        tx.send_with(&strict(), &image()).unwrap();
        match rx.recv_with::<Image, _>(&strict()) {
            Ok(received) => assert!(is_good && received == image(), "case {case} {what}, {sizes:?} bytes"),
            Err(error) => {
                assert!(!is_good && error.kind() == kind, "case {case} {what}, frames of {sizes:?} bytes: {error}");
            }
        }
        let next: Image = rx.recv_with(&strict()).unwrap();
        assert_eq!(next, image(), "case {case} {what}");
        assert!(rx.try_recv_obj::<Image>().unwrap_err().is_timeout(), "case {case} {what}");
    }
}

#[test]
fn a_hostile_message_is_one_error_and_the_next_message_arrives() {
    for transport in ["inproc", "tcp"] {
        let context = zmq::Context::new();
        let (tx, rx) = sockets(&context, transport);
        refuses_and_goes_on(&tx, &rx, transport);
    }
}

#[test]
fn whoever_sends_and_receives_refuses_and_goes_on_in_both_directions() {
    for transport in ["inproc", "tcp"] {
        for kind in [zmq::PAIR, zmq::DEALER] {
            let context = zmq::Context::new();
            let (one, other) = sockets_of(&context, transport, kind, kind);
            let what = format!("on a {kind:?} over {transport}");
            refuses_and_goes_on(&one, &other, &what);
            refuses_and_goes_on(&other, &one, &what);
        }
    }
}

#[test]
fn a_rep_that_refuses_a_request_answers_all_the_same() {
    for transport in ["inproc", "tcp"] {
        let context = zmq::Context::new();
        let (req, rep) = sockets_of(&context, transport, zmq::REQ, zmq::REP);
        for (case, (frames, kind)) in hostile().into_iter().enumerate() {
            req.send_multipart(frames, 0).unwrap();
            let error = rep.recv_with::<Image, _>(&strict()).unwrap_err();
            assert_eq!(error.kind(), kind, "case {case} over {transport}: {error}");
            // libzmq has the request off the socket, so the turn is the REP's
            let error = rep.recv_with::<Image, _>(&strict()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Caller, "case {case} over {transport}: {error}");
            rep.send_obj("refused").unwrap();
            assert_eq!(req.recv_obj::<String>().unwrap(), "refused", "case {case} over {transport}");

            req.send_with(&strict(), &image()).unwrap();
            assert_eq!(rep.recv_with::<Image, _>(&strict()).unwrap(), image(), "case {case} over {transport}");
            rep.send_with(&strict(), &image()).unwrap();
            assert_eq!(req.recv_with::<Image, _>(&strict()).unwrap(), image(), "case {case} over {transport}");
        }
    }
}

#[test]
fn a_req_that_refuses_a_reply_asks_again() {
    for transport in ["inproc", "tcp"] {
        let context = zmq::Context::new();
        let (req, rep) = sockets_of(&context, transport, zmq::REQ, zmq::REP);
        for (case, (frames, kind)) in hostile().into_iter().enumerate() {
            for is_hostile in [true, false] {
                req.send_obj(&case).unwrap();
                assert_eq!(rep.recv_obj::<usize>().unwrap(), case);
                if is_hostile {
                    rep.send_multipart(&frames, 0).unwrap();
                    let error = req.recv_with::<Image, _>(&strict()).unwrap_err();
                    assert_eq!(error.kind(), kind, "case {case} over {transport}: {error}");
                } else {
                    rep.send_with(&strict(), &image()).unwrap();
                    assert_eq!(req.recv_with::<Image, _>(&strict()).unwrap(), image(), "case {case} over {transport}");
                }
            }
        }
    }
}

#[test]
fn a_subscriber_refuses_and_goes_on() {
    for transport in ["inproc", "tcp"] {
        for kind in [zmq::SUB, zmq::XSUB] {
            let context = zmq::Context::new();
            let (rx, tx) = sockets_of(&context, transport, kind, zmq::XPUB);
            match kind {
                zmq::SUB => rx.set_subscribe(b"topic").unwrap(),
                _ => rx.send(&b"\x01topic"[..], 0).unwrap(),
            }
            tx.recv_message().unwrap();
            for (case, (mut frames, kind)) in hostile().into_iter().enumerate() {
                frames.insert(0, b"topic".to_vec());
                tx.send_multipart(frames, 0).unwrap();
                tx.publish_with(&strict(), "topic", &image()).unwrap();
                let error = rx.recv_topic_with::<Image, _>(&strict()).unwrap_err();
                assert_eq!(error.kind(), kind, "case {case} over {transport}: {error}");
                let (topic, next): (_, Image) = rx.recv_topic_with(&strict()).unwrap();
                assert_eq!((&topic[..], next), (&b"topic"[..], image()), "case {case} over {transport}");
            }
        }
    }
}

#[test]
fn a_row_of_hostile_messages_leaves_nothing_on_the_socket() {
    for transport in ["inproc", "tcp"] {
        let context = zmq::Context::new();
        let (tx, rx) = sockets(&context, transport);
        let hostile = hostile();
        for (frames, _) in &hostile {
            tx.send_multipart(frames, 0).unwrap();
        }
        tx.send_with(&strict(), &image()).unwrap();
        for (_, kind) in &hostile {
            assert_eq!(rx.recv_with::<Image, _>(&strict()).unwrap_err().kind(), *kind);
        }
        assert_eq!(rx.recv_with::<Image, _>(&strict()).unwrap(), image());
    }
}

#[test]
fn an_undecoded_message_over_the_limits_is_drained() {
    let limits = Limits::new().frames(4).metadata_bytes(10_000).total_bytes(100_000);
    let context = zmq::Context::new();
    let (tx, rx) = sockets(&context, "tcp");
    for frames in [vec![vec![0; 10_001]], vec![vec![0; 10]; 6], vec![vec![0; 9_000]; 5], vec![vec![0; 60_000]; 3]] {
        let over = frames.len() > 5 || frames[0].len() > 9_000;
        tx.send_multipart(frames, 0).unwrap();
        tx.send_obj("next").unwrap();
        let received = rx.recv_message_within(&limits);
        assert_eq!(received.is_err(), over, "{received:?}");
        assert!(received.err().is_none_or(|error| error.is_limit()));
        assert_eq!(rx.recv_obj::<String>().unwrap(), "next");
    }
}

#[test]
fn hostile_topics_and_envelopes_are_errors_of_the_peer() {
    let context = zmq::Context::new();
    let (tx, rx) = sockets(&context, "inproc");
    for frames in [&[&b""[..]][..], &[b"topic"], &[b"topic", b""], &[b"topic", b"\xc1"], &[b"", b"\x92\x01"]] {
        tx.send_multipart(frames, 0).unwrap();
        tx.publish_obj("good", &5).unwrap();
        let error = rx.recv_topic_obj::<u8>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Peer, "{frames:?}: {error}");
        let (topic, value): (_, u8) = rx.recv_topic_obj().unwrap();
        assert_eq!((&topic[..], value), (&b"good"[..], 5));
    }

    let (dealer, router) = (context.socket(zmq::DEALER).unwrap(), context.socket(zmq::ROUTER).unwrap());
    dealer.set_identity(b"me").unwrap();
    router.set_rcvtimeo(10_000).unwrap();
    router.bind("inproc://router").unwrap();
    dealer.connect("inproc://router").unwrap();
    for frames in [&[&b""[..]][..], &[b"", b""], &[b"\xc1"], &[b"", b"\xc1"], &[b"", b"", b"\x05"], &[b"\x05", b""]] {
        dealer.send_multipart(frames, 0).unwrap();
        dealer.send_obj(&5).unwrap();
        let error = router.recv_obj_from::<u8>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Peer, "{frames:?}: {error}");
        let (peer, value): (_, u8) = router.recv_obj_from().unwrap();
        assert_eq!((&peer[..], value), (&b"me"[..], 5));
    }
}

#[test]
fn the_number_of_a_request_without_a_delimiter_is_none() {
    let context = zmq::Context::new();
    let (_, rx) = sockets_of(&context, "tcp", zmq::DEALER, zmq::ROUTER);
    let endpoint = rx.get_last_endpoint().unwrap().unwrap();
    let mut stranger = TcpStream::connect(endpoint.strip_prefix("tcp://").unwrap()).unwrap();
    // https://rfc.zeromq.org/spec/23: a REQ as it says itself, four bytes, and a frame behind them that is not empty
    let greeting = [&b"\xff\0\0\0\0\0\0\0\0\x7f\x03\0NULL"[..], &[0; 16], &[0; 32]].concat();
    let ready = b"\x04\x26\x05READY\x0bSocket-Type\0\0\0\x03REQ\x08Identity\0\0\0\0";
    let mut said = [0; 64];
    stranger.write_all(&greeting).unwrap();
    stranger.read_exact(&mut said).unwrap();
    stranger.write_all(ready).unwrap();
    stranger.read_exact(&mut said[..2]).unwrap();
    let len = usize::from(said[1]);
    stranger.read_exact(&mut said[..len]).unwrap();
    stranger.write_all(b"\x01\x04\0\0\0\x07\0\x01\xc0").unwrap();
    let error = rx.recv_obj_via::<()>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Peer);
    assert_eq!(error.to_string(), "the message has no delimiter frame");
    // and with one it is
    stranger.write_all(b"\x01\x04\0\0\0\x07\x01\0\0\x01\xc0").unwrap();
    assert!(rx.recv_obj_via::<()>().unwrap().0.has_delimiter());
}
