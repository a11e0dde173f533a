//! One event per message when someone listens, and nothing at all when nobody does.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(unsafe_code, reason = "a counting allocator is an unsafe trait")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use common::{Place, TRANSPORTS};
use outband::{Buffer, MsgPack, SocketExt};
use serde::{Deserialize, Serialize};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is System's; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps alloc's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: `block` came from `alloc` above with this layout.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations(act: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    act();
    ALLOCATIONS.get() - before
}

/// Keeps the fields of every event of the crate as text.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<BTreeMap<&'static str, String>>>>);

impl<S: Subscriber> Layer<S> for Notes {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        struct Fields(BTreeMap<&'static str, String>);
        impl Visit for Fields {
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                self.0.insert(field.name(), format!("{value:?}"));
            }
        }
        assert_eq!((event.metadata().target(), *event.metadata().level()), ("outband", Level::DEBUG));
        let mut fields = Fields(BTreeMap::new());
        event.record(&mut fields);
        self.0.lock().unwrap().push(fields.0);
    }
}

/// One test at a time: tracing decides once for all threads whether anyone may listen to an event, and two subscribers
/// that come and go at the same moment confuse it.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Notes {
    fn take(&self) -> Vec<BTreeMap<&'static str, String>> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[test]
fn there_is_one_event_per_message_with_what_it_cost() {
    let _alone = alone();
    let notes = Notes::default();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(notes.clone()), || {
        let place = Place::new("inproc");
        let (rx, tx) = place.connected(zmq::PULL, zmq::PUSH);
        let value = ("x", Buffer::from_vec(vec![1_u8; 20_000]), Buffer::from_vec(vec![2_u8; 30_000]));
        tx.send_obj(&value).unwrap();
        let sent = notes.take();
        assert_eq!(rx.recv_obj::<(String, Buffer, Buffer)>().unwrap(), ("x".into(), value.1, value.2));
        let received = notes.take();
        for (events, message, socket) in [(sent, "sent", "PUSH"), (received, "received", "PULL")] {
            assert_eq!(events.len(), 1, "{events:?}");
            let event = &events[0];
            assert_eq!(event["message"], message);
            assert!(event["socket"].contains(socket), "{event:?}");
            assert_eq!(event["frames"], "3");
            assert!((50_001..50_100).contains(&event["bytes"].parse::<usize>().unwrap()), "{event:?}");
            assert_eq!(event["copied"], "0");
            assert!(event["elapsed"].ends_with('s'), "{event:?}");
        }

        tx.send_message_tracked(outband::to_multipart(&1).unwrap()).unwrap();
        assert_eq!(rx.recv_obj::<u8>().unwrap(), 1);
        let events = notes.take();
        assert_eq!(events.iter().map(|event| &event["message"][..]).collect::<Vec<_>>(), ["sent", "received"]);

        // nothing arrived, nothing was sent: no event
        rx.try_recv_obj::<u8>().unwrap_err();
        place.socket(zmq::PUSH).try_send_obj(&1).unwrap_err();
        assert!(notes.take().is_empty());
    });
}

#[derive(Serialize, Deserialize)]
struct Vector(#[serde(with = "outband::serde_buffer")] Vec<f64>);

#[test]
fn what_is_copied_is_told_at_both_ends() {
    let _alone = alone();
    let notes = Notes::default();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(notes.clone()), || {
        for transport in TRANSPORTS {
            let place = Place::new(transport);
            let (rx, tx) = place.connected(zmq::PULL, zmq::PUSH);
            let (short, long) = (Buffer::from_vec(vec![1_u8; 100]), Buffer::from_vec(vec![2_u8; 20_000]));
            let out = MsgPack::new().out_of_band_from(0);
            // in band: into the metadata, and out of it
            tx.send_obj(&short).unwrap();
            rx.recv_obj::<Buffer>().unwrap();
            // out of band and short: out of libzmq's memory
            tx.send_with(&out, &(&short, &long)).unwrap();
            rx.recv_with::<(Buffer, Buffer), _>(&out).unwrap();
            // a vector: into a frame, and out of it
            tx.send_obj(&Vector(vec![0.5; 2500])).unwrap();
            rx.recv_obj::<Vector>().unwrap();
            tx.send_obj_tracked(&short).unwrap();
            rx.recv_obj::<Buffer>().unwrap();
            // metadata is not counted
            tx.send("\u{1}", 0).unwrap();
            rx.recv_message().unwrap();
            let events = notes.take();
            let told: Vec<_> = events.iter().map(|event| (&event["message"][..], &event["copied"][..])).collect();
            let expected = [
                ("sent", "100"),
                ("received", "100"),
                ("sent", "0"),
                ("received", "100"),
                ("sent", "20000"),
                ("received", "20000"),
                ("sent", "100"),
                ("received", "100"),
                ("received", "0"),
            ];
            assert_eq!(told, expected, "{transport}");
        }
    });
}

#[test]
fn every_way_to_send_and_receive_is_noted_once() {
    let _alone = alone();
    let notes = Notes::default();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(notes.clone()), || {
        let place = Place::new("inproc");
        let (router, dealer) = place.connected(zmq::ROUTER, zmq::DEALER);
        dealer.send_obj(&1).unwrap();
        let (peer, _) = router.recv_obj_from::<u8>().unwrap();
        router.send_obj_to(&peer, &2).unwrap();
        dealer.recv_obj::<u8>().unwrap();
        dealer.send_message(outband::to_multipart(&3).unwrap()).unwrap();
        let (envelope, message) = router.recv_message_via().unwrap();
        router.send_message_via(&envelope, message).unwrap();
        dealer.recv_message().unwrap();
        let events = notes.take();
        let kinds: Vec<_> = events.iter().map(|event| &event["message"][..]).collect();
        assert_eq!(kinds, ["sent", "received"].repeat(4));
        // the frames before the metadata count as well, at both ends
        let frames: Vec<_> = events.iter().map(|event| &event["frames"][..]).collect();
        assert_eq!(frames, ["1", "2", "2", "1", "1", "2", "2", "1"]);
        assert!(events.iter().all(|event| event.get("restarts").is_none_or(|restarts| restarts == "0")), "{events:?}");

        let (publisher, subscriber) = place.connected(zmq::XPUB, zmq::SUB);
        subscriber.set_subscribe(b"").unwrap();
        publisher.recv_message().unwrap();
        notes.take();
        publisher.publish_obj("topic", &1).unwrap();
        subscriber.recv_topic_obj::<u8>().unwrap();
        publisher.publish_message("topic", outband::to_multipart(&2).unwrap()).unwrap();
        subscriber.recv_topic_message().unwrap();
        let events = notes.take();
        for event in &events {
            assert_eq!((&event["frames"][..], &event["bytes"][..]), ("2", "6"), "the topic counts as well");
        }
        let sockets: Vec<_> = events.iter().map(|event| &event["socket"][..]).collect();
        assert_eq!(sockets, ["Some(XPUB)", "Some(SUB)"].repeat(2));
    });
}

#[cfg(feature = "tokio")]
#[test]
fn the_messages_of_an_async_socket_are_noted_as_well() {
    use futures_util::{SinkExt, StreamExt};
    use outband::AsyncSocket;

    let _alone = alone();
    let notes = Notes::default();
    // one thread, so that the subscriber is that of the tasks
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(notes.clone()), || {
        runtime.block_on(async {
            let place = Place::new("inproc");
            let (rx, tx) = place.connected(zmq::PULL, zmq::PUSH);
            let (rx, tx) = (AsyncSocket::new(rx).unwrap(), AsyncSocket::new(tx).unwrap());
            let object = (1, Buffer::from_vec(vec![1_u8; 100]), Buffer::from_vec(vec![2_u8; 20_000]));
            tx.send_obj(&object).await.unwrap();
            rx.recv_obj::<(u8, Buffer, Buffer)>().await.unwrap();
            tx.try_send_obj(&object).unwrap();
            rx.try_recv_obj::<(u8, Buffer, Buffer)>().unwrap();
            tx.object_sink().send(object.clone()).await.unwrap();
            rx.objects::<(u8, Buffer, Buffer)>().next().await.unwrap().unwrap();
            tx.send_message(outband::to_multipart(&object).unwrap()).await.unwrap();
            rx.recv_message().await.unwrap();
            rx.try_recv_message().unwrap_err();
            let events = notes.take();
            let kinds: Vec<_> = events.iter().map(|event| &event["message"][..]).collect();
            assert_eq!(kinds, ["sent", "received"].repeat(4));
            for event in &events {
                let bytes: usize = event["bytes"].parse().unwrap();
                assert_eq!((&event["frames"][..], bytes / 100), ("2", 201), "{event:?}");
                assert!(event["elapsed"].ends_with('s'), "{event:?}");
            }
            // the short buffer goes into the metadata, and out of it where it is decoded
            let copied: Vec<_> = events.iter().map(|event| &event["copied"][..]).collect();
            assert_eq!(copied, ["100", "100", "100", "100", "100", "100", "0", "0"]);
        });
    });
}

#[cfg(feature = "tokio")]
#[test]
fn what_other_tasks_copy_meanwhile_is_not_told_as_this_ones() {
    use futures_util::SinkExt;
    use outband::AsyncSocket;
    use std::future::{Future, poll_fn};
    use std::pin::{Pin, pin};
    use std::task::Poll;

    async fn waits(mut future: impl Future + Unpin) -> bool {
        poll_fn(|context| Poll::Ready(Pin::new(&mut future).poll(context).is_pending())).await
    }

    let _alone = alone();
    let notes = Notes::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(notes.clone()), || {
        runtime.block_on(async {
            let others = || drop(Buffer::copy_from_slice(&[0; 7777]));
            let short = Buffer::from_vec(vec![1_u8; 100]);
            let copied = |kind: &str| {
                let events = notes.take();
                let of_kind = events.iter().filter(|event| event["message"] == kind);
                of_kind.map(|event| event["copied"].clone()).collect::<Vec<_>>()
            };

            // receives that wait
            let place = Place::new("inproc");
            let (rx, tx) = place.connected(zmq::PULL, zmq::PUSH);
            let (rx, tx) = (AsyncSocket::new(rx).unwrap(), AsyncSocket::new(tx).unwrap());
            {
                let mut waiting = pin!(rx.recv_obj::<Buffer>());
                assert!(waits(waiting.as_mut()).await);
                others();
                tx.send_obj(&short).await.unwrap();
                assert_eq!(waiting.await.unwrap(), short);
            }
            assert_eq!(copied("received"), ["100"]);
            {
                let mut waiting = pin!(rx.recv_message());
                assert!(waits(waiting.as_mut()).await);
                others();
                tx.send_obj(&short).await.unwrap();
                waiting.await.unwrap();
            }
            assert_eq!(copied("received"), ["0"]);

            // what is copied by encoding counts, waiting or not
            let tracker = tx.send_obj_tracked(&short).await.unwrap();
            assert_eq!(copied("sent"), ["100"]);
            assert_eq!(rx.recv_obj::<Buffer>().await.unwrap(), short);
            drop(tracker);
            assert_eq!(copied("received"), ["100"]);

            // sends that wait: there is nobody yet
            let place = Place::new("inproc");
            let (rx, tx) = (place.socket(zmq::PULL), place.socket(zmq::PUSH));
            let endpoint = place.bind(&rx);
            let tx = AsyncSocket::new(tx).unwrap();
            let mut sink = tx.object_sink();
            sink.feed(short.clone()).await.unwrap();
            let mut waiting = [pin!(tx.send_obj(&short)), pin!(tx.send_obj(&short))];
            let mut tracked = pin!(tx.send_obj_tracked(&short));
            for waiting in &mut waiting {
                assert!(waits(waiting.as_mut()).await);
            }
            assert!(waits(tracked.as_mut()).await);
            others();
            assert!(notes.take().is_empty());
            tx.with_socket(|socket| socket.connect(&endpoint)).unwrap();
            for waiting in &mut waiting {
                waiting.await.unwrap();
            }
            tracked.await.unwrap();
            sink.flush().await.unwrap();
            assert_eq!(copied("sent"), ["100"; 4]);
        });
    });
}

#[test]
fn who_listens_to_debug_hears_of_messages_and_who_listens_to_info_does_not() {
    let _alone = alone();
    for (level, events) in [(LevelFilter::INFO, 0), (LevelFilter::DEBUG, 2), (LevelFilter::TRACE, 2)] {
        let notes = Notes::default();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(level).with(notes.clone()), || {
            let place = Place::new("inproc");
            let (rx, tx) = place.connected(zmq::PULL, zmq::PUSH);
            tx.send_obj(&1).unwrap();
            assert_eq!(rx.recv_obj::<u8>().unwrap(), 1);
        });
        assert_eq!(notes.take().len(), events, "{level}");
    }
}

#[test]
fn nothing_is_allocated_for_tracing_when_nobody_listens() {
    let _alone = alone();
    let place = Place::new("inproc");
    let (rx, tx) = place.connected(zmq::PULL, zmq::PUSH);
    let exchange = |count: usize| {
        allocations(|| {
            for _ in 0..count {
                tx.send_obj(&(1_u32, 2.5_f64, true)).unwrap();
                let _: (u32, f64, bool) = rx.recv_obj().unwrap();
            }
        })
    };
    exchange(100); // what is set up once
    let silent = exchange(1000);
    let noted =
        tracing::subscriber::with_default(tracing_subscriber::registry().with(Notes::default()), || exchange(1000));
    let again = exchange(1000);
    println!("per message: {silent} / 1000 silent, {noted} / 1000 noted");
    assert_eq!(silent, again, "the same work allocates the same");
    assert!(noted >= silent + 2000, "listening costs, silence does not: {silent} and {noted}");
    // the metadata's memory
    assert!(silent <= 1000, "{silent} allocations in 1000 small messages");
}
