//! One message through one socket: encode and send, receive and decode.

use super::receive::Incoming;
use super::send::{self, Outgoing};
use super::trace::Watch;
use super::{Envelope, Wait};
use crate::codec::{Decode, Encode};
use crate::error::Result;
use crate::limits::Limits;
use crate::multipart::Multipart;
use crate::scratch;

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
            return send::send(socket, &Outgoing::new(envelope, &message), wait, &watch);
        }
        send::send(socket, &Outgoing::from_scratch(envelope, metadata, &buffers), wait, &watch)
    })
}

pub(super) fn send_owned(socket: &zmq::Socket, message: Multipart, envelope: &[&[u8]], wait: Wait) -> Result<()> {
    let watch = Watch::start();
    send::send(socket, &Outgoing::new(envelope, &message), wait, &watch)
        .map_err(|error| error.with_payload(Box::new(message)))
}

/// Takes the frames before the metadata off the front of a message.
pub(super) type Open = fn(&mut Incoming<'_>) -> Result<Envelope>;

pub(super) fn receive(socket: &zmq::Socket, limits: &Limits, wait: Wait, open: Open) -> Result<(Envelope, Multipart)> {
    let watch = Watch::start();
    let mut incoming = Incoming::on(socket);
    incoming.first(wait)?;
    let received = open(&mut incoming).and_then(|envelope| Ok((envelope, incoming.message(limits)?)));
    incoming.finish();
    let (envelope, message) = received?;
    watch.received(socket, &envelope, 1 + message.buffers().len(), message.total_len());
    Ok((envelope, message))
}

pub(super) fn receive_and_decode<T, C: Decode<T>>(
    socket: &zmq::Socket,
    codec: &C,
    wait: Wait,
    open: Open,
) -> Result<(Envelope, T)> {
    let watch = Watch::start();
    let mut incoming = Incoming::on(socket);
    incoming.first(wait)?;
    let opened = open(&mut incoming);
    if let (Ok(envelope), Some(frame)) = (&opened, incoming.lone_frame()) {
        let value = codec.decode_frame(frame);
        watch.received(socket, envelope, 1, frame.len());
        return Ok((opened?, value?));
    }
    let received = opened.and_then(|envelope| Ok((envelope, incoming.message(&codec.limits())?)));
    incoming.finish();
    let (envelope, message) = received?;
    let (frames, bytes) = (1 + message.buffers().len(), message.total_len());
    let value = codec.decode(message);
    watch.received(socket, &envelope, frames, bytes);
    Ok((envelope, value?))
}
