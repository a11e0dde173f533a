//! Real pandas, of versions 2 and 3, and real pyarrow: what they pickle is read as tables, and is what it was when it comes back.

#![cfg(feature = "arrow")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use outband::{Decode, Pickle, SocketExt, Table};
use serde::{Deserialize, Serialize};

use python::{Packages, Script};

#[path = "support/python.rs"]
mod python;

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn pair() -> (zmq::Socket, String) {
    let socket = zmq::Context::new().socket(zmq::PAIR).unwrap();
    socket.set_sndtimeo(60_000).unwrap();
    socket.set_rcvtimeo(60_000).unwrap();
    socket.set_linger(0).unwrap();
    socket.bind("tcp://127.0.0.1:*").unwrap();
    let endpoint = socket.get_last_endpoint().unwrap().unwrap();
    (socket, endpoint)
}

/// What comes back: the table, or why there is none.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Answer {
    Table(Table),
    Refused(String),
}

fn every_object_is_what_it_was(packages: Packages) {
    let (socket, endpoint) = pair();
    let script = Script::start_with(packages, "frames.py", &[&endpoint]);
    let mut tables = 0;
    loop {
        let (name, message) = socket.recv_topic_message().unwrap();
        let name = text(&name);
        if name == "end" {
            break;
        }
        let answer = match Decode::<Table>::decode(&Pickle::new(), message) {
            Ok(table) => Answer::Table(table),
            Err(error) => Answer::Refused(error.to_string()),
        };
        socket.send_obj(&answer).unwrap();
        tables += 1;
    }
    assert!(tables > 400, "only {tables} tables");
    script.finish();
}

#[test]
fn what_pandas_3_pickles_is_read_and_comes_back_the_same() {
    every_object_is_what_it_was(Packages::Current);
}

#[test]
fn what_pandas_2_pickles_is_read_and_comes_back_the_same() {
    every_object_is_what_it_was(Packages::Older);
}
