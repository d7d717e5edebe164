"""aiogram's types are built when they are used, and all of them can be."""

from __future__ import annotations

import sys
import typing
from typing import Any

import pytest
from aiogram import Bot, methods, types
from aiogram.methods.base import Response
from aiogram.types.base import TelegramObject
from pydantic import BaseModel, ValidationError

from duihua.telegram import schemas


def models(module: Any) -> list[type[BaseModel]]:
    return [one for one in vars(module).values() if isinstance(one, type) and issubclass(one, BaseModel)]


def test_every_type_can_name_all_that_it_holds() -> None:
    found = models(types)
    assert len(found) > 300
    for one in found:
        hints = typing.get_type_hints(one, vars(sys.modules[one.__module__]), {"Bot": Bot})
        assert all(not isinstance(hint, str | typing.ForwardRef) for hint in hints.values()), one


def test_a_type_is_built_when_it_is_used_and_only_then() -> None:
    class Mine(TelegramObject):  # nobody else uses it, in whatever order tests run
        button: types.MenuButtonDefault

    assert not types.PassportElementErrorTranslationFiles.__pydantic_complete__
    given = Mine.model_validate({"button": {"type": "default", "web_app": {"url": "https://example.com/"}}})
    assert isinstance(given.button.web_app, types.WebAppInfo)
    with pytest.raises(ValidationError, match="user_id"):
        methods.SetPassportDataErrors.model_validate({"errors": []})
    with pytest.raises(ValidationError, match="stickers"):
        Response[types.StickerSet].model_validate({"ok": True, "result": {"name": "a"}})


def test_what_is_imported_stays_what_it_is() -> None:
    before = sys.modules["aiogram"], BaseModel.__dict__["model_rebuild"]
    schemas.load()
    assert (sys.modules["aiogram"], BaseModel.__dict__["model_rebuild"]) == before
