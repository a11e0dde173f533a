//! SIGTERM and SIGINT as something that a poll can wait for.

use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;
use signal_hook::{SigId, low_level};

use crate::error::{Error, Result};

/// Readable from the first SIGTERM or SIGINT on, which do not end the process while this lives.
#[derive(Debug)]
pub(super) struct Signals {
    reader: UnixStream,
    registered: Vec<SigId>,
}

impl Signals {
    pub(super) fn listen() -> Result<Self> {
        let listen = || {
            let (reader, writer) = UnixStream::pair()?;
            let register = |signal| pipe::register(signal, writer.try_clone()?);
            let registered = [SIGTERM, SIGINT].into_iter().map(register).collect::<Result<_, _>>()?;
            Ok(Self { reader, registered })
        };
        listen().map_err(|error: std::io::Error| Error::io("listen for signals", error))
    }

    pub(super) fn fd(&self) -> RawFd {
        self.reader.as_raw_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.registered.drain(..) {
            low_level::unregister(id);
        }
    }
}
