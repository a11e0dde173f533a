//! Python to Rust to Python: what was a `Value` on the way is the same object again.

use std::thread;

use outband::{Decode, Encode, Envelope, Multipart, Pickle, SocketExt, Value};

use crate::pickles;
use crate::python::Script;

/// The enums of `pickled.py`.
const ENUMS: [&str; 2] = ["Color", "Level"];

/// The codec of what comes back, as the command `outband echo` has it.
fn again(message: Multipart) -> outband::Result<Multipart> {
    let codec = pickles::CLASSES.iter().fold(Pickle::new(), |codec, class| codec.allow(format!("pickled.{class}")));
    let codec = ENUMS.iter().fold(codec, |codec, name| codec.allow_enum(format!("pickled.{name}")));
    let codec = if message.buffers().is_empty() { codec.in_band() } else { codec };
    let value: Value = codec.decode(message)?;
    codec.encode(&value)
}

#[test]
fn every_type_comes_back_as_what_it_was_and_shared_as_it_was() {
    let context = zmq::Context::new();
    let socket = context.socket(zmq::ROUTER).unwrap();
    socket.set_rcvtimeo(60_000).unwrap();
    socket.set_linger(0).unwrap();
    socket.bind("tcp://127.0.0.1:*").unwrap();
    let endpoint = socket.get_last_endpoint().unwrap().unwrap();
    let answer = move || {
        let mut answered = 0;
        loop {
            let (envelope, message): (Envelope, Multipart) = socket.recv_message_via().unwrap();
            // the test, which sends no pickle, ends it
            if message.metadata().is_empty() {
                return answered;
            }
            let message =
                again(message).unwrap_or_else(|error| Multipart::new("", vec![error.to_string().into_bytes().into()]));
            socket.send_message_via(&envelope, message).unwrap();
            answered += 1;
        }
    };
    let answers = thread::spawn(answer);
    let mut script = Script::start("kinds_echo.py", &[&endpoint, "classes"]);
    let sent = script.line();
    script.finish();
    let end = context.socket(zmq::DEALER).unwrap();
    end.connect(&endpoint).unwrap();
    end.send("", 0).unwrap();
    assert_eq!(answers.join().unwrap().to_string(), sent);
    assert!(sent.parse::<usize>().unwrap() > 500, "{sent} messages");
}
