//! What a stream has to tell, before it is known what its messages mean.

use std::time::Duration;

use super::event::{Lost, Origin};

/// What a stream has to tell; `M` is what a message is.
#[derive(Debug, PartialEq)]
pub(crate) enum Step<M> {
    Joined { epoch: u64, from: u64 },
    Item { epoch: u64, number: u64, item: M, origin: Origin, skipped: u64 },
    Gap { epoch: u64, from: u64, to: u64, why: Lost },
    Reset { epoch: u64, previous: u64 },
    Returned { epoch: u64, previous: u64, from: u64 },
    Stale { silent: Duration },
    Resumed,
}

impl<M> Step<M> {
    /// The epoch and number that come next for who has not taken this step.
    pub(crate) fn position(&self) -> Option<(u64, u64)> {
        match self {
            Self::Joined { epoch, from } | Self::Gap { epoch, from, .. } | Self::Returned { epoch, from, .. } => {
                Some((*epoch, *from))
            }
            Self::Item { epoch, number, skipped, .. } => Some((*epoch, number - skipped)),
            Self::Reset { epoch, .. } => Some((*epoch, 1)),
            Self::Stale { .. } | Self::Resumed => None,
        }
    }
}
