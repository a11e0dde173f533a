//! Hostile compressed frames end in a typed error or in bytes of the announced length: never in a panic, and never in more
//! memory than what came vouches for.
//!
//! Everything here runs on a stack of 512 KiB, and every attempt is measured by an allocator that counts. The seed of the
//! sampled mutations is printed; `OUTBAND_SEED` repeats a run.

#![cfg(all(feature = "zlib", feature = "lz4", feature = "zstd", feature = "blosc"))]

use outband::{
    Array, Buffer, Compression, Decode, Encode, Error, ErrorKind, Inner, Limits, MsgPack, Multipart, Result, Shuffle,
    SocketExt, Value, Zipped,
};

use crate::counting::{Usage, measure};
use crate::random::Random;
use crate::stack::on_a_small_stack;

const MIB: usize = 1 << 20;

/// A message of one frame, and what its one reference says of it.
fn message(encoding: &str, stored: &[u8], raw_len: u64) -> Multipart {
    let payload = rmp_serde::to_vec(&(0, stored.len(), (), encoding, raw_len)).unwrap();
    Multipart::new(extension(&payload), vec![Buffer::copy_from_slice(stored)])
}

fn extension(payload: &[u8]) -> Vec<u8> {
    [&[0xc7, payload.len() as u8, 0x42][..], payload].concat()
}

/// The same under the head of an array.
fn array_of(dtype: &str, shape: &[u64], encoding: &str, stored: &[u8], raw_len: u64) -> Multipart {
    let payload = rmp_serde::to_vec(&(0, stored.len(), (), encoding, raw_len)).unwrap();
    let head = [
        &b"\x84\xa6$array"[..],
        &rmp_serde::to_vec(dtype).unwrap(),
        b"\xa5shape",
        &rmp_serde::to_vec(shape).unwrap(),
        b"\xa5order\xa1C\xa4data",
        &extension(&payload),
    ];
    Multipart::new(head.concat(), vec![Buffer::copy_from_slice(stored)])
}

/// The account of an attack.
#[derive(Default, Debug)]
struct Attack {
    refused: usize,
    accepted: usize,
    worst: Usage,
}

impl Attack {
    fn decode(&mut self, message: &Multipart) -> Result<Buffer> {
        let message = message.clone();
        let (result, usage) = measure(|| from_message(message));
        self.worst = self.worst.max(usage);
        match &result {
            Ok(_) => self.accepted += 1,
            Err(error) => {
                self.refused += 1;
                check(error);
            }
        }
        result
    }

    fn refused(&mut self, message: &Multipart, why: &str) -> Error {
        match self.decode(message) {
            Ok(_) => panic!("accepted: {why}"),
            Err(error) => error,
        }
    }

    /// Decodes what may be refused, or be another value of the same length.
    fn survives(&mut self, encoding: &str, stored: &[u8], raw_len: usize) {
        if let Ok(value) = self.decode(&message(encoding, stored, raw_len as u64)) {
            assert_eq!(value.len(), raw_len);
        }
    }

    fn stayed_within(&self, most: usize, what: &str) {
        println!("{what}: {self:?}");
        assert!(self.worst.peak < most, "{what}: {self:?}");
    }
}

fn from_message(message: Multipart) -> Result<Buffer> {
    MsgPack::new().decode(message)
}

/// Checks what every refusal promises.
fn check(error: &Error) {
    assert!(matches!(error.kind(), ErrorKind::Peer | ErrorKind::Limits), "{error:?}");
    let text = error.to_string();
    assert!(!text.is_empty() && text.len() < 1024, "{} bytes of text: {text:.80}", text.len());
    assert!(!text.ends_with('.') && text.starts_with(|first: char| !first.is_uppercase()), "{text}");
}

/// A frame of each format and variant, and what it holds.
struct Sample {
    name: String,
    encoding: &'static str,
    stored: Buffer,
    raw: Vec<u8>,
}

fn samples() -> Vec<Sample> {
    let mut random = Random::seeded(11);
    // numbers that change slowly, then noise, then zeros
    let mut raw: Vec<u8> = (0..250_u64).flat_map(|at| (1_000_000 + at * at).to_le_bytes()).collect();
    raw.extend((0..200).map(|_| random.next() as u8));
    raw.extend([0; 800]);
    let mut formats = vec![Compression::zlib(), Compression::lz4(), Compression::zstd()];
    for inner in [Inner::Lz4, Inner::Zlib, Inner::Zstd] {
        for shuffle in [Shuffle::None, Shuffle::Byte, Shuffle::Bit] {
            formats.push(Compression::blosc().inner(inner).shuffle(shuffle).item_len(8));
        }
    }
    let pack = |compression: Compression, raw: &[u8]| {
        let message =
            MsgPack::new().out_of_band_from(0).compression(compression).encode(&Buffer::copy_from_slice(raw)).unwrap();
        let encoding = message.buffer_sizes().unwrap()[0].encoding().unwrap();
        let (name, stored) = (format!("{compression:?}"), message.buffers()[0].clone());
        Sample { name, encoding, stored, raw: raw.to_vec() }
    };
    formats.into_iter().map(|compression| pack(compression, &raw)).collect()
}

/// What one attempt may take beside the data: windows.
const OVERHEAD: usize = 2 * MIB;

#[test]
fn every_frame_is_whole_or_refused() {
    on_a_small_stack(|| {
        for Sample { name, encoding, stored, raw } in samples() {
            let mut attack = Attack::default();
            let whole = attack.decode(&message(encoding, &stored, raw.len() as u64)).unwrap();
            assert_eq!(whole[..], raw[..], "{name}");
            for cut in 0..stored.len() {
                let error = attack.refused(&message(encoding, &stored[..cut], raw.len() as u64), &name);
                assert!(error.is_peer(), "{error}");
                assert!(error.to_string().contains("frame 0") && error.to_string().contains(encoding), "{error}");
            }
            for extra in [1, 4, 8, 35, 1000] {
                for byte in [0, 0xff] {
                    let longer = [&stored[..], &vec![byte; extra]].concat();
                    attack.refused(&message(encoding, &longer, raw.len() as u64), &name);
                }
            }
            let twice = [&stored[..], &stored].concat();
            attack.refused(&message(encoding, &twice, raw.len() as u64), &name);
            attack.refused(&message(encoding, &twice, 2 * raw.len() as u64), &name);
            attack.stayed_within(OVERHEAD, &name);
        }
    });
}

/// What the head of an array says, the frame, what its reference says, and words of the error.
type Case<'a> = (&'a str, &'a [u64], &'a [u8], u64, &'a str);

#[test]
fn an_array_whose_frame_holds_less_or_more_or_nothing_of_it_is_refused_and_the_next_one_arrives() {
    on_a_small_stack(|| {
        let context = zmq::Context::new();
        let (tx, rx) = (context.socket(zmq::PAIR).unwrap(), context.socket(zmq::PAIR).unwrap());
        rx.set_rcvtimeo(60_000).unwrap();
        rx.bind("inproc://arrays").unwrap();
        tx.connect("inproc://arrays").unwrap();
        let good = Array::from_vec(vec![0.5_f64; 3]);
        let mut random = Random::seeded(14);
        for Sample { name, encoding, stored, raw } in samples() {
            let count = raw.len() as u64 / 8;
            let noise: Vec<u8> = (0..stored.len()).map(|_| random.next() as u8).collect();
            let cut = &stored[..stored.len() / 2];
            let longer = [&stored[..], &[0; 16]].concat();
            let is = raw.len() as u64;
            let cases: &[Case<'_>] = &[
                ("<f8", &[count - 1], &stored, is, "takes"),
                ("<f8", &[count + 1], &stored, is, "takes"),
                ("<f4", &[count], &stored, is, "takes"),
                ("<c16", &[count], &stored, is, "takes"),
                ("<f8", &[0, 7], &stored, is, "takes 0 bytes"),
                ("<f8", &[], &stored, is, "takes 8 bytes"),
                ("<f8", &[1 << 60], &stored, is, "overflows"),
                ("<f8", &[1 << 40], &stored, is, "takes 8796093022208 bytes"),
                ("<f8", &[u64::MAX, u64::MAX], &stored, is, "overflows"),
                ("|V0", &[count], &stored, is, "takes 0 bytes"),
                // what the head and the reference agree upon, and the frame does not hold
                ("<f8", &[count + 1], &stored, is + 8, encoding),
                ("<f8", &[count - 1], &stored, is - 8, encoding),
                ("<f8", &[1 << 28], &stored, 8 << 28, encoding),
                ("<f8", &[1 << 40], &stored, 8 << 40, "(decompressed_bytes)"),
                ("<f8", &[count], cut, is, encoding),
                ("<f8", &[count], &longer, is, encoding),
                ("<f8", &[count], &noise, is, encoding),
                ("<f8", &[count], b"", is, encoding),
            ];
            for &(dtype, shape, frame, raw_len, words) in cases {
                let case = format!("{name}: {dtype} {shape:?} of {} bytes for {raw_len}", frame.len());
                let message = array_of(dtype, shape, encoding, frame, raw_len);
                let copy = message.clone();
                let (errors, usage) = measure(|| {
                    let of_array = Decode::<Array>::decode(&MsgPack::new(), copy.clone()).map(drop);
                    let of_value = Decode::<Value>::decode(&MsgPack::new(), copy).map(drop);
                    [of_array, of_value]
                        .map(|result| result.map_or_else(|error| error, |()| panic!("accepted: {case}")))
                });
                for error in errors {
                    check(&error);
                    assert!(error.to_string().contains(words), "{case}: {error}");
                }
                assert!(usage.peak < OVERHEAD, "{case}: {usage:?}");

                tx.send_message(message).unwrap();
                tx.send_with(&MsgPack::new().out_of_band_from(0).compression(Compression::auto()), &good).unwrap();
                check(&rx.recv_obj::<Array>().unwrap_err());
                assert_eq!(rx.recv_obj::<Array>().unwrap(), good, "{case}");
            }
            let whole: Array = MsgPack::new().decode(array_of("<f8", &[count], encoding, &stored, is)).unwrap();
            assert_eq!(whole.data()[..], raw[..], "{name}");
        }
    });
}

#[test]
fn mutated_frames_are_refused_or_a_value_of_the_announced_length() {
    on_a_small_stack(|| {
        let mut random = Random::seeded(12);
        // a debug build takes ten times as long for each
        let (scattered, displaced) = if cfg!(debug_assertions) { (2000, 500) } else { (4000, 1000) };
        for Sample { name, encoding, stored, raw } in samples() {
            let mut attack = Attack::default();
            let mut try_with = |at: usize, bytes: &[u8]| {
                let mut mutated = stored.to_vec();
                let end = (at + bytes.len()).min(mutated.len());
                mutated[at..end].copy_from_slice(&bytes[..end - at]);
                attack.survives(encoding, &mutated, raw.len());
            };
            for at in 0..stored.len() {
                let byte = stored[at];
                for other in [byte ^ 1, byte ^ 0x80, byte.wrapping_add(1), 0, 0xff, random.next() as u8] {
                    try_with(at, &[other]);
                }
            }
            // numbers of the headers, in both byte orders
            let headers = (0..stored.len().min(220)).chain(stored.len().saturating_sub(90)..stored.len());
            for at in headers {
                for number in [0, 1, 7, 255, 1 << 16, 1 << 25, 0x7fff_ffff, 0x8000_0000, u32::MAX, stored.len() as u32]
                {
                    try_with(at, &number.to_le_bytes());
                    try_with(at, &number.to_be_bytes());
                }
                try_with(at, &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
            }
            for _ in 0..scattered {
                let mut mutated = stored.to_vec();
                for _ in 0..1 + random.below(8) {
                    let at = random.below(mutated.len());
                    mutated[at] = random.next() as u8;
                }
                attack.survives(encoding, &mutated, raw.len());
            }
            for _ in 0..displaced {
                // parts of it in another place
                let (from, to) = (random.below(stored.len()), random.below(stored.len()));
                let len = random.below(stored.len() - from.max(to) + 1);
                let mut mutated = stored.to_vec();
                mutated.copy_within(from..from + len, to);
                attack.survives(encoding, &mutated, raw.len());
            }
            assert!(attack.refused > 1000, "{name}: {attack:?}");
            attack.stayed_within(OVERHEAD, &name);
        }
    });
}

#[test]
fn a_frame_of_one_format_is_no_frame_of_another() {
    on_a_small_stack(|| {
        let mut attack = Attack::default();
        for sample in samples() {
            for encoding in ["zlib", "lz4", "zstd", "blosc2"].into_iter().filter(|other| *other != sample.encoding) {
                attack.refused(&message(encoding, &sample.stored, sample.raw.len() as u64), encoding);
            }
            let error = attack.refused(&message("gzip", &sample.stored, 1), "an unknown encoding");
            assert!(error.to_string().contains("an encoding that this version does not know"), "{error}");
        }
        let mut random = Random::seeded(13);
        for encoding in ["zlib", "lz4", "zstd", "blosc2"] {
            for _ in 0..2000 {
                let noise: Vec<u8> = (0..random.below(200)).map(|_| random.next() as u8).collect();
                attack.survives(encoding, &noise, 1 + random.below(1000));
            }
        }
        attack.stayed_within(OVERHEAD, "noise");
    });
}

#[test]
fn a_forged_raw_length_is_refused_with_both_numbers_and_costs_nothing() {
    on_a_small_stack(|| {
        for Sample { name, encoding, stored, raw } in samples() {
            let mut attack = Attack::default();
            let len = raw.len() as u64;
            for forged in [0, 1, len / 2, len - 1, len + 1, 2 * len, 1 << 20, 1 << 31, 4 << 30] {
                let error = attack.refused(&message(encoding, &stored, forged), &name);
                assert!(error.is_peer(), "{error}");
                let text = error.to_string();
                assert!(text.contains(&forged.to_string()) && text.contains("frame 0 "), "{text}");
                assert!(text.contains(encoding), "{text}");
            }
            for forged in [(4 << 30) + 1, 10_000_000_000, 1 << 62, u64::MAX] {
                let error = attack.refused(&message(encoding, &stored, forged), &name);
                let expected = format!(
                    "the compressed buffers would have {forged} bytes decompressed, the limit is 4294967296 (decompressed_bytes)"
                );
                assert_eq!((error.kind(), error.to_string()), (ErrorKind::Limits, expected));
            }
            attack.stayed_within(OVERHEAD, &name);
        }
    });
}

#[test]
fn the_limit_is_on_all_buffers_together() {
    let codec = MsgPack::new().limits(Limits::new().decompressed_bytes(1_000_000)).compression(Compression::zlib());
    let buffers: Vec<_> = (0..3).map(|byte| Buffer::from_vec(vec![byte as u8; 400_000])).collect();
    let message = codec.encode(&buffers[..2]).unwrap();
    assert_eq!(Decode::<Vec<Buffer>>::decode(&codec, message).unwrap(), buffers[..2]);
    let message = MsgPack::new().compression(Compression::zlib()).encode(&buffers).unwrap();
    let refused = Decode::<Vec<Buffer>>::decode(&codec, message).unwrap_err();
    // and nobody sends what a receiver of the same limits refuses
    for error in [refused, codec.encode(&buffers).unwrap_err()] {
        let expected =
            "the compressed buffers would have 1200000 bytes decompressed, the limit is 1000000 (decompressed_bytes)";
        assert_eq!(error.to_string(), expected);
    }
}

/// A Zstandard frame of blocks that repeat one byte: 4 bytes for each 128 KiB.
fn zstd_bomb(blocks: u32) -> Vec<u8> {
    // magic, no content size, a window of 128 KiB
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
    for block in 0..blocks {
        let last = u32::from(block + 1 == blocks);
        frame.extend_from_slice(&(((128 << 10) << 3 | 1 << 1 | last).to_le_bytes())[..3]);
        frame.push(7);
    }
    frame
}

/// Elements of more than 255 bytes are longer than their chunk can say, and what is stored of one value is as long as it is.
/// `one_value.b2frame` is of python-blosc2 4.14.1: `blosc2.full((1000,), value, dtype="S300").schunk.to_cframe()`.
#[test]
fn a_chunk_of_one_value_repeats_all_of_it_and_others_store_none() {
    on_a_small_stack(|| {
        let frame = include_bytes!("one_value.b2frame");
        let value: Vec<u8> = (1..=250).chain([b'z'; 50]).collect();
        let mut attack = Attack::default();
        assert_eq!(attack.decode(&message("blosc2", frame, 300_000)).unwrap()[..], value.repeat(1000));
        let chunk = u32::from_be_bytes(*frame[11..].first_chunk().unwrap()) as usize;
        assert_eq!((frame[chunk + 3], frame[chunk + 12], frame[chunk + 31]), (1, 76, 3 << 4), "the length is 332");
        // zeros, not-a-number, memory that nobody wrote to: with 300 bytes that are none of theirs
        for kind in [1, 2, 4] {
            let mut other = frame.to_vec();
            other[chunk + 31] = kind << 4;
            let error = attack.refused(&message("blosc2", &other, 300_000), "a special value and bytes");
            assert!(error.is_peer() && error.to_string().contains("of which 300 are stored"), "{error}");
        }
        // no value at all, and one of which there is no whole number
        for (len, stored) in [(32, 0), (32 + 299, 299)] {
            let mut other = frame.to_vec();
            other[chunk + 12..chunk + 16].copy_from_slice(&u32::to_le_bytes(len));
            let error = attack.refused(&message("blosc2", &other, 300_000), "a value that does not fit");
            assert!(error.is_peer() && error.to_string().contains(&format!("of which {stored} are stored")), "{error}");
        }
    });
}

/// A Blosc2 frame of nothing but offsets that stand for zeros: 8 bytes for each chunk of up to 2 GB.
fn blosc2_bomb(raw_len: u64, chunk_len: u32) -> Vec<u8> {
    // the headers of a real one, and its trailer
    let message = MsgPack::new().compression(Compression::blosc()).encode(&Buffer::from(vec![0_u8; 100_000])).unwrap();
    let real = &message.buffers()[0];
    let chunks_len = u64::from_be_bytes(*real[39..].first_chunk().unwrap()) as usize;
    let (header, index, trailer) = (&real[..97], &real[97 + chunks_len..][..32], &real[real.len() - 35..]);
    let offsets = [0, 0, 0, 0, 0, 0, 0, 0x81].repeat(raw_len.div_ceil(chunk_len.into()) as usize);
    let mut frame = [header, index, &offsets, trailer].concat();
    for (at, length) in [(16, frame.len() as u64), (30, raw_len), (39, 0)] {
        frame[at..at + 8].copy_from_slice(&length.to_be_bytes());
    }
    frame[58..62].copy_from_slice(&chunk_len.to_be_bytes());
    for (at, length) in [(4, offsets.len()), (8, offsets.len()), (12, 32 + offsets.len())] {
        frame[97 + at..97 + at + 4].copy_from_slice(&(length as u32).to_le_bytes());
    }
    frame
}

#[test]
fn bombs_are_stopped_at_what_was_announced() {
    on_a_small_stack(|| {
        let raw = vec![0_u8; 64 * MIB];
        let pack = |compression| {
            let message = MsgPack::new().compression(compression).encode(&Buffer::from(raw.clone())).unwrap();
            (message.buffer_sizes().unwrap()[0].encoding().unwrap(), message.buffers()[0].clone())
        };
        let mut bombs = vec![
            pack(Compression::zlib()),
            pack(Compression::lz4()),
            pack(Compression::zstd()),
            pack(Compression::blosc().item_len(8)),
        ];
        // 10 GB in 320 kB
        bombs.push(("zstd", zstd_bomb(80_000).into()));
        // and in 204 bytes
        bombs.push(("blosc2", blosc2_bomb(10_000_000_000, 2_000_000_000).into()));
        assert_eq!(bombs[5].1.len(), 204);
        for (encoding, stored) in bombs {
            for announced in [1_000, MIB] {
                let mut attack = Attack::default();
                let error = attack.refused(&message(encoding, &stored, announced as u64), encoding);
                assert!(error.is_peer() && error.to_string().contains(&announced.to_string()), "{error}");
                attack.stayed_within(3 * announced + OVERHEAD, encoding);
            }
            // one that says it, over the limit
            let mut attack = Attack::default();
            let error = attack.refused(&message(encoding, &stored, 10_000_000_000), encoding);
            assert_eq!(error.kind(), ErrorKind::Limits);
            attack.stayed_within(64 << 10, encoding);
        }
        // within the limit it is a value like any other
        let stored = zstd_bomb(64);
        let value = from_message(message("zstd", &stored, 8 << 20)).unwrap();
        assert!(value.len() == 8 << 20 && value.iter().all(|byte| *byte == 7));
        let value = from_message(message("blosc2", &blosc2_bomb(8 << 20, 3 << 20), 8 << 20)).unwrap();
        assert!(value.len() == 8 << 20 && value.iter().all(|byte| *byte == 0));
    });
}

#[test]
fn references_to_one_frame_describe_it_alike() {
    on_a_small_stack(|| {
        let mut attack = Attack::default();
        let raw = vec![3_u8; 5000];
        let packed =
            MsgPack::new().out_of_band_from(0).compression(Compression::zlib()).encode(&Buffer::from(raw)).unwrap();
        let stored = packed.buffers()[0].clone();
        let plain = rmp_serde::to_vec(&(0, stored.len())).unwrap();
        let zlib = rmp_serde::to_vec(&(0, stored.len(), (), "zlib", 5000)).unwrap();
        let longer = rmp_serde::to_vec(&(0, stored.len(), (), "zlib", 5001)).unwrap();
        let zstd = rmp_serde::to_vec(&(0, stored.len(), (), "zstd", 5000)).unwrap();
        for (one, two) in [(&zlib, &plain), (&plain, &zlib), (&zlib, &longer), (&longer, &zlib), (&zlib, &zstd)] {
            let metadata = [vec![0x92], extension(one), extension(two)].concat();
            let message = Multipart::new(metadata, vec![stored.clone()]);
            let (result, _) = measure(|| Decode::<Vec<Buffer>>::decode(&MsgPack::new(), message));
            let error = result.unwrap_err();
            check(&error);
            assert!(
                error.to_string().ends_with("describes its frame otherwise than the reference before it"),
                "{error}"
            );
        }
        let metadata = [vec![0x92], extension(&zlib), extension(&zlib)].concat();
        let both: Vec<Buffer> = MsgPack::new().decode(Multipart::new(metadata, vec![stored.clone()])).unwrap();
        assert_eq!(both[0].as_ptr(), both[1].as_ptr());

        // the wrong frame for the reference is found before anything is decompressed
        let checked = rmp_serde::to_vec(&(0, stored.len(), 12_345, "zlib", 5000)).unwrap();
        let error = attack.refused(&Multipart::new(extension(&checked), vec![stored]), "another check");
        assert!(error.to_string().contains("swapped or changed"), "{error}");
    });
}

#[test]
fn hostile_zipped_messages_are_refused() {
    on_a_small_stack(|| {
        let codec = Zipped::default().limits(Limits::new().decompressed_bytes(1 << 20));
        let text = "zip me ".repeat(1000);
        let message: Multipart = codec.encode(&text).unwrap();
        let stored = message.metadata().clone();
        assert_eq!(Decode::<String>::decode(&codec, message).unwrap(), text);
        let refused = |frames: Multipart, expected: &str| {
            let (result, usage) = measure(|| Decode::<String>::decode(&codec, frames));
            let error = result.unwrap_err();
            check(&error);
            assert!(error.to_string().contains(expected), "{error}");
            assert!(usage.peak < 4 * MIB, "{usage:?}");
            error
        };
        for cut in 0..stored.len() {
            refused(Multipart::new(stored.slice(..cut), vec![]), "cut off");
        }
        refused(Multipart::new([&stored[..], &[0]].concat(), vec![]), "1 bytes follow the stream");
        refused(Multipart::new(stored.clone(), vec![Buffer::new()]), "it has 2 frames and not one");
        refused(Multipart::new(vec![0xc0; 100], vec![]), "not one zlib stream");
        let bomb: Multipart = Zipped::default().encode(&"x".repeat(20 * MIB)).unwrap();
        let error = refused(bomb, "more bytes unzipped than the limit of 1048576");
        assert!(error.is_limit());
    });
}

#[test]
fn a_peek_shows_no_compressed_bytes_as_a_buffer() {
    let stored = samples().swap_remove(0).stored;
    // a reference that says that the buffer is as long as its frame
    let forged = message("zlib", &stored, stored.len() as u64);
    let codec = MsgPack::new();
    for error in
        [codec.peek::<Buffer>(&forged).map(drop), codec.peek::<&[u8]>(&forged).map(drop)].map(Result::unwrap_err)
    {
        check(&error);
        assert!(error.to_string().contains("a compressed buffer, where nothing is decompressed"), "{error}");
    }
    assert!(codec.decode_ref::<&[u8]>(&forged).is_err() && from_message(forged).is_err());
}

/// A Zstandard frame that asks for a window of so many bits and does not say what it holds, which is one byte again and again.
fn zstd_of_window(bits: u8, content: usize) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, (bits - 10) << 3];
    // the most that a block may hold
    let longest = (128 << 10).min(1_usize << bits);
    let blocks = content.div_ceil(longest);
    for at in 0..blocks {
        zstd_block(longest.min(content - at * longest), at + 1 == blocks, &mut frame);
    }
    frame
}

/// Appends a block that repeats one byte.
fn zstd_block(len: usize, is_last: bool, frame: &mut Vec<u8>) {
    frame.extend_from_slice(&((len << 3 | 1 << 1 | usize::from(is_last)) as u32).to_le_bytes()[..3]);
    frame.push(7);
}

/// A Blosc2 frame of 1000 bytes whose one stream is such a frame of Zstandard.
fn blosc2_of_window(bits: u8) -> Vec<u8> {
    let format = Compression::blosc().inner(Inner::Zstd).shuffle(Shuffle::None);
    let raw: Vec<u8> = (0..1000).map(|at| (at / 4 % 50) as u8).collect();
    let message = MsgPack::new().out_of_band_from(0).compression(format).encode(&Buffer::from(raw)).unwrap();
    let mut frame = message.buffers()[0].to_vec();
    let at = frame.windows(4).position(|part| part == [0x28, 0xb5, 0x2f, 0xfd]).unwrap();
    let len = u32::from_le_bytes(*frame[at - 4..].first_chunk().unwrap()) as usize;
    // as long as the one that was there: with blocks of 4 bytes, and empty ones of 3
    let mut stream = zstd_of_window(bits, 0);
    let short = (1..).find(|short| (len - stream.len() - 4 * short).is_multiple_of(3)).unwrap();
    for _ in 0..(len - stream.len() - 4 * short) / 3 {
        stream.extend([0; 3]);
    }
    for block in 0..short {
        let is_last = block + 1 == short;
        zstd_block(if is_last { 1000 - block } else { 1 }, is_last, &mut stream);
    }
    frame[at..at + len].copy_from_slice(&stream);
    frame
}

#[test]
fn a_zstandard_window_is_as_large_as_it_may_be_and_no_larger() {
    on_a_small_stack(|| {
        for (raw_len, most) in [(1000, 23), (8 * MIB - 1, 23), (8 * MIB, 24), (16 * MIB - 1, 24), (64 * MIB, 27)] {
            let mut attack = Attack::default();
            for bits in [10, 23, most] {
                let value = attack.decode(&message("zstd", &zstd_of_window(bits, raw_len), raw_len as u64)).unwrap();
                assert!(value[..] == vec![7; raw_len], "{raw_len} bytes by {bits} bits");
            }
            for bits in [most + 1, 28, 31, 41] {
                let message = message("zstd", &zstd_of_window(bits, raw_len), raw_len as u64);
                let error = attack.refused(&message, "a window that is too large");
                let text = error.to_string();
                assert!(error.is_peer() && text.contains("frame 0") && text.contains("zstd"), "{text}");
            }
        }
        let mut attack = Attack::default();
        for bits in [10, 23] {
            let value = attack.decode(&message("blosc2", &blosc2_of_window(bits), 1000)).unwrap();
            assert!(value.len() == 1000 && value.iter().all(|byte| *byte == 7));
        }
        for bits in [24, 27, 28, 31, 41] {
            let error = attack.refused(&message("blosc2", &blosc2_of_window(bits), 1000), "a window that is too large");
            assert!(error.is_peer() && error.to_string().contains("blosc2"), "{error}");
        }
    });
}

/// A line of `/proc/self/status` in bytes.
fn status(line: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let value = status.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(':')).unwrap();
    value.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

/// In a process of its own: decodes frames that ask for windows, and prints what the process took for it, as the kernel counts: the memory
/// of C is not in the counts of the allocator here.
#[test]
fn child_decodes_windows() {
    let Ok(encoding) = std::env::var("OUTBAND_WINDOWS") else { return };
    let decodes = |bits| {
        let stored = if encoding == "zstd" { zstd_of_window(bits, 1000) } else { blosc2_of_window(bits) };
        from_message(message(&encoding, &stored, 1000)).is_ok()
    };
    // the pages of the program that this reads are none that a peer asked for
    assert!(decodes(10) && !decodes(41));
    let (size, resident) = (status("VmSize"), status("VmRSS"));
    let kept: Vec<_> = (10..=41).cycle().take(320).map(decodes).collect();
    assert_eq!(kept.iter().filter(|accepted| **accepted).count(), 10 * 14, "windows from 10 to 23 bits");
    println!("took {} of {}", status("VmPeak") - size, status("VmHWM") - resident);
}

#[test]
fn a_process_takes_one_window_for_whoever_asks_for_many() {
    for encoding in ["zstd", "blosc2"] {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "compression::child_decodes_windows", "--nocapture", "--test-threads", "1"]);
        // what threads reserve beforehand would hide what is asked for
        let child = child.env("OUTBAND_WINDOWS", encoding).env("MALLOC_ARENA_MAX", "1").output().unwrap();
        let output = String::from_utf8_lossy(&child.stdout).into_owned();
        assert!(child.status.success(), "{output}{}", String::from_utf8_lossy(&child.stderr));
        let (_, numbers) = output.split_once("took ").unwrap();
        let mut numbers = numbers.lines().next().unwrap().split(" of ").map(|number| number.parse::<usize>().unwrap());
        let (taken, touched) = (numbers.next().unwrap(), numbers.next().unwrap());
        println!("{encoding}: {taken} bytes taken, {touched} of them touched");
        assert!(taken >= 8 * MIB, "{encoding}: the window of 8 MiB is not in it: {taken}");
        assert!(taken < 11 * MIB && touched < 3 * MIB, "{encoding}: {taken} bytes taken, {touched} of them touched");
    }
}
