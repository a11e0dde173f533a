//! `Zipped`: a whole message in one compressed frame, as pyzmq's documentation sends pickles.

#![cfg(feature = "zlib")]

use std::collections::BTreeMap;

use outband::{
    Buffer, Decode, Encode, ErrorKind, Limits, MsgPack, Multipart, Result, SocketExt, Value, Zipped, memory,
};
use serde::{Deserialize, Serialize};

use crate::counting::measure;
use crate::python::Script;

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
struct Report {
    station: String,
    rows: Vec<BTreeMap<String, f64>>,
    image: Buffer,
}

fn report() -> Report {
    let row = |index: u32| BTreeMap::from([("time".to_owned(), f64::from(index)), ("level".to_owned(), 0.5)]);
    let image = Buffer::from_vec((0..200_000_u32).map(|at| (at / 1000) as u8).collect());
    Report { station: "north".into(), rows: (0..500).map(row).collect(), image }
}

#[test]
fn a_value_is_one_frame_and_comes_back() {
    for level in [-1, 0, 1, 6, 9, 100] {
        let codec = Zipped::default().level(level);
        let copied = memory::copied_bytes();
        let message = codec.encode(&report()).unwrap();
        assert_eq!(memory::copied_bytes() - copied, 200_000, "the buffer goes in band");
        assert!(message.buffers().is_empty());
        assert_eq!(Decode::<Report>::decode(&Zipped::default(), message).unwrap(), report());
    }
    let len = |level| Encode::<Report>::encode(&Zipped::default().level(level), &report()).unwrap().total_len();
    assert!(len(9) < len(1) && len(1) < len(0));
}

#[test]
fn an_inner_codec_with_a_placement_of_its_own_stays_in_band_too() {
    let inner = MsgPack::new().out_of_band_from(0).placement(|_| outband::Placement::OutOfBand);
    let codec = Zipped::new(inner);
    let message = codec.encode(&report()).unwrap();
    assert!(message.buffers().is_empty());
    assert_eq!(Decode::<Report>::decode(&codec, message).unwrap(), report());
    // zipped twice is a message as well
    let twice = Zipped::new(Zipped::default());
    assert_eq!(Decode::<Report>::decode(&twice, twice.encode(&report()).unwrap()).unwrap(), report());
}

#[test]
fn a_value_without_a_schema_is_zipped_with_its_buffers() {
    let message = MsgPack::new().out_of_band_from(0).encode(&report()).unwrap();
    let value: Value = MsgPack::new().decode(message).unwrap();
    assert!(matches!(value.get("image"), Some(Value::Buffer(_))), "{value}");
    let zipped = Zipped::default().encode(&value).unwrap();
    assert_eq!(Decode::<Report>::decode(&Zipped::default(), zipped).unwrap(), report());
}

/// A codec that knows nothing of `encode_in_band`.
struct Outside;

impl Encode<Buffer> for Outside {
    fn encode(&self, value: &Buffer) -> Result<Multipart> {
        Ok(Multipart::new("metadata", vec![value.clone()]))
    }
}

#[test]
fn an_inner_codec_that_needs_frames_is_refused() {
    let error = Zipped::new(Outside).encode(&Buffer::from_vec(vec![0_u8; 100])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Caller);
    assert!(error.to_string().starts_with("the inner codec put 1 buffers out of band"), "{error}");
}

#[test]
fn limits_hold_on_the_way_out() {
    let codec = Zipped::default().limits(Limits::new().decompressed_bytes(1000));
    assert!(codec.encode(&report()).unwrap_err().is_limit());
    let codec = Zipped::default().limits(Limits::new().metadata_bytes(100));
    assert!(codec.encode(&report()).unwrap_err().is_limit());
    // the inner codec has limits of its own
    let codec = Zipped::new(MsgPack::new().limits(Limits::new().metadata_bytes(1000)));
    assert!(codec.encode(&report()).unwrap_err().is_limit());
    let message = Zipped::default().encode(&report()).unwrap();
    assert!(Decode::<Report>::decode(&codec, message).unwrap_err().is_limit());
}

#[test]
fn no_more_is_unzipped_than_the_inner_codec_takes() {
    // a text of 65 MiB, which MsgPack refuses for its length
    let long = Zipped::new(MsgPack::new().limits(Limits::new().metadata_bytes(80 << 20)));
    let message: Multipart = long.encode(&"x".repeat(65 << 20)).unwrap();
    let (refused, usage) = measure(|| Decode::<String>::decode(&Zipped::default(), message.clone()));
    let error = refused.unwrap_err();
    let expected =
        "the message would have more bytes unzipped than the limit of 67108864 (metadata_bytes of the inner codec)";
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::Limits, expected.to_owned()));
    assert!(usage.largest <= 64 << 20, "{usage:?}");
    assert_eq!(Decode::<String>::decode(&long, message).unwrap().len(), 65 << 20);

    let narrow = Zipped::new(MsgPack::new().limits(Limits::new().total_bytes(1000)));
    let message: Multipart = Zipped::default().encode(&"x".repeat(1 << 20)).unwrap();
    let (refused, usage) = measure(|| Decode::<String>::decode(&narrow, message));
    assert!(refused.unwrap_err().to_string().ends_with("the limit of 1000 (total_bytes of the inner codec)"));
    assert!(usage.peak < 256 << 10, "{usage:?}");
}

#[test]
fn python_sends_and_receives_the_same() {
    let mut script = Script::start("zipped.py", &[]);
    let context = zmq::Context::new();
    let client = context.socket(zmq::REQ).unwrap();
    client.set_sndtimeo(60_000).unwrap();
    client.set_rcvtimeo(60_000).unwrap();
    client.set_linger(0).unwrap();
    client.connect(&format!("tcp://127.0.0.1:{}", script.line())).unwrap();
    client.send_zipped(&report()).unwrap();
    let answer: Report = client.recv_zipped().unwrap();
    assert_eq!(answer, Report { station: "NORTH".into(), ..report() });
    script.finish();
}
