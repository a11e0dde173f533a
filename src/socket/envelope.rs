//! `Envelope`: the frames before the metadata.

use std::borrow::BorrowMut;
use std::fmt;

use bytes::Bytes;

use super::receive::Incoming;
use crate::error::{Detail, Result};
use crate::frame;

/// The frames that stand before a message on a ROUTER or DEALER: a routing id, an empty delimiter, both or neither; and before the
/// delimiter the number of a request, where a REQ has set `ZMQ_REQ_CORRELATE`.
///
/// ```text
///   on a ROUTER, from a DEALER    [ routing id ] [ metadata ] [ buffers ... ]
///   on a ROUTER, from a REQ       [ routing id ] [ empty ] [ metadata ] [ buffers ... ]
///   ... that correlates           [ routing id ] [ number ] [ empty ] [ metadata ] [ buffers ... ]
///   on a DEALER, from a REP       [ empty ] [ metadata ] [ buffers ... ]
/// ```
///
/// [`recv_obj_via`](crate::SocketExt::recv_obj_via) returns the one a request came in;
/// [`send_obj_via`](crate::SocketExt::send_obj_via) with the same one answers it. The number is known by what the peer said of itself
/// when it connected, so not over inproc.
///
/// # Examples
///
/// A DEALER asks a REP, which expects the delimiter that a REQ would send:
///
/// ```
/// use outband::{Envelope, SocketExt};
///
/// let context = zmq::Context::new();
/// let (client, server) = (context.socket(zmq::DEALER)?, context.socket(zmq::REP)?);
/// server.bind("inproc://length")?;
/// client.connect("inproc://length")?;
///
/// client.send_obj_via(&Envelope::delimiter(), "four")?;
/// let question: String = server.recv_obj()?;
/// server.send_obj(&question.len())?;
/// assert_eq!(client.recv_obj::<usize>()?, 4); // a DEALER skips the delimiter by itself
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Envelope {
    peer: Option<Bytes>,
    /// The number of a correlated request.
    request: Option<[u8; 4]>,
    delimiter: bool,
}

impl Envelope {
    /// No frames.
    pub(super) const EMPTY: Self = Self { peer: None, request: None, delimiter: false };

    /// To the peer of a ROUTER with this routing id, a DEALER.
    pub fn to(peer: impl AsRef<[u8]>) -> Self {
        Self { peer: Some(Bytes::copy_from_slice(peer.as_ref())), ..Self::EMPTY }
    }

    /// To the peer of a ROUTER with this routing id, a REQ.
    pub fn to_req(peer: impl AsRef<[u8]>) -> Self {
        Self { delimiter: true, ..Self::to(peer) }
    }

    /// From a DEALER to a REP.
    pub const fn delimiter() -> Self {
        Self { peer: None, request: None, delimiter: true }
    }

    /// The peer's routing id, if there is one.
    pub fn peer(&self) -> Option<&Bytes> {
        self.peer.as_ref()
    }

    /// Whether an empty delimiter stands between the routing id and the message.
    pub fn has_delimiter(&self) -> bool {
        self.delimiter
    }

    pub(super) fn has_peer(&self) -> bool {
        self.peer.is_some()
    }

    pub(super) fn frames(&self) -> Vec<&[u8]> {
        let request = self.request.as_ref().map(<[u8; 4]>::as_slice);
        let delimiter = if self.delimiter { Some(&[][..]) } else { None };
        self.peer.as_deref().into_iter().chain(request).chain(delimiter).collect()
    }

    /// How many frames it is, and their length.
    pub(super) fn size(&self) -> (usize, usize) {
        let frames = self.frames();
        (frames.len(), frames.into_iter().map(<[u8]>::len).sum())
    }

    pub(super) fn into_peer(self) -> Bytes {
        self.peer.unwrap_or_default()
    }

    /// Opens a message that begins with its metadata, or with a delimiter on the sockets that see those.
    #[inline]
    fn none<F: BorrowMut<zmq::Message>>(incoming: &mut Incoming<'_, F>) -> Result<Self> {
        if !incoming.has_more() {
            // a routing id never comes alone
            return Ok(Self::EMPTY);
        }
        match incoming.socket_type()? {
            zmq::ROUTER => Err(Detail::NoSuchDirection {
                socket: zmq::ROUTER,
                operation: "receive a message without its routing id",
                use_instead: "use recv_obj_from, recv_obj_via or their message forms",
            }
            .into()),
            zmq::DEALER => Self::delimited(incoming, None),
            _ => Ok(Self::EMPTY),
        }
    }

    /// Opens a message that begins with a topic.
    fn topic<F: BorrowMut<zmq::Message>>(incoming: &mut Incoming<'_, F>) -> Result<Self> {
        // the peers of a STREAM have routing ids, which look like topics
        incoming.socket_type()?;
        let topic = incoming.take_before("metadata")?;
        Ok(Self { peer: Some(frame::detach(topic)), ..Self::EMPTY })
    }

    /// Opens a message on a ROUTER or DEALER.
    fn routed<F: BorrowMut<zmq::Message>>(incoming: &mut Incoming<'_, F>) -> Result<Self> {
        let peer = match incoming.socket_type()? {
            zmq::ROUTER => Some(frame::detach(incoming.take_before("metadata")?)),
            zmq::DEALER => None,
            socket => {
                return Err(Detail::NoSuchDirection {
                    socket,
                    operation: "receive routing ids",
                    use_instead: "use recv_obj",
                }
                .into());
            }
        };
        Self::delimited(incoming, peer)
    }

    /// Opens what follows the routing id.
    fn delimited<F: BorrowMut<zmq::Message>>(incoming: &mut Incoming<'_, F>, peer: Option<Bytes>) -> Result<Self> {
        let request = incoming.take_request()?;
        let delimiter = incoming.skip_delimiter()?;
        if request.is_some() && !delimiter {
            return Err(Detail::NoEnvelope { missing: "delimiter" }.into());
        }
        Ok(Self { peer, request, delimiter })
    }
}

/// What a message is to begin with, and how that is taken off its front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Open {
    /// The metadata.
    None,
    Topic,
    /// A routing id, on a ROUTER.
    Routed,
}

impl Open {
    /// The frames before the metadata.
    #[inline]
    pub(super) fn envelope<F: BorrowMut<zmq::Message>>(self, incoming: &mut Incoming<'_, F>) -> Result<Envelope> {
        match self {
            Self::None => Envelope::none(incoming),
            Self::Topic => Envelope::topic(incoming),
            Self::Routed => Envelope::routed(incoming),
        }
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("peer", &self.peer)
            .field("request", &self.request)
            .field("delimiter", &self.delimiter)
            .finish()
    }
}
