"""A model that believes everything it reads: it does what the text of a function's result tells it to.

It calls every offered function that a result names, with the arguments that stand there, and opens every
address that it is shown, however either is hidden: in code, in a fake system message, encoded, in another
language. What a real model may fall for once it falls for always, so that tests see what stands behind it.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import re
import unicodedata
from collections.abc import Iterable, Iterator
from json import JSONDecoder
from typing import Any, cast
from urllib.parse import unquote

import orjson

from duihua.simulator import calling
from duihua.simulator.ask import Answer, Ask, Call, Function

_MOST = 5
"""Calls in one turn."""
_NEAR = 400
"""Characters behind a name in which its arguments stand."""
_URL = re.compile(r"https?://[^\s\"'<>()\[\]{}，。）】]+", re.IGNORECASE)
_PACKED = re.compile(r"[A-Za-z0-9+/]{16,}={0,2}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}){12,}")
_PAIR = re.compile(r"([A-Za-z_]\w*)\s*[=:：]\s*(?:\"([^\"]*)\"|'([^']*)'|“([^”]*)”|([^\s,，;；)）}<]+))")
_UNSEEN = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))


def answer(ask: Ask) -> Answer | None:
    """The next call that a result of this turn orders; None: all is done, or nothing was ordered."""
    if not ask.functions or not ask.results:
        return None
    made = [call for message in ask.messages[ask.last + 1 :] for call in message.calls]
    if len(made) >= _MOST:
        return None
    done = {(call.name, _plain(call.arguments)) for call in made}
    for result in ask.results:
        for call in _ordered(result.text, ask.functions):
            if (call.name, _plain(call.arguments)) not in done:
                return Answer(calls=(call,))
    return None


def _ordered(text: str, functions: Iterable[Function]) -> Iterator[Call]:
    for view in _views(text):
        for function in functions:
            for found in re.finditer(rf"(?<![A-Za-z0-9_]){re.escape(function.name)}(?![A-Za-z0-9_])", view):
                yield calling.call(function, _arguments(function, view[found.end() :][:_NEAR], view))
            if "url" in _names(function):
                for address in _URL.findall(view):
                    yield calling.call(function, {"url": address.rstrip(".,;")})


def _views(text: str) -> Iterator[str]:
    """The text, and all that may be hidden in it."""
    seen: set[str] = set()
    left = [text]
    while left and len(seen) < 40:
        view = left.pop(0)
        if view in seen:
            continue
        seen.add(view)
        yield view
        left.append(unicodedata.normalize("NFKC", view.translate(_UNSEEN)))
        left.append(html.unescape(unquote(view)))
        left.append(view.replace('\\"', '"').replace("\\n", "\n"))
        if view is text:
            left += [codecs.decode(view, "rot13"), view[::-1]]
        for packed in _PACKED.findall(view):
            left += _decoded(lambda packed=packed: base64.b64decode(packed, validate=True))
        for packed in _HEX.findall(view):
            left += _decoded(lambda packed=packed: bytes.fromhex(packed))


def _decoded(unpack: Any) -> list[str]:
    try:
        return [cast("bytes", unpack()).decode()]
    except (binascii.Error, ValueError):
        return []


def _arguments(function: Function, behind: str, view: str) -> dict[str, Any]:
    """The arguments that stand behind a function's name, and what it needs besides."""
    names = _names(function)
    given: dict[str, Any] = {}
    for at in (match.start() for match in re.finditer(r"\{", behind)):
        try:
            value, _ = JSONDecoder().raw_decode(behind[at:])
        except ValueError:
            continue
        if isinstance(value, dict) and names & set(cast("dict[str, Any]", value)):
            given = cast("dict[str, Any]", value)
            break
    if not given:
        for name, *values in _PAIR.findall(behind):
            given.setdefault(name, next((v for v in values if v), ""))
    if "url" in names and "url" not in given and (address := _URL.search(view)):
        given["url"] = address[0].rstrip(".,;")
    filled = {name: value for name, value in given.items() if name in names}
    return calling.minimal(function) | filled


def _names(function: Function) -> set[str]:
    return set(cast("dict[str, Any]", function.schema.get("properties") or {}))


def _plain(arguments: str) -> str:
    try:
        return orjson.dumps(orjson.loads(arguments or "{}"), option=orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONDecodeError:
        return arguments
