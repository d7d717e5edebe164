"""Settings of a skill: `DUIHUA_SKILL_<NAME>_*`, read into its pydantic model once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

import orjson
from pydantic import BaseModel, SecretBytes, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from duihua.errors import ConfigError
from duihua.ports import Skill

log = logging.getLogger(__name__)

_OF_MODELS = ("value_error", "assertion_error")  # their words are the skill's own, and may hold a value
_LISTS = ("list_type", "tuple_type", "set_type", "frozen_set_type")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a skill, for people: its name in the environment, type and default as text."""

    name: str
    type: str
    default: str = ""
    required: bool = False
    secret: bool = False
    description: str = ""


class SkillSettings:
    """The settings of an engine's skills; each is read once, and a skill whose settings are wrong is named.

    Args:
        given: the texts of one skill, by setting in lower case.
    """

    def __init__(self, given: Callable[[str], Mapping[str, str]]) -> None:
        self._given = given
        self._read: dict[str, tuple[Skill, Any]] = {}

    def of(self, skill: Skill) -> Any:
        """What the skill is given as `Context.settings`; None: they are wrong, it cannot be used."""
        found = self._read.get(skill.name)
        if found is None or found[0] is not skill:
            found = self._read[skill.name] = (skill, self._of(skill))
        return found[1]

    def _of(self, skill: Skill) -> Any:
        try:
            return read(skill, self._given(skill.name))
        except ConfigError as e:
            log.warning("%s; the skill is left out", e)
            return None


def read(skill: Skill, given: Mapping[str, str]) -> Any:
    """An instance of the skill's model, or the texts as they are if it has none.

    Names that the model does not know are passed over.

    Raises:
        ConfigError: a value is wrong; the text names the skill, the setting and the reason, never the value.
    """
    model = skill.settings
    if model is None:
        return given
    texts = {name: given[name.lower()] for name in _names(model) if name.lower() in given}
    try:
        return _validated(model, texts)
    except ValidationError as e:
        reasons = "; ".join(_reason(skill, model, dict(error), texts) for error in e.errors())
    except KeyboardInterrupt:
        raise
    except BaseException as e:  # a validator of the skill's own that breaks, or would end the program
        reasons = f"its settings cannot be read ({type(e).__name__})"
    raise ConfigError(
        f"skill {skill.name}: {reasons}. Correct it in the environment or in .env",
        "config_skill_settings",
        skill=skill.name,
        reasons=reasons,
    )


def variable(skill: str, setting: str) -> str:
    """The name of a setting in the environment."""
    return f"DUIHUA_SKILL_{skill}_{setting}".upper().replace("-", "_")


def described(skill: Skill) -> list[Setting]:
    """The settings that a skill has."""
    model = skill.settings
    if model is None:
        return []
    hints = get_type_hints(model)
    out: list[Setting] = []
    for name, info in model.model_fields.items():
        secret, required = _secret(info.annotation), info.is_required()
        default = "" if required or secret or info.default is None else str(info.get_default())
        type_ = hints.get(name, info.annotation)
        kind = getattr(type_, "__name__", "") if not get_args(type_) else str(type_)
        shown = variable(skill.name, _name(name, info))
        out.append(Setting(shown, kind or str(type_), default, required, secret, info.description or ""))
    return out


def _validated(model: type[BaseModel], texts: Mapping[str, str]) -> BaseModel:
    """Texts as they are; where the model wants more than text, they are JSON or parted by commas."""
    try:
        return model.model_validate(texts)
    except ValidationError as e:
        wanted = {error["loc"][0]: error["type"] for error in e.errors() if error["loc"]}
        values = {name: _structured(text, wanted.get(name, "")) for name, text in texts.items()}
        if values == texts:
            raise
        return model.model_validate(values)


def _structured(text: str, wanted: str) -> Any:
    if not wanted:
        return text
    if text.lstrip()[:1] in ("[", "{"):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            return text
    return [part.strip() for part in text.split(",") if part.strip()] if wanted in _LISTS else text


def _reason(skill: Skill, model: type[BaseModel], error: Mapping[str, Any], texts: Mapping[str, str]) -> str:
    said = str(error["msg"])
    own = error["type"] in _OF_MODELS or error["type"] not in _known()
    if own and (_secrets(model) or any(text and text in said for text in texts.values())):
        said = "the skill does not take it"
    if not error["loc"]:
        return said
    return f"{variable(skill.name, str(error['loc'][0]))}: {said}"


def _known() -> frozenset[str]:
    """The types of error whose words are pydantic's."""
    from pydantic_core import core_schema

    return frozenset(get_args(core_schema.ErrorType))


def _secrets(model: type[BaseModel]) -> bool:
    return any(_secret(info.annotation) for info in model.model_fields.values())


def _secret(annotation: Any) -> bool:
    return annotation in (SecretStr, SecretBytes) or any(_secret(part) for part in get_args(annotation))


def _names(model: type[BaseModel]) -> list[str]:
    return [_name(name, info) for name, info in model.model_fields.items()]


def _name(field: str, info: FieldInfo) -> str:
    return info.alias or field
