"""Columns of every type whose values stand here: each goes to Rust, which has values of its own, and Rust's come back."""

import datetime as dt
import decimal
import sys
import uuid

import msgpack
import pyarrow as pa
import zmq
from outband_table import read_table, write_table
from outband_wire import REFERENCE, check

UTC = dt.timezone.utc
D = decimal.Decimal
LONG = "søppel € 𝄞, more than twelve bytes"


def union(of, *rest):
    numbers = [7, None] if rest else [7, None, 9]
    children = [pa.array(numbers, pa.int32()), pa.array(["a", "b", "c"])]
    return of(pa.array([0, 1, 0], pa.int8()), *rest, children, ["n", "s"])


def decimals(kind):
    return pa.array([D("1.25"), None, D("-99.50")], kind)


def instants(unit, zone, *values):
    return pa.array([values[0], None, *values[1:]], pa.timestamp(unit, zone))


VALUES = {
    "null": pa.array([None, None, None]),
    "bool": pa.array([True, None, False]),
    "int8": pa.array([1, None, -128], pa.int8()),
    "int16": pa.array([1, None, -32768], pa.int16()),
    "int32": pa.array([1, None, -2147483648], pa.int32()),
    "int64": pa.array([1, None, -9223372036854775808], pa.int64()),
    "uint8": pa.array([1, None, 255], pa.uint8()),
    "uint16": pa.array([1, None, 65535], pa.uint16()),
    "uint32": pa.array([1, None, 4294967295], pa.uint32()),
    "uint64": pa.array([1, None, 18446744073709551615], pa.uint64()),
    "float16": pa.array([0.5, None, -65504.0], pa.float16()),
    "float32": pa.array([0.1, None, float("-inf")], pa.float32()),
    "float64": pa.array([0.1, None, 5e-324], pa.float64()),
    "decimal32": decimals(pa.decimal32(9, 2)),
    "decimal64": decimals(pa.decimal64(18, 2)),
    "decimal128": decimals(pa.decimal128(38, 2)),
    "decimal256": decimals(pa.decimal256(76, 2)),
    "decimal128 of hundreds": pa.array([D("12300"), None, D("-100")], pa.decimal128(5, -2)),
    "date32": pa.array([dt.date(2024, 2, 29), None, dt.date(1969, 12, 31)], pa.date32()),
    "date64": pa.array([dt.date(2024, 2, 29), None, dt.date(1969, 12, 31)], pa.date64()),
    "time32 s": pa.array([dt.time(1, 2, 3), None, dt.time(23, 59, 59)], pa.time32("s")),
    "time32 ms": pa.array([dt.time(1, 2, 3, 4000), None, dt.time(0)], pa.time32("ms")),
    "time64 us": pa.array([dt.time(1, 2, 3, 4), None, dt.time(0)], pa.time64("us")),
    "time64 ns": pa.array([dt.time(1, 2, 3, 4), None, dt.time(0)], pa.time64("ns")),
    "timestamp s": instants("s", None, dt.datetime(2024, 2, 29, 12, 30), dt.datetime(1969, 12, 31)),
    "timestamp ms utc": instants("ms", "UTC", dt.datetime(2024, 2, 29, 12, 30, tzinfo=UTC)),
    "timestamp us oslo": instants("us", "Europe/Oslo", dt.datetime(2024, 7, 1, 12, 0, 0, 5, tzinfo=UTC)),
    "timestamp ns offset": instants("ns", "+05:30", dt.datetime(2024, 2, 29, 12, 30, tzinfo=UTC)),
    "duration s": pa.array([dt.timedelta(days=1), None, dt.timedelta(seconds=-5)], pa.duration("s")),
    "duration ms": pa.array([dt.timedelta(days=1), None, dt.timedelta(milliseconds=-5)], pa.duration("ms")),
    "duration us": pa.array([dt.timedelta(days=1), None, dt.timedelta(microseconds=-5)], pa.duration("us")),
    "duration ns": pa.array([dt.timedelta(days=1), None, dt.timedelta(microseconds=-5)], pa.duration("ns")),
    "interval": pa.array([pa.MonthDayNano([1, -2, 3]), None], pa.month_day_nano_interval()),
    "string": pa.array(["", None, LONG], pa.string()),
    "large string": pa.array(["", None, LONG], pa.large_string()),
    "string view": pa.array(["", None, LONG, "short"], pa.string_view()),
    "binary": pa.array([b"", None, b"\xff\x00"], pa.binary()),
    "large binary": pa.array([b"", None, b"\xff\x00"], pa.large_binary()),
    "binary view": pa.array([b"", None, b"\xff" * 13, b"\x00"], pa.binary_view()),
    "fixed binary": pa.array([b"abc", None, b"\x00\x01\xff"], pa.binary(3)),
    "list": pa.array([[1, None], None, [], [3]], pa.list_(pa.int32())),
    "large list": pa.array([["a", None], None, [], [LONG]], pa.large_list(pa.string())),
    "list view": pa.array([[1, None], None, [], [3]], pa.list_view(pa.int32())),
    "large list view": pa.array([["a", None], None, [], [LONG]], pa.large_list_view(pa.string())),
    # lists that overlap, the last one first
    "list view in disorder": pa.ListViewArray.from_arrays([2, 0, 1], [2, 3, 0], pa.array([10, 11, 12, 13], pa.int64())),
    "fixed list": pa.array([[1, 2], None, [3, None]], pa.list_(pa.int16(), 2)),
    "list of lists": pa.array([[["a"], [], None], None], pa.list_(pa.list_(pa.string()))),
    "struct": pa.array(
        [{"x": 1.5, "tags": ["a"]}, None, {"x": None, "tags": None}],
        pa.struct([pa.field("x", pa.float64(), metadata={"unit": "m"}), pa.field("tags", pa.list_(pa.string()))]),
    ),
    "map": pa.array([[("b", 1), ("a", None)], None, []], pa.map_(pa.string(), pa.int64())),
    "sorted map": pa.array([[("a", 1), ("b", None)], None, []], pa.map_(pa.string(), pa.int64(), keys_sorted=True)),
    "sparse union": union(pa.UnionArray.from_sparse),
    "dense union": union(pa.UnionArray.from_dense, pa.array([0, 0, 1], pa.int32())),
    "dictionary": pa.DictionaryArray.from_arrays(pa.array([1, None, 0, 1], pa.int8()), ["low", "high"]),
    "ordered dictionary": pa.DictionaryArray.from_arrays(
        pa.array([1, None, 0], pa.uint16()), ["low", "high"], ordered=True
    ),
    "dictionary of numbers": pa.DictionaryArray.from_arrays(pa.array([1, 0], pa.int64()), pa.array([0.5, 1.5])),
    "runs": pa.RunEndEncodedArray.from_arrays(pa.array([2, 3, 6], pa.int16()), pa.array(["on", None, "off"])),
    "uuid": pa.array([uuid.UUID(int=5).bytes, None], pa.uuid().storage_type).cast(pa.uuid()),
}

socket = zmq.Context().socket(zmq.PAIR)
socket.rcvtimeo = socket.sndtimeo = 60_000
socket.connect(sys.argv[1])


def resolve(kind, payload):
    frame, length, crc = msgpack.unpackb(payload)
    buffer = frames[frame].buffer
    assert (kind, length, crc) == (REFERENCE, len(buffer), check(buffer))
    return buffer


for name, mine in VALUES.items():
    mine = pa.RecordBatch.from_arrays([mine], [name])
    frames = []
    socket.send_multipart([msgpack.packb({"name": name, "table": write_table(mine, frames)}), *frames])
    # Rust's own values in the middle of others, so of a slice
    metadata, *frames = socket.recv_multipart(copy=False)
    for wire in msgpack.unpackb(metadata.buffer, ext_hook=resolve, strict_map_key=False):
        theirs = read_table(wire)
        theirs.validate(full=True)
        assert theirs.schema.equals(mine.schema, check_metadata=True), f"{name}: {theirs.schema} is not {mine.schema}"
        assert theirs.equals(mine), f"{name}: {theirs.column(0)} is not {mine.column(0)}"
        assert theirs.to_pylist() == mine.to_pylist(), f"{name}: {theirs.to_pylist()} is not {mine.to_pylist()}"
socket.send(msgpack.packb({"name": "end", "table": None}))
socket.context.destroy(linger=60_000)
