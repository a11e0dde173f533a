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
    let live = ACCOUNT.with(|account| {
        account.peak.set(account.live.get());
        account.largest.set(0);
        account.allocated.set(0);
        account.live.get()
    });
    let result = run();
    let over = |now: isize| (now - live).max(0) as usize;
    let usage = ACCOUNT.with(|account| Usage {
        peak: over(account.peak.get()),
        kept: over(account.live.get()),
        largest: account.largest.get(),
        allocated: account.allocated.get(),
    });
    (result, usage)
}

/// In one place: unoptimized, to reach a thread's place takes longer than to count.
struct Account {
    live: Cell<isize>,
    peak: Cell<isize>,
    largest: Cell<usize>,
    allocated: Cell<usize>,
}

thread_local! {
    static ACCOUNT: Account = const {
        Account { live: Cell::new(0), peak: Cell::new(0), largest: Cell::new(0), allocated: Cell::new(0) }
    };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

fn changed(by: isize, allocated: usize) {
    // a thread that is ending has no account any more
    let _ = ACCOUNT.try_with(|account| {
        let live = account.live.get() + by;
        account.live.set(live);
        if allocated == 0 {
            return;
        }
        if live > account.peak.get() {
            account.peak.set(live);
        }
        if allocated > account.largest.get() {
            account.largest.set(allocated);
        }
        account.allocated.set(account.allocated.get() + allocated);
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
