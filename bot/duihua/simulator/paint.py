"""Images of any size, drawn without a model: a PNG of stripes that differ from prompt to prompt."""

from __future__ import annotations

import struct
import zlib


def png(width: int, height: int, prompt: str) -> bytes:
    """A black and white PNG file."""
    mark = zlib.crc32(prompt.encode("utf-8", "replace"))
    line = (-(-width // 8)) // 4 + 1
    row = b"\0" + (mark.to_bytes(4, "big") * line)[: -(-width // 8)]
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(row * height)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
