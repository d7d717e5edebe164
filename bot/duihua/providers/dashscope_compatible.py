"""Alibaba DashScope (Qwen) by OpenAI's wire: `dashscope.aliyuncs.com/compatible-mode/v1`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from duihua.abilities import Ability, Embeddings, Listed
from duihua.dialect import ChatDialect
from duihua.ports import Request
from duihua.providers import dashscope_faults, openai_calls
from duihua.providers.client import Client
from duihua.providers.dashscope import ranges_of, streams_only
from duihua.providers.dashscope_models import EMBEDDINGS, USUAL, Model, find
from duihua.providers.openai_wire import chat_body

_USUAL: Mapping[Ability, str] = {"embed": USUAL["embed"]}


class DashScopeCompatible(Client):
    """Client of the compatible mode; what is the platform's own (`enable_search`...) stands beside the rest.

    Sources of a web search are told by the platform's own wire only.
    """

    name = "dashscope-compatible"
    faults = dashscope_faults.COMPATIBLE
    usual = _USUAL

    def dialect(self, model: str) -> ChatDialect:
        """The dialect of a model; any name is answered, unknown ones with the smallest limits."""
        return _dialect(find(model))

    def streams(self, request: Request, *, wanted: bool) -> bool:
        """Some models think in streams only."""
        return wanted or streams_only(find(request.model), request)

    def body(self, request: Request, options: dict[str, Any], *, stream: bool) -> bytes:
        """The JSON body; calls come one at a time unless several are allowed."""
        model = find(request.model)
        tools = _dialect(model).lower(request.tools)
        if tools:
            options.setdefault("parallel_tool_calls", True)
        return chat_body(model.name, request.packed, tools, options, stream=stream)

    async def embed(
        self, model: str, texts: Sequence[str], *, deadline: float, query: bool = False
    ) -> Embeddings:
        """One vector for each text; this wire does not tell questions from answers."""
        rows = EMBEDDINGS.get(model, min(EMBEDDINGS.values()))
        return await openai_calls.embed(
            self, model, texts, deadline=deadline, rows=rows, encoding_format="float"
        )

    async def list_models(self, *, deadline: float) -> list[Listed]:
        """The models that the platform lists."""
        return await openai_calls.list_models(self, deadline=deadline)


@lru_cache(maxsize=256)
def _dialect(model: Model) -> ChatDialect:
    return ChatDialect(
        f"dashscope-compatible/{model.name}",
        model.soft_limits,
        model.hard_limits,
        functions=model.functions,
        ranges=ranges_of(model),
        images="data_url" if model.sees else "none",
    )
