//! When a connection of a subscriber may be dead and is to be made anew. No socket and no clock.
//!
//! A host that vanished says nothing, and TCP does not find out by itself: who only listens has nothing to send that could fail, and
//! what the other end has sent in vain it sends again ever more seldom, up to two minutes later.

use std::time::Duration;

/// A connection of a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// That of what is published.
    Live,
    /// That of requests and answers.
    Recovery,
}

/// What is known of the two connections.
#[derive(Debug)]
pub(crate) struct Redial {
    /// When the publisher last answered anything.
    answered: Duration,
    /// No new connection for requests before.
    ask_at: Duration,
    is_unheeded: bool,
    /// When the live connection is made anew, while no stream is heard of.
    listen_at: Option<Duration>,
    pause: Duration,
    is_silent: bool,
}

/// How many timeouts a new connection has before the next one: time for an answer that takes many of them.
const REST: u32 = 16;

/// How long nothing comes over a live connection before it is made anew, and again after twice as long, and so on.
pub(crate) const SILENCE: Duration = Duration::from_secs(5);

/// The longest that a new live connection has before the next one.
const LONGEST: Duration = Duration::from_secs(80);

impl Default for Redial {
    fn default() -> Self {
        Self {
            answered: Duration::ZERO,
            ask_at: Duration::ZERO,
            is_unheeded: false,
            listen_at: None,
            pause: SILENCE,
            is_silent: false,
        }
    }
}

impl Redial {
    /// Notes an answer, or a part of one.
    pub(crate) fn answer(&mut self, now: Duration) {
        self.answered = now;
    }

    /// How long nothing was answered.
    pub(crate) fn unanswered(&self, now: Duration) -> Duration {
        now.saturating_sub(self.answered)
    }

    /// Notes requests in a row that brought nothing, from a publisher that is heard and has answered nothing for `timeout`.
    pub(crate) fn strain(&mut self, now: Duration, timeout: Duration) {
        if self.unanswered(now) >= timeout && now >= self.ask_at {
            self.is_unheeded = true;
            self.ask_at = now.saturating_add(timeout.saturating_mul(REST));
        }
    }

    /// Notes whether streams that were heard of are all stale, each for `stale_after` at least.
    pub(crate) fn listen(&mut self, now: Duration, is_silent: bool, stale_after: Duration) {
        if !is_silent {
            (self.listen_at, self.pause) = (None, SILENCE);
            return;
        }
        let at = *self.listen_at.get_or_insert_with(|| now.saturating_add(SILENCE.saturating_sub(stale_after)));
        if now >= at {
            self.is_silent = true;
            self.pause = (self.pause * 2).min(LONGEST);
            self.listen_at = Some(now.saturating_add(self.pause));
        }
    }

    /// Takes a connection that is to be made anew.
    pub(crate) fn take(&mut self) -> Option<Line> {
        if std::mem::take(&mut self.is_unheeded) {
            return Some(Line::Recovery);
        }
        std::mem::take(&mut self.is_silent).then_some(Line::Live)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// The seconds in which the live connection is made anew.
    fn redialled(redial: &mut Redial, seconds: std::ops::Range<u32>, is_silent: bool) -> Vec<u32> {
        let mut found = Vec::new();
        for second in seconds {
            redial.listen(second * SECOND, is_silent, 3 * SECOND);
            found.extend(redial.take().map(|line| {
                assert_eq!(line, Line::Live);
                second
            }));
        }
        found
    }

    #[test]
    fn who_hears_nothing_listens_over_a_new_connection_and_ever_more_seldom() {
        let mut redial = Redial::default();
        assert!(redialled(&mut redial, 0..50, false).is_empty());
        // stale after three seconds already
        assert_eq!(redialled(&mut redial, 50..400, true), [52, 62, 82, 122, 202, 282, 362]);
        assert!(redialled(&mut redial, 400..401, false).is_empty());
        assert_eq!(redialled(&mut redial, 401..420, true), [403, 413], "it was heard between");
    }

    #[test]
    fn who_is_not_answered_asks_over_a_new_connection_and_not_again_at_once() {
        let mut redial = Redial::default();
        redial.answer(SECOND);
        let mut asked = Vec::new();
        for second in 1..40 {
            redial.strain(second * SECOND, 2 * SECOND);
            asked.extend(redial.take().map(|line| (second, line)));
        }
        assert_eq!(asked, [(3, Line::Recovery), (35, Line::Recovery)]);
    }
}
