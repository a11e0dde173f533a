//! A message that fails leaves nothing behind for the next one, and codecs nest.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use outband::{
    Buffer, Encode, ErrorKind, MsgPack, Multipart, Pickle, Placement, SocketExt, from_multipart, to_multipart,
};
use serde::de::Error as _;
use serde::ser::{Error as _, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

fn big(byte: u8) -> Buffer {
    Buffer::from_vec(vec![byte; 20_000])
}

/// What a message is on a thread that has seen no failure.
fn fresh<T: Serialize + Send + 'static>(value: T) -> Multipart {
    std::thread::spawn(move || to_multipart(&value).unwrap()).join().unwrap()
}

/// Checks that this thread encodes and decodes as if nothing had happened.
fn is_clean() {
    let value = || (big(1), "text".to_owned(), Some(big(2)), Buffer::from(vec![3; 10]));
    let message = to_multipart(&value()).unwrap();
    assert_eq!(message, fresh(value()));
    assert_eq!(from_multipart::<(Buffer, String, Option<Buffer>, Buffer)>(message).unwrap(), value());
    // no slot is open and no frames are at hand
    assert_eq!(serde_json::to_string(&Buffer::from(vec![1, 2])).unwrap(), "[1,2]");
    assert_eq!(serde_json::from_str::<Buffer>("[1,2]").unwrap(), Buffer::from(vec![1, 2]));
}

/// An owner that counts its drops.
struct Owner(Vec<u8>, Arc<AtomicUsize>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::SeqCst);
    }
}

fn counted() -> (Buffer, Arc<AtomicUsize>) {
    let drops = Arc::new(AtomicUsize::new(0));
    (Buffer::from_owner(Owner(vec![5; 20_000], drops.clone())), drops)
}

/// Serializes its buffers and then ends as told.
struct Midway(Vec<Buffer>, End);

#[derive(Clone, Copy)]
enum End {
    Error,
    Panic,
}

impl Serialize for Midway {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(Some(self.0.len() + 1))?;
        for buffer in &self.0 {
            sequence.serialize_element(buffer)?;
        }
        match self.1 {
            End::Error => Err(S::Error::custom("midway")),
            End::Panic => panic!("midway"),
        }
    }
}

#[test]
fn a_failed_or_panicking_serialize_leaves_nothing_behind() {
    for end in [End::Error, End::Panic] {
        let (buffer, drops) = counted();
        // nested, so that it happens inside compound states too
        let value = vec![Some(Midway(vec![big(9), buffer], end))];
        for is_pickle in [false, true] {
            let encode = || if is_pickle { Pickle::new().encode(&value) } else { to_multipart(&value) };
            match catch_unwind(AssertUnwindSafe(encode)) {
                Ok(result) => {
                    let error = result.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Caller);
                    assert_eq!(error.to_string(), "the value does not serialize: midway");
                }
                Err(_) => assert!(matches!(end, End::Panic)),
            }
            is_clean();
        }
        assert_eq!(drops.load(Ordering::SeqCst), 0);
        drop(value);
        assert_eq!(drops.load(Ordering::SeqCst), 1, "the failed message held on to a buffer");
    }
}

#[test]
fn a_panicking_placement_leaves_nothing_behind() {
    let codec = MsgPack::new().placement(|buffer| match buffer.index() {
        1 => panic!("placement"),
        _ => Placement::OutOfBand,
    });
    assert!(catch_unwind(AssertUnwindSafe(|| codec.encode(&[big(1), big(2)]))).is_err());
    is_clean();
}

#[derive(Serialize)]
enum Shape {
    Tuple(u8, Buffer),
}

#[derive(Serialize)]
struct Flat {
    #[serde(flatten)]
    shape: Shape,
}

#[test]
fn a_placement_may_use_codecs_itself() {
    let codec = MsgPack::new().placement(|_| {
        is_clean();
        Placement::OutOfBand
    });
    let flat = Flat { shape: Shape::Tuple(1, big(2)) };
    assert_eq!(codec.encode(&flat).unwrap().buffers(), [big(2)]);
    assert_eq!(codec.encode(&[big(1), big(2)]).unwrap().buffers(), [big(1), big(2)]);
}

thread_local! {
    static END: Cell<End> = const { Cell::new(End::Error) };
}

/// Takes a buffer and then ends as told.
#[derive(Debug)]
struct Refuses;

impl<'de> Deserialize<'de> for Refuses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let _taken = Buffer::deserialize(deserializer)?;
        match END.get() {
            End::Error => Err(D::Error::custom("refused")),
            End::Panic => panic!("refused"),
        }
    }
}

#[test]
fn a_failed_or_panicking_deserialize_leaves_nothing_behind() {
    for end in [End::Error, End::Panic] {
        END.set(end);
        let (buffer, drops) = counted();
        let message = to_multipart(&(big(1), vec![buffer])).unwrap();
        match catch_unwind(AssertUnwindSafe(|| from_multipart::<(Buffer, Vec<Refuses>)>(message))) {
            Ok(result) => assert!(result.unwrap_err().is_peer()),
            Err(_) => assert!(matches!(end, End::Panic)),
        }
        assert_eq!(drops.load(Ordering::SeqCst), 1, "the failed decode held on to a frame, or dropped it twice");
        is_clean();
    }
}

/// Serializes by other serializers, and by this crate, on the way.
struct Nests(Buffer);

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Nested {
    before: Buffer,
    json: String,
    packed: serde_bytes::ByteBuf,
    message: serde_bytes::ByteBuf,
    after: Buffer,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Holder {
    buffer: Buffer,
}

impl Serialize for Nests {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let holder = Holder { buffer: self.0.clone() };
        let mut message = Vec::new();
        to_multipart(&holder).unwrap().write_to(&mut message).unwrap();
        let nested = Nested {
            before: self.0.slice(..10_000),
            json: serde_json::to_string(&holder).unwrap(),
            packed: rmp_serde::to_vec_named(&holder).unwrap().into(),
            message: message.into(),
            after: self.0.clone(),
        };
        nested.serialize(serializer)
    }
}

/// Decodes what `Nests` put inside, in the middle of its own decoding.
#[derive(Debug)]
struct Unnests(Nested);

impl<'de> Deserialize<'de> for Unnests {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let nested = Nested::deserialize(deserializer)?;
        let expected = Holder { buffer: nested.after.clone() };
        assert_eq!(serde_json::from_str::<Holder>(&nested.json).unwrap(), expected);
        assert_eq!(rmp_serde::from_slice::<Holder>(&nested.packed).unwrap(), expected);
        let message = Multipart::read_from(&mut &nested.message[..]).unwrap();
        assert_eq!(from_multipart::<Holder>(message.clone()).unwrap(), expected);
        assert!(from_multipart::<Vec<Refuses>>(message).is_err());
        is_clean();
        Ok(Self(nested))
    }
}

#[test]
fn serializers_nest() {
    let buffer = big(7);
    let message = to_multipart(&(Nests(buffer.clone()), big(8))).unwrap();
    let lengths: Vec<_> = message.buffers().iter().map(Buffer::len).collect();
    assert_eq!(lengths, [10_000, 20_000, 20_000], "only the outer value's buffers are frames of the message");
    let (back, last): (Unnests, Buffer) = from_multipart(message).unwrap();
    assert!(back.0.json.starts_with("{\"buffer\":[7,7,7"));
    // the owners of the outer message are at hand again after the inner one: nothing was copied
    assert_eq!(back.0.after.as_ptr(), buffer.as_ptr());
    assert_eq!(last, big(8));
}

#[test]
fn in_any_other_serializer_a_buffer_is_plain_bytes() {
    let holder = Holder { buffer: Buffer::from(vec![0, 1, 255]) };
    let json = serde_json::to_string(&holder).unwrap();
    assert_eq!(json, r#"{"buffer":[0,1,255]}"#);
    assert_eq!(serde_json::from_str::<Holder>(&json).unwrap(), holder);
    assert_eq!(serde_json::from_value::<Holder>(serde_json::to_value(&holder).unwrap()).unwrap(), holder);
    let text = toml::to_string(&holder).unwrap();
    assert_eq!(toml::from_str::<Holder>(&text).unwrap(), holder);
    let packed = rmp_serde::to_vec_named(&holder).unwrap();
    assert_eq!(packed, b"\x81\xa6buffer\xc4\x03\x00\x01\xff");
    assert_eq!(rmp_serde::from_slice::<Holder>(&packed).unwrap(), holder);
    assert_eq!(rmp_serde::from_read::<_, Holder>(&packed[..]).unwrap(), holder);
}

#[test]
fn owners_are_dropped_exactly_once_wherever_a_message_ends() {
    let context = zmq::Context::new();
    let (tx, rx) = (context.socket(zmq::PUSH).unwrap(), context.socket(zmq::PULL).unwrap());
    rx.set_rcvtimeo(60_000).unwrap();
    rx.bind("inproc://owners").unwrap();
    tx.connect("inproc://owners").unwrap();
    let ends: [&dyn Fn(Multipart); 6] = [
        &drop,
        &|message| drop(from_multipart::<Buffer>(message).unwrap()),
        &|message| drop(from_multipart::<u64>(message).unwrap_err()),
        &|message| drop(message.into_parts().1[0].slice(5..10)),
        &|message| drop(zmq::Message::from(message.into_parts().1[0].clone())),
        &|message| {
            tx.send_message(message).unwrap();
            drop(rx.recv_obj::<Buffer>().unwrap());
        },
    ];
    for (end, run) in ends.iter().enumerate() {
        let (buffer, drops) = counted();
        run(to_multipart(&buffer).unwrap());
        assert_eq!(drops.load(Ordering::SeqCst), 0, "end {end}");
        drop(buffer);
        assert_eq!(drops.load(Ordering::SeqCst), 1, "end {end}");
    }
}

/// An owner whose drop panics.
struct Panics(Vec<u8>, Arc<AtomicUsize>);

impl AsRef<[u8]> for Panics {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::SeqCst);
        panic!("an owner's drop");
    }
}

#[test]
fn an_owner_that_panics_in_its_drop_leaves_nothing_behind() {
    let drops = Arc::new(AtomicUsize::new(0));
    let message = || to_multipart(&(Buffer::from_owner(Panics(vec![5; 20_000], drops.clone())), big(1))).unwrap();
    let ends: [&dyn Fn(Multipart); 3] =
        [&drop, &|message| drop(from_multipart::<(Buffer, Buffer)>(message)), &|message| {
            drop(from_multipart::<(u64, Buffer)>(message))
        }];
    for (end, run) in ends.iter().enumerate() {
        let message = message();
        assert!(catch_unwind(AssertUnwindSafe(|| run(message))).is_err(), "end {end}");
        assert_eq!(drops.load(Ordering::SeqCst), end + 1);
        is_clean();
    }
    // libzmq lets go of it: the panic ends there
    let frame = zmq::Message::from(Buffer::from_owner(Panics(vec![5; 20_000], drops.clone())));
    drop(frame);
    assert_eq!(drops.load(Ordering::SeqCst), ends.len() + 1);
    is_clean();
}

#[test]
fn a_message_of_many_buffers_keeps_none_of_them_once_it_is_sent() {
    let context = zmq::Context::new();
    let (sender, receiver) = (context.socket(zmq::PAIR).unwrap(), context.socket(zmq::PAIR).unwrap());
    receiver.bind("inproc://many").unwrap();
    sender.connect("inproc://many").unwrap();
    receiver.set_rcvtimeo(60_000).unwrap();
    for count in [1, 2, 15, 16, 17, 33, 64, 200, 3] {
        let (buffers, drops): (Vec<_>, Vec<_>) = (0..count).map(|_| counted()).unzip();
        sender.send_obj(&buffers).unwrap();
        drop(buffers);
        // the receiver has yet to get them, and nobody else does
        assert!(drops.iter().all(|drops| drops.load(Ordering::SeqCst) == 0));
        let received: Vec<Buffer> = receiver.recv_obj().unwrap();
        assert_eq!(received, vec![Buffer::from_vec(vec![5_u8; 20_000]); count]);
        drop(received);
        assert!(drops.iter().all(|drops| drops.load(Ordering::SeqCst) == 1), "{count} buffers");
    }
}
