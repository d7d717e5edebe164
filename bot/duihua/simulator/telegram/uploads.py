"""Files that were sent, and their two kinds of ids."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

DOWNLOAD_LIMIT = 20 * 1024 * 1024
"""Bytes of the largest file that `getFile` offers."""
UPLOAD_LIMIT = 50 * 1024 * 1024
PHOTO_LIMIT = 10 * 1024 * 1024
KEPT = 64 * 1024 * 1024
"""Bytes of all files that are remembered; the oldest are forgotten."""


@dataclass(frozen=True, slots=True)
class File:
    """A file.

    Attributes:
        size: what Telegram would say; `data` may be shorter where a test only claims a large file.
    """

    id: str
    unique_id: str
    path: str
    name: str
    mime: str
    kind: str
    data: bytes
    size: int


class Files:
    """All files."""

    def __init__(self) -> None:
        self._files: dict[str, File] = {}
        self._paths: dict[str, File] = {}
        self._bytes = 0
        self._count = 0

    def add(self, kind: str, data: bytes, name: str, mime: str, size: int | None = None) -> File:
        """Keeps a file; equal bytes have an equal `unique_id`."""
        self._count += 1
        digest = blake2b(data + str(size).encode(), digest_size=12).digest()
        unique = base64.urlsafe_b64encode(digest[:9]).decode()
        id_ = "AgAC" + base64.urlsafe_b64encode(digest + self._count.to_bytes(6, "big")).decode()
        ending = "." + name.rpartition(".")[2] if "." in name and len(name.rpartition(".")[2]) < 9 else ""
        path = f"{kind}s/file_{self._count}{ending if ending.isascii() else ''}"
        file = File(id_, unique, path, name, mime, kind, data, len(data) if size is None else size)
        self._files[id_] = self._paths[path] = file
        self._bytes += len(data)
        while self._bytes > KEPT:
            oldest = self._files.pop(next(iter(self._files)))
            self._paths.pop(oldest.path, None)
            self._bytes -= len(oldest.data)
        return file

    def get(self, id_: str) -> File | None:
        """By its id."""
        return self._files.get(id_)

    def at(self, path: str) -> File | None:
        """By its path."""
        return self._paths.get(path)


def described(file: File) -> dict[str, Any]:
    """A file as a message holds it."""
    body: dict[str, Any] = {"file_id": file.id, "file_unique_id": file.unique_id, "file_size": file.size}
    match file.kind:
        case "photo":
            small = {**body, "width": 90, "height": 67}
            return {"photo": [small, {**body, "width": 1280, "height": 960}]}
        case "voice":
            return {"voice": {**body, "duration": 1, "mime_type": file.mime}}
        case "audio":
            return {"audio": {**body, "duration": 1, "mime_type": file.mime, "file_name": file.name}}
        case _:
            return {"document": {**body, "file_name": file.name, "mime_type": file.mime}}
