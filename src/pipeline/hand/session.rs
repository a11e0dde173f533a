//! A worker's session: how it begins, how it is kept up, and how it ends.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::message::{Account, Beat, Hello, Time, Up, VERSION, Welcome, Window};
use super::super::wire::MAX_NAMED;
use super::{End, FAREWELL, Hand, PATIENCE, Phase, RETRY, answered_by, epoch_of};

impl Hand {
    /// What is due by now.
    pub(in crate::pipeline) fn tick(&mut self, now: Time) {
        let (patience, interval) = match self.phase {
            Phase::Ended(_) => return,
            Phase::Seeking => (PATIENCE, RETRY),
            Phase::Joined(welcome) => (welcome.liveness.saturating_add(self.coming), welcome.heartbeat),
        };
        if now.saturating_sub(std::mem::replace(&mut self.ticked, now)) > interval.saturating_mul(2) {
            // this process has been stopped: what was said meanwhile is still to be read
            self.heard = now;
        }
        if now.saturating_sub(self.heard) >= patience {
            if self.terms.ends_with_dispatcher && !self.is_joined() {
                return self.end(End::Alone);
            }
            // whatever is at the other end of this connection is not the dispatcher, not any more, or not for us
            self.wants_socket = true;
            self.heard = now;
            self.seek(now);
        } else if now >= self.next_beat {
            self.next_beat = now.saturating_add(interval);
            let sign = if self.is_joined() { self.beat() } else { self.hello() };
            // after a goodbye it would be somebody else's sign
            if !self.has_said_bye {
                self.outbox.push_front((sign, None));
            }
        }
        // a lease is two heartbeats at least
        self.progress.tick(now, interval / 4);
        self.leave_if_due(now);
    }

    /// When to tick again, if nothing happens before.
    pub(in crate::pipeline) fn next_tick(&self) -> Option<Time> {
        let silence = match self.phase {
            Phase::Ended(_) => return None,
            Phase::Seeking => self.heard + PATIENCE,
            Phase::Joined(welcome) => self.heard.saturating_add(welcome.liveness).saturating_add(self.coming),
        };
        [Some(self.next_beat), Some(silence), self.leaving, self.progress.next_tick()].into_iter().flatten().min()
    }

    /// Hands back what waits, lets what runs end, and leaves.
    pub(in crate::pipeline) fn drain(&mut self, now: Time) {
        if self.leaving.is_some() {
            return;
        }
        self.leaving = Some(now.saturating_add(self.terms.grace));
        if self.is_joined() {
            // that it has no room comes before what it hands back
            self.outbox.push_front((self.beat(), None));
        } else {
            self.next_beat = now;
        }
        while let Some(task) = self.waiting.pop_front() {
            self.hand_back(task, "handed back: the worker is leaving");
        }
        self.leave_if_due(now);
    }

    /// What arrived makes no sense, or there may be more of it than fits: begins anew.
    pub(in crate::pipeline) fn distrust(&mut self, now: Time) {
        self.wants_socket = true;
        if self.is_joined() {
            self.heard = now; // there was a dispatcher so far
        }
        self.seek(now);
        // whoever answers every hello so is not asked as fast as it answers
        self.next_beat = now + RETRY;
    }

    /// The connection ended: so did the session, on both sides. libzmq makes another connection.
    pub(in crate::pipeline) fn cut(&mut self, now: Time) {
        if self.is_joined() {
            self.heard = now;
            self.seek(now);
            self.leave_if_due(now);
        }
        self.has_said_hello = false;
        // what was said to nobody makes the socket tell when there is somebody
        self.next_beat = now;
    }

    /// There is somebody again: a new connection may be one that the dispatcher has to hear of.
    pub(in crate::pipeline) fn reach(&mut self, now: Time) {
        self.next_beat = now;
    }

    /// Ends at once.
    pub(in crate::pipeline) fn end(&mut self, end: End) {
        if self.is_ended() {
            return;
        }
        self.phase = Phase::Ended(end);
        self.outbox.clear();
        self.progress.clear();
        self.waiting.clear();
        self.held.values().for_each(|held| held.job.is_void.store(true, Ordering::Relaxed));
    }

    /// The dispatcher ends, or returns the farewell.
    pub(super) fn bye(&mut self, now: Time) {
        if self.is_ended() {
            return;
        }
        if self.has_said_bye {
            self.end(End::Left);
        } else if self.terms.ends_with_dispatcher {
            self.end(End::Dismissed);
            self.outbox.push_back((Up::Bye, None));
        } else if self.is_joined() || self.has_said_hello {
            if let Phase::Joined(welcome) = self.phase {
                self.over = Some(welcome.epoch);
            }
            self.seek(now);
            // nobody will ever want what these come to
            self.held.values().for_each(|held| held.job.is_void.store(true, Ordering::Relaxed));
            self.outbox.retain(|(message, _)| epoch_of(message).is_none());
            // it stays for this answer, and then there is nobody for a while
            self.outbox.push_front((Up::Bye, None));
            self.next_beat = now + RETRY;
        }
    }

    pub(super) fn welcome(&mut self, now: Time, welcome: Welcome) {
        if self.phase != Phase::Seeking || welcome.version != VERSION {
            return;
        }
        self.phase = Phase::Joined(Welcome {
            // a dispatcher that asks for the impossible does not make this one spin
            heartbeat: welcome.heartbeat.max(Duration::from_millis(1)),
            liveness: welcome.liveness.max(Duration::from_millis(2)),
            ..welcome
        });
        self.next_beat = now.saturating_add(welcome.heartbeat);
        self.over = None;
        // what belongs to another dispatcher's time interests nobody
        let foreign: Vec<u64> =
            self.held.iter().filter(|(_, held)| held.job.epoch != welcome.epoch).map(|(&task, _)| task).collect();
        for task in foreign {
            self.void(task);
        }
        self.outbox.retain(|(message, _)| epoch_of(message).is_none_or(|epoch| epoch == welcome.epoch));
    }

    /// Begins a new session.
    pub(super) fn seek(&mut self, now: Time) {
        if self.is_ended() {
            return;
        }
        self.phase = Phase::Seeking;
        self.progress.clear();
        self.session += 1;
        self.clock = 0;
        self.coming = Time::ZERO;
        self.next_beat = now;
        // the dispatcher hands these out again, as it does the running ones: but those have begun
        while let Some(task) = self.waiting.pop_front() {
            if self.held.get(&task).is_some_and(|held| !held.is_running) {
                self.drop_held(task);
            }
        }
        self.outbox.retain(|(message, _)| !matches!(message, Up::Hello(_) | Up::Beat(_) | Up::Bye));
        (self.has_said_hello, self.has_said_bye) = (false, false);
    }

    pub(super) fn leave_if_due(&mut self, now: Time) {
        let Some(end) = self.leaving else { return };
        if self.has_said_bye {
            // the farewell was not returned
            if now >= end {
                self.end(End::Left);
            }
            return;
        }
        if self.running > 0 && now < end {
            return;
        }
        let running: Vec<u64> = self.held.keys().copied().collect();
        for task in running {
            self.hand_back(task, "handed back: the worker leaves and the handler is not done");
        }
        let is_done = now >= end || !self.outbox.iter().any(|(message, _)| epoch_of(message).is_some());
        // it may be welcome, and have been given tasks, before it has read so
        if self.is_joined() || (self.has_said_hello && is_done) {
            self.has_said_bye = true;
            let farewell = now.saturating_add(FAREWELL);
            // what was answered last may be large, and is on its way before this
            self.leaving = Some(if self.is_joined() { end.max(farewell) } else { farewell });
            self.outbox.push_back((Up::Bye, None));
        } else if is_done {
            self.end(End::Left);
        }
    }

    pub(super) fn hello(&self) -> Up {
        Up::Hello(Hello {
            version: VERSION,
            worker: self.worker,
            session: self.session,
            name: self.terms.name.clone(),
            window: self.window(),
            capacity: self.terms.capacity.bytes,
        })
    }

    pub(in crate::pipeline) fn beat(&self) -> Up {
        let waiting =
            self.waiting.iter().copied().filter(|task| self.held.get(task).is_some_and(|held| !held.is_running));
        let mut waiting: Vec<u64> = waiting.take(MAX_NAMED + 1).collect();
        let is_whole = waiting.len() <= MAX_NAMED;
        waiting.truncate(MAX_NAMED);
        // one of a dispatcher that is gone is not the task that has its number now
        let running = self.held.iter().filter(|(_, held)| held.is_running && self.is_epoch(held.job.epoch));
        let running = running.map(|(&task, _)| task);
        // this overtakes the answers that have not left
        let answered = self.outbox.iter().filter_map(|(message, _)| answered_by(message));
        let room = MAX_NAMED - waiting.len();
        let busy: Vec<u64> = running.chain(answered).take(room + 1).collect();
        // an account that leaves something out would make that missing
        let account = (is_whole && busy.len() <= room).then_some(Account { clock: self.clock, busy });
        Up::Beat(Beat { session: self.session, window: self.window(), waiting, account })
    }

    /// The room for tasks of this session.
    pub(super) fn window(&self) -> Window {
        if self.leaving.is_some() {
            return Window::default();
        }
        let Window { mut messages, mut bytes } = self.terms.capacity;
        for held in self.held.values().filter(|held| held.session != self.session) {
            messages = messages.saturating_sub(1);
            bytes = bytes.saturating_sub(held.bytes);
        }
        Window { messages, bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::message::Down;
    use super::super::Terms;
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// A worker that ends with its dispatcher, which may be silent for hours.
    fn joined() -> Hand {
        let capacity = Window { messages: 1, bytes: 1 };
        let terms = Terms { name: String::new(), capacity, grace: Duration::ZERO, ends_with_dispatcher: true };
        let mut hand = Hand::new(Time::ZERO, terms, 1);
        let welcome =
            Welcome { version: VERSION, session: 1, epoch: 1, heartbeat: HOUR, liveness: 3 * HOUR, lease: None };
        hand.handle(Time::ZERO, Down::Welcome(welcome), None);
        assert!(hand.is_joined());
        hand
    }

    #[test]
    fn a_goodbye_ends_it_at_once_and_is_answered() {
        let mut hand = joined();
        hand.handle(HOUR, Down::Bye, None);
        assert_eq!(hand.ended(), Some(End::Dismissed));
        assert_eq!((hand.pop_message(), hand.pop_message()), (Some((Up::Bye, None)), None));
    }

    #[test]
    fn who_is_answered_with_what_makes_no_sense_asks_again_now_and_then() {
        let mut hand = joined();
        let (mut now, mut hellos) = (HOUR, 0);
        hand.distrust(now);
        while now < HOUR + 10 * RETRY {
            hand.tick(now);
            while let Some((message, _)) = hand.pop_message() {
                assert!(matches!(message, Up::Hello(_)), "{message:?}");
                hellos += 1;
                hand.distrust(now);
                assert!(hand.takes_socket());
            }
            assert!(hellos < 20, "it asks again at once");
            now = hand.next_tick().unwrap_or_default();
        }
        assert_eq!(hellos, 9);
    }

    #[test]
    fn the_end_of_the_connection_ends_it_when_nobody_comes_for_a_while() {
        let mut hand = joined();
        hand.cut(HOUR);
        assert!(!hand.is_joined());
        hand.tick(HOUR);
        assert!(matches!(hand.pop_message(), Some((Up::Hello(Hello { session: 2, .. }), None))));
        while hand.next_tick().is_some_and(|time| time < HOUR + PATIENCE) {
            let next = hand.next_tick().unwrap_or_default();
            hand.tick(next);
            assert_eq!(hand.ended(), None);
        }
        hand.tick(HOUR + PATIENCE);
        assert_eq!(hand.ended(), Some(End::Alone));
    }
}
