"""Random objects of pandas and pyarrow, and what comes back for each: a data frame, a series or an index of pandas."""

import random

import numpy
import pandas
import pyarrow
from hypothesis import strategies

#: pandas 3 has text of its own, pandas 2 has objects.
IS_3 = int(pandas.__version__.split(".")[0]) >= 3

TEXTS = ["søppel €", "", "a", "it's", 'a "b"', "more than twelve bytes"]
STAMPS = [0, 1_700_000_000_000_000_000, -(10**15), 1]


def gaps(values, generator):
    """The values, some of them missing."""
    return [None if generator.random() < 0.3 else value for value in values]


def numbers(dtype):
    return lambda draw, generator, rows: numpy.array(draw(range(100)), dtype)


def floats(dtype):
    return lambda draw, generator, rows: numpy.array(draw([0.5, float("nan"), -0.0, float("inf"), 1e4]), dtype)


def times(dtype, zone=None):
    def made(draw, generator, rows):
        unit = numpy.dtype(dtype)
        stamps = numpy.array(draw(STAMPS), "i8").view("m8[ns]").astype(unit.str.replace("M8", "m8")).view(unit)
        stamps[[generator.random() < 0.2 for _ in range(rows)]] = "NaT"
        index = pandas.Index(stamps)
        return index.tz_localize("UTC").tz_convert(zone).array if zone else index.array

    return made


def masked(dtype):
    return lambda draw, generator, rows: pandas.array(gaps(draw(range(100)), generator), dtype=dtype)


def texts(dtype=None):
    return lambda draw, generator, rows: pandas.Series(gaps(draw(TEXTS), generator), dtype=dtype or ("str" if IS_3 else object)).array


def categories(draw, generator, rows):
    values = generator.choice([["low", "high", "none of them"], [3, 1, 2], list(pandas.to_datetime(["2024-01-01", "2023-01-01"]))])
    return pandas.Categorical(gaps(draw(values), generator), values, ordered=generator.random() < 0.5)


def objects(values):
    return lambda draw, generator, rows: pandas.Series(gaps(draw(values), generator), dtype=object).array


NUMBERS = "int8 int16 int32 int64 uint8 uint16 uint32 uint64".split()
COLUMNS = {dtype: numbers(dtype) for dtype in NUMBERS}
COLUMNS |= {dtype: floats(dtype) for dtype in "float16 float32 float64".split()}
COLUMNS |= {dtype: masked(dtype) for dtype in "Int8 Int16 Int32 Int64 UInt8 UInt16 UInt32 UInt64 Float32 Float64".split()}
COLUMNS |= {f"{dtype}[{unit}]": times(f"{dtype}[{unit}]") for dtype in ("M8", "m8") for unit in ("s", "ms", "us", "ns")}
COLUMNS |= {zone: times("M8[ns]", zone) for zone in ("UTC", "Europe/Oslo")}
COLUMNS |= {dtype: texts(dtype) for dtype in (None, "string[python]", "string[pyarrow]")}
COLUMNS |= {
    "bool": lambda draw, generator, rows: numpy.array(draw([True, False]), bool),
    "boolean": lambda draw, generator, rows: pandas.array(gaps(draw([True, False]), generator), dtype="boolean"),
    "categories": categories,
    "text as objects": objects(TEXTS),
    "bytes": objects([b"one", b"", b"\xff"]),
    "truth as objects": objects([True, False]),
    "Arrow integers": masked("int64[pyarrow]"),
    "Arrow floats": masked("double[pyarrow]"),
}
INDEXES = ["default", "range", "int64", "float64", "M8[ns]", "Europe/Oslo", "m8[us]", "text", "categories", "levels"]
LABELS = ["text", "numbers", "range", "floats", "levels"]


def column(kind, rows, generator):
    return COLUMNS[kind](lambda values: [generator.choice(values) for _ in range(rows)], generator, rows)


def index(kind, rows, generator):
    name = generator.choice([None, "its name"])
    if kind == "default":
        return pandas.RangeIndex(rows)
    if kind == "range":
        start, step = generator.randrange(-5, 5), generator.choice([-3, 1, 2])
        return pandas.RangeIndex(start, start + step * rows, step, name=name)
    if kind == "text":
        return pandas.Index([generator.choice(TEXTS) for _ in range(rows)], name=name, dtype="str" if IS_3 else object)
    if kind == "levels":
        levels = [index(generator.choice(["text", "int64"]), rows, generator) for _ in range(2)]
        return pandas.MultiIndex.from_arrays(levels, names=["one", None])
    return pandas.Index(column(kind, rows, generator), name=name)


def labels(kind, count, generator):
    name = generator.choice([None, "its name"])
    if kind == "levels" and count:
        return pandas.MultiIndex.from_tuples([(f"it's {at}", generator.choice(TEXTS)) for at in range(count)])
    if kind == "range" or not count:
        return pandas.RangeIndex(count)
    made = {"numbers": range(7, 7 + count), "floats": [at + 0.5 for at in range(count)]}
    return pandas.Index(made.get(kind, [f"column {at}" for at in range(count)]), name=name)


def frame(kinds, rows, generator):
    at = index(generator.choice(INDEXES), rows, generator)
    made = pandas.concat([pandas.Series(column(kind, rows, generator), at) for kind in kinds], axis=1)
    made.columns = labels(generator.choice(LABELS), len(kinds), generator)
    # columns of one dtype in one block, as pandas has them after a while, and parts of them
    made = generator.choice([lambda made: made, lambda made: made.copy(), lambda made: made[::2]])(made)
    return made


def series(kinds, rows, generator):
    at = index(generator.choice(INDEXES), rows, generator)
    return pandas.Series(column(kinds[0], rows, generator), at, name=generator.choice(["its name", None, 7]))


def grid(kinds, rows, generator):
    """A frame that is one block."""
    values = numpy.array([generator.random() for _ in range(3 * rows)]).reshape(rows, 3, order=generator.choice("CF"))
    return pandas.DataFrame(values, columns=list("abc"))


ARROW = {
    "whole": ([1, 2, 3], pyarrow.int32()),
    "gaps": ([1, None, 3], pyarrow.int64()),
    "floats": ([0.5, None, 1.5], pyarrow.float64()),
    "truth": ([True, None, False], pyarrow.bool_()),
    "text": (["a", None, "søppel"], pyarrow.string()),
    "long text": (["a", None, "søppel"], pyarrow.large_string()),
    "bytes": ([b"a", None, b"\xff"], pyarrow.binary()),
    "times": ([5, None, 7], pyarrow.timestamp("us")),
    "spans": ([5, None, 7], pyarrow.duration("ms")),
    "nested": ([[{"x": 1.5, "tags": ["a", None]}], None, []], pyarrow.list_(pyarrow.struct({"x": pyarrow.float64(), "tags": pyarrow.list_(pyarrow.string())}))),
    "decimals": ([1, None, 2], pyarrow.decimal128(5)),
    "codes": (["b", None, "b"], pyarrow.dictionary(pyarrow.int8(), pyarrow.string())),
    "fixed": ([b"abcd", None, b"efgh"], pyarrow.binary(4)),
}


def arrow(kinds, rows, generator):
    """An array, a table or a batch of pyarrow."""
    chosen = generator.sample(sorted(ARROW), 3)
    columns = {name: pyarrow.array(values, kind) for name, (values, kind) in ARROW.items() if name in chosen}
    one = columns[chosen[0]]
    chunked = pyarrow.chunked_array([one, one[1:]])
    return generator.choice([one, one[1:], chunked, pyarrow.table(columns), pyarrow.record_batch(columns)])


def alone(kinds, rows, generator):
    """An array of pandas."""
    made = column(kinds[0], rows, generator)
    return pandas.array(made) if isinstance(made, numpy.ndarray) else made


MAKERS = {
    "frame": frame,
    "grid": grid,
    "series": series,
    "index": lambda kinds, rows, generator: index(generator.choice(INDEXES), rows, generator),
    "array": alone,
    "arrow": arrow,
}
TABLES = strategies.builds(
    lambda maker, kinds, rows, seed: MAKERS[maker](kinds, rows, random.Random(seed)),
    strategies.sampled_from(list(MAKERS)),
    strategies.lists(strategies.sampled_from(list(COLUMNS)), min_size=1, max_size=5),
    strategies.integers(0, 5),
    strategies.integers(0, 2**16),
)
counts = strategies.integers(-(2**55), 2**61)
units = strategies.sampled_from(["s", "ms", "us", "ns"])
zones = strategies.sampled_from([None, "UTC", "Europe/Oslo", "+05:30"])
#: Points and spans of time, one by one.
MOMENTS = strategies.builds(lambda count, unit, zone: pandas.Timestamp(count, tz=zone).as_unit(unit), counts, units, zones)
MOMENTS |= strategies.builds(lambda count, unit: pandas.Timedelta(count).as_unit(unit), counts, units)
MOMENTS |= strategies.sampled_from([pandas.NaT, pandas.NA])
TYPES = (pandas.DataFrame, pandas.Series, pandas.Index, pandas.api.extensions.ExtensionArray)
TYPES += (pyarrow.Array, pyarrow.ChunkedArray, pyarrow.Table, pyarrow.RecordBatch)


def check(value, expected):
    """Of the same type, and equal in whatever the library's own functions compare; an index has no frequency any more."""
    assert type(value) is type(expected), (type(value), type(expected))
    if isinstance(expected, pandas.DataFrame):
        pandas.testing.assert_frame_equal(value, expected, check_exact=True, check_freq=False)
    elif isinstance(expected, pandas.Series):
        pandas.testing.assert_series_equal(value, expected, check_exact=True, check_freq=False)
    elif isinstance(expected, (pyarrow.Array, pyarrow.ChunkedArray)):
        assert value.type == expected.type and value.equals(expected), (value, expected)
        assert getattr(value, "num_chunks", 1) == getattr(expected, "num_chunks", 1)
    elif isinstance(expected, (pyarrow.Table, pyarrow.RecordBatch)):
        assert value.equals(expected, check_metadata=True), (value, expected)
    elif isinstance(expected, pandas.Index):
        pandas.testing.assert_index_equal(value, expected, exact=True, check_exact=True)
    else:
        assert value.dtype == expected.dtype, (value.dtype, expected.dtype)
        pandas.testing.assert_extension_array_equal(value, expected, check_exact=True)
