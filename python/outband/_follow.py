"""One stream of a feed, as a subscriber follows it: no socket and no clock. ``docs/feed.md`` of the Rust crate says why.

>>> follow = Follow(now=0.0, start="now", rules=Rules())
>>> follow.data(epoch=7, number=3, item="three", size=5)
>>> follow.data(epoch=7, number=5, item="five", size=4)
>>> follow.steps
[('joined', 7, 3), ('item', 7, 3, 'three', False)]
>>> follow.ask(now=0.0, request=1)
[(4, 4)]
"""

from __future__ import annotations

import dataclasses
from typing import Any, Optional, Tuple, Union

from ._errors import CallerError

#: Where to begin: "now", "all", the number of messages before that, or the epoch and number to go on with.
Start = Union[str, int, Tuple[int, int]]


#: Requests in a row that bring nothing, before it may be the connection that is at fault.
_STRAINING = 2


@dataclasses.dataclass
class Rules:
    """What all streams of a subscriber share."""

    timeout: float = 0.5
    attempts: int = 5
    stale_after: float = 3.0
    #: What one request may be answered with.
    credit_messages: int = 512
    credit_bytes: int = 4 << 20
    #: The room for messages that came before their turn; what is left of it.
    room_messages: int = 10_000
    room_bytes: int = 256 << 20

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            is_time, least = name in ("timeout", "stale_after"), 0 if name.startswith("room") else 1
            if is_time and not (isinstance(value, (int, float)) and value > 0):
                raise CallerError(f"the rule {name} is a time in seconds, and this is {value!r:.60}")
            if not is_time and not (isinstance(value, int) and value >= least):
                raise CallerError(f"the rule {name} is an int of at least {least}, and this is {value!r:.60}")


@dataclasses.dataclass
class _Asked:
    request: int
    deadline: float
    first_missing: int
    brought_something: bool = False


class Follow:
    """Below ``next`` everything was handed over or reported; ``high`` is the highest number heard of."""

    def __init__(self, now: float, start: Start, rules: Rules, missed: float = 0.0) -> None:
        self.rules = rules
        self.steps: list[tuple[Any, ...]] = []
        self.is_stale = False
        #: What the last tick found of a request that was not answered: "strained" where it was not the first in a row, for which the
        #: connection may be at fault, "lost" where it was the last one.
        self.patience = "kept"
        self._is_open = False
        self._begin(start)
        self._pending: dict[int, tuple[Any, int]] = {}
        #: What was followed before: its epoch, and the number that comes next.
        self._former: dict[int, int] = {}
        #: What else is heard while the epoch that is followed is silent: when first, and when last.
        self._rivals: dict[int, tuple[float, float]] = {}
        self._asked: Optional[_Asked] = None
        self._attempts = 0
        self._not_before = 0.0
        self._heard = False
        self._last_heard = self._now = now
        self._missed = missed  # before it was last heard of

    def begin_at(self, start: Start) -> None:
        """Begins elsewhere, where nothing was heard of it so far."""
        if not self._epoch or isinstance(self._start, tuple) and not self._is_open:
            self._begin(start)

    def _begin(self, start: Start) -> None:
        self._start = start
        self._epoch, self._next = (start[0], max(start[1], 1)) if isinstance(start, tuple) else (0, 1)
        self._high = self._next - 1

    @property
    def position(self) -> tuple[int, int]:
        """The epoch and the number that come next: a ``start`` to go on with."""
        return self._epoch, self._next

    @property
    def is_missing_something(self) -> bool:
        return self._next <= self._high

    # what arrives

    def data(self, epoch: int, number: int, item: Any, size: int) -> None:
        """A message, as it was published."""
        if self._hear(epoch, number, None):
            self._take(number, item, size, False)

    def heartbeat(self, epoch: int, last: int, first: int) -> None:
        """The newest number, and the oldest one that can be recovered."""
        self._hear(epoch, last, first)

    def recovered(self, now: float, epoch: int, number: int, request: int, item: Any, size: int) -> None:
        """A message from the cache."""
        if epoch != self._epoch or number > self._high:
            return
        was_of_use = self._take(number, item, size, True)
        if self._asked and self._asked.request == request:
            self._asked.deadline = now + self.rules.timeout
            self._asked.brought_something |= was_of_use

    def end(self, now: float, epoch: int, first: int, request: int) -> None:
        """The end of an answer."""
        asked = self._asked if self._asked and self._asked.request == request else None
        if asked:
            self._asked = None
        if epoch == self._epoch:
            self._give_up(min(first, self._high + 1), "evicted")
            if asked:
                self._conclude(now, asked)
        elif asked:
            # who answers, after that was asked for, has never heard of what is missing
            self._give_up(self._high + 1, "restarted")

    def tick(self, now: float, missed: float = 0.0, unheard: float = 0.0) -> None:
        """Time passes. Of that which was missed so far so much may yet be heard of, and is no silence."""
        self._now, self.patience = now, "kept"
        if self._heard:
            self._heard, self._last_heard, self._missed = False, now, missed
        silent = now - self._last_heard
        if not self.is_stale and silent - min(unheard, missed - self._missed) >= self.rules.stale_after:
            self.is_stale = True
            self.steps.append(("stale", silent))
        if self._asked and now >= self._asked.deadline:
            asked, self._asked = self._asked, None
            self.patience = self._conclude(now, asked)

    def ask(self, now: float, request: int) -> list[tuple[int, int]]:
        """The ranges to ask for, if it is time to."""
        if self._asked or not self.is_missing_something or now < self._not_before:
            return []
        wait = self.rules.timeout * (1 << min(self._attempts, 2))
        self._asked = _Asked(request, now + wait, self._next)
        ranges, start = [], self._next
        for number in [*sorted(self._pending), self._high + 1]:
            if number > start:
                ranges.append((start, number - 1))
            start = number + 1
        return ranges[:64]

    def despair(self) -> None:
        """Reports all that is missing as lost, where it is not asked for."""
        if not self._asked:
            self._attempts, self._not_before = 0, 0.0
            self._give_up(self._high + 1, "unanswered")

    def answered(self) -> None:
        """What was asked for has come otherwise."""
        self._asked, self._attempts = None, 0

    def forget(self) -> None:
        """Gives back the room of what waits."""
        for number in list(self._pending):
            self._remove(number)

    # what follows from it

    def _hear(self, epoch: int, number: int, first: Optional[int]) -> bool:
        if epoch != self._epoch and self._epoch and not self._is_followed(epoch):
            return False
        self._heard = True
        self._rivals.clear()
        if self.is_stale:
            self.is_stale = False
            self.steps.append(("resumed",))
        if not self._epoch:
            self._join(epoch, number, first)
        elif epoch != self._epoch:
            self._turn_to(epoch)
        elif isinstance(self._start, tuple):
            self._open()
        self._high = max(self._high, number)
        if self._next > self._high:
            self._open()
        return True

    def _is_followed(self, epoch: int) -> bool:
        """A higher epoch is a restart. A lower one, or one that was followed before, comes late, unless it lasts while the
        one that is followed is silent."""
        if epoch > self._epoch and epoch not in self._former:
            return True
        if not self.is_stale:
            return False
        now, patience = self._now, self.rules.stale_after
        rivals = {rival: heard for rival, heard in self._rivals.items() if now - heard[1] < patience}
        if epoch not in rivals and len(rivals) == 8:
            del rivals[min(rivals, key=lambda rival: rivals[rival][1])]
        since, _ = rivals.get(epoch, (now, now))
        rivals[epoch] = (since, now)
        self._rivals = rivals
        return now - since >= patience

    def _join(self, epoch: int, number: int, first: Optional[int]) -> None:
        live = number if first is None else number + 1
        if self._start == "all":
            wanted = 1
        elif isinstance(self._start, int):
            wanted = min(max(number + 1 - self._start, 1), live)
        else:
            wanted = live
        self._epoch, self._next = epoch, max(wanted, first or 1)
        self._high = self._next - 1
        if self._next >= live:
            self._open()

    def _turn_to(self, epoch: int) -> None:
        self._give_up(self._high + 1, "restarted")
        left = self._former.pop(epoch, None)
        if len(self._former) == 16:
            del self._former[next(iter(self._former))]
        self._former[self._epoch] = self._next
        if left is None:
            self.steps.append(("reset", epoch, self._epoch))
        else:
            self.steps.append(("returned", epoch, self._epoch, left))
        self._epoch, self._next, self._is_open = epoch, left or 1, True
        self._high = self._next - 1
        self._asked, self._attempts, self._not_before = None, 0, 0.0

    def _open(self) -> None:
        if not self._is_open:
            self._is_open = True
            self.steps.append(("joined", self._epoch, self._next))

    def _take(self, number: int, item: Any, size: int, is_recovered: bool) -> bool:
        """Takes a message in; False where it was here before or there is no room."""
        if number < self._next or number in self._pending:
            return False
        if number > self._next:
            while self.rules.room_messages < 1 or self.rules.room_bytes < size:
                # the highest number makes room: it can be asked for when its turn comes
                highest = max(self._pending, default=0)
                if highest <= number:
                    return False
                self._remove(highest)
            self.rules.room_messages -= 1
            self.rules.room_bytes -= size
            self._pending[number] = ((item, is_recovered), size)
        else:
            self._open()
            self._hand_over((item, is_recovered))
            self._advance()
        if is_recovered:
            self._attempts = 0
        return True

    def _remove(self, number: int) -> Any:
        held, size = self._pending.pop(number)
        self.rules.room_messages += 1
        self.rules.room_bytes += size
        return held

    def _hand_over(self, held: Any) -> None:
        item, is_recovered = held
        self.steps.append(("item", self._epoch, self._next, item, is_recovered))
        self._next += 1

    def _advance(self) -> None:
        while self._next in self._pending:
            self._hand_over(self._remove(self._next))
        self._high = max(self._high, self._next - 1)

    def _give_up(self, below: int, why: str) -> None:
        """Reports what is missing below ``below``, and hands over what lies between."""
        if below <= self._next:
            return
        if not self._is_open and why == "evicted":
            # history begins where the cache begins
            self._next = min([below, *self._pending])
        self._open()
        for end in [*sorted(number for number in self._pending if number < below), below]:
            if end > self._next:
                self.steps.append(("gap", self._epoch, self._next, end - 1, why))
                self._next = end
            self._advance()

    def _conclude(self, now: float, asked: _Asked) -> str:
        """Judges a request that is over: the patience that is left."""
        if asked.brought_something or self._next > asked.first_missing:
            self._attempts = 0
            return "kept"
        self._attempts += 1
        self._not_before = now + self.rules.timeout / 4
        if self._attempts >= self.rules.attempts:
            self.despair()
            return "lost"
        return "strained" if self._attempts == _STRAINING else "kept"
