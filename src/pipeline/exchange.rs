//! `Exchange`: where the program's threads and the dispatcher's own meet. Tasks go in, outcomes come out, both bounded.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::bell::Bell;
use super::finished::{Load, weight};
use super::options::Quota;
use super::outcome::{Ending, Outcome};
use super::sign::Sign;
use super::stats::Stats;
use crate::error::{Detail, Error, Result};
use crate::multipart::Multipart;

#[derive(Debug)]
pub(super) struct Exchange {
    state: Mutex<State>,
    pub(super) room: Sign,
    pub(super) outcome: Sign,
    bell: Bell,
    backlog: Quota,
    task_bytes: u64,
}

#[derive(Debug)]
struct State {
    orders: Vec<Order>,
    outcomes: VecDeque<Outcome>,
    /// Outcomes that were read since the dispatcher's thread last looked.
    read: Load,
    next_task: u64,
    /// Tasks without an outcome, and those that were cancelled and of which that was not read.
    open: usize,
    open_bytes: u64,
    /// Whether the dispatcher's thread waits for the bell.
    is_asleep: bool,
    /// Whether it waits for outcomes to be read.
    wants_room: bool,
    stage: Stage,
    /// Whether the program has let go of it, whatever stage it was in.
    is_dropped: bool,
    stats: Stats,
}

/// What the program wants of the dispatcher's thread.
#[derive(Debug)]
pub(super) enum Order {
    Submit(u64, Multipart),
    Cancel(u64),
}

/// How far along the dispatcher is.
#[derive(Debug)]
enum Stage {
    Open,
    /// No further tasks.
    Closed,
    /// Its thread ends or has ended, for this reason.
    Failed(String),
}

/// How long a call may wait.
#[derive(Clone, Copy, Debug)]
pub(super) enum Patience {
    None,
    For(Duration),
    Forever,
}

impl Exchange {
    pub(super) fn new(backlog: Quota, task_bytes: u64, first_task: u64) -> Result<Self> {
        let state = State {
            orders: Vec::new(),
            outcomes: VecDeque::new(),
            read: Load::default(),
            next_task: first_task,
            open: 0,
            open_bytes: 0,
            is_asleep: false,
            wants_room: false,
            stage: Stage::Open,
            is_dropped: false,
            stats: Stats::default(),
        };
        let (room, outcome, bell) = (Sign::default(), Sign::default(), Bell::new()?);
        Ok(Self { state: Mutex::new(state), room, outcome, bell, backlog, task_bytes })
    }

    /// Tasks of an earlier dispatcher, before anything else.
    #[cfg(feature = "journal")]
    pub(super) fn restore(&self, tasks: Vec<(u64, Multipart)>, next: u64) {
        let mut state = self.lock();
        state.next_task = next;
        for (task, message) in tasks {
            state.open += 1;
            state.open_bytes += message.total_len() as u64;
            state.orders.push(Order::Submit(task, message));
        }
    }

    pub(super) fn bell(&self) -> &Bell {
        &self.bell
    }

    /// Takes a task once there is room for it. `record` is called with its id before anyone else hears of it.
    pub(super) fn submit(
        &self,
        message: Multipart,
        patience: Patience,
        record: impl FnOnce(u64, &Multipart),
    ) -> Result<u64> {
        let give_back = |error: Error, message: Multipart| Err(error.with_payload(Box::new(message)));
        let bytes = message.total_len() as u64;
        if bytes > self.task_bytes {
            let detail = Detail::TaskTooLong { len: bytes, limit: self.task_bytes };
            return give_back(detail.into(), message);
        }
        let deadline = Deadline::start(patience);
        let mut state = self.lock();
        loop {
            match &state.stage {
                Stage::Open => {}
                Stage::Closed => return give_back(Detail::DispatcherClosed.into(), message),
                Stage::Failed(reason) => return give_back(ended(reason), message),
            }
            let fits =
                state.open < self.backlog.messages && state.open_bytes.saturating_add(bytes) <= self.backlog.bytes;
            // what is larger than the whole backlog goes alone
            if fits || state.open == 0 {
                break;
            }
            state = match deadline.wait(&self.room, state, "submit a task") {
                Ok(state) => state,
                Err(error) => return give_back(error, message),
            };
        }
        let task = state.next_task;
        state.next_task += 1;
        state.open += 1;
        state.open_bytes += bytes;
        record(task, &message);
        state.orders.push(Order::Submit(task, message));
        self.wake(state);
        Ok(task)
    }

    pub(super) fn cancel(&self, task: u64) {
        let mut state = self.lock();
        // nobody would ever take it
        if !state.is_over() {
            state.orders.push(Order::Cancel(task));
            self.wake(state);
        }
    }

    /// The next outcome; `None` when there will be none any more.
    pub(super) fn recv(&self, patience: Patience) -> Result<Option<Outcome>> {
        let deadline = Deadline::start(patience);
        let mut state = self.lock();
        loop {
            if let Some(outcome) = state.outcomes.pop_front() {
                state.read.count += 1;
                state.read.bytes += weight(&outcome);
                let was_cancelled = matches!(outcome.ending, Ending::Cancelled);
                state.open -= usize::from(was_cancelled);
                if state.wants_room {
                    self.wake(state);
                } else {
                    drop(state);
                }
                if was_cancelled {
                    self.room.notify_all();
                    self.outcome.notify_all();
                }
                return Ok(Some(outcome));
            }
            match &state.stage {
                Stage::Failed(reason) => return Err(ended(reason)),
                Stage::Closed if state.open == 0 => return Ok(None),
                _ => state = deadline.wait(&self.outcome, state, "receive an outcome")?,
            }
        }
    }

    /// No further tasks.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        if matches!(state.stage, Stage::Open) {
            state.stage = Stage::Closed;
        }
        drop(state);
        self.room.notify_all();
        self.outcome.notify_all();
    }

    /// Nothing at all any more.
    pub(super) fn drop_all(&self) {
        let mut state = self.lock();
        if matches!(state.stage, Stage::Open) {
            state.stage = Stage::Closed;
        }
        state.is_dropped = true;
        self.wake(state);
        self.room.notify_all();
    }

    /// What was read since the dispatcher's thread last told is read, whether or not it has looked.
    pub(super) fn stats(&self) -> Stats {
        let state = self.lock();
        Stats { unread: state.stats.unread - state.read.count as u64, ..state.stats }
    }

    /// The dispatcher's thread looks in: what is wanted of it, and what was read. `None` when it is to end.
    pub(super) fn look(&self, orders: &mut Vec<Order>) -> Option<Load> {
        let mut state = self.lock();
        state.is_asleep = false;
        mem::swap(orders, &mut state.orders);
        if state.is_over() {
            return None;
        }
        let read = mem::take(&mut state.read);
        state.stats.unread -= read.count as u64;
        Some(read)
    }

    /// The dispatcher's thread brings outcomes, and how much of the backlog is done with.
    pub(super) fn bring(&self, outcomes: &mut VecDeque<Outcome>, done: Load, wants_room: bool, stats: Stats) {
        let mut state = self.lock();
        state.open -= done.count;
        state.open_bytes -= done.bytes;
        state.wants_room = wants_room;
        state.stats = stats;
        let has_outcomes = !outcomes.is_empty();
        state.outcomes.append(outcomes);
        drop(state);
        // what was cancelled gives back its bytes before its place
        if done.count > 0 || done.bytes > 0 {
            self.room.notify_all();
        }
        if has_outcomes || done.count > 0 {
            self.outcome.notify_all();
        }
    }

    /// Whether the dispatcher's thread may wait for the bell, which then is rung for it.
    pub(super) fn may_sleep(&self) -> bool {
        let mut state = self.lock();
        let news = !state.orders.is_empty() || (state.wants_room && state.read.count > 0) || state.is_over();
        state.is_asleep = !news;
        !news
    }

    /// The dispatcher's thread has ended, or is to end because there is no journal any more. The first reason is kept.
    pub(super) fn fail(&self, reason: String) {
        let mut state = self.lock();
        if !matches!(state.stage, Stage::Failed(_)) {
            state.stage = Stage::Failed(reason);
        }
        self.wake(state);
        self.room.notify_all();
        self.outcome.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // nothing here panics halfway
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, mut state: MutexGuard<'_, State>) {
        if mem::take(&mut state.is_asleep) {
            drop(state);
            self.bell.ring();
        }
    }
}

impl State {
    /// Whether the dispatcher's thread is to end.
    fn is_over(&self) -> bool {
        self.is_dropped || matches!(self.stage, Stage::Failed(_))
    }
}

fn ended(reason: &str) -> Error {
    Detail::DispatcherFailed { reason: reason.to_owned() }.into()
}

/// The end of a wait.
struct Deadline {
    patience: Patience,
    started: Instant,
}

impl Deadline {
    fn start(patience: Patience) -> Self {
        Self { patience, started: Instant::now() }
    }

    /// Waits for a sign, or fails when the time is up.
    fn wait<'s>(
        &self,
        sign: &Sign,
        state: MutexGuard<'s, State>,
        operation: &'static str,
    ) -> Result<MutexGuard<'s, State>> {
        let left = match self.patience {
            Patience::None => return Err(Detail::WouldBlock { operation }.into()),
            Patience::Forever => return Ok(sign.wait(state)),
            Patience::For(after) => match after.checked_sub(self.started.elapsed()) {
                None | Some(Duration::ZERO) => return Err(Detail::TimedOut { operation, after }.into()),
                Some(left) => left,
            },
        };
        Ok(sign.wait_for(state, left))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::super::outcome::{Ending, TaskId};
    use super::*;

    #[test]
    fn what_was_read_is_not_unread_whether_or_not_its_thread_has_looked() {
        let exchange = Exchange::new(Quota { messages: 3, bytes: 1 }, 1, 1).unwrap();
        let ending = || Ending::Done(Multipart::new(vec![1], vec![]));
        let outcome = |task| Outcome { task: TaskId(task), attempts: 0, ending: ending(), receipt: None };
        // three that nobody has read, of which one is not here yet
        let mut outcomes: VecDeque<Outcome> = (1..=2).map(outcome).collect();
        exchange.bring(&mut outcomes, Load::default(), false, Stats { unread: 3, ..Stats::default() });
        let read = || exchange.recv(Patience::None).unwrap().is_some();
        assert!(read() && exchange.stats().unread == 2);
        assert_eq!(exchange.look(&mut Vec::new()).unwrap().count, 1);
        assert_eq!(exchange.stats().unread, 2);
        assert!(read() && exchange.stats().unread == 1);
        exchange.bring(&mut outcomes, Load::default(), false, Stats { unread: 2, ..Stats::default() });
        assert_eq!(exchange.stats().unread, 1);
    }

    #[test]
    fn what_was_cancelled_has_its_place_in_the_backlog_until_that_is_read() {
        let exchange = Exchange::new(Quota { messages: 2, bytes: 100 }, 10, 1).unwrap();
        let submit = || exchange.submit(Multipart::new(vec![1], vec![]), Patience::None, |_, _| {});
        assert!(submit().is_ok() && submit().is_ok() && submit().unwrap_err().is_timeout());
        let cancelled = |task| Outcome { task: TaskId(task), attempts: 0, ending: Ending::Cancelled, receipt: None };
        exchange.bring(&mut [cancelled(1)].into(), Load { count: 0, bytes: 1 }, false, Stats::default());
        assert!(submit().unwrap_err().is_timeout());
        assert!(exchange.recv(Patience::None).unwrap().is_some());
        assert!(submit().is_ok());
        exchange.close();
        exchange.bring(&mut [cancelled(2), cancelled(3)].into(), Load::default(), false, Stats::default());
        assert!((0..2).all(|_| exchange.recv(Patience::None).unwrap().is_some()));
        assert!(exchange.recv(Patience::None).unwrap().is_none(), "that was all");
    }

    #[cfg(feature = "tokio")]
    #[test]
    fn who_waits_for_room_hears_of_the_bytes_that_a_cancelled_task_gives_back() {
        let exchange = Exchange::new(Quota { messages: 10, bytes: 2 }, 10, 1).unwrap();
        let submit = |patience| exchange.submit(Multipart::new(vec![1], vec![]), patience, |_, _| {});
        assert!(submit(Patience::None).is_ok() && submit(Patience::None).is_ok());
        assert!(submit(Patience::None).unwrap_err().is_timeout());
        let mut given = std::pin::pin!(exchange.room.given());
        assert!(!given.as_mut().enable());
        let cancelled = Outcome { task: TaskId(1), attempts: 0, ending: Ending::Cancelled, receipt: None };
        exchange.bring(&mut [cancelled].into(), Load { count: 0, bytes: 1 }, false, Stats::default());
        assert!(given.as_mut().enable(), "nobody is told");
        assert_eq!(submit(Patience::None).unwrap(), 3);
    }

    #[test]
    fn its_thread_is_to_end_when_it_failed_and_when_it_was_let_go_of_in_any_order() {
        let exchange = || Exchange::new(Quota { messages: 1, bytes: 1 }, 1, 1).unwrap();
        let (failed, dropped, both) = (exchange(), exchange(), exchange());
        assert!(failed.look(&mut Vec::new()).is_some() && failed.may_sleep());
        failed.fail("the first reason".to_owned());
        failed.fail("another".to_owned());
        dropped.drop_all();
        both.fail("the journal".to_owned());
        both.drop_all();
        for over in [&failed, &dropped, &both] {
            assert!(!over.may_sleep() && over.look(&mut Vec::new()).is_none());
        }
        failed.cancel(1);
        assert!(failed.lock().orders.is_empty(), "nobody would take it");
        assert!(failed.recv(Patience::Forever).unwrap_err().to_string().contains("the first reason"));
        let error = failed.submit(Multipart::new(vec![1], vec![]), Patience::Forever, |_, _| {}).unwrap_err();
        assert!(error.into_message().is_some());
    }
}
