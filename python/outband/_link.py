"""A worker's connection: the DEALER, and what tells of its end."""

from __future__ import annotations

import secrets
from typing import Any, Callable, Iterator, Optional, Tuple

import zmq

from . import _parts
from ._tasks import Frames

#: The two sockets of a connection.
Connection = Tuple["zmq.Socket[Any]", "zmq.Socket[Any]"]


#: What a program does with a socket before it connects.
Prepare = Callable[["zmq.Socket[Any]"], Any]


def connected(context: zmq.Context[Any], endpoint: str, prepare: Optional[Prepare]) -> Connection:
    dealer, monitor = opened(context, endpoint, prepare)
    try:
        dealer.connect(endpoint)
    except BaseException:
        close(dealer, monitor)
        raise
    return dealer, monitor


def opened(context: zmq.Context[Any], endpoint: str, prepare: Optional[Prepare]) -> Connection:
    """The same before it is connected."""
    dealer: zmq.Socket[Any] = context.socket(zmq.DEALER)
    dealer.setsockopt(zmq.LINGER, 0)
    dealer.setsockopt(zmq.IMMEDIATE, 1)
    dealer.setsockopt(zmq.SNDHWM, 0)
    dealer.setsockopt(zmq.RCVHWM, 0)
    dealer.setsockopt(zmq.CONNECT_TIMEOUT, 2000)
    for option, value in ((zmq.TCP_KEEPALIVE, 1), (zmq.TCP_KEEPALIVE_IDLE, 1), (zmq.TCP_KEEPALIVE_INTVL, 1), (zmq.TCP_KEEPALIVE_CNT, 14)):
        dealer.setsockopt(option, value)
    _parts.allow_ipv6(dealer, endpoint)
    place = f"inproc://outband.pipeline.{secrets.token_hex(8)}"
    monitor = dealer.get_monitor_socket(zmq.EVENT_DISCONNECTED, place)
    try:
        if prepare is not None:
            prepare(dealer)
    except BaseException:
        close(dealer, monitor)  # the context would wait for them as long as somebody keeps the exception
        raise
    return dealer, monitor


def close(dealer: zmq.Socket[Any], monitor: zmq.Socket[Any]) -> None:
    try:
        dealer.disable_monitor()
    except zmq.ZMQError:
        pass  # closed already, or the context is terminated
    monitor.close(0)
    dealer.close(0)


def received(socket: zmq.Socket[Any]) -> Iterator[Frames]:
    while True:
        try:
            yield [frame.buffer for frame in _parts.recv(socket, zmq.NOBLOCK)]
        except zmq.Again:
            return


def try_send(dealer: zmq.Socket[Any], frames: Frames) -> bool:
    try:
        _parts.send(dealer, frames, zmq.NOBLOCK)
        return True
    except zmq.Again:
        return False
