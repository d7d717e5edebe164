"""Zhipu GLM on loopback: chat with both ways of authentication, work in the background, and its services.

The wire is like OpenAI's, with flagged content as a finish reason or an error that names whose text it was.
Source: the platform's public pages, and recorded answers.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from aiohttp import web

from duihua.simulator import brain, wire, zhipu_calls
from duihua.simulator.ask import Ask, Message
from duihua.simulator.chat import ChatPlatform, ChatReply
from duihua.simulator.chat_rules import Refused
from duihua.simulator.drawing import png
from duihua.simulator.faults import Fault
from duihua.simulator.traffic import Seen
from duihua.simulator.wire import Desk, as_object, json_response
from duihua.simulator.zhipu_models import FAILS, SERVED_BY
from duihua.simulator.zhipu_reply import ZhipuReply
from duihua.simulator.zhipu_rules import ZhipuRules

POLLS = 2
"""How often work in the background is asked for until it is done."""


@dataclass(slots=True)
class Task:
    """Work in the background, and how often it was asked for."""

    shell: dict[str, Any]
    result: dict[str, Any]
    asked: int = 0


class Zhipu(ChatPlatform):
    """The platform, over the shared desk."""

    name = "zhipu"
    title = "Zhipu GLM"
    base = "/zhipu/api/paas/v4"
    rules = ZhipuRules()
    reply = ZhipuReply

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.tasks: dict[str, Task] = {}
        self.pictures: dict[str, bytes] = {}
        self.request_ids: set[str] = set()

    def routes(self) -> list[web.RouteDef]:
        """Where it answers."""
        return [
            *super().routes(),
            web.post(f"{self.base}/async/chat/completions", self.chat),
            web.get(f"{self.base}/async-result/{{id}}", self.task),
            web.post(f"{self.base}/images/generations", self.draw),
            web.post(f"{self.base}/async/images/generations", self.draw),
            web.get("/zhipu/files/{name}", self.picture),
            web.post(f"{self.base}/embeddings", self.embed),
            web.post(f"{self.base}/moderations", self.moderate),
            web.post(f"{self.base}/tokenizer", self.count),
        ]

    def settings(self, url: str) -> dict[str, str]:
        """Environment settings that point a program here."""
        return {"ZHIPU_API_KEY": self.key(), "ZHIPU_BASE_URL": f"{url}{self.base}"}

    # ------------------------------------------------------------ who asks

    def key(self) -> str:
        """The key that is accepted, as it is or as what signs a token."""
        return self.desk.settings.keys.zhipu

    def authorize(self, request: web.Request) -> None:
        """The key as bearer, or a token signed with it, with or without the word."""
        given = request.headers.get("Authorization", "").strip()
        kind, _, rest = given.partition(" ")
        token = rest.strip() if kind.lower() == "bearer" else given
        if not token:
            raise Refused(401, "1001", "no Authorization header was received")
        if token.count(".") == 2:
            self._check_token(token)
        elif token != self.key():
            raise self.unauthorized()

    def _check_token(self, token: str) -> None:
        text, _, signature = token.rpartition(".")
        id_, _, secret = self.key().partition(".")
        wanted = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
        try:
            header, payload = (as_object(orjson.loads(_decoded(p))) or {} for p in text.split("."))
            good = hmac.compare_digest(_decoded(signature), wanted)
        except (binascii.Error, orjson.JSONDecodeError):
            raise Refused(401, "1002", "the token cannot be read") from None
        if not good or header.get("alg") != "HS256" or header.get("sign_type") != "SIGN":
            raise self.unauthorized()
        if payload.get("api_key") != id_ or not isinstance(payload.get("timestamp"), int):
            raise self.unauthorized()
        ends = payload.get("exp")  # in milliseconds: a time in seconds is long past
        if not isinstance(ends, int) or ends <= self.desk.now() * 1000:
            raise Refused(401, "1003", "the token has expired")

    # ------------------------------------------------------------ errors

    def unauthorized(self) -> Refused:
        """A wrong key."""
        return Refused(401, "1000", "authentication failed")

    def expired(self, request: web.Request) -> Refused:
        """The token has just ended."""
        return Refused(401, "1003", "the token has expired")

    def limited(self, what: str) -> Refused:
        """Too much at once, or in this minute."""
        if what == "requests":
            return Refused(429, "1302", "too many requests at the same time")
        return Refused(429, "1303", "too many requests in a short time")

    def overloaded(self) -> Refused:
        """Too much to do."""
        return Refused(429, "1305", "the model is visited too much at the moment, try again later")

    def malformed_body(self) -> Refused:
        """The body is no JSON."""
        return Refused(400, "1210", "the parameters cannot be read")

    def wrong_method(self) -> Refused:
        """Not a POST."""
        return Refused(405, "1212", "the method is not supported")

    def sensitive(self, role: Literal["user", "assistant", "history"]) -> Refused:
        """Flagged content; whose it is stands beside the error."""
        text = "the system has detected content that may be unsafe or sensitive"
        return Refused(400, "1301", text, contentFilter=[{"level": 1, "role": role}])

    def error(self, seen: Seen, error: Refused) -> web.Response:
        """The body of an error."""
        seen.outcome = error.code
        body = {**error.more, "error": {"code": error.code, "message": error.text}}
        return json_response(body, error.status)

    def headers(self, model: str) -> dict[str, str]:
        """Nothing of note."""
        return {}

    # ------------------------------------------------------------ chat

    def prepare(self, request: web.Request, body: Any) -> Any:
        """The fields that are set; a request's own id must be new."""
        fields = as_object(body)
        if fields is None:
            return body
        fields = _given(fields)
        if _is_later(request) and ("stream" in fields or "tool_stream" in fields):
            raise Refused(400, "1210", "stream is not supported")
        self._check_request_id(fields)
        return fields

    def flag(self, seen: Seen, request: web.Request, fault: Fault) -> web.StreamResponse | None:
        """Flagged content is an error, but for a stream, which has begun."""
        if fault.kind == "history":
            raise self.sensitive("history")
        if (as_object(seen.body) or {}).get("stream"):
            return None
        raise self.sensitive("user" if fault.kind == "flag" else "assistant")

    async def send(self, request: web.Request, reply: ChatReply, *, streamed: bool) -> web.StreamResponse:
        """Sends the answer, or keeps it for those who ask for it."""
        if not _is_later(request):
            return await super().send(request, reply, streamed=streamed)
        asked = reply.model.name
        served = SERVED_BY.get(asked, asked)
        whole: dict[str, Any] = orjson.loads(reply.whole())
        del whole["object"]
        shell = {"id": reply.id, "request_id": whole["request_id"], "model": asked}
        return self._begin(shell, {**whole, "model": served}, fails=asked in FAILS)

    # ------------------------------------------------------------ work in the background

    def _begin(self, shell: dict[str, Any], result: dict[str, Any], *, fails: bool = False) -> web.Response:
        status = "FAIL" if fails else "SUCCESS"
        done = {**shell, **({} if fails else result), "task_status": status}
        self.tasks[str(shell["id"])] = Task({**shell, "task_status": "PROCESSING"}, done)
        return json_response({**shell, "task_status": "PROCESSING"})

    async def task(self, request: web.Request) -> web.StreamResponse:
        """Where work in the background stands."""
        seen = self.desk.traffic.saw(self.name, request)
        try:
            self.authorize(request)
            task = self.tasks.get(request.match_info["id"])
            if task is None:
                raise Refused(404, "1222", "the task does not exist")
        except Refused as e:
            return self.error(seen, e)
        task.asked += 1
        seen.outcome = "ok"
        return json_response(task.shell if task.asked < POLLS else task.result)

    # ------------------------------------------------------------ the rest

    async def draw(self, request: web.Request) -> web.StreamResponse:
        """Draws one image, at once or later."""

        def drawn(fields: Mapping[str, Any]) -> web.Response:
            later = _is_later(request)
            prompt, width, height = zhipu_calls.drawing(fields, later=later)
            id_ = self.desk.request_id()
            name = f"{id_}.png"
            self.pictures[name] = png(prompt, width, height)
            images = [{"url": f"{request.scheme}://{request.host}/zhipu/files/{name}"}]
            if later:
                shell = {"id": id_, "request_id": fields.get("request_id", id_), "model": fields["model"]}
                return self._begin(shell, {"image_result": images})
            filters = [{"role": "assistant", "level": 3}]
            whole = {"created": int(self.desk.now()), "data": images, "content_filter": filters}
            return json_response({**whole, "id": id_, "request_id": fields.get("request_id", id_)})

        return await self._serve(request, "prompt", drawn)

    async def picture(self, request: web.Request) -> web.StreamResponse:
        """An image that was drawn."""
        data = self.pictures.get(request.match_info["name"])
        if data is None:
            raise web.HTTPNotFound
        return web.Response(body=data, content_type="image/png")

    async def embed(self, request: web.Request) -> web.StreamResponse:
        """Vectors of texts."""
        return await self._serve(request, "input", lambda f: json_response(zhipu_calls.embeddings(f)))

    async def moderate(self, request: web.Request) -> web.StreamResponse:
        """Judges texts."""
        return await self._serve(request, "", lambda f: self._told(zhipu_calls.judgements(f)))

    async def count(self, request: web.Request) -> web.StreamResponse:
        """Counts tokens."""
        return await self._serve(request, "", lambda f: self._told(zhipu_calls.count(self.rules, f)))

    def _told(self, answer: dict[str, Any]) -> web.Response:
        id_ = self.desk.request_id()
        return json_response({"id": id_, "created": int(self.desk.now()), "request_id": id_, **answer})

    async def _serve(
        self, request: web.Request, spoken: str, work: Callable[[Mapping[str, Any]], web.Response]
    ) -> web.StreamResponse:
        """Answers a request with `work`; the field `spoken` may hold a fault, like a message of a chat."""
        seen = self.desk.traffic.saw(self.name, request)
        try:
            body = await self.opened(request, seen)
            fields = _given(as_object(body) or {})
            self._check_request_id(fields)
            text = fields.get(spoken)
            ask = Ask((Message("user", text if isinstance(text, str) else ""),))
            fault = self.desk.faults.take(brain.prepared(ask, self.desk.settings.clock()), self.name)
            seen.outcome = fault.kind or "ok"
            match fault.kind:
                case "down":
                    return wire.down()
                case "timeout":
                    return await wire.never()
                case "ratelimit":
                    raise self.limited("requests")
                case "overload":
                    raise self.overloaded()
                case "expire":
                    raise self.expired(request)
                case "flag":
                    raise self.sensitive("user")
                case _:
                    return work(fields)
        except Refused as e:
            return self.error(seen, e)

    def _check_request_id(self, fields: Mapping[str, Any]) -> None:
        id_ = fields.get("request_id")
        if isinstance(id_, str) and id_ in self.request_ids:
            raise Refused(400, "1231", "a request with this request_id is there already")
        if isinstance(id_, str):
            self.request_ids.add(id_)


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are not null: the platform takes null for absent."""
    return {name: value for name, value in fields.items() if value is not None}


def _is_later(request: web.Request) -> bool:
    return request.path.startswith(f"{Zhipu.base}/async/")


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
