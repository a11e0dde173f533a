"""What is logged of single messages: so many lines, and then how many more there would have been."""

from __future__ import annotations

import logging
import time
from typing import Any, Optional

_LINES = 10
_INTERVAL = 5.0


class Complaints:
    """What is left of the lines of an interval. The library in Rust has the same bounds."""

    def __init__(self, log: logging.Logger) -> None:
        self._log, self._began, self._lines, self._left_out = log, 0.0, 0, 0

    def warn(self, text: str, *arguments: Any) -> None:
        """Logs a line, or counts it."""
        now = time.monotonic()
        if not self._lines or now - self._began >= _INTERVAL:
            self.tell()
            self._began = now
        if self._lines < _LINES:
            self._lines += 1
            self._log.warning(text, *arguments)
        else:
            self._left_out += 1

    def wait(self) -> Optional[float]:
        """When it is to tell how many lines were left out, where any were."""
        return self._began + _INTERVAL if self._left_out else None

    def tell_in_time(self) -> None:
        if self._left_out and time.monotonic() - self._began >= _INTERVAL:
            self.tell()

    def tell(self) -> None:
        """Tells how many lines were left out."""
        if self._left_out:
            self._log.warning("%d more of the dispatcher's messages were dropped, or refused this worker", self._left_out)
        self._lines = self._left_out = 0
