//! The workers that a dispatcher knows: what each may hold, what it holds, and whose turn it is.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::message::{Hello, Peer, Ticket, Time, Window, transfer_time};

/// One worker in one session.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) worker: u64,
    pub(super) session: u64,
    pub(super) name: Arc<str>,
    /// When it was last heard of.
    pub(super) heard: Time,
    /// When it is to hear of the dispatcher again.
    next_beat: Time,
    window: Window,
    /// What was sent to it and not answered, whether or not the answer is still wanted: it takes up room there.
    holds: BTreeMap<u64, Hold>,
    held_bytes: u64,
    /// A large result comes next, by its last word: how long that may take beyond what it may be silent.
    brings: Option<Time>,
    /// The latest of the dispatcher's clocks that it had read when it last gave an account.
    read: Option<Time>,
    /// How many of these nobody waits for any more: their leases ended, or they have an outcome.
    void: usize,
    /// A task that waited there for a thread did so for as long as a lease, behind one that nobody waits for.
    is_clogged: bool,
    is_in_ring: bool,
}

#[derive(Clone, Copy, Debug)]
struct Hold {
    delivery: u32,
    bytes: u64,
    /// When it was handed out.
    since: Time,
    /// The clock in the first beat that should have named it and did not.
    doubted: Option<Time>,
    /// Whether it waited for a thread when the worker last told.
    waits: bool,
    is_void: bool,
}

impl Member {
    pub(super) fn has_room(&self, bytes: u64) -> bool {
        (self.holds.len() as u64) < self.window.messages && self.held_bytes.saturating_add(bytes) <= self.window.bytes
    }

    pub(super) fn has(&self, task: u64) -> bool {
        self.holds.contains_key(&task)
    }

    /// Whether it is busy with something that nobody waits for any more.
    pub(super) fn is_stuck(&self) -> bool {
        self.void > 0
    }

    /// Whether what it is given waits there for something that nobody waits for.
    fn takes_nothing(&self) -> bool {
        self.is_clogged && self.is_stuck()
    }

    /// Whether it can take a task now, or once it has done others.
    pub(super) fn can_take(&self, bytes: u64) -> bool {
        let is_at_work = self.holds.len() > self.void;
        self.window.messages > 0 && !self.takes_nothing() && (is_at_work || self.has_room(bytes))
    }

    /// Whether this was handed out after the last that it is known to have read.
    pub(super) fn is_on_its_way(&self, task: u64) -> bool {
        self.read.is_some_and(|read| self.holds.get(&task).is_some_and(|hold| read <= hold.since))
    }

    /// Whether it has this task and had not begun with it when it last told.
    pub(super) fn lets_wait(&self, task: u64) -> bool {
        self.holds.get(&task).is_some_and(|hold| hold.waits)
    }

    /// Whether a large result comes next.
    pub(super) fn is_bringing(&self) -> bool {
        self.brings.is_some()
    }

    /// How long what comes next may take.
    pub(super) fn brings_for(&self) -> Time {
        self.brings.unwrap_or_default()
    }

    /// What it has, and when that was handed out.
    pub(super) fn tickets(&self) -> impl Iterator<Item = (Ticket, Time)> {
        self.holds.iter().map(|(&task, hold)| (Ticket { task, delivery: hold.delivery }, hold.since))
    }

    /// What it should have by its own account and does not. `clock` is when the dispatcher said what the worker has read
    /// before it gave this account.
    ///
    /// Without losses the account of a worker that has read a later message than the task names the task, unless it comes
    /// behind the answer. Where messages overtake each other it may not; so a second account is asked.
    fn missing(&mut self, clock: Time, named: &HashSet<u64>) -> Vec<Ticket> {
        self.read = self.read.max(Some(clock));
        let mut missing = Vec::new();
        for (&task, hold) in &mut self.holds {
            if named.contains(&task) {
                hold.doubted = None;
            } else if clock > hold.since {
                if hold.doubted.is_some_and(|doubted| clock > doubted) {
                    missing.push(Ticket { task, delivery: hold.delivery });
                }
                hold.doubted.get_or_insert(clock);
            }
        }
        missing
    }

    /// Whether it holds more than it said it could.
    #[cfg(test)]
    pub(super) fn is_overdrawn(&self) -> bool {
        self.holds.len() as u64 > self.window.messages || self.held_bytes > self.window.bytes
    }
}

/// All workers. What is done for each of them, or for each task of one, is done in an order: the same events have the same effects.
#[derive(Debug, Default)]
pub(super) struct Roster {
    members: BTreeMap<Peer, Member>,
    /// Where each worker's session is.
    seats: HashMap<u64, Peer>,
    /// Those that may have room, in turn.
    ring: VecDeque<Peer>,
    /// Sessions that were given up while their connections stand: the last ones.
    over: VecDeque<Over>,
}

/// What is remembered of a session.
#[derive(Debug)]
struct Over {
    peer: Peer,
    worker: u64,
    session: u64,
}

impl Roster {
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(super) fn has(&self, peer: &[u8]) -> bool {
        self.members.contains_key(peer)
    }

    pub(super) fn member(&self, peer: &Peer) -> Option<&Member> {
        self.members.get(peer)
    }

    /// Whether a worker is ready to hold any task: one that leaves is not.
    pub(super) fn takes_tasks(&self, peer: &Peer) -> bool {
        self.members.get(peer).is_some_and(|member| member.window.messages > 0)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Peer, &Member)> {
        self.members.iter()
    }

    /// The connection of a worker's present session.
    pub(super) fn seat(&self, worker: u64) -> Option<&Peer> {
        self.seats.get(&worker)
    }

    pub(super) fn join(&mut self, now: Time, peer: Peer, hello: &Hello, window: Window) {
        self.forget(&peer);
        self.seats.insert(hello.worker, peer.clone());
        let member = Member {
            worker: hello.worker,
            session: hello.session,
            name: Arc::from(hello.name.as_str()),
            heard: now,
            next_beat: now,
            window,
            holds: BTreeMap::new(),
            held_bytes: 0,
            brings: None,
            read: None,
            void: 0,
            is_clogged: false,
            is_in_ring: false,
        };
        self.members.insert(peer.clone(), member);
        self.line_up(&peer);
    }

    pub(super) fn leave(&mut self, peer: &Peer) -> Option<Member> {
        let member = self.members.remove(peer)?;
        if self.seats.get(&member.worker) == Some(peer) {
            self.seats.remove(&member.worker);
        }
        if member.is_in_ring {
            self.ring.retain(|other| other != peer);
        }
        Some(member)
    }

    /// Remembers the session that a worker had, at most `most` of them: its hello may still be on its way a second time.
    pub(super) fn bury(&mut self, peer: &Peer, member: &Member, most: usize) {
        self.forget(peer);
        self.over.truncate(most.saturating_sub(1));
        self.over.push_front(Over { peer: peer.clone(), worker: member.worker, session: member.session });
    }

    /// The connection has ended, or has a new session.
    pub(super) fn forget(&mut self, peer: &Peer) {
        self.over.retain(|over| over.peer != *peer);
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.over.len()
    }

    /// Whether this session of a worker was given up, at a connection that stands.
    pub(super) fn is_over(&self, peer: &Peer, hello: &Hello) -> bool {
        self.over.iter().any(|over| over.peer == *peer && over.worker == hello.worker && hello.session <= over.session)
    }

    pub(super) fn heard(&mut self, now: Time, peer: &Peer) {
        if let Some(member) = self.members.get_mut(peer) {
            member.heard = now;
            member.brings = None;
        }
    }

    /// So many bytes come next from this worker.
    pub(super) fn await_result(&mut self, peer: &Peer, bytes: u64) {
        if let Some(member) = self.members.get_mut(peer).filter(|_| bytes > 0) {
            member.brings = Some(transfer_time(bytes));
        }
    }

    /// Nobody waits any more for what this worker makes of a task.
    pub(super) fn void(&mut self, peer: &Peer, ticket: Ticket) {
        let Some(member) = self.members.get_mut(peer) else { return };
        if let Some(hold) = member.holds.get_mut(&ticket.task).filter(|hold| hold.delivery == ticket.delivery) {
            member.void += usize::from(!hold.is_void);
            hold.is_void = true;
        }
    }

    /// What waits at this worker does not get to a thread.
    pub(super) fn note_clogged(&mut self, peer: &Peer) {
        if let Some(member) = self.members.get_mut(peer) {
            member.is_clogged = true;
        }
    }

    /// A handler of this worker's has ended.
    pub(super) fn note_moving(&mut self, peer: &Peer) {
        if self.members.get_mut(peer).is_some_and(|member| std::mem::take(&mut member.is_clogged)) {
            self.line_up(peer);
        }
    }

    /// These have not begun at this worker, and what else it has has.
    pub(super) fn note_waiting(&mut self, peer: &Peer, waiting: &[u64]) {
        let Some(member) = self.members.get_mut(peer) else { return };
        member.holds.values_mut().for_each(|hold| hold.waits = false);
        for task in waiting {
            if let Some(hold) = member.holds.get_mut(task) {
                hold.waits = true;
            }
        }
    }

    /// Takes it as if all had just been heard of.
    pub(super) fn excuse(&mut self, now: Time) {
        self.members.values_mut().for_each(|member| member.heard = now);
    }

    /// Those that are to hear of the dispatcher now, and from now on every `interval`.
    pub(super) fn due(&mut self, now: Time, interval: Time) -> Vec<Peer> {
        let due = self.members.iter_mut().filter(|(_, member)| member.next_beat <= now);
        due.map(|(peer, member)| {
            member.next_beat = now.saturating_add(interval);
            peer.clone()
        })
        .collect()
    }

    pub(super) fn grant(&mut self, peer: &Peer, window: Window) {
        if let Some(member) = self.members.get_mut(peer) {
            member.window = window;
        }
        self.line_up(peer);
    }

    /// The next worker in turn with room for a task, which then is the last in turn.
    ///
    /// One that has no room leaves the ring; it is back in it once it gives something back, so every worker that is looked
    /// at in vain was paid for by an answer. One that still holds this very task from before is passed over.
    pub(super) fn next(&mut self, task: u64, bytes: u64) -> Option<Peer> {
        for _ in 0..self.ring.len() {
            let peer = self.ring.pop_front()?;
            let Some(member) = self.members.get_mut(&peer) else { continue };
            if !member.has_room(bytes) || member.takes_nothing() {
                member.is_in_ring = false;
                continue;
            }
            let is_free = !member.has(task);
            self.ring.push_back(peer.clone());
            if is_free {
                return Some(peer);
            }
        }
        None
    }

    /// Whether any worker may have room.
    pub(super) fn is_ready(&self) -> bool {
        !self.ring.is_empty()
    }

    pub(super) fn hold(&mut self, now: Time, peer: &Peer, ticket: Ticket, bytes: u64) {
        if let Some(member) = self.members.get_mut(peer) {
            let hold =
                Hold { delivery: ticket.delivery, bytes, since: now, doubted: None, waits: false, is_void: false };
            member.holds.insert(ticket.task, hold);
            member.held_bytes += bytes;
        }
    }

    /// The worker has answered: its room is free again.
    pub(super) fn release(&mut self, peer: &Peer, ticket: Ticket) {
        let Some(member) = self.members.get_mut(peer) else { return };
        let Some(hold) = member.holds.get(&ticket.task).filter(|hold| hold.delivery == ticket.delivery) else { return };
        member.held_bytes -= hold.bytes;
        member.void -= usize::from(hold.is_void);
        member.holds.remove(&ticket.task);
        self.line_up(peer);
    }

    /// Compares what a worker has with what it should have; its room for what it has not is free again.
    pub(super) fn audit(&mut self, peer: &Peer, clock: Time, named: &HashSet<u64>) -> Vec<Ticket> {
        let missing = self.members.get_mut(peer).map(|member| member.missing(clock, named)).unwrap_or_default();
        missing.iter().for_each(|&ticket| self.release(peer, ticket));
        missing
    }

    fn line_up(&mut self, peer: &Peer) {
        let Some(member) = self.members.get_mut(peer) else { return };
        if !member.is_in_ring && member.has_room(0) && !member.takes_nothing() {
            member.is_in_ring = true;
            self.ring.push_back(peer.clone());
        }
    }
}
