//! What arrives on a subscriber's sockets, taken apart.

use std::sync::Arc;
use std::time::Duration;

use super::event::{Event, Item};
use super::header::{Header, Stamp};
use super::step::Step;
use super::streams::Streams;
use crate::codec::Decode;
use crate::error::{Detail, Error, Result};
use crate::limits::Limits;
use crate::multipart::Multipart;
use crate::socket::Arrival;

/// What came of a look at a socket.
pub(super) enum Looked {
    Nothing,
    Something,
    Found(Found),
}

/// What there is to tell, before it is decoded.
pub(super) enum Found {
    /// What a stream has to tell.
    Step((Arc<str>, Step<Item>)),
    /// The message that comes next: the frame in hand.
    Frame(Arc<str>, Stamp),
    /// The message that comes next.
    Message(Arc<str>, Stamp, Result<Multipart>),
    Malformed(Error),
}

impl Found {
    /// Decodes it.
    #[inline]
    pub(super) fn tell<T, C: Decode<T>>(self, frame: &[u8], codec: &C) -> Event<T> {
        match self {
            Self::Frame(stream, stamp) => Event::live(stream, stamp, codec.decode_frame(frame)),
            Self::Message(stream, stamp, message) => {
                Event::live(stream, stamp, message.and_then(|message| codec.decode(message)))
            }
            Self::Step((stream, step)) => Event::of(stream, step, codec),
            Self::Malformed(error) => Event::Malformed { error },
        }
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

/// Takes topic and header off a live message: which stream, which message, and of a heartbeat what the cache begins with.
pub(super) fn open(
    arrival: &mut Arrival<'_>,
    streams: &mut Streams<Item>,
    now: Duration,
) -> Result<(usize, Stamp, Option<u64>)> {
    let short = || Error::from(Detail::BadFeedHeader { reason: "is missing" });
    let topic = arrival.show()?.ok_or_else(short)?;
    // a stream begins only when the header is one as well
    let known = streams.find_topic(topic).ok_or_else(|| Box::<[u8]>::from(topic));
    let (stamp, first) = match Header::read(arrival.show()?.ok_or_else(short)?)? {
        Header::Data(stamp) => (stamp, None),
        Header::Heartbeat { stamp, first } => (stamp, Some(first)),
        _ => return Err(Detail::BadFeedHeader { reason: "is of a kind that is not published" }.into()),
    };
    let index = known.or_else(|topic| streams.locate(now, &topic))?;
    Ok((index, stamp, first))
}
