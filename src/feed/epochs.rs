//! Which start of the publisher a stream belongs to.
//!
//! Epochs grow: a publisher takes the time of its start. So a higher epoch that was never followed is a restart, and is
//! followed at once. Every other frame comes late, from a publisher that is gone; unless a clock was set back, or the higher
//! epoch was the one that came late. What tells these apart is time: a publisher that lives is heard again and again. When
//! the current epoch has been silent for long, and another one has been heard for as long, without such a silence, that one
//! is followed; and where it was followed before, it goes on where it was left.

use std::collections::VecDeque;
use std::time::Duration;

/// The epochs of one stream.
#[derive(Debug, Default)]
pub(crate) struct Epochs {
    current: Option<u64>,
    /// What was followed before, and the number that comes next of each.
    former: VecDeque<(u64, u64)>,
    /// What else is heard while the current epoch is silent.
    rivals: Vec<Rival>,
}

/// An epoch that is not followed, when it was first heard, and when last.
#[derive(Debug)]
struct Rival {
    epoch: u64,
    since: Duration,
    heard: Duration,
}

/// What a frame is, by its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    First,
    Current,
    /// Another start of the publisher is to be followed: [`Epochs::turn_to`] it.
    Other,
    Late,
}

/// How many epochs are remembered.
const FORMER: usize = 16;
const RIVALS: usize = 8;

impl Epochs {
    /// Epochs that begin with a known one.
    pub(crate) fn resumed(epoch: u64) -> Self {
        Self { current: Some(epoch), ..Self::default() }
    }

    pub(crate) fn current(&self) -> Option<u64> {
        self.current
    }

    /// Judges a live frame. `patience` is given while the current epoch is silent.
    pub(crate) fn hear(&mut self, epoch: u64, now: Duration, patience: Option<Duration>) -> Heard {
        let Some(current) = self.current else {
            self.current = Some(epoch);
            return Heard::First;
        };
        if epoch == current {
            self.rivals.clear();
            return Heard::Current;
        }
        let is_restart = epoch > current && self.former.iter().all(|&(former, _)| former != epoch);
        if is_restart || self.lasts(epoch, now, patience) { Heard::Other } else { Heard::Late }
    }

    /// Follows another epoch from now on. `next` is the number that comes next of the current one; returns that of the
    /// other one, where it was followed before.
    pub(crate) fn turn_to(&mut self, epoch: u64, next: u64) -> Option<u64> {
        let at = self.former.iter().position(|&(former, _)| former == epoch);
        let left = at.and_then(|at| self.former.remove(at)).map(|(_, next)| next);
        if let Some(current) = self.current.replace(epoch) {
            if self.former.len() == FORMER {
                self.former.pop_front();
            }
            self.former.push_back((current, next));
        }
        self.rivals.clear();
        left
    }

    /// Whether an epoch has been heard for long enough, the current one being silent.
    fn lasts(&mut self, epoch: u64, now: Duration, patience: Option<Duration>) -> bool {
        let Some(patience) = patience else { return false };
        self.rivals.retain(|rival| now.saturating_sub(rival.heard) < patience);
        if let Some(rival) = self.rivals.iter_mut().find(|rival| rival.epoch == epoch) {
            rival.heard = now;
            return now.saturating_sub(rival.since) >= patience;
        }
        let rival = Rival { epoch, since: now, heard: now };
        if self.rivals.len() < RIVALS {
            self.rivals.push(rival);
        } else if let Some(silent) = self.rivals.iter_mut().min_by_key(|rival| rival.heard) {
            // who lives is not the one that was silent for longest
            *silent = rival;
        }
        false
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
        assert_eq!(epochs.hear(6, at(0), None), Heard::Other);
        assert_eq!(epochs.turn_to(6, 10), None);
        assert_eq!(epochs.hear(5, at(9), None), Heard::Late);
    }

    #[test]
    fn a_lower_epoch_is_believed_when_it_lasts_and_the_current_one_is_silent() {
        let mut epochs = Epochs::resumed(5);
        assert_eq!(epochs.hear(4, at(10), LONG), Heard::Late);
        assert_eq!(epochs.hear(3, at(11), LONG), Heard::Late);
        assert_eq!(epochs.hear(4, at(12), LONG), Heard::Late);
        assert_eq!(epochs.hear(4, at(13), LONG), Heard::Other);
    }

    #[test]
    fn a_straggler_does_not_count_once_the_current_epoch_is_heard_again() {
        let mut epochs = Epochs::resumed(5);
        assert_eq!(epochs.hear(4, at(10), LONG), Heard::Late);
        assert_eq!(epochs.hear(5, at(11), LONG), Heard::Current);
        assert_eq!(epochs.hear(4, at(14), LONG), Heard::Late);
        assert_eq!(epochs.hear(4, at(16), LONG), Heard::Late);
    }

    #[test]
    fn stragglers_that_are_far_apart_are_no_sign_of_life() {
        let mut epochs = Epochs::resumed(5);
        for seconds in [10, 13, 16, 19, 22] {
            assert_eq!(epochs.hear(4, at(seconds), LONG), Heard::Late);
        }
    }

    #[test]
    fn a_straggler_of_another_epoch_does_not_hide_the_one_that_lives() {
        let mut epochs = Epochs::resumed(9);
        let mut straggler = 0;
        for seconds in 10..13 {
            assert_eq!(epochs.hear(4, at(seconds), LONG), Heard::Late);
            straggler += 1;
            assert_eq!(epochs.hear(4 + straggler, at(seconds), LONG), Heard::Late);
        }
        assert_eq!(epochs.hear(4, at(13), LONG), Heard::Other);
    }

    #[test]
    fn what_was_left_for_a_straggler_is_come_back_to_where_it_was() {
        let mut epochs = Epochs::default();
        assert_eq!(epochs.hear(4, at(0), None), Heard::First);
        assert_eq!(epochs.hear(9, at(1), None), Heard::Other, "for all that can be known it is a restart");
        assert_eq!(epochs.turn_to(9, 17), None);
        assert_eq!(epochs.hear(4, at(2), None), Heard::Late);
        assert_eq!(epochs.hear(4, at(4), LONG), Heard::Late);
        assert_eq!(epochs.hear(4, at(7), LONG), Heard::Late, "it was silent for as long");
        assert_eq!(epochs.hear(4, at(9), LONG), Heard::Late);
        assert_eq!(epochs.hear(4, at(10), LONG), Heard::Other);
        assert_eq!(epochs.turn_to(4, 3), Some(17));
        assert_eq!(epochs.hear(9, at(11), None), Heard::Late, "it is no news any more");
    }
}
