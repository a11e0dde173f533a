//! What all streams of a subscriber share: its rules, and the room for messages that wait for others.

use std::time::Duration;

/// How a subscriber recovers and when it worries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) conflate: bool,
    /// How long a request may go without an answer.
    pub(crate) timeout: Duration,
    /// Requests that bring nothing before what is missing is given up; 0 without a recovery endpoint.
    pub(crate) attempts: u32,
    pub(crate) stale_after: Duration,
    /// What one request may be answered with.
    pub(crate) credit_messages: u64,
    pub(crate) credit_bytes: u64,
    /// Requests under way at a time, of all streams.
    pub(crate) requests: usize,
    pub(crate) max_streams: usize,
}

/// The room for messages that came before their turn, of all streams together.
#[derive(Debug)]
pub(crate) struct Room {
    messages: usize,
    bytes: usize,
}

impl Room {
    pub(crate) fn new(messages: usize, bytes: usize) -> Self {
        Self { messages, bytes }
    }

    /// Takes room for a message; `false` where there is not enough.
    pub(crate) fn take(&mut self, len: usize) -> bool {
        let has_room = self.messages >= 1 && self.bytes >= len;
        if has_room {
            self.messages -= 1;
            self.bytes -= len;
        }
        has_room
    }

    /// Gives back the room of a message.
    pub(crate) fn give_back(&mut self, len: usize) {
        self.messages += 1;
        self.bytes += len;
    }

    /// The room that is left, in messages and bytes.
    #[cfg(test)]
    pub(crate) fn left(&self) -> (usize, usize) {
        (self.messages, self.bytes)
    }
}
