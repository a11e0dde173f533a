"""The wire: one MessagePack value, with an extension value of type 0x42 where a buffer has a frame of its own.

``docs/wire.md`` of the Rust crate has all of it. A reference is ``[frame, length, check]``, and
``[frame, length, check, encoding, raw length]`` for a compressed buffer.
"""

from __future__ import annotations

import ctypes
import dataclasses
import zlib
from typing import Any, Collection, Iterable, Sequence, Union

import msgpack  # type: ignore[import-untyped]
import zmq

from . import _array, _compression, _layout, _table
from ._errors import CallerError, LimitError, PeerError
from ._limits import Limits
from ._unpack import UNTIMED, Dicts, look_through, unpacked

#: The MessagePack extension type of a buffer reference: ``'B'``.
REFERENCE = 0x42

#: From how many bytes on a buffer gets a frame of its own: longer than libzmq's receive arena.
OUT_OF_BAND_FROM = 8193

#: What the first key of an array or a table is, and of no other map.
_MARKERS = (_array.MARKER, _table.MARKER)

Buffer = Union[bytes, bytearray, memoryview]
#: What a frame of a received message may be.
Frame = Union[Buffer, zmq.Frame]


def check(buffer: Buffer) -> int:
    """CRC-32 of a sample: all of a short buffer, four spots of 16 bytes of a longer one."""
    view = memoryview(buffer)
    if len(view) <= 64:
        return zlib.crc32(view)
    starts = (spot * (len(view) - 16) // 3 for spot in range(4))
    return zlib.crc32(b"".join(view[start : start + 16] for start in starts))


def dumps(
    obj: Any,
    *,
    out_of_band_from: int = OUT_OF_BAND_FROM,
    compression: str | None = None,
    limits: Limits = Limits(),
) -> list[Buffer]:
    """Turns an object into the frames of one message: the metadata, then one frame per out-of-band buffer.

    ``None``, bools, ints of 64 bits, floats, str, bytes-like objects, lists, tuples, dicts and dataclasses; numpy arrays
    and scalars; pyarrow tables and pandas frames. Arrays and bytes of ``out_of_band_from`` bytes or more become frames
    as they lie, without copying. ``compression`` is "zlib", "lz4", "zstd" or "blosc2".
    """
    _check_wanted(out_of_band_from, compression, limits)
    encoder = _Encoder(out_of_band_from, compression, limits.depth)
    try:
        metadata: bytes = msgpack.packb(encoder.lift(obj, limits.depth), use_bin_type=True)
    except (OverflowError, ValueError, TypeError) as error:
        raise CallerError(f"the value does not serialize: {error}") from error
    limits.check(len(metadata), [len(frame) for frame in encoder.frames])
    limits.check_decompressed(encoder.decompressed)
    return [metadata, *encoder.frames]


def loads(
    frames: Sequence[Frame],
    *,
    limits: Limits = Limits(),
    encodings: Collection[str] = _compression.SAFE,
) -> Any:
    """Turns the frames of one message into the object.

    Maps become dicts, arrays ``numpy.ndarray`` and tables ``pyarrow.Table``; buffers are memoryviews of the frames,
    without copying. All of them are read-only: copy an array (``array.copy()``) to change it. Everything is checked before it is used: the number and length of the frames, their content sample,
    that each is referenced, and the limits.

    ``encodings`` are the compressions that are accepted: all but "blosc2" unless you add it. C-Blosc2 opens those frames, and
    a forged one crashes the process, so add it where you know who sends.
    """
    check_accepted(limits, encodings)
    if not frames:
        raise PeerError("the message has no metadata frame")
    if isinstance(frames, (bytes, bytearray, memoryview, str)):
        raise CallerError(f"the frames of a message are a list of them, and this is of type {type(frames).__name__}")
    # over inproc the memory of a frame is the sender's own
    metadata, *buffers = [_view(frame) for frame in frames]
    if not len(metadata):
        raise PeerError("the message has no metadata frame")
    lengths = [len(buffer) for buffer in buffers]
    limits.check(len(metadata), lengths)
    decoder = _Decoder(metadata, buffers, limits, encodings)
    try:
        look_through(metadata)
        value = msgpack.unpackb(
            metadata,
            ext_hook=decoder.resolve,
            object_pairs_hook=decoder.from_entries,
            strict_map_key=False,
        )
    except (msgpack.StackError, RecursionError) as error:
        raise LimitError(f"the value is nested deeper than the limit of {limits.depth} (depth)") from error
    except MemoryError as error:
        raise LimitError("the message takes more memory than there is") from error
    except (ValueError, TypeError, OverflowError) as error:
        why = str(error) or "it has a byte 0xc1 as a type"  # of a FormatError, which says nothing
        if "timestamp" in why or "nanoseconds" in why:
            raise PeerError(f"an extension value of type -1 is no timestamp to Python: {why}") from error
        raise PeerError(f"the metadata is not one MessagePack value: {why}{_likeness(metadata)}") from error
    decoder.check_used()
    decoder.check_depth(value)
    return value


def _check_wanted(out_of_band_from: Any, compression: Any, limits: Any) -> None:
    """Refuses arguments of :func:`dumps` that are none, also where the object has nothing in it that asks for them."""
    _check_limits(limits)
    if not isinstance(out_of_band_from, (int, float)) or not out_of_band_from >= 0:
        raise CallerError(f"out_of_band_from is a number of bytes, and this is {out_of_band_from!r:.60}")
    if compression is not None and compression not in _compression.ENCODINGS:
        raise CallerError(f"{compression!r:.60} is no compression: zlib, lz4, zstd or blosc2")


def _check_limits(limits: Any) -> None:
    if not isinstance(limits, Limits):
        raise CallerError(f"limits are outband.Limits, and these are of type {type(limits).__name__}")


def check_accepted(limits: Any, encodings: Any) -> None:
    """Refuses arguments of :func:`loads` that are none."""
    _check_limits(limits)
    if encodings is _compression.SAFE:
        return
    if isinstance(encodings, str) or not isinstance(encodings, Collection):
        raise CallerError(f"encodings are a tuple of names, and these are of type {type(encodings).__name__}")
    for name in encodings:
        if name not in _compression.ENCODINGS:
            raise CallerError(f"{name!r:.60} is no compression: zlib, lz4, zstd or blosc2")


def _likeness(metadata: memoryview) -> str:
    """What a message in another format looks like, for the end of an error's text."""
    head, last = bytes(metadata[:1024]), bytes(metadata[-1:])
    if head[:1] == b"\x80" and head[1:2] in (b"\2", b"\3", b"\4", b"\5") and last == b".":
        return "; it begins as a pickle does, which is never read here"
    if head[:1] + last in (b"{}", b"[]", b'""'):
        return "; it looks like JSON, which recv_json of the socket reads"
    if 1 < len(metadata) <= len(head) and head.isascii() and head.decode().isprintable():
        return "; it is text, as a topic is, which recv_topic_obj takes off"
    return ""


def _repeated(keys: Iterable[Any]) -> str:
    """Which key a dict has no second place for: 1, 1.0 and True are one to Python."""
    seen: dict[Any, Any] = {}
    for key in keys:
        if key in seen and type(key) is not type(seen[key]):
            return f"a map has the keys {seen[key]!r:.60} and {key!r:.60}, which are one in Python"
        if key in seen:
            return f"a map has the key {key!r:.60} twice"
        seen[key] = key
    return "a map has a key twice"


def _view(frame: Frame) -> memoryview:
    try:
        return memoryview(frame.buffer if isinstance(frame, zmq.Frame) else frame).cast("B").toreadonly()
    except TypeError:
        raise CallerError(f"a frame is like bytes, in one piece, and this is of type {type(frame).__name__}") from None


class _Encoder:
    def __init__(self, out_of_band_from: int, compression: str | None, depth: int) -> None:
        self.frames: list[Buffer] = []
        self.decompressed = 0  # what the compressed ones of these would be
        self.out_of_band_from = out_of_band_from
        self.compression = compression
        self.depth = depth
        self.known: dict[tuple[int, int], msgpack.ExtType] = {}
        self.kept: list[Buffer] = []  # so that no other buffer takes an address in `known`

    def lift(self, obj: Any, depth: int) -> Any:
        """The object as MessagePack has it, buffers replaced by references."""
        kind = type(obj)
        if kind in (str, int, float, bool, type(None), msgpack.Timestamp):
            return obj
        if isinstance(obj, (bytes, bytearray, memoryview)):
            return self.buffer(obj)
        if _array.is_scalar(obj):
            return obj.item()
        if kind is msgpack.ExtType:
            if obj.code == REFERENCE:
                raise CallerError("an extension value of type 0x42, which is the type of buffer references")
            return obj
        if isinstance(obj, (str, int, float)):  # enums and other subclasses
            return obj
        if depth == 0:
            raise self.too_deep()
        if kind is dict:
            if any(isinstance(key, tuple) for key in obj):
                raise CallerError("a dict with a tuple as a key has no place in a message")
            if isinstance(first := next(iter(obj), None), str) and first in _MARKERS:
                raise CallerError(
                    f'a dict whose first key is "{first}", which says to who reads it that it is an array or a table: put another key first'
                )
            return self.entries(obj, depth)
        if kind in (list, tuple):
            return [self.lift(value, depth - 1) for value in obj]
        if _array.is_array(obj):
            parts = _array.to_map(obj)
            if 1 + max(1, _array.levels(parts[_array.MARKER])) > depth:
                raise self.too_deep()
            parts["data"] = self.buffer(parts["data"], item=obj.dtype.itemsize)
            return parts
        if _table.is_table(obj):
            parts = _table.to_map(obj)
            # always in band, so that whoever reads the metadata has it
            return {_table.MARKER: parts.pop(_table.MARKER), **self.entries(parts, depth)}
        if dataclasses.is_dataclass(obj) and not isinstance(obj, type):
            return {field.name: self.lift(getattr(obj, field.name), depth - 1) for field in dataclasses.fields(obj)}
        if isinstance(obj, dict):
            return self.lift(dict(obj), depth)
        if isinstance(obj, (list, tuple)):
            return self.lift(list(obj), depth)
        raise CallerError(f"a {kind.__module__}.{kind.__qualname__} has no place in a message")

    def entries(self, obj: dict[Any, Any], depth: int) -> dict[Any, Any]:
        return {self.lift(key, depth - 1): self.lift(value, depth - 1) for key, value in obj.items()}

    def too_deep(self) -> LimitError:
        return LimitError(f"the value is nested deeper than the limit of {self.depth} (depth)")

    def buffer(self, obj: Buffer, item: int = 1) -> Any:
        view = memoryview(obj)
        if not view.c_contiguous:
            raise CallerError("a memoryview that is not contiguous has no place in a message")
        if not view.nbytes:
            return b""  # which has no other form to be cast to
        view = view.cast("B") if view.ndim != 1 or view.format != "B" else view
        if len(view) < self.out_of_band_from:
            return bytes(view)
        key = (_address(view), len(view))
        if key not in self.known:
            packed = _compression.pack(view, self.compression, item) if self.compression else None
            stored: Buffer = view if packed is None else packed
            reference: list[Any] = [len(self.frames), len(stored), check(stored)]
            if packed is not None:
                reference += [self.compression, len(view)]
                self.decompressed += len(view)
            self.frames.append(stored)
            self.kept.append(view)
            self.known[key] = msgpack.ExtType(REFERENCE, msgpack.packb(reference))
        return self.known[key]


class _View(ctypes.Structure):
    """CPython's ``Py_buffer``."""

    _fields_ = [
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.c_void_p),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        *((name, ctypes.c_void_p) for name in ("format", "shape", "strides", "suboffsets", "internal")),
    ]


def _address(view: memoryview) -> int:
    """Where the bytes lie; buffers of one address and length are one frame. The view is kept, and the bytes with it."""
    raw = _View()
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(view), ctypes.byref(raw), 0)
    address: int = raw.buf or 0
    ctypes.pythonapi.PyBuffer_Release(ctypes.byref(raw))
    return address


class _Decoder:
    def __init__(self, metadata: memoryview, buffers: list[memoryview], limits: Limits, encodings: Collection[str]) -> None:
        self.buffers = buffers
        self.encodings = encodings
        self.limits = limits
        self.forms: dict[int, list[Any]] = {}
        self.unpacked: dict[int, memoryview] = {}
        self.dicts: Dicts | None = None
        self.decompressed = 0
        self.work = _layout.Work()
        self.work.have(len(metadata) + sum(map(len, buffers)))
        # nearly no message may be too deep, and to know that takes a fraction of the time
        self.is_deep = len(metadata.tobytes().translate(None, _NO_CONTAINERS)) > limits.depth
        # arrays and tables by their ids, and how deep the maps nested that they were made of
        self.within: dict[int, tuple[int, Any]] = {}
        self.kinds: set[type] = {dict, list}  # the types of what nests

    def resolve(self, kind: int, payload: bytes) -> Any:
        if kind < 0:
            raise PeerError(f"an extension value of type {kind}, and Python has those of types 0 to 127")
        if kind != REFERENCE:
            return msgpack.ExtType(kind, payload)
        reference = unpacked(payload)
        if not isinstance(reference, list) or len(reference) not in (2, 3, 5):
            raise PeerError("a buffer reference has a form that this version does not know")
        frame, length = reference[:2]
        numbers = [frame, length, *reference[4:], *(number for number in reference[2:3] if number is not None)]
        if not all(type(number) is int and number >= 0 for number in numbers):
            raise PeerError("a buffer reference holds something other than unsigned numbers")
        count = len(self.buffers)
        if frame >= count:
            raise PeerError(f"buffer frame {frame} is missing: the message has {count}, counted from 0")
        stored = self.buffers[frame]
        if length != len(stored):
            raise PeerError(
                f"buffer frame {frame} of {count} has {len(stored)} bytes and its reference says {length}: "
                "truncated, swapped or replaced"
            )
        if self.forms.setdefault(frame, reference[3:]) != reference[3:]:
            raise PeerError("a buffer reference describes its frame otherwise than the reference before it")
        if reference[2:3] not in ([], [None]) and reference[2] != check(stored):
            raise PeerError(
                f"buffer frame {frame} of {count} does not hold what its reference describes: swapped or changed"
            )
        if len(reference) < 5:
            return stored
        if reference[3] in _compression.ENCODINGS and reference[3] not in self.encodings:
            accepted = ", ".join(f'"{name}"' for name in (*self.encodings, reference[3]))
            raise CallerError(
                f"buffer frame {frame} is compressed with {reference[3]}, which is not accepted: pass encodings=({accepted},) to accept it"
            )
        if frame not in self.unpacked:
            self.decompressed += reference[4]
            self.limits.check_decompressed(self.decompressed)
            self.work.have(reference[4])
            self.unpacked[frame] = memoryview(_compression.unpack(frame, stored, reference[3], reference[4]))
        return self.unpacked[frame]

    def from_entries(self, entries: list[tuple[Any, Any]]) -> Any:
        """A map, which is an array or a table where its first key says so."""
        try:
            value = dict(entries) if len(entries) <= UNTIMED else self.large(entries)
        except TypeError as error:
            raise PeerError(f"a map has a key that no dict can have: {error}") from error
        if len(value) < len(entries):
            raise PeerError(_repeated(key for key, _ in entries))
        first = entries[0][0] if entries else None
        if not isinstance(first, str) or first not in _MARKERS:
            return value
        made = _array.from_map(value) if first == _array.MARKER else _table.from_map(value, self.work)
        if self.is_deep:
            self.within[id(made)] = _levels(value, self.within, self.kinds, self.limits.depth), made
            self.kinds.add(type(made))
        return made

    def large(self, entries: list[tuple[Any, Any]]) -> dict[Any, Any]:
        self.dicts = self.dicts or Dicts()
        return self.dicts.of(entries)

    def check_used(self) -> None:
        for frame in range(len(self.buffers)):
            if frame not in self.forms:
                raise PeerError(f"buffer frame {frame} of {len(self.buffers)} is not referenced")

    def check_depth(self, value: Any) -> None:
        limit = self.limits.depth
        if self.is_deep and _levels(value, self.within, self.kinds, limit) > limit:
            raise LimitError(f"the value is nested deeper than the limit of {limit} (depth)")


#: All bytes but those that an array or a map may begin with.
_NO_CONTAINERS = bytes(set(range(256)) - {*range(0x80, 0xA0), *range(0xDC, 0xE0)})


def _levels(value: Any, within: dict[int, tuple[int, Any]], kinds: set[type], most: int) -> int:
    """How deep arrays and maps nest in each other; where it is more than ``most`` it does not matter how much."""
    level, levels, deepest = [value], 0, 0
    while level and levels <= most:
        deepest = max(deepest, max(levels + within.get(id(element), (0, None))[0] for element in level))
        inside = (element for each in level if type(each) in (dict, list) for element in _elements(each))
        levels += any(type(element) in (dict, list) for element in level)
        level = [element for element in inside if type(element) in kinds]
    return max(levels, deepest)


def _elements(container: Any) -> Any:
    return container.values() if type(container) is dict else container
