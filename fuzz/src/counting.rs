//! An allocator that counts, per thread.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Runs `run` and tells the most bytes that were live at once on this thread, over what was live before.
pub fn measure<R>(run: impl FnOnce() -> R) -> (R, usize) {
    let live = LIVE.get();
    PEAK.set(live);
    let result = run();
    (result, (PEAK.get() - live).max(0) as usize)
}

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

fn changed(by: isize) {
    // a thread that is ending has no accounts any more
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + by);
        PEAK.set(PEAK.get().max(live.get()));
    });
}

// SAFETY: every call is passed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        changed(layout.size() as isize);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        changed(-(layout.size() as isize));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // the old block lives until the new one is filled
        changed(size as isize);
        changed(-(layout.size() as isize));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(block, layout, size) }
    }
}
