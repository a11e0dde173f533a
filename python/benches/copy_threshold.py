"""Whether it is faster to hand the memory of an array to libzmq, or to copy it into a message: by its size.

    python python/benches/copy_threshold.py

pyzmq copies frames shorter than a socket's ``copy_threshold``, and has a thread that lets go of the others.
"""

from __future__ import annotations

import time

import numpy as np
import zmq

import outband

SIZES = [8193, 16 << 10, 32 << 10, (64 << 10) - 1, 128 << 10, 256 << 10, 1 << 20]
ROUNDS, MESSAGES = 15, 200


def main() -> None:
    with zmq.Context() as context:
        for place in ("tcp://127.0.0.1:*", "inproc://here"):
            print(f"{place.partition(':')[0]:8} {'copied':>10} {'as it lies':>10}   microseconds for an array sent and received")
            with context.socket(zmq.PULL) as pull, context.socket(zmq.PUSH) as push:
                pull.bind(place)
                push.connect(pull.last_endpoint.decode())
                for size in SIZES:
                    obj = {"array": np.zeros(size, "u1")}
                    best = {1 << 30: 1e9, 0: 1e9}
                    # in turn, so that what else the machine does meets both
                    for threshold in [1 << 30, 0] * ROUNDS:
                        push.copy_threshold = threshold
                        began = time.perf_counter()
                        for _ in range(MESSAGES):
                            outband.send_obj(push, obj)
                            outband.recv_obj(pull)
                        best[threshold] = min(best[threshold], (time.perf_counter() - began) / MESSAGES)
                    print(f"{size:8} {best[1 << 30] * 1e6:10.1f} {best[0] * 1e6:10.1f}", flush=True)


if __name__ == "__main__":
    main()
