//! The request for what is missing on one stream: one at a time, again where it fails, and not for ever.

use std::time::Duration;

use super::room::Rules;

/// The request of a stream, if one is under way, and how the ones before went.
#[derive(Debug, Default)]
pub(crate) struct Inquiry {
    asked: Option<Asked>,
    /// Requests since the last one that brought something.
    attempts: u32,
    not_before: Duration,
}

/// A request that is under way.
#[derive(Debug)]
pub(crate) struct Asked {
    id: u64,
    deadline: Duration,
    /// The first number that was missing.
    from: u64,
    brought_something: bool,
}

/// Whether a stream has lost its patience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    Kept,
    /// Another request in a row brought nothing.
    Strained,
    Lost,
}

/// Requests in a row that bring nothing, before it may be the connection that is at fault.
const STRAINING: u32 = 2;

impl Inquiry {
    pub(crate) fn is_asking(&self) -> bool {
        self.asked.is_some()
    }

    pub(crate) fn may_ask(&self, now: Duration) -> bool {
        self.asked.is_none() && now >= self.not_before
    }

    /// Notes a request for what is missing from `from` on.
    pub(crate) fn ask(&mut self, now: Duration, id: u64, from: u64, rules: &Rules) {
        let deadline = now.saturating_add(rules.timeout.saturating_mul(1 << self.attempts.min(2)));
        self.asked = Some(Asked { id, deadline, from, brought_something: false });
    }

    /// Notes a part of an answer, and whether it was of use.
    pub(crate) fn hear(&mut self, now: Duration, id: u64, was_of_use: bool, rules: &Rules) {
        if let Some(asked) = self.asked.as_mut().filter(|asked| asked.id == id) {
            asked.deadline = now.saturating_add(rules.timeout);
            asked.brought_something |= was_of_use;
        }
        if was_of_use {
            self.attempts = 0;
        }
    }

    /// Takes the request whose answer has ended.
    pub(crate) fn end(&mut self, id: u64) -> Option<Asked> {
        self.asked.take_if(|asked| asked.id == id)
    }

    /// Takes the request that was not answered in time.
    pub(crate) fn overdue(&mut self, now: Duration) -> Option<Asked> {
        self.asked.take_if(|asked| now >= asked.deadline)
    }

    /// Judges a request that is over, by the first number that is missing now, if any is.
    pub(crate) fn conclude(&mut self, asked: &Asked, now: Duration, missing: Option<u64>, rules: &Rules) -> Patience {
        if asked.brought_something || missing.is_none_or(|missing| missing > asked.from) {
            self.attempts = 0;
            return Patience::Kept;
        }
        self.attempts += 1;
        self.not_before = now.saturating_add(rules.timeout / 4);
        match self.attempts {
            attempts if attempts >= rules.attempts => Patience::Lost,
            STRAINING => Patience::Strained,
            _ => Patience::Kept,
        }
    }

    /// Begins anew.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}
