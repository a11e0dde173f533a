//! One `tracing` event per message, and nothing at all when nobody listens.

use std::time::Instant;

use tracing::Level;

use super::Envelope;
use super::outgoing::Outgoing;
use crate::memory;

/// What has to be noted before a message is encoded or waited for; empty when nobody listens.
pub(super) struct Watch(Option<(Instant, u64)>);

impl Watch {
    pub(super) fn start() -> Self {
        let listens = tracing::enabled!(target: "outband", Level::DEBUG);
        Self(listens.then(|| (Instant::now(), memory::copied_bytes())))
    }

    /// Whether anybody does.
    pub(super) fn listens(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn sent(&self, kind: zmq::SocketType, outgoing: &Outgoing<'_>, restarts: u32) {
        let Some((started, copied)) = self.0 else { return };
        let (frames, bytes) = (outgoing.len(), outgoing.total_len());
        tracing::event!(
            target: "outband",
            Level::DEBUG,
            socket = ?Some(kind),
            frames,
            bytes,
            copied = memory::copied_bytes().wrapping_sub(copied),
            restarts,
            elapsed = ?started.elapsed(),
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
        let Some((started, copied)) = self.0 else { return };
        let (frames, bytes) = (envelope.size().0 + size.0, envelope.size().1 + size.1);
        tracing::event!(
            target: "outband",
            Level::DEBUG,
            socket = ?kind(),
            frames,
            bytes,
            copied = memory::copied_bytes().wrapping_sub(copied),
            elapsed = ?started.elapsed(),
            "received"
        );
    }
}
