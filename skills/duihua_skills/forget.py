"""Erases facts about the person, after they have agreed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from duihua.skills.contract import Context, SkillError
from duihua.skills.schema import skill


@skill(effect="write", confirm=True, title={"zh": "忘记", "en": "Forgetting"})
async def forget(
    query: Annotated[str, Field(description="what to forget, in a few words", max_length=500)],
    context: Context,
) -> dict[str, list[str]]:
    """Erases facts that are remembered about the person, if they ask for it."""
    if context.memory is None:
        raise SkillError("Memory is turned off here. The person may turn it on by /memory on.")
    return {"forgotten": list(await context.memory.forget(query))}
