"""Qianfan's first wire beyond chat: completions, embeddings, pictures, the count of tokens, the services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, cast

from duihua.abilities import Completion, Drawing, Embeddings
from duihua.errors import ProviderError
from duihua.messages import FinishReason, Usage
from duihua.providers import qianfan_models, qianfan_services
from duihua.providers.faults import FaultTable, request_id
from duihua.providers.openai_calls import picture, useless, vectors
from duihua.providers.openai_wire import usage_of
from duihua.providers.qianfan_models import Model
from duihua.providers.qianfan_services import Service
from duihua.tokens import estimate

TOKENIZER = Service("tokenizer", "complete", "/tokenizer/erniebot")


class Caller(Protocol):
    """The client, as far as calls need it."""

    faults: ClassVar[FaultTable]

    async def call(
        self,
        service: Model | Service,
        body: Mapping[str, Any],
        *,
        deadline: float,
        tokens: int = 0,
        repeatable: bool = True,
    ) -> Mapping[str, Any]:
        """One request and its JSON object."""
        ...


async def complete(
    client: Caller, model: str, prompt: str, *, options: Mapping[str, Any], deadline: float
) -> Completion:
    """The text that follows `prompt`; a chat model is asked it as a question."""
    service = qianfan_services.known("complete", model)
    if service is None and not model.strip("/ ").lower().startswith(("completions/", "image2text/")):
        asked: Model | Service = qianfan_models.find(model)
        fields: dict[str, Any] = {"messages": [{"role": "user", "content": prompt}]}
    else:
        asked = service or qianfan_services.find("complete", model)
        fields = {"prompt": prompt}
    body = await client.call(asked, {**fields, **options}, deadline=deadline, tokens=int(estimate(prompt)))
    text = body.get("result")
    if not isinstance(text, str):
        raise useless(client.faults, "no text came")
    return Completion(text, _finish(body), usage_of(body.get("usage")), asked.name, request_id(body))


def _finish(body: Mapping[str, Any]) -> FinishReason:
    """`is_safe` tells of the prompt, where `need_clear_history` is not sent."""
    safe = "need_clear_history" in body or body.get("is_safe") != 0
    if body.get("need_clear_history") or not safe or body.get("finish_reason") == "content_filter":
        return "flagged"
    return "length" if body.get("is_truncated") or body.get("finish_reason") == "length" else "stop"


async def embed(client: Caller, model: str, texts: Sequence[str], *, deadline: float) -> Embeddings:
    """Vectors of `texts`, as many in one request as the model takes."""
    service = qianfan_services.find("embed", model)
    found: list[tuple[float, ...]] = []
    usage = Usage()
    for at in range(0, len(texts), service.rows):
        batch = list(texts[at : at + service.rows])
        tokens = int(sum(estimate(text) for text in batch))
        body = await client.call(service, {"input": batch}, deadline=deadline, tokens=tokens)
        found += vectors(client.faults, body.get("data"), len(batch))
        usage += usage_of(body.get("usage"))
    return Embeddings(tuple(found), usage, service.name)


async def draw(
    client: Caller, model: str, prompt: str, *, options: Mapping[str, Any], deadline: float
) -> Drawing:
    """Images of `prompt`, in the answer itself; not sent again when it is not known if they were made."""
    service = qianfan_services.find("draw", model)
    body = await client.call(service, {"prompt": prompt, **options}, deadline=deadline, repeatable=False)
    data = body.get("data")
    rows = cast("list[Any]", data) if isinstance(data, list) else []
    pictures = tuple(p for p in (picture(row) for row in rows) if p is not None)
    if not pictures:
        raise useless(client.faults, "no image came")
    return Drawing(pictures, (), usage_of(body.get("usage")), service.name, request_id(body))


async def count_tokens(client: Caller, model: str, text: str, *, deadline: float) -> int:
    """Tokens of `text` as the platform counts them for one of its own models."""
    if not text:
        return 0  # the platform takes no empty prompt
    body = await client.call(
        TOKENIZER, {"prompt": text, "model": qianfan_models.find(model).name}, deadline=deadline
    )
    match body.get("usage"):
        case {"total_tokens": int(total)} if not isinstance(total, bool):
            return total
        case _:
            raise useless(client.faults, "no count came")


def listed(body: Mapping[str, Any]) -> Mapping[str, str]:
    """Name (lower case) to path suffix, from the platform's list of services."""
    found: dict[str, str] = {}
    result = body.get("result")
    groups = cast("dict[str, Any]", result).values() if isinstance(result, dict) else ()
    for services in groups:
        for service in cast("list[Any]", services) if isinstance(services, list) else ():
            match service:
                case {"name": str(name), "url": str(url)}:
                    path = "/".join(url.partition("?")[0].rsplit("/", 2)[-2:])
                    if qianfan_models.is_path(path):
                        found.setdefault(name.lower().replace(" ", "-"), f"/{path}")
                case _:
                    pass
    return found


def unlisted() -> ProviderError:
    """The error for a client without the keys that the list of services asks for."""
    return ProviderError(
        "the list of services is given only to signed requests: "
        "set QIANFAN_ACCESS_KEY_ID and QIANFAN_ACCESS_KEY_SECRET",
        provider="qianfan",
        category="auth",
        retryable=False,
    )
