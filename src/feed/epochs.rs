//! Which start of the publisher a stream belongs to.
//!
//! Epochs grow: a publisher takes the time of its start. So frames of a lower epoch come late, from a publisher that is gone,
//! unless the publisher's clock was set back. What tells these apart is time: when the current epoch has been silent for
//! long, and another one has been heard for as long, that one is believed. What was followed before is never followed again.

use std::collections::VecDeque;
use std::time::Duration;

/// The epochs of one stream.
#[derive(Debug, Default)]
pub(crate) struct Epochs {
    current: Option<u64>,
    retired: VecDeque<u64>,
    /// A lower epoch, and since when it is heard while the current one is silent.
    rival: Option<(u64, Duration)>,
}

/// What a frame is, by its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    First,
    Current,
    /// The publisher has restarted.
    Reset {
        previous: u64,
    },
    Late,
}

/// How many epochs are remembered.
const RETIRED: usize = 16;

impl Epochs {
    /// Epochs that begin with a known one.
    pub(crate) fn resumed(epoch: u64) -> Self {
        Self { current: Some(epoch), ..Self::default() }
    }

    pub(crate) fn current(&self) -> Option<u64> {
        self.current
    }

    pub(crate) fn is_retired(&self, epoch: u64) -> bool {
        self.retired.contains(&epoch)
    }

    /// Judges a live frame. `patience` is given for as long as the current epoch is heard.
    pub(crate) fn hear(&mut self, epoch: u64, now: Duration, patience: Option<Duration>) -> Heard {
        let Some(current) = self.current else {
            self.current = Some(epoch);
            return Heard::First;
        };
        if epoch == current {
            self.rival = None;
            return Heard::Current;
        }
        if self.is_retired(epoch) || epoch < current && !self.is_believed(epoch, now, patience) {
            return Heard::Late;
        }
        if self.retired.len() == RETIRED {
            self.retired.pop_front();
        }
        self.retired.push_back(current);
        (self.current, self.rival) = (Some(epoch), None);
        Heard::Reset { previous: current }
    }

    /// Whether a lower epoch has been heard for long enough.
    fn is_believed(&mut self, epoch: u64, now: Duration, patience: Option<Duration>) -> bool {
        let Some(patience) = patience else { return false };
        match self.rival {
            Some((rival, since)) if rival == epoch => now.saturating_sub(since) >= patience,
            Some((rival, _)) if rival > epoch => false,
            _ => {
                self.rival = Some((epoch, now));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Option<Duration> = Some(Duration::from_secs(3));

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_higher_epoch_is_a_restart_and_a_lower_one_comes_late() {
        let mut epochs = Epochs::default();
        assert_eq!(epochs.hear(5, at(0), None), Heard::First);
        assert_eq!(epochs.hear(5, at(0), None), Heard::Current);
        assert_eq!(epochs.hear(4, at(0), None), Heard::Late);
        assert_eq!(epochs.hear(6, at(0), None), Heard::Reset { previous: 5 });
        assert_eq!(epochs.hear(5, at(9), LONG), Heard::Late);
    }

    #[test]
    fn a_lower_epoch_is_believed_when_it_lasts_and_the_current_one_is_silent() {
        let mut epochs = Epochs::resumed(5);
        assert_eq!(epochs.hear(4, at(10), LONG), Heard::Late);
        assert_eq!(epochs.hear(3, at(11), LONG), Heard::Late);
        assert_eq!(epochs.hear(4, at(12), LONG), Heard::Late);
        assert_eq!(epochs.hear(4, at(13), LONG), Heard::Reset { previous: 5 });
        assert_eq!(epochs.hear(5, at(14), LONG), Heard::Late, "what was followed is never followed again");
    }

    #[test]
    fn a_straggler_does_not_count_once_the_current_epoch_is_heard_again() {
        let mut epochs = Epochs::resumed(5);
        assert_eq!(epochs.hear(4, at(10), LONG), Heard::Late);
        assert_eq!(epochs.hear(5, at(11), LONG), Heard::Current);
        assert_eq!(epochs.hear(4, at(14), LONG), Heard::Late);
        assert_eq!(epochs.hear(4, at(16), LONG), Heard::Late);
    }
}
