"""`read_more`: reads on in a result that was too long. Offered only where there is such a result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from duihua.errors import SkillError
from duihua.messages import Attachment, Turn
from duihua.skills.results import KEPT, MARK
from duihua.skills.schema import skill

GONE = "There is no such result, or it is not kept any more."


@skill(effect="read")
async def read_more(
    call: Annotated[str, Field(max_length=40, description="As the clipped result names it, such as 3.0.1")],
    offset: Annotated[int, Field(ge=0, description="The character to go on from")] = 0,
) -> str:
    """Reads on in the result of an earlier call that says that it is clipped."""
    raise SkillError(GONE)  # a turn puts its own reading in this place: only it can reach what is kept


def kept(call: str, data: bytes) -> Attachment:
    """What is stored of the whole result of a call."""
    return Attachment(kept_id(call), "file", "text/plain", data, "result.txt")


def kept_id(call: str) -> str:
    """The id under which the whole result of a call is stored."""
    return f"{call}/whole"


def page(data: bytes, offset: int, size: int) -> str:
    """At most `size` characters of a whole result from `offset` on, its place and what comes next first.

    Raises:
        SkillError: it ends before that.
    """
    text = data.decode("utf-8", "replace")
    if offset >= len(text):
        raise SkillError(f"The result ends before that: {len(text)} characters are kept of it.")
    end = min(offset + size - 100, len(text))
    rest = f"offset={end} reads on" if end < len(text) else "the end"
    if end == len(text) and len(data) > KEPT - 4:
        rest = "the rest was not kept"
    return f"[characters {offset}-{end} of {len(text)}; {rest}]\n{text[offset:end]}"


def clipped_in(turns: Sequence[Turn]) -> bool:
    """Whether a result in these turns can be read on."""
    return any(c.result.startswith(MARK) for turn in turns for step in turn.steps for c in step.calls)
