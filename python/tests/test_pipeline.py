"""The worker against a dispatcher that is played frame by frame."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from typing import Any, Callable, Dict, Iterator, List, Tuple

import msgpack
import numpy
import pytest
import zmq
import zmq.asyncio

import outband
from outband import _down, _link
from outband._tasks import Job
from outband.pipeline import Failure, Rejected, Returned, Task, Worker

from machine import HAS_IPV6

EPOCH = (1 << 63) + 5

#: Seconds that nothing in a passing test ever takes.
LONG = 60


class Dispatcher:
    """A ROUTER, and one worker in a thread."""

    def __init__(self, context: zmq.Context[Any], handler: Callable[[Task], Any], **options: Any) -> None:
        self.router = context.socket(zmq.ROUTER)
        port = self.router.bind_to_random_port("tcp://127.0.0.1")
        self.worker = Worker(context, f"tcp://127.0.0.1:{port}", ends_with_dispatcher=True, **options)
        self.thread = threading.Thread(target=self.worker.run, args=(handler,))
        self.thread.start()
        self.peer, self.hello = self.next("hello")
        assert self.hello[1] == 1

    def welcome(self, session: int, epoch: int = EPOCH) -> None:
        self.say(["welcome", 1, session, epoch, 100, 1000 * LONG])

    def say(self, header: List[Any], *frames: bytes) -> None:
        self.router.send_multipart([self.peer, msgpack.packb(header), *frames])

    def task(self, session: int, task: int, value: Any, delivery: int = 1, attempt: int = 1) -> None:
        frames = outband.dumps(value)
        self.say(["task", session, [task, delivery, attempt, len(frames)]], *frames)

    def next(self, *names: str) -> Tuple[bytes, List[Any]]:
        """The next message that is one of these."""
        while True:
            peer, header, *frames = self.router.recv_multipart()
            fields = msgpack.unpackb(header)
            if fields[0] in names:
                return peer, [*fields, *frames]

    def hears_hello(self, session: int) -> List[Any]:
        """The hello of a session. Where a welcome is long in coming, that of the session before is said again."""
        while True:
            _, hello = self.next("hello")
            if hello[3] == session:
                return hello
            assert hello[3] < session

    def result(self) -> Tuple[int, int, int, Any]:
        _, (_, epoch, (task, delivery, count), *frames) = self.next("result")
        assert len(frames) == count
        return epoch, task, delivery, outband.loads(frames)

    def close(self) -> None:
        self.say(["bye"])
        self.thread.join(LONG)
        assert not self.thread.is_alive()
        self.router.close(0)


@pytest.fixture
def context() -> Iterator[zmq.Context[Any]]:
    with zmq.Context() as context:
        context.setsockopt(zmq.RCVTIMEO, 1000 * LONG)
        yield context
        context.destroy(0)


def test_it_presents_itself_and_returns_results(context: zmq.Context[Any]) -> None:
    dispatcher = Dispatcher(context, lambda task: {"twice": bytes(task.value) * 2}, threads=2, bytes=30_000, name="twice")
    _, version, worker, session, name, messages, size, capacity = dispatcher.hello
    assert (version, session, name, messages, size, capacity) == (1, 1, "twice", 4, 30_000, 30_000)
    dispatcher.welcome(session)
    dispatcher.task(session, 7, b"x" * 20_000)
    assert dispatcher.result() == (EPOCH, 7, 1, {"twice": b"x" * 40_000})
    _, beat = dispatcher.next("beat")
    assert beat[1:4] == [1, 4, 30_000]
    dispatcher.close()


def results(handler: Callable[[], Any], count: int = 1) -> List[Any]:
    """The frames of what a worker would send for so many tasks, of which none has left when the last one is done."""
    worker, frames = Worker(zmq.Context.instance(), "inproc://nobody"), outband.dumps(None)
    answers = [worker._attempt(lambda _task: handler(), Job(1, EPOCH, task, 1, 1, list(frames))) for task in range(count)]
    assert not [answer for answer in answers if isinstance(answer, Failure)]
    return answers


def test_a_result_is_what_it_was_when_its_handler_returned() -> None:
    array, text = numpy.zeros(2000), bytearray(20_000)

    def filled() -> Any:
        array[:] += 1
        text[0] += 1
        still = array[:1500]
        still.flags.writeable = False
        return [array, array[500:], still, text, memoryview(text), numpy.frombuffer(text, "u1")]

    for number, frames in enumerate(results(filled, 3), 1):
        *arrays, first, second, third = outband.loads(frames)
        assert [list(set(part.tolist())) for part in arrays] == [[number]] * 3
        assert first[0] == second[0] == third[0] == number


def test_results_that_nobody_else_has_or_may_write_to_are_not_copied() -> None:
    constant = numpy.arange(5000.0)
    constant.flags.writeable = False
    made: List[int] = []

    def fresh() -> Any:
        new = numpy.zeros(5000)
        made.append(new.ctypes.data)
        return [new[:2000], new[2000:], constant]

    ((_, *frames),) = results(fresh)
    expected = [made[0], made[0] + 16_000, constant.ctypes.data]
    assert [numpy.frombuffer(frame).ctypes.data for frame in frames] == expected


def test_what_fails_says_how(context: zmq.Context[Any]) -> None:
    def handler(task: Task) -> None:
        raise {1: Failure("once more", 1.5), 2: Rejected("never"), 3: Returned("not here")}.get(task.id, KeyError(task.id))

    dispatcher = Dispatcher(context, handler)
    dispatcher.welcome(1)
    expected = [["failed", 1500, "once more"], ["rejected", None, "never"], ["returned", None, "not here"], ["failed", None, "KeyError: 4"]]
    for task, answer in enumerate(expected, 1):
        dispatcher.task(1, task, None)
        assert dispatcher.next("nak")[1] == ["nak", EPOCH, task, 1, *answer]
    dispatcher.close()


def test_whatever_a_handler_raises_is_answered_and_its_thread_goes_on(context: zmq.Context[Any]) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise SystemExit

    class Unmade(Rejected):
        def __init__(self) -> None:
            pass

    def handler(task: Task) -> None:
        raise {
            1: SystemExit(3),
            2: Failure("lone \ud800"),
            3: Mute(),
            4: Failure("late", float("nan")),
            5: Failure("later", 1e300),
            6: Unmade(),
            7: Failure("x" * 4095 + "\u00e4"),
        }[task.id]

    dispatcher = Dispatcher(context, handler)
    dispatcher.welcome(1)
    expected = [
        ["failed", None, "SystemExit: 3"],
        ["failed", None, "lone ?"],
        ["failed", None, "Mute, of which nothing can be said: SystemExit"],
        ["failed", None, "Failure, of which nothing can be said: ValueError"],
        ["failed", 1 << 53, "later"],
        ["rejected", None, ""],
        ["failed", None, "x" * 4095],
    ]
    for task, answer in enumerate(expected, 1):
        dispatcher.task(1, task, None)
        assert dispatcher.next("nak")[1] == ["nak", EPOCH, task, 1, *answer]
    dispatcher.close()


def test_a_task_is_cancelled_whether_it_waits_or_runs(context: zmq.Context[Any]) -> None:
    def handler(task: Task) -> str:
        task.progress()
        while not task.is_cancelled:
            is_over.wait(0.01)
        return "nobody wants this"

    is_over = threading.Event()
    dispatcher = Dispatcher(context, handler, in_flight=2)
    dispatcher.welcome(1)
    dispatcher.task(1, 1, None)
    assert dispatcher.next("progress")[1] == ["progress", EPOCH, 1, 1]
    dispatcher.task(1, 2, None)
    dispatcher.say(["cancel", 2, 1])
    assert dispatcher.next("nak")[1][2:5] == [2, 1, "returned"]
    dispatcher.say(["cancel", 1, 1])
    assert dispatcher.result()[1:3] == (1, 1)
    dispatcher.close()


def test_progress_is_told_four_times_a_heartbeat_at_most_and_only_where_there_is_a_lease(context: zmq.Context[Any]) -> None:
    is_free = threading.Event()

    def handler(task: Task) -> int:
        while not is_free.is_set():
            task.progress()
            calls[task.id] = calls.get(task.id, 0) + 1
        return calls[task.id]

    calls: Dict[int, int] = {}
    for lease, fewest, most in (([], 2, 99), ([1000], 2, 99), ([None], 0, 0)):
        is_free.clear()
        calls.clear()
        dispatcher = Dispatcher(context, handler)
        began = time.monotonic()
        dispatcher.say(["welcome", 1, 1, EPOCH, 100, 1000 * LONG, *lease])
        dispatcher.task(1, 1, None)
        beats = told = 0
        while beats < 5 or told < fewest:
            header = msgpack.unpackb(dispatcher.router.recv_multipart()[1])
            beats += header[0] == "beat"
            told += header[0] == "progress"
        is_free.set()
        assert dispatcher.result()[3] > 10
        assert told <= min(most, (time.monotonic() - began) / 0.025 + 1)
        dispatcher.close()


def held_up() -> Tuple[threading.Event, Callable[[Task], int]]:
    """A handler that answers with its task's number once the event is set."""
    is_free = threading.Event()

    def handler(task: Task) -> int:
        is_free.wait(LONG)
        return task.id

    return is_free, handler


def test_a_worker_that_leaves_hands_back_what_waits(context: zmq.Context[Any]) -> None:
    is_free, handler = held_up()
    dispatcher = Dispatcher(context, handler, in_flight=3)
    dispatcher.welcome(1)
    for task in (1, 2, 3):
        dispatcher.task(1, task, None)
    while dispatcher.next("beat")[1][4] != [2, 3]:
        pass
    dispatcher.worker.leave()
    assert [dispatcher.next("nak")[1][2:5] for _ in range(2)] == [[2, 1, "returned"], [3, 1, "returned"]]
    dispatcher.task(1, 4, None)
    assert dispatcher.next("nak")[1][2:5] == [4, 1, "returned"]
    is_free.set()
    assert dispatcher.result()[1] == 1
    dispatcher.next("bye")
    dispatcher.close()


@pytest.mark.parametrize("grace, end", [(30.0, 130.0), (0.0, 101.0)])
def test_a_worker_that_leaves_waits_for_the_answer_until_its_grace_is_over(context: zmq.Context[Any], grace: float, end: float) -> None:
    for ends_sooner in (False, True):
        worker = Worker(context, "inproc://nobody")
        worker._is_joined, worker._leaving = True, 100.0 + grace
        worker._leave_if_due(100.0, None)  # type: ignore[arg-type]
        assert worker._has_said_bye and worker._outbox.pop()[2] == [msgpack.packb(["bye"])]
        worker._leave_if_due(end - 0.1, None)  # type: ignore[arg-type]
        assert not worker._is_ended
        if ends_sooner:
            worker._seek()  # after a silence, or the end of the connection
        worker._leave_if_due(end - 0.1 if ends_sooner else end, None)  # type: ignore[arg-type]
        assert worker._is_ended


def test_a_large_task_has_time_to_arrive_and_a_large_result_is_announced(context: zmq.Context[Any]) -> None:
    dispatcher = Dispatcher(context, lambda task: bytes(1 << 20), bytes=60_000_000)
    dispatcher.say(["welcome", 1, 1, EPOCH, 50, 100])
    dispatcher.next("beat")
    dispatcher.say(["beat", 0, 1 << 40])  # a minute, as it is no longer than what the worker could hold
    for _ in range(20):  # ten times as long as the dispatcher may be silent
        _, sign = dispatcher.next("beat", "hello")
        assert sign[:2] == ["beat", 1]
    dispatcher.task(1, 7, None)
    dispatcher.say(["beat", 0, 1 << 40])
    _, announced = dispatcher.next("progress")
    size = announced.pop()
    assert announced == ["progress", EPOCH, 7, 1] and 1 << 20 < size < (1 << 20) + 100
    assert dispatcher.result() == (EPOCH, 7, 1, bytes(1 << 20))
    dispatcher.close()


def test_a_session_begins_anew_and_answers_for_the_later_delivery(context: zmq.Context[Any]) -> None:
    is_free = threading.Event()

    def handler(task: Task) -> int:
        is_free.wait(LONG)
        return task.value

    dispatcher = Dispatcher(context, handler, in_flight=2)
    dispatcher.welcome(1)
    dispatcher.task(1, 1, "first")
    dispatcher.task(1, 2, "dropped, the dispatcher hands it out again")
    while dispatcher.next("beat")[1][4] != [2]:
        pass
    dispatcher.say(["who", 1])
    assert dispatcher.hears_hello(2)[5] == 1, "one place is taken by what still runs"
    dispatcher.task(1, 3, "of a session that is over")
    dispatcher.welcome(2)
    dispatcher.task(2, 1, "first", delivery=2)
    while dispatcher.next("beat")[1][1:3] != [2, 2]:
        pass  # until it counts that task in this session
    is_free.set()
    assert dispatcher.result() == (EPOCH, 1, 2, "first")
    dispatcher.task(2, 2, "second", delivery=2)
    assert dispatcher.result() == (EPOCH, 2, 2, "second")
    dispatcher.close()


def test_results_for_a_dispatcher_that_is_gone_are_dropped(context: zmq.Context[Any]) -> None:
    has_begun, is_free = threading.Event(), threading.Event()

    def handler(task: Task) -> str:
        has_begun.set()
        is_free.wait(LONG)
        return str(task.value)

    dispatcher = Dispatcher(context, handler, threads=2)
    dispatcher.welcome(1)
    dispatcher.task(1, 1, "old")
    assert has_begun.wait(LONG)
    dispatcher.say(["who", 1])
    dispatcher.hears_hello(2)
    dispatcher.welcome(2, EPOCH + 1)
    beat = dispatcher.next("beat")[1]
    while beat[1] == 1:
        beat = dispatcher.next("beat")[1]
    assert beat[4:] == [[], 0, []], "of the old one's tasks it says nothing"
    dispatcher.task(2, 1, "new")
    # the number is taken by what still runs for the old one
    assert dispatcher.next("nak")[1][:4] == ["nak", EPOCH + 1, 1, 1]
    is_free.set()
    dispatcher.task(2, 2, "new")
    assert dispatcher.result() == (EPOCH + 1, 2, 1, "new")
    dispatcher.close()


def test_a_connection_that_ends_begins_a_new_session_with_the_next_dispatcher(context: zmq.Context[Any]) -> None:
    dispatcher = Dispatcher(context, lambda task: task.value)
    dispatcher.say(["welcome", 1, 1, EPOCH, 3_600_000, 10_800_000])  # silence means nothing for hours
    dispatcher.task(1, 1, "before")
    assert dispatcher.result() == (EPOCH, 1, 1, "before")
    endpoint = dispatcher.router.last_endpoint
    dispatcher.router.close(0)
    dispatcher.router = context.socket(zmq.ROUTER)
    for _ in range(2000):
        try:
            dispatcher.router.bind(endpoint)
            break
        except zmq.ZMQError:
            time.sleep(0.01)  # libzmq has not let go of the port yet
    dispatcher.peer, hello = dispatcher.next("hello")
    assert hello[3] == 2
    dispatcher.welcome(2)
    dispatcher.task(2, 2, "after")
    assert dispatcher.result() == (EPOCH, 2, 1, "after")
    dispatcher.close()


def test_a_sign_of_life_tells_all_that_it_has_and_of_what_it_has_read(context: zmq.Context[Any]) -> None:
    is_free, handler = held_up()
    dispatcher = Dispatcher(context, handler, in_flight=3)
    dispatcher.welcome(1)
    dispatcher.say(["beat"])  # of an earlier release
    for task in (7, 8, 9):
        dispatcher.task(1, task, None)
    dispatcher.say(["beat", 300])
    dispatcher.say(["beat", 200])
    while dispatcher.next("beat")[1][4:] != [[8, 9], 300, [7]]:
        pass
    dispatcher.say(["who", 1])
    dispatcher.welcome(2)
    while dispatcher.next("beat")[1][4:] != [[], 0, [7]]:
        pass  # of the new session it has read nothing yet
    is_free.set()
    assert dispatcher.result()[1] == 7
    while dispatcher.next("beat")[1][4:] != [[], 0, []]:
        pass
    dispatcher.close()


def test_more_tasks_than_a_sign_of_life_names_are_held_and_none_is_left_out_of_an_account(
    context: zmq.Context[Any],
) -> None:
    is_free = threading.Event()

    def handler(task: Task) -> None:
        is_free.wait(LONG)

    named = 100_000
    dispatcher = Dispatcher(context, handler, in_flight=2 * named)
    dispatcher.welcome(1)
    frames = outband.dumps(None)
    for first in range(0, named, 50):
        batch = [[task, 1, 1, len(frames)] for task in range(first, first + 50)]
        dispatcher.say(["task", 1, *batch], *(50 * list(frames)))
    dispatcher.say(["beat", 1])
    while dispatcher.next("beat")[1][4:] != [list(range(1, named)), 1, [0]]:
        pass
    dispatcher.task(1, named, None)
    beat = dispatcher.next("beat")[1]
    while len(beat[4]) != named:
        beat = dispatcher.next("beat")[1]
    assert beat[5:] == [], "it is no account"
    is_free.set()
    dispatcher.close()


def test_times_without_an_end_are_no_limit(context: zmq.Context[Any]) -> None:
    dispatcher = Dispatcher(context, lambda task: task.value, grace=float("inf"))
    dispatcher.say(["welcome", 1, 1, EPOCH, (1 << 64) - 1, (1 << 64) - 1, (1 << 64) - 1])
    dispatcher.next("beat")  # the only one
    dispatcher.task(1, 1, "done")
    assert dispatcher.result() == (EPOCH, 1, 1, "done")
    dispatcher.close()


def test_what_a_later_version_adds_is_skipped(context: zmq.Context[Any]) -> None:
    dispatcher = Dispatcher(context, lambda task: task.value)
    dispatcher.say(["welcome", 1, 1, EPOCH, 100, 1000 * LONG, None, "new", {"er": 1}])
    frames = outband.dumps("both")
    entries = [[task, 1, 1, len(frames), "priority", {"one": [2]}] for task in (1, 2)]
    dispatcher.say(["task", 1, *entries], *(2 * list(frames)))
    assert [dispatcher.result()[1::2] for _ in range(2)] == [(1, "both"), (2, "both")]
    dispatcher.say(["cancel", 3, 1, "why"])
    dispatcher.say(["bye", "now"])
    dispatcher.close()


def test_a_task_too_many_is_handed_back(context: zmq.Context[Any]) -> None:
    is_free, handler = held_up()
    dispatcher = Dispatcher(context, handler, in_flight=2, bytes=1000)
    dispatcher.welcome(1)
    dispatcher.task(1, 1, None)
    dispatcher.task(1, 2, "x" * 2000)
    assert dispatcher.next("nak")[1][2:6] == [2, 1, "returned", 500]
    dispatcher.task(1, 3, None)
    dispatcher.task(1, 4, None)
    assert dispatcher.next("nak")[1][2:6] == [4, 1, "returned", 500]
    is_free.set()
    assert [dispatcher.result()[1] for _ in range(2)] == [1, 3]
    # what is done takes up no room
    for task in range(5, 15):
        dispatcher.task(1, task, "x" * 900)
        assert dispatcher.result()[1] == task
    dispatcher.close()


def test_a_worker_that_is_not_welcome_is_asked_for_its_next_session_and_answers_a_goodbye(
    context: zmq.Context[Any],
) -> None:
    dispatcher = Dispatcher(context, lambda task: task.value)
    dispatcher.worker._ends_with_dispatcher = False
    dispatcher.say(["who", 1])
    dispatcher.hears_hello(2)
    dispatcher.say(["bye"])
    assert dispatcher.next("bye")[1] == ["bye"]
    dispatcher.worker._ends_with_dispatcher = True
    dispatcher.hears_hello(3)
    dispatcher.welcome(3)
    dispatcher.task(3, 1, "after")
    assert dispatcher.result() == (EPOCH, 1, 1, "after")
    dispatcher.close()


def test_a_worker_that_leaves_before_it_is_welcome_says_so(context: zmq.Context[Any]) -> None:
    dispatcher = Dispatcher(context, lambda task: task.value)
    dispatcher.worker.leave()
    assert dispatcher.next("bye")[1] == ["bye"]
    dispatcher.close()


def test_a_worker_that_is_refused_says_why_and_a_welcome_of_another_version_is_none(
    context: zmq.Context[Any], caplog: pytest.LogCaptureFixture
) -> None:
    dispatcher = Dispatcher(context, lambda task: task.value)
    dispatcher.say(["refused", 1, "it has no room"])
    dispatcher.say(["welcome", 2, 1, EPOCH, 100, 1000 * LONG])
    assert dispatcher.next("hello", "beat")[1][0] == "hello"
    assert caplog.messages == ["the dispatcher refuses this worker: it has no room"]
    dispatcher.close()


def test_a_worker_that_is_refused_for_good_says_by_whom_and_why(context: zmq.Context[Any]) -> None:
    with context.socket(zmq.ROUTER) as router:
        router.linger = 0
        place = f"tcp://127.0.0.1:{router.bind_to_random_port('tcp://127.0.0.1')}"
        worker, raised = Worker(context, place), []

        def run() -> None:
            with pytest.raises(outband.CallerError) as error:
                worker.run(lambda task: task.value)
            raised.append(str(error.value))

        running = threading.Thread(target=run)
        running.start()
        peer, hello = router.recv_multipart()
        assert msgpack.unpackb(hello)[0] == "hello"
        router.send_multipart([peer, msgpack.packb(["refused", 1, "too small\x1b[2J", "for good"])])
        running.join(LONG)
        assert raised == [f"the dispatcher at {place} refuses this worker: too small\\x1b[2J"]


def test_what_a_dispatcher_says_in_a_loop_has_a_few_lines_in_the_log(
    context: zmq.Context[Any], caplog: pytest.LogCaptureFixture
) -> None:
    dispatcher = Dispatcher(context, lambda task: task.value)
    for number in range(100):
        dispatcher.say(["refused", 1, f"number {number}"])
    for _ in range(2):
        dispatcher.say(["refused", 1, "the last"])
        dispatcher.next("hello")
    dispatcher.close()
    lines = [line for line in caplog.messages if line.startswith("the dispatcher refuses this worker: ")]
    assert lines[:10] == [f"the dispatcher refuses this worker: number {number}" for number in range(10)]
    rest = [int(line.split()[0]) for line in caplog.messages if "more of the dispatcher's messages" in line]
    assert len(lines) <= 20 and len(lines) + sum(rest) == 101, caplog.messages


def test_a_refusal_is_told_once_and_again_after_a_welcome(
    context: zmq.Context[Any], caplog: pytest.LogCaptureFixture
) -> None:
    dispatcher = Dispatcher(context, lambda task: task.value)
    for number in range(1, 3):
        for _ in range(2):
            dispatcher.say(["refused", number, "no room"])
            dispatcher.next("hello")
        assert caplog.messages.count("the dispatcher refuses this worker: no room") == number
        dispatcher.welcome(number)
        dispatcher.next("beat")
        dispatcher.say(["who", number])
        dispatcher.next("hello")
    dispatcher.close()


def test_a_goodbye_is_answered(context: zmq.Context[Any]) -> None:
    dispatcher = Dispatcher(context, lambda task: task.value)
    dispatcher.worker._ends_with_dispatcher = False
    dispatcher.welcome(1)
    dispatcher.next("beat")  # it is welcome: from here on a hello is of another session
    dispatcher.say(["bye"])
    assert dispatcher.next("bye", "hello")[1] == ["bye"]
    dispatcher.hears_hello(2)  # it stays for another dispatcher
    dispatcher.worker._ends_with_dispatcher = True
    dispatcher.close()


def polling() -> Tuple[threading.Event, threading.Event, Callable[[Task], None]]:
    """A handler that runs until it is told that nobody wants its result: when it has begun, and when it was told."""
    has_begun, was_told = threading.Event(), threading.Event()

    def handler(task: Task) -> None:
        has_begun.set()
        until = time.monotonic() + LONG
        while not task.is_cancelled and time.monotonic() < until:
            time.sleep(0.01)
        if task.is_cancelled:
            was_told.set()

    return has_begun, was_told, handler


@pytest.mark.parametrize("end", [["bye"], ["refused", 1, "too small", "for good"]], ids=lambda end: end[0])
def test_handlers_are_told_when_their_worker_ends(context: zmq.Context[Any], end: List[Any]) -> None:
    has_begun, was_told, handler = polling()
    with context.socket(zmq.ROUTER) as router:
        worker = Worker(context, f"tcp://127.0.0.1:{router.bind_to_random_port('tcp://127.0.0.1')}", ends_with_dispatcher=True)

        def run() -> None:
            with pytest.raises(outband.CallerError) if end[0] == "refused" else contextlib.nullcontext():
                worker.run(handler)

        running = threading.Thread(target=run)
        running.start()
        peer, _hello = router.recv_multipart()
        frames = outband.dumps(None)
        router.send_multipart([peer, msgpack.packb(["welcome", 1, 1, EPOCH, 100, 1000 * LONG])])
        router.send_multipart([peer, msgpack.packb(["task", 1, [7, 1, 1, len(frames)]]), *frames])
        assert has_begun.wait(LONG)
        router.send_multipart([peer, msgpack.packb(end)])
        running.join(LONG)
        assert not running.is_alive() and was_told.wait(LONG)


def test_handlers_are_told_of_a_goodbye_also_where_their_worker_stays(context: zmq.Context[Any]) -> None:
    has_begun, was_told, handler = polling()
    dispatcher = Dispatcher(context, handler)
    dispatcher.worker._ends_with_dispatcher = False
    dispatcher.welcome(1)
    dispatcher.task(1, 1, None)
    assert has_begun.wait(LONG)
    dispatcher.say(["bye"])
    assert was_told.wait(LONG)
    dispatcher.hears_hello(2)
    dispatcher.worker._ends_with_dispatcher = True
    dispatcher.close()


def test_nothing_is_heard_after_the_goodbye_that_ends_it(context: zmq.Context[Any]) -> None:
    # "who" answers a sign of life that was under way with the worker's own goodbye, and comes with the answer to that
    worker = Worker(context, "inproc://nobody", ends_with_dispatcher=True)
    for header in (["welcome", 1, 1, EPOCH, 100, 300], ["bye"], ["who", 1]):
        assert not worker._handle([msgpack.packb(header)])
    assert worker._is_ended and worker._session == 1


def test_a_worker_runs_once_and_leaves_no_descriptor_open(context: zmq.Context[Any]) -> None:
    def sockets() -> int:
        places = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
        return sum(os.readlink(place).startswith("socket:") for place in places if os.path.islink(place))

    open_before = sockets()
    ended = []
    for _ in range(20):
        worker = Worker(context, "inproc://nobody")
        worker.leave()
        worker.run(lambda _task: None)
        worker.leave()  # of which nobody hears
        with pytest.raises(outband.CallerError, match="each runs once"):
            worker.run(lambda _task: None)
        ended.append(worker)
    assert sockets() == open_before


def test_a_second_signal_ends_the_process(context: zmq.Context[Any]) -> None:
    router = context.socket(zmq.ROUTER)
    port = router.bind_to_random_port("tcp://127.0.0.1")
    process = subprocess.Popen([sys.executable, "-c", SLEEPY, f"tcp://127.0.0.1:{port}"])
    try:
        peer, hello = router.recv_multipart()
        frames = outband.dumps(None)
        for header in (["welcome", 1, 1, EPOCH, 100, 1000 * LONG], ["task", 1, [7, 1, 1, len(frames)]]):
            router.send_multipart([peer, msgpack.packb(header), *(frames if header[0] == "task" else [])])
        while msgpack.unpackb(router.recv_multipart()[1])[5:] != [0, [7]]:
            pass  # until it is at work
        process.send_signal(signal.SIGTERM)
        while msgpack.unpackb(router.recv_multipart()[1])[2] != 0:
            pass  # until it is leaving
        assert process.poll() is None, "it waits for its handler"
        process.send_signal(signal.SIGTERM)
        assert process.wait(LONG) == -signal.SIGTERM
    finally:
        process.kill()
        process.wait()
        router.close(0)


SLEEPY = """
import sys, time, zmq, outband.pipeline
with zmq.Context() as context:
    outband.pipeline.Worker(context, sys.argv[1], grace=3600).run(lambda task: time.sleep(3600))
"""


def test_threads_that_cannot_be_started_leave_nothing_behind(context: zmq.Context[Any]) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    worker = Worker(context, "inproc://nobody", threads=64)
    threads = threading.enumerate()
    former = threading.stack_size(1 << 44)  # of which no address space has many
    try:
        with pytest.raises(RuntimeError, match="can't start new thread"):
            worker.run(lambda _task: None)
    finally:
        threading.stack_size(former)
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == handlers
    for thread in set(threading.enumerate()) - set(threads):
        thread.join(LONG)  # those that were started end by themselves
    assert threading.active_count() == len(threads)


@pytest.mark.parametrize("options", [{"in_flight": -5}, {"in_flight": 0}, {"bytes": -1}, {"bytes": 0}], ids=str)
def test_a_worker_with_room_for_nothing_is_refused(context: zmq.Context[Any], options: Dict[str, int]) -> None:
    with pytest.raises(outband.CallerError, match="has room for none"):
        Worker(context, "inproc://nobody", **options)  # type: ignore[arg-type]


def test_a_place_that_is_none_leaves_no_socket_open() -> None:
    context: Any = zmq.Context()
    with pytest.raises(zmq.ZMQError) as raised:
        Worker(context, "nowhere").run(lambda _task: None)
    end = threading.Thread(target=context.term, daemon=True)
    end.start()
    end.join(LONG)
    assert not end.is_alive(), f"it waits for sockets that {raised} keeps"


ODD = [None, True, -1, -(1 << 63), 1 << 32, (1 << 64) - 1, 0.5, float("nan"), float("inf"), 1e300, "", "x" * 5000, b"\xff", [], [[]], {}, {"a": 1}]
ODD += [msgpack.ExtType(5, b"x"), msgpack.Timestamp(1 << 40)]


def said(session: int) -> List[List[Any]]:
    """One of each that a dispatcher says."""
    return [
        ["welcome", 1, session, EPOCH, 100, 1000 * LONG, None],
        ["refused", session, "no"],
        ["refused", session, "no", "for now"],
        ["who", session],
        ["task", session, [7, 1, 1, 1], [8, 1, 1, 1]],
        ["cancel", 7, 1],
        ["beat", 5],
        ["bye"],
    ]


def damaged(header: Any, chance: random.Random) -> bytes:
    """A header that is wrong in a field, or in a byte."""
    if chance.random() < 0.6:
        fields = list(header)
        at = chance.randrange(len(fields))
        if isinstance(fields[at], list) and chance.random() < 0.8:
            fields[at] = list(fields[at])
            fields[at][chance.randrange(4)] = chance.choice(ODD)
        elif chance.random() < 0.2:
            del fields[at:]
        else:
            fields[at] = chance.choice(ODD)
        return bytes(msgpack.packb(fields))
    packed = bytearray(msgpack.packb(header))
    packed[chance.randrange(len(packed))] = chance.choice((0, 0x80, 0x93, 0xC0, 0xC1, 0xC6, 0xCB, 0xCF, 0xD3, 0xDD, 0xDF, chance.randrange(256)))
    return bytes(packed[: chance.choice((len(packed), len(packed), chance.randrange(len(packed) + 1)))])


def test_what_a_dispatcher_says_wrongly_is_refused_as_such_or_is_right(context: zmq.Context[Any]) -> None:
    worker = Worker(context, "inproc://nobody", in_flight=1000, bytes=1 << 20)
    for seed in range(20_000):
        chance = random.Random(seed)
        header = chance.choice(said(worker._session))
        bodies = [b"\xc0"] * (2 if header[0] == "task" and chance.random() < 0.9 else chance.choice((0, 0, 1)))
        if chance.random() < 0.2:
            worker._handle([msgpack.packb(said(worker._session)[0])])
        with worker._condition:
            try:
                worker._handle([damaged(header, chance), *bodies])
            except outband.PeerError:
                worker._seek()
        worker._is_ended = worker._owes_bye = False
        assert worker._held_bytes <= 1 << 20 and len(worker._held) <= 1000 and len(worker._waiting) <= 1000
        assert 0 < worker._heartbeat < 1 << 62 and 0 < worker._liveness < 1 << 62, f"seed {seed}"


def test_a_header_takes_no_memory_for_what_its_lists_only_promise() -> None:
    lists = b"".join(b"\xdd" + (100_000 - at).to_bytes(4, "big") for at in range(5, 4000, 5))
    tracemalloc.start()
    try:
        with pytest.raises(outband.PeerError, match="no MessagePack array"):
            _down.read([lists + b"\xc0" * (100_000 - len(lists))])
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_no_dict_is_made_of_a_map_in_a_header() -> None:
    assert _down.read([msgpack.packb(["beat", 300, 0, {1: 2, (3, 4): {}}])]) == ("beat", [300, 0, ((1, 2), ([3, 4], ()))], [])
    for wrong in ({1: 2}, ["beat", {}], ["welcome", 1, 1, 1, {}, None], ["task", 1, dict.fromkeys(range(4))], [{"beat": 1}]):
        with pytest.raises(outband.PeerError):
            _down.read([msgpack.packb(wrong)])


WRONG = [
    msgpack.packb(["welcome", 1, 1, EPOCH, float("nan"), 10_000, None]),
    msgpack.packb(["welcome", 1, 1, EPOCH, -5, 10_000, None]),
    msgpack.packb(["welcome", 1, 1, EPOCH, 1e300, 1e300]),
    msgpack.packb(["welcome", 1, 1, EPOCH, "1", 10_000]),
    msgpack.packb(["welcome", 1, 1]),
    msgpack.packb(["task", 1, [7, 1, 1, 1 << 62]]),
    msgpack.packb(["beat", float("nan")]),
    msgpack.packb(["beat", 0, -1]),
    msgpack.packb([["beat"], 1]),
    b"\xdd\xff\xff\xff\xff",
    b"\x91" * 5000,
    b"\xc1",
    b"",
    bytes(2 << 20),
]


def test_a_worker_begins_anew_after_what_makes_no_sense(context: zmq.Context[Any], caplog: pytest.LogCaptureFixture) -> None:
    dispatcher = Dispatcher(context, lambda task: task.value)
    session = 1
    for task, header in enumerate(WRONG):
        if task % 2:
            dispatcher.say(["welcome", 1, session, EPOCH, (1 << 64) - 1, (1 << 64) - 1])
            dispatcher.next("beat")
        dispatcher.router.send_multipart([dispatcher.peer, header])
        former = dispatcher.peer
        while dispatcher.peer == former:
            dispatcher.peer, hello = dispatcher.next("hello")
        session += 1
        assert hello[3] == session, "it is over another connection too"
        dispatcher.welcome(session)
        dispatcher.task(session, task, "good")
        assert dispatcher.result() == (EPOCH, task, 1, "good")
        dispatcher.say(["who", session])
        session += 1
        dispatcher.hears_hello(session)
    assert len(caplog.messages) == len(WRONG) and all("the worker begins anew" in text for text in caplog.messages)
    dispatcher.close()


def test_who_talks_nonsense_to_each_connection_is_not_asked_as_fast_as_it_answers(context: zmq.Context[Any]) -> None:
    stranger = context.socket(zmq.DEALER)
    accepts = stranger.get_monitor_socket(zmq.EVENT_ACCEPTED)
    worker = Worker(context, f"tcp://127.0.0.1:{stranger.bind_to_random_port('tcp://127.0.0.1')}")
    began = time.monotonic()  # before the first one: what is heard of late was there before
    running = threading.Thread(target=worker.run, args=(lambda task: task.value,))
    running.start()
    try:
        for _ in range(5):
            while not accepts.poll(1):
                try:
                    stranger.send(b"garbage", zmq.NOBLOCK)
                except zmq.Again:
                    pass  # nobody is there
            accepts.recv_multipart()
        assert time.monotonic() - began > 4 * 0.4
    finally:
        worker.leave()
        running.join(LONG)
        stranger.disable_monitor()


def test_a_worker_takes_a_context_of_asyncio_and_its_options(context: zmq.Context[Any]) -> None:
    with zmq.asyncio.Context() as other:
        other.setsockopt(zmq.RECONNECT_IVL, 77)
        worker = Worker(other, "inproc://nobody")
        dealer, monitor = _link.connected(worker._context, worker._endpoint, None)
        assert type(dealer) is type(monitor) is zmq.Socket and dealer.getsockopt(zmq.RECONNECT_IVL) == 77
        _link.close(dealer, monitor)
        router = context.socket(zmq.ROUTER)
        place = f"tcp://127.0.0.1:{router.bind_to_random_port('tcp://127.0.0.1')}"
        worker = Worker(other, place, ends_with_dispatcher=True)
        thread = threading.Thread(target=worker.run, args=(lambda task: task.value,))
        thread.start()
        peer, hello = router.recv_multipart()
        for header in (["welcome", 1, 1, EPOCH, 100, 1000 * LONG], ["task", 1, [7, 1, 1, 1]]):
            router.send_multipart([peer, msgpack.packb(header), *([b"\x2a"] if header[0] == "task" else [])])
        header = frames = None
        while header is None or header[0] != "result":
            _, packed, *frames = router.recv_multipart()
            header = msgpack.unpackb(packed)
        assert outband.loads(frames) == 42
        router.send_multipart([peer, msgpack.packb(["bye"])])
        thread.join(LONG)
        assert not thread.is_alive()


def test_a_peer_that_never_stops_keeps_nobody_from_leaving(context: zmq.Context[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(socket: Any) -> Iterator[Any]:
        for _ in range(100_000 if socket.type == zmq.DEALER else 0):
            yield [msgpack.packb(["beat"])]

    read: List[Any] = []
    worker = Worker(context, "inproc://nobody")
    monkeypatch.setattr(_link, "received", endless)
    monkeypatch.setattr(worker, "_handle", read.append)
    worker.leave()
    worker.run(lambda _task: None)
    assert len(read) < 10_000


def test_a_name_is_text_and_no_longer_than_a_dispatcher_hears(context: zmq.Context[Any]) -> None:
    with pytest.raises(outband.CallerError, match="the name of a worker is text, and this is of type int"):
        Worker(context, "inproc://nobody", name=7)  # type: ignore[arg-type]
    for name, said in (("ø" * 3000, "ø" * 2048), ("x" + "ø" * 3000, "x" + "ø" * 2047), ("\udc80", "?")):
        dispatcher = Dispatcher(context, lambda task: task.value, name=name)
        assert dispatcher.hello[4] == said
        dispatcher.close()


def test_a_handler_is_one(context: zmq.Context[Any]) -> None:
    with pytest.raises(outband.CallerError, match="a handler is called with each task, and this is of type NoneType"):
        Worker(context, "inproc://nobody").run(None)  # type: ignore[arg-type]


@pytest.mark.skipif(not HAS_IPV6, reason="this machine has no IPv6")
def test_an_address_of_ipv6_needs_no_option(context: zmq.Context[Any]) -> None:
    router = context.socket(zmq.ROUTER)
    router.setsockopt(zmq.IPV6, 1)
    router.bind("tcp://[::1]:*")
    worker = Worker(context, router.last_endpoint.decode(), ends_with_dispatcher=True)
    thread = threading.Thread(target=worker.run, args=(lambda _task: None,))
    thread.start()
    peer, hello = router.recv_multipart()
    assert msgpack.unpackb(hello)[0] == "hello"
    router.send_multipart([peer, msgpack.packb(["bye"])])
    worker.leave()
    thread.join()
