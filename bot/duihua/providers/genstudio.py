"""Infini-AI GenStudio: `cloud.infini-ai.com/maas`, OpenAI's wire on several chips.

Some chips stream server-sent events, others bare JSON lines without an end mark; which ones do is not
documented, so that only the bytes tell. What fails the text review carries `blocked: true`, and nothing
follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, cast

import httpx
import orjson

from duihua.abilities import Ability, Embeddings, Listed
from duihua.dialect import ChatDialect
from duihua.errors import ProviderError
from duihua.ports import Flagged, Quota, Request
from duihua.providers import openai_calls
from duihua.providers.auth import Auth
from duihua.providers.client import Client
from duihua.providers.exchange import Line
from duihua.providers.genstudio_faults import GENSTUDIO
from duihua.providers.genstudio_models import LATER, MODELS, Place, find
from duihua.providers.openai_wire import ChatAnswer, chat_body
from duihua.providers.retry import loop_time
from duihua.providers.thinktags import THINK
from duihua.ranges import Range
from duihua.tokens import estimate

CONSOLE = "/api/maas/user/v2/model/list"
CONSOLE_SECONDS = 10.0
"""How long the console's list, which no document promises, may take before another is asked for."""

_CHIP: Mapping[str, Range] = {
    "temperature": Range("temperature", 0, 2),
    "top_p": Range("top_p", 0, 1, open_low=True),
    "stop": Range("stop", 0, 4),
    "max_output_tokens": Range("max_tokens", 1),
}
"""The options on a chip: domestic ones do not take all of OpenAI's fields."""
_PLAIN: Mapping[str, Range] = {
    **_CHIP,
    "frequency_penalty": Range("frequency_penalty", -2, 2),
    "presence_penalty": Range("presence_penalty", -2, 2),
    "seed": Range("seed", 0),
    "response_format": Range(
        "response_format", choices=("text", "json_object"), encode=lambda value: {"type": value}
    ),
}
_THINKING = Range("enable_thinking", 0, 1)


class GenStudio(Client):
    """Client of GenStudio; the base URL ends in `/maas`.

    Args:
        transport: carries the requests.
        auth: proves who asks.
        base_url: a `/v1` at its end is left out.
        line: limits, retries, time-outs.
        native_tools: models that call functions natively on the OpenAI-like service.
        limits: of the key, all models together.
    """

    name = "genstudio"
    faults = GENSTUDIO
    usual: Mapping[Ability, str] = {  # pyright: ignore[reportIncompatibleVariableOverride]
        "embed": "bge-m3",
        "count_tokens": "infini-megrez-7b",
        "measure": "infini-megrez-7b",
    }

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        auth: Auth,
        *,
        base_url: str,
        line: Line | None = None,
        native_tools: Iterable[str] = (),
        limits: Sequence[Quota] = (),
    ) -> None:
        super().__init__(transport, auth, base_url=base_url.rstrip("/").removesuffix("/v1"), line=line)
        self._native = frozenset(name.strip().lower() for name in native_tools)
        if self.line.limiter is not None:
            self.line.limiter.preset(self.key(""), limits)

    def dialect(self, model: str) -> ChatDialect:
        """The dialect of a model on its chip; any name is answered, unknown ones with the smallest limits."""
        place = find(model)
        return _dialect(place, functions_of(place, self._native))

    def key(self, model: str) -> str:
        """Whose rate limits count: the key's, whatever the model."""
        return self.name

    def chat_url(self, request: Request) -> str:
        """Where a chat request goes."""
        return f"{self.base_url}{find(request.model).path}/chat/completions"

    def body(self, request: Request, options: dict[str, Any], *, stream: bool) -> bytes:
        """The JSON body; its model is the one in the path, and a chip gets no field it may not know."""
        place = find(request.model)
        tools = self.dialect(request.model).lower(request.tools)
        _ = place.path  # a name that cannot be sent is refused before anything waits for its turn
        return chat_body(place.model.name, request.packed, tools, options, stream=stream, counted=place.plain)

    def answer(self, request: Request, response: httpx.Response) -> ChatAnswer:
        """A reader for one answer."""
        id_ = response.headers.get("x-request-id", "")
        return GenStudioAnswer(self.faults, find(request.model).model.name, id_)

    # ------------------------------------------------------------ abilities

    async def embed(
        self, model: str, texts: Sequence[str], *, deadline: float, query: bool = False
    ) -> Embeddings:
        """Vectors of `texts`."""
        return await openai_calls.embed(self, model, texts, deadline=deadline, path="/v1/embeddings")

    async def count_tokens(self, model: str, text: str, *, deadline: float) -> int:
        """Tokens of `text`, as the chip's server counts them; without a chip the model's first one does."""
        place = _on_chip(model)
        if place is None:
            raise ProviderError(
                f"tokens are counted on a chip, and none is known for {model[:80]!r}: write MODEL@CHIP",
                provider=self.name,
                category="bad_request",
            )
        fields = {"model": place.model.name, "chip": place.chip, "prompt": text}
        body = await self.call(
            f"{place.path}/token_count", fields, model=model, deadline=deadline, tokens=int(estimate(text))
        )
        if (count := _count(body, "token_count")) is None:
            raise openai_calls.useless(self.faults, "no count came")
        return count

    async def context_length(self, model: str, *, deadline: float) -> int | None:
        """Tokens of a whole request with its answer; None where no chip is known that could be asked."""
        place = _on_chip(model)
        if place is None:
            return None
        fields = {"model": place.model.name, "chiptype": place.chip}
        body = await self.call(f"{place.path}/get_model_details", fields, model=model, deadline=deadline)
        return _count(body, "context_length") or None

    async def list_models(self, *, deadline: float) -> Sequence[Listed]:
        """The models with their chips as the console lists them, else the service's list, else our own.

        Raises:
            ProviderError: auth: the key is wrong, which no list of our own should hide.
        """
        console = f"{self.base_url.removesuffix('/maas')}{CONSOLE}"
        soon = min(deadline, loop_time() + CONSOLE_SECONDS)
        try:
            body = await self.call(console, method="GET", model="", deadline=soon, repeatable=False)
            if found := _listed(body):
                return found
        except ProviderError:
            pass  # it belongs to the console, which may ask for more than the key
        try:
            if rows := await openai_calls.list_models(self, deadline=deadline, path="/v1/models"):
                return [_known(row.name, row.context, ()) for row in rows]
        except ProviderError as e:
            if e.category == "auth":
                raise
        return [_known(model.name, None, ()) for model in (*MODELS, *LATER)]


class GenStudioAnswer(ChatAnswer):
    """Adds `blocked`, whose place is not documented: in the body, the choice, or what is said in it."""

    tags = THINK  # R1 and QwQ on servers that do not part reasoning from text

    def flagged(self, body: Mapping[str, Any], choice: Mapping[str, Any]) -> tuple[Flagged, bool] | None:
        """The review failed: nothing follows, and what was shown must not stay."""
        parts = [_fields(choice.get(name)) for name in ("delta", "message")]
        if not any(fields.get("blocked") in (True, "true") for fields in (body, choice, *parts)):
            return None
        spoken = self.said or any(part.get("content") for part in parts)
        return Flagged("output" if spoken else "input", retract=self.said), False


def functions_of(place: Place, native: frozenset[str]) -> Literal["native", "text"]:
    """How a model calls functions: natively only where the platform's service is known to."""
    return "native" if not place.chip and place.model.name.lower() in native else "text"


@lru_cache(maxsize=256)
def _dialect(place: Place, functions: Literal["native", "text"]) -> ChatDialect:
    model = place.model
    ranges = dict(_PLAIN if place.plain else _CHIP)
    if place.plain and model.switched:
        ranges["thinking"] = _THINKING
    return ChatDialect(
        f"genstudio/{place.name}",
        model.soft,
        model.hard,
        functions=functions,
        ranges=ranges,
        extra=frozenset() if place.chip else None,
        images="data_url" if place.plain and model.sees else "none",
    )


def _on_chip(model: str) -> Place | None:
    place = find(model)
    if place.chip:
        return place
    return Place(place.model, place.model.chips[0]) if place.model.chips else None


def _listed(body: Mapping[str, Any]) -> list[Listed]:
    """The models of the console's list; a row that says no name is left out."""
    rows = _fields(body.get("data")).get("model_list")
    found: list[Listed] = []
    for row in cast("list[Any]", rows) if isinstance(rows, list) else []:
        fields = _fields(row)
        name = fields.get("name")
        if isinstance(name, str) and name:
            found.append(_known(name, openai_calls.context_of(fields), _chips(fields.get("tag_list"))))
    return found


def _known(name: str, context: int | None, chips: tuple[str, ...]) -> Listed:
    """A listed model; what the list does not tell, our own table may."""
    model = find(name).model
    return Listed(name, context or model.context or None, chips or model.chips, model.family)


def _chips(tags: Any) -> tuple[str, ...]:
    """The chips among a model's tags: of type `gpu`, their name inside a JSON text."""
    found: list[str] = []
    for tag in cast("list[Any]", tags) if isinstance(tags, list) else []:
        fields = _fields(tag)
        text = fields.get("tag_extend_info")
        if fields.get("tag_type") != "gpu" or not isinstance(text, str):
            continue
        try:
            chip = _fields(orjson.loads(text)).get("chipType")
        except orjson.JSONDecodeError:
            continue
        if isinstance(chip, str) and chip and chip not in found:
            found.append(chip)
    return tuple(found)


def _fields(value: Any) -> Mapping[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _count(body: Mapping[str, Any], name: str) -> int | None:
    value = body.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
