"""Settings of skills, as the environment gives them."""

from __future__ import annotations

import logging
from typing import Any, Literal

import pytest
from pydantic import BaseModel, SecretStr, field_validator, model_validator

from duihua import ChatEngine, ConfigError, Context, Settings, skill
from duihua.doctor import skill_settings
from duihua.skills.settings import described, read
from duihua.testing import ScriptedModel, SkillHarness
from duihua_prompts import Catalogue, error_line


class Shop(BaseModel):
    key: SecretStr
    city: str = "北京"
    limit: int = 10
    unit: Literal["c", "f"] = "c"
    tags: list[str] = []

    @field_validator("city")
    @classmethod
    def _known(cls, value: str) -> str:
        if value == "Atlantis":
            raise ValueError(f"no city {value}")
        return value


@skill(effect="read", settings=Shop)
async def shop(ctx: Context) -> str:
    """Tells its settings."""
    assert isinstance(ctx.settings, Shop)
    return f"{ctx.settings.city} {ctx.settings.limit} {ctx.settings.key}"


@skill(effect="read", name="shop-online")
async def online(ctx: Context) -> Any:
    """Has settings without a model."""
    return ctx.settings


def test_texts_become_what_the_model_wants() -> None:
    found = read(shop, {"key": "k", "limit": "3", "tags": "a, b", "online_key": "another skill's"})
    assert found == Shop(key=SecretStr("k"), limit=3, tags=["a", "b"])
    assert read(shop, {"key": "k", "tags": '["a,b"]'}).tags == ["a,b"]
    assert read(online, {"key": "k"}) == {"key": "k"}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "DUIHUA_SKILL_SHOP_KEY: Field required"),
        ({"key": "k", "limit": "se4711cret"}, "DUIHUA_SKILL_SHOP_LIMIT: Input should be a valid integer"),
        ({"key": "k", "unit": "se4711cret"}, "DUIHUA_SKILL_SHOP_UNIT: Input should be 'c' or 'f'"),
        ({"key": "se4711cret", "city": "Atlantis"}, "DUIHUA_SKILL_SHOP_CITY: the skill does not take it"),
    ],
)
def test_a_wrong_one_names_skill_setting_and_reason(given: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(shop, given)
    assert str(raised.value).startswith(f"skill shop: {told}")
    for words in (Catalogue("zh"), Catalogue("en")):
        assert told in error_line(words, raised.value)
    assert "4711" not in repr(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None, "pydantic's error holds the value"


async def test_the_harness_reads_texts_or_takes_an_instance() -> None:
    call = await SkillHarness(shop, settings={"key": "k", "city": "上海"}).call()
    assert call.result == "上海 10 **********"
    call = await SkillHarness(shop, settings=Shop(key=SecretStr("k"), limit=1)).call()
    assert call.result == "北京 1 **********"
    with pytest.raises(ConfigError, match="KEY: Field required"):
        SkillHarness(shop)


async def test_an_engine_leaves_out_a_skill_whose_settings_are_wrong(
    caplog: pytest.LogCaptureFixture,
) -> None:
    given = {"shop_limit": "se4711cret"}
    settings = Settings.load(None, database_url="sqlite+aiosqlite://", skill_settings=given)
    model = {"scripted": ScriptedModel([])}
    engine = ChatEngine("scripted/any", skills=[shop, online], settings=settings, provider=model)
    assert "4711" not in repr(settings)
    brief = engine.briefs.of({})
    assert list(brief.skills) == ["shop-online"]
    [record] = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert "skill shop: DUIHUA_SKILL_SHOP_" in record.getMessage()
    assert "4711" not in caplog.text


def test_doctor_names_what_is_wrong() -> None:
    given = {"shop_limit": "x", "shop_citty": "x", "shop_online_any": "x", "other_any": "x"}
    found = skill_settings([shop, online], Settings.load(None, skill_settings=given))
    assert [(f.level, f.code) for f in found] == [("broken", "skill_settings"), ("warning", "setting_near")]
    assert found[1].values == {"name": "DUIHUA_SKILL_SHOP_CITTY", "near": "DUIHUA_SKILL_SHOP_CITY"}
    good = Settings.load(None, skill_settings={"shop_key": "k"})
    assert skill_settings([shop, online], good) == []


def test_what_settings_there_are_can_be_told() -> None:
    key, city, *_ = described(shop)
    assert (key.name, key.type, key.required, key.secret, key.default) == (
        "DUIHUA_SKILL_SHOP_KEY", "SecretStr", True, True, "",
    )  # fmt: skip
    assert (city.type, city.default, city.required) == ("str", "北京", False)


def test_doctor_guesses_a_setting_by_its_own_part_of_the_name_alone() -> None:
    given = {"shop_key": "k", "shop_typo": "1", "shop_kex": "1"}
    near, none = skill_settings([shop], Settings.load(None, skill_settings=given))
    assert (near.code, near.values["near"]) == ("setting_near", "DUIHUA_SKILL_SHOP_KEY")
    assert (none.code, "DUIHUA_SKILL_SHOP_KEY" in none.values["names"]) == ("skill_setting_unknown", True)


class Ending(BaseModel):
    """Settings whose validator would end the program."""

    key: str = ""

    @model_validator(mode="after")
    def end(self) -> Ending:
        raise SystemExit(3)


def test_settings_that_would_end_the_program_are_told() -> None:
    @skill(settings=Ending, effect="read")
    def ending() -> None:
        """Ends."""

    [found] = skill_settings([ending], Settings.load(None))
    assert (found.level, found.code) == ("broken", "skill_settings")
    assert "SystemExit" in str(found.error)
