//! A worker's state: its session with a dispatcher, and every task it holds. No socket, no clock, no thread.
//!
//! ```text
//!            connect            welcome
//!   seeking ---------> hello ----------> joined --- drain ---> leaving ---> ended
//!      ^                                   |
//!      +- silence, "who", "bye", no line --+
//! ```
//!
//! A task that is held is waiting for a thread or running in one. One that is dropped (cancelled, or handed out again by the
//! dispatcher) and waiting is gone at once; one that is running runs on, and is told.

mod outbox;
mod progress;
mod session;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use self::outbox::{answered_by, epoch_of};
use self::progress::Progress;
use super::message::{Down, Fault, Stands, Ticket, Time, Up, Welcome, Window, transfer_time};
use crate::multipart::Multipart;

/// How long a worker waits for an answer to its hello before it says it again.
const RETRY: Duration = Duration::from_millis(500);
/// How long a dispatcher may be silent before there was a welcome.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a worker that leaves waits for what it says to be heard.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a worker says to a task that is too much for it.
pub(super) const NO_ROOM: &str = "handed back: the worker has no room";

/// What a worker can hold and what it is called.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) name: String,
    pub(super) capacity: Window,
    /// How long running tasks may take to end once it is time to leave.
    pub(super) grace: Duration,
    pub(super) ends_with_dispatcher: bool,
}

/// A task for a thread.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) ticket: Ticket,
    pub(super) epoch: u64,
    pub(super) attempt: u32,
    pub(super) object: Multipart,
    /// Raised when nobody wants the result any more.
    pub(super) is_void: Arc<AtomicBool>,
}

/// What a thread made of a task.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Done(Multipart),
    Undone { fault: Fault, delay: Option<Duration>, reason: String },
}

#[derive(Debug)]
pub(super) struct Hand {
    terms: Terms,
    worker: u64,
    session: u64,
    phase: Phase,
    held: BTreeMap<u64, Held>,
    held_bytes: u64,
    /// Tasks for threads, in order; those that are not held any more are skipped.
    waiting: VecDeque<u64>,
    running: usize,
    outbox: VecDeque<(Up, Option<Multipart>)>,
    /// Whether that the first of these is large was the last that was said.
    is_announced: bool,
    /// The epoch of the dispatcher that said goodbye last: nobody wants to know what became of its tasks.
    over: Option<u64>,
    progress: Progress,
    heard: Time,
    /// The latest of the dispatcher's clocks in this session.
    clock: u64,
    /// How long what comes next may take, beyond what the dispatcher may be silent.
    coming: Time,
    ticked: Time,
    next_beat: Time,
    /// Since when it is leaving, and the state of that.
    leaving: Option<Time>,
    has_said_bye: bool,
    /// Whether it has said hello in this session, over a connection that stands: there may be tasks on their way.
    has_said_hello: bool,
    wants_socket: bool,
    refusal: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Has no session; says hello.
    Seeking,
    Joined(Welcome),
    Ended(End),
}

/// Why a worker ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The dispatcher said goodbye.
    Dismissed,
    /// There was no dispatcher for too long.
    Alone,
    /// The dispatcher will never have it.
    Refused,
    /// It was told to leave.
    Left,
    /// The program has let go of it.
    Dropped,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dismissed => "the dispatcher said goodbye",
            Self::Alone => "there is no dispatcher",
            Self::Refused => "the dispatcher refuses it",
            Self::Left => "it was told to leave",
            Self::Dropped => "nobody waits for it",
        })
    }
}

#[derive(Debug)]
struct Held {
    job: Job,
    /// In which it was given, last: what belongs to an earlier one takes up room that the dispatcher knows nothing of.
    session: u64,
    bytes: u64,
    is_running: bool,
}

impl Hand {
    pub(super) fn new(now: Time, terms: Terms, worker: u64) -> Self {
        Self {
            terms,
            worker,
            session: 1,
            phase: Phase::Seeking,
            held: BTreeMap::new(),
            held_bytes: 0,
            waiting: VecDeque::new(),
            running: 0,
            outbox: VecDeque::new(),
            is_announced: false,
            over: None,
            progress: Progress::default(),
            heard: now,
            clock: 0,
            coming: Time::ZERO,
            ticked: now,
            next_beat: now,
            leaving: None,
            has_said_bye: false,
            has_said_hello: false,
            wants_socket: false,
            refusal: None,
        }
    }

    /// Takes a message from the dispatcher.
    pub(super) fn handle(&mut self, now: Time, message: Down, object: Option<Multipart>) {
        self.hear(now);
        match (message, object) {
            (Down::Welcome(welcome), _) if welcome.session == self.session => self.welcome(now, welcome),
            (Down::Task { session, ticket, attempt }, Some(object)) if session == self.session => {
                self.task(ticket, attempt, object);
            }
            (Down::Cancel { ticket }, _) => self.cancel(ticket),
            (Down::Who { session }, _) if session == self.session => self.seek(now),
            (Down::Beat { clock, coming }, _) if self.is_joined() => {
                self.clock = self.clock.max(clock);
                self.coming = transfer_time(coming.min(self.terms.capacity.bytes));
            }
            (Down::Refused { session, reason, stands }, _) if session == self.session => {
                self.refusal = Some(reason);
                if stands == Stands::ForGood {
                    self.end(End::Refused);
                }
            }
            (Down::Bye, _) => self.bye(now),
            // a sign of life, or of a session that is over
            _ => {}
        }
    }

    /// A task came that is over this worker's limits: those of another may be wider.
    pub(super) fn decline(&mut self, now: Time, message: &Down, reason: &str) {
        self.hear(now);
        let (Phase::Joined(Welcome { epoch, .. }), Down::Task { session, ticket, .. }) = (self.phase, message) else {
            return;
        };
        if *session == self.session {
            let reason = format!("it is over the limits of this worker: {reason}");
            self.answer(*ticket, epoch, Answer::Undone { fault: Fault::Failed, delay: None, reason });
        }
    }

    /// The next task for a thread, which from now on is running.
    pub(super) fn pop_job(&mut self) -> Option<Job> {
        while let Some(task) = self.waiting.pop_front() {
            if let Some(held) = self.held.get_mut(&task).filter(|held| !held.is_running) {
                held.is_running = true;
                self.running += 1;
                return Some(held.job.clone());
            }
        }
        None
    }

    /// A thread is done with a task.
    pub(super) fn finish(&mut self, now: Time, job: &Job, answer: Answer) {
        let Some(held) = self.held.get(&job.ticket.task).filter(|held| held.is_running && held.job.epoch == job.epoch)
        else {
            return;
        };
        // the delivery of the job may be an older one of the same task
        let (ticket, session) = (held.job.ticket, held.session);
        self.drop_held(ticket.task);
        self.answer(ticket, job.epoch, answer);
        if session != self.session && self.is_joined() {
            self.next_beat = now; // there is more room than the dispatcher knows
        }
        self.leave_if_due(now);
    }

    /// Whether it is all over.
    pub(super) fn is_ended(&self) -> bool {
        self.ended().is_some()
    }

    /// Why it is all over, once it is.
    pub(super) fn ended(&self) -> Option<End> {
        if let Phase::Ended(end) = self.phase { Some(end) } else { None }
    }

    pub(super) fn is_joined(&self) -> bool {
        matches!(self.phase, Phase::Joined(_))
    }

    /// Whether the connection is to be made anew; asked once.
    pub(super) fn takes_socket(&mut self) -> bool {
        std::mem::take(&mut self.wants_socket)
    }

    /// Why the dispatcher would not have this worker; told once.
    pub(super) fn pop_refusal(&mut self) -> Option<String> {
        self.refusal.take()
    }

    fn task(&mut self, ticket: Ticket, attempt: u32, object: Multipart) {
        let Phase::Joined(Welcome { epoch, .. }) = self.phase else { return };
        if let Some(held) = self.held.get_mut(&ticket.task) {
            if held.job.epoch == epoch {
                // handed out once more while it is here: it is done once, and answered as what it is now
                held.job.ticket = ticket.max(held.job.ticket);
                held.session = self.session;
                held.job.is_void.store(false, Ordering::Relaxed);
            } else {
                let reason = "a task of this number still runs for a dispatcher that is gone".to_owned();
                let answer = Answer::Undone { fault: Fault::Returned, delay: Some(RETRY), reason };
                self.answer(ticket, epoch, answer);
            }
            return;
        }
        if self.leaving.is_some() {
            let reason = "handed back: the worker is leaving".to_owned();
            return self.answer(ticket, epoch, Answer::Undone { fault: Fault::Returned, delay: None, reason });
        }
        let bytes = object.total_len() as u64;
        let Window { messages, bytes: most } = self.terms.capacity;
        if self.held.len() as u64 >= messages || self.held_bytes.saturating_add(bytes) > most {
            // sent twice, or to a room that was larger when it was told of
            let reason = NO_ROOM.to_owned();
            return self.answer(ticket, epoch, Answer::Undone { fault: Fault::Returned, delay: Some(RETRY), reason });
        }
        let job = Job { ticket, epoch, attempt, object, is_void: Arc::new(AtomicBool::new(false)) };
        self.held.insert(ticket.task, Held { job, session: self.session, bytes, is_running: false });
        self.held_bytes += bytes;
        self.waiting.push_back(ticket.task);
    }

    fn cancel(&mut self, ticket: Ticket) {
        let Some(held) = self.held.get(&ticket.task).filter(|held| held.job.ticket == ticket) else { return };
        if !self.is_epoch(held.job.epoch) {
            return;
        }
        if held.is_running {
            held.job.is_void.store(true, Ordering::Relaxed);
        } else {
            self.hand_back(ticket.task, "dropped before it began");
            self.forget_waiting();
        }
    }

    /// Answers for a task that it holds, with nothing done.
    fn hand_back(&mut self, task: u64, reason: &str) {
        let Some(held) = self.held.get(&task) else { return };
        let (ticket, epoch) = (held.job.ticket, held.job.epoch);
        self.void(task);
        self.drop_held(task);
        self.answer(ticket, epoch, Answer::Undone { fault: Fault::Returned, delay: None, reason: reason.to_owned() });
    }

    /// Nobody wants this one any more.
    fn void(&mut self, task: u64) {
        let Some(held) = self.held.get(&task) else { return };
        held.job.is_void.store(true, Ordering::Relaxed);
        if !held.is_running {
            self.drop_held(task);
        }
    }

    fn drop_held(&mut self, task: u64) {
        self.progress.forget(task);
        if let Some(held) = self.held.remove(&task) {
            self.held_bytes -= held.bytes;
            self.running -= usize::from(held.is_running);
        }
    }

    /// Forgets the places of tasks that are not held any more, when they are many.
    fn forget_waiting(&mut self) {
        if self.waiting.len() > 2 * self.held.len() + 16 {
            let held = &self.held;
            self.waiting.retain(|task| held.get(task).is_some_and(|held| !held.is_running));
        }
    }

    /// The dispatcher has said something.
    fn hear(&mut self, now: Time) {
        (self.heard, self.coming) = (now, Time::ZERO);
    }

    fn is_epoch(&self, epoch: u64) -> bool {
        matches!(self.phase, Phase::Joined(welcome) if welcome.epoch == epoch)
    }
}

#[cfg(test)]
impl Hand {
    /// As if the dispatcher had been heard.
    pub(super) fn heard_at(&mut self, now: Time) {
        self.heard = now;
    }

    /// How many tasks are in threads.
    pub(super) fn running(&self) -> usize {
        self.running
    }

    pub(super) fn held(&self) -> Window {
        Window { messages: self.held.len() as u64, bytes: self.held_bytes }
    }
}
