//! What is logged of single messages: so many lines, and then how many more there would have been. A peer that sends garbage in a loop
//! fills no disk. The command line has this file as a module of its own, as it sees no more of the library than everybody does.

use std::fmt::Display;
use std::time::{Duration, Instant};

use tracing::warn;

/// How many lines are logged in each interval: as many as Linux' kernel allows itself by default.
const LINES: u32 = 10;
const INTERVAL: Duration = Duration::from_secs(5);

/// What is left of the lines of an interval.
pub(crate) struct Complaints {
    /// What became of the messages that have no line.
    rest: &'static str,
    /// When the interval began, where a line was logged in it.
    began: Option<Instant>,
    lines: u32,
    /// What was not logged.
    left_out: u64,
}

impl Complaints {
    /// `rest` says what became of messages that have no line, after their number and "more".
    pub(crate) const fn new(rest: &'static str) -> Self {
        Self { rest, began: None, lines: 0, left_out: 0 }
    }

    /// Logs what became of a message, and why, or counts it.
    pub(crate) fn warn(&mut self, peer: Option<&[u8]>, what: &str, why: impl Display) {
        if self.takes(Instant::now()) {
            let peer = peer.unwrap_or_default().escape_ascii();
            warn!(target: "outband", %peer, "{what}: {why}");
        }
    }

    /// How long until what was not logged is to be told, where anything is.
    pub(crate) fn wait(&self) -> Option<Duration> {
        let began = self.began.filter(|_| self.left_out > 0)?;
        Some((began + INTERVAL).saturating_duration_since(Instant::now()))
    }

    /// Tells how much was not logged, where its time has come.
    pub(crate) fn tell_in_time(&mut self) {
        if self.wait().is_some_and(|left| left.is_zero()) {
            self.tell();
        }
    }

    /// Tells how much was not logged.
    pub(crate) fn tell(&mut self) {
        if self.left_out > 0 {
            warn!(target: "outband", "{} more {}", self.left_out, self.rest);
        }
        *self = Self::new(self.rest);
    }

    /// Whether another line may be logged; counts it where not.
    fn takes(&mut self, now: Instant) -> bool {
        if self.began.is_none_or(|began| now.saturating_duration_since(began) >= INTERVAL) {
            self.tell();
            self.began = Some(now);
        }
        match self.lines < LINES {
            true => self.lines += 1,
            false => self.left_out += 1,
        }
        self.left_out == 0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{Complaints, INTERVAL, LINES};

    #[test]
    fn an_interval_has_its_lines_and_counts_the_rest() {
        let (mut complaints, begin) = (Complaints::new("were dropped"), Instant::now());
        for at in [begin, begin + INTERVAL, begin + 5 * INTERVAL] {
            assert_eq!((0..3 * LINES).filter(|_| complaints.takes(at)).count(), LINES as usize);
            assert_eq!(complaints.left_out, u64::from(2 * LINES));
        }
        assert!(complaints.takes(begin + 6 * INTERVAL));
        assert_eq!(complaints.left_out, 0);
        assert!(complaints.wait().is_none(), "nothing to tell");
    }
}
