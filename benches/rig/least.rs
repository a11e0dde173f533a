//! The least program that moves an object with one buffer as two frames: what is left of a codec and of a socket's care when nothing
//! is checked, found or waited for.
//!
//! The metadata is what `send_obj` writes, byte for byte. Each message has a buffer frame with an owner, which libzmq tells when it
//! is done (`zmq_msg_init_data` with a free function): one clone of an `Arc`.

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_bytes::Bytes;
use zmq_sys::{ZMQ_SNDMORE, zmq_msg_t};

use super::raw::handle;

/// Whether the metadata is encoded and decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metadata {
    /// It is there beforehand, and not looked at.
    ReadyMade,
    /// By rmp-serde, into memory that is used again, and out of the frame without copying.
    RmpSerde,
}

#[derive(Serialize, Deserialize)]
struct Object<'a> {
    id: u64,
    #[serde(borrow)]
    payload: Reference<'a>,
}

/// An extension value, by the name that rmp-serde has for one.
#[derive(Serialize, Deserialize)]
#[serde(rename = "_ExtStruct")]
struct Reference<'a>(#[serde(borrow)] (i8, &'a Bytes));

/// One object, ready to be sent.
pub(crate) struct Sender {
    metadata: Vec<u8>,
    id: u64,
    kind: i8,
    reference: Vec<u8>,
    buffer: Arc<Vec<u8>>,
    scratch: Vec<u8>,
}

impl Sender {
    /// Of the frames of an object.
    pub(crate) fn new(frames: &[Vec<u8>]) -> Self {
        let [metadata, buffer] = frames else { panic!("{} frames, not 2", frames.len()) };
        let Object { id, payload: Reference((kind, reference)) } = rmp_serde::from_slice(metadata).unwrap();
        let (metadata, reference) = (metadata.clone(), reference.to_vec());
        let mut sender = Self { metadata, id, kind, reference, buffer: Arc::new(buffer.clone()), scratch: Vec::new() };
        sender.encode();
        assert_eq!(sender.scratch, sender.metadata);
        sender
    }

    fn encode(&mut self) {
        let reference = Reference((self.kind, Bytes::new(&self.reference)));
        self.scratch.clear();
        rmp_serde::encode::write_named(&mut self.scratch, &Object { id: self.id, payload: reference }).unwrap();
    }

    pub(crate) fn send(&mut self, socket: &zmq::Socket, metadata: Metadata) {
        let socket = handle(socket);
        let bytes = match metadata {
            Metadata::ReadyMade => &self.metadata,
            Metadata::RmpSerde => {
                self.encode();
                &self.scratch
            }
        };
        let mut message = zmq_msg_t::default();
        // SAFETY: `message` is uninitialised as zmq_msg_init_size expects
        assert_eq!(unsafe { zmq_sys::zmq_msg_init_size(&mut message, bytes.len()) }, 0);
        // SAFETY: the message was just made
        let data = unsafe { zmq_sys::zmq_msg_data(&mut message) };
        // SAFETY: the message has room for all the bytes
        unsafe { data.cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        // SAFETY: message and socket are valid
        assert!(unsafe { zmq_sys::zmq_msg_send(&mut message, socket, ZMQ_SNDMORE as i32) } >= 0);

        let (data, len) = (self.buffer.as_ptr().cast_mut().cast::<c_void>(), self.buffer.len());
        let owner = Arc::into_raw(self.buffer.clone()).cast_mut().cast::<c_void>();
        let mut message = zmq_msg_t::default();
        // SAFETY: the owner keeps the bytes alive until `release`
        assert_eq!(unsafe { zmq_sys::zmq_msg_init_data(&mut message, data, len, Some(release), owner) }, 0);
        // SAFETY: message and socket are valid
        assert!(unsafe { zmq_sys::zmq_msg_send(&mut message, socket, 0) } >= 0);
    }
}

unsafe extern "C" fn release(_data: *mut c_void, owner: *mut c_void) {
    // SAFETY: `send` made the pointer of an `Arc` of this type, and libzmq calls a free function once
    drop(unsafe { Arc::from_raw(owner.cast::<Vec<u8>>()) });
}

/// Receives an object; the length of its buffer.
pub(crate) fn receive(socket: &zmq::Socket, metadata: Metadata) -> usize {
    let socket = handle(socket);
    let mut message = take(socket);
    // SAFETY: the message is valid
    let data = unsafe { zmq_sys::zmq_msg_data(&mut message) };
    // SAFETY: the message is valid
    let len = unsafe { zmq_sys::zmq_msg_size(&message) };
    if metadata == Metadata::RmpSerde {
        let bytes = ptr::slice_from_raw_parts(data.cast::<u8>().cast_const(), len);
        // SAFETY: the message is valid and not closed as long as the object is there
        let object: Object<'_> = rmp_serde::from_slice(unsafe { &*bytes }).unwrap();
        assert!(object.id != 0 && object.payload.0.0 == 0x42);
    }
    // SAFETY: the message is valid and not used again
    assert_eq!(unsafe { zmq_sys::zmq_msg_close(&mut message) }, 0);
    let mut message = take(socket);
    // SAFETY: the message is valid
    let len = unsafe { zmq_sys::zmq_msg_size(&message) };
    // SAFETY: the message is valid and not used again
    assert_eq!(unsafe { zmq_sys::zmq_msg_close(&mut message) }, 0);
    len
}

fn take(socket: *mut c_void) -> zmq_msg_t {
    let mut message = zmq_msg_t::default();
    // SAFETY: `message` is uninitialised as zmq_msg_init expects
    assert_eq!(unsafe { zmq_sys::zmq_msg_init(&mut message) }, 0);
    // SAFETY: message and socket are valid
    assert!(unsafe { zmq_sys::zmq_msg_recv(&mut message, socket, 0) } >= 0);
    message
}
