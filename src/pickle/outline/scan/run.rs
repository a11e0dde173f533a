//! The entries of records and of long lists: leaves one after the other, which a list or a dict takes all at once.

use super::Scan;
use crate::pickle::opcode as op;
use crate::pickle::outline::Fetched;

impl Scan<'_, '_> {
    /// Goes over what follows a mark where that is nothing but leaves that a list or a dict takes: the entries of most records, and most
    /// long lists. None of them comes onto the stack. Where there is anything else, nothing has happened.
    #[inline(never)]
    pub(super) fn run(&mut self, window: &[u8], start: usize, fetched: &mut Fetched) -> Option<usize> {
        let (known, cost) = (self.memo.len(), fetched.cost);
        let end = self.leaves(window, start, fetched).and_then(|(opcode, count, end)| {
            self.take(opcode, count)?;
            Some(end)
        });
        if end.is_none() {
            self.memo.truncate(known);
            fetched.cost = cost;
        }
        end
    }

    /// Goes over leaves; the opcode of the container that takes them, their number, and where what takes them ends.
    #[inline(always)]
    fn leaves(&mut self, window: &[u8], mut at: usize, fetched: &mut Fetched) -> Option<(u8, usize, usize)> {
        let (mut count, mut cost) = (0, fetched.cost);
        let (opcode, end) = loop {
            let opcode = *window.get(at)?;
            let width = LEAF[usize::from(opcode)];
            if width > 0 {
                at += width as usize;
                // others of the same kind, which need not wait for the table
                while window.get(at) == Some(&opcode) {
                    at += width as usize;
                    count += 1;
                }
            } else if width == NAME {
                let number = *window.get(at + 1)?;
                cost += match self.names[usize::from(number)] {
                    0 => self.name(number, fetched)?,
                    known => usize::from(known),
                };
                at += 2;
            } else if opcode == op::SHORT_BINUNICODE {
                let start = at;
                at += 2 + usize::from(*window.get(at + 1)?);
                if window.get(at) == Some(&op::MEMOIZE) {
                    at += 1;
                    self.memo.push(start as u32);
                }
            } else {
                break (opcode, at + 1);
            }
            count += 1;
        };
        fetched.cost = cost;
        match opcode {
            op::SETITEMS => Some((op::EMPTY_DICT, count, end)),
            op::APPENDS => Some((op::EMPTY_LIST, count, end)),
            _ => None,
        }
    }

    /// What a memo entry costs each time that it is fetched, and notes that.
    #[inline(never)]
    fn name(&mut self, number: u8, fetched: &mut Fetched) -> Option<usize> {
        let len = self.len(number.into())?;
        // of a run that turns out to be none, too: it is fetched all the same
        fetched.longest = fetched.longest.max(len);
        self.names[usize::from(number)] = u16::try_from(1 + len).unwrap_or(0);
        Some(1 + len)
    }

    /// Gives so many values, which are not on the stack, to the container on top of it, which such an opcode made.
    #[inline(always)]
    fn take(&mut self, opcode: u8, count: usize) -> Option<()> {
        if self.height <= self.floor {
            return None;
        }
        let target = self.below(self.height)?;
        self.lengthen(target, opcode, count)
    }
}

/// How many bytes a leaf of a fixed length takes up with its opcode; [`NAME`] for what fetches it, and 0 for everything else.
static LEAF: [i8; 256] = {
    let mut widths = [0; 256];
    widths[op::NONE as usize] = 1;
    widths[op::NEWTRUE as usize] = 1;
    widths[op::NEWFALSE as usize] = 1;
    widths[op::BININT1 as usize] = 2;
    widths[op::BININT2 as usize] = 3;
    widths[op::BININT as usize] = 5;
    widths[op::BINFLOAT as usize] = 9;
    widths[op::BINGET as usize] = NAME;
    widths
};

/// Stands for the width of what fetches a leaf.
const NAME: i8 = -1;
