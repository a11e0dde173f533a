//! Compressed messages that were written once decode for ever. What is written today may differ from them.
//!
//! `OUTBAND_WRITE_GOLDEN=1` writes the files that are not there yet. `blosc2_python.outband` was made by python-blosc2 4.14.1:
//! `SChunk(chunksize=16_384, data=raw, cparams={"typesize": 8})`, so with Zstandard inside and an index in BloscLZ.

#![cfg(all(feature = "zlib", feature = "lz4", feature = "zstd", feature = "blosc"))]

use std::fs::{self, File};
use std::path::PathBuf;

use outband::{Buffer, Compression, Encode, MsgPack, Multipart, from_multipart};

/// 100 000 bytes: seconds since 1970, one every half minute.
fn value() -> Buffer {
    Buffer::from_vec((0..12_500_i64).map(|at| 1_700_000_000 + 30 * at).collect())
}

#[test]
fn golden_compressed_messages_decode_as_ever() {
    let formats = [
        ("zlib", Some(Compression::zlib())),
        ("lz4", Some(Compression::lz4())),
        ("zstd", Some(Compression::zstd())),
        ("blosc2", Some(Compression::blosc().item_len(8))),
        ("blosc2_python", None),
    ];
    for (name, compression) in formats {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.outband"));
        if let Some(compression) = compression
            && std::env::var_os("OUTBAND_WRITE_GOLDEN").is_some_and(|value| value == "1")
            && !path.exists()
        {
            let message = MsgPack::new().compression(compression).encode(&value()).unwrap();
            message.write_to(&mut File::create_new(&path).unwrap()).unwrap();
        }
        let golden = fs::read(&path).unwrap();
        let mut stream = &golden[..];
        let message = Multipart::read_from(&mut stream).unwrap();
        assert!(stream.is_empty(), "{name}: the file holds more than one message");
        let sizes = message.buffer_sizes().unwrap();
        assert_eq!((sizes.len(), sizes[0].raw_len()), (1, 100_000), "{name}");
        assert_eq!(sizes[0].encoding(), name.split('_').next(), "{name}");
        assert!(from_multipart::<Buffer>(message).unwrap() == value(), "{name}");
    }
}
