"""Writes the first inputs of each target to corpus/TARGET, out of the golden messages under ../tests/golden.

An input is a byte of flags and frames with a mark between them: src/input.rs has both.
"""

import json
import struct
import zlib
from pathlib import Path

HERE = Path(__file__).resolve().parent
GOLDEN = HERE.parent / "tests" / "golden"
FRAME, MEND = b"\xc1||\xc1", 1
# longer ones slow everything down, and say nothing that shorter ones do not
LONGEST = 20_000
TYPES = 23


def stream(data):
    """The frames of a message as `Multipart::write_to` writes it."""
    count, metadata = struct.unpack_from("<QQ", data, 8)
    lengths = [metadata, *struct.unpack_from(f"<{count}Q", data, 24)]
    at, frames = -(-(24 + 8 * count) // 64) * 64, []
    for length in lengths:
        frames.append(data[at : at + length])
        at += -(-length // 64) * 64
    return frames


def parts(data):
    """The entries of a file of pickles: name, what it decodes to, pickle, buffers."""
    at = 0

    def number():
        nonlocal at
        at += 4
        return struct.unpack_from("<I", data, at - 4)[0]

    def part():
        nonlocal at
        length = number()
        at += length
        return data[at - length : at]

    while at < len(data):
        yield [part() for _ in range(number())]


def write(target, name, data):
    if len(data) <= LONGEST:
        folder = HERE / "corpus" / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def main():
    messages = {path.stem: path.read_bytes() for path in sorted(GOLDEN.glob("**/*.outband"))}
    for name, data in messages.items():
        write("stream", name, b"\x07" + data)
        frames = stream(data)
        metadata = frames[0]
        joined = FRAME.join(frames)
        for target in ["msgpack"] + ["tables"] * (b"$table" in metadata) + ["arrays"] * (b"$array" in metadata):
            write(target, name, b"\0" + joined)
            write(target, name + "-mended", bytes([MEND]) + joined)
            if target == "msgpack":
                for kind in range(TYPES):
                    write(target, f"{name}-{kind}", bytes([MEND | kind << 1]) + joined)
    raw = bytes(range(200)) * 8
    for number, encoding in enumerate(["zlib", "lz4", "zstd", "blosc2"]):
        for name in [encoding, "blosc2_python"] if encoding == "blosc2" else [encoding]:
            metadata, *buffers = stream(messages[name])
            # the raw length ends the reference
            length = int.from_bytes(metadata[-4:], "big") if metadata[-5] == 0xCE else int.from_bytes(metadata[-2:], "big")
            write("compression", name, struct.pack("<BI", number, length) + buffers[0])
    write("compression", "zlib-short", struct.pack("<BI", 0, len(raw)) + zlib.compress(raw))
    write("compression", "zipped", struct.pack("<BI", 4, 0) + zlib.compress(stream(messages["nested"])[0]))
    for name in ["null", "[1, -2.5e300, NaN, Infinity, 18446744073709551616]", '{"a": "\\ud83d\\ude00\\u00e5", "1": [[], {}]}',
                 '{"$array": "<f8", "shape": [2], "order": "C", "data": [0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}',
                 '{"id": 7, "name": "n", "more": {"kind": "Image", "width": 3, "pixels": [1, 2]}}']:
        for kind in range(13):
            write("json", f"{zlib.crc32(name.encode())}-{kind}", bytes([kind]) + name.encode())
    pickles = {path.stem: [path.read_bytes()] for path in sorted((GOLDEN / "pickle").glob("*.pickle"))}
    for path in sorted((GOLDEN / "pickle").glob("*.bin")):
        if path.stem in ("random", "joblib", "joblib-plain", "joblib-frame"):
            pickles[path.stem] = [path.read_bytes()]
            continue
        for number, entry in enumerate(parts(path.read_bytes())):
            if number % 4 == 0 or not path.stem.startswith("types"):
                pickles[f"{path.stem}-{number}"] = entry[2:]
    for number, (name, frames) in enumerate(pickles.items()):
        write("pickle", name, bytes([number & 1 | (number % 12) << 1]) + FRAME.join(frames))
    for dtype in ["<f8", "float64", "[('a', '<i4'), (('t', 'b'), '>f8', (2, 3)), ('', '|V4')]", "datetime64[25us]", "<U7"]:
        header = json.dumps({"dtype": dtype, "shape": [2, 3]}).encode()
        write("headed", f"header-{zlib.crc32(dtype.encode())}", b"\0" + FRAME.join([header, bytes(48)]))
        write("headed", f"dtype-{zlib.crc32(dtype.encode())}", b"\0" + dtype.encode())
    write("protobuf", "tree", b"\x0a\x01a\x12\x02pp\x1a\x03\x0a\x01b\x2a\x02\x01\x03\x31\0\0\0\0\0\0\xf0\x3f\x3a\0\x45\x07\0\0\0")


if __name__ == "__main__":
    main()
