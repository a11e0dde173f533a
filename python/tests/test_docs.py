"""What README and the chapters of the Rust crate show in Python, run as it stands there."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pytest

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
