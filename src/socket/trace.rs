//! One `tracing` event per message, and nothing at all when nobody listens.

use std::time::Instant;

use tracing::Level;

use super::Envelope;
use super::send::Outgoing;
use crate::memory;

/// What has to be noted before a message is encoded or waited for; empty when nobody listens.
pub(super) struct Watch(Option<(Instant, u64)>);

impl Watch {
    pub(super) fn start() -> Self {
        let listens = tracing::enabled!(target: "outband", Level::DEBUG);
        Self(listens.then(|| (Instant::now(), memory::copied_bytes())))
    }

    pub(super) fn sent(&self, socket: &zmq::Socket, outgoing: &Outgoing<'_>, restarts: u32) {
        let Some((started, copied)) = self.0 else { return };
        let (frames, bytes) = (outgoing.len(), outgoing.total_len());
        tracing::event!(
            target: "outband",
            Level::DEBUG,
            socket = ?socket.get_socket_type().ok(),
            frames,
            bytes,
            copied = memory::copied_bytes().wrapping_sub(copied),
            restarts,
            elapsed = ?started.elapsed(),
            "sent"
        );
    }

    /// `frames` and `bytes` are those of the message, without its envelope.
    pub(super) fn received(&self, socket: &zmq::Socket, envelope: &Envelope, frames: usize, bytes: usize) {
        let Some((started, copied)) = self.0 else { return };
        let (frames, bytes) = (envelope.size().0 + frames, envelope.size().1 + bytes);
        tracing::event!(
            target: "outband",
            Level::DEBUG,
            socket = ?socket.get_socket_type().ok(),
            frames,
            bytes,
            copied = memory::copied_bytes().wrapping_sub(copied),
            elapsed = ?started.elapsed(),
            "received"
        );
    }
}
