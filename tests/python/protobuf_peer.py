"""The other end of the Protocol Buffers test: Google's runtime, with the schema built at run time (no protoc).

Checks Rust's message field by field, and sends random messages, which come back as the same bytes or parse as equal.
"""

import random
import struct
import sys

import zmq
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

Field = descriptor_pb2.FieldDescriptorProto
SCALARS = ["double", "float", "int64", "uint64", "int32", "fixed64", "fixed32", "bool", "string", "bytes", "uint32"]
SCALARS += ["sfixed32", "sfixed64", "sint32", "sint64"]


def schema():
    file = descriptor_pb2.FileDescriptorProto(name="telemetry.proto", package="telemetry", syntax="proto3")
    message = file.message_type.add(name="Everything")

    def add(name, number, kind, repeated=False, type_name=None, oneof=None, to=message):
        field = to.field.add(name=name, number=number, type=getattr(Field, "TYPE_" + kind.upper()))
        field.label = Field.LABEL_REPEATED if repeated else Field.LABEL_OPTIONAL
        if type_name:
            field.type_name = type_name
        if oneof is not None:
            field.oneof_index = oneof

    message.oneof_decl.add(name="choice")
    for index, kind in enumerate(SCALARS):
        add(f"a_{kind}", 1 + index, kind)
        add(f"many_{kind}", 21 + index, kind, repeated=True)
    add("child", 41, "message", type_name=".telemetry.Everything")
    add("children", 42, "message", repeated=True, type_name=".telemetry.Everything")
    add("text", 43, "string", oneof=0)
    add("part", 44, "message", type_name=".telemetry.Everything", oneof=0)
    for name, number, kind, type_name in (
        ("counts", 45, "int32", None),
        ("parts", 46, "message", ".telemetry.Everything"),
    ):
        entry = message.nested_type.add(name=name.capitalize() + "Entry")
        entry.options.map_entry = True
        add("key", 1, "string", to=entry)
        add("value", 2, kind, type_name=type_name, to=entry)
        add(name, number, "message", True, f".telemetry.Everything.{entry.name}")
    add("level", 47, "enum", type_name=".telemetry.Level")
    level = file.enum_type.add(name="Level")
    for number, name in enumerate(("LOW", "HIGH")):
        level.value.add(name=name, number=number)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("telemetry.Everything"))


Everything = schema()
rng = random.Random(int(sys.argv[2]))
rounds = int(sys.argv[3])
RANGES = {
    "int64": (-(2**63), 2**63), "uint64": (0, 2**64), "int32": (-(2**31), 2**31), "fixed64": (0, 2**64),
    "fixed32": (0, 2**32), "uint32": (0, 2**32), "sfixed32": (-(2**31), 2**31), "sfixed64": (-(2**63), 2**63),
    "sint32": (-(2**31), 2**31), "sint64": (-(2**63), 2**63),
}


def scalar(kind):
    if kind in RANGES:
        low, high = RANGES[kind]
        return rng.choice([low, high - 1, 0, 1, rng.randrange(low, high)])
    if kind == "bool":
        return rng.random() < 0.5
    if kind == "string":
        return "".join(chr(rng.choice([65, 0xE9, 0x20AC, 0x1F600])) for _ in range(rng.randrange(6)))
    if kind == "bytes":
        return rng.randbytes(rng.choice([0, 1, 9, 300]))
    return struct.unpack("<f", struct.pack("<f", rng.uniform(-1e6, 1e6)))[0]


def fill(message, depth):
    for kind in SCALARS:
        if rng.random() < 0.4:
            setattr(message, f"a_{kind}", scalar(kind))
        if rng.random() < 0.3:
            getattr(message, f"many_{kind}").extend(scalar(kind) for _ in range(rng.randrange(4)))
    message.level = rng.randrange(2)
    if rng.random() < 0.5:
        message.text = scalar("string")
    for _ in range(rng.randrange(3)):
        message.counts[scalar("string")] = scalar("int32")
    if depth:
        if rng.random() < 0.5:
            fill(message.child, depth - 1)
        if rng.random() < 0.5:
            fill(message.part, depth - 1)
        for _ in range(rng.randrange(3)):
            fill(message.children.add(), depth - 1)
        for _ in range(rng.randrange(2)):
            fill(message.parts[scalar("string")], depth - 1)
    return message


socket = zmq.Context().socket(zmq.REQ)
socket.rcvtimeo = socket.sndtimeo = 60_000
socket.connect(sys.argv[1])

# a message with nothing in it has no bytes, both ways
socket.send(Everything().SerializeToString())
assert socket.recv() == b"" == Everything().SerializeToString()

# a megabyte, and what Rust says about it
pixels = bytes(range(256)) * 4096
socket.send(Everything(a_bytes=pixels, a_string="søppel").SerializeToString())
answer = Everything.FromString(socket.recv())
assert answer.a_bytes == bytes(reversed(pixels))
assert answer.a_string == "SØPPEL"
assert answer.a_bool is True, "the bytes were a slice of the frame"

for index in range(rounds):
    sent = fill(Everything(), 3)
    frame = sent.SerializeToString(deterministic=True)
    socket.send(frame)
    back = Everything.FromString(socket.recv())
    assert back == sent, f"message {index}:\n{sent}\n{back}"
    assert back.SerializeToString(deterministic=True) == frame, index

# what is no message is refused by both
for refused in (b"\x52\x05a", b"\x00", b"\xff" * 20):
    try:
        Everything.FromString(refused)
    except Exception:
        pass
    else:
        raise AssertionError(refused)
    socket.send(refused)
    assert Everything.FromString(socket.recv()).a_string.startswith("refused"), refused
socket.context.destroy(linger=60_000)
