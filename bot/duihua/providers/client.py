"""What the clients of OpenAI-like platforms share: one chat exchange, and calls with one JSON answer.

A platform subclasses `Client` and says what is its own: the dialect, the body, the reader of answers, the
table of faults. What it can do besides chat are methods of the ability Protocols (`duihua.abilities`), most
of them one line over `openai_calls`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import httpx
import orjson

from duihua.abilities import Ability
from duihua.dialect import ChatDialect
from duihua.errors import ProviderError
from duihua.ports import Delta, Request
from duihua.providers.auth import Auth
from duihua.providers.calls import Call, fetch
from duihua.providers.exchange import Answer, Line, converse, patience, post
from duihua.providers.faults import FaultTable
from duihua.providers.openai_wire import ChatAnswer, chat_body

USUAL_OUTPUT = 1024
"""Tokens that an answer is reckoned with when nothing limits it."""


class Client(ABC):
    """Client of an OpenAI-like platform; `ports.Provider`.

    Args:
        transport: carries the requests.
        auth: proves who asks.
        base_url: what the paths are appended to.
        line: limits, retries, time-outs.
    """

    name: ClassVar[str]
    faults: ClassVar[FaultTable]
    usual: Mapping[Ability, str] = MappingProxyType({})

    def __init__(
        self, transport: httpx.AsyncBaseTransport, auth: Auth, *, base_url: str, line: Line | None = None
    ) -> None:
        self.transport, self.auth, self.line = transport, auth, line or Line()
        self.base_url = base_url.rstrip("/")

    @abstractmethod
    def dialect(self, model: str) -> ChatDialect:
        """The dialect of a model; any name is answered."""
        ...

    def stream(self, request: Request) -> AsyncIterator[Delta]:
        """One answer; `options["stream"] = False` asks for it as a whole. Raises ProviderError only."""
        return converse(ChatExchange(self, request), self.line.limiter, self.line.retry.for_request(request))

    async def aclose(self) -> None:
        """Ends what is under way, and every connection if the transport is the client's own."""
        await self.auth.aclose()
        if self.line.owned:
            await self.transport.aclose()

    # ------------------------------------------------------------ what platforms differ in

    def key(self, model: str) -> str:
        """Whose rate limits count."""
        return f"{self.name}/{model}"

    def chat_url(self, request: Request) -> str:
        """Where a chat request goes."""
        return f"{self.base_url}/chat/completions"

    def body(self, request: Request, options: dict[str, Any], *, stream: bool) -> bytes:
        """The JSON body of a chat request; `options` are a copy of the request's, without `stream`."""
        tools = self.dialect(request.model).lower(request.tools)
        return chat_body(request.model, request.packed, tools, options, stream=stream)

    def answer(self, request: Request, response: httpx.Response) -> Answer:
        """A reader for one answer."""
        return ChatAnswer(self.faults, request.model, response.headers.get("x-request-id", ""))

    def expired(self, error: ProviderError) -> bool:
        """Whether the platform refused the token, so that a new one may help."""
        return False

    def learns(self, request: Request, error: ProviderError) -> bool:
        """Whether a refusal of a chat request taught how else to ask: its body is made anew, and sent."""
        return False

    def headers(self) -> Sequence[tuple[str, str]]:
        """Headers of every request."""
        return ()

    def chat_headers(self, *, stream: bool) -> Sequence[tuple[str, str]]:
        """Headers of a chat request."""
        return self.headers()

    def streams(self, request: Request, *, wanted: bool) -> bool:
        """Whether a chat request asks for a stream: some models answer in no other way."""
        return wanted

    # ------------------------------------------------------------ calls with one JSON answer

    async def call(
        self,
        path: str,
        body: Mapping[str, Any] | bytes | None = None,
        *,
        model: str,
        deadline: float,
        method: str = "POST",
        tokens: int = 0,
        headers: Sequence[tuple[str, str]] = (),
        repeatable: bool = True,
    ) -> Mapping[str, Any]:
        """One request and its JSON object, with limits and retries.

        Args:
            path: behind the base URL, or a whole URL.
            body: JSON fields, or ready bytes with a content type in `headers`.
            model: for the rate limits.
            deadline: loop time.
            method: of HTTP.
            tokens: about how many it takes.
            headers: besides the usual ones.
            repeatable: False: sent again only if the platform refused it, not if nothing is known of it.

        Raises:
            ProviderError: the platform refused, or did not answer.
        """
        content = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        call = Call(
            faults=self.faults,
            key=self.key(model),
            deadline=deadline,
            timeouts=self.line.timeouts,
            transport=self.transport,
            auth=self.auth,
            expired=self.expired,
            method=method,
            url=path if "://" in path else self.base_url + path,
            headers=(*self.headers(), *headers),
            body=content,
            tokens=tokens,
            repeatable=repeatable,
        )
        return await fetch(call, self.line.limiter, self.line.retry)


class ChatExchange:
    """One chat request between its attempts; `exchange.Exchange`."""

    def __init__(self, client: Client, request: Request) -> None:
        self._options = options = dict(request.options)
        wanted = bool(options.pop("stream", client.line.streaming))
        self.streamed = client.streams(request, wanted=wanted)
        self.client, self.request = client, request
        self.faults, self.deadline = client.faults, request.deadline
        self.key = client.key(request.model)
        self.session = request.session
        timeouts = client.line.timeouts
        self.connect = timeouts.connect
        self.patience = patience(request, timeouts.silence if self.streamed else timeouts.whole)
        most = options.get("max_tokens") or options.get("max_completion_tokens")
        self.tokens = request.packed.tokens + (most if isinstance(most, int) else USUAL_OUTPUT)
        self._body = self._made()
        self._token = ""
        self._renewed = False

    async def send(self, timeout: Mapping[str, float | None]) -> httpx.Response:
        """Sends it, with a fresh proof of who asks."""
        url, headers, self._token = await self.client.auth.prove("POST", self.client.chat_url(self.request))
        more = self.client.chat_headers(stream=self.streamed)
        request = post(url, [*headers, *more], self._body, timeout)
        return await self.client.transport.handle_async_request(request)

    def answer(self, response: httpx.Response) -> Answer:
        """A reader for this answer."""
        return self.client.answer(self.request, response)

    async def recover(self, error: ProviderError) -> bool:
        """Renews a refused token, once; asks otherwise if the client has learnt to."""
        if self.client.learns(self.request, error):
            before, self._body = self._body, self._made()
            return self._body != before
        if self._renewed or not self._token or not self.client.expired(error):
            return False
        self._renewed = True
        return await self.client.auth.renew(self._token)

    def _made(self) -> bytes:
        return self.client.body(self.request, dict(self._options), stream=self.streamed)
