"""Arrow tables as maps: ``{"$table": schema, "rows": n, "columns": [column, ...]}``.

The schema is Arrow's IPC schema message. A column is ``[length, null count, [buffer or None, ...], [child, ...]]`` in Arrow's
columnar layout, with the dictionary as a fifth part where it has one. pyarrow and pandas are imported when the first
table comes by.
"""

from __future__ import annotations

import re
import sys
from typing import Any

from . import _layout
from ._errors import CallerError, PeerError, package

#: The first key of a map that is a table.
MARKER = "$table"


#: The oldest pyarrow that is asked. Before 14.0.1 one that reads a schema runs what a stranger wrote into it (CVE-2023-47248).
OLDEST = (19, 0, 1)


def is_table(obj: Any) -> bool:
    pyarrow, pandas = sys.modules.get("pyarrow"), sys.modules.get("pandas")
    if pyarrow is not None and isinstance(obj, (pyarrow.RecordBatch, pyarrow.Table)):
        return True
    return pandas is not None and isinstance(obj, pandas.DataFrame)


def to_map(table: Any) -> dict[str, Any]:
    """The table's map, its buffers memoryviews of Arrow's; a pandas frame goes through Arrow, which copies what it must."""
    pa = _arrow()

    try:
        if not isinstance(table, (pa.Table, pa.RecordBatch)):
            table = pa.Table.from_pandas(table)
        if isinstance(table, pa.Table):
            table = _in_one(table)
        if any(_is_slice(column) or _has_more(column) for column in table.columns):
            table = _without_offsets(table)
        columns = [_to_column(column) for column in table.columns]
    except (pa.ArrowException, ValueError, TypeError, OverflowError, NotImplementedError) as error:
        raise CallerError(f"this table has no place in a message: {error}") from error
    return {MARKER: table.schema.serialize().to_pybytes(), "rows": table.num_rows, "columns": columns}


def from_map(parts: dict[Any, Any], work: _layout.Work) -> Any:
    """The ``pyarrow.Table`` of a map, on the memory of its buffers, and fully validated."""
    pa = _arrow()

    try:
        schema = pa.ipc.read_schema(pa.py_buffer(parts[MARKER]))
        _layout.check_schema(schema)
        columns, rows = parts["columns"], parts["rows"]
        if not isinstance(columns, list) or not _layout.is_count(rows):
            raise ValueError("its columns are no list, or its rows no number")
        if len(columns) != len(schema):
            raise ValueError(f"{len(columns)} columns, and the schema has {len(schema)}")
        counts = _layout.Parts()
        # one that stands there under several names is looked through once
        known: dict[Any, Any] = {}
        keys = [(_storage_type(field.type), _outline(column)) for column, field in zip(columns, schema)]
        for key, column in zip(keys, columns):
            if key in known:
                counts.add(*known[key][1:])
                continue
            buffers_before, columns_before = counts.buffers, counts.columns
            array = _from_column(column, key[0], counts, work)
            array.validate(full=True)
            known[key] = array, counts.buffers - buffers_before, counts.columns - columns_before
        arrays = [_of_type(field.type, known[key][0]) for key, field in zip(keys, schema)]
        if any(len(array) != rows for array in arrays):
            raise ValueError(f"a column has not the {rows} rows of the table")
        for array, field in zip(arrays, schema):
            if not field.nullable and array.null_count and not pa.types.is_null(field.type):
                raise ValueError(f"column {field.name:.60} is not nullable, and {array.null_count} of its rows are null")
        batch = pa.RecordBatch.from_arrays(arrays, schema=schema)
        if not arrays:  # then nothing says how many rows there are
            nulls = pa.Array.from_buffers(pa.null(), rows, [None])  # without memory, which pa.nulls takes
            batch = pa.RecordBatch.from_arrays([nulls], [""]).select([]).replace_schema_metadata(schema.metadata)
        batch.validate()
        return pa.Table.from_batches([batch])
    except (pa.ArrowException, KeyError, ValueError, TypeError, OverflowError, OSError) as error:
        raise PeerError(f"this is no table: {error}") from error


def _arrow() -> Any:
    pa = package("pyarrow")
    if tuple(map(int, re.findall(r"\d+", pa.__version__)[:3])) < OLDEST:
        raise CallerError(f"tables take pyarrow {'.'.join(map(str, OLDEST))} or later, and this is {pa.__version__}")
    return pa


def _in_one(table: Any) -> Any:
    """All rows as one batch."""
    import pyarrow as pa

    combined = table.combine_chunks()
    for name, column in zip(combined.column_names, combined.columns):
        if column.num_chunks > 1:
            raise CallerError(
                f"column {name:.60} is more than a column of {column.type} can hold, 2 GiB: cast it to large_{column.type}, "
                "or send parts of the table"
            )
    batches = combined.to_batches()
    if batches:
        return batches[0]
    # no batch has the dictionaries of a table without rows
    arrays = [column.chunk(0) if column.num_chunks else _without_rows(column.type) for column in combined.columns]
    return pa.RecordBatch.from_arrays(arrays, schema=table.schema)


def _without_rows(kind: Any) -> Any:
    """An empty array of any type, where pyarrow's own functions make those of some."""
    return _from_column(_nothing(kind), kind, _layout.Parts(), _layout.Work())


def _nothing(kind: Any) -> list[Any]:
    """An empty column, as it is on the wire."""
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        return _nothing(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return [*_nothing(kind.index_type), _nothing(kind.value_type)]
    children = [_nothing(kind.field(index).type) for index in range(kind.num_fields)]
    return [0, 0, [None] * kind.num_buffers, children]


def _outline(part: Any) -> Any:
    """What a column says, with its buffers by where they are: frames are the same objects for each reference."""
    if isinstance(part, list):
        return tuple(map(_outline, part))
    return (type(part), part if isinstance(part, int) else id(part))


def _children(array: Any) -> list[Any]:
    import pyarrow as pa

    kind = array.type
    if pa.types.is_struct(kind) or pa.types.is_union(kind):
        return [array.field(index) for index in range(kind.num_fields)]
    if pa.types.is_map(kind):
        return [pa.StructArray.from_arrays([array.keys, array.items], fields=list(kind.field(0).type))]
    if pa.types.is_run_end_encoded(kind):
        return [array.run_ends, array.values]
    return [array.values] if pa.types.is_nested(kind) else []


def _storage(array: Any) -> Any:
    import pyarrow as pa

    return array.storage if isinstance(array, pa.ExtensionArray) else array


def _storage_type(kind: Any) -> Any:
    """What a type's values are; those of extensions that are written in Python have no hash."""
    import pyarrow as pa

    return _storage_type(kind.storage_type) if isinstance(kind, pa.BaseExtensionType) else kind


def _of_type(kind: Any, storage: Any) -> Any:
    """The other way around."""
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, _of_type(kind.storage_type, storage))
    return storage


def _is_slice(array: Any) -> bool:
    import pyarrow as pa

    array = _storage(array)
    inner = [array.dictionary] if pa.types.is_dictionary(array.type) else _children(array)
    return bool(array.offset) or any(map(_is_slice, inner))


def _has_more(array: Any) -> bool:
    """Whether much of the array's memory is of other rows: of those behind the end of a slice."""
    import pyarrow as pa

    try:
        return bool(array.get_total_buffer_size() > 2 * array.nbytes + 8192)
    except pa.ArrowException:
        return False  # an older pyarrow does not know the size of strings in views


def _without_offsets(batch: Any) -> Any:
    """A copy of the rows of a slice: Arrow's own stream holds no offsets."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return pa.ipc.open_stream(sink.getvalue()).read_next_batch()


def _to_column(array: Any) -> list[Any]:
    import pyarrow as pa

    array, dictionary = _storage(array), []
    if pa.types.is_dictionary(array.type):
        dictionary = [_to_column(array.dictionary)]
        array = array.indices
    children = _children(array)
    # pyarrow lists the buffers of the children after the array's own
    own = array.buffers()[: array.type.num_buffers if children else None]
    buffers = [None if buffer is None else memoryview(buffer) for buffer in own]
    return [len(array), array.null_count, buffers, [_to_column(child) for child in children], *dictionary]


#: How deep columns nest in Rust.
_DEEPEST = 16


def _from_column(column: Any, kind: Any, counts: _layout.Parts, work: _layout.Work, depth: int = 1) -> Any:
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, _from_column(column, kind.storage_type, counts, work, depth))
    if depth > _DEEPEST:
        raise ValueError(f"columns are nested deeper than the limit of {_DEEPEST}")
    if not isinstance(column, list) or len(column) not in (4, 5):
        raise ValueError(f"{column!r:.60} is no column")
    length, nulls, buffers, children, *dictionary = column
    if not (_layout.is_count(length) and _layout.is_count(nulls) and isinstance(buffers, list) and isinstance(children, list)):
        raise ValueError(f"{column!r:.60} is no column")
    if bool(dictionary) != pa.types.is_dictionary(kind) or len(children) != kind.num_fields * (not dictionary):
        raise ValueError(f"a column of {kind} has other children, or a dictionary that is out of place")
    if dictionary:
        indices = _from_column(column[:4], kind.index_type, counts, work, depth)
        values = _from_column(dictionary[0], kind.value_type, counts, work, depth + 1)
        # the indices are looked at when the whole batch is validated, and not before their buffer is known to hold them
        return pa.DictionaryArray.from_arrays(indices, values, ordered=kind.ordered, safe=False)
    counts.add(len(buffers))
    children = [_from_column(child, kind.field(index).type, counts, work, depth + 1) for index, child in enumerate(children)]
    buffers, nulls = _layout.checked(kind, length, nulls, buffers, children, work)
    of = pa.RunEndEncodedArray if pa.types.is_run_end_encoded(kind) else pa.Array
    array = of.from_buffers(kind, length, buffers, nulls, children=children)
    _layout.check_nulls(array, children)
    return array
