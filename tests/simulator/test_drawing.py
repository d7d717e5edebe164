from __future__ import annotations

import struct
import zlib

import pytest

from duihua.simulator.drawing import SIDE, SIGNATURE, png


def chunks(data: bytes) -> dict[bytes, bytes]:
    """The parts of a PNG file, each checked against its sum."""
    assert data.startswith(SIGNATURE)
    found: dict[bytes, bytes] = {}
    at = len(SIGNATURE)
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        name, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        assert struct.unpack_from(">I", data, at + 8 + size) == (zlib.crc32(name + body),)
        found[name] = body
        at += 12 + size
    return found


@pytest.mark.parametrize(("width", "height"), [(1024, 1024), (576, 1024), (1024, 576), (1, 1000)])
def test_a_picture_is_a_whole_file_of_its_proportion(width: int, height: int) -> None:
    parts = chunks(png("一只猫", width, height))
    assert list(parts) == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    wide, high = struct.unpack_from(">II", parts[b"IHDR"])
    assert max(wide, high) == SIDE
    assert abs(wide * height - high * width) <= max(width, height)
    pixels = zlib.decompress(parts[b"IDAT"])
    assert len(pixels) == high * (wide + 1)
    assert set(pixels) <= {0, 1}
    rows = [pixels[y * (wide + 1) : (y + 1) * (wide + 1)] for y in range(high)]
    assert all(row[0] == 0 for row in rows)  # no filter


def test_the_words_and_the_number_decide_what_is_drawn() -> None:
    assert png("一只猫") == png("一只猫")
    assert len({png("一只猫"), png("一只狗"), png("一只猫", number=1)}) == 3
