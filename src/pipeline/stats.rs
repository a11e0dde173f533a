//! `Stats`: what a dispatcher has done and what it has in hand.

/// What a dispatcher has done since it started, and what it has in hand.
///
/// Whenever it is looked at: `submitted` = `done` + `dead` + `cancelled` + `waiting` + `delayed` + `in_flight`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Tasks that arrived, those of a journal included.
    pub submitted: u64,
    /// Tasks with a result.
    pub done: u64,
    /// Tasks that were given up.
    pub dead: u64,
    /// Tasks that were cancelled.
    pub cancelled: u64,
    /// Tasks that wait for a worker.
    pub waiting: u64,
    /// Tasks that wait for the time of their next attempt.
    pub delayed: u64,
    /// Tasks that are with a worker.
    pub in_flight: u64,
    /// Outcomes that nobody has read.
    pub unread: u64,
    /// Deliveries after the first, of all tasks.
    pub redelivered: u64,
    /// Results that came after the outcome was decided: dropped.
    pub late: u64,
    /// Deliveries that a worker has neither got nor answered, by its own account: lost on the way.
    pub missing: u64,
    /// Leases that ended.
    pub expired: u64,
    /// Workers that are here.
    pub workers: u64,
    /// Workers whose connection ended, or that were silent too long, or that began anew.
    pub lost: u64,
    /// Workers that were refused.
    pub refused: u64,
    /// Messages that are none of the protocol, and results over a limit: dropped.
    pub garbage: u64,
}
