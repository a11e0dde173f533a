//! `Bell`: wakes a thread that polls sockets.

use std::io::{Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;

use crate::error::{Error, Result};

/// Rung by any thread, heard by the one that polls.
#[derive(Debug)]
pub(super) struct Bell {
    hears: UnixStream,
    rings: UnixStream,
}

impl Bell {
    pub(super) fn new() -> Result<Self> {
        let pair = || {
            let (hears, rings) = UnixStream::pair()?;
            hears.set_nonblocking(true)?;
            rings.set_nonblocking(true)?;
            Ok(Self { hears, rings })
        };
        pair().map_err(|error| Error::io("make a pair of sockets to wake a thread by", error))
    }

    pub(super) fn ring(&self) {
        // when there is no room for another byte, it rings already
        let _ = (&self.rings).write(&[1]);
    }

    /// What to poll for input.
    pub(super) fn fd(&self) -> RawFd {
        self.hears.as_raw_fd()
    }

    pub(super) fn hush(&self) {
        let mut bytes = [0; 64];
        while matches!((&self.hears).read(&mut bytes), Ok(len) if len > 0) {}
    }
}
