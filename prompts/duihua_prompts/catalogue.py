"""All words for users, in Chinese and English, by code. The sentences stand in `texts/`, one file each."""

from __future__ import annotations

import logging
import os
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, cast

from duihua.errors import (
    ConfigError,
    DuihuaError,
    InputTooLong,
    InvalidOptions,
    MissingKey,
    NoSuchAbility,
    NotAllowed,
    NotFound,
    ProviderError,
    SessionBusy,
    StorageError,
    Superseded,
    TurnError,
    UnsupportedInput,
)
from duihua.escapes import one_line
from duihua.events import TurnFailed

Lang = Literal["zh", "en"]

REMOTE = "remote."
"""Begins the codes of what those read who only talk to the bot, in place of the same without it."""
_FOLDER = Path(__file__).parent / "texts"
_LONGEST = 300  # characters of a foreign text inside of one line
_log = logging.getLogger(__name__)


def language(setting: str = "auto", environ: Mapping[str, str] | None = None) -> Lang:
    """The language of a setting or a locale: `zh` for anything that begins so, else `en`.

    `auto` (or nothing) asks LC_ALL, LC_MESSAGES and LANG, in this order, the first that is not empty.
    """
    if setting in ("", "auto"):
        values = os.environ if environ is None else environ
        names = ("LC_ALL", "LC_MESSAGES", "LANG")
        setting = next((value for name in names if (value := values.get(name))), "")
    return "zh" if setting.lower().startswith("zh") else "en"


class Catalogue:
    """The words of one language.

    Args:
        lang: `zh`, `en`, `auto`, or a locale such as `zh-hans` or `en_GB.UTF-8`.
        remote: for those who only talk to the bot: nothing sends them to a shell or to the settings.
    """

    __slots__ = ("_texts", "lang", "remote")

    def __init__(self, lang: str = "auto", *, remote: bool = False) -> None:
        self.lang: Lang = language(lang)
        self.remote = remote
        self._texts = _texts_for_remote(self.lang) if remote else _texts(self.lang)

    def __contains__(self, code: str) -> bool:
        return code in self._texts

    def t(self, code: str, /, **values: Any) -> str:
        """The sentence of `code`, filled with `values`. Never raises: an unknown code stands for itself."""
        text = self._texts.get(code)
        if text is None:
            _log.error("the catalogue has no text for %r", code)
            return code
        return text.format_map(_Given(values)) if "{" in text else text


def error_line(words: Catalogue, problem: TurnFailed | BaseException) -> str:
    """One line for a failed turn or a raised error: what happened, what to do, and the platform's facts."""
    code, values = _described(words, problem)
    if words.remote and (code.startswith("config_") or code in ("options", "options_unknown")):
        code = "config"  # nothing that they could change
    values = {
        name: one_line(value, _LONGEST) if isinstance(value, str) else value for name, value in values.items()
    }
    for name in ("unit", "what"):
        if f"{name}.{values.get(name)}" in words:
            values[name] = words.t(f"{name}.{values[name]}")
    line = words.t(f"error.{code}", **values)
    if isinstance(problem, NoSuchAbility):
        return line if words.remote else line + _who_could(words, problem)
    if not code.startswith("provider."):
        return line
    reported = bool(values.get("reported"))
    if (
        values.get("message")
        and not code.startswith("provider.moderation")
        and (reported or not words.remote)
    ):
        line += words.t("fact.said" if reported else "fact.details", message=values["message"])
    return line + _facts(words, values)


def key_settings(words: Catalogue, problem: MissingKey) -> str:
    """The settings that would do, each way with all it needs: "A and B, or C"."""
    return _ways(words, problem.settings)


def _ways(words: Catalogue, settings: tuple[str, ...]) -> str:
    return words.t("fact.either").join(way.replace(" and ", words.t("fact.both")) for way in settings)


def _who_could(words: Catalogue, problem: NoSuchAbility) -> str:
    if not problem.could:
        return words.t("fact.nobody")
    platforms = [
        words.t("fact.with_key", platform=name, settings=_ways(words, settings))
        if settings
        else words.t("fact.with_model", platform=name)
        for name, settings in problem.could.items()
    ]
    return words.t("fact.could", platforms=words.t("fact.separator").join(platforms))


def _described(words: Catalogue, problem: TurnFailed | BaseException) -> tuple[str, dict[str, Any]]:
    """The code below `error.` and the values of its sentence."""
    match problem:
        case TurnFailed():
            return _placed(problem.error, problem.values), dict(problem.values)
        case TurnError():
            return _placed(problem.code, problem.values), dict(problem.values)
        case ProviderError():
            names = (
                "provider",
                "vendor_code",
                "http_status",
                "request_id",
                "message",
                "reported",
                "retry_after",
            )
            values = {name: getattr(problem, name) for name in names}
            return _placed(f"provider.{problem.category}", values), values
        case MissingKey():
            return "missing_key", {"provider": problem.provider, "settings": key_settings(words, problem)}
        case ConfigError() if problem.code:
            return problem.code, dict(problem.values)
        case ConfigError():
            return "config", {"message": str(problem)}
        case InvalidOptions() if problem.known:
            return "options_unknown", {"option": problem.option, "known": ", ".join(problem.known)}
        case InvalidOptions():
            return "options", {
                "option": problem.option,
                "value": str(problem.value),
                "allowed": problem.allowed,
            }
        case NoSuchAbility():
            ability = words.t(f"ability.{problem.ability}")
            code = "unable" if problem.platform else "no_ability"
            return code, {"ability": ability, "platform": problem.platform}
        case InputTooLong():
            return "input_too_long", {"limit": problem.limit, "size": problem.size, "unit": problem.unit}
        case UnsupportedInput():
            return f"input_{problem.code}", problem.values
        case SessionBusy():
            return "busy", {"pending": problem.pending}
        case NotFound() if problem.known:
            known = ", ".join(problem.known)
            return "unknown_name", {"what": problem.what, "name": str(problem.name), "known": known}
        case NotFound():
            return "not_found", {"what": problem.what, "name": str(problem.name)}
        case NotAllowed():
            return f"not_allowed.{problem.code}", {}
        case Superseded():
            return "superseded", {}
        case StorageError():
            return "storage", {"message": str(problem)}
        case DuihuaError() if str(problem):
            return "other", {"message": str(problem)}
        case _:
            return "internal", {}


def _placed(code: str, values: Mapping[str, Any]) -> str:
    """A 404 without a word of the platform's own is a wrong address, and no wrong model."""
    bare = values.get("http_status") == 404 and not (values.get("reported") or values.get("vendor_code"))
    return "provider.wrong_address" if code == "provider.not_found" and bare else code


def _facts(words: Catalogue, values: Mapping[str, Any]) -> str:
    facts = [str(values.get("provider") or "")]
    if code := values.get("vendor_code"):
        facts.append(words.t("fact.code", code=code))
    if status := values.get("http_status"):
        facts.append(f"HTTP {status}")
    if request := values.get("request_id"):
        facts.append(words.t("fact.request", request=request))
    if seconds := values.get("retry_after"):
        facts.append(words.t("fact.retry_after", seconds=round(float(seconds))))
    known = [fact for fact in facts if fact]
    return words.t("fact.all", facts=words.t("fact.separator").join(known)) if known else ""


@lru_cache(maxsize=2)
def _texts(lang: Lang) -> Mapping[str, str]:
    with (_FOLDER / f"{lang}.toml").open("rb") as file:
        return dict(_flat(tomllib.load(file)))


@lru_cache(maxsize=2)
def _texts_for_remote(lang: Lang) -> Mapping[str, str]:
    texts = _texts(lang)
    other = {code.removeprefix(REMOTE): text for code, text in texts.items() if code.startswith(REMOTE)}
    return {**texts, **other}


def _flat(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    out: list[tuple[str, str]] = []
    for name, value in table.items():
        if isinstance(value, dict):
            out += _flat(cast("dict[str, Any]", value), f"{prefix}{name}.")
        else:
            out.append((prefix + name, str(value)))
    return out


class _Given(dict[str, Any]):
    """Values of a sentence; what was not given leaves a gap, for a word too few beats no sentence."""

    def __missing__(self, name: str) -> str:
        _log.warning("a sentence lacks the value %r", name)
        return ""
