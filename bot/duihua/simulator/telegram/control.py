"""The users' door over HTTP, for tests in other languages and for trying things out by hand.

`POST /user/<verb>`, `/group/<verb>` and `/fake/<verb>` take a JSON object; `GET /fake/<what>` tells. A
mistake is answered with 400 and `{"error": ...}`. Bodies have to say that they are JSON, which keeps web
pages of other origins out.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, cast

import orjson
from aiohttp import web

from duihua.simulator.telegram.actor import User
from duihua.simulator.telegram.bots import Bot
from duihua.simulator.telegram.groups import Group
from duihua.simulator.telegram.messages import Draft, Message
from duihua.simulator.telegram.page import PAGE, POLICY

if TYPE_CHECKING:
    from duihua.simulator.telegram.fake import FakeTelegram

Json = dict[str, Any]

LARGEST = 32 * 1024 * 1024
"""Bytes of a body."""
_MISTAKES = (LookupError, ValueError, TypeError, AttributeError)


class Control:
    """Answers what does not come from a bot."""

    def __init__(self, fake: FakeTelegram) -> None:
        self._fake = fake

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request."""
        path = request.path
        if request.method == "GET":
            if path == "/":
                headers = {"Content-Security-Policy": POLICY}
                _ = self._fake.transcript  # from here on it listens
                return web.Response(text=PAGE, content_type="text/html", headers=headers)
            return self._told(path, request.query)
        area, _, verb = path.strip("/").partition("/")
        if request.method != "POST" or area not in ("user", "group", "fake"):
            return _reply({"error": "there is nothing here"}, 404)
        if request.content_type != "application/json":
            return _reply({"error": "the body has to be application/json"}, 415)
        try:
            given = await _object(request)
            return _reply({"ok": True, "result": await self._do(area, verb, given)})
        except _MISTAKES as e:
            return _reply({"error": f"{type(e).__name__}: {e}"[:500]}, 400)

    # ------------------------------------------------------------ what is told

    def _told(self, path: str, query: Any) -> web.StreamResponse:
        fake = self._fake
        try:
            match path:
                case "/fake/events":
                    lines = fake.transcript.after(int(query.get("after", 0)))
                    return _reply([line.as_dict() for line in lines])
                case "/fake/chat":
                    return _reply(self._chat(int(query["id"]), self._bot(query)))
                case "/fake/calls":
                    return web.Response(body=b"".join(fake.calls.lines()), content_type="application/jsonl")
                case "/fake/limits":
                    bots = fake.world.bots.values()
                    return _reply({str(bot.id): bot.budget.gauges.as_dict() for bot in bots})
                case "/fake/counts":
                    calls = fake.calls
                    return _reply({"calls": calls.counts, "refused": calls.refused, "unknown": calls.unknown})
                case _:
                    return _reply({"error": "there is nothing here"}, 404)
        except _MISTAKES as e:
            return _reply({"error": f"{type(e).__name__}: {e}"[:500]}, 400)

    def _chat(self, id_: int, bot: Bot | None) -> Json:
        chat = self._fake.chat(id_, bot)
        now = self._fake.clock.now()
        drafts = [chat.draft(now, thread or None) for thread in list(chat.drafts)]
        return {
            "chat": chat.json(),
            "messages": [m.json() | {"edits": m.edits} for m in chat.shown],
            "drafts": [_draft(d) for d in drafts if d],
            "deleted": [m.id for m in chat.messages.values() if m.deleted],
        }

    # ------------------------------------------------------------ what is done

    async def _do(self, area: str, verb: str, given: Json) -> Any:
        if verb.startswith("_"):
            raise LookupError(verb)
        if area == "fake":
            return self._fakes(verb, given)
        if area == "group":
            return self._groups(verb, given)
        result = await self._users(verb, given)
        if isinstance(result, list):
            return [_message(m) for m in cast("list[Message]", result)]
        return _message(result) if isinstance(result, Message) else result

    async def _users(self, verb: str, given: Json) -> Any:
        user = self._user({**given, "name": ""} if verb == "document" else given)  # that is the file's name
        to: Group | Bot | None = self._group(given) if "chat" in given else self._bot(given)
        more = {name: given[name] for name in ("thread", "reply_to", "quote") if name in given}
        match verb:
            case "say":
                return user.say(given["text"], to, **more)
            case "paste":
                return await user.paste(given["text"], to, thread=given.get("thread"))
            case "photo" | "voice" | "audio":
                data = {"data": _data(given["data"])} if "data" in given else {}
                send = getattr(user, verb)
                return send(**data, caption=given.get("caption", ""), to=to, **more)
            case "document":
                names = {name: given[name] for name in ("name", "mime", "caption") if name in given}
                return user.document(_data(given["data"]), **names, to=to, **more)
            case "album":
                photos = [_data(photo) for photo in given["photos"]]
                rest = {name: given.get(name) for name in ("thread", "album")}
                return user.album(photos, given.get("caption", ""), to, **rest)
            case "edit":
                return user.edit(self._message(user, to, given), given["text"])
            case "press":
                return user.press(self._message(user, to, given), given["button"])
            case "react":
                return user.react(self._message(user, to, given), given.get("emoji", ""))
            case "topic":
                return user.topic(given["name"], to).id
            case "stop" | "block" | "unblock":
                if isinstance(to, Group):
                    raise ValueError("this is done in a private chat")
                if verb == "stop":
                    return user.stop(to, thread=given.get("thread"))
                return user.block(to) if verb == "block" else user.unblock(to)
            case "join" | "leave":
                group = self._group(given)
                return user.join(group) if verb == "join" else user.leave(group)
            case _:
                raise LookupError(f"users cannot {verb}")

    def _groups(self, verb: str, given: Json) -> Any:
        fake = self._fake
        if verb == "make":
            members: list[User | Bot] = [fake.user(id_) for id_ in given.get("members", ())]
            group = fake.group(
                given["chat"],
                given.get("title", "Group"),
                members=[*members, *fake.world.bots.values()],
                forum=bool(given.get("forum")),
            )
            return group.chat.json()
        group = self._group(given)
        match verb:
            case "migrate":
                return group.migrate()
            case "promote" | "demote" | "add" | "remove":
                who = self._user(given) if "user" in given else self._bot(given) or fake.bot
                return getattr(group, verb)(who)
            case "rename":
                return group.rename(given["title"])
            case "topic":
                return group.topic(given["name"]).id
            case "say_as_bot":
                return _message(group.say_as_bot(given["text"]))
            case _:
                raise LookupError(f"groups cannot {verb}")

    def _fakes(self, verb: str, given: Json) -> Any:
        fake = self._fake
        match verb:
            case "bot":
                privacy, topics = bool(given.get("privacy", True)), bool(given.get("topics"))
                return fake.add_bot(given["token"], given["username"], privacy=privacy, topics=topics).id
            case "inject":
                return fake.inject(given["update"], self._bot(given))
            case "fault":
                fake.faults.add(**given)
                return {"seed": fake.faults.seed}
            case "clear":
                fake.faults.clear()
                fake.calls.clear()
                return None
            case _:
                raise LookupError(f"the fake cannot {verb}")

    # ------------------------------------------------------------ who and what is meant

    def _user(self, given: Json) -> User:
        names = {name: given[name] for name in ("username", "language_code") if name in given}
        return self._fake.user(int(given["user"]), given.get("name", ""), **names)

    def _bot(self, given: Any) -> Bot | None:
        if "bot" not in given:
            return None
        bot = self._fake.world.bot(int(given["bot"]))
        if bot is None:
            raise LookupError(f"there is no bot {given['bot']}")
        return bot

    def _group(self, given: Json) -> Group:
        chat = self._fake.world.groups.get(int(given["chat"]))
        if chat is None:
            raise LookupError(f"there is no group {given['chat']}")
        return Group(self._fake.world, chat)

    def _message(self, user: User, to: Group | Bot | None, given: Json) -> Message:
        return user.chat(to).messages[int(given["message"])]


async def _object(request: web.BaseRequest) -> Json:
    body = bytearray()
    while chunk := await request.content.readany():
        body += chunk
        if len(body) > LARGEST:
            raise ValueError("the body is too large")
    given = orjson.loads(body)
    if not isinstance(given, dict):
        raise TypeError("the body has to be an object")
    return cast(Json, given)


def _data(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as e:
        raise ValueError("bytes are given in base64") from e


def _message(message: Message) -> Json:
    return message.json()


def _draft(draft: Draft) -> Json:
    return {"draft_id": draft.id, "thread": draft.thread, "text": draft.text, "frames": draft.count}


def _reply(body: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")
