//! The writer: serde values to the opcodes that build them in Python.
//!
//! What Python calls on the way is on a list here as it is for the reader: NumPy's `ndarray` and `dtype`, the types of the
//! standard library that [`Kind`] names, and the classes that the codec was told of.

mod array;
#[cfg(feature = "arrow")]
mod arrow;
#[cfg(feature = "arrow")]
mod axis;
#[cfg(feature = "arrow")]
mod block;
mod class;
#[cfg(feature = "arrow")]
mod column;
#[cfg(feature = "arrow")]
mod described;
#[cfg(feature = "arrow")]
mod distinct;
mod kind;
mod member;
mod names;
mod open;
#[cfg(feature = "arrow")]
mod pyarrow;
mod serialize;
mod shared;
#[cfg(feature = "arrow")]
mod table;
mod time;
#[cfg(feature = "arrow")]
mod types;

use std::collections::HashMap;
use std::mem;

use serde::ser::Error as _;

use crate::buffer::Buffer;
use crate::codec::place::{Placed, Placement, Policy};
use crate::codec::unserializable::{Result, Unserializable};
use crate::limits::Limits;
use crate::pickle::{Memoized, Output, opcode as op};
use crate::python::Kind;
use crate::{handoff, memory};
use array::Element;
pub(super) use class::{Classes, whole};
use names::Names;
use shared::Shared;

/// One value that is being written.
pub(crate) struct Writer<'w> {
    out: Output<'w>,
    placed: Placed<'w>,
    classes: &'w Classes,
    /// How many more containers may be opened.
    depth: usize,
    limits: &'w Limits,
    /// How long it was to become when room for it was last asked for.
    wanted: u64,
    /// The least that this was since the value began that stands in several places.
    least_depth: usize,
    next: Next,
    /// Whether what is written is to be hashed in Python: a key, or an element of a set.
    in_key: bool,
    /// How many parts were written that Python cannot hash, or that were made something else so that it can.
    unhashed: u64,
    names: Names,
    shared: Shared,
    /// The memo's entry for each frame.
    frames: Vec<Memoized>,
    globals: Vec<((&'w str, &'w str), Memoized)>,
    dtypes: HashMap<String, Element>,
    /// What a reader has to build beyond what is written, because the memo stands for it.
    repeated: u64,
    /// The enum of the member that was begun last.
    member_of: Option<(&'w str, &'w str)>,
}

/// What a newtype struct has announced of the value that comes next.
#[derive(Clone, Copy, Default)]
enum Next {
    #[default]
    Value,
    /// A buffer.
    Buffer,
    /// The buffer with the elements of an array.
    Elements,
    /// The content of an object of this kind.
    Kind(Kind),
}

/// What a value has become, beside the bytes of its pickle.
pub(super) struct Written {
    pub(super) frames: Vec<Buffer>,
    /// The length of the pickle with all that its memo stands for written out.
    pub(super) whole_len: u64,
}

impl<'w> Writer<'w> {
    /// A writer that appends to `out`.
    pub(super) fn new(out: &'w mut Vec<u8>, policy: &'w Policy, classes: &'w Classes, limits: &'w Limits) -> Self {
        let max_depth = limits.max_depth();
        Self {
            out: Output::new(out),
            placed: Placed::new(policy),
            classes,
            depth: max_depth,
            limits,
            wanted: 0,
            least_depth: max_depth,
            next: Next::Value,
            in_key: false,
            unhashed: 0,
            names: Names::default(),
            shared: Shared::default(),
            frames: Vec::new(),
            globals: Vec::new(),
            dtypes: HashMap::new(),
            repeated: 0,
            member_of: None,
        }
    }

    /// Ends the pickle.
    pub(super) fn finish(mut self) -> Written {
        let len = self.out.finish() as u64;
        Written { frames: self.placed.take_frames(), whole_len: len.saturating_add(self.repeated) }
    }

    /// How long the pickle would have become at the least.
    pub(super) fn least_len(&self) -> u64 {
        (self.out.len() as u64).max(self.wanted)
    }

    /// Refuses to write on where so many bytes more are over the limit: a value may name one buffer many times, and the columns of
    /// a table one or none, and be far longer written out.
    fn check_room(&mut self, more: usize) -> Result<()> {
        self.wanted = (self.out.len() as u64).saturating_add(more as u64);
        match self.wanted > self.limits.max_metadata() as u64 {
            true => Err(Unserializable::custom("a pickle over the limit of its length")),
            false => Ok(()),
        }
    }

    /// A name of a field or a variant: text, the first time.
    #[inline]
    fn name(&mut self, name: &'static str) {
        match self.names.find(name) {
            Some(entry) => {
                self.repeat(name.len());
                self.out.again(entry);
            }
            None => {
                self.out.text(name);
                self.names.insert(name, self.out.memoize());
            }
        }
    }

    #[inline]
    fn repeat(&mut self, len: usize) {
        self.repeated = self.repeated.saturating_add(len as u64);
    }

    /// Something that Python imports: by name, the first time.
    fn global(&mut self, module: &'w str, name: &'w str) {
        match self.globals.iter().find(|(known, _)| *known == (module, name)) {
            Some(&(_, entry)) => self.out.again(entry),
            None => {
                self.out.global(module, name);
                self.globals.push(((module, name), self.out.memoize()));
            }
        }
    }

    /// Takes what was announced, of which nothing came: a scalar has no use for it.
    fn take_next(&mut self) -> Next {
        mem::take(&mut self.next)
    }

    /// Begins a value that stands for nothing but itself.
    ///
    /// # Errors
    ///
    /// When it was announced to be something else.
    #[inline]
    fn plain(&mut self, what: &str) -> Result<()> {
        match self.next {
            Next::Value => Ok(()),
            next => self.unexpected(next, what),
        }
    }

    #[cold]
    fn unexpected(&mut self, next: Next, what: &str) -> Result<()> {
        match next {
            Next::Value => Ok(()),
            Next::Buffer => {
                self.next = Next::Value;
                handoff::stop_asking();
                Ok(())
            }
            Next::Elements => Err(Unserializable::custom("the elements of an array that are no buffer")),
            Next::Kind(kind) => Err(kind::misfit(kind, what)),
        }
    }

    /// The bytes of a buffer that was not given away: too short for a frame of its own, or kept by serde on the way here
    /// (a flattened enum), which loses the ownership.
    fn announced_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        handoff::stop_asking();
        let is_long = bytes.len() >= self.placed.out_of_band_from() || matches!(self.next, Next::Elements);
        if is_long && !self.in_key {
            return self.buffer(Buffer::copy_from_slice(bytes));
        }
        self.next = Next::Value;
        self.placed.decide(bytes);
        memory::count_copy(bytes.len());
        self.out.bytes(bytes);
        Ok(())
    }

    /// Puts a buffer where its placement says.
    fn buffer(&mut self, buffer: Buffer) -> Result<()> {
        let is_array = matches!(self.take_next(), Next::Elements);
        match self.placed.decide(&buffer) {
            Placement::InBand => {
                self.check_room(buffer.len())?;
                memory::count_copy(buffer.len());
                match is_array {
                    // an array that Python may write to, as its own pickles give
                    true => self.out.byte_array(&buffer),
                    false => self.out.bytes(&buffer),
                }
            }
            Placement::OutOfBand | Placement::AsItCame => {
                // buffers without bytes are told apart by nothing: each has a frame, as in Python
                let frame = match buffer.is_empty() {
                    true => self.placed.frame_for(buffer),
                    false => self.placed.frame_of(buffer),
                };
                match self.frames.get(frame) {
                    Some(&entry) => self.out.again(entry),
                    None => {
                        self.out.op(op::NEXT_BUFFER);
                        self.frames.push(self.out.memoize());
                    }
                }
                if !is_array {
                    self.out.op(op::READONLY_BUFFER);
                }
            }
            Placement::Compressed(_) => {
                return Err(Unserializable::custom("a buffer that is to be compressed, which Python would not undo"));
            }
        }
        Ok(())
    }

    /// A frame of which nothing is made, where it is one again.
    #[cfg(feature = "arrow")]
    fn passed_over(&mut self, frame: &Buffer) {
        if handoff::placed(handoff::Place::Frame, || self.placed.decide(frame)) != Placement::OutOfBand {
            return;
        }
        let index = match frame.is_empty() {
            true => self.placed.frame_for(frame.clone()),
            false => self.placed.frame_of(frame.clone()),
        };
        if index == self.frames.len() {
            self.out.op(op::NEXT_BUFFER);
            self.frames.push(self.out.memoize());
            self.out.op(op::POP);
        }
    }

    /// Goes so many containers deeper.
    #[inline]
    fn enter(&mut self, levels: usize) -> Result<()> {
        self.depth = self.depth.checked_sub(levels).ok_or_else(Unserializable::too_deep)?;
        self.least_depth = self.least_depth.min(self.depth);
        Ok(())
    }

    /// Refuses what Python cannot hash, where it would have to.
    #[inline]
    fn unhashable(&mut self, what: &str) -> Result<()> {
        self.unhashed += 1;
        if self.in_key { Err(no_key(what)) } else { Ok(()) }
    }
}

impl Writer<'_> {
    /// The table that is being serialized.
    #[cfg(feature = "arrow")]
    fn table_at_hand(&mut self) -> Result<()> {
        match crate::table::leaving() {
            Some(table) => self.table(&table),
            None => Err(Unserializable::custom("a struct that looks like a table and is none")),
        }
    }

    #[cfg(not(feature = "arrow"))]
    fn table_at_hand(&mut self) -> Result<()> {
        Err(Unserializable::custom("a table, and this program was built without the feature outband/arrow"))
    }
}

#[cold]
fn no_key(what: &str) -> Unserializable {
    Unserializable::custom(format_args!("{what} as the key of a map or in a set, which Python cannot hash"))
}
