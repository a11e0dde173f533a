//! A message is borrowed, peeked into, forwarded, stored and mapped without copying a payload.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::thread;

use bytes::Bytes;
use memmap2::Mmap;
use outband::{
    Array, Buffer, Decode, Encode, Limits, MsgPack, Multipart, Pickle, from_multipart, from_multipart_ref, memory,
    to_multipart,
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::counting::measure;

const BIG: usize = 1 << 20;

#[derive(Serialize)]
struct Job {
    queue: String,
    note: String,
    image: Buffer,
    small: Buffer,
    list: Vec<Buffer>,
}

fn job() -> Job {
    Job {
        queue: "gpu".into(),
        note: "x".repeat(100),
        image: Buffer::from_vec(vec![1_u8; BIG]),
        small: Buffer::from(vec![2; 200]),
        list: vec![Buffer::from(b"text of a frame ".repeat(1000)), Buffer::from_vec(vec![4_u8; 30_000])],
    }
}

#[derive(Deserialize)]
struct Borrowed<'a> {
    queue: &'a str,
    #[serde(borrow)]
    note: Cow<'a, str>,
    image: &'a [u8],
    #[serde(borrow)]
    small: Cow<'a, [u8]>,
    #[serde(borrow)]
    list: (&'a str, &'a serde_bytes::Bytes),
}

fn range(bytes: &[u8]) -> Range<usize> {
    let start = bytes.as_ptr().addr();
    start..start + bytes.len()
}

fn is_within(part: &[u8], whole: &[u8]) -> bool {
    let (part, whole) = (range(part), range(whole));
    whole.start <= part.start && part.end <= whole.end
}

/// Runs without copying or allocating payload-sized memory.
fn without_copying<R>(run: impl FnOnce() -> R) -> R {
    let before = memory::copied_bytes();
    let (result, usage) = measure(run);
    assert_eq!(memory::copied_bytes(), before, "bytes were copied");
    assert!(usage.peak < 8192, "{usage:?}");
    result
}

#[test]
fn borrowed_fields_point_into_the_frames() {
    let message = to_multipart(&job()).unwrap();
    let job: Borrowed<'_> = without_copying(|| from_multipart_ref(&message)).unwrap();
    let (metadata, frames) = (message.metadata(), message.buffers());
    assert_eq!((job.queue, &job.note[..]), ("gpu", &"x".repeat(100)[..]));
    assert!(is_within(job.queue.as_bytes(), metadata));
    assert!(matches!(job.note, Cow::Borrowed(note) if is_within(note.as_bytes(), metadata)));
    assert_eq!(range(job.image), range(&frames[0]));
    assert!(matches!(job.small, Cow::Borrowed(small) if is_within(small, metadata) && small == [2; 200]));
    assert_eq!(range(job.list.0.as_bytes()), range(&frames[1]));
    assert_eq!(range(job.list.1), range(&frames[2]));
}

#[test]
fn a_pickle_is_borrowed_straight_from_its_opcodes() {
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Record<'a> {
        id: u32,
        name: &'a str,
        note: Option<&'a str>,
        raw: &'a serde_bytes::Bytes,
    }
    let records: HashMap<String, Record<'_>> = (0..20)
        .map(|id| {
            let note = (id % 2 == 0).then_some("a note of its own");
            (format!("key {id}"), Record { id, name: "name", note, raw: serde_bytes::Bytes::new(b"\0\xff") })
        })
        .collect();
    let message = Pickle::new().encode(&records).unwrap();
    let borrowed: HashMap<&str, Record<'_>> = without_copying(|| Pickle::new().decode_ref(&message)).unwrap();
    assert_eq!(borrowed.len(), 20);
    for (&key, record) in &borrowed {
        assert_eq!(Some(record), records.get(key));
        let parts = [key.as_bytes(), record.name.as_bytes(), record.note.unwrap_or(key).as_bytes(), record.raw];
        assert!(parts.into_iter().all(|part| is_within(part, message.metadata())));
    }
    #[derive(Deserialize)]
    struct Roomy<'a>(
        #[serde(borrow, deserialize_with = "outband::serde_map::deserialize")] HashMap<&'a str, Record<'a>>,
    );
    let Roomy(roomy) = without_copying(|| Pickle::new().decode_ref(&message)).unwrap();
    assert_eq!(roomy, borrowed);
}

#[test]
fn a_pickle_with_frames_and_objects_is_borrowed_too() {
    #[derive(Deserialize, PartialEq, Debug)]
    enum Shape<'a> {
        Unit,
        New(&'a str),
        Pair(&'a str, &'a [u8]),
        Record { name: &'a str },
    }
    #[derive(Deserialize)]
    struct Flat<'a> {
        inner: &'a str,
    }
    #[derive(Deserialize)]
    struct Whole<'a> {
        #[serde(borrow)]
        job: Borrowed<'a>,
        #[serde(borrow)]
        shapes: Vec<Shape<'a>>,
        #[serde(borrow)]
        when: Cow<'a, str>,
        array: Array,
        #[serde(flatten, borrow)]
        flat: Flat<'a>,
    }
    #[derive(Serialize)]
    enum Sent {
        Unit,
        New(String),
        Pair(String, ByteBuf),
        Record { name: String },
    }
    #[derive(Serialize)]
    struct Sends {
        job: Job,
        shapes: Vec<Sent>,
        #[serde(serialize_with = "outband::python::date")]
        when: String,
        array: Array,
        inner: String,
    }
    let shapes = vec![
        Sent::Unit,
        Sent::New("new".into()),
        Sent::Pair("pair".into(), ByteBuf::from(b"\xff\0")),
        Sent::Record { name: "name".into() },
    ];
    let array = Array::from_vec(vec![0.5_f64; 3000]);
    let when = "2026-11-28".into();
    let message = Pickle::new().encode(&Sends { job: job(), shapes, when, array, inner: "flat".into() }).unwrap();
    let whole: Whole<'_> = Pickle::new().decode_ref(&message).unwrap();
    let (metadata, frames) = (message.metadata(), message.buffers());
    assert!(is_within(whole.job.queue.as_bytes(), metadata) && whole.job.queue == "gpu");
    assert!(matches!(whole.job.note, Cow::Borrowed(note) if is_within(note.as_bytes(), metadata)));
    assert_eq!(range(whole.job.image), range(&frames[0]));
    assert!(matches!(whole.job.small, Cow::Borrowed(small) if is_within(small, metadata) && small == [2; 200]));
    assert_eq!(range(whole.job.list.1), range(&frames[2]));
    let shapes = [Shape::Unit, Shape::New("new"), Shape::Pair("pair", b"\xff\0"), Shape::Record { name: "name" }];
    assert_eq!(whole.shapes, shapes);
    assert!(matches!(whole.when, Cow::Owned(when) if when == "2026-11-28"), "a date is no text in the pickle");
    assert!(whole.array.data().as_ptr() == frames[3].as_ptr() && whole.flat.inner == "flat");
    assert!(is_within(whole.flat.inner.as_bytes(), metadata));
}

#[test]
fn what_a_pickle_does_not_have_as_it_is_cannot_be_borrowed() {
    // with an escape, and without one
    let escaped = Multipart::new(&b"(lp0\nVbl\\u00e5\np1\naVred\np2\na."[..], vec![]);
    let error = Pickle::new().decode_ref::<Vec<&str>>(&escaped).unwrap_err();
    assert!(error.is_peer() && error.to_string().contains("[0]") && error.to_string().contains("borrowed"), "{error}");
    let texts: Vec<Cow<'_, str>> = Pickle::new().decode_ref(&escaped).unwrap();
    assert_eq!(texts, ["blå", "red"]);
    let twice = Pickle::new().decode_ref::<BTreeMap<&str, u8>>(&escaped).unwrap_err();
    assert_eq!(
        twice.to_string(),
        Decode::<BTreeMap<String, u8>>::decode(&Pickle::new(), escaped.clone()).unwrap_err().to_string()
    );
    let limits = Limits::new().metadata_bytes(10);
    assert!(Pickle::new().limits(limits).decode_ref::<Vec<Cow<'_, str>>>(&escaped).unwrap_err().is_limit());
    let named = Multipart::new(&b"cos\nsystem\n(S'echo pwned'\ntR."[..], vec![]);
    assert!(Pickle::new().decode_ref::<&str>(&named).unwrap_err().to_string().contains("system of os"));
}

#[test]
fn a_buffer_shares_its_frame_or_the_metadata_frame() {
    #[derive(Deserialize)]
    struct Owned {
        image: Buffer,
        small: Buffer,
        list: Vec<Buffer>,
    }
    let message = to_multipart(&job()).unwrap();
    let owned: Owned = without_copying(|| from_multipart(message.clone())).unwrap();
    assert_eq!(owned.image.as_ptr(), message.buffers()[0].as_ptr());
    assert_eq!(owned.list[1].as_ptr(), message.buffers()[2].as_ptr());
    assert!(is_within(&owned.small, message.metadata()), "an in-band buffer shares the metadata frame");
    let shared: Owned = without_copying(|| from_multipart_ref(&message)).unwrap();
    drop(message);
    assert_eq!((&shared.image, &shared.small), (&owned.image, &owned.small));

    // a short buffer does not keep a long metadata frame alive
    let message = to_multipart(&("x".repeat(5000), Buffer::from(vec![1; 10]))).unwrap();
    let (_, small): (String, Buffer) = from_multipart(message.clone()).unwrap();
    assert!(!is_within(&small, message.metadata()));
}

#[test]
fn peeking_needs_no_frames() {
    #[derive(Deserialize)]
    struct Route<'a> {
        queue: &'a str,
    }
    let message = to_multipart(&job()).unwrap();
    let route: Route<'_> = without_copying(|| MsgPack::new().peek(&message)).unwrap();
    assert_eq!(route.queue, "gpu");
    let alone = Multipart::new(message.metadata().clone(), vec![]);
    assert_eq!(MsgPack::new().peek::<Route<'_>>(&alone).unwrap().queue, "gpu");
    #[derive(Deserialize, Debug)]
    struct Wants {
        #[expect(dead_code, reason = "only decoded")]
        image: Buffer,
    }
    assert!(MsgPack::new().peek::<Wants>(&alone).unwrap_err().is_peer());
}

#[test]
fn a_message_is_forwarded_unchanged() {
    use outband::SocketExt;
    let context = zmq::Context::new();
    let socket = |kind, endpoint: &str, bind: bool| {
        let socket = context.socket(kind).unwrap();
        socket.set_rcvtimeo(60_000).unwrap();
        if bind { socket.bind(endpoint) } else { socket.connect(endpoint) }.unwrap();
        socket
    };
    let (broker_in, broker_out) = (socket(zmq::PULL, "inproc://in", true), socket(zmq::PUSH, "inproc://out", true));
    let (source, sink) = (socket(zmq::PUSH, "inproc://in", false), socket(zmq::PULL, "inproc://out", false));
    let message = to_multipart(&job()).unwrap();
    source.send_message(message.clone()).unwrap();
    let before = memory::copied_bytes();
    broker_out.send_message(broker_in.recv_message().unwrap()).unwrap();
    let arrived = sink.recv_message().unwrap();
    assert_eq!(memory::copied_bytes(), before);
    assert_eq!(arrived, message);
    assert_eq!(arrived.buffers()[0].as_ptr(), message.buffers()[0].as_ptr());
}

#[test]
fn messages_travel_through_any_byte_stream() {
    let messages = [to_multipart(&job()).unwrap(), to_multipart("second").unwrap(), to_multipart(&job()).unwrap()];

    let mut memory = Vec::new();
    let mut file = tempfile::tempfile().unwrap();
    for message in &messages {
        message.write_to(&mut memory).unwrap();
        message.write_to(&mut file).unwrap();
    }
    file.seek(SeekFrom::Start(0)).unwrap();
    let (mut memory, mut file) = (&memory[..], BufReader::new(file));
    for message in &messages {
        assert_eq!(&Multipart::read_from(&mut memory).unwrap(), message);
        assert_eq!(&Multipart::read_from(&mut file).unwrap(), message);
    }
    assert!(Multipart::read_from(&mut memory).unwrap_err().is_end_of_stream());
    assert!(Multipart::read_from(&mut file).unwrap_err().is_end_of_stream());

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut stream = TcpStream::connect(address).unwrap();
            messages.iter().for_each(|message| message.write_to(&mut stream).unwrap());
        });
        let mut stream = listener.accept().unwrap().0;
        for message in &messages {
            assert_eq!(&Multipart::read_from(&mut stream).unwrap(), message);
        }
        assert!(Multipart::read_from(&mut stream).unwrap_err().is_end_of_stream());
    });

    let mut payload = Vec::new();
    messages[0].buffers()[0].write_to(&mut payload).unwrap();
    assert_eq!(payload, vec![1; BIG]);
}

#[test]
#[expect(unsafe_code, reason = "a file that nobody else writes is mapped")]
fn reading_from_a_mapped_file_borrows_the_map() {
    let mut file: File = tempfile::tempfile().unwrap();
    let message = to_multipart(&job()).unwrap();
    message.write_to(&mut file).unwrap();
    message.write_to(&mut file).unwrap();
    // SAFETY: the file is this test's own and is not written to while it is mapped.
    let map = unsafe { Mmap::map(&file) }.unwrap();
    let mapped = range(&map);

    let (read, job) = without_copying(|| {
        let mut stream = Buffer::from_owner(map);
        let first = Multipart::read_from_buffer(&mut stream, &Limits::default()).unwrap();
        let second = Multipart::read_from_buffer(&mut stream, &Limits::default()).unwrap();
        assert!(Multipart::read_from_buffer(&mut stream, &Limits::default()).unwrap_err().is_end_of_stream());
        let job: (Buffer, Buffer) = {
            #[derive(Deserialize)]
            struct Part {
                image: Buffer,
                small: Buffer,
            }
            let part: Part = from_multipart(second).unwrap();
            (part.image, part.small)
        };
        (first, job)
    });
    assert_eq!(read, message);
    let frames = read.buffers().iter().map(|buffer| &buffer[..]);
    for part in frames.chain([&read.metadata()[..], &job.0, &job.1]) {
        let part_range = range(part);
        assert!(mapped.start <= part_range.start && part_range.end <= mapped.end, "a frame was copied out of the map");
    }
    assert!(
        read.buffers().iter().all(|buffer| buffer.as_ptr().addr() % 64 == 0),
        "frames of a mapped file are aligned"
    );
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Fields {
    #[serde(with = "outband::serde_buffer")]
    bytes: Bytes,
    #[serde(with = "outband::serde_buffer")]
    vec: Vec<u8>,
    #[serde(with = "outband::serde_buffer")]
    floats: Vec<f64>,
    #[serde(with = "outband::serde_buffer")]
    boxed: Box<[u16]>,
    #[serde(with = "outband::serde_buffer")]
    some: Option<Vec<[f32; 3]>>,
    #[serde(with = "outband::serde_buffer")]
    none: Option<Bytes>,
}

fn fields(len: usize) -> Fields {
    Fields {
        bytes: vec![1; len].into(),
        vec: vec![2; len],
        floats: vec![0.5; len],
        boxed: vec![3; len].into(),
        some: Some(vec![[1.0, 2.0, 3.0]; len]),
        none: None,
    }
}

#[test]
fn plain_fields_travel_as_buffers() {
    for (len, frames) in [(10_000, 5), (10, 0), (0, 0)] {
        let value = fields(len);
        let message = to_multipart(&value).unwrap();
        assert_eq!(message.buffers().len(), frames);
        if frames > 0 {
            assert_eq!(message.buffers()[0].as_ptr(), value.bytes.as_ptr());
        }
        let back: Fields = from_multipart(message.clone()).unwrap();
        assert_eq!(back, value);
        if frames > 0 {
            assert_eq!(back.bytes.as_ptr(), value.bytes.as_ptr());
        }
        assert_eq!(from_multipart_ref::<Fields>(&message).unwrap(), value);
    }
}

#[test]
fn plain_fields_are_bytes_in_other_serializers() {
    let value = fields(2);
    let json = serde_json::to_string(&value).unwrap();
    assert!(json.contains(r#""boxed":[3,0,3,0]"#) && json.contains(r#""none":null"#), "{json}");
    assert_eq!(serde_json::from_str::<Fields>(&json).unwrap(), value);
    let packed = rmp_serde::to_vec_named(&value).unwrap();
    assert_eq!(rmp_serde::from_slice::<Fields>(&packed).unwrap(), value);
}

#[test]
fn every_byte_field_receives_a_buffer() {
    let bytes = b"some text ".repeat(2000);
    let buffer = Buffer::from(bytes.clone());
    for codec in [MsgPack::new(), MsgPack::new().out_of_band_from(usize::MAX)] {
        let message = codec.encode(&buffer).unwrap();
        assert_eq!(from_multipart::<Vec<u8>>(message.clone()).unwrap(), bytes);
        assert_eq!(from_multipart::<Box<[u8]>>(message.clone()).unwrap()[..], bytes);
        assert_eq!(from_multipart::<ByteBuf>(message.clone()).unwrap(), bytes);
        assert_eq!(from_multipart_ref::<&serde_bytes::Bytes>(&message).unwrap(), &bytes[..]);
        assert_eq!(from_multipart_ref::<&[u8]>(&message).unwrap(), bytes);
        assert_eq!(from_multipart::<Option<Vec<u8>>>(message.clone()).unwrap(), Some(bytes.clone()));
    }
    // and the other way: what plain serde wrote is read as a buffer
    let message = to_multipart(&(vec![1_u8, 2, 3], ByteBuf::from(vec![4, 5]), "text")).unwrap();
    let (array, bin, text): (Buffer, Buffer, Buffer) = from_multipart(message).unwrap();
    assert_eq!((&array[..], &bin[..], &text[..]), (&[1, 2, 3][..], &[4, 5][..], &b"text"[..]));
    let map: HashMap<String, Buffer> = HashMap::from([("key".to_owned(), buffer)]);
    let back: HashMap<String, ByteBuf> = from_multipart(to_multipart(&map).unwrap()).unwrap();
    assert_eq!(back["key"], bytes);
}

#[test]
fn a_buffer_that_is_longer_than_a_tuple_is_refused() {
    for buffer in [Buffer::from(vec![1; 20_000]), Buffer::from(vec![1; 20])] {
        let message = to_multipart(&buffer).unwrap();
        let error = from_multipart::<(u8, u8)>(message.clone()).unwrap_err();
        assert!(error.is_peer() && error.to_string().contains("expected 2 elements"), "{error}");
        assert!(from_multipart::<[u8; 4]>(message).unwrap_err().is_peer());
    }
    assert_eq!(from_multipart::<[u8; 3]>(to_multipart(&Buffer::from(vec![7; 3])).unwrap()).unwrap(), [7; 3]);
}
