"""Pickles a value of every type that is read, in every protocol, over real pyzmq.

    python tests/python/pickled.py PORT
    python tests/python/pickled.py keep tests/golden/pickle/types.bin [PROTOCOL...]

Before each pickle goes a message of its name, the number of its buffers, what it should decode to, as MessagePack in the
default wire format, and the kinds of all that is in it. The pickles are sent by `send_pyobj`, and with their buffers out of band by `send_multipart`.
"""

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import pathlib
import pickle
import struct
import sys
import uuid

try:
    import ml_dtypes
except ImportError:  # of the older packages
    ml_dtypes = None
import msgpack
import numpy
import zmq


@dataclasses.dataclass
class Order:
    id: int
    lines: list


class Slotted:
    __slots__ = ("left", "right")


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    x: float
    y: float


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntFlag):
    LOW = 1
    HIGH = 2


Point = collections.namedtuple("Point", "x y")


class Stack(list):
    pass


class Table(dict):
    pass


class Woken:
    """Notes what it was woken with, if it was."""

    def __setstate__(self, state):
        self.state = state


class Empty(Woken):
    def __getstate__(self):
        return {}


class Outer:
    class Inner:
        pass


def record(kind, **fields):
    return {"$class": f"__main__.{kind}"} | fields


def array(value):
    """As `Array` lies on the wire; of an array in neither order as it does where NumPy copies it."""
    value = numpy.asarray(value)
    order = "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
    dtype = value.dtype.str if value.dtype.names is None else value.dtype.descr
    # to NumPy these are bytes
    if value.dtype.name == "bfloat16":
        dtype = "bfloat16"
    elif value.dtype.names == ("a", "b") and value.dtype["a"].name == "bfloat16":
        dtype = [("a", "bfloat16"), ("b", "<i2")]
    return {"$array": dtype, "shape": value.shape, "order": order, "data": value.tobytes(order)}


slotted = Slotted()
slotted.left, slotted.right = 1, "r"
inner = Outer.Inner()
inner.deep = True
utc, east = datetime.timezone.utc, datetime.timezone(datetime.timedelta(hours=5, minutes=30), "east")
shared = [1, 2]
key = uuid.UUID("12345678-9abc-def0-1234-56789abcdef0")
default = collections.defaultdict(list, {"a": [1]})
limited = collections.deque([1, 2, 3], maxlen=3)

PLAIN = {
    "none": (None, None),
    "booleans": ([True, False], [True, False]),
    "integers": ([0, -1, 255, 2**31, -(2**63), 2**63 - 1, 2**63, 2**64 - 1],) * 2,
    "big": ([2**64, -(2**200), 10**100], [str(2**64), str(-(2**200)), str(10**100)]),
    "floats": ([0.5, -0.0, 1e300, float("inf")],) * 2,
    "complex": (1.5 - 2j, [1.5, -2.0]),
    "text": (["", "plain", "søppel €", "😀\n\\"],) * 2,
    "bytes": ([b"", b"\x00\xff\x80", bytearray(b""), bytearray(b"\x80two")], [b"", b"\x00\xff\x80", b"", b"\x80two"]),
    "containers": ([(), (1,), [2, [3]], {"a": {1: None}}], [[], [1], [2, [3]], {"a": {1: None}}]),
    "sets": ([set(), {7}, frozenset(), frozenset({"x"})], [[], [7], [], ["x"]]),
    "slice": (slice(1, None, 2), {"start": 1, "stop": None, "step": 2}),
    "range": (range(1, 9, 2), {"start": 1, "stop": 9, "step": 2}),
    "ellipsis": (..., "Ellipsis"),
    "shared": ([shared, shared], [[1, 2], [1, 2]]),
    "ordered": (collections.OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    "counter": (collections.Counter("aab"), {"a": 2, "b": 1}),
    "defaultdict": (default, {"a": [1]}),
    "deque": ([collections.deque([1, 2]), limited, collections.deque()], [[1, 2], [1, 2, 3], []]),
    "decimal": ([decimal.Decimal("1.50"), decimal.Decimal("-Infinity")], ["1.50", "-Infinity"]),
    "fraction": ([fractions.Fraction(1, 3), fractions.Fraction(4)], ["1/3", "4"]),
    "uuid": (key, str(key)),
    "paths": (
        [pathlib.PurePosixPath("/usr/lib"), pathlib.PurePosixPath("a/b"), pathlib.PurePosixPath("/"), pathlib.Path()]
        + [pathlib.PureWindowsPath("C:/a/b"), pathlib.PureWindowsPath("x/y")],
        ["/usr/lib", "a/b", "/", ".", "C:\\a\\b", "x\\y"],
    ),
    "timedelta": (
        [datetime.timedelta(days=1, microseconds=500_000), datetime.timedelta(seconds=-1)],
        ["PT86400.5S", "-PT1S"],
    ),
    "timezone": ([utc, east], ["UTC", "+05:30"]),
}
for stamp in [
    datetime.date(2024, 2, 29),
    datetime.datetime(2024, 6, 7, 1, 2, 3, 4),
    datetime.datetime(1, 1, 1),
    datetime.datetime(2024, 6, 7, 1, 2, 3, tzinfo=utc),
    datetime.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=east),
    datetime.time(23, 59, 59, 999_999),
    datetime.time(1, 2, tzinfo=east),
]:
    PLAIN[f"{type(stamp).__name__} {stamp}"] = (stamp, stamp.isoformat())

def is_by_name(member):
    """Whether this Python writes the member of an enum by its name and not by its value, as 3.11.2 does."""
    return b"getattr" in pickle.dumps(member)


def read(member):
    """What the member of an enum decodes to."""
    return member.name if is_by_name(member) else member.value


CLASSES = {
    "dataclass": (Order(7, [Order(8, [])]), record("Order", id=7, lines=[record("Order", id=8, lines=[])])),
    "enum": ([Color.RED, Level.LOW | Level.HIGH], [read(Color.RED), read(Level.LOW | Level.HIGH)]),
    "named tuple": (Point(1, 2.5), [1, 2.5]),
    "list subclass": (Stack([1, 2]), [1, 2]),
    "dict subclass": (Table(a=1), record("Table", a=1)),
}
# from protocol 2 or 4 on only: Python itself refuses or writes getattr before
LATER = {
    "slots": (slotted, record("Slotted", left=1, right="r"), 2),
    "frozen with slots": (Frozen(0.5, 1.5), [0.5, 1.5], 2),
    "nested class": (inner, record("Outer.Inner", deep=True), 4),
}

DTYPES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64 complex128".split()
grid = numpy.arange(24).reshape(2, 3, 4)
structure = numpy.dtype([("id", "<u4"), ("at", ">f8", (2, 2)), ("name", "U3"), ("in", [("a", "i1"), ("b", "M8[us]")])])
aligned = numpy.dtype([("flag", "?"), ("value", "f8")], align=True)
ARRAYS = {dtype: numpy.array([[0, 1, 2], [3, 4, 5]]).astype(dtype) for dtype in DTYPES} | {
    "fortran": numpy.asfortranarray(grid.astype("f4")),
    "big-endian": numpy.arange(5, dtype=">i4"),
    "strided": numpy.arange(20)[::3],
    "reversed": numpy.arange(5)[::-1],
    "permuted axes": grid.transpose(1, 0, 2),
    "one row": numpy.arange(5.0).reshape(1, 5),
    "no axes": numpy.array(2.5),
    "empty": numpy.zeros((0, 3)),
    "times": numpy.array(["2024-01-01", "NaT"], "M8[ns]"),
    "steps": numpy.array([1, 2], "m8[25us]"),
    "byte texts": numpy.array([b"one", b"three"]),
    "texts": numpy.array(["en", "søppel"]),
    "opaque": numpy.array([b"ab"], "V2"),
    "records": numpy.zeros(3, structure),
    "aligned records": numpy.ones((2, 2), aligned),
    "long": numpy.arange(100_000),
}
UNITS = "Y M W D h m s ms us ns ps fs as".split()
KINDS = "? i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 c8 c16 S5 U4 V6".split()
KINDS += [f"{kind}[{step}]" for kind in ("M8", "m8") for step in [*UNITS, "25us", "7D"]] + ["M8", "m8"]
RECORDS = {
    "flat": [("a", "i1"), ("b", "f8")],
    "nested": [("a", [("x", "<i2"), ("y", [("z", ">f4")])]), ("b", "?")],
    "aligned": numpy.dtype([("a", "i1"), ("b", "f8"), ("c", "i2")], align=True),
    "padded": {"names": ["a", "b"], "formats": ["u1", "<u4"], "offsets": [3, 10], "itemsize": 20},
    "subarrays": [("a", "<f4", (3,)), ("b", ">i2", (2, 1)), ("c", [("d", "u1", 2)], (2,))],
    "titles": [(("the first", "a"), "<i4"), (("the second", "b"), "S3")],
    "texts": [("søt", "<U2"), ("b", ">U3"), ("c", "S1"), ("d", "V4")],
    "times": [("t", "<M8[ns]"), ("u", ">m8[D]"), ("v", "M8[10ms]")],
}


def dtypes():
    """Each dtype in both byte orders, where it has any."""
    both = {numpy.dtype(order + kind).str: numpy.dtype(order + kind) for kind in KINDS for order in "<>"}
    return both | {name: numpy.dtype(record) for name, record in RECORDS.items()}


def layouts(dtype):
    """Arrays of a dtype in every layout, of bytes that it takes."""
    data = bytes(number % 2 for number in range(24 * dtype.itemsize))
    if dtype.names or dtype.kind == "U":
        data = bytes(len(data))
    flat = numpy.frombuffer(data, dtype)
    yield "C", flat.reshape(2, 3, 4)
    if dtype.names and any(name == "" for name, *_ in dtype.descr):
        return  # where numpy copies, it copies the fields, and whatever was in memory is between them
    yield "F", flat.reshape(2, 3, 4, order="F")
    yield "strided", flat[::5]
    yield "every other", flat.reshape(4, 6)[::2, ::3]
    yield "turned", flat.reshape(4, 6)[::-1]
    yield "no axes", flat[:1].reshape(())
    yield "no elements", flat[:0].reshape(0, 3)
    yield "no elements, F", flat[:0].reshape((4, 0), order="F")
    yield "an axis of one", flat.reshape(1, 24, 1)


# every dtype, byte order and layout, beside those above with more to them
MATRIX = {f"{name} {layout}": value for name, dtype in dtypes().items() for layout, value in layouts(dtype)}
SCALARS = {
    "scalars": (
        [numpy.bool_(True), numpy.int8(-3), numpy.uint64(2**64 - 1), numpy.float16(0.5), numpy.float32(0.25)]
        + [numpy.float64(1e-300), numpy.complex64(1 - 1j), numpy.complex128(2j), numpy.str_("søt"), numpy.bytes_(b"raw")],
        [True, -3, 2**64 - 1, 0.5, 0.25, 1e-300, [1.0, -1.0], [0.0, 2.0], "søt", b"raw"],
    ),
    "time scalars": (
        [numpy.datetime64("2024-01-01", "s"), numpy.timedelta64(5, "D")],
        [array(numpy.datetime64("2024-01-01", "s")), array(numpy.timedelta64(5, "D"))],
    ),
}

if ml_dtypes:
    brain = numpy.arange(6).astype(ml_dtypes.bfloat16).reshape(2, 3)
    ARRAYS["brain floats"] = brain.T
    ARRAYS["records of brain floats"] = numpy.array([(1.5, 2)], [("a", brain.dtype), ("b", "<i2")])
    SCALARS["brain scalars"] = ([brain[1, 2], numpy.dtype(brain.dtype)], [5.0, "bfloat16"])

if hasattr(numpy, "dtypes") and hasattr(numpy.dtypes, "StringDType"):
    texts = numpy.dtypes.StringDType
    SCALARS["texts of any length"] = (
        [numpy.array(["en", "søppel", ""], texts()), numpy.array(["a", None], texts(na_object=None)), numpy.array([], texts())],
        [["en", "søppel", ""], ["a", None], []],
    )

KINDS = {
    tuple: "Tuple",
    set: "Set",
    frozenset: "FrozenSet",
    collections.deque: "Deque",
    collections.OrderedDict: "OrderedDict",
    collections.Counter: "Counter",
    bytearray: "ByteArray",
    complex: "Complex",
    numpy.complex64: "Complex",
    numpy.complex128: "Complex",
    range: "Range",
    slice: "Slice",
    type(...): "Ellipsis",
    datetime.datetime: "DateTime",
    datetime.date: "Date",
    datetime.time: "Time",
    datetime.timedelta: "TimeDelta",
    datetime.timezone: "TimeZone",
    decimal.Decimal: "Decimal",
    fractions.Fraction: "Fraction",
    uuid.UUID: "Uuid",
    pathlib.PurePosixPath: "PosixPath",
    pathlib.PosixPath: "PosixPath",
    pathlib.PureWindowsPath: "WindowsPath",
    Order: "Instance",
    Outer.Inner: "Instance",
    Slotted: "Slots",
    Point: "Tuple",
}


def kinds(value):
    """What a value and its parts are, each before its own parts; empty where the content says it."""
    if isinstance(value, enum.Enum):
        value = read(value)
    is_long = type(value) is int and not -(2**63) <= value < 2**64
    yield "Int" if is_long else KINDS.get(type(value), "")
    if isinstance(value, dict):
        parts = [part for entry in value.items() for part in entry]
    elif isinstance(value, (list, tuple, set, frozenset, collections.deque)):
        parts = value
    elif isinstance(value, numpy.ndarray) and value.dtype.kind == "T":
        parts = value.tolist()
    elif isinstance(value, Slotted):
        parts = ["left", value.left, "right", value.right]
    elif isinstance(value, Frozen):
        parts = [value.x, value.y]
    elif isinstance(value, (Order, Outer.Inner)):
        parts = [part for entry in vars(value).items() for part in entry]
    else:
        parts = []
    for part in parts:
        yield from kinds(part)


def cases():
    """Name, value, what it decodes to, and the first protocol that has it."""
    for name, (value, expected) in (PLAIN | CLASSES | SCALARS).items():
        yield name, value, expected, 0
    for name, (value, expected, first) in LATER.items():
        yield name, value, expected, first
    for name, value in ARRAYS.items():
        yield f"array {name}", {"value": value}, {"value": array(value)}, 0
    yield "arrays", [grid, (grid, {"again": grid})], [array(grid), [array(grid), {"again": array(grid)}]], 0


def send(port):
    socket = zmq.Context().socket(zmq.PUSH)
    socket.connect(f"tcp://127.0.0.1:{port}")

    def announce(name, buffers, expected, value=None):
        parts = [msgpack.packb(expected), msgpack.packb(list(kinds(value)))]
        socket.send_multipart([name.encode(), str(buffers).encode(), *parts])

    # protocol 5 has the axes as they lie, and the others copy
    permuted = ARRAYS["permuted axes"]
    copied, lying = array(permuted), {"order": [1, 0, 2], "data": permuted.base.tobytes()}
    as_it_lies = lambda expected: {"value": copied | lying} if expected == {"value": copied} else expected

    for name, value, expected, first in cases():
        for protocol in range(first, pickle.HIGHEST_PROTOCOL + 1):
            announce(f"{name}, protocol {protocol}", 0, as_it_lies(expected) if protocol == 5 else expected, value)
            socket.send_pyobj(value, protocol=protocol)
        buffers = []
        data = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        announce(f"{name}, out of band", len(buffers), as_it_lies(expected), value)
        socket.send_multipart([data, *buffers], copy=False)
    for name, value in MATRIX.items():
        buffers = []
        data = pickle.dumps({"value": value}, protocol=5, buffer_callback=buffers.append)
        announce(f"matrix {name}, out of band", len(buffers), {"value": array(value)}, {"value": value})
        socket.send_multipart([data, *buffers], copy=False)
        protocol = len(data) % 6
        announce(f"matrix {name}, protocol {protocol}", 0, {"value": array(value)}, {"value": value})
        socket.send_pyobj({"value": value}, protocol=protocol)
    announce("end", 0, None)
    socket.close()


def keep(path, *protocols):
    """The short ones in a file: a count of parts, then each part after its length (u32, little-endian)."""
    chosen = {int(protocol) for protocol in protocols}
    with open(path, "wb") as stream:
        for name, value, expected, first in cases():
            some = {protocol for protocol in chosen if protocol >= first} or {first, max(first, 2), 4, 5}
            for protocol in [*sorted(some), "out of band"]:
                buffers = []
                if protocol == "out of band":
                    data = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
                else:
                    data = pickle.dumps(value, protocol=protocol)
                parts = [f"{name}, {protocol}".encode(), msgpack.packb(expected), data, *(bytes(b.raw()) for b in buffers)]
                if len(data) < 3000 and sum(map(len, parts)) < 10_000:
                    stream.write(struct.pack("<I", len(parts)))
                    for part in parts:
                        stream.write(struct.pack("<I", len(part)) + part)


if __name__ == "__main__":
    keep(*sys.argv[2:]) if sys.argv[1] == "keep" else send(sys.argv[1])
