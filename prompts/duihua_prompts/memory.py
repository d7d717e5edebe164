"""Memory in words: how notes, recalled lines and wishes stand in a request, and how to ask for notes.

What was said goes in line by line, each behind a mark of ours, so that none can pass for a heading or end
the part that it stands in.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from duihua_prompts.catalogue import language

if TYPE_CHECKING:
    from jinja2 import Template

_FOLDER = Path(__file__).parent / "memory"
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_HEAD, _TAIL = 1_500, 500
"""Characters of one input or answer that a summary is made of."""


def context_text(locale: str, instructions: Sequence[str], digest: str, notes: Sequence[str]) -> str:
    """What follows the persona in a system text: standing wishes, the digest, notes. Empty if there are none.

    Args:
        locale: the language of the headings; anything but Chinese counts as English.
        instructions: the user's standing wishes, in their own words.
        digest: the digest's text, may be empty.
        notes: the texts of the notes after it, oldest first.
    """
    if not (instructions or digest or notes):
        return ""
    wishes = [" ".join(_lines(wish)) for wish in instructions]
    written = [lines for note in notes if (lines := _lines(note))]
    return _render(
        "context", locale, instructions=[w for w in wishes if w], digest=_lines(digest), notes=written
    )


def recalled_text(locale: str, lines: Sequence[str]) -> str:
    """What stands before a question for which something was recalled; the question follows on the next line.

    Args:
        locale: the language of the headings.
        lines: what was recalled, each with its date; empty: the text is empty.
    """
    shown = [line for line in (" ".join(_lines(line)) for line in lines) if line]
    if not shown:
        return ""
    before, between, after = _around(language(locale or "zh"))
    return f"{before}{between.join(shown)}{after}"


def summary_prompt(
    locale: str, turns: Sequence[tuple[str, str]], digest_notes: Sequence[str] = ()
) -> tuple[str, str]:
    """System and user text that ask a model for a note, facts and, if a fold is due, a digest.

    Args:
        locale: the language of the instructions; the notes are in that of the conversation.
        turns: what was asked and answered, oldest first; numbered from 1 in the prompt.
        digest_notes: the old digest and the notes that go into the new one; none: no digest is asked for.
    """
    fold = [lines for note in digest_notes if (lines := _lines(note))]
    shown = [(_lines(_part(asked)), _lines(_part(answered))) for asked, answered in turns]
    return _render("summary", locale, fold=bool(fold)), _render("talk", locale, fold=fold, turns=shown)


def _lines(text: str) -> list[str]:
    return [line for line in (line.strip() for line in _CONTROL.sub("", text).splitlines()) if line]


def _part(text: str) -> str:
    return text if len(text) <= _HEAD + _TAIL else f"{text[:_HEAD]}\n[…]\n{text[-_TAIL:]}"


def _render(name: str, locale: str, **values: object) -> str:
    return _template(name).render(locale=language(locale or "zh"), **values).strip()


@lru_cache(maxsize=8)
def _around(locale: str) -> tuple[str, str, str]:
    """What stands before, between and after recalled lines, which are put into nearly every request."""
    before, between, after = _render("recalled", locale, lines=["\0", "\0"]).split("\0")
    return before, between, after


@lru_cache(maxsize=8)
def _template(name: str) -> Template:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    sandbox = ImmutableSandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return sandbox.from_string((_FOLDER / f"{name}.j2").read_text(encoding="utf-8"))
