"""Compressed buffers: the standard containers of zlib, LZ4, Zstandard and Blosc2, each imported at first use."""

from __future__ import annotations

import zlib
from typing import Any, Callable

from ._errors import CallerError, PeerError


def pack(raw: memoryview, encoding: str, item: int) -> bytes | None:
    """The compressed buffer; ``None`` where it would not be shorter."""
    if encoding == "zlib":
        packed = zlib.compress(raw)
    elif encoding == "lz4":
        packed = _package("lz4.frame").compress(raw)
    elif encoding == "zstd":
        packed = _package("zstandard").ZstdCompressor(write_content_size=True).compress(raw)
    elif encoding == "blosc2":
        blosc2 = _package("blosc2")
        packed = blosc2.SChunk(data=bytes(raw), cparams={"typesize": min(item, 255)}).to_cframe()
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
    if encoding not in unpackers:
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
    reader = _package("lz4.frame").LZ4FrameDecompressor()
    raw: bytes = reader.decompress(stored, length + 1)
    if not reader.eof or reader.unused_data:
        raise ValueError("the stream does not end with the frame")
    return raw


def _unzstd(stored: memoryview, length: int) -> bytes:
    with _package("zstandard").ZstdDecompressor().stream_reader(stored) as reader:
        raw: bytes = reader.read(length + 1)
    return raw


def _unblosc(stored: memoryview, length: int) -> bytes:
    chunks = _package("blosc2").schunk_from_cframe(stored, copy=True)
    if chunks.nbytes != length:
        raise ValueError(f"it holds {chunks.nbytes} bytes")
    raw: bytes = chunks[:]
    return raw


def _package(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise CallerError(f"this message is compressed, and the package {name.split('.')[0]} is not installed") from error
