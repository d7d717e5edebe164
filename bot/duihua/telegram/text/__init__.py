"""The text of Telegram messages: Markdown to text and entities, cut into messages, whole or as it arrives.

Or to the blocks of a rich message.
"""

from duihua.telegram.text.formatted import Entity, Formatted, joined, quoted, units
from duihua.telegram.text.rendering import render
from duihua.telegram.text.rich import Rich, enriched, has_cjk
from duihua.telegram.text.roll import split
from duihua.telegram.text.streaming import Frame, Stream

__all__ = [
    "Entity",
    "Formatted",
    "Frame",
    "Rich",
    "Stream",
    "enriched",
    "has_cjk",
    "joined",
    "quoted",
    "render",
    "split",
    "units",
]
