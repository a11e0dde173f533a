//! Waiting: deadlines, signals and high-water marks.

#![allow(unsafe_code, reason = "signals and the CPU time of a thread are C's")]

use std::sync::Once;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::common;
use crate::common::{LONG, Place};
use crate::full::{given_back, message, pointers};
use crate::nodrop::set_nodrop;
use outband::{Buffer, ErrorKind, SocketExt};

/// Runs `act` on this thread while another one sends it signals, which interrupt system calls.
fn under_signals<R>(act: impl FnOnce() -> R) -> R {
    extern "C" fn ignore(_: libc::c_int) {}
    static HANDLER: Once = Once::new();
    HANDLER.call_once(|| {
        // SAFETY: a sigaction of zeros is a valid one: no flags, thus no SA_RESTART, and an empty mask.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = ignore as extern "C" fn(libc::c_int) as libc::sighandler_t;
        // SAFETY: `action` lives across the call, and its handler does nothing, which is safe anywhere.
        let status = unsafe { libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()) };
        assert_eq!(status, 0);
    });
    // SAFETY: pthread_self has no preconditions.
    let target = unsafe { libc::pthread_self() };
    let (stop, stopped) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            // until the sender is dropped
            while stopped.recv_timeout(Duration::from_micros(500)) == Err(RecvTimeoutError::Timeout) {
                // SAFETY: the scope keeps the target thread alive until this one has ended.
                unsafe { libc::pthread_kill(target, libc::SIGUSR1) };
            }
        });
        let _stop = stop;
        act()
    })
}

/// The CPU time of this thread.
fn cpu_time() -> Duration {
    // SAFETY: an rusage of zeros is a valid one.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` lives across the call.
    assert_eq!(unsafe { libc::getrusage(libc::RUSAGE_THREAD, &mut usage) }, 0);
    let time = |value: libc::timeval| Duration::new(value.tv_sec as u64, value.tv_usec as u32 * 1000);
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// A message of three frames that nobody copies.
/// A PUSH whose peer takes no more.
fn full_push(place: &Place) -> (zmq::Socket, zmq::Socket) {
    let (pull, push) = (place.socket(zmq::PULL), place.socket(zmq::PUSH));
    pull.set_rcvhwm(1).unwrap();
    push.set_sndhwm(1).unwrap();
    push.connect(&place.bind(&pull)).unwrap();
    let mut sent = 0;
    // over tcp the kernel's buffers fill up as well
    while push.poll(zmq::POLLOUT, if place.transport == "inproc" { 0 } else { 200 }).unwrap() > 0 {
        push.send_obj(&Buffer::from_vec(vec![0_u8; 1 << 20])).unwrap();
        sent += 1;
        assert!(sent < 10_000, "the high-water mark is never reached");
    }
    (pull, push)
}

#[test]
fn an_interrupted_receive_waits_out_the_timeout() {
    let place = Place::new("inproc");
    let (_tx, rx) = place.connected(zmq::PUSH, zmq::PULL);
    rx.set_rcvtimeo(150).unwrap();
    for _ in 0..3 {
        let start = Instant::now();
        let error = under_signals(|| rx.recv_obj::<u32>()).unwrap_err();
        assert!(start.elapsed() >= Duration::from_millis(149), "{:?}", start.elapsed());
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert_eq!(error.to_string(), "could not receive within 150ms");
        assert_eq!(rx.get_rcvtimeo().unwrap(), 150);
    }
}

#[test]
fn an_interrupted_send_waits_out_the_timeout() {
    for kind in [zmq::PUSH, zmq::DEALER, zmq::PAIR, zmq::REQ] {
        let place = Place::new("inproc");
        let alone = place.socket(kind);
        place.bind(&alone);
        alone.set_sndtimeo(150).unwrap();
        let message = message();
        let before = pointers(&message);
        let start = Instant::now();
        let error = under_signals(|| alone.send_message(message)).unwrap_err();
        assert!(start.elapsed() >= Duration::from_millis(149), "{kind:?}: {:?}", start.elapsed());
        assert_eq!(error.to_string(), "could not send within 150ms", "{kind:?}");
        assert_eq!(alone.get_sndtimeo().unwrap(), 150, "{kind:?}");
        assert_eq!(pointers(error.message().unwrap()), before, "{kind:?}");
    }
}

#[test]
fn an_interrupted_send_at_the_high_water_mark_goes_on_when_there_is_room() {
    for transport in ["inproc", "tcp"] {
        let place = Place::new(transport);
        let (pull, push) = full_push(&place);
        push.set_sndtimeo(150).unwrap();
        // it was full, or libzmq's threads had no processor for so long, and now there is room again
        let error = loop {
            if let Err(error) = under_signals(|| push.send_obj(&1)) {
                break error;
            }
        };
        assert!(error.is_timeout());
        push.set_sndtimeo(LONG).unwrap();
        thread::scope(|scope| {
            scope.spawn(move || {
                // nobody knows whether the sender waits already: both orders have to work
                loop {
                    let message = pull.recv_message().unwrap();
                    if message.buffers().len() == 2 {
                        return;
                    }
                }
            });
            under_signals(|| push.send_message(message())).unwrap();
        });
        assert_eq!(push.get_sndtimeo().unwrap(), LONG);
    }
}

#[test]
fn signals_during_a_stream_of_messages_lose_no_frame() {
    for transport in common::TRANSPORTS {
        let place = Place::new(transport);
        let (rx, tx) = place.connected(zmq::PULL, zmq::PUSH);
        let expected = message();
        thread::scope(|scope| {
            let expected = &expected;
            let sender = scope.spawn(move || {
                under_signals(|| (0..1000).for_each(|_| tx.send_message(expected.clone()).unwrap()));
                tx // not closed before everything has arrived
            });
            under_signals(|| (0..1000).for_each(|_| assert_eq!(rx.recv_message().unwrap(), *expected)));
            sender.join().unwrap();
        });
        assert!(rx.try_recv_message().unwrap_err().is_timeout());
    }
}

#[test]
fn a_timeout_of_zero_does_not_wait_and_forever_waits() {
    let place = Place::new("inproc");
    let (rx, tx) = place.connected(zmq::PAIR, zmq::PAIR);
    rx.set_rcvtimeo(0).unwrap();
    assert!(rx.recv_obj::<u32>().unwrap_err().is_timeout());
    let alone = place.socket(zmq::PUSH);
    alone.set_sndtimeo(0).unwrap();
    assert!(alone.send_obj(&1).unwrap_err().is_timeout());
    rx.set_rcvtimeo(-1).unwrap();
    thread::scope(|scope| {
        scope.spawn(move || tx.send_obj(&7).unwrap());
        assert_eq!(under_signals(|| rx.recv_obj::<u32>()).unwrap(), 7);
    });
    assert_eq!(rx.get_rcvtimeo().unwrap(), -1);
}

#[test]
fn a_try_send_at_the_high_water_mark_gives_the_same_memory_back() {
    for transport in ["inproc", "tcp"] {
        let place = Place::new(transport);
        let (pull, push) = full_push(&place);
        let (message, mut ahead) = given_back(|message| push.try_send_message(message));
        // and it can be sent as it is when there is room
        let receiver = thread::spawn(move || {
            loop {
                let message = pull.recv_message().unwrap();
                match message.buffers().len() {
                    2 if ahead == 0 => return message,
                    2 => ahead -= 1,
                    _ => {}
                }
            }
        });
        push.send_message(message.clone()).unwrap();
        assert_eq!(receiver.join().unwrap(), message);
    }
}

/// A send that waits 400 ms uses next to no CPU, and goes through once the peer reads. How many went through at once: the peer was
/// full, or libzmq's threads had no processor for so long, and then there is room again.
fn waits_without_spinning(socket: &zmq::Socket, send: impl Fn(&zmq::Socket) -> outband::Result<()>) -> usize {
    socket.set_sndtimeo(400).unwrap();
    for ahead in 0.. {
        let (start, cpu) = (Instant::now(), cpu_time());
        let Err(error) = send(socket) else { continue };
        assert!(error.is_timeout());
        assert!(start.elapsed() >= Duration::from_millis(399));
        // polling in a loop would use all 400 ms
        assert!(cpu_time() - cpu < Duration::from_millis(200), "{:?} of CPU time", cpu_time() - cpu);
        socket.set_sndtimeo(LONG).unwrap();
        return ahead;
    }
    unreachable!("the peer is never full");
}

#[test]
fn a_router_waits_for_a_full_peer_without_spinning() {
    for transport in ["inproc", "tcp"] {
        let place = Place::new(transport);
        let (router, dealer, other) = (place.socket(zmq::ROUTER), place.socket(zmq::DEALER), place.socket(zmq::DEALER));
        router.set_sndhwm(1).unwrap();
        let endpoint = place.bind(&router);
        for (peer, name) in [(&dealer, "full"), (&other, "idle")] {
            peer.set_rcvhwm(1).unwrap();
            peer.set_identity(name.as_bytes()).unwrap();
            peer.connect(&endpoint).unwrap();
            peer.send_obj(&0).unwrap();
            assert_eq!(router.recv_obj_from::<i32>().unwrap().0, name);
        }
        let large = Buffer::from_vec(vec![0_u8; 1 << 20]);
        router.set_sndtimeo(200).unwrap();
        let mut sent = 0;
        while router.send_obj_to("full", &large).is_ok() {
            sent += 1;
            assert!(sent < 10_000);
        }
        sent += waits_without_spinning(&router, |router| router.send_obj_to("full", &large));
        // the other peer is not held up
        router.send_obj_to("idle", &"hello").unwrap();
        assert_eq!(other.recv_obj::<String>().unwrap(), "hello");
        let reader = thread::spawn(move || (0..=sent).for_each(|_| drop(dealer.recv_obj::<Buffer>().unwrap())));
        router.send_obj_to("full", &large).unwrap();
        reader.join().unwrap();
    }
}

#[test]
fn an_xpub_that_may_not_drop_waits_for_its_slowest_subscriber() {
    let place = Place::new("inproc");
    let (mut publisher, subscriber) = (place.socket(zmq::XPUB), place.socket(zmq::SUB));
    publisher.set_sndhwm(1).unwrap();
    subscriber.set_rcvhwm(1).unwrap();
    set_nodrop(&mut publisher);
    subscriber.connect(&place.bind(&publisher)).unwrap();
    subscriber.set_subscribe(b"").unwrap();
    publisher.recv_message().unwrap();

    // a socket that may wait for LONG, and a call that does not
    let mut sent = 0;
    while publisher.try_publish_obj("topic", &sent).is_ok() {
        sent += 1;
        assert!(sent < 1000);
    }
    assert!(publisher.try_publish_obj("topic", &-1).unwrap_err().is_timeout());
    publisher.set_sndtimeo(0).unwrap();
    assert!(publisher.publish_obj("topic", &-1).unwrap_err().is_timeout());
    assert_eq!(waits_without_spinning(&publisher, |publisher| publisher.publish_obj("topic", &-1)), 0);
    let reader =
        thread::spawn(move || (0..=sent).map(|_| subscriber.recv_topic_obj::<i32>().unwrap().1).collect::<Vec<_>>());
    publisher.publish_obj("topic", &sent).unwrap();
    // nothing was dropped, and the send that timed out left nothing
    assert_eq!(reader.join().unwrap(), (0..=sent).collect::<Vec<_>>());
}
