//! `AsyncSocket`: tasks that wait and futures that are dropped, in every order there is.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::common::Place;
use crate::model::{self, BOTH_WAYS, OURS, Rules, TWO_RECEIVERS};
use futures_util::{SinkExt, StreamExt};
use outband::{
    Array, AsyncSocket, Buffer, Encode, Envelope, HeadedArray, Json, Limits, MsgPack, Multipart, to_multipart,
};
use tokio::runtime::{Builder, Runtime};
use tokio::task::coop;

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Two sockets with room for one message at each end, and over tcp as little of the system's as there can be. Over inproc libzmq's part
/// has happened when a call returns.
fn narrow(place: &Place, bound: zmq::SocketType, connected: zmq::SocketType) -> (AsyncSocket, AsyncSocket) {
    let (bound, connected) = (place.socket(bound), place.socket(connected));
    for socket in [&bound, &connected] {
        socket.set_sndhwm(1).unwrap();
        socket.set_rcvhwm(1).unwrap();
        socket.set_sndbuf(4096).unwrap();
        socket.set_rcvbuf(4096).unwrap();
        socket.set_identity(b"peer").unwrap();
    }
    connected.connect(&place.bind(&bound)).unwrap();
    (AsyncSocket::new(bound).unwrap(), AsyncSocket::new(connected).unwrap())
}

#[test]
fn no_order_of_steps_leaves_a_task_asleep() {
    for wants in [BOTH_WAYS, TWO_RECEIVERS] {
        let states = model::search(wants, OURS).unwrap_or_else(|asleep| panic!("a wake-up is lost: {asleep:?}"));
        println!("{wants:?}: {states} states");
    }
    // each rule is there for a reason
    let lost = |wants, rules| model::search(wants, rules).is_err();
    assert!(lost(BOTH_WAYS, Rules { looks_again: false, ..OURS }));
    assert!(lost(BOTH_WAYS, Rules { hears_all: false, ..OURS }));
    assert!(lost(BOTH_WAYS, Rules { tells_others: false, ..OURS }));
    assert!(lost(TWO_RECEIVERS, Rules { wakes_all: false, ..OURS }));
}

/// A waker that tells whether it was called.
#[derive(Default)]
struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// An operation of a task of ours, polled when we say so.
struct Polled<'f, T> {
    future: Pin<Box<dyn Future<Output = T> + 'f>>,
    bell: Arc<Bell>,
    is_pending: bool,
}

impl<'f, T> Polled<'f, T> {
    fn new(future: impl Future<Output = T> + 'f) -> Self {
        Self { future: Box::pin(future), bell: Arc::default(), is_pending: false }
    }

    fn poll(&mut self) -> Option<T> {
        self.bell.0.store(false, Ordering::Relaxed);
        let polled = self.future.as_mut().poll(&mut Context::from_waker(&Waker::from(self.bell.clone())));
        self.is_pending = polled.is_pending();
        match polled {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        }
    }

    /// Whether it waits, and nobody has called it.
    fn is_asleep(&self) -> bool {
        self.is_pending && !self.bell.0.load(Ordering::Relaxed)
    }
}

/// What a socket is used for, in any order.
#[derive(Clone, Copy, Debug)]
enum Use {
    PollReceive,
    DropReceive,
    PollSend,
    DropSend,
    OtherReceives,
    OtherSends,
    PeerSends,
    PeerReceives,
    RuntimeTurns,
}

const USES: [Use; 9] = [
    Use::PollReceive,
    Use::DropReceive,
    Use::PollSend,
    Use::DropSend,
    Use::OtherReceives,
    Use::OtherSends,
    Use::PeerSends,
    Use::PeerReceives,
    Use::RuntimeTurns,
];

#[test]
fn no_order_of_uses_leaves_a_task_asleep() {
    const LENGTH: u32 = 4;
    let place = Place::new("inproc");
    let runtime = one_thread();
    let _within = runtime.enter();
    let (socket, peer) = narrow(&place, zmq::PAIR, zmq::PAIR);
    let message = || Multipart::new("m", vec![]);
    let turn = || runtime.block_on(tokio::task::yield_now());
    for order in 0..USES.len().pow(LENGTH) {
        let uses: Vec<_> = (0..LENGTH).map(|at| USES[order / USES.len().pow(at) % USES.len()]).collect();
        while peer.try_recv_message().is_ok() {}
        while socket.try_recv_message().is_ok() {}
        while socket.try_send_message(message()).is_ok() {}
        // a receive and a send are asleep, for messages and for room
        let (mut receive, mut send) = (Polled::new(socket.recv_message()), Polled::new(socket.send_message(message())));
        assert!(receive.poll().is_none() && send.poll().is_none());
        let mut arrived = 0_usize;
        for step in &uses {
            match step {
                Use::PollReceive => {
                    if let Some(received) = receive.poll() {
                        received.unwrap();
                        arrived -= 1;
                        receive = Polled::new(socket.recv_message());
                    }
                }
                Use::DropReceive => receive = Polled::new(socket.recv_message()),
                Use::PollSend => {
                    if let Some(sent) = send.poll() {
                        sent.unwrap();
                        send = Polled::new(socket.send_message(message()));
                    }
                }
                Use::DropSend => send = Polled::new(socket.send_message(message())),
                Use::OtherReceives => arrived -= usize::from(socket.try_recv_message().is_ok()),
                Use::OtherSends => drop(socket.try_send_message(message())),
                Use::PeerSends => arrived += usize::from(peer.try_send_message(message()).is_ok()),
                Use::PeerReceives => drop(peer.try_recv_message()),
                Use::RuntimeTurns => turn(),
            }
        }
        turn();
        assert!(arrived == 0 || !receive.is_asleep(), "{uses:?}: it sleeps beside {arrived} messages");
        // the peer has read all there was, so there is room
        while peer.try_recv_message().is_ok() {}
        turn();
        assert!(!send.is_asleep(), "{uses:?}: it sleeps and there is room");
        // what comes last wakes as well
        while socket.try_recv_message().is_ok() {}
        assert!(receive.poll().is_none());
        peer.try_send_message(message()).unwrap();
        turn();
        assert!(!receive.is_asleep(), "{uses:?}: it sleeps beside the last message");
    }
}

/// An operation whose result does not matter.
type Operation<'s> = Pin<Box<dyn Future<Output = ()> + 's>>;

fn operation<'s, T>(future: impl Future<Output = outband::Result<T>> + 's) -> Operation<'s> {
    Box::pin(async { drop(future.await.unwrap()) })
}

/// Polls an operation so many times, with what a task may do or with all of that used up, and drops it. Whether it was done.
async fn dropped_after(polls: usize, has_budget: bool, mut operation: Operation<'_>) -> bool {
    // a turn begins, with all of it
    tokio::task::yield_now().await;
    while !has_budget && coop::has_budget_remaining() {
        coop::consume_budget().await;
    }
    (0..polls).any(|_| operation.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready())
}

/// Three frames.
type Value = (u64, Buffer, Buffer);

fn value() -> Value {
    (7, Buffer::from_vec(vec![7_u8; 20_000]), Buffer::from_vec(vec![8_u8; 20_000]))
}

fn message() -> Multipart {
    to_multipart(&value()).unwrap()
}

/// Every way to send on a socket with one peer.
fn sends(socket: &AsyncSocket) -> Vec<Operation<'_>> {
    vec![
        operation(socket.send_message(message())),
        operation(async { socket.send_obj(&value()).await }),
        operation(async { socket.send_with(&MsgPack::new(), &value()).await }),
        operation(socket.send_message_tracked(message())),
        operation(async { socket.send_obj_tracked(&value()).await }),
        operation(socket.send_json("text")),
        operation(async { socket.send_array(&Array::from_vec(vec![1.5_f64; 9])).await }),
        operation(async { socket.publish_obj("topic", &value()).await }),
        operation(async { socket.publish_with(&MsgPack::new(), "topic", &value()).await }),
        operation(socket.publish_message("topic", message())),
        operation(async { socket.message_sink().send(message()).await }),
        operation(async { socket.object_sink().send(value()).await }),
        operation(async { socket.object_sink_with(MsgPack::new()).send(value()).await }),
        #[cfg(feature = "zlib")]
        operation(async { socket.send_zipped("text").await }),
    ]
}

/// Every way to send to one of several peers.
fn sends_to(socket: &AsyncSocket) -> Vec<Operation<'_>> {
    vec![
        operation(socket.send_message_to("peer", message())),
        operation(async { socket.send_obj_to("peer", &value()).await }),
        operation(async { socket.send_with_to(&MsgPack::new(), "peer", &value()).await }),
        operation(async { socket.send_obj_via(&Envelope::to("peer"), &value()).await }),
        operation(async { socket.send_with_via(&MsgPack::new(), &Envelope::to("peer"), &value()).await }),
        operation(async { socket.send_message_via(&Envelope::to("peer"), message()).await }),
    ]
}

/// What a peer sends, and one way to receive that.
type Receive<'s> = (Multipart, Operation<'s>);

/// Every way to receive from one peer.
fn receives(socket: &AsyncSocket) -> Vec<Receive<'_>> {
    let (metadata, buffers) = message().into_parts();
    let with_topic = || Multipart::new("topic", [vec![Buffer::from(metadata.clone())], buffers.clone()].concat());
    let array = Array::from_vec(vec![1.5_f64; 9]);
    vec![
        (message(), operation(socket.recv_message())),
        (message(), operation(socket.recv_obj::<Value>())),
        (message(), operation(async { socket.recv_with::<Value, _>(&MsgPack::new()).await })),
        (message(), operation(async { socket.recv_message_within(&Limits::default()).await })),
        (message(), operation(async { socket.messages().next().await.unwrap() })),
        (message(), operation(async { socket.objects::<Value>().next().await.unwrap() })),
        (message(), operation(async { socket.objects_with::<Value, _>(MsgPack::new()).next().await.unwrap() })),
        (Json::new().encode("text").unwrap(), operation(socket.recv_json::<String>())),
        (HeadedArray::new().encode(&array).unwrap(), operation(socket.recv_array())),
        (with_topic(), operation(socket.recv_topic_message())),
        (with_topic(), operation(socket.recv_topic_obj::<Value>())),
        (with_topic(), operation(async { socket.recv_topic_with::<Value, _>(&MsgPack::new()).await })),
        #[cfg(feature = "zlib")]
        (outband::Zipped::default().encode("text").unwrap(), operation(socket.recv_zipped::<String>())),
    ]
}

/// Every way to receive from one of several peers.
fn receives_from(socket: &AsyncSocket) -> Vec<Receive<'_>> {
    let ways = vec![
        operation(socket.recv_message_from()),
        operation(socket.recv_obj_from::<Value>()),
        operation(async { socket.recv_with_from::<Value, _>(&MsgPack::new()).await }),
        operation(socket.recv_message_via()),
        operation(socket.recv_obj_via::<Value>()),
        operation(async { socket.recv_with_via::<Value, _>(&MsgPack::new()).await }),
    ];
    ways.into_iter().map(|way| (message(), way)).collect()
}

/// No method is left out: the four lists name every one that is awaited, streams and sinks included.
#[test]
fn the_lists_of_what_is_dropped_have_every_method_that_waits() {
    let source = include_str!("waits.rs");
    let begin = source.find("/// Every way to send on").unwrap();
    let lists = &source[begin..source.find("/// No method is left out").unwrap()];
    let files = [
        (include_str!("../../src/socket/tokio/address.rs"), "pub async fn "),
        (include_str!("../../src/socket/tokio/message.rs"), "pub async fn "),
        (include_str!("../../src/socket/tokio/object.rs"), "pub async fn "),
        (include_str!("../../src/socket/tokio/stream.rs"), "pub fn "),
        (include_str!("../../src/socket/tokio/sink.rs"), "pub fn "),
    ];
    let methods: BTreeSet<&str> = files
        .iter()
        .flat_map(|(source, form)| source.lines().filter_map(move |line| line.strip_prefix("    ")?.strip_prefix(form)))
        .filter_map(|rest| rest.split(['<', '(']).next())
        .collect();
    assert!(methods.len() > 35, "{methods:?}");
    let names =
        |name: &&&str| [format!("socket.{name}("), format!("socket.{name}::<")].iter().any(|call| lists.contains(call));
    let left_out: Vec<_> = methods.iter().filter(|name| !names(name)).collect();
    assert!(left_out.is_empty(), "{left_out:?}");
}

#[test]
fn a_send_that_is_dropped_at_any_await_has_sent_nothing() {
    for (kind, peer_kind, every) in
        [(zmq::PAIR, zmq::PAIR, sends as fn(&AsyncSocket) -> Vec<Operation<'_>>), (zmq::ROUTER, zmq::DEALER, sends_to)]
    {
        let place = Place::new("inproc");
        one_thread().block_on(async {
            let (socket, peer) = narrow(&place, kind, peer_kind);
            let received = || std::iter::from_fn(|| peer.try_recv_message().ok()).collect::<Vec<_>>();
            if kind == zmq::ROUTER {
                // it knows its peers by what they send
                peer.send_obj(&0).await.unwrap();
                socket.recv_obj_from::<u8>().await.unwrap();
            }
            for index in 0..every(&socket).len() {
                let one = || every(&socket).swap_remove(index);
                for (polls, has_budget) in (1..5).flat_map(|polls| [(polls, true), (polls, false)]) {
                    // there is room, but perhaps it is another task's turn
                    let is_done = dropped_after(polls, has_budget, one()).await;
                    assert!(is_done || !has_budget, "{kind:?}, {index}");
                    assert_eq!(received().len(), usize::from(is_done), "{kind:?}, {index}");
                    // there is none
                    let mut filled = 0;
                    while dropped_after(1, true, every(&socket).swap_remove(0)).await {
                        filled += 1;
                    }
                    assert!(!dropped_after(polls, has_budget, one()).await, "{kind:?}, {index}");
                    let received = received();
                    assert_eq!(received.len(), filled, "{kind:?}, {index}");
                    assert!(received.into_iter().all(|got| outband::from_multipart::<Value>(got).unwrap() == value()));
                }
            }
        });
    }
}

#[test]
fn a_receive_that_is_dropped_at_any_await_leaves_the_message_whole() {
    for (kind, peer_kind, every) in [
        (zmq::PAIR, zmq::PAIR, receives as fn(&AsyncSocket) -> Vec<Receive<'_>>),
        (zmq::ROUTER, zmq::DEALER, receives_from),
    ] {
        let place = Place::new("inproc");
        one_thread().block_on(async {
            let (socket, peer) = narrow(&place, kind, peer_kind);
            for index in 0..every(&socket).len() {
                let one = || every(&socket).swap_remove(index);
                for (polls, has_budget) in (1..5).flat_map(|polls| [(polls, true), (polls, false)]) {
                    // nothing is there
                    assert!(!dropped_after(polls, has_budget, one().1).await, "{kind:?}, {index}");
                    // something is, but perhaps it is another task's turn
                    let (message, receive) = one();
                    peer.send_message(message.clone()).await.unwrap();
                    let is_done = dropped_after(polls, has_budget, receive).await;
                    assert!(is_done || !has_budget, "{kind:?}, {index}");
                    if !is_done {
                        let left = match kind {
                            zmq::ROUTER => socket.recv_message_from().await.unwrap().1,
                            _ => socket.recv_message().await.unwrap(),
                        };
                        assert!(left == message, "{kind:?}, {index}");
                    }
                    assert!(socket.try_recv_message().unwrap_err().is_timeout(), "{kind:?}, {index}");
                }
            }
        });
    }
}

/// Over tcp libzmq works in its own time: what arrives is what was done, in order and whole, wherever the others were dropped.
#[test]
fn over_tcp_a_send_that_is_dropped_at_any_await_has_sent_nothing() {
    for (kind, peer_kind, every) in
        [(zmq::PAIR, zmq::PAIR, sends as fn(&AsyncSocket) -> Vec<Operation<'_>>), (zmq::ROUTER, zmq::DEALER, sends_to)]
    {
        let place = Place::new("tcp");
        one_thread().block_on(async {
            let (socket, peer) = narrow(&place, kind, peer_kind);
            if kind == zmq::ROUTER {
                peer.send_obj(&0).await.unwrap();
                socket.recv_obj_from::<u8>().await.unwrap();
            }
            let send = async |message: Multipart| match kind {
                zmq::ROUTER => socket.send_message_to("peer", message).await.unwrap(),
                _ => socket.send_message(message).await.unwrap(),
            };
            let last = Multipart::new("the last", vec![]);
            for index in 0..every(&socket).len() {
                // what it sends, when nobody drops it
                let (_, whole) =
                    tokio::join!(every(&socket).swap_remove(index), async { peer.recv_message().await.unwrap() });
                for (polls, has_budget) in (1..5).flat_map(|polls| [(polls, true), (polls, false)]) {
                    // until there is no room, and beyond
                    let (mut done, mut dropped) = (0, 0);
                    while dropped < 3 {
                        let is_done = dropped_after(polls, has_budget, every(&socket).swap_remove(index)).await;
                        *(if is_done { &mut done } else { &mut dropped }) += 1;
                    }
                    assert!(done > 0 || !has_budget, "{kind:?}, {index}");
                    let receive = async {
                        let mut received = 0;
                        loop {
                            let message = peer.recv_message().await.unwrap();
                            if message == last {
                                break received;
                            }
                            assert!(message == whole, "{kind:?}, {index}: {message:?}");
                            received += 1;
                        }
                    };
                    let ((), received) = tokio::join!(send(last.clone()), receive);
                    assert_eq!(received, done, "{kind:?}, {index}");
                }
            }
        });
    }
}

/// Here a message may be on its way when the receive begins, or come while it waits.
#[test]
fn over_tcp_a_receive_that_is_dropped_at_any_await_leaves_the_message_whole() {
    for (kind, peer_kind, every) in [
        (zmq::PAIR, zmq::PAIR, receives as fn(&AsyncSocket) -> Vec<Receive<'_>>),
        (zmq::ROUTER, zmq::DEALER, receives_from),
    ] {
        let place = Place::new("tcp");
        one_thread().block_on(async {
            let (socket, peer) = narrow(&place, kind, peer_kind);
            let (mut taken, mut left) = (0, 0);
            for index in 0..every(&socket).len() {
                for (polls, has_budget) in (1..5).flat_map(|polls| [(polls, true), (polls, false)]) {
                    for most in 0..20 {
                        let message = every(&socket).swap_remove(index).0;
                        peer.send_message(message.clone()).await.unwrap();
                        let mut is_done = false;
                        for _ in 0..most {
                            is_done =
                                is_done || dropped_after(polls, has_budget, every(&socket).swap_remove(index).1).await;
                        }
                        *(if is_done { &mut taken } else { &mut left }) += 1;
                        if !is_done {
                            let whole = match kind {
                                zmq::ROUTER => socket.recv_message_from().await.unwrap().1,
                                _ => socket.recv_message().await.unwrap(),
                            };
                            assert!(whole == message, "{kind:?}, {index}");
                        }
                        assert!(socket.try_recv_message().unwrap_err().is_timeout(), "{kind:?}, {index}");
                    }
                }
            }
            assert!(taken > 0 && left > 0, "{kind:?}: {taken}, {left}");
        });
    }
}
