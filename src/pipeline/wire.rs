//! The frames of the protocol: one MessagePack array as header, then the frames of the objects that come with it.
//!
//! A header begins with the name of what it is. What a later version adds at the end of an array is skipped.

mod header;

use header::{Header, MAX_HEADER, Reader};

use super::message::{Account, Beat, Down, Fault, Nak, Stands, Ticket, Up, Welcome};
use crate::buffer::Buffer;
use crate::error::{Detail, Error, Result};
use crate::limits::Limits;
use crate::multipart::Multipart;

/// The most tasks that a beat names: as many as fit.
pub(super) const MAX_NAMED: usize = 100_000;
/// The most tasks or results in one message.
pub(super) const MAX_BATCH: usize = 64;

/// What a message as a whole may cost: its objects have limits of their own, and libzmq has all of it in memory by the time
/// that its first frame can be read.
pub(super) const WHOLE: Limits = Limits::new().frames(usize::MAX).metadata_bytes(MAX_HEADER).total_bytes(u64::MAX);

/// Refuses an object that is over the limits.
pub(super) fn check_object(object: Option<&Multipart>, limits: &Limits) -> Result<()> {
    let Some(object) = object else { return Ok(()) };
    limits.check_metadata(object.metadata().len() as u64)?;
    limits.check_frames(object.buffers().len() as u64)?;
    limits.check_total(object.total_len() as u64)
}

/// Writes one message from a worker that is not a result.
pub(super) fn up(message: &Up) -> Multipart {
    let mut header = Header::new();
    match message {
        Up::Hello(hello) => {
            header.begin("hello", 8).number(hello.version).number(hello.worker).number(hello.session);
            header.text(&hello.name).window(hello.window).number(hello.capacity);
        }
        Up::Beat(beat) => {
            header.begin("beat", if beat.account.is_some() { 7 } else { 5 });
            header.number(beat.session).window(beat.window).numbers(&beat.waiting);
            if let Some(Account { clock, busy }) = &beat.account {
                header.number(*clock).numbers(busy);
            }
        }
        Up::Result { epoch, ticket } => {
            header.begin("result", 3).number(*epoch).array(3).ticket(*ticket).number(0);
        }
        Up::Nak(nak) => {
            header.begin("nak", 7).number(nak.epoch).ticket(nak.ticket).text(fault_name(nak.fault));
            header.millis(nak.delay).text(&nak.reason);
        }
        Up::Progress { epoch, ticket, coming } => {
            header.begin("progress", if *coming > 0 { 5 } else { 4 }).number(*epoch).ticket(*ticket).coming(*coming);
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
            header.begin("welcome", 7).number(welcome.version).number(welcome.session).number(welcome.epoch);
            header.millis(Some(welcome.heartbeat)).millis(Some(welcome.liveness)).millis(welcome.lease);
        }
        Down::Refused { session, reason, stands } => {
            header.begin("refused", 4).number(*session).text(reason).text(stands_name(*stands));
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
        Down::Beat { clock, coming } => {
            header.begin("beat", if *coming > 0 { 3 } else { 2 }).number(*clock).coming(*coming);
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
        "beat" => Up::Beat(Beat {
            session: reader.number()?,
            window: reader.window()?,
            waiting: reader.numbers()?,
            account: reader.account()?,
        }),
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
        "progress" => Up::Progress { epoch: reader.number()?, ticket: reader.ticket()?, coming: reader.last_number()? },
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
            lease: reader.lease()?,
        }),
        "refused" => Down::Refused {
            session: reader.number()?,
            reason: reader.text()?.to_owned(),
            stands: stands_of(reader.last_text()?),
        },
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
        "beat" => Down::Beat { clock: reader.last_number()?, coming: reader.last_number()? },
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

fn stands_name(stands: Stands) -> &'static str {
    match stands {
        Stands::ForNow => "for now",
        Stands::ForGood => "for good",
    }
}

/// An earlier release does not say: then the worker asks again.
fn stands_of(name: Option<&str>) -> Stands {
    if name == Some(stands_name(Stands::ForGood)) { Stands::ForGood } else { Stands::ForNow }
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

    use std::time::Duration;

    use super::super::message::{Hello, VERSION, Window};
    use super::header::MAX_TEXT;
    use super::*;

    const TICKET: Ticket = Ticket { task: u64::MAX, delivery: 3 };

    fn ups() -> Vec<Up> {
        let window = Window { messages: 4, bytes: 1 << 40 };
        let hello = Hello { version: VERSION, worker: 9, session: 2, name: "näme".to_owned(), window, capacity: 5 };
        let nak = |fault, delay| Nak { epoch: 7, ticket: TICKET, fault, delay, reason: "no".to_owned() };
        vec![
            Up::Hello(hello),
            Up::Beat(Beat {
                session: 2,
                window,
                waiting: (0..300).map(|number| number * 1000).collect(),
                account: None,
            }),
            Up::Beat(Beat { session: 2, window, waiting: vec![], account: Some(Account::default()) }),
            Up::Beat(Beat {
                session: 2,
                window,
                waiting: vec![1],
                account: Some(Account { clock: 1 << 40, busy: vec![2, u64::MAX] }),
            }),
            Up::Nak(nak(Fault::Failed, Some(Duration::from_millis(1500)))),
            Up::Nak(nak(Fault::Rejected, None)),
            Up::Nak(nak(Fault::Returned, Some(Duration::ZERO))),
            Up::Progress { epoch: u64::MAX, ticket: TICKET, coming: 0 },
            Up::Progress { epoch: 1, ticket: TICKET, coming: 1 << 40 },
            Up::Bye,
        ]
    }

    fn downs() -> Vec<Down> {
        let second = Duration::from_secs(1);
        let lease = Some(5 * second);
        let welcome = Welcome { version: 1, session: 2, epoch: 3, heartbeat: second, liveness: 3 * second, lease };
        vec![
            Down::Welcome(Welcome { lease: None, ..welcome }),
            Down::Welcome(welcome),
            Down::Refused { session: 2, reason: "too many".to_owned(), stands: Stands::ForNow },
            Down::Refused { session: 2, reason: "too small".to_owned(), stands: Stands::ForGood },
            Down::Who { session: 1 << 33 },
            Down::Cancel { ticket: TICKET },
            Down::Beat { clock: 0, coming: 0 },
            Down::Beat { clock: 1 << 40, coming: 0 },
            Down::Beat { clock: 0, coming: u64::MAX },
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
        // and at the end of an entry, whatever it is
        let added: [&[u8]; 5] = [b"\xc0", b"\x92\x01\x81\x01\xa1x", b"\xcb12345678", b"\xc7\x03\x05abc", b"\xc4\x02ab"];
        let results: [&[u8]; 2] =
            [&[b"\x94\xa6result\x05\x98\x07\x01\x01", &added.concat()[..]].concat(), b"\x93\x08\x01\x01"];
        let read = read_up(Multipart::new(results.concat(), object(2).buffers().to_vec())).unwrap();
        let numbers =
            read.iter().map(|(message, _)| if let Up::Result { ticket, .. } = message { ticket.task } else { 0 });
        assert_eq!(numbers.collect::<Vec<_>>(), [7, 8]);
        let tasks = [&b"\x93\xa4task\x02\x99\x07\x01\x01\x01"[..], &added.concat()].concat();
        assert_eq!(read_down(Multipart::new(tasks.clone(), object(1).buffers().to_vec())).unwrap().len(), 1);
        assert!(read_down(Multipart::new(tasks[..tasks.len() - 1].to_vec(), object(1).buffers().to_vec())).is_err());
        let deep = [&b"\x93\xa4task\x02\x95\x07\x01\x01\x01"[..], &[0x91; 100_000], b"\xc0"].concat();
        assert!(read_down(Multipart::new(deep, object(1).buffers().to_vec())).is_err());
    }

    #[test]
    fn where_an_earlier_release_does_not_say_there_may_be_a_lease() {
        let read = read_down(Multipart::new(&b"\x96\xa7welcome\x01\x02\x03\x04\x05"[..], vec![])).unwrap();
        assert!(matches!(&read[..], [(Down::Welcome(Welcome { lease: Some(_), .. }), None)]), "{read:?}");
    }

    #[test]
    fn where_an_earlier_release_does_not_say_a_refusal_stands_for_now() {
        for header in [&b"\x93\xa7refused\x01\xa2no"[..], b"\x94\xa7refused\x01\xa2no\xa5later"] {
            let read = read_down(Multipart::new(header, vec![])).unwrap();
            assert!(matches!(&read[..], [(Down::Refused { stands: Stands::ForNow, .. }, None)]), "{read:?}");
        }
    }

    #[test]
    fn a_hello_of_another_version_is_read_as_far_as_it_must_be() {
        let read = read_up(Multipart::new(&b"\x94\xa5hello\x63\x05\x06"[..], vec![])).unwrap();
        assert!(matches!(&read[..], [(Up::Hello(Hello { version: 99, worker: 5, session: 6, .. }), None)]));
    }

    #[test]
    fn a_list_is_as_long_as_a_sign_of_life_may_name_tasks() {
        let window = Window::default();
        let beat = |many| Up::Beat(Beat { session: 1, window, waiting: vec![1; many], account: None });
        assert!(read_up(up(&beat(MAX_NAMED))).is_ok());
        assert!(read_up(up(&beat(MAX_NAMED + 1))).is_err());
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
        let refused = |len| Down::Refused { session: 1, reason: "ä".repeat(len), stands: Stands::ForNow };
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
