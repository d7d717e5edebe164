"""The abilities that OpenAI's API names, for every platform that copied them: embeddings, images, models...

Each takes the client to call through. What a platform does otherwise it does in its own file.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from math import inf
from typing import Any, cast

from duihua.abilities import Completion, Drawing, Embeddings, Listed, Picture, Transcription
from duihua.errors import ProviderError
from duihua.messages import Usage
from duihua.providers.client import Client
from duihua.providers.faults import FaultTable
from duihua.providers.openai_wire import finish_of, usage_of
from duihua.tokens import estimate

BOUNDARY = "duihua-8c1f0f6d5f9e4d0bb2c7"
_MAGIC = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif", b"RIFF": "image/webp"}


async def embed(
    client: Client,
    model: str,
    texts: Sequence[str],
    *,
    deadline: float,
    rows: int = 64,
    tokens: float = inf,
    path: str = "/embeddings",
    **fields: Any,
) -> Embeddings:
    """Vectors of `texts`, at most `rows` and about `tokens` a request; `fields` are added to its body."""
    found: list[tuple[float, ...]] = []
    usage = Usage()
    for batch in _batches(texts, rows, tokens):
        body = await client.call(
            path,
            {"model": model, "input": batch, **fields},
            model=model,
            deadline=deadline,
            tokens=int(sum(estimate(text) for text in batch)),
        )
        found += vectors(client.faults, body.get("data"), len(batch))
        usage += usage_of(body.get("usage"))
    return Embeddings(tuple(found), usage, model)


def _batches(texts: Sequence[str], rows: int, tokens: float) -> Iterator[list[str]]:
    batch, size = list[str](), 0.0
    for text in texts:
        more = estimate(text)
        if batch and (len(batch) == rows or size + more > tokens):
            yield batch
            batch, size = [], 0.0
        batch.append(text)
        size += more
    if batch:
        yield batch


def vectors(faults: FaultTable, data: Any, wanted: int) -> list[tuple[float, ...]]:
    """The vectors in `[{"embedding", "index"}]`. Raises ProviderError unless as many came as were wanted."""
    found: dict[int, tuple[float, ...]] = {}
    for place, row in enumerate(cast("list[Any]", data) if isinstance(data, list) else []):
        fields = cast("dict[str, Any]", row) if isinstance(row, dict) else {}
        vector, index = fields.get("embedding"), fields.get("index")
        numbers = cast("list[Any]", vector) if isinstance(vector, list) else []
        if numbers and all(isinstance(n, (int, float)) for n in numbers):
            found[index if isinstance(index, int) else place] = tuple(float(n) for n in numbers)
    if sorted(found) != list(range(wanted)):
        raise useless(faults, f"{len(found)} vectors came for {wanted} texts")
    return [found[i] for i in range(wanted)]


async def draw(
    client: Client,
    model: str,
    prompt: str,
    *,
    options: Mapping[str, Any],
    deadline: float,
    path: str = "/images/generations",
) -> Drawing:
    """Images of `prompt`; not sent again when it is not known whether they were made."""
    body = await client.call(
        path, {"model": model, "prompt": prompt, **options}, model=model, deadline=deadline, repeatable=False
    )
    data = body.get("data")
    rows = cast("list[Any]", data) if isinstance(data, list) else []
    pictures = tuple(p for p in (picture(row) for row in rows) if p is not None)
    if not pictures:
        raise useless(client.faults, "no image came")
    id_ = body.get("id") or body.get("request_id")
    return Drawing(pictures, (), usage_of(body.get("usage")), model, id_ if isinstance(id_, str) else "")


def picture(row: Any) -> Picture | None:
    """The image in `{"url"}` or `{"b64_json"}`, which may begin with `data:image/...;base64,`."""
    if not isinstance(row, dict):
        return None
    fields = cast("dict[str, Any]", row)
    prompt = fields.get("revised_prompt")
    words = prompt if isinstance(prompt, str) else ""
    url, data = fields.get("url"), fields.get("b64_json") or fields.get("b64_image")
    if isinstance(data, str) and data:
        try:
            raw = base64.b64decode(data.partition(";base64,")[2] or data, validate=True)
        except ValueError:  # no base64, or not even ASCII
            return None
        mime = next((name for magic, name in _MAGIC.items() if raw.startswith(magic)), "image/png")
        return Picture(raw, "", mime, words)
    return Picture(b"", url, "", words) if isinstance(url, str) and url else None


async def list_models(client: Client, *, deadline: float, path: str = "/models") -> list[Listed]:
    """The models that the platform lists; only `data[].id` is relied on."""
    body = await client.call(path, method="GET", model="", deadline=deadline)
    data = body.get("data")
    rows = cast("list[Any]", data) if isinstance(data, list) else []
    found: list[Listed] = []
    for row in rows:
        match row:
            case {"id": str(name)} if name:
                found.append(Listed(name, context_of(cast("dict[str, Any]", row))))
            case _:
                pass
    return found


def context_of(row: Mapping[str, Any]) -> int | None:
    """The context length in tokens, under the names that servers give it."""
    for name in ("context_length", "max_model_len", "max_context_length", "context_window"):
        value = row.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return None


async def complete(
    client: Client,
    model: str,
    prompt: str,
    *,
    options: Mapping[str, Any],
    deadline: float,
    path: str = "/completions",
) -> Completion:
    """The text that follows `prompt`."""
    body = await client.call(
        path,
        {"model": model, "prompt": prompt, **options},
        model=model,
        deadline=deadline,
        tokens=int(estimate(prompt)),
    )
    match body.get("choices"):
        case [{"text": str(text)} as choice, *_]:
            pass
        case _:
            raise useless(client.faults, "no text came")
    named, id_ = body.get("model"), body.get("id")
    return Completion(
        text,
        finish_of(cast("dict[str, Any]", choice).get("finish_reason")),
        usage_of(body.get("usage")),
        named if isinstance(named, str) and named else model,
        id_ if isinstance(id_, str) else "",
    )


async def transcribe(
    client: Client,
    model: str,
    audio: bytes,
    *,
    name: str,
    mime: str,
    language: str,
    deadline: float,
    path: str = "/audio/transcriptions",
) -> Transcription:
    """The words of a recording, sent as a form."""
    fields = {"model": model, "response_format": "json"} | ({"language": language} if language else {})
    body = await client.call(
        path,
        form(fields, {"file": (name, mime, audio)}),
        model=model,
        deadline=deadline,
        headers=[("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")],
    )
    text, seconds, spoken = body.get("text"), body.get("duration"), body.get("language")
    used = body.get("usage")
    if seconds is None and isinstance(used, dict):  # billed by the second
        seconds = cast("dict[str, Any]", used).get("seconds")
    if not isinstance(text, str):
        raise useless(client.faults, "no text came")
    return Transcription(
        text,
        spoken if isinstance(spoken, str) else "",
        float(seconds) if isinstance(seconds, (int, float)) else None,
    )


def form(fields: Mapping[str, str], files: Mapping[str, tuple[str, str, bytes]]) -> bytes:
    """A multipart form with `BOUNDARY`; files as (name, type, bytes)."""
    out = bytearray()
    for name, value in fields.items():
        out += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    for name, (file, mime, data) in files.items():
        safe = "".join(c for c in file if c.isprintable() and c not in '"\\') or "file"
        head = f'Content-Disposition: form-data; name="{name}"; filename="{safe}"\r\nContent-Type: {mime}'
        out += f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + data + b"\r\n"
    return bytes(out + f"--{BOUNDARY}--\r\n".encode())


def useless(faults: FaultTable, why: str) -> ProviderError:
    """The error for an answer that is JSON, no failure, and holds nothing of use."""
    return ProviderError(
        f"the platform's answer is of no use: {why}", provider=faults.provider, retryable=False
    )
