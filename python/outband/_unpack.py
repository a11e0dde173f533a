"""MessagePack out of a message of anybody, at a cost that follows from its length."""

from __future__ import annotations

from typing import Any

import msgpack  # type: ignore[import-untyped]

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
