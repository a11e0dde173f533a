"""What a subscriber to a feed is told."""

from __future__ import annotations

import dataclasses
from typing import Any, Callable

from ._errors import Error


@dataclasses.dataclass(frozen=True)
class Event:
    """What happened on a stream; empty for what belongs to none."""

    stream: str


@dataclasses.dataclass(frozen=True)
class Joined(Event):
    """The subscription is live, and the stream begins with ``first``."""

    epoch: int
    first: int


@dataclasses.dataclass(frozen=True)
class Data(Event):
    """A message. ``sent`` is the publisher's time of day, in seconds."""

    epoch: int
    number: int
    sent: float
    recovered: bool
    value: Any


@dataclasses.dataclass(frozen=True)
class Undecodable(Event):
    """A message that arrived and does not decode. Its number counts as delivered."""

    epoch: int
    number: int
    error: Error


@dataclasses.dataclass(frozen=True)
class Gap(Event):
    """Messages that will never be delivered: "evicted", "unanswered" or "restarted"."""

    epoch: int
    first: int
    last: int
    why: str


@dataclasses.dataclass(frozen=True)
class Reset(Event):
    """The publisher has started anew: numbers begin at 1 again."""

    epoch: int
    previous: int


@dataclasses.dataclass(frozen=True)
class Returned(Event):
    """A publisher that was followed before the last ``Reset`` lives after all; its numbers go on with ``first``."""

    epoch: int
    previous: int
    first: int


@dataclasses.dataclass(frozen=True)
class Stale(Event):
    """Nothing was heard of the stream for so many seconds."""

    silent: float


@dataclasses.dataclass(frozen=True)
class Resumed(Event):
    """A stream that was stale is heard of again."""


@dataclasses.dataclass(frozen=True)
class Malformed(Event):
    """Something arrived that is no message of a feed. It was dropped."""

    error: Error


#: By the name of a step of a stream.
EVENTS: dict[str, Callable[..., Event]] = {
    "joined": Joined,
    "gap": Gap,
    "reset": Reset,
    "returned": Returned,
    "stale": Stale,
    "resumed": Resumed,
    "malformed": Malformed,
}
