"""Sends objects to `outband echo --format pickle` over real pyzmq, and compares what comes back; every third message is garbage.

    python tests/python/pickle_echo.py ENDPOINT
"""

import datetime
import pickle
import sys
import zoneinfo

import numpy
import pandas
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
    # most of them begin where libzmq has no room for their elements
    [part for at in range(1, 9) for part in (numpy.zeros(at, "i1"), numpy.arange(float(at)), numpy.arange(at).astype("M8[s]"))],
]


truth = pandas.DataFrame({"a": [True, False], "b": [0.5, 1.5], "c": [False, False]})
truth["d"] = ~truth["a"]  # in a block of its own
levels = pandas.MultiIndex.from_product([["a", "b"], [1.5, 2.5]], names=["one", None])
of_times = pandas.MultiIndex.from_product([["a", "b"], pandas.date_range("2024-01-01", periods=2), range(1)])
#: They come back in as many buffers as Python made.
FRAMES = [
    pandas.DataFrame({"id": [1, 2, 3], "name": ["a", "søppel", ""]}),
    pandas.DataFrame(numpy.arange(6).reshape(2, 3).T, columns=["a", "b"]),
    pandas.DataFrame({"a": [0.5, 1.5], "b": [1, 2], "c": [2.5, -0.0], "d": [3, 4], "e": [True, False]}),
    truth,
    truth[::2],
    pandas.DataFrame(numpy.arange(12.0).reshape(2, 6).T, columns=["a", "b"])[1:],
    pandas.DataFrame({"when": pandas.date_range("2024-01-01", periods=2), "span": pandas.to_timedelta([1, None], "s")}),
    pandas.DataFrame({"when": pandas.date_range("2024-01-01", periods=2, tz="Europe/Oslo"), "a": [1, 2]}),
    pandas.DataFrame({"m": pandas.array([1, None], "Int8"), "n": pandas.array([True, None], "boolean"), "f": [0.5, 1.5]}),
    pandas.DataFrame({"n": [1, 2, 3, 4]}, index=levels),
    pandas.DataFrame({"n": [1, 2, 3, 4]}, index=of_times),
    pandas.DataFrame([[1, 2, 3, 4]], columns=levels),
    pandas.DataFrame([[1, 2.5]], columns=[10, 20]),
    pandas.Series([True, False], name="truth"),
    pandas.Series([0.5, 1.5], index=["x", "y"], name="volts"),
]


oslo, nanoseconds = zoneinfo.ZoneInfo("Europe/Oslo"), "2024-01-01T01:02:03.000000001"
moment = datetime.datetime(2024, 7, 1, 1, 2, 3, 4)
#: What comes back as something else, or is equal to it.
OTHERS = [
    (pandas.Timestamp(moment), moment),
    (pandas.Timestamp(moment, tz="Europe/Oslo"), moment.replace(tzinfo=oslo)),
    (pandas.Timestamp(moment, tz="UTC").as_unit("ns"), moment.replace(tzinfo=datetime.timezone.utc)),
    (pandas.Timestamp(nanoseconds), nanoseconds),
    (pandas.Timedelta(hours=-1.5), datetime.timedelta(hours=-1.5)),
    ([pandas.NaT, pandas.NA], [None, None]),
    (moment.replace(tzinfo=oslo), moment.replace(tzinfo=oslo)),
    (datetime.time(1, 2, tzinfo=oslo), datetime.time(1, 2, tzinfo=oslo)),
    (oslo, oslo),
    ([numpy.dtype("f4"), numpy.dtype(">M8[ns]"), numpy.dtype("U3")], ["<f4", ">M8[ns]", "<U3"]),
]
records = numpy.rec.array([(1, 2.5), (3, 4.5)], dtype=[("a", "i4"), ("b", "f8")])


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
        for protocol in range(6):
            for value, expected in OTHERS:
                socket.send_pyobj(value, protocol=protocol)
                back = socket.recv_pyobj()
                assert back == expected, (back, expected)
                if isinstance(expected, (datetime.datetime, datetime.time)) and not isinstance(value, pandas.Timestamp):
                    assert back.tzinfo is expected.tzinfo
            socket.send_pyobj(records, protocol=protocol)
            back = socket.recv_pyobj()
            assert type(back) is numpy.ndarray and back.dtype == records.dtype.descr and back.tolist() == records.tolist()
        frame = FRAMES[0].set_index(pandas.date_range("2024-01-01", periods=3))
        socket.send_pyobj({"at": frame.index[-1], "frame": frame})
        back = socket.recv_pyobj()
        assert back["at"] == frame.index[-1]
        pandas.testing.assert_frame_equal(back["frame"], frame, check_freq=False)
        for value in FRAMES:
            buffers = []
            data = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
            socket.send_multipart([data, *buffers], copy=False)
            answer, *frames = socket.recv_multipart(copy=False)
            back = pickle.loads(answer, buffers=frames)
            check = pandas.testing.assert_series_equal if back.ndim == 1 else pandas.testing.assert_frame_equal
            check(back, value, check_freq=False)
            assert len(frames) == len(buffers), (value, len(frames), len(buffers))
            socket.send_pyobj(value)
            assert socket.recv_pyobj().equals(value)
        garbage(socket, b"cos\nsystem\n(S'echo run'\ntR.")


if __name__ == "__main__":
    main(sys.argv[1])
