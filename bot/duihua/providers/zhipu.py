"""Zhipu GLM (BigModel), `open.bigmodel.cn/api/paas/v4`: OpenAI's wire with ranges and flags of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, cast

import httpx
import orjson

from duihua.abilities import Ability, Drawing, Embeddings, Job, Judgement, Listed
from duihua.config import Settings
from duihua.dialect import ChatDialect
from duihua.errors import ProviderError
from duihua.ports import Delta, Flagged, Limits, Provider, Request
from duihua.providers import openai_calls, zhipu_calls, zhipu_models
from duihua.providers.auth import Auth, BearerKey
from duihua.providers.client import Client
from duihua.providers.exchange import Line
from duihua.providers.faults import FaultTable, request_id
from duihua.providers.openai_wire import ChatAnswer, chat_body
from duihua.providers.platform import ModelInfo, Platform, checked_url
from duihua.providers.thinktags import THINK
from duihua.providers.zhipu_auth import SignedToken
from duihua.providers.zhipu_boxes import Unboxing
from duihua.providers.zhipu_faults import FAULTS, flagged_side
from duihua.providers.zhipu_models import Model, find
from duihua.ranges import Range

BUILT_IN = ("web_search", "retrieval", "mcp")
"""What the platform does itself, asked for as entries of `tools`."""
EXTRA = frozenset(
    {
        *BUILT_IN,
        "do_sample",
        "meta",
        "reasoning_effort",
        "sensitive_word_check",
        "thinking",
        "tool_stream",
        "watermark_enabled",
    }
)

_RANGES: Mapping[str, Range] = {
    "temperature": Range("temperature", 0, 1, clamp=True, encode=lambda t: t and max(round(t, 2), 0.01)),
    "top_p": Range("top_p", 0.01, 1, clamp=True, encode=lambda p: round(p, 2)),
    "stop": Range("stop", 0, 1, length=1_000),
    "seed": Range("seed", 0, 2**31 - 1),
    "response_format": Range(
        "response_format", choices=("text", "json_object"), encode=lambda kind: {"type": kind}
    ),
}


class Zhipu(Client):
    """Client of the platform; the base URL ends in `/paas/v4`."""

    name = "zhipu"
    faults = FAULTS
    usual: Mapping[Ability, str] = {
        "start": "glm-4.7",
        "draw": "cogview-4",
        "start_drawing": "glm-image",
        "embed": "embedding-3",
        "moderate": zhipu_models.MODERATION,
        "count_tokens": "glm-4.6",
    }

    def dialect(self, model: str) -> ChatDialect:
        """The dialect of a model; any name is answered, unknown ones like those they are called after."""
        return _dialect(find(model))

    def key(self, model: str) -> str:
        """Whose rate limits count."""
        return f"{self.name}/{find(model).name}"

    def body(self, request: Request, options: dict[str, Any], *, stream: bool) -> bytes:
        """The JSON body; the platform is told an opaque id of the user."""
        model = find(request.model)
        tools = _tools(_dialect(model).lower(request.tools), options)
        if options.get("temperature") == 0:
            del options["temperature"]
            options["do_sample"] = False
        if not stream:
            options.pop("tool_stream", None)
        if request.user:
            options["user_id"] = user_id(request.user)
        return chat_body(model.name, request.packed, tools, options, stream=stream, counted=False)

    def answer(self, request: Request, response: httpx.Response) -> ChatAnswer:
        """A reader for one answer."""
        return self.reader(find(request.model).name)

    def reader(self, model: str) -> ChatAnswer:
        """A reader for an answer that came in another way."""
        return ZhipuAnswer(self.faults, model)

    def expired(self, error: ProviderError) -> bool:
        """Whether a signed token came too late."""
        return error.vendor_code == "1003"

    # ------------------------------------------------------------ besides chat

    async def start(self, request: Request) -> Job:
        """Hands a chat request in; the platform may answer it with another model than was asked."""
        return await zhipu_calls.start(self, request)

    async def job(self, id: str, *, deadline: float) -> Job:
        """Where a job stands, of `start` or `start_drawing`."""
        return await zhipu_calls.job(self, id, deadline=deadline)

    async def start_drawing(
        self, model: str, prompt: str, *, options: Mapping[str, Any], deadline: float
    ) -> Job:
        """Hands a drawing in; only `glm-image` draws in the background."""
        return await zhipu_calls.start_drawing(self, model, prompt, options=options, deadline=deadline)

    async def draw(self, model: str, prompt: str, *, options: Mapping[str, Any], deadline: float) -> Drawing:
        """One image of `prompt`; its address is good for 30 days."""
        return await openai_calls.draw(self, model, prompt, options=options, deadline=deadline)

    async def embed(
        self, model: str, texts: Sequence[str], *, deadline: float, query: bool = False
    ) -> Embeddings:
        """One vector for each text; questions and answers have the same vectors here."""
        return await openai_calls.embed(self, model, texts, deadline=deadline, rows=64, tokens=7_000)

    async def moderate(self, model: str, text: str, *, deadline: float) -> Judgement:
        """Whether the platform would let `text` pass; a long one is judged in pieces that overlap."""
        return await zhipu_calls.moderate(self, model, text, deadline=deadline)

    async def count_tokens(self, model: str, text: str, *, deadline: float) -> int:
        """Tokens of `text` as a message; of models that the platform does not count for, by one like them."""
        return await zhipu_calls.count_tokens(self, zhipu_models.tokenizer(model), text, deadline=deadline)

    async def list_models(self, *, deadline: float) -> list[Listed]:
        """The models that the platform lists, or those that are known: a list is not documented."""
        return await zhipu_calls.list_models(self, deadline=deadline)


class ZhipuAnswer(ChatAnswer):
    """Adds `content_filter` beside the choices, and finish reasons that are errors."""

    tags = THINK  # some models write their reasoning into the text

    def __init__(self, faults: FaultTable, model: str) -> None:
        super().__init__(faults, model)
        self._noted = False
        self._unboxing = Unboxing()

    def feed(self, data: bytes) -> list[Delta]:
        """The deltas in `data`, their text without marks."""
        return [*self._unboxing.pass_on(super().feed(data))]

    def close(self) -> list[Delta]:
        """What the end completes, its text without marks."""
        return [*self._unboxing.pass_on(super().close())]

    def flagged(self, body: Mapping[str, Any], choice: Mapping[str, Any]) -> tuple[Flagged, bool] | None:
        """`sensitive` ends the answer and takes back what was shown; a filter without it is a note."""
        side = flagged_side(body)
        if choice.get("finish_reason") == "sensitive":
            if side is None:  # not told: whatever stands on the screen is the likelier one
                side = "output" if self.said else "input"
                return Flagged(side, retract=self.said), False
            return Flagged(side, -1 if side == "input" else None, retract=self.said), False
        if side is None or self._noted:
            return None
        self._noted = True
        return Flagged(side, stop=False), True

    def failed(self, body: Mapping[str, Any], choice: Mapping[str, Any]) -> ProviderError | None:
        """An answer that broke off, and a conversation that is too long, come as finish reasons."""
        reason = choice.get("finish_reason")
        if reason == "network_error":
            return ProviderError(
                "the platform broke off while it answered",
                category="network",
                retryable=not self.said,
                vendor_code="network_error",
                request_id=request_id(body),
            )
        if reason == "model_context_window_exceeded":
            return ProviderError(
                "the conversation is longer than the model takes",
                category="context_too_long",
                vendor_code="model_context_window_exceeded",
                request_id=request_id(body),
            )
        return super().failed(body, choice)


def user_id(user: str) -> str:
    """An id of 6 to 128 characters."""
    named = f"duihua-{user}"
    return named if len(named) <= 128 else f"duihua-{hashlib.sha256(user.encode()).hexdigest()}"


def _tools(functions: bytes, options: dict[str, Any]) -> bytes:
    """The functions and what the platform does itself, which leaves `options`."""
    entries: list[Any] = []
    for name in BUILT_IN:
        value = options.pop(name, None)
        if value is None:
            continue
        if isinstance(value, bool) and name == "web_search":
            value = {"enable": value}
        if not isinstance(value, dict):
            raise ProviderError(f"extra.{name} must be an object", provider="zhipu", category="bad_request")
        fields = cast("dict[str, Any]", value)
        if name == "web_search":  # whether it is on by default, the platform's pages disagree
            fields = {"enable": True, **fields}
        entries.append({"type": name, name: fields})
    if not entries:
        return functions
    try:
        return orjson.dumps([*(orjson.loads(functions) if functions else ()), *entries])
    except TypeError as e:
        raise ProviderError(
            f"an option is no JSON value: {e}", provider="zhipu", category="bad_request"
        ) from None


@lru_cache(maxsize=256)
def _dialect(model: Model) -> ChatDialect:
    ranges = {**_RANGES, "max_output_tokens": Range("max_tokens", 1, model.output, clamp=True)}
    if model.thinks:
        ranges["thinking"] = Range("thinking", int(model.always), 1, encode=_thinking)
    return ChatDialect(
        f"zhipu/{model.name}",
        model.soft,
        model.hard,
        functions=model.functions,
        ranges=ranges,
        extra=EXTRA,
        images="base64" if model.sees else "none",
        reasoning=model.thinks,
    )


def _thinking(value: bool) -> dict[str, Literal["enabled", "disabled"]]:
    return {"type": "enabled" if value else "disabled"}


def _make(settings: Settings, transport: httpx.AsyncBaseTransport, line: Line) -> Provider:
    base = checked_url("ZHIPU_BASE_URL", settings.zhipu_base_url)
    key = settings.zhipu_api_key
    if not key:
        raise PLATFORM.missing(settings)
    auth: Auth = SignedToken(key) if settings.zhipu_auth == "jwt" else BearerKey(key)
    return Zhipu(transport, auth, base_url=base, line=line)


def _models(settings: Settings) -> list[ModelInfo]:
    found = [
        ModelInfo(f"zhipu/{m.name}", m.functions, m.soft, m.hard, family="glm", abilities=_abilities(m))
        for m in zhipu_models.MODELS
    ]
    for name in zhipu_models.DRAWING:
        later = {"start"} if name in zhipu_models.DRAWING_LATER else set[str]()
        found.append(_other(name, "draw", *later))
    found += [_other(name, "embed") for name in zhipu_models.EMBEDDING]
    return [*found, _other(zhipu_models.MODERATION, "moderate")]


def _abilities(model: Model) -> frozenset[str]:
    counted = {"count_tokens"} if model.name in zhipu_models.TOKENIZERS else set[str]()
    marks = {name for name, has in (("thinking", model.thinks or model.aloud), ("images", model.sees)) if has}
    return frozenset({"chat", "start", *counted, *marks})


def _other(name: str, *abilities: str) -> ModelInfo:
    none = Limits(None, None)
    family = name.partition("-")[0]
    return ModelInfo(f"zhipu/{name}", "none", none, none, family=family, abilities=frozenset(abilities))


PLATFORM = Platform("zhipu", "ZHIPU", (("ZHIPU_API_KEY",),), _make, _models, client=Zhipu)
