"""Follows a feed until a number, and prints what it was told, once it has it all."""

import sys
import time

import zmq

from outband import feed

live, recovery, start, last = sys.argv[1:]
rules = feed.Rules(room_messages=200, attempts=1000)
with zmq.Context() as context, feed.Subscriber(
    context, live, recovery, ["py/"], start="all" if start == "all" else "now", rules=rules
) as subscriber:
    delivered = recovered = lost = 0
    at = 0
    for event in subscriber:
        if isinstance(event, feed.Joined):
            at = event.first
            print("joined", event.first, flush=True)
            if start == "asleep":
                assert sys.stdin.readline() == "go on\n"
        elif isinstance(event, feed.Data):
            assert event.number == at and event.value["number"] == at, (event.number, at)
            assert len(event.value["noise"]) == 10_000 and abs(event.sent - time.time()) < 3600
            at += 1
            delivered += 1
            recovered += event.recovered
        elif isinstance(event, feed.Gap):
            assert event.first == at and event.why == "evicted", event
            at = event.last + 1
            lost += event.last + 1 - event.first
        else:
            assert isinstance(event, (feed.Stale, feed.Resumed)), event
        if at > int(last):
            break
    print(delivered, recovered, lost, flush=True)
