"""Writes the messages of benches/pickle to a folder, and times Python on them.

It prints a line when the messages are there. Then each line it reads is what to do, "loads NAME", "dumps NAME" or "collects NAME", which
is "loads NAME" with the collector on as it is by default, and is answered by the seconds that doing it once took: the bench has both
sides take turns.
"""

import gc
import pickle
import sys
import time
from pathlib import Path

import numpy

folder = Path(sys.argv[1])


def seconds(run):
    start = time.perf_counter()
    result = run()
    end = time.perf_counter()
    del result
    return end - start


def record(index):
    return {"id": index, "name": f"name {index}", "price": index * 0.25, "live": index % 3 == 0}


gc.disable()  # Python at its best
MESSAGES = {
    "values": {f"key {index}": index * 7 for index in range(100_000)},
    "records": {f"key {index}": record(index) for index in range(100_000)},
    "list": [record(index) for index in range(100_000)],
    "floats": [index * 0.5 for index in range(1_000_000)],
}
runs = {}
for name, value in MESSAGES.items():
    data = pickle.dumps(value, protocol=5)
    (folder / name).write_bytes(data)
    runs[f"loads {name}"] = runs[f"collects {name}"] = lambda data=data: pickle.loads(data)
    runs[f"dumps {name}"] = lambda value=value: pickle.dumps(value, protocol=5)


def dump(value):
    buffers = []
    data = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    return [data, *[buffer.raw() for buffer in buffers]]


arrays = [numpy.full((128, 1024), index, "f8") for index in range(64)]
data, *frames = [bytes(frame) for frame in dump(arrays)]
(folder / "arrays").write_bytes(data)
for index, frame in enumerate(frames):
    (folder / f"array{index}").write_bytes(frame)
runs["loads arrays"] = lambda: pickle.loads(data, buffers=frames)
runs["dumps arrays"] = lambda: dump(arrays)

gc.freeze()  # a collection looks at nothing of the above
print("written", flush=True)
for line in sys.stdin:
    if line.startswith("collects"):
        gc.enable()
    print(seconds(runs[line.strip()]), flush=True)
    gc.disable()
