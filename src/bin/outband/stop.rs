//! SIGINT and SIGTERM as something that a poll can wait for.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

/// Readable from the first SIGINT or SIGTERM on, which then do not end the process.
pub(crate) struct Stop(UnixStream);

impl Stop {
    pub(crate) fn listen() -> io::Result<Self> {
        let (reader, writer) = UnixStream::pair()?;
        for signal in [SIGINT, SIGTERM] {
            pipe::register(signal, writer.try_clone()?)?;
        }
        Ok(Self(reader))
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
