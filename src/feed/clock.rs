//! The publisher's clock: one reading gives the time since the start, which never goes back, and the time of day.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
    /// The time of day at the start, in microseconds since 1970; follows the system's clock where that is set.
    origin: u64,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), origin: time_of_day() }
    }

    /// The time since the start, and the time of day in microseconds since 1970.
    pub(crate) fn now(&self) -> (Duration, u64) {
        let since = self.started.elapsed();
        (since, self.origin.saturating_add(since.as_micros() as u64))
    }

    /// Follows the system's clock.
    pub(crate) fn adjust(&mut self) {
        self.origin = time_of_day().saturating_sub(self.started.elapsed().as_micros() as u64);
    }
}

/// Microseconds since 1970.
fn time_of_day() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_micros() as u64)
}
