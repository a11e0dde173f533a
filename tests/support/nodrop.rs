//! An XPUB that may not drop anything, which the `zmq` crate has no call for.

#![allow(unsafe_code, reason = "setsockopt is C's")]

/// Sets `ZMQ_XPUB_NODROP`.
pub(crate) fn set_nodrop(socket: &mut zmq::Socket) {
    let (socket, on): (_, libc::c_int) = (socket.as_mut_ptr(), 1);
    // SAFETY: the option takes an int, which lives across the call; the socket is open and used on this thread only.
    let status = unsafe {
        zmq_sys::zmq_setsockopt(socket, zmq_sys::ZMQ_XPUB_NODROP as i32, (&raw const on).cast(), size_of_val(&on))
    };
    assert_eq!(status, 0);
}
