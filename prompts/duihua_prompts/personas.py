"""Personas: system-prompt templates with their settings, bundled and from a folder of the user's own.

A persona is one file, `<name>.j2`: TOML between two lines of `+++`, then a Jinja2 template that sees `locale`
(`zh` or `en`), `user` and `bot` (names, possibly empty). The date is not among them: a system text that stays
the same lets platforms reuse what they have read before.
"""

from __future__ import annotations

import re
import tomllib
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from duihua.errors import ConfigError, InvalidOptions, NotFound
from duihua.escapes import one_line
from duihua.options import ModelOptions
from duihua_prompts.catalogue import language

if TYPE_CHECKING:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

_T = TypeVar("_T")
_BUNDLED = Path(__file__).parent / "personas"
_FENCE = "+++"
_FIELDS = ("name", "description", "greeting", "samples", "options", "skills")
_KEPT = 256  # renderings kept per persona: a user's name makes one each
_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Persona:
    """Who the bot is. Texts are by language; `skills` "all" means all that the engine has."""

    name: str
    path: Path
    source: str = field(repr=False)
    titles: Mapping[str, str] = field(default_factory=dict[str, str])
    descriptions: Mapping[str, str] = field(default_factory=dict[str, str])
    greetings: Mapping[str, str] = field(default_factory=dict[str, str])
    prompts: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    options: ModelOptions = field(default_factory=ModelOptions)
    skills: Literal["all"] | tuple[str, ...] = "all"
    _rendered: dict[tuple[str, str, str], str] = field(
        default_factory=dict[tuple[str, str, str], str], compare=False, repr=False
    )

    def title(self, locale: str) -> str:
        """The name to show."""
        return _pick(self.titles, locale) or self.name

    def description(self, locale: str) -> str:
        """What it is good for, in one sentence."""
        return _pick(self.descriptions, locale) or ""

    def greeting(self, locale: str) -> str:
        """What it says first."""
        return _pick(self.greetings, locale) or ""

    def samples(self, locale: str) -> tuple[str, ...]:
        """Things one may ask it."""
        return _pick(self.prompts, locale) or ()

    def render(self, *, locale: str = "zh", user: str = "", bot: str = "") -> str:
        """The system text. Rendered once per language and names, then kept.

        Args:
            locale: the language of the user; anything but Chinese counts as English.
            user: how the user is called; one line of it, shortened.
            bot: how the bot is called; empty: the persona's own title.

        Raises:
            ConfigError: the template is wrong; the text gives file and line.
        """
        key = (locale, user, bot)
        if (text := self._rendered.get(key)) is not None:
            return text
        lang = language(locale or "zh")
        # People choose their names, and some choose orders: a name is one short line.
        called, own = one_line(user, _LONGEST_NAME), one_line(bot, _LONGEST_NAME)
        text = _render(self, locale=lang, user=called, bot=own or self.title(lang))
        if len(self._rendered) >= _KEPT:
            self._rendered.pop(next(iter(self._rendered)))
        self._rendered[key] = text
        return text


class PersonaLibrary:
    """The personas that can be chosen: the user's own folder, then the bundled ones.

    Args:
        user_dir: a folder with `*.j2` files; the same name replaces a bundled persona. Empty: none.

    Raises:
        ConfigError: the folder is not there.
    """

    def __init__(self, user_dir: str = "") -> None:
        folders = [_BUNDLED]
        if user_dir:
            own = Path(user_dir).expanduser()
            if not own.is_dir():
                raise ConfigError(
                    f"DUIHUA_PERSONAS_DIR: there is no folder {own}", "config_personas", path=str(own)
                )
            folders.append(own)
        self._paths = {path.stem: path for folder in folders for path in sorted(folder.glob("*.j2"))}
        self._personas: dict[str, Persona] = {}

    def names(self) -> tuple[str, ...]:
        """All names, the default first."""
        return tuple(sorted(self._paths, key=lambda name: (name != "default", name)))

    def get(self, name: str) -> Persona:
        """One persona, read once.

        Raises:
            NotFound: there is none of this name; `known` holds those there are.
            ConfigError: its file is wrong; the text gives file and line.
        """
        if (persona := self._personas.get(name)) is not None:
            return persona
        if name not in self._paths:
            raise NotFound("persona", name, self.names())
        persona = self._personas[name] = _read(self._paths[name])
        return persona


def _read(path: Path) -> Persona:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as e:
        raise ConfigError(f"{path}: cannot be read: {e.strerror}") from None
    except UnicodeDecodeError as e:
        line = e.object.count(b"\n", 0, e.start) + 1
        raise ConfigError(f"{path}:{line}: this is not UTF-8") from None
    lines = text.splitlines()
    if not lines or lines[0].rstrip() != _FENCE:
        return Persona(name=path.stem, path=path, source=text)
    end = next((number for number, line in enumerate(lines[1:], 1) if line.rstrip() == _FENCE), 0)
    if not end:
        raise ConfigError(f"{path}:1: the front matter has no closing {_FENCE}")
    head = lines[1:end]
    # Empty lines stand for the front matter, so that Jinja counts lines as the file does.
    source = "\n" * (end + 1) + "\n".join(lines[end + 1 :])
    try:
        table = tomllib.loads("\n".join(head))
    except tomllib.TOMLDecodeError as e:
        place = re.search(r"at line (\d+)", str(e))
        line = 1 + (int(place[1]) if place else len(head))
        raise ConfigError(f"{path}:{line}: {e}") from None
    return _persona(path, source, table, head)


def _persona(path: Path, source: str, table: Mapping[str, Any], head: list[str]) -> Persona:
    def wrong(key: str, why: str) -> ConfigError:
        pattern = re.compile(rf"\s*\[?\s*[\"']?{re.escape(key)}\b")
        line = next((number for number, text in enumerate(head, 2) if pattern.match(text)), 1)
        return ConfigError(f"{path}:{line}: {key}: {why}")

    for key in table:
        if key not in _FIELDS:
            raise wrong(key, f"unknown; known are {', '.join(_FIELDS)}")

    def texts(key: str) -> Mapping[str, str]:
        value: Any = table.get(key, {})
        by_language = {"zh": value, "en": value} if isinstance(value, str) else value
        if not _languages(by_language, str):
            raise wrong(key, 'a text, or { zh = "…", en = "…" }, is expected')
        return cast("Mapping[str, str]", by_language)

    def samples() -> Mapping[str, tuple[str, ...]]:
        value: Any = table.get("samples", {})
        by_language: Any = {"zh": value, "en": value} if isinstance(value, list) else value  # pyright: ignore[reportUnknownVariableType]
        if not _languages(by_language, list):
            raise wrong("samples", "a list of texts, or one list for zh and one for en, is expected")
        return {lang: tuple(map(str, items)) for lang, items in by_language.items()}

    def skills() -> Literal["all"] | tuple[str, ...]:
        value: Any = table.get("skills", "all")
        if value == "all":
            return "all"
        if not isinstance(value, list) or not all(isinstance(s, str) for s in cast("list[Any]", value)):
            raise wrong("skills", '"all" or a list of names is expected')
        return tuple(cast("list[str]", value))

    try:
        if not isinstance(options := table.get("options", {}), dict):
            raise wrong("options", "a table is expected")
        parsed = ModelOptions.parse(cast("dict[str, Any]", options))
    except InvalidOptions as e:
        raise wrong(e.option, str(e)) from None
    return Persona(
        name=path.stem,
        path=path,
        source=source,
        titles=texts("name"),
        descriptions=texts("description"),
        greetings=texts("greeting"),
        prompts=samples(),
        options=parsed,
        skills=skills(),
    )


def _languages(value: Any, kind: type) -> bool:
    if not isinstance(value, dict):
        return False
    items = cast("dict[str, Any]", value)
    return all(lang in ("zh", "en") and isinstance(text, kind) for lang, text in items.items())


def _pick(values: Mapping[str, _T], locale: str) -> _T | None:
    lang = language(locale or "zh")
    return values.get(lang) or next(iter(values.values()), None)


@lru_cache(maxsize=1)
def _sandbox() -> ImmutableSandboxedEnvironment:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    return ImmutableSandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def _render(persona: Persona, **names: str) -> str:
    from jinja2 import TemplateError, TemplateSyntaxError

    sandbox, path = _sandbox(), str(persona.path)
    try:
        code = sandbox.compile(persona.source, persona.name, path)
        return sandbox.template_class.from_code(sandbox, code, dict(sandbox.globals)).render(**names).strip()
    except TemplateSyntaxError as e:
        raise ConfigError(f"{path}:{e.lineno}: {e.message}") from None
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError) as e:
        frames = traceback.extract_tb(e.__traceback__)
        line = next((frame.lineno for frame in reversed(frames) if frame.filename == path), 1)
        raise ConfigError(f"{path}:{line}: {e or type(e).__name__}") from None
