"""Why an object could not be encoded or decoded. The class says who is to blame, as ``Error::kind`` does in Rust."""


from __future__ import annotations

import re
from importlib import import_module
from typing import Any

#: What ends a line, acts on a terminal, turns text around or hides: as in Rust.
_ACTING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]")


class Error(Exception):
    """What this package raises; sockets raise ``zmq.ZMQError`` as ever. A peer's names and texts are escaped in it."""

    def __init__(self, text: str) -> None:
        super().__init__(_ACTING.sub(lambda char: char[0].encode("unicode_escape").decode(), text))


class CallerError(Error):
    """The calling program: a value that cannot be encoded, a package that is not installed."""


class PeerError(Error):
    """The other side, or whoever forwarded its message: what arrived is not a well-formed message."""


class LimitError(Error):
    """A limit of :class:`Limits` was met; the text names the limit and its value."""


def package(name: str) -> Any:
    """A package that only some messages need."""
    try:
        return import_module(name)
    except ImportError as error:
        raise CallerError(f"this message takes the package {name.split('.')[0]}, which is not installed") from error
