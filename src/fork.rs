//! Whether a socket came through a fork: libzmq's sockets do not survive one.
//!
//! The I/O threads stay with the parent. A child that sends on an inherited socket loses the message with every call
//! `Ok`, and one that closes it makes the parent abort (measured with libzmq 4.3.4 as `zmq-sys` builds it). A plain
//! socket has nowhere to note its process, so: a flag is raised in every forked child, and only there each socket is asked
//! who made the descriptor it wakes up by. Where that is an eventfd, as in most distributions' libzmq, it does not say, and
//! nothing is refused but a receive, which such a libzmq says is interrupted, again and again (`frame::uninterrupted`).

#![allow(unsafe_code, reason = "pthread_atfork, getsockopt and the list of functions to run at load time are C's")]

use std::sync::atomic::{AtomicBool, Ordering};

/// The process that made a socket, when it is not this one; `None` also where that cannot be known.
#[inline]
pub(crate) fn foreign_owner(socket: &zmq::Socket) -> Option<u32> {
    if IS_CHILD.load(Ordering::Relaxed) { owner(socket).filter(|&owner| owner != std::process::id()) } else { None }
}

/// Raised by [`in_child`] in every process that was forked from one with this crate in it.
static IS_CHILD: AtomicBool = AtomicBool::new(false);

extern "C" fn in_child() {
    IS_CHILD.store(true, Ordering::Relaxed);
}

#[cfg(target_os = "linux")]
extern "C" fn at_load() {
    // SAFETY: `in_child` only stores to an atomic, which is safe in a child of a process with many threads.
    unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
}

/// Run by the loader before `main`, so that a fork before the first message is noticed too.
#[cfg(target_os = "linux")]
#[used]
// SAFETY: the section holds pointers to functions that the loader calls; `at_load` needs nothing that is not there yet.
#[unsafe(link_section = ".init_array")]
static AT_LOAD: extern "C" fn() = at_load;

/// The process that created the socket's wake-up descriptor: libzmq makes it with `socketpair`, which notes the creator.
#[cfg(target_os = "linux")]
fn owner(socket: &zmq::Socket) -> Option<u32> {
    let fd = socket.get_fd().ok()?;
    let mut credentials = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    let out = (&raw mut credentials).cast();
    // SAFETY: `out` and `len` describe a `ucred` that lives across the call, which is what SO_PEERCRED writes.
    let status = unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_PEERCRED, out, &mut len) };
    if status == 0 { u32::try_from(credentials.pid).ok() } else { None }
}

#[cfg(not(target_os = "linux"))]
fn owner(_socket: &zmq::Socket) -> Option<u32> {
    let _ = in_child as extern "C" fn();
    None
}
