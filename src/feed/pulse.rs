//! Whether a stream is heard of.

use std::time::Duration;

/// When something was last heard; as exact as [`tick`](Self::tick) is called often.
#[derive(Debug)]
pub(crate) struct Pulse {
    heard: bool,
    last_heard: Duration,
    ticked: Duration,
    is_stale: bool,
}

impl Pulse {
    pub(crate) fn new(now: Duration) -> Self {
        Self { heard: false, last_heard: now, ticked: now, is_stale: false }
    }

    /// Notes a sign of life; `true` for the first one after a silence.
    pub(crate) fn beat(&mut self) -> bool {
        self.heard = true;
        std::mem::take(&mut self.is_stale)
    }

    /// Lets time pass; the length of a silence that has become too long just now.
    pub(crate) fn tick(&mut self, now: Duration, longest: Duration) -> Option<Duration> {
        self.ticked = now;
        if std::mem::take(&mut self.heard) {
            self.last_heard = now;
        }
        let silent = now.saturating_sub(self.last_heard);
        let is_news = !self.is_stale && silent >= longest;
        self.is_stale |= is_news;
        is_news.then_some(silent)
    }

    pub(crate) fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// When time last passed.
    pub(crate) fn ticked(&self) -> Duration {
        self.ticked
    }
}
