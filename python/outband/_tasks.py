"""What a handler is given, and what it can say of it besides a result."""

from __future__ import annotations

from typing import Any, Callable, List, Optional

Frames = List[Any]

_MAX_DELAY = 1 << 53  # in milliseconds


class Failure(Exception):
    """The task failed; it is tried again, not before ``retry_after`` seconds have passed where that is given."""

    fault = "failed"

    def __init__(self, reason: str, retry_after: Optional[float] = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Rejected(Failure):
    """The task will never succeed: it is a dead letter at once."""

    fault = "rejected"


class Returned(Failure):
    """The task is handed back, and no attempt is used up. Another worker gets it at once, or this one again; from the second time on
    it pauses, as it does from the first on with ``retry_after``."""

    fault = "returned"


class Job:
    """A task that is held."""

    def __init__(self, session: int, epoch: int, task: int, delivery: int, attempt: int, frames: Frames) -> None:
        self.session, self.epoch, self.task, self.delivery, self.attempt = session, epoch, task, delivery, attempt
        self.frames, self.bytes = frames, sum(len(frame) for frame in frames)
        self.is_running = self.is_void = False


class Task:
    """What a handler is given."""

    def __init__(self, job: Job, value: Any, progress: Callable[[Job], None]) -> None:
        self._job, self.value, self._progress = job, value, progress

    @property
    def id(self) -> int:
        """Which task this is: the same for every attempt."""
        return self._job.task

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1."""
        return self._job.attempt

    @property
    def is_cancelled(self) -> bool:
        """Whether nobody wants the result any more."""
        return self._job.is_void

    def progress(self) -> None:
        """Tells the dispatcher that this is getting on: the lease begins anew. As often as is convenient: it is told four times a
        heartbeat at most, and not at all where there are no leases."""
        self._progress(self._job)


def told(error: BaseException) -> Failure:
    """What is said of it: a failure of plain values, of which an answer can be made whatever the error is."""
    try:
        if not isinstance(error, Failure):
            return Failure(f"{type(error).__name__}: {error}")
        kind = next(kind for kind in (Rejected, Returned, Failure) if isinstance(error, kind))
        after = getattr(error, "retry_after", None)  # of a class that does not call its base
        return kind(str(error), None if after is None else min(max(int(after * 1000), 0), _MAX_DELAY) / 1000)
    except BaseException as second:
        return Failure(f"{type(error).__name__}, of which nothing can be said: {type(second).__name__}")
