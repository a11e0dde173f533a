//! Where buffers go: in band or out of band, one frame for a buffer used many times.

use std::collections::HashMap;

use crate::buffer::Buffer;

/// Where a buffer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Placement {
    /// Into the metadata, as MessagePack `bin`: copied, no frame of its own.
    InBand,
    /// Into a frame of its own, without copying.
    OutOfBand,
}

/// What a [`placement`](crate::MsgPack::placement) callback is told of a buffer.
#[derive(Clone, Copy, Debug)]
pub struct BufferInfo {
    index: usize,
    len: usize,
    default: Placement,
}

impl BufferInfo {
    pub(crate) fn new(index: usize, len: usize, default: Placement) -> Self {
        Self { index, len, default }
    }

    /// Which buffer of the value this is, in order of serialization, from 0; a buffer used twice is counted twice.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where it would go without a callback.
    pub fn default_placement(&self) -> Placement {
        self.default
    }
}

/// The buffers of one value while it is serialized: where each goes, and the frames of those that go out of band.
pub(crate) struct Placed<D> {
    decide: D,
    seen: usize,
    frames: Vec<Buffer>,
    /// The frame of each buffer by address and length; kept from the second frame on.
    known: HashMap<(usize, usize), usize>,
}

impl<D: Fn(usize, usize) -> Placement> Placed<D> {
    /// `decide` is called with the index and length of each buffer.
    pub(crate) fn new(decide: D) -> Self {
        Self { decide, seen: 0, frames: Vec::new(), known: HashMap::new() }
    }

    pub(crate) fn into_frames(self) -> Vec<Buffer> {
        self.frames
    }

    pub(crate) fn decide(&mut self, len: usize) -> Placement {
        let index = self.seen;
        self.seen += 1;
        (self.decide)(index, len)
    }

    /// The frame that holds this buffer: one that is there already, or a new one.
    pub(crate) fn frame_of(&mut self, buffer: &Buffer) -> usize {
        let key = |buffer: &Buffer| (buffer.as_ptr().addr(), buffer.len());
        let next = self.frames.len();
        let frame = match &self.frames[..] {
            [] => 0,
            [only] if key(only) == key(buffer) => 0,
            [first, ..] => {
                if next == 1 {
                    self.known.insert(key(first), 0);
                }
                *self.known.entry(key(buffer)).or_insert(next)
            }
        };
        if frame == next {
            self.frames.push(buffer.clone());
        }
        frame
    }
}
