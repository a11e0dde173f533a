"""Sends objects to `outband echo --format pickle` over real pyzmq, and compares what comes back; every third message is garbage.

    python tests/python/pickle_echo.py ENDPOINT
"""

import pickle
import sys

import numpy
import zmq

OBJECTS = [
    None,
    {"text": "søppel", "list": [1, 2.5, -(2**40), 2**64 - 1, True, None, b"raw"], "nested": {1: {"deep": []}}},
    [{"id": index, "name": f"row {index}"} for index in range(2000)],
]
grid = numpy.arange(24, dtype=">f4").reshape(2, 3, 4)
ARRAYS = [
    {"grid": grid, "fortran": numpy.asfortranarray(grid), "none": numpy.zeros((0, 3)), "one": numpy.array(2.5)},
    [numpy.zeros(3, [("id", "<u4"), ("at", "<f8", (2,))]), numpy.array(["2024-01-01"], "M8[ns]")],
    [numpy.arange(10)[::2], numpy.zeros((0, 3)), numpy.zeros((3, 0)), numpy.array([b"one"])],
    numpy.arange(100_000),
]


def arrays_in(value):
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
    return list(values)


def same(value, expected):
    assert type(value) is type(expected)
    for back, array in zip(arrays_in(value), arrays_in(expected), strict=True):
        assert (back.dtype, back.shape, back.flags.fnc) == (array.dtype, array.shape, array.flags.fnc)
        numpy.testing.assert_array_equal(back, array)
        assert not back.flags.owndata


def garbage(socket, *frames):
    socket.send_multipart(frames)
    empty, text = socket.recv_multipart()
    assert empty == b"" and len(text) > 10, (empty, text)


def main(endpoint):
    with zmq.Context() as context, context.socket(zmq.REQ) as socket:
        socket.rcvtimeo = socket.sndtimeo = 60_000
        socket.linger = 0
        socket.connect(endpoint)
        for value in OBJECTS:
            for protocol in range(6):
                socket.send_pyobj(value, protocol=protocol)
                assert socket.recv_pyobj() == value
            garbage(socket, pickle.dumps(value)[:-1])
        for value in ARRAYS:
            socket.send_pyobj(value)
            same(socket.recv_pyobj(), value)
            buffers = []
            data = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
            socket.send_multipart([data, *buffers], copy=False)
            answer, *frames = socket.recv_multipart(copy=False)
            assert len(frames) == len(buffers)
            same(pickle.loads(answer, buffers=frames), value)
            garbage(socket, data, *buffers, b"one too many")
        garbage(socket, b"cos\nsystem\n(S'echo run'\ntR.")


if __name__ == "__main__":
    main(sys.argv[1])
