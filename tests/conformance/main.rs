//! One suite for every shell and every transport: what a socket does with objects is the same, whoever waits for it. So is
//! what a feed tells, and what becomes of a task.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod delivery;
mod feed;
mod handling;
#[path = "../support/patience.rs"]
mod patience;
mod patterns;
mod pipeline;
mod shell;
mod waiting;

use common::{Place, TRANSPORTS};
use outband::Buffer;
use serde::{Deserialize, Serialize};
use shell::{Shell, Test};

/// Runs a test with every shell over every transport.
fn everywhere<T: Test>(test: T) {
    for transport in TRANSPORTS {
        test.run::<zmq::Socket>(&Place::new(transport));
        #[cfg(feature = "tokio")]
        {
            test.run::<shell::OneThread>(&Place::new(transport));
            test.run::<shell::ManyThreads>(&Place::new(transport));
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Object {
    name: String,
    buffers: Vec<Buffer>,
}

fn object(count: usize, len: usize) -> Object {
    let buffers = (0..count).map(|index| Buffer::from_vec(vec![index as u8; len])).collect();
    Object { name: format!("{count} of {len}"), buffers }
}

/// No, one and many buffers; empty, small and large ones; metadata of every length that is sent in its own way.
fn objects() -> Vec<Object> {
    let mut objects = vec![object(0, 0), object(1, 0), object(1, 100), object(1, 10_000), object(64, 9_000)];
    objects.extend([object(3, 1 << 20), Object { name: "n".repeat(1000), buffers: vec![] }]);
    objects.push(Object { name: "n".repeat(100_000), buffers: vec![Buffer::from_vec(vec![1_u8; 10_000])] });
    objects
}

/// Two connected sockets in their shells; the first one is bound.
fn connected<S: Shell>(place: &Place, bound: zmq::SocketType, connected: zmq::SocketType) -> (S, S) {
    let (bound, connected) = place.connected(bound, connected);
    (S::wrap(bound), S::wrap(connected))
}
