//! A place in a pickle whose outline is known: the values from there on, one after the other.

use std::slice;

use super::text;
use crate::codec::pickle::mismatch::{Mismatch, Result};
use crate::pickle::opcode as op;
use crate::pickle::{Container, Outline, Start, between, long};

/// A place in a pickle, always before a value or what stands between two.
pub(super) struct Cursor<'o, 'g> {
    rest: &'g [u8],
    /// How many bytes are left where the next container begins.
    next: usize,
    /// The containers from that one on.
    containers: slice::Iter<'o, Container>,
    outline: &'o Outline<'g>,
    /// How many containers may still be within each other.
    depth: usize,
    /// Whether something went wrong, whatever became of it.
    is_lost: bool,
    /// Names of fields that were met, each in one place: records in a list have the same ones.
    names: [(u16, &'g str); NAMES],
}

/// How many names are remembered: a power of two.
const NAMES: usize = 32;

/// Where no opcode stands.
const NOWHERE: usize = usize::MAX;

/// Stands for an opcode where a container begins: no opcode is it.
pub(super) const CONTAINER: u8 = 0;

/// What stands at a place that is no container.
pub(super) enum Leaf<'g> {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(&'g str),
    Bytes(&'g [u8]),
    EmptyTuple,
}

/// What a container is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    List,
    Tuple,
    Set,
    FrozenSet,
    Dict,
}

impl<'o, 'g> Cursor<'o, 'g> {
    /// The beginning of a pickle.
    pub(super) fn new(outline: &'o Outline<'g>, depth: usize) -> Self {
        let mut cursor = Self {
            rest: outline.pickle(),
            next: NOWHERE,
            containers: outline.containers().iter(),
            outline,
            depth,
            is_lost: false,
            // no opcode has this number
            names: [(u16::MAX, ""); NAMES],
        };
        cursor.find_next();
        cursor
    }

    /// Notes where the next container begins.
    #[inline]
    fn find_next(&mut self) {
        let next = self.containers.as_slice().first();
        self.next = next.map_or(NOWHERE, |next| self.outline.pickle().len() - next.at());
    }

    #[inline]
    pub(super) fn outline(&self) -> &'o Outline<'g> {
        self.outline
    }

    /// How many bytes are left.
    #[inline]
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Gives up, also where whoever decodes goes on without the value that is an error now.
    #[cold]
    pub(super) fn lose(&mut self) -> Mismatch {
        self.is_lost = true;
        Mismatch::because("it is read another way")
    }

    /// Gives up where a part of a container was refused: nobody knows where that ended.
    #[inline]
    pub(super) fn note_failure(&mut self) {
        self.is_lost = true;
    }

    /// Goes to the next value, if it is not there yet; the opcode that it begins with, or [`CONTAINER`].
    #[inline]
    pub(super) fn seek(&mut self) -> Result<u8> {
        loop {
            let Some(&opcode) = self.rest.first() else { return Err(self.lose()) };
            if self.rest.len() == self.next {
                return Ok(CONTAINER);
            }
            match between(opcode) {
                0 => return Ok(opcode),
                width => match self.rest.get(width..) {
                    Some(rest) => self.rest = rest,
                    None => return Err(self.lose()),
                },
            }
        }
    }

    /// What the container is that begins here.
    #[inline]
    pub(super) fn held(&self) -> Option<Held> {
        Some(match self.containers.as_slice().first()?.start() {
            Start::Opcode => match self.rest.first() {
                Some(&op::EMPTY_DICT) => Held::Dict,
                Some(&op::EMPTY_SET) => Held::Set,
                _ => Held::List,
            },
            Start::Value | Start::Mark => Held::Tuple,
            Start::MarkOfSet => Held::FrozenSet,
        })
    }

    /// Enters the container that begins here; how many values are in it.
    #[inline]
    pub(super) fn enter(&mut self) -> Result<usize> {
        let Some(container) = self.containers.next() else { return Err(self.lose()) };
        self.find_next();
        // a short tuple has no opcode of its own here
        if container.start() != Start::Value {
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
        Ok(container.len())
    }

    /// Goes down a level.
    #[inline]
    pub(super) fn descend(&mut self) -> Result<()> {
        match self.depth.checked_sub(1) {
            Some(depth) => {
                self.depth = depth;
                Ok(())
            }
            None => Err(self.lose()),
        }
    }

    #[inline]
    pub(super) fn ascend(&mut self) {
        self.depth += 1;
    }

    /// The integer that such an opcode says, if it is one of these.
    #[inline]
    pub(super) fn int(&mut self, opcode: u8) -> Option<i64> {
        let after = self.rest.get(1..)?;
        let (value, rest): (i64, _) = match opcode {
            op::BININT1 => after.split_first().map(|(&value, rest)| (value.into(), rest))?,
            op::BININT2 => after.split_first_chunk().map(|(&value, rest)| (u16::from_le_bytes(value).into(), rest))?,
            op::BININT => after.split_first_chunk().map(|(&value, rest)| (i32::from_le_bytes(value).into(), rest))?,
            _ => return None,
        };
        self.rest = rest;
        Some(value)
    }

    #[inline]
    pub(super) fn bool(&mut self, opcode: u8) -> Option<bool> {
        let value = match opcode {
            op::NEWTRUE => true,
            op::NEWFALSE => false,
            _ => return None,
        };
        self.rest = self.rest.get(1..)?;
        Some(value)
    }

    #[inline]
    pub(super) fn float(&mut self, opcode: u8) -> Option<f64> {
        if opcode != op::BINFLOAT {
            return None;
        }
        let (&value, rest) = self.rest.get(1..)?.split_first_chunk()?;
        self.rest = rest;
        Some(f64::from_be_bytes(value))
    }

    /// Text of up to 255 bytes that stands here.
    #[inline]
    pub(super) fn short_text(&mut self, opcode: u8) -> Option<&'g str> {
        if opcode != op::SHORT_BINUNICODE {
            return None;
        }
        let (&len, after) = self.rest.get(1..)?.split_first()?;
        let (text, rest) = after.split_at_checked(len.into())?;
        let text = str::from_utf8(text).ok()?;
        self.go_behind_text(rest);
        Some(text)
    }

    /// As [`short_text`](Self::short_text), for who wants a text of its own.
    #[inline]
    pub(super) fn short_string(&mut self, opcode: u8) -> Option<String> {
        if opcode != op::SHORT_BINUNICODE {
            return None;
        }
        let (&len, after) = self.rest.get(1..)?.split_first()?;
        let rest = after.get(len.into()..)?;
        let text = text::owned(after, len.into())?;
        self.go_behind_text(rest);
        Some(text)
    }

    #[inline(always)]
    fn go_behind_text(&mut self, rest: &'g [u8]) {
        self.rest = match rest {
            [op::MEMOIZE, rest @ ..] => rest,
            rest => rest,
        };
    }

    /// A short name that is fetched again.
    #[inline]
    pub(super) fn name(&mut self, opcode: u8) -> Option<&'g str> {
        if opcode != op::BINGET {
            return None;
        }
        let (&number, rest) = self.rest.get(1..)?.split_first()?;
        let known = self.names[usize::from(number) % NAMES];
        let name = if known.0 == u16::from(number) { known.1 } else { self.new_name(number)? };
        self.rest = rest;
        Some(name)
    }

    #[inline(never)]
    fn new_name(&mut self, number: u8) -> Option<&'g str> {
        let memo = self.outline.memo(number.into())?;
        let [op::SHORT_BINUNICODE, len, after @ ..] = memo else { return None };
        let name = str::from_utf8(after.get(..usize::from(*len))?).ok()?;
        self.names[usize::from(number) % NAMES] = (number.into(), name);
        Some(name)
    }

    /// The value that begins with this opcode here, which is no container.
    pub(super) fn leaf(&mut self, opcode: u8) -> Result<Leaf<'g>> {
        self.any_leaf(opcode).ok_or_else(|| self.lose())
    }

    fn any_leaf(&mut self, opcode: u8) -> Option<Leaf<'g>> {
        let after = self.rest.get(1..)?;
        let (leaf, rest) = match opcode {
            op::NONE => (Leaf::None, after),
            op::NEWTRUE | op::NEWFALSE => return self.bool(opcode).map(Leaf::Bool),
            op::EMPTY_TUPLE => (Leaf::EmptyTuple, after),
            op::BININT1 | op::BININT2 | op::BININT => return self.int(opcode).map(Leaf::Int),
            op::BINFLOAT => return self.float(opcode).map(Leaf::Float),
            op::LONG1 => {
                let (bytes, rest) = counted::<1>(after)?;
                (Leaf::Int(long(bytes)?), rest)
            }
            op::BINGET | op::LONG_BINGET => {
                let (memo, rest) = self.fetch(opcode)?;
                (text_or_bytes(memo)?.0, rest)
            }
            _ => text_or_bytes(self.rest)?,
        };
        self.rest = rest;
        Some(leaf)
    }

    /// What is fetched here, and what follows the opcode that fetches it.
    fn fetch(&self, opcode: u8) -> Option<(&'g [u8], &'g [u8])> {
        let after = self.rest.get(1..)?;
        let (number, rest) = match opcode {
            op::BINGET => after.split_first().map(|(&number, rest)| (number.into(), rest))?,
            _ => after.split_first_chunk().map(|(&number, rest)| (u32::from_le_bytes(number), rest))?,
        };
        Some((self.outline.memo(number as usize)?, rest))
    }

    /// Goes over values, which have to be well-formed all the same.
    pub(super) fn skip(&mut self, values: usize) -> Result<()> {
        let mut left = values;
        while left > 0 {
            left -= 1;
            match self.seek()? {
                CONTAINER => left += self.enter()?,
                opcode => {
                    self.leaf(opcode)?;
                }
            }
        }
        Ok(())
    }
}

/// As many bytes as a length of `N` bytes before them says, and what follows.
#[inline]
fn counted<const N: usize>(after: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, after) = after.split_first_chunk::<N>()?;
    let mut wide = [0; 8];
    wide[..N].copy_from_slice(len);
    after.split_at_checked(usize::try_from(u64::from_le_bytes(wide)).ok()?)
}

/// Text or bytes with their opcode, and what follows.
fn text_or_bytes(bytes: &[u8]) -> Option<(Leaf<'_>, &[u8])> {
    let (&opcode, after) = bytes.split_first()?;
    let (bytes, rest) = match opcode {
        op::SHORT_BINUNICODE | op::SHORT_BINBYTES => counted::<1>(after)?,
        op::BINUNICODE | op::BINBYTES => counted::<4>(after)?,
        op::BINUNICODE8 | op::BINBYTES8 | op::BYTEARRAY8 => counted::<8>(after)?,
        _ => return None,
    };
    let leaf = match opcode {
        op::SHORT_BINUNICODE | op::BINUNICODE | op::BINUNICODE8 => Leaf::Str(str::from_utf8(bytes).ok()?),
        _ => Leaf::Bytes(bytes),
    };
    Some((leaf, rest))
}
