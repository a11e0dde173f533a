//! The frames of the protocol: one MessagePack array as header, then the frames of the objects that come with it.
//!
//! A header begins with the name of what it is. What a later version adds at the end of an array is skipped.

use std::time::Duration;

use rmp::Marker;
use rmp::decode::{read_array_len, read_int, read_str_from_slice};
use rmp::encode::{write_array_len, write_nil, write_str, write_uint};

use super::message::{Beat, Down, Fault, Hello, Nak, Ticket, Up, VERSION, Welcome, Window};
use crate::buffer::Buffer;
use crate::error::{Detail, Error, Result};
use crate::multipart::Multipart;

/// The longest header in bytes: that of a beat with as many waiting tasks as a window can have.
pub(super) const MAX_HEADER: usize = 1 << 20;
/// The most tasks or results in one message.
pub(super) const MAX_BATCH: usize = 64;
/// The longest reason or name in bytes; longer ones are cut when they are sent, and refused when they come.
const MAX_TEXT: usize = 4096;

/// Writes one message from a worker that is not a result.
pub(super) fn up(message: &Up) -> Multipart {
    let mut header = Header::new();
    match message {
        Up::Hello(hello) => {
            header.begin("hello", 8).number(hello.version).number(hello.worker).number(hello.session);
            header.text(&hello.name).window(hello.window).number(hello.capacity);
        }
        Up::Beat(beat) => {
            header.begin("beat", 5).number(beat.session).window(beat.window).array(beat.waiting.len());
            for &task in &beat.waiting {
                header.number(task);
            }
        }
        Up::Result { epoch, ticket } => {
            header.begin("result", 3).number(*epoch).array(3).ticket(*ticket).number(0);
        }
        Up::Nak(nak) => {
            header.begin("nak", 7).number(nak.epoch).ticket(nak.ticket).text(fault_name(nak.fault));
            header.millis(nak.delay).text(&nak.reason);
        }
        Up::Progress { epoch, ticket } => {
            header.begin("progress", 4).number(*epoch).ticket(*ticket);
        }
        Up::Bye => {
            header.begin("bye", 1);
        }
    }
    header.finish(Vec::new())
}

/// Writes one message from a dispatcher that is not a task.
pub(super) fn down(message: &Down) -> Multipart {
    let mut header = Header::new();
    match message {
        Down::Welcome(welcome) => {
            header.begin("welcome", 6).number(welcome.version).number(welcome.session).number(welcome.epoch);
            header.millis(Some(welcome.heartbeat)).millis(Some(welcome.liveness));
        }
        Down::Refused { session, reason } => {
            header.begin("refused", 3).number(*session).text(reason);
        }
        Down::Who { session } => {
            header.begin("who", 2).number(*session);
        }
        Down::Task { session, ticket, attempt } => {
            header.begin("task", 3).number(*session);
            header.array(4).ticket(*ticket).number(u64::from(*attempt)).number(0);
        }
        Down::Cancel { ticket } => {
            header.begin("cancel", 3).ticket(*ticket);
        }
        Down::Beat => {
            header.begin("beat", 1);
        }
        Down::Bye => {
            header.begin("bye", 1);
        }
    }
    header.finish(Vec::new())
}

/// Writes tasks of one session as one message.
pub(super) fn tasks(session: u64, tasks: Vec<(Ticket, u32, Multipart)>) -> Multipart {
    let mut header = Header::new();
    header.begin("task", 2 + tasks.len()).number(session);
    let mut frames = Vec::with_capacity(tasks.len());
    for (ticket, attempt, object) in tasks {
        header.array(4).ticket(ticket).number(u64::from(attempt)).object(object, &mut frames);
    }
    header.finish(frames)
}

/// Writes results for one dispatcher as one message.
pub(super) fn results(epoch: u64, results: Vec<(Ticket, Multipart)>) -> Multipart {
    let mut header = Header::new();
    header.begin("result", 2 + results.len()).number(epoch);
    let mut frames = Vec::with_capacity(results.len());
    for (ticket, object) in results {
        header.array(3).ticket(ticket).object(object, &mut frames);
    }
    header.finish(frames)
}

/// Reads a message from a worker; several when it has several results. All of it is checked before any of it is returned.
pub(super) fn read_up(message: Multipart) -> Result<Vec<(Up, Option<Multipart>)>> {
    let (header, frames) = message.into_parts();
    let mut reader = Reader::new(&header)?;
    let one = match reader.name {
        "hello" => Up::Hello(reader.hello()?),
        "beat" => Up::Beat(Beat { session: reader.number()?, window: reader.window()?, waiting: reader.numbers()? }),
        "result" => {
            let (epoch, mut bodies) = (reader.number()?, Bodies::of(frames));
            let results = reader.rest(|entry| {
                let ticket = entry.ticket()?;
                Ok((Up::Result { epoch, ticket }, Some(bodies.take(entry.number()?)?)))
            })?;
            return bodies.end().map(|()| results);
        }
        "nak" => Up::Nak(Nak {
            epoch: reader.number()?,
            ticket: reader.ticket()?,
            fault: fault_of(reader.text()?)?,
            delay: reader.millis()?,
            reason: reader.text()?.to_owned(),
        }),
        "progress" => Up::Progress { epoch: reader.number()?, ticket: reader.ticket()? },
        "bye" => Up::Bye,
        _ => return Err(refuse("its header names nothing that a worker says")),
    };
    alone(one, &frames)
}

/// Reads a message from a dispatcher; several when it has several tasks. All of it is checked before any of it is returned.
pub(super) fn read_down(message: Multipart) -> Result<Vec<(Down, Option<Multipart>)>> {
    let (header, frames) = message.into_parts();
    let mut reader = Reader::new(&header)?;
    let one = match reader.name {
        "welcome" => Down::Welcome(Welcome {
            version: reader.number()?,
            session: reader.number()?,
            epoch: reader.number()?,
            heartbeat: reader.millis()?.unwrap_or_default(),
            liveness: reader.millis()?.unwrap_or_default(),
        }),
        "refused" => Down::Refused { session: reader.number()?, reason: reader.text()?.to_owned() },
        "who" => Down::Who { session: reader.number()? },
        "task" => {
            let (session, mut bodies) = (reader.number()?, Bodies::of(frames));
            let tasks = reader.rest(|entry| {
                let (ticket, attempt) = (entry.ticket()?, entry.small()?);
                Ok((Down::Task { session, ticket, attempt }, Some(bodies.take(entry.number()?)?)))
            })?;
            return bodies.end().map(|()| tasks);
        }
        "cancel" => Down::Cancel { ticket: reader.ticket()? },
        "beat" => Down::Beat,
        "bye" => Down::Bye,
        _ => return Err(refuse("its header names nothing that a dispatcher says")),
    };
    alone(one, &frames)
}

fn alone<M>(message: M, frames: &[Buffer]) -> Result<Vec<(M, Option<Multipart>)>> {
    if !frames.is_empty() {
        return Err(refuse("frames follow a header that announces none"));
    }
    Ok(vec![(message, None)])
}

fn refuse(reason: &'static str) -> Error {
    Detail::NotPipeline { reason }.into()
}

fn fault_name(fault: Fault) -> &'static str {
    match fault {
        Fault::Failed => "failed",
        Fault::Rejected => "rejected",
        Fault::Returned => "returned",
    }
}

fn fault_of(name: &str) -> Result<Fault> {
    match name {
        "failed" => Ok(Fault::Failed),
        "rejected" => Ok(Fault::Rejected),
        "returned" => Ok(Fault::Returned),
        _ => Err(refuse("it names no fault that is known")),
    }
}

/// The header that is being written.
struct Header(Vec<u8>);

/// Why writing to a vector cannot fail.
const TAKES_ALL: &str = "invariant: a vector takes everything";

impl Header {
    fn new() -> Self {
        Self(Vec::with_capacity(64))
    }

    /// An array of `len`, the name included.
    fn begin(&mut self, name: &str, len: usize) -> &mut Self {
        self.array(len).text(name)
    }

    fn array(&mut self, len: usize) -> &mut Self {
        write_array_len(&mut self.0, u32::try_from(len).unwrap_or(u32::MAX)).expect(TAKES_ALL);
        self
    }

    fn number(&mut self, number: u64) -> &mut Self {
        write_uint(&mut self.0, number).expect(TAKES_ALL);
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        write_str(&mut self.0, &text[..text.floor_char_boundary(MAX_TEXT)]).expect(TAKES_ALL);
        self
    }

    fn ticket(&mut self, ticket: Ticket) -> &mut Self {
        self.number(ticket.task).number(u64::from(ticket.delivery))
    }

    fn window(&mut self, window: Window) -> &mut Self {
        self.number(window.messages).number(window.bytes)
    }

    /// Milliseconds, or nil.
    fn millis(&mut self, duration: Option<Duration>) -> &mut Self {
        match duration {
            Some(duration) => self.number(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
            None => {
                write_nil(&mut self.0).expect(TAKES_ALL);
                self
            }
        }
    }

    /// How many frames an object has, and the frames themselves to `frames`.
    fn object(&mut self, object: Multipart, frames: &mut Vec<Buffer>) {
        let (metadata, buffers) = object.into_parts();
        self.number(1 + buffers.len() as u64);
        frames.push(Buffer::from(metadata));
        frames.extend(buffers);
    }

    fn finish(self, frames: Vec<Buffer>) -> Multipart {
        Multipart::new(self.0, frames)
    }
}

/// The header that is being read.
struct Reader<'h> {
    rest: &'h [u8],
    /// How many elements of the outer array are left.
    left: u32,
    name: &'h str,
}

impl<'h> Reader<'h> {
    fn new(mut header: &'h [u8]) -> Result<Self> {
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

    fn number(&mut self) -> Result<u64> {
        self.count()?;
        read_int(&mut self.rest).map_err(|_| refuse("its header has something else where a number is due"))
    }

    fn small(&mut self) -> Result<u32> {
        u32::try_from(self.number()?).map_err(|_| refuse("a count in its header has more than 32 bits"))
    }

    fn text(&mut self) -> Result<&'h str> {
        self.count()?;
        let (text, rest) =
            read_str_from_slice(self.rest).map_err(|_| refuse("its header has something else where a text is due"))?;
        if text.len() > MAX_TEXT {
            return Err(refuse("a text in its header is too long"));
        }
        self.rest = rest;
        Ok(text)
    }

    fn ticket(&mut self) -> Result<Ticket> {
        Ok(Ticket { task: self.number()?, delivery: self.small()? })
    }

    fn window(&mut self) -> Result<Window> {
        Ok(Window { messages: self.number()?, bytes: self.number()? })
    }

    fn millis(&mut self) -> Result<Option<Duration>> {
        if self.rest.first().copied().map(Marker::from_u8) == Some(Marker::Null) {
            self.rest = &self.rest[1..];
            return self.count().map(|()| None);
        }
        self.number().map(|millis| Some(Duration::from_millis(millis)))
    }

    /// Of a worker of another version no more than what every version begins with.
    fn hello(&mut self) -> Result<Hello> {
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

    fn numbers(&mut self) -> Result<Vec<u64>> {
        let len = self.array()?;
        let number = |_| read_int(&mut self.rest).map_err(|_| refuse("a list in its header has more than numbers"));
        (0..len).map(number).collect()
    }

    /// The elements that are left, each an array of its own.
    fn rest<M>(&mut self, mut each: impl FnMut(&mut Self) -> Result<M>) -> Result<Vec<M>> {
        let mut found = Vec::new();
        if self.left as usize > MAX_BATCH {
            return Err(refuse("it has too many objects"));
        }
        while self.left > 0 {
            let inner = self.array()?;
            let outer = std::mem::replace(&mut self.left, inner);
            found.push(each(self)?);
            if self.left > 0 {
                return Err(refuse("an entry in its header is too long"));
            }
            self.left = outer;
        }
        Ok(found)
    }
}

/// The frames of the objects of one message.
struct Bodies(std::vec::IntoIter<Buffer>);

impl Bodies {
    fn of(frames: Vec<Buffer>) -> Self {
        Self(frames.into_iter())
    }

    fn take(&mut self, frames: u64) -> Result<Multipart> {
        let metadata = self.0.next().filter(|_| frames > 0).ok_or_else(|| refuse("an object has no frames"))?;
        let buffers = usize::try_from(frames - 1).ok().filter(|&buffers| buffers <= self.0.len());
        let buffers = buffers.ok_or_else(|| refuse("an object has fewer frames than its header says"))?;
        Ok(Multipart::new(metadata, self.0.by_ref().take(buffers).collect()))
    }

    fn end(&self) -> Result<()> {
        if self.0.len() > 0 {
            return Err(refuse("it has more frames than its header says"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const TICKET: Ticket = Ticket { task: u64::MAX, delivery: 3 };

    fn ups() -> Vec<Up> {
        let window = Window { messages: 4, bytes: 1 << 40 };
        let hello = Hello { version: VERSION, worker: 9, session: 2, name: "näme".to_owned(), window, capacity: 5 };
        let nak = |fault, delay| Nak { epoch: 7, ticket: TICKET, fault, delay, reason: "no".to_owned() };
        vec![
            Up::Hello(hello),
            Up::Beat(Beat { session: 2, window, waiting: (0..300).map(|number| number * 1000).collect() }),
            Up::Nak(nak(Fault::Failed, Some(Duration::from_millis(1500)))),
            Up::Nak(nak(Fault::Rejected, None)),
            Up::Nak(nak(Fault::Returned, Some(Duration::ZERO))),
            Up::Progress { epoch: u64::MAX, ticket: TICKET },
            Up::Bye,
        ]
    }

    fn downs() -> Vec<Down> {
        let second = Duration::from_secs(1);
        vec![
            Down::Welcome(Welcome { version: 1, session: 2, epoch: 3, heartbeat: second, liveness: 3 * second }),
            Down::Refused { session: 2, reason: "too many".to_owned() },
            Down::Who { session: 1 << 33 },
            Down::Cancel { ticket: TICKET },
            Down::Beat,
            Down::Bye,
        ]
    }

    fn object(buffers: usize) -> Multipart {
        Multipart::new("metadata", vec![Buffer::from(vec![1; 100]); buffers])
    }

    #[test]
    fn what_is_written_is_read_again() {
        for message in ups() {
            assert_eq!(read_up(up(&message)).unwrap(), [(message, None)]);
        }
        for message in downs() {
            assert_eq!(read_down(down(&message)).unwrap(), [(message, None)]);
        }
    }

    #[test]
    fn objects_travel_together_and_are_taken_apart_again() {
        let ticket = |task| Ticket { task, delivery: 1 };
        let message = results(5, (0..4).map(|task| (ticket(task), object(task as usize))).collect());
        assert_eq!(message.buffers().len(), 4 + 6);
        let read = read_up(message).unwrap();
        for (task, entry) in read.into_iter().enumerate() {
            assert_eq!(entry, (Up::Result { epoch: 5, ticket: ticket(task as u64) }, Some(object(task))));
        }
        let message = tasks(6, (0..64).map(|task| (ticket(task), 2, object(1))).collect());
        assert_eq!(read_down(message).unwrap().len(), 64);
    }

    #[test]
    fn a_header_is_what_any_reader_of_message_pack_reads() {
        let header = down(&Down::Cancel { ticket: Ticket { task: 300, delivery: 1 } });
        assert_eq!(header.metadata()[..], *b"\x93\xa6cancel\xcd\x01\x2c\x01");
        let header = tasks(2, vec![(Ticket { task: 7, delivery: 1 }, 1, object(0))]);
        assert_eq!(header.metadata()[..], *b"\x93\xa4task\x02\x94\x07\x01\x01\x01");
        let nak = Nak {
            epoch: 1,
            ticket: Ticket { task: 2, delivery: 3 },
            fault: Fault::Failed,
            delay: None,
            reason: String::new(),
        };
        assert_eq!(up(&Up::Nak(nak)).metadata()[..], *b"\x97\xa3nak\x01\x02\x03\xa6failed\xc0\xa0");
    }

    #[test]
    fn what_a_later_version_adds_is_skipped() {
        let mut header = up(&Up::Bye).metadata().to_vec();
        header[0] += 2; // two more elements
        header.extend([0xa3, b'n', b'e', b'w', 0x05]);
        assert_eq!(read_up(Multipart::new(header, vec![])).unwrap(), [(Up::Bye, None)]);
    }

    #[test]
    fn a_hello_of_another_version_is_read_as_far_as_it_must_be() {
        let read = read_up(Multipart::new(&b"\x94\xa5hello\x63\x05\x06"[..], vec![])).unwrap();
        assert!(matches!(&read[..], [(Up::Hello(Hello { version: 99, worker: 5, session: 6, .. }), None)]));
    }

    #[test]
    fn every_truncation_is_refused() {
        let mut messages: Vec<Multipart> = ups().iter().map(up).collect();
        messages.push(results(5, vec![(TICKET, object(2)), (TICKET, object(0))]));
        for message in messages {
            let (header, frames) = message.into_parts();
            for len in 0..header.len() {
                assert!(read_up(Multipart::new(header.slice(..len), frames.clone())).is_err());
            }
            for short in 0..frames.len() {
                assert!(read_up(Multipart::new(header.clone(), frames[..short].to_vec())).is_err());
            }
            let more = [frames, vec![Buffer::from(vec![1])]].concat();
            assert!(read_up(Multipart::new(header, more)).is_err());
        }
    }

    #[test]
    fn a_long_text_is_cut_when_it_is_sent_and_refused_when_it_comes() {
        let refused = |len| Down::Refused { session: 1, reason: "ä".repeat(len) };
        let [(Down::Refused { reason, .. }, None)] = &read_down(down(&refused(5000))).unwrap()[..] else {
            panic!("another message")
        };
        assert_eq!(reason.len(), MAX_TEXT);
        let mut header = vec![0x93, 0xa7];
        header.extend(b"refused\x01\xda\x20\x00");
        header.extend([b'x'; 0x2000]);
        assert!(read_down(Multipart::new(header, vec![])).is_err());
    }
}
