//! The async shell: whole messages on tokio.
//!
//! This floor knows when to try and how to wait for the next try. What a try is, and what of a message is on the socket
//! when it ends, is the try core's, which the blocking shell has as well: nothing here sends or receives a frame.

mod address;
mod haste;
mod message;
mod news;
mod object;
mod place;
mod sink;
mod stream;
mod turn;
mod waiter;
mod waiting;

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker, ready};

pub(crate) use news::News;
pub use sink::{MessageSink, ObjectSink};
pub use stream::{Messages, Objects};

use super::envelope::{Envelope, Open};
use super::guard::{self, Direction};
use super::outgoing::Outgoing;
use super::receive::Incoming;
use super::send::{self, Sending, Torn, Try};
use super::trace::Watch;
use super::transfer;
use crate::codec::{Decode, Encode};
use crate::error::{Detail, Result};
use crate::frame::{Hold, RECEIVE_ARENA};
use crate::limits::Limits;
use crate::multipart::Multipart;
use crate::scratch;
use haste::Haste;
use place::Place;
use turn::Turn;
use waiter::Waiter;
use waiting::Waiting;

/// Sends and receives objects on a `zmq::Socket` from the tasks of a tokio runtime.
///
/// The methods are those of [`SocketExt`](crate::SocketExt), by the same names and with the same errors; those that may wait are `async`.
/// All take `&self`, and an `AsyncSocket` is `Send` and `Sync`: a task that sends and one that receives share it in an
/// [`Arc`]. [`messages`](Self::messages) and [`objects`](Self::objects) are streams,
/// [`message_sink`](Self::message_sink) and [`object_sink`](Self::object_sink) are sinks.
///
/// **Nothing is copied** that the blocking methods do not copy: libzmq gets the frames themselves.
///
/// **A future that is dropped has done nothing or all.** A message is given to libzmq whole within one poll, and the
/// future is done with that poll; likewise a message is taken off the socket whole, by the very poll that returns it. So
/// `select!` and timeouts around any of these futures lose nothing, tear nothing and send nothing twice. What was to be
/// sent is dropped with its future.
///
/// **Waiting.** At the high-water mark a send waits, while other tasks run. `ZMQ_SNDTIMEO` and `ZMQ_RCVTIMEO` are
/// honoured; libzmq's default is for ever. With several tasks on one socket each keeps the order of its own messages.
///
/// **Many sockets.** A socket takes a descriptor, each connection over ipc or tcp one more at either end, and a bound ipc or
/// tcp address another. Many systems allow a process 1024 until it asks for more (`RLIMIT_NOFILE`, `ulimit -n`); a
/// `zmq::Context` has room for 1023 sockets.
///
/// # Panics
///
/// Where a runtime was built without its I/O driver, [`new`](Self::new) panics. Without its timer does a wait that has an
/// end, or that is for room on a ROUTER or an XPUB. `#[tokio::main]` and `enable_all` have both.
///
/// # Examples
///
/// ```
/// use outband::{AsyncSocket, Buffer};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let context = zmq::Context::new();
/// let (client, server) = (context.socket(zmq::REQ)?, context.socket(zmq::REP)?);
/// server.bind("inproc://sum")?;
/// client.connect("inproc://sum")?;
/// let (client, server) = (AsyncSocket::new(client)?, AsyncSocket::new(server)?);
///
/// let serving = tokio::spawn(async move {
///     let bytes: Buffer = server.recv_obj().await?;
///     server.send_obj(&bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>()).await
/// });
/// client.send_obj(&Buffer::from_vec(vec![2_u8; 100_000])).await?;
/// let sum: u64 = client.recv_obj().await?;
/// assert_eq!(sum, 200_000);
/// serving.await??;
/// # Ok(())
/// # }
/// ```
pub struct AsyncSocket {
    /// Before the socket, because fields are dropped in order: the runtime has to let go of the descriptor while it is the
    /// socket's still.
    news: News,
    /// Locked for calls that do not wait, and never while a value is encoded or decoded.
    inner: Mutex<Inner>,
    kind: zmq::SocketType,
    waiting: Arc<Waiting>,
    turn: Turn,
    haste: Haste,
    /// What the runtime wakes: all that are waiting.
    everyone: Waker,
}

/// Whether a task that has used the socket is itself among those that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seated {
    No,
    Yes,
}

struct Inner {
    socket: zmq::Socket,
    kind: zmq::SocketType,
    /// Whether the socket keeps messages whole: asked whenever it may have changed, and not with each message.
    is_whole: bool,
    /// What the last send left on a REQ.
    torn: Torn,
}

impl AsyncSocket {
    /// Takes a socket into the runtime that this is called in.
    ///
    /// # Errors
    ///
    /// Kind `Caller` outside of a runtime, and for a STREAM socket or one that came through a fork; kind `Transport` when
    /// the runtime does not take the socket's descriptor.
    pub fn new(socket: zmq::Socket) -> Result<Self> {
        guard::check_process(&socket)?;
        let kind = guard::socket_type(&socket)?;
        let news = News::of(&socket)?;
        let waiting = Arc::new(Waiting::default());
        let everyone = Waker::from(waiting.clone());
        let is_whole = guard::check_whole(&socket).is_ok();
        let inner = Mutex::new(Inner { socket, kind, is_whole, torn: Torn::No });
        Ok(Self { news, inner, kind, waiting, turn: Turn::default(), haste: Haste::default(), everyone })
    }

    /// Gives the socket back, for blocking use or for another runtime.
    ///
    /// # Errors
    ///
    /// Kind `Transport` for a REQ whose last request was torn by the death of its peer: only an `AsyncSocket` that sends again mends
    /// that, and the socket is closed.
    pub fn into_inner(self) -> Result<zmq::Socket> {
        drop(self.news);
        let inner = self.inner.into_inner().unwrap_or_else(PoisonError::into_inner);
        if inner.torn == Torn::No { Ok(inner.socket) } else { Err(Detail::RequestTorn.into()) }
    }

    /// Lends the socket, to bind and connect it and to set its options.
    ///
    /// Other tasks that use the socket meanwhile hold up their threads, so `act` must not wait, nor use this
    /// `AsyncSocket`, which would wait for itself for ever.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let socket = outband::AsyncSocket::new(zmq::Context::new().socket(zmq::PULL)?)?;
    /// socket.with_socket(|socket| socket.bind("tcp://127.0.0.1:*"))?;
    /// let endpoint = socket.with_socket(|socket| socket.get_last_endpoint())?;
    /// assert!(endpoint.unwrap().starts_with("tcp://127.0.0.1:"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_socket<R>(&self, act: impl FnOnce(&zmq::Socket) -> R) -> R {
        let mut inner = self.lock();
        let done = act(&inner.socket);
        inner.is_whole = guard::check_whole(&inner.socket).is_ok();
        self.tell_others(&inner, true, Seated::No);
        done
    }

    /// What is in there is consistent whenever the lock is free: a panic cannot leave a message half sent.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether libzmq says when there is room. A ROUTER and an XPUB always claim to have some, because it depends on the
    /// message.
    fn tells_of_room(&self) -> bool {
        !matches!(self.kind, zmq::ROUTER | zmq::XPUB)
    }

    /// Wakes the tasks that wait for what is possible now: any use of the socket may have taken in the news that they wait
    /// for, and the descriptor stays silent then. `has_heard_all` is whether that was certain.
    #[inline]
    fn tell_others(&self, inner: &Inner, has_heard_all: bool, seated: Seated) {
        if self.waiting.count() > seated as usize {
            self.wake_others(inner, has_heard_all);
        }
    }

    #[inline(never)]
    fn wake_others(&self, inner: &Inner, has_heard_all: bool) {
        // a socket that has nothing to say any more fails whatever waits
        let events = inner.socket.get_events().unwrap_or(zmq::POLLIN | zmq::POLLOUT);
        if events.contains(zmq::POLLIN) {
            self.waiting.wake(Some(Direction::Receive));
        }
        if events.contains(zmq::POLLOUT) && (self.tells_of_room() || has_heard_all) {
            self.waiting.wake(Some(Direction::Send));
        }
    }

    /// Sends a message if that takes no waiting.
    fn try_send(&self, outgoing: &Outgoing<'_>, watch: &Watch) -> Result<bool> {
        let mut restarts = 0;
        self.haste.forget();
        let mut inner = self.lock();
        let tried = inner.try_send(outgoing, &mut restarts);
        self.tell_others(&inner, false, Seated::No);
        drop(inner);
        if outgoing.is_long() {
            self.turn.was_long();
        }
        let is_sent = tried? == Try::Sent;
        if is_sent {
            watch.sent(self.kind, outgoing, restarts);
        }
        Ok(is_sent)
    }

    /// Sends a message whole.
    async fn deliver(
        &self,
        message: &Multipart,
        envelope: &[&[u8]],
        hold: Option<&Hold>,
        mut watch: Watch,
    ) -> Result<()> {
        watch.pause();
        let (mut waiter, mut restarts) = (Waiter::new(self, Direction::Send), 0);
        let attempt = poll_fn(|context| {
            waiter.poll(context, |inner| {
                let outgoing = Outgoing::new(envelope, message).held_by(hold);
                Ok(match inner.try_send(&outgoing, &mut restarts)? {
                    Try::Sent => Some(()),
                    Try::WouldBlock => None,
                })
            })
        });
        attempt.await?;
        watch.resume();
        watch.sent(self.kind, &Outgoing::new(envelope, message), restarts);
        Ok(())
    }

    /// Sends a message whole; a failed send gives it back.
    async fn send_owned(&self, message: Multipart, envelope: &[&[u8]]) -> Result<()> {
        let sent = self.deliver(&message, envelope, None, Watch::start()).await;
        sent.map_err(|error| error.with_payload(Box::new(message)))
    }

    async fn encode_and_send<T: ?Sized, C: Encode<T>>(&self, codec: &C, value: &T, envelope: &[&[u8]]) -> Result<()> {
        self.turn.end(poll_fn(|context| self.turn.poll(context)).await);
        let watch = Watch::start();
        match self.encode_and_try(codec, value, envelope, &watch)? {
            None => Ok(()),
            Some(message) => self.deliver(&message, envelope, None, watch).await,
        }
    }

    /// Encodes a value and sends it if that takes no waiting; else the message.
    fn encode_and_try<T: ?Sized, C: Encode<T>>(
        &self,
        codec: &C,
        value: &T,
        envelope: &[&[u8]],
        watch: &Watch,
    ) -> Result<Option<Multipart>> {
        scratch::with(|metadata| {
            let buffers = codec.encode_into(value, metadata)?;
            if !scratch::is_long(metadata) {
                let outgoing = Outgoing::from_scratch(envelope, metadata, &buffers);
                if self.try_send(&outgoing, watch)? {
                    return Ok(None);
                }
                return Ok(Some(Multipart::new(scratch::freeze(metadata), buffers)));
            }
            let message = Multipart::new(scratch::freeze(metadata), buffers);
            let is_sent = self.try_send(&Outgoing::new(envelope, &message), watch)?;
            Ok(Some(message).filter(|_| !is_sent))
        })
    }

    async fn receive(&self, limits: &Limits, open: Open) -> Result<(Envelope, Multipart)> {
        let mut watch = Watch::start();
        let mut waiter = Waiter::new(self, Direction::Receive);
        let mut attempt = |inner: &mut Inner| {
            watch.resume();
            inner.try_receive(limits, open)
        };
        let received = poll_fn(|context| waiter.poll(context, &mut attempt)).await;
        self.received(received, &watch)
    }

    /// Receives a message if one is there.
    fn try_receive(&self, limits: &Limits, open: Open) -> Result<(Envelope, Multipart)> {
        let watch = Watch::start();
        let received = self.receive_now(|inner| inner.try_receive(limits, open));
        self.received(received, &watch)
    }

    fn received(&self, received: Result<(Envelope, Multipart)>, watch: &Watch) -> Result<(Envelope, Multipart)> {
        let (envelope, message) = received?;
        if !message.buffers().is_empty() || message.metadata().len() > RECEIVE_ARENA {
            self.turn.was_long();
        }
        watch.received(|| Some(self.kind), &envelope, (1 + message.buffers().len(), message.total_len()));
        Ok((envelope, message))
    }

    async fn receive_and_decode<T, C: Decode<T>, R>(
        &self,
        codec: &C,
        open: Open,
        give: impl Fn(&mut Place, T) -> R,
    ) -> Result<R> {
        let mut watch = Watch::start();
        let mut waiter = Waiter::new(self, Direction::Receive);
        let attempt = poll_fn(|context| {
            watch.resume();
            let mut place = Place::new();
            ready!(waiter.poll(context, |inner| inner.try_take(&mut place, || codec.limits(), open)))?;
            let value = self.decode(codec, &mut place, &watch)?;
            Poll::Ready(Ok(give(&mut place, value)))
        });
        attempt.await
    }

    /// Receives and decodes a message if one is there.
    fn try_receive_and_decode<T, C: Decode<T>>(&self, codec: &C, open: Open) -> Result<(Envelope, T)> {
        let watch = Watch::start();
        let mut place = Place::new();
        self.receive_now(|inner| inner.try_take(&mut place, || codec.limits(), open))?;
        let value = self.decode(codec, &mut place, &watch)?;
        Ok((place.take_envelope(), value))
    }

    fn decode<T, C: Decode<T>>(&self, codec: &C, place: &mut Place, watch: &Watch) -> Result<T> {
        let size = if watch.listens() { place.size() } else { (0, 0) };
        let value = place.decode(codec);
        if place.is_long() {
            self.turn.was_long();
        }
        watch.received(|| Some(self.kind), place.envelope(), size);
        value
    }

    fn receive_now<R>(&self, attempt: impl FnOnce(&mut Inner) -> Result<Option<R>>) -> Result<R> {
        let mut inner = self.lock();
        let received = attempt(&mut inner);
        self.tell_others(&inner, matches!(received, Ok(None)), Seated::No);
        received?.ok_or_else(|| guard::would_block(Direction::Receive))
    }
}

impl Inner {
    fn try_send(&mut self, outgoing: &Outgoing<'_>, restarts: &mut u32) -> Result<Try> {
        let kind = self.kind;
        send::check_message(&self.socket, kind, outgoing)?;
        if !self.is_whole && send::may_conflate(kind) {
            guard::check_whole(&self.socket)?;
        }
        if send::send_lone(&self.socket, kind, outgoing) {
            return Ok(Try::Sent);
        }
        let new = Sending::new(&self.socket, kind, outgoing);
        let mut sending = Sending { torn: self.torn, restarts: *restarts, ..new };
        let tried = sending.try_send(&mut |_| {});
        (self.torn, *restarts) = (sending.torn, sending.restarts);
        tried
    }

    fn try_receive(&mut self, limits: &Limits, open: Open) -> Result<Option<(Envelope, Multipart)>> {
        let mut incoming = Incoming::on(&self.socket).checked(self.is_whole);
        if incoming.try_first()? { transfer::take_whole(incoming, limits, open).map(Some) } else { Ok(None) }
    }

    fn try_take(&mut self, place: &mut Place, limits: impl FnOnce() -> Limits, open: Open) -> Result<Option<()>> {
        Ok(place.try_fill(&self.socket, self.is_whole, limits, open)?.then_some(()))
    }
}

impl fmt::Debug for AsyncSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncSocket").field("kind", &self.kind).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(miri)))] // sockets, which miri cannot open
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_torn_request_is_not_given_away_with_its_socket() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _inside = runtime.enter();
        for torn in [Torn::No, Torn::Swallowed, Torn::Headless] {
            let socket = AsyncSocket::new(zmq::Context::new().socket(zmq::REQ).unwrap()).unwrap();
            socket.lock().torn = torn;
            match socket.into_inner() {
                Ok(_) => assert_eq!(torn, Torn::No),
                Err(error) => {
                    assert_eq!((error.kind(), torn != Torn::No), (ErrorKind::Transport, true));
                    assert!(error.to_string().contains("make a new one"), "{error}");
                }
            }
        }
    }
}
