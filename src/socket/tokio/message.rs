//! Messages, undecoded.

use super::AsyncSocket;
use crate::error::Result;
use crate::limits::Limits;
use crate::multipart::Multipart;
use crate::socket::envelope::Open;
use crate::socket::guard::{self, Direction};
use crate::socket::outgoing::Outgoing;
use crate::socket::trace::Watch;
use crate::tracker::Tracker;

/// Messages, undecoded.
impl AsyncSocket {
    /// Sends a message. A failed send gives the message back: [`Error::into_message`](crate::Error::into_message).
    pub async fn send_message(&self, message: Multipart) -> Result<()> {
        self.send_owned(message, &[]).await
    }

    /// Receives a message without decoding it, within the default [`Limits`].
    pub async fn recv_message(&self) -> Result<Multipart> {
        self.recv_message_within(&Limits::default()).await
    }

    /// Receives a message without decoding it, within limits of the caller's.
    pub async fn recv_message_within(&self, limits: &Limits) -> Result<Multipart> {
        Ok(self.receive(limits, Open::None).await?.1)
    }

    /// Sends a message, or fails at once with kind `Timeout` and gives it back.
    pub fn try_send_message(&self, message: Multipart) -> Result<()> {
        self.send_owned_now(message, &[])
    }

    /// Receives a message without decoding it, or fails at once with kind `Timeout`.
    pub fn try_recv_message(&self) -> Result<Multipart> {
        self.try_receive(&Limits::default(), Open::None).map(|(_, message)| message)
    }

    /// Sends a message and tells when libzmq has let go of every frame of it. A failed send gives the message back.
    pub async fn send_message_tracked(&self, message: Multipart) -> Result<Tracker> {
        self.track(message, Watch::start()).await
    }

    pub(super) async fn track(&self, message: Multipart, watch: Watch) -> Result<Tracker> {
        let (tracker, hold) = Tracker::new();
        match self.deliver(&message, &[], Some(&hold), watch).await {
            Ok(()) => Ok(tracker),
            Err(error) => Err(error.with_payload(Box::new(message))),
        }
    }

    /// Sends a message, or fails at once and gives it back.
    pub(super) fn send_owned_now(&self, message: Multipart, envelope: &[&[u8]]) -> Result<()> {
        match self.try_send(&Outgoing::new(envelope, &message), &Watch::start()) {
            Ok(true) => Ok(()),
            Ok(false) => Err(guard::would_block(Direction::Send).with_payload(Box::new(message))),
            Err(error) => Err(error.with_payload(Box::new(message))),
        }
    }
}
