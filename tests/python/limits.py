"""Says of each message what the Python package makes of it: the kind of the error and its text, or that it is read."""

import sys

import zmq

import outband

FIELDS = ("frames", "metadata_bytes", "total_bytes", "depth", "decompressed_bytes")


def outcome(limits, frames):
    try:
        outband.loads([bytes(frame) for frame in frames], limits=outband.Limits(**dict(zip(FIELDS, limits))))
        return ["read", ""]
    except outband.LimitError as error:
        return ["limit", str(error)]
    except outband.PeerError as error:
        return ["peer", str(error)]


with zmq.Context() as context, context.socket(zmq.PAIR) as socket:
    socket.connect(sys.argv[1])
    outband.send_obj(socket, [outcome(case["limits"], case["frames"]) for case in outband.recv_obj(socket)])
