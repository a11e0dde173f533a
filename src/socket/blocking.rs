//! The blocking shell of sending: waits on the calling thread, as long as the socket says.

use super::guard::{self, Deadline, Direction, Wait};
use super::outgoing::Outgoing;
use super::send::{self, Sending, Torn, Try};
use super::trace::Watch;
use crate::error::{Detail, Error, Result};

/// Sends a message whole.
pub(super) fn send(socket: &zmq::Socket, outgoing: &Outgoing<'_>, wait: Wait, watch: &Watch) -> Result<()> {
    let kind = send::check(socket, outgoing)?;
    let is_sent = send::send_lone(socket, kind, outgoing);
    let restarts = if is_sent { 0 } else { send_whole(socket, kind, outgoing, wait)? };
    if watch.listens() {
        watch.sent(kind, outgoing, restarts);
    }
    Ok(())
}

#[inline(never)]
fn send_whole(socket: &zmq::Socket, kind: zmq::SocketType, outgoing: &Outgoing<'_>, wait: Wait) -> Result<u32> {
    Blocking::new(Sending::new(socket, kind, outgoing), wait).send_whole(&mut |_| {})
}

/// A message that is being sent by a thread that can wait.
pub(super) struct Blocking<'s, 'm> {
    sending: Sending<'s, 'm>,
    wait: Wait,
    /// Set at the first wait.
    deadline: Option<Deadline<'s>>,
}

impl<'s, 'm> Blocking<'s, 'm> {
    pub(super) fn new(sending: Sending<'s, 'm>, wait: Wait) -> Self {
        Self { sending, wait, deadline: None }
    }

    /// Sends the message; returns how often it had to start over.
    pub(super) fn send_whole(&mut self, before: &mut impl FnMut(usize)) -> Result<u32> {
        loop {
            let mut is_sent = self.sending.try_send(before)? == Try::Sent;
            if !is_sent {
                if !self.may_wait()? {
                    return Err(self.out_of_time());
                }
                is_sent = self.wait_for_first()? && self.sending.send_rest(before)?;
            }
            if is_sent {
                return Ok(self.sending.restarts);
            }
        }
    }

    /// Waits until some peer takes a frame, or the time is up; returns whether it was the first frame of this message.
    fn wait_for_first(&mut self) -> Result<bool> {
        let Sending { socket, kind, outgoing, .. } = self.sending;
        let waited = match kind {
            // A REQ sends an empty frame of its own, so even there a wait inside libzmq could tear; and a PAIR lets go of a
            // dead peer only when it is looked at.
            zmq::REQ | zmq::PAIR => {
                let left = self.deadline.as_ref().and_then(Deadline::left).map_or(-1, i64::from);
                socket.poll(zmq::POLLOUT, left).map(|_| false)
            }
            // libzmq does the waiting: it wakes up for exactly the right events, where polling a ROUTER or an XPUB for
            // output would spin; and no peer has a part of this message, so there is nothing that waiting could tear
            _ => socket.send(outgoing.frame(0), outgoing.flags(0)).map(|()| true),
        };
        match waited {
            Ok(is_sent) => Ok(is_sent),
            Err(zmq::Error::EINTR) => Ok(false),
            Err(zmq::Error::EAGAIN) => Err(self.out_of_time()),
            Err(error) => Err(self.sending.failed(error)),
        }
    }

    /// Whether there is time left to wait; readies the socket's own timeout for that.
    fn may_wait(&mut self) -> Result<bool> {
        if self.wait == Wait::Never {
            return Ok(false);
        }
        match &mut self.deadline {
            None => self.deadline = Some(Deadline::start(self.sending.socket, Direction::Send)?),
            Some(deadline) => deadline.resume()?,
        }
        Ok(self.deadline.as_ref().is_some_and(|deadline| deadline.left() != Some(0)))
    }

    fn out_of_time(&self) -> Error {
        if self.sending.torn == Torn::Headless {
            return Detail::RequestTorn.into();
        }
        // so that the text names the socket's own timeout, not what was left of it
        self.deadline.iter().for_each(Deadline::restore);
        guard::failed(self.sending.socket, Direction::Send, self.wait, zmq::Error::EAGAIN)
    }
}
