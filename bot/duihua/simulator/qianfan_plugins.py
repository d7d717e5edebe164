"""Qianfan v1's plugins, which the platform calls deprecated: its own, and services put together of them.

Of their streams only the names of the events are known (`pluginMeta`, `plugin`, `chat`): what stands in the
first two kinds is taken from the fields of whole answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from duihua.simulator import brain
from duihua.simulator.ask import Ask, Message
from duihua.simulator.faults import Fault
from duihua.simulator.qianfan_door import PLATFORM, SERVICE, Door
from duihua.simulator.qianfan_models import Model
from duihua.simulator.qianfan_reply import Reply
from duihua.simulator.qianfan_rules import (
    CHECK_FAILED,
    INVALID_ARGUMENT,
    TOO_MANY_CHARACTERS,
    Check,
    Refused,
    check_fields,
    is_text,
    read_messages,
    within,
)
from duihua.simulator.traffic import Seen
from duihua.simulator.wire import Desk, as_list, as_object, event

SERVED = "duihua_plugin"
"""The id of the one service that was put together."""
NO_SUCH_SERVICE = 336005
_OWN = frozenset({"eChart", "ImageAI", "ChatFile", "ChatFilePlus"})
_ORCHESTRATED = frozenset({"uuid-zhishiku", "uuid-chatocr", "uuid-weatherforecast"})
_TRIGGERS: Mapping[str, tuple[str, ...]] = {
    "eChart": ("图", "chart"),
    "ImageAI": ("<img>",),
    "ChatFile": ("<file>",),
    "ChatFilePlus": ("<file>",),
}
_LONGEST_QUESTION, _LONGEST_QUERY = 4_800, 1_000
_CHAT = Model("plugin", "erniebot/plugin", _LONGEST_QUESTION, None, frozenset())
_SAMPLING: Mapping[str, Check] = {
    "temperature": (within(0, 1, above=True), ""),
    "top_p": (within(0, 1), ""),
    "penalty_score": (within(1, 2), ""),
}


def _is_sampling(value: Any) -> bool:
    fields = as_object(value)
    return fields is not None and all(n in _SAMPLING and _SAMPLING[n][0](v) for n, v in fields.items())


def _names(known: frozenset[str]) -> Check:
    def good(value: Any) -> bool:
        names = as_list(value) or []
        return 1 <= len(names) <= 3 and all(isinstance(n, str) and n in known for n in names)

    return good, f"must be 1 to 3 of {', '.join(sorted(known))}"


_OWN_RULES: Mapping[str, Check] = {
    "plugins": _names(_OWN),
    "extra_data": (is_text, "must be a string"),
}
_RULES: Mapping[str, Check] = {
    "plugins": _names(_ORCHESTRATED),
    "fileurl": (is_text, "must be a string"),
    "input_variables": (lambda v: isinstance(v, dict), "must be an object"),
    "llm": (_is_sampling, "must be temperature, top_p and penalty_score in their ranges"),
    "verbose": (lambda v: isinstance(v, bool), "must be a boolean"),
}


class Plugins:
    """Both ways to plugins, behind the platform's door."""

    def __init__(self, door: Door) -> None:
        self.door, self.desk = door, door.desk

    def routes(self) -> list[web.RouteDef]:
        """Where they are."""
        return [
            web.route("*", SERVICE + "/erniebot/plugin", self.own),
            web.route("*", SERVICE + "/plugin/{id}/", self.orchestrated),
        ]

    async def own(self, request: web.Request) -> web.StreamResponse:
        """Answers a list of messages with the platform's own plugins."""
        seen = self.desk.traffic.saw(PLATFORM, request)
        seen.model = _CHAT.name
        try:
            fields = await self._fields(request, seen, "messages", "plugins")
            known = ("messages", "plugins", "stream", "user_id", "extra_data", "extra_parameters")
            check_fields(fields, known, _CHAT.name, _OWN_RULES)
            messages = read_messages(fields["messages"], _CHAT)
            if len(messages[-1].text) > _LONGEST_QUESTION:
                raise Refused(TOO_MANY_CHARACTERS, f"the max input characters is {_LONGEST_QUESTION}")
            while sum(len(m.text) for m in messages) > _LONGEST_QUESTION:
                messages = messages[2:]  # the oldest questions are forgotten with their answers
            return await self._answer(request, seen, _CHAT.name, fields, messages, PluginReply)
        except Refused as e:
            return self.door.error(seen, e)

    async def orchestrated(self, request: web.Request) -> web.StreamResponse:
        """Answers one question in a service that was put together of plugins."""
        seen = self.desk.traffic.saw(PLATFORM, request)
        seen.model = request.match_info["id"]
        try:
            self.door.admit(request)
            if seen.model != SERVED:
                raise Refused(NO_SUCH_SERVICE, "API name not exist")
            fields = await self._fields(request, seen, "query")
            check_fields(fields, ("query", "history", "stream", "user_id", *_RULES), SERVED, _RULES)
            query = fields["query"]
            if not isinstance(query, str) or not query.strip():
                raise Refused(CHECK_FAILED, "query can not be empty")
            if len(query) > _LONGEST_QUERY:
                raise Refused(TOO_MANY_CHARACTERS, f"the max input characters is {_LONGEST_QUERY}")
            said = [*(as_list(fields.get("history")) or ()), {"role": "user", "content": query}]
            messages = read_messages(said, _CHAT)
            return await self._answer(request, seen, SERVED, fields, messages, OrchestratedReply)
        except Refused as e:
            return self.door.error(seen, e)

    async def _fields(self, request: web.Request, seen: Seen, *required: str) -> dict[str, Any]:
        fields = as_object(await self.door.opened(request, seen))
        if fields is None:
            raise Refused(INVALID_ARGUMENT, "the request body must be a JSON object")
        for name in required:
            if name not in fields:
                raise Refused(INVALID_ARGUMENT, f"{name} is required")
        return fields

    async def _answer(
        self,
        request: web.Request,
        seen: Seen,
        service: str,
        fields: Mapping[str, Any],
        messages: tuple[Message, ...],
        form: type[Reply],
    ) -> web.StreamResponse:
        ask = brain.prepared(Ask(messages), self.desk.settings.clock())
        user, prompt = str(fields.get("user_id", "")), ask.prompt
        fault, answer = await self.door.meet(request, seen, ask, user=user, service=service, prompt=prompt)
        if answer is not None:
            return answer
        reply = form(self.desk, fields, fault, ask)
        if fields.get("stream"):
            return await self.door.stream(request, reply.frames(), service, fault)
        return await self.door.send(request, reply.whole(), service, fault)


class PluginReply(Reply):
    """An answer with what the plugins did, which a stream tells first, in events of their own."""

    def __init__(self, desk: Desk, body: Mapping[str, Any], fault: Fault, ask: Ask) -> None:
        super().__init__(desk, body, fault, ask)
        question = ask.question
        self.used = [p for p in body["plugins"] if any(sign in question for sign in _TRIGGERS[p])]
        if self.ban:
            self.used = []

    def frames(self) -> list[bytes]:
        """The events: what plugins are, what they did, the chat."""
        aside: list[bytes] = []
        if self.used:
            aside = [_named("pluginMeta", event({"id": self.id, "plugin_metas": self._metas()}))]
            aside += [_named("plugin", event({"id": self.id, "plugin_info": [i]})) for i in self._info()]
        return [*aside, *(_named("chat", frame) for frame in super().frames())]

    def extras(self) -> dict[str, Any]:
        """What the plugins did."""
        return {"plugin_info": self._info(), "plugin_metas": self._metas()} if self.used else {}

    def usage(self, said: int) -> dict[str, Any]:
        """With the tokens of each plugin."""
        spent = {"parse_tokens": 0, "abstract_tokens": 0, "search_tokens": 0, "total_tokens": 100}
        return {**super().usage(said), "plugins": [{"name": name, **spent} for name in self.used]}

    def _info(self) -> list[dict[str, Any]]:
        asked = orjson.dumps({"query": "simulated"}).decode()
        return [
            {
                "plugin_id": f"{name}:1.0.0",
                "plugin_name": "",
                "plugin_req": asked,
                "plugin_resp": orjson.dumps({"errCode": 0, "errMsg": "success"}).decode(),
                "status": "2",
                "api_id": name,
            }
            for name in self.used
        ]

    def _metas(self) -> list[dict[str, Any]]:
        return [
            {"apiId": name, "pluginId": f"{name}:1.0.0", "pluginNameForModel": name} for name in self.used
        ]


class OrchestratedReply(Reply):
    """An answer with a number for the log, and on demand with what the plugins were asked."""

    def extras(self) -> dict[str, Any]:
        """The number, and the plugins' requests."""
        found: dict[str, Any] = {"log_id": int(self.id.removeprefix("as-"), 16)}
        if self.body.get("verbose"):
            plugins = self.body.get("plugins") or ["uuid-zhishiku"]
            request = {"query": self.body["query"]}
            found["meta_info"] = {"plugin_id": plugins[0], "request": request, "response": {"result": []}}
        return found


def _named(name: str, frame: bytes) -> bytes:
    return f"event: {name}\n".encode() + frame
