//! The four sockets of a feed and their options.

use tracing::warn;

use super::options::{PublisherOptions, SubscriberOptions};
use super::redial::SILENCE;
use crate::error::{Detail, Error, Result};
use crate::socket::{allow_ipv6, keep_alive};

/// How long a connection of a subscriber may take to be made before another is begun, in milliseconds: where packets are lost the system
/// asks again ever more seldom, and would miss the end of that by seconds.
const CONNECT: i32 = 2000;

/// The longest frame that a publisher hears, in bytes: a header, a name, or ranges of a request; what is subscribed to.
const MAX_HEARD: i64 = 4096;

/// How many messages wait for one peer that has asked for them: as many as a subscriber's requests at a time are granted.
const UNDER_WAY: i32 = 4 * 1024;

/// The XPUB of a publisher.
pub(super) fn publishing(context: &zmq::Context, options: &PublisherOptions) -> Result<zmq::Socket> {
    let socket = socket(context, zmq::XPUB)?;
    let linger = i32::try_from(options.linger.as_millis()).unwrap_or(i32::MAX);
    let set = socket.set_sndhwm(options.high_water_mark).and_then(|()| socket.set_linger(linger));
    set.and_then(|()| socket.set_maxmsgsize(MAX_HEARD)).map_err(configuring)?;
    Ok(socket)
}

/// The ROUTER of a publisher.
pub(super) fn answering(context: &zmq::Context) -> Result<zmq::Socket> {
    let socket = socket(context, zmq::ROUTER)?;
    let set = socket.set_sndhwm(UNDER_WAY).and_then(|()| socket.set_linger(0));
    set.and_then(|()| socket.set_maxmsgsize(MAX_HEARD)).map_err(configuring)?;
    Ok(socket)
}

/// The SUB of a subscriber.
pub(super) fn listening(context: &zmq::Context, options: &SubscriberOptions) -> Result<zmq::Socket> {
    let socket = socket(context, zmq::SUB)?;
    let set = socket.set_rcvhwm(options.high_water_mark).and_then(|()| socket.set_linger(0));
    set.and_then(|()| socket.set_connect_timeout(CONNECT)).map_err(configuring)?;
    Ok(socket)
}

/// The DEALER of a subscriber.
pub(super) fn asking(context: &zmq::Context) -> Result<zmq::Socket> {
    let socket = socket(context, zmq::DEALER)?;
    socket.set_linger(0).and_then(|()| socket.set_connect_timeout(CONNECT)).map_err(configuring)?;
    Ok(socket)
}

/// What a publisher needs whoever made its sockets: to hear of every subscription, and of peers that are gone.
pub(super) fn prepare_publisher(live: &zmq::Socket, recovery: &zmq::Socket) -> Result<()> {
    let set = live.set_xpub_verbose(true).and_then(|()| recovery.set_router_mandatory(true));
    set.map_err(configuring)
}

pub(super) fn bind(socket: &zmq::Socket, endpoint: &str) -> Result<()> {
    allow_ipv6(socket, endpoint).map_err(configuring)?;
    socket.bind(endpoint).map_err(|error| transport("bind a socket of the feed", error))
}

pub(super) fn connect(socket: &zmq::Socket, endpoint: &str) -> Result<()> {
    allow_ipv6(socket, endpoint).map_err(configuring)?;
    socket.connect(endpoint).map_err(|error| transport("connect a socket of the feed", error))
}

/// Makes a connection that may be dead anew. inproc has none of these, and ends with the other socket.
pub(super) fn reconnect(socket: &zmq::Socket, endpoint: &str) {
    if !endpoint.starts_with("inproc:")
        && let Err(error) = socket.disconnect(endpoint).and_then(|()| socket.connect(endpoint))
    {
        warn!(target: "outband", %error, endpoint, "the feed goes on over a connection that may be dead");
    }
}

/// Where a socket is bound.
pub(super) fn endpoint(socket: &zmq::Socket) -> Result<String> {
    let endpoint = socket.get_last_endpoint().map_err(|error| transport("read ZMQ_LAST_ENDPOINT", error))?;
    Ok(endpoint.unwrap_or_default())
}

pub(super) fn check_type(socket: &zmq::Socket, wanted: zmq::SocketType, operation: &'static str) -> Result<()> {
    let kind = socket.get_socket_type().map_err(|error| transport("read ZMQ_TYPE", error))?;
    if kind == wanted {
        return Ok(());
    }
    let use_instead = match wanted {
        zmq::XPUB => "that takes an XPUB",
        zmq::ROUTER => "that takes a ROUTER",
        zmq::SUB => "that takes a SUB",
        _ => "that takes a DEALER",
    };
    Err(Detail::NoSuchDirection { socket: kind, operation, use_instead }.into())
}

pub(super) fn transport(operation: &'static str, error: zmq::Error) -> Error {
    Error::new(Detail::Socket { operation, error }).caused_by(error)
}

fn socket(context: &zmq::Context, kind: zmq::SocketType) -> Result<zmq::Socket> {
    let socket = context.socket(kind).map_err(|error| transport("make a socket of the feed", error))?;
    keep_alive(&socket, SILENCE).map_err(configuring)?;
    Ok(socket)
}

fn configuring(error: zmq::Error) -> Error {
    transport("set an option of a socket of the feed", error)
}
