"""Sends random objects to `outband echo` and wants each of them back; every tenth message is garbage and wants an error.

    python tests/python/random_objects.py COUNT FORMAT=ENDPOINT...

The objects are hypothesis's, always the same ones, and each goes through every format; what a format does not carry is
sent as something that it does. They are sent in a window, as a pipelining program would, and answers come in order, so
nothing may be lost on the way. A line for each format counts what came back.
"""

import collections
import datetime
import decimal
import fractions
import json
import math
import pathlib
import pickle
import random
import struct
import sys
import uuid

import hypothesis
import numpy
import zmq
from hypothesis import strategies

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python"))
import outband

#: What each format gives back as it was. One more word here is one more kind of object that is sent as itself.
KINDS = {
    "json": "none bool int float text list dict",
    "msgpack": "none bool int float text bytes list dict intdict array",
    "pickle": "none bool int float text bytes list dict intdict array",
}
#: What is made, of all kinds that a format has.
MADE = sorted({kind for kinds in KINDS.values() for kind in kinds.split()})
WINDOW = 256
PATIENCE = 60_000
DEPTH = 3

DTYPES = "? i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 c8 c16 S3 U2 V5 M8[us] m8[D]".split()
RECORD = [("id", "<u4"), ("at", ">f8", (2,)), ("name", "U3")]
DTYPES = [numpy.dtype(order + kind) for kind in DTYPES for order in "<>"] + [numpy.dtype(RECORD)]
SHAPES = [(), (0,), (1,), (7,), (3, 0, 2), (2, 3), (4, 1), (1, 5), (2, 3, 4), (1, 1, 1, 2), (40, 30)]


def array(choice):
    """An array of any bytes."""
    dtype, shape, order, seed = choice
    generator = random.Random(seed)
    data = generator.randbytes(dtype.itemsize * math.prod(shape))
    if dtype.kind in "U" or dtype.names:
        data = bytes(len(data))  # not every number is a character
    if dtype.kind == "b":
        data = bytes(byte & 1 for byte in data)
    made = numpy.frombuffer(data, dtype) if data else numpy.empty(math.prod(shape), dtype)
    return made.reshape(shape, order=order)


choices = strategies.tuples(
    strategies.sampled_from(DTYPES),
    strategies.sampled_from(SHAPES),
    strategies.sampled_from("CF"),
    strategies.integers(0, 2**16),
)
int64 = strategies.integers(-(2**63), 2**64 - 1) | strategies.integers(-200, 70_000)
hashable = strategies.none() | strategies.booleans() | int64 | strategies.text(max_size=5)
# a first key "$array" or "$table" is no key: docs/wire.md
keys = strategies.text(max_size=6).filter(lambda key: not key.startswith("$"))
timezones = strategies.integers(-1439, 1439).map(lambda minutes: datetime.timezone(datetime.timedelta(minutes=minutes)))

LEAVES = {
    "none": strategies.none(),
    "bool": strategies.booleans(),
    "int": int64,
    "float": strategies.floats(),
    "text": strategies.text(max_size=12),
    "bytes": strategies.binary(max_size=40),
    "array": choices.map(array),
    # what only pickle tells from something else
    "bigint": strategies.integers(-(2**200), 2**200),
    "bytearray": strategies.binary(max_size=20).map(bytearray),
    "complex": strategies.complex_numbers(allow_nan=False),
    "range": strategies.builds(range, int64, int64, strategies.integers(1, 9)),
    "slice": strategies.builds(slice, int64, strategies.none() | int64, strategies.none()),
    "ellipsis": strategies.just(...),
    "set": strategies.sets(hashable, max_size=4),
    "frozenset": strategies.frozensets(hashable, max_size=4),
    "datetime": strategies.datetimes(timezones=strategies.none() | timezones),
    "date": strategies.dates(),
    "time": strategies.times(),
    "timedelta": strategies.timedeltas(),
    "timezone": timezones,
    "decimal": strategies.decimals(allow_nan=False),
    "fraction": strategies.fractions(),
    "uuid": strategies.uuids(),
    "path": strategies.sampled_from(["/usr/lib", "a/b", "/", "."]).map(pathlib.PurePosixPath),
    "counter": strategies.lists(strategies.text(max_size=2), max_size=5).map(collections.Counter),
}
CONTAINERS = {
    "list": lambda inside: strategies.lists(inside, max_size=4),
    "dict": lambda inside: strategies.dictionaries(keys, inside, max_size=4),
    "intdict": lambda inside: strategies.dictionaries(int64, inside, max_size=3),
    "tuple": lambda inside: strategies.lists(inside, max_size=4).map(tuple),
    "deque": lambda inside: strategies.lists(inside, max_size=4).map(collections.deque),
    "ordered": lambda inside: strategies.dictionaries(hashable, inside, max_size=3).map(collections.OrderedDict),
}


def objects(count):
    """So many different objects, nested in each other."""
    leaves = strategies.one_of([LEAVES[kind] for kind in MADE if kind in LEAVES])
    containers = [CONTAINERS[kind] for kind in MADE if kind in CONTAINERS]
    nested = leaves
    for _ in range(DEPTH):
        nested = strategies.one_of(leaves, *[make(nested) for make in containers])
    made = []

    @hypothesis.settings(
        max_examples=count,
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

    collect()
    assert len(made) >= count, len(made)
    return made[:count]


#: The kind of each type, where it is not the type's name.
NAMES = {type(None): "none", str: "text", type(...): "ellipsis", collections.OrderedDict: "ordered", uuid.UUID: "uuid"}
NAMES |= {decimal.Decimal: "decimal", fractions.Fraction: "fraction", pathlib.PurePosixPath: "path", numpy.ndarray: "array"}
NAMES |= {collections.Counter: "counter"}


def carried(value, kinds):
    """The value with nothing in it but these kinds."""
    kind = NAMES.get(type(value), type(value).__name__)
    if kind == "int" and not -(2**63) <= value < 2**64:
        return value if "bigint" in kinds else str(value)
    if isinstance(value, dict):
        make = type(value) if kind in kinds else dict
        if "intdict" not in kinds:
            return make((str(key), carried(item, kinds)) for key, item in value.items())
        return make((key, carried(item, kinds)) for key, item in value.items())
    if isinstance(value, (list, tuple, collections.deque)):
        make = type(value) if kind in kinds else list
        return make(carried(item, kinds) for item in value)
    return value if kind in kinds else repr(value)


def encode(format, value, number):
    if format == "json":
        return [json.dumps(value).encode()]
    if format == "msgpack":
        # with everything in band, with everything out of band, and as it is
        return outband.dumps(value, out_of_band_from=[2**40, 0, outband.OUT_OF_BAND_FROM][number % 3])
    buffers = []
    callback = buffers.append if number % 3 else None
    data = pickle.dumps(value, protocol=5 if callback else number // 3 % 6, buffer_callback=callback)
    return [data, *(buffer.raw() for buffer in buffers)]


def decode(format, frames):
    if format == "json":
        (data,) = frames
        return json.loads(data)
    if format == "msgpack":
        return outband.loads(frames)
    return pickle.loads(frames[0], buffers=frames[1:])


#: What no message of the format begins with.
NEVER = {"json": b"\x01", "msgpack": b"\xc1", "pickle": b"\xff"}


def garbage(format, frames, value, generator):
    """Something that is no message, made of one that is."""
    first = bytes(frames[0])
    kind = generator.randrange(5)
    if kind == 0:
        return [NEVER[format] + generator.randbytes(generator.randrange(40))]
    if kind == 1 and len(frames) > 1:
        missing = generator.randrange(1, len(frames))
        return [*frames[:missing], *frames[missing + 1 :]]
    if kind == 2:
        return [*frames, generator.randbytes(generator.randrange(20))]
    if kind == 3:
        return [first + NEVER[format], *frames[1:]]
    if format == "json":
        first = json.dumps([value]).encode()  # part of a number may be a number
    elif len(first) == 1:
        return [NEVER[format]]
    return [first[: generator.randrange(1, len(first))], *frames[1:]]


def same(sent, got):
    """Equal, and of the same types all through."""
    if isinstance(sent, numpy.ndarray):
        return (
            isinstance(got, numpy.ndarray)
            and (sent.dtype, sent.dtype.str, sent.shape) == (got.dtype, got.dtype.str, got.shape)
            and (sent.flags.c_contiguous, sent.flags.f_contiguous) == (got.flags.c_contiguous, got.flags.f_contiguous)
            and sent.tobytes() == got.tobytes()
        )
    if type(sent) is bytes and type(got) is memoryview:
        got = bytes(got)  # in a frame of its own
    if type(sent) is not type(got):
        return False
    if isinstance(sent, float):
        return math.isnan(got) if math.isnan(sent) else struct.pack("d", sent) == struct.pack("d", got)
    if isinstance(sent, (list, tuple, collections.deque)):
        return len(sent) == len(got) and all(map(same, sent, got))
    if isinstance(sent, dict):
        return same(list(sent), list(got)) and all(same(sent[key], got[key]) for key in sent)
    if isinstance(sent, (set, frozenset)):
        return {(type(one), one) for one in sent} == {(type(one), one) for one in got}
    return sent == got and repr(sent) == repr(got)


def messages_of(format, made):
    """The frames of each message, the object in it, and whether it is one."""
    generator = random.Random(7)
    for number, value in enumerate(made):
        value = carried(value, KINDS[format].split())
        frames = encode(format, value, number)
        yield frames, value, True
        if number % 9 == 8:
            yield garbage(format, frames, value, generator), value, False


def through(format, endpoint, made):
    messages = list(messages_of(format, made))
    socket = zmq.Context().socket(zmq.DEALER)
    socket.rcvtimeo = socket.sndtimeo = PATIENCE
    socket.linger = 0
    socket.sndhwm = socket.rcvhwm = 0
    socket.connect(endpoint)
    counts = collections.Counter()
    sent = 0
    for number, (frames, value, is_message) in enumerate(messages):
        while sent < min(number + WINDOW, len(messages)):
            socket.send_multipart(messages[sent][0])
            sent += 1
        answer = socket.recv_multipart()
        if not is_message:
            what = f"message {number}, garbage: {[bytes(frame) for frame in frames]!r:.500}"
            assert len(answer) == 2 and answer[0] == b"" and len(answer[1].decode()) > 10, (what, answer)
            counts["refused"] += 1
            continue
        what = f"message {number}: {value!r:.500}"
        assert answer[0] != b"", (what, answer)
        got = decode(format, answer)
        assert same(value, got), f"{what} came back as {got!r:.500}"
        counts["same"] += 1
        counts["frames"] += len(answer) - 1
    print(format, counts["same"], counts["refused"], counts["frames"], flush=True)
    socket.close()


if __name__ == "__main__":
    made = objects(int(sys.argv[1]))
    for argument in sys.argv[2:]:
        format, _, endpoint = argument.partition("=")
        through(format, endpoint, made)
