"""Follows a feed over restarts of its publisher, and checks that no number is left out.

A goal comes as a line: the epoch, and the last number of each stream. It says "there" when it is, and ends with its input.
"""

import sys
import threading

import zmq

from outband import feed

live, recovery = sys.argv[1:]
goals: dict[str, tuple[int, int]] = {}


is_over = threading.Event()


def hear() -> None:
    for line in sys.stdin:
        epoch, *lasts = map(int, line.split())
        goals.update({f"run/{index}": (epoch, last + 1) for index, last in enumerate(lasts)})
    is_over.set()


threading.Thread(target=hear, daemon=True).start()
at: dict[str, tuple[int, int]] = {}
delivered, lost = 0, {"evicted": 0, "unanswered": 0, "restarted": 0}
rules = feed.Rules(attempts=1000)
with zmq.Context() as context, feed.Subscriber(context, live, recovery, ["run/"], rules=rules) as subscriber:
    while goals or not is_over.is_set():
        reached = dict(goals)
        if reached and all(at.get(name) == goal == subscriber.position(name) for name, goal in reached.items()):
            goals.clear()
            print("there", flush=True)
        event = subscriber.recv(0.05)
        if isinstance(event, feed.Joined):
            assert event.stream not in at
            at[event.stream] = (event.epoch, event.first)
            if len(at) == 2:
                print("joined", flush=True)
        elif isinstance(event, feed.Data):
            epoch, number = at[event.stream]
            assert (event.epoch, event.number) == (epoch, number), event
            assert (event.value["epoch"], event.value["number"]) == (epoch, number), event
            at[event.stream] = (epoch, number + 1)
            delivered += 1
        elif isinstance(event, feed.Gap):
            assert (event.epoch, event.first) == at[event.stream] and event.first <= event.last, event
            at[event.stream] = (event.epoch, event.last + 1)
            lost[event.why] += event.last + 1 - event.first
        elif isinstance(event, feed.Reset):
            assert event.previous == at[event.stream][0] < event.epoch, event
            at[event.stream] = (event.epoch, 1)
            print("reset", flush=True)
        else:
            assert event is None or isinstance(event, (feed.Stale, feed.Resumed)), event
print(delivered, lost["evicted"], lost["unanswered"], flush=True)
