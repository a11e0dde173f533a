//! `Bench`: where a worker's threads and the one with its socket meet.

use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::bell::Bell;
use super::hand::{Answer, Hand, Job, Terms};
use super::message::Time;
use crate::error::Result;

#[derive(Debug)]
pub(super) struct Bench {
    state: Mutex<State>,
    job: Condvar,
    bell: Bell,
    started: Instant,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) hand: Hand,
    /// Whether the thread with the socket waits for the bell.
    is_asleep: bool,
}

impl Bench {
    pub(super) fn new(terms: Terms, worker: u64) -> Result<Self> {
        let state = State { hand: Hand::new(Time::ZERO, terms, worker), is_asleep: false };
        Ok(Self { state: Mutex::new(state), job: Condvar::new(), bell: Bell::new()?, started: Instant::now() })
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
            if let Some(job) = state.hand.pop_job() {
                return Some(job);
            }
            state = self.job.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Wakes as many threads as there may be new tasks for, or all of them when it is over.
    pub(super) fn call(&self, jobs: usize) {
        match jobs {
            0 => {}
            1 => self.job.notify_one(),
            _ => self.job.notify_all(),
        }
    }

    pub(super) fn finish(&self, job: &Job, answer: Answer) {
        let mut state = self.lock();
        state.hand.finish(self.now(), job, answer);
        self.wake(state);
    }

    pub(super) fn progress(&self, job: &Job) {
        let mut state = self.lock();
        state.hand.progress(job);
        self.wake(state);
    }

    pub(super) fn drain(&self) {
        let mut state = self.lock();
        state.hand.drain(self.now());
        self.wake(state);
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
