//! Connections whose other end has vanished.

use std::time::Duration;

/// Lets the system ask, over TCP, whether the other end is there: every second when nothing is heard. After `silence` without an answer
/// the connection ends. That is so with a libzmq that was built for it, as those of distributions are. The one that the `zmq` crate builds takes
/// these options and does nothing: nobody may rely on this alone.
///
/// libzmq has heartbeats for that (`ZMQ_HEARTBEAT_IVL`), whose timer ends the process, in version 4.3.4 with "Assertion failed:
/// !_io_error", where the peer of a connection has gone while what it had sent waits for room in the socket's queue. So they
/// are for sockets that have no bound to their queue, and for no others: whoever reads slowly would not outlive its peers.
pub(crate) fn keep_alive(socket: &zmq::Socket, silence: Duration) -> zmq::Result<()> {
    let probes = silence.as_secs().saturating_sub(1).clamp(1, 100);
    socket.set_tcp_keepalive(1)?;
    socket.set_tcp_keepalive_idle(1)?;
    socket.set_tcp_keepalive_intvl(1)?;
    socket.set_tcp_keepalive_cnt(probes as i32)
}
