//! The header of a message: one MessagePack array, written and read. What a later version adds at its end is skipped.

use std::time::Duration;

use rmp::Marker;
use rmp::decode::{read_array_len, read_int, read_str_from_slice};
use rmp::encode::{write_array_len, write_nil, write_str, write_uint};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::super::message::{Account, Hello, Ticket, VERSION, Window};
use super::{MAX_BATCH, MAX_NAMED, refuse};
use crate::buffer::Buffer;
use crate::error::Result;
use crate::multipart::Multipart;

/// The longest header in bytes: that of a beat that names as many tasks as one may.
pub(super) const MAX_HEADER: usize = 1 << 20;
/// The longest reason or name in bytes; longer ones are cut when they are sent, and refused when they come.
pub(super) const MAX_TEXT: usize = 4096;

/// How deep an element is nested that is passed over.
const MAX_DEPTH: usize = 16;

/// The header that is being written.
pub(super) struct Header(Vec<u8>);

/// Why writing to a vector cannot fail.
const TAKES_ALL: &str = "invariant: a vector takes everything";

impl Header {
    pub(super) fn new() -> Self {
        Self(Vec::with_capacity(64))
    }

    /// An array of `len`, the name included.
    pub(super) fn begin(&mut self, name: &str, len: usize) -> &mut Self {
        self.array(len).text(name)
    }

    pub(super) fn array(&mut self, len: usize) -> &mut Self {
        write_array_len(&mut self.0, u32::try_from(len).unwrap_or(u32::MAX)).expect(TAKES_ALL);
        self
    }

    pub(super) fn number(&mut self, number: u64) -> &mut Self {
        write_uint(&mut self.0, number).expect(TAKES_ALL);
        self
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        write_str(&mut self.0, &text[..text.floor_char_boundary(MAX_TEXT)]).expect(TAKES_ALL);
        self
    }

    pub(super) fn ticket(&mut self, ticket: Ticket) -> &mut Self {
        self.number(ticket.task).number(u64::from(ticket.delivery))
    }

    pub(super) fn numbers(&mut self, numbers: &[u64]) -> &mut Self {
        numbers.iter().fold(self.array(numbers.len()), |header, &number| header.number(number))
    }

    pub(super) fn window(&mut self, window: Window) -> &mut Self {
        self.number(window.messages).number(window.bytes)
    }

    /// Milliseconds, or nil.
    pub(super) fn millis(&mut self, duration: Option<Duration>) -> &mut Self {
        match duration {
            Some(duration) => self.number(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
            None => {
                write_nil(&mut self.0).expect(TAKES_ALL);
                self
            }
        }
    }

    /// How much comes next, where that is much.
    pub(super) fn coming(&mut self, bytes: u64) -> &mut Self {
        if bytes > 0 { self.number(bytes) } else { self }
    }

    /// How many frames an object has, and the frames themselves to `frames`.
    pub(super) fn object(&mut self, object: Multipart, frames: &mut Vec<Buffer>) {
        let (metadata, buffers) = object.into_parts();
        self.number(1 + buffers.len() as u64);
        frames.push(Buffer::from(metadata));
        frames.extend(buffers);
    }

    pub(super) fn finish(self, frames: Vec<Buffer>) -> Multipart {
        Multipart::new(self.0, frames)
    }
}

/// The header that is being read.
pub(super) struct Reader<'h> {
    rest: &'h [u8],
    /// How many elements of the outer array are left.
    left: u32,
    pub(super) name: &'h str,
}

impl<'h> Reader<'h> {
    pub(super) fn new(mut header: &'h [u8]) -> Result<Self> {
        if header.len() > MAX_HEADER {
            return Err(refuse("its header is too long"));
        }
        let left = read_array_len(&mut header).map_err(|_| refuse("its header is no MessagePack array"))?;
        let mut reader = Self { rest: header, left, name: "" };
        reader.name = reader.text()?;
        Ok(reader)
    }

    fn count(&mut self) -> Result<()> {
        self.left = self.left.checked_sub(1).ok_or_else(|| refuse("its header is too short"))?;
        Ok(())
    }

    pub(super) fn number(&mut self) -> Result<u64> {
        self.count()?;
        read_int(&mut self.rest).map_err(|_| refuse("its header has something else where a number is due"))
    }

    pub(super) fn small(&mut self) -> Result<u32> {
        u32::try_from(self.number()?).map_err(|_| refuse("a count in its header has more than 32 bits"))
    }

    pub(super) fn text(&mut self) -> Result<&'h str> {
        self.count()?;
        let (text, rest) =
            read_str_from_slice(self.rest).map_err(|_| refuse("its header has something else where a text is due"))?;
        if text.len() > MAX_TEXT {
            return Err(refuse("a text in its header is too long"));
        }
        self.rest = rest;
        Ok(text)
    }

    pub(super) fn ticket(&mut self) -> Result<Ticket> {
        Ok(Ticket { task: self.number()?, delivery: self.small()? })
    }

    pub(super) fn window(&mut self) -> Result<Window> {
        Ok(Window { messages: self.number()?, bytes: self.number()? })
    }

    pub(super) fn millis(&mut self) -> Result<Option<Duration>> {
        if self.rest.first().copied().map(Marker::from_u8) == Some(Marker::Null) {
            self.rest = &self.rest[1..];
            return self.count().map(|()| None);
        }
        self.number().map(|millis| Some(Duration::from_millis(millis)))
    }

    /// Of a worker of another version no more than what every version begins with.
    pub(super) fn hello(&mut self) -> Result<Hello> {
        let (version, worker, session) = (self.number()?, self.number()?, self.number()?);
        let (mut name, mut window, mut capacity) = ("", Window::default(), 0);
        if version == VERSION {
            (name, window, capacity) = (self.text()?, self.window()?, self.number()?);
        }
        Ok(Hello { version, worker, session, name: name.to_owned(), window, capacity })
    }

    /// An array within the array.
    fn array(&mut self) -> Result<u32> {
        self.count()?;
        let len =
            read_array_len(&mut self.rest).map_err(|_| refuse("its header has something else where a list is due"))?;
        // every element is at least one byte
        if len as usize > self.rest.len() {
            return Err(refuse("its header is too short"));
        }
        Ok(len)
    }

    pub(super) fn numbers(&mut self) -> Result<Vec<u64>> {
        let len = self.array()?;
        if len as usize > MAX_NAMED {
            return Err(refuse("a list in its header is too long"));
        }
        let number = |_| read_int(&mut self.rest).map_err(|_| refuse("a list in its header has more than numbers"));
        (0..len).map(number).collect()
    }

    /// What an earlier release did not say.
    pub(super) fn account(&mut self) -> Result<Option<Account>> {
        if self.left == 0 {
            return Ok(None);
        }
        Ok(Some(Account { clock: self.number()?, busy: self.numbers()? }))
    }

    /// What an earlier release did not say either.
    pub(super) fn last_number(&mut self) -> Result<u64> {
        if self.left == 0 { Ok(0) } else { self.number() }
    }

    /// Nor this.
    pub(super) fn last_text(&mut self) -> Result<Option<&'h str>> {
        if self.left == 0 { Ok(None) } else { self.text().map(Some) }
    }

    /// Nor this: there may be one.
    pub(super) fn lease(&mut self) -> Result<Option<Duration>> {
        if self.left == 0 { Ok(Some(Duration::MAX)) } else { self.millis() }
    }

    /// The elements that are left, each an array of its own.
    pub(super) fn rest<M>(&mut self, mut each: impl FnMut(&mut Self) -> Result<M>) -> Result<Vec<M>> {
        let mut found = Vec::new();
        if self.left as usize > MAX_BATCH {
            return Err(refuse("it has too many objects"));
        }
        while self.left > 0 {
            let inner = self.array()?;
            let outer = std::mem::replace(&mut self.left, inner);
            found.push(each(self)?);
            self.skip()?;
            self.left = outer;
        }
        Ok(found)
    }

    /// Passes over what a later version added to the array that is being read.
    fn skip(&mut self) -> Result<()> {
        if self.left == 0 {
            return Ok(());
        }
        let mut elements = rmp_serde::Deserializer::new(&mut self.rest);
        elements.set_max_depth(MAX_DEPTH);
        let mut skipped = (0..self.left).map(|_| IgnoredAny::deserialize(&mut elements));
        skipped.try_for_each(|skipped| skipped.map(drop)).map_err(|_| refuse("an entry in its header is damaged"))
    }
}
