"""From a wish to a call: finds the offered function that fits and fills the parameters its schema has."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, cast

import orjson

from duihua.simulator import cities
from duihua.simulator.ask import Ask, Call, Function
from duihua.simulator.intents import Kind, Wish

_I = re.IGNORECASE
_BY_NAME: dict[Kind, re.Pattern[str]] = {
    "weather": re.compile(r"weather|forecast|天气", _I),
    "arithmetic": re.compile(r"(?<![a-z])(?:calc|arith|math|comput|eval)|计算|算", _I),
    "time": re.compile(r"(?<![a-z])(?:clock|time|datetime|date|now|today)(?![a-z])|时间|时钟|日期", _I),
    "remember": re.compile(r"^(?:remember|memorize|memorise|save_memory)$|记住|记下", _I),
    "recall": re.compile(r"^(?:recall|search_memory|memory_search)$|回忆|想起", _I),
    "forget": re.compile(r"^(?:forget|delete_memory)$|忘", _I),
    "remind": re.compile(r"remind|提醒", _I),
    "draw": re.compile(r"^draw|(?:draw|paint|generate)_?image|画", _I),
    "fetch": re.compile(r"^(?:web_?)?fetch|read_(?:page|url)|网页", _I),
}
MEMORY: frozenset[Kind] = frozenset({"remember", "recall", "forget"})
_BY_TEXT: dict[Kind, re.Pattern[str]] = {
    "weather": re.compile(r"weather|forecast|天气", _I),
    "arithmetic": re.compile(r"arithmetic|calculat|expression|计算|算式|表达式", _I),
    "time": re.compile(
        r"current (?:date|time)|(?:date|time) now|what time|当前时间|现在.{0,4}时间|时刻|几点", _I
    ),
}
_CITY = re.compile(r"city|location|place|town|region|城市|地点|地区", _I)
_DAYS = re.compile(r"^(?:days|n_?days|num_?days|forecast_?days|days_?count|天数)$", _I)
_DAY = re.compile(r"day|date|when|offset|日期|哪天|日子", _I)
_ZONE = re.compile(r"^tz$|time_?zone|zone|时区", _I)
_SLOTS = re.compile(r"text|prompt|url|query|fact|what|content|内容|文字|什么", _I)
_EXPRESSION = re.compile(r"expr|formula|calc|equation|input|query|表达式|算式|式", _I)
_DAY_WORDS: dict[int, tuple[str, ...]] = {
    0: ("today", "今天", "now", "current", "0"),
    1: ("tomorrow", "明天", "1"),
    2: ("day_after_tomorrow", "day after tomorrow", "后天", "2"),
    3: ("大后天", "3"),
}


def calls(ask: Ask, wishes: Sequence[Wish]) -> list[Call]:
    """A call for each wish that an offered function fulfils, in order."""
    found: list[Call] = []
    for wish in wishes:
        function = matching(wish.kind, ask.functions)
        if function is None or (ask.choice not in ("auto", "required", function.name)):
            continue
        if wish.kind == "weather" and not wish.city:
            continue
        if wish.action and "action" not in parameters(function.schema):
            continue
        found.append(call(function, arguments(function, wish, ask.today)))
    return found


def call(function: Function, filled: Mapping[str, Any]) -> Call:
    """A call with its arguments as JSON text."""
    return Call(function.name, orjson.dumps(filled).decode())


def matching(kind: Kind, functions: Sequence[Function]) -> Function | None:
    """The function of that kind: by its name first, else by its description."""
    for function in functions:
        if _BY_NAME[kind].search(function.name):
            return function
    for function in functions:
        if any(pattern.search(function.name) for pattern in _BY_NAME.values()):
            continue
        if kind in _BY_TEXT and _BY_TEXT[kind].search(function.description):
            return function
    return None


def of_memory(function: Function) -> bool:
    """Whether it keeps, finds or forgets memories: asked for plainly, or not called at all."""
    return any(_BY_NAME[kind].search(function.name) for kind in MEMORY)


def known(function: Function) -> bool:
    """Whether there is a kind of wish that this function is for."""
    return any(matching(kind, [function]) for kind in _BY_NAME)


def arguments(function: Function, wish: Wish, today: date | None) -> dict[str, Any]:
    """The arguments for a wish: only parameters that the schema has, the required ones in any case."""
    properties = parameters(function.schema)
    filled: dict[str, Any] = {}
    if wish.kind == "weather":
        if place := _named(properties, _CITY) or _first_text(function.schema, properties):
            filled[place] = wish.city
        filled |= _days(properties, wish, today)
    elif wish.kind == "arithmetic":
        if slot := _named(properties, _EXPRESSION) or _first_text(function.schema, properties):
            filled[slot] = wish.expression
    elif wish.kind == "remind":
        given = {"action": wish.action, "id": wish.number}
        given |= {"text": wish.words, "at": wish.day, "rule": wish.expression}
        filled |= {name: value for name, value in given.items() if name in properties and value}
    elif wish.words:
        if slot := _named(properties, _SLOTS) or _first_text(function.schema, properties):
            filled[slot] = wish.words
    elif known := cities.mentioned(wish.city):
        if slot := _named(properties, _ZONE):
            filled[slot] = known[1].timezone
        elif slot := _named(properties, _CITY):
            filled[slot] = wish.city
    return minimal(function) | filled


def minimal(function: Function) -> dict[str, Any]:
    """The smallest arguments that a function takes: a plain value for each required parameter."""
    properties = parameters(function.schema)
    return {
        name: _plain(name, properties.get(name, {}), function.schema) for name in _required(function.schema)
    }


def _days(properties: Mapping[str, Mapping[str, Any]], wish: Wish, today: date | None) -> dict[str, Any]:
    count = _named(properties, _DAYS)
    one = next((name for name in properties if _DAY.search(name) and name != count), None)
    if wish.span and count:
        return {count: _clamped(wish.span, properties[count])}
    if wish.offset is None:
        return {}
    if one is not None:
        return {one: _day(properties[one], wish, today)}
    if count is not None:
        return {count: _clamped(wish.offset + 1, properties[count])}
    return {}


def _day(schema: Mapping[str, Any], wish: Wish, today: date | None) -> Any:
    offset = wish.offset or 0
    options = schema.get("enum")
    if isinstance(options, list):
        words = (wish.day.lower(), *_DAY_WORDS.get(offset, ()))
        fits = (o for o in cast("list[Any]", options) if str(o).lower() in words)
        return next(fits, cast("list[Any]", options)[0] if options else wish.day)
    if schema.get("type") in ("integer", "number"):
        return _clamped(offset, schema)
    about = str(schema.get("description", ""))
    words = re.search(r"today|tomorrow|今天|明天", about, _I)
    iso = schema.get("format") == "date" or (re.search(r"YYYY|ISO", about, _I) and not words)
    return (today + timedelta(offset)).isoformat() if iso and today else wish.day


def _clamped(value: int, schema: Mapping[str, Any]) -> int:
    low, high = schema.get("minimum"), schema.get("maximum")
    if isinstance(low, (int, float)):
        value = max(value, int(low))
    if isinstance(high, (int, float)):
        value = min(value, int(high))
    return value


def parameters(schema: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Each parameter's own schema, with references and "or null" taken away."""
    found = schema.get("properties")
    if not isinstance(found, dict):
        return {}
    return {str(k): _resolved(v, schema) for k, v in cast("dict[Any, Any]", found).items()}


def _resolved(value: Any, root: Mapping[str, Any], depth: int = 4) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        return {}
    schema = cast("dict[str, Any]", value)
    if depth and isinstance(ref := schema.get("$ref"), str):
        target = cast("dict[str, Any]", root.get("$defs") or {}).get(ref.rsplit("/", 1)[-1])
        return {**_resolved(target, root, depth - 1), **{k: v for k, v in schema.items() if k != "$ref"}}
    for way in ("anyOf", "oneOf", "allOf"):
        if depth and isinstance(options := schema.get(way), list):
            resolved = (_resolved(o, root, depth - 1) for o in cast("list[Any]", options))
            real = [o for o in resolved if o.get("type") != "null"]
            if real:
                return {**real[0], **{k: v for k, v in schema.items() if k != way}}
    return schema


def _required(schema: Mapping[str, Any]) -> list[str]:
    found = schema.get("required")
    return [n for n in cast("list[Any]", found) if isinstance(n, str)] if isinstance(found, list) else []


def _named(properties: Mapping[str, Mapping[str, Any]], pattern: re.Pattern[str]) -> str | None:
    by_name = next((name for name in properties if pattern.search(name)), None)
    if by_name is not None:
        return by_name
    texts = ((n, s.get("description")) for n, s in properties.items() if s.get("type", "string") == "string")
    return next((n for n, about in texts if isinstance(about, str) and pattern.search(about)), None)


def _first_text(schema: Mapping[str, Any], properties: Mapping[str, Mapping[str, Any]]) -> str | None:
    names = [*_required(schema), *properties]
    return next((n for n in names if properties.get(n, {}).get("type", "string") == "string"), None)


def _plain(name: str, schema: Mapping[str, Any], root: Mapping[str, Any], depth: int = 4) -> Any:
    if "default" in schema:
        return schema["default"]
    if isinstance(options := schema.get("enum"), list) and options:
        return cast("list[Any]", options)[0]
    match schema.get("type", "string"):
        case "integer" | "number":
            return _clamped(1, schema)
        case "boolean":
            return False
        case "array":
            return []
        case "object":
            inner = parameters({**schema, "$defs": root.get("$defs")})
            return (
                {n: _plain(n, inner.get(n, {}), root, depth - 1) for n in _required(schema)} if depth else {}
            )
        case _:
            if _CITY.search(name):
                return "北京"
            return "1+2" if _EXPRESSION.search(name) else "text"
