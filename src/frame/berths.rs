//! `Berths`: places for the values that travel with the frames of one message, in blocks of memory.
//!
//! A value that travels with a frame lies where one pointer finds it. In a box each, the values of a message of many frames are
//! most of what is done for them: every box is made by one thread and given back by another.

#![allow(unsafe_code, reason = "blocks that their last tenants free, found by pointers through C")]

use std::mem::{MaybeUninit, offset_of};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering, fence};

/// Places for values, each of which may leave on a thread of its own, with `N` of them in a block. A block is freed when nothing is in it
/// and nothing comes any more.
pub(super) struct Berths<T: Send, const N: usize> {
    block: Option<NonNull<Block<T, N>>>,
    /// The berths of the block that were entered.
    used: usize,
}

/// Only `left` is initialised from the beginning; a berth is when it is entered.
struct Block<T, const N: usize> {
    /// The berths that may still be entered or are, and one for the `Berths`.
    left: AtomicUsize,
    berths: [Berth<T, N>; N],
}

struct Berth<T, const N: usize> {
    block: NonNull<Block<T, N>>,
    value: T,
}

impl<T: Send, const N: usize> Berths<T, N> {
    /// The length of a block in bytes.
    pub(super) const BLOCK: usize = size_of::<Block<T, N>>();

    pub(super) const fn new() -> Self {
        Self { block: None, used: 0 }
    }

    /// The next berth, for a value that stays there from when it is written until it is taken out by [`leave`]. Its block stays as long,
    /// and for ever where none is.
    #[inline]
    pub(super) fn vacant(&mut self) -> NonNull<T> {
        let block = match self.block {
            Some(block) if self.used < N => block,
            _ => self.next_block(),
        };
        let nth = self.used;
        self.used += 1;
        // SAFETY: this is one of those that the block waits for, and nothing is read; that there is such a berth is checked.
        let berth = unsafe { &raw mut (*block.as_ptr()).berths[nth] };
        // SAFETY: each berth is given out once, here, and nobody else knows of it yet; nothing is read.
        let to_block = unsafe { &raw mut (*berth).block };
        // SAFETY: as above.
        unsafe { to_block.write(block) };
        // SAFETY: as above; nothing is read.
        let value = unsafe { &raw mut (*berth).value };
        // SAFETY: a part of a block is nowhere near null.
        unsafe { NonNull::new_unchecked(value) }
    }

    #[inline(never)]
    fn next_block(&mut self) -> NonNull<Block<T, N>> {
        self.close();
        let block = NonNull::from(Box::leak(Box::<Block<T, N>>::new_uninit())).cast::<Block<T, N>>();
        // SAFETY: the block was just allocated, and nobody else knows of it; nothing is read.
        let left = unsafe { &raw mut (*block.as_ptr()).left };
        // SAFETY: as above.
        unsafe { left.write(AtomicUsize::new(N + 1)) };
        self.block = Some(block);
        block
    }

    /// Lets go of the block, with all berths that were not entered.
    fn close(&mut self) {
        let unused = N - self.used;
        self.used = 0;
        if let Some(block) = self.block.take() {
            // SAFETY: this is one of those that the block waits for, and so is each berth that nobody will ever enter.
            unsafe { give_up(block, unused + 1) };
        }
    }
}

impl<T: Send, const N: usize> Drop for Berths<T, N> {
    fn drop(&mut self) {
        self.close();
    }
}

/// Takes the value out of a berth, on any thread.
///
/// # Safety
///
/// `value` is what [`Berths::vacant`] returned, a value was written there that nobody uses, and this is the only call for it.
#[inline]
pub(super) unsafe fn leave<T: Send, const N: usize>(value: NonNull<T>) -> T {
    // SAFETY: a value that was entered is a part of its berth, and so much after its beginning.
    let berth = unsafe { value.byte_sub(offset_of!(Berth<T, N>, value)) }.cast::<Berth<T, N>>();
    // SAFETY: a berth that was entered and not left keeps its block, and its value is read out of it once.
    let Berth { block, value } = unsafe { berth.read() };
    // SAFETY: the block waits for this berth, which is not looked at again.
    unsafe { give_up(block, 1) };
    value
}

/// # Safety
///
/// `count` of those that the block waits for are not going to use it again.
#[inline]
unsafe fn give_up<T, const N: usize>(block: NonNull<Block<T, N>>, count: usize) {
    // SAFETY: the block waits for the caller.
    let left = unsafe { &(*block.as_ptr()).left };
    if left.fetch_sub(count, Ordering::Release) == count {
        fence(Ordering::Acquire);
        // SAFETY: it was leaked from a box of this type, nobody is left who uses it, and its values were taken out.
        drop(unsafe { Box::from_raw(block.as_ptr().cast::<MaybeUninit<Block<T, N>>>()) });
    }
}

#[cfg(test)]
mod tests {
    use super::{Berths, leave};
    use std::ptr::NonNull;
    use std::sync::Arc;
    use std::thread;

    struct Hint(NonNull<Arc<()>>);
    // SAFETY: what is behind it is `Send`.
    unsafe impl Send for Hint {}

    #[test]
    fn every_value_leaves_once_on_whatever_thread_and_whoever_is_first() {
        for count in [0, 1, 3, 4, 5, 8, 9] {
            let owner = Arc::new(());
            let mut berths = Berths::<_, 4>::new();
            let hints: Vec<_> = (0..count)
                .map(|_| {
                    let berth = berths.vacant();
                    // SAFETY: it is ours, and nothing is read.
                    unsafe { berth.write(owner.clone()) };
                    Hint(berth)
                })
                .collect();
            assert_eq!(Arc::strong_count(&owner), 1 + count);
            let mut berths = Some(berths);
            let threads: Vec<_> = hints
                .into_iter()
                .rev()
                .enumerate()
                .map(|(nth, hint)| {
                    if nth == 1 {
                        drop(berths.take());
                    }
                    thread::spawn(move || {
                        let Hint(value) = { hint };
                        // SAFETY: it was written, and this is the only call for it.
                        drop(unsafe { leave::<_, 4>(value) });
                    })
                })
                .collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            drop(berths);
            assert_eq!(Arc::strong_count(&owner), 1);
        }
    }
}
