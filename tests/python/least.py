"""The package with the least that it promises to run with: these versions of pyzmq and msgpack, and nothing else."""

import asyncio
import os
import signal
import sys
import threading
from importlib import metadata, util

import msgpack
import zmq
import zmq.asyncio

import outband
from outband import feed, pipeline

assert (metadata.version("msgpack"), metadata.version("pyzmq")) == ("1.2.1", "25.0.0")
assert not any(map(util.find_spec, ("numpy", "ml_dtypes", "pyarrow", "pandas", "lz4", "zstandard", "blosc2")))

OBJ = {"name": "dot", "pixels": bytes(20_000), "list": [1, -2.5, None, True, "é"]}


def pair(context, bound, connected):
    one, other = context.socket(bound), context.socket(connected)
    for socket in (one, other):
        socket.setsockopt(zmq.RCVTIMEO, 60_000)
        socket.setsockopt(zmq.SNDTIMEO, 20_000)
    port = one.bind_to_random_port("tcp://127.0.0.1")
    other.connect(f"tcp://127.0.0.1:{port}")
    return one, other


def refusal(call):
    try:
        call()
    except outband.Error as error:
        return f"{type(error).__name__}: {error}"
    raise AssertionError("it is not refused")


def sockets(context):
    pull, push = pair(context, zmq.PULL, zmq.PUSH)
    outband.send_obj(push, OBJ)
    assert outband.recv_obj(pull) == OBJ
    router, dealer = pair(context, zmq.ROUTER, zmq.DEALER)
    outband.send_obj(dealer, OBJ)
    peer, back = outband.recv_obj_from(router)
    outband.send_obj_to(router, peer, back)
    assert outband.recv_obj(dealer) == OBJ
    try:
        outband.send_obj_to(router, "nobody", OBJ)
    except zmq.ZMQError as error:
        assert error.errno == zmq.EHOSTUNREACH
    router, req = pair(context, zmq.ROUTER, zmq.REQ)
    req.setsockopt(zmq.REQ_CORRELATE, 1)
    outband.send_obj(req, OBJ)
    envelope, back = outband.recv_obj_via(router)
    outband.send_obj_via(router, envelope, back)
    assert outband.recv_obj(req) == OBJ
    # nobody takes it: it waits its time
    lonely = context.socket(zmq.PUSH)
    lonely.setsockopt(zmq.SNDTIMEO, 50)
    try:
        outband.send_obj(lonely, OBJ)
        raise AssertionError("it was sent to nobody")
    except zmq.Again:
        pass


async def awaited():
    with zmq.asyncio.Context() as context:
        pull, push = pair(context, zmq.PULL, zmq.PUSH)
        await outband.send_obj(push, OBJ)
        assert await outband.recv_obj(pull) == OBJ
        pub, sub = pair(context, zmq.XPUB, zmq.SUB)
        sub.subscribe("weather")
        assert await pub.recv() == b"\1weather"
        await outband.publish_obj(pub, "weather.oslo", OBJ)
        assert await outband.recv_topic_obj(sub) == (b"weather.oslo", OBJ)
        context.destroy(0)


def follows(context):
    live, recovery = context.socket(zmq.XPUB), context.socket(zmq.ROUTER)
    places = [f"tcp://127.0.0.1:{socket.bind_to_random_port('tcp://127.0.0.1')}" for socket in (live, recovery)]
    for given in (context, zmq.asyncio.Context()):
        with feed.Subscriber(given, *places, ["a"]) as subscriber:
            assert live.recv() == b"\1a\0"
            stamp = b"F\2\1" + b"".join(number.to_bytes(8, "little") for number in (7, 1, 0))
            live.send_multipart([b"a\0" + stamp, *outband.dumps(OBJ)])
            assert isinstance(subscriber.recv(20), feed.Joined)
            assert subscriber.recv(20).value == OBJ
        assert live.recv() == b"\0a\0"


def works(context):
    router = context.socket(zmq.ROUTER)
    router.setsockopt(zmq.RCVTIMEO, 60_000)
    place = f"tcp://127.0.0.1:{router.bind_to_random_port('tcp://127.0.0.1')}"
    worker = pipeline.Worker(context, place, ends_with_dispatcher=True)
    thread = threading.Thread(target=worker.run, args=(lambda task: task.value,))
    thread.start()
    peer, _hello = router.recv_multipart()
    frames = outband.dumps(OBJ)
    router.send_multipart([peer, msgpack.packb(["welcome", 1, 1, 5, 100, 20_000])])
    router.send_multipart([peer, msgpack.packb(["task", 1, [7, 1, 1, len(frames)]]), *frames])
    header = ["beat"]
    while header[0] != "result":
        _, packed, *answer = router.recv_multipart()
        header = msgpack.unpackb(packed)
    assert outband.loads(answer) == OBJ
    router.send_multipart([peer, msgpack.packb(["bye"])])
    thread.join(20)
    assert not thread.is_alive()


def refused():
    array = msgpack.packb({"$array": "<f8", "shape": [1], "order": "C", "data": bytes(8)})
    assert refusal(lambda: outband.loads([array])).startswith("CallerError: this message takes the package numpy")
    table = msgpack.packb({"$table": b"", "rows": 0, "columns": []})
    assert refusal(lambda: outband.loads([table])).startswith("CallerError: this message takes the package pyarrow")
    for name, wanted in (("lz4", "lz4"), ("zstd", "zstandard"), ("blosc2", "blosc2")):
        said = refusal(lambda: outband.dumps(OBJ, compression=name))
        assert said == f"CallerError: this message takes the package {wanted}, which is not installed", said
    assert outband.loads(outband.dumps(OBJ, compression="zlib")) == OBJ


def interrupted(context):
    """Ctrl-C ends a receive that waits; one that comes just before the wait is heard with the next one, which is pyzmq's way."""
    pull, push = pair(context, zmq.PULL, zmq.PUSH)
    pull.setsockopt(zmq.RCVTIMEO, -1)
    heard = threading.Event()

    def once(*_):
        if not heard.is_set():
            heard.set()
            raise KeyboardInterrupt

    def press():
        while not heard.wait(0.2):
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, once)
    presses = threading.Thread(target=press)
    presses.start()
    try:
        outband.recv_obj(pull)
        raise AssertionError("nothing was sent")
    except KeyboardInterrupt:
        pass
    presses.join()
    signal.signal(signal.SIGINT, before)
    outband.send_obj(push, OBJ)
    assert outband.recv_obj(pull) == OBJ


with zmq.Context() as context:
    context.setsockopt(zmq.LINGER, 0)
    for check in (sockets, follows, works, interrupted):
        check(context)
    context.destroy(0)
refused()
asyncio.run(awaited())
print("it works")
sys.stdout.flush()
