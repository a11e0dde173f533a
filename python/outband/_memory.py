"""Whose memory a frame is: what somebody else may still write to is copied before it waits to be sent."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from typing import Any

import zmq

from . import _array


def settled(frames: list[Any]) -> list[Any]:
    """The same frames; those that somebody else has and may write to, as copies. CPython counts the references to each object; where
    nobody counts them, or memory is of an owner that is not known here, it is copied too.

    >>> memory = bytearray(5)
    >>> [frame] = settled([memoryview(memory)])
    >>> memory[0] = 1
    >>> frame
    b'\\x00\\x00\\x00\\x00\\x00'
    """
    if sys.implementation.name != "cpython":
        return [bytes(frame) for frame in frames]
    parts: dict[int, Any] = {}
    holders: Counter[int] = Counter()
    chains = [_chain(frame, parts, holders) for frame in frames]
    # a reference is the dict's, and one is that of this look
    shared = {key for key in parts if sys.getrefcount(parts[key]) - 2 > holders[key]}
    return [
        bytes(frame)
        if any(_may_be_written(parts[key]) for key in chain) and any(key in shared or _is_strange(parts[key]) for key in chain)
        else frame
        for frame, chain in zip(frames, chains)
    ]


def _chain(frame: Any, parts: dict[int, Any], holders: Counter[int]) -> list[int]:
    """What holds the memory of a frame, from the nearest to the owner; and how many of all these hold each."""
    chain: list[int] = []
    is_new = True
    while (part := _behind(frame)) is not None:
        holders[id(part)] += is_new
        is_new = id(part) not in parts
        parts[id(part)] = part
        chain.append(id(part))
        frame = part
    return chain


def _behind(holder: Any) -> Any:
    if _array.is_array(holder):
        return holder.base
    if isinstance(holder, memoryview) or type(holder) is _Managed:
        return next(iter(gc.get_referents(holder)), None)
    return None


#: What the views of one export have in common.
_Managed = type(gc.get_referents(memoryview(b""))[0])


def _may_be_written(part: Any) -> bool:
    if _array.is_array(part):
        return bool(part.flags.writeable)
    arrow = sys.modules.get("pyarrow")
    return not (isinstance(part, (bytes, zmq.Frame, memoryview, _Managed)) or arrow is not None and isinstance(part, arrow.Buffer))


def _is_strange(part: Any) -> bool:
    if _array.is_array(part):
        return part.base is None and not part.flags.owndata
    return _may_be_written(part) and type(part) is not bytearray
