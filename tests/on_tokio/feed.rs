//! Feeds where waiting in a task differs from waiting on a thread: dropped futures, tasks that publish, runtimes.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use crate::cut::cut;
use crate::random::Random;
use futures_util::StreamExt;
use outband::ErrorKind;
use outband::feed::{AsyncSubscriber, Event, Publisher, PublisherOptions, Start, Subscriber, SubscriberOptions};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

/// Nothing in a passing test takes this long.
const LONG: Duration = Duration::from_secs(60);

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn publisher(context: &zmq::Context, options: PublisherOptions) -> Publisher {
    Publisher::bind_with(context, "tcp://127.0.0.1:*", "tcp://127.0.0.1:*", options).unwrap()
}

/// A subscriber that begins with what is in the cache.
fn subscriber(context: &zmq::Context, publisher: &Publisher, options: SubscriberOptions) -> AsyncSubscriber {
    let (live, recovery) = (publisher.endpoint(), publisher.recovery_endpoint());
    let mut subscriber = AsyncSubscriber::connect_with(context, live, recovery, options.start(Start::All)).unwrap();
    subscriber.subscribe("a").unwrap();
    subscriber
}

/// Takes the next message's number, and checks that nothing but messages and the state of the connection is told.
fn number(event: Event<u64>) -> Option<u64> {
    match event {
        Event::Data { number, value, .. } => {
            assert_eq!(number, value);
            Some(number)
        }
        Event::Joined { from: 1, .. } | Event::Stale { .. } | Event::Resumed { .. } => None,
        event => panic!("{event:?}"),
    }
}

#[test]
fn a_stream_that_was_heard_while_its_task_was_busy_is_not_stale() {
    let context = zmq::Context::new();
    let publisher = publisher(&context, PublisherOptions::new().heartbeat(Duration::from_millis(400)));
    publisher.publish("a", &1_u64).unwrap();
    one_thread().block_on(async {
        let stale_after = Duration::from_secs(3);
        let mut subscriber = subscriber(&context, &publisher, SubscriberOptions::new().stale_after(stale_after));
        while number(timeout(LONG, subscriber.recv::<u64>()).await.unwrap().unwrap()).is_none() {}
        // some time passes for the subscriber after the last sign of life
        assert!(timeout(Duration::from_millis(200), subscriber.recv::<u64>()).await.is_err());
        // busy elsewhere, while heartbeats arrive
        let (since, before) = (Instant::now(), publisher.statistics().heartbeats);
        while since.elapsed() < 2 * stale_after || publisher.statistics().heartbeats < before + 4 {
            thread::park_timeout(Duration::from_millis(1));
        }
        publisher.publish("a", &2_u64).unwrap();
        let event = timeout(LONG, subscriber.recv::<u64>()).await.unwrap().unwrap();
        assert!(matches!(event, Event::Data { number: 2, .. }), "{event:?}");
    });
}

#[test]
fn dropped_receives_lose_no_event_live_or_recovered() {
    const MESSAGES: u64 = 5000;
    let mut random = Random::seeded(11);
    let context = zmq::Context::new();
    // narrow, so that much is missed and recovered
    let publisher = publisher(&context, PublisherOptions::new().high_water_mark(10).cache_messages(10_000));
    one_thread().block_on(async {
        let options = SubscriberOptions::new().high_water_mark(10);
        let mut subscriber = subscriber(&context, &publisher, options);
        publisher.announce("a").unwrap();
        let joined = timeout(LONG, subscriber.recv::<u64>()).await.unwrap().unwrap();
        assert!(matches!(joined, Event::Joined { from: 1, .. }), "{joined:?}");
        let (mut published, mut expected, mut cuts) = (0, 1, 0);
        while expected <= MESSAGES {
            for _ in 0..random.below(200) {
                if published < MESSAGES {
                    published += 1;
                    publisher.publish("a", &published).unwrap();
                }
            }
            for _ in 0..random.below(100) {
                let polls = random.below(3);
                let event = match random.below(2) {
                    0 => cut(subscriber.recv(), polls).await.map(Result::unwrap),
                    _ => cut(subscriber.events().next(), polls).await.map(|event| event.unwrap().unwrap()),
                };
                match event.map(number) {
                    Some(Some(number)) => {
                        assert_eq!(number, expected);
                        expected += 1;
                    }
                    Some(None) => {}
                    None => {
                        cuts += 1;
                        tokio::task::yield_now().await;
                    }
                }
            }
        }
        let statistics = subscriber.statistics("a").unwrap();
        assert_eq!((statistics.delivered, statistics.lost), (MESSAGES, 0));
        assert!(cuts > 0 && statistics.recovered > 0, "{cuts} cuts, {statistics:?}");
        assert!(subscriber.try_recv::<u64>().unwrap_err().is_timeout());
    });
}

#[test]
fn tasks_publish_without_waiting_and_every_stream_is_whole() {
    let runtime = Builder::new_multi_thread().worker_threads(3).enable_all().build().unwrap();
    let context = zmq::Context::new();
    let publisher = Arc::new(publisher(&context, PublisherOptions::new().cache_messages(1000)));
    runtime.block_on(async {
        let following: Vec<_> = (0..4)
            .map(|_| {
                let mut subscriber = subscriber(&context, &publisher, SubscriberOptions::new());
                tokio::spawn(async move {
                    let mut expected = 1;
                    let events = subscriber.events().filter_map(|event| async { number(event.unwrap()) });
                    let mut numbers = std::pin::pin!(events);
                    while expected <= 1000 {
                        assert_eq!(timeout(LONG, numbers.next()).await.unwrap(), Some(expected));
                        expected += 1;
                    }
                })
            })
            .collect();
        let publishing = tokio::spawn(async move {
            for value in 1..=1000_u64 {
                assert_eq!(publisher.publish("a", &value).unwrap(), value);
                tokio::task::yield_now().await;
            }
            publisher
        });
        let publisher = publishing.await.unwrap();
        for following in following {
            following.await.unwrap();
        }
        assert_eq!(publisher.statistics().published, 1000);
    });
}

#[test]
fn a_task_that_always_finds_an_event_lets_the_others_run() {
    let context = zmq::Context::new();
    let publisher = publisher(&context, PublisherOptions::new());
    for value in 1..=1000_u64 {
        publisher.publish("a", &value).unwrap();
    }
    one_thread().block_on(async {
        let mut subscriber = subscriber(&context, &publisher, SubscriberOptions::new());
        let greedy = async {
            let mut last = 0;
            while last < 1000 {
                last = number(timeout(LONG, subscriber.recv()).await.unwrap().unwrap()).unwrap_or(last);
            }
        };
        let other = async {
            let mut turns = 0;
            loop {
                turns += 1;
                tokio::task::yield_now().await;
                if turns == 5 {
                    break;
                }
            }
        };
        let mut greedy = std::pin::pin!(greedy);
        let mut other = std::pin::pin!(other);
        tokio::select! {
            biased;
            () = &mut greedy => panic!("the other task had no turn"),
            () = &mut other => {}
        }
        greedy.await;
    });
}

#[test]
fn it_goes_back_to_blocking_use_where_it_was() {
    let context = zmq::Context::new();
    let publisher = publisher(&context, PublisherOptions::new());
    for value in 1..=3_u64 {
        publisher.publish("a", &value).unwrap();
    }
    let subscriber = one_thread().block_on(async {
        let mut subscriber = subscriber(&context, &publisher, SubscriberOptions::new());
        while number(timeout(LONG, subscriber.recv()).await.unwrap().unwrap()).is_none() {}
        subscriber.into_inner()
    });
    let mut subscriber: Subscriber = subscriber;
    let next = subscriber.recv_within(LONG).unwrap();
    assert_eq!(number(next), Some(2));
    // and into another runtime
    one_thread().block_on(async {
        let mut subscriber = AsyncSubscriber::new(subscriber).unwrap();
        let next = timeout(LONG, subscriber.recv()).await.unwrap().unwrap();
        assert_eq!(number(next), Some(3));
    });
}

#[test]
fn outside_of_a_runtime_there_is_none_to_be_had() {
    let context = zmq::Context::new();
    let publisher = publisher(&context, PublisherOptions::new());
    let error = AsyncSubscriber::connect(&context, publisher.endpoint(), publisher.recovery_endpoint()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Caller);
}

/// Whether a task was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A topic frame of stream `a`, of a kind and with these numbers.
fn opening(kind: u8, numbers: &[u64]) -> Vec<u8> {
    [b"a\0F\x02", &[kind][..], &numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>()].concat()
}

#[test]
fn however_many_heartbeats_wait_nobody_sleeps_before_they_are_read() {
    const EPOCH: u64 = 77;
    let context = zmq::Context::new();
    let live = context.socket(zmq::XPUB).unwrap();
    live.set_sndhwm(0).unwrap();
    live.set_linger(0).unwrap();
    live.bind("inproc://live").unwrap();
    let heartbeat = opening(2, &[EPOCH, 1, 0, 1]);
    one_thread().block_on(async {
        let options = SubscriberOptions::new().stale_after(LONG).recovery_timeout(LONG);
        let mut subscriber =
            AsyncSubscriber::connect_with(&context, "inproc://live", "inproc://nobody", options).unwrap();
        subscriber.subscribe("a").unwrap();
        live.recv_bytes(0).unwrap();
        live.send(&heartbeat, 0).unwrap();
        assert!(matches!(subscriber.recv::<u64>().await.unwrap(), Event::Joined { from: 2, .. }));
        for _ in 0..35_000 {
            live.send(&heartbeat, 0).unwrap();
        }
        live.send(opening(1, &[EPOCH, 2, 0]), zmq::SNDMORE).unwrap();
        live.send([7_u8].as_slice(), 0).unwrap();
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        let mut event = pin!(subscriber.recv::<u64>());
        let mut polls = 0;
        let event = poll_fn(|_| {
            loop {
                polls += 1;
                match event.as_mut().poll(&mut Context::from_waker(&waker)) {
                    Poll::Ready(event) => return Poll::Ready(event),
                    Poll::Pending => assert!(woken.0.swap(false, Ordering::Relaxed), "it sleeps while messages wait"),
                }
            }
        });
        assert!(matches!(event.await.unwrap(), Event::Data { number: 2, value: 7, .. }));
        assert!(polls > 1, "other tasks had their turn");
    });
}
