"""Any server of OpenAI's wire: OpenAI itself, DeepSeek, Moonshot, Ollama, vLLM, one-api...

Servers differ in what they take. What is known of them is in `openai_profiles`; the rest is learnt from
their refusals, for each model: a field that is refused is left out (or sent under its other name) and the
request is sent again at once. A model that refuses functions, or a system message, has another dialect from
then on.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

import httpx

from duihua.abilities import Completion, Drawing, Embeddings, Judgement, Listed, Transcription
from duihua.config import Settings
from duihua.dialect import ChatDialect
from duihua.errors import Category, ConfigError, ProviderError
from duihua.ports import Provider, Request
from duihua.providers import openai_calls
from duihua.providers.auth import Auth, BearerKey
from duihua.providers.client import Client
from duihua.providers.exchange import Line
from duihua.providers.faults import FaultTable, Reported
from duihua.providers.openai_profiles import GENERIC, OPENAI, Profile, choose
from duihua.providers.openai_wire import ChatAnswer, chat_body
from duihua.providers.platform import ModelInfo, Platform, checked_url
from duihua.providers.thinktags import THINK

log = logging.getLogger(__name__)

TOOLS, SYSTEM = "tools", "system"
_OTHER_NAME = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_ENDPOINTS = ("/chat/completions", "/completions", "/embeddings", "/models", "/responses")

_REFUSES = re.compile(
    r"un(?:supported|known|recogni[sz]ed|expected)"
    r"|not (?:[\w-]+ ){0,2}(?:support|allow|permit|accept|recogni)"
    r"|n't (?:\w+ )?support|that support tool|extra[_ ](?:inputs|fields|forbidden)|requires --|不支持",
    re.IGNORECASE,
)
_TOOL_WORDS = re.compile(r"\btools?\b|\bfunction[ _-]?call", re.IGNORECASE)
_SYSTEM_WORDS = re.compile(r"\bsystem\b.{0,20}\brole\b|\brole\b.{0,40}\bsystem\b", re.IGNORECASE)
_NO_SYSTEM = re.compile(r"only user\b.{0,30}\broles are supported", re.IGNORECASE)
_TOO_LONG = re.compile(
    r"context (?:length|window|size)|exceeded model token limit|input token count|prompt is too long",
    re.IGNORECASE,
)
_CODES: Mapping[str, Category] = {
    "invalid_api_key": "auth",
    "authentication_error": "auth",
    "invalid_authentication_error": "auth",
    "incorrect_api_key_error": "auth",
    "permission_denied_error": "permission",
    "unsupported_country_region_territory": "permission",
    "account_deactivated": "permission",
    "insufficient_quota": "quota_exhausted",
    "insufficient_user_quota": "quota_exhausted",
    "exceeded_current_quota_error": "quota_exhausted",
    "billing_hard_limit_reached": "quota_exhausted",
    "billing_not_active": "quota_exhausted",
    "rate_limit_exceeded": "rate_limited",
    "rate_limit_reached_error": "rate_limited",
    "rate_limit_error": "rate_limited",
    "engine_overloaded_error": "overloaded",
    "overloaded_error": "overloaded",
    "server_overloaded": "overloaded",
    "model_not_found": "not_found",
    "resource_not_found_error": "not_found",
    "context_length_exceeded": "context_too_long",
    "exceed_context_size_error": "context_too_long",
    "string_above_max_length": "context_too_long",
    "content_policy_violation": "moderation_input",
    "content_filter": "moderation_input",
    "moderation_blocked": "moderation_input",
    "data_inspection_failed": "moderation_input",
    "server_error": "server",
}


class _Faults(FaultTable):
    """Servers say in many words that a conversation is too long."""

    def refined(self, report: Reported, status: int) -> Category | None:
        """A request that is too long, whatever its code."""
        return "context_too_long" if status in (400, 413, 422) and _TOO_LONG.search(report.message) else None


FAULTS: FaultTable = _Faults(
    "openai",
    _CODES,
    hints={
        "invalid_api_key": "Check OPENAI_API_KEY and OPENAI_BASE_URL",
        "invalid_authentication_error": "Check OPENAI_API_KEY and OPENAI_BASE_URL",
        "model_not_found": "`duihua models` lists what the server has",
        "insufficient_quota": "Check the account's plan and credit",
    },
)


class Tagged(ChatAnswer):
    """Reads answers whose reasoning may stand between tags in the text."""

    tags = THINK


class OpenAICompatible(Client):
    """Client of one server.

    Args:
        transport: carries the requests.
        auth: proves who asks.
        base_url: up to where `/chat/completions` follows.
        line: limits, retries, time-outs.
        profile: what is known of the server.
        context: tokens that its models take, None if it is not known.
    """

    name = "openai"
    faults = FAULTS

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        auth: Auth,
        *,
        base_url: str,
        line: Line | None = None,
        profile: Profile = GENERIC,
        context: int | None = None,
    ) -> None:
        super().__init__(transport, auth, base_url=base_url, line=line)
        self.profile, self.context = profile, context
        self.usual = profile.usual
        self.refused: dict[str, frozenset[str]] = {}
        """Model to what it was seen to refuse: fields by name, functions as `tools`, messages as `system`."""

    def dialect(self, model: str) -> ChatDialect:
        """The dialect of a model; any name is answered, unknown ones with a moderate limit."""
        ways = self.refused.get(model, frozenset[str]()) & {TOOLS, SYSTEM}
        return _dialect(self.profile, model, self.context, ways)

    def body(self, request: Request, options: dict[str, Any], *, stream: bool) -> bytes:
        """The JSON body without what the model refuses; the platform is told the user's opaque id."""
        if request.user:
            options["user"] = request.user
        tools = self.dialect(request.model).lower(request.tools)
        if self.profile.forgetful and (tools or any(b'"tool_calls":' in m for m in request.packed.messages)):
            options["thinking"] = {"type": "disabled"}
        refused = self.refused.get(request.model, frozenset[str]())
        counted = self.profile.counted and "stream_options" not in refused
        taken = {_name(name, refused): value for name, value in options.items()}
        taken = {name: value for name, value in taken.items() if name not in refused}
        return chat_body(request.model, request.packed, tools, taken, stream=stream, counted=counted)

    def answer(self, request: Request, response: httpx.Response) -> ChatAnswer:
        """A reader for one answer."""
        return Tagged(self.faults, request.model, response.headers.get("x-request-id", ""))

    def learns(self, request: Request, error: ProviderError) -> bool:
        """Whether a field of the request is refused and was not known to be; functions are the dialect's."""
        named = _named(request, error, stream=bool(request.options.get("stream", self.line.streaming)))
        if named is None:
            return False
        log.warning("openai refuses %s for model %s: it is not sent again", named, request.model[:80])
        self.refused[request.model] = self.refused.get(request.model, frozenset[str]()) | {named}
        return named not in (TOOLS, SYSTEM)

    # ------------------------------------------------------------ abilities

    async def embed(
        self, model: str, texts: Sequence[str], *, deadline: float, query: bool = False
    ) -> Embeddings:
        """One vector for each text; questions and answers are not told apart."""
        return await openai_calls.embed(self, model, texts, deadline=deadline, encoding_format="float")

    async def draw(self, model: str, prompt: str, *, options: Mapping[str, Any], deadline: float) -> Drawing:
        """Images of `prompt`."""
        return await openai_calls.draw(self, model, prompt, options=options, deadline=deadline)

    async def transcribe(
        self, model: str, audio: bytes, *, name: str, mime: str, language: str = "", deadline: float
    ) -> Transcription:
        """The words of `audio`."""
        return await openai_calls.transcribe(
            self, model, audio, name=name, mime=mime, language=language, deadline=deadline
        )

    async def complete(
        self, model: str, prompt: str, *, options: Mapping[str, Any], deadline: float
    ) -> Completion:
        """The text that follows `prompt`."""
        return await openai_calls.complete(self, model, prompt, options=options, deadline=deadline)

    async def moderate(self, model: str, text: str, *, deadline: float) -> Judgement:
        """Whether the moderation model flags `text`, and for what."""
        body = await self.call(
            "/moderations", {"model": model, "input": text}, model=model, deadline=deadline
        )
        match body.get("results"):
            case [{"flagged": bool(flagged)} as result, *_]:
                pass
            case _:
                raise openai_calls.useless(self.faults, "no judgement came")
        found = cast("dict[str, Any]", result).get("categories")
        categories = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
        labels = tuple(name for name, hit in categories.items() if hit is True)
        id_ = body.get("id")
        return Judgement("reject" if flagged else "pass", labels, id_ if isinstance(id_, str) else "")

    async def list_models(self, *, deadline: float) -> Sequence[Listed]:
        """The models that the server lists."""
        return await openai_calls.list_models(self, deadline=deadline)

    async def context_length(self, model: str, *, deadline: float) -> int | None:
        """What the server's list says, else what is known of the model."""
        if self.context:
            return self.context
        listed = await self.list_models(deadline=deadline)
        told = next((m.context for m in listed if m.name == model and m.context), None)
        return told or self.profile.limits(model, None)[1].tokens


def _name(name: str, refused: frozenset[str]) -> str:
    """The name that a field is sent under: the limit of an answer's length has two."""
    other = _OTHER_NAME.get(name)
    return other if other and name in refused and other not in refused else name


def _named(request: Request, error: ProviderError, *, stream: bool) -> str | None:
    """What of a request its refusal names as not supported, None if nothing."""
    if error.http_status not in (400, 404, 422) or error.category not in ("bad_request", "not_found"):
        return None
    words = error.message
    if _NO_SYSTEM.search(words):
        return SYSTEM
    if not _REFUSES.search(words):
        return None
    if _SYSTEM_WORDS.search(words):
        return SYSTEM
    sent = [name for name in (*request.options, "user", "thinking") if name != "stream"]
    sent += [_OTHER_NAME[name] for name in sent if name in _OTHER_NAME]
    sent += ["stream_options"] if stream else []
    at = {
        m.start(): name for name in sent if (m := re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", words))
    }
    if at:
        return at[min(at)]  # what should be sent instead is named behind it
    offered = request.tools or any(b'"tool_calls":' in message for message in request.packed.messages)
    return TOOLS if offered and _TOOL_WORDS.search(words) else None


@lru_cache(maxsize=256)
def _dialect(profile: Profile, model: str, context: int | None, refused: frozenset[str]) -> ChatDialect:
    soft, hard = profile.limits(model, context)
    return ChatDialect(
        f"openai/{model}",
        soft,
        hard,
        system="user" if SYSTEM in refused else "message",
        functions="text" if TOOLS in refused else profile.functions,
        ranges=profile.ranges(),
        images=profile.images_for(model),
    )


# ---------------------------------------------------------------- the platform


def base_of(settings: Settings) -> tuple[str, Profile]:
    """The base URL that paths are appended to, and the server's profile.

    Raises:
        ConfigError: the URL is none, or is that of one call; there is no such profile.
    """
    base = checked_url("OPENAI_BASE_URL", settings.openai_base_url)
    for path in _ENDPOINTS:
        if base.endswith(path):
            raise ConfigError(f"OPENAI_BASE_URL must end before {path}, which is appended to it")
    profile = choose(settings.openai_profile, base)
    return (base + profile.root if httpx.URL(base).path == "/" else base), profile


def _keyless(settings: Settings) -> bool:
    """Only OpenAI's own server is sure to want a key."""
    try:
        host = httpx.URL(settings.openai_base_url).host
    except httpx.InvalidURL:
        return False
    return bool(host) and host not in OPENAI.hosts


def _make(settings: Settings, transport: httpx.AsyncBaseTransport, line: Line) -> Provider:
    base, profile = base_of(settings)
    if settings.openai_api_key is None and not _keyless(settings):
        raise PLATFORM.missing(settings)
    auth = BearerKey(settings.openai_api_key)
    context = settings.openai_context_length
    return OpenAICompatible(transport, auth, base_url=base, line=line, profile=profile, context=context)


def _models(settings: Settings) -> list[ModelInfo]:
    """Well-known models of OpenAI's own server; of others, only they know."""
    if _keyless(settings):
        return []
    return [
        ModelInfo(
            f"openai/{name}",
            OPENAI.functions,
            *OPENAI.limits(name, settings.openai_context_length),
            family="gpt",
            abilities=frozenset({"chat", "images"}),
        )
        for name in KNOWN
    ]


KNOWN = ("gpt-4.1", "gpt-4.1-mini", "gpt-4o", "gpt-4o-mini", "gpt-5", "gpt-5-mini", "gpt-5.5")
PLATFORM = Platform(
    "openai", "OPENAI", (("OPENAI_API_KEY",),), _make, _models, _keyless, client=OpenAICompatible
)
