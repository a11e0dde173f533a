//! What arrives on a subscriber's sockets, taken apart.

use std::time::Duration;

use super::event::Item;
use super::header::{Header, Stamp};
use super::streams::Streams;
use crate::error::{Detail, Error, Result};
use crate::limits::Limits;
use crate::multipart::Multipart;
use crate::socket::Arrival;

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
