//! Values of messages with compressed buffers: the same messages again, nothing compressed twice, and nothing kept by anybody else.

#![cfg(all(feature = "zlib", feature = "lz4", feature = "zstd", feature = "blosc"))]

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use outband::{
    Array, Buffer, Compression, Decode, Encode, ErrorKind, Json, Limits, MsgPack, Multipart, Pickle, Placement, Value,
    from_multipart, memory, to_multipart,
};
use serde::{Deserialize, Serialize};

use crate::random::Random;

const FORMATS: [Compression; 4] =
    [Compression::zlib(), Compression::lz4(), Compression::zstd().level(9), Compression::blosc()];

fn times(from: i64) -> Vec<i64> {
    (0..12_500).map(|at| from + 30 * at).collect()
}

/// A buffer, an array, the buffer again, one that does not shrink, and one that is in band.
fn object() -> (Buffer, Array, Vec<Buffer>, Buffer, Buffer, String) {
    let noise = Buffer::from_vec((0..20_000_u64).map(|at| at.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect());
    let buffer = Buffer::from_vec(times(0));
    let array = Array::from_vec(times(1_700_000_000));
    (buffer.clone(), array, vec![buffer; 2], noise, Buffer::from(vec![7; 20]), "text".to_owned())
}

fn compressed<T: Serialize>(compression: Compression, object: &T) -> Multipart {
    MsgPack::new().compression(compression).encode(object).unwrap()
}

/// How the frames of a message are compressed.
fn encodings(message: &Multipart) -> Vec<Option<&'static str>> {
    message.buffer_sizes().unwrap().iter().map(|sizes| sizes.encoding()).collect()
}

/// Asserts that these are one message, in the same memory.
fn assert_same(again: &Multipart, message: &Multipart, what: &str) {
    assert!(again == message, "{what}: {again:?} and not {message:?}");
    for (again, frame) in again.buffers().iter().zip(message.buffers()) {
        assert_eq!(again.as_ptr(), frame.as_ptr(), "{what}: a frame was made anew");
    }
}

#[test]
fn a_value_is_the_same_message_again_in_the_same_frames() {
    for compression in FORMATS {
        let message = compressed(compression, &object());
        assert_eq!(encodings(&message).iter().flatten().count(), 2, "{compression:?}");
        let value: Value = from_multipart(message.clone()).unwrap();
        let before = memory::copied_bytes();
        let again = to_multipart(&value).unwrap();
        assert_same(&again, &message, &format!("{compression:?}"));
        assert_eq!(memory::copied_bytes(), before);
        // wherever it stands by then
        let message = to_multipart(&("before", Buffer::from_vec(times(5)), [value.clone()])).unwrap();
        assert_eq!(message.buffers().len(), 4);
        let (_, _, [back]): (String, Buffer, [Value; 1]) = from_multipart(message.clone()).unwrap();
        assert_eq!(back, value);
        assert_same(&to_multipart(&from_multipart::<Value>(message.clone()).unwrap()).unwrap(), &message, "within");
        assert_eq!(from_multipart::<(Buffer, Array, Vec<Buffer>, Buffer, Buffer, String)>(again).unwrap(), object());
    }
}

#[test]
fn every_golden_message_with_compressed_buffers_is_the_same_again() {
    for name in ["blosc2", "blosc2_python", "lz4", "zlib", "zstd"] {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.outband"));
        assert!(fs::exists(&path).unwrap());
        let message = Multipart::read_from(&mut File::open(path).unwrap()).unwrap();
        assert!(encodings(&message).iter().flatten().count() > 0);
        assert_same(&to_multipart(&from_multipart::<Value>(message.clone()).unwrap()).unwrap(), &message, name);
    }
}

/// An object of random parts, of which some are the same.
fn random_object(random: &mut Random) -> Vec<(Buffer, Option<Array>)> {
    let mut buffers: Vec<Buffer> = Vec::new();
    let count = random.below(40);
    (0..count)
        .map(|_| {
            let buffer = match buffers.len() {
                known if known > 0 && random.below(3) == 0 => buffers[random.below(known)].clone(),
                _ => Buffer::from(vec![random.next() as u8; random.below(3000)]),
            };
            buffers.push(buffer.clone());
            let array = Array::from_vec(vec![random.next() as u16 % 3; random.below(2000)]);
            (buffer, (random.below(2) == 0).then_some(array))
        })
        .collect()
}

#[test]
fn random_mixtures_of_all_formats_are_the_same_again() {
    let mut random = Random::seeded(0x5eed_c0de);
    for round in 0..300 {
        let seed = random.next() as usize;
        let codec = MsgPack::new().placement(move |buffer| match seed.wrapping_add(buffer.index()) % 7 {
            0 => Placement::InBand,
            1 => Placement::OutOfBand,
            at => Placement::Compressed(FORMATS[at % 4]),
        });
        let object = random_object(&mut random);
        let message = codec.encode(&object).unwrap();
        let value: Value = from_multipart(message.clone()).unwrap();
        assert_same(&to_multipart(&value).unwrap(), &message, &format!("round {round}"));
        let plain: Vec<(Buffer, Option<Array>)> = value.to_object().unwrap();
        assert_eq!(plain, object);
    }
}

#[test]
fn a_part_of_a_buffer_and_a_changed_one_are_plain() {
    let message = compressed(Compression::zstd(), &[Buffer::from_vec(times(0))]);
    let value: Value = from_multipart(message.clone()).unwrap();
    let Some([Value::Buffer(buffer)]) = value.as_list() else { panic!("{value}") };
    let sent = |buffer: Buffer| to_multipart(&vec![Value::from(buffer)]).unwrap();
    assert_same(&sent(buffer.slice(..)), &message, "all of it");
    for (part, what) in
        [(buffer.slice(1..), "end"), (buffer.slice(..99_999), "start"), (Buffer::copy_from_slice(buffer), "copy")]
    {
        let message = sent(part.clone());
        assert_eq!((encodings(&message), &message.buffers()[0]), (vec![None], &part), "{what}");
        assert_eq!(message.buffers()[0].as_ptr(), part.as_ptr(), "{what}");
    }
}

#[test]
fn what_has_a_type_is_sent_as_the_codec_says() {
    #[derive(Serialize, Deserialize)]
    struct Typed {
        buffer: Buffer,
        array: Array,
    }

    let object = Typed { buffer: Buffer::from_vec(times(0)), array: Array::from_vec(times(9)) };
    let message = compressed(Compression::lz4(), &object);
    let typed: Typed = from_multipart(message.clone()).unwrap();
    assert_eq!(encodings(&to_multipart(&typed).unwrap()), [None, None]);
    // also where it was taken out of a value
    let value: Value = from_multipart(message.clone()).unwrap();
    let (Some(Value::Buffer(buffer)), Some(array)) = (value.get("buffer"), value.get("array").unwrap().as_array())
    else {
        panic!("{value}")
    };
    let taken = Typed { buffer: buffer.clone(), array: array.clone() };
    let plain = to_multipart(&taken).unwrap();
    assert_eq!(encodings(&plain), [None, None]);
    // and that message is again what it is
    let value: Value = from_multipart(plain.clone()).unwrap();
    assert_same(&to_multipart(&value).unwrap(), &plain, "plain");
}

/// Bytes that tell whether they are still held.
struct Held(Vec<u8>, #[expect(dead_code, reason = "counts who has it")] Arc<()>);

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[test]
fn only_a_value_keeps_the_compressed_frames() {
    let (metadata, frames) = compressed(Compression::zlib(), &object()).into_parts();
    let held = Arc::new(());
    let holding = || {
        let hold = |frame: &Buffer| Buffer::from_owner(Held(frame.to_vec(), held.clone()));
        let frames = encodings(&Multipart::new(metadata.clone(), frames.clone())).into_iter().zip(&frames);
        let frames = frames.map(|(encoding, frame)| encoding.map_or(frame.clone(), |_| hold(frame)));
        Multipart::new(metadata.clone(), frames.collect())
    };
    let count = || Arc::strong_count(&held) - 1;

    let typed: (Buffer, Array, Vec<Buffer>, Buffer, Buffer, String) = from_multipart(holding()).unwrap();
    assert_eq!((count(), typed), (0, object()));

    let value: Value = from_multipart(holding()).unwrap();
    assert_eq!(count(), 2);
    // a typed object, and a value, made of it keep none
    let without: Value = value.to_object().unwrap();
    let object: (Buffer, Array, Vec<Buffer>, Buffer, Buffer, String) = value.to_object().unwrap();
    let again = Value::from_object(&value).unwrap();
    assert_eq!((count(), &without, &again), (2, &value, &value));
    let Some([Value::Buffer(buffer), ..]) = value.as_list() else { panic!("{value}") };
    assert_eq!((object.0.as_ptr(), count()), (buffer.as_ptr(), 2), "without copying");
    let part = buffer.slice(1..);
    drop(value);
    // a part of a buffer keeps all of it
    assert_eq!(count(), 1);
    drop(part);
    assert_eq!(count(), 0);
    assert_eq!(encodings(&to_multipart(&without).unwrap()).iter().flatten().count(), 0);
    assert_eq!(encodings(&to_multipart(&again).unwrap()).iter().flatten().count(), 0);
}

#[test]
fn a_codec_that_compresses_or_places_decides_anew() {
    let buffers = [Buffer::from_vec(times(0)), Buffer::from(vec![1; 20_000])];
    let message = MsgPack::new()
        .placement(|buffer| match buffer.index() {
            0 => Placement::Compressed(Compression::zlib()),
            _ => Placement::OutOfBand,
        })
        .encode(&buffers)
        .unwrap();
    assert_eq!(encodings(&message), [Some("zlib"), None]);
    let value: Value = from_multipart(message.clone()).unwrap();

    let zstd = MsgPack::new().compression(Compression::zstd());
    assert_eq!(encodings(&zstd.encode(&value).unwrap()), [Some("zstd"), Some("zstd")]);

    type Told = (Option<&'static str>, Placement);
    let told: Arc<Mutex<Vec<Told>>> = Arc::default();
    let asked = told.clone();
    let noting = move |codec: MsgPack, decide: fn(Placement) -> Placement| {
        let asked = asked.clone();
        let codec = codec.placement(move |buffer| {
            asked.lock().unwrap().push((buffer.came_compressed(), buffer.default_placement()));
            decide(buffer.default_placement())
        });
        codec.encode(&value).unwrap()
    };
    let as_it_came = (Some("zlib"), Placement::AsItCame);
    assert_same(&noting(MsgPack::new(), |default| default), &message, "by default");
    assert_eq!(std::mem::take(&mut *told.lock().unwrap()), [as_it_came, (None, Placement::OutOfBand)]);
    // of one that did not come compressed it says no more than out of band
    assert_same(&noting(MsgPack::new(), |_| Placement::AsItCame), &message, "all of them");
    assert_eq!(encodings(&noting(MsgPack::new(), |_| Placement::OutOfBand)), [None, None]);
    assert_eq!(encodings(&noting(MsgPack::new(), |_| Placement::InBand)).len(), 0);
    told.lock().unwrap().clear();
    assert_same(&noting(zstd, |_| Placement::AsItCame), &message, "what compresses, told not to");
    let anew = Placement::Compressed(Compression::zstd());
    assert_eq!(*told.lock().unwrap(), [(Some("zlib"), anew), (None, anew)]);
}

#[test]
fn other_codecs_get_what_was_decompressed() {
    let buffer = Buffer::from_vec(times(0));
    let value: Value = from_multipart(compressed(Compression::blosc(), &[&buffer])).unwrap();
    let pickled = Pickle::new().encode(&value).unwrap();
    assert_eq!(pickled.buffers(), std::slice::from_ref(&buffer));
    assert_eq!(Decode::<Value>::decode(&Pickle::new(), pickled).unwrap(), value);
    assert_eq!(serde_json::to_value(&value).unwrap()[0].as_array().unwrap().len(), buffer.len());
    assert!(Encode::<Value>::encode(&Json::new(), &value).is_err());
}

/// A buffer that is a compressed frame's very bytes, and what that frame holds, in one value.
#[test]
fn a_frame_that_is_also_a_buffer_of_its_own_is_two_frames() {
    let message = compressed(Compression::zlib(), &[Buffer::from_vec(times(0))]);
    let stored = message.buffers()[0].clone();
    let Some(value) = from_multipart::<Value>(message).unwrap().as_list().map(|list| list[0].clone()) else { panic!() };
    for others in [0, 40] {
        let others: Vec<_> = (0..others).map(|at| Value::from(Buffer::from(vec![at; 10_000]))).collect();
        let bytes = || Value::from(stored.clone());
        for order in [[bytes(), value.clone()], [value.clone(), bytes()]] {
            let mixed = Value::from([&order[..], &others, &order].concat());
            let message = to_multipart(&mixed).unwrap();
            assert_eq!(message.buffers().len(), 2 + others.len());
            let back: Value = from_multipart(message.clone()).unwrap();
            assert_eq!(back, mixed);
            assert_same(&to_multipart(&back).unwrap(), &message, "again");
        }
    }
}

/// The reference to a compressed frame.
fn reference(frame: u8, stored: &[u8], encoding: &str, raw_len: u8) -> Vec<u8> {
    let mut payload = vec![0x95, frame, stored.len() as u8, 0xce];
    payload.extend(crc32fast::hash(stored).to_be_bytes());
    payload.push(0xa0 | encoding.len() as u8);
    payload.extend(encoding.as_bytes());
    payload.push(raw_len);
    let head = match payload.len() {
        16 => vec![0xd8, 0x42],
        len => vec![0xc7, len as u8, 0x42],
    };
    [head, payload].concat()
}

#[test]
fn compressed_buffers_without_bytes_stay_what_they_were() {
    let none = [
        ("zlib", b"\x78\x9c\x03\0\0\0\0\x01".to_vec()),
        ("zstd", b"\x28\xb5\x2f\xfd\x20\0\x01\0\0".to_vec()),
        ("lz4", b"\x04\x22\x4d\x18\x60\x40\x82\0\0\0\0".to_vec()),
    ];
    let count = none.len() as u8;
    let references = (0..count).chain(0..count).flat_map(|at| {
        let (encoding, stored) = &none[usize::from(at)];
        reference(at, stored, encoding, 0)
    });
    let metadata: Vec<u8> = [0x90 | (2 * count)].into_iter().chain(references).collect();
    let message = Multipart::new(metadata, none.iter().map(|(_, stored)| stored.clone().into()).collect());
    let value: Value = from_multipart(message.clone()).unwrap();
    assert_eq!(value.to_string().matches("Buffer(0 bytes").count(), 6, "{value}");
    assert_same(&to_multipart(&value).unwrap(), &message, "none");
}

#[test]
fn the_limits_hold_for_what_is_passed_on() {
    let message = compressed(Compression::zlib(), &[Buffer::from_vec(times(0)), Buffer::from_vec(times(1))]);
    let value: Value = from_multipart(message.clone()).unwrap();
    let limited = |bytes| MsgPack::new().limits(Limits::new().decompressed_bytes(bytes));
    assert_same(&limited(200_000).encode(&value).unwrap(), &message, "at the limit");
    let error = limited(199_999).encode(&value).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limits, "{error}");
    // one frame counts once, however often it is named
    let twice = Value::from(vec![value.clone(), value]);
    assert_eq!(limited(200_000).encode(&twice).unwrap().buffers().len(), 2);
}

#[cfg(feature = "arrow")]
#[test]
fn tables_are_the_same_again() {
    use arrow_array::types::{Int16Type, Int64Type};
    use arrow_array::{ArrayRef, DictionaryArray, ListArray, RecordBatch, StringArray, StringViewArray};
    use outband::Table;

    let rows = 20_000_i64;
    let lists = (0..rows).map(|row| Some([Some(row), None, Some(row / 7)]));
    let words: DictionaryArray<Int16Type> = (0..rows).map(|row| ["low", "high"][row as usize / 100 % 2]).collect();
    let text = || (0..rows).map(|row| format!("row number {row}"));
    let columns: [(&str, ArrayRef); 4] = [
        ("text", Arc::new(StringArray::from_iter_values(text()))),
        ("views", Arc::new(StringViewArray::from_iter_values(text()))),
        ("lists", Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists))),
        ("words", Arc::new(words)),
    ];
    let table = Table::from(RecordBatch::try_from_iter(columns).unwrap());
    for compression in FORMATS {
        let message = compressed(compression, &("table", &table, &table));
        assert!(encodings(&message).iter().flatten().count() > 6);
        let value: Value = from_multipart(message.clone()).unwrap();
        assert_same(&to_multipart(&value).unwrap(), &message, &format!("{compression:?}"));
        // as a table of its own it is sent as the codec says
        let sent = to_multipart(&value.as_list().unwrap()[1].as_table()).unwrap();
        assert_eq!(encodings(&sent).iter().flatten().count(), 0);
        assert_eq!(from_multipart::<Table>(sent).unwrap(), table);
    }
}
