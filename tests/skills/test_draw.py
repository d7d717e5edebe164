from __future__ import annotations

from pathlib import Path

import pytest

from duihua import ChatEngine, Settings, SkillError
from duihua.simulator import Simulator
from duihua.skills.contract import Context
from duihua_skills.draw import draw


async def test_an_image_is_drawn_by_whoever_can(tmp_path: Path) -> None:
    async with Simulator() as simulator:
        settings = Settings.load(env_file=None, database_url="sqlite+aiosqlite://").replaced(
            simulator.settings()
        )
        async with ChatEngine(settings=settings, skills=[draw]) as engine:
            told: list[str] = []
            brief = engine.briefs.of({})  # what a turn is given
            context = Context(draw=brief.draw, progress=told.append)
            (image,) = await draw.run({"prompt": "一只猫"}, context)
            assert (image.media, image.mime, image.name) == ("image", "image/png", "drawing-1.png")
            assert image.data.startswith(b"\x89PNG")
            assert told == ["正在画……"]
            with pytest.raises(SkillError, match="nothing could be drawn"):
                await draw.run({"prompt": "一只猫", "size": "9999x9999"}, context)


async def test_without_an_image_model_it_says_so() -> None:
    with pytest.raises(SkillError, match="No image model"):
        await draw.run({"prompt": "a cat"}, Context())
