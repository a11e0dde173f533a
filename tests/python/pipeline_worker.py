"""A worker process: says what became of a task's array, as fast as it can."""

import sys
import time

import zmq

from outband.pipeline import Failure, Rejected, Task, Worker


def handle(task: Task) -> dict:
    if task.value["name"] == "fails" and task.attempt == 1:
        raise Failure("the first time", retry_after=0.01)
    if task.value["name"] == "exits" and task.attempt == 1:
        sys.exit("the first time")
    if task.value["name"] == "never":
        raise Rejected("not in this life")
    if task.value["name"] == "slow":
        for _ in range(10):
            time.sleep(0.05)
            task.progress()
    array = task.value["array"]
    return {"name": task.value["name"], "sum": float(array.sum()), "array": array * 2}


def show(dealer: zmq.Socket) -> None:
    dealer.setsockopt(zmq.PLAIN_USERNAME, b"worker")
    dealer.setsockopt(zmq.PLAIN_PASSWORD, b"a secret")


with zmq.Context() as context:
    stays, prepare = sys.argv[2:] == ["stays"], show if sys.argv[2:] == ["shows"] else None
    worker = Worker(
        context, sys.argv[1], threads=2, in_flight=6, ends_with_dispatcher=not stays, prepare_socket=prepare
    )
    worker.run(handle)
