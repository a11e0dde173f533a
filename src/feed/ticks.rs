//! `Ticks`: when a subscriber passes time on to its streams.

use std::time::{Duration, Instant};

use super::pulse::{Attention, Moment};

/// A subscriber's clock, which it reads now and then, and when time is due to be passed on.
#[derive(Debug)]
pub(super) struct Ticks {
    began: Instant,
    /// As it was read last.
    now: Duration,
    due: Duration,
    /// Whether frames waited to be read when time was passed on.
    was_behind: bool,
    /// Frames since the clock was read.
    unclocked: u32,
    attention: Attention,
}

/// The clock is read after so many frames, and whenever there is none.
const CLOCK_AFTER: u32 = 64;

impl Ticks {
    pub(super) fn new() -> Self {
        let began = Instant::now();
        let (now, due) = (Duration::ZERO, Duration::ZERO);
        Self { began, now, due, was_behind: false, unclocked: 0, attention: Attention::default() }
    }

    /// The time, without a look at the clock.
    #[inline]
    pub(super) fn now(&self) -> Duration {
        self.now
    }

    /// The time, for what does not wait to be read.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Looks at the clock, and at nothing else.
    pub(super) fn read(&mut self) {
        self.now = self.began.elapsed();
    }

    /// Whether so many frames were counted that time is to pass.
    #[inline]
    pub(super) fn count(&mut self) -> bool {
        self.unclocked += 1;
        self.unclocked >= CLOCK_AFTER
    }

    /// Looks at the clock; what to tell the streams, where that is due. Who is behind has frames that wait to be read.
    pub(super) fn pass(&mut self, is_behind: bool) -> Option<Moment> {
        self.unclocked = 0;
        self.now = self.began.elapsed();
        let moment = self.attention.look(self.now, is_behind);
        // a silence that could not be told while frames waited may be one by now
        let has_caught_up = self.was_behind && !is_behind;
        let is_due = self.now >= self.due || has_caught_up;
        if is_due {
            self.was_behind = is_behind;
        }
        is_due.then_some(moment)
    }

    /// It is due again after this long.
    pub(super) fn again_after(&mut self, interval: Duration) {
        self.due = self.now + interval;
    }

    /// When it is due.
    pub(super) fn due(&self) -> Instant {
        self.began + self.due
    }

    /// How long until it is due.
    pub(super) fn left(&self) -> Duration {
        self.due.saturating_sub(self.now)
    }
}
