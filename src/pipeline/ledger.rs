//! The dispatcher's state: every task, where it is, and what is to be said to whom. No socket, no clock, no thread.
//!
//! It is told of submissions, messages, lost connections and the time, and it has messages to be sent and outcomes to be
//! handed over. A task is in one place at a time:
//!
//! ```text
//!   submit --> waiting --> held by a worker --> an outcome
//!                 ^            |
//!                 +-- delayed <+  nak, worker lost, lease over
//! ```

mod lapse;
mod loss;
mod session;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

pub(super) use self::loss::Loss;
use super::entry::{Answered, Entry, Place};
use super::finished::{Finished, Load};
use super::lease::Leases;
use super::message::{Down, Fault, LARGE, Nak, Peer, Ticket, Time, Up};
use super::options::DispatcherOptions;
use super::outcome::{DeadLetter, Ending, Failed, Outcome, TaskId};
use super::queue::Queue;
use super::roster::Roster;
use super::stats::Stats;
use crate::multipart::Multipart;

/// A message to a worker, with the object that goes with it.
pub(super) type Outgoing = (Peer, Down, Option<Multipart>);

#[derive(Debug)]
pub(super) struct Ledger {
    terms: DispatcherOptions,
    epoch: u64,
    tasks: HashMap<u64, Entry>,
    queue: Queue,
    leases: Leases,
    roster: Roster,
    finished: Finished,
    outbox: VecDeque<Outgoing>,
    /// How many tasks are held by a worker.
    held: usize,
    /// For how many tasks a result may come at any time.
    exposed: usize,
    /// Tasks that got their outcome since that was last asked, and their bytes.
    done: Load,
    next_round: Time,
    /// When tasks were last handed out.
    ticked: Time,
    /// Whether there are workers with room and tasks for them, and no room for outcomes.
    is_stalled: bool,
    /// Whether goodbye has been said.
    is_closing: bool,
    stats: Stats,
}

impl Ledger {
    pub(super) fn new(terms: DispatcherOptions, epoch: u64) -> Self {
        Self {
            epoch,
            tasks: HashMap::new(),
            queue: Queue::default(),
            leases: Leases::new(terms.lease),
            roster: Roster::default(),
            finished: Finished::new(terms.order, terms.unread),
            outbox: VecDeque::new(),
            held: 0,
            exposed: 0,
            done: Load::default(),
            next_round: Time::ZERO,
            ticked: Time::ZERO,
            is_stalled: false,
            is_closing: false,
            stats: Stats::default(),
            terms,
        }
    }

    /// Takes a task. Ids only ever go up.
    pub(super) fn submit(&mut self, task: u64, message: Multipart) {
        self.stats.submitted += 1;
        let (mut entry, most) = (Entry::new(message), self.terms.task_bytes);
        // one that an earlier dispatcher took: a worker that is good enough here may have no room for it
        let is_too_long = entry.bytes > most;
        if is_too_long {
            let reason = format!("it has {} bytes, and tasks have up to {most} here", entry.bytes);
            entry.note(Failed { worker: Arc::from("the dispatcher"), reason });
        }
        self.tasks.insert(task, entry);
        self.queue.insert(task, false);
        self.finished.expect(task);
        if is_too_long {
            self.bury(task, None);
        }
    }

    /// Ends a task that has no outcome yet.
    pub(super) fn cancel(&mut self, task: u64) {
        if self.tasks.contains_key(&task) {
            self.stats.cancelled += 1;
            self.finish(task, None, |_| Ending::Cancelled);
        }
    }

    /// Takes a message from a worker.
    pub(super) fn handle(&mut self, now: Time, peer: &Peer, message: Up, object: Option<Multipart>) {
        self.roster.heard(now, peer);
        match (message, object) {
            (Up::Hello(hello), _) => self.hello(now, peer, &hello),
            (Up::Beat(beat), _) => self.beat(now, peer, &beat),
            (Up::Result { epoch, ticket }, Some(object)) if epoch == self.epoch => self.result(peer, ticket, object),
            (Up::Nak(nak), _) if nak.epoch == self.epoch => self.nak(now, peer, nak),
            (Up::Progress { epoch, ticket, coming }, _) if epoch == self.epoch => {
                self.renew(now, ticket);
                self.sweep_leases();
                self.roster.await_result(peer, coming.min(self.terms.limits.max_total()));
            }
            (Up::Bye, _) => {
                self.lose(now, peer, Loss::Left);
                // to this one it has been said
                if !self.is_closing {
                    self.say(peer, Down::Bye);
                }
            }
            // of another dispatcher's time
            (Up::Result { .. }, _) => self.stats.late += 1,
            (Up::Nak(_) | Up::Progress { .. }, _) => {}
        }
    }

    /// A result came that is over this dispatcher's limits: its task has failed.
    pub(super) fn decline(&mut self, now: Time, peer: &Peer, message: &Up, reason: &str) {
        let Up::Result { epoch, ticket } = *message else { return };
        let reason = format!("its result is over the dispatcher's limits: {reason}");
        self.handle(now, peer, Up::Nak(Nak { epoch, ticket, fault: Fault::Failed, delay: None, reason }), None);
    }

    /// Notes a message that is none.
    pub(super) fn garbage(&mut self) {
        self.stats.garbage += 1;
    }

    /// What is due by now, and tasks for whoever has room.
    pub(super) fn tick(&mut self, now: Time) {
        self.ticked = now;
        while let Some(ticket) = self.leases.pop(now) {
            self.expire(now, ticket);
        }
        while let Some(task) = self.queue.pop_due(now) {
            self.set_waiting(task);
        }
        if now >= self.next_round {
            self.round(now);
        }
        self.assign(now);
        self.sweep_leases();
    }

    /// When to tick again, if nothing happens before.
    pub(super) fn next_tick(&self) -> Option<Time> {
        let round = (!self.roster.is_empty()).then_some(self.next_round);
        [round, self.queue.next_due(), self.leases.next()].into_iter().flatten().min()
    }

    pub(super) fn pop_message(&mut self) -> Option<Outgoing> {
        self.outbox.pop_front()
    }

    pub(super) fn pop_outcome(&mut self) -> Option<Outcome> {
        self.finished.pop()
    }

    /// Outcomes that were popped have been read.
    pub(super) fn read(&mut self, load: Load) {
        self.finished.read(load);
    }

    /// How many tasks got their outcome since this was last asked, and their bytes.
    pub(super) fn take_done(&mut self) -> Load {
        std::mem::take(&mut self.done)
    }

    /// Whether tasks waited for nothing but outcomes to be read, when they were last handed out.
    pub(super) fn is_stalled(&self) -> bool {
        self.is_stalled
    }

    pub(super) fn knows(&self, peer: &[u8]) -> bool {
        self.roster.has(peer)
    }

    pub(super) fn stats(&self) -> Stats {
        Stats {
            waiting: self.queue.waiting() as u64,
            delayed: self.queue.delayed() as u64,
            in_flight: self.held as u64,
            unread: self.finished.unread() as u64,
            workers: self.roster.len() as u64,
            ..self.stats
        }
    }

    fn say(&mut self, peer: &Peer, message: Down) {
        self.outbox.push_back((peer.clone(), message, None));
    }

    /// The first result of a task counts, from whoever was ever given it by this dispatcher.
    fn result(&mut self, peer: &Peer, ticket: Ticket, object: Multipart) {
        self.roster.release(peer, ticket);
        self.roster.note_moving(peer);
        if !self.tasks.get(&ticket.task).is_some_and(|entry| entry.awaits(ticket.delivery)) {
            self.stats.late += 1;
            return;
        }
        if let Some(holder) = self.holder(ticket) {
            self.roster.release(&holder, ticket);
        }
        self.stats.done += 1;
        self.finish(ticket.task, Some(ticket.delivery), |_| Ending::Done(object));
    }

    fn nak(&mut self, now: Time, peer: &Peer, nak: Nak) {
        self.roster.release(peer, nak.ticket);
        if nak.fault != Fault::Returned {
            self.roster.note_moving(peer);
        }
        let Some(holder) = self.holder(nak.ticket) else { return self.forget_stray(nak.ticket) };
        self.roster.release(&holder, nak.ticket);
        let failure = Failed { worker: self.name(&holder), reason: nak.reason };
        let task = nak.ticket.task;
        match nak.fault {
            Fault::Returned => {
                let entry = self.tasks.get_mut(&task).filter(|_| self.roster.takes_tasks(&holder));
                let pause = entry.map(|entry| entry.note_return(self.terms.retry_after, self.terms.heartbeat));
                self.take_back(now, task, Answered::Yes, None, nak.delay.max(pause).unwrap_or_default());
            }
            Fault::Failed => {
                let delay = nak.delay.unwrap_or(self.terms.retry_after);
                self.take_back(now, task, Answered::Yes, Some(failure), delay);
            }
            Fault::Rejected => {
                if let Some(entry) = self.tasks.get_mut(&task) {
                    entry.note(failure);
                }
                self.bury(task, Some(nak.ticket.delivery));
            }
        }
    }

    /// Gives waiting tasks to workers with room, the oldest first.
    fn assign(&mut self, now: Time) {
        let mut aside = Vec::new();
        while self.roster.is_ready() {
            let Some(task) = self.queue.first(|task| self.finished.has_room(task, self.exposed)) else { break };
            let Some(entry) = self.tasks.get_mut(&task) else { break };
            let Some(peer) = self.roster.next(task, entry.bytes) else {
                if self.roster.is_ready() {
                    // everyone with room still has it from before: the others need not wait for that
                    self.queue.remove(task);
                    aside.push(task);
                }
                continue;
            };
            self.queue.remove(task);
            self.exposed += usize::from(!entry.is_exposed());
            entry.unclaimed = None;
            entry.deliveries += 1;
            entry.attempts += 1;
            self.stats.redelivered += u64::from(entry.deliveries > 1);
            let ticket = Ticket { task, delivery: entry.deliveries };
            let lease = self.leases.begin(now, ticket);
            entry.place = Place::Held { by: peer.clone(), lease };
            self.held += 1;
            self.roster.hold(now, &peer, ticket, entry.bytes);
            let session = self.roster.member(&peer).map_or(0, |member| member.session);
            if entry.bytes >= LARGE {
                self.outbox.push_back((peer.clone(), Down::Beat { clock: 0, coming: entry.bytes }, None));
            }
            let message = Down::Task { session, ticket, attempt: entry.attempts };
            self.outbox.push_back((peer, message, Some(entry.message.clone())));
        }
        self.is_stalled = self.roster.is_ready() && self.queue.waiting() > 0;
        aside.into_iter().for_each(|task| self.set_waiting(task));
    }

    /// Whether a worker holds this very delivery.
    fn is_current(&self, peer: &Peer, ticket: Ticket) -> bool {
        self.holder(ticket).as_ref() == Some(peer)
    }

    /// Who holds this very delivery.
    fn holder(&self, ticket: Ticket) -> Option<Peer> {
        self.tasks.get(&ticket.task)?.holder(ticket.delivery).cloned()
    }

    /// What a worker is called in reasons.
    fn name(&self, peer: &Peer) -> Arc<str> {
        self.roster.member(peer).map_or_else(|| Arc::from("?"), |member| member.name.clone())
    }

    /// Takes a task back from the worker that holds it.
    fn take_back(&mut self, now: Time, task: u64, answered: Answered, failure: Option<Failed>, delay: Time) {
        let Some(entry) = self.tasks.get_mut(&task) else { return };
        self.held -= 1;
        entry.take_back(answered);
        self.exposed -= usize::from(!entry.is_exposed());
        match failure {
            None => entry.attempts -= 1,
            Some(failure) => {
                entry.note(failure);
                if entry.attempts >= self.terms.attempts {
                    return self.bury(task, None);
                }
            }
        }
        if delay.is_zero() {
            return self.set_waiting(task);
        }
        let until = now.saturating_add(delay);
        entry.place = Place::Delayed(until);
        self.queue.defer(until, task);
    }

    /// An earlier delivery was answered with nothing.
    fn forget_stray(&mut self, ticket: Ticket) {
        let Some(entry) = self.tasks.get_mut(&ticket.task) else { return };
        let was_exposed = entry.is_exposed();
        entry.forget(ticket.delivery);
        if was_exposed && !entry.is_exposed() {
            // nobody has it, so that anybody may take it
            entry.unclaimed = None;
            self.exposed -= 1;
            self.queue.shelter(ticket.task);
        }
    }

    fn set_waiting(&mut self, task: u64) {
        if let Some(entry) = self.tasks.get_mut(&task) {
            entry.place = Place::Waiting;
            self.queue.insert(task, entry.is_exposed());
        }
    }

    fn bury(&mut self, task: u64, delivery: Option<u32>) {
        self.stats.dead += 1;
        self.finish(task, delivery, |entry| {
            Ending::Dead(DeadLetter { message: entry.message, failures: entry.failures })
        });
    }

    /// Ends a task: its one outcome. A worker that is busy with it need not be, unless it was its answer (`delivery`).
    fn finish(&mut self, task: u64, delivery: Option<u32>, ending: impl FnOnce(Entry) -> Ending) {
        let Some(entry) = self.tasks.remove(&task) else { return };
        self.exposed -= usize::from(entry.is_exposed());
        self.done.bytes += entry.bytes;
        // a result of a delivery that did not count as an attempt makes it one
        let attempts = entry.attempts.max(u32::from(delivery.is_some()));
        match &entry.place {
            Place::Waiting => self.queue.remove(task),
            Place::Delayed(until) => self.queue.undefer(*until, task),
            Place::Held { by, .. } => {
                self.held -= 1;
                let ticket = Ticket { task, delivery: entry.deliveries };
                if delivery != Some(ticket.delivery) {
                    self.roster.void(by, ticket);
                    self.outbox.push_back((by.clone(), Down::Cancel { ticket }, None));
                }
            }
        }
        let ending = ending(entry);
        // one that was cancelled keeps its place in the backlog until that was read: nothing else bounds those
        self.done.count += usize::from(!matches!(ending, Ending::Cancelled));
        self.finished.push(Outcome { task: TaskId(task), attempts, ending, receipt: None });
    }
}

#[cfg(test)]
impl Ledger {
    pub(super) fn has_messages(&self) -> bool {
        !self.outbox.is_empty()
    }

    pub(super) fn roster(&self) -> &Roster {
        &self.roster
    }

    /// That every task is in one place, and that memory is in proportion to the tasks.
    pub(super) fn check(&self) {
        let stats = self.stats();
        let open = stats.waiting + stats.delayed + stats.in_flight;
        assert_eq!(open, self.tasks.len() as u64, "a task is in two places or in none: {stats:?}");
        assert_eq!(stats.submitted, stats.done + stats.dead + stats.cancelled + open, "{stats:?}");
        for (task, entry) in &self.tasks {
            match &entry.place {
                Place::Waiting => assert!(self.queue.has(*task)),
                Place::Delayed(time) => assert!(self.queue.has_delayed(*time, *task)),
                Place::Held { by, .. } => {
                    let ticket = Ticket { task: *task, delivery: entry.deliveries };
                    let has =
                        self.roster.member(by).is_some_and(|member| member.tickets().any(|(held, _)| held == ticket));
                    assert!(has, "task {task} is held by nobody");
                }
            }
        }
        let exposed = self.tasks.values().filter(|entry| entry.is_exposed()).count();
        assert_eq!(exposed, self.exposed);
        assert!(self.leases.len() <= 2 * exposed + 65, "{} leases for {exposed} tasks", self.leases.len());
    }
}
