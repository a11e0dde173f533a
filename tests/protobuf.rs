//! The `Protobuf` codec: derived messages through frames and sockets, without `protoc`.

#![cfg(feature = "protobuf")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, HashMap};
use std::thread;

use bytes::Bytes;
use outband::{Buffer, Decode, Encode, Envelope, ErrorKind, Limits, Multipart, Protobuf, Result, SocketExt};
use prost::Message;

use common::{Place, TRANSPORTS};
use counting::{Usage, measure};
use random::Random;

mod common;
#[path = "support/counting.rs"]
mod counting;
#[path = "support/random.rs"]
mod random;

#[derive(Clone, PartialEq, Message)]
struct Everything {
    #[prost(bool, tag = "1")]
    flag: bool,
    #[prost(sint64, tag = "2")]
    zigzag: i64,
    #[prost(double, repeated, tag = "3")]
    samples: Vec<f64>,
    #[prost(string, tag = "4")]
    name: String,
    #[prost(bytes = "bytes", tag = "5")]
    pixels: Bytes,
    #[prost(bytes = "vec", tag = "6")]
    copy: Vec<u8>,
    #[prost(message, optional, boxed, tag = "7")]
    next: Option<Box<Everything>>,
    #[prost(map = "string, int32", tag = "8")]
    counts: HashMap<String, i32>,
    #[prost(btree_map = "uint64, message", tag = "9")]
    parts: BTreeMap<u64, Part>,
    #[prost(oneof = "Choice", tags = "10, 11")]
    choice: Option<Choice>,
    #[prost(bytes = "bytes", repeated, tag = "12")]
    chunks: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct Part {
    #[prost(fixed32, tag = "1")]
    id: u32,
    #[prost(bytes = "bytes", tag = "2")]
    raw: Bytes,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Choice {
    #[prost(string, tag = "10")]
    Text(String),
    #[prost(message, tag = "11")]
    Part(Part),
}

fn everything(bytes: usize) -> Everything {
    let raw = |fill: u8| Bytes::from(vec![fill; bytes]);
    Everything {
        flag: true,
        zigzag: i64::MIN,
        samples: vec![0.5, f64::NEG_INFINITY],
        name: "søppel".into(),
        pixels: raw(1),
        copy: vec![2; bytes],
        next: Some(Box::new(Everything { pixels: raw(3), ..Everything::default() })),
        counts: [("a".to_owned(), -1)].into(),
        parts: [(7, Part { id: 1, raw: raw(4) })].into(),
        choice: Some(Choice::Part(Part { id: 2, raw: raw(5) })),
        chunks: vec![raw(6), raw(7)],
    }
}

impl Everything {
    /// Every field that is `Bytes`.
    fn shared(&self) -> Vec<&Bytes> {
        let Some(Choice::Part(choice)) = &self.choice else { panic!("the choice is a part") };
        let mut all = vec![&self.pixels, &self.next.as_ref().unwrap().pixels, &self.parts[&7].raw, &choice.raw];
        all.extend(&self.chunks);
        all
    }
}

fn kind_of<M: Message + Default>(message: Multipart) -> (ErrorKind, String) {
    let error = Decode::<M>::decode(&Protobuf::new(), message).map(drop).unwrap_err();
    (error.kind(), error.to_string())
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
        for bytes in back.shared() {
            assert!(frame.as_ptr_range().contains(&bytes.as_ptr()), "{transport}");
        }
        // `copy` alone, and small things
        assert!(usage.largest < 25_000, "{transport}: {usage:?}");

        // and the same through recv_with
        push.send_with(&Protobuf::new(), &value).unwrap();
        let (back, usage) = measure(|| pull.recv_with::<Everything, _>(&Protobuf::new()).unwrap());
        assert_eq!(back, value);
        assert!(usage.largest < 25_000, "{transport}: {usage:?}");
        let starts: Vec<_> = back.shared().iter().map(|bytes| bytes.as_ptr().addr()).collect();
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
    assert!(back.shared().iter().all(|bytes| bytes.is_unique()));

    // one longer than the arena is not copied: the fields are parts of one
    push.send_with(&Protobuf::new(), &everything(9000)).unwrap();
    let back = pull.recv_with::<Everything, _>(&Protobuf::new()).unwrap();
    assert!(back.shared().iter().all(|bytes| !bytes.is_unique()));
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

fn on_a_small_stack(run: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(512 << 10).spawn(run).unwrap().join().unwrap();
}

fn attempt(bytes: &[u8], worst: &mut Usage) -> Result<Everything> {
    let (result, usage) =
        measure(|| Decode::<Everything>::decode(&Protobuf::new(), Multipart::new(bytes.to_vec(), vec![])));
    *worst = worst.max(usage);
    let frame: Result<Everything> = Protobuf::new().decode_frame(bytes);
    assert_eq!(frame.is_ok(), result.is_ok());
    if let Err(error) = &result {
        assert!(matches!(error.kind(), ErrorKind::Peer | ErrorKind::Limits), "{error}");
        assert!(error.to_string().len() < 1000, "{error}");
    }
    result
}

#[test]
fn every_truncation_and_many_mutations_end_in_a_typed_error_or_a_value() {
    on_a_small_stack(|| {
        let mut random = Random::seeded(0xb0f);
        let whole = everything(30).encode_to_vec();
        let mut worst = Usage::default();
        let mut refused = 0;
        for end in 0..whole.len() {
            refused += usize::from(attempt(&whole[..end], &mut worst).is_err());
        }
        // a message may end after any of its fields
        assert!(refused > whole.len() / 2, "{refused} of {}", whole.len());
        for _ in 0..20_000 {
            let mut mutated = whole.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(mutated.len());
                match random.below(3) {
                    0 => mutated[at] = random.next() as u8,
                    1 => mutated.insert(at, random.next() as u8),
                    _ => drop(mutated.remove(at)),
                }
            }
            refused += usize::from(attempt(&mutated, &mut worst).is_err());
        }
        println!("{refused} refused, {worst:?}");
        assert!(refused > 1000, "{refused}");
        assert!(worst.peak < 256 << 10, "{worst:?}");
    });
}

#[test]
fn nesting_is_limited_before_the_stack_ends() {
    on_a_small_stack(|| {
        let nested = |depth: usize| {
            (0..depth).fold(Vec::new(), |inner, _| {
                let mut outer = vec![0x3a];
                prost::encode_length_delimiter(inner.len(), &mut outer).unwrap();
                outer.extend(inner);
                outer
            })
        };
        let mut worst = Usage::default();
        attempt(&nested(90), &mut worst).unwrap();
        // groups are what only unknown fields can be
        for deep in [nested(5_000), [0x9b, 0x06].repeat(50_000)] {
            let error = attempt(&deep, &mut worst).map(drop).unwrap_err();
            assert!(error.is_limit() && error.to_string().contains("limit of 100"), "{error}");
        }
        assert!(worst.peak < 256 << 10, "{worst:?}");
    });
}
