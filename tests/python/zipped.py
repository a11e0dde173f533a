"""pyzmq's `send_zipped_pickle` and `recv_zipped_pickle` with MessagePack in the place of pickle."""

import zlib

import msgpack
import zmq


def send_zipped_msgpack(socket, obj, flags=0):
    """Packs an object, compresses it, and sends it as one frame."""
    return socket.send(zlib.compress(msgpack.packb(obj)), flags=flags)


def recv_zipped_msgpack(socket, flags=0):
    """The inverse of send_zipped_msgpack."""
    return msgpack.unpackb(zlib.decompress(socket.recv(flags)))


socket = zmq.Context().socket(zmq.REP)
socket.rcvtimeo = socket.sndtimeo = 60_000
print(socket.bind_to_random_port("tcp://127.0.0.1"), flush=True)
report = recv_zipped_msgpack(socket)
assert len(report["rows"]) == 500 and report["rows"][7] == {"time": 7.0, "level": 0.5}
assert report["image"] == bytes(at // 1000 % 256 for at in range(200_000))
send_zipped_msgpack(socket, {**report, "station": report["station"].upper()})
