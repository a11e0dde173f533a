"""Says of each message and object what the Python package makes of it: the kind of the error and its text, or that it is done."""

import sys

import msgpack
import zmq

import outband

FIELDS = ("frames", "metadata_bytes", "total_bytes", "depth", "decompressed_bytes")


def do(way, limits, frames):
    if way == "Read":
        outband.loads(frames, limits=limits)
    elif way == "SendReserved":
        outband.dumps(msgpack.ExtType(0x42, b"x"), limits=limits)
    else:
        outband.dumps(outband.loads(frames), limits=limits, compression=way["Send"])


def outcome(way, limits, frames):
    try:
        do(way, outband.Limits(**dict(zip(FIELDS, limits))), [bytes(frame) for frame in frames])
        return ["done", ""]
    except outband.LimitError as error:
        return ["limit", str(error)]
    except outband.PeerError as error:
        return ["peer", str(error)]
    except outband.CallerError as error:
        return ["caller", str(error)]


with zmq.Context() as context, context.socket(zmq.PAIR) as socket:
    socket.connect(sys.argv[1])
    outband.send_obj(socket, [outcome(**case) for case in outband.recv_obj(socket)])
