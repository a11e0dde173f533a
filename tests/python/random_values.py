"""Random Python objects of every type that goes through `outband echo`, nested in each other: hypothesis's, always the same.

The types are those of the table "What is read" in docs/python.md. What stands for several kinds of a thing, say an array of
some dtype and layout, is drawn as a few small numbers and made of them, which is as random and much faster to draw.
"""

import collections
import datetime
import decimal
import fractions
import math
import pathlib
import pickle
import random
import tempfile
import uuid
import zoneinfo

import hypothesis
import numpy
from hypothesis import strategies

import likeness

DEPTH = 3
#: How often an array is a choice more among the kinds of objects.
ARRAYS = 9

DTYPES = "? i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 c8 c16 S3 U2 V5 M8[us] m8[D] M8[25ns] m8".split()
RECORD = [("id", "<u4"), ("at", ">f8", (2,)), ("name", "U3")]
ALIGNED = numpy.dtype([("flag", "?"), ("when", "M8[ns]"), ("in", [("x", ">i2"), ("y", "S2")])], align=True)
PADDED = {"names": ["a", "b"], "formats": ["u1", "<u4"], "offsets": [3, 10], "itemsize": 20}
DTYPES = [numpy.dtype(order + kind) for kind in DTYPES for order in "<>"]
DTYPES += [numpy.dtype(record) for record in (RECORD, ALIGNED, PADDED)]
SHAPES = [(), (0,), (1,), (7,), (3, 0, 2), (2, 3), (4, 1), (1, 5), (2, 3, 4), (1, 1, 1, 2), (2, 1, 3, 2), (40, 30), (70, 60)]


def elements(dtype, count, generator):
    """So many elements of any bytes that the dtype takes."""
    data = generator.randbytes(dtype.itemsize * count)
    if dtype.kind == "b":
        data = bytes(byte & 1 for byte in data)
    if dtype.kind == "U":
        codes = [generator.choice((0x61, 0xF8, 0x20AC, 0x1F600)) for _ in range(len(data) // 4)]
        data = numpy.array(codes, dtype.byteorder + "u4" if dtype.byteorder in "<>" else "u4").tobytes()
    if dtype.names:
        data = bytes(byte & 1 if at % 3 else 0 for at, byte in enumerate(data))  # not every number is a character
    return numpy.frombuffer(data, dtype) if data else numpy.empty(count, dtype)


def turned(array, generator):
    axes = list(range(array.ndim))
    generator.shuffle(axes)
    return array.transpose(axes)


LAYOUTS = {
    "C": lambda array, generator: array,
    "F": lambda array, generator: array.reshape(array.shape[::-1]).T,
    "axes in any order": turned,
    "every other": lambda array, generator: array[::2] if array.ndim else array,
    "backwards": lambda array, generator: array[..., ::-1] if array.ndim else array,
    "repeated": lambda array, generator: numpy.broadcast_to(array, (2, *array.shape)),
}


def array(choice, dtypes=None):
    """An array of some dtype, shape, layout and elements."""
    dtype, shape, layout, seed = choice
    dtype = (dtypes or DTYPES)[dtype % len(dtypes or DTYPES)]
    generator = random.Random(seed)
    made = elements(dtype, math.prod(shape), generator).reshape(shape)
    if dtype.names and any(name == "" for name, *_ in dtype.descr):
        return made  # where NumPy copies, it copies the fields, and whatever was in memory is between them
    return LAYOUTS[layout](made, generator)


def scalar(choice):
    """A scalar of NumPy's."""
    dtype, seed = choice
    dtype = DTYPES[dtype % len(DTYPES)]
    return elements(dtype, 1, random.Random(seed))[0]


numbers = strategies.integers(0, 2**16)
choices = strategies.tuples(numbers, strategies.sampled_from(SHAPES), strategies.sampled_from(list(LAYOUTS)), numbers)
int64 = strategies.integers(-(2**63), 2**64 - 1) | strategies.integers(-200, 70_000)
bigint = strategies.integers(-(2**200), 2**200) | strategies.integers(0, 4300).map(lambda digits: 10**digits - 1)
text = strategies.text(max_size=12) | strategies.integers(0, 300).map(lambda length: "ø€" * length)
keys = strategies.text(max_size=6) | strategies.sampled_from(["$array", "$table", "$class"])
offsets = strategies.timedeltas(datetime.timedelta(hours=-23), datetime.timedelta(hours=23))
timezones = offsets.map(datetime.timezone) | offsets.map(lambda offset: datetime.timezone(offset, "its name"))
timezones |= strategies.just(datetime.timezone.utc)
zones = strategies.none() | timezones
cities = strategies.sampled_from([zoneinfo.ZoneInfo(name) for name in ("Europe/Oslo", "UTC", "America/Port-au-Prince")])
parts = strategies.lists(strategies.sampled_from(["usr", "a.b", "søt", " ", "..", "-"]), max_size=3)


def path(kind, roots):
    return strategies.builds(lambda root, parts: kind(root, *parts), strategies.sampled_from(roots), parts)


#: Objects that hold no others. All of these may be keys and elements of sets.
HASHABLE = {
    "none": strategies.none(),
    "bool": strategies.booleans(),
    "int": int64,
    "float": strategies.floats(),
    "text": text,
    "bytes": strategies.binary(max_size=40) | strategies.integers(0, 300).map(bytes),
    "bigint": bigint,
    "complex": strategies.builds(complex, strategies.floats(), strategies.floats()),
    "range": strategies.builds(range, int64 | bigint, int64, strategies.integers(1, 9) | strategies.integers(-9, -1)),
    "ellipsis": strategies.just(...),
    "datetime": strategies.builds(
        lambda moment, fold: moment.replace(fold=fold), strategies.datetimes(timezones=zones), strategies.integers(0, 1)
    ),
    # which of two equal hours it is has no text
    "moment in a city": strategies.builds(lambda moment, zone: moment.replace(tzinfo=zone, fold=0), strategies.datetimes(), cities),
    "city": cities,
    "date": strategies.dates(),
    "time": strategies.times(timezones=zones),
    "timedelta": strategies.timedeltas(),
    "timezone": timezones,
    "decimal": strategies.decimals(allow_nan=False) | strategies.sampled_from([decimal.Decimal("NaN"), decimal.Decimal("-0E+7")]),
    "fraction": strategies.fractions(),
    "uuid": strategies.uuids(),
    "path": path(pathlib.PurePosixPath, ["", "/", "//", "."]) | path(pathlib.PosixPath, ["", "/"])
    | path(pathlib.PureWindowsPath, ["", "C:", "C:\\", "\\", "\\\\host\\share\\"]),
    "scalar": strategies.tuples(numbers, numbers).map(scalar).filter(lambda scalar: scalar.dtype.kind not in "MmV"),
}
memmap = numpy.memmap(tempfile.TemporaryFile(), "<i2", "w+", shape=(80,))
memmap[:] = range(80)
hashable = strategies.one_of(list(HASHABLE.values()))
hashable |= strategies.lists(hashable, max_size=3).map(tuple) | strategies.frozensets(hashable, max_size=3)
OTHERS = {
    "array": choices.map(array),
    "bytearray": strategies.binary(max_size=20).map(bytearray),
    "slice": strategies.builds(slice, int64, strategies.none() | int64, strategies.none() | text),
    "set": strategies.sets(hashable, max_size=4),
    "frozenset": strategies.frozensets(hashable, max_size=4),
    "counter": strategies.lists(hashable, max_size=5).map(collections.Counter),
    # those of dates, of records and of bytes without meaning
    "dtype": numbers.map(lambda number: DTYPES[number % (len(DTYPES) - 3)]),
    "recarray": numbers.map(lambda number: numpy.rec.array([(number, 0.5)] * (1 + number % 4), dtype=[("a", "<i4"), ("b", ">f8")])),
    "memmap": numbers.map(lambda number: memmap[number % 7 : 7 + number % 70]),
    "other scalar": strategies.tuples(numbers, numbers).map(scalar),
    "buffer": strategies.binary(max_size=40).map(pickle.PickleBuffer)
    | strategies.binary(max_size=40).map(bytearray).map(pickle.PickleBuffer),
}


def shared(inside):
    """What is one object in several places."""
    return strategies.builds(lambda one, other: [one, {"again": one}, other, (one, other)], inside, inside)


CONTAINERS = {
    "list": lambda inside: strategies.lists(inside, max_size=4),
    "dict": lambda inside: strategies.dictionaries(keys, inside, max_size=4),
    "intdict": lambda inside: strategies.dictionaries(int64, inside, max_size=3),
    "anydict": lambda inside: strategies.dictionaries(hashable, inside, max_size=3),
    "tuple": lambda inside: strategies.lists(inside, max_size=4).map(tuple),
    "deque": lambda inside: strategies.builds(
        collections.deque, strategies.lists(inside, max_size=4), strategies.none() | strategies.integers(2, 9)
    ),
    "ordered": lambda inside: strategies.dictionaries(hashable, inside, max_size=3).map(collections.OrderedDict),
    "default": lambda inside: strategies.builds(
        collections.defaultdict,
        strategies.sampled_from([None, list, int, dict, set]),
        strategies.dictionaries(hashable, inside, max_size=3),
    ),
    "shared": shared,
    "instance": lambda inside: strategies.builds(
        lambda one, other: likeness.Order(id=one, lines=[other, one]), inside, inside
    ),
}


def objects(count, more=()):
    """So many different objects of all kinds, and of more leaves, nested in each other."""
    # of all kinds arrays have the most ways to go wrong
    arrays = [choices.map(array) for _ in range(ARRAYS)]
    leaves = nested = strategies.one_of([*HASHABLE.values(), *OTHERS.values(), *arrays, *more])
    for _ in range(DEPTH):
        nested = strategies.one_of(leaves, *[make(nested) for make in CONTAINERS.values()])
    made = []

    @hypothesis.settings(
        max_examples=count // 5,
        database=None,
        deadline=None,
        derandomize=True,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    # one leaf is soon like another
    @hypothesis.given(strategies.lists(nested, min_size=2, max_size=6))
    def collect(value):
        made.append(value)

    # hypothesis knows what is often wrong and looks at what is like it; of plain randomness there is nearly twice as much in the
    # same time
    collect()
    assert len(made) >= count // 5, len(made)
    generator = random.Random(count)
    while len(made) < count:
        collect.hypothesis.fuzz_one_input(generator.randbytes(8192))
    return made[:count]
