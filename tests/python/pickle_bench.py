"""Writes the messages of benches/pickle.rs to a folder, and prints how long `pickle.loads` and `pickle.dumps` take: their best times,
in seconds."""

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
    "records": {f"key {index}": record(index) for index in range(100_000)},
    "list": [record(index) for index in range(100_000)],
    "floats": [index * 0.5 for index in range(1_000_000)],
}
for name, value in MESSAGES.items():
    data = pickle.dumps(value, protocol=5)
    (folder / name).write_bytes(data)
    print(name, best(9, lambda: pickle.loads(data)))
    print("dump", name, best(9, lambda: pickle.dumps(value, protocol=5)))

buffers = []
arrays = [numpy.full((128, 1024), index, "f8") for index in range(64)]
data = pickle.dumps(arrays, protocol=5, buffer_callback=buffers.append)
frames = [bytes(buffer.raw()) for buffer in buffers]
(folder / "arrays").write_bytes(data)
for index, frame in enumerate(frames):
    (folder / f"array{index}").write_bytes(frame)
print("arrays", best(99, lambda: pickle.loads(data, buffers=frames)))
print("dump arrays", best(99, lambda: pickle.dumps(arrays, protocol=5, buffer_callback=[].append)))
