//! The least program that moves an object with one buffer as two frames, or with a list of buffers as many: what is left of a codec and of a socket's care when nothing
//! is checked, found or waited for.
//!
//! The metadata is what `send_obj` writes, byte for byte. Each buffer frame has an owner, which libzmq tells when it
//! is done (`zmq_msg_init_data` with a free function): one clone of an `Arc`.

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};
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
    /// The same, and the check of each buffer is made where it is sent and again where it has arrived, so that none is taken for
    /// another one: CRC-32 of four spots of 16 bytes, as `docs/wire.md` says.
    Checked,
}

/// The checks of buffers of more than 64 bytes. All spots of eight are read before the first sum is made, as they may be in no cache of this
/// core.
fn checks<'b>(buffers: impl Iterator<Item = &'b [u8]>, mut tell: impl FnMut(usize, u32)) {
    let (mut samples, mut waiting, mut told) = ([[0; 64]; 8], 0, 0);
    let mut sums = |samples: &[[u8; 64]], told: usize| {
        for (index, sample) in samples.iter().enumerate() {
            tell(told + index, crc32fast::hash(sample));
        }
    };
    for buffer in buffers {
        let last = buffer.len() - 16;
        for (spot, part) in samples[waiting].chunks_exact_mut(16).enumerate() {
            part.copy_from_slice(&buffer[spot * last / 3..][..16]);
        }
        waiting += 1;
        if waiting == samples.len() {
            sums(&samples, told);
            (told, waiting) = (told + waiting, 0);
        }
    }
    sums(&samples[..waiting], told);
}

#[derive(Serialize, Deserialize)]
struct Object<P> {
    id: u64,
    payload: P,
}

/// An extension value, by the name that rmp-serde has for one.
#[derive(Serialize, Deserialize)]
#[serde(rename = "_ExtStruct")]
struct Reference<'a>(#[serde(borrow)] (i8, &'a Bytes));

/// The references of a list of buffers.
struct List<'a>(&'a [(i8, Vec<u8>)]);

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|(kind, reference)| Reference((*kind, Bytes::new(reference)))))
    }
}

/// One object, ready to be sent.
pub(crate) struct Sender {
    metadata: Vec<u8>,
    id: u64,
    references: Vec<(i8, Vec<u8>)>,
    buffers: Vec<Arc<Vec<u8>>>,
    scratch: Vec<u8>,
}

impl Sender {
    /// Of the frames of an object: its metadata, and a buffer or a list of them.
    pub(crate) fn new(frames: &[Vec<u8>]) -> Self {
        let (metadata, buffers) = frames.split_first().unwrap();
        let Object { id, payload } = match buffers.len() {
            1 => {
                let Object { id, payload } = rmp_serde::from_slice(metadata).unwrap();
                Object { id, payload: vec![payload] }
            }
            _ => rmp_serde::from_slice::<Object<Vec<Reference<'_>>>>(metadata).unwrap(),
        };
        let references = payload.into_iter().map(|Reference((kind, bytes))| (kind, bytes.to_vec())).collect();
        let buffers = buffers.iter().cloned().map(Arc::new).collect();
        let mut sender = Self { metadata: metadata.clone(), id, references, buffers, scratch: Vec::new() };
        sender.encode();
        assert_eq!(sender.scratch, sender.metadata);
        sender
    }

    fn encode(&mut self) {
        self.scratch.clear();
        match &self.references[..] {
            [(kind, reference)] => {
                let payload = Reference((*kind, Bytes::new(reference)));
                rmp_serde::encode::write_named(&mut self.scratch, &Object { id: self.id, payload })
            }
            references => {
                rmp_serde::encode::write_named(&mut self.scratch, &Object { id: self.id, payload: List(references) })
            }
        }
        .unwrap();
    }

    pub(crate) fn send(&mut self, socket: &zmq::Socket, metadata: Metadata) {
        let socket = handle(socket);
        let bytes = match metadata {
            Metadata::ReadyMade => &self.metadata,
            Metadata::RmpSerde => {
                self.encode();
                &self.scratch
            }
            Metadata::Checked => {
                let Self { references, buffers, .. } = self;
                checks(buffers.iter().map(|buffer| &buffer[..]), |index, sum| {
                    let reference = &mut references[index].1;
                    let at = reference.len() - 4;
                    reference[at..].copy_from_slice(&sum.to_be_bytes());
                });
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

        for (index, buffer) in self.buffers.iter().enumerate() {
            let flags = if index + 1 < self.buffers.len() { ZMQ_SNDMORE as i32 } else { 0 };
            let (data, len) = (buffer.as_ptr().cast_mut().cast::<c_void>(), buffer.len());
            let owner = Arc::into_raw(buffer.clone()).cast_mut().cast::<c_void>();
            let mut message = zmq_msg_t::default();
            // SAFETY: the owner keeps the bytes alive until `release`
            assert_eq!(unsafe { zmq_sys::zmq_msg_init_data(&mut message, data, len, Some(release), owner) }, 0);
            // SAFETY: message and socket are valid
            assert!(unsafe { zmq_sys::zmq_msg_send(&mut message, socket, flags) } >= 0);
        }
    }
}

unsafe extern "C" fn release(_data: *mut c_void, owner: *mut c_void) {
    // SAFETY: `send` made the pointer of an `Arc` of this type, and libzmq calls a free function once
    drop(unsafe { Arc::from_raw(owner.cast::<Vec<u8>>()) });
}

/// Receives an object of so many buffers; their length. They are there together before they are let go of.
pub(crate) fn receive(socket: &zmq::Socket, metadata: Metadata, buffers: usize) -> usize {
    let socket = handle(socket);
    let mut message = take(socket);
    let mut frames: Vec<_> = (0..buffers).map(|_| take(socket)).collect();
    // SAFETY: the message is valid
    let data = unsafe { zmq_sys::zmq_msg_data(&mut message) };
    // SAFETY: the message is valid
    let len = unsafe { zmq_sys::zmq_msg_size(&message) };
    if metadata != Metadata::ReadyMade {
        let bytes = ptr::slice_from_raw_parts(data.cast::<u8>().cast_const(), len);
        // SAFETY: the message is valid and not closed as long as the object is there
        let bytes = unsafe { &*bytes };
        let is_sound = match buffers {
            1 => {
                let object: Object<Reference<'_>> = rmp_serde::from_slice(bytes).unwrap();
                object.id != 0 && object.payload.0.0 == 0x42 && is_checked(metadata, &[object.payload], &mut frames)
            }
            _ => {
                let object: Object<Vec<Reference<'_>>> = rmp_serde::from_slice(bytes).unwrap();
                object.id != 0 && object.payload.len() == buffers && is_checked(metadata, &object.payload, &mut frames)
            }
        };
        assert!(is_sound);
    }
    close(message);
    let mut total = 0;
    for frame in frames {
        // SAFETY: the message is valid
        total += unsafe { zmq_sys::zmq_msg_size(&frame) };
        close(frame);
    }
    total
}

/// Whether each frame is the one that its reference means.
fn is_checked(metadata: Metadata, references: &[Reference<'_>], frames: &mut [zmq_msg_t]) -> bool {
    let mut is_sound = true;
    if metadata == Metadata::Checked {
        let bytes = frames.iter_mut().map(|frame| {
            // SAFETY: the message is valid
            let data = unsafe { zmq_sys::zmq_msg_data(frame) }.cast::<u8>().cast_const();
            // SAFETY: as above
            let len = unsafe { zmq_sys::zmq_msg_size(frame) };
            // SAFETY: the message is valid and not closed before the check was made
            unsafe { std::slice::from_raw_parts(data, len) }
        });
        checks(bytes, |index, sum| is_sound &= references[index].0.1.ends_with(&sum.to_be_bytes()));
    }
    is_sound
}

fn close(mut message: zmq_msg_t) {
    // SAFETY: the message is valid and not used again
    assert_eq!(unsafe { zmq_sys::zmq_msg_close(&mut message) }, 0);
}

fn take(socket: *mut c_void) -> zmq_msg_t {
    let mut message = zmq_msg_t::default();
    // SAFETY: `message` is uninitialised as zmq_msg_init expects
    assert_eq!(unsafe { zmq_sys::zmq_msg_init(&mut message) }, 0);
    // SAFETY: message and socket are valid
    assert!(unsafe { zmq_sys::zmq_msg_recv(&mut message, socket, 0) } >= 0);
    message
}
