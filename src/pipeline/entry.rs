//! `Entry`: one task as the dispatcher has it, until its outcome.

use super::message::{Peer, Ticket, Time};
use super::outcome::Failed;
use crate::multipart::Multipart;

/// The most reasons that a task keeps: the last ones.
const MAX_REASONS: usize = 16;
/// The most earlier deliveries of a task whose results are still accepted: the last ones.
const MAX_STRAYS: usize = 16;
/// The least pause of a task that comes back again and again.
const PAUSE: Time = Time::from_millis(10);

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) message: Multipart,
    pub(super) bytes: u64,
    /// Deliveries that count: those that were not handed back.
    pub(super) attempts: u32,
    pub(super) deliveries: u32,
    pub(super) place: Place,
    pub(super) failures: Vec<Failed>,
    /// How often it was handed back since it last failed, by workers that take further tasks.
    returns: u32,
    /// Earlier deliveries that may still bring a result: their workers were given up, or their leases ended.
    strays: Vec<u32>,
    /// Its lease has ended and it waits: how long it waits at most before that counts as another failure, where nobody can take it.
    pub(super) unclaimed: Option<Time>,
}

/// Where a task is.
#[derive(Debug)]
pub(super) enum Place {
    Waiting,
    Delayed(Time),
    Held { by: Peer, lease: Option<Time> },
}

/// Whether the worker that held a task has said what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answered {
    Yes,
    No,
}

impl Entry {
    pub(super) fn new(message: Multipart) -> Self {
        let (bytes, place) = (message.total_len() as u64, Place::Waiting);
        let (failures, strays) = (Vec::new(), Vec::new());
        Self { message, bytes, attempts: 0, deliveries: 0, place, failures, returns: 0, strays, unclaimed: None }
    }

    /// Who holds this very delivery.
    pub(super) fn holder(&self, delivery: u32) -> Option<&Peer> {
        match &self.place {
            Place::Held { by, .. } if self.deliveries == delivery => Some(by),
            _ => None,
        }
    }

    /// Whether a result may come at any time.
    pub(super) fn is_exposed(&self) -> bool {
        matches!(self.place, Place::Held { .. }) || !self.strays.is_empty()
    }

    /// Whether a result of this delivery may still come.
    pub(super) fn awaits(&self, delivery: u32) -> bool {
        self.holder(delivery).is_some() || self.strays.contains(&delivery)
    }

    /// Whether this delivery is under a lease that ends then, or was, and nobody has taken the task since.
    pub(super) fn has_lease(&self, ticket: Ticket, end: Time) -> bool {
        self.deliveries == ticket.delivery && self.lease() == Some(end)
    }

    /// When its lease ends; where that has ended and nobody took the task, when that is to be looked at again.
    pub(super) fn lease(&self) -> Option<Time> {
        match self.place {
            Place::Held { lease, .. } => lease,
            Place::Waiting => self.unclaimed,
            Place::Delayed(_) => None,
        }
    }

    /// The worker that holds it does so no longer.
    pub(super) fn take_back(&mut self, answered: Answered) {
        self.place = Place::Waiting;
        if answered == Answered::No {
            if self.strays.len() == MAX_STRAYS {
                self.strays.remove(0);
            }
            self.strays.push(self.deliveries);
        }
    }

    /// An earlier delivery was answered with nothing.
    pub(super) fn forget(&mut self, delivery: u32) {
        self.strays.retain(|&stray| stray != delivery);
    }

    /// Handed back by a worker that takes further tasks, this one perhaps. How long it waits then: the first time not at all,
    /// from the second on for `pause`, and twice as long each time, up to `most`.
    pub(super) fn note_return(&mut self, pause: Time, most: Time) -> Time {
        let (returns, pause) = (self.returns, pause.max(PAUSE));
        self.returns = returns.saturating_add(1);
        match returns {
            0 => Time::ZERO,
            _ => pause.saturating_mul(1 << (returns - 1).min(20)).min(most.max(pause)),
        }
    }

    pub(super) fn note(&mut self, failure: Failed) {
        self.returns = 0;
        if self.failures.len() == MAX_REASONS {
            self.failures.remove(0);
        }
        self.failures.push(failure);
    }
}
