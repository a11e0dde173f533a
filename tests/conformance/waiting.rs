//! Waiting: deadlines, high-water marks, and messages that come back.

use std::thread;
use std::time::{Duration, Instant};

use outband::{Buffer, ErrorKind, Multipart};

use super::common::{LONG, Place};
use super::full::{given_back, message, pointers};
use super::{Shell, Test, connected, everywhere};

/// A message of three frames that nobody copies.
struct Timeouts;

impl Test for Timeouts {
    fn run<S: Shell>(&self, place: &Place) {
        let (rx, tx) = connected::<S>(place, zmq::PULL, zmq::PUSH);
        for (millis, text) in [(0, "could not receive within 0ns"), (60, "could not receive within 60ms")] {
            rx.with(|socket| socket.set_rcvtimeo(millis)).unwrap();
            let start = Instant::now();
            let error = rx.recv_obj::<u32>().unwrap_err();
            assert!(start.elapsed() >= Duration::from_millis(millis.max(1) as u64 - 1));
            assert_eq!((error.kind(), error.to_string()), (ErrorKind::Timeout, text.to_owned()));
        }
        let alone = S::wrap(place.socket(zmq::PUSH));
        for (millis, text) in [(0, "could not send within 0ns"), (60, "could not send within 60ms")] {
            alone.with(|socket| socket.set_sndtimeo(millis)).unwrap();
            let message = message();
            let before = pointers(&message);
            let start = Instant::now();
            let error = alone.send_message(message).unwrap_err();
            assert!(start.elapsed() >= Duration::from_millis(millis.max(1) as u64 - 1));
            assert_eq!((error.kind(), error.to_string()), (ErrorKind::Timeout, text.to_owned()));
            assert_eq!(pointers(&error.into_message().unwrap()), before);
        }
        // a wait that was in vain leaves the socket as it was
        tx.send_obj(&7).unwrap();
        rx.with(|socket| socket.set_rcvtimeo(LONG)).unwrap();
        assert_eq!(rx.recv_obj::<u32>().unwrap(), 7);
    }
}

#[test]
fn the_sockets_timeouts_are_honoured() {
    everywhere(Timeouts);
}

struct Blocked;

impl Test for Blocked {
    fn run<S: Shell>(&self, place: &Place) {
        let (rx, tx) = connected::<S>(place, zmq::PULL, zmq::PUSH);
        let receiver = thread::spawn(move || (0..1000).map(|_| rx.recv_obj::<u32>().unwrap()).collect::<Vec<_>>());
        (0..1000).for_each(|number| tx.send_obj(&number).unwrap());
        assert_eq!(receiver.join().unwrap(), (0..1000).collect::<Vec<_>>());
    }
}

#[test]
fn a_receiver_that_waits_is_woken_for_every_message() {
    everywhere(Blocked);
}

struct Full;

impl Test for Full {
    fn run<S: Shell>(&self, place: &Place) {
        let (pull, push) = (place.socket(zmq::PULL), place.socket(zmq::PUSH));
        pull.set_rcvhwm(1).unwrap();
        push.set_sndhwm(1).unwrap();
        push.connect(&place.bind(&pull)).unwrap();
        let (pull, push) = (S::wrap(pull), S::wrap(push));
        let large = || Multipart::new("large", vec![Buffer::from_vec(vec![0_u8; 1 << 20])]);
        let mut sent = 0;
        // over tcp the kernel's buffers fill up as well
        let patience = if place.transport == "inproc" { 0 } else { 200 };
        push.with(|socket| socket.set_sndtimeo(patience)).unwrap();
        while push.send_message(large()).is_ok() {
            sent += 1;
            assert!(sent < 10_000, "the high-water mark is never reached");
        }
        let (message, ahead) = given_back(|message| push.try_send_message(message));
        // it waits, and goes through once the peer reads
        push.with(|socket| socket.set_sndtimeo(LONG)).unwrap();
        let receiver = thread::spawn(move || {
            (0..sent).for_each(|_| assert_eq!(pull.recv_message().unwrap().metadata(), "large"));
            (0..ahead).for_each(|_| drop(pull.recv_message().unwrap()));
            pull.recv_message().unwrap()
        });
        push.send_message(message.clone()).unwrap();
        assert_eq!(receiver.join().unwrap(), message);
    }
}

#[test]
fn a_send_at_the_high_water_mark_waits_for_room() {
    everywhere(Full);
}

struct FullRouter;

impl Test for FullRouter {
    fn run<S: Shell>(&self, place: &Place) {
        let (router, dealer, other) = (place.socket(zmq::ROUTER), place.socket(zmq::DEALER), place.socket(zmq::DEALER));
        router.set_sndhwm(1).unwrap();
        let endpoint = place.bind(&router);
        let (router, dealer, other) = (S::wrap(router), S::wrap(dealer), S::wrap(other));
        for (peer, name) in [(&dealer, "full"), (&other, "idle")] {
            peer.with(|socket| {
                socket.set_rcvhwm(1).unwrap();
                socket.set_identity(name.as_bytes()).unwrap();
                socket.connect(&endpoint).unwrap();
            });
            peer.send_obj(&0).unwrap();
            assert_eq!(router.recv_obj_from::<i32>().unwrap().0, name.as_bytes());
        }
        let large = Buffer::from_vec(vec![0_u8; 1 << 20]);
        router.with(|socket| socket.set_sndtimeo(200)).unwrap();
        let mut sent = 0;
        while router.send_obj_to(b"full", &large).is_ok() {
            sent += 1;
            assert!(sent < 10_000);
        }
        // the other peer is not held up
        router.send_obj_to(b"idle", &"hello").unwrap();
        assert_eq!(other.recv_obj::<String>().unwrap(), "hello");
        router.with(|socket| socket.set_sndtimeo(LONG)).unwrap();
        let reader = thread::spawn(move || (0..=sent).for_each(|_| drop(dealer.recv_obj::<Buffer>().unwrap())));
        router.send_obj_to(b"full", &large).unwrap();
        reader.join().unwrap();
    }
}

#[test]
fn a_router_waits_for_a_full_peer() {
    everywhere(FullRouter);
}
