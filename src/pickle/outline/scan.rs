//! The pass over the opcodes that finds the containers.
//!
//! It makes the machine's checks but one, that text is UTF-8, and tells no error from another: any is `None`. It is one loop
//! with everything in it, since it is a quarter of what decoding small values takes; and a shorter one, `run`, for what most of them stand in.

mod run;

use super::tools::{Mark, TUPLE, Tools, Value};
use super::{Container, Fetched, Start};
use crate::pickle::opcode as op;

/// Goes over a pickle to its end.
pub(super) fn scan(pickle: &[u8], tools: &mut Tools) -> Option<Fetched> {
    let Tools { containers, memo, stack, marks } = tools;
    let mut scan = Scan { pickle, containers, memo, stack, marks, height: 0, floor: 0, moved: 0, names: [0; 256] };
    // the pickle to the end of the current frame, and where the next byte stands, which may be behind that for a moment
    let (mut window, mut in_frame, mut at) = (pickle, false, 0);
    let mut fetched = Fetched::default();
    loop {
        let Some(&opcode) = window.get(at) else {
            if at != window.len() || !in_frame {
                return None;
            }
            // what follows lies in no frame until one begins
            (window, in_frame) = (pickle, false);
            continue;
        };
        let start = at;
        at += 1;
        match opcode {
            op::NONE | op::NEWTRUE | op::NEWFALSE | op::EMPTY_TUPLE => scan.push(start),
            op::BININT1 => {
                at += 1;
                scan.push(start);
            }
            op::BININT2 => {
                at += 2;
                scan.push(start);
            }
            op::BININT => {
                at += 4;
                scan.push(start);
            }
            op::BINFLOAT => {
                at += 8;
                scan.push(start);
            }
            op::SHORT_BINUNICODE | op::SHORT_BINBYTES => {
                at += 1 + usize::from(*window.get(at)?);
                scan.push(start);
                // nearly always
                if window.get(at) == Some(&op::MEMOIZE) {
                    scan.memo.push(start as u32);
                    at += 1;
                }
            }
            op::BINUNICODE | op::BINBYTES => {
                at += 4 + number::<4>(window, at)?;
                scan.push(start);
            }
            op::BINUNICODE8 | op::BINBYTES8 | op::BYTEARRAY8 => {
                at = number::<8>(window, at)?.checked_add(at + 8)?;
                scan.push(start);
            }
            op::LONG1 => {
                // a longer one has its own forms
                at += 1 + usize::from(*window.get(at).filter(|len| **len <= 8)?);
                scan.push(start);
            }
            op::MEMOIZE => scan.memoize()?,
            op::BINPUT => {
                scan.put(number::<1>(window, at)?)?;
                at += 1;
            }
            op::LONG_BINPUT => {
                scan.put(number::<4>(window, at)?)?;
                at += 4;
            }
            op::BINGET => {
                fetched.add(scan.len(number::<1>(window, at)?)?);
                at += 1;
                scan.push(start);
            }
            op::LONG_BINGET => {
                fetched.add(scan.len(number::<4>(window, at)?)?);
                at += 4;
                scan.push(start);
            }
            op::EMPTY_DICT | op::EMPTY_LIST | op::EMPTY_SET => {
                scan.push(start);
                scan.containers.push(Container::new(start as u32, 0, Start::Opcode));
                if window.get(at) == Some(&op::MEMOIZE) {
                    scan.memo.push(start as u32);
                    at += 1;
                }
            }
            op::MARK => match scan.run(window, at, &mut fetched) {
                Some(end) => at = end,
                None => scan.mark(start),
            },
            op::SETITEM => scan.grow(op::EMPTY_DICT, scan.above(2)?)?,
            op::APPEND => scan.grow(op::EMPTY_LIST, scan.above(1)?)?,
            op::SETITEMS => {
                let mark = scan.pop_mark()?;
                scan.grow(op::EMPTY_DICT, mark.height)?;
            }
            op::APPENDS => {
                let mark = scan.pop_mark()?;
                scan.grow(op::EMPTY_LIST, mark.height)?;
            }
            op::ADDITEMS => {
                let mark = scan.pop_mark()?;
                scan.grow(op::EMPTY_SET, mark.height)?;
            }
            op::TUPLE => scan.marked(Start::Mark)?,
            op::FROZENSET => scan.marked(Start::MarkOfSet)?,
            op::TUPLE1 => scan.short_tuple(1)?,
            op::TUPLE2 => scan.short_tuple(2)?,
            op::TUPLE3 => scan.short_tuple(3)?,
            op::FRAME => {
                let len = number::<8>(window, at)?;
                at += 8;
                if in_frame && at != window.len() {
                    return None;
                }
                window = pickle.get(..at.checked_add(len)?)?;
                in_frame = true;
            }
            op::PROTO => {
                window.get(at).filter(|version| **version <= 5)?;
                at += 1;
            }
            op::STOP => {
                let is_whole = scan.height == 1 && scan.marks.is_empty() && at == pickle.len();
                return is_whole.then_some(fetched);
            }
            _ => return None,
        }
    }
}

/// A number of `N` bytes at a place, little-endian.
#[inline(always)]
fn number<const N: usize>(window: &[u8], at: usize) -> Option<usize> {
    let mut wide = [0; 8];
    wide[..N].copy_from_slice(window.get(at..)?.first_chunk::<N>()?);
    usize::try_from(u64::from_le_bytes(wide)).ok()
}

impl Fetched {
    #[inline(always)]
    fn add(&mut self, len: usize) {
        // no longer than the pickle each, and fewer than its bytes
        self.cost += 1 + len;
        self.longest = self.longest.max(len);
    }
}

struct Scan<'p, 't> {
    pickle: &'p [u8],
    containers: &'t mut Vec<Container>,
    memo: &'t mut Vec<u32>,
    /// Values, of which so many are on the stack.
    stack: &'t mut Vec<Value>,
    height: usize,
    marks: &'t mut Vec<Mark>,
    /// The height of the last mark, or 0.
    floor: usize,
    /// How many containers made room for one before them.
    moved: usize,
    /// What the memo entries cost that [`run`](Self::run) has met, each time that they are fetched; 0 for the others.
    names: [u16; 256],
}

impl Scan<'_, '_> {
    #[inline(always)]
    fn push(&mut self, start: usize) {
        self.push_value(Value { at: start as u32, containers: self.containers.len() as u32 });
    }

    #[inline(always)]
    fn push_value(&mut self, value: Value) {
        match self.stack.get_mut(self.height) {
            Some(place) => *place = value,
            None => self.stack.push(value),
        }
        self.height += 1;
    }

    /// The value on the stack below this height.
    #[inline(always)]
    fn below(&self, height: usize) -> Option<Value> {
        self.stack.get(height.checked_sub(1)?).copied()
    }

    #[inline(always)]
    fn memoize(&mut self) -> Option<()> {
        if self.height <= self.floor {
            return None;
        }
        let top = self.below(self.height)?;
        self.memo.push(top.at);
        Some(())
    }

    /// As [`memoize`](Self::memoize), under a number which has to be the next one.
    #[inline(always)]
    fn put(&mut self, number: usize) -> Option<()> {
        if number == self.memo.len() { self.memoize() } else { None }
    }

    /// How long a memo entry is that is text or bytes; no other is fetched here.
    #[inline(always)]
    fn len(&self, number: usize) -> Option<usize> {
        let at = *self.memo.get(number)? as usize;
        match *self.pickle.get(at)? {
            op::SHORT_BINUNICODE | op::SHORT_BINBYTES => Some(usize::from(*self.pickle.get(at + 1)?)),
            opcode => long(opcode, self.pickle, at + 1),
        }
    }

    #[inline(always)]
    fn mark(&mut self, start: usize) {
        self.floor = self.height;
        let containers = self.containers.len() as u32;
        self.marks.push(Mark { height: self.height, at: start as u32, containers });
    }

    #[inline(always)]
    fn pop_mark(&mut self) -> Option<Mark> {
        let mark = self.marks.pop()?;
        self.floor = self.marks.last().map_or(0, |mark| mark.height);
        Some(mark)
    }

    /// Where the last `count` values begin, all above the last mark.
    #[inline(always)]
    fn above(&self, count: usize) -> Option<usize> {
        self.height.checked_sub(count).filter(|&start| start >= self.floor)
    }

    /// Gives the values from `start` on to the container below them, which such an opcode made.
    #[inline(always)]
    fn grow(&mut self, opcode: u8, start: usize) -> Option<()> {
        if start <= self.floor {
            return None;
        }
        let target = self.below(start)?;
        self.lengthen(target, opcode, self.height - start)?;
        self.height = start;
        Some(())
    }

    /// Adds so many values to a container, which such an opcode made.
    #[inline(always)]
    fn lengthen(&mut self, target: Value, opcode: u8, count: usize) -> Option<()> {
        if *self.pickle.get(target.at as usize)? != opcode || (opcode == op::EMPTY_DICT && count % 2 == 1) {
            return None;
        }
        // the sum of all lengths is less than that of the pickle
        self.containers.get_mut(target.containers as usize)?.len += count as u32;
        Some(())
    }

    #[inline(always)]
    fn short_tuple(&mut self, len: usize) -> Option<()> {
        let start = self.above(len)?;
        let first = self.below(start + 1)?;
        self.height = start;
        self.insert(first.containers, Container::new(first.at & !TUPLE, len, Start::Value))
    }

    /// Makes a container of everything above the last mark.
    #[inline(always)]
    fn marked(&mut self, start: Start) -> Option<()> {
        let mark = self.pop_mark()?;
        let len = self.height - mark.height;
        self.height = mark.height;
        self.insert(mark.containers, Container::new(mark.at, len, start))
    }

    /// Puts a container before those that are in it, and on the stack.
    #[inline(always)]
    fn insert(&mut self, number: u32, container: Container) -> Option<()> {
        self.push_value(Value { at: container.at | TUPLE, containers: number });
        let later = self.containers.len() - number as usize;
        if later > 0 {
            // tuples in tuples, of which each moves all that is in it
            self.moved += later;
            if self.moved > MOST_MOVED * self.pickle.len() {
                return None;
            }
            self.containers.insert(number as usize, container);
        } else {
            self.containers.push(container);
        }
        Some(())
    }
}

/// How many containers may make room, for each byte of the pickle: nobody nests tuples as deep.
const MOST_MOVED: usize = 16;

#[cold]
fn long(opcode: u8, pickle: &[u8], at: usize) -> Option<usize> {
    match opcode {
        op::BINUNICODE | op::BINBYTES => number::<4>(pickle, at),
        op::BINUNICODE8 | op::BINBYTES8 => number::<8>(pickle, at),
        _ => None,
    }
}
