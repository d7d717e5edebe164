"""What a model thought, above its answer: a quote that one can open."""

from __future__ import annotations

from collections.abc import Sequence

from duihua.escapes import clean
from duihua.telegram.text import Formatted, joined, quoted, units

THOUGHT = 1_000
"""UTF-16 units of the latest thoughts that are shown."""
LIMIT, ENTITIES = 4_096 - THOUGHT - 2, 99
"""Units and entities of an answer's messages where thoughts may stand above the first."""


def quote_of(thoughts: str) -> Formatted:
    """The end of the thoughts as a quote; nothing if there are none."""
    text = clean(thoughts).strip()
    if units(text) > THOUGHT:
        end = text.encode("utf-16-le", "surrogatepass")[-2 * (THOUGHT - 1) :]
        text = f"…{end.decode('utf-16-le', 'ignore').lstrip()}"
    return quoted(Formatted(text))


def above(quote: Formatted, texts: Sequence[Formatted]) -> list[Formatted]:
    """The messages of an answer with the thoughts above them; the answer stays as long as it is."""
    return [joined([quote, *texts[:1]]), *texts[1:]] if texts else []
