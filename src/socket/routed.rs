//! What a ROUTER receives, together with the connection that it came over.
//!
//! For protocols that have to know when a peer is gone: a socket monitor names connections by their descriptor, a message
//! names its peer by a routing id, and this is where the two meet.

use bytes::Bytes;

use super::guard::Wait;
use super::receive::Incoming;
use crate::error::Result;
use crate::frame;
use crate::limits::Limits;

/// A message from a peer, or what was wrong with it.
pub(crate) struct Arrival {
    pub(crate) peer: Bytes,
    /// The descriptor of the connection, where that was asked for; none over inproc.
    pub(crate) connection: Option<i32>,
    pub(crate) message: Result<crate::multipart::Multipart>,
}

/// Receives a message on a ROUTER, or fails at once with kind `Timeout`. Asks about the connection of peers that `is_new`.
pub(crate) fn try_receive(
    socket: &zmq::Socket,
    limits: &Limits,
    is_new: impl FnOnce(&[u8]) -> bool,
) -> Result<Arrival> {
    let mut incoming = Incoming::on(socket);
    incoming.first(Wait::Never)?;
    let id = incoming.take_before("metadata")?;
    // zmq_msg_get(3) has it as ZMQ_SRCFD, which reads this property; the routing id's frame lacks it after a poll
    let connection = if is_new(&id) { incoming.property("__fd").and_then(|number| number.parse().ok()) } else { None };
    let message = incoming.message(limits);
    Ok(Arrival { peer: frame::detach(id), connection, message })
}
