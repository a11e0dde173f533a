//! `AsyncSubscriber`: a subscriber for the tasks of a tokio runtime.
//!
//! It is a [`Subscriber`] that is never let wait: what a look at the sockets brings and what a loss means is that one's.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use serde::de::DeserializeOwned;
use tokio::task::coop;
use tokio::time::{Instant, Sleep, sleep_until};

use super::event::Event;
use super::options::SubscriberOptions;
use super::start::Start;
use super::statistics::StreamStatistics;
use super::subscriber::Subscriber;
use crate::codec::{Decode, MsgPack};
use crate::error::Result;
use crate::socket::News;

/// Follows the streams of a [`Publisher`](super::Publisher) from the tasks of a tokio runtime.
///
/// The methods are those of [`Subscriber`], by the same names and with the same events; those that may wait are `async`.
/// (The publisher has no such twin: it never waits, and is used from tasks as it is.)
///
/// **A dropped future has done nothing.** An event is taken out by the very poll that returns it, so `select!` and
/// timeouts around [`recv`](Self::recv) lose none. Between two of them nothing is received; what piles up meanwhile is
/// bounded as for [`Subscriber`], and what is dropped is recovered or told.
///
/// # Panics
///
/// Where a runtime was built without its I/O driver, making one panics; without its timer, waiting does. `#[tokio::main]`
/// and `enable_all` have both.
///
/// # Examples
///
/// ```
/// use futures_util::StreamExt;
/// use outband::feed::{AsyncSubscriber, Event, Publisher, Start};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let context = zmq::Context::new();
/// let publisher = Publisher::bind(&context, "tcp://127.0.0.1:*", "tcp://127.0.0.1:*")?;
/// publisher.publish("counter", &10)?; // publishing never waits: no `await`
/// publisher.publish("counter", &20)?;
///
/// let mut subscriber = AsyncSubscriber::connect(&context, publisher.endpoint(), publisher.recovery_endpoint())?;
/// subscriber.subscribe_from("counter", Start::All)?;
/// let joined: Event<i32> = subscriber.recv().await?;
/// assert!(matches!(joined, Event::Joined { from: 1, .. }));
///
/// let values = subscriber.events::<i32>().filter_map(|event| async { event.ok()?.into_value() });
/// assert_eq!(values.take(2).collect::<Vec<i32>>().await, [10, 20]);
/// # Ok(())
/// # }
/// ```
pub struct AsyncSubscriber {
    /// Of the two sockets, before these: fields are dropped in order.
    live: News,
    recovery: Option<News>,
    subscriber: Subscriber,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl AsyncSubscriber {
    /// Connects to the two endpoints of a publisher, as [`Subscriber::connect`].
    ///
    /// # Errors
    ///
    /// As [`Subscriber::connect`] and [`new`](Self::new).
    pub fn connect(context: &zmq::Context, endpoint: &str, recovery: &str) -> Result<Self> {
        Self::connect_with(context, endpoint, recovery, SubscriberOptions::new())
    }

    /// As [`connect`](Self::connect), with options.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub fn connect_with(
        context: &zmq::Context,
        endpoint: &str,
        recovery: &str,
        options: SubscriberOptions,
    ) -> Result<Self> {
        Self::new(Subscriber::connect_with(context, endpoint, recovery, options)?)
    }

    /// Takes a subscriber into the runtime that this is called in: one over sockets of your own, say.
    ///
    /// # Errors
    ///
    /// Kind `Caller` outside of a runtime; kind `Transport` when the runtime does not take the sockets' descriptors.
    pub fn new(subscriber: Subscriber) -> Result<Self> {
        let live = News::of(&subscriber.live)?;
        let recovery = subscriber.recovery.as_ref().map(News::of).transpose()?;
        Ok(Self { live, recovery, subscriber, alarm: None })
    }

    /// Gives the subscriber back, for blocking use or for another runtime.
    pub fn into_inner(self) -> Subscriber {
        self.subscriber
    }

    /// Follows a stream, or all below a name that ends in `/`, as [`Subscriber::subscribe`].
    ///
    /// # Errors
    ///
    /// As [`Subscriber::subscribe`].
    pub fn subscribe(&mut self, name: &str) -> Result<()> {
        self.subscriber.subscribe(name)
    }

    /// As [`subscribe`](Self::subscribe), and says where to begin.
    ///
    /// # Errors
    ///
    /// As [`subscribe`](Self::subscribe).
    pub fn subscribe_from(&mut self, name: &str, start: Start) -> Result<()> {
        self.subscriber.subscribe_from(name, start)
    }

    /// Ends what [`subscribe`](Self::subscribe) began under this name.
    ///
    /// # Errors
    ///
    /// Kind `Transport`.
    pub fn unsubscribe(&mut self, name: &str) -> Result<()> {
        self.subscriber.unsubscribe(name)
    }

    /// Waits for the next event, and decodes messages with the default codec.
    ///
    /// # Errors
    ///
    /// Kind `Transport`. What is wrong with a message is an event.
    pub async fn recv<T: DeserializeOwned>(&mut self) -> Result<Event<T>> {
        self.recv_with(&MsgPack::new()).await
    }

    /// Waits for the next event, and decodes messages with any codec.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub async fn recv_with<T, C: Decode<T>>(&mut self, codec: &C) -> Result<Event<T>> {
        poll_fn(|context| self.poll_recv(context, codec)).await
    }

    /// The next event, or at once an error of kind `Timeout`.
    ///
    /// # Errors
    ///
    /// As [`Subscriber::try_recv`].
    pub fn try_recv<T: DeserializeOwned>(&mut self) -> Result<Event<T>> {
        self.subscriber.try_recv()
    }

    /// The events as a stream, with the default codec. It ends after an error.
    pub fn events<T: DeserializeOwned>(&mut self) -> Events<'_, T> {
        self.events_with(MsgPack::new())
    }

    /// The events as a stream, with any codec. It ends after an error.
    pub fn events_with<T, C: Decode<T>>(&mut self, codec: C) -> Events<'_, T, C> {
        Events { subscriber: self, codec, is_over: false, value: PhantomData }
    }

    /// Where to go on after a restart, as [`Subscriber::resume_point`].
    pub fn resume_point(&self, stream: &str) -> Option<Start> {
        self.subscriber.resume_point(stream)
    }

    /// What was counted on a stream; `None` for one that is not followed.
    pub fn statistics(&self, stream: &str) -> Option<StreamStatistics> {
        self.subscriber.statistics(stream)
    }

    /// The names of all streams that are followed.
    pub fn streams(&self) -> impl Iterator<Item = &Arc<str>> {
        self.subscriber.streams()
    }

    /// How many messages there were that are none of a feed, as [`Subscriber::malformed`].
    pub fn malformed(&self) -> u64 {
        self.subscriber.malformed()
    }

    fn poll_recv<T, C: Decode<T>>(&mut self, context: &mut Context<'_>, codec: &C) -> Poll<Result<Event<T>>> {
        // a task that always finds an event lets the others run now and then
        let budget = ready!(coop::poll_proceed(context));
        loop {
            // what has arrived goes first: a task that was busy elsewhere for long has not heard it yet, and no stream was silent
            if let Some(event) = self.subscriber.look(codec).transpose() {
                budget.made_progress();
                return Poll::Ready(event);
            }
            // what is due by now may have something to say, or to ask
            self.subscriber.read_clock();
            if self.subscriber.streams.is_ready() {
                continue;
            }
            if self.subscriber.is_behind {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            // libzmq has taken in all there was on the live socket, and on the other where anything is expected there
            let mut is_news = self.live.forget(context)?;
            if let Some(recovery) = &self.recovery {
                is_news |= recovery.forget(context)?;
            }
            if is_news {
                continue;
            }
            ready!(self.poll_tick(context));
        }
    }

    /// Ready when the subscriber's clock is to be read again.
    fn poll_tick(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let due = Instant::from_std(self.subscriber.ticks.due());
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if alarm.deadline() != due {
            alarm.as_mut().reset(due);
        }
        alarm.as_mut().poll(context)
    }
}

/// The events of an [`AsyncSubscriber`] as a stream: made by [`AsyncSubscriber::events`].
#[must_use = "a stream receives nothing unless it is polled"]
pub struct Events<'s, T, C = MsgPack> {
    subscriber: &'s mut AsyncSubscriber,
    codec: C,
    is_over: bool,
    value: PhantomData<fn() -> T>,
}

impl<T, C: Decode<T> + Unpin> Stream for Events<'_, T, C> {
    type Item = Result<Event<T>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { subscriber, codec, is_over, .. } = self.get_mut();
        if *is_over {
            return Poll::Ready(None);
        }
        let event = ready!(subscriber.poll_recv(context, codec));
        *is_over = event.is_err();
        Poll::Ready(Some(event))
    }
}

impl fmt::Debug for AsyncSubscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncSubscriber").field("subscriber", &self.subscriber).finish_non_exhaustive()
    }
}

impl<T, C> fmt::Debug for Events<'_, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("subscriber", &self.subscriber).finish_non_exhaustive()
    }
}
