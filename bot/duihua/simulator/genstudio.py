"""Infini-AI GenStudio on loopback: the OpenAI-like service, the models on chips, lists, counts, embeddings.

A chip takes few fields and no tools, tells its usage unasked in the last chunk, and streams either events or
bare JSON lines. Text that fails the review is answered by `blocked: true`, in another place on each wire,
with nothing behind it. Source: the platform's public pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from duihua.simulator.ask import Answer, Ask, estimate
from duihua.simulator.chat import ChatPlatform, ChatReply
from duihua.simulator.chat_rules import (
    BOOLEAN,
    OBJECT,
    STRING,
    ChatRules,
    Check,
    Model,
    Refused,
    What,
    at_least,
    within,
)
from duihua.simulator.faults import Fault
from duihua.simulator.genstudio_models import BARE, DEPLOYED, EMBEDDERS, PLACES, PLAIN, ROWS, THINKING
from duihua.simulator.traffic import Seen
from duihua.simulator.vectors import vector
from duihua.simulator.wire import Desk, as_list, as_object, event, is_integer, json_response, text_list

PLATFORM = "genstudio"
CHIP_LINES = "application/json"
"""The content type of a stream of bare lines: not that of events."""

_STOP: Check = (
    lambda v: isinstance(v, str) or text_list(v, most=4, longest=1_000),
    "must be a text or at most 4 texts",
)
_CHIP_FIELDS: Mapping[str, Check] = {
    "stream": BOOLEAN,
    "temperature": within(0, 2),
    "top_p": within(0, 1),
    "max_tokens": at_least(1),
    "stop": _STOP,
}
_PLAIN_FIELDS: Mapping[str, Check] = {
    **_CHIP_FIELDS,
    "stream_options": OBJECT,
    "frequency_penalty": within(-2, 2),
    "presence_penalty": within(-2, 2),
    "seed": (is_integer, "must be an integer"),
    "response_format": (
        lambda v: (as_object(v) or {}).get("type") in ("text", "json_object"),
        "has no known type",
    ),
    "tool_choice": (lambda v: isinstance(v, (str, dict)), "must be a text or an object"),
    "parallel_tool_calls": BOOLEAN,
    "enable_thinking": BOOLEAN,
    "user": STRING,
}


class PlainRules(ChatRules):
    """How the OpenAI-like service reads a chat request."""

    models = PLAIN
    fields = _PLAIN_FIELDS


class ChipRules(ChatRules):
    """How a chip's server reads one."""

    models = PLACES
    fields = _CHIP_FIELDS

    def refuse(self, what: What, text: str) -> Refused:
        """Its errors name their kind, and the HTTP status as a code."""
        if what == "model":
            return Refused(404, "404", text, "NotFoundError")
        return Refused(400, "400", text, "BadRequestError")


class PlainReply(ChatReply):
    """The review speaks in the choice, and the stream ends there."""

    def __init__(self, desk: Desk, model: Model, body: Mapping[str, Any], fault: Fault, ask: Ask) -> None:
        super().__init__(desk, model, body, fault, ask)
        self.blocked = self.flagged or fault.kind == "flag-output"
        if self.flagged:
            self.answer = Answer("")
        if self.blocked:
            self.finish = "stop"

    def thinks(self) -> bool:
        """Some models only when they are told, some unless they are told, some always."""
        return bool(self.body.get("enable_thinking", THINKING.get(self.model.name, True)))

    def choice(self) -> dict[str, Any]:
        """The first choice of a whole answer."""
        return {**super().choice(), **self.mark()}

    def ending(self) -> list[bytes]:
        """Nothing follows what was blocked: no reason, no usage, no end mark."""
        if not self.blocked:
            return super().ending()
        choice: dict[str, Any] = {"index": 0, "delta": {}, "finish_reason": None, **self.mark()}
        return [event({**self.head(stream=True), "choices": [choice]})]

    def mark(self) -> dict[str, Any]:
        """The field that only blocked answers have."""
        return {"blocked": True} if self.blocked else {}


class ChipReply(PlainReply):
    """A chip's answers: usage without asking, and on some chips a line for each chunk.

    Events are blocked at their top, lines in what they say.
    """

    def head(self, *, stream: bool = False) -> dict[str, Any]:
        """The fields that begin each object; the model without its chip."""
        return {**super().head(stream=stream), "model": self.model.name.partition("@")[0]}

    @property
    def bare(self) -> bool:
        """Whether the stream is bare lines."""
        return bare(self.model.name)

    def choice(self) -> dict[str, Any]:
        """The first choice of a whole answer."""
        choice = ChatReply.choice(self)
        if self.bare:
            choice["message"] = {**choice["message"], **self.mark()}
        return choice

    def extras(self) -> dict[str, Any]:
        """The mark of a whole answer, where chunks have it at their top."""
        return {} if self.bare else self.mark()

    def chunk(self, delta: Mapping[str, Any], *, finish: str | None = None, index: int = 0) -> bytes:
        """One chunk; only the last line says what it is and when it was made."""
        body: dict[str, Any] = self.head(stream=True)
        body["choices"] = [{"index": index, "delta": delta, "finish_reason": finish}]
        if finish:
            body["usage"] = self.usage()
        elif self.bare:
            body = {name: body[name] for name in ("id", "model", "choices")}
        return orjson.dumps(body) + b"\n" if self.bare else event(body)

    def frames(self) -> list[bytes]:
        """The chunks; what is broken is broken in the chip's own framing."""
        frames = super().frames()
        if self.bare and self.fault.kind == "malformed":
            frames[-1] = frames[-1].removeprefix(b"data: ")
        return frames

    def ending(self) -> list[bytes]:
        """The last chunks; lines have no end mark."""
        if self.blocked and self.bare:
            return [self.chunk(self.mark())]
        if self.blocked:
            return [event({**self.head(stream=True), "choices": [], **self.mark()})]
        last = self.chunk({}, finish=self.finish)
        return [last] if self.bare else [last, b"data: [DONE]\n\n"]


def bare(name: str) -> bool:
    """Whether what is reached under a name streams bare lines."""
    return name.partition("@")[2] in BARE


class _Shared(ChatPlatform):
    """What the service and the chips have in common."""

    name = PLATFORM
    title = "GenStudio"

    def key(self) -> str:
        """The key that is accepted."""
        return self.desk.settings.keys.genstudio

    def account(self, model: str) -> str:
        """All models count together."""
        return self.name

    def settings(self, url: str) -> dict[str, str]:
        """Environment settings that point a program here, with the limits that hold here."""
        limits = self.desk.settings
        return {
            "GENSTUDIO_API_KEY": self.key(),
            "GENSTUDIO_BASE_URL": f"{url}{Chips.base}",
            "GENSTUDIO_REQUESTS_PER_MINUTE": str(limits.requests_per_minute),
            "GENSTUDIO_REQUESTS_PER_DAY": "0",
            "GENSTUDIO_TOKENS_PER_MINUTE": str(limits.tokens_per_minute),
        }


class Chips(_Shared):
    """The paths of models on chips, and of deployments, under `base`."""

    base = "/genstudio/maas"
    rules = ChipRules()
    reply = ChipReply

    def routes(self) -> list[web.RouteDef]:
        """Where it answers; a deployment's path looks like a chip's and is told from it by its name."""
        place = f"{self.base}/{{model}}/{{chip}}"
        return [
            web.route("*", f"{place}/chat/completions", self.chat),
            web.post(f"{place}/token_count", self.token_count),
            web.post(f"{place}/get_model_details", self.details),
        ]

    def prepare(self, request: web.Request, body: Any) -> Any:
        """The body as the rules read it: the model of the path, which the body must name too."""
        fields = as_object(body)
        if fields is None:
            return body
        model, name = self.place(request)
        if fields.get("model") != model:
            raise self.rules.refuse("field", "the model of the body is not the model of the path")
        return {**fields, "model": name}

    def place(self, request: web.Request) -> tuple[str, str]:
        """The model in the path, and the name of model and chip together. Raises Refused."""
        model, chip = request.match_info["model"], request.match_info["chip"]
        name = chip if model == "deployment" else f"{model}@{chip}"
        if name not in PLACES:
            raise self.rules.refuse("model", f"The model {name[:64]} does not exist.")
        return (DEPLOYED if name == DEPLOYED else model), name

    def headers(self, model: str) -> dict[str, str]:
        """Lines are no events."""
        return {**super().headers(model), **({"Content-Type": CHIP_LINES} if bare(model) else {})}

    def unauthorized(self) -> Refused:
        """A wrong key, or none."""
        return Refused(401, "401", "Unauthorized", "AuthenticationError")

    def limited(self, what: str) -> Refused:
        """Too many requests or tokens."""
        return Refused(429, "429", f"too many {what}", "RateLimitError")

    def overloaded(self) -> Refused:
        """Too much to do."""
        return Refused(503, "503", "the engine is busy", "ServiceUnavailableError")

    def malformed_body(self) -> Refused:
        """The body is no JSON."""
        return Refused(400, "400", "the body is no JSON", "BadRequestError")

    def wrong_method(self) -> Refused:
        """Not a POST."""
        return Refused(405, "", "Method Not Allowed")

    def error(self, seen: Seen, error: Refused) -> web.Response:
        """The body of an error: flat, or only `detail`."""
        seen.outcome = error.code or str(error.status)
        if not error.code:
            return json_response({"detail": error.text}, error.status)
        flat = {"object": "error", "message": error.text, "type": error.type, "param": None}
        return json_response({**flat, "code": int(error.code)}, error.status)

    async def token_count(self, request: web.Request) -> web.StreamResponse:
        """Counts the tokens of a text."""
        return await self._told(request, {"model", "chip", "prompt"}, "chip")

    async def details(self, request: web.Request) -> web.StreamResponse:
        """Tells the context length; here the chip has another name."""
        return await self._told(request, {"model", "chiptype"}, "chiptype")

    async def _told(self, request: web.Request, wanted: set[str], chip: str) -> web.StreamResponse:
        seen = self.desk.traffic.saw(self.name, request)
        try:
            fields = as_object(await self.opened(request, seen)) or {}
            model, name = self.place(request)
            if set(fields) != wanted or not all(isinstance(value, str) for value in fields.values()):
                raise self.rules.refuse("field", "the fields must be texts: " + ", ".join(sorted(wanted)))
            if (fields["model"], fields[chip]) != (model, name.partition("@")[2]):
                raise self.rules.refuse("field", "model and chip of the body are not those of the path")
        except Refused as e:
            return self.error(seen, e)
        seen.outcome = "ok"
        if "prompt" not in fields:
            return json_response({"model": model, "context_length": PLACES[name].tokens})
        prompt = fields["prompt"]
        return json_response({"model": model, "prompt": prompt, "token_count": estimate(prompt)})


class GenStudio(_Shared):
    """The OpenAI-like service with the lists, and the chips beside it."""

    base = "/genstudio/maas/v1"
    rules = PlainRules()
    reply = PlainReply

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.chips = Chips(desk)

    def routes(self) -> list[web.RouteDef]:
        """Where it answers."""
        return [
            *super().routes(),
            web.get(f"{self.base}/models", self.models),
            web.post(f"{self.base}/embeddings", self.embeddings),
            web.get("/genstudio/api/maas/user/v2/model/list", self.console),
            *self.chips.routes(),
        ]

    async def models(self, request: web.Request) -> web.StreamResponse:
        """Lists the models of the service."""
        listed = [{"id": name, "object": "model", "created": 0, "owned_by": "infini"} for name in PLAIN]
        return self._listed(request, {"object": "list", "data": listed})

    async def console(self, request: web.Request) -> web.StreamResponse:
        """Lists the models with their chips, which stand in tags as JSON texts."""
        rows: list[dict[str, Any]] = []
        for row in ROWS.values():
            chips = [orjson.dumps({"chipType": chip}).decode() for chip in row.chips]
            tags = [{"tag_type": "gpu", "tag_name": "", "tag_extend_info": chip} for chip in chips]
            tags.append({"tag_type": "task", "tag_name": "chat", "tag_extend_info": ""})
            rows.append({"name": row.name, "context_length": row.context, "public": True, "tag_list": tags})
        return self._listed(request, {"code": 0, "msg": "", "data": {"model_list": rows}})

    def _listed(self, request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
        seen = self.desk.traffic.saw(self.name, request)
        try:
            self.authorize(request)
        except Refused as e:
            return self.error(seen, e)
        seen.outcome = "ok"
        return json_response(body)

    async def embeddings(self, request: web.Request) -> web.StreamResponse:
        """Turns texts into vectors."""
        seen = self.desk.traffic.saw(self.name, request)
        try:
            fields = as_object(await self.opened(request, seen)) or {}
            given, model = fields.get("input"), fields.get("model")
            texts = [given] if isinstance(given, str) else as_list(given)
            if not isinstance(model, str) or model not in EMBEDDERS:
                raise self.rules.refuse("model", f"The model {str(model)[:64]} does not exist")
            if set(fields) - {"model", "input", "encoding_format"}:
                raise self.rules.refuse("field", "unknown field")
            if not texts or not all(isinstance(text, str) and text for text in texts):
                raise self.rules.refuse("field", "input must be a text or a list of texts")
        except Refused as e:
            return self.error(seen, e)
        seen.outcome, count = "ok", sum(estimate(text) for text in texts)
        data = [{"object": "embedding", "index": i, "embedding": vector(t)} for i, t in enumerate(texts)]
        usage = {"prompt_tokens": count, "total_tokens": count}
        return json_response({"object": "list", "model": model, "data": data, "usage": usage})
