//! Hostile byte streams end in a typed error or in a message: truncated anywhere, with forged headers, under any limits.

use std::fmt::Debug;
use std::io::{self, Read};

use outband::{Buffer, Encode, ErrorKind, Limits, MsgPack, Multipart, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::counting::{Usage, measure};
use crate::random::Random;
use crate::values;
use crate::values::Visit;

fn strict() -> Limits {
    Limits::new().metadata_bytes(1 << 20).total_bytes(1 << 20).frames(1000)
}

/// As large as a program can set them.
fn boundless() -> Limits {
    Limits::new().metadata_bytes(usize::MAX).total_bytes(u64::MAX).frames(usize::MAX)
}

/// Reads both ways, which must agree, and measures.
fn read(stream: &[u8], limits: &Limits) -> (Result<Multipart>, Usage) {
    let mut reader = stream;
    let (read, usage) = measure(|| Multipart::read_from_within(&mut reader, limits));
    let whole = Buffer::copy_from_slice(stream);
    let mut rest = whole.clone();
    let (taken, in_place) = measure(|| Multipart::read_from_buffer(&mut rest, limits));
    match (&read, &taken) {
        (Ok(read), Ok(taken)) => assert!(read == taken && reader == rest.as_slice()),
        (Err(read), Err(taken)) => {
            assert_eq!((read.kind(), read.to_string()), (taken.kind(), taken.to_string()));
            assert!(matches!(read.kind(), ErrorKind::Peer | ErrorKind::Limits), "{read:?}");
            assert_eq!((rest.as_ptr(), rest.len()), (whole.as_ptr(), whole.len()), "a refused stream was moved on");
        }
        _ => panic!("{read:?} and {taken:?}"),
    }
    (read, usage.max(in_place))
}

struct Streams<F>(F);

impl<F: FnMut(&'static str, &Multipart, Vec<u8>)> Visit for Streams<F> {
    fn visit<T>(&mut self, name: &'static str, _about: &'static str, codec: MsgPack, value: T)
    where
        T: Serialize + DeserializeOwned + PartialEq + Debug + 'static,
    {
        let message = codec.encode(&value).unwrap();
        let mut stream = Vec::new();
        message.write_to(&mut stream).unwrap();
        (self.0)(name, &message, stream);
    }
}

#[test]
fn a_stream_cut_anywhere_is_refused_and_says_what_is_missing() {
    let mut random = Random::seeded(4);
    values::each(&mut Streams(|name, message: &Multipart, stream: Vec<u8>| {
        let cuts: Vec<_> = match stream.len() {
            0..=1024 => (0..stream.len()).collect(),
            len => (0..200).chain(len - 100..len).chain((0..100).map(|_| random.below(len))).collect(),
        };
        for cut in cuts {
            let (result, usage) = read(&stream[..cut], &strict());
            let error = result.unwrap_err();
            assert!(error.is_peer(), "{name} cut at {cut}: {error}");
            assert_eq!(error.is_end_of_stream(), cut == 0, "{name} cut at {cut}: {error}");
            assert!(cut == 0 || error.to_string().starts_with("the stream ends"), "{name} cut at {cut}: {error}");
            assert!(usage.peak < 2 << 20, "{name} cut at {cut}: {usage:?}");
        }
        assert_eq!(&read(&stream, &strict()).0.unwrap(), message);
        let twice = [&stream[..], &stream].concat();
        let mut reader = &twice[..];
        assert_eq!(&Multipart::read_from(&mut reader).unwrap(), message);
        assert_eq!(&Multipart::read_from(&mut reader).unwrap(), message);
        assert!(Multipart::read_from(&mut reader).unwrap_err().is_end_of_stream());
    }));
}

#[test]
fn forged_numbers_in_a_header_are_refused_or_a_message() {
    let forged = [
        0,
        1,
        2,
        63,
        64,
        65,
        255,
        1000,
        1001,
        1 << 16,
        (1 << 20) + 1,
        1 << 32,
        1 << 40,
        1 << 53,
        1 << 58,
        (1 << 61) - 3,
        1 << 61,
        (1 << 62) - 64,
        (1 << 62) - 1,
        1 << 62,
        i64::MAX as u64 - 63,
        i64::MAX as u64,
        1 << 63,
        u64::MAX - 64,
        u64::MAX - 63,
        u64::MAX - 8,
        u64::MAX,
    ];
    let mut worst = Usage::default();
    let mut count = 0;
    values::each(&mut Streams(|name, message: &Multipart, stream: Vec<u8>| {
        if stream.len() > 10_000 {
            return;
        }
        let numbers = 2 + message.buffers().len().min(4);
        for at in (0..numbers).map(|number| 8 + 8 * number) {
            for number in forged {
                let mut stream = stream.clone();
                stream[at..at + 8].copy_from_slice(&u64::to_le_bytes(number));
                let (result, usage) = read(&stream, &strict());
                worst = worst.max(usage);
                count += 1;
                if let Err(error) = result {
                    assert!(error.to_string().len() < 300, "{name}: {error}");
                }
                let _ = read(&stream, &boundless());
                // all lengths at once: sums that overflow
                if message.buffers().len() > 1 {
                    for at in (2..2 + message.buffers().len()).map(|number| 8 + 8 * number) {
                        stream[at..at + 8].copy_from_slice(&u64::to_le_bytes(number));
                    }
                    let _ = read(&stream, &strict());
                    let _ = read(&stream, &boundless());
                }
            }
        }
    }));
    println!("{count} forged headers: {worst:?}");
    assert!(worst.peak <= 2 << 20, "{worst:?}");
}

#[test]
fn every_changed_byte_of_a_header_is_refused_or_a_message() {
    let mut worst = Usage::default();
    values::each(&mut Streams(|_, message: &Multipart, stream: Vec<u8>| {
        if stream.len() > 10_000 {
            return;
        }
        for at in 0..24 + 8 * message.buffers().len().min(3) {
            for byte in (0..=255).step_by(if at < 8 { 51 } else { 5 }) {
                let mut changed = stream.clone();
                changed[at] ^= byte;
                worst = worst.max(read(&changed, &strict()).1);
            }
        }
    }));
    println!("{worst:?}");
    assert!(worst.peak <= 2 << 20, "{worst:?}");
}

#[test]
fn what_is_no_stream_of_messages_is_said_so() {
    for stream in
        [&b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"[..], &[0; 64], &[0xff; 64], b"outband2................"]
    {
        let error = read(stream, &strict()).0.unwrap_err();
        assert_eq!(error.to_string(), "the stream holds no message here: it does not begin with \"outband1\"");
    }
}

/// A reader that returns one byte at a time and is interrupted in between.
struct Trickle<'a>(&'a [u8], bool);

impl Read for Trickle<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let len = into.len().min(1);
        self.0.read(&mut into[..len])
    }
}

#[test]
fn a_stream_that_trickles_and_is_interrupted_is_read_whole() {
    values::each(&mut Streams(|name, message: &Multipart, stream: Vec<u8>| {
        if stream.len() < 10_000 {
            assert_eq!(&Multipart::read_from(&mut Trickle(&stream, false)).unwrap(), message, "{name}");
        }
    }));
}

#[test]
fn a_reader_that_fails_is_a_transport_error() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _into: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let error = Multipart::read_from(&mut Broken).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport);
    let mut stream = Vec::new();
    Multipart::new("metadata", vec![]).write_to(&mut stream).unwrap();
    let error = Multipart::read_from(&mut stream[..100].chain(Broken)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport);
}
