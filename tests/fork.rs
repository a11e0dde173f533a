//! Fork: a child that touches an inherited socket is told, and the parent is not harmed.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(unsafe_code, reason = "fork and _exit are C's")]

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

use common::Place;
use outband::{ErrorKind, SocketExt};

/// Set in a process that plays the parent: it forks while it has one thread of ours, away from the test harness.
const PLAY: &str = "OUTBAND_TEST_FORK";

/// Runs `name` of this file in a process of its own.
fn in_a_process(name: &str) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(PLAY, name)
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}: {text}", output.status);
    assert!(text.contains("the parent is fine"), "{text}");
}

fn plays(name: &str) -> bool {
    std::env::var(PLAY).is_ok_and(|play| play == name)
}

/// Runs `child` in a forked child, which leaves without dropping anything; whether it returned without a panic.
fn forked(child: impl FnOnce()) -> bool {
    // SAFETY: the child runs on this thread alone, allocates (glibc's fork makes malloc usable) and ends in `_exit`.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        // SAFETY: alarm has no preconditions; it ends a child that hangs.
        unsafe { libc::alarm(20) };
        let status = i32::from(catch_unwind(AssertUnwindSafe(child)).is_err());
        // SAFETY: _exit has no preconditions; inherited sockets must not be dropped here.
        unsafe { libc::_exit(status) };
    }
    let mut status = 0;
    // SAFETY: `status` lives across the call.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
}

fn is_told(error: &outband::Error, parent: u32) {
    assert_eq!(error.kind(), ErrorKind::Caller);
    let text = error.to_string();
    assert!(text.contains(&parent.to_string()) && text.contains(&std::process::id().to_string()), "{text}");
}

/// Every way to use `socket` says that it belongs to `parent`.
fn every_use_is_refused(socket: &zmq::Socket, parent: u32) {
    is_told(&socket.send_obj(&1).unwrap_err(), parent);
    is_told(&socket.try_send_obj(&1).unwrap_err(), parent);
    is_told(&socket.recv_obj::<u32>().unwrap_err(), parent);
    is_told(&socket.try_recv_obj::<u32>().unwrap_err(), parent);
    is_told(&socket.recv_message().unwrap_err(), parent);
    let message = outband::to_multipart(&"kept").unwrap();
    let error = socket.send_message(message.clone()).unwrap_err();
    is_told(&error, parent);
    assert_eq!(error.into_message().unwrap(), message);
}

fn a_fresh_context_works() {
    for transport in common::TRANSPORTS {
        let place = Place::new(transport);
        let (rx, tx) = place.connected(zmq::PULL, zmq::PUSH);
        tx.send_obj("from the child").unwrap();
        assert_eq!(rx.recv_obj::<String>().unwrap(), "from the child");
    }
}

fn inherits(warm: bool) {
    let parent = std::process::id();
    for transport in common::TRANSPORTS {
        let place = Place::new(transport);
        let (rx, tx) = place.connected(zmq::PULL, zmq::PUSH);
        let (left, right) = place.connected(zmq::PAIR, zmq::PAIR);
        if warm {
            tx.send_obj(&0).unwrap();
            assert_eq!(rx.recv_obj::<i32>().unwrap(), 0);
        }
        let fine = forked(|| {
            for socket in [&tx, &rx, &left, &right] {
                every_use_is_refused(socket, parent);
            }
            a_fresh_context_works();
        });
        assert!(fine, "{transport}: the child failed");
        tx.send_obj(&1).unwrap();
        assert_eq!(rx.recv_obj::<i32>().unwrap(), 1);
        left.send_obj(&2).unwrap();
        assert_eq!(right.recv_obj::<i32>().unwrap(), 2);
    }
    println!("the parent is fine");
}

#[test]
fn a_child_is_told_that_a_socket_is_its_parents() {
    let name = "a_child_is_told_that_a_socket_is_its_parents";
    if plays(name) { inherits(true) } else { in_a_process(name) }
}

/// Also where libzmq wakes up by an eventfd, which does not say who made it: then each call is interrupted, as it says, and nothing
/// else.
#[test]
fn a_receive_in_a_child_ends_whatever_libzmq_it_is() {
    let name = "a_receive_in_a_child_ends_whatever_libzmq_it_is";
    if !plays(name) {
        return in_a_process(name);
    }
    for transport in common::TRANSPORTS {
        let place = Place::new(transport);
        let (rx, tx) = place.connected(zmq::PULL, zmq::PUSH);
        tx.send_obj(&0).unwrap();
        assert_eq!(rx.recv_obj::<i32>().unwrap(), 0);
        let fine = forked(|| {
            let is_told = |error: outband::Error| {
                let text = error.to_string();
                assert!(text.contains(&format!("child {}", std::process::id())), "{text}");
                assert_eq!(error.kind(), ErrorKind::Caller);
            };
            // so many that those are among them that wait without a look before
            for _ in 0..20 {
                is_told(rx.recv_obj::<u32>().unwrap_err());
                is_told(rx.recv_message().unwrap_err());
            }
            is_told(rx.try_recv_obj::<u32>().unwrap_err());
        });
        assert!(fine, "{transport}: the child failed");
        tx.send_obj(&1).unwrap();
        assert_eq!(rx.recv_obj::<i32>().unwrap(), 1);
    }
    println!("the parent is fine");
}

#[test]
fn a_child_is_told_even_when_the_parent_never_sent_anything() {
    let name = "a_child_is_told_even_when_the_parent_never_sent_anything";
    if plays(name) { inherits(false) } else { in_a_process(name) }
}

#[test]
fn sockets_made_after_a_fork_work_in_the_child_and_not_in_its_own_child() {
    let name = "sockets_made_after_a_fork_work_in_the_child_and_not_in_its_own_child";
    if !plays(name) {
        return in_a_process(name);
    }
    let fine = forked(|| {
        let place = Place::new("inproc");
        let (rx, tx) = place.connected(zmq::PULL, zmq::PUSH);
        let child = std::process::id();
        assert!(forked(|| every_use_is_refused(&tx, child)));
        tx.send_obj(&3).unwrap();
        assert_eq!(rx.recv_obj::<i32>().unwrap(), 3);
    });
    assert!(fine);
    println!("the parent is fine");
}

#[test]
fn a_child_that_forgets_its_inherited_sockets_may_end_normally() {
    let name = "a_child_that_forgets_its_inherited_sockets_may_end_normally";
    if !plays(name) {
        return in_a_process(name);
    }
    let place = Place::new("tcp");
    let (rx, tx) = place.connected(zmq::PULL, zmq::PUSH);
    let parent = std::process::id();
    let fine = forked(|| {
        is_told(&tx.send_obj(&1).unwrap_err(), parent);
        // exit drops nothing of this stack: what mem::forget does for sockets and contexts that would be dropped
        // SAFETY: no other thread of this process runs exit handlers.
        unsafe { libc::exit(0) }
    });
    assert!(fine);
    tx.send_obj(&4).unwrap();
    assert_eq!(rx.recv_obj::<i32>().unwrap(), 4);
    println!("the parent is fine");
}
