//! What arrives on a subscriber's sockets, taken apart.

use std::sync::Arc;
use std::time::Duration;

use super::event::{Event, Item};
use super::header::{Header, Stamp};
use super::name;
use super::step::Step;
use super::streams::Streams;
use crate::codec::Decode;
use crate::error::{Detail, Error, Result};
use crate::limits::Limits;
use crate::multipart::Multipart;
use crate::socket::Arrival;

/// What there is to tell, before it is decoded. It is written where it is read: to be moved about costs more than to be found.
pub(super) enum Found {
    Nothing,
    /// What a stream has to tell.
    Step((Arc<str>, Step<Item>)),
    /// The message that comes next: the frame in hand.
    Frame(Arc<str>, Stamp),
    /// The message that comes next.
    Message(Arc<str>, Stamp, Result<Multipart>),
    Malformed(Error),
}

impl Found {
    /// Takes a message off the live socket; what there is to tell at once.
    #[inline]
    pub(super) fn take(
        arrival: &mut Arrival<'_>,
        streams: &mut Streams<Item>,
        now: Duration,
        limits: &dyn Fn() -> Limits,
        found: &mut Self,
    ) -> Result<()> {
        let Opening { index, stamp, first } = match Opening::take(arrival, streams, now) {
            Ok(opening) => opening,
            Err(error) if error.is_peer() || error.is_limit() => {
                *found = Self::Malformed(error);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if let Some(first) = first {
            streams.heartbeat(index, stamp, first);
            return Ok(());
        }
        // what comes next and is short is decoded where it lies
        if let Some(len) = arrival.lone_len()?
            && let Some(stream) = streams.pass(index, stamp, len)
        {
            *found = Self::Frame(stream.clone(), stamp);
            return Ok(());
        }
        let message = content(arrival, &limits())?;
        let len = message.as_ref().map_or(0, Multipart::total_len);
        match streams.pass(index, stamp, len) {
            Some(stream) => *found = Self::Message(stream.clone(), stamp, message),
            None => streams.data(index, stamp, (stamp.time, message), len),
        }
        Ok(())
    }

    /// How long the message is, if there is anything to tell; 0 for one that is in the frame in hand, which is short, and for what is none.
    #[inline]
    pub(super) fn len(&self) -> Option<usize> {
        match self {
            Self::Nothing => None,
            Self::Message(_, _, Ok(message)) => Some(message.total_len()),
            _ => Some(0),
        }
    }

    /// Decodes it.
    #[inline]
    pub(super) fn tell<T, C: Decode<T>>(self, frame: &zmq::Message, codec: &C) -> Option<Event<T>> {
        Some(match self {
            Self::Frame(stream, stamp) => Event::live(stream, stamp, codec.decode_frame(frame)),
            Self::Message(stream, stamp, message) => {
                Event::live(stream, stamp, message.and_then(|message| codec.decode(message)))
            }
            Self::Step((stream, step)) => Event::of(stream, step, codec),
            Self::Malformed(error) => Event::Malformed { error },
            Self::Nothing => return None,
        })
    }
}

/// Takes the rest of a message; what is wrong with it is told when its turn comes.
pub(super) fn content(arrival: &mut Arrival<'_>, limits: &Limits) -> Result<Result<Multipart>> {
    match arrival.message(limits) {
        Ok(Some(message)) => Ok(Ok(message)),
        Ok(None) => Ok(Err(Detail::NoMetadata.into())),
        Err(error) if error.is_limit() => Ok(Err(error)),
        Err(error) => Err(error),
    }
}

/// What a live message begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opening {
    /// The index of its stream.
    pub(super) index: usize,
    pub(super) stamp: Stamp,
    /// Of a heartbeat, what the cache begins with.
    pub(super) first: Option<u64>,
}

impl Opening {
    /// Takes the topic frame off a live message.
    #[inline]
    pub(super) fn take(arrival: &mut Arrival<'_>, streams: &mut Streams<Item>, now: Duration) -> Result<Self> {
        let frame = arrival.show()?.unwrap_or_default();
        if let Some((index, header)) = streams.again(frame)
            && let Some(stamp) = Header::read_data(header)
        {
            return Ok(Self { index, stamp, first: None });
        }
        Self::take_shown(arrival, streams, now)
    }

    /// Takes the frame that was shown for a topic frame.
    #[inline(never)]
    fn take_shown(arrival: &mut Arrival<'_>, streams: &mut Streams<Item>, now: Duration) -> Result<Self> {
        let frame = arrival.shown();
        let opening = Self::read(frame, streams, now);
        if opening.is_err()
            && name::split(frame).is_ok_and(|(_, header)| header.is_empty())
            && let Some(apart) = arrival.show()?
        {
            // where version 1 had it: the error says so
            Header::read(apart)?;
        }
        opening
    }

    /// Reads a topic frame.
    pub(super) fn read<M>(frame: &[u8], streams: &mut Streams<M>, now: Duration) -> Result<Self> {
        if let Some((index, header)) = streams.again(frame) {
            let (stamp, first) = published(header)?;
            return Ok(Self { index, stamp, first });
        }
        let (topic, header) = name::split(frame)?;
        // a stream begins only when the header is one as well
        let (stamp, first) = published(header)?;
        Ok(Self { index: streams.locate(now, topic)?, stamp, first })
    }
}

/// Reads the header of a message or a heartbeat.
fn published(header: &[u8]) -> Result<(Stamp, Option<u64>)> {
    match Header::read(header)? {
        Header::Data(stamp) => Ok((stamp, None)),
        Header::Heartbeat { stamp, first } => Ok((stamp, Some(first))),
        _ => Err(Detail::BadFeedHeader { reason: "is of a kind that is not published" }.into()),
    }
}
