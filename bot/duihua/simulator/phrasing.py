"""The brain's sentences: a function's result in words, the echo, long texts; Chinese and English."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import orjson

from duihua.simulator import reminded
from duihua.simulator.ask import Language, Message
from duihua.simulator.intents import Wish, question_of

LONGEST = 2_000
"""Characters of a result that are said back."""

ECHO = 300
"""Characters of a question that are said back."""

_SAID: dict[str, dict[Language, str]] = {
    "weather": {"zh": "我查到的天气：{0}", "en": "Here is the weather: {0}"},
    "time": {"zh": "现在的时间：{0}", "en": "The time is: {0}"},
    "arithmetic": {"zh": "{1} 的结果：{0}", "en": "The result of {1}: {0}"},
    "remember": {"zh": "好的，我记住了。", "en": "I will remember that."},
    "recall": {"zh": "我记得：{0}", "en": "I remember: {0}"},
    "forget": {"zh": "好的，忘掉了：{0}", "en": "Forgotten: {0}"},
    "remind": {"zh": "好的，到时提醒你：{0}", "en": "I will remind you: {0}"},
    "draw": {"zh": "画好了：{0}", "en": "Here it is: {0}"},
    "fetch": {"zh": "网页上写着：{0}", "en": "The page says: {0}"},
    "": {"zh": "结果：{0}", "en": "The result: {0}"},
    "error": {"zh": "没有成功：{0}", "en": "That did not work: {0}"},
}
_ECHO: dict[Language, str] = {
    "zh": "你说：“{0}”。这是我看到的第 {1} 轮。",
    "en": 'You said: "{0}". This is round {1} that I have seen.',
}
WHICH_CITY: dict[Language, str] = {
    "zh": "请问你想查哪个城市的天气？",
    "en": "Which city's weather would you like?",
}
REFUSAL: dict[Language, str] = {
    "zh": "很抱歉，这个问题我不能回答。我们换个话题吧。",
    "en": "Sorry, I cannot answer that. Let us talk about something else.",
}


def phrase(results: Sequence[Message], wishes: Sequence[Wish], tongue: Language) -> str:
    """The results of the functions in sentences; `wishes` are what they answer, as far as that is known."""
    lines: list[str] = []
    for i, result in enumerate(results):
        wish = wishes[i] if i < len(wishes) else None
        if wish and wish.kind == "remind" and (said := reminded.said(_fields(result.text), tongue)):
            lines.append(said)
            continue
        content, failed = _content(result.text, tongue)
        kind = "error" if failed else wish.kind if wish else ""
        lines.append(_stopped(_SAID[kind][tongue].format(content, wish.expression if wish else ""), tongue))
    return "\n".join(lines)


def echo(question: str, rounds: int, tongue: Language) -> str:
    """The question said back, with the number of user messages seen."""
    shown = question.strip()
    shown = shown if len(shown) <= ECHO else question_of(shown)
    return _ECHO[tongue].format(shown if len(shown) <= ECHO else shown[:ECHO] + "…", rounds)


def long(characters: int, tongue: Language) -> str:
    """A text of exactly so many characters, in numbered sentences, so that a lost piece shows."""
    sentence = {"zh": "这是第{0}句话。", "en": "This is sentence {0}. "}[tongue]
    parts, size, number = list[str](), 0, 1
    while size < characters:
        parts.append(sentence.format(number))
        size += len(parts[-1])
        number += 1
    return "".join(parts)[:characters]


def _fields(text: str) -> dict[str, Any]:
    """A result's fields; none if it is no object."""
    try:
        value: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    fields = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    inner = fields.get("result") if len(fields) == 1 else None  # some wires wrap it
    return cast("dict[str, Any]", inner) if isinstance(inner, dict) else fields


def _content(text: str, tongue: Language) -> tuple[str, bool]:
    """A result as plain words, and whether it tells of an error."""
    try:
        value: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = text
    failed = False
    while isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        if error := fields.get("error"):
            value, failed = error, True
        elif len(fields) == 1 and "result" in fields:
            value = fields["result"]
        else:
            break
    said = _flat(value, tongue).strip()
    failed = failed or said.lower().startswith(("error", "错误"))
    return (said[:LONGEST] or {"zh": "（空）", "en": "(nothing)"}[tongue]), failed


def _flat(value: Any, tongue: Language, depth: int = 0) -> str:
    comma, colon = {"zh": ("，", "："), "en": (", ", ": ")}[tongue]
    if depth > 8:
        return "…"
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value).items()
        return comma.join(f"{k}{colon}{_flat(v, tongue, depth + 1)}" for k, v in pairs)
    if isinstance(value, list):
        return comma.join(_flat(v, tongue, depth + 1) for v in cast("list[Any]", value))
    if isinstance(value, str):
        return value
    return orjson.dumps(value).decode()


def _stopped(sentence: str, tongue: Language) -> str:
    if sentence.endswith(("。", ".", "!", "！", "?", "？", "…")):
        return sentence
    return sentence + {"zh": "。", "en": "."}[tongue]
