//! Buffers that are compressed come back as they were, whatever the format, the level and the data.

#![cfg(all(feature = "zlib", feature = "lz4", feature = "zstd", feature = "blosc"))]

use outband::{Array, Buffer, Compression, DType, Decode, Encode, ErrorKind, Inner, Limits, MsgPack, Multipart, Order};
use outband::{Placement, Shuffle, from_multipart, memory, to_multipart};

use crate::random::Random;

/// Every format in its variants.
fn formats() -> Vec<Compression> {
    // GENERAL of them without elements, then Blosc2
    let mut formats = vec![Compression::lz4(), Compression::auto()];
    for level in [0, 1, 9] {
        formats.push(Compression::zlib().level(level));
    }
    for level in [-100, 1, 3] {
        formats.push(Compression::zstd().level(level));
    }
    for inner in [Inner::Lz4, Inner::Zlib, Inner::Zstd] {
        for shuffle in [Shuffle::None, Shuffle::Byte, Shuffle::Bit] {
            formats.push(Compression::blosc().inner(inner).shuffle(shuffle).level(1));
        }
    }
    formats
}

const GENERAL: usize = 8;

/// Kinds of data, from the most to the least compressible.
fn kinds(random: &mut Random) -> Vec<Box<dyn FnMut(usize) -> u8 + '_>> {
    let mut mixed = Random::seeded(random.next());
    vec![
        Box::new(|_| 0),
        Box::new(|_| 0xa5),
        Box::new(|at| (1_700_000_000_000 + 1000 * (at as u64 / 8)).to_le_bytes()[at % 8]),
        Box::new(|at| ((at / 4) as f32).sqrt().to_le_bytes()[at % 4]),
        Box::new(|at| b"the quick brown fox jumps over the lazy dog "[at * at / 7 % 44]),
        // compressible and not in turn, longer than a block
        Box::new(move |at| if at >> 18 & 1 == 0 { 7 } else { mixed.next() as u8 }),
        Box::new(|_| random.next() as u8),
    ]
}

fn packed(bytes: &[u8], compression: Compression) -> Multipart {
    let codec = MsgPack::new().out_of_band_from(0).compression(compression);
    codec.encode(&Buffer::copy_from_slice(bytes)).unwrap()
}

fn round_trips(bytes: &[u8], compression: Compression) {
    let message = packed(bytes, compression);
    let stored = message.buffers()[0].len();
    assert!(stored <= bytes.len(), "{compression:?}: {} bytes became {stored}", bytes.len());
    let back: Buffer = from_multipart(message).unwrap();
    assert!(back == Buffer::copy_from_slice(bytes), "{compression:?} of {} bytes", bytes.len());
}

#[test]
fn buffers_come_back_whatever_the_format_length_and_content() {
    let mut random = Random::seeded(1);
    let lengths = [0, 1, 2, 7, 8, 9, 31, 32, 33, 100, 1000, 4095, 131_072];
    for mut kind in kinds(&mut random) {
        let all: Vec<u8> = (0..300_001).map(&mut kind).collect();
        round_trips(&all, Compression::blosc().item_len(8));
        for compression in formats() {
            for len in lengths {
                round_trips(&all[..len], compression);
            }
        }
        for compression in formats().into_iter().skip(GENERAL) {
            for item in [2, 3, 8, 16, 255, 256] {
                for len in [8 * item.min(1000), 40 * item.min(1000), 140_000 / item * item] {
                    round_trips(&all[..len], compression.item_len(item));
                }
            }
        }
    }
}

#[test]
fn buffers_of_many_chunks_come_back() {
    let mut random = Random::seeded(2);
    let len = (9 << 20) + 8;
    let bytes: Vec<u8> = (0..len).map(|at| if at % 8 < 2 { random.next() as u8 } else { (at >> 14) as u8 }).collect();
    for compression in [
        Compression::zlib().level(1),
        Compression::lz4(),
        Compression::zstd().level(1),
        Compression::blosc().item_len(8),
        Compression::blosc().item_len(8).inner(Inner::Zstd),
        Compression::blosc().item_len(3).shuffle(Shuffle::None),
    ] {
        let message = packed(&bytes, compression);
        assert!(message.total_len() < len, "{compression:?}");
        let copied = memory::copied_bytes();
        let back: Buffer = from_multipart(message).unwrap();
        assert_eq!(memory::copied_bytes(), copied, "{compression:?}: what is decompressed is not copied");
        assert!(back[..] == bytes[..], "{compression:?}");
    }
}

#[test]
fn a_level_is_clamped_to_what_the_format_has() {
    let bytes: Vec<u8> = (0..50_000_u32).flat_map(|at| (at * at / 1000).to_le_bytes()).collect();
    let frame = |compression| packed(&bytes, compression).buffers()[0].clone();
    assert_eq!(frame(Compression::zlib().level(99)), frame(Compression::zlib().level(9)));
    assert_eq!(frame(Compression::zstd().level(99)), frame(Compression::zstd().level(22)));
    let zstd = Compression::blosc().inner(Inner::Zstd);
    assert_eq!(frame(zstd.level(-1)), frame(zstd.level(1)));
    assert!(frame(Compression::zlib().level(9)).len() < frame(Compression::zlib().level(1)).len());
    assert_eq!(frame(Compression::zlib()), frame(Compression::zlib().level(6)));
}

fn numbers() -> Buffer {
    Buffer::from_vec((0..50_000_i64).map(|at| 1_700_000_000 + at * 60).collect())
}

fn noise(len: usize) -> Buffer {
    let mut random = Random::seeded(3);
    Buffer::from_vec((0..len).map(|_| random.next() as u8).collect())
}

#[test]
fn one_buffer_used_many_times_is_compressed_once() {
    let codec = MsgPack::new().compression(Compression::zstd());
    let buffer = numbers();
    let message = codec.encode(&vec![buffer.clone(); 5]).unwrap();
    assert_eq!(message.buffers().len(), 1);
    let back: Vec<Buffer> = codec.decode(message).unwrap();
    for shared in &back {
        assert_eq!(shared.as_ptr(), back[0].as_ptr(), "decompressed more than once");
        assert_eq!(*shared, buffer);
    }
    // and a frame of its own for one that does not pay, also only one
    let noise = noise(100_000);
    let message = codec.encode(&(vec![noise.clone(); 3], buffer.clone(), noise.clone())).unwrap();
    assert_eq!(message.buffers().len(), 2);
    assert_eq!(message.buffers()[0].as_ptr(), noise.as_ptr(), "sent as it is, without copying");
    let back: (Vec<Buffer>, Buffer, Buffer) = codec.decode(message).unwrap();
    assert_eq!(back, (vec![noise.clone(); 3], buffer, noise));
}

#[test]
fn the_callback_decides_for_each_buffer() {
    let codec = MsgPack::new().placement(|buffer| match buffer.index() {
        0 => Placement::InBand,
        1 => Placement::OutOfBand,
        2 => Placement::Compressed(Compression::zlib()),
        3 => Placement::Compressed(Compression::lz4()),
        4 => Placement::Compressed(Compression::zstd()),
        _ => Placement::Compressed(Compression::blosc().item_len(8)),
    });
    let buffer = numbers();
    let value = vec![buffer.clone(); 7];
    let message = codec.encode(&value).unwrap();
    let sizes = message.buffer_sizes().unwrap();
    let encodings: Vec<_> = sizes.iter().map(|sizes| sizes.encoding()).collect();
    assert_eq!(encodings, [None, Some("zlib"), Some("lz4"), Some("zstd"), Some("blosc2")]);
    assert!(message.metadata().len() > buffer.len(), "the first one is in band");
    assert_eq!(message.buffers()[0].as_ptr(), buffer.as_ptr());
    assert_eq!(from_multipart::<Vec<Buffer>>(message).unwrap(), value);
}

#[test]
fn the_default_placement_says_what_the_codec_does() {
    let codec = MsgPack::new().compression(Compression::lz4()).placement(|buffer| {
        let expected =
            if buffer.len() < 100_000 { Placement::InBand } else { Placement::Compressed(Compression::lz4()) };
        assert_eq!(buffer.default_placement(), expected);
        buffer.default_placement()
    });
    codec.out_of_band_from(100_000).encode(&(numbers(), numbers().slice(0..800))).unwrap();
}

#[test]
fn sizes_are_reported_per_buffer() {
    let codec = MsgPack::new().compression(Compression::zlib());
    let (numbers, noise) = (numbers(), noise(20_000));
    let message = codec.encode(&(&noise, &numbers, &numbers)).unwrap();
    let sizes = message.buffer_sizes().unwrap();
    assert_eq!(sizes.len(), 2);
    assert_eq!((sizes[0].frame(), sizes[0].stored_len(), sizes[0].raw_len()), (0, 20_000, 20_000));
    assert_eq!(sizes[0].encoding(), None);
    assert_eq!((sizes[1].frame(), sizes[1].raw_len(), sizes[1].encoding()), (1, 400_000, Some("zlib")));
    assert_eq!(sizes[1].stored_len(), message.buffers()[1].len() as u64);
    assert!(sizes[1].stored_len() < 200_000);

    // a part of a message does not say
    let (metadata, mut buffers) = message.into_parts();
    buffers.truncate(1);
    let error = Multipart::new(metadata, buffers).buffer_sizes().unwrap_err();
    assert_eq!(error.to_string(), "buffer frame 1 is missing: the message has 1, counted from 0");
    let error = Multipart::new(vec![0xc0], vec![noise]).buffer_sizes().unwrap_err();
    assert_eq!(error.to_string(), "buffer frame 0 of 1 is not referenced");
}

#[test]
fn auto_sends_random_bytes_as_they_are() {
    let codec = MsgPack::new().compression(Compression::auto());
    for len in [10_000, 49_999, 50_001, 1_000_000] {
        let noise = noise(len);
        let message = codec.encode(&noise).unwrap();
        assert_eq!(message.buffers()[0].as_ptr(), noise.as_ptr(), "{len}: not copied either");
        assert_eq!(message.buffer_sizes().unwrap()[0].encoding(), None);
    }
    let message = codec.encode(&numbers()).unwrap();
    assert_eq!(message.buffer_sizes().unwrap()[0].encoding(), Some("zstd"));
    let of_items = MsgPack::new().compression(Compression::auto().item_len(8));
    assert_eq!(of_items.encode(&numbers()).unwrap().buffer_sizes().unwrap()[0].encoding(), Some("blosc2"));
}

#[test]
fn a_sample_decides_where_it_is_asked() {
    // three quarters of noise: it does get shorter, but not by enough
    let mut bytes = noise(400_000).to_vec();
    bytes.iter_mut().step_by(4).for_each(|byte| *byte = 0);
    let bytes = Buffer::from(bytes);
    let encoding = |bytes: &Buffer, compression| {
        let message = MsgPack::new().compression(compression).encode(bytes).unwrap();
        message.buffer_sizes().unwrap()[0].encoding()
    };
    for bytes in [bytes.clone(), bytes.slice(0..20_000)] {
        assert_eq!(encoding(&bytes, Compression::zstd()), Some("zstd"));
        assert_eq!(encoding(&bytes, Compression::zstd().sampled()), None);
    }
    // samples of zeros, and noise between them
    let (len, sample) = (400_000, 10_000);
    let mut bytes = noise(len).to_vec();
    for start in (0..5).map(|index| (len - sample) * index / 4) {
        bytes[start..start + sample].fill(0);
    }
    assert_eq!(encoding(&Buffer::from(bytes.clone()), Compression::zstd()), Some("zstd"));
    assert_eq!(encoding(&Buffer::from(bytes), Compression::zstd().sampled()), None);
    // the sample is of the whole buffer, not of its start
    let mut tail = vec![0_u8; 20_000];
    tail.extend_from_slice(&noise(400_000));
    assert_eq!(encoding(&Buffer::from(tail), Compression::zlib().sampled()), None);
}

#[test]
fn nothing_is_borrowed_from_a_compressed_frame() {
    let message = MsgPack::new().compression(Compression::lz4()).encode(&("name", numbers())).unwrap();
    let error = MsgPack::new().decode_ref::<(&str, &[u8])>(&message).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Caller);
    assert_eq!(
        error.to_string(),
        "buffer frame 0 is compressed with lz4, so nothing can be borrowed from it: decode the message by value"
    );
    // what else is in the metadata can be had
    let (name, _): (&str, serde::de::IgnoredAny) = MsgPack::new().peek(&message).unwrap();
    assert_eq!(name, "name");
    let error = MsgPack::new().peek::<(&str, Buffer)>(&message).unwrap_err();
    assert!(error.to_string().contains("compressed"), "{error}");
}

#[test]
fn forwarding_does_not_decompress() {
    use outband::SocketExt;
    let context = zmq::Context::new();
    let pair = |endpoint: &str| {
        let (tx, rx) = (context.socket(zmq::PAIR).unwrap(), context.socket(zmq::PAIR).unwrap());
        for socket in [&tx, &rx] {
            socket.set_rcvtimeo(60_000).unwrap();
            socket.set_sndtimeo(60_000).unwrap();
            socket.set_linger(0).unwrap();
        }
        rx.bind(endpoint).unwrap();
        tx.connect(endpoint).unwrap();
        (tx, rx)
    };
    let (one, two) = (pair("inproc://one"), pair("inproc://two"));
    let sent = MsgPack::new().compression(Compression::zstd()).encode(&numbers()).unwrap();
    let frame = (sent.buffers()[0].as_ptr(), sent.buffers()[0].len());
    one.0.send_message(sent).unwrap();
    two.0.send_message(one.1.recv_message().unwrap()).unwrap();
    let message = two.1.recv_message().unwrap();
    assert_eq!((message.buffers()[0].as_ptr(), message.buffers()[0].len()), frame, "the very same memory");
    assert_eq!(message.buffer_sizes().unwrap()[0].encoding(), Some("zstd"));
    assert_eq!(from_multipart::<Buffer>(message).unwrap(), numbers());
}

#[test]
fn compressed_buffers_decode_into_every_type_that_plain_ones_do() {
    #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
    #[serde(tag = "kind")]
    enum Tagged {
        Image { pixels: Buffer },
    }
    let codec = MsgPack::new().compression(Compression::blosc().item_len(8));
    let value = Tagged::Image { pixels: numbers() };
    assert_eq!(from_multipart::<Tagged>(codec.encode(&value).unwrap()).unwrap(), value);
    let message = codec.encode(&numbers()).unwrap();
    assert_eq!(from_multipart::<Vec<u8>>(message.clone()).unwrap(), numbers()[..]);
    assert_eq!(from_multipart::<Option<serde_bytes::ByteBuf>>(message).unwrap().unwrap()[..], numbers()[..]);
}

/// Arrays of elements of many lengths, of values that change slowly, in both orders.
fn arrays() -> Vec<Array> {
    let dtypes = ["|i1", "<f2", "<i4", ">f8", "<c16", "|S3"].map(|text| text.parse::<DType>().unwrap());
    let record = DType::record([("time", "<i8".parse().unwrap()), ("level", "<f4".parse::<DType>().unwrap())]).unwrap();
    let array = |(dtype, order): (DType, Order)| {
        let bytes = (0..9000_u64).flat_map(|at| {
            let mut element = vec![0; dtype.item_len()];
            element
                .iter_mut()
                .zip((1_700_000_000_000 + 1000 * (at / 20)).to_le_bytes())
                .for_each(|(to, from)| *to = from);
            element
        });
        let data = Buffer::from(bytes.collect::<Vec<_>>());
        Array::new(dtype.clone(), [90, 100], order, data).unwrap()
    };
    let orders = [Order::C, Order::F].into_iter().cycle();
    dtypes.into_iter().chain([record]).zip(orders).map(array).collect()
}

#[test]
fn arrays_come_back_from_every_format() {
    let arrays = arrays();
    for compression in formats() {
        let message = MsgPack::new().compression(compression).encode(&arrays).unwrap();
        let sizes = message.buffer_sizes().unwrap();
        let compressed = sizes.iter().filter(|sizes| sizes.encoding().is_some()).count();
        let all = if compression == Compression::zlib().level(0) { 0 } else { arrays.len() };
        assert_eq!(compressed, all, "{compression:?}: {sizes:?}");
        assert_eq!(from_multipart::<Vec<Array>>(message).unwrap(), arrays, "{compression:?}");
    }
}

/// The only frame of what this codec makes of a value.
fn frame<T: serde::Serialize + ?Sized>(codec: &MsgPack, value: &T) -> Buffer {
    let message = codec.encode(value).unwrap();
    assert_eq!(message.buffers().len(), 1);
    assert_eq!(message.buffer_sizes().unwrap()[0].encoding(), Some("blosc2"));
    message.buffers()[0].clone()
}

#[test]
fn blosc_shuffles_by_the_elements_of_an_array() {
    for array in arrays() {
        let item = array.dtype().item_len();
        for shuffle in [Shuffle::Byte, Shuffle::Bit] {
            let blosc = Compression::blosc().shuffle(shuffle).inner(Inner::Zstd);
            let codec = |compression| MsgPack::new().compression(compression);
            let of_array = frame(&codec(blosc), &array);
            assert_eq!(of_array, frame(&codec(blosc.item_len(item)), array.data()), "{array}");
            assert!(item == 1 || of_array != frame(&codec(blosc), array.data()), "{array}");
            // what the program says goes before what the array says
            assert_eq!(frame(&codec(blosc.item_len(1)), &array), frame(&codec(blosc), array.data()), "{array}");
        }
    }
}

#[cfg(feature = "arrow")]
mod tables {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, BooleanArray, DictionaryArray, Float32Array, Int64Array, RecordBatch, StringArray};
    use arrow_array::{StringViewArray, types::Int16Type};
    use outband::Table;

    use super::*;

    #[test]
    fn tables_come_back_from_every_format() {
        let rows = 20_000;
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("time", Arc::new(Int64Array::from_iter_values((0..rows).map(|row| 1_700_000_000 + 60 * row)))),
            (
                "volts",
                Arc::new(Float32Array::from_iter((0..rows).map(|row| (row % 9 > 0).then_some(row as f32 / 64.0)))),
            ),
            ("valid", Arc::new(BooleanArray::from_iter((0..8 * rows).step_by(8).map(|row| Some(row % 3 == 0))))),
            ("note", Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("row {row}"))))),
            (
                "view",
                Arc::new(StringViewArray::from_iter_values((0..rows).map(|row| format!("a longer text of row {row}")))),
            ),
            (
                "word",
                Arc::new(
                    (0..rows).map(|row| ["low", "high"][row as usize % 2]).collect::<DictionaryArray<Int16Type>>(),
                ),
            ),
        ];
        let table = Table::from(RecordBatch::try_from_iter(columns).unwrap());
        for compression in formats() {
            for table in [&table, &table.slice(1001, 15_000)] {
                let message = MsgPack::new().compression(compression).encode(table).unwrap();
                let sizes = message.buffer_sizes().unwrap();
                let compressed = sizes.iter().filter(|sizes| sizes.encoding().is_some()).count();
                assert!(compressed >= 4 || compression == Compression::zlib().level(0), "{compression:?}: {sizes:?}");
                assert_eq!(from_multipart::<Table>(message).unwrap(), *table, "{compression:?}");
            }
        }
    }

    #[test]
    fn blosc_shuffles_by_the_elements_of_a_column() {
        let codec = |compression| MsgPack::new().compression(compression);
        let blosc = Compression::blosc();
        let times = Int64Array::from_iter_values((0..9000).map(|row| 1_700_000_000_000 + 1000 * row));
        let values = Buffer::from_vec(times.values().to_vec());
        let table = Table::from(RecordBatch::try_from_iter([("time", Arc::new(times) as ArrayRef)]).unwrap());
        let of_table = frame(&codec(blosc), &table);
        assert_eq!(of_table, frame(&codec(blosc.item_len(8)), &values));
        assert_ne!(of_table, frame(&codec(blosc), &values));
    }
}

#[test]
fn what_was_decompressed_may_be_copied_out_though_the_message_limit_is_lower() {
    let codec = MsgPack::new().compression(Compression::zstd()).limits(Limits::new().total_bytes(100_000));
    let message = codec.encode(&numbers()).unwrap();
    assert_eq!(Decode::<Vec<u8>>::decode(&codec, message).unwrap(), numbers()[..]);
    // each buffer may come to its full length, all copies together may not
    let message = codec.encode(&vec![numbers(); 3]).unwrap();
    assert!(Decode::<Vec<Vec<u8>>>::decode(&codec, message.clone()).unwrap_err().is_limit());
    assert_eq!(Decode::<Vec<Buffer>>::decode(&codec, message).unwrap().len(), 3);
}

#[test]
fn compression_is_a_key() {
    let mut set = std::collections::HashSet::new();
    for compression in formats() {
        assert!(set.insert(compression), "{compression:?}");
        let copy = compression;
        assert!(set.contains(&copy));
    }
    assert_eq!(Compression::auto(), Compression::auto().sampled());
}

#[test]
fn a_message_without_compression_says_nothing_of_it() {
    let message = to_multipart(&numbers()).unwrap();
    let compressed = MsgPack::new().compression(Compression::zlib().sampled()).encode(&noise(400_000)).unwrap();
    assert_eq!(message.metadata().len(), compressed.metadata().len());
}
