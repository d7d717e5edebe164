"""Huawei ModelArts Studio (MaaS): preset services, and one's own, which are vLLM behind a gateway."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Any

import httpx

from duihua.abilities import Ability, Completion, Drawing, Embeddings, Listed
from duihua.config import Settings
from duihua.dialect import ChatDialect
from duihua.errors import InvalidOptions, ProviderError
from duihua.ports import Flagged, Provider, Request
from duihua.providers import modelarts_options, openai_calls
from duihua.providers.auth import Auth, BearerKey
from duihua.providers.client import Client
from duihua.providers.exchange import Line
from duihua.providers.modelarts_faults import FAULTS
from duihua.providers.modelarts_models import DRAWING, EMBEDDING, MODELS, Model, find, infos
from duihua.providers.openai_wire import ChatAnswer, chat_body
from duihua.providers.platform import ModelInfo, Platform, checked_url
from duihua.providers.thinktags import THINK

EMBEDDED = 6_000
"""Tokens by our estimate of one request for vectors; the platform takes 8K."""

_ENDPOINT = re.compile(r"/(?:(?:chat/)?completions|models|embeddings|images/generations)/?$")
_VERSION = re.compile(r"(?:/v[0-9]+)*(/v[0-9]+)$")


def api_url(value: str) -> str:
    """The base that paths such as `/chat/completions` are appended to: it ends in one `/v1` (or `/v2`).

    The console shows the address of a service in several forms: bare, with the version behind it, and with
    the endpoint.
    """
    base = _ENDPOINT.sub("", value.rstrip("/"))
    version = _VERSION.search(base)
    return base[: version.start()] + version[1] if version else f"{base}/v1"


class ModelArts(Client):
    """Client of the preset services, or of one service of one's own (`.../infers/ID`)."""

    name = "modelarts"
    faults = FAULTS
    usual = MappingProxyType[Ability, str]({"complete": MODELS[0].name, "embed": EMBEDDING, "draw": DRAWING})

    def __init__(
        self, transport: httpx.AsyncBaseTransport, auth: Auth, *, base_url: str, line: Line | None = None
    ) -> None:
        super().__init__(transport, auth, base_url=api_url(base_url), line=line)
        self.own = "/infers/" in self.base_url
        self.others_url = re.sub("/v2$", "/v1", self.base_url)  # version 2 has only chat

    def dialect(self, model: str) -> ChatDialect:
        """The dialect of a model; any name is answered, unknown ones with a small context."""
        return _dialect(find(model))

    def served(self, name: str) -> str:
        """The name as the service knows it: preset names have one spelling, one's own are left alone."""
        return name.strip() if self.own else find(name).name

    def key(self, model: str) -> str:
        """Whose rate limits count."""
        return f"{self.name}/{self.served(model)}"

    def body(self, request: Request, options: dict[str, Any], *, stream: bool) -> bytes:
        """The JSON body; a model that cannot think and call functions at once does not think."""
        model = find(request.model)
        dialect = _dialect(model)
        tools = dialect.lower(request.tools)
        options = {**dialect.defaults, **options}
        if tools and model.exclusive:
            template: Any = options.get("chat_template_kwargs", {})
            options["chat_template_kwargs"] = {**template, model.switch: False}
        if not tools:
            options.pop("tool_choice", None)  # refused without tools, which the last step has not
        return chat_body(self.served(request.model), request.packed, tools, options, stream=stream)

    def answer(self, request: Request, response: httpx.Response) -> ChatAnswer:
        """A reader for one answer."""
        id_ = response.headers.get("x-request-id", "")
        return ModelArtsAnswer(self.faults, self.served(request.model), id_)

    # ------------------------------------------------------------ abilities

    async def list_models(self, *, deadline: float) -> Sequence[Listed]:
        """The models that this key can use now."""
        return await openai_calls.list_models(self, deadline=deadline, path=f"{self.others_url}/models")

    async def context_length(self, model: str, *, deadline: float) -> int | None:
        """From the platform's table; for a service of one's own, as it lists it."""
        known = None if self.own else find(model).context
        if known is not None:
            return known
        listed = await self.list_models(deadline=deadline)
        return next((row.context for row in listed if row.name == model.strip()), None)

    async def complete(
        self, model: str, prompt: str, *, options: Mapping[str, Any], deadline: float
    ) -> Completion:
        """The text that follows `prompt`."""
        with _checked():
            fields = modelarts_options.completion(options, find(model))
        url = f"{self.others_url}/completions"
        return await openai_calls.complete(
            self, self.served(model), prompt, options=fields, deadline=deadline, path=url
        )

    async def embed(
        self, model: str, texts: Sequence[str], *, deadline: float, query: bool = False
    ) -> Embeddings:
        """One vector for each text."""
        url = f"{self.others_url}/embeddings"
        return await openai_calls.embed(
            self, model, texts, deadline=deadline, tokens=EMBEDDED, path=url, encoding_format="float"
        )

    async def draw(self, model: str, prompt: str, *, options: Mapping[str, Any], deadline: float) -> Drawing:
        """An image of `prompt`; for `qwen_image_edit`, `options["image"]` changed by it."""
        with _checked():
            fields = modelarts_options.picture(options, model)
        url = f"{self.others_url}/images/generations"
        return await openai_calls.draw(self, model, prompt, options=fields, deadline=deadline, path=url)


class ModelArtsAnswer(ChatAnswer):
    """Adds the sign of flagged output: a last choice with `content_filter`, in a stream without a delta."""

    tags = THINK  # Qwen3, and services of one's own

    def flagged(self, body: Mapping[str, Any], choice: Mapping[str, Any]) -> tuple[Flagged, bool] | None:
        """What was shown must be taken back."""
        if choice.get("finish_reason") != "content_filter":
            return None
        return Flagged("output", retract=self.said), False


@lru_cache(maxsize=256)
def _dialect(model: Model) -> ChatDialect:
    return ChatDialect(
        f"modelarts/{model.name}",
        model.soft,
        model.hard,
        functions=model.functions,
        ranges=modelarts_options.ranges(model),
        extra=modelarts_options.EXTRA,
        defaults={"max_tokens": model.answer, "temperature": model.temperature},
        images="data_url" if model.sees else "none",
        rule=partial(modelarts_options.check, single=model.single),
    )


@contextmanager
def _checked() -> Generator[None]:
    """Wrong options of an ability, found before anything is sent, as the error that abilities raise."""
    try:
        yield
    except InvalidOptions as e:
        raise ProviderError(str(e), provider=ModelArts.name, category="bad_request") from None


# ---------------------------------------------------------------- the platform


def _make(settings: Settings, transport: httpx.AsyncBaseTransport, line: Line) -> Provider:
    base = checked_url("MODELARTS_BASE_URL", settings.modelarts_base_url)
    if settings.modelarts_api_key is None:
        raise PLATFORM.missing(settings)
    return ModelArts(transport, BearerKey(settings.modelarts_api_key), base_url=base, line=line)


def _models(settings: Settings) -> list[ModelInfo]:
    return infos()


PLATFORM = Platform("modelarts", "MODELARTS", (("MODELARTS_API_KEY",),), _make, _models, client=ModelArts)
