//! Addresses of IPv6, which libzmq has off.

/// Lets a socket have the addresses of IPv6 where its endpoint has one, in brackets as in `tcp://[::1]:5555`.
///
/// libzmq takes such an endpoint for the name of a device otherwise, and says that there is none. Other endpoints leave the option as it
/// is: a `tcp://*` with it listens to both families.
pub(crate) fn allow_ipv6(socket: &zmq::Socket, endpoint: &str) -> zmq::Result<()> {
    if endpoint.starts_with("tcp://") && endpoint.contains('[') { socket.set_ipv6(true) } else { Ok(()) }
}
