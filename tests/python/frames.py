"""Pickles pandas and pyarrow objects of every kind that is read, and looks at what comes back as a table.

    python tests/python/frames.py ENDPOINT [echo]

Each object goes out as a name and a pickle, of several protocols, in band and out of band. What comes back is the table in the
default wire format, and then the same table as a pickle; with `echo`, where `outband echo --format pickle` listens, the object again. With OUTBAND_KEEP, a folder, the short ones are kept there as golden pickles.
"""

import datetime
import decimal
import io
import json
import os
import pathlib
import pickle
import struct
import sys
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import zmq

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "python"))
import outband

outband._table.OLDEST = (17, 0, 0)  # the pickles of an older pyarrow are looked at too

through_echo = sys.argv[2:] == ["echo"]
socket = zmq.Context().socket(zmq.REQ if through_echo else zmq.PAIR)
socket.setsockopt(zmq.RCVTIMEO, 60_000)
socket.connect(sys.argv[1])

pandas_3 = int(pd.__version__.split(".")[0]) >= 3


def texts(*values, **more):
    """A column of text as this pandas has it: of objects, or of `str`."""
    return pd.Series(list(values), **more)


numbers = {
    dtype: pd.Series([0, 1, 100], dtype=dtype)
    for dtype in "int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 bool".split()
}
times = pd.DatetimeIndex(["2024-02-29 01:02:03.004005", None, "1969-12-31 00:00:00.000000"])
columns = numbers | {
    "floats with gaps": pd.Series([0.5, np.nan, -np.inf]),
    "times": pd.Series(times),
    "times in seconds": pd.Series(times).astype("datetime64[s]"),
    "times in a zone": pd.Series(times).dt.tz_localize("Europe/Oslo"),
    "times in UTC": pd.Series(times).dt.tz_localize("UTC"),
    "spans": pd.Series(pd.to_timedelta(["1 days", None, "-1 ms"])),
    "text": texts("søppel €", None, ""),
    "categories": pd.Series(pd.Categorical(["b", None, "a"], ["a", "b", "c"])),
    "ordered": pd.Series(pd.Categorical(["b", "a", "b"], ["b", "a"], ordered=True)),
    "categories of numbers": pd.Series(pd.Categorical([3, 1, 3])),
    "categories of times": pd.Series(pd.Categorical(pd.to_datetime(["2024-01-01", "2023-01-01", "2024-01-01"]))),
    "string in Python": pd.Series(["a", None, "c"], dtype="string[python]"),
    "string in Arrow": pd.Series(["a", None, "c"], dtype="string[pyarrow]"),
    "boolean": pd.Series([True, None, False], dtype="boolean"),
    "Arrow integers": pd.Series([1, None, 3], dtype="int64[pyarrow]"),
    "Arrow floats": pd.Series([1.5, None, 3.5], dtype="double[pyarrow]"),
    "Arrow times": pd.Series(times, dtype="timestamp[ns][pyarrow]"),
    "bytes": pd.Series([b"one", None, b"\xff"]),
}
if pandas_3:
    # pyarrow gives pandas 2 a zone of pytz here, whatever the zone was
    columns["times at an offset"] = pd.Series(times).dt.tz_localize("+05:30")
for dtype in "Int8 Int16 Int32 Int64 UInt8 UInt16 UInt32 UInt64 Float32 Float64".split():
    columns[dtype] = pd.Series([1, None, 100], dtype=dtype)

frame = pd.DataFrame(columns)
mixed = {"b": [1.5, -0.0, np.nan], "i": [1, 2, 3], "a": [0.5, 1.5, 2.5], "m": [True, False, True], "j": [7, 8, -9], "n": [False, False, True]}
several = pd.MultiIndex.from_product([["a", "b"], [1, 2]], names=["letter", None])
frames = {f"column {name}": pd.DataFrame({name: column}) for name, column in columns.items()} | {
    "all columns": frame,
    "all columns, turned around": frame[frame.columns[::-1]],
    "a slice of rows": frame[1:],
    "every other row": frame[::2],
    "one dtype": pd.DataFrame(np.arange(30_000.0).reshape(10_000, 3), columns=list("abc")),
    "one dtype, a row after the other": pd.DataFrame(np.arange(30_000.0).reshape(10_000, 3), columns=list("abc"), copy=False),
    "one dtype, truth in rows": pd.DataFrame(np.arange(12).reshape(4, 3) % 2 == 0, columns=list("abc"), copy=False),
    "one dtype, 300 columns": pd.DataFrame(np.arange(3000, dtype="i2").reshape(10, 300)),
    "one dtype, truth": pd.DataFrame(np.arange(12).reshape(4, 3) % 2 == 0, columns=list("abc")),
    "one dtype in Fortran order": pd.DataFrame(np.asfortranarray(np.arange(30_000).reshape(10_000, 3)), columns=list("abc")),
    "blocks of three dtypes": pd.DataFrame(mixed),
    "blocks in order": pd.DataFrame({name: mixed[name] for name in sorted(mixed)}),
    "blocks of one column": pd.DataFrame({name: mixed[name] for name in "aim"}),
    "blocks in odd places": pd.DataFrame({"a": [0.5, 1.5], "b": [2.5, 3.5], "i": [1, 2], "c": [4.5, 5.5], "j": [3, 4], "k": [5, 6]}),
    "blocks of one row": pd.DataFrame(mixed)[:1].copy(),
    "blocks after a column went": pd.DataFrame(mixed).drop(columns=["b"]),
    "blocks and others": pd.DataFrame(mixed | {"t": ["x", None, ""], "d": times, "m": pd.array([1, None, 3], dtype="Int8")}),
    "blocks that are none": pd.DataFrame({name: np.arange(4.0) + at for at, name in enumerate("abc")}, copy=False),
    "no rows of blocks": pd.DataFrame(mixed)[:0].copy(),
    "range from 5 down": frame.set_index(pd.RangeIndex(5, -1, -2, name="back")),
    "index of numbers": frame.set_index(pd.Index([7, 5, 9], name="id")),
    "index of text": frame.set_index(pd.Index(["x", "y", "x"])),
    "index of times": frame.set_index(pd.date_range("2024-01-01", periods=3, freq="D", name="day")),
    "index of times in a zone": frame.set_index(pd.date_range("2024-01-01", periods=3, tz="Europe/Oslo")),
    "index of spans": frame.set_index(pd.to_timedelta([1, 2, 3], unit="s")),
    "index of categories": frame.set_index(pd.CategoricalIndex(["u", "v", "u"], ordered=True, name="kind")),
    "index with the name of a column": pd.DataFrame({"a": [1]}, index=pd.Index([2], name="a")),
    "index of several levels": pd.DataFrame({"n": [1, 2, 3, 4]}, index=several),
    "index of several levels with gaps": pd.DataFrame(
        {"n": [1, 2]}, index=pd.MultiIndex.from_arrays([["a", None], pd.to_datetime(["2024-01-01", None])])
    ),
    "labels of numbers": pd.DataFrame([[1, 2.5]], columns=[10, 20]),
    "labels by range": pd.DataFrame([[1, 2.5], [3, 4.5]]),
    "labels of floats": pd.DataFrame([[1, 2]], columns=[0.5, 1.5]),
    "labels of float32": pd.DataFrame([[1, 2]], columns=pd.Index([0.1, 2.5], dtype="float32")),
    "labels of uint64": pd.DataFrame([[1, 2]], columns=pd.Index([1, 2**64 - 1], dtype="uint64")),
    "labels of Int64": pd.DataFrame([[1, 2]], columns=pd.Index([1, -2], dtype="Int64")),
    "labels of Float64": pd.DataFrame([[1, 2]], columns=pd.Index([0.5, -2], dtype="Float64")),
    "labels of large integers": pd.DataFrame([[1, 2]], columns=pd.Index([1, 2**64 - 1], dtype="uint64").astype(object)),
    "labels of several dtypes": pd.DataFrame(
        [[1, 2]],
        columns=pd.MultiIndex.from_arrays(
            [pd.Index([7, 2**64 - 1], dtype="uint64"), pd.Index([0.1, 0.1], dtype="float32"), pd.Index([1, 2], dtype="Int8")]
        ),
    ),
    "names that are numbers": pd.DataFrame([[1, 2]], index=pd.Index([7], name=3), columns=pd.Index(["a", "b"], name=-0.5)),
    "levels with names that are numbers": pd.DataFrame(
        [[1, 2]],
        index=pd.MultiIndex.from_tuples([(1, "x")], names=[2**64 - 1, 1.5]),
        columns=pd.MultiIndex.from_tuples([("a", "x"), ("b", "x")], names=[0, None]),
    ),
    "labels with a name": pd.DataFrame([[1, 2]], columns=pd.Index(["a", "b"], name="which")),
    "labels of several levels": pd.DataFrame([[1, 2, 3, 4]], columns=several),
    "labels with quotes": pd.DataFrame(
        [[1, 2]], columns=pd.MultiIndex.from_tuples([("it's", 'a "b"'), ("tab\t", "b\\n'\"")])
    ),
    "no rows": frame[:0],
    "no columns": pd.DataFrame(index=pd.RangeIndex(5)),
    "nothing": pd.DataFrame(),
}

#: What pyarrow makes something else of, from the same table as it makes itself: it takes the text `False` for true, and integers of
#: which some are missing for floats.
gaps = pd.MultiIndex(levels=[[10, 20], [1.5], ["a"]], codes=[[0, -1, 1], [-1, 0, 0], [0, 0, -1]])
in_pickles = {
    "labels of bool": pd.DataFrame([[1, 2]], columns=pd.Index([True, False])),
    "labels of boolean": pd.DataFrame([[1, 2]], columns=pd.Index([True, False], dtype="boolean")),
    "index of several levels, of numbers with gaps": pd.DataFrame({"n": [1, 2, 3]}, index=gaps),
    "levels of numbers with gaps alone": gaps,
}
#: What is missing among Python objects, for which Arrow has one word.
in_pickles |= {
    f"{kind} of {name} with {missing}": make(pd.Series([value or missing, missing, value or missing], dtype=object))
    for name, value in [("text", "a"), ("bytes", b"a"), ("truth", True), ("nothing", None)]
    for missing in (np.nan, pd.NA)
    for kind, make in [
        ("column", lambda it: pd.DataFrame({"a": it, "b": ["x", None, "y"], "c": it})),
        ("series", lambda it: it),
        ("index", lambda it: pd.Series([1, 2, 3], index=pd.Index(it, dtype=object))),
        ("lone array", lambda it: it.array),
    ]
}
#: Rows and columns, whose names are NumPy's scalars.
in_pickles |= {
    "series at a whole number": pd.DataFrame({"a": [1, 2]}, index=[5, 7]).iloc[0],
    "series at a large number": pd.DataFrame({"a": [1, 2]}, index=np.array([5, 2**64 - 1], "u8")).iloc[1],
    "series at a float": pd.DataFrame({"a": [1, 2]}, index=[0.5, 7]).iloc[0],
    "series at a short float": pd.DataFrame({"a": [1, 2]}, index=np.array([0.1, 7], "f4")).iloc[0],
    "series at a truth value": pd.DataFrame({"a": [1, 2]}, index=[True, False]).iloc[0],
    "series at a tuple": pd.DataFrame({"a": [1, 2]}, index=pd.MultiIndex.from_arrays([[5, 7], [0.5, 1], ["x", "y"]])).iloc[0],
    "series under a number": pd.DataFrame([[1, 2]], columns=[10, 20])[10],
    "series at a time": pd.DataFrame({"a": [1, 2]}, index=times[[0, 2]]).iloc[0],
    "index with a scalar for its name": pd.Series([7, 7, 8], name=np.int64(3)).value_counts(),
}
frames |= {
    "labels of which one is NaN": pd.DataFrame([[1, 2.5], [3, 4.5]], columns=[1.0, np.nan]),
    "labels of which one is NaN, of one dtype": pd.DataFrame([[1.5, 2.5], [3.5, 4.5]], columns=[1.0, np.nan]),
}
#: Of which pyarrow makes two columns of one name, or takes the name for none.
in_pickles |= {
    "column of the name of an index": pd.DataFrame({"__index_level_0__": [1, 2.5], "x": ["a", "b"]}, index=[5, 7]),
    "column of the names of levels": pd.DataFrame(
        {"__index_level_1__": [1, 2.5], "__index_level_0__": [1, 2]},
        index=pd.MultiIndex.from_arrays([[5, 7], ["x", "y"], [0.5, 1.5]], names=[None, "__index_level_2__", None]),
    ),
}
#: Of which pyarrow makes an index that is not of several levels, and texts that look like tuples.
single = pd.MultiIndex.from_tuples([("a",), ("b",)], names=["n"])
in_pickles |= {
    "labels of one level": pd.DataFrame([[1, 2.5], [3, 4.5]], columns=single),
    "labels of one level, of one dtype": pd.DataFrame([[1.5, 2.5], [3.5, 4.5]], columns=single),
    "labels of one level, of numbers": pd.DataFrame([[1, 2.5]], columns=pd.MultiIndex.from_arrays([[7, 8]])),
    "labels of one level, of no columns": pd.DataFrame(index=[5, 7], columns=pd.MultiIndex.from_arrays([pd.Index([], dtype=object)], names=["n"])),
    "index of one level": pd.DataFrame({"x": [1, 2]}, index=single),
    "one level alone": single,
    "series of a tuple of one": pd.Series([1, 2], name=("a",)),
    "series by one level": pd.Series([1, 2], index=single, name=("a", 1)),
}
#: And what is refused, in which words.
refused = {
    "labels that are missing": (
        pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", None), ("b", "x")])),
        "level 1 of the labels: a label is missing, for which a column has no name",
    ),
    "labels of Int64 that are missing": (
        pd.DataFrame([[1, 2]], columns=pd.Index([1, None], dtype="Int64")),
        "labels of columns of which one is missing",
    ),
    "labels that are times": (
        pd.DataFrame([[1]], columns=pd.DatetimeIndex(["2024-01-01"])),
        "labels of columns that are Timestamp",
    ),
    "labels that are categories": (
        pd.DataFrame([[1]], columns=pd.CategoricalIndex(["a"])),
        "labels of columns that are Dictionary",
    ),
}
#: Text in Arrow as pandas has it after this and that: bits of validity that say that nothing is missing, rows of longer ones.
text_dtype = "str" if pandas_3 else "string[pyarrow]"
first, second = pd.DataFrame({"t": ["a", "søppel"], "n": [1, 2]}), pd.DataFrame({"t": ["c", None], "n": [1, 2]})
joined = pd.concat([part.astype({"t": text_dtype}) for part in (first, second, first)], ignore_index=True)
frames |= {
    "column text of several frames": joined,
    "column text without its nulls": joined[joined["t"].notna()],
    "column text with its nulls filled": joined.fillna({"t": "filled"}),
    "column text of some rows": joined[1:4],
    "column text assigned to": joined.assign(t=joined["t"].where(joined["n"] == 1, "other")),
    "column text in upper case": joined.assign(t=joined["t"].str.upper()),
    "labels of text without its nulls": pd.DataFrame([[1, 2]], columns=pd.Index(joined["t"][joined["t"].notna()][1:3], name="c")),
    "Arrow numbers without their nulls": pd.DataFrame(
        {dtype: pd.Series([1, None, 3], dtype=f"{dtype}[pyarrow]").dropna() for dtype in ("int8", "int64", "double", "bool")}
    ),
}
#: In pandas 2 pyarrow makes objects of them.
in_pickles |= {
    "series by text in Arrow": pd.Series([1, 2, 3], index=pd.Index(["x", "y", None], dtype="string[pyarrow]")),
    "categories of text without its nulls": pd.DataFrame({"c": pd.Categorical(["c", "a"], joined["t"].dropna().drop_duplicates().array)}),
    "index of text without its nulls": joined[joined["t"].notna()].set_index("t"),
}
#: Of which pyarrow keeps the dtype in no form.
in_pickles |= {
    f"categories of {name}": pd.DataFrame({"c": pd.Categorical.from_codes([1, -1, 0, 1], pd.Index(values, dtype=dtype))})
    for name, values, dtype in [
        ("string in Python", ["b", "a"], "string[python]"),
        ("string in Arrow", ["b", "a"], "string[pyarrow]"),
        ("objects", ["b", "a"], object),
        ("Int64", [3, 1], "Int64"),
        ("Float32", [0.5, 1.5], "Float32"),
        ("boolean", [True, False], "boolean"),
        ("Arrow integers", [3, 1], "int16[pyarrow]"),
        ("int8", [3, 1], "int8"),
        ("decimals by type", [decimal.Decimal(3), decimal.Decimal(1)], pd.ArrowDtype(pa.decimal128(25, 2))),
        ("fixed bytes by type", [b"abcd", b"efgh"], pd.ArrowDtype(pa.binary(4))),
        ("days by type", [datetime.date(2026, 1, 2), datetime.date(2026, 1, 1)], pd.ArrowDtype(pa.date32())),
    ]
}
#: By Arrow's types, of which pyarrow does not know the names again.
by_type = {
    "lists": pa.array([[1, 2], None, []]),
    "structs": pa.array([{"a": 1, "b": "x"}, None, {"a": None, "b": ""}]),
    "maps": pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int64())),
    "decimals": pa.array([1, None, 2]).cast(pa.decimal128(25, 2)),
    "codes": pa.array(["low", None, "high"]).dictionary_encode(),
    "ordered codes": pa.DictionaryArray.from_arrays(pa.array([1, None, 0], pa.int8()), pa.array(["low", "high"]), ordered=True),
    "text": pa.array(["søppel", None, ""]),
    "long text": pa.array(["søppel", None, ""], pa.large_string()),
    "days": pa.array([1, None, 3], pa.date32()),
    "instants": pa.array([1, None, 3], pa.timestamp("us", "Europe/Oslo")),
    "fixed bytes": pa.array([b"abcd", None, b"efgh"], pa.binary(4)),
    "nothing": pa.nulls(3),
}
by_type = {f"by type {name}": pd.Series(pd.array(array, pd.ArrowDtype(array.type))) for name, array in by_type.items()}
in_pickles |= {name: pd.DataFrame({"c": column, "n": column}) for name, column in by_type.items()}
in_pickles |= {f"series {name}": column for name, column in by_type.items()}
#: Arrays of pandas by themselves.
lone = {f"lone {name}": column.array for name, column in columns.items()}
lone |= {f"lone {name}": made["c"].array for name, made in in_pickles.items() if name.startswith("categories of ")}
lone |= {f"lone {name}": column.array for name, column in by_type.items()}
lone |= {"lone slice of Int64": pd.array([1, None, 3, 4], dtype="Int64")[1:], "lone nothing": pd.array([], dtype="Float64")}
series = {f"series {name}": column.rename("it") for name, column in columns.items()} | {
    "series without a name": pd.Series([1.5, 2.5]),
    "series of a number": pd.Series([1, 2], name=7),
    "series by text": pd.Series([1, 2], index=["a", "b"], name="n"),
    "series by numbers": pd.Series([1.5, 2.5], index=[7, 9]),
    "series by levels": pd.Series(range(4), index=several),
    "series by categories": pd.Series([1, 2, 3], index=pd.CategoricalIndex(["u", "v", "u"])),
    "series by times": pd.Series([1, 2, 3], index=pd.date_range("2024-01-01", periods=3)),
    "nothing by numbers": pd.Series([], index=pd.Index([], dtype="int64"), dtype="float64"),
    "series of text by numbers": pd.Series(["x", None, "y"], index=[0.5, 1.5, 2.5], dtype=text_dtype),
}
indexes = {
    "index alone": pd.Index([3, 1], name="n"),
    "range alone": pd.RangeIndex(2, 1_000_000, 3, name="r"),
    "times alone": pd.date_range("2024-01-01", periods=3, tz="UTC", name="t"),
    "levels alone": several,
    "categories alone": pd.CategoricalIndex(["b", "a"], name="c"),
}


def chunked(*chunks, **more):
    return pa.chunked_array(list(chunks), **more)


low_high = pa.DictionaryArray.from_arrays(pa.array([1, None, 0], pa.int8()), pa.array(["low", "high"]), ordered=True)
nested = [[{"x": 1.5, "tags": ["a", None]}], None, [None, {"x": None, "tags": []}]]
arrow = {
    "numbers": pa.array([1, None, 3]),
    "text": pa.array(["a", None, "søppel"]),
    "views": pa.array(["a", None, "more than twelve bytes"], pa.string_view()),
    "truth": pa.array([True, None, False]),
    "dictionary": low_high,
    "nested": pa.array(nested),
    "fixed": pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int16(), 2)),
    "map": pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int64())),
    "decimals": pa.array([1, None, 2]).cast(pa.decimal128(25, 2)),
    "nothing": pa.nulls(3),
    "times": pa.array([1, None, 3], pa.timestamp("us", "Europe/Oslo")),
    "clock": pa.array([1, None, 3], pa.time64("us")),
    "fixed bytes": pa.array([b"abcd", None, b"efgh"], pa.binary(4)),
    "runs": pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array([1.5, None])),
    "union": pa.UnionArray.from_dense(
        pa.array([0, 1, 0], pa.int8()), pa.array([0, 0, 1], pa.int32()), [pa.array([1, 2]), pa.array(["x"])], ["n", "s"]
    ),
}
arrays = {f"array {name}": array for name, array in arrow.items()}
arrays |= {f"slice of {name}": pa.concat_arrays([array] * 5)[4:11] for name, array in arrow.items() if name != "runs"}
arrays |= {"chunks": chunked([1, 2], [3], [None]), "no chunks": chunked(type=pa.string()), "one chunk": chunked(["x"])}
arrays |= {"chunks of nothing": chunked(["x"], [], type=pa.string()), "chunks of rows": chunked(arrow["text"][1:], arrow["text"][:2])}
arrays |= {"long decimals": pa.array([1, 2]).cast(pa.decimal256(40, 2)), "long codes": pa.array(["x", "y"]).dictionary_encode()}
if not pandas_3:
    # Rust reads views, and pyarrow 17 makes none of buffers
    del arrow["views"], arrays["array views"], arrays["slice of views"]
arrays |= {f"one of {name}": pa.concat_arrays([array] * 3)[3:4] for name, array in arrow.items() if name != "runs"}
tables = {
    "batch": pa.record_batch(arrow),
    "table": pa.table(arrow).replace_schema_metadata({"origin": "python"}),
    "table in chunks": pa.table({"d": chunked(low_high, low_high[1:]), "s": chunked(["a"], ["b", None, "c", "d"])}),
    "table of pandas": pa.Table.from_pandas(frame.set_index("text")),
    "table of nothing": pa.table({}),
    "table of two columns of one name": pa.Table.from_arrays([pa.array([1]), pa.array(["x"])], ["a", "a"]),
    "batch of rows": pa.record_batch(arrow)[1:],
    "table in other chunks": pa.table({"n": chunked([1], [2, None]), "t": chunked(["a", "b"], ["c"]), "e": chunked([None, None, 0.5])}),
}


def same_frame(back, frame):
    pd.testing.assert_frame_equal(back, frame, check_exact=True, check_freq=False)


def same_series(back, column):
    pd.testing.assert_series_equal(back, column, check_exact=True, check_freq=False)


def same_index(back, index):
    if getattr(index, "freq", None) is not None:
        index = index.copy()
        index.freq = None
    pd.testing.assert_index_equal(back, index, exact="equiv", check_exact=True)


def check_range(table, index):
    """Of a table without columns pyarrow makes a frame without rows."""
    (described,) = json.loads(table.schema.metadata[b"pandas"])["index_columns"]
    assert described == {"kind": "range", "name": index.name, "start": index.start, "stop": index.stop, "step": index.step}


def check_frame(table, frame):
    if not len(frame.columns):
        return check_range(table, frame.index)
    same_frame(table.to_pandas(), frame)


def check_series(table, column):
    assert table.schema.metadata[b"outband.from"] == b"pandas.Series"
    back = table.to_pandas()
    assert back.shape == (len(column), 1)
    same_series(back.iloc[:, 0].rename(column.name), column)


def check_index(table, index):
    assert table.schema.metadata[b"outband.from"] == b"pandas.Index"
    if isinstance(index, pd.RangeIndex):
        return check_range(table, index)
    same_index(table.to_pandas().index, index)


def check_lone(table, array):
    assert table.schema.metadata[b"outband.from"] == b"pandas.array" and table.column_names == ["values"], table.schema
    assert table.num_rows == len(array), table


def check_array(table, array):
    if isinstance(array, pa.Array):
        array = pa.chunked_array([array])
    assert table.column_names == ["values"] and table.column(0).type == array.type, table.schema
    assert table.column(0).equals(array), (table.column(0), array)


def check_table(table, expected):
    if isinstance(expected, pa.RecordBatch):
        expected = pa.Table.from_batches([expected])
    assert table.schema.equals(expected.schema, check_metadata=True), (table.schema, expected.schema)
    assert table.equals(expected), (table, expected)


def check_schema(table, schema):
    metadata = table.schema.metadata
    assert metadata.pop(b"outband.from") == b"pyarrow.Schema"
    check_table(table.replace_schema_metadata(metadata), schema.empty_table())


def cases():
    kinds = [(frames, check_frame), (series, check_series), (indexes, check_index)]
    kinds += [(lone, check_lone), (arrays, check_array), (tables, check_table), (in_pickles, lambda table, made: None)]
    for objects, check in kinds:
        for name, made in objects.items():
            yield name, made, check
    yield "a schema", pa.schema([field for field in tables["table"].schema if field.name != "union"]), check_schema


def missing(made):
    """What stands where there are no Python objects: pandas takes `None` and `NaN` for equal."""
    columns = [made.iloc[:, at] for at in range(made.shape[1])] if isinstance(made, pd.DataFrame) else [made]
    return [[repr(value) for value in it if value is None or value is pd.NA or value != value] for it in columns if it.dtype == object]


def check_pickled(made, back, sent):
    if isinstance(made, (pd.DataFrame, pd.Series)):
        assert missing(made) == missing(back), (missing(made), missing(back))
    if isinstance(made, pd.DataFrame):
        same_frame(back, made)
    elif isinstance(made, pd.Series):
        if isinstance(made.name, pd.Timestamp):
            made = made.rename(made.name.isoformat())
        same_series(back, made)
    elif isinstance(made, pd.Index):
        same_index(back, made)
    elif isinstance(made, pd.api.extensions.ExtensionArray):
        assert type(back) is type(made) and back.dtype == made.dtype, (type(back), made.dtype)
        pd.testing.assert_extension_array_equal(back, made, check_exact=True)
    else:
        # of rows of a longer array pyarrow pickles no more than is needed
        same_arrow(back, pickle.loads(sent[0], buffers=sent[1:]))


def same_arrow(back, made):
    """Of pyarrow, in the same chunks, each from the same row of its buffers on."""
    assert type(back) is type(made), (type(back), type(made))
    if isinstance(made, pa.Schema):
        assert back.equals(made, check_metadata=True), (back, made)
        return
    back.validate(full=True)
    if isinstance(made, (pa.Table, pa.RecordBatch)):
        assert back.schema.equals(made.schema, check_metadata=True), (back.schema, made.schema)
        for column, expected in zip(back.columns, made.columns, strict=True):
            same_arrow(column, expected)
    elif isinstance(made, pa.ChunkedArray):
        assert back.type == made.type and back.num_chunks == made.num_chunks, (back, made)
        for chunk, expected in zip(back.chunks, made.chunks, strict=True):
            same_arrow(chunk, expected)
    else:
        assert back.type == made.type and back.equals(made), (back, made)
        assert (back.offset, back.null_count) == (made.offset, made.null_count), (back.offset, made.offset)
        sizes, expected = ([buffer and buffer.size for buffer in array.buffers()] for array in (back, made))
        assert sizes == expected, (sizes, expected)


def in_one(start, views):
    """Whether an address is in one of these."""
    return any(view.ctypes.data <= start < view.ctypes.data + view.nbytes for view in views)


def is_at(start, message):
    """Whether an address is in a received frame."""
    return in_one(start, [np.frombuffer(frame.buffer, np.uint8) for frame in message])


def is_in_place(values, message):
    """Whether the elements lie in a received frame."""
    return is_at(np.asarray(values).__array_interface__["data"][0], message)


def elements(values):
    """The addresses of the elements of a column as its array has them, without a copy."""
    array = values.array
    if isinstance(array.dtype, pd.CategoricalDtype):
        array = array._codes
    elif hasattr(array, "_pa_array"):
        chunks = array._pa_array.chunks
        return [buffer.address for chunk in chunks for buffer in chunk.buffers()[1:] if buffer and buffer.size]
    return [np.asarray(getattr(array, "_data", array)).__array_interface__["data"][0]]


def in_python(array):
    """Whether what an array holds is in band whoever writes it: Python objects, and bits that are bytes in one of the two."""
    return array.dtype == object or getattr(array.dtype, "storage", None) == "python"


def buffers_of(made):
    buffers = []
    return pickle.dumps(made, protocol=5, buffer_callback=buffers.append), buffers


def check_buffers(name, made, back, sent, frames):
    """As many buffers as Python made, and every column on one of them that was on one of Python's."""
    kind, _, how = name.rpartition(", ")
    if through_echo and how != "out of band":
        assert not frames, f"{len(frames)} buffers"
        return
    if not isinstance(made, (pd.DataFrame, pd.Series, pd.Index)):
        if how == "out of band":
            assert len(frames) == len(sent), f"{len(frames)} buffers and not {len(sent)}"
            counted.append(name)
        return
    if how == "out of band":
        assert len(frames) == len(sent), f"{len(frames)} buffers and not {len(sent)}"
        if kind.startswith("one dtype"):
            assert len(back._mgr.blocks) == 1 and not back._mgr.blocks[0].values.flags.owndata, back._mgr.blocks
    if isinstance(made, pd.Index) or not kind.startswith(("column", "series", "one dtype", "blocks")):
        return
    of_sent = [np.frombuffer(buffer.raw(), np.uint8) for buffer in sent]
    for before, values in [(made[label], back[label]) for label in back] if isinstance(back, pd.DataFrame) else [(made, back)]:
        # pandas copies instants in a zone
        if in_python(values) or isinstance(values.dtype, pd.DatetimeTZDtype):
            continue
        if values.dtype.kind in "mM" or (sent and not all(in_one(place, of_sent) for place in elements(before))):
            continue
        places = elements(values)
        assert all(is_at(place, frames) for place in places), "the column was copied"
        in_place.append(name)


def keep(name, message, table):
    """The short ones in a golden file: a count of parts, then each part after its length (u32, little-endian)."""
    try:
        (expected,) = outband.dumps(table, out_of_band_from=sys.maxsize)
    except (outband.Error, pa.ArrowException):
        return  # what pyarrow has a form for and makes no other array of
    parts = [name.encode(), expected, *(bytes(part.raw()) if isinstance(part, pickle.PickleBuffer) else part for part in message)]
    # of each object what is out of band, and of some of them one of the protocols
    is_chosen = name.endswith("out of band") or name.endswith(f"protocol {done % 12}")
    if is_chosen and table.num_columns and len(message[0]) < 1600 and sum(map(len, parts)) < 6000:
        kept.write(struct.pack("<I", len(parts)) + b"".join(struct.pack("<I", len(part)) + part for part in parts))


def there_and_back(name, made, message, check):
    pickled = message
    if not through_echo:
        socket.send(name.encode(), zmq.SNDMORE)
    socket.send_multipart(message, copy=False)
    table = None if through_echo else outband.recv_obj(socket)
    message = socket.recv_multipart(copy=False)
    try:
        if not through_echo:
            assert not isinstance(table, str), table
            table.validate(full=True)
            check(table, made)
            keep(name, pickled, table)
        assert len(message[0]), message[1].bytes
        assert not message[0].bytes.startswith(b"refused: "), message[0].bytes
        back = pickle.loads(message[0].buffer, buffers=message[1:])
        check_pickled(made, back, pickled)
        check_buffers(name, made, back, pickled[1:], message[1:])
    except Exception as error:
        failed.append(f"{name}: {type(error).__name__}: {error}")


# what is written must not lean on what a pandas to come takes away
warnings.simplefilter("error")
in_place, counted = [], []
folder = os.environ.get("OUTBAND_KEEP")
kept = open(pathlib.Path(folder, f"frames-{pd.__version__[0]}.bin"), "wb") if folder else io.BytesIO()
done, failed = 0, []
for name, made, check in cases():
    data, buffers = buffers_of(made)
    there_and_back(f"{name}, out of band", made, [data, *buffers], check)
    for protocol in range(6):
        there_and_back(f"{name}, protocol {protocol}", made, [pickle.dumps(made, protocol=protocol)], check)
    if isinstance(made, (pd.DataFrame, pd.Series)):
        file = io.BytesIO()
        made.to_pickle(file, compression=None)
        there_and_back(f"{name}, to_pickle", made, [file.getvalue()], check)
    done += 1
if through_echo:
    socket.context.destroy(linger=60_000)
    print(done)
    sys.exit("\n".join([f"pandas {pd.__version__}: {len(failed)} failed", *failed]) if failed else 0)
for name, (made, why) in refused.items():
    for message in ([pickle.dumps(made)], [buffers_of(made)[0], *buffers_of(made)[1]]):
        socket.send_multipart([name.encode(), *message], copy=False)
        answer = outband.recv_obj(socket)
        socket.recv_multipart()
        if not isinstance(answer, str) or why not in answer:
            failed.append(f"{name}: {answer}")
socket.send_multipart([b"end", str(done).encode()])

# what Rust makes, of which nobody said what it was in pandas
message = socket.recv_multipart(copy=False)
made = pickle.loads(message[0].buffer, buffers=message[1:])
same_frame(made, pd.DataFrame({
    "whole": [1, 2, 3],
    "gaps": pd.array([1, None, 3], dtype="Int32"),
    "floats": [0.5, np.nan, 1.5],
    "text": ["a", None, "søppel"],
    "truth": pd.array([True, None, False], dtype="boolean"),
    "when": pd.DatetimeIndex(np.array([0, "NaT", 1], "M8[us]")).tz_localize("UTC"),
    "kind": pd.Categorical(["high", None, "low"], ["high", "low"]),
    "twice": pd.Categorical(["a", None, "b"], ["a", "b"]),
    "zeros": pd.Categorical.from_codes([0, -1, 0], [0.0]),
    "times": pd.Categorical.from_codes([0, -1, -1], np.array([1], "M8[us]")),
}))
assert is_in_place(made["whole"].to_numpy(), message[1:])
socket.context.destroy(linger=60_000)
kept.close()
assert len(in_place) > 400, len(in_place)
assert len(counted) >= 17, counted
if failed:
    sys.exit("\n".join([f"pandas {pd.__version__}: {len(failed)} failed", *failed]))
