//! Waiting for something that another thread or process does.

#![allow(dead_code, reason = "each test uses a part")]

use std::thread;
use std::time::{Duration, Instant};

/// What nothing in a passing test ever takes.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Looks again and again until it is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < LONG, "in vain: {what}");
        thread::park_timeout(Duration::from_millis(1));
    }
}
