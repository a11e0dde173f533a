//! `Bench`: where a worker's threads and the one with its socket meet.

use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::bell::Bell;
use super::hand::{Answer, End, Hand, Job, Terms};
use super::message::Time;
use super::sign::Sign;
use crate::error::Result;

#[derive(Debug)]
pub(super) struct Bench {
    state: Mutex<State>,
    pub(super) job: Sign,
    bell: Bell,
    started: Instant,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) hand: Hand,
    /// Whether the thread with the socket waits for the bell.
    is_asleep: bool,
    /// Handlers that are at work, whether or not their tasks are still held.
    busy: usize,
}

impl State {
    fn pop_job(&mut self) -> Option<Job> {
        let job = self.hand.pop_job()?;
        self.busy += 1;
        Some(job)
    }
}

impl Bench {
    pub(super) fn new(terms: Terms, worker: u64) -> Result<Self> {
        let state = State { hand: Hand::new(Time::ZERO, terms, worker), is_asleep: false, busy: 0 };
        Ok(Self { state: Mutex::new(state), job: Sign::default(), bell: Bell::new()?, started: Instant::now() })
    }

    pub(super) fn now(&self) -> Time {
        self.started.elapsed()
    }

    pub(super) fn bell(&self) -> &Bell {
        &self.bell
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // nothing here panics halfway
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next task; waits for it. `None` when there will be none any more.
    pub(super) fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if state.hand.is_ended() {
                return None;
            }
            if let Some(job) = state.pop_job() {
                return Some(job);
            }
            state = self.job.wait(state);
        }
    }

    /// As [`next`](Self::next), in a task.
    #[cfg(feature = "tokio")]
    pub(super) async fn next_in_task(&self) -> Option<Job> {
        loop {
            let given = self.job.given();
            {
                let mut state = self.lock();
                if state.hand.is_ended() {
                    return None;
                }
                if let Some(job) = state.pop_job() {
                    return Some(job);
                }
            }
            given.await;
        }
    }

    /// Wakes as many threads as there may be new tasks for.
    pub(super) fn call(&self, jobs: usize) {
        match jobs {
            0 => {}
            1 => self.job.notify_one(),
            _ => self.job.notify_all(),
        }
    }

    pub(super) fn finish(&self, job: &Job, answer: Answer) {
        let mut state = self.lock();
        state.busy -= 1;
        state.hand.finish(self.now(), job, answer);
        self.wake(state);
    }

    /// How many handlers are at work.
    pub(super) fn busy(&self) -> usize {
        self.lock().busy
    }

    pub(super) fn progress(&self, job: &Job) {
        let mut state = self.lock();
        if state.hand.progress(job) {
            self.wake(state);
        }
    }

    pub(super) fn drain(&self) {
        let mut state = self.lock();
        state.hand.drain(self.now());
        self.wake(state);
    }

    /// It is over: no further tasks, and what runs runs for nobody.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.hand.end(End::Dropped);
        self.wake(state);
        self.job.notify_all();
    }

    /// The thread with the socket is about to wait, and rung for from now on; or it is awake again.
    pub(super) fn set_asleep(state: &mut State, is_asleep: bool) {
        state.is_asleep = is_asleep;
    }

    fn wake(&self, mut state: MutexGuard<'_, State>) {
        if mem::take(&mut state.is_asleep) {
            drop(state);
            self.bell.ring();
        }
    }
}
