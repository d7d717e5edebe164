"""What the button under an answer copies: its one block of code, or all of a short answer."""

from __future__ import annotations

from collections.abc import Sequence

from duihua.telegram.text import Formatted, units

LONGEST = 256
"""What Telegram lets a button copy."""


def copied(texts: Sequence[Formatted], *, alone: bool) -> str:
    """What is worth copying of an answer's messages; empty: nothing, or too much, or too many blocks.

    `alone`: nothing but the answer stands in them.
    """
    blocks = [(text, it) for text in texts for it in text.entities if it.type == "pre"]
    if len(blocks) > 1 or (not blocks and (len(texts) != 1 or not alone)):
        return ""
    said = texts[0].text
    if blocks:
        ((text, it),) = blocks
        said = text.text.encode("utf-16-le", "surrogatepass")[2 * it.offset : 2 * it.end].decode(
            "utf-16-le", "replace"
        )
    said = said.strip("\n")
    return said if said.strip() and units(said) <= LONGEST else ""
