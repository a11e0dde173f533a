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
    let mut incoming = Incoming::first(socket, wait)?;
    let envelope = open(&mut incoming)?;
    let message = incoming.into_message(limits)?;
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
    let mut incoming = Incoming::first(socket, wait)?;
    let envelope = open(&mut incoming)?;
    let (frames, bytes, value) = match incoming.into_lone_frame() {
        Ok(frame) => (1, frame.len(), codec.decode_frame(&frame)),
        Err(incoming) => {
            let message = incoming.into_message(&codec.limits())?;
            (1 + message.buffers().len(), message.total_len(), codec.decode(message))
        }
    };
    watch.received(socket, &envelope, frames, bytes);
    Ok((envelope, value?))
}
