//! One message through one socket: encode and send, receive and decode.

use std::borrow::BorrowMut;

use super::blocking;
use super::envelope::{Envelope, Open};
use super::guard::Wait;
use super::outgoing::Outgoing;
use super::receive::Incoming;
use super::send;
use super::trace::Watch;
use crate::buffer::{Buffer, spare};
use crate::codec::{Decode, Encode};
use crate::error::Result;
use crate::frame::{self, InPlace, RECEIVE_ARENA};
use crate::limits::Limits;
use crate::multipart::Multipart;
use crate::scratch;
use crate::tracker::Tracker;

pub(super) fn encode_and_send<T: ?Sized, C: Encode<T>>(
    socket: &zmq::Socket,
    codec: &C,
    value: &T,
    envelope: &[&[u8]],
    wait: Wait,
) -> Result<()> {
    let watch = Watch::start();
    scratch::with(|metadata| {
        let buffers = codec.encode_into(value, metadata)?;
        if scratch::is_long(metadata) {
            let message = Multipart::new(scratch::freeze(metadata), buffers);
            return blocking::send(socket, &Outgoing::new(envelope, &message), wait, &watch);
        }
        let sent = blocking::send(socket, &Outgoing::from_scratch(envelope, metadata, &buffers), wait, &watch);
        spare::let_go(buffers);
        sent
    })
}

/// Sends a value back the way that a request came.
pub(super) fn encode_and_send_via<T: ?Sized, C: Encode<T>>(
    socket: &zmq::Socket,
    codec: &C,
    value: &T,
    envelope: &Envelope,
    wait: Wait,
) -> Result<()> {
    send::check_routable(socket, envelope)?;
    encode_and_send(socket, codec, value, &envelope.frames(), wait)
}

/// As [`encode_and_send_via`], for a message.
pub(super) fn send_via(socket: &zmq::Socket, message: Multipart, envelope: &Envelope, wait: Wait) -> Result<()> {
    match send::check_routable(socket, envelope) {
        Ok(()) => send_owned(socket, message, &envelope.frames(), wait),
        Err(error) => Err(error.with_payload(Box::new(message))),
    }
}

pub(super) fn send_owned(socket: &zmq::Socket, message: Multipart, envelope: &[&[u8]], wait: Wait) -> Result<()> {
    let watch = Watch::start();
    blocking::send(socket, &Outgoing::new(envelope, &message), wait, &watch)
        .map_err(|error| error.with_payload(Box::new(message)))
}

pub(super) fn encode_and_track<T: ?Sized, C: Encode<T>>(socket: &zmq::Socket, codec: &C, value: &T) -> Result<Tracker> {
    let watch = Watch::start();
    track(socket, codec.encode(value)?, &watch)
}

pub(super) fn send_tracked(socket: &zmq::Socket, message: Multipart) -> Result<Tracker> {
    track(socket, message, &Watch::start())
}

fn track(socket: &zmq::Socket, message: Multipart, watch: &Watch) -> Result<Tracker> {
    let (tracker, hold) = Tracker::new();
    let outgoing = Outgoing::new(&[], &message).held_by(Some(&hold));
    match blocking::send(socket, &outgoing, Wait::AsTheSocketSays, watch) {
        Ok(()) => Ok(tracker),
        Err(error) => Err(error.with_payload(Box::new(message))),
    }
}

/// A message that is off the socket and not decoded yet.
pub(super) struct Taken {
    /// The metadata, where libzmq put it.
    metadata: zmq::Message,
    buffers: Vec<Buffer>,
}

impl Taken {
    /// Takes what follows the envelope. What is refused is taken off the socket all the same.
    pub(super) fn of<F: BorrowMut<zmq::Message>>(incoming: Incoming<'_, F>, limits: &Limits) -> Result<Self> {
        let (metadata, buffers) = incoming.into_parts(limits)?;
        Ok(Self { metadata, buffers })
    }

    /// The number of its frames, and their length.
    pub(super) fn size(&self) -> (usize, usize) {
        let buffers: usize = self.buffers.iter().map(Buffer::len).sum();
        (1 + self.buffers.len(), self.metadata.len() + buffers)
    }

    pub(super) fn decode<T, C: Decode<T>>(self, codec: &C) -> Result<T> {
        let Self { metadata, buffers } = self;
        let bytes = &metadata[..];
        if bytes.len() > RECEIVE_ARENA {
            return codec.decode(Multipart::new(frame::adopt(metadata), buffers));
        }
        // it may lie in libzmq's receive arena, which it gives back when it was decoded
        if buffers.is_empty() { codec.decode_frame(bytes) } else { codec.decode_parts(bytes, buffers) }
    }
}

/// Takes all frames off the socket, whose first one is in hand. A message that is refused is taken off all the same.
pub(super) fn take_whole<F: BorrowMut<zmq::Message>>(
    mut incoming: Incoming<'_, F>,
    limits: &Limits,
    open: Open,
) -> Result<(Envelope, Multipart)> {
    let envelope = open.envelope(&mut incoming)?;
    Ok((envelope, incoming.message(limits)?))
}

/// The frames before the metadata; and the metadata, where nothing follows it and it is short.
fn lone<'i>(
    incoming: &'i mut Incoming<'_, &mut zmq::Message>,
    open: Open,
    limits: &Limits,
) -> Result<(Envelope, Option<&'i [u8]>)> {
    let envelope = open.envelope(incoming)?;
    incoming.check_with_envelope(limits)?;
    Ok((envelope, incoming.lone_frame()))
}

/// Receives and decodes a value that nothing stands before, or a delimiter: what [`Open::None`] opens.
pub(super) fn receive_value<T, C: Decode<T>>(socket: &zmq::Socket, codec: &C, wait: Wait) -> Result<T> {
    let watch = Watch::start();
    let mut place = InPlace::new();
    let mut incoming = Incoming::into(place.empty(), socket);
    incoming.first(wait)?;
    // a lone frame has nothing before it, and the empty envelope is one move less of what was just written
    if let Some(frame) = incoming.lone_frame() {
        let value = codec.decode_frame(frame);
        if watch.listens() {
            watch.received(|| socket.get_socket_type().ok(), &Envelope::EMPTY, (1, frame.len()));
        }
        return value;
    }
    open_and_decode(socket, incoming, codec, Open::None, &watch).map(|(_, value)| value)
}

pub(super) fn receive(socket: &zmq::Socket, limits: &Limits, wait: Wait, open: Open) -> Result<(Envelope, Multipart)> {
    let watch = Watch::start();
    let mut place = InPlace::new();
    let mut incoming = Incoming::into(place.empty(), socket);
    incoming.first(wait)?;
    let (envelope, message) = take_whole(incoming, limits, open)?;
    let size = (1 + message.buffers().len(), message.total_len());
    watch.received(|| socket.get_socket_type().ok(), &envelope, size);
    Ok((envelope, message))
}

pub(super) fn receive_and_decode<T, C: Decode<T>>(
    socket: &zmq::Socket,
    codec: &C,
    wait: Wait,
    open: Open,
) -> Result<(Envelope, T)> {
    let watch = Watch::start();
    let mut place = InPlace::new();
    let mut incoming = Incoming::into(place.empty(), socket);
    incoming.first(wait)?;
    open_and_decode(socket, incoming, codec, open, &watch)
}

fn open_and_decode<T, C: Decode<T>>(
    socket: &zmq::Socket,
    mut incoming: Incoming<'_, &mut zmq::Message>,
    codec: &C,
    open: Open,
    watch: &Watch,
) -> Result<(Envelope, T)> {
    let limits = codec.limits();
    let (envelope, size, value) = match lone(&mut incoming, open, &limits)? {
        // decoded where it is: wide moves of what libzmq has just written in narrow ones stall
        (envelope, Some(frame)) => (envelope, (1, frame.len()), codec.decode_frame(frame)),
        (envelope, None) => {
            let taken = Taken::of(incoming, &limits)?;
            (envelope, if watch.listens() { taken.size() } else { (0, 0) }, taken.decode(codec))
        }
    };
    watch.received(|| socket.get_socket_type().ok(), &envelope, size);
    Ok((envelope, value?))
}
