//! `Start`: where a subscriber begins on a stream.

use super::epochs::Epochs;
use super::header::{MAX_NUMBER, Stamp};

/// Where a subscriber begins on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Start {
    /// With the first message that is published after the subscription has reached the publisher.
    #[default]
    Now,
    /// With so many of the newest messages, as far as the publisher's cache has them. `Last(1)` is the last value.
    Last(u64),
    /// With the oldest message in the publisher's cache.
    All,
    /// With this number, to go on after a restart of the subscriber: what is missing from there on is a gap. Where the
    /// publisher has restarted as well there is a `Reset`, and the stream begins at 1.
    From {
        /// The epoch that the subscriber followed.
        epoch: u64,
        /// The number that comes next.
        number: u64,
    },
}

impl Start {
    /// What is known before anything was heard: the epochs, and the number that comes next.
    pub(super) fn origin(self) -> (Epochs, u64) {
        match self {
            Self::From { epoch, number } => (Epochs::resumed(epoch), number.clamp(1, MAX_NUMBER)),
            _ => (Epochs::default(), 1),
        }
    }

    /// The number that is wanted first, judged by the first live frame: of a message its own number is still to come; a
    /// heartbeat tells the `first` one in the cache. Also returns the number from which on everything comes live.
    pub(super) fn judge(self, stamp: Stamp, first: Option<u64>, conflate: bool) -> (u64, u64) {
        let live = if first.is_some() { stamp.number + 1 } else { stamp.number };
        let wanted = match self {
            Self::Now | Self::Last(0) => live,
            // the newest one is all that will be delivered
            _ if conflate => live.min(stamp.number.max(1)),
            Self::Last(messages) => (stamp.number + 1).saturating_sub(messages).clamp(1, live),
            Self::All | Self::From { .. } => 1,
        };
        (wanted.max(first.unwrap_or(1)), live)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_of_the_newest_messages_is_what_comes_next() {
        let stamp = Stamp { epoch: 7, number: 5, time: 0 };
        for (first, next) in [(None, 5), (Some(2), 6)] {
            for conflate in [false, true] {
                for start in [Start::Now, Start::Last(0)] {
                    assert_eq!(start.judge(stamp, first, conflate), (next, next), "{start:?}");
                }
            }
        }
    }
}
