"""Real sockets, blocking and asyncio, in every pattern."""

from __future__ import annotations

import asyncio
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
