//! What a subscriber is told.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::header::Stamp;
use super::step::Step;
use crate::codec::Decode;
use crate::error::{Error, Result};
use crate::multipart::Multipart;

/// What happened on a stream.
///
/// **The numbers of `Data`, `Undecodable` and `Gap` events of a stream, in the order in which they come, follow each other
/// without a hole and without a repetition**: from `from` of the `Joined` event on, from 1 after a `Reset`, and from `from`
/// after a `Returned`. (In the conflating mode the numbers that `Data` and `Undecodable` say were `skipped` count as well.)
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<T> {
    /// The subscription is live, and it is known where the stream begins for this subscriber.
    Joined {
        /// The stream.
        stream: Arc<str>,
        /// The publisher's start.
        epoch: u64,
        /// The number of the first message that will be delivered, or reported as missing.
        from: u64,
    },
    /// A message.
    Data {
        /// The stream.
        stream: Arc<str>,
        /// The publisher's start.
        epoch: u64,
        /// The message's number: 1 for the first one of a stream.
        number: u64,
        /// When it was published, by the publisher's clock.
        sent: SystemTime,
        /// How it came.
        origin: Origin,
        /// How many messages before this one were left out because this one is newer: only in the conflating mode.
        skipped: u64,
        /// What was published.
        value: T,
    },
    /// A message that arrived and is no `T`, or is over the limits of the codec. Its number counts as delivered.
    Undecodable {
        /// The stream.
        stream: Arc<str>,
        /// The publisher's start.
        epoch: u64,
        /// The message's number.
        number: u64,
        /// As of `Data`.
        skipped: u64,
        /// Why.
        error: Error,
    },
    /// Messages that will never be delivered.
    Gap {
        /// The stream.
        stream: Arc<str>,
        /// The publisher's start.
        epoch: u64,
        /// The number of the first one.
        from: u64,
        /// The number of the last one.
        to: u64,
        /// Why.
        why: Lost,
    },
    /// The publisher has started anew: numbers begin at 1 again.
    Reset {
        /// The stream.
        stream: Arc<str>,
        /// The publisher's new start.
        epoch: u64,
        /// The one before.
        previous: u64,
    },
    /// A start of the publisher that was followed before the last `Reset` lives after all, and the one that it was left for
    /// does not: a message that was under way for long had a higher epoch, because a clock was set back. Numbers go on
    /// where they were.
    Returned {
        /// The stream.
        stream: Arc<str>,
        /// The publisher's start that is followed again.
        epoch: u64,
        /// The one that was followed meanwhile.
        previous: u64,
        /// The number that comes next.
        from: u64,
    },
    /// Nothing was heard of the stream for a while, not even a heartbeat.
    Stale {
        /// The stream.
        stream: Arc<str>,
        /// For how long.
        silent: Duration,
    },
    /// A stream that was stale is heard of again.
    Resumed {
        /// The stream.
        stream: Arc<str>,
    },
    /// Something arrived that is no message of a feed, or belongs to more streams than are followed. It was dropped.
    Malformed {
        /// Why.
        error: Error,
    },
}

/// How a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// As it was published.
    Live,
    /// From the publisher's cache.
    Recovered,
}

/// Why messages will never be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Lost {
    /// The publisher's cache holds them no longer.
    Evicted,
    /// The publisher answered no request for them, or there is no recovery endpoint.
    Unanswered,
    /// The publisher restarted before they could be recovered.
    Restarted,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Evicted => "no longer in the publisher's cache",
            Self::Unanswered => "no answer to requests for them",
            Self::Restarted => "the publisher restarted",
        })
    }
}

impl<T> Event<T> {
    /// The stream; `None` for what belongs to none.
    pub fn stream(&self) -> Option<&Arc<str>> {
        match self {
            Self::Joined { stream, .. } | Self::Data { stream, .. } | Self::Undecodable { stream, .. } => Some(stream),
            Self::Gap { stream, .. } | Self::Reset { stream, .. } | Self::Stale { stream, .. } => Some(stream),
            Self::Resumed { stream } | Self::Returned { stream, .. } => Some(stream),
            Self::Malformed { .. } => None,
        }
    }

    /// The value of a `Data` event.
    pub fn into_value(self) -> Option<T> {
        match self {
            Self::Data { value, .. } => Some(value),
            _ => None,
        }
    }
}

/// A message that waits for its turn: when it was published, and what arrived.
pub(super) type Item = (u64, Result<Multipart>);

impl<T> Event<T> {
    /// What a stream has to tell, with its message decoded.
    pub(super) fn of<C: Decode<T>>(stream: Arc<str>, step: Step<Item>, codec: &C) -> Self {
        match step {
            Step::Joined { epoch, from } => Self::Joined { stream, epoch, from },
            Step::Gap { epoch, from, to, why } => Self::Gap { stream, epoch, from, to, why },
            Step::Reset { epoch, previous } => Self::Reset { stream, epoch, previous },
            Step::Returned { epoch, previous, from } => Self::Returned { stream, epoch, previous, from },
            Step::Stale { silent } => Self::Stale { stream, silent },
            Step::Resumed => Self::Resumed { stream },
            Step::Item { epoch, number, item: (time, message), origin, skipped } => {
                match message.and_then(|message| codec.decode(message)) {
                    Ok(value) => Self::Data { stream, epoch, number, sent: moment(time), origin, skipped, value },
                    Err(error) => Self::Undecodable { stream, epoch, number, skipped, error },
                }
            }
        }
    }

    /// A message that came live, and was the next one.
    pub(super) fn live(stream: Arc<str>, stamp: Stamp, decoded: Result<T>) -> Self {
        let Stamp { epoch, number, time } = stamp;
        match decoded {
            Ok(value) => {
                Self::Data { stream, epoch, number, sent: moment(time), origin: Origin::Live, skipped: 0, value }
            }
            Err(error) => Self::Undecodable { stream, epoch, number, skipped: 0, error },
        }
    }
}

/// A time of day from microseconds since 1970.
fn moment(time: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_micros(time)).unwrap_or(UNIX_EPOCH)
}
