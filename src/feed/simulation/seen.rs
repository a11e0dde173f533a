//! What happened in a simulation: one in which nothing happens proves nothing.

#![cfg(test)]

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Joined,
    Live,
    Recovered,
    Skipped,
    GapEvicted,
    GapUnanswered,
    GapRestarted,
    Reset,
    Returned,
    Stale,
    Resumed,
    Overflowed,
    Duplicates,
    PublisherKilled,
    ClockSetBack,
    FollowerKilled,
    FollowerStalled,
    SubscribedAgain,
    NetworkUnplugged,
    LiveFrameLost,
    RecoveryFrameLost,
    FrameRepeated,
    FrameHeldUp,
    FrameKeptByAProxy,
    FrameOfTheDead,
    ResumedFromAPosition,
    LeftUnread,
    Lent,
    SendFailed,
}

const ALL: [What; 29] = [
    What::Joined,
    What::Live,
    What::Recovered,
    What::Skipped,
    What::GapEvicted,
    What::GapUnanswered,
    What::GapRestarted,
    What::Reset,
    What::Returned,
    What::Stale,
    What::Resumed,
    What::Overflowed,
    What::Duplicates,
    What::PublisherKilled,
    What::ClockSetBack,
    What::FollowerKilled,
    What::FollowerStalled,
    What::SubscribedAgain,
    What::NetworkUnplugged,
    What::LiveFrameLost,
    What::RecoveryFrameLost,
    What::FrameRepeated,
    What::FrameHeldUp,
    What::FrameKeptByAProxy,
    What::FrameOfTheDead,
    What::ResumedFromAPosition,
    What::LeftUnread,
    What::Lent,
    What::SendFailed,
];

/// How often each thing happened.
#[derive(Clone, Default)]
pub(super) struct Seen([u64; ALL.len()]);

impl Seen {
    pub(super) fn count(&mut self, what: What) {
        self.add(what, 1);
    }

    pub(super) fn add(&mut self, what: What, times: u64) {
        self.0[what as usize] += times;
    }

    pub(super) fn add_all(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(own, other)| *own += other);
    }

    pub(super) fn each(&self) -> impl Iterator<Item = (What, u64)> {
        ALL.into_iter().zip(self.0)
    }
}
