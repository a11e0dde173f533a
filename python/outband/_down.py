"""What a dispatcher says to a worker: all of a message is checked before any of it is acted upon. ``docs/pipeline.md`` of the Rust
crate has the protocol; what a later release adds at the end of an array is skipped."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Tuple

import msgpack  # type: ignore[import-untyped]

from ._errors import PeerError
from ._unpack import unpacked

Frames = List[Any]
#: The task, the delivery, the attempt, and the frames of the object.
Object = Tuple[int, int, int, Frames]

_LONGEST_HEADER = 1 << 20
_LONGEST_TEXT = 4096
_MOST_OBJECTS = 64


def read(frames: Frames) -> Tuple[str, List[Any], List[Object]]:
    """The name of what is said, its fields, and the objects that come with it."""
    header, *bodies = frames
    if len(header) > _LONGEST_HEADER:
        raise _refused("its header is too long")
    try:
        # maps are what a later release says: no dict is made of them, whose keys might be chosen to collide
        said = unpacked(header, object_pairs_hook=tuple, strict_map_key=False)
    except (ValueError, TypeError, OverflowError, RecursionError, MemoryError, msgpack.UnpackException) as error:
        raise _refused("its header is no MessagePack array") from error
    if not isinstance(said, list) or not said or not isinstance(said[0], str) or said[0] not in _FORMS:
        raise _refused("its header names nothing that a dispatcher says")
    name, *fields = said
    if len(fields) < len(_FORMS[name]):
        raise _refused("its header is too short")
    if not all(is_right(field) for is_right, field in zip(_FORMS[name] + _LATER.get(name, ()), fields)):
        raise _refused("its header has something else where a number, a time or a text is due")
    objects = _objects(fields[1:], bodies) if name == "task" else []
    if bodies:
        raise _refused("it has more frames than its header says")
    return name, fields, objects


def _objects(entries: List[Any], bodies: Frames) -> List[Object]:
    """One for each entry, whose frames it takes from the bodies."""
    if len(entries) > _MOST_OBJECTS:
        raise _refused("it has too many objects")
    objects: List[Object] = []
    for entry in entries:
        if not isinstance(entry, list) or len(entry) < 4 or not all(map(_is_number, entry[:4])):
            raise _refused("an object in its header is not four numbers")
        task, delivery, attempt, count = entry[:4]
        if not _is_small(delivery) or not _is_small(attempt):
            raise _refused("a count in its header has more than 32 bits")
        if not 1 <= count <= len(bodies):
            raise _refused("an object has fewer frames than its header says, or none")
        objects.append((task, delivery, attempt, bodies[:count]))
        del bodies[:count]
    return objects


def _refused(reason: str) -> PeerError:
    return PeerError(f"a message to a worker is not of the pipeline protocol: {reason}")


def _is_number(field: Any) -> bool:
    return type(field) is int and field >= 0


def _is_small(field: Any) -> bool:
    return _is_number(field) and field < 1 << 32


def _is_time(field: Any) -> bool:
    return field is None or _is_number(field)


def _is_text(field: Any) -> bool:
    return isinstance(field, str) and len(field.encode()) <= _LONGEST_TEXT


_Form = Tuple[Callable[[Any], bool], ...]

#: What follows the name.
_FORMS: Dict[str, _Form] = {
    "welcome": (_is_number, _is_number, _is_number, _is_time, _is_time),
    "refused": (_is_number, _is_text),
    "who": (_is_number,),
    "task": (_is_number,),
    "cancel": (_is_number, _is_small),
    "beat": (),
    "bye": (),
}

#: What follows that, where an earlier release does not say it.
_LATER: Dict[str, _Form] = {"welcome": (_is_time,), "refused": (_is_text,), "beat": (_is_number, _is_number)}
