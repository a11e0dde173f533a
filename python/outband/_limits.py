"""What a message may cost before it is refused."""

from __future__ import annotations

from dataclasses import dataclass

from ._errors import CallerError, LimitError


@dataclass(frozen=True)
class Limits:
    """The limits of Rust's ``Limits``, with the same defaults; all but ``frames`` and ``depth`` in bytes. A ``depth`` of more than 128 is
    one of 128."""

    frames: int = 1 << 16
    metadata_bytes: int = 64 << 20
    total_bytes: int = 16 << 30
    decompressed_bytes: int = 4 << 30
    depth: int = 64

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not isinstance(value, int) or value < 0:
                raise CallerError(f"the limit {name} is an int that is not negative, and this is {value!r:.60}")
        object.__setattr__(self, "depth", min(self.depth, 128))

    def check(self, metadata: int, buffers: list[int]) -> None:
        """Refuses a message by the lengths of its frames."""
        total = metadata + sum(buffers)
        if metadata > self.metadata_bytes:
            raise LimitError(
                f"the metadata of {metadata} bytes is longer than the limit of {self.metadata_bytes} (metadata_bytes)"
            )
        if len(buffers) > self.frames:
            raise LimitError(f"the message has more buffer frames than the limit of {self.frames} (frames)")
        if total > self.total_bytes:
            raise LimitError(f"the message has {total} bytes or more, the limit is {self.total_bytes} (total_bytes)")

    def check_decompressed(self, length: int) -> None:
        """Refuses compressed buffers by what they would be decompressed."""
        if length > self.decompressed_bytes:
            raise LimitError(
                f"the compressed buffers would have {length} bytes decompressed, "
                f"the limit is {self.decompressed_bytes} (decompressed_bytes)"
            )
