//! `News`: a socket's `ZMQ_FD` in the hands of the runtime.

use std::os::fd::{AsRawFd, RawFd};
use std::task::{Context, Poll};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;

use crate::error::{Detail, Error, Result};
use crate::socket::guard;

/// Tells a task that libzmq has news for a socket. It is to be dropped before the socket is.
///
/// Only what comes after libzmq has taken in everything is news. So, to wait: [`forget`](Self::forget), let libzmq take in all
/// there is, and see whether that is what was waited for.
pub(crate) struct News(AsyncFd<Descriptor>);

/// `ZMQ_FD`: turns readable when libzmq has news for the socket.
struct Descriptor(RawFd);

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

impl News {
    /// Gives a socket's descriptor to the runtime that this is called in.
    pub(crate) fn of(socket: &zmq::Socket) -> Result<Self> {
        if Handle::try_current().is_err() {
            return Err(Detail::NoRuntime.into());
        }
        let descriptor = socket.get_fd().map_err(|error| guard::transport("read ZMQ_FD", error))?;
        #[allow(
            deprecated,
            reason = "what its unsafe successor asks for holds: the descriptor is open for as long as the socket, \
            which whoever has this keeps for longer"
        )]
        let descriptor = AsyncFd::try_with_interest(Descriptor(descriptor), Interest::READABLE)
            .map_err(|error| Error::io("give the socket to the runtime", error.into()))?;
        Ok(Self(descriptor))
    }

    /// Makes the runtime forget what it knows of the descriptor, and wake this task when it hears anything new. Whether there
    /// was anything to forget: then libzmq may have something that it has not taken in.
    pub(crate) fn forget(&self, context: &mut Context<'_>) -> Result<bool> {
        let mut was_known = false;
        loop {
            match self.0.poll_read_ready(context) {
                Poll::Pending => return Ok(was_known),
                Poll::Ready(Ok(mut ready)) => ready.clear_ready(),
                Poll::Ready(Err(error)) => return Err(Error::io("wait for the socket", error)),
            }
            was_known = true;
        }
    }
}
