//! Real pyzmq processes read what Rust writes and write what Rust reads, with pyzmq and msgpack and nothing of ours.

use outband::{Buffer, ErrorKind, SocketExt, memory};
use serde::{Deserialize, Serialize};

use crate::python::Script;

fn socket(context: &zmq::Context, kind: zmq::SocketType) -> zmq::Socket {
    let socket = context.socket(kind).unwrap();
    socket.set_sndtimeo(60_000).unwrap();
    socket.set_rcvtimeo(60_000).unwrap();
    socket.set_linger(0).unwrap();
    socket
}

#[derive(Serialize)]
struct Question {
    name: String,
    id: u32,
    small: Buffer,
    pixels: Buffer,
    rows: [Buffer; 2],
    nothing: Option<Buffer>,
}

#[derive(Deserialize, PartialEq, Debug)]
struct Answer {
    name: String,
    sum: u64,
    floats: [f64; 3],
    pixels: Buffer,
    again: Vec<Buffer>,
}

#[test]
fn python_reads_what_rust_sends_and_rust_reads_the_answer() {
    let mut script = Script::start("replier.py", &[]);
    let context = zmq::Context::new();
    let client = socket(&context, zmq::REQ);
    client.connect(&format!("tcp://127.0.0.1:{}", script.line())).unwrap();

    let pixels: Vec<u8> = (0..200_000_u32).map(|index| index as u8).collect();
    let row = Buffer::from_vec((0..3000).map(f64::from).collect());
    let question = Question {
        name: "søppel".into(),
        id: 7,
        small: Buffer::from_vec(vec![1_u8, 2, 3]),
        pixels: Buffer::copy_from_slice(&pixels),
        rows: [row.clone(), row],
        nothing: None,
    };
    let reversed: Buffer = pixels.iter().rev().copied().collect::<Vec<_>>().into();
    for _checked in [true, false] {
        let copied = memory::copied_bytes();
        client.send_obj(&question).unwrap();
        assert_eq!(memory::copied_bytes() - copied, 3, "the in-band buffer only");
        let answer: Answer = client.recv_obj().unwrap();
        let expected = Answer {
            name: "SØPPEL".into(),
            sum: pixels.iter().map(|&pixel| u64::from(pixel)).sum::<u64>() + 6,
            floats: [0.0, 1.0, 2.0],
            pixels: reversed.clone(),
            again: vec![reversed.clone(), Buffer::from_vec(b"tail".to_vec())],
        };
        assert_eq!(answer, expected);
    }

    for reason in ["is missing", "is not referenced", "swapped or changed", "truncated, swapped"] {
        client.send_obj("next").unwrap();
        let error = client.recv_obj::<Vec<Buffer>>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Peer, "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    }
    client.send_obj("and now?").unwrap();
    assert_eq!(client.recv_obj::<String>().unwrap(), "the socket still works");
    script.finish();
}

#[derive(Deserialize)]
struct Measured {
    station: String,
    samples: Buffer,
    images: Vec<Buffer>,
}

#[derive(Serialize)]
struct Summary {
    count: usize,
    total: f64,
    images: Vec<Buffer>,
}

#[test]
fn rust_reads_what_python_builds_by_hand_with_and_without_checks() {
    let context = zmq::Context::new();
    let server = socket(&context, zmq::REP);
    server.bind("tcp://127.0.0.1:*").unwrap();
    let script = Script::start("requester.py", &[&server.get_last_endpoint().unwrap().unwrap()]);
    for _checked in [true, false] {
        let copied = memory::copied_bytes();
        let measured: Measured = server.recv_obj().unwrap();
        assert_eq!(memory::copied_bytes() - copied, 7, "the in-band buffer only");
        assert_eq!(measured.station, "north");
        assert_eq!(measured.images[0].as_ptr(), measured.images[2].as_ptr(), "one frame, two references");
        let samples = measured.samples.try_cast::<f64>().unwrap();
        let summary = Summary { count: samples.len(), total: samples.iter().sum(), images: measured.images };
        server.send_obj(&summary).unwrap();
    }
    script.finish();
}
