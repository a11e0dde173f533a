"""Compares what random pickles are to CPython with what they were read as: same values, or one of the known reasons.

    python tests/python/programs.py FILE

The file has, for each: the pickle, one byte (1: it was read), and the value as MessagePack or the text of the error, each
after its length (u32, little-endian). The line that is printed counts: equal, refused by both, read here only, read there only.
"""

import io
import pickle
import resource
import struct
import sys
from pathlib import Path

import msgpack

#: Why the other reader refuses what CPython reads, in words of its error.
STRICTER = [
    "are left on the stack",  # CPython takes the uppermost
    "bytes follow",  # CPython does not look
    "contains itself",
    "deeper than the limit",
    "not UTF-8",  # halves of surrogate pairs
    "is no Unicode text",
    "is no integer",  # zeros, a plus or spaces before it
    "of the frame",  # CPython's C reader goes past the end of a frame
    "a frame begins",
    "a frame of",
    "elements are for a list",  # bytearray has append and extend
    "entries are for a dict",  # list and bytearray take items
    "a state is for an object",  # a state of None, which is none
    "there is no buffer on the stack",  # a view of a bytearray
]
#: Why CPython refuses what the other reader takes as data.
LOOSER = [
    "unhashable type",
    "'ascii' codec can't decode",  # bytes of Python 2: which they are, nobody wrote down
    "Exceeds the limit (4300 digits)",
]

# CPython sets aside memory for whatever memo entry it is told
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))

class Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        raise pickle.UnpicklingError(f"{name} of {module}")


def alike(value, seen):
    """Equal as keys are: True is 1 and 1.0."""
    numbers = (bool, int, float)
    if isinstance(value, numbers) and isinstance(seen, numbers):
        return value == seen or same(value, seen)
    if isinstance(value, (tuple, frozenset)) and isinstance(seen, list):
        return same(value, seen, alike)
    return same(value, seen)


def same(value, seen, inside=None):
    inside = inside or same
    kind = type(value)
    if value is None or kind is bool:
        return seen is value
    if kind is int:
        if -(2**63) <= value < 2**64:
            return type(seen) is int and seen == value
        return seen == str(value)
    if kind is float:
        return type(seen) is float and struct.pack("d", value) == struct.pack("d", seen)
    if kind is str:
        return seen == value and type(seen) is str
    if kind in (bytes, bytearray):
        return type(seen) is bytes and seen == bytes(value)
    if kind in (list, tuple):
        return type(seen) is list and len(seen) == len(value) and all(map(inside, value, seen))
    if kind in (set, frozenset):
        if type(seen) is not list:
            return False
        every = all(any(alike(member, one) for member in value) for one in seen)
        return every and all(any(alike(member, one) for one in seen) for member in value)
    if kind is dict:
        if type(seen) is not Entries:
            return False
        last = lambda key: next((item for one, item in reversed(seen.pairs) if alike(key, one)), Entries([]))
        known = all(any(alike(key, one) for key in value) for one, _ in seen.pairs)
        return known and all(inside(item, last(key)) for key, item in value.items())
    raise TypeError(kind)


class Entries:
    """A map whose keys may be anything and come twice."""

    def __init__(self, pairs):
        self.pairs = list(pairs)

    def __repr__(self):
        return f"Entries({self.pairs})"


def records(data):
    stream = io.BytesIO(data)
    while head := stream.read(4):
        parts = []
        for part in range(3):
            head = stream.read(4) if part else head
            parts.append(stream.read(struct.unpack("<I", head)[0]))
        yield parts


equal = both = here = there = 0
for program, read, result in records(Path(sys.argv[1]).read_bytes()):
    try:
        value, error = Unpickler(io.BytesIO(program)).load(), None
    except Exception as refusal:
        value, error = None, f"{type(refusal).__name__}: {refusal}"
    if read == b"\1":
        seen = msgpack.unpackb(result, object_pairs_hook=Entries, strict_map_key=False)
        if error is None:
            assert same(value, seen), f"{program!r}: {value!r} was read as {seen!r}"
            equal += 1
        else:
            assert any(reason in error for reason in LOOSER), f"{program!r}: {error}, read as {seen!r}"
            there += 1
    elif error is None:
        reason = result.decode()
        assert any(known in reason for known in STRICTER), f"{program!r}: {value!r}, refused: {reason}"
        here += 1
    else:
        both += 1
print(equal, both, here, there, flush=True)
