"""Qianfan v2 beyond chat: embeddings and pictures, which are kept here under an address of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson
from aiohttp import web

from duihua.simulator import wire
from duihua.simulator.ask import Ask, Message, estimate
from duihua.simulator.chat import ChatPlatform
from duihua.simulator.chat_rules import Check, Refused
from duihua.simulator.drawing import png
from duihua.simulator.faults import without_command
from duihua.simulator.traffic import Seen
from duihua.simulator.vectors import vector
from duihua.simulator.wire import as_list, as_object, is_integer, is_number

_KEPT = "/v2/images/kept.png"
_SIZE = re.compile(r"(\d{3,4})x(\d{3,4})")


@dataclass(frozen=True, slots=True)
class Embedder:
    """A model for vectors of `size` numbers: texts in one request, and the limits of one of them."""

    rows: int
    characters: int
    tokens: int
    size: int


EMBEDDERS: Mapping[str, Embedder] = {
    "embedding-v1": Embedder(16, 1_000, 384, 384),
    "bge-large-zh": Embedder(16, 2_000, 512, 1_024),
    "bge-large-en": Embedder(16, 2_000, 512, 1_024),
    "tao-8k": Embedder(1, 28_000, 8_192, 1_024),
    "qwen3-embedding-0.6b": Embedder(16, 1_000_000, 8_192, 1_024),
    "qwen3-embedding-4b": Embedder(16, 1_000_000, 8_192, 2_560),
}
PAINTERS: Mapping[str, int] = {"irag-1.0": 220, "flux.1-schnell": 512}
"""Model to the most characters of a prompt."""


def _is_size(value: Any) -> bool:
    sides = _SIZE.fullmatch(value) if isinstance(value, str) else None
    return sides is not None and all(512 <= int(side) <= 2_048 for side in sides.groups())


_COMMON: Mapping[str, Check] = {
    "n": (lambda v: is_integer(v) and 1 <= v <= 4, "should be in the range [1, 4]"),
    "size": (_is_size, "must be WIDTHxHEIGHT from 512x512 to 2048x2048"),
    "user": (lambda v: isinstance(v, str), "must be a string"),
}
_OWN: Mapping[str, Mapping[str, Check]] = {
    "irag-1.0": {"refer_image": (lambda v: isinstance(v, str) and bool(v), "must be a URL or a data URL")},
    "flux.1-schnell": {
        "steps": (lambda v: is_integer(v) and v > 0, "must be a positive integer"),
        "seed": (lambda v: is_integer(v) and v >= 0, "must be a non-negative integer"),
        "guidance": (lambda v: is_number(v) and v >= 0, "must be a non-negative number"),
    },
}


class QianfanV2Services:
    """The paths beside the chat's, with its keys, errors and limits."""

    def __init__(self, platform: ChatPlatform) -> None:
        self.platform, self.desk = platform, platform.desk

    def routes(self) -> list[web.RouteDef]:
        """Where they are."""
        return [
            web.route("*", "/v2/embeddings", self.embed),
            web.route("*", "/v2/images/generations", self.draw),
            web.get(_KEPT, self.kept),
        ]

    async def embed(self, request: web.Request) -> web.StreamResponse:
        """Vectors of texts."""
        seen = self.desk.traffic.saw(self.platform.name, request)
        try:
            fields = await self._fields(request, seen)
            model = self._model(fields, seen, EMBEDDERS)
            self._check(
                fields,
                {
                    "input": (lambda v: True, ""),
                    "user": _COMMON["user"],
                    "encoding_format": (lambda v: v == "float", "must be float"),
                },
            )
            limits = EMBEDDERS[model]
            given = fields.get("input")
            texts = [given] if isinstance(given, str) else as_list(given)
            if not texts or not all(isinstance(text, str) and text for text in texts):
                raise self._argument("input must be a text or a list of texts, none of them empty")
            if len(texts) > limits.rows:
                raise self._argument(f"input must be at most {limits.rows} texts")
            if any(len(text) > limits.characters for text in texts):
                words = f"the max input characters is {limits.characters}"
                raise Refused(400, "characters_too_long", words)
            if any(estimate(text) > limits.tokens for text in texts):
                raise Refused(400, "tokens_too_long", "Prompt tokens too long")
            data = [
                {"object": "embedding", "embedding": vector(text, limits.size), "index": i}
                for i, text in enumerate(texts)
            ]
            body = {"object": "embedding_list", "data": data, "model": model}
            return await self._send(request, seen, model, "\n".join(texts), body)
        except Refused as e:
            return self.platform.error(seen, e)

    async def draw(self, request: web.Request) -> web.StreamResponse:
        """Addresses of pictures."""
        seen = self.desk.traffic.saw(self.platform.name, request)
        try:
            fields = await self._fields(request, seen)
            model = self._model(fields, seen, PAINTERS)
            prompt = fields.get("prompt")
            if not isinstance(prompt, str) or not prompt.strip() or len(prompt) > PAINTERS[model]:
                words = f"prompt must be a text of at most {PAINTERS[model]} characters"
                raise Refused(400, "invalid_image_generation_prompt", words)
            self._check(fields, {"prompt": (lambda v: True, ""), **_COMMON, **_OWN[model]})
            size = fields.get("size", "1024x1024")
            wanted = [
                urlencode({"prompt": without_command(prompt), "size": size, "number": number})
                for number in range(fields.get("n", 1))
            ]
            data = [{"url": f"{request.scheme}://{request.host}{_KEPT}?{query}"} for query in wanted]
            return await self._send(request, seen, model, prompt, {"data": data})
        except Refused as e:
            return self.platform.error(seen, e)

    async def kept(self, request: web.Request) -> web.Response:
        """A picture that was drawn; whoever knows its address may see it."""
        sides = _SIZE.fullmatch(request.query.get("size", ""))
        if sides is None:
            raise web.HTTPNotFound
        width, height = (int(side) for side in sides.groups())
        picture = png(f"{request.query.get('number')} {request.query.get('prompt')}", width, height)
        return web.Response(body=picture, content_type="image/png")

    # ------------------------------------------------------------ parts

    async def _fields(self, request: web.Request, seen: Seen) -> dict[str, Any]:
        fields = as_object(await self.platform.opened(request, seen))
        if fields is None:
            raise self.platform.malformed_body()
        return fields

    def _model(self, fields: Mapping[str, Any], seen: Seen, known: Mapping[str, Any]) -> str:
        name = fields.get("model")
        if not isinstance(name, str) or not name:
            raise Refused(400, "invalid_model", "model is empty")
        if name not in known:
            words = f"The model {name[:64]} does not exist or you do not have access to it"
            raise Refused(401, "invalid_model", words)
        seen.model = name
        return name

    def _check(self, fields: Mapping[str, Any], known: Mapping[str, Check]) -> None:
        for name, value in fields.items():
            if name == "model":
                continue
            if name not in known:
                raise self._argument(f"unknown field: {name[:64]}")
            if not known[name][0](value):
                raise self._argument(f"{name} {known[name][1]}")

    def _argument(self, words: str) -> Refused:
        return Refused(400, "invalid_argument", words)

    async def _send(
        self, request: web.Request, seen: Seen, model: str, text: str, body: Mapping[str, Any]
    ) -> web.StreamResponse:
        ask, tokens = Ask((Message("user", text),)), estimate(text)
        fault, answer = await self.platform.meet(request, seen, ask, user="", model=model, tokens=tokens)
        if answer is not None:
            return answer
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        head = {"id": self.desk.request_id(), "created": int(self.desk.now())}
        data = orjson.dumps({**head, **body, "usage": usage})
        headers = self.platform.headers(model)
        if fault.kind == "cut":
            return await wire.half(request, data, headers)
        await wire.wait(fault)
        return wire.whole(data[: len(data) // 2] if fault.kind == "malformed" else data, headers)
