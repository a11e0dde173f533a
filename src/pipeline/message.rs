//! What a dispatcher and its workers say to each other, without the bytes: `wire` has those.

use std::time::Duration;

use bytes::Bytes;

/// A task or result of so many bytes is announced: behind it no sign of life comes through until it is over.
pub(super) const LARGE: u64 = 1 << 20;

/// How long so many bytes may take, that is as long as over a connection that carries a megabyte in a second.
pub(super) fn transfer_time(bytes: u64) -> Time {
    Time::from_micros(bytes)
}

/// The version of the protocol that is written down in `docs/pipeline.md`.
pub(super) const VERSION: u64 = 1;

/// The routing id of a worker's connection, as the dispatcher's ROUTER has it.
pub(super) type Peer = Bytes;

/// A point in time: how long it is since some start. The state machines here have no clock.
pub(super) type Time = Duration;

/// One delivery of one task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Ticket {
    pub(super) task: u64,
    /// Counts from 1, for each task.
    pub(super) delivery: u32,
}

/// From a worker. `Result` comes with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Up {
    Hello(Hello),
    Beat(Beat),
    Result {
        epoch: u64,
        ticket: Ticket,
    },
    Nak(Nak),
    /// The handler is getting on; or it is done, and a result of `coming` bytes is next.
    Progress {
        epoch: u64,
        ticket: Ticket,
        coming: u64,
    },
    Bye,
}

/// A worker presents itself: the begin of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) version: u64,
    /// Which worker this is: drawn at random when it starts.
    pub(super) worker: u64,
    /// Counts a worker's sessions.
    pub(super) session: u64,
    pub(super) name: String,
    pub(super) window: Window,
    /// The most bytes of tasks that it ever holds, whatever it holds now.
    pub(super) capacity: u64,
}

/// How much a worker is ready to hold: its credit, all of it, not what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Window {
    pub(super) messages: u64,
    pub(super) bytes: u64,
}

/// A sign of life, with what may have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Beat {
    pub(super) session: u64,
    pub(super) window: Window,
    /// Tasks that wait for a thread at the worker: their lease has not begun.
    pub(super) waiting: Vec<u64>,
    /// What else it has; a worker of an earlier release does not say.
    pub(super) account: Option<Account>,
}

/// What a worker has beside the tasks that wait, so that the dispatcher finds out what was lost on the way.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Account {
    /// The latest of the dispatcher's clocks that it has read in this session; 0 if none.
    pub(super) clock: u64,
    /// Tasks that are in a thread, or whose answer has not left.
    pub(super) busy: Vec<u64>,
}

/// A task comes back undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Nak {
    pub(super) epoch: u64,
    pub(super) ticket: Ticket,
    pub(super) fault: Fault,
    /// When it may be tried again, from now; `None` leaves that to the dispatcher.
    pub(super) delay: Option<Duration>,
    pub(super) reason: String,
}

/// What an undone task means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The handler failed: an attempt is used up.
    Failed,
    /// The handler says that no attempt will ever succeed.
    Rejected,
    /// Handed back or dropped, unfinished: no attempt is used up.
    Returned,
}

/// From the dispatcher. `Task` comes with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Down {
    Welcome(Welcome),
    Refused {
        session: u64,
        reason: String,
        stands: Stands,
    },
    /// What session is this? Say hello again.
    Who {
        session: u64,
    },
    Task {
        session: u64,
        ticket: Ticket,
        attempt: u32,
    },
    Cancel {
        ticket: Ticket,
    },
    /// A sign of life, and when it was given, in milliseconds by the dispatcher's clock. Before a large task, how many bytes are coming.
    Beat {
        clock: u64,
        coming: u64,
    },
    Bye,
}

/// How long a refusal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stands {
    /// The same worker may be welcome later.
    ForNow,
    /// As long as both are what they are.
    ForGood,
}

/// A session is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Welcome {
    pub(super) version: u64,
    pub(super) session: u64,
    /// Which dispatcher this is: drawn at random when it starts.
    pub(super) epoch: u64,
    /// How often each side shows a sign of life.
    pub(super) heartbeat: Duration,
    /// How long a side may be silent before the other gives it up.
    pub(super) liveness: Duration,
    /// How long a handler may be busy without a sign of progress. An earlier release does not say; then there may be one.
    pub(super) lease: Option<Duration>,
}
