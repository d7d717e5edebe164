"""Baidu Qianfan, the second wire: `qianfan.baidubce.com/v2`, like OpenAI's with flags of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Literal

import httpx

from duihua.abilities import Ability, Drawing, Embeddings, Listed
from duihua.dialect import ChatDialect
from duihua.errors import ProviderError
from duihua.ports import Flagged, Request
from duihua.providers import openai_calls, qianfan_faults, qianfan_services
from duihua.providers.client import Client
from duihua.providers.openai_wire import ChatAnswer, chat_body
from duihua.providers.qianfan_models import family_of
from duihua.providers.qianfan_v2_models import Model, find
from duihua.ranges import Range

BAD_TOKEN = frozenset({"invalid_iam_token", "invalid_token"})

_RANGES: Mapping[str, Range] = {
    "temperature": Range("temperature", 0, 2),
    "top_p": Range("top_p", 0, 1),
    "penalty_score": Range("penalty_score", 1, 2),
    "stop": Range("stop", 0, 4, length=20),
    "max_output_tokens": Range("max_tokens", 2),
    "frequency_penalty": Range("frequency_penalty", -2, 2),
    "presence_penalty": Range("presence_penalty", -2, 2),
    "seed": Range("seed", 0, 2**31 - 1, open_low=True, open_high=True),
    "response_format": Range(
        "response_format", choices=("text", "json_object"), encode=lambda value: {"type": value}
    ),
    "thinking": Range("enable_thinking", 0, 1),
}


class QianfanV2(Client):
    """Client of the second wire; the base URL ends in `/v2`."""

    name = "qianfan-v2"
    faults = qianfan_faults.V2
    usual: Mapping[Ability, str] = {"embed": "embedding-v1", "draw": "irag-1.0"}

    def dialect(self, model: str) -> ChatDialect:
        """The dialect of a model; any name is answered, unknown ones with the smallest limits."""
        return _dialect(find(model))

    def key(self, model: str) -> str:
        """Whose rate limits count."""
        return f"{self.name}/{find(model).name}"

    def body(self, request: Request, options: dict[str, Any], *, stream: bool) -> bytes:
        """The JSON body; the platform is told the user's opaque id."""
        model = find(request.model)
        if request.user:
            options["user"] = request.user
        tools = _dialect(model).lower(request.tools)
        return chat_body(model.name, request.packed, tools, options, stream=stream)

    def answer(self, request: Request, response: httpx.Response) -> ChatAnswer:
        """A reader for one answer."""
        id_ = response.headers.get("x-baidu-request-id", "")
        return QianfanV2Answer(self.faults, find(request.model).name, id_)

    def expired(self, error: ProviderError) -> bool:
        """Whether the bearer was refused."""
        return error.vendor_code in BAD_TOKEN

    async def embed(
        self, model: str, texts: Sequence[str], *, deadline: float, query: bool = False
    ) -> Embeddings:
        """One vector for each text; the platform makes no difference between questions and answers."""
        service = qianfan_services.find("embed", model)
        return await openai_calls.embed(self, service.name, texts, deadline=deadline, rows=service.rows)

    async def draw(self, model: str, prompt: str, *, options: Mapping[str, Any], deadline: float) -> Drawing:
        """Images of `prompt`; the platform keeps them for some time."""
        return await openai_calls.draw(self, model, prompt, options=options, deadline=deadline)

    async def list_models(self, *, deadline: float) -> list[Listed]:
        """The models that the platform lists."""
        listed = await openai_calls.list_models(self, deadline=deadline)
        return [replace(model, family=family_of(model.name)) for model in listed]


class QianfanV2Answer(ChatAnswer):
    """Adds `flag` and `ban_round`, and the older `need_clear_history`, which stand in the choice."""

    _noted = False

    def flagged(self, body: Mapping[str, Any], choice: Mapping[str, Any]) -> tuple[Flagged, bool] | None:
        """Flags: 1 low risk, may go on; 2 stop; 3 stop, not to be shown; 4 take back what was shown."""
        flag = choice.get("flag")
        flag = flag if isinstance(flag, int) else 0
        cleared = bool(choice.get("need_clear_history") or body.get("need_clear_history"))
        if flag <= 0 and not cleared:
            return None
        round_ = choice.get("ban_round", body.get("ban_round"))
        if not isinstance(round_, int) or isinstance(round_, bool):
            round_ = None
        if flag == 1 and not cleared:
            if self._noted:
                return None
            self._noted = True
            return Flagged(self._side(round_), round_, stop=False), True
        retract = self.said and (flag >= 3 or cleared)
        side = "output" if flag == 4 and round_ is None else self._side(round_)
        return Flagged(side, round_, retract=retract), flag == 2 and not cleared

    def _side(self, round_: int | None) -> Literal["input", "output", "history"]:
        if round_ is None:
            return "output" if self.said else "input"
        return "history" if round_ >= 0 else "input"


@lru_cache(maxsize=256)
def _dialect(model: Model) -> ChatDialect:
    return ChatDialect(
        f"qianfan-v2/{model.name}",
        model.soft,
        model.hard,
        functions=model.functions,
        ranges={name: value for name, value in _RANGES.items() if name not in model.lacks},
        images="data_url" if model.sees else "none",
    )
