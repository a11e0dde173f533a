"""Real sockets, blocking and asyncio, in every pattern."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
from typing import Any, Iterator

import numpy as np
import pytest
import zmq
import zmq.asyncio

import outband


@pytest.fixture
def context() -> Iterator[zmq.Context]:
    with zmq.Context() as context:
        context.setsockopt(zmq.RCVTIMEO, 10_000)
        context.setsockopt(zmq.SNDTIMEO, 10_000)
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
                assert await pull.poll(10_000)  # it is there, and could be taken
                await give_up(pull)
                assert await outband.recv_obj(pull, zmq.NOBLOCK) == number
            pull, push = pair(context, zmq.PULL, zmq.PUSH)
            await cancelled_while_it_waits(pull)
            with pytest.raises(zmq.Again):
                await outband.recv_obj(pull, zmq.NOBLOCK)
            await outband.send_obj(push, 1)
            assert await asyncio.wait_for(outband.recv_obj(pull), 10) == 1
            pull.setsockopt(zmq.RCVTIMEO, 1)
            with pytest.raises(zmq.Again):
                await outband.recv_obj(pull)
            context.destroy(0)

    asyncio.run(talk())


def test_an_asyncio_receive_that_is_cancelled_when_its_message_has_come_loses_none() -> None:
    async def talk() -> None:
        with zmq.asyncio.Context() as context:
            pull, push = pair(context, zmq.PULL, zmq.PUSH)
            got = []
            for number in range(200):
                task = asyncio.create_task(outband.recv_obj(pull))
                await asyncio.sleep(0)
                await outband.send_obj(push, number)
                for _ in range(number % 7):
                    await asyncio.sleep(0)
                task.cancel()
                try:
                    got.append(await task)
                except asyncio.CancelledError:
                    got.append(await asyncio.wait_for(outband.recv_obj(pull), 10))
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
        assert pull.poll(10_000)
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
        assert answers.get(timeout=30).startswith("CallerError: the socket belongs to process")
    child.join()
    assert outband.recv_obj(other) == 1
