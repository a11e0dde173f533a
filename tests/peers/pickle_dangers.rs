//! What the page on Python says of `pickle.loads` beside this reader: every row, in a CPython of its own and here.

use outband::{Decode, Error, ErrorKind, Limits, Multipart, Pickle, Value};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::counting::measure;
use crate::python::Script;

const PAGE: &str = include_str!("../../docs/python.md");

/// More than any of these pickles has reason to take, and far less than they ask for.
const LITTLE: usize = 1 << 16;

/// The three columns of each row.
fn rows() -> Vec<[&'static str; 3]> {
    let lines = PAGE.lines().skip_while(|line| !line.starts_with("| in a pickle | `pickle.loads` |"));
    let rows = lines.skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        cells.try_into().unwrap_or_else(|cells| panic!("{cells:?} are not three"))
    })
    .collect()
}

fn decode<T: DeserializeOwned>(codec: &Pickle, data: &[u8]) -> outband::Result<T> {
    codec.decode(Multipart::new(data.to_vec(), vec![]))
}

/// The error of a value, and of what nobody looks at.
fn refused(data: &[u8]) -> Error {
    let error = decode::<Value>(&Pickle::new(), data).unwrap_err();
    let ignored = decode::<IgnoredAny>(&Pickle::new(), data).expect_err(&error.to_string());
    assert_eq!(ignored.kind(), error.kind());
    error
}

/// A type that takes lists and tuples in each other.
#[derive(Deserialize, Debug)]
struct Within(#[allow(dead_code, reason = "nobody gets there")] Vec<Within>);

fn is_over_a_limit<T: DeserializeOwned + std::fmt::Debug>(data: &[u8]) {
    // as by default, and sooner
    let codec = Pickle::new().limits(Limits::default().metadata_bytes(2 << 20));
    assert_eq!(decode::<T>(&codec, data).unwrap_err().kind(), ErrorKind::Limits);
}

fn names_what_it_asks_for(named: &str, data: &[u8]) -> Error {
    let error = refused(data);
    let (attribute, module) = named.split_once(' ').unwrap();
    let text = error.to_string();
    assert!(error.is_peer() && text.contains(&format!("{attribute} of {module}")), "{named}: {text}");
    error
}

/// Checks what the third column says of the pickles of a row.
fn check(row: [&str; 3], pickles: &[Vec<u8>]) {
    match (row[0], row[2]) {
        ("`os.system(\"...\")`, or any other callable", "an error that names `system` of `os`") => {
            assert_eq!(pickles[0], b"system os");
            for pair in pickles.chunks(2) {
                names_what_it_asks_for(std::str::from_utf8(&pair[0]).unwrap(), &pair[1]);
            }
        }
        (
            "`builtins.getattr` and what is reached by it",
            "an error: only whole pairs of module and attribute are compared",
        ) => {
            for pair in pickles.chunks(2) {
                names_what_it_asks_for(std::str::from_utf8(&pair[0]).unwrap(), &pair[1]);
            }
        }
        ("a class of the program's own", "an error, or with [`allow`](crate::Pickle::allow) a record") => {
            names_what_it_asks_for("Order shop", &pickles[0]);
            let record: Value = decode(&Pickle::new().allow("shop.Order"), &pickles[0]).unwrap();
            assert_eq!(record.to_string(), "shop.Order(\"id\": 7)");
        }
        ("nine bytes that set memo entry 2³¹ - 1", "takes as much memory as one entry") => {
            let (value, usage) = measure(|| decode::<Value>(&Pickle::new(), &pickles[0]).unwrap());
            assert!(value == Value::Nil && usage.peak < 1024, "{usage:?}");
        }
        ("bytes with a length of 2⁶²", "an error, before anything is allocated") => {
            for data in pickles {
                let (error, usage) = measure(|| refused(data));
                assert!(error.is_peer() && usage.peak < LITTLE, "{error}: {usage:?}");
            }
        }
        (
            "lists in each other, a million deep",
            "an error of kind `Limits`; where nobody looks at them, passed over",
        ) => {
            is_over_a_limit::<Value>(&pickles[0]);
            is_over_a_limit::<Within>(&pickles[0]);
            decode::<IgnoredAny>(&Pickle::new(), &pickles[0]).unwrap();
        }
        (
            "tuples of pairs of the one before",
            "a small `Value`; an error of kind `Limits` in any other type that looks at them",
        ) => {
            let (value, usage) = measure(|| decode::<Value>(&Pickle::new(), &pickles[0]).unwrap());
            assert!(usage.peak < LITTLE, "{usage:?}");
            assert_eq!(value, decode::<Value>(&Pickle::new(), &pickles[0]).unwrap());
            is_over_a_limit::<Within>(&pickles[0]);
            decode::<IgnoredAny>(&Pickle::new(), &pickles[0]).unwrap();
        }
        ("persistent ids, extension codes", "an error") => {
            for data in pickles {
                assert!(refused(data).is_peer());
            }
        }
        _ => panic!("the page has a row that is not tested: {row:?}"),
    }
}

#[test]
fn every_row_of_what_pickle_loads_does_is_run_there_and_here() {
    let socket = zmq::Context::new().socket(zmq::REQ).unwrap();
    socket.set_rcvtimeo(300_000).unwrap();
    socket.set_sndtimeo(60_000).unwrap();
    socket.set_linger(0).unwrap();
    socket.bind("tcp://127.0.0.1:*").unwrap();
    let endpoint = socket.get_last_endpoint().unwrap().unwrap();
    let script = Script::start("dangers.py", &[&endpoint]);
    let rows = rows();
    assert_eq!(rows.len(), 8);
    for row in rows {
        socket.send_multipart(&row[..2], 0).unwrap();
        let pickles = socket.recv_multipart(0).unwrap_or_else(|error| panic!("{row:?}: {error}"));
        assert!(!pickles.is_empty());
        check(row, &pickles);
    }
    socket.send("", 0).unwrap();
    script.finish();
}
