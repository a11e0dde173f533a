"""Sends tables of every type that Python makes to Rust, which sends them back, and back what Rust made."""

import datetime
import decimal
import struct
import sys
import uuid

import msgpack
import numpy as np
import pandas as pd
import pyarrow as pa
import zmq
from outband_table import read_table, write_table
from outband_wire import REFERENCE, check

socket = zmq.Context().socket(zmq.PAIR)
socket.rcvtimeo = socket.sndtimeo = 60_000
socket.connect(sys.argv[1])
addresses = {}


def send(name, batch):
    frames = []
    value = {"name": name, "table": None if batch is None else write_table(batch, frames)}
    socket.send_multipart([msgpack.packb(value), *frames], copy=False)


def receive():
    metadata, *frames = socket.recv_multipart(copy=False)
    addresses.clear()

    def resolve(kind, payload):
        frame, length, crc = msgpack.unpackb(payload)
        buffer = frames[frame].buffer
        assert (kind, length, crc) == (REFERENCE, len(buffer), check(buffer))
        addresses[pa.py_buffer(buffer).address] = length
        return buffer

    value = msgpack.unpackb(metadata.buffer, ext_hook=resolve, strict_map_key=False)
    return value["name"], read_table(value["table"])


def used_in_place(batch):
    """How many of the frames are buffers of the batch, at the address where they were received."""

    def buffers(array):
        if isinstance(array, pa.ExtensionArray):
            array = array.storage
        if pa.types.is_dictionary(array.type):
            yield from buffers(array.dictionary)
            array = array.indices
        yield from array.buffers()

    lie = {buffer.address for column in batch.columns for buffer in buffers(column) if buffer is not None}
    return len(lie & addresses.keys())


class Point(pa.ExtensionType):
    def __init__(self):
        super().__init__(pa.list_(pa.float64(), 2), "outband.tests.point")

    def __arrow_ext_serialize__(self):
        return b"flat earth"

    @classmethod
    def __arrow_ext_deserialize__(cls, storage, serialized):
        assert serialized == b"flat earth"
        return cls()


pa.register_extension_type(Point())


def columns(rows):
    """Columns of all types, with nulls, by name."""

    def every(values, kind=None):
        repeated = [values[row % len(values)] for row in range(rows)]
        return pa.array(repeated, kind)

    now = datetime.datetime(2024, 2, 29, 12, 30, 15, 123456)
    made = {"null": pa.nulls(rows), "bool": every([True, None, False])}
    for kind in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"):
        made[kind] = every([1, None, 100], kind)
    made["float16"] = every([np.float16(0.5), None], pa.float16())
    made["float32"] = every([0.5, None, float("inf")], pa.float32())
    made["float64"] = every([0.1, None, -1e300], pa.float64())
    for bits, width in (("decimal32", 9), ("decimal64", 18), ("decimal128", 38), ("decimal256", 76)):
        made[bits] = every([decimal.Decimal("1.25"), None, decimal.Decimal("-3.5")], getattr(pa, bits)(width, 2))
    made["date32"] = every([now.date(), None], pa.date32())
    made["date64"] = every([now.date(), None], pa.date64())
    for unit in ("s", "ms"):
        made[f"time32 {unit}"] = every([datetime.time(1, 2, 3), None], pa.time32(unit))
    for unit in ("us", "ns"):
        made[f"time64 {unit}"] = every([datetime.time(1, 2, 3, 4), None], pa.time64(unit))
    for unit in ("s", "ms", "us", "ns"):
        for zone in (None, "UTC", "America/New_York", "+05:30"):
            instants = every([1_700_000_000, None, -1], pa.int64())
            made[f"timestamp {unit} {zone}"] = instants.cast(pa.timestamp(unit, zone))
        made[f"duration {unit}"] = every([5, None], pa.int64()).cast(pa.duration(unit))
    made["interval"] = every([pa.MonthDayNano([1, 2, 3]), None], pa.month_day_nano_interval())
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        made[str(kind)] = every(["", None, "short", "søppel € 𝄞 and more than twelve bytes"], kind)
    for kind in (pa.binary(), pa.large_binary(), pa.binary_view()):
        made[str(kind)] = every([b"", None, b"\xff\x00", b"x" * 40], kind)
    made["fixed binary"] = every([b"1234567", None], pa.binary(7))
    for kind in (pa.list_, pa.large_list, pa.list_view, pa.large_list_view):
        made[f"{kind.__name__} int"] = every([[1, None, 3], None, []], kind(pa.int32()))
        made[f"{kind.__name__} text"] = every([["a", None], None, []], kind(pa.string()))
    made["fixed list"] = every([[1, None, 3], None], pa.list_(pa.int16(), 3))
    made["lists of lists"] = every([[["a"], [], None], None], pa.list_(pa.list_(pa.string())))
    fields = [pa.field("x", pa.float64(), metadata={"unit": "m"}), pa.field("tags", pa.list_(pa.string()))]
    made["struct"] = every([{"x": 1.5, "tags": ["a"]}, None, {"x": None, "tags": None}], pa.struct(fields))
    made["map"] = every([[("a", 1), ("b", None)], None, []], pa.map_(pa.string(), pa.int64()))
    made["dictionary"] = every(["low", None, "high"]).dictionary_encode()
    ordered = pa.DictionaryArray.from_arrays(every([1, None, 0], pa.int8()), pa.array(["low", "high"]), ordered=True)
    made["ordered dictionary"] = ordered
    made["list of dictionary"] = pa.ListArray.from_arrays(pa.array(range(rows + 1), pa.int32()), ordered)
    ends = pa.array([rows // 2, rows], pa.int32()) if rows > 1 else pa.array([rows] if rows else [], pa.int32())
    made["runs"] = pa.RunEndEncodedArray.from_arrays(ends, pa.array(["a", None][: len(ends)], pa.string()))
    kinds = pa.array([row % 2 for row in range(rows)], pa.int8())
    numbers, texts = every([1, None], pa.int64()), every(["a", None], pa.string())
    made["sparse union"] = pa.UnionArray.from_sparse(kinds, [numbers, texts], ["n", "s"])
    at = pa.array([row // 2 for row in range(rows)], pa.int32())
    made["dense union"] = pa.UnionArray.from_dense(kinds, at, [numbers, texts], ["n", "s"])
    made["uuid"] = every([uuid.UUID(int=5).bytes, None], pa.uuid().storage_type).cast(pa.uuid())
    made["json"] = pa.ExtensionArray.from_storage(pa.json_(), every(['{"a": 1}', None], pa.string()))
    made["tensor"] = pa.ExtensionArray.from_storage(
        pa.fixed_shape_tensor(pa.int32(), [2, 2]), every([[1, 2, 3, 4], None], pa.list_(pa.int32(), 4))
    )
    made["point"] = pa.ExtensionArray.from_storage(Point(), every([[1.0, 2.0], None], pa.list_(pa.float64(), 2)))
    return made


def there_and_back(name, batch, is_valid=True):
    send(name, batch)
    again, back = receive()
    assert again == name, again
    batch.validate(full=is_valid)
    back.validate(full=True)
    assert back.schema.equals(batch.schema, check_metadata=True), name
    assert back.equals(batch, check_metadata=True), name
    return back


for rows in (0, 1, 2, 5, 3000):
    made = columns(rows)
    for name, column in made.items():
        field = pa.field(name, column.type, metadata={"about": name})
        batch = pa.RecordBatch.from_arrays([column], schema=pa.schema([field], metadata={"origin": "python"}))
        there_and_back(name, batch)
    back = there_and_back("all", pa.RecordBatch.from_pydict(made))
    assert rows < 3000 or len(addresses) > 20
    assert used_in_place(back) == len(addresses), "every frame is a buffer of the table, where it was received"

# null rows may hold anything, and pyarrow finds nothing wrong with it
valid = pa.py_buffer(b"\x02")
text = b"a text of twenty two b"
for kind in (pa.string_view(), pa.binary_view()):
    for junk in ((20, b"nope", 0, 0), (20, b"a te", 9, 0), (20, b"a te", 0, 99), (-1, b"a te", 0, 0), (3, b"abcd", 0, 1)):
        buffers = [valid, struct.pack("<i4sii", *junk) + struct.pack("<i4sii", 20, b"a te", 0, 0), text]
        array = pa.Array.from_buffers(kind, 2, [pa.py_buffer(buffer) for buffer in buffers])
        there_and_back(f"junk in {kind}", pa.RecordBatch.from_pydict({"it": array}))
for kind, offsets in ((pa.string(), "<3i"), (pa.large_string(), "<3q")):
    buffers = [valid, pa.py_buffer(struct.pack(offsets, 0, 3, 6)), pa.py_buffer(b"\xff\xfe\xc3abc")]
    array = pa.Array.from_buffers(kind, 2, buffers)
    there_and_back(f"junk in {kind}", pa.RecordBatch.from_pydict({"it": array}))
# of list views a full validation refuses it, and nothing else that pyarrow does
for kind, of in ((pa.ListViewArray, pa.int32()), (pa.LargeListViewArray, pa.int64())):
    for at, size in ((100, 5), (-7, 5), (2, -5), (2**31 - 1, 2**31 - 1)):
        starts, sizes = pa.array([0, at, 1], of), pa.array([2, size, 0], of)
        array = kind.from_arrays(starts, sizes, pa.array([10, 11, 12]), mask=pa.array([False, True, False]))
        there_and_back(f"junk in {array.type}", pa.RecordBatch.from_pydict({"it": array}), is_valid=False)

frame = pd.DataFrame({
    "price": np.linspace(0, 1, 5000),
    "count": np.arange(5000),
    "when": pd.date_range("2024-01-01", periods=5000, freq="s", tz="Europe/Oslo"),
    "name": [f"name {row % 7}" for row in range(5000)],
    "kind": pd.Categorical([["low", "high"][row % 2] for row in range(5000)], ["low", "high"], ordered=True),
    "maybe": pd.array([None if row % 3 == 0 else row for row in range(5000)], dtype="Int64"),
}, index=pd.Index(range(10, 5010), name="row"))
back = there_and_back("pandas", pa.RecordBatch.from_pandas(frame))
pd.testing.assert_frame_equal(back.to_pandas(), frame)

send("end", None)
while True:
    name, batch = receive()
    if name == "end":
        break
    batch.validate(full=True)
    if name == "frame":
        # straight from Rust into pandas
        frame = batch.to_pandas()
        assert frame["volts"].sum() == 2500.0 and list(frame["unit"].unique()) == ["V", "mV"], frame
        assert str(frame["when"].dtype) == "datetime64[us, Europe/Oslo]", frame.dtypes
        assert used_in_place(batch) == len(addresses) == 4, len(addresses)
    send(name, batch)
socket.context.destroy(linger=60_000)
