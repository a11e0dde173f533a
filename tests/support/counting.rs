//! An allocator that counts, per thread, so that tests beside each other do not disturb the figures.

#![allow(unsafe_code, reason = "a global allocator is an unsafe trait")]
#![allow(dead_code, reason = "each test binary uses its part")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// What one run allocated on this thread.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// The most bytes that were live at once, over what was live before.
    pub(crate) peak: usize,
    /// The bytes that are live after it, over what was live before: those of what it returns.
    pub(crate) kept: usize,
    /// The largest single allocation in bytes.
    pub(crate) largest: usize,
    /// All allocations together, in bytes: also what was freed meanwhile.
    pub(crate) allocated: usize,
}

impl Usage {
    pub(crate) fn max(self, other: Self) -> Self {
        Self {
            peak: self.peak.max(other.peak),
            kept: self.kept.max(other.kept),
            largest: self.largest.max(other.largest),
            allocated: self.allocated.max(other.allocated),
        }
    }
}

/// Runs `run` and tells what it allocated on this thread.
pub(crate) fn measure<R>(run: impl FnOnce() -> R) -> (R, Usage) {
    let live = LIVE.get();
    PEAK.set(live);
    LARGEST.set(0);
    ALLOCATED.set(0);
    let result = run();
    let over = |now: isize| (now - live).max(0) as usize;
    let (peak, kept) = (over(PEAK.get()), over(LIVE.get()));
    (result, Usage { peak, kept, largest: LARGEST.get(), allocated: ALLOCATED.get() })
}

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static LARGEST: Cell<usize> = const { Cell::new(0) };
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

fn changed(by: isize, allocated: usize) {
    // a thread that is ending has no accounts any more
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + by);
        PEAK.set(PEAK.get().max(live.get()));
        LARGEST.set(LARGEST.get().max(allocated));
        ALLOCATED.set(ALLOCATED.get() + allocated);
    });
}

// SAFETY: every call is passed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is passed on.
        let block = unsafe { System.alloc(layout) };
        if !block.is_null() {
            changed(layout.size() as isize, layout.size());
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        changed(-(layout.size() as isize), 0);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // the old block lives until the new one is filled
        changed(size as isize, size);
        changed(-(layout.size() as isize), 0);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(block, layout, size) }
    }
}
