"""What every simulated platform asks the brain, and what it gets back: values only.

A platform turns its own wire into an `Ask` and an `Answer` into its own wire; nothing else passes the seam.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any, Literal

import orjson

Role = Literal["user", "assistant", "function"]
Language = Literal["zh", "en"]


@dataclass(frozen=True, slots=True)
class Call:
    """A function the model asks for; `arguments` is a JSON text (which may be broken on purpose)."""

    name: str
    arguments: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the list. A function's result has the role `function` and the function's `name`."""

    role: Role
    text: str = ""
    calls: tuple[Call, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class Function:
    """An offered function with the JSON Schema of its arguments."""

    name: str
    description: str
    schema: Mapping[str, Any] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Ask:
    """All that the brain knows.

    `choice` is auto, none, required or the name of a function; `parallel` says whether the wire carries more
    than one call in an answer; `today` is the simulator's date; `as_text` marks functions that were described
    in the system text and are called in plain lines; `paired` says that a function's result begins a round of
    the platform's counting, like a user message. `recalled` is what the client put before the question
    of what it remembers, taken out of the last message; `prompt` are the tokens of the request as it came.
    """

    messages: tuple[Message, ...]
    functions: tuple[Function, ...] = ()
    system: str = ""
    choice: str = "auto"
    parallel: bool = True
    today: date | None = None
    as_text: bool = False
    paired: bool = False
    recalled: str = ""
    prompt: int = 0

    @property
    def last(self) -> int:
        """Index of the last user message, -1 if there is none."""
        return max((i for i, m in enumerate(self.messages) if m.role == "user"), default=-1)

    @property
    def question(self) -> str:
        """Text of the last user message."""
        return self.messages[self.last].text if self.last >= 0 else ""

    @property
    def said(self) -> list[str]:
        """The texts of all user messages, oldest first."""
        return [m.text for m in self.messages if m.role == "user"]

    @property
    def results(self) -> list[Message]:
        """The function results that came after the last user message."""
        return [m for m in self.messages[self.last + 1 :] if m.role == "function"]


@dataclass(frozen=True, slots=True)
class Answer:
    """Text, or calls, or both."""

    text: str = ""
    calls: tuple[Call, ...] = ()


_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_WORD = re.compile(r"[A-Za-z]+")
_REST = re.compile(r"[^\sA-Za-z\u3400-\u9fff\uf900-\ufaff]")


def language(*texts: str) -> Language:
    """The language of the first text that shows one; Chinese when none does."""
    for text in texts:
        if _HAN.search(text):
            return "zh"
        if _WORD.search(text):
            return "en"
    return "zh"


def estimate(text: str) -> int:
    """Tokens of a text, roughly: half of one per Han character, one per word, digit and sign."""
    if not text:
        return 0
    words = sum(1 for _ in _WORD.finditer(text))
    rest = sum(1 for _ in _REST.finditer(text))
    return max(1, math.ceil(0.5 * len(_HAN.findall(text)) + words + 0.8 * rest))


def prompt_tokens(messages: tuple[Message, ...], system: str, functions: tuple[Function, ...] = ()) -> int:
    """Tokens of a request, as `usage` tells them: those of the functions that are offered among them."""
    calls = sum(estimate(c.name + c.arguments) for m in messages for c in m.calls)
    offered = sum(_offered(f.name, f.description, orjson.dumps(f.schema)) for f in functions)
    return estimate(system) + sum(estimate(m.text) for m in messages) + calls + offered


@lru_cache(1024)
def _offered(name: str, description: str, schema: bytes) -> int:
    return estimate(f"{name} {description} {schema.decode()}")


def cut(text: str, count: int | None = None) -> list[str]:
    """A text in many pieces: `count` of about the same length, or by default of one to four characters."""
    if count is not None:
        count = max(1, min(count, len(text)))
        return [text[len(text) * i // count : len(text) * (i + 1) // count] for i in range(count)]
    sizes, pieces, at = (1, 3, 2, 4), list[str](), 0
    while at < len(text):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(text[at : at + size])
        at += size
    return pieces
