//! Values survive the codec at any depth, and buffers are never copied.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::mpsc;
use std::thread;

use outband::{
    Array, Buffer, Decode, Encode, ErrorKind, MsgPack, Multipart, Value, from_multipart, memory, to_multipart,
};
use serde::{Deserialize, Serialize};

fn big(byte: u8) -> Buffer {
    Buffer::from_vec(vec![byte; 20_000])
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
enum Shape {
    Unit,
    New(Buffer),
    Tuple(u8, Buffer),
    Struct { name: String, buffer: Buffer },
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(tag = "kind")]
enum Internal {
    Image { width: u32, pixels: Buffer },
    Empty,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(tag = "kind", content = "data")]
enum Adjacent {
    Image(Buffer),
    Two(Buffer, Buffer),
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(untagged)]
enum Untagged {
    Image { pixels: Buffer },
    Plain(Buffer),
    Number(u64),
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Inner {
    a: Buffer,
    b: Option<Buffer>,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Flat {
    id: u32,
    #[serde(flatten)]
    inner: Inner,
    #[serde(flatten)]
    rest: BTreeMap<String, Buffer>,
}

fn comes_back<T: Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(value: T, frames: usize) {
    let copied = memory::copied_bytes();
    let message = to_multipart(&value).unwrap();
    assert_eq!(message.buffers().len(), frames, "{value:?}");
    let sent: Vec<_> = message.buffers().iter().map(|buffer| buffer.as_ptr()).collect();
    let back: T = from_multipart(message).unwrap();
    assert_eq!(back, value);
    assert_eq!(memory::copied_bytes() - copied, 0, "{value:?}");
    // the decoded value shares the frames: encoding it again sends the same memory
    let again: Vec<_> = to_multipart(&back).unwrap().buffers().iter().map(|buffer| buffer.as_ptr()).collect();
    assert_eq!(again, sent);
}

#[test]
fn buffers_are_found_at_any_depth_without_copying() {
    comes_back(big(1), 1);
    comes_back(Some(big(1)), 1);
    comes_back(vec![big(1), big(2), big(3)], 3);
    comes_back((1_u8, big(1), "text".to_owned(), [big(2), big(3)]), 3);
    comes_back(BTreeMap::from([("a".to_owned(), big(1)), ("b".to_owned(), big(2))]), 2);
    comes_back(vec![Shape::Unit, Shape::New(big(1)), Shape::Tuple(7, big(2))], 2);
    comes_back(Shape::Struct { name: "n".into(), buffer: big(1) }, 1);
    comes_back(vec![Internal::Empty, Internal::Image { width: 3, pixels: big(1) }], 1);
    comes_back(vec![Adjacent::Image(big(1)), Adjacent::Two(big(2), big(3))], 3);
    comes_back(vec![Untagged::Number(3), Untagged::Image { pixels: big(1) }, Untagged::Plain(big(2))], 2);
    let rest = BTreeMap::from([("x".to_owned(), big(3))]);
    comes_back(Flat { id: 1, inner: Inner { a: big(1), b: Some(big(2)) }, rest }, 3);
    comes_back(vec![Some(vec![(big(1), Some(big(2)))]), None], 2);
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct FlatEnum {
    id: u32,
    #[serde(flatten)]
    shape: Shape,
}

#[test]
fn a_flattened_enum_works_and_its_copy_is_counted() {
    for shape in [Shape::New(big(1)), Shape::Tuple(1, big(2)), Shape::Struct { name: "n".into(), buffer: big(3) }] {
        let value = FlatEnum { id: 1, shape };
        let copied = memory::copied_bytes();
        let message = to_multipart(&value).unwrap();
        assert_eq!(message.buffers().len(), 1, "{value:?}");
        assert!(memory::copied_bytes() - copied <= 20_000);
        assert_eq!(from_multipart::<FlatEnum>(message).unwrap(), value);
    }
}

/// Whose values of a thread are dropped first is not said, and one that is dropped may send.
#[test]
fn a_thread_that_ends_encodes_and_decodes_still() {
    struct Last(Option<mpsc::Sender<usize>>);
    impl Drop for Last {
        fn drop(&mut self) {
            let value = (big(1), Array::from_shape_vec([3], vec![1_u8, 2, 3]).unwrap(), Value::from(7_u64));
            let message = to_multipart(&value).unwrap();
            assert_eq!(from_multipart::<(Buffer, Array, Value)>(message).unwrap(), value);
            let within = to_multipart(&(big(2), Within(big(3)))).unwrap();
            assert_eq!(from_multipart::<(Buffer, Within)>(within).unwrap(), (big(2), Within(big(3))));
            self.0.take().unwrap().send(value.0.len()).unwrap();
        }
    }
    thread_local! {
        static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
    }
    let (ends, ended) = mpsc::channel();
    thread::spawn(move || {
        // what is first of use is dropped last
        LAST.set(Some(Last(Some(ends))));
        comes_back(vec![big(1), big(2)], 2);
        let nested = to_multipart(&(big(2), Within(big(3)))).unwrap();
        from_multipart::<(Buffer, Within)>(nested).unwrap();
    })
    .join()
    .unwrap();
    assert_eq!(ended.recv().unwrap(), 20_000);
}

/// A buffer that travels as a message of one frame within another one.
#[derive(PartialEq, Debug)]
struct Within(Buffer);

impl Serialize for Within {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let message = MsgPack::new().out_of_band_from(usize::MAX).encode(&self.0).map_err(serde::ser::Error::custom)?;
        serializer.serialize_bytes(message.metadata())
    }
}

impl<'de> Deserialize<'de> for Within {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let metadata = <&[u8]>::deserialize(deserializer)?;
        MsgPack::new().decode_frame(metadata).map(Self).map_err(serde::de::Error::custom)
    }
}

#[test]
fn small_buffers_travel_in_band() {
    let value = (Buffer::from_vec(vec![1_u8; 100]), Buffer::new());
    let message = to_multipart(&value).unwrap();
    assert_eq!(message.buffers().len(), 0);
    assert_eq!(from_multipart::<(Buffer, Buffer)>(message).unwrap(), value);
    let all = MsgPack::new().out_of_band_from(0);
    let message = all.encode(&value).unwrap();
    assert_eq!(message.buffers().len(), 2);
    assert_eq!(Decode::<(Buffer, Buffer)>::decode(&all, message).unwrap(), value);
}

#[test]
fn a_message_prints_lengths_and_not_all_of_ten_thousand() {
    let few = Multipart::new("ab", vec![Buffer::from(vec![1; 3]); 2]);
    assert_eq!(format!("{few:?}"), "Multipart(metadata: 2 bytes, buffers: [Buffer(3 bytes), Buffer(3 bytes)])");
    let many = Multipart::new("ab", vec![Buffer::from(vec![1; 3]); 10_000]);
    let text = format!("{many:?}");
    assert!(text.ends_with("Buffer(3 bytes)] and 9992 more of 29976 bytes)") && text.len() < 300, "{text}");
}

#[test]
fn a_buffer_that_comes_again_among_thousands_has_one_frame() {
    let block = Buffer::from_vec(vec![1_u8; 3_000]);
    for count in [16, 17, 18, 100, 3_000] {
        let parts: Vec<Buffer> = (0..count).map(|at| block.slice(at..)).collect();
        // each of them once, and then in another order
        let again = (0..count).map(|nth| parts[nth * 7 % count].clone());
        let all: Vec<Buffer> = parts.iter().cloned().chain(again).collect();
        let codec = MsgPack::new().out_of_band_from(0);
        let message = codec.encode(&all).unwrap();
        let places =
            |buffers: &[Buffer]| buffers.iter().map(|buffer| (buffer.as_ptr(), buffer.len())).collect::<Vec<_>>();
        assert_eq!(places(message.buffers()), places(&parts));
        let back: Vec<Buffer> = codec.decode(message).unwrap();
        assert_eq!(places(&back), places(&all));
    }
}

#[test]
fn a_key_that_stands_twice_is_refused_kept_or_overwritten_as_the_type_says() {
    #[derive(Deserialize, Debug)]
    struct Reading {
        #[allow(dead_code, reason = "it is refused")]
        volts: u8,
    }

    let twice = Multipart::new(&b"\x82\xa5volts\x01\xa5volts\x02"[..], vec![]);
    let error = from_multipart::<Reading>(twice.clone()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Peer);
    assert!(error.to_string().contains("duplicate field `volts`"), "{error}");
    let map: BTreeMap<String, u8> = from_multipart(twice.clone()).unwrap();
    assert_eq!(map, [("volts".to_owned(), 2)].into());
    // as what is one key to Python and several here
    let one = Multipart::new(&b"\x83\x01\xa1a\xc3\xa1b\xcb\x3f\xf0\0\0\0\0\0\0\xa1c"[..], vec![]);
    for message in [twice, one] {
        let value: Value = from_multipart(message.clone()).unwrap();
        assert_eq!(to_multipart(&value).unwrap(), message);
    }
}

/// The order in which buffers come is nobody's business, nor where they lie.
#[test]
fn buffers_in_any_order_have_one_frame_each() {
    let block: Vec<Buffer> = {
        let whole = Buffer::from_vec((0..400_000_u32).map(|at| (at.wrapping_mul(at) >> 9) as u8).collect::<Vec<_>>());
        (0..40).map(|nth| whole.slice(10_000 * nth..10_000 * nth + 9000)).collect()
    };
    let mut seed = 7_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for count in [1, 2, 3, 7, 8, 9, 16, 17, 18, 33, 64, 150] {
        let up = (0..count).map(|nth| nth % 40).collect::<Vec<_>>();
        let down = up.iter().rev().copied().collect();
        let outwards = (0..count).map(|nth| if nth % 2 == 0 { 20 + nth / 2 % 20 } else { 19 - nth / 2 % 20 }).collect();
        let any = (0..count).map(|_| random(40)).collect();
        for order in [up, down, outwards, any] {
            let value: Vec<Buffer> = order.iter().map(|&nth| block[nth].clone()).collect();
            let message = to_multipart(&value).unwrap();
            let mut firsts = Vec::new();
            for &nth in &order {
                if !firsts.contains(&nth) {
                    firsts.push(nth);
                }
            }
            let expected: Vec<_> = firsts.iter().map(|&nth| block[nth].as_ptr()).collect();
            assert_eq!(message.buffers().iter().map(|frame| frame.as_ptr()).collect::<Vec<_>>(), expected, "{order:?}");
            assert_eq!(from_multipart::<Vec<Buffer>>(message).unwrap(), value);
        }
    }
}

/// A list that does not know how long it is.
struct Unsized<'a>(&'a [Buffer]);

impl Serialize for Unsized<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        self.0.iter().try_for_each(|buffer| serde::ser::SerializeSeq::serialize_element(&mut list, buffer))?;
        serde::ser::SerializeSeq::end(list)
    }
}

/// One check in 65 536 is so small that its number takes fewer bytes, and what was written after it moves.
#[test]
fn references_of_any_length_stand_in_lists_of_known_and_unknown_length() {
    let mut short = (0_u32..).map(|nth| [&[0; 250][..], &nth.to_le_bytes()[..], &[0; 10]].concat());
    // of 264 bytes these are the spots, and the last of them ends the buffer
    let sample = |bytes: &[u8]| [0, 82, 165, 248].map(|at| bytes[at..at + 16].to_vec()).concat();
    let short = Buffer::from_vec(short.find(|bytes| crc32fast::hash(&sample(bytes)) <= 0xffff).unwrap());
    let long = |nth: usize| Buffer::from_vec(vec![nth as u8; 9000 + nth]);
    let codec = MsgPack::new().out_of_band_from(0);
    for count in [1, 2, 7, 8, 9, 20] {
        for places in [vec![], vec![0], vec![count - 1], (0..count).step_by(3).collect(), (0..count).collect()] {
            let mut buffers: Vec<Buffer> = (0..count).map(long).collect();
            for &place in &places {
                buffers[place] = Buffer::copy_from_slice(&short);
            }
            let known = codec.encode(&(&buffers, &buffers, "end")).unwrap();
            let unknown = codec.encode(&(Unsized(&buffers), Unsized(&buffers), "end")).unwrap();
            assert_eq!(known.metadata(), unknown.metadata());
            type Lists = (Vec<Buffer>, Vec<Buffer>, String);
            for message in [known, unknown] {
                let decoded: Lists = codec.decode(message).unwrap();
                assert_eq!(decoded, (buffers.clone(), buffers.clone(), "end".to_owned()));
            }
            // in place of a full check of five bytes one of three, or fewer
            let without: Vec<Buffer> = (0..count)
                .map(|nth| {
                    if places.contains(&nth) {
                        Buffer::copy_from_slice(&[&[1; 250][..], &[2; 14]].concat())
                    } else {
                        long(nth)
                    }
                })
                .collect();
            let longer = codec.encode(&(&without, &without, "end")).unwrap().metadata().len();
            let shorter = codec.encode(&(&buffers, &buffers, "end")).unwrap().metadata().len();
            assert!(longer - shorter >= 2 * 2 * places.len(), "{longer} {shorter} {places:?}");
        }
    }
}
