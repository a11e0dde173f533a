"""Compares arrays that Rust sends with NumPy's own, then sends NumPy's, on our wire and as the pyzmq documentation does.

With the argument `strided`: sends views of every layout with the package `outband`, and wants them back.
"""

import pathlib
import sys

import numpy
import numpy as np
import zmq
from outband_array import from_wire, to_wire
from outband_wire import receive, send

NUMBERS = "i2 i4 i8 u2 u4 u8 f2 f4 f8 c8 c16 M8[ns] M8[25us] M8[D] M8 m8[ns] m8[7h]".split()


def cases():
    """The arrays by name; tests/peers/array.rs has the same."""
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
    made["cube turned"] = np.arange(24, dtype="i2").reshape((2, 3, 4)).transpose(2, 0, 1)
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


def views(cube):
    """Views of an array of three axes that do not lie in memory one element after the other, or not in this order."""
    flat = cube.reshape(-1)
    views = {
        "reversed": flat[::-1],
        "first axis reversed": cube[::-1],
        "all axes reversed": cube[::-1, ::-1, ::-1],
        "every third": flat[::3],
        "every third, backwards": flat[-2::-3],
        "within": cube[3:7, 1:-1, ::2],
        "column": cube[:, 2, :],
        "transposed": cube.T,
        "axes moved": cube.transpose(1, 0, 2),
        "transposed part": cube[::2].T[::-1],
        "diagonal": cube[:, :20].diagonal(),
        "overlapping": np.lib.stride_tricks.sliding_window_view(flat[:500], 60),
        "broadcast rows": np.broadcast_to(cube[0, 0], (500, 40)),
        "broadcast columns": np.broadcast_to(cube[0, :, :1], (30, 700)),
        "broadcast within": np.broadcast_to(cube[:, :1, ::-1], (20, 50, 40)),
        "broadcast number": np.broadcast_to(cube[1, 2, 3:4], (90, 90)),
        "no elements": cube[:, 5:5, ::-1],
    }
    if cube.dtype.names:
        views |= {f"field {name}": cube[name] for name in cube.dtype.names}
    if cube.dtype.kind == "c":
        views |= {"real": cube.real, "imaginary": cube.imag[::-1]}
    return views


def strided(socket):
    """Sends views of every layout, each with the memory it is a view of and with NumPy's copy in C order."""
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python"))
    import outband

    record = np.dtype([("id", "u1"), ("volts", ">f8"), ("at", "<i2", (2,))])
    for dtype in ["|b1", "|i1", "<i4", ">f8", "<f2", "<c16", ">M8[ms]", "<m8[7h]", "|S3", "<U2", "|V5", record]:
        dtype = np.dtype(dtype)
        memory = np.random.default_rng(7).integers(0, 128, 24_000 * dtype.itemsize, "u1")
        if dtype.kind in "bU":
            memory.view(f"u{min(dtype.itemsize, 4)}")[:] %= 2 if dtype.kind == "b" else 0xD800
        cube = memory.view(dtype).reshape(20, 30, 40)
        made = views(cube)
        told = {
            name: {
                "array": view,
                "elements": view.tobytes(),
                "shape": view.shape,
                "strides": view.strides,
                "offset": view.ctypes.data - cube.ctypes.data if view.size else 0,
            }
            for name, view in made.items()
        }
        outband.send_obj(socket, {"memory": memory.tobytes(), "views": told})
        for back in [outband.recv_obj(socket), outband.recv_obj(socket)]:
            assert list(back) == sorted(made), list(back)
            for name, view in made.items():
                assert back[name].dtype == view.dtype and back[name].shape == view.shape, name
                assert back[name].tobytes() == view.tobytes(), (dtype, name)
    socket.send(b"done")


def main():
    socket = zmq.Context().socket(zmq.PAIR)
    socket.rcvtimeo = socket.sndtimeo = 60_000
    print(socket.bind_to_random_port("tcp://127.0.0.1"), flush=True)
    if sys.argv[1:] == ["strided"]:
        strided(socket)
        socket.context.destroy(linger=60_000)
        return
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
        header, elements = socket.recv_multipart()
        expected = np.ascontiguousarray(made[name]).reshape(made[name].shape)
        # to the byte what send_json makes of it
        assert header == zmq.utils.jsonapi.dumps({"dtype": str(expected.dtype), "shape": expected.shape}), header
        assert elements == expected.tobytes(), name
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
    # records as people make them: a choice of fields, in any order, and a recarray; what str() says of these NumPy cannot read
    rows = np.array([(1, 2.5, b"x"), (3, 4.5, b"yz")], [("a", "<i4"), ("b", ">f8"), ("c", "S3")])
    nested = np.arange(24, dtype="u1").view([("a", ("u1", (2,)), (3,)), ("b", "u1"), ("c", ("<i2", (1, 2))), ("d", "u1")])
    odd = [nested, rows[["a", "c"]], rows[["c", "a"]], rows.view(np.recarray), rows[["b"]], np.zeros(2, [("s", "S0"), ("n", "u1")])]
    socket.send_json([{name: array.dtype.fields[name][1] for name in array.dtype.names} for array in odd])
    for array in odd:
        send_array(socket, array)
        socket.send(array.tobytes())
    assert socket.recv() == b"done"
    socket.context.destroy(linger=60_000)


main()
sys.exit(0)
