"""Feeds: the state of a stream, and a subscriber against a publisher that is written out here frame by frame."""

from __future__ import annotations

import itertools
import pathlib
import random
import signal
import socket
import struct
import threading
import time
import types
from typing import Any, Iterable, Iterator, Optional

import pytest
import zmq
import zmq.asyncio

import outband
from outband import feed
from outband._attention import Attention
from outband._follow import Follow, Rules

from machine import HAS_IPV6


#: Seconds that nothing in a passing test ever takes.
LONG = 60


def header(kind: int, *numbers: int) -> bytes:
    return bytes([0x46, 2, kind]) + struct.pack(f"<{len(numbers)}Q", *numbers)


class Publisher:
    """Numbers, a cache, and answers; tests say what is lost."""

    def __init__(self, context: Any) -> None:
        self.live, self.router = context.socket(zmq.XPUB), context.socket(zmq.ROUTER)
        ports = [socket.bind_to_random_port("tcp://127.0.0.1") for socket in (self.live, self.router)]
        self.endpoints = [f"tcp://127.0.0.1:{port}" for port in ports]
        self.epoch, self.last, self.first = 100, 0, 1
        self.cache: dict[int, Any] = {}

    def publish(self, value: Any, lost: bool = False) -> None:
        self.last += 1
        self.cache[self.last] = outband.dumps(value)
        if not lost:
            self.live.send_multipart([b"a\0" + header(1, self.epoch, self.last, 5_000_000), *self.cache[self.last]])

    def heartbeat(self) -> None:
        self.live.send(b"a\0" + header(2, self.epoch, self.last, 0, self.first))

    def answer(self) -> None:
        """Answers one request."""
        self.answer_to(self.router.recv_multipart())

    def answer_to(self, request: list[bytes], most: int = 1 << 62) -> None:
        """Answers this request, with messages up to that number."""
        peer, asked, name, ranges = request
        assert name == b"a" and asked[:3] == b"F\2\5"
        epoch, request, messages, size = struct.unpack_from("<4Q", asked, 3)
        assert (epoch, messages, size) == (self.epoch, 512, 4 << 20)
        numbers = struct.unpack(f"<{len(ranges) // 8}Q", ranges)
        for first, last in zip(numbers[::2], numbers[1::2]):
            for number in range(max(first, self.first), min(last, self.last, most) + 1):
                stamp = header(3, self.epoch, number, 5_000_000, request)
                self.router.send_multipart([peer, stamp, *self.cache[number]])
        self.router.send_multipart([peer, header(4, self.epoch, self.last, 0, self.first, request)])


class Relay:
    """Passes the bytes of connections on to a port, until they vanish: then they are open, and nothing comes through."""

    def __init__(self, port: int) -> None:
        self.port, self.connections, self.vanished = port, 0, threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far, vanished = socket.create_connection(("127.0.0.1", self.port)), self.vanished
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self.pump, args=(*pair, vanished), daemon=True).start()
            self.connections += 1

    def pump(self, source: socket.socket, sink: socket.socket, vanished: threading.Event) -> None:
        try:
            while data := source.recv(1 << 16):
                if not vanished.is_set():
                    sink.sendall(data)
        except OSError:
            pass
        if not vanished.is_set():
            source.close()
            sink.close()

    def vanish(self) -> None:
        """Those that there are; later ones are passed on."""
        self.vanished.set()
        self.vanished = threading.Event()


@pytest.fixture
def context() -> Iterator[Any]:
    with zmq.Context() as context:
        context.setsockopt(zmq.RCVTIMEO, 1000 * LONG)
        context.setsockopt(zmq.LINGER, 0)
        yield context
        context.destroy(0)


def within(context: Any) -> Publisher:
    """A publisher in this process: what it has published is in the subscriber's socket."""
    publisher = Publisher(context)
    publisher.live.bind("inproc://live")
    publisher.endpoints[0] = "inproc://live"
    return publisher


def patient(**options: Any) -> feed.Rules:
    """Rules for whom silence means nothing, where nothing else is said."""
    return feed.Rules(**{"timeout": LONG, "stale_after": 3600, **options})


def begin(context: Any, publisher: Publisher, **options: Any) -> feed.Subscriber:
    subscriber = feed.Subscriber(context, *publisher.endpoints, ["a"], **{"rules": patient(), **options})
    assert publisher.live.recv() == b"\1a\0"
    return subscriber


def until_it_asks(publisher: Publisher, subscriber: feed.Subscriber) -> None:
    """Waits for a request, before which nothing is told."""
    until = time.monotonic() + LONG
    while not publisher.router.poll(0):
        assert subscriber.recv(0.01) is None and time.monotonic() < until


def take(subscriber: feed.Subscriber, count: int) -> list[Any]:
    """So many events in few words."""
    words: list[Any] = []
    while len(words) < count:
        event = subscriber.recv(LONG)
        if isinstance(event, feed.Data):
            words.append((event.number, event.value))
        elif isinstance(event, feed.Gap):
            words.append((event.first, event.last, event.why))
        elif isinstance(event, feed.Joined):
            words.append(f"joined {event.first}")
        else:
            words.append(type(event).__name__)
    return words


def test_a_loss_is_recovered_in_order(context: Any) -> None:
    publisher = Publisher(context)
    with begin(context, publisher) as subscriber:
        publisher.publish("one")
        publisher.publish("two", lost=True)
        publisher.publish("three", lost=True)
        publisher.publish("four")
        assert take(subscriber, 2) == ["joined 1", (1, "one")]
        until_it_asks(publisher, subscriber)
        assert subscriber.recv(0.2) is None
        publisher.answer()
        assert take(subscriber, 3) == [(2, "two"), (3, "three"), (4, "four")]
        publisher.publish("five")
        event = subscriber.recv(LONG)
        assert event == feed.Data("a", 100, 5, 5.0, False, "five")
        assert subscriber.position("a") == (100, 6)


def test_answers_count_also_after_their_request_was_made_again(context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(feed, "time", clock)
    publisher = within(context)
    publisher.router.bind("inproc://recovery")
    publisher.endpoints[1] = "inproc://recovery"
    with begin(context, publisher, rules=patient(timeout=1, attempts=2)) as subscriber:
        publisher.publish(1)
        for number in range(2, 9):
            publisher.publish(number, lost=True)
        publisher.heartbeat()

        def told() -> list[Any]:
            words = [getattr(event, "value", event) for event in iter(lambda: subscriber.recv(0), None)]
            clock.now += 3  # after which no request waits any longer
            assert subscriber.recv(0) is None
            return words

        assert told()[1:] == [1]
        for number in range(2, 9):
            late = publisher.router.recv_multipart()
            clock.now += 1
            assert subscriber.recv(0) is None and publisher.router.poll(0), "the next one is under way"
            publisher.answer_to(late, most=number)
            assert told() == [number]


def test_an_answer_to_a_stream_that_nobody_asked_for_is_none(context: Any) -> None:
    with begin(context, Publisher(context)) as subscriber:
        for place in (1, 1 << 20):
            for kind, numbers in ((3, (100, 1, 0)), (4, (100, 1, 0, 1))):
                subscriber._take_answer(0.0, [zmq.Frame(header(kind, *numbers, place << 40)), zmq.Frame(b"\xc0")])
        assert subscriber.recv(0) is None


def test_who_is_not_answered_asks_over_a_new_connection(context: Any) -> None:
    publisher = Publisher(context)
    relay = Relay(int(publisher.endpoints[1].rpartition(":")[2]))
    publisher.endpoints[1] = relay.endpoint
    with begin(context, publisher, rules=patient(timeout=0.1, attempts=1000)) as subscriber:
        for round, (before, after) in enumerate([("one", "three"), ("four", "six")], 1):
            publisher.publish(before)
            publisher.publish("lost", lost=True)
            publisher.publish(after)
            words, until = [], time.monotonic() + LONG
            while len(words) < 3 and time.monotonic() < until:
                if publisher.router.poll(0):
                    publisher.answer()
                event = subscriber.recv(0.01)
                words += [event.value] if isinstance(event, feed.Data) else []
            assert words == [before, "lost", after] and relay.connections >= round
            relay.vanish()
    relay.listener.close()


def test_its_connections_have_the_keep_alive_of_tcp_as_in_rust(context: Any) -> None:
    with feed.Subscriber(context, "inproc://live", "inproc://recovery", ["a"]) as subscriber:
        for socket in (subscriber._live, subscriber._recovery):
            options = (zmq.TCP_KEEPALIVE, zmq.TCP_KEEPALIVE_IDLE, zmq.TCP_KEEPALIVE_INTVL, zmq.TCP_KEEPALIVE_CNT)
            assert [socket.getsockopt(option) for option in options] == [1, 1, 1, 4]


def test_what_is_beyond_recovery_is_a_gap(context: Any) -> None:
    publisher = Publisher(context)
    with begin(context, publisher) as subscriber:
        publisher.publish("one")
        for value in range(2, 9):
            publisher.publish(value, lost=True)
        publisher.heartbeat()
        assert take(subscriber, 2) == ["joined 1", (1, "one")]
        until_it_asks(publisher, subscriber)
        publisher.first = 5
        publisher.answer()
        assert take(subscriber, 5) == [(2, 4, "evicted"), (5, 5), (6, 6), (7, 7), (8, 8)]


def test_nobody_who_answers_is_a_gap_too(context: Any) -> None:
    publisher = Publisher(context)
    rules = patient(timeout=0.05, attempts=2)
    with begin(context, publisher, rules=rules) as subscriber:
        publisher.publish("one")
        publisher.publish("two", lost=True)
        publisher.publish("three")
        assert take(subscriber, 4) == ["joined 1", (1, "one"), (2, 2, "unanswered"), (3, "three")]


def test_those_who_wait_to_ask_give_up_with_the_first_who_is_not_answered(context: Any) -> None:
    publisher = Publisher(context)
    with feed.Subscriber(context, *publisher.endpoints, [""], rules=patient(timeout=0.05, attempts=2)) as subscriber:
        assert publisher.live.recv() == b"\1"
        streams = [f"s{index}" for index in range(8)]
        for stream in streams:
            for number in (1, 3):
                publisher.live.send_multipart([stream.encode() + b"\0" + header(1, 100, number, 0), *outband.dumps(number)])
        told: list[Any] = []
        while sum(isinstance(event, feed.Gap) for event in told) < 8:
            told.append(subscriber.recv(LONG))
        assert {(event.stream, event.first, event.last, event.why) for event in told if isinstance(event, feed.Gap)} == {
            (stream, 2, 2, "unanswered") for stream in streams
        }
        asked = set()
        while publisher.router.poll(200):
            asked.add(publisher.router.recv_multipart()[2].decode())
        assert asked <= set(streams[:4]), "the others waited for their turn"


def test_a_position_is_after_the_last_event_that_was_taken(context: Any) -> None:
    publisher = Publisher(context)
    with begin(context, publisher) as subscriber:
        for number in range(1, 6):
            publisher.publish(number, lost=number in (2, 3))
        assert take(subscriber, 2) == ["joined 1", (1, 1)]
        until_it_asks(publisher, subscriber)
        publisher.first = 3
        publisher.answer()
        assert subscriber.position("a") == (100, 2)
        for event, after in (((2, 2, "evicted"), 3), ((3, 3), 4), ((4, 4), 5), ((5, 5), 6)):
            assert take(subscriber, 1) == [event] and subscriber.position("a") == (100, after)
        publisher.epoch, publisher.last, publisher.first = 200, 0, 1
        publisher.publish("anew")
        assert take(subscriber, 1) == ["Reset"] and subscriber.position("a") == (200, 1)
        # as it is in the middle of what one message brings
        subscriber._events.append(("b", "item"))
        subscriber._events.appendleft(("a", "reset", 300, 200))
        assert subscriber.position("a") == (300, 1)
        subscriber._events.appendleft(("a", "stale", 2.0))
        subscriber._events.appendleft(("a", "returned", 100, 200, 7))
        assert subscriber.position("a") == (100, 7)
        subscriber._events.clear()


def test_a_position_before_anything_was_heard_is_the_start(context: Any) -> None:
    with feed.Subscriber(context, "inproc://live", "inproc://recovery", ["a", "b/"], start="all") as subscriber:
        subscriber.subscribe("c", (100, 5))
        subscriber.subscribe("b/c/", 7)
        expected: dict[str, Any] = {"a": "all", "b/": "all", "b/a": "all", "b/c/d": 7, "c": (100, 5)}
        assert {stream: subscriber.position(stream) for stream in expected} == expected
        for name, start in expected.items():
            subscriber.subscribe(name, start)


def test_starts(context: Any) -> None:
    for start, expected in [(2, ["joined 3", (3, 3), (4, 4)]), ("all", ["joined 2", (2, 2), (3, 3)])]:
        publisher = Publisher(context)
        for value in range(1, 5):
            publisher.publish(value)
        publisher.first = 2
        with begin(context, publisher, start=start) as subscriber:
            publisher.heartbeat()
            until_it_asks(publisher, subscriber)
            publisher.answer()
            assert take(subscriber, 3) == expected


def test_streams_may_come_from_a_generator(context: Any) -> None:
    publisher = Publisher(context)
    with feed.Subscriber(context, *publisher.endpoints, (name for name in ("a", "b/"))):
        assert {publisher.live.recv() for _ in range(2)} == {b"\1a\0", b"\1b/"}


def test_a_start_counts_also_for_a_stream_that_is_followed_and_was_not_heard_of(context: Any) -> None:
    for former in ("now", (7, 3)):
        publisher = Publisher(context)
        for value in range(1, 6):
            publisher.publish(value)
        with begin(context, publisher, start=former) as subscriber:
            subscriber.subscribe("a", (100, 4))
            assert subscriber.position("a") == (100, 4)
            publisher.heartbeat()
            assert take(subscriber, 1) == ["joined 4"]
            until_it_asks(publisher, subscriber)
            publisher.answer()
            assert take(subscriber, 2) == [(4, 4), (5, 5)]
            subscriber.subscribe("a", (100, 1))
            assert subscriber.position("a") == (100, 6), "it was heard of"


def test_a_position_with_the_number_0_is_the_beginning(context: Any) -> None:
    publisher = Publisher(context)
    publisher.publish("one")
    with begin(context, publisher, start=(100, 0)) as subscriber:
        publisher.heartbeat()
        assert take(subscriber, 1) == ["joined 1"]
        until_it_asks(publisher, subscriber)
        publisher.answer()
        assert take(subscriber, 1) == [(1, "one")]


def test_a_restart_is_a_reset_and_silence_is_stale(context: Any) -> None:
    publisher = Publisher(context)
    with begin(context, publisher, rules=patient(stale_after=2)) as subscriber:
        publisher.publish("one")
        assert take(subscriber, 3) == ["joined 1", (1, "one"), "Stale"]
        publisher.epoch, publisher.last = 200, 0
        publisher.publish("anew")
        assert take(subscriber, 3) == ["Resumed", "Reset", (1, "anew")]


class Clock:
    """A time that passes when it is told to, in place of the module."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


def test_what_waits_for_who_was_busy_elsewhere_is_no_silence(context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(feed, "time", clock)
    publisher = within(context)

    def looked(streams: str, second: float) -> list[tuple[str, str]]:
        for stream in streams:
            publisher.live.send(stream.encode() + b"\0" + header(2, 100, 0, 0, 1))
        events = []
        for clock.now in (1000 + second, 1000.05 + second):
            events += iter(lambda: subscriber.recv(0), None)
        return [(type(event).__name__, event.stream) for event in events]

    with feed.Subscriber(context, *publisher.endpoints, [""]) as subscriber:
        assert publisher.live.recv() == b"\1"
        assert looked("abc", 0) == [("Joined", "a"), ("Joined", "b"), ("Joined", "c")]
        assert looked("abc" * 8, 4) == [], "it was away for longer than stale_after"
        assert looked("abc" * 40, 40) == []
        # c is heard of no more, and who looks every second is told one look after the third
        assert [looked("ab" * 50, second) for second in (41, 42, 43)] == [[], [], []]
        assert looked("ab" * 50, 44) == [("Stale", "c")]
        assert looked("ab" * 50, 45) == []
        assert looked("abc", 46) == [("Resumed", "c")]


@pytest.mark.parametrize("timeout, takes, interval", [(0.5, 0.0, 0.0625), (60, 0.0, 0.1), (0.5, 0.25, 1.25)])
def test_time_is_passed_on_now_and_then_and_takes_a_fifth_of_it_at_most(
    context: Any, monkeypatch: pytest.MonkeyPatch, timeout: float, takes: float, interval: float
) -> None:
    clock, passed = Clock(), []
    monkeypatch.setattr(feed, "time", clock)

    def pass_time(now: float) -> None:
        passed.append(now)
        clock.now += takes

    with begin(context, within(context), rules=feed.Rules(timeout=timeout)) as subscriber:
        monkeypatch.setattr(subscriber, "_pass_time", pass_time)
        while len(passed) < 20:
            clock.now += 0.005
            assert subscriber.recv(0) is None
        for former, later in itertools.pairwise(passed):
            assert interval <= round(later - former, 6) < interval + 0.05


def told_stale(looks: Iterable[float], is_behind: bool = False) -> Optional[float]:
    """At which of these looks a stream that is not heard of is stale."""
    attention, follow = Attention(0.0), Follow(0.0, "now", Rules())
    for now in looks:
        attention.look(now, is_behind)
        follow.tick(now, attention.missed, attention.unheard)
        if follow.steps:
            assert follow.steps == [("stale", now)]
            return now
    return None


def test_who_looks_only_now_and_then_is_told_of_a_silence_one_look_later() -> None:
    for interval, expected in ((100, 3.0), (300, 3.3), (350, 3.5), (1000, 4.0), (10_000, 20.0)):
        assert told_stale(at / 1000 for at in range(interval, 60_000, interval)) == expected
    assert told_stale(second + after for second in range(1, 60) for after in (0, 0.01)) == 4.0


def test_who_was_stopped_hears_first_of_what_lies_with_the_system() -> None:
    before, after = [at / 20 for at in range(1, 20)], [9.0, 9.05, 9.1, 9.15]
    assert told_stale(before + after) is None
    assert told_stale([*before, *after, 9.25]) == 9.25


def test_who_is_behind_counts_only_the_time_in_which_it_read() -> None:
    assert told_stale(range(1, 29), is_behind=True) is None
    assert told_stale(range(1, 60), is_behind=True) == 30


def test_a_straggler_of_a_dead_publisher_is_not_followed_for_ever(context: Any) -> None:
    publisher = Publisher(context)
    with begin(context, publisher, rules=patient(stale_after=2)) as subscriber:
        publisher.publish("one")
        assert take(subscriber, 2) == ["joined 1", (1, "one")]
        # the clock was set back, and this comes late: nobody can tell that from a restart
        publisher.live.send_multipart([b"a\0" + header(1, 200, 1, 0), *outband.dumps("late")])
        publisher.publish("two")
        told = take(subscriber, 2)
        publisher.publish("three", lost=True)
        until, event = time.monotonic() + LONG, None
        while not isinstance(event, feed.Returned) and time.monotonic() < until:
            publisher.heartbeat()
            event = subscriber.recv(0.02)
            told += [] if event is None else [type(event).__name__]
        assert isinstance(event, feed.Returned)
        assert (event.epoch, event.previous, event.first) == (100, 200, 2) and told.pop() == "Returned"
        assert told == ["Reset", (1, "late"), "Stale", "Resumed"]
        until_it_asks(publisher, subscriber)
        publisher.answer()
        assert take(subscriber, 2) == [(2, "two"), (3, "three")]


def golden(name: str) -> list[bytes]:
    lines = (pathlib.Path(__file__).parents[2] / "tests" / "golden" / "feed.txt").read_text().splitlines()
    (message,) = (line.partition(": ")[2] for line in lines if line.startswith(f"{name}: "))
    return [bytes.fromhex(frame) for frame in message.split("|")]


def test_golden_frames_are_followed(context: Any) -> None:
    publisher = Publisher(context)
    with feed.Subscriber(context, *publisher.endpoints, ["weather/oslo"], rules=patient()) as subscriber:
        assert publisher.live.recv() == b"\1weather/oslo\0"
        publisher.live.send_multipart(golden("data"))
        publisher.live.send_multipart(golden("heartbeat"))
        epoch = 1_700_000_000_000_000
        assert subscriber.recv(LONG) == feed.Joined("weather/oslo", epoch, 1)
        assert subscriber.recv(LONG) == feed.Data("weather/oslo", epoch, 1, (epoch + 1) / 1e6, False, -3.5)
        until_it_asks(publisher, subscriber)
        peer, *asked = publisher.router.recv_multipart()
        assert asked == golden("request")
        for name in ("recovered", "end"):
            publisher.router.send_multipart([peer, *golden(name)])
        assert take(subscriber, 2) == [(2, 2, "evicted"), (3, -2.5)]


def test_garbage_is_told_and_the_stream_goes_on(context: Any) -> None:
    publisher = Publisher(context)
    good = header(1, 100, 1, 0)
    garbage = [
        ([b"a\0"], "not one of a feed"),
        ([b"a\0", b""], "not one of a feed"),
        ([b"a\0", good, b"\1"], "not one of a feed"),
        ([b"a\0" + good[:20], b"\1"], "too short"),
        ([b"a\0F\3" + good[2:], b"\1"], "version 3"),
        ([b"a\0", b"F\1\1\0" + good[3:], b"\1"], "version 1 of the protocol, and only version 2"),
        ([b"a\0" + header(1, 0, 1, 0), b"\1"], "cannot be"),
    ]
    with begin(context, publisher) as subscriber:
        for frames, reason in garbage:
            publisher.live.send_multipart(frames)
            event = subscriber.recv(LONG)
            assert isinstance(event, feed.Malformed) and reason in str(event.error), (frames, event)
        publisher.live.send_multipart([b"a\0" + good, b"\xc1"])
        publisher.last = 1
        publisher.publish("two")
        assert take(subscriber, 3) == ["joined 1", "Undecodable", (2, "two")]


def test_whatever_happens_numbers_follow_each_other() -> None:
    """Random frames in random order, from several starts of a publisher: the state keeps its promise."""
    for seed in range(300):
        chance = random.Random(seed)
        rules = feed.Rules(room_messages=chance.randint(0, 8), room_bytes=100)
        room = (rules.room_messages, rules.room_bytes)
        follow = Follow(0.0, chance.choice(["now", "all", 3]), rules)
        epoch, last, first, now, request = 10, 0, 1, 0.0, 0
        at: tuple[int, int] | None = None
        waiting: list[tuple[int, list[tuple[int, int]]]] = []

        def check() -> None:
            nonlocal at
            for kind, *step in follow.steps:
                if kind == "joined":
                    assert at is None
                    at = (step[0], step[1])
                elif kind == "item":
                    assert at == (step[0], step[1]) and step[2] == at
                    at = (at[0], at[1] + 1)
                elif kind == "gap":
                    assert at == (step[0], step[1]) and step[2] >= step[1]
                    at = (at[0], step[2] + 1)
                elif kind == "reset":
                    assert at is not None and at[0] == step[1] < step[0]
                    at = (step[0], 1)
            follow.steps.clear()

        for _ in range(200):
            now += chance.random() * 0.2
            event = chance.randrange(10)
            if event < 5:
                last += 1
                first = max(first, last - 10)
                if chance.random() < 0.7:
                    follow.data(epoch, last, (epoch, last), 10)
            elif event < 7:
                follow.heartbeat(epoch, last, first)
            elif event == 7 and chance.random() < 0.1:
                epoch, last, first = epoch + 1, 0, 1
            follow.tick(now)
            check()
            request += 1
            ranges = follow.ask(now, request)
            if ranges:
                waiting.append((request, ranges))
            if waiting and chance.random() < 0.7:
                answered, ranges = waiting.pop(chance.randrange(len(waiting)))
                for low, high in ranges:
                    for number in range(max(low, first), min(high, last) + 1):
                        if chance.random() < 0.8:
                            follow.recovered(now, epoch, number, answered, (epoch, number), 10)
                            check()
                follow.end(now, epoch, first, answered)
                check()
        for _ in range(100):
            now += 1
            follow.heartbeat(epoch, last, first)
            request += 1
            for low, high in follow.ask(now, request):
                for number in range(max(low, first), min(high, last) + 1):
                    follow.recovered(now, epoch, number, request, (epoch, number), 10)
            follow.end(now, epoch, first, request)
            follow.tick(now)
            check()
        assert at == (epoch, last + 1) == follow.position, f"seed {seed}"
        assert (rules.room_messages, rules.room_bytes) == room


def test_a_look_without_waiting_takes_what_has_arrived(context: Any) -> None:
    publisher = Publisher(context)
    with begin(context, publisher) as subscriber:
        publisher.heartbeat()
        publisher.publish("one")
        until, events = time.monotonic() + LONG, []
        while len(events) < 2 and time.monotonic() < until:
            event = subscriber.recv(0)
            events += [event] if event else []
        assert isinstance(events[0], feed.Joined) and events[1].value == "one"


def test_a_look_without_waiting_passes_over_what_tells_nothing(context: Any) -> None:
    publisher = within(context)
    with begin(context, publisher) as subscriber:
        for _ in range(100):
            publisher.heartbeat()
        assert isinstance(subscriber.recv(0), feed.Joined)
        publisher.publish("one")
        event = subscriber.recv(0)
        assert isinstance(event, feed.Data) and event.value == "one"
        assert subscriber.recv(0) is None


def test_a_look_without_waiting_ends_also_where_what_tells_nothing_does_not(
    context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with begin(context, within(context)) as subscriber:
        clock = itertools.count(0, 0.001)  # a millisecond for each time that it is asked
        looks = []
        monkeypatch.setattr(feed, "time", types.SimpleNamespace(monotonic=lambda: next(clock)))
        monkeypatch.setattr(subscriber, "_look", lambda now: looks.append(now) or True)
        assert subscriber.recv(0) is None
        assert 0.09 < looks[-1] - looks[0] < 0.11 and len(looks) > 10


@pytest.mark.parametrize("name", ["a\0b", "x" * 1025, "é" * 513, "a\ud800", b"a", 5])
def test_what_is_no_name_of_a_stream_is_refused(context: Any, name: Any) -> None:
    with pytest.raises(outband.CallerError, match="is no name of a stream"):
        feed.Subscriber(context, "inproc://a", "inproc://b", [name])


@pytest.mark.parametrize("start", ["NOW", -1, 3.5, True, (1,), (1, -1), (1, 2, 3), [1, 2]])
def test_what_is_no_start_is_refused(context: Any, start: Any) -> None:
    with pytest.raises(outband.CallerError, match="is no start"):
        feed.Subscriber(context, "inproc://a", "inproc://b", ["a"], start=start)
    with feed.Subscriber(context, "inproc://a", "inproc://b", ["a"]) as subscriber:
        with pytest.raises(outband.CallerError, match="is no start"):
            subscriber.subscribe("b", start)


def test_a_gap_after_each_message_that_waits_takes_a_look_at_each() -> None:
    looks = 0

    class Number(int):
        def __lt__(self, other: Any) -> bool:
            nonlocal looks
            looks += 1
            return int(self) < int(other)

    follow = Follow(0.0, "now", Rules())
    follow.heartbeat(1, 1, 1)
    for number in range(3, 2003, 2):
        follow.data(1, Number(number), None, 1)
    follow.steps.clear()
    looks = 0
    follow.end(0.0, 1, 1 << 60, 0)
    kinds = [kind for kind, *_ in follow.steps]
    assert kinds == ["gap", "item"] * 1000 and follow.position == (1, 2002)
    assert looks < 20_000


def test_requests_that_nobody_needs_any_more_are_forgotten(context: Any) -> None:
    publisher = Publisher(context)
    with feed.Subscriber(context, *publisher.endpoints, [""], rules=patient()) as subscriber:
        assert publisher.live.recv() == b"\1"
        for stream in range(50):
            for number in (1, 3, 2):  # what is asked for comes late, and not as an answer
                message = outband.dumps(number)
                publisher.live.send_multipart([b"s%d\0" % stream + header(1, 100, number, 0), *message])
            assert take(subscriber, 4) == ["joined 1", (1, 1), (2, 2), (3, 3)]
        assert len(subscriber._asked) <= 4 and "s0" not in subscriber._asked
        publisher.live.send_multipart([b"s0\0" + header(1, 100, 5, 0), *outband.dumps(5)])
        while "s0" not in subscriber._asked:
            assert subscriber.recv(0.1) is None  # until it asks for what is missing now


def test_a_place_that_is_none_leaves_no_socket_open() -> None:
    context: Any = zmq.Context()
    with pytest.raises(zmq.ZMQError) as raised:
        feed.Subscriber(context, "inproc://a", "nowhere", ["a"])
    end = threading.Thread(target=context.term, daemon=True)
    end.start()
    end.join(LONG)
    assert not end.is_alive(), f"it waits for sockets that {raised} keeps"


def test_a_context_of_asyncio_serves_too(context: Any) -> None:
    publisher = Publisher(context)
    with zmq.asyncio.Context() as other:
        with begin(other, publisher) as subscriber:
            publisher.publish("one")
            publisher.publish("two", lost=True)
            publisher.publish("three")
            assert take(subscriber, 2) == ["joined 1", (1, "one")]
            until_it_asks(publisher, subscriber)
            publisher.answer()
            assert take(subscriber, 2) == [(2, "two"), (3, "three")]


class Stop(Exception):
    """Out of a handler of a signal, as ``KeyboardInterrupt`` is."""


class Interrupted(list):  # type: ignore[type-arg]
    """Encodings; while one is looked for, a handler raises, the first times."""

    left = 3

    def __contains__(self, encoding: object) -> bool:
        if self.left:
            self.left -= 1
            raise Stop
        return super().__contains__(encoding)


def test_a_message_that_is_interrupted_while_it_decodes_comes_once(context: Any) -> None:
    publisher = Publisher(context)
    with begin(context, publisher, encodings=Interrupted(["zlib"])) as subscriber:
        publisher.publish("one", lost=True)
        publisher.last = 2
        publisher.cache[2] = outband.dumps(bytes(10_000), compression="zlib")
        publisher.live.send_multipart([b"a\0" + header(1, 100, 2, 0), *publisher.cache[2]])
        publisher.publish("three")
        assert take(subscriber, 1) == ["joined 2"]
        for _ in range(3):
            with pytest.raises(Stop):
                subscriber.recv(LONG)
        assert take(subscriber, 2) == [(2, bytes(10_000)), (3, "three")]


def test_signals_repeat_nothing(context: Any) -> None:
    publisher = Publisher(context)
    state = {"armed": False}

    def ring(_number: int, _frame: Any) -> None:
        if state["armed"]:
            state["armed"] = False
            raise Stop

    previous = signal.signal(signal.SIGALRM, ring)
    try:
        with begin(context, publisher, rules=feed.Rules(timeout=0.2, attempts=1000, stale_after=1000)) as subscriber:
            publisher.publish(1)
            assert take(subscriber, 2) == ["joined 1", (1, 1)]
            numbers, stops = [1], 0
            while len(numbers) < 500:
                if publisher.last - subscriber.position("a")[1] < 100:
                    for number in range(publisher.last + 1, publisher.last + 200):
                        publisher.publish(number, lost=number % 50 == 0)
                    publisher.heartbeat()
                if publisher.router.poll(0):
                    publisher.answer()
                try:
                    signal.setitimer(signal.ITIMER_REAL, 1e-6 * (1 + (len(numbers) + stops) % 150))
                    state["armed"] = True
                    event = subscriber.recv(0.01)
                    state["armed"] = False
                    if event is not None:
                        assert isinstance(event, feed.Data) and event.number == event.value
                        numbers.append(event.number)
                except Stop:
                    stops += 1
            assert stops and numbers == sorted(set(numbers))
            # what recv was about to return when it came is gone with it
            assert numbers[-1] - len(numbers) <= stops
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


HOSTILE = [0, 1, 2, 3, 7, 99, 100, 101, 1 << 31, 1 << 62, (1 << 62) + 1, 1 << 63, (1 << 64) - 1]


def test_what_a_publisher_says_wrongly_is_told_or_right(context: Any) -> None:
    publisher = Publisher(context)
    rules = feed.Rules(timeout=0.001, stale_after=0.01, room_messages=50)
    with feed.Subscriber(context, *publisher.endpoints, [""], rules=rules, max_streams=20) as subscriber:
        assert publisher.live.recv() == b"\1"
        told: set[str] = set()
        for seed in range(4000):
            chance = random.Random(seed)
            topic = chance.choice([b"a\0", b"b\0", b"c/d\0", b"", b"\0", b"a", b"a/\0", b"a\0b\0", b"\xff\0", b"s%d\0" % chance.randrange(50)])
            head = header(chance.choice((1, 1, 2, 2, 0, 3, 4, 5, 200)), *(chance.choice(HOSTILE) for _ in range(5)))
            if chance.random() < 0.3:
                at = chance.randrange(len(head))
                head = head[:at] + chance.choice((b"", bytes([chance.randrange(256)]) + head[at + 1 :]))
            is_answer = chance.random() < 0.4
            take_in = subscriber._take_answer if is_answer else subscriber._take_live
            frames = [head if is_answer else topic + head, b"\xc0"]
            try:
                take_in(time.monotonic(), [zmq.Frame(frame) for frame in frames[: chance.randint(1, 2)]])
            except outband.PeerError:
                told.add("Malformed")
            except outband.LimitError:
                told.add("too many")
            for _ in range(10):
                event = subscriber.recv(0)
                told.add(type(event).__name__)
            assert len(subscriber._events) < 1000 and len(subscriber._asked) <= 4 and len(subscriber._follows) <= 20
            assert rules.room_messages >= 0 and subscriber._rules.room_messages >= 0
            if publisher.router.poll(0):
                publisher.router.recv_multipart()
        assert {"Malformed", "too many", "Data", "Joined", "Reset", "Gap"} <= told


def test_a_cache_that_begins_where_it_cannot_is_told(context: Any) -> None:
    publisher = Publisher(context)
    with begin(context, publisher, start="all") as subscriber:
        for first in (0, 3, 1 << 63):
            publisher.live.send(b"a\0" + header(2, 100, 1, 0, first))
        assert take(subscriber, 3) == ["Malformed"] * 3
        publisher.publish("one")
        assert take(subscriber, 2) == ["joined 1", (1, "one")]


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"timeout": -1}, "the rule timeout is a time in seconds, and this is -1"),
        ({"timeout": "1"}, "and this is '1'"),
        ({"timeout": float("nan")}, "and this is nan"),
        ({"stale_after": 0}, "the rule stale_after"),
        ({"attempts": 0}, "the rule attempts is an int of at least 1, and this is 0"),
        ({"credit_messages": 0}, "the rule credit_messages"),
        ({"credit_bytes": 1.5}, "the rule credit_bytes"),
        ({"room_messages": -1}, "the rule room_messages is an int of at least 0"),
        ({"room_bytes": None}, "the rule room_bytes"),
    ],
)
def test_rules_are_numbers_that_a_feed_can_keep(wrong: Any, expected: str) -> None:
    with pytest.raises(outband.CallerError, match=expected):
        feed.Rules(**wrong)
    assert feed.Rules(stale_after=float("inf"), room_messages=0).room_messages == 0


@pytest.mark.parametrize("wrong", [{"rules": 3}, {"max_streams": 0}, {"max_streams": "1"}])
def test_what_is_wrongly_wanted_of_a_subscriber_is_refused(context: zmq.Context[Any], wrong: Any) -> None:
    with pytest.raises(outband.CallerError, match=next(iter(wrong))):
        feed.Subscriber(context, "inproc://live", "inproc://recovery", ["a"], **wrong)


@pytest.mark.skipif(not HAS_IPV6, reason="this machine has no IPv6")
def test_an_address_of_ipv6_needs_no_option(context: zmq.Context[Any]) -> None:
    publisher = Publisher(context)
    for socket in (publisher.live, publisher.router):
        socket.setsockopt(zmq.IPV6, 1)
    publisher.endpoints = []
    for socket in (publisher.live, publisher.router):
        socket.bind("tcp://[::1]:*")
        publisher.endpoints.append(socket.last_endpoint.decode())
    assert all(endpoint.startswith("tcp://[::1]:") for endpoint in publisher.endpoints)
    with begin(context, publisher) as subscriber:
        publisher.publish("one")
        assert [type(subscriber.recv(10)) for _ in range(2)] == [feed.Joined, feed.Data]
