"""Why an object could not be encoded or decoded. The class says who is to blame, as ``Error::kind`` does in Rust."""


from __future__ import annotations

from importlib import import_module
from typing import Any


class Error(Exception):
    """What this package raises; sockets raise ``zmq.ZMQError`` as ever."""


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
