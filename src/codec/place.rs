//! Where buffers go: in band or out of band, one frame for a buffer used many times.

use std::cell::RefCell;
use std::collections::HashMap;

use serde::Serialize;
use serde::ser::Serializer;

use super::intercept::Place;
use crate::buffer::Buffer;
use crate::memory;
use crate::reference::{EXTENSION, Reference};

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

/// The buffers of one value while it is serialized.
pub(crate) struct Placed<D> {
    decide: D,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    seen: usize,
    frames: Vec<Buffer>,
    /// The frame of each buffer by address and length; kept from the second frame on.
    known: HashMap<(usize, usize), usize>,
}

impl State {
    /// The frame that holds this buffer: one that is there already, or a new one.
    fn frame_of(&mut self, buffer: &Buffer) -> usize {
        let key = |buffer: &Buffer| (buffer.as_ptr().addr(), buffer.len());
        if let [only] = &self.frames[..] {
            if key(only) == key(buffer) {
                return 0;
            }
            self.known.insert(key(only), 0);
        }
        let next = self.frames.len();
        let frame = if next == 0 { 0 } else { *self.known.entry(key(buffer)).or_insert(next) };
        if frame == next {
            self.frames.push(buffer.clone());
        }
        frame
    }
}

impl<D: Fn(usize, usize) -> Placement> Placed<D> {
    pub(crate) fn new(decide: D) -> Self {
        Self { decide, state: RefCell::default() }
    }

    pub(crate) fn into_frames(self) -> Vec<Buffer> {
        self.state.into_inner().frames
    }
}

impl<D: Fn(usize, usize) -> Placement> Place for Placed<D> {
    fn place<S: Serializer>(&self, buffer: Buffer, serializer: S) -> Result<S::Ok, S::Error> {
        let index = {
            let mut state = self.state.borrow_mut();
            state.seen += 1;
            state.seen - 1
        };
        match (self.decide)(index, buffer.len()) {
            Placement::InBand => {
                memory::count_copy(buffer.len());
                serializer.serialize_bytes(&buffer)
            }
            Placement::OutOfBand => {
                let frame = self.state.borrow_mut().frame_of(&buffer);
                let mut payload = [0; 32];
                let payload = Reference::to(frame, &buffer).write(&mut payload);
                let extension = &(EXTENSION, Payload(payload));
                serializer.serialize_newtype_struct(rmp_serde::MSGPACK_EXT_STRUCT_NAME, extension)
            }
        }
    }
}

struct Payload<'a>(&'a [u8]);

impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}
