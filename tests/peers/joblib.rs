//! Real joblib, of two versions, at the other end: what it dumps with NumPy arrays is read in place, and is what it was as a pickle.

#![cfg(all(feature = "arrow", feature = "zlib"))]

use std::fs;
use std::process::Command;

use arrow_array::Array as _;
use outband::{Array, Decode, Encode, MsgPack, Multipart, Pickle, SocketExt, Table, Value, Zipped, memory};
use serde::Deserialize;

use crate::python;
use crate::python::{Packages, Script};

/// What a script sent of one file.
struct Sent {
    name: String,
    expected: Vec<u8>,
    file: Multipart,
}

fn receive(socket: &zmq::Socket) -> Sent {
    let parts = socket.recv_message().unwrap();
    let name = String::from_utf8(parts.metadata().to_vec()).unwrap();
    let [expected, file] = parts.buffers() else { panic!("{} parts after {name}", parts.buffers().len()) };
    Sent { name, expected: expected.to_vec(), file: Multipart::new(file.clone(), vec![]) }
}

#[derive(Deserialize)]
struct Model {
    weights: Array,
}

fn decode(name: &str, file: Multipart) -> outband::Result<Value> {
    match name.ends_with("of zlib") || name.starts_with("table of zlib") {
        true => Zipped::new(Pickle::new()).decode(file),
        false => Pickle::new().decode(file),
    }
}

fn every_file_is_read(packages: Packages, seed: &str) {
    let socket = zmq::Context::new().socket(zmq::PAIR).unwrap();
    socket.set_rcvtimeo(60_000).unwrap();
    socket.set_sndtimeo(60_000).unwrap();
    socket.set_linger(0).unwrap();
    socket.bind("tcp://127.0.0.1:*").unwrap();
    let endpoint = socket.get_last_endpoint().unwrap().unwrap();
    let (_, port) = endpoint.rsplit_once(':').unwrap();
    let script = Script::start_with(packages, "joblib_files.py", &[port, seed]);
    let [mut files, mut refusals, mut tables, mut models] = [0; 4];
    loop {
        let Sent { name, expected, file } = receive(&socket);
        if name == "end" {
            break;
        }
        if expected.starts_with(b"refused: ") {
            let error = Decode::<Value>::decode(&Pickle::new(), file).unwrap_err();
            assert!(error.is_peer(), "{name}: {error}");
            socket.send_with(&Pickle::new(), &error.to_string()).unwrap();
            refusals += 1;
            continue;
        }
        let value = decode(&name, file.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
        match expected.is_empty() {
            true => tables += 1,
            false => {
                let expected: Value = MsgPack::new().decode(Multipart::new(expected, vec![])).unwrap();
                assert_eq!(plainly(&value), expected, "{name}");
            }
        }
        if name == "long" {
            let copied = memory::copied_bytes();
            let Model { weights } = Pickle::new().decode(file.clone()).unwrap();
            assert_eq!(memory::copied_bytes(), copied);
            assert!(file.metadata().as_ptr_range().contains(&weights.data().as_ptr()), "it was copied");
            // joblib pads to 16 bytes since 1.2, and a long frame lies at a multiple of eight
            if matches!(packages, Packages::Current) {
                assert!(weights.as_slice::<i64>().unwrap().iter().copied().eq(0..100_000));
            }
            models += 1;
        }
        socket.send_message(Pickle::new().encode(&value).unwrap()).unwrap();
        files += 1;
    }
    assert!(files > 550 && refusals == 9 && tables == 8 && models == 1, "{files}, {refusals}, {tables}, {models}");
    script.finish();
}

/// The same without what says that a sequence is a tuple.
fn plainly(value: &Value) -> Value {
    match value.plain() {
        Value::List(elements) => Value::List(elements.iter().map(plainly).collect()),
        Value::Map(entries) => Value::Map(entries.iter().map(|(key, value)| (plainly(key), plainly(value))).collect()),
        other => other.clone(),
    }
}

#[test]
fn what_joblib_dumps_is_read_and_comes_back_the_same() {
    every_file_is_read(Packages::Current, "20261127");
}

#[test]
fn what_joblib_without_padding_dumps_is_read_and_comes_back_the_same() {
    every_file_is_read(Packages::Older, "20261128");
}

#[test]
fn what_to_pickle_of_pandas_writes_is_read_or_named_by_what_compressed_it() {
    for packages in [Packages::Current, Packages::Older] {
        let folder = tempfile::tempdir().unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/to_pickle.py");
        let endings = ["pkl", "pkl.gz", "pkl.bz2", "pkl.xz", "pkl.zip", "pkl.tar", "pkl.tar.gz"];
        let packings = ["", "gzip", "bzip2", "xz", "zip", "tar", "gzip"];
        python::run(Command::new(python::python_with(packages)).args(["-B", script]).arg(folder.path()).args(endings));
        for (ending, packing) in endings.into_iter().zip(packings) {
            let file = fs::read(folder.path().join(format!("frame.{ending}"))).unwrap();
            match Decode::<Table>::decode(&Pickle::new(), Multipart::new(file, vec![])) {
                Ok(table) => {
                    assert_eq!((packing, table.rows(), table.batch().num_columns()), ("", 3, 3));
                    let text = table.batch().column_by_name("text").unwrap();
                    assert_eq!(text.null_count(), 1);
                }
                Err(error) => {
                    let expected = format!("begins as {packing} data does: decompress it first");
                    assert!(error.is_peer() && error.to_string().contains(&expected), "{ending}: {error}");
                }
            }
        }
    }
}
