//! Anything through every compression with every setting: it comes back as it was.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use outband::{Buffer, Compression, Encode, Inner, MsgPack, Placement, Shuffle, Zipped};
use outband::{Decode, Pickle};

#[derive(Arbitrary, Debug)]
struct Packed<'d> {
    format: u8,
    level: Option<i8>,
    is_sampled: bool,
    item: Option<u16>,
    shuffle: u8,
    inner: u8,
    repeat: u16,
    bytes: &'d [u8],
}

fuzz_target!(|packed: Packed<'_>| {
    let Packed { format, level, is_sampled, item, shuffle, inner, repeat, bytes } = packed;
    let mut compression = match format % 5 {
        0 => Compression::auto(),
        1 => Compression::zlib(),
        2 => Compression::lz4(),
        3 => Compression::zstd(),
        _ => Compression::blosc(),
    };
    if let Some(level) = level {
        // the highest ones take milliseconds each
        compression = compression.level(i32::from(level).min(12));
    }
    if is_sampled {
        compression = compression.sampled();
    }
    if let Some(item) = item {
        compression = compression.item_len(item.into());
    }
    let shuffles = [Shuffle::None, Shuffle::Byte, Shuffle::Bit];
    let inners = [Inner::Lz4, Inner::Zlib, Inner::Zstd];
    compression = compression.shuffle(shuffles[usize::from(shuffle) % 3]).inner(inners[usize::from(inner) % 3]);
    let repeated = bytes.repeat(1 + usize::from(repeat) % (1 + 600_000 / bytes.len().max(1)));
    let buffer = Buffer::from(repeated);
    let codec = MsgPack::new().out_of_band_from(0).compression(compression);
    let by_callback = MsgPack::new().placement(move |_| Placement::Compressed(compression));
    for codec in [codec, by_callback] {
        let message = codec.encode(&buffer).unwrap_or_else(|error| panic!("{error}"));
        assert!(message.total_len() <= buffer.len() + 64);
        let sizes = message.buffer_sizes().unwrap_or_else(|error| panic!("{error}"));
        assert!(sizes.iter().all(|size| size.raw_len() == buffer.len() as u64));
        let back: Buffer = MsgPack::new().decode(message).unwrap_or_else(|error| panic!("{error}"));
        assert!(back == buffer);
    }
    if buffer.len() < 10_000 {
        let zipped = Zipped::new(Pickle::new()).level(level.unwrap_or(6).clamp(0, 9).into());
        let message = zipped.encode(&buffer).unwrap_or_else(|error| panic!("{error}"));
        let back: Buffer = zipped.decode(message).unwrap_or_else(|error| panic!("{error}"));
        assert!(back == buffer);
    }
});
