//! The `Protobuf` codec: derived messages through frames and sockets, without `protoc`.

#![cfg(feature = "protobuf")]

use bytes::Bytes;
use outband::{Buffer, Decode, Encode, Envelope, ErrorKind, Limits, Multipart, Protobuf, SocketExt};
use prost::Message;

use crate::common::{Place, TRANSPORTS};
use crate::counting::measure;
use crate::protobuf_types::{Choice, Everything, everything};

fn kind_of<M: Message + Default>(message: Multipart) -> (ErrorKind, String) {
    let error = Decode::<M>::decode(&Protobuf::new(), message).map(drop).unwrap_err();
    (error.kind(), error.to_string())
}

/// Every field that is `Bytes`.
fn shared(value: &Everything) -> Vec<&Bytes> {
    let Some(Choice::Part(choice)) = &value.choice else { panic!("the choice is a part") };
    let mut all = vec![&value.pixels, &value.next.as_ref().unwrap().pixels, &value.parts[&7].raw, &choice.raw];
    all.extend(&value.chunks);
    all
}

#[test]
fn the_frame_is_the_encoded_message() {
    let value = everything(100);
    let message = Protobuf::new().encode(&value).unwrap();
    assert_eq!(message.metadata(), &value.encode_to_vec());
    assert!(message.buffers().is_empty());
    assert_eq!(Decode::<Everything>::decode(&Protobuf::new(), message.clone()).unwrap(), value);
    assert_eq!(Decode::<Everything>::decode_frame(&Protobuf::new(), message.metadata()).unwrap(), value);
}

#[test]
fn bytes_of_a_long_frame_are_slices_of_it_at_any_depth() {
    for transport in TRANSPORTS {
        let place = Place::new(transport);
        let (pull, push) = place.connected(zmq::PULL, zmq::PUSH);
        let value = everything(20_000);
        push.send_with(&Protobuf::new(), &value).unwrap();
        let received = pull.recv_message().unwrap();
        let frame = received.metadata().clone();
        let (back, usage) = measure(|| Decode::<Everything>::decode(&Protobuf::new(), received).unwrap());
        assert_eq!(back, value);
        for bytes in shared(&back) {
            assert!(frame.as_ptr_range().contains(&bytes.as_ptr()), "{transport}");
        }
        // `copy` alone, and small things
        assert!(usage.largest < 25_000, "{transport}: {usage:?}");

        // and the same through recv_with
        push.send_with(&Protobuf::new(), &value).unwrap();
        let (back, usage) = measure(|| pull.recv_with::<Everything, _>(&Protobuf::new()).unwrap());
        assert_eq!(back, value);
        assert!(usage.largest < 25_000, "{transport}: {usage:?}");
        let starts: Vec<_> = shared(&back).iter().map(|bytes| bytes.as_ptr().addr()).collect();
        let spread = starts.iter().max().unwrap() - starts.iter().min().unwrap();
        assert!(spread < value.encoded_len(), "all in one frame");
    }
}

#[test]
fn a_short_frame_is_copied_out() {
    let place = Place::new("tcp");
    let (pull, push) = place.connected(zmq::PULL, zmq::PUSH);
    let value = everything(100);
    push.send_with(&Protobuf::new(), &value).unwrap();
    let back = pull.recv_with::<Everything, _>(&Protobuf::new()).unwrap();
    assert_eq!(back, value);
    // each field has memory of its own, and none keeps the frame or libzmq's arena
    assert!(shared(&back).iter().all(|bytes| bytes.is_unique()));

    // one longer than the arena is not copied: the fields are parts of one
    push.send_with(&Protobuf::new(), &everything(9000)).unwrap();
    let back = pull.recv_with::<Everything, _>(&Protobuf::new()).unwrap();
    assert!(shared(&back).iter().all(|bytes| !bytes.is_unique()));
}

#[test]
fn the_default_message_is_an_empty_frame_on_every_kind_of_socket() {
    let codec = Protobuf::new();
    let empty = Everything::default();
    assert_eq!(codec.encode(&empty).unwrap().metadata().len(), 0);
    for transport in TRANSPORTS {
        let place = Place::new(transport);
        let (pull, push) = place.connected(zmq::PULL, zmq::PUSH);
        push.send_with(&codec, &empty).unwrap();
        push.send_with(&codec, &everything(10)).unwrap();
        assert_eq!(pull.recv_with::<Everything, _>(&codec).unwrap(), empty);
        assert_eq!(pull.recv_with::<Everything, _>(&codec).unwrap(), everything(10));
        push.send_message(codec.encode(&empty).unwrap()).unwrap();
        assert_eq!(pull.recv_message().unwrap(), Multipart::new("", vec![]));

        let (rep, req) = place.connected(zmq::REP, zmq::REQ);
        req.send_with(&codec, &empty).unwrap();
        assert_eq!(rep.recv_with::<Everything, _>(&codec).unwrap(), empty);
        rep.send_with(&codec, &empty).unwrap();
        assert_eq!(req.recv_with::<Everything, _>(&codec).unwrap(), empty);

        let (router, req) = place.connected(zmq::ROUTER, zmq::REQ);
        req.send_with(&codec, &empty).unwrap();
        let (envelope, question): (_, Everything) = router.recv_with_via(&codec).unwrap();
        assert!(envelope.has_delimiter());
        assert_eq!(question, empty);
        router.send_with_via(&codec, &envelope, &empty).unwrap();
        assert_eq!(req.recv_with::<Everything, _>(&codec).unwrap(), empty);

        let (router, dealer) = place.connected(zmq::ROUTER, zmq::DEALER);
        dealer.send_with(&codec, &empty).unwrap();
        let (envelope, question): (_, Everything) = router.recv_with_via(&codec).unwrap();
        assert!(!envelope.has_delimiter());
        assert_eq!(question, empty);
        router.send_with_via(&codec, &envelope, &empty).unwrap();
        assert_eq!(dealer.recv_with::<Everything, _>(&codec).unwrap(), empty);
        dealer.send_with_via(&codec, &Envelope::delimiter(), &empty).unwrap();
        let (peer, question): (_, Everything) = router.recv_with_from(&codec).unwrap();
        assert_eq!(question, empty);
        router.send_with_to(&codec, &peer, &empty).unwrap();
        assert_eq!(dealer.recv_with_via::<Everything, _>(&codec).unwrap().1, empty);

        let (rep, dealer) = place.connected(zmq::REP, zmq::DEALER);
        dealer.send_with_via(&codec, &Envelope::delimiter(), &empty).unwrap();
        assert_eq!(rep.recv_with::<Everything, _>(&codec).unwrap(), empty);
        rep.send_with(&codec, &empty).unwrap();
        assert_eq!(dealer.recv_with::<Everything, _>(&codec).unwrap(), empty, "the delimiter is skipped");

        let (publisher, subscriber) = place.connected(zmq::XPUB, zmq::SUB);
        subscriber.set_subscribe(b"").unwrap();
        publisher.recv_message().unwrap();
        for topic in ["topic", ""] {
            publisher.publish_with(&codec, topic, &empty).unwrap();
            let (received, value): (_, Everything) = subscriber.recv_topic_with(&codec).unwrap();
            assert_eq!((&received[..], value), (topic.as_bytes(), empty.clone()));
        }
    }
}

#[test]
fn what_is_no_message_is_refused() {
    let (kind, text) = kind_of::<Everything>(Multipart::new("", vec![Buffer::from_vec(vec![1_u8])]));
    assert_eq!(kind, ErrorKind::Peer);
    assert!(text.contains("1 more frames follow the first"), "{text}");
    // a field that is cut short, one of another type, a text that is not UTF-8, a tag of 0
    for (bytes, reason) in [
        (&[0x22, 5, b'a'][..], "buffer underflow at Everything.name"),
        (&[0x22, 1, 0xff], "Everything.name"),
        (&[0x0a, 1, b'a'], "Everything.flag"),
        (&[0x3a, 2, 0x08, 0xff], "invalid varint at Everything.next.flag"),
        (&[0x00], "invalid tag value: 0"),
        (&[0x3a, 4, 0x3a, 2, 0x22, 9], "at Everything.next.next.name"),
        (&[0x2a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], "Everything.pixels"),
        (&[0xff; 20], "varint"),
    ] {
        let (kind, text) = kind_of::<Everything>(Multipart::new(bytes.to_vec(), vec![]));
        assert_eq!(kind, ErrorKind::Peer);
        assert!(text.starts_with("the message is not the protocol buffer that was expected: "), "{text}");
        assert!(text.contains(reason), "{text}");
        assert!(!text.contains("failed to decode"), "{text}");
    }
}

#[test]
fn limits_hold_both_ways() {
    let strict = Protobuf::new().limits(Limits::new().metadata_bytes(1000));
    let (short, long) = (everything(50), everything(200));
    let message = strict.encode(&short).unwrap();
    assert_eq!(Decode::<Everything>::decode(&strict, message).unwrap(), short);
    assert!(strict.encode(&long).unwrap_err().is_limit());
    let message = Protobuf::new().encode(&long).unwrap();
    assert!(Decode::<Everything>::decode_frame(&strict, message.metadata()).unwrap_err().is_limit());
    assert!(Decode::<Everything>::decode(&strict, message).unwrap_err().is_limit());

    let place = Place::new("inproc");
    let (pull, push) = place.connected(zmq::PULL, zmq::PUSH);
    push.send_with(&Protobuf::new(), &everything(20_000)).unwrap();
    push.send_with(&Protobuf::new(), &short).unwrap();
    assert!(pull.recv_with::<Everything, _>(&strict).unwrap_err().is_limit());
    assert_eq!(pull.recv_with::<Everything, _>(&strict).unwrap(), short);
}
