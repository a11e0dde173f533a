//! Credit: what a worker asked for is all that it is sent, and all of that can be sent, whatever it reads meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use outband::pipeline::{Dispatcher, DispatcherOptions, Task, WorkerOptions};
use outband::{Buffer, to_multipart};

use super::common::{Place, TRANSPORTS};
use super::patience::until;
use super::pipeline::{Shell, Test, over};

struct Bytes;

impl Test for Bytes {
    fn run<S: Shell>(&self, place: &Place) {
        let dispatcher = S::bind(place, DispatcherOptions::new().task_bytes(250_000));
        let (running, most, may_end) =
            (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        // by their number it would take all of them at once
        let options = WorkerOptions::new().threads(4).in_flight(16).bytes(250_000);
        let worker = dispatcher.employ(place, options, {
            let (running, most, may_end) = (running.clone(), most.clone(), may_end.clone());
            move |task: Task<Buffer>| {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                until("it may end", || may_end.load(Ordering::SeqCst));
                running.fetch_sub(1, Ordering::SeqCst);
                Ok(task.len())
            }
        });
        for number in 0..6_u8 {
            dispatcher.submit(&Buffer::from_vec(vec![number; 100_000])).unwrap();
        }
        let mut stats = dispatcher.stats();
        until("all have come, and it has two at least", || {
            stats = dispatcher.stats();
            stats.submitted == 6 && stats.in_flight > 1
        });
        assert_eq!((stats.in_flight, stats.waiting), (2, 4), "{stats:?}");
        may_end.store(true, Ordering::SeqCst);
        for _ in 0..6 {
            assert!(dispatcher.stats().in_flight <= 2);
            let outcome = dispatcher.next();
            assert_eq!((outcome.decode::<usize>().unwrap(), outcome.attempts()), (100_000, 1));
        }
        assert!(most.load(Ordering::SeqCst) <= 2, "{most:?} ran at once");
        let stats = dispatcher.stats();
        assert_eq!((stats.done, stats.lost, stats.redelivered), (6, 0, 0), "{stats:?}");
        drop(dispatcher);
        worker.join().unwrap();
    }
}

#[test]
fn a_worker_holds_no_more_bytes_than_it_asked_for() {
    TRANSPORTS.into_iter().for_each(|transport| over(transport, &Bytes));
}

/// Whoever meets the mark is given up as deaf.
#[test]
fn all_that_a_worker_asked_for_stays_below_the_high_water_mark_although_it_reads_nothing() {
    const TASKS: u64 = 2000;
    let hour = Duration::from_secs(3600);
    for place in TRANSPORTS.map(Place::new) {
        let options = DispatcherOptions::new().heartbeat(hour).liveness(3 * hour).in_flight(TASKS as u32);
        let dispatcher = Dispatcher::bind(&place.context, &place.address(), options).unwrap();
        let worker = place.socket(zmq::DEALER);
        worker.set_rcvhwm(1).unwrap();
        worker.connect(dispatcher.endpoint()).unwrap();
        // ready for so many tasks, and for a gigabyte
        let hello = b"\x98\xa5hello\x01\x07\x01\xa4deaf\xcd\x07\xd0\xce\x40\x00\x00\x00\xce\x40\x00\x00\x00";
        worker.send(&hello[..], 0).unwrap();
        until("it is welcome", || dispatcher.stats().workers == 1);
        // each in a message of its own: two are too long to travel together
        let task = to_multipart(&Buffer::from_vec(vec![7_u8; 40_000])).unwrap();
        for _ in 0..=TASKS {
            dispatcher.submit_message(task.clone()).unwrap();
        }
        let mut stats = dispatcher.stats();
        until("all that it asked for are sent", || {
            stats = dispatcher.stats();
            stats.submitted == TASKS + 1 && (stats.in_flight == TASKS || stats.lost > 0)
        });
        assert_eq!((stats.in_flight, stats.waiting, stats.lost, stats.workers), (TASKS, 1, 0, 1), "{stats:?}");
    }
}
