"""Sends random objects to `outband echo` and wants each of them back; every tenth message is garbage and wants an error.

    python tests/python/random_objects.py COUNT FORMAT=ENDPOINT... [tables]

The objects are those of `random_values`, and with `tables` of `random_tables` as well, and each goes through every format; what a
format does not carry is sent as something that it does. They are sent in a window, as a pipelining program would, and answers come in order, so
nothing may be lost on the way. A line for each format counts what came back.
"""

import collections
import importlib
import json
import pathlib
import pickle
import random
import sys

import numpy
import zmq

import likeness
import random_values

random_tables = importlib.import_module("random_tables") if "tables" in sys.argv else None

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python"))
import outband

outband._table.OLDEST = (17, 0, 0)  # the pickles of an older pyarrow are looked at too

#: What each format gives back as it was: for pickle see `likeness`. One more word here is one more kind of object that is sent
#: as itself.
KINDS = {
    "json": "none bool int float text list dict",
    "msgpack": "none bool int float text bytes list dict intdict array",
}
WINDOW = 256
PATIENCE = 60_000


NAMES = {type(None): "none", bool: "bool", int: "int", float: "float", str: "text", bytes: "bytes", numpy.ndarray: "array"}


def carried(value, kinds):
    """The value with nothing in it but these kinds."""
    kind = NAMES.get(type(value))
    if kind == "int" and not -(2**63) <= value < 2**64:
        return hex(value)
    if isinstance(value, dict):
        is_key = lambda key: "intdict" in kinds and type(key) is int and -(2**63) <= key < 2**64
        return {key if is_key(key) else name(key): carried(item, kinds) for key, item in value.items()}
    if isinstance(value, (list, tuple, collections.deque)):
        return [carried(item, kinds) for item in value]
    return value if kind in kinds else f"a {type(value).__name__}"


def name(key):
    """A key as a text that is no first key of an array: see docs/wire.md."""
    return key.removeprefix("$") if type(key) is str else likeness.named(key)


def encode(format, value, number):
    if format == "json":
        return [json.dumps(value).encode()]
    if format == "msgpack":
        # with everything in band, with everything out of band, and as it is
        return outband.dumps(value, out_of_band_from=[2**40, 0, outband.OUT_OF_BAND_FROM][number % 3])
    buffers = []
    callback = buffers.append if number % 3 else None
    protocol = 5 if callback else number // 3 % 6
    while True:
        try:
            data = pickle.dumps(value, protocol=protocol, buffer_callback=callback)
            return [data, *(buffer.raw() for buffer in buffers)]
        except (TypeError, pickle.PicklingError) as error:
            # Python has slots from protocol 2 on, PickleBuffer from 5 on
            assert protocol < 5, error
            protocol = 2 if protocol < 2 else 5


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


def check(format, got, frames, value):
    """What came back is what was sent, and what Python itself reads of the same frames: layouts and what is one object as well."""
    back = likeness.back if format == "pickle" else lambda value: value
    likeness.Pairs(exactly=False).check(got, back(value))
    likeness.Pairs(exactly=True).check(got, back(decode(format, frames)))


def messages_of(format, made):
    """The frames of each message, the object in it, and whether it is one."""
    generator = random.Random(7)
    for number, value in enumerate(made):
        if format in KINDS:
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
    counts, failed = collections.Counter(), []
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
        try:
            assert answer[0] != b"", answer[1].decode()
            check(format, decode(format, answer), frames, value)
            # columns of one dtype may be one frame in pandas, and are frames of their own when they come back
            if format == "pickle" and not (random_tables and likeness.holds(value, random_tables.TYPES)):
                assert len(answer) == len(frames), f"{len(answer) - 1} buffers and not {len(frames) - 1}"
            counts["same"] += 1
            counts["frames"] += len(answer) - 1
        except Exception as error:
            failed.append(f"message {number}: {value!r:.500}\n{type(error).__name__}: {error!s:.500}")
    kinds = {text.rpartition("\n")[2][:40]: text for text in failed}
    assert not failed, "\n\n".join([f"{len(failed)} failed", *kinds.values()])
    print(format, counts["same"], counts["refused"], counts["frames"], flush=True)
    socket.close()


def main(count, *arguments):
    tables = [random_tables.TABLES, random_tables.MOMENTS] if random_tables else []
    made = random_values.objects(int(count), tables)
    for argument in arguments:
        format, _, endpoint = argument.partition("=")
        through(format, endpoint, made)


if __name__ == "__main__":
    main(*(argument for argument in sys.argv[1:] if argument != "tables"))
