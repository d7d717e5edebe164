"""Qianfan v1 beyond chat: completions, embeddings, pictures, what a picture shows, the count of tokens."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from aiohttp import web

from duihua.simulator import brain
from duihua.simulator.ask import Ask, Message, estimate
from duihua.simulator.drawing import png
from duihua.simulator.faults import without_command
from duihua.simulator.qianfan_door import PLATFORM, SERVICE, UNSUPPORTED, Door, refused
from duihua.simulator.qianfan_reply import CompletionReply
from duihua.simulator.qianfan_rules import (
    CHECK_FAILED,
    INVALID_ARGUMENT,
    Check,
    Refused,
    check_fields,
    is_text,
    whole,
    within,
)
from duihua.simulator.traffic import Seen
from duihua.simulator.vectors import vector
from duihua.simulator.wire import as_list, as_object

Kind = Literal["completions", "embeddings", "text2image", "image2text"]


@dataclass(frozen=True, slots=True)
class Service:
    """One service. `rows`: texts in one call; `characters`, `tokens`: of one of them; `size`: a vector's."""

    kind: Kind
    suffix: str
    name: str
    rows: int = 1
    characters: int = 1_000_000
    tokens: int = 1_000_000
    size: int = 0


SERVICES: Mapping[tuple[str, str], Service] = {
    (s.kind, s.suffix): s
    for s in (
        Service("completions", "sqlcoder_7b", "SQLCoder-7B"),
        Service("completions", "codellama_7b_instruct", "CodeLlama-7b-Instruct"),
        Service("embeddings", "embedding-v1", "Embedding-V1", 16, 1_000, 384, 384),
        Service("embeddings", "bge_large_zh", "bge-large-zh", 16, 2_000, 512, 1_024),
        Service("embeddings", "bge_large_en", "bge-large-en", 16, 2_000, 512, 1_024),
        Service("embeddings", "tao_8k", "tao-8k", 1, 28_000, 8_192, 1_024),
        Service("text2image", "sd_xl", "Stable-Diffusion-XL", characters=1_024),
        Service("image2text", "fuyu_8b", "Fuyu-8B"),
    )
}
_COMPLETION = frozenset(
    {"prompt", "stream", "temperature", "top_k", "top_p", "penalty_score", "stop", "user_id", "tools",
     "tool_choice", "extra_parameters"}
)  # fmt: skip
_FIELDS: Mapping[Kind, frozenset[str]] = {
    "completions": _COMPLETION,
    "image2text": (_COMPLETION - {"tools", "tool_choice"}) | {"image"},
    "embeddings": frozenset({"input", "user_id", "extra_parameters"}),
    "text2image": frozenset(
        {"prompt", "negative_prompt", "size", "n", "steps", "sampler_index", "seed", "cfg_scale", "style",
         "user_id", "extra_parameters"}
    ),
}  # fmt: skip
_SIZES = ("768x768", "768x1024", "1024x768", "576x1024", "1024x576", "1024x1024")
_LARGEST_IMAGE = 4 << 20
_IMAGES = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpg", b"BM": "bmp"}
_RULES: Mapping[str, Check] = {
    "negative_prompt": (lambda v: is_text(v) and len(v) <= 1_024, "must be at most 1024 characters"),
    "size": (lambda v: v in _SIZES, f"must be one of {', '.join(_SIZES)}"),
    "n": (whole(1, 4), "should be in the range [1, 4]"),
    "steps": (whole(10, 50), "should be in the range [10, 50]"),
    "sampler_index": (is_text, "must be a string"),
    "seed": (whole(0, 2**32 - 1), "should be in the range [0, 4294967295]"),
    "cfg_scale": (within(0, 30), "should be in the range [0, 30]"),
    "style": (is_text, "must be a string"),
    "model": (is_text, "must be a string"),
}


class Services:
    """The paths beside the chat's, behind the same door."""

    def __init__(self, door: Door) -> None:
        self.door, self.desk = door, door.desk

    def routes(self) -> list[web.RouteDef]:
        """Where they are."""
        return [
            *(web.route("*", f"{SERVICE}/{kind}/{{suffix}}", self.serve) for kind in _FIELDS),
            web.route("*", SERVICE + "/tokenizer/erniebot", self.count_tokens),
        ]

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """A request to one of the services."""
        seen = self.desk.traffic.saw(PLATFORM, request)
        try:
            self.door.admit(request)
            kind, suffix = request.path.split("/")[-2:]
            service = SERVICES.get((kind, suffix))
            if service is None:
                raise refused(UNSUPPORTED)
            seen.model = suffix
            fields = await self._fields(request, seen)
            check_fields(fields, _FIELDS[service.kind], service.name, _RULES)
            if service.kind == "embeddings":
                return await self._embed(request, seen, service, fields)
            prompt = fields.get("prompt")
            if not isinstance(prompt, str) or not prompt:
                raise Refused(INVALID_ARGUMENT, "prompt is required")
            if len(prompt) > service.characters:
                raise Refused(CHECK_FAILED, f"prompt must be at most {service.characters} characters")
            if service.kind == "text2image":
                return await self._draw(request, seen, service, fields, prompt)
            return await self._complete(request, seen, service, fields, prompt)
        except Refused as e:
            return self.door.error(seen, e)

    async def count_tokens(self, request: web.Request) -> web.StreamResponse:
        """Counts the tokens of a prompt."""
        seen = self.desk.traffic.saw(PLATFORM, request)
        try:
            fields = await self._fields(request, seen)
            check_fields(fields, ("prompt", "model", "extra_parameters"), "the tokenizer", _RULES)
            prompt = fields.get("prompt")
            if not isinstance(prompt, str) or not prompt:
                raise Refused(INVALID_ARGUMENT, "prompt is required")
            body = {"object": "tokenizer.erniebot"}
            return await self._send(request, seen, "tokenizer", fields, prompt, body)
        except Refused as e:
            return self.door.error(seen, e)

    async def _fields(self, request: web.Request, seen: Seen) -> dict[str, Any]:
        fields = as_object(await self.door.opened(request, seen))
        if fields is None:
            raise Refused(INVALID_ARGUMENT, "the request body must be a JSON object")
        return fields

    # ------------------------------------------------------------ kinds

    async def _embed(
        self, request: web.Request, seen: Seen, service: Service, fields: Mapping[str, Any]
    ) -> web.StreamResponse:
        texts = as_list(fields.get("input"))
        if texts is None:
            raise Refused(INVALID_ARGUMENT, "input is required")
        if not texts or not all(isinstance(text, str) and text for text in texts):
            raise Refused(CHECK_FAILED, "input must be a list of texts, none of them empty")
        if len(texts) > service.rows:
            raise Refused(CHECK_FAILED, f"embeddings max batch size is {service.rows}")
        if any(len(text) > service.characters for text in texts):
            raise Refused(CHECK_FAILED, f"embeddings max characters is {service.characters}")
        if any(estimate(text) > service.tokens for text in texts):
            raise Refused(CHECK_FAILED, f"embeddings max tokens per batch size is {service.tokens}")
        data = [
            {"object": "embedding", "embedding": vector(text, service.size), "index": i}
            for i, text in enumerate(texts)
        ]
        body = {"object": "embedding_list", "data": data}
        return await self._send(request, seen, service.suffix, fields, "\n".join(texts), body)

    async def _draw(
        self, request: web.Request, seen: Seen, service: Service, fields: Mapping[str, Any], prompt: str
    ) -> web.StreamResponse:
        width, height = (int(side) for side in fields.get("size", "1024x1024").split("x"))
        drawn = (png(without_command(prompt), width, height, number=i) for i in range(fields.get("n", 1)))
        data = [
            {"object": "image", "b64_image": base64.b64encode(picture).decode(), "index": i}
            for i, picture in enumerate(drawn, 1)
        ]
        body = {"object": "image", "data": data}
        return await self._send(request, seen, service.suffix, fields, prompt, body)

    async def _complete(
        self, request: web.Request, seen: Seen, service: Service, fields: Mapping[str, Any], prompt: str
    ) -> web.StreamResponse:
        shown = _image(fields.get("image")) if service.kind == "image2text" else ""
        ask = brain.prepared(Ask((Message("user", shown + prompt),)), self.desk.settings.clock())
        user, tokens = str(fields.get("user_id", "")), estimate(prompt)
        fault, answer = await self.door.meet(
            request, seen, ask, user=user, service=service.suffix, prompt=tokens
        )
        if answer is not None:
            return answer
        reply = CompletionReply(self.desk, fields, fault, ask)
        if fields.get("stream"):
            return await self.door.stream(request, reply.frames(), service.suffix, fault)
        return await self.door.send(request, reply.whole(), service.suffix, fault)

    async def _send(
        self,
        request: web.Request,
        seen: Seen,
        service: str,
        fields: Mapping[str, Any],
        text: str,
        body: Mapping[str, Any],
    ) -> web.StreamResponse:
        """An answer that has nothing to do with the brain, unless a fault comes first."""
        ask, tokens = Ask((Message("user", text),)), estimate(text)
        user = str(fields.get("user_id", ""))
        fault, answer = await self.door.meet(request, seen, ask, user=user, service=service, prompt=tokens)
        if answer is not None:
            return answer
        head = {"id": self.desk.request_id(), "created": int(self.desk.now())}
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return await self.door.send(request, orjson.dumps({**head, **body, "usage": usage}), service, fault)


def _image(value: Any) -> str:
    """What is seen in a picture, as `[image png 68]`; it is bare base64 text."""
    if not isinstance(value, str) or not value:
        raise Refused(INVALID_ARGUMENT, "image is required")
    if len(value) > _LARGEST_IMAGE:
        raise Refused(CHECK_FAILED, "image is larger than 4M")
    try:
        raw = base64.b64decode(value, validate=True)
    except binascii.Error:
        raise Refused(CHECK_FAILED, "image is no base64 text") from None
    kind = next((name for magic, name in _IMAGES.items() if raw.startswith(magic)), "")
    if not kind:
        raise Refused(CHECK_FAILED, "image must be jpg, png or bmp")
    return f"[image {kind} {len(raw)}] "
