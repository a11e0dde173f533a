//! Feeds: what a subscriber is told is the same in every shell.

use std::thread;
use std::time::Duration;

use outband::Result;
use outband::feed::{Event, Lost, Publisher, PublisherOptions, Start, StreamStatistics, Subscriber, SubscriberOptions};
use serde::de::DeserializeOwned;

use super::common::{Place, TRANSPORTS};

/// Nothing in a passing test takes this long.
const LONG: Duration = Duration::from_secs(60);

/// What is run with every shell.
trait Test {
    fn run<S: Shell>(&self, place: &Place);
}

/// A subscriber, and somebody who waits for it.
trait Shell: Sized {
    fn wrap(subscriber: Subscriber) -> Self;
    fn subscribe(&mut self, name: &str) -> Result<()>;
    fn recv<T: DeserializeOwned>(&mut self) -> Result<Event<T>>;
    fn statistics(&self, stream: &str) -> StreamStatistics;
    fn resume_point(&self, stream: &str) -> Option<Start>;

    fn connect(place: &Place, publisher: &Publisher, options: SubscriberOptions) -> Self {
        let (live, recovery) = (publisher.endpoint(), publisher.recovery_endpoint());
        // nobody is given up who has no processor for a while
        let options = options.recovery_attempts(100);
        let mut shell = Self::wrap(Subscriber::connect_with(&place.context, live, recovery, options).unwrap());
        shell.subscribe("a").unwrap();
        shell
    }

    /// The next event that is not about the state of the connection.
    fn next<T: DeserializeOwned>(&mut self) -> Event<T> {
        loop {
            match self.recv().unwrap() {
                Event::Stale { .. } | Event::Resumed { .. } => {}
                event => return event,
            }
        }
    }

    fn told(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| short(self.next())).collect()
    }
}

impl Shell for Subscriber {
    fn wrap(subscriber: Subscriber) -> Self {
        subscriber
    }
    fn subscribe(&mut self, name: &str) -> Result<()> {
        Subscriber::subscribe(self, name)
    }
    fn recv<T: DeserializeOwned>(&mut self) -> Result<Event<T>> {
        self.recv_within(LONG)
    }
    fn statistics(&self, stream: &str) -> StreamStatistics {
        Subscriber::statistics(self, stream).unwrap()
    }
    fn resume_point(&self, stream: &str) -> Option<Start> {
        Subscriber::resume_point(self, stream)
    }
}

#[cfg(feature = "tokio")]
mod on_tokio {
    use futures_util::StreamExt;
    use outband::feed::AsyncSubscriber;
    use tokio::runtime::{Builder, Runtime};
    use tokio::time::timeout;

    use super::*;

    /// Futures, in a runtime of the calling thread's.
    pub(super) struct OneThread(AsyncSubscriber, Runtime);

    /// The stream of events, in a runtime of several threads.
    pub(super) struct ManyThreads(AsyncSubscriber, Runtime);

    fn within(runtime: Runtime, subscriber: Subscriber) -> (AsyncSubscriber, Runtime) {
        let subscriber = runtime.block_on(async { AsyncSubscriber::new(subscriber).unwrap() });
        (subscriber, runtime)
    }

    impl Shell for OneThread {
        fn wrap(subscriber: Subscriber) -> Self {
            let (subscriber, runtime) = within(Builder::new_current_thread().enable_all().build().unwrap(), subscriber);
            Self(subscriber, runtime)
        }
        fn subscribe(&mut self, name: &str) -> Result<()> {
            self.0.subscribe(name)
        }
        fn recv<T: DeserializeOwned>(&mut self) -> Result<Event<T>> {
            self.1.block_on(async { timeout(LONG, self.0.recv()).await.expect("an event") })
        }
        fn statistics(&self, stream: &str) -> StreamStatistics {
            self.0.statistics(stream).unwrap()
        }
        fn resume_point(&self, stream: &str) -> Option<Start> {
            self.0.resume_point(stream)
        }
    }

    impl Shell for ManyThreads {
        fn wrap(subscriber: Subscriber) -> Self {
            let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            let (subscriber, runtime) = within(runtime, subscriber);
            Self(subscriber, runtime)
        }
        fn subscribe(&mut self, name: &str) -> Result<()> {
            self.0.subscribe(name)
        }
        fn recv<T: DeserializeOwned>(&mut self) -> Result<Event<T>> {
            let mut events = self.0.events();
            self.1.block_on(async { timeout(LONG, events.next()).await.expect("an event").expect("no end") })
        }
        fn statistics(&self, stream: &str) -> StreamStatistics {
            self.0.statistics(stream).unwrap()
        }
        fn resume_point(&self, stream: &str) -> Option<Start> {
            self.0.resume_point(stream)
        }
    }
}

/// Runs a test with every shell over these transports.
fn over<T: Test>(transports: &[&'static str], test: T) {
    for transport in transports {
        test.run::<Subscriber>(&Place::new(transport));
        #[cfg(feature = "tokio")]
        {
            test.run::<on_tokio::OneThread>(&Place::new(transport));
            test.run::<on_tokio::ManyThreads>(&Place::new(transport));
        }
    }
}

/// As [`over`], all at the same time: for what takes long because it waits.
fn side_by_side<T: Test + Sync>(transports: &[&'static str], test: T) {
    thread::scope(|scope| {
        for transport in transports {
            scope.spawn(|| test.run::<Subscriber>(&Place::new(transport)));
            #[cfg(feature = "tokio")]
            {
                scope.spawn(|| test.run::<on_tokio::OneThread>(&Place::new(transport)));
                scope.spawn(|| test.run::<on_tokio::ManyThreads>(&Place::new(transport)));
            }
        }
    });
}

/// Those over which libzmq connects again: over inproc it does not.
const RECONNECTING: &[&str] = &["ipc", "tcp"];

fn publisher(place: &Place, options: PublisherOptions) -> Publisher {
    Publisher::bind_with(&place.context, &place.address(), &place.address(), options).unwrap()
}

/// Another publisher in the place of one that was dropped.
fn successor(place: &Place, live: &str, recovery: &str) -> Publisher {
    loop {
        // the endpoints are free when the sockets are closed, which libzmq does in its own time
        match Publisher::bind(&place.context, live, recovery) {
            Ok(publisher) => break publisher,
            Err(error) => assert!(error.to_string().contains("in use"), "{error}"),
        }
    }
}

/// An event in few words: `1=10` is message 1 with value 10.
fn short(event: Event<u64>) -> String {
    match event {
        Event::Joined { from, .. } => format!("joined {from}"),
        Event::Data { number, value, .. } => format!("{number}={value}"),
        Event::Gap { from, to, why, .. } => format!("{from}-{to} {why:?}"),
        Event::Reset { .. } => "reset".to_owned(),
        event => panic!("{event:?}"),
    }
}

struct Late;

impl Test for Late {
    fn run<S: Shell>(&self, place: &Place) {
        let publisher = publisher(place, PublisherOptions::new().cache_messages(4));
        for value in 1..=10_u64 {
            assert_eq!(publisher.publish("a", &value).unwrap(), value);
        }
        let begin = |start| S::connect(place, &publisher, SubscriberOptions::new().start(start));
        assert_eq!(begin(Start::All).told(5), ["joined 7", "7=7", "8=8", "9=9", "10=10"]);
        assert_eq!(begin(Start::Last(2)).told(3), ["joined 9", "9=9", "10=10"]);
        assert_eq!(begin(Start::Last(100)).told(2), ["joined 7", "7=7"]);
        let mut now = begin(Start::Now);
        assert_eq!(now.told(1), ["joined 11"]);
        publisher.publish("a", &11_u64).unwrap();
        assert_eq!(now.told(1), ["11=11"]);
        let from = |number| Start::From { epoch: publisher.epoch(), number };
        assert_eq!(begin(from(9)).told(4), ["joined 9", "9=9", "10=10", "11=11"]);
        assert_eq!(begin(from(3)).told(3), ["joined 3", "3-7 Evicted", "8=8"]);
        assert_eq!(begin(Start::From { epoch: 1, number: 3 }).told(3), ["reset", "1-7 Evicted", "8=8"]);
    }
}

#[test]
fn who_comes_late_begins_where_it_says() {
    over(&TRANSPORTS, Late);
}

struct Slow;

impl Test for Slow {
    fn run<S: Shell>(&self, place: &Place) {
        let publisher = publisher(place, PublisherOptions::new().high_water_mark(10).cache_messages(100_000));
        let options = SubscriberOptions::new().high_water_mark(10).pending_messages(100);
        let mut subscriber = S::connect(place, &publisher, options);
        publisher.announce("a").unwrap();
        assert_eq!(subscriber.told(1), ["joined 1"]);
        // nobody reads meanwhile
        for value in 1..=20_000_u64 {
            publisher.publish("a", &value).unwrap();
        }
        for number in 1..=20_000 {
            assert_eq!(short(subscriber.next()), format!("{number}={number}"), "{}", place.transport);
        }
        let statistics = subscriber.statistics("a");
        assert!(statistics.recovered > 1000, "hardly anything was missed: {statistics:?}");
        assert_eq!((statistics.delivered, statistics.lost, statistics.last), (20_000, 0, 20_000));
    }
}

#[test]
fn what_a_slow_subscriber_missed_is_recovered_in_order() {
    over(&TRANSPORTS, Slow);
}

struct Beyond;

impl Test for Beyond {
    fn run<S: Shell>(&self, place: &Place) {
        let publisher = publisher(place, PublisherOptions::new().high_water_mark(5).cache_messages(100));
        let mut subscriber = S::connect(place, &publisher, SubscriberOptions::new().high_water_mark(5));
        publisher.announce("a").unwrap();
        assert_eq!(subscriber.told(1), ["joined 1"]);
        for value in 1..=50_000_u64 {
            publisher.publish("a", &value).unwrap();
        }
        let (mut expected, mut gaps) = (1, 0);
        while expected <= 50_000 {
            match subscriber.next::<u64>() {
                Event::Data { number, value, .. } => {
                    assert_eq!((number, value), (expected, expected));
                    expected += 1;
                }
                Event::Gap { from, to, why, .. } => {
                    assert_eq!((from, why), (expected, Lost::Evicted));
                    assert!(to <= 49_900, "{to} is in the cache");
                    expected = to + 1;
                    gaps += 1;
                }
                event => panic!("{event:?}"),
            }
        }
        assert!(gaps > 0);
        assert_eq!(subscriber.statistics("a").gaps, gaps);
    }
}

#[test]
fn what_is_beyond_recovery_is_reported() {
    over(&TRANSPORTS, Beyond);
}

struct Restart;

impl Test for Restart {
    fn run<S: Shell>(&self, place: &Place) {
        let first = publisher(place, PublisherOptions::new());
        let (live, recovery) = (first.endpoint().to_owned(), first.recovery_endpoint().to_owned());
        let mut subscriber = S::connect(place, &first, SubscriberOptions::new());
        first.announce("a").unwrap();
        assert_eq!(subscriber.told(1), ["joined 1"]);
        first.publish("a", &1_u64).unwrap();
        first.publish("a", &2_u64).unwrap();
        assert_eq!(subscriber.told(2), ["1=1", "2=2"]);
        drop(first);
        let second = successor(place, &live, &recovery);
        for value in 10..=12_u64 {
            second.publish("a", &value).unwrap();
        }
        assert_eq!(subscriber.told(4), ["reset", "1=10", "2=11", "3=12"]);
        let point = subscriber.resume_point("a").unwrap();
        assert_eq!(point, Start::From { epoch: second.epoch(), number: 4 });
    }
}

#[test]
fn a_restart_of_the_publisher_is_told_and_the_new_stream_begins_at_1() {
    over(RECONNECTING, Restart);
}

struct Conflating;

impl Test for Conflating {
    fn run<S: Shell>(&self, place: &Place) {
        let publisher = publisher(place, PublisherOptions::new());
        let mut subscriber = S::connect(place, &publisher, SubscriberOptions::new().conflate());
        subscriber.subscribe("b").unwrap();
        for stream in ["a", "b"] {
            publisher.announce(stream).unwrap();
        }
        assert_eq!(subscriber.told(2), ["joined 1", "joined 1"]);
        for value in 1..=900_u64 {
            publisher.publish("a", &value).unwrap();
            publisher.publish("b", &value).unwrap();
        }
        let (mut delivered, mut at) = (0, [0, 0]);
        while at != [900, 900] {
            let Event::Data { stream, number, skipped, value, .. } = subscriber.next::<u64>() else { panic!() };
            let at = &mut at[usize::from(&*stream == "b")];
            assert_eq!((*at + skipped + 1, value), (number, number), "all numbers are accounted for");
            *at = number;
            delivered += 1;
        }
        let statistics = subscriber.statistics("a");
        assert_eq!(statistics.delivered + statistics.skipped, 900);
        assert!(delivered < 1000, "{delivered} of 1800 were delivered");
    }
}

#[test]
fn the_conflating_mode_delivers_the_newest_and_counts_the_others() {
    over(&TRANSPORTS, Conflating);
}

/// Much longer than a publisher may have no processor.
const SILENT: Duration = Duration::from_secs(3);

struct Silence;

impl Test for Silence {
    fn run<S: Shell>(&self, place: &Place) {
        let first = publisher(place, PublisherOptions::new().heartbeat(Duration::from_millis(20)));
        let (live, recovery) = (first.endpoint().to_owned(), first.recovery_endpoint().to_owned());
        let options = SubscriberOptions::new().stale_after(SILENT);
        let mut subscriber = S::connect(place, &first, options);
        subscriber.subscribe("nobody").unwrap();
        first.announce("a").unwrap();
        let mut heard = Vec::new();
        let mut hear = || {
            let event = subscriber.recv::<u64>().unwrap();
            heard.push(match &event {
                Event::Joined { stream, .. } => format!("joined {stream}"),
                Event::Stale { stream, silent } => {
                    assert!(*silent >= SILENT);
                    format!("stale {stream}")
                }
                Event::Resumed { stream } => format!("resumed {stream}"),
                Event::Reset { stream, .. } => format!("reset {stream}"),
                event => panic!("{event:?}"),
            });
        };
        hear();
        hear();
        drop(first);
        hear();
        let second = successor(place, &live, &recovery);
        second.announce("a").unwrap();
        hear();
        hear();
        assert_eq!(heard, ["joined a", "stale nobody", "stale a", "resumed a", "reset a"]);
    }
}

#[test]
fn silence_is_told_once_and_its_end_as_well() {
    side_by_side(RECONNECTING, Silence);
}
