//! Leases as the ledger sees them: what renews one, and what becomes of a task whose lease ends.

use std::sync::Arc;

use super::super::entry::{Answered, Place};
use super::super::message::{Down, Peer, Ticket, Time};
use super::super::outcome::Failed;
use super::Ledger;

impl Ledger {
    /// Begins a lease anew.
    pub(super) fn renew(&mut self, now: Time, ticket: Ticket) {
        let Some(entry) = self.tasks.get_mut(&ticket.task).filter(|entry| entry.holder(ticket.delivery).is_some())
        else {
            return;
        };
        let Place::Held { lease, .. } = &mut entry.place else { return };
        let end = self.leases.end(now);
        // named once more at the same time: it is in the queue already
        if *lease != end {
            *lease = end;
            self.leases.begin(now, ticket);
        }
    }

    /// Tasks that wait for a thread: their leases have not begun. Behind a handler whose own lease has ended nobody knows whether they
    /// ever will, so there they end too.
    pub(super) fn renew_waiting(&mut self, now: Time, peer: &Peer, waiting: &[u64]) {
        if self.terms.lease.is_none() {
            return;
        }
        self.roster.note_waiting(peer, waiting);
        if self.roster.member(peer).is_none_or(|member| member.is_stuck()) {
            return;
        }
        for &task in waiting {
            let delivery = self.tasks.get(&task).map_or(0, |entry| entry.deliveries);
            let ticket = Ticket { task, delivery };
            if self.is_current(peer, ticket) {
                self.renew(now, ticket);
            }
        }
        self.sweep_leases();
    }

    /// Keeps the leases in proportion to the tasks. To be done once per message, however many leases that renews, and once for
    /// all tasks that are handed out together.
    pub(super) fn sweep_leases(&mut self) {
        let tasks = &self.tasks;
        let holds = |end, ticket: Ticket| tasks.get(&ticket.task).is_some_and(|entry| entry.has_lease(ticket, end));
        self.leases.sweep(self.exposed, holds);
    }

    /// A lease may be over, or nobody has taken a task for another one.
    pub(super) fn expire(&mut self, now: Time, ticket: Ticket) {
        let Some(entry) = self.tasks.get(&ticket.task).filter(|entry| entry.deliveries == ticket.delivery) else {
            return;
        };
        if entry.lease().is_none_or(|end| end > now) {
            return;
        }
        match &entry.place {
            Place::Held { by, .. } => {
                let by = by.clone();
                self.end_lease(now, ticket, &by);
            }
            _ => self.note_unclaimed(now, ticket, entry.bytes),
        }
    }

    fn end_lease(&mut self, now: Time, ticket: Ticket, by: &Peer) {
        let Some(member) = self.roster.member(by) else { return };
        // nothing else comes through a connection that carries something large, whichever way
        if member.is_bringing() || member.is_on_its_way(ticket.task) {
            return self.renew(now, ticket);
        }
        // what has not begun has not failed
        let waited = member.lets_wait(ticket.task);
        let failure = (!waited).then(|| Failed { worker: member.name.clone(), reason: "its lease ended".to_owned() });
        self.stats.expired += 1;
        self.roster.void(by, ticket);
        if waited {
            self.roster.note_clogged(by);
        }
        self.take_back(now, ticket.task, Answered::No, failure, Time::ZERO);
        if let Some(entry) = self.tasks.get_mut(&ticket.task) {
            entry.unclaimed = self.leases.begin(now, ticket);
        }
        self.say(by, Down::Cancel { ticket });
    }

    /// For as long as a lease nobody took a task whose lease had ended. Where nobody will, because every worker still has it or
    /// is taken up by others of its kind, that is another failure: so it has an outcome in the end.
    fn note_unclaimed(&mut self, now: Time, ticket: Ticket, bytes: u64) {
        let is_in_vain = self.is_in_vain(ticket.task, bytes);
        let Some(entry) = self.tasks.get_mut(&ticket.task) else { return };
        if is_in_vain {
            let reason = "no other worker can take it, and those that have it do not answer".to_owned();
            entry.note(Failed { worker: Arc::from("the dispatcher"), reason });
            entry.attempts += 1;
            if entry.attempts >= self.terms.attempts {
                return self.bury(ticket.task, None);
            }
        }
        entry.unclaimed = self.leases.begin(now, ticket);
    }

    /// Whether some workers have this task, and none of the others can ever take it as things are.
    fn is_in_vain(&self, task: u64, bytes: u64) -> bool {
        let mut had = false;
        for (_, member) in self.roster.iter() {
            let has = member.has(task);
            had |= has;
            // one that brings something may bring this
            if if has { member.is_bringing() } else { member.can_take(bytes) } {
                return false;
            }
        }
        had
    }
}
