"""NumPy arrays as maps: ``{"$array": dtype, "shape": [...], "order": "C" or "F", "data": buffer}``.

A broadcast array has a ``"base"``, the shape that its data has. numpy is imported when the first array comes by.
"""

from __future__ import annotations

import math
import re
import sys
from typing import Any

from ._errors import CallerError, PeerError

#: The first key of a map that is an array.
MARKER = "$array"

#: NumPy has no type string for it: the package ml_dtypes has the type.
BFLOAT16 = "bfloat16"


def is_array(obj: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(obj, numpy.ndarray)


def is_scalar(obj: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(obj, numpy.generic) and obj.dtype.kind in "biufSU"


def to_map(array: Any) -> dict[str, Any]:
    """The array's map; its data is a memoryview of the array where that is contiguous."""
    import numpy

    if array.dtype.hasobject:
        raise CallerError(f"an array of dtype {array.dtype} holds Python objects, which have no place in a message")
    base = [1 if stride == 0 else length for length, stride in zip(array.shape, array.strides)]
    is_broadcast = array.size > 0 and base != list(array.shape)
    stored = array[tuple(slice(length) for length in base)] if is_broadcast else array
    order = "F" if stored.flags.f_contiguous and not stored.flags.c_contiguous else "C"
    if not (stored.flags.c_contiguous or stored.flags.f_contiguous):
        stored = numpy.ascontiguousarray(stored).reshape(stored.shape)
    flat: Any = stored.reshape(-1, order="A").view("u1") if stored.size else numpy.empty(0, "u1")
    parts: dict[str, Any] = {MARKER: _describe(array.dtype), "shape": list(array.shape), "order": order}
    if is_broadcast:
        parts["base"] = base
    parts["data"] = memoryview(flat)
    return parts


def from_map(parts: dict[Any, Any]) -> Any:
    """The array of a map, on the memory of its data; read-only where that is."""
    import numpy

    try:
        dtype, shape, order, data = _dtype(parts[MARKER]), parts["shape"], parts["order"], parts["data"]
        base = parts.get("base", shape)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise PeerError(f"this is no array: {error}") from error
    if not (_is_shape(shape) and _is_shape(base)) or order not in ("C", "F"):
        raise PeerError(f"this is no array: shape {shape!r}, order {order!r}")
    if len(base) != len(shape) or any(had not in (1, length) for had, length in zip(base, shape)):
        raise PeerError(f"this is no array: {base} does not broadcast to {shape}")
    if dtype.hasobject or math.prod(base) * dtype.itemsize != len(data):
        raise PeerError(f"this is no array: {len(data)} bytes for shape {base} of {dtype}")
    if dtype.itemsize:
        array = numpy.frombuffer(data, dtype) if len(data) else numpy.empty(0, dtype)
    else:
        array = numpy.empty(math.prod(base), dtype)
    array = array.reshape(base, order=order)
    return numpy.broadcast_to(array, shape) if base != shape else array


def _is_shape(shape: Any) -> bool:
    return isinstance(shape, list) and len(shape) <= 64 and all(type(length) is int and length >= 0 for length in shape)


def _describe(dtype: Any) -> Any:
    if dtype.name == BFLOAT16:
        return BFLOAT16
    if dtype.fields is None:
        return dtype.str
    return [list(field) if len(field) < 3 else [*field[:2], list(field[2])] for field in dtype.descr]


#: NumPy's own parser takes more than type strings, and evaluates some of it.
_TYPE_STRING = re.compile(r"[<>|]([biufcSUV]\d{1,9}|[mM]8(\[\d{0,9}[a-zA-Z]{1,7}\])?)")


def _dtype(described: Any, depth: int = 32) -> Any:
    import numpy

    if described == BFLOAT16:
        try:
            from ml_dtypes import bfloat16
        except ImportError as error:
            raise CallerError("an array of bfloat16, and the package ml_dtypes is not installed") from error
        return numpy.dtype(bfloat16)
    if isinstance(described, str) and _TYPE_STRING.fullmatch(described):
        return numpy.dtype(described)
    if not isinstance(described, list) or depth == 0:
        raise ValueError(f"{described!r:.60} is no dtype")
    names, formats, titles, offsets, end = [], [], [], [], 0
    for name, field, *shape in described:
        title, name = name if isinstance(name, list) else (None, name)
        kind = _dtype(field, depth - 1)
        if shape:
            kind = numpy.dtype((kind, tuple(shape[0])))
        if name:  # and not padding
            names.append(name)
            formats.append(kind)
            titles.append(title)
            offsets.append(end)
        end += kind.itemsize
    return numpy.dtype({"names": names, "formats": formats, "titles": titles, "offsets": offsets, "itemsize": end})
