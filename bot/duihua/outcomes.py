"""How tasks ended, as bytes and back: tagged JSON; fields that are not known here are passed over."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, TypeVar, cast, get_args

import orjson

from duihua.abilities import Completion, Drawing, Job, Picture
from duihua.codec import dump
from duihua.errors import Category, ProviderError
from duihua.messages import Usage

T = TypeVar("T")
_ERROR = ("category", "provider", "vendor_code", "http_status", "request_id", "reported", "retryable")


def write_result(job: Job) -> bytes:
    """The stored form of what a job brought."""
    if job.drawing is not None:
        drawn = asdict(job.drawing)
        for picture in drawn["pictures"]:
            picture["data"] = b64encode(picture["data"]).decode()
        return dump({"t": "drawing", **drawn})
    return dump({"t": "completion", **asdict(job.completion)} if job.completion else {"t": "nothing"})


def read_result(data: bytes | None) -> tuple[Completion | None, Drawing | None]:
    """What a job brought: a completion or a drawing, or neither."""
    stored = _load(data)
    usage = _made(Usage, stored.get("usage") or {})
    match stored.get("t"):
        case "completion":
            return _made(Completion, stored, usage=usage), None
        case "drawing":
            pictures = tuple(_picture(picture) for picture in stored["pictures"])
            return None, _made(
                Drawing, stored, usage=usage, pictures=pictures, failures=tuple(stored["failures"])
            )
        case _:
            return None, None


def write_error(error: ProviderError) -> bytes:
    """The stored form of an error."""
    return dump({"message": error.message, **{name: getattr(error, name) for name in _ERROR}})


def read_error(data: bytes | None) -> ProviderError | None:
    """The error of its stored form."""
    stored = _load(data)
    if not stored:
        return None
    values = {name: stored[name] for name in _ERROR if name in stored}
    if values.get("category") not in get_args(Category):
        values["category"] = "server"
    return ProviderError(str(stored.get("message", "")), **values)


def _picture(stored: Mapping[str, Any]) -> Picture:
    return _made(Picture, stored, data=b64decode(stored["data"]))


def _made(kind: type[T], stored: Mapping[str, Any], **given: Any) -> T:
    known = {field.name for field in fields(cast("Any", kind))}
    return kind(**{**{name: value for name, value in stored.items() if name in known}, **given})


def _load(data: bytes | None) -> dict[str, Any]:
    value: Any = orjson.loads(data) if data else None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
