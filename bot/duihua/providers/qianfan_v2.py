"""Baidu Qianfan, the second wire: `qianfan.baidubce.com/v2`, like OpenAI's with flags of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from functools import lru_cache
from typing import Any, Literal

import httpx

from duihua.dialect import ChatDialect
from duihua.errors import ProviderError
from duihua.ports import Delta, Flagged, Limiter, Request
from duihua.providers import qianfan_faults
from duihua.providers.exchange import SILENCE, WHOLE, converse, post
from duihua.providers.faults import FaultTable
from duihua.providers.openai_wire import ChatAnswer, chat_body
from duihua.providers.qianfan_auth import Auth
from duihua.providers.qianfan_v2_models import Model, find
from duihua.providers.retry import Retry
from duihua.ranges import Range

USUAL_OUTPUT = 1024
"""Tokens that an answer is reckoned with when nothing limits it."""
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


class QianfanV2:
    """Client of the second wire; `ports.Provider`.

    Args:
        transport: carries the requests.
        auth: a bearer key, or a bearer minted from a pair of keys.
        base_url: ends in `/v2`.
        limiter: keeps within the platform's rate limits; None: nothing does.
        retry: when and how to try again.
        streaming: False asks for whole answers; the deltas are the same, only fewer.
        owned: the transport is nobody else's: it is closed with the provider.
    """

    name = "qianfan-v2"

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        auth: Auth,
        *,
        base_url: str = "https://qianfan.baidubce.com/v2",
        limiter: Limiter | None = None,
        retry: Retry | None = None,
        streaming: bool = True,
        owned: bool = False,
    ) -> None:
        self.streaming, self._owned = streaming, owned
        self.transport, self.auth = transport, auth
        self.url = base_url.rstrip("/") + "/chat/completions"
        self._limiter, self._retry = limiter, retry or Retry()

    def dialect(self, model: str) -> ChatDialect:
        """The dialect of a model; any name is answered, unknown ones with the smallest limits."""
        return _dialect(find(model))

    def stream(self, request: Request) -> AsyncIterator[Delta]:
        """One answer; `options["stream"] = False` asks for it as a whole. Raises ProviderError only."""
        return converse(_Chat(self, request), self._limiter, self._retry)

    async def aclose(self) -> None:
        """Ends what is under way, and every connection if the transport is the provider's own."""
        await self.auth.aclose()
        if self._owned:
            await self.transport.aclose()


class _Chat:
    """One request between its attempts."""

    faults: FaultTable = qianfan_faults.V2

    def __init__(self, provider: QianfanV2, request: Request) -> None:
        model = find(request.model)
        options = dict(request.options)
        stream = bool(options.pop("stream", provider.streaming))
        if request.user:
            options["user"] = request.user
        self._provider, self._name = provider, model.name
        self.key = f"{provider.name}/{model.name}"
        self.deadline = request.deadline
        self.patience = SILENCE if stream else WHOLE
        self.tokens = request.packed.tokens + int(options.get("max_tokens", USUAL_OUTPUT))
        tools = _dialect(model).lower(request.tools)
        self._body = chat_body(model.name, request.packed, tools, options, stream=stream)
        self._token = ""
        self._renewed = False

    async def send(self, timeout: Mapping[str, float | None]) -> httpx.Response:
        url, headers, self._token = await self._provider.auth.prove("POST", self._provider.url)
        request = post(url, headers, self._body, timeout)
        return await self._provider.transport.handle_async_request(request)

    def answer(self, response: httpx.Response) -> ChatAnswer:
        return QianfanV2Answer(self.faults, self._name, response.headers.get("x-baidu-request-id", ""))

    async def recover(self, error: ProviderError) -> bool:
        if error.vendor_code not in BAD_TOKEN or not self._token or self._renewed:
            return False
        self._renewed = True
        return await self._provider.auth.renew(self._token)


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
        return Flagged(self._side(round_), round_, retract=retract), flag == 2 and not cleared

    def _side(self, round_: int | None) -> Literal["input", "output", "history"]:
        if round_ is None:
            return "output" if self.said else "input"
        return "history" if round_ >= 0 else "input"


@lru_cache(maxsize=256)
def _dialect(model: Model) -> ChatDialect:
    options = {
        name: value for name, value in _RANGES.items() if name != "penalty_score" or model.takes_penalty
    }
    return ChatDialect(
        f"qianfan-v2/{model.name}", model.soft, model.hard, functions=model.functions, ranges=options
    )
