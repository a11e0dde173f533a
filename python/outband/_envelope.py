"""The frames before the metadata on a ROUTER or DEALER, by the rules of Rust's ``Envelope``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional, Union

import zmq

from ._errors import CallerError, PeerError


@dataclass(frozen=True)
class Envelope:
    """What stands before a message: a routing id, an empty delimiter, both or neither; and before the delimiter the number of a
    request, where a REQ has set ``ZMQ_REQ_CORRELATE``. ``recv_obj_via`` returns the one that a request came in, and ``send_obj_via``
    with the same one answers it.

    The number is known by what the peer said of itself when it connected, so not over inproc.
    """

    peer: Optional[bytes] = None
    request: Optional[bytes] = None
    has_delimiter: bool = False

    def __post_init__(self) -> None:
        if self.peer is not None and not isinstance(self.peer, bytes):
            raise CallerError(f"a peer is bytes, and this is of type {type(self.peer).__name__}: Envelope.to and to_req take text as well")
        if self.request is not None and not (isinstance(self.request, bytes) and len(self.request) == 4):
            raise CallerError(f"the number of a request is four bytes, and this is {self.request!r:.60}")
        if self.request is not None and not self.has_delimiter:
            raise CallerError("the number of a request stands before a delimiter, and here is none")

    @classmethod
    def to(cls, peer: Union[bytes, str]) -> Envelope:
        """To the peer of a ROUTER with this routing id, a DEALER."""
        return cls(to_frame(peer, "routing id"))

    @classmethod
    def to_req(cls, peer: Union[bytes, str]) -> Envelope:
        """To the peer of a ROUTER with this routing id, a REQ."""
        return cls(to_frame(peer, "routing id"), has_delimiter=True)

    @classmethod
    def delimiter(cls) -> Envelope:
        """From a DEALER to a REP."""
        return cls(has_delimiter=True)

    @property
    def frames(self) -> list[bytes]:
        """As they are sent."""
        return [frame for frame in (self.peer, self.request, b"" if self.has_delimiter else None) if frame is not None]


def to_frame(name: Union[bytes, str], what: str) -> bytes:
    """The frame for a topic or a routing id."""
    try:
        return name.encode() if isinstance(name, str) else bytes(memoryview(name))
    except UnicodeEncodeError as error:
        raise CallerError(f"a {what} is UTF-8 where it is text, and {name!r:.60} has half of a surrogate pair") from error
    except TypeError as error:
        raise CallerError(f"a {what} is bytes or text, and this is of type {type(name).__name__}") from error


def opened(kind: int, frames: list[Any]) -> tuple[Envelope, list[Any]]:
    """The envelope that a message came in on a socket of this type, and the rest of it."""
    peer = request = None
    at = 0
    if kind == zmq.ROUTER:
        if len(frames) < 2:
            raise PeerError("the message has no routing id frame")
        peer, at = bytes(frames[0]), 1
    # what looks like a number may be the metadata of anybody but a REQ
    if at + 1 < len(frames) and len(frames[at]) == 4 and _is_of_req(frames[at]):
        request, at = bytes(frames[at]), at + 1
    has_delimiter = at + 1 < len(frames) and not len(frames[at])
    if request is not None and not has_delimiter:
        raise PeerError("the message has no delimiter frame")
    return Envelope(peer, request, has_delimiter), frames[at + has_delimiter :]


def _is_of_req(frame: Any) -> bool:
    try:
        return bool(frame.get("Socket-Type") == "REQ")
    except zmq.ZMQError:
        return False
