//! Peers die between two frames, in every position, and every message arrives whole or is handed back.
//!
//! What makes these tests exact without sleeping: the sender's `ZMQ_FD` turns readable when a command for it is there,
//! and looking at the descriptor, unlike looking at the socket, changes nothing. After a peer's death that command is the
//! end of its pipe.

#![cfg(test)]

use std::process::{Child, Command};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::buffer::Buffer;
use crate::multipart::Multipart;
use crate::socket::SocketExt;
use crate::socket::blocking::Blocking;

const TRANSPORTS: [&str; 3] = ["inproc", "ipc", "tcp"];
const LONG: i32 = 60_000;

/// How often every case is repeated; `OUTBAND_REPEAT=20` hunts for races.
fn repeats() -> usize {
    std::env::var("OUTBAND_REPEAT").ok().and_then(|times| times.parse().ok()).unwrap_or(5)
}

/// How the sender learns of a death.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Notice {
    /// From the very call that sends the next frame.
    Late,
    /// Before that call, down to the end of the pipe: libzmq then swallows the rest and every call succeeds.
    Early,
    /// Perhaps: the frame is sent while the peer dies.
    Racing,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Heir {
    /// Another peer is connected already.
    There,
    /// Another one connects after the death.
    Later,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    sender: zmq::SocketType,
    peer: zmq::SocketType,
    transport: &'static str,
    /// Frames that stand before the metadata.
    envelope: usize,
    frames: usize,
    /// The frame before which the peer dies.
    position: usize,
    notice: Notice,
    heir: Heir,
}

struct Bench {
    peers: Peers,
    sender: zmq::Socket,
    case: Case,
    /// Keeps the directory of an ipc endpoint.
    _directory: tempfile::TempDir,
}

/// Makes peers, on any thread.
#[derive(Clone)]
struct Peers {
    context: zmq::Context,
    kind: zmq::SocketType,
    endpoint: String,
}

impl Peers {
    fn connect(&self) -> zmq::Socket {
        self.connect_as(b"")
    }

    fn connect_as(&self, name: &[u8]) -> zmq::Socket {
        let peer = socket(&self.context, self.kind);
        if !name.is_empty() {
            peer.set_identity(name).unwrap();
        }
        peer.connect(&self.endpoint).unwrap();
        peer
    }

    /// A PAIR refuses for good whoever connects before it has let go of the dead peer. So one after the other tries, and
    /// none leaves, until one is let in and gets a message.
    fn connect_until_let_in(&self) -> zmq::Socket {
        let mut candidates = Vec::new();
        for _ in 0..1000 {
            candidates.push(self.connect());
            let mut items: Vec<_> = candidates.iter().map(|peer| peer.as_poll_item(zmq::POLLIN)).collect();
            zmq::poll(&mut items, 20).unwrap();
            if let Some(at) = items.iter().position(zmq::PollItem::is_readable) {
                return candidates.swap_remove(at);
            }
        }
        panic!("no PAIR is let in");
    }
}

fn unique() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn socket(context: &zmq::Context, kind: zmq::SocketType) -> zmq::Socket {
    let socket = context.socket(kind).unwrap();
    socket.set_linger(0).unwrap();
    socket.set_sndtimeo(LONG).unwrap();
    socket.set_rcvtimeo(LONG).unwrap();
    socket.set_reconnect_ivl(5).unwrap();
    socket
}

impl Bench {
    fn new(case: Case) -> Self {
        let context = zmq::Context::new();
        let sender = socket(&context, case.sender);
        let directory = tempfile::tempdir().unwrap();
        let address = match case.transport {
            "tcp" => "tcp://127.0.0.1:*".to_owned(),
            "ipc" => format!("ipc://{}/s", directory.path().display()),
            _ => format!("inproc://{}", unique()),
        };
        sender.bind(&address).unwrap();
        let endpoint = sender.get_last_endpoint().unwrap().unwrap();
        let peers = Peers { context, kind: case.peer, endpoint };
        Self { peers, sender, case, _directory: directory }
    }

    /// Sends messages until the last one came to the last of `peers`, so that the next goes to the first.
    fn warm_up(&self, peers: &[&zmq::Socket]) {
        for _ in 0..10_000 {
            self.sender.send("warm", 0).unwrap();
            let mut items: Vec<_> = peers.iter().map(|peer| peer.as_poll_item(zmq::POLLIN)).collect();
            assert_ne!(zmq::poll(&mut items, i64::from(LONG)).unwrap(), 0, "{:?}: lost in peace", self.case);
            let at = items.iter().position(zmq::PollItem::is_readable).unwrap();
            receive(&self.sender, peers[at]);
            if at == peers.len() - 1 {
                return self.look();
            }
        }
        panic!("{:?}: the other peer does not connect", self.case);
    }

    fn look(&self) {
        self.sender.get_events().unwrap();
    }

    /// Waits until a command for the sender is there.
    fn command_comes(&self, millis: i64) -> bool {
        let fd = self.sender.get_fd().unwrap();
        zmq::poll(&mut [zmq::PollItem::from_fd(fd, zmq::POLLIN)], millis).unwrap() > 0
    }

    /// Lets the sender learn of a death that has happened.
    fn learn(&self) {
        if self.case.notice == Notice::Racing {
            return;
        }
        assert!(self.command_comes(i64::from(LONG)), "{:?}: libzmq did not notice", self.case);
        if self.case.notice == Notice::Early {
            self.look();
            while self.command_comes(10) {
                self.look();
            }
        }
        // a sending socket looks at its commands at most once in 3 000 000 ticks (`max_command_delay`)
        let noticed = Instant::now();
        while noticed.elapsed() < Duration::from_millis(4) {
            std::hint::spin_loop();
        }
    }

    fn message(&self, tag: &str) -> (Vec<Vec<u8>>, Multipart) {
        let part = |index: usize| format!("{tag}{index}").into_bytes();
        let envelope = (0..self.case.envelope).map(part).collect();
        let metadata = part(self.case.envelope);
        let buffers = (self.case.envelope + 1..self.case.frames).map(|index| Buffer::from_vec(part(index))).collect();
        (envelope, Multipart::new(metadata, buffers))
    }

    fn expected(&self, tag: &str) -> Vec<Vec<u8>> {
        (0..self.case.frames).map(|index| format!("{tag}{index}").into_bytes()).collect()
    }

    fn send(&self, tag: &str, before: impl FnMut(usize)) -> Result<u32> {
        let (envelope, message) = self.message(tag);
        let envelope: Vec<&[u8]> = envelope.iter().map(|frame| &frame[..]).collect();
        send_hooked(&self.sender, &envelope, &message, before)
    }
}

fn send_hooked(
    socket: &zmq::Socket,
    envelope: &[&[u8]],
    message: &Multipart,
    mut before: impl FnMut(usize),
) -> Result<u32> {
    let kind = guard::socket_type(socket).unwrap();
    let outgoing = Outgoing::new(envelope, message);
    Blocking::new(Sending::new(socket, kind, &outgoing), Wait::AsTheSocketSays).send_whole(&mut before)
}

/// Calls `act` the first time frame `position` is about to be sent.
fn once(position: usize, mut act: impl FnMut()) -> impl FnMut(usize) {
    let mut done = false;
    move |index| {
        if index == position && !done {
            done = true;
            act();
        }
    }
}

/// Receives a message as the peer's program sees it, and answers where the pattern wants that.
fn receive(sender: &zmq::Socket, peer: &zmq::Socket) -> Vec<Vec<u8>> {
    let mut frames = peer.recv_multipart(0).unwrap();
    let kinds = (sender.get_socket_type().unwrap(), peer.get_socket_type().unwrap());
    match kinds {
        (zmq::REQ, zmq::REP) => {
            peer.send("reply", 0).unwrap();
            assert_eq!(sender.recv_multipart(0).unwrap(), [b"reply"]);
        }
        (zmq::REQ, zmq::ROUTER) => {
            // what a REQ sends to get out of a torn request, which a REP drops by itself
            if frames.len() == 2 && frames[1].is_empty() {
                frames = peer.recv_multipart(0).unwrap();
            }
            assert_eq!(frames[1], b"", "the delimiter: {frames:?}");
            peer.send_multipart([&frames[0][..], b"", b"reply"], 0).unwrap();
            assert_eq!(sender.recv_multipart(0).unwrap(), [b"reply"]);
            frames.drain(..2);
        }
        _ => {}
    }
    frames
}

/// All that `run` does in every position, over every transport at once.
fn everywhere(case: Case, run: impl Fn(Case) + Sync) {
    thread::scope(|scope| {
        for transport in TRANSPORTS {
            let run = &run;
            scope.spawn(move || {
                for _ in 0..repeats() {
                    for frames in case.envelope + 1..=4 {
                        for position in 0..frames {
                            run(Case { transport, frames, position, ..case });
                        }
                    }
                }
            });
        }
    });
}

/// The first peer dies in the middle of message `a`; the other one gets `a` and `b`, and nothing else.
fn the_heir_gets_it_whole(case: Case) {
    let bench = Bench::new(case);
    let mut first = Some(bench.peers.connect());
    let there = (case.heir == Heir::There).then(|| bench.peers.connect());
    match &there {
        None => bench.warm_up(&[first.as_ref().unwrap()]),
        Some(heir) => bench.warm_up(&[first.as_ref().unwrap(), heir]),
    }
    let (died, dead) = mpsc::channel();
    let heir = thread::scope(|scope| {
        let peers = bench.peers.clone();
        let later = scope.spawn(move || {
            dead.recv().unwrap();
            match there {
                Some(heir) => heir,
                None if peers.kind == zmq::PAIR => peers.connect_until_let_in(),
                None => peers.connect(),
            }
        });
        let kill = || {
            drop(first.take());
            bench.learn();
            died.send(()).unwrap();
        };
        bench.send("a", once(case.position, kill)).unwrap_or_else(|error| panic!("{case:?}: {error}"));
        while !later.is_finished() {
            if case.notice == Notice::Racing {
                let _ = bench.sender.try_send_message(bench.message("b").1);
            }
            thread::yield_now();
        }
        later.join().unwrap()
    });
    if case.notice == Notice::Racing {
        // what was accepted whole can be lost unseen; what arrives is whole, and sooner or later everything arrives
        for count in 0..3 {
            while heir.poll(zmq::POLLIN, 1).unwrap() == 0 {
                bench.send("b", |_| {}).unwrap();
            }
            let got = receive(&bench.sender, &heir);
            assert!(got == bench.expected("b") || (count == 0 && got == bench.expected("a")), "{case:?}: {got:?}");
        }
        return;
    }
    assert_eq!(receive(&bench.sender, &heir), bench.expected("a"), "{case:?}");
    bench.send("b", |_| {}).unwrap();
    assert_eq!(receive(&bench.sender, &heir), bench.expected("b"), "{case:?}");
}

fn case(sender: zmq::SocketType, peer: zmq::SocketType, notice: Notice, heir: Heir) -> Case {
    Case { sender, peer, transport: "", envelope: 0, frames: 0, position: 0, notice, heir }
}

#[test]
fn a_push_gives_the_whole_message_to_a_peer_that_is_there() {
    everywhere(case(zmq::PUSH, zmq::PULL, Notice::Late, Heir::There), the_heir_gets_it_whole);
    everywhere(case(zmq::PUSH, zmq::PULL, Notice::Early, Heir::There), the_heir_gets_it_whole);
}

#[test]
fn a_push_gives_the_whole_message_to_a_peer_that_comes_later() {
    everywhere(case(zmq::PUSH, zmq::PULL, Notice::Late, Heir::Later), the_heir_gets_it_whole);
    everywhere(case(zmq::PUSH, zmq::PULL, Notice::Early, Heir::Later), the_heir_gets_it_whole);
}

#[test]
fn a_dealer_gives_the_whole_message_to_a_peer_that_is_there() {
    let with_delimiter = |case| Case { envelope: 1, ..case };
    everywhere(case(zmq::DEALER, zmq::DEALER, Notice::Late, Heir::There), the_heir_gets_it_whole);
    everywhere(with_delimiter(case(zmq::DEALER, zmq::DEALER, Notice::Early, Heir::There)), the_heir_gets_it_whole);
}

#[test]
fn a_dealer_gives_the_whole_message_to_a_peer_that_comes_later() {
    let with_delimiter = |case| Case { envelope: 1, ..case };
    everywhere(with_delimiter(case(zmq::DEALER, zmq::DEALER, Notice::Late, Heir::Later)), the_heir_gets_it_whole);
    everywhere(case(zmq::DEALER, zmq::DEALER, Notice::Early, Heir::Later), the_heir_gets_it_whole);
}

#[test]
fn a_req_gives_the_whole_request_to_a_peer_that_is_there_and_gets_its_reply() {
    everywhere(case(zmq::REQ, zmq::REP, Notice::Late, Heir::There), the_heir_gets_it_whole);
    everywhere(case(zmq::REQ, zmq::REP, Notice::Early, Heir::There), the_heir_gets_it_whole);
    everywhere(case(zmq::REQ, zmq::ROUTER, Notice::Late, Heir::There), the_heir_gets_it_whole);
}

#[test]
fn a_req_gives_the_whole_request_to_a_peer_that_comes_later_and_gets_its_reply() {
    everywhere(case(zmq::REQ, zmq::REP, Notice::Late, Heir::Later), the_heir_gets_it_whole);
    everywhere(case(zmq::REQ, zmq::REP, Notice::Early, Heir::Later), the_heir_gets_it_whole);
    everywhere(case(zmq::REQ, zmq::ROUTER, Notice::Early, Heir::Later), the_heir_gets_it_whole);
}

#[test]
fn a_pair_gives_the_whole_message_to_the_peer_that_comes_later() {
    // never early: nobody looks at a PAIR between two frames, which is a rule of the sender
    everywhere(case(zmq::PAIR, zmq::PAIR, Notice::Late, Heir::Later), the_heir_gets_it_whole);
}

#[test]
fn a_death_at_any_moment_tears_nothing() {
    everywhere(case(zmq::PUSH, zmq::PULL, Notice::Racing, Heir::There), the_heir_gets_it_whole);
    everywhere(case(zmq::PUSH, zmq::PULL, Notice::Racing, Heir::Later), the_heir_gets_it_whole);
    everywhere(case(zmq::DEALER, zmq::DEALER, Notice::Racing, Heir::There), the_heir_gets_it_whole);
    everywhere(case(zmq::DEALER, zmq::DEALER, Notice::Racing, Heir::Later), the_heir_gets_it_whole);
    everywhere(case(zmq::PAIR, zmq::PAIR, Notice::Racing, Heir::Later), the_heir_gets_it_whole);
}

/// The addressed peer of a ROUTER dies in the middle of a message: the sender is told, and nobody else gets any of it.
fn a_router_says_so(case: Case) {
    let bench = Bench::new(case);
    bench.sender.set_router_mandatory(true).unwrap();
    let mut first = Some(bench.peers.connect_as(b"first"));
    let other = bench.peers.connect_as(b"other");
    for peer in [first.as_ref().unwrap(), &other] {
        peer.send("hello", 0).unwrap();
        assert_eq!(bench.sender.recv_multipart(0).unwrap().len(), 2);
    }
    bench.look();
    let message = bench.message("a").1;
    let kill = || {
        drop(first.take());
        bench.learn();
    };
    let error = send_hooked(&bench.sender, &[b"first"], &message, once(case.position, kill)).unwrap_err();
    assert!(error.is_unreachable(), "{case:?}: {error}");
    assert!(error.to_string().contains("first"), "{error}");

    let next = bench.message("b").1;
    bench.sender.send_message_to("other", next.clone()).unwrap();
    assert_eq!(other.recv_message().unwrap(), next, "{case:?}");
    // one that comes back under the same name gets the next message, and no tail of the last; a ROUTER refuses the name
    // until it has been looked at, and so has let go of the dead peer
    let mut again = Vec::new();
    while bench.sender.poll(zmq::POLLIN, 50).unwrap() == 0 {
        again.push(bench.peers.connect_as(b"first"));
        again.last().unwrap().send("hello", 0).unwrap();
    }
    bench.sender.recv_multipart(0).unwrap();
    bench.sender.send_message_to("first", next.clone()).unwrap();
    assert_eq!(first_readable(&again).recv_message().unwrap(), next, "{case:?}");
}

/// Waits until one of the sockets has a message.
fn first_readable(sockets: &[zmq::Socket]) -> &zmq::Socket {
    let mut items: Vec<_> = sockets.iter().map(|socket| socket.as_poll_item(zmq::POLLIN)).collect();
    assert_ne!(zmq::poll(&mut items, i64::from(LONG)).unwrap(), 0);
    &sockets[items.iter().position(zmq::PollItem::is_readable).unwrap()]
}

#[test]
fn a_router_says_that_its_peer_is_gone_and_nobody_gets_a_part() {
    let router = |notice| Case { envelope: 1, ..case(zmq::ROUTER, zmq::DEALER, notice, Heir::There) };
    everywhere(router(Notice::Late), a_router_says_so);
    everywhere(router(Notice::Early), a_router_says_so);
}

/// One subscriber dies, one joins in the middle of the message: the other one gets everything whole.
fn the_other_subscriber_gets_it_whole(case: Case) {
    let bench = Bench::new(case);
    // every peer has a subscription of its own besides, for an XPUB passes on only those that are new
    let subscribe = |topics: [&[u8]; 2]| {
        let peer = bench.peers.connect();
        for topic in topics {
            peer.set_subscribe(topic).unwrap();
        }
        peer
    };
    let heard_of = |topic: &[u8]| while bench.sender.recv_bytes(0).unwrap() != [b"\x01", topic].concat() {};
    let mut first = Some(subscribe([b"", b"first"]));
    heard_of(b"first");
    let other = subscribe([b"a", b"b"]);
    heard_of(b"b");
    bench.look();
    let mut joins = None;
    let kill = || {
        drop(first.take());
        bench.learn();
        joins = Some(subscribe([b"", b"joins"]));
    };
    bench.send("a", once(case.position, kill)).unwrap();
    assert_eq!(receive(&bench.sender, &other), bench.expected("a"), "{case:?}");
    heard_of(b"joins");
    bench.send("b", |_| {}).unwrap();
    assert_eq!(receive(&bench.sender, &other), bench.expected("b"), "{case:?}");
    // who joins before the first frame may have got the whole first message, and never a part of it
    let joined = joins.unwrap();
    let mut got = receive(&bench.sender, &joined);
    if case.position == 0 && got == bench.expected("a") {
        got = receive(&bench.sender, &joined);
    }
    assert_eq!(got, bench.expected("b"), "{case:?}");
}

#[test]
fn a_dying_or_joining_subscriber_tears_nothing() {
    let publisher = |notice| Case { envelope: 1, ..case(zmq::XPUB, zmq::SUB, notice, Heir::There) };
    everywhere(publisher(Notice::Late), the_other_subscriber_gets_it_whole);
}

/// A REP answers a client that dies meanwhile: nothing to tell, and the next request is served.
fn the_next_client_is_served(case: Case) {
    let bench = Bench::new(case);
    let first = bench.peers.connect();
    first.send("question", 0).unwrap();
    bench.sender.recv_multipart(0).unwrap();
    bench.look();
    let mut first = Some(first);
    let kill = || {
        drop(first.take());
        bench.learn();
    };
    bench.send("a", once(case.position, kill)).unwrap();
    let next = bench.peers.connect();
    next.send("question", 0).unwrap();
    bench.sender.recv_multipart(0).unwrap();
    bench.send("b", |_| {}).unwrap();
    assert_eq!(receive(&bench.sender, &next), bench.expected("b"), "{case:?}");
}

#[test]
fn a_rep_whose_client_died_serves_the_next_one() {
    everywhere(case(zmq::REP, zmq::REQ, Notice::Late, Heir::Later), the_next_client_is_served);
}

/// A sender that connected keeps its pipe while the other end is away: the message waits for whoever binds there next.
fn it_waits_for_the_next_to_bind(case: Case) {
    let context = zmq::Context::new();
    let directory = tempfile::tempdir().unwrap();
    let binder = |endpoint: &str| {
        let peer = socket(&context, case.peer);
        let started = Instant::now();
        while let Err(error) = peer.bind(endpoint) {
            let is_late = started.elapsed() > Duration::from_millis(LONG as u64);
            assert!(error == zmq::Error::EADDRINUSE && !is_late, "{endpoint}: {error}");
            thread::yield_now();
        }
        peer
    };
    let mut first = Some(binder(&match case.transport {
        "tcp" => "tcp://127.0.0.1:*".to_owned(),
        _ => format!("ipc://{}/s", directory.path().display()),
    }));
    let endpoint = first.as_ref().unwrap().get_last_endpoint().unwrap().unwrap();
    let sender = socket(&context, case.sender);
    sender.connect(&endpoint).unwrap();
    sender.send("warm", 0).unwrap();
    first.as_ref().unwrap().recv_multipart(0).unwrap();
    let endpoint = format!("inproc://monitor-{}", unique());
    sender.monitor(&endpoint, i32::from(zmq::SocketEvent::DISCONNECTED.to_raw())).unwrap();
    let monitor = socket(&context, zmq::PAIR);
    monitor.connect(&endpoint).unwrap();
    let endpoint = first.as_ref().unwrap().get_last_endpoint().unwrap().unwrap();

    let part = |index: usize| format!("a{index}").into_bytes();
    let message = Multipart::new(part(0), (1..case.frames).map(|index| Buffer::from_vec(part(index))).collect());
    let mut heir = None;
    let kill = || {
        drop(first.take());
        monitor.recv_multipart(0).unwrap();
        heir = Some(binder(&endpoint));
    };
    send_hooked(&sender, &[], &message, once(case.position, kill)).unwrap();
    assert_eq!(heir.unwrap().recv_message().unwrap(), message, "{case:?}");
}

#[test]
fn a_connected_sender_keeps_the_message_for_the_next_to_bind() {
    for sender in [zmq::PUSH, zmq::DEALER, zmq::PAIR] {
        let peer = if sender == zmq::PUSH { zmq::PULL } else { sender };
        let case = case(sender, peer, Notice::Late, Heir::Later);
        everywhere(case, |case| {
            if case.transport != "inproc" {
                it_waits_for_the_next_to_bind(case);
            }
        });
    }
}

/// A peer in a process of its own, which echoes what comes to it where the pattern wants that.
struct Process(Child);

const PEER_OF: &str = "OUTBAND_TEST_PEER_OF";

impl Process {
    fn spawn(bench: &Bench) -> Self {
        let test = "socket::send::dying_peers::a_peer_in_a_process_of_its_own";
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test])
            .env(PEER_OF, format!("{:?} {}", bench.case.sender, bench.peers.endpoint))
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().unwrap(); // SIGKILL
        self.0.wait().unwrap();
    }
}

#[test]
fn a_peer_in_a_process_of_its_own() {
    let Ok(order) = std::env::var(PEER_OF) else { return };
    let (sender, endpoint) = order.split_once(' ').unwrap();
    let context = zmq::Context::new();
    let peer = socket(&context, if sender == "PUSH" { zmq::PULL } else { zmq::DEALER });
    peer.connect(endpoint).unwrap();
    while peer.recv_multipart(0).is_ok() {}
}

fn the_heir_of_a_killed_process_gets_it_whole(case: Case) {
    let bench = Bench::new(case);
    let endpoint = format!("inproc://monitor-{}", unique());
    let events = zmq::SocketEvent::DISCONNECTED.to_raw() | zmq::SocketEvent::HANDSHAKE_SUCCEEDED.to_raw();
    bench.sender.monitor(&endpoint, i32::from(events)).unwrap();
    let monitor = socket(&bench.peers.context, zmq::PAIR);
    monitor.connect(&endpoint).unwrap();
    let event = || {
        let frames = monitor.recv_multipart(0).unwrap();
        zmq::SocketEvent::from_raw(u16::from_ne_bytes([frames[0][0], frames[0][1]]))
    };

    let mut first = Some(Process::spawn(&bench));
    assert_eq!(event(), zmq::SocketEvent::HANDSHAKE_SUCCEEDED);
    bench.look(); // the pipe is there before the event is
    let heir = bench.peers.connect();
    assert_eq!(event(), zmq::SocketEvent::HANDSHAKE_SUCCEEDED);
    bench.look();
    let kill = || {
        drop(first.take());
        assert_eq!(event(), zmq::SocketEvent::DISCONNECTED);
        bench.learn();
    };
    let restarts = bench.send("a", once(case.position, kill)).unwrap();
    assert_eq!(restarts, u32::from(case.position > 0), "{case:?}");
    assert_eq!(receive(&bench.sender, &heir), bench.expected("a"), "{case:?}");
    bench.send("b", |_| {}).unwrap();
    assert_eq!(receive(&bench.sender, &heir), bench.expected("b"), "{case:?}");
}

#[test]
fn the_message_of_a_killed_process_arrives_whole_at_another() {
    for (sender, peer) in [(zmq::PUSH, zmq::PULL), (zmq::DEALER, zmq::DEALER)] {
        for notice in [Notice::Late, Notice::Early] {
            for transport in ["tcp", "ipc"] {
                for position in 0..3 {
                    let case = case(sender, peer, notice, Heir::There);
                    the_heir_of_a_killed_process_gets_it_whole(Case { transport, frames: 3, position, ..case });
                }
            }
        }
    }
}

/// What no sender can see, as `docs/delivery.md` says: libzmq goes on with another peer when a third one dies.
#[test]
fn the_death_of_a_third_peer_tears_a_message_with_every_call_successful() {
    let case = case(zmq::PUSH, zmq::PULL, Notice::Early, Heir::There);
    let bench = Bench::new(Case { transport: "inproc", frames: 3, ..case });
    let [first, second, third] = [(); 3].map(|()| bench.peers.connect());
    bench.look();
    for peer in [&first, &second] {
        bench.sender.send("warm", 0).unwrap();
        assert_eq!(peer.recv_multipart(0).unwrap(), [b"warm"]);
    }
    let mut second = Some(second);
    let kill = || {
        drop(second.take());
        bench.learn();
    };
    assert_eq!(bench.send("a", once(1, kill)).unwrap(), 0);
    assert_eq!(first.recv_multipart(0).unwrap(), bench.expected("a")[1..]);
    assert_eq!(bench.send("b", |_| {}).unwrap(), 0);
    assert_eq!(third.recv_multipart(0).unwrap(), [&bench.expected("a")[..1], &bench.expected("b")].concat());
}

#[test]
fn a_req_that_stays_torn_says_what_to_do() {
    let bench = Bench::new(Case { transport: "tcp", frames: 2, ..case(zmq::REQ, zmq::REP, Notice::Late, Heir::Later) });
    let mut first = Some(bench.peers.connect());
    bench.warm_up(&[first.as_ref().unwrap()]);
    bench.sender.set_sndtimeo(50).unwrap();
    let kill = || {
        drop(first.take());
        bench.learn();
    };
    let error = bench.send("a", once(1, kill)).unwrap_err();
    assert_eq!(error.kind(), crate::error::ErrorKind::Transport);
    assert!(error.to_string().contains("make a new one"), "{error}");
    assert_eq!(bench.sender.get_sndtimeo().unwrap(), 50);
}

/// What a shell that waits elsewhere relies on: the next try, for the same message or another, mends what the last one left.
#[test]
fn a_try_mends_what_the_one_before_left_torn() {
    for transport in TRANSPORTS {
        for position in 1..3 {
            let case = case(zmq::REQ, zmq::REP, Notice::Late, Heir::Later);
            let bench = Bench::new(Case { transport, frames: 3, position, ..case });
            let mut first = Some(bench.peers.connect());
            bench.warm_up(&[first.as_ref().unwrap()]);
            let kill = || {
                drop(first.take());
                bench.learn();
            };
            let (_, message) = bench.message("a");
            let outgoing = Outgoing::new(&[], &message);
            let mut sending = Sending::new(&bench.sender, zmq::REQ, &outgoing);
            assert_eq!(sending.try_send(&mut once(position, kill)).unwrap(), Try::WouldBlock);
            let torn = sending.torn;
            assert_ne!(torn, Torn::No, "{transport}, frame {position}");

            let heir = bench.peers.connect();
            let (_, message) = bench.message("b");
            let outgoing = Outgoing::new(&[], &message);
            let mut sending = Sending { torn, ..Sending::new(&bench.sender, zmq::REQ, &outgoing) };
            while sending.try_send(&mut |_| {}).unwrap() == Try::WouldBlock {
                assert_ne!(bench.sender.poll(zmq::POLLOUT, i64::from(LONG)).unwrap(), 0);
            }
            assert_eq!(sending.torn, Torn::No);
            assert_eq!(heir.recv_multipart(0).unwrap(), bench.expected("b"), "{transport}, frame {position}");
            heir.send("reply", 0).unwrap();
            assert_eq!(bench.sender.recv_bytes(0).unwrap(), b"reply");
        }
    }
}
