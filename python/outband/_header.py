"""The headers of a feed, as ``docs/feed.md`` of the Rust crate has them."""

from __future__ import annotations

import struct

from ._errors import PeerError

_VERSION = 2
_STAMP = struct.Struct("<cBBQQQ")
_REQUEST = struct.Struct("<cBBQQQQ")
DATA, HEARTBEAT, RECOVERED, END, _ASK = 1, 2, 3, 4, 5

#: In bytes.
LONGEST_NAME = 1024


def split(frame: memoryview) -> tuple[bytes, memoryview]:
    """A topic frame as the name of a stream and a header."""
    name, end, _ = bytes(frame[: LONGEST_NAME + 1]).partition(b"\0")
    if not end:
        raise PeerError(f"the topic of the feed's message has no zero byte that ends a name of at most {LONGEST_NAME} bytes")
    return name, frame[len(name) + 1 :]


def read(header: memoryview) -> tuple[int, int, int, int, memoryview]:
    """Kind, epoch, number, time, and what follows."""
    if len(header) < 2 or header[0] != ord("F"):
        raise PeerError("the header of the feed's message is not one of a feed")
    if header[1] != _VERSION:
        raise PeerError(
            f"the header of the feed's message is of version {header[1]} of the protocol, and only version {_VERSION} is known here"
        )
    if len(header) < _STAMP.size:
        raise PeerError("the header of the feed's message is too short")
    _magic, _version, kind, epoch, number, sent = _STAMP.unpack_from(header)
    if not epoch or number > 1 << 62 or (number == 0 and kind in (DATA, RECOVERED)):
        raise PeerError("the header of the feed's message has an epoch or a number that cannot be")
    return kind, epoch, number, sent, header[_STAMP.size :]


def numbers(rest: memoryview, count: int) -> tuple[int, ...]:
    if len(rest) < 8 * count:
        raise PeerError("the header of the feed's message is too short")
    return struct.unpack_from(f"<{count}Q", rest)


def cache(newest: int, rest: memoryview, count: int) -> tuple[int, ...]:
    """Where the cache begins, and what else follows."""
    first, *others = numbers(rest, count)
    if not 1 <= first <= newest + 1:
        raise PeerError("the header of the feed's message says that the cache begins where it cannot")
    return (first, *others)


def request(epoch: int, number: int, messages: int, size: int) -> bytes:
    """What asks for something, with the credit that the answer has."""
    return _REQUEST.pack(b"F", _VERSION, _ASK, epoch, number, messages, size)


def ranges(pairs: list[tuple[int, int]]) -> bytes:
    ends = [end for pair in pairs for end in pair]
    return struct.pack(f"<{len(ends)}Q", *ends)
