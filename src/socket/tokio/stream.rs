//! Streams: what is received, one after the other.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use serde::de::DeserializeOwned;

use super::AsyncSocket;
use super::place::Place;
use super::waiter::Waiter;
use crate::codec::{Decode, MsgPack};
use crate::error::Result;
use crate::limits::Limits;
use crate::multipart::Multipart;
use crate::socket::envelope::Open;
use crate::socket::guard::Direction;
use crate::socket::trace::Watch;

/// Streams and sinks.
impl AsyncSocket {
    /// The messages that arrive, as a stream.
    pub fn messages(&self) -> Messages<'_> {
        Messages { waiter: Waiter::new(self, Direction::Receive), is_over: false }
    }

    /// The objects that arrive, as a stream: each decoded with the default codec.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_util::{SinkExt, StreamExt};
    /// use outband::AsyncSocket;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let context = zmq::Context::new();
    /// let (tx, rx) = (context.socket(zmq::PUSH)?, context.socket(zmq::PULL)?);
    /// rx.bind("inproc://numbers")?;
    /// tx.connect("inproc://numbers")?;
    /// let (tx, rx) = (AsyncSocket::new(tx)?, AsyncSocket::new(rx)?);
    ///
    /// let mut sink = tx.object_sink();
    /// sink.send(7_u64).await?;
    /// sink.send(35).await?;
    /// let numbers: Vec<_> = rx.objects::<u64>().take(2).collect().await;
    /// assert_eq!(numbers.into_iter().sum::<outband::Result<u64>>()?, 42);
    /// # Ok(())
    /// # }
    /// ```
    pub fn objects<T: DeserializeOwned>(&self) -> Objects<'_, T> {
        self.objects_with(MsgPack::new())
    }

    /// The objects that arrive, as a stream: each decoded with any codec.
    pub fn objects_with<T, C: Decode<T>>(&self, codec: C) -> Objects<'_, T, C> {
        Objects { messages: self.messages(), codec, object: PhantomData }
    }
}

/// The messages that arrive on an [`AsyncSocket`]: made by [`AsyncSocket::messages`].
///
/// A message that is refused, and a wait that exceeds `ZMQ_RCVTIMEO`, is an error among the others, and the stream goes
/// on. It ends after an error that every further receive would return: of kind `Transport`, or `Caller`. That it is not the socket's turn to
/// receive is none: a REP owes an answer to a request that was refused as well, and whoever polls on without one gets that error until it is
/// sent.
#[must_use = "a stream receives nothing unless it is polled"]
pub struct Messages<'s> {
    waiter: Waiter<'s>,
    is_over: bool,
}

impl Messages<'_> {
    fn poll<R>(
        &mut self,
        context: &mut Context<'_>,
        receive: impl FnMut(&mut super::Inner) -> Result<Option<R>>,
    ) -> Poll<Option<Result<R>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let received = ready!(self.waiter.poll(context, receive));
        self.is_over = received
            .as_ref()
            .is_err_and(|error| !(error.is_timeout() || error.is_peer() || error.is_limit() || error.is_out_of_turn()));
        Poll::Ready(Some(received))
    }
}

impl Stream for Messages<'_> {
    type Item = Result<Multipart>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let watch = Watch::start();
        let received = ready!(self.poll(context, |inner| inner.try_receive(&Limits::default(), Open::None)));
        let socket = self.waiter.socket();
        Poll::Ready(received.map(|received| socket.received(received, &watch).map(|(_, message)| message)))
    }
}

/// The objects that arrive on an [`AsyncSocket`]: made by [`AsyncSocket::objects`].
///
/// A message that does not decode is an error among the others; see [`Messages`].
#[must_use = "a stream receives nothing unless it is polled"]
pub struct Objects<'s, T, C = MsgPack> {
    messages: Messages<'s>,
    codec: C,
    object: PhantomData<fn() -> T>,
}

impl<T, C: Decode<T> + Unpin> Stream for Objects<'_, T, C> {
    type Item = Result<T>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { messages, codec, .. } = self.get_mut();
        let (watch, mut place) = (Watch::start(), Place::new());
        let taken = ready!(messages.poll(context, |inner| inner.try_take(&mut place, || codec.limits(), Open::None)));
        let socket = messages.waiter.socket();
        Poll::Ready(taken.map(|taken| taken.and_then(|()| socket.decode(codec, &mut place, &watch))))
    }
}

impl fmt::Debug for Messages<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").field("socket", self.waiter.socket()).finish_non_exhaustive()
    }
}

impl<T, C> fmt::Debug for Objects<'_, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects").field("socket", self.messages.waiter.socket()).finish_non_exhaustive()
    }
}
