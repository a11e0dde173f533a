//! `Monitor`: what libzmq says about the connections of a socket.

use std::sync::atomic::{AtomicU64, Ordering};

use super::engine::transport;
use crate::error::Result;

/// What became of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Accepted,
    Ended,
}

/// Hears of the connections of one socket, over any transport but inproc, which has none.
pub(super) struct Monitor(zmq::Socket);

impl Monitor {
    /// Begins to watch: what happens to connections from now on.
    pub(super) fn of(context: &zmq::Context, socket: &zmq::Socket) -> zmq::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let place = format!("inproc://outband.pipeline.monitor.{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let events = zmq::SocketEvent::ACCEPTED.to_raw() | zmq::SocketEvent::DISCONNECTED.to_raw();
        socket.monitor(&place, i32::from(events))?;
        let monitor = context.socket(zmq::PAIR)?;
        monitor.set_linger(0)?;
        monitor.connect(&place)?;
        Ok(Self(monitor))
    }

    /// The next change, and the descriptor of the connection, if there is one.
    pub(super) fn next(&self) -> Result<Option<(Change, i32)>> {
        loop {
            // an event is its number and a value; the endpoint follows
            let event = match self.0.recv_bytes(zmq::DONTWAIT) {
                Ok(event) => event,
                Err(zmq::Error::EAGAIN) => return Ok(None),
                Err(zmq::Error::EINTR) => continue,
                Err(error) => return Err(transport("receive on the monitor")(error)),
            };
            while self.0.get_rcvmore().unwrap_or(false) && self.0.recv_bytes(zmq::DONTWAIT).is_ok() {}
            if let Some(&[low, high, rest @ ..]) = event.first_chunk::<6>() {
                let change = match zmq::SocketEvent::from_raw(u16::from_le_bytes([low, high])) {
                    zmq::SocketEvent::DISCONNECTED => Change::Ended,
                    _ => Change::Accepted,
                };
                return Ok(Some((change, i32::from_le_bytes(rest))));
            }
        }
    }

    pub(super) fn as_poll_item(&self) -> zmq::PollItem<'_> {
        self.0.as_poll_item(zmq::POLLIN)
    }
}
