//! What a compressed frame costs its receiver follows from the frame's length: no part of it is paid for twice, and what a decompressor
//! needs for itself is made once.

#![cfg(all(feature = "lz4", feature = "blosc"))]

use outband::{Buffer, Decode, MsgPack, Multipart, Result};

use crate::counting::measure;

const MIB: usize = 1 << 20;

fn reference(frame: u32, encoding: &str, stored: &[u8], raw_len: usize) -> Vec<u8> {
    let payload = rmp_serde::to_vec(&(frame, stored.len(), (), encoding, raw_len)).unwrap();
    [&[0xc7, payload.len() as u8, 0x42][..], &payload].concat()
}

fn decode(encoding: &str, stored: &[u8], raw_len: usize) -> Result<Buffer> {
    let metadata = reference(0, encoding, stored, raw_len);
    MsgPack::new().decode(Multipart::new(metadata, vec![Buffer::copy_from_slice(stored)]))
}

/// A chunk of blocks of `block` bytes, each of them one stream; `starts` says which one.
fn blosc2_chunk(format: u8, block: usize, starts: &[usize], streams: &[&[u8]]) -> Vec<u8> {
    let mut body = Vec::new();
    let header = 32 + 4 * starts.len();
    let places: Vec<usize> = streams
        .iter()
        .map(|stream| {
            let at = header + body.len();
            body.extend((stream.len() as u32).to_le_bytes());
            body.extend(*stream);
            at
        })
        .collect();
    // elements of a byte, blocks that are not split
    let mut chunk = vec![5, 1, 0x15 | format << 5, 1];
    for length in [block * starts.len(), block, header + body.len()] {
        chunk.extend((length as u32).to_le_bytes());
    }
    chunk.resize(32, 0);
    chunk.extend(starts.iter().flat_map(|start| (places[*start] as u32).to_le_bytes()));
    [chunk, body].concat()
}

/// A frame of these chunks, whose index says that each of them is at offset 0.
fn blosc2_frame(raw_len: usize, chunk_len: usize, chunks: &[u8]) -> Vec<u8> {
    let index_len = (raw_len.div_ceil(chunk_len) * 8) as u32;
    let mut index = vec![5, 1, 0x05, 8];
    for length in [index_len, index_len, 32] {
        index.extend(length.to_le_bytes());
    }
    index.resize(31, 0);
    // a chunk of zeros
    index.push(0x10);
    let mut frame = vec![0; 97];
    let trailer = *b"\x94\x01\x93\xcd\0\x06\xde\0\0\xdc\0\0\xce\0\0\0\x23\xd8\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let whole = (frame.len() + chunks.len() + index.len() + trailer.len()) as u64;
    let fields: [(usize, &[u8]); 7] = [
        (0, b"\x9e\xa8b2frame\0\xd2\0\0\0\x61"),
        (16, &whole.to_be_bytes()),
        (25, &[0x12]),
        (30, &(raw_len as u64).to_be_bytes()),
        (39, &(chunks.len() as u64).to_be_bytes()),
        (48, &1_u32.to_be_bytes()),
        (58, &(chunk_len as u32).to_be_bytes()),
    ];
    for (at, bytes) in fields {
        frame[at..at + bytes.len()].copy_from_slice(bytes);
    }
    [&frame, chunks, &index, &trailer[..]].concat()
}

/// Streams of one byte, 7, by the numbers of their formats.
const STREAMS: [(u8, &[u8]); 4] = [
    (0, &[0, 7]),
    (1, &[0x10, 7]),
    (3, &[0x78, 1, 1, 1, 0, 0xfe, 0xff, 7, 0, 8, 0, 8]),
    (4, &[0x28, 0xb5, 0x2f, 0xfd, 0x20, 1, 0x09, 0, 0, 7]),
];

#[test]
fn blocks_do_not_share_a_stream_nor_chunks_their_bytes() {
    for (format, stream) in STREAMS {
        // what one block may have, and one chunk
        let alone = blosc2_chunk(format, 1, &[0], &[stream]);
        assert_eq!(decode("blosc2", &blosc2_frame(1, 1, &alone), 1).unwrap()[..], [7]);
        let refused = |frame: Vec<u8>, raw_len: usize, reason: &str| {
            let error = decode("blosc2", &frame, raw_len).unwrap_err();
            assert!(error.is_peer() && error.to_string().contains(reason), "{format}: {error}");
            frame.len()
        };
        let blocks = blosc2_chunk(format, 1, &[0; 64], &[stream]);
        refused(blosc2_frame(64, 64, &blocks), 64, "blocks of a chunk overlap");
        // and as many of such chunks as anyone likes
        let len = refused(blosc2_frame(4 << 20, 64, &blocks), 4 << 20, "blocks of a chunk overlap");
        assert!(len < 510, "{len}");

        let honest = blosc2_chunk(format, 1, &[0, 1, 2], &[stream; 3]);
        refused(blosc2_frame(300, 3, &honest), 300, "chunks of a frame overlap");
        // one more chunk than there are bytes for
        let spare = [&honest[..], &vec![0; honest.len() - 1]].concat();
        refused(blosc2_frame(6, 3, &spare), 6, "chunks of a frame overlap");
    }
}

#[test]
fn blocks_come_in_any_order() {
    // as several threads of C-Blosc2 write them
    for (format, stream) in STREAMS {
        let count = 1000;
        let starts: Vec<usize> = (0..count).map(|block| (block * 7 + 3) % count).collect();
        let chunk = blosc2_chunk(format, 1, &starts, &vec![stream; count]);
        assert_eq!(decode("blosc2", &blosc2_frame(count, count, &chunk), count).unwrap()[..], vec![7; count]);
    }
}

#[test]
fn short_streams_have_one_decompressor() {
    let count = 20_000;
    let starts: Vec<usize> = (0..count).collect();
    for (format, stream) in STREAMS {
        let frame = blosc2_frame(count, count, &blosc2_chunk(format, 1, &starts, &vec![stream; count]));
        let (value, usage) = measure(|| decode("blosc2", &frame, count));
        assert_eq!(value.unwrap()[..], vec![7; count], "{format}");
        println!("format {format}, {} bytes: {usage:?}", frame.len());
        // the frame itself was copied; a decompressor of zlib takes some 50 KiB
        assert!(usage.allocated < 2 * frame.len() + MIB, "{format}, {} bytes: {usage:?}", frame.len());
    }
}

/// An LZ4 frame of blocks of up to 4 MiB, each of which is `block` with its length before it.
fn lz4_frame(block: &[u8], count: usize) -> Vec<u8> {
    [&[0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73][..], &block.repeat(count), &[0; 4]].concat()
}

/// One byte, compressed.
const LZ4_BLOCK: &[u8] = &[2, 0, 0, 0, 0x10, 7];

#[test]
fn a_short_lz4_frame_costs_what_is_in_it() {
    let frame = Buffer::from(lz4_frame(LZ4_BLOCK, 1));
    let count = 4000;
    let mut metadata = vec![0xdc];
    metadata.extend((count as u16).to_be_bytes());
    metadata.extend((0..count).flat_map(|index| reference(index, "lz4", &frame, 1)));
    let message = Multipart::new(metadata, vec![frame; count as usize]);
    let (values, usage) = measure(|| Decode::<Vec<Buffer>>::decode(&MsgPack::new(), message));
    let values = values.unwrap();
    assert!(values.len() == count as usize && values.iter().all(|value| value[..] == [7]));
    // it was 4 MiB for each of them
    assert!(usage.allocated < 4 * MIB, "{usage:?}");
}

#[test]
fn many_short_lz4_blocks_cost_what_is_in_them() {
    let count = 100_000;
    for block in [LZ4_BLOCK, &[1, 0, 0, 0x80, 7]] {
        let frame = lz4_frame(block, count);
        let (value, usage) = measure(|| decode("lz4", &frame, count));
        assert_eq!(value.unwrap()[..], vec![7; count]);
        assert!(usage.allocated < 2 * frame.len() + MIB, "{usage:?}");
        // and one that says more than it has does not make room for that
        let (refused, usage) = measure(|| decode("lz4", &frame, count + (64 << 20)));
        assert!(refused.unwrap_err().to_string().contains("it holds 100000 bytes"));
        assert!(usage.peak < 11 * frame.len() + MIB, "{usage:?}");
        let refused = decode("lz4", &frame, count - 1).unwrap_err();
        assert!(refused.to_string().contains("it holds more than the 99999 bytes"), "{refused}");
    }
}
