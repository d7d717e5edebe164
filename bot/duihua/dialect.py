"""What one model's wire accepts, as a value: how a conversation is packed for it, within which limits."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import ceil, inf
from typing import Any, Literal

import orjson

from duihua import ranges, transcript
from duihua.actions import described, is_chinese
from duihua.clipping import SHORTEST, shorten
from duihua.errors import InputTooLong
from duihua.fragments import (
    PER_MESSAGE,
    Calls,
    Functions,
    Images,
    Shape,
    message,
    render,
    text_input,
    to_json,
)
from duihua.memory.window import HIGH, LEFT, NOTHING, Size, advance, fits
from duihua.messages import Attachment, Part, Turn
from duihua.options import ModelOptions
from duihua.pictures import placed, refuse_unseen
from duihua.ports import Limits, Packed, ToolSpec
from duihua.ranges import Range
from duihua.tokens import estimate
from duihua.transcript import Transcript

_ESTIMATED: dict[tuple[int, int], float] = {}
_MOST = 1_024
_GAP = "\n\n"  # between the parts of a system text, and before the question that it stands on


@dataclass(frozen=True, slots=True)
class ChatDialect:
    """A chat wire, described by values; implements `ports.Dialect`.

    Attributes:
        name: `provider/model`.
        soft: the smallest documented limits: history is trimmed to them.
        hard: the largest documented limits: a larger input is refused.
        alternating: user (or function) on odd places and assistant on even ones, calls one by one; else the
            free roles of OpenAI's wire.
        system: where the system text goes: a field of its own, the first message, or the head of the first
            user message.
        calls: `function_call` with function messages, or `tool_calls` with tool messages.
        functions: native calls, calls as lines of text (`actions`), or none.
        ranges: option to its name and range on this wire; what is not there, the model does not have.
        extra: the fields that `ModelOptions.extra` may set, None for any.
        defaults: fields that are always sent unless an option sets them.
        images: how an image in a user's message is sent; `none`: the model does not see.
        reasoning: the `tool_calls` of the turn that is being answered go back with the reasoning that led to
            them, as `reasoning_content`; those of finished turns never do.
        rule: what options must keep together, looked at when each is good; raises InvalidOptions.
    """

    name: str
    soft: Limits
    hard: Limits
    alternating: bool = False
    system: Literal["field", "message", "user"] = "message"
    calls: Calls = "tool_calls"
    functions: Functions = "native"
    ranges: Mapping[str, Range] = field(default_factory=dict[str, Range], hash=False)
    extra: frozenset[str] | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)
    images: Images = "none"
    reasoning: bool = False
    rule: Callable[[Mapping[str, Any]], None] | None = None
    _shape: Shape = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        room = min(self.soft.characters or inf, 2 * (self.soft.tokens or inf))
        clip = 0 if room == inf else max(SHORTEST, int(room) // 4)
        shape = Shape(self.alternating, self.calls, self.functions, clip, self.reasoning)
        object.__setattr__(self, "_shape", shape)

    def pack(
        self,
        system: str,
        turns: Sequence[Turn],
        tools: Sequence[ToolSpec] = (),
        *,
        start: int = 0,
        budget: int | None = None,
        scale: float = 1.0,
        images: Mapping[str, Attachment] | None = None,
    ) -> Packed:
        """The wire form of a conversation; the last turn is the current one, its input is kept whole.

        Turns of the past leave as a whole, oldest first. If the current turn is too large even alone, results
        of its calls are clipped in this copy, the newest last.

        Args:
            system: the system text.
            turns: oldest first, along one path, at least one; the last is the current turn with its steps.
            tools: the skills that are offered.
            start: `Packed.start` of the last packing, 0 for none.
            budget: tokens; None means the soft limit. A smaller one lowers the characters with it.
            scale: tokens per estimated token, from calibration.
            images: stored images by their ids; the others stay named in words.

        Raises:
            ValueError: there are no turns.
        """
        if not turns:
            raise ValueError("nothing to pack: a conversation has at least the current turn")
        text, fixed, schemas = self._fixed(system, tuple(tools))
        limits = self._limits(budget, scale)
        shape = self._shape
        first = _index(turns, start)
        head = transcript.head(turns, first, shape)
        current = turns[head:]
        past = transcript.history(turns, first, head, shape)
        out = self._joined(past, current, turns)
        if first < head and not fits(_sum(fixed, out.size), limits, HIGH):
            first = self._moved(turns, first, head, fixed, limits, LEFT if budget is None else 0.0)
            past = transcript.history(turns, first, head, shape)
            out = self._joined(past, current, turns)
        if first == head and not fits(_sum(fixed, out.size), limits):
            current = shorten(
                current, lambda tried: fits(_sum(fixed, self._joined(past, tried, turns).size), limits)
            )
            out = self._joined(past, current, turns)
        packed = self._packed(text, out, fixed, turns[first].ref.seq, scale, schemas)
        return placed(packed, turns, images, self.images) if images else packed

    @property
    def sees(self) -> bool:
        """Whether the model takes images."""
        return self.images != "none"

    def check(self, options: ModelOptions) -> Mapping[str, Any]:
        """The options under the platform's names. Raises InvalidOptions."""
        fields = {**self.defaults, **ranges.check(options, self.ranges, self.extra)}
        if self.rule is not None:
            self.rule(fields)
        return fields

    def admit(self, system: str, parts: Sequence[Part]) -> None:
        """Refuses an input that the model cannot take.

        Raises:
            InputTooLong: it alone, with the system text, is larger than the hard limit.
            UnsupportedInput: it holds images, and the model does not see; or what no model takes yet.
        """
        refuse_unseen(self.name, parts, self.images)
        text = text_input(parts)
        characters = len(system) + len(text)
        if self.hard.characters is not None and characters > self.hard.characters:
            raise InputTooLong(self.hard.characters, characters, "characters")
        if self.hard.tokens is not None:
            tokens = ceil(_tokens(system) + estimate(text))
            if tokens > self.hard.tokens:
                raise InputTooLong(self.hard.tokens, tokens, "tokens")

    def lower(self, tools: Sequence[ToolSpec]) -> bytes:
        """The offered skills as this wire's JSON array; empty if there are none or the wire has no field."""
        return _lowered(tuple(tools), self.calls) if tools and self.functions == "native" else b""

    def _fixed(self, system: str, tools: tuple[ToolSpec, ...]) -> tuple[str, Size, float]:
        """The system text as it is sent, the size of all besides the turns, the tokens of schemas in it."""
        text = system if system.strip() else ""
        if tools and self.functions == "text":
            lines = described(tools, chinese=is_chinese(text))
            text = f"{text}{_GAP}{lines}" if text else lines
        tokens, characters = _tokens(text), len(text)
        if text:
            tokens += PER_MESSAGE
        if text and self.system == "user":
            characters += len(_GAP)
        offered = _size(schemas) if (schemas := self.lower(tools)) else NOTHING
        size = Size(tokens + offered.tokens, characters + offered.characters)
        return text, size, float(offered.tokens)

    def _limits(self, budget: int | None, scale: float) -> Limits:
        tokens, characters = self.soft.tokens, self.soft.characters
        if budget is not None:
            if characters and tokens:
                characters = int(characters * min(1.0, budget / tokens))
            tokens = budget
        return Limits(characters, tokens if tokens is None else int(tokens / scale))

    def _moved(
        self, turns: Sequence[Turn], first: int, head: int, fixed: Size, limits: Limits, left: float
    ) -> int:
        """The index at which the window starts now that it is too full; `head` if all of the past goes."""
        units = transcript.units(turns, first, head, self._shape)
        now = self._joined(Transcript(), turns[head:], turns).size
        moved = advance([*(size for _, size in units), now], limits, 0, fixed, left)
        return units[moved][0] if moved < len(units) else head

    def _joined(self, past: Transcript, current: Sequence[Turn], turns: Sequence[Turn]) -> Transcript:
        out = past.copy()
        for turn in current:
            piece = render(turn, self._shape, live=True)
            words = "" if piece.opening else transcript.decision(turn, turns)
            out.add(turn, piece, current=turn is current[-1], decision=words)
        out.close()
        return out

    def _packed(
        self, text: str, out: Transcript, fixed: Size, seq: int, scale: float, schemas: float
    ) -> Packed:
        messages, rounds, joined = tuple(out.messages), tuple(out.rounds), tuple(out.joined)
        system = b""
        if text and self.system == "field":
            system = to_json(text)
        elif text and self.system == "message":
            messages, rounds = (message("system", text), *messages), (None, *rounds)
            joined = tuple((place + 1, ref) for place, ref in joined)
        elif text:
            opening = orjson.loads(messages[0])["content"]
            messages = (message("user", f"{text}{_GAP}{opening}"), *messages[1:])
        size = _sum(fixed, out.size)
        tokens = ceil(size.tokens * scale)
        return Packed(system, messages, rounds, tokens, size.characters, seq, joined, scale, schemas)


def _tokens(system: str) -> float:
    """The estimate of a system text, which is long and the same for many turns.

    It is kept by the text's hash: what is forgotten may be in the text, and nobody would drop it here.
    """
    key = hash(system), len(system)
    known = _ESTIMATED.get(key)
    if known is None:
        if len(_ESTIMATED) >= _MOST:
            _ESTIMATED.clear()
        known = _ESTIMATED[key] = estimate(system)
    return known


def _sum(*sizes: Size) -> Size:
    return Size(sum(size.tokens for size in sizes), sum(size.characters for size in sizes))


def _index(turns: Sequence[Turn], start: int) -> int:
    """Where the turn `start` is; 0 if it is not on this path (another branch, or erased)."""
    if turns[0].ref.seq >= start:
        return 0
    index = bisect_left(turns, start, key=_seq)
    return index if index < len(turns) and turns[index].ref.seq == start else 0


def _seq(turn: Turn) -> int:
    return turn.ref.seq


@lru_cache(maxsize=64)
def _lowered(tools: tuple[ToolSpec, ...], calls: Calls) -> bytes:
    functions = [
        {
            "name": tool.name,
            "description": tool.description.strip() or tool.name,
            "parameters": _parameters(tool),
        }
        for tool in tools
    ]
    if calls == "tool_calls":
        return to_json([{"type": "function", "function": function} for function in functions])
    return to_json(functions)


def _parameters(tool: ToolSpec) -> Mapping[str, Any]:
    """The schema; a function without arguments must still have its (empty) properties."""
    return {"type": "object", "properties": {}, **tool.schema}


@lru_cache(maxsize=64)
def _size(data: bytes) -> Size:
    return Size(estimate(data), len(data.decode()))
