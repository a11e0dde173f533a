"""Feeds: PUB/SUB in which every message is delivered in order or reported as missing.

A subscriber for the ``feed::Publisher`` of the Rust crate, whose ``docs/feed.md`` describes the protocol::

    with zmq.Context() as context, feed.Subscriber(context, live, recovery, ["weather/"]) as subscriber:
        for event in subscriber:
            if isinstance(event, feed.Data):
                print(event.stream, event.number, event.value)
            elif isinstance(event, feed.Gap):
                print(event.stream, event.first, "to", event.last, "are lost:", event.why)

The numbers of ``Data``, ``Undecodable`` and ``Gap`` events of a stream follow each other without a hole and without a
repetition, from ``Joined.first`` on, from 1 after a ``Reset``, and from ``Returned.first`` on after that.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections import deque
from typing import Any, Callable, Collection, Iterable, Iterator, Optional

import zmq

from . import _compression, _header, _parts, _wire
from ._attention import Attention
from ._errors import CallerError, Error, LimitError, PeerError
from ._events import EVENTS, Data, Event, Gap, Joined, Malformed, Reset, Resumed, Returned, Stale, Undecodable
from ._follow import Follow, Rules, Start
from ._limits import Limits

__all__ = [
    "Data",
    "Event",
    "Gap",
    "Joined",
    "Malformed",
    "Reset",
    "Resumed",
    "Returned",
    "Rules",
    "Stale",
    "Start",
    "Subscriber",
    "Undecodable",
]

#: How long nothing comes before the connection for it is made anew, in seconds.
_SILENCE = 5.0

#: How many timeouts a new connection for requests has before the next one.
_REST = 16

#: Requests under way at a time.
_REQUESTS = 4

#: A request's id is which stream it is for, and how many requests there were: what comes after the next one was made is of use too.
_STREAM_SHIFT = 40

#: A time in milliseconds that is short beside all timeouts.
_TICK = 20

#: So long who does not wait goes on to read messages of which there is nothing to tell, in seconds.
_READS_FOR = 0.1

#: After so many looks time passes also where more has arrived.
_LOOKS = 64


#: The number that comes next for who has not taken such an event.
_NEXT: dict[str, Callable[[Any], int]] = {
    "joined": lambda step: step[1],
    "item": lambda step: step[1],
    "gap": lambda step: step[1],
    "reset": lambda step: 1,
    "returned": lambda step: step[2],
}


class Subscriber:
    """Follows streams of a publisher. A name that ends in "/" stands for every stream below it, "" for all.

    ``limits`` and ``encodings`` are those of :func:`loads`. Of more than ``max_streams`` streams the further ones are ``Malformed``.
    """

    def __init__(
        self,
        context: zmq.Context[Any],
        endpoint: str,
        recovery: str,
        streams: Iterable[str],
        *,
        start: Start = "now",
        rules: Optional[Rules] = None,
        max_streams: int = 16_384,
        limits: Limits = Limits(),
        encodings: Collection[str] = _compression.SAFE,
    ) -> None:
        _wire.check_accepted(limits, encodings)
        if not isinstance(rules, (Rules, type(None))):
            raise CallerError(f"rules are feed.Rules, and these are of type {type(rules).__name__}")
        if not isinstance(max_streams, int) or max_streams < 1:
            raise CallerError(f"max_streams is an int of at least 1, and this is {max_streams!r:.60}")
        if isinstance(streams, str):
            raise CallerError("streams are a list of names, and this is one text")
        streams = list(streams)  # which may be a generator
        for name in streams:
            _check(name, start)
        context = _parts.blocking(context)
        self._live, self._recovery = context.socket(zmq.SUB), context.socket(zmq.DEALER)
        for socket in (self._live, self._recovery):
            socket.linger, socket.connect_timeout = 0, 2000
            # where nothing comes for a second TCP asks, once a second, and gives up after four times without an answer
            socket.tcp_keepalive = socket.tcp_keepalive_idle = socket.tcp_keepalive_intvl = 1
            socket.tcp_keepalive_cnt = 4
        self._rules = dataclasses.replace(rules or Rules())
        self._max_streams, self._limits, self._encodings = max_streams, limits, encodings
        self._follows: dict[str, Follow] = {}
        self._starts: dict[str, Start] = {}
        self._default = start
        self._names: list[str] = []
        self._places: dict[str, int] = {}
        self._asked: dict[str, int] = {}
        self._requests = 0
        self._events: deque[tuple[Any, ...]] = deque()
        self._attention, self._was_behind = Attention(time.monotonic()), False
        self._ticked, self._looks = 0.0, 0
        self._due, self._rested_at = 0.0, 0.0
        self._endpoints = (endpoint, recovery)
        self._redial_at, self._pause = 0.0, _SILENCE
        self._answered, self._ask_anew_at = 0.0, 0.0
        try:
            for name in streams:
                self.subscribe(name)
            for socket, to in ((self._live, endpoint), (self._recovery, recovery)):
                _parts.allow_ipv6(socket, to)
                socket.connect(to)
        except BaseException:
            self.close()  # the context would wait for them as long as somebody keeps the exception
            raise

    def subscribe(self, name: str, start: Optional[Start] = None) -> None:
        """Follows a stream, or all below a name that ends in "/"."""
        start = self._default if start is None else start
        _check(name, start)
        if _is_wildcard(name):
            self._live.subscribe(name.encode())
        else:
            if name in self._follows:
                self._follows[name].begin_at(start)
            else:
                self._follow(time.monotonic(), name, start)
            self._live.subscribe(name.encode() + b"\0")
        self._starts[name] = start

    def position(self, stream: str) -> Start:
        """A ``start`` with which to go on after a restart: with the message after the last event that was taken. Before anything was
        heard of the stream it is the start that it was given."""
        for name, kind, *step in self._events:
            if name == stream and kind in _NEXT:
                return step[0], _NEXT[kind](step)
        follow = self._follows.get(stream)
        return follow.position if follow and follow.position[0] else self._start_of(stream)

    def __iter__(self) -> Iterator[Event]:
        while True:
            event = self.recv()
            if event is not None:
                yield event

    def recv(self, timeout: Optional[float] = None) -> Optional[Event]:
        """The next event; ``None`` when there is none for so many seconds. With 0 all that has arrived is looked at, for a tenth of a second."""
        until = None if timeout is None else time.monotonic() + timeout
        while not self._events:
            is_news = self._look(time.monotonic())
            left = math.inf if until is None else until - time.monotonic()
            if self._events:
                break
            if left <= 0 and not (is_news and timeout == 0 and left > -_READS_FOR):
                return None
            if not is_news:
                zmq.select([self._live, self._recovery], [], [], min(_TICK, 1 + 1000 * left) / 1000)
        event = self._event(*self._events[0])
        # only now, and not by a call, in which a handler of a signal may raise: what does not decode to its end is tried again
        del self._events[0]
        return event

    def close(self) -> None:
        """Closes the sockets."""
        self._live.close()
        self._recovery.close()

    def __enter__(self) -> Subscriber:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _look(self, now: float) -> bool:
        """Takes what has arrived, one message of each socket, and does what is due; whether there was one."""
        is_news = False
        for socket, take in ((self._live, self._take_live), (self._recovery, self._take_answer)):
            try:
                frames = _parts.recv(socket, zmq.DONTWAIT)
            except zmq.Again:
                continue
            is_news = True
            with _parts.signals_held():
                try:
                    take(now, frames)
                except Error as error:
                    self._events.append(("", "malformed", error))
        self._looks += 1
        is_due = now - self._ticked >= _TICK / 1000
        if is_due or self._was_behind:
            is_behind = any(socket.getsockopt(zmq.EVENTS) & zmq.POLLIN for socket in (self._live, self._recovery))
            if not is_behind or is_due and self._looks >= _LOOKS:
                with _parts.signals_held():
                    self._tick(now, is_behind)
        return is_news

    def _tick(self, now: float, is_behind: bool) -> None:
        """Looks at the clock, and passes time on to the streams where that is due."""
        self._ticked, self._looks = now, 0
        self._attention.look(now, is_behind)
        # a silence that could not be told while messages waited may be one by now
        if now < (self._rested_at if self._was_behind and not is_behind else self._due):
            return
        self._was_behind, began = is_behind, time.monotonic()
        self._pass_time(now)
        ended = time.monotonic()
        # with very many streams it takes long, and messages are to be read too
        self._rested_at = ended + 4 * (ended - began)
        interval = min(max(min(self._rules.timeout, self._rules.stale_after) / 8, 0.002), 0.1)
        self._due = max(now + interval, self._rested_at)

    def _pass_time(self, now: float) -> None:
        for follow in self._follows.values():
            follow.tick(now, self._attention.missed, self._attention.unheard)
        if any(follow.patience != "kept" and not follow.is_stale for follow in self._follows.values()):
            self._ask_anew(now)  # before they ask again
        gave_up = now - self._answered >= self._rules.attempts * self._rules.timeout
        if gave_up and any(follow.patience == "lost" for follow in self._follows.values()):
            # nobody is answered: those who wait need not find out one after the other
            for follow in self._follows.values():
                follow.despair()
        for name in list(self._follows):
            self._settle(now, name)
        self._redial(now)

    def _redial(self, now: float) -> None:
        """Listens over a new connection where the one there is may be dead: nothing comes of any stream that was heard of."""
        heard = [follow for follow in self._follows.values() if follow.position[0]]
        if not heard or any(not follow.is_stale for follow in heard):
            self._redial_at, self._pause = now + max(0.0, _SILENCE - self._rules.stale_after), _SILENCE
        elif now >= self._redial_at:
            self._pause = min(2 * self._pause, 16 * _SILENCE)
            self._redial_at = now + self._pause
            _reconnect(self._live, self._endpoints[0])

    def _ask_anew(self, now: float) -> None:
        """Asks over a new connection where the one there is may be dead: streams are heard of, and nothing is answered."""
        timeout = self._rules.timeout
        if now - self._answered >= timeout and now >= self._ask_anew_at:
            self._ask_anew_at = now + _REST * timeout
            _reconnect(self._recovery, self._endpoints[1])

    def _take_live(self, now: float, frames: list[zmq.Frame]) -> None:
        topic, header = _header.split(frames[0].buffer)
        if not header and len(frames) > 1:
            _header.read(frames[1].buffer)  # where version 1 had it: the error says so
        kind, epoch, number, sent, rest = _header.read(header)
        if kind not in (_header.DATA, _header.HEARTBEAT):
            raise PeerError("the header of the feed's message is of a kind that is not published")
        cache = _header.cache(number, rest, 1) if kind == _header.HEARTBEAT else ()
        name, follow = self._find(now, topic)
        if kind == _header.DATA:
            follow.data(epoch, number, (sent, frames[1:]), _size(frames))
        else:
            follow.heartbeat(epoch, number, *cache)
        self._settle(now, name)

    def _take_answer(self, now: float, frames: list[zmq.Frame]) -> None:
        kind, epoch, number, sent, rest = _header.read(frames[0].buffer)
        if kind in (_header.RECOVERED, _header.END):
            self._answered = now
        if kind == _header.RECOVERED:
            (request,) = _header.numbers(rest, 1)
        elif kind == _header.END:
            first, request = _header.cache(number, rest, 2)
        else:
            raise PeerError("the header of the feed's message is of a kind that answers no request")
        at = request >> _STREAM_SHIFT
        if at >= len(self._names):
            return
        name = self._names[at]
        if kind == _header.RECOVERED:
            self._follows[name].recovered(now, epoch, number, request, (sent, frames[1:]), _size(frames))
        else:
            self._follows[name].end(now, epoch, first, request)
            if self._asked.get(name) == request:
                del self._asked[name]
        self._settle(now, name)

    def _find(self, now: float, topic: bytes) -> tuple[str, Follow]:
        try:
            name = topic.decode()
        except ValueError as error:
            raise PeerError("the topic of the feed's message names no stream") from error
        if _is_wildcard(name):
            raise PeerError("the topic of the feed's message names no stream")
        if name in self._follows:
            return name, self._follows[name]
        if len(self._follows) >= self._max_streams:
            raise LimitError(f"there are more streams than the limit of {self._max_streams}")
        return name, self._follow(now, name, self._start_of(name))

    def _start_of(self, name: str) -> Start:
        """What the longest of the subscriptions that match says."""
        matching = [other for other in self._starts if name == other or _is_wildcard(other) and name.startswith(other)]
        return self._starts[max(matching, key=len)] if matching else self._default

    def _follow(self, now: float, name: str, start: Start) -> Follow:
        follow = self._follows[name] = Follow(now, start, self._rules, self._attention.missed)
        self._places[name] = len(self._names)
        self._names.append(name)
        return follow

    def _settle(self, now: float, name: str) -> None:
        """Passes on what a stream has to tell, and asks for what it misses."""
        follow = self._follows[name]
        for step in follow.steps:
            self._events.append((name, *step))
        follow.steps.clear()
        if not follow.is_missing_something:
            return
        if len(self._asked) >= _REQUESTS:
            # a request that was given up, or that nobody needs any more, makes room for another
            for other in list(self._asked):
                if not self._follows[other].is_missing_something:
                    self._follows[other].answered()
                    del self._asked[other]
        if len(self._asked.keys() - {name}) >= _REQUESTS:
            return
        request = self._places[name] << _STREAM_SHIFT | self._requests
        ranges = follow.ask(now, request)
        if ranges:
            self._requests += 1
            self._asked[name] = request
            epoch, rules = follow.position[0], self._rules
            header = _header.request(epoch, request, rules.credit_messages, rules.credit_bytes)
            try:
                _parts.send(self._recovery, [header, name.encode(), _header.ranges(ranges)], zmq.DONTWAIT)
            except zmq.Again:
                pass  # a request without an answer: it is made again

    def _event(self, name: str, kind: str, *step: Any) -> Event:
        if kind == "item":
            epoch, number, (sent, frames), is_recovered = step
            try:
                value = _wire.loads(frames, limits=self._limits, encodings=self._encodings)
            except Error as error:
                return Undecodable(name, epoch, number, error)
            return Data(name, epoch, number, sent / 1e6, is_recovered, value)
        return EVENTS[kind](name, *step)


def _reconnect(socket: zmq.Socket[Any], endpoint: str) -> None:
    """A host that vanished and came back knows nothing of a connection, and TCP may take minutes to find that out."""
    if not endpoint.startswith("inproc:"):
        socket.disconnect(endpoint)
        socket.connect(endpoint)


def _check(name: Any, start: Any) -> None:
    """Refuses what is no name of a stream, and what is no place to begin."""
    try:
        is_name = isinstance(name, str) and "\0" not in name and len(name.encode()) <= _header.LONGEST_NAME
    except UnicodeEncodeError:
        is_name = False
    if not is_name:
        raise CallerError(f"{name!r:.60} is no name of a stream: text of at most {_header.LONGEST_NAME} bytes, none of which is zero")
    numbers = start if isinstance(start, tuple) and len(start) == 2 else (start,)
    if start not in ("now", "all") and not all(type(number) is int and 0 <= number < 1 << 64 for number in numbers):
        raise CallerError(f'{start!r:.60} is no start: "now", "all", a number of messages, or a position')


def _is_wildcard(name: str) -> bool:
    return not name or name.endswith("/")


def _size(frames: list[zmq.Frame]) -> int:
    return sum(len(frame) for frame in frames)
