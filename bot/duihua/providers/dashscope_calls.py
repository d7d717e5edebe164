"""What DashScope does besides chat: completions, tasks, images, embeddings, tokens, models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast
from urllib.parse import quote

from duihua.abilities import Completion, Drawing, Embeddings, Job, Listed, Picture
from duihua.errors import Category, ProviderError
from duihua.messages import Usage
from duihua.providers.client import Client
from duihua.providers.dashscope_models import COUNTED, EMBEDDINGS, draws_at_once
from duihua.providers.dashscope_wire import choices_of, counts
from duihua.providers.faults import Reported, clean, request_id
from duihua.providers.openai_calls import useless
from duihua.providers.openai_wire import finish_of, usage_of
from duihua.providers.polling import poll
from duihua.tokens import estimate

MULTIMODAL = "/services/aigc/multimodal-generation/generation"
DRAWN_AS_TASK = "/services/aigc/text2image/image-synthesis"
DRAWN_AS_MESSAGE = "/services/aigc/image-generation/generation"
EMBEDDED = "/services/embeddings/text-embedding/text-embedding"
PAGE = 100
"""Models of one page of the list."""
MOST_PAGES = 50
_ASYNC = (("X-DashScope-Async", "enable"),)
_ENDED: Mapping[str, tuple[Category, str]] = {
    "FAILED": ("server", "the task failed"),
    "CANCELED": ("bad_request", "the task was cancelled"),
    "UNKNOWN": ("not_found", "the platform does not know this task: results are kept for 24 hours"),
}
_INPUT = frozenset({"negative_prompt", "ref_img", "images", "base_image_url", "mask_image_url", "function"})
"""Options of a drawing task that stand beside the prompt."""


async def complete(
    client: Client, path: str, model: str, prompt: str, *, options: Mapping[str, Any], deadline: float
) -> Completion:
    """The text that answers a prompt; `options` are parameters."""
    body = await client.call(
        path,
        {"model": model, "input": {"prompt": prompt}, "parameters": {**options, "result_format": "text"}},
        model=model,
        deadline=deadline,
        tokens=int(estimate(prompt)),
    )
    choices = choices_of(_object(body.get("output")))
    text = choices[0]["delta"].get("content") if choices else None
    if isinstance(text, list):
        text = "".join(_text(_object(part).get("text")) for part in cast("list[Any]", text))
    if not isinstance(text, str):
        raise useless(client.faults, "no text came")
    reason = finish_of(choices[0]["finish_reason"])
    return Completion(text, reason, usage_of(counts(body.get("usage"))), model, request_id(body))


# ---------------------------------------------------------------- images and tasks


async def draw(
    client: Client, model: str, prompt: str, *, options: Mapping[str, Any], deadline: float
) -> Drawing:
    """Images of `prompt`, in the same request where the model can, else by a task that is waited for."""
    if draws_at_once(model):
        body = await client.call(
            MULTIMODAL, _as_message(model, prompt, options), model=model, deadline=deadline, repeatable=False
        )
        return _drawing(client, body, model)
    started = await start_drawing(client, model, prompt, options=options, deadline=deadline)
    ended = await poll(
        lambda: job(client, started.id, deadline=deadline), deadline=deadline, sleep=client.line.retry.sleep
    )
    if ended.drawing is None:
        raise ended.error or useless(client.faults, "no image came")
    return replace(ended.drawing, model=ended.drawing.model or model)


async def start_drawing(
    client: Client, model: str, prompt: str, *, options: Mapping[str, Any], deadline: float
) -> Job:
    """Hands a drawing in as a task; it is not sent again when it is not known whether it was taken."""
    at_once = draws_at_once(model)
    body = await client.call(
        DRAWN_AS_MESSAGE if at_once else DRAWN_AS_TASK,
        (_as_message if at_once else _as_task)(model, prompt, options),
        model=model,
        deadline=deadline,
        headers=_ASYNC,
        repeatable=False,
    )
    return _job(client, body)


def _as_task(model: str, prompt: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
    beside = {name: value for name, value in options.items() if name in _INPUT}
    parameters = {name: value for name, value in options.items() if name not in _INPUT}
    return {"model": model, "input": {"prompt": prompt, **beside}, "parameters": _sized(parameters)}


def _as_message(model: str, prompt: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
    messages = [{"role": "user", "content": [{"text": prompt}]}]
    return {"model": model, "input": {"messages": messages}, "parameters": _sized(options)}


def _sized(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options with a size as the platform writes it, `1024*1024`."""
    size = options.get("size")
    return {**options, "size": size.replace("x", "*")} if isinstance(size, str) else options


async def job(client: Client, id: str, *, deadline: float) -> Job:
    """Where a task stands."""
    body = await client.call(f"/tasks/{quote(id, safe='')}", method="GET", model="", deadline=deadline)
    return _job(client, body, id)


def _job(client: Client, body: Mapping[str, Any], id: str = "") -> Job:
    output = _object(body.get("output"))
    id = id or _text(output.get("task_id"))
    state = _text(output.get("task_status")).upper()
    if not id or not state:
        raise useless(client.faults, "it tells of no task")
    if state == "SUCCEEDED":
        try:
            return Job(id, "done", drawing=_drawing(client, body, ""))
        except ProviderError as e:
            return Job(id, "failed", error=e)
    if state not in _ENDED:  # PENDING, RUNNING, SUSPENDED
        return Job(id, "running")
    category, words = _ENDED[state]
    return Job(id, "failed", error=_failure(client, output, category, words, request_id(body)))


def _failure(
    client: Client, fields: Mapping[str, Any], category: Category, words: str, id: str
) -> ProviderError:
    """The error in a task that ended without a result, or in one of its results."""
    code, message = _text(fields.get("code")), _text(fields.get("message"))
    if not code:
        text = f"{words}: {clean(message)}" if message else words
        return ProviderError(
            text, provider=client.faults.provider, category=category, retryable=False, request_id=id
        )
    error = client.faults.error(Reported(code, message or words), id=id)
    error.retryable = False  # asking again would tell the same
    return error


def _drawing(client: Client, body: Mapping[str, Any], model: str) -> Drawing:
    output = _object(body.get("output"))
    pictures: list[Picture] = []
    failed: list[Mapping[str, Any]] = []
    for row in _rows(output):
        url = row.get("url") or row.get("image")
        if isinstance(url, str) and url:
            pictures.append(Picture(url=url, prompt=_text(row.get("actual_prompt"))))
        elif row.get("code") or row.get("message"):
            failed.append(row)
    if not pictures:
        if failed:
            raise _failure(client, failed[0], "server", "no image was made", request_id(body))
        raise useless(client.faults, "no image came")
    words = tuple(clean(f"{_text(row.get('code'))}: {_text(row.get('message'))}") for row in failed)
    usage = usage_of(counts(body.get("usage")))
    return Drawing(tuple(pictures), words, usage, model, request_id(body))


def _rows(output: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What tells of one image each, in either form of an answer."""
    for row in _list(output.get("results")):
        yield _object(row)
    for choice in choices_of(output):
        for part in _list(choice["delta"].get("content")):
            yield _object(part)


# ---------------------------------------------------------------- the rest


async def embed(
    client: Client, model: str, texts: Sequence[str], *, deadline: float, query: bool = False
) -> Embeddings:
    """One vector for each text, as many in one request as the model takes."""
    rows = EMBEDDINGS.get(model, min(EMBEDDINGS.values()))
    vectors: list[tuple[float, ...]] = []
    usage = Usage()
    for at in range(0, len(texts), rows):
        batch = list(texts[at : at + rows])
        tokens = int(sum(estimate(text) for text in batch))
        parameters = {"text_type": "query" if query else "document"}
        body = await client.call(
            EMBEDDED,
            {"model": model, "input": {"texts": batch}, "parameters": parameters},
            model=model,
            deadline=deadline,
            tokens=tokens,
        )
        vectors += _vectors(client, _object(body.get("output")).get("embeddings"), len(batch))
        counted = _object(body.get("usage"))
        usage += Usage(_count(counted.get("total_tokens")) or _count(counted.get("input_tokens")))
    return Embeddings(tuple(vectors), usage, model)


def _vectors(client: Client, rows: object, wanted: int) -> list[tuple[float, ...]]:
    found: dict[int, tuple[float, ...]] = {}
    for place, row in enumerate(_list(rows)):
        fields = _object(row)
        index, numbers = fields.get("text_index"), _list(fields.get("embedding"))
        if numbers and all(isinstance(n, (int, float)) for n in numbers):
            found[index if isinstance(index, int) else place] = tuple(float(n) for n in numbers)
    if sorted(found) != list(range(wanted)):
        raise useless(client.faults, f"{len(found)} vectors came for {wanted} texts")
    return [found[i] for i in range(wanted)]


async def count_tokens(client: Client, model: str, text: str, *, deadline: float) -> int:
    """Tokens of `text`; not_found for models that the platform has no tokenizer for."""
    if model not in COUNTED:
        raise ProviderError(
            f"the platform counts tokens for {', '.join(sorted(COUNTED))} only, not for {clean(model, 80)}",
            provider=client.faults.provider,
            category="not_found",
        )
    body = await client.call(
        "/tokenizer",
        {"model": model, "input": {"prompt": text}, "parameters": {}},
        model=model,
        deadline=deadline,
    )
    counted = _count(_object(body.get("usage")).get("input_tokens"))
    ids = _list(_object(body.get("output")).get("token_ids"))
    if not (counted or ids) and text:
        raise useless(client.faults, "no count came")
    return counted or len(ids)


async def list_models(client: Client, *, deadline: float) -> list[Listed]:
    """The platform's list, all of its pages."""
    found: dict[str, Listed] = {}
    for number in range(1, MOST_PAGES + 1):
        rows, total = await _page(client, f"page_no={number}&page_size={PAGE}", deadline)
        before = len(found)
        found |= {row.name: row for row in rows}
        if len(found) == before or len(found) >= total:
            break
    return list(found.values())


async def context_length(client: Client, model: str, *, deadline: float) -> int | None:
    """Tokens of a whole request with its answer."""
    rows, _ = await _page(client, f"model={quote(model, safe='')}&page_no=1&page_size=1", deadline)
    return next((row.context for row in rows if row.name == model), None)


async def _page(client: Client, query: str, deadline: float) -> tuple[list[Listed], int]:
    body = await client.call(f"/models?{query}", method="GET", model="", deadline=deadline)
    output = _object(body.get("output") or body.get("data"))
    found: list[Listed] = []
    for row in _list(output.get("models")):
        fields = _object(row)
        name = _text(fields.get("model") or fields.get("name"))
        context = _count(_object(fields.get("model_info")).get("context_window"))
        if name:
            found.append(Listed(name, context or None, family=_text(fields.get("provider"))))
    return found, _count(output.get("total"))


def _object(value: object) -> Mapping[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
