"""Draws small pictures for the platforms that make images: real PNG files, the same for the same words."""

from __future__ import annotations

import colorsys
import struct
import zlib
from hashlib import blake2b

SIGNATURE = b"\x89PNG\r\n\x1a\n"
SIDE = 64
"""Pixels of the longer side: what is drawn is a token of a picture, not a work of art."""
_CELLS = 5


def png(prompt: str, width: int = 1024, height: int = 1024, *, number: int = 0) -> bytes:
    """A PNG file drawn from `prompt`: a pattern that is the same on the left and on the right.

    Args:
        prompt: what decides the pattern and its colours.
        width: as the platform was asked; only the proportion is kept.
        height: likewise.
        number: one prompt gives another picture for each number.
    """
    digest = blake2b(f"{number}\0{prompt}".encode("utf-8", "replace"), digest_size=16).digest()
    longer = max(width, height, 1)
    wide, high = max(1, SIDE * width // longer), max(1, SIDE * height // longer)
    bits = int.from_bytes(digest[:4], "big")
    rows = [_row(bits, _CELLS * y // high, wide) for y in range(high)]
    hue = digest[4] / 256
    palette = _colour(hue, 0.92) + _colour(hue, 0.45)
    header = struct.pack(">IIBBBBB", wide, high, 8, 3, 0, 0, 0)  # eight bits a pixel, colours by a palette
    return (
        SIGNATURE
        + _chunk(b"IHDR", header)
        + _chunk(b"PLTE", palette)
        + _chunk(b"IDAT", zlib.compress(b"".join(rows), 9))
        + _chunk(b"IEND", b"")
    )


def _row(bits: int, cell: int, wide: int) -> bytes:
    """One line of pixels, behind the byte that names its filter: none."""
    half = _CELLS // 2
    columns = (half - abs(half - _CELLS * x // wide) for x in range(wide))
    return b"\0" + bytes(bits >> (cell * (half + 1) + column) & 1 for column in columns)


def _colour(hue: float, lightness: float) -> bytes:
    return bytes(round(255 * part) for part in colorsys.hls_to_rgb(hue, lightness, 0.6))


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
