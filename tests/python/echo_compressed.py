"""Sends objects with compressed buffers to `outband echo` by the Python package, and compares what comes back, frame by frame.

    python tests/python/echo_compressed.py ENDPOINT

Prints how many frames came back compressed.
"""

import pathlib
import sys

import msgpack
import numpy
import pandas
import pyarrow
import zmq

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python"))

import outband

telemetry = numpy.arange(20_000, dtype="i8") // 3
words = pandas.Categorical([f"word {row % 1000:04}" for row in range(20_000)])
OBJECTS = [
    b"text " * 5000,
    {"raw": bytes(50_000), "noise": numpy.random.default_rng(7).bytes(20_000), "short": b"short", "n": [1, 2.5, None]},
    [telemetry, telemetry, telemetry[:5000], telemetry.reshape(100, 200).T, numpy.zeros((300, 400), "f4")],
    {"table": pyarrow.table({"n": telemetry, "text": [f"row {row}" for row in telemetry], "some": [None, 1] * 10_000})},
    {"frame": pandas.DataFrame({"when": pandas.date_range("2024-01-01", periods=20_000, freq="s"), "word": words})},
]


def compressed(metadata):
    """How many references to compressed frames there are."""
    found = 0

    def reference(kind, payload):
        nonlocal found
        found += kind == 0x42 and len(msgpack.unpackb(payload)) == 5

    msgpack.unpackb(metadata, ext_hook=reference, strict_map_key=False)
    return found


context = zmq.Context()
request = context.socket(zmq.REQ)
request.linger, request.rcvtimeo, request.sndtimeo = 0, 60_000, 60_000
request.connect(sys.argv[1])
counts = {}
for encoding in ["zlib", "lz4", "zstd", "blosc2"]:
    for out_of_band_from in [outband.OUT_OF_BAND_FROM, 1]:
        for obj in OBJECTS:
            frames = [bytes(frame) for frame in outband.dumps(obj, compression=encoding, out_of_band_from=out_of_band_from)]
            request.send_multipart(frames)
            back = request.recv_multipart()
            assert back == frames, (encoding, out_of_band_from, [len(frame) for frame in frames], [len(frame) for frame in back])
            counts[encoding] = counts.get(encoding, 0) + compressed(back[0])
print(min(counts.values()), flush=True)
