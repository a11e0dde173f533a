"""Asks Rust: builds messages by hand, without and with checks, and verifies the answers."""

import array
import sys

import msgpack
import zmq
from outband_wire import receive, reference, send

socket = zmq.Context().socket(zmq.REQ)
socket.rcvtimeo = socket.sndtimeo = 60_000
socket.connect(sys.argv[1])

samples = memoryview(array.array("d", [0.5 * index for index in range(5000)])).cast("B")
image = bytes(range(256)) * 400
for checked in (True, False):
    value = {
        "station": "north",
        "samples": reference(0, samples, checked),
        "images": [reference(1, image, checked), b"in band", reference(1, image, checked)],
        "extra": {"ignored": [1, 2.5, None, True]},
    }
    send(socket, value, samples, image)
    answer = receive(socket)
    assert answer["count"] == 5000, answer["count"]
    assert answer["total"] == sum(samples.cast("d")), answer["total"]
    assert [bytes(part) for part in answer["images"]] == [image, b"in band", image]

# the payload of a reference, byte by byte: an array of two numbers
assert reference(0, b"x" * 200, False) == msgpack.ExtType(0x42, b"\x92\x00\xcc\xc8")
socket.context.destroy(linger=60_000)
