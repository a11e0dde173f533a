//! Workers that come, stay and go, as the ledger sees them.

use super::super::entry::Answered;
use super::super::message::{Beat, Down, Hello, Peer, Ticket, Time, VERSION, Welcome, Window};
use super::super::outcome::Failed;
use super::{Ledger, Loss};

impl Ledger {
    /// Gives up a worker and takes its tasks back.
    pub(in crate::pipeline) fn lose(&mut self, now: Time, peer: &Peer, loss: Loss) {
        let Some(member) = self.roster.leave(peer) else { return };
        self.stats.lost += u64::from(loss != Loss::Left);
        for ticket in member.tickets() {
            if self.is_current(peer, ticket) {
                let failure = Failed { worker: member.name.clone(), reason: loss.reason().to_owned() };
                let used_up = matches!(loss, Loss::Disconnected | Loss::Silent | Loss::Unruly);
                let answered = if loss == Loss::Left { Answered::Yes } else { Answered::No };
                self.take_back(now, ticket.task, answered, used_up.then_some(failure), Time::ZERO);
            }
        }
    }

    /// Says goodbye to all workers. Each answers, or ends its connection; then there are none.
    pub(in crate::pipeline) fn close(&mut self) {
        self.is_closing = true;
        let peers: Vec<Peer> = self.roster.iter().map(|(peer, _)| peer.clone()).collect();
        for peer in peers {
            self.say(&peer, Down::Bye);
        }
    }

    /// Whether there are no workers.
    pub(in crate::pipeline) fn is_deserted(&self) -> bool {
        self.roster.is_empty()
    }

    pub(super) fn hello(&mut self, now: Time, peer: &Peer, hello: &Hello) {
        if self.is_closing && hello.version == VERSION {
            // in vain, but it need not wait for somebody else to tell it
            if !self.roster.has(peer) {
                self.roster.join(now, peer.clone(), hello, Window::default());
            }
            return self.say(peer, Down::Bye);
        }
        if let Some(reason) = self.objection(peer, hello) {
            self.stats.refused += 1;
            return self.say(peer, Down::Refused { session: hello.session, reason });
        }
        let seat = self.roster.seat(hello.worker).cloned();
        let present = seat.as_ref().and_then(|seat| self.roster.member(seat)).map(|member| member.session);
        match present {
            // sent twice, or overtaken
            Some(session) if session > hello.session => return,
            Some(session) if session == hello.session && seat.as_ref() != Some(peer) => return,
            Some(session) if session == hello.session => {}
            _ => {
                // the worker's former self, and whoever was on this connection
                seat.into_iter().chain([peer.clone()]).for_each(|former| self.lose(now, &former, Loss::Renewed));
                self.roster.join(now, peer.clone(), hello, self.capped(hello.window));
            }
        }
        let welcome = Welcome {
            version: VERSION,
            session: hello.session,
            epoch: self.epoch,
            heartbeat: self.terms.heartbeat,
            liveness: self.terms.liveness,
        };
        self.say(peer, Down::Welcome(welcome));
    }

    pub(super) fn objection(&self, peer: &Peer, hello: &Hello) -> Option<String> {
        let returns = self.roster.seat(hello.worker).is_some() || self.roster.member(peer).is_some();
        if hello.version != VERSION {
            Some(format!("this dispatcher speaks version {VERSION} of the protocol, not {}", hello.version))
        } else if hello.capacity < self.terms.task_bytes {
            let largest = self.terms.task_bytes;
            Some(format!("tasks have up to {largest} bytes here, and the worker has room for {}", hello.capacity))
        } else if !returns && self.roster.len() >= self.terms.workers {
            Some(format!("there are {} workers, which is the most", self.terms.workers))
        } else {
            None
        }
    }

    pub(super) fn capped(&self, window: Window) -> Window {
        Window { messages: window.messages.min(self.terms.in_flight), ..window }
    }

    pub(super) fn beat(&mut self, now: Time, peer: &Peer, beat: &Beat) {
        match self.roster.member(peer).map(|member| member.session) {
            Some(session) if session == beat.session => {}
            Some(session) if session > beat.session => return,
            _ => return self.say(peer, Down::Who { session: beat.session }),
        }
        self.roster.grant(peer, self.capped(beat.window));
        if self.terms.lease.is_some() {
            for &task in &beat.waiting {
                let delivery = self.tasks.get(&task).map_or(0, |entry| entry.deliveries);
                let ticket = Ticket { task, delivery };
                if self.is_current(peer, ticket) {
                    self.renew(now, ticket);
                }
            }
        }
    }

    /// Signs of life, and who shows none.
    pub(super) fn round(&mut self, now: Time) {
        if now.saturating_sub(self.next_round) > self.terms.heartbeat {
            // this process has been stopped: what workers said meanwhile is still to be read
            self.roster.excuse(now);
        }
        // four looks to a heartbeat: a silent worker is found at most a quarter late
        self.next_round = now + self.terms.heartbeat / 4;
        let silent = |heard: Time| now.saturating_sub(heard) >= self.terms.liveness;
        let lost: Vec<Peer> =
            self.roster.iter().filter(|(_, member)| silent(member.heard)).map(|(peer, _)| peer.clone()).collect();
        for peer in lost {
            self.lose(now, &peer, Loss::Silent);
        }
        for peer in self.roster.due(now, self.terms.heartbeat) {
            self.say(&peer, Down::Beat);
        }
    }
}
