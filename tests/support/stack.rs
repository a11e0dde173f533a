//! Stacks that are small: what recurses as deep as a peer says ends there.

#![allow(dead_code, reason = "each test uses a part")]

use std::panic::resume_unwind;
use std::thread;

/// Runs on a stack of 512 KiB, and panics where that does.
pub(crate) fn on_a_small_stack(run: impl FnOnce() + Send + 'static) {
    on_a_stack_of(512 << 10, run);
}

pub(crate) fn on_a_stack_of(bytes: usize, run: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(bytes).spawn(run).unwrap();
    thread.join().unwrap_or_else(|panic| resume_unwind(panic));
}
