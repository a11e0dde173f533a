"""One side of benches/pickle: a Python process that moves arrays to another one as fast as pyzmq does it.

`pickle_peer.py send MEANS BYTES` binds, prints its endpoint, and for each count it reads moves so many objects and prints the
seconds. `pickle_peer.py receive MEANS BYTES ENDPOINT` is the other side.
"""

import pickle
import sys
import time

import numpy
import zmq

side, means, length = sys.argv[1], sys.argv[2], int(sys.argv[3])
copy = means == "copying"


def send_object(socket, value):
    if means == "in-band":  # send_pyobj, with the latest protocol
        socket.send(pickle.dumps(value, protocol=5), copy=False)
        return
    buffers = []
    data = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    socket.send_multipart([data, *[buffer.raw() for buffer in buffers]], copy=copy)


def recv_object(socket):
    if means == "in-band":
        return pickle.loads(socket.recv(copy=False).buffer)
    if copy:
        data, *buffers = socket.recv_multipart()
    else:
        data, *buffers = [frame.buffer for frame in socket.recv_multipart(copy=False)]
    return pickle.loads(data, buffers=buffers)


socket = zmq.Context().socket(zmq.PAIR)
socket.sndhwm = socket.rcvhwm = min(max((256 << 20) // length, 2), 1000)
socket.linger = 0
if side == "send":
    socket.bind("tcp://127.0.0.1:*")
    print(socket.last_endpoint.decode(), flush=True)
    value = {"id": 123_456, "name": "camera 3", "data": numpy.full(length // 8, 0.5)}
    for line in sys.stdin:
        count = int(line)
        socket.send(count.to_bytes(8, "little"))
        if count == 0:
            break
        socket.recv()  # the receiver is ready
        started = time.perf_counter()
        for _ in range(count):
            send_object(socket, value)
        socket.recv()  # the receiver has them all
        print(time.perf_counter() - started, flush=True)
    socket.close(linger=5000)
else:
    socket.connect(sys.argv[4])
    while count := int.from_bytes(socket.recv(), "little"):
        socket.send(b"!")
        for _ in range(count):
            value = recv_object(socket)
            assert value["data"].nbytes == length
        socket.send(b"!")
