"""What comes back through a `Value` for a Python object, and whether it has: types, values, order, bits, what is one object."""

import collections
import datetime
import decimal
import fractions
import math
import pathlib
import pickle
import struct
import sys
import uuid

import numpy


class Order:
    """A class whose instances the other end allows, by the name `likeness.Order`."""

    def __init__(self, **fields):
        vars(self).update(fields)

    def __repr__(self):
        return f"Order({vars(self)!r})"


#: Those that are one object wherever they are named, and another one than whatever is equal to them. Of the rest Python itself
#: makes no promise, or an object may be shorter than what names it.
ONE = (list, dict, set, frozenset, tuple, collections.deque, bytearray, numpy.ndarray, datetime.date, datetime.time)
ONE += (datetime.timedelta, decimal.Decimal, fractions.Fraction, uuid.UUID, range, slice, pathlib.PurePath, Order)


def tables():
    """The module of pandas' and pyarrow's objects, where the program has them."""
    return sys.modules.get("random_tables")


def back(value, made=None):
    """What comes back for what Python itself read of a message: see "What is read" in docs/python.md."""
    made = {} if made is None else made
    if id(value) not in made:
        # kept, so that no other object has its address
        made[id(value)] = value, other(value, lambda part: back(part, made))
    return made[id(value)][1]


def other(value, back):
    kind = type(value)
    if kind in (list, tuple, set, frozenset, collections.deque):
        return kind(map(back, value))
    if kind is collections.defaultdict:
        kind = dict
    if kind in (dict, collections.OrderedDict, collections.Counter):
        return kind({back(key): back(part) for key, part in value.items()})
    if kind is slice:
        return slice(back(value.start), back(value.stop), back(value.step))
    if kind in (pathlib.PosixPath, pathlib.WindowsPath):
        return kind.__bases__[-1](value)
    if isinstance(value, numpy.dtype):
        return value.str
    if isinstance(value, (numpy.recarray, numpy.memmap)):
        return value.view(numpy.ndarray) if value.dtype.type is not numpy.record else value.view(numpy.ndarray).view(value.dtype.descr)
    if kind is Order:
        return Order(**{name: back(part) for name, part in vars(value).items()})
    if isinstance(value, numpy.generic):
        return numpy.asarray(value) if value.dtype.kind in "MmV" else value.item()
    if tables() and isinstance(value, tables().TYPES):
        return value
    return moment(value) if kind.__module__.partition(".")[0] == "pandas" else value


def moment(value):
    """What comes back for pandas' points and spans of time, and for what is none."""
    if not hasattr(value, "nanosecond") and not hasattr(value, "nanoseconds") or value != value:
        return None
    if hasattr(value, "nanoseconds"):
        nanos, sign = abs(value.as_unit("ns").value), "-" if value.as_unit("ns").value < 0 else ""
        if nanos % 1000:
            return f"{sign}PT{nanos // 10**9}.{nanos % 10**9:09}".rstrip("0") + "S"
        return value.to_pytimedelta()
    if not isinstance(value.tzinfo, (datetime.timezone, type(None))):
        value = value.tz_convert("UTC")
    return value.isoformat() if value.nanosecond else value.to_pydatetime()


class Pairs:
    """Compares types and values; where exactly, then also how arrays lie and what is one object."""

    def __init__(self, exactly):
        # what came back for which object, and for which object it came back
        self.found, self.taken, self.exactly = {}, {}, exactly

    def check(self, value, expected):
        if tables() and isinstance(expected, tables().TYPES):
            self.identity(value, expected)
            return tables().check(value, expected)
        if isinstance(expected, (bytes, memoryview, pickle.PickleBuffer)):
            # a buffer is whatever held it
            assert isinstance(value, (bytes, memoryview, bytearray)), type(value)
            assert bytes(value) == bytes(expected), (value, expected)
            return
        assert type(value) is type(expected), f"{type(value)} is not {type(expected)}: {expected!r:.200}"
        if isinstance(expected, ONE) and not (isinstance(expected, (tuple, frozenset)) and not expected):
            if not self.identity(value, expected):
                return
        if isinstance(expected, numpy.ndarray):
            if self.exactly:
                # in band Python itself turns the bytes of numbers around, and a `Value` does not
                assert steps(value) == steps(expected), (value.shape, value.strides, expected.strides)
            else:
                check_array(value, expected)
        elif isinstance(expected, dict):
            assert len(value) == len(expected), (value, expected)
            for one, another in zip(value.items(), expected.items()):
                self.check(one[0], another[0])
                self.check(one[1], another[1])
        elif isinstance(expected, (list, tuple, collections.deque)):
            assert len(value) == len(expected), (value, expected)
            for one, another in zip(value, expected):
                self.check(one, another)
        elif isinstance(expected, (set, frozenset)):
            assert sorted(map(named, value)) == sorted(map(named, expected)), (value, expected)
        elif isinstance(expected, Order):
            self.check(vars(value), vars(expected))
        elif isinstance(expected, slice):
            self.check((value.start, value.stop, value.step), (expected.start, expected.stop, expected.step))
        else:
            assert named(value) == named(expected), f"{value!r} is not {expected!r}"

    def identity(self, value, expected):
        """Whether this object is seen for the first time; fails when what came back is another object or that of another."""
        if not self.exactly:
            return True
        is_new = id(expected) not in self.found
        known = self.found.setdefault(id(expected), value)
        assert known is value, f"came back twice: {expected!r:.200}"
        owner = self.taken.setdefault(id(value), expected)
        assert owner is expected, f"came back as the object of another: {expected!r:.200}"
        return is_new


def check_array(value, expected):
    assert (value.dtype, value.dtype.str, value.dtype.descr) == (expected.dtype, expected.dtype.str, expected.dtype.descr)
    assert value.shape == expected.shape, (value.shape, expected.shape)
    assert value.tobytes() == expected.tobytes(), (value, expected)


def steps(array):
    """The strides of an array: that of an axis of one element says nothing."""
    return [step for axis, step in zip(array.shape, array.strides) if axis > 1 and array.size]


def holds(value, types):
    """Whether an object of these types is in it."""
    if isinstance(value, Order):
        value = vars(value)
    if isinstance(value, dict):
        return holds(list(value.values()), types)
    if isinstance(value, (list, tuple, collections.deque)):
        return any(holds(part, types) for part in value)
    return isinstance(value, types)


def named(value):
    """A text for each value, the same only for what is the same in type and in every bit."""
    kind = type(value)
    if kind is float:
        return "float nan" if math.isnan(value) else "float " + struct.pack(">d", value).hex()
    if kind is complex:
        return f"complex {named(value.real)} {named(value.imag)}"
    if kind in (set, frozenset):
        return f"{kind} {sorted(map(named, value))}"
    if kind is tuple:
        return f"{kind} {list(map(named, value))}"
    if kind in (datetime.datetime, datetime.time):
        return f"{kind} {value.isoformat()}"  # not its fold, nor the name of its zone
    if kind is datetime.timezone:
        return f"{kind} {value.utcoffset(None)}"
    if kind is range:
        return f"{kind} {value.start} {value.stop} {value.step}"
    if kind is int:
        return f"int {value:x}"
    return f"{kind} {value!r}"
