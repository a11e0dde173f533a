//! What a socket is asked before it is used, how long it may wait, and what its errors mean.

use std::time::{Duration, Instant};

use crate::error::{Detail, Error, Result};
use crate::fork;

/// How long a call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// As long as `ZMQ_SNDTIMEO` or `ZMQ_RCVTIMEO` says.
    AsTheSocketSays,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Send,
    Receive,
}

impl Direction {
    fn operation(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Receive => "receive",
        }
    }
}

/// Refuses sockets that came through a fork.
pub(super) fn check_process(socket: &zmq::Socket) -> Result<()> {
    match fork::foreign_owner(socket) {
        None => Ok(()),
        Some(created) => Err(forked(Some(created))),
    }
}

/// Refuses sockets that keep only the last frame of a message.
pub(super) fn check_whole(socket: &zmq::Socket) -> Result<()> {
    match socket.is_conflate() {
        Ok(false) => Ok(()),
        Ok(true) => Err(Detail::Conflated.into()),
        Err(error) => Err(transport("read ZMQ_CONFLATE", error)),
    }
}

/// The type of a socket that carries messages.
pub(super) fn socket_type(socket: &zmq::Socket) -> Result<zmq::SocketType> {
    match socket.get_socket_type() {
        Ok(zmq::STREAM) => Err(Detail::RawSocket.into()),
        Ok(kind) => Ok(kind),
        Err(error) => Err(transport("read ZMQ_TYPE", error)),
    }
}

pub(super) fn transport(operation: &'static str, error: zmq::Error) -> Error {
    Error::new(Detail::Socket { operation, error }).caused_by(error)
}

/// What an error of `zmq_msg_send` or `zmq_msg_recv` means here.
#[cold]
pub(super) fn failed(socket: &zmq::Socket, direction: Direction, wait: Wait, error: zmq::Error) -> Error {
    let operation = direction.operation();
    let socket_type = || socket.get_socket_type().unwrap_or(zmq::STREAM);
    match error {
        zmq::Error::EAGAIN if wait == Wait::Never => would_block(direction),
        zmq::Error::EAGAIN => {
            let millis = timeout(socket, direction).unwrap_or(0).max(0);
            timed_out(direction, Duration::from_millis(millis as u64))
        }
        zmq::Error::EFSM => Detail::OutOfTurn { socket: socket_type(), operation }.into(),
        zmq::Error::ENOTSUP => {
            let use_instead = match direction {
                Direction::Send => "its messages go the other way, receive on it",
                Direction::Receive => "its messages go the other way, send on it",
            };
            Detail::NoSuchDirection { socket: socket_type(), operation, use_instead }.into()
        }
        // not by a signal: see `frame::uninterrupted`
        zmq::Error::EINTR => forked(None),
        error => transport(operation, error),
    }
}

fn forked(created: Option<u32>) -> Error {
    Detail::Forked { created, current: std::process::id() }.into()
}

#[cold]
pub(super) fn would_block(direction: Direction) -> Error {
    Detail::WouldBlock { operation: direction.operation() }.into()
}

#[cold]
pub(super) fn timed_out(direction: Direction, after: Duration) -> Error {
    Detail::TimedOut { operation: direction.operation(), after }.into()
}

/// The socket's own timeout in milliseconds, -1 for ever.
pub(super) fn timeout(socket: &zmq::Socket, direction: Direction) -> Result<i32, zmq::Error> {
    match direction {
        Direction::Send => socket.get_sndtimeo(),
        Direction::Receive => socket.get_rcvtimeo(),
    }
}

/// The end of the socket's own timeout, across calls that signals cut short.
///
/// libzmq starts the whole timeout anew with every call. So a call that follows an interrupted one gets what is left of
/// it as the socket's timeout, and the socket's own value is put back at the end.
pub(super) struct Deadline<'s> {
    socket: &'s zmq::Socket,
    direction: Direction,
    timeout: i32,
    end: Option<Instant>,
    changed: bool,
}

impl<'s> Deadline<'s> {
    pub(super) fn start(socket: &'s zmq::Socket, direction: Direction) -> Result<Self> {
        let timeout = timeout(socket, direction).map_err(|error| transport("read the socket's timeout", error))?;
        let end = u64::try_from(timeout).ok().map(|millis| Instant::now() + Duration::from_millis(millis));
        Ok(Self { socket, direction, timeout, end, changed: false })
    }

    /// Readies the socket for another call. When the time is up, that call will not wait.
    pub(super) fn resume(&mut self) -> Result<()> {
        if let Some(left) = self.left() {
            self.changed = true;
            self.set(left).map_err(|error| transport("set the socket's timeout", error))?;
        }
        Ok(())
    }

    /// Milliseconds until the end, rounded up; `None` for ever.
    pub(super) fn left(&self) -> Option<i32> {
        let left = self.end?.saturating_duration_since(Instant::now());
        Some(i32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i32::MAX))
    }

    /// Puts the socket's own value back.
    pub(super) fn restore(&self) {
        if self.changed {
            let _ = self.set(self.timeout);
        }
    }

    fn set(&self, millis: i32) -> Result<(), zmq::Error> {
        match self.direction {
            Direction::Send => self.socket.set_sndtimeo(millis),
            Direction::Receive => self.socket.set_rcvtimeo(millis),
        }
    }
}

impl Drop for Deadline<'_> {
    fn drop(&mut self) {
        self.restore();
    }
}
