"""Dumps objects with NumPy arrays by joblib, and looks at what comes back as pickles.

    python tests/python/joblib_files.py PORT SEED
    python tests/python/joblib_files.py keep FILE

Each file goes out after its name and what it should be, as MessagePack of the default wire format, or `refused: ` and a part of the
reason. What comes back is what Rust read, as a pickle of its own.
"""

import io
import pathlib
import pickle
import random
import struct
import sys
import tempfile

import joblib
import msgpack
import numpy as np
import pandas as pd
import zmq

from pickled import array

folder = pathlib.Path(tempfile.mkdtemp())


def dumped(value, protocol=None, compress=0):
    path = folder / "dumped"
    joblib.dump(value, path, compress=compress, protocol=protocol)
    return path.read_bytes()


class Stream(io.RawIOBase):
    """A file that cannot say where it is."""

    def __init__(self):
        self.parts = []

    def writable(self):
        return True

    def write(self, part):
        self.parts.append(bytes(part))
        return len(part)


def streamed(value):
    stream = Stream()
    joblib.dump(value, stream)
    return b"".join(stream.parts)


def mapped():
    made = np.memmap(folder / "mapped", np.int32, "w+", shape=(2, 3))
    made[:] = np.arange(6).reshape(2, 3)
    return made


record = np.dtype([("id", "<u4"), ("at", "<f8", (2,)), ("name", "S3")])
grid = np.arange(6.0).reshape(2, 3)
ARRAYS = {
    "C order": grid,
    "Fortran order": np.asfortranarray(grid),
    "one row in both orders": np.zeros((1, 4)),
    "no axes": np.array(2.5),
    "no elements": np.zeros((0, 3), "i2"),
    "nothing in the middle": np.zeros((2, 0, 3), "f4"),
    "big-endian": np.arange(4, dtype=">i4"),
    "truth": np.array([True, False]),
    "halves": np.array([0.5, -2], "f2"),
    "complex": np.array([1 + 2j, -1j], "c8"),
    "bytes": np.array([b"one", b"three"]),
    "text": np.array(["en", "søppel €"]),
    "big-endian text": np.array(["ab", "c"], ">U2"),
    "days": np.array(["2024-02-29", "NaT"], "M8[D]"),
    "spans": np.array([1, -1], "m8[25us]"),
    "records": np.array([(1, (0.5, 1.5), b"abc"), (2, (2.5, 3.5), b"z")], record),
    "aligned records": np.zeros(2, np.dtype({"names": ["a", "b"], "formats": ["u1", "<i8"]}, align=True)),
    "every other element": np.arange(10)[::2],
    "backwards": np.arange(4)[::-1],
    "five axes": np.arange(16, dtype="u1").reshape(1, 2, 2, 2, 2),
}


def plain(value):
    """What it decodes to, in the default wire format."""
    if isinstance(value, np.ndarray):
        return array(np.asarray(value))
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return value


def cases():
    """Name, what was dumped, and the file."""
    for name, made in ARRAYS.items():
        for protocol in range(6):
            yield f"{name}, protocol {protocol}", made, dumped(made, protocol)
        yield f"{name} in a model", {"name": "fit", "weights": made}, dumped({"name": "fit", "weights": made})
        yield f"{name} in a stream", [made, 1], streamed([made, 1])
        yield f"{name} in a file of zlib", made, dumped(made, compress=("zlib", 3))
    if hasattr(np, "dtypes") and hasattr(np.dtypes, "StringDType"):
        yield "texts", [["a", "søppel"], 1], dumped([np.array(["a", "søppel"], np.dtypes.StringDType()), 1])
    twice = {"a": [grid, (grid, [grid])], "b": {"deep": [[[grid, np.array(1)]]]}, "c": "after"}
    yield "one array in four places", twice, dumped(twice)
    many = [np.full(at, at, "i8") for at in range(300)]
    yield "300 arrays", many, dumped(many)
    yield "a mapped file", mapped(), dumped(mapped())


def refused():
    """Name, a part of the reason, and the file."""
    objects = np.array(["a", None, 3], object)
    yield "objects", "Python objects", dumped(objects)
    yield "records with objects", "Python objects", dumped(np.zeros(2, [("a", "O"), ("b", "i4")]))
    yield "a matrix", "asks for matrix of numpy", dumped(np.asmatrix(grid))
    yield "long doubles", "longdouble", dumped(np.zeros(2, np.longdouble))
    for packing, name in {"gzip": "gzip", "bz2": "bzip2", "xz": "xz", "lzma": "lzma"}.items():
        yield f"a file of {packing}", f"begins as {name} data does", dumped(grid, compress=(packing, 3))
    yield "a file of zlib to who does not unzip", "Zipped::new(Pickle::new())", dumped(grid, compress=("zlib", 3))


def tables():
    """Data frames, whose blocks and labels are arrays."""
    numbers = pd.DataFrame(np.arange(12.0).reshape(4, 3), columns=list("abc"))
    yield "a frame of numbers", numbers
    mixed = numbers.assign(text=["one", None, "", "søppel"], whole=[1, 2, 3, 4], truth=[True, False, True, True])
    yield "a frame of several dtypes", mixed.set_index("whole")
    yield "a frame with categories and times", pd.DataFrame({
        "kind": pd.Categorical(["b", None, "a"]),
        "when": pd.to_datetime(["2024-01-01", None, "2023-01-01"]),
    })
    yield "a frame in Fortran order", pd.DataFrame(np.asfortranarray(np.arange(12).reshape(4, 3)), columns=list("xyz"))


DTYPES = "? i1 u1 <i2 >i2 <u2 <i4 >i4 <u4 >u4 <i8 >i8 <u8 <f2 <f4 >f4 <f8 >f8 <c8 >c16 S1 S7 <U3 >U2 <M8[ns] <m8[s] V5".split()


def some_array(rng):
    shape = [rng.choice([0, 1, 2, 3, 5, 17]) for _ in range(rng.randrange(5))]
    dtype = np.dtype(rng.choice(DTYPES))
    if rng.random() < 0.2:
        fields = [(f"field {at}", rng.choice(DTYPES)) for at in range(rng.randrange(1, 4))]
        dtype = np.dtype(fields)  # no gaps, whose bytes nobody copies
    if dtype.kind == "U" or dtype.names:
        made = np.zeros(shape, dtype)
    else:
        bytes_ = rng.randbytes(int(np.prod(shape)) * dtype.itemsize)
        made = np.frombuffer(bytes_, np.uint8).copy()
        if dtype.kind == "b":
            made %= 2
        made = made.view(dtype).reshape(shape)
    made = np.array(made, order=rng.choice("CF"))
    if made.ndim and rng.random() < 0.3:
        made = made[::-1]
    return made if rng.random() < 0.7 else made.T


def some_value(rng, depth):
    kind = rng.randrange(8 if depth else 5)
    if kind < 4:
        return some_array(rng)
    if kind == 4:
        return rng.choice([None, True, 7, 2.5, "text", b"bytes"])
    if kind == 5:
        return {f"key {at}": some_value(rng, depth - 1) for at in range(rng.randrange(4))}
    parts = [some_value(rng, depth - 1) for _ in range(rng.randrange(4))]
    return parts if kind == 6 else tuple(parts)


def same(back, made):
    if isinstance(made, np.ndarray):
        assert type(back) is np.ndarray, type(back)
        assert (back.dtype, back.shape) == (made.dtype, made.shape), (back.dtype, made.dtype, back.shape, made.shape)
        assert back.tobytes() == np.asarray(made).tobytes()
    elif isinstance(made, dict):
        assert list(back) == list(made)
        for key in made:
            same(back[key], made[key])
    elif isinstance(made, (list, tuple)):
        assert type(back) is type(made) and len(back) == len(made)
        for one, other in zip(back, made):
            same(one, other)
    else:
        assert back == made, (back, made)


def send(port, seed):
    socket = zmq.Context().socket(zmq.PAIR)
    socket.setsockopt(zmq.RCVTIMEO, 60_000)
    socket.connect(f"tcp://127.0.0.1:{port}")

    def exchange(name, expected, file):
        socket.send_multipart([name.encode(), expected, file])
        data, *buffers = socket.recv_multipart()
        return pickle.loads(data, buffers=buffers)

    for name, made, file in cases():
        same(exchange(name, msgpack.packb(plain(made)), file), made)
    for name, reason, file in refused():
        back = exchange(name, f"refused: {reason}".encode(), file)
        assert reason in back, (name, back)
    long = np.arange(100_000)
    same(exchange("long", msgpack.packb(plain({"weights": long})), dumped({"weights": long})), {"weights": long})
    for name, made in tables():
        for how in ["table", "table of zlib"]:
            file = dumped(made, compress=("zlib", 3) if how != "table" else 0)
            back = exchange(f"{how}: {name}", b"", file)
            pd.testing.assert_frame_equal(back, made, check_freq=False)
    rng = random.Random(int(seed))
    for number in range(400):
        made = some_value(rng, 3)
        protocol = rng.randrange(6)
        same(exchange(f"random {number} of {seed}", msgpack.packb(plain(made)), dumped(made, protocol)), made)
    socket.send_multipart([b"end", b"", b""])
    socket.context.destroy(linger=60_000)


def keep(path):
    """The short ones: a count of parts, then each part after its length (u32, little-endian)."""
    with open(path, "wb") as stream:
        for at, (name, made, file) in enumerate(cases()):
            # of the nine of each array two protocols
            is_chosen = ", protocol" not in name or at % 9 in (at // 9 % 6, 4)
            if is_chosen and not name.endswith(("zlib", "300 arrays")):
                parts = [name.encode(), msgpack.packb(plain(made)), file]
                stream.write(struct.pack("<I", len(parts)) + b"".join(struct.pack("<I", len(part)) + part for part in parts))


if __name__ == "__main__":
    keep(sys.argv[2]) if sys.argv[1] == "keep" else send(sys.argv[1], sys.argv[2])
