"""Real sockets, blocking and asyncio, in every pattern."""

from __future__ import annotations

import asyncio
import gc
import inspect
import itertools
import multiprocessing
import signal
import socket
import threading
import time
from typing import Any, Iterator

import numpy as np
import pytest
import zmq
import zmq.asyncio

import outband


@pytest.fixture
def context() -> Iterator[zmq.Context]:
    with zmq.Context() as context:
        context.setsockopt(zmq.RCVTIMEO, 60_000)
        context.setsockopt(zmq.SNDTIMEO, 60_000)
        context.setsockopt(zmq.LINGER, 0)
        yield context
        context.destroy(0)


def pair(context: Any, bound: int, connected: int) -> tuple[Any, Any]:
    one, other = context.socket(bound), context.socket(connected)
    port = one.bind_to_random_port("tcp://127.0.0.1")
    other.connect(f"tcp://127.0.0.1:{port}")
    return one, other


OBJECT = {"name": "frame", "small": b"abc", "array": np.arange(50_000.0)}


def check(back: Any) -> None:
    assert back["name"] == "frame" and back["small"] == b"abc"
    np.testing.assert_array_equal(back["array"], OBJECT["array"])
    assert not back["array"].flags.owndata


def test_push_pull_and_request_reply(context: zmq.Context) -> None:
    pull, push = pair(context, zmq.PULL, zmq.PUSH)
    outband.send_obj(push, OBJECT)
    check(outband.recv_obj(pull))
    rep, req = pair(context, zmq.REP, zmq.REQ)
    outband.send_obj(req, OBJECT)
    outband.send_obj(rep, outband.recv_obj(rep))
    check(outband.recv_obj(req))


def test_publish_and_subscribe(context: zmq.Context) -> None:
    pub, sub = pair(context, zmq.XPUB, zmq.SUB)
    sub.subscribe(b"weather.")
    assert pub.recv() == b"\1weather."
    outband.publish_obj(pub, b"sports.", 1)
    outband.publish_obj(pub, b"weather.oslo", OBJECT)
    topic, back = outband.recv_topic_obj(sub)
    assert topic == b"weather.oslo"
    check(back)


def test_topics_and_routing_ids_may_be_text(context: zmq.Context) -> None:
    pub, sub = pair(context, zmq.XPUB, zmq.SUB)
    sub.subscribe("weather.")
    assert pub.recv() == b"\1weather."
    outband.publish_obj(pub, "weather.tromsø", OBJECT)
    topic, back = outband.recv_topic_obj(sub)
    assert topic.decode() == "weather.tromsø"
    check(back)
    router, dealer = pair(context, zmq.ROUTER, zmq.DEALER)
    router.setsockopt(zmq.ROUTER_MANDATORY, 1)
    named = context.socket(zmq.DEALER)
    named.setsockopt_string(zmq.IDENTITY, "worker 7")
    named.connect(router.last_endpoint)
    outband.send_obj(named, "here")
    assert outband.recv_obj_from(router) == (b"worker 7", "here")
    outband.send_obj_to(router, "worker 7", OBJECT)
    check(outband.recv_obj(named))
    for call, what in ((outband.publish_obj, "topic"), (outband.send_obj_to, "routing id")):
        with pytest.raises(outband.CallerError, match=f"a {what} is bytes or text, and this is of type int"):
            call(pub, 7, OBJECT)  # type: ignore[arg-type, operator]


@pytest.mark.parametrize("kind", [zmq.DEALER, zmq.REQ])
def test_router(context: zmq.Context, kind: int) -> None:
    router, peer = pair(context, zmq.ROUTER, kind)
    outband.send_obj(peer, OBJECT)
    routing_id, back = outband.recv_obj_from(router)
    check(back)
    if kind == zmq.DEALER:
        outband.send_obj_to(router, routing_id, back)
        check(outband.recv_obj(peer))


def test_a_socket_that_keeps_no_message_whole_is_refused(context: zmq.Context) -> None:
    for bound, connected in ((zmq.PULL, zmq.PUSH), (zmq.DEALER, zmq.DEALER), (zmq.SUB, zmq.PUB)):
        one, other = context.socket(bound), context.socket(connected)
        for socket in (one, other):
            socket.setsockopt(zmq.CONFLATE, 1)
        other.connect(f"tcp://127.0.0.1:{one.bind_to_random_port('tcp://127.0.0.1')}")
        for _ in range(2):
            with pytest.raises(outband.CallerError, match="ZMQ_CONFLATE"):
                outband.publish_obj(other, "weather", OBJECT)
            with pytest.raises(outband.CallerError, match="ZMQ_CONFLATE"):
                outband.recv_topic_obj(one)
            with pytest.raises(outband.CallerError, match="ZMQ_CONFLATE"):
                outband.send_obj(other, 1)
    stream = context.socket(zmq.STREAM)
    for use in (lambda: outband.send_obj(stream, OBJECT), lambda: outband.recv_obj(stream)):
        with pytest.raises(outband.CallerError, match="raw bytes"):
            use()


@pytest.mark.parametrize("of", [zmq, zmq.asyncio])
def test_who_goes_the_wrong_way_is_told(of: Any) -> None:
    async def use(context: Any) -> None:
        for kind, name in ((zmq.SUB, "SUB"), (zmq.PULL, "PULL")):
            for obj in (1, OBJECT):
                with pytest.raises(zmq.ZMQError, match=f"a {name} socket cannot send: its messages go the other way") as caught:
                    sent = outband.send_obj(context.socket(kind), obj)
                    await sent
                assert caught.value.errno == zmq.ENOTSUP
        for kind, name in ((zmq.PUB, "PUB"), (zmq.PUSH, "PUSH")):
            with pytest.raises(zmq.ZMQError, match=f"a {name} socket cannot receive: its messages go the other way"):
                await outband.recv_obj(context.socket(kind))

    with of.Context() as context:
        asyncio.run(use(context))
        context.destroy(0)


def test_a_blocking_send_returns_nothing_however_long_the_message(context: zmq.Context) -> None:
    _pull, push = pair(context, zmq.PULL, zmq.PUSH)
    assert [outband.send_obj(push, obj) for obj in (1, OBJECT)] == [None, None]


def test_a_router_has_no_topics_and_drops_nothing_for_it(context: zmq.Context) -> None:
    router, _dealer = pair(context, zmq.ROUTER, zmq.DEALER)
    with pytest.raises(zmq.ZMQError) as caught:
        outband.publish_obj(router, "weather", OBJECT)
    assert caught.value.errno == zmq.EHOSTUNREACH


def test_a_bad_message_leaves_the_socket_usable(context: zmq.Context) -> None:
    pull, push = pair(context, zmq.PULL, zmq.PUSH)
    push.send_multipart([b"\xc1", b"extra"])
    outband.send_obj(push, "next")
    with pytest.raises(outband.PeerError):
        outband.recv_obj(pull)
    assert outband.recv_obj(pull) == "next"


def test_flags_are_the_sockets(context: zmq.Context) -> None:
    pull, _push = pair(context, zmq.PULL, zmq.PUSH)
    with pytest.raises(zmq.Again):
        outband.recv_obj(pull, zmq.NOBLOCK)


def test_asyncio() -> None:
    async def talk() -> None:
        with zmq.asyncio.Context() as context:
            pull, push = pair(context, zmq.PULL, zmq.PUSH)
            received = asyncio.ensure_future(outband.recv_obj(pull))
            await outband.send_obj(push, OBJECT)
            check(await asyncio.wait_for(received, 10))
            router, dealer = pair(context, zmq.ROUTER, zmq.DEALER)
            await outband.send_obj(dealer, 5)
            routing_id, five = await asyncio.wait_for(outband.recv_obj_from(router), 10)
            await outband.send_obj_to(router, routing_id, five + 1)
            assert await asyncio.wait_for(outband.recv_obj(dealer), 10) == 6
            context.destroy(0)

    asyncio.run(talk())


def test_publish_and_subscribe_on_asyncio() -> None:
    async def talk() -> None:
        with zmq.asyncio.Context() as context:
            pub, sub = pair(context, zmq.XPUB, zmq.SUB)
            sub.subscribe("weather.")
            assert await asyncio.wait_for(pub.recv(), 10) == b"\1weather."
            received = asyncio.ensure_future(outband.recv_topic_obj(sub))
            await outband.publish_obj(pub, b"sports.", 1)
            await outband.publish_obj(pub, "weather.oslo", OBJECT)
            topic, back = await asyncio.wait_for(received, 10)
            assert topic == b"weather.oslo"
            check(back)
            context.destroy(0)

    asyncio.run(talk())


@pytest.mark.parametrize("is_waited_for", [False, True])
def test_on_asyncio_a_message_that_is_refused_leaves_the_next_one(is_waited_for: bool) -> None:
    small = outband.Limits(total_bytes=1000)
    refused = [
        ([b"\xc1", b"extra"], outband.PeerError),
        ([b""], outband.PeerError),
        ([b"\x01", b"unused"], outband.PeerError),
        ([b"\xc0", bytes(1000)], outband.LimitError),
        ([b"\xc0" * 1001], outband.LimitError),
    ]

    async def received(call: Any, socket: Any, send: Any) -> Any:
        """What a task received that waits for it, or that comes when it is there."""
        if is_waited_for:
            task = asyncio.ensure_future(call(socket, limits=small))
            await asyncio.sleep(0)
            await send()
            return await asyncio.wait_for(task, 10)
        await send()
        return await asyncio.wait_for(call(socket, limits=small), 10)

    async def talk() -> None:
        with zmq.asyncio.Context() as context:
            context.setsockopt(zmq.SNDTIMEO, 10_000)
            pull, push = pair(context, zmq.PULL, zmq.PUSH)
            pub, sub = pair(context, zmq.XPUB, zmq.SUB)
            sub.subscribe("")
            assert await asyncio.wait_for(pub.recv(), 10) == b"\1"
            router, dealer = pair(context, zmq.ROUTER, zmq.DEALER)
            ways = [
                (outband.recv_obj, pull, push, [], lambda got: got),
                (outband.recv_topic_obj, sub, pub, [b"topic"], lambda got: got[1]),
                (outband.recv_obj_from, router, dealer, [], lambda got: got[1]),
                (outband.recv_obj_via, router, dealer, [b""], lambda got: got[1]),
            ]
            for call, receiver, sender, head, value in ways:
                for frames, error in refused:
                    with pytest.raises(error):
                        await received(call, receiver, lambda: sender.send_multipart([*head, *frames]))
                    assert value(await received(call, receiver, lambda: sender.send_multipart([*head, b"\x07"]))) == 7
            # what is refused before it is sent
            with pytest.raises(outband.CallerError):
                await outband.send_obj(push, object())
            with pytest.raises(outband.LimitError):
                await outband.send_obj(push, bytes(2000), limits=small)
            with pytest.raises(outband.LimitError):
                await outband.publish_obj(pub, "topic", bytes(2000), limits=small)
            await outband.send_obj(push, 8)
            assert await received(outband.recv_obj, pull, lambda: asyncio.sleep(0)) == 8
            await outband.publish_obj(pub, "topic", 9)
            assert await received(outband.recv_topic_obj, sub, lambda: asyncio.sleep(0)) == (b"topic", 9)
            context.destroy(0)

    asyncio.run(talk())


def test_an_asyncio_receive_that_is_cancelled_takes_nothing() -> None:
    async def timed_out(pull: Any) -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(outband.recv_obj(pull), 0)

    async def cancelled_at_once(pull: Any) -> None:
        task = asyncio.create_task(outband.recv_obj(pull))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def closed(pull: Any) -> None:
        outband.recv_obj(pull).close()

    async def cancelled_while_it_waits(pull: Any) -> None:
        task = asyncio.create_task(outband.recv_obj(pull))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def talk() -> None:
        with zmq.asyncio.Context() as context:
            for number, give_up in enumerate([timed_out, cancelled_at_once, closed]):
                pull, push = pair(context, zmq.PULL, zmq.PUSH)
                await outband.send_obj(push, number)
                assert await pull.poll(60_000)  # it is there, and could be taken
                await give_up(pull)
                assert await outband.recv_obj(pull, zmq.NOBLOCK) == number
            pull, push = pair(context, zmq.PULL, zmq.PUSH)
            await cancelled_while_it_waits(pull)
            with pytest.raises(zmq.Again):
                await outband.recv_obj(pull, zmq.NOBLOCK)
            await outband.send_obj(push, 1)
            assert await asyncio.wait_for(outband.recv_obj(pull), 60) == 1
            pull.setsockopt(zmq.RCVTIMEO, 1)
            with pytest.raises(zmq.Again):
                await outband.recv_obj(pull)
            context.destroy(0)

    asyncio.run(talk())


@pytest.mark.parametrize("has_topic", [False, True])
def test_an_asyncio_receive_that_is_cancelled_when_its_message_has_come_loses_none(has_topic: bool) -> None:
    array = np.arange(9000.0)  # a message of several frames

    async def talk() -> None:
        with zmq.asyncio.Context() as context:
            if has_topic:
                sender, receiver = pair(context, zmq.XPUB, zmq.SUB)
                receiver.subscribe("topic")
                assert await asyncio.wait_for(sender.recv(), 10) == b"\1topic"
            else:
                receiver, sender = pair(context, zmq.PULL, zmq.PUSH)

            async def receive() -> Any:
                topic, (number, back) = await outband.recv_topic_obj(receiver) if has_topic else (b"topic", await outband.recv_obj(receiver))
                assert topic == b"topic"
                np.testing.assert_array_equal(back, array)
                return number

            got = []
            for number in range(200):
                task = asyncio.create_task(receive())
                await asyncio.sleep(0)
                await (outband.publish_obj(sender, "topic", [number, array]) if has_topic else outband.send_obj(sender, [number, array]))
                for _ in range(number % 7):
                    await asyncio.sleep(0)
                task.cancel()
                try:
                    got.append(await task)
                except asyncio.CancelledError:
                    got.append(await asyncio.wait_for(receive(), 60))
            assert got == list(range(200))
            context.destroy(0)

    asyncio.run(talk())


class Alarm(Exception):
    """Out of a handler of a signal, as ``KeyboardInterrupt`` is."""


@pytest.fixture
def alarms() -> Iterator[dict]:
    """Raises in the code that runs, once for each time it is armed, where that says it may."""
    state = {"armed": False}

    def ring(_number: int, _frame: Any) -> None:
        if state["armed"]:
            state["armed"] = False
            raise Alarm

    previous = signal.signal(signal.SIGALRM, ring)
    yield state
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, previous)


MANY = [np.arange(2000.0) + number for number in range(60)]


def test_a_send_that_a_signal_interrupts_is_whole_or_not_at_all(context: zmq.Context, alarms: dict) -> None:
    context.setsockopt(zmq.SNDHWM, 0)
    context.setsockopt(zmq.RCVHWM, 0)
    pull, push = pair(context, zmq.PULL, zmq.PUSH)
    returned, interrupted = [], 0
    for number in range(400):
        frames = outband.dumps({"number": number, "many": MANY})
        try:
            signal.setitimer(signal.ITIMER_REAL, 1e-6 * (1 + number % 200))
            alarms["armed"] = True
            outband._parts.send(push, frames)
            alarms["armed"] = False
            returned.append(number)
        except Alarm:
            interrupted += 1
    assert interrupted and not signal.pthread_sigmask(signal.SIG_BLOCK, ())
    outband.send_obj(push, {"number": "end"})
    got = []
    while not got or got[-1] != "end":
        got.append(outband.recv_obj(pull)["number"])
    assert set(returned) <= set(got) and len(set(got)) == len(got)


def test_a_receive_that_a_signal_interrupts_leaves_no_half_of_a_message(context: zmq.Context, alarms: dict) -> None:
    context.setsockopt(zmq.SNDHWM, 0)
    context.setsockopt(zmq.RCVHWM, 0)
    pull, push = pair(context, zmq.PULL, zmq.PUSH)
    for number in range(400):
        outband.send_obj(push, {"number": number, "many": MANY})
    outband.send_obj(push, {"number": "end"})
    interrupted, got, left = 0, [], True
    while left:
        assert pull.poll(60_000)
        try:
            signal.setitimer(signal.ITIMER_REAL, 1e-6 * (1 + (len(got) + interrupted) % 200))
            alarms["armed"] = True
            frames = outband._parts.recv(pull)
            alarms["armed"] = False
            got.append(outband.loads(frames)["number"])
        except Alarm:
            interrupted += 1
        left = pull.poll(200) or not got
    assert interrupted and got == sorted(set(got) - {"end"}) + ["end"] * ("end" in got)


def test_a_signal_within_a_message_on_asyncio_tears_none(alarms: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    def rings_before_the_second_frame(method: Any) -> Any:
        calls = itertools.count(1)

        def ring(*arguments: Any, **options: Any) -> Any:
            if next(calls) == 2:
                signal.raise_signal(signal.SIGALRM)
            return method(*arguments, **options)

        return ring

    async def talk() -> None:
        with zmq.asyncio.Context() as context:
            pull, push = pair(context, zmq.PULL, zmq.PUSH)
            alarms["armed"] = True
            with monkeypatch.context() as patch, pytest.raises(Alarm):
                patch.setattr(zmq.Socket, "send", rings_before_the_second_frame(zmq.Socket.send))
                await outband.send_obj(push, [bytes(70_000), bytes(70_000), 1])
            await outband.send_obj(push, [bytes(70_000), bytes(70_000), 2])
            assert (await outband.recv_obj(pull))[2] == 1, "it went on to its last frame"
            assert (await outband.recv_obj(pull))[2] == 2
            for value in (3, 4):
                await outband.send_obj(push, [bytes(70_000), bytes(70_000), value])
            await pull.poll()
            alarms["armed"] = True
            with monkeypatch.context() as patch, pytest.raises(Alarm):
                patch.setattr(zmq.Socket, "recv", rings_before_the_second_frame(zmq.Socket.recv))
                await outband.recv_obj(pull)
            assert (await outband.recv_obj(pull))[2] == 4
            context.destroy(0)

    asyncio.run(talk())


def _use(socket: Any, answers: Any) -> None:
    for use in (lambda: outband.send_obj(socket, 1), lambda: outband.recv_obj(socket, zmq.NOBLOCK)):
        try:
            use()
            answers.put("it returned")
        except Exception as error:
            answers.put(f"{type(error).__name__}: {error}")


def test_a_socket_of_the_parent_is_refused_after_a_fork(context: zmq.Context) -> None:
    one, other = pair(context, zmq.PAIR, zmq.PAIR)
    outband.send_obj(one, 1)
    fork = multiprocessing.get_context("fork")
    answers = fork.Queue()
    child = fork.Process(target=_use, args=(one, answers))
    child.start()
    for _ in range(2):
        assert answers.get(timeout=60).startswith("CallerError: the socket belongs to process")
    child.join()
    assert outband.recv_obj(other) == 1


@pytest.mark.parametrize("kind", [zmq.PUSH, zmq.DEALER, zmq.ROUTER])
def test_a_send_to_a_peer_that_is_full_waits_its_time_and_takes_none(context: zmq.Context, kind: int) -> None:
    context.setsockopt(zmq.SNDHWM, 1)
    context.setsockopt(zmq.RCVHWM, 1)
    sender = context.socket(kind)
    place = f"inproc://{kind}"
    sender.bind(place)
    peers: list[Any] = []
    for name in ("full", "free")[: 2 if kind == zmq.ROUTER else 1]:
        peers.append(context.socket(zmq.PULL if kind == zmq.PUSH else zmq.DEALER))
        peers[-1].setsockopt_string(zmq.IDENTITY, name)
        peers[-1].connect(place)
    obj = {"sent": 0, "bytes": bytes(20_000)}

    def send(flags: int = 0) -> None:
        if kind == zmq.ROUTER:
            outband.send_obj_to(sender, "full", obj, flags)
        else:
            outband.send_obj(sender, obj, flags)
        obj["sent"] += 1

    with pytest.raises(zmq.Again):
        while True:
            send(zmq.NOBLOCK)
    if kind == zmq.ROUTER:
        assert sender.poll(0, zmq.POLLOUT), "it could send to the other one"
    sender.setsockopt(zmq.SNDTIMEO, 700)
    began, used = time.monotonic(), time.thread_time()
    with pytest.raises(zmq.Again):
        send()
    assert time.monotonic() - began >= 0.6 and time.thread_time() - used < 0.2
    # and one that waits goes on as soon as there is room
    sender.setsockopt(zmq.SNDTIMEO, 60_000)
    count = obj["sent"]
    reader = threading.Thread(target=lambda: [numbers.append(outband.recv_obj(peers[0])["sent"]) for _ in range(count + 1)])
    numbers: list[int] = []
    reader.start()
    send()
    reader.join()
    assert numbers == list(range(count + 1))


class Deadly(list):  # type: ignore[type-arg]
    """Frames of a message; before one of them is asked for, something happens."""

    def __init__(self, frames: list[Any], at: int, happens: Any) -> None:
        super().__init__(frames)
        self.at, self.happens = at, happens

    def __getitem__(self, wanted: Any) -> Any:
        def each() -> Iterator[Any]:
            for index in range(wanted.start, len(self)):
                if index == self.at and self.happens:
                    happens, self.happens = self.happens, None
                    happens()
                yield list.__getitem__(self, index)

        return each()


@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize("kind", [zmq.PUSH, zmq.DEALER])
def test_a_peer_that_dies_within_a_message_tears_none(context: zmq.Context, kind: int, at: int) -> None:
    # it is refused, or swallowed where the socket hears of the whole end at once: until both have been there
    ways = set()
    for round in range(100):
        ways.add(was_sent_to_nobody(context, kind, at, is_looked_at=round % 2 == 0))
        if ways == {True, False}:
            return
    raise AssertionError(f"it is always {ways}")


def was_sent_to_nobody(context: zmq.Context, kind: int, at: int, is_looked_at: bool) -> bool:
    sender = context.socket(kind)
    port = sender.bind_to_random_port("tcp://127.0.0.1")
    monitor = sender.get_monitor_socket(zmq.EVENT_DISCONNECTED)

    def join() -> Any:
        peer = context.socket(zmq.PULL if kind == zmq.PUSH else zmq.DEALER)
        peer.connect(f"tcp://127.0.0.1:{port}")
        return peer

    def dies() -> None:
        sender.getsockopt(zmq.EVENTS)
        first.close()
        monitor.recv_multipart()
        # there is word of it, which the socket has not looked at
        assert zmq.select([sender.getsockopt(zmq.FD)], [], [], 60)[0]
        if is_looked_at:
            sender.getsockopt(zmq.EVENTS)
            zmq.select([sender.getsockopt(zmq.FD)], [], [], 0.1)
        # a socket that sends looks at most once in 3 000 000 ticks of the processor
        until = time.monotonic() + 0.01
        while time.monotonic() < until:
            pass

    first = join()
    assert sender.poll(60_000, zmq.POLLOUT)
    frames = [zmq.Frame(b"%d" % number * 70_000) for number in range(4)]
    is_sent = outband._parts._send_now(sender, Deadly(frames, at, dies))
    second = join()
    if not is_sent:
        assert sender.poll(60_000, zmq.POLLOUT) and outband._parts._send_now(sender, frames)
        assert [frame[:1] for frame in second.recv_multipart()] == [b"0", b"1", b"2", b"3"]
    for _ in range(3):
        outband.send_obj(sender, OBJECT)
        check(outband.recv_obj(second))
    sender.disable_monitor()
    for socket in (monitor, sender, second):
        socket.close(0)
    return is_sent


def test_a_peer_that_is_not_there_is_told_of(context: zmq.Context) -> None:
    router, _dealer = pair(context, zmq.ROUTER, zmq.DEALER)
    with pytest.raises(zmq.ZMQError) as raised:
        outband.send_obj_to(router, "nobody", OBJECT)
    assert raised.value.errno == zmq.EHOSTUNREACH
    with pytest.raises(outband.CallerError, match="only a ROUTER"):
        outband.send_obj_to(_dealer, "nobody", OBJECT)


def test_nothing_that_arrives_lets_the_sender_or_another_receiver_be_written_to(context: zmq.Context) -> None:
    pub, subs = context.socket(zmq.XPUB), [context.socket(zmq.SUB) for _ in range(2)]
    pub.setsockopt(zmq.XPUB_VERBOSE, 1)
    pub.bind("inproc://read-only")
    for sub in subs:
        sub.subscribe("t")
        sub.connect("inproc://read-only")
        assert pub.recv() == b"\1t"
    sent = {"bytes": bytes(200_000), "array": np.zeros(50_000), "small": np.zeros(3), "empty": np.zeros(0)}
    outband.publish_obj(pub, "t", {**sent, "again": sent["array"]})
    for sub in subs:
        _, got = outband.recv_topic_obj(sub)
        assert got["array"].ctypes.data == sent["array"].ctypes.data, "it is the sender's memory"
        with pytest.raises(TypeError, match="read-only"):
            got["bytes"][0] = 65
        for name in ("array", "again", "small", "empty"):
            with pytest.raises(ValueError, match="read-only"):
                got[name][...] = 1.0
        with pytest.raises(ValueError, match="WRITEABLE flag"):
            got["array"].flags.writeable = True
        mine = got["array"].copy()
        mine[0] = 1.0
    assert sent["bytes"] == bytes(200_000) and not sent["array"].any()


def test_a_wrong_argument_takes_no_message(context: zmq.Context) -> None:
    pull, push = pair(context, zmq.PULL, zmq.PUSH)
    outband.send_obj(push, "kept")
    assert pull.poll(60_000)
    receives: list[Any] = [outband.recv_obj, outband.recv_topic_obj, outband.recv_obj_from]
    for receive in receives:
        with pytest.raises(TypeError, match="compression"):
            receive(pull, compression="zlib")
        for wrong in ({"limits": 5}, {"encodings": "zlib"}, {"encodings": ("zip",)}, {"encodings": None}):
            with pytest.raises(outband.CallerError):
                receive(pull, zmq.NOBLOCK, **wrong)
    assert outband.recv_obj(pull, zmq.NOBLOCK) == "kept"


def test_a_wrong_argument_makes_no_subscriber_and_no_worker(context: zmq.Context) -> None:
    nobody = "tcp://127.0.0.1:9"
    makes: list[Any] = [
        lambda **options: outband.feed.Subscriber(context, nobody, nobody, ["a"], **options),
        lambda **options: outband.pipeline.Worker(context, nobody, **options),
    ]
    for make in makes:
        with pytest.raises(TypeError, match="compression"):
            make(compression="zlib")
        for wrong in ({"limits": 5}, {"encodings": "zlib"}):
            with pytest.raises(outband.CallerError):
                make(**wrong)


def test_every_option_is_a_parameter_that_help_shows() -> None:
    for name in outband.__all__:
        value = getattr(outband, name)
        if inspect.isfunction(value):
            kinds = {parameter.kind for parameter in inspect.signature(value).parameters.values()}
            assert inspect.Parameter.VAR_KEYWORD not in kinds, name


@pytest.mark.parametrize("obj", ["one frame", [bytes(9000), b"several"]], ids=["one", "several"])
def test_flags_that_a_message_cannot_keep_are_refused(context: zmq.Context, obj: Any) -> None:
    pull, push = pair(context, zmq.PULL, zmq.PUSH)
    sends: list[Any] = [outband.send_obj, lambda *rest: outband.publish_obj(rest[0], "t", *rest[1:])]
    for send in sends:
        for flags in (zmq.SNDMORE, zmq.SNDMORE | zmq.NOBLOCK, 4):
            with pytest.raises(outband.CallerError, match="0 or zmq.NOBLOCK"):
                send(push, obj, flags)
    outband.send_obj(push, obj, zmq.DONTWAIT)
    assert pull.poll(60_000)
    for receive in (outband.recv_obj, outband.recv_topic_obj):
        with pytest.raises(outband.CallerError, match="0 or zmq.NOBLOCK"):
            receive(pull, zmq.SNDMORE)
    assert outband.recv_obj(pull, zmq.DONTWAIT) == obj


@pytest.mark.parametrize("obj", [OBJECT, 5], ids=["map", "number"])
@pytest.mark.parametrize("place, is_correlated", [("tcp://127.0.0.1:*", False), ("tcp://127.0.0.1:*", True), ("inproc://requests", False)])
def test_a_router_answers_a_req(context: zmq.Context, place: str, is_correlated: bool, obj: Any) -> None:
    router, req = context.socket(zmq.ROUTER), context.socket(zmq.REQ)
    req.setsockopt(zmq.REQ_CORRELATE, is_correlated)
    router.bind(place)
    req.connect(router.last_endpoint.decode())
    for number in range(3):
        outband.send_obj(req, [number, obj])
        envelope, back = outband.recv_obj_via(router)
        assert envelope.peer and envelope.has_delimiter and (envelope.request is not None) == is_correlated
        outband.send_obj_via(router, envelope, back[0] + 1)
        assert outband.recv_obj(req) == number + 1


def test_what_looks_like_the_number_of_a_request_is_the_metadata_of_a_dealer(context: zmq.Context) -> None:
    router, dealer = pair(context, zmq.ROUTER, zmq.DEALER)
    for frames in ([b"\xd4\x05\x00"], [b"\xa3abc"]):
        dealer.send_multipart(frames)
        envelope, got = outband.recv_obj_via(router)
        assert envelope.request is None and not envelope.has_delimiter and outband.dumps(got) == frames
        outband.send_obj_via(router, envelope, got)
        assert outband.recv_obj(dealer) == got
    # four bytes, and a buffer behind them
    dealer.send_multipart([b"\xa3abc", b"x" * 9000])
    with pytest.raises(outband.PeerError, match="not referenced"):
        outband.recv_obj_via(router)


def test_text_that_has_no_bytes_is_refused_as_a_topic_and_as_a_routing_id(context: zmq.Context) -> None:
    for call in (
        lambda: outband.publish_obj(context.socket(zmq.PUB), "lone \ud800", 1),
        lambda: outband.send_obj_to(context.socket(zmq.ROUTER), "lone \ud800", 1),
        lambda: outband.Envelope.to_req("lone \ud800"),
    ):
        with pytest.raises(outband.CallerError, match="has half of a surrogate pair"):
            call()


def test_a_dealer_asks_a_rep(context: zmq.Context) -> None:
    rep, dealer = pair(context, zmq.REP, zmq.DEALER)
    for receive in (outband.recv_obj, lambda socket: outband.recv_obj_via(socket)[1]):
        outband.send_obj_via(dealer, outband.Envelope.delimiter(), OBJECT)
        check(outband.recv_obj(rep))
        outband.send_obj(rep, OBJECT)
        check(receive(dealer))


def test_an_envelope_made_by_hand_reaches_a_req_and_a_dealer(context: zmq.Context) -> None:
    router = context.socket(zmq.ROUTER)
    port = router.bind_to_random_port("tcp://127.0.0.1")
    for kind, envelope in ((zmq.REQ, outband.Envelope.to_req("peer")), (zmq.DEALER, outband.Envelope.to(b"other"))):
        peer = context.socket(kind)
        peer.setsockopt(zmq.IDENTITY, envelope.peer)
        peer.connect(f"tcp://127.0.0.1:{port}")
        outband.send_obj(peer, OBJECT)
        assert outband.recv_obj_via(router)[0] == envelope
        outband.send_obj_via(router, envelope, OBJECT)
        check(outband.recv_obj(peer))
    with pytest.raises(zmq.ZMQError) as raised:
        outband.send_obj_via(router, outband.Envelope.to_req("nobody"), OBJECT)
    assert raised.value.errno == zmq.EHOSTUNREACH


@pytest.mark.parametrize(
    "fields",
    [
        {"peer": "peer", "has_delimiter": True},
        {"peer": bytearray(b"peer")},
        {"peer": b"peer", "request": b"\0\0\0\7"},
        {"peer": b"peer", "request": b"\7", "has_delimiter": True},
        {"peer": b"peer", "request": 7, "has_delimiter": True},
    ],
    ids=str,
)
def test_an_envelope_has_no_form_that_rusts_has_not(fields: dict) -> None:
    with pytest.raises(outband.CallerError):
        outband.Envelope(**fields)


def test_a_number_without_a_delimiter_is_no_request(context: zmq.Context) -> None:
    router = context.socket(zmq.ROUTER)
    port = router.bind_to_random_port("tcp://127.0.0.1")

    # a stranger that says it is a REQ, and sends no delimiter
    def frame(kind: bytes, data: bytes) -> bytes:
        return kind + bytes([len(data)]) + data

    def field(name: bytes, value: bytes) -> bytes:
        return bytes([len(name)]) + name + len(value).to_bytes(4, "big") + value

    with socket.create_connection(("127.0.0.1", port), 10) as stranger, stranger.makefile("rb") as said:
        stranger.sendall(b"\xff" + bytes(8) + b"\x7f\3\0" + b"NULL".ljust(20, b"\0") + bytes(32))
        said.read(64)
        stranger.sendall(frame(b"\4", b"\5READY" + field(b"Socket-Type", b"REQ") + field(b"Identity", b"")))
        said.read(said.read(2)[1])
        stranger.sendall(frame(b"\1", b"\0\0\0\7") + frame(b"\0", b"\xc0"))
        with pytest.raises(outband.PeerError, match="no delimiter frame"):
            outband.recv_obj_via(router)


@pytest.mark.parametrize("is_async", [False, True])
def test_a_socket_whose_turn_it_is_not_says_so_and_how_a_req_asks_again(is_async: bool) -> None:
    async def talk() -> None:
        with zmq.asyncio.Context() if is_async else zmq.Context() as context:
            rep, req = pair(context, zmq.REP, zmq.REQ)

            async def refused(call: Any, *arguments: Any) -> str:
                with pytest.raises(zmq.ZMQError) as raised:
                    result = call(*arguments)
                    if is_async:
                        await result
                assert raised.value.errno == zmq.EFSM
                return str(raised.value)

            turn = "sends and receives in turn: it is not its turn to"
            assert await refused(outband.recv_obj, req) == f"a REQ socket {turn} receive, as nothing was asked"
            assert await refused(outband.send_obj, rep, 1) == f"a REP socket {turn} send, as nothing was asked that has no answer yet"
            for value in (1, np.zeros(9000)):
                asked = outband.send_obj(req, 1)
                if is_async:
                    await asked
                again = "ZMQ_REQ_RELAXED and ZMQ_REQ_CORRELATE let it ask again, or a new socket"
                assert await refused(outband.send_obj, req, value) == f"a REQ socket {turn} send, as no reply has come yet; {again}"
                got = outband.recv_obj(rep)
                assert (await got if is_async else got) == 1
                assert await refused(outband.recv_obj, rep) == f"a REP socket {turn} receive, as the last request has no answer yet"
                answered = outband.send_obj(rep, 2)
                if is_async:
                    await answered
                answer = outband.recv_obj(req)
                assert (await answer if is_async else answer) == 2
            context.destroy(0)

    asyncio.run(talk())


def test_a_send_on_asyncio_that_failed_and_that_nobody_waited_for_is_told_of() -> None:
    async def talk() -> None:
        told: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context["message"]))
        with zmq.asyncio.Context() as context:
            router, _ = pair(context, zmq.ROUTER, zmq.DEALER)
            outband.send_obj_to(router, "nobody", OBJECT)
            gc.collect()
            assert told == ["Future exception was never retrieved"]
            with pytest.raises(zmq.ZMQError) as raised:
                await outband.send_obj_to(router, "nobody", OBJECT)
            assert raised.value.errno == zmq.EHOSTUNREACH
            context.destroy(0)

    asyncio.run(talk())


def test_envelopes_on_asyncio() -> None:
    async def talk() -> None:
        with zmq.asyncio.Context() as context:
            context.setsockopt(zmq.RCVTIMEO, 60_000)
            router, req = pair(context, zmq.ROUTER, zmq.REQ)
            await outband.send_obj(req, OBJECT)
            envelope, back = await outband.recv_obj_via(router)
            await outband.send_obj_via(router, envelope, back)
            check(await outband.recv_obj(req))
            rep, dealer = pair(context, zmq.REP, zmq.DEALER)
            await outband.send_obj_via(dealer, outband.Envelope.delimiter(), OBJECT)
            check(await outband.recv_obj(rep))
            await outband.send_obj(rep, OBJECT)
            check(await outband.recv_obj(dealer))
            context.destroy(0)

    asyncio.run(talk())


def test_what_a_socket_has_no_envelope_for_is_refused_and_nothing_is_taken(context: zmq.Context) -> None:
    router, dealer = pair(context, zmq.ROUTER, zmq.DEALER)
    outband.send_obj(dealer, 1)
    assert router.poll(60_000)
    refused: list[Any] = [
        lambda: outband.recv_obj(router),
        lambda: outband.send_obj(router, 1),
        lambda: outband.send_obj_via(router, outband.Envelope.delimiter(), 1),
        lambda: outband.send_obj_via(router, b"peer", 1),  # type: ignore[arg-type]
        lambda: outband.send_obj_via(dealer, outband.Envelope.to("peer"), 1),
        lambda: outband.recv_obj_from(dealer),
        lambda: outband.recv_obj_via(context.socket(zmq.PULL)),
    ]
    for call in refused:
        with pytest.raises(outband.CallerError):
            call()
    assert outband.recv_obj_from(router, zmq.NOBLOCK)[1] == 1


def test_arrays_leave_without_copying_from_the_copy_threshold_of_the_socket_on(context: zmq.Context) -> None:
    pull, push = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    pull.bind("inproc://threshold")
    push.connect("inproc://threshold")
    for threshold, size, is_copied in ((None, 65_535, True), (None, 65_536, False), (0, 8193, False), (1 << 20, 65_536, True)):
        if threshold is not None:
            push.copy_threshold = threshold
        sent = np.zeros(size, "u1")
        outband.send_obj(push, {"array": sent})
        back = outband.recv_obj(pull)["array"]
        assert (back.ctypes.data != sent.ctypes.data) == is_copied, (threshold, size)
