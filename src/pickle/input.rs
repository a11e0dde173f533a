//! The bytes of a pickle, read forward, never past their end or the end of the frame that they lie in.

use super::opcode;
use crate::error::{Detail, Error, Result};

pub(super) struct Input<'p> {
    bytes: &'p [u8],
    at: usize,
    /// Where reading has to stop: at the end of the current frame, or of all bytes.
    end: usize,
    in_frame: bool,
    /// The opcode at work, and where it stands.
    opcode: u8,
    start: usize,
}

impl<'p> Input<'p> {
    pub(super) fn new(bytes: &'p [u8]) -> Self {
        Self { bytes, at: 0, end: bytes.len(), in_frame: false, opcode: 0, start: 0 }
    }

    /// Leaves the current frame where it is at its end: what follows lies in no frame until one begins.
    #[inline]
    fn leave_frame(&mut self) {
        if self.at == self.end {
            self.end = self.bytes.len();
            self.in_frame = false;
        }
    }

    #[inline]
    pub(super) fn opcode(&mut self) -> Result<u8> {
        self.leave_frame();
        self.start = self.at;
        let Some(&opcode) = self.bytes.get(self.at) else {
            self.opcode = 0;
            return Err(Detail::BadPickle {
                at: self.at,
                opcode: "no opcode",
                reason: "the pickle ends without STOP".to_owned(),
            }
            .into());
        };
        self.at += 1;
        self.opcode = opcode;
        Ok(opcode)
    }

    #[inline]
    pub(super) fn take(&mut self, len: usize) -> Result<&'p [u8]> {
        if len == 0 {
            return Ok(&[]);
        }
        self.leave_frame();
        match self.bytes[self.at..self.end].get(..len) {
            Some(taken) => {
                self.at += len;
                Ok(taken)
            }
            None => Err(self.short(len)),
        }
    }

    /// As many bytes as a length from the wire says.
    #[inline]
    pub(super) fn take_long(&mut self, len: u64) -> Result<&'p [u8]> {
        match usize::try_from(len) {
            Ok(len) => self.take(len),
            Err(_) => Err(self.short(usize::MAX)),
        }
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let taken = self.take(N)?;
        taken.first_chunk().copied().ok_or_else(|| self.short(N))
    }

    /// A line of text, without its end.
    pub(super) fn line(&mut self) -> Result<&'p [u8]> {
        self.leave_frame();
        let rest = &self.bytes[self.at..self.end];
        match rest.iter().position(|&byte| byte == b'\n') {
            Some(len) => {
                self.at += len + 1;
                Ok(&rest[..len])
            }
            None => Err(self.fault("the line does not end")),
        }
    }

    /// Enters a frame of so many bytes.
    pub(super) fn frame(&mut self, len: u64) -> Result<()> {
        if self.in_frame && self.at < self.end {
            return Err(self.fault("a frame begins before the one before it has ended"));
        }
        let left = self.bytes.len() - self.at;
        match usize::try_from(len) {
            Ok(len) if len <= left => {
                self.end = self.at + len;
                self.in_frame = true;
            }
            _ => return Err(self.fault(format_args!("a frame of {len} bytes, and {left} are left"))),
        }
        Ok(())
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    #[cold]
    fn short(&self, len: usize) -> Error {
        let (left, of) = match self.in_frame {
            true => (self.end - self.at, "frame"),
            false => (self.left(), "pickle"),
        };
        self.fault(format_args!("it needs {len} bytes, and {left} are left of the {of}"))
    }

    /// An error at the opcode at work.
    #[cold]
    pub(super) fn fault(&self, reason: impl std::fmt::Display) -> Error {
        let reason = reason.to_string();
        Detail::BadPickle { at: self.start, opcode: opcode::name(self.opcode), reason }.into()
    }
}
