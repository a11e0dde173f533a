//! Real pandas, of versions 2 and 3, and real pyarrow: what they pickle is read as tables, and is what it was when it comes back.

#![cfg(feature = "arrow")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use arrow_array::Array;
use outband::{Decode, Encode, Error, Multipart, Pickle, SocketExt, Table, memory};
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

/// The block, and in pandas 3 the offsets and the text of the labels.
fn frames_of_one_dtype(packages: Packages) -> usize {
    match packages {
        Packages::Current => 3,
        Packages::Older => 1,
    }
}

fn every_object_is_what_it_was(packages: Packages) {
    let (socket, endpoint) = pair();
    let script = Script::start_with(packages, "frames.py", &[&endpoint]);
    let codec = Pickle::new();
    let (mut tables, mut in_place) = (0, 0);
    loop {
        let (name, message) = socket.recv_topic_message().unwrap();
        let name = text(&name);
        if name == "end" {
            break;
        }
        let frames: Vec<_> = message.buffers().to_vec();
        let copied = memory::copied_bytes();
        let decoded = Decode::<Table>::decode(&Pickle::new(), message);
        let copied = memory::copied_bytes() - copied;
        if let (Ok(table), "one dtype in Fortran order, out of band") = (&decoded, &*name) {
            assert_eq!((frames.len(), copied), (frames_of_one_dtype(packages), 0));
            for column in table.batch().columns() {
                let data = column.to_data();
                assert!(frames[0].as_ptr_range().contains(&data.buffers()[0].as_ptr()), "a column was copied");
            }
            in_place += 1;
        }
        match decoded {
            Ok(table) => {
                socket.send_obj(&Answer::Table(table.clone())).unwrap();
                let pickled = codec.encode(&table);
                let refused = |error: Error| Multipart::new(format!("refused: {error}"), vec![]);
                socket.send_message(pickled.unwrap_or_else(refused)).unwrap();
            }
            Err(error) => {
                socket.send_obj(&Answer::Refused(error.to_string())).unwrap();
                socket.send_message(Multipart::new(&b"refused: no table"[..], vec![])).unwrap();
            }
        }
        tables += 1;
    }
    assert!(tables > 400 && in_place == 1, "{tables} tables");
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
