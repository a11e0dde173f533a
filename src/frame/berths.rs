//! `Berths`: places for the owners of the frames of one message, in one block of memory.
//!
//! An owner that travels with a frame lies where one pointer finds it. In a box each, the owners of a message of many frames are
//! most of what is done for them: every box is made by the sender's thread and given back by one of libzmq's.

#![allow(unsafe_code, reason = "a block that its last tenant frees, found by a pointer through C")]

use std::cell::{Cell, UnsafeCell};
use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicUsize, Ordering, fence};

/// Places for so many values, each of which may leave on a thread of its own. The block is freed with the last of them.
pub(super) struct Berths<T: Send> {
    block: NonNull<Block<T>>,
    next: Cell<usize>,
}

struct Block<T> {
    /// The berths that may still be taken or are, and one for the `Berths`.
    left: AtomicUsize,
    berths: Box<[Berth<T>]>,
}

struct Berth<T> {
    block: *const Block<T>,
    value: UnsafeCell<Option<T>>,
}

impl<T: Send> Berths<T> {
    pub(super) fn new(count: usize) -> Self {
        let berths = (0..count).map(|_| Berth { block: ptr::null(), value: UnsafeCell::new(None) }).collect();
        let block = NonNull::from(Box::leak(Box::new(Block { left: AtomicUsize::new(count + 1), berths })));
        // SAFETY: the block was just leaked, and nobody else knows of it yet.
        let berths = unsafe { &mut (*block.as_ptr()).berths };
        berths.iter_mut().for_each(|berth| berth.block = block.as_ptr());
        Self { block, next: Cell::new(0) }
    }

    /// Puts a value into the next berth, to be taken out by [`leave`]; gives it back where all berths were used.
    pub(super) fn enter(&self, value: T) -> Result<NonNull<c_void>, T> {
        let Some(berth) = self.berths().get(self.next.get()) else { return Err(value) };
        self.next.set(self.next.get() + 1);
        // SAFETY: each berth is used once, and `leave` for this one is called after this.
        unsafe { *berth.value.get() = Some(value) };
        Ok(NonNull::from(berth).cast())
    }

    fn berths(&self) -> &[Berth<T>] {
        // SAFETY: the block lives as long as this, which is one of those that it waits for.
        unsafe { &(*self.block.as_ptr()).berths }
    }
}

impl<T: Send> Drop for Berths<T> {
    fn drop(&mut self) {
        let unused = self.berths().len() - self.next.get();
        // SAFETY: this is one of those that the block waits for, and so is each berth that nobody will ever enter.
        unsafe { give_up(self.block.as_ptr(), unused + 1) };
    }
}

/// Takes the value out of a berth, on any thread.
///
/// # Safety
///
/// `berth` is what [`Berths::enter`] of the same `T` returned, and this is the only call for it.
pub(super) unsafe fn leave<T: Send>(berth: NonNull<c_void>) -> Option<T> {
    // SAFETY: a berth that was entered and not left keeps its block.
    let Berth { block, value } = unsafe { berth.cast::<Berth<T>>().as_ref() };
    // SAFETY: nobody else looks into this berth.
    let value = unsafe { &mut *value.get() }.take();
    // SAFETY: the block waits for this berth, which is not looked at again.
    unsafe { give_up(*block, 1) };
    value
}

/// # Safety
///
/// `count` of those that the block waits for are not going to use it again.
unsafe fn give_up<T>(block: *const Block<T>, count: usize) {
    // SAFETY: the block waits for the caller.
    if unsafe { &(*block).left }.fetch_sub(count, Ordering::Release) == count {
        fence(Ordering::Acquire);
        // SAFETY: it was leaked from a box, and nobody is left who uses it.
        drop(unsafe { Box::from_raw(block.cast_mut()) });
    }
}

#[cfg(test)]
mod tests {
    use super::{Berths, leave};
    use std::ptr::NonNull;
    use std::sync::Arc;
    use std::thread;

    struct Hint(NonNull<std::ffi::c_void>);
    // SAFETY: what is behind it is `Send`.
    unsafe impl Send for Hint {}

    #[test]
    fn every_value_leaves_once_on_whatever_thread_and_whoever_is_first() {
        for (count, entered) in [(0, 0), (1, 0), (3, 2), (8, 8)] {
            let owner = Arc::new(());
            let berths = Berths::new(count);
            let hints: Vec<_> = (0..entered).map(|_| Hint(berths.enter(owner.clone()).unwrap())).collect();
            if entered == count {
                assert!(berths.enter(owner.clone()).is_err());
            }
            assert_eq!(Arc::strong_count(&owner), 1 + entered);
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
                        let Hint(berth) = { hint };
                        // SAFETY: `enter` returned it, and this is the only call for it.
                        drop(unsafe { leave::<Arc<()>>(berth) }.unwrap());
                    })
                })
                .collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            drop(berths);
            assert_eq!(Arc::strong_count(&owner), 1);
        }
    }
}
