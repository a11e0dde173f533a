"""Hashes files for the dispatcher of the Rust example ``pipeline_hash``, until SIGTERM.

    python pipeline_hash.py ENDPOINT [--pace MILLIS]

With a pace it takes so long for each file at least, and leaves something to watch.
"""

from __future__ import annotations

import argparse
import hashlib
import socket
import sys
import time
from typing import Any, Dict

import outband.pipeline
import zmq


def main() -> None:
    parser = argparse.ArgumentParser(description="Hashes files for the dispatcher of the example pipeline_hash.")
    parser.add_argument("endpoint")
    parser.add_argument("--pace", type=int, default=0, metavar="MILLIS")
    arguments = parser.parse_args()
    name, done = socket.gethostname(), 0

    def digest(task: outband.pipeline.Task) -> Dict[str, Any]:
        nonlocal done
        began = time.monotonic()
        content = task.value["content"]
        if content is None:
            raise outband.pipeline.Rejected("this worker hashes what it is sent, and not what lies elsewhere")
        result = {"sha256": hashlib.sha256(content).digest(), "worker": name}
        time.sleep(max(0.0, arguments.pace / 1000 - (time.monotonic() - began)))
        done += 1
        return result

    with zmq.Context() as context:
        outband.pipeline.Worker(context, arguments.endpoint, in_flight=4, name=name).run(digest)
    print(f"left after {done} files", file=sys.stderr)


if __name__ == "__main__":
    main()
