"""The only door for message lists made elsewhere: whatever their shape, they become valid turns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

from duihua.messages import Call, Media, Part, Step, Text, Thinking, Turn, TurnRef, call_id

_ROLES: Mapping[str, str] = {
    "system": "system",
    "developer": "system",
    "assistant": "assistant",
    "ai": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "gpt": "assistant",
    "tool": "result",
    "function": "result",
    "observation": "result",
}
_MEDIA: Mapping[str, Literal["image", "audio", "video", "file"]] = {
    "image": "image",
    "image_url": "image",
    "input_image": "image",
    "audio": "audio",
    "audio_url": "audio",
    "input_audio": "audio",
    "video": "video",
    "video_url": "video",
    "file": "file",
    "file_url": "file",
}


def turns_from_messages(messages: Sequence[Mapping[str, Any]]) -> tuple[str, tuple[Turn, ...]]:
    """The system text and the turns of a list in the style of OpenAI or Qianfan.

    System messages are gathered from wherever they stand. Every user message begins a turn; a role nobody
    knows is a user's. A result without its call is left out, a call without its result is `unknown`. What is
    no message at all is passed over.

    Args:
        messages: mappings with `role` and `content`, which may be null, text, a list of parts or any JSON.

    Returns:
        The system texts, joined by newlines, and turns numbered from 1 in session 0.
    """
    system: list[str] = []
    reading = _Reading()
    for item in cast("Sequence[Any]", messages):
        if not isinstance(item, Mapping):
            continue
        message = cast("Mapping[str, Any]", item)
        parts = _parts(message.get("content"))
        match _ROLES.get(str(message.get("role")).lower(), "user"):
            case "system":
                system.append("".join(part.text for part in parts if isinstance(part, Text)))
            case "assistant":
                reading.answer(message, parts)
            case "result":
                reading.result(message, parts)
            case _:
                reading.turns.append(_Draft(parts))
    turns = tuple(draft.turn(number) for number, draft in enumerate(reading.turns, 1))
    return "\n".join(text for text in system if text.strip()), turns


@dataclass(slots=True)
class _Draft:
    """A turn in the making. A call has the id that its list gave it until the turn is done."""

    input: tuple[Part, ...] = ()
    steps: list[tuple[tuple[Part, ...], list[Call]]] = field(
        default_factory=list[tuple[tuple[Part, ...], list[Call]]]
    )

    def turn(self, seq: int) -> Turn:
        ref = TurnRef(0, seq)
        steps = tuple(
            Step(parts, tuple(replace(call, id=call_id(ref, n, i)) for i, call in enumerate(calls)))
            for n, (parts, calls) in enumerate(self.steps)
        )
        state = "done" if steps else "stopped"
        finish = "stop" if steps else "stopped"
        return Turn(ref, parent=seq - 1, input=self.input, steps=steps, state=state, finish=finish)


class _Reading:
    def __init__(self) -> None:
        self.turns: list[_Draft] = []

    def answer(self, message: Mapping[str, Any], parts: tuple[Part, ...]) -> None:
        calls = _calls(message)
        thinking = message.get("reasoning_content") or message.get("reasoning")
        if isinstance(thinking, str):
            parts = (Thinking(thinking), *parts)
        if not parts and not calls:
            return
        if not self.turns:
            self.turns.append(_Draft())
        self.turns[-1].steps.append((parts, calls))

    def result(self, message: Mapping[str, Any], parts: tuple[Part, ...]) -> None:
        """Gives the result to the call it names: by id anywhere, by name (or none) within the last turn."""
        id_, name = message.get("tool_call_id"), message.get("name")
        text = "".join(part.text for part in parts if isinstance(part, Text))
        drafts = self.turns if id_ else self.turns[-1:]
        for draft in reversed(drafts):
            for _, calls in draft.steps:
                for index, call in enumerate(calls):
                    fits = call.id == str(id_) if id_ else not name or call.name == name
                    if fits and call.state == "unknown":
                        calls[index] = replace(call, state="done", result=text)
                        return


def _calls(message: Mapping[str, Any]) -> list[Call]:
    listed = message.get("tool_calls")
    items = cast("list[Any]", listed) if isinstance(listed, list) else []
    tools = [cast("Mapping[str, Any]", item) for item in items if isinstance(item, Mapping)]
    found = [_call(tool.get("function") or tool, tool.get("id")) for tool in tools]
    if not found:
        found = [_call(message.get("function_call"), None)]
    return [call for call in found if call is not None]


def _call(function: Any, id_: Any) -> Call | None:
    if not isinstance(function, Mapping):
        return None
    data = cast("Mapping[str, Any]", function)
    name = data.get("name")
    if not isinstance(name, str) or not name.strip():
        return None
    return Call("" if id_ is None else str(id_), name, _text(data.get("arguments")) or "{}", "unknown")


def _parts(content: Any) -> tuple[Part, ...]:
    items = cast("list[Any]", content) if isinstance(content, list) else [content]
    return tuple(part for part in map(_part, items) if part is not None)


def _part(item: Any) -> Part | None:
    if isinstance(item, Mapping):
        data = cast("Mapping[str, Any]", item)
        if isinstance(text := data.get("text"), str):
            return Text(text)
        for kind in (data.get("type"), *data):
            if isinstance(kind, str) and kind in _MEDIA:
                return Media(_MEDIA[kind], "", "")
    text = _text(item)
    return Text(text) if text else None


def _text(value: Any) -> str:
    if value is None:
        return ""
    return (
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str, skipkeys=True)
    )
