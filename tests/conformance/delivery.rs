//! What is refused costs no other message, and a peer that dies takes no part of one along.

use std::thread;

use outband::python::Kind;
use outband::{Buffer, Encode, ErrorKind, MsgPack, Multipart, Pickle, SocketExt, Value};

use super::common::{LONG, Place};
use super::{Object, Shell, Test, connected, everywhere, object, objects};

struct Malformed;

impl Test for Malformed {
    fn run<S: Shell>(&self, place: &Place) {
        let (rx, tx) = connected::<S>(place, zmq::PULL, zmq::PUSH);
        let malformed: [&[&[u8]]; 4] = [&[b"\xc1"], &[b"\x01", b"nobody refers to this"], &[b""], &[b"", b"x", b"y"]];
        for frames in malformed {
            tx.with(|socket| socket.send_multipart(frames, 0)).unwrap();
            tx.send_obj(&object(2, 10_000)).unwrap();
            assert_eq!(rx.recv_obj::<Object>().unwrap_err().kind(), ErrorKind::Peer);
            assert_eq!(rx.recv_obj::<Object>().unwrap(), object(2, 10_000));
        }
        // over a limit
        tx.send_message(Multipart::new("m", vec![Buffer::from_vec(vec![1_u8]); 100_000])).unwrap();
        tx.send_obj(&1).unwrap();
        assert_eq!(rx.recv_message().unwrap_err().kind(), ErrorKind::Limits);
        assert_eq!(rx.recv_obj::<u8>().unwrap(), 1);
    }
}

#[test]
fn a_refused_message_leaves_the_next_one_untouched() {
    everywhere(Malformed);
}

struct Schemaless;

impl Test for Schemaless {
    fn run<S: Shell>(&self, place: &Place) {
        let (rx, tx) = connected::<S>(place, zmq::PULL, zmq::PUSH);
        // where a short buffer is, in band or in a frame of its own, is known from the message alone
        let codecs = [MsgPack::new(), MsgPack::new().out_of_band_from(0), MsgPack::new().out_of_band_from(usize::MAX)];
        for (codec, object) in codecs.iter().flat_map(|codec| objects().into_iter().map(move |object| (codec, object)))
        {
            let message = codec.encode(&object).unwrap();
            tx.send_message(message.clone()).unwrap();
            let value: Value = rx.recv_obj().unwrap();
            assert_eq!(value.get("name").and_then(Value::as_str), Some(&*object.name));
            assert!(outband::to_multipart(&value).unwrap() == message, "{value}");
            tx.send_message(message.clone()).unwrap();
            rx.with(|socket| assert_eq!(socket.poll(zmq::POLLIN, LONG.into()).unwrap(), 1));
            assert!(outband::to_multipart(&rx.try_recv_obj::<Value>().unwrap()).unwrap() == message, "{value}");
            tx.send_obj(&value).unwrap();
            assert_eq!(rx.recv_obj::<Object>().unwrap(), object);
        }
        // and a pickle, whose kinds are kept
        let value = Value::Python(Kind::Tuple, Box::new(Value::from(vec![Value::from(1), Value::from("two")])));
        tx.send_with(&Pickle::new(), &value).unwrap();
        assert_eq!(rx.recv_with::<Value, _>(&Pickle::new()).unwrap(), value);
    }
}

#[test]
fn what_comes_without_a_schema_is_the_message_that_was_sent() {
    everywhere(Schemaless);
}

struct Dying;

impl Test for Dying {
    fn run<S: Shell>(&self, place: &Place) {
        let push = place.socket(zmq::PUSH);
        push.set_sndhwm(10).unwrap();
        let endpoint = place.bind(&push);
        let push = S::wrap(push);
        // peers come, read a little and go, while messages of five frames are sent
        let (context, frames) = (place.context.clone(), 5);
        let peers = thread::spawn(move || {
            let (mut received, mut generation) = (0, 0);
            loop {
                let pull = context.socket(zmq::PULL).unwrap();
                pull.set_linger(0).unwrap();
                pull.set_rcvhwm(10).unwrap();
                pull.set_rcvtimeo(super::common::LONG).unwrap();
                pull.connect(&endpoint).unwrap();
                generation += 1;
                for _ in 0..generation % 7 {
                    let message: Multipart = SocketExt::recv_message(&pull).unwrap();
                    if message.metadata() == "end" {
                        return received;
                    }
                    // whole, or it would be a tail without its head
                    assert_eq!(message.metadata(), "head");
                    let lengths: Vec<_> = message.buffers().iter().map(Buffer::len).collect();
                    assert_eq!(lengths, [9_000; 4], "after {received} messages");
                    received += 1;
                }
            }
        });
        let message = Multipart::new("head", vec![Buffer::from_vec(vec![7_u8; 9_000]); frames - 1]);
        (0..2000).for_each(|_| push.send_message(message.clone()).unwrap());
        while !peers.is_finished() {
            // a peer that dies may take whole messages along
            let _ = push.try_send_message(Multipart::new("end", vec![]));
            thread::yield_now();
        }
        assert!(peers.join().unwrap() > 0);
    }
}

#[test]
fn peers_that_come_and_go_get_whole_messages_only() {
    everywhere(Dying);
}
