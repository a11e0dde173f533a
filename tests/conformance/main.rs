//! One suite for every shell and every transport: what a socket does with objects is the same, whoever waits for it. So is
//! what a feed tells, and what becomes of a task.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod credit;
mod delivery;
mod feed;
#[path = "../support/full.rs"]
mod full;
mod handling;
#[path = "../support/patience.rs"]
mod patience;
mod patterns;
mod pipeline;
mod shell;
mod waiting;

use std::collections::BTreeSet;

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

/// No method is left out: whatever a blocking socket has, an async one has too, and is used here.
#[test]
fn the_suite_has_every_method_of_both_shells() {
    let names = |source: &'static str, form: &[&str]| -> BTreeSet<&'static str> {
        let lines = source.lines().map(str::trim_start);
        let signatures = lines.filter_map(|line| form.iter().find_map(|form| line.strip_prefix(form)));
        signatures.filter_map(|rest| rest.split(['<', '(']).next()).filter(|name| *name != "as_zmq").collect()
    };
    let blocking = names(include_str!("../../src/socket/extension.rs"), &["fn "]);
    assert!(blocking.len() > 40, "{blocking:?}");
    let asynchronous = [
        include_str!("../../src/socket/tokio/address.rs"),
        include_str!("../../src/socket/tokio/message.rs"),
        include_str!("../../src/socket/tokio/object.rs"),
    ];
    let asynchronous: BTreeSet<_> =
        asynchronous.iter().flat_map(|source| names(source, &["pub fn ", "pub async fn "])).collect();
    assert_eq!(blocking, asynchronous);
    let used = [include_str!("patterns.rs"), include_str!("waiting.rs"), include_str!("delivery.rs")].concat();
    let unused: Vec<_> = blocking
        .iter()
        .filter(|name| ![format!(".{name}("), format!(".{name}::<")].iter().any(|call| used.contains(call)))
        .collect();
    assert!(unused.is_empty(), "{unused:?}");
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
