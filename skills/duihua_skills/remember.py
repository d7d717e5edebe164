"""Keeps a fact about the person for later conversations."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from duihua.skills.contract import Context, SkillError
from duihua.skills.schema import skill


@skill(effect="idempotent", title={"zh": "记住", "en": "Remembering"})
async def remember(
    text: Annotated[str, Field(description="the fact, one sentence, in the person's words", max_length=500)],
    context: Context,
) -> str:
    """Keeps something that the person asked to be remembered. Not for what they only mention."""
    if context.memory is None:
        raise SkillError("Memory is turned off here. The person may turn it on by /memory on.")
    await context.memory.remember(text)
    return "remembered"
