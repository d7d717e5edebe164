"""A server of OpenAI's wire on loopback: chat, completions, embeddings, images, recordings, moderation.

It is strict as OpenAI is: an unknown field is refused by name. Its models stand for kinds of servers: one
reasons apart from the text, one between tags in it, one has no functions, one refuses to count a stream's
tokens.
Source: the public API reference.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Awaitable, Callable, Mapping
from hashlib import blake2b
from typing import Any, cast

from aiohttp import web

from duihua.simulator import brain
from duihua.simulator.ask import Ask, Message, estimate
from duihua.simulator.chat import ChatPlatform, ChatReply
from duihua.simulator.chat_rules import Model, Refused
from duihua.simulator.faults import Fault, command
from duihua.simulator.openai_rules import MODELS, OpenAIRules, invalid
from duihua.simulator.traffic import Seen
from duihua.simulator.wire import Desk, as_list, event, json_response

DIMENSIONS: Mapping[str, int] = {"text-embedding-3-small": 1_536, "text-embedding-3-large": 3_072}
IMAGES = ("gpt-image-2", "gpt-image-1.5")
TRANSCRIBERS = ("gpt-transcribe", "whisper-1")
MODERATORS = ("omni-moderation-latest",)
COMPLETERS = ("gpt-3.5-turbo-instruct",)

_CATEGORIES = (
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent",
    "self-harm", "self-harm/intent", "self-harm/instructions", "sexual", "sexual/minors", "violence",
    "violence/graphic",
)  # fmt: skip
_POLICY = "Your request was rejected as a result of our safety system: it violates our usage policies."

Call = Callable[[web.Request, Seen], Awaitable[web.Response]]


class OpenAIReply(ChatReply):
    """Reasoning of some models stands in the text; a refused answer ends with `content_filter`."""

    def __init__(self, desk: Desk, model: Model, body: Mapping[str, Any], fault: Fault, ask: Ask) -> None:
        super().__init__(desk, model, body, fault, ask)
        self.id = f"chatcmpl-{self.id}"

    def choice(self) -> dict[str, Any]:
        """The first choice of a whole answer."""
        choice = super().choice()
        message = {**choice["message"], "refusal": None}
        if self.calls and not self.answer.text:
            message["content"] = None
        return {**choice, "message": message, "logprobs": None}

    def chunk(self, delta: Mapping[str, Any], *, finish: str | None = None, index: int = 0) -> bytes:
        """One event of a stream; a model that cannot be asked for its count tells it at the end unasked."""
        if finish and "stream_options" in self.model.refused:
            choice = {"index": index, "delta": delta, "finish_reason": finish}
            return event({**self.head(stream=True), "choices": [choice], "usage": self.usage()})
        return super().chunk(delta, finish=finish, index=index)

    def head(self, *, stream: bool = False) -> dict[str, Any]:
        """The fields that begin each object."""
        return {**super().head(stream=stream), "system_fingerprint": "fp_simulator"}


class OpenAI(ChatPlatform):
    """OpenAI's API, over the shared desk."""

    name = "openai"
    title = "OpenAI-compatible"
    base = "/openai/v1"
    rules = OpenAIRules()
    reply = OpenAIReply

    def routes(self) -> list[web.RouteDef]:
        """Where it answers."""
        calls: Mapping[str, Call] = {
            "/completions": self.completions,
            "/embeddings": self.embeddings,
            "/images/generations": self.images,
            "/audio/transcriptions": self.transcriptions,
            "/moderations": self.moderations,
        }
        return [
            *super().routes(),
            *(web.route("*", self.base + path, self.posted(call)) for path, call in calls.items()),
            web.get(f"{self.base}/models", self.models),
            web.get(self.base + "/models/{model:.+}", self.models),
        ]

    def settings(self, url: str) -> dict[str, str]:
        """Environment settings that point a program here."""
        return {"OPENAI_API_KEY": self.key(), "OPENAI_BASE_URL": f"{url}{self.base}"}

    def key(self) -> str:
        """The key that is accepted."""
        return self.desk.settings.keys.openai

    # ------------------------------------------------------------ errors

    def unauthorized(self) -> Refused:
        """A wrong key, or none."""
        return Refused(
            401, "invalid_api_key", "Incorrect API key provided: ***. You can find your API key at ..."
        )

    def error(self, seen: Seen, error: Refused) -> web.Response:
        """The body of an error; many have no code."""
        seen.outcome = error.code or error.type
        fault = {"message": error.text, "type": error.type, "param": None, "code": error.code or None}
        headers = {"x-request-id": f"req_{self.desk.request_id()}"}
        return json_response({"error": {**fault, **error.more}}, error.status, headers)

    def limited(self, what: str) -> Refused:
        """Too many `requests` or `tokens`."""
        text = f"Rate limit reached on {what} per min. Please try again in 1s."
        return Refused(429, "rate_limit_exceeded", text, what)

    def overloaded(self) -> Refused:
        """Too much to do."""
        text = "The engine is currently overloaded, please try again later"
        return Refused(503, "", text, "service_unavailable_error")

    def malformed_body(self) -> Refused:
        """The body is no JSON."""
        return invalid("We could not parse the JSON body of your request.")

    def wrong_method(self) -> Refused:
        """Not a POST."""
        return Refused(405, "method_not_supported", "Only POST requests are accepted.")

    def flag(self, seen: Seen, request: web.Request, fault: Fault) -> web.StreamResponse | None:
        """Flagged input is refused before there is an answer; flagged output ends one."""
        if fault.kind == "flag-output":
            return None
        return self.error(seen, Refused(400, "content_policy_violation", _POLICY))

    def headers(self, model: str) -> dict[str, str]:
        """The limits, what remains of them, when they are whole again, and the request's id."""
        limits = self.desk.settings
        requests, tokens = self.desk.rates.left(f"{self.name}/{model}")
        return {
            "x-request-id": f"req_{self.desk.request_id()}",
            "x-ratelimit-limit-requests": str(limits.requests_per_minute),
            "x-ratelimit-remaining-requests": str(requests),
            "x-ratelimit-reset-requests": "1s",
            "x-ratelimit-limit-tokens": str(limits.tokens_per_minute),
            "x-ratelimit-remaining-tokens": str(tokens),
            "x-ratelimit-reset-tokens": "6m0s",
        }

    # ------------------------------------------------------------ the other calls

    def posted(self, call: Call) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """A handler that counts the request and tells errors as the wire does."""

        async def handler(request: web.Request) -> web.StreamResponse:
            seen = self.desk.traffic.saw(self.name, request)
            try:
                answer = await call(request, seen)
            except Refused as e:
                return self.error(seen, e)
            seen.outcome = "ok"
            return answer

        return handler

    async def fields(
        self, request: web.Request, seen: Seen, models: Any, known: Mapping[str, type | tuple[type, ...]]
    ) -> dict[str, Any]:
        """The fields of a call's body, checked by name and type. Raises Refused."""
        body = await self.opened(request, seen)
        if not isinstance(body, dict):
            raise invalid("The request body must be a JSON object.")
        fields = cast("dict[str, Any]", body)
        self.checked(fields, models, known)
        return fields

    def checked(
        self, fields: Mapping[str, Any], models: Any, known: Mapping[str, type | tuple[type, ...]]
    ) -> None:
        """Raises Refused unless the model is one of `models` and the fields are `known`."""
        model = fields.get("model")
        if not isinstance(model, str) or model not in models:
            raise Refused(404, "model_not_found", f"The model `{str(model)[:64]}` does not exist")
        for name, value in fields.items():
            if name == "model":
                continue
            if name not in known:
                raise invalid(f"Unknown parameter: '{name[:64]}'.", name[:64], "unknown_parameter")
            if not isinstance(value, known[name]) or isinstance(value, bool):
                raise invalid(f"Invalid type for '{name}'.", name, "invalid_type")

    async def completions(self, request: web.Request, seen: Seen) -> web.Response:
        """Goes on with a text."""
        known = {
            "prompt": str,
            "max_tokens": int,
            "temperature": (int, float),
            "stop": (str, list),
            "user": str,
        }
        fields = await self.fields(request, seen, COMPLETERS, known)
        prompt = fields.get("prompt", "")
        if not prompt:
            raise invalid("you must provide a prompt", "prompt")
        ask = brain.prepared(Ask((Message("user", prompt),)), self.desk.settings.clock())
        text = brain.reply(ask).text
        asked, said = estimate(prompt), estimate(text)
        return json_response(
            {
                "id": f"cmpl-{self.desk.request_id()}",
                "object": "text_completion",
                "created": int(self.desk.now()),
                "model": fields["model"],
                "choices": [{"text": text, "index": 0, "logprobs": None, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said},
            }
        )

    async def embeddings(self, request: web.Request, seen: Seen) -> web.Response:
        """Vectors that depend on the text alone, as numbers or as base64 of little-endian floats."""
        known = {"input": (str, list), "encoding_format": str, "dimensions": int, "user": str}
        fields = await self.fields(request, seen, DIMENSIONS, known)
        given = fields.get("input")
        texts = [given] if isinstance(given, str) else as_list(given) or []
        if not 0 < len(texts) <= 2_048 or not all(isinstance(t, str) and t for t in texts):
            raise invalid("'$.input' is invalid: texts that are not empty are expected.", "input")
        size, most = fields.get("dimensions", DIMENSIONS[fields["model"]]), DIMENSIONS[fields["model"]]
        form = fields.get("encoding_format", "float")
        if form not in ("float", "base64") or not 0 < size <= most:
            raise invalid("Invalid value for 'encoding_format' or 'dimensions'.", "encoding_format")
        vectors = [_vector(text, size) for text in texts]
        data = [
            {
                "object": "embedding",
                "index": i,
                "embedding": vector
                if form == "float"
                else base64.b64encode(struct.pack(f"<{size}f", *vector)).decode(),
            }
            for i, vector in enumerate(vectors)
        ]
        tokens = sum(estimate(text) for text in texts)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return json_response({"object": "list", "data": data, "model": fields["model"], "usage": usage})

    async def images(self, request: web.Request, seen: Seen) -> web.Response:
        """Small images of one colour, which depends on the prompt."""
        known = {
            "prompt": str, "n": int, "size": str, "quality": str, "background": str, "moderation": str,
            "output_format": str, "output_compression": int, "user": str,
        }  # fmt: skip
        fields = await self.fields(request, seen, IMAGES, known)
        prompt, count = fields.get("prompt", ""), fields.get("n", 1)
        if not prompt or not 1 <= count <= 10 or fields.get("output_format", "png") != "png":
            raise invalid("Invalid value for 'prompt', 'n' or 'output_format'.", "prompt")
        if command(prompt)[0] == "flag":
            raise Refused(400, "moderation_blocked", _POLICY, "image_generation_user_error")
        data = [
            {"b64_json": base64.b64encode(_png(f"{prompt} {number}")).decode()} for number in range(count)
        ]
        asked = estimate(prompt)
        usage = {"input_tokens": asked, "output_tokens": 272 * count, "total_tokens": asked + 272 * count}
        return json_response({"created": int(self.desk.now()), "data": data, "usage": usage})

    async def transcriptions(self, request: web.Request, seen: Seen) -> web.Response:
        """It cannot hear: the words name the file and its size."""
        if request.method != "POST":
            raise self.wrong_method()
        self.authorize(request)
        if not request.content_type.startswith("multipart/"):
            raise invalid("Expected a multipart form.")
        form = await request.post()
        fields: dict[str, Any] = {k: v for k, v in form.items() if k != "file"}
        seen.body = fields
        known = {"language": str, "prompt": str, "response_format": str, "temperature": str}
        self.checked(fields, TRANSCRIBERS, known)
        file = form.get("file")
        if not isinstance(file, web.FileField):
            raise invalid("Missing required parameter: 'file'.", "file")
        if not file.filename.lower().endswith((".flac", ".mp3", ".mp4", ".m4a", ".ogg", ".wav", ".webm")):
            raise invalid("Invalid file format.", "file")
        wanted = fields.get("response_format", "json")
        if wanted not in (("json", "verbose_json") if fields["model"] == "whisper-1" else ("json",)):
            raise invalid(f"response_format '{wanted}' is not compatible with model.", "response_format")
        data = file.file.read()
        text, seconds = f"[{file.filename}, {len(data)} bytes]", len(data) / 32_000
        if wanted == "verbose_json":
            language = fields.get("language", "chinese")
            told: dict[str, Any] = {
                "task": "transcribe",
                "language": language,
                "duration": seconds,
                "segments": [],
            }
            return json_response({**told, "text": text})
        return json_response({"text": text, "usage": {"type": "duration", "seconds": seconds}})

    async def moderations(self, request: web.Request, seen: Seen) -> web.Response:
        """Flags texts that hold the command `!flag`."""
        fields = await self.fields(request, seen, MODERATORS, {"input": (str, list)})
        given = fields.get("input")
        texts = [given] if isinstance(given, str) else as_list(given) or []
        if not texts or not all(isinstance(t, str) for t in texts):
            raise invalid("'input' must be a text or a list of texts.", "input")
        results: list[dict[str, Any]] = []
        for text in texts:
            hit = command(text)[0] == "flag"
            results.append(
                {
                    "flagged": hit,
                    "categories": {name: hit and name == "violence" for name in _CATEGORIES},
                    "category_scores": {
                        name: 0.97 if hit and name == "violence" else 0.001 for name in _CATEGORIES
                    },
                    "category_applied_input_types": {name: ["text"] for name in _CATEGORIES},
                }
            )
        id_ = f"modr-{self.desk.request_id()}"
        return json_response({"id": id_, "model": fields["model"], "results": results})

    async def models(self, request: web.Request) -> web.StreamResponse:
        """Lists the models, or tells of one; some servers say how much each takes."""
        seen = self.desk.traffic.saw(self.name, request)
        try:
            self.authorize(request)
            listed: dict[str, dict[str, Any]] = {
                name: {"max_model_len": model.tokens} for name, model in MODELS.items()
            }
            listed |= {name: {} for name in (*DIMENSIONS, *IMAGES, *TRANSCRIBERS, *MODERATORS, *COMPLETERS)}
            found = [
                {"id": name, "object": "model", "created": 0, "owned_by": "simulator", **more}
                for name, more in listed.items()
            ]
            if (wanted := request.match_info.get("model")) is None:
                answer: dict[str, Any] = {"object": "list", "data": found}
            else:
                one = next((row for row in found if row["id"] == wanted), None)
                if one is None:
                    raise Refused(404, "model_not_found", f"The model '{wanted[:64]}' does not exist")
                answer = one
        except Refused as e:
            return self.error(seen, e)
        seen.outcome = "ok"
        return json_response(answer)


def _vector(text: str, size: int) -> list[float]:
    """A vector of length 1, the same for the same text."""
    raw = bytearray()
    while len(raw) < size:
        raw += blake2b(f"{len(raw)} {text}".encode("utf-8", "replace")).digest()
    numbers = [byte - 127.5 for byte in raw[:size]]
    length = sum(number * number for number in numbers) ** 0.5
    return [number / length for number in numbers]


def _png(text: str) -> bytes:
    """An image of one pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    colour = blake2b(text.encode("utf-8", "replace"), digest_size=3).digest()
    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" + colour)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
