"""Writes the messages of benches/pickle to a folder, and prints how long Python takes for them: its best times, in seconds."""

import gc
import pickle
import sys
import time
from pathlib import Path

import numpy

folder = Path(sys.argv[1])


def best(rounds, run):
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        result = run()
        times.append(time.perf_counter() - start)
        del result
    return min(times)


def record(index):
    return {"id": index, "name": f"name {index}", "price": index * 0.25, "live": index % 3 == 0}


gc.disable()  # Python at its best
MESSAGES = {
    "values": {f"key {index}": index * 7 for index in range(100_000)},
    "records": {f"key {index}": record(index) for index in range(100_000)},
    "list": [record(index) for index in range(100_000)],
    "floats": [index * 0.5 for index in range(1_000_000)],
}
for name, value in MESSAGES.items():
    data = pickle.dumps(value, protocol=5)
    (folder / name).write_bytes(data)
    print("loads", name, best(9, lambda: pickle.loads(data)))
    print("dumps", name, best(9, lambda: pickle.dumps(value, protocol=5)))


def dump(value):
    buffers = []
    data = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    return [data, *[buffer.raw() for buffer in buffers]]


arrays = [numpy.full((128, 1024), index, "f8") for index in range(64)]
data, *frames = [bytes(frame) for frame in dump(arrays)]
(folder / "arrays").write_bytes(data)
for index, frame in enumerate(frames):
    (folder / f"array{index}").write_bytes(frame)
print("loads arrays", best(99, lambda: pickle.loads(data, buffers=frames)))
print("dumps arrays", best(99, lambda: dump(arrays)))
