//! Frames of every compressed format, Blosc2's headers too: refused, or as many bytes as announced, and no more memory than these.

#![no_main]

use libfuzzer_sys::fuzz_target;
use outband::{Buffer, Decode, Limits, MsgPack, Multipart, Zipped};
use outband_fuzz::check::decoded;
use outband_fuzz::counting::measure;
use outband_fuzz::input::flags;
use rmp::encode::{write_array_len, write_ext_meta, write_nil, write_str, write_uint};

/// The most that a frame may be decompressed to.
const MOST: usize = 1 << 20;

/// What the decoders take for themselves, windows and tables.
const OVERHEAD: usize = 2 << 20;

fuzz_target!(|data: &[u8]| {
    // the format, the announced length, the frame
    let (format, rest) = flags(data);
    let Some((raw_len, stored)) = rest.split_first_chunk::<4>() else { return };
    let raw_len = u32::from_le_bytes(*raw_len);
    let Some(encoding) = ["zlib", "lz4", "zstd", "blosc2"].get(usize::from(format % 8)) else {
        return zipped(stored);
    };
    let message = message(encoding, raw_len, stored);
    let codec = MsgPack::new().limits(limits());
    let most = 2 * MOST.min(raw_len as usize) + OVERHEAD;
    let Some(buffer) = decoded::<Buffer, _>(&codec, &message, most) else { return };
    assert_eq!(buffer.len(), raw_len as usize);
    // also in two places, and among others
    let twice: (Buffer, Vec<u8>) = match codec.decode(pair(&message)) {
        Ok(twice) => twice,
        Err(error) => panic!("{error}"),
    };
    assert!(twice.0 == buffer && twice.1 == buffer.to_vec());
});

fn limits() -> Limits {
    Limits::new().metadata_bytes(MOST).decompressed_bytes(MOST as u64)
}

fn message(encoding: &str, raw_len: u32, stored: &[u8]) -> Multipart {
    const TAKES_ALL: &str = "a vector takes everything";
    let (mut payload, mut metadata) = (Vec::new(), Vec::new());
    write_array_len(&mut payload, 5).expect(TAKES_ALL);
    write_uint(&mut payload, 0).expect(TAKES_ALL);
    write_uint(&mut payload, stored.len() as u64).expect(TAKES_ALL);
    write_nil(&mut payload).expect(TAKES_ALL);
    write_str(&mut payload, encoding).expect(TAKES_ALL);
    write_uint(&mut payload, raw_len.into()).expect(TAKES_ALL);
    write_ext_meta(&mut metadata, payload.len() as u32, 0x42).expect(TAKES_ALL);
    metadata.extend(payload);
    Multipart::new(metadata, vec![Buffer::copy_from_slice(stored)])
}

fn pair(message: &Multipart) -> Multipart {
    let metadata = [&[0x92][..], message.metadata(), message.metadata()].concat();
    Multipart::new(metadata, message.buffers().to_vec())
}

fn zipped(stored: &[u8]) {
    let codec = Zipped::new(MsgPack::new().limits(limits())).limits(limits());
    let message = Multipart::new(stored.to_vec(), vec![]);
    let (decoded, peak) = measure(|| Decode::<outband::Value>::decode(&codec, message));
    match decoded {
        Ok(value) => outband_fuzz::value::holds(&value),
        Err(error) => {
            outband_fuzz::check::refused(&error);
            // what is unzipped is metadata: some fifty times that, as `Limits` says
            assert!(peak <= 160 * MOST + OVERHEAD, "{peak} bytes");
        }
    }
}
