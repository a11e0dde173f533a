//! What is lent of a message's bytes: a buffer that was shown, and not taken as a [`Buffer`](crate::Buffer), may have been copied.
//!
//! What is taken is given back, once for each time that it was shown to one who may keep it: serde may ask for it again, for the next
//! variant of an untagged enum, and that pays for nothing else.

use super::{OWNERS, Owners};

/// Of the most that may be lent, this part is the allowance for copies that are made for convenience.
const ALLOWANCE: u64 = 8;

/// Bytes that are lent, and the most that may be.
pub(super) struct Credit {
    lent: u64,
    most: u64,
    /// Of the allowance.
    spent: u64,
    /// The buffer that was shown last: nearly always the one that is asked for.
    pub(super) last: usize,
    /// Whether that one is being shown to one who takes it now, if at all.
    is_at_hand: bool,
    /// How often it was shown to one who may take it later, and not taken.
    open: u32,
    /// The same of the others, by index; made with the second one that is not taken at once.
    others: Box<[u32]>,
}

impl Credit {
    pub(super) fn of(most: u64) -> Self {
        Self { lent: 0, most, spent: 0, last: 0, is_at_hand: false, open: 0, others: Box::default() }
    }

    /// Lends bytes that nobody gives back; whether they may be.
    pub(super) fn lend(&mut self, len: usize) -> bool {
        self.lent = self.lent.saturating_add(len as u64);
        self.lent <= self.most
    }

    /// Notes bytes that are copied for the sake of who reads them, and could stay as they are; whether they may be. They have an
    /// allowance of their own, so that no other part of the message has to do without for them.
    fn spend(&mut self, len: usize) -> bool {
        let spent = self.spent.saturating_add(len as u64);
        let may = spent <= self.most / ALLOWANCE;
        if may {
            self.spent = spent;
        }
        may
    }

    /// Lends all `len` bytes of one of so many buffers, which may be kept and taken later.
    #[inline]
    pub(super) fn show(&mut self, index: usize, len: usize, buffers: usize) -> bool {
        self.turn_to(index, buffers);
        self.open = self.open.saturating_add(1);
        self.lend(len)
    }

    /// The same of one that is taken before [`put_away`](Self::put_away), or was copied.
    #[inline]
    pub(super) fn hand(&mut self, index: usize, len: usize, buffers: usize) -> bool {
        self.turn_to(index, buffers);
        self.is_at_hand = true;
        self.lend(len)
    }

    pub(super) fn put_away(&mut self) {
        self.is_at_hand = false;
    }

    #[inline]
    pub(super) fn turn_to(&mut self, index: usize, buffers: usize) {
        self.is_at_hand = false;
        if index == self.last {
            return;
        }
        if self.open == 0 && self.others.is_empty() {
            self.last = index;
            return;
        }
        self.turn_from_open(index, buffers);
    }

    #[inline(never)]
    fn turn_from_open(&mut self, index: usize, buffers: usize) {
        if self.open > 0 && self.others.is_empty() {
            self.others = vec![0; buffers].into();
        }
        if let Some(before) = self.others.get_mut(self.last) {
            *before = self.open;
        }
        self.open = self.others.get_mut(index).map_or(0, std::mem::take);
        self.last = index;
    }

    /// Gives back the bytes of a buffer that was taken.
    pub(super) fn take(&mut self, index: usize, len: usize) {
        if index == self.last && self.is_at_hand {
            self.is_at_hand = false;
            return self.give_back(len);
        }
        let open = if index == self.last { Some(&mut self.open) } else { self.others.get_mut(index) };
        if let Some(left) = open.filter(|open| **open > 0) {
            *left -= 1;
            self.give_back(len);
        }
    }

    pub(super) fn give_back(&mut self, len: usize) {
        self.lent = self.lent.saturating_sub(len as u64);
    }

    /// Nothing is lent any more.
    pub(super) fn start_over(&mut self) {
        *self = Self::of(self.most);
    }

    /// The most that may be lent.
    pub(super) fn most(&self) -> u64 {
        self.most
    }

    pub(super) fn is_overdrawn(&self) -> bool {
        self.lent > self.most
    }
}

/// Notes which buffer is about to be shown to one who may keep it; `false` where that is more than may be shown.
pub(crate) fn showing(index: usize) -> bool {
    OWNERS.with(|place| {
        let mut place = place.borrow_mut();
        let Some(owners) = place.as_mut() else { return true };
        owners.credit.show(index, owners.len_of(index), owners.frames.1.len())
    })
}

/// Runs `show`, which shows a buffer to one who takes it at once or not at all; `None` where that is more than may be shown.
pub(crate) fn handing<R>(index: usize, show: impl FnOnce() -> R) -> Option<R> {
    let with = |note: &dyn Fn(&mut Owners) -> bool| OWNERS.with(|place| place.borrow_mut().as_mut().is_none_or(note));
    if !with(&|owners| owners.credit.hand(index, owners.len_of(index), owners.frames.1.len())) {
        return None;
    }
    let shown = show();
    with(&|owners| {
        owners.credit.put_away();
        true
    });
    Some(shown)
}

/// Nothing was shown or looked through yet: the message is decoded once more.
pub(crate) fn start_over() {
    OWNERS.with(|place| {
        let mut place = place.borrow_mut();
        let Some(owners) = place.as_mut() else { return };
        owners.credit.start_over();
        #[cfg(feature = "arrow")]
        if let Some(more) = &mut owners.more {
            more.work = None;
        }
    });
}

/// Notes that a buffer which was shared is copied after all; `Err` with the limit where that is more than may be.
pub(crate) fn copying(len: usize) -> Result<(), u64> {
    OWNERS.with(|place| {
        let mut place = place.borrow_mut();
        let Some(owners) = place.as_mut() else { return Ok(()) };
        if owners.credit.lend(len) { Ok(()) } else { Err(owners.credit.most()) }
    })
}

/// Notes that a buffer which was shared is copied for the sake of who reads it; `false` where it is to stay as it is.
pub(crate) fn may_copy(len: usize) -> bool {
    OWNERS.with(|place| place.borrow_mut().as_mut().is_none_or(|owners| owners.credit.spend(len)))
}
