"""Why an object could not be encoded or decoded. The class says who is to blame, as ``Error::kind`` does in Rust."""


class Error(Exception):
    """What this package raises; sockets raise ``zmq.ZMQError`` as ever."""


class CallerError(Error):
    """The calling program: a value that cannot be encoded, a package that is not installed."""


class PeerError(Error):
    """The other side, or whoever forwarded its message: what arrived is not a well-formed message."""


class LimitError(Error):
    """A limit of :class:`Limits` was met; the text names the limit and its value."""
