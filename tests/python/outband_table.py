"""Tables of the wire format in plain pyarrow: what a peer without our crate reads and writes."""

import pyarrow as pa

from outband_wire import reference


def read_table(wire):
    """The record batch of a decoded table, without copying its buffers."""
    schema = pa.ipc.read_schema(pa.py_buffer(wire["$table"]))
    columns = [read_column(column, field.type) for column, field in zip(wire["columns"], schema)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def read_column(column, kind):
    length, nulls, buffers, children, *dictionary = column
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, read_column(column, kind.storage_type))
    if pa.types.is_dictionary(kind):
        indices, values = read_column(column[:4], kind.index_type), read_column(dictionary[0], kind.value_type)
        return pa.DictionaryArray.from_arrays(indices, values, ordered=kind.ordered)
    buffers = [None if buffer is None else pa.py_buffer(buffer) for buffer in buffers]
    children = [read_column(child, kind.field(index).type) for index, child in enumerate(children)]
    of = pa.RunEndEncodedArray if pa.types.is_run_end_encoded(kind) else pa.Array
    return of.from_buffers(kind, length, buffers, nulls, children=children)


def write_table(batch, frames):
    """The table to put into an object; its buffers are appended to `frames`."""
    columns = [write_column(column, frames) for column in batch.columns]
    return {"$table": batch.schema.serialize().to_pybytes(), "rows": batch.num_rows, "columns": columns}


def write_column(array, frames):
    kind, dictionary, children = array.type, [], []
    if isinstance(array, pa.ExtensionArray):
        return write_column(array.storage, frames)
    assert array.offset == 0, "a slice goes through a stream of Arrow's IPC format first, and so does what has one as its dictionary"
    if pa.types.is_dictionary(kind):
        dictionary = [write_column(array.dictionary, frames)]
        array = array.indices
    elif pa.types.is_struct(kind) or pa.types.is_union(kind):
        children = [array.field(index) for index in range(kind.num_fields)]
    elif pa.types.is_map(kind):
        children = [pa.StructArray.from_arrays([array.keys, array.items], fields=list(kind.field(0).type))]
    elif pa.types.is_run_end_encoded(kind):
        children = [array.run_ends, array.values]
    elif pa.types.is_nested(kind):
        children = [array.values]
    # pyarrow lists the buffers of the children after the array's own; only views have any number of them
    own = array.buffers()[: None if not children else array.type.num_buffers]
    buffers = [None if buffer is None else place(buffer, frames) for buffer in own]
    return [len(array), array.null_count, buffers, [write_column(child, frames) for child in children], *dictionary]


def place(buffer, frames):
    frames.append(memoryview(buffer))
    return reference(len(frames) - 1, frames[-1])
