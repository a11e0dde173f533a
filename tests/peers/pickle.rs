//! pyzmq's own `send_pyobj` and `send_multipart` at the other end: every type that is read, in every protocol.

use std::collections::BTreeSet;

use outband::python::Kind;
use outband::{Array, Decode, MsgPack, Multipart, Pickle, SocketExt, Value, memory};
use serde::Deserialize;

use crate::pickles;
use crate::python::Script;

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A socket to which the script sends: name, pickle and what it should be.
struct Peer {
    socket: zmq::Socket,
    script: Script,
}

/// What the script sent.
struct Sent {
    name: String,
    message: Multipart,
    /// What serde shows of it.
    expected: Value,
    /// What it and its parts are in Python.
    kinds: Vec<String>,
}

/// What a value and its parts are in Python, each before its own parts; empty where the content says it.
fn kinds(value: &Value, found: &mut Vec<String>) {
    found.push(value.kind().map_or(String::new(), |kind| format!("{kind:?}")));
    match (value.kind(), value.plain()) {
        (Some(Kind::Range | Kind::Slice | Kind::Complex), _) => {}
        (_, Value::List(elements)) => elements.iter().for_each(|element| kinds(element, found)),
        (_, Value::Map(entries)) => {
            let is_class = |entry: &&(Value, Value)| entry.0.as_str() == Some("$class");
            let class = entries.first().filter(is_class).is_some();
            for (key, value) in &entries[usize::from(class)..] {
                kinds(key, found);
                kinds(value, found);
            }
        }
        _ => {}
    }
}

impl Peer {
    fn start() -> Self {
        let socket = zmq::Context::new().socket(zmq::PULL).unwrap();
        socket.set_rcvtimeo(60_000).unwrap();
        socket.bind("tcp://127.0.0.1:*").unwrap();
        let endpoint = socket.get_last_endpoint().unwrap().unwrap();
        let (_, port) = endpoint.rsplit_once(':').unwrap();
        Self { script: Script::start("pickled.py", &[port]), socket }
    }

    fn next(&self) -> Option<Sent> {
        let parts = self.socket.recv_multipart(0).unwrap();
        let [name, buffers, expected, kinds] = &parts[..] else { panic!("{} parts", parts.len()) };
        let name = text(name);
        if name == "end" {
            return None;
        }
        let message = self.socket.recv_message().unwrap();
        assert_eq!(message.buffers().len().to_string(), text(buffers), "{name}");
        let expected = MsgPack::new().decode(Multipart::new(expected.clone(), vec![])).unwrap();
        let kinds = MsgPack::new().decode(Multipart::new(kinds.clone(), vec![])).unwrap();
        Some(Sent { name, message, expected, kinds })
    }
}

#[test]
fn every_type_is_read_in_every_protocol_in_band_and_out_of_band() {
    let (peer, codec) = (Peer::start(), pickles::allowing());
    let (mut messages, mut out_of_band, mut refused, mut all) = (0, 0, 0, BTreeSet::new());
    while let Some(Sent { name, message, expected, kinds: sent }) = peer.next() {
        let frames: Vec<_> = message.buffers().iter().map(|buffer| buffer.as_ptr()).collect();
        let copied = memory::copied_bytes();
        let value: Value = codec.decode(message.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let copied = memory::copied_bytes() - copied;
        assert_eq!(pickles::shown(&codec, message.clone()).unwrap(), expected, "{name}");
        let mut found = Vec::new();
        kinds(&value, &mut found);
        assert_eq!(found, sent, "{name}");
        all.extend(found);
        if let Some(Value::Array(array)) = value.get("value")
            && let [frame] = frames[..]
        {
            assert_eq!((array.data().as_ptr(), copied), (frame, 0), "{name}");
            out_of_band += 1;
        }
        match pickles::shown(&Pickle::new(), message) {
            Ok(value) => assert_eq!(value, expected, "{name}"),
            Err(error) => {
                assert!(error.is_peer() && error.to_string().contains("Pickle::allow(\"__main__."), "{name}: {error}");
                refused += 1;
            }
        }
        messages += 1;
    }
    assert!(messages > 2000 && out_of_band >= 200, "{messages} messages, {out_of_band} arrays out of band");
    assert!((30..100).contains(&refused), "{refused} messages hold classes that were not allowed");
    assert_eq!(all.len(), 25, "{all:?}: every kind, and none");
    peer.script.finish();
}

/// The class of that name in the script.
#[derive(Deserialize, PartialEq, Debug)]
struct Order {
    id: u32,
    lines: Vec<Order>,
}

#[test]
fn instances_of_an_allowed_class_are_received_as_structs() {
    let (peer, codec) = (Peer::start(), Pickle::new().allow("__main__.Order"));
    let mut received = 0;
    loop {
        let parts = peer.socket.recv_multipart(0).unwrap();
        match &*text(&parts[0]) {
            "end" => break,
            name if name.starts_with("dataclass, ") => {
                let order: Order = peer.socket.recv_with(&codec).unwrap();
                assert_eq!(order, Order { id: 7, lines: vec![Order { id: 8, lines: vec![] }] }, "{name}");
                received += 1;
            }
            name if name.starts_with("enum, ") => {
                let error = peer.socket.recv_with::<Value, _>(&codec).unwrap_err();
                assert!(error.to_string().contains("__main__.Color"), "{name}: {error}");
            }
            _ => drop(peer.socket.recv_message().unwrap()),
        }
    }
    assert_eq!(received, 7);
    peer.script.finish();
}

#[derive(Deserialize)]
struct Holder {
    value: Array,
}

#[test]
fn long_arrays_are_the_received_frame_or_share_it() {
    let (peer, codec) = (Peer::start(), pickles::allowing());
    let mut seen = Vec::new();
    while let Some(Sent { name, message, .. }) = peer.next() {
        let Some(how) = name.strip_prefix("array long, ") else { continue };
        let (metadata, buffers) = (message.metadata().clone(), message.buffers().to_vec());
        let copied = memory::copied_bytes();
        let array = Decode::<Holder>::decode(&codec, message).unwrap().value;
        let copied = memory::copied_bytes() - copied;
        let address = array.data().as_ptr();
        match how {
            "protocol 0" | "protocol 1" | "protocol 2" => assert_eq!(array.data().len(), 800_000),
            "out of band" => assert_eq!((address, copied), (buffers[0].as_ptr(), 0)),
            _ => assert!(metadata.as_ptr_range().contains(&address) && copied == 0, "{how}"),
        }
        assert_eq!(array.to_vec::<i64>().unwrap(), (0..100_000).collect::<Vec<_>>(), "{how}");
        seen.push(how.to_owned());
    }
    assert_eq!(seen.len(), 7);
    peer.script.finish();
}
