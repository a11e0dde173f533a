"""Compressed buffers: the standard containers of zlib, LZ4, Zstandard and Blosc2, each imported at first use."""

from __future__ import annotations

import zlib
from typing import Any, Callable

from ._errors import CallerError, PeerError, package

#: All that there are.
ENCODINGS = ("zlib", "lz4", "zstd", "blosc2")

#: Those that are opened unasked: C-Blosc2 is not one, because a forged frame crashes it.
SAFE = ("zlib", "lz4", "zstd")


def pack(raw: memoryview, encoding: str, item: int) -> bytes | None:
    """The compressed buffer; ``None`` where it would not be shorter."""
    if encoding == "zlib":
        packed = zlib.compress(raw)
    elif encoding == "lz4":
        packed = package("lz4.frame").compress(raw)
    elif encoding == "zstd":
        packed = package("zstandard").ZstdCompressor(write_content_size=True).compress(raw)
    elif encoding == "blosc2":
        blosc2 = package("blosc2")
        # the format has one byte for it, and readers want whole elements
        item = item if 0 < item <= 255 and len(raw) % item == 0 else 1
        packed = blosc2.SChunk(data=bytes(raw), cparams={"typesize": item}).to_cframe()
    else:
        raise CallerError(f"{encoding!r} is no compression: zlib, lz4, zstd or blosc2")
    return packed if len(packed) < len(raw) else None


def unpack(frame: int, stored: memoryview, encoding: str, length: int) -> bytes:
    """Decompresses to exactly ``length`` bytes, and never makes more than one byte beyond."""
    unpackers: dict[str, Callable[[memoryview, int], bytes]] = {
        "zlib": _unzlib,
        "lz4": _unlz4,
        "zstd": _unzstd,
        "blosc2": _unblosc,
    }
    if not isinstance(encoding, str) or encoding not in unpackers:
        raise PeerError("a buffer reference names an encoding that this version does not know")
    try:
        raw = unpackers[encoding](stored, length)
    except (CallerError, MemoryError):
        raise
    except Exception as error:  # each library has exceptions of its own
        raise PeerError(f"buffer frame {frame} does not decompress as {encoding}: {error}") from error
    if len(raw) != length:
        raise PeerError(f"buffer frame {frame} does not decompress as {encoding} to the {length} bytes of its reference")
    return raw


def _unzlib(stored: memoryview, length: int) -> bytes:
    reader = zlib.decompressobj()
    raw = reader.decompress(stored, length + 1)
    if not reader.eof or reader.unused_data:
        raise ValueError("the stream does not end with the frame")
    return raw


def _unlz4(stored: memoryview, length: int) -> bytes:
    reader = package("lz4.frame").LZ4FrameDecompressor()
    raw: bytes = reader.decompress(stored, length + 1)
    if not reader.eof or reader.unused_data:
        raise ValueError("the stream does not end with the frame")
    return raw


def _unzstd(stored: memoryview, length: int) -> bytes:
    if _zstd_frame_length(stored) != len(stored):
        raise ValueError("the frame does not fill its buffer")
    parts, left = [], length + 1
    with package("zstandard").ZstdDecompressor().stream_reader(stored) as reader:
        # piece by piece: a reader sets as much aside as it is asked for
        while left and (part := reader.read(min(left, 1 << 20))):
            parts.append(part)
            left -= len(part)
    return b"".join(parts)


def _zstd_frame_length(stored: memoryview) -> int:
    """Where the frame ends that begins here (RFC 8878, section 3.1.1), of which no reader tells."""
    if bytes(stored[:4]) != b"\x28\xb5\x2f\xfd":
        raise ValueError("no frame begins here")
    descriptor = stored[4]
    content, single, checksum, dictionary = descriptor >> 6, descriptor >> 5 & 1, descriptor >> 2 & 1, descriptor & 3
    at = 5 + (not single) + (0, 1, 2, 4)[dictionary] + (single, 2, 4, 8)[content]
    last = 0
    while not last:
        header = stored[at] | stored[at + 1] << 8 | stored[at + 2] << 16
        last, kind, size = header & 1, header >> 1 & 3, header >> 3
        at += 3 + (1 if kind == 1 else size)  # one byte, that is repeated
    return at + 4 * checksum


def _unblosc(stored: memoryview, length: int) -> bytes:
    chunks = package("blosc2").schunk_from_cframe(stored, copy=True)
    if chunks.nbytes != length:
        raise ValueError(f"it holds {chunks.nbytes} bytes")
    # chunk by chunk: a slice of all of them is one of whole elements
    parts, left = [], length
    for index in range(chunks.nchunks):
        parts.append(chunks.decompress_chunk(index))
        left -= len(parts[-1])
        if left < 0:
            raise ValueError("its chunks hold more than it says")
    return b"".join(parts)
