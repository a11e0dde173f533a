"""MessagePack out of a message of anybody, at a cost that follows from its length."""

from __future__ import annotations

import time
from typing import Any

import msgpack  # type: ignore[import-untyped]

from ._errors import LimitError

#: In bytes: what is longer is looked through before anything is made of it, which takes a small part of the time.
_LOOKED_THROUGH = 1024


def unpacked(data: Any, **options: Any) -> Any:
    """``msgpack.unpackb`` of what is there to its end."""
    look_through(data)
    return msgpack.unpackb(data, **options)


def look_through(data: Any) -> None:
    """Refuses what is not there to its end. msgpack reserves memory for a list by what its header says before it reads on: for lists in
    each other, of which nothing else is there, many times what the message has."""
    if len(data) > _LOOKED_THROUGH:
        unpacker = msgpack.Unpacker(max_buffer_size=len(data))
        unpacker.feed(data)
        try:
            unpacker.skip()
        except msgpack.OutOfData:
            raise ValueError("Unpack failed: incomplete input") from None


#: Entries of a map that is small enough not to be timed.
UNTIMED = 64

#: Entries that are put into a dict between two looks at the clock.
_AT_ONCE = 1024

#: What the dicts of a message may take, in seconds, in all and for each entry: thirty times what ordinary keys take, or more.
_IN_ALL, _EACH = 0.1, 5e-6


class Dicts:
    """Makes the larger dicts of a message. Everybody knows the hashes of numbers and timestamps, and can choose keys of which each meets
    all that are there: so it is bounded how long that takes. A handler of a signal that raises ends it between two looks at the clock."""

    def __init__(self) -> None:
        # the time of this thread is what counts, and it takes a call of the system: so only where too much has gone by on the wall
        self._clock, self._left = time.perf_counter, _IN_ALL

    def of(self, entries: list[tuple[Any, Any]]) -> dict[Any, Any]:
        """``dict``."""
        made: dict[Any, Any] = {}
        began = self._clock()
        for at in range(0, len(entries), _AT_ONCE):
            some = entries[at : at + _AT_ONCE] if len(entries) > _AT_ONCE else entries
            made.update(some)
            now = self._clock()
            self._left += _EACH * len(some) - (now - began)
            began = now
            if self._left < 0 and self._clock is time.thread_time:
                raise LimitError(f"the keys of a map of {len(entries)} entries collide: a dict of them takes too long to make")
            if self._left < 0:
                self._clock, self._left = time.thread_time, _IN_ALL
                began = self._clock()
        return made
