"""MessagePack out of a message of anybody, at a cost that follows from its length."""

from __future__ import annotations

import time
from typing import Any

import msgpack  # type: ignore[import-untyped]

from ._errors import LimitError

#: In bytes: what is longer is looked through before anything is made of it, which takes a small part of the time.
_LOOKED_THROUGH = 1024


def unpacked(data: Any, **options: Any) -> Any:
    """``msgpack.unpackb``, which reserves memory for a list by what its header says before it reads on: for lists in each other, of which
    nothing else is there, many times what the message has."""
    if len(data) > _LOOKED_THROUGH:
        unpacker = msgpack.Unpacker(max_buffer_size=len(data))
        unpacker.feed(data)
        try:
            unpacker.skip()
        except msgpack.OutOfData:
            raise ValueError("Unpack failed: incomplete input") from None
    return msgpack.unpackb(data, **options)


#: Entries that are put into a dict between two looks at the clock; as many as this squared, halved, are the most that meet each other.
_AT_ONCE = 1024

#: Entries of a map that is small enough not to be timed.
_UNTIMED = 64


class Dicts:
    """Makes the dicts of a message. Everybody knows the hashes of numbers and timestamps, and can choose keys of which each meets all
    that are there: so who makes them takes no more than a multiple of the time that other keys take. A handler of a signal that raises
    ends it between two looks."""

    #: Seconds of this thread, in all and for each entry; ordinary keys take a thirtieth of that, or less.
    _IN_ALL, _EACH = 0.1, 5e-6

    def __init__(self) -> None:
        self._left = self._IN_ALL

    def of(self, entries: list[tuple[Any, Any]]) -> dict[Any, Any]:
        """``dict``."""
        if len(entries) <= _UNTIMED:
            return dict(entries)
        made: dict[Any, Any] = {}
        began = time.thread_time()
        for at in range(0, len(entries), _AT_ONCE):
            some = entries[at : at + _AT_ONCE]
            made.update(some)
            now = time.thread_time()
            self._left += self._EACH * len(some) - (now - began)
            began = now
            if self._left < 0:
                raise LimitError(f"the keys of a map of {len(entries)} entries collide: a dict of them takes too long to make")
        return made
