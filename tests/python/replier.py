"""Answers Rust: reads each object, and sends back what it found in it and the buffers reversed."""

import sys

import zmq
from outband_wire import receive, reference, send

socket = zmq.Context().socket(zmq.REP)
socket.rcvtimeo = socket.sndtimeo = 60_000
print(socket.bind_to_random_port("tcp://127.0.0.1"), flush=True)

for checked in (True, False):
    value = receive(socket)
    assert list(value) == ["name", "id", "small", "pixels", "rows", "nothing"], list(value)
    assert isinstance(value["small"], bytes), "an in-band buffer is plain bin"
    assert isinstance(value["pixels"], memoryview), "an out-of-band buffer is a view of its frame"
    assert value["rows"][0] is not None and value["nothing"] is None
    first, second = value["rows"]
    assert bytes(first) == bytes(second), "one frame, two references"
    pixels = bytes(reversed(value["pixels"]))
    answer = {
        "name": value["name"].upper(),
        "sum": sum(value["pixels"]) + sum(value["small"]),
        "floats": list(first.cast("d")[:3]),
        "pixels": reference(0, pixels, checked),
        "again": [reference(0, pixels, checked), reference(1, b"tail", checked)],
    }
    send(socket, answer, pixels, b"tail")

# what a careless peer might send: a frame too few, too many, swapped, cut short
receive(socket)
send(socket, reference(0, b"lost"))
receive(socket)
send(socket, reference(0, b"used"), b"used", b"unused")
receive(socket)
send(socket, [reference(0, b"one"), reference(1, b"two")], b"two", b"one")
receive(socket)
send(socket, reference(0, b"whole"), b"who")
receive(socket)
send(socket, "the socket still works")
socket.context.destroy(linger=60_000)
sys.exit(0)
