"""Objects on pyzmq sockets. On a ``zmq.asyncio.Socket`` the same functions return awaitables: of a send a future, of a receive a
coroutine, which takes no message before it runs and loses none when it is cancelled.

A message is sent with ``copy=False``: libzmq reads the memory of arrays after the call has returned, so an array that was
sent is not to be written to until it is gone. Frames arrive without copying.

``flags`` are 0 or ``zmq.NOBLOCK``.
"""

from __future__ import annotations

from typing import Any, Callable, Collection, Union

import zmq
import zmq.asyncio

from . import _parts, _wire
from ._compression import SAFE
from ._errors import CallerError, PeerError
from ._limits import Limits

Socket = Union["zmq.Socket[Any]", zmq.asyncio.Socket]


def send_obj(
    socket: Socket,
    obj: Any,
    flags: int = 0,
    *,
    out_of_band_from: int = _wire.OUT_OF_BAND_FROM,
    compression: str | None = None,
    limits: Limits = Limits(),
) -> Any:
    """Sends an object; ``out_of_band_from``, ``compression`` and ``limits`` are those of :func:`dumps`."""
    frames = _wire.dumps(obj, out_of_band_from=out_of_band_from, compression=compression, limits=limits)
    return _send(socket, frames, flags)


def recv_obj(
    socket: Socket,
    flags: int = 0,
    *,
    limits: Limits = Limits(),
    encodings: Collection[str] = SAFE,
) -> Any:
    """Receives an object; ``limits`` and ``encodings`` are those of :func:`loads`."""
    return _then(socket, flags, _decoder(limits, encodings))


def publish_obj(
    socket: Socket,
    topic: Union[bytes, str],
    obj: Any,
    flags: int = 0,
    *,
    out_of_band_from: int = _wire.OUT_OF_BAND_FROM,
    compression: str | None = None,
    limits: Limits = Limits(),
) -> Any:
    """Publishes an object: the topic is the first frame, UTF-8 where it is text, which subscriptions match by prefix."""
    frames = _wire.dumps(obj, out_of_band_from=out_of_band_from, compression=compression, limits=limits)
    return _send(socket, [_name(topic, "topic"), *frames], flags)


def recv_topic_obj(
    socket: Socket,
    flags: int = 0,
    *,
    limits: Limits = Limits(),
    encodings: Collection[str] = SAFE,
) -> Any:
    """Receives a topic and an object."""
    decode = _decoder(limits, encodings)
    return _then(socket, flags, lambda frames: (bytes(frames[0]), decode(frames[1:])))


def send_obj_to(
    socket: Socket,
    peer: Union[bytes, str],
    obj: Any,
    flags: int = 0,
    *,
    out_of_band_from: int = _wire.OUT_OF_BAND_FROM,
    compression: str | None = None,
    limits: Limits = Limits(),
) -> Any:
    """Sends an object from a ROUTER to the DEALER of this routing id, and sets ``ZMQ_ROUTER_MANDATORY``: a peer that is not there
    is ``EHOSTUNREACH``, and one that is full is waited for."""
    frames = _wire.dumps(obj, out_of_band_from=out_of_band_from, compression=compression, limits=limits)
    name = _name(peer, "routing id")
    if socket.type != zmq.ROUTER:
        raise CallerError("only a ROUTER sends to a peer by its routing id")
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    return _send(socket, [name, *frames], flags)


def recv_obj_from(
    socket: Socket,
    flags: int = 0,
    *,
    limits: Limits = Limits(),
    encodings: Collection[str] = SAFE,
) -> Any:
    """Receives a routing id and an object on a ROUTER, with or without an empty delimiter between them."""
    decode = _decoder(limits, encodings)

    def split(frames: list[Any]) -> tuple[bytes, Any]:
        if len(frames) < 2:
            raise PeerError("the message has no routing id frame")
        start = 2 if len(frames) > 2 and not len(frames[1]) else 1
        return bytes(frames[0]), decode(frames[start:])

    return _then(socket, flags, split)


def _name(name: Union[bytes, str], what: str) -> bytes:
    """The frame for a topic or a routing id."""
    if isinstance(name, str):
        return name.encode()
    try:
        return bytes(memoryview(name))
    except TypeError as error:
        raise CallerError(f"a {what} is bytes or text, and this is of type {type(name).__name__}") from error


def _decoder(limits: Limits, encodings: Collection[str]) -> Callable[[list[Any]], Any]:
    """What decodes a message; wrong arguments are refused before there is one to lose."""
    _wire.check_accepted(limits, encodings)
    return lambda frames: _wire.loads(frames, limits=limits, encodings=encodings)


def _check_flags(flags: int) -> None:
    if flags not in (0, zmq.NOBLOCK):
        raise CallerError(f"the flags of a message are 0 or zmq.NOBLOCK, and these are {flags!r:.60}")


def _send(socket: Socket, frames: list[Any], flags: int) -> Any:
    _check_flags(flags)
    return _parts.send(socket, frames, flags)


def _then(socket: Socket, flags: int, decode: Callable[[list[Any]], Any]) -> Any:
    _check_flags(flags)
    if not isinstance(socket, zmq.asyncio.Socket):
        return decode(_parts.recv(socket, flags))

    async def awaited() -> Any:
        return decode(await _parts.recv_async(socket, flags))

    return awaited()
