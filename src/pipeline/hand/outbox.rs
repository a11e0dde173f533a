//! What a worker has to say: its answers, and what goes before a large one.

use super::super::message::{LARGE, Nak, Ticket, Time, Up};
use super::{Answer, Hand, Phase};
use crate::multipart::Multipart;

impl Hand {
    /// The next thing to say. What could not be said is given back with [`unsaid`](Self::unsaid).
    pub(in crate::pipeline) fn pop_message(&mut self) -> Option<(Up, Option<Multipart>)> {
        let is_joined = self.is_joined();
        // without a session there is nobody to tell of tasks
        let is_sayable = |message: &Up| is_joined || matches!(message, Up::Hello(_) | Up::Bye);
        if let Some(coming) = self.announcement(is_joined) {
            return Some((coming, None));
        }
        self.is_announced = false;
        let popped = self.outbox.pop_front_if(|(message, _)| is_sayable(message));
        // not before: where nobody is there it waits in the outbox
        self.has_said_hello |= matches!(popped, Some((Up::Hello(_), _)));
        popped.or_else(|| {
            let held = self.held.get(&self.progress.pop()?)?;
            Some((Up::Progress { epoch: held.job.epoch, ticket: held.job.ticket, coming: 0 }, None))
        })
    }

    /// What is to be said before a large result, directly before it.
    fn announcement(&mut self, is_joined: bool) -> Option<Up> {
        let Some((Up::Result { epoch, ticket }, Some(object))) = self.outbox.front() else { return None };
        let (epoch, ticket, coming) = (*epoch, *ticket, object.total_len() as u64);
        if self.is_announced || !is_joined || coming < LARGE {
            return None;
        }
        self.is_announced = true;
        Some(Up::Progress { epoch, ticket, coming })
    }

    /// There was nobody to say this to.
    pub(in crate::pipeline) fn unsaid(&mut self, message: Up, object: Option<Multipart>) {
        // a sign of life that comes late is none, and a goodbye to somebody who has gone neither
        let is_stale = match message {
            Up::Hello(_) => {
                self.has_said_hello = false;
                true
            }
            Up::Beat(_) => true,
            Up::Bye => !self.is_joined(),
            Up::Progress { epoch, ticket, coming: 0 } => {
                if self.tells_progress(ticket.task, epoch) {
                    self.progress.note_unsaid(ticket.task);
                }
                return;
            }
            // its result is still there, and is announced once more
            Up::Progress { .. } => true,
            Up::Result { .. } | Up::Nak(_) => false,
        };
        self.is_announced = false;
        if !is_stale {
            self.outbox.push_front((message, object));
        } else if message == Up::Bye && self.has_said_bye {
            self.leaving = Some(Time::ZERO); // there is nobody to wait for
        }
    }

    pub(super) fn answer(&mut self, ticket: Ticket, epoch: u64, answer: Answer) {
        let is_foreign = matches!(self.phase, Phase::Joined(welcome) if welcome.epoch != epoch);
        if is_foreign || self.over == Some(epoch) || self.is_ended() {
            return;
        }
        let message = match answer {
            Answer::Done(object) => (Up::Result { epoch, ticket }, Some(object)),
            Answer::Undone { fault, delay, reason } => (Up::Nak(Nak { epoch, ticket, fault, delay, reason }), None),
        };
        self.outbox.push_back(message);
    }
}

/// Which task this is an answer for.
pub(super) fn answered_by(message: &Up) -> Option<u64> {
    match message {
        Up::Result { ticket, .. } | Up::Nak(Nak { ticket, .. }) => Some(ticket.task),
        _ => None,
    }
}

pub(super) fn epoch_of(message: &Up) -> Option<u64> {
    match message {
        Up::Result { epoch, .. } | Up::Progress { epoch, .. } => Some(*epoch),
        Up::Nak(nak) => Some(nak.epoch),
        Up::Hello(_) | Up::Beat(_) | Up::Bye => None,
    }
}
