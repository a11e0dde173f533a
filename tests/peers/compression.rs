//! Python's zlib, lz4.frame, zstandard and blosc2 open what is compressed here, and what they compress is opened here.

#![cfg(all(feature = "zlib", feature = "lz4", feature = "zstd", feature = "blosc"))]

use outband::{Array, Buffer, Compression, Inner, MsgPack, Order, Placement, Shuffle, SocketExt};
use serde::{Deserialize, Serialize};

use crate::python::Script;
use crate::random::Random;

#[derive(Serialize)]
struct Question {
    item: usize,
    /// Whether Python compresses the buffer in all ways that it has, or in a few.
    in_all_ways: bool,
    raw: Buffer,
    compressed: Vec<Buffer>,
}

#[derive(Deserialize)]
struct Answer {
    opened: Vec<Option<String>>,
    told: Vec<Told>,
    variants: Vec<Buffer>,
}

/// What python-blosc2 says of a frame.
#[derive(Deserialize, PartialEq, Debug)]
struct Told {
    item: usize,
    filters: Vec<String>,
}

/// What is to be said of a frame that was shuffled like this.
fn told(item: usize, shuffle: Shuffle) -> Told {
    let filter = match shuffle {
        Shuffle::Byte if item > 1 => "SHUFFLE",
        Shuffle::Bit => "BITSHUFFLE",
        _ => return Told { item, filters: vec![] },
    };
    Told { item, filters: vec![filter.to_owned()] }
}

const SHUFFLES: [Shuffle; 3] = [Shuffle::None, Shuffle::Byte, Shuffle::Bit];

/// How the buffers of a question are compressed, after the first one.
fn formats(item: usize) -> Vec<Compression> {
    let mut formats = vec![Compression::zlib(), Compression::lz4(), Compression::zstd()];
    for inner in [Inner::Lz4, Inner::Zlib, Inner::Zstd] {
        for shuffle in SHUFFLES {
            formats.push(Compression::blosc().inner(inner).shuffle(shuffle).item_len(item));
        }
    }
    formats
}

fn socket(context: &zmq::Context, kind: zmq::SocketType) -> zmq::Socket {
    let socket = context.socket(kind).unwrap();
    socket.set_sndtimeo(120_000).unwrap();
    socket.set_rcvtimeo(120_000).unwrap();
    socket.set_linger(0).unwrap();
    socket
}

#[test]
fn python_opens_our_frames_and_we_open_pythons() {
    let mut script = Script::start("compressed.py", &[]);
    let context = zmq::Context::new();
    let client = socket(&context, zmq::REQ);
    client.connect(&format!("tcp://127.0.0.1:{}", script.line())).unwrap();
    let mut random = Random::seeded(7);

    let ask = |item: usize, raw: Vec<u8>| {
        let formats = formats(item);
        let raw = Buffer::from(raw);
        let in_all_ways = raw.len() < 200_000;
        let value = Question { item, in_all_ways, raw: raw.clone(), compressed: vec![raw.clone(); formats.len()] };
        let count = formats.len();
        let codec = MsgPack::new().placement(move |buffer| match buffer.index() {
            0 => Placement::OutOfBand,
            index => Placement::Compressed(formats[index - 1]),
        });
        client.send_with(&codec, &value).unwrap();
        let answer: Answer = client.recv_obj().unwrap();
        assert_eq!(answer.opened.len(), 1 + count);
        // the plain buffer and the general formats come first
        let blosc = answer.opened[4..].iter().zip(SHUFFLES.into_iter().cycle()).filter(|(opened, _)| opened.is_some());
        assert_eq!(answer.told, blosc.map(|(_, shuffle)| told(item, shuffle)).collect::<Vec<_>>());
        assert!(
            answer.variants.len() > if in_all_ways { 90 } else { 10 }
                && answer.variants.iter().all(|variant| *variant == raw)
        );
        answer.opened.into_iter().flatten().collect::<Vec<_>>()
    };
    for item in [1, 2, 4, 8, 12, 16] {
        for elements in [100, 9_001] {
            let telemetry = (0..elements).flat_map(|at| {
                let mut element = vec![0; item];
                let value = (1_700_000_000 + at as u64 * 30 + random.next() % 7).to_le_bytes();
                let len = item.min(8);
                element[..len].copy_from_slice(&value[..len]);
                element
            });
            let opened = ask(item, telemetry.collect());
            if item >= 2 && elements > 100 {
                assert!(opened.len() >= 6, "{item}: {opened:?}");
                assert!(opened.iter().any(|encoding| encoding == "blosc2"), "{item}: {opened:?}");
            }
        }
    }
    // runs, chunks of zeros, noise between compressible parts, more than one chunk of ours
    let mut noise = Random::seeded(8);
    assert_eq!(ask(8, vec![0; 150_000]).len(), 12);
    assert_eq!(ask(4, vec![7; 150_000]).len(), 12);
    let mixed = (0..9_000_000_usize).map(|at| if at >> 17 & 1 == 0 { (at >> 10) as u8 } else { noise.next() as u8 });
    assert_eq!(ask(8, mixed.collect()).len(), 12);

    // an array says itself how long its elements are
    #[derive(Serialize)]
    struct Arrays {
        arrays: Vec<Array>,
    }
    #[derive(Deserialize)]
    struct Lengths {
        lengths: Vec<usize>,
        opened: Vec<Option<String>>,
        told: Vec<Told>,
    }
    let shapes = [("|i1", 1), ("<f2", 2), ("<f4", 4), (">f8", 8), ("<c16", 16), ("|V5", 5), ("<U3", 12)];
    for shuffle in SHUFFLES {
        let array = |(dtype, item): (&str, usize)| {
            let data = Buffer::from((0..9000 * item).map(|at| (at / item / 50) as u8).collect::<Vec<_>>());
            Array::new(dtype.parse().unwrap(), [9000], Order::C, data).unwrap()
        };
        let value = Arrays { arrays: shapes.map(array).into() };
        client.send_with(&MsgPack::new().compression(Compression::blosc().shuffle(shuffle)), &value).unwrap();
        let answer: Lengths = client.recv_obj().unwrap();
        assert_eq!(answer.opened, vec![Some("blosc2".to_owned()); shapes.len()]);
        assert_eq!(answer.lengths, shapes.map(|(_, item)| item));
        assert_eq!(answer.told, shapes.map(|(_, item)| told(item, shuffle)));
    }
    client.send_obj("enough").unwrap();
    client.recv_obj::<()>().unwrap();
    script.finish();
}
