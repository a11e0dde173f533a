//! What needs no socket, small enough for miri: `cargo +nightly miri test --test miri` looks for undefined behaviour.
//!
//! No `zmq::Message` is made here, because that is C. Each test is an ordinary one as well.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use outband::{
    Array, Buffer, BufferPool, DType, Decode, Element, Encode, Limits, MsgPack, Multipart, Order, from_multipart,
    to_multipart,
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, PartialEq, Debug)]
#[repr(C)]
struct Point {
    x: f32,
    y: f32,
}

// SAFETY: two floats, no padding, every value is valid
#[allow(unsafe_code, reason = "an element of one's own is declared with an unsafe impl")]
unsafe impl Element for Point {}

/// An owner that counts its drops.
struct Counted {
    bytes: Vec<u8>,
    drops: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::SeqCst);
    }
}

fn everything_out() -> MsgPack {
    MsgPack::new().out_of_band_from(0)
}

#[test]
fn vectors_of_every_element_are_their_bytes() {
    fn comes_back<T: Element + PartialEq + std::fmt::Debug>(elements: Vec<T>) {
        let mut spare = Vec::with_capacity(elements.len() + 7);
        spare.extend_from_slice(&elements);
        let shared: Arc<[T]> = Arc::from(&elements[..]);
        for buffer in [Buffer::from_vec(spare), Buffer::from_arc(shared)] {
            assert_eq!(buffer.len(), size_of_val(&elements[..]));
            assert_eq!(buffer.try_cast::<T>().unwrap(), elements);
            assert_eq!(Buffer::copy_from_slice(&buffer), buffer);
        }
    }
    comes_back(vec![1_u8, 2, 3]);
    comes_back(vec![1_u16, 2, 3]);
    comes_back(vec![-1_i64, 2]);
    comes_back(vec![u128::MAX, 2]);
    comes_back(vec![1.5_f64, f64::MIN]);
    comes_back(vec![[1.0_f32, 2.0, 3.0]; 4]);
    comes_back(vec![Point { x: 1.0, y: -1.0 }; 3]);
    comes_back(Vec::<f64>::new());
}

#[test]
fn casts_of_wrong_length_or_alignment_are_errors() {
    let buffer = Buffer::from_vec(vec![0_u64; 8]);
    assert_eq!(buffer.try_cast::<[u8; 3]>().unwrap_err().kind(), outband::ErrorKind::Caller);
    assert_eq!(buffer.try_cast::<[u8; 0]>().unwrap_err().kind(), outband::ErrorKind::Caller);
    let odd = buffer.slice(1..9);
    assert!(odd.try_cast::<u64>().is_err());
    for align in [1, 2, 8, 64, 4096] {
        let aligned = odd.to_aligned(align);
        assert_eq!(aligned.as_ptr().addr() % align, 0);
        assert_eq!(aligned, odd);
    }
    assert_eq!(odd.to_aligned(8).try_cast::<u64>().unwrap(), [0]);
    assert!(Buffer::new().try_cast::<u64>().unwrap().is_empty());
}

#[test]
fn copies_of_arrays_are_written_through_their_bytes() {
    let big = Buffer::from((0..48).collect::<Vec<u8>>());
    let columns = Array::new(">u4".parse().unwrap(), [3, 4], Order::F, big.clone()).unwrap();
    let rows = columns.to_vec::<u32>().unwrap();
    assert_eq!(rows[..2], [0x0001_0203, 0x0c0d_0e0f]);
    assert_eq!(columns.to_native().unwrap().to_order(Order::C).unwrap().as_slice::<u32>().unwrap(), rows);
    let turned = Array::from_strided(DType::I16, [5, 2], &[-8, 4], 40, &big).unwrap();
    assert_eq!(turned.as_slice::<i16>().unwrap()[..2], [0x2928, 0x2d2c]);
    assert_eq!(Array::from_vec(Vec::<f64>::new()).to_vec::<f64>().unwrap(), Vec::<f64>::new());
    let pair = Array::broadcast(DType::F64, [1], [3], Order::C, Buffer::from_vec(vec![0.5_f64])).unwrap();
    assert_eq!(pair.to_vec::<f64>().unwrap(), [0.5; 3]);
}

#[test]
fn an_owner_outlives_its_last_slice_and_is_dropped_once() {
    let drops = Arc::new(AtomicUsize::new(0));
    let buffer = Buffer::from_owner(Counted { bytes: vec![1, 2, 3, 4], drops: drops.clone() });
    let tail: Bytes = buffer.slice(2..).into();
    drop(buffer);
    assert_eq!((&tail[..], drops.load(Ordering::SeqCst)), (&[3, 4][..], 0));
    std::thread::spawn(move || drop(tail)).join().unwrap();
    assert_eq!(drops.load(Ordering::SeqCst), 1);
}

#[test]
fn pool_blocks_are_aligned_and_return() {
    let pool = BufferPool::with(256, 1 << 20);
    let mut block = pool.take(100);
    assert_eq!(block.as_ptr().addr() % 256, 0);
    block.fill(7);
    block.truncate(50);
    let address = block.as_ptr();
    let (one, two) = (block.freeze(), pool.take(5000).freeze());
    let clone = one.clone();
    drop((one, two));
    assert_ne!(pool.take(50).as_ptr(), address, "a block in use is not handed out");
    std::thread::spawn(move || assert_eq!(clone[..], [7; 50])).join().unwrap();
    let again: Vec<_> = (0..2).map(|_| pool.take(50)).collect();
    assert!(again.iter().any(|block| block.as_ptr() == address));
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
enum Shape {
    Unit,
    New(Buffer),
    Struct { name: String, rows: Vec<Buffer> },
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Everything {
    shapes: Vec<Shape>,
    map: BTreeMap<String, Option<Buffer>>,
    #[serde(with = "outband::serde_buffer")]
    volts: Vec<f64>,
    #[serde(with = "outband::serde_buffer")]
    raw: Bytes,
    #[serde(flatten)]
    rest: Rest,
    tag: Tagged,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Rest {
    flat: Buffer,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(tag = "kind")]
enum Tagged {
    Image { pixels: Buffer },
}

fn everything() -> Everything {
    let rows = Buffer::from_vec(vec![1_u16; 10]);
    Everything {
        shapes: vec![
            Shape::Unit,
            Shape::New(Buffer::from_vec(vec![2_u8; 70])),
            Shape::Struct { name: "n".into(), rows: vec![rows.clone(), rows] },
        ],
        map: BTreeMap::from([("a".into(), Some(Buffer::from_vec(vec![3_i32; 3]))), ("b".into(), None)]),
        volts: vec![0.5; 4],
        raw: Bytes::from_static(b"static"),
        rest: Rest { flat: Buffer::from_owner([9_u8; 9]) },
        tag: Tagged::Image { pixels: Buffer::new() },
    }
}

#[test]
fn values_survive_the_codec_in_band_and_out_of_band() {
    for codec in [MsgPack::new(), everything_out()] {
        let message = codec.encode(&everything()).unwrap();
        let value: Everything = codec.decode(message.clone()).unwrap();
        assert_eq!(value, everything());
        drop(message);
        assert_eq!(codec.encode(&value).unwrap(), codec.encode(&everything()).unwrap());
    }
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Borrowed<'a> {
    name: &'a str,
    #[serde(borrow)]
    label: Cow<'a, str>,
    bytes: &'a [u8],
}

#[test]
fn borrowed_fields_point_into_the_frames() {
    #[derive(Serialize)]
    struct Owned {
        name: String,
        label: String,
        bytes: Buffer,
    }
    let owned = Owned { name: "name".into(), label: "label".into(), bytes: Buffer::from_vec(vec![5_u8; 90]) };
    let message = everything_out().encode(&owned).unwrap();
    let borrowed: Borrowed<'_> = everything_out().decode_ref(&message).unwrap();
    assert_eq!(borrowed, Borrowed { name: "name", label: Cow::Borrowed("label"), bytes: &[5; 90] });
    assert_eq!(borrowed.bytes.as_ptr(), owned.bytes.as_ptr());
    assert!(matches!(borrowed.label, Cow::Borrowed(_)));
    let peeked: BTreeMap<String, serde::de::IgnoredAny> = everything_out().peek(&message).unwrap();
    assert_eq!(peeked.len(), 3);
}

struct Panics;

impl Serialize for Panics {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("on purpose");
    }
}

struct Nested;

impl Serialize for Nested {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let inner = everything_out().encode(&Buffer::from_vec(vec![1_u8; 4])).map_err(serde::ser::Error::custom)?;
        (Buffer::from(inner.metadata().clone()), &inner.buffers()[0]).serialize(serializer)
    }
}

#[test]
fn a_panic_or_a_nested_encode_leaves_nothing_behind() {
    let value = (Buffer::from_vec(vec![1_u8; 10]), Panics);
    let panicked = catch_unwind(AssertUnwindSafe(|| everything_out().encode(&value)));
    assert!(panicked.is_err());
    let message = everything_out().encode(&Nested).unwrap();
    assert_eq!(message.buffers().len(), 2);
    let (metadata, buffer): (Buffer, Buffer) = everything_out().decode(message).unwrap();
    let inner: Buffer = everything_out().decode(Multipart::new(metadata, vec![buffer])).unwrap();
    assert_eq!(inner[..], [1; 4]);
}

#[test]
fn truncated_and_changed_metadata_is_an_error_or_a_value() {
    let message = everything_out().encode(&(7_u32, "text", Buffer::from_vec(vec![1_u8; 5]))).unwrap();
    for cut in 0..message.metadata().len() {
        let short = Multipart::new(message.metadata().slice(..cut), message.buffers().to_vec());
        assert!(from_multipart::<(u32, String, Buffer)>(short).is_err());
    }
    for at in 0..message.metadata().len() {
        let mut changed = message.metadata().to_vec();
        changed[at] ^= 0x81;
        let _ = from_multipart::<(u32, String, Buffer)>(Multipart::new(changed, message.buffers().to_vec()));
    }
}

#[test]
fn messages_survive_a_stream_and_a_mapped_one_is_borrowed() {
    let first = everything_out().encode(&everything()).unwrap();
    let second = to_multipart("second").unwrap();
    let mut stream = Vec::new();
    first.write_to(&mut stream).unwrap();
    second.write_to(&mut stream).unwrap();

    let mut reader = &stream[..];
    assert_eq!(Multipart::read_from(&mut reader).unwrap(), first);
    assert_eq!(Multipart::read_from(&mut reader).unwrap(), second);
    assert!(Multipart::read_from(&mut reader).unwrap_err().is_end_of_stream());

    let mapped = Buffer::from(stream);
    let mut rest = mapped.clone();
    let read = Multipart::read_from_buffer(&mut rest, &Limits::default()).unwrap();
    assert_eq!(read, first);
    let range = mapped.as_ptr_range();
    assert!(read.buffers().iter().all(|buffer| buffer.is_empty() || range.contains(&buffer.as_ptr())));
}
