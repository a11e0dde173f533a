"""Every row of "What is written" and of the two tables of "Data frames" in docs/python.md: what Rust writes for it is what it says.

    python tests/python/written_rows.py ENDPOINT PAGE
"""

import collections
import datetime
import decimal
import enum
import fractions
import json
import pathlib
import pickle
import sys
import uuid

import numpy as np
import pandas as pd
import pyarrow as pa
import zmq

pandas_3 = int(pd.__version__.split(".")[0]) >= 3
socket = zmq.Context().socket(zmq.PAIR)
socket.rcvtimeo = socket.sndtimeo = 60_000
socket.linger = 60_000


class Order:
    def __init__(self):
        raise AssertionError("an instance is made without __init__")


class Colour(enum.Enum):
    RED = 1


class Message:
    """A pickle and its frames, and what `pickle.loads` makes of them."""

    def __init__(self, data, *frames):
        self.data, self.frames = bytes(data), frames

    @property
    def value(self):
        return pickle.loads(self.data, buffers=self.frames)

    def holds(self, array):
        """Whether the elements of an array lie in one of the frames, or there are none."""
        start = array.__array_interface__["data"][0]
        places = [np.frombuffer(frame, "u1") for frame in self.frames]
        return not array.size or any(place.ctypes.data <= start < place.ctypes.data + place.nbytes for place in places)


def written(table, row):
    socket.send_multipart([table, row.encode()])
    messages = []
    while True:
        frames = socket.recv_multipart(copy=False)
        if not len(frames[0]):
            return messages
        messages.append(Message(*frames))


def read(value):
    """What Rust says of the table of this."""
    buffers = []
    data = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    socket.send_multipart([b"read", data, *buffers], copy=False)
    return json.loads(socket.recv())


def same(messages, *expected):
    assert len(messages) == len(expected), len(messages)
    for message, wanted in zip(messages, expected):
        value = message.value
        assert type(value) is type(wanted) and value == wanted, f"{value!r} is not {wanted!r}"
        if isinstance(wanted, (list, tuple)):
            assert list(map(type, value)) == list(map(type, wanted)), value


def row_of(*expected):
    return lambda messages: same(messages, *expected)


# what is written


def frame_of_its_own(messages):
    (message,) = messages
    value = message.value
    assert type(value) is memoryview and value.readonly and value == b"\7" * 20_000
    assert message.holds(np.frombuffer(value, "u1")), "it was copied"
    own = bytes(message.frames[0])
    assert pickle.loads(message.data, buffers=[own]) is own


def instance(messages):
    (message,) = messages
    assert type(message.value) is Order and vars(message.value) == {"id": 7}


def arrays(messages):
    row = np.array([1, 2, 3], "<i4")
    expected = [np.array([0.5, 1.5]), np.array([[1, 4], [2, 5], [3, 6]], "<i4", order="F"), np.array([1, 2], ">i2")]
    expected.append(np.broadcast_to(row, (1000, 3)))
    assert len(messages) == len(expected)
    for message, wanted in zip(messages, expected):
        value = message.value
        assert type(value) is np.ndarray and value.dtype.str == wanted.dtype.str and value.shape == wanted.shape
        assert value.flags.f_contiguous == wanted.flags.f_contiguous
        np.testing.assert_array_equal(value, wanted)
        yield message, value
    assert value.strides[0] == 0 and len(message.data) + sum(map(len, message.frames)) < 300, "it is sent more than once"


def arrays_on_frames(messages):
    for message, value in arrays(messages):
        assert len(message.frames) == 1 and message.holds(value) and not value.flags.owndata


def arrays_in_band(messages):
    for message, value in arrays(messages):
        assert not message.frames and value.flags.writeable
        while isinstance(value, (np.ndarray, memoryview)):
            value = value.base if isinstance(value, np.ndarray) else value.obj
        assert type(value) is bytearray, type(value)


def tables(messages):
    frame, series, index, array = (message.value for message in messages)
    pd.testing.assert_frame_equal(frame, pd.DataFrame({"n": [7, 8]}))
    pd.testing.assert_series_equal(series, pd.Series([7, 8], name="n"))
    pd.testing.assert_index_equal(index, pd.Index([7, 8]))
    assert isinstance(array, pd.api.extensions.ExtensionArray) and list(array) == [7, 8], array


KINDS = {
    "`tuple`": (1,),
    "`set`": {1},
    "`frozenset`": frozenset({1}),
    "`deque`": collections.deque([1]),
    "`OrderedDict`": collections.OrderedDict(a=1),
    "`Counter`": collections.Counter("a"),
    "`bytearray`": bytearray(b"\1"),
    "`complex`": 0.5 - 2j,
    "`range`": range(1, 9, 2),
    "`slice`": slice(1, 9, 2),
    "`...`": ...,
    "`datetime`": datetime.datetime(2026, 11, 27, 9, 0, 0, 250_000),
    "`date`": datetime.date(2026, 11, 27),
    "`time`": datetime.time(9),
    "`timedelta`": datetime.timedelta(seconds=1.5),
    "`timezone`": datetime.timezone(datetime.timedelta(hours=5, minutes=30)),
    "`Decimal`": decimal.Decimal("1.50"),
    "`Fraction`": fractions.Fraction(1, 3),
    "`UUID`": uuid.UUID(int=5),
    "paths": pathlib.PurePosixPath("a/b"),
    "long `int`s": 1 << 64,
}


def kinds(messages):
    *others, made, member = messages
    same(others, *KINDS.values())
    instance([made])
    assert member.value is Colour.RED


WRITTEN = {
    "`()`, unit structs, `None`": row_of(None, None, None),
    "`bool`, integers up to `i128` and `u128`, floats, `String`, `char`": row_of(
        (True, -1, -(1 << 127), (1 << 128) - 1, 0.5, sys.float_info.max, "søt", "ß")
    ),
    "`serde_bytes`, [`Value::Bytes`](crate::Value::Bytes)": row_of(b"\7" * 20_000, b"\7" * 20_000),
    "[`Buffer`](crate::Buffer) in a frame of its own": frame_of_its_own,
    "[`Buffer`](crate::Buffer) below the threshold of `MsgPack::OUT_OF_BAND_FROM` bytes, or in band": row_of(b"\7" * 8192, b"\7" * 20_000),
    "`Vec`, slices, other sequences": row_of([1, 2], [1, 2], [1, 2], {(1, 2): 3}, {(1, 2)}),
    "tuples, tuple structs, `[T; N]`": row_of((1, "p"), (1, "p"), (1, 2)),
    "maps, structs": row_of({"x": 1, "y": 2}, {"x": 1, "y": 2}),
    "structs named in [`Pickle::write_as`](crate::Pickle::write_as)": instance,
    "enum variants": row_of("Start", {"Step": 1}, {"Move": (2, 3)}, {"Set": {"x": 4}}),
    "[`Array`](crate::Array)": arrays_on_frames,
    "[`Array`](crate::Array) in band": arrays_in_band,
    "`Table`": tables,
    "[`python::Kind`](crate::python::Kind)": kinds,
}

# tables in pandas


def columns(messages):
    """Of each message the one column, and whether its values lie in a frame."""
    for message in messages:
        column = message.value["it"]
        values = column.array
        if isinstance(column.dtype, pd.CategoricalDtype):
            values = values.codes
        elif hasattr(values, "_pa_array"):
            values = values._pa_array.chunk(0).buffers()[-1]
        else:
            values = getattr(values, "_data", getattr(values, "_ndarray", values))
        yield column, message.holds(np.asarray(values))


def are(*expected):
    """The dtype of each, the values, and whether they are not copied: `None` where the page says nothing."""

    def check(messages):
        assert len(messages) == len(expected), len(messages)
        for (column, is_in_place), (dtype, values, wanted) in zip(columns(messages), expected):
            assert column.dtype == dtype, f"{column.dtype} and not {dtype}"
            pd.testing.assert_series_equal(column, pd.Series(values, dtype=dtype, name="it"))
            assert wanted in (None, is_in_place), f"{dtype}: {is_in_place}"

    return check


def masked(messages):
    are(("int64", [1, 2, 3], True), ("uint8", [1, 2, 3], True), ("Int64", [1, None, 3], True))(messages)
    array = messages[2].value["it"].array
    assert messages[2].holds(array._mask), "the mask is a frame of its own, made of bits"


def refused(messages):
    assert len(messages) == 4
    for message in messages:
        assert 'column "the one"' in message.data.decode() and "has no form in pandas" in message.data.decode(), message.data


def instants(messages):
    zero, one, two = (np.datetime64(count, "us") for count in range(3))
    zoned = pd.Series(pd.DatetimeIndex([zero, "NaT", two]).as_unit("us").tz_localize("UTC").tz_convert("Europe/Oslo"), name="it")
    naive, gaps, in_zone, spans = [column for column, _ in columns(messages)]
    pd.testing.assert_series_equal(naive, pd.Series([zero, one, two], name="it", dtype="M8[us]"))
    pd.testing.assert_series_equal(gaps, pd.Series([zero, np.datetime64("NaT"), two], name="it", dtype="M8[us]"))
    assert in_zone.dtype == zoned.dtype and list(in_zone.isna()) == [False, True, False], in_zone
    pd.testing.assert_series_equal(in_zone, zoned)
    pd.testing.assert_series_equal(spans, pd.Series(np.arange(3), name="it").astype("m8[ms]"))
    in_place = [is_in_place for _, is_in_place in columns(messages)]
    assert in_place[0] and in_place[3], in_place


def text(messages):
    values = ["a", None, "søt"]
    are(*[("str" if pandas_3 else object, values, None)] * 3)(messages)


def in_arrow(messages):
    lists = pd.ArrowDtype(pa.list_(pa.int32()))
    dates = [datetime.date(1970, 1, day) for day in (2, 3, 4)]
    for message, dtype, values in zip(
        messages,
        ["string[pyarrow]", "int64[pyarrow]", "date32[day][pyarrow]", lists, "str" if pandas_3 else object],
        [["a", None, "søt"], [1, None, 3], dates, [[1], None, [None]], ["a", None, "søt"]],
        strict=True,
    ):
        column = message.value["it"]
        assert column.dtype == dtype, column.dtype
        found = column.array._pa_array.to_pylist() if dtype is lists else [None if pd.isna(value) else value for value in column]
        assert found == values, column
        assert b"_restore_array" in message.data
        if hasattr(column.array, "_pa_array"):
            (chunk,) = column.array._pa_array.chunks
            starts = [np.frombuffer(buffer, "u1") for buffer in chunk.buffers() if buffer and buffer.size]
            assert all(map(message.holds, starts)), f"{dtype} was copied"


FRAMED = {
    "integers; with nulls": masked,
    "floats": are(("float64", [0.5, 1.5, np.nan], True), ("float64", [0.5, np.nan, 1.5], None)),
    "`Boolean`; with nulls; of `object`": are(
        ("bool", [True, False, True], None), ("boolean", [True, None, False], None), (object, [True, None, False], None)
    ),
    "`Timestamp`, `Duration`": instants,
    "`Utf8`, `LargeUtf8`, `Utf8View`": text,
    "`Binary` and its kin, `Null`": are(*[(object, [b"a", None, b"\xff"], None)] * 4, (object, [None] * 3, None)),
    "`Dictionary`": are((pd.CategoricalDtype(["high", "low"]), ["high", "low", "high"], True)),
    "what pandas had in Arrow, as its metadata says: `str` and `string[pyarrow]`, `int64[pyarrow]`, and lists, decimals and whatever else has an `ArrowDtype`": in_arrow,
    "anything else: decimals, dates, lists of any kind, structs, maps, unions, runs": refused,
}

# pandas in tables


def column_of(series, **expected):
    """What Rust says of the one column of a frame with a range as its index, and how much was copied."""
    said = read(pd.DataFrame({"it": series}))
    (column,) = said["columns"]
    for name, wanted in expected.items():
        name = name.replace("_", " ")
        got = said["copied"] if name == "copied" else column[name]
        assert got == wanted, f"{series.dtype}: {name} is {got}, and not {wanted}: {said}"
    return said


def numbers():
    for dtype, name in [("int64", "Int64"), ("uint8", "UInt8"), ("float32", "Float32"), ("float64", "Float64")]:
        column_of(pd.Series(np.arange(5000) % 100, dtype=dtype), type=name, nulls=0, in_place=True, copied=0)
    column_of(pd.Series([0.5, np.nan] * 3000), type="Float64", nulls=0, in_place=True, copied=0)


def truth():
    assert column_of(pd.Series([True, False] * 5000), type="Boolean", in_place=False)["copied"] > 0


def times():
    times = pd.Series(np.array([0, "NaT"] * 3000, "M8[us]"))
    column_of(times, type="Timestamp(µs)", nulls=3000, in_place=False)
    column_of(times.dt.tz_localize("Europe/Oslo"), type='Timestamp(µs, "Europe/Oslo")', nulls=3000, in_place=False)
    column_of(pd.Series(np.array([0, 1] * 3000, "m8[ms]")), type="Duration(ms)", nulls=0, in_place=False)


def arrow():
    words = ["a", None, "søt"] * 3000
    text = column_of(pd.Series(words, dtype="string[pyarrow]"), nulls=3000, in_place=True, copied=0)
    assert text["columns"][0]["type"] in ("Utf8", "LargeUtf8"), text
    column_of(pd.Series([1, None] * 3000, dtype="int64[pyarrow]"), type="Int64", nulls=3000, in_place=True, copied=0)
    if pandas_3:
        column_of(pd.Series(words, dtype="str"), nulls=3000, in_place=True, copied=0)
    # pandas makes one of several chunks when it pickles them, pyarrow does not
    chunked = pd.concat([pd.Series(words, dtype="string[pyarrow]")] * 2, ignore_index=True)
    assert len(chunked.array._pa_array.chunks) == 2
    column_of(chunked, nulls=6000, in_place=True, copied=0)
    said = read(pa.chunked_array([words, words]))
    assert not said["columns"][0]["in place"] and said["copied"] > 0, said


def objects():
    for value, name in [("a", "Utf8"), (b"a", "Binary"), (True, "Boolean")]:
        for missing in (None, np.nan, pd.NA):
            said = column_of(pd.Series([value, missing] * 3000, dtype=object), type=name, nulls=3000, in_place=False)
            assert said["copied"] > 0, said


def masks():
    for dtype, size in [("Int64", 8), ("Float32", 4)]:
        column_of(pd.Series([1, None] * 4000, dtype=dtype), type=dtype, nulls=4000, in_place=True, copied=1000)
    column_of(pd.Series([True, None] * 4000, dtype="boolean"), type="Boolean", nulls=4000, in_place=False)


def categories():
    for is_ordered in (True, False):
        kind = pd.CategoricalDtype([2.5, 1.5], ordered=is_ordered)
        column_of(pd.Series([1.5, 2.5] * 3000, dtype=kind), type="Dictionary(Int8, Float64)", in_place=True, ordered=is_ordered, copied=0)


def ranges():
    said = read(pd.DataFrame({"it": [0.5, 1.5]}, index=pd.RangeIndex(5, 1, -2, name="r")))
    assert [column["name"] for column in said["columns"]] == ["it"], said
    assert said["index"] == [{"kind": "range", "name": "r", "start": 5, "stop": 1, "step": -2}], said


def indexes():
    numbers = np.arange(5000)
    said = read(pd.DataFrame({"it": numbers}, index=pd.Index(numbers * 2, name="id")))
    assert [column["name"] for column in said["columns"]] == ["it", "id"] and said["index"] == ["id"], said
    assert said["columns"][1]["in place"] and said["copied"] == 0, said
    said = read(pd.DataFrame({"it": numbers}, index=pd.MultiIndex.from_arrays([numbers, numbers], names=["a", None])))
    assert [column["name"] for column in said["columns"]] == ["it", "a", "__index_level_1__"], said
    assert not any(column["in place"] for column in said["columns"][1:]) and said["copied"] > 0, said
    said = read(pd.DataFrame({"it": numbers}, index=pd.Index(numbers * 2)))
    assert said["index"] == ["__index_level_0__"], said


READ = {
    "a column of integers or floats": numbers,
    "`bool`": truth,
    "`datetime64`, in a zone or not; `timedelta64`": times,
    "`str`, `string[pyarrow]`, `int64[pyarrow]` and whatever else is in Arrow": arrow,
    "`object` of text, bytes or truth values, and `None`, `NaN` or `NA`": objects,
    "`Int64`, `Float32`, `boolean` and the like": masks,
    "categories": categories,
    "a `RangeIndex`": ranges,
    "any other index; each level of a `MultiIndex`": indexes,
}


def rows(page, head):
    """The rows of the table with this head, each in its cells."""
    lines = iter(pathlib.Path(page).read_text().splitlines())
    for line in lines:
        if line.startswith(head):
            next(lines)
            for row in lines:
                if not row.startswith("|"):
                    return
                yield [cell.strip() for cell in row.strip("|").split(" | ")]


def main(endpoint, page):
    socket.connect(endpoint)
    count = 0
    for head, cases, table in [
        ("| Rust | Python |", WRITTEN, b"written"),
        ("| in the table | in pandas |", FRAMED, b"framed"),
        ("| in pandas | in the table |", READ, None),
    ]:
        found = list(rows(page, head))
        first = [cells[0] for cells in found]
        assert first == list(cases), f"not tested: {set(first) - set(cases)}; not on the page: {set(cases) - set(first)}"
        for row, check in cases.items():
            try:
                check(written(table, row)) if table else check()
            except Exception as error:
                raise AssertionError(f"the row of {row}") from error
        count += len(first)
        if table == b"written":
            said = found[-1][1].split(", ")
            expected = [*KINDS, "instances of [allowed](crate::Pickle::allow) classes", "members of allowed enums"]
            assert said == expected, f"of the kinds are not tested {set(said) - set(expected)}"
    socket.send_multipart([b"end", b""])
    print(count)


if __name__ == "__main__":
    main(*sys.argv[1:])
