//! `AsyncSocket` where it differs from waiting on a thread: dropped futures, tasks that share a socket, many sockets.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{LONG, Place, TRANSPORTS};
use crate::cut::cut;
use crate::random::Random;
use futures_util::{SinkExt, StreamExt};
use outband::{AsyncSocket, Buffer, Encode, Envelope, ErrorKind, MsgPack, Multipart, SocketExt, memory};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Barrier;

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn many_threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(3).enable_all().build().unwrap()
}

/// Runs a test on both flavours of runtime.
fn on_both<F: Future<Output = ()>>(test: impl Fn() -> F) {
    one_thread().block_on(test());
    many_threads().block_on(test());
}

/// Two connected sockets in the current runtime; the first one is bound.
fn connected(
    place: &Place,
    bound: zmq::SocketType,
    connected: zmq::SocketType,
) -> (Arc<AsyncSocket>, Arc<AsyncSocket>) {
    let (bound, connected) = place.connected(bound, connected);
    (Arc::new(AsyncSocket::new(bound).unwrap()), Arc::new(AsyncSocket::new(connected).unwrap()))
}

/// As [`connected`], with room for one message at each end.
fn narrow(place: &Place, bound: zmq::SocketType, connected: zmq::SocketType) -> (Arc<AsyncSocket>, Arc<AsyncSocket>) {
    let (bound, connected) = (place.socket(bound), place.socket(connected));
    for socket in [&bound, &connected] {
        socket.set_sndhwm(1).unwrap();
        socket.set_rcvhwm(1).unwrap();
        socket.set_identity(b"peer").unwrap();
    }
    connected.connect(&place.bind(&bound)).unwrap();
    (Arc::new(AsyncSocket::new(bound).unwrap()), Arc::new(AsyncSocket::new(connected).unwrap()))
}

/// A message of three frames with a number.
fn numbered(number: u64) -> Multipart {
    let buffer = |byte: u8| Buffer::from_vec(vec![byte; 20_000]);
    MsgPack::new().encode(&(number, buffer(number as u8), buffer(1))).unwrap()
}

fn number(message: Multipart) -> u64 {
    let (number, buffer, _): (u64, Buffer, Buffer) = outband::from_multipart(message).unwrap();
    assert!(buffer.iter().all(|&byte| byte == number as u8));
    number
}

/// Polls once, with nobody to wake.
fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn it_and_its_futures_go_to_any_thread() {
    fn goes<T: Send>(_: &T) {}
    fn is_shared<T: Sync>(_: &T) {}
    let runtime = one_thread();
    let _within = runtime.enter();
    let socket = AsyncSocket::new(zmq::Context::new().socket(zmq::ROUTER).unwrap()).unwrap();
    goes(&socket);
    is_shared(&socket);
    goes(&socket.send_obj("text"));
    goes(&socket.recv_obj::<String>());
    goes(&socket.send_message(numbered(1)));
    goes(&socket.recv_message());
    goes(&socket.send_obj_tracked(&1));
    goes(&socket.publish_obj("topic".to_owned(), &1));
    goes(&socket.recv_topic_obj::<u8>());
    goes(&socket.send_obj_to(vec![1_u8], &1));
    goes(&socket.recv_obj_from::<u8>());
    goes(&socket.send_message_via(&Envelope::to("peer"), numbered(1)));
    goes(&socket.messages());
    goes(&socket.objects::<u8>());
    goes(&socket.message_sink());
    goes(&socket.object_sink::<u8>());
}

#[test]
fn dropped_receives_lose_no_message_and_tear_none() {
    for transport in TRANSPORTS {
        let mut random = Random::seeded(7);
        let place = Place::new(transport);
        let (rx, tx) = place.connected(zmq::PULL, zmq::PUSH);
        let sender = thread::spawn(move || {
            (0..2000).for_each(|index| SocketExt::send_message(&tx, numbered(index)).unwrap());
            tx
        });
        let runtime = if random.below(2) == 0 { one_thread() } else { many_threads() };
        runtime.block_on(async {
            let rx = AsyncSocket::new(rx).unwrap();
            let mut expected = 0;
            while expected < 2000 {
                let polls = random.below(3);
                let received = match random.below(3) {
                    0 => cut(rx.recv_message(), polls).await.map(|message| number(message.unwrap())),
                    1 => cut(rx.recv_obj::<(u64, Buffer, Buffer)>(), polls).await.map(|object| object.unwrap().0),
                    _ => cut(rx.messages().next(), polls).await.map(|message| number(message.unwrap().unwrap())),
                };
                match received {
                    Some(number) => {
                        assert_eq!(number, expected, "{transport}");
                        expected += 1;
                    }
                    // let some messages come, or nothing ever has to wait
                    None => tokio::task::yield_now().await,
                }
            }
            assert!(rx.try_recv_message().unwrap_err().is_timeout());
        });
        sender.join().unwrap();
    }
}

#[test]
fn dropped_sends_have_sent_all_or_nothing() {
    let patterns = [
        (zmq::PULL, zmq::PUSH),
        (zmq::PAIR, zmq::PAIR),
        (zmq::DEALER, zmq::DEALER),
        // the sender of the last one has to be told of its peer
        (zmq::DEALER, zmq::ROUTER),
    ];
    for (transport, (receives, sends)) in TRANSPORTS.into_iter().flat_map(|t| patterns.map(|pattern| (t, pattern))) {
        let mut random = Random::seeded(7);
        let place = Place::new(transport);
        let runtime = if random.below(2) == 0 { one_thread() } else { many_threads() };
        let (rx, tx) = runtime.block_on(async { narrow(&place, receives, sends) });
        let rx = Arc::into_inner(rx).unwrap().into_inner().unwrap();
        let to_peer = sends == zmq::ROUTER;
        if to_peer {
            SocketExt::send_obj(&rx, &0).unwrap();
            runtime.block_on(tx.recv_obj_from::<u8>()).unwrap();
        }
        let receiver = thread::spawn(move || {
            let received = std::iter::from_fn(|| Some(number(SocketExt::recv_message(&rx).unwrap())));
            received.take_while(|&number| number != u64::MAX).collect::<Vec<_>>()
        });
        let sent = runtime.block_on(async {
            let (mut sent, mut cuts) = (Vec::new(), 0);
            for index in 0..600 {
                let polls = random.below(4);
                let done = match (to_peer, random.below(2)) {
                    (true, 0) => cut(tx.send_message_to("peer", numbered(index)), polls).await,
                    (true, _) => {
                        let value = (index, Buffer::from_vec(vec![index as u8; 20_000]), Buffer::new());
                        cut(tx.send_obj_to("peer", &value), polls).await
                    }
                    (false, 0) => cut(tx.send_message(numbered(index)), polls).await,
                    (false, _) => {
                        let value = (index, Buffer::from_vec(vec![index as u8; 20_000]), Buffer::new());
                        cut(tx.send_obj(&value), polls).await
                    }
                };
                match done {
                    Some(done) => {
                        done.unwrap();
                        sent.push(index);
                    }
                    None => cuts += 1,
                }
            }
            let end = numbered_end();
            if to_peer {
                tx.send_message_to("peer", end).await.unwrap()
            } else {
                tx.send_message(end).await.unwrap()
            }
            assert!(cuts > 0, "{transport}, {sends:?}: nothing was dropped");
            sent
        });
        assert_eq!(receiver.join().unwrap(), sent, "{transport}, {sends:?}");
    }
}

/// What ends a stream of numbered messages.
fn numbered_end() -> Multipart {
    MsgPack::new().encode(&(u64::MAX, Buffer::from_vec(vec![255_u8; 20_000]), Buffer::new())).unwrap()
}

#[test]
fn a_message_that_came_for_a_dropped_receive_goes_to_the_next() {
    for transport in TRANSPORTS {
        let place = Place::new(transport);
        one_thread().block_on(async {
            let (rx, tx) = connected(&place, zmq::PULL, zmq::PUSH);
            for polls in 1..5 {
                let mut first = Box::pin(rx.recv_message());
                for _ in 0..polls {
                    assert!(poll_once(first.as_mut()).is_pending());
                }
                tx.send_message(numbered(polls)).await.unwrap();
                // it is there, and `first` has been woken
                let readable = rx.with_socket(|socket| socket.poll(zmq::POLLIN, i64::from(LONG)));
                assert_eq!(readable.unwrap(), 1);
                drop(first);
                assert_eq!(number(rx.recv_message().await.unwrap()), polls);
            }
        });
    }
}

#[test]
fn a_send_that_is_dropped_while_it_waits_has_sent_nothing() {
    one_thread().block_on(async {
        let place = Place::new("inproc");
        let (rx, tx) = narrow(&place, zmq::PULL, zmq::PUSH);
        let mut sent = 0;
        while tx.try_send_message(numbered(sent)).is_ok() {
            sent += 1;
        }
        for polls in 1..5 {
            let mut waits = Box::pin(tx.send_message(numbered(1000)));
            for _ in 0..polls {
                assert!(poll_once(waits.as_mut()).is_pending());
            }
            // there is room, and it has not been polled since
            assert_eq!(number(rx.recv_message().await.unwrap()), polls - 1);
            drop(waits);
            tx.send_message(numbered(sent + polls - 1)).await.unwrap();
        }
        for index in 4..sent + 4 {
            assert_eq!(number(rx.recv_message().await.unwrap()), index);
        }
        assert!(rx.try_recv_message().unwrap_err().is_timeout());
    });
}

#[test]
fn a_sender_and_a_receiver_share_a_socket() {
    const COUNT: u64 = 5_000;
    on_both(|| async {
        for (transport, kind) in TRANSPORTS.into_iter().flat_map(|t| [(t, zmq::DEALER), (t, zmq::PAIR)]) {
            let place = Place::new(transport);
            let (left, right) = narrow(&place, kind, kind);
            let mut tasks = Vec::new();
            // which live until all has arrived: they do not linger
            for socket in [left.clone(), right.clone()] {
                let sender = socket.clone();
                tasks.push(tokio::spawn(async move {
                    for index in 0..COUNT {
                        sender.send_obj(&index).await.unwrap();
                    }
                }));
                tasks.push(tokio::spawn(async move {
                    for index in 0..COUNT {
                        assert_eq!(socket.recv_obj::<u64>().await.unwrap(), index);
                    }
                }));
            }
            for task in tasks {
                task.await.unwrap();
            }
        }
    });
}

#[test]
fn a_receiver_is_woken_when_a_send_of_another_task_takes_in_the_news() {
    on_both(|| async {
        let place = Place::new("tcp");
        let (echo, socket) = connected(&place, zmq::PAIR, zmq::PAIR);
        let echoing = tokio::spawn(async move {
            while let Ok(message) = echo.recv_message().await {
                let is_last = message.metadata() == "last";
                echo.send_message(message).await.unwrap();
                if is_last {
                    return;
                }
            }
        });
        let receiver = socket.clone();
        let receiving = tokio::spawn(async move {
            let mut count = 0;
            while receiver.recv_message().await.unwrap().metadata() != "last" {
                count += 1;
            }
            count
        });
        // sends without a break: most of the news comes in through them
        for _ in 0..20_000 {
            socket.send_message(Multipart::new("m", vec![])).await.unwrap();
        }
        socket.send_message(Multipart::new("last", vec![])).await.unwrap();
        assert_eq!(receiving.await.unwrap(), 20_000);
        echoing.await.unwrap();
    });
}

#[test]
fn many_tasks_share_one_socket_each_way() {
    const TASKS: u64 = 8;
    const COUNT: u64 = 500;
    on_both(|| async {
        for transport in TRANSPORTS {
            let place = Place::new(transport);
            let (rx, tx) = narrow(&place, zmq::PULL, zmq::PUSH);
            let senders = (0..TASKS).map(|task| {
                let tx = tx.clone();
                tokio::spawn(async move {
                    for index in 0..COUNT {
                        tx.send_obj(&(task, index)).await.unwrap();
                    }
                })
            });
            let senders: Vec<_> = senders.collect();
            let receivers = (0..TASKS).map(|_| {
                let rx = rx.clone();
                tokio::spawn(async move {
                    let mut received = Vec::new();
                    for _ in 0..COUNT {
                        received.push(rx.recv_obj::<(u64, u64)>().await.unwrap());
                    }
                    // what one task sent comes in its order
                    for task in 0..TASKS {
                        let of_task: Vec<_> = received.iter().filter(|from| from.0 == task).collect();
                        assert!(of_task.is_sorted());
                    }
                    received
                })
            });
            let mut received = Vec::new();
            for receiver in receivers.collect::<Vec<_>>() {
                received.extend(receiver.await.unwrap());
            }
            for sender in senders {
                sender.await.unwrap();
            }
            received.sort_unstable();
            let all = (0..TASKS).flat_map(|task| (0..COUNT).map(move |index| (task, index)));
            assert_eq!(received, all.collect::<Vec<_>>());
        }
    });
}

#[test]
fn tasks_that_wait_for_different_peers_of_a_router_do_not_wait_for_each_other() {
    on_both(|| async {
        for transport in TRANSPORTS {
            let place = Place::new(transport);
            let router = place.socket(zmq::ROUTER);
            router.set_sndhwm(1).unwrap();
            let endpoint = place.bind(&router);
            let router = Arc::new(AsyncSocket::new(router).unwrap());
            let (mut peers, mut senders) = (Vec::new(), Vec::new());
            for name in 0..6_u8 {
                let peer = place.socket(zmq::DEALER);
                peer.set_identity(&[b'p', name]).unwrap();
                peer.set_rcvhwm(1).unwrap();
                peer.connect(&endpoint).unwrap();
                let peer = AsyncSocket::new(peer).unwrap();
                peer.send_obj(&name).await.unwrap();
                assert_eq!(router.recv_obj_from::<u8>().await.unwrap().1, name);
                peers.push(peer);
                let router = router.clone();
                senders.push(tokio::spawn(async move {
                    let large = Buffer::from_vec(vec![name; 1 << 20]);
                    for index in 0..30_u32 {
                        router.send_obj_to([b'p', name], &(index, large.clone())).await.unwrap();
                    }
                }));
            }
            // whoever came last is served first, to the end, while the others are full
            for peer in peers.into_iter().rev() {
                for index in 0..30 {
                    assert_eq!(peer.recv_obj::<(u32, Buffer)>().await.unwrap().0, index);
                }
                senders.pop().unwrap().await.unwrap();
            }
        }
    });
}

#[test]
fn at_the_high_water_mark_a_sender_waits_and_other_tasks_run() {
    one_thread().block_on(async {
        let place = Place::new("inproc");
        let (rx, tx) = (place.socket(zmq::PULL), place.socket(zmq::PUSH));
        rx.set_rcvhwm(3).unwrap();
        tx.set_sndhwm(2).unwrap();
        tx.connect(&place.bind(&rx)).unwrap();
        let (rx, tx) = (AsyncSocket::new(rx).unwrap(), AsyncSocket::new(tx).unwrap());
        let sent = Arc::new(AtomicUsize::new(0));
        let sending = tokio::spawn({
            let sent = sent.clone();
            async move {
                for index in 0..100_u64 {
                    tx.send_obj(&index).await.unwrap();
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        for index in 0..100 {
            // the sender has had its turns, and this task has them all the same
            for _ in 0..10 {
                tokio::task::yield_now().await;
                let ahead = sent.load(Ordering::Relaxed) - index as usize;
                assert!(ahead <= 5, "{ahead} messages are on their way, where 2 + 3 are allowed");
            }
            assert_eq!(rx.recv_obj::<u64>().await.unwrap(), index);
        }
        sending.await.unwrap();
    });
}

#[test]
fn a_task_that_never_has_to_wait_lets_the_others_run() {
    one_thread().block_on(async {
        let place = Place::new("inproc");
        let (rx, tx) = connected(&place, zmq::PULL, zmq::PUSH);
        let turns = Arc::new(AtomicUsize::new(0));
        let other = tokio::spawn({
            let turns = turns.clone();
            async move {
                loop {
                    turns.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
            }
        });
        // how many operations this task has done since the last turn of the other one
        let (mut since, mut turn) = (0, 0);
        let mut count = || {
            let now = turns.load(Ordering::Relaxed);
            (turn, since) = (now, if now == turn { since + 1 } else { 1 });
            since
        };
        // a unit of the runtime's 128 for four operations on short messages, or for one on any other
        for (bytes, limit) in [(1, 4 * 128), (10_000, 128)] {
            let object = Buffer::from_vec(vec![1_u8; bytes]);
            (0..1000).for_each(|_| tx.try_send_obj(&object).unwrap());
            tokio::task::yield_now().await;
            for _ in 0..1000 {
                rx.recv_obj::<Buffer>().await.unwrap();
                assert!(count() <= limit, "receiving {bytes} bytes starved the other task");
            }
            for _ in 0..1000 {
                tx.send_obj(&object).await.unwrap();
                assert!(count() <= limit, "sending {bytes} bytes starved the other task");
            }
            while rx.try_recv_message().is_ok() {}
            tokio::task::yield_now().await;
            let mut sink = tx.object_sink();
            for _ in 0..1000 {
                sink.feed(object.clone()).await.unwrap();
                assert!(count() <= limit, "{bytes} bytes into a sink starved the other task");
            }
            drop(sink);
            while rx.try_recv_message().is_ok() {}
            tokio::task::yield_now().await;
        }
        other.abort();
    });
}

#[test]
fn sending_copies_nothing() {
    one_thread().block_on(async {
        let place = Place::new("inproc");
        let (rx, tx) = connected(&place, zmq::PULL, zmq::PUSH);
        let buffer = Buffer::from_vec(vec![1_u8; 100_000]);
        let copied = memory::copied_bytes();
        tx.send_obj(&buffer).await.unwrap();
        tx.send_message(Multipart::new("m", vec![buffer.clone()])).await.unwrap();
        tx.object_sink().send(buffer.clone()).await.unwrap();
        for _ in 0..3 {
            // over inproc a frame is the sender's memory itself
            assert_eq!(rx.recv_message().await.unwrap().buffers()[0].as_ptr(), buffer.as_ptr());
        }
        assert_eq!(memory::copied_bytes() - copied, 0);
    });
}

/// Raises the number of descriptors that this process may have to what it may raise it to.
#[allow(unsafe_code, reason = "limits of a process are C's")]
fn allow_many_descriptors() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` lives across the call.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) }, 0);
    limit.rlim_cur = limit.rlim_max.min(20_000);
    // SAFETY: `limit` lives across the call.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
    limit.rlim_cur
}

#[test]
fn a_thousand_sockets_work_at_once_in_one_runtime() {
    let descriptors = allow_many_descriptors();
    assert!(descriptors >= 4_096, "only {descriptors} descriptors are allowed here");
    for runtime in [one_thread(), many_threads()] {
        runtime.block_on(async {
            // a context has room for 1023 sockets, so it takes two
            let places = [Place::new("ipc"), Place::new("inproc")];
            let mut tasks = Vec::new();
            // none begins before all are there, and none goes before all are done
            let all = Arc::new(Barrier::new(1000));
            for pair in 0..500_u64 {
                let (server, client) = connected(&places[pair as usize % 2], zmq::REP, zmq::REQ);
                let (server_of, client_of) = (all.clone(), all.clone());
                tasks.push(tokio::spawn(async move {
                    server_of.wait().await;
                    for _ in 0..20 {
                        let request: u64 = server.recv_obj().await.unwrap();
                        server.send_obj(&(request + 1)).await.unwrap();
                    }
                    server_of.wait().await;
                }));
                tasks.push(tokio::spawn(async move {
                    client_of.wait().await;
                    for round in 0..20 {
                        client.send_obj(&(pair + round)).await.unwrap();
                        assert_eq!(client.recv_obj::<u64>().await.unwrap(), pair + round + 1);
                    }
                    client_of.wait().await;
                }));
            }
            assert_eq!(tasks.len(), 1000);
            for task in tasks {
                task.await.unwrap();
            }
        });
    }
}

/// A million of them are in `benches/async_socket`.
#[test]
fn thousands_of_ping_pongs_end() {
    const TRIPS: u64 = 8000;
    on_both(|| async {
        for transport in TRANSPORTS {
            let place = Place::new(transport);
            let (left, right) = connected(&place, zmq::PAIR, zmq::PAIR);
            let pong = tokio::spawn(async move {
                for _ in 0..TRIPS {
                    let ball: u64 = right.recv_obj().await.unwrap();
                    right.send_obj(&(ball + 1)).await.unwrap();
                }
                right
            });
            let (mut ball, mut longest, mut last) = (0_u64, Duration::ZERO, Instant::now());
            for _ in 0..TRIPS {
                left.send_obj(&ball).await.unwrap();
                ball = left.recv_obj().await.unwrap();
                longest = longest.max(last.elapsed());
                last = Instant::now();
            }
            assert_eq!(ball, TRIPS);
            println!("{transport}: the longest of {TRIPS} ping-pongs took {longest:?}");
            pong.await.unwrap();
        }
    });
}

#[test]
fn a_socket_that_keeps_only_the_last_frame_is_refused_whenever_it_was_told_to() {
    on_both(|| async {
        for (sets_it_before, kind) in
            [true, false].into_iter().flat_map(|before| [(before, zmq::DEALER), (before, zmq::PULL)])
        {
            let place = Place::new("inproc");
            let socket = place.socket(kind);
            if sets_it_before {
                socket.set_conflate(true).unwrap();
            }
            let socket = AsyncSocket::new(socket).unwrap();
            if !sets_it_before {
                socket.with_socket(|socket| socket.set_conflate(true)).unwrap();
            }
            assert_eq!(socket.recv_message().await.unwrap_err().kind(), ErrorKind::Caller);
            assert_eq!(socket.try_recv_obj::<u8>().unwrap_err().kind(), ErrorKind::Caller);
            if kind == zmq::DEALER {
                assert_eq!(socket.send_obj(&1).await.unwrap_err().kind(), ErrorKind::Caller);
                assert_eq!(socket.try_send_message(numbered(1)).unwrap_err().kind(), ErrorKind::Caller);
            }
        }
    });
}

/// A request that is refused wants an answer as well, and the stream of requests goes on with it.
#[test]
fn the_requests_of_a_rep_go_on_after_one_that_is_refused() {
    let place = Place::new("inproc");
    let (rep, req) = place.connected(zmq::REP, zmq::REQ);
    one_thread().block_on(async {
        let rep = AsyncSocket::new(rep).unwrap();
        let mut requests = rep.objects::<u64>();
        for number in 0..3 {
            req.send_obj("no number").unwrap();
            assert!(requests.next().await.unwrap().unwrap_err().is_peer());
            // who polls on owes the answer still
            for _ in 0..2 {
                assert_eq!(requests.next().await.unwrap().unwrap_err().kind(), ErrorKind::Caller);
            }
            rep.send_obj("what?").await.unwrap();
            assert_eq!(req.recv_obj::<String>().unwrap(), "what?");
            req.send_obj(&number).unwrap();
            assert_eq!(requests.next().await.unwrap().unwrap(), number);
            rep.send_obj(&number).await.unwrap();
            assert_eq!(req.recv_obj::<u64>().unwrap(), number);
        }
    });
}

/// Where nobody takes it off, a delimiter is metadata without a byte.
#[test]
fn a_delimiter_is_refused_where_nobody_takes_it_off() {
    let place = Place::new("inproc");
    let (rx, tx) = place.connected(zmq::PULL, zmq::PUSH);
    one_thread().block_on(async {
        let tx = AsyncSocket::new(tx).unwrap();
        assert_eq!(tx.send_obj_via(&Envelope::delimiter(), &1).await.unwrap_err().kind(), ErrorKind::Caller);
        assert_eq!(tx.try_send_obj_via(&Envelope::delimiter(), &1).unwrap_err().kind(), ErrorKind::Caller);
        let error = tx.send_message_via(&Envelope::delimiter(), numbered(1)).await.unwrap_err();
        assert_eq!(error.into_message().unwrap(), numbered(1));
        tx.send_obj(&2).await.unwrap();
        assert_eq!(rx.recv_obj::<u8>().unwrap(), 2);
    });
}

#[test]
fn outside_of_a_runtime_there_is_none_to_be_had() {
    let socket = zmq::Context::new().socket(zmq::PULL).unwrap();
    let error = AsyncSocket::new(socket).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Caller);
    assert_eq!(error.to_string(), "this takes a tokio runtime, and there is none here");
}

#[test]
fn it_may_outlive_its_runtime_and_says_so() {
    let place = Place::new("inproc");
    let runtime = one_thread();
    let (rx, tx) = runtime.block_on(async { connected(&place, zmq::PULL, zmq::PUSH) });
    drop(runtime);
    // what takes no waiting works on
    tx.try_send_obj(&1).unwrap();
    let other = one_thread();
    assert_eq!(other.block_on(rx.recv_obj::<u8>()).unwrap(), 1);
    let error = other.block_on(rx.recv_obj::<u8>()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport, "{error}");
    // and in a runtime of its own it is as new
    let rx = Arc::into_inner(rx).unwrap().into_inner().unwrap();
    let rx = other.block_on(async { AsyncSocket::new(rx).unwrap() });
    let tx = Arc::into_inner(tx).unwrap().into_inner().unwrap();
    let sender = thread::spawn(move || SocketExt::send_obj(&tx, &2).map(|()| tx).unwrap());
    assert_eq!(other.block_on(rx.recv_obj::<u8>()).unwrap(), 2);
    drop((sender.join().unwrap(), other, rx));
}

#[test]
fn it_gives_its_socket_back_for_blocking_use() {
    let place = Place::new("tcp");
    let runtime = many_threads();
    let (rx, tx) = runtime.block_on(async {
        let (rx, tx) = connected(&place, zmq::PULL, zmq::PUSH);
        tx.send_obj(&1).await.unwrap();
        assert_eq!(rx.recv_obj::<u8>().await.unwrap(), 1);
        (Arc::into_inner(rx).unwrap().into_inner().unwrap(), Arc::into_inner(tx).unwrap().into_inner().unwrap())
    });
    SocketExt::send_obj(&tx, &2).unwrap();
    assert_eq!(SocketExt::recv_obj::<u8>(&rx).unwrap(), 2);
}

#[test]
fn a_stream_goes_on_after_an_error_and_ends_with_its_context() {
    on_both(|| async {
        let mut place = Place::new("inproc");
        let (rx, tx) = connected(&place, zmq::PULL, zmq::PUSH);
        tx.send_obj(&1).await.unwrap();
        tx.send_obj("not a number").await.unwrap();
        tx.send_obj(&3).await.unwrap();
        let mut objects = rx.objects::<u8>();
        assert_eq!(objects.next().await.unwrap().unwrap(), 1);
        assert_eq!(objects.next().await.unwrap().unwrap_err().kind(), ErrorKind::Peer);
        assert_eq!(objects.next().await.unwrap().unwrap(), 3);
        rx.with_socket(|socket| socket.set_rcvtimeo(20)).unwrap();
        assert!(objects.next().await.unwrap().unwrap_err().is_timeout());
        rx.with_socket(|socket| socket.set_rcvtimeo(LONG)).unwrap();
        // a stream that waits hears of the end
        let ending = thread::spawn({
            let mut context = place.context.clone();
            move || context.destroy()
        });
        assert!(objects.next().await.unwrap().unwrap_err().is_terminated());
        assert!(objects.next().await.is_none());
        drop(objects);
        drop((rx, tx));
        ending.join().unwrap().unwrap();
        place.context = zmq::Context::new();
    });
}

#[test]
fn a_sink_waits_for_room_and_keeps_the_order() {
    on_both(|| async {
        for transport in TRANSPORTS {
            let place = Place::new(transport);
            let (rx, tx) = narrow(&place, zmq::PULL, zmq::PUSH);
            let sending = tokio::spawn(async move {
                let mut sink = tx.message_sink();
                let mut messages = futures_util::stream::iter((0..500).map(|index| Ok(numbered(index))));
                sink.send_all(&mut messages).await.unwrap();
                drop(sink);
                tx
            });
            for index in 0..500 {
                assert_eq!(number(rx.messages().next().await.unwrap().unwrap()), index);
            }
            sending.await.unwrap();
        }
    });
}

#[test]
fn a_sink_that_fails_gives_the_message_back() {
    one_thread().block_on(async {
        let place = Place::new("inproc");
        let alone = AsyncSocket::new(place.socket(zmq::PUSH)).unwrap();
        alone.with_socket(|socket| socket.set_sndtimeo(20)).unwrap();
        let error = alone.message_sink().send(numbered(7)).await.unwrap_err();
        assert!(error.is_timeout());
        assert_eq!(number(error.into_message().unwrap()), 7);
        let rx = AsyncSocket::new(place.socket(zmq::PULL)).unwrap();
        let error = rx.message_sink().send(numbered(8)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Caller);
        assert_eq!(number(error.into_message().unwrap()), 8);
    });
}

#[test]
fn a_tracker_is_a_future() {
    on_both(|| async {
        for transport in TRANSPORTS {
            let place = Place::new(transport);
            let (rx, tx) = connected(&place, zmq::PULL, zmq::PUSH);
            let tracker = tx.send_message_tracked(numbered(1)).await.unwrap();
            drop(rx.recv_message().await.unwrap());
            tracker.await;
        }
    });
}
