//! What strangers can do to the log and the memory of a dispatcher and of a worker, however long they go on.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/patience.rs"]
mod patience;

use std::fmt::Debug;
use std::fs;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use outband::pipeline::{Dispatcher, DispatcherOptions, Task, Worker, WorkerOptions};
use patience::{LONG, until};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// How many lines there are in each interval, and how long that is.
const LINES: usize = 10;
const INTERVAL: Duration = Duration::from_secs(5);

/// The warnings of the process.
static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// One test at a time, with an empty log: both the log and the memory are those of the process.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    static LISTENING: OnceLock<()> = OnceLock::new();
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    LISTENING.get_or_init(|| {
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Warnings)).unwrap();
    });
    LOG.lock().unwrap().clear();
    alone
}

struct Warnings;

impl<S: tracing::Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        struct Message(String);
        impl Visit for Message {
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        if *event.metadata().level() == tracing::Level::WARN {
            let mut message = Message(String::new());
            event.record(&mut message);
            LOG.lock().unwrap().push(message.0);
        }
    }
}

/// How many lines have this in them.
fn lines(part: &str) -> usize {
    LOG.lock().unwrap().iter().filter(|line| line.contains(part)).count()
}

/// How many messages are said to have no line of their own.
fn left_out(rest: &str) -> usize {
    let log = LOG.lock().unwrap();
    log.iter().filter_map(|line| line.strip_suffix(rest)?.parse::<usize>().ok()).sum()
}

/// The most lines in so much time: an interval may have begun before, and one at the end of it.
fn most(elapsed: Duration) -> usize {
    LINES * (1 + (elapsed.as_secs() / INTERVAL.as_secs()) as usize)
}

#[test]
fn what_a_dispatcher_is_sent_in_a_loop_has_a_few_lines_in_its_log() {
    const MESSAGES: u64 = 20_000;
    let _alone = alone();
    let context = zmq::Context::new();
    let started = Instant::now();
    let dispatcher = Dispatcher::bind(&context, "tcp://127.0.0.1:*", DispatcherOptions::new()).unwrap();
    let stranger = context.socket(zmq::DEALER).unwrap();
    stranger.set_linger(0).unwrap();
    stranger.connect(dispatcher.endpoint()).unwrap();
    for _ in 0..MESSAGES {
        stranger.send("garbage", 0).unwrap();
    }
    until("all of it is counted", || dispatcher.stats().garbage == MESSAGES);
    // the time is up for what was left out, though nothing more happens
    until("the rest is told", || left_out(" more messages to the dispatcher were dropped") > 0);
    drop(dispatcher);
    let told = lines("a message to the dispatcher is dropped: ");
    assert!(told <= most(started.elapsed()), "{told} lines");
    assert_eq!(told + left_out(" more messages to the dispatcher were dropped"), MESSAGES as usize);
}

#[test]
fn a_dispatcher_that_ends_tells_what_it_has_left_out() {
    let _alone = alone();
    let context = zmq::Context::new();
    let dispatcher = Dispatcher::bind(&context, "tcp://127.0.0.1:*", DispatcherOptions::new()).unwrap();
    let stranger = context.socket(zmq::DEALER).unwrap();
    stranger.set_linger(0).unwrap();
    stranger.connect(dispatcher.endpoint()).unwrap();
    for _ in 0..1000 {
        stranger.send("garbage", 0).unwrap();
    }
    until("all of it is counted", || dispatcher.stats().garbage == 1000);
    drop(dispatcher);
    let told = lines("a message to the dispatcher is dropped: ");
    assert_eq!(told + left_out(" more messages to the dispatcher were dropped"), 1000);
}

#[test]
fn what_a_worker_is_told_in_a_loop_has_a_few_lines_in_its_log() {
    let _alone = alone();
    let context = zmq::Context::new();
    let router = context.socket(zmq::ROUTER).unwrap();
    router.set_linger(0).unwrap();
    router.set_rcvtimeo(LONG.as_millis() as i32).unwrap();
    router.bind("tcp://127.0.0.1:*").unwrap();
    let endpoint = router.get_last_endpoint().unwrap().unwrap();
    let started = Instant::now();
    let worker = Worker::connect(&context, &endpoint, WorkerOptions::new()).unwrap();
    let leave = worker.leave();
    let running = thread::spawn(move || worker.run(|task: Task<u32>| Ok(*task)));
    let hello = router.recv_multipart(0).unwrap();
    let refuse = |reason: &str| {
        let header = [b"\x93\xa7refused\x01", &[0xa0 + reason.len() as u8][..], reason.as_bytes()].concat();
        router.send_multipart([&hello[0][..], &header], 0).unwrap();
    };
    let told = || lines("the dispatcher refuses this worker: ");
    // in its own words each time
    for number in 0..LINES {
        refuse(&format!("number {number}"));
        until("it is told", || told() > number);
    }
    for number in LINES..3 * LINES {
        refuse(&format!("number {number}"));
    }
    // and the same once more, which is no news
    for _ in 0..3 {
        refuse("the last");
        assert_eq!(router.recv_multipart(0).unwrap()[0], hello[0], "it asks again");
    }
    leave.leave();
    running.join().unwrap().unwrap();
    assert!((LINES..=most(started.elapsed())).contains(&told()), "{} lines", told());
    assert!(left_out(" more messages to the worker were dropped, or refused it") <= 2 * LINES + 1);
}

#[test]
fn a_refusal_is_told_once_and_again_after_a_welcome() {
    let _alone = alone();
    let context = zmq::Context::new();
    let router = context.socket(zmq::ROUTER).unwrap();
    router.set_linger(0).unwrap();
    router.set_rcvtimeo(LONG.as_millis() as i32).unwrap();
    router.bind("tcp://127.0.0.1:*").unwrap();
    let endpoint = router.get_last_endpoint().unwrap().unwrap();
    let worker = Worker::connect(&context, &endpoint, WorkerOptions::new()).unwrap();
    let leave = worker.leave();
    let running = thread::spawn(move || worker.run(|task: Task<u32>| Ok(*task)));
    // the next message that is a hello, or is none
    let next = |is_hello: bool| loop {
        let frames = router.recv_multipart(0).unwrap();
        if frames[1][1..].starts_with(b"\xa5hello") == is_hello {
            return frames[0].clone();
        }
    };
    let told = || lines("the dispatcher refuses this worker: no room");
    for round in 1..=3 {
        let (peer, session) = (next(true), [round as u8]);
        let say = |parts: [&[u8]; 3]| router.send_multipart([&peer[..], &parts.concat()], 0).unwrap();
        // twice before it is welcome, and between one welcome and the next: the second time is no news
        say([b"\x93\xa7refused", &session, b"\xa7no room"]);
        until("it is told", || told() == round);
        next(true);
        say([b"\x93\xa7refused", &session, b"\xa7no room"]);
        next(true);
        assert_eq!(told(), round);
        // epoch 5, a beat in 20 milliseconds, for 60 seconds without a word
        say([b"\x96\xa7welcome\x01", &session, b"\x05\x14\xcd\xea\x60"]);
        next(false);
        // who asks who it is has forgotten it
        say([b"\x92\xa3who", &session, b""]);
    }
    leave.leave();
    running.join().unwrap().unwrap();
}

#[test]
fn who_talks_nonsense_to_each_connection_is_not_asked_as_fast_as_it_answers() {
    const CONNECTIONS: u32 = 5;
    let _alone = alone();
    let context = zmq::Context::new();
    let (stranger, accepts) = (context.socket(zmq::DEALER).unwrap(), context.socket(zmq::PAIR).unwrap());
    for socket in [&stranger, &accepts] {
        socket.set_linger(0).unwrap();
        socket.set_sndtimeo(LONG.as_millis() as i32).unwrap();
        socket.set_rcvtimeo(LONG.as_millis() as i32).unwrap();
    }
    stranger.monitor("inproc://accepts", i32::from(zmq::SocketEvent::ACCEPTED.to_raw())).unwrap();
    accepts.connect("inproc://accepts").unwrap();
    stranger.bind("tcp://127.0.0.1:*").unwrap();
    let endpoint = stranger.get_last_endpoint().unwrap().unwrap();
    // before the first one: what is heard of late was there before
    let started = Instant::now();
    let worker = Worker::connect(&context, &endpoint, WorkerOptions::new()).unwrap();
    let leave = worker.leave();
    let running = thread::spawn(move || worker.run(|task: Task<u32>| Ok(*task)));
    for _ in 0..CONNECTIONS {
        while accepts.poll(zmq::POLLIN, 1).unwrap() == 0 {
            // where nobody is there, to nobody
            let _ = stranger.send("garbage", zmq::DONTWAIT);
        }
        accepts.recv_multipart(0).unwrap();
    }
    // half a second each, give or take what an accept takes
    let elapsed = started.elapsed();
    assert!(elapsed > Duration::from_millis(400) * (CONNECTIONS - 1), "{elapsed:?}");
    leave.leave();
    running.join().unwrap().unwrap();
}

/// How much memory this process has, in bytes (proc(5)).
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

/// The hello of a worker with room for tasks of a gigabyte.
fn hello(worker: u32, session: u32, name: &str) -> Vec<u8> {
    let numbers = [&b"\xce"[..], &worker.to_be_bytes(), b"\xce", &session.to_be_bytes()].concat();
    let name = [b"\xda", &(name.len() as u16).to_be_bytes()[..], name.as_bytes()].concat();
    [b"\x98\xa5hello\x01", &numbers[..], &name, b"\x10\xce\x40\x00\x00\x00\xce\x40\x00\x00\x00"].concat()
}

#[test]
fn ever_new_sessions_and_workers_take_no_more_memory() {
    const WARM_UP: u32 = 20_000;
    const HELLOS: u32 = 100_000;
    /// That are under way at most. A thousand in each queue would be as many bytes as `MOST` by themselves, and whether there ever are so
    /// many is a matter of who runs first.
    const UNDER_WAY: u32 = 100;
    /// 80 bytes for each hello, whose name alone has 4096.
    const MOST: usize = 8 << 20;
    let _alone = alone();
    let context = zmq::Context::new();
    let dispatcher = Dispatcher::bind(&context, "tcp://127.0.0.1:*", DispatcherOptions::new().workers(16)).unwrap();
    let name = "x".repeat(4096);
    let connect = || {
        let stranger = context.socket(zmq::DEALER).unwrap();
        stranger.set_linger(0).unwrap();
        stranger.set_rcvhwm(1).unwrap();
        stranger.set_rcvtimeo(LONG.as_millis() as i32).unwrap();
        stranger.connect(dispatcher.endpoint()).unwrap();
        stranger
    };
    for task in 0..100_u32 {
        dispatcher.submit(&task).unwrap();
    }
    type Hello<'n> = &'n dyn Fn(u32) -> Vec<u8>;
    let ways: [(&str, bool, Hello<'_>); 3] = [
        ("sessions of a worker that reads nothing", false, &|number| hello(1, number, &name)),
        ("sessions of a worker that reads what it is given", true, &|number| hello(2, number, &name)),
        ("workers over one connection", false, &|number| hello(number, 1, &name)),
    ];
    for (what, is_read, hello) in ways {
        let (stranger, lost) = (connect(), dispatcher.stats().lost);
        let say = |numbers: std::ops::RangeInclusive<u32>| {
            let last = *numbers.end();
            // each hello gives the session before it up
            let heard = |number: u32| dispatcher.stats().lost - lost >= u64::from(number.saturating_sub(1));
            for number in numbers {
                if number.is_multiple_of(UNDER_WAY) {
                    until("so many were heard", || heard(number - UNDER_WAY));
                }
                stranger.send(hello(number), 0).unwrap();
                while is_read && stranger.recv_multipart(zmq::DONTWAIT).is_ok() {}
            }
            until("all of them were heard", || heard(last));
            resident()
        };
        let before = say(1..=WARM_UP);
        let grown = say(WARM_UP + 1..=WARM_UP + HELLOS).saturating_sub(before);
        println!("{HELLOS} {what}: {grown} bytes more than before");
        assert!(grown < MOST, "{what}: {grown} bytes more than before");
    }
    assert!(dispatcher.stats().workers <= 16, "{:?}", dispatcher.stats());
}

#[test]
fn connections_that_stay_are_no_workers_beyond_the_most() {
    const CONNECTIONS: usize = 400;
    let _alone = alone();
    // a context of its own for the strangers
    let (context, elsewhere) = (zmq::Context::new(), zmq::Context::new());
    // none of them says anything more
    let options = DispatcherOptions::new().workers(16).liveness(Duration::from_secs(3600));
    let dispatcher = Dispatcher::bind(&context, "tcp://127.0.0.1:*", options).unwrap();
    let before = resident();
    let strangers: Vec<zmq::Socket> = (1..=CONNECTIONS)
        .map(|number| {
            let stranger = elsewhere.socket(zmq::DEALER).unwrap();
            stranger.set_linger(0).unwrap();
            stranger.set_rcvtimeo(LONG.as_millis() as i32).unwrap();
            stranger.connect(dispatcher.endpoint()).unwrap();
            stranger.send(hello(number as u32, 1, &"x".repeat(4096)), 0).unwrap();
            stranger
        })
        .collect();
    let answers: Vec<Vec<u8>> = strangers.iter().map(|stranger| stranger.recv_bytes(0).unwrap()).collect();
    let refused = answers.iter().filter(|answer| answer[1..].starts_with(b"\xa7refused")).count();
    println!("{CONNECTIONS} connections, both ends: {} bytes more than before", resident().saturating_sub(before));
    // the last answer may be read before it is counted
    until("all are counted", || {
        let stats = dispatcher.stats();
        stats.workers + stats.refused == CONNECTIONS as u64
    });
    let stats = dispatcher.stats();
    assert_eq!((refused, stats.workers, stats.refused), (CONNECTIONS - 16, 16, refused as u64), "{stats:?}");
}
