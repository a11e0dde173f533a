"""A worker for the dispatcher of the Rust crate ``outband``; docs/pipeline.md of the crate has the protocol.

>>> import outband.pipeline
>>> def area(task):
...     return task.value["width"] * task.value["height"]
>>> worker = outband.pipeline.Worker(zmq.Context.instance(), "tcp://127.0.0.1:5555")  # doctest: +SKIP
>>> worker.run(area)  # doctest: +SKIP

A handler returns an object, which is the result. An exception, ``SystemExit`` too, is a failure: the task is tried again,
as often as the dispatcher says. It may run more than once for one task.
"""

from __future__ import annotations

import collections
import itertools
import logging
import os
import secrets
import signal
import socket
import threading
import time
from typing import Any, Callable, Collection, Deque, Dict, Optional, Tuple

import msgpack  # type: ignore[import-untyped]
import zmq

from . import _compression, _down, _link, _memory, _parts, _wire
from ._complaints import Complaints
from ._errors import CallerError, PeerError
from ._limits import Limits
from ._tasks import Failure, Frames, Job, Rejected, Returned, Task, told

__all__ = ["Failure", "Rejected", "Returned", "Task", "Worker"]

_log = logging.getLogger(__name__)

VERSION = 1
_RETRY = 0.5
_PATIENCE = 5.0
_FAREWELL = 1.0
_AT_ONCE = 256
#: A result of so many bytes is announced, and so is a task; so many bytes in a second are what a slow connection carries.
_LARGE, _LEAST_RATE = 1 << 20, 1_000_000
_MAX_TEXT = 4096
_MAX_NAMED = 100_000
_LONGEST = (1 << 31) - 1


class Worker:
    """Runs a handler for each task that a dispatcher gives it.

    ``threads`` handlers run at once, and ``in_flight`` tasks of together ``bytes`` bytes are held, those that wait for a
    thread included. ``grace`` is how many seconds running handlers, and the dispatcher's answer, may take when it leaves.
    ``ends_with_dispatcher`` ends it when the dispatcher says goodbye, or when there is none for five seconds; without that
    it waits for the next one. ``prepare_socket`` is called with each DEALER before it connects, to set CURVE keys and the like.
    ``limits`` and ``encodings`` are those of :func:`outband.loads`.
    """

    def __init__(
        self,
        context: zmq.Context[Any],
        endpoint: str,
        *,
        threads: int = 1,
        in_flight: Optional[int] = None,
        bytes: int = 256 << 20,
        name: Optional[str] = None,
        grace: float = 30.0,
        ends_with_dispatcher: bool = False,
        prepare_socket: Optional[_link.Prepare] = None,
        limits: Limits = Limits(),
        encodings: Collection[str] = _compression.SAFE,
    ) -> None:
        _wire.check_accepted(limits, encodings)
        if bytes < 1 or (in_flight is not None and in_flight < 1):
            raise CallerError(f"a worker of {in_flight} tasks in flight and {bytes} bytes has room for none")
        if not isinstance(name, (str, type(None))):
            raise CallerError(f"the name of a worker is text, and this is of type {type(name).__name__}")
        self._context, self._endpoint = _parts.blocking(context), endpoint
        self._limits, self._encodings = limits, encodings
        self._threads = max(threads, 1)
        self._capacity = (in_flight or 2 * self._threads, bytes)
        # a dispatcher hears nobody with a longer one
        self._name = (name or f"pid {os.getpid()}").encode(errors="replace")[:_MAX_TEXT].decode(errors="ignore")
        self._grace = grace
        self._ends_with_dispatcher, self._prepare = ends_with_dispatcher, prepare_socket
        self._id, self._session, self._epoch = secrets.randbits(64), 1, -1
        self._heartbeat, self._liveness = 1.0, 3.0
        self._is_joined = self._is_ended = self._has_said_hello = self._has_said_bye = self._owes_bye = False
        self._clock = 0  # the dispatcher's latest in this session
        self._has_lease = True
        self._getting_on: Dict[int, Job] = {}  # of which that is to be said, at this time
        self._next_progress = 0.0
        self._coming = 0.0  # seconds that what comes next may take, beyond what the dispatcher may be silent
        self._held: Dict[int, Job] = {}
        self._held_bytes = 0  # of all that is held
        self._waiting: Deque[Job] = collections.deque()
        # each with the dispatcher it is for, and the task that it answers for
        self._outbox: Deque[Tuple[Optional[int], Optional[int], Frames, Optional[Frames]]] = collections.deque()
        self._condition = threading.Condition()
        self._hears, self._rings = socket.socketpair()
        self._hears.setblocking(False)
        self._rings.setblocking(False)
        self._leaving: Optional[float] = None
        self._wants_leave = self._has_run = False
        self._complaints, self._refusal = Complaints(_log), ""

    def leave(self) -> None:
        """Hands back what waits, lets running handlers end, and ends :meth:`run`. From any thread, or a signal handler."""
        self._wants_leave = True
        self._ring()

    def run(self, handler: Callable[[Task], Any]) -> None:
        """Runs the handler for every task until it is time to leave: after :meth:`leave`, SIGTERM or SIGINT. Once for each worker.

        In the main thread it hears of the first signal; a second one does what it did before, and ends the process by default.
        A dispatcher that refuses this worker for good, because ``bytes`` are less than its largest task or its version is another, is a
        :class:`CallerError` with its reason; one that has enough workers for now is asked again, and the log says so.
        """
        if not callable(handler):
            raise CallerError(f"a handler is called with each task, and this is of type {type(handler).__name__}")
        if self._has_run:
            raise CallerError("this worker has run: each runs once")
        self._has_run = True
        previous: Dict[int, Any] = {}

        def restore() -> None:
            while previous:
                signal.signal(*previous.popitem())

        def leave(_number: int, _frame: Any) -> None:
            self.leave()
            restore()

        threads = [threading.Thread(target=self._work, args=(handler,), daemon=True) for _ in range(self._threads)]
        try:
            if threading.current_thread() is threading.main_thread():
                for number in (signal.SIGTERM, signal.SIGINT):
                    # one that Python knows nothing of cannot be put back
                    previous[number] = signal.getsignal(number) or signal.SIG_DFL
                    signal.signal(number, leave)
            for thread in threads:
                thread.start()
            self._serve()
        finally:
            with self._condition:
                self._is_ended = True
                self._void()
                self._condition.notify_all()
            restore()
            self._complaints.tell()
            self._hears.close()
            self._rings.close()

    def _ring(self) -> None:
        try:
            self._rings.send(b"\1")
        except OSError:
            pass  # it rings already, or nobody hears it any more

    # threads with handlers

    def _work(self, handler: Callable[[Task], Any]) -> None:
        while True:
            with self._condition:
                while not self._waiting and not self._is_ended:
                    self._condition.wait()
                if self._is_ended:
                    return
                job = self._waiting.popleft()
                job.is_running = True
            answer = self._attempt(handler, job)
            with self._condition:
                if self._held.get(job.task) is job:
                    self._let_go(job)
                    self._answer(job, answer)
            self._ring()

    def _attempt(self, handler: Callable[[Task], Any], job: Job) -> Any:
        try:
            value = _wire.loads(job.frames, limits=self._limits, encodings=self._encodings)
            # without a variable for the result, which would hold it
            return _memory.settled(_wire.dumps(handler(Task(job, value, self._progress))))
        except BaseException as error:  # SystemExit too: a task whose thread has ended would be held for ever
            return told(error)

    def _progress(self, job: Job) -> None:
        with self._condition:
            is_wanted = self._has_lease and self._is_joined and job.epoch == self._epoch and not job.is_void
            if not is_wanted or self._held.get(job.task) is not job or job.task in self._getting_on:
                return
            self._getting_on[job.task] = job
        self._ring()

    # the rest runs in the thread of `run`, and whatever touches the state holds the condition

    def _answer(self, job: Job, answer: Any) -> None:
        if job.epoch != self._epoch:
            return  # of a dispatcher that is gone
        if isinstance(answer, Failure):
            delay = None if answer.retry_after is None else int(answer.retry_after * 1000)
            reason = str(answer).encode(errors="replace")[:_MAX_TEXT].decode(errors="ignore")
            nak = _pack("nak", job.epoch, job.task, job.delivery, answer.fault, delay, reason)
            self._outbox.append((job.epoch, job.task, [nak], None))
        else:
            size = sum(memoryview(frame).nbytes for frame in answer)
            coming = [_pack("progress", job.epoch, job.task, job.delivery, size)] if size >= _LARGE else None
            header = _pack("result", job.epoch, [job.task, job.delivery, len(answer)])
            self._outbox.append((job.epoch, job.task, [header, *answer], coming))

    def _hand_back(self, job: Job, reason: str) -> None:
        job.is_void = True
        self._let_go(job)
        self._answer(job, Returned(reason))

    def _void(self) -> None:
        """Nobody wants the results of what is held: handlers that ask are told so."""
        for job in self._held.values():
            job.is_void = True

    def _let_go(self, job: Job) -> None:
        del self._held[job.task]
        self._getting_on.pop(job.task, None)
        self._held_bytes -= job.bytes

    def _has_room(self, job: Job) -> bool:
        messages, size = self._capacity
        return len(self._held) < messages and self._held_bytes + job.bytes <= size

    def _room(self) -> Tuple[int, int]:
        if self._leaving is not None:
            return 0, 0
        former = [job for job in self._held.values() if job.session != self._session]
        messages, size = self._capacity
        return max(0, messages - len(former)), max(0, size - sum(job.bytes for job in former))

    def _serve(self) -> None:
        dealer, monitor = _link.connected(self._context, self._endpoint, self._prepare)
        now = heard = ticked = beat = begun = time.monotonic()
        begins: Optional[float] = None  # when the next connection is to be, where there is none
        try:
            while True:
                poller = zmq.Poller()
                poller.register(dealer, zmq.POLLIN)
                poller.register(monitor, zmq.POLLIN)
                poller.register(self._hears, zmq.POLLIN)
                until = min([beat] + ([self._leaving] if self._leaving is not None else []))
                until = min(until, self._next_progress) if self._getting_on else until
                until = min(until, self._complaints.wait() or until, begins or until)
                # what is longer than libzmq can wait is asked for again
                poller.poll(min(int(max(0.0, until - time.monotonic()) * 1000) + 1, _LONGEST))
                try:
                    while self._hears.recv(4096):
                        pass
                except BlockingIOError:
                    pass
                self._complaints.tell_in_time()
                if begins is not None and time.monotonic() >= begins:
                    dealer.connect(self._endpoint)
                    begins, begun = None, time.monotonic()
                # asked before the socket is read: what came before the end is read too, as far as libzmq has kept it
                is_cut, is_lost = any([True for _ in _link.received(monitor)]), False
                with self._condition:
                    # not all that there is: a peer may never stop, and there is more to do
                    for frames in itertools.islice(_link.received(dealer), _AT_ONCE):
                        try:
                            is_asked = self._handle(frames)
                        except PeerError as error:
                            self._complaints.warn("%s; the worker begins anew", error)
                            is_lost = True
                            break
                        heard = time.monotonic()
                        beat = heard if is_asked else beat
                    now = time.monotonic()
                    if is_cut:
                        if self._is_joined:
                            heard = now
                            self._seek()
                        self._has_said_hello, beat = False, now
                    interval, patience = (
                        (self._heartbeat, self._liveness + self._coming) if self._is_joined else (_RETRY, _PATIENCE)
                    )
                    if now - ticked > 2 * interval:
                        heard = now  # this process has been stopped: what was said meanwhile is still to be read
                    ticked = now
                    if self._owes_bye:
                        # the dispatcher stays for this answer, and then there is nobody for a while
                        _link.try_send(dealer, [_pack("bye")])
                        self._owes_bye, beat = False, now + _RETRY
                    if self._wants_leave and self._leaving is None:
                        self._leaving, beat = now + self._grace, now
                        while self._waiting:
                            self._hand_back(self._waiting.popleft(), "handed back: the worker is leaving")
                    is_silent = now - heard >= patience
                    if is_silent or is_lost:
                        if self._ends_with_dispatcher and not self._is_joined and is_silent:
                            self._is_ended = True
                        _link.close(dealer, monitor)
                        dealer, monitor = _link.opened(self._context, self._endpoint, self._prepare)
                        # who answers each connection with what makes no sense is not asked as fast as it answers
                        begins = max(now, begun + _RETRY)
                        heard = now if is_silent or self._is_joined else heard
                        beat = now + (_RETRY if is_lost else 0)
                        self._seek()
                    if now >= beat and not self._is_ended:
                        beat = now + (self._heartbeat if self._is_joined else _RETRY)  # of a session that may just have ended
                        if not self._has_said_bye:  # after a goodbye it would be somebody else's sign
                            self._sign(dealer)
                    if self._getting_on and now >= self._next_progress:
                        self._next_progress = now + interval / 4
                        for job in self._getting_on.values():
                            sign = _pack("progress", job.epoch, job.task, job.delivery)
                            self._outbox.append((job.epoch, None, [sign], None))
                        self._getting_on.clear()
                    self._leave_if_due(now, dealer)
                    self._send(dealer)
                    if self._is_ended:
                        return
        finally:
            _link.close(dealer, monitor)

    def _sign(self, dealer: zmq.Socket[Any]) -> None:
        if self._is_joined:
            waiting = [job.task for job in self._waiting]
            # one of a dispatcher that is gone is not the task that has its number now
            busy = [job.task for job in self._held.values() if job.is_running and job.epoch == self._epoch]
            busy += [task for _, task, *_ in self._outbox if task is not None]  # this overtakes those
            # an account that leaves something out would make that missing
            account = (self._clock, busy) if len(waiting) + len(busy) <= _MAX_NAMED else ()
            sign = _pack("beat", self._session, *self._room(), waiting[:_MAX_NAMED], *account)
        else:
            sign = _pack("hello", VERSION, self._id, self._session, self._name, *self._room(), self._capacity[1])
        self._has_said_hello = _link.try_send(dealer, [sign])

    def _send(self, dealer: zmq.Socket[Any]) -> None:
        while self._is_joined and self._outbox:
            *_, frames, coming = self._outbox[0]
            if not (coming is None or _link.try_send(dealer, coming)) or not _link.try_send(dealer, frames):
                return
            self._outbox.popleft()

    def _seek(self) -> None:
        """Begins a new session. The dispatcher hands out again what has not begun."""
        self._is_joined = self._has_said_bye = self._has_said_hello = False
        self._session += 1
        self._clock, self._coming = 0, 0.0
        self._getting_on.clear()
        for job in self._waiting:
            self._let_go(job)
        self._waiting.clear()
        self._outbox = collections.deque(entry for entry in self._outbox if entry[1] is not None)

    def _leave_if_due(self, now: float, dealer: zmq.Socket[Any]) -> None:
        if self._leaving is None:
            return
        if self._has_said_bye:
            self._is_ended = self._is_ended or now >= self._leaving
        elif not self._held or now >= self._leaving:
            for job in list(self._held.values()):
                self._hand_back(job, "handed back: the worker leaves and the handler is not done")
            if self._is_joined:
                # what was answered last may be large, and is on its way before this
                self._has_said_bye, self._leaving = True, max(self._leaving, now + _FAREWELL)
                self._outbox.append((None, None, [_pack("bye")], None))
            elif now >= self._leaving or not self._outbox:
                # it may be welcome, and have been given tasks, before it has read so
                self._has_said_bye = self._has_said_hello and _link.try_send(dealer, [_pack("bye")])
                self._leaving, self._is_ended = now + _FAREWELL, not self._has_said_bye

    def _handle(self, frames: Frames) -> bool:
        """Takes a message; whether a sign of life is due at once."""
        if self._is_ended:
            return False  # a "who" after the goodbye that ended it would have it say hello, and be lost
        name, fields, objects = _down.read(frames)
        self._coming = 0.0
        if name == "task" and self._is_joined and fields[0] == self._session:
            for task, delivery, attempt, body in objects:
                self._take(Job(self._session, self._epoch, task, delivery, attempt, body))
        elif name == "refused" and fields[0] == self._session:
            if fields[2:3] == ["for good"]:
                raise CallerError(f"the dispatcher at {self._endpoint} refuses this worker: {fields[1]}")
            if fields[1] != self._refusal:  # the same once more is no news
                self._refusal = fields[1]
                self._complaints.warn("the dispatcher refuses this worker: %s", PeerError(fields[1]))
        elif name == "welcome" and not self._is_joined and fields[:2] == [VERSION, self._session]:
            _version, _session, self._epoch, heartbeat, liveness = fields[:5]
            self._has_lease = fields[5:6] != [None]  # an earlier release does not say: there may be one
            self._heartbeat, self._liveness = max(heartbeat or 0, 1) / 1000, max(liveness or 0, 2) / 1000
            self._is_joined, self._refusal = True, ""
            for job in [job for job in self._held.values() if job.epoch != self._epoch]:
                job.is_void = True
            self._outbox = collections.deque(entry for entry in self._outbox if entry[0] == self._epoch)
        elif name == "cancel":
            held = self._held.get(fields[0])
            if held is not None and held.delivery == fields[1] and held.epoch == self._epoch:
                held.is_void = True
                if not held.is_running:
                    self._waiting.remove(held)
                    self._hand_back(held, "dropped before it began")
        elif name == "who" and fields[0] == self._session:
            self._seek()
            return True
        elif name == "beat" and self._is_joined and fields:
            self._clock = max(self._clock, fields[0])
            self._coming = min(sum(fields[1:2]), self._capacity[1]) / _LEAST_RATE
        elif name == "bye":
            if self._has_said_bye:
                self._is_ended = True
            elif self._ends_with_dispatcher:
                self._is_ended = self._owes_bye = True
            elif self._is_joined or self._has_said_hello:
                self._void()
                self._seek()
                self._outbox.clear()
                self._epoch, self._owes_bye = -1, True  # nobody wants to know what becomes of its tasks
        return False

    def _take(self, job: Job) -> None:
        present = self._held.get(job.task)
        if present is not None and present.epoch == job.epoch:
            # handed out once more while it is here: it is done once, and answered as what it is now
            present.session, present.delivery = job.session, max(present.delivery, job.delivery)
            present.is_void = False
        elif present is not None:
            self._answer(job, Returned("a task of this number still runs for a dispatcher that is gone", 0.5))
        elif self._leaving is not None:
            self._answer(job, Returned("handed back: the worker is leaving"))
        elif not self._has_room(job):
            self._answer(job, Returned("handed back: the worker has no room", 0.5))
        else:
            self._held[job.task] = job
            self._held_bytes += job.bytes
            self._waiting.append(job)
            self._condition.notify()


def _pack(*fields: Any) -> bytes:
    packed: bytes = msgpack.packb(fields)
    return packed
