"""Drawn images as files. What platforms send is hostile: only images are written, and only so many bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from duihua.abilities import Drawing, Picture
from duihua.errors import ConfigError, SkillError, UnsupportedInput
from duihua.escapes import one_line
from duihua.messages import Attachment
from duihua.pictures import image

LARGEST = 20 << 20
"""Bytes of the largest image that is fetched."""
PATIENCE = 120.0
"""Seconds that one image may take."""


async def save(
    pictures: Sequence[Picture], out: str | None, http: httpx.AsyncClient
) -> tuple[list[Path], list[str]]:
    """Writes images to files; returns these, and the URLs of the images that could not be fetched.

    Args:
        pictures: bytes, or where they are.
        out: the name of the file, which is replaced; further images get a number. None: new names, in the
            current folder.
        http: fetches what is not here yet.

    Raises:
        ConfigError: a file cannot be written.
    """
    files: list[Path] = []
    urls: list[str] = []
    for picture in pictures:
        data = picture.data or await fetch(picture.url, http)
        kind = suffix(data)
        if not kind:
            urls.append(picture.url)
            continue
        files.append(_write(data, out, kind, len(files) + 1))
    return files, [url for url in urls if url]


async def attachments(drawing: Drawing, http: httpx.AsyncClient) -> list[Attachment]:
    """What was drawn, as attachments; what the platform keeps at a URL is fetched.

    Raises:
        SkillError: not one image came of it.
    """
    found: list[Attachment] = []
    for number, picture in enumerate(drawing.pictures, 1):
        data = picture.data or await fetch(picture.url, http)
        try:
            found.append(image(data, f"drawing-{number}{suffix(data)}"))
        except UnsupportedInput:  # no image, or a larger one than a conversation keeps
            continue
    if not found:
        why = one_line("; ".join(drawing.failures), 500)
        raise SkillError(f"nothing was drawn: {why}" if why else "nothing was drawn that could be fetched")
    return found


async def fetch(url: str, http: httpx.AsyncClient) -> bytes:
    """What is at a URL; nothing if it is not reached, is too large, or leads elsewhere than the web."""
    try:
        parsed = httpx.URL(urlsplit(url).geturl())
    except (ValueError, httpx.InvalidURL):
        return b""
    if parsed.scheme not in ("http", "https") or not parsed.host:
        return b""
    data = bytearray()
    try:
        async with asyncio.timeout(PATIENCE), http.stream("GET", parsed) as response:
            if not response.is_success:
                return b""
            async for piece in response.aiter_bytes():
                data += piece
                if len(data) > LARGEST:
                    return b""
    except (httpx.HTTPError, TimeoutError):
        return b""
    return bytes(data)


def suffix(data: bytes) -> str:
    """The suffix for an image's file, told by its first bytes; empty if it is no image."""
    match data[:12]:
        case head if head.startswith(b"\x89PNG\r\n\x1a\n"):
            return ".png"
        case head if head.startswith(b"\xff\xd8\xff"):
            return ".jpg"
        case head if head.startswith(b"GIF8"):
            return ".gif"
        case head if head[:4] == b"RIFF" and head[8:] == b"WEBP":
            return ".webp"
        case _:
            return ""


def _write(data: bytes, out: str | None, kind: str, number: int) -> Path:
    try:
        if out is None:
            return _new(data, kind)
        path = Path(out)
        if number > 1:
            path = path.with_name(f"{path.stem}-{number}{path.suffix}")
        path.write_bytes(data)
    except OSError as e:
        raise ConfigError(
            f"cannot write {e.filename}: {e.strerror}",
            "config_file",
            path=str(e.filename),
            reason=str(e.strerror),
        ) from None
    return path


def _new(data: bytes, kind: str) -> Path:
    number = 1
    while True:
        path = Path(f"drawing-{number}{kind}")
        try:
            with path.open("xb") as file:
                file.write(data)
        except FileExistsError:
            number += 1
        else:
            return path
