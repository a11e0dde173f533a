"""Damages tables and looks at what is still loaded. It runs in a process of its own, so that a crash has a test to fail.

``python damage.py SEED MESSAGES FILE``: the last message is in the file.
"""

from __future__ import annotations

import copy
import datetime
import decimal
import pathlib
import random
import sys
from typing import Any, Iterator

import msgpack
import pyarrow as pa

import outband

HALF = decimal.Decimal("1.5")


def arrays() -> list[Any]:
    """One of every type that this pyarrow has."""
    two = pa.array([0, 1], pa.int8())
    made = [
        pa.array([1, None, 3]),
        pa.array([True, None]),
        pa.array(["a", None, "bbb"]),
        pa.array(["x"], pa.large_string()),
        pa.array(["a" * 20, None], pa.string_view()),
        pa.array([b"a", None], pa.binary_view()),
        pa.array([b"abc", None], pa.binary(3)),
        pa.array([b"", b""], pa.binary(0)),
        pa.array([[1], None, [2, 3]]),
        pa.array([[1]], pa.large_list(pa.int8())),
        pa.array([[1, 2], None], pa.list_(pa.int8(), 2)),
        pa.array([[], []], pa.list_(pa.int8(), 0)),
        pa.array([[1], [2, 3]], pa.list_view(pa.int8())),
        pa.array([["a"], ["b", "c"]], pa.large_list_view(pa.string())),
        pa.array([{"a": 1}, None]),
        pa.array([{}, {}], pa.struct([])),
        pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int32())),
        pa.array([[(1, 1)]], pa.map_(pa.int8(), pa.int8(), keys_sorted=True)),
        pa.array([[("k", [1])]], pa.map_(pa.dictionary(pa.int8(), pa.string()), pa.list_(pa.int8()))),
        pa.array(["a", "b", "a"]).dictionary_encode(),
        pa.array([["a"], ["b"]], pa.list_(pa.dictionary(pa.int8(), pa.string()))),
        pa.RunEndEncodedArray.from_arrays([2, 3], ["a", "b"]),
        pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int16()), pa.array([{"a": 1}, None])),
        pa.UnionArray.from_sparse(two, [pa.array([1, 2]), pa.array(["a", "b"])]),
        pa.UnionArray.from_dense(two, pa.array([0, 0], pa.int32()), [pa.array([1]), pa.array(["a"])]),
        pa.nulls(3),
        pa.array([HALF], pa.decimal128(5, 2)),
        pa.array([HALF], pa.decimal256(5, 2)),
        pa.array([datetime.datetime(2020, 1, 1)], pa.timestamp("us", "UTC")),
        pa.array([1], pa.date64()),
        pa.array([1], pa.time32("s")),
        pa.array([1], pa.duration("s")),
        pa.array([pa.MonthDayNano([1, 2, 3])]),
    ]
    if hasattr(pa, "decimal32"):
        made += [pa.array([HALF], pa.decimal32(5, 2)), pa.array([HALF], pa.decimal64(5, 2))]
    if hasattr(pa, "uuid"):
        made.append(pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"0" * 16], pa.binary(16))))
    if hasattr(pa, "json_"):
        made.append(pa.ExtensionArray.from_storage(pa.json_(), pa.array(["1"])))
    return made


def columns(column: Any) -> Iterator[Any]:
    yield column
    for child in [*column[3], *column[4:]]:
        yield from columns(child)


def damage(table: Any, chance: random.Random) -> Any:
    table = copy.deepcopy(table)
    for _ in range(chance.choice((1, 1, 2, 3))):
        column = chance.choice([below for column in table["columns"] for below in columns(column)])
        kind = chance.random()
        if kind < 0.15:
            column[0] = chance.choice((0, 1, 2, 3, 4, 5, 1000, 1 << 31, 1 << 40, 1 << 48, column[0] + 1))
        elif kind < 0.25:
            column[1] = chance.choice((0, 1, 2, 3, 1 << 40))
        elif kind < 0.8 and column[2]:
            at = chance.randrange(len(column[2]))
            column[2][at] = damaged(column[2][at], chance)
        elif kind < 0.9:
            more = [chance.choice((None, b"", b"\xff" * 16))]
            column[2] = column[2][:-1] if chance.random() < 0.5 else column[2] + more
        elif kind < 0.95 and column[3]:
            column[3] = column[3][:-1]
        else:
            table["rows"] = chance.choice((0, 1, 2, 3, 1 << 40))
        if chance.random() < 0.5:
            table["rows"] = table["columns"][0][0]
    return table


def damaged(buffer: Any, chance: random.Random) -> Any:
    kind = chance.random()
    if kind < 0.3:
        return None
    if kind < 0.5 or not buffer:
        return bytes(chance.choice((0, 1, 2, 4, 8, 16, 64)))
    at = chance.randrange(len(buffer))
    changed = buffer[:at] + bytes([chance.choice((0, 1, 2, 0x7F, 0x80, 0xFF))]) + buffer[at + 1 :]
    return changed[: chance.choice((len(buffer), len(buffer) - 1, at))]


def main(seed: int, messages: int, last: pathlib.Path) -> None:
    chance = random.Random(seed)
    whole = [msgpack.unpackb(outband.dumps(pa.table({"u": array}), out_of_band_from=1 << 30)[0]) for array in arrays()]
    loaded = 0
    for _ in range(messages):
        message = msgpack.packb(damage(chance.choice(whole), chance))
        last.write_bytes(message)
        try:
            table = outband.loads([message])
        except outband.PeerError:
            continue
        loaded += 1
        repr(table.schema)
        if table.num_rows > 1000:
            continue  # of elements without length
        try:
            table.to_pylist()
        except OverflowError:
            pass  # a span of time that is longer than Python's
        try:
            outband.dumps(table)
        except outband.CallerError:
            pass
    print(loaded, "of", messages, "were loaded")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3]))
