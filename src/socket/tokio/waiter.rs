//! `Waiter`: one task that waits for a socket.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::{AsyncSocket, Inner, Seated, haste};
use crate::error::Result;
use crate::socket::guard::{self, Direction};

/// Tries an operation until it does not have to wait, or the socket's timeout is over.
///
/// `ZMQ_FD` is edge-triggered twice over. libzmq raises it when news comes to a socket that has taken in all the news before,
/// and the runtime reports that once. Any call on the socket may take the news in, and lower the descriptor before anyone
/// has seen it. So, all under the socket's lock:
///
/// 1. try, unless this task was asleep: what woke it is still to be forgotten. (A receive that is to let its sender run does so
///    now, without the lock, and tries again: [`haste`];)
/// 2. sit down with the other tasks that wait, so that whoever takes in the news can wake this one;
/// 3. make the runtime forget what it knows of the descriptor, until it knows nothing: the next report is news;
/// 4. let libzmq take in all there is, and try: what comes from now on raises the descriptor. A receive that found nothing in
///    step 1 has let it, so this is spared where there was nothing to forget.
///
/// And whoever has used the socket tells the others ([`AsyncSocket::tell_others`]). `tests/on_tokio/waits.rs` searches all
/// orders of these steps and of libzmq's, the kernel's and the runtime's.
pub(super) struct Waiter<'s> {
    socket: &'s AsyncSocket,
    direction: Direction,
    seat: Option<usize>,
    /// When it first sat down.
    asleep_since: Option<Instant>,
    end: End,
    alarm: Option<Pin<Box<Sleep>>>,
}

/// When waiting ends.
#[derive(Clone, Copy)]
enum End {
    /// The socket was not asked yet.
    Unknown,
    Never,
    At(Instant, Duration),
}

/// How often a send tries anew where libzmq does not say that there is room. Another task's failed send may have taken in
/// the news of it.
const EVERY: Duration = Duration::from_millis(10);

impl<'s> Waiter<'s> {
    pub(super) fn new(socket: &'s AsyncSocket, direction: Direction) -> Self {
        Self { socket, direction, seat: None, asleep_since: None, end: End::Unknown, alarm: None }
    }

    pub(super) fn socket(&self) -> &'s AsyncSocket {
        self.socket
    }

    /// Polls `attempt`, which returns `None` where it would have to wait. Ready once; what follows is the next operation.
    pub(super) fn poll<R>(
        &mut self,
        context: &mut Context<'_>,
        attempt: impl FnMut(&mut Inner) -> Result<Option<R>>,
    ) -> Poll<Result<R>> {
        // a task whose operations always succeed at once lets the others run now and then
        let spent = ready!(self.socket.turn.poll(context));
        let done = match self.poll_socket(context, attempt) {
            Poll::Pending => ready!(self.poll_end(context)),
            Poll::Ready(done) => done,
        };
        self.socket.turn.end(spent);
        self.rest();
        Poll::Ready(done)
    }

    fn poll_socket<R>(
        &mut self,
        context: &mut Context<'_>,
        mut attempt: impl FnMut(&mut Inner) -> Result<Option<R>>,
    ) -> Poll<Result<R>> {
        let (socket, direction) = (self.socket, self.direction);
        let mut inner = socket.lock();
        // a receive that finds nothing has taken in all the news, a send has not
        let hears_all = direction == Direction::Receive;
        let was_asleep = self.seat.is_some();
        let mut done = if was_asleep { None } else { attempt(&mut inner).transpose() };
        if done.is_none() && hears_all && !was_asleep && socket.haste.take() {
            drop(inner);
            haste::give_way();
            inner = socket.lock();
            done = attempt(&mut inner).transpose();
        }
        if done.is_none() {
            self.asleep_since.get_or_insert_with(Instant::now);
            socket.waiting.sit(&mut self.seat, direction, context.waker());
            let was_known = match socket.news.forget(&mut Context::from_waker(&socket.everyone)) {
                Ok(was_known) => was_known,
                Err(error) => return Poll::Ready(Err(error)),
            };
            if was_asleep || was_known || !hears_all {
                if !hears_all {
                    // an error comes back from the attempt
                    let _ = inner.socket.get_events();
                }
                done = attempt(&mut inner).transpose();
            }
        }
        if done.is_some() {
            if hears_all {
                let slept = self.asleep_since.filter(|_| was_asleep).map(|since| since.elapsed());
                socket.haste.received(slept);
            }
            self.stand_up();
        } else if let End::Unknown = self.end {
            self.end = match guard::timeout(&inner.socket, direction) {
                Ok(millis) => u64::try_from(millis).map_or(End::Never, |millis| {
                    let after = Duration::from_millis(millis);
                    End::At(Instant::now() + after, after)
                }),
                Err(error) => return Poll::Ready(Err(guard::transport("read the socket's timeout", error))),
            };
        }
        let seated = if done.is_none() { Seated::Yes } else { Seated::No };
        socket.tell_others(&inner, hears_all && done.is_none(), seated);
        done.map_or(Poll::Pending, Poll::Ready)
    }

    /// Ready with an error when the time is up.
    fn poll_end<R>(&mut self, context: &mut Context<'_>) -> Poll<Result<R>> {
        let again = self.direction == Direction::Send && !self.socket.tells_of_room();
        loop {
            let now = Instant::now();
            let (end, after) = match self.end {
                End::At(end, after) if end <= now => {
                    return Poll::Ready(Err(guard::timed_out(self.direction, after)));
                }
                End::At(end, _) if !again => (end, false),
                End::At(end, _) => (end.min(now + EVERY), true),
                End::Unknown | End::Never if again => (now + EVERY, true),
                End::Unknown | End::Never => return Poll::Pending,
            };
            let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end)));
            ready!(alarm.as_mut().poll(context));
            self.alarm = None;
            if after {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    /// Makes ready for the next operation.
    #[inline]
    fn rest(&mut self) {
        self.stand_up();
        self.end = End::Unknown;
        self.asleep_since = None;
        if self.alarm.is_some() {
            self.alarm = None;
        }
    }

    /// Inline, because most operations have never sat down.
    #[inline]
    fn stand_up(&mut self) {
        if let Some(seat) = self.seat.take() {
            self.socket.waiting.leave(seat);
        }
    }
}

impl Drop for Waiter<'_> {
    #[inline]
    fn drop(&mut self) {
        self.stand_up();
    }
}
