"""Objects and frames: what goes in comes out, without copying, and what is damaged is refused."""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime
import decimal
import enum
import pathlib
import pickle
import random
import struct
import subprocess
import sys
import tracemalloc
from typing import Any

import ml_dtypes
import msgpack
import numpy as np
import pytest

import outband

GOLDEN = pathlib.Path(__file__).parents[2] / "tests" / "golden"


def read_golden(name: str) -> list[bytes]:
    """The frames of a file that Rust's ``Multipart::write_to`` wrote."""
    data = (GOLDEN / f"{name}.outband").read_bytes()
    assert data[:8] == b"outband1"
    count, metadata = struct.unpack_from("<QQ", data, 8)
    lengths = [metadata, *struct.unpack_from(f"<{count}Q", data, 24)]
    at, frames = -(-(24 + 8 * count) // 64) * 64, []
    for length in lengths:
        frames.append(data[at : at + length])
        at += -(-length // 64) * 64
    return frames


def test_golden_messages_of_rust_decode() -> None:
    names = [path.stem for path in GOLDEN.glob("*.outband")]
    assert len(names) > 30
    for name in names:
        outband.loads(read_golden(name), encodings=("zlib", "lz4", "zstd", "blosc2"))
    assert outband.loads(read_golden("image")) == {"name": "dot", "width": 2, "pixels": b"\0\1\2\3"}


def test_plain_objects_round_trip() -> None:
    obj = {"none": None, "flag": True, "numbers": [1, -(2**63), 2**64 - 1, 1.5], "text": "søppel", 7: [b"", b"\0" * 9000]}
    assert outband.loads(outband.dumps(obj)) == obj


@dataclasses.dataclass
class Reading:
    station: str
    volts: np.ndarray


def test_a_dataclass_is_a_map_and_numpy_scalars_are_numbers() -> None:
    back = outband.loads(outband.dumps(Reading("north", np.arange(3.0))))
    assert back["station"] == "north" and back["volts"].tolist() == [0.0, 1.0, 2.0]
    assert outband.loads(outband.dumps([np.float32(0.5), np.int64(7), np.bool_(True)])) == [0.5, 7, True]


ARRAYS = [
    np.arange(12.0).reshape(3, 4),
    np.asfortranarray(np.arange(20000.0).reshape(100, 200)),
    np.arange(20000)[::3],
    np.arange(20000)[::-1],
    np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2),
    np.arange(24000).reshape(20, 30, 40).transpose(2, 0, 1),
    np.broadcast_to(np.arange(24).reshape(2, 3, 4).transpose(2, 0, 1), (5, 4, 2, 3)),
    np.broadcast_to(np.arange(3), (1000, 3)),
    np.broadcast_to(5, (3, 3)),
    np.array(5),
    np.zeros((0, 3)),
    np.array(["a", "bc", "søppel"]),
    np.array([b"a", b"bc"]),
    np.array([(1, [2, 3])], [("a", "<i4"), ("b", "<f8", (2,))]),
    np.zeros(4, np.dtype([("a", "u1"), ("b", "<i8")], align=True)),
    np.array(["2020-01-01", "NaT"], "M8[ns]"),
    np.array([1, 2], "m8[25us]"),
    np.arange(5000).astype(">f8"),
    np.array([1 + 2j]),
    np.array([True, False]),
    np.array([1.5], "f2"),
    np.array([1.5, -2.0], ml_dtypes.bfloat16),
    np.zeros(2, [("a", ml_dtypes.bfloat16), ("b", "<f4")]),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}-{array.shape}-{array.strides}")
def test_arrays_keep_dtype_shape_and_order(array: np.ndarray) -> None:
    back = outband.loads(outband.dumps(array))
    np.testing.assert_array_equal(back, array)
    assert back.dtype == array.dtype and back.shape == array.shape
    assert not back.flags.owndata
    if array.flags.f_contiguous and not array.flags.c_contiguous:
        assert back.flags.f_contiguous
    if array.ndim >= 3 and array.flags.c_contiguous is False and 0 not in array.strides:
        assert back.strides == array.strides


def test_large_arrays_leave_and_arrive_without_copying() -> None:
    array = np.arange(100_000.0)
    frames = outband.dumps({"once": array, "twice": array})
    assert len(frames) == 2, "one array used twice is one frame"
    address = array.ctypes.data
    assert np.frombuffer(frames[1], "u1").ctypes.data == address
    back = outband.loads(frames)
    assert back["once"].ctypes.data == back["twice"].ctypes.data == address


def packed(reference: list, frame: bytes) -> list[bytes]:
    return [msgpack.packb(msgpack.ExtType(0x42, msgpack.packb(reference))), frame]


@pytest.mark.parametrize("encoding", ["zlib", "lz4", "zstd", "blosc2"])
def test_compressed_buffers_round_trip(encoding: str) -> None:
    array = np.arange(100_000)
    frames = outband.dumps([array, array], compression=encoding)
    assert len(frames) == 2 and len(frames[1]) < array.nbytes
    np.testing.assert_array_equal(outband.loads(frames, encodings=[encoding])[1], array)
    with pytest.raises(outband.LimitError, match="the limit is 1000"):
        outband.loads(frames, encodings=[encoding], limits=outband.Limits(decompressed_bytes=1000))
    for damaged in (frames[1][:-9], bytes(len(frames[1]))):
        reference = [0, len(damaged), None, encoding, array.nbytes]
        with pytest.raises(outband.PeerError, match="does not decompress"):
            outband.loads(packed(reference, damaged), encodings=[encoding])
    with pytest.raises(outband.PeerError, match="does not decompress"):
        reference = [0, len(frames[1]), None, encoding, array.nbytes - 1]
        outband.loads(packed(reference, frames[1]), encodings=[encoding])


@pytest.mark.parametrize("dtype", ["<U64", "V300", "V255"])
@pytest.mark.parametrize("value", [0, 7])
def test_items_of_any_length_are_compressed_by_blosc2(dtype: str, value: int) -> None:
    counted = (np.arange(2000 * np.dtype(dtype).itemsize) // 97 % 100 * value).astype("u1")
    array = counted.view(dtype) if dtype[0] != "<" else counted.astype("<u4")[: 2000 * 64].view(dtype)
    frames = outband.dumps(array, compression="blosc2")
    assert len(frames) == 2 and len(frames[1]) < array.nbytes
    np.testing.assert_array_equal(outband.loads(frames, encodings=["blosc2"]), array)
    # as others write it: the buffer is no whole number of what the frame says is an item
    blosc2, raw = pytest.importorskip("blosc2"), array.tobytes()
    for typesize in (1, 7, 255) if value else ():
        frame = blosc2.SChunk(data=raw, cparams={"typesize": typesize}).to_cframe()
        reference = [0, len(frame), None, "blosc2", len(raw)]
        assert outband.loads(packed(reference, frame), encodings=["blosc2"]) == raw


def test_a_compression_that_is_not_accepted_is_not_opened() -> None:
    frames = outband.dumps(bytes(20_000), compression="blosc2")
    with pytest.raises(outband.CallerError) as raised:
        outband.loads(frames)
    assert 'blosc2, which is not accepted: pass encodings=("zlib", "lz4", "zstd", "blosc2",) to' in str(raised.value)
    with pytest.raises(outband.CallerError, match='encodings=."blosc2",.'):
        outband.loads(frames, encodings=())
    assert outband.loads(frames, encodings=["blosc2"]) == bytes(20_000)


def test_frames_that_are_wrong_are_refused_by_name() -> None:
    first, second = bytes(9000), b"\1" * 9000
    metadata, one, two = outband.dumps([first, second])
    for frames, expected in [
        ([metadata, two, one], "buffer frame 0 of 2 does not hold"),
        ([metadata, one], "buffer frame 1 is missing: the message has 1"),
        ([metadata, one, two, b"more"], "buffer frame 2 of 3 is not referenced"),
        ([metadata, one[:-1], two], "has 8999 bytes and its reference says 9000"),
        ([metadata + b"\0", one, two], "not one MessagePack value"),
        ([metadata[:-1], one, two], "not one MessagePack value"),
        ([pickle.dumps({"a": 1})], "it begins as a pickle does, which is never read here"),
        ([b'{"dtype": "f4", "shape": [2]}', one], "it looks like JSON, which recv_json of the socket reads"),
        ([b"weather.oslo", metadata, one, two], "it is text, as a topic is, which recv_topic_obj takes off"),
        ([b""], "no metadata"),
        ([], "no metadata"),
    ]:
        with pytest.raises(outband.PeerError, match=expected):
            outband.loads(frames)


def test_every_truncation_and_mutation_is_an_error_of_ours_or_a_value() -> None:
    metadata, *buffers = outband.dumps({"a": np.arange(2000), "b": [1, "x", b"y" * 9000], "c": np.zeros((2, 0))})
    for at in range(len(metadata)):
        for damaged in [metadata[:at], *(metadata[:at] + bytes([value]) + metadata[at + 1 :] for value in range(256))]:
            try:
                outband.loads([damaged, *buffers])
            except outband.Error:
                pass


def test_limits_hold_and_name_themselves() -> None:
    frames = outband.dumps([bytes(9000), b"\1" * 9000])
    for limits, expected in [
        (outband.Limits(frames=1), "more buffer frames than the limit of 1"),
        (outband.Limits(metadata_bytes=5), "longer than the limit of 5"),
        (outband.Limits(total_bytes=9000), "the limit is 9000"),
    ]:
        with pytest.raises(outband.LimitError, match=expected):
            outband.loads(frames, limits=limits)
    deep: list = []
    for _ in range(100):
        deep = [deep]
    with pytest.raises(outband.LimitError, match="deeper than the limit of 64"):
        outband.dumps(deep)
    with pytest.raises(outband.LimitError, match="deeper"):
        outband.loads([b"\x91" * 5000 + b"\xc0"])


@pytest.mark.parametrize("obj", [object(), {1, 2}, 2**64, np.array([object()]), memoryview(b"abcd")[::2], 1j])
def test_what_has_no_place_in_a_message_is_the_callers_error(obj: object) -> None:
    with pytest.raises(outband.CallerError):
        outband.dumps(obj)


def test_extension_values_of_others_pass_through_both_ways() -> None:
    values = [msgpack.ExtType(5, b"abc"), msgpack.Timestamp(1, 2)]
    assert outband.loads([msgpack.packb(values)]) == values
    assert outband.loads(outband.dumps(values)) == values
    with pytest.raises(outband.CallerError, match="0x42"):
        outband.dumps([msgpack.ExtType(0x42, b"")])


@pytest.mark.parametrize(
    "value, why",
    [
        (b"\xd4\xfe\0", "an extension value of type -2, and Python has those of types 0 to 127"),
        (b"\xc7\1\x80\0", "an extension value of type -128,"),
        (b"\xc7\5\xff12345", r"an extension value of type -1 is no timestamp to Python: .*\(length 5\)"),
        (b"\xd7\xff" + 8 * b"\xff", "an extension value of type -1 is no timestamp to Python: nanoseconds must be"),
    ],
)
def test_extension_values_that_python_has_no_place_for_are_named(value: bytes, why: str) -> None:
    with pytest.raises(outband.PeerError, match=f"^{why}"):
        outband.loads([b"\x91" + value])


def test_arrays_that_would_lose_something_are_refused() -> None:
    masked = np.ma.masked_array([1, 2], [True, False])
    overlap = np.zeros(2, np.dtype({"names": ["a", "b"], "formats": ["<i4", "<i2"], "offsets": [0, 2]}))
    brain = np.zeros(2, ml_dtypes.bfloat16)
    strings = [np.array(["a"], np.dtypes.StringDType())] if hasattr(np.dtypes, "StringDType") else []
    for array in [masked, overlap, *strings, np.zeros(2, np.longdouble), np.zeros(2, ml_dtypes.float8_e5m2), brain.astype(brain.dtype.newbyteorder(">")), np.zeros(2, [("a", "O")])]:
        with pytest.raises(outband.CallerError):
            outband.dumps(array)


@pytest.mark.parametrize(
    "dtype",
    [
        [("a", "<i4"), ("b", "<f8", (2, 3))],
        [(("the title", "a"), "<i4"), ("b", [("c", ">u2"), ("d", "S3", (2,))])],
        {"names": ["a", "b"], "formats": ["u1", "<f8"], "offsets": [3, 8], "itemsize": 20},
        "V5",
        "M8[25us]",
    ],
)
def test_dtypes_come_back_the_same(dtype: object) -> None:
    array = np.zeros(3, np.dtype(dtype))  # type: ignore[call-overload]
    back = outband.loads(outband.dumps(array))
    assert back.dtype == array.dtype and back.dtype.fields == array.dtype.fields


def test_arrays_within_arrays_of_a_field_are_one() -> None:
    nested = [("a", ([("x", "u1")], (2,)), (3,)), ("b", (("<i2", (2,)), (1, 2)), (1,))]
    array = np.arange(28, dtype="u1").view(nested)
    back = outband.loads(outband.dumps(array))
    assert back.dtype == np.dtype([("a", [("x", "u1")], (3, 2)), ("b", "<i2", (1, 1, 2, 2))])
    for name in "ab":
        np.testing.assert_array_equal(back[name], array[name])
    described = array.dtype.descr
    again = outband.loads(forged(described, array.shape, array.tobytes()))
    assert again.dtype == back.dtype


def forged(described: object, shape: object, data: object, **more: object) -> list[bytes]:
    return [msgpack.packb({"$array": described, "shape": shape, "order": "C", "data": data, **more})]


@pytest.mark.parametrize(
    "frames",
    [
        forged("<f16", [1], bytes(16)),
        forged("<c32", [1], bytes(32)),
        forged("|f8", [1], bytes(8)),
        forged("<M8[0ns]", [1], bytes(8)),
        forged("<M8[9999999999ns]", [1], bytes(8)),
        forged("|S9999999999", [0], b""),
        forged("|S0", [1 << 40, 1 << 40], b""),
        forged("|S0", [1 << 63], b""),
        forged("<f8", [0, (1 << 64) - 1], b""),
        forged("<f8", [0, 1 << 61], b""),
        forged("<f8", [1 << 62], bytes(8), base=[1]),
        forged("|u1", [1], "a"),
        forged("|u1", [1], [1]),
        forged("|u1", [2, 1], b"ab", order=[0]),
        forged("|u1", [2, 1], b"ab", order=[0, 0]),
        forged("|u1", [2, 1], b"ab", order=[0, 2]),
        forged("|u1", [2, 1], b"ab", order=[0, "1"]),
        forged("|u1", [1], b"a", order=[False]),
        forged("|u1", [1], {"$array": "|u1", "shape": [1], "order": "C", "data": b"a"}),
        forged([["a", "<f8", [1], [2]]], [1], bytes(8)),
        forged([["a"]], [1], bytes(8)),
        forged([[None, "|V8"]], [1], bytes(8)),
        forged([[{}, "|V8"]], [1], bytes(8)),
        forged([["", "<f8"]], [1], bytes(8)),
        forged([[["a", "b", "c"], "<f8"]], [1], bytes(8)),
        forged([[[1, "a"], "<f8"]], [1], bytes(8)),
        forged([["a", "<f8"], ["a", "<f8"]], [1], bytes(16)),
        forged([["a", "<f8", [-1]]], [1], bytes(8)),
        forged([["a", "<f8", [1 << 40]]], [1], bytes(8)),
        [b"\x85" + forged("|u1", [1], b"a")[0][1:] + b"\xa5order\xa1F"],
    ],
)
def test_arrays_that_rust_refuses_are_refused(frames: list[bytes]) -> None:
    with pytest.raises(outband.PeerError):
        outband.loads(frames)


def test_elements_of_no_length_take_no_memory() -> None:
    back = outband.loads(forged("|S0", [1 << 23, 2], b""))
    assert back.shape == (1 << 23, 2) and back[5, 1] == b""


MOST_EMPTY, EMPTY = 1 << 24, np.dtype([])


@pytest.mark.parametrize(
    "described, shape, more",
    [
        ("|S0", [MOST_EMPTY], {}),
        ("<U0", [2, MOST_EMPTY // 2], {}),
        ([], [MOST_EMPTY], {}),
        ("|V0", [MOST_EMPTY], {"base": [1]}),
        ([["a", [], [MOST_EMPTY]]], [1], {}),
        ([["a", [[], [2]], [MOST_EMPTY // 2]]], [1], {}),
    ],
    ids=str,
)
def test_elements_of_no_length_are_as_many_as_in_rust(described: Any, shape: list[int], more: Any) -> None:
    assert outband.loads(forged(described, shape, b"", **more)).shape == tuple(shape)
    # one more along the last axis
    if shape == [1]:
        described[0][-1][-1] += 1
    else:
        shape[-1] += 1
    with pytest.raises(outband.PeerError, match=r"has 1677721[78] elements without bytes, the limit is 16777216"):
        outband.loads(forged(described, shape, b"", **more))


def test_more_elements_of_no_length_than_anybody_takes_are_not_sent() -> None:
    for dtype, shape in ((EMPTY, MOST_EMPTY + 1), ([("a", (EMPTY, MOST_EMPTY + 1))], 1)):
        with pytest.raises(outband.CallerError, match="has 16777217 elements without bytes, the limit is 16777216"):
            outband.dumps(np.zeros(shape, dtype))
    assert outband.loads(outband.dumps(np.zeros((0, MOST_EMPTY + 1), EMPTY))).shape == (0, MOST_EMPTY + 1)
    assert outband.loads(outband.dumps(np.zeros(MOST_EMPTY, EMPTY))).shape == (MOST_EMPTY,)


def test_the_description_of_a_record_has_as_many_parts_as_in_rust() -> None:
    most = (1 << 16) // 3  # a list, a name and a type for each field
    fields = [(f"{number:x}", "u1") for number in range(most + 1)]
    assert len(outband.loads(outband.dumps(np.zeros(1, fields[:-1]))).dtype) == most
    with pytest.raises(outband.CallerError, match="the description of a record has more than 65536 parts"):
        outband.dumps(np.zeros(1, fields))
    for described in ([[name, "|u1"] for name, _ in fields], [["a", "|u1"], ["b", [["", "|V1"]] * most]]):
        with pytest.raises(outband.PeerError, match="the description of a record has more than 65536 parts"):
            outband.loads(forged(described, [0], b""))


def test_a_map_is_an_array_only_by_its_first_key() -> None:
    for value in [{"a": 1, "$array": 2}, {"a": 1, "$table": 2}, {}, {1: 2}]:
        assert outband.loads([msgpack.packb(value)]) == value


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"compression": "gzip"}, "'gzip' is no compression"),
        ({"compression": 3}, "3 is no compression"),
        ({"out_of_band_from": None}, "out_of_band_from is a number of bytes, and this is None"),
        ({"out_of_band_from": -1}, "this is -1"),
        ({"out_of_band_from": float("nan")}, "this is nan"),
        ({"limits": None}, "these are of type NoneType"),
    ],
)
def test_what_is_wrongly_wanted_is_refused_whatever_the_object(wrong: dict, expected: str) -> None:
    for obj in (1, bytes(10_000)):
        with pytest.raises(outband.CallerError, match=expected):
            outband.dumps(obj, **wrong)
    assert outband.loads(outband.dumps(bytes(10_000), out_of_band_from=float("inf"))) == bytes(10_000)


@pytest.mark.parametrize("wrong", [-1, "1", None, 1.5])
def test_limits_are_numbers(wrong: Any) -> None:
    for name in ("frames", "metadata_bytes", "total_bytes", "decompressed_bytes", "depth"):
        with pytest.raises(outband.CallerError, match=f"the limit {name} is an int that is not negative, and this is {wrong!r}"):
            outband.Limits(**{name: wrong})


@pytest.mark.parametrize("frames", [b"\x01", bytearray(b"\x01"), memoryview(b"\x01"), "1", ["1"], [1], [memoryview(bytes(9))[::2]]])
def test_frames_are_a_list_of_bytes(frames: Any) -> None:
    with pytest.raises(outband.CallerError, match="frame"):
        outband.loads(frames)


def test_a_byte_that_messagepack_never_uses_is_named() -> None:
    for metadata in (b"\xc1", b"\x92\x01\xc1"):
        with pytest.raises(outband.PeerError, match="it has a byte 0xc1 as a type"):
            outband.loads([metadata])


class Name(str):
    pass


@pytest.mark.parametrize("marker", ["$array", "$table", Name("$array"), np.str_("$table")])
def test_a_dict_that_nobody_would_read_as_one_is_not_written(marker: str) -> None:
    like = {marker: "<f8", "shape": [1], "order": "C", "data": bytes(8)}
    for obj in [{marker: 1}, like, [like], {"a": like}, collections.OrderedDict(like)]:
        with pytest.raises(outband.CallerError, match="put another key first"):
            outband.dumps(obj)
    for obj in [{"a": 1, marker: 2}, {marker + "s": 1}]:
        assert outband.loads(outband.dumps(obj)) == obj


def test_depth_is_limited_both_ways() -> None:
    def nested(levels: int, leaf: object) -> object:
        return [nested(levels - 1, leaf)] if levels else leaf

    for leaf in ["x", b"x", np.float64(1.0)]:
        frames = outband.dumps(nested(64, leaf))
        assert outband.loads(frames) == nested(64, leaf)
        with pytest.raises(outband.LimitError, match="deeper than the limit of 64"):
            outband.dumps(nested(65, leaf))
    with pytest.raises(outband.LimitError, match="deeper than the limit of 64"):
        outband.loads([msgpack.packb(nested(65, 1))])
    with pytest.raises(outband.LimitError, match="deeper than the limit of 0"):
        outband.loads([b"\x90" ], limits=outband.Limits(depth=0))
    # many that lie side by side
    assert outband.loads([msgpack.packb([[1]] * 1000)]) == [[1]] * 1000
    array = np.zeros(2, [("a", [("b", "u1")])])  # a map, and in it two lists for each level of the record
    assert len(outband.dumps(nested(59, array))) == 1
    with pytest.raises(outband.LimitError, match="deeper than the limit of 64"):
        outband.dumps(nested(60, array))


@pytest.mark.parametrize("frames", [forged("<f8", [1], bytes(8)), forged("bfloat16", [1], bytes(2))])
def test_a_package_that_is_missing_is_named(frames: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(outband.CallerError, match="takes the package numpy"):
        outband.loads(frames)


def test_a_compressed_frame_is_all_of_its_buffer() -> None:
    raw = np.arange(5000, dtype="<i4").tobytes()
    for encoding in ["zlib", "lz4", "zstd"]:
        _, stored = outband.dumps(raw, compression=encoding)
        for damaged in [bytes(stored) + b"x", bytes(stored) * 2, bytes(stored)[:-1]]:
            reference = [0, len(damaged), None, encoding, len(raw)]
            with pytest.raises(outband.PeerError, match="does not decompress"):
                outband.loads([msgpack.packb(msgpack.ExtType(0x42, msgpack.packb(reference))), damaged])


WITHOUT_NUMPY = """
import sys
sys.modules["numpy"] = None
import outband

for whole in (b"A" * 20_000 + b"B" * 20_000, bytearray(b"A" * 20_000 + b"B" * 20_000)):
    view = memoryview(whole)
    frames = outband.dumps({"a": view[:20_000], "b": view[20_000:], "again": view[:20_000], "whole": whole})
    assert len(frames) == 4, len(frames)
    back = outband.loads(frames)
    assert back["a"] == back["again"] == b"A" * 20_000 and back["b"] == b"B" * 20_000 and back["whole"] == whole
"""


TOO_LITTLE = """
import resource
import outband

length = 48 << 20
message = b"\\xdd" + length.to_bytes(4, "big") + b"\\xc0" * length
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (200 << 20), resource.RLIM_INFINITY))
try:
    outband.loads([message])
except outband.LimitError as error:
    print(error)
"""


def test_memory_that_does_not_suffice_is_a_limit() -> None:
    printed = subprocess.run([sys.executable, "-B", "-c", TOO_LITTLE], check=True, capture_output=True, text=True).stdout
    assert printed == "the message takes more memory than there is\n"


def empty_lists(length: int) -> bytes:
    """Lists in each other that end after their headers, each of which promises as much as a reader believes."""
    headers = b"".join(b"\xdd" + (length - at).to_bytes(4, "big") for at in range(5, 4000, 5))
    return headers + b"\xc0" * (length - len(headers))


@pytest.mark.parametrize("is_reference", [False, True], ids=["metadata", "reference"])
def test_a_message_takes_no_memory_for_what_its_lists_only_promise(is_reference: bool) -> None:
    message = empty_lists(100_000)
    message = msgpack.packb(msgpack.ExtType(0x42, message)) if is_reference else message
    tracemalloc.start()
    try:
        with pytest.raises(outband.PeerError, match="incomplete input"):
            outband.loads([message])
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def colliding(count: int) -> list[msgpack.Timestamp]:
    """Timestamps of one hash: what CPython makes of a pair, backwards."""
    first, second, start, whole = 11400714785074694791, 14029467366897019727, 2870177450012600261, 1 << 64
    keys: list[msgpack.Timestamp] = []
    nanoseconds = 0
    while len(keys) < count:
        nanoseconds += 1
        mixed = (12345 - nanoseconds * second) * pow(first, -1, whole) % whole
        seconds = ((mixed >> 31 | mixed << 33) % whole - start) * pow(second, -1, whole) % whole
        seconds -= whole if seconds >= whole // 2 else 0
        if -(1 << 61) + 1 < seconds < (1 << 61) - 1 and seconds != -1:
            keys.append(msgpack.Timestamp(seconds, nanoseconds))
    return keys


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="the hash of a pair is CPython's")
def test_keys_that_are_chosen_to_collide_are_a_limit() -> None:
    def packed(keys: list[msgpack.Timestamp]) -> bytes:
        # without a dict, which takes as long
        return msgpack.Packer().pack_map_header(len(keys)) + b"".join(msgpack.packb(key) + b"\xc0" for key in keys)

    keys = colliding(6000)
    assert set(map(hash, keys)) == {hash(keys[0])}
    with pytest.raises(outband.LimitError, match="the keys of a map of 6000 entries collide"):
        outband.loads([packed(keys)])
    # in many maps, each of which would pass
    with pytest.raises(outband.LimitError, match="the keys of a map of 600 entries collide"):
        outband.loads([b"\xdc\0\x64" + 100 * packed(keys[:600])])


def test_maps_of_many_keys_are_no_limit() -> None:
    chance = random.Random(0)
    for keys in (range(100_000), [chance.getrandbits(64) for _ in range(100_000)], map(str, range(100_000)), [n / 7 for n in range(100_000)]):
        value = {key: None for key in keys}
        assert outband.loads(outband.dumps(value)) == value


def test_slices_of_one_object_are_frames_of_their_own_without_numpy() -> None:
    subprocess.run([sys.executable, "-B", "-c", WITHOUT_NUMPY], check=True)


REFUSED = """
import resource
import msgpack
import outband

texts = [f"{number:011}" for number in range(65_535)]
whole = b"\\x92\\x92" + msgpack.packb(texts)
wrong = [whole, whole + b"\\xa1\\xff\\xc0", whole + b"\\xd4\\x42\\x90\\xc0", b"\\x92" + b"\\xdd\\x00\\x10\\x00\\x00" * 500 + bytes(2 << 20)]

def refuse(times):
    for message in wrong * times:
        try:
            outband.loads([message])
        except outband.PeerError:
            continue
        raise AssertionError("it was not refused")

def size():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() >> 20

refuse(2)
before = size()
refuse(20)
print(size() - before)
"""


def test_what_is_refused_in_its_middle_leaves_nothing_behind() -> None:
    printed = subprocess.run([sys.executable, "-B", "-c", REFUSED], check=True, capture_output=True, text=True).stdout
    assert int(printed) < 100, "in MiB, of 80 messages that are several each as objects"


def test_bytes_of_any_form_may_be_empty() -> None:
    for view in (memoryview(array.array("d")), memoryview(np.empty((3, 0), "i4")), memoryview(np.empty((0, 2))), memoryview(b"")):
        assert outband.loads(outband.dumps({"nothing": view, "from": 1}, out_of_band_from=0)) == {"nothing": b"", "from": 1}


Point = collections.namedtuple("Point", "x y")


class Number(enum.IntEnum):
    ONE = 1


class Word(str, enum.Enum):
    ONE = "one"


class Plain(enum.Enum):
    ONE = 1


@dataclasses.dataclass
class Both:
    point: Any
    number: Any


KINDS = [
    (Point(1, 2), [1, 2]),
    (Number.ONE, 1),
    (Word.ONE, "one"),
    (np.float64(1.5), 1.5),
    (np.float16(1.5), 1.5),
    (np.uint64((1 << 64) - 1), (1 << 64) - 1),
    (np.bool_(True), True),
    (np.str_("é"), "é"),
    (np.bytes_(b"x"), b"x"),
    (collections.OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    (collections.Counter("aa"), {"a": 2}),
    (Both(Point(1, 2), Number.ONE), {"point": [1, 2], "number": 1}),
    ({1: None, None: 2, b"k": 3, Number.ONE + 1: 4}, {1: None, None: 2, b"k": 3, 2: 4}),
]


@pytest.mark.parametrize("obj, back", KINDS, ids=repr)
def test_what_is_much_like_a_plain_object_arrives_as_that(obj: object, back: object) -> None:
    for given, expected in ((obj, back), ([obj], [back]), ({"of": obj}, {"of": back})):
        got = outband.loads(outband.dumps(given))
        assert got == expected and type(got) is type(expected)


@pytest.mark.parametrize(
    "obj, why",
    [
        (Plain.ONE, "Plain has no place"),
        ({1}, "set has no place"),
        (frozenset(), "frozenset has no place"),
        (collections.deque(), "deque has no place"),
        (range(3), "range has no place"),
        (datetime.date(2020, 1, 1), "date has no place"),
        (datetime.datetime(2020, 1, 1), "datetime has no place"),
        (decimal.Decimal(1), "Decimal has no place"),
        (np.datetime64("2020"), "datetime64 has no place"),
        (np.longdouble(1), "longdouble"),
        (Both, "type has no place"),
        ({(1, 2): 3}, "a dict with a tuple as a key has no place"),
        (1 << 64, "out of range"),
        ("\ud800", "does not serialize"),
    ],
    ids=repr,
)
def test_what_has_no_place_in_a_message_is_named(obj: object, why: str) -> None:
    for given in (obj, [obj], {"of": obj}):
        with pytest.raises(outband.CallerError, match=why):
            outband.dumps(given)


@pytest.mark.parametrize("encoding", [None, "zlib", "lz4", "zstd", "blosc2"])
def test_what_arrives_is_read_only_whatever_frames_hold_it(encoding: str | None) -> None:
    obj = {"array": np.arange(5000), "in band": np.arange(3), "nothing": np.zeros((0, 3)), "bytes": b"ab" * 9000}
    frames = [bytearray(frame) for frame in outband.dumps(obj, compression=encoding)]
    back = outband.loads(frames, encodings=["zlib", "lz4", "zstd", "blosc2"])
    assert back["bytes"].readonly
    for name in ("array", "in band", "nothing"):
        assert not back[name].flags.writeable
        assert back[name].copy().flags.writeable


def test_what_a_peer_named_ends_no_line_of_an_error_and_turns_none_around() -> None:
    acting = "a\x1b[2J\u202eb\u2028c\n"
    frames = [msgpack.packb({"$array": [[acting, "<f8"]], "shape": [1], "order": "C", "data": b""})]
    with pytest.raises(outband.PeerError, match="this is no array") as caught:
        outband.loads(frames)
    assert str(outband.PeerError(acting)) == r"a\x1b[2J\u202eb\u2028c\n" and str(caught.value).isprintable()


@pytest.mark.parametrize(
    "entries, why",
    [
        ([("a", 1), ("b", 2), ("a", 3)], "a map has the key 'a' twice"),
        ([(1, "a"), (True, "b")], "a map has the keys 1 and True, which are one in Python"),
        ([(1, "a"), (2, "b"), (1.0, "c")], "a map has the keys 1 and 1.0, which are one in Python"),
        ([(0.0, "a"), (-0.0, "b")], "a map has the key -0.0 twice"),
        ([(False, "a"), (0, "b")], "a map has the keys False and 0, which are one in Python"),
        ([("$array", "<f8"), ("shape", []), ("shape", [])], "a map has the key 'shape' twice"),
        ([("\x1b[2J" * 20, 1)] * 2, "a map has the key '\\x1b[2J"),
    ],
    ids=str,
)
def test_keys_that_a_dict_has_no_two_places_for_are_refused_and_named(entries: list, why: str) -> None:
    packed = b"".join(msgpack.packb(part) for entry in entries for part in entry)
    message = bytes([0x80 + len(entries)]) + packed
    for metadata in (message, b"\x91" + message, b"\x81\xa1k" + message):
        with pytest.raises(outband.PeerError) as refused:
            outband.loads([metadata])
        assert str(refused.value).startswith(why) and len(str(refused.value)) < 120


@pytest.mark.parametrize("key, kind", [([1], "list"), ({"a": 1}, "dict"), (np.arange(3), "ndarray")], ids=["list", "map", "array"])
def test_keys_that_no_dict_can_have_are_refused_and_named(key: object, kind: str) -> None:
    message = b"\x82\x01\x02" + outband.dumps(key)[0] + b"\x03"
    for metadata in (message, b"\x91" + message, b"\x81\xa1k" + message):
        with pytest.raises(outband.PeerError) as refused:
            outband.loads([metadata])
        said = str(refused.value)
        assert said.startswith("a map has a key that no dict can have: ") and kind in said
