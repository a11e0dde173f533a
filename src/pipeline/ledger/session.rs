//! Workers that come, stay and go, as the ledger sees them.

use super::super::entry::Answered;
use super::super::message::{Account, Beat, Down, Hello, Peer, Stands, Time, VERSION, Welcome, Window};
use super::super::outcome::Failed;
use super::super::roster::Member;
use super::super::wire::MAX_NAMED;
use super::{Ledger, Loss};

/// An answer to a goodbye is given at least so much time, however short a heartbeat is.
const OVERDUE: Time = Time::from_millis(100);

impl Ledger {
    /// Gives up a worker and takes its tasks back.
    pub(in crate::pipeline) fn lose(&mut self, now: Time, peer: &Peer, loss: Loss) {
        let is_cut = matches!(loss, Loss::Disconnected | Loss::Unreachable);
        if is_cut {
            self.roster.forget(peer);
        }
        let Some(member) = self.roster.leave(peer) else { return };
        if !is_cut {
            self.roster.bury(peer, &member, self.terms.workers);
        }
        self.stats.lost += u64::from(loss != Loss::Left);
        for (ticket, since) in member.tickets() {
            if self.is_current(peer, ticket) {
                let failure = Failed { worker: member.name.clone(), reason: loss.reason().to_owned() };
                let used_up = match loss {
                    // what it was to get just now it never had
                    Loss::Unreachable => since < self.ticked,
                    Loss::Renewed | Loss::Left => false,
                    Loss::Disconnected | Loss::Silent | Loss::Deaf | Loss::Unruly => true,
                };
                let answered = if loss == Loss::Left { Answered::Yes } else { Answered::No };
                self.take_back(now, ticket.task, answered, used_up.then_some(failure), Time::ZERO);
            }
        }
    }

    /// Says goodbye to all workers. Each answers, or ends its connection; then there are none.
    pub(in crate::pipeline) fn close(&mut self, now: Time) {
        self.is_closing = true;
        self.excuse_if_stopped(now);
        let peers: Vec<Peer> = self.roster.iter().map(|(peer, _)| peer.clone()).collect();
        for peer in peers {
            self.say(&peer, Down::Bye);
        }
    }

    /// Until when an answer to a goodbye may be expected: by then all workers are overdue. `None` when there are none.
    pub(in crate::pipeline) fn awaits_until(&self) -> Option<Time> {
        // a worker shows a sign of life every heartbeat: one that owes two does not run, or is out of reach
        let overdue = self.terms.heartbeat.saturating_mul(2).max(OVERDUE);
        self.roster.iter().map(|(_, member)| member.heard.saturating_add(overdue)).max()
    }

    pub(super) fn hello(&mut self, now: Time, peer: &Peer, hello: &Hello) {
        if self.is_closing && hello.version == VERSION {
            // in vain, but it need not wait for somebody else to tell it
            if !self.roster.has(peer) {
                self.roster.join(now, peer.clone(), hello, Window::default());
            }
            return self.say(peer, Down::Bye);
        }
        if let Some((reason, stands)) = self.objection(peer, hello) {
            self.stats.refused += 1;
            return self.say(peer, Down::Refused { session: hello.session, reason, stands });
        }
        let seat = self.roster.seat(hello.worker).cloned();
        let present = seat.as_ref().and_then(|seat| self.roster.member(seat)).map(|member| member.session);
        match present {
            // sent twice, or overtaken
            Some(session) if session > hello.session => return,
            Some(session) if session == hello.session && seat.as_ref() != Some(peer) => return,
            Some(session) if session == hello.session => {}
            // said before that session was given up: the worker may hold what it was given in it
            _ if self.roster.is_over(peer, hello) => return self.say(peer, Down::Who { session: hello.session }),
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
            lease: self.terms.lease,
        };
        self.say(peer, Down::Welcome(welcome));
    }

    pub(super) fn objection(&self, peer: &Peer, hello: &Hello) -> Option<(String, Stands)> {
        let returns = self.roster.seat(hello.worker).is_some() || self.roster.member(peer).is_some();
        if hello.version != VERSION {
            let reason = format!("this dispatcher speaks version {VERSION} of the protocol, not {}", hello.version);
            Some((reason, Stands::ForGood))
        } else if hello.capacity < self.terms.task_bytes {
            let largest = self.terms.task_bytes;
            let room = hello.capacity;
            Some((
                format!("tasks have up to {largest} bytes here, and the worker has room for {room}"),
                Stands::ForGood,
            ))
        } else if !returns && self.roster.len() >= self.terms.workers {
            Some((format!("there are {} workers, which is the most", self.terms.workers), Stands::ForNow))
        } else {
            None
        }
    }

    /// No more than a sign of life can name: an account of less than all would make what is left out missing.
    pub(super) fn capped(&self, window: Window) -> Window {
        Window { messages: window.messages.min(self.terms.in_flight).min(MAX_NAMED as u64), ..window }
    }

    pub(super) fn beat(&mut self, now: Time, peer: &Peer, beat: &Beat) {
        match self.roster.member(peer).map(|member| member.session) {
            Some(session) if session == beat.session => {}
            Some(session) if session > beat.session => return,
            _ => return self.say(peer, Down::Who { session: beat.session }),
        }
        self.roster.grant(peer, self.capped(beat.window));
        self.renew_waiting(now, peer, &beat.waiting);
        if let Some(account) = &beat.account {
            self.audit(now, peer, &beat.waiting, account);
        }
    }

    /// Takes back what was lost on the way to a worker, or its answer on the way back.
    fn audit(&mut self, now: Time, peer: &Peer, waiting: &[u64], account: &Account) {
        let named = waiting.iter().chain(&account.busy).copied().collect();
        for ticket in self.roster.audit(peer, Time::from_millis(account.clock), &named) {
            self.stats.missing += 1;
            if self.is_current(peer, ticket) {
                let reason = "the task or its answer was lost on the way".to_owned();
                let failure = Failed { worker: self.name(peer), reason };
                self.take_back(now, ticket.task, Answered::No, Some(failure), Time::ZERO);
            }
        }
    }

    fn excuse_if_stopped(&mut self, now: Time) {
        if now.saturating_sub(self.next_round) > self.terms.heartbeat {
            // this process has been stopped: what workers said meanwhile is still to be read
            self.roster.excuse(now);
        }
    }

    /// Signs of life, and who shows none.
    pub(super) fn round(&mut self, now: Time) {
        self.excuse_if_stopped(now);
        // four looks to a heartbeat: a silent worker is found at most a quarter late
        self.next_round = now.saturating_add(self.terms.heartbeat / 4);
        let is_silent = |member: &Member| {
            now.saturating_sub(member.heard) >= self.terms.liveness.saturating_add(member.brings_for())
        };
        let lost: Vec<Peer> =
            self.roster.iter().filter(|(_, member)| is_silent(member)).map(|(peer, _)| peer.clone()).collect();
        for peer in lost {
            self.lose(now, &peer, Loss::Silent);
        }
        for peer in self.roster.due(now, self.terms.heartbeat) {
            let clock = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
            self.say(&peer, Down::Beat { clock, coming: 0 });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::hand::{Answer, End, Hand, NO_ROOM, Terms};
    use super::super::super::message::{Fault, Nak, Ticket, Up};
    use super::super::super::options::DispatcherOptions;
    use super::super::super::outcome::Ending;
    use super::*;
    use crate::multipart::Multipart;

    const BEAT: Time = Time::from_millis(1000);
    const LIVENESS: Time = Time::from_millis(3000);
    const MILLI: Time = Time::from_millis(1);

    /// A dispatcher, a worker with room for two tasks, and the connection between them.
    struct Pair {
        ledger: Ledger,
        hand: Hand,
        peer: Peer,
    }

    impl Pair {
        fn new() -> Self {
            let options = DispatcherOptions::new().heartbeat(BEAT).liveness(LIVENESS).task_bytes(100);
            let capacity = Window { messages: 2, bytes: 200 };
            let terms = Terms { name: String::new(), capacity, grace: BEAT, ends_with_dispatcher: false };
            let (ledger, hand) = (Ledger::new(options, 7), Hand::new(Time::ZERO, terms, 5));
            Self { ledger, hand, peer: Peer::from_static(b"peer") }
        }

        /// A pair with a session.
        fn joined() -> Self {
            let mut pair = Self::new();
            pair.talk(Time::ZERO);
            assert!(pair.hand.is_joined());
            pair
        }

        /// One whose worker has a large result to say.
        fn with_a_large_result() -> Self {
            let mut pair = Self::joined();
            pair.submit(Time::ZERO, 1..=1);
            pair.talk(Time::ZERO);
            let job = pair.hand.pop_job().expect("the task");
            pair.hand.finish(Time::ZERO, &job, Answer::Done(large()));
            pair
        }

        fn submit(&mut self, now: Time, tasks: std::ops::RangeInclusive<u64>) {
            tasks.for_each(|task| self.ledger.submit(task, Multipart::new(vec![1], vec![])));
            self.ledger.tick(now);
        }

        fn ups(&mut self, now: Time) -> Vec<(Up, Option<Multipart>)> {
            self.hand.tick(now);
            std::iter::from_fn(|| self.hand.pop_message()).collect()
        }

        fn downs(&mut self, now: Time) -> Vec<(Down, Option<Multipart>)> {
            self.ledger.tick(now);
            std::iter::from_fn(|| self.ledger.pop_message()).map(|(_, message, object)| (message, object)).collect()
        }

        fn hear(&mut self, now: Time, messages: Vec<(Up, Option<Multipart>)>) {
            let peer = self.peer.clone();
            messages.into_iter().for_each(|(message, object)| self.ledger.handle(now, &peer, message, object));
        }

        /// Each says to the other what there is to be said.
        fn talk(&mut self, now: Time) {
            loop {
                let (ups, downs) = (self.ups(now), self.downs(now));
                if ups.is_empty() && downs.is_empty() {
                    return;
                }
                self.hear(now, ups);
                downs.into_iter().for_each(|(message, object)| self.hand.handle(now, message, object));
            }
        }

        /// Lets them talk every quarter of a heartbeat.
        fn talk_until(&mut self, from: Time, until: Time) {
            let mut now = from;
            while now <= until {
                self.talk(now);
                now += BEAT / 4;
            }
        }

        fn finish(&mut self, now: Time) {
            if let Some(job) = self.hand.pop_job() {
                self.hand.finish(now, &job, Answer::Done(job.object.clone()));
            }
        }
    }

    #[test]
    fn a_beat_that_repeats_itself_renews_a_lease_once() {
        let mut pair = Pair::new();
        pair.ledger = Ledger::new(pair.ledger.terms.clone().lease(10 * BEAT), 7);
        pair.talk(Time::ZERO);
        pair.submit(BEAT / 2, 1..=2);
        pair.talk(BEAT / 2);
        let window = Window { messages: 2, bytes: 200 };
        let before = pair.ledger.leases.begun();
        let waiting = (0..MAX_NAMED as u64).map(|number| 1 + number % 2).collect();
        pair.hear(BEAT, vec![(Up::Beat(Beat { session: 1, window, waiting, account: None }), None)]);
        assert_eq!(pair.ledger.leases.begun() - before, 2);
        pair.ledger.check();
        // it counts all the same
        let first_end = BEAT / 2 + 10 * BEAT;
        pair.ledger.tick(first_end);
        assert_eq!(pair.ledger.stats().expired, 0);
        pair.ledger.tick(first_end + BEAT);
        assert_eq!(pair.ledger.stats().expired, 2);
    }

    /// Several workers and their dispatcher.
    struct Crew {
        ledger: Ledger,
        hands: Vec<Hand>,
        now: Time,
    }

    impl Crew {
        fn new(options: DispatcherOptions) -> Self {
            let options = options.heartbeat(BEAT).liveness(LIVENESS);
            Self { ledger: Ledger::new(options, 7), hands: Vec::new(), now: Time::ZERO }
        }

        /// One more worker with room for so many tasks.
        fn join(&mut self, messages: u64) {
            let capacity = Window { messages, bytes: 256 << 20 };
            let terms = Terms { name: String::new(), capacity, grace: BEAT, ends_with_dispatcher: false };
            self.hands.push(Hand::new(self.now, terms, self.hands.len() as u64));
            self.talk();
        }

        fn submit(&mut self, tasks: std::ops::RangeInclusive<u64>) {
            tasks.for_each(|task| self.ledger.submit(task, Multipart::new(vec![1], vec![])));
            self.talk();
        }

        fn talk(&mut self) {
            loop {
                let mut said = 0;
                for (number, hand) in self.hands.iter_mut().enumerate() {
                    hand.tick(self.now);
                    while let Some((message, object)) = hand.pop_message() {
                        self.ledger.handle(self.now, &Peer::copy_from_slice(&[number as u8]), message, object);
                        said += 1;
                    }
                }
                self.ledger.tick(self.now);
                while let Some((peer, message, object)) = self.ledger.pop_message() {
                    self.hands[usize::from(peer[0])].handle(self.now, message, object);
                    said += 1;
                }
                self.ledger.check();
                if said == 0 {
                    return;
                }
            }
        }

        /// So many heartbeats go by, in each of which `work` is done four times.
        fn pass(&mut self, beats: u32, mut work: impl FnMut(&mut [Hand], Time)) {
            for _ in 0..4 * beats {
                self.now += BEAT / 4;
                work(&mut self.hands, self.now);
                self.talk();
            }
        }
    }

    fn done(job: &super::super::super::hand::Job) -> Answer {
        Answer::Done(job.object.clone())
    }

    #[test]
    fn what_waits_behind_a_handler_whose_lease_has_ended_goes_to_another_worker_and_has_not_failed() {
        let mut crew = Crew::new(DispatcherOptions::new().lease(10 * BEAT));
        crew.join(2);
        crew.submit(1..=2);
        assert!(crew.hands[0].pop_job().is_some(), "it never ends");
        crew.join(2);
        crew.pass(25, |hands, now| {
            while let Some(job) = hands[1].pop_job() {
                hands[1].finish(now, &job, done(&job));
            }
        });
        let mut ended: Vec<_> = std::iter::from_fn(|| crew.ledger.pop_outcome()).collect();
        ended.sort_by_key(|outcome| outcome.task().0);
        assert_eq!(ended.iter().map(|outcome| outcome.attempts()).collect::<Vec<_>>(), [2, 1]);
    }

    #[test]
    fn what_no_worker_answers_for_is_a_dead_letter_though_they_are_fewer_than_attempts() {
        for workers in 1..=3 {
            let mut crew = Crew::new(DispatcherOptions::new().lease(10 * BEAT).attempts(5));
            (0..workers).for_each(|_| crew.join(3));
            crew.submit(1..=1);
            crew.pass(49, |hands, _| hands.iter_mut().for_each(|hand| drop(hand.pop_job())));
            assert!(crew.ledger.pop_outcome().is_none());
            crew.pass(3, |_, _| {});
            let outcome = crew.ledger.pop_outcome().expect("an end");
            let letter = outcome.dead_letter().expect("an end");
            let reasons: Vec<_> = letter.failures.iter().map(|failure| failure.reason.as_str()).collect();
            assert_eq!(reasons[..workers], vec!["its lease ended"; workers]);
            let vain = "no other worker can take it, and those that have it do not answer";
            assert_eq!(reasons[workers..], vec![vain; 5 - workers]);
            assert_eq!(outcome.attempts(), 5);
        }
    }

    #[test]
    fn what_hangs_is_given_at_once_to_a_worker_that_comes() {
        let mut crew = Crew::new(DispatcherOptions::new().lease(10 * BEAT).attempts(5));
        crew.join(1);
        crew.submit(1..=1);
        crew.pass(25, |hands, _| drop(hands[0].pop_job()));
        crew.join(1);
        let job = crew.hands[1].pop_job().expect("the task");
        crew.hands[1].finish(crew.now, &job, done(&job));
        crew.talk();
        // the two leases, and this
        assert_eq!(crew.ledger.pop_outcome().map(|outcome| outcome.attempts()), Some(3));
    }

    #[test]
    fn what_waits_for_a_worker_that_is_at_work_has_not_failed() {
        let mut crew = Crew::new(DispatcherOptions::new().lease(10 * BEAT).attempts(5));
        crew.join(1);
        crew.submit(1..=1);
        assert!(crew.hands[0].pop_job().is_some(), "it never ends");
        crew.join(1);
        crew.submit(2..=2);
        let job = crew.hands[1].pop_job().expect("another");
        crew.pass(100, |hands, _| _ = hands[1].progress(&job));
        assert_eq!(crew.ledger.stats().waiting, 1);
        crew.hands[1].finish(crew.now, &job, done(&job));
        crew.talk();
        let job = crew.hands[1].pop_job().expect("the first");
        crew.hands[1].finish(crew.now, &job, done(&job));
        crew.talk();
        assert_eq!(crew.ledger.pop_outcome().map(|outcome| outcome.attempts()), Some(1));
        assert_eq!(crew.ledger.pop_outcome().map(|outcome| outcome.attempts()), Some(2));
    }

    #[test]
    fn a_task_that_everybody_has_from_before_keeps_no_reader_from_being_heard() {
        let mut crew = Crew::new(DispatcherOptions::new().lease(10 * BEAT).unread(2, 1 << 20));
        crew.join(3);
        crew.submit(1..=1);
        crew.pass(11, |hands, _| drop(hands[0].pop_job()));
        crew.submit(2..=3);
        let job = crew.hands[0].pop_job().expect("the second");
        crew.hands[0].finish(crew.now, &job, done(&job));
        crew.talk();
        assert_eq!(crew.ledger.stats().waiting, 2);
        assert!(crew.ledger.is_stalled(), "the third is for whoever reads the second's outcome");
        assert!(crew.ledger.pop_outcome().is_some());
        crew.ledger.read(super::super::Load { count: 1, bytes: 1 });
        crew.talk();
        assert!(crew.hands[0].pop_job().is_some() && !crew.ledger.is_stalled());
    }

    #[test]
    fn tasks_that_hang_are_dead_letters_though_each_finds_room_behind_the_other() {
        let mut crew = Crew::new(DispatcherOptions::new().lease(10 * BEAT).attempts(5));
        (0..2).for_each(|_| crew.join(2));
        crew.submit(1..=2);
        assert!(crew.hands.iter_mut().all(|hand| hand.pop_job().is_some()), "one each, and neither ends");
        crew.pass(100, |_, _| {});
        for _ in 1..=2 {
            let outcome = crew.ledger.pop_outcome().expect("an end");
            assert!(outcome.dead_letter().is_some() && outcome.attempts() == 5, "{outcome:?}");
        }
    }

    #[test]
    fn what_waited_behind_a_handler_that_hangs_does_not_wait_there_again_while_others_are_full() {
        let mut crew = Crew::new(DispatcherOptions::new().lease(10 * BEAT));
        crew.join(2);
        crew.submit(1..=2);
        assert!(crew.hands[0].pop_job().is_some(), "it never ends");
        crew.join(1);
        crew.submit(3..=200);
        let (mut ends, mut done_at) = (Time::ZERO, None);
        let mut job = crew.hands[1].pop_job();
        crew.pass(40, |hands, now| {
            // each takes three heartbeats
            if now >= ends {
                if let Some(job) = job.take() {
                    hands[1].finish(now, &job, done(&job));
                    done_at = done_at.or((job.ticket.task == 2).then_some(now));
                }
                ends = now + 3 * BEAT;
            }
            job = job.take().or_else(|| hands[1].pop_job());
        });
        // the lease of the first, its own, and a turn of the other worker
        assert!(done_at.is_some_and(|at| at < 27 * BEAT), "{done_at:?}");
        assert_eq!(crew.hands[0].held().messages, 1, "there it is of no use to anything");
    }

    #[test]
    fn a_worker_whose_handler_ends_after_all_is_given_tasks_again() {
        let mut crew = Crew::new(DispatcherOptions::new().lease(10 * BEAT));
        crew.join(2);
        crew.submit(1..=2);
        let job = crew.hands[0].pop_job().expect("a task");
        crew.pass(25, |_, _| {});
        assert_eq!(crew.ledger.stats().in_flight, 0);
        crew.hands[0].finish(crew.now, &job, done(&job));
        crew.talk();
        let job = crew.hands[0].pop_job().expect("the second");
        crew.hands[0].finish(crew.now, &job, done(&job));
        crew.talk();
        assert_eq!(crew.ledger.stats().done, 2);
    }

    #[test]
    fn a_lease_does_not_end_while_its_task_is_on_its_way() {
        let mut pair = Pair::new();
        pair.ledger = Ledger::new(pair.ledger.terms.clone().lease(2 * BEAT), 7);
        pair.talk_until(Time::ZERO, BEAT);
        pair.submit(BEAT, 1..=1);
        let held_up = pair.downs(BEAT);
        for quarter in 5..=28 {
            // behind it there are the dispatcher's signs of life
            let now = quarter * BEAT / 4;
            drop(pair.downs(now));
            pair.hand.heard_at(now);
            let ups = pair.ups(now);
            pair.hear(now, ups);
            assert_eq!(pair.ledger.stats().expired, 0, "at {now:?}");
        }
        held_up.into_iter().for_each(|(message, object)| pair.hand.handle(7 * BEAT, message, object));
        let job = pair.hand.pop_job().expect("the task");
        pair.talk_until(7 * BEAT, 12 * BEAT);
        assert_eq!(pair.ledger.stats().expired, 1, "now it does");
        drop(job);
    }

    #[test]
    fn no_lease_ends_while_a_large_result_is_on_its_way() {
        let mut pair = Pair::new();
        pair.ledger = Ledger::new(pair.ledger.terms.clone().lease(2 * BEAT), 7);
        pair.talk_until(Time::ZERO, BEAT);
        pair.submit(BEAT, 1..=2);
        pair.talk_until(BEAT, 2 * BEAT);
        for _ in 1..=2 {
            let job = pair.hand.pop_job().expect("a task");
            pair.hand.finish(2 * BEAT, &job, Answer::Done(large()));
        }
        let mut ups = pair.ups(2 * BEAT);
        let later = ups.split_off(1);
        assert!(matches!(ups[0].0, Up::Progress { coming: 1.., .. }), "{ups:?}");
        pair.hear(2 * BEAT, ups);
        (9..=27).for_each(|quarter| pair.ledger.tick(quarter * BEAT / 4));
        pair.hear(7 * BEAT, later);
        assert_eq!((pair.ledger.stats().expired, pair.ledger.stats().done), (0, 2));
    }

    #[test]
    fn what_is_arriving_is_not_in_vain() {
        let mut crew = Crew::new(DispatcherOptions::new().lease(10 * BEAT).attempts(2));
        crew.join(1);
        crew.submit(1..=1);
        let job = crew.hands[0].pop_job().expect("the task");
        crew.pass(12, |_, _| {});
        crew.hands[0].finish(crew.now, &job, Answer::Done(large()));
        let (announcement, _) = crew.hands[0].pop_message().expect("an announcement");
        crew.ledger.handle(crew.now, &Peer::from_static(&[0]), announcement, None);
        crew.ledger.terms.liveness = 100 * BEAT;
        for _ in 0..4 * 60 {
            crew.now += BEAT / 4;
            crew.ledger.tick(crew.now);
        }
        crew.talk();
        let outcome = crew.ledger.pop_outcome().expect("an end");
        assert!(outcome.result().is_some(), "{outcome:?}");
    }

    #[test]
    fn a_task_that_could_not_be_sent_has_not_failed() {
        let mut crew = Crew::new(DispatcherOptions::new().attempts(1));
        (0..5).for_each(|_| crew.join(1));
        crew.ledger.submit(1, Multipart::new(vec![1], vec![]));
        for peer in 0..4_u8 {
            crew.now += MILLI;
            crew.ledger.tick(crew.now);
            crew.ledger.lose(crew.now, &Peer::copy_from_slice(&[peer]), Loss::Unreachable);
        }
        crew.ledger.tick(crew.now);
        let stats = crew.ledger.stats();
        assert_eq!((stats.in_flight, stats.dead, stats.workers), (1, 0, 1), "{stats:?}");
        // one that it was given before may have it
        crew.ledger.tick(crew.now + BEAT);
        crew.ledger.lose(crew.now + BEAT, &Peer::from_static(&[4]), Loss::Unreachable);
        assert_eq!(crew.ledger.stats().dead, 1);
    }

    #[test]
    fn leases_of_tasks_that_nobody_has_any_more_are_forgotten() {
        let mut crew = Crew::new(DispatcherOptions::new().lease(10 * BEAT));
        crew.join(200);
        crew.submit(1..=200);
        assert!(crew.hands[0].pop_job().is_some(), "it never ends");
        crew.pass(25, |_, _| {});
        assert_eq!(crew.ledger.stats().waiting, 200);
        crew.ledger.lose(crew.now, &Peer::from_static(&[0]), Loss::Disconnected);
        crew.hands.clear();
        crew.pass(25, |_, _| {});
    }

    #[test]
    fn an_announcement_stands_before_its_result_whatever_comes_between() {
        let mut pair = Pair::with_a_large_result();
        assert!(matches!(pair.hand.pop_message(), Some((Up::Progress { coming: 1.., .. }, None))));
        let said: Vec<_> = pair.ups(BEAT).into_iter().map(|(message, _)| message).collect();
        assert!(matches!(said[..], [Up::Beat(_), Up::Progress { coming: 1.., .. }, Up::Result { .. }]), "{said:?}");
    }

    #[test]
    fn a_result_that_was_not_sent_is_announced_again_in_the_next_session() {
        let mut pair = Pair::with_a_large_result();
        let (result, object) = pair.ups(Time::ZERO).pop().expect("the result");
        pair.hand.unsaid(result, object);
        pair.hand.cut(Time::ZERO);
        let hello = pair.ups(Time::ZERO);
        pair.hear(Time::ZERO, hello);
        pair.downs(Time::ZERO).into_iter().for_each(|(message, object)| pair.hand.handle(Time::ZERO, message, object));
        let said: Vec<_> = pair.ups(Time::ZERO).into_iter().map(|(message, _)| message).collect();
        assert!(matches!(said[..], [Up::Progress { coming: 1.., .. }, Up::Result { .. }]), "{said:?}");
    }

    #[test]
    fn a_worker_that_leaves_after_a_goodbye_waits_for_nobody_to_take_its_last_result() {
        let mut pair = Pair::joined();
        pair.submit(Time::ZERO, 1..=1);
        pair.talk(Time::ZERO);
        let job = pair.hand.pop_job().expect("the task");
        pair.hand.drain(Time::ZERO);
        pair.hand.handle(Time::ZERO, Down::Bye, None);
        assert_eq!(pair.ups(Time::ZERO).first(), Some(&(Up::Bye, None)));
        pair.hand.finish(MILLI, &job, Answer::Done(job.object.clone()));
        assert_eq!(pair.hand.ended(), Some(End::Left));
    }

    /// A large task, or a large result.
    fn large() -> Multipart {
        Multipart::new(vec![1], vec![vec![0; 5_000_000].into()])
    }

    #[test]
    fn while_a_large_task_is_on_its_way_its_worker_does_not_take_the_dispatcher_for_silent() {
        let mut pair = Pair::joined();
        pair.ledger.terms.task_bytes = 10 << 20;
        pair.hand = Hand::new(
            Time::ZERO,
            Terms {
                name: String::new(),
                capacity: Window { messages: 2, bytes: 10 << 20 },
                grace: BEAT,
                ends_with_dispatcher: false,
            },
            6,
        );
        pair.talk(Time::ZERO);
        pair.ledger.submit(1, large());
        let mut downs = pair.downs(Time::ZERO).into_iter();
        let (beat, task) = (downs.next().expect("an announcement"), downs.next().expect("the task"));
        assert_eq!(beat.0, Down::Beat { clock: 0, coming: 5_000_001 });
        pair.hand.handle(Time::ZERO, beat.0, None);
        let mut now = Time::ZERO;
        while now < LIVENESS + 5 * BEAT {
            pair.ups(now);
            assert!(!pair.hand.takes_socket(), "at {now:?}");
            now += BEAT / 4;
        }
        let mut late = pair.hand.next_tick().expect("a time");
        assert!(late <= now + BEAT);
        pair.hand.handle(now, task.0, task.1);
        assert!(pair.hand.pop_job().is_some());
        // and that was that
        while late < now + LIVENESS {
            pair.ups(late);
            assert!(!pair.hand.takes_socket());
            late += BEAT / 4;
        }
        pair.ups(now + LIVENESS);
        assert!(pair.hand.takes_socket());
    }

    #[test]
    fn while_a_large_result_is_on_its_way_its_worker_is_not_silent_and_its_lease_does_not_end() {
        for comes in [true, false] {
            let mut pair = Pair::new();
            pair.ledger = Ledger::new(pair.ledger.terms.clone().lease(2 * BEAT), 7);
            pair.talk(Time::ZERO);
            pair.submit(Time::ZERO, 1..=1);
            pair.talk(Time::ZERO);
            let job = pair.hand.pop_job().expect("the task");
            pair.hand.finish(Time::ZERO, &job, Answer::Done(large()));
            let mut ups = pair.ups(Time::ZERO).into_iter();
            let (announced, result) = (ups.next().expect("an announcement"), ups.next().expect("the result"));
            assert!(matches!(announced.0, Up::Progress { coming: 5_000_001, .. }), "{announced:?}");
            pair.hear(Time::ZERO, vec![announced]);
            let mut now = Time::ZERO;
            while now < LIVENESS + 5 * BEAT {
                pair.ledger.tick(now);
                assert_eq!((pair.ledger.stats().lost, pair.ledger.stats().expired), (0, 0), "at {now:?}");
                now += BEAT / 4;
            }
            if comes {
                pair.hear(now, vec![result]);
                assert_eq!(pair.ledger.pop_outcome().map(|outcome| outcome.attempts()), Some(1));
            } else {
                pair.ledger.tick(now + BEAT);
                assert_eq!(pair.ledger.stats().lost, 1);
            }
        }
    }

    #[test]
    fn an_announcement_that_could_not_be_sent_goes_out_before_its_result() {
        let mut pair = Pair::with_a_large_result();
        pair.ups(Time::ZERO).into_iter().rev().for_each(|(message, object)| pair.hand.unsaid(message, object));
        let said: Vec<_> = pair.ups(Time::ZERO).into_iter().map(|(message, _)| message).collect();
        assert!(matches!(said[..], [Up::Progress { coming: 1.., .. }, Up::Result { .. }]), "{said:?}");
    }

    #[test]
    fn a_dispatcher_that_says_goodbye_wants_nothing_any_more_of_what_runs() {
        let mut pair = Pair::joined();
        pair.submit(Time::ZERO, 1..=1);
        pair.talk(Time::ZERO);
        let job = pair.hand.pop_job().expect("the task");
        pair.hand.handle(Time::ZERO, Down::Bye, None);
        assert!(job.is_void.load(std::sync::atomic::Ordering::Relaxed));
        assert_eq!(pair.hand.ended(), None::<End>, "it stays for another dispatcher");
    }

    #[test]
    fn a_worker_that_leaves_waits_for_its_last_answers_to_be_heard_as_long_as_its_grace() {
        let mut pair = Pair::joined();
        pair.hand = Hand::new(
            Time::ZERO,
            Terms {
                name: String::new(),
                capacity: Window { messages: 2, bytes: 200 },
                grace: 10 * BEAT,
                ends_with_dispatcher: false,
            },
            6,
        );
        pair.talk(Time::ZERO);
        pair.submit(Time::ZERO, 1..=1);
        pair.talk(Time::ZERO);
        let job = pair.hand.pop_job().expect("the task");
        pair.hand.drain(Time::ZERO);
        pair.talk(Time::ZERO);
        pair.hand.finish(Time::ZERO, &job, Answer::Done(job.object.clone()));
        let last = pair.ups(Time::ZERO);
        assert!(matches!(last.last(), Some((Up::Bye, None))), "{last:?}");
        for now in 1..10 {
            // the dispatcher lives, and these are on their way
            pair.hand.handle(now * BEAT, Down::Beat { clock: 0, coming: 0 }, None);
            pair.hand.tick(now * BEAT);
            assert_eq!(pair.hand.ended(), None::<End>, "after {now} heartbeats");
        }
        pair.hear(9 * BEAT, last);
        pair.talk(9 * BEAT);
        assert_eq!((pair.hand.ended(), pair.ledger.stats().done), (Some(End::Left), 1));
    }

    #[test]
    fn leases_of_tasks_that_have_ended_are_forgotten_before_anybody_shows_a_sign_of_life() {
        let mut pair = Pair::new();
        pair.ledger = Ledger::new(pair.ledger.terms.clone().lease(10 * BEAT), 7);
        pair.talk(Time::ZERO);
        for task in 1..=1000 {
            pair.submit(BEAT / 2, task..=task);
            pair.talk(BEAT / 2);
            pair.finish(BEAT / 2);
            pair.talk(BEAT / 2);
            assert!(pair.ledger.pop_outcome().is_some());
            pair.ledger.read(super::super::Load { count: 1, bytes: 1 });
            pair.ledger.check();
        }
    }

    #[test]
    fn times_without_an_end_are_no_limit() {
        let mut pair = Pair::new();
        let options = DispatcherOptions::new().heartbeat(Time::MAX).liveness(Time::MAX).lease(Time::MAX);
        options.check().expect("they fit each other");
        assert!(options.clone().liveness(BEAT).check().is_err());
        pair.ledger = Ledger::new(options, 7);
        let capacity = Window { messages: 2, bytes: 1 << 30 };
        let terms = Terms { name: String::new(), capacity, grace: Time::MAX, ends_with_dispatcher: false };
        pair.hand = Hand::new(BEAT, terms, 5);
        pair.talk(BEAT);
        pair.submit(BEAT, 1..=2);
        pair.talk(BEAT);
        let job = pair.hand.pop_job().expect("a task");
        assert!(pair.hand.progress(&job));
        pair.talk(2 * BEAT);
        pair.hand.drain(2 * BEAT);
        pair.talk(2 * BEAT);
        assert_eq!((pair.hand.ended(), pair.hand.held().messages), (None, 1), "it waits for the handler");
        pair.hand.finish(3 * BEAT, &job, Answer::Done(job.object.clone()));
        pair.talk(3 * BEAT);
        assert_eq!((pair.hand.ended(), pair.ledger.stats().done), (Some(End::Left), 1));
        pair.ledger.close(3 * BEAT);
        assert!(pair.ledger.awaits_until().is_none());
    }

    #[test]
    fn a_task_that_no_worker_need_have_room_for_is_a_dead_letter_and_in_nobodys_way() {
        let mut pair = Pair::joined();
        pair.ledger.submit(1, Multipart::new(vec![1; 101], vec![]));
        pair.submit(BEAT, 2..=2);
        pair.talk(BEAT);
        let outcome = pair.ledger.pop_outcome().expect("the dead letter");
        let letter = outcome.dead_letter().expect("the dead letter");
        assert_eq!(outcome.attempts(), 0);
        assert_eq!(letter.failures[0].reason, "it has 101 bytes, and tasks have up to 100 here");
        pair.finish(BEAT);
        pair.talk(BEAT);
        assert!(pair.ledger.pop_outcome().is_some_and(|outcome| outcome.result().is_some()));
        pair.ledger.check();
    }

    #[test]
    fn a_task_that_is_declined_costs_no_other_one_anything() {
        let mut pair = Pair::joined();
        pair.submit(BEAT, 1..=2);
        for (message, object) in pair.downs(BEAT) {
            match message {
                Down::Task { ticket, .. } if ticket.task == 1 => pair.hand.decline(BEAT, &message, "too long"),
                message => pair.hand.handle(BEAT, message, object),
            }
        }
        let ups = pair.ups(BEAT);
        pair.hear(BEAT, ups);
        pair.ledger.tick(BEAT);
        let stats = pair.ledger.stats();
        assert_eq!((stats.delayed, stats.in_flight, stats.lost, stats.workers), (1, 1, 0, 1), "{stats:?}");
        pair.finish(BEAT);
        pair.talk(BEAT);
        assert_eq!(pair.ledger.pop_outcome().map(|outcome| outcome.attempts()), Some(1));
    }

    #[test]
    fn a_handler_that_is_getting_on_is_told_of_now_and_then_where_there_is_a_lease() {
        let mut pair = Pair::new();
        pair.ledger = Ledger::new(pair.ledger.terms.clone().lease(10 * BEAT), 7);
        pair.talk(Time::ZERO);
        pair.submit(BEAT / 2, 1..=1);
        pair.talk(BEAT / 2);
        let job = pair.hand.pop_job().expect("a task");
        let said = |ups: &[(Up, Option<Multipart>)]| {
            ups.iter().filter(|(message, _)| matches!(message, Up::Progress { .. })).count()
        };
        assert!(pair.hand.progress(&job), "there is something to say");
        assert!(!(0..1000).any(|_| pair.hand.progress(&job)), "there is nothing new to say");
        let ups = pair.ups(BEAT);
        assert_eq!(said(&ups), 1);
        ups.into_iter().rev().for_each(|(message, object)| pair.hand.unsaid(message, object));
        assert_eq!(said(&pair.ups(BEAT)), 1, "it was not said");
        assert!(pair.hand.progress(&job), "and now it was");
        assert_eq!(said(&pair.ups(BEAT)), 0, "it was said just now");
        assert_eq!(pair.hand.next_tick(), Some(BEAT + BEAT / 4));
        assert_eq!(said(&pair.ups(BEAT + BEAT / 4)), 1);
        assert!(pair.hand.progress(&job));
        pair.hand.cut(BEAT);
        assert!(!pair.hand.progress(&job), "there is nobody to tell");
        pair.talk(BEAT);
        assert!(pair.hand.is_joined() && said(&pair.ups(BEAT)) == 0);
        assert!(pair.hand.progress(&job), "there is somebody again");
        pair.hand.finish(BEAT, &job, Answer::Done(job.object.clone()));
        assert_eq!(said(&pair.ups(2 * BEAT)), 0, "the answer says more");
    }

    #[test]
    fn nobody_is_told_of_progress_that_nobody_wants_to_know_of() {
        for (lease, cancels, tells) in
            [(None, false, false), (Some(10 * BEAT), false, true), (Some(10 * BEAT), true, false)]
        {
            let mut pair = Pair::new();
            pair.ledger.terms.lease = lease;
            pair.talk(Time::ZERO);
            pair.submit(BEAT, 1..=1);
            pair.talk(BEAT);
            let job = pair.hand.pop_job().expect("a task");
            if cancels {
                pair.ledger.cancel(1);
                pair.talk(BEAT);
            }
            assert_eq!(pair.hand.progress(&job), tells, "{lease:?} {cancels}");
        }
    }

    #[test]
    fn a_task_that_nobody_takes_is_handed_out_ever_more_rarely() {
        let mut pair = Pair::joined();
        pair.submit(Time::ZERO, 1..=1);
        let mut given = Vec::new();
        for centis in 0..=800 {
            let now = centis * 10 * MILLI;
            pair.talk(now);
            while let Some(job) = pair.hand.pop_job() {
                given.push(now.as_millis());
                assert!(given.len() < 20, "{given:?}");
                let reason = "not mine".to_owned();
                pair.hand.finish(now, &job, Answer::Undone { fault: Fault::Returned, delay: None, reason });
                pair.talk(now);
            }
        }
        assert_eq!(given, [0, 0, 100, 300, 700, 1500, 2500, 3500, 4500, 5500, 6500, 7500]);
        pair.ledger.check();
        pair.talk(9 * BEAT);
        // who leaves hands back without a pause for others
        pair.hand.drain(9 * BEAT);
        pair.talk(9 * BEAT);
        assert_eq!((pair.hand.ended(), pair.ledger.stats().waiting), (Some(End::Left), 1));
        let another = Pair::new();
        pair.hand = another.hand;
        pair.talk(9 * BEAT);
        pair.finish(9 * BEAT);
        pair.talk(9 * BEAT);
        assert_eq!(pair.ledger.pop_outcome().map(|outcome| outcome.attempts()), Some(1));
    }

    #[test]
    fn a_task_that_was_cancelled_and_is_given_again_is_wanted_again() {
        let mut pair = Pair::joined();
        pair.submit(BEAT, 1..=1);
        pair.talk(BEAT);
        let job = pair.hand.pop_job().expect("a task");
        pair.hand.handle(BEAT, Down::Cancel { ticket: job.ticket }, None);
        assert!(job.is_void.load(std::sync::atomic::Ordering::Relaxed));
        let (session, ticket) = (1, Ticket { task: 1, delivery: 2 });
        pair.hand.handle(BEAT, Down::Task { session, ticket, attempt: 2 }, Some(job.object.clone()));
        assert!(!job.is_void.load(std::sync::atomic::Ordering::Relaxed));
    }

    #[test]
    fn a_task_that_was_lost_on_the_way_is_handed_out_again() {
        let mut pair = Pair::joined();
        pair.submit(BEAT / 2, 1..=1);
        assert!(pair.downs(BEAT / 2).iter().any(|(message, _)| matches!(message, Down::Task { .. })));
        pair.talk_until(BEAT, 4 * BEAT);
        let stats = pair.ledger.stats();
        assert_eq!((stats.missing, stats.redelivered, stats.in_flight), (1, 1, 1), "{stats:?}");
        pair.finish(4 * BEAT);
        pair.talk(4 * BEAT);
        assert_eq!(pair.ledger.pop_outcome().map(|outcome| outcome.attempts()), Some(2));
    }

    #[test]
    fn a_task_that_was_lost_is_missed_though_one_of_its_number_runs_for_a_former_dispatcher() {
        let mut pair = Pair::joined();
        pair.submit(BEAT / 2, 1..=1);
        pair.talk(BEAT / 2);
        let job = pair.hand.pop_job().expect("the former one's");
        pair.hand.handle(BEAT / 2, Down::Bye, None);
        pair.ledger = Ledger::new(pair.ledger.terms.clone(), 8);
        pair.talk_until(BEAT / 2, 2 * BEAT);
        assert!(pair.hand.is_joined());
        pair.submit(2 * BEAT, 1..=1);
        assert!(pair.downs(2 * BEAT).iter().any(|(message, _)| matches!(message, Down::Task { .. })));
        pair.talk_until(2 * BEAT + MILLI, 6 * BEAT);
        assert_eq!(pair.ledger.stats().missing, 1);
        pair.hand.finish(6 * BEAT, &job, Answer::Done(job.object.clone()));
        assert!(pair.ledger.pop_outcome().is_none(), "that answer is for nobody");
        pair.talk_until(6 * BEAT, 8 * BEAT);
        pair.finish(8 * BEAT);
        pair.talk(8 * BEAT);
        assert!(pair.ledger.pop_outcome().is_some());
    }

    #[test]
    fn a_task_whose_answer_was_lost_is_handed_out_again_and_no_room_is_lost() {
        let mut pair = Pair::joined();
        pair.submit(BEAT / 2, 1..=2);
        pair.talk(BEAT / 2);
        pair.ledger.cancel(2);
        pair.finish(BEAT / 2);
        pair.finish(BEAT / 2);
        assert_eq!(pair.ups(BEAT / 2).len(), 2, "two answers, which are lost");
        pair.talk_until(BEAT, 4 * BEAT);
        let stats = pair.ledger.stats();
        assert_eq!((stats.missing, stats.redelivered, stats.in_flight, stats.cancelled), (2, 1, 1, 1), "{stats:?}");
        pair.submit(4 * BEAT, 3..=3);
        pair.talk(4 * BEAT);
        assert_eq!(pair.hand.held().messages, 2, "all of its room is used");
    }

    #[test]
    fn a_task_that_takes_long_is_not_missing_and_neither_is_one_whose_answer_has_not_left() {
        let mut pair = Pair::joined();
        pair.submit(BEAT / 2, 1..=2);
        pair.talk(BEAT / 2);
        let job = pair.hand.pop_job().expect("the first");
        pair.talk_until(BEAT, 9 * BEAT);
        pair.hand.finish(9 * BEAT, &job, Answer::Done(job.object.clone()));
        let (answer, object) = pair.hand.pop_message().expect("the answer");
        pair.hand.unsaid(answer, object);
        for now in [10 * BEAT, 11 * BEAT, 12 * BEAT, 13 * BEAT] {
            // the socket takes signs of life, which go first, and nothing else
            let (beat, rest): (Vec<_>, Vec<_>) =
                pair.ups(now).into_iter().partition(|(message, _)| matches!(message, Up::Beat(_)));
            rest.into_iter().rev().for_each(|(message, object)| pair.hand.unsaid(message, object));
            pair.hear(now, beat);
            pair.downs(now).into_iter().for_each(|(message, object)| pair.hand.handle(now, message, object));
        }
        pair.talk(13 * BEAT);
        let stats = pair.ledger.stats();
        assert_eq!((stats.missing, stats.redelivered, stats.done, stats.in_flight), (0, 0, 1, 1), "{stats:?}");
    }

    #[test]
    fn an_answer_that_was_overtaken_by_one_account_is_not_lost() {
        let mut pair = Pair::joined();
        pair.submit(BEAT / 2, 1..=1);
        pair.talk_until(BEAT / 2, 3 * BEAT);
        pair.finish(3 * BEAT);
        let late = pair.ups(3 * BEAT);
        pair.talk(4 * BEAT);
        pair.hear(4 * BEAT + MILLI, late);
        pair.talk_until(5 * BEAT, 9 * BEAT);
        let stats = pair.ledger.stats();
        assert_eq!((stats.missing, stats.redelivered, stats.done), (0, 0, 1), "{stats:?}");
    }

    #[test]
    fn a_worker_with_room_for_more_than_a_beat_names_has_nothing_missing() {
        let mut pair = Pair::new();
        let most = 2 * MAX_NAMED;
        let options = DispatcherOptions::new().heartbeat(BEAT).liveness(LIVENESS).task_bytes(100);
        pair.ledger = Ledger::new(options.in_flight(most as u32).unread(most, u64::MAX), 7);
        let capacity = Window { messages: most as u64, bytes: most as u64 };
        let terms = Terms { name: String::new(), capacity, grace: BEAT, ends_with_dispatcher: false };
        pair.hand = Hand::new(Time::ZERO, terms, 5);
        pair.talk(Time::ZERO);
        pair.submit(BEAT / 2, 1..=MAX_NAMED as u64 + 1000);
        pair.talk_until(BEAT / 2, 4 * BEAT);
        let stats = pair.ledger.stats();
        assert_eq!((stats.missing, stats.redelivered, stats.in_flight), (0, 0, MAX_NAMED as u64), "{stats:?}");
    }

    #[test]
    fn a_beat_that_cannot_name_all_gives_no_account() {
        let mut pair = Pair::joined();
        let capacity = Window { messages: u64::MAX, bytes: u64::MAX };
        let terms = Terms { name: String::new(), capacity, grace: BEAT, ends_with_dispatcher: false };
        pair.hand = Hand::new(Time::ZERO, terms, 6);
        pair.talk(Time::ZERO);
        for (task, accounts) in [(1..=MAX_NAMED as u64, true), (0..=0, false)] {
            for task in task {
                let ticket = Ticket { task, delivery: 1 };
                let object = Some(Multipart::new(vec![1], vec![]));
                pair.hand.handle(Time::ZERO, Down::Task { session: 1, ticket, attempt: 1 }, object);
            }
            let Up::Beat(beat) = pair.hand.beat() else { panic!("no beat") };
            assert_eq!(beat.account.is_some(), accounts, "with {} tasks", pair.hand.held().messages);
        }
    }

    #[test]
    fn a_worker_of_an_earlier_release_gives_no_account_and_loses_nothing() {
        let mut pair = Pair::joined();
        pair.submit(BEAT / 2, 1..=1);
        pair.downs(BEAT / 2);
        let window = Window { messages: 2, bytes: 200 };
        for beat in 1..9 {
            let beat_of_old = Beat { session: 1, window, waiting: vec![], account: None };
            pair.hear(beat * BEAT, vec![(Up::Beat(beat_of_old), None)]);
            pair.downs(beat * BEAT);
        }
        assert_eq!(pair.ledger.stats().missing, 0);
    }

    #[test]
    fn a_hello_that_comes_after_its_session_was_given_up_gives_no_credit() {
        let mut pair = Pair::new();
        let hello = pair.ups(Time::ZERO);
        // the welcome takes so long that hello is said again; that takes longer still
        pair.hear(Time::ZERO, hello);
        let late = pair.ups(BEAT / 2);
        assert!(matches!(late[..], [(Up::Hello(Hello { session: 1, .. }), None)]), "{late:?}");
        pair.submit(BEAT / 2, 1..=4);
        pair.downs(BEAT / 2).into_iter().for_each(|(message, object)| pair.hand.handle(BEAT / 2, message, object));
        assert_eq!(pair.hand.held().messages, 2);
        for quarter in 3..=16 {
            pair.downs(quarter * BEAT / 4);
        }
        assert_eq!(pair.ledger.stats().lost, 1, "it was silent for too long");
        pair.hear(4 * BEAT, late);
        let said = pair.downs(4 * BEAT);
        assert!(matches!(said[..], [(Down::Who { session: 1 }, None)]), "{said:?}");
        // it drops what has not begun, and has a session with all of its room
        said.into_iter().for_each(|(message, object)| pair.hand.handle(4 * BEAT, message, object));
        pair.talk(4 * BEAT);
        assert!(pair.hand.is_joined());
        assert_eq!((pair.hand.held().messages, pair.ledger.stats().in_flight), (2, 2));
    }

    #[test]
    fn a_worker_that_is_not_welcome_yet_is_asked_for_its_next_session_too() {
        let mut pair = Pair::new();
        let hello = pair.ups(Time::ZERO);
        pair.hear(Time::ZERO, hello);
        pair.downs(Time::ZERO); // lost, the welcome too
        for quarter in 1..=16 {
            pair.downs(quarter * BEAT / 4);
        }
        pair.talk(4 * BEAT);
        assert!(pair.hand.is_joined());
        let sessions: Vec<u64> = pair.ledger.roster().iter().map(|(_, member)| member.session).collect();
        assert_eq!(sessions, [2]);
    }

    #[test]
    fn what_is_remembered_of_sessions_is_bounded() {
        let mut pair = Pair::new();
        pair.ledger.terms.workers = 3;
        let (hello, _) = pair.ups(Time::ZERO).pop().expect("a hello");
        for number in 0..100_u64 {
            let peer = Peer::copy_from_slice(&number.to_be_bytes());
            let Up::Hello(hello) = hello.clone() else { panic!("no hello") };
            pair.ledger.handle(Time::ZERO, &peer, Up::Hello(Hello { worker: number, ..hello }), None);
            pair.ledger.lose(Time::ZERO, &peer, Loss::Silent);
            assert!(pair.ledger.roster.remembered() <= 3);
        }
        let last = Peer::copy_from_slice(&99_u64.to_be_bytes());
        pair.ledger.lose(Time::ZERO, &last, Loss::Disconnected);
        assert_eq!(pair.ledger.roster.remembered(), 2, "the end of a connection is the end of that");
    }

    #[test]
    fn a_task_too_many_is_handed_back() {
        let mut pair = Pair::joined();
        pair.submit(Time::ZERO, 1..=2);
        let tasks = pair.downs(Time::ZERO);
        tasks.clone().into_iter().for_each(|(message, object)| pair.hand.handle(Time::ZERO, message, object));
        assert_eq!(pair.hand.held().messages, 2);
        let (ticket, object) = (Ticket { task: 3, delivery: 1 }, tasks.into_iter().find_map(|(_, object)| object));
        pair.hand.handle(Time::ZERO, Down::Task { session: 1, ticket, attempt: 1 }, object);
        assert_eq!(pair.hand.held().messages, 2);
        let said = pair.ups(Time::ZERO);
        assert!(
            matches!(&said[..], [(Up::Nak(Nak { fault, reason, .. }), None)]
                if *fault == Fault::Returned && reason == NO_ROOM),
            "{said:?}"
        );
    }

    #[test]
    fn a_worker_that_leaves_before_it_has_read_its_welcome_costs_no_task_an_attempt() {
        let mut pair = Pair::new();
        let hello = pair.ups(Time::ZERO);
        pair.hear(Time::ZERO, hello);
        pair.submit(Time::ZERO, 1..=2);
        assert_eq!(pair.ledger.stats().in_flight, 2);
        pair.hand.drain(MILLI);
        assert!(!pair.hand.is_ended(), "it waits for an answer to its goodbye");
        pair.talk(MILLI);
        assert_eq!(pair.hand.ended(), Some(End::Left));
        pair.ledger.lose(MILLI, &pair.peer, Loss::Disconnected);
        let stats = pair.ledger.stats();
        assert_eq!((stats.waiting, stats.lost, stats.workers), (2, 0, 0), "{stats:?}");
        assert!(pair.ledger.tasks.values().all(|entry| entry.attempts == 0));
    }

    #[test]
    fn a_worker_that_nobody_hears_leaves_at_once() {
        let mut pair = Pair::new();
        pair.hand.drain(Time::ZERO);
        assert!(pair.hand.is_ended(), "it has said hello to nobody");
        let mut pair = Pair::new();
        pair.hand.tick(Time::ZERO);
        pair.hand.drain(Time::ZERO);
        assert!(pair.hand.is_ended(), "its hello has not left");
        let mut pair = Pair::new();
        pair.ups(Time::ZERO).into_iter().for_each(|(message, object)| pair.hand.unsaid(message, object));
        pair.hand.drain(Time::ZERO);
        assert!(pair.hand.is_ended(), "it could say hello to nobody");
        let mut pair = Pair::new();
        pair.ups(Time::ZERO);
        pair.hand.drain(Time::ZERO);
        pair.ups(Time::ZERO).into_iter().for_each(|(message, object)| pair.hand.unsaid(message, object));
        assert_eq!(pair.hand.next_tick(), Some(Time::ZERO));
        pair.hand.tick(Time::ZERO);
        assert!(pair.hand.is_ended(), "it could say its goodbye to nobody");
    }

    #[test]
    fn a_goodbye_is_answered_by_a_worker_whose_hello_was_under_way() {
        let mut pair = Pair::new();
        let hello = pair.ups(Time::ZERO);
        pair.ledger.close(Time::ZERO);
        pair.hear(Time::ZERO, hello);
        assert!(pair.ledger.awaits_until().is_some());
        pair.talk(Time::ZERO);
        assert_eq!(pair.ledger.awaits_until(), None, "nobody is waited for");
        assert_eq!(pair.hand.ended(), None::<End>, "it stays for another dispatcher");
        // once is enough: two that answer each other's answers would never end
        pair.hand.handle(MILLI, Down::Bye, None);
        assert_eq!(pair.ups(MILLI), []);
    }

    #[test]
    fn an_answer_to_a_goodbye_is_awaited_until_two_signs_of_life_are_due() {
        let mut pair = Pair::joined();
        pair.talk_until(Time::ZERO, 2 * BEAT);
        for quarter in 9..=11 {
            pair.downs(quarter * BEAT / 4);
        }
        pair.ledger.close(11 * BEAT / 4);
        assert_eq!(pair.ledger.awaits_until(), Some(4 * BEAT), "it was heard of after two heartbeats");
    }

    #[test]
    fn an_answer_to_a_goodbye_has_a_tenth_of_a_second_however_short_a_heartbeat_is() {
        let mut pair = Pair::joined();
        pair.ledger.terms.heartbeat = MILLI;
        pair.ledger.close(Time::ZERO);
        assert_eq!(pair.ledger.awaits_until(), Some(OVERDUE));
    }

    #[test]
    fn a_dispatcher_that_was_stopped_itself_takes_nobody_for_overdue() {
        let mut pair = Pair::joined();
        pair.ledger.close(100 * BEAT);
        assert_eq!(pair.ledger.awaits_until(), Some(102 * BEAT));
    }

    #[test]
    fn what_is_lost_as_often_as_it_may_fail_is_a_dead_letter() {
        let mut pair = Pair::joined();
        pair.submit(BEAT / 2, 1..=1);
        for quarter in 2..200 {
            let now = quarter * BEAT / 4;
            let ups = pair.ups(now);
            pair.hear(now, ups);
            let downs = pair.downs(now).into_iter().filter(|(message, _)| !matches!(message, Down::Task { .. }));
            downs.collect::<Vec<_>>().into_iter().for_each(|(message, object)| pair.hand.handle(now, message, object));
        }
        let outcome = pair.ledger.pop_outcome().expect("an end");
        let Ending::Dead(letter) = outcome.ending() else { panic!("{outcome:?}") };
        assert_eq!((letter.failures.len(), outcome.attempts()), (5, 5));
        assert_eq!(letter.failures[0].reason, "the task or its answer was lost on the way");
    }
}
