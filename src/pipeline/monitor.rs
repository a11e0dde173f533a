//! `Watched`: a socket, and what libzmq says about its connections.

use std::sync::atomic::{AtomicU64, Ordering};

use super::engine::transport;
use crate::error::Result;

/// What became of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Accepted,
    Ended,
}

/// A socket, and what hears of its connections, over any transport but inproc, which has none.
pub(super) struct Watched {
    pub(super) socket: zmq::Socket,
    monitor: zmq::Socket,
}

impl Watched {
    /// Begins to watch: what happens to connections from now on.
    pub(super) fn new(context: &zmq::Context, socket: zmq::Socket) -> zmq::Result<Self> {
        let place = place();
        let events = zmq::SocketEvent::ACCEPTED.to_raw() | zmq::SocketEvent::DISCONNECTED.to_raw();
        let monitor = context.socket(zmq::PAIR)?;
        monitor.set_linger(0)?;
        // who does not look for a while must not hold up libzmq's I/O thread, and everything in this context
        monitor.set_rcvhwm(0)?;
        socket.monitor(&place, i32::from(events))?;
        let watched = Self { socket, monitor };
        watched.monitor.connect(&place)?;
        Ok(watched)
    }

    /// The next change, and the descriptor of the connection, if there is one.
    pub(super) fn next(&self) -> Result<Option<(Change, i32)>> {
        loop {
            // an event is its number and a value; the endpoint follows
            let event = match self.monitor.recv_bytes(zmq::DONTWAIT) {
                Ok(event) => event,
                Err(zmq::Error::EAGAIN) => return Ok(None),
                Err(zmq::Error::EINTR) => continue,
                Err(error) => return Err(transport("receive on the monitor")(error)),
            };
            while self.monitor.get_rcvmore().unwrap_or(false) && self.monitor.recv_bytes(zmq::DONTWAIT).is_ok() {}
            if let Some(&[low, high, rest @ ..]) = event.first_chunk::<6>() {
                let change = match zmq::SocketEvent::from_raw(u16::from_le_bytes([low, high])) {
                    zmq::SocketEvent::DISCONNECTED => Change::Ended,
                    _ => Change::Accepted,
                };
                return Ok(Some((change, i32::from_le_bytes(rest))));
            }
        }
    }

    /// What to poll for changes.
    pub(super) fn changes(&self) -> zmq::PollItem<'_> {
        self.monitor.as_poll_item(zmq::POLLIN)
    }
}

impl Drop for Watched {
    /// A socket that is closed has connections for a while yet. Were one of them to end with nobody left to be told, libzmq's I/O
    /// thread would wait for somebody for ever, and everything in this context with it: so nothing is told from now on.
    fn drop(&mut self) {
        let _ = self.socket.monitor(&place(), 0);
    }
}

/// Where a monitor is found: another place each time.
fn place() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("inproc://outband.pipeline.monitor.{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
