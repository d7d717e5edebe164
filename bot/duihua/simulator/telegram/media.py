"""Methods that send and fetch files."""

from __future__ import annotations

from typing import Any

from duihua.simulator.telegram.uploads import File

Json = dict[str, Any]


def described(file: File) -> Json:
    """A file as a message holds it."""
    body: Json = {"file_id": file.id, "file_unique_id": file.unique_id, "file_size": file.size}
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
