"""Compares arrays that Rust sends with NumPy's own, then sends NumPy's, on our wire and as the pyzmq documentation does."""

import sys

import numpy
import numpy as np
import zmq
from outband_array import from_wire, to_wire
from outband_wire import receive, send

NUMBERS = "i2 i4 i8 u2 u4 u8 f2 f4 f8 c8 c16 M8[ns] M8[25us] M8[D] M8 m8[ns] m8[7h]".split()


def cases():
    """The arrays by name; tests/array_python.rs has the same."""
    made = {}
    for code in ["|b1", "|i1", "|u1"] + [order + number for number in NUMBERS for order in "<>"]:
        dtype = np.dtype(code)
        time = dtype.kind in "Mm"
        numbers = np.arange(6).astype(code[0] + "i8" if time else dtype)
        numbers = numbers.view(dtype) if time else numbers
        made[f"{code} C"] = numbers.reshape(2, 3)
        made[f"{code} F"] = numbers.reshape((2, 3), order="F")
    made["|S3"] = np.array([b"a", b"bc", b"def"])
    made["<U3"] = np.array(["a", "ßc", "語🦀x"], "<U3")
    made[">U3"] = made["<U3"].astype(">U3")
    made["|V2"] = np.frombuffer(b"\x01\x02\x03\x00", "V2")
    made["number"] = np.array(1.5)
    made["empty"] = np.zeros((3, 0), "f4")
    made["cube F"] = np.arange(24, dtype="i2").reshape((2, 3, 4), order="F")
    inner = np.dtype([("x", "<f4"), ("y", ">f4")])
    outer = np.dtype(
        {
            "names": ["id", "at", "name"],
            "formats": ["u1", (inner, (2,)), "<U2"],
            "offsets": [0, 4, 20],
            "titles": ["the id", None, None],
            "itemsize": 32,
        }
    )
    record = np.zeros(2, outer)
    record["id"] = [7, 8]
    record["at"]["x"] = [[1, 2], [3, 4]]
    record["at"]["y"] = [[5, 6], [7, 8]]
    record["name"] = ["ab", "語"]
    made["record"] = record
    made["packed"] = np.array([(1, 2.5), (3, 4.5)], [("it's", "<i4"), ("b", ">f8")])
    return made


def same(name, actual, expected):
    assert actual.dtype == expected.dtype, (name, actual.dtype, expected.dtype)
    assert actual.shape == expected.shape, (name, actual.shape)
    for flag in ["c_contiguous", "f_contiguous"]:
        assert getattr(actual.flags, flag) == getattr(expected.flags, flag), (name, actual.flags)
    np.testing.assert_array_equal(actual, expected, err_msg=name)


# ----- the functions of https://pyzmq.readthedocs.io/en/latest/howto/serialization.html, as they are there -----
def send_array(socket, A, flags=0, copy=True, track=False):
    """send a numpy array with metadata"""
    md = dict(
        dtype=str(A.dtype),
        shape=A.shape,
    )
    socket.send_json(md, flags | zmq.SNDMORE)
    return socket.send(A, flags, copy=copy, track=track)


def recv_array(socket, flags=0, copy=True, track=False):
    """recv a numpy array"""
    md = socket.recv_json(flags=flags)
    msg = socket.recv(flags=flags, copy=copy, track=track)
    buf = memoryview(msg)
    A = numpy.frombuffer(buf, dtype=md["dtype"])
    return A.reshape(md["shape"])


# ----------------------------------------------------------------------------------------------------------------


def main():
    socket = zmq.Context().socket(zmq.PAIR)
    socket.rcvtimeo = socket.sndtimeo = 60_000
    print(socket.bind_to_random_port("tcp://127.0.0.1"), flush=True)
    made = cases()

    # our wire, there and back
    for _out_of_band in (False, True):
        received = receive(socket)
        assert sorted(received) == sorted([*made, "repeated", "bfloat16"]), sorted(received)
        repeated = from_wire(received.pop("repeated"))
        assert repeated.strides == (0, 8), repeated.strides
        np.testing.assert_array_equal(repeated, np.broadcast_to(np.arange(3.0), (1000, 3)))
        brain = received.pop("bfloat16")
        assert brain["$array"] == "bfloat16"
        upper = np.ndarray(brain["shape"], "<u2", brain["data"]).astype("u4") << 16
        np.testing.assert_array_equal(upper.view("f4"), np.array([0, 1, -2.5], "f4"))
        for name, value in received.items():
            same(name, from_wire(value), made[name])
    frames = []
    send(socket, {name: to_wire(array, frames) for name, array in made.items()}, *frames)

    # the documentation's way
    for name in socket.recv_json():
        same(name, recv_array(socket), np.ascontiguousarray(made[name]).reshape(made[name].shape))
    large = recv_array(socket, copy=False)
    same("large", large, np.arange(100_000.0).reshape(100, 1000))
    # NumPy lends no memory of points in time, and pyzmq sends the memory of Fortran order as it lies
    able = {name: array for name, array in made.items() if array.dtype.kind not in "mM" and array.flags.c_contiguous}
    socket.send_json(list(able))
    for copy in (True, False):
        for array in able.values():
            send_array(socket, array, copy=copy)
        send_array(socket, large, copy=copy)
    assert socket.recv() == b"done"
    socket.context.destroy(linger=60_000)


main()
sys.exit(0)
