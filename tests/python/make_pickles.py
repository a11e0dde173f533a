"""Makes the golden pickles of tests/golden/pickle: real pickles of CPython, and what the graph of each looks like.

    python tests/python/make_pickles.py tests/golden/pickle

`index.txt` has a line for each: file, number of buffers, the graph as text. `random.bin` has many small ones after each other,
each with the lengths of both parts (u32, little-endian) before it. Golden pickles are never changed: add new ones.
"""

import collections
import datetime
import decimal
import fractions
import io
import pickle
import pickletools
import random
import struct
import sys
import uuid
from pathlib import Path

folder = Path(sys.argv[1])
seen = set()
index = []


def text(value):
    """Plain values as the Rust test writes them."""
    kind = type(value)
    if value is None or kind is bool:
        return str(value)
    if kind is int:
        return str(value) if -(2**63) <= value < 2**63 else f"big:{value:x}"
    if kind is float:
        return "f:" + struct.pack(">d", value).hex()
    if kind is str and len(value) > 1000:
        return f"s*{len(value)}"
    if kind is str:
        return "s:" + value.encode().hex()
    if kind is bytes:
        return "b:" + value.hex()
    if kind is bytearray:
        return "ba:" + value.hex()
    if kind is list:
        return "[" + ",".join(map(text, value)) + "]"
    if kind is tuple:
        return "(" + ",".join(map(text, value)) + ")"
    if kind is dict:
        return "{" + ",".join(f"{text(key)}={text(item)}" for key, item in value.items()) + "}"
    if kind is set:
        return "set<" + ",".join(sorted(map(text, value))) + ">"
    if kind is frozenset:
        return "frozenset<" + ",".join(sorted(map(text, value))) + ">"
    raise TypeError(kind)


def keep(name, data, expected, buffers=0):
    seen.update(opcode.name for opcode, _, _ in pickletools.genops(data))
    (folder / f"{name}.pickle").write_bytes(data)
    index.append(f"{name} {buffers} {expected}")


PLAIN = {
    "scalars": [None, True, False, 0, 1, -1, 255, 256, 65535, 65536, 2**30 - 1, 2**30, -(2**30), -(2**30) - 1, 2**31 - 1]
    + [2**31, -(2**31), 2**63 - 1, -(2**63), 1.5, -0.0, float("inf"), 5e-324],
    "text": ["", "plain", "é", "€\n\\u0041\\", "😀", "\x00\x1a\r", "x" * 300],
    "bytes": [b"", b"\x00\xff", b"y" * 300, bytearray(b""), bytearray(b"mutable")],
    "raw": [b"", b"\x00\xff", b"y" * 300],
    "containers": [[], [1], (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), {}, {"a": 1}, {"a": {"b": [{}]}}],
    "sets": [set(), {1, 2, 3}, frozenset(), frozenset({"a"})],
    "long": [list(range(1100)), {index: str(index) for index in range(1100)}],
}
for name, value in PLAIN.items():
    for protocol in range(6):
        if protocol < {"raw": 3, "bytes": 5, "sets": 4}.get(name, 0):
            continue  # these are calls of globals there, see below
        keep(f"{name}-{protocol}", pickle.dumps(value, protocol), text(value))

for protocol in range(6):
    big = [2**64, -(2**64), 2**2100]
    parts = ",".join(f"big:{value:x}" for value in big)
    keep(f"big-{protocol}", pickle.dumps(big, protocol), f"[{parts}]")
    shared = [1, 2]
    keep(f"shared-{protocol}", pickle.dumps([shared, shared], protocol), "[[1,2],@1]")
    recursive = []
    recursive.append(recursive)
    keep(f"recursive-{protocol}", pickle.dumps(recursive, protocol), "[@0]")

# longer than a frame: it lies between two of them
keep("between-frames-4", pickle.dumps(["n" * 70_000, "after"], 4), f"[{text('n' * 70_000)},{text('after')}]")
stamp = datetime.datetime(2024, 6, 7, 1, 2, 3, 4)
state = text(stamp.__reduce_ex__(4)[1])
keep("datetime-5", pickle.dumps(stamp, 5), f"datetime datetime{state}")
keep("decimal-5", pickle.dumps(decimal.Decimal("1.50"), 5), f"decimal Decimal({text('1.50')})")
keep("fraction-2", pickle.dumps(fractions.Fraction(1, 3), 2), "fractions Fraction" + text(fractions.Fraction(1, 3).__reduce__()[1]))
keep("complex-0", pickle.dumps(1 + 2j, 0), f"__builtin__ complex({text(1.0)},{text(2.0)})")
keep("range-4", pickle.dumps(range(1, 9, 2), 4), "builtins range(1,9,2)")
keep("deque-5", pickle.dumps(collections.deque([1, 2]), 5), "collections deque()items[1,2]")
keep("ordered-5", pickle.dumps(collections.OrderedDict(a=1, b=[2]), 5), f"collections OrderedDict()entries{{{text('a')}=1,{text('b')}=[2]}}")
identity = uuid.UUID(int=2**100)
keep("uuid-5", pickle.dumps(identity, 5), f"new uuid UUID()state({text('int')}" .replace("(s:", "{s:") + f"=big:{2**100:x}}}")
keep("builtin-0", pickle.dumps(print, 0), "__builtin__ print")
keep("builtin-5", pickle.dumps(print, 5), "builtins print")

buffers = []
data = pickle.dumps([pickle.PickleBuffer(bytearray(b"one")), pickle.PickleBuffer(b"two"), "x"], 5, buffer_callback=buffers.append)
keep("buffers-5", data, f"[buffer 0,readonly 1,{text('x')}]", len(buffers))


class Persistent(pickle.Pickler):
    def persistent_id(self, value):
        return "id-7" if value == "external" else None


for protocol in (0, 5):
    stream = io.BytesIO()
    Persistent(stream, protocol).dump(["external", "internal"])
    keep(f"persistent-{protocol}", stream.getvalue(), f"[persistent {text('id-7')},{text('internal')}]")

# opcodes that CPython 3 reads and does not write, assembled by hand and checked against its own reader where it has the class
U32 = lambda value: struct.pack("<I", value)
U64 = lambda value: struct.pack("<Q", value)
BY_HAND = {
    "old-strings": (b"(S'a\\x00\\n'\nT\x02\x00\x00\x00bcU\x01dl.", "[old:61000a,old:6263,old:64]"),
    "old-longs": (b"(L5L\nL-12\nI00\nI01\nI7\n\x8a\x00\x8a\x01\xff\x8b\x02\x00\x00\x00\x00\x80l.", "[5,-12,False,True,7,0,-1,-32768]"),
    "old-float": (b"F-1.5\n.", text(-1.5)),
    "old-unicode": (b"V\\u20ac\xe9\\U0001f600\n.", text("€é😀")),
    "dict-of-mark": (b"(K\x01K\x02d.", "{1=2}"),
    "stack": (b"K\x01(K\x02K\x031K\x04200(0.", "1"),
    "dup": (b"]2\x86.", "([],@1)"),
    "get-put": (b"]p0\n0g0\nq\x010h\x01r\x02\x00\x00\x000j\x02\x00\x00\x00.", "[]"),
    "inst": (b"(K\x01K\x02ishop\nOrder\n.", "instance shop Order(1,2)"),
    "obj": (b"(cshop\nOrder\nK\x01o}b.", "instance shop Order(1)state{}"),
    "newobj-ex": (b"cshop\nOrder\nK\x01\x85}X\x01\x00\x00\x00aK\x02s\x92.", f"new shop Order(1)**{{{text('a')}=2}}"),
    "long-forms": (
        b"(B" + U32(1) + b"x\x8e" + U64(1) + b"y\x8d" + U64(1) + b"z\x96" + U64(1) + b"wC\x01vl.",
        f"[b:78,b:79,{text('z')},ba:77,b:76]",
    ),
    "frames": (b"\x80\x04\x95" + U64(3) + b"]\x94(\x95" + U64(5) + b"K\x01K\x02eK\x03a.", "[1,2,3]"),
    "readonly-bytes": (b"C\x01a\x98.", "b:61"),
    "append-set": (b"\x8f(K\x01K\x02\x90.", "set<1,2>"),
    "frozenset": (b"(K\x01K\x02\x91.", "frozenset<1,2>"),
}
for name, (data, expected) in BY_HAND.items():
    keep("hand-" + name, data, expected)
for name in ("hand-stack", "hand-dup", "hand-dict-of-mark", "hand-frames", "hand-append-set", "hand-old-float"):
    pickle.loads((folder / f"{name}.pickle").read_bytes())

every = {opcode.name for opcode in pickletools.opcodes} - {"EXT1", "EXT2", "EXT4"}
assert seen == every, (every - seen, seen - every)

rng = random.Random(5)


def value(depth):
    kind = rng.randrange(10 if depth else 6)
    if kind == 0:
        return rng.choice([None, True, False])
    if kind == 1:
        return rng.choice([0, 1, -1, rng.getrandbits(rng.randrange(1, 64)), -rng.getrandbits(rng.randrange(1, 63)), rng.getrandbits(200) | 2**199])
    if kind == 2:
        return rng.uniform(-1e9, 1e9)
    if kind in (3, 4):
        return "".join(chr(rng.choice([rng.randrange(0x80), 0xE9, 0x20AC, 0x1F600])) for _ in range(rng.randrange(9)))
    if kind == 5:
        return rng.randrange(300)
    if kind == 6:
        return tuple(value(depth - 1) for _ in range(rng.randrange(5)))
    if kind in (7, 8):
        return [value(depth - 1) for _ in range(rng.randrange(6))]
    return {f"{rng.random():.3f}": value(depth - 1) for _ in range(rng.randrange(6))}


with (folder / "random.bin").open("wb") as stream:
    for number in range(240):
        made = [value(3) for _ in range(3)]
        # no two objects are one: what is shared has tests of its own
        data = pickle.dumps(made, number % 6)
        expected = text(made).encode()
        stream.write(struct.pack("<II", len(data), len(expected)) + data + expected)

(folder / "index.txt").write_text("\n".join(index) + "\n")
print(len(index), "pickles,", sum(path.stat().st_size for path in folder.iterdir()), "bytes")
