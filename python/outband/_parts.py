"""The frames of a message onto a blocking socket and off it, whole: a handler of a signal may raise between any two of them."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager
from itertools import repeat
from typing import Any, Iterator, Sequence
from weakref import WeakKeyDictionary

import zmq
import zmq.asyncio
from zmq.backend import Socket as _Socket

from ._errors import CallerError

#: What programs have handlers for that raise, and that need not come at once.
_HELD = {
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGUSR1", "SIGUSR2", "SIGCHLD", "SIGWINCH")
    if hasattr(signal, name)
}

#: The process that a socket was first used in.
_owners: WeakKeyDictionary[Any, int] = WeakKeyDictionary()


def check_socket(socket: Any) -> None:
    """Refuses sockets that came through a fork, of those that were used before it; at first use also those that keep no message whole."""
    current = os.getpid()
    created = _owners.get(socket)
    if created is None:
        _check_whole(socket)
        created = _owners[socket] = current
    if created != current:
        raise CallerError(
            f"the socket belongs to process {created}, and this is its child {current} after a fork: "
            "create a context and its sockets after forking"
        )


def _check_whole(socket: Any) -> None:
    """Refuses what Rust refuses. To ask libzmq each time would take a tenth of what a short message takes."""
    if socket.type == zmq.STREAM:
        raise CallerError("a STREAM socket moves raw bytes, not messages")
    if socket.getsockopt(zmq.CONFLATE):
        raise CallerError("the socket has ZMQ_CONFLATE set, which keeps only the last frame of a message")


def blocking(context: zmq.Context[Any]) -> zmq.Context[Any]:
    """The same context, as one that makes blocking sockets."""
    if not isinstance(context, zmq.asyncio.Context):
        return context
    shadow: zmq.Context[Any] = zmq.Context.shadow(context)
    shadow.sockopts.update(context.sockopts)
    return shadow


def allow_ipv6(socket: Any, endpoint: str) -> None:
    """Lets a socket have the addresses of IPv6 where its endpoint has one, in brackets. libzmq has them off."""
    if endpoint.startswith("tcp://") and "[" in endpoint:
        socket.setsockopt(zmq.IPV6, 1)


def send(socket: Any, frames: Sequence[Any], flags: int = 0) -> Any:
    """Sends all frames or none; an awaitable on an asyncio socket. An exception out of a handler is raised after the last frame."""
    check_socket(socket)
    if type(socket).send is not zmq.Socket.send:
        with signals_held():
            return socket.send_multipart(frames, flags, copy=False)
    if len(frames) == 1:
        socket.send_multipart(frames, flags, copy=False)
        return None
    messages = [zmq.Frame(frame, copy_threshold=socket.copy_threshold) for frame in frames]
    if _try_send(socket, messages):
        return None
    timeout = 0 if flags & zmq.NOBLOCK else socket.getsockopt(zmq.SNDTIMEO)
    until = time.monotonic() + timeout / 1000
    while True:
        socket.getsockopt(zmq.EVENTS)  # takes in what has happened: what happens from here on wakes
        if _try_send(socket, messages):
            return None
        # not a poll for output, which a ROUTER always has where one of its peers does
        left = None if timeout < 0 else max(0.0, until - time.monotonic())
        if not zmq.select([socket.getsockopt(zmq.FD)], [], [], left)[0]:
            raise zmq.Again()


def _try_send(socket: Any, messages: list[Any]) -> bool:
    """Sends a message without waiting; False where no peer takes one, and nothing of this one is on the way."""
    with signals_held():
        return _send_now(socket, messages)


@contextmanager
def signals_held() -> Iterator[None]:
    """Exceptions out of handlers come before this or after it."""
    held = _to_hold()
    try:
        if held:
            signal.pthread_sigmask(signal.SIG_BLOCK, held)  # which may raise after it, as a handler's turn comes
        yield
    finally:
        if held:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, held)


def _to_hold() -> set[Any]:
    """The signals that wait meanwhile, where this thread runs handlers: then nothing that libzmq is called for ends early."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "pthread_sigmask"):
        return set()
    return _HELD - signal.pthread_sigmask(signal.SIG_BLOCK, ())


def _send_now(socket: Any, messages: list[Any]) -> bool:
    """The same, while signals wait."""
    all_flags = [zmq.NOBLOCK | zmq.SNDMORE] * (len(messages) - 1) + [zmq.NOBLOCK]
    # a list that grows from a map of a function of C knows what was sent, whenever a handler runs
    sent: list[Any] = []
    stopped: BaseException | None = None
    try:
        while len(sent) < len(messages):
            try:
                at = len(sent)
                sent.extend(map(_Socket.send, repeat(socket), messages[at:], all_flags[at:]))
            except zmq.Again:
                if not sent:
                    return False
                # the peer is gone, and what it had with it
                _drop_rest(socket, is_last=len(sent) == len(messages) - 1)
                sent.clear()
                if stopped is not None:
                    raise stopped
            except zmq.ZMQError:
                raise
            except BaseException as error:
                # held or not, it came to another thread
                if _has_left(socket, error, is_first=not sent):
                    sent.append(None)
                if not sent:
                    raise
                stopped = stopped or error
        if stopped is not None:
            raise stopped
        return True
    finally:
        del stopped  # whose traceback holds this very frame


def _drop_rest(socket: Any, is_last: bool) -> None:
    """Brings a socket that refused a later frame to where the message can start over: the table in ``docs/delivery.md`` of the Rust
    crate. It swallows what is still to come of the message, up to its end."""
    if socket.type == zmq.REQ or (socket.type in (zmq.PUSH, zmq.DEALER) and not is_last):
        _Socket.send(socket, b"", zmq.NOBLOCK)


def _has_left(socket: Any, error: BaseException, is_first: bool) -> bool:
    """Whether the frame was sent in whose sending a handler raised: pyzmq looks for signals before it and after it."""
    names, trace = [], error.__traceback__
    while trace is not None:
        names.append(trace.tb_frame.f_code.co_name.rpartition(".")[2])
        trace = trace.tb_next
    if "_send_frame" not in names or "fast_copy" in names:
        return False
    # the first one may have been refused: where a message is begun, the socket takes the rest of it
    return not is_first or bool(socket.getsockopt(zmq.EVENTS) & zmq.POLLOUT)


def recv(socket: Any, flags: int = 0) -> list[Any]:
    """Receives the frames of a message. Where an exception comes in between, the rest of the message is dropped."""
    check_socket(socket)
    try:
        received: list[Any] = socket.recv_multipart(flags, copy=False)
        return received
    except BaseException:
        _skip_rest(socket)
        raise


def _skip_rest(socket: Any) -> None:
    """Drops what there is of a message that was begun, whatever comes in between."""
    while _has_rest(socket):
        pass


def _has_rest(socket: Any) -> bool:
    """The same; whether another exception came in between."""
    try:
        while socket.getsockopt(zmq.RCVMORE):
            socket.recv(zmq.NOBLOCK, copy=False)
        return False
    except zmq.ZMQError:
        return False
    except BaseException:
        return True


async def recv_async(socket: Any, flags: int = 0) -> list[Any]:
    """The same on an asyncio socket. Nothing is taken before it is awaited, and between taking and returning nothing is awaited
    that could be cancelled."""
    while True:
        check_socket(socket)
        try:
            # done when it is returned
            received: list[Any] = await socket.recv_multipart(flags | zmq.NOBLOCK, copy=False)
            socket.get(zmq.EVENTS)  # which wakes whoever waits for what this receive has seen
            return received
        except zmq.Again:
            if flags & zmq.NOBLOCK:
                raise
        except BaseException:
            _skip_rest(zmq.Socket.shadow(socket.underlying))
            raise
        if not await socket.poll(socket.getsockopt(zmq.RCVTIMEO), zmq.POLLIN):
            raise zmq.Again()
