"""Baidu Qianfan, the first wire: `aip.baidubce.com/rpc/2.0/ai_custom/v1/wenxinworkshop`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar

import httpx
import orjson

from duihua.abilities import Ability, Completion, Drawing, Embeddings, Listed
from duihua.dialect import ChatDialect
from duihua.errors import ProviderError
from duihua.ports import Delta, Request
from duihua.providers import qianfan_calls, qianfan_faults, qianfan_plugins
from duihua.providers.auth import Auth
from duihua.providers.calls import Call, fetch
from duihua.providers.exchange import Line, converse, members, patience, post
from duihua.providers.faults import FaultTable
from duihua.providers.qianfan_auth import KeyPair
from duihua.providers.qianfan_models import ORCHESTRATED, Model, family_of, find, is_path
from duihua.providers.qianfan_services import Service
from duihua.providers.qianfan_wire import QianfanAnswer
from duihua.ranges import Range

SERVICE = "/rpc/2.0/ai_custom/v1/wenxinworkshop"
LIST_PATH = "/wenxinworkshop/service/list"
USUAL_OUTPUT = 1024
"""Tokens that an answer is reckoned with when nothing limits it."""
BAD_TOKEN = frozenset({"100", "110", "111"})
NO_SUCH_SERVICE = frozenset({"3", "336005"})
BAD_PARAMETER = "336003"

_RANGES: Mapping[str, Range] = {
    "temperature": Range("temperature", 0, 1, open_low=True),
    "top_p": Range("top_p", 0, 1),
    "penalty_score": Range("penalty_score", 1, 2),
    "stop": Range("stop", 0, 4, length=20),
    "max_output_tokens": Range("max_output_tokens", 2, 2048),
    "frequency_penalty": Range("frequency_penalty", -2, 2),
    "presence_penalty": Range("presence_penalty", -2, 2),
    "response_format": Range("response_format", choices=("text", "json_object")),
}
_LONG_OUTPUT = Range("max_output_tokens", 2, 4096)


class Qianfan:
    """Client of the first wire; `ports.Provider`, with the abilities that its methods say.

    Args:
        transport: carries the requests.
        auth: an access token or a pair of keys.
        base_url: scheme and host.
        keys: where they exist, the platform can be asked for its list of services.
        list_url: scheme and host of that list.
        line: limits, retries, time-outs.
    """

    name = "qianfan"
    faults: ClassVar[FaultTable] = qianfan_faults.V1
    usual: ClassVar[Mapping[Ability, str]] = {
        "complete": "ernie-3.5-8k",
        "embed": "embedding-v1",
        "draw": "stable-diffusion-xl",
        "count_tokens": "ernie-3.5-8k",
    }

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        auth: Auth,
        *,
        base_url: str = "https://aip.baidubce.com",
        keys: KeyPair | None = None,
        list_url: str = "https://qianfan.baidubce.com",
        line: Line | None = None,
    ) -> None:
        self.line = line or Line()
        self._transport, self._auth, self._keys = transport, auth, keys
        self.base_url = base_url.rstrip("/")
        self._base, self._list_url = base_url.rstrip("/") + SERVICE, list_url.rstrip("/") + LIST_PATH
        self._moved: dict[str, str] = {}  # model -> suffix, as the platform lists it
        self.folding: set[str] = set()  # models that were seen to take no system text beside functions

    def dialect(self, model: str) -> ChatDialect:
        """The dialect of a model; any name is answered, unknown ones with the smallest limits."""
        return _dialect(find(model))

    def stream(self, request: Request) -> AsyncIterator[Delta]:
        """One answer; `options["stream"] = False` asks for it as a whole. Raises ProviderError only."""
        return converse(_Chat(self, request), self.line.limiter, self.line.retry.for_request(request))

    async def aclose(self) -> None:
        """Ends what is under way, and every connection if the transport is the provider's own."""
        await self._auth.aclose()
        if self.line.owned:
            await self._transport.aclose()

    async def post(
        self, suffix: str, body: bytes, timeout: Mapping[str, float | None]
    ) -> tuple[httpx.Response, str]:
        """Sends one attempt; returns the opened answer and the token that was used."""
        url, headers, token = await self._auth.prove("POST", self._base + suffix)
        request = post(url, headers, body, timeout)
        return await self._transport.handle_async_request(request), token

    async def renew(self, token: str) -> bool:
        """Replaces a refused token; False if there is none."""
        return await self._auth.renew(token)

    def suffix(self, service: Model | Service) -> str:
        """Where a model or a service is reached.

        Raises:
            ProviderError: not_found, the name cannot stand in a URL.
        """
        suffix = self._moved.get(service.name, service.suffix)
        if not is_path(suffix.lstrip("/")):
            raise ProviderError(
                f"{service.name[:80]!r} cannot be a model's name; `duihua models` lists them",
                provider=self.name,
                category="not_found",
            )
        return suffix

    async def locate(self, service: Model | Service, deadline: float) -> bool:
        """Asks the platform where the model is; True if it is somewhere else than was thought."""
        if self._keys is None:
            return False
        before = self.suffix(service)
        await self._refresh(self._keys, deadline)
        return self.suffix(service) != before

    async def _refresh(self, keys: KeyPair, deadline: float) -> Mapping[str, str]:
        """Takes in where the platform says its services are."""
        found = qianfan_calls.listed(await self._fetch("services", self._list_url, keys, b"{}", deadline))
        self._moved = dict(found)
        return found

    async def _fetch(
        self,
        name: str,
        url: str,
        auth: Auth,
        body: bytes,
        deadline: float,
        tokens: int = 0,
        repeatable: bool = True,
    ) -> Mapping[str, Any]:
        call = Call(
            faults=self.faults,
            key=f"{self.name}/{name}",
            deadline=deadline,
            timeouts=self.line.timeouts,
            transport=self._transport,
            auth=auth,
            expired=lambda error: error.vendor_code in BAD_TOKEN,
            method="POST",
            url=url,
            body=body,
            tokens=tokens,
            repeatable=repeatable,
        )
        return await fetch(call, self.line.limiter, self.line.retry)

    # ------------------------------------------------------------ abilities

    async def call(
        self,
        service: Model | Service,
        body: Mapping[str, Any],
        *,
        deadline: float,
        tokens: int = 0,
        repeatable: bool = True,
    ) -> Mapping[str, Any]:
        """One request and its JSON object, with limits and retries; a service that moved is looked up once.

        Args:
            service: which one.
            body: the fields.
            deadline: loop time.
            tokens: about how many it takes.
            repeatable: False: sent again only if the platform refused it, not if nothing is known of it.

        Raises:
            ProviderError: the platform refused, or did not answer.
        """
        content = b"{" + members(body) + b"}"
        url = self._base + self.suffix(service)
        try:
            return await self._fetch(service.name, url, self._auth, content, deadline, tokens, repeatable)
        except ProviderError as e:
            if e.vendor_code not in NO_SUCH_SERVICE or not await self.locate(service, deadline):
                raise
        url = self._base + self.suffix(service)
        return await self._fetch(service.name, url, self._auth, content, deadline, tokens, repeatable)

    async def complete(
        self, model: str, prompt: str, *, options: Mapping[str, Any], deadline: float
    ) -> Completion:
        """The text that follows `prompt`; a chat model is asked it as a question."""
        return await qianfan_calls.complete(self, model, prompt, options=options, deadline=deadline)

    async def embed(
        self, model: str, texts: Sequence[str], *, deadline: float, query: bool = False
    ) -> Embeddings:
        """One vector for each text; the platform makes no difference between questions and answers."""
        return await qianfan_calls.embed(self, model, texts, deadline=deadline)

    async def draw(self, model: str, prompt: str, *, options: Mapping[str, Any], deadline: float) -> Drawing:
        """Images of `prompt`."""
        return await qianfan_calls.draw(self, model, prompt, options=options, deadline=deadline)

    async def count_tokens(self, model: str, text: str, *, deadline: float) -> int:
        """Tokens of `text`, counted by the platform."""
        return await qianfan_calls.count_tokens(self, model, text, deadline=deadline)

    async def list_models(self, *, deadline: float) -> list[Listed]:
        """The services that the platform lists; from now on they are reached where it says.

        Raises:
            ProviderError: auth, without an access key pair; or the platform refused.
        """
        if self._keys is None:
            raise qianfan_calls.unlisted()
        found = await self._refresh(self._keys, deadline)
        return [Listed(name, family=family_of(name)) for name in found]


class _Chat:
    """One request between its attempts."""

    faults: FaultTable = qianfan_faults.V1

    def __init__(self, provider: Qianfan, request: Request) -> None:
        self._provider, self._request = provider, request
        self._model = find(request.model)
        self.key = f"{provider.name}/{self._model.name}"
        self.deadline = request.deadline
        self._options = dict(request.options)
        self._stream = bool(self._options.pop("stream", provider.line.streaming))
        timeouts = provider.line.timeouts
        self.connect, self.session = timeouts.connect, request.session
        self.patience = patience(request, timeouts.silence if self._stream else timeouts.whole)
        self.tokens = request.packed.tokens + int(self._options.get("max_output_tokens", USUAL_OUTPUT))
        self._tools = _dialect(self._model).lower(request.tools)
        if not self._tools or self._options.get("tool_choice") == "auto":
            self._options.pop("tool_choice", None)  # it must name a function that is offered
        self._folded = bool(self._tools) and self._model.name in provider.folding
        self._folded |= not self._model.family.takes_system
        self._body = self._join()
        self._token = ""
        self._repaired: set[str] = set()

    async def send(self, timeout: Mapping[str, float | None]) -> httpx.Response:
        suffix = self._provider.suffix(self._model)
        response, self._token = await self._provider.post(suffix, self._body, timeout)
        return response

    def answer(self, response: httpx.Response) -> QianfanAnswer:
        id_ = response.headers.get("x-baidu-request-id", "")
        return QianfanAnswer(self._request.model, whole=not self._stream, request_id=id_)

    async def recover(self, error: ProviderError) -> bool:
        code = error.vendor_code
        if code == BAD_PARAMETER and "system" in self._repaired:
            self._provider.folding.discard(self._model.name)  # it was not that
        if code in BAD_TOKEN and self._token and self._first("token"):
            return await self._provider.renew(self._token)
        if code in NO_SUCH_SERVICE and self._first("service"):
            return await self._provider.locate(self._model, self.deadline)
        refused = code == BAD_PARAMETER and self._tools and self._request.packed.system and not self._folded
        if refused and self._first("system"):
            self._folded = True
            self._provider.folding.add(self._model.name)
            self._body = self._join()
            return True
        return False

    def _first(self, repair: str) -> bool:
        if repair in self._repaired:
            return False
        self._repaired.add(repair)
        return True

    def _join(self) -> bytes:
        packed = self._request.packed
        if self._model.family is ORCHESTRATED:
            return qianfan_plugins.body(packed, self._options, stream=self._stream, user=self._request.user)
        messages, system = packed.messages, packed.system
        if system and self._folded:
            messages, system = _with_system(messages, system), b""
        parts = [b'{"messages":[', b",".join(messages), b"]"]
        if system:
            parts += (b',"system":', system)
        if self._stream:
            parts.append(b',"stream":true')
        if self._tools:
            parts += (b',"functions":', self._tools)
        if self._request.user:
            parts += (b',"user_id":', orjson.dumps(self._request.user))
        if self._options:
            parts += (b",", members(self._options))
        parts.append(b"}")
        return b"".join(parts)


def _with_system(messages: tuple[bytes, ...], system: bytes) -> tuple[bytes, ...]:
    """The messages with the system text at the head of the first one."""
    first: dict[str, Any] = orjson.loads(messages[0])
    first["content"] = f"{orjson.loads(system)}\n\n{first.get('content') or ''}"
    return orjson.dumps(first), *messages[1:]


@lru_cache(maxsize=256)
def _dialect(model: Model) -> ChatDialect:
    family = model.family
    limits = {name: _RANGES[name] for name in family.options}
    if model.long:
        limits["max_output_tokens"] = _LONG_OUTPUT
    return ChatDialect(
        f"qianfan/{model.name}",
        model.soft,
        model.hard,
        alternating=True,
        system="field" if family.takes_system else "user",
        calls="function_call",
        functions=family.functions,
        ranges=limits,
        extra=family.extra,
    )
