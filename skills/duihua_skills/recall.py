"""Looks up what is known from earlier conversations."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from duihua.skills.contract import Context, SkillError
from duihua.skills.schema import skill


@skill(effect="read", title={"zh": "查找记忆", "en": "Searching memory"})
async def recall(
    query: Annotated[str, Field(description="what to look for, in a few words", max_length=500)],
    context: Context,
) -> dict[str, list[str]]:
    """Looks up facts and passages of earlier conversations with this person, with their dates."""
    if context.memory is None:
        raise SkillError("Memory is turned off here. The person may turn it on by /memory on.")
    hits = await context.memory.recall(query)
    return {"found": [hit.text for hit in hits]}
