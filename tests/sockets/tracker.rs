//! Trackers: done when every frame is released, and not a frame earlier.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread, ThreadId};
use std::time::{Duration, Instant};

use crate::common::{LONG, Place, TRANSPORTS};
use outband::{Buffer, BufferPool, Multipart, SocketExt, Tracker};

const PATIENCE: Option<Duration> = Some(Duration::from_millis(LONG as u64));

/// Memory that says on which thread it was dropped.
struct Owned(Vec<u8>, Sender<ThreadId>);

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = self.1.send(thread::current().id());
    }
}

fn block_on(future: Tracker) {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    while future.as_mut().poll(&mut Context::from_waker(&waker)) == Poll::Pending {
        thread::park();
    }
}

/// Frames of every size that matters: metadata, empty, in libzmq's own memory, lent.
fn sizes() -> Multipart {
    let buffers = [0, 10, 1000, 100_000].map(|len| Buffer::from_vec(vec![1_u8; len]));
    Multipart::new(vec![2_u8; 600], buffers.to_vec())
}

#[test]
fn it_is_done_when_the_last_frame_is_released_whichever_that_is() {
    let place = Place::new("inproc");
    let (rx, tx) = place.connected(zmq::PAIR, zmq::PAIR);
    let frames = 1 + sizes().buffers().len();
    for last in 0..frames {
        let tracker = tx.send_message_tracked(sizes()).unwrap();
        let mut received = Vec::new();
        for _ in 0..frames {
            // over inproc these are the sender's own frames
            received.push(rx.recv_msg(0).unwrap());
        }
        let kept = received.swap_remove(last);
        drop(received);
        assert!(!tracker.is_done(), "frame {last} of {frames} is not released");
        assert!(!tracker.wait(Some(Duration::ZERO)));
        drop(kept);
        assert!(tracker.is_done(), "frame {last} of {frames} was the last");
    }
}

#[test]
fn it_is_done_over_every_transport() {
    for transport in TRANSPORTS {
        let place = Place::new(transport);
        let (rx, tx) = place.connected(zmq::PULL, zmq::PUSH);
        for len in [0, 100, 9_000, 1 << 20] {
            let buffer = Buffer::from_vec(vec![3_u8; len]);
            let tracker = tx.send_obj_tracked(&buffer).unwrap();
            assert_eq!(rx.recv_obj::<Buffer>().unwrap(), buffer);
            assert!(tracker.wait(PATIENCE), "{transport}, {len} bytes");
            assert!(tracker.is_done());
        }
    }
}

#[test]
fn it_is_done_when_the_socket_is_dropped_without_lingering() {
    for transport in TRANSPORTS {
        let place = Place::new(transport);
        let (rx, tx) = place.connected(zmq::PULL, zmq::PUSH);
        let tracker = tx.send_message_tracked(sizes()).unwrap();
        drop((tx, rx));
        assert!(tracker.wait(PATIENCE), "{transport}");
    }
}

#[test]
fn a_wait_that_times_out_says_no_and_a_later_one_says_yes() {
    let place = Place::new("inproc");
    let (rx, tx) = place.connected(zmq::PULL, zmq::PUSH);
    let tracker = tx.send_message_tracked(sizes()).unwrap();
    let start = Instant::now();
    assert!(!tracker.wait(Some(Duration::from_millis(50))));
    assert!(start.elapsed() >= Duration::from_millis(50));
    drop(rx.recv_message().unwrap());
    assert!(tracker.wait(None));
}

#[test]
fn it_can_be_awaited_and_waited_for_on_any_thread() {
    for round in 0..100 {
        let place = Place::new("inproc");
        let (rx, tx) = place.connected(zmq::PULL, zmq::PUSH);
        let tracker = tx.send_message_tracked(sizes()).unwrap();
        let waits = thread::spawn(move || if round % 2 == 0 { block_on(tracker) } else { assert!(tracker.wait(None)) });
        drop(rx.recv_message().unwrap());
        waits.join().unwrap();
    }
}

#[test]
fn a_failed_send_gives_the_message_back_and_holds_nothing() {
    let place = Place::new("inproc");
    let alone = place.socket(zmq::PUSH);
    alone.set_sndtimeo(0).unwrap();
    let (dropped, drops) = channel();
    let message = Multipart::new("metadata", vec![Buffer::from_owner(Owned(vec![0; 10_000], dropped))]);
    let error = alone.send_message_tracked(message).unwrap_err();
    assert!(drops.try_recv().is_err());
    drop(error.into_message().unwrap());
    assert_eq!(drops.try_iter().count(), 1);
}

#[test]
fn every_owner_is_dropped_exactly_once_on_whatever_thread() {
    for transport in TRANSPORTS {
        let (dropped, drops) = channel();
        let place = Place::new(transport);
        let (rx, tx) = place.connected(zmq::PULL, zmq::PUSH);
        for len in [1, 600, 9_000, 200_000] {
            let buffers = (0..8).map(|_| Buffer::from_owner(Owned(vec![0; len], dropped.clone()))).collect();
            let message = Multipart::new("metadata", buffers);
            // one that arrives, and one that is given to libzmq twice
            let first = tx.send_message_tracked(message.clone()).unwrap();
            let second = tx.send_message_tracked(message).unwrap();
            drop(rx.recv_message().unwrap());
            drop(rx.recv_message().unwrap());
            assert!(first.wait(PATIENCE) && second.wait(PATIENCE));
            for _ in 0..8 {
                drops.recv_timeout(Duration::from_millis(LONG as u64)).unwrap();
            }
        }
        drop((tx, rx, place));
        drop(dropped);
        assert_eq!(drops.iter().count(), 0, "{transport}: dropped twice");
    }
}

#[test]
fn memory_is_free_before_its_tracker_is_done() {
    static FREE: AtomicUsize = AtomicUsize::new(0);
    struct Counted(Vec<u8>);
    impl AsRef<[u8]> for Counted {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    impl Drop for Counted {
        fn drop(&mut self) {
            FREE.fetch_add(1, Ordering::SeqCst);
        }
    }
    for transport in TRANSPORTS {
        let place = Place::new(transport);
        let (rx, tx) = place.connected(zmq::PULL, zmq::PUSH);
        for _ in 0..100 {
            let before = FREE.load(Ordering::SeqCst);
            let buffers = (0..3).map(|_| Buffer::from_owner(Counted(vec![0; 9_000]))).collect();
            let tracker = tx.send_message_tracked(Multipart::new("metadata", buffers)).unwrap();
            drop(rx.recv_message().unwrap());
            assert!(tracker.wait(PATIENCE));
            assert_eq!(FREE.load(Ordering::SeqCst) - before, 3, "{transport}");
        }
    }
}

#[test]
fn a_block_is_back_in_its_pool_before_its_tracker_is_done() {
    for transport in TRANSPORTS {
        let pool = BufferPool::new();
        let place = Place::new(transport);
        let (rx, tx) = place.connected(zmq::PULL, zmq::PUSH);
        let (mut address, mut idle) = (None, 0);
        for round in 0..50_u8 {
            let mut block = pool.take(100_000);
            assert_eq!(*address.get_or_insert(block.as_ptr()), block.as_ptr(), "{transport}, round {round}");
            assert_eq!(pool.idle_bytes(), 0, "{transport}, round {round}");
            block.fill(round);
            let tracker = tx.send_obj_tracked(&block.freeze()).unwrap();
            let received: Buffer = rx.recv_obj().unwrap();
            assert!(received.len() == 100_000 && received.iter().all(|&byte| byte == round));
            // over inproc it is the very block
            assert_eq!(Some(received.as_ptr()) == address, transport == "inproc");
            drop(received);
            assert!(tracker.wait(PATIENCE), "{transport}");
            idle = pool.idle_bytes();
            assert!(idle >= 100_000, "{transport}, round {round}: {idle} bytes are back");
        }
        // two at once are two blocks, and both come back
        let buffers = vec![pool.take(100_000).freeze(), pool.take(100_000).freeze()];
        let tracker = tx.send_message_tracked(Multipart::new("metadata", buffers)).unwrap();
        drop(rx.recv_message().unwrap());
        assert!(tracker.wait(PATIENCE));
        assert_eq!(pool.idle_bytes(), 2 * idle, "{transport}");
    }
}

#[test]
fn what_was_for_a_peer_that_is_gone_is_released_once_the_socket_is_used() {
    for transport in TRANSPORTS {
        let place = Place::new(transport);
        let (tx, peers) = (place.socket(zmq::XPUB), zmq::Context::new());
        tx.set_sndhwm(0).unwrap();
        let endpoint = place.bind(&tx);
        let rx = if transport == "inproc" { place.socket(zmq::SUB) } else { peers.socket(zmq::SUB).unwrap() };
        rx.set_rcvhwm(1).unwrap();
        rx.set_linger(0).unwrap();
        rx.connect(&endpoint).unwrap();
        rx.set_subscribe(b"").unwrap();
        tx.recv_message().unwrap();
        // more than it reads, and more than the system takes
        let buffer = Buffer::from_vec(vec![7_u8; 1 << 20]);
        let trackers: Vec<_> = (0..64).map(|_| tx.send_obj_tracked(&buffer).unwrap()).collect();
        assert!(!trackers[63].is_done(), "{transport}");
        drop((rx, peers));
        for tracker in trackers {
            while !tracker.wait(Some(Duration::from_millis(1))) {
                tx.get_events().unwrap();
            }
        }
    }
}

/// As in docs/delivery.md, "Closing", with a peer that was there.
#[test]
fn of_what_was_sent_before_a_close_the_trackers_say_what_was_not() {
    for transport in ["ipc", "tcp"] {
        let place = Place::new(transport);
        let (rx, tx) = place.connected(zmq::PULL, zmq::PUSH);
        let events = place.socket(zmq::PAIR);
        tx.monitor("inproc://events", zmq::SocketEvent::DISCONNECTED.to_raw().into()).unwrap();
        events.connect("inproc://events").unwrap();
        let send = |number: u32| tx.send_obj_tracked(&(number, Buffer::from_vec(vec![7_u8; 100_000]))).unwrap();
        let heard: Vec<_> = (0..3).map(|number| (number, send(number))).collect();
        for number in 0..3 {
            assert_eq!(rx.recv_obj::<(u32, Buffer)>().unwrap().0, number);
        }
        drop(rx);
        events.recv_multipart(0).unwrap();
        let unheard = (3..6).map(|number| (number, send(number)));
        let sent: Vec<_> = heard.into_iter().chain(unheard).collect();
        let deadline = Instant::now() + Duration::from_millis(200);
        let left = || Some(deadline.saturating_duration_since(Instant::now()));
        let unsent: Vec<u32> =
            sent.iter().filter(|(_, tracker)| !tracker.wait(left())).map(|(number, _)| *number).collect();
        assert_eq!(unsent, [3, 4, 5], "over {transport}");
        // closed, with linger 0 as all sockets here: nothing is kept
        drop(tx);
        assert!(sent.iter().all(|(_, tracker)| tracker.wait(PATIENCE)));
    }
}
