"""How much of the time a subscriber read what arrived: what nobody was there to hear is no silence. The rule of ``feed/pulse.rs`` in Rust."""

from __future__ import annotations

import math

#: How much of the time between two looks at the clock counts as reading, in seconds: who takes longer was elsewhere.
_ATTENDED = 0.1

#: So long whoever comes back may not have heard of what was said meanwhile, also where nothing waits in the socket: if the whole process was
#: stopped, what has arrived lies with the system.
_SETTLING = 0.2


class Attention:
    """What follows from the looks at a clock.

    >>> attention = Attention(now=0.0)
    >>> attention.look(now=4.0, is_behind=True)
    >>> attention.missed, attention.unheard
    (3.9, inf)
    """

    def __init__(self, now: float) -> None:
        self._looked, self._back, self._absence = now, -math.inf, 0.0
        #: How much of the time so far went by while nobody read.
        self.missed = 0.0
        #: How much of what was missed last may not have been heard of yet.
        self.unheard = 0.0

    def look(self, now: float, is_behind: bool) -> None:
        """Looks at the clock. Who is behind, as messages wait to be read, may not have heard of all that it missed."""
        absent = max(0.0, now - self._looked - _ATTENDED)
        if absent >= _ATTENDED:
            self._back, self._absence = now, absent
        self.missed += absent
        self._looked = now
        # there was time to fetch what came before: who looks in only now and then is told of a silence one look later
        is_settling = now - self._back < _SETTLING
        self.unheard = math.inf if is_behind else self._absence if is_settling else 0.0
