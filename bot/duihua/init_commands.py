"""`duihua init`: a platform's key and a bot's token, both tried, into `.env`; and the first owner's code."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import SecretStr

from duihua.ability_commands import Command
from duihua.errors import ConfigError, DuihuaError
from duihua.program import complain, load_settings, store_alone
from duihua.telegram_commands import check_installed

if TYPE_CHECKING:
    from duihua.config import Settings
    from duihua_prompts import Catalogue

ENV_FILE = ".env"
TOKEN = "TELEGRAM_BOT_TOKEN"
MODELS = {
    "qianfan": "ernie-3.5-8k",
    "qianfan-v2": "ernie-4.0-turbo-8k",
    "zhipu": "glm-4.7",
    "dashscope": "qwen-plus",
    "dashscope-compatible": "qwen-plus",
    "modelarts": "deepseek-v3.1",
    "genstudio": "qwq-32b",
    "openai": "gpt-4.1-mini",
}
"""The model to begin with on each platform."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Platform:
    """What is wanted: `provider/model`, and the settings that prove who asks, without their values."""

    model: str
    names: tuple[str, ...]


def add(command: Command, words: Catalogue) -> None:
    """Adds the command to the program."""
    init = command("init", _init)
    init.add_argument("--provider", metavar="PROVIDER[/MODEL]", default="", help=words.t("cli.init.provider"))
    init.add_argument("--platform-key", metavar="KEY[,KEY]", default="", help=words.t("cli.init.key"))
    init.add_argument("--bot-token", metavar="TOKEN", default="", help=words.t("cli.init.token"))
    init.add_argument("--yes", action="store_true", help=words.t("cli.init.yes"))


def _init(given: argparse.Namespace, words: Catalogue) -> int:
    settings = load_settings()
    check_installed()
    if not (given.yes or (sys.stdin and sys.stdin.isatty())):
        raise ConfigError("nobody can be asked here", "config_init_terminal")
    asks = not given.yes
    wanted = _until_good(lambda: _platform(given, settings, words), asks and not given.provider, words)
    try:
        values = _until_good(
            lambda: _tried_keys(given, wanted, settings, words), asks and not given.platform_key, words
        )
    except _NoAnswer as e:
        complain(str(e))
        return 1
    if wanted.model not in _names(settings):
        values["DUIHUA_MODEL"] = wanted.model
    values[TOKEN] = _until_good(
        lambda: _tried_token(given, settings, words), asks and not given.bot_token, words
    )
    return asyncio.run(_finish(values, words))


def _until_good(step: Callable[[], T], asks: bool, words: Catalogue) -> T:
    """What the step gives. If it asks somebody, what is wrong is told and it begins again."""
    while True:
        try:
            return step()
        except (DuihuaError, _NoAnswer) as e:
            if not asks:
                raise
            from duihua_prompts import error_line

            complain(str(e) if isinstance(e, _NoAnswer) else error_line(words, e))


def _tried_keys(
    given: argparse.Namespace, wanted: _Platform, settings: Settings, words: Catalogue
) -> dict[str, str]:
    values = _keys(given, wanted, settings, words)
    asyncio.run(_model_answers(wanted.model, settings.replaced(values), words))
    return values


def _tried_token(given: argparse.Namespace, settings: Settings, words: Catalogue) -> str:
    token = _token(given, settings, words)
    name = asyncio.run(_bot(settings.replaced({TOKEN: token})))
    print(words.t("cli.init.bot", name=name))
    return token


# ---------------------------------------------------------------- asking


def _names(settings: Settings) -> list[str]:
    return [name.strip() for name in settings.model.split(",")]


def _platform(given: argparse.Namespace, settings: Settings, words: Catalogue) -> _Platform:
    """The platform: as given, else asked for, else that of DUIHUA_MODEL, else one that takes such keys."""
    from duihua.providers import registry

    chosen = given.provider.strip()
    if not chosen and not given.yes:
        usual = _names(settings)[0].partition("/")[0]
        print(words.t("cli.init.platforms", names=", ".join(registry.PLATFORMS)))
        chosen = input(words.t("cli.init.which", usual=usual)).strip() or usual
    if not chosen and "model" not in settings.model_fields_set and given.platform_key:
        chosen = "qianfan" if "," in given.platform_key else "qianfan-v2"
    if not chosen:
        chosen = _names(settings)[0]
    name, _, model = chosen.partition("/")
    if not model:
        name = name.lower()
        configured = (known for known in _names(settings) if known.startswith(f"{name}/"))
        chosen = next(configured, f"{name}/{MODELS.get(name, 'any')}")
    name, model = registry.split(chosen)
    return _Platform(f"{name}/{model}", registry.PLATFORMS[name].ways[0])


def _keys(
    given: argparse.Namespace, wanted: _Platform, settings: Settings, words: Catalogue
) -> dict[str, str]:
    """The new values of the settings; what is set already and not given anew stays."""
    platform = wanted.model.partition("/")[0]
    if given.platform_key:
        parts = [part.strip() for part in given.platform_key.split(",")]
        if len(parts) != len(wanted.names) or not all(parts):
            raise ConfigError(
                f"{platform} needs {', '.join(wanted.names)}",
                "config_init_keys",
                platform=platform,
                settings=", ".join(wanted.names),
            )
        return dict(zip(wanted.names, parts, strict=True))
    if given.yes:
        return {}  # whether those that are set will do is found by trying
    values: dict[str, str] = {}
    for name in wanted.names:
        there = bool(getattr(settings, name.lower()))
        value = getpass(words.t("cli.init.keep" if there else "cli.init.ask", name=name)).strip()
        if value:
            values[name] = value
    return values


def _token(given: argparse.Namespace, settings: Settings, words: Catalogue) -> str:
    there = settings.telegram_bot_token.get_secret_value() if settings.telegram_bot_token else ""
    token = given.bot_token.strip()
    if not token and not given.yes:
        token = getpass(words.t("cli.init.keep" if there else "cli.init.ask", name=TOKEN)).strip()
    if not (token or there):
        raise ConfigError("TELEGRAM_BOT_TOKEN is not set", "config_telegram_none")
    return token or there


# ---------------------------------------------------------------- trying


class _NoAnswer(Exception):
    """The model does not answer. The text is the line that says why."""


async def _model_answers(name: str, settings: Settings, words: Catalogue) -> None:
    """Has one short question answered and says so."""
    from duihua.doctor import model
    from duihua_prompts import error_line

    async for found in model(name, settings):
        why = error_line(words, found.error) if found.error else ""
        told = words.t(f"doctor.{found.code}", **{**found.values, "why": why})
        if found.level == "broken":
            raise _NoAnswer(told)
        if found.code == "answered":
            print(told, flush=True)


async def _bot(settings: Settings) -> str:
    """The names of the bots. Raises ConfigError if Telegram does not know one of them, or is out of reach."""
    from duihua.telegram.intake import UNAUTHORIZED
    from duihua.telegram.wire import Wire, WireError

    assert settings.telegram_bot_token is not None
    proxy = settings.telegram_proxy or settings.proxy
    names: list[str] = []
    for token in settings.telegram_bot_token.get_secret_value().split(","):
        wire = Wire(
            SecretStr(token.strip()),
            settings.telegram_api_url,
            proxy=proxy.get_secret_value() if proxy else None,
        )
        try:
            names.append(f"@{(await wire.call('getMe')).get('username', '')}")
        except WireError as e:
            if e.code in UNAUTHORIZED:
                raise ConfigError("Telegram refuses it", "config_telegram_refused", bot=wire.id) from None
            raise ConfigError(
                f"Telegram does not answer: {e}", "config_telegram_unreached", reason=str(e)
            ) from None
        finally:
            await wire.aclose()
    return ", ".join(names)


# ---------------------------------------------------------------- keeping


async def _finish(values: dict[str, str], words: Catalogue) -> int:
    from duihua import envfile
    from duihua.access import HOUR, Access
    from duihua.config import Settings

    envfile.write(Path(ENV_FILE), values)
    print(words.t("cli.init.written", path=ENV_FILE, names=", ".join(values)))
    for name in values:
        if os.environ.get(name, values[name]) != values[name]:
            complain(words.t("cli.init.hidden", name=name))
    settings = Settings.load()
    async with store_alone(settings) as store:
        access = Access(store, settings)
        owned = any(one.role == "owner" for one in await access.members())
        code = "" if owned else await access.invite()
    if code:
        print(words.t("cli.init.pair", code=code, minutes=HOUR // 60))
    print(words.t("cli.init.next"))
    return 0
