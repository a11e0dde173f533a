//! Where the containers of a plain pickle begin and how many values are in each: enough to read it straight from its opcodes.
//!
//! Most pickles hold nothing but data: dicts, lists, tuples, sets, text, bytes, numbers, and names of fields that are
//! fetched from the memo again. What such a pickle is stands in its opcodes, in order. Only two things are not known where they are
//! needed: how many values a container has, which opcodes after its values say, and that a tuple of up to three begins, which
//! nothing says before its end. Those are what a pass over the opcodes finds out.
//!
//! ```text
//!   }  MEMOIZE  (  "id"  7  "at"  1  2  TUPLE2  SETITEMS  .
//!   └ 4 values                    └ 2 values
//! ```
//!
//! Everything else has no outline: what imports and calls, what is one container in two places, opcodes that nobody writes
//! today, and whatever is not well-formed. The machine reads those, and says what is wrong with them.

mod scan;
mod tools;

use std::mem;

use super::opcode as op;
use tools::Tools;

/// The longest pickle that has an outline: a place in it leaves two bits.
const LONGEST: usize = 1 << 30;

/// The most memory that a thread keeps between pickles.
const KEEP: usize = 4 << 20;

/// The most of it that it keeps after a pickle that turned out to have no outline.
const LITTLE: usize = 16 << 10;

/// A container: where it begins, what it is, and how many values are in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Container {
    /// Where its first opcode stands: of a short tuple that of its first value.
    at: u32,
    /// The number of values; in the two upper bits its [`Start`].
    len: u32,
}

/// How a container begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// With an opcode that says what it is.
    Opcode,
    /// With its first value: a tuple.
    Value,
    /// With a mark: a tuple.
    Mark,
    /// With a mark: a frozen set.
    MarkOfSet,
}

impl Container {
    #[inline]
    fn new(at: u32, len: usize, start: Start) -> Self {
        Self { at, len: len as u32 | (start as u32) << 30 }
    }

    /// Where its first opcode stands: of a short tuple that of its first value.
    #[inline]
    pub(crate) fn at(self) -> usize {
        self.at as usize
    }

    /// How many values are in it: of a dict keys and values.
    #[inline]
    pub(crate) fn len(self) -> usize {
        (self.len & (u32::MAX >> 2)) as usize
    }

    #[inline]
    pub(crate) fn start(self) -> Start {
        match self.len >> 30 {
            0 => Start::Opcode,
            1 => Start::Value,
            2 => Start::Mark,
            _ => Start::MarkOfSet,
        }
    }
}

/// The containers of a plain pickle, in order, and its memo.
#[derive(Debug)]
pub(crate) struct Outline<'p> {
    pickle: &'p [u8],
    tools: Tools,
    fetched: Fetched,
}

/// What is fetched from a memo.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fetched {
    /// How many values, and how many bytes of text and bytes, together.
    pub(crate) cost: usize,
    /// The bytes of the longest.
    pub(crate) longest: usize,
}

impl<'p> Outline<'p> {
    /// Goes over a pickle; `None` for one that is not plain, or not well-formed.
    ///
    /// The bytes of text are not looked at, and have to be UTF-8 all the same for the pickle to be well-formed.
    pub(crate) fn of(pickle: &'p [u8]) -> Option<Self> {
        if pickle.len() >= LONGEST {
            return None;
        }
        let mut tools = Tools::take();
        match scan::scan(pickle, &mut tools) {
            Some(fetched) => Some(Self { pickle, tools, fetched }),
            None => {
                // the machine is about to need memory of its own
                tools.keep(LITTLE);
                None
            }
        }
    }

    pub(crate) fn pickle(&self) -> &'p [u8] {
        self.pickle
    }

    /// All containers, in the order of their places.
    pub(crate) fn containers(&self) -> &[Container] {
        &self.tools.containers
    }

    /// What a memo entry is that is fetched again: the pickle from there on, where text or bytes begin.
    #[inline]
    pub(crate) fn memo(&self, number: usize) -> Option<&'p [u8]> {
        let at = *self.tools.memo.get(number)?;
        self.pickle.get(at as usize..)
    }

    /// What is fetched from the memo.
    pub(crate) fn fetched(&self) -> Fetched {
        self.fetched
    }
}

impl Drop for Outline<'_> {
    fn drop(&mut self) {
        mem::take(&mut self.tools).keep(KEEP);
    }
}

/// How many bytes an opcode takes up that stands between values and is none; 0 for every other.
///
/// A mark is one of them where no container begins with it.
#[inline]
pub(crate) fn between(opcode: u8) -> usize {
    BETWEEN[usize::from(opcode)].into()
}

static BETWEEN: [u8; 256] = {
    let mut widths = [0; 256];
    let short = [
        op::MARK,
        op::MEMOIZE,
        op::SETITEM,
        op::SETITEMS,
        op::APPEND,
        op::APPENDS,
        op::ADDITEMS,
        op::TUPLE,
        op::TUPLE1,
        op::TUPLE2,
        op::TUPLE3,
        op::FROZENSET,
    ];
    let mut at = 0;
    while at < short.len() {
        widths[short[at] as usize] = 1;
        at += 1;
    }
    widths[op::PROTO as usize] = 2;
    widths[op::BINPUT as usize] = 2;
    widths[op::LONG_BINPUT as usize] = 5;
    widths[op::FRAME as usize] = 9;
    widths
};
