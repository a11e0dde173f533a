//! `Ticks`: when a subscriber passes time on to its streams.

use std::time::{Duration, Instant};

use super::pulse::{Attention, Moment};
use crate::error::{Detail, Result};

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

    /// Looks at the clock, and at nothing else: what is due is as of the last [`pass`](Self::pass).
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
    #[cfg(feature = "tokio")]
    pub(super) fn due(&self) -> Instant {
        self.began + self.due
    }

    /// How long until it is due.
    pub(super) fn left(&self) -> Duration {
        self.due.saturating_sub(self.now)
    }
}

/// Until when an event is waited for: so long from the first time on that there was none.
pub(super) struct Deadline {
    timeout: Duration,
    until: Option<Duration>,
}

/// So long who does not wait goes on to read frames of which there is nothing to tell.
const READS_FOR: Duration = Duration::from_millis(100);

impl Deadline {
    pub(super) fn after(timeout: Duration) -> Self {
        Self { timeout, until: None }
    }

    /// How long is left, which is nothing where who does not wait is behind; an error of kind `Timeout` when it is over.
    pub(super) fn left(&mut self, now: Duration, is_behind: bool) -> Result<Duration> {
        let timeout = self.timeout;
        let until = *self.until.get_or_insert(now.saturating_add(timeout));
        let left = until.saturating_sub(now);
        let reads_on = timeout.is_zero() && is_behind && now < until + READS_FOR;
        if left.is_zero() && !reads_on {
            return Err(match timeout {
                Duration::ZERO => Detail::WouldBlock { operation: "receive an event" },
                after => Detail::TimedOut { operation: "receive an event", after },
            }
            .into());
        }
        Ok(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn who_does_not_wait_reads_on_for_a_while_where_it_is_behind() {
        let mut deadline = Deadline::after(Duration::ZERO);
        assert_eq!(deadline.left(at(1000), true).unwrap(), Duration::ZERO);
        assert_eq!(deadline.left(at(1099), true).unwrap(), Duration::ZERO);
        assert!(deadline.left(at(1099), false).unwrap_err().is_timeout());
        assert!(deadline.left(at(1100), true).unwrap_err().is_timeout());
    }

    #[test]
    fn who_waits_does_so_from_when_there_was_nothing() {
        let mut deadline = Deadline::after(at(50));
        assert_eq!(deadline.left(at(1000), false).unwrap(), at(50));
        assert_eq!(deadline.left(at(1049), true).unwrap(), at(1));
        assert!(deadline.left(at(1050), true).unwrap_err().is_timeout());
        assert!(Deadline::after(Duration::MAX).left(at(1), true).unwrap() > at(1 << 50));
    }

    #[test]
    fn who_has_caught_up_passes_time_at_once() {
        let mut ticks = Ticks::new();
        assert!(ticks.pass(true).is_some());
        ticks.again_after(Duration::from_secs(1000));
        assert!(ticks.pass(true).is_none());
        assert!(ticks.pass(false).is_some());
        ticks.again_after(Duration::from_secs(1000));
        assert!(ticks.pass(false).is_none() && ticks.left() > Duration::from_secs(900));
    }
}
