"""Reads what a docstring (Google style) tells the model: the summary, and `Args:` by parameter."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable

_HEADING = re.compile(r"(Args|Arguments|Parameters|参数)\s*[:：]")
_ENTRY = re.compile(r"\*{0,2}(\w+)\s*(?:\(.*?\))?\s*[:：]\s*(.*)")


def parse(doc: str | None) -> tuple[str, dict[str, str]]:
    """The first paragraph as one line, and the description of every parameter under `Args:`."""
    lines = inspect.cleandoc(doc or "").splitlines()
    summary: list[str] = []
    for line in lines:
        if not line.strip() or _HEADING.fullmatch(line.strip()):
            break
        summary.append(line)
    return joined(summary), _arguments(lines)


def joined(lines: Iterable[str]) -> str:
    """Wrapped lines as one: with a space between words, without one between Chinese characters."""
    text = ""
    for line in (part for part in map(str.strip, lines) if part):
        wide = bool(text) and text[-1] >= "\u2e80" and line[0] >= "\u2e80"
        text += line if wide or not text else " " + line
    return text


def _arguments(lines: list[str]) -> dict[str, str]:
    start = next((i for i, line in enumerate(lines) if _HEADING.fullmatch(line.strip())), None)
    if start is None:
        return {}
    outer = _indent(lines[start])
    found: dict[str, list[str]] = {}
    inner, name = None, ""
    for line in lines[start + 1 :]:
        if not line.strip():
            continue
        if _indent(line) <= outer:
            break
        inner = _indent(line) if inner is None else inner
        entry = _ENTRY.fullmatch(line.strip()) if _indent(line) <= inner else None
        if entry:
            name = entry[1]
            found[name] = [entry[2]]
        elif name:
            found[name].append(line)
    return {name: text for name, parts in found.items() if (text := joined(parts))}


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
