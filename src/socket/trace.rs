//! One `tracing` event per message, and nothing at all when nobody listens.

use std::time::Instant;

use tracing::Level;
use tracing::level_filters::LevelFilter;

use super::Envelope;
use super::outgoing::Outgoing;
use crate::memory;

/// What has to be noted before a message is encoded or waited for; empty when nobody listens.
pub(super) struct Watch(Option<Noted>);

struct Noted {
    started: Instant,
    /// What this message had copied when the watch was paused.
    copied: u64,
    /// What the thread had copied when the watch was started or resumed.
    from: u64,
}

impl Noted {
    fn copied(&self) -> u64 {
        self.copied + memory::copied_bytes().wrapping_sub(self.from)
    }
}

impl Watch {
    #[inline]
    pub(super) fn start() -> Self {
        if LevelFilter::current() < Level::DEBUG { Self(None) } else { Self::for_who_listens() }
    }

    #[inline(never)]
    fn for_who_listens() -> Self {
        let listens = tracing::enabled!(target: "outband", Level::DEBUG);
        Self(listens.then(|| Noted { started: Instant::now(), copied: 0, from: memory::copied_bytes() }))
    }

    /// What this thread copies from here on is for other messages: a task waits, and others have their turn.
    #[cfg(feature = "tokio")]
    pub(super) fn pause(&mut self) {
        if let Some(noted) = &mut self.0 {
            noted.copied = noted.copied();
        }
    }

    /// What is copied from here on, perhaps on another thread, is for this message again.
    #[cfg(feature = "tokio")]
    pub(super) fn resume(&mut self) {
        if let Some(noted) = &mut self.0 {
            noted.from = memory::copied_bytes();
        }
    }

    /// Whether anybody does.
    pub(super) fn listens(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn sent(&self, kind: zmq::SocketType, outgoing: &Outgoing<'_>, restarts: u32) {
        let Some(noted) = &self.0 else { return };
        let (frames, bytes) = (outgoing.len(), outgoing.total_len());
        tracing::event!(
            target: "outband",
            Level::DEBUG,
            socket = ?Some(kind),
            frames,
            bytes,
            copied = noted.copied(),
            restarts,
            elapsed = ?noted.started.elapsed(),
            "sent"
        );
    }

    /// `size` is the number of the message's frames and their length, without the envelope.
    pub(super) fn received(
        &self,
        kind: impl FnOnce() -> Option<zmq::SocketType>,
        envelope: &Envelope,
        size: (usize, usize),
    ) {
        let Some(noted) = &self.0 else { return };
        let (frames, bytes) = (envelope.size().0 + size.0, envelope.size().1 + size.1);
        tracing::event!(
            target: "outband",
            Level::DEBUG,
            socket = ?kind(),
            frames,
            bytes,
            copied = noted.copied(),
            elapsed = ?noted.started.elapsed(),
            "received"
        );
    }
}
