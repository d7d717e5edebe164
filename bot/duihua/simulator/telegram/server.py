"""The bots' door: HTTP as `api.telegram.org` speaks it."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Mapping
from typing import Any, NoReturn, cast

import orjson
from aiohttp import BodyPartReader, MultipartReader, web
from yarl import URL

from duihua.simulator.telegram import administering, conversing, drafts, media, polling, rich, sending
from duihua.simulator.telegram.ask import Ask, Upload
from duihua.simulator.telegram.bots import Bot
from duihua.simulator.telegram.clock import sleep
from duihua.simulator.telegram.faults import Faults, Rule
from duihua.simulator.telegram.log import Call, Calls
from duihua.simulator.telegram.methods import METHODS, Method
from duihua.simulator.telegram.refusals import (
    NO_METHOD,
    NOT_FOUND,
    TOO_LARGE,
    UNAUTHORIZED,
    Refusal,
    bad,
)
from duihua.simulator.telegram.uploads import DOWNLOAD_LIMIT, UPLOAD_LIMIT
from duihua.simulator.telegram.world import World

MODULES = (administering, conversing, drafts, media, polling, rich, sending)
"""Modules whose import fills the table of methods."""

Fields = tuple[Mapping[str, Any], Mapping[str, Upload]]

_TOKEN = re.compile(r"\d+:[\w-]+")
_JSON = "application/json"
_NO_FILES: Mapping[str, Upload] = {}
_OK = (b'{"ok":true,"result":', b"}")
_GARBAGE = b"<html><body>nginx</body></html>"


class Cut(Exception):
    """The connection ends here."""


class Server:
    """Answers `/bot<token>/<method>` and `/file/bot<token>/<path>`."""

    def __init__(self, world: World, faults: Faults, calls: Calls) -> None:
        self.world, self.faults, self.calls = world, faults, calls

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request to `/bot...`."""
        token, _, name = request.path[4:].partition("/")
        bot = self.world.bots.get(token)
        try:
            if bot is None or bot.logged_out:
                raise UNAUTHORIZED if _TOKEN.fullmatch(token) else NOT_FOUND
            method = METHODS.get(name.lower())
            if method is None:
                self.calls.add(_unknown(self.world, bot, name))
                raise NO_METHOD
            fields, files = await _read(request)
        except Refusal as e:
            return _reply(orjson.dumps(e.body()), e.code)
        call = Call(self.world.now(), bot.id, method.name, _chat(fields))
        try:
            return await self._carry_out(bot, method, fields, files, call)
        except Cut:
            call.code = 0
            _cut(request)
            return web.Response()
        except asyncio.CancelledError:  # the bot hung up
            call.code = 0
            raise
        except Exception as e:
            call.code, call.error = 500, f"{type(e).__name__}: {e}"
            raise
        finally:
            self.calls.add(call)

    async def _carry_out(
        self, bot: Bot, method: Method, fields: Mapping[str, Any], files: Mapping[str, Upload], call: Call
    ) -> web.StreamResponse:
        if not method.fields.issuperset(fields):
            call.unknown = tuple(sorted(set(fields) - method.fields - set(files)))
        rule = self.faults.take(method.name.lower(), call.chat) if self.faults.rules else None
        try:
            if rule is not None:
                call.fault = rule.kind
                self._before(bot, rule, call)
            result = method.run(Ask(self.world, bot, fields, files, call))
            if inspect.isawaitable(result):
                result = await result
        except Refusal as e:
            call.code, call.error = e.code, e.description
            return _reply(orjson.dumps(e.body()), e.code)
        call.done = True
        if rule is not None:
            if rule.kind == "lost":
                raise Cut
            if rule.kind == "slow":
                await sleep(self.world.clock, rule.seconds)
            if rule.kind == "garbage":
                return _reply(_GARBAGE, 200)
        body = result if isinstance(result, bytes) else orjson.dumps(result)
        return _reply(_OK[0] + body + _OK[1], 200)

    def _before(self, bot: Bot, rule: Rule, call: Call) -> None:
        if rule.kind == "cut":
            raise Cut
        if rule.kind == "error":
            raise rule.refusal()
        if rule.kind == "limit":
            call.retry_after = rule.retry_after
            if call.chat is not None:
                bot.budget.shut(call.chat, call.at + rule.retry_after)
            raise rule.refusal()

    async def download(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request to `/file/bot...`."""
        token, _, path = request.path[len("/file/bot") :].partition("/")
        bot = self.world.bots.get(token)
        file = self.world.files.at(path)
        refusal = UNAUTHORIZED if bot is None else NOT_FOUND if file is None else None
        if bot is not None:
            call = Call(self.world.now(), bot.id, "download", text=path)
            if refusal is not None:
                call.code, call.error = refusal.code, refusal.description
            call.done = refusal is None
            self.calls.add(call)
        if refusal is not None or file is None or file.size > DOWNLOAD_LIMIT:
            refusal = refusal or NOT_FOUND
            return _reply(orjson.dumps(refusal.body()), refusal.code)
        return web.Response(body=file.data, content_type="application/octet-stream")


def _unknown(world: World, bot: Bot, name: str) -> Call:
    return Call(world.now(), bot.id, name[:64], code=404, error=NO_METHOD.description)


def _reply(body: bytes, status: int) -> web.Response:
    return web.Response(body=body, status=status, content_type=_JSON)


def _cut(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()


def _chat(fields: Mapping[str, Any]) -> int | None:
    """The chat that is named, before anything is checked."""
    try:
        return int(fields["chat_id"])
    except (KeyError, TypeError, ValueError):
        return None


# ---------------------------------------------------------------- reading a request


async def _read(request: web.BaseRequest) -> Fields:
    """The fields of the query and the body."""
    query = request.query
    kind = request.content_type
    if kind == "multipart/form-data":
        fields, files = await _multipart(request)
        return {**query, **fields}, files
    body = await _body(request)
    if not body:
        return dict(query), _NO_FILES
    if kind == _JSON:
        try:
            given = orjson.loads(body)
        except ValueError:
            raise bad("can't parse JSON object") from None
        if not isinstance(given, dict):
            raise bad("can't parse JSON object")
        return {**query, **cast("dict[str, Any]", given)}, _NO_FILES
    # yarl decodes in C; urllib takes milliseconds for a long Chinese text
    form = URL.build(query_string=body.decode("ascii", "replace"), encoded=True).query
    return {**query, **form}, _NO_FILES


async def _body(request: web.BaseRequest) -> bytes:
    if (request.content_length or 0) > UPLOAD_LIMIT:
        raise TOO_LARGE
    chunks: list[bytes] = []
    total = 0
    while chunk := await request.content.readany():
        total += len(chunk)
        if total > UPLOAD_LIMIT:
            raise TOO_LARGE
        chunks.append(chunk)
    return b"".join(chunks)


async def _multipart(request: web.BaseRequest) -> tuple[dict[str, Any], dict[str, Upload]]:
    fields: dict[str, Any] = {}
    files: dict[str, Upload] = {}
    total = 0
    try:
        reader = MultipartReader(request.headers, request.content)
        while (part := await reader.next()) is not None:
            if not isinstance(part, BodyPartReader) or not part.name:
                _malformed()
            chunks: list[bytes] = []
            while chunk := await part.read_chunk(65_536):
                total += len(chunk)
                if total > UPLOAD_LIMIT:
                    raise TOO_LARGE
                chunks.append(bytes(chunk))
            data = b"".join(chunks)
            if part.filename is not None:
                mime = part.headers.get("Content-Type", "application/octet-stream")
                files[part.name] = Upload(part.filename, mime, data)
            else:
                fields[part.name] = data.decode("utf-8", "replace")
    except ValueError:
        _malformed()
    return fields, files


def _malformed() -> NoReturn:
    raise bad("can't parse multipart form")
