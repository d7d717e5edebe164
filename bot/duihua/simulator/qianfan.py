"""Baidu Qianfan v1 on loopback: OAuth tokens, signed requests, chat, the service list, the token counter.

The wire: HTTP 200 for nearly everything, errors as `{"error_code", "error_msg"}`, streams of server-sent
events that end with `is_end: true`. Source: the platform's public pages and its own SDK.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from duihua.simulator import brain
from duihua.simulator.ask import Ask
from duihua.simulator.qianfan_door import (
    PLATFORM,
    SERVICE,
    UNSUPPORTED,
    WRONG_METHOD,
    Door,
    gateway_error,
    refused,
)
from duihua.simulator.qianfan_models import CUSTOM, MODELS, Model
from duihua.simulator.qianfan_plugins import Plugins
from duihua.simulator.qianfan_reply import Reply
from duihua.simulator.qianfan_rules import INVALID_JSON, Refused, read
from duihua.simulator.qianfan_services import SERVICES, Services
from duihua.simulator.traffic import Seen
from duihua.simulator.wire import as_list, as_object, json_response, read_body


class Qianfan(Door):
    """Version 1 of the platform, over the shared desk."""

    name = PLATFORM
    title = "Qianfan v1"

    def settings(self, url: str) -> dict[str, str]:
        """Environment settings that point a program here."""
        keys = self.desk.settings.keys
        return {
            "QIANFAN_API_KEY": keys.api_key,
            "QIANFAN_SECRET_KEY": keys.secret_key,
            "QIANFAN_BASE_URL": url,
        }

    def routes(self) -> list[web.RouteDef]:
        """Where it answers."""
        return [
            web.route("*", "/oauth/2.0/token", self.token),
            web.route("*", SERVICE + "/chat/{suffix}", self.chat),
            *Services(self).routes(),
            *Plugins(self).routes(),
            web.route("*", "/wenxinworkshop/service/list", self.services),
            web.route("*", "/rpc/{rest:.*}", self.unsupported),
        ]

    # ------------------------------------------------------------ chat

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Answers a list of messages, whole or as a stream."""
        suffix = request.match_info["suffix"]
        seen = self.desk.traffic.saw(PLATFORM, request)
        seen.model = suffix
        try:
            self.admit(request)
            model = MODELS.get(suffix)
            if model is None:
                raise refused(UNSUPPORTED)
            body = await self.opened(request, seen)
            ask = read(body, model, system_with_functions=self.desk.settings.system_with_functions)
            return await self._answer(request, seen, ask, body, model)
        except Refused as e:
            if e.excess:
                self.desk.traffic.measured(f"{PLATFORM}/{e.excess.model}", *e.excess[1:], refused=True)
            return self.error(seen, e)

    async def _answer(
        self, request: web.Request, seen: Seen, ask: Ask, body: Mapping[str, Any], model: Model
    ) -> web.StreamResponse:
        ask = brain.prepared(ask, self.desk.settings.clock())
        user, prompt = str(body.get("user_id", "")), ask.prompt
        self.desk.traffic.measured(f"{PLATFORM}/{model.suffix}", prompt, model.tokens)
        fault, answer = await self.meet(request, seen, ask, user=user, service=model.suffix, prompt=prompt)
        if answer is not None:
            return answer
        reply = Reply(self.desk, body, fault, ask)
        if body.get("stream"):
            return await self.stream(request, reply.frames(), model.suffix, fault)
        return await self.send(request, reply.whole(), model.suffix, fault)

    # ------------------------------------------------------------ the rest

    async def services(self, request: web.Request) -> web.StreamResponse:
        """Lists the services, of some kinds if the request names them; only a signed request may ask."""
        seen = self.desk.traffic.saw(PLATFORM, request)
        if request.method != "POST":
            return self.error(seen, refused(WRONG_METHOD))
        if reason := self.signature_fault(request):
            return gateway_error(seen, reason)
        try:
            fields = as_object(await read_body(request, seen)) or {}
        except ValueError:
            return self.error(seen, Refused(INVALID_JSON, "Invalid JSON"))
        seen.outcome = "ok"
        wanted = as_list(fields.get("apiTypefilter"))
        listed = [_service(m.name, "chat", m.suffix) for m in MODELS.values()]
        listed += [_service(s.name, s.kind, s.suffix) for s in SERVICES.values()]
        listed = [s for s in listed if wanted is None or s["apiType"] in wanted]
        common = [s for s in listed if not s["url"].endswith(CUSTOM)]
        custom = [s for s in listed if s["url"].endswith(CUSTOM)]
        return json_response(
            {"log_id": str(self.desk.number()), "result": {"common": common, "custom": custom}}
        )

    async def unsupported(self, request: web.Request) -> web.StreamResponse:
        """Every other path of the interface."""
        seen = self.desk.traffic.saw(PLATFORM, request)
        return self.error(seen, refused(self.authorized(request) or UNSUPPORTED))


def _service(name: str, kind: str, suffix: str) -> dict[str, Any]:
    return {
        "name": name,
        "url": f"https://aip.baidubce.com{SERVICE}/{kind}/{suffix}",
        "apiType": kind,
        "chargeStatus": "OPENED",
        "versionList": [{"trainType": suffix, "serviceStatus": "Done"}],
    }
