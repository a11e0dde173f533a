//! The wire: what stands before the objects of a feed.
//!
//! Fixed layouts, little-endian; `docs/feed.md` has them for other languages. A reader takes what it knows off the front and
//! leaves the rest: a later minor revision may append.

use crate::error::{Detail, Result};

/// Which message of a stream this is, and when it was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Names one start of a publisher.
    pub(crate) epoch: u64,
    /// Counted from 1, without holes, per stream and epoch.
    pub(crate) number: u64,
    /// Microseconds since 1970, by the publisher's clock.
    pub(crate) time: u64,
}

/// The header of what a publisher sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// A message follows, as it was published.
    Data(Stamp),
    /// The stamp is that of the newest message; `first` is the oldest one that can be recovered.
    Heartbeat { stamp: Stamp, first: u64 },
    /// A message follows, from the cache.
    Recovered { stamp: Stamp, request: u64 },
    /// The end of the answer to a request. Stamp and `first` are as in a heartbeat.
    End { stamp: Stamp, first: u64, request: u64 },
}

/// What a subscriber asks the publisher's cache for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) epoch: u64,
    /// Comes back with every part of the answer.
    pub(crate) id: u64,
    /// The most messages to answer with: credit.
    pub(crate) messages: u64,
    /// The most bytes to answer with, but at least one message.
    pub(crate) bytes: u64,
    /// First and last number of each range: ascending, apart from each other.
    pub(crate) ranges: Vec<(u64, u64)>,
}

/// The longest header.
pub(crate) const MAX_HEADER: usize = 43;

/// The most ranges in one request.
pub(crate) const MAX_RANGES: usize = 64;

/// The highest number: far out of reach, and sums of it do not overflow.
pub(crate) const MAX_NUMBER: u64 = 1 << 62;

const MAGIC: u8 = b'F';
const VERSION: u8 = 2;

const DATA: u8 = 1;
const HEARTBEAT: u8 = 2;
const RECOVERED: u8 = 3;
const END: u8 = 4;
const REQUEST: u8 = 5;

impl Header {
    /// Writes the header; returns the part of `space` that it takes.
    pub(crate) fn write<'s>(&self, space: &'s mut [u8; MAX_HEADER]) -> &'s [u8] {
        let (kind, stamp, rest) = match self {
            Self::Data(stamp) => (DATA, stamp, [None, None]),
            Self::Heartbeat { stamp, first } => (HEARTBEAT, stamp, [Some(first), None]),
            Self::Recovered { stamp, request } => (RECOVERED, stamp, [Some(request), None]),
            Self::End { stamp, first, request } => (END, stamp, [Some(first), Some(request)]),
        };
        space[..3].copy_from_slice(&[MAGIC, VERSION, kind]);
        let mut len = 3;
        let numbers = [Some(&stamp.epoch), Some(&stamp.number), Some(&stamp.time), rest[0], rest[1]];
        for number in numbers.into_iter().flatten() {
            space[len..len + 8].copy_from_slice(&number.to_le_bytes());
            len += 8;
        }
        &space[..len]
    }

    /// Writes a topic frame: the topic of a stream, and the header.
    pub(crate) fn write_after(&self, topic: &[u8], frame: &mut Vec<u8>) {
        let mut space = [0; MAX_HEADER];
        frame.clear();
        frame.extend_from_slice(topic);
        frame.extend_from_slice(self.write(&mut space));
    }

    /// Has a topic frame with the header of a message be that of another message of the same stream and epoch.
    pub(crate) fn renumber(stamp: Stamp, frame: &mut [u8]) {
        if let Some(numbers) = frame.last_chunk_mut::<16>() {
            numbers[..8].copy_from_slice(&stamp.number.to_le_bytes());
            numbers[8..].copy_from_slice(&stamp.time.to_le_bytes());
        }
    }

    /// Reads the header of a message as it was published, which most are; `None` for any other, and for what is none.
    #[inline]
    pub(crate) fn read_data(frame: &[u8]) -> Option<Stamp> {
        let (begin, numbers) = frame.first_chunk::<{ 3 + 24 }>()?.split_at(3);
        let ([epoch, number, time], []) = numbers.as_chunks::<8>() else { return None };
        let [epoch, number, time] = [epoch, number, time].map(|number| u64::from_le_bytes(*number));
        let is_sound = begin == [MAGIC, VERSION, DATA] && epoch > 0 && (1..=MAX_NUMBER).contains(&number);
        is_sound.then_some(Stamp { epoch, number, time })
    }

    /// Reads a header.
    pub(crate) fn read(frame: &[u8]) -> Result<Self> {
        let kind = kind(frame)?;
        let stamp = Stamp { epoch: number(frame, 3)?, number: number(frame, 11)?, time: number(frame, 19)? };
        if stamp.epoch == 0 || stamp.number > MAX_NUMBER {
            return Err(refused("has an epoch or a number that cannot be"));
        }
        let header = match kind {
            DATA => Self::Data(stamp),
            HEARTBEAT => Self::Heartbeat { stamp, first: number(frame, 27)? },
            RECOVERED => Self::Recovered { stamp, request: number(frame, 27)? },
            END => Self::End { stamp, first: number(frame, 27)?, request: number(frame, 35)? },
            _ => return Err(refused("is of a kind that a publisher does not send")),
        };
        match header {
            Self::Data(_) | Self::Recovered { .. } if stamp.number == 0 => {
                Err(refused("numbers a message 0, and streams begin at 1"))
            }
            Self::Heartbeat { first, .. } | Self::End { first, .. } if first == 0 || first > stamp.number + 1 => {
                Err(refused("says that the cache begins where it cannot"))
            }
            header => Ok(header),
        }
    }
}

impl Request {
    /// The header frame and the frame of ranges.
    pub(crate) fn write(&self) -> (Vec<u8>, Vec<u8>) {
        let mut header = vec![MAGIC, VERSION, REQUEST];
        for number in [self.epoch, self.id, self.messages, self.bytes] {
            header.extend_from_slice(&number.to_le_bytes());
        }
        let ends = self.ranges.iter().flat_map(|&(from, to)| [from, to]);
        (header, ends.flat_map(u64::to_le_bytes).collect())
    }

    /// Reads a header frame and a frame of ranges.
    pub(crate) fn read(header: &[u8], ranges: &[u8]) -> Result<Self> {
        if kind(header)? != REQUEST {
            return Err(refused("is of a kind that a subscriber does not send"));
        }
        if ranges.is_empty() || !ranges.len().is_multiple_of(16) || ranges.len() > 16 * MAX_RANGES {
            return Err(refused("asks for no ranges, or for too many"));
        }
        let (pairs, _) = ranges.as_chunks::<16>();
        let ranges: Vec<_> =
            pairs.iter().map(|pair| Ok((number(pair, 0)?, number(pair, 8)?))).collect::<Result<_>>()?;
        let mut above = 0;
        for &(from, to) in &ranges {
            if from <= above || to < from || to > MAX_NUMBER {
                return Err(refused("asks for ranges that do not ascend from 1"));
            }
            above = to;
        }
        let (epoch, id) = (number(header, 3)?, number(header, 11)?);
        Ok(Self { epoch, id, messages: number(header, 19)?, bytes: number(header, 27)?, ranges })
    }
}

fn kind(frame: &[u8]) -> Result<u8> {
    match frame {
        [MAGIC, VERSION, kind, ..] => Ok(*kind),
        [MAGIC, version, _, ..] if *version != VERSION => {
            Err(Detail::BadFeedVersion { version: *version, known: VERSION }.into())
        }
        _ => Err(refused("is not one of a feed")),
    }
}

fn number(frame: &[u8], at: usize) -> Result<u64> {
    let bytes = frame.get(at..).and_then(|rest| rest.first_chunk());
    bytes.map(|bytes| u64::from_le_bytes(*bytes)).ok_or_else(|| refused("is too short"))
}

fn refused(reason: &'static str) -> crate::error::Error {
    Detail::BadFeedHeader { reason }.into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const STAMP: Stamp = Stamp { epoch: 0x0102_0304, number: 5, time: 6 };

    #[test]
    fn what_reads_messages_alone_reads_them_as_what_reads_all_headers() {
        let headers = [
            Header::Data(STAMP),
            Header::Data(Stamp { epoch: 1, number: MAX_NUMBER, time: 0 }),
            Header::Data(Stamp { number: MAX_NUMBER + 1, ..STAMP }),
            Header::Data(Stamp { number: 0, ..STAMP }),
            Header::Data(Stamp { epoch: 0, ..STAMP }),
            Header::Heartbeat { stamp: STAMP, first: 6 },
            Header::Recovered { stamp: STAMP, request: 7 },
        ];
        for header in headers {
            let mut frame = header.write(&mut [0; MAX_HEADER]).to_vec();
            frame.extend(*b"what a later revision appends");
            for len in 0..=frame.len() {
                for at in 0..3 {
                    let mut frame = frame[..len].to_vec();
                    frame.get_mut(at).into_iter().for_each(|byte| *byte += (len % 2) as u8);
                    let read = match Header::read(&frame) {
                        Ok(Header::Data(stamp)) => Some(stamp),
                        _ => None,
                    };
                    assert_eq!(Header::read_data(&frame), read, "{frame:?}");
                }
            }
        }
    }

    #[test]
    fn a_topic_frame_is_numbered_anew() {
        let (mut frame, mut anew) = (Vec::new(), Vec::new());
        Header::Data(STAMP).write_after(b"a\0", &mut frame);
        let stamp = Stamp { number: u64::MAX, time: 1 << 50, ..STAMP };
        Header::renumber(stamp, &mut frame);
        Header::Data(stamp).write_after(b"a\0", &mut anew);
        assert_eq!(frame, anew);
    }

    #[test]
    fn every_header_reads_back() {
        let headers = [
            Header::Data(STAMP),
            Header::Heartbeat { stamp: STAMP, first: 6 },
            Header::Recovered { stamp: STAMP, request: 7 },
            Header::End { stamp: STAMP, first: 2, request: u64::MAX },
        ];
        for header in headers {
            let mut space = [0; MAX_HEADER];
            let written = header.write(&mut space).to_vec();
            assert_eq!(Header::read(&written).unwrap(), header);
            assert_eq!(
                Header::read(&[&written[..], b"later"].concat()).unwrap(),
                header,
                "what was appended is skipped"
            );
            for len in 0..written.len() {
                assert!(Header::read(&written[..len]).unwrap_err().is_peer());
            }
        }
    }

    #[test]
    fn a_data_header_is_laid_out_as_written_down() {
        let mut space = [0; MAX_HEADER];
        let expected = b"F\x02\x01\x04\x03\x02\x01\0\0\0\0\x05\0\0\0\0\0\0\0\x06\0\0\0\0\0\0\0";
        assert_eq!(Header::Data(STAMP).write(&mut space), expected);
    }

    #[test]
    fn a_request_reads_back() {
        let request = Request { epoch: 1, id: 2, messages: 3, bytes: 4, ranges: vec![(1, 1), (3, 9)] };
        let (header, ranges) = request.write();
        assert_eq!(Request::read(&header, &ranges).unwrap(), request);
    }

    #[test]
    fn headers_that_cannot_be_are_refused() {
        let mut space = [0; MAX_HEADER];
        let impossible = [
            Header::Data(Stamp { number: 0, ..STAMP }),
            Header::Data(Stamp { epoch: 0, ..STAMP }),
            Header::Data(Stamp { number: MAX_NUMBER + 1, ..STAMP }),
            Header::Heartbeat { stamp: STAMP, first: 0 },
            Header::Heartbeat { stamp: STAMP, first: 7 },
        ];
        for header in impossible {
            assert!(Header::read(header.write(&mut space)).unwrap_err().is_peer());
        }
        for ranges in [vec![], vec![(0, 1)], vec![(2, 1)], vec![(1, 3), (3, 4)], vec![(1, u64::MAX)]] {
            let (header, ranges) = Request { epoch: 1, id: 2, messages: 3, bytes: 4, ranges }.write();
            assert!(Request::read(&header, &ranges).unwrap_err().is_peer());
        }
    }
}
