"""Sends pickles of every type to a socket that sends them back, and compares: types, values, order, what is one object.

    python tests/python/kinds_echo.py ENDPOINT [classes]

With `classes`, the other end has to allow those of `pickled.py` under `pickled`, its enums as such.
"""

import collections
import copy
import datetime
import decimal
import enum
import fractions
import functools
import io
import operator
import pathlib
import pickle
import sys
import uuid
import zoneinfo

import numpy
import zmq

import pickled

# what comes back as something else: see "What is read" in docs/python.md
OTHERS = {
    collections.defaultdict: lambda value: {key: back(part) for key, part in value.items()},
    collections.deque: lambda value: collections.deque(map(back, value)),
    pathlib.PosixPath: pathlib.PurePosixPath,
    numpy.bool_: bool,
    numpy.str_: str,
    numpy.bytes_: bytes,
    numpy.datetime64: numpy.array,
    numpy.timedelta64: numpy.array,
    pickled.Point: tuple,
    pickled.Stack: list,
    pickled.Table: lambda value: {"$class": "pickled.Table"} | value,
    pickled.Frozen: lambda value: [value.x, value.y],
}


def back(value):
    """What comes back for a value."""
    if isinstance(value, enum.Enum):
        return value  # the other end has to allow it as an enum
    if type(value) in OTHERS:
        return OTHERS[type(value)](value)
    if isinstance(value, numpy.generic):
        return value.item()
    if isinstance(value, numpy.ndarray) and value.dtype.kind == "T":
        return value.tolist()
    if isinstance(value, numpy.dtype):
        return value.name
    if type(value) in (list, tuple, set, frozenset):
        return type(value)(map(back, value))
    if type(value) in (dict, collections.OrderedDict, collections.Counter):
        return type(value)({back(key): back(part) for key, part in value.items()})
    return value


def same(value, expected):
    assert type(value) is type(expected), f"{type(value)} is not {type(expected)}"
    if isinstance(value, numpy.ndarray):
        assert value.dtype == expected.dtype and value.dtype.str == expected.dtype.str, value.dtype
        assert value.shape == expected.shape
        for order in ["c_contiguous", "f_contiguous"]:
            assert getattr(value.flags, order) or not getattr(expected.flags, order), order
        numpy.testing.assert_array_equal(value, expected)
    elif isinstance(value, dict):
        assert len(value) == len(expected)
        for one, other in zip(value.items(), expected.items()):
            same(one, other)
    elif isinstance(value, (list, tuple, collections.deque)):
        assert len(value) == len(expected), (value, expected)
        for one, other in zip(value, expected):
            same(one, other)
    elif isinstance(value, (set, frozenset)):
        same(sorted(value, key=repr), sorted(expected, key=repr))
    elif isinstance(value, pickled.Slotted):
        same([value.left, value.right], [expected.left, expected.right])
    elif isinstance(value, (pickled.Order, pickled.Outer.Inner)):
        same(vars(value), vars(expected))
    else:
        assert value == expected, f"{value!r} is not {expected!r}"
        assert repr(value) == repr(expected) or isinstance(value, (float, datetime.tzinfo, datetime.time, datetime.datetime))


class Echo:
    def __init__(self, endpoint):
        self.socket = zmq.Context.instance().socket(zmq.REQ)
        self.socket.rcvtimeo = self.socket.sndtimeo = 60_000
        self.socket.linger = 0
        self.socket.connect(endpoint)
        self.sent = 0

    def __call__(self, value, protocol=5, out_of_band=False):
        self.sent += 1
        buffers = []
        if out_of_band:
            data = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
            self.socket.send_multipart([data, *buffers], copy=False)
        else:
            self.socket.send_pyobj(value, protocol=protocol)
        return self.answer(len(buffers))

    def raw(self, data):
        """The same of what is a pickle already."""
        self.sent += 1
        self.socket.send(data)
        return self.answer(0)

    def answer(self, buffers):
        first, *rest = self.socket.recv_multipart(copy=False)
        assert len(first) > 0, bytes(rest[0])
        assert len(rest) == buffers, f"{len(rest)} buffers, and {buffers} were sent"
        return pickle.loads(first, buffers=rest)


def types(echo, classes):
    for name, value, _, first in pickled.cases():
        if name in pickled.CLASSES | pickled.LATER and not classes:
            continue
        expected = back(value)
        for how in [*range(first, pickle.HIGHEST_PROTOCOL + 1), "out of band"]:
            try:
                is_out = how == "out of band"
                same(echo(value, 5 if is_out else how, is_out), expected)
            except Exception as error:
                raise AssertionError(f"{name}, {how}") from error


def identity(echo, classes):
    text, short = "a long text " * 20, "text"
    one = uuid.UUID(int=5)
    parts = [[1], {"a": 1}, {1, 2}, (1, [2]), bytearray(b"bytes"), text, one, numpy.arange(5), frozenset([short])]
    parts += [datetime.datetime(2026, 11, 21), decimal.Decimal("1.5"), fractions.Fraction(1, 3)]
    parts += [collections.OrderedDict(a=1), collections.deque([1]), collections.Counter("ab"), range(5), slice(1, 2)]
    if classes:
        parts += [pickled.Order(1, []), pickled.inner, pickled.slotted]
    for out_of_band in [False, True]:
        for part in parts:
            whole = echo([part, (part,), {"key": [part]}], 5, out_of_band)
            same(whole, [part, (part,), {"key": [part]}])
            assert whole[0] is whole[1][0] is whole[2]["key"][0], part
            # one that was copied in Python stays another one
            if type(part) in (list, dict, set):
                first, second = echo([part, copy.copy(part)], 5, out_of_band)
                assert first is not second
        everything = echo(parts * 3, 5, out_of_band)
        for index, part in enumerate(parts):
            same(everything[index], part)
            assert everything[index] is everything[index + len(parts)] is everything[index + 2 * len(parts)]
    # a list as the key of a map is none, but a tuple that is a key and a value is one object
    pair = (1, "two")
    back = echo({pair: pair, "more": {pair}})
    ((key, value), (_, more)) = back.items()
    assert key is value and more == {pair} and list(more)[0] is key


def equals(echo, classes):
    """What is equal to something else, or looks like it, and is not the same."""
    utc, oslo = zoneinfo.ZoneInfo("UTC"), zoneinfo.ZoneInfo("Europe/Oslo")
    noon = datetime.time(12, tzinfo=utc)
    for protocol in range(6):
        back = echo([utc, datetime.timezone.utc, oslo, noon], protocol)
        assert back[0] is utc and back[1] is datetime.timezone.utc and back[2] is oslo and back[3].tzinfo is utc, back
    if classes:
        for protocol in range(2, 6):
            # what has no state is not woken with one, and what has an empty one is
            woken, empty = echo([pickled.Woken(), pickled.Empty()], protocol)
            assert (type(woken), vars(woken)) == (pickled.Woken, {}), vars(woken)
            assert (type(empty), vars(empty)) == (pickled.Empty, {"state": {}}), vars(empty)


class ByName(pickle.Pickler):
    """Writes members of enums as CPython 3.11.2 does, by their names."""

    def reducer_override(self, value):
        if not isinstance(value, enum.Enum):
            return NotImplemented
        first, *others = [flag for flag in type(value) if flag in value] if isinstance(value, enum.Flag) else [value]
        if others:
            return operator.or_, (functools.reduce(operator.or_, others), first)
        return getattr, (type(value), first.name)


def members(echo):
    """Members of enums, with values of every kind, as keys and in several places."""
    red, both = pickled.Color.RED, pickled.Level.LOW | pickled.Level.HIGH
    values = [red, both, pickled.Level(0), {red: both, both: {red}}, [red] * 3, (red, [red, {"red": red}]), frozenset([both, red])]
    for value in values:
        for protocol in range(6):
            same(echo(value, protocol), value)
        same(echo(value, out_of_band=True), value)
    for value in [red, pickled.Level.HIGH, both, {red: both}, [both, red, both, pickled.Level.LOW]]:
        file = io.BytesIO()
        ByName(file, 5).dump(value)
        assert b"getattr" in file.getvalue()
        same(echo.raw(file.getvalue()), value)


def marked(echo):
    """Dicts whose first key is how other formats mark an array or a table."""
    array = numpy.arange(3.0)
    for marker in ["$array", "$table", "$class"]:
        like = {marker: "<f8", "shape": [1], "order": "C", "data": bytes(8)}
        values = [{marker: 1}, like, [like, {"in": like}, array], collections.OrderedDict(like), {marker: like, "array": array}]
        values += [collections.defaultdict(list, like), [like] * 2, {marker: array}, collections.Counter({marker: 2, "a": 1})]
        for value in values:
            for protocol in range(6):
                same(echo(value, protocol), back(value))
            same(echo(value, out_of_band=True), back(value))


def bombs(echo):
    tree = ()
    for _ in range(40):
        tree = (tree, tree)
    tree = echo(tree)
    for _ in range(39):
        assert tree[0] is tree[1] and type(tree) is tuple
        tree = tree[0]
    assert tree == ((), ())
    text = "x" * 1_000_000
    assert all(part is texts[0] for texts in [echo([text] * 10_000)] for part in texts)


def main(endpoint, classes):
    echo = Echo(endpoint)
    types(echo, classes)
    identity(echo, classes)
    equals(echo, classes)
    if classes:
        members(echo)
    marked(echo)
    bombs(echo)
    print(echo.sent)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:] == ["classes"])
