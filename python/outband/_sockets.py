"""Objects on pyzmq sockets. On a ``zmq.asyncio.Socket`` the same functions return awaitables: of a send a future, of a receive a
coroutine, which takes no message before it runs and loses none when it is cancelled.

A message is sent with ``copy=False``: libzmq reads the memory of arrays after the call has returned, so an array that was
sent is not to be written to until it is gone. pyzmq copies those that are shorter than the socket's ``copy_threshold``, 64 KiB, which
is faster. Frames arrive without copying.

``flags`` are 0 or ``zmq.NOBLOCK``.
"""

from __future__ import annotations

import asyncio
from typing import Any, Callable, Collection, Optional, Union

import zmq
import zmq.asyncio

from . import _parts, _wire
from ._compression import SAFE
from ._envelope import Envelope, opened, to_frame
from ._errors import CallerError
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
    if socket.type == zmq.ROUTER:
        raise CallerError("a ROUTER sends no object without the routing id of its peer: use send_obj_to or send_obj_via")
    return _send(socket, frames, flags)


def recv_obj(
    socket: Socket,
    flags: int = 0,
    *,
    limits: Limits = Limits(),
    encodings: Collection[str] = SAFE,
) -> Any:
    """Receives an object; ``limits`` and ``encodings`` are those of :func:`loads`. A DEALER skips the delimiter that a REP sends."""
    decode = _decoder(limits, encodings)
    kind = socket.type
    if kind == zmq.ROUTER:
        raise CallerError("a ROUTER receives no object without its routing id: use recv_obj_from or recv_obj_via")
    if kind == zmq.DEALER:
        return _then(socket, flags, lambda frames: decode(opened(zmq.DEALER, frames)[1]))
    return _then(socket, flags, decode)


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
    if socket.type == zmq.ROUTER:
        socket.setsockopt(zmq.ROUTER_MANDATORY, 1)  # which takes the topic for a routing id, and drops what is for nobody
    return _send(socket, [to_frame(topic, "topic"), *frames], flags)


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
    return _send_via(socket, Envelope.to(peer), frames, flags)


def recv_obj_from(
    socket: Socket,
    flags: int = 0,
    *,
    limits: Limits = Limits(),
    encodings: Collection[str] = SAFE,
) -> Any:
    """Receives a routing id and an object on a ROUTER. To answer a REQ take :func:`recv_obj_via`: this forgets the delimiter that a
    REQ waits for."""
    decode = _decoder(limits, encodings)
    if socket.type != zmq.ROUTER:
        raise CallerError("only a ROUTER receives routing ids: use recv_obj or recv_obj_via")

    def split(frames: list[Any]) -> tuple[Optional[bytes], Any]:
        envelope, rest = opened(zmq.ROUTER, frames)
        return envelope.peer, decode(rest)

    return _then(socket, flags, split)


def send_obj_via(
    socket: Socket,
    envelope: Envelope,
    obj: Any,
    flags: int = 0,
    *,
    out_of_band_from: int = _wire.OUT_OF_BAND_FROM,
    compression: str | None = None,
    limits: Limits = Limits(),
) -> Any:
    """Sends an object in an :class:`Envelope`: back the way a request came, or in one that was made by hand. One with a routing id is
    for a ROUTER, and as with :func:`send_obj_to` a peer that is not there is ``EHOSTUNREACH``."""
    frames = _wire.dumps(obj, out_of_band_from=out_of_band_from, compression=compression, limits=limits)
    return _send_via(socket, envelope, frames, flags)


def recv_obj_via(
    socket: Socket,
    flags: int = 0,
    *,
    limits: Limits = Limits(),
    encodings: Collection[str] = SAFE,
) -> Any:
    """Receives the :class:`Envelope` that an object came in, and the object, on a ROUTER or DEALER."""
    decode = _decoder(limits, encodings)
    kind = socket.type
    if kind not in (zmq.ROUTER, zmq.DEALER):
        raise CallerError("only a ROUTER or DEALER receives envelopes: use recv_obj")

    def split(frames: list[Any]) -> tuple[Envelope, Any]:
        envelope, rest = opened(kind, frames)
        return envelope, decode(rest)

    return _then(socket, flags, split)


def _decoder(limits: Limits, encodings: Collection[str]) -> Callable[[list[Any]], Any]:
    """What decodes a message; wrong arguments are refused before there is one to lose."""
    _wire.check_accepted(limits, encodings)
    return lambda frames: _wire.loads(frames, limits=limits, encodings=encodings)


def _check_flags(flags: int) -> None:
    if flags not in (0, zmq.NOBLOCK):
        raise CallerError(f"the flags of a message are 0 or zmq.NOBLOCK, and these are {flags!r:.60}")


def _send(socket: Socket, frames: list[Any], flags: int) -> Any:
    _check_flags(flags)
    try:
        sent = _parts.send(socket, frames, flags)
    except zmq.ZMQError as error:
        _explain(error, socket, "send")
        raise
    if isinstance(sent, asyncio.Future) and sent.done() and not sent.cancelled() and (failed := sent.exception()):
        _explain(failed, socket, "send")
        # this one has been looked at: asyncio would not tell that nobody else did
        sent = type(sent)()
        sent.set_exception(failed)
    return sent


def _explain(error: Optional[BaseException], socket: Socket, operation: str) -> None:
    """Says in an ``EFSM`` whose turn it is, and how a REQ may ask again; in an ``ENOTSUP`` which way messages go."""
    if not isinstance(error, zmq.ZMQError) or error.errno not in (zmq.EFSM, zmq.ENOTSUP):
        return
    kind: Any = socket.type
    name, why = zmq.SocketType(kind).name, _OUT_OF_TURN.get((kind, operation), "")
    if error.errno == zmq.EFSM:
        error.strerror = f"a {name} socket sends and receives in turn: it is not its turn to {operation}{why}"
    else:
        other = "receive" if operation == "send" else "send"
        error.strerror = f"a {name} socket cannot {operation}: its messages go the other way, {other} on it"


#: As Rust says it.
_OUT_OF_TURN: dict[tuple[int, str], str] = {
    (zmq.REQ, "send"): ", as no reply has come yet; ZMQ_REQ_RELAXED and ZMQ_REQ_CORRELATE let it ask again, or a new socket",
    (zmq.REQ, "receive"): ", as nothing was asked",
    (zmq.REP, "send"): ", as nothing was asked that has no answer yet",
    (zmq.REP, "receive"): ", as the last request has no answer yet",
}


def _send_via(socket: Socket, envelope: Envelope, frames: list[Any], flags: int) -> Any:
    if not isinstance(envelope, Envelope):
        raise CallerError(f"an envelope is an outband.Envelope, and this is of type {type(envelope).__name__}")
    if envelope.peer is not None:
        if socket.type != zmq.ROUTER:
            raise CallerError("only a ROUTER sends to a peer by its routing id")
        socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    elif socket.type == zmq.ROUTER:
        raise CallerError("a ROUTER sends in no envelope without the routing id of its peer")
    return _send(socket, [*envelope.frames, *frames], flags)


def _then(socket: Socket, flags: int, decode: Callable[[list[Any]], Any]) -> Any:
    _check_flags(flags)
    if not isinstance(socket, zmq.asyncio.Socket):
        try:
            frames = _parts.recv(socket, flags)
        except zmq.ZMQError as error:
            _explain(error, socket, "receive")
            raise
        return decode(frames)

    async def awaited() -> Any:
        try:
            frames = await _parts.recv_async(socket, flags)
        except zmq.ZMQError as error:
            _explain(error, socket, "receive")
            raise
        return decode(frames)

    return awaited()
