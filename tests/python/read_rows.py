"""Every row of "What is read" in docs/python.md: each is sent, and what it decodes as and what comes back is what the row says.

    python tests/python/read_rows.py ENDPOINT PAGE
"""

import collections
import datetime
import decimal
import fractions
import io
import pathlib
import pickle
import sys
import tempfile
import uuid
import zoneinfo

import joblib
import ml_dtypes
import numpy as np
import pandas as pd
import pyarrow as pa
import zmq

utc, oslo = datetime.timezone.utc, zoneinfo.ZoneInfo("Europe/Oslo")
day = datetime.datetime(2026, 11, 27, 9, 0, 0, 250000)


class Allowed:
    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return type(other) is Allowed and other.x == self.x


def same(got, expected):
    if isinstance(expected, np.ndarray):
        assert type(got) is np.ndarray and got.dtype == expected.dtype and got.shape == expected.shape, (got, expected)
        assert got.flags.f_contiguous == expected.flags.f_contiguous
        np.testing.assert_array_equal(got, expected)
    elif isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(got, expected)
    else:
        assert type(got) is type(expected) and got == expected, f"{got!r} of {type(got)} is not {expected!r}"


class Talk:
    """Sends pickles, and compares the answers with what is expected."""

    def __init__(self, endpoint):
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.rcvtimeo = self.socket.sndtimeo = 60_000
        self.socket.linger = 0
        self.socket.connect(endpoint)

    def frames(self, data, buffers=()):
        self.socket.send_multipart([data, *buffers], copy=False)
        first, *rest = self.socket.recv_multipart(copy=False)
        assert bytes(first) != b"!", bytes(rest[0]).decode()
        return pickle.loads(first, buffers=rest)

    def refused(self, data):
        self.socket.send(data)
        first, text = self.socket.recv_multipart()
        assert first == b"!", "it is read"
        return text.decode()

    def __call__(self, value, decodes, *, back=..., protocols=range(6), **also):
        """`decodes` is JSON, or the word for what JSON has none for; `also` is what other types make of it."""
        ways = [lambda protocol=protocol: (pickle.dumps(value, protocol),) for protocol in protocols]
        for way in [*ways, lambda: out_of_band(value)]:
            form, others, got = self.frames(*way())
            assert form == decodes, f"{value!r} decodes as {form} and not as {decodes}"
            same(got, value if back is ... else back)
            for name, text in also.items():
                assert others[name] == text, f"{value!r} as {name} is {others[name]!r} and not {text}"


def out_of_band(value):
    buffers = []
    return pickle.dumps(value, 5, buffer_callback=buffers.append), buffers


def picklebuffer(talk):
    data = bytearray(b"x" * 20_000)
    form, others, got = talk.frames(*out_of_band(pickle.PickleBuffer(data)))
    assert (form, others["Buffer"]) == ("bytes", "20000") and bytes(got) == data


def sequences(talk):
    for kind in (list, tuple, set, frozenset, collections.deque):
        talk(kind([7]), "[7]")
    talk(collections.deque([1, 2], 2), "[1,2]", back=collections.deque([1, 2]))
    form, _, got = talk.frames(pickle.dumps(collections.deque([1], 5)))
    assert (form, got.maxlen) == ("[1]", None)


def maps(talk):
    for kind in (dict, collections.OrderedDict, collections.Counter):
        talk(kind({"a": 1}), '{"a":1}')
    talk(collections.defaultdict(list, {"a": 1}), '{"a":1}', back={"a": 1})


def dates(talk):
    talk(day, '"2026-11-27T09:00:00.250000"')
    talk(day.date(), '"2026-11-27"')
    talk(day.time(), '"09:00:00.250000"')
    talk(day.replace(microsecond=0, tzinfo=oslo), '"2026-11-27T09:00:00[Europe/Oslo]"')
    back = talk.frames(pickle.dumps(day.replace(fold=1)))[2]
    assert back == day and back.fold == 0
    form = talk.refused(pickle.dumps(day.replace(tzinfo=oslo, fold=1)))
    assert "fold" in form, form


def stamps(talk):
    talk(pd.Timestamp(day), f'"{day.isoformat()}"', back=day)
    nanos = "2026-11-27T09:00:00.000000005"
    talk(pd.Timestamp(nanos), f'"{nanos}"', back=nanos)
    form, _, back = talk.frames(pickle.dumps(pd.Timestamp(day, tz="Europe/Oslo")))
    assert form == '"2026-11-27T08:00:00.250000+00:00"' and back == day.replace(tzinfo=oslo)


def spans(talk):
    talk(pd.Timedelta(seconds=1.5), '"PT1.5S"', back=datetime.timedelta(seconds=1.5), f64="1.5")
    talk(pd.Timedelta(5, "ns"), '"PT0.000000005S"', back="PT0.000000005S", f64="5e-9")


def arrays_out_of_band(talk):
    arrays = [np.arange(5000.0), np.arange(6000, dtype=">i4").reshape(2, 3000), np.ones((60, 50), "c16").T]
    for array in [*arrays, np.asfortranarray(np.arange(20_000.0).reshape(100, 200))]:
        data, buffers = out_of_band(array)
        assert len(buffers) == 1
        form, _, back = talk.frames(data, buffers)
        assert form == "array" and not back.flags.owndata
        same(back, array)


def joblib_files(talk):
    file = io.BytesIO()
    joblib.dump({"weights": np.arange(10.0)}, file)
    form, _, back = talk.frames(file.getvalue())
    assert form == '{"weights":array}', form
    same(back["weights"], np.arange(10.0))


def strings(talk):
    texts = np.array(["a", "é"], np.dtypes.StringDType())
    talk(texts, '["a","é"]', back=["a", "é"], protocols=[5])
    missing = np.array(["a", None], np.dtypes.StringDType(na_object=None))
    talk(missing, '["a",null]', back=["a", None], protocols=[5])


def mapped(talk):
    with tempfile.TemporaryDirectory() as folder:
        array = np.memmap(pathlib.Path(folder) / "array", "f8", "w+", shape=(3000,))
        array[:] = np.arange(3000)
        talk(array, "array", back=np.arange(3000.0))


def scalars(talk):
    talk(np.float32(0.5), "0.5", back=0.5)
    talk(np.int64(-7), "-7", back=-7)
    talk(np.bool_(True), "true", back=True)
    talk(np.str_("é"), '"é"', back="é")
    talk(np.bytes_(b"b"), "bytes", back=b"b")
    talk(np.datetime64("2026-11-27"), "array", back=np.array("2026-11-27", "M8[D]"))
    record = np.zeros(1, [("a", "<i4")])[0]
    talk(record, "array", back=np.array(record))


def halves(talk):
    talk(np.arange(5000).astype(ml_dtypes.bfloat16), "array")
    talk(ml_dtypes.bfloat16(0.5), "0.5", back=0.5)


def tables(talk):
    frame = pd.DataFrame({"volts": np.arange(5000.0)})
    talk(frame, "table")
    series = pd.Series(np.arange(5.0), name="volts")
    for value in (series, pd.Index([1, 2]), pd.array([1, None], "Int64")):
        form, _, back = talk.frames(pickle.dumps(value))
        assert form == "table" and type(back) is type(value) and back.equals(value), (back, value)
    batch = pa.record_batch({"volts": [1.0]})
    for value in (pa.array([1, 2]), pa.chunked_array([[1], [2]]), batch, pa.table({"volts": [1.0]}), batch.schema):
        form, _, back = talk.frames(pickle.dumps(value))
        assert form == "table" and type(back) is type(value) and back == value, (back, value)


def each(*cases):
    return lambda talk: [talk(*case) for case in cases]


#: By the first column.
ROWS = {
    "`None`, `bool`, `float`, `str`": each((None, "null"), (True, "true"), (0.5, "0.5"), ("søt", '"søt"')),
    "`int`": lambda talk: [
        talk(7, "7", i128="7", f64="7.0"),
        talk(-(1 << 100), f'"{-(1 << 100)}"', i128=str(-(1 << 100)), u128="", f64="-1.2676506002282294e30"),
        talk((1 << 128) - 1, f'"{(1 << 128) - 1}"', u128=str((1 << 128) - 1)),
        talk(10**300, f'"{10**300}"', i128="", f64="1e300"),
    ],
    "`bytes`, `bytearray`": lambda talk: [talk(kind(b"abc" * 40), "bytes", Buffer="120") for kind in (bytes, bytearray)],
    "`PickleBuffer` out of band": picklebuffer,
    "`list`, `tuple`, `set`, `frozenset`, `collections.deque`": sequences,
    "`dict`, `OrderedDict`, `defaultdict`, `Counter`": maps,
    "`complex`": each((1 + 2j, "[1.0,2.0]")),
    "`range`, `slice`": lambda talk: [
        talk(range(1, 9, 2), '{"start":1,"stop":9,"step":2}', three="[1,9,2]"),
        talk(slice(None, 5), '{"start":null,"stop":5,"step":null}', three="[null,5,null]"),
    ],
    "`...`": each((..., '"Ellipsis"')),
    "`datetime`, `date`, `time`": dates,
    "`timedelta`": lambda talk: talk(datetime.timedelta(1, 0, 500_000), '"PT86400.5S"', f64="86400.5"),
    "`timezone`, `ZoneInfo`": each(
        (utc, '"UTC"'), (datetime.timezone(datetime.timedelta(hours=5, minutes=30)), '"+05:30"'), (oslo, '"Europe/Oslo"')
    ),
    "pandas `Timestamp`": stamps,
    "pandas `Timedelta`": spans,
    "pandas `NaT`, `NA`": lambda talk: [talk(value, "null", back=None) for value in (pd.NaT, pd.NA)],
    "`Decimal`": lambda talk: talk(decimal.Decimal("1.50"), '"1.50"', f64="1.5"),
    "`Fraction`": each((fractions.Fraction(1, 3), '"1/3"')),
    "`UUID`": each((uuid.UUID(int=5), '"00000000-0000-0000-0000-000000000005"')),
    "`pathlib` paths": lambda talk: [
        talk(pathlib.PurePosixPath("a/b"), '"a/b"'),
        talk(pathlib.PureWindowsPath("a/b"), r'"a\\b"'),
        talk(pathlib.PosixPath("a/b"), '"a/b"', back=pathlib.PurePosixPath("a/b")),
    ],
    "NumPy arrays out of band": arrays_out_of_band,
    "NumPy arrays in band": lambda talk: [talk(np.arange(5000.0), "array"), talk(np.ones((3, 2), "u1").T, "array")],
    "NumPy arrays in a file of `joblib.dump`": joblib_files,
    "NumPy arrays of `StringDType`, of one axis": strings,
    "NumPy `memmap`": mapped,
    "NumPy `recarray`": lambda talk: talk(
        np.rec.array([(1, 2.0)], [("a", "<i4"), ("b", "<f8")]), "array", back=np.array([(1, 2.0)], [("a", "<i4"), ("b", "<f8")])
    ),
    "NumPy `dtype` by itself, but those of records": lambda talk: [
        talk(np.dtype("<f8"), '"<f8"', back="<f8"),
        talk(np.dtype(ml_dtypes.bfloat16), '"bfloat16"', back="bfloat16"),
    ],
    "NumPy scalars": scalars,
    "arrays and scalars of `ml_dtypes.bfloat16`": halves,
    "pandas `DataFrame`, `Series`, `Index` and arrays; pyarrow arrays, record batches, tables and schemas": tables,
    "an instance of an allowed class": lambda talk: talk(Allowed(7), '{"$class":"__main__.Allowed","x":7}', protocols=range(2, 6)),
}


def main(endpoint, page):
    talk = Talk(endpoint)
    lines = iter(pathlib.Path(page).read_text().splitlines())
    rows = []
    for line in lines:
        if line.startswith("| Python | decodes as |"):
            next(lines)
            for row in lines:
                if not row.startswith("|"):
                    break
                rows.append(row.split("|")[1].strip())
    assert rows == list(ROWS), f"the page has {set(rows) - set(ROWS)} that are not tested, and not {set(ROWS) - set(rows)}"
    for row, check in ROWS.items():
        try:
            check(talk)
        except Exception as error:
            raise AssertionError(f"the row of {row}") from error
    talk.socket.send(b"")
    print(len(rows))


if __name__ == "__main__":
    main(*sys.argv[1:])
