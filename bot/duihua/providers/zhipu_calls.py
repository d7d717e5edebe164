"""What Zhipu does besides chat: work in the background, moderation, counting tokens, its models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import quote

import orjson

from duihua.abilities import Completion, Drawing, Job, Judgement, Listed
from duihua.errors import ProviderError
from duihua.ports import Finish, Flagged, Request, TextDelta
from duihua.providers import openai_calls, zhipu_models
from duihua.providers.openai_calls import picture, useless
from duihua.tokens import estimate

if TYPE_CHECKING:
    from duihua.providers.zhipu import Zhipu

JUDGED = 2_000
"""Characters that are judged in one request."""
OVERLAP = 100
"""Characters that stand in two pieces, so that nothing is cut apart unseen."""
_ENDED = {"SUCCESS": "done", "FAIL": "failed", "FAILED": "failed"}
_LEVELS: tuple[Literal["pass", "review", "reject"], ...] = ("pass", "review", "reject")


async def start(client: Zhipu, request: Request) -> Job:
    """Hands a chat request in."""
    options = {name: value for name, value in request.options.items() if name != "stream"}
    body = await client.call(
        "/async/chat/completions",
        client.body(request, options, stream=False),
        model=request.model,
        deadline=request.deadline,
        tokens=request.packed.tokens,
        repeatable=False,
    )
    return _job(client, "", body)


async def start_drawing(
    client: Zhipu, model: str, prompt: str, *, options: Mapping[str, Any], deadline: float
) -> Job:
    """Hands a drawing in."""
    body = await client.call(
        "/async/images/generations",
        {"model": model, "prompt": prompt, **options},
        model=model,
        deadline=deadline,
        repeatable=False,
    )
    return _job(client, "", body)


async def job(client: Zhipu, id: str, *, deadline: float) -> Job:
    """Where a job stands."""
    path = f"/async-result/{quote(id, safe='')}"
    return _job(client, id, await client.call(path, method="GET", model="", deadline=deadline))


def _job(client: Zhipu, id: str, body: Mapping[str, Any]) -> Job:
    """The job in an answer. States are read in any case; one that is not known is work that goes on."""
    given = body.get("id")
    id = id or (given if isinstance(given, str) else "")
    if not id:
        raise useless(client.faults, "the task has no id")
    named, status = body.get("model"), body.get("task_status")
    model = named if isinstance(named, str) else ""
    match _ENDED.get(status.upper()) if isinstance(status, str) else None:
        case "failed":
            error = ProviderError(
                "the platform could not do the work", provider=client.name, retryable=False, request_id=id
            )
            return Job(id, "failed", model, error=error)
        case "done":
            return _done(client, id, model, body)
        case _:
            return Job(id, "running", model)


def _done(client: Zhipu, id: str, model: str, body: Mapping[str, Any]) -> Job:
    if isinstance(images := body.get("image_result"), list):
        pictures = tuple(p for p in map(picture, cast("list[Any]", images)) if p is not None)
        if not pictures:
            return Job(id, "failed", model, error=useless(client.faults, "no image came"))
        return Job(id, "done", model, drawing=Drawing(pictures, model=model, request_id=id))
    answer = client.reader(model)
    deltas = [*answer.feed(orjson.dumps(body)), *answer.close()]
    if answer.error:
        return Job(id, "failed", model, error=answer.error)
    flag = next((d for d in deltas if isinstance(d, Flagged) and d.stop), None)
    if flag is not None:
        category = "moderation_output" if flag.side == "output" else "moderation_input"
        error = ProviderError(
            "the platform held the answer back",
            provider=client.name,
            category=category,
            flagged=flag.side,
            request_id=id,
        )
        return Job(id, "failed", model, error=error)
    text = "".join(d.text for d in deltas if isinstance(d, TextDelta))
    finish = next(d for d in deltas if isinstance(d, Finish))
    return Job(id, "done", model, Completion(text, finish.reason, finish.usage, finish.model, id))


async def moderate(client: Zhipu, model: str, text: str, *, deadline: float) -> Judgement:
    """The most severe judgement of all pieces of `text`."""
    level = 0
    labels: dict[str, None] = {}
    request_id = ""
    for at in range(0, max(1, len(text) - OVERLAP), JUDGED - OVERLAP):
        piece = {"model": model, "input": text[at : at + JUDGED]}
        body = await client.call("/moderations", piece, model=model, deadline=deadline)
        results = body.get("result_list")
        rows = cast("list[Any]", results) if isinstance(results, list) else []
        if not rows:
            raise useless(client.faults, "no judgement came")
        for row in rows:
            fields = cast("dict[str, Any]", row) if isinstance(row, dict) else {}
            risk = fields.get("risk_level")
            known = next((i for i, name in enumerate(_LEVELS) if str(risk).lower() == name), 1)
            level = max(level, known)
            kinds = fields.get("risk_type")
            for kind in cast("list[Any]", kinds) if isinstance(kinds, list) else []:
                if isinstance(kind, str) and kind:
                    labels[kind] = None
        given = body.get("request_id") or body.get("id")
        request_id = request_id or (given if isinstance(given, str) else "")
    return Judgement(_LEVELS[level], tuple(labels), request_id)


async def count_tokens(client: Zhipu, model: str, text: str, *, deadline: float) -> int:
    """Tokens of `text` as one message."""
    body = await client.call(
        "/tokenizer",
        {"model": model, "messages": [{"role": "user", "content": text}]},
        model=model,
        deadline=deadline,
        tokens=int(estimate(text)),
    )
    usage = body.get("usage")
    counts = cast("dict[str, Any]", usage) if isinstance(usage, dict) else {}
    for name in ("prompt_tokens", "total_tokens"):
        count = counts.get(name)
        if isinstance(count, int) and not isinstance(count, bool) and count >= 0:
            return count
    raise useless(client.faults, "no count came")


async def list_models(client: Zhipu, *, deadline: float) -> list[Listed]:
    """What the platform lists, with the known context lengths; what is known if it has no list."""
    try:
        listed = await openai_calls.list_models(client, deadline=deadline)
    except ProviderError as e:
        if e.category not in ("not_found", "bad_request"):
            raise
        listed = []
    known = {m.name: m.context for m in zhipu_models.MODELS}
    if not listed:
        others = (*zhipu_models.DRAWING, *zhipu_models.EMBEDDING, zhipu_models.MODERATION)
        listed = [Listed(name) for name in (*known, *others)]
    return [Listed(m.name, m.context or known.get(m.name), family=m.name.partition("-")[0]) for m in listed]
