"""What README and the chapters of the Rust crate show in Python, run as it stands there."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from typing import Any

import msgpack
import numpy as np
import pytest
import zmq

import outband

ROOT = pathlib.Path(__file__).parents[2]


def program(page: str, having: str) -> str:
    """The one Python program of a page that has this in it."""
    fences = (ROOT / page).read_text().split("```")[1::2]
    found = [fence.removeprefix("python\n") for fence in fences if fence.startswith("python\n") and having in fence]
    assert len(found) == 1, f"{len(found)} programs with {having!r} in {page}"
    return found[0]


def run(page: str, having: str, names: dict[str, Any]) -> dict[str, Any]:
    exec(compile(program(page, having), f"{page}: {having}", "exec"), names)
    return names


def test_the_reader_of_the_wire_reads_what_it_says() -> None:
    names: dict[str, Any] = {}
    run("docs/wire.md", "def check", names)
    run("docs/wire.md", "def decode", names)
    decode = names["decode"]
    pixels = b"ab" * 9000
    assert decode(outband.dumps({"pixels": pixels, "again": pixels})) == {"pixels": pixels, "again": pixels}
    run("docs/wire.md", "def array", names)
    array = np.arange(20_000.0).reshape(100, 200).T
    np.testing.assert_array_equal(names["array"](decode(outband.dumps(array))), array)
    with pytest.raises(ValueError, match="a compressed buffer, which this does not read"):
        decode(outband.dumps(pixels, compression="zlib"))
    with pytest.raises(ValueError, match="and there are 0 buffers"):
        decode(outband.dumps(pixels)[:1])
    with pytest.raises(ValueError, match="is not what"):
        decode([outband.dumps(pixels)[0], pixels[::-1]])
    with pytest.raises(ValueError, match="1 buffers are not referenced"):
        decode([*outband.dumps(pixels), b"more"])


@pytest.mark.parametrize("page", ["python/README.md", "docs/pipeline.md"])
def test_the_worker_works(page: str, tmp_path: pathlib.Path) -> None:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        router.rcvtimeo, router.linger = 30_000, 0
        place = f"tcp://127.0.0.1:{router.bind_to_random_port('tcp://127.0.0.1')}"
        (tmp_path / "worker.py").write_text(program(page, "Worker(").replace("tcp://127.0.0.1:5555", place))
        package = pathlib.Path(outband.__file__).parents[1]
        worker = subprocess.Popen([sys.executable, "-B", "worker.py"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(package)})
        try:
            peer, hello = router.recv_multipart()
            assert msgpack.unpackb(hello)[5] == 2, "a thread, and two tasks held"
            router.send_multipart([peer, msgpack.packb(["welcome", 1, 1, 5, 100, 20_000, None])])

            def answer(task: int, attempt: int, volts: list[float]) -> list[Any]:
                frames = outband.dumps({"volts": np.array(volts)})
                router.send_multipart([peer, msgpack.packb(["task", 1, [task, attempt, attempt, len(frames)]]), *frames])
                while True:
                    _, packed, *body = router.recv_multipart()
                    header = msgpack.unpackb(packed)
                    if header[0] in ("result", "nak"):
                        return [*header, *body]

            assert answer(7, 1, []) == ["nak", 5, 7, 1, "rejected", None, "task 7 has no volts"]
            *nak, reason = answer(8, 1, [1.0])
            assert nak == ["nak", 5, 8, 1, "failed", 500] and reason.startswith("attempt 1: ")
            (tmp_path / "gain.txt").write_text("2")
            *result, body = answer(8, 2, [1.0, 2.0])
            assert result == ["result", 5, [8, 2, 1]] and outband.loads([body]) == {"mean": 3.0}
            worker.terminate()
            while msgpack.unpackb(router.recv_multipart()[1])[0] != "bye":
                pass
            router.send_multipart([peer, msgpack.packb(["bye"])])
            assert worker.wait(30) == 0
        finally:
            worker.kill()
            worker.wait()


def test_the_first_program_runs() -> None:
    names = run("python/README.md", "outband.send_obj(push", {})
    assert names["reading"]["station"] == "north" and names["pull"].closed
    text = (ROOT / "python/README.md").read_text()
    install = text.index("pip install './python[arrays]'")
    assert install < text.index("```python"), "what installs NumPy stands before the program that takes it"
