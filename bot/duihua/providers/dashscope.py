"""Alibaba DashScope (Qwen), its own wire: `dashscope.aliyuncs.com/api/v1`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import httpx

from duihua.abilities import Completion, Drawing, Embeddings, Job, Listed
from duihua.dialect import ChatDialect
from duihua.ports import Request
from duihua.providers import dashscope_calls, dashscope_faults, dashscope_wire
from duihua.providers.client import Client
from duihua.providers.dashscope_models import USUAL, Model, find
from duihua.providers.dashscope_wire import DashScopeAnswer
from duihua.ranges import Range

TEXT = "/services/aigc/text-generation/generation"
MULTIMODAL = dashscope_calls.MULTIMODAL
SSE = (("X-DashScope-SSE", "enable"), ("Accept", "text/event-stream"))

RANGES: Mapping[str, Range] = {
    "temperature": Range("temperature", 0, 2, open_high=True),
    "top_p": Range("top_p", 0, 1, open_low=True),
    "penalty_score": Range("repetition_penalty", 0, 10, open_low=True),
    "presence_penalty": Range("presence_penalty", -2, 2),
    "stop": Range("stop", 0, 16, length=100),
    "max_output_tokens": Range("max_tokens", 1),
    "seed": Range("seed", 0, 2**31 - 1),
    "response_format": Range(
        "response_format", choices=("text", "json_object"), encode=lambda value: {"type": value}
    ),
    "n": Range("n", 1, 4),
}
THINKING = Range("enable_thinking", 0, 1)


class DashScope(Client):
    """Client of the platform's own wire; the base URL ends in `/api/v1`.

    Fields that `ModelOptions.extra` may set go among the `parameters`: `enable_search` with `search_options`
    (`{"enable_source": True}` tells the sources), `thinking_budget`, `top_k`, `tool_choice`...
    """

    name = "dashscope"
    faults = dashscope_faults.NATIVE
    usual = USUAL

    def dialect(self, model: str) -> ChatDialect:
        """The dialect of a model; any name is answered, unknown ones with the smallest limits."""
        return _dialect(find(model))

    def chat_url(self, request: Request) -> str:
        """Models that see or hear have a path of their own."""
        return self.base_url + (MULTIMODAL if find(request.model).multimodal else TEXT)

    def chat_headers(self, *, stream: bool) -> Sequence[tuple[str, str]]:
        """A header, and nothing in the body, asks for a stream."""
        return (*self.headers(), *(SSE if stream else ()))

    def streams(self, request: Request, *, wanted: bool) -> bool:
        """Some models think in streams only."""
        return wanted or streams_only(find(request.model), request)

    def body(self, request: Request, options: dict[str, Any], *, stream: bool) -> bytes:
        """The JSON body, in the form that the model takes."""
        model = find(request.model)
        if model.prompt:
            parameters = {**options, "result_format": "text", "incremental_output": True}
            return dashscope_wire.body(
                model.name, dashscope_wire.prompt_input(request.packed), b"", parameters
            )
        tools = _dialect(model).lower(request.tools)
        parameters = {"parallel_tool_calls": True} if tools else {}
        parameters |= {**options, "result_format": "message"}
        if not tools:
            parameters.pop("tool_choice", None)  # it may name a function that is offered no more
        if stream:
            parameters["incremental_output"] = not (tools and model.whole_calls)
        messages = dashscope_wire.messages_input(request.packed, blocks=model.multimodal)
        return dashscope_wire.body(model.name, messages, tools, parameters)

    def answer(self, request: Request, response: httpx.Response) -> DashScopeAnswer:
        """A reader for one answer."""
        model = find(request.model)
        return DashScopeAnswer(
            self.faults,
            model.name,
            response.headers.get("x-request-id", ""),
            growth="whole" if model.whole_calls and request.tools else "pieces",
            whole="event-stream" not in response.headers.get("content-type", ""),
        )

    # ------------------------------------------------------------ besides chat

    async def complete(
        self, model: str, prompt: str, *, options: Mapping[str, Any], deadline: float
    ) -> Completion:
        """What answers `prompt`, in the prompt form."""
        return await dashscope_calls.complete(self, TEXT, model, prompt, options=options, deadline=deadline)

    async def draw(self, model: str, prompt: str, *, options: Mapping[str, Any], deadline: float) -> Drawing:
        """Images of `prompt`; models that work as tasks are waited for."""
        return await dashscope_calls.draw(self, model, prompt, options=options, deadline=deadline)

    async def start_drawing(
        self, model: str, prompt: str, *, options: Mapping[str, Any], deadline: float
    ) -> Job:
        """Hands a drawing in as a task."""
        return await dashscope_calls.start_drawing(self, model, prompt, options=options, deadline=deadline)

    async def job(self, id: str, *, deadline: float) -> Job:
        """Where a task stands."""
        return await dashscope_calls.job(self, id, deadline=deadline)

    async def embed(
        self, model: str, texts: Sequence[str], *, deadline: float, query: bool = False
    ) -> Embeddings:
        """One vector for each text."""
        return await dashscope_calls.embed(self, model, texts, deadline=deadline, query=query)

    async def count_tokens(self, model: str, text: str, *, deadline: float) -> int:
        """Tokens of `text`, by the models that the platform has a tokenizer for."""
        return await dashscope_calls.count_tokens(self, model, text, deadline=deadline)

    async def list_models(self, *, deadline: float) -> list[Listed]:
        """The models that the platform lists, page by page."""
        return await dashscope_calls.list_models(self, deadline=deadline)

    async def context_length(self, model: str, *, deadline: float) -> int | None:
        """The context length in the platform's list of models."""
        return await dashscope_calls.context_length(self, model, deadline=deadline)


def streams_only(model: Model, request: Request) -> bool:
    """Whether this request can be answered by a stream alone."""
    if not model.stream_only:
        return False
    return model.thinks == "always" or request.options.get("enable_thinking") is not False


def ranges_of(model: Model) -> Mapping[str, Range]:
    """The options of a model; those that always think cannot be told not to."""
    return {**RANGES, "thinking": THINKING} if model.thinks in ("asked", "unless told not to") else RANGES


@lru_cache(maxsize=256)
def _dialect(model: Model) -> ChatDialect:
    return ChatDialect(
        f"dashscope/{model.name}",
        model.soft_limits,
        model.hard_limits,
        alternating=model.prompt,
        system="user" if model.prompt else "message",
        functions=model.functions,
        ranges=ranges_of(model),
        images="dashscope" if model.sees else "none",
    )
