"""Draws an image by whatever platform can: the engine's own, or any other that has a key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from duihua.messages import Attachment
from duihua.ports import Rate
from duihua.skills.contract import Context, SkillError
from duihua.skills.schema import skill


@skill(effect="write", timeout=180, rate=Rate(10, 3600), title={"zh": "画图", "en": "Drawing"})
async def draw(
    ctx: Context,
    prompt: Annotated[
        str,
        Field(description="what to draw, in detail, in the person's language", min_length=1, max_length=1000),
    ],
    size: Annotated[
        str, Field(description="for example 1024x1024; empty: the usual one", pattern=r"^(\d{2,4}x\d{2,4})?$")
    ] = "",
) -> Sequence[Attachment]:
    """Draws an image from a description and shows it to the person. Only if they ask for an image."""
    if ctx.draw is None:
        raise SkillError("No image model can be reached from here.")
    ctx.progress("正在画……" if ctx.locale == "zh" else "drawing…")
    return await ctx.draw(prompt, size)
