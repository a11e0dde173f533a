"""Receives pickles over real pyzmq and compares each with the object that Python makes itself.

    python tests/python/written.py PORT WHAT

Before each message goes one with the name of what it should be and how to receive it: `pyobj` for `recv_pyobj`, or the number of
buffers for `recv_multipart(copy=False)`. A warning is an error, and so is a pickle that `pickletools` finds fault with.
"""

import warnings

warnings.simplefilter("error")

import collections
import dataclasses
import datetime
import decimal
import fractions
import io
import math
import pathlib
import pickle
import pickletools
import struct
import sys
import uuid
import zlib

import numpy
import zmq

PATIENCE = 60_000


class Order:
    def __init__(self, **fields):
        raise AssertionError("an instance is made without __init__")

    def __eq__(self, other):
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self):
        return 1


class Outer:
    @dataclasses.dataclass(frozen=True)
    class Inner:
        deep: bool


def order(**fields):
    instance = Order.__new__(Order)
    vars(instance).update(fields)
    return instance


class Frame:
    """Stands for a frame with these bytes, as whatever `pickle.loads` was given."""

    def __init__(self, data):
        self.data = data


def same(value, expected):
    """Whether it is equal and of the very same type, all the way down."""
    if isinstance(expected, Frame):
        return bytes(value) == expected.data and memoryview(value).readonly
    if type(value) is not type(expected):
        return False
    if isinstance(expected, float):
        return struct.pack("d", value) == struct.pack("d", expected)
    if isinstance(expected, numpy.ndarray):
        return (
            value.dtype == expected.dtype
            and value.dtype.str == expected.dtype.str
            and value.shape == expected.shape
            # a copy of a record leaves out what lies in its gaps
            and (value.tobytes() == expected.tobytes() or value.dtype.names and numpy.array_equal(value, expected))
        )
    if isinstance(expected, (list, tuple, collections.deque)):
        return len(value) == len(expected) and all(map(same, value, expected))
    if isinstance(expected, dict):
        return same(list(value.items()), list(expected.items()))
    if isinstance(expected, (set, frozenset)):
        return value == expected and {type(item) for item in value} == {type(item) for item in expected}
    if isinstance(expected, (Order, Outer.Inner)):
        return same(vars(value), vars(expected))
    return value == expected and repr(value) == repr(expected)


def counting(dtype, shape, order):
    dtype = numpy.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    data = bytes(at % 2 for at in range(size))
    # NumPy itself makes no view on no bytes
    return numpy.ndarray(shape, dtype, data or b"", order=order)


def arrays():
    dtypes = "|b1 |i1 <i2 >i2 <i4 >i4 <i8 >i8 |u1 <u2 <u4 <u8 <f2 <f4 >f4 <f8 >f8".split()
    dtypes += "<c8 <c16 <M8[ns] >M8[25us] <m8[D] |S5 |V3".split()
    expected = {}
    for dtype in dtypes:
        for shape, layout in [((2, 3), "C"), ((2, 3, 2), "F"), ((), "C"), ((0, 4), "C"), ((5,), "C")]:
            expected[f"{dtype} {list(shape)} {layout}"] = counting(dtype, shape, layout)
    for dtype in ["<U3", ">U3"]:
        expected[f"text {dtype}"] = numpy.array(["en ", "søt"], dtype)
    expected["generic times"] = counting("<M8", (2,), "C")
    inner = {"names": ["a", "b"], "formats": ["i1", ">M8[us]"], "offsets": [0, 3], "itemsize": 11}
    record = numpy.dtype(
        {
            "names": ["id", "at", "in"],
            "formats": ["<u4", (">f8", (2, 2)), inner],
            "offsets": [0, 8, 40],
            "titles": [None, "place", None],
            "itemsize": 52,
        }
    )
    expected["records"] = counting(record, (3,), "C")
    expected["grids of records"] = counting(record, (2, 2), "F")
    if int(numpy.__version__.partition(".")[0]) > 1:  # the older packages have no ml_dtypes
        import ml_dtypes

        expected["bfloat16"] = counting(ml_dtypes.bfloat16, (4,), "C")
    row = numpy.array([1, 2, 3], "<i4")
    expected["repeated rows"] = numpy.broadcast_to(row, (4, 3))
    expected["repeated columns"] = numpy.broadcast_to(row.reshape(3, 1, 1), (3, 1, 2))
    expected["repeated none"] = numpy.zeros((0, 3), "<i4")
    expected["many"] = ([row] * 3, {"again": row}, Frame(row.tobytes()))
    return expected


def structs():
    def order(id, lines, note=None):
        return {"id": id, "lines": lines, "note": note}

    return order(1, [order(2, []), order(3, [order(4, [], "deep")])], "top")


def zone(**offset):
    return datetime.timezone(datetime.timedelta(**offset))


moment, clock, posix = datetime.datetime, datetime.time, pathlib.PurePosixPath

EXPECTED = {
    "plain": lambda: {
        "none": (None, None, None),
        "booleans": [True, False],
        "integers": [0, -1, 255, 256, 65535, 65536, -(2**31), 2**31, -(2**63), 2**63 - 1],
        "unsigned": [2**63, 2**64 - 1],
        "wide": [-(2**127), 2**127 - 1, -(2**64), -1, 0],
        "unsigned wide": [2**128 - 1, 2**127, 7],
        "floats": [0.5, -0.0, 1e300, float("inf"), struct.unpack("f", struct.pack("f", 0.1))[0]],
        "not a number": float("nan"),
        "texts": ["", "plain", "søppel €", "😀\n\\", "long " * 100],
        "long text": "é" * 70_000,
        "char": "ß",
        "bytes": [b"", b"\0\xff", b"\7" * 300],
        "lists": ([], [1], [[2], []], [], [0], [0, 1, 2]),
        "long lists": ([7] * 1000, [0] * 1001, list(range(2500))),
        "tuples": (None, (1,), (1, "two"), (1, 2, 3), (1, 2, 3, 4), (-1, "p"), ()),
        "maps": ({}, {-2: "minus two", 1: "one"}, {"only": 1}, {key: key % 2 == 0 for key in range(2001)}),
        "keys": {((), 1): "empty", ((1, 2), None): "tuple"},
        "structs": structs(),
        "one field": [{"only": 0.5}, {"only": 1.5}],
        "enums": ["Start", {"Step": 1}, {"Move": (2, 3)}, {"Set": {"x": 4, "y": 5}}, "Start", {"Step": 6}],
        "values": [{None: 1, 2.5: 2**64 - 1, 0.25: "t"}, True, -5, b"\1"],
    },
    "buffers": lambda: {
        "buffer": Frame(b"\3" * 5000),
        "shared": (Frame(b"\3" * 5000), (Frame(b"\3" * 5000), Frame(b"\3" * 4999)), Frame(b"\3" * 5000)),
        "empty": Frame(b""),
        "values": [Frame(b"\1\2"), b"\1\2"],
        "key": {b"b": 1},
    },
    "arrays": arrays,
    "kinds": lambda: {
        "tuple": ((), (1,), (1,) * 5),
        "set": ({1}, set(range(2000)), set()),
        "frozenset": (frozenset("xy"), frozenset()),
        "set of tuples": {frozenset({(1, 2)})},
        "deque": tuple(map(collections.deque, ([1], range(1500), []))),
        "ordered": (collections.OrderedDict(a=2, b=1), collections.OrderedDict()),
        "counter": collections.Counter("aab"),
        "bytearray": (bytearray(b"\1\2"), bytearray(b"\3" * 9000)),
        "complex": 1.5 - 2j,
        "int": (2**64, -(2**200), -5, 0),
        "range": range(1, 9, 2),
        "slice": slice(1, None, 2),
        "ellipsis": ...,
        "datetime": (
            moment(2024, 6, 7, 1, 2, 3, 4),
            moment(1, 1, 1),
            moment(2024, 6, 7, 1, 2, 3, tzinfo=datetime.timezone.utc),
            moment(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=zone(seconds=-1)),
        ),
        "date": datetime.date(2024, 2, 29),
        "time": (clock(23, 59, 59, 999_999), clock(1, 2, tzinfo=zone(hours=5, minutes=30))),
        "timedelta": tuple(datetime.timedelta(seconds=seconds) for seconds in (86400.5, -1, 0)),
        "timezone": (datetime.timezone.utc, zone(hours=5, minutes=30), zone(seconds=-1)),
        "decimal": tuple(map(decimal.Decimal, ("1.50", "-Infinity", "1E+3"))),
        "fraction": tuple(map(fractions.Fraction, ("1/3", "-4", "3/2"))),
        "uuid": uuid.UUID("12345678-9abc-def0-1234-56789abcdef0"),
        "paths": ((posix("/usr/lib"), posix("."), posix("a/b")), pathlib.PureWindowsPath("C:\\a\\b")),
        "instance": order(id=7),
        "instance as key": frozenset({order(id=[])}),
    },
    "classes": lambda: {
        "bill": order(id=1, paid=[order(id=2, paid=[])]),
        "nested class": Outer.Inner(True),
        "other structs": {"only": 0.5},
    },
}


def arrays_in(value):
    if isinstance(value, numpy.ndarray):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from arrays_in(item)
    elif isinstance(value, dict):
        yield from arrays_in(list(value.values()))


def holder(array):
    """What owns the memory of an array in the end."""
    while isinstance(array, (numpy.ndarray, memoryview)):
        array = array.base if isinstance(array, numpy.ndarray) else array.obj
    return array


def check(what, socket):
    expected, seen = EXPECTED[what](), []
    while True:
        name, how = (part.decode() for part in socket.recv_multipart())
        if name == "end":
            break
        if how == "pyobj":
            value, frames = socket.recv_pyobj(), []
            assert not socket.getsockopt(zmq.RCVMORE), name
            # once more as bytes, to look into
            data = socket.recv()
        else:
            data, *frames = socket.recv_multipart(copy=False)
            value = pickle.loads(data, buffers=frames)
            data = bytes(data)
        named = [op for op, _, _ in pickletools.genops(data) if op.name == "NEXT_BUFFER"]
        assert len(named) == len(frames) == (0 if how == "pyobj" else int(how)), (name, how)
        pickletools.dis(data, out=io.StringIO())
        assert same(value, expected[name]), f"{name} ({how}): {value!r} is not {expected[name]!r}"
        for array, wanted in zip(arrays_in(value), arrays_in(expected[name]), strict=True):
            assert not array.flags.owndata, name
            for flag in ("C_CONTIGUOUS", "F_CONTIGUOUS"):
                assert array.flags[flag] == wanted.flags[flag], (name, flag)
            steps = [(own, of) for axis, own, of in zip(array.shape, array.strides, wanted.strides) if axis > 1]
            assert all(own == of for own, of in steps) or array.size == 0, (name, array.strides)
            if how == "pyobj":
                assert isinstance(holder(array), bytearray) and array.flags.writeable, name
            else:
                assert any(holder(array) is frame for frame in frames), (name, holder(array))
        seen.append((name, how == "pyobj"))
    assert sorted(seen) == sorted((name, how) for name in expected for how in (True, False)), seen


def recv_zipped_pickle(socket):
    return pickle.loads(zlib.decompress(socket.recv()))


def send_zipped_pickle(socket, obj):
    return socket.send(zlib.compress(pickle.dumps(obj, pickle.HIGHEST_PROTOCOL)))


def zipped(socket):
    rows = [(row, f"row {row}", 0.5 if row % 2 == 0 else None) for row in range(500)]
    send_zipped_pickle(socket, (rows, numpy.arange(1000)))
    value = recv_zipped_pickle(socket)
    assert same(value, (rows, numpy.arange(1000))), value


def main(port, what):
    kind = zmq.REQ if what == "zipped" else zmq.PULL
    with zmq.Context() as context, context.socket(kind) as socket:
        socket.rcvtimeo = socket.sndtimeo = PATIENCE
        socket.linger = 0
        socket.connect(f"tcp://127.0.0.1:{port}")
        zipped(socket) if what == "zipped" else check(what, socket)


if __name__ == "__main__":
    main(*sys.argv[1:])
