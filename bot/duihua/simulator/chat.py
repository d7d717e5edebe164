"""An OpenAI-like chat platform: the road of a request, and answers in that wire's form.

A platform subclasses `ChatPlatform` for its paths, keys and errors and `ChatReply` for what its answers hold.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import orjson
from aiohttp import web

from duihua.simulator import brain, gullible, wire
from duihua.simulator.ask import Answer, Ask, cut, estimate
from duihua.simulator.chat_rules import ChatRules, Model, Refused
from duihua.simulator.faults import Fault
from duihua.simulator.traffic import Seen
from duihua.simulator.wire import Desk, as_object, event, json_response


class ChatReply:
    """One answer, or several (`n`), in the wire's form.

    Args:
        desk: what the platforms share.
        model: who answers.
        body: the request.
        fault: what happens to it.
        ask: what the brain is asked.
    """

    flag_finish: ClassVar[str] = "content_filter"
    thinks_by_default: ClassVar[bool] = True

    def __init__(self, desk: Desk, model: Model, body: Mapping[str, Any], fault: Fault, ask: Ask) -> None:
        self.desk, self.model, self.body, self.fault, self.ask = desk, model, body, fault, ask
        self.prompt, self.pieces = ask.prompt, desk.settings.pieces
        self.id, self.created = desk.request_id(), int(desk.now())
        options = as_object(body.get("stream_options")) or {}
        self.with_usage = bool(options.get("include_usage"))
        self.flagged = fault.kind in ("flag", "history")
        self.thinking, self.finish = "", "stop"
        self.calls: list[dict[str, Any]] = []
        self.others: list[str] = []
        if self.flagged:
            self.answer, self.finish = Answer(brain.refusal(ask)), self.flag_finish
            return
        believed = gullible.answer(ask) if desk.settings.gullible else None
        answer = believed or brain.reply(ask, fault)
        most = body.get("max_tokens", body.get("max_completion_tokens"))
        stop = body.get("stop")
        text, truncated = wire.limited(answer.text, [stop] if isinstance(stop, str) else stop, most)
        kind = (as_object(body.get("response_format")) or {}).get("type")
        if kind in ("json_object", "json_schema") and text:
            text = wire.as_json(text)
        self.answer = Answer(text, answer.calls)
        if model.thinks and self.thinks():
            self.thinking = brain.thoughts(ask)
        if fault.kind == "flag-output":
            self.finish = self.flag_finish
        elif answer.calls:
            self.finish = "tool_calls"
        elif truncated:
            self.finish = "length"
        if text and not answer.calls and fault.kind != "flag-output":
            self.others = [f"{text} ({number})" for number in range(2, int(body.get("n") or 1) + 1)]
        self.calls = [
            {
                "id": self.call_id(),
                "type": "function",
                "function": {"name": c.name, "arguments": c.arguments},
            }
            for c in answer.calls
        ]
        if self.thinking and model.aloud:
            said = f"<think>\n{self.thinking}\n</think>\n\n{text}"
            self.answer, self.thinking = Answer(said, answer.calls), ""

    def thinks(self) -> bool:
        """Whether a thinking model thinks about this request."""
        return bool(self.body.get("enable_thinking", self.thinks_by_default))

    def call_id(self) -> str:
        """The id of a call."""
        return f"call_{self.desk.number():08x}"

    # ------------------------------------------------------------ whole

    def whole(self) -> bytes:
        """The body of an answer without a stream."""
        choices = [self.choice()]
        choices += [
            {"index": i, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            for i, text in enumerate(self.others, 1)
        ]
        data = orjson.dumps({**self.head(), "choices": choices, "usage": self.usage(), **self.extras()})
        return data[: len(data) // 2] if self.fault.kind == "malformed" else data

    def choice(self) -> dict[str, Any]:
        """The first choice of a whole answer."""
        message: dict[str, Any] = {"role": "assistant", "content": self.answer.text}
        if self.thinking:
            message["reasoning_content"] = self.thinking
        if self.calls:
            message["tool_calls"] = self.calls
        return {"index": 0, "message": message, "finish_reason": self.finish}

    def extras(self) -> dict[str, Any]:
        """Further fields of the last chunk, or of a whole answer."""
        return {}

    # ------------------------------------------------------------ streamed

    def frames(self) -> list[bytes]:
        """The events of a stream: role, thoughts, text, calls, the finish, usage if wanted, the end mark."""
        frames = [self.chunk({"role": "assistant", "content": ""})]
        frames += [self.chunk({"reasoning_content": p}) for p in self.cut(self.thinking)]
        pieces = self.cut(self.answer.text)
        if self.fault.kind == "flag-output":
            pieces = pieces[: max(1, len(pieces) // 2)]
        frames += [self.chunk({"content": p}) for p in pieces]
        frames += self.call_frames()
        frames += [self.chunk({"content": t}, index=i) for i, t in enumerate(self.others, 1)]
        if self.fault.kind == "malformed":
            return [*frames[: (len(frames) + 1) // 2], wire.BROKEN]
        return [*frames, *self.ending()]

    def call_frames(self) -> list[bytes]:
        """Calls in pieces: the name first, then the arguments."""
        frames: list[bytes] = []
        for i, call in enumerate(self.calls):
            function = {"name": call["function"]["name"], "arguments": ""}
            frames.append(self.chunk({"tool_calls": [{"index": i, **call, "function": function}]}))
            for piece in self.cut(call["function"]["arguments"]):
                frames.append(self.chunk({"tool_calls": [{"index": i, "function": {"arguments": piece}}]}))
        return frames

    def ending(self) -> list[bytes]:
        """The last events."""
        frames = [self.chunk({}, finish=self.finish)]
        frames += [self.chunk({}, finish="stop", index=i) for i in range(1, len(self.others) + 1)]
        if self.with_usage:
            frames.append(event({**self.head(), "choices": [], "usage": self.usage()}))
        return [*frames, b"data: [DONE]\n\n"]

    def chunk(self, delta: Mapping[str, Any], *, finish: str | None = None, index: int = 0) -> bytes:
        """One event of a stream."""
        choice = {"index": index, "delta": delta, "finish_reason": finish}
        usage: dict[str, Any] = {"usage": None} if self.with_usage else {}
        return event({**self.head(stream=True), "choices": [choice], **usage})

    # ------------------------------------------------------------ parts

    def cut(self, text: str) -> list[str]:
        """A text in pieces."""
        return cut(text, self.pieces) if text else []

    def head(self, *, stream: bool = False) -> dict[str, Any]:
        """The fields that begin each object."""
        kind = "chat.completion.chunk" if stream else "chat.completion"
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model.name}

    def usage(self) -> dict[str, Any]:
        """What the answer took."""
        reasoning = estimate(self.thinking)
        said = estimate(self.answer.text) + sum(estimate(c.name + c.arguments) for c in self.answer.calls)
        usage: dict[str, Any] = {
            "prompt_tokens": self.prompt,
            "completion_tokens": said + reasoning,
            "total_tokens": self.prompt + said + reasoning,
        }
        if reasoning:
            usage["completion_tokens_details"] = {"reasoning_tokens": reasoning}
        return usage


class ChatPlatform(ABC):
    """A simulated platform over the shared desk.

    Attributes:
        name: as in `provider/model`; requests are counted under it.
        title: for people.
        base: the path under which its API lives.
        rules: how a chat request is read.
        reply: the form of answers.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    base: ClassVar[str]
    rules: ClassVar[ChatRules] = ChatRules()
    reply: ClassVar[type[ChatReply]] = ChatReply

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def routes(self) -> list[web.RouteDef]:
        """Where it answers."""
        return [web.route("*", f"{self.base}/chat/completions", self.chat)]

    @abstractmethod
    def settings(self, url: str) -> dict[str, str]:
        """Environment settings that point a program at it; `url` is the simulator's address."""

    # ------------------------------------------------------------ what platforms differ in

    @abstractmethod
    def key(self) -> str:
        """The key that is accepted."""

    def authorize(self, request: web.Request) -> None:
        """Raises Refused unless the request proves who asks."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or token.strip() != self.key():
            raise self.unauthorized()

    def unauthorized(self) -> Refused:
        """A wrong key, or none."""
        return Refused(401, "invalid_api_key", "Incorrect API key provided", "authentication_error")

    def limited(self, what: str) -> Refused:
        """Too many `requests` or `tokens`."""
        return Refused(429, "rate_limit_exceeded", f"Rate limit reached for {what}", what)

    def overloaded(self) -> Refused:
        """Too much to do."""
        return Refused(503, "overloaded", "The server is overloaded, try again later", "server_error")

    def expired(self, request: web.Request) -> Refused:
        """The key has just ended."""
        return self.unauthorized()

    def flag(self, seen: Seen, request: web.Request, fault: Fault) -> web.StreamResponse | None:
        """An answer to flagged content that is no chat answer; None: the reply tells it."""
        return None

    def malformed_body(self) -> Refused:
        """The body is no JSON."""
        return Refused(400, "invalid_json", "We could not parse the JSON body of your request")

    def wrong_method(self) -> Refused:
        """Not a POST."""
        return Refused(405, "method_not_supported", "Only POST requests are accepted")

    def account(self, model: str) -> str:
        """Whose rate limits count."""
        return f"{self.name}/{model}"

    def headers(self, model: str) -> dict[str, str]:
        """Headers of every chat answer."""
        return {"x-request-id": self.desk.request_id()}

    def error(self, seen: Seen, error: Refused) -> web.Response:
        """The body of an error."""
        seen.outcome = error.code
        fault = {"message": error.text, "type": error.type, "param": None, "code": error.code, **error.more}
        return json_response({"error": fault}, error.status, {"x-request-id": self.desk.request_id()})

    def prepare(self, request: web.Request, body: Any) -> Any:
        """The body as the rules read it (paths may name the model)."""
        return body

    # ------------------------------------------------------------ chat

    async def opened(self, request: web.Request, seen: Seen) -> Any:
        """The JSON body of an authorized POST. Raises Refused."""
        if request.method != "POST":
            raise self.wrong_method()
        self.authorize(request)
        try:
            return await wire.read_body(request, seen)
        except ValueError:
            raise self.malformed_body() from None

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Answers a list of messages, whole or as a stream."""
        seen = self.desk.traffic.saw(self.name, request)
        try:
            body = self.prepare(request, await self.opened(request, seen))
            ask, model = self.rules.read(body)
            seen.model = model.name
            return await self._answer(request, seen, ask, body, model)
        except Refused as e:
            if e.excess:
                self.desk.traffic.measured(f"{self.name}/{e.excess.model}", *e.excess[1:], refused=True)
            return self.error(seen, e)

    async def _answer(
        self, request: web.Request, seen: Seen, ask: Ask, body: Mapping[str, Any], model: Model
    ) -> web.StreamResponse:
        ask = brain.prepared(ask, self.desk.settings.clock())
        user, tokens = str(body.get("user", "")), ask.prompt
        self.desk.traffic.measured(f"{self.name}/{model.name}", tokens, model.tokens)
        fault, answer = await self.meet(request, seen, ask, user=user, model=model.name, tokens=tokens)
        if answer is not None:
            return answer
        if fault.kind in ("flag", "history", "flag-output"):
            flagged = self.flag(seen, request, fault)
            if flagged is not None:
                return flagged
        reply = self.reply(self.desk, model, body, fault, ask)
        return await self.send(request, reply, streamed=bool(body.get("stream")))

    async def meet(
        self, request: web.Request, seen: Seen, ask: Ask, *, user: str, model: str, tokens: int
    ) -> tuple[Fault, web.StreamResponse | None]:
        """The fault of a request, and the answer if the fault leaves nothing else to say.

        Raises:
            Refused: the fault, or the rate limit.
        """
        fault = self.desk.faults.take(ask, self.name, user)
        seen.outcome = fault.kind or "ok"
        match fault.kind:
            case "down":
                return fault, wire.down()
            case "timeout":
                return fault, await wire.never()
            case "ratelimit":
                raise self.limited("requests")
            case "overload":
                raise self.overloaded()
            case "expire":
                raise self.expired(request)
            case _:
                pass
        if passed := self.desk.rates.take(self.account(model), tokens, self.desk.now()):
            raise self.limited(passed)
        return fault, None

    async def send(self, request: web.Request, reply: ChatReply, *, streamed: bool) -> web.StreamResponse:
        """Sends the answer as the fault wants it: whole, slow, cut."""
        headers, fault = self.headers(reply.model.name), reply.fault
        if streamed:
            frames = reply.frames()
            pause = fault.number / 1000 if fault.kind == "slow" else 0.0
            cut_after = len(frames) // 2 if fault.kind == "cut" else None
            return await wire.stream(request, frames, headers, pause=pause, cut_after=cut_after)
        whole = reply.whole()
        if fault.kind == "cut":
            return await wire.half(request, whole, headers)
        await wire.wait(fault)
        return wire.whole(whole, headers)
