//! Bytes as messages: a byte of flags, and then frames with a mark between them.
//!
//! The mark stands where lengths could, because what is inserted or cut out then leaves all other frames as they were.

use arbitrary::Arbitrary;
use outband::{Buffer, Multipart};
use rmp::decode::{read_array_len, read_ext_meta, read_int};
use rmp::encode::{write_array_len, write_ext_meta, write_nil, write_str, write_uint};

/// Between the frames of a message. 0xc1 is what MessagePack never uses.
pub const FRAME: &[u8] = b"\xc1||\xc1";

/// Between messages, where there are several.
pub const MESSAGE: &[u8] = b"\xc1##\xc1";

/// The flag that has the references of a message [mended](mended).
pub const MEND: u8 = 1;

/// A number of a protocol: small ones meet each other.
#[derive(Arbitrary, Debug)]
pub enum Number {
    Near(u8),
    Far(u64),
}

impl Number {
    pub fn get(&self) -> u64 {
        match *self {
            Self::Near(number) => number.into(),
            Self::Far(number) => number,
        }
    }
}

/// The flags and the rest.
pub fn flags(data: &[u8]) -> (u8, &[u8]) {
    data.split_first().map_or((0, data), |(flags, rest)| (*flags, rest))
}

/// The parts between marks.
pub fn parts<'d>(mut data: &'d [u8], mark: &[u8]) -> Vec<&'d [u8]> {
    let mut parts = Vec::new();
    while let Some(at) = data.windows(mark.len()).position(|window| window == mark) {
        parts.push(&data[..at]);
        data = &data[at + mark.len()..];
    }
    parts.push(data);
    parts
}

/// The flags and the message of an input, mended where the flags say so.
pub fn message(data: &[u8]) -> (u8, Multipart) {
    let (flags, rest) = flags(data);
    let frames = parts(rest, FRAME);
    let buffers = frames[1..].iter().map(|frame| Buffer::copy_from_slice(frame)).collect();
    let message = Multipart::new(frames[0].to_vec(), buffers);
    (flags, if flags & MEND != 0 { mended(&message) } else { message })
}

/// A message whose references fit its frames, whatever became of either: a check is hard to guess, and what it keeps out is to be seen.
fn mended(message: &Multipart) -> Multipart {
    let (metadata, buffers) = (message.metadata(), message.buffers());
    let (mut written, mut used) = (Vec::with_capacity(metadata.len()), Vec::new());
    let mut rest = &metadata[..];
    while let Some((byte, after)) = rest.split_first() {
        match reference(rest).filter(|_| !buffers.is_empty()) {
            Some((reference, after)) => {
                let index = reference.frame as usize % buffers.len();
                let place = used.iter().position(|&other| other == index).unwrap_or(used.len());
                if place == used.len() {
                    used.push(index);
                }
                reference.write(place, buffers[index].len(), &mut written);
                rest = after;
            }
            None => {
                written.push(*byte);
                rest = after;
            }
        }
    }
    Multipart::new(written, used.into_iter().map(|index| buffers[index].clone()).collect())
}

struct Reference<'d> {
    frame: u64,
    packed: Option<(&'d str, u64)>,
}

/// The reference that begins here, and what follows it.
fn reference(data: &[u8]) -> Option<(Reference<'_>, &[u8])> {
    let mut rest = data;
    let meta = read_ext_meta(&mut rest).ok()?;
    let (mut payload, after) = rest.split_at_checked(meta.size as usize)?;
    if meta.typeid != 0x42 {
        return None;
    }
    let len = read_array_len(&mut payload).ok()?;
    let frame = read_int(&mut payload).ok()?;
    let _length: u64 = read_int(&mut payload).ok()?;
    if len == 5 {
        match payload.split_first() {
            Some((0xc0, rest)) => payload = rest,
            _ => drop(read_int::<u32, _>(&mut payload).ok()?),
        }
        let (name, mut rest) = rmp::decode::read_str_from_slice(payload).ok()?;
        return Some((Reference { frame, packed: Some((name, read_int(&mut rest).ok()?)) }, after));
    }
    Some((Reference { frame, packed: None }, after))
}

impl Reference<'_> {
    fn write(&self, frame: usize, len: usize, to: &mut Vec<u8>) {
        const TAKES_ALL: &str = "a vector takes everything";
        let mut payload = Vec::new();
        write_array_len(&mut payload, if self.packed.is_some() { 5 } else { 2 }).expect(TAKES_ALL);
        write_uint(&mut payload, frame as u64).expect(TAKES_ALL);
        write_uint(&mut payload, len as u64).expect(TAKES_ALL);
        if let Some((name, raw_len)) = self.packed {
            write_nil(&mut payload).expect(TAKES_ALL);
            write_str(&mut payload, name).expect(TAKES_ALL);
            write_uint(&mut payload, raw_len).expect(TAKES_ALL);
        }
        write_ext_meta(to, payload.len() as u32, 0x42).expect(TAKES_ALL);
        to.extend_from_slice(&payload);
    }
}
