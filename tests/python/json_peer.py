"""The other end of the JSON tests: pyzmq's send_json and recv_json, and nothing else.

Receives from Rust and sends the same back, both as the value and as the bytes that Python makes of it; then sends random
values of its own, and expects the very bytes back that it would have sent.
"""

import math
import random
import struct
import sys

import zmq
from zmq.utils import jsonapi

socket = zmq.Context().socket(zmq.REQ)
socket.rcvtimeo = socket.sndtimeo = 60_000
socket.connect(sys.argv[1])
seed = int(sys.argv[2])
rounds = int(sys.argv[3])
rng = random.Random(seed)


def floating():
    kind = rng.randrange(6)
    if kind == 5:
        # few binary places: two texts may be equally near
        return (rng.getrandbits(53) >> (zeros := rng.randrange(53)) << zeros) * 2.0 ** rng.randrange(-60, 30)
    if kind == 0:
        return struct.unpack("<d", rng.randbytes(8))[0]
    if kind == 1:
        return rng.choice([0.0, -0.0, 1e16, 1e15, 1e-4, 1e-5, 5e-324, 1.7976931348623157e308, math.inf, -math.inf, math.nan])
    if kind == 2:
        return rng.uniform(-1, 1) * 10.0 ** rng.randrange(-25, 25)
    if kind == 3:
        return float(rng.randrange(-(10**17), 10**17))
    return round(rng.uniform(-1000, 1000), rng.randrange(6))


def text():
    planes = [(0, 0x80), (0, 0x20), (0x80, 0x800), (0x800, 0xD800), (0xE000, 0x10000), (0x10000, 0x110000)]
    return "".join(chr(rng.randrange(*rng.choice(planes))) for _ in range(rng.randrange(8)))


def value(depth):
    kind = rng.randrange(9 if depth else 6)
    if kind == 0:
        return rng.choice([None, True, False])
    if kind == 1:
        return rng.choice([0, 1, -1, 2**63 - 1, -(2**63), 2**64 - 1, rng.randrange(-(10**9), 10**9)])
    if kind in (2, 3):
        return floating()
    if kind in (4, 5):
        return text()
    if kind == 6:
        return {text(): value(depth - 1) for _ in range(rng.randrange(5))}
    return [value(depth - 1) for _ in range(rng.randrange(6))]


# Rust's value, through Python's eyes
socket.send_json({"ready": True})
received = socket.recv_json()
assert received["text"] == "é😀\x00\x7f\u2028\"\\/", received["text"]
assert received["floats"][:4] == [1e16, 1e-05, 1.0, -0.0], received["floats"]
assert math.copysign(1, received["floats"][3]) == -1
assert received["floats"][4:6] == [math.inf, -math.inf] and math.isnan(received["floats"][6])
assert received["wide"] == 2**127 - 1, received["wide"]
assert received["shape"] == {"Circle": {"radius": 0.5}}, received["shape"]
assert received["keys"] == {"-1": True, "20": False}, received["keys"]
assert list(received) == ["text", "floats", "wide", "shape", "keys", "bytes"], list(received)
assert bytes(received["bytes"]) == b"\x00\x7f\xff"

# what JSON has no word for: what pyzmq writes is read as what it is, and written as pyzmq writes it
odd = {
    "wide": [2**64, -(2**63) - 1, 2**127 - 1, -(2**127), 0, 2**70],
    "widest": 2**128 - 1,
    "integers": {-(2**127): True, -1: False, 2**64: True},
    "truths": {False: None, True: 1},
    "maybe": {None: [None], 0: [], 2**64 - 1: [None, None]},
    "nested": [{None: {0: 1e-7, 7: 1e22, 200: -0.0}, True: {}}, {}],
    "empty": [[], {}, ""],
    "text": {'"': "\\", "é": "😀"},
}
socket.send_json(odd)
answer = socket.recv()
assert answer == jsonapi.dumps(odd), answer
socket.send_json(True)
keys = {1.5: None, 1e16: None, math.nan: None, -math.inf: None, None: None, True: None, -1: None, "1": None}
answer = socket.recv()
assert answer == jsonapi.dumps(keys), answer

# Python's values: what comes back is what Python would have written
for index in range(rounds):
    sent = value(4)
    indent = rng.choice([None, None, 2])
    escaped = rng.random() < 0.5
    socket.send_json(sent, indent=indent, ensure_ascii=escaped)
    answer = socket.recv()
    expected = jsonapi.dumps(sent)
    assert answer == expected, f"seed {seed}, value {index}:\n{expected!r}\n{answer!r}"

# what only Python can say is refused, and the next message is not touched
for refused in (b'"\\ud800"', b"[1, 2", b"\xff\xfe1\x00", b"{1: 2}"):
    socket.send(refused)
    assert socket.recv_json().startswith("refused: the message is not the JSON"), refused
socket.send_json("the end")
assert socket.recv_json() == "the end"
socket.context.destroy(linger=60_000)
