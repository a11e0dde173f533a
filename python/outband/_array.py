"""NumPy arrays as maps: ``{"$array": dtype, "shape": [...], "order": "C" or "F", "data": buffer}``.

An order that is neither is a list of the axes, the slowest first. A broadcast array has a ``"base"``, the shape that its data has. numpy is imported when the first array comes by.
"""

from __future__ import annotations

import math
import re
import sys
from typing import Any, Sequence

from ._errors import CallerError, PeerError, package

#: The first key of a map that is an array.
MARKER = "$array"

#: NumPy has no type string for it: the package ml_dtypes has the type.
BFLOAT16 = "bfloat16"

#: How many elements without bytes an array may have, or a field: no buffer vouches for them.
MOST_EMPTY = 1 << 24

#: How many parts the description of a record may have: lists, names, types and axes.
MOST_PARTS = 1 << 16


def is_array(obj: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(obj, numpy.ndarray)


def is_scalar(obj: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(obj, numpy.generic) and obj.dtype.kind in "biufSU"


def to_map(array: Any) -> dict[str, Any]:
    """The array's map; its data is a memoryview of the array where that is contiguous."""
    import numpy

    if isinstance(array, numpy.ma.MaskedArray):
        raise CallerError("a masked array has no place in a message: send its data and its mask")
    try:
        described = _describe(array.dtype)
        _check_parts(described)
        _check_empty("it", array.dtype, array.shape)
    except ValueError as error:
        raise CallerError(f"this array has no place in a message: {error}") from error
    base = [1 if stride == 0 else length for length, stride in zip(array.shape, array.strides)]
    is_broadcast = array.size > 0 and base != list(array.shape)
    stored = array[tuple(slice(length) for length in base)] if is_broadcast else array
    order: str | list[int] = "F" if stored.flags.f_contiguous and not stored.flags.c_contiguous else "C"
    if not (stored.flags.c_contiguous or stored.flags.f_contiguous):
        axes = sorted(range(stored.ndim), key=lambda axis: (stored.shape[axis] != 1, -stored.strides[axis]))
        if stored.transpose(axes).flags.c_contiguous:
            order, stored = axes, stored.transpose(axes)
        else:
            stored = numpy.ascontiguousarray(stored).reshape(stored.shape)
    flat: Any = stored.reshape(-1, order="A").view("u1") if stored.nbytes else numpy.empty(0, "u1")
    parts: dict[str, Any] = {MARKER: described, "shape": list(array.shape), "order": order}
    if is_broadcast:
        parts["base"] = base
    parts["data"] = memoryview(flat)
    return parts


def from_map(parts: dict[Any, Any]) -> Any:
    """The array of a map, on the memory of its data, and read-only as that."""
    numpy = package("numpy")

    try:
        _check_parts(parts[MARKER])
        dtype, shape, order, data = _dtype(parts[MARKER]), parts["shape"], parts["order"], parts["data"]
        base = parts.get("base", shape)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise PeerError(f"this is no array: {error}") from error
    if not (_is_shape(shape) and _is_shape(base)) or not _is_order(order, len(shape)):
        raise PeerError(f"this is no array: shape {shape!r:.60}, order {order!r:.60}")
    if len(base) != len(shape) or any(had not in (1, length) for had, length in zip(base, shape)):
        raise PeerError(f"this is no array: {base!r:.60} does not broadcast to {shape!r:.60}")
    # NumPy counts in 64 bits, axes of no elements left out
    if any(max(1, dtype.itemsize) * math.prod(filter(None, axes)) >= 1 << 63 for axes in (base, shape)):
        raise PeerError(f"this is no array: shape {shape!r:.60} of {dtype.itemsize} bytes each overflows")
    try:
        for axes in (base, shape):
            _check_empty("it", dtype, axes)
    except ValueError as error:
        raise PeerError(f"this is no array: {error}") from error
    if not isinstance(data, (bytes, memoryview)) or math.prod(base) * dtype.itemsize != len(data):
        raise PeerError(f"this is no array: its data is not what shape {base!r:.60} of {dtype!s:.60} takes")
    if dtype.itemsize == 0:
        # NumPy makes elements of a byte of these: one for all of them
        return numpy.broadcast_to(numpy.zeros((), dtype), shape)
    array = numpy.frombuffer(data, dtype) if len(data) else numpy.empty(0, dtype)
    array.flags.writeable = False  # the empty one too
    if isinstance(order, list):
        array = array.reshape([base[axis] for axis in order]).transpose([order.index(axis) for axis in range(len(base))])
    else:
        array = array.reshape(base, order=order)
    return numpy.broadcast_to(array, shape) if base != shape else array


def levels(described: Any) -> int:
    """How deep the lists of a described dtype nest."""
    return 1 + max(map(levels, described), default=0) if isinstance(described, list) else 0


def _check_parts(described: Any) -> None:
    if _parts(described) > MOST_PARTS:
        raise ValueError(f"the description of a record has more than {MOST_PARTS} parts")


def _parts(described: Any) -> int:
    return sum(1 + _parts(part) for part in described) if isinstance(described, list) else 0


def _check_empty(what: str, dtype: Any, shape: Sequence[int]) -> None:
    if dtype.itemsize == 0 and math.prod(shape) > MOST_EMPTY:
        raise ValueError(f"{what} has {math.prod(shape)} elements without bytes, the limit is {MOST_EMPTY}")


def _is_shape(shape: Any) -> bool:
    return isinstance(shape, list) and len(shape) <= 64 and all(type(length) is int and length >= 0 for length in shape)


def _is_order(order: Any, axes: int) -> bool:
    if not isinstance(order, list):
        return order in ("C", "F")
    return all(type(axis) is int for axis in order) and sorted(order) == list(range(axes))


def _describe(dtype: Any) -> Any:
    """The type string, or the list of fields of a record."""
    if dtype.names is None:
        if dtype.name == BFLOAT16 and dtype.byteorder != ">":
            return BFLOAT16
        # types of other packages look like raw bytes
        is_known = dtype.kind != "V" or dtype.type.__module__ == "numpy"
        if dtype.hasobject or not is_known or not _TYPE_STRING.fullmatch(dtype.str):
            raise CallerError(f"an array of dtype {dtype} has no place in a message")
        return dtype.str
    fields: list[Any] = []
    end = 0
    for name in dtype.names:
        kind, offset, *title = dtype.fields[name]
        if offset < end:
            raise CallerError(f"the fields of dtype {dtype} overlap or are out of order")
        if offset > end:
            fields.append(["", f"|V{offset - end}"])
        element, shape = kind, ()
        while element.subdtype:
            element, shape = element.subdtype[0], shape + element.subdtype[1]
        _check_empty("a field", element, shape)
        fields.append([[*title, name] if title else name, _describe(element), *([list(shape)] if shape else [])])
        end = offset + kind.itemsize
    if end < dtype.itemsize:
        fields.append(["", f"|V{dtype.itemsize - end}"])
    return fields


#: NumPy's own parser takes more than type strings, and evaluates some of it.
_TYPE_STRING = re.compile(
    r"[<>|](b1|[iu]1|[SV]\d{1,10})"
    r"|[<>]([iuf][248]|c8|c16|U\d{1,10}|[mM]8(\[(0*[1-9]\d{0,9})?([YMWDhms]|[munpfa]s)\])?)"
)


def _dtype(described: Any, depth: int = 32) -> Any:
    if described == BFLOAT16:
        return package("numpy").dtype(package("ml_dtypes").bfloat16)
    if isinstance(described, str) and _TYPE_STRING.fullmatch(described):
        if described[1] in "SUV" and int(described[2:]) * (4 if described[1] == "U" else 1) >= 1 << 31:
            raise ValueError(f"{described} is longer than NumPy counts")  # NumPy 1 takes what is left of it in 32 bits
        return package("numpy").dtype(described)
    if not isinstance(described, list) or depth == 0:
        raise ValueError(f"{described!r:.60} is no dtype")
    numpy = package("numpy")
    names, formats, titles, offsets, end = [], [], [], [], 0
    for field in described:
        if not isinstance(field, list) or len(field) not in (2, 3):
            raise ValueError(f"{field!r:.60} is no field")
        inner: list[int] = []
        name, element = field[:2]
        while isinstance(element, list) and len(element) == 2 and element[1] and _is_shape(element[1]):
            element, inner = element[0], inner + element[1]  # NumPy's subarray
        kind = _dtype(element, depth - 1)
        title = None
        if isinstance(name, list):
            title, name = name
        if not isinstance(name, str) or not isinstance(title, (str, type(None))):
            raise ValueError(f"{field[0]!r:.60} is no name of a field")
        if not name and (kind.kind != "V" or kind.names is not None):
            raise ValueError("a field has no name")
        if len(field) == 3 or inner:
            outer = field[2] if len(field) == 3 else []
            shape = (outer if isinstance(outer, list) else [outer]) + inner
            if not _is_shape(shape):
                raise ValueError(f"{shape!r:.60} is no shape of a field")
            _check_empty("a field", kind, shape)
            kind = numpy.dtype((kind, tuple(shape)))
        if name:  # and not padding
            names.append(name)
            formats.append(kind)
            titles.append(title)
            offsets.append(end)
        end += kind.itemsize
    return numpy.dtype({"names": names, "formats": formats, "titles": titles, "offsets": offsets, "itemsize": end})
