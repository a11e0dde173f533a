"""Arrow's columnar layout, as far as pyarrow takes it on trust: it looks into buffers that are not there, or are too short."""

from __future__ import annotations

from typing import Any

from ._errors import LimitError

#: How many rows there may be, in Rust.
MOST_ROWS = 1 << 48


#: How many columns a table may have, children counted, and how many buffers.
MOST_PARTS = 1 << 16


class Work:
    """What the tables of a message may look through: columns share buffers, and each is validated for itself."""

    def __init__(self) -> None:
        self.most = self.left = 256 << 20

    def have(self, size: int) -> None:
        """So many bytes have come, or were decompressed."""
        self.most, self.left = self.most + 8 * size, self.left + 8 * size

    def pay(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise LimitError(f"buffers that columns share would be looked through to more than {self.most} bytes")


class Parts:
    """How many columns and buffers a table has so far."""

    def __init__(self) -> None:
        self.columns = self.buffers = 0

    def add(self, buffers: int, columns: int = 1) -> None:
        self.columns, self.buffers = self.columns + columns, self.buffers + buffers
        for count, what in ((self.columns, "columns"), (self.buffers, "buffers")):
            if count > MOST_PARTS:
                raise ValueError(f"the table has more {what} than the limit of {MOST_PARTS}")


def is_count(number: Any) -> bool:
    """Whether it is a number of rows."""
    return type(number) is int and 0 <= number <= MOST_ROWS


def check_schema(schema: Any) -> None:
    """Refuses what is big-endian, which is all that a schema differs in from one of its own fields, and what is no UTF-8: pyarrow keeps
    it and fails where it is looked at."""
    import pyarrow as pa

    if not schema.equals(pa.schema(list(schema))):
        raise ValueError("the table is big-endian, which this version does not read")
    for field in schema:
        _check_metadata(field.metadata)
        _check_type(field.type, field.name)
    _check_metadata(schema.metadata)


def checked(kind: Any, length: int, nulls: int, buffers: list[Any], children: list[Any], work: Work) -> tuple[list[Any], int]:
    """The buffers of a column as pyarrow may have them, and how many of its rows are null."""
    import pyarrow as pa

    if not all(buffer is None or isinstance(buffer, (bytes, memoryview)) for buffer in buffers):
        raise ValueError("a buffer of a column is no bytes")
    if not buffers:
        raise ValueError("a column has no buffers, not even a place for the validity")
    # what is not there has no length, and nobody sees a difference
    validity = None if buffers[0] is None else pa.py_buffer(buffers[0])
    own = [pa.py_buffer(buffer or b"") for buffer in buffers[1:]]
    needed = _needed(kind, length)
    if len(own) < len(needed) or (len(own) > len(needed) and not _is_view(kind)):
        raise ValueError(f"a column of {kind} has {len(buffers)} buffers")
    for buffer, least in zip(own, needed):
        if buffer.size < least:
            raise ValueError(f"a column of {kind} has a buffer of {buffer.size} bytes, and its {length} rows take {least}")
    work.pay(0 if validity is None else min(length // 8, validity.size))
    validity, counted = _nulls(kind, length, nulls, validity)
    if pa.types.is_fixed_size_list(kind):
        values = length * kind.list_size
        if values > MOST_ROWS:
            raise ValueError(f"{length} lists of {kind.list_size} values are more than the limit of {MOST_ROWS}")
        below = sum(buffer.size for buffer in children[0].buffers() if buffer)
        if counted and not kind.value_field.nullable and values > max(8 * below, _FREE_BITS):
            raise ValueError(f"{length} lists of {kind.list_size} values, which have {below} bytes")
    work.pay(_looked_through(kind, length, own, children, bool(counted)))
    if pa.types.is_map(kind) and (children[0].null_count or children[0].field(0).null_count):
        raise ValueError("an entry or a key of a map is null")
    return [validity, *own], counted


_PART = 1 << 16

#: Up to so many values of fixed-size lists a bitmap may stand for that have no bytes of their own.
_FREE_BITS = 1 << 20


def check_nulls(array: Any, children: list[Any]) -> None:
    """Refuses nulls in fields within a column that have none, but where the row that they are of is null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    types, kind = pa.types, array.type
    for index, child in enumerate(children):
        field = kind.field(index)
        if field.nullable or not child.null_count or types.is_null(field.type):
            continue
        if types.is_struct(kind):
            count = pc.sum(pc.and_(array.is_valid(), child.is_null())).as_py()
        elif types.is_fixed_size_list(kind):
            # part by part: pyarrow makes an object for each row that stands between two that are null
            starts = range(0, len(array), _PART)
            count = sum(array.slice(start, _PART).flatten().null_count for start in starts)
        else:
            count = child.null_count if types.is_list(kind) or types.is_large_list(kind) else 0
        if count:
            raise ValueError(f"field {field.name:.60} is not nullable, and {count} of its rows are null")


def _looked_through(kind: Any, length: int, own: list[Any], children: list[Any], has_nulls: bool) -> int:
    """How many bytes of a column's own pyarrow looks through, its bitmap aside; what Rust pays."""
    import pyarrow as pa

    types = pa.types
    if types.is_struct(kind):
        return kind.num_fields * (length // 8) if has_nulls else 0
    if types.is_fixed_size_list(kind):
        # the bitmap is expanded, a bit after the other
        return length * kind.list_size // 4 if has_nulls and not kind.value_field.nullable else 0
    if types.is_run_end_encoded(kind):
        return sum(buffer.size for buffer in children[0].buffers()[1:])
    if types.is_primitive(kind) or types.is_fixed_size_binary(kind):
        return 0
    if _is_view(kind):
        views = len(own[0])
        if _is(kind, "is_binary_view"):
            return views
        # each view for itself, of which many may name the same text: four bytes of those cost as much as one of others
        lengths, longest = memoryview(own[0])[: 16 * length].cast("B").cast("i")[::4], max(map(len, own[1:]), default=0)
        return views + sum(shown for shown in lengths if 12 < shown <= longest) // 4
    return sum(map(len, own))


def _nulls(kind: Any, length: int, nulls: int, validity: Any) -> tuple[Any, int]:
    """The bitmap, if any row is null, and how many are."""
    import pyarrow as pa

    if validity is None:
        counted = length if pa.types.is_null(kind) else 0
        # all of a null array is null, and writers differ in whether they say so
        if nulls not in (0, counted):
            raise ValueError(f"{nulls} nulls, and no bitmap that says which")
        return None, counted
    if pa.types.is_null(kind) or pa.types.is_union(kind) or pa.types.is_run_end_encoded(kind):
        raise ValueError(f"a validity bitmap, which {kind} does not have")
    if validity.size < -(-length // 8):
        raise ValueError(f"a validity bitmap of {validity.size} bytes for {length} rows")
    counted = length - pa.Array.from_buffers(pa.bool_(), length, [None, validity], 0).true_count
    if nulls != counted:
        raise ValueError(f"{nulls} nulls announced, and {counted} are there")
    return (validity if counted else None), counted


def _needed(kind: Any, length: int) -> list[int]:
    """The least length of each buffer behind the validity."""
    import pyarrow as pa

    types = pa.types
    if types.is_null(kind) or types.is_run_end_encoded(kind) or types.is_struct(kind) or types.is_fixed_size_list(kind):
        return []
    if types.is_union(kind):
        return [length] if kind.mode == "sparse" else [length, 4 * length]
    if _is_view(kind):
        return [16 * length]
    if _is(kind, "is_list_view"):
        return [4 * length, 4 * length]
    if _is(kind, "is_large_list_view"):
        return [8 * length, 8 * length]
    # no rows may have no offsets, not even the first one
    offsets = length + 1 if length else 0
    if types.is_list(kind) or types.is_map(kind):
        return [4 * offsets]
    if types.is_large_list(kind):
        return [8 * offsets]
    if types.is_string(kind) or types.is_binary(kind):
        return [4 * offsets, 0]
    if types.is_large_string(kind) or types.is_large_binary(kind):
        return [8 * offsets, 0]
    return [-(-length * kind.bit_width // 8)]


def _is_view(kind: Any) -> bool:
    return _is(kind, "is_string_view") or _is(kind, "is_binary_view")


def _is(kind: Any, name: str) -> bool:
    """Whether it is of a type that not every pyarrow has."""
    import pyarrow as pa

    return bool(getattr(pa.types, name, lambda _kind: False)(kind))


def _check_type(kind: Any, name: str) -> None:
    """Reads the texts of a type, which fails for those that are none; so does the caller's reading of the name."""
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_timestamp(kind):
        kind.tz
    for index in range(kind.num_fields):
        below = kind.field(index)
        _check_metadata(below.metadata)
        _check_type(below.type, below.name)


def _check_metadata(metadata: Any) -> None:
    for key, value in (metadata or {}).items():
        key.decode(), value.decode()
