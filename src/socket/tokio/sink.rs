//! Sinks: what is sent, one after the other.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_sink::Sink;
use serde::Serialize;

use super::AsyncSocket;
use super::waiter::Waiter;
use crate::codec::{Encode, MsgPack};
use crate::error::{Error, Result};
use crate::multipart::Multipart;
use crate::socket::guard::Direction;
use crate::socket::outgoing::Outgoing;
use crate::socket::send::Try;
use crate::socket::trace::Watch;

impl AsyncSocket {
    /// A sink of messages.
    pub fn message_sink(&self) -> MessageSink<'_> {
        MessageSink { waiter: Waiter::new(self, Direction::Send), unsent: None, restarts: 0 }
    }

    /// A sink of objects, encoded with the default codec.
    pub fn object_sink<T: Serialize>(&self) -> ObjectSink<'_, T> {
        self.object_sink_with(MsgPack::new())
    }

    /// A sink of objects, encoded with any codec.
    pub fn object_sink_with<T, C: Encode<T>>(&self, codec: C) -> ObjectSink<'_, T, C> {
        ObjectSink { messages: self.message_sink(), codec, object: PhantomData }
    }
}

/// Sends messages on an [`AsyncSocket`]: made by [`AsyncSocket::message_sink`].
///
/// Holds at most one message that libzmq has not taken yet: flush the sink before it is dropped, as `SinkExt::send` does.
/// A failed send gives the message back ([`Error::into_message`]).
#[must_use = "a sink sends nothing unless it is given something"]
pub struct MessageSink<'s> {
    waiter: Waiter<'s>,
    unsent: Option<(Multipart, Watch)>,
    restarts: u32,
}

impl MessageSink<'_> {
    /// Sends what is there.
    fn poll_empty(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        let Some((message, _)) = &self.unsent else { return Poll::Ready(Ok(())) };
        let restarts = &mut self.restarts;
        let sent = ready!(self.waiter.poll(context, |inner| {
            Ok(match inner.try_send(&Outgoing::new(&[], message), restarts)? {
                Try::Sent => Some(()),
                Try::WouldBlock => None,
            })
        }));
        let Some((message, mut watch)) = self.unsent.take() else { return Poll::Ready(sent) };
        Poll::Ready(match sent {
            Ok(()) => {
                watch.resume();
                watch.sent(self.waiter.socket().kind, &Outgoing::new(&[], &message), self.restarts);
                Ok(())
            }
            Err(error) => Err(error.with_payload(Box::new(message))),
        })
    }

    /// Sends what is there, and gives way to other tasks where it is their turn: who always finds room never waits for anything else.
    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        if self.unsent.is_some() {
            return self.poll_empty(context);
        }
        let turn = &self.waiter.socket().turn;
        turn.end(ready!(turn.poll(context)));
        Poll::Ready(Ok(()))
    }

    /// Sends a message if that takes no waiting, and holds it if it does.
    fn put(&mut self, message: Multipart, mut watch: Watch) -> Result<()> {
        debug_assert!(self.unsent.is_none(), "start_send follows a poll_ready that was ready");
        self.restarts = 0;
        match self.waiter.socket().try_send(&Outgoing::new(&[], &message), &watch) {
            Ok(true) => Ok(()),
            Ok(false) => {
                watch.pause();
                self.unsent = Some((message, watch));
                Ok(())
            }
            Err(error) => Err(error.with_payload(Box::new(message))),
        }
    }
}

impl Sink<Multipart> for MessageSink<'_> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.get_mut().poll_room(context)
    }

    fn start_send(self: Pin<&mut Self>, message: Multipart) -> Result<()> {
        self.get_mut().put(message, Watch::start())
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.get_mut().poll_empty(context)
    }

    /// Flushes. The socket stays open.
    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.poll_flush(context)
    }
}

/// Sends objects on an [`AsyncSocket`]: made by [`AsyncSocket::object_sink`].
///
/// Holds at most one object that libzmq has not taken yet, as [`MessageSink`].
#[must_use = "a sink sends nothing unless it is given something"]
pub struct ObjectSink<'s, T, C = MsgPack> {
    messages: MessageSink<'s>,
    codec: C,
    object: PhantomData<fn(T)>,
}

impl<T, C: Encode<T> + Unpin> Sink<T> for ObjectSink<'_, T, C> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.get_mut().messages.poll_room(context)
    }

    fn start_send(self: Pin<&mut Self>, object: T) -> Result<()> {
        let Self { messages, codec, .. } = self.get_mut();
        let watch = Watch::start();
        messages.put(codec.encode(&object)?, watch)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.get_mut().messages.poll_empty(context)
    }

    /// Flushes. The socket stays open.
    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.poll_flush(context)
    }
}

impl fmt::Debug for MessageSink<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unsent = self.unsent.as_ref().map(|(message, _)| message);
        f.debug_struct("MessageSink").field("socket", self.waiter.socket()).field("unsent", &unsent).finish()
    }
}

impl<T, C> fmt::Debug for ObjectSink<'_, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectSink").field("messages", &self.messages).finish_non_exhaustive()
    }
}
