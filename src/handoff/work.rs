//! What looking through the buffers of tables may cost, in bytes: columns share them, and each is validated for itself.

use super::OWNERS;
#[cfg(feature = "arrow")]
use super::{Owners, with_owners};

/// What the most that is lent is called.
pub(crate) const TOTAL: &str = "total_bytes, and what was decompressed";

/// Tables may look through this many times what a message has: in pieces they are validated twice, and copied in between.
#[cfg(feature = "arrow")]
const FACTOR: u64 = 8;

/// What they may look through in any case: the text of a pickle may be made longer than it came.
#[cfg(feature = "arrow")]
const FREE: u64 = 256 << 20;

/// What a table that came by itself may look through in any case.
#[cfg(feature = "arrow")]
const FREE_ALONE: u64 = 16 << 20;

/// What was looked through of a message, and the most that may be.
#[cfg(feature = "arrow")]
#[derive(Clone, Copy)]
pub(super) struct Work {
    done: u64,
    most: u64,
}

#[cfg(feature = "arrow")]
impl Owners {
    fn work(&mut self) -> &mut Work {
        let (metadata, buffers) = &*self.frames;
        self.more.get_or_insert_default().work.get_or_insert_with(|| {
            let all = buffers.iter().fold(metadata.len() as u64, |all, buffer| all.saturating_add(buffer.len() as u64));
            Work { done: 0, most: all.saturating_mul(FACTOR).saturating_add(FREE) }
        })
    }
}

/// Runs `decode`, which makes a table of so many bytes, with a bound on what it may look through: that of its message, or one of its
/// own where the codec shares nothing of one and has none.
#[cfg(feature = "arrow")]
pub(crate) fn bounded<R>(bytes: usize, decode: impl FnOnce() -> R) -> R {
    if OWNERS.with(|place| place.borrow().is_some()) {
        return decode();
    }
    let mut owners = Owners::of(Default::default(), u64::MAX);
    let most = (bytes as u64).saturating_mul(FACTOR).saturating_add(FREE_ALONE);
    owners.more.get_or_insert_default().work = Some(Work { done: 0, most });
    with_owners(owners, decode)
}

/// Notes that a table is about to look through so many bytes, or to join them; `Err` with the limit where that is more than it may.
/// There is none where no message is being decoded and the table is not [`bounded`] by itself.
#[cfg(feature = "arrow")]
pub(crate) fn working(len: usize) -> Result<(), u64> {
    OWNERS.with(|place| {
        let mut place = place.borrow_mut();
        let Some(work) = place.as_mut().map(Owners::work) else { return Ok(()) };
        work.done = work.done.saturating_add(len as u64);
        if work.done <= work.most { Ok(()) } else { Err(work.most) }
    })
}

/// The limit that was reached, and what it is called, where a buffer of this message was refused by `working`,
/// [`showing`](super::showing) or [`copying`](super::copying).
pub(crate) fn overdrawn() -> Option<(u64, &'static str)> {
    OWNERS.with(|place| {
        let place = place.borrow();
        let owners = place.as_ref()?;
        #[cfg(feature = "arrow")]
        if let Some(work) = owners.more.as_ref().and_then(|more| more.work).filter(|work| work.done > work.most) {
            return Some((work.most, "of a table's columns, by the message's bytes"));
        }
        owners.credit.is_overdrawn().then(|| (owners.credit.most(), TOTAL))
    })
}
