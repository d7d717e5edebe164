"""Which rules explain that a text looks different from what telegramify-markdown makes of it."""

from __future__ import annotations

from contextlib import ExitStack

from duihua.telegram.text import parser, rendering
from tests.telegram.reading import Look, Reading
from tests.telegram.reasons import RULES


def looks(source: str, rules: list[str]) -> tuple[Look, Look]:
    """How ours and theirs look under these rules."""
    with ExitStack() as stack:
        reading = Reading(stack)
        if rules:
            reading.patch(parser, "_simple", lambda source: None)
            reading.patch(parser, "_simple_inline", lambda content: None)
            reading.patch(rendering, "is_paragraph", lambda source: False)
            stack.enter_context(parser.PARSER.reset_rules())
        for name in rules:
            RULES[name].apply(reading)
        return reading.ours(source), reading.theirs(source)


def difference(source: str) -> list[str] | None:
    """The rules without which the two differ, none if they look alike; None if that is not explained."""
    if _alike(source, []):
        return []
    rules = [name for name, rule in RULES.items() if rule.where.search(source)]
    if not _alike(source, rules):  # two rules may be in each other's way
        rules = next((rest for rest in _each_less(rules) if _alike(source, rest)), [])
    for name in rules:
        rest = [it for it in rules if it != name]
        rules = rest if rest and _alike(source, rest) else rules
    return rules or None


def _alike(source: str, rules: list[str]) -> bool:
    ours, theirs = looks(source, rules)
    return ours.shows_as(theirs)


def _each_less(rules: list[str]) -> list[list[str]]:
    return [[it for it in rules if it != name] for name in rules]
