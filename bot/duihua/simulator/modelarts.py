"""Huawei ModelArts Studio on loopback: the preset services and a service of one's own.

Like OpenAI's wire as an inference server speaks it, behind a gateway with errors of its own.
Source: the platform's public pages.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from duihua.simulator import brain, wire
from duihua.simulator.ask import Ask, Message, estimate
from duihua.simulator.chat import ChatPlatform
from duihua.simulator.chat_rules import Refused
from duihua.simulator.drawing import png
from duihua.simulator.faults import Fault
from duihua.simulator.modelarts_reply import ModelArtsReply
from duihua.simulator.modelarts_rules import (
    SAMPLING,
    ModelArtsRules,
    OwnRules,
    flat,
    forbidden,
    missing,
    wrong,
)
from duihua.simulator.traffic import Seen
from duihua.simulator.vectors import vector
from duihua.simulator.wire import as_list, as_object, is_integer, json_response

PLATFORM = "modelarts"
BASE = "/modelarts/v1"
SERVICE = "0f5d8a52-3c1e-4b7e-9a6f-6d2c8e1b7a90"
"""The id of the service of one's own."""

_DRAWERS = {"qwen-image": 3_072, "qwen_image_edit": 2_048}
_VECTORS = 1_024
_MOST_EMBEDDED = 8_192
_USUAL_COMPLETION = 16

Body = Mapping[str, Any]


class ModelArts(ChatPlatform):
    """The preset services."""

    name = PLATFORM
    title = "ModelArts Studio"
    base = BASE
    rules = ModelArtsRules()
    reply = ModelArtsReply
    sensitive = "ModelArts.81011"

    def routes(self) -> list[web.RouteDef]:
        """Where it answers: version 2 has only chat; no other address exists."""
        return [
            *self.served(),
            web.route("*", "/modelarts/v2/chat/completions", self.chat),
            *OwnService(self.desk).served(),
            web.route("*", "/modelarts/{path:.*}", self.nowhere),
        ]

    def served(self) -> list[web.RouteDef]:
        """The addresses of the services."""
        return [
            *super().routes(),
            web.route("*", f"{self.base}/models", self.models),
            web.route("*", f"{self.base}/completions", self.completions),
            web.route("*", f"{self.base}/embeddings", self.embeddings),
            web.route("*", f"{self.base}/images/generations", self.images),
        ]

    def settings(self, url: str) -> dict[str, str]:
        """Environment settings that point a program here."""
        return {"MODELARTS_API_KEY": self.key(), "MODELARTS_BASE_URL": f"{url}{self.base}"}

    # ------------------------------------------------------------ errors

    def key(self) -> str:
        """The key that is accepted."""
        return self.desk.settings.keys.modelarts

    def authorize(self, request: web.Request) -> None:
        """The key, as bearer; none at all is another error than a wrong one."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token.strip():
            raise Refused(400, "ModelArts.81002", "Failed to get the authorization header.", "gateway")
        super().authorize(request)

    def unauthorized(self) -> Refused:
        """A wrong key."""
        return Refused(401, "ModelArts.81003", "Invalid authorization header.", "gateway")

    def limited(self, what: str) -> Refused:
        """Too many requests or tokens in this minute."""
        limits = self.desk.settings
        if what == "tokens":
            text = f"Too many requests. exceeded rate limit is {limits.tokens_per_minute} tokens per minute."
            return Refused(429, "ModelArts.81103", text, "gateway")
        text = f"Too many requests, exceeded rate limit is {limits.requests_per_minute} times per minute."
        return Refused(429, "ModelArts.81101", text, "gateway")

    def overloaded(self) -> Refused:
        """The API gateway waits no longer."""
        return Refused(504, "APIG.0203", "Backend timeout", "apig")

    def malformed_body(self) -> Refused:
        """The body is no JSON."""
        return self.rules.refuse("body", "")

    def wrong_method(self) -> Refused:
        """Another method."""
        return Refused(405, "405", "Method Not Allowed", "detail")

    def flag(self, seen: Seen, request: web.Request, fault: Fault) -> web.StreamResponse | None:
        """Flagged input, and flagged output that is not streamed, are an error."""
        streamed = bool((as_object(seen.body) or {}).get("stream"))
        if fault.kind == "flag-output" and streamed:
            return None
        return self.error(seen, self.flagged())

    def flagged(self) -> Refused:
        """Sensitive content."""
        text = "May contain sensitive information, please try again."
        return Refused(403, self.sensitive, text, "gateway")

    def error(self, seen: Seen, error: Refused) -> web.Response:
        """The body of an error, in the form of whoever refuses."""
        seen.outcome = error.code
        id_ = self.desk.request_id()
        match error.type:
            case "flat":
                body = {"object": "error", "message": error.text, "type": error.code, "param": None}
                body |= {"code": error.status}
            case "detail":
                body = {"detail": error.text}
            case "apig":
                body = {"error_msg": error.text, "error_code": error.code, "request_id": id_}
            case _:
                body = {"error_code": error.code, "error_msg": error.text}
        return json_response(body, error.status, {"X-Request-Id": id_})

    async def nowhere(self, request: web.Request) -> web.StreamResponse:
        """An address that there is not."""
        text = "The API does not exist or has not been published in the environment"
        return self.error(self.desk.traffic.saw(PLATFORM, request), Refused(404, "APIG.0101", text, "apig"))

    # ------------------------------------------------------------ the rest

    async def models(self, request: web.Request) -> web.StreamResponse:
        """Lists the models."""
        seen = self.desk.traffic.saw(PLATFORM, request)
        try:
            if request.method != "GET":
                raise self.wrong_method()
            self.authorize(request)
        except Refused as e:
            return self.error(seen, e)
        seen.outcome = "ok"
        return json_response(self.listed())

    def listed(self) -> dict[str, Any]:
        """The list of models."""
        names = (*self.rules.models, "bge-m3", *_DRAWERS)
        rows = [{"id": name, "object": "model", "created": 0, "owned_by": ""} for name in names]
        return {"object": "list", "data": rows}

    async def completions(self, request: web.Request) -> web.StreamResponse:
        """Goes on with a text."""
        return await self._called(request, self._completion)

    async def embeddings(self, request: web.Request) -> web.StreamResponse:
        """Vectors of texts."""
        return await self._called(request, self._vectors)

    async def images(self, request: web.Request) -> web.StreamResponse:
        """Draws an image, or changes one."""
        return await self._called(request, self._image)

    async def _called(self, request: web.Request, answer: Callable[[Body, Seen], Any]) -> web.StreamResponse:
        seen = self.desk.traffic.saw(PLATFORM, request)
        try:
            body = as_object(await self.opened(request, seen))
            if body is None:
                raise self.malformed_body()
            return json_response(answer(body, seen), headers={"X-Request-Id": self.desk.request_id()})
        except Refused as e:
            return self.error(seen, e)

    def _asked(self, seen: Seen, model: str, text: str) -> Ask:
        """The text as a question; raises Refused if a fault is asked for or a limit is passed."""
        seen.model = model
        ask = brain.prepared(Ask((Message("user", text),)), self.desk.settings.clock())
        fault = self.desk.faults.take(ask, self.name)
        seen.outcome = fault.kind or "ok"
        passed = self.desk.rates.take(f"{self.name}/{model}", estimate(text), self.desk.now())
        if fault.kind == "ratelimit" or passed:
            raise self.limited(passed or "requests")
        if fault.kind == "overload":
            raise self.overloaded()
        if fault.kind in ("flag", "flag-output"):
            raise self.flagged()
        return ask

    def _completion(self, body: Body, seen: Seen) -> dict[str, Any]:
        model = self.rules.model(body)
        missing(body, "prompt")
        forbidden(body, frozenset({"model", "prompt", *SAMPLING}))
        for name, (good, words) in SAMPLING.items():
            if name in body and not good(body[name]):
                raise flat(f"{name} {words}")
        prompt = body["prompt"]
        if not isinstance(prompt, str) or not prompt:
            raise wrong("string_type", "prompt", "Input should be a valid string")
        text = brain.reply(self._asked(seen, model.name, prompt)).text
        stop = body.get("stop")
        most = body.get("max_tokens", _USUAL_COMPLETION)
        text, cut = wire.limited(text, [stop] if isinstance(stop, str) else stop, most)
        choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": "length" if cut else "stop"}
        return {
            "id": self.desk.request_id(),
            "object": "text_completion",
            "created": int(self.desk.now()),
            "model": model.name,
            "choices": [choice],
            "usage": _usage(estimate(prompt), estimate(text)),
        }

    def _vectors(self, body: Body, seen: Seen) -> dict[str, Any]:
        self._named(body, "bge-m3")
        missing(body, "input")
        forbidden(body, frozenset({"model", "input", "encoding_format"}))
        given = body["input"]
        texts = [given] if isinstance(given, str) else as_list(given)
        if not texts or not all(isinstance(text, str) and text for text in texts):
            raise wrong("string_type", "input", "Input should be a valid string or list")
        if body.get("encoding_format", "float") != "float":
            raise flat("encoding_format: only float is simulated")
        tokens = sum(estimate(text) for text in texts)
        if tokens > _MOST_EMBEDDED:
            raise flat(f"This model's maximum context length is {_MOST_EMBEDDED} tokens")
        self._asked(seen, "bge-m3", texts[-1])
        rows = [
            {"index": i, "object": "embedding", "embedding": vector(text, _VECTORS)}
            for i, text in enumerate(texts)
        ]
        head = {"id": f"embd-{self.desk.request_id()}", "object": "list", "created": int(self.desk.now())}
        usage = {**_usage(tokens, 0), "prompt_tokens_details": None}
        return {**head, "model": "bge-m3", "data": rows, "usage": usage}

    def _image(self, body: Body, seen: Seen) -> dict[str, Any]:
        model = self._named(body, *_DRAWERS)
        edits = model == "qwen_image_edit"
        missing(body, "prompt", "size", *(["image"] if edits else []))
        own = "image" if edits else "response_format"
        forbidden(body, frozenset({"model", "prompt", "size", "seed", "watermark", own}))
        size, seed = body["size"], body.get("seed", 0)
        sides = [int(n) for n in size.split("x")] if re.fullmatch("[0-9]{2,4}x[0-9]{2,4}", str(size)) else []
        if not sides or not all(512 <= n <= _DRAWERS[model] for n in sides):
            raise flat(f"size: the width and height must be in [512, {_DRAWERS[model]}]")
        if not is_integer(seed) or not 0 <= seed <= 1 << 31:
            raise flat("seed should be in the range [0, 2147483648]")
        if body.get("response_format", "b64_json") != "b64_json":
            raise flat("response_format: only b64_json is supported")
        if not isinstance(body["prompt"], str) or not body["prompt"]:
            raise wrong("string_type", "prompt", "Input should be a valid string")
        self._asked(seen, model, body["prompt"])
        width, height = (n - n % 16 for n in sides)
        data = base64.b64encode(png(f"{body['prompt']} {seed}", width, height)).decode()
        return {
            "model": model,
            "created": int(self.desk.now() * 1000),
            "data": [{"url": None, "b64_json": f"data:image/png;base64,{data}"}],
            "usage": {"model_latency": 17, **_usage(0, 0)},
            "error": None,
        }

    def _named(self, body: Body, *names: str) -> str:
        """The model of a service besides chat."""
        model = body.get("model")
        if model not in names:
            raise self.rules.refuse("model", f"The model `{str(model)[:64]}` does not exist.")
        return model


class OwnService(ModelArts):
    """A service of one's own, with an older moderation code and the API gateway's rate limit."""

    base = f"{BASE}/infers/{SERVICE}/v1"
    rules = OwnRules()
    sensitive = "ModelArts.4910"

    def limited(self, what: str) -> Refused:
        """The API gateway counts the requests of an address."""
        text = "The throttling threshold has been reached: policy ip over ratelimit,limit:5,time:1 minute"
        return Refused(429, "APIG.0308", text, "apig")

    def listed(self) -> dict[str, Any]:
        """The list of models, in the form of these services."""
        return {"data": [{"id": name, "description": ""} for name in self.rules.models]}


def _usage(prompt: int, answer: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}
