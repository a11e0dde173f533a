//! The bytes of a pickle, read forward, never past their end or the end of the frame that they lie in.

use super::opcode;
use crate::error::{Detail, Error, Result};

pub(super) struct Input<'p> {
    bytes: &'p [u8],
    /// What is left of the current frame, or of all bytes where there is no frame.
    rest: &'p [u8],
    /// Where `rest` ends.
    end: usize,
    in_frame: bool,
    /// Where the opcode at work stands.
    start: usize,
}

impl<'p> Input<'p> {
    pub(super) fn new(bytes: &'p [u8]) -> Self {
        Self { bytes, rest: bytes, end: bytes.len(), in_frame: false, start: 0 }
    }

    /// Leaves the current frame where it is at its end: what follows lies in no frame until one begins.
    fn leave_frame(&mut self) {
        if self.rest.is_empty() {
            self.rest = &self.bytes[self.end..];
            self.end = self.bytes.len();
            self.in_frame = false;
        }
    }

    /// Leaves the current frame, which has to be at its end: what lies between the opcodes lies in none.
    pub(super) fn end_frame(&mut self) -> Result<()> {
        self.leave_frame();
        match self.in_frame {
            false => Ok(()),
            true => {
                let left = self.rest.len();
                Err(self
                    .fault(format_args!("{left} bytes are left of the frame, after which something else should lie")))
            }
        }
    }

    #[inline]
    pub(super) fn opcode(&mut self) -> Result<u8> {
        if self.rest.is_empty() {
            self.leave_frame();
        }
        self.start = self.at();
        match self.rest.split_first() {
            Some((&opcode, rest)) => {
                self.rest = rest;
                Ok(opcode)
            }
            None => Err(self.fault("the pickle ends without STOP")),
        }
    }

    /// Where the opcode at work stands.
    #[inline]
    pub(super) fn start(&self) -> usize {
        self.start
    }

    #[inline]
    pub(super) fn take(&mut self, len: usize) -> Result<&'p [u8]> {
        match self.rest.split_at_checked(len) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => self.take_after_frame(len),
        }
    }

    /// As many bytes, where the opcode was the last byte of its frame.
    #[cold]
    fn take_after_frame(&mut self, len: usize) -> Result<&'p [u8]> {
        self.leave_frame();
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(|| self.short(len))?;
        self.rest = rest;
        Ok(taken)
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
        if let Some((&taken, rest)) = self.rest.split_first_chunk() {
            self.rest = rest;
            return Ok(taken);
        }
        let taken = self.take_after_frame(N)?;
        taken.first_chunk().copied().ok_or_else(|| self.short(N))
    }

    /// A line of text, without its end.
    pub(super) fn line(&mut self) -> Result<&'p [u8]> {
        self.leave_frame();
        match self.rest.iter().position(|&byte| byte == b'\n') {
            Some(len) => {
                let line = &self.rest[..len];
                self.rest = &self.rest[len + 1..];
                Ok(line)
            }
            None => Err(self.fault("the line does not end")),
        }
    }

    /// Enters a frame of so many bytes.
    pub(super) fn frame(&mut self, len: u64) -> Result<()> {
        if self.in_frame && !self.rest.is_empty() {
            return Err(self.fault("a frame begins before the one before it has ended"));
        }
        let at = self.at();
        let left = self.left();
        match usize::try_from(len) {
            Ok(len) if len <= left => {
                self.end = at + len;
                self.rest = &self.bytes[at..self.end];
                self.in_frame = true;
            }
            _ => return Err(self.fault(format_args!("a frame of {len} bytes, and {left} are left"))),
        }
        Ok(())
    }

    /// Where the next byte stands.
    #[inline]
    pub(super) fn at(&self) -> usize {
        self.end - self.rest.len()
    }

    /// The opcode at work: where it stands, and its name.
    pub(super) fn place(&self) -> (usize, &'static str) {
        (self.start, self.bytes.get(self.start).map_or("no opcode", |&opcode| opcode::name(opcode)))
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.at()
    }

    #[cold]
    fn short(&self, len: usize) -> Error {
        let (left, of) = match self.in_frame {
            true => (self.rest.len(), "frame"),
            false => (self.left(), "pickle"),
        };
        self.fault(format_args!("it needs {len} bytes, and {left} are left of the {of}"))
    }

    /// An error at the opcode at work.
    #[cold]
    pub(super) fn fault(&self, reason: impl std::fmt::Display) -> Error {
        let (at, opcode) = self.place();
        Detail::BadPickle { at, opcode, reason: reason.to_string() }.into()
    }
}
