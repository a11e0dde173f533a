//! libzmq as C calls it.

use std::ffi::c_void;

use zmq_sys::{ZMQ_SNDMORE, zmq_msg_t};

/// Frames up to here are copied into the message, as C programs do with small ones.
const COPY_UP_TO: usize = 512;

pub(super) fn handle(socket: &zmq::Socket) -> *mut c_void {
    // `zmq::Socket` gives its handle only to a `&mut`; its first field is the handle
    // SAFETY: zmq 0.10's Socket begins with `sock: *mut c_void`; checked against a working call by every run
    unsafe { *std::ptr::from_ref(socket).cast::<*mut c_void>() }
}

pub(crate) fn send(socket: &zmq::Socket, frames: &[Vec<u8>]) {
    let socket = handle(socket);
    for (index, frame) in frames.iter().enumerate() {
        let flags = if index + 1 < frames.len() { ZMQ_SNDMORE as i32 } else { 0 };
        let mut message = zmq_msg_t::default();
        if frame.len() <= COPY_UP_TO {
            // SAFETY: `message` is uninitialised as zmq_msg_init_size expects
            let made = unsafe { zmq_sys::zmq_msg_init_size(&mut message, frame.len()) };
            assert_eq!(made, 0);
            // SAFETY: the message was just made
            let data = unsafe { zmq_sys::zmq_msg_data(&mut message) };
            // SAFETY: the message has room for the whole frame
            unsafe { data.cast::<u8>().copy_from_nonoverlapping(frame.as_ptr(), frame.len()) };
        } else {
            let data = frame.as_ptr().cast_mut().cast::<c_void>();
            let none = std::ptr::null_mut();
            // SAFETY: the frames live until the receiver has said that it has them all
            let made = unsafe { zmq_sys::zmq_msg_init_data(&mut message, data, frame.len(), None, none) };
            assert_eq!(made, 0);
        }
        // SAFETY: message and socket are valid
        let sent = unsafe { zmq_sys::zmq_msg_send(&mut message, socket, flags) };
        assert!(sent >= 0);
    }
}

/// Receives a message; the length of all its frames.
pub(crate) fn receive(socket: &zmq::Socket) -> usize {
    let socket = handle(socket);
    let mut total = 0;
    loop {
        let mut message = zmq_msg_t::default();
        // SAFETY: `message` is uninitialised as zmq_msg_init expects
        assert_eq!(unsafe { zmq_sys::zmq_msg_init(&mut message) }, 0);
        // SAFETY: message and socket are valid
        assert!(unsafe { zmq_sys::zmq_msg_recv(&mut message, socket, 0) } >= 0);
        // SAFETY: the message is valid
        total += unsafe { zmq_sys::zmq_msg_size(&message) };
        // SAFETY: the message is valid
        let more = unsafe { zmq_sys::zmq_msg_more(&message) };
        // SAFETY: the message is valid and not used again
        assert_eq!(unsafe { zmq_sys::zmq_msg_close(&mut message) }, 0);
        if more == 0 {
            return total;
        }
    }
}
